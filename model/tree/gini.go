package tree

import (
	"container/heap"
	"math/bits"
	"math/rand/v2"
)

// Classification trees after Breiman, Friedman, Olshen, Stone (CART, 1984),
// with a random choice of columns at every node (Breiman 2001), on bins.
//
// A split is searched by counting the node's rows per bin and class and
// walking the bins once: O(rows + occupied bins · classes) per column. With c
// columns tried per node a tree costs O(rows · c · depth). The histogram of a
// sibling by subtraction, which halves the work in boosting, would not pay
// here: parent and child try different columns.
//
// As in scikit-learn, and unlike CART, a split need not improve the impurity:
// the best one is taken as long as the node is impure, else a node of the XOR
// problem would stay a leaf.

// MaxClasses is the largest number of classes.
const MaxClasses = 128

// Sample is one row in the bag of a tree.
type Sample struct {
	Row    uint32
	Class  uint16
	Weight uint16 // how often the row was drawn
}

// Limits end the growth of a tree.
type Limits struct {
	MaxDepth       int // splits on the longest way, 0 = no limit
	MinSamplesLeaf int // least number of different rows in a leaf, 0 = 1
	MaxLeaves      int // 0 = no limit; with one, the split with the largest gain comes first
	MaxFeatures    int // columns tried per node, at least 1
}

// Grower grows classification trees on one Binned. It owns the buffers of one
// goroutine and is reused from tree to tree.
type Grower struct {
	binned  *Binned
	classes int
	shift   uint // the histogram has 1<<shift counters per bin
	limits  Limits

	// Two histograms, filled in turn (see count), of rows<<32 | weight per bin
	// and class.
	hist    [2][]uint64
	perm    []int16   // columns in any order
	right   []Sample  // buffer of partition
	weights []float64 // of the classes
	total   []uint64  // drawn rows per class at the node
	left    []float64
	rest    []float64
}

// NewGrower makes a grower for that many classes (at most MaxClasses).
func NewGrower(b *Binned, classes int, limits Limits) *Grower {
	g := &Grower{binned: b, classes: classes, limits: limits, shift: uint(bits.Len(uint(max(classes, 1) - 1)))}
	g.limits.MinSamplesLeaf = max(1, limits.MinSamplesLeaf)
	g.limits.MaxFeatures = max(1, min(limits.MaxFeatures, len(b.Cols)))
	for k := range g.hist {
		g.hist[k] = make([]uint64, 256<<g.shift)
	}
	g.perm = make([]int16, len(b.Cols))
	g.total = make([]uint64, classes)
	g.left = make([]float64, classes)
	g.rest = make([]float64, classes)
	return g
}

// Grown is a tree with what its growth learned.
type Grown struct {
	Tree   Tree      // Next of a leaf is its number
	Counts []uint32  // leaf l holds Counts[l*classes+c] drawn rows of class c
	Gain   []float64 // per column: sum of the decrease of weighted Gini impurity, as a share of the root's rows
}

// node is a leaf that may still be split.
type node struct {
	at       int32 // index in the tree
	depth    int32
	lo, hi   int // its samples
	constant []uint64
	split    split
}

// split is the best split found for a node.
type split struct {
	gain    float64 // decrease of weighted impurity, times the node's weight; negative = none
	feature int16
	bin     uint8 // bins ≤ bin go left
	missing uint8
}

// Grow grows a tree on samples, which it reorders. weights are those of the
// classes. Given the same samples in the same order and the same state of rng
// it grows the same tree.
func (g *Grower) Grow(samples []Sample, weights []float64, rng *rand.Rand) *Grown {
	g.weights = weights
	for j := range g.perm {
		g.perm[j] = int16(j)
	}
	if cap(g.right) < len(samples) {
		g.right = make([]Sample, len(samples))
	}
	out := &Grown{Gain: make([]float64, len(g.perm))}
	t := make(Tree, 1, 256)
	t[0] = Node{Feature: -1}
	var leaves [][2]int // samples of the node if it is a leaf
	leaves = append(leaves, [2]int{0, len(samples)})
	// With a limit on the leaves the most useful split comes first; without,
	// the order does not matter and the last node needs the least memory.
	todo := &queue{best: g.limits.MaxLeaves > 0}
	push := func(n node) {
		leaves[n.at] = [2]int{n.lo, n.hi}
		if g.limits.MaxDepth > 0 && int(n.depth) >= g.limits.MaxDepth {
			return
		}
		if n.split = g.search(samples[n.lo:n.hi], n.constant, rng); n.split.gain >= 0 {
			todo.push(n)
		}
	}
	push(node{hi: len(samples), constant: make([]uint64, (len(g.perm)+63)/64)})
	rootWeight := 0.0
	for c, w := range weights {
		rootWeight += float64(w * float64(g.total[c]))
	}
	for todo.Len() > 0 && (g.limits.MaxLeaves == 0 || len(t)/2+1 < g.limits.MaxLeaves) {
		n := todo.pop()
		s := n.split
		mid := n.lo + g.partition(samples[n.lo:n.hi], s)
		at := int32(len(t))
		t[n.at] = Node{Feature: s.feature, Threshold: g.binned.Cuts[s.feature][s.bin], Missing: s.missing, Next: at}
		out.Gain[s.feature] += s.gain / rootWeight
		t = append(t, Node{Feature: -1, Next: at}, Node{Feature: -1, Next: at + 1})
		leaves = append(leaves, [2]int{}, [2]int{})
		other := make([]uint64, len(n.constant))
		copy(other, n.constant)
		push(node{at: at, depth: n.depth + 1, lo: n.lo, hi: mid, constant: n.constant})
		push(node{at: at + 1, depth: n.depth + 1, lo: mid, hi: n.hi, constant: other})
	}
	t = t.breadthFirst()
	for i := range t {
		if t[i].Feature >= 0 {
			continue
		}
		r := leaves[t[i].Next]
		at := len(out.Counts)
		t[i].Next = int32(at / g.classes)
		out.Counts = append(out.Counts, make([]uint32, g.classes)...)
		for _, s := range samples[r[0]:r[1]] {
			out.Counts[at+int(s.Class)] += uint32(s.Weight)
		}
	}
	out.Tree = t
	return out
}

// search finds the best split of a node over randomly chosen columns. constant
// is the set of columns known to have one bin only in this node; it grows.
func (g *Grower) search(samples []Sample, constant []uint64, rng *rand.Rand) split {
	best := split{gain: -1}
	clear(g.total)
	for _, s := range samples {
		g.total[s.Class] += uint64(s.Weight)
	}
	present := 0
	weight, square := 0.0, 0.0
	for c, n := range g.total {
		if n > 0 {
			present++
		}
		w := float64(g.weights[c] * float64(n))
		weight += w
		square += float64(w * w)
	}
	if present < 2 || len(samples) < 2*g.limits.MinSamplesLeaf {
		return best
	}
	found := false
	for k := 0; k < len(g.perm) && (k < g.limits.MaxFeatures || !found); k++ {
		pick := k + rng.IntN(len(g.perm)-k)
		g.perm[k], g.perm[pick] = g.perm[pick], g.perm[k]
		j := g.perm[k]
		if constant[j/64]>>(j%64)&1 == 1 {
			continue
		}
		varies := g.scan(&best, samples, j, weight, square)
		if !varies {
			constant[j/64] |= 1 << (j % 64)
		}
		found = found || varies
	}
	return best
}

// scan tries every split of column j and reports whether the column varies.
func (g *Grower) scan(best *split, samples []Sample, j int16, weight, square float64) bool {
	occupied := g.count(samples, g.binned.Cols[j])
	total := 0
	for _, w := range occupied {
		total += bits.OnesCount64(w)
	}
	if total < 2 {
		g.wipe(occupied)
		return false
	}
	parent := square / weight
	stride := 1 << g.shift
	hasMissing := occupied[3]>>63 == 1
	// Missing values go right in the first pass and left in the second, which
	// is needed only if the node has some.
	for side := uint8(1); ; side-- {
		left, right := uint64(0), uint64(len(samples))
		lw, lsq, rw, rsq := 0.0, 0.0, weight, square
		clear(g.left)
		for c, n := range g.total {
			g.rest[c] = float64(g.weights[c] * float64(n))
		}
		move := func(bin int) {
			h := g.hist[0][bin*stride : bin*stride+g.classes]
			for c, n := range h {
				if n == 0 {
					continue
				}
				w := float64(g.weights[c] * float64(uint32(n)))
				l, r := g.left[c], g.rest[c]
				lsq += float64(w * (2*l + w))
				rsq -= float64(w * (2*r - w))
				g.left[c], g.rest[c] = l+w, r-w
				lw += w
				rw -= w
				left += n >> 32
				right -= n >> 32
			}
		}
		if side == 0 {
			move(MissingBin)
		}
		for w, word := range occupied {
			if w == 3 {
				word &^= 1 << 63
			}
			for ; word != 0; word &= word - 1 {
				bin := w*64 + bits.TrailingZeros64(word)
				move(bin)
				if left < uint64(g.limits.MinSamplesLeaf) || right < uint64(g.limits.MinSamplesLeaf) || rw <= 0 {
					continue
				}
				if gain := max(lsq/lw+rsq/rw-parent, 0); gain > best.gain {
					missing := side
					if !hasMissing && left >= right {
						missing = 0 // unseen here: with the majority
					}
					*best = split{gain: gain, feature: j, bin: uint8(bin), missing: missing}
				}
			}
		}
		if side == 0 || !hasMissing {
			break
		}
	}
	g.wipe(occupied)
	return true
}

// count fills hist[0] for a column and returns the set of bins that occur.
func (g *Grower) count(samples []Sample, col []uint8) (occupied [4]uint64) {
	shift := g.shift
	h0, h1 := g.hist[0], g.hist[1]
	if len(samples) < 256 {
		for _, s := range samples {
			b := uint(col[s.Row])
			occupied[b>>6] |= 1 << (b & 63)
			h0[b<<shift|uint(s.Class)] += 1<<32 | uint64(s.Weight)
		}
		return occupied
	}
	// Two histograms in turn: if most rows fall into one bin, an increment
	// would have to wait for the one before it.
	i := 0
	for ; i+1 < len(samples); i += 2 {
		a, b := samples[i], samples[i+1]
		h0[uint(col[a.Row])<<shift|uint(a.Class)] += 1<<32 | uint64(a.Weight)
		h1[uint(col[b.Row])<<shift|uint(b.Class)] += 1<<32 | uint64(b.Weight)
	}
	if i < len(samples) {
		a := samples[i]
		h0[uint(col[a.Row])<<shift|uint(a.Class)] += 1<<32 | uint64(a.Weight)
	}
	for b := range uint(256) {
		any := uint64(0)
		for k := b << shift; k < (b+1)<<shift; k++ {
			h0[k] += h1[k]
			h1[k] = 0
			any |= h0[k]
		}
		if any != 0 {
			occupied[b>>6] |= 1 << (b & 63)
		}
	}
	return occupied
}

// wipe clears the bins that count filled.
func (g *Grower) wipe(occupied [4]uint64) {
	for w, word := range occupied {
		for ; word != 0; word &= word - 1 {
			b := w*64 + bits.TrailingZeros64(word)
			clear(g.hist[0][b<<g.shift : (b+1)<<g.shift])
		}
	}
}

// partition moves the samples that go left to the front, keeping the order on
// both sides (rows in ascending order are read faster), and returns how many
// they are.
func (g *Grower) partition(samples []Sample, s split) int {
	col := g.binned.Cols[s.feature]
	// Missing is the largest code. To send it left, compare after adding one:
	// it becomes 0.
	add := 1 - s.missing
	limit := s.bin + add
	l, r := 0, 0
	for _, x := range samples {
		if col[x.Row]+add <= limit {
			samples[l] = x
			l++
		} else {
			g.right[r] = x
			r++
		}
	}
	copy(samples[l:], g.right[:r])
	return l
}

// queue holds the nodes that can be split: the last first, or the one with the
// largest gain.
type queue struct {
	best  bool
	nodes []node
}

func (q *queue) Len() int { return len(q.nodes) }
func (q *queue) Less(i, j int) bool {
	if q.nodes[i].split.gain != q.nodes[j].split.gain {
		return q.nodes[i].split.gain > q.nodes[j].split.gain
	}
	return q.nodes[i].at < q.nodes[j].at
}
func (q *queue) Swap(i, j int) { q.nodes[i], q.nodes[j] = q.nodes[j], q.nodes[i] }
func (q *queue) Push(x any)    { q.nodes = append(q.nodes, x.(node)) }
func (q *queue) Pop() any {
	n := q.nodes[len(q.nodes)-1]
	q.nodes = q.nodes[:len(q.nodes)-1]
	return n
}

func (q *queue) push(n node) {
	if q.best {
		heap.Push(q, n)
		return
	}
	q.nodes = append(q.nodes, n)
}

func (q *queue) pop() node {
	if q.best {
		return heap.Pop(q).(node)
	}
	return q.Pop().(node)
}
