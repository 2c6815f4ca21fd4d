package forecast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"apiml/frame"
	"apiml/model"
)

// Kind of the model files.
const Kind = "traffic_forecaster"

// Fitted is a Traffic Forecaster: the model that was chosen, with its
// parameters, and the errors on which its bands rest. It implements
// model.Forecaster; it is immutable and safe for concurrent use.
type Fitted struct {
	cfg    Config
	seed   uint64
	schema frame.Schema

	step   int64 // microseconds
	chosen string
	model  predictor
	floor  float64 // 0 or −Inf: no forecast lies below
	bands  quantiles

	weights  []Weight
	scores   []Score
	test     TestPart
	warnings []string
	replay   []Replay
}

var _ model.Forecaster = (*Fitted)(nil)

// schemaOf is the schema of a series with that step.
func schemaOf(step int64) frame.Schema {
	return frame.Schema{
		Name:    "series/" + strconv.FormatFloat(float64(step)/1e6, 'f', -1, 64) + "s",
		Columns: []frame.Column{{Name: "value", Doc: "what was counted in one step"}},
	}
}

// Fit chooses a model by backtest, fits it on all of s, and calibrates its
// bands on the residuals of the backtest. cfg.Model may name a model instead.
// It does not change s; the result depends on s, cfg and opt.Seed only.
//
// Errors are those of Run, and that of ctx.
func Fit(ctx context.Context, s frame.Series, cfg Config, opt model.FitOptions) (*Fitted, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	want, err := canonical(cfg.Model)
	if err != nil {
		return nil, err
	}
	h := cfg.Horizon
	if s.Step <= 0 {
		return nil, fmt.Errorf("forecast series %q: step %d µs is not positive", s.Name, s.Step)
	}
	if s.Step > maxStep {
		return nil, fmt.Errorf("forecast series %q: a step of %d days is too long", s.Name, s.Step/day)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	y, warnings := clean(s.Values)
	s.Start += int64(len(s.Values)-len(y)) * s.Step
	s.Values = y
	seen := observed(y)
	if seen < MinPoints(h) {
		return nil, &ShortError{Points: seen, Need: MinPoints(h), Horizon: h}
	}
	least, h := seasonFirst(s.Step, len(y), min(h, seen/3))
	if h < cfg.Horizon {
		warnings = append(warnings, fmt.Sprintf("%d observed points are few for a horizon of %d steps: models are compared and intervals calibrated on forecasts of %d steps, behind which the intervals grow with the square root of the distance", seen, cfg.Horizon, h))
	}
	if err := cfg.covers(s.Step, s.Start, s.End()+int64(cfg.Horizon)*s.Step); err != nil {
		return nil, err
	}
	p := cut(len(y), h, least)
	cands, notes := rules(s.Step, p, cfg.Horizon)
	warnings = append(warnings, notes...)

	f := &Fitted{cfg: cfg, seed: opt.Seed, schema: schemaOf(s.Step), step: s.Step, floor: math.Inf(-1)}
	if minimum(y) >= 0 {
		f.floor = 0 // counts: no band below zero
	}
	season := 1 // of MASE: the shortest season, as in M4
	if cands[0].season > 0 {
		season = cands[0].season
	}
	fitted, notes, err := fitCandidates(ctx, s, p, want, f.floor, &cfg, opt)
	if err != nil {
		return nil, err
	}
	cands, warnings = append(cands, fitted...), append(warnings, notes...)
	for i, c := range cands {
		if wanted(want, c) {
			break
		}
		if i == len(cands)-1 {
			return nil, fmt.Errorf("forecast model %q: %w a step of %s and %d points", want, ErrNoSeason, time.Duration(s.Step*1000), len(y))
		}
	}

	b, err := forecastAll(ctx, s, p, cands, opt.Workers)
	if err != nil {
		return nil, err
	}
	f.test = TestPart{Start: time.UnixMicro(s.Start + int64(p.test)*s.Step).UTC(), Origins: len(p.testOrigins)}
	mae := naiveMAE(y[:p.test], season)
	rows := len(cands)
	if want == "auto" {
		rows++
	}
	rated := make([]row, rows)
	err = model.Parallel(ctx, opt.Workers, rows, nil, func(_, i int) error {
		name, at := "auto", b.auto()
		if i < len(cands) {
			name, at = cands[i].name, func(o, _ int) []float64 { return b.f[i][b.index(o)] }
		}
		rated[i] = score(ctx, s, p, name, at, f.floor, mae)
		return context.Cause(ctx)
	})
	if err != nil {
		return nil, err
	}
	for _, r := range rated {
		f.scores = append(f.scores, r.Score)
	}
	f.test.Points = rated[0].points
	f.test.ChosenOn = fmt.Sprintf("errors at %d origins before the test part", len(p.choiceOrigins))
	if f.test.Points == 0 {
		warnings = append(warnings, "the test part holds no observed point: the backtest is empty")
	}
	weights := make([]float64, len(cands))
	best := -1 // row of what is asked for
	if want == "auto" {
		if weights = b.weigh(len(b.origins), p.n); weights == nil {
			weights = make([]float64, len(cands))
			weights[0] = 1
		}
		best = len(cands)
	} else {
		for i, c := range cands {
			if wanted(want, c) && (best < 0 || better(f.scores[i].WAPEChoice, f.scores[best].WAPEChoice)) {
				best = i
			}
		}
		weights[best] = 1
	}
	f.replay = rated[best].replay
	bands := calibrate(y, p.bandOrigins, h, func(o int) []float64 {
		dst := make([]float64, h)
		b.combine(dst, weights, b.index(o))
		return dst
	})
	if n := bands.smallest(); n < 40 {
		warnings = append(warnings, fmt.Sprintf("the intervals rest on as few as %d residuals per group of steps: take them as a rough guide", n))
	}
	f.bands = bands.quantiles(rated[best].levels)
	f.warnings = warnings

	mix := &combination{}
	var chosen []candidate
	for i, w := range weights {
		if w > 0 {
			mix.names, mix.weights = append(mix.names, cands[i].name), append(mix.weights, w)
			chosen = append(chosen, cands[i])
		}
	}
	mix.models = make([]predictor, len(chosen))
	err = model.Parallel(ctx, opt.Workers, len(chosen), nil, func(_, i int) (err error) {
		if c := chosen[i]; c.finish == nil {
			mix.models[i] = ruleOf(c.name, s.Step)
		} else {
			mix.models[i], err = c.finish(ctx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	f.weights = mix.shares()
	if len(chosen) == 1 {
		f.chosen, f.model = chosen[0].name, mix.models[0]
		return f, nil
	}
	f.chosen, f.model = Combination, mix
	return f, nil
}

// fitCandidates fits the models that want asks for; notes are on those of auto
// that could not be fitted.
func fitCandidates(ctx context.Context, s frame.Series, p parts, want string, floor float64, cfg *Config, opt model.FitOptions) (cands []candidate, notes []string, err error) {
	seen, before := observed(s.Values), observed(s.Values[:p.choice])
	for _, m := range fittedModels() {
		asked := want == m.name
		if !asked && (want != "auto" || m.auto[0] > seen || m.auto[1] < seen) {
			continue
		}
		if before < m.least {
			if asked {
				return nil, nil, fmt.Errorf("forecast model %q needs %d observed points before the part on which models are compared, there are %d; use a shorter horizon or more data", m.name, m.least, before)
			}
			continue
		}
		c, err := m.make(ctx, m.name, s, p, floor, cfg, opt)
		if err != nil {
			if asked || ctx.Err() != nil {
				return nil, nil, err
			}
			if !m.quiet {
				notes = append(notes, err.Error())
			}
			continue
		}
		cands = append(cands, c)
	}
	return cands, notes, nil
}

// Kind implements model.Model.
func (f *Fitted) Kind() string { return Kind }

// Schema implements model.Model: one column, and the step in its name
// ("series/60s").
func (f *Fitted) Schema() *frame.Schema { s := f.schema; return &s }

// Chosen is the name of the model inside, one of Models or Combination.
func (f *Fitted) Chosen() string { return f.chosen }

// Horizon is the number of steps for which it was chosen and its bands were
// calibrated. It can forecast farther; the bands then grow with the square root of
// the distance.
func (f *Fitted) Horizon() int { return f.cfg.Horizon }

// Step is the step of the series that it continues, microseconds.
func (f *Fitted) Step() int64 { return f.step }

// errEmpty is for a history that gives nothing to start from.
var errEmpty = errors.New("the history holds no observed value")

// Forecast implements model.Forecaster. Errors: another step than that of the
// fit, no observed value in history, more than MaxHorizon steps. Infinite
// values count as missing. history is not changed.
func (f *Fitted) Forecast(dst []float64, history frame.Series) error {
	if history.Step != f.step {
		return fmt.Errorf("forecast: the model was fitted on steps of %s, the series has %s", time.Duration(f.step)*time.Microsecond, time.Duration(history.Step)*time.Microsecond)
	}
	if len(dst) > MaxHorizon {
		return fmt.Errorf("forecast horizon %d steps: must be 1 to %d", len(dst), MaxHorizon)
	}
	y, _ := clean(history.Values)
	if len(y) == 0 {
		return fmt.Errorf("forecast of series %q: %w", history.Name, errEmpty)
	}
	history.Start += int64(len(history.Values)-len(y)) * history.Step
	history.Values = y
	for _, r := range f.known() {
		if end := history.End() + int64(len(dst))*history.Step; r.start+int64(len(r.values))*r.step < end {
			return fmt.Errorf("forecast: a regressor has values up to %s, the forecast goes to %s", clock(r.start+int64(len(r.values))*r.step), clock(end))
		}
	}
	f.model.predict(dst, history)
	atLeast(dst, f.floor)
	return nil
}

// known are the regressors that the model inside uses.
func (f *Fitted) known() []regressor {
	models := []predictor{f.model}
	if c, ok := f.model.(*combination); ok {
		models = c.models
	}
	for _, m := range models {
		switch a := m.(type) {
		case *additive:
			return a.extra
		case *additiveLog:
			return a.extra
		}
	}
	return nil
}

// Bands is Forecast with the 80 and 95 % bands, each of length steps.
func (f *Fitted) Bands(history frame.Series, steps int) (mean, lo80, hi80, lo95, hi95 []float64, err error) {
	if steps < 1 || steps > MaxHorizon {
		return nil, nil, nil, nil, nil, fmt.Errorf("forecast horizon %d steps: must be 1 to %d", steps, MaxHorizon)
	}
	mean = make([]float64, steps)
	if err := f.Forecast(mean, history); err != nil {
		return nil, nil, nil, nil, nil, err
	}
	if a, ok := f.model.(*additive); ok && f.cfg.Intervals == "simulated" {
		y, _ := clean(history.Values)
		q := a.simulate(mean, frame.Series{Start: history.End() - int64(len(y))*history.Step, Step: history.Step, Values: y}, f.seed)
		for _, edge := range q {
			atLeast(edge, f.floor)
		}
		return mean, q[1], q[2], q[0], q[3], nil
	}
	lo80, hi80, lo95, hi95 = f.bands.apply(mean, f.floor)
	return mean, lo80, hi80, lo95, hi95, nil
}

// Result is the forecast of the steps behind history, with the backtest of the
// fit.
func (f *Fitted) Result(history frame.Series, horizon int) (*Result, error) {
	r := &Result{
		Series: history.Name, Start: time.UnixMicro(history.End()).UTC(), Step: float64(f.step) / 1e6, Horizon: horizon,
		Chosen: f.chosen, Weights: append([]Weight(nil), f.weights...), Backtest: append([]Score(nil), f.scores...), Test: f.test,
		Warnings: append([]string{}, f.warnings...), // never nil: [] in JSON
		Replay:   f.replay,
	}
	var err error
	r.Mean, r.Lo80, r.Hi80, r.Lo95, r.Hi95, err = f.Bands(history, horizon)
	if err != nil {
		return nil, err
	}
	if horizon > f.cfg.Horizon {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the model was chosen and its intervals were calibrated for %d steps, not %d", f.cfg.Horizon, horizon))
	}
	return r, nil
}
