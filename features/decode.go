package features

import "unicode/utf8"

// maxRounds caps how often a value is decoded.
const maxRounds = 4

// decoded is the result of one decoding step.
type decoded struct {
	out     []byte
	changed bool
	damage  int // broken, overlong or non-standard escapes
}

// percent appends s to dst with %XX and %uXXXX resolved, and + as a space if
// plus is set. A broken escape stays as it is and is counted; so are overlong
// UTF-8 forms of / . \ and ', which are resolved, as lenient servers do.
func percent(dst, s []byte, plus bool) decoded {
	d := decoded{out: dst}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+' && plus:
			d.out = append(d.out, ' ')
			d.changed = true
			continue
		case c != '%':
			d.out = append(d.out, c)
			continue
		}
		if i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			v := unhex(s[i+1])<<4 | unhex(s[i+2])
			d.changed = true
			// Overlong two-byte forms: C0 xx and C1 xx encode ASCII.
			if (v == 0xC0 || v == 0xC1) && i+5 < len(s) && s[i+3] == '%' && isHex(s[i+4]) && isHex(s[i+5]) {
				if w := unhex(s[i+4])<<4 | unhex(s[i+5]); w >= 0x80 && w < 0xC0 {
					d.out = append(d.out, (v&1)<<6|w&0x3F)
					d.damage++
					i += 5
					continue
				}
			}
			d.out = append(d.out, v)
			i += 2
			continue
		}
		if i+5 < len(s) && s[i+1]|0x20 == 'u' && isHex(s[i+2]) && isHex(s[i+3]) && isHex(s[i+4]) && isHex(s[i+5]) {
			d.out = utf8.AppendRune(d.out, fold(hex4(s[i+2:])))
			d.changed = true
			d.damage++
			i += 5
			continue
		}
		d.damage++
		d.out = append(d.out, c)
	}
	return d
}

// fold maps the full-width forms (U+FF01…U+FF5E), which some servers narrow, to
// ASCII.
func fold(r rune) rune {
	if r >= 0xFF01 && r <= 0xFF5E {
		return r - 0xFF01 + '!'
	}
	return r
}

// entities appends s to dst with numeric and the common named HTML entities
// resolved.
func entities(dst, s []byte) decoded {
	d := decoded{out: dst}
	for i := 0; i < len(s); i++ {
		if s[i] == '&' {
			if r, n := entity(s[i:]); n > 0 {
				d.out = utf8.AppendRune(d.out, r)
				d.changed = true
				i += n - 1
				continue
			}
		}
		d.out = append(d.out, s[i])
	}
	return d
}

// entity reads one HTML entity at the start of s: its rune and length, 0 if
// there is none.
func entity(s []byte) (rune, int) {
	if len(s) < 3 {
		return 0, 0
	}
	if s[1] == '#' {
		i, v, base := 2, rune(0), rune(10)
		if s[i]|0x20 == 'x' {
			i, base = 3, 16
		}
		start := i
		for ; i < len(s) && i < start+7 && isHex(s[i]) && (base == 16 || s[i] <= '9'); i++ {
			v = v*base + rune(unhex(s[i]))
		}
		if i == start || v > utf8.MaxRune {
			return 0, 0
		}
		if i < len(s) && s[i] == ';' {
			i++
		}
		return v, i
	}
	end := 1
	for end < len(s) && end < 10 && (s[end]|0x20 >= 'a' && s[end]|0x20 <= 'z') {
		end++
	}
	if end == len(s) || s[end] != ';' {
		return 0, 0
	}
	var r rune
	switch string(s[1:end]) {
	case "lt", "LT":
		r = '<'
	case "gt", "GT":
		r = '>'
	case "quot", "QUOT":
		r = '"'
	case "amp", "AMP":
		r = '&'
	case "apos":
		r = '\''
	case "nbsp":
		r = ' '
	case "colon":
		r = ':'
	case "lpar":
		r = '('
	case "rpar":
		r = ')'
	case "sol":
		r = '/'
	case "tab", "Tab":
		r = '\t'
	case "newline", "NewLine":
		r = '\n'
	default:
		return 0, 0
	}
	return r, end + 1
}

// backslashes appends s to dst with the escapes of JSON, JavaScript and C
// resolved: \uXXXX \xXX \n \r \t \" \' \/ \\.
func backslashes(dst, s []byte) decoded {
	d := decoded{out: dst}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' || i+1 == len(s) {
			d.out = append(d.out, c)
			continue
		}
		n := s[i+1]
		switch {
		case n == 'u' && i+5 < len(s) && isHex(s[i+2]) && isHex(s[i+3]) && isHex(s[i+4]) && isHex(s[i+5]):
			d.out = utf8.AppendRune(d.out, fold(hex4(s[i+2:])))
			i += 5
		case n == 'x' && i+3 < len(s) && isHex(s[i+2]) && isHex(s[i+3]):
			d.out = append(d.out, unhex(s[i+2])<<4|unhex(s[i+3]))
			i += 3
		case n == '"', n == '\'', n == '/':
			d.out = append(d.out, n)
			i++
		default:
			// \n, \t, \\ and the rest stay: "C:\new" is a path, not a line break.
			d.out = append(d.out, c)
			continue
		}
		d.changed = true
	}
	return d
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&0x0F + 9
}

func hex4(s []byte) rune {
	return rune(unhex(s[0]))<<12 | rune(unhex(s[1]))<<8 | rune(unhex(s[2]))<<4 | rune(unhex(s[3]))
}

// decoder holds two buffers that decoding alternates between.
type decoder struct{ a, b []byte }

// once resolves the transport encoding of a path (plus = false) or of a name or
// value of a query or form. The result is valid until the next call of once or
// fully on the same decoder.
func (d *decoder) once(s []byte, plus bool) decoded {
	r := percent(d.a[:0], s, plus)
	d.a = r.out
	return r
}

// fully goes on decoding what once returned until nothing changes or maxRounds
// are used up; it returns the result, the rounds used after first and the damage
// found. The result is valid until the next call.
func (d *decoder) fully(s []byte, first int) (out []byte, rounds, damage int) {
	for rounds = first; rounds < maxRounds; rounds++ {
		pct, amp, back := false, false, false
		for _, c := range s {
			switch c {
			case '%':
				pct = true
			case '&':
				amp = true
			case '\\':
				back = true
			}
		}
		changed := false
		if pct {
			if r := percent(d.b[:0], s, false); r.changed {
				d.a, d.b = r.out, d.a
				s, changed, damage = r.out, true, damage+r.damage
			} else {
				d.b = r.out
			}
		}
		if amp && !changed {
			if r := entities(d.b[:0], s); r.changed {
				d.a, d.b = r.out, d.a
				s, changed = r.out, true
			} else {
				d.b = r.out
			}
		}
		if back && !changed {
			if r := backslashes(d.b[:0], s); r.changed {
				d.a, d.b = r.out, d.a
				s, changed = r.out, true
			} else {
				d.b = r.out
			}
		}
		if !changed {
			break
		}
	}
	return s, rounds, damage
}
