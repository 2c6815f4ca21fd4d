package forecast

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"apiml/frame"
	"apiml/model"
)

// Series that share their dynamics: one network for all of them is better than
// repeating the day, and than the last value with seasonal indices (OWA 1); the
// same seed gives the same network.
func TestGlobalLSTM(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	const n, h = 24 * 8, 12
	var set []SetSeries
	for k := range 40 {
		level, size, noise := 50+200*rng.Float64(), .2+.5*rng.Float64(), 0.0
		s := series(60*minute, n+h, func(i int) float64 {
			noise = .9*noise + .05*rng.NormFloat64()
			return level * math.Exp(size*math.Sin(2*math.Pi*float64(i)/24)+noise)
		})
		s.Name = fmt.Sprintf("s%d", k)
		set = append(set, SetSeries{until(s, n), s.Values[n:]})
	}
	score := func(name string) *SetScore {
		cfg := Default()
		cfg.Model = name
		r, err := EvaluateSet(t.Context(), set, 24, cfg, model.FitOptions{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	global, naive := score(Global), score("snaive-daily")
	t.Logf("OWA: global %.3f, seasonal naive %.3f", global.OWA, naive.OWA)
	if global.OWA > .9*naive.OWA || global.OWA > 1 {
		t.Errorf("OWA: global %.3f, seasonal naive %.3f", global.OWA, naive.OWA)
	}
	if again := score(Global); again.OWA != global.OWA {
		t.Errorf("OWA %v, then %v", global.OWA, again.OWA)
	}
}

func TestGlobalLSTMOdd(t *testing.T) {
	nan := math.NaN()
	set := []frame.Series{
		series(60*minute, 200, func(i int) float64 { return float64(i % 24) }),
		series(60*minute, 100, func(int) float64 { return 7 }),
		series(60*minute, 60, func(i int) float64 { return []float64{nan, -3, math.Inf(1), 5}[i%4] }),
		series(60*minute, 30, func(int) float64 { return 0 }),
	}
	cfg := Default()
	g, err := FitGlobalLSTM(t.Context(), set, 6, cfg, model.FitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]float64, 20) // beyond the horizon of the fit
	for i, s := range set {
		if err := g.Forecast(dst, s); err != nil || slices.ContainsFunc(dst, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
			t.Errorf("series %d: %v, %v", i, err, dst)
		}
	}
	if err := g.Forecast(dst, set[1]); err != nil || math.Abs(dst[19]-7) > 1 {
		t.Errorf("constant: %v, %v", err, dst)
	}
	for name, bad := range map[string][]frame.Series{
		"none": nil, "short": {series(60*minute, 5, func(int) float64 { return 1 })}, "steps": {set[0], series(minute, 100, func(int) float64 { return 1 })},
	} {
		if _, err := FitGlobalLSTM(t.Context(), bad, 6, cfg, model.FitOptions{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := FitGlobalLSTM(t.Context(), set, 0, cfg, model.FitOptions{}); err == nil {
		t.Error("horizon 0: no error")
	}
	if err := g.Forecast(dst, series(minute, 100, func(int) float64 { return 1 })); err == nil {
		t.Error("other step: no error")
	}
	if err := g.Forecast(dst, series(60*minute, 3, func(int) float64 { return 1 })); err == nil || errors.Is(err, errEmpty) {
		t.Errorf("three values: %v", err)
	}
}
