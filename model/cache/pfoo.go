package cache

import (
	"cmp"
	"context"
	"slices"

	"apiml/frame"
)

// pfoo is the bound PFOO-L of Berger, Beckmann & Harchol-Balter, "Practical Bounds
// on Optimal Caching with Variable Object Sizes", Proceedings of the ACM on
// Measurement and Analysis of Computing Systems 2, 2018. A hit needs room for the
// object from one request to the next: its size times that time. All hits
// together cannot have more than the capacity times the length of the trace, so
// that the cheapest hits that fit into that are at least as many as those of any
// policy, one that knows the future and may refuse objects too. (Belady's bound is
// none where sizes differ: the optimum is NP-hard.) Where sizes are equal,
// Belady's is the nearer one.
//
// It bounds the hits of the whole trace; of a part it says only which of the
// cheapest hits lie there. The room at a request is not shared with the object
// that is served, as in the paper. O(n log n), 16 bytes per request.
func pfoo(ctx context.Context, t *frame.Trace, capacity int64, hits []bool) error {
	type need struct {
		room float64
		at   int32
	}
	before := make([]int32, t.N) // request + 1
	var needs []need
	for i, k := range t.Keys {
		if i&0xffff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if b := before[k]; b > 0 {
			if size := sizeAt(t, int(b-1)); size <= capacity { // as large as it was stored
				needs = append(needs, need{float64(size) * float64(int32(i)+1-b), int32(i)})
			}
		}
		before[k] = int32(i) + 1
	}
	slices.SortFunc(needs, func(a, b need) int { return cmp.Or(cmp.Compare(a.room, b.room), cmp.Compare(a.at, b.at)) })
	left := float64(capacity) * float64(len(t.Keys))
	for _, n := range needs {
		if left -= n.room; left < 0 {
			break
		}
		hits[n.at] = true
	}
	return ctx.Err()
}
