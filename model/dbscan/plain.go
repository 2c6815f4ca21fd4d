package dbscan

import (
	"context"
	"fmt"
	"math"

	"apiml/model"
)

// Options of Plain.
type Options struct {
	Eps        float64   // radius, above 0
	MinSamples int       // weight within Eps, its own included, that makes a core; at least 1
	Metric     string    // "" = Euclidean
	Weights    []float64 // of the rows, 0 or more; nil = 1 each. Rounded to 2⁻²⁰, so that their sums are exact
	Workers    int       // 0 = GOMAXPROCS; never changes the result

	index indexKind
}

// Result of Plain.
type Result struct {
	Labels   []int32 // cluster of each row, −1 = noise
	Core     []bool  // of each row; nil from Hierarchy
	Clusters int
}

// weightUnits of a weight of 1: integers, since sums of floats depend on their
// order.
const weightUnits = 1 << 20

// Plain clusters rows of dim columns, row-major, as they are: no scaling, eps
// and minSamples as given. Clusters are numbered by their first core, as
// scikit-learn does. Labels are those of scikit-learn's DBSCAN but for border
// rows between clusters (see the package comment). Beside rows it keeps about 1.4
// times their memory for 8 columns, less for more. Errors: a value that is not
// finite, options out of range, a length that is no multiple of dim, the end of
// ctx.
func Plain(ctx context.Context, rows []float64, dim int, o Options) (Result, error) {
	n, err := checkRows(rows, dim)
	if err != nil {
		return Result{}, err
	}
	switch {
	case !(o.Eps > 0) || math.IsInf(o.Eps, 0):
		return Result{}, fmt.Errorf("dbscan: eps must be above 0, not %v", o.Eps)
	case o.MinSamples < 1:
		return Result{}, fmt.Errorf("dbscan: min_samples must be 1 or more, not %d", o.MinSamples)
	}
	if err := checkMetric(o.Metric); err != nil {
		return Result{}, err
	}
	least := int64(o.MinSamples)
	unit, err := units(o.Weights, n)
	if err != nil {
		return Result{}, err
	}
	if unit != nil {
		least = math.MaxInt64
		if o.MinSamples < math.MaxInt64/weightUnits {
			least = int64(o.MinSamples) * weightUnits
		}
	}
	if o.Metric == Cosine {
		rows, dim = onSphere(rows, dim)
	}
	eps := inner(o.Metric, o.Eps)
	t := newIndex(rows, dim, o.Metric == Manhattan, unit, eps, o.index)
	c, err := t.cluster(ctx, eps, least, o.Workers, func() {})
	if err != nil {
		return Result{}, err
	}
	r := Result{Labels: make([]int32, n), Core: make([]bool, n)}
	for i, id := range t.id {
		r.Labels[id], r.Core[id] = c.root[i], c.core[i]
	}
	number := c.root // of each root, −1 = none yet
	for i := range number {
		number[i] = -1
	}
	for i, l := range r.Labels {
		if r.Core[i] && number[l] < 0 {
			number[l] = int32(r.Clusters)
			r.Clusters++
		}
	}
	for i, l := range r.Labels {
		if l >= 0 {
			r.Labels[i] = number[l]
		}
	}
	return r, nil
}

func checkRows(rows []float64, dim int) (n int, err error) {
	if dim < 1 || len(rows)%dim != 0 || len(rows)/dim > math.MaxInt32 {
		return 0, fmt.Errorf("dbscan: %d values are no rows of %d columns", len(rows), dim)
	}
	for i, v := range rows {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, fmt.Errorf("dbscan: row %d column %d is %v", i/dim+1, i%dim+1, v)
		}
	}
	return len(rows) / dim, nil
}

// units rounds weights; nil if there are none.
func units(weights []float64, n int) ([]int64, error) {
	if weights == nil {
		return nil, nil
	}
	if len(weights) != n {
		return nil, fmt.Errorf("dbscan: %d weights of %d rows", len(weights), n)
	}
	out, sum := make([]int64, n), 0.0
	for i, w := range weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return nil, fmt.Errorf("dbscan: the weight of row %d must be 0 or more, not %v", i+1, w)
		}
		if sum += w; sum > 1<<42 {
			return nil, fmt.Errorf("dbscan: the weights sum up to more than %d", int64(1)<<42)
		}
		out[i] = int64(math.Round(w * weightUnits))
	}
	return out, nil
}

// kDistances returns, ascending, the inner distance within which each of the
// rows at the given positions has the weight k.
func kDistances(ctx context.Context, t *tree, at []int32, k int64, workers int) ([]float64, error) {
	out := make([]float64, len(at))
	const block = 64
	blocks := (len(at) + block - 1) / block
	bufs := make([][]found, model.Workers(workers, blocks))
	err := model.Parallel(ctx, workers, blocks, nil, func(w, b int) error {
		for q := b * block; q < min(b*block+block, len(at)); q++ {
			out[q], bufs[w] = t.reach(at[q], k, bufs[w])
		}
		return ctx.Err()
	})
	return out, err
}
