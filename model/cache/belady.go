package cache

import (
	"context"
	"math/bits"

	"apiml/frame"
)

// belady is the optimum of Belady, "A study of replacement algorithms for a
// virtual-storage computer", IBM Systems Journal 5, 1966 (MIN): evict what is
// needed again last, or never; of those the one requested last.
//
// For objects of one size this is the most hits that any policy can have that
// stores what is requested, as all of Policies do. (A policy that may refuse an
// object can have a few more, as may the learned one while it changes its
// leader: on OLTP the optimum with refusals lies 0.00 to 0.04 points above.) With
// sizes it is no bound (the true one is NP-hard): it evicts, whatever their
// sizes, the objects needed last until the new one fits: a strong reference.
//
// A stored object is the bit of its next request in a bitmap over the trace, of
// its last request in a second half of it, with a tree of bitmaps above: the
// last of all is found in O(log₆₄ requests).
func belady(ctx context.Context, t *frame.Trace, capacity int64, hits []bool) error {
	n := len(t.Keys)
	next := make([]int32, n) // next request of the key, n + i if there is none
	at := make([]int32, t.N) // next request of a key
	for k := range at {
		at[k] = int32(n)
	}
	for i := n - 1; i >= 0; i-- {
		if next[i] = at[t.Keys[i]]; next[i] == int32(n) {
			next[i] += int32(i)
		}
		at[t.Keys[i]] = int32(i)
	}
	s := newSpace(t.N, t.Sizes != nil, capacity)
	m := newTimeline(2 * n)
	for i, k := range t.Keys {
		if i&0xffff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if s.in[k] {
			hits[i] = true
			m.clear(int32(i))
			m.set(next[i])
			continue
		}
		size := sizeAt(t, i)
		if size > capacity {
			continue
		}
		for s.full(size) {
			last := m.last()
			m.clear(last)
			if last >= int32(n) {
				last -= int32(n)
			}
			s.evict(t.Keys[last])
		}
		s.insert(k, size)
		m.set(next[i])
	}
	return nil
}

// timeline is a set of positions of which it knows the last.
type timeline [][]uint64

func newTimeline(n int) timeline {
	var m timeline
	for {
		n = (n + 63) / 64
		m = append(m, make([]uint64, max(n, 1)))
		if n <= 1 {
			return m
		}
	}
}

func (m timeline) set(i int32) {
	for _, level := range m {
		w := &level[i>>6]
		before := *w
		*w |= 1 << (i & 63)
		if before != 0 {
			return
		}
		i >>= 6
	}
}

func (m timeline) clear(i int32) {
	for _, level := range m {
		w := &level[i>>6]
		if *w &^= 1 << (i & 63); *w != 0 {
			return
		}
		i >>= 6
	}
}

// last is the greatest position, −1 if there is none.
func (m timeline) last() int32 {
	i := int32(0)
	for j := len(m) - 1; j >= 0; j-- {
		w := m[j][i]
		if w == 0 {
			return -1
		}
		i = i<<6 + int32(63-bits.LeadingZeros64(w))
	}
	return i
}
