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
	denseLags = 400
	maxAheadR = 96
	ridgeRows = 6000
	ridgeClip = 6
)

// ridgePenalties are the penalties to choose from, as shares of the mean
// diagonal of the Gram matrix.
var ridgePenalties = []float64{0.003, 0.02, 0.1, 0.5}

// moments are the sums that a regression of k targets on p inputs needs.
type moments struct {
	p, k, rows   int
	gram, xy, yy []float64
}

func newMoments(p, k int) *moments {
	return &moments{p: p, k: k, gram: make([]float64, p*p), xy: make([]float64, p*k), yy: make([]float64, k)}
}

func (m *moments) add(x, targets []float64) {
	m.rows++
	for i, v := range x {
		row := m.gram[i*m.p : i*m.p+i+1]
		for j := range row {
			row[j] += float64(v * x[j])
		}
	}
	for q, t := range targets {
		row := m.xy[q*m.p : (q+1)*m.p]
		for j, u := range x {
			row[j] += float64(t * u)
		}
		m.yy[q] += float64(t * t)
	}
}

func (m *moments) merge(o *moments) {
	m.rows += o.rows
	for i, v := range o.gram {
		m.gram[i] += v
	}
	for i, v := range o.xy {
		m.xy[i] += v
	}
}

// solve returns the weights, p per target; the last input bears no penalty.
func (m *moments) solve(share float64) ([]float64, bool) {
	g := slices.Clone(m.gram)
	trace := 0.0
	for i := range m.p - 1 {
		trace += g[i*m.p+i]
	}
	for i := range m.p {
		g[i*m.p+i] += 1e-6
		if i < m.p-1 {
			g[i*m.p+i] += share * trace / float64(m.p)
		}
	}
	if !cholesky(g, m.p) {
		return nil, false
	}
	w := slices.Clone(m.xy)
	for r := range slices.Chunk(w, m.p) {
		solveLower(g, r)
		solveUpper(g, r)
	}
	return w, true
}

// loss is the sum of squared errors of weights w on the rows of m.
func (m *moments) loss(w []float64) float64 {
	sum := 0.0
	for q, yy := range m.yy {
		row, xy := w[q*m.p:(q+1)*m.p], m.xy[q*m.p:(q+1)*m.p]
		sum += yy
		for i, v := range row {
			t := v*m.gram[i*m.p+i] - 2*xy[i]
			for j, u := range row[:i] {
				t += 2 * float64(u*m.gram[i*m.p+j])
			}
			sum += float64(v * t)
		}
	}
	return sum
}

// block is a mean of past values: those from ago lo (1 = the last one) to hi, and
// the same times periods before, of period steps each.
type block struct{ lo, hi, period, times int }

// farthest is how far back b looks.
func (b block) farthest() int { return b.hi + (b.times-1)*b.period }

// blocks lists the inputs for periods m and forecasts of ahead steps, and the
// window of the standardisation.
//
// A season enters twice: what came one period ago, and the mean of the same over
// the periods before that.
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
		in = append(in, block{i, i, 0, 1})
	}
	if dense > 24 {
		return in, longest
	}
	reach := min(max(4*ahead, 60), n/3)
	for lo, width := dense+1, 6; lo+width <= reach; lo, width = lo+width, width+width/2 {
		in = append(in, block{lo, lo + width - 1, 0, 1})
	}
	window = max(min(max(2*ahead, 48), n/3), 2)
	for _, p := range m {
		if p <= dense || p+dense > n/2 {
			continue
		}
		// One period before what comes: from p−ahead to p steps ago, and a little
		// before that.
		width := max(1, min(ahead, p)/12)
		times := min(6, n/2/p-1)
		for hi := p; hi > p-min(ahead, p-1); hi -= width {
			lo := max(hi-width+1, 1)
			in = append(in, block{lo, hi, 0, 1})
			if times > 0 {
				in = append(in, block{lo + p, hi + p, p, times})
			}
		}
		in = append(in, block{p + 1, p + width, 0, 1}, block{p + width + 1, p + 4*width, 0, 1})
		if times > 0 {
			in = append(in, block{2*p + 1, 2*p + 4*width, p, times})
		}
	}
	return in, window
}

// reach is how far back the inputs and the window go.
func reach(in []block, window int) int {
	r := window
	for _, b := range in {
		r = max(r, b.farthest())
	}
	return r
}

// ridgeWaves is the number of harmonics of each period among the inputs, where
// not all values are.
const ridgeWaves = 2

// waves is the number of inputs that say where in its periods an origin stands.
func waves(in []block, m []int) int {
	if len(in) > 0 && in[len(in)-1].lo == len(in) { // dense
		return 0
	}
	return 2 * ridgeWaves * len(m)
}

// ridgeRow fills x for an origin at o: the blocks, the waves and a 1. sums are
// prefix sums of z, sq those of its squares; phase is that of z[0] by period.
func ridgeRow(x []float64, in []block, window, o int, sums, sq []float64, m, phase []int) (center, scale float64) {
	w := min(window, o)
	center = (sums[o] - sums[o-w]) / float64(w)
	scale = math.Sqrt(max(0, (sq[o]-sq[o-w])/float64(w)-center*center))
	if !(scale > 1e-6*math.Abs(center)+1e-12) {
		scale = 1e-3*math.Abs(center) + 1e-9
	}
	for i, b := range in {
		t, n := 0.0, 0
		for k := range b.times {
			lo, hi := b.lo+k*b.period, b.hi+k*b.period
			if hi > o && n > 0 {
				break
			}
			hi, lo = min(hi, o), min(lo, o)
			t += sums[o-lo+1] - sums[o-hi]
			n += hi - lo + 1
		}
		x[i] = min(max((t/float64(n)-center)/scale, -ridgeClip), ridgeClip)
	}
	i := len(in)
	for k := 0; i < len(x)-1; k++ {
		turn := 2 * math.Pi * float64((phase[k]+o)%m[k]) / float64(m[k])
		for w := range ridgeWaves {
			x[i], x[i+1] = math.Sincos(float64(w+1) * turn)
			i += 2
		}
	}
	x[i] = 1
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
	p := len(in) + waves(in, l.m) + 1
	phase := phases(s, l.m)
	back := reach(in, window)
	if n-l.ahead-back < 10 {
		return fmt.Errorf("model %q: %d steps are too few for %d inputs", l.kind, n, len(in))
	}
	base := mean(slices.Clone(z))
	for i := range z {
		z[i] -= base // differences of large sums otherwise
	}
	sums, sq := prefixSums(z)
	// Sums of the earlier rows and of the last ones, which choose the penalty.
	past, late := newMoments(p, l.ahead), newMoments(p, l.ahead)
	x, targets := make([]float64, p), make([]float64, l.ahead)
	first, last := back, n-l.ahead
	stride := max(1, (last-first)/ridgeRows)
	split := last - max((last-first)/5, min(l.ahead, (last-first)/3))
	for o := last; o >= first; o -= stride {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// Filled values are no truth to learn from, and what is fitted for the
		// choice may not overlap with what it is judged on.
		if slices.ContainsFunc(s.Values[o:o+l.ahead], math.IsNaN) {
			continue
		}
		center, scale := ridgeRow(x, in, window, o, sums, sq, l.m, phase)
		for q := range targets {
			targets[q] = min(max((z[o+q]-center)/scale, -ridgeClip), ridgeClip)
		}
		if o <= split-l.ahead {
			past.add(x, targets)
		} else {
			late.add(x, targets)
		}
	}
	penalty := ridgePenalties[1]
	if past.rows > 0 && late.rows > 0 {
		best := math.Inf(1)
		for _, share := range ridgePenalties {
			w, ok := past.solve(share)
			if !ok {
				continue
			}
			if loss := late.loss(w); loss < best {
				best, penalty = loss, share
			}
		}
	}
	past.merge(late)
	weights, ok := past.solve(penalty)
	if !ok {
		return fmt.Errorf("model %q: the inputs determine no weights", l.kind)
	}
	// How the inputs were made is part of the model.
	l.par = append([]float64{float64(window), float64(len(in))}, weights...)
	for _, b := range in {
		l.par = append(l.par, float64(b.lo), float64(b.hi), float64(b.period), float64(b.times))
	}
	return nil
}

// ridgeParts reads par.
func (l *local) ridgeParts() (window int, weights []float64, in []block) {
	window = int(l.par[0])
	k := int(l.par[1])
	for b := range slices.Chunk(l.par[len(l.par)-4*k:], 4) {
		in = append(in, block{int(b[0]), int(b[1]), int(b[2]), int(b[3])})
	}
	return window, l.par[2 : len(l.par)-4*k], in
}

// phases are those of the first step of s.
func phases(s frame.Series, m []int) (out []int) {
	for _, p := range m {
		out = append(out, phaseOf(s, p))
	}
	return out
}

// predictRidge continues z, the working values of s.
func (l *local) predictRidge(dst []float64, s frame.Series, z []float64) {
	window, weights, in := l.ridgeParts()
	if extra := len(z) - reach(in, window) - 1; extra > 0 {
		z = z[extra:]
		s.Start += int64(extra) * s.Step
	}
	phase := phases(s, l.m)
	base := mean(slices.Clone(z))
	for i := range z {
		z[i] -= base
	}
	low, high := minimum(z), maximum(z)
	room := (high - low) / 2 // growth is possible, an explosion is not
	x := make([]float64, len(weights)/l.ahead)
	for done := 0; done < len(dst); {
		sums, sq := prefixSums(z)
		center, scale := ridgeRow(x, in, window, len(z), sums, sq, l.m, phase)
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
