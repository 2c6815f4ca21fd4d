package forecast

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"apiml/frame"
	"apiml/model"
)

// GlobalLSTM is one network for many series of the same step, in the manner of
// Smyl, "A hybrid method of exponential smoothing and recurrent neural networks for
// time series forecasting", IJF 36, 2020: the seasons and the scale are those of
// each series, what is left is learned from all of them together (Montero-Manso &
// Hyndman, "Principles and algorithms for forecasting groups of time series", IJF
// 37, 2021). Seasons are taken out by STL (stl.go) on logarithms of positive
// series, where Smyl's are smoothed within the network. It is immutable and safe
// for concurrent use.
//
// Training goes through the series in batches of globalBatch, the windows of a
// batch side by side, by truncated back-propagation as in lstm.go. O(points ·
// passes · 4·H·(H+I)).
type GlobalLSTM struct {
	net  lstm
	step int64
}

const (
	globalBatch  = 16
	globalHidden = 24
	globalPasses = 12
)

// adjusted is a series without its seasons, on the scale of the network.
type adjusted struct {
	l             *local
	s             frame.Series // the part that is used
	q             *sequence
	center, width float64
}

// adjust takes seasons and scale out of a history of at least minLocal observed
// values.
func (m *lstm) adjust(s frame.Series) (*adjusted, error) {
	if seen := observed(s.Values); seen < minLocal {
		return nil, fmt.Errorf("global LSTM: series %q has %d observed points, it needs %d", s.Name, seen, minLocal)
	}
	a := &adjusted{l: &local{kind: "stl-ar", m: periodsOf(s.Step, len(s.Values))}}
	offset, positive := logOffset(s.Values)
	a.l.log, a.l.offset = positive, offset
	var z []float64
	a.s, z = a.l.work(s)
	for len(a.l.m) > 0 && 2*a.l.m[len(a.l.m)-1] > len(z) {
		a.l.m = a.l.m[:len(a.l.m)-1]
	}
	rest := a.l.decompose(a.s, z, false)
	a.center = mean(rest)
	for _, v := range rest {
		a.width += float64((v - a.center) * (v - a.center))
	}
	if a.width = math.Sqrt(a.width / float64(len(rest))); !(a.width > 1e-9*math.Abs(a.center)+1e-12) {
		a.width = 1
	}
	for i := range rest {
		rest[i] = (rest[i] - a.center) / a.width
	}
	a.q = m.sequence(a.s, rest, 0)
	return a, nil
}

// sequence is z with the features of its times, and of room steps behind it.
func (m *lstm) sequence(s frame.Series, z []float64, room int) *sequence {
	q := &sequence{nin: columns(m.in), nout: columns(m.out), z: z}
	n := len(z) + room
	q.level = make([]float64, len(z))
	q.in, q.out = make([]float64, n*q.nin), make([]float64, n*q.nout)
	for i := range n {
		us := float64(s.Start + int64(i)*s.Step)
		fourier(q.in[i*q.nin:(i+1)*q.nin], us, m.in)
		fourier(q.out[i*q.nout:(i+1)*q.nout], us, m.out)
	}
	r := ring{size: m.ahead}
	for i, v := range z {
		q.level[i] = r.add(v)
	}
	return q
}

// FitGlobalLSTM fits a network on all of set, for forecasts of horizon steps. Of
// cfg it uses the parameters of the LSTM. The result depends on the arguments and
// opt.Seed only. Errors: series of different steps, one with fewer than 12 observed
// values, a horizon out of range, a fit that diverges, and that of ctx.
func FitGlobalLSTM(ctx context.Context, set []frame.Series, horizon int, cfg Config, opt model.FitOptions) (*GlobalLSTM, error) {
	cfg.Horizon = horizon
	cfg.Model = ""
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if len(set) == 0 {
		return nil, fmt.Errorf("global LSTM: no series")
	}
	g := &GlobalLSTM{step: set[0].Step}
	m := &g.net
	m.shape = shape{hidden: max(globalHidden, cfg.LSTMHidden), ahead: min(horizon, maxAhead)}
	longest := 0
	for _, s := range set {
		if s.Step != g.step || s.Step <= 0 {
			return nil, fmt.Errorf("global LSTM: series %q has steps of %d µs, the first one of %d", s.Name, s.Step, g.step)
		}
		longest = max(longest, len(s.Values))
	}
	auto := Config{WeeklySeasonality: -1, DailySeasonality: -1}
	orders := auto.seasons(g.step, int64(longest)*g.step)
	m.in, m.out = [3]int{0, min(1, orders[1]), min(2, orders[2])}, [3]int{}
	list := make([]*adjusted, len(set))
	err := model.Parallel(ctx, opt.Workers, len(set), nil, func(_, i int) (err error) {
		s := set[i]
		y, _ := clean(s.Values)
		s.Start += int64(len(s.Values)-len(y)) * s.Step
		s.Values = y
		list[i], err = m.adjust(latest(s, cfg.LSTMMaxPoints))
		return err
	})
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(opt.Seed, 0x9106))
	m.start(rng)
	return g, m.trainAll(ctx, list, &cfg, rng, opt)
}

// start draws the first weights.
func (m *lstm) start(rng *rand.Rand) {
	m.w = make([]float64, m.size())
	b := m.blocks()
	bound := math.Sqrt(6 / float64(m.inputs()+2*m.hidden)) // Glorot & Bengio 2010
	for i := range m.w[:b[0]] {
		m.w[i] = bound * (2*rng.Float64() - 1)
	}
	for u := range m.hidden {
		m.w[b[0]+m.hidden+u] = 1 // remember at first (Gers 2000)
	}
	for i := b[1]; i < b[2]; i++ {
		m.w[i] = 0.1 * (2*rng.Float64() - 1) / math.Sqrt(float64(m.hidden))
	}
}

// trainAll moves m.w by Adam over batches of series; the last steps of each series,
// one horizon, decide when it ends.
func (m *lstm) trainAll(ctx context.Context, list []*adjusted, cfg *Config, rng *rand.Rand, opt model.FitOptions) error {
	stride := max(1, m.ahead/8)
	ends := make([]int, len(list))
	for i, a := range list {
		n := len(a.q.z)
		ends[i] = n - min(m.ahead, n/4)
	}
	validate := func() (float64, error) {
		sums, counts := make([]float64, len(list)), make([]int, len(list))
		err := model.Parallel(ctx, opt.Workers, len(list), nil, func(_, i int) error {
			q, end := list[i].q, ends[i]
			t := newStream(&m.shape, max(0, end-lookback), len(q.z), cfg.LSTMWindow)
			for t.at < t.hi {
				before := t.at < end
				t.window(m.w, q, len(q.z), 1, 0, false)
				if !before || t.at >= end {
					sums[i] += t.loss
					counts[i] += t.count
				}
			}
			return nil
		})
		loss, count := 0.0, 0
		for i, c := range counts {
			loss += sums[i]
			count += c
		}
		return loss / float64(max(count, 1)), err
	}
	step := newAdam(len(m.w))
	bestLoss, err := validate()
	if err != nil {
		return err
	}
	best, waited := slices.Clone(m.w), 0
	order := rng.Perm(len(list))
	for pass := 0; pass < min(globalPasses, cfg.LSTMEpochs) && waited < cfg.LSTMPatience; pass++ {
		rate := cfg.LSTMLearningRate * 0.3 * math.Exp2(-float64(pass)/4)
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for batch := range slices.Chunk(order, globalBatch) {
			streams := make([]*stream, len(batch))
			windows := 0
			for k, i := range batch {
				streams[k] = newStream(&m.shape, 0, ends[i], cfg.LSTMWindow)
				windows = max(windows, (ends[i]+cfg.LSTMWindow-1)/cfg.LSTMWindow)
			}
			for range windows {
				err := model.Parallel(ctx, opt.Workers, len(batch), nil, func(_, k int) error {
					t := streams[k]
					if t.count = 0; t.at < t.hi {
						t.window(m.w, list[batch[k]].q, ends[batch[k]], stride, pass%stride, true)
					}
					return nil
				})
				if err != nil {
					return err
				}
				step.move(m.w, streams, rate, cfg.LSTMClip)
			}
		}
		loss, err := validate()
		if err != nil {
			return err
		}
		if loss < bestLoss {
			bestLoss, waited = loss, 0
			copy(best, m.w)
		} else {
			waited++
		}
		if opt.Log != nil {
			opt.Log(pass+1, globalPasses)
		}
	}
	copy(m.w, best)
	for _, v := range m.w {
		if !(math.Abs(v) <= maxWeight) {
			return fmt.Errorf("global LSTM: the fit diverged; lower lstm_learning_rate")
		}
	}
	return nil
}

// Forecast writes the steps behind history, which may be that of another series of
// the same step, to dst. Errors: another step, fewer than 12 observed values.
func (g *GlobalLSTM) Forecast(dst []float64, history frame.Series) error {
	if history.Step != g.step {
		return fmt.Errorf("global LSTM: fitted on steps of %d µs, the series has %d", g.step, history.Step)
	}
	y, _ := clean(history.Values)
	history.Start += int64(len(history.Values)-len(y)) * history.Step
	history.Values = y
	m := &g.net
	a, err := m.adjust(history)
	if err != nil {
		return err
	}
	z := a.q.z
	low, high := minimum(z), maximum(z)
	room := (high - low) / 2 // growth is possible, an explosion is not
	n, width := m.hidden, m.inputs()
	for done := 0; done < len(dst); {
		q := m.sequence(frame.Series{Start: a.s.Start, Step: a.s.Step}, z, m.ahead)
		k := cell{make([]float64, width+n), make([]float64, 4*n), make([]float64, n), make([]float64, n)}
		h, c := make([]float64, n), make([]float64, n)
		for i := max(0, len(z)-lookback); i < len(z); i++ {
			q.input(k.in[:width], i)
			copy(k.in[width:], h)
			copy(k.c, c)
			m.forward(m.w, &k, h, c)
		}
		out := make([]float64, min(m.ahead, len(dst)-done))
		m.outputs(out, m.w, h, q, len(z)-1)
		for j, v := range out {
			v = min(max(v, low-room), high+room)
			z = append(z, v)
			dst[done+j] = float64(v*a.width) + a.center
		}
		done += len(out)
	}
	ahead := frame.Series{Start: history.End(), Step: history.Step}
	for k, m := range a.l.m {
		p := phaseOf(ahead, m)
		for i := range dst {
			dst[i] += a.l.profile[k][p]
			if p++; p == m {
				p = 0
			}
		}
	}
	floor := math.Inf(-1)
	if minimum(y) >= 0 {
		floor = 0
	}
	for i, v := range dst {
		dst[i] = min(max(a.l.back(v), floor, -limit), limit)
	}
	return nil
}
