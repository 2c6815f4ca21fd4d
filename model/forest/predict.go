package forest

import (
	"math/bits"
	"sync"

	"apiml/frame"
	"apiml/model"
	"apiml/model/tree"
)

// layouts is the trees laid out for prediction, each form made on first use:
// who predicts a row or two needs none.
type layouts struct {
	splitOnce, flatOnce sync.Once
	splits              *tree.Splits // nil: does not fit
	flat                []tree.Flat  // nil where a tree is too large
}

func (f *ensemble) splits() *tree.Splits {
	l := &f.layouts
	l.splitOnce.Do(func() { l.splits = tree.NewSplits(f.trees, len(f.schema.Columns)) })
	return l.splits
}

func (f *ensemble) flat() []tree.Flat {
	l := &f.layouts
	l.flatOnce.Do(func() {
		l.flat = make([]tree.Flat, len(f.trees))
		for i, t := range f.trees {
			l.flat[i] = tree.Flatten(t, len(f.schema.Columns))
		}
	})
	return l.flat
}

// load takes the rows lo ≤ i < hi of x into b.
func (f *ensemble) load(b *tree.SplitBlock, x *frame.Matrix, lo, hi int) {
	b.Load(x, lo, hi)
	for j := range f.orders {
		if o := &f.orders[j]; o.codes != nil {
			var ranks [tree.FlatRows]float32
			for r, v := range x.Cols[j][lo:hi] {
				ranks[r] = o.rank(v)
			}
			b.Column(j, ranks[:hi-lo])
		}
	}
}

// chunkBytes is how many values go through one tree before the next is taken: a
// tree of a large forest fills half of a second-level cache by itself, and
// fetching it again for every few rows costs more than walking it.
const chunkBytes = 512 << 10

// fewRows is up to how many rows walk down the trees as they are.
const fewRows = 16

// chunk is a number of rows on their way through the trees, in blocks of
// tree.FlatRows.
type chunk struct {
	f       *ensemble
	flat    []tree.Flat
	orders  []order
	columns int
	rows    int
	values  []int32 // block after block, see tree.FlatBlock
	missing []bool  // per block
	leaves  [tree.FlatRows]uint32
	row     []float32 // one row, for trees that are not laid out
}

// newChunk makes room for as many of n rows as go together.
func newChunk(f *ensemble, n int) *chunk {
	columns := len(f.schema.Columns)
	blocks := max(1, min((n+tree.FlatRows-1)/tree.FlatRows, chunkBytes/(4*tree.FlatRows*columns)))
	return &chunk{f: f, flat: f.flat(), orders: f.orders, columns: columns, values: make([]int32, blocks*tree.FlatRows*columns), missing: make([]bool, blocks), row: make([]float32, columns)}
}

// capacity is the number of rows that fit.
func (b *chunk) capacity() int { return len(b.missing) * tree.FlatRows }

// load takes rows from lo on, at most up to hi, and returns how many.
func (b *chunk) load(x *frame.Matrix, lo, hi int) int {
	b.rows = min(b.capacity(), hi-lo)
	for k := range b.missing {
		if k*tree.FlatRows < b.rows {
			at := lo + k*tree.FlatRows
			b.loadBlock(k, x, at, min(at+tree.FlatRows, hi))
		}
	}
	return b.rows
}

func (b *chunk) loadBlock(k int, x *frame.Matrix, lo, hi int) {
	size := tree.FlatRows * b.columns
	values := b.values[k*size : (k+1)*size]
	b.missing[k] = tree.FlatBlock(values, x, lo, hi)
	for j := range b.orders {
		if o := &b.orders[j]; o.codes != nil {
			var ranks [tree.FlatRows]float32
			for r, v := range x.Cols[j][lo:hi] {
				ranks[r] = o.rank(v)
			}
			b.missing[k] = tree.FlatColumn(values[j*tree.FlatRows:(j+1)*tree.FlatRows], ranks[:hi-lo]) || b.missing[k]
		}
	}
}

// walk finds the leaves of tree t, block by block, and calls take with the first
// row of each.
func (b *chunk) walk(t int, take func(first int, leaves []uint32)) {
	size := tree.FlatRows * b.columns
	flat := b.flat[t]
	for first := 0; first < b.rows; first += tree.FlatRows {
		k := first / tree.FlatRows
		n := min(tree.FlatRows, b.rows-first)
		values := b.values[k*size : (k+1)*size]
		if flat != nil {
			flat.Leaves(&b.leaves, n, values, b.missing[k])
		} else {
			for r := range n {
				for j := range b.row {
					b.row[j] = tree.FlatValue(values[j*tree.FlatRows+r])
				}
				b.leaves[r] = uint32(b.f.trees[t].Leaf(b.row))
			}
		}
		take(first, b.leaves[:n])
	}
}

// keep leaves only the given rows, in ascending order, in the chunk.
func (b *chunk) keep(rows []int) {
	size := tree.FlatRows * b.columns
	for to, from := range rows {
		d := b.values[to/tree.FlatRows*size+to%tree.FlatRows:]
		s := b.values[from/tree.FlatRows*size+from%tree.FlatRows:]
		for j := range b.columns {
			d[j*tree.FlatRows] = s[j*tree.FlatRows]
		}
	}
	missing := false
	for _, m := range b.missing {
		missing = missing || m
	}
	for k := range b.missing {
		b.missing[k] = missing
	}
	b.rows = len(rows)
}

// vote adds the shares of the leaves that rows have reached.
func (f *Forest) vote(votes []uint32, leaves []uint32) {
	classes := len(f.classes)
	for r, at := range leaves {
		v := votes[r*classes : (r+1)*classes]
		for {
			s := f.shares[at]
			v[s>>16&(tree.MaxClasses-1)] += s & one
			if s&last != 0 {
				break
			}
			at++
		}
	}
}

// PredictProba implements model.Classifier. It panics if x has other columns
// or dst is too short.
func (f *Forest) PredictProba(dst []float32, x *frame.Matrix, lo, hi int) {
	model.MustMatch(&f.schema, x.Schema)
	classes := len(f.classes)
	dst = dst[:(hi-lo)*classes]
	if hi-lo <= fewRows {
		f.fewProba(dst, x, lo, hi)
		return
	}
	if hi-lo >= splitRows {
		done := f.splitProba(dst, x, lo, hi)
		dst, lo = dst[done*classes:], lo+done
	}
	if lo == hi {
		return
	}
	b := newChunk(&f.ensemble, hi-lo)
	votes := make([]uint32, min(b.capacity(), hi-lo)*classes)
	add := func(first int, leaves []uint32) { f.vote(votes[first*classes:], leaves) }
	unit := 1 / (float64(one) * float64(len(f.trees)))
	for lo < hi {
		n := b.load(x, lo, hi)
		lo += n
		clear(votes)
		for k := range f.trees {
			b.walk(k, add)
		}
		for i, v := range votes[:n*classes] {
			dst[i] = float32(float64(v) * unit)
		}
		f.calibration.apply(dst[:n*classes], classes)
		dst = dst[n*classes:]
	}
}

// fewProba is PredictProba for rows that walk down one by one.
func (f *Forest) fewProba(dst []float32, x *frame.Matrix, lo, hi int) {
	classes := len(f.classes)
	votes := make([]uint32, classes)
	unit := 1 / (float64(one) * float64(len(f.trees)))
	for r := lo; r < hi; r++ {
		row := f.row(x, r)
		clear(votes)
		for _, t := range f.trees {
			f.give(votes, uint32(t.Leaf(row)))
		}
		out := dst[(r-lo)*classes : (r-lo+1)*classes]
		for c, v := range votes {
			out[c] = float32(float64(v) * unit)
		}
	}
	f.calibration.apply(dst, classes)
}

const (
	// splitRows is from how many rows on tree.Splits are tried.
	splitRows = 4 * tree.FlatRows
	// splitVisits is how many nodes per row and tree they may come to: beyond, it
	// is as fast to walk each row down.
	splitVisits = 8
)

// splitProba is PredictProba by way of tree.Splits. It returns how many rows it
// has done: fewer than all if they have too little in common.
func (f *Forest) splitProba(dst []float32, x *frame.Matrix, lo, hi int) (done int) {
	s := f.splits()
	if s == nil {
		return 0
	}
	classes := len(f.classes)
	b := s.Block()
	defer b.Done()
	votes := make([]uint32, tree.FlatRows*classes)
	common := make([]uint32, classes)
	unit := 1 / (float64(one) * float64(len(f.trees)))
	for done < hi-lo && b.Visits <= splitVisits*len(f.trees)*done {
		n := min(tree.FlatRows, hi-lo-done)
		f.load(b, x, lo+done, lo+done+n)
		clear(votes)
		clear(common)
		for t := 0; t < len(f.trees); t += tree.SplitTrees {
			f.splitVote(votes, common, b, b.Leaves(t))
		}
		for r := range n {
			out := dst[r*classes : (r+1)*classes]
			for c, v := range votes[r*classes : (r+1)*classes] {
				out[c] = float32(float64(v+common[c]) * unit)
			}
		}
		f.calibration.apply(dst[:n*classes], classes)
		dst, done = dst[n*classes:], done+n
	}
	return done
}

// splitVote adds the shares of the leaves that rows have reached. What most rows
// share goes to common, and the others take it back: sums of unsigned integers
// come out the same in any order.
func (f *Forest) splitVote(votes, common []uint32, b *tree.SplitBlock, leaves int) {
	classes := len(f.classes)
	for i, rows := range b.Rows[:leaves] {
		at := b.Leaf[i]
		if bits.OnesCount64(rows) <= tree.FlatRows/2 {
			for ; rows != 0; rows &= rows - 1 {
				r := bits.TrailingZeros64(rows)
				f.give(votes[r*classes:(r+1)*classes], at)
			}
			continue
		}
		f.give(common, at)
		for rows = ^rows; rows != 0; rows &= rows - 1 {
			r := bits.TrailingZeros64(rows)
			f.take(votes[r*classes:(r+1)*classes], at)
		}
	}
}

// give adds the shares of a leaf to the votes of a row.
func (f *Forest) give(votes []uint32, at uint32) {
	for {
		s := f.shares[at]
		votes[s>>16&(tree.MaxClasses-1)] += s & one
		if s&last != 0 {
			return
		}
		at++
	}
}

// take undoes give.
func (f *Forest) take(votes []uint32, at uint32) {
	for {
		s := f.shares[at]
		votes[s>>16&(tree.MaxClasses-1)] -= s & one
		if s&last != 0 {
			return
		}
		at++
	}
}

// Predict writes the most probable class (the first of equal ones) of the rows
// lo ≤ i < hi of x to dst[i-lo]: what PredictProba's largest value says, in
// about half the time, because a row leaves when the trees to come can no
// longer change its class. It panics if x has other columns or dst is too
// short.
func (f *Forest) Predict(dst []int32, x *frame.Matrix, lo, hi int) {
	model.MustMatch(&f.schema, x.Schema)
	classes := len(f.classes)
	dst = dst[:hi-lo]
	if f.calibration.kind != "" { // the order of calibrated probabilities is another
		const rows = 1024
		proba := make([]float32, min(rows, len(dst))*classes)
		for i := 0; i < len(dst); i += rows {
			n := min(rows, len(dst)-i)
			f.PredictProba(proba, x, lo+i, lo+i+n)
			for r := range n {
				dst[i+r] = int32(argmax(proba[r*classes : (r+1)*classes]))
			}
		}
		return
	}
	b := newChunk(&f.ensemble, hi-lo)
	votes := make([]uint32, min(b.capacity(), hi-lo)*classes)
	add := func(first int, leaves []uint32) { f.vote(votes[first*classes:], leaves) }
	place, stay := make([]int, len(votes)/classes), make([]int, 0, len(votes)/classes)
	step := max(4, len(f.trees)/25)
	for lo < hi {
		n := b.load(x, lo, hi)
		clear(votes)
		for r := range place {
			place[r] = r
		}
		for k := range f.trees {
			b.walk(k, add)
			left := len(f.trees) - k - 1
			if left > 0 && (left > len(f.trees)/2 || left%step != 0) {
				continue
			}
			if stay = f.decide(dst, votes, place[:b.rows], stay[:0], left); len(stay) == 0 {
				break
			}
			if len(stay) < b.rows {
				b.keep(stay)
				for i, r := range stay {
					place[i] = place[r]
					copy(votes[i*classes:(i+1)*classes], votes[r*classes:(r+1)*classes])
				}
			}
		}
		lo += n
		dst = dst[n:]
	}
}

// decide writes the class of those rows whose class the trees that are left
// cannot change, and appends the others to stay.
func (f *Forest) decide(dst []int32, votes []uint32, place, stay []int, left int) []int {
	classes := len(f.classes)
	for r := range place {
		best, first, second := 0, uint32(0), uint32(0)
		for c, v := range votes[r*classes : (r+1)*classes] {
			if v > first {
				best, first, second = c, v, first
			} else if v > second {
				second = v
			}
		}
		if left > 0 && uint64(first) <= uint64(second)+uint64(left)*one {
			stay = append(stay, r)
			continue
		}
		dst[place[r]] = int32(best)
	}
	return stay
}

// argmax is the index of the largest value, the first of equal ones.
func argmax(p []float32) int {
	best := 0
	for c, v := range p {
		if v > p[best] {
			best = c
		}
	}
	return best
}
