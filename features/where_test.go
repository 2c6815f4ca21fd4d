package features

import (
	"strings"
	"testing"

	"apiml/traffic"
)

// TestWhere finds a payload wherever it stands, and nothing in honest text.
func TestWhere(t *testing.T) {
	e := NewExtractor(Online(nil))
	for _, c := range []struct {
		target, body, part, name, value string
	}{
		{"/a?x=1&q=1%27%20union%20select%20password%20from%20users--&y=2", "", "query", "q", "1' union select password from users--"},
		{"/a?q=hello", `{"user":{"name":"bob","bio":"<script>alert(1)</script>"}}`, "body", "bio", "<script>alert(1)</script>"},
		{"/files/..%2f..%2f..%2fetc/passwd?x=1", "", "path", "", "/files/../../../etc/passwd"},
		{"/a", "name=bob&cmd=;cat+/etc/passwd", "body", "cmd", ";cat /etc/passwd"},
		{"/products/12?sort=price", "", "", "", ""},
	} {
		r := traffic.Request{Method: "POST", Target: c.target, Body: c.body, HasBody: c.body != "", Time: traffic.NoTime}
		p, ok := e.Where(&r)
		if ok != (c.part != "") || p.Part != c.part || p.Name != c.name || p.Value != c.value {
			t.Errorf("%s %s: %+v %v", c.target, c.body, p, ok)
		}
	}
	long := "/a?q=" + strings.Repeat("é", 300) + "';drop table users"
	if p, _ := e.Where(&traffic.Request{Method: "GET", Target: long, Time: traffic.NoTime}); len(p.Value) > placeBytes || strings.ToValidUTF8(p.Value, "?") != p.Value {
		t.Errorf("%q", p.Value)
	}
}

// TestMarksState: a value has several marks, so that more of them than values can
// have been seen once.
func TestMarksState(t *testing.T) {
	b := NewBuilder(Config{Profile: Frozen})
	var reqs []traffic.Request
	for i := range 30 {
		for range 4 {
			reqs = append(reqs, traffic.Request{
				Method: "GET", Target: "/a?x=" + strings.Repeat("!", i%3+1) + strings.Repeat("*", i%5) + strings.Repeat("~", i%7) + strings.Repeat("(", i),
				Client: "192.0.2." + string(rune('1'+i%9)), Time: traffic.NoTime, Latency: -1, BytesIn: -1, BytesOut: -1,
			})
		}
	}
	b.Add(reqs)
	d, err := b.Dataset()
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]int, d.Rows())
	for i := range rows {
		rows[i] = i
	}
	f, err := d.Fold(t.Context(), rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := f.State.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseState(raw); err != nil {
		t.Error(err)
	}
}
