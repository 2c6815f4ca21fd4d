package cache

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// LHD: Beckmann, Chen & Cidon, "LHD: Improving Cache Hit Rate by Maximizing Hit
// Density", NSDI 2018. Of a random sample of what is stored the object goes that
// is expected to bring the fewest hits for the space and time that it will take.
// What is expected of an age (requests since the last one for the object) is
// counted: hits and evictions at every age, in classes of objects by the sum of
// their last two ages, forgotten by a tenth at each reckoning.
//
// As in the paper: ages in 128 steps, whose length grows until nearly all events
// lie within them; a hundredth of what is stored is kept until it is hit or the
// ages end, to see what comes of old objects. Deviations: classes by a binary
// logarithm of steps, 32 candidates instead of 64.
type lhd struct {
	space
	keys      []int32 // what is stored
	o         []lhdObject
	now       int32
	next      int32 // request of the next reckoning
	began     bool  // the cache was full
	explorers int
	step      uint // binary logarithm of the requests of a step
	c         [lhdClasses]lhdClass
	rng       *rand.Rand
}

type lhdObject struct {
	last, age, before int32 // last request; ages at the last two hits
	pos               int32
	explorer          bool
}

const (
	lhdClasses = 16
	lhdAges    = 128
	lhdSample  = 32
	lhdDecay   = 0.9
	lhdNew     = math.MaxInt32 / 2 // the age of what was never hit
)

type lhdClass struct {
	hits, gone [lhdAges]float64
	density    [lhdAges]float64
}

func newLHD(s space, n int) *lhd {
	c := &lhd{space: s, o: make([]lhdObject, n), next: math.MaxInt32, rng: rand.New(rand.NewPCG(1, 0x6c6864))}
	for i := range c.c {
		for a := range c.c[i].density {
			c.c[i].density[a] = 1 / float64(a+1) // LRU until something is known
		}
	}
	return c
}

// Requests before the first reckoning with a full cache, and between two at most.
const (
	lhdFirst = 1 << 9
	lhdEvery = 1 << 14
)

func (c *lhd) place(k int32) (*lhdClass, int) {
	o := &c.o[k]
	class := min(bits.Len32(uint32(o.age+o.before)>>c.step), lhdClasses-1)
	return &c.c[class], min(int(c.now-o.last)>>c.step, lhdAges-1)
}

func (c *lhd) access(k int32, size int64) bool {
	c.now++
	o := &c.o[k]
	hit := c.in[k]
	switch {
	case hit:
		class, age := c.place(k)
		class.hits[age]++
		if o.before, o.age = o.age, c.now-o.last; o.before == lhdNew {
			o.before = o.age // the first hit
		}
		c.settle(o)
	case size > c.capacity:
		return false
	default:
		if !c.began && c.full(size) { // now it is known how many objects there is room for
			c.began = true
			c.step = uint(bits.Len(uint(8 * len(c.keys) / lhdAges)))
			c.next = c.now + lhdFirst
		}
		for c.full(size) {
			c.evictOne()
		}
		c.insert(k, size)
		o.age, o.before = lhdNew, lhdNew // the last class
		if c.explorers < 1+len(c.keys)/100 && c.rng.IntN(100) == 0 {
			o.explorer = true
			c.explorers++
		}
		o.pos = int32(len(c.keys))
		c.keys = append(c.keys, k)
	}
	o.last = c.now
	if c.now >= c.next {
		c.next += min(c.now, lhdEvery)
		c.reckon()
	}
	return hit
}

func (c *lhd) evictOne() {
	var victim int32 = -1
	least := math.Inf(1)
	try := func(k int32) {
		class, age := c.place(k)
		d := class.density[age] / float64(c.of(k))
		if o := &c.o[k]; o.explorer {
			if age < lhdAges-1 {
				d = math.MaxFloat64
			} else {
				c.settle(o)
			}
		}
		if d < least || d == least && (victim < 0 || c.o[k].last < c.o[victim].last) {
			victim, least = k, d
		}
	}
	if len(c.keys) <= lhdSample {
		for _, k := range c.keys {
			try(k)
		}
	} else {
		for range lhdSample {
			try(c.keys[c.rng.IntN(len(c.keys))])
		}
	}
	class, age := c.place(victim)
	class.gone[age]++
	c.settle(&c.o[victim])
	c.evict(victim)
	last := c.keys[len(c.keys)-1]
	c.keys[c.o[victim].pos] = last
	c.o[last].pos = c.o[victim].pos
	c.keys = c.keys[:len(c.keys)-1]
}

func (c *lhd) settle(o *lhdObject) {
	if o.explorer {
		o.explorer = false
		c.explorers--
	}
}

// reckon makes the hit density of every age: the hits that come at it or later,
// by the steps that all objects which came to it will still take.
func (c *lhd) reckon() {
	late, all := 0.0, 0.0
	for i := range c.c {
		x := &c.c[i]
		late += x.hits[lhdAges-1] + x.gone[lhdAges-1]
		for a := range lhdAges {
			all += x.hits[a] + x.gone[a]
		}
	}
	if late > 0.001*all && c.step < 24 {
		c.step++
		for i := range c.c {
			x := &c.c[i]
			for a := range lhdAges {
				var h, g float64
				if 2*a+1 < lhdAges {
					h, g = x.hits[2*a]+x.hits[2*a+1], x.gone[2*a]+x.gone[2*a+1]
				}
				x.hits[a], x.gone[a] = h, g
			}
		}
	}
	for i := range c.c {
		x := &c.c[i]
		var hits, events, time float64
		for a := lhdAges - 1; a >= 0; a-- {
			hits += x.hits[a]
			events += x.hits[a] + x.gone[a]
			time += events
			if x.density[a] = 0; time > 1e-5 {
				x.density[a] = hits / time
			}
			x.hits[a] *= lhdDecay
			x.gone[a] *= lhdDecay
		}
	}
}
