package store

import (
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// encode makes valid UTF-8 of any bytes, reversibly: see the package comment.
// Text that needs no change, almost all, is returned as it is.
func encode(s string) string {
	if utf8.ValidString(s) && !looksEscaped(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		if s[i] == '\\' && escapedByte(s[i:]) >= 0 {
			b.WriteString(`\x5c`)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b.WriteString(`\x`)
			b.WriteByte(hexDigits[s[i]>>4])
			b.WriteByte(hexDigits[s[i]&15])
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// decode is the inverse of encode.
func decode(s string) string {
	if !looksEscaped(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		if s[i] == '\\' {
			if v := escapedByte(s[i:]); v >= 0 {
				b.WriteByte(byte(v))
				i += 4
				continue
			}
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

// looksEscaped reports whether s holds an escape that decode would undo.
func looksEscaped(s string) bool {
	for {
		i := strings.Index(s, `\x`)
		if i < 0 {
			return false
		}
		if escapedByte(s[i:]) >= 0 {
			return true
		}
		s = s[i+2:]
	}
}

// escapedByte returns the value of the escape at the beginning of s, -1 if
// there is none: \x5c or \x80 to \xff in lower case. Other ones are text; NGINX,
// which writes \xE2, is left alone.
func escapedByte(s string) int {
	if len(s) < 4 || s[0] != '\\' || s[1] != 'x' {
		return -1
	}
	hi, lo := strings.IndexByte(hexDigits, s[2]), strings.IndexByte(hexDigits, s[3])
	if v := hi<<4 | lo; hi >= 0 && lo >= 0 && (v >= 0x80 || v == '\\') {
		return v
	}
	return -1
}
