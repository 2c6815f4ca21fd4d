package cache

// SLRU: Karedla, Love & Wherry, "Caching Strategies to Improve Disk System
// Performance", IEEE Computer 27, 1994. Two LRU segments: what is stored enters
// the probationary one, a hit moves it to the protected one (here 80 % of the
// capacity; the paper leaves it open), which sends what overflows back to the
// front of the probationary one. Victims come from there.
type slru struct {
	space
	l                    lists
	safe                 []bool // per key: protected
	probation, protected int32
	safeBytes, safeCap   int64
}

func newSLRU(s space, n int) *slru {
	h := int32(n)
	return &slru{space: s, l: newLists(n, 2), safe: make([]bool, n), probation: h, protected: h + 1, safeCap: s.capacity * 4 / 5}
}

func (c *slru) access(k int32, size int64) bool {
	if c.in[k] {
		c.l.remove(k)
		c.l.front(c.protected, k)
		if !c.safe[k] {
			c.safe[k] = true
			c.safeBytes += c.of(k)
		}
		for c.safeBytes > c.safeCap {
			v := c.l.back(c.protected)
			c.l.remove(v)
			c.l.front(c.probation, v)
			c.safe[v] = false
			c.safeBytes -= c.of(v)
		}
		return true
	}
	if size > c.capacity {
		return false
	}
	for c.full(size) {
		v := c.l.back(c.probation)
		if v == c.probation {
			v = c.l.back(c.protected)
			c.safe[v] = false
			c.safeBytes -= c.of(v)
		}
		c.l.remove(v)
		c.evict(v)
	}
	c.insert(k, size)
	c.l.front(c.probation, k)
	return false
}

// 2Q: Johnson & Shasha, "2Q: A Low Overhead High Performance Buffer Management
// Replacement Algorithm", VLDB 1994, the full version: a FIFO queue for what is
// new (Kin, 25 % of the capacity), a queue of ghosts that left it (Kout, 50 %), and
// an LRU list for what is requested while it is a ghost.
type twoQ struct {
	space
	l            lists
	where        []uint8 // per key: absent, isNew, isHot or isGhost
	bytes        [4]int64
	head         int32 // list of isNew; the others follow
	newCap, gone int64
}

const (
	isNew = iota + 1
	isHot
	isGhost
)

func newTwoQ(s space, n int) *twoQ {
	return &twoQ{space: s, l: newLists(n, 3), where: make([]uint8, n), head: int32(n), newCap: max(1, s.capacity/4), gone: max(1, s.capacity/2)}
}

func (c *twoQ) put(k int32, place uint8) {
	if w := c.where[k]; w != absent {
		c.l.remove(k)
		c.bytes[w] -= c.of(k)
	}
	c.where[k] = place
	if place != absent {
		c.bytes[place] += c.of(k)
		c.l.front(c.list(place), k)
	}
}

func (c *twoQ) list(place uint8) int32 { return c.head + int32(place) - isNew }

func (c *twoQ) access(k int32, size int64) bool {
	if c.in[k] {
		if c.where[k] == isHot {
			c.put(k, isHot)
		}
		return true
	}
	if size > c.capacity {
		return false
	}
	place := uint8(isNew)
	if c.where[k] == isGhost { // making room may push it out of the ghosts
		place = isHot
	}
	for c.full(size) {
		if c.bytes[isNew] > c.newCap || c.l.empty(c.list(isHot)) {
			v := c.l.back(c.list(isNew))
			c.evict(v)
			c.put(v, isGhost)
			for c.bytes[isGhost] > c.gone {
				c.put(c.l.back(c.list(isGhost)), absent)
			}
			continue
		}
		v := c.l.back(c.list(isHot))
		c.evict(v)
		c.put(v, absent)
	}
	c.put(k, absent)
	c.insert(k, size)
	c.put(k, place)
	return false
}
