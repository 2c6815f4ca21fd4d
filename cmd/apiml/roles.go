package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"apiml/evaluate"
	"apiml/features"
	"apiml/forecast"
	"apiml/frame"
	"apiml/model"
	"apiml/model/cache"
	"apiml/model/dbscan"
	"apiml/store"
	"apiml/traffic"
	"apiml/train"
)

// The models that are no classifiers of rows: latency, forecast, cache and
// behavior. Each takes other material from the same requests.

// forecastStep is the interval of the series that the traffic forecaster is
// fitted on: minutes for a log of hours, ten minutes from two days on.
func forecastStep(first, last int64) time.Duration {
	if last-first < (48 * time.Hour).Microseconds() {
		return time.Minute
	}
	return 10 * time.Minute
}

// metricsOf lists the metrics that a result may hold, in the order in which they
// should be shown.
func metricsOf(r *train.Result) []train.MetricInfo {
	var out []train.MetricInfo
	for _, list := range [][]train.MetricInfo{train.Metrics(), train.RegressionMetrics(), train.ForecastMetrics(), train.ClustererMetrics(), train.PolicyMetrics(train.PolicySizes())} {
		for _, info := range list {
			if _, ok := r.Metrics[info.Name]; ok && !slices.ContainsFunc(out, func(x train.MetricInfo) bool { return x.Name == info.Name }) {
				out = append(out, info)
			}
		}
	}
	return out
}

// ordered calls add for every request of the source in event time, and notes
// the span of their times in s.
func (s *source) ordered(ctx context.Context, what string, add func([]traffic.Request)) error {
	var order features.Reorder
	s.first, s.last = 0, 0
	block := func(b features.Block) error {
		for i := range b.Requests {
			if t := b.Requests[i].Time; t != traffic.NoTime {
				if s.first == 0 || t < s.first {
					s.first = t
				}
				s.last = max(s.last, t)
			}
		}
		add(b.Requests)
		return nil
	}
	p := s.a.progress(what, s.kinds[store.KindHTTP])
	defer p.done()
	var n int64
	err := s.records(ctx, func(reqs []traffic.Request) error {
		n += int64(len(reqs))
		p.set(n)
		return order.Push(reqs, block)
	}, nil)
	if err != nil {
		return err
	}
	return order.Flush(block)
}

// latencyProblem makes the regression problem; nil and the reason if the log
// has no latencies.
func (s *source) latencyProblem(ctx context.Context) (*train.Regression, func() *features.LatencyState, string, error) {
	b := features.NewLatencyBuilder(features.LatencyConfig{})
	if err := s.ordered(ctx, "reading latencies", b.Add); err != nil {
		return nil, nil, "", err
	}
	ds, err := b.Dataset()
	if err != nil {
		return nil, nil, strings.TrimPrefix(err.Error(), "features: "), nil
	}
	var last *features.LatencyState
	return &train.Regression{
		Name: s.name(), Rows: ds.Rows, Synthetic: s.synth[store.KindHTTP], Target: ds.Target, Times: ds.Times, Groups: ds.Groups, Hash: ds.Hash, Template: ds.Template,
		Fold: func(ctx context.Context, fit, eval []int) (*frame.Matrix, *frame.Matrix, error) {
			f, err := ds.Fold(ctx, fit, eval)
			if err != nil {
				return nil, nil, err
			}
			last = f.State
			return f.Fit, f.Eval, nil
		},
	}, func() *features.LatencyState { return last }, "", nil
}

// behavior makes the profiles of principals.
func (s *source) behavior(ctx context.Context) (*features.BehaviorDataset, string, error) {
	b := features.NewBehaviorBuilder(features.BehaviorConfig{})
	if err := s.ordered(ctx, "reading behaviour", b.Add); err != nil {
		return nil, "", err
	}
	ds, err := b.Dataset()
	if err != nil {
		return nil, strings.TrimPrefix(err.Error(), "features: "), nil
	}
	return ds, "", nil
}

// trace makes the cache trace.
func (s *source) trace(ctx context.Context) (*frame.Trace, error) {
	b := features.NewTraceBuilder()
	if err := s.ordered(ctx, "reading accesses", b.Add); err != nil {
		return nil, err
	}
	t, _ := b.Trace()
	return t, nil
}

// series counts the requests per step; 0 chooses it by the span of the log.
func (s *source) series(ctx context.Context, step time.Duration) (frame.Series, error) {
	out := frame.Series{Name: s.name()}
	if s.st != nil {
		sum, err := s.st.Summary(ctx, s.a.window)
		if err != nil {
			return out, storeError(err)
		}
		if sum.First == traffic.NoTime {
			return out, nil
		}
		if step == 0 {
			step = forecastStep(sum.First, sum.Last)
		}
		if out, err = s.st.Counts(ctx, step.Microseconds(), "", s.a.window); err != nil {
			return out, withCode(exitInput, err)
		}
		out.Name = s.name()
		return out, nil
	}
	seconds := map[int64]float64{}
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	err := s.records(ctx, func(reqs []traffic.Request) error {
		for i := range reqs {
			if t := reqs[i].Time; t != traffic.NoTime {
				first, last = min(first, t), max(last, t)
				seconds[t/1e6]++
			}
		}
		return nil
	}, nil)
	if err != nil || first > last {
		return out, err
	}
	if step == 0 {
		step = forecastStep(first, last)
	}
	out.Step = step.Microseconds()
	lo, hi := (first+out.Step-1)/out.Step, (last+1)/out.Step // whole intervals only
	if hi-lo > 5_000_000 {
		return out, inputf("%d intervals of %s are too many: a time in the log must be wrong", hi-lo, step)
	}
	out.Start, out.Values = lo*out.Step, make([]float64, max(hi-lo, 0))
	for sec, n := range seconds {
		if i := sec*1e6/out.Step - lo; i >= 0 && i < int64(len(out.Values)) {
			out.Values[i] += n
		}
	}
	return out, nil
}

// policyProblem puts the textbook policies beside the learned one.
func policyProblem(name string, synthetic bool, t *frame.Trace) *train.PolicyProblem {
	p := &train.PolicyProblem{Name: name, Synthetic: synthetic, Trace: t}
	for _, info := range cache.Policies() {
		if !slices.Contains([]string{"lru", "lfu", "arc", "sieve", "belady"}, info.Name) {
			continue
		}
		p.Baselines = append(p.Baselines, train.PolicyBaseline{Name: info.Name, Bound: info.Bound, Run: func(ctx context.Context, t *frame.Trace, capacity int64) ([]bool, error) {
			return cache.Run(ctx, info.Name, t, capacity)
		}})
	}
	return p
}

// Fewer than these are too little to fit on.
const (
	leastAccesses   = 1000
	leastPrincipals = 30
	leastLatencies  = 500
)

// mostLatencies is how many requests the latency predictor is fitted on at most:
// more move its error by less than the folds differ, and cost minutes.
const mostLatencies = 200_000

// trainRole fits, measures and writes one of the four. Without anything to fit
// on it returns nil and the reason.
func (a *app) trainRole(src *source, spec model.Spec, config json.RawMessage, o trainOptions) (*trainedModel, string, error) {
	p := a.progress(spec.Name, 0)
	defer p.done()
	opt := train.Options{
		Folds: o.cv, Seed: a.cfg.Seed, Config: config, CPU: cpuSeconds,
		Log: func(stage string, done, total int) { p.stage(stage, int64(done), int64(total)) },
	}
	var f *roleFit
	var why string
	var err error
	switch spec.Role {
	case model.RoleRegressor:
		f, why, err = src.fitLatency(a.ctx, spec, o, opt)
	case model.RoleClusterer:
		f, why, err = src.fitBehavior(a.ctx, spec, o, opt)
	case model.RolePolicy:
		f, why, err = src.fitCache(a.ctx, spec, o, opt)
	case model.RoleForecaster:
		f, why, err = src.fitForecast(a.ctx, spec, o, opt)
	default:
		return nil, "", fmt.Errorf("train: no way to fit a %s", spec.Role)
	}
	if err != nil {
		var e *exitError
		if errors.As(err, &e) {
			return nil, "", err
		}
		return nil, "", a.trainError(err)
	}
	if f == nil {
		return nil, why, nil
	}
	return a.finishRole(src, spec, f, o)
}

// roleFit is a fitted model with its figures.
type roleFit struct {
	model       model.Model
	cv, heldOut *train.Result
	clusters    []features.BehaviorCluster
	meta        fileMeta
}

// finishRole writes the file and makes the entry of models[].
func (a *app) finishRole(src *source, spec model.Spec, f *roleFit, o trainOptions) (*trainedModel, string, error) {
	tm := &trainedModel{Result: f.cv, HeldOut: f.heldOut, Clusters: f.clusters}
	if tm.Result == nil {
		tm.Result = f.heldOut
	}
	if tm.Result == nil {
		tm.Result = &train.Result{Model: spec.Name, Dataset: src.name(), Protocol: "fitted, not measured", Rows: f.meta.rows, Folds: []train.FoldResult{}, Findings: []train.Finding{}, Notes: []string{}}
	}
	for _, r := range []*train.Result{f.cv, f.heldOut} {
		if r != nil {
			r.Model, r.Dataset, r.Synthetic = spec.Name, src.name(), src.synth[store.KindHTTP]
		}
	}
	f.meta.data.Source, f.meta.data.Synthetic, f.meta.data.Inputs = src.name(), src.synth[store.KindHTTP], src.inputs
	if o.noRowHashes {
		tm.Notes = append(tm.Notes, "built in: a configuration and a prior from generated traffic; `apiml train "+spec.Name+"` fits it on your own log")
		f.meta.data.Inputs = nil // a temporary file
	}
	f.meta.cards = o.cards
	f.meta.stored.CV, f.meta.stored.HeldOut = timeless(f.cv), timeless(f.heldOut)
	if o.noRowHashes {
		f.meta.trainHash, f.meta.stored.Medians, f.meta.stored.Reference = nil, nil, nil
	}
	a.sayf("%s: %s rows of %s, held out: %s", spec.Name, count(int64(f.meta.rows)), src.name(), f.meta.rule)
	if err := a.writeModel(spec, f.model, tm, f.meta); err != nil {
		return nil, "", err
	}
	return tm, "", nil
}

func (s *source) fitLatency(ctx context.Context, spec model.Spec, o trainOptions, opt train.Options) (*roleFit, string, error) {
	p, state, why, err := s.latencyProblem(ctx)
	if err != nil || p == nil {
		return nil, why, err
	}
	if p.Rows < leastLatencies {
		return nil, fmt.Sprintf("%d requests have a latency; %s", p.Rows, needs(spec.Role)), nil
	}
	rows, held, rule := p.HoldOut()
	if o.final {
		rows, held, rule = allRows(p.Rows), nil, "nothing: fitted on all rows (--final)"
	}
	note := ""
	if n := len(rows); n > mostLatencies {
		step := (n + mostLatencies - 1) / mostLatencies
		var some []int
		for i := 0; i < n; i += step {
			some = append(some, rows[i])
		}
		rows = some
		note = fmt.Sprintf("cross-validated and fitted on every %d. of %s requests, spread over the whole time: %s", step, count(int64(n)), count(int64(len(rows))))
	}
	f := &roleFit{}
	if o.cv > 0 {
		if f.cv, err = train.CrossValidateRegressor(ctx, p, rows, spec, opt); err != nil {
			return nil, "", err
		}
	}
	final, err := train.FitRegressor(ctx, p, rows, held, spec, opt)
	if err != nil {
		return nil, "", err
	}
	f.model, f.heldOut = final.Model, final.HeldOut
	f.meta.stored.Medians = final.Medians
	x, from := final.Evaluate, "held-out rows"
	if x == nil || x.N < evaluate.LeastShift {
		x, from = final.Fit, "training rows"
	}
	if f.meta.stored.Reference, err = newReference(ctx, spec.Role, final.Model, x, from); err != nil {
		return nil, "", err
	}
	for _, r := range []*train.Result{f.cv, f.heldOut} {
		if r != nil && note != "" {
			r.Notes = append(r.Notes, note)
		}
	}
	f.meta.rows, f.meta.held, f.meta.rule = len(rows), len(held), rule
	f.meta.heldHash, f.meta.trainHash = pick(p.Hash, held), pick(p.Hash, rows)
	if f.meta.state, err = state().MarshalBinary(); err != nil {
		return nil, "", err
	}
	f.meta.data = provenance(&train.Problem{Hash: p.Hash, Times: p.Times}, nil)
	return f, "", nil
}

func (s *source) fitBehavior(ctx context.Context, spec model.Spec, o trainOptions, opt train.Options) (*roleFit, string, error) {
	ds, why, err := s.behavior(ctx)
	if err == nil && ds == nil {
		why += "; " + needs(spec.Role)
	}
	if err != nil || ds == nil {
		return nil, why, err
	}
	if ds.X.N < leastPrincipals {
		return nil, fmt.Sprintf("%d principals have enough requests; %s", ds.X.N, needs(spec.Role)), nil
	}
	if opt.Config, err = behaviorConfig(opt.Config, o); err != nil {
		return nil, "", err
	}
	f := &roleFit{}
	if o.cv > 0 {
		if f.cv, err = train.CrossValidateClusterer(ctx, ds.X, spec, opt); err != nil {
			return nil, "", err
		}
	}
	if f.model, err = spec.Fit(ctx, ds.X, opt.Config, model.FitOptions{Seed: opt.Seed}); err != nil {
		return nil, "", err
	}
	if m, ok := f.model.(*dbscan.Model); ok {
		f.clusters = features.DescribeBehavior(ds, m.Labels())
	}
	ref, err := newReference(ctx, spec.Role, f.model, ds.X, "training rows")
	if err != nil {
		return nil, "", err
	}
	f.meta = fileMeta{rows: ds.X.N, rule: "nothing: clusters are judged by bootstraps", stored: storedMetrics{Reference: ref}}
	f.meta.data = provenance(&train.Problem{Hash: ds.X.Group}, nil)
	f.meta.data.First, f.meta.data.Last = s.first, s.last
	return f, "", nil
}

func (s *source) fitCache(ctx context.Context, spec model.Spec, o trainOptions, opt train.Options) (*roleFit, string, error) {
	t, err := s.trace(ctx)
	if err != nil {
		return nil, "", err
	}
	if len(t.Keys) < leastAccesses {
		return nil, fmt.Sprintf("%d requests could have come from a cache; %s", len(t.Keys), needs(spec.Role)), nil
	}
	f := &roleFit{}
	p := policyProblem(s.name(), s.synth[store.KindHTTP], t)
	if o.cv > 0 {
		if f.cv, err = train.CrossValidatePolicy(ctx, p, spec, opt); err != nil {
			return nil, "", err
		}
	}
	if f.model, err = spec.FitTrace(ctx, t, opt.Config, model.FitOptions{Seed: opt.Seed}); err != nil {
		return nil, "", err
	}
	f.meta = fileMeta{rows: len(t.Keys), rule: "the second half of the accesses counts, the first half is learned from"}
	if x := train.TraceRows(t); x.N > 0 {
		if f.meta.stored.Reference, err = newReference(ctx, spec.Role, nil, x, "training accesses"); err != nil {
			return nil, "", err
		}
	}
	f.meta.data = provenance(&train.Problem{Times: t.Times}, nil)
	return f, "", nil
}

func (s *source) fitForecast(ctx context.Context, spec model.Spec, o trainOptions, opt train.Options) (*roleFit, string, error) {
	series, err := s.series(ctx, 0)
	var bad *exitError
	if errors.As(err, &bad) && bad.code == exitInput { // one wrong time in the log must not keep the others from being trained
		return nil, err.Error(), nil
	}
	if err != nil {
		return nil, "", err
	}
	if len(series.Values) == 0 {
		return nil, "the log spans no whole minute, or its requests have no time; " + needs(spec.Role), nil
	}
	step := time.Duration(series.Step) * time.Microsecond
	fit, from, rule := train.HoldOutSeries(series)
	if o.final {
		fit, from, rule = series, len(series.Values), "nothing: fitted on all steps (--final)"
	}
	f := &roleFit{}
	var short *forecast.ShortError
	if o.cv > 0 {
		f.cv, err = train.CrossValidateForecaster(ctx, fit, spec, opt)
		if errors.As(err, &short) || err != nil && ctx.Err() == nil && len(series.Values) < 400 {
			return nil, fmt.Sprintf("the log spans %d whole intervals of %s, too few: %v", len(series.Values), step, err), nil
		}
		if err != nil {
			return nil, "", err
		}
	}
	final, err := train.FitForecaster(ctx, series, from, spec, opt)
	if errors.As(err, &short) {
		return nil, fmt.Sprintf("the log spans %d whole intervals of %s, too few", len(series.Values), step), nil
	}
	if err != nil {
		return nil, "", err
	}
	f.model, f.heldOut = final.Model, final.HeldOut
	f.meta = fileMeta{rows: from, held: len(series.Values) - from, rule: rule}
	shape := train.HourShape(series)
	if f.meta.stored.Reference, err = newReference(ctx, spec.Role, nil, train.SeriesRows(series, shape), "all steps"); err != nil {
		return nil, "", err
	}
	f.meta.stored.Reference.Shape = shape
	f.meta.data = model.Provenance{First: series.Start, Last: series.End()}
	return f, "", nil
}

// evaluateRole measures one of the four on the source; nil if there is nothing
// to measure it on.
func (a *app) evaluateRole(src *source, lm *loadedModel, period time.Duration) (*evaluatedModel, error) {
	stored, err := rawMetrics[storedMetrics](lm)
	if err != nil {
		return nil, err
	}
	var r *train.Result
	var view *behaviorView
	opt := train.Options{Seed: a.cfg.Seed, CPU: cpuSeconds}
	switch m := lm.model.(type) {
	case model.Regressor:
		r, err = a.evaluateLatency(src, lm, m, stored)
	case model.Clusterer:
		r, view, err = a.evaluateBehavior(src, lm, m, stored, period)
		var e *exitError
		if errors.As(err, &e) {
			return nil, err
		}
	case model.Policy:
		var t *frame.Trace
		if t, err = src.trace(a.ctx); err != nil || len(t.Keys) < leastAccesses {
			return nil, err
		}
		r, err = train.EvaluatePolicy(a.ctx, policyProblem(src.name(), src.synth[store.KindHTTP], t), lm.spec.Name, m, opt)
	case model.Forecaster:
		r, err = a.evaluateForecaster(src, lm, m)
	}
	if err != nil {
		return nil, a.trainError(err)
	}
	if r == nil {
		return nil, nil
	}
	r.Model, r.Dataset, r.Synthetic = lm.spec.Name, src.name(), src.synth[store.KindHTTP]
	return &evaluatedModel{Result: r, Behavior: view, Origin: lm.origin, SHA256: lm.file.SHA256(), file: lm}, nil
}

// evaluateForecaster measures on the steps that were held out, or, on another
// series, on its last fifth.
func (a *app) evaluateForecaster(src *source, lm *loadedModel, m model.Forecaster) (*train.Result, error) {
	step := time.Duration(0)
	if f, ok := m.(*forecast.Fitted); ok {
		step = time.Duration(f.Step()) * time.Microsecond
	}
	s, err := src.series(a.ctx, step)
	if err != nil {
		return nil, err
	}
	_, from, rule := train.HoldOutSeries(s)
	if len(s.Values)-from < 2 || from < 2 {
		return nil, nil
	}
	protocol := "held-out steps: " + rule
	if lm.file.Header.Data.Source != src.name() {
		protocol = "other data than it was fitted on: " + rule
	}
	return train.EvaluateForecaster(a.ctx, m, s, from, train.EvalOptions{
		Model: lm.spec.Name, Dataset: src.name(), Protocol: protocol, Synthetic: src.synth[store.KindHTTP], Seed: a.cfg.Seed, CPU: cpuSeconds,
	})
}

// evaluateLatency measures on the rows that were held out, or, on other data, on
// those that were not seen in training. The features are those that the model's
// own state gives.
func (a *app) evaluateLatency(src *source, lm *loadedModel, m model.Regressor, stored *storedMetrics) (*train.Result, error) {
	b := features.NewLatencyBuilder(features.LatencyConfig{})
	if err := src.ordered(a.ctx, "reading latencies", b.Add); err != nil {
		return nil, err
	}
	ds, err := b.Dataset()
	if err != nil {
		return nil, nil // no latency in this log
	}
	w, err := newWanted(lm.file)
	if err != nil {
		return nil, withCode(exitState, err)
	}
	for _, h := range ds.Hash {
		w.look(h)
	}
	var rows []int
	for i, h := range ds.Hash {
		if w.has(h) {
			rows = append(rows, i)
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	x, err := ds.Apply(lm.latency, rows)
	if err != nil {
		return nil, err
	}
	opt := train.RegressorEvalOptions{
		Model: lm.spec.Name, Dataset: src.name(), Synthetic: src.synth[store.KindHTTP], Protocol: "held-out rows: " + lm.file.Header.HoldOut.Rule,
		Template: pick(ds.Template, rows), Seed: a.cfg.Seed, CPU: cpuSeconds,
	}
	if stored != nil {
		opt.Medians = stored.Medians
	}
	if !w.onHeld {
		opt.Protocol = fmt.Sprintf("other data than it was fitted on, %d rows seen in training left out", w.leftOut)
	}
	return train.EvaluateRegressor(a.ctx, m, x, opt)
}

// clusterRows are the clusters of a behavioral analyzer as a table.
func clusterRows(m *dbscan.Model) [][]string {
	var rows [][]string
	for _, c := range m.Summary() {
		var dev []string
		for _, d := range c.Top {
			dev = append(dev, fmt.Sprintf("%s %.3g (usual %.3g)", d.Column, d.Value, d.Typical))
		}
		name := fmt.Sprint(c.Label)
		if c.Label < 0 {
			name = "noise"
		}
		rows = append(rows, []string{name, count(int64(c.Size)), strings.Join(dev[:min(4, len(dev))], ", ")})
	}
	return rows
}
