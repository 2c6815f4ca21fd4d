package cache

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// vote is an expert that asks the others: it evicts what has the fewest votes,
// where each of the others votes for all that it holds, with the weight
// exp(score/unit) of weighted majority (Littlestone & Warmuth, Information and
// Computation 108, 1994), and of equals the object that came to its votes first.
// Where the others are about equally good, what several of them would keep is
// worth more than what one of them would; and where their order changes, the
// content changes by and by and not at once.
//
// What is stored lies in one list per set of experts that hold it; a bitmap over
// the sets, in the order of their votes, finds the victim. Per request and expert
// O(1), and a sort of the 2^experts sets at each update of the scores that changes a
// weight by more than a tenth.
type vote struct {
	space
	shadow []*space // of the others; they have handled the request before
	mask   []uint16 // per key: experts that hold it
	l      lists    // per set of experts: what is stored, newest first
	head   int32
	order  []uint16 // sets, the one to evict from first
	rank   []uint16 // place of a set in order
	some   []uint64 // bitmap over ranks: there is something stored
	sum    []float64
	log    []float64 // weights at the last sort
}

func newVote(s space, n int, shadow []policy) *vote {
	sets := 1 << len(shadow)
	c := &vote{space: s, mask: make([]uint16, n), l: newLists(n, sets), head: int32(n), order: make([]uint16, sets),
		rank: make([]uint16, sets), some: make([]uint64, (sets+63)/64), sum: make([]float64, sets)}
	for _, p := range shadow {
		c.shadow = append(c.shadow, p.stock())
		p.stock().watched = true
	}
	c.sort(make([]float64, len(shadow)))
	return c
}

// arrange orders the sets by votes, given the logarithms of the weights, if
// they have changed by more than a little.
func (c *vote) arrange(log []float64) {
	top := slices.Max(log)
	for i, v := range log {
		if math.Abs(v-top-c.log[i]) > 0.1 {
			c.sort(log)
			return
		}
	}
}

func (c *vote) sort(log []float64) {
	top := slices.Max(log)
	c.log = c.log[:0]
	for _, v := range log {
		c.log = append(c.log, v-top)
	}
	for m := range c.sum {
		c.order[m] = uint16(m)
		if m > 0 {
			c.sum[m] = c.sum[m&(m-1)] + math.Exp(log[bits.TrailingZeros(uint(m))]-top)
		}
	}
	slices.SortFunc(c.order, func(a, b uint16) int { return cmp.Or(cmp.Compare(c.sum[a], c.sum[b]), cmp.Compare(a, b)) })
	clear(c.some)
	for r, m := range c.order {
		c.rank[m] = uint16(r)
		if !c.l.empty(c.head + int32(m)) {
			c.some[r>>6] |= 1 << (r & 63)
		}
	}
}

func (c *vote) unlink(k int32) {
	c.l.remove(k)
	if m := c.mask[k]; c.l.empty(c.head + int32(m)) {
		c.some[c.rank[m]>>6] &^= 1 << (c.rank[m] & 63)
	}
}

func (c *vote) link(k int32) {
	m := c.mask[k]
	c.l.front(c.head+int32(m), k)
	c.some[c.rank[m]>>6] |= 1 << (c.rank[m] & 63)
}

func (c *vote) access(k int32, size int64) bool {
	hit := c.in[k]
	if hit {
		c.unlink(k)
	}
	var now uint16
	for i, s := range c.shadow {
		for _, v := range s.out {
			switch {
			case v == k || s.in[v]:
			case c.in[v]:
				c.unlink(v)
				c.mask[v] &^= 1 << i
				c.link(v)
			default:
				c.mask[v] &^= 1 << i
			}
		}
		if s.in[k] {
			now |= 1 << i
		}
	}
	c.mask[k] = now
	switch {
	case hit:
		c.link(k)
	case size <= c.capacity && now != 0:
		c.insert(k, size)
		c.link(k)
		for c.used > c.capacity { // k itself may be what has the fewest votes
			v := c.victim()
			c.unlink(v)
			c.evict(v)
		}
	}
	return hit
}

// victim is the oldest of the set with the fewest votes; something is stored.
func (c *vote) victim() int32 {
	i := 0
	for c.some[i] == 0 {
		i++
	}
	return c.l.back(c.head + int32(c.order[i<<6+bits.TrailingZeros64(c.some[i])]))
}
