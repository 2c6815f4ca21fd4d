package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"

	"apiml/frame"
)

// The ridge regression forecasts each step ahead by a linear function of its
// own (direct multi-step, as in Ben Taieb, Bontempi, Atiya & Sorjamaa, "A review
// and comparison of strategies for multi-step ahead time series forecasting",
// ESWA 39, 2012; long linear autoregressions as in Montero-Manso & Hyndman,
// "Principles and algorithms for forecasting groups of time series", IJF 37,
// 2021), with a quadratic penalty (Hoerl & Kennard 1970).
//
// Inputs are the last values, standardised by mean and standard deviation of a
// window: all of them back to the longest plus the shortest period where that is
// at most denseLags, else the last 24, means of ever longer blocks before them,
// and for each period what followed the same place in the period before, in
// blocks. All steps share the inputs, so one Gram matrix serves them all:
// O(rows·p²/2 + rows·p·steps), rows ≤ ridgeRows.
//
// Standardised values beyond ±clip count as ±clip: one outage must not set the
// weights. Beyond ahead steps it goes on from its own forecasts.

const (
	denseLags  = 400
	maxAheadR  = 96
	ridgeRows  = 6000
	ridgeClip  = 6
	ridgeShare = 0.02 // of the mean diagonal of the Gram matrix
)

// block is a mean of past values: those from ago lo (1 = the last one) to hi.
type block struct{ lo, hi int }

// blocks lists the inputs for periods m and forecasts of ahead steps, and the
// window of the standardisation.
func ridgeInputs(m []int, ahead, n int) (in []block, window int) {
	shortest, longest := 1, 1
	if len(m) > 0 {
		shortest, longest = m[0], m[len(m)-1]
	}
	dense := longest + shortest
	if len(m) == 0 {
		dense = 24
	}
	if dense > denseLags || len(m) > 0 && n < dense+ahead+dense/2 {
		dense = 24
	}
	dense = min(dense, max(1, n/4))
	for i := 1; i <= dense; i++ {
		in = append(in, block{i, i})
	}
	if dense > 24 {
		return in, longest
	}
	reach := min(max(4*ahead, 60), n/3)
	for lo, width := dense+1, 6; lo+width <= reach; lo, width = lo+width, width+width/2 {
		in = append(in, block{lo, lo + width - 1})
	}
	window = max(min(max(2*ahead, 48), n/3), 2)
	for _, p := range m {
		if p <= dense || p+dense > n/2 {
			continue
		}
		// One period before what comes: from p−ahead to p steps ago, and a little
		// before that.
		width := max(1, min(ahead, p)/12)
		for hi := p; hi > p-min(ahead, p-1); hi -= width {
			in = append(in, block{max(hi-width+1, 1), hi})
		}
		in = append(in, block{p + 1, p + width}, block{p + width + 1, p + 4*width})
	}
	return in, window
}

// reach is how far back the inputs and the window go.
func reach(in []block, window int) int {
	r := window
	for _, b := range in {
		r = max(r, b.hi)
	}
	return r
}

// ridgeRow fills x (len(in)+1, the last one 1) for an origin at the end of z;
// sums are prefix sums of z and sq those of its squares.
func ridgeRow(x []float64, in []block, window, o int, sums, sq []float64) (center, scale float64) {
	w := min(window, o)
	center = (sums[o] - sums[o-w]) / float64(w)
	scale = math.Sqrt(max(0, (sq[o]-sq[o-w])/float64(w)-center*center))
	if !(scale > 1e-6*math.Abs(center)+1e-12) {
		scale = 1e-3*math.Abs(center) + 1e-9
	}
	for i, b := range in {
		hi, lo := min(b.hi, o), min(b.lo, o)
		v := (sums[o-lo+1] - sums[o-hi]) / float64(hi-lo+1)
		x[i] = min(max((v-center)/scale, -ridgeClip), ridgeClip)
	}
	x[len(in)] = 1
	return center, scale
}

func prefixSums(z []float64) (sums, sq []float64) {
	sums, sq = make([]float64, len(z)+1), make([]float64, len(z)+1)
	// Around the first value, or the squares of large values lose the spread.
	for i, v := range z {
		sums[i+1] = sums[i] + v
		sq[i+1] = sq[i] + float64(v*v)
	}
	return sums, sq
}

// fitRidge fits the weights on z, the working values of s.
func (l *local) fitRidge(ctx context.Context, s frame.Series, z []float64, h int) error {
	l.ahead = min(h, maxAheadR)
	n := len(z)
	in, window := ridgeInputs(l.m, l.ahead, n)
	p := len(in) + 1
	back := reach(in, window)
	if n-l.ahead-back < 10 {
		return fmt.Errorf("model %q: %d steps are too few for %d inputs", l.kind, n, len(in))
	}
	base := mean(slices.Clone(z))
	for i := range z {
		z[i] -= base // differences of large sums otherwise
	}
	sums, sq := prefixSums(z)
	gram, xy := make([]float64, p*p), make([]float64, p*l.ahead)
	x, targets := make([]float64, p), make([]float64, l.ahead)
	stride := max(1, (n-l.ahead-back)/ridgeRows)
	for o := n - l.ahead; o >= back; o -= stride {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		missing := false
		for _, v := range s.Values[o : o+l.ahead] {
			if math.IsNaN(v) {
				missing = true // filled values are no truth to learn from
			}
		}
		if missing {
			continue
		}
		center, scale := ridgeRow(x, in, window, o, sums, sq)
		for i, v := range x {
			for j, u := range x[:i+1] {
				gram[i*p+j] += float64(v * u)
			}
		}
		for q := range targets {
			t := min(max((z[o+q]-center)/scale, -ridgeClip), ridgeClip)
			for j, u := range x {
				xy[q*p+j] += float64(t * u)
			}
		}
	}
	trace := 0.0
	for i := range p - 1 {
		trace += gram[i*p+i]
	}
	penalty := ridgeShare*trace/float64(p) + 1e-9
	for i := range p {
		if i < p-1 {
			gram[i*p+i] += penalty
		} else {
			gram[i*p+i] += 1e-6
		}
	}
	if !cholesky(gram, p) {
		return fmt.Errorf("model %q: the inputs determine no weights", l.kind)
	}
	for q := range l.ahead {
		solveLower(gram, xy[q*p:(q+1)*p])
		solveUpper(gram, xy[q*p:(q+1)*p])
	}
	// How the inputs were made is part of the model.
	l.par = append([]float64{float64(window), float64(len(in))}, xy...)
	for _, b := range in {
		l.par = append(l.par, float64(b.lo), float64(b.hi))
	}
	return nil
}

// ridgeParts reads par.
func (l *local) ridgeParts() (window int, weights []float64, in []block) {
	window = int(l.par[0])
	k := int(l.par[1])
	weights = l.par[2 : 2+l.ahead*(k+1)]
	rest := l.par[2+len(weights):]
	for i := range k {
		in = append(in, block{int(rest[2*i]), int(rest[2*i+1])})
	}
	return window, weights, in
}

// predictRidge continues z.
func (l *local) predictRidge(dst, z []float64) {
	window, weights, in := l.ridgeParts()
	if extra := len(z) - reach(in, window) - 1; extra > 0 {
		z = z[extra:]
	}
	base := mean(slices.Clone(z))
	for i := range z {
		z[i] -= base
	}
	low, high := minimum(z), maximum(z)
	room := (high - low) / 2 // growth is possible, an explosion is not
	x := make([]float64, len(in)+1)
	for done := 0; done < len(dst); {
		sums, sq := prefixSums(z)
		center, scale := ridgeRow(x, in, window, len(z), sums, sq)
		steps := min(l.ahead, len(dst)-done)
		for q := range steps {
			v := 0.0
			for j, u := range x {
				v += float64(weights[q*len(x)+j] * u)
			}
			v = center + float64(scale*v)
			v = min(max(v, low-room), high+room)
			dst[done+q] = v + base
			z = append(z, v)
		}
		done += steps
	}
}
