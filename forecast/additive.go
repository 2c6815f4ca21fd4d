package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"

	"apiml/frame"
)

// The additive model of Taylor & Letham, "Forecasting at scale", The American
// Statistician 72, 2018 (Prophet):
//
//	y(t)/scale = g(t) + s(t) + noise,   g(t) = k·t + m + Σ δj·max(0, t−cj)
//
// or g(t)·(1 + s(t)) in multiplicative mode. With logistic growth g(t) is
// floor + (cap − floor)/(1 + exp(−(k·t + m + Σ δj·max(0, t−cj)))). t runs from 0 to 1 over the
// history, scale is the largest |y|. s sums Fourier series of a day, a week and
// a year; cj are the changepoints, evenly spaced over the first
// changepoint_range of the observed points. Priors: k, m ~ N(0, 5), δ ~
// Laplace(0, changepoint_prior_scale), coefficients ~ N(0,
// seasonality_prior_scale), noise σ ~ half-N(0, 0.5). The fit is the mode of
// the posterior (MAP), found by L-BFGS (Liu & Nocedal 1989, gonum/optimize).
//
// What makes it fast: all but the noise is linear in the parameters, so the sum
// of squares is a quadratic form in a Gram matrix that is made once, O(n·K²/2)
// for K Fourier columns; the trend's part of it follows from sums per segment.
// An iteration then costs O(p²) whatever n is. The variables are scaled by the
// Cholesky factor of the Hessian, without which L-BFGS crawls: trend columns
// are nearly collinear. Multiplicative mode and logistic growth iterate over the data, scaled by
// the Gauss-Newton Hessian.
//
// Deviations. The Laplace prior has a kink at 0: |δ| is replaced by
// √(δ²+ε²)−ε, with ε going down from 1e-2 to 1e-5, which moves the
// log-posterior by less than 25·1e-5/0.05 = 0.005 at the defaults; bends that
// Prophet would set to 0 come out at 1e-6 or so. σ has a floor of 1e-4 of the
// scale, else the posterior of a series without noise has no mode. Harmonics
// faster than two steps are left out: they cannot be seen. With
// seasonality_search the automatic orders of day and week are raised where the
// Bayesian information criterion of a linear regression says so: Prophet's 4 and
// 3 cannot draw a working day. With ar_order the errors of the latest steps
// continue by an autoregression (Burg, order by AIC), as in NeuralProphet
// (Triebe et al. 2021): the forecast begins where the series is. More than maxRows
// points are averaged in groups of equal length first. In logistic growth m is the
// logit at t = 0, where Prophet's m is the time at which the trend is halfway; the
// trends are the same, the prior of m differs. Cap and floor are constants. The
// bands are conformal (backtest.go); Prophet's simulation of future changepoints
// (simulate.go) is a choice.

// maxRows is the number of points on which the model is fitted at most: a
// month of minutes. Longer histories are thinned, not cut, so that they still
// show a year.
const maxRows = 43_200

// minAdditive is the least number of observed points.
const minAdditive = 10

// sigmaFloor is the least noise, as a share of the scale.
const sigmaFloor = 1e-4

// periods of the seasonalities in microseconds: year, week, day.
var periods = [3]float64{365.25 * day, week, day}

// additive is a fitted model. Times are microseconds UTC.
type additive struct {
	start, span    float64   // time t is start + t·span
	scale          float64   // y = scale · what the model says
	orders         [3]int    // Fourier orders: year, week, day
	multiplicative bool      //
	changes        []float64 // changepoints, ascending, in [0, 1]
	logistic       bool      // growth between low and high, as shares of the scale
	low, high      float64   //
	events         [][]int64 // days since 1970 per effect of an event
	extra          []regressor
	theta          []float64 // k, m, one bend per changepoint, Fourier coefficients (sin, cos per harmonic), effects of events, of regressors
	sigma          float64   // noise, as a share of the scale
	ar             []float64 // autoregression of the errors, the latest first
}

// trend is g(t); with logistic growth its logit.
func (a *additive) trend(t float64) float64 {
	g := float64(a.theta[0]*t) + a.theta[1]
	for j, c := range a.changes {
		if t < c {
			break
		}
		g += float64(a.theta[2+j] * (t - c))
	}
	return g
}

// level is g of what trend returns, and its derivative.
func (a *additive) level(trend float64) (g, slope float64) {
	if !a.logistic {
		return trend, 1
	}
	p := 1 / (1 + math.Exp(-min(max(trend, -50), 50)))
	width := a.high - a.low
	return a.low + float64(width*p), width * p * (1 - p)
}

// regressor is a standardised input whose values are known ahead.
type regressor struct {
	start, step int64 // microseconds
	values      []float64
}

// at is the value for the step that us lies in; 0, the mean, outside of what is
// known and where it is missing.
func (r *regressor) at(us float64) float64 {
	k := math.Floor((us - float64(r.start)) / float64(r.step))
	if k < 0 || k >= float64(len(r.values)) || math.IsNaN(r.values[int(k)]) {
		return 0
	}
	return r.values[int(k)]
}

// at is the forecast for the step that begins at us; x is scratch for the
// Fourier columns.
func (a *additive) at(us float64, x []float64) float64 {
	g, _ := a.level(a.trend((us - a.start) / a.span))
	a.inputs(x, us)
	s := 0.0
	for i, b := range a.theta[2+len(a.changes):] {
		s += float64(b * x[i])
	}
	if a.multiplicative {
		return a.scale * (g * (1 + s))
	}
	return a.scale * (g + s)
}

// width is the number of columns beside the trend.
func (a *additive) width() int { return columns(a.orders) + len(a.events) + len(a.extra) }

// inputs writes the columns of the step that begins at us to x.
func (a *additive) inputs(x []float64, us float64) {
	fourier(x, us, a.orders)
	for i := range a.extra {
		x[len(x)-len(a.extra)+i] = a.extra[i].at(us)
	}
	if len(a.events) == 0 {
		return
	}
	first := columns(a.orders)
	today := int64(math.Floor(us / day))
	for i, days := range a.events {
		x[first+i] = 0
		if _, found := slices.BinarySearch(days, today); found {
			x[first+i] = 1
		}
	}
}

// predict writes the steps behind hist to dst.
func (a *additive) predict(dst []float64, hist frame.Series) {
	x := make([]float64, a.width())
	errs := a.errors(hist, len(a.ar))
	for i := range dst {
		v := a.at(float64(hist.End()+int64(i)*hist.Step), x)
		if len(a.ar) > 0 {
			e := 0.0
			for j, c := range a.ar {
				e += float64(c * errs[len(errs)-1-j])
			}
			e = min(max(e, -limit), limit)
			errs = append(errs, e)
			v += e
		}
		dst[i] = min(max(v, -limit), limit) // finite however far ahead
	}
}

// errors are those of the last n steps of hist, oldest first; 0 where there is
// no value.
func (a *additive) errors(hist frame.Series, n int) []float64 {
	out := make([]float64, n)
	x := make([]float64, a.width())
	for i := range out {
		k := len(hist.Values) - n + i
		if k >= 0 && !math.IsNaN(hist.Values[k]) {
			out[i] = hist.Values[k] - a.at(float64(hist.Start+int64(k)*hist.Step), x)
		}
	}
	return out
}

// arSteps is the number of latest steps from which the autoregression of the
// errors is fitted.
const arSteps = 5000

// fitErrors fits the autoregression of the errors. Burg's estimate is stable, so
// its forecasts die away.
func (a *additive) fitErrors(s frame.Series, order int) {
	n := min(len(s.Values), arSteps)
	if order == 0 || n < 4*minAdditive {
		return
	}
	e := a.errors(s, n)
	for _, v := range fitAR(e, order).phi {
		if !(math.Abs(v) <= maxTheta) {
			a.ar = nil
			return
		}
		a.ar = append(a.ar, v)
	}
}

// searchRows is the number of rows on which the orders are chosen at most.
const searchRows = 4000

// searchOrders raises the automatic orders of week and day by BIC.
func (c *Config) searchOrders(s frame.Series, orders [3]int) [3]int {
	group := (len(s.Values) + searchRows - 1) / searchRows
	step := s.Step * int64(group)
	most := func(p int) int { // harmonics that the step can show
		return max(0, int(math.Ceil(periods[p]/float64(2*step)))-1)
	}
	weekly, daily := []int{orders[1]}, []int{orders[2]}
	for _, o := range []int{10, 21, 42} {
		if c.WeeklySeasonality < 0 && orders[1] > 0 && o <= min(most(1), maxOrder) {
			weekly = append(weekly, o)
		}
	}
	for _, o := range []int{8, 11} {
		if c.DailySeasonality < 0 && orders[2] > 0 && o <= min(most(2), maxOrder) {
			daily = append(daily, o)
		}
	}
	if len(weekly) == 1 && len(daily) == 1 {
		return orders
	}
	full := [3]int{0, weekly[len(weekly)-1], daily[len(daily)-1]}
	const hinges = 10
	trend := hinges + 2
	m := newMoments(trend+columns(full), 1)
	x, y := make([]float64, m.p), make([]float64, 1)
	rows, center := float64(len(s.Values)), 0.0
	if seen := observed(s.Values); seen > 0 {
		for _, v := range s.Values {
			if !math.IsNaN(v) {
				center += v / float64(seen)
			}
		}
	}
	size := max(maximum(s.Values)-center, center-minimum(s.Values))
	if !(size > 0) {
		return orders
	}
	for lo := 0; lo < len(s.Values); lo += group {
		part := s.Values[lo:min(lo+group, len(s.Values))]
		sum, n := 0.0, 0
		for _, v := range part {
			if !math.IsNaN(v) {
				sum += v
				n++
			}
		}
		if n == 0 {
			continue
		}
		y[0] = (sum/float64(n) - center) / size
		t := (float64(lo) + float64(group)/2) / rows
		x[0], x[1] = 1, t
		for k := range hinges {
			x[2+k] = max(0, t-float64(k+1)/(hinges+1))
		}
		fourier(x[trend:], float64(s.Start+int64(lo)*s.Step)+float64(s.Step)*float64(group-1)/2, full)
		m.add(x, y)
	}
	n := float64(m.rows)
	bestBIC, best := math.Inf(1), orders
	for _, w := range weekly {
		for _, d := range daily {
			var keep []int
			for i := range trend + 2*w {
				keep = append(keep, i)
			}
			for i := range 2 * d {
				keep = append(keep, trend+2*full[1]+i)
			}
			if 3*len(keep) > m.rows {
				continue
			}
			sse := m.subset(keep)
			if bic := n*math.Log(sse/n+1e-12) + float64(len(keep))*math.Log(n); bic < bestBIC {
				bestBIC, best = bic, [3]int{orders[0], w, d}
			}
		}
	}
	return best
}

// subset is the sum of squares that a regression on these inputs leaves.
func (m *moments) subset(keep []int) float64 {
	k := len(keep)
	g, w := make([]float64, k*k), make([]float64, k)
	for a, i := range keep {
		for b := range a + 1 {
			g[a*k+b] = m.gram[i*m.p+keep[b]]
		}
		g[a*k+a] += 1e-9 * (1 + g[a*k+a])
		w[a] = m.xy[i]
	}
	if !cholesky(g, k) {
		return m.yy[0]
	}
	solveLower(g, w)
	sse := m.yy[0]
	for _, v := range w {
		sse -= float64(v * v)
	}
	return max(sse, 0)
}

// columns is the number of Fourier columns.
func columns(orders [3]int) int { return 2 * (orders[0] + orders[1] + orders[2]) }

// fourier writes sin and cos of the harmonics of each period to x.
func fourier(x []float64, us float64, orders [3]int) {
	i := 0
	for p, order := range orders {
		if order == 0 {
			continue
		}
		turns := us / periods[p]
		s1, c1 := math.Sincos(2 * math.Pi * (turns - math.Floor(turns)))
		s, c := s1, c1
		for range order {
			x[i], x[i+1] = s, c
			i += 2
			s, c = float64(s*c1)+float64(c*s1), float64(c*c1)-float64(s*s1)
		}
	}
}

// seasons is the Fourier order per period for a series of that step and span
// (microseconds): the automatic ones from two periods on, as in Prophet.
func (c *Config) seasons(step, span int64) (orders [3]int) {
	want := [3]int{c.YearlySeasonality, c.WeeklySeasonality, c.DailySeasonality}
	auto := [3]int{10, 3, 4}
	for i, p := range periods {
		o := want[i]
		if o < 0 {
			o = 0
			if float64(span) >= 2*p {
				o = auto[i]
			}
		}
		// Harmonic o has two points per turn at step = p/(2o).
		for o > 0 && float64(2*o)*float64(step) >= p {
			o--
		}
		orders[i] = o
	}
	return orders
}

// rows are the observations of a fit.
type rows struct {
	t, y []float64
	x    []float64 // K Fourier columns per row
	seg  []int32   // changepoints at or before the row
	k    int
}

// fitAdditive fits the model on the observed points of s.
func fitAdditive(ctx context.Context, s frame.Series, cfg *Config) (*additive, error) {
	if seen := observed(s.Values); seen < minAdditive {
		return nil, fmt.Errorf("additive model: %d observed points, it needs %d", seen, minAdditive)
	}
	// Averages of group consecutive steps.
	group := (len(s.Values) + maxRows - 1) / maxRows
	var us, y []float64
	for lo := 0; lo < len(s.Values); lo += group {
		sum, n := 0.0, 0
		for _, v := range s.Values[lo:min(lo+group, len(s.Values))] {
			if !math.IsNaN(v) {
				sum += v
				n++
			}
		}
		if n > 0 {
			us = append(us, float64(s.Start+int64(lo)*s.Step)+float64(s.Step)*float64(group-1)/2)
			y = append(y, sum/float64(n))
		}
	}
	n := len(y)
	if n < 2 {
		return nil, fmt.Errorf("additive model: the %d observed points stand in one place", observed(s.Values))
	}
	a := &additive{
		start: us[0], span: us[n-1] - us[0], sigma: sigmaFloor,
		orders:         cfg.seasons(s.Step*int64(group), int64(us[n-1]-us[0])),
		multiplicative: cfg.SeasonalityMode == "multiplicative",
	}
	for _, v := range y {
		a.scale = max(a.scale, math.Abs(v))
	}
	a.events, _ = cfg.eventDays() // checked before
	a.extra = cfg.standardised(s.Start, s.End())
	if a.logistic = cfg.Growth == "logistic"; a.logistic {
		a.low, a.high = cfg.Floor/a.scale, cfg.Cap/a.scale
	}
	if cfg.SeasonalitySearch {
		a.orders = cfg.searchOrders(s, a.orders)
	}
	if minimum(y) == maximum(y) { // nothing to fit; the priors would only bend it
		a.orders, a.events, a.extra, a.logistic, a.theta = [3]int{}, nil, nil, false, []float64{0, 1}
		if y[0] < 0 {
			a.theta[1] = -1
		}
		if a.scale == 0 {
			a.scale, a.theta[1] = 1, 0
		}
		return a, nil
	}

	r := &rows{t: us, y: y, k: a.width()}
	r.x = make([]float64, n*r.k)
	for i := range us {
		a.inputs(r.x[i*r.k:(i+1)*r.k], us[i])
		us[i] = (us[i] - a.start) / a.span
		y[i] /= a.scale
	}
	if cfg.Growth != "flat" {
		// As Prophet places them: by the index of observed points.
		hist := int(math.Floor(float64(n) * cfg.ChangepointRange))
		count := min(cfg.Changepoints, hist-1)
		for j := 1; j <= count; j++ {
			i := int(math.RoundToEven(float64(j) * float64(hist-1) / float64(count)))
			a.changes = append(a.changes, us[i])
		}
	}
	r.seg = make([]int32, n)
	for i, j := 0, 0; i < n; i++ {
		for j < len(a.changes) && a.changes[j] <= us[i] {
			j++
		}
		r.seg[i] = int32(j)
	}
	p := &posterior{a: a, r: r, cfg: cfg}
	if err := p.maximise(ctx); err != nil {
		return nil, err
	}
	a.fitErrors(s, cfg.AROrder)
	return a, nil
}

// posterior is the negative log-posterior, without constants, of a model on its
// rows.
type posterior struct {
	a    *additive
	r    *rows
	cfg  *Config
	eps  float64   // smoothing of the Laplace prior
	gram []float64 // p×p, additive mode
	xy   []float64
	yy   float64
	tau  []float64 // inverse prior variance of the linear parameters, 0 for the bends

	// Scratch of residual, per segment.
	s0, s1 []float64
}

// smoothing is the way of ε.
var smoothing = []float64{1e-2, 1e-3, 1e-4, 1e-5, 1e-5}

// maximise moves a.theta and a.sigma to the mode.
func (p *posterior) maximise(ctx context.Context) error {
	a, r := p.a, p.r
	dim := 2 + len(a.changes) + r.k
	a.theta = make([]float64, dim)
	p.tau = make([]float64, dim)
	p.tau[0], p.tau[1] = 1./25, 1./25
	for j := 2 + len(a.changes); j < dim; j++ {
		p.tau[j] = 1 / float64(p.cfg.SeasonalityPriorScale*p.cfg.SeasonalityPriorScale)
		if j >= dim-len(a.events)-len(a.extra) {
			p.tau[j] = 1 / float64(p.cfg.EventPriorScale*p.cfg.EventPriorScale)
		}
	}
	if p.cfg.Growth == "flat" {
		p.tau[0] = 1e12 // k stays 0
	}
	p.s0, p.s1 = make([]float64, len(a.changes)+1), make([]float64, len(a.changes)+1)
	p.gram, p.xy, p.yy = p.statistics()
	m := mean(r.y)
	a.theta[1] = m
	if a.logistic {
		share := min(max((m-a.low)/(a.high-a.low), 0.01), 0.99)
		a.theta[1] = math.Log(share / (1 - share))
	}
	variance := 0.0
	for _, v := range r.y {
		variance += float64((v - m) * (v - m))
	}
	a.sigma = math.Sqrt(variance/float64(len(r.y))) + sigmaFloor

	n := float64(len(r.y))
	grad := make([]float64, dim)
	theta := make([]float64, dim)
	for _, p.eps = range smoothing {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if a.nonlinear() {
			p.gram, _, _ = p.statistics() // Gauss-Newton at the present estimate
		}
		chol := p.hessian()
		// Unknowns: z with θ = θ0 + L⁻ᵀz, and ln σ·√(2n), whose curvature is 1.
		unit := math.Sqrt(2 * n)
		origin := append([]float64(nil), a.theta...)
		logSigma := math.Log(a.sigma)
		eval := func(z, dst []float64) float64 {
			copy(theta, z[:dim])
			solveUpper(chol, theta)
			for i := range theta {
				theta[i] += origin[i]
			}
			f, dsigma := p.value(theta, logSigma+z[dim]/unit, grad)
			solveLower(chol, grad)
			copy(dst, grad)
			dst[dim] = dsigma / unit
			return f
		}
		z := descend(ctx, dim+1, eval)
		copy(theta, z[:dim])
		solveUpper(chol, theta)
		for i := range theta {
			a.theta[i] = theta[i] + origin[i]
		}
		a.sigma = math.Exp(logSigma + z[dim]/unit)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	for _, v := range append(slices.Clone(a.theta), a.sigma) {
		if !(math.Abs(v) <= maxTheta) {
			return fmt.Errorf("additive model: the fit of %d points did not converge", len(r.y))
		}
	}
	return nil
}

// value is the negative log-posterior at theta and ln σ; grad gets its
// derivative by theta, the second result is that by ln σ.
func (p *posterior) value(theta []float64, logSigma float64, grad []float64) (f, dlog float64) {
	n := float64(len(p.r.y))
	var sse float64 // grad = ½·∂sse/∂θ
	if p.a.nonlinear() {
		sse = p.residual(theta, grad)
	} else {
		dim := len(theta)
		quad, lin := 0.0, 0.0
		for i := range theta {
			g := 0.0
			for j, v := range p.gram[i*dim : (i+1)*dim] {
				g += float64(v * theta[j])
			}
			grad[i] = g - p.xy[i]
			quad += float64(g * theta[i])
			lin += float64(p.xy[i] * theta[i])
		}
		sse = max(0, p.yy-2*lin+quad)
	}
	sse += n * sigmaFloor * sigmaFloor
	variance := math.Exp(2 * logSigma)
	f = n*logSigma + sse/(2*variance) + 2*variance // half-normal of 0.5: σ²/(2·0.25)
	dlog = n - sse/variance + 4*variance
	changes := len(p.a.changes)
	for i, v := range theta {
		grad[i] /= variance
		if i >= 2 && i < 2+changes {
			root := math.Sqrt(float64(v*v) + p.eps*p.eps)
			f += (root - p.eps) / p.cfg.ChangepointPriorScale
			grad[i] += v / (root * p.cfg.ChangepointPriorScale)
			continue
		}
		f += float64(v*v) * p.tau[i] / 2
		grad[i] += v * p.tau[i]
	}
	return f, dlog
}

// nonlinear says that the forecast is no linear function of theta.
func (a *additive) nonlinear() bool { return a.multiplicative || a.logistic }

// residual is the sum of squares of a nonlinear model and half its gradient.
func (p *posterior) residual(theta, grad []float64) (sse float64) {
	a, r := p.a, p.r
	changes := len(a.changes)
	beta, dbeta := theta[2+changes:], grad[2+changes:]
	clear(grad)
	clear(p.s0)
	clear(p.s1)
	slope, offset, seg := theta[0], theta[1], int32(0)
	for i, t := range r.t {
		for seg < r.seg[i] {
			slope += theta[2+seg]
			offset -= float64(theta[2+seg] * a.changes[seg])
			seg++
		}
		x := r.x[i*r.k : (i+1)*r.k]
		s := 1.0
		for j, v := range x {
			s += float64(v * beta[j])
		}
		g, dg := a.level(float64(slope*t) + offset)
		var es, eg float64 // error times the derivative by trend and season
		if a.multiplicative {
			e := float64(g*s) - r.y[i]
			sse += float64(e * e)
			es, eg = e*s*dg, e*g
		} else {
			e := g + (s - 1) - r.y[i]
			sse += float64(e * e)
			es, eg = e*dg, e
		}
		p.s0[seg] += es
		p.s1[seg] += float64(es * t)
		for j, v := range x {
			dbeta[j] += float64(eg * v)
		}
	}
	suffix0, suffix1 := 0.0, 0.0
	for q := changes; q >= 0; q-- {
		suffix0 += p.s0[q]
		suffix1 += p.s1[q]
		if q > 0 {
			grad[1+q] = suffix1 - float64(a.changes[q-1]*suffix0)
		}
	}
	grad[0], grad[1] = suffix1, suffix0
	return sse
}

// statistics are XᵀX, Xᵀy and yᵀy, where a row of X is the derivative of the
// forecast by the parameters at a.theta (in additive mode it does not depend on
// them). Trend columns are summed per segment: max(0, t−c) is t−c on all
// segments behind c.
func (p *posterior) statistics() (gram, xy []float64, yy float64) {
	a, r := p.a, p.r
	changes, k := len(a.changes), r.k
	dim := 2 + changes + k
	type sums struct{ w, wt, wtt, y, yt float64 }
	seg := make([]sums, changes+1)
	sx, sxt := make([]float64, (changes+1)*k), make([]float64, (changes+1)*k)
	gram, xy = make([]float64, dim*dim), make([]float64, dim)
	scaled := make([]float64, k)
	first := 2 + changes
	for i, t := range r.t {
		x := r.x[i*k : (i+1)*k]
		w := 1.0 // of the trend columns
		if a.logistic && !a.multiplicative {
			_, w = a.level(a.trend(t))
		}
		if a.multiplicative {
			g, dg := a.level(a.trend(t))
			for j, v := range x {
				w += float64(v * a.theta[first+j])
				scaled[j] = v * g
			}
			w *= dg
			x = scaled
		}
		q := int(r.seg[i])
		y := r.y[i]
		yy += float64(y * y)
		ww := w * w
		seg[q].w += ww
		seg[q].wt += float64(ww * t)
		seg[q].wtt += float64(float64(ww*t) * t)
		seg[q].y += float64(w * y)
		seg[q].yt += float64(float64(w*y) * t)
		wt := w * t
		px, pt := sx[q*k:(q+1)*k], sxt[q*k:(q+1)*k]
		for j, v := range x {
			px[j] += float64(w * v)
			pt[j] += float64(wt * v)
			xy[first+j] += float64(v * y)
			row := gram[(first+j)*dim+first : (first+j)*dim+first+j+1]
			for l := range row {
				row[l] += float64(v * x[l])
			}
		}
	}
	// From the last segment on: q segments and all behind them.
	var s sums
	tx, txt := make([]float64, k), make([]float64, k)
	for q := changes; q >= 0; q-- {
		s.w += seg[q].w
		s.wt += seg[q].wt
		s.wtt += seg[q].wtt
		s.y += seg[q].y
		s.yt += seg[q].yt
		for j := range tx {
			tx[j] += sx[q*k+j]
			txt[j] += sxt[q*k+j]
		}
		if q == 0 {
			break
		}
		i, c := 1+q, a.changes[q-1]
		xy[i] = s.yt - float64(c*s.y)
		for j := range tx {
			gram[(first+j)*dim+i] = txt[j] - float64(c*tx[j])
		}
		for b := range q { // with the changepoints up to its own
			d := a.changes[b]
			gram[i*dim+2+b] = s.wtt - float64((c+d)*s.wt) + float64(float64(c*d)*s.w)
		}
		gram[i*dim] = s.wtt - float64(c*s.wt)
		gram[i*dim+1] = s.wt - float64(c*s.w)
	}
	xy[0], xy[1] = s.yt, s.y
	gram[0], gram[dim], gram[dim+1] = s.wtt, s.wt, s.w
	for j := range tx {
		gram[(first+j)*dim], gram[(first+j)*dim+1] = txt[j], tx[j]
	}
	for i := range dim {
		for j := range i {
			gram[j*dim+i] = gram[i*dim+j]
		}
	}
	return gram, xy, yy
}

// hessian is the Cholesky factor L, row-major, of (an upper bound of) the
// second derivative by theta at the present estimate: the Laplace prior counts
// as 1/(scale·√(δ²+ε²)), its majoriser (Hunter & Li 2005).
func (p *posterior) hessian() []float64 {
	dim := len(p.a.theta)
	h := make([]float64, dim*dim)
	inverse := 1 / (p.a.sigma * p.a.sigma)
	for ridge := 0.0; ; ridge = max(1e-12, 10*ridge) {
		for i, v := range p.gram {
			h[i] = v * inverse
		}
		for i, v := range p.a.theta {
			d := h[i*dim+i] * ridge
			if i >= 2 && i < 2+len(p.a.changes) {
				d += 1 / (p.cfg.ChangepointPriorScale * math.Sqrt(float64(v*v)+p.eps*p.eps))
			} else {
				d += p.tau[i]
			}
			h[i*dim+i] += d
		}
		if cholesky(h, dim) || ridge > 1 {
			return h
		}
	}
}

// cholesky replaces the lower half of h by its factor; false if h is not
// positive definite.
func cholesky(h []float64, dim int) bool {
	for i := range dim {
		for j := 0; j <= i; j++ {
			s := h[i*dim+j]
			for k := range j {
				s -= float64(h[i*dim+k] * h[j*dim+k])
			}
			if i != j {
				h[i*dim+j] = s / h[j*dim+j]
				continue
			}
			if !(s > 0) {
				return false
			}
			h[i*dim+i] = math.Sqrt(s)
		}
	}
	return true
}

// solveLower replaces v by L⁻¹v, solveUpper by L⁻ᵀv.
func solveLower(l, v []float64) {
	dim := len(v)
	for i := range dim {
		s := v[i]
		for j, w := range l[i*dim : i*dim+i] {
			s -= float64(w * v[j])
		}
		v[i] = s / l[i*dim+i]
	}
}

func solveUpper(l, v []float64) {
	dim := len(v)
	for i := dim - 1; i >= 0; i-- {
		v[i] /= l[i*dim+i]
		for j, w := range l[i*dim : i*dim+i] {
			v[j] -= float64(w * v[i])
		}
	}
}

// descend minimises from the origin. eval writes the gradient to its second
// argument. Near the end rounding stops the line search: the best point so far
// is then the answer, so errors of the optimiser are not errors here.
func descend(ctx context.Context, dim int, eval func(z, grad []float64) float64) []float64 {
	at, grad, f := make([]float64, dim), make([]float64, dim), 0.0
	known := false
	best, bestF := make([]float64, dim), math.Inf(1)
	update := func(z []float64) {
		if known && slices.Equal(at, z) {
			return
		}
		copy(at, z)
		known = true
		f = eval(at, grad)
		if math.IsNaN(f) {
			f = math.Inf(1)
		}
		if f < bestF {
			bestF = f
			copy(best, z)
		}
	}
	problem := optimize.Problem{
		Func: func(z []float64) float64 { update(z); return f },
		Grad: func(dst, z []float64) { update(z); copy(dst, grad) },
		Status: func() (optimize.Status, error) {
			if ctx.Err() != nil {
				return optimize.Failure, context.Cause(ctx)
			}
			return optimize.NotTerminated, nil
		},
	}
	settings := &optimize.Settings{
		GradientThreshold: 1e-6, MajorIterations: 500, FuncEvaluations: 2000,
		Converger: &optimize.FunctionConverge{Absolute: 1e-9, Iterations: 5},
	}
	_, _ = optimize.Minimize(problem, make([]float64, dim), settings, &optimize.LBFGS{Store: 20})
	return best
}
