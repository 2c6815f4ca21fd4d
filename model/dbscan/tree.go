package dbscan

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// tree is a kd-tree (Bentley 1975, "Multidimensional binary search trees used
// for associative searching") over distinct weighted points: split at the median
// of the widest side of the bounding box, points of a leaf side by side, nodes
// in one flat slice. Building takes O(n·log n), memory O(n·dim).
//
// Every bound is exact against the distances as they are computed: subtraction,
// squaring and adding round monotonically, and all sums run over the columns in
// the same order, so the bound of a box is never beyond the computed distance of
// a point in it. No neighbour is lost or won by rounding.
type tree struct {
	dim    int
	points []float64 // row-major, leaf after leaf
	weight []int32   // rows at each point
	id     []int32   // number of each point in the caller's order
	nodes  []node
	box    []float64 // per node: dim lower, then dim upper bounds
	leaves []int32   // nodes that are leaves, in order
}

// node holds the points lo ≤ i < hi. Its left child is the next node.
type node struct {
	lo, hi int32
	right  int32 // 0 = leaf
	weight int32
}

const (
	// leafPoints is the most points in a leaf: enough that the distances, not
	// the walk, take the time; few enough that a leaf is small against eps.
	leafPoints = 24
	// maxStack bounds the depth of a walk: halves of 2^31 points.
	maxStack = 64
)

// newTree builds the tree of n distinct points (row-major, dim columns).
func newTree(points []float64, n, dim int, weight []int32) *tree {
	t := &tree{dim: dim, id: make([]int32, n)}
	for i := range t.id {
		t.id[i] = int32(i)
	}
	if n > 0 {
		t.build(points, 0, n)
	}
	t.points = make([]float64, n*dim)
	t.weight = make([]int32, n)
	for i, r := range t.id {
		copy(t.points[i*dim:(i+1)*dim], points[int(r)*dim:])
		t.weight[i] = weight[r]
	}
	for i := len(t.nodes) - 1; i >= 0; i-- {
		m := &t.nodes[i]
		if m.right > 0 {
			m.weight = t.nodes[i+1].weight + t.nodes[m.right].weight
			continue
		}
		for _, w := range t.weight[m.lo:m.hi] {
			m.weight += w
		}
	}
	for i := range t.nodes {
		if t.nodes[i].right == 0 {
			t.leaves = append(t.leaves, int32(i))
		}
	}
	return t
}

func (t *tree) build(points []float64, lo, hi int) {
	at := len(t.nodes)
	t.nodes = append(t.nodes, node{lo: int32(lo), hi: int32(hi)})
	first := points[int(t.id[lo])*t.dim:][:t.dim]
	t.box = append(append(t.box, first...), first...)
	low := t.box[2*at*t.dim:][:t.dim]
	high := t.box[(2*at+1)*t.dim:][:t.dim]
	for _, r := range t.id[lo+1 : hi] {
		for j, v := range points[int(r)*t.dim:][:t.dim] {
			if v < low[j] {
				low[j] = v
			} else if v > high[j] {
				high[j] = v
			}
		}
	}
	if hi-lo <= leafPoints {
		return
	}
	axis, width := 0, -1.0
	for j := range low {
		if w := high[j] - low[j]; w > width {
			axis, width = j, w
		}
	}
	if !(width > 0) {
		return // equal points: cannot be for distinct ones, and must not loop
	}
	mid := lo + (hi-lo)/2
	split(t.id[lo:hi], mid-lo, points, t.dim, axis)
	t.build(points, lo, mid)
	t.nodes[at].right = int32(len(t.nodes))
	t.build(points, mid, hi)
}

// split reorders rows so that none before k lies above row k on the axis and
// none behind it lies below: quickselect (Hoare 1961) with the median of three,
// and a sort if that goes wrong too often.
func split(rows []int32, k int, points []float64, dim, axis int) {
	key := func(i int) float64 { return points[int(rows[i])*dim+axis] }
	lo, hi := 0, len(rows)-1
	for rounds := 4 * bits.Len(uint(len(rows))); lo < hi; rounds-- {
		if rounds == 0 {
			slices.SortFunc(rows[lo:hi+1], func(a, b int32) int {
				return cmp.Compare(points[int(a)*dim+axis], points[int(b)*dim+axis])
			})
			return
		}
		a, b, c := key(lo), key(lo+(hi-lo)/2), key(hi)
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := lo, hi
		for i <= j {
			for key(i) < pivot {
				i++
			}
			for key(j) > pivot {
				j--
			}
			if i <= j {
				rows[i], rows[j] = rows[j], rows[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return
		}
	}
}

// point is the point at position i.
func (t *tree) point(i int32) []float64 {
	return t.points[int(i)*t.dim : (int(i)+1)*t.dim : (int(i)+1)*t.dim]
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

// near reports whether distance2(a, b) ≤ limit; it stops where the sum already
// says no.
func near(a, b []float64, limit float64) bool {
	b = b[:len(a)]
	s := 0.0
	for len(a) > 8 {
		for j, v := range a[:8] {
			d := v - b[j]
			s += float64(d * d)
		}
		if s > limit {
			return false
		}
		a, b = a[8:], b[8:]
	}
	for j, v := range a {
		d := v - b[j]
		s += float64(d * d)
	}
	return s <= limit
}

// fromPoint is the squared distance of p to the box of node m: a lower bound for
// the points in it.
func (t *tree) fromPoint(p []float64, m int32) float64 {
	low := t.box[2*int(m)*t.dim:][:len(p)]
	high := t.box[(2*int(m)+1)*t.dim:][:len(p)]
	s := 0.0
	for j, v := range p {
		d := 0.0
		if v < low[j] {
			d = low[j] - v
		} else if v > high[j] {
			d = v - high[j]
		}
		s += float64(d * d)
	}
	return s
}

// beyond reports whether fromPoint(p, m) > limit; it stops where the sum already
// says so.
func (t *tree) beyond(p []float64, m int32, limit float64) bool {
	low := t.box[2*int(m)*t.dim:][:len(p)]
	high := t.box[(2*int(m)+1)*t.dim:][:len(p)]
	s := 0.0
	for j, v := range p {
		d := 0.0
		if v < low[j] {
			d = low[j] - v
		} else if v > high[j] {
			d = v - high[j]
		} else {
			continue
		}
		if s += float64(d * d); s > limit {
			return true
		}
	}
	return false
}

// least is the lower bound of the squared distances between points of two nodes.
func (t *tree) least(a, b int32) float64 {
	n := t.dim
	la, ha := t.box[2*int(a)*n:][:n], t.box[(2*int(a)+1)*n:][:n]
	lb, hb := t.box[2*int(b)*n:][:n], t.box[(2*int(b)+1)*n:][:n]
	s := 0.0
	for j, v := range la {
		d := v - hb[j]
		if e := lb[j] - ha[j]; e > d {
			d = e
		}
		if d > 0 {
			s += float64(d * d)
		}
	}
	return s
}

// most is the upper bound of the squared distances between points of two nodes.
func (t *tree) most(a, b int32) float64 {
	n := t.dim
	la, ha := t.box[2*int(a)*n:][:n], t.box[(2*int(a)+1)*n:][:n]
	lb, hb := t.box[2*int(b)*n:][:n], t.box[(2*int(b)+1)*n:][:n]
	s := 0.0
	for j, v := range la {
		d := hb[j] - v
		if e := ha[j] - lb[j]; e > d {
			d = e
		}
		s += float64(d * d)
	}
	return s
}

// nearest returns the position of the point nearest to q among those whose
// squared distance is at most limit, and that distance; −1 if there is none. Of
// equally near points it is the one with the lowest id. O(log n) on average, no
// allocation.
func (t *tree) nearest(q []float64, limit float64) (int32, float64) {
	best, found := limit, int32(-1)
	if len(t.nodes) == 0 {
		return found, best
	}
	type step struct {
		node  int32
		bound float64
	}
	var stack [maxStack]step
	top := 1
	stack[0] = step{0, t.fromPoint(q, 0)}
	for top > 0 {
		top--
		s := stack[top]
		// Not ≥: a point at the same distance may have a lower id. A bound that
		// is no number comes from a query that is none.
		if !(s.bound <= best) {
			continue
		}
		n := t.nodes[s.node]
		if n.right > 0 {
			l, r := s.node+1, n.right
			a, b := t.fromPoint(q, l), t.fromPoint(q, r)
			if b < a {
				l, r, a, b = r, l, b, a
			}
			stack[top], stack[top+1] = step{r, b}, step{l, a}
			top += 2
			continue
		}
		for i := n.lo; i < n.hi; i++ {
			d := distance2(q, t.point(i))
			if d < best || d == best && (found < 0 || t.id[i] < t.id[found]) {
				best, found = d, i
			}
		}
	}
	return found, best
}

// reach is the least distance around the point at position i within which there
// are k rows, its own included: the eps at which it becomes a core. +Inf if
// there are fewer rows. buf holds the distances so far and is reused.
func (t *tree) reach(i int32, k int, buf []found) (float64, []found) {
	buf = buf[:0]
	q := t.point(i)
	total := 0
	type step struct {
		node  int32
		bound float64
	}
	var stack [maxStack]step
	top := 1
	stack[0] = step{0, 0}
	for top > 0 {
		top--
		s := stack[top]
		if total >= k && s.bound >= buf[len(buf)-1].distance {
			continue
		}
		n := t.nodes[s.node]
		if n.right > 0 {
			l, r := s.node+1, n.right
			a, b := t.fromPoint(q, l), t.fromPoint(q, r)
			if b < a || b == a && r <= i { // of equal ones any order will do
				l, r, a, b = r, l, b, a
			}
			stack[top], stack[top+1] = step{r, b}, step{l, a}
			top += 2
			continue
		}
		for j := n.lo; j < n.hi; j++ {
			d := distance2(q, t.point(j))
			if total >= k && d >= buf[len(buf)-1].distance {
				continue
			}
			at, _ := slices.BinarySearchFunc(buf, d, func(f found, d float64) int { return cmp.Compare(f.distance, d) })
			buf = slices.Insert(buf, at, found{d, int(t.weight[j])})
			total += int(t.weight[j])
			for last := buf[len(buf)-1]; total-last.weight >= k; last = buf[len(buf)-1] {
				total -= last.weight
				buf = buf[:len(buf)-1]
			}
		}
	}
	if total < k {
		return math.Inf(1), buf
	}
	return math.Sqrt(buf[len(buf)-1].distance), buf
}

// found is one neighbour: squared distance and rows.
type found struct {
	distance float64
	weight   int
}
