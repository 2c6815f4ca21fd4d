package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
)

// Regression is what a regressor is fitted on. Slices that are not nil have Rows
// elements. It is not modified.
type Regression struct {
	Name      string // of the data set
	Rows      int
	Synthetic bool
	Target    []float64 // not NaN, not negative
	Unit      float64   // where the log scale of log_r2 turns linear, in the target's unit; 0 = 0.001 (a millisecond of a target in seconds)
	Times     []int64   // µs UTC; nil without: folds then go by group
	Groups    []uint64  // principal; used where there are no times
	Hash      []uint64  // identity of a row; nil = all distinct
	Template  []uint64  // what the baseline takes the median of; nil = the global median alone
	// Fold makes the features of the rows train and test, in this order, with
	// whatever is fitted on data fitted on train alone. The target is attached by
	// this package. test may be empty.
	Fold func(ctx context.Context, train, test []int) (fit, eval *frame.Matrix, err error)
}

// Check reports the first inconsistency of p.
func (p *Regression) Check() error {
	if err := p.problem().Check(); err != nil {
		return err
	}
	if len(p.Target) != p.Rows || p.Template != nil && len(p.Template) != p.Rows {
		return fmt.Errorf("problem %q: %d targets and %d templates for %d rows", p.Name, len(p.Target), len(p.Template), p.Rows)
	}
	for i, v := range p.Target {
		if !(v >= 0) || math.IsInf(v, 0) {
			return fmt.Errorf("problem %q: row %d has target %v", p.Name, i, v)
		}
	}
	return nil
}

// problem is p as the splits see it.
func (p *Regression) problem() *Problem {
	return &Problem{Name: p.Name, Rows: p.Rows, Times: p.Times, Groups: p.Groups, Hash: p.Hash, Fold: p.Fold}
}

func (p *Regression) unit() float64 {
	if p.Unit > 0 {
		return p.Unit
	}
	return 1e-3
}

// HoldOut sets about a fifth of the rows aside for the last evaluation, as the
// function of that name does: the last 20 % of time.
func (p *Regression) HoldOut() (train, held []int, rule string) { return HoldOut(p.problem()) }

// quantiler is a regressor that also predicts quantiles: package boost.
type quantiler interface {
	// Quantiles writes that of level q of row i to dst[(i-lo)*levels+q].
	Quantiles(dst []float64, x *frame.Matrix, lo, hi int)
	QuantileLevels() []float64
}

// RegressionMetrics lists the metrics of regressors in the order in which they
// should be shown. Pinball losses and coverages have the level in their name;
// those of other levels than these follow the same pattern ("pinball_p90").
func RegressionMetrics() []MetricInfo {
	return []MetricInfo{
		{"mae", "MAE", false, "mean |latency − predicted|, in seconds"},
		{"median_ae", "median AE", false, "median |latency − predicted|, in seconds"},
		{"rmse", "RMSE", false, "root of the mean squared error, in seconds: the slowest requests decide it"},
		{"log_r2", "R² (log)", true, "share of the variance of ln(1 + latency/1 ms) that is explained; 0 = as good as the mean"},
		{"pinball_p50", "pinball p50", false, "loss of the predicted median, in seconds"},
		{"pinball_p95", "pinball p95", false, "loss of the predicted 95 % quantile, in seconds"},
		{"pinball_p99", "pinball p99", false, "loss of the predicted 99 % quantile, in seconds"},
		{"coverage_p50", "coverage p50", true, "share of requests not slower than the predicted median: should be 0.50"},
		{"coverage_p95", "coverage p95", true, "the same of the 95 % quantile: should be 0.95"},
		{"coverage_p99", "coverage p99", true, "the same of the 99 % quantile: should be 0.99"},
	}
}

// levelName is "p95" for 0.95, "p99.9" for 0.999.
func levelName(level float64) string {
	return "p" + strconv.FormatFloat(math.Round(level*1e8)/1e6, 'f', -1, 64)
}

// MedianBaseline predicts the median of the training rows of the same template,
// or of all training rows, and likewise quantiles. It marshals to JSON, so that
// it can be stored beside the model; templates are hashes. It is safe for
// concurrent use once made.
type MedianBaseline struct {
	Levels    []float64 `json:"levels,omitempty"`    // of the quantiles
	Global    []float64 `json:"global"`              // median of all training rows, then their quantiles
	Templates []uint64  `json:"templates,omitempty"` // ascending
	Median    []float64 `json:"median,omitempty"`    // per template: median, then quantiles
}

// baselineTemplates bounds what is stored; further templates get the global
// median.
const baselineTemplates = 65_536

// FitMedians fits it on targets; template may be nil.
func FitMedians(target []float64, template []uint64, levels []float64) *MedianBaseline {
	b := &MedianBaseline{Levels: levels}
	sorted := slices.Clone(target)
	slices.Sort(sorted)
	b.Global = appendQuantiles(nil, sorted, levels)
	if template == nil {
		return b
	}
	groups := make(map[uint64][]float64)
	for i, t := range template {
		groups[t] = append(groups[t], target[i])
	}
	for t := range groups {
		b.Templates = append(b.Templates, t)
	}
	slices.SortFunc(b.Templates, func(x, y uint64) int {
		if d := len(groups[y]) - len(groups[x]); d != 0 {
			return d
		}
		if x < y {
			return -1
		}
		return 1
	})
	b.Templates = b.Templates[:min(len(b.Templates), baselineTemplates)]
	slices.Sort(b.Templates)
	for _, t := range b.Templates {
		g := groups[t]
		slices.Sort(g)
		b.Median = appendQuantiles(b.Median, g, levels)
	}
	return b
}

// appendQuantiles appends the median (of an even number the mean of the middle
// two) and the quantiles of sorted values, linear between neighbours.
func appendQuantiles(dst, sorted, levels []float64) []float64 {
	at := func(level float64) float64 {
		if len(sorted) == 0 {
			return 0
		}
		h := level * float64(len(sorted)-1)
		i := int(h)
		if i+1 == len(sorted) {
			return sorted[i]
		}
		return sorted[i] + float64((h-float64(i))*(sorted[i+1]-sorted[i]))
	}
	dst = append(dst, at(0.5))
	for _, l := range levels {
		dst = append(dst, at(l))
	}
	return dst
}

// Check reports whether a stored baseline is sound.
func (b *MedianBaseline) Check() error {
	k := 1 + len(b.Levels)
	if len(b.Global) != k || len(b.Median) != k*len(b.Templates) || !slices.IsSorted(b.Templates) {
		return fmt.Errorf("baseline: %d global values and %d of %d templates for %d levels", len(b.Global), len(b.Median), len(b.Templates), len(b.Levels))
	}
	return nil
}

// Row is the median of a template and its quantiles, the global ones if it is
// unknown. Do not modify it.
func (b *MedianBaseline) Row(template uint64) []float64 {
	k := 1 + len(b.Levels)
	if i, ok := slices.BinarySearch(b.Templates, template); ok {
		return b.Median[i*k : (i+1)*k]
	}
	return b.Global
}

// guesses are the predictions of one model for some rows.
type guesses struct {
	levels []float64
	point  []float64
	q      [][]float64 // per level
}

func (g *guesses) add(values []float64) { // point first
	g.point = append(g.point, values[0])
	for k := range g.levels {
		g.q[k] = append(g.q[k], values[1+k])
	}
}

// blend replaces g by the mean of both on the scale ln(1 + v/unit).
func (g *guesses) blend(o *guesses, unit float64) {
	mean := func(a, b []float64) {
		for i, v := range a {
			a[i] = unit * math.Expm1((math.Log1p(v/unit)+math.Log1p(b[i]/unit))/2)
		}
	}
	mean(g.point, o.point)
	for k := range g.q {
		mean(g.q[k], o.q[k])
	}
}

// shift is, per level, by how much the quantile has to be moved on the scale ln(1
// + v/unit) for its level to hold on rows with that truth: the quantile of their
// residuals.
func (g *guesses) shift(truth []float64, unit float64) []float64 {
	out := make([]float64, len(g.levels))
	resid := make([]float64, len(truth))
	for k, level := range g.levels {
		for i, v := range truth {
			resid[i] = math.Log1p(v/unit) - math.Log1p(g.q[k][i]/unit)
		}
		slices.Sort(resid)
		out[k] = appendQuantiles(nil, resid, []float64{level})[1]
	}
	return out
}

// driftTolerance is by how much the coverage of a quantile may miss its level
// before it is said.
const driftTolerance = 0.03

// tick is the largest power of ten, 10⁻⁶ to 10⁶, of which all values are
// multiples: what the clock of the log counts in; 0 if there is none.
func tick(values []float64) float64 {
	for e := 6; e >= -6; e-- {
		t := math.Pow10(e)
		if !slices.ContainsFunc(values, func(v float64) bool {
			n := math.Round(v / t)
			return v > 0 && n == 0 || math.Abs(v/t-n) > 1e-6
		}) {
			return t
		}
	}
	return 0
}

// misses says, per level, why a quantile covers another share than its level by
// more than driftTolerance: many rows lie within half a tick of it, so that no
// share in between can be had, or the rows have drifted. Empty for the others.
func (g *guesses) misses(truth []float64, unit float64) []string {
	out := make([]string, len(g.levels))
	shift := g.shift(truth, unit)
	half := tick(truth) / 2
	for k, level := range g.levels {
		coverage := evaluate.Coverage(truth, g.q[k])
		if !(math.Abs(coverage-level) > driftTolerance) {
			continue
		}
		below, most := 0., 0.
		for i, v := range truth {
			if v <= g.q[k][i]-half {
				below++
			}
			if v <= g.q[k][i]+half {
				most++
			}
		}
		n := float64(len(truth))
		if below/n <= level+driftTolerance && most/n >= level-driftTolerance && (most-below)/n > driftTolerance {
			out[k] = fmt.Sprintf("%s covers %.1f %% of the rows, between %.1f and %.1f %% within half a tick of the log's clock (%g)", levelName(level), 100*coverage, 100*below/n, 100*most/n, 2*half)
			continue
		}
		word := "slower"
		if shift[k] < 0 {
			word = "faster"
		}
		out[k] = fmt.Sprintf("%s covers %.1f %% of the rows: they have drifted, and are %.1f %% %s there than the rows that it was calibrated on", levelName(level), 100*coverage, 100*math.Abs(math.Expm1(shift[k])), word)
	}
	return out
}

func newGuesses(levels []float64) *guesses {
	return &guesses{levels: levels, q: make([][]float64, len(levels))}
}

// baselineNames in the order of guesses.
func baselineNames() [2]string { return [2]string{"template_median", "global_median"} }

// addBaselines appends what both baselines say of rows with these templates.
func (b *MedianBaseline) addBaselines(dst [2]*guesses, template []uint64, rows int) {
	for i := range rows {
		row := b.Global
		if template != nil {
			row = b.Row(template[i])
		}
		dst[0].add(row)
		dst[1].add(b.Global)
	}
}

// predictRegressor appends a model's predictions of x.
func predictRegressor(ctx context.Context, g *guesses, m model.Regressor, x *frame.Matrix, workers int) error {
	if err := frame.SameSchema(m.Schema(), x.Schema); err != nil {
		return err
	}
	k := len(g.levels)
	point, quant := make([]float64, x.N), make([]float64, x.N*k)
	n := (x.N + predictBlock - 1) / predictBlock
	err := model.Parallel(ctx, workers, n, nil, func(_, b int) error {
		lo, hi := b*predictBlock, min((b+1)*predictBlock, x.N)
		m.Predict(point[lo:hi], x, lo, hi)
		if k > 0 {
			m.(quantiler).Quantiles(quant[lo*k:hi*k], x, lo, hi)
		}
		return nil
	})
	if err != nil {
		return err
	}
	g.point = append(g.point, point...)
	for j := range k {
		for i := range x.N {
			g.q[j] = append(g.q[j], quant[i*k+j])
		}
	}
	return nil
}

// levelsOf are the levels that a model predicts.
func levelsOf(m model.Model) []float64 {
	if q, ok := m.(quantiler); ok {
		return q.QuantileLevels()
	}
	return nil
}

// measure computes the metrics of the rows lo ≤ i < hi.
func (g *guesses) measure(truth []float64, lo, hi int, unit float64) map[string]float64 {
	m := make(map[string]float64)
	set := func(name string, v float64) {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			m[name] = v
		}
	}
	truth = truth[lo:hi]
	point := g.point[lo:hi]
	set("mae", evaluate.MAE(truth, point))
	set("median_ae", evaluate.MedianAE(truth, point))
	set("rmse", evaluate.RMSE(truth, point))
	set("log_r2", evaluate.LogR2(truth, point, unit))
	for k, level := range g.levels {
		set("pinball_"+levelName(level), evaluate.Pinball(truth, g.q[k][lo:hi], level))
		set("coverage_"+levelName(level), evaluate.Coverage(truth, g.q[k][lo:hi]))
	}
	return m
}

// measureFolds returns the metrics of each fold, whose rows end at bound, and
// over all rows.
func (g *guesses) measureFolds(truth []float64, bound []int, unit float64) ([]map[string]float64, map[string]Stat) {
	folds := make([]map[string]float64, len(bound)-1)
	for f := range folds {
		folds[f] = g.measure(truth, bound[f], bound[f+1], unit)
	}
	stats := make(map[string]Stat)
	for name, v := range g.measure(truth, 0, bound[len(bound)-1], unit) {
		values := make([]float64, len(folds))
		for f := range folds {
			values[f] = math.NaN()
			if v, ok := folds[f][name]; ok {
				values[f] = v
			}
		}
		s := Stat{Pooled: v}
		s.Mean, s.SD, _ = evaluate.MeanSD(values)
		stats[name] = s
	}
	return folds, stats
}

// usableRegression validates p for a regressor.
func usableRegression(p *Regression, rows []int, spec model.Spec) error {
	if err := p.Check(); err != nil {
		return err
	}
	if spec.Fit == nil {
		return fmt.Errorf("this version cannot fit it")
	}
	if spec.Role != model.RoleRegressor {
		return fmt.Errorf("a %s is not fitted on a problem with a target", spec.Role)
	}
	if len(rows) == 0 {
		return fmt.Errorf("no rows to train on")
	}
	return nil
}

// withTarget returns x with what p knows about its rows.
func withTarget(p *Regression, x *frame.Matrix, rows []int) (*frame.Matrix, error) {
	y, err := attach(p.problem(), x, rows, model.RoleRegressor)
	if err != nil {
		return nil, err
	}
	y.Target = pickRows(p.Target, rows)
	return y, y.Check()
}

func pickRows[T any](from []T, rows []int) []T {
	if from == nil {
		return nil
	}
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = from[r]
	}
	return out
}

func fitRegressor(ctx context.Context, spec model.Spec, x *frame.Matrix, opt Options, stage string) (model.Regressor, error) {
	m, err := spec.Fit(ctx, x, opt.Config, opt.fitOptions(stage))
	if err != nil {
		return nil, err
	}
	r, ok := m.(model.Regressor)
	if !ok {
		return nil, fmt.Errorf("a model of kind %q is no regressor", m.Kind())
	}
	return r, nil
}

// CrossValidateRegressor measures spec on the given rows of p: they are cut in
// time order into k+1 blocks, and fold i is fitted on blocks 0…i and tested on
// block i+1 (without times: by group). Beside the model stand the median of the
// training rows of the same template and that of all of them; the one with the
// lower MAE is Result.Baseline. Opt.Split, AlertRate and AuditRandom mean
// nothing here.
//
// Result.Predictions holds the rows measured and, in Score, what was predicted.
func CrossValidateRegressor(ctx context.Context, p *Regression, rows []int, spec model.Spec, opt Options) (*Result, error) {
	opt = opt.withDefaults()
	cpu := opt.CPU()
	r, err := crossValidateRegressor(ctx, p, rows, spec, opt)
	if err != nil {
		return nil, fmt.Errorf("cross-validate %q on %q: %w", spec.Name, p.Name, err)
	}
	r.CPUSeconds = opt.CPU() - cpu
	return r, nil
}

func crossValidateRegressor(ctx context.Context, p *Regression, rows []int, spec model.Spec, opt Options) (*Result, error) {
	if err := usableRegression(p, rows, spec); err != nil {
		return nil, err
	}
	folds, used, notes := Splits(p.problem(), rows, Time, opt.Folds, opt.Seed)
	if len(folds) == 0 {
		return nil, fmt.Errorf("%d rows are too few for a %s split; more traffic is needed", len(rows), used)
	}
	r := &Result{
		Model: spec.Name, Dataset: p.Name, Synthetic: p.Synthetic, Split: used,
		Protocol: fmt.Sprintf("%s, %d folds, seed %d", used, len(folds), opt.Seed),
		Findings: []Finding{}, Notes: append([]string{}, notes...), Predictions: &Predictions{},
	}
	var got *guesses
	var base [2]*guesses
	var truth []float64
	bound := []int{0}
	unseen := 0
	for f, fold := range folds {
		stage := fmt.Sprintf("%s fold %d/%d", spec.Name, f+1, len(folds))
		opt.Log(stage, 0, 1)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		fit, eval, err := p.Fold(ctx, fold.Train, fold.Test)
		if err != nil {
			return nil, fmt.Errorf("fold %d of %d: %w", f+1, len(folds), err)
		}
		if fit, err = withTarget(p, fit, fold.Train); err != nil {
			return nil, fmt.Errorf("fold %d of %d: %w", f+1, len(folds), err)
		}
		if eval, err = withTarget(p, eval, fold.Test); err != nil {
			return nil, fmt.Errorf("fold %d of %d: %w", f+1, len(folds), err)
		}
		m, err := fitRegressor(ctx, spec, fit, opt, stage)
		if err != nil {
			return nil, fmt.Errorf("fold %d of %d: %w", f+1, len(folds), err)
		}
		levels := levelsOf(m)
		if got == nil {
			got = newGuesses(levels)
			base = [2]*guesses{newGuesses(levels), newGuesses(levels)}
		}
		if err := predictRegressor(ctx, got, m, eval, opt.Workers); err != nil {
			return nil, fmt.Errorf("fold %d of %d: %w", f+1, len(folds), err)
		}
		medians := FitMedians(fit.Target, pickRows(p.Template, fold.Train), levels)
		test := pickRows(p.Template, fold.Test)
		medians.addBaselines(base, test, len(fold.Test))
		for _, t := range test {
			if _, ok := slices.BinarySearch(medians.Templates, t); !ok {
				unseen++
			}
		}
		truth = append(truth, eval.Target...)
		bound = append(bound, len(truth))
		r.Folds = append(r.Folds, FoldResult{Train: len(fold.Train), Test: len(fold.Test), Dropped: fold.Dropped})
		for _, row := range fold.Test {
			r.Predictions.Rows = append(r.Predictions.Rows, row)
			r.Predictions.Fold = append(r.Predictions.Fold, f)
		}
	}
	if unseen > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d of %d test rows are of a template that the training rows do not hold: the baseline gives them the global median", unseen, len(truth)))
	}
	fillRegression(r, p, got, base, truth, bound)
	return r, nil
}

// fillRegression puts measurements into r.
func fillRegression(r *Result, p *Regression, g *guesses, base [2]*guesses, truth []float64, bound []int) {
	r.Rows = len(truth)
	folds, stats := g.measureFolds(truth, bound, p.unit())
	r.Metrics = stats
	r.Baselines = make(map[string]map[string]Stat)
	var baseFolds [2][]map[string]float64
	best := 0
	for i, name := range baselineNames() {
		baseFolds[i], r.Baselines[name] = base[i].measureFolds(truth, bound, p.unit())
	}
	names := baselineNames()
	if p.Template == nil || r.Baselines[names[1]]["mae"].Pooled < r.Baselines[names[0]]["mae"].Pooled {
		best = 1
	}
	if p.Template == nil {
		delete(r.Baselines, names[0])
	}
	r.BaselineName, r.Baseline = names[best], r.Baselines[names[best]]
	for f := range r.Folds {
		r.Folds[f].Metrics, r.Folds[f].Baseline = folds[f], baseFolds[best][f]
	}
	if m, b := stats["mae"].Pooled, r.Baseline["mae"].Pooled; m > b {
		r.Findings = append(r.Findings, Finding{"info", "baseline not beaten", fmt.Sprintf("MAE %.4g s, the %s has %.4g s", m, r.BaselineName, b)})
	}
	for _, note := range g.misses(truth, p.unit()) {
		if note != "" {
			r.Findings = append(r.Findings, Finding{"info", "coverage", note})
		}
	}
	r.Predictions.Score = g.point
}

// FinalRegressor is a regressor fitted on all rows but the held-out ones.
type FinalRegressor struct {
	Model    model.Regressor
	Medians  *MedianBaseline // of the same rows: store it beside the model
	HeldOut  *Result         // on the held-out rows; nil if there are none
	Fit      *frame.Matrix   // what it was fitted on: its schema names the state
	Evaluate *frame.Matrix   // the held-out rows, nil if there are none
}

// FitRegressor makes the features once with p.Fold(rows, held), fits spec on rows
// and evaluates it on held (HoldOut: the last 20 % of time), which may be empty.
// What p.Fold fitted last is the state that belongs to the model.
func FitRegressor(ctx context.Context, p *Regression, rows, held []int, spec model.Spec, opt Options) (*FinalRegressor, error) {
	opt = opt.withDefaults()
	cpu := opt.CPU()
	f, err := finalRegressor(ctx, p, rows, held, spec, opt)
	if err != nil {
		return nil, fmt.Errorf("fit %q on %q: %w", spec.Name, p.Name, err)
	}
	if f.HeldOut != nil {
		f.HeldOut.CPUSeconds = opt.CPU() - cpu
	}
	return f, nil
}

func finalRegressor(ctx context.Context, p *Regression, rows, held []int, spec model.Spec, opt Options) (*FinalRegressor, error) {
	if err := usableRegression(p, rows, spec); err != nil {
		return nil, err
	}
	fit, eval, err := p.Fold(ctx, rows, held)
	if err != nil {
		return nil, err
	}
	f := &FinalRegressor{}
	if f.Fit, err = withTarget(p, fit, rows); err != nil {
		return nil, err
	}
	if f.Model, err = fitRegressor(ctx, spec, f.Fit, opt, spec.Name); err != nil {
		return nil, err
	}
	f.Medians = FitMedians(f.Fit.Target, pickRows(p.Template, rows), levelsOf(f.Model))
	if len(held) == 0 {
		return f, nil
	}
	if f.Evaluate, err = withTarget(p, eval, held); err != nil {
		return nil, err
	}
	f.HeldOut, err = EvaluateRegressor(ctx, f.Model, f.Evaluate, RegressorEvalOptions{
		Model: spec.Name, Dataset: p.Name, Synthetic: p.Synthetic, Protocol: "held-out rows", Unit: p.Unit,
		Medians: f.Medians, Template: pickRows(p.Template, held), Seed: opt.Seed, Workers: opt.Workers, CPU: opt.CPU,
	})
	if err != nil {
		return nil, err
	}
	if p.Hash != nil {
		if s := overlap(p.Hash, rows, held); s > 0 {
			f.HeldOut.Findings = append(f.HeldOut.Findings, Finding{"warning", "duplicates in the held-out rows", fmt.Sprintf("%.1f %% of the held-out rows stand in the training rows word for word", 100*s)})
		}
	}
	return f, nil
}

// RegressorEvalOptions of EvaluateRegressor.
type RegressorEvalOptions struct {
	Model, Dataset, Protocol string // copied into the result
	Synthetic                bool
	Unit                     float64         // as in Regression
	Medians                  *MedianBaseline // of the training rows; nil = the medians of the rows themselves, which flatters the baseline
	Template                 []uint64        // of each row; nil = the global median alone
	Seed                     uint64          // of the bootstrap
	Workers                  int
	CPU                      func() float64
}

// EvaluateRegressor measures m on the rows of x, which must have a Target. The
// spread (Stat.SD) is a bootstrap over x.Group.
func EvaluateRegressor(ctx context.Context, m model.Regressor, x *frame.Matrix, opt RegressorEvalOptions) (*Result, error) {
	o := Options{CPU: opt.CPU}.withDefaults()
	cpu := o.CPU()
	fail := func(err error) (*Result, error) {
		return nil, fmt.Errorf("evaluate %q on %q: %w", opt.Model, opt.Dataset, err)
	}
	if err := x.Check(); err != nil {
		return fail(err)
	}
	if x.N == 0 || x.Target == nil {
		return fail(fmt.Errorf("no rows with a target to evaluate"))
	}
	if opt.Template != nil && len(opt.Template) != x.N {
		return fail(fmt.Errorf("%d templates for %d rows", len(opt.Template), x.N))
	}
	r := &Result{
		Model: opt.Model, Dataset: opt.Dataset, Synthetic: opt.Synthetic, Protocol: opt.Protocol,
		Folds: []FoldResult{}, Findings: []Finding{}, Notes: []string{},
		Predictions: &Predictions{Rows: make([]int, x.N), Fold: make([]int, x.N)},
	}
	for i := range r.Predictions.Rows {
		r.Predictions.Rows[i] = i
	}
	levels := levelsOf(m)
	g := newGuesses(levels)
	if err := predictRegressor(ctx, g, m, x, opt.Workers); err != nil {
		return fail(err)
	}
	medians := opt.Medians
	if medians == nil {
		medians = FitMedians(x.Target, opt.Template, levels)
		r.Notes = append(r.Notes, "no baseline is stored with the model: the medians are those of the evaluated rows themselves")
	}
	if err := medians.Check(); err != nil {
		return fail(err)
	}
	base := [2]*guesses{newGuesses(medians.Levels), newGuesses(medians.Levels)}
	medians.addBaselines(base, opt.Template, x.N)
	p := &Regression{Unit: opt.Unit, Template: opt.Template}
	fillRegression(r, p, g, base, x.Target, []int{0, x.N})
	if ctx.Err() != nil {
		return fail(context.Cause(ctx))
	}
	g.spread(r.Metrics, x, p.unit(), opt.Seed)
	for i, name := range baselineNames() {
		if stats := r.Baselines[name]; stats != nil {
			base[i].spread(stats, x, p.unit(), opt.Seed)
		}
	}
	r.CPUSeconds = o.CPU() - cpu
	return r, nil
}

// spread sets SD of stats to the standard error by a bootstrap over groups. That
// of a median is not estimated.
func (g *guesses) spread(stats map[string]Stat, x *frame.Matrix, unit float64, seed uint64) {
	names := []string{"mae", "rmse", "log_r2"}
	for _, l := range g.levels {
		names = append(names, "pinball_"+levelName(l), "coverage_"+levelName(l))
	}
	n := x.N
	terms := make([][]float64, len(names)+2) // per row; means of them are, or lead to, the metrics
	for k := range terms {
		terms[k] = make([]float64, n)
	}
	for i, t := range x.Target {
		d := t - g.point[i]
		terms[0][i], terms[1][i] = math.Abs(d), float64(d*d)
		a := math.Log1p(max(t, 0) / unit)
		e := a - math.Log1p(max(g.point[i], 0)/unit)
		terms[2][i] = float64(e * e)
		terms[len(names)][i], terms[len(names)+1][i] = a, float64(a*a)
		for k, l := range g.levels {
			terms[3+2*k][i] = evaluate.Pinball(x.Target[i:i+1], g.q[k][i:i+1], l)
			terms[4+2*k][i] = evaluate.Coverage(x.Target[i:i+1], g.q[k][i:i+1])
		}
	}
	sd := evaluate.Bootstrap(x.Group, n, replicates, seed, func(weight []int32) []float64 {
		v := make([]float64, len(terms))
		total := 0.0
		for i, w := range weight {
			if w > 0 {
				total += float64(w)
				for k := range v {
					v[k] += float64(float64(w) * terms[k][i])
				}
			}
		}
		for k := range v {
			v[k] /= total
		}
		v[1] = math.Sqrt(v[1])
		a := v[len(names)]
		v[2] = 1 - v[2]/(v[len(names)+1]-float64(a*a))
		for k := range v {
			if math.IsInf(v[k], 0) {
				v[k] = math.NaN()
			}
		}
		return v[:len(names)]
	})
	for name, s := range stats {
		s.Mean, s.SD = s.Pooled, math.NaN()
		if k := slices.Index(names, name); k >= 0 {
			s.SD = sd[k]
		}
		stats[name] = s
	}
}

// TableColumn is a column of a Table: either Numbers (NaN = missing) or Texts.
type TableColumn struct {
	Name    string
	Numbers []float64
	Texts   []string
}

// Table is rows that need not be requests: `evaluate latency --csv`. All slices
// have the length of Target.
type Table struct {
	Name    string
	Columns []TableColumn
	Target  []float64 // 0 or more; its unit is that of the result
	Times   []int64   // when the rows began, µs
	// History adds columns of what was known when a row began: rows that began in
	// the last 1 s, 10 s, 1 min and 10 min, and the targets of rows that had ended
	// by then (Times + Target·TargetMicros before the row's time), over all rows and
	// over those with the same text in the first text column. The prediction is
	// then the mean on the log scale of two models, with and without these columns
	// (quantiles likewise: Ratcliff 1979): what was learned from a past that has
	// changed since costs half.
	History bool
	// TargetMicros is how many µs a unit of Target is, 0 = 10⁶ (seconds). Too large
	// a value only delays what History knows; too small a one lets it see rows that
	// were still running.
	TargetMicros float64
}

// TableResult is how well a regressor does on the last 30 % of a table's rows.
type TableResult struct {
	Rows         int                `json:"rows"`
	Train        int                `json:"train"`
	Test         int                `json:"test"`
	MAE          float64            `json:"mae"`
	MedianAE     float64            `json:"median_ae"`
	RMSE         float64            `json:"rmse"`
	BaselineMAE  float64            `json:"baseline_mae"`  // the better of the two
	BaselineName string             `json:"baseline_name"` // "median per endpoint", "global median"
	Baselines    map[string]float64 `json:"baselines"`     // MAE of both
	LogR2        float64            `json:"log_r2"`        // of ln(1 + target), in the target's unit
	Coverage     map[string]float64 `json:"coverage"`      // "p50": share of test rows at or below that quantile
	Pinball      map[string]float64 `json:"pinball"`
	Drift        map[string]float64 `json:"drift"` // "p50": by which share that quantile of the test rows lies above the predicted one
	CPUSeconds   float64            `json:"cpu_seconds"`
	Notes        []string           `json:"notes"`
}

func (t *Table) check() error {
	n := len(t.Target)
	if len(t.Times) != n {
		return fmt.Errorf("table %q: %d times for %d rows", t.Name, len(t.Times), n)
	}
	if len(t.Columns) == 0 {
		return fmt.Errorf("table %q: no feature columns", t.Name)
	}
	for _, c := range t.Columns {
		if (c.Numbers == nil) == (c.Texts == nil) || max(len(c.Numbers), len(c.Texts)) != n {
			return fmt.Errorf("table %q: column %q must hold %d numbers or %d texts", t.Name, c.Name, n, n)
		}
	}
	for i, v := range t.Target {
		if !(v >= 0) || math.IsInf(v, 0) {
			return fmt.Errorf("table %q: target of row %d is %v, expected 0 or more", t.Name, i, v)
		}
	}
	if n < 10 {
		return fmt.Errorf("table %q: %d rows are too few to split", t.Name, n)
	}
	return nil
}

// EvaluateTable fits spec, a regressor, on the first 70 % of the rows in time
// order (equal times in row order) and measures it on the rest.
//
// Numbers enter as they are, an infinite one as missing. A text column becomes
// two: the rank of the text by frequency in the training rows (0 = most
// frequent; NaN = not among them or rarer than the first 65,535), and the mean of
// ln(1 + 100·target/median) of the training rows with that text, shrunk to that of
// all by ten rows (Micci-Barreca 2001), for a training row from the four fifths of
// the training rows that it does not stand in. If there are two or more text
// columns, all of them together are encoded like one more.
//
// The baseline is the median of the training rows with the same text in the
// first text column, or of all of them, whichever is better on the test rows.
func EvaluateTable(ctx context.Context, t *Table, spec model.Spec, opt Options) (*TableResult, error) {
	opt = opt.withDefaults()
	cpu := opt.CPU()
	if err := t.check(); err != nil {
		return nil, err
	}
	n := len(t.Target)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case t.Times[a] < t.Times[b]:
			return -1
		case t.Times[a] > t.Times[b]:
			return 1
		}
		return 0
	})
	cut := n * 7 / 10
	train, test := order[:cut], order[cut:]
	if spec.Fit == nil || spec.Role != model.RoleRegressor {
		return nil, fmt.Errorf("table %q: %q is no regressor that this version can fit", t.Name, spec.Name)
	}
	sets := [][]pastColumn{nil}
	notes := []string{}
	if t.History {
		sets = append(sets, t.history(order, cut))
		notes = append(notes, "the mean, on the log scale, of a model with and one without the columns of the past")
	}
	truth := pickRows(t.Target, test)
	unit := t.unit(train)
	var got *guesses
	for k, past := range sets {
		fit, eval := t.encode(train, test, past)
		fit.Target, fit.Time = pickRows(t.Target, train), pickRows(t.Times, train)
		m, err := fitRegressor(ctx, spec, fit, opt, spec.Name)
		if err != nil {
			return nil, fmt.Errorf("table %q: %w", t.Name, err)
		}
		g := newGuesses(levelsOf(m))
		if err := predictRegressor(ctx, g, m, eval, opt.Workers); err != nil {
			return nil, fmt.Errorf("table %q: %w", t.Name, err)
		}
		if k == 0 {
			got = g
		} else {
			got.blend(g, unit)
		}
	}
	endpoint := t.endpoint()
	medians := FitMedians(pickRows(t.Target, train), pickRows(endpoint, train), nil)
	base := [2]*guesses{newGuesses(nil), newGuesses(nil)}
	medians.addBaselines(base, pickRows(endpoint, test), len(test))
	m := got.measure(truth, 0, len(test), 1)
	r := &TableResult{Rows: n, Train: len(train), Test: len(test), MAE: m["mae"], MedianAE: m["median_ae"], RMSE: m["rmse"], LogR2: math.NaN(),
		Baselines: map[string]float64{}, Coverage: map[string]float64{}, Pinball: map[string]float64{}, Drift: map[string]float64{}, Notes: notes}
	if v, ok := m["log_r2"]; ok {
		r.LogR2 = v
	}
	drift, misses := got.shift(truth, unit), got.misses(truth, unit)
	for k, l := range got.levels {
		name := levelName(l)
		r.Coverage[name], r.Pinball[name], r.Drift[name] = m["coverage_"+name], m["pinball_"+name], math.Expm1(drift[k])
		if misses[k] != "" {
			r.Notes = append(r.Notes, misses[k])
		}
	}
	r.BaselineName, r.BaselineMAE = "global median", evaluate.MAE(truth, base[1].point)
	r.Baselines[r.BaselineName] = r.BaselineMAE
	if c := t.firstText(); c != nil {
		name, mae := "median per "+c.Name, evaluate.MAE(truth, base[0].point)
		r.Baselines[name] = mae
		if mae < r.BaselineMAE {
			r.BaselineName, r.BaselineMAE = name, mae
		}
	}
	r.CPUSeconds = opt.CPU() - cpu
	return r, nil
}

// MarshalJSON writes null for an R² that is not defined.
func (r *TableResult) MarshalJSON() ([]byte, error) {
	type plain TableResult
	var logR2 *float64
	if !math.IsNaN(r.LogR2) {
		logR2 = &r.LogR2
	}
	return json.Marshal(struct {
		*plain
		LogR2 *float64 `json:"log_r2"`
	}{(*plain)(r), logR2})
}

func (t *Table) firstText() *TableColumn {
	for i := range t.Columns {
		if t.Columns[i].Texts != nil {
			return &t.Columns[i]
		}
	}
	return nil
}

// endpoint numbers the texts of the first text column; nil without one.
func (t *Table) endpoint() []uint64 {
	c := t.firstText()
	if c == nil {
		return nil
	}
	return codes(c.Texts)
}

// codes numbers texts in order of appearance.
func codes(texts []string) []uint64 {
	id := make(map[string]uint64)
	out := make([]uint64, len(texts))
	for i, s := range texts {
		k, ok := id[s]
		if !ok {
			k = uint64(len(id))
			id[s] = k
		}
		out[i] = k
	}
	return out
}

const (
	tableParts     = 5
	tableShrinkage = 10
)

// encode makes the matrices of training and test rows.
func (t *Table) encode(train, test []int, past []pastColumn) (fit, eval *frame.Matrix) {
	var cats [][]uint64
	schema := &frame.Schema{Name: "table"}
	for _, c := range t.Columns {
		schema.Columns = append(schema.Columns, frame.Column{Name: c.Name})
		if c.Texts != nil {
			cats = append(cats, codes(c.Texts))
			schema.Columns = append(schema.Columns, frame.Column{Name: c.Name + " (target)"})
		}
	}
	if len(cats) > 1 {
		schema.Columns = append(schema.Columns, frame.Column{Name: "all texts (target)"})
		joint := make([]uint64, len(t.Target))
		seen := make(map[[2]uint64]uint64)
		for _, c := range cats {
			clear(seen)
			for i := range joint {
				k := [2]uint64{joint[i], c[i]}
				v, ok := seen[k]
				if !ok {
					v = uint64(len(seen))
					seen[k] = v
				}
				joint[i] = v
			}
		}
		cats = append(cats, joint)
	}
	for _, c := range past {
		schema.Columns = append(schema.Columns, frame.Column{Name: c.name})
	}
	unit := t.unit(train)
	ln := make([]float64, len(t.Target))
	for i, v := range t.Target {
		ln[i] = math.Log1p(v / unit)
	}
	fit, eval = frame.NewMatrix(schema, len(train)), frame.NewMatrix(schema, len(test))
	col, cat := 0, 0
	for _, c := range t.Columns {
		if c.Numbers != nil {
			for _, side := range []struct {
				x    *frame.Matrix
				rows []int
			}{{fit, train}, {eval, test}} {
				for i, r := range side.rows {
					v := float32(c.Numbers[r])
					if math.IsInf(float64(v), 0) {
						v = float32(math.NaN())
					}
					side.x.Cols[col][i] = v
				}
			}
			col++
			continue
		}
		rankEncode(fit.Cols[col], eval.Cols[col], cats[cat], train, test)
		targetEncode(fit.Cols[col+1], eval.Cols[col+1], cats[cat], ln, train, test)
		col += 2
		cat++
	}
	if len(cats) > cat {
		targetEncode(fit.Cols[col], eval.Cols[col], cats[cat], ln, train, test)
		col++
	}
	for _, c := range past {
		for i, r := range train {
			fit.Cols[col][i] = c.values[r]
		}
		for i, r := range test {
			eval.Cols[col][i] = c.values[r]
		}
		col++
	}
	return fit, eval
}

// unit is the unit of the logarithm: a hundredth of the median of the training
// rows.
func (t *Table) unit(train []int) float64 {
	if m := FitMedians(pickRows(t.Target, train), nil, nil).Global[0]; m > 0 {
		return m / 100
	}
	return 1
}

// pastColumn is a column of History, by row.
type pastColumn struct {
	name   string
	values []float32
}

// pastRecent is how many ended rows "last" looks back.
const pastRecent = 8

// ended is what is known of rows that have ended.
type ended struct {
	last   int64
	ring   [pastRecent]float64
	n      int
	sum, w [2]float64 // decayed over 1 and 10 min
}

func (e *ended) add(at int64, v float64) {
	for k, window := range pastDecay() {
		f := math.Exp(-float64(at-e.last) / window)
		if e.n == 0 {
			f = 0
		}
		e.sum[k] = float64(e.sum[k]*f) + v
		e.w[k] = float64(e.w[k]*f) + 1
	}
	e.last = at
	e.ring[e.n%pastRecent] = v
	e.n++
}

func pastDecay() [2]float64 { return [2]float64{60e6, 600e6} }

// history makes the columns of History; order is by time, its first cut rows are
// for training.
func (t *Table) history(order []int, cut int) []pastColumn {
	if !t.History {
		return nil
	}
	micros := t.TargetMicros
	if micros == 0 {
		micros = 1e6
	}
	unit := t.unit(order[:cut])
	names := []string{"last", "last 8", "1 min", "10 min"}
	windows := []int64{1e6, 10e6, 60e6, 600e6}
	var out []pastColumn
	for _, whose := range []string{"", " of the same text"} {
		for _, n := range names {
			out = append(out, pastColumn{"ended" + whose + " (" + n + ")", make([]float32, len(order))})
		}
		for _, w := range windows {
			out = append(out, pastColumn{fmt.Sprintf("begun%s (%d s)", whose, w/1e6), make([]float32, len(order))})
		}
	}
	endpoint := t.endpoint()
	if endpoint == nil {
		endpoint = make([]uint64, len(order))
		out = out[:len(out)/2]
	}
	end := make([]int64, len(order))
	byEnd := slices.Clone(order)
	for r := range end {
		d := t.Target[r] * micros
		end[r] = math.MaxInt64
		if d < 1e18 && t.Times[r] < 1e18 {
			end[r] = t.Times[r] + int64(math.Ceil(d))
		}
	}
	slices.SortStableFunc(byEnd, func(a, b int) int {
		switch {
		case end[a] < end[b]:
			return -1
		case end[a] > end[b]:
			return 1
		}
		return 0
	})
	var all ended
	each := make(map[uint64]*ended)
	starts := make(map[uint64][]int64)
	var begun []int64
	done, entered := 0, 0
	for _, r := range order {
		now := t.Times[r]
		for ; done < len(byEnd) && end[byEnd[done]] < now; done++ {
			f := byEnd[done]
			v := math.Log1p(t.Target[f] / unit)
			all.add(end[f], v)
			e := each[endpoint[f]]
			if e == nil {
				e = &ended{}
				each[endpoint[f]] = e
			}
			e.add(end[f], v)
		}
		for ; t.Times[order[entered]] < now; entered++ {
			f := order[entered]
			begun = append(begun, t.Times[f])
			starts[endpoint[f]] = append(starts[endpoint[f]], t.Times[f])
		}
		at := 0
		for _, side := range []struct {
			e      *ended
			starts []int64
		}{{&all, begun}, {each[endpoint[r]], starts[endpoint[r]]}} {
			if at == len(out) {
				break
			}
			for k := range names {
				out[at+k].values[r] = float32(math.NaN())
			}
			if e := side.e; e != nil && e.n > 0 {
				out[at].values[r] = float32(e.ring[(e.n-1)%pastRecent])
				n := min(e.n, pastRecent)
				out[at+1].values[r] = float32(sum(e.ring[:n]) / float64(n))
				out[at+2].values[r] = float32(e.sum[0] / e.w[0])
				out[at+3].values[r] = float32(e.sum[1] / e.w[1])
			}
			at += len(names)
			for k, w := range windows {
				lo, _ := slices.BinarySearch(side.starts, now-w)
				out[at+k].values[r] = float32(math.Log1p(float64(len(side.starts) - lo)))
			}
			at += len(windows)
		}
	}
	return out
}

// rankEncode writes the rank of each category by its training rows.
func rankEncode(fit, eval []float32, cat []uint64, train, test []int) {
	count := make(map[uint64]int)
	for _, r := range train {
		count[cat[r]]++
	}
	keys := make([]uint64, 0, len(count))
	for k := range count {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b uint64) int {
		if d := count[b] - count[a]; d != 0 {
			return d
		}
		return int(a) - int(b)
	})
	rank := make(map[uint64]float32)
	for i, k := range keys[:min(len(keys), math.MaxUint16)] {
		rank[k] = float32(i)
	}
	write := func(dst []float32, rows []int) {
		for i, r := range rows {
			v, ok := rank[cat[r]]
			if !ok {
				v = float32(math.NaN())
			}
			dst[i] = v
		}
	}
	write(fit, train)
	write(eval, test)
}

// targetEncode writes the shrunk mean of y by category: that of the training rows
// in the other parts for training rows, that of all of them for test rows. A
// row's part depends on its place alone.
func targetEncode(fit, eval []float32, cat []uint64, y []float64, train, test []int) {
	type tally struct{ n, sum [tableParts]float64 }
	byCat := make(map[uint64]*tally)
	var all tally
	for i, r := range train {
		c := byCat[cat[r]]
		if c == nil {
			c = &tally{}
			byCat[cat[r]] = c
		}
		k := mix(uint64(i)) % tableParts
		for _, t := range []*tally{c, &all} {
			t.n[k]++
			t.sum[k] += y[r]
		}
	}
	value := func(c uint64, without uint64) float32 {
		var n, s, gn, gs float64
		own := byCat[c]
		for k := range uint64(tableParts) {
			if k == without {
				continue
			}
			gn += all.n[k]
			gs += all.sum[k]
			if own != nil {
				n += own.n[k]
				s += own.sum[k]
			}
		}
		return float32((s + float64(tableShrinkage*(gs/max(gn, 1)))) / (n + tableShrinkage))
	}
	for i, r := range train {
		fit[i] = value(cat[r], mix(uint64(i))%tableParts)
	}
	for i, r := range test {
		eval[i] = value(cat[r], tableParts)
	}
}
