package forecast

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"apiml/frame"
	"apiml/model"
	"apiml/model/boost"
)

// The trees forecast by boosting (package boost) with absolute errors, whose
// minimum is the median, as measures like WAPE want it: one ensemble for all
// steps ahead, with the step as an input (as in the direct methods of the M5
// competition, Makridakis, Spiliotis & Assimakopoulos, IJF 38, 2022). Inputs and
// target are differences from the mean of the latest steps, on logarithms for
// positive series: a tree cannot extrapolate, differences need not.
//
// treeRows pairs of an origin and a step are drawn, the latest origins more
// densely: O(rounds · rows · inputs) for a fit.

const (
	treeRows   = 10_000
	treeRounds = 60
)

// treeInputs names the columns.
func treeInputs() *frame.Schema {
	s := &frame.Schema{Name: "forecast-trees/1"}
	for _, c := range []string{"ahead", "last", "last3", "longer", "period", "spread", "slope", "of_day", "of_week", "day_ago", "day_change", "days_change", "week_change", "weeks_change"} {
		s.Columns = append(s.Columns, frame.Column{Name: c})
	}
	return s
}

// lags makes the inputs on a history.
type lags struct {
	z     []float64
	sums  []float64
	sq    []float64
	w     int // steps of the base level
	m, mw int // steps of a day and of a week, 0 = none
	phase int // of z[0] in the longest of them
}

func (l *local) lags(s frame.Series, z []float64, w int) *lags {
	g := &lags{z: z, w: w}
	if len(l.m) > 0 {
		g.m = l.m[0]
		if len(l.m) > 1 && l.m[1] == 7*g.m {
			g.mw = l.m[1]
		}
		g.phase = phaseOf(s, max(g.m, g.mw))
	}
	g.sums, g.sq = prefixSums(z)
	return g
}

// mean is that of z[lo:hi]; NaN if it begins before the history.
func (g *lags) mean(lo, hi int) float64 {
	if lo < 0 || hi <= lo {
		return math.NaN()
	}
	return (g.sums[hi] - g.sums[lo]) / float64(hi-lo)
}

// need is the least history of an origin.
func (g *lags) need() int { return max(4*g.w, g.m+g.w+1) }

// base is the level at origin o.
func (g *lags) base(o int) float64 { return g.mean(o-g.w, o) }

// row writes the inputs of step j ahead of origin o.
func (g *lags) row(put func(column int, v float64), o, j int) {
	a := g.base(o)
	put(0, float64(j))
	put(1, g.z[o-1]-a)
	put(2, g.mean(o-min(3, g.w), o)-a)
	put(3, g.mean(o-4*g.w, o)-a)
	variance := (g.sq[o]-g.sq[o-g.w])/float64(g.w) - a*a
	put(5, math.Sqrt(max(0, variance)))
	put(6, g.mean(o-(g.w+1)/2, o)-a)
	nan := math.NaN()
	for c := 7; c < 14; c++ {
		put(c, nan)
	}
	put(4, nan)
	if g.m == 0 {
		return
	}
	put(4, g.mean(o-g.m, o)-a)
	t := o + j
	place := g.phase + t
	put(7, float64(place%g.m))
	k := (j / g.m) + 1
	change := func(back int) float64 {
		if o-back-g.w < 0 {
			return nan
		}
		return g.near(t-back, o) - g.mean(o-back-g.w, o-back)
	}
	put(9, g.near(t-k*g.m, o)-a)
	put(10, change(k*g.m))
	sum, n := 0.0, 0.0
	for d := k; d < k+7; d++ {
		if v := change(d * g.m); !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	if n > 0 {
		put(11, sum/n)
	}
	if g.mw == 0 {
		return
	}
	put(8, float64(place%g.mw/g.m))
	k = j/g.mw + 1
	put(12, change(k*g.mw))
	sum, n = 0, 0
	for d := k; d < k+4; d++ {
		if v := change(d * g.mw); !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	if n > 0 {
		put(13, sum/n)
	}
}

// near is the mean of the values around i, of one for a short period and of more
// for a long one, none of them at o or later.
func (g *lags) near(i, o int) float64 {
	r := g.m / 96
	return g.mean(max(i-r, 0), min(i+r+1, o))
}

// fitTrees grows the ensemble on z, the working values of s.
func (l *local) fitTrees(ctx context.Context, s frame.Series, z []float64, h int) error {
	w := max(3, min(h, 24, len(z)/20))
	l.par = []float64{float64(w)}
	h = min(h, 4*maxAhead)
	g := l.lags(s, z, w)
	first, last := g.need(), len(z)-h
	if last-first < 100 {
		return fmt.Errorf("model %q: %d steps are too few", l.kind, len(z))
	}
	rng := rand.New(rand.NewPCG(1, uint64(len(z))))
	n := min(treeRows, (last-first)*min(h, 8))
	x := frame.NewMatrix(treeInputs(), n)
	x.Target = make([]float64, 0, n)
	for tries := 0; len(x.Target) < n && tries < 3*n; tries++ {
		u := rng.Float64()
		o := last - int(u*u*float64(last-first)*0.5+u*float64(last-first)*0.5)
		j := rng.IntN(h)
		if math.IsNaN(s.Values[o+j]) {
			continue
		}
		i := len(x.Target)
		g.row(func(c int, v float64) { x.Cols[c][i] = float32(v) }, o, j)
		x.Target = append(x.Target, z[o+j]-g.base(o))
	}
	if len(x.Target) < 100 {
		return fmt.Errorf("model %q: %d observed steps are too few", l.kind, len(x.Target))
	}
	x.N = len(x.Target)
	for c := range x.Cols {
		x.Cols[c] = x.Cols[c][:x.N]
	}
	c := boost.Default()
	c.Rounds, c.LearningRate, c.MaxDepth, c.MinChildWeight = treeRounds, 0.1, 5, 20
	c.EarlyStoppingRounds, c.Objective, c.Quantiles, c.Calibrate, c.Bins = 0, boost.AbsoluteError, nil, false, 64
	var err error
	l.ensemble, err = boost.Fit(ctx, x, c, model.FitOptions{Seed: 1, Workers: 1})
	return err
}

// predictTrees continues z.
func (l *local) predictTrees(dst []float64, s frame.Series, z []float64) {
	w := int(l.par[0])
	g := l.lags(s, z, w)
	o := len(z)
	if o < g.need() {
		fill(dst, g.mean(max(0, o-w), o))
		return
	}
	x := frame.NewMatrix(treeInputs(), len(dst))
	for j := range dst {
		g.row(func(c int, v float64) { x.Cols[c][j] = float32(v) }, o, j)
	}
	l.ensemble.Predict(dst, x, 0, len(dst))
	a := g.base(o)
	for j := range dst {
		dst[j] += a
	}
}
