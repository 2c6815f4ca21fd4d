package features

import (
	"strings"
	"testing"

	"apiml/traffic"
)

// TestStandIns: a placeholder of redaction gives the features of what it stands
// for.
func TestStandIns(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"/a?n=[pan]&b=[pan]", "/a?n=4111111111111111&b=4111111111111111"},
		{"/a?b=[pa", "/a?b=[pa"},
		{"[jwt alg=none", "[jwt alg=none"},
	} {
		if got := standIns(&traffic.Request{Target: c.in, Body: c.in}); got.Target != c.want || got.Body != c.want {
			t.Errorf("%q: %q, %q", c.in, got.Target, got.Body)
		}
	}
	for _, c := range []struct {
		in     string
		length int
		none   int
	}{
		{"[jwt alg=none len=57]", 57, 1}, {"[jwt alg=HS256 len=212]", 212, 0}, {"[jwt alg=RS256 len=700]", 700, 0},
		{"[jwt alg=HS256 len=150 sig=0]", 150, 1}, {"[jwt alg=? len=99]", 99, 0},
	} {
		got := standIn(c.in)
		n, none := tokens([]byte(got))
		if len(got) != c.length || n != 1 || none != c.none {
			t.Errorf("%s: %s is %d bytes, %d tokens, %d unsigned", c.in, got, len(got), n, none)
		}
	}
	if got := standIn("[jwt alg=x len=999999999999999999999]"); len(got) > maxQuery+100 {
		t.Errorf("%d bytes", len(got))
	}
	r := &traffic.Request{Target: "/plain"}
	if standIns(r) != r || strings.Contains(r.Target, "4") {
		t.Error("a request without placeholders is not copied")
	}
}
