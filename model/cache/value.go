package cache

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// The learned expert "value": evict what is worth least, where the worth of an
// object is learned from the traffic itself. It follows Song, Berger, Li &
// Lloyd, "Learning Relaxed Belady for Content Distribution Network Caching",
// NSDI 2020: the future that Belady's optimum would need is learned, after the
// fact, from the past by boosted trees over recency, inter-arrival times and
// decayed counters; the victim is the worst of a random sample.
//
// Deviations. The target is not the time to the next request but the discounted
// reward of keeping the object, exp(−T/H), where T is that time and H the time in
// which the cache turns over once: with it a late request and none at all are
// nearly the same, as they are to a cache. (That is the Monte-Carlo estimate of
// the value of a state in reinforcement learning, its horizon set by what space
// costs.) The trees are oblivious (one split per level), so that a prediction is
// a few comparisons without branches; each sees half of the columns and, of many
// rows, a part. Between two requests for an object only the age of the last one and
// the opinion of the others change, so that a prediction is kept until the age
// comes into its next bin or one of the others evicts the object. The worst few of
// the last candidates that were not evicted are candidates again.
//
// Features, besides the age of the last request: the three gaps before it, three
// counters that decay over about half, 4 and 32 turns of the cache, the number of
// requests and the time over which they came, the size, of the neighbourhood what
// gap the key had that stood before this one, and how many of those before were
// first requests (a scan), and which of the other experts hold the object. What
// counts is binned to a quarter of a power of two.
//
// Samples are drawn at random from the keys of the last requests, stored or not,
// and from what is stored, and count for a fit only when their outcome is settled:
// what is known before is biased to early returns.
//
// Cost: some candidates per miss, most with a kept prediction, and a fit of at
// most valueRows rows after 1,000, 2,000, 4,000 … requests.
const (
	valueRows    = 16384 // samples that are kept
	valueSample  = 8     // candidates drawn per eviction
	valuePool    = 8     // candidates kept from one eviction to the next
	valueFirst   = 1000  // requests before the first fit
	valueEvery   = 25000 // requests between two fits at most, or a sixteenth of the past
	valueTrees   = 24
	valueDepth   = 4
	valueRate    = 0.2
	valueLambda  = 30 // rows that a leaf is pulled to zero by
	valueColumns = 13 + maxExperts
	valueShare   = 0.5 // of the columns that a tree may look at
	valueBins    = 128
	valueThin    = 4000 // rows above which a tree sees a part only
	edcs         = 3
	valueSettled = 1.5 // horizons after which the outcome of a sample counts
	neverBin     = 116 // bin of a gap that there was not
)

// object is what is known of a key: one line of the processor's cache.
type object struct {
	last, first int32 // requests at which it was asked for, from 1; 0 = never
	count       int32
	pending     int32         // newest sample whose outcome is open, −1 = none
	pos         int32         // in keys, −1 = not stored
	drawn       int32         // eviction at which it was last a candidate
	edc         [edcs]float32 // decayed counters
	score       float32
	from, until int32    // requests between which score holds, if there was no fit since from
	gap         [3]uint8 // bins
	size        uint8    // bin
	near, novel uint8    // of the request before the last one for this: bin of its gap, and how many of those before it were first ones
	_           [6]byte
}

type row struct {
	x    [valueColumns]uint8
	key  int32
	at   int32 // request at which it was drawn
	next int32 // request at which the object was asked for again; 0 = not yet
	prev int32 // sample of the same key before it
}

type value struct {
	space
	o      []object
	keys   []int32 // what is stored
	now    int32
	ring   []int32 // keys of the last requests
	rows   []row
	at     int // next row
	pool   [valuePool]int32
	pooled int
	newest int32
	fitted int32 // request of the last fit
	draw   int32 // evictions so far

	horizon       float64 // requests in which the cache turns over
	turnover      float64
	nextFit, left int32
	m             ensemble
	rng           *rand.Rand
	halves        [edcs]float64
	lastKey       int32
	held          []uint16 // per key: the other experts that hold it; nil = there are none
	novel         float64
}

func newValue(s space, n int, objects float64, seed uint64) *value {
	c := &value{space: s, o: make([]object, n), rows: make([]row, 0, valueRows), nextFit: valueFirst, newest: -1,
		rng: rand.New(rand.NewPCG(seed, 0x76616c7565))}
	for i := range c.o {
		c.o[i].pos, c.o[i].pending = -1, -1
	}
	r := 1 << bits.Len(uint(4*objects+256))
	c.ring = make([]int32, min(r, 1<<20))
	c.halves = [edcs]float64{max(8, objects/2), max(32, 4*objects), max(128, 32*objects)}
	return c
}

// bin is four times the binary logarithm, rounded down.
func bin(v int32) uint8 {
	if v < 4 {
		return uint8(max(v, 0))
	}
	e := bits.Len32(uint32(v)) - 1
	return uint8(4*(e-1) + int(v>>(e-2)&3))
}

// binEnd is the last value of the bin of v.
func binEnd(v int32) int32 {
	if v < 4 {
		return v
	}
	e := bits.Len32(uint32(v)) - 1
	return (v>>(e-2)+1)<<(e-2) - 1
}

func (c *value) features(k int32, x *[valueColumns]uint8) {
	o := &c.o[k]
	x[0] = bin(c.now - o.last)
	copy(x[1:4], o.gap[:])
	for i, e := range o.edc {
		x[4+i] = bin(int32(e * 16))
	}
	x[7] = bin(o.count)
	x[8] = bin(o.last - o.first)
	x[9] = o.size
	x[10] = o.near
	x[11] = o.novel
	x[12] = 0
	if c.held != nil {
		h := c.held[k]
		x[12] = uint8(bits.OnesCount16(h))
		for i := range maxExperts {
			x[13+i] = uint8(h >> i & 1)
		}
	}
}

func (c *value) sample(k int32) {
	o := &c.o[k]
	if o.last == 0 {
		return
	}
	var r row
	c.features(k, &r.x)
	r.key, r.at, r.prev = k, c.now, o.pending
	if len(c.rows) < valueRows {
		c.rows = append(c.rows, r)
	} else {
		c.rows[c.at] = r
	}
	o.pending = int32(c.at)
	c.at = (c.at + 1) % valueRows
}

func (c *value) access(k int32, size int64) bool {
	c.now++
	o := &c.o[k]
	for p := o.pending; p >= 0; {
		r := &c.rows[p]
		if r.key != k || r.next != 0 {
			break
		}
		r.next = c.now
		p = r.prev
	}
	o.pending = -1
	d := c.now - o.last
	if o.last == 0 {
		o.first = c.now
		o.gap = [3]uint8{neverBin, neverBin, neverBin}
	} else {
		o.gap[2], o.gap[1], o.gap[0] = o.gap[1], o.gap[0], bin(d)
	}
	for i := range o.edc {
		o.edc[i] = 1 + float32(float64(o.edc[i])*math.Exp2(-float64(d)/c.halves[i]))
	}
	o.last = c.now
	o.count++
	o.until = 0
	o.size = bin(int32(size))
	o.near, o.novel = c.o[c.lastKey].gap[0], uint8(c.novel*64)
	c.novel -= c.novel / 16
	if o.count == 1 {
		c.novel += 1.0 / 16
	}
	c.lastKey = k
	c.ring[int(c.now)&(len(c.ring)-1)] = k
	hit := o.pos >= 0
	if !hit {
		c.miss(k, size)
	}
	if c.left--; c.left <= 0 {
		// The samples together span several horizons, and a part of all history.
		h := float64(len(c.keys)) / max(c.turnover/float64(c.now), 1e-3)
		c.left = int32(max(1, max(8*h, float64(c.now)/4)*2/valueRows))
		if j := c.ring[c.rng.Uint32()&uint32(len(c.ring)-1)]; c.o[j].last > 0 {
			c.sample(j)
		}
		if len(c.keys) > 0 {
			c.sample(c.keys[c.rng.IntN(len(c.keys))])
		}
	}
	if c.now >= c.nextFit {
		c.fit()
		c.nextFit = c.now + min(c.now, max(valueEvery, c.now/16))
	}
	return hit
}

func (c *value) miss(k int32, size int64) {
	if size > c.capacity {
		return
	}
	for c.full(size) {
		c.evictOne()
	}
	c.turnover++
	c.insert(k, size)
	c.o[k].pos = int32(len(c.keys))
	c.keys = append(c.keys, k)
	c.newest = k
}

func (c *value) worth(k int32) float32 {
	o := &c.o[k]
	if o.until < c.now || o.from < c.fitted {
		age := c.now - o.last
		o.from, o.until = c.now, o.last+binEnd(age)
		if c.m.trees == nil {
			o.score = -float32(age)
			o.until = 0
		} else {
			var x [valueColumns]uint8
			c.features(k, &x)
			o.score = c.m.predict(&x)
			if c.size != nil {
				o.score /= float32(c.of(k))
			}
		}
	}
	return o.score
}

func (c *value) evictOne() {
	var key [valuePool + 1]int32 // the worst few, the worst first
	var score [valuePool + 1]float32
	n := 0
	c.draw++
	add := func(k int32) {
		o := &c.o[k]
		if o.pos < 0 || o.drawn == c.draw {
			return
		}
		o.drawn = c.draw
		w := c.worth(k)
		i := n
		if n <= valuePool {
			n++
		} else if i--; !c.less(w, k, score[i], key[i]) {
			return
		}
		for ; i > 0 && c.less(w, k, score[i-1], key[i-1]); i-- {
			key[i], score[i] = key[i-1], score[i-1]
		}
		key[i], score[i] = k, w
	}
	for _, k := range c.pool[:c.pooled] {
		add(k)
	}
	if c.newest >= 0 {
		add(c.newest)
	}
	if len(c.keys) <= valueSample {
		for _, k := range c.keys {
			add(k)
		}
	} else {
		for range valueSample {
			add(c.keys[c.rng.Uint64N(uint64(len(c.keys)))])
		}
	}
	c.pooled = copy(c.pool[:], key[1:n])
	v := key[0]
	c.evict(v)
	o := &c.o[v]
	last := c.keys[len(c.keys)-1]
	c.keys[o.pos] = last
	c.o[last].pos = o.pos
	c.keys = c.keys[:len(c.keys)-1]
	o.pos = -1
}

// less says whether the first of two objects goes before the second: it is worth
// less, or as much and was asked for before.
func (c *value) less(a float32, k int32, b float32, l int32) bool {
	return a < b || a == b && c.o[k].last < c.o[l].last
}

func (c *value) fit() {
	c.horizon = float64(len(c.keys)) / max(c.turnover/float64(max(1, c.now)), 1e-3)
	c.horizon = min(c.horizon, float64(c.now)/8)
	var x [][valueColumns]uint8
	var y []float32
	for i := range c.rows {
		r := &c.rows[i]
		if float64(c.now-r.at) < valueSettled*c.horizon {
			continue // what is known of it so far is biased to early returns
		}
		if r.next != 0 {
			x = append(x, r.x)
			y = append(y, float32(math.Exp(-float64(r.next-r.at)/c.horizon)))
		} else {
			x = append(x, r.x)
			y = append(y, 0)
		}
	}
	if len(x) < 200 {
		return
	}
	c.m.fit(x, y, c.rng)
	c.fitted = c.now
}

// ensemble is gradient boosting (Friedman 2001) of oblivious trees: all nodes of
// a level share one comparison.
type ensemble struct {
	base  float32
	trees []oblivious
}

type oblivious struct {
	column [valueDepth]uint8
	above  [valueDepth]uint8
	leaf   [1 << valueDepth]float32
}

func (m *ensemble) predict(x *[valueColumns]uint8) float32 {
	s := m.base
	for i := range m.trees {
		t := &m.trees[i]
		n := 0
		for d := range valueDepth {
			b := 0
			if x[t.column[d]] > t.above[d] {
				b = 1
			}
			n = n<<1 | b
		}
		s += t.leaf[n&(1<<valueDepth-1)]
	}
	return s
}

func (m *ensemble) fit(x [][valueColumns]uint8, y []float32, rng *rand.Rand) {
	m.trees = m.trees[:0]
	sum := 0.0
	for _, v := range y {
		sum += float64(v)
	}
	m.base = float32(sum / float64(len(y)))
	rest := make([]float32, len(y))
	for i, v := range y {
		rest[i] = v - m.base
	}
	leaf := make([]uint8, len(y))
	type cell struct{ g, n float32 }
	hist := make([]cell, (1<<(valueDepth-1))*valueBins)
	gain := make([]float64, valueBins)
	const lambda = valueLambda
	stride := max(1, len(x)/valueThin)
	var bins [valueColumns]int // that a column has
	for i := range x {
		for col, v := range x[i] {
			bins[col] = max(bins[col], int(v)+1)
		}
	}
	for tree := range valueTrees {
		var t oblivious
		clear(leaf)
		skip := tree % stride
		var use [valueColumns]bool
		for col := range use {
			use[col] = rng.Float64() < valueShare
		}
		for d := range valueDepth {
			best, bc, bb := -1.0, 0, 0
			for col := range valueColumns {
				if !use[col] || bins[col] < 2 {
					continue
				}
				h := hist[:(1<<d)*valueBins]
				clear(h)
				for i := skip; i < len(x); i += stride {
					e := &h[int(leaf[i])*valueBins+int(x[i][col])]
					e.g += rest[i]
					e.n++
				}
				clear(gain)
				for l := range 1 << d {
					hh := h[l*valueBins:][:bins[col]]
					var G, N float64
					for _, e := range hh {
						G += float64(e.g)
						N += float64(e.n)
					}
					if N == 0 {
						continue
					}
					var g, n, split float64
					for b, e := range hh {
						if e.n > 0 || b == 0 {
							g += float64(e.g)
							n += float64(e.n)
							split = float64(g*g)/(n+lambda) + float64((G-g)*(G-g))/(N-n+lambda)
						}
						gain[b] += split
					}
				}
				for b, v := range gain[:bins[col]-1] {
					if v > best+1e-9 {
						best, bc, bb = v, col, b
					}
				}
			}
			t.column[d], t.above[d] = uint8(bc), uint8(bb)
			for i := range x {
				b := uint8(0)
				if x[i][bc] > uint8(bb) {
					b = 1
				}
				leaf[i] = leaf[i]<<1 | b
			}
		}
		var g, n [1 << valueDepth]float64
		for i, l := range leaf {
			if i%stride != skip {
				continue
			}
			g[l] += float64(rest[i])
			n[l]++
		}
		for l := range t.leaf {
			t.leaf[l] = float32(valueRate * g[l] / (n[l] + lambda))
		}
		for i, l := range leaf {
			rest[i] -= t.leaf[l]
		}
		m.trees = append(m.trees, t)
	}
}
