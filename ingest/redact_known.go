package ingest

import "strings"

// Secrets that are known by their form, wherever they stand:
//
//	AKIA…, ASIA…          access key of AWS: 16 more capitals and digits
//	AIza…                 key of Google: 35 more characters
//	ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- npm_   tokens of code hosts: 20 or more
//	sk_live_ rk_live_ sk_test_ rk_test_   keys of Stripe: 16 or more
//	sk-…                  keys of model providers: 32 or more
//	xoxb- xoxp- xoxa- xoxr- xoxs-   tokens of Slack: 10 or more
//	Bearer …, Basic …     credentials: 8 or more, behind a space in any form
//	://name:password@     the password
//	-----BEGIN … PRIVATE KEY-----   up to its end, or the end of the text

// knownForm is a prefix with what must follow.
type knownForm struct {
	prefix string
	least  int
	upper  bool // capitals and digits only
	points bool // may hold . ~ + / = too
}

func knownForms() [22]knownForm {
	return [22]knownForm{
		{prefix: "AKIA", least: 16, upper: true}, {prefix: "ASIA", least: 16, upper: true}, {prefix: "AIza", least: 35},
		{prefix: "ghp_", least: 20}, {prefix: "gho_", least: 20}, {prefix: "ghu_", least: 20}, {prefix: "ghs_", least: 20},
		{prefix: "ghr_", least: 20}, {prefix: "github_pat_", least: 20}, {prefix: "npm_", least: 20},
		{prefix: "sk_live_", least: 16}, {prefix: "rk_live_", least: 16}, {prefix: "sk_test_", least: 16}, {prefix: "rk_test_", least: 16},
		{prefix: "glpat-", least: 20}, {prefix: "sk-", least: 32},
		{prefix: "xoxb-", least: 10}, {prefix: "xoxp-", least: 10}, {prefix: "xoxa-", least: 10}, {prefix: "xoxr-", least: 10}, {prefix: "xoxs-", least: 10},
		{},
	}
}

func (r *redactor) replaceKnown(s string) string {
	var b strings.Builder
	done := 0
	f := knownFinder{s: s}
	for {
		start, end, ok := f.next()
		if !ok {
			break
		}
		if m := mask(s[start:end]); m != s[start:end] {
			b.WriteString(s[done:start])
			b.WriteString(m)
			done = end
			r.secrets++
		}
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// knownSigns are what the finder searches for: what is rare in a log.
func knownSigns() [11]string {
	return [11]string{"_", "AKIA", "ASIA", "AIza", "xox", "glpat-", "sk-", "earer", "asic", "://", "PRIVATE KEY-----"}
}

// knownFinder finds the secrets of a text one after the other. It looks at each
// sign once, whatever the text: lines are written by attackers.
type knownFinder struct {
	s    string
	from int
	at   [11]int // the next place of each sign, not looked at yet; behind the end: none
	set  bool
}

// next finds the first secret behind the last one.
func (f *knownFinder) next() (start, end int, ok bool) {
	signs := knownSigns()
	seek := func(k, from int) {
		f.at[k] = len(f.s)
		if from < len(f.s) {
			if n := strings.Index(f.s[from:], signs[k]); n >= 0 {
				f.at[k] = from + n
			}
		}
	}
	for k := range signs {
		if !f.set || f.at[k] < f.from {
			seek(k, f.from)
		}
	}
	f.set = true
	start = len(f.s)
	for {
		k := 0
		for j := range f.at {
			if f.at[j] < f.at[k] {
				k = j
			}
		}
		if f.at[k] >= start {
			if ok {
				f.from = end
			}
			return start, end, ok
		}
		i := f.at[k]
		on := i + len(signs[k]) // where to look on
		a, z := 0, 0
		switch signs[k] {
		case "_":
			a, z = underscoreForm(f.s, i, f.from)
		case "earer", "asic":
			if i > 0 && f.s[i-1]|0x20 == 'b' {
				if a = on + spaceLen(f.s[on:]); a > on {
					if z = tokenEnd(f.s, a, knownForm{points: true}); z-a < 8 || !secretLike(f.s[a:z], signs[k] == "asic") {
						on, z = z, 0 // what is left of the token is none either
					}
				}
			}
		case "://":
			a, z = userinfo(f.s, on)
		case "PRIVATE KEY-----":
			a, z = on, len(f.s)
			if n := strings.Index(f.s[a:], "-----END"); n >= 0 {
				z = a + n
			}
			if a >= z || mask(f.s[a:z]) == f.s[a:z] {
				on, z = max(on, z), 0
			}
		default:
			if x, y, ok := formAt(f.s, i); ok {
				a, z = x, y
			}
		}
		if z > a && a >= f.from && a < start {
			start, end, ok = a, z, true
		}
		seek(k, on)
	}
}

// underscoreForm is formAt for a prefix whose first _ stands at s[i].
func underscoreForm(s string, i, from int) (start, end int) {
	at := -1
	switch {
	case i >= from+3 && (s[i-3] == 'g' && s[i-2] == 'h' || s[i-3:i] == "npm"):
		at = i - 3
	case i >= from+2 && s[i-1] == 'k' && (s[i-2] == 's' || s[i-2] == 'r'):
		at = i - 2
	case i >= from+6 && s[i-6:i] == "github":
		at = i - 6
	}
	if at < 0 {
		return 0, 0
	}
	start, end, _ = formAt(s, at)
	return start, end
}

// mayCredentials reports whether the space at s[i], in any form, may stand between
// Bearer or Basic and credentials.
func mayCredentials(s string, i int) bool {
	if i < 5 || s[i-1] != 'r' && s[i-1] != 'c' {
		return false
	}
	a := i + spaceLen(s[i:])
	return (s[i-5:i] == "earer" || s[i-4:i] == "asic") && a > i && tokenEnd(s[:min(len(s), a+24)], a, knownForm{points: true})-a >= 8
}

// knownNear reports whether a secret may be known by the byte at s[i]: the _ or -
// of a prefix, the I of AKIA, the last - of a private key's first line.
func knownNear(s string, i int) bool {
	at := -1
	switch s[i] {
	case '_':
		switch {
		case i >= 3 && (s[i-3] == 'g' && s[i-2] == 'h' || s[i-3:i] == "npm"):
			at = i - 3
		case i >= 2 && s[i-1] == 'k' && (s[i-2] == 's' || s[i-2] == 'r'):
			at = i - 2
		case i >= 6 && s[i-6:i] == "github":
			at = i - 6
		}
	case 'I':
		switch {
		case i >= 2 && s[i-2] == 'A' && (s[i-1] == 'K' || s[i-1] == 'S'):
			at = i - 2
		case i >= 1 && s[i-1] == 'A':
			at = i - 1
		}
	case '-':
		switch {
		case i >= 2 && s[i-1] == 'k' && s[i-2] == 's':
			at = i - 2
		case i >= 5 && s[i-5:i] == "glpat":
			at = i - 5
		case i >= 4 && s[i-4:i-1] == "xox":
			at = i - 4
		case i >= 11 && s[i-1] == 'Y':
			return s[i-11:i] == "PRIVATE KEY" && strings.HasPrefix(s[i:], "-----")
		}
	}
	if at < 0 {
		return false
	}
	_, _, ok := formAt(s, at)
	return ok
}

// formAt reads the secret that begins at s[i] with one of the prefixes. A word
// that it is only a part of is none.
func formAt(s string, i int) (start, end int, ok bool) {
	if i > 0 && isWordByte(s[i-1]) && !(i > 2 && s[i-3] == '%' && isHex(s[i-2:], 2)) {
		return 0, 0, false
	}
	for _, f := range knownForms() {
		if f.prefix == "" || !strings.HasPrefix(s[i:], f.prefix) {
			continue
		}
		a := i + len(f.prefix)
		z := tokenEnd(s, a, f)
		if z-a < f.least || f.upper && z-a != f.least || strings.Trim(s[a:z], "x0-_") == "" {
			return 0, 0, false
		}
		return a, z, true
	}
	return 0, 0, false
}

func tokenEnd(s string, i int, f knownForm) int {
	for i < len(s) {
		c := s[i]
		switch {
		case f.upper && (c >= 'A' && c <= 'Z' || isDigit(c)), !f.upper && (isWordByte(c) || c == '-'):
		case f.points && (c == '.' || c == '~' || c == '+' || c == '/' || c == '='):
		case f.points && c == '%' && i+2 < len(s) && (s[i+1:i+3] == "3D" || s[i+1:i+3] == "3d" || s[i+1:i+3] == "2B" || s[i+1:i+3] == "2b" || s[i+1:i+3] == "2F" || s[i+1:i+3] == "2f"):
			i += 2
		default:
			return i
		}
		i++
	}
	return i
}

// spaceLen is the length of a space as it may be written.
func spaceLen(s string) int {
	switch {
	case s == "":
		return 0
	case s[0] == ' ' || s[0] == '+':
		return 1
	case strings.HasPrefix(s, "%20"):
		return 3
	}
	return 0
}

// secretLike tells credentials from prose ("bearer authentication"): they hold
// a digit, or capitals inside, or padding.
func secretLike(s string, base64 bool) bool {
	digits, inner := false, false
	for i := range len(s) {
		digits = digits || isDigit(s[i]) && s[i] != '0'
		inner = inner || i > 0 && s[i] >= 'A' && s[i] <= 'Z'
	}
	return digits || inner || base64 && s[len(s)-1] == '='
}

// userinfo returns the password of the authority that begins at s[i].
func userinfo(s string, i int) (start, end int) {
	colon := -1
	for j := i; j < len(s) && j-i < 256; j++ {
		switch c := s[j]; c {
		case ':':
			if colon < 0 {
				colon = j
			}
		case '@':
			if colon < 0 || strings.Trim(s[colon+1:j], "x0") == "" {
				return 0, 0
			}
			return colon + 1, j
		case '/', '?', '#', ' ', '"', '\'', '<', '>', '\\', '\n', ',':
			return 0, 0
		}
	}
	return 0, 0
}
