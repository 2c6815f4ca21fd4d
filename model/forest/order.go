package forest

import (
	"fmt"
	"math"
	"slices"

	"apiml/frame"
)

// Categories are put in order once per column, before the trees are grown, and
// then treated as numbers (Wright and König, "Splitting on categorical
// predictors in random forests", PeerJ 7:e6339, 2019: as good as a choice among
// all subsets at every node, without its cost and its limit on their number).
// The order is that of the mean target; with two classes of the share of the
// second, for which no subset is better than one cut in this order (Fisher 1958;
// CART, section 9.4); with more classes that of the first principal component of
// the class shares, weighted by rows (Coppersmith, Hong, Hosking 1999).
//
// Deviation: the order uses all rows of the fit, so that out-of-bag figures of a
// column with very many rare categories are somewhat too good; such a column may
// do better as numbers.

// order is the order of the categories of a column: codes, ascending, and the
// rank of each. Without codes the column is numeric.
type order struct {
	codes []float32
	ranks []float32
}

// rank is the rank of a category, NaN if it was never seen.
func (o *order) rank(v float32) float32 {
	i, ok := slices.BinarySearch(o.codes, v)
	if !ok || v != v {
		return float32(math.NaN())
	}
	return o.ranks[i]
}

// maxCategories bounds what a column of names for everything would cost.
const maxCategories = 1 << 20

// findOrders orders the categories of the named columns by class, or by target
// if there are no classes.
func findOrders(x *frame.Matrix, names []string, classes int) ([]order, error) {
	if len(names) == 0 {
		return nil, nil
	}
	orders := make([]order, len(x.Cols))
	for _, name := range names {
		j := x.Schema.Index(name)
		if j < 0 {
			return nil, fmt.Errorf("forest: categorical: there is no column %q", name)
		}
		codes := slices.Clone(x.Cols[j])
		codes = slices.DeleteFunc(codes, func(v float32) bool { return v != v })
		for i := range codes {
			codes[i] += 0 // -0 becomes 0
		}
		slices.Sort(codes)
		codes = slices.Compact(codes)
		if len(codes) > maxCategories {
			return nil, fmt.Errorf("forest: categorical: column %q has %d categories, at most %d are possible", name, len(codes), maxCategories)
		}
		width := max(classes, 1)
		rows := make([]float64, len(codes))
		sums := make([]float64, len(codes)*width)
		for i, v := range x.Cols[j] {
			k, ok := slices.BinarySearch(codes, v)
			if !ok || v != v {
				continue
			}
			rows[k]++
			if classes > 0 {
				sums[k*width+int(x.Class[i])]++
			} else {
				sums[k] += x.Target[i]
			}
		}
		for k, n := range rows {
			for c := range width {
				sums[k*width+c] /= n
			}
		}
		score := make([]float64, len(codes))
		switch {
		case classes == 0 || len(codes) == 0:
			copy(score, sums)
		case classes <= 2:
			for k := range score {
				score[k] = sums[k*width+classes-1]
			}
		default:
			score = component(sums, rows, width)
		}
		by := make([]int, len(codes))
		for k := range by {
			by[k] = k
		}
		slices.SortStableFunc(by, func(a, b int) int {
			switch {
			case score[a] < score[b]:
				return -1
			case score[a] > score[b]:
				return 1
			}
			return 0
		})
		o := order{codes: codes, ranks: make([]float32, len(codes))}
		for rank, k := range by {
			o.ranks[k] = float32(rank)
		}
		if len(codes) == 0 { // only missing values: nothing to order, but still no number
			o.codes, o.ranks = []float32{0}, []float32{0}
		}
		orders[j] = o
	}
	return orders, nil
}

// component is the score of each of len(rows) points of the given width on
// their first principal component, weighted by rows: power iteration on the
// covariance, from a fixed start.
func component(points, rows []float64, width int) []float64 {
	mean := make([]float64, width)
	total := 0.0
	for k, n := range rows {
		total += n
		for c := range width {
			mean[c] += float64(n * points[k*width+c])
		}
	}
	for c := range mean {
		mean[c] /= total
	}
	cov := make([]float64, width*width)
	for k, n := range rows {
		for a := range width {
			for b := range width {
				cov[a*width+b] += float64(n * (points[k*width+a] - mean[a]) * (points[k*width+b] - mean[b]))
			}
		}
	}
	v, next := make([]float64, width), make([]float64, width)
	for c := range v {
		v[c] = 1 / float64(c+1) // not along (1, …, 1), in which shares do not vary
	}
	for range 200 {
		norm := 0.0
		for a := range width {
			next[a] = 0
			for b := range width {
				next[a] += float64(cov[a*width+b] * v[b])
			}
			norm += float64(next[a] * next[a])
		}
		if norm == 0 {
			break
		}
		for a := range width {
			v[a] = next[a] / math.Sqrt(norm)
		}
	}
	score := make([]float64, len(rows))
	for k := range rows {
		for c := range width {
			score[k] += float64(points[k*width+c] * v[c])
		}
	}
	return score
}

// recode replaces the categories of x by their ranks; the other columns are
// shared with x.
func recode(x *frame.Matrix, orders []order) *frame.Matrix {
	if orders == nil {
		return x
	}
	out := *x
	out.Cols = slices.Clone(x.Cols)
	for j := range orders {
		if orders[j].codes == nil {
			continue
		}
		col := make([]float32, len(x.Cols[j]))
		for i, v := range x.Cols[j] {
			col[i] = orders[j].rank(v)
		}
		out.Cols[j] = col
	}
	return &out
}
