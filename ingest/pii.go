package ingest

import (
	"strings"

	"apiml/traffic"
)

// Personal data in URLs: e-mail addresses, and phone numbers in international
// form or under a name that says so. They end in every log behind the server,
// in browser histories and at third parties as referrers, so they are counted;
// Options.RedactPII masks them: letters become x, digits 0.

// Kinds of personal data, as Coverage counts them.
const (
	PIIEmail = "email"
	PIIPhone = "phone"
)

type piiCount struct{ emails, phones int64 }

func (c piiCount) counts() map[string]int64 {
	m := map[string]int64{}
	if c.emails > 0 {
		m[PIIEmail] = c.emails
	}
	if c.phones > 0 {
		m[PIIPhone] = c.phones
	}
	return m
}

// personal counts the personal data in the URLs of q, and masks it if asked for.
// It reports whether there is any.
func (r *redactor) personal(q *traffic.Request) (found bool) {
	for _, f := range [...]*string{&q.Target, &q.Referrer} {
		masked, c := hideAll(*f)
		found = found || c != piiCount{}
		r.pii.emails += c.emails
		r.pii.phones += c.phones
		if r.mask {
			*f = masked
		}
	}
	if found && r.mask {
		q.Raw, _ = hideAll(q.Raw)
	}
	return found
}

// hideAll masks and counts the personal data in any text.
func hideAll(s string) (string, piiCount) {
	var c piiCount
	var b []byte // s, once something is masked
	f := personalFinder{}
	for at := 0; ; {
		start, end, kind := f.find(s, at)
		if kind == "" {
			return s, c
		}
		if kind == PIIEmail {
			c.emails++
		} else {
			c.phones++
		}
		if b == nil {
			b = []byte(s)
			s = text(b) // which shows what is masked so far
		}
		copy(b[start:], hidePersonal(s[start:end]))
		at = end
	}
}

// hidePersonal keeps punctuation and length, and the last label of a domain.
func hidePersonal(s string) string {
	b := []byte(s)
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '%' && i+2 < len(b):
			i += 2
		case isDigit(c):
			b[i] = '0'
		case isWordByte(c) && c != '_' || c >= 0x80:
			b[i] = 'x'
		}
	}
	return string(b)
}

// findPersonal finds the first address or number at or behind from; kind is ""
// if there is none.
func findPersonal(s string, from int) (start, end int, kind string) {
	var f personalFinder
	return f.find(s, from)
}

// personalFinder remembers the next address, so that it is not looked for again
// behind each number before it.
type personalFinder struct {
	known      bool
	start, end int // of the next address; end is 0 if there is none any more
}

func (f *personalFinder) find(s string, from int) (start, end int, kind string) {
	if from >= len(s) {
		return 0, 0, ""
	}
	if !f.known || f.end > 0 && f.start < from {
		f.known, f.start, f.end = true, 0, 0
		if strings.IndexByte(s[from:], '@') >= 0 || strings.Contains(s[from:], "%40") {
			f.start, f.end = findEmail(s, from)
		}
	}
	start = len(s)
	if f.end > 0 {
		start, end, kind = f.start, f.end, PIIEmail
	}
	if a, z := findPhone(s[:start], from); z > 0 {
		return a, z, PIIPhone
	}
	return start, end, kind
}

func findEmail(s string, from int) (start, end int) {
	for i := from; i < len(s); i++ {
		width := 0
		switch {
		case s[i] == '@':
			width = 1
		case s[i] == '%' && strings.HasPrefix(s[i:], "%40"):
			width = 3
		default:
			continue
		}
		a := i
		for a > from {
			c := s[a-1]
			if isWordByte(c) || c == '.' || c == '-' || c == '+' {
				if a >= 3 && s[a-3] == '%' { // the digits of an escape: only a + belongs to it
					if !strings.HasPrefix(s[a-3:], "%2B") && !strings.HasPrefix(s[a-3:], "%2b") {
						break
					}
					a -= 3
					continue
				}
				a--
				continue
			}
			break
		}
		for a < i && s[a] == '+' { // a space in a query
			a++
		}
		z, dot := i+width, 0
		for z < len(s) && (isWordByte(s[z]) && s[z] != '_' || s[z] == '-' || s[z] == '.') {
			if s[z] == '.' {
				dot = z
			}
			z++
		}
		for z > i && s[z-1] == '.' {
			z--
		}
		if dot >= z {
			dot = strings.LastIndexByte(s[:z], '.')
		}
		letters := z-dot >= 3 && dot > i+width
		for j := dot + 1; letters && j < z; j++ {
			letters = isLetter(s[j])
		}
		// The password of a URL is a secret, not an address.
		if a < i && letters && !(a > 0 && (s[a-1] == ':' || s[a-1] == '/' && width == 1 && a > 2 && s[a-2] == '/')) {
			return a, z
		}
	}
	return 0, 0
}

// findPhone finds + and 8 to 15 digits behind the beginning of a value, or 7 and
// more digits under the name of a phone.
func findPhone(s string, from int) (start, end int) {
	for i := from; i < len(s); i++ {
		n := strings.IndexByte(s[i:], '=')
		if n < 0 {
			return 0, 0
		}
		i += n
		at, plus := i+1, false
		switch {
		case strings.HasPrefix(s[at:], "+"):
			at, plus = at+1, true
		case strings.HasPrefix(s[at:], "%2B"), strings.HasPrefix(s[at:], "%2b"):
			at, plus = at+3, true
		case at < len(s) && isDigit(s[at]), strings.HasPrefix(s[at:], "("), strings.HasPrefix(s[at:], "tel:"):
			at += strings.Count(s[at:min(at+4, len(s))], "tel:") * 4
		default:
			continue
		}
		z, digits := at, 0
		for z < len(s) {
			if isDigit(s[z]) {
				digits++
				z++
			} else if k := phoneGap(s[z:]); k > 0 && z+k < len(s) {
				z += k
			} else {
				break
			}
		}
		for z > at && !isDigit(s[z-1]) {
			z--
		}
		if digits < 7 || digits > 15 || plus && digits < 8 || z < len(s) && isWordByte(s[z]) || !plus && !phoneName(s, i) {
			continue
		}
		return at, z
	}
	return 0, 0
}

func phoneGap(s string) int {
	switch s[0] {
	case '-', '.', '+', '(', ')', ' ', '/':
		return 1
	}
	if strings.HasPrefix(s, "%20") || strings.HasPrefix(s, "%28") || strings.HasPrefix(s, "%29") {
		return 3
	}
	return 0
}

// phoneName reports whether the name that ends at s[:i] is that of a phone number.
func phoneName(s string, i int) bool {
	a := i
	for a > 0 && i-a < 40 && (isWordByte(s[a-1]) || s[a-1] == '-') {
		a--
	}
	name := strings.ToLower(s[a:i])
	for _, w := range [...]string{"phone", "mobile", "msisdn", "whatsapp", "telefon", "cellular"} {
		if strings.Contains(name, w) {
			return true
		}
	}
	return name == "tel" || name == "fax" || name == "cell" || strings.HasSuffix(name, "_tel") || strings.HasPrefix(name, "tel_")
}
