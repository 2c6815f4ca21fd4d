package cache

// ARC: Megiddo & Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache",
// FAST 2003, figure 4. Two LRU lists of stored objects, t1 (seen once lately)
// and t2 (more often), each with a list of ghosts, keys that it has lost; a
// request for a ghost shifts the target p for the size of t1. p is real, as in
// the paper.
//
// With sizes, which the paper does not treat, lengths become bytes: p moves by
// the size of the object times the ratio of the ghosts' bytes, and each step
// repeats until the object fits. With sizes of 1 that is the paper's.
type arc struct {
	space
	l              lists
	where          []uint8 // per key: absent, t1, t2, b1 or b2
	t1, t2, b1, b2 int32
	bytes          [5]int64 // per place
	p              float64
}

const (
	absent = iota
	inT1
	inT2
	inB1
	inB2
)

func newARC(s space, n int) *arc {
	h := int32(n)
	return &arc{space: s, l: newLists(n, 4), where: make([]uint8, n), t1: h, t2: h + 1, b1: h + 2, b2: h + 3}
}

// put moves k from wherever it is to the front of a list.
func (c *arc) put(k int32, place uint8) {
	c.drop(k)
	c.where[k] = place
	c.bytes[place] += c.of(k)
	c.l.front(c.t1+int32(place)-inT1, k)
}

func (c *arc) drop(k int32) {
	if w := c.where[k]; w != absent {
		c.l.remove(k)
		c.bytes[w] -= c.of(k)
		c.where[k] = absent
	}
}

// replace makes room by one object, which becomes a ghost.
func (c *arc) replace(ghost2 bool) {
	b := float64(c.bytes[inT1])
	if !c.l.empty(c.t1) && (b > c.p || ghost2 && b == c.p) || c.l.empty(c.t2) {
		v := c.l.back(c.t1)
		c.evict(v)
		c.put(v, inB1)
		return
	}
	v := c.l.back(c.t2)
	c.evict(v)
	c.put(v, inB2)
}

func (c *arc) access(k int32, size int64) bool {
	w := c.where[k]
	if w == inT1 || w == inT2 {
		c.put(k, inT2)
		return true
	}
	if size > c.capacity {
		return false
	}
	place := uint8(inT2)
	switch w {
	case inB1:
		c.p = min(float64(c.capacity), c.p+float64(float64(size)*max(1, float64(c.bytes[inB2]/c.bytes[inB1]))))
		c.drop(k)
	case inB2:
		c.p = max(0, c.p-float64(float64(size)*max(1, float64(c.bytes[inB1]/c.bytes[inB2]))))
		c.drop(k)
	default:
		place = inT1
		for c.bytes[inT1]+c.bytes[inB1]+size > c.capacity {
			if !c.l.empty(c.b1) {
				c.drop(c.l.back(c.b1))
				continue
			}
			v := c.l.back(c.t1) // t1 fills the cache: nothing to learn from its ghosts
			c.drop(v)
			c.evict(v)
		}
		for c.bytes[inT1]+c.bytes[inT2]+c.bytes[inB1]+c.bytes[inB2]+size > 2*c.capacity && !c.l.empty(c.b2) {
			c.drop(c.l.back(c.b2))
		}
	}
	for c.full(size) {
		c.replace(w == inB2)
	}
	c.insert(k, size)
	c.put(k, place)
	return false
}
