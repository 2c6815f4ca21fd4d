package ingest

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// The secrets that are recognised by their form, wherever they stand: JSON Web
// Tokens and card numbers.

// replaceJWTs replaces every JSON Web Token: three base64url parts divided by
// points, the first a JSON object; the signature may be empty.
func (r *redactor) replaceJWTs(s string) string {
	var b strings.Builder
	done := 0
	for i := 0; ; {
		n := strings.Index(s[i:], "eyJ")
		if n < 0 {
			break
		}
		i += n
		end, alg, ok := jwtAt(s, i)
		if !ok {
			i = end
			continue
		}
		b.WriteString(s[done:i])
		b.WriteString("[jwt alg=")
		b.WriteString(alg)
		b.WriteString(" len=")
		b.WriteString(strconv.Itoa(end - i))
		if s[end-1] == '.' && !strings.EqualFold(alg, "none") {
			b.WriteString(" sig=0") // the signature was cut off: an attack that the algorithm does not show
		}
		b.WriteByte(']')
		r.jwts++
		i, done = end, end
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// jwtAt reads the token that begins at s[i]. If there is none, end is where to
// look on: none begins before it either.
func jwtAt(s string, i int) (end int, alg string, ok bool) {
	part := func(at int) int {
		for at < len(s) && (isWordByte(s[at]) || s[at] == '-') {
			at++
		}
		return at
	}
	head := part(i)
	if head-i < 8 || head == len(s) || s[head] != '.' {
		return head, "", false
	}
	payload := part(head + 1)
	if payload-head < 3 || payload == len(s) || s[payload] != '.' {
		return head, "", false
	}
	return part(payload + 1), jwtAlg(s[i:head]), true
}

// jwtAlg reads the algorithm out of a JWT's header; "?" if it cannot.
func jwtAlg(head string) string {
	if len(head) > 4096 {
		return "?"
	}
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return "?"
	}
	_, rest, ok := strings.Cut(string(raw), `"alg"`)
	if !ok {
		return "?"
	}
	rest = strings.TrimLeft(rest, " \t\r\n:")
	if rest == "" || rest[0] != '"' {
		return "?"
	}
	alg, _, ok := strings.Cut(rest[1:], `"`)
	if !ok || alg == "" || len(alg) > 16 {
		return "?"
	}
	for i := range len(alg) {
		if !isWordByte(alg[i]) && alg[i] != '-' {
			return "?"
		}
	}
	return alg
}

func (r *redactor) replacePANs(s string) string {
	var b strings.Builder
	done := 0
	runStart, runEnd, run := findRun(s, 0)
	for {
		if run && runStart < done {
			runStart, runEnd, run = findRun(s, done)
		}
		start, end, ok := findGroups(s, done, runStart)
		if !ok {
			start, end, ok = runStart, runEnd, run
		}
		if !ok {
			break
		}
		b.WriteString(s[done:start])
		b.WriteString("[pan]")
		r.pans++
		done = end
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// findPAN finds the first card number at or behind from: 13 to 19 digits, or
// four groups of four divided by the same space, minus or plus, that do not
// stand inside a longer word. To be fast it looks at every 13th byte for a run
// of digits, since a run of 13 cannot hide between two of them, and at triples
// five bytes apart for groups.
func findPAN(s string, from int) (start, end int, ok bool) {
	start, end, ok = findRun(s, from)
	if a, z, grouped := findGroups(s, from, start); grouped {
		return a, z, true
	}
	return start, end, ok
}

// findRun finds the first card number without separators; start is the length of
// s if there is none.
func findRun(s string, from int) (start, end int, ok bool) {
	for p := from + 12; p < len(s); p += 13 {
		if !isDigit(s[p]) {
			continue
		}
		a, z := p, p+1
		for a > from && isDigit(s[a-1]) {
			a--
		}
		for z < len(s) && isDigit(s[z]) {
			z++
		}
		// The digits of an escape before the number are not part of it.
		if a > 0 && s[a-1] == '%' && z-a > 2 {
			a += 2
		}
		if n := z - a; n >= 13 && n <= 19 && alone(s, a, z) && isPAN(s[a:z]) {
			return a, z, true
		}
		if z > p+13 {
			p += (z - p) / 13 * 13 // the rest of this run
			p -= 13
		}
	}
	return len(s), 0, false
}

// findGroups finds the first card number in groups that begins before best.
func findGroups(s string, from, best int) (start, end int, ok bool) {
	for p := from; p+10 < len(s) && p < best; p += 5 {
		if c := s[p]; !isDigit(c) {
			// The three may be the separators.
			if (c == ' ' || c == '-' || c == '+') && s[p+5] == c && s[p+10] == c && p >= from+4 && groupedPAN(s, p-4) {
				return p - 4, p + 15, true
			}
			continue
		}
		if !isDigit(s[p+5]) || !isDigit(s[p+10]) {
			continue
		}
		for a := p; a > p-4 && a >= from && isDigit(s[a]); a-- {
			if a < best && groupedPAN(s, a) {
				return a, a + 19, true
			}
		}
	}
	return best, 0, false
}

func groupedPAN(s string, a int) bool {
	if a+19 > len(s) {
		return false
	}
	sep := s[a+4]
	if sep != ' ' && sep != '-' && sep != '+' || s[a+9] != sep || s[a+14] != sep {
		return false
	}
	var d [16]byte
	for g := range 4 {
		for i := range 4 {
			c := s[a+g*5+i]
			if !isDigit(c) {
				return false
			}
			d[g*4+i] = c
		}
	}
	return alone(s, a, a+19) && isPAN(string(d[:]))
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// alone: no letter, digit or decimal point touches s[a:z].
func alone(s string, a, z int) bool {
	if a > 0 {
		c := s[a-1]
		escape := a > 2 && s[a-3] == '%' && isHex(s[a-2:], 2) // "%204111…": the escape ends here
		if !escape && (isWordByte(c) && c != '_' || c == '.' && a > 1 && isDigit(s[a-2])) {
			return false
		}
	}
	return z == len(s) || !isWordByte(s[z]) || s[z] == '_'
}

// isPAN: an issuer's prefix with a length that it uses, and the check digit.
// Without the prefixes one long number in ten would pass for a card.
func isPAN(d string) bool {
	n := len(d)
	p2, p3, p4 := num(d[:2]), num(d[:3]), num(d[:4])
	switch {
	case d[0] == '4' && (n == 13 || n == 16 || n == 19): // Visa
	case n == 16 && (p2 >= 51 && p2 <= 55 || p4 >= 2221 && p4 <= 2720): // Mastercard
	case n == 15 && (p2 == 34 || p2 == 37): // American Express
	case n == 14 && (p2 == 36 || p2 == 38 || p3 >= 300 && p3 <= 305): // Diners Club
	case n >= 16 && (p4 == 6011 || p2 == 65 || p3 >= 644 && p3 <= 649 || p2 == 62 || p2 == 35 || p2 == 50 || p2 >= 56 && p2 <= 69): // Discover, UnionPay, JCB, Maestro
	default:
		return false
	}
	sum := 0
	for i := range n {
		v := int(d[n-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}
