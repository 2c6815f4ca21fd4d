package train

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
)

// Forecasters are judged by rolling origin (Tashman 2000): from each origin the
// next horizon steps are forecast from what lies before it, then the origin
// moves on by a horizon. Nothing is shuffled, and no fit sees what it forecasts.
//
// Use, in this order: HoldOutSeries sets the last 20 % aside;
// CrossValidateForecaster measures on the rest; FitForecaster fits on the rest
// and measures on what was set aside; EvaluateForecaster measures a model that
// was loaded.

// ForecastMetrics lists the metrics of forecasters in the order in which they
// should be shown.
func ForecastMetrics() []MetricInfo {
	return []MetricInfo{
		{"wape", "WAPE", false, "sum of |y−f| over sum of |y|"},
		{"mase", "MASE", false, "mean absolute error over that of the seasonal naive (last value if no day fits) inside the training part; below 1 is better than that"},
		{"smape", "sMAPE", false, "mean of 200·|y−f|/(|y|+|f|), in percent, as in M4"},
		{"coverage80", "coverage of 80 %", true, "share of values inside the 80 % band: right is 0.8, not 1"},
		{"coverage95", "coverage of 95 %", true, "share of values inside the 95 % band: right is 0.95, not 1"},
	}
}

// BandedForecaster is a forecaster that knows how sure it is. Without these
// methods the horizon is 30 steps and coverage is not measured.
type BandedForecaster interface {
	model.Forecaster
	// Horizon is the number of steps for which it was made.
	Horizon() int
	// Bands forecasts the next steps with the bounds of the 80 and 95 % bands,
	// each of length steps.
	Bands(history frame.Series, steps int) (mean, lo80, hi80, lo95, hi95 []float64, err error)
}

// seriesHoldOut is the share that HoldOutSeries sets aside.
const seriesHoldOut = 0.2

// HoldOutSeries cuts off the last fifth of s: fit is what lies before step from,
// rule says so in words.
func HoldOutSeries(s frame.Series) (fit frame.Series, from int, rule string) {
	from = len(s.Values) - int(float64(len(s.Values))*seriesHoldOut)
	return seriesUntil(s, from), from, "last 20 % of time"
}

func seriesUntil(s frame.Series, n int) frame.Series {
	s.Values = s.Values[:n:n]
	return s
}

// CrossValidateForecaster measures spec on s, which must not hold the held-out
// steps (HoldOutSeries). The second half of s is cut into opt.Folds blocks of
// equal length; fold i is fitted on all that lies before block i and forecasts
// the block by rolling origin, one horizon at a time, the last one shorter where
// the block ends. Beside it stand the seasonal naive of a day and of a week,
// where a whole period lies before the first block, and the recent mean (of the
// last horizon); Baseline is the one with the lowest WAPE on these very blocks,
// which favours it.
//
// Rows and fold counts are observed steps. Mean and spread of a metric weigh the
// folds by its denominator, as the pooled value does. A fold whose history is too short for
// the model is left out with a note; it fails if all are. Memory: O(steps).
func CrossValidateForecaster(ctx context.Context, s frame.Series, spec model.Spec, opt Options) (*Result, error) {
	opt = opt.withDefaults()
	cpu := opt.CPU()
	r, err := crossValidateForecaster(ctx, s, spec, opt)
	if err != nil {
		return nil, fmt.Errorf("cross-validate %q on %q: %w", spec.Name, s.Name, err)
	}
	r.CPUSeconds = opt.CPU() - cpu
	return r, nil
}

func crossValidateForecaster(ctx context.Context, s frame.Series, spec model.Spec, opt Options) (*Result, error) {
	folds := max(opt.Folds, 2)
	n := len(s.Values)
	if err := checkSeries(s, n/2); err != nil {
		return nil, err
	}
	if n/2 < folds {
		return nil, fmt.Errorf("%d steps are too few for %d folds", n, folds)
	}
	r := newSeriesResult(spec.Name, s.Name)
	r.Split = Time
	var run *seriesRun
	var first error
	for f := range folds {
		stage := fmt.Sprintf("%s fold %d/%d", spec.Name, f+1, folds)
		opt.Log(stage, 0, 1)
		from, to := n/2+f*(n-n/2)/folds, n/2+(f+1)*(n-n/2)/folds
		m, err := fitSeries(ctx, seriesUntil(s, from), spec, opt, stage)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			if first == nil {
				first = err
			}
			r.Notes = append(r.Notes, fmt.Sprintf("fold %d left out: %v", f+1, err))
			continue
		}
		if run == nil {
			run = newSeriesRun(s, n/2, m)
		}
		test, err := run.block(ctx, s, from, to, m)
		if err != nil {
			return nil, fmt.Errorf("fold %d of %d: %w", f+1, folds, err)
		}
		r.Folds = append(r.Folds, FoldResult{Train: seen(s.Values[:from]), Test: test})
	}
	if run == nil {
		return nil, first
	}
	r.Protocol = fmt.Sprintf("rolling origin, %d folds over the second half, horizon %d, seed %d", len(r.Folds), run.horizon, opt.Seed)
	return r, run.fill(r, func(name string, t []tally) Stat {
		folds := make([]tally, len(r.Folds))
		for _, x := range t {
			folds[x.fold].add(x, 1)
		}
		mean, values := deviations(folds, name)
		_, sd, _ := evaluate.MeanSD(values)
		return Stat{Mean: mean, SD: sd}
	})
}

// fitSeries fits spec on s.
func fitSeries(ctx context.Context, s frame.Series, spec model.Spec, opt Options, stage string) (model.Forecaster, error) {
	if spec.FitSeries == nil {
		return nil, fmt.Errorf("this version cannot fit it")
	}
	m, err := spec.FitSeries(ctx, s, opt.Config, opt.fitOptions(stage))
	if err != nil {
		return nil, err
	}
	f, ok := m.(model.Forecaster)
	if !ok {
		return nil, fmt.Errorf("a model of kind %q is no forecaster", m.Kind())
	}
	return f, nil
}

// FinalForecaster is a forecaster fitted on all but the held-out steps.
type FinalForecaster struct {
	Model   model.Forecaster
	HeldOut *Result // on the held-out steps; nil if there are none
}

// FitForecaster fits spec on the steps of s before from and evaluates it on the
// rest (HoldOutSeries), which may be empty.
func FitForecaster(ctx context.Context, s frame.Series, from int, spec model.Spec, opt Options) (*FinalForecaster, error) {
	opt = opt.withDefaults()
	cpu := opt.CPU()
	fail := func(err error) (*FinalForecaster, error) {
		return nil, fmt.Errorf("fit %q on %q: %w", spec.Name, s.Name, err)
	}
	if from < 0 || from > len(s.Values) {
		return fail(fmt.Errorf("held-out steps begin at %d of %d", from, len(s.Values)))
	}
	if err := checkSeries(s, from); err != nil {
		return fail(err)
	}
	m, err := fitSeries(ctx, seriesUntil(s, from), spec, opt, spec.Name)
	if err != nil {
		return fail(err)
	}
	f := &FinalForecaster{Model: m}
	if seen(s.Values[from:]) == 0 {
		return f, nil
	}
	f.HeldOut, err = EvaluateForecaster(ctx, m, s, from, EvalOptions{
		Model: spec.Name, Dataset: s.Name, Protocol: "held-out steps", Seed: opt.Seed, Workers: opt.Workers, CPU: opt.CPU, Log: opt.Log,
	})
	if err != nil {
		return nil, err
	}
	f.HeldOut.CPUSeconds = opt.CPU() - cpu
	return f, nil
}

// EvaluateForecaster measures m on the steps of s from from on, by rolling
// origin; what lies before is history. Nothing is fitted again. The spread
// (Stat.SD) is a bootstrap over the origins. Of opt it uses Model, Dataset,
// Protocol, Synthetic, Seed and CPU.
func EvaluateForecaster(ctx context.Context, m model.Forecaster, s frame.Series, from int, opt EvalOptions) (*Result, error) {
	o := Options{CPU: opt.CPU}.withDefaults()
	cpu := o.CPU()
	fail := func(err error) (*Result, error) {
		return nil, fmt.Errorf("evaluate %q on %q: %w", opt.Model, opt.Dataset, err)
	}
	if from < 0 || from > len(s.Values) {
		return fail(fmt.Errorf("held-out steps begin at %d of %d", from, len(s.Values)))
	}
	if err := checkSeries(s, from); err != nil {
		return fail(err)
	}
	r := newSeriesResult(opt.Model, opt.Dataset)
	r.Synthetic = opt.Synthetic
	run := newSeriesRun(s, from, m)
	if _, err := run.block(ctx, s, from, len(s.Values), m); err != nil {
		return fail(err)
	}
	r.Protocol = opt.Protocol
	if r.Protocol == "" {
		r.Protocol = "rolling origin"
	}
	r.Protocol += fmt.Sprintf(", horizon %d", run.horizon)
	err := run.fill(r, func(name string, t []tally) Stat {
		mean, values := deviations(t, name)
		sd := evaluate.Bootstrap(nil, len(t), replicates, opt.Seed, func(weight []int32) []float64 {
			sum := 0.0
			for i, v := range values {
				sum += float64(float64(weight[i]) * v)
			}
			return []float64{sum / float64(len(values))}
		})
		return Stat{Mean: mean, SD: sd[0]}
	})
	if err != nil {
		return fail(err)
	}
	r.CPUSeconds = o.CPU() - cpu
	return r, nil
}

func newSeriesResult(name, dataset string) *Result {
	return &Result{Model: name, Dataset: dataset, Folds: []FoldResult{}, Findings: []Finding{}, Notes: []string{},
		Baseline: map[string]Stat{}, Baselines: map[string]map[string]Stat{}}
}

// checkSeries says what makes s unusable with a history of from steps.
func checkSeries(s frame.Series, from int) error {
	switch {
	case s.Step <= 0:
		return fmt.Errorf("step %d µs is not positive", s.Step)
	case seen(s.Values[:from]) == 0:
		return fmt.Errorf("no observed value among the %d steps before the first origin", from)
	case slices.ContainsFunc(s.Values, func(v float64) bool { return math.IsInf(v, 0) }):
		return fmt.Errorf("a value is infinite")
	}
	return nil
}

func seen(v []float64) (n int) {
	for _, x := range v {
		if !math.IsNaN(x) {
			n++
		}
	}
	return n
}

// tally sums up the forecasts of one origin.
type tally struct {
	fold                     int
	n                        float64 // observed values
	abs, sum, smape          float64
	scaled, scaledN          float64 // |y−f| over the naive error, where that is defined
	within80, within95, band float64 // band: values for which there was a band
}

func (t *tally) add(o tally, weight float64) {
	t.n += weight * o.n
	t.abs += float64(weight * o.abs)
	t.sum += float64(weight * o.sum)
	t.smape += float64(weight * o.smape)
	t.scaled += float64(weight * o.scaled)
	t.scaledN += weight * o.scaledN
	t.within80 += weight * o.within80
	t.within95 += weight * o.within95
	t.band += weight * o.band
}

// ratio is numerator and denominator of a metric.
func (t *tally) ratio(name string) (a, b float64) {
	switch name {
	case "wape":
		return t.abs, t.sum
	case "mase":
		return t.scaled, t.scaledN
	case "smape":
		return t.smape, t.n
	case "coverage80":
		return t.within80, t.band
	case "coverage95":
		return t.within95, t.band
	}
	return 0, 0
}

// value is NaN where the metric is not defined.
func (t *tally) value(name string) float64 {
	a, b := t.ratio(name)
	switch {
	case b > 0:
		return a / b
	case name == "wape" && t.n > 0 && a == 0:
		return 0 // nothing to forecast, and nothing was
	}
	return math.NaN()
}

// deviations are the values of a metric by part, linear in numerator and
// denominator as for the variance of a ratio (Cochran, "Sampling techniques",
// 1977, 6.4): R + (a−R·b)/b̄ with the pooled R and the mean b̄ of the denominators.
// Their mean is R, which comes first. A part's own a/b has no useful spread: in a
// night without requests an error of one request is any multiple of what came.
func deviations(parts []tally, name string) (float64, []float64) {
	var total tally
	for _, t := range parts {
		total.add(t, 1)
	}
	r := total.value(name)
	_, sum := total.ratio(name)
	out := make([]float64, len(parts))
	for i, t := range parts {
		out[i] = r
		if sum > 0 {
			a, b := t.ratio(name)
			out[i] += (a - float64(r*b)) / (sum / float64(len(parts)))
		}
	}
	return r, out
}

// method is the model or a baseline, with its forecasts so far.
type method struct {
	name    string
	period  int // of a seasonal naive, 0 for the recent mean
	tallies []tally
}

// seriesRun collects the forecasts of a model and its baselines.
type seriesRun struct {
	horizon   int
	model     method
	baselines []method
	season    int // of MASE
	fold      int
}

// newSeriesRun: the first origin is at least first.
func newSeriesRun(s frame.Series, first int, m model.Forecaster) *seriesRun {
	r := &seriesRun{horizon: 30, season: 1}
	if b, ok := m.(BandedForecaster); ok {
		r.horizon = max(1, b.Horizon())
	}
	for _, p := range []struct {
		name   string
		period time.Duration
	}{{"snaive_daily", 24 * time.Hour}, {"snaive_weekly", 7 * 24 * time.Hour}} {
		us := p.period.Microseconds()
		if k := us / s.Step; us%s.Step == 0 && k >= 2 && k <= int64(first) {
			r.baselines = append(r.baselines, method{name: p.name, period: int(k)})
			if r.season == 1 {
				r.season = int(k)
			}
		}
	}
	r.baselines = append(r.baselines, method{name: "recent_mean"})
	return r
}

// block forecasts the steps from … to and returns how many were observed.
func (r *seriesRun) block(ctx context.Context, s frame.Series, from, to int, m model.Forecaster) (int, error) {
	naive, naiveN := 0.0, 0
	for i := r.season; i < from; i++ {
		if d := math.Abs(s.Values[i] - s.Values[i-r.season]); !math.IsNaN(d) {
			naive += d
			naiveN++
		}
	}
	naive /= float64(max(naiveN, 1))
	residuals := make([][]float64, len(r.baselines))
	for i := range r.baselines {
		residuals[i] = r.residuals(s.Values[:from], &r.baselines[i])
	}
	banded, _ := m.(BandedForecaster)
	test := 0
	buf := make([]float64, 5*r.horizon)
	for o := from; o < to; o += r.horizon {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		steps := min(r.horizon, to-o)
		y := s.Values[o : o+steps]
		test += seen(y)
		hist := seriesUntil(s, o)
		var f [5][]float64 // forecast, lo80, hi80, lo95, hi95
		if banded != nil {
			var err error
			if f[0], f[1], f[2], f[3], f[4], err = banded.Bands(hist, steps); err != nil {
				return 0, err
			}
		} else {
			f[0] = buf[:steps]
			if err := m.Forecast(f[0], hist); err != nil {
				return 0, err
			}
		}
		r.model.tallies = append(r.model.tallies, r.measure(y, f, naive))
		for i := range r.baselines {
			b := &r.baselines[i]
			for j := range f {
				f[j] = buf[j*r.horizon : j*r.horizon+steps]
			}
			b.forecast(f[0], hist.Values, r.horizon)
			for k, v := range f[0] {
				scale := math.Sqrt(1 + max(v, 0))
				for j, q := range []float64{0.10, 0.90, 0.025, 0.975} {
					f[1+j][k] = v + float64(scale*conformal(residuals[i], q))
				}
			}
			b.tallies = append(b.tallies, r.measure(y, f, naive))
		}
	}
	r.fold++
	return test, nil
}

func (r *seriesRun) measure(y []float64, f [5][]float64, naive float64) tally {
	t := tally{fold: r.fold}
	for i, v := range y {
		if math.IsNaN(v) {
			continue
		}
		d := math.Abs(v - f[0][i])
		t.n++
		t.abs += d
		t.sum += math.Abs(v)
		if m := math.Abs(v) + math.Abs(f[0][i]); m > 0 {
			t.smape += 200 * d / m
		}
		if naive > 0 {
			t.scaled += d / naive
			t.scaledN++
		}
		if f[1] == nil {
			continue
		}
		t.band++
		if v >= f[1][i] && v <= f[2][i] {
			t.within80++
		}
		if v >= f[3][i] && v <= f[4][i] {
			t.within95++
		}
	}
	return t
}

// forecast continues hist: the value one period ago (two, three, … where it is
// missing), or the mean of the last horizon steps; the last observed value where
// there is none of these.
func (b *method) forecast(dst, hist []float64, horizon int) {
	last := func() float64 {
		for i := len(hist) - 1; i >= 0; i-- {
			if !math.IsNaN(hist[i]) {
				return hist[i]
			}
		}
		return 0
	}
	if b.period == 0 {
		sum, n := 0.0, 0
		for _, v := range hist[max(0, len(hist)-horizon):] {
			if !math.IsNaN(v) {
				sum += v
				n++
			}
		}
		v := sum / float64(max(n, 1))
		if n == 0 {
			v = last()
		}
		for i := range dst {
			dst[i] = v
		}
		return
	}
	for i := range dst {
		v := math.NaN()
		for j := len(hist) - b.period + i%b.period; j >= 0 && math.IsNaN(v); j -= b.period {
			v = hist[j]
		}
		if math.IsNaN(v) {
			v = last()
		}
		dst[i] = v
	}
}

// residuals are those of the baseline's forecasts from the latest origins inside
// hist (at most 125 and in its second half), over √(1+forecast), sorted: its
// bands are conformal like those of the models, without groups of steps.
func (r *seriesRun) residuals(hist []float64, b *method) (out []float64) {
	f := make([]float64, r.horizon)
	for k, o := 0, len(hist)-r.horizon; k < 125 && o >= max(1, len(hist)/2); k, o = k+1, o-r.horizon {
		b.forecast(f, hist[:o], r.horizon)
		for i, v := range hist[o : o+r.horizon] {
			if !math.IsNaN(v) {
				out = append(out, (v-f[i])/math.Sqrt(1+max(f[i], 0)))
			}
		}
	}
	slices.Sort(out)
	return out
}

// conformal is the quantile of sorted residuals with rank ⌊q(n+1)⌋ below and
// ⌈q(n+1)⌉ above one half, the outermost if there are too few.
func conformal(sorted []float64, q float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	rank := math.Floor(q * float64(n+1))
	if q > 0.5 {
		rank = math.Ceil(q * float64(n+1))
	}
	return sorted[min(max(int(rank), 1), n)-1]
}

// fill puts the figures into r; stat gives mean and spread of a metric.
func (run *seriesRun) fill(r *Result, stat func(name string, t []tally) Stat) error {
	var total tally
	for _, t := range run.model.tallies {
		total.add(t, 1)
	}
	r.Rows = int(total.n)
	if r.Rows == 0 {
		return fmt.Errorf("no observed step to measure on")
	}
	stats := func(m *method) (map[string]Stat, []map[string]float64) {
		out := make(map[string]Stat)
		folds := make([]tally, len(r.Folds))
		var sum tally
		for _, t := range m.tallies {
			sum.add(t, 1)
			if t.fold < len(folds) {
				folds[t.fold].add(t, 1)
			}
		}
		values := make([]map[string]float64, len(folds))
		for f := range values {
			values[f] = make(map[string]float64)
		}
		for _, info := range ForecastMetrics() {
			v := sum.value(info.Name)
			if math.IsNaN(v) {
				continue
			}
			s := stat(info.Name, m.tallies)
			s.Pooled = v
			out[info.Name] = s
			for f := range folds {
				if v := folds[f].value(info.Name); !math.IsNaN(v) {
					values[f][info.Name] = v
				}
			}
		}
		return out, values
	}
	got, folds := stats(&run.model)
	r.Metrics = got
	for f := range r.Folds {
		r.Folds[f].Metrics = folds[f]
	}
	best := math.Inf(1)
	for i := range run.baselines {
		b := &run.baselines[i]
		got, folds := stats(b)
		r.Baselines[b.name] = got
		v, ok := got["wape"]
		if !ok {
			v.Pooled = math.MaxFloat64 // nothing but zeros: the last baseline stands
		}
		if v.Pooled >= best {
			continue
		}
		best = v.Pooled
		r.BaselineName, r.Baseline = b.name, got
		for f := range r.Folds {
			r.Folds[f].Baseline = folds[f]
		}
	}
	if m, ok := got["wape"]; ok && m.Pooled > best {
		r.Findings = append(r.Findings, Finding{"info", "no better than the baseline",
			fmt.Sprintf("WAPE %.3f, %s has %.3f on the same steps", m.Pooled, r.BaselineName, best)})
	}
	if run.horizon > 1 && len(run.model.tallies) < 20 {
		r.Notes = append(r.Notes, fmt.Sprintf("only %d forecasts of %d steps were measured: the figures are rough", len(run.model.tallies), run.horizon))
	}
	return nil
}
