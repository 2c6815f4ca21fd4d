package forecast

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
)

// The analog model looks for earlier times at which the latest steps looked as they
// do at the origin, and forecasts the median of what followed there (nearest
// neighbours: Yakowitz, "Nearest-neighbour methods for time series analysis", JTSA
// 8, 1987; Martínez et al., "A methodology for applying k-nearest neighbor to time
// series forecasting", AI Review 52, 2019). For positive series all of it is on
// logarithms.
//
// With a season only times at nearly the same place in it are compared. The distance
// is the mean absolute difference of the windows, each less its mean, where a step
// counts half after half a window. What followed is carried to the level at the
// origin: half the mean of the window, half that of its last quarter.
//
// The length of the window and the number of neighbours are chosen on a grid by the
// absolute errors of forecasts from earlier origins. A window is read at no more than
// about analogReads places: O(origins · windows · candidates · reads) for a fit.

const (
	analogMost    = 400 // times that are compared
	analogReads   = 64
	analogOrigins = 24
	analogShift   = 48 // places may differ by the season over this
)

// Windows to choose from, as multiples of the base length, and neighbours.
var (
	analogWindows    = []float64{0.5, 1, 2, 4}
	analogNeighbours = []int{2, 5, 12, 30}
)

// analogBase is the base length of windows in a history of n steps.
func (l *local) analogBase(h, n int) int {
	w := max(h, 12)
	if len(l.m) > 0 {
		w = max(min(h, l.m[0]), l.m[0]/4)
	}
	return max(min(w, n/6), 4)
}

// analogs lists earlier times whose windows of w steps are like the one at the end of
// z and whose next h steps are known, the nearest first.
func (l *local) analogs(z []float64, w, h int) []int {
	type match struct {
		at       int
		distance float64
	}
	var found []match
	n := len(z)
	step := max(1, w/analogReads)
	center := mean(z[n-w:])
	add := func(at int) {
		if at < w || at+h > n {
			return
		}
		gap := center - mean(z[at-w:at])
		sum, total := 0.0, 0.0
		for k := 1; k <= w; k += step {
			weight := math.Exp2(-2 * float64(k) / float64(w))
			sum += float64(weight * math.Abs(z[n-k]-z[at-k]-gap))
			total += weight
		}
		found = append(found, match{at, sum / total})
	}
	if len(l.m) > 0 {
		m := l.m[0]
		most := m / analogShift
		for k := 1; k*m <= n && len(found) < analogMost; k++ {
			for shift := -most; shift <= most; shift += max(1, most/3) {
				add(n - k*m + shift)
			}
		}
	} else {
		for at := n - h; at >= w; at -= max(1, (n-h-w)/analogMost) {
			add(at)
		}
	}
	slices.SortStableFunc(found, func(a, b match) int { return cmp.Compare(a.distance, b.distance) })
	out := make([]int, len(found))
	for i, f := range found {
		out[i] = f.at
	}
	return out
}

// follow writes what followed the first k of found, at the level of the end of z.
func (l *local) follow(dst, z []float64, w, k int, found []int) {
	level := func(at int) float64 {
		return mean(z[at-w:at])/2 + mean(z[at-min(w, max(2, w/4)):at])/2
	}
	now := level(len(z))
	found = found[:min(k, len(found))]
	levels := make([]float64, len(found))
	for i, at := range found {
		levels[i] = level(at)
	}
	v := make([]float64, 0, len(found))
	for j := range dst {
		v = v[:0]
		for i, at := range found {
			if at+j < len(z) {
				v = append(v, z[at+j]-levels[i])
			}
		}
		dst[j] = now
		if len(v) > 0 {
			dst[j] += median(v)
		}
	}
}

// fitAnalog chooses window and neighbours on z for forecasts of h steps.
func (l *local) fitAnalog(ctx context.Context, z []float64, h int) error {
	n := len(z)
	if n < 6*h || len(l.m) > 0 && n < 4*l.m[0] {
		return fmt.Errorf("model %q: %d steps are too few for forecasts of %d", l.kind, n, h)
	}
	base := l.analogBase(h, n)
	loss := make([]float64, len(analogWindows)*len(analogNeighbours))
	stride := max(1, min(h, n/2/analogOrigins))
	f := make([]float64, h)
	for i := range analogOrigins {
		o := n - h - i*stride
		if o < n/3 {
			break
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		for a, share := range analogWindows {
			w := analogWindow(share*float64(base), o)
			found := l.analogs(z[:o], w, h)
			for b, k := range analogNeighbours {
				l.follow(f, z[:o], w, k, found)
				for j, v := range f {
					loss[a*len(analogNeighbours)+b] += math.Abs(l.back(z[o+j]) - l.back(v))
				}
			}
		}
	}
	best := 0
	for i, v := range loss {
		if better(v, loss[best]) {
			best = i
		}
	}
	l.par = []float64{math.Floor(analogWindows[best/len(analogNeighbours)] * float64(base)), float64(analogNeighbours[best%len(analogNeighbours)])}
	return nil
}

// analogWindow is a window of about that length in a history of n steps.
func analogWindow(length float64, n int) int { return min(max(int(length), 3), n) }

// predictAnalog continues z.
func (l *local) predictAnalog(dst, z []float64) {
	w := analogWindow(l.par[0], len(z))
	l.follow(dst, z, w, int(l.par[1]), l.analogs(z, w, max(1, min(len(dst), len(z)/2))))
}
