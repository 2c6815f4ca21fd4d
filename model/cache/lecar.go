package cache

import (
	"math"
	"math/rand/v2"
)

// LeCaR: Vietri, Rodriguez, Martinez, Lyons, Liu, Rangaswami, Zhao &
// Narasimhan, "Driving Cache Replacement with ML-based LeCaR", HotStorage 2018.
// Two experts, LRU and LFU, order what is stored; one of them, drawn by weight,
// says what is evicted, and its victim enters the history of that expert. A
// request for a key in a history is a regret that costs the expert weight, the
// more the shorter ago it was: the other's weight is multiplied by
// exp(learning_rate · discount^(age/objects)). Each history holds half as much
// as the cache. The frequency of a key is remembered while it is in a history.
//
// With sizes, a history is as large as half the cache in bytes.
//
// Everything is O(1) but the return of a key with a remembered frequency: a
// walk over the distinct frequencies below it, at most √(2·requests).
type lecar struct {
	space
	l         lists // stored by recency, the two histories
	recent    int32
	history   [2]int32
	held      [2]int64 // what each history holds
	where     []uint8  // per key: absent, 1 stored, 2 and 3 in the history of LRU and LFU
	f         freqs    // of what is stored
	count     []int32  // of what is in a history
	since     []int64  // of what is in a history: request at which it was evicted
	now       int64
	weight    [2]float64
	mean      [2]float64 // sums over the misses with a full cache
	rate, log float64
	rng       *rand.Rand
}

// lecarFloor is the least weight of an expert; the paper has none.
const lecarFloor = 0.01

func newLeCaR(s space, n int, objects float64, weight []float64, cfg *Config, seed uint64) *lecar {
	h := int32(n)
	c := &lecar{
		space: s, l: newLists(n, 3), recent: h, history: [2]int32{h + 1, h + 2}, where: make([]uint8, n), f: newFreqs(n),
		count: make([]int32, n), since: make([]int64, n), rate: cfg.LearningRate, log: math.Log(cfg.Discount) / objects,
		rng: rand.New(rand.NewPCG(seed, uint64(s.capacity))),
	}
	copy(c.weight[:], weight)
	return c
}

func (c *lecar) access(k int32, size int64) bool {
	c.now++
	if c.in[k] {
		c.l.remove(k)
		c.l.front(c.recent, k)
		c.f.bump(k)
		return true
	}
	if size > c.capacity {
		return false
	}
	freq := int32(1)
	if w := c.where[k]; w != absent {
		freq = min(c.count[k], math.MaxInt32-1) + 1
		c.forget(k)
		guilty := int(w) - 2
		regret := math.Exp(c.log * float64(c.now-c.since[k]))
		c.weight[1-guilty] *= math.Exp(c.rate * regret)
		sum := c.weight[0] + c.weight[1]
		for i := range c.weight { // neither so small that it could not come back
			c.weight[i] = max(c.weight[i]/sum, lecarFloor)
		}
	}
	for c.full(size) {
		c.evictOne()
	}
	c.insert(k, size)
	c.where[k] = 1
	c.l.front(c.recent, k)
	c.f.add(k, freq)
	return false
}

// evictOne evicts one object to a history.
func (c *lecar) evictOne() {
	c.mean[0] += c.weight[0] / (c.weight[0] + c.weight[1])
	c.mean[1] += c.weight[1] / (c.weight[0] + c.weight[1])
	expert := 0
	v := c.l.back(c.recent)
	if float64(c.rng.Float64()*(c.weight[0]+c.weight[1])) >= c.weight[0] {
		expert, v = 1, c.f.least()
	}
	c.evict(v)
	c.l.remove(v)
	c.count[v] = c.f.freq(v)
	c.f.remove(v)
	c.since[v] = c.now
	c.where[v] = uint8(2 + expert)
	c.l.front(c.history[expert], v)
	c.held[expert] += c.of(v)
	for c.held[expert] > c.capacity/2 {
		c.forget(c.l.back(c.history[expert]))
	}
}

func (c *lecar) forget(k int32) {
	c.l.remove(k)
	c.held[c.where[k]-2] -= c.of(k)
	c.where[k] = absent
}

func (c *lecar) meanWeights() []float64 {
	a, b := c.mean[0], c.mean[1]
	if a+b == 0 { // nothing was ever evicted
		return []float64{c.weight[0], c.weight[1]}
	}
	return normal([]float64{a, b})
}

// normal divides by the sum, so that nothing is below 1e-9 of it.
func normal(w []float64) []float64 {
	sum := 0.0
	for _, v := range w {
		sum += v
	}
	again := 0.0
	for i, v := range w {
		w[i] = max(v/sum, 1e-9)
		again += w[i]
	}
	for i := range w {
		w[i] /= again
	}
	return w
}
