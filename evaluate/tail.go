package evaluate

import (
	"math"
	"slices"
)

// Operating is what a file keeps of the scores behind its threshold, so that
// another alert budget can be set later: the upper tail of the clean rows, and
// how strongly each known attacker was seen at best. Scores are probabilities in
// [0,1], out of fold.
type Operating struct {
	Clean int64     `json:"clean"` // clean rows scored
	Top   []float64 `json:"top"`   // the highest of their scores, falling; at most operatingTop
	// Attackers is the number of groups (principals) with attacks; Best the
	// quantiles of the highest score of each, rising, evenly spaced.
	Attackers int64     `json:"attackers,omitempty"`
	Best      []float64 `json:"best,omitempty"`
}

const (
	operatingTop  = 256 // 64 for the tail's shape, the others for common budgets
	operatingBest = 101
	tailRows      = 64
)

// NewOperating keeps what is needed of clean scores and of the best score of
// each attacker. Neither slice is changed.
func NewOperating(clean, best []float64) Operating {
	c := slices.Clone(clean)
	slices.SortFunc(c, func(a, b float64) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	op := Operating{Clean: int64(len(c)), Top: slices.Clone(c[:min(len(c), operatingTop)]), Attackers: int64(len(best))}
	if len(best) == 0 {
		return op
	}
	b := slices.Clone(best)
	slices.Sort(b)
	n := min(len(b), operatingBest)
	for i := range n {
		op.Best = append(op.Best, b[i*(len(b)-1)/max(n-1, 1)])
	}
	return op
}

// FPR is the share of the clean rows at or above a threshold with its 95 %
// interval. ok is false if the threshold lies below what is kept: then the share
// is only known to be at least that.
func (o Operating) FPR(threshold float64) (fpr float64, ci Interval, ok bool) {
	if o.Clean == 0 {
		return 0, Interval{0, 1}, false
	}
	k := int64(0)
	for _, s := range o.Top {
		if s >= threshold {
			k++
		}
	}
	ci = Wilson(k, o.Clean)
	if k == 0 {
		ci = Interval{0, UpperBound(0, o.Clean)}
	}
	return float64(k) / float64(o.Clean), ci, k < int64(len(o.Top)) || k == o.Clean
}

// Caught is the share of the known attackers with at least one request at or
// above the threshold; NaN if none is known.
func (o Operating) Caught(threshold float64) float64 {
	if len(o.Best) == 0 {
		return math.NaN()
	}
	k := 0
	for _, s := range o.Best {
		if s >= threshold {
			k++
		}
	}
	return float64(k) / float64(len(o.Best))
}

// Threshold returns the lowest threshold at which the share of clean rows flagged
// stays at or below rate. Where fewer than one clean row would be left, it goes
// on along the tail: the excesses of the log-odds over a high one are taken as
// exponential (peaks over threshold, Pickands 1975, with shape 0), and
// extrapolated says so. ok is false if rate is higher than what is kept (more
// than a few per thousand), or nothing is.
func (o Operating) Threshold(rate float64) (threshold float64, extrapolated, ok bool) {
	n := float64(o.Clean)
	if len(o.Top) == 0 || rate <= 0 || rate*n >= float64(len(o.Top)) {
		return 0, false, false
	}
	if allowed := int(rate * n); allowed >= 1 {
		return above(o.Top[allowed]), false, true
	}
	// Too far out for the rows themselves.
	k := min(tailRows, len(o.Top)-1)
	if k < 8 {
		return 0, false, false
	}
	u := logit(o.Top[k])
	mean := 0.0
	for _, s := range o.Top[:k] {
		mean += (logit(s) - u) / float64(k)
	}
	t := 1 / (1 + math.Exp(-(u + mean*math.Log(float64(k)/(rate*n)))))
	return min(max(t, above(o.Top[0])), 1), true, true
}

// logit is the log-odds of p, bounded where p is 0 or 1.
func logit(p float64) float64 {
	p = min(max(p, 1e-9), 1-1e-9)
	return math.Log(p / (1 - p))
}
