package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apiml/traffic"
)

// shuffled fills a store with several inputs whose times overlap, repeat, run
// backwards, or are not known, and returns the requests in the promised order.
func shuffled(t testing.TB, s *Store, perInput int) []traffic.Request {
	r := rand.New(rand.NewPCG(7, 7))
	type row struct {
		req   traffic.Request
		input int64
	}
	var all []row
	for k := range 4 {
		name := fmt.Sprintf("log%d", 3-k) // names in another order than IDs
		var rs []traffic.Request
		for i := range perInput {
			q := traffic.Request{Line: int64(i + 1), File: name, Latency: -1, BytesIn: -1, BytesOut: -1, Target: fmt.Sprintf("/%d/%d", k, i)}
			switch k {
			case 0: // in order, whole seconds
				q.Time = int64(i/50) * 1e6
			case 1: // any order, an outlier in 1900
				q.Time = r.Int64N(1000) * 1e4
				if i == 5 {
					q.Time = -2_208_988_800_000_000
				}
			case 2: // all at once, and all on one line
				q.Time, q.Line = 3e6, 1
			case 3: // half without a time, lines in reverse
				q.Line = int64(perInput - i)
				q.Time = int64(traffic.NoTime)
				if i%2 == 0 {
					q.Time = 3e6
				}
			}
			rs = append(rs, q)
		}
		var bs []*traffic.Batch
		for len(rs) > 0 {
			n := min(len(rs), 300)
			bs = append(bs, &traffic.Batch{Requests: rs[:n]})
			for _, q := range rs[:n] {
				all = append(all, row{q, int64(k + 1)})
			}
			rs = rs[n:]
		}
		mustIngest(t, s, name, bs...)
	}
	slices.SortStableFunc(all, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.req.Time, b.req.Time), cmp.Compare(a.input, b.input), cmp.Compare(a.req.Line, b.req.Line))
	})
	out := make([]traffic.Request, len(all))
	for i := range all {
		out[i] = all[i].req
	}
	return out
}

func TestScanOrder(t *testing.T) {
	s := fresh(t)
	want := shuffled(t, s, 2000)
	for _, limit := range []int64{sliceWeight, 700, 501} {
		got := scanAll(t, s, Filter{}, limit)
		if len(got) != len(want) {
			t.Fatalf("limit %d: %d requests, want %d", limit, len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("limit %d, row %d:\ngot  %+v\nwant %+v", limit, i, got[i], want[i])
			}
		}
	}
	// Slices respect their limit even where time, input and line are all equal.
	if err := s.scanRequests(context.Background(), Filter{}, 501, func(rs []traffic.Request) error {
		if len(rs) > 501 {
			t.Errorf("slice of %d rows", len(rs))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, f := range []Filter{{Since: 3e6}, {Until: 3e6}, {Since: 1, Until: 5e6}, {Since: 9e18}, {Since: 5e6, Until: 1e6}} {
		var part []traffic.Request
		for _, r := range want {
			if r.HasTime() && (f.Since == 0 || r.Time >= f.Since) && (f.Until == 0 || r.Time < f.Until) {
				part = append(part, r)
			}
		}
		if got := scanAll(t, s, f, 300); !slices.Equal(got, part) {
			t.Errorf("%+v: %d requests, want %d", f, len(got), len(part))
		}
	}
}

func TestScanStops(t *testing.T) {
	s := fresh(t)
	shuffled(t, s, 2000)
	stop := errors.New("enough")
	n := 0
	err := s.scanRequests(context.Background(), Filter{}, 100, func([]traffic.Request) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	})
	if err != stop || n != 3 {
		t.Errorf("%v after %d slices", err, n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n = 0
	err = s.scanRequests(ctx, Filter{}, 100, func([]traffic.Request) error {
		if n++; n == 2 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n != 2 {
		t.Errorf("%v after %d slices", err, n)
	}
	// A scan sees one state, whatever is written meanwhile by its own function.
	n = 0
	err = s.scanRequests(context.Background(), Filter{}, 100, func(rs []traffic.Request) error {
		if n == 0 {
			mustIngest(t, s, "new", requests("new", 500))
		}
		n += len(rs)
		return nil
	})
	if err != nil || n != 8000 {
		t.Errorf("%d requests, %v", n, err)
	}
	if c := counts(t, s); c["requests"] != 8500 {
		t.Errorf("%v", c)
	}
}

func TestScanEmpty(t *testing.T) {
	s := fresh(t)
	if got := scanAll(t, s, Filter{}, sliceWeight); got != nil {
		t.Errorf("%v", got)
	}
	if err := s.ScanFlows(context.Background(), func([]traffic.Flow) error { t.Error("called"); return nil }); err != nil {
		t.Error(err)
	}
}

// Strings of one slice must stay what they were when later ones are read.
func TestScanKeeps(t *testing.T) {
	s := fresh(t)
	want := shuffled(t, s, 1000)
	var kept [][]traffic.Request
	if err := s.scanRequests(context.Background(), Filter{}, 50, func(rs []traffic.Request) error { kept = append(kept, rs); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := slices.Concat(kept...); !slices.Equal(got, want) {
		t.Error("slices changed after they were handed out")
	}
}

func TestCounts(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	if c, err := s.Counts(ctx, 1e6, "", Filter{}); err != nil || len(c.Values) != 0 {
		t.Errorf("empty store: %+v, %v", c, err)
	}
	r := rand.New(rand.NewPCG(9, 9))
	b := &traffic.Batch{}
	const first, last = -25_300_000, 61_700_000 // around 1970: negative times floor, not truncate
	for i := range 3000 {
		q := traffic.Request{Line: int64(i), Time: first + r.Int64N(last-first), Target: "/a/" + strings.Repeat("7", 1+i%3)}
		switch i {
		case 0:
			q.Time = first
		case 1:
			q.Time = last
		case 2:
			q.Time = traffic.NoTime
		}
		if q.HasTime() && q.Time > 10e6 && q.Time < 22e6 {
			q.Time = 5e6 // a gap
		}
		if i%4 == 0 {
			q.Target = "/b"
		}
		b.Requests = append(b.Requests, q)
	}
	mustIngest(t, s, "a", b)
	check := func(step int64, template string, f Filter, start, end int64, is func(string) bool) {
		t.Helper()
		got, err := s.Counts(ctx, step, template, f)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float64, (end-start)/step)
		for _, q := range b.Requests {
			if q.HasTime() && q.Time >= start && q.Time < end && is(traffic.Template(q.Method, q.Target)) {
				want[(q.Time-start)/step]++
			}
		}
		if got.Start != start || got.Step != step || got.Name != template || !slices.Equal(got.Values, want) {
			t.Errorf("step %d, %q, %+v:\ngot  %+v\nwant %d %v", step, template, f, got, start, want)
		}
	}
	all := func(string) bool { return true }
	check(5e6, "", Filter{}, -25e6, 60e6, all)
	check(1e6, "", Filter{}, -25e6, 61e6, all)
	check(7e6, "", Filter{}, -21e6, 56e6, all)
	check(100_000, "", Filter{}, first, last, all) // aligned: nothing is partial
	check(5e6, "/b", Filter{}, -25e6, 60e6, func(s string) bool { return s == "/b" })
	check(5e6, "/a/{id}", Filter{}, -25e6, 60e6, func(s string) bool { return s == "/a/{id}" })
	check(5e6, "/none", Filter{}, -25e6, 60e6, func(string) bool { return false })
	check(5e6, "", Filter{Since: -12e6, Until: 33e6}, -10e6, 30e6, all)
	check(5e6, "", Filter{Since: -10e6, Until: 30e6}, -10e6, 30e6, all)
	if c, err := s.Counts(ctx, 3600e6, "", Filter{}); err != nil || len(c.Values) != 0 {
		t.Errorf("no whole hour: %+v, %v", c, err)
	}
	if _, err := s.Counts(ctx, 0, "", Filter{}); err == nil {
		t.Error("step 0 accepted")
	}
	// Folded: the learned name takes over, the raw one is empty.
	if err := s.ReplaceTemplates(ctx, map[string]string{"/a/{id}": "/any", "/b": "/any"}); err != nil {
		t.Fatal(err)
	}
	check(5e6, "/any", Filter{}, -25e6, 60e6, all)
	check(5e6, "/b", Filter{}, -25e6, 60e6, func(string) bool { return false })
	if err := s.ReplaceTemplates(ctx, nil); err != nil {
		t.Fatal(err)
	}
	check(5e6, "/b", Filter{}, -25e6, 60e6, func(s string) bool { return s == "/b" })
}

func TestCountsBy(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	if got, err := s.CountsBy(ctx, 1e6, "status", 3, Filter{}); err != nil || len(got) != 0 {
		t.Errorf("empty store: %v, %v", got, err)
	}
	b := &traffic.Batch{}
	for i := range 100 {
		q := traffic.Request{Line: int64(i), Time: int64(i) * 100_000, Target: "/a", Status: 200, Client: "c", Latency: 0.1 + float64(i)/1000}
		if i%4 == 0 {
			q.Target, q.Status, q.Client = "/b/5", 404, "d"
		}
		b.Requests = append(b.Requests, q)
	}
	mustIngest(t, s, "a", b)
	for by, names := range map[string][]string{"status": {"200", "404"}, "endpoint": {"/a", "/b/{id}"}, "principal": {"client:c ", "client:d "}} {
		got, err := s.CountsBy(ctx, 1e6, by, 5, Filter{})
		if err != nil || len(got) != 2 || got[0].Name != names[0] || got[1].Name != names[1] {
			t.Fatalf("%s: %+v, %v", by, got, err)
		}
		all, err := s.Counts(ctx, 1e6, "", Filter{})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range all.Values {
			if v != got[0].Values[i]+got[1].Values[i] {
				t.Errorf("%s: interval %d: %v and %v of %v", by, i, got[0].Values[i], got[1].Values[i], v)
			}
		}
	}
	if got, err := s.CountsBy(ctx, 1e6, "status", 1, Filter{}); err != nil || len(got) != 1 || got[0].Name != "200" {
		t.Errorf("the first: %+v, %v", got, err)
	}
	if _, err := s.CountsBy(ctx, 1e6, "colour", 1, Filter{}); err == nil {
		t.Error("grouped by colour")
	}
	loads, err := s.Loads(ctx, 1e6, Filter{})
	// Of the first second's 100 to 109 ms the largest are 109 of /a (median 145) and
	// 108 of /b (median 144).
	want := 108./144 + 0.55*(109./145-108./144)
	if err != nil || len(loads) != 9 || loads[0].Requests != 10 || math.Abs(loads[0].P95-want) > 1e-12 {
		t.Errorf("loads %+v, %v", loads, err)
	}
}
