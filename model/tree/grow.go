package tree

import (
	"container/heap"
	"math"
	"math/bits"
	"math/rand/v2"
)

// Classification and regression trees after Breiman, Friedman, Olshen, Stone
// (CART, 1984), with a random choice of columns at every node (Breiman 2001) and,
// if asked for, random cuts (extremely randomised trees: Geurts, Ernst, Wehenkel
// 2006), on bins.
//
// A split is searched by counting the node's rows per bin and class, for up to
// eight columns in one pass over the rows, and walking the bins once: O(rows +
// occupied bins · classes) per column. With c columns tried per node a tree
// costs O(rows · c · depth). The histogram of a sibling by subtraction, which
// halves the work in boosting, would not pay here: parent and child try
// different columns.
//
// What makes it fast: eight columns in turn, so that an increment need not
// wait for the one before it although most rows fall into one bin; rows of
// small nodes copied side by side, so that all that happens below stays in the
// second-level cache; counters for the classes that occur in the node only.
//
// As in scikit-learn, and unlike CART, a split need not improve the impurity:
// the best one is taken as long as the node is impure, else a node of the XOR
// problem would stay a leaf. Limits.MinGain changes that.
//
// Deviation from Geurts: the random cut is drawn between the cuts next to the
// smallest and the largest value of the node and then moved up to the end of
// its bin.

// MaxClasses is the largest number of classes.
const MaxClasses = 128

const (
	// pass is how many columns are counted in one pass over the rows.
	pass = 8
	// localBytes is the size of the copy of a small node's rows: half of a
	// second-level cache of 1 MiB.
	localBytes = 512 << 10
	// few is the number of rows up to which the set of occupied bins is kept as
	// bits; beyond, a byte per bin is marked and gathered afterwards.
	few = 64
)

// Criterion says what a split improves.
type Criterion uint8

// The criteria.
const (
	Gini         Criterion = iota
	Entropy                // in bits
	SquaredError           // regression
)

// Sample is one row in the bag of a tree.
type Sample struct {
	Row    uint32
	Class  uint16 // 0 for regression
	Weight uint16 // how often the row was drawn
}

// Limits end the growth of a tree and say how splits are chosen.
type Limits struct {
	MaxDepth       int     // splits on the longest way, 0 = no limit
	MinSamplesLeaf int     // least number of different rows in a leaf, 0 = 1
	MaxLeaves      int     // 0 = no limit; with one, the split with the largest gain comes first
	MaxFeatures    int     // columns tried per node, at least 1
	MinGain        float64 // least decrease of impurity, weighted with the node's share of the root
	Criterion      Criterion
	RandomCuts     bool // one random cut per column instead of the best one
}

// Grower grows trees on one binned matrix. It owns the buffers of one
// goroutine and is reused from tree to tree.
type Grower struct {
	rows    *Rows
	classes int
	target  []float64 // of the rows; regression only
	limits  Limits
	shift   uint // the histogram of a column has 1<<shift counters per bin
	byRows  bool // the last counter used counts different rows

	hist     []uint32 // pass columns, 256 bins, 1<<shift counters
	sums     []moment // instead of hist: regression
	mark     [pass][256]uint8
	occupied [pass][4]uint64

	local       []uint8 // rows of a small node, side by side
	localTarget []float64
	localRows   int // largest node that is copied

	perm  []int16 // columns in any order
	right []Sample

	// The node at hand: its classes that occur, in ascending order.
	number  [MaxClasses]uint8 // of a class among them
	present []uint8
	weight  []float64 // per present class
	count   []uint32  // drawn rows
	left    []uint32  // of these to the left of the cut; zero between scans
	rest    []uint32  // and to the right; of use within a scan
	node    total
	even    bool      // they weigh the same
	weights []float64 // of all classes
	drawn   []uint32  // per class

	bush      bush
	counts    []uint32
	leafMeans []float64
}

// moment is a bin of a regression histogram.
type moment struct {
	sum    float64
	weight uint32
	rows   uint32
}

// total is what is known about the node at hand before any split.
type total struct {
	rows   int
	drawn  uint64
	weight float64 // drawn, weighted by class
	sum    float64 // of targets
	base   float64 // what the gain of a split is measured from
}

// NewGrower makes a grower of classification trees for that many classes (at
// most MaxClasses).
func NewGrower(rows *Rows, classes int, limits Limits) *Grower {
	g := newGrower(rows, limits)
	g.classes = classes
	g.byRows = g.limits.MinSamplesLeaf > 1
	counters := classes
	if g.byRows {
		counters++
	}
	g.shift = uint(bits.Len(uint(max(counters, 1) - 1)))
	g.hist = make([]uint32, (pass+1)*256<<g.shift+MaxClasses+1) // see fillColumn and scanCounts
	g.drawn = make([]uint32, classes)
	g.present = make([]uint8, 0, classes)
	g.weight = make([]float64, classes)
	g.count = make([]uint32, classes)
	g.left = make([]uint32, classes)
	g.rest = make([]uint32, classes)
	return g
}

// NewRegressor makes a grower of regression trees; target holds one number per
// row. Numbers whose mean is far from 0 lose digits: subtract it first.
func NewRegressor(rows *Rows, target []float64, limits Limits) *Grower {
	limits.Criterion = SquaredError
	g := newGrower(rows, limits)
	g.target = target
	g.sums = make([]moment, pass*256)
	g.localTarget = make([]float64, g.localRows)
	return g
}

func newGrower(rows *Rows, limits Limits) *Grower {
	g := &Grower{rows: rows, limits: limits}
	g.limits.MinSamplesLeaf = max(1, limits.MinSamplesLeaf)
	g.limits.MaxFeatures = max(1, min(limits.MaxFeatures, rows.Columns))
	g.perm = make([]int16, rows.Columns)
	g.localRows = min(localBytes/max(rows.Columns, 1), rows.N)
	g.local = make([]uint8, g.localRows*rows.Columns)
	return g
}

// Grown is a tree with what its growth learned. Counts and Means are valid
// until the grower grows the next tree.
type Grown struct {
	Tree   Tree      // Next of a leaf is its number
	Counts []uint32  // leaf l holds Counts[l*classes+c] drawn rows of class c; regression: Counts[l] drawn rows
	Means  []float64 // regression: mean target of leaf l
	Gain   []float64 // per column: sum of the decrease of weighted impurity, as a share of the root's rows
}

// node is a leaf that may still be split.
type node struct {
	at     int32 // index in the tree
	depth  int32
	lo, hi int // its samples
	local  bool
	set    int // place of the columns known to be constant, see bush.sets
	split  split
}

// split is the best split found for a node.
type split struct {
	gain    float64 // decrease of weighted impurity, times the node's weight; negative = none
	feature int16
	bin     uint8 // bins ≤ bin go left
	missing uint8
}

// Grow grows a tree on samples, which it reorders and whose Row it overwrites.
// weights are those of the classes, nil for regression. Given the same samples
// in the same order and the same state of rng it grows the same tree.
func (g *Grower) Grow(samples []Sample, weights []float64, rng *rand.Rand) *Grown {
	for j := range g.perm {
		g.perm[j] = int16(j)
	}
	if cap(g.right) < len(samples) {
		g.right = make([]Sample, len(samples))
	}
	b := &g.bush
	*b = bush{Grower: g, samples: samples, rng: rng, gain: make([]float64, len(g.perm)), tree: b.tree[:0], leaves: b.leaves[:0], means: b.means[:0], todo: b.todo[:0], sets: b.sets[:0]}
	b.tree = append(b.tree, Node{Feature: -1})
	b.leaves = append(b.leaves, [2]int32{0, int32(len(samples))})
	g.weights = weights
	g.summarise(samples, false)
	b.rootWeight = g.node.weight
	if g.target != nil {
		b.means = append(b.means, g.mean(samples, false))
	}
	root := node{hi: len(samples)}
	for range (len(g.perm) + 63) / 64 {
		b.sets = append(b.sets, 0)
	}
	if g.limits.MaxLeaves > 0 {
		b.bestFirst(root)
	} else {
		b.depthFirst(root)
	}
	return b.finish()
}

// bush is a tree while it grows. Its slices are used again for the next one.
type bush struct {
	*Grower
	todo       []node
	sets       []uint64 // sets of constant columns
	samples    []Sample
	rng        *rand.Rand
	tree       Tree
	leaves     [][2]int32 // samples of each node
	means      []float64  // of each node; regression
	gain       []float64
	rootWeight float64
}

// depthFirst splits whatever can be split, the last node first: everything
// below a small node is done before its rows' copy is needed for another.
func (b *bush) depthFirst(root node) {
	b.todo = append(b.todo, root)
	for len(b.todo) > 0 {
		n := b.todo[len(b.todo)-1]
		b.todo = b.todo[:len(b.todo)-1]
		if !b.maySplit(&n) {
			continue
		}
		if !n.local && n.hi-n.lo <= b.localRows {
			b.copyRows(b.samples[n.lo:n.hi])
			n.local = true
		}
		if n.split = b.search(b.samples[n.lo:n.hi], n.local, b.set(n.set), b.rng); b.worth(&n.split) {
			l, r := b.apply(&n)
			b.todo = append(b.todo, l, r)
		}
	}
}

// bestFirst splits the node with the largest gain first, until there are
// enough leaves.
func (b *bush) bestFirst(root node) {
	todo := &queue{}
	push := func(n node) {
		if b.maySplit(&n) {
			if n.split = b.search(b.samples[n.lo:n.hi], false, b.set(n.set), b.rng); b.worth(&n.split) {
				heap.Push(todo, n)
			}
		}
	}
	push(root)
	for todo.Len() > 0 && len(b.tree)/2+1 < b.limits.MaxLeaves {
		n := heap.Pop(todo).(node)
		l, r := b.apply(&n)
		push(l)
		push(r)
	}
}

// maySplit reports whether the limits allow n to be split.
func (b *bush) maySplit(n *node) bool {
	return (b.limits.MaxDepth == 0 || int(n.depth) < b.limits.MaxDepth) && n.hi-n.lo >= 2*b.limits.MinSamplesLeaf
}

func (b *bush) worth(s *split) bool {
	return s.gain >= 0 && s.gain >= b.limits.MinGain*b.rootWeight
}

// apply splits n and returns its children.
func (b *bush) apply(n *node) (l, r node) {
	s := n.split
	mid := n.lo + b.partition(b.samples[n.lo:n.hi], n.local, s)
	at := int32(len(b.tree))
	b.tree[n.at] = Node{Feature: s.feature, Threshold: b.rows.Cuts[s.feature][s.bin], Missing: s.missing, Next: at}
	b.gain[s.feature] += s.gain / b.rootWeight
	b.tree = append(b.tree, Node{Feature: -1, Next: at}, Node{Feature: -1, Next: at + 1})
	b.leaves = append(b.leaves, [2]int32{int32(n.lo), int32(mid)}, [2]int32{int32(mid), int32(n.hi)})
	if b.target != nil { // now, because a copied row forgets which one it was
		b.means = append(b.means, b.mean(b.samples[n.lo:mid], n.local), b.mean(b.samples[mid:n.hi], n.local))
	}
	other := len(b.sets)
	b.sets = append(b.sets, b.set(n.set)...)
	l = node{at: at, depth: n.depth + 1, lo: n.lo, hi: mid, local: n.local, set: n.set}
	r = node{at: at + 1, depth: n.depth + 1, lo: mid, hi: n.hi, local: n.local, set: other}
	return l, r
}

// set is the set of columns that begins at that place.
func (b *bush) set(at int) []uint64 { return b.sets[at : at+(len(b.perm)+63)/64] }

// finish brings the tree into its final order and counts its leaves.
func (b *bush) finish() *Grown {
	t := b.tree.BreadthFirst()
	out := &Grown{Tree: t, Gain: b.gain, Counts: b.counts[:0], Means: b.leafMeans[:0]}
	classes := max(1, b.classes)
	leaf := int32(0)
	for i := range t {
		if t[i].Feature >= 0 {
			continue
		}
		r := b.leaves[t[i].Next]
		if b.target != nil {
			out.Means = append(out.Means, b.means[t[i].Next])
		}
		t[i].Next = leaf
		leaf++
		at := len(out.Counts)
		for range classes {
			out.Counts = append(out.Counts, 0)
		}
		for _, s := range b.samples[r[0]:r[1]] {
			out.Counts[at+int(s.Class)] += uint32(s.Weight)
		}
	}
	b.counts, b.leafMeans = out.Counts, out.Means
	return out
}

// copyRows puts the bins (and targets) of samples side by side and makes Row
// their place there.
func (g *Grower) copyRows(samples []Sample) {
	columns := g.rows.Columns
	for i := range samples {
		from := int(samples[i].Row) * columns
		copy(g.local[i*columns:(i+1)*columns], g.rows.Codes[from:from+columns])
		if g.target != nil {
			g.localTarget[i] = g.target[samples[i].Row]
		}
		samples[i].Row = uint32(i)
	}
}

// at returns the bins and targets that Row of a node's samples points into.
func (g *Grower) at(local bool) ([]uint8, []float64) {
	if local {
		return g.local, g.localTarget
	}
	return g.rows.Codes, g.target
}

// mean is the mean target of samples.
func (g *Grower) mean(samples []Sample, local bool) float64 {
	_, target := g.at(local)
	sum, weight := 0.0, 0.0
	for _, s := range samples {
		w := float64(s.Weight)
		sum += float64(w * target[s.Row])
		weight += w
	}
	return sum / weight
}

// summarise fills g.node and what belongs to it. It reports whether the node
// is impure.
func (g *Grower) summarise(samples []Sample, local bool) bool {
	g.node = total{rows: len(samples)}
	if g.target != nil {
		_, target := g.at(local)
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, s := range samples {
			y := target[s.Row]
			g.node.drawn += uint64(s.Weight)
			g.node.sum += float64(float64(s.Weight) * y)
			lo, hi = min(lo, y), max(hi, y)
		}
		g.node.weight = float64(g.node.drawn)
		g.node.base = float64(g.node.sum*g.node.sum) / g.node.weight
		return lo < hi
	}
	clear(g.drawn)
	for _, s := range samples {
		g.drawn[s.Class] += uint32(s.Weight)
	}
	g.present = g.present[:0]
	for c, n := range g.drawn {
		if n == 0 {
			continue
		}
		k := len(g.present)
		g.number[c] = uint8(k)
		g.present = append(g.present, uint8(c))
		g.count[k], g.weight[k], g.left[k] = n, g.weights[c], 0
		g.node.drawn += uint64(n)
		g.node.weight += float64(g.weights[c] * float64(n))
	}
	if len(g.present) < 2 {
		return false
	}
	g.even = true
	for _, w := range g.weight[1:len(g.present)] {
		g.even = g.even && w == g.weight[0]
	}
	g.node.base = g.side(g.node.weight)
	return true
}

// side is what a part of the node counts for in the gain of a split, for the
// part that g.left leaves out. The gain is the sum over both sides less that
// of the whole.
func (g *Grower) side(weight float64) float64 {
	sum := 0.0
	if g.limits.Criterion == Entropy {
		for k, n := range g.count[:len(g.present)] {
			if m := n - g.left[k]; m > 0 {
				w := float64(g.weight[k] * float64(m))
				sum += float64(w * math.Log2(w/weight))
			}
		}
		return sum
	}
	for k, n := range g.count[:len(g.present)] {
		w := float64(g.weight[k] * float64(n-g.left[k]))
		sum += float64(w * w)
	}
	return sum / weight
}

// search finds the best split of a node over randomly chosen columns. constant
// is the set of columns known to have one bin only in this node; it grows.
func (g *Grower) search(samples []Sample, local bool, constant []uint64, rng *rand.Rand) split {
	best := split{gain: -1}
	if !g.summarise(samples, local) {
		return best
	}
	codes, target := g.at(local)
	shift := g.shift
	if g.target == nil {
		counters := len(g.present)
		if g.byRows {
			counters++
		}
		shift = uint(bits.Len(uint(counters - 1)))
	}
	found := false
	var columns [pass]int32
	for k := 0; k < len(g.perm) && (k < g.limits.MaxFeatures || !found); {
		// A pass ends where the columns asked for do; if all of them were
		// constant, more are tried, one pass at a time.
		m := 0
		for end := k; k < len(g.perm) && m < pass && (k < g.limits.MaxFeatures || !found && k < max(end+1, g.limits.MaxFeatures)); k++ {
			pick := k + rng.IntN(len(g.perm)-k)
			g.perm[k], g.perm[pick] = g.perm[pick], g.perm[k]
			if j := g.perm[k]; constant[j/64]>>(j%64)&1 == 0 {
				columns[m] = int32(j)
				m++
			}
		}
		if m == 0 {
			continue
		}
		if target != nil {
			g.fillSums(samples, codes, target, columns[:m])
		} else {
			g.fillCounts(samples, codes, columns[:m], shift)
		}
		for i, j := range columns[:m] {
			set := &g.occupied[i]
			if bits.OnesCount64(set[0])+bits.OnesCount64(set[1])+bits.OnesCount64(set[2])+bits.OnesCount64(set[3]) < 2 {
				constant[j/64] |= 1 << (j % 64)
				g.wipe(i, shift)
				continue
			}
			found = true
			cut := -1
			if g.limits.RandomCuts {
				cut = g.randomCut(set, g.rows.Cuts[j], rng)
			}
			before := best.gain
			switch plain := g.limits.Criterion == Gini && !g.byRows && cut < 0 && set[3]>>63 == 0; {
			case target != nil:
				g.scanSums(&best, i, int16(j), cut)
				g.wipe(i, shift)
			case plain && len(g.present) == 2:
				g.scanTwo(&best, i, int16(j))
			case plain && g.even:
				g.scanEven(&best, i, int16(j), shift)
			case plain:
				g.scanGini(&best, i, int16(j), shift)
			default:
				g.scanCounts(&best, i, int16(j), shift, cut)
				g.wipe(i, shift)
			}
			if best.gain > before && cut < 0 {
				best.bin = middle(set, best.bin, g.rows.Cuts[j])
			}
		}
	}
	return best
}

// middle moves a cut into the middle of the empty bins behind it, as CART puts
// it half-way between the values of the node: at the end of its bin it would
// keep to the left, which costs accuracy where a node has few rows.
func middle(set *[4]uint64, bin uint8, cuts []float32) uint8 {
	lo, hi := int(bin), -1
	for w := (lo + 1) / 64; w < 4 && hi < 0; w++ {
		word := set[w]
		if w == (lo+1)/64 {
			word &^= 1<<((lo+1)%64) - 1
		}
		if w == 3 {
			word &^= 1 << 63
		}
		if word != 0 {
			hi = w*64 + bits.TrailingZeros64(word)
		}
	}
	if hi < lo+2 { // no gap, or only missing values beyond
		return bin
	}
	mid := float32((float64(cuts[lo]) + float64(cuts[hi-1])) / 2)
	k := lo + lowerBound(cuts[lo:hi-1], mid)
	if k > lo && mid-cuts[k-1] < cuts[k]-mid {
		k--
	}
	return uint8(k)
}

// fillCounts counts the samples per bin and class for up to pass columns.
func (g *Grower) fillCounts(samples []Sample, codes []uint8, columns []int32, shift uint) {
	stride := g.rows.Columns
	hist := g.hist[:len(columns)<<(8+shift)]
	extra := uint(len(g.present))
	if len(samples) <= few {
		clear(g.occupied[:len(columns)])
		for _, s := range samples {
			row := codes[int(s.Row)*stride : int(s.Row)*stride+stride]
			class, w := uint(g.number[s.Class&(MaxClasses-1)]), uint32(s.Weight)
			for k, j := range columns {
				b := uint(row[j])
				g.occupied[k][b>>6] |= 1 << (b & 63)
				at := (uint(k)<<8 | b) << shift
				hist[at|class] += w
				if g.byRows {
					hist[at|extra]++
				}
			}
		}
		return
	}
	if g.dense(samples, codes) && !g.byRows {
		for k, j := range columns {
			g.fillColumn(samples, g.rows.Cols[j], k, shift)
		}
		return
	}
	if g.byRows {
		for _, s := range samples {
			row := codes[int(s.Row)*stride : int(s.Row)*stride+stride]
			class, w := uint(g.number[s.Class&(MaxClasses-1)]), uint32(s.Weight)
			for k, j := range columns {
				b := uint(row[j])
				g.mark[k&(pass-1)][b] = 1
				at := (uint(k)<<8 | b) << shift
				hist[at|class] += w
				hist[at|extra]++
			}
		}
	} else {
		g.fillMany(samples, codes, columns, shift)
	}
	g.gather(len(columns))
}

// dense reports whether the node holds so many of all rows that reading whole
// columns is cheaper than a line or two of the cache for every row.
func (g *Grower) dense(samples []Sample, codes []uint8) bool {
	return g.rows.Cols != nil && 16*len(samples) >= g.rows.N && len(samples) > 4096 && &codes[0] == &g.rows.Codes[0]
}

// fillColumn counts the samples of a dense node for the k-th column, in two
// histograms in turn: if most rows fall into one bin, an increment would have
// to wait for the one before it.
func (g *Grower) fillColumn(samples []Sample, col []uint8, k int, shift uint) {
	size := 256 << shift
	h0, h1 := g.hist[k*size:(k+1)*size], g.hist[pass*size:(pass+1)*size]
	number := &g.number
	i := 0
	for ; i+1 < len(samples); i += 2 {
		a, b := samples[i], samples[i+1]
		h0[uint(col[a.Row])<<shift|uint(number[a.Class&(MaxClasses-1)])] += uint32(a.Weight)
		h1[uint(col[b.Row])<<shift|uint(number[b.Class&(MaxClasses-1)])] += uint32(b.Weight)
	}
	if i < len(samples) {
		a := samples[i]
		h0[uint(col[a.Row])<<shift|uint(number[a.Class&(MaxClasses-1)])] += uint32(a.Weight)
	}
	set := &g.occupied[k]
	*set = [4]uint64{}
	for b := range uint(256) {
		any := uint32(0)
		for i := b << shift; i < (b+1)<<shift; i++ {
			h0[i] += h1[i]
			h1[i] = 0
			any |= h0[i]
		}
		if any != 0 {
			set[b>>6] |= 1 << (b & 63)
		}
	}
}

// fillMany is the loop of fillCounts for many rows, unrolled: it is where most
// of the time of a fit goes.
func (g *Grower) fillMany(samples []Sample, codes []uint8, columns []int32, shift uint) {
	stride := g.rows.Columns
	hist := g.hist[:pass<<(8+shift)]
	var c [pass]int32
	n := copy(c[:], columns)
	mark := &g.mark
	for _, s := range samples {
		row := codes[int(s.Row)*stride : int(s.Row)*stride+stride]
		class, w := uint(g.number[s.Class&(MaxClasses-1)]), uint32(s.Weight)
		switch n {
		case 8:
			b := uint(row[c[7]])
			hist[(7<<8|b)<<shift|class] += w
			mark[7][b] = 1
			fallthrough
		case 7:
			b := uint(row[c[6]])
			hist[(6<<8|b)<<shift|class] += w
			mark[6][b] = 1
			fallthrough
		case 6:
			b := uint(row[c[5]])
			hist[(5<<8|b)<<shift|class] += w
			mark[5][b] = 1
			fallthrough
		case 5:
			b := uint(row[c[4]])
			hist[(4<<8|b)<<shift|class] += w
			mark[4][b] = 1
			fallthrough
		case 4:
			b := uint(row[c[3]])
			hist[(3<<8|b)<<shift|class] += w
			mark[3][b] = 1
			fallthrough
		case 3:
			b := uint(row[c[2]])
			hist[(2<<8|b)<<shift|class] += w
			mark[2][b] = 1
			fallthrough
		case 2:
			b := uint(row[c[1]])
			hist[(1<<8|b)<<shift|class] += w
			mark[1][b] = 1
			fallthrough
		default:
			b := uint(row[c[0]])
			hist[b<<shift|class] += w
			mark[0][b] = 1
		}
	}
}

// fillSums sums targets and weights per bin for up to pass columns.
func (g *Grower) fillSums(samples []Sample, codes []uint8, target []float64, columns []int32) {
	stride := g.rows.Columns
	for _, s := range samples {
		row := codes[int(s.Row)*stride : int(s.Row)*stride+stride]
		w := uint32(s.Weight)
		sum := float64(float64(w) * target[s.Row])
		for k, j := range columns {
			b := row[j]
			g.mark[k&(pass-1)][b] = 1
			m := &g.sums[uint(k)<<8|uint(b)]
			m.sum += sum
			m.weight += w
			m.rows++
		}
	}
	g.gather(len(columns))
}

// gather turns the marks of columns into sets of bits and clears them.
func (g *Grower) gather(columns int) {
	for k := range columns {
		mark := &g.mark[k]
		for w := range 4 {
			set := uint64(0)
			for i := range 8 {
				m := mark[w*64+i*8 : w*64+i*8+8]
				x := uint64(m[0]) | uint64(m[1])<<8 | uint64(m[2])<<16 | uint64(m[3])<<24 | uint64(m[4])<<32 | uint64(m[5])<<40 | uint64(m[6])<<48 | uint64(m[7])<<56
				// Eight bytes of 0 or 1 become eight bits.
				set |= x * 0x0102040810204080 >> 56 << (8 * i)
			}
			g.occupied[k][w] = set
		}
		clear(mark[:])
	}
}

// wipe clears the bins of column k that were filled.
func (g *Grower) wipe(k int, shift uint) {
	for w, word := range g.occupied[k] {
		for ; word != 0; word &= word - 1 {
			b := k<<8 | w*64 + bits.TrailingZeros64(word)
			if g.target != nil {
				g.sums[b] = moment{}
			} else {
				clear(g.hist[b<<shift : (b+1)<<shift])
			}
		}
	}
}

// randomCut draws the bin at whose end a random cut lies.
func (g *Grower) randomCut(set *[4]uint64, cuts []float32, rng *rand.Rand) int {
	lo, hi := -1, -1
	for w, word := range set {
		if w == 3 {
			word &^= 1 << 63
		}
		if word == 0 {
			continue
		}
		if lo < 0 {
			lo = w*64 + bits.TrailingZeros64(word)
		}
		hi = w*64 + 63 - bits.LeadingZeros64(word)
	}
	if lo == hi { // one value and missing ones: the only cut is between them
		return lo
	}
	a, b := float64(cuts[lo]), float64(cuts[hi-1])
	return min(hi-1, lo+lowerBound(cuts[lo:hi], float32(a+float64(rng.Float64()*(b-a)))))
}

// scanTwo tries every split of a column of a node with two classes and no
// missing value, by Gini: the most frequent case. The counts of both classes
// stand side by side. It clears the histogram on its way.
func (g *Grower) scanTwo(best *split, k int, j int16) {
	hist := g.hist[k<<9 : (k+1)<<9]
	n0, n1 := g.count[0], g.count[1]
	w0, w1 := g.weight[0], g.weight[1]
	a, b := uint32(0), uint32(0)
	top, bin := best.gain, -1
	base := g.node.base
	var at0, at1 uint32
	for w, word := range g.occupied[k] {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			a += hist[2*i]
			b += hist[2*i+1]
			hist[2*i], hist[2*i+1] = 0, 0
			if a == n0 && b == n1 {
				break
			}
			l0, l1 := float64(w0*float64(a)), float64(w1*float64(b))
			r0, r1 := float64(w0*float64(n0-a)), float64(w1*float64(n1-b))
			gain := (float64(l0*l0)+float64(l1*l1))/(l0+l1) + (float64(r0*r0)+float64(r1*r1))/(r0+r1) - base
			if gain > top {
				top, bin, at0, at1 = gain, i, a, b
			}
		}
	}
	if top = max(top, 0); bin < 0 || top <= best.gain {
		return
	}
	missing := uint8(1)
	if 2*(uint64(at0)+uint64(at1)) >= g.node.drawn {
		missing = 0 // unseen here: with the majority
	}
	*best = split{gain: top, feature: j, bin: uint8(bin), missing: missing}
}

// scanGini is scanTwo for any number of classes. The sums of squares of both
// sides are kept up from bin to bin, for the classes that a bin holds: below
// the top of a tree these are few.
func (g *Grower) scanGini(best *split, k int, j int16, shift uint) {
	hist := g.hist[k<<(8+shift):]
	classes := len(g.present)
	left, count, weight := g.left[:classes], g.count[:classes], g.weight[:classes]
	clear(left)
	base := g.node.base
	lw, lsq, rw, rsq := 0.0, 0.0, g.node.weight, float64(base*g.node.weight)
	drawn, total := uint64(0), g.node.drawn
	top, bin, half := best.gain, -1, uint64(0)
	for w, word := range g.occupied[k] {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			h := hist[i<<shift:]
			h = h[:classes]
			for c, n := range h {
				if n == 0 {
					continue
				}
				l, d := float64(weight[c]*float64(left[c])), float64(weight[c]*float64(n))
				r := float64(weight[c] * float64(count[c]-left[c]))
				h[c] = 0
				left[c] += n
				drawn += uint64(n)
				lw += d
				rw -= d
				lsq += float64(d * (2*l + d))
				rsq -= float64(d * (2*r - d))
			}
			if drawn == total {
				break
			}
			if gain := lsq/lw + rsq/rw - base; gain > top {
				top, bin, half = gain, i, drawn
			}
		}
	}
	clear(left)
	if top = max(top, 0); bin < 0 || top <= best.gain {
		return
	}
	missing := uint8(1)
	if 2*half >= total {
		missing = 0 // unseen here: with the majority
	}
	*best = split{gain: top, feature: j, bin: uint8(bin), missing: missing}
}

// scanEven is scanGini for classes of the same weight: in integers, and without
// a branch per class.
func (g *Grower) scanEven(best *split, k int, j int16, shift uint) {
	hist := g.hist[k<<(8+shift):]
	classes := len(g.present)
	left, rest := g.left[:classes], g.rest[:classes]
	lsq, rsq := int64(0), int64(0)
	for c, n := range g.count[:classes] {
		rest[c] = n
		rsq += int64(n) * int64(n)
	}
	drawn, total := int64(0), int64(g.node.drawn)
	weight := g.weight[0]
	base := g.node.base / weight
	top, bin, half := best.gain/weight, -1, int64(0)
	for w, word := range g.occupied[k] {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			h := hist[i<<shift:]
			h = h[:classes]
			for c, n := range h {
				h[c] = 0
				l, r := left[c], rest[c]
				left[c], rest[c] = l+n, r-n
				drawn += int64(n)
				lsq += int64(n) * int64(2*l+n)
				rsq -= int64(n) * int64(2*r-n)
			}
			if drawn == total {
				break
			}
			if gain := float64(lsq)/float64(drawn) + float64(rsq)/float64(total-drawn) - base; gain > top {
				top, bin, half = gain, i, drawn
			}
		}
	}
	clear(left)
	if top = max(top, 0) * weight; bin < 0 || top <= best.gain {
		return
	}
	missing := uint8(1)
	if 2*half >= total {
		missing = 0 // unseen here: with the majority
	}
	*best = split{gain: top, feature: j, bin: uint8(bin), missing: missing}
}

// scanCounts tries every split of a column, or only the one at cut.
func (g *Grower) scanCounts(best *split, k int, j int16, shift uint, cut int) {
	hist := g.hist[k<<(8+shift):]
	classes := len(g.present)
	left, count := g.left[:classes], g.count[:classes]
	weight := g.weight[:classes]
	set := &g.occupied[k]
	hasMissing := set[3]>>63 == 1
	minLeaf := g.limits.MinSamplesLeaf
	gini := g.limits.Criterion == Gini
	// Missing values go right in the first round and left in the second, which
	// is needed only if the node has some.
	for side := uint8(1); ; side-- {
		clear(left)
		drawn, rows := uint64(0), 0
		add := func(bin int) {
			h := hist[bin<<shift:]
			h = h[:classes+1] // the counter behind the classes exists or is the next bin's
			for c := range left {
				left[c] += h[c]
				drawn += uint64(h[c])
			}
			if g.byRows {
				rows += int(h[classes])
			}
		}
		try := func(bin int) {
			if drawn == 0 || drawn == g.node.drawn || g.byRows && (rows < minLeaf || g.node.rows-rows < minLeaf) {
				return
			}
			gain := 0.0
			if gini {
				lw, lsq, rw, rsq := 0.0, 0.0, 0.0, 0.0
				for c, n := range left {
					w := weight[c]
					l, r := float64(w*float64(n)), float64(w*float64(count[c]-n))
					lw += l
					rw += r
					lsq += float64(l * l)
					rsq += float64(r * r)
				}
				gain = lsq/lw + rsq/rw - g.node.base
			} else {
				gain = g.entropyGain()
			}
			if gain = max(gain, 0); gain > best.gain {
				missing := side
				if !hasMissing && 2*drawn >= g.node.drawn {
					missing = 0 // unseen here: with the majority
				}
				*best = split{gain: gain, feature: j, bin: uint8(bin), missing: missing}
			}
		}
		if side == 0 {
			add(MissingBin)
		}
		walk(set, cut, add, try)
		if side == 0 || !hasMissing {
			break
		}
	}
	clear(left)
}

// walk adds the occupied bins in ascending order and tries the cut behind each
// of them, or, if cut is not negative, only that one.
func walk(set *[4]uint64, cut int, add, try func(bin int)) {
	for w, word := range set {
		if w == 3 {
			word &^= 1 << 63
		}
		for ; word != 0; word &= word - 1 {
			bin := w*64 + bits.TrailingZeros64(word)
			if cut >= 0 && bin > cut {
				break
			}
			add(bin)
			if cut < 0 {
				try(bin)
			}
		}
	}
	if cut >= 0 {
		try(cut)
	}
}

// entropyGain is the gain of the split that g.left describes.
func (g *Grower) entropyGain() float64 {
	lw := 0.0
	for c, n := range g.left[:len(g.present)] {
		lw += float64(g.weight[c] * float64(n))
	}
	gain := g.side(g.node.weight-lw) - g.node.base
	for c, n := range g.left[:len(g.present)] {
		if n > 0 {
			w := float64(g.weight[c] * float64(n))
			gain += float64(w * math.Log2(w/lw))
		}
	}
	return gain
}

// scanSums is scanCounts for regression.
func (g *Grower) scanSums(best *split, k int, j int16, cut int) {
	sums := g.sums[k<<8 : (k+1)<<8]
	set := &g.occupied[k]
	hasMissing := set[3]>>63 == 1
	minLeaf := g.limits.MinSamplesLeaf
	for side := uint8(1); ; side-- {
		sum, drawn, rows := 0.0, uint64(0), 0
		add := func(bin int) {
			m := &sums[bin]
			sum += m.sum
			drawn += uint64(m.weight)
			rows += int(m.rows)
		}
		try := func(bin int) {
			if rows < minLeaf || g.node.rows-rows < minLeaf {
				return
			}
			l, r := float64(drawn), float64(g.node.drawn-drawn)
			rest := g.node.sum - sum
			gain := float64(sum*sum)/l + float64(rest*rest)/r - g.node.base
			if gain = max(gain, 0); gain > best.gain {
				missing := side
				if !hasMissing && 2*drawn >= g.node.drawn {
					missing = 0
				}
				*best = split{gain: gain, feature: j, bin: uint8(bin), missing: missing}
			}
		}
		if side == 0 {
			add(MissingBin)
		}
		walk(set, cut, add, try)
		if side == 0 || !hasMissing {
			break
		}
	}
}

// partition moves the samples that go left to the front, keeping the order on
// both sides (rows in ascending order are read faster), and returns how many
// they are.
func (g *Grower) partition(samples []Sample, local bool, s split) int {
	codes, _ := g.at(local)
	stride := g.rows.Columns
	if g.dense(samples, codes) {
		codes, stride = g.rows.Cols[s.feature], 1
	} else {
		codes = codes[s.feature:]
	}
	// Missing is the largest code. To send it left, compare after adding one:
	// it becomes 0.
	add := 1 - s.missing
	limit := s.bin + add
	right := g.right[:len(samples)]
	l, r := 0, 0
	// Both places are written and one counts: which side a row goes to is hard
	// to guess for the processor.
	for _, x := range samples {
		samples[l] = x
		right[r] = x
		goes := 0
		if codes[int(x.Row)*stride]+add <= limit {
			goes = 1
		}
		l += goes
		r += 1 - goes
	}
	copy(samples[l:], right[:r])
	return l
}

// queue is a heap of nodes that can be split, the one with the largest gain on
// top.
type queue []node

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].split.gain != q[j].split.gain {
		return q[i].split.gain > q[j].split.gain
	}
	return q[i].at < q[j].at
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(node)) }
func (q *queue) Pop() any {
	old := *q
	n := old[len(old)-1]
	*q = old[:len(old)-1]
	return n
}
