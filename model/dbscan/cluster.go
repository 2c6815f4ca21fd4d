package dbscan

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"apiml/model"
)

// clustering is the result of DBSCAN on distinct points: per point, in canonical
// order, whether it is a core and its cluster.
type clustering struct {
	core     []bool
	label    []int32 // −1 = noise
	clusters int
}

// distinct sorts rows (row-major, dim columns) by their columns, first column
// first, and merges equal ones: what follows then depends on the set of rows
// alone and not on their order. It returns the distinct points in that order,
// how many rows each stands for, and the point of each row.
func distinct(rows []float64, n, dim int) (points []float64, weight, of []int32) {
	at := func(i int32) []float64 { return rows[int(i)*dim : (int(i)+1)*dim] }
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		if c := slices.Compare(at(a), at(b)); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	of = make([]int32, n)
	for i, r := range order {
		if i == 0 || !slices.Equal(at(r), at(order[i-1])) {
			points = append(points, at(r)...)
			weight = append(weight, 0)
		}
		weight[len(weight)-1]++
		of[r] = int32(len(weight) - 1)
	}
	return points, weight, of
}

// cluster runs DBSCAN on the points of t. step is called after each of its three
// stages. The clusters are numbered by their lowest point.
//
// Complexity: O(n·log n) distances where neighbourhoods are small against the
// data, O(n²) at worst; O(n) memory, because no list of neighbours is kept.
//
// The three stages:
//  1. Cores: leaf by leaf, the points of a leaf walk the tree together, nearest
//     nodes first, and leave as soon as they have seen minSamples rows. A node
//     that lies in the neighbourhood of the whole leaf counts at once.
//  2. Clusters: union-find over the cores, leaf against leaf; pairs of nodes
//     whose cores are all in one set already are passed over.
//  3. Borders: the nearest core within eps.
func (t *tree) cluster(ctx context.Context, eps float64, minSamples, workers int, step func()) (*clustering, error) {
	d := &scan{tree: t, eps2: eps * eps, min: minSamples, core: make([]bool, len(t.id))}
	// Blocks of leaves: a task per leaf would be too small.
	blocks := (len(t.leaves) + 31) / 32
	each := func(do func(w *walker, leaf int32)) error {
		walkers := make([]walker, model.Workers(workers, blocks))
		return model.Parallel(ctx, workers, blocks, nil, func(w, b int) error {
			walkers[w].scan = d
			for _, leaf := range t.leaves[b*32 : min(b*32+32, len(t.leaves))] {
				do(&walkers[w], leaf)
			}
			return nil
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

	// Cores in canonical order, numbered by their cluster's first.
	c := &clustering{core: make([]bool, len(t.id)), label: make([]int32, len(t.id))}
	root := make([]int32, len(t.id))
	for i, id := range t.id {
		c.core[id] = d.core[i]
		root[id] = -1
		if d.core[i] {
			root[id] = d.sets.find(int32(i))
		}
	}
	number := make([]int32, len(t.id))
	for i := range number {
		number[i] = -1
	}
	for id, r := range root {
		c.label[id] = -1
		if r < 0 {
			continue
		}
		if number[r] < 0 {
			number[r] = int32(c.clusters)
			c.clusters++
		}
		c.label[id] = number[r]
	}
	if err := c.borders(ctx, t, d.eps2, workers); err != nil {
		return nil, err
	}
	step()
	return c, nil
}

// borders gives the points that are no cores to the cluster of their nearest
// core.
func (c *clustering) borders(ctx context.Context, t *tree, eps2 float64, workers int) error {
	points, label := c.cores(t)
	if len(label) == 0 || len(label) == len(t.id) {
		return nil
	}
	ones := make([]int32, len(label))
	cores := newTree(points, len(label), t.dim, ones)
	const block = 512
	return model.Parallel(ctx, workers, (len(t.id)+block-1)/block, nil, func(_, b int) error {
		for i := b * block; i < min((b+1)*block, len(t.id)); i++ {
			if id := t.id[i]; !c.core[id] {
				if at, _ := cores.nearest(t.point(int32(i)), eps2); at >= 0 {
					c.label[id] = label[cores.id[at]]
				}
			}
		}
		return nil
	})
}

// cores returns the points that are cores, in canonical order, and their
// clusters.
func (c *clustering) cores(t *tree) (points []float64, label []int32) {
	position := make([]int32, len(t.id))
	for i, id := range t.id {
		position[id] = int32(i)
	}
	for id, core := range c.core {
		if core {
			points = append(points, t.point(position[id])...)
			label = append(label, c.label[id])
		}
	}
	return points, label
}

// scan is what the walkers share.
type scan struct {
	*tree
	eps2 float64
	min  int
	core []bool // by position

	sets  sets
	first []int32         // per node: its first core, −1 = none
	whole []atomic.Uint32 // per node: 1 once all of its cores are known to be in one set
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
	count  []int   // rows seen of each
}

// cores finds the cores of a leaf.
func (w *walker) cores(leaf int32) {
	w.leaf, w.active, w.count = leaf, w.active[:0], w.count[:0]
	for i := w.nodes[leaf].lo; i < w.nodes[leaf].hi; i++ {
		w.active = append(w.active, i)
		w.count = append(w.count, 0)
	}
	w.tally(0, 0)
}

// tally adds the rows of node m, whose box is least away, to the counts.
func (w *walker) tally(m int32, least float64) {
	if least > w.eps2 || len(w.active) == 0 {
		return
	}
	n := w.nodes[m]
	if w.most(w.leaf, m) <= w.eps2 {
		for k := range w.count {
			w.count[k] += int(n.weight)
		}
		w.retire()
		return
	}
	if n.right > 0 {
		l, r := m+1, n.right
		a, b := w.least(w.leaf, l), w.least(w.leaf, r)
		// Nearest first; the leaf itself comes first of all.
		if b < a || b == a && w.nodes[w.leaf].lo >= w.nodes[r].lo {
			l, r, a, b = r, l, b, a
		}
		w.tally(l, a)
		w.tally(r, b)
		return
	}
	for k, i := range w.active {
		p := w.point(i)
		if m != w.leaf && w.beyond(p, m, w.eps2) {
			continue
		}
		c := w.count[k]
		for j := n.lo; j < n.hi; j++ {
			if near(p, w.point(j), w.eps2) {
				if c += int(w.weight[j]); c >= w.min {
					break
				}
			}
		}
		w.count[k] = c
	}
	w.retire()
}

// retire takes the points that turned out to be cores out of the walk.
func (w *walker) retire() {
	kept := 0
	for k, i := range w.active {
		if w.count[k] >= w.min {
			w.core[i] = true // positions of this leaf belong to this goroutine
			continue
		}
		w.active[kept], w.count[kept] = i, w.count[k]
		kept++
	}
	w.active, w.count = w.active[:kept], w.count[:kept]
}

// inside joins the cores of a leaf among themselves.
func (w *walker) inside(leaf int32) {
	n := w.nodes[leaf]
	all := w.most(leaf, leaf) <= w.eps2
	for i := n.lo; i < n.hi; i++ {
		if !w.core[i] {
			continue
		}
		if all {
			w.sets.union(w.first[leaf], i)
			continue
		}
		for j := i + 1; j < n.hi; j++ {
			if w.core[j] && w.sets.find(i) != w.sets.find(j) && near(w.point(i), w.point(j), w.eps2) {
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
	if w.leaf = leaf; w.first[leaf] >= 0 {
		w.join(0, 0)
	}
}

func (w *walker) join(m int32, least float64) {
	n := w.nodes[m]
	if least > w.eps2 || w.first[m] < 0 || n.hi <= w.nodes[w.leaf].hi {
		return // too far, no cores, or the leaf itself and what lies before it
	}
	whole := w.isWhole(m)
	if whole && w.isWhole(w.leaf) && w.sets.find(w.first[m]) == w.sets.find(w.first[w.leaf]) {
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
	if w.most(w.leaf, m) <= w.eps2 {
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
		if w.beyond(p, m, w.eps2) {
			continue
		}
		for j := b.lo; j < b.hi; j++ {
			if !w.core[j] || !other && w.sets.find(i) == w.sets.find(j) || !near(p, w.point(j), w.eps2) {
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
