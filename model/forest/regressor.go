package forest

import (
	"context"
	"fmt"
	"math"
	"slices"

	"apiml/frame"
	"apiml/model"
)

// KindRegressor is the kind of a Regressor in files.
const KindRegressor = "random_forest_regressor"

// Regressor is a fitted forest that predicts numbers: immutable, safe for
// concurrent use.
type Regressor struct {
	ensemble
	// means is the prediction of every leaf of all trees; Next of a leaf is its
	// index. Float32, as in the file: saved and loaded it predicts the same.
	means   []float32
	oobPred []float64 // after a fit with OOB

	values nodeValues
}

// FitRegressor grows a forest that predicts Target, on the rows of x whose
// Target is not NaN. It does not change x. Errors: as Fit; no row with a
// target, an infinite one.
func FitRegressor(ctx context.Context, x *frame.Matrix, c Config, opt model.FitOptions) (*Regressor, error) {
	return fitRegressor(ctx, x, c, opt, nil)
}

// Grow is Forest.Grow for a Regressor.
func (f *Regressor) Grow(ctx context.Context, x *frame.Matrix, trees int, opt model.FitOptions) (*Regressor, error) {
	if err := f.mayGrow(x, trees); err != nil {
		return nil, err
	}
	c := f.config
	c.Trees = trees
	opt.Seed = f.seed
	return fitRegressor(ctx, x, c, opt, f)
}

func fitRegressor(ctx context.Context, x *frame.Matrix, c Config, opt model.FitOptions, old *Regressor) (*Regressor, error) {
	if err := c.check(true); err != nil {
		return nil, err
	}
	x, err := measured(x)
	if err != nil {
		return nil, err
	}
	g := &growth{target: make([]float64, x.Rows())}
	for _, y := range x.Target {
		g.mean += y / float64(len(x.Target))
	}
	for i, y := range x.Target {
		g.target[i] = y - g.mean
	}
	var before *ensemble
	if old != nil {
		before = &old.ensemble
	}
	grown, err := g.grow(ctx, x, c, opt, before)
	if err != nil {
		return nil, err
	}
	f := &Regressor{}
	f.begin(g)
	if old != nil {
		f.means = slices.Clone(old.means)
	}
	f.add(before, grown, func(p *planted, leaf int) int32 {
		f.means = append(f.means, p.means[leaf])
		return int32(len(f.means) - 1)
	})
	if c.OOB {
		if err := f.outOfBag(ctx, g, x.Target, opt.Workers); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// measured checks x and leaves the rows without a target out.
func measured(x *frame.Matrix) (*frame.Matrix, error) {
	if err := x.Check(); err != nil {
		return nil, err
	}
	if len(x.Cols) == 0 {
		return nil, fmt.Errorf("forest: no columns")
	}
	var rows []int
	for i, y := range x.Target {
		if math.IsInf(y, 0) || math.Abs(y) > math.MaxFloat32 {
			return nil, fmt.Errorf("forest: the target of row %d is %v", i, y)
		}
		if y == y {
			rows = append(rows, i)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("forest: no rows with a target among %d", x.Rows())
	}
	if len(rows) > math.MaxInt32 {
		return nil, fmt.Errorf("forest: %d rows, at most %d are possible", len(rows), math.MaxInt32)
	}
	if len(rows) < x.Rows() {
		x = x.Select(rows)
	}
	return x, nil
}

// outOfBag predicts each row from the trees that did not see it.
func (f *Regressor) outOfBag(ctx context.Context, g *growth, target []float64, workers int) error {
	pred := make([]float64, len(target))
	trees := make([]uint32, len(target))
	err := f.outside(ctx, g, workers, func(row int, leaf uint32) {
		pred[row] += float64(f.means[leaf])
		trees[row]++
	})
	if err != nil {
		return err
	}
	for i, n := range trees {
		pred[i] /= float64(n) // 0/0 = NaN
	}
	f.oobPred, f.oob = pred, determination(pred, target)
	return nil
}

// Kind implements model.Model.
func (f *Regressor) Kind() string { return KindRegressor }

// OOBPredictions holds the predictions of the fit's rows with a target, in
// order, from the trees that did not see them, NaN for a row that all have
// seen. It is nil without Config.OOB and after loading.
func (f *Regressor) OOBPredictions() []float64 { return f.oobPred }

// Predict implements model.Regressor. It panics if x has other columns or dst
// is too short.
func (f *Regressor) Predict(dst []float64, x *frame.Matrix, lo, hi int) {
	model.MustMatch(&f.schema, x.Schema)
	dst = dst[:hi-lo]
	b := newChunk(&f.ensemble, hi-lo)
	for lo < hi {
		n := b.load(x, lo, hi)
		lo += n
		out := dst[:n]
		clear(out)
		for k := range f.trees {
			b.walk(k, func(first int, leaves []uint32) {
				for r, leaf := range leaves {
					out[first+r] += float64(f.means[leaf])
				}
			})
		}
		for r := range out {
			out[r] /= float64(len(f.trees))
		}
		dst = dst[n:]
	}
}

// Contributions implements model.Regressor, as Forest.Contributions, in the
// unit of the target.
func (f *Regressor) Contributions(dst []float64, x *frame.Matrix, row int) (bias float64) {
	model.MustMatch(&f.schema, x.Schema)
	return f.saabas(dst, f.nodeValues(), f.row(x, row))
}

// SHAP is Contributions by Shapley values: see Forest.SHAP.
func (f *Regressor) SHAP(dst []float64, x *frame.Matrix, row int) (bias float64) {
	model.MustMatch(&f.schema, x.Schema)
	return f.shapley(dst, f.nodeValues(), f.row(x, row))
}

func (f *Regressor) nodeValues() []float64 {
	f.values.once.Do(func() {
		f.values.v = f.nodeMeans(func(next int32) float64 { return float64(f.means[next]) })
	})
	return f.values.v
}
