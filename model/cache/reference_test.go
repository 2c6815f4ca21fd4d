package cache

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"apiml/frame"
)

// TestReference holds the replays against libCacheSim's on the same traces
// (testdata/reference.py makes both). LRU, FIFO, LFU, SIEVE and, without sizes,
// Belady must agree to the last request. The others differ in what their
// papers leave open (rounding of the small queue, real or whole steps of ARC's
// target, the sketch, sizes) and must be near.
func TestReference(t *testing.T) {
	b, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Cases []struct {
			Seed     uint64
			N, Keys  int
			Sized    bool
			Capacity int64
			Hits     map[string]int
		}
	}
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	if len(ref.Cases) != 15 {
		t.Fatalf("%d cases", len(ref.Cases))
	}
	for _, c := range ref.Cases {
		tr := referenceTrace(c.Seed, c.N, c.Keys, c.Sized)
		for name, want := range c.Hits {
			if name == "lecar" {
				continue // it stays nearer to LRU there; ours is held to the paper by TestNaiveLeCaR
			}
			got := hitCount(hitsOf(t, name, tr, c.Capacity))
			within := 0.0
			switch {
			case name == "arc" && !c.Sized, name == "belady" && c.Sized:
				within = 0.05
			case name == "arc", name == "s3fifo" && !c.Sized:
				within = 0.1
			case name == "wtinylfu" && !c.Sized:
				within = 0.15
			case name == "s3fifo", name == "wtinylfu":
				continue // other definitions with sizes
			}
			if want == 0 {
				continue // libCacheSim's queues round to nothing
			}
			if math.Abs(float64(got-want)) > within*float64(want) {
				t.Errorf("%s on seed %d, %d keys, sized %v, capacity %d: %d hits, libCacheSim %d", name, c.Seed, c.Keys, c.Sized, c.Capacity, got, want)
			}
		}
	}
}

func referenceTrace(seed uint64, n, keys int, sized bool) *frame.Trace {
	below := func(n int) int {
		seed = seed*6364136223846793005 + 1442695040888963407
		return int((seed >> 33) % uint64(n))
	}
	t := &frame.Trace{N: keys}
	for len(t.Keys) < n {
		if below(100) == 0 {
			at := below(keys)
			for j := range below(60) {
				t.Keys = append(t.Keys, int32((at+j)%keys))
			}
			continue
		}
		shift := len(t.Keys) / (n / 4) * 37
		a, b, c := below(keys), below(keys), below(keys)
		t.Keys = append(t.Keys, int32((min(a, b, c)+shift)%keys))
	}
	t.Keys = t.Keys[:n]
	if sized {
		for _, k := range t.Keys {
			t.Sizes = append(t.Sizes, 100+k*7919%1000)
		}
	}
	return t
}
