package main

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
)

// A string reads back as it was, whatever is in it and wherever it stands;
// encoding/json decides what becomes of bytes that are no UTF-8.
func TestAppendText(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	pieces := []string{"a", "Z", " ", "~", "\x7f", "\"", "\\", "\x00", "\x1f", "\n", "\t", "\r", "!", "#", "[", "]", "é", "\u2028", "\U0001F600", "\x80", "\xff", "\xc3"}
	for range 20_000 {
		s := ""
		for range rng.IntN(24) {
			if rng.IntN(4) > 0 {
				s += "abcdefgh"[:1+rng.IntN(8)]
			} else {
				s += pieces[rng.IntN(len(pieces))]
			}
		}
		ref, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got, want string
		b := appendText([]byte("x"), s)[1:]
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q becomes %s: %v", s, b, err)
		}
		if err := json.Unmarshal(ref, &want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("%q reads back as %q, expected %q", s, got, want)
		}
	}
}
