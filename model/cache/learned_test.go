package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"apiml/frame"
	"apiml/model"
)

func mustNew(t testing.TB, c Config) *Learned {
	t.Helper()
	m, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustFit(t testing.TB, tr *frame.Trace, c Config, opt model.FitOptions) *Learned {
	t.Helper()
	m, err := Fit(t.Context(), tr, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func encoded(t testing.TB, m *Learned) []byte {
	t.Helper()
	var f model.File
	if err := m.Encode(&f); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func policies() []Config {
	a, b := Default(), Default()
	b.Policy = "lecar"
	return []Config{a, b}
}

// One expert alone is that policy. With sizes, and beside S3-FIFO, it may do
// better: where the policy leaves room, the real cache keeps what it need not
// give up.
func TestOneExpert(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for round := range 60 {
		tr := randomTrace(rng, 1500, 10+rng.IntN(100), round%2 == 0)
		capacity := int64(1 + rng.IntN(100))
		for _, p := range Policies() {
			if p.Bound {
				continue
			}
			c := Default()
			c.Experts = []string{p.Name}
			got, want := mustNew(t, c).Simulate(tr, capacity), hitsOf(t, p.Name, tr, capacity)
			exact := tr.Sizes == nil && p.Name != "s3fifo"
			if exact && !slices.Equal(got, want) || float64(hitCount(got)) < 0.97*float64(hitCount(want)) {
				t.Fatalf("round %d: the expert %s alone has %d hits, %s %d", round, p.Name, hitCount(got), p.Name, hitCount(want))
			}
		}
	}
}

// LeCaR against slices and scans, with the same draws.
func TestNaiveLeCaR(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 0))
	for round := range 200 {
		tr := randomTrace(rng, 1+rng.IntN(400), 1+rng.IntN(30), false)
		capacity := int64(1 + rng.IntN(tr.N))
		c := Default()
		c.Policy = "lecar"
		m := mustNew(t, c)
		if got, want := m.Simulate(tr, capacity), naiveLeCaR(tr, capacity, 1); !slices.Equal(got, want) {
			t.Fatalf("round %d, capacity %d: %d hits, naively %d", round, capacity, hitCount(got), hitCount(want))
		}
	}
}

func naiveLeCaR(t *frame.Trace, capacity int64, seed uint64) []bool {
	var stored items // by last request; n = frequency
	var history [2]items
	since := map[int32]int{}
	w := [2]float64{0.5, 0.5}
	draw := rand.New(rand.NewPCG(seed, uint64(capacity)))
	hits := make([]bool, len(t.Keys))
	entered := map[int32]int{} // when its frequency became what it is
	for i, k := range t.Keys {
		if at := stored.find(k); at >= 0 {
			x := stored.take(at)
			x.n++
			stored = append(stored, x)
			entered[k] = i
			hits[i] = true
			continue
		}
		n := 1
		for e := range history {
			if at := history[e].find(k); at >= 0 {
				n = history[e].take(at).n + 1
				w[1-e] *= math.Exp(0.45 * math.Pow(0.005, float64(i-since[k])/float64(capacity)))
				sum := w[0] + w[1]
				w[0], w[1] = max(w[0]/sum, 0.01), max(w[1]/sum, 0.01)
				break
			}
		}
		if int64(len(stored)) == capacity {
			e, at := 0, 0
			if draw.Float64()*(w[0]+w[1]) >= w[0] {
				e = 1
				for j, x := range stored {
					v := stored[at]
					if x.n < v.n || x.n == v.n && entered[x.key] < entered[v.key] {
						at = j
					}
				}
			}
			x := stored.take(at)
			since[x.key] = i
			history[e] = append(history[e], x)
			for int64(len(history[e])) > capacity/2 {
				history[e].take(0)
			}
		}
		stored = append(stored, item{key: k, size: 1, n: n})
		entered[k] = i
	}
	return hits
}

// The same seed gives the same bytes, whatever the workers; and a policy read
// back from its file decides the same.
func TestDeterministic(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	for _, sized := range []bool{false, true} {
		tr := randomTrace(rng, rounds(20_000, 5000), 500, sized)
		keys, sizes := slices.Clone(tr.Keys), slices.Clone(tr.Sizes)
		for _, c := range policies() {
			m := mustFit(t, tr, c, model.FitOptions{Seed: 7, Workers: 1})
			b := encoded(t, m)
			if !bytes.Equal(b, encoded(t, mustFit(t, tr, c, model.FitOptions{Seed: 7, Workers: 4}))) {
				t.Errorf("%s: the workers matter", c.Policy)
			}
			if bytes.Equal(b, encoded(t, mustFit(t, tr, c, model.FitOptions{Seed: 8}))) {
				t.Errorf("%s: the seed is not kept", c.Policy)
			}
			f, err := model.ReadFile(b)
			if err != nil {
				t.Fatal(err)
			}
			back, err := Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b, encoded(t, back)) {
				t.Errorf("%s: not the same bytes after reading", c.Policy)
			}
			for _, capacity := range []int64{0, 1, 7, 50, 1000} {
				want := m.Simulate(tr, capacity)
				if !slices.Equal(want, m.Simulate(tr, capacity)) || !slices.Equal(want, back.Simulate(tr, capacity)) {
					t.Errorf("%s, capacity %d: other hits at the second replay or after reading", c.Policy, capacity)
				}
			}
			var wg sync.WaitGroup
			want := m.Simulate(tr, 50)
			for range 4 {
				wg.Go(func() {
					if !slices.Equal(want, m.Simulate(tr, 50)) {
						t.Error("concurrent replays differ")
					}
				})
			}
			wg.Wait()
		}
		if !slices.Equal(keys, tr.Keys) || !slices.Equal(sizes, tr.Sizes) {
			t.Error("the trace was changed")
		}
	}
}

// What is measured on the second half must not have been learned there.
func TestFirstHalfOnly(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 0))
	a := randomTrace(rng, 10_000, 300, true)
	b := &frame.Trace{Keys: slices.Clone(a.Keys), Sizes: slices.Clone(a.Sizes), N: a.N + 1000}
	for i := 5000; i < len(b.Keys); i++ {
		b.Keys[i], b.Sizes[i] = int32(rng.IntN(b.N)), 1
	}
	for _, c := range policies() {
		if !bytes.Equal(encoded(t, mustFit(t, a, c, model.FitOptions{})), encoded(t, mustFit(t, b, c, model.FitOptions{}))) {
			t.Errorf("%s: the second half changes the prior", c.Policy)
		}
	}
}

// The prior favours what was good.
func TestPrior(t *testing.T) {
	tr := &frame.Trace{N: 1000} // a loop: LRU never hits
	for i := range rounds(50_000, 20_000) {
		tr.Keys = append(tr.Keys, int32(i%1000))
	}
	m := mustFit(t, tr, Default(), model.FitOptions{})
	experts, ratios, weights := m.Prior()
	if len(ratios) != 4 || len(weights) != 4 {
		t.Fatalf("%d sizes, %d weights", len(ratios), len(weights))
	}
	// In smaller caches an epoch of 50 requests is most of their turn.
	for i := 2; i < 4; i++ {
		if best := experts[best(weights[i])]; best != "lirs" {
			t.Errorf("at %v: %s leads on a loop (%v)", ratios[i], best, weights[i])
		}
	}
}

// A bad leader is left, even if it leads at equal weights.
func TestLeaderChanges(t *testing.T) {
	tr := &frame.Trace{N: 30_000} // every object is requested twice more soon after, then never again
	for i := range 30_000 {
		for _, back := range []int{0, 200, 300} {
			if i >= back {
				tr.Keys = append(tr.Keys, int32(i-back))
			}
		}
	}
	c := Default()
	c.Experts = []string{"lfu", "lru"} // lfu leads at equal weights
	got := hitCount(mustNew(t, c).Simulate(tr, 400))
	lru, lfu := hitCount(hitsOf(t, "lru", tr, 400)), hitCount(hitsOf(t, "lfu", tr, 400))
	if lfu*2 > lru {
		t.Fatalf("LFU has %d hits, LRU %d: the test shows nothing", lfu, lru)
	}
	if float64(got) < 0.97*float64(lru) {
		t.Errorf("%d hits, LRU has %d", got, lru)
	}
}

// Experts that take turns: on a way back and forth LFU hits in one direction what
// LRU hits at both ends, and who follows whichever was best lately hits nothing.
func TestLeaderStays(t *testing.T) {
	tr := &frame.Trace{N: 2000}
	for round := range 26 {
		for i := range 2000 {
			if round%2 == 1 {
				i = 1999 - i
			}
			tr.Keys = append(tr.Keys, int32(i))
		}
	}
	capacities := []int64{100, 200, 500}
	if testing.Short() {
		capacities = capacities[2:]
	}
	for _, capacity := range capacities {
		half := len(tr.Keys) / 2 // it may learn on the first
		got, lru := hitCount(mustNew(t, Default()).Simulate(tr, capacity)[half:]), hitCount(hitsOf(t, "lru", tr, capacity)[half:])
		if float64(got) < 0.98*float64(lru) {
			t.Errorf("capacity %d: %d hits, LRU has %d", capacity, got, lru)
		}
	}
}

func TestFitOdd(t *testing.T) {
	for _, c := range policies() {
		if _, err := Fit(t.Context(), &frame.Trace{}, c, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), "no requests") {
			t.Errorf("%s: no requests: %v", c.Policy, err)
		}
		if _, err := Fit(t.Context(), &frame.Trace{Keys: []int32{1}, N: 1}, c, model.FitOptions{}); err == nil {
			t.Errorf("%s: an inconsistent trace is taken", c.Policy)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		tr := &frame.Trace{Keys: []int32{0, 0, 0, 1, 0, 2}, N: 3, Sizes: []int32{0, 0, 0, math.MaxInt32, 0, 0}}
		if _, err := Fit(ctx, tr, c, model.FitOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled: %v", c.Policy, err)
		}
		for _, tr := range []*frame.Trace{tr, {Keys: []int32{0}, N: 1}, {Keys: []int32{0, 0, 0}, N: 1}, {Keys: []int32{0, 0}, N: 1, Sizes: []int32{0, 0}}} {
			m := mustFit(t, tr, c, model.FitOptions{})
			for _, capacity := range []int64{-1, 0, 1, 2, math.MaxInt64} {
				if h := m.Simulate(tr, capacity); len(h) != len(tr.Keys) || h[0] || capacity < 1 && hitCount(h) > 0 {
					t.Errorf("%s, capacity %d: hits %v", c.Policy, capacity, h)
				}
			}
		}
		m := mustFit(t, tr, c, model.FitOptions{})
		if h := m.Simulate(&frame.Trace{}, 5); len(h) != 0 {
			t.Errorf("no requests: %v", h)
		}
	}
}

func TestConfig(t *testing.T) {
	text, err := json.Marshal(Default())
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]string{
		`{"policy":"lru"}`:                     `policy must be "experts" or "lecar"`,
		`{"learning_rate":-1}`:                 "learning_rate",
		`{"discount":2}`:                       "discount",
		`{"epoch":0}`:                          "epoch",
		`{"share":0}`:                          "share",
		`{"experts":[]}`:                       "0 experts",
		`{"experts":["lru","belady"]}`:         "bound",
		`{"experts":["lru","lru"]}`:            "stands twice",
		`{"experts":["opt"]}`:                  `unknown policy "opt"`,
		`{"policy":"lecar"}`:                   "",
		`{"experts":["fifo"],"epoch":2}`:       "",
		`{"no_such":1}`:                        `unknown key "no_such"`,
		string(text):                           "",
		`{"policy":"lecar","learning_rate":2}`: "",
	} {
		c := Default()
		err := model.MergeConfig("cache", json.RawMessage(raw), &c)
		if err == nil {
			_, err = New(c, 1)
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
	c := Default()
	c.Policy = "lecar"
	if got := mustNew(t, c).Config(); got.LearningRate != 0.45 || got.Discount != 0.005 {
		t.Errorf("LeCaR's own values are %v and %v", got.LearningRate, got.Discount)
	}
}

// Damaged and hostile files are errors, and what is read can be used.
func TestDecodeDamage(t *testing.T) {
	tr := randomTrace(rand.New(rand.NewPCG(5, 0)), 500, 50, false)
	for _, c := range policies() {
		whole := encoded(t, mustFit(t, tr, c, model.FitOptions{}))
		for name, damage := range map[string]func(*model.File){
			"kind":           func(f *model.File) { f.Header.Kind = "random_forest" },
			"schema":         func(f *model.File) { f.Header.Schema.Name = "http" },
			"configuration":  func(f *model.File) { f.Header.Config = json.RawMessage(`{"policy":"x"}`) },
			"no JSON type":   func(f *model.File) { f.Header.Config = json.RawMessage(`{"epoch":"x"}`) },
			"endless epoch":  func(f *model.File) { f.Header.Config = json.RawMessage(`{"epoch":1e300}`) },
			"many experts":   func(f *model.File) { f.Header.Config = json.RawMessage(`{"policy":"experts","experts":["lru"]}`) },
			"no ratios":      func(f *model.File) { f.PutF64("cache.ratios", nil) },
			"ratios of zero": func(f *model.File) { f.PutF64("cache.ratios", []float64{0, 0.1, 0.2, 0.3}) },
			"descending":     func(f *model.File) { f.PutF64("cache.ratios", []float64{0.1, 0.05, 0.2, 0.3}) },
			"NaN ratio":      func(f *model.File) { f.PutF64("cache.ratios", []float64{0.1, math.NaN(), 0.2, 0.3}) },
			"short prior":    func(f *model.File) { f.PutF64("cache.prior", []float64{1}) },
			"other type":     func(f *model.File) { f.PutF32("cache.prior", []float32{1}) },
			"NaN weight": func(f *model.File) {
				w, _ := f.F64("cache.prior")
				w[0] = math.NaN()
				f.PutF64("cache.prior", w)
			},
			"weight of zero": func(f *model.File) {
				w, _ := f.F64("cache.prior")
				w[1] += w[0]
				w[0] = 0
				f.PutF64("cache.prior", w)
			},
			"sum": func(f *model.File) {
				w, _ := f.F64("cache.prior")
				w[0] /= 2
				f.PutF64("cache.prior", w)
			},
		} {
			f, err := model.ReadFile(whole)
			if err != nil {
				t.Fatal(err)
			}
			damage(f)
			if c.Policy == "lecar" && name == "many experts" {
				continue
			}
			if _, err := Decode(f); err == nil {
				t.Errorf("%s: damage %q is not seen", c.Policy, name)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"policy":"lecar"}`), []byte{1, 2, 3})
	f.Add([]byte(`{"experts":["lru","sieve"],"epoch":0.001,"share":1}`), bytes.Repeat([]byte{63}, 64))
	tr := randomTrace(rand.New(rand.NewPCG(6, 0)), 300, 40, true)
	f.Fuzz(func(t *testing.T, config, numbers []byte) {
		file := &model.File{}
		m := mustNew(t, Default())
		if err := m.Encode(file); err != nil {
			t.Fatal(err)
		}
		file.Header.Config = config
		var w []float64
		for i := 0; i+1 < len(numbers) && i < 200; i += 2 {
			w = append(w, float64(numbers[i])/256+float64(numbers[i+1])/65536)
		}
		if len(w) > 0 {
			file.PutF64("cache.prior", w)
		}
		m, err := Decode(file)
		if err != nil {
			return
		}
		for _, capacity := range []int64{1, 9, 1000} {
			if h := m.Simulate(tr, capacity); len(h) != len(tr.Keys) {
				t.Fatalf("%d answers to %d requests", len(h), len(tr.Keys))
			}
		}
	})
}

// Without a prior the first leader stays where repeats are few or come in the order
// of before, as in loops; where popularity decides, the vote leads from when the
// cache is full.
func TestFirstLeader(t *testing.T) {
	loop, popular := &frame.Trace{N: 300}, &frame.Trace{N: 2000}
	for i := range 3000 {
		loop.Keys = append(loop.Keys, int32(i%300))
	}
	rng := rand.New(rand.NewPCG(3, 0))
	for range 3000 {
		popular.Keys = append(popular.Keys, int32(2000*math.Pow(rng.Float64(), 4)))
	}
	for _, c := range []struct {
		name     string
		trace    *frame.Trace
		capacity int64
		want     string
	}{{"loop", loop, 100, "lirs"}, {"loop that fits", loop, 299, "lirs"}, {"popular", popular, 300, voteExpert}} {
		m := mustNew(t, Default())
		e := m.newCache(c.trace, c.capacity, m.prior[:len(m.config.Experts)]).(*experts)
		for _, k := range c.trace.Keys {
			if e.access(k, 1); e.begun {
				break
			}
		}
		if got := m.config.Experts[e.lead]; !e.begun || got != c.want {
			t.Errorf("%s: %s leads, want %s", c.name, got, c.want)
		}
	}
}

// With or without a prior the learned policy has no more hits than Bélády.
func TestLearnedBelady(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 0))
	for round := range rounds(8, 3) {
		tr := randomTrace(rng, 3000, 10+rng.IntN(300), false)
		fitted := mustFit(t, tr, Default(), model.FitOptions{Seed: 1})
		for _, capacity := range []int64{1, 2, 5, 20, 60, int64(tr.N) - 1} {
			bound := hitCount(hitsOf(t, "belady", tr, capacity))
			for _, m := range []*Learned{mustNew(t, Default()), fitted} {
				if n := hitCount(m.Simulate(tr, capacity)); n > bound {
					t.Fatalf("round %d, capacity %d: %d hits, Bélády %d", round, capacity, n, bound)
				}
			}
		}
	}
}
