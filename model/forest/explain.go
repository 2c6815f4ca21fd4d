package forest

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"apiml/frame"
	"apiml/model"
	"apiml/model/tree"
)

// nodeWeights is the cover of every node of all trees: that of an inner node
// is the sum of its children.
func (f *ensemble) nodeWeights() []float64 {
	f.weights.once.Do(func() {
		nodes := 0
		for _, t := range f.trees {
			nodes += len(t)
		}
		f.weights.v = make([]float64, nodes)
		v, cover := f.weights.v, f.cover
		for _, t := range f.trees {
			leaf := t.Inner() + 1
			rest := cover[leaf:]
			for i := len(t) - 1; i >= 0; i-- {
				if t[i].Feature < 0 {
					leaf--
					v[i] = math.Exp2(float64(cover[leaf]) / 8)
					continue
				}
				v[i] = v[t[i].Next] + v[t[i].Next+1]
			}
			v, cover = v[len(t):], rest
		}
	})
	return f.weights.v
}

// nodeMeans fills in the prediction at every node: leaf says that of a leaf,
// that of an inner node is the mean of its children by cover.
func (f *ensemble) nodeMeans(leaf func(next int32) float64) []float64 {
	weights := f.nodeWeights()
	all := make([]float64, len(weights))
	v := all
	for _, t := range f.trees {
		for i := len(t) - 1; i >= 0; i-- {
			n := t[i]
			if n.Feature < 0 {
				v[i] = leaf(n.Next)
				continue
			}
			a, b := weights[n.Next], weights[n.Next+1]
			v[i] = (float64(a*v[n.Next]) + float64(b*v[n.Next+1])) / (a + b)
		}
		v, weights = v[len(t):], weights[len(t):]
	}
	return all
}

// row is one row of x as the trees see it.
func (f *ensemble) row(x *frame.Matrix, row int) []float32 {
	buf := x.Row(make([]float32, len(x.Cols)), row)
	for j := range f.orders {
		if f.orders[j].codes != nil {
			buf[j] = f.orders[j].rank(buf[j])
		}
	}
	return buf
}

// saabas adds the change of the prediction from node to node on the row's way
// to the column that was split on, averaged over the trees, and returns the
// mean prediction at the roots.
func (f *ensemble) saabas(dst []float64, values []float64, row []float32) (bias float64) {
	scale := 1 / float64(len(f.trees))
	for _, t := range f.trees {
		before := values[0]
		bias += float64(before * scale)
		t.Path(row, func(node, column int) {
			if column >= 0 {
				v := values[node]
				dst[column] += float64((v - before) * scale)
				before = v
			}
		})
		values = values[len(t):]
	}
	return bias
}

// shapley adds the Shapley values of the columns and returns the mean
// prediction.
func (f *ensemble) shapley(dst []float64, values []float64, row []float32) (bias float64) {
	var e tree.Explainer
	weights := f.nodeWeights()
	scale := 1 / float64(len(f.trees))
	for _, t := range f.trees {
		bias += float64(values[0] * scale)
		e.Add(dst, t, row, weights[:len(t)], values[:len(t)], scale)
		values, weights = values[len(t):], weights[len(t):]
	}
	return bias
}

// Contributions implements model.Classifier: the change of the class's
// probability from node to node on the row's way, given to the column that was
// split on and averaged over the trees (Saabas, "Interpreting random forests",
// 2014; scikit-learn's treeinterpreter). It is quick, and favours columns that
// are split on far below the root: see SHAP. With a calibration the
// contributions are scaled to the calibrated probability.
func (f *Forest) Contributions(dst []float64, x *frame.Matrix, row, class int) (bias float64) {
	return f.explain(dst, x, row, class, f.saabas)
}

// SHAP is Contributions by Shapley values (Lundberg 2018, "TreeSHAP", the form
// that follows the trees' own rows): the only attribution that sums up, gives
// columns alike in effect the same and never less to a column that matters
// more. It takes O(trees · leaves · depth²).
func (f *Forest) SHAP(dst []float64, x *frame.Matrix, row, class int) (bias float64) {
	return f.explain(dst, x, row, class, f.shapley)
}

func (f *Forest) explain(dst []float64, x *frame.Matrix, row, class int, by func(dst, values []float64, row []float32) float64) float64 {
	model.MustMatch(&f.schema, x.Schema)
	buf := f.row(x, row)
	if f.calibration.kind == "" {
		return by(dst, f.valuesOf(class), buf)
	}
	// Calibrated, the probability of a class depends on those of all: what the
	// columns move is the class's own, and the slope between base and row brings
	// it to scale.
	raw := make([]float64, len(x.Cols))
	base, at := make([]float32, len(f.classes)), make([]float32, len(f.classes))
	own := by(raw, f.valuesOf(class), buf)
	for c := range f.classes {
		sum, bias := make([]float64, len(x.Cols)), own
		if c == class {
			copy(sum, raw)
		} else {
			bias = f.saabas(sum, f.valuesOf(c), buf)
		}
		base[c] = float32(bias)
		for _, v := range sum {
			bias += v
		}
		at[c] = float32(bias)
	}
	shift := float64(at[class]) - float64(base[class])
	f.calibration.apply(base, len(base))
	f.calibration.apply(at, len(at))
	if math.Abs(shift) < 1e-9 {
		return float64(at[class])
	}
	scale := (float64(at[class]) - float64(base[class])) / shift
	for j, v := range raw {
		dst[j] += float64(v * scale)
	}
	return float64(base[class])
}

// valuesOf returns the probability of a class at every node.
func (f *Forest) valuesOf(class int) []float64 {
	cv := &f.values[class]
	cv.once.Do(func() {
		cv.v = f.nodeMeans(func(next int32) float64 { return float64(f.share(next, class)) / one })
	})
	return cv.v
}

// share is the share of a class in the leaf whose shares begin at.
func (f *Forest) share(at int32, class int) uint32 {
	for ; ; at++ {
		s := f.shares[at]
		if int(s>>16&(tree.MaxClasses-1)) == class {
			return s & one
		}
		if s&last != 0 {
			return 0
		}
	}
}

// PermutationImportance is the loss of a score when one column's values are
// shuffled among the rows of x (Breiman 2001, section 10), for each column: the
// mean over the repeats and their standard deviation (0 for one repeat). score
// judges the probabilities of all rows, higher = better: accuracy or macro-F1 on
// rows that the model has not seen. It costs columns · repeats predictions of x.
func PermutationImportance(ctx context.Context, m model.Classifier, x *frame.Matrix, repeats int, seed uint64, workers int, score func(proba []float32) float64) (mean, spread []float64, err error) {
	model.MustMatch(m.Schema(), x.Schema)
	n := x.Rows()
	return permute(ctx, x, repeats, seed, workers, func() func(x *frame.Matrix) float64 {
		proba := make([]float32, n*len(m.Classes()))
		return func(x *frame.Matrix) float64 {
			m.PredictProba(proba, x, 0, n)
			return score(proba)
		}
	})
}

// PermutationImportanceOf is PermutationImportance for a model that predicts
// numbers: score judges the predictions of all rows, R² for example.
func PermutationImportanceOf(ctx context.Context, m model.Regressor, x *frame.Matrix, repeats int, seed uint64, workers int, score func(pred []float64) float64) (mean, spread []float64, err error) {
	model.MustMatch(m.Schema(), x.Schema)
	n := x.Rows()
	return permute(ctx, x, repeats, seed, workers, func() func(x *frame.Matrix) float64 {
		pred := make([]float64, n)
		return func(x *frame.Matrix) float64 {
			m.Predict(pred, x, 0, n)
			return score(pred)
		}
	})
}

func permute(ctx context.Context, x *frame.Matrix, repeats int, seed uint64, workers int, judge func() func(x *frame.Matrix) float64) (mean, spread []float64, err error) {
	mean, spread = make([]float64, len(x.Cols)), make([]float64, len(x.Cols))
	base := judge()(x)
	err = model.Parallel(ctx, workers, len(mean), nil, func(_, j int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(j)))
		col := slices.Clone(x.Cols[j])
		shuffled := *x
		shuffled.Cols = slices.Clone(x.Cols)
		shuffled.Cols[j] = col
		score := judge()
		loss := make([]float64, repeats)
		for k := range loss {
			rng.Shuffle(len(col), func(a, b int) { col[a], col[b] = col[b], col[a] })
			loss[k] = base - score(&shuffled)
			mean[j] += loss[k] / float64(repeats)
		}
		if repeats > 1 {
			for _, l := range loss {
				spread[j] += float64((l - mean[j]) * (l - mean[j]))
			}
			spread[j] = math.Sqrt(spread[j] / float64(repeats-1))
		}
		return nil
	})
	return mean, spread, err
}
