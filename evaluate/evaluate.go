// Package evaluate measures predictions: confusion matrices with per-class
// figures and their intervals, ROC and precision-recall curves, calibration,
// thresholds for an alert budget, drift. It knows no model and no HTTP: it works
// on plain slices, and every function is pure and deterministic.
//
// Use: Confuse for predicted classes, ROC, PR, AUC and AveragePrecision for
// scores, LogLoss, Brier and Calibrate for probabilities, BudgetThreshold to
// choose an operating point from clean scores, PSI to compare a column of two
// periods. Package train puts these together for a fitted model.
//
// Conventions. scores[i] belongs to row i, higher = more positive; a row is
// flagged at threshold t if score ≥ t. A score of NaN counts as the lowest of
// all. proba is row-major: proba[i*classes+c] = P(class c | row i). A metric
// that is not defined (an AUC without positives) is NaN; those that scikit-learn
// sets to 0 by its zero_division rule are 0. Functions panic with "evaluate:
// slice length mismatch" if their slices do not belong together: that is a
// defect of the caller, not of the data.
package evaluate

import "math"

func mustMatch(ok bool) {
	if !ok {
		panic("evaluate: slice length mismatch")
	}
}

// ratio is a/b, and 0 if b is 0 (scikit-learn's zero_division=0).
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Interval is a closed interval.
type Interval struct {
	Lo float64 `json:"lo"`
	Hi float64 `json:"hi"`
}

// z95 is the 97.5 % quantile of the standard normal distribution.
const z95 = 1.959963984540054

// Wilson is the 95 % score interval of a share of which k of n were seen
// (Wilson 1927, "Probable inference, the law of succession, and statistical
// inference"): [0,1] for n = 0, never outside [0,1], never empty.
func Wilson(k, n int64) Interval {
	if n == 0 {
		return Interval{0, 1}
	}
	p, m := float64(k)/float64(n), float64(n)
	z2 := z95 * z95
	den := 1 + z2/m
	mid := (p + z2/(2*m)) / den
	half := z95 / den * math.Sqrt(float64(p*(1-p))/m+z2/(4*m*m))
	iv := Interval{math.Max(0, mid-half), math.Min(1, mid+half)}
	// Rounding must not leave 0 of n or n of n outside its own interval.
	if k == 0 {
		iv.Lo = 0
	}
	if k == n {
		iv.Hi = 1
	}
	return iv
}

// UpperBound is an upper 95 % bound of a share of which k of n were seen: 3/n
// for k = 0 (the rule of three, Hanley & Lippman-Hand 1983), else the upper end
// of the Wilson interval; 1 if n is too small to bound anything.
func UpperBound(k, n int64) float64 {
	switch {
	case n == 0:
		return 1
	case k == 0:
		return math.Min(1, 3/float64(n))
	}
	return Wilson(k, n).Hi
}

// MeanSD is the mean of v and its standard deviation with n−1 in the
// denominator. Values that are NaN are left out; n is how many were left. The
// mean of nothing and the deviation of fewer than two values are NaN.
func MeanSD(v []float64) (mean, sd float64, n int) {
	var sum float64
	for _, x := range v {
		if !math.IsNaN(x) {
			sum += x
			n++
		}
	}
	mean = sum / float64(n)
	var ss float64
	for _, x := range v {
		if !math.IsNaN(x) {
			ss += float64((x - mean) * (x - mean))
		}
	}
	if n < 2 {
		return mean, math.NaN(), n
	}
	return mean, math.Sqrt(ss / float64(n-1)), n
}
