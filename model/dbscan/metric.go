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
// node m.
func (t *tree) fromPoint(p []float64, m int32) float64 {
	low, high := t.sides(m)
	p, high = p[:len(low)], high[:len(low)]
	s := 0.0
	for j, l := range low {
		d := 0.0
		if v := p[j]; v < l {
			d = l - v
		} else if v > high[j] {
			d = v - high[j]
		} else {
			continue
		}
		if t.l1 {
			s += d
		} else {
			s += float64(d * d)
		}
	}
	return s
}

// beyond reports whether fromPoint(p, m) > limit; it stops where the sum already
// says so.
func (t *tree) beyond(p []float64, m int32, limit float64) bool {
	low, high := t.sides(m)
	p, high = p[:len(low)], high[:len(low)]
	s := 0.0
	for j, l := range low {
		d := 0.0
		if v := p[j]; v < l {
			d = l - v
		} else if v > high[j] {
			d = v - high[j]
		} else {
			continue
		}
		if t.l1 {
			s += d
		} else {
			s += float64(d * d)
		}
		if s > limit {
			return true
		}
	}
	return false
}

// least is the lower bound of the distances between points of two nodes.
func (t *tree) least(a, b int32) float64 {
	la, ha := t.sides(a)
	lb, hb := t.sides(b)
	ha, lb, hb = ha[:len(la)], lb[:len(la)], hb[:len(la)]
	s := 0.0
	for j, v := range la {
		d := max(v-hb[j], lb[j]-ha[j])
		if d > 0 {
			if t.l1 {
				s += d
			} else {
				s += float64(d * d)
			}
		}
	}
	return s
}

// most is the upper bound of the distances between points of two nodes.
func (t *tree) most(a, b int32) float64 {
	la, ha := t.sides(a)
	lb, hb := t.sides(b)
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
