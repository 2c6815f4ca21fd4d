package features

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apiml/generate"
	"apiml/traffic"
)

const monday = int64(1772409600) * second // 2026-03-02 00:00:00 UTC

// latencyLog makes n requests over some minutes, a few without latency or
// status, with log times that are multiples of tick.
func latencyLog(n int, seed uint64, tick int64) []traffic.Request {
	rng := rand.New(rand.NewPCG(seed, 0))
	reqs := make([]traffic.Request, n)
	at := monday
	for i := range reqs {
		at += int64(rng.ExpFloat64() * 1.5 * second)
		r := &reqs[i]
		*r = traffic.Request{Method: []string{"GET", "POST"}[rng.IntN(2)], Target: fmt.Sprintf("/api/%c/%d?x=1", 'a'+rng.IntN(4), rng.IntN(1000)),
			Client: fmt.Sprint("10.0.0.", rng.IntN(20)), Agent: "x", BytesIn: int64(rng.IntN(3)*200) - 1, BytesOut: int64(rng.IntN(999)), Status: 200}
		r.Latency = math.Round(1e6*math.Exp(rng.NormFloat64()*1.5-2)) / 1e6
		switch rng.IntN(20) {
		case 0:
			r.Latency = -1
		case 1:
			r.Status = 503
		case 2:
			r.Status = 0
		case 3:
			r.Latency = 0
		}
		r.Time = floorTo(at+int64(max(r.Latency, 0)*second), tick)
	}
	return reqs
}

func latencyDataset(t testing.TB, reqs []traffic.Request) *LatencyDataset {
	t.Helper()
	b := NewLatencyBuilder(LatencyConfig{})
	b.Add(reqs)
	d, err := b.Dataset()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func sameFloat(a, b float32) bool { return a == b || a != a && b != b }

// TestLatencyColumns compares every column with its definition, computed for
// each row by a pass over all records.
func TestLatencyColumns(t *testing.T) {
	for _, tick := range []int64{1, second} {
		reqs := latencyLog(600, 1, tick)
		d := latencyDataset(t, reqs)
		if d.Tick != tick || d.Records != len(reqs) {
			t.Fatalf("tick %d, %d records", d.Tick, d.Records)
		}
		start := func(r *traffic.Request) int64 {
			return floorTo(r.Time-int64(math.Round(max(r.Latency, 0)*second)), tick)
		}
		byHash := map[uint64]*traffic.Request{}
		for i := range reqs {
			byHash[RowHash(&reqs[i])] = &reqs[i]
		}
		for i := range d.Rows {
			q := byHash[d.Hash[i]]
			at := start(q)
			if d.Times[i] != at || d.Target[i] != q.Latency || i > 0 && d.Times[i] < d.Times[i-1] {
				t.Fatalf("row %d: time %d, target %v, want %d, %v", i, d.Times[i], d.Target[i], at, q.Latency)
			}
			for k, of := range []func(*traffic.Request) bool{
				func(*traffic.Request) bool { return true },
				func(r *traffic.Request) bool {
					return LatencyTemplate(r.Method, r.Target) == LatencyTemplate(q.Method, q.Target)
				},
				func(r *traffic.Request) bool { return r.Client == q.Client },
			} {
				var n [4]int
				flight := 0
				var ended []*traffic.Request
				for j := range reqs {
					r := &reqs[j]
					if !of(r) {
						continue
					}
					for w, span := range latencyWindows() {
						if s := start(r); s < at && s >= at-span {
							n[w]++
						}
					}
					if r.Latency >= 0 && start(r) < at && r.Time >= at {
						flight++
					}
					if r.Time < at {
						ended = append(ended, r)
					}
				}
				want := make([]float64, 0, 9)
				for _, v := range n {
					want = append(want, math.Log1p(float64(v)))
				}
				want = append(want, math.Log1p(float64(flight)))
				slices.SortStableFunc(ended, func(a, b *traffic.Request) int { return int(a.Time - b.Time) })
				var sum, w [2]float64
				var failed, known float64
				var last []float64
				for _, r := range ended {
					age := float64(at-r.Time) / second
					if r.Latency >= 0 {
						last = append(last, lnLatency(r.Latency))
						for k, tau := range []float64{60, 600} {
							w[k] += math.Exp(-age / tau)
							sum[k] += math.Exp(-age/tau) * lnLatency(r.Latency)
						}
					}
					if r.Status > 0 {
						known += math.Exp(-age / 600)
						if r.Status >= 500 {
							failed += math.Exp(-age / 600)
						}
					}
				}
				if m := min(len(last), recentRequests); m > 0 && tick == 1 { // rows that end in one tick have no order
					s := 0.0
					for _, v := range last[len(last)-m:] {
						s += v
					}
					want = append(want, s/float64(m))
				} else {
					want = append(want, math.NaN())
				}
				for k := range sum {
					want = append(want, sum[k]/w[k])
				}
				if len(ended) == 0 {
					failed = math.NaN()
				}
				want = append(want, failed/(known+2))
				columns := []int{lRate1s, lRate10s, lRate60s, lRate10m, lInFlight, lRecent, lMean1m, lMean10m, lErrors}
				if k == 1 {
					columns = []int{lTemplateRate1s, lTemplateRate10s, lTemplateRate60s, lTemplateRate10m, lTemplateInFlight, lTemplateRecent, lTemplateMean1m, lTemplateMean10m, lTemplateErrors}
				}
				if k == 2 {
					columns = []int{lPrincipalRate1s, lPrincipalRate10s, lPrincipalRate60s, lPrincipalRate10m, lPrincipalInFlight, lPrincipalRecent, lPrincipalMean1m, lPrincipalMean10m, lPrincipalErrors}
				}
				for c, col := range columns {
					got := float64(d.X.Cols[col][i])
					if tick > 1 && (col == lRecent || col == lTemplateRecent || col == lPrincipalRecent) {
						continue
					}
					if math.IsNaN(want[c]) != math.IsNaN(got) || math.Abs(got-want[c]) > 1e-4 {
						t.Fatalf("tick %d row %d %s: %v, want %v", tick, i, latencyColumns()[col].Name, got, want[c])
					}
				}
			}
		}
	}
}

// TestLatencyNoLeak: what is known only afterwards does not reach a row. Its own
// answer may be anything (start kept), and so may all that ends later.
func TestLatencyNoLeak(t *testing.T) {
	reqs := latencyLog(400, 2, 1)
	d := latencyDataset(t, reqs)
	for _, i := range []int{1, 50, 200, 398} {
		for !(reqs[i].Latency > 0) {
			i++
		}
		changed := slices.Clone(reqs)
		at := changed[i].Time - int64(math.Round(changed[i].Latency*second))
		for j := range changed {
			r := &changed[j]
			if j != i && r.Time < at || r.Latency < 0 {
				continue
			}
			begin := r.Time - int64(math.Round(r.Latency*second))
			if begin > at {
				continue
			}
			// Still running, or the row itself: another answer, another end.
			r.Latency = r.Latency*3 + 1
			r.Time = begin + int64(math.Round(r.Latency*second))
			r.Status, r.BytesOut, r.Cache, r.Label = 500, 7, "HIT", traffic.DDoS
		}
		// And nothing after it.
		changed = slices.DeleteFunc(changed, func(r traffic.Request) bool {
			return r.Time-int64(math.Round(max(r.Latency, 0)*second)) > at
		})
		e := latencyDataset(t, changed)
		row := slices.Index(d.Times, at)
		other := slices.Index(e.Times, at)
		for c := range d.X.Cols {
			if a, b := d.X.Cols[c][row], e.X.Cols[c][other]; !sameFloat(a, b) {
				t.Errorf("row %d %s: %v, and %v with other answers", i, latencyColumns()[c].Name, a, b)
			}
		}
	}
}

// TestLatencyTick: in a log of whole seconds, requests logged together have the
// same windows whatever their latency below a second.
func TestLatencyTick(t *testing.T) {
	var reqs []traffic.Request
	for i := range 300 {
		reqs = append(reqs, traffic.Request{Time: monday + int64(i/10)*second, Method: "GET", Target: fmt.Sprint("/", i%3),
			Client: fmt.Sprint(i), Latency: float64(1+i%10) / 11, BytesIn: -1, Status: 200})
	}
	d := latencyDataset(t, reqs)
	for i := 1; i < d.Rows; i++ {
		if d.Times[i] != d.Times[i-1] {
			continue
		}
		for c := lRate1s; c <= lErrors; c++ {
			if c >= lTemplateRate1s && c <= lTemplateRate10m || c == lTemplateInFlight {
				continue
			}
			if a, b := d.X.Cols[c][i-1], d.X.Cols[c][i]; !sameFloat(a, b) {
				t.Fatalf("rows %d and %d of one second: %s %v and %v", i-1, i, latencyColumns()[c].Name, a, b)
			}
		}
	}
}

func TestLatencyOrder(t *testing.T) {
	reqs := latencyLog(500, 3, 1)
	d := latencyDataset(t, reqs)
	rng := rand.New(rand.NewPCG(1, 1))
	rng.Shuffle(len(reqs), func(a, b int) { reqs[a], reqs[b] = reqs[b], reqs[a] })
	e := latencyDataset(t, reqs)
	for c := range d.X.Cols {
		for i := range d.Rows {
			if !sameFloat(d.X.Cols[c][i], e.X.Cols[c][i]) {
				t.Fatalf("row %d column %d depends on the order of records", i, c)
			}
		}
	}
	a, err := d.Fold(t.Context(), rows(0, 300), rows(300, 400))
	if err != nil {
		t.Fatal(err)
	}
	shuffled := rows(0, 300)
	rng.Shuffle(300, func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
	b, err := e.Fold(t.Context(), shuffled, rows(300, 400))
	if err != nil {
		t.Fatal(err)
	}
	if a.State.ID() != b.State.ID() || LatencySchema(a.State).ID() != LatencySchema(b.State).ID() {
		t.Error("the state depends on the order of rows")
	}
}

// TestLatencyFold: the encoding of a training row is made without it and its
// part, that of a test row from all training rows and no other; by hand.
func TestLatencyFold(t *testing.T) {
	d := latencyDataset(t, latencyLog(500, 4, 1))
	train, test := rows(0, 300), rows(300, d.Rows)
	f, err := d.Fold(t.Context(), train, test)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []interface{ Check() error }{f.Fit, f.Eval} {
		if err := x.Check(); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.Fit.Target) != 300 || f.Fit.Target[7] != d.Target[7] || f.Eval.Target[0] != d.Target[300] || f.Eval.Time[0] != d.Times[300] {
		t.Error("targets or times are wrong")
	}
	encoding := func(template uint64, from []int) (mean, median float64, n int) {
		var own, all []float64
		for _, r := range from {
			v := lnLatency(d.Target[r])
			all = append(all, v)
			if d.Template[r] == template {
				own = append(own, v)
			}
		}
		avg := func(v []float64) (mean, median float64) {
			s := 0.0
			for _, x := range v {
				s += x
			}
			slices.Sort(v)
			return s / float64(len(v)), (v[(len(v)-1)/2] + v[len(v)/2]) / 2
		}
		mean, median = avg(all)
		if len(own) > 0 {
			k := float64(len(own))
			m, q := avg(own)
			mean, median = (k*m+10*mean)/(k+10), (k*q+10*median)/(k+10)
		}
		return mean, median, len(own)
	}
	for i, r := range append(slices.Clone(train), test...) {
		x, at, from := f.Fit, i, train
		if i >= 300 {
			x, at = f.Eval, i-300
		} else {
			from = slices.DeleteFunc(slices.Clone(train), func(o int) bool { return d.part(o) == d.part(r) })
		}
		mean, median, _ := encoding(d.Template[r], from)
		_, _, n := encoding(d.Template[r], train)
		for c, want := range map[int]float64{lEncodedMean: mean, lEncodedMedian: median, lEncodedCount: math.Log1p(float64(n))} {
			if got := float64(x.Cols[c][at]); math.Abs(got-want) > 1e-5 {
				t.Fatalf("row %d %s: %v, want %v", r, latencyColumns()[c].Name, got, want)
			}
		}
	}
	if _, err := d.Fold(t.Context(), []int{d.Rows}, nil); err == nil {
		t.Error("a row that is not there was taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Fold(ctx, train, test); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	one, err := d.Fold(t.Context(), []int{0}, nil)
	if err != nil || one.Fit.Check() != nil {
		t.Errorf("one row: %v, %v", err, one.Fit.Check())
	}
}

func TestLatencyRefusals(t *testing.T) {
	for name, reqs := range map[string][]traffic.Request{
		"nothing":    nil,
		"no latency": {{Time: monday, Latency: -1, Method: "GET", Target: "/"}},
		"no time":    {{Time: traffic.NoTime, Latency: 1, Method: "GET", Target: "/"}},
		"NaN":        {{Time: monday, Latency: math.NaN(), Method: "GET", Target: "/"}},
	} {
		b := NewLatencyBuilder(LatencyConfig{})
		b.Add(reqs)
		if _, err := b.Dataset(); err == nil || !strings.Contains(err.Error(), "$request_time") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := b.Dataset(); err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("%s, again: %v", name, err)
		}
	}
	// Hostile numbers stay finite.
	d := latencyDataset(t, []traffic.Request{
		{Time: math.MaxInt64, Latency: 1, Method: "GET", Target: "/"}, {Time: 2e18, Latency: 1e9, Method: "\x00", Target: "%%%?&&&"},
		{Time: -2e18, Latency: 1e9, Method: "", Target: "", BytesIn: math.MaxInt64}, {Time: 0, Latency: 0, Target: "*"}, {Time: 0, Latency: math.Inf(1)},
	})
	f, err := d.Fold(t.Context(), rows(0, d.Rows), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Fit.Check(); err != nil {
		t.Error(err)
	}
	b, _ := f.State.MarshalBinary()
	if _, err := ParseLatencyState(b); err != nil {
		t.Error(err)
	}
}

func TestLatencyState(t *testing.T) {
	d := latencyDataset(t, latencyLog(800, 5, 1))
	for _, n := range []int{0, 1, 2, 500} {
		f, err := d.Fold(t.Context(), rows(0, n), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := f.State.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseLatencyState(b)
		if err != nil {
			t.Fatalf("%d rows: %v", n, err)
		}
		if c, _ := s.MarshalBinary(); !bytes.Equal(b, c) || s.ID() != f.State.ID() {
			t.Error("the state changes when it is read back")
		}
		for i := range 50 {
			q := NewLatencyQuery("GET", d.templateExample(i), monday+int64(i)*3*hour)
			a, from := LatencyRow(f.State, q)
			c, from2 := LatencyRow(s, q)
			if !slices.EqualFunc(a, c, sameFloat) || from != from2 {
				t.Fatal("a state read back makes other rows")
			}
			for j, v := range a {
				if math.IsInf(float64(v), 0) || v != v && j != lPayload && j != lBody && (j < lPrincipalRecent || j > lPrincipalErrors) {
					t.Errorf("%d rows: column %s is %v", n, latencyColumns()[j].Name, v)
				}
			}
		}
		if n < 500 {
			continue
		}
		for cut := range len(b) {
			if _, err := ParseLatencyState(b[:cut]); err == nil {
				t.Fatalf("%d of %d bytes were taken", cut, len(b))
			}
		}
		if _, err := ParseLatencyState(append(slices.Clone(b), 0)); err == nil {
			t.Error("a byte too many was taken")
		}
	}
}

func (d *LatencyDataset) templateExample(i int) string {
	return fmt.Sprintf("/api/%c/%d?x=1", 'a'+i%5, i)
}

func FuzzParseLatencyState(f *testing.F) {
	d := latencyDataset(f, latencyLog(60, 6, 1))
	fold, err := d.Fold(context.Background(), rows(0, 50), nil)
	if err != nil {
		f.Fatal(err)
	}
	b, _ := fold.State.MarshalBinary()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseLatencyState(b)
		if err != nil {
			return
		}
		if c, _ := s.MarshalBinary(); !bytes.Equal(b, c) {
			t.Error("what was taken is not what would be written")
		}
		row, _ := LatencyRow(s, NewLatencyQuery("GET", "/", monday))
		for _, v := range row {
			if math.IsInf(float64(v), 0) {
				t.Errorf("row %v", row)
			}
		}
	})
}

// TestLatencyRow: a query in a steady log gives what rows of that log have, and
// names where its rate came from.
func TestLatencyRow(t *testing.T) {
	var reqs []traffic.Request
	// Monday and Tuesday, 00:00 to 02:00: 1 request a second, 4 in the second hour.
	for day := range int64(2) {
		for s := int64(0); s < 7200; s++ {
			n := 1
			if s >= 3600 {
				n = 4
			}
			for k := range n {
				lat := .1
				target := "/a"
				if k == 3 {
					target, lat = "/b", .4
				}
				at := monday + day*24*hour + s*second + int64(k)*1000
				reqs = append(reqs, traffic.Request{Time: at + int64(lat*second), Latency: lat, Method: "GET", Target: target, Client: fmt.Sprint(len(reqs)), Status: 200, BytesIn: 10})
			}
		}
	}
	d := latencyDataset(t, reqs)
	f, err := d.Fold(t.Context(), rows(0, d.Rows), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := f.State
	if s.Templates() != 2 || !s.Known(LatencyTemplate("GET", "/a?x")) || s.Known(LatencyTemplate("POST", "/a")) {
		t.Errorf("%d templates", s.Templates())
	}
	for _, c := range []struct {
		at     int64
		rate   float64
		source string
	}{{monday + 30*minute, 1, RateHourOfWeek}, {monday + 90*minute, 4, RateHourOfWeek}, {monday + 7*24*hour + 90*minute, 4, RateHourOfWeek}, {monday + 5*hour, float64(36000) / (26 * 3600), RateMean}} {
		rate, source := s.Rate(c.at)
		if math.Abs(rate-c.rate) > .01*c.rate || source != c.source {
			t.Errorf("%d s: rate %v from %q, want %v from %q", (c.at-monday)/second, rate, source, c.rate, c.source)
		}
	}
	q := NewLatencyQuery("GET", "/b", monday+90*minute)
	q.PayloadSize = 10
	row, source := LatencyRow(s, q)
	if source != RateHourOfWeek {
		t.Errorf("source %q", source)
	}
	// A real row of that hour.
	var real int
	for i := range d.Rows {
		if d.Times[i] > monday+90*minute && d.Template[i] == LatencyTemplate("GET", "/b") {
			real = i
			break
		}
	}
	for j, v := range row {
		got, want := float64(v), float64(f.Fit.Cols[j][real])
		slack := .02
		switch j {
		case lRate1s, lTemplateRate1s, lTemplateRate10s, lTemplateRate60s, lTemplateRate10m, lInFlight, lTemplateInFlight:
			slack = 1 // the template's share differs between the hours; 3 others of this second have begun
		case lRecent, lMean1m, lMean10m:
			slack = .2
		}
		if math.Abs(got-want) > slack {
			t.Errorf("%s: %v, a real row has %v", latencyColumns()[j].Name, got, want)
		}
	}
	q.Rate = 50
	given, source := LatencyRow(s, q)
	if source != RateGiven || math.Abs(float64(given[lRate60s])-math.Log1p(3000)) > 1e-5 {
		t.Errorf("source %q, requests_60s %v", source, given[lRate60s])
	}
	for _, r := range []float64{math.NaN(), -1, math.Inf(1)} {
		q.Rate = r
		if _, source := LatencyRow(s, q); source != RateHourOfWeek {
			t.Errorf("rate %v: source %q", r, source)
		}
	}
}

func TestHourOfWeek(t *testing.T) {
	for _, c := range []struct {
		at   int64
		want int
	}{{monday, 0}, {monday - 1, 167}, {monday + 25*hour, 25}, {0, 72}, {-hour, 71}} { // 1970-01-01 was a Thursday
		if got := hourOfWeek(c.at); got != c.want {
			t.Errorf("%d: hour %d, want %d", c.at, got, c.want)
		}
	}
}

// BenchmarkLatency: a generated log of 100,000 lines to a dataset and one fold.
func BenchmarkLatency(b *testing.B) {
	var reqs []traffic.Request
	err := generate.Run(context.Background(), generate.Config{Seed: 1, Normal: 80_000, Attacks: 20_000}, func(r []traffic.Request, _ []string) error {
		reqs = append(reqs, r...)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		d := latencyDataset(b, reqs)
		if _, err := d.Fold(context.Background(), rows(0, d.Rows), nil); err != nil {
			b.Fatal(err)
		}
	}
}
