package cache

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"apiml/frame"
)

// benchTrace has 10 million requests: Zipf 0.9 over a million keys, every tenth
// request for a key that never comes again, and every million requests a scan of
// 20,000 keys that never come again.
func benchTrace() *frame.Trace {
	const requests, keys = 10_000_000, 1_000_000
	rng := rand.New(rand.NewPCG(1, 0))
	sums := make([]float64, keys)
	sum := 0.0
	for i := range sums {
		sum += math.Pow(float64(i+1), -0.9)
		sums[i] = sum
	}
	number := make([]int32, keys) // in order of appearance, +1
	t := &frame.Trace{Keys: make([]int32, 0, requests)}
	fresh := func() {
		t.Keys = append(t.Keys, int32(t.N))
		t.N++
	}
	for len(t.Keys) < requests {
		switch {
		case len(t.Keys)%1_000_000 == 500_000:
			for range 20_000 {
				fresh()
			}
		case rng.IntN(10) == 0:
			fresh()
		default:
			k := min(sort.SearchFloat64s(sums, sum*rng.Float64()), keys-1)
			if number[k] == 0 {
				fresh()
				number[k] = int32(t.N)
			} else {
				t.Keys = append(t.Keys, number[k]-1)
			}
		}
	}
	return t
}

// BenchmarkLarge prints million requests per second and the miss ratio of every
// policy with a cache of 100,000 objects. The hits are kept, as everywhere.
func BenchmarkLarge(b *testing.B) {
	t := benchTrace()
	run := func(name string, f func() ([]bool, error)) {
		b.Run(name, func(b *testing.B) {
			misses := 0.0
			for b.Loop() {
				h, err := f()
				if err != nil {
					b.Fatal(err)
				}
				misses = 1 - float64(hitCount(h))/float64(len(h))
			}
			b.ReportMetric(float64(len(t.Keys))*float64(b.N)/1e6/b.Elapsed().Seconds(), "Mreq/s")
			b.ReportMetric(misses, "misses")
		})
	}
	for _, p := range Policies() {
		run(p.Name, func() ([]bool, error) { return Run(b.Context(), p.Name, t, 100_000) })
	}
	m := mustNew(b, Default())
	t = &frame.Trace{Keys: t.Keys[:1_000_000], N: t.N} // the learned policy takes microseconds, not nanoseconds
	run("learned", func() ([]bool, error) { return m.Run(b.Context(), t, 100_000) })
}
