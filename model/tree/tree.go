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
	c, err := readThresholds(f, columns)
	if err != nil {
		return nil, 0, err
	}
	if narrow, err := f.View("tree.split"); err == nil {
		return decode(narrow, sizes, c, columns)
	}
	wide, err := f.U16("tree.split")
	if err != nil {
		return nil, 0, err
	}
	return decode(wide, sizes, c, columns)
}

// decode makes the nodes in one pass: a forest has hundreds of thousands.
func decode[T uint8 | uint16](split []T, sizes []int32, c *thresholds, columns int) ([]Tree, int, error) {
	mark := ^T(0) // of a leaf
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
	leaves := 0
	for _, s := range split {
		if s == mark {
			leaves++
		}
	}
	if err := c.check(len(split) - leaves); err != nil {
		return nil, 0, err
	}
	nodes := make(Tree, len(split))
	trees := make([]Tree, len(sizes))
	at, inner, leaf := 0, 0, int32(0)
	for k, n := range sizes {
		t := nodes[at : at+int(n) : at+int(n)]
		next := int32(1) // of the inner node that comes next: 2·(inner nodes of the tree so far) + 1
		for i, s := range split[at : at+int(n)] {
			if s == mark {
				t[i] = Node{Feature: -1, Next: leaf}
				leaf++
				continue
			}
			column := int(s >> 1)
			if column >= columns {
				return nil, 0, fmt.Errorf("tree %d: node %d splits column %d of %d", k, i, column, columns)
			}
			v, ok := c.threshold(inner, column)
			switch {
			case !ok:
				return nil, 0, fmt.Errorf("node %d: cut %d of column %d is not there", at+i, c.cut[inner], column)
			case math.Float32bits(v)&0x7F800000 == 0x7F800000:
				return nil, 0, fmt.Errorf("tree %d: node %d has threshold %v", k, i, v)
			case int(next) <= i:
				return nil, 0, fmt.Errorf("tree %d: node %d has children at %d", k, i, next)
			}
			t[i] = Node{Threshold: v, Feature: int16(column), Missing: uint8(s & 1), Next: next}
			inner++
			next += 2
		}
		if next != n {
			return nil, 0, fmt.Errorf("tree %d: %d inner nodes among %d", k, next/2, n)
		}
		trees[k] = t
		at += int(n)
	}
	return trees, leaves, nil
}

// thresholds are those of the inner nodes in either form of a file.
type thresholds struct {
	all   []float32 // threshold per node, if cut is nil
	cut   []uint8   // per node
	flat  []float32 // cuts of all columns
	start []int32   // of each column in flat, and the end of the last
}

// readThresholds reads the thresholds of trees over that many columns.
func readThresholds(f *model.File, columns int) (*thresholds, error) {
	c := &thresholds{}
	var err error
	if f.Has("tree.threshold") {
		c.all, err = f.F32("tree.threshold")
		return c, err
	}
	if c.cut, err = f.View("tree.cut"); err != nil {
		return nil, err
	}
	if c.flat, err = f.F32("tree.cuts"); err != nil {
		return nil, err
	}
	lens, err := f.I32("tree.cuts_len")
	if err != nil {
		return nil, err
	}
	if len(lens) != columns {
		return nil, fmt.Errorf("cuts of %d columns for %d", len(lens), columns)
	}
	c.start = make([]int32, columns+1)
	for j, n := range lens {
		if n < 0 || int(n) > len(c.flat)-int(c.start[j]) {
			return nil, fmt.Errorf("column %d has %d cuts, %d are left", j, n, len(c.flat)-int(c.start[j]))
		}
		c.start[j+1] = c.start[j] + n
	}
	return c, nil
}

// check reports whether there is one threshold for each inner node.
func (c *thresholds) check(inner int) error {
	if c.cut == nil && len(c.all) != inner {
		return fmt.Errorf("%d thresholds for %d inner nodes", len(c.all), inner)
	}
	if c.cut != nil && len(c.cut) != inner {
		return fmt.Errorf("%d cuts for %d inner nodes", len(c.cut), inner)
	}
	return nil
}

// threshold is that of the k-th inner node, which splits column j; false if the
// column has no such cut.
func (c *thresholds) threshold(k, j int) (float32, bool) {
	if c.cut == nil {
		return c.all[k], true
	}
	at := c.start[j] + int32(c.cut[k])
	if at >= c.start[j+1] {
		return 0, false
	}
	return c.flat[at], true
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
