package forecast

import (
	"context"
	"math"
	"slices"

	"apiml/frame"
	"apiml/model"
)

// auto combines the candidates: half the weighted mean and half the weighted
// median of their forecasts, with weights that are a power of the inverse errors
// in the backtest (Bates & Granger, "The combination of forecasts", 1969; powers
// and trimming as in Timmermann, "Forecast combinations", Handbook of Economic
// Forecasting 1, 2006; the median as in Jose & Winkler, "Simple robust averages of
// forecasts", IJF 24, 2008). The power is lower where few forecasts could end
// one after the other: small samples say little about who is better.
//
// The absolute errors at an origin count by a power of the median of the
// candidates' there, so that the busiest hours do not decide alone. Later origins
// count more, and origins at the same time of the day, the week or the year: a
// model for the night is chosen by its nights. Candidates that err far more than
// the best one are left out, of the others the best few stay. Models that cannot
// follow two seasons do not take part where there are two, nor do those that do
// not know the year where there is one beside a week; they stand in the table.
//
// Exponents and limits were chosen on earlier parts of public series and on
// synthetic ones, not on what the results are measured on.

const (
	combinePower  = 6    // of the inverse error,
	combineShrink = 2    // times n/(n + this) for n independent forecasts
	combineWorst  = 1.6  // times the least error
	combineMost   = 9    // models
	combineHalf   = 0.25 // an error counts half after this share of the backtest,
	combineLong   = 150  // at most so many horizons
	combineTyped  = 0.75 // power of the usual error by which errors are divided
	combineMedian = 0.5  // share of the weighted median

	phaseWidth = 0.1 // of a period: where an origin has 1/e of what follows
	phaseDay   = 3   // how much more an origin counts at the same time of day or week,
	phaseYear  = 10  // of year: backtests hold few of these
)

// rowsOnly are the models that auto shows, but does not combine, for a series
// with two seasons.
func rowsOnly(name string) bool {
	return name == "ets" || name == "theta" || name == "stl-ets" || name == "mean" || name == "last"
}

// yearBlind are those that auto does not combine either where the second season
// is a year.
func yearBlind(name string) bool {
	switch name {
	case "hwt-day", "ridge-day", "profile", "median", "snaive-weekly", "lstm":
		return true
	}
	return false
}

// combination is the mixture of fitted models.
type combination struct {
	names   []string
	weights []float64 // positive, sum 1
	models  []predictor
}

func (c *combination) predict(dst []float64, hist frame.Series) {
	f := make([][]float64, len(c.models))
	for i, m := range c.models {
		f[i] = make([]float64, len(dst))
		m.predict(f[i], hist)
	}
	mix(dst, c.weights, f)
}

// mix writes half the weighted mean and half the weighted median of the forecasts
// f to dst. The weights sum to 1; forecasts of weight 0 may be nil.
func mix(dst, weights []float64, f [][]float64) {
	type point struct{ v, w float64 }
	var at []point
	for j := range dst {
		at = at[:0]
		m := 0.0
		for c, w := range weights {
			if w > 0 {
				m += float64(w * f[c][j])
				at = append(at, point{f[c][j], w})
			}
		}
		dst[j] = m
		if len(at) < 3 {
			continue
		}
		slices.SortFunc(at, func(a, b point) int {
			switch {
			case a.v < b.v:
				return -1
			case a.v > b.v:
				return 1
			}
			return 0
		})
		sum := 0.0
		for _, p := range at {
			if sum += p.w; sum >= 0.5 {
				dst[j] = float64((1-combineMedian)*m) + float64(combineMedian*p.v)
				break
			}
		}
	}
}

// shares lists the weights, the greatest first.
func (c *combination) shares() []Weight {
	var out []Weight
	for i, w := range c.weights {
		out = append(out, Weight{c.names[i], w})
	}
	slices.SortStableFunc(out, func(a, b Weight) int {
		switch {
		case a.Weight > b.Weight:
			return -1
		case a.Weight < b.Weight:
			return 1
		}
		return 0
	})
	return out
}

// forecasts of the candidates, by candidate and origin.
type forecasts struct {
	h       int
	step    int64
	origins []int // ascending
	f       [][][]float64
	abs     [][]float64 // sums of absolute errors, same indices
	sum     []float64   // sums of |y| by origin
	typical []float64   // median of abs over the candidates by origin
	skip    []bool      // candidates that are not combined
}

// forecastAll makes the forecasts of all candidates at all origins.
func forecastAll(ctx context.Context, s frame.Series, p parts, cands []candidate, workers int) (*forecasts, error) {
	b := &forecasts{h: p.h, step: s.Step, origins: p.origins, f: make([][][]float64, len(cands)), skip: make([]bool, len(cands))}
	m := periodsOf(s.Step, p.choice)
	two := len(m) > 1
	year := two && int64(m[len(m)-1])*s.Step > 300*day
	for c := range cands {
		b.skip[c] = two && rowsOnly(cands[c].name) || year && yearBlind(cands[c].name)
		b.f[c] = make([][]float64, len(p.origins))
	}
	const chunk = 32
	chunks := (len(p.origins) + chunk - 1) / chunk
	err := model.Parallel(ctx, workers, len(cands)*chunks, nil, func(_, task int) error {
		c, first := task/chunks, task%chunks*chunk
		for i := first; i < min(first+chunk, len(p.origins)); i++ {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			b.f[c][i] = make([]float64, p.h)
			cands[c].predict(b.f[c][i], until(s, p.origins[i]))
		}
		return nil
	})
	if err == nil {
		b.measure(s.Values)
	}
	return b, err
}

// index is the place of origin o.
func (b *forecasts) index(o int) int {
	i, _ := slices.BinarySearch(b.origins, o)
	return i
}

// auto is the row of the combination: at origin now the weights rest on the
// forecasts that had ended by then; without any, all candidates count alike.
func (b *forecasts) auto() func(o, now int) []float64 {
	weights, known := []float64(nil), -1
	dst := make([]float64, b.h)
	return func(o, now int) []float64 {
		if now != known {
			known = now
			n := 0
			for n < len(b.origins) && b.origins[n]+b.h <= now {
				n++
			}
			if weights = b.weigh(n, now); weights == nil {
				weights = make([]float64, len(b.f))
				for c := range weights {
					weights[c] = 1 / float64(len(b.f))
				}
			}
		}
		out := dst
		if o == now {
			out = make([]float64, b.h) // the caller keeps it while it asks for others
		}
		b.combine(out, weights, b.index(o))
		return out
	}
}

// measure fills abs and sum from the observed values.
func (b *forecasts) measure(y []float64) {
	b.sum = make([]float64, len(b.origins))
	b.abs = make([][]float64, len(b.f))
	for c := range b.f {
		b.abs[c] = make([]float64, len(b.origins))
		for i, o := range b.origins {
			var e errorSums
			e.add(y[o:o+b.h], b.f[c][i])
			b.abs[c][i] = e.abs
			b.sum[i] = e.sum
		}
	}
	b.typical = make([]float64, len(b.origins))
	all := make([]float64, len(b.f))
	for i := range b.typical {
		for c := range all {
			all[c] = b.abs[c][i]
		}
		b.typical[i] = median(all)
	}
}

// phaseWeight is how much an origin counts for a forecast from now by the time of
// the day, the week and the year, each where the backtest spans one and the
// forecast does not.
func (b *forecasts) phaseWeight(o, now, span int) float64 {
	w := 1.0
	for p, period := range periods {
		steps := period / float64(b.step)
		if steps < 4 || float64(b.h) >= steps || float64(span) < steps {
			continue
		}
		strength := float64(phaseDay)
		if p == 0 {
			strength = phaseYear
		}
		d := math.Mod(float64(now-o), steps)
		d = min(d, steps-d) / steps / phaseWidth
		w *= 1 + float64(strength*math.Exp(-d*d))
	}
	return w
}

// weigh returns the weights of the candidates for a forecast from now, by the
// first n origins; nil if nothing was observed there.
func (b *forecasts) weigh(n, now int) []float64 {
	if n == 0 {
		return nil
	}
	span := b.origins[n-1] - b.origins[0]
	h := float64(b.h)
	half := min(max(combineHalf*float64(span), 2*h), combineLong*h)
	usual := mean(b.typical[:n])
	errs, size := make([]float64, len(b.f)), 0.0
	for i := range n {
		w := math.Exp2(-float64(b.origins[n-1]-b.origins[i]) / half)
		if w < 1e-9 || b.sum[i] == 0 && b.typical[i] == 0 { // nothing observed, or nothing to learn
			continue
		}
		w *= b.phaseWeight(b.origins[i], now, span)
		w /= math.Pow(b.typical[i]+1e-9*b.sum[i], combineTyped) * math.Pow(usual+1e-9*b.sum[i], 1-combineTyped)
		size += b.sum[i] * w
		for c := range errs {
			errs[c] += b.abs[c][i] * w
		}
	}
	if size == 0 {
		return nil
	}
	for c, skip := range b.skip {
		if skip {
			errs[c] = math.Inf(1)
		}
	}
	least := slices.Min(errs)
	out := make([]float64, len(errs))
	if tiny := 1e-9 * size; least <= tiny { // the first perfect one: rounding must not decide
		out[slices.IndexFunc(errs, func(e float64) bool { return e <= tiny })] = 1
		return out
	}
	order := make([]int, len(errs))
	for c := range order {
		order[c] = c
	}
	slices.SortStableFunc(order, func(a, c int) int {
		switch {
		case errs[a] < errs[c]:
			return -1
		case errs[a] > errs[c]:
			return 1
		}
		return 0
	})
	independent := min(float64(span)/h+1, 2*half/h/math.Ln2)
	power := combinePower * independent / (independent + combineShrink)
	total := 0.0
	for _, c := range order[:min(len(order), combineMost)] {
		if errs[c] <= combineWorst*least {
			out[c] = math.Pow(least/errs[c], power)
			total += out[c]
		}
	}
	for c := range out {
		out[c] /= total
	}
	return out
}

// combine is the forecast of the mixture at origin i.
func (b *forecasts) combine(dst, weights []float64, i int) {
	f := make([][]float64, len(weights))
	for c, w := range weights {
		if w > 0 {
			f[c] = b.f[c][i]
		}
	}
	mix(dst, weights, f)
}
