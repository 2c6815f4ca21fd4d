package iforest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"apiml/frame"
	"apiml/model"
	"apiml/model/tree"
)

// Extended isolation forest (Hariri, Carrasco Kind, Brunner 2019): a node is
// split by a hyperplane with a random normal through a random point of the
// box around its rows. One-column cuts leave bands of low scores along the
// axes of a cluster; hyperplanes do not.
//
// Deviations: each coordinate is divided by the column's range in the node, so
// that the unit of a column does not decide how much it counts; a missing value
// lies on the hyperplane, and a row that has none of the columns goes the way of
// the larger part; a plane that leaves one side empty is drawn again, at last
// along one column, where the paper keeps empty leaves.

// planes holds the hyperplanes of all inner nodes of all trees, in order: width
// columns each. A row goes left if the sum of weight·(value-point) is ≤ 0.
type planes struct {
	width  int
	column []int32 // -1 = unused
	weight []float32
	point  []float32
	first  []int // first plane of each tree
}

// maxTries is how often a hyperplane is drawn before one column must do.
const maxTries = 8

// growExtended is grow with hyperplanes; the trees' columns and thresholds mean
// nothing.
func (f *Forest) growExtended(x *frame.Matrix, rng *rand.Rand, p *planes) (tree.Tree, []uint16) {
	rows := draw(rng, x.Rows(), f.sample)
	limit := int(math.Ceil(math.Log2(float64(f.sample))))
	type part struct{ lo, hi, depth int }
	parts := []part{{0, len(rows), 0}}
	t := tree.Tree{{Feature: -1}}
	var sizes []uint16
	columns := make([]int16, len(x.Cols))
	for j := range columns {
		columns[j] = int16(j)
	}
	side := make([]bool, len(rows))
	right := make([]int, 0, len(rows))
	buf := make([]float32, len(x.Cols))
	for i := 0; i < len(t); i++ {
		at := rows[parts[i].lo:parts[i].hi]
		split, missing := false, uint8(0)
		if parts[i].depth < limit && len(at) > 1 {
			for try := 0; try <= maxTries && !split; try++ {
				width := p.width
				if try == maxTries {
					width = 1
				}
				if !p.draw(rng, x, at, columns, width) {
					break // nothing varies
				}
				if split, missing = p.divide(x, at, side, buf); !split {
					p.drop()
				}
			}
		}
		if !split {
			t[i].Next = int32(len(sizes))
			sizes = append(sizes, uint16(len(at)))
			continue
		}
		mid := 0
		right = right[:0]
		for k, r := range at {
			if side[k] {
				right = append(right, r)
			} else {
				at[mid] = r
				mid++
			}
		}
		copy(at[mid:], right)
		q := parts[i]
		t[i] = tree.Node{Feature: 0, Missing: missing, Next: int32(len(t))}
		t = append(t, tree.Node{Feature: -1}, tree.Node{Feature: -1})
		parts = append(parts, part{q.lo, q.lo + mid, q.depth + 1}, part{q.lo + mid, q.hi, q.depth + 1})
	}
	return t, sizes
}

// draw appends a random plane through the box around rows, over up to width
// columns that vary there. It reports whether there is any.
func (p *planes) draw(rng *rand.Rand, x *frame.Matrix, rows []int, columns []int16, width int) bool {
	n := 0
	for k := 0; k < len(columns) && n < width; k++ {
		j, lo, hi := choose(rng, x, rows, columns[k:])
		if j < 0 {
			break
		}
		w := 1.0
		if width > 1 {
			w = rng.NormFloat64()
		}
		span := float64(hi) - float64(lo)
		// Never at hi itself: with one column the largest value must lie beyond.
		point := float32(float64(lo) + float64(rng.Float64()*span))
		if point >= hi || point < lo {
			point = lo
		}
		weight := float32(w / span)
		if math.IsInf(float64(weight), 0) { // a range of denormal numbers
			weight = float32(math.Copysign(math.MaxFloat32, w))
		}
		p.column, p.weight, p.point = append(p.column, int32(j)), append(p.weight, weight), append(p.point, point)
		n++
	}
	if n == 0 {
		return false
	}
	for ; n < p.width; n++ {
		p.column, p.weight, p.point = append(p.column, -1), append(p.weight, 0), append(p.point, 0)
	}
	return true
}

// drop forgets the last plane.
func (p *planes) drop() {
	n := len(p.column) - p.width
	p.column, p.weight, p.point = p.column[:n], p.weight[:n], p.point[:n]
}

// divide finds the side of each row by the last plane. It reports whether both
// sides have some, and where rows without any of its values go.
func (p *planes) divide(x *frame.Matrix, rows []int, right []bool, buf []float32) (ok bool, missing uint8) {
	plane := len(p.column)/p.width - 1
	l, r := 0, 0
	for k, i := range rows {
		s, known := p.distance(plane, x.Row(buf, i))
		right[k] = s > 0
		switch {
		case !known:
		case s > 0:
			r++
		default:
			l++
		}
	}
	if r > l {
		missing = 1
	}
	if l == 0 || r == 0 {
		return false, 0
	}
	for k, i := range rows {
		if _, known := p.distance(plane, x.Row(buf, i)); !known {
			right[k] = missing == 1
		}
	}
	return true, missing
}

// distance is the signed distance of a row from a plane, in the plane's unit,
// and whether the row has any of its values.
func (p *planes) distance(plane int, row []float32) (s float64, known bool) {
	lo, hi := plane*p.width, (plane+1)*p.width
	column, weight, point := p.column[lo:hi], p.weight[lo:hi], p.point[lo:hi]
	for k, j := range column {
		if j < 0 {
			break
		}
		if v := row[j]; v == v {
			s += float64(float64(weight[k]) * (float64(v) - float64(point[k])))
			known = true
		}
	}
	return s, known
}

// next is the child of inner node n of tree k that a row goes to.
func (p *planes) next(k int, n *tree.Node, row []float32) int {
	s, known := p.distance(p.first[k]+int(n.Next-1)/2, row)
	if s > 0 || !known && n.Missing == 1 {
		return int(n.Next) + 1
	}
	return int(n.Next)
}

// join puts the planes of the trees one behind the other.
func join(of []planes, width int) *planes {
	p := &planes{width: width}
	for _, q := range of {
		p.first = append(p.first, len(p.column)/width)
		p.column, p.weight, p.point = append(p.column, q.column...), append(p.weight, q.weight...), append(p.point, q.point...)
	}
	return p
}

// scoreExtended writes the scores of the rows from lo on.
func (f *Forest) scoreExtended(dst []float32, x *frame.Matrix, lo int) {
	const block = 64
	columns := len(x.Cols)
	rows := make([]float32, min(block, len(dst))*columns)
	sum := make([]float64, min(block, len(dst)))
	for len(dst) > 0 {
		n := min(len(dst), len(sum))
		tree.Block(rows, x, lo, lo+n)
		clear(sum)
		for k, t := range f.trees {
			for r := range n {
				row := rows[r*columns : (r+1)*columns]
				i := 0
				for t[i].Feature >= 0 {
					i = f.planes.next(k, &t[i], row)
				}
				sum[r] += float64(f.length[t[i].Next])
			}
		}
		for r := range n {
			dst[r] = float32(f.score(sum[r] / float64(len(f.trees))))
		}
		dst, lo = dst[n:], lo+n
	}
}

// path adds the change of the mean path length on a row's way through tree k to
// shift and returns the length at its end.
func (p *planes) path(k int, t tree.Tree, row []float32, mean []float32, shift []float64) float64 {
	i := 0
	before := float64(mean[0])
	for t[i].Feature >= 0 {
		plane := p.first[k] + int(t[i].Next-1)/2
		i = p.next(k, &t[i], row)
		after := float64(mean[i])
		lo, hi := plane*p.width, (plane+1)*p.width
		total := 0.0
		push := func(m int) float64 {
			v := row[p.column[m]]
			if v != v {
				return 0
			}
			return math.Abs(float64(p.weight[m]) * (float64(v) - float64(p.point[m])))
		}
		used := lo
		for ; used < hi && p.column[used] >= 0; used++ {
			total += push(used)
		}
		for m := lo; m < used; m++ {
			share := 1 / float64(used-lo)
			if total > 0 {
				share = push(m) / total
			}
			shift[p.column[m]] += float64((after - before) * share)
		}
		before = after
	}
	return before
}

// The arrays of hyperplanes in a file:
//
//	iforest.plane_width   I32  one value: columns per plane
//	iforest.plane_column  I32  per plane, width values: column, -1 = unused
//	iforest.plane_weight  F32  the same: finite
//	iforest.plane_point   F32  the same: finite
func (p *planes) encode(file *model.File) {
	file.PutI32("iforest.plane_width", []int32{int32(p.width)})
	file.PutI32("iforest.plane_column", p.column)
	file.PutF32("iforest.plane_weight", p.weight)
	file.PutF32("iforest.plane_point", p.point)
}

func decodePlanes(file *model.File, trees []tree.Tree, columns int) (*planes, error) {
	width, err := file.I32("iforest.plane_width")
	if err != nil {
		return nil, err
	}
	if len(width) != 1 || width[0] < 2 || int(width[0]) > columns {
		return nil, fmt.Errorf("planes of %v columns, there are %d", width[:min(len(width), 2)], columns)
	}
	p := &planes{width: int(width[0])}
	if p.column, err = file.I32("iforest.plane_column"); err != nil {
		return nil, err
	}
	if p.weight, err = file.F32("iforest.plane_weight"); err != nil {
		return nil, err
	}
	if p.point, err = file.F32("iforest.plane_point"); err != nil {
		return nil, err
	}
	inner := 0
	for _, t := range trees {
		p.first = append(p.first, inner)
		inner += t.Inner()
	}
	if len(p.column) != inner*p.width || len(p.weight) != len(p.column) || len(p.point) != len(p.column) {
		return nil, fmt.Errorf("%d columns, %d weights and %d points for %d planes of %d", len(p.column), len(p.weight), len(p.point), inner, p.width)
	}
	for i, j := range p.column {
		if j < -1 || int(j) >= columns {
			return nil, fmt.Errorf("plane %d has column %d of %d", i/p.width, j, columns)
		}
		for _, v := range []float32{p.weight[i], p.point[i]} {
			if v != v || math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("plane %d holds %v", i/p.width, v)
			}
		}
	}
	return p, nil
}
