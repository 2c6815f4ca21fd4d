package report

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the number of characters of a string that page and Markdown show.
// A user agent of 10 kB would push everything else off the screen; JSON has it
// in full.
const maxText = 300

// cleaned returns a deep copy of d in which every string is fit to be seen:
// control characters, invalid UTF-8 and marks that turn the direction of text
// are written as escapes, and long strings are cut with their length. What is
// left still goes through the escaping of its output format.
//
// It works on all strings there are, so that a new field cannot be forgotten.
func cleaned(d *Data) *Data {
	return deepCopy(d, func(s string) string { return visible(s, maxText) })
}

// deepCopy copies d with every string changed by text, and with empty slices
// instead of nil ones: [] in JSON, which a script can iterate over.
func deepCopy(d *Data, text func(string) string) *Data {
	out := copyValue(reflect.ValueOf(*d), text).Interface().(Data)
	return &out
}

func copyValue(v reflect.Value, text func(string) string) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		return reflect.ValueOf(text(v.String())).Convert(v.Type())
	case reflect.Slice:
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		if k := v.Type().Elem().Kind(); k != reflect.String && k != reflect.Struct && k != reflect.Slice {
			reflect.Copy(out, v)
			return out
		}
		for i := range v.Len() {
			out.Index(i).Set(copyValue(v.Index(i), text))
		}
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() { // time.Time has no exported field and no text
				out.Field(i).Set(copyValue(v.Field(i), text))
			}
		}
		return out
	}
	return v
}

// visible is s with everything invisible as an escape, cut to limit characters.
func visible(s string, limit int) string {
	if plain(s) && len(s) <= limit {
		return s
	}
	var b strings.Builder
	n := 0
	for i := 0; i < len(s); {
		if n == limit {
			fmt.Fprintf(&b, "… (%s bytes)", commas(int64(len(s))))
			break
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r >= 0x7f && r < 0xa0:
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029 || r >= 0xfff0 && r != utf8.RuneError:
			// Format characters: direction marks and overrides, zero width, tags.
			if unicode.IsPrint(r) {
				b.WriteRune(r) // emoji and rare scripts
			} else {
				fmt.Fprintf(&b, `\u%04x`, r)
			}
		default:
			b.WriteRune(r)
		}
		i += size
		n++
	}
	return b.String()
}

func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
