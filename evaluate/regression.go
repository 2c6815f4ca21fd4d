package evaluate

import (
	"math"
	"slices"
)

// Metrics of predicted numbers. truth[i] and pred[i] belong to row i and share
// a unit; neither may hold NaN. Metrics of no rows are NaN. There is no mean
// absolute percentage error here: it punishes only predictions that are too
// high, and is not defined where the truth is 0.

// MAE is the mean of |truth − pred|, in the unit of both.
func MAE(truth, pred []float64) float64 {
	mustMatch(len(truth) == len(pred))
	var sum float64
	for i, t := range truth {
		sum += math.Abs(t - pred[i])
	}
	return sum / float64(len(truth))
}

// RMSE is the root of the mean of (truth − pred)², in the unit of both.
func RMSE(truth, pred []float64) float64 {
	mustMatch(len(truth) == len(pred))
	var sum float64
	for i, t := range truth {
		sum += float64((t - pred[i]) * (t - pred[i]))
	}
	return math.Sqrt(sum / float64(len(truth)))
}

// MedianAE is the median of |truth − pred|: of an even number of rows the mean
// of the middle two.
func MedianAE(truth, pred []float64) float64 {
	mustMatch(len(truth) == len(pred))
	n := len(truth)
	if n == 0 {
		return math.NaN()
	}
	d := make([]float64, n)
	for i, t := range truth {
		d[i] = math.Abs(t - pred[i])
	}
	slices.Sort(d)
	return (d[(n-1)/2] + d[n/2]) / 2
}

// R2 is the coefficient of determination 1 − Σ(truth−pred)² / Σ(truth−mean)²:
// 1 is perfect, 0 as good as the mean of these rows, below 0 worse. NaN if all
// truths are equal.
func R2(truth, pred []float64) float64 {
	mustMatch(len(truth) == len(pred))
	var mean, res, tot float64
	for _, t := range truth {
		mean += t
	}
	mean /= float64(len(truth))
	for i, t := range truth {
		res += float64((t - pred[i]) * (t - pred[i]))
		tot += float64((t - mean) * (t - mean))
	}
	if tot == 0 {
		return math.NaN()
	}
	return 1 - res/tot
}

// LogR2 is R2 of ln(1 + v/unit): the share of the variance on the log scale that
// is explained. Values below 0 count as 0. unit is where the scale turns from
// linear to logarithmic: 0.001 for latencies in seconds means that differences
// far below a millisecond do not count.
func LogR2(truth, pred []float64, unit float64) float64 {
	mustMatch(len(truth) == len(pred))
	log := func(v []float64) []float64 {
		out := make([]float64, len(v))
		for i, x := range v {
			out[i] = math.Log1p(max(x, 0) / unit)
		}
		return out
	}
	return R2(log(truth), log(pred))
}

// Pinball is the mean pinball loss of predicted quantiles of that level (Koenker
// & Bassett 1978): level·(truth−pred) where the truth is above, else
// (1−level)·(pred−truth). The true quantile minimises it; at 0.5 it is half the
// MAE.
func Pinball(truth, pred []float64, level float64) float64 {
	mustMatch(len(truth) == len(pred))
	var sum float64
	for i, t := range truth {
		if d := t - pred[i]; d >= 0 {
			sum += float64(level * d)
		} else {
			sum += float64((level - 1) * d)
		}
	}
	return sum / float64(len(truth))
}

// Coverage is the share of rows with truth ≤ pred. For a predicted quantile it
// should be its level.
func Coverage(truth, pred []float64) float64 {
	mustMatch(len(truth) == len(pred))
	n := 0
	for i, t := range truth {
		if t <= pred[i] {
			n++
		}
	}
	return float64(n) / float64(len(truth))
}
