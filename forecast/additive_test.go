package forecast

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"apiml/frame"
	"apiml/model"
)

// random is a posterior at a random place, to compare derivatives at.
func randomPosterior(t *testing.T, mode string) *posterior {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 5))
	cfg := Default()
	cfg.Changepoints, cfg.SeasonalityMode = 6, mode
	if rest, ok := strings.CutPrefix(mode, "logistic "); ok {
		cfg.SeasonalityMode, cfg.Growth, cfg.Cap, cfg.Floor = rest, "logistic", 120, 10
	}
	s := series(60*minute, 24*16, func(i int) float64 {
		if i%37 == 5 {
			return math.NaN()
		}
		return 50 + 20*math.Sin(float64(i)*2*math.Pi/24) + 5*rng.NormFloat64()
	})
	a, err := fitAdditive(t.Context(), s, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &rows{k: columns(a.orders)}
	for i, v := range s.Values {
		if math.IsNaN(v) {
			continue
		}
		us := float64(s.Start + int64(i)*s.Step)
		x := make([]float64, r.k)
		fourier(x, us, a.orders)
		r.t, r.y, r.x = append(r.t, (us-a.start)/a.span), append(r.y, v/a.scale), append(r.x, x...)
		q := 0
		for q < len(a.changes) && a.changes[q] <= r.t[len(r.t)-1] {
			q++
		}
		r.seg = append(r.seg, int32(q))
	}
	for i := range a.theta {
		a.theta[i] += 0.1 * rng.NormFloat64()
	}
	p := &posterior{a: a, r: r, cfg: &cfg, eps: 1e-2, tau: make([]float64, len(a.theta)),
		s0: make([]float64, len(a.changes)+1), s1: make([]float64, len(a.changes)+1)}
	for i := range p.tau {
		p.tau[i] = 1 / float64(3+i)
	}
	p.gram, p.xy, p.yy = p.statistics()
	return p
}

// The gradient of the log-posterior against central differences, every
// parameter, in both modes.
func TestAdditiveGradient(t *testing.T) {
	for _, mode := range []string{"additive", "multiplicative", "logistic additive", "logistic multiplicative"} {
		p := randomPosterior(t, mode)
		theta, dim := p.a.theta, len(p.a.theta)
		grad, scratch := make([]float64, dim), make([]float64, dim)
		logSigma := math.Log(0.2)
		_, dlog := p.value(theta, logSigma, grad)
		const h = 1e-5
		worst, norm := 0.0, math.Abs(dlog)
		for _, g := range grad {
			norm = max(norm, math.Abs(g))
		}
		check := func(name string, i int, got, up, down float64) {
			want := (up - down) / (2 * h)
			rel := math.Abs(got-want) / max(math.Abs(got), math.Abs(want), 1e-3*norm)
			worst = max(worst, rel)
			if rel > 1e-6 {
				t.Errorf("%s: derivative by %s %d is %v, differences give %v", mode, name, i, got, want)
			}
		}
		for i := range theta {
			v := theta[i]
			theta[i] = v + h
			up, _ := p.value(theta, logSigma, scratch)
			theta[i] = v - h
			down, _ := p.value(theta, logSigma, scratch)
			theta[i] = v
			check("parameter", i, grad[i], up, down)
		}
		up, _ := p.value(theta, logSigma+h, scratch)
		down, _ := p.value(theta, logSigma-h, scratch)
		check("ln sigma", 0, dlog, up, down)
		t.Logf("%s: %d parameters, largest relative error %.2g", mode, dim+1, worst)
	}
}

// The sums per segment are the Gram matrix of the columns themselves, weighted
// as the Jacobian is.
func TestStatistics(t *testing.T) {
	for _, mode := range []string{"additive", "multiplicative", "logistic additive", "logistic multiplicative"} {
		p := randomPosterior(t, mode)
		dim := len(p.a.theta)
		gram, xy := make([]float64, dim*dim), make([]float64, dim)
		for i, at := range p.r.t {
			x := p.r.x[i*p.r.k : (i+1)*p.r.k]
			g, w := p.a.level(p.a.trend(at))
			if p.a.multiplicative {
				s := 1.0
				for j, v := range x {
					s += v * p.a.theta[2+len(p.a.changes)+j]
				}
				w *= s
			} else {
				g = 1
			}
			row := []float64{w * at, w}
			for _, c := range p.a.changes {
				row = append(row, w*max(0, at-c))
			}
			for _, v := range x {
				row = append(row, g*v)
			}
			for a := range row {
				xy[a] += row[a] * p.r.y[i]
				for b := range row {
					gram[a*dim+b] += row[a] * row[b]
				}
			}
		}
		for i := range gram {
			if math.Abs(gram[i]-p.gram[i]) > 1e-9 {
				t.Fatalf("%s: Gram[%d,%d] is %v, want %v", mode, i/dim, i%dim, p.gram[i], gram[i])
			}
		}
		for i := range xy {
			if math.Abs(xy[i]-p.xy[i]) > 1e-9 {
				t.Fatalf("%s: Xᵀy[%d] is %v, want %v", mode, i, p.xy[i], xy[i])
			}
		}
	}
}

type prophetFixture struct {
	Tool  string
	Cases []struct {
		Name, Mode    string
		Start, Step   int64
		History       int
		Y             []*float64
		Objective     float64
		Sigma         float64
		Seasonalities map[string]int
		At            []int
		Yhat          []float64
	}
}

// Against Prophet itself (testdata/fit_prophet.py): our log-posterior, with the true
// |δ| and without the floor of σ, is not below Prophet's, and where Prophet has
// converged too the forecasts agree.
func TestAgainstProphet(t *testing.T) {
	b, err := os.ReadFile("testdata/prophet.json")
	if err != nil {
		t.Fatal(err)
	}
	var f prophetFixture
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Cases) != 3 {
		t.Fatalf("%d cases", len(f.Cases))
	}
	for _, c := range f.Cases {
		s := frame.Series{Name: c.Name, Start: c.Start, Step: c.Step}
		for _, y := range c.Y {
			v := math.NaN()
			if y != nil {
				v = *y
			}
			s.Values = append(s.Values, v)
		}
		cfg := prophetConfig()
		cfg.SeasonalityMode = c.Mode
		a, err := fitAdditive(t.Context(), s, &cfg)
		if err != nil {
			t.Fatal(err)
		}
		if want := [3]int{c.Seasonalities["yearly"], c.Seasonalities["weekly"], c.Seasonalities["daily"]}; a.orders != want {
			t.Errorf("%s: Fourier orders %v, Prophet %v", c.Name, a.orders, want)
		}
		at := func(i int) float64 {
			return a.at(float64(s.Start+int64(i)*s.Step), make([]float64, columns(a.orders)))
		}
		sse, n := 0.0, 0.0
		for i, v := range s.Values {
			if !math.IsNaN(v) {
				e := (v - at(i)) / a.scale
				sse += e * e
				n++
			}
		}
		value := n*math.Log(a.sigma) + sse/(2*a.sigma*a.sigma) + 2*a.sigma*a.sigma
		for j, v := range a.theta {
			switch {
			case j < 2:
				value += v * v / 50
			case j < 2+len(a.changes):
				value += math.Abs(v) / cfg.ChangepointPriorScale
			default:
				value += v * v / (2 * cfg.SeasonalityPriorScale * cfg.SeasonalityPriorScale)
			}
		}
		worst := 0.0
		for k, i := range c.At {
			worst = max(worst, math.Abs(at(i)-c.Yhat[k])/a.scale)
		}
		t.Logf("%s: objective %.4f, Prophet %.4f; sigma %.6f, %.6f; forecasts differ by up to %.5f of the scale", c.Name, value, c.Objective, a.sigma, c.Sigma, worst)
		if value > c.Objective+0.01 {
			t.Errorf("%s: negative log-posterior %.4f, Prophet reached %.4f (%s)", c.Name, value, c.Objective, f.Tool)
		}
		if worst > 0.001 {
			t.Errorf("%s: forecasts differ by up to %.4f of the scale", c.Name, worst)
		}
	}
}

// A line with one bend and a daily wave, without noise: the forecast goes on.
func TestAdditiveRecovers(t *testing.T) {
	truth := func(i int) float64 {
		return 200 + 0.5*float64(i) + 0.7*max(0, float64(i-300)) + 40*math.Sin(float64(i)*2*math.Pi/24)
	}
	s := series(60*minute, 1000, truth)
	for _, i := range []int{3, 500, 501, 502, 503, 504, 505, 999} {
		s.Values[i] = math.NaN()
	}
	cfg := Default()
	a, err := fitAdditive(t.Context(), s, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := make([]float64, 48)
	a.predict(f, s)
	for i, v := range f {
		if want := truth(1000 + i); math.Abs(v-want) > 0.01*want {
			t.Fatalf("step %d: %v, want %v", i, v, want)
		}
	}
}

func TestSeasons(t *testing.T) {
	c := Default()
	for _, k := range []struct {
		step, span int64
		want       [3]int
	}{
		{60 * minute, 2 * day, [3]int{0, 0, 4}},
		{60 * minute, 2*day - 1, [3]int{}},
		{60 * minute, 2 * week, [3]int{0, 3, 4}},
		{day, 2 * week, [3]int{0, 3, 0}},         // a day of one step has no shape
		{6 * 60 * minute, week, [3]int{0, 0, 1}}, // four points a day show one harmonic
		{day, 731 * day, [3]int{10, 3, 0}},
	} {
		if got := c.seasons(k.step, k.span); got != k.want {
			t.Errorf("step %d, span %d: %v, want %v", k.step, k.span, got, k.want)
		}
	}
	c.DailySeasonality, c.WeeklySeasonality, c.YearlySeasonality = 0, 7, 2
	if got := c.seasons(60*minute, day); got != [3]int{2, 7, 0} {
		t.Errorf("given orders: %v", got)
	}
}

// Series that break a fit which is not careful.
func TestAdditiveOdd(t *testing.T) {
	for name, f := range map[string]func(i int) float64{
		"zeros":     func(int) float64 { return 0 },
		"constant":  func(int) float64 { return -7 },
		"one spike": func(i int) float64 { return map[bool]float64{true: 1e9}[i == 100] },
		"huge":      func(i int) float64 { return 1e99 * float64(i%2) },
		"tiny":      func(i int) float64 { return 1e-90 * float64(i%3) },
		"step":      func(i int) float64 { return map[bool]float64{true: 5}[i > 150] },
		"line":      func(i int) float64 { return float64(i) },
	} {
		for _, mode := range []string{"additive", "multiplicative", "logistic additive", "logistic multiplicative"} {
			for _, growth := range []string{"linear", "flat"} {
				cfg := Default()
				cfg.SeasonalityMode, cfg.Growth, cfg.DailySeasonality, cfg.WeeklySeasonality = mode, growth, 4, 3
				s := series(60*minute, 200, f)
				a, err := fitAdditive(t.Context(), s, &cfg)
				if err != nil {
					t.Fatal(name, mode, growth, err)
				}
				dst := make([]float64, 500)
				a.predict(dst, s)
				for _, v := range dst {
					if math.IsNaN(v) || math.IsInf(v, 0) || name == "zeros" && v != 0 || name == "constant" && v != -7 {
						t.Fatalf("%s %s %s: forecast %v", name, mode, growth, v)
					}
				}
			}
		}
	}
}

func BenchmarkAdditive(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	s := series(minute, 40_320, func(i int) float64 { return 50 + 20*math.Sin(float64(i)*2*math.Pi/1440) + 5*rng.NormFloat64() })
	cfg := Default()
	for b.Loop() {
		if _, err := fitAdditive(b.Context(), s, &cfg); err != nil {
			b.Fatal(err)
		}
	}
}

// prophetConfig is the additive model as Prophet has it.
func prophetConfig() Config {
	c := Default()
	c.SeasonalitySearch, c.AROrder = false, 0
	return c
}

// An effect that comes every three weeks is found, does not spill over to other
// days, and comes again when it is announced.
func TestEvents(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	var dates []string
	s := series(day, 300, func(i int) float64 {
		v := 100 + rng.NormFloat64()
		if i%21 == 10 {
			v += 60
		}
		if i%21 == 11 {
			v += 20
		}
		return v
	})
	first := time.UnixMicro(s.Start).UTC()
	for i := 10; i < 360; i += 21 {
		dates = append(dates, first.AddDate(0, 0, i).Format(time.DateOnly))
	}
	c := config("additive", 30)
	c.AROrder = 0
	c.Events = []Event{{Name: "release", Dates: dates, Upper: 1}}
	f := fit(t, s, c, model.FitOptions{})
	want, got := make([]float64, 30), make([]float64, 30)
	if err := f.Forecast(want, s); err != nil {
		t.Fatal(err)
	}
	for i, v := range want {
		truth := 100.0
		switch (300 + i) % 21 {
		case 10:
			truth = 160
		case 11:
			truth = 120
		}
		if math.Abs(v-truth) > 3 {
			t.Errorf("day %d: %.1f, want %.0f", i, v, truth)
		}
	}
	if err := decoded(t, encode(t, f)).Forecast(got, s); err != nil || !slices.Equal(got, want) {
		t.Errorf("after loading: %v, %v", got, err)
	}
	for _, e := range []Event{{}, {Name: "x", Dates: []string{"soon"}}, {Name: "x", Dates: dates, Lower: 1}, {Name: "x", Dates: dates, Upper: 31}} {
		c.Events = []Event{e}
		if _, err := Fit(t.Context(), s, c, model.FitOptions{}); err == nil {
			t.Errorf("accepted %+v", e)
		}
	}
}
