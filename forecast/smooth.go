package forecast

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"
)

// Exponential smoothing, on series without missing values.
//
//   - ets: Hyndman, Koehler, Ord & Snyder, "Forecasting with Exponential
//     Smoothing: The State Space Approach", 2008; the form (no, additive or
//     damped trend; no, additive or multiplicative season) is chosen by AICc.
//     Initial states come from the first seasons by their heuristic and are not
//     refined by the optimiser; the errors are additive.
//   - theta: the dynamic optimised Theta model of Fiorucci, Pellegrini, Louzada,
//     Petropoulos & Koehler, "Models for optimising the theta method and their
//     relationship to state space models", IJF 32, 2016.
//   - hwt: two seasons at once with an autoregressive error, Taylor, "Triple
//     seasonal methods for short-term electricity demand forecasting", EJOR 204,
//     2010 (here with as many seasons as the series has).
//
// Parameters are found by Nelder & Mead's simplex (1965, gonum/optimize) on the
// squared one-step errors: O(n) per evaluation, 100 to 300 of them.

// simplex minimises f over the box lo … hi from start.
func simplex(f func(p []float64) float64, start, lo, hi []float64, evaluations int) []float64 {
	dim := len(start)
	p := make([]float64, dim)
	inside := func(z []float64) {
		for i, v := range z {
			p[i] = lo[i] + (hi[i]-lo[i])/(1+math.Exp(-v))
		}
	}
	z := make([]float64, dim)
	for i, v := range start {
		q := (v - lo[i]) / (hi[i] - lo[i])
		q = min(max(q, 0.001), 0.999)
		z[i] = math.Log(q / (1 - q))
	}
	best, bestF := slices.Clone(start), math.Inf(1)
	problem := optimize.Problem{Func: func(z []float64) float64 {
		inside(z)
		v := f(p)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			v = math.MaxFloat64
		}
		if v < bestF {
			bestF = v
			copy(best, p)
		}
		return v
	}}
	_, _ = optimize.Minimize(problem, z, &optimize.Settings{
		FuncEvaluations: evaluations,
		Converger:       &optimize.FunctionConverge{Relative: 1e-5, Iterations: 20},
	}, &optimize.NelderMead{SimplexSize: 1})
	return best
}

// etsForm is a form of ets with its parameters.
type etsForm struct {
	trend, multiplicative bool
	m                     int // period, 0 = no season
	alpha, beta, phi      float64
	gamma                 float64
	level, slope          float64   // before the first value
	season                []float64 // by position modulo m, before the first value
}

// run filters y and returns the sum of squared one-step errors. dst, if not
// nil, gets the forecasts behind y.
func (e *etsForm) run(y, dst []float64) float64 {
	l, b := e.level, e.slope
	var s []float64
	if e.m > 0 {
		s = slices.Clone(e.season)
	}
	sse := 0.0
	k := 0
	for _, v := range y {
		mu := l
		if e.trend {
			mu += float64(e.phi * b)
		}
		switch {
		case e.m == 0:
			err := v - mu
			sse += float64(err * err)
			l = mu + float64(e.alpha*err)
			if e.trend {
				b = float64(e.phi*b) + float64(e.beta*err)
			}
			continue
		case e.multiplicative:
			err := v - float64(mu*s[k])
			sse += float64(err * err)
			d := err / s[k]
			if s[k] == 0 || mu == 0 {
				return math.Inf(1)
			}
			s[k] += e.gamma * err / mu
			l = mu + float64(e.alpha*d)
			if e.trend {
				b = float64(e.phi*b) + float64(e.beta*d)
			}
		default:
			err := v - mu - s[k]
			sse += float64(err * err)
			s[k] += float64(e.gamma * err)
			l = mu + float64(e.alpha*err)
			if e.trend {
				b = float64(e.phi*b) + float64(e.beta*err)
			}
		}
		if k++; k == e.m {
			k = 0
		}
	}
	damp, sum := 1.0, 0.0
	for i := range dst {
		mu := l
		if e.trend {
			damp *= e.phi
			sum += damp
			mu += float64(sum * b)
		}
		if e.m > 0 {
			if e.multiplicative {
				mu *= s[k]
			} else {
				mu += s[k]
			}
			if k++; k == e.m {
				k = 0
			}
		}
		dst[i] = mu
	}
	return sse
}

// start sets the initial states from the first values of y.
func (e *etsForm) start(y []float64) {
	z := y
	if e.m > 0 {
		// Seasonal indices of the first periods around their means.
		periods := min(len(y)/e.m, 5)
		e.season = make([]float64, e.m)
		z = make([]float64, periods*e.m)
		for p := range periods {
			mu := mean(y[p*e.m : (p+1)*e.m])
			for k := range e.m {
				if e.multiplicative {
					e.season[k] += y[p*e.m+k] / mu / float64(periods)
				} else {
					e.season[k] += (y[p*e.m+k] - mu) / float64(periods)
				}
			}
		}
		for i := range z {
			if e.multiplicative {
				z[i] = y[i] / e.season[i%e.m]
			} else {
				z[i] = y[i] - e.season[i%e.m]
			}
		}
	}
	n := min(len(z), max(10, 2*e.m))
	e.level = mean(z[:n])
	e.slope = 0
	if e.trend { // line through the first values
		var sxy, sxx float64
		for i, v := range z[:n] {
			x := float64(i) - float64(n-1)/2
			sxy += float64(x * v)
			sxx += float64(x * x)
		}
		if sxx > 0 {
			e.slope = sxy / sxx
		}
		e.level -= e.slope * float64(n+1) / 2
	}
}

// fit finds the smoothing parameters and returns AICc.
func (e *etsForm) fit(y []float64) float64 {
	e.start(y)
	start, lo, hi := []float64{0.3}, []float64{1e-4}, []float64{0.9999}
	k := 2.0 // level, alpha
	if e.trend {
		start, lo, hi = append(start, 0.1, 0.95), append(lo, 1e-4, 0.8), append(hi, 0.9999, 0.98)
		k += 3
	}
	if e.m > 0 {
		start, lo, hi = append(start, 0.1), append(lo, 1e-4), append(hi, 0.9999)
		k += float64(e.m)
	}
	set := func(p []float64) {
		e.alpha = p[0]
		i := 1
		if e.trend {
			e.beta, e.phi = p[0]*p[1], p[2]
			i = 3
		}
		if e.m > 0 {
			e.gamma = (1 - p[0]) * p[i]
			if e.multiplicative {
				e.gamma *= 1
			}
		}
	}
	set(simplex(func(p []float64) float64 { set(p); return e.run(y, nil) }, start, lo, hi, 100*len(start)))
	n := float64(len(y))
	sse := e.run(y, nil)
	if !(sse < math.MaxFloat64) {
		return math.Inf(1)
	}
	k++ // variance
	aic := float64(n*math.Log(sse/n+1e-300)) + 2*k
	if n > k+1 {
		aic += 2 * k * (k + 1) / (n - k - 1)
	}
	return aic
}

// parameters are what etsOf takes.
func (e *etsForm) parameters() []float64 {
	return []float64{float64(flag(e.trend)), float64(flag(e.multiplicative)), e.alpha, e.beta, e.phi, e.gamma}
}

func etsOf(p []float64) *etsForm {
	return &etsForm{trend: p[0] == 1, multiplicative: p[1] == 1, alpha: p[2], beta: p[3], phi: p[4], gamma: p[5]}
}

// fitETS chooses a form for y; m = 0 or 1: none with a season.
func fitETS(y []float64, m int) *etsForm {
	var best *etsForm
	bestAIC := math.Inf(1)
	forms := []etsForm{{}, {trend: true}}
	if m > 1 && len(y) >= 2*m {
		forms = append(forms, etsForm{m: m}, etsForm{m: m, trend: true})
		if minimum(y) > 0 {
			forms = append(forms, etsForm{m: m, multiplicative: true}, etsForm{m: m, trend: true, multiplicative: true})
		}
	}
	for i := range forms {
		if aic := forms[i].fit(y); best == nil || aic < bestAIC {
			best, bestAIC = &forms[i], aic
		}
	}
	return best
}

// thetaModel is the dynamic optimised Theta model.
type thetaModel struct {
	alpha, theta, level float64
}

// run filters y; dst gets the forecasts.
func (t *thetaModel) run(y, dst []float64) float64 {
	l, avg, a, b := t.level, 0.0, 0.0, 0.0
	sse := 0.0
	decay := 1.0 // (1−α)^(i)
	for i, v := range y {
		n := float64(i)
		mu := l
		if i > 0 {
			mu += (1 - 1/t.theta) * (float64(a*decay) + b*(1-decay*(1-t.alpha))/t.alpha)
		}
		e := v - mu
		if i > 2 {
			sse += float64(e * e)
		}
		l = float64(t.alpha*v) + float64((1-t.alpha)*l)
		avg = (n*avg + v) / (n + 1)
		if i == 0 {
			b = 0
		} else {
			b = ((n-1)*b + 6*(v-avg)/(n+1)) / (n + 2)
		}
		a = avg - b*(n+2)/2
		decay *= 1 - t.alpha
	}
	n := float64(len(y))
	for i := range dst {
		mu := l + (1-1/t.theta)*(float64(a*decay)+b*(1-decay*(1-t.alpha))/t.alpha)
		dst[i] = mu
		l = float64(t.alpha*mu) + float64((1-t.alpha)*l)
		avg = ((n+float64(i))*avg + mu) / (n + float64(i) + 1)
		decay *= 1 - t.alpha
	}
	return sse
}

func fitTheta(y []float64) *thetaModel {
	t := &thetaModel{level: y[0] / 2}
	scale := math.Max(math.Abs(y[0]), 1e-9)
	set := func(p []float64) { t.alpha, t.theta, t.level = p[0], p[1], p[2] }
	set(simplex(func(p []float64) float64 { set(p); return t.run(y, nil) },
		[]float64{0.5, 2, y[0]}, []float64{0.01, 1, y[0] - 5*scale}, []float64{0.99, 20, y[0] + 5*scale}, 300))
	return t
}

// hwt is exponential smoothing with several additive seasons.
type hwt struct {
	m          []int
	alpha, phi float64 // phi: of the one-step errors
	gamma      []float64
	level      float64
	seasons    [][]float64 // by position modulo period, before the first value
}

// run filters y and returns the sum of squared one-step errors; dst gets the
// forecasts behind it.
func (e *hwt) run(y, dst []float64) float64 {
	l, last := e.level, 0.0
	s := make([][]float64, len(e.m))
	at := make([]int, len(e.m))
	for k := range s {
		s[k] = slices.Clone(e.seasons[k])
	}
	sse := 0.0
	for _, v := range y {
		mu := l
		for k, p := range at {
			mu += s[k][p]
		}
		err := v - mu
		one := err - float64(e.phi*last)
		sse += float64(one * one)
		last = err
		l += float64(e.alpha * err)
		for k, p := range at {
			s[k][p] += float64(e.gamma[k] * err)
			if at[k]++; at[k] == e.m[k] {
				at[k] = 0
			}
		}
	}
	for i := range dst {
		last *= e.phi
		mu := l + last
		for k, p := range at {
			mu += s[k][p]
			if at[k]++; at[k] == e.m[k] {
				at[k] = 0
			}
		}
		dst[i] = mu
	}
	return sse
}

// fit finds the smoothing parameters.
func (e *hwt) fit(y []float64) {
	start, lo, hi := []float64{0.05, 0.7}, []float64{1e-5, 0}, []float64{0.9, 0.99}
	for range e.m {
		start, lo, hi = append(start, 0.1), append(lo, 1e-5), append(hi, 0.6)
	}
	set := func(p []float64) {
		e.alpha, e.phi = p[0], p[1]
		copy(e.gamma, p[2:])
	}
	set(simplex(func(p []float64) float64 { set(p); return e.run(y, nil) }, start, lo, hi, 60*len(start)))
}

// autoregression is an AR(p) with a mean.
type autoregression struct {
	mean float64
	phi  []float64
}

// fitAR fits by Burg's method (1975) and chooses the order by AIC.
func fitAR(y []float64, most int) *autoregression {
	n := len(y)
	a := &autoregression{mean: mean(y)}
	f, b := make([]float64, n), make([]float64, n)
	e := 0.0
	for i, v := range y {
		f[i] = v - a.mean
		b[i] = f[i]
		e += float64(f[i] * f[i])
	}
	e /= float64(n)
	if !(e > 0) {
		return a
	}
	var phi []float64
	bestAIC := math.Log(e) + 2/float64(n)
	for p := 1; p <= min(most, n/4); p++ {
		num, den := 0.0, 0.0
		for i := p; i < n; i++ {
			num += float64(f[i] * b[i-1])
			den += float64(f[i]*f[i]) + float64(b[i-1]*b[i-1])
		}
		if !(den > 0) {
			break
		}
		k := 2 * num / den
		next := make([]float64, p)
		for j, v := range phi {
			next[j] = v - k*phi[p-2-j]
		}
		next[p-1] = k
		phi = next
		for i := n - 1; i >= p; i-- {
			f[i], b[i] = f[i]-k*b[i-1], b[i-1]-k*f[i]
		}
		e *= 1 - k*k
		if !(e > 0) {
			break
		}
		if aic := math.Log(e) + 2*float64(p+1)/float64(n); aic < bestAIC {
			bestAIC = aic
			a.phi = phi
		}
	}
	return a
}

func (a *autoregression) predict(dst, y []float64) {
	p := len(a.phi)
	last := make([]float64, p, p+len(dst))
	for i := range last {
		last[i] = -a.mean + y[max(0, len(y)-p+i)]
	}
	for i := range dst {
		v := 0.0
		for j, c := range a.phi {
			v += float64(c * last[len(last)-1-j])
		}
		last = append(last, v)
		dst[i] = a.mean + v
	}
}
