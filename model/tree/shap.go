package tree

// Shapley values of the columns for the prediction of one tree: "TreeSHAP",
// the path-dependent form of Lundberg, Erion, Lee, "Consistent individualized
// feature attribution for tree ensembles" (2018), algorithm 2. A column that is
// not in a coalition is averaged out by following both children in the
// proportion of their cover. Cost: O(leaves · depth²) per row.

// Explainer computes Shapley values. It owns the buffers of one goroutine.
type Explainer struct {
	// Side says where a value goes at an inner node, 1 = right; nil = by the
	// threshold.
	Side func(n *Node, v float32) int

	paths []step // of all depths, one behind the other
	dst   []float64
	tree  Tree
	row   []float32
	cover []float64
	value []float64
}

// step is one column on the way to a node.
type step struct {
	column    int
	zero, one float64 // share of ways that pass when the column is out of, in the coalition
	weight    float64 // of coalitions of the size of its position
}

// Add adds to dst (one per column) scale times the Shapley values of the
// columns for the tree's prediction of row. cover is the weight of each node,
// > 0, that of an inner node the sum of its children; value is the prediction
// of each leaf, by node. The values sum to the prediction less the mean of the
// leaves' predictions by cover.
func (e *Explainer) Add(dst []float64, t Tree, row []float32, cover, value []float64, scale float64) {
	depth := t.Depth() + 2
	if need := depth * (depth + 1) / 2; len(e.paths) < need {
		e.paths = make([]step, need)
	}
	e.dst, e.tree, e.row, e.cover, e.value = dst, t, row, cover, value
	e.visit(0, e.paths[:0], e.paths, 1, 1, -1, scale)
}

// visit follows the way to a node; path is that of the parent, at the front of
// space is room for this one.
func (e *Explainer) visit(node int, parent, space []step, zero, one float64, column int, scale float64) {
	n := len(parent)
	path := space[:n+1]
	copy(path, parent)
	extend(path, zero, one, column)
	t := &e.tree[node]
	if t.Feature < 0 {
		for i := 1; i < len(path); i++ {
			s := &path[i]
			e.dst[s.column] += float64(scale * unwoundSum(path, i) * (s.one - s.zero) * e.value[node])
		}
		return
	}
	hot, cold := int(t.Next), int(t.Next)+1
	v := e.row[t.Feature]
	right := v > t.Threshold || v != v && t.Missing == 1
	if e.Side != nil {
		right = e.Side(t, v) == 1
	}
	if right {
		hot, cold = cold, hot
	}
	zeroHere, oneHere := 1.0, 1.0
	for i := 1; i < len(path); i++ {
		if path[i].column == int(t.Feature) {
			zeroHere, oneHere = path[i].zero, path[i].one
			unwind(path, i)
			path = path[:len(path)-1]
			break
		}
	}
	space = space[n+1:]
	e.visit(hot, path, space, zeroHere*e.cover[hot]/e.cover[node], oneHere, int(t.Feature), scale)
	e.visit(cold, path, space, zeroHere*e.cover[cold]/e.cover[node], 0, int(t.Feature), scale)
}

// extend adds a column as the last element of path.
func extend(path []step, zero, one float64, column int) {
	n := len(path) - 1
	path[n] = step{column: column, zero: zero, one: one}
	if n == 0 {
		path[n].weight = 1
	}
	for i := n - 1; i >= 0; i-- {
		path[i+1].weight += float64(one * path[i].weight * float64(i+1) / float64(n+1))
		path[i].weight = zero * path[i].weight * float64(n-i) / float64(n+1)
	}
}

// unwind undoes extend for the element i; the path is one shorter afterwards.
func unwind(path []step, i int) {
	n := len(path) - 1
	zero, one := path[i].zero, path[i].one
	next := path[n].weight
	for j := n - 1; j >= 0; j-- {
		if one != 0 {
			w := path[j].weight
			path[j].weight = next * float64(n+1) / (float64(j+1) * one)
			next = w - float64(path[j].weight*zero*float64(n-j)/float64(n+1))
		} else {
			path[j].weight = path[j].weight * float64(n+1) / (zero * float64(n-j))
		}
	}
	for j := i; j < n; j++ {
		path[j].column, path[j].zero, path[j].one = path[j+1].column, path[j+1].zero, path[j+1].one
	}
}

// unwoundSum is the sum of the weights of the path without the element i.
func unwoundSum(path []step, i int) float64 {
	n := len(path) - 1
	zero, one := path[i].zero, path[i].one
	next := path[n].weight
	sum := 0.0
	for j := n - 1; j >= 0; j-- {
		if one != 0 {
			w := next * float64(n+1) / (float64(j+1) * one)
			sum += w
			next = path[j].weight - float64(w*zero*float64(n-j)/float64(n+1))
		} else {
			sum += path[j].weight * float64(n+1) / (zero * float64(n-j))
		}
	}
	return sum
}
