package cache

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"apiml/frame"
)

// The curve has at every capacity exactly what a replay of LRU has.
func TestLRUCurve(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for round := range 100 {
		tr := randomTrace(rng, 1+rng.IntN(500), 1+rng.IntN(50), false)
		if round%2 == 1 { // bytes: exact if sizes stay
			for _, k := range tr.Keys {
				tr.Sizes = append(tr.Sizes, 1+k*7%11)
			}
		}
		from := rng.IntN(len(tr.Keys))
		c, err := LRUCurve(t.Context(), tr, from, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		for capacity := int64(11); capacity < 600; capacity += 1 + int64(rng.IntN(9)) {
			h := hitsOf(t, "lru", tr, capacity)
			if got, want := c.HitRatio(capacity), Measure(tr, h, from, len(h)).HitRatio(); got != want {
				t.Fatalf("round %d, capacity %d: %v, replay %v", round, capacity, got, want)
			}
		}
	}
	if _, err := LRUCurve(t.Context(), &frame.Trace{}, 0, 0, 0); err == nil {
		t.Error("a rate of 0 is taken")
	}
}

// SHARDS with a tenth of the objects is near the exact curve.
func TestShards(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 0))
	z := rand.NewZipf(rng, 1.2, 10, 50_000)
	tr := &frame.Trace{N: 50_001}
	for range 400_000 {
		tr.Keys = append(tr.Keys, int32(z.Uint64()))
	}
	exact, err := LRUCurve(t.Context(), tr, 0, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, err := LRUCurve(t.Context(), tr, 0, 0.1, 5)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	sizes := []int64{200, 500, 1000, 2000, 5000, 10_000, 20_000}
	for _, capacity := range sizes {
		sum += math.Abs(exact.HitRatio(capacity) - near.HitRatio(capacity))
	}
	if mean := sum / float64(len(sizes)); mean > 0.02 {
		t.Errorf("SHARDS is off by %.3f", mean)
	}
}

func TestKnee(t *testing.T) {
	tr := &frame.Trace{N: 1000} // ten favourites, and a loop over all others that is hardly worth its room
	for i := range 20_000 {
		tr.Keys = append(tr.Keys, int32(i%10))
		if i%8 == 0 {
			tr.Keys = append(tr.Keys, int32(10+i/8%990))
		}
	}
	c, err := LRUCurve(t.Context(), tr, 0, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if k := c.Knee(); k < 10 || k > 14 {
		t.Errorf("knee at %d", k)
	}
	if u := c.Unlimited(); u != 1000 {
		t.Errorf("unlimited at %d", u)
	}
}

func TestServe(t *testing.T) {
	tr := &frame.Trace{Keys: []int32{0, 0, 0, 0, 1, 0, 0, 1}, N: 2, Times: []int64{0, 5, 11, 12, 12, 13, 14, 15}}
	hits := []bool{false, true, true, true, false, true, true, true}
	r := Rules{TTL: []int64{10, -1}, Writes: []Write{{5, 0}}}
	got, err := Serve(tr, hits, r)
	if err != nil || !slices.Equal(got, []Answer{Missed, Fresh, Refetched, Fresh, Missed, Stale, Stale, Fresh}) {
		t.Errorf("%v, %v", got, err)
	}
	r.Purge = true
	r.TTL[1] = 0
	got, err = Serve(tr, hits, r)
	if err != nil || !slices.Equal(got, []Answer{Missed, Fresh, Refetched, Fresh, Missed, Refetched, Fresh, Refetched}) {
		t.Errorf("%v, %v", got, err)
	}
	r.Resource = []int32{0, 0} // one resource: the write is one to key 1 too
	r.TTL[1] = -1
	got, err = Serve(tr, hits, r)
	if err != nil || got[7] != Refetched {
		t.Errorf("%v, %v", got, err)
	}
	for name, bad := range map[string]Rules{
		"lifetimes": {TTL: []int64{1}}, "key": {Writes: []Write{{0, 2}}}, "order": {Writes: []Write{{3, 0}, {2, 0}}}, "resources": {Resource: []int32{0}}, "resource": {Resource: []int32{0, -1}},
	} {
		if _, err := Serve(tr, hits, bad); err == nil {
			t.Errorf("bad %s are taken", name)
		}
	}
	if _, err := Serve(&frame.Trace{Keys: []int32{0}, N: 1}, []bool{false}, Rules{TTL: []int64{1}}); err == nil {
		t.Error("lifetimes without times are taken")
	}
}
