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

// cut needs n ≥ 3·h, and n − least ≥ 3·h: models are compared from step least on. An
// origin is the index of the first step that is forecast; the history of an origin
// ends before it.
func cut(n, h, least int) parts {
	p := parts{n: n, h: h}
	p.test = min(int(float64(n)*(1-testShare)), n-h)
	width := max(n-p.test, h)
	p.choice = max(p.test-width, h)
	if p.choice < least {
		p.choice = least
		p.test = min(max(p.test, least+h, (least+n)/2), n-h)
	}
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

// leastYear is the shortest horizon, as a share of the year, to which a backtest is
// cut down for the sake of the year; longYear the share from which on a horizon is
// long enough for that.
const (
	leastYear = 1. / 48
	longYear  = 1. / 6
)

// leastPart is the shortest horizon, as a share of the one asked for, to which a
// backtest is cut down for the sake of the day and the week.
const leastPart = 0.25

// seasonNeed is the least number of steps for which seasonFirst finds room for a
// season of m steps and forecasts of h.
func seasonNeed(m, h int) int { return m + 3*int(math.Ceil(leastPart*float64(h))) }

// seasonFirst is the step from which on models are compared so that all of them know
// the season, and the horizon for which that leaves room: traffic has a day and a
// week before a backtest of the last two fifths can tell, and for a forecast of
// months, a history of two or three years does not say who is good at it if it is cut
// before the year can be seen. It is 0 and h where nothing needs to move, or where the
// series ends too soon behind the season (the second one of years), or, with years,
// the horizon is short.
func seasonFirst(step int64, n, h int) (least, horizon int) {
	for _, name := range []string{"snaive-daily", "snaive-weekly"} {
		if m := seasonSteps(name, step); m > 0 && n >= seasonNeed(m, h) && m > cut(n, h, 0).choice {
			return m, min(h, (n-m)/3)
		}
	}
	m := periodsOf(step, n)
	if len(m) == 0 || int64(m[len(m)-1])*step < 300*day {
		return 0, h
	}
	year := float64(m[len(m)-1])
	if float64(h) < longYear*year {
		return 0, h
	}
	least = 2 * m[len(m)-1]
	horizon = min(h, (n-least)/3)
	if float64(horizon) < leastYear*year {
		return 0, h
	}
	return least, horizon
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

// levels are the shares of misses for which bands are made, as adaptive conformal
// inference moves them (Gibbs & Candès, "Adaptive conformal inference under
// distribution shift", NeurIPS 2021): where more values than promised missed the
// bands so far, the next ones are made for fewer.
type levels struct{ miss80, miss95 float64 }

const (
	adaptRate  = 0.1
	adaptAfter = 5 // calibration origins before the first step
)

func newLevels() levels { return levels{0.20, 0.05} }

// adapt takes the shares of values that missed the bands of one forecast.
func (l *levels) adapt(missed80, missed95 float64) {
	l.miss80 = min(max(l.miss80+adaptRate*(0.20-missed80), 0.01), 0.5)
	l.miss95 = min(max(l.miss95+adaptRate*(0.05-missed95), 0.001), 0.25)
}

// row is what score measures.
type row struct {
	Score
	replay []Replay
	points int    // observed test points
	levels levels // behind the last forecast
}

// score measures one row of the backtest. at gives the forecast made at an
// origin, and as it would have been made at an earlier origin by what is known
// at the origin now. mae is the denominator of MASE. If ctx ends, the row means
// nothing.
func score(ctx context.Context, s frame.Series, p parts, name string, at func(origin, now int) []float64, floor, mae float64) row {
	y := s.Values
	var before, test errorSums
	for _, o := range p.choiceOrigins {
		before.add(y[o:o+p.h], at(o, p.test))
	}
	out := row{levels: newLevels()}
	total80, total95 := 0, 0
	ready := 0
	forecast := func(o int, scored bool) {
		for ready < len(p.bandOrigins) && p.bandOrigins[ready]+p.h <= o {
			ready++
		}
		f := at(o, o)
		q := calibrate(y, p.bandOrigins[:ready], p.h, func(b int) []float64 { return at(b, o) }).quantiles(out.levels)
		lo80, hi80, lo95, hi95 := q.apply(f, floor)
		seen, in80, in95 := 0, 0, 0
		for i, v := range y[o : o+p.h] {
			if math.IsNaN(v) {
				continue
			}
			seen++
			if v >= lo80[i] && v <= hi80[i] {
				in80++
			}
			if v >= lo95[i] && v <= hi95[i] {
				in95++
			}
		}
		if scored {
			test.add(y[o:o+p.h], f)
			out.replay = append(out.replay, Replay{time.UnixMicro(s.Start + int64(o)*s.Step).UTC(), y[o : o+p.h], f, lo80, hi80, lo95, hi95})
			total80 += in80
			total95 += in95
		}
		if seen > 0 {
			out.levels.adapt(1-float64(in80)/float64(seen), 1-float64(in95)/float64(seen))
		}
	}
	// The levels begin to move before the test part, one horizon after the other.
	next := 0
	for i, o := range p.choiceOrigins {
		if i >= adaptAfter && o >= next && p.bandOrigins[0]+p.h <= o && ctx.Err() == nil {
			forecast(o, false)
			next = o + p.h
		}
	}
	ready = 0
	for _, o := range p.testOrigins {
		if ctx.Err() != nil {
			return row{}
		}
		forecast(o, true)
	}
	n := float64(test.points)
	out.points = test.points
	out.Score = Score{
		Model: name, WAPE: test.wape(), MASE: test.mase(mae), SMAPE: test.smape / n,
		Coverage80: float64(total80) / n, Coverage95: float64(total95) / n, WAPEChoice: before.wape(),
	}
	if test.points == 0 {
		out.WAPE = math.NaN()
	}
	return out
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
// A residual is divided by spread(forecast), so that the night's small errors do
// not narrow the band of the day.
//
// The forecasts of overlapping origins err together: a year of hours is a large
// sample for tomorrow, a month of them is five independent forecasts of a week.
// With the span of the origins over h as the number of independent ones, the
// outer quantiles are widened as Student's t is wider than the normal
// distribution (and as weights fitted on the same errors need it).
type bands struct {
	h                int
	groups           [][]float64
	power            float64 // of spread
	widen80, widen95 float64
}

func group(step int) int { return bits.Len(uint(step+1)) - 1 } // step from 0

// spread is how far values lie around a forecast f, up to a factor: a power of
// 1+f. The power 0.5 is that of a Poisson count, 0 that of a measurement, 1 that
// of traffic whose ups and downs are shares of it.
func spread(f, power float64) float64 {
	switch power {
	case 0:
		return 1
	case 0.5:
		return scale(f)
	}
	return math.Pow(1+max(f, 0), power)
}

// spreadPowers are the powers to choose from, the default first; another one must
// be likelier by spreadGain per value.
var spreadPowers = [3]float64{0.5, 0, 1}

const spreadGain = 0.01

// scale is the spread that a count of mean f has if it is Poisson, plus one so
// that it is never 0.
func scale(f float64) float64 { return math.Sqrt(1 + max(f, 0)) }

// choosePower takes the power under which errors with a Laplace distribution of
// that spread are the likeliest.
func choosePower(y []float64, origins []int, f [][]float64) float64 {
	best, least := spreadPowers[0], math.Inf(1)
	for _, power := range spreadPowers {
		sum, logs, n := 0.0, 0.0, 0.0
		for i, o := range origins {
			for j, v := range f[i] {
				if e := math.Abs(y[o+j] - v); !math.IsNaN(e) {
					x := spread(v, power)
					sum += e / x
					logs += math.Log(x)
					n++
				}
			}
		}
		if loss := math.Log(sum/n) + logs/n; loss < least-spreadGain {
			best, least = power, loss
		}
	}
	return best
}

// calibrate collects the residuals of the forecasts at the latest of origins.
func calibrate(y []float64, origins []int, h int, at func(origin int) []float64) *bands {
	b := &bands{h: h, groups: make([][]float64, bits.Len(uint(h)))}
	for len(origins) > calibrationOrigins && origins[len(origins)-1]-origins[0] > calibrationHorizons*h {
		origins = origins[1:]
	}
	free := 2.0
	if n := len(origins); n > 0 {
		free = max(free, float64(origins[n-1]-origins[0])/float64(h))
	}
	t := distuv.StudentsT{Sigma: 1, Nu: free}
	b.widen80, b.widen95 = t.Quantile(0.9)/distuv.UnitNormal.Quantile(0.9), t.Quantile(0.975)/distuv.UnitNormal.Quantile(0.975)
	f := make([][]float64, len(origins))
	for i, o := range origins {
		f[i] = append(make([]float64, 0, h), at(o)...) // at may use its slice again
	}
	b.power = choosePower(y, origins, f)
	for i, o := range origins {
		for j, v := range y[o : o+h] {
			if !math.IsNaN(v) {
				g := group(j)
				b.groups[g] = append(b.groups[g], (v-f[i][j])/spread(f[i][j], b.power))
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
// 10, 90 and 97.5 % at the levels of newLevels.
type quantiles struct {
	h     int     // steps for which they were calibrated
	power float64 // of spread
	at    [][4]float64
}

func (b *bands) quantiles(l levels) quantiles {
	out := quantiles{b.h, b.power, make([][4]float64, len(b.groups))}
	for i, g := range b.groups {
		// The forecast lies inside its band even if all residuals have one sign,
		// and the bands inside each other whatever the levels are.
		lo80, hi80 := b.widen80*min(0, quantile(g, l.miss80/2)), b.widen80*max(0, quantile(g, 1-l.miss80/2))
		out.at[i] = [4]float64{min(lo80, b.widen95*quantile(g, l.miss95/2)), lo80, hi80, max(hi80, b.widen95*quantile(g, 1-l.miss95/2))}
	}
	return out
}

// apply puts the bands around the forecast f, not below floor. Behind the steps for
// which they were calibrated they grow with the square root of the distance, as the
// errors of a random walk do.
func (q quantiles) apply(f []float64, floor float64) (lo80, hi80, lo95, hi95 []float64) {
	buf := make([]float64, 4*len(f))
	lo80, hi80, lo95, hi95 = buf[:len(f)], buf[len(f):2*len(f)], buf[2*len(f):3*len(f)], buf[3*len(f):]
	for i, v := range f {
		g := q.at[min(group(i), len(q.at)-1)]
		s := spread(v, q.power)
		if i >= q.h {
			s *= math.Sqrt(float64(i+1) / float64(q.h))
		}
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
