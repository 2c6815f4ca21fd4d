package cache

// SIEVE: Zhang, Yang, Yue, Vigfusson & Rashmi, "SIEVE is Simpler than LRU",
// NSDI 2024, algorithm 1: a FIFO queue and a hand that walks from its tail to
// its head, sparing (once) what was requested since it last came by.
type sieve struct {
	space
	l       lists
	head    int32
	hand    int32 // head = begin at the tail
	visited []bool
}

func (c *sieve) access(k int32, size int64) bool {
	if c.in[k] {
		c.visited[k] = true
		return true
	}
	if size > c.capacity {
		return false
	}
	for c.full(size) {
		v := c.hand
		for {
			if v == c.head {
				v = c.l.back(c.head)
			}
			if !c.visited[v] {
				break
			}
			c.visited[v] = false
			v = c.l[v].prev
		}
		c.hand = c.l[v].prev
		c.l.remove(v)
		c.evict(v)
	}
	c.insert(k, size)
	c.visited[k] = false
	c.l.front(c.head, k)
	return false
}

// S3-FIFO: Yang, Zhang, Qiu, Yue & Vigfusson, "FIFO Queues are All You Need for
// Cache Eviction", SOSP 2023, algorithm 1: a small queue (10 %) through which
// most objects pass once, a main queue for those requested more than once more
// while they were in it, and a queue of ghosts as large as the main one, whose
// objects enter the main queue at once. Frequencies count to 3.
type s3fifo struct {
	space
	l                  lists
	where              []uint8 // per key: absent, inSmall, inMain or inGhost
	freq               []uint8
	bytes              [4]int64
	small, main, ghost int32
	smallCap, mainCap  int64
}

const (
	inSmall = iota + 1
	inMain
	inGhost
)

func newS3FIFO(s space, n int) *s3fifo {
	h := int32(n)
	c := &s3fifo{space: s, l: newLists(n, 3), where: make([]uint8, n), freq: make([]uint8, n), small: h, main: h + 1, ghost: h + 2}
	c.smallCap = max(1, s.capacity/10)
	c.mainCap = s.capacity - c.smallCap
	return c
}

func (c *s3fifo) put(k int32, place uint8) {
	if w := c.where[k]; w != absent {
		c.l.remove(k)
		c.bytes[w] -= c.of(k)
	}
	c.where[k] = place
	if place != absent {
		c.bytes[place] += c.of(k)
		c.l.front(c.small+int32(place)-inSmall, k)
	}
}

func (c *s3fifo) access(k int32, size int64) bool {
	if c.in[k] {
		c.freq[k] = min(3, c.freq[k]+1)
		return true
	}
	if size > c.capacity {
		return false
	}
	for c.full(size) {
		// Evicting may push k out of the ghosts, as it may in the paper.
		if c.bytes[inSmall] >= c.smallCap || c.l.empty(c.main) {
			c.evictSmall()
		} else {
			c.evictMain()
		}
	}
	place := uint8(inSmall)
	if c.where[k] == inGhost {
		place = inMain
		c.put(k, absent)
	}
	c.insert(k, size)
	c.freq[k] = 0
	c.put(k, place)
	return false
}

func (c *s3fifo) evictSmall() {
	for !c.l.empty(c.small) {
		v := c.l.back(c.small)
		if c.freq[v] > 1 {
			c.freq[v] = 0
			c.put(v, inMain)
			if c.bytes[inMain] > c.mainCap {
				c.evictMain()
			}
			continue
		}
		c.evict(v)
		c.put(v, inGhost)
		for c.bytes[inGhost] > c.mainCap {
			c.put(c.l.back(c.ghost), absent)
		}
		return
	}
}

func (c *s3fifo) evictMain() {
	for {
		v := c.l.back(c.main)
		if c.freq[v] > 0 {
			c.freq[v]--
			c.put(v, inMain)
			continue
		}
		c.evict(v)
		c.put(v, absent)
		return
	}
}
