package forecast

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"apiml/frame"
	"apiml/model"
)

// The gradient of back-propagation against central differences, every weight of
// every block, over a window with gaps and targets on both branches of the
// Huber loss.
func TestLSTMGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 7))
	m := &lstm{shape: shape{hidden: 5, ahead: 4, in: [3]int{0, 1, 2}, out: [3]int{0, 2, 3}}, center: 3, width: 0.5}
	m.w = make([]float64, m.size())
	for i := range m.w {
		m.w[i] = 0.5 * rng.NormFloat64()
	}
	s := series(60*minute, 40, func(i int) float64 {
		if i == 7 || i == 20 || i == 21 {
			return math.NaN()
		}
		return 20 + 15*math.Sin(float64(i)) + 5*rng.Float64()
	})
	q := m.prepare(s)
	run := newStream(&m.shape, 3, 30, 20)
	loss := func(back bool) float64 {
		run.reset()
		for u := range run.h { // the state that a window before would have left
			run.h[u], run.c[u] = 0.1*float64(u), -0.2*float64(u)
		}
		run.window(m.w, q, 38, 2, 1, back)
		return run.loss
	}
	loss(true)
	if run.count < 30 {
		t.Fatalf("%d targets", run.count)
	}
	grad := slices.Clone(run.grad)
	ends := m.blocks()
	names := []string{"W", "b", "V", "c", "U"}
	begin := 0
	for b, end := range ends {
		worst, norm := 0.0, 0.0
		for _, g := range grad[begin:end] {
			norm = max(norm, math.Abs(g))
		}
		if norm == 0 {
			t.Errorf("block %s has no gradient", names[b])
		}
		for i := begin; i < end; i++ {
			const h = 1e-5
			v := m.w[i]
			m.w[i] = v + h
			up := loss(false)
			m.w[i] = v - h
			down := loss(false)
			m.w[i] = v
			want := (up - down) / (2 * h)
			worst = max(worst, math.Abs(grad[i]-want)/max(math.Abs(grad[i]), math.Abs(want), 1e-3*norm))
		}
		t.Logf("block %s: %d weights, largest relative error %.2g", names[b], end-begin, worst)
		if worst > 1e-6 {
			t.Errorf("block %s: relative error %.2g", names[b], worst)
		}
		begin = end
	}
}

// One step by hand: H = 1, all weights 0.5, state (h, c) = (0.2, −0.4).
func TestLSTMCellByHand(t *testing.T) {
	s := shape{hidden: 1, ahead: 1}
	w := make([]float64, s.size())
	for i := range w {
		w[i] = 0.5
	}
	k := cell{in: []float64{1, 1, 0.6, 0.2}, gate: make([]float64, 4), c: []float64{-0.4}, tc: make([]float64, 1)}
	h, c := make([]float64, 1), make([]float64, 1)
	s.forward(w, &k, h, c)
	a := 0.5*(1+1+0.6+0.2) + 0.5
	gate := 1 / (1 + math.Exp(-a))
	wantC := gate*-0.4 + gate*math.Tanh(a)
	if wantH := gate * math.Tanh(wantC); math.Abs(c[0]-wantC) > 1e-15 || math.Abs(h[0]-wantH) > 1e-15 {
		t.Errorf("h %v, c %v; want %v, %v", h[0], c[0], wantH, wantC)
	}
}

// What a network is for: a wave that belongs to no season, between levels that
// change, which no rule here knows.
func TestLSTMLearns(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	s := series(minute, 3000, func(i int) float64 {
		return 60 + 40*math.Sin(float64(i)*2*math.Pi/37) + 3*rng.NormFloat64()
	})
	r := run(t, s, Options{Horizon: 10, Model: "lstm"})
	rows := map[string]float64{}
	for _, b := range r.Backtest {
		rows[b.Model] = b.WAPE
	}
	t.Logf("%v", rows)
	if r.Chosen != "lstm" || rows["lstm"] > 0.3*min(rows["mean"], rows["median"], rows["last"], rows["snaive-daily"]) {
		t.Errorf("chosen %s, WAPE %v", r.Chosen, rows)
	}
}

func TestLSTMTransform(t *testing.T) {
	for _, v := range []float64{0, 1, -1, 5, 1e9, -1e9, 1e99} {
		if got := stretch(squash(v)); math.Abs(got-v) > 1e-9*math.Abs(v) {
			t.Errorf("%v comes back as %v", v, got)
		}
	}
}

// A forecast longer than the network's own goes on block by block; its beginning
// does not depend on its length, and it ends finite.
func TestLSTMLongHorizon(t *testing.T) {
	s := series(60*minute, 600, func(i int) float64 { return 100 + 90*math.Sin(float64(i)*2*math.Pi/24) })
	cfg := Default()
	m, err := fitLSTM(t.Context(), s, 60, &cfg, model.FitOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if m.ahead != maxAhead {
		t.Fatalf("ahead %d", m.ahead)
	}
	long, short := make([]float64, 500), make([]float64, 10)
	m.predict(long, s)
	m.predict(short, s)
	if !slices.Equal(long[:10], short) {
		t.Errorf("10 steps %v, of 500 %v", short, long[:10])
	}
	for _, v := range long {
		if math.IsNaN(v) || math.Abs(v) > 1e4 {
			t.Fatalf("forecast %v", v)
		}
	}
	// Only the latest part of the history matters, and gaps in it do no harm.
	cut := frame.Series{Start: s.Start + 300*s.Step, Step: s.Step, Values: s.Values[300:]}
	m.predict(short, cut)
	for i := range short {
		if math.Abs(short[i]-long[i]) > 1e-9 {
			t.Errorf("with half the history step %d is %v, not %v", i, short[i], long[i])
		}
	}
	gap := slices.Clone(s.Values)
	for i := 200; i < 600; i++ {
		gap[i] = math.NaN()
	}
	cut.Start, cut.Values = s.Start, gap
	m.predict(short, cut)
	for _, v := range short {
		if math.IsNaN(v) {
			t.Fatal("NaN behind a gap")
		}
	}
}

func TestLSTMCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg := Default()
	opt := model.FitOptions{Log: func(done, _ int) {
		if done == 2 {
			cancel()
		}
	}}
	s := series(minute, 600, func(i int) float64 { return float64(i % 7) })
	if _, err := fitLSTM(ctx, s, 5, &cfg, opt); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func BenchmarkLSTM(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	s := series(minute, 10_080, func(i int) float64 { return 50 + 20*math.Sin(float64(i)*2*math.Pi/1440) + 5*rng.NormFloat64() })
	cfg := Default()
	cfg.LSTMPatience = cfg.LSTMEpochs
	for b.Loop() {
		if _, err := fitLSTM(b.Context(), s, 30, &cfg, model.FitOptions{Seed: 1, Workers: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
