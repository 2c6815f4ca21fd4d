// Package tree holds what tree models share: columns binned to bytes (Bin),
// trees as flat arrays of nodes (Tree) with their walk, their check and their
// form in a file (Encode, Decode), and a grower of classification trees
// (Grower). Forests and boosting are built on it; it fits no model by itself.
//
// In order: Bin the matrix once, Grow trees on the bins, walk them with raw
// values (a threshold is a raw value, so a fitted tree needs no bins).
package tree

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"apiml/frame"
	"apiml/model"
)

// Node is one node of a tree.
type Node struct {
	Threshold float32 // inner node: rows with x ≤ Threshold go left
	Next      int32   // inner node: index of the left child, the right one is Next+1; leaf: index of its value
	Feature   int16   // column, -1 = leaf
	Missing   uint8   // where a missing value goes: 0 left, 1 right
}

// Tree is a binary tree as an array, root first, in breadth-first order: the
// children of the k-th inner node are the nodes 2k+1 and 2k+2. Children
// therefore stand after their parents and a walk always ends.
type Tree []Node

// Leaf walks one row (one value per column) down and returns Next of its leaf.
func (t Tree) Leaf(row []float32) int32 {
	i := int32(0)
	for {
		n := &t[i]
		if n.Feature < 0 {
			return n.Next
		}
		v := row[n.Feature]
		side := int32(0)
		if !(v <= n.Threshold) {
			side = 1
		}
		if v != v {
			side = int32(n.Missing)
		}
		i = n.Next + side
	}
}

// Leaves walks len(dst) rows, which stand one after the other in block with
// stride values each, and writes Next of each one's leaf. missing says whether
// block may hold NaN; without, the walk is faster.
func (t Tree) Leaves(dst []int32, block []float32, stride int, missing bool) {
	if missing {
		for r := range dst {
			dst[r] = t.Leaf(block[r*stride : (r+1)*stride])
		}
		return
	}
	// Two rows at a time: a step waits for memory, and the second row's step
	// fills that time.
	r := 0
	for ; r+1 < len(dst); r += 2 {
		a := block[r*stride : (r+1)*stride]
		b := block[(r+1)*stride : (r+2)*stride]
		m, n := &t[0], &t[0]
		for m.Feature >= 0 && n.Feature >= 0 {
			i, j := int32(0), int32(0)
			if a[m.Feature] > m.Threshold {
				i = 1
			}
			if b[n.Feature] > n.Threshold {
				j = 1
			}
			m, n = &t[m.Next+i], &t[n.Next+j]
		}
		dst[r] = t.finish(m, a)
		dst[r+1] = t.finish(n, b)
	}
	if r < len(dst) {
		dst[r] = t.finish(&t[0], block[r*stride:(r+1)*stride])
	}
}

func (t Tree) finish(n *Node, row []float32) int32 {
	for n.Feature >= 0 {
		i := int32(0)
		if row[n.Feature] > n.Threshold {
			i = 1
		}
		n = &t[n.Next+i]
	}
	return n.Next
}

// Path calls visit for every node on the way of a row, root first, with the
// column by which the node was reached (-1 at the root).
func (t Tree) Path(row []float32, visit func(node, column int)) {
	i, column := 0, -1
	for {
		visit(i, column)
		n := &t[i]
		if n.Feature < 0 {
			return
		}
		v := row[n.Feature]
		side := 0
		if v > n.Threshold {
			side = 1
		}
		if v != v {
			side = int(n.Missing)
		}
		column = int(n.Feature)
		i = int(n.Next) + side
	}
}

// Inner is the number of inner nodes; a tree has one leaf more than that.
func (t Tree) Inner() int { return len(t) / 2 }

// Depth is the number of splits on the longest way.
func (t Tree) Depth() int {
	depth := make([]int, len(t))
	most := 0
	for i, n := range t {
		if n.Feature >= 0 {
			depth[n.Next] = depth[i] + 1
			depth[n.Next+1] = depth[i] + 1
			most = max(most, depth[i]+1)
		}
	}
	return most
}

// Check reports the first defect of a tree over that many columns and leaf
// values: it must be in breadth-first order (so that there is neither a loop
// nor an orphan), with finite thresholds and indices in range.
func (t Tree) Check(columns, values int) error {
	if len(t) == 0 || len(t)%2 == 0 {
		return fmt.Errorf("%d nodes, expected an odd number", len(t))
	}
	inner := 0
	for i, n := range t {
		switch {
		case n.Feature < -1 || int(n.Feature) >= columns:
			return fmt.Errorf("node %d splits column %d of %d", i, n.Feature, columns)
		case n.Feature < 0 && (n.Next < 0 || int(n.Next) >= values):
			return fmt.Errorf("leaf %d has value %d of %d", i, n.Next, values)
		case n.Feature < 0:
			continue
		case n.Missing > 1:
			return fmt.Errorf("node %d sends missing values to side %d", i, n.Missing)
		case n.Threshold != n.Threshold || math.IsInf(float64(n.Threshold), 0):
			return fmt.Errorf("node %d has threshold %v", i, n.Threshold)
		case int(n.Next) != 2*inner+1 || int(n.Next)+1 >= len(t) || int(n.Next) <= i:
			return fmt.Errorf("node %d has children at %d, expected at %d of %d", i, n.Next, 2*inner+1, len(t))
		}
		inner++
	}
	if 2*inner+1 != len(t) {
		return fmt.Errorf("%d inner nodes among %d", inner, len(t))
	}
	return nil
}

// BreadthFirst renumbers a tree whose children stand in pairs anywhere behind
// their parents.
func (t Tree) BreadthFirst() Tree {
	out := make(Tree, 1, len(t))
	out[0] = t[0]
	for i := 0; i < len(out); i++ {
		if out[i].Feature >= 0 {
			left := out[i].Next
			out[i].Next = int32(len(out))
			out = append(out, t[left], t[left+1])
		}
	}
	return out
}

// The arrays of trees in a file. Neither the children nor whether the tree is
// sound has to be stored: breadth-first order implies both.
//
//	tree.nodes      I32        nodes of each tree
//	tree.split      U8 or U16  per node: 2·column + missing, or the largest value for a leaf
//	tree.threshold  F32        per inner node, or instead of it
//	tree.cut        U8         per inner node: index into the cuts of its column
//	tree.cuts       F32        the cuts of all columns one after the other
//	tree.cuts_len   I32        how many each column has
//
// The second form is written if it is the shorter one: trees grown on bins
// share their thresholds.

// Encode puts the trees into f, without the values of their leaves.
func Encode(f *model.File, trees []Tree, columns int) {
	sizes := make([]int32, len(trees))
	var split []uint16
	var threshold []float32
	cuts := make([][]float32, columns)
	for k, t := range trees {
		sizes[k] = int32(len(t))
		for _, n := range t {
			if n.Feature < 0 {
				split = append(split, math.MaxUint16)
				continue
			}
			split = append(split, uint16(n.Feature)<<1|uint16(n.Missing))
			threshold = append(threshold, n.Threshold)
			cuts[n.Feature] = append(cuts[n.Feature], n.Threshold)
		}
	}
	f.PutI32("tree.nodes", sizes)
	if 2*columns <= math.MaxUint8 {
		narrow := make([]uint8, len(split))
		for i, s := range split {
			narrow[i] = uint8(s) // the leaf mark becomes 255
		}
		f.PutU8("tree.split", narrow)
	} else {
		f.PutU16("tree.split", split)
	}
	lens := make([]int32, columns)
	var flat []float32
	shared := true
	for j, c := range cuts {
		slices.Sort(c)
		cuts[j] = slices.Compact(c)
		lens[j] = int32(len(cuts[j]))
		flat = append(flat, cuts[j]...)
		shared = shared && len(cuts[j]) <= 256
	}
	if !shared || 4*len(flat)+4*columns >= 3*len(threshold) {
		f.PutF32("tree.threshold", threshold)
		return
	}
	cut := make([]uint8, 0, len(threshold))
	for _, t := range trees {
		for _, n := range t {
			if n.Feature >= 0 {
				cut = append(cut, uint8(lowerBound(cuts[n.Feature], n.Threshold)))
			}
		}
	}
	f.PutU8("tree.cut", cut)
	f.PutF32("tree.cuts", flat)
	f.PutI32("tree.cuts_len", lens)
}

// Decode reads what Encode wrote and checks it, so that walking the trees can
// neither loop nor leave a row of that many columns. Next of a leaf is its
// number among all leaves of all trees; the caller replaces it by what it
// stores there. The second result is that count.
func Decode(f *model.File, columns int) ([]Tree, int, error) {
	if columns > MaxColumns {
		return nil, 0, fmt.Errorf("%d columns, at most %d are possible", columns, MaxColumns)
	}
	sizes, err := f.I32("tree.nodes")
	if err != nil {
		return nil, 0, err
	}
	split, err := splits(f)
	if err != nil {
		return nil, 0, err
	}
	total := 0
	for k, n := range sizes {
		if n < 1 || int(n) > len(split)-total {
			return nil, 0, fmt.Errorf("tree %d has %d nodes, %d are left", k, n, len(split)-total)
		}
		total += int(n)
	}
	if total != len(split) {
		return nil, 0, fmt.Errorf("trees have %d nodes, the file %d", total, len(split))
	}
	nodes := make(Tree, len(split))
	inner, leaves := 0, 0
	trees := make([]Tree, len(sizes))
	at := 0
	for k, n := range sizes {
		t := nodes[at : at+int(n) : at+int(n)]
		first := inner
		for i := range t {
			s := split[at+i]
			if s == math.MaxUint16 {
				t[i] = Node{Feature: -1, Next: int32(leaves)}
				leaves++
				continue
			}
			t[i] = Node{Feature: int16(s >> 1), Missing: uint8(s & 1), Next: int32(2*(inner-first) + 1)}
			inner++
		}
		trees[k] = t
		at += int(n)
	}
	threshold, err := thresholds(f, nodes, inner, columns)
	if err != nil {
		return nil, 0, err
	}
	k := 0
	for i := range nodes {
		if nodes[i].Feature >= 0 {
			nodes[i].Threshold = threshold[k]
			k++
		}
	}
	for k, t := range trees {
		if err := t.Check(columns, leaves); err != nil {
			return nil, 0, fmt.Errorf("tree %d: %w", k, err)
		}
	}
	return trees, leaves, nil
}

// splits reads tree.split in either width.
func splits(f *model.File) ([]uint16, error) {
	narrow, err := f.U8("tree.split")
	if err != nil {
		return f.U16("tree.split")
	}
	wide := make([]uint16, len(narrow))
	for i, s := range narrow {
		wide[i] = uint16(s)
		if s == math.MaxUint8 {
			wide[i] = math.MaxUint16
		}
	}
	return wide, nil
}

// thresholds reads the thresholds of the inner nodes in either form.
func thresholds(f *model.File, nodes []Node, inner, columns int) ([]float32, error) {
	if f.Has("tree.threshold") {
		v, err := f.F32("tree.threshold")
		if err == nil && len(v) != inner {
			err = fmt.Errorf("%d thresholds for %d inner nodes", len(v), inner)
		}
		return v, err
	}
	cut, err := f.U8("tree.cut")
	if err != nil {
		return nil, err
	}
	flat, err := f.F32("tree.cuts")
	if err != nil {
		return nil, err
	}
	lens, err := f.I32("tree.cuts_len")
	if err != nil {
		return nil, err
	}
	if len(cut) != inner || len(lens) != columns {
		return nil, fmt.Errorf("%d cuts for %d inner nodes, of %d columns for %d", len(cut), inner, len(lens), columns)
	}
	start := make([]int, columns+1)
	for j, n := range lens {
		if n < 0 || int(n) > len(flat)-start[j] {
			return nil, fmt.Errorf("column %d has %d cuts, %d are left", j, n, len(flat)-start[j])
		}
		start[j+1] = start[j] + int(n)
	}
	out := make([]float32, 0, inner)
	for i, n := range nodes {
		if n.Feature < 0 {
			continue
		}
		if int(n.Feature) >= columns || int(cut[len(out)]) >= int(lens[n.Feature]) {
			return nil, fmt.Errorf("node %d: cut %d of column %d is not there", i, cut[len(out)], n.Feature)
		}
		out = append(out, flat[start[n.Feature]+int(cut[len(out)])])
	}
	return out, nil
}

// String draws the tree for tests and debugging, one node per line.
func (t Tree) String() string {
	var b strings.Builder
	for i, n := range t {
		if n.Feature < 0 {
			fmt.Fprintf(&b, "%d: leaf %d\n", i, n.Next)
			continue
		}
		fmt.Fprintf(&b, "%d: x[%d] <= %v -> %d, else %d, missing -> %d\n", i, n.Feature, n.Threshold, n.Next, n.Next+1, n.Next+int32(n.Missing))
	}
	return b.String()
}

// Block copies the rows lo ≤ i < hi of x to dst, one row after the other, and
// reports whether a value is missing.
func Block(dst []float32, x *frame.Matrix, lo, hi int) (missing bool) {
	columns := len(x.Cols)
	for j, col := range x.Cols {
		at := j
		for _, v := range col[lo:hi] {
			dst[at] = v
			missing = missing || v != v
			at += columns
		}
	}
	return missing
}
