// Package boost is gradient boosting of regression trees (Chen & Guestrin,
// "XGBoost: A Scalable Tree Boosting System", KDD 2016): each tree takes the
// second-order step that lowers the regularised loss most, with splits searched
// on histograms of binned columns.
//
// Fit grows the ensembles, Predict and Quantiles answer, Contributions says
// which columns moved a prediction, Encode and Decode store it. It knows neither
// cross-validation nor metrics, and nothing of requests.
//
// # What is fitted
//
// One ensemble for the prediction and one for each level of Config.Quantiles.
// With the objective squared_log_error all of them work on z = ln(1 + y/unit).
// Its squared error is fitted in z, where it is convex with hessian 1; XGBoost's
// reg:squaredlogerror has the same minimum but takes its steps in y, where the
// loss is not convex and the hessian has to be cut off at 10⁻⁶. A prediction is
// unit·(e^z − 1), the value whose logarithm is expected: close to the median
// where errors are symmetric on the log scale, below the mean. The unit is the
// median of the positive targets / 100, so that models of seconds and of
// milliseconds are the same model.
//
// Quantiles minimise the pinball loss. Their trees are grown on its gradient
// (hessian 1, as in XGBoost's reg:quantileerror), then each leaf takes the
// quantile of its residuals (Friedman, "Greedy function approximation", 2001,
// TreeBoost for LAD; Koenker & Bassett 1978 for the loss), shrunk by n/(n+λ). A
// leaf of level α has at least 3/min(α, 1−α) training rows, or the tails would
// be made of single rows. Ensembles of different levels can cross: the answers
// of a row are sorted, which never increases the pinball loss (Chernozhukov,
// Fernández-Val & Galichon, "Quantile and probability curves without crossing",
// 2010).
//
// # Cost
//
// O(rounds · ensembles · (rows · columns · depth/2 + nodes · columns · bins));
// memory of 9 bytes per value beside the matrix. A prediction takes O(trees ·
// depth) per row.
//
// # Deviations from the paper
//
// The hessian of a row is 1 in all objectives here, so a histogram's sum of
// hessians is its number of rows. Gradients are rounded to 1/32767 of the
// largest one of the round (Shi et al., "Quantized Training of GBDT", 2022,
// with more digits), so that one 64-bit addition counts a row and adds its
// gradient, and sums are exact whatever their order; leaf values come from the
// unrounded gradients. Gain is compared to gamma without the paper's factor ½,
// as in the XGBoost program. A split below gamma is not made at all, where the
// paper prunes afterwards. Columns are binned once by quantiles (at most 255
// bins), not by the weighted sketch.
package boost

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"apiml/frame"
	"apiml/model"
	"apiml/model/tree"
)

const (
	// Kind is the kind of model in files.
	Kind = "boosted_trees"

	// blockRows is how many rows walk one tree before the next tree is taken.
	blockRows = 128
	// maxLog bounds what is put into the exponential: hostile leaves must not
	// make infinities.
	maxLog = 600
)

// Model is a fitted model: immutable, safe for concurrent use.
type Model struct {
	schema frame.Schema
	config Config
	seed   uint64
	// unit of the working scale z = ln(1 + y/unit); 0 = the working scale is y.
	unit  float64
	point int        // index of the ensemble that Predict uses
	parts []ensemble // in the order of Config.ensembles
	gain  []float64  // per column: share of the gain of all ensembles, sums to 1 or is 0

	once   sync.Once
	values [][]float64 // per tree of the point ensemble and node: see nodeValues
}

// ensemble is a sum of trees on the working scale.
type ensemble struct {
	base  float64
	trees []tree.Tree // Next of a leaf indexes leaf
	leaf  []float32
	cover []int32 // per leaf: training rows in it
}

// Fit grows a model on the rows of x whose Target is not NaN. It does not change
// x. Errors: a configuration out of range, no such row, an infinite feature or
// target, a negative target with squared_log_error, the end of ctx.
func Fit(ctx context.Context, x *frame.Matrix, c Config, opt model.FitOptions) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c.Quantiles = slices.Clone(c.Quantiles)
	x, err := usable(x)
	if err != nil {
		return nil, err
	}
	m := &Model{schema: *x.Schema, config: c, seed: opt.Seed}
	m.schema.Columns = slices.Clone(x.Schema.Columns)
	y, err := m.scale(x.Target)
	if err != nil {
		return nil, err
	}
	binned, err := tree.Bin(ctx, x, c.Bins, opt.Workers)
	if err != nil {
		return nil, err
	}
	levels, point := c.ensembles()
	m.point = point
	m.parts = make([]ensemble, len(levels))
	gains := make([][]float64, len(levels))
	g := &growth{config: c, seed: opt.Seed, y: y, cols: binned.Cols, cuts: binned.Cuts}
	g.pack(binned)
	g.split(x.Time)
	progress := newProgress(opt.Log, len(levels)*c.Rounds)
	// Ensembles side by side cost no waiting; what workers are left over share
	// the histograms of one ensemble.
	outer := model.Workers(opt.Workers, 1<<16)
	inner := max(1, outer/len(levels))
	err = model.Parallel(ctx, opt.Workers, len(levels), nil, func(_, e int) error {
		var err error
		m.parts[e], gains[e], err = g.ensemble(ctx, e, levels[e], inner, progress)
		return err
	})
	if err != nil {
		return nil, err
	}
	m.gain = make([]float64, len(x.Cols))
	total := 0.0
	for _, v := range gains {
		for j, s := range v {
			m.gain[j] += s
			total += s
		}
	}
	for j := range m.gain {
		if total > 0 {
			m.gain[j] /= total
		}
	}
	return m, nil
}

// usable checks x and leaves the rows without a target out.
func usable(x *frame.Matrix) (*frame.Matrix, error) {
	if err := x.Check(); err != nil {
		return nil, err
	}
	if len(x.Cols) == 0 {
		return nil, fmt.Errorf("boost: no columns")
	}
	if x.Target == nil || x.N == 0 {
		return nil, fmt.Errorf("boost: no rows with a target among %d", x.N)
	}
	var rows []int
	for i, v := range x.Target {
		if math.IsInf(v, 0) {
			return nil, fmt.Errorf("boost: target of row %d is infinite", i)
		}
		if v == v {
			rows = append(rows, i)
		}
	}
	switch {
	case len(rows) == 0:
		return nil, fmt.Errorf("boost: no rows with a target among %d", x.N)
	case len(rows) > maxRows:
		return nil, fmt.Errorf("boost: %d rows, at most %d are possible", len(rows), maxRows)
	case len(rows) < x.N:
		return x.Select(rows), nil
	}
	return x, nil
}

// scale chooses the working scale and puts the targets on it.
func (m *Model) scale(target []float64) ([]float64, error) {
	if m.config.Objective == SquaredError {
		return target, nil
	}
	var positive []float64
	for i, v := range target {
		if v < 0 {
			if m.config.Objective == Quantile {
				return target, nil // quantiles need no logarithm
			}
			return nil, fmt.Errorf("boost: target of row %d is %v: squared_log_error needs 0 or more", i, v)
		}
		if v > 0 {
			positive = append(positive, v)
		}
	}
	m.unit = 1
	if len(positive) > 0 {
		// Not below 10⁻³⁰⁰: y/unit must stay finite.
		m.unit = max(selectNth(positive, len(positive)/2)/100, 1e-300)
	}
	y := make([]float64, len(target))
	for i, v := range target {
		y[i] = min(math.Log1p(v/m.unit), maxLog)
	}
	return y, nil
}

// back is the inverse of scale for one value. It is never infinite.
func (m *Model) back(z float64) float64 {
	if m.unit == 0 {
		return z
	}
	return min(m.unit*math.Expm1(min(max(z, 0), maxLog)), math.MaxFloat64)
}

// Kind implements model.Model.
func (m *Model) Kind() string { return Kind }

// Schema implements model.Model.
func (m *Model) Schema() *frame.Schema { return &m.schema }

// Config is the configuration that the model was fitted with.
func (m *Model) Config() Config {
	c := m.config
	c.Quantiles = slices.Clone(c.Quantiles)
	return c
}

// Unit is the unit of the scale ln(1 + y/unit) on which the trees add up; 0 if
// they add up y itself.
func (m *Model) Unit() float64 { return m.unit }

// Rounds is the number of trees of each ensemble: the prediction's first, then
// those of the quantiles (with the objective quantile: of the quantiles alone).
func (m *Model) Rounds() []int {
	n := make([]int, len(m.parts))
	for i := range m.parts {
		n[i] = len(m.parts[i].trees)
	}
	return n
}

// Importance is each column's share of the gain of all splits; it sums to 1, or
// is 0 throughout if there is no split.
func (m *Model) Importance() []float64 { return slices.Clone(m.gain) }

// Predict implements model.Regressor: in the unit of the target, never NaN or
// infinite, and never negative with squared_log_error. It panics if x has other
// columns or dst is too short.
func (m *Model) Predict(dst []float64, x *frame.Matrix, lo, hi int) {
	model.MustMatch(&m.schema, x.Schema)
	m.sum(dst[:hi-lo], 1, x, lo, hi, m.parts[m.point:m.point+1])
	for i, z := range dst[:hi-lo] {
		dst[i] = m.back(z)
	}
}

// QuantileLevels are the levels of Quantiles, ascending; nil if there are none.
func (m *Model) QuantileLevels() []float64 { return slices.Clone(m.config.Quantiles) }

// Quantiles writes the quantile of level QuantileLevels()[q] of row i to
// dst[(i-lo)*len(QuantileLevels())+q], for lo ≤ i < hi: ascending in a row. It
// allocates nothing per row.
func (m *Model) Quantiles(dst []float64, x *frame.Matrix, lo, hi int) {
	model.MustMatch(&m.schema, x.Schema)
	k := len(m.config.Quantiles)
	if k == 0 {
		return
	}
	dst = dst[:(hi-lo)*k]
	m.sum(dst, k, x, lo, hi, m.parts[len(m.parts)-k:])
	for i, z := range dst {
		dst[i] = m.back(z)
	}
	for i := 0; i < len(dst); i += k {
		row := dst[i : i+k]
		for a := 1; a < k; a++ { // insertion sort: a row is short and nearly sorted
			for b := a; b > 0 && row[b] < row[b-1]; b-- {
				row[b], row[b-1] = row[b-1], row[b]
			}
		}
	}
}

// sum writes the sum of part p for row i to dst[(i-lo)*stride+p].
func (m *Model) sum(dst []float64, stride int, x *frame.Matrix, lo, hi int, parts []ensemble) {
	columns := len(x.Cols)
	rows := min(blockRows, hi-lo)
	block := make([]float32, rows*columns)
	leaves := make([]int32, rows)
	for ; lo < hi; lo += rows {
		rows = min(rows, hi-lo)
		missing := tree.Block(block, x, lo, lo+rows)
		for k := range parts {
			p := &parts[k]
			for i := range rows {
				dst[i*stride+k] = p.base
			}
			for _, t := range p.trees {
				t.Leaves(leaves[:rows], block, columns, missing)
				for i, l := range leaves[:rows] {
					dst[i*stride+k] += float64(p.leaf[l])
				}
			}
		}
		dst = dst[rows*stride:]
	}
}

// Contributions implements model.Regressor: the change of the expected value
// from node to node on the row's way, given to the column that was split on
// (Saabas 2014). They add up on the scale ln(1 + y/Unit()), or on that of the
// target if Unit is 0; bias + sum(dst) is the sum of the trees there.
func (m *Model) Contributions(dst []float64, x *frame.Matrix, row int) (bias float64) {
	model.MustMatch(&m.schema, x.Schema)
	m.once.Do(m.nodeValues)
	p := &m.parts[m.point]
	buf := x.Row(make([]float32, len(x.Cols)), row)
	bias = p.base
	for k, t := range p.trees {
		v := m.values[k]
		before := v[0]
		bias += before
		t.Path(buf, func(node, column int) {
			if column >= 0 {
				dst[column] += v[node] - before
				before = v[node]
			}
		})
	}
	return bias
}

// nodeValues computes the expected value at every node: of a leaf its value, of
// an inner node the mean of its children by training rows.
func (m *Model) nodeValues() {
	p := &m.parts[m.point]
	m.values = make([][]float64, len(p.trees))
	for k, t := range p.trees {
		v, w := make([]float64, len(t)), make([]float64, len(t))
		for i := len(t) - 1; i >= 0; i-- {
			n := t[i]
			if n.Feature < 0 {
				v[i], w[i] = float64(p.leaf[n.Next]), float64(p.cover[n.Next])
				continue
			}
			a, b := w[n.Next], w[n.Next+1]
			w[i] = a + b
			v[i] = (float64(a*v[n.Next]) + float64(b*v[n.Next+1])) / (a + b)
		}
		m.values[k] = v
	}
}
