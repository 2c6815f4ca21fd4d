package cache

// W-TinyLFU: Einziger, Friedman & Manes, "TinyLFU: A Highly Efficient Cache
// Admission Policy", ACM Transactions on Storage 13, 2017: an LRU window (1 %)
// before a segmented LRU (80 % of it protected). What leaves the window enters
// the main part only if it was requested more often lately than what it would
// replace.
//
// Deviations: the frequency sketch is exact, a four-bit counter per key
// (dense keys make that cheap), with no doorkeeper; it is halved after ten
// times as many requests as there are objects stored, lazily, when a key is
// next looked at. With sizes, a candidate must beat the sum of the frequencies
// of all that it would replace.
type tinyLFU struct {
	space
	l                            lists
	where                        []uint8 // per key: absent, inWindow, inProbation or inProtected
	count                        []uint8
	age                          []uint32 // per key: epoch at which count was right
	epoch                        uint32
	requests                     int64 // since the last halving
	objects                      int64
	bytes                        [4]int64
	window, probation, protected int32
	windowCap, mainCap, safeCap  int64
}

const (
	inWindow = iota + 1
	inProbation
	inProtected
)

func newTinyLFU(s space, n int) *tinyLFU {
	h := int32(n)
	c := &tinyLFU{space: s, l: newLists(n, 3), where: make([]uint8, n), count: make([]uint8, n), age: make([]uint32, n), window: h, probation: h + 1, protected: h + 2}
	c.windowCap = max(1, s.capacity/100)
	c.mainCap = s.capacity - c.windowCap
	c.safeCap = c.mainCap * 4 / 5
	return c
}

func (c *tinyLFU) put(k int32, place uint8) {
	if w := c.where[k]; w != absent {
		c.l.remove(k)
		c.bytes[w] -= c.of(k)
	}
	c.where[k] = place
	if place != absent {
		c.bytes[place] += c.of(k)
		c.l.front(c.window+int32(place)-inWindow, k)
	}
}

// freq is how often k was requested lately.
func (c *tinyLFU) freq(k int32) int {
	if d := c.epoch - c.age[k]; d > 0 {
		c.count[k] >>= min(d, 7)
		c.age[k] = c.epoch
	}
	return int(c.count[k])
}

func (c *tinyLFU) access(k int32, size int64) bool {
	if c.freq(k) < 15 {
		c.count[k]++
	}
	if c.requests++; c.requests >= 10*max(c.objects, 10) {
		c.requests /= 2
		c.epoch++
	}
	switch c.where[k] {
	case inWindow:
		c.put(k, inWindow)
		return true
	case inProbation, inProtected:
		c.put(k, inProtected)
		for c.bytes[inProtected] > c.safeCap {
			c.put(c.l.back(c.protected), inProbation)
		}
		return true
	}
	if size > c.capacity {
		return false
	}
	c.insert(k, size)
	c.objects++
	c.put(k, inWindow)
	for c.bytes[inWindow] > c.windowCap {
		c.admit(c.l.back(c.window))
	}
	return false
}

// admit moves k from the window to the main part, or out.
func (c *tinyLFU) admit(k int32) {
	need := c.of(k) + c.bytes[inProbation] + c.bytes[inProtected] - c.mainCap
	if c.of(k) > c.mainCap {
		c.lose(k)
		return
	}
	// What would have to go, and whether k is wanted more than all of it.
	left, v := c.freq(k), c.l.back(c.probation)
	for n := need; n > 0; v = c.l[v].prev {
		if v == c.probation {
			v = c.l.back(c.protected)
		}
		if left -= c.freq(v); left <= 0 {
			c.lose(k)
			return
		}
		n -= c.of(v)
	}
	for need > 0 {
		v := c.l.back(c.probation)
		if v == c.probation {
			v = c.l.back(c.protected)
		}
		need -= c.of(v)
		c.lose(v)
	}
	c.put(k, inProbation)
}

func (c *tinyLFU) lose(k int32) {
	c.evict(k)
	c.objects--
	c.put(k, absent)
}
