package dbscan

import (
	"cmp"
	"math"
	"slices"
)

// Which index serves depends on the points; the result never does.
//
//   - A grid of cells whose diagonal is eps, for up to gridDim columns (Gan & Tao
//     2015, "DBSCAN revisited", go back to it; cells of that width are Gunawan's,
//     2013): the points of a cell are neighbours of each other, and a cell has a
//     bounded number of cells around it. It is taken where cells hold more than a
//     few points and no cell very many; elsewhere the tree adapts better.
//   - The kd-tree for more columns.
//   - Blocks of rows in their order, compared pair by pair with only the boxes of
//     blocks between them, where a tree cannot pay: few points, or so many columns
//     that every leaf's box touches every other's.
const (
	gridDim    = 2
	gridFew    = 4   // points per cell, on average, from which a grid is taken
	gridMany   = 256 // points in a cell up to which it is
	blocksDim  = 256 // columns from which blocks are taken
	blocksRows = 2 * leafPoints
)

// indexKind names an index; automatic chooses.
type indexKind int

const (
	automatic indexKind = iota
	gridIndex
	treeIndex
	blockIndex
)

// grid finds the cells around a cell. Cells are the leaves, in order of their
// keys.
type grid struct {
	origin []float64
	width  float64
	keys   []uint64 // per leaf
	around int      // cells to look to each side, per column
	dim    int
}

const gridBits = 20 // cells per column, as a power of 2; leaves room to step aside

// newIndex builds the index of points for the radius eps, an inner distance.
func newIndex(points []float64, dim int, l1 bool, unit []int64, eps float64, kind indexKind) *tree {
	n := len(points) / dim
	if kind == automatic {
		switch {
		case n <= blocksRows || dim >= blocksDim:
			kind = blockIndex
		case dim <= gridDim:
			kind = gridIndex
		default:
			kind = treeIndex
		}
		if kind == gridIndex {
			if t := newGrid(points, dim, l1, unit, eps, true); t != nil {
				return t
			}
			kind = treeIndex
		}
	}
	switch kind {
	case gridIndex:
		if t := newGrid(points, dim, l1, unit, eps, false); t != nil {
			return t
		}
	case blockIndex:
		t := &tree{dim: dim, l1: l1, flat: true, id: make([]int32, n)}
		for i := range t.id {
			t.id[i] = int32(i)
		}
		for lo := 0; lo < n; lo += leafPoints {
			t.add(points, lo, min(lo+leafPoints, n))
		}
		t.take(points, unit)
		return t
	}
	return newTree(points, n, dim, l1, unit)
}

// newGrid returns nil if the grid has too many cells, or, if it is to be worth it,
// cells that are too empty or too full.
func newGrid(points []float64, dim int, l1 bool, unit []int64, eps float64, worth bool) *tree {
	n := len(points) / dim
	if n == 0 || dim > gridDim {
		return nil
	}
	g := &grid{dim: dim, origin: slices.Clone(points[:dim])}
	high := slices.Clone(points[:dim])
	for i := range n {
		for j, v := range points[i*dim:][:dim] {
			g.origin[j], high[j] = min(g.origin[j], v), max(high[j], v)
		}
	}
	if l1 {
		g.width, g.around = eps/float64(dim), dim
	} else {
		g.width, g.around = math.Sqrt(eps/float64(dim)), int(math.Ceil(math.Sqrt(float64(dim))))
	}
	g.around++ // a value that rounding puts into the next cell
	for j := range high {
		if !((high[j]-g.origin[j])/g.width < 1<<gridBits) {
			return nil
		}
	}
	type entry struct {
		key uint64
		row int32
	}
	all := make([]entry, n)
	for i := range all {
		all[i] = entry{g.key(points[i*dim:][:dim]), int32(i)}
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.row, b.row))
	})
	cells, largest := 0, 0
	for lo, i := 0, 1; i <= n; i++ {
		if i == n || all[i].key != all[lo].key {
			cells, largest, lo = cells+1, max(largest, i-lo), i
		}
	}
	if worth && (n < gridFew*cells || largest > gridMany) {
		return nil
	}
	t := &tree{dim: dim, l1: l1, flat: true, grid: g, id: make([]int32, n)}
	for i, e := range all {
		t.id[i] = e.row
	}
	for lo, i := 0, 1; i <= n; i++ {
		if i == n || all[i].key != all[lo].key {
			t.add(points, lo, i)
			g.keys = append(g.keys, all[lo].key)
			lo = i
		}
	}
	t.take(points, unit)
	return t
}

// key is the cell of a point: gridBits+1 bits per column, the first column
// highest, so that the last column's neighbours stand side by side.
func (g *grid) key(p []float64) uint64 {
	var k uint64
	for j, v := range p {
		k = k<<(gridBits+1) | uint64((v-g.origin[j])/g.width)
	}
	return k
}

// cells appends the leaves of the cells around one, itself included.
func (g *grid) cells(leaf int32, dst []int32) []int32 {
	const mask = 1<<(gridBits+1) - 1
	key := g.keys[leaf]
	var c [gridDim]int
	for j := g.dim - 1; j >= 0; j-- {
		c[j] = int(key & mask)
		key >>= gridBits + 1
	}
	row := func(prefix uint64) {
		last := c[g.dim-1]
		from := prefix<<(gridBits+1) | uint64(max(0, last-g.around))
		to := prefix<<(gridBits+1) | uint64(last+g.around)
		i, _ := slices.BinarySearch(g.keys, from)
		for ; i < len(g.keys) && g.keys[i] <= to; i++ {
			dst = append(dst, int32(i))
		}
	}
	var walk func(j int, prefix uint64)
	walk = func(j int, prefix uint64) {
		if j == g.dim-1 {
			row(prefix)
			return
		}
		for k := max(0, c[j]-g.around); k <= c[j]+g.around; k++ {
			walk(j+1, prefix<<(gridBits+1)|uint64(k))
		}
	}
	walk(0, 0)
	return dst
}

// around returns the leaves of a flat index that may hold neighbours of a leaf's
// points.
func (t *tree) around(leaf int32, buf []int32) []int32 {
	if t.grid == nil {
		return t.leaves
	}
	return t.grid.cells(leaf, buf[:0])
}
