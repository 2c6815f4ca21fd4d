package store

import (
	"testing"
	"unicode/utf8"
)

func TestEncode(t *testing.T) {
	for _, c := range []struct{ raw, stored string }{
		{"", ""},
		{"/a?b=ü€𝄞", "/a?b=ü€𝄞"},
		{"\xff", `\xff`},
		{"a\xe2\x82z", `a\xe2\x82z`},
		{"\xc0\xaf..", `\xc0\xaf..`},              // overlong slash
		{"\xed\xa0\x80", `\xed\xa0\x80`},          // surrogate
		{`\xE2\x22`, `\xE2\x22`},                  // NGINX's own escapes stay
		{`\x16\x03\x01`, `\x16\x03\x01`},          // these too
		{`\xe2`, `\x5cxe2`},                       // text that looks like ours
		{`\x5c`, `\x5cx5c`},                       //
		{"\\\xff", `\\xff`},                       // backslash before a bad byte
		{"\\x\xff", `\x\xff`},                     //
		{"nul\x00nul", "nul\x00nul"},              //
		{"\ufffd", "\ufffd"},                      // a real U+FFFD is no bad byte
		{`C:\xampp\xdebug`, `C:\xampp\x5cxdebug`}, // "\xde" looks like ours, "\xam" does not
	} {
		if got := encode(c.raw); got != c.stored {
			t.Errorf("encode(%q) = %q, want %q", c.raw, got, c.stored)
		}
		if got := decode(c.stored); got != c.raw {
			t.Errorf("decode(%q) = %q, want %q", c.stored, got, c.raw)
		}
	}
}

// Exhaustive over a small alphabet that holds every special case.
func TestEncodeExhaustive(t *testing.T) {
	alphabet := []byte{'\\', 'x', '5', 'c', '8', 0xe2, 0x82}
	for n := range 7 {
		buf := make([]byte, n)
		idx := make([]int, n)
		for done := false; !done; {
			for i, k := range idx {
				buf[i] = alphabet[k]
			}
			e := encode(string(buf))
			if !utf8.ValidString(e) || decode(e) != string(buf) {
				t.Fatalf("%q: stored %q, back %q", buf, e, decode(e))
			}
			done = true
			for i := range idx {
				if idx[i]++; idx[i] < len(alphabet) {
					done = false
					break
				}
				idx[i] = 0
			}
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("\xff\\x5c\\xe2")
	f.Fuzz(func(t *testing.T, s string) {
		e := encode(s)
		if !utf8.ValidString(e) {
			t.Fatalf("%q is not UTF-8", e)
		}
		if d := decode(e); d != s {
			t.Fatalf("%q: stored %q, back %q", s, e, d)
		}
	})
}
