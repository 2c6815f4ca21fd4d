package traffic

import "strings"

// Template folds the variable parts of a request's path: every segment that is
// a number, a UUID, a hash, a date or a long opaque token becomes "{id}". It is
// pure: the same input gives the same template in every run and every file, so
// that what ingest stores, queries group by. Method and query do not change
// the path; the method is an argument so that a CONNECT or OPTIONS * target,
// which is no path, stays what it is.
//
// It costs one pass and, if nothing is folded, no allocation.
func Template(method, target string) string {
	path, _ := SplitTarget(target)
	if method == "CONNECT" || path == "*" {
		return path
	}
	first := -1
	for i := 0; i < len(path); {
		j := segmentEnd(path, i)
		if variable(path[i:j]) {
			first = i
			break
		}
		i = j + 1
	}
	if first < 0 {
		return path
	}
	var b strings.Builder
	b.Grow(len(path))
	b.WriteString(path[:first])
	for i := first; i < len(path); {
		j := segmentEnd(path, i)
		seg := path[i:j]
		switch {
		case !variable(seg):
			b.WriteString(seg)
		default:
			b.WriteString("{id}")
			b.WriteString(extension(seg))
		}
		if j < len(path) {
			b.WriteByte('/')
		}
		i = j + 1
	}
	return b.String()
}

func segmentEnd(s string, i int) int {
	if j := strings.IndexByte(s[i:], '/'); j >= 0 {
		return i + j
	}
	return len(s)
}

// extension returns a short alphabetic suffix such as ".json" that says what a
// variable segment is; "" if there is none.
func extension(seg string) string {
	i := strings.LastIndexByte(seg, '.')
	if i <= 0 || len(seg)-i > 6 || len(seg)-i < 2 || !isAlpha(seg[i+1:]) {
		return ""
	}
	return seg[i:]
}

// variable reports whether a path segment names an object rather than a
// resource.
func variable(seg string) bool {
	seg = seg[:len(seg)-len(extension(seg))]
	if seg == "" || len(seg) < 20 && !hasDigit(seg) { // short and without a digit: no rule below fits
		return false
	}
	digits, hex, letters, other, upper, switches := 0, 0, 0, 0, 0, 0
	prev := byte(0)
	for i := 0; i < len(seg); i++ {
		c := seg[i]
		kind := byte('x')
		switch {
		case c >= '0' && c <= '9':
			digits++
			hex++
			kind = 'd'
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
			hex++
			letters++
			kind = 'a'
			if c < 'a' {
				upper++
			}
		case c >= 'g' && c <= 'z', c >= 'G' && c <= 'Z':
			letters++
			kind = 'a'
			if c < 'a' {
				upper++
			}
		case c == '-', c == '_', c == ':', c == '.', c == '+', c == '=', c == '~', c == ',':
			other++
			kind = 'o'
		default:
			return false // percent escapes and the rest: no identifier
		}
		if prev != 0 && kind != prev && kind != 'o' && prev != 'o' {
			switches++
		}
		prev = kind
	}
	n := len(seg)
	switch {
	case letters == 0 && digits > 0: // number, date, dotted version, number list
		return true
	case n == 36 && hex == 32 && strings.Count(seg, "-") == 4: // UUID
		return true
	case hex == n && n >= 8 && digits >= 2: // hash
		return true
	case n >= 20 && other*5 <= n && digits >= 3 && switches >= 4: // opaque token
		return true
	case n >= 24 && other == 0 && upper >= 3 && upper < letters && digits+upper >= 5: // base62
		return true
	case digits >= 4 && digits*2 >= n && other*3 <= n && switches <= 2: // "user12345", "ORD-20240011"
		return true
	}
	return false
}

func hasDigit(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i]-'0' <= 9 {
			return true
		}
	}
	return false
}
