package ingest

import (
	"bufio"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apiml/traffic"
)

// thorough redacts a record without the scan: it looks for everything in every
// field.
func thorough(r *redactor, q *traffic.Request, d *decoder) {
	r.personal(q)
	before := r.tally
	for _, f := range [...]*string{
		&q.Target, &q.Referrer, &q.Agent, &q.Body, &q.Host, &q.Client, &q.Forwarded, &q.User, &q.Session, &q.Cache, &q.Method, &q.Protocol,
	} {
		*f = r.text(*f, f == &q.Body && isJSON(*f), nil)
	}
	if r.noRaw {
		return
	}
	after := r.tally
	q.Raw = r.text(q.Raw, true, d.ownNames)
	if after != before {
		r.tally = after
	}
}

// pieces are what secrets and personal data are made of, and what comes near.
func pieces() []string {
	return strings.Split("a|b|q|x|J|I|B|_|-|=|:|: |%|%3D|%3d|%3A|%40|%20|%2B|%22|@|.|/|//|://|?|&|\"|'|\\\"|\\x22|;|+| |,|{|}|[|]|\n|0|1|7|12|1234567|4111111111111111|4111 1111 1111 1111|"+
		"pw|password|token|user|sid|session|_session|card|tel|phone|page|id|n|pin|key|eyJ|eyJhbGciOiJub25lIn0.e30.|ghp_|sk-|sk_live_|npm_|github_pat_|glpat-|xox|xoxb-|AKIA|ASIA|AIza|"+
		"abcdefghijklmnopqrstuvwx|0123456789ABCDEF|ABCDEF0123456789|Bearer |Basic |bearer+|earer|asic|example.org|ann|PRIVATE KEY-----|-----BEGIN |-----END|http|https|Mozilla/5.0 |tel:|(0170)|\\u0061|\\n", "|")
}

// TestScan: where the scan finds nothing, the thorough way changes nothing.
func TestScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	p := pieces()
	var r redactor
	calm := 0
	check := func(s string) {
		found := scan(s, nil)
		if found&hasSecret == 0 {
			calm++
			for _, asLine := range []bool{true, false} {
				if got := r.text(s, asLine, nil); got != s {
					t.Fatalf("nothing found in %q, which becomes %q", s, got)
				}
			}
		}
		if _, _, kind := findPersonal(s, 0); found&hasPersonal == 0 && kind != "" {
			t.Fatalf("nothing personal found in %q, which holds %s", s, kind)
		}
	}
	for _, a := range p {
		for _, b := range p {
			check(a + b)
		}
	}
	n := 200_000
	if testing.Short() {
		n = 40_000
	}
	for range n {
		var b strings.Builder
		for range 1 + rng.IntN(12) {
			b.WriteString(p[rng.IntN(len(p))])
		}
		check(b.String())
	}
	if calm < n/8 {
		t.Errorf("only %d calm texts", calm)
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range pieces() {
		f.Add(s + "password=hunter2")
	}
	f.Fuzz(func(t *testing.T, s string) {
		var r redactor
		found := scan(s, nil)
		if found&hasSecret == 0 && r.text(s, true, nil) != s {
			t.Fatalf("nothing found in %q", s)
		}
		if _, _, kind := findPersonal(s, 0); found&hasPersonal == 0 && kind != "" {
			t.Fatalf("nothing personal found in %q, which holds %s", s, kind)
		}
	})
}

// compareRedaction reads lines fast and thoroughly, with and without raw bytes.
func compareRedaction(t *testing.T, lines []string) {
	for _, noRaw := range []bool{true, false} {
		for _, mask := range []bool{false, true} {
			fast, slow := redactor{noRaw: noRaw, mask: mask}, redactor{noRaw: noRaw, mask: mask}
			var d decoder
			for _, l := range lines {
				q := traffic.Request{Raw: l}
				if reason := combinedRequest(l, &q); reason != "" || headerLike(q) {
					continue
				}
				a, b := q, q
				fast.record(&a, &d)
				thorough(&slow, &b, &d)
				if a != b {
					t.Fatalf("noRaw %v, mask %v, %q\nfast     %+v\nthorough %+v", noRaw, mask, l, a, b)
				}
			}
			if !maps.Equal(fast.pii.counts(), slow.pii.counts()) || noRaw && !maps.Equal(fast.counts(), slow.counts()) {
				t.Errorf("counts %v %v, thorough %v %v", fast.counts(), fast.pii.counts(), slow.counts(), slow.pii.counts())
			}
		}
	}
}

// headerLike: a field begins like a header, which the raw line does not show.
func headerLike(q traffic.Request) bool {
	for _, s := range []string{q.Target, q.Referrer, q.Agent, q.User, q.Client} {
		if _, header, ok := keyBefore(s, max(strings.IndexByte(s, ':'), 0), nil); header && ok {
			return true
		}
	}
	return false
}

// TestRedactFastAgainstThorough compares the two on lines of random pieces.
func TestRedactFastAgainstThorough(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	p := pieces()
	text := func(n int) string {
		var b strings.Builder
		for range rng.IntN(n) {
			if s := p[rng.IntN(len(p))]; s != "\n" && s != `"` {
				b.WriteString(s)
			}
		}
		return b.String()
	}
	n := 20_000
	if testing.Short() {
		n = 3_000
	}
	var lines []string
	for range n {
		lines = append(lines, `192.0.2.7 - `+strings.ReplaceAll(text(3), " ", "")+`u [05/Jan/2026:10:00:00 +0000] "GET /`+text(8)+` HTTP/1.1" 200 5 "`+text(6)+`" "`+text(6)+`"`)
	}
	compareRedaction(t, lines)
}

// The same on real logs.
func TestRealRedactFast(t *testing.T) {
	dir := os.Getenv("APIML_DATASETS")
	if dir == "" {
		t.Skip("APIML_DATASETS is not set")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "logs", "*"))
	var lines []string
	for _, path := range files {
		src, err := openSource(path, nil)
		if err != nil {
			continue
		}
		sc := bufio.NewScanner(src)
		sc.Buffer(nil, maxUnit)
		for n := 0; sc.Scan() && n < 20_000; n++ {
			lines = append(lines, sc.Text())
		}
		src.Close()
	}
	if len(lines) < 1000 {
		t.Fatalf("only %d lines", len(lines))
	}
	compareRedaction(t, lines)
}
