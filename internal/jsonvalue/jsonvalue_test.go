package jsonvalue

import (
	"encoding/json"
	"testing"
)

func TestFind(t *testing.T) {
	for _, c := range []struct{ text, key, want string }{
		{`{"a":1,"b":{"a":2},"c":[3,{"d":4}]}`, "a", `1`},
		{`{"a":1,"b":{"a":2},"c":[3,{"d":4}]}`, "b", `{"a":2}`},
		{`{"a":1,"b":{"a":2},"c":[3,{"d":4}]}`, "c", `[3,{"d":4}]`},
		{`{"a":1,"b":{"a":2},"c":[3,{"d":4}]}`, "d", ``},
		{`{"x":"a","a":"}\",{"}`, "a", `"}\",{"`},
		{`{"a":null}`, "a", `null`},
		{`{"a":[],"a":2}`, "a", `[]`},
		{`{"a" :1}`, "a", ``},
		{`["a",1]`, "a", ``},
		{`{"a":"b`, "a", ``},
		{`"a`, "a", ``},
		{``, "a", ``},
	} {
		from, to := Find(c.text, c.key)
		if got := c.text[from:to]; got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.key, c.text, got, c.want)
		}
	}
}

// FuzzFind: what is found in compact JSON is what encoding/json says, and the
// text without it is JSON too.
func FuzzFind(f *testing.F) {
	f.Add(`{"a":1,"b":{"a":2},"c":"\"]"}`)
	f.Add(`{"b":[[],{}],"a":"x"}`)
	f.Fuzz(func(t *testing.T, text string) {
		from, to := Find(text, "a")
		var all map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &all) != nil || from == 0 {
			return
		}
		if !json.Valid([]byte(text[from:to])) || !json.Valid([]byte(text[:from]+"null"+text[to:])) {
			t.Fatalf("%q: %q is no value", text, text[from:to])
		}
		if _, ok := all["a"]; !ok {
			t.Fatalf("%q has no such key", text)
		}
	})
}
