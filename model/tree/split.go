package tree

import (
	"math"
	"slices"
	"sync"

	"apiml/frame"
)

// Splits are for prediction on blocks of 64 rows that have much in common, as
// the requests of a log have: instead of 64 rows that walk down, the set of rows
// is split at each node that any of them reaches. A set is a word with a bit per
// row, a split an AND, so rows that go the same way cost no more than one.
//
// For every threshold of a column, a block first gets the set of rows above it:
// a binary search per value, then one OR per threshold that the block's values
// lie around. (QuickScorer, Lucchese et al., SIGIR 2015, evaluates conditions
// outside of the trees too, but keeps a bit per leaf of a tree: none too many for
// 64 leaves, far too many for thousands.)
//
// Cost per block: O(columns · 64 · log thresholds), then O(nodes reached), which
// is between once and 64 times the depth of the trees. It pays up to about four
// nodes per row and tree (Visits); rows without anything in common take Flat.

// Splits is trees laid out so. It is safe for concurrent use.
type Splits struct {
	columns []splitCuts
	levels  int      // thresholds of all columns
	nodes   []uint64 // see below
	roots   []uint32
	blocks  sync.Pool // of *SplitBlock, done with
}

// splitCuts is the thresholds on one column.
type splitCuts struct {
	cuts  []int32 // their keys, ascending
	first int     // level of the first of them
}

const (
	// Bits 0…31 of a node: twice the level (which threshold of which column), one
	// more where missing values go right.
	splitNext = 1<<31 - 1 // bits 32…62: left child, the right one follows; of a leaf its Next
	splitLeaf = 1 << 63   // bit 63: is a leaf

	// SplitTrees is how many trees go together: a step waits for memory, and the
	// steps in the other trees fill that time.
	SplitTrees = 8
	splitQueue = 2 * SplitTrees * FlatRows // a row is in one set per tree, so no more than half of that wait

	// maxLevels keeps the conditions of a block in the second-level cache.
	maxLevels = 1 << 16
)

// NewSplits lays trees out; nil if there are more than 65,536 different
// thresholds or 2^31 nodes.
func NewSplits(trees []Tree, columns int) *Splits {
	s := &Splits{columns: make([]splitCuts, columns), roots: make([]uint32, len(trees))}
	total := 0
	for _, t := range trees {
		total += len(t)
		for i := range t {
			if n := &t[i]; n.Feature >= 0 {
				c := &s.columns[n.Feature]
				c.cuts = append(c.cuts, key(n.Threshold))
			}
		}
	}
	for j := range s.columns {
		c := &s.columns[j]
		slices.Sort(c.cuts)
		c.cuts = slices.Clip(slices.Compact(c.cuts))
		c.first = s.levels
		s.levels += len(c.cuts)
	}
	if s.levels > maxLevels || total > splitNext {
		return nil
	}
	s.nodes = make([]uint64, 0, total)
	for k, t := range trees {
		root := len(s.nodes)
		s.roots[k] = uint32(root)
		for i := range t {
			n := &t[i]
			if n.Feature < 0 {
				s.nodes = append(s.nodes, splitLeaf|uint64(n.Next)<<32)
				continue
			}
			c := &s.columns[n.Feature]
			cut, _ := slices.BinarySearch(c.cuts, key(n.Threshold))
			s.nodes = append(s.nodes, uint64(root+int(n.Next))<<32|uint64(2*(c.first+cut)+int(n.Missing)))
		}
	}
	return s
}

// Trees is how many trees there are.
func (s *Splits) Trees() int { return len(s.roots) }

// SplitBlock is up to FlatRows rows on their way through Splits. It is not for
// concurrent use.
type SplitBlock struct {
	of     *Splits
	rows   uint64
	right  [][2]uint64  // per level: the rows that go right, where missing values go left and where they go right
	mixed  []splitRange // per column: what the latest block left
	bucket []uint64     // per code: its rows; empty between columns
	codes  [FlatRows]int32
	keys   [FlatRows]int32
	nodes  [splitQueue]uint32
	queue  [splitQueue]uint64
	// Leaf and Rows are what Leaves found: Next of a leaf and the set of rows in it.
	Leaf [splitQueue]uint32
	Rows [splitQueue]uint64
	// Visits is how many nodes all calls of Leaves since Block came to.
	Visits int
}

// splitRange is what a block was in a column.
type splitRange struct {
	lo, hi  int    // levels from the column's first at which its rows differ; before, all are above
	only    int32  // key of the one value of all rows, several if there is none
	missing uint64 // rows without a value; if there are any, no level is as lo and hi say
}

// several is the key of no value.
const several = math.MaxInt32

// Block makes room for a block, or takes that of one that is done with.
func (s *Splits) Block() *SplitBlock {
	if b, ok := s.blocks.Get().(*SplitBlock); ok {
		b.Visits = 0
		return b
	}
	b := &SplitBlock{of: s, right: make([][2]uint64, max(1, s.levels)), mixed: make([]splitRange, len(s.columns))}
	most := 0
	for i := range s.columns {
		b.mixed[i].only = several
		most = max(most, len(s.columns[i].cuts))
	}
	b.bucket = make([]uint64, most+1)
	return b
}

// Done gives the memory of b back.
func (b *SplitBlock) Done() { b.of.blocks.Put(b) }

// Begin starts a block of n rows, up to FlatRows. All columns follow.
func (b *SplitBlock) Begin(n int) { b.rows = math.MaxUint64 >> (FlatRows - n) }

// Load takes the rows lo ≤ i < hi of x, up to FlatRows.
func (b *SplitBlock) Load(x *frame.Matrix, lo, hi int) {
	b.Begin(hi - lo)
	for j, col := range x.Cols {
		b.Column(j, col[lo:hi])
	}
}

// Column takes the values of column j.
func (b *SplitBlock) Column(j int, values []float32) {
	c := &b.of.columns[j]
	n := len(c.cuts)
	if n == 0 || len(values) == 0 {
		return
	}
	was := &b.mixed[j]
	right := b.right[c.first:][:n]
	lo, hi, missing := 0, 0, uint64(0)
	keys := b.keys[:len(values)]
	if same(values) { // as in most columns
		k := key(values[0])
		if k == was.only {
			return
		}
		was.only = k
		if k == missingKey {
			for i := range right {
				right[i] = [2]uint64{0, math.MaxUint64}
			}
			was.missing = math.MaxUint64
			return
		}
		lo, _ = ranks(c.cuts, k, k)
		hi = lo
	} else {
		was.only = several
		least, most := int32(math.MaxInt32), int32(math.MinInt32)
		for i, v := range values {
			k := order(v)
			keys[i] = k
			least, most = min(least, k), max(most, k)
		}
		if least < order(float32(math.Inf(-1))) || most > order(float32(math.Inf(1))) {
			least, most, missing = findMissing(keys)
		}
		lo, hi = ranks(c.cuts, least, most)
	}
	// Below lo all rows are above the threshold, from hi on none is. Most of that
	// is left from the block before, if none of its values was missing.
	if was.missing|missing != 0 {
		was.lo, was.hi = 0, n
	}
	for k := was.lo; k < lo; k++ {
		right[k] = [2]uint64{^missing, math.MaxUint64}
	}
	for k := hi; k < was.hi; k++ {
		right[k] = [2]uint64{0, missing}
	}
	was.lo, was.hi, was.missing = lo, hi, missing
	if hi-lo <= 2 {
		for k := lo; k < hi; k++ {
			rows := over(keys, c.cuts[k])
			right[k] = [2]uint64{rows &^ missing, rows | missing}
		}
		return
	}
	codes := b.codes[:len(keys)]
	search(codes, keys, c.cuts[lo:hi])
	bucket := b.bucket[:hi-lo+1]
	for i, code := range codes {
		bucket[code] |= 1 << (uint(i) % 64)
	}
	rows := uint64(0)
	for k := hi - lo; k > 0; k-- {
		rows |= bucket[k]
		bucket[k] = 0
		right[lo+k-1] = [2]uint64{rows &^ missing, rows | missing}
	}
	bucket[0] = 0
}

// same reports whether all values have the same bits.
func same(values []float32) bool {
	first := math.Float32bits(values[0])
	for len(values) >= 8 {
		v := values[:8]
		a := math.Float32bits(v[0]) ^ first | (math.Float32bits(v[1]) ^ first) | (math.Float32bits(v[2]) ^ first) | (math.Float32bits(v[3]) ^ first)
		b := math.Float32bits(v[4]) ^ first | (math.Float32bits(v[5]) ^ first) | (math.Float32bits(v[6]) ^ first) | (math.Float32bits(v[7]) ^ first)
		if a|b != 0 {
			return false
		}
		values = values[8:]
	}
	for _, v := range values {
		if math.Float32bits(v) != first {
			return false
		}
	}
	return true
}

// over is the set of rows whose key is above a cut.
func over(keys []int32, cut int32) uint64 {
	rows := uint64(0)
	for i, k := range keys {
		rows |= uint64(int64(cut)-int64(k)) >> 63 << (uint(i) % 64)
	}
	return rows
}

// findMissing returns the least and the largest of the keys that are not missing,
// twice 0 if there are none, and which rows are missing; their keys become the
// largest.
func findMissing(keys []int32) (least, most int32, missing uint64) {
	least, most = math.MaxInt32, math.MinInt32
	low, high := order(float32(math.Inf(-1))), order(float32(math.Inf(1)))
	for i, k := range keys {
		if k < low || k > high {
			missing |= 1 << i
			keys[i] = math.MaxInt32
			continue
		}
		least, most = min(least, k), max(most, k)
	}
	if least > most {
		return 0, 0, missing
	}
	for i, k := range keys {
		keys[i] = min(k, most)
	}
	return least, most, missing
}

// order is key without the care for -0, which is below 0 here (no threshold is
// between the two), and for missing values, which lie beyond both infinities.
func order(v float32) int32 {
	b := int32(math.Float32bits(v))
	return b ^ b>>31&math.MaxInt32
}

// ranks is how many cuts lie below a and below b: two binary searches side by
// side.
func ranks(cuts []int32, a, b int32) (int, int) {
	p, q, n := 0, 0, len(cuts)
	for n > 1 {
		half := n >> 1
		p += half & int((int64(cuts[p+half-1])-int64(a))>>63)
		q += half & int((int64(cuts[q+half-1])-int64(b))>>63)
		n -= half
	}
	return int(last(cuts, p, int64(a))), int(last(cuts, q, int64(b)))
}

// search writes to codes how many cuts, of at least one, lie below each key.
// Four binary searches go side by side, without a branch that depends on the
// data.
func search(codes, keys, cuts []int32) {
	codes = codes[:len(keys)]
	i := 0
	for ; i+4 <= len(keys); i += 4 {
		p, q, r, s := int64(keys[i]), int64(keys[i+1]), int64(keys[i+2]), int64(keys[i+3])
		a, b, c, d, n := 0, 0, 0, 0, len(cuts)
		for n > 1 {
			half := n >> 1
			a += half & int((int64(cuts[a+half-1])-p)>>63)
			b += half & int((int64(cuts[b+half-1])-q)>>63)
			c += half & int((int64(cuts[c+half-1])-r)>>63)
			d += half & int((int64(cuts[d+half-1])-s)>>63)
			n -= half
		}
		codes[i] = last(cuts, a, p)
		codes[i+1] = last(cuts, b, q)
		codes[i+2] = last(cuts, c, r)
		codes[i+3] = last(cuts, d, s)
	}
	for ; i < len(keys); i++ {
		a, n, p := 0, len(cuts), int64(keys[i])
		for n > 1 {
			half := n >> 1
			a += half & int((int64(cuts[a+half-1])-p)>>63)
			n -= half
		}
		codes[i] = last(cuts, a, p)
	}
}

// last is the last step of a search that has come to cut a.
func last(cuts []int32, a int, key int64) int32 {
	return int32(a) - int32((int64(cuts[a])-key)>>63)
}

// Leaves sends the block's rows through the trees from t on, up to SplitTrees,
// and returns into how many leaves they come; Leaf and Rows say which.
func (b *SplitBlock) Leaves(t int) int {
	nodes, sets := b.of.nodes, b.right
	n, head, tail := uint(0), uint(0), uint(0)
	for _, root := range b.of.roots[t:min(t+SplitTrees, len(b.of.roots))] {
		b.nodes[tail%splitQueue], b.queue[tail%splitQueue] = root, b.rows
		tail++
	}
	for head != tail {
		rows := b.queue[head%splitQueue]
		node := nodes[b.nodes[head%splitQueue]]
		head++
		// Without a branch: what is written beyond n or tail is overwritten.
		next := uint32(node>>32) & splitNext
		b.Leaf[n%splitQueue], b.Rows[n%splitQueue] = next, rows
		n += uint(node >> 63)
		rows &= node>>63 - 1
		right := rows & sets[uint32(node)>>1][node&1]
		left := rows &^ right
		b.nodes[tail%splitQueue], b.queue[tail%splitQueue] = next, left
		tail += uint((left | -left) >> 63)
		b.nodes[tail%splitQueue], b.queue[tail%splitQueue] = next+1, right
		tail += uint((right | -right) >> 63)
	}
	b.Visits += int(head)
	return int(n)
}
