package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"apiml/traffic"
)

// scored fills a store with random requests and scores of most of them.
func scored(t testing.TB, s *Store) ([]traffic.Request, []Score) {
	t.Helper()
	r := rand.New(rand.NewPCG(11, 11))
	b := &traffic.Batch{}
	var scores []Score
	classes := []string{"none", "none", "none", "sql_injection", "xss", "ddos"}
	for i := range 4000 {
		q := traffic.Request{
			File: "log", Line: int64(i + 1), Time: 1e15 + r.Int64N(600)*1e6, Method: []string{"GET", "POST", "", "PUT"}[r.IntN(4)],
			Target: fmt.Sprintf("/t%d/%d", r.IntN(12)*r.IntN(12), r.IntN(100)), Status: []int32{200, 204, 301, 404, 500, 503, 0, 999}[r.IntN(8)],
			BytesIn: int64(r.IntN(100)) - 1, BytesOut: int64(r.IntN(1000)) - 1, Latency: float64(r.IntN(100000)) / 1e5, Client: fmt.Sprintf("10.0.0.%d", r.IntN(40)*r.IntN(3)),
			Agent: []string{"a", "b"}[r.IntN(2)], Label: traffic.Label(r.IntN(5)),
		}
		if r.IntN(4) == 0 {
			q.Latency = -1
		}
		if r.IntN(20) == 0 {
			q.Time = traffic.NoTime
		}
		b.Requests = append(b.Requests, q)
		if r.IntN(5) > 0 {
			v := Score{File: q.File, Line: q.Line, Time: q.Time, Principal: q.Principal(), Method: q.Method, Target: q.Target, Status: q.Status,
				Class: classes[r.IntN(len(classes))], Probability: float64(r.IntN(1000)) / 1000, Anomaly: r.Float64(), Label: q.Label}
			if v.Flagged = v.Class != "none" && v.Probability > 0.4; v.Flagged {
				v.Rules, v.Reasons = "r1,r2", `[{"feature":"x"}]`
				v.Incident = fmt.Sprintf("i%d", r.IntN(30))
			}
			scores = append(scores, v)
		}
	}
	mustIngest(t, s, "log", b)
	rest := scores
	err := s.ReplaceScores(context.Background(), func() ([]Score, error) {
		n := min(len(rest), 500)
		part := rest[:n]
		rest = rest[n:]
		return part, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Requests, scores
}

// quantile interpolates between the two nearest order statistics (Hyndman and
// Fan's type 7), as quantile_cont promises.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	at := q * float64(len(v)-1)
	i := int(at)
	if i+1 >= len(v) {
		return v[i]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}

func sameLatency(t *testing.T, what string, got Latency, v []float64) {
	t.Helper()
	v = slices.Clone(v)
	slices.Sort(v)
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	want := Latency{int64(len(v)), quantile(v, .5), quantile(v, .9), quantile(v, .95), quantile(v, .99), sum}
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(b)) }
	if got.Known != want.Known || !near(got.P50, want.P50) || !near(got.P90, want.P90) || !near(got.P95, want.P95) || !near(got.P99, want.P99) || math.Abs(got.Total-want.Total) > 1e-6*float64(len(v)+1) {
		t.Errorf("%s: latency %+v, want %+v", what, got, want)
	}
}

func within(f Filter, us int64) bool {
	return f == (Filter{}) || us != traffic.NoTime && (f.Since == 0 || us >= f.Since) && (f.Until == 0 || us < f.Until)
}

func TestAggregates(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	reqs, scores := scored(t, s)
	for _, f := range []Filter{{}, {Since: 1e15 + 100e6, Until: 1e15 + 400e6}} {
		var rs []traffic.Request
		var ss []Score
		for _, r := range reqs {
			if within(f, r.Time) {
				rs = append(rs, r)
			}
		}
		for _, v := range scores {
			if within(f, v.Time) {
				ss = append(ss, v)
			}
		}
		checkSummary(t, s, f, rs, ss)
		checkTemplates(t, s, f, rs)
		checkPrincipals(t, s, f, rs, ss)
		checkMixes(t, s, f, rs, ss)
		checkIncidents(t, s, f, ss)
		checkTimeline(t, s, f, rs, ss)
	}
	// The order is total: twice the same, and a prefix for a smaller n.
	a, err := s.TopPrincipals(ctx, 100, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.TopPrincipals(ctx, 7, Filter{})
	if err != nil || !reflect.DeepEqual(a[:7], b) {
		t.Errorf("%v, %v", b, err)
	}
}

func checkSummary(t *testing.T, s *Store, f Filter, rs []traffic.Request, ss []Score) {
	t.Helper()
	got, err := s.Summary(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{Requests: int64(len(rs)), First: math.MaxInt64, Latency: got.Latency, Scored: int64(len(ss))}
	principals, templates, incidents := map[string]bool{}, map[string]bool{}, map[string]bool{}
	var lat []float64
	for _, r := range rs {
		principals[r.Principal()], templates[traffic.Template(r.Method, r.Target)] = true, true
		if r.HasTime() {
			want.First, want.Last = min(want.First, r.Time), max(want.Last, r.Time)
		}
		if r.Status > 0 {
			want.WithStatus++
		}
		switch {
		case r.Status >= 400 && r.Status < 500:
			want.Errors4xx++
		case r.Status >= 500 && r.Status < 600:
			want.Errors5xx++
		}
		want.BytesIn += max(r.BytesIn, 0)
		want.BytesOut += max(r.BytesOut, 0)
		if r.Latency >= 0 {
			lat = append(lat, r.Latency)
		}
		if r.Label != traffic.Unlabelled {
			want.Labelled++
		}
		if r.Label.Attack() {
			want.Attacks++
		}
	}
	for _, v := range ss {
		if v.Flagged {
			want.Flagged++
		}
		if v.Incident != "" {
			incidents[v.Incident] = true
		}
	}
	want.Principals, want.Templates, want.Incidents = int64(len(principals)), int64(len(templates)), int64(len(incidents))
	if got != want {
		t.Errorf("summary\ngot  %+v\nwant %+v", got, want)
	}
	sameLatency(t, "summary", got.Latency, lat)
	if math.Abs(got.Share4xx()*float64(got.WithStatus)-float64(got.Errors4xx)) > 1e-9 {
		t.Error("share of 4xx")
	}
}

func checkTemplates(t *testing.T, s *Store, f Filter, rs []traffic.Request) {
	t.Helper()
	groups := map[string][]traffic.Request{}
	for _, r := range rs {
		name := traffic.Template(r.Method, r.Target)
		groups[name] = append(groups[name], r)
	}
	var names []string
	for n := range groups {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(groups[b]), len(groups[a])), cmp.Compare(a, b))
	})
	got, err := s.TopTemplates(context.Background(), 10, f)
	if err != nil || len(got) != 10 {
		t.Fatal(len(got), err)
	}
	for i, g := range got {
		w := TemplateStat{Template: names[i], Latency: g.Latency}
		known := int64(0)
		var lat []float64
		for _, r := range groups[names[i]] {
			w.Requests++
			if r.Status > 0 {
				known++
			}
			if r.Status >= 400 {
				w.Errors++
			}
			if r.Status >= 500 && r.Status < 600 {
				w.Errors5xx++
			}
			w.BytesOut += max(r.BytesOut, 0)
			if r.Latency >= 0 {
				lat = append(lat, r.Latency)
			}
		}
		w.Share, w.ErrorShare = share(w.Requests, int64(len(rs))), share(w.Errors, known)
		if g != w {
			t.Errorf("template %d\ngot  %+v\nwant %+v", i, g, w)
		}
		sameLatency(t, g.Template, g.Latency, lat)
	}
}

func checkPrincipals(t *testing.T, s *Store, f Filter, rs []traffic.Request, ss []Score) {
	t.Helper()
	m := map[string]*PrincipalStat{}
	for _, r := range rs {
		p := m[r.Principal()]
		if p == nil {
			p = &PrincipalStat{Principal: r.Principal(), First: traffic.NoTime, Last: traffic.NoTime}
			m[p.Principal] = p
		}
		p.Requests++
		if r.Status >= 400 {
			p.Errors++
		}
		if r.HasTime() {
			p.Last = max(p.Last, r.Time)
			if p.First == traffic.NoTime || r.Time < p.First {
				p.First = r.Time
			}
		}
	}
	for _, v := range ss {
		p := m[v.Principal]
		p.MaxProbability = max(p.MaxProbability, v.Probability)
		if v.Flagged {
			p.Flagged++
			if !slices.Contains(p.Classes, v.Class) {
				p.Classes = append(p.Classes, v.Class)
				slices.Sort(p.Classes)
			}
		}
	}
	var want []PrincipalStat
	for _, p := range m {
		want = append(want, *p)
	}
	slices.SortFunc(want, func(a, b PrincipalStat) int {
		return cmp.Or(cmp.Compare(b.Flagged, a.Flagged), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Principal, b.Principal))
	})
	got, err := s.TopPrincipals(context.Background(), 1000, f)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("principals: %v\ngot  %+v\nwant %+v", err, got[:2], want[:2])
	}
}

func checkMixes(t *testing.T, s *Store, f Filter, rs []traffic.Request, ss []Score) {
	t.Helper()
	ctx := context.Background()
	status, method := map[int32]int64{}, map[string]int64{}
	types := map[string]*AttackType{}
	at := func(c string) *AttackType {
		if types[c] == nil {
			types[c] = &AttackType{Class: c}
		}
		return types[c]
	}
	for _, r := range rs {
		status[r.Status]++
		method[r.Method]++
		if r.Label != traffic.Unlabelled {
			at(r.Label.String()).Labelled++
		}
	}
	for _, v := range ss {
		at(v.Class).Scored++
		if v.Flagged {
			at(v.Class).Flagged++
		}
	}
	sm, err := s.StatusMix(ctx, f)
	if err != nil || len(sm) != len(status) || !slices.IsSortedFunc(sm, func(a, b StatusCount) int { return cmp.Compare(a.Status, b.Status) }) {
		t.Errorf("%v, %v", sm, err)
	}
	for _, c := range sm {
		if status[c.Status] != c.Requests {
			t.Errorf("status %+v, want %d", c, status[c.Status])
		}
	}
	mm, err := s.MethodMix(ctx, f)
	if err != nil || len(mm) != len(method) || !slices.IsSortedFunc(mm, func(a, b NameCount) int { return cmp.Compare(b.Count, a.Count) }) {
		t.Errorf("%v, %v", mm, err)
	}
	for _, c := range mm {
		if method[c.Name] != c.Count {
			t.Errorf("method %+v, want %d", c, method[c.Name])
		}
	}
	as, err := s.AttackTypes(ctx, f)
	if err != nil || len(as) != len(types) || as[0].Class != "none" || as[1].Class != "sql_injection" {
		t.Errorf("%v, %v", as, err)
	}
	for _, a := range as {
		if a != *types[a.Class] {
			t.Errorf("attack type %+v, want %+v", a, *types[a.Class])
		}
	}
}

// top is the most frequent of m's keys, ties by name.
func top(m map[string]int) (out string) {
	best := 0
	for k, n := range m {
		if n > best || n == best && k < out {
			best, out = n, k
		}
	}
	return out
}

func checkIncidents(t *testing.T, s *Store, f Filter, ss []Score) {
	t.Helper()
	ctx := context.Background()
	groups := map[string][]Score{}
	targets := map[string][]Score{}
	for _, v := range ss {
		if v.Incident != "" {
			groups[v.Incident] = append(groups[v.Incident], v)
		}
		if v.Flagged {
			n := traffic.Template(v.Method, v.Target)
			targets[n] = append(targets[n], v)
		}
	}
	best := func(a, b Score) int {
		return cmp.Or(cmp.Compare(b.Probability, a.Probability), cmp.Compare(uint64(a.Time)+1<<63, uint64(b.Time)+1<<63), cmp.Compare(a.Line, b.Line))
	}
	var want []Incident
	for id, g := range groups {
		w := Incident{ID: id, First: traffic.NoTime, Last: traffic.NoTime}
		classes, principals, templates := map[string]int{}, map[string]int{}, map[string]int{}
		for _, v := range g {
			w.Requests++
			w.MaxProbability, w.MaxAnomaly = max(w.MaxProbability, v.Probability), max(w.MaxAnomaly, v.Anomaly)
			classes[v.Class]++
			principals[v.Principal]++
			templates[traffic.Template(v.Method, v.Target)]++
			if v.Time != traffic.NoTime {
				w.Last = max(w.Last, v.Time)
				if w.First == traffic.NoTime || v.Time < w.First {
					w.First = v.Time
				}
			}
		}
		w.Class, w.Principal, w.Template = top(classes), top(principals), top(templates)
		w.Principals, w.Targets = int64(len(principals)), int64(len(templates))
		e := slices.MinFunc(g, func(a, b Score) int { // without a time last, as in SQL
			na, nb := a.Time == traffic.NoTime, b.Time == traffic.NoTime
			if a.Probability == b.Probability && na != nb {
				if na {
					return 1
				}
				return -1
			}
			return best(a, b)
		})
		w.File, w.Line, w.Target = e.File, e.Line, e.Target
		want = append(want, w)
	}
	slices.SortFunc(want, func(a, b Incident) int {
		return cmp.Or(cmp.Compare(b.MaxProbability, a.MaxProbability), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.ID, b.ID))
	})
	got, err := s.Incidents(ctx, 12, f)
	if err != nil || !reflect.DeepEqual(got, want[:12]) {
		t.Errorf("incidents: %v\ngot  %+v\nwant %+v", err, got, want[:12])
	}
	tt, err := s.TopTargets(ctx, 5, f)
	if err != nil || len(tt) != 5 {
		t.Fatal(len(tt), err)
	}
	for i, g := range tt {
		principals, classes, p := map[string]int{}, map[string]int{}, 0.0
		found := false
		for _, v := range targets[g.Template] {
			principals[v.Principal]++
			classes[v.Class]++
			p = max(p, v.Probability)
		}
		for _, v := range targets[g.Template] {
			found = found || v.Target == g.Example && v.Probability == p
		}
		if g.Flagged != int64(len(targets[g.Template])) || g.Principals != int64(len(principals)) || len(g.Classes) != len(classes) || g.MaxProbability != p || !found ||
			i > 0 && tt[i-1].Flagged < g.Flagged {
			t.Errorf("target %+v", g)
		}
	}
	ts, err := s.TopScores(ctx, 20, f)
	if err != nil || len(ts) != 20 {
		t.Fatal(len(ts), err)
	}
	for i, g := range ts {
		if j := slices.IndexFunc(ss, func(v Score) bool { return v.Line == g.Line }); j < 0 || ss[j] != g || !g.Flagged {
			t.Errorf("score %+v", g)
		}
		if i > 0 && ts[i-1].Probability < g.Probability {
			t.Error("scores out of order")
		}
	}
}

func checkTimeline(t *testing.T, s *Store, f Filter, rs []traffic.Request, ss []Score) {
	t.Helper()
	const step = 7e6
	got, err := s.Timeline(context.Background(), step, f)
	if err != nil {
		t.Fatal(err)
	}
	n := len(got.Requests)
	var req = make([]int64, n)
	var status [6][]int64
	for i := range status {
		status[i] = make([]int64, n)
	}
	flagged := map[string][]int64{}
	for _, r := range rs {
		if !r.HasTime() {
			continue
		}
		i := (r.Time - got.Start) / step
		req[i]++
		c := r.Status / 100
		if c > 5 {
			c = 0
		}
		status[c][i]++
	}
	for _, v := range ss {
		if v.Flagged && v.Time != traffic.NoTime {
			if flagged[v.Class] == nil {
				flagged[v.Class] = make([]int64, n)
			}
			flagged[v.Class][(v.Time-got.Start)/step]++
		}
	}
	if got.Start%step != 0 || req[0] == 0 || req[n-1] == 0 || !slices.Equal(got.Requests, req) || !reflect.DeepEqual(got.Status, status) || !reflect.DeepEqual(got.Flagged, flagged) {
		t.Errorf("timeline differs: %+v", got)
	}
	if !slices.Equal(got.Classes(), []string{"ddos", "sql_injection", "xss"}) {
		t.Errorf("classes %v", got.Classes())
	}
}

// Folding moves whole groups; totals stay.
func TestFolded(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	reqs, _ := scored(t, s)
	m := map[string]string{}
	for _, r := range reqs {
		if n := traffic.Template(r.Method, r.Target); n != "/t0/{id}" {
			m[n] = "/{slug}/{id}"
		}
	}
	if err := s.ReplaceTemplates(ctx, m); err != nil {
		t.Fatal(err)
	}
	got, err := s.TopTemplates(ctx, 10, Filter{})
	if err != nil || len(got) != 2 || got[0].Template != "/{slug}/{id}" || got[0].Requests+got[1].Requests != int64(len(reqs)) {
		t.Errorf("%+v, %v", got, err)
	}
	sum, err := s.Summary(ctx, Filter{})
	if err != nil || sum.Templates != 2 {
		t.Errorf("%+v, %v", sum, err)
	}
	tt, err := s.TopTargets(ctx, 10, Filter{})
	if err != nil || len(tt) != 2 {
		t.Errorf("%+v, %v", tt, err)
	}
}

func TestScores(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	scored(t, s)
	before := counts(t, s)["scores"]
	one := []Score{{File: "f\xff", Line: 1, Time: traffic.NoTime, Principal: "p\x00", Target: "/a/17", Class: "xss", Probability: math.NaN(), Anomaly: 0.5, Flagged: true, Incident: "i"}}
	once := func() func() ([]Score, error) {
		left := one
		return func() ([]Score, error) {
			part := left
			left = nil
			return part, nil
		}
	}
	// A failed replacement leaves the old scores.
	cause := errors.New("model gone")
	if err := s.ReplaceScores(ctx, func() ([]Score, error) { return nil, cause }); !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if err := s.ReplaceScores(ctx, func() ([]Score, error) { panic("boom") }); err == nil {
		t.Error("panic swallowed")
	}
	if n := counts(t, s)["scores"]; n != before {
		t.Errorf("%d scores, want %d", n, before)
	}
	if n, err := s.ScoresOutside(ctx, Filter{}); n != 0 || err != nil {
		t.Errorf("%d scores outside of everything, %v", n, err)
	}
	if n, err := s.ScoresOutside(ctx, Filter{Until: 1}); n != before || err != nil {
		t.Errorf("%d scores outside of nothing, want %d, %v", n, before, err)
	}
	if err := s.AppendScores(ctx, once()); err != nil {
		t.Fatal(err)
	}
	if n := counts(t, s)["scores"]; n != before+1 {
		t.Errorf("%d scores, want %d", n, before+1)
	}
	if err := s.ReplaceScores(ctx, once()); err != nil {
		t.Fatal(err)
	}
	got, err := s.TopScores(ctx, 5, Filter{})
	want := one[0]
	want.File, want.Probability = `f\xff`, 0
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%+v, %v", got, err)
	}
	// Its principal sent no request that is stored: it is shown all the same.
	ps, err := s.TopPrincipals(ctx, 1, Filter{})
	if err != nil || len(ps) != 1 || ps[0].Principal != "p\x00" || ps[0].Flagged != 1 || ps[0].Requests != 0 || ps[0].First != traffic.NoTime {
		t.Errorf("%+v, %v", ps, err)
	}
}

// Every aggregate of an empty store is empty, without an error.
func TestEmptyStore(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	sum, err := s.Summary(ctx, Filter{})
	if err != nil || sum != (Summary{First: traffic.NoTime, Last: traffic.NoTime}) {
		t.Errorf("%+v, %v", sum, err)
	}
	tl, err := s.Timeline(ctx, 60e6, Filter{Since: 5})
	if err != nil || len(tl.Requests) != 0 {
		t.Errorf("%+v, %v", tl, err)
	}
	for name, f := range map[string]func() (int, error){
		"status":     func() (int, error) { v, err := s.StatusMix(ctx, Filter{}); return len(v), err },
		"method":     func() (int, error) { v, err := s.MethodMix(ctx, Filter{}); return len(v), err },
		"templates":  func() (int, error) { v, err := s.TopTemplates(ctx, 5, Filter{}); return len(v), err },
		"principals": func() (int, error) { v, err := s.TopPrincipals(ctx, 5, Filter{}); return len(v), err },
		"targets":    func() (int, error) { v, err := s.TopTargets(ctx, 5, Filter{}); return len(v), err },
		"incidents":  func() (int, error) { v, err := s.Incidents(ctx, 5, Filter{}); return len(v), err },
		"scores":     func() (int, error) { v, err := s.TopScores(ctx, 5, Filter{}); return len(v), err },
		"attacks":    func() (int, error) { v, err := s.AttackTypes(ctx, Filter{}); return len(v), err },
		"rejects":    func() (int, error) { v, err := s.Rejects(ctx, 5); return len(v), err },
		"inputs":     func() (int, error) { v, err := s.Inputs(ctx); return len(v), err },
		"runs":       func() (int, error) { v, err := s.Runs(ctx); return len(v), err },
		"metrics":    func() (int, error) { v, err := s.Metrics(ctx); return len(v), err },
	} {
		if n, err := f(); n != 0 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if in, err := s.Info(ctx); err != nil || in.Schema != len(migrations()) || in.First != traffic.NoTime || in.Size == 0 {
		t.Errorf("%+v, %v", in, err)
	}
}
