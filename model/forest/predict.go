package forest

import (
	"apiml/frame"
	"apiml/model"
	"apiml/model/tree"
)

// flatten lays the trees out for prediction.
func (f *ensemble) flatten() {
	f.flat = make([]tree.Flat, len(f.trees))
	for i, t := range f.trees {
		f.flat[i] = tree.Flatten(t, len(f.schema.Columns))
	}
}

// block is up to tree.FlatRows rows on their way through the trees.
type block struct {
	values  []int32   // per column tree.FlatRows values, see tree.FlatBlock
	row     []float32 // one row, for trees that are too large to be flat
	missing bool
	rows    int
	leaves  [tree.FlatRows]uint32
}

func newBlock(columns int) *block {
	return &block{values: make([]int32, columns*tree.FlatRows), row: make([]float32, columns)}
}

// load takes the rows from lo on, at most up to hi.
func (b *block) load(f *ensemble, x *frame.Matrix, lo, hi int) {
	b.rows = min(tree.FlatRows, hi-lo)
	b.missing = tree.FlatBlock(b.values, x, lo, lo+b.rows)
	for j := range f.orders {
		if o := &f.orders[j]; o.codes != nil {
			var ranks [tree.FlatRows]float32
			for r, v := range x.Cols[j][lo : lo+b.rows] {
				ranks[r] = o.rank(v)
			}
			b.missing = tree.FlatColumn(b.values[j*tree.FlatRows:(j+1)*tree.FlatRows], ranks[:b.rows]) || b.missing
		}
	}
}

// walk finds the leaves of tree k.
func (b *block) walk(f *ensemble, k int) {
	if flat := f.flat[k]; flat != nil {
		flat.Leaves(&b.leaves, b.rows, b.values, b.missing)
		return
	}
	for r := range b.rows {
		for j := range b.row {
			b.row[j] = tree.FlatValue(b.values[j*tree.FlatRows+r])
		}
		b.leaves[r] = uint32(f.trees[k].Leaf(b.row))
	}
}

// vote adds the shares of the leaves that the block's rows have reached.
func (f *Forest) vote(votes []uint32, b *block) {
	classes := len(f.classes)
	for r, at := range b.leaves[:b.rows] {
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
	b := newBlock(len(x.Cols))
	votes := make([]uint32, tree.FlatRows*classes)
	unit := 1 / (float64(one) * float64(len(f.trees)))
	for ; lo < hi; lo += b.rows {
		b.load(&f.ensemble, x, lo, hi)
		clear(votes)
		for k := range f.trees {
			b.walk(&f.ensemble, k)
			f.vote(votes, b)
		}
		for i, v := range votes[:b.rows*classes] {
			dst[i] = float32(float64(v) * unit)
		}
		f.calibration.apply(dst[:b.rows*classes], classes)
		dst = dst[b.rows*classes:]
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
		proba := make([]float32, tree.FlatRows*classes)
		for i := 0; i < len(dst); i += tree.FlatRows {
			n := min(tree.FlatRows, len(dst)-i)
			f.PredictProba(proba, x, lo+i, lo+i+n)
			for r := range n {
				dst[i+r] = int32(argmax(proba[r*classes : (r+1)*classes]))
			}
		}
		return
	}
	b := newBlock(len(x.Cols))
	votes := make([]uint32, tree.FlatRows*classes)
	step := max(8, len(f.trees)/16)
	for ; lo < hi; lo += tree.FlatRows {
		b.load(&f.ensemble, x, lo, hi)
		clear(votes)
		var place, stay [tree.FlatRows]int
		for r := range place {
			place[r] = r
		}
		for k := range f.trees {
			b.walk(&f.ensemble, k)
			f.vote(votes, b)
			left := len(f.trees) - k - 1
			if left > 0 && (left > len(f.trees)/2 || left%step != 0) {
				continue
			}
			n := 0
			for r := range b.rows {
				best, first, second := 0, uint32(0), uint32(0)
				for c, v := range votes[r*classes : (r+1)*classes] {
					if v > first {
						best, first, second = c, v, first
					} else if v > second {
						second = v
					}
				}
				if left > 0 && uint64(first) <= uint64(second)+uint64(left)*one {
					stay[n] = r
					n++
					continue
				}
				dst[place[r]] = int32(best)
			}
			if n == 0 {
				break
			}
			if n < b.rows {
				for j := range x.Cols {
					col := b.values[j*tree.FlatRows : (j+1)*tree.FlatRows]
					for i, r := range stay[:n] {
						col[i] = col[r]
					}
				}
				for i, r := range stay[:n] {
					place[i] = place[r]
					copy(votes[i*classes:(i+1)*classes], votes[r*classes:(r+1)*classes])
				}
				b.rows = n
			}
		}
		dst = dst[min(tree.FlatRows, hi-lo):]
	}
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
