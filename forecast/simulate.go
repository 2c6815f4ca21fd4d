package forecast

import (
	"math"
	"math/rand/v2"
	"slices"

	"apiml/frame"
)

// Prophet's intervals (Taylor & Letham 2018, section 3.1.4): the trend ahead bends
// as often as in the history, by Laplace distributed amounts whose scale is the
// mean of the bends that were found, and the noise is normal. They say what the
// model thinks of itself; the conformal ones (backtest.go) say how far it was off,
// and are the default.

const simulations = 1000

// simulate returns the 2.5, 10, 90 and 97.5 % quantiles of paths around the
// forecast f behind hist.
func (a *additive) simulate(f []float64, hist frame.Series, seed uint64) (q [4][]float64) {
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	mean := 0.0
	for _, d := range a.theta[2 : 2+len(a.changes)] {
		mean += math.Abs(d) / float64(len(a.changes))
	}
	step := float64(hist.Step) / a.span
	begin := (float64(hist.End()) - a.start) / a.span
	chance := min(1, float64(len(a.changes))*step) // of a bend per step: S over the history's length
	paths := make([][]float64, len(f))
	for i := range paths {
		paths[i] = make([]float64, simulations)
	}
	x := make([]float64, a.width())
	seasons := make([]float64, len(f)) // what multiplies the trend
	for i := range f {
		seasons[i] = 1
		if a.multiplicative {
			a.inputs(x, float64(hist.End()+int64(i)*hist.Step))
			for j, b := range a.theta[2+len(a.changes):] {
				seasons[i] += float64(b * x[j])
			}
		}
	}
	for k := range simulations {
		slope, bent := 0.0, 0.0
		for i := range f {
			bent += slope * step
			if rng.Float64() < chance {
				d := mean * rng.ExpFloat64()
				if rng.Uint64()&1 == 0 {
					d = -d
				}
				slope += d
			}
			linear := a.trend(begin + float64(i)*step)
			g, _ := a.level(linear)
			moved, _ := a.level(linear + bent)
			paths[i][k] = f[i] + a.scale*(float64((moved-g)*seasons[i])+float64(a.sigma*rng.NormFloat64()))
		}
	}
	for r := range q {
		q[r] = make([]float64, len(f))
	}
	for i, p := range paths {
		slices.Sort(p)
		for r, level := range []float64{0.025, 0.10, 0.90, 0.975} {
			q[r][i] = p[min(int(level*simulations), simulations-1)]
		}
		// The forecast lies inside, whatever the draws.
		q[0][i], q[1][i] = min(q[0][i], f[i]), min(q[1][i], f[i])
		q[2][i], q[3][i] = max(q[2][i], f[i]), max(q[3][i], f[i])
	}
	return q
}
