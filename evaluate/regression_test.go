package evaluate

import (
	"math"
	"testing"
)

// TestRegression: values computed by hand; those with a comment also by
// scikit-learn (mean_absolute_error, r2_score, mean_pinball_loss).
func TestRegression(t *testing.T) {
	truth := []float64{3, -0.5, 2, 7}
	pred := []float64{2.5, 0.0, 2, 8}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"MAE", MAE(truth, pred), 0.5},                // the example of sklearn.metrics.mean_absolute_error
		{"RMSE", RMSE(truth, pred), math.Sqrt(0.375)}, // mean_squared_error: 0.375
		{"MedianAE", MedianAE(truth, pred), 0.5},      // median_absolute_error
		{"R2", R2(truth, pred), 0.9486081370449679},   // r2_score
		{"R2 of the mean", R2(truth, []float64{2.875, 2.875, 2.875, 2.875}), 0},
		{"pinball 0.1", Pinball([]float64{1, 2, 3}, []float64{0, 2, 3}, 0.1), 0.1 / 3},   // mean_pinball_loss: 0.033…
		{"pinball 0.1 above", Pinball([]float64{1, 2, 3}, []float64{1, 2, 4}, 0.1), 0.3}, // 0.3
		{"pinball 0.9", Pinball([]float64{1, 2, 3}, []float64{0, 2, 3}, 0.9), 0.3},
		{"pinball 0.5 is half the MAE", Pinball(truth, pred, 0.5), 0.25},
		{"coverage", Coverage(truth, pred), 0.75}, // 3 > 2.5; the others are at or below
		{"LogR2 perfect", LogR2([]float64{0, 1, 5}, []float64{0, 1, 5}, 1), 1},
		// ln(1+v): 0, ln 2, 2·ln 2 against 0, ln 2, ln 2: 1 − (ln 2)²/(2·(ln 2)²).
		{"LogR2", LogR2([]float64{0, 1, 3}, []float64{0, 1, 1}, 1), 0.5},
		{"LogR2 in another unit", LogR2([]float64{0, .001, .003}, []float64{0, .001, .001}, .001), 0.5},
		{"LogR2 clips", LogR2([]float64{0, 1, 3}, []float64{-7, 1, 1}, 1), 0.5},
		{"MedianAE odd", MedianAE([]float64{1, 2, 9}, []float64{1, 1, 1}), 1},
	} {
		if math.Abs(c.got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	for name, v := range map[string]float64{
		"MAE": MAE(nil, nil), "RMSE": RMSE(nil, nil), "MedianAE": MedianAE(nil, nil), "R2": R2(nil, nil),
		"Pinball": Pinball(nil, nil, .5), "Coverage": Coverage(nil, nil), "R2 constant": R2([]float64{2, 2}, []float64{1, 3}),
	} {
		if !math.IsNaN(v) {
			t.Errorf("%s of nothing: %v", name, v)
		}
	}
	defer func() {
		if recover() != "evaluate: slice length mismatch" {
			t.Error("slices of different lengths were taken")
		}
	}()
	MAE([]float64{1}, nil)
}

// TestPinballMinimum: no constant has a lower loss than the quantile.
func TestPinballMinimum(t *testing.T) {
	truth := make([]float64, 101)
	for i := range truth {
		truth[i] = float64(i * i)
	}
	constant := func(v float64) []float64 {
		out := make([]float64, len(truth))
		for i := range out {
			out[i] = v
		}
		return out
	}
	for _, level := range []float64{.05, .5, .95, .99} {
		at := truth[int(math.Ceil(level*101))-1]
		least := Pinball(truth, constant(at), level)
		for v := -10.0; v < 10100; v += 7.5 {
			if Pinball(truth, constant(v), level) < least-1e-9 {
				t.Errorf("level %v: %v is better than the quantile %v", level, v, at)
			}
		}
	}
}
