// Package cache replays cache traces: what share of the requests would a cache
// of a given size have answered, under which policy?
//
// Run replays one of the policies of Policies (Belady's bound among them) over
// a frame.Trace, Measure counts the hits. Fit makes the learned policy, a
// model.Policy that follows whichever of several policies does best on the
// traffic at hand (learned.go, lecar.go); Encode and Decode store it. The
// package knows no HTTP, no clock and no file format of traces.
//
// One replay takes O(1) per request and no allocation; keys are dense, so that
// everything about an object lies in arrays indexed by its key: 10 to 30 bytes
// per distinct key, whatever the capacity. Only GDSF, LFU with ageing, LeCaR, where an object returns
// with an old frequency, and Belady's bound on objects with sizes take
// O(log N) or a short walk.
//
// With sizes, capacity is in bytes, an object takes as many as it had when it
// was stored, at least one, and one that is larger than the cache is never
// stored. Without sizes, every object takes 1 and capacity is in objects.
package cache

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"apiml/frame"
)

// Info describes a policy that Run knows.
type Info struct {
	Name  string // "lru"
	Title string // "LRU"
	Paper string
	Bound bool // looks into the future: a bound, not a policy that one could run
}

// Policies lists what Run knows, the bounds last.
func Policies() []Info {
	return []Info{
		{"lru", "LRU", "least recently used", false},
		{"lfu", "LFU", "least frequently used since it was stored; of equals the least recently used", false},
		{"lfuda", "LFU with ageing", "Arlitt et al. 2000", false},
		{"gdsf", "GDSF", "Cherkasova 1998", false},
		{"lhd", "LHD", "Beckmann, Chen & Cidon 2018", false},
		{"fifo", "FIFO", "first in, first out", false},
		{"slru", "SLRU", "Karedla, Love & Wherry 1994", false},
		{"2q", "2Q", "Johnson & Shasha 1994", false},
		{"arc", "ARC", "Megiddo & Modha 2003", false},
		{"lirs", "LIRS", "Jiang & Zhang 2002", false},
		{"sieve", "SIEVE", "Zhang et al. 2024", false},
		{"s3fifo", "S3-FIFO", "Yang et al. 2023", false},
		{"wtinylfu", "W-TinyLFU", "Einziger, Friedman & Manes 2017", false},
		{"belady", "Belady's bound", "Belady 1966", true},
		{"pfoo", "PFOO-L, a bound with sizes", "Berger, Beckmann & Harchol-Balter 2018", true},
	}
}

// Run replays policy name over t with a cache of the given capacity and
// returns for each request whether it was a hit. A capacity below 1 never
// hits. It fails on an unknown name, an inconsistent trace, and when ctx is
// done.
func Run(ctx context.Context, name string, t *frame.Trace, capacity int64) ([]bool, error) {
	if !known(name) {
		return nil, unknown(name)
	}
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	if len(t.Keys) > maxRequests {
		return nil, fmt.Errorf("cache: %d requests, at most %d are possible", len(t.Keys), maxRequests)
	}
	hits := make([]bool, len(t.Keys))
	if capacity < 1 {
		return hits, ctx.Err()
	}
	if name == "belady" {
		return hits, belady(ctx, t, capacity, hits)
	}
	if name == "pfoo" {
		return hits, pfoo(ctx, t, capacity, hits)
	}
	return hits, replay(ctx, newPolicy(name, t.N, t.Sizes != nil, capacity), t, hits)
}

// maxRequests keeps positions, twice the requests for Belady, in 32 bits.
const maxRequests = 1<<30 - 1

func known(name string) bool {
	return slices.ContainsFunc(Policies(), func(p Info) bool { return p.Name == name })
}

func unknown(name string) error {
	var names []string
	for _, p := range Policies() {
		names = append(names, p.Name)
	}
	return fmt.Errorf("cache: unknown policy %q (known: %s)", name, strings.Join(names, ", "))
}

// policy is one cache. access handles a request for an object of the given
// size, at least 1, and says whether it was stored; whatever access stores or
// evicts, it does through space.
type policy interface {
	access(key int32, size int64) bool
	stock() *space
}

// newPolicy makes an empty cache for n keys; capacity is at least 1.
func newPolicy(name string, n int, sized bool, capacity int64) policy {
	if !sized {
		capacity = min(capacity, int64(n)) // no more objects than there are; keeps thresholds in proportion
		capacity = max(capacity, 1)
	}
	s := newSpace(n, sized, capacity)
	switch name {
	case "lru":
		return &queue{space: s, l: newLists(n, 1), head: int32(n), touch: true}
	case "fifo":
		return &queue{space: s, l: newLists(n, 1), head: int32(n)}
	case "lfu":
		return &lfu{space: s, f: newFreqs(n)}
	case "slru":
		return newSLRU(s, n)
	case "2q":
		return newTwoQ(s, n)
	case "arc":
		return newARC(s, n)
	case "lfuda", "gdsf":
		return newGreedy(s, n, name == "gdsf")
	case "lhd":
		return newLHD(s, n)
	case "lirs":
		return newLIRS(s, n)
	case "sieve":
		return &sieve{space: s, l: newLists(n, 1), head: int32(n), hand: int32(n), visited: make([]bool, n)}
	case "s3fifo":
		return newS3FIFO(s, n)
	case "value":
		return newValue(s, n, float64(min(int64(n), capacity)), 1)
	case "wtinylfu":
		return newTinyLFU(s, n)
	}
	panic("cache: no policy " + name) // the names were checked
}

// replay runs p over t. It looks at ctx now and then.
func replay(ctx context.Context, p policy, t *frame.Trace, hits []bool) error {
	for i, k := range t.Keys {
		if i&0xffff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		hits[i] = p.access(k, sizeAt(t, i))
	}
	return nil
}

// sizeAt is what the object of request i takes.
func sizeAt(t *frame.Trace, i int) int64 {
	if t.Sizes == nil {
		return 1
	}
	return max(1, int64(t.Sizes[i]))
}

// Counts says how a replay went.
type Counts struct {
	Requests, Hits  int64
	Bytes, HitBytes int64 // sums of the sizes of requests and of hits; 0 without sizes
}

// HitRatio is Hits/Requests, 0 without requests.
func (c Counts) HitRatio() float64 { return share(c.Hits, c.Requests) }

// ByteHitRatio is HitBytes/Bytes, 0 without bytes.
func (c Counts) ByteHitRatio() float64 { return share(c.HitBytes, c.Bytes) }

func share(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// Measure counts the hits among the requests lo ≤ i < hi of t. The sizes are
// those of t, whether or not the replay was told of them.
func Measure(t *frame.Trace, hits []bool, lo, hi int) Counts {
	c := Counts{Requests: int64(hi - lo)}
	for i := lo; i < hi; i++ {
		var s int64
		if t.Sizes != nil {
			s = int64(t.Sizes[i])
		}
		c.Bytes += s
		if hits[i] {
			c.Hits++
			c.HitBytes += s
		}
	}
	return c
}

// space is what is stored, and what it takes.
type space struct {
	capacity, used int64
	in             []bool  // per key: it is stored
	size           []int32 // per key: what it took when it was last stored; nil = 1
	watched        bool
	out            []int32 // evicted, if watched; whoever watches empties it
}

func newSpace(n int, sized bool, capacity int64) space {
	s := space{capacity: capacity, in: make([]bool, n)}
	if sized {
		s.size = make([]int32, n)
	}
	return s
}

func (s *space) stock() *space { return s }

func (s *space) of(k int32) int64 {
	if s.size == nil {
		return 1
	}
	return int64(s.size[k])
}

func (s *space) full(size int64) bool { return s.used+size > s.capacity }

func (s *space) insert(k int32, size int64) {
	s.in[k] = true
	s.used += size
	if s.size != nil {
		s.size[k] = int32(size)
	}
}

func (s *space) evict(k int32) {
	s.in[k] = false
	s.used -= s.of(k)
	if s.watched {
		s.out = append(s.out, k)
	}
}

// lists are doubly linked lists over keys: a key is in at most one of them.
// Behind the nodes of the keys stand those of the lists themselves, which close
// each to a ring, so that no operation has a special case.
type lists []link

type link struct{ prev, next int32 }

func newLists(keys, n int) lists {
	l := make(lists, keys+n)
	for i := range n {
		s := int32(keys + i)
		l[s] = link{s, s}
	}
	return l
}

func (l lists) remove(k int32) {
	e := l[k]
	l[e.prev].next, l[e.next].prev = e.next, e.prev
}

func (l lists) front(list, k int32) {
	next := l[list].next
	l[k] = link{list, next}
	l[list].next, l[next].prev = k, k
}

func (l lists) back(list int32) int32 { return l[list].prev }

func (l lists) empty(list int32) bool { return l[list].next == list }
