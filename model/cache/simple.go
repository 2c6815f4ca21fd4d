package cache

// queue is LRU or, if a hit does not touch, FIFO.
type queue struct {
	space
	l     lists
	head  int32
	touch bool
}

func (c *queue) access(k int32, size int64) bool {
	if c.in[k] {
		if c.touch && c.l[c.head].next != k {
			c.l.remove(k)
			c.l.front(c.head, k)
		}
		return true
	}
	if size > c.capacity {
		return false
	}
	for c.full(size) {
		v := c.l.back(c.head)
		c.l.remove(v)
		c.evict(v)
	}
	c.insert(k, size)
	c.l.front(c.head, k)
	return false
}

// lfu evicts the object with the fewest requests since it was stored (nothing
// is remembered of what was evicted), and of equals the one whose last request
// is longest ago.
type lfu struct {
	space
	f freqs
}

func (c *lfu) access(k int32, size int64) bool {
	if c.in[k] {
		c.f.bump(k)
		return true
	}
	if size > c.capacity {
		return false
	}
	for c.full(size) {
		v := c.f.least()
		c.f.remove(v)
		c.evict(v)
	}
	c.insert(k, size)
	c.f.add(k, 1)
	return false
}

// freqs orders keys by frequency, those of one frequency by the time at which
// they came to it: a list of buckets, each with a list of keys (Shah, Mitra &
// Matani 2010). Everything is O(1) but add with a frequency above the least.
type freqs struct {
	of      []int32 // per key: its bucket
	l       []link  // per key: neighbours in the bucket, −1 at the ends
	buckets []bucket
	free    []int32
}

// bucket 0 closes the ring of the buckets, which ascend by frequency.
type bucket struct {
	freq        int32
	prev, next  int32 // buckets
	first, last int32 // keys, newest first; −1 = none
}

func newFreqs(n int) freqs {
	return freqs{of: make([]int32, n), l: make([]link, n), buckets: make([]bucket, 1, 16)}
}

// add puts in a key that is not there.
func (f *freqs) add(k, freq int32) {
	b := f.buckets[0].next
	for b != 0 && f.buckets[b].freq < freq {
		b = f.buckets[b].next
	}
	if b == 0 || f.buckets[b].freq != freq {
		b = f.bucketBefore(b, freq)
	}
	f.push(b, k)
}

// bump raises the frequency of a key by one.
func (f *freqs) bump(k int32) {
	b := f.of[k]
	freq := f.buckets[b].freq + 1
	next := f.buckets[b].next
	if next == 0 || f.buckets[next].freq != freq {
		if f.buckets[b].first == f.buckets[b].last {
			f.buckets[b].freq = freq // alone: the bucket moves along
			return
		}
		next = f.bucketBefore(next, freq)
	}
	f.remove(k)
	f.push(next, k)
}

func (f *freqs) freq(k int32) int32 { return f.buckets[f.of[k]].freq }

// least is the key to evict; there must be one.
func (f *freqs) least() int32 { return f.buckets[f.buckets[0].next].last }

func (f *freqs) remove(k int32) {
	b, e := f.of[k], f.l[k]
	if e.prev >= 0 {
		f.l[e.prev].next = e.next
	} else {
		f.buckets[b].first = e.next
	}
	if e.next >= 0 {
		f.l[e.next].prev = e.prev
	} else {
		f.buckets[b].last = e.prev
	}
	if f.buckets[b].first < 0 {
		p, n := f.buckets[b].prev, f.buckets[b].next
		f.buckets[p].next, f.buckets[n].prev = n, p
		f.free = append(f.free, b)
	}
}

func (f *freqs) push(b, k int32) {
	f.of[k] = b
	first := f.buckets[b].first
	f.l[k] = link{-1, first}
	if first >= 0 {
		f.l[first].prev = k
	} else {
		f.buckets[b].last = k
	}
	f.buckets[b].first = k
}

// bucketBefore makes an empty bucket before another.
func (f *freqs) bucketBefore(next, freq int32) int32 {
	var b int32
	if n := len(f.free); n > 0 {
		b, f.free = f.free[n-1], f.free[:n-1]
	} else {
		b = int32(len(f.buckets))
		f.buckets = append(f.buckets, bucket{})
	}
	prev := f.buckets[next].prev
	f.buckets[b] = bucket{freq: freq, prev: prev, next: next, first: -1, last: -1}
	f.buckets[prev].next, f.buckets[next].prev = b, b
	return b
}
