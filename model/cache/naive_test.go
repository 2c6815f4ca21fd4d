package cache

import (
	"math"
	"slices"

	"apiml/frame"
)

// naive replays a policy in the plainest way: queues are slices with the oldest
// first, counts are recomputed.
func naive(name string, t *frame.Trace, capacity int64) []bool {
	hits := make([]bool, len(t.Keys))
	if t.Sizes == nil {
		capacity = min(capacity, int64(t.N))
	}
	var step func(i int, k int32, size int64) bool
	switch name {
	case "lru", "fifo":
		step = naiveQueue(name == "lru", capacity)
	case "lfu":
		step = naiveLFU(capacity)
	case "sieve":
		step = naiveSieve(capacity)
	case "slru":
		step = naiveSLRU(capacity)
	case "2q":
		step = naive2Q(capacity)
	case "arc":
		step = naiveARC(capacity)
	case "lfuda", "gdsf":
		step = naiveGreedy(capacity, name == "gdsf")
	case "lirs":
		step = naiveLIRS(capacity)
	case "s3fifo":
		step = naiveS3FIFO(capacity)
	case "wtinylfu":
		step = naiveTinyLFU(capacity)
	case "belady":
		step = naiveBelady(t, capacity)
	}
	for i, k := range t.Keys {
		hits[i] = step(i, k, sizeAt(t, i))
	}
	return hits
}

type item struct {
	key     int32
	size    int64
	n       int
	visited bool
}

type items []item

func (q items) find(k int32) int {
	return slices.IndexFunc(q, func(x item) bool { return x.key == k })
}

func (q items) sum() (s int64) {
	for _, x := range q {
		s += x.size
	}
	return s
}

// take removes and returns item i.
func (q *items) take(i int) item {
	x := (*q)[i]
	*q = slices.Delete(slices.Clone(*q), i, i+1)
	return x
}

func naiveQueue(touch bool, capacity int64) func(int, int32, int64) bool {
	var q items
	return func(_ int, k int32, size int64) bool {
		if at := q.find(k); at >= 0 {
			if touch {
				q = append(q, q.take(at))
			}
			return true
		}
		if size > capacity {
			return false
		}
		for q.sum()+size > capacity {
			q.take(0)
		}
		q = append(q, item{key: k, size: size})
		return false
	}
}

func naiveLFU(capacity int64) func(int, int32, int64) bool {
	var q items // by last request
	return func(_ int, k int32, size int64) bool {
		if at := q.find(k); at >= 0 {
			x := q.take(at)
			x.n++
			q = append(q, x)
			return true
		}
		if size > capacity {
			return false
		}
		for q.sum()+size > capacity {
			least := 0
			for i, x := range q {
				if x.n < q[least].n {
					least = i
				}
			}
			q.take(least)
		}
		q = append(q, item{key: k, size: size, n: 1})
		return false
	}
}

func naiveSLRU(capacity int64) func(int, int32, int64) bool {
	var probation, protected items
	return func(_ int, k int32, size int64) bool {
		at, safe := probation.find(k), protected.find(k)
		switch {
		case safe >= 0:
			protected = append(protected, protected.take(safe))
			return true
		case at >= 0:
			protected = append(protected, probation.take(at))
			for protected.sum() > capacity*4/5 {
				probation = append(probation, protected.take(0))
			}
			return true
		case size > capacity:
			return false
		}
		for probation.sum()+protected.sum()+size > capacity {
			if len(probation) > 0 {
				probation.take(0)
			} else {
				protected.take(0)
			}
		}
		probation = append(probation, item{key: k, size: size})
		return false
	}
}

func naive2Q(capacity int64) func(int, int32, int64) bool {
	var a1in, a1out, am items
	return func(_ int, k int32, size int64) bool {
		if at := am.find(k); at >= 0 {
			am = append(am, am.take(at))
			return true
		}
		if a1in.find(k) >= 0 {
			return true
		}
		if size > capacity {
			return false
		}
		hot := a1out.find(k) >= 0
		for a1in.sum()+am.sum()+size > capacity {
			if a1in.sum() > max(1, capacity/4) || len(am) == 0 {
				a1out = append(a1out, a1in.take(0))
				for a1out.sum() > max(1, capacity/2) {
					a1out.take(0)
				}
			} else {
				am.take(0)
			}
		}
		if at := a1out.find(k); at >= 0 {
			a1out.take(at)
		}
		if x := (item{key: k, size: size}); hot {
			am = append(am, x)
		} else {
			a1in = append(a1in, x)
		}
		return false
	}
}

func naiveSieve(capacity int64) func(int, int32, int64) bool {
	var q items
	hand := int32(-1) // a key, −1 = the tail
	return func(_ int, k int32, size int64) bool {
		if at := q.find(k); at >= 0 {
			q[at].visited = true
			return true
		}
		if size > capacity {
			return false
		}
		for q.sum()+size > capacity {
			at := max(q.find(hand), 0)
			for q[at].visited {
				q[at].visited = false
				at = (at + 1) % len(q)
			}
			hand = -1
			if at+1 < len(q) {
				hand = q[at+1].key
			}
			q.take(at)
		}
		q = append(q, item{key: k, size: size})
		return false
	}
}

func naiveARC(c int64) func(int, int32, int64) bool {
	var t1, t2, b1, b2 items
	p := 0.0
	replace := func(inB2 bool) {
		if len(t1) > 0 && (float64(t1.sum()) > p || inB2 && float64(t1.sum()) == p) || len(t2) == 0 {
			b1 = append(b1, t1.take(0))
		} else {
			b2 = append(b2, t2.take(0))
		}
	}
	return func(_ int, k int32, size int64) bool {
		if at := t1.find(k); at >= 0 {
			t2 = append(t2, t1.take(at))
			return true
		}
		if at := t2.find(k); at >= 0 {
			t2 = append(t2, t2.take(at))
			return true
		}
		if size > c {
			return false
		}
		if at := b1.find(k); at >= 0 {
			p = math.Min(float64(c), p+float64(size*max(1, b2.sum()/b1.sum())))
			b1.take(at)
			for t1.sum()+t2.sum()+size > c {
				replace(false)
			}
			t2 = append(t2, item{key: k, size: size})
			return false
		}
		if at := b2.find(k); at >= 0 {
			p = math.Max(0, p-float64(size*max(1, b1.sum()/b2.sum())))
			b2.take(at)
			for t1.sum()+t2.sum()+size > c {
				replace(true)
			}
			t2 = append(t2, item{key: k, size: size})
			return false
		}
		for t1.sum()+b1.sum()+size > c {
			if len(b1) > 0 {
				b1.take(0)
			} else {
				t1.take(0)
			}
		}
		for t1.sum()+t2.sum()+b1.sum()+b2.sum()+size > 2*c && len(b2) > 0 {
			b2.take(0)
		}
		for t1.sum()+t2.sum()+size > c {
			replace(false)
		}
		t1 = append(t1, item{key: k, size: size})
		return false
	}
}

func naiveS3FIFO(capacity int64) func(int, int32, int64) bool {
	var s, m, g items
	small := max(1, capacity/10)
	evictM := func() {
		for {
			x := m.take(0)
			if x.n == 0 {
				return
			}
			x.n--
			m = append(m, x)
		}
	}
	evictS := func() {
		for len(s) > 0 {
			x := s.take(0)
			if x.n > 1 {
				x.n = 0
				m = append(m, x)
				if m.sum() > capacity-small {
					evictM()
				}
				continue
			}
			g = append(g, x)
			for g.sum() > capacity-small {
				g.take(0)
			}
			return
		}
	}
	return func(_ int, k int32, size int64) bool {
		for _, q := range []items{s, m} {
			if at := q.find(k); at >= 0 {
				q[at].n = min(3, q[at].n+1)
				return true
			}
		}
		if size > capacity {
			return false
		}
		for s.sum()+m.sum()+size > capacity {
			if s.sum() >= small || len(m) == 0 {
				evictS()
			} else {
				evictM()
			}
		}
		if at := g.find(k); at >= 0 {
			g.take(at)
			m = append(m, item{key: k, size: size})
		} else {
			s = append(s, item{key: k, size: size})
		}
		return false
	}
}

func naiveTinyLFU(capacity int64) func(int, int32, int64) bool {
	var window, probation, protected items
	windowCap := max(1, capacity/100)
	mainCap := capacity - windowCap
	count := map[int32]int{}
	requests := 0
	return func(_ int, k int32, size int64) bool {
		count[k] = min(15, count[k]+1)
		if requests++; requests >= 10*max(10, len(window)+len(probation)+len(protected)) {
			requests /= 2
			for k := range count {
				count[k] /= 2
			}
		}
		if at := window.find(k); at >= 0 {
			window = append(window, window.take(at))
			return true
		}
		for _, q := range []*items{&probation, &protected} {
			if at := q.find(k); at >= 0 {
				protected = append(protected, q.take(at))
				for protected.sum() > mainCap*4/5 {
					probation = append(probation, protected.take(0))
				}
				return true
			}
		}
		if size > capacity {
			return false
		}
		window = append(window, item{key: k, size: size})
		for window.sum() > windowCap {
			x := window.take(0)
			if x.size > mainCap {
				continue
			}
			// The victims, oldest first; all of them must be wanted less than x.
			victims, free, wanted := 0, mainCap-probation.sum()-protected.sum(), 0
			all := slices.Concat(probation, protected)
			for free < x.size && victims < len(all) {
				free += all[victims].size
				wanted += count[all[victims].key]
				victims++
			}
			if victims > 0 && count[x.key] <= wanted {
				continue
			}
			for range victims {
				if len(probation) > 0 {
					probation.take(0)
				} else {
					protected.take(0)
				}
			}
			probation = append(probation, x)
		}
		return false
	}
}

func naiveBelady(t *frame.Trace, capacity int64) func(int, int32, int64) bool {
	var q items // n: its last request
	next := func(i int, k int32) int {
		for j := i + 1; j < len(t.Keys); j++ {
			if t.Keys[j] == k {
				return j
			}
		}
		return math.MaxInt
	}
	return func(i int, k int32, size int64) bool {
		if at := q.find(k); at >= 0 {
			q[at].n = i
			return true
		}
		if size > capacity {
			return false
		}
		for q.sum()+size > capacity {
			worst := 0
			for j := range q {
				a, b := next(i, q[j].key), next(i, q[worst].key)
				if a > b || a == b && q[j].n > q[worst].n {
					worst = j
				}
			}
			q.take(worst)
		}
		q = append(q, item{key: k, size: size, n: i})
		return false
	}
}

func naiveLIRS(capacity int64) func(int, int32, int64) bool {
	var stack items // the newest last; n > 0 = LIR
	var queue items // stored HIR objects, the victim first
	high := max(1, capacity/100)
	low := func() (sum int64) {
		for _, x := range stack {
			if x.n > 0 {
				sum += x.size
			}
		}
		return sum
	}
	prune := func() {
		for len(stack) > 0 && stack[0].n == 0 {
			stack.take(0)
		}
	}
	demote := func() {
		x := stack.take(0)
		x.n = 0
		queue = append(queue, x)
		prune()
	}
	push := func(x item) {
		if at := stack.find(x.key); at >= 0 {
			stack.take(at)
		}
		stack = append(stack, x)
	}
	settle := func() {
		for low() > capacity-high {
			demote()
		}
	}
	return func(_ int, k int32, size int64) bool {
		s, q := stack.find(k), queue.find(k)
		switch {
		case s >= 0 && stack[s].n > 0:
			push(stack[s])
			prune()
			return true
		case q >= 0 && s >= 0:
			x := queue.take(q)
			x.n = 1
			push(x)
			settle()
			return true
		case q >= 0:
			x := queue.take(q)
			push(x)
			queue = append(queue, x)
			prune()
			return true
		case size > capacity:
			return false
		}
		for low()+queue.sum()+size > capacity {
			if len(queue) == 0 {
				demote()
				continue
			}
			queue.take(0)
		}
		x := item{key: k, size: size}
		if s >= 0 || low()+size <= capacity-high {
			x.n = 1
			push(x)
			settle()
			return false
		}
		push(x)
		queue = append(queue, x)
		prune()
		return false
	}
}

func naiveGreedy(capacity int64, sized bool) func(int, int32, int64) bool {
	var q items // by last request
	priority := map[int32]float64{}
	age := 0.0
	touch := func(x item) {
		x.n++
		priority[x.key] = float64(x.n)
		if sized {
			priority[x.key] = float64(x.n) / float64(x.size)
		}
		priority[x.key] += age
		q = append(q, x)
	}
	return func(_ int, k int32, size int64) bool {
		if at := q.find(k); at >= 0 {
			touch(q.take(at))
			return true
		}
		if size > capacity {
			return false
		}
		for q.sum()+size > capacity {
			v := 0
			for i, x := range q {
				if priority[x.key] < priority[q[v].key] {
					v = i
				}
			}
			age = priority[q.take(v).key]
		}
		touch(item{key: k, size: size})
		return false
	}
}
