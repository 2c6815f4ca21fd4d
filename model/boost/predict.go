package boost

import (
	"math"

	"apiml/frame"
	"apiml/model/tree"
)

// For prediction a tree is laid out as a complete one: the children of node i
// are 2i and 2i+1, so a step needs no index from memory, and four rows walk side
// by side without a branch that depends on the data. Where a branch ends early
// its leaf stands at the end of every way below. Rows go through all trees in
// blocks; values are integers in the order of the floats (tree.Key).

const (
	// blockRows is how many rows go together.
	blockRows = tree.FlatRows
	// completeDepth is up to which depth a tree is laid out as a complete one; a
	// deeper one takes a tree.Flat, or the walk from node to node if it has
	// categorical splits.
	completeDepth = 8

	layoutCategory = 1 << 30 // the threshold is the number of a set
	layoutMissing  = 1 << 31 // missing values go left
)

// layout is a tree for prediction.
type layout struct {
	depth int
	nodes []uint64 // complete: from 1; bits 0…15 place of the value in the block, 30, 31 as above, 32…63 threshold
	leaf  []float32
	flat  tree.Flat
}

// arrange lays all trees out.
func (m *core) arrange() {
	for k := range m.parts {
		p := &m.parts[k]
		p.layouts = make([]layout, len(p.trees))
		for i, t := range p.trees {
			p.layouts[i] = m.lay(t, p.leaf)
		}
	}
}

func (m *core) lay(t tree.Tree, leaf []float32) layout {
	depth := t.Depth()
	columns := len(m.schema.Columns)
	if depth > completeDepth || columns > 1<<16/blockRows {
		if m.cats == nil {
			return layout{flat: tree.Flatten(t, columns)}
		}
		return layout{}
	}
	l := layout{depth: depth, nodes: make([]uint64, 1<<depth), leaf: make([]float32, 1<<depth)}
	var fill func(at, node, left int)
	fill = func(at, node, left int) {
		n := t[node]
		switch {
		case left == 0:
			l.leaf[at-1<<depth] = leaf[n.Next]
			return
		case n.Feature < 0:
			l.nodes[at] = math.MaxInt32<<32 | layoutMissing // always left
			fill(2*at, node, left-1)
			fill(2*at+1, node, left-1)
			return
		}
		v := uint64(n.Feature) * blockRows
		if n.Missing == 0 {
			v |= layoutMissing
		}
		if m.categorical(int(n.Feature)) {
			v |= uint64(n.Threshold)<<32 | layoutCategory
		} else {
			v |= uint64(uint32(tree.Key(n.Threshold))) << 32
		}
		l.nodes[at] = v
		fill(2*at, int(n.Next), left-1)
		fill(2*at+1, int(n.Next)+1, left-1)
	}
	fill(1, 0, depth)
	return l
}

// block is the values of blockRows rows, column after column.
type block struct {
	values  []int32
	missing bool // a value is missing
	rows    int
	row     []float32 // one row, for trees that are not laid out
	leaves  [blockRows]uint32
	sum     [blockRows]float64
}

// load reads the rows lo ≤ i < hi, at most blockRows.
func (m *core) load(b *block, x *frame.Matrix, lo, hi int) {
	b.rows, b.missing = hi-lo, false
	for j, col := range x.Cols {
		dst := b.values[j*blockRows : (j+1)*blockRows]
		if !m.categorical(j) {
			b.missing = tree.FlatColumn(dst, col[lo:hi]) || b.missing
			continue
		}
		for i, v := range col[lo:hi] {
			dst[i] = tree.MissingKey
			if c := m.cats[j].bin(v); c == c {
				dst[i] = int32(c)
			}
		}
	}
}

// sum writes the sum of part p for row i to dst[(i-lo)*stride+p].
func (m *core) sum(dst []float64, stride int, x *frame.Matrix, lo, hi int, parts []ensemble) {
	b := &block{values: make([]int32, len(x.Cols)*blockRows), row: make([]float32, len(x.Cols))}
	for ; lo < hi; lo += blockRows {
		n := min(blockRows, hi-lo)
		m.load(b, x, lo, lo+n)
		for k := range parts {
			p := &parts[k]
			for i := range b.sum {
				b.sum[i] = p.base
			}
			for i := range p.layouts {
				l := &p.layouts[i]
				switch {
				case l.nodes != nil && m.cats != nil:
					l.addCategories(b, m.sets)
				case l.nodes != nil && b.missing:
					l.addMissing(b)
				case l.nodes != nil:
					l.add(b)
				case l.flat != nil:
					l.flat.Leaves(&b.leaves, n, b.values, b.missing)
					for r := range n {
						b.sum[r] += float64(p.leaf[b.leaves[r]])
					}
				default:
					for r := range n {
						row := m.row(b.row, x, lo+r)
						b.sum[r] += float64(p.leaf[p.trees[i][m.leafOf(p.trees[i], row)].Next])
					}
				}
			}
			for r := range n {
				dst[r*stride+k] = b.sum[r]
			}
		}
		dst = dst[n*stride:]
	}
}

// above is 1 if the value is above the threshold of node n.
func above(n uint64, value int32) uint64 { return uint64(int64(n)>>32-int64(value)) >> 63 }

// aboveOrMissing is above where the value may be missing.
func aboveOrMissing(n uint64, value int32) uint64 {
	missing := uint64(tree.MissingKey-1-int64(value)) >> 63
	return above(n, value) &^ (missing & (n >> 31))
}

// inSet is aboveOrMissing for any node.
func inSet(n uint64, value int32, sets []set) uint64 {
	if n&layoutCategory == 0 {
		return aboveOrMissing(n, value)
	}
	if value == tree.MissingKey {
		return 1 - n>>31&1
	}
	return sets[n>>32][value>>6&3] >> (value & 63) & 1
}

// add adds the tree's predictions of the rows without missing values.
func (l *layout) add(b *block) {
	nodes, values := l.nodes, b.values
	size := uint64(len(nodes))
	leaf := l.leaf[:size]
	for r := 0; r < b.rows; r += 4 {
		v := values[r:]
		i0, i1, i2, i3 := uint64(1), uint64(1), uint64(1), uint64(1)
		for range l.depth {
			n0, n1, n2, n3 := nodes[i0], nodes[i1], nodes[i2], nodes[i3]
			i0 = 2*i0 + above(n0, v[uint64(uint16(n0))])
			i1 = 2*i1 + above(n1, v[uint64(uint16(n1))+1])
			i2 = 2*i2 + above(n2, v[uint64(uint16(n2))+2])
			i3 = 2*i3 + above(n3, v[uint64(uint16(n3))+3])
		}
		sum := b.sum[r&(blockRows-4) : r&(blockRows-4)+4]
		sum[0] += float64(leaf[i0&(size-1)])
		sum[1] += float64(leaf[i1&(size-1)])
		sum[2] += float64(leaf[i2&(size-1)])
		sum[3] += float64(leaf[i3&(size-1)])
	}
}

func (l *layout) addMissing(b *block) {
	nodes, values := l.nodes, b.values
	size := uint64(len(nodes))
	for r := 0; r < b.rows; r += 2 {
		v := values[r:]
		i0, i1 := uint64(1), uint64(1)
		for range l.depth {
			n0, n1 := nodes[i0], nodes[i1]
			i0 = 2*i0 + aboveOrMissing(n0, v[uint64(uint16(n0))])
			i1 = 2*i1 + aboveOrMissing(n1, v[uint64(uint16(n1))+1])
		}
		b.sum[r] += float64(l.leaf[i0-size])
		b.sum[r+1] += float64(l.leaf[i1-size])
	}
}

func (l *layout) addCategories(b *block, sets []set) {
	nodes, values := l.nodes, b.values
	size := uint64(len(nodes))
	for r := 0; r < b.rows; r += 2 {
		v := values[r:]
		i0, i1 := uint64(1), uint64(1)
		for range l.depth {
			n0, n1 := nodes[i0], nodes[i1]
			i0 = 2*i0 + inSet(n0, v[uint64(uint16(n0))], sets)
			i1 = 2*i1 + inSet(n1, v[uint64(uint16(n1))+1], sets)
		}
		b.sum[r] += float64(l.leaf[i0-size])
		b.sum[r+1] += float64(l.leaf[i1-size])
	}
}

// row is one row of x as the trees see it: a category is its bin.
func (m *core) row(buf []float32, x *frame.Matrix, row int) []float32 {
	buf = x.Row(buf, row)
	for j := range m.cats {
		if m.cats[j].codes != nil {
			buf[j] = m.cats[j].bin(buf[j])
		}
	}
	return buf
}

// side is where a value goes at an inner node: 1 = right.
func (m *core) side(n *tree.Node, v float32) int {
	switch {
	case v != v:
		return int(n.Missing)
	case m.categorical(int(n.Feature)):
		return int(m.sets[int(n.Threshold)].has(uint8(v)))
	case v > n.Threshold:
		return 1
	}
	return 0
}

// leafOf is the leaf of a row.
func (m *core) leafOf(t tree.Tree, row []float32) int {
	i := 0
	for t[i].Feature >= 0 {
		i = int(t[i].Next) + m.side(&t[i], row[t[i].Feature])
	}
	return i
}
