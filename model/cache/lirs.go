package cache

// LIRS: Jiang & Zhang, "LIRS: An Efficient Low Inter-reference Recency Set
// Replacement Policy", SIGMETRICS 2002. Objects with a short time between their
// last two requests (LIR) hold 99 % of the capacity and are never victims. The
// rest, at least one object, is a queue of stored objects with a long one (HIR);
// victims come from its front. A stack orders by recency the LIR objects and all
// HIR ones, stored or not, that were requested since the LIR object at its bottom
// was: a HIR object that is requested while it is in the stack has the shorter
// time, and the two change places.
//
// The paper bounds what is remembered of objects that are not stored by the stack
// alone; so does this, with dense keys at no further memory. With sizes, which it
// does not treat, the parts are in bytes, and as many LIR objects change places as
// it takes. O(1) per request, amortised.
type lirs struct {
	space
	s, q   lists
	stack  int32 // the list of s, newest first
	queue  int32 // the list of q, newest first
	state  []uint8
	low    int64 // what LIR objects take
	lowCap int64
}

// Bits of state.
const (
	isLow   = 1 << iota // LIR
	onStack             // in s
	inQueue             // in q: stored and HIR
)

func newLIRS(s space, n int) *lirs {
	h := int32(n)
	return &lirs{space: s, s: newLists(n, 1), q: newLists(n, 1), stack: h, queue: h, state: make([]uint8, n), lowCap: s.capacity - max(1, s.capacity/100)}
}

func (c *lirs) top(k int32) {
	if c.state[k]&onStack != 0 {
		if c.s[c.stack].next == k {
			return
		}
		c.s.remove(k)
	}
	c.state[k] |= onStack
	c.s.front(c.stack, k)
}

func (c *lirs) enqueue(k int32) {
	c.dequeue(k)
	c.state[k] |= inQueue
	c.q.front(c.queue, k)
}

func (c *lirs) dequeue(k int32) {
	if c.state[k]&inQueue != 0 {
		c.q.remove(k)
		c.state[k] &^= inQueue
	}
}

// prune takes from the bottom of the stack what is not LIR.
func (c *lirs) prune() {
	for {
		v := c.s.back(c.stack)
		if v == c.stack || c.state[v]&isLow != 0 {
			return
		}
		c.s.remove(v)
		c.state[v] &^= onStack
	}
}

// settle sends LIR objects from the bottom of the stack to the queue until the
// others fit into their part.
func (c *lirs) settle(to int64) {
	for c.low > to {
		v := c.s.back(c.stack) // LIR: the stack is pruned
		c.s.remove(v)
		c.state[v] = 0
		c.low -= c.of(v)
		c.enqueue(v)
		c.prune()
	}
}

func (c *lirs) access(k int32, size int64) bool {
	switch st := c.state[k]; {
	case st&isLow != 0:
		c.top(k)
		c.prune()
		return true
	case st&inQueue != 0 && st&onStack != 0:
		c.dequeue(k)
		c.promote(k)
		return true
	case st&inQueue != 0:
		c.top(k)
		c.enqueue(k)
		c.prune() // without LIR objects there is no stack
		return true
	}
	if size > c.capacity {
		return false
	}
	short := c.state[k]&onStack != 0 // making room may push it off the stack
	for c.full(size) {
		v := c.q.back(c.queue)
		if v == c.queue {
			c.settle(c.low - 1)
			continue
		}
		c.dequeue(v)
		c.evict(v)
	}
	c.insert(k, size)
	if short || c.low+size <= c.lowCap {
		c.promote(k)
		return false
	}
	c.top(k)
	c.enqueue(k)
	c.prune()
	return false
}

// promote makes a stored object LIR.
func (c *lirs) promote(k int32) {
	c.state[k] |= isLow
	c.top(k)
	c.low += c.of(k)
	c.settle(c.lowCap)
}
