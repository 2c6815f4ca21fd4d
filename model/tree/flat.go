package tree

import (
	"math"

	"apiml/frame"
)

// Flat trees are for prediction: 8 bytes per node, and four rows walk at a
// time, without a branch that depends on the data. A step waits for memory,
// then for the comparison; the steps of the other rows fill that time, and a
// wrong guess of the processor, as costly as two steps, does not happen.

const (
	// FlatRows is the number of rows in a block.
	FlatRows = 64

	flatNext    = 1<<21 - 1 // bits 0…20: index of the left child, the right one follows; of a leaf its own
	flatShift   = 21        // bits 21…30: column
	flatColumns = 1<<10 - 1
	flatMissing = 31 // bit 31: missing values go right

	quiet   = 0x7FC00000 // a leaf's threshold is a NaN: no value is larger
	payload = 1<<22 - 1  // and carries Next of the leaf
)

type flatNode struct {
	threshold float32
	meta      uint32
}

// Flat is a Tree laid out for prediction.
type Flat []flatNode

// Flatten lays t out; nil if it has too many nodes, columns or leaf values (2
// million, 1,024, 4 million).
func Flatten(t Tree, columns int) Flat {
	if len(t) > flatNext || columns > flatColumns+1 {
		return nil
	}
	f := make(Flat, len(t))
	for i, n := range t {
		if n.Feature < 0 {
			if n.Next > payload {
				return nil
			}
			f[i] = flatNode{math.Float32frombits(quiet | uint32(n.Next)), uint32(i)}
			continue
		}
		f[i] = flatNode{n.Threshold, uint32(n.Missing)<<flatMissing | uint32(n.Feature)<<flatShift | uint32(n.Next)}
	}
	return f
}

// FlatBlock copies the rows lo ≤ i < hi of x, at most FlatRows, to dst, which
// holds FlatRows values per column, and reports whether a value is missing.
func FlatBlock(dst []float32, x *frame.Matrix, lo, hi int) (missing bool) {
	for j, col := range x.Cols {
		d := dst[j*FlatRows : j*FlatRows+hi-lo]
		copy(d, col[lo:hi])
		for _, v := range d {
			if v != v {
				missing = true
			}
		}
	}
	return missing
}

// Leaves walks the first n rows of a block down and writes Next of their
// leaves; what it writes behind them means nothing.
func (f Flat) Leaves(dst *[FlatRows]uint32, n int, block []float32, missing bool) {
	if missing {
		f.leavesMissing(dst, n, block)
		return
	}
	for r := 0; r < n; r += 4 {
		var i0, i1, i2, i3 uint32
		b0, b1, b2, b3 := uint32(r), uint32(r+1), uint32(r+2), uint32(r+3)
		for {
			a, b, c, d := f[i0], f[i1], f[i2], f[i3]
			n0, n1, n2, n3 := a.meta&flatNext, b.meta&flatNext, c.meta&flatNext, d.meta&flatNext
			if block[a.meta>>flatShift&flatColumns*FlatRows+b0] > a.threshold {
				n0++
			}
			if block[b.meta>>flatShift&flatColumns*FlatRows+b1] > b.threshold {
				n1++
			}
			if block[c.meta>>flatShift&flatColumns*FlatRows+b2] > c.threshold {
				n2++
			}
			if block[d.meta>>flatShift&flatColumns*FlatRows+b3] > d.threshold {
				n3++
			}
			if (n0^i0)|(n1^i1)|(n2^i2)|(n3^i3) == 0 {
				break
			}
			i0, i1, i2, i3 = n0, n1, n2, n3
		}
		out := dst[r&(FlatRows-1) : r&(FlatRows-1)+4]
		out[0] = math.Float32bits(f[i0].threshold) & payload
		out[1] = math.Float32bits(f[i1].threshold) & payload
		out[2] = math.Float32bits(f[i2].threshold) & payload
		out[3] = math.Float32bits(f[i3].threshold) & payload
	}
}

// leavesMissing is Leaves for blocks with missing values, two rows at a time.
func (f Flat) leavesMissing(dst *[FlatRows]uint32, n int, block []float32) {
	for r := 0; r < n; r += 2 {
		var i0, i1 uint32
		b0, b1 := uint32(r), uint32(r+1)
		for {
			a, b := f[i0], f[i1]
			n0, n1 := a.meta&flatNext, b.meta&flatNext
			v, w := block[a.meta>>flatShift&flatColumns*FlatRows+b0], block[b.meta>>flatShift&flatColumns*FlatRows+b1]
			if v > a.threshold {
				n0++
			}
			if w > b.threshold {
				n1++
			}
			m0, m1 := a.meta>>flatMissing, b.meta>>flatMissing
			if v == v {
				m0 = 0
			}
			if w == w {
				m1 = 0
			}
			n0 += m0
			n1 += m1
			if (n0^i0)|(n1^i1) == 0 {
				break
			}
			i0, i1 = n0, n1
		}
		out := dst[r&(FlatRows-1) : r&(FlatRows-1)+2]
		out[0] = math.Float32bits(f[i0].threshold) & payload
		out[1] = math.Float32bits(f[i1].threshold) & payload
	}
}
