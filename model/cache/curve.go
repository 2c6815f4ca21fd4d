package cache

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"apiml/frame"
)

// Curve is the hit ratio of LRU at every capacity: Mattson, Gecsei, Slutz &
// Traiger, "Evaluation techniques for storage hierarchies", IBM Systems Journal 9,
// 1970. LRU holds the objects requested last, whatever the capacity, so that one
// pass tells of each request the least capacity at which it is a hit.
type Curve struct {
	requests  float64
	distances []int64 // of what was requested before, ascending
	each      float64 // requests that one of them stands for
	offset    float64 // hits to add at every capacity, see LRUCurve
}

// LRUCurve makes the curve of the requests of t from number from on, what was
// before warms the cache. Capacities are objects or, with sizes, bytes; then it
// is exact as long as an object keeps its size and fits into the cache.
//
// Distances are counted with a tree over the requests (Bennett & Kruskal,
// "LRU stack processing", IBM Journal of Research and Development 19, 1975):
// O(n log n), 20 bytes per request. A rate below 1 takes that share of the objects
// only, drawn by a hash of the key and the seed, and scales up: SHARDS with a fixed
// rate and its correction (Waldspurger, Park, Garthwaite & Ahmad, "Efficient MRC
// Construction with SHARDS", FAST 2015). It fails on an inconsistent trace, a rate
// that is not in (0,1], and when ctx is done.
func LRUCurve(ctx context.Context, t *frame.Trace, from int, rate float64, seed uint64) (*Curve, error) {
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	if !(rate > 0 && rate <= 1) {
		return nil, fmt.Errorf("cache: a rate of %v, want above 0 and at most 1", rate)
	}
	if len(t.Keys) > maxRequests {
		return nil, fmt.Errorf("cache: %d requests, at most %d are possible", len(t.Keys), maxRequests)
	}
	limit := uint64(math.MaxUint64)
	if rate < 1 {
		limit = uint64(rate * (1 << 63) * 2)
	}
	// at holds in sums what the requests that are the last ones for their key take.
	at := make([]int64, len(t.Keys)+1)
	add := func(i int32, v int64) {
		for ; int(i) < len(at); i += i & -i {
			at[i] += v
		}
	}
	last := make([]int32, t.N) // request + 1
	var total int64            // of all that was requested
	sampled := 0.0
	c := &Curve{requests: float64(max(0, len(t.Keys)-from)), each: 1 / rate}
	for i, k := range t.Keys {
		if i&0xffff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if rate < 1 && mix(uint64(k)^seed) >= limit {
			continue
		}
		if i >= from {
			sampled++
		}
		size := sizeAt(t, i)
		if b := last[k]; b > 0 {
			old := sizeAt(t, int(b)-1)
			below := int64(0)
			for j := b - 1; j > 0; j -= j & -j {
				below += at[j]
			}
			// What was requested since, and the object itself, as it was stored.
			if i >= from {
				c.distances = append(c.distances, int64(math.Round(float64(total-below)/rate)))
			}
			total -= old
			add(b, -old)
		}
		last[k] = int32(i + 1)
		total += size
		add(int32(i+1), size)
	}
	slices.Sort(c.distances)
	if rate < 1 { // the sample has too many or too few requests of the hottest objects
		c.offset = c.requests - float64(sampled/rate)
	}
	return c, nil
}

// mix is the finalizer of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// HitRatio is LRU's at a capacity; 0 without requests.
func (c *Curve) HitRatio(capacity int64) float64 {
	if c.requests == 0 || capacity < 1 {
		return 0
	}
	n := sort.Search(len(c.distances), func(i int) bool { return c.distances[i] > capacity })
	return min(1, max(0, (float64(float64(n)*c.each)+c.offset)/c.requests))
}

// Unlimited is the least capacity at which nothing is lost any more; 0 if nothing
// was requested twice.
func (c *Curve) Unlimited() int64 {
	if len(c.distances) == 0 {
		return 0
	}
	return c.distances[len(c.distances)-1]
}

// Knee is the capacity behind which more room brings the least for what it
// costs: where the curve, with both axes scaled to 1, is farthest above the
// straight line from nothing to everything (Satopää, Albrecht, Irwin &
// Raghavan, "Finding a 'Kneedle' in a Haystack", ICDCS Workshops 2011, without
// smoothing: a curve of counts has no noise). 0 if nothing was requested twice.
func (c *Curve) Knee() int64 {
	n := len(c.distances)
	var knee int64
	most := math.Inf(-1)
	for i, d := range c.distances {
		if i+1 < n && c.distances[i+1] == d {
			continue
		}
		if above := float64(i+1)/float64(n) - float64(d)/float64(c.Unlimited()); above > most {
			knee, most = d, above
		}
	}
	return knee
}
