package cache

import (
	"math"
	"slices"
)

// experts is the cache of the learned policy "experts" (see learned.go). Every
// expert is a whole cache of the same capacity that sees every request but
// holds keys only, no objects: a shadow. The real cache follows one of them, the
// leader: what it has to make room for is taken from what the leader would not
// hold, oldest first, so that its content becomes the leader's without any
// object being fetched that nobody asked for (the demand rollover of Gramacy et
// al.). As long as the leader does not change the two hold the same.
type experts struct {
	space
	shadow []policy
	weight []float64 // sums to 1
	mean   []float64 // sum of the weights over the epochs so far
	log    []float64 // scratch of update
	hits   []int64   // per shadow, in this epoch
	lead   int

	l       lists  // of what is stored: rest and other
	rest    int32  // what the leader holds too, newest first
	other   int32  // what it does not hold
	strange []bool // per key: it is in the list other

	rate, share     float64
	epoch, left     int64     // requests
	score           []float64 // decayed hits of each expert
	seen            int64     // requests
	memory, objects float64
	split           int64   // requests of this epoch on which the experts disagree
	dispute         float64 // the same per epoch, decayed
}

// newExperts makes an empty cache with room for about so many objects, whose
// experts have the given weights.
func newExperts(s space, n int, objects float64, weight []float64, cfg *Config) *experts {
	h := int32(n)
	c := &experts{
		space: s, l: newLists(n, 2), rest: h, other: h + 1, strange: make([]bool, n),
		weight: slices.Clone(weight), log: make([]float64, len(weight)), mean: make([]float64, len(weight)),
		hits:  make([]int64, len(weight)),
		share: cfg.Share,
	}
	for _, name := range cfg.Experts {
		c.shadow = append(c.shadow, newPolicy(name, n, s.size != nil, s.capacity))
	}
	c.epoch = max(minEpoch, int64(cfg.Epoch*objects))
	c.left = c.epoch
	c.rate, c.objects, c.memory = cfg.LearningRate, objects, memoryTurns*objects
	c.lead = best(c.weight)
	c.score = make([]float64, len(weight))
	c.shadow[c.lead].stock().watched = true
	return c
}

// minEpoch is the shortest epoch in requests: the hits of fewer tell nothing.
const minEpoch = 50

// best is the first of the greatest.
func best(w []float64) int {
	b := 0
	for i, v := range w {
		if v > w[b] {
			b = i
		}
	}
	return b
}

func (c *experts) access(k int32, size int64) bool {
	n := 0
	for i, p := range c.shadow {
		if p.access(k, size) {
			c.hits[i]++
			n++
		}
	}
	if n > 0 && n < len(c.shadow) {
		c.split++
	}
	lead := c.shadow[c.lead].stock()
	for _, v := range lead.out { // what the leader gave up is to go first
		if c.in[v] && !c.strange[v] && !lead.in[v] {
			c.l.remove(v)
			c.l.front(c.other, v)
			c.strange[v] = true
		}
	}
	lead.out = lead.out[:0]
	hit := c.in[k]
	if hit {
		c.l.remove(k)
	} else if lead.in[k] {
		c.shrink(c.capacity - lead.of(k))
		c.insert(k, lead.of(k))
	}
	if c.in[k] {
		c.strange[k] = !lead.in[k]
		if c.strange[k] {
			c.l.front(c.other, k)
		} else {
			c.l.front(c.rest, k)
			c.resize(k)
			c.shrink(c.capacity)
		}
	}
	if c.left--; c.left == 0 {
		c.left = c.epoch
		c.update()
	}
	return hit
}

// shrink evicts what the leader does not hold, oldest first, until no more than
// so much is used. There is enough of it: all that the leader holds, and what it
// has just stored, fits into its cache, and both count the same for each object.
func (c *experts) shrink(to int64) {
	for c.used > to {
		v := c.l.back(c.other)
		c.l.remove(v)
		c.evict(v)
	}
}

// resize makes an object that the leader holds too as large as it is there: it
// may have been stored at another time, with another size.
func (c *experts) resize(k int32) {
	if c.size != nil {
		size := c.shadow[c.lead].stock().size[k]
		c.used += int64(size - c.size[k])
		c.size[k] = size
	}
}

// update weighs the experts by what they hit in the epoch that ends, and
// changes the leader.
func (c *experts) update() {
	// Hits are forgotten slowly: the memory is a third of the past, but some turns
	// of the cache at least, so that a loop is seen whole.
	c.seen += c.epoch
	keep := math.Exp(-float64(c.epoch) / max(c.memory, float64(c.seen)/3))
	c.dispute = float64(c.dispute*keep) + float64(c.split)
	c.split = 0
	rate := c.rate / math.Sqrt(1+c.dispute)
	top := math.Inf(-1)
	for i, h := range c.hits {
		c.score[i] = float64(c.score[i]*keep) + float64(h)
		c.log[i] = float64(rate * c.score[i])
		top = max(top, c.log[i])
	}
	sum := 0.0
	for i, v := range c.log {
		c.weight[i] = math.Exp(v - top)
		sum += c.weight[i]
	}
	n := float64(len(c.weight))
	for i := range c.weight {
		c.weight[i] = float64((1-c.share)*(c.weight[i]/sum)) + c.share/n
		c.mean[i] += c.weight[i]
	}
	next := best(c.score)
	if c.score[next]-c.score[c.lead] < float64(lazyShare*c.objects)+math.Sqrt(c.dispute) {
		next = c.lead
	}
	clear(c.hits)
	if next != c.lead {
		c.follow(next)
	}
}

// follow changes the leader and sorts what is stored anew.
func (c *experts) follow(next int) {
	old := c.shadow[c.lead].stock()
	old.watched, old.out = false, old.out[:0]
	c.lead = next
	lead := c.shadow[next].stock()
	lead.watched = true
	// From oldest to newest, first what was foreign before.
	for _, list := range [2]int32{c.other, c.rest} {
		last := c.l[list].next // the newest, up to which this pass goes
		if last == list {
			continue
		}
		for v := c.l.back(list); ; {
			prev := c.l[v].prev
			end := v == last
			c.l.remove(v)
			c.strange[v] = !lead.in[v]
			if c.strange[v] {
				c.l.front(c.other, v)
			} else {
				c.l.front(c.rest, v)
				c.resize(v)
			}
			if end {
				break
			}
			v = prev
		}
	}
	c.shrink(c.capacity)
}

// meanWeights implements learner.
func (c *experts) meanWeights() []float64 {
	sum := 0.0
	for _, v := range c.mean {
		sum += v
	}
	if sum == 0 { // no epoch ended
		return normal(slices.Clone(c.weight))
	}
	return normal(slices.Clone(c.mean))
}

// How far ahead of the leader another must be, as a share of the objects, and
// for how many requests hits are remembered at least, as a multiple of them.
const (
	lazyShare   = 0.05
	memoryTurns = 20
)
