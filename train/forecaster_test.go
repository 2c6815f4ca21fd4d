package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
)

const hour = int64(3600_000_000)

// lastValue is the simplest forecaster: the last observed value. It remembers
// the longest history that it was fitted on.
type lastValue struct {
	fitted int
	schema frame.Schema
}

func (l *lastValue) Kind() string             { return "last_value" }
func (l *lastValue) Schema() *frame.Schema    { return &l.schema }
func (l *lastValue) Encode(*model.File) error { return nil }
func (l *lastValue) Forecast(dst []float64, s frame.Series) error {
	v := math.NaN()
	for _, x := range s.Values {
		if !math.IsNaN(x) {
			v = x
		}
	}
	for i := range dst {
		dst[i] = v
	}
	return nil
}

// banded adds bands of ±1 and ±2 and a horizon.
type banded struct {
	lastValue
	horizon int
}

func (b *banded) Horizon() int { return b.horizon }
func (b *banded) Bands(s frame.Series, steps int) (mean, lo80, hi80, lo95, hi95 []float64, err error) {
	mean = make([]float64, steps)
	err = b.Forecast(mean, s)
	shift := func(d float64) (out []float64) {
		for _, v := range mean {
			out = append(out, v+d)
		}
		return out
	}
	return mean, shift(-1), shift(1), shift(-2), shift(2), err
}

func seriesSpec(fits *[]int, horizon int) model.Spec {
	return model.Spec{Name: "forecast", Role: model.RoleForecaster,
		FitSeries: func(ctx context.Context, s frame.Series, _ json.RawMessage, opt model.FitOptions) (model.Model, error) {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			*fits = append(*fits, len(s.Values))
			if horizon == 0 {
				return &lastValue{fitted: len(s.Values)}, nil
			}
			return &banded{lastValue{fitted: len(s.Values)}, horizon}, nil
		}}
}

func ramp(n int) frame.Series {
	s := frame.Series{Name: "ramp", Step: hour}
	for i := range n {
		s.Values = append(s.Values, float64(i))
	}
	return s
}

// A ramp of 20 steps, 2 folds, horizon 2: fits on 10 and 15 steps; the last value
// is wrong by 1, 2, 1, 2, 1 on the steps 10–14 and 15–19. In a ramp the error of
// the last value is 1, so MASE is the mean error.
func TestForecasterByHand(t *testing.T) {
	var fits []int
	r, err := CrossValidateForecaster(t.Context(), ramp(20), seriesSpec(&fits, 2), Options{Folds: 2})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(fits, []int{10, 15}) || r.Rows != 10 || len(r.Folds) != 2 || r.Folds[1].Train != 15 || r.Folds[1].Test != 5 {
		t.Errorf("fits on %v, result %+v", fits, r)
	}
	close := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	sum := 0.0
	for i := 10; i < 20; i++ {
		sum += float64(i)
	}
	close("wape", r.Metrics["wape"].Pooled, 14/sum)
	close("wape of fold 0", r.Folds[0].Metrics["wape"], 7./(10+11+12+13+14))
	// Cochran's deviations of a ratio: ±(7 − 60·R)/72.5 around R.
	close("mean of the folds", r.Metrics["wape"].Mean, 14/sum)
	close("spread of the folds", r.Metrics["wape"].SD, math.Sqrt2*math.Abs(7-60*14/sum)/72.5)
	close("mase", r.Metrics["mase"].Pooled, 1.4)
	close("coverage80", r.Metrics["coverage80"].Pooled, 0.6) // errors of 1 lie on the bound
	close("coverage95", r.Metrics["coverage95"].Pooled, 1)
	// The mean of the last two steps is half a step worse.
	if r.BaselineName != "recent_mean" || len(r.Baselines) != 1 {
		t.Errorf("baselines %q of %v", r.BaselineName, r.Baselines)
	}
	close("baseline's wape", r.Baseline["wape"].Pooled, (14+5)/sum)
	close("baseline's fold", r.Folds[1].Baseline["mase"], 1.9)
	if len(r.Findings) != 0 || !strings.Contains(r.Protocol, "rolling origin, 2 folds") || !strings.Contains(r.Protocol, "horizon 2") {
		t.Errorf("findings %v, protocol %q", r.Findings, r.Protocol)
	}
	for _, m := range ForecastMetrics() {
		if _, ok := r.Metrics[m.Name]; !ok {
			t.Errorf("no metric %q", m.Name)
		}
		delete(r.Metrics, m.Name)
	}
	if len(r.Metrics) > 0 {
		t.Errorf("metrics that are not listed: %v", r.Metrics)
	}
}

// On a daily wave the seasonal naive is the baseline to beat, and the finding
// says that a constant does not.
func TestForecasterBaselines(t *testing.T) {
	s := frame.Series{Name: "wave", Step: hour}
	for i := range 24 * 30 {
		v := math.Round(100 + 50*math.Sin(float64(i)*2*math.Pi/24))
		if i%24 == 3 {
			v = math.NaN()
		}
		if d := i / 24 % 7; d > 4 {
			v /= 2
		}
		s.Values = append(s.Values, v)
	}
	var fits []int
	r, err := CrossValidateForecaster(t.Context(), s, seriesSpec(&fits, 0), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"snaive_daily", "snaive_weekly", "recent_mean"} {
		if _, ok := r.Baselines[name]; !ok {
			t.Errorf("no baseline %q", name)
		}
	}
	if r.BaselineName != "snaive_weekly" || r.Baseline["wape"].Pooled > 1e-12 || r.Baseline["coverage80"].Pooled != 1 {
		t.Errorf("baseline %q, %v", r.BaselineName, r.Baseline)
	}
	if len(r.Findings) != 1 || r.Findings[0].What != "no better than the baseline" {
		t.Errorf("findings %v", r.Findings)
	}
	if _, ok := r.Metrics["coverage80"]; ok {
		t.Error("coverage of a model without bands")
	}
	if len(fits) != 5 || r.Folds[0].Train+r.Folds[4].Test > r.Rows+360 {
		t.Errorf("fits %v, folds %v", fits, r.Folds)
	}
}

// A fold of a night without requests spreads as far as its errors go, not as far as
// they stand above nothing: fold values 1 and 100, errors 100 and 1.
func TestForecasterQuietFold(t *testing.T) {
	parts := []tally{{n: 1, abs: 100, sum: 100}, {n: 1, abs: 1, sum: 0.01}}
	mean, values := deviations(parts, "wape")
	_, sd, _ := evaluate.MeanSD(values)
	if math.Abs(mean-101/100.01) > 1e-12 || math.Abs(values[0]+values[1]-2*mean) > 1e-12 || sd > 0.05 {
		t.Errorf("mean %v, values %v, spread %v", mean, values, sd)
	}
	if mean, values := deviations(make([]tally, 2), "smape"); !math.IsNaN(mean) || !math.IsNaN(values[0]) {
		t.Errorf("of nothing: %v, %v", mean, values)
	}
}

func TestForecasterHoldOut(t *testing.T) {
	s := ramp(100)
	fit, from, rule := HoldOutSeries(s)
	if from != 80 || len(fit.Values) != 80 || rule == "" {
		t.Fatalf("%d of %d, %q", from, len(fit.Values), rule)
	}
	var fits []int
	f, err := FitForecaster(t.Context(), s, from, seriesSpec(&fits, 4), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	h := f.HeldOut
	if !slices.Equal(fits, []int{80}) || h.Rows != 20 {
		t.Errorf("fits %v, %+v", fits, h)
	}
	// Errors 1, 2, 3, 4; a season of 24 steps fits, and its error in a ramp is 24.
	if got := h.Metrics["mase"].Pooled; math.Abs(got-2.5/24) > 1e-12 {
		t.Errorf("mase %v", got)
	}
	if sd := h.Metrics["wape"].SD; !(sd > 0 && sd < 0.02) || h.Metrics["wape"].Mean != h.Metrics["wape"].Pooled {
		t.Errorf("wape %+v", h.Metrics["wape"])
	}
	again, err := EvaluateForecaster(t.Context(), f.Model, s, from, EvalOptions{Model: "forecast", Dataset: "ramp", Protocol: "held-out steps", Seed: 1})
	if err != nil || !reflect.DeepEqual(again, h) {
		t.Errorf("evaluated again: %+v, %v; was %+v", again, err, h)
	}
	if f, err := FitForecaster(t.Context(), s, 100, seriesSpec(&fits, 4), Options{}); err != nil || f.HeldOut != nil {
		t.Errorf("without held-out steps: %+v, %v", f, err)
	}
}

func TestForecasterErrors(t *testing.T) {
	var fits []int
	good := seriesSpec(&fits, 2)
	nan := ramp(40)
	for i := range nan.Values {
		nan.Values[i] = math.NaN()
	}
	infinite := ramp(40)
	infinite.Values[7] = math.Inf(1)
	still := ramp(40)
	still.Step = 0
	for name, s := range map[string]frame.Series{"empty": {Step: hour}, "one": ramp(1), "few": ramp(6), "nothing observed": nan, "infinite": infinite, "no step": still} {
		if _, err := CrossValidateForecaster(t.Context(), s, good, Options{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := CrossValidateForecaster(t.Context(), ramp(40), model.Spec{Name: "forecast"}, Options{}); err == nil {
		t.Error("a model that cannot be fitted")
	}
	if _, err := FitForecaster(t.Context(), ramp(40), 41, good, Options{}); err == nil {
		t.Error("held-out steps behind the end")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := CrossValidateForecaster(ctx, ramp(40), good, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// A history that is too short for the model costs its fold, not the run.
	late := good
	late.FitSeries = func(ctx context.Context, s frame.Series, c json.RawMessage, opt model.FitOptions) (model.Model, error) {
		if len(s.Values) < 30 {
			return nil, fmt.Errorf("too short")
		}
		return good.FitSeries(ctx, s, c, opt)
	}
	r, err := CrossValidateForecaster(t.Context(), ramp(40), late, Options{Folds: 4})
	if err != nil || len(r.Folds) != 2 || len(r.Notes) < 2 || r.Rows != 10 {
		t.Errorf("%+v, %v", r, err)
	}
	zero := ramp(40)
	clear(zero.Values)
	if r, err := CrossValidateForecaster(t.Context(), zero, good, Options{}); err != nil || r.Metrics["wape"].Pooled != 0 || r.BaselineName == "" {
		t.Errorf("zeros: %+v, %v", r, err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}
