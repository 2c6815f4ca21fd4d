package dbscan

import (
	"context"
	"sync/atomic"

	"apiml/model"
)

// clustering is the result of DBSCAN, by position in the tree: whether a point is
// a core, and the root of its cluster, which is a core's position; −1 = noise.
type clustering struct {
	core []bool
	root []int32
}

// cluster runs DBSCAN on the points of t: eps is an inner distance, least the
// weight that makes a core. step is called after each of its three stages.
//
// Complexity: O(n·log n) distances where neighbourhoods are small against the
// data, O(n²) at worst; O(n) memory, because no list of neighbours is kept.
//
// The three stages:
//  1. Cores: leaf by leaf, the points of a leaf walk the tree together, nearest
//     nodes first, and leave as soon as they have seen enough weight. A node
//     that lies in the neighbourhood of the whole leaf counts at once.
//  2. Clusters: union-find over the cores, leaf against leaf; pairs of nodes
//     whose cores are all in one set already are passed over.
//  3. Borders: the nearest core within eps.
func (t *tree) cluster(ctx context.Context, eps float64, least int64, workers int, step func()) (*clustering, error) {
	d := &scan{tree: t, limit: eps, min: least, core: make([]bool, len(t.id))}
	// Blocks of leaves: a task per leaf would be too small.
	const block = 16
	blocks := (len(t.leaves) + block - 1) / block
	each := func(do func(w *walker, leaf int32)) error {
		walkers := make([]walker, model.Workers(workers, blocks))
		return model.Parallel(ctx, workers, blocks, nil, func(w, b int) error {
			walkers[w].scan = d
			for _, leaf := range t.leaves[b*block : min(b*block+block, len(t.leaves))] {
				do(&walkers[w], leaf)
			}
			return ctx.Err()
		})
	}
	if err := each((*walker).cores); err != nil {
		return nil, err
	}
	step()
	d.prepare()
	if err := each((*walker).inside); err != nil {
		return nil, err
	}
	if err := each((*walker).across); err != nil {
		return nil, err
	}
	step()
	c := &clustering{core: d.core, root: make([]int32, len(t.id))}
	for i := range c.root {
		c.root[i] = -1
		if d.core[i] {
			c.root[i] = d.sets.find(int32(i))
		}
	}
	d.sets, d.whole, d.roots = nil, nil, c.root
	if err := each((*walker).borders); err != nil {
		return nil, err
	}
	step()
	return c, nil
}

// borders gives the points of a leaf that are no cores to the cluster of their
// nearest core.
func (w *walker) borders(leaf int32) {
	n := w.nodes[leaf]
	looked := false
	for i := n.lo; i < n.hi; i++ {
		if w.core[i] {
			continue
		}
		at := int32(-1)
		if !w.flat {
			at, _ = w.nearest(w.point(i), w.limit, w.first, w.core)
		} else {
			if !looked {
				w.near, looked = w.around(leaf, w.near), true
			}
			best := w.limit
			for _, m := range w.near {
				if w.first[m] >= 0 && w.fromPoint(w.point(i), m, best) <= best {
					best, at = w.nearestIn(w.point(i), m, best, at, w.core)
				}
			}
		}
		if at >= 0 {
			w.roots[i] = w.roots[at] // cores keep theirs; a border is its own goroutine's
		}
	}
}

// scan is what the walkers share.
type scan struct {
	*tree
	limit float64 // inner distance
	min   int64
	core  []bool // by position

	sets  sets
	first []int32         // per node: its first core, −1 = none
	whole []atomic.Uint32 // per node: 1 once all of its cores are known to be in one set
	roots []int32         // stage 3: the cluster of each point
}

// prepare makes what the second stage needs of the cores.
func (d *scan) prepare() {
	d.sets = make(sets, len(d.core))
	for i := range d.sets {
		d.sets[i].Store(int32(i))
	}
	d.first = make([]int32, len(d.nodes))
	d.whole = make([]atomic.Uint32, len(d.nodes))
	for m := len(d.nodes) - 1; m >= 0; m-- {
		n := d.nodes[m]
		d.first[m] = -1
		if n.right > 0 {
			if d.first[m] = d.first[m+1]; d.first[m] < 0 {
				d.first[m] = d.first[n.right]
			}
			continue
		}
		for i := n.lo; i < n.hi; i++ {
			if d.core[i] {
				d.first[m] = i
				break
			}
		}
	}
}

// walker is one goroutine's walk.
type walker struct {
	*scan
	leaf   int32
	active []int32 // points of the leaf that are no cores yet
	count  []int64 // weight seen of each
	scopes []*scope
	near   []int32 // of a flat index: the leaves around
}

// scope is the first points of active, those that the part of the tree below
// concerns, and their box.
type scope struct {
	n         int
	low, high []float64
}

// enter returns the scope at a depth of the walk for the first n active points.
func (w *walker) enter(depth, n int) *scope {
	for len(w.scopes) <= depth {
		w.scopes = append(w.scopes, &scope{low: make([]float64, w.dim), high: make([]float64, w.dim)})
	}
	s := w.scopes[depth]
	s.n = n
	w.shrink(s)
	return s
}

// shrink takes the box of the scope's points.
func (w *walker) shrink(s *scope) {
	for k, i := range w.active[:s.n] {
		p := w.point(i)
		if k == 0 {
			copy(s.low, p)
			copy(s.high, p)
			continue
		}
		low, high := s.low[:len(p)], s.high[:len(p)]
		for j, v := range p {
			if v < low[j] {
				low[j] = v
			} else if v > high[j] {
				high[j] = v
			}
		}
	}
}

// to is the lower bound of the distances between the scope's points and those of
// node m, or any number above the limit if it is.
func (w *walker) to(s *scope, m int32) float64 {
	low, high := w.sides(m)
	return w.gap(s.low, s.high, low, high, w.limit)
}

// covers reports whether node m is in the neighbourhood of all of the scope.
func (w *walker) covers(s *scope, m int32) bool {
	low, high := w.sides(m)
	return w.span(s.low, s.high, low, high) <= w.limit
}

// cores finds the cores of a leaf.
func (w *walker) cores(leaf int32) {
	w.leaf, w.active, w.count = leaf, w.active[:0], w.count[:0]
	for i := w.nodes[leaf].lo; i < w.nodes[leaf].hi; i++ {
		w.active = append(w.active, i)
		w.count = append(w.count, 0)
	}
	s := w.enter(0, len(w.active))
	if !w.flat {
		w.tally(0, s, 1)
		return
	}
	w.near = w.around(leaf, w.near)
	w.flatTally(leaf, s) // most are settled within
	for _, m := range w.near {
		if s.n == 0 {
			return
		}
		if m != leaf && w.to(s, m) <= w.limit {
			w.flatTally(m, s)
		}
	}
}

// flatTally adds the rows of a leaf to the counts.
func (w *walker) flatTally(m int32, s *scope) {
	if w.covers(s, m) {
		w.all(s, w.nodes[m].weight)
		return
	}
	w.tallyLeaf(m, s)
}

// all adds a node that is in the neighbourhood of the whole scope.
func (w *walker) all(s *scope, weight int64) {
	for k := range w.count[:s.n] {
		w.count[k] += weight
	}
	w.retire(s)
}

// narrowFrom is the size of a node from which the points that it is too far away
// from are left behind before going on.
const narrowFrom = 3 * leafPoints

// tally adds the rows of node m, which is within the limit of the scope's box, to
// the counts of the scope's points. It takes out of the scope what has become a
// core. depth is free for a narrower scope.
func (w *walker) tally(m int32, s *scope, depth int) {
	n := w.nodes[m]
	if w.covers(s, m) {
		w.all(s, n.weight)
		return
	}
	if n.right == 0 {
		w.tallyLeaf(m, s)
		return
	}
	in := s
	if s.n > 1 && n.hi-n.lo >= narrowFrom && n.hi-n.lo < int32(len(w.id))/4 {
		k := 0
		for a := range w.active[:s.n] {
			if w.fromPoint(w.point(w.active[a]), m, w.limit) <= w.limit {
				w.active[a], w.active[k] = w.active[k], w.active[a]
				w.count[a], w.count[k] = w.count[k], w.count[a]
				k++
			}
		}
		if k == 0 {
			return
		}
		if k < s.n {
			in = w.enter(depth, k)
			depth++
		}
	}
	before := in.n
	l, r := m+1, n.right
	a, b := w.to(in, l), w.to(in, r)
	// Nearest first; the leaf itself comes first of all.
	if b < a || b == a && w.nodes[w.leaf].lo >= w.nodes[r].lo {
		l, r, a, b = r, l, b, a
	}
	if a <= w.limit {
		w.tally(l, in, depth)
	}
	if in.n > 0 && b <= w.limit && (in.n == before || w.to(in, r) <= w.limit) {
		w.tally(r, in, depth)
	}
	if in != s && in.n < before {
		s.n -= before - in.n
		w.shrink(s)
	}
}

// tallyLeaf compares the points with those of leaf m.
func (w *walker) tallyLeaf(m int32, s *scope) {
	n := w.nodes[m]
	points := w.points[int(n.lo)*w.dim : int(n.hi)*w.dim]
	for k, i := range w.active[:s.n] {
		p := w.point(i)
		if m != w.leaf && s.n > 1 && w.fromPoint(p, m, w.limit) > w.limit {
			continue
		}
		if w.unit == nil {
			w.count[k] += w.tree.count(p, points, w.limit, w.min-w.count[k])
			continue
		}
		c := w.count[k]
		for j := n.lo; j < n.hi; j++ {
			if w.within(p, w.point(j), w.limit) {
				if c += w.unit[j]; c >= w.min {
					break
				}
			}
		}
		w.count[k] = c
	}
	w.retire(s)
}

// retire takes the points of a scope that turned out to be cores out of the walk.
func (w *walker) retire(s *scope) {
	kept, gone := 0, 0
	for k, i := range w.active {
		if k < s.n && w.count[k] >= w.min {
			w.core[i] = true // positions of this leaf belong to this goroutine
			gone++
			continue
		}
		w.active[kept], w.count[kept] = i, w.count[k]
		kept++
	}
	if gone > 0 {
		w.active, w.count = w.active[:kept], w.count[:kept]
		s.n -= gone
		w.shrink(s)
	}
}

// inside joins the cores of a leaf among themselves.
func (w *walker) inside(leaf int32) {
	n := w.nodes[leaf]
	all := w.most(leaf, leaf) <= w.limit
	for i := n.lo; i < n.hi; i++ {
		if !w.core[i] {
			continue
		}
		if all {
			w.sets.union(w.first[leaf], i)
			continue
		}
		for j := i + 1; j < n.hi; j++ {
			if w.core[j] && w.sets.find(i) != w.sets.find(j) && w.within(w.point(i), w.point(j), w.limit) {
				w.sets.union(i, j)
			}
		}
	}
	w.isWhole(leaf)
}

// isWhole reports whether all cores of a node are known to be in one set.
func (w *walker) isWhole(m int32) bool {
	if w.whole[m].Load() == 1 {
		return true
	}
	n := w.nodes[m]
	if n.right > 0 {
		a, b := w.first[m+1], w.first[n.right]
		if a >= 0 && w.whole[m+1].Load() != 1 || b >= 0 && w.whole[n.right].Load() != 1 {
			return false
		}
		if a >= 0 && b >= 0 && w.sets.find(a) != w.sets.find(b) {
			return false
		}
	} else {
		root := int32(-1)
		for i := n.lo; i < n.hi; i++ {
			if w.core[i] {
				r := w.sets.find(i)
				if root >= 0 && r != root {
					return false
				}
				root = r
			}
		}
	}
	w.whole[m].Store(1)
	return true
}

// across joins the cores of a leaf with those of the leaves behind it.
func (w *walker) across(leaf int32) {
	if w.leaf = leaf; w.first[leaf] < 0 {
		return
	}
	if !w.flat {
		w.join(0, 0)
		return
	}
	w.near = w.around(leaf, w.near)
	for _, m := range w.near {
		if m > leaf && w.first[m] >= 0 && w.least(leaf, m) <= w.limit && !w.joined(m) {
			w.pair(m)
		}
	}
}

// joined reports whether the leaf's cores and those of node m are one set.
func (w *walker) joined(m int32) bool {
	return w.isWhole(m) && w.isWhole(w.leaf) && w.sets.find(w.first[m]) == w.sets.find(w.first[w.leaf])
}

func (w *walker) join(m int32, least float64) {
	n := w.nodes[m]
	if least > w.limit || w.first[m] < 0 || n.hi <= w.nodes[w.leaf].hi {
		return // too far, no cores, or the leaf itself and what lies before it
	}
	whole := w.isWhole(m)
	if w.joined(m) {
		return
	}
	if n.right == 0 {
		w.pair(m)
		return
	}
	l, r := m+1, n.right
	a, b := w.least(w.leaf, l), w.least(w.leaf, r)
	if b < a {
		l, r, a, b = r, l, b, a
	}
	w.join(l, a)
	w.join(r, b)
	if !whole {
		w.isWhole(m)
	}
}

// pair joins the cores of the leaf with those of leaf m.
func (w *walker) pair(m int32) {
	a, b := w.nodes[w.leaf], w.nodes[m]
	if w.most(w.leaf, m) <= w.limit {
		for i := a.lo; i < a.hi; i++ {
			if w.core[i] {
				w.sets.union(i, w.first[m])
			}
		}
		for j := b.lo; j < b.hi; j++ {
			if w.core[j] {
				w.sets.union(j, w.first[w.leaf])
			}
		}
		w.whole[w.leaf].Store(1)
		w.whole[m].Store(1)
		return
	}
	mine, other := w.isWhole(w.leaf), w.isWhole(m)
	for i := a.lo; i < a.hi; i++ {
		if !w.core[i] || other && w.sets.find(i) == w.sets.find(w.first[m]) {
			continue
		}
		p := w.point(i)
		if w.fromPoint(p, m, w.limit) > w.limit {
			continue
		}
		for j := b.lo; j < b.hi; j++ {
			if !w.core[j] || !other && w.sets.find(i) == w.sets.find(j) || !w.within(p, w.point(j), w.limit) {
				continue
			}
			w.sets.union(i, j)
			if other && mine {
				return // both leaves are one set now
			}
			if other {
				break
			}
		}
	}
}

// sets is a union-find that many goroutines may use at once (Anderson & Woll
// 1991, "Wait-free parallel algorithms for the union-find problem"). The lowest
// member of a set is its root, so that the sets, and their roots, do not depend
// on the order of the unions.
type sets []atomic.Int32

func (s sets) find(i int32) int32 {
	for {
		p := s[i].Load()
		if p == i {
			return i
		}
		g := s[p].Load()
		if g != p {
			s[i].CompareAndSwap(p, g) // halves the path; a failure does no harm
		}
		i = g
	}
}

func (s sets) union(a, b int32) {
	for {
		a, b = s.find(a), s.find(b)
		if a == b {
			return
		}
		if a < b {
			a, b = b, a
		}
		if s[a].CompareAndSwap(a, b) {
			return
		}
	}
}
