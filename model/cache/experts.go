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
	shadow  []policy
	weight  []float64 // sums to 1
	mean    []float64 // sum of the weights over the epochs so far
	log     []float64 // scratch of update
	hits    []int64   // per shadow, in this epoch
	lead    int
	voter   int // the expert that asks the others, −1 if there is none
	vote    *vote
	learner int // the expert that learns what objects are worth, −1 if there is none

	l       lists  // of what is stored: rest and other
	rest    int32  // what the leader holds too, newest first
	other   int32  // what it does not hold
	strange []bool // per key: it is in the list other

	rate, share     float64
	epoch, left     int64     // requests
	score           []float64 // decayed hits of each expert
	seen            int64     // requests
	sorted          int64     // of seen, when the votes were last weighed
	memory, objects float64
	split           int64   // requests of this epoch on which the experts disagree
	dispute         float64 // the same per epoch, decayed
	behind          int64   // of this epoch: hits that the leader has and the real cache has not, less the reverse
	toll            float64 // the same per epoch, decayed: what changes of the leader cost
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
	var others []policy
	for _, name := range cfg.Experts {
		if name == voteExpert {
			c.shadow = append(c.shadow, nil)
			continue
		}
		p := newPolicy(name, n, s.size != nil, s.capacity)
		others = append(others, p)
		c.shadow = append(c.shadow, p)
	}
	c.voter, c.learner = slices.Index(cfg.Experts, voteExpert), slices.Index(cfg.Experts, valueExpert)
	if c.voter >= 0 {
		c.vote = newVote(newSpace(n, s.size != nil, s.capacity), n, others)
		c.shadow[c.voter] = c.vote
	}
	c.epoch = max(minEpoch, int64(cfg.Epoch*objects))
	c.left = c.epoch
	c.rate, c.objects, c.memory = cfg.LearningRate, objects, memoryTurns*objects
	c.lead = first(c.weight, c.voter)
	c.score = make([]float64, len(weight))
	c.shadow[c.lead].stock().watched = true
	return c
}

// minEpoch is the shortest epoch in requests: the hits of fewer tell nothing.
// The votes are weighed no more often than every sortEvery requests: it takes a
// tenth of a millisecond.
const (
	minEpoch  = 50
	sortEvery = 400
)

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
	led := false
	for i, p := range c.shadow {
		if i != c.voter && p.access(k, size) {
			c.hits[i]++
			n++
			led = led || i == c.lead
		}
	}
	if c.voter >= 0 && c.vote.access(k, size) {
		c.hits[c.voter]++
		n++
		led = led || c.lead == c.voter
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
	for _, p := range c.shadow {
		s := p.stock()
		s.out = s.out[:0]
	}
	hit := c.in[k]
	if led && !hit {
		c.behind++
	} else if hit && !led {
		c.behind--
	}
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
	c.toll = max(0, float64(c.toll*keep)+float64(c.behind))
	c.behind = 0
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
	if c.voter >= 0 && c.seen >= c.sorted+sortEvery {
		c.sorted = c.seen
		unit := 1 + float64(lazyShare*c.objects) + math.Sqrt(c.dispute)
		log := c.log[:0]
		for i, v := range c.score {
			if i != c.voter {
				v = float64(voteRate*v) / unit
				if i == c.learner {
					v += learnerVote
				}
				log = append(log, v)
			}
		}
		c.vote.arrange(log)
	}
	next := best(c.score)
	if next != c.lead && !c.worth(next) {
		next = c.lead
		if c.voter >= 0 && c.voter != c.lead && c.worth(c.voter) {
			next = c.voter
		}
	}
	clear(c.hits)
	if next != c.lead {
		c.follow(next)
	}
}

// worth says whether an expert is so far ahead of the leader that a change pays:
// by more than chance, by what changes have cost so far, and by what this one may
// cost, a miss for everything stored that the other does not hold. (That is the
// rule for metrical task systems, Borodin, Linial & Saks, Journal of the ACM 39,
// 1992: move when staying has cost as much as moving.) The vote holds a part of
// what everybody holds: going there costs less, and it need not be left for an
// expert that it will follow anyway.
func (c *experts) worth(next int) bool {
	lazy, cost := lazyShare, 1.0
	switch c.voter {
	case c.lead:
		lazy = leaveVote
	case next:
		cost = joinVote
	}
	ahead := c.score[next] - c.score[c.lead] - float64(lazy*c.objects) - math.Sqrt(c.dispute) - c.toll
	return ahead >= 0 && ahead >= float64(cost*float64(c.foreign(next)))
}

// foreign counts what is stored that an expert does not hold.
func (c *experts) foreign(expert int) int {
	in := c.shadow[expert].stock().in
	n := 0
	for _, list := range [2]int32{c.other, c.rest} {
		for v := c.l.back(list); v != list; v = c.l[v].prev {
			if !in[v] {
				n++
			}
		}
	}
	return n
}

// follow changes the leader and sorts what is stored anew.
func (c *experts) follow(next int) {
	old := c.shadow[c.lead].stock()
	old.watched = c.voter >= 0 && c.lead != c.voter
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

// How far ahead of the leader another must be at least, as a share of the
// objects, also of the vote; the share of what is foreign to the vote that going
// there costs; the weight of a score in the vote, and the logarithm of what the
// learner has there besides; and for how many requests hits are remembered at
// least, as a multiple of the objects. Chosen by measurement on the traces of
// TestRealFloor and three access logs.
const (
	lazyShare   = 0.05
	leaveVote   = 0.3
	joinVote    = 0.3
	voteRate    = 3
	learnerVote = 2.0
	memoryTurns = 20
)

// first is the leader at the start: the vote, if a prior is known and no expert
// has several times its weight, else the first of the heaviest.
func first(weight []float64, voter int) int {
	b := best(weight)
	if voter >= 0 && slices.Min(weight) < weight[b] && weight[voter]*3 >= weight[b] {
		return voter
	}
	return b
}
