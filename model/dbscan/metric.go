package dbscan

import (
	"fmt"
	"math"
	"slices"
)

// Metrics of Options and Config.
const (
	Euclidean = "euclidean"
	Manhattan = "manhattan"
	Cosine    = "cosine" // 1 − cos of the angle, from 0 to 2
)

func checkMetric(name string) error {
	switch name {
	case "", Euclidean, Manhattan, Cosine:
		return nil
	}
	return fmt.Errorf("dbscan: metric must be %q, %q or %q, not %q", Euclidean, Manhattan, Cosine, name)
}

// Distances inside the package are "inner" ones: the square for Euclidean, the
// sum for Manhattan. The cosine distance of two rows is half the square of the
// Euclidean one between the rows at length 1, so it needs no index of its own.

// inner is the inner distance of a radius.
func inner(metric string, eps float64) float64 {
	switch metric {
	case Manhattan:
		return eps
	case Cosine:
		return 2 * eps
	}
	return eps * eps
}

// outer is the inverse of inner.
func outer(metric string, d float64) float64 {
	switch metric {
	case Manhattan:
		return d
	case Cosine:
		return d / 2
	}
	return math.Sqrt(d)
}

// onSphere puts rows at length 1, in one column more: rows of zeros, which have
// no angle, become the unit vector of that column, at distance 1 from all others
// and 0 from each other.
func onSphere(rows []float64, dim int) ([]float64, int) {
	n := len(rows) / dim
	out := make([]float64, n*(dim+1))
	for i := range n {
		direct(out[i*(dim+1):][:dim+1], rows[i*dim:][:dim])
	}
	return out, dim + 1
}

// direct writes row at length 1 to dst, which has one column more. The largest
// value is divided out first: squares of what a float64 holds may overflow.
func direct(dst, row []float64) {
	largest := 0.0
	for _, v := range row {
		largest = max(largest, math.Abs(v))
	}
	clear(dst)
	if largest == 0 {
		dst[len(row)] = 1
		return
	}
	sum := 0.0
	for j, v := range row {
		dst[j] = v / largest
		sum += float64(dst[j] * dst[j])
	}
	length := math.Sqrt(sum)
	for j := range row {
		dst[j] = dst[j]/length + 0
	}
}

// distance is the inner distance of two points.
func (t *tree) distance(a, b []float64) float64 {
	if t.l1 {
		return distance1(a, b)
	}
	return distance2(a, b)
}

func distance1(a, b []float64) float64 {
	b = b[:len(a)]
	s := 0.0
	for j, v := range a {
		s += math.Abs(v - b[j])
	}
	return s
}

// distance2 is the squared Euclidean distance.
func distance2(a, b []float64) float64 {
	b = b[:len(a)]
	s := 0.0
	for j, v := range a {
		d := v - b[j]
		s += float64(d * d)
	}
	return s
}

// within reports whether distance(a, b) ≤ limit; it stops where the sum already
// says no.
func (t *tree) within(a, b []float64, limit float64) bool {
	if t.l1 {
		return distance1(a, b) <= limit
	}
	return within2(a, b, limit)
}

// count is how many of the points (row-major) are within limit of p, or enough
// if there are that many.
func (t *tree) count(p, points []float64, limit float64, enough int64) int64 {
	n := int64(0)
	if !t.l1 && len(p) == 8 {
		// Nearly all the time goes here: with the columns as an array the compiler
		// knows that no index is out of range.
		p := (*[8]float64)(p)
		for ; len(points) >= 8; points = points[8:] {
			q := (*[8]float64)(points)
			d0, d1, d2, d3 := p[0]-q[0], p[1]-q[1], p[2]-q[2], p[3]-q[3]
			s := float64(d0 * d0)
			s += float64(d1 * d1)
			s += float64(d2 * d2)
			s += float64(d3 * d3)
			if s > limit {
				continue
			}
			d4, d5, d6, d7 := p[4]-q[4], p[5]-q[5], p[6]-q[6], p[7]-q[7]
			s += float64(d4 * d4)
			s += float64(d5 * d5)
			s += float64(d6 * d6)
			s += float64(d7 * d7)
			if s <= limit {
				if n++; n >= enough {
					return n
				}
			}
		}
		return n
	}
	for ; len(points) > 0 && n < enough; points = points[len(p):] {
		if t.within(p, points[:len(p)], limit) {
			n++
		}
	}
	return n
}

func within2(a, b []float64, limit float64) bool {
	s := 0.0
	for len(a) >= 8 && len(b) >= 8 {
		p, q := (*[8]float64)(a), (*[8]float64)(b)
		d0, d1, d2, d3 := p[0]-q[0], p[1]-q[1], p[2]-q[2], p[3]-q[3]
		s += float64(d0 * d0)
		s += float64(d1 * d1)
		s += float64(d2 * d2)
		s += float64(d3 * d3)
		if s > limit {
			return false
		}
		d4, d5, d6, d7 := p[4]-q[4], p[5]-q[5], p[6]-q[6], p[7]-q[7]
		s += float64(d4 * d4)
		s += float64(d5 * d5)
		s += float64(d6 * d6)
		s += float64(d7 * d7)
		if s > limit {
			return false
		}
		a, b = a[8:], b[8:]
	}
	b = b[:len(a)]
	for j, v := range a {
		d := v - b[j]
		s += float64(d * d)
	}
	return s <= limit
}

// The bounds of boxes. Every bound is exact against the distances as they are
// computed: subtraction, squaring and adding round monotonically, and all sums
// run over the columns in the same order, so the bound of a box is never beyond
// the computed distance of a point in it. No neighbour is lost or won by
// rounding.

func (t *tree) sides(m int32) (low, high []float64) {
	n := t.dim
	b := t.box[2*int(m)*n:][: 2*n : 2*n]
	return b[:n:n], b[n:]
}

// fromPoint is the lower bound of the distances between p and the points of
// node m; where it is above limit, any number above limit.
func (t *tree) fromPoint(p []float64, m int32, limit float64) float64 {
	low, high := t.sides(m)
	return t.gap(p, p, low, high, limit)
}

// least is the lower bound of the distances between points of two nodes.
func (t *tree) least(a, b int32) float64 {
	la, ha := t.sides(a)
	lb, hb := t.sides(b)
	return t.gap(la, ha, lb, hb, math.Inf(1))
}

// gap is the distance between two boxes, or any number above limit if it is.
func (t *tree) gap(la, ha, lb, hb []float64, limit float64) float64 {
	s := 0.0
	if t.l1 {
		for j, v := range la {
			s += max(v-hb[j], lb[j]-ha[j], 0)
		}
		return s
	}
	// No branch depends on the values: which side of a box a point is on cannot be
	// predicted.
	for len(la) >= 4 {
		a, b, c, d := (*[4]float64)(la), (*[4]float64)(ha), (*[4]float64)(lb), (*[4]float64)(hb)
		d0 := max(a[0]-d[0], c[0]-b[0], 0)
		d1 := max(a[1]-d[1], c[1]-b[1], 0)
		d2 := max(a[2]-d[2], c[2]-b[2], 0)
		d3 := max(a[3]-d[3], c[3]-b[3], 0)
		s += float64(d0 * d0)
		s += float64(d1 * d1)
		s += float64(d2 * d2)
		s += float64(d3 * d3)
		if s > limit {
			return s
		}
		la, ha, lb, hb = la[4:], ha[4:], lb[4:], hb[4:]
	}
	ha, lb, hb = ha[:len(la)], lb[:len(la)], hb[:len(la)]
	for j, v := range la {
		d := max(v-hb[j], lb[j]-ha[j], 0)
		s += float64(d * d)
	}
	return s
}

// most is the upper bound of the distances between points of two nodes.
func (t *tree) most(a, b int32) float64 {
	la, ha := t.sides(a)
	lb, hb := t.sides(b)
	return t.span(la, ha, lb, hb)
}

// span is the largest distance between points of two boxes.
func (t *tree) span(la, ha, lb, hb []float64) float64 {
	ha, lb, hb = ha[:len(la)], lb[:len(la)], hb[:len(la)]
	s := 0.0
	for j, v := range la {
		d := max(hb[j]-v, ha[j]-lb[j])
		if t.l1 {
			s += d
		} else {
			s += float64(d * d)
		}
	}
	return s
}

// before orders points by their columns, first column first: how ties are
// settled without asking for the order of the rows.
func before(a, b []float64) bool { return slices.Compare(a, b) < 0 }
