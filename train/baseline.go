package train

import (
	"cmp"
	"context"
	"math"
	"slices"

	"apiml/frame"
	"apiml/model"
)

// Baseline is the least that a model must beat. Its methods are safe for
// concurrent use. It marshals to JSON, so that it can be stored beside the model
// and measured on the same rows later.
type Baseline struct {
	// Kind is "majority" (the class shares of the training rows), "stump" (the
	// best split of one column, Breiman et al. 1984, depth 1) or "robust_z" (the
	// largest |x − median| / (1.4826·MAD) of a row's columns, Iglewicz & Hoaglin
	// 1993, a detector).
	Kind    string   `json:"kind"`
	Classes []string `json:"classes,omitempty"`

	Column      string    `json:"column,omitempty"` // stump: rows with Column ≤ Cut go left
	Cut         float64   `json:"cut,omitempty"`
	MissingLeft bool      `json:"missing_left,omitempty"`
	Left        []float64 `json:"left,omitempty"`  // class shares; majority has only these
	Right       []float64 `json:"right,omitempty"` // class shares

	Columns []string  `json:"columns,omitempty"` // robust_z
	Center  []float64 `json:"center,omitempty"`
	Scale   []float64 `json:"scale,omitempty"`
}

// baselineRows bounds the rows that a baseline is fitted on; beyond it every
// m-th is taken. One cut needs no more.
const baselineRows = 100_000

// sampled calls fn for at most limit rows, evenly spaced.
func sampled(n, limit int, fn func(i int)) {
	step := max(1, (n+limit-1)/limit)
	for i := 0; i < n; i += step {
		fn(i)
	}
}

// fitMajority needs at least one labelled row.
func fitMajority(x *frame.Matrix) *Baseline {
	share := make([]float64, len(x.Classes))
	for _, c := range x.Class {
		if c >= 0 {
			share[c]++
		}
	}
	normalise(share)
	return &Baseline{Kind: "majority", Classes: x.Classes, Left: share}
}

func normalise(v []float64) {
	var sum float64
	for _, x := range v {
		sum += x
	}
	for i := range v {
		if sum > 0 {
			v[i] /= sum
		}
	}
}

// fitStump finds the column and cut with the least Gini impurity, among at most
// 64 cuts per column at its quantiles. Missing values go to the better side.
func fitStump(ctx context.Context, x *frame.Matrix, workers int) (*Baseline, error) {
	k := len(x.Classes)
	type cut struct {
		gain        float64 // Σ_side Σ_c n_c²/n: rises as the impurity falls
		at          float64
		missingLeft bool
		left, right []float64
	}
	var rows []int
	sampled(x.N, baselineRows, func(i int) {
		if x.Class[i] >= 0 {
			rows = append(rows, i)
		}
	})
	purity := func(n []float64) float64 {
		var sum, sq float64
		for _, v := range n {
			sum += v
			sq += float64(v * v)
		}
		if sum == 0 {
			return 0
		}
		return sq / sum
	}
	best := make([]cut, len(x.Cols))
	err := model.Parallel(ctx, workers, len(x.Cols), nil, func(_, j int) error {
		col := x.Cols[j]
		edges := quantiles(col, 64)
		hist := make([]float64, (len(edges)+1)*k)
		missing := make([]float64, k)
		all := make([]float64, k)
		for _, i := range rows {
			c := x.Class[i]
			all[c]++
			if v := col[i]; v != v {
				missing[c]++
			} else {
				b, _ := slices.BinarySearch(edges, v)
				hist[b*k+int(c)]++
			}
		}
		left, right := make([]float64, k), make([]float64, k)
		below := make([]float64, k) // not missing and at most the edge
		for b, e := range edges {
			for c := range k {
				below[c] += hist[b*k+c]
			}
			for _, missingLeft := range []bool{false, true} {
				for c := range k {
					left[c] = below[c]
					if missingLeft {
						left[c] += missing[c]
					}
					right[c] = all[c] - left[c]
				}
				if g := purity(left) + purity(right); g > best[j].gain {
					best[j] = cut{g, float64(e), missingLeft, slices.Clone(left), slices.Clone(right)}
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m := fitMajority(x)
	win := -1
	for j := range best {
		if best[j].left != nil && (win < 0 || best[j].gain > best[win].gain) {
			win = j
		}
	}
	b := &Baseline{Kind: "stump", Classes: x.Classes, Left: m.Left, Right: m.Left}
	if win < 0 {
		return b, nil // no column has a value: the majority again
	}
	c := best[win]
	b.Column, b.Cut, b.MissingLeft = x.Schema.Columns[win].Name, c.at, c.missingLeft
	// A side without rows answers with the class shares of all.
	if normalise(c.left); sum(c.left) > 0 {
		b.Left = c.left
	}
	if normalise(c.right); sum(c.right) > 0 {
		b.Right = c.right
	}
	return b, nil
}

func sum(v []float64) (s float64) {
	for _, x := range v {
		s += x
	}
	return s
}

// quantiles returns at most n distinct values of col at equal shares of its
// rows, the highest value last; none if all are missing.
func quantiles(col []float32, n int) []float32 {
	var v []float32
	sampled(len(col), baselineRows/4, func(i int) {
		if col[i] == col[i] {
			v = append(v, col[i])
		}
	})
	slices.Sort(v)
	var out []float32
	for q := 1; q <= n && len(v) > 0; q++ {
		e := v[(q*len(v)+n-1)/n-1]
		if len(out) == 0 || e > out[len(out)-1] {
			out = append(out, e)
		}
	}
	return out
}

// fitRobustZ takes median and MAD per column; where the MAD is 0 (more than
// half of the rows equal) 1.2533 times the mean deviation from the median, and
// where that is 0 too any other value counts as 10 deviations.
func fitRobustZ(ctx context.Context, x *frame.Matrix, workers int) (*Baseline, error) {
	b := &Baseline{Kind: "robust_z", Columns: make([]string, len(x.Cols)), Center: make([]float64, len(x.Cols)), Scale: make([]float64, len(x.Cols))}
	err := model.Parallel(ctx, workers, len(x.Cols), nil, func(_, j int) error {
		b.Columns[j] = x.Schema.Columns[j].Name
		var v []float64
		sampled(x.N, baselineRows, func(i int) {
			if f := x.Cols[j][i]; f == f {
				v = append(v, float64(f))
			}
		})
		if len(v) == 0 {
			return nil
		}
		slices.Sort(v)
		med := middle(v)
		var mean float64
		for i := range v {
			v[i] = math.Abs(v[i] - med)
			mean += v[i]
		}
		slices.Sort(v)
		b.Center[j] = med
		b.Scale[j] = 1.4826 * middle(v)
		if b.Scale[j] == 0 {
			b.Scale[j] = 1.2533 * mean / float64(len(v))
		}
		return nil
	})
	return b, err
}

func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// proba writes P(class | row) to dst[i*len(b.Classes)+c] for the rows of x. A
// column that x does not have counts as missing.
func (b *Baseline) proba(dst []float32, x *frame.Matrix) {
	k := len(b.Classes)
	var col []float32
	if b.Column != "" {
		if j := x.Schema.Index(b.Column); j >= 0 {
			col = x.Cols[j]
		}
	}
	for i := range x.N {
		side := b.Left
		if b.Kind == "stump" {
			left := b.MissingLeft
			if col != nil && col[i] == col[i] {
				left = float64(col[i]) <= b.Cut
			}
			if !left {
				side = b.Right
			}
		}
		for c, p := range side {
			dst[i*k+c] = float32(p)
		}
	}
}

// score writes z/(1+z) of the largest robust z of each row of x: in [0,1], in
// the same order as z.
func (b *Baseline) score(dst []float64, x *frame.Matrix) {
	clear(dst)
	for j, name := range b.Columns {
		at := x.Schema.Index(name)
		if at < 0 {
			continue
		}
		for i, v := range x.Cols[at] {
			d := math.Abs(float64(v) - b.Center[j])
			if b.Scale[j] > 0 {
				d /= b.Scale[j]
			} else if d > 0 {
				d = 10
			}
			if d > dst[i] { // never for NaN
				dst[i] = d
			}
		}
	}
	for i, z := range dst {
		dst[i] = z / (1 + z)
	}
}

// argmax is the index of the largest value, the first of equals.
func argmax[T cmp.Ordered](v []T) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}
