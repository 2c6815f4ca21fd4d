package dbscan

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// tree is the index of the points: a kd-tree (Bentley 1975, "Multidimensional
// binary search trees used for associative searching"), split at the median of
// the widest side of the bounding box. Building takes O(n·log n), memory is the
// points once more and about a fifth of them for the boxes.
//
// There are two flat forms of it, whose nodes are all leaves: a grid whose cells
// are no wider than eps, and blocks in the order of the rows (see index).
type tree struct {
	dim    int
	l1     bool
	points []float64 // row-major, leaf after leaf
	unit   []int64   // weight of each point, in units; nil = one each
	id     []int32   // row of each point
	nodes  []node
	box    []float64 // per node: dim lower, then dim upper bounds
	leaves []int32   // nodes that are leaves, in order
	flat   bool
	grid   *grid // of a flat one: nil = blocks
}

// node holds the points lo ≤ i < hi. The left child is the next node.
type node struct {
	lo, hi int32
	right  int32 // 0 = leaf
	weight int64
}

const (
	// leafPoints is the most points in a leaf: enough that the distances, not
	// the walk, take the time; few enough that a leaf is small against eps.
	leafPoints = 32
	// maxStack bounds the depth of a walk: halves of 2^31 points.
	maxStack = 64
)

// newTree builds the kd-tree of n points (row-major, dim columns).
func newTree(points []float64, n, dim int, l1 bool, unit []int64) *tree {
	t := &tree{dim: dim, l1: l1, id: make([]int32, n)}
	for i := range t.id {
		t.id[i] = int32(i)
	}
	if n > 0 {
		nodes := 2*((n+leafPoints-1)/leafPoints) + 1
		t.nodes, t.box = make([]node, 0, nodes), make([]float64, 0, nodes*2*dim)
		t.build(points, 0, n)
	}
	t.take(points, unit)
	return t
}

// take copies the points into the order of the leaves and weighs the nodes.
func (t *tree) take(points []float64, unit []int64) {
	t.points = make([]float64, len(t.id)*t.dim)
	for i, r := range t.id {
		copy(t.points[i*t.dim:(i+1)*t.dim], points[int(r)*t.dim:])
	}
	if unit != nil {
		t.unit = make([]int64, len(t.id))
		for i, r := range t.id {
			t.unit[i] = unit[r]
		}
	}
	leaves := 0
	for i := len(t.nodes) - 1; i >= 0; i-- {
		m := &t.nodes[i]
		if m.right > 0 {
			m.weight = t.nodes[i+1].weight + t.nodes[m.right].weight
			continue
		}
		leaves++
		m.weight = int64(m.hi - m.lo)
		if t.unit != nil {
			m.weight = 0
			for _, w := range t.unit[m.lo:m.hi] {
				m.weight += w
			}
		}
	}
	t.leaves = make([]int32, 0, leaves)
	for i := range t.nodes {
		if t.nodes[i].right == 0 {
			t.leaves = append(t.leaves, int32(i))
		}
	}
}

// add appends the node of the rows id[lo:hi] with their box.
func (t *tree) add(points []float64, lo, hi int) (low, high []float64) {
	at := len(t.nodes)
	t.nodes = append(t.nodes, node{lo: int32(lo), hi: int32(hi)})
	first := points[int(t.id[lo])*t.dim:][:t.dim]
	t.box = append(append(t.box, first...), first...)
	low, high = t.sides(int32(at))
	for _, r := range t.id[lo+1 : hi] {
		for j, v := range points[int(r)*t.dim:][:t.dim] {
			if v < low[j] {
				low[j] = v
			} else if v > high[j] {
				high[j] = v
			}
		}
	}
	return low, high
}

func (t *tree) build(points []float64, lo, hi int) {
	at := len(t.nodes)
	low, high := t.add(points, lo, hi)
	if hi-lo <= leafPoints || t.dim == 0 {
		return
	}
	axis, width := 0, -1.0
	for j := range low {
		if w := high[j] - low[j]; w > width {
			axis, width = j, w
		}
	}
	// Whole leaves on the left: then all leaves but the last are full.
	leaves := (hi - lo + leafPoints - 1) / leafPoints
	mid := lo + leaves/2*leafPoints
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

func (t *tree) weight(i int32) int64 {
	if t.unit == nil {
		return 1
	}
	return t.unit[i]
}

// nearest returns the position of the point nearest to q among those whose
// inner distance is at most limit, and that distance; −1 if there is none. Of
// equally near points it is the first by columns. first, if not nil, says of each
// node where its first admitted point lies (−1 = none) and admit which points
// are. O(log n) on average, no allocation. Not for flat forms.
func (t *tree) nearest(q []float64, limit float64, first []int32, admit []bool) (int32, float64) {
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
	stack[0] = step{0, t.fromPoint(q, 0, best)}
	for top > 0 {
		top--
		s := stack[top]
		// Not ≥: a point at the same distance may come first. A bound that is no
		// number comes from a query that is none.
		if !(s.bound <= best) || first != nil && first[s.node] < 0 {
			continue
		}
		n := t.nodes[s.node]
		if n.right > 0 {
			l, r := s.node+1, n.right
			a, b := t.fromPoint(q, l, best), t.fromPoint(q, r, best)
			if b < a {
				l, r, a, b = r, l, b, a
			}
			stack[top], stack[top+1] = step{r, b}, step{l, a}
			top += 2
			continue
		}
		best, found = t.nearestIn(q, s.node, best, found, admit)
	}
	return found, best
}

// nearestIn is nearest within a leaf.
func (t *tree) nearestIn(q []float64, leaf int32, best float64, found int32, admit []bool) (float64, int32) {
	n := t.nodes[leaf]
	for i := n.lo; i < n.hi; i++ {
		if admit != nil && !admit[i] {
			continue
		}
		if !t.within(q, t.point(i), best) {
			continue
		}
		d := t.distance(q, t.point(i))
		if d < best || d == best && (found < 0 || before(t.point(i), t.point(found))) {
			best, found = d, i
		}
	}
	return best, found
}

// reach is the least inner distance around the point at position i within which
// there is the weight k, its own included: that of the eps at which it becomes a
// core. +Inf if there is less. buf holds the distances so far and is reused.
func (t *tree) reach(i int32, k int64, buf []found) (float64, []found) {
	buf = buf[:0]
	q := t.point(i)
	total := int64(0)
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
			far := math.MaxFloat64
			if total >= k {
				far = buf[len(buf)-1].distance
			}
			a, b := t.fromPoint(q, l, far), t.fromPoint(q, r, far)
			if b < a || b == a && t.nodes[r].lo <= i { // of equal ones its own
				l, r, a, b = r, l, b, a
			}
			stack[top], stack[top+1] = step{r, b}, step{l, a}
			top += 2
			continue
		}
		for j := n.lo; j < n.hi; j++ {
			if total >= k && !t.within(q, t.point(j), buf[len(buf)-1].distance) {
				continue
			}
			d := t.distance(q, t.point(j))
			if total >= k && d >= buf[len(buf)-1].distance {
				continue
			}
			at := len(buf)
			for at > 0 && buf[at-1].distance > d {
				at--
			}
			buf = slices.Insert(buf, at, found{d, t.weight(j)})
			total += t.weight(j)
			for last := buf[len(buf)-1]; total-last.weight >= k; last = buf[len(buf)-1] {
				total -= last.weight
				buf = buf[:len(buf)-1]
			}
		}
	}
	if total < k {
		return math.Inf(1), buf
	}
	return buf[len(buf)-1].distance, buf
}

// found is one neighbour: inner distance and weight.
type found struct {
	distance float64
	weight   int64
}
