package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
)

// How clusterers are judged. There is no truth to compare with, so the question
// is whether the clusters would be found again on other principals (stability)
// and whether they lie apart (silhouette).

const (
	// subsampleShare is the share of the rows that a refit sees (Ben-Hur,
	// Elisseeff & Guyon 2002, "A stability based method for discovering structure
	// in clustered data"). Drawn without replacement: rows that stand twice, as in
	// a bootstrap with replacement, would be dense by themselves.
	subsampleShare = 0.8
	// silhouetteRows bounds the rows that a silhouette compares with each other.
	silhouetteRows = 2000
	// minClusterRows is the least number of rows to judge a clusterer on.
	minClusterRows = 10
)

// space is implemented by clusterers that can say where a row lies for them: the
// silhouette is taken there. dst is row-major, Dim numbers per row.
type space interface {
	Dim() int
	Transform(dst []float64, x *frame.Matrix, lo, hi int)
}

// ClustererMetrics lists the metrics of clusterers in the order in which they
// should be shown.
func ClustererMetrics() []MetricInfo {
	return []MetricInfo{
		{"ari", "stability (ARI)", true, "adjusted Rand index between the clusters of a fit on 80 % of the rows and those of the fit on all, on the rows that both saw; noise counts as one cluster"},
		{"ari_unseen", "stability on unseen rows (ARI)", true, "the same on the rows that the fit on 80 % did not see and only assigns"},
		{"silhouette", "silhouette", true, "how far apart the clusters lie, −1 to 1, noise left out; not defined for fewer than two clusters"},
		{"noise_share", "noise share", false, "share of rows in no cluster: neither high nor low is good in itself"},
		{"clusters", "clusters", false, "number of clusters: neither high nor low is good in itself"},
	}
}

// CrossValidateClusterer judges spec on the rows of x: it fits on all of them,
// then opt.Folds times on a random 80 %, and compares. Refits choose what the
// full fit chose from the data (DBSCAN's eps) anew. Pooled metrics: silhouette,
// noise share and clusters are the full fit's; the stability is the mean over
// the refits.
//
// Baselines, without any clustering: ari and ari_unseen of a random assignment
// with the refit's cluster sizes (about 0 by construction of the index), and the
// silhouette of two parts of the same rows divided at the median of one column,
// the best of all columns.
//
// The caller sets Dataset and Synthetic of the result. opt.Split and AlertRate
// do not apply. Errors: fewer than 10 rows, a failing fit, the end of ctx.
func CrossValidateClusterer(ctx context.Context, x *frame.Matrix, spec model.Spec, opt Options) (*Result, error) {
	opt = opt.withDefaults()
	cpu := opt.CPU()
	r, err := crossValidateClusterer(ctx, x, spec, opt)
	if err != nil {
		return nil, fmt.Errorf("cross-validate %q: %w", spec.Name, err)
	}
	r.CPUSeconds = opt.CPU() - cpu
	return r, nil
}

func crossValidateClusterer(ctx context.Context, x *frame.Matrix, spec model.Spec, opt Options) (*Result, error) {
	n := x.Rows()
	switch {
	case spec.Fit == nil:
		return nil, fmt.Errorf("this version cannot fit it")
	case spec.Role != model.RoleClusterer:
		return nil, fmt.Errorf("a %s is no clusterer", spec.Role)
	case n < minClusterRows:
		return nil, fmt.Errorf("%d rows are too few to judge clusters; %d are needed", n, minClusterRows)
	case opt.Folds < 2:
		return nil, fmt.Errorf("%d folds: at least 2 are needed", opt.Folds)
	}
	x = &frame.Matrix{Schema: x.Schema, Cols: x.Cols, N: x.N, Group: x.Group, Time: x.Time} // no labels
	full, err := fitClusterer(ctx, x, spec, opt, spec.Name)
	if err != nil {
		return nil, err
	}
	all := make([]int32, n)
	full.Assign(all, x, 0, n)
	r := &Result{
		Model: spec.Name, Protocol: fmt.Sprintf("%d subsamples of 80 %%, seed %d", opt.Folds, opt.Seed), Rows: n,
		BaselineName: "random", Findings: []Finding{},
		Notes: []string{"baseline: ARI of a random assignment with the same cluster sizes, silhouette of the same rows divided at the median of the best column"},
	}
	for f := range opt.Folds {
		stage := fmt.Sprintf("%s fold %d/%d", spec.Name, f+1, opt.Folds)
		opt.Log(stage, 0, 1)
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		seen, unseen := subsample(n, opt.Seed, f)
		part := x.Select(seen)
		m, err := fitClusterer(ctx, part, spec, opt, stage)
		if err != nil {
			return nil, fmt.Errorf("fold %d of %d: %w", f+1, opt.Folds, err)
		}
		rest := x.Select(unseen)
		got, later := make([]int32, len(seen)), make([]int32, len(unseen))
		m.Assign(got, part, 0, len(seen))
		m.Assign(later, rest, 0, len(unseen))
		fold := FoldResult{Train: len(seen), Test: len(seen) + len(unseen), Metrics: clusterMetrics(m, part, got, opt.Seed), Baseline: map[string]float64{}}
		rng := rand.New(rand.NewPCG(opt.Seed, 1<<32+uint64(f)))
		put := func(name string, mine []int32, rows []int) {
			want := make([]int32, len(rows))
			for i, row := range rows {
				want[i] = all[row]
			}
			fold.Metrics[name] = evaluate.AdjustedRand(mine, want)
			random := slices.Clone(mine)
			rng.Shuffle(len(random), func(i, j int) { random[i], random[j] = random[j], random[i] })
			fold.Baseline[name] = evaluate.AdjustedRand(random, want)
		}
		put("ari", got, seen)
		put("ari_unseen", later, unseen)
		if s, ok := halves(m, part, got, opt.Seed); ok {
			fold.Baseline["silhouette"] = s
		}
		r.Folds = append(r.Folds, fold)
	}
	r.Metrics = foldStats(r.Folds, clusterMetrics(full, x, all, opt.Seed), func(f *FoldResult) map[string]float64 { return f.Metrics })
	pooled := map[string]float64{}
	if s, ok := halves(full, x, all, opt.Seed); ok {
		pooled["silhouette"] = s
	}
	r.Baseline = foldStats(r.Folds, pooled, func(f *FoldResult) map[string]float64 { return f.Baseline })
	r.Baselines = map[string]map[string]Stat{r.BaselineName: r.Baseline}
	r.doubt(all)
	return r, nil
}

// EvaluateClusterer measures a fitted clusterer on the rows of x, which may be
// others than it was fitted on: silhouette, noise share, and clusters that
// occur. The baseline is the silhouette of the same rows divided at the median of
// the best column. The caller sets Model, Dataset and Synthetic of the result.
func EvaluateClusterer(ctx context.Context, m model.Clusterer, x *frame.Matrix, opt Options) (*Result, error) {
	opt = opt.withDefaults()
	cpu := opt.CPU()
	n := x.Rows()
	if n == 0 {
		return nil, fmt.Errorf("evaluate a clusterer: no rows")
	}
	if err := frame.SameSchema(m.Schema(), x.Schema); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	labels := make([]int32, n)
	m.Assign(labels, x, 0, n)
	r := &Result{Protocol: "assignment by the fitted clusters", Rows: n, BaselineName: "halves", Findings: []Finding{}, Notes: []string{}, Folds: []FoldResult{}}
	r.Metrics = foldStats(nil, clusterMetrics(m, x, labels, opt.Seed), nil)
	pooled := map[string]float64{}
	if s, ok := halves(m, x, labels, opt.Seed); ok {
		pooled["silhouette"] = s
	}
	r.Baseline = foldStats(nil, pooled, nil)
	r.Baselines = map[string]map[string]Stat{r.BaselineName: r.Baseline}
	r.doubt(labels)
	r.CPUSeconds = opt.CPU() - cpu
	return r, nil
}

// doubt adds what makes the figures say less than they seem to.
func (r *Result) doubt(labels []int32) {
	switch k := evaluate.CountClusters(labels); k {
	case 0:
		r.Findings = append(r.Findings, Finding{"warning", "no clusters", "every row is noise: eps is too small or min_samples too large for these rows"})
	case 1:
		r.Findings = append(r.Findings, Finding{"info", "one cluster", fmt.Sprintf("all rows but the noise (%.1f %%) are one cluster: the model tells usual from outlying, nothing more, and a silhouette is not defined", 100*evaluate.NoiseShare(labels))})
	}
	if s := evaluate.NoiseShare(labels); s > 0.5 && s < 1 {
		r.Findings = append(r.Findings, Finding{"warning", "mostly noise", fmt.Sprintf("%.1f %% of the rows are in no cluster", 100*s)})
	}
}

func fitClusterer(ctx context.Context, x *frame.Matrix, spec model.Spec, opt Options, stage string) (model.Clusterer, error) {
	m, err := spec.Fit(ctx, x, opt.Config, opt.fitOptions(stage))
	if err != nil {
		return nil, err
	}
	c, ok := m.(model.Clusterer)
	if !ok {
		return nil, fmt.Errorf("a model of kind %q assigns no clusters", m.Kind())
	}
	return c, nil
}

// subsample draws 80 % of n rows; both parts are in row order.
func subsample(n int, seed uint64, fold int) (seen, unseen []int) {
	order := rand.New(rand.NewPCG(seed, uint64(fold))).Perm(n)
	k := int(math.Round(subsampleShare * float64(n)))
	seen, unseen = order[:k], order[k:]
	slices.Sort(seen)
	slices.Sort(unseen)
	return seen, unseen
}

// clusterMetrics are the metrics of one assignment.
func clusterMetrics(m model.Clusterer, x *frame.Matrix, labels []int32, seed uint64) map[string]float64 {
	out := map[string]float64{
		"noise_share": evaluate.NoiseShare(labels),
		"clusters":    float64(evaluate.CountClusters(labels)),
	}
	if s, ok := m.(space); ok {
		points := make([]float64, x.Rows()*s.Dim())
		s.Transform(points, x, 0, x.Rows())
		if v := evaluate.Silhouette(points, s.Dim(), labels, silhouetteRows, seed); !math.IsNaN(v) {
			out["silhouette"] = v
		}
	}
	return out
}

// halves is the best silhouette of two parts divided at the median of one
// column, in the clusterer's space, over the rows that are in clusters: on the
// same rows as the clusterer's silhouette. False if no column can be divided.
func halves(m model.Clusterer, x *frame.Matrix, labels []int32, seed uint64) (float64, bool) {
	s, ok := m.(space)
	if !ok {
		return 0, false
	}
	dim, n := s.Dim(), x.Rows()
	points := make([]float64, n*dim)
	s.Transform(points, x, 0, n)
	best, found := math.Inf(-1), false
	half, v := make([]int32, n), make([]float64, 0, n)
	for j := range dim {
		v = v[:0]
		for i, l := range labels {
			if l >= 0 {
				v = append(v, points[i*dim+j])
			}
		}
		if len(v) == 0 {
			break
		}
		slices.Sort(v)
		cut := v[(len(v)-1)/2]
		for i, l := range labels {
			switch {
			case l < 0:
				half[i] = -1
			case points[i*dim+j] > cut:
				half[i] = 1
			default:
				half[i] = 0
			}
		}
		// A quarter of the rows chooses well enough and keeps this below the cost
		// of the fits.
		if w := evaluate.Silhouette(points, dim, half, silhouetteRows/4, seed); !math.IsNaN(w) && w > best {
			best, found = w, true
		}
	}
	return best, found
}

// foldStats summarises the metrics of folds. The pooled value of an ARI is its
// mean: there is no ARI of the full fit with itself worth telling.
func foldStats(folds []FoldResult, pooled map[string]float64, of func(*FoldResult) map[string]float64) map[string]Stat {
	values := map[string][]float64{}
	for name := range pooled {
		values[name] = nil
	}
	for i := range folds {
		for name, v := range of(&folds[i]) {
			values[name] = append(values[name], v)
		}
	}
	out := map[string]Stat{}
	for name, v := range values {
		p, ok := pooled[name]
		if !ok {
			p = math.NaN()
		}
		s := Stat{Pooled: p, Mean: p, SD: math.NaN()}
		if len(v) > 0 {
			s.Mean, s.SD, _ = evaluate.MeanSD(v)
		}
		if name == "ari" || name == "ari_unseen" {
			s.Pooled = s.Mean
		}
		out[name] = s
	}
	return out
}
