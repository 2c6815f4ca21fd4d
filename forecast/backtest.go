package forecast

import (
	"context"
	"math"
	"math/bits"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"apiml/frame"
)

// testShare is the share of the series that is forecast in the backtest. As
// much again before it is used to choose the model and to calibrate the bands.
const testShare = 0.2

// calibrationOrigins is the number of latest origins whose residuals make the
// bands. The 95 % band of the first step needs about 100 residuals for its
// outer ranks to be inner ones; with many more, a band would still show the
// spread of weeks ago. Where origins overlap, as many as span
// calibrationHorizons count.
const (
	calibrationOrigins  = 125
	calibrationHorizons = 12
)

// parts says where the series is cut. Models are compared on [choice, test);
// what is reported is measured on [test, n). The band of each origin rests on
// the residuals of earlier origins whose forecasts had ended by then.
type parts struct {
	n, h          int
	choice, test  int
	choiceOrigins []int // forecasts that end before test
	testOrigins   []int // test, test+h, …: each forecast ends at or before n
	bandOrigins   []int // all from choice on whose forecasts end at or before n
	origins       []int // all of these, ascending
}

// cut needs n ≥ 3·h. An origin is the index of the first step that is
// forecast; the history of an origin ends before it.
func cut(n, h int) parts {
	p := parts{n: n, h: h}
	p.test = min(int(float64(n)*(1-testShare)), n-h)
	width := max(n-p.test, h)
	p.choice = max(p.test-width, h)
	for o := p.test; o+h <= n; o += h {
		p.testOrigins = append(p.testOrigins, o)
	}
	// Overlapping origins where the part is short: their residuals depend on
	// each other, but a band from three origins would be worth less.
	stride := min(h, max(1, (p.test-p.choice)/calibrationOrigins))
	first := p.choice + (p.test-h-p.choice)%stride // so that one forecast ends exactly at test
	for o := first; o+h <= n; o += stride {
		p.bandOrigins = append(p.bandOrigins, o)
		if o+h <= p.test {
			p.choiceOrigins = append(p.choiceOrigins, o)
		}
	}
	p.origins = append(slices.Clone(p.bandOrigins), p.testOrigins...)
	slices.Sort(p.origins)
	p.origins = slices.Compact(p.origins)
	return p
}

// errorSums collects the errors of forecasts over observed points.
type errorSums struct {
	points          int
	abs, sum, smape float64 // sums of |y−f|, |y|, 200·|y−f|/(|y|+|f|)
}

// add compares the observed values y with the forecast f.
func (e *errorSums) add(y, f []float64) {
	for i, v := range y {
		if math.IsNaN(v) {
			continue
		}
		d := math.Abs(v - f[i])
		e.points++
		e.abs += d
		e.sum += math.Abs(v)
		if m := math.Abs(v) + math.Abs(f[i]); m > 0 {
			e.smape += 200 * d / m
		}
	}
}

// wape is 0 where there was nothing to forecast and nothing was, and NaN where
// an error stands against nothing.
func (e *errorSums) wape() float64 { return ratio(e.abs, e.sum) }

// mase takes the denominator from naiveMAE.
func (e *errorSums) mase(mae float64) float64 { return ratio(e.abs/float64(e.points), mae) }

// score measures one row of the backtest. at gives the forecast made at an
// origin, and as it would have been made at an earlier origin by what is known
// at the origin now. mae is the denominator of MASE. If ctx ends, the row means
// nothing.
func score(ctx context.Context, s frame.Series, p parts, name string, at func(origin, now int) []float64, floor, mae float64) (row Score, replay []Replay, points int) {
	y := s.Values
	var before, test errorSums
	for _, o := range p.choiceOrigins {
		before.add(y[o:o+p.h], at(o, p.test))
	}
	in80, in95 := 0, 0
	ready := 0
	for _, o := range p.testOrigins {
		if ctx.Err() != nil {
			return row, nil, 0
		}
		for ready < len(p.bandOrigins) && p.bandOrigins[ready]+p.h <= o {
			ready++
		}
		f := at(o, o)
		test.add(y[o:o+p.h], f)
		lo80, hi80, lo95, hi95 := calibrate(y, p.bandOrigins[:ready], p.h, func(b int) []float64 { return at(b, o) }).quantiles().apply(f, floor)
		replay = append(replay, Replay{time.UnixMicro(s.Start + int64(o)*s.Step).UTC(), y[o : o+p.h], f, lo80, hi80, lo95, hi95})
		for i, v := range y[o : o+p.h] {
			if v >= lo80[i] && v <= hi80[i] {
				in80++
			}
			if v >= lo95[i] && v <= hi95[i] {
				in95++
			}
		}
	}
	n := float64(test.points)
	row = Score{
		Model: name, WAPE: test.wape(), MASE: test.mase(mae), SMAPE: test.smape / n,
		Coverage80: float64(in80) / n, Coverage95: float64(in95) / n, WAPEChoice: before.wape(),
	}
	if test.points == 0 {
		row.WAPE = math.NaN()
	}
	return row, replay, test.points
}

// until is s up to step o.
func until(s frame.Series, o int) frame.Series {
	s.Values = s.Values[:o]
	return s
}

// ratio is a/b, 0 for 0/0 and NaN for anything else over 0.
func ratio(a, b float64) float64 {
	switch {
	case b > 0:
		return a / b
	case a == 0:
		return 0
	}
	return math.NaN()
}

// naiveMAE is the mean absolute error of the seasonal naive inside y.
func naiveMAE(y []float64, m int) float64 {
	sum, n := 0.0, 0
	for i := m; i < len(y); i++ {
		if d := math.Abs(y[i] - y[i-m]); !math.IsNaN(d) {
			sum += d
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}

// bands holds residuals (observed − forecast) of the latest origins, sorted, by
// group of steps: step 1, 2–3, 4–7, 8–15, …: errors grow with the distance,
// slower the farther, and a group needs enough residuals for its outer
// quantiles.
//
// A residual is divided by scale(forecast), so that the night's small errors do
// not narrow the band of the day.
//
// The forecasts of overlapping origins err together: a year of hours is a large
// sample for tomorrow, a month of them is five independent forecasts of a week.
// With the span of the origins over h as the number of independent ones, the
// outer quantiles are widened as Student's t is wider than the normal
// distribution (and as weights fitted on the same errors need it).
type bands struct {
	groups           [][]float64
	widen80, widen95 float64
}

func group(step int) int { return bits.Len(uint(step+1)) - 1 } // step from 0

// scale is the spread that a count of mean f has if it is Poisson, plus one so
// that it is never 0. Traffic is wilder than Poisson; the residuals say by how
// much.
func scale(f float64) float64 { return math.Sqrt(1 + max(f, 0)) }

// calibrate collects the residuals of the forecasts at the latest of origins.
func calibrate(y []float64, origins []int, h int, at func(origin int) []float64) *bands {
	b := &bands{groups: make([][]float64, bits.Len(uint(h)))}
	for len(origins) > calibrationOrigins && origins[len(origins)-1]-origins[0] > calibrationHorizons*h {
		origins = origins[1:]
	}
	free := 2.0
	if n := len(origins); n > 0 {
		free = max(free, float64(origins[n-1]-origins[0])/float64(h))
	}
	t := distuv.StudentsT{Sigma: 1, Nu: free}
	b.widen80, b.widen95 = t.Quantile(0.9)/distuv.UnitNormal.Quantile(0.9), t.Quantile(0.975)/distuv.UnitNormal.Quantile(0.975)
	for _, o := range origins {
		f := at(o)
		for i, v := range y[o : o+h] {
			if !math.IsNaN(v) {
				g := group(i)
				b.groups[g] = append(b.groups[g], (v-f[i])/scale(f[i]))
			}
		}
	}
	for _, g := range b.groups {
		slices.Sort(g)
	}
	return b
}

// smallest is the size of the smallest group.
func (b *bands) smallest() int {
	n := math.MaxInt
	for _, g := range b.groups {
		n = min(n, len(g))
	}
	return n
}

// quantiles are the residuals that bound the bands, per group of steps: 2.5,
// 10, 90 and 97.5 %.
type quantiles [][4]float64

func (b *bands) quantiles() quantiles {
	out := make(quantiles, len(b.groups))
	for i, g := range b.groups {
		// The forecast lies inside its band even if all residuals have one sign.
		out[i] = [4]float64{b.widen95 * min(0, quantile(g, 0.025)), b.widen80 * min(0, quantile(g, 0.10)), b.widen80 * max(0, quantile(g, 0.90)), b.widen95 * max(0, quantile(g, 0.975))}
	}
	return out
}

// apply puts the bands around the forecast f, not below floor. Steps behind the
// last group take its residuals.
func (q quantiles) apply(f []float64, floor float64) (lo80, hi80, lo95, hi95 []float64) {
	buf := make([]float64, 4*len(f))
	lo80, hi80, lo95, hi95 = buf[:len(f)], buf[len(f):2*len(f)], buf[2*len(f):3*len(f)], buf[3*len(f):]
	for i, v := range f {
		g := q[min(group(i), len(q)-1)]
		s := scale(v)
		lo95[i] = max(floor, v+s*g[0])
		lo80[i] = max(floor, v+s*g[1])
		hi80[i] = max(floor, v+s*g[2])
		hi95[i] = max(floor, v+s*g[3])
	}
	return lo80, hi80, lo95, hi95
}

// quantile is the conformal quantile of the sorted residuals (Vovk et al.
// 2005): rank ⌈q(n+1)⌉ for an upper bound, ⌊q(n+1)⌋ for a lower one, the
// outermost residual if there are too few. 0 without residuals.
func quantile(sorted []float64, q float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	r := q * float64(n+1)
	if q > 0.5 {
		r = math.Ceil(r)
	} else {
		r = math.Floor(r)
	}
	return sorted[min(max(int(r), 1), n)-1]
}
