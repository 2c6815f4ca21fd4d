// Package boost is gradient boosting of regression trees (Chen & Guestrin,
// "XGBoost: A Scalable Tree Boosting System", KDD 2016; Ke et al., "LightGBM: A
// Highly Efficient Gradient Boosting Decision Tree", NIPS 2017): each tree takes
// the second-order step that lowers the regularised loss most, with splits
// searched on histograms of binned columns.
//
// Fit and FitClassifier grow the ensembles; Predict, Quantiles and PredictProba
// answer; Contributions and Shapley say which columns moved a prediction; Encode
// and Decode store a model; AppendXGBoost, ParseXGBoost and AppendONNX exchange it
// with other programs. It knows neither cross-validation nor metrics, and nothing
// of requests.
//
// # What is fitted
//
// A regressor has one ensemble for the prediction and one for each level of
// Config.Quantiles; a classifier one for two classes, else one per class. With
// the objective squared_log_error all of them work on z = ln(1 + y/unit).
// Its squared error is fitted in z, where it is convex with hessian 1; XGBoost's
// reg:squaredlogerror has the same minimum but takes its steps in y, where the
// loss is not convex and the hessian has to be cut off at 10⁻⁶. A prediction is
// unit·(e^z − 1), the value whose logarithm is expected: close to the median
// where errors are symmetric on the log scale, below the mean. The unit is the
// median of the positive targets / 100, so that models of seconds and of
// milliseconds are the same model.
//
// Quantiles, of which the absolute error is one, minimise the pinball loss. Their
// trees are grown on its gradient
// (hessian 1, as in XGBoost's reg:quantileerror), then each leaf takes the
// quantile of its residuals (Friedman, "Greedy function approximation", 2001,
// TreeBoost for LAD; Koenker & Bassett 1978 for the loss), shrunk by n/(n+λ). A
// leaf of level α has at least 3/min(α, 1−α) training rows, or the tails would
// be made of single rows. Ensembles of different levels can cross: the answers
// of a row are sorted, which never increases the pinball loss (Chernozhukov,
// Fernández-Val & Galichon, "Quantile and probability curves without crossing",
// 2010). Each is then shifted so that its level holds on the held-out rows, which
// are the newest where there are times.
//
// Monotone constraints bound the leaf values below a constrained split by the
// middle of its children, as XGBoost's basic method does; they hold for values
// that are not missing.
//
// # Cost
//
// O(rounds · ensembles · (rows · columns · depth/2 + nodes · columns · bins)).
// Beside the matrix a value takes 1 byte, 2 up to 134 million values, and a row
// 50 bytes and 16 per class. A prediction takes O(trees · depth) per row.
//
// # Deviations from the papers
//
// Gradients and hessians are rounded so that a histogram cell is one 64-bit
// number: see grow.go. Gain is compared to gamma without the paper's factor ½,
// as in the XGBoost program. A split below gamma is not made at all, where the
// paper prunes afterwards. Columns are binned once by quantiles (at most 255
// bins), not by the weighted sketch. Rows are not moved: the row numbers of a
// node stand together, and their records are copied side by side before they
// are counted. Exclusive features are not bundled.
package boost

import (
	"context"
	"fmt"
	"math"
	"slices"

	"apiml/frame"
	"apiml/model"
	"apiml/model/tree"
)

const (
	// Kind is the kind of a regressor in files.
	Kind = "boosted_trees"
	// KindClassifier is that of a classifier.
	KindClassifier = "boosted_trees_classifier"

	// maxLog bounds what is put into the exponential: hostile leaves must not
	// make infinities.
	maxLog = 600
	// copyBytes is how large records may be to be copied for losses that are
	// fitted side by side.
	copyBytes = 16 << 20
)

// Model is a fitted regressor: immutable, safe for concurrent use.
type Model struct {
	core
	// unit of the working scale z = ln(1 + y/unit); 0 = the working scale is y.
	unit  float64
	point int // index of the ensemble that Predict uses
}

// core is what regressors and classifiers share.
type core struct {
	schema frame.Schema
	config Config
	seed   uint64
	parts  []ensemble // in the order of Config.losses, or one per class
	gain   []float64  // per column: share of the gain of all ensembles, sums to 1 or is 0
	cats   []category // per column; nil without categorical columns
	sets   []set      // what the Threshold of a categorical split numbers
	explanation
}

// ensemble is a sum of trees on the working scale.
type ensemble struct {
	base  float64
	trees []tree.Tree // Next of a leaf indexes leaf
	leaf  []float32
	cover []float32 // per leaf: hessian of the training rows in it

	layouts []layout // of trees, for prediction
}

func (e *ensemble) append(g *grown) {
	at := int32(len(e.leaf))
	for i := range g.tree {
		if g.tree[i].Feature < 0 {
			g.tree[i].Next += at
		}
	}
	e.trees = append(e.trees, g.tree)
	e.leaf = append(e.leaf, g.leaf...)
	e.cover = append(e.cover, g.cover...)
}

// Fit grows a regressor on the rows of x whose Target is not NaN. It does not
// change x. Errors: a configuration out of range, no such row, an infinite
// feature or target, a negative target with squared_log_error or one outside
// [0,1] with logistic, the end of ctx.
func Fit(ctx context.Context, x *frame.Matrix, c Config, opt model.FitOptions) (*Model, error) {
	if err := c.checkRegressor(); err != nil {
		return nil, err
	}
	x, err := usable(x)
	if err != nil {
		return nil, err
	}
	m := &Model{}
	m.describe(x, &c, opt)
	y, err := m.scale(x.Target)
	if err != nil {
		return nil, err
	}
	losses, point := c.losses()
	if m.unit == 0 && c.Objective == Huber {
		losses[0].delta = c.HuberDelta
	}
	m.point = point
	if err := m.fit(ctx, x, y, losses, opt); err != nil {
		return nil, err
	}
	return m, nil
}

// describe copies what a model says of itself.
func (m *core) describe(x *frame.Matrix, c *Config, opt model.FitOptions) {
	m.schema, m.config, m.seed = *x.Schema, c.clone(), opt.Seed
	m.schema.Columns = slices.Clone(x.Schema.Columns)
}

// fit grows the ensembles of the losses on the targets y.
func (m *core) fit(ctx context.Context, x *frame.Matrix, y []float64, losses []loss, opt model.FitOptions) error {
	if err := m.config.checkColumns(x.Schema); err != nil {
		return err
	}
	g, err := prepare(ctx, x, &m.config, opt)
	if err != nil {
		return err
	}
	m.cats = g.cats
	g.y = y
	g.split(x.Time)
	outputs := 0
	growers := make([]*grower, len(losses))
	for i, l := range losses {
		growers[i] = &grower{growth: g, loss: l, number: i, sets: new([]set)}
		outputs += l.outputs()
	}
	m.parts = make([]ensemble, outputs)
	progress := newProgress(opt.Log, outputs*m.config.Rounds)
	// Losses side by side cost no waiting, but each needs its own records. What
	// workers are left over share the work on one tree.
	workers := model.Workers(opt.Workers, 1<<16)
	outer := min(workers, len(losses))
	if 8*len(g.records) > copyBytes {
		outer = 1
	}
	records := [][]uint64{g.records} // per worker, copied before anyone writes to them
	for len(records) < outer {
		records = append(records, slices.Clone(g.records))
	}
	err = model.Parallel(ctx, outer, len(losses), nil, func(worker, i int) error {
		w := growers[i]
		w.workers = max(1, workers/outer)
		w.records = records[worker]
		at := 0
		for _, l := range losses[:i] {
			at += l.outputs()
		}
		err := w.run(ctx, m.parts[at:at+w.loss.outputs()], progress)
		*w = grower{loss: w.loss, gain: w.gain, sets: w.sets} // the rest is memory
		return err
	})
	if err != nil {
		return err
	}
	m.gain = make([]float64, len(x.Cols))
	total := 0.0
	at := 0
	for _, w := range growers {
		for j, s := range w.gain {
			m.gain[j] += s
			total += s
		}
		parts := m.parts[at : at+w.loss.outputs()]
		at += len(parts)
		if len(*w.sets) == 0 {
			continue
		}
		for k := range parts {
			for _, t := range parts[k].trees {
				for i := range t {
					if t[i].Feature >= 0 && m.categorical(int(t[i].Feature)) {
						t[i].Threshold += float32(len(m.sets))
					}
				}
			}
		}
		m.sets = append(m.sets, *w.sets...)
	}
	for j := range m.gain {
		if total > 0 {
			m.gain[j] = min(m.gain[j]/total, 1)
		}
	}
	m.arrange()
	return nil
}

func (m *core) categorical(column int) bool { return m.cats != nil && m.cats[column].codes != nil }

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
	return someRows(x, rows, "a target")
}

// someRows is x with the given rows, which ascend.
func someRows(x *frame.Matrix, rows []int, what string) (*frame.Matrix, error) {
	switch {
	case len(rows) == 0:
		return nil, fmt.Errorf("boost: no rows with %s among %d", what, x.N)
	case len(rows) > maxRows:
		return nil, fmt.Errorf("boost: %d rows, at most %d are possible", len(rows), maxRows)
	case len(rows) < x.N:
		return x.Select(rows), nil
	}
	return x, nil
}

// scale chooses the working scale and puts the targets on it.
func (m *Model) scale(target []float64) ([]float64, error) {
	switch m.config.Objective {
	case SquaredError, AbsoluteError, Huber:
		return target, nil
	case Logistic:
		for i, v := range target {
			if v < 0 || v > 1 {
				return nil, fmt.Errorf("boost: target of row %d is %v: logistic needs 0 to 1", i, v)
			}
		}
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
	switch {
	case m.config.Objective == Logistic:
		return sigmoid(z)
	case m.unit == 0:
		return z
	}
	return min(m.unit*math.Expm1(min(max(z, 0), maxLog)), math.MaxFloat64)
}

// Kind implements model.Model.
func (m *Model) Kind() string { return Kind }

// Schema implements model.Model.
func (m *core) Schema() *frame.Schema { return &m.schema }

// Config is the configuration that the model was fitted with.
func (m *core) Config() Config { return m.config.clone() }

// Unit is the unit of the scale ln(1 + y/unit) on which the trees add up; 0 if
// they add up y itself, or with logistic ln(p/(1−p)).
func (m *Model) Unit() float64 { return m.unit }

// Rounds is the number of trees of each ensemble: the prediction's first, then
// those of the quantiles (with the objective quantile: of the quantiles alone);
// of a classifier those of the classes, or that of the second of two.
func (m *core) Rounds() []int {
	n := make([]int, len(m.parts))
	for i := range m.parts {
		n[i] = len(m.parts[i].trees)
	}
	return n
}

// Importance is each column's share of the gain of all splits; it sums to 1, or
// is 0 throughout if there is no split.
func (m *core) Importance() []float64 { return slices.Clone(m.gain) }

// Predict implements model.Regressor: in the unit of the target, never NaN or
// infinite, and never negative with squared_log_error. It panics if x has other
// columns or dst is too short.
func (m *Model) Predict(dst []float64, x *frame.Matrix, lo, hi int) {
	model.MustMatch(&m.schema, x.Schema)
	dst = dst[:hi-lo]
	m.sum(dst, 1, x, lo, hi, m.parts[m.point:m.point+1])
	for i, z := range dst {
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

// First is m with the first trees of each ensemble only, at most that many: what
// a fit with so many rounds gives, where nothing stops early and quantiles are
// not calibrated.
func (m *Model) First(rounds int) *Model {
	out := &Model{core: m.move(), unit: m.unit, point: m.point}
	out.parts = slices.Clone(m.parts)
	for k := range out.parts {
		p := &out.parts[k]
		n := min(max(rounds, 0), len(p.trees))
		p.trees, p.layouts = p.trees[:n:n], p.layouts[:n:n]
		leaves := 0
		for _, t := range p.trees {
			leaves += len(t) - t.Inner()
		}
		p.leaf, p.cover = p.leaf[:leaves:leaves], p.cover[:leaves:leaves]
	}
	return out
}
