package forecast

import (
	"math"
	"slices"
)

// STL is the decomposition into trend, season and remainder by loess of
// Cleveland, Cleveland, McRae & Terpenning, "STL: A Seasonal-Trend
// Decomposition Procedure Based on Loess", Journal of Official Statistics 6,
// 1990, with its robustness weights. MSTL (Bandara, Hyndman & Bergmeir, "MSTL",
// 2021) repeats it for several seasons: each is estimated on what the others
// leave.
//
// Loess fits of degree 1 are made at every jump-th point and joined by straight
// lines, as in the authors' program: O(n·window/jump) per smoothing with jump =
// window/10, so O(10·n), whatever the window.

// loess writes the local linear fits of y (weights w, nil = 1) with a window of
// span points at the positions from −before to len(y)−1+after to dst.
func loess(dst, y, w []float64, span, before, after int) {
	n := len(y)
	jump := max(1, span/10)
	total := n + before + after
	at := func(i int) float64 { // position i−before
		x := float64(i - before)
		lo := i - before - span/2
		lo = max(0, min(lo, n-span))
		hi := min(n, lo+span)
		far := max(x-float64(lo), float64(hi-1)-x)
		if span > n {
			far += float64((span - n) / 2)
		}
		far = max(far, 1e-9) * 1.0001
		var sw, sx, sxx, sy, sxy float64
		for j := lo; j < hi; j++ {
			d := (float64(j) - x) / far
			if d < 0 {
				d = -d
			}
			c := 1 - d*d*d
			k := c * c * c
			if w != nil {
				k *= w[j]
			}
			u := float64(j) - x
			sw += k
			sx += float64(k * u)
			sxx += float64(float64(k*u) * u)
			sy += float64(k * y[j])
			sxy += float64(float64(k*u) * y[j])
		}
		if sw <= 0 {
			return y[min(max(i-before, 0), n-1)]
		}
		det := float64(sw*sxx) - float64(sx*sx)
		if det <= 1e-9*sw*sxx || det <= 0 {
			return sy / sw
		}
		return (float64(sxx*sy) - float64(sx*sxy)) / det
	}
	last := 0
	dst[0] = at(0)
	for last < total-1 {
		next := min(last+jump, total-1)
		dst[next] = at(next)
		for k := last + 1; k < next; k++ {
			f := float64(k-last) / float64(next-last)
			dst[k] = float64(dst[last]*(1-f)) + float64(dst[next]*f)
		}
		last = next
	}
}

// movingAverage writes the means of width values of src, len(src)−width+1 of
// them, to dst, which may be src.
func movingAverage(dst, src []float64, width int) []float64 {
	sum := 0.0
	for _, v := range src[:width] {
		sum += v
	}
	n := len(src) - width + 1
	out := dst[:n]
	for i := range n {
		first := src[i]
		m := sum / float64(width)
		if i+width < len(src) {
			sum += src[i+width] - first
		}
		out[i] = m
	}
	return out
}

// odd is n or n+1.
func odd(n int) int { return n | 1 }

// stl returns the seasonal component of y with period m and the trend. Window
// is the span of the seasonal loess in periods. robust says how many times
// outliers are weighed down. y has no missing values and at least two periods.
func stl(y []float64, m, window, robust int) (season, trend []float64) {
	n := len(y)
	season, trend = make([]float64, n), make([]float64, n)
	window = odd(max(window, 7))
	trendSpan := odd(int(math.Ceil(1.5 * float64(m) / (1 - 1.5/float64(window)))))
	lowSpan := odd(m)
	var w []float64
	c := make([]float64, n+2*m)
	low := make([]float64, n+2*m)
	sub, subW, out := make([]float64, n/m+1), make([]float64, n/m+1), make([]float64, n/m+3)
	flat := make([]float64, n)
	for outer := 0; ; outer++ {
		for range 2 {
			for k := range m {
				cnt := 0
				for i := k; i < n; i += m {
					sub[cnt] = y[i] - trend[i]
					if w != nil {
						subW[cnt] = w[i]
					}
					cnt++
				}
				var weights []float64
				if w != nil {
					weights = subW[:cnt]
				}
				loess(out, sub[:cnt], weights, window, 1, 1)
				for j := range cnt + 2 {
					c[k+j*m] = out[j]
				}
			}
			// Low-pass: what is slow in the seasonal component belongs to the trend.
			a := movingAverage(low, c, m)
			a = movingAverage(low, a, m)
			a = movingAverage(low, a, 3)
			loess(flat, a, nil, lowSpan, 0, 0)
			for i := range season {
				season[i] = c[m+i] - flat[i]
				flat[i] = y[i] - season[i]
			}
			loess(trend, flat, w, trendSpan, 0, 0)
		}
		if outer == robust {
			return season, trend
		}
		// Bisquare weights of the remainders (Mosteller & Tukey).
		if w == nil {
			w = make([]float64, n)
		}
		for i := range w {
			w[i] = math.Abs(y[i] - season[i] - trend[i])
		}
		h := 6 * median(slices.Clone(w))
		for i, r := range w {
			switch {
			case r <= 0.001*h:
				w[i] = 1
			case r >= 0.999*h:
				w[i] = 0
			default:
				q := 1 - (r/h)*(r/h)
				w[i] = q * q
			}
		}
	}
}

// smoothPeriod is the period from which on a season is smoothed along the time
// too, by a loess of a 24th of the period: each minute of a day by itself would
// be the mean of a few noisy values.
const smoothPeriod = 300

// mstl decomposes y by the periods m, ascending, each of which occurs at least
// twice in y. It returns one seasonal component per period.
func mstl(y []float64, m []int, robust int) (seasons [][]float64, trend []float64) {
	seasons = make([][]float64, len(m))
	rest := slices.Clone(y)
	out := make([]float64, len(y))
	rounds := 2
	if len(m) == 1 {
		rounds = 1
	}
	for round := range rounds {
		for k, period := range m {
			if round > 0 {
				for i, v := range seasons[k] {
					rest[i] += v
				}
			}
			seasons[k], trend = stl(rest, period, 11+4*k, robust)
			if period >= smoothPeriod {
				loess(out, seasons[k], nil, odd(period/24), 0, 0)
				copy(seasons[k], out)
			}
			for i, v := range seasons[k] {
				rest[i] -= v
			}
		}
	}
	return seasons, trend
}
