package cache

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apiml/frame"
)

// randomTrace has a few favourites, scans and loops; sizes in every second one.
func randomTrace(rng *rand.Rand, requests, keys int, sized bool) *frame.Trace {
	t := &frame.Trace{N: keys}
	for len(t.Keys) < requests {
		switch rng.IntN(8) {
		case 0: // a scan or loop
			at := rng.IntN(keys)
			for j := range rng.IntN(keys + 1) {
				t.Keys = append(t.Keys, int32((at+j)%keys))
			}
		default:
			t.Keys = append(t.Keys, int32(min(rng.IntN(keys), rng.IntN(keys), rng.IntN(keys))))
		}
	}
	t.Keys = t.Keys[:requests]
	if sized {
		for range t.Keys {
			t.Sizes = append(t.Sizes, int32(rng.IntN(6))) // 0 takes 1, and one key has many sizes
		}
	}
	return t
}

// rounds is how often a test with random traces repeats.
func rounds(all, short int) int {
	if testing.Short() {
		return short
	}
	return all
}

func hitsOf(t testing.TB, name string, tr *frame.Trace, capacity int64) []bool {
	t.Helper()
	h, err := Run(t.Context(), name, tr, capacity)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func hitCount(h []bool) (n int) {
	for _, x := range h {
		if x {
			n++
		}
	}
	return n
}

// Every policy against an implementation with slices and scans (naive_test.go)
// that follows the paper line by line.
func TestNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for round := range rounds(600, 150) {
		sized := round%2 == 1
		tr := randomTrace(rng, 1+rng.IntN(300), 1+rng.IntN(30), sized)
		capacity := int64(1 + rng.IntN(40))
		for _, p := range Policies() {
			if p.Name == "lhd" || p.Name == "pfoo" {
				continue // at random; a sum: tested below
			}
			want := naive(p.Name, tr, capacity)
			if got := hitsOf(t, p.Name, tr, capacity); !slices.Equal(got, want) {
				at := 0
				for got[at] == want[at] {
					at++
				}
				t.Fatalf("round %d: %s, capacity %d, sized %v: request %d of %v is a hit: %v, naively %v", round, p.Name, capacity, sized, at, tr.Keys[:at+1], got[at], want[at])
			}
		}
	}
}

// Belady's hits are the optimum: all decisions tried out.
func TestBeladyOptimal(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 0))
	for range 200 {
		tr := randomTrace(rng, 1+rng.IntN(14), 1+rng.IntN(6), false)
		for capacity := 1; capacity <= 4; capacity++ {
			got := hitCount(hitsOf(t, "belady", tr, int64(capacity)))
			if want := optimum(tr.Keys, 0, capacity); got != want {
				t.Fatalf("%v, capacity %d: %d hits, optimum %d", tr.Keys, capacity, got, want)
			}
		}
	}
}

// optimum is the most hits on keys with a cache that holds the set of bits.
func optimum(keys []int32, stored uint64, capacity int) int {
	if len(keys) == 0 {
		return 0
	}
	k := keys[0]
	if stored&(1<<k) != 0 {
		return 1 + optimum(keys[1:], stored, capacity)
	}
	n := 0
	for s := stored; s != 0; s &= s - 1 {
		n++
	}
	if n < capacity {
		return optimum(keys[1:], stored|1<<k, capacity)
	}
	best := 0
	for v := range 64 {
		if stored&(1<<v) != 0 {
			best = max(best, optimum(keys[1:], stored&^(1<<v)|1<<k, capacity))
		}
	}
	return best
}

// PFOO-L bounds every policy where sizes differ, Belady's among them.
func TestPFOO(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 0))
	for round := range rounds(200, 40) {
		tr := randomTrace(rng, 1+rng.IntN(1000), 1+rng.IntN(60), false)
		for _, k := range tr.Keys {
			tr.Sizes = append(tr.Sizes, 1+k*7%11)
		}
		capacity := int64(1 + rng.IntN(80))
		bound := hitCount(hitsOf(t, "pfoo", tr, capacity))
		for _, p := range Policies() {
			if n := hitCount(hitsOf(t, p.Name, tr, capacity)); n > bound {
				t.Fatalf("round %d, capacity %d: %s has %d hits, the bound is %d", round, capacity, p.Name, n, bound)
			}
		}
		if n := hitCount(mustNew(t, Default()).Simulate(tr, capacity)); n > bound {
			t.Fatalf("round %d: the learned policy has %d hits, the bound is %d", round, n, bound)
		}
	}
	// Room for one object, requests 0 1 0 0: the hit of request 3 takes 1, that of 2 takes 2, and there are 4.
	tr := &frame.Trace{Keys: []int32{0, 1, 0, 0}, N: 2}
	if h := hitsOf(t, "pfoo", tr, 1); !slices.Equal(h, []bool{false, false, true, true}) {
		t.Errorf("hits %v", h)
	}
}

// LHD learns that what was never hit is not worth its room: with favourites
// between a scan it has clearly more hits than LRU.
func TestLHD(t *testing.T) {
	tr := &frame.Trace{}
	rng := rand.New(rand.NewPCG(7, 0))
	next := int32(100)
	for range 200_000 {
		if rng.IntN(2) == 0 {
			tr.Keys = append(tr.Keys, int32(rng.IntN(100)))
			continue
		}
		tr.Keys = append(tr.Keys, next)
		next++
	}
	tr.N = int(next)
	lhd, lru := hitCount(hitsOf(t, "lhd", tr, 110)), hitCount(hitsOf(t, "lru", tr, 110))
	if float64(lhd) < 1.15*float64(lru) {
		t.Errorf("LHD has %d hits, LRU %d", lhd, lru)
	}
}

func TestProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	for round := range rounds(60, 15) {
		tr := randomTrace(rng, 2000, 10+rng.IntN(200), false)
		var before []bool
		capacities := []int64{0, 1, 2, 3, 5, 10, 50, int64(tr.N) - 1, int64(tr.N), int64(tr.N) + 7, math.MaxInt64}
		slices.Sort(capacities)
		for _, capacity := range capacities {
			bound := hitCount(hitsOf(t, "belady", tr, capacity))
			seen := make([]bool, tr.N)
			for _, p := range Policies() {
				h := hitsOf(t, p.Name, tr, capacity)
				n := hitCount(h)
				if n > bound && p.Name != "pfoo" || n < bound && p.Name == "pfoo" {
					t.Fatalf("round %d, capacity %d: %s has %d hits, the bound is %d", round, capacity, p.Name, n, bound)
				}
				clear(seen)
				for i, k := range tr.Keys {
					if h[i] && !seen[k] {
						t.Fatalf("%s hits key %d at its first request", p.Name, k)
					}
					// Room for all: every request but the first is a hit, but where a
					// part of the cache is set aside for something else.
					if capacity >= int64(tr.N) && !h[i] && seen[k] && p.Name != "wtinylfu" && p.Name != "s3fifo" {
						t.Fatalf("capacity %d of %d: %s misses key %d again", capacity, tr.N, p.Name, k)
					}
					seen[k] = true
				}
				if capacity == 0 && n > 0 {
					t.Fatalf("%s hits without a cache", p.Name)
				}
			}
			// LRU's inclusion property (Mattson et al. 1970).
			h := hitsOf(t, "lru", tr, capacity)
			for i := range before {
				if before[i] && !h[i] {
					t.Fatalf("round %d, capacity %d: LRU misses request %d, which a smaller cache hits", round, capacity, i)
				}
			}
			before = h
		}
	}
}

// Sizes of 1 are no sizes.
func TestUnitSizes(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 0))
	for range 100 {
		tr := randomTrace(rng, 1000, 10+rng.IntN(100), false)
		sized := &frame.Trace{Keys: tr.Keys, N: tr.N, Sizes: slices.Repeat([]int32{1}, len(tr.Keys))}
		capacity := int64(1 + rng.IntN(tr.N))
		for _, p := range Policies() {
			if !slices.Equal(hitsOf(t, p.Name, tr, capacity), hitsOf(t, p.Name, sized, capacity)) {
				t.Fatalf("%s, capacity %d: other hits with sizes of 1", p.Name, capacity)
			}
		}
	}
}

// No cache holds more than its capacity, and what it says it holds it holds.
func TestAccounting(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	for round := range rounds(200, 40) {
		tr := randomTrace(rng, 1000, 10+rng.IntN(60), round%2 == 0)
		capacity := int64(1 + rng.IntN(100))
		var caches []policy
		for _, p := range Policies() {
			if !p.Bound {
				caches = append(caches, newPolicy(p.Name, tr.N, tr.Sizes != nil, capacity))
			}
		}
		for _, policy := range []string{"experts", "lecar"} {
			m := mustNew(t, Config{Policy: policy, Experts: Default().Experts, Epoch: 0.05, Share: 0.3})
			caches = append(caches, m.newCache(tr, capacity, m.prior[:len(m.config.arms())]))
		}
		for i, k := range tr.Keys {
			for _, c := range caches {
				stored := c.stock().in[k]
				if hit := c.access(k, sizeAt(tr, i)); hit != stored {
					t.Fatalf("%T: stored %v, hit %v", c, stored, hit)
				}
				s := c.stock()
				var sum int64
				for k, in := range s.in {
					if in {
						sum += s.of(int32(k))
					}
				}
				if sum != s.used || sum > capacity {
					t.Fatalf("%T: objects of %d in a cache of %d that counts %d", c, sum, capacity, s.used)
				}
			}
		}
	}
}

func TestRunErrors(t *testing.T) {
	tr := &frame.Trace{Keys: []int32{0, 1, 0}, N: 2}
	if _, err := Run(t.Context(), "clock", tr, 1); err == nil || !strings.Contains(err.Error(), `unknown policy "clock" (known: lru,`) {
		t.Errorf("unknown policy: %v", err)
	}
	if _, err := Run(t.Context(), "lru", &frame.Trace{Keys: []int32{2}, N: 2}, 1); err == nil || !strings.Contains(err.Error(), "key 2 of 2") {
		t.Errorf("inconsistent trace: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, p := range Policies() {
		if _, err := Run(ctx, p.Name, tr, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", p.Name, err)
		}
		for _, empty := range []*frame.Trace{{}, {N: 5}} {
			if h, err := Run(t.Context(), p.Name, empty, 3); err != nil || len(h) != 0 {
				t.Errorf("%s on no requests: %v, %v", p.Name, h, err)
			}
		}
		if h := hitsOf(t, p.Name, &frame.Trace{Keys: []int32{0}, N: 1}, 1); !slices.Equal(h, []bool{false}) {
			t.Errorf("%s on one request: %v", p.Name, h)
		}
	}
}

func TestMeasure(t *testing.T) {
	tr := &frame.Trace{Keys: []int32{0, 1, 0, 1}, N: 2, Sizes: []int32{10, 20, 30, 40}}
	hits := []bool{false, false, true, false}
	if got, want := Measure(tr, hits, 1, 4), (Counts{3, 1, 90, 30}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	c := Measure(tr, hits, 0, 4)
	if c.HitRatio() != 0.25 || c.ByteHitRatio() != 0.3 {
		t.Errorf("ratios %v and %v", c.HitRatio(), c.ByteHitRatio())
	}
	if c := Measure(&frame.Trace{}, nil, 0, 0); c.HitRatio() != 0 || c.ByteHitRatio() != 0 {
		t.Errorf("empty: %v", c)
	}
}

func BenchmarkRun(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	z := rand.NewZipf(rng, 1.1, 1, 99_999)
	tr := &frame.Trace{N: 100_000}
	for range 1_000_000 {
		tr.Keys = append(tr.Keys, int32(z.Uint64()))
	}
	report := func(b *testing.B, run func() error) {
		for b.Loop() {
			if err := run(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(tr.Keys)), "ns/request")
	}
	for _, p := range Policies() {
		b.Run(p.Name, func(b *testing.B) {
			report(b, func() error { _, err := Run(b.Context(), p.Name, tr, 10_000); return err })
		})
	}
	for _, policy := range []string{"experts", "lecar"} {
		c := Default()
		c.Policy = policy
		m := mustNew(b, c)
		b.Run(fmt.Sprintf("learned/%s", policy), func(b *testing.B) {
			report(b, func() error { _, err := m.Run(b.Context(), tr, 10_000); return err })
		})
	}
}
