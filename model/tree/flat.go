package tree

import (
	"math"

	"apiml/frame"
)

// Flat trees are for prediction: 8 bytes per node, and four rows walk at a
// time, without a branch that depends on the data. A step waits for memory,
// then for the comparison; the steps of the other rows fill that time, and a
// wrong guess of the processor, as costly as two steps, does not happen. Values
// and thresholds are integers in the order of the floats that they stand for:
// their comparison is a subtraction.

const (
	// FlatRows is the number of rows in a block.
	FlatRows = 64

	flatNext    = 1<<21 - 1 // bits 0…20: index of the left child, the right one follows; of a leaf its own
	flatColumn  = 21        // bits 21…30: column
	flatColumns = 1<<10 - 1
	flatMissing = 31 // bit 31: missing values go left
	// bits 32…63: threshold, of a leaf leafThreshold + Next

	// missingKey stands for NaN, behind +Inf; no value is above a leaf's
	// threshold.
	missingKey    = 0x7F800001
	leafThreshold = missingKey
	maxPayload    = math.MaxInt32 - leafThreshold
)

// Flat is a Tree laid out for prediction.
type Flat []uint64

// MissingKey is the key of NaN.
const MissingKey = missingKey

// Key is an integer in the order of floats: -0 and 0 are equal, NaN is
// MissingKey.
func Key(v float32) int32 { return key(v) }

func key(v float32) int32 {
	b := int32(math.Float32bits(v + 0))
	b ^= b >> 31 & math.MaxInt32
	if v != v {
		b = missingKey
	}
	return b
}

// Flatten lays t out; nil if it has too many nodes, columns or leaf values (2
// million, 1,024, 8 million).
func Flatten(t Tree, columns int) Flat {
	if len(t) > flatNext || columns > flatColumns+1 {
		return nil
	}
	f := make(Flat, len(t))
	for i, n := range t {
		if n.Feature < 0 {
			if n.Next > maxPayload {
				return nil
			}
			f[i] = uint64(leafThreshold+n.Next)<<32 | uint64(i)
			continue
		}
		f[i] = uint64(uint32(key(n.Threshold)))<<32 | uint64(1-n.Missing)<<flatMissing | uint64(n.Feature)<<flatColumn | uint64(n.Next)
	}
	return f
}

// FlatBlock writes the rows lo ≤ i < hi of x, at most FlatRows, to dst, which
// holds FlatRows values per column, and reports whether a value is missing.
func FlatBlock(dst []int32, x *frame.Matrix, lo, hi int) (missing bool) {
	for j, col := range x.Cols {
		missing = FlatColumn(dst[j*FlatRows:(j+1)*FlatRows], col[lo:hi]) || missing
	}
	return missing
}

// FlatColumn is FlatBlock for one column.
func FlatColumn(dst []int32, col []float32) (missing bool) {
	most := int32(math.MinInt32)
	dst = dst[:len(col)]
	for i, v := range col {
		k := key(v)
		dst[i] = k
		most = max(most, k)
	}
	return most == missingKey
}

// FlatValue undoes what FlatBlock does to a value.
func FlatValue(k int32) float32 {
	if k == missingKey {
		return float32(math.NaN())
	}
	return math.Float32frombits(uint32(k ^ k>>31&math.MaxInt32))
}

// above is 1 if the value is above the threshold of node n.
func above(n uint64, value int32) uint64 {
	return uint64(int64(n)>>32-int64(value)) >> 63
}

// aboveOrMissing is above where the value may be missing: then 1 only if the
// node sends it right.
func aboveOrMissing(n uint64, value int32) uint64 {
	missing := uint64(missingKey-1-int64(value)) >> 63
	return above(n, value) &^ (missing & (n >> flatMissing))
}

// cell is the place of the value that node n compares, for row 0.
func cell(n uint64) uint64 { return n >> (flatColumn - 6) & (flatColumns * FlatRows) }

// Leaves walks the first n rows of a block down and writes Next of their
// leaves; what it writes behind them means nothing.
func (f Flat) Leaves(dst *[FlatRows]uint32, n int, block []int32, missing bool) {
	if missing {
		f.leavesMissing(dst, n, block)
		return
	}
	root := f[0]
	for r := 0; r < n; r += 4 {
		a, b, c, d := root, root, root, root
		b0, b1, b2, b3 := uint64(r), uint64(r+1), uint64(r+2), uint64(r+3)
		for {
			p := f[a&flatNext+above(a, block[cell(a)+b0])]
			q := f[b&flatNext+above(b, block[cell(b)+b1])]
			s := f[c&flatNext+above(c, block[cell(c)+b2])]
			t := f[d&flatNext+above(d, block[cell(d)+b3])]
			// A leaf leads to itself.
			same := (p ^ a) | (q ^ b) | (s ^ c) | (t ^ d)
			a, b, c, d = p, q, s, t
			if same == 0 {
				break
			}
		}
		out := dst[r&(FlatRows-4) : r&(FlatRows-4)+4]
		out[0], out[1], out[2], out[3] = leaf(a), leaf(b), leaf(c), leaf(d)
	}
}

// leavesMissing is Leaves for blocks with missing values.
func (f Flat) leavesMissing(dst *[FlatRows]uint32, n int, block []int32) {
	root := f[0]
	for r := 0; r < n; r += 2 {
		a, b := root, root
		b0, b1 := uint64(r), uint64(r+1)
		for {
			p := f[a&flatNext+aboveOrMissing(a, block[cell(a)+b0])]
			q := f[b&flatNext+aboveOrMissing(b, block[cell(b)+b1])]
			same := (p ^ a) | (q ^ b)
			a, b = p, q
			if same == 0 {
				break
			}
		}
		dst[r&(FlatRows-1)], dst[(r+1)&(FlatRows-1)] = leaf(a), leaf(b)
	}
}

// leaf is Next of a leaf.
func leaf(n uint64) uint32 { return uint32(n>>32) - leafThreshold }
