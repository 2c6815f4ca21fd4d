package cache

import (
	"math"
	"math/bits"
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
	stocks  []*space  // theirs
	weight  []float64 // sums to 1
	mean    []float64 // sum of the weights over the epochs so far
	log     []float64 // scratch of update
	hits    []int64   // per shadow, in this epoch
	won     uint16    // shadows that hit the request at hand
	lead    int
	voter   int // the expert that asks the others, −1 if there is none
	vote    *vote
	learner int      // the expert that learns what objects are worth, −1 if there is none
	value   *value   // the same
	held    []uint16 // per key: the experts that hold it, but for these two; nil without a learner

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
	begun           bool    // the first leader is chosen, by a prior or since the cache has been full
	early, repeats  int64   // requests and hits until then
	ordered         int64   // of repeats: after the same key as the last time
	after           []int32 // until then, per key: the one requested after it last, +1
	previous        int32   // key of the request before
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
		begun: slices.Min(weight) < slices.Max(weight),
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
	for _, p := range c.shadow {
		c.stocks = append(c.stocks, p.stock())
	}
	if c.learner >= 0 {
		c.value = c.shadow[c.learner].(*value)
		c.held = make([]uint16, n)
		c.value.held = c.held
		for i, s := range c.stocks {
			if i != c.learner {
				s.watched = true
			}
		}
	}
	c.epoch = max(minEpoch, int64(cfg.Epoch*objects))
	c.left = c.epoch
	c.rate, c.objects, c.memory = cfg.LearningRate, objects, memoryTurns*objects
	c.lead = first(c.weight, c.voter)
	c.score = make([]float64, len(weight))
	c.stocks[c.lead].watched = true
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
	c.ask(k, size)
	hit := c.serve(k)
	for _, s := range c.stocks {
		s.out = s.out[:0]
	}
	return hit
}

// ask lets every shadow handle the request, and notes which of them hit.
func (c *experts) ask(k int32, size int64) {
	c.won = 0
	var now uint16
	for i, p := range c.shadow {
		if i == c.voter || i == c.learner {
			continue
		}
		if p.access(k, size) {
			c.won |= 1 << i
		}
		if c.held == nil {
			continue
		}
		s := c.stocks[i]
		for _, v := range s.out {
			if v != k && !s.in[v] {
				c.held[v] &^= 1 << i
				c.value.o[v].until = 0
			}
		}
		if s.in[k] {
			now |= 1 << i
		}
	}
	if c.held != nil {
		c.held[k] = now
	}
	if c.learner >= 0 && c.shadow[c.learner].access(k, size) {
		c.won |= 1 << c.learner
	}
	if c.voter >= 0 && c.vote.access(k, size) {
		c.won |= 1 << c.voter
	}
}

// serve handles the request as the leader did.
func (c *experts) serve(k int32) bool {
	for w := c.won; w != 0; w &= w - 1 {
		c.hits[bits.TrailingZeros16(w)]++
	}
	if n := bits.OnesCount16(c.won); n > 0 && n < len(c.shadow) {
		c.split++
	}
	led := c.won>>c.lead&1 != 0
	lead := c.stocks[c.lead]
	for _, v := range lead.out { // what the leader gave up is to go first
		if c.in[v] && !c.strange[v] && !lead.in[v] {
			c.l.remove(v)
			c.l.front(c.other, v)
			c.strange[v] = true
		}
	}
	hit := c.in[k]
	if !c.begun {
		c.begin(hit, lead.in[k], k)
		lead = c.stocks[c.lead]
		led = c.won>>c.lead&1 != 0
	}
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
		size := c.stocks[c.lead].size[k]
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
// cost, a miss for a part of what is stored and the other does not hold. (That is
// the rule for metrical task systems, Borodin, Linial & Saks, Journal of the ACM 39,
// 1992: move when staying has cost as much as moving.) The vote holds a part of what
// everybody holds: going there costs less, and it need not be left for an expert
// that it will follow anyway.
func (c *experts) worth(next int) bool {
	lazy, cost := lazyShare, changeCost
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
	in := c.stocks[expert].in
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
	old := c.stocks[c.lead]
	old.watched = c.held != nil || c.voter >= 0 && c.lead != c.voter
	c.lead = next
	lead := c.stocks[next]
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

// Chosen by measurement on the traces and logs of make cache-table, one set of values
// for all of them.
const (
	lazyShare    = 0.05 // of the objects: how far another must be ahead of the leader at least
	leaveVote    = 0.3  // the same if the vote leads
	changeCost   = 0.5  // part of what is foreign to the next leader that going there may cost
	joinVote     = 0.3  // the same if the vote is next
	firstRepeats = 0.35 // share of repeats from which the vote leads first
	firstOrdered = 0.6  // share of those in the order of before from which it does not
	voteRate     = 3    // weight of a score in the vote
	learnerVote  = 2.0  // logarithm of what the learner has there besides
	memoryTurns  = 20   // how long hits are remembered at least: requests per object
)

// begin watches a cache without a prior until it is full for the first time. Hardly
// anything was evicted until then, so that a change of the leader costs little, and
// two things are known: what share of the requests were repeats, and of how many of
// these the key before was the same as the last time. Where the first is small,
// repeats are farther apart than the cache is large; where the second is large, they
// come in the order of before. Both are so in loops and scans, and the first leader
// stays; else popularity decides, and the vote leads.
func (c *experts) begin(hit, stored bool, k int32) {
	c.early++
	if c.after == nil {
		c.after = make([]int32, len(c.in))
	}
	old := c.after[c.previous]
	c.after[c.previous], c.previous = k+1, k
	if hit {
		c.repeats++
		if old == k+1 {
			c.ordered++
		}
		return
	}
	if !stored || c.used+c.stocks[c.lead].of(k) <= c.capacity {
		return
	}
	c.begun, c.after = true, nil
	popular := float64(c.repeats) >= float64(firstRepeats*float64(c.early)) && float64(c.ordered) < float64(firstOrdered*float64(c.repeats))
	if c.voter >= 0 && c.voter != c.lead && popular {
		c.follow(c.voter)
	}
}

// first is the leader at the start: the vote, if a prior is known and no expert
// has several times its weight, else the first of the heaviest.
func first(weight []float64, voter int) int {
	b := best(weight)
	if voter >= 0 && slices.Min(weight) < weight[b] && weight[voter]*3 >= weight[b] {
		return voter
	}
	return b
}
