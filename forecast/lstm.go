package forecast

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"apiml/frame"
	"apiml/model"
)

// The LSTM is one layer of long short-term memory (Hochreiter & Schmidhuber,
// Neural Computation 9, 1997) with forget gates (Gers, Schmidhuber & Cummins
// 2000) in float64:
//
//	i, f, o = σ(W·[x; h] + b),  c ← f⊙c + i⊙tanh(…),  h = o⊙tanh(c)
//
// Input of a step: the standardised log(1+|y|) with the sign of y, whether it
// was observed, the recent level (below), and sine and cosine of the time of
// day and week, if the history holds two of them. Output: the next ahead steps
// at once (direct multi-step; ahead = the horizon, at most maxAhead), each as
// its deviation from the recent level, the mean of the last ahead observed
// inputs: zj = level + Vj·h + bj + U·time(j). An untrained network so repeats
// the recent mean. Beyond ahead it goes on recursively, block by block, with its
// own forecasts as inputs.
//
// Training: truncated back-propagation through time (Williams & Peng 1990):
// the history is cut into parallel streams, each goes through its windows of
// lstm_window steps in order, the state is carried over, the gradient is not.
// Huber loss (δ = 1) on the standardised scale, Adam (Kingma & Ba 2015), the
// gradient's norm clipped (Pascanu et al. 2013), early stopping on the last
// 15 % of the history, whose best weights are kept. Consecutive steps have
// nearly the same targets, so only every ahead/8-th counts, another one in each
// pass. The streams' gradients are summed in their order: the number of workers
// changes nothing.
//
// Cost: O(points · (4·H·(H+I) + H·8)) per pass; a forecast runs over the last
// lookback steps of the history from the state zero.

const (
	maxHidden = 64
	maxAhead  = 48
	lookback  = 128 // steps before the forecast that are read
	minLSTM   = 100 // observed points
)

// shape of a network. The weights are one slice, in blocks.
type shape struct {
	hidden, ahead int
	in            [3]int // Fourier orders of the input: 0 (year), week, day
	out           [3]int // the same of U
}

func (s shape) inputs() int { return 3 + columns(s.in) }

// block ends: W (4H × (I+H), rows i, f, g, o), b (4H), V (ahead × H), c (ahead), U.
func (s shape) blocks() [5]int {
	w := 4 * s.hidden * (s.inputs() + s.hidden)
	b := w + 4*s.hidden
	v := b + s.ahead*s.hidden
	c := v + s.ahead
	return [5]int{w, b, v, c, c + columns(s.out)}
}

func (s shape) size() int { return s.blocks()[4] }

// lstm is a fitted network.
type lstm struct {
	shape
	center, width float64 // of the logarithms
	low, high     float64 // range of standardised values that a forecast may take
	w             []float64
}

// squash is the scale on which the network works, stretch its inverse.
func squash(v float64) float64 { return math.Copysign(math.Log1p(math.Abs(v)), v) }
func stretch(z float64) float64 {
	return math.Copysign(math.Expm1(math.Abs(z)), z)
}

// cell holds one step of one stream, for the way back.
type cell struct {
	in   []float64 // x, then the h before: I+H
	gate []float64 // i, f, g, o after their functions: 4H
	c    []float64 // before the step
	tc   []float64 // tanh of c after it
}

// sequence is a series as the network sees it.
type sequence struct {
	z     []float64 // standardised, NaN = missing
	level []float64 // mean of the last ahead observed values up to and with this one
	in    []float64 // time features per step
	out   []float64
	nin   int
	nout  int
}

// prepare standardises s. The level before the first observation is 0.
func (m *lstm) prepare(s frame.Series) *sequence {
	q := &sequence{nin: columns(m.in), nout: columns(m.out)}
	n := len(s.Values)
	q.z, q.level = make([]float64, n), make([]float64, n)
	q.in, q.out = make([]float64, n*q.nin), make([]float64, n*q.nout)
	for i, v := range s.Values {
		q.z[i] = (squash(v) - m.center) / m.width
		us := float64(s.Start + int64(i)*s.Step)
		fourier(q.in[i*q.nin:(i+1)*q.nin], us, m.in)
		fourier(q.out[i*q.nout:(i+1)*q.nout], us, m.out)
	}
	var r ring
	r.size = m.ahead
	for i, z := range q.z {
		q.level[i] = r.add(z)
	}
	return q
}

// ring is a running mean over the last size observed values.
type ring struct {
	size int
	last []float64
	at   int
	mean float64
}

// add lets in z and returns the mean; NaN leaves it.
func (r *ring) add(z float64) float64 {
	if math.IsNaN(z) {
		return r.mean
	}
	if len(r.last) < r.size {
		r.last = append(r.last, z)
	} else {
		r.last[r.at] = z
		r.at = (r.at + 1) % r.size
	}
	r.mean = mean(r.last)
	return r.mean
}

// input fills x for step i.
func (q *sequence) input(x []float64, i int) {
	x[0], x[1] = q.z[i], 1
	if math.IsNaN(q.z[i]) {
		x[0], x[1] = q.level[i], 0
	}
	x[2] = q.level[i]
	copy(x[3:], q.in[i*q.nin:(i+1)*q.nin])
}

func sigmoid(v float64) float64 { return 1 / (1 + math.Exp(-v)) }

// forward runs one step: cell.in and cell.c are set, h and c receive the state
// after it.
func (s *shape) forward(w []float64, k *cell, h, c []float64) {
	n, width := s.hidden, s.inputs()+s.hidden
	bias := w[4*n*width:]
	for r := range 4 * n {
		row := w[r*width : (r+1)*width]
		in := k.in[:len(row)]
		a0, a1 := bias[r], 0.0
		j := 0
		for ; j+1 < len(row); j += 2 {
			a0 += float64(row[j] * in[j])
			a1 += float64(row[j+1] * in[j+1])
		}
		if j < len(row) {
			a0 += float64(row[j] * in[j])
		}
		k.gate[r] = a0 + a1
	}
	for u := range n {
		i, f := sigmoid(k.gate[u]), sigmoid(k.gate[n+u])
		g, o := math.Tanh(k.gate[2*n+u]), sigmoid(k.gate[3*n+u])
		k.gate[u], k.gate[n+u], k.gate[2*n+u], k.gate[3*n+u] = i, f, g, o
		c[u] = float64(f*k.c[u]) + float64(i*g)
		k.tc[u] = math.Tanh(c[u])
		h[u] = float64(o * k.tc[u])
	}
}

// stream is the state of one part of the history in training.
type stream struct {
	s      *shape
	lo, hi int // its steps
	at     int
	h, c   []float64
	cells  []cell
	hs     []float64 // h after each step of the window
	err    []float64 // derivative of the loss by each output of a step
	dh, dc []float64
	din    []float64
	da     []float64
	grad   []float64
	loss   float64
	count  int
}

func newStream(s *shape, lo, hi, window int) *stream {
	n, width := s.hidden, s.inputs()+s.hidden
	t := &stream{s: s, lo: lo, hi: hi, at: lo,
		h: make([]float64, n), c: make([]float64, n), hs: make([]float64, window*n), err: make([]float64, s.ahead),
		dh: make([]float64, n), dc: make([]float64, n), din: make([]float64, width), da: make([]float64, 4*n), grad: make([]float64, s.size())}
	for range window {
		t.cells = append(t.cells, cell{make([]float64, width), make([]float64, 4*n), make([]float64, n), make([]float64, n)})
	}
	return t
}

func (t *stream) reset() {
	t.at = t.lo
	clear(t.h)
	clear(t.c)
}

// outputs writes the standardised forecasts behind step i, given h, to dst.
func (s *shape) outputs(dst, w, h []float64, q *sequence, i int) {
	b := s.blocks()
	for j := range dst {
		v := w[b[1]+j*s.hidden : b[1]+(j+1)*s.hidden]
		a := q.level[i] + w[b[2]+j]
		for u, x := range v {
			a += float64(x * h[u])
		}
		if q.nout > 0 {
			for l, x := range q.out[(i+1+j)*q.nout : (i+2+j)*q.nout] {
				a += float64(w[b[3]+l] * x)
			}
		}
		dst[j] = a
	}
}

// window runs the next steps of the stream, at most len(cells), forth and, if
// back, back; it sets loss, count and grad (sums, not means). Targets lie
// before end; steps with i%stride == phase have some.
func (t *stream) window(w []float64, q *sequence, end, stride, phase int, back bool) {
	s := t.s
	n, width := s.hidden, s.inputs()
	t.loss, t.count = 0, 0
	steps := min(len(t.cells), t.hi-t.at)
	for k := range steps {
		cell := &t.cells[k]
		q.input(cell.in[:width], t.at+k)
		copy(cell.in[width:], t.h)
		copy(cell.c, t.c)
		s.forward(w, cell, t.h, t.c)
		copy(t.hs[k*n:(k+1)*n], t.h)
	}
	if back {
		clear(t.grad)
		clear(t.dh)
		clear(t.dc)
	}
	b := s.blocks()
	for k := steps - 1; k >= 0; k-- {
		i := t.at + k
		h := t.hs[k*n : (k+1)*n]
		if i%stride == phase && i+1 < end {
			out := t.err[:min(s.ahead, end-i-1)]
			s.outputs(out, w, h, q, i)
			for j, v := range out {
				e := v - q.z[i+1+j]
				if math.IsNaN(e) {
					continue
				}
				t.count++
				if math.Abs(e) <= 1 {
					t.loss += float64(e*e) / 2
				} else {
					t.loss += math.Abs(e) - 0.5
					e = math.Copysign(1, e)
				}
				if !back {
					continue
				}
				v, dv := w[b[1]+j*n:b[1]+(j+1)*n], t.grad[b[1]+j*n:b[1]+(j+1)*n]
				for u := range dv {
					dv[u] += float64(e * h[u])
					t.dh[u] += float64(e * v[u])
				}
				t.grad[b[2]+j] += e
				if q.nout > 0 {
					for l, x := range q.out[(i+1+j)*q.nout : (i+2+j)*q.nout] {
						t.grad[b[3]+l] += float64(e * x)
					}
				}
			}
		}
		if back {
			t.backward(w, &t.cells[k])
		}
	}
	t.at += steps
}

// backward takes dh and dc through one step and adds to grad.
func (t *stream) backward(w []float64, k *cell) {
	n := t.s.hidden
	width := t.s.inputs() + n
	for u := range n {
		i, f, g, o := k.gate[u], k.gate[n+u], k.gate[2*n+u], k.gate[3*n+u]
		dc := t.dc[u] + float64(t.dh[u]*o)*(1-float64(k.tc[u]*k.tc[u]))
		t.da[u] = dc * g * float64(i*(1-i))
		t.da[n+u] = dc * k.c[u] * float64(f*(1-f))
		t.da[2*n+u] = dc * i * (1 - float64(g*g))
		t.da[3*n+u] = float64(t.dh[u]*k.tc[u]) * float64(o*(1-o))
		t.dc[u] = dc * f
	}
	clear(t.din)
	bias := t.grad[4*n*width:]
	for r, d := range t.da {
		bias[r] += d
		dst := t.grad[r*width : (r+1)*width]
		in := k.in[:len(dst)]
		row := w[r*width : (r+1)*width][:len(dst)]
		din := t.din[:len(dst)]
		for j := range dst {
			dst[j] += float64(d * in[j])
			din[j] += float64(d * row[j])
		}
	}
	copy(t.dh, t.din[width-n:])
}

// fitLSTM fits a network for that horizon on the last points of s.
func fitLSTM(ctx context.Context, s frame.Series, horizon int, cfg *Config, opt model.FitOptions) (*lstm, error) {
	if cut := len(s.Values) - cfg.LSTMMaxPoints; cut > 0 {
		s.Start += int64(cut) * s.Step
		s.Values = s.Values[cut:]
	}
	seen := observed(s.Values)
	if seen < minLSTM {
		return nil, fmt.Errorf("LSTM: %d observed points, it needs %d", seen, minLSTM)
	}
	m := &lstm{shape: shape{hidden: cfg.LSTMHidden, ahead: min(horizon, maxAhead)}}
	auto := Config{WeeklySeasonality: -1, DailySeasonality: -1}
	orders := auto.seasons(s.Step, int64(len(s.Values))*s.Step)
	m.in, m.out = [3]int{0, min(1, orders[1]), min(2, orders[2])}, [3]int{0, orders[1], orders[2]}
	m.low, m.high = math.Inf(1), math.Inf(-1)
	var logs []float64
	for _, v := range s.Values {
		if !math.IsNaN(v) {
			logs = append(logs, squash(v))
		}
	}
	m.center, m.width = mean(logs), 0
	for _, v := range logs {
		m.width += float64((v - m.center) * (v - m.center))
	}
	if m.width = math.Sqrt(m.width / float64(len(logs))); m.width < 1e-9 {
		m.width = 1
	}
	for _, v := range logs {
		z := (v - m.center) / m.width
		m.low, m.high = min(m.low, z), max(m.high, z)
	}
	// Twice the range seen: growth is possible, an explosion is not.
	room := (m.high - m.low) / 2
	m.low, m.high = m.low-room, m.high+room

	rng := rand.New(rand.NewPCG(opt.Seed, 0x1579))
	m.start(rng)
	return m, m.train(ctx, m.prepare(s), cfg, opt)
}

// train moves m.w.
func (m *lstm) train(ctx context.Context, q *sequence, cfg *Config, opt model.FitOptions) error {
	n := len(q.z)
	end := n - max(n*15/100, min(m.ahead, n/4)) // of the training part
	stride := max(1, m.ahead/8)
	// Enough windows per pass to learn from, at most 8 at once.
	parallel := min(max(end/(16*cfg.LSTMWindow), 1), 8)
	var streams []*stream
	for p := range parallel {
		streams = append(streams, newStream(&m.shape, p*end/parallel, (p+1)*end/parallel, cfg.LSTMWindow))
	}
	// The last part, with a run-up that brings the state to life.
	probe := newStream(&m.shape, max(0, end-lookback), n, cfg.LSTMWindow)

	step := newAdam(len(m.w))
	best := append([]float64(nil), m.w...)
	bestLoss, waited := m.validate(probe, q, end, stride), 0
	windows := 0
	for _, t := range streams {
		windows = max(windows, (t.hi-t.lo+cfg.LSTMWindow-1)/cfg.LSTMWindow)
	}
	for epoch := 0; epoch < cfg.LSTMEpochs && waited < cfg.LSTMPatience; epoch++ {
		for _, t := range streams {
			t.reset()
		}
		for range windows {
			err := model.Parallel(ctx, opt.Workers, parallel, nil, func(_, p int) error {
				streams[p].window(m.w, q, end, stride, epoch%stride, true)
				return nil
			})
			if err != nil {
				return err
			}
			step.move(m.w, streams, cfg.LSTMLearningRate, cfg.LSTMClip)
		}
		loss := m.validate(probe, q, end, stride)
		if loss < bestLoss {
			bestLoss, waited = loss, 0
			copy(best, m.w)
		} else {
			waited++
		}
		if opt.Log != nil {
			opt.Log(epoch+1, cfg.LSTMEpochs)
		}
	}
	copy(m.w, best)
	for _, v := range m.w {
		if !(math.Abs(v) <= maxWeight) {
			return fmt.Errorf("LSTM: the fit diverged; lower lstm_learning_rate")
		}
	}
	return nil
}

// adam is the state of the optimiser of Kingma & Ba (ICLR 2015).
type adam struct {
	grad, first, second []float64 // the mean gradient, the moments
	decay1, decay2      float64
}

func newAdam(size int) *adam {
	return &adam{make([]float64, size), make([]float64, size), make([]float64, size), 1, 1}
}

// move takes one step down the mean gradient of the targets in the streams' last
// windows, if there were any; its norm is at most clip.
func (a *adam) move(w []float64, streams []*stream, rate, clip float64) {
	count := 0
	clear(a.grad)
	for _, t := range streams {
		if t.count == 0 {
			continue
		}
		count += t.count
		for i, g := range t.grad {
			a.grad[i] += g
		}
	}
	if count == 0 {
		return
	}
	norm := 0.0
	for i := range a.grad {
		a.grad[i] /= float64(count)
		norm += float64(a.grad[i] * a.grad[i])
	}
	shrink := 1.0
	if norm = math.Sqrt(norm); norm > clip {
		shrink = clip / norm
	}
	a.decay1 *= 0.9
	a.decay2 *= 0.999
	for i, g := range a.grad {
		g *= shrink
		a.first[i] = float64(0.9*a.first[i]) + float64(0.1*g)
		a.second[i] = float64(0.999*a.second[i]) + float64(0.001*float64(g*g))
		w[i] -= rate * (a.first[i] / (1 - a.decay1)) / (math.Sqrt(a.second[i]/(1-a.decay2)) + 1e-8)
	}
}

// validate is the mean loss on the part from end on.
func (m *lstm) validate(t *stream, q *sequence, end, stride int) float64 {
	t.reset()
	loss, count := 0.0, 0
	for t.at < t.hi {
		before := t.at < end
		t.window(m.w, q, len(q.z), stride, 0, false)
		if !before {
			loss += t.loss
			count += t.count
		}
	}
	if count == 0 {
		return math.Inf(1)
	}
	return loss / float64(count)
}

// predict writes the steps behind hist to dst.
func (m *lstm) predict(dst []float64, hist frame.Series) {
	// The level needs ahead observed values; gaps may push them back.
	from := len(hist.Values)
	for seen := 0; from > 0 && (len(hist.Values)-from < lookback+m.ahead || seen < m.ahead); {
		from--
		if !math.IsNaN(hist.Values[from]) {
			seen++
		}
	}
	run := frame.Series{Start: hist.Start + int64(from)*hist.Step, Step: hist.Step, Values: append([]float64(nil), hist.Values[from:]...)}
	known := len(run.Values)
	for range min(m.ahead, len(dst)) {
		run.Values = append(run.Values, math.NaN()) // room for the time features of what is ahead
	}
	n, width := m.hidden, m.inputs()
	k := cell{make([]float64, width+n), make([]float64, 4*n), make([]float64, n), make([]float64, n)}
	h, c, out := make([]float64, n), make([]float64, n), make([]float64, m.ahead)
	q := m.prepare(run)
	begin := max(0, known-lookback)
	r := ring{size: m.ahead}
	for _, z := range q.z[:begin] {
		r.add(z)
	}
	for done := 0; ; {
		for i := begin; i < known; i++ {
			q.level[i] = r.add(q.z[i])
			q.input(k.in[:width], i)
			copy(k.in[width:], h)
			copy(k.c, c)
			m.forward(m.w, &k, h, c)
		}
		block := out[:min(m.ahead, len(dst)-done)]
		m.outputs(block, m.w, h, q, known-1)
		for j, z := range block {
			z = min(max(z, m.low), m.high)
			dst[done+j] = min(max(stretch(float64(z*m.width)+m.center), -limit), limit)
		}
		if done += len(block); done == len(dst) {
			return
		}
		// The block becomes history.
		run = frame.Series{Start: run.Start + int64(known)*run.Step, Step: run.Step, Values: append([]float64(nil), dst[done-len(block):done]...)}
		begin, known = 0, len(block)
		for range min(m.ahead, len(dst)-done) {
			run.Values = append(run.Values, math.NaN())
		}
		q = m.prepare(run)
	}
}
