package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"apiml/frame"
	"apiml/model"
)

// candidate is one model under test: predict writes the steps that follow hist
// to dst. hist is not empty, holds at least one observed value, and is the
// beginning of the series under test or, after finish, any history of its step.
type candidate struct {
	name    string
	season  int // steps, 0 for models without one
	predict func(dst []float64, hist frame.Series)
	// finish fits a model for forecasts behind the whole series; nil for rules,
	// which have nothing to fit.
	finish func(ctx context.Context) (predictor, error)
}

// predictor is a fitted model.
type predictor interface {
	predict(dst []float64, hist frame.Series)
}

// rule is a predictor that computes its forecast from the history alone.
type rule func(dst, hist []float64)

func (r rule) predict(dst []float64, hist frame.Series) { r(dst, hist.Values) }

// The two seasons of traffic, in microseconds.
const (
	day  = 24 * 3600 * 1_000_000
	week = 7 * day
)

// seasonSteps is the period of a seasonal naive in steps, 0 if it is no whole
// number of at least two.
func seasonSteps(name string, step int64) int {
	period := int64(day)
	if name == "snaive-weekly" {
		period = week
	}
	if m := period / step; period%step == 0 && m >= 2 {
		return int(m)
	}
	return 0
}

// ruleOf is the naive rule of that name; nil if there is none or the step does
// not allow it.
func ruleOf(name string, step int64) rule {
	switch name {
	case "snaive-daily", "snaive-weekly":
		m := seasonSteps(name, step)
		if m == 0 {
			return nil
		}
		return func(dst, hist []float64) { seasonalNaive(dst, hist, m) }
	case "mean":
		return func(dst, hist []float64) { fill(dst, mean(recent(hist, len(dst)))) }
	case "median":
		return func(dst, hist []float64) { fill(dst, median(recent(hist, len(dst)))) }
	case "last":
		return func(dst, hist []float64) { fill(dst, recent(hist, 1)[0]) }
	}
	return nil
}

// rules returns the naive models that the step and the parts allow, seasonal
// ones first, and notes on those that they do not. A season is a candidate if
// one whole period lies before the first origin at which models are compared,
// so that all rows are measured on the same origins. horizon is the one asked for,
// of which that of p may be a part.
func rules(step int64, p parts, horizon int) (out []candidate, notes []string) {
	for _, name := range []string{"snaive-daily", "snaive-weekly", "mean", "median", "last"} {
		r := ruleOf(name, step)
		if r == nil {
			continue // no whole number of steps: nothing repeats at step m
		}
		m := 0
		if name[0] == 's' {
			if m = seasonSteps(name, step); m > p.choice {
				need := min(seasonNeed(m, horizon), max(int(math.Ceil(float64(m)/(1-2*testShare))), m+2*horizon))
				notes = append(notes, fmt.Sprintf("no %s season: it needs about %s of data, the series spans %s",
					name[len("snaive-"):], span(int64(need)*step), span(int64(p.n)*step)))
				continue
			}
		}
		out = append(out, candidate{name: name, season: m, predict: r.predict})
	}
	return out, notes
}

// refits is how often a model is fitted in a backtest, at most times: before the
// first origin and then after each equal share of the way to the end, but not more
// often than once per horizon, and the less often the longer the series. Between
// two fits only its state moves.
func refits(p parts, most int) int {
	return max(5, min(250_000/p.n, (p.n-p.choice)/p.h, most))
}

// The additive models have no state but the latest errors: their trend ages, so
// they are fitted more often where that costs little.
const (
	refitsState    = 10
	refitsAdditive = 40
)

// autoLSTM is the number of observed points with which the LSTM joins auto:
// below, it has too little to learn from; above, its fit on the latest points
// says little about the series, and rules and additive model already take most
// of the time that a user will wait.
var autoLSTM = [2]int{500, 20_160} // two weeks of minutes

// fittedModel is a model that is fitted to the series.
type fittedModel struct {
	name  string
	least int    // observed points before the part on which models are compared
	auto  [2]int // auto tries it from and to so many observed points
	quiet bool   // auto leaves it out without a word where it does not fit
	make  func(ctx context.Context, name string, s frame.Series, p parts, floor float64, cfg *Config, opt model.FitOptions) (candidate, error)
}

func fittedModels() []fittedModel {
	out := []fittedModel{
		{name: "additive", least: minAdditive, auto: [2]int{0, math.MaxInt}, make: additiveCandidate},
		{name: "additive-log", least: minAdditive, auto: [2]int{0, math.MaxInt}, quiet: true, make: additiveLogCandidate},
		{name: "lstm", least: minLSTM, auto: autoLSTM, make: lstmCandidate},
	}
	for _, kind := range localKinds() {
		out = append(out, fittedModel{name: kind, least: minLocal, auto: [2]int{0, math.MaxInt}, quiet: true, make: localCandidate})
	}
	return out
}

// onSchedule is a candidate that is fitted before the first origin and then
// after each equal share of the way to the end.
func onSchedule[T predictor](ctx context.Context, name string, s frame.Series, p parts, floor float64, workers, most int, fit func(context.Context, frame.Series) (T, error)) (candidate, error) {
	count := refits(p, most)
	fits := make([]T, count)
	var origins []int
	for i := range count {
		origins = append(origins, p.choice+i*(p.n-p.choice)/count)
	}
	err := model.Parallel(ctx, workers, count, nil, func(_, i int) (err error) {
		fits[i], err = fit(ctx, until(s, origins[i]))
		return err
	})
	return candidate{
		name: name,
		predict: func(dst []float64, hist frame.Series) {
			i, found := slices.BinarySearch(origins, len(hist.Values))
			if !found {
				i--
			}
			fits[i].predict(dst, hist)
			atLeast(dst, floor)
		},
		finish: func(ctx context.Context) (predictor, error) {
			return fit(ctx, s)
		},
	}, err
}

func additiveCandidate(ctx context.Context, name string, s frame.Series, p parts, floor float64, cfg *Config, opt model.FitOptions) (candidate, error) {
	return onSchedule(ctx, name, s, p, floor, opt.Workers, refitsAdditive, func(ctx context.Context, s frame.Series) (*additive, error) { return fitAdditive(ctx, s, cfg) })
}

func localCandidate(ctx context.Context, name string, s frame.Series, p parts, floor float64, _ *Config, opt model.FitOptions) (candidate, error) {
	// A season that only the whole series shows would make the last fit fail.
	if m := periodsOf(s.Step, len(s.Values)); name == "analog" && len(m) > 0 && len(s.Values) < 4*m[0] {
		return candidate{}, fmt.Errorf("model %q: %d steps are too few for a season of %d", name, len(s.Values), m[0])
	}
	return onSchedule(ctx, name, s, p, floor, opt.Workers, refitsState, func(ctx context.Context, s frame.Series) (*local, error) { return fitLocal(ctx, name, s, p.h) })
}

// lstmCandidate fits the network once, on what lies before the first origin;
// from there on only its state moves.
func lstmCandidate(ctx context.Context, name string, s frame.Series, p parts, floor float64, cfg *Config, opt model.FitOptions) (candidate, error) {
	m, err := fitLSTMBag(ctx, until(s, p.choice), p.h, cfg, opt)
	return candidate{
		name: name,
		predict: func(dst []float64, hist frame.Series) {
			m.predict(dst, hist)
			atLeast(dst, floor)
		},
		finish: func(ctx context.Context) (predictor, error) {
			m, err := fitLSTMBag(ctx, s, p.h, cfg, opt)
			if err != nil {
				return nil, err
			}
			return m, nil
		},
	}, err
}

func atLeast(dst []float64, floor float64) {
	for i, v := range dst {
		dst[i] = max(v, floor)
	}
}

// seasonalNaive repeats the last period of m steps. Where that value is
// missing it takes the one of the period before, and so on; where all are, the
// last observed value.
func seasonalNaive(dst, hist []float64, m int) {
	for i := range dst {
		v := math.NaN()
		for j := len(hist) - m + i%m; j >= 0 && math.IsNaN(v); j -= m {
			v = hist[j]
		}
		if math.IsNaN(v) {
			v = recent(hist, 1)[0]
		}
		dst[i] = v
	}
}

// recent returns the observed values among the last n steps of hist; if there
// are none, the last observed value before them. The result is not shared with
// hist.
func recent(hist []float64, n int) []float64 {
	var out []float64
	for i := len(hist) - 1; i >= 0; i-- {
		if i < len(hist)-n && len(out) > 0 {
			break
		}
		if !math.IsNaN(hist[i]) {
			out = append(out, hist[i])
			if i < len(hist)-n {
				break
			}
		}
	}
	return out
}

func mean(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

// median sorts v.
func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

func fill(dst []float64, v float64) {
	for i := range dst {
		dst[i] = v
	}
}

// span prints a length of time in the largest unit that gives at least 2.
func span(us int64) string {
	d := time.Duration(us) * time.Microsecond
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.1f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f minutes", d.Minutes())
}
