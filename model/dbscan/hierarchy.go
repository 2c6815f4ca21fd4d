package dbscan

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"apiml/model"
)

// HDBSCAN (Campello, Moulavi, Sander, "Density-based clustering based on
// hierarchical density estimates", PAKDD 2013): DBSCAN for every eps at once. The
// mutual reachability of two rows is the largest of their distance and of the eps
// at which each is a core; the minimum spanning tree under it is the hierarchy;
// branches of fewer than MinSize rows count as rows that leave their cluster; and
// of each branch either itself or the clusters within are taken, whichever have
// more excess of mass.
//
// The spanning tree is Borůvka's over the kd-tree (March, Ram, Gray, "Fast
// Euclidean minimum spanning tree", KDD 2010, with one query tree): in each of at
// most log₂ n rounds every component finds its shortest way out. O(n·log² n)
// distances where neighbourhoods are small, O(n²·log n) at worst, O(n) memory.
//
// Optionally clusters that part from each other at less than a distance Eps are
// not parted (Malzer, Baum, "A hybrid approach to hierarchical density-based
// cluster selection", MFI 2020): below it the result is DBSCAN's, above it the
// hierarchy's. That keeps one dense kind from falling into splinters.
//
// Deviations: merges at the same distance are one merge of several branches, so
// that the order of the rows does not matter; distances of 0 count as half the
// smallest above 0 (a quarter of its square), so that the excess of mass of equal rows is finite; if all rows are
// equal they are one cluster. The root is no cluster otherwise.

// HierarchyOptions of Hierarchy.
type HierarchyOptions struct {
	MinSamples int     // rows, itself included, whose distance is a row's core distance; at least 1
	MinSize    int     // rows that make a cluster; at least 2
	Eps        float64 // clusters part at no less than this distance; 0 = at any
	Metric     string  // "" = Euclidean
	Workers    int     // 0 = GOMAXPROCS; never changes the result
}

// Hierarchy clusters rows of dim columns, row-major, by HDBSCAN. Clusters are
// numbered by their first row. Errors are those of Plain.
func Hierarchy(ctx context.Context, rows []float64, dim int, o HierarchyOptions) (Result, error) {
	n, err := checkRows(rows, dim)
	if err != nil {
		return Result{}, err
	}
	if err := checkMetric(o.Metric); err != nil {
		return Result{}, err
	}
	if o.MinSamples < 1 || o.MinSize < 2 {
		return Result{}, fmt.Errorf("dbscan: min_samples must be 1 or more and the least size 2 or more, not %d and %d", o.MinSamples, o.MinSize)
	}
	if !(o.Eps >= 0) || math.IsInf(o.Eps, 0) {
		return Result{}, fmt.Errorf("dbscan: eps must be 0 or more, not %v", o.Eps)
	}
	r := Result{Labels: make([]int32, n)}
	if n == 0 {
		return r, ctx.Err()
	}
	if o.Metric == Cosine {
		rows, dim = onSphere(rows, dim)
	}
	t := newTree(rows, n, dim, o.Metric == Manhattan, nil)
	core, err := t.coreDistances(ctx, o.MinSamples, o.Workers)
	if err != nil {
		return Result{}, err
	}
	edges, err := t.spanning(ctx, core, o.Workers)
	if err != nil {
		return Result{}, err
	}
	labels, radius := condense(edges, n, o.MinSize, o.Eps, o.Metric)
	for i, id := range t.id {
		r.Labels[id] = labels[i]
	}
	number := make([]int32, len(radius))
	for i := range number {
		number[i] = -1
	}
	for i, l := range r.Labels {
		if l < 0 {
			continue
		}
		if number[l] < 0 {
			number[l] = int32(r.Clusters)
			r.Clusters++
		}
		r.Labels[i] = number[l]
	}
	return r, nil
}

// coreDistances are inner distances, by position.
func (t *tree) coreDistances(ctx context.Context, k, workers int) ([]float64, error) {
	at := make([]int32, len(t.id))
	for i := range at {
		at[i] = int32(i)
	}
	return kDistances(ctx, t, at, int64(min(k, len(at))), workers)
}

// edge joins two positions at an inner distance.
type edge struct {
	length float64
	a, b   int32 // a < b
}

func (e edge) compare(f edge) int {
	return cmp.Or(cmp.Compare(e.length, f.length), cmp.Compare(e.a, f.a), cmp.Compare(e.b, f.b))
}

// spanning is the minimum spanning tree under mutual reachability; of equally
// long edges the lower positions, so that there is one.
func (t *tree) spanning(ctx context.Context, core []float64, workers int) ([]edge, error) {
	n := len(t.id)
	s := &growth{
		tree: t, core: core, least: make([]float64, len(t.nodes)), of: make([]int32, n), node: make([]int32, len(t.nodes)),
		way: make([]int32, n), length: make([]float64, n), bound: make([]atomic.Uint64, n),
	}
	for m := len(t.nodes) - 1; m >= 0; m-- {
		d := t.nodes[m]
		if d.right > 0 {
			s.least[m] = min(s.least[m+1], s.least[d.right])
			continue
		}
		s.least[m] = slices.Min(core[d.lo:d.hi])
	}
	for i := range s.of {
		s.of[i], s.way[i] = int32(i), -1
	}
	edges := make([]edge, 0, n-1)
	shortest := make([]edge, n)
	for len(edges) < n-1 {
		s.begin()
		const block = 8
		if err := model.Parallel(ctx, workers, (len(t.leaves)+block-1)/block, nil, func(_, b int) error {
			for _, leaf := range t.leaves[b*block : min(b*block+block, len(t.leaves))] {
				for i := t.nodes[leaf].lo; i < t.nodes[leaf].hi; i++ {
					s.search(i)
				}
			}
			return ctx.Err()
		}); err != nil {
			return nil, err
		}
		for i := range shortest {
			shortest[i].a = -1
		}
		for i, w := range s.way {
			if w < 0 {
				continue
			}
			e := edge{s.length[i], min(int32(i), w), max(int32(i), w)}
			if c := &shortest[s.of[i]]; c.a < 0 || e.compare(*c) < 0 {
				*c = e
			}
		}
		for c, e := range shortest {
			if e.a < 0 || s.of[c] != int32(c) {
				continue
			}
			a, b := s.root(e.a), s.root(e.b)
			if a != b { // else the other end has chosen it too
				s.of[max(a, b)] = min(a, b)
				edges = append(edges, e)
			}
		}
		for i := range s.of {
			s.of[i] = s.root(int32(i)) // lower ones are final already
		}
	}
	return edges, nil
}

// growth is the state of Borůvka's algorithm.
type growth struct {
	*tree
	core  []float64
	least []float64 // per node: the least core distance in it
	of    []int32   // component of each position: its lowest, between the rounds
	node  []int32   // component of all of a node, −1 = several
	// The shortest edge found from each position out of its component; it stays
	// the shortest as long as its other end is outside.
	way    []int32 // −1 = none
	length []float64
	bound  []atomic.Uint64 // per component: bits of the shortest length found in this round
}

func (s *growth) root(i int32) int32 {
	for s.of[i] != i {
		i = s.of[i]
	}
	return i
}

// begin prepares a round.
func (s *growth) begin() {
	for m := len(s.nodes) - 1; m >= 0; m-- {
		n := s.nodes[m]
		if n.right > 0 {
			if s.node[m] = s.node[m+1]; s.node[n.right] != s.node[m] {
				s.node[m] = -1
			}
			continue
		}
		s.node[m] = s.of[n.lo]
		for i := n.lo + 1; i < n.hi; i++ {
			if s.of[i] != s.of[n.lo] {
				s.node[m] = -1
				break
			}
		}
	}
	for i := range s.bound {
		s.bound[i].Store(math.Float64bits(math.Inf(1)))
	}
	for i, w := range s.way {
		if w < 0 {
			continue
		}
		if s.of[w] == s.of[i] {
			s.way[i] = -1
			continue
		}
		s.lower(s.of[i], s.length[i])
	}
}

// lower notes that a component has a way out of this length. Lengths are not
// negative: their bits are ordered as they are.
func (s *growth) lower(c int32, length float64) {
	bits := math.Float64bits(length)
	for {
		have := s.bound[c].Load()
		if have <= bits || s.bound[c].CompareAndSwap(have, bits) {
			return
		}
	}
}

// search finds the shortest edge from position i out of its component, if it may
// be the component's shortest. What other goroutines find only spares work: an
// edge as short as the bound is always looked at.
func (s *growth) search(i int32) {
	c := s.of[i]
	limit := func() float64 { return math.Float64frombits(s.bound[c].Load()) }
	// Equal rows: any edge of length 0 will do, they are merged at one height.
	if s.way[i] >= 0 || s.core[i] > limit() || limit() == 0 {
		return
	}
	p := s.point(i)
	best := edge{math.Inf(1), -1, -1}
	far := limit()
	type step struct {
		node  int32
		bound float64
	}
	var stack [maxStack]step
	top := 1
	stack[0] = step{0, 0}
	for top > 0 && far > 0 {
		top--
		m := stack[top].node
		if s.node[m] == c || stack[top].bound > far || s.least[m] > far {
			continue
		}
		n := s.nodes[m]
		if n.right > 0 {
			l, r := m+1, n.right
			a, b := s.fromPoint(p, l, far), s.fromPoint(p, r, far)
			if b < a || b == a && s.nodes[r].lo <= i {
				l, r, a, b = r, l, b, a
			}
			stack[top], stack[top+1] = step{r, b}, step{l, a}
			top += 2
			continue
		}
		for j := n.lo; j < n.hi; j++ {
			if s.of[j] == c || s.core[j] > far || !s.within(p, s.point(j), far) {
				continue
			}
			length := max(s.distance(p, s.point(j)), s.core[i], s.core[j])
			e := edge{length, min(i, j), max(i, j)}
			if length <= far && (best.a < 0 || e.compare(best) < 0) {
				best, far = e, length
			}
			if far == 0 {
				break
			}
		}
		far = min(far, limit())
	}
	if best.a < 0 {
		return
	}
	s.way[i], s.length[i] = best.a+best.b-i, best.length
	s.lower(c, best.length)
}

// branch is a cluster of the condensed tree.
type branch struct {
	parent    int32
	birth     float64 // 1/distance at which it becomes one
	stability float64
	inner     float64 // of the clusters within
	taken     bool
}

// condense makes clusters of the spanning tree of n positions: the cluster of
// each position, −1 = noise, and of each cluster the largest distance (an outer
// one) at which a row is still in it.
func condense(edges []edge, n, minSize int, eps float64, metric string) (labels []int32, radius []float64) {
	labels = make([]int32, n)
	slices.SortFunc(edges, edge.compare)
	floor := 0.0
	for _, e := range edges {
		if e.length > 0 {
			floor = e.length / 4
			break
		}
	}
	if floor == 0 { // all equal
		if n >= minSize {
			return labels, []float64{1}
		}
		for i := range labels {
			labels[i] = -1
		}
		return labels, nil
	}
	// Merges: node n+k joins the nodes of edge k.
	left, right := make([]int32, len(edges)), make([]int32, len(edges))
	size := make([]int32, n+len(edges))
	top, up := make([]int32, n), make([]int32, n) // the node of a set; union-find
	for i := range n {
		size[i], top[i], up[i] = 1, int32(i), int32(i)
	}
	find := func(i int32) int32 {
		for up[i] != i {
			up[i] = up[up[i]]
			i = up[i]
		}
		return i
	}
	for k, e := range edges {
		a, b := find(e.a), find(e.b)
		left[k], right[k] = top[a], top[b]
		size[n+k] = size[top[a]] + size[top[b]]
		if size[top[a]] < size[top[b]] {
			a, b = b, a
		}
		up[b], top[a] = a, int32(n+k)
	}
	height := func(node int32) float64 { return max(floor, edges[int(node)-n].length) }
	// Top down. owner is the cluster that a position leaves, at the distance gone.
	branches := []branch{{parent: -1}}
	owner, gone := labels, make([]float64, n)
	var below []int32
	fall := func(node, c int32, d float64) {
		for below = append(below[:0], node); len(below) > 0; {
			m := below[len(below)-1]
			below = below[:len(below)-1]
			if int(m) < n {
				owner[m], gone[m] = c, d
				continue
			}
			below = append(below, left[int(m)-n], right[int(m)-n])
		}
	}
	type task struct{ node, cluster int32 }
	todo := []task{{int32(n + len(edges) - 1), 0}}
	if int(size[n+len(edges)-1]) < minSize {
		fall(todo[0].node, 0, outer(metric, height(todo[0].node)))
		todo = nil
	}
	var parts, large []int32
	for len(todo) > 0 {
		t := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		h := height(t.node)
		parts = append(parts[:0], left[int(t.node)-n], right[int(t.node)-n])
		large = large[:0]
		d := outer(metric, h)
		lambda := 1 / d
		b := &branches[t.cluster]
		small := int32(0)
		for len(parts) > 0 {
			p := parts[len(parts)-1]
			parts = parts[:len(parts)-1]
			switch {
			case int(p) >= n && height(p) == h:
				parts = append(parts, left[int(p)-n], right[int(p)-n])
			case int(size[p]) >= minSize: // at least 2: no leaf
				large = append(large, p)
			default:
				fall(p, t.cluster, d)
				small += size[p]
			}
		}
		if len(large) == 1 {
			b.stability += float64(small) * (lambda - b.birth)
			todo = append(todo, task{large[0], t.cluster})
			continue
		}
		// All that is left goes here: rows that fall, and those of the clusters to be.
		b.stability += float64(size[t.node]) * (lambda - b.birth)
		for _, p := range large {
			todo = append(todo, task{p, int32(len(branches))})
			branches = append(branches, branch{parent: t.cluster, birth: lambda})
		}
	}
	// Bottom up: children stand behind their parents.
	for c := len(branches) - 1; c > 0; c-- {
		b := &branches[c]
		b.taken = b.inner <= b.stability
		branches[b.parent].inner += max(b.inner, b.stability)
	}
	// The highest that is taken counts; where it parts at less than eps, the branch
	// that does not, or the one below the root.
	under := make([]bool, len(branches))
	var highest []int32
	for c := 1; c < len(branches); c++ {
		b := &branches[c]
		if under[c] = under[b.parent] || branches[b.parent].taken; !under[c] && b.taken {
			highest = append(highest, int32(c))
		}
	}
	for c := range branches {
		branches[c].taken = false
	}
	for _, c := range highest {
		for branches[c].parent > 0 && 1/branches[c].birth < eps {
			c = branches[c].parent
		}
		branches[c].taken = true
	}
	number := make([]int32, len(branches))
	number[0] = -1
	for c := 1; c < len(branches); c++ {
		b := &branches[c]
		if number[c] = number[b.parent]; number[c] < 0 && b.taken {
			number[c] = int32(len(radius))
			radius = append(radius, 0)
		}
	}
	for i, c := range owner {
		l := number[c]
		if labels[i] = l; l >= 0 {
			radius[l] = max(radius[l], gone[i])
		}
	}
	return labels, radius
}

// hierarchy is HDBSCAN for a model; see density.
func (m *Model) hierarchy(ctx context.Context, rows []float64, order []int32, workers int, step func()) ([]bool, error) {
	n, metric := len(order), m.config.Metric
	t := newTree(rows, n, m.Dim(), metric == Manhattan, nil)
	reach, err := t.coreDistances(ctx, m.min, workers)
	if err != nil {
		return nil, err
	}
	curve := make([]float64, n)
	for i, d := range reach {
		curve[i] = outer(metric, d)
	}
	slices.Sort(curve)
	m.curve = thin(curve, curvePoints)
	eps := m.config.Eps
	if eps == 0 {
		eps = knee(m.curve)
	}
	step()
	edges, err := t.spanning(ctx, reach, workers)
	if err != nil {
		return nil, err
	}
	step()
	size := m.config.MinClusterSize
	if size == 0 {
		size = max(2, m.min)
	}
	labels, radius := condense(edges, n, size, eps, metric)
	m.fitted = make([]int32, n)
	for i, r := range t.id {
		m.fitted[r] = labels[i]
	}
	// Equal rows are in one cluster, or the file could not tell them apart.
	dim := m.Dim()
	at := func(r int32) []float64 { return rows[int(r)*dim : (int(r)+1)*dim] }
	for lo, i := 0, 1; i <= n; i++ {
		if i < n && slices.Equal(at(order[i]), at(order[lo])) {
			continue
		}
		best := int32(-1)
		for _, r := range order[lo:i] {
			best = max(best, m.fitted[r])
		}
		for _, r := range order[lo:i] {
			m.fitted[r] = best
		}
		lo = i
	}
	core := make([]bool, n)
	for i, l := range m.fitted {
		core[i] = l >= 0
	}
	number := m.take(rows, order, core)
	m.radius, m.eps = make([]float64, len(number)), 1
	for l, k := range number {
		m.radius[k] = radius[l]
	}
	if len(m.radius) > 0 {
		m.eps = slices.Max(m.radius)
	}
	step()
	limit := inner(metric, m.eps)
	err = model.Parallel(ctx, workers, n, nil, func(_, i int) error {
		if !core[i] {
			if p, d := m.cores.nearest(at(int32(i)), limit, nil, nil); p >= 0 {
				if l := m.label[m.cores.id[p]]; d <= inner(metric, m.radius[l]) {
					m.fitted[i] = l
				}
			}
		}
		return nil
	})
	step()
	return core, err
}
