package cache

// GDSF: Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-
// Frequency Caching Policy", HP Laboratories 1998: evict the object with the
// least L + frequency/size, where L is the priority of the last victim, so that
// what is not requested grows old. LFUDA (LFU with dynamic ageing): Arlitt,
// Cherkasova, Dilley, Friedrich & Jin, "Evaluating content management techniques
// for Web proxy caches", ACM SIGMETRICS Performance Evaluation Review 27, 2000:
// the same without the size. Frequencies count from when the object was stored;
// of equals the one requested longest ago goes first. A hit with a new size leaves
// the object as it is stored. O(log objects) per request.
type greedy struct {
	space
	sized bool
	age   float64 // L
	now   int64
	heap  []int32 // stored keys, the victim first
	pos   []int32 // per key: place in heap
	of    []greedyObject
}

type greedyObject struct {
	priority float64
	last     int64
	freq     int32
}

func newGreedy(s space, n int, sized bool) *greedy {
	return &greedy{space: s, sized: sized, pos: make([]int32, n), of: make([]greedyObject, n)}
}

func (c *greedy) access(k int32, size int64) bool {
	c.now++
	if c.in[k] {
		c.touch(k)
		c.down(c.pos[k])
		return true
	}
	if size > c.capacity {
		return false
	}
	for c.full(size) {
		v := c.heap[0]
		c.age = c.of[v].priority
		c.evict(v)
		last := len(c.heap) - 1
		c.set(0, c.heap[last])
		if c.heap = c.heap[:last]; last > 0 {
			c.down(0)
		}
	}
	c.insert(k, size)
	c.of[k].freq = 0
	c.touch(k)
	c.heap = append(c.heap, k)
	i := int32(len(c.heap) - 1)
	for c.set(i, k); i > 0 && c.before(k, c.heap[(i-1)/2]); i = (i - 1) / 2 {
		c.set(i, c.heap[(i-1)/2])
		c.set((i-1)/2, k)
	}
	return false
}

func (c *greedy) touch(k int32) {
	o := &c.of[k]
	o.freq++
	o.last = c.now
	o.priority = float64(o.freq)
	if c.sized {
		o.priority /= float64(c.space.of(k))
	}
	o.priority += c.age
}

func (c *greedy) before(a, b int32) bool {
	x, y := &c.of[a], &c.of[b]
	return x.priority < y.priority || x.priority == y.priority && x.last < y.last
}

func (c *greedy) set(i, k int32) { c.heap[i], c.pos[k] = k, i }

func (c *greedy) down(i int32) {
	k := c.heap[i]
	for {
		child := 2*i + 1
		if int(child) >= len(c.heap) {
			return
		}
		if int(child)+1 < len(c.heap) && c.before(c.heap[child+1], c.heap[child]) {
			child++
		}
		if c.before(k, c.heap[child]) {
			return
		}
		c.set(i, c.heap[child])
		c.set(child, k)
		i = child
	}
}
