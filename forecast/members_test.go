package forecast

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"apiml/frame"
	"apiml/model"
)

// wape of a model's forecast behind the first n values of s.
func wapeOf(t *testing.T, s frame.Series, n int, cfg Config) float64 {
	t.Helper()
	f, err := Fit(t.Context(), until(s, n), cfg, model.FitOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]float64, len(s.Values)-n)
	if err := f.Forecast(dst, until(s, n)); err != nil {
		t.Fatal(err)
	}
	var e errorSums
	e.add(s.Values[n:], dst)
	return e.wape()
}

// A logistic curve is continued below its cap; a linear trend runs through it.
func TestLogisticGrowth(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	s := series(day, 700, func(i int) float64 {
		return 100 + 900/(1+math.Exp(-(float64(i)-300)/60)) + 30*math.Sin(2*math.Pi*float64(i)/7) + 8*rng.NormFloat64()
	})
	cfg := prophetConfig()
	cfg.Horizon, cfg.Model = 60, "additive"
	linear := wapeOf(t, s, 400, cfg)
	cfg.Growth, cfg.Cap, cfg.Floor = "logistic", 1000, 100
	if logistic := wapeOf(t, s, 400, cfg); logistic > 0.02 || linear < 3*logistic {
		t.Errorf("WAPE over 300 days: logistic %.4f, linear %.4f", logistic, linear)
	}
	f, err := Fit(t.Context(), until(s, 400), cfg, model.FitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	far := make([]float64, 5000)
	if err := f.Forecast(far, until(s, 400)); err != nil {
		t.Fatal(err)
	}
	if v := slices.Max(far); v > 1060 || v < 900 {
		t.Errorf("forecast up to %v; the cap is 1000, the season 30", v)
	}
	again(t, f, until(s, 400), 100)
	for _, c := range []func(*Config){func(c *Config) { c.Cap = 50 }, func(c *Config) { c.Cap = math.NaN() }, func(c *Config) { c.Floor = math.Inf(-1) }} {
		bad := cfg
		c(&bad)
		if _, err := Fit(t.Context(), s, bad, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), "cap above the floor") {
			t.Errorf("cap %v, floor %v: %v", bad.Cap, bad.Floor, err)
		}
	}
}

// again stores f, reads it and compares the forecasts and bands.
func again(t *testing.T, f *Fitted, hist frame.Series, steps int) {
	t.Helper()
	var file model.File
	if err := f.Encode(&file); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := file.Write(&b); err != nil {
		t.Fatal(err)
	}
	read, err := model.ReadFile(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	g, err := Decode(read)
	if err != nil {
		t.Fatal(err)
	}
	m1, a1, _, _, d1, err1 := f.Bands(hist, steps)
	m2, a2, _, _, d2, err2 := g.Bands(hist, steps)
	if err1 != nil || err2 != nil || !slices.Equal(m1, m2) || !slices.Equal(a1, a2) || !slices.Equal(d1, d2) {
		t.Errorf("after a file: %v %v, forecasts equal %v", err1, err2, slices.Equal(m1, m2))
	}
}

// A regressor whose future is known carries its effect there; without the future
// values there is an error, not a guess.
func TestRegressors(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	const n, ahead = 900, 48
	x := frame.Series{Name: "price", Step: 60 * minute, Start: series(60*minute, 1, func(int) float64 { return 0 }).Start}
	for i := range n + ahead {
		x.Values = append(x.Values, 20+6*math.Sin(float64(i)/17)+2*rng.NormFloat64())
	}
	s := series(60*minute, n+ahead, func(i int) float64 {
		return 300 + 40*math.Sin(2*math.Pi*float64(i)/24) + 9*(x.Values[i]-20) + 4*rng.NormFloat64()
	})
	cfg := Default()
	cfg.Horizon, cfg.Model = ahead, "additive"
	without := wapeOf(t, s, n, cfg)
	cfg.Regressors = []Regressor{{"price", x}}
	if with := wapeOf(t, s, n, cfg); with > 0.02 || with > without/2 {
		t.Errorf("WAPE %.4f with the regressor, %.4f without", with, without)
	}
	f, err := Fit(t.Context(), until(s, n), cfg, model.FitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	again(t, f, until(s, n), ahead)
	if err := f.Forecast(make([]float64, ahead+1), until(s, n)); err == nil || !strings.Contains(err.Error(), "regressor") {
		t.Errorf("beyond the regressor: %v", err)
	}
	cfg.Model = "auto"
	if r, err := Run(until(s, n), Options{Horizon: ahead, Config: &cfg}); err != nil || r.Weights[0].Model != "additive" {
		t.Errorf("auto: %v, %+v", err, r.Weights)
	}
	for name, change := range map[string]func(*frame.Series){
		"short":    func(s *frame.Series) { s.Values = s.Values[:n] },
		"late":     func(s *frame.Series) { s.Start += s.Step },
		"step":     func(s *frame.Series) { s.Step *= 2 },
		"between":  func(s *frame.Series) { s.Start -= minute },
		"infinite": func(s *frame.Series) { s.Values = slices.Clone(s.Values); s.Values[3] = math.Inf(1) },
	} {
		bad := x
		change(&bad)
		cfg.Regressors = []Regressor{{"price", bad}}
		if _, err := Fit(t.Context(), until(s, n), cfg, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), `regressor "price"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Simulated intervals grow where the trend bent before, and not where it did not.
func TestSimulatedIntervals(t *testing.T) {
	widths := func(bend float64) (near, far float64) {
		rng := rand.New(rand.NewPCG(5, 5))
		s := series(day, 500, func(i int) float64 {
			v := 200 + 0.1*float64(i) + 5*rng.NormFloat64()
			for _, at := range []int{60, 130, 190, 260, 330} {
				v += bend * math.Pow(-1, float64(at/10)) * max(0, float64(i-at))
			}
			return v
		})
		cfg := prophetConfig()
		cfg.Horizon, cfg.Model, cfg.Intervals = 100, "additive", "simulated"
		f, err := Fit(t.Context(), s, cfg, model.FitOptions{Seed: 2})
		if err != nil {
			t.Fatal(err)
		}
		mean, lo80, hi80, lo95, hi95, err := f.Bands(s, 100)
		if err != nil {
			t.Fatal(err)
		}
		for i := range mean {
			if !(lo95[i] <= lo80[i] && lo80[i] <= mean[i] && mean[i] <= hi80[i] && hi80[i] <= hi95[i]) {
				t.Fatalf("step %d: %v %v %v %v %v", i, lo95[i], lo80[i], mean[i], hi80[i], hi95[i])
			}
		}
		again(t, f, s, 100)
		return hi80[0] - lo80[0], hi80[99] - lo80[99]
	}
	near, far := widths(0)
	bentNear, bentFar := widths(1)
	if near < 8 || near > 20 || bentNear > 2*near { // 80 % of a normal with deviation 5 is 12.8 wide
		t.Errorf("first step: %v and %v wide", near, bentNear)
	}
	if bentFar < 2.5*bentNear || bentFar < 2.5*far {
		t.Errorf("hundredth step: %v wide without bends, %v with", far, bentFar)
	}
	cfg := Default()
	cfg.Intervals = "simulated"
	if _, err := Fit(t.Context(), series(day, 500, func(i int) float64 { return float64(i) }), cfg, model.FitOptions{}); err == nil {
		t.Error("auto has simulated intervals")
	}
}

// A horizon of more than a third of the history falls back to a shorter backtest,
// says so, and has bands that grow behind it.
func TestShortHistory(t *testing.T) {
	s := series(60*minute, 100, func(i int) float64 { return 50 + 20*math.Sin(2*math.Pi*float64(i)/24) + float64(i*i%7) })
	r := run(t, s, Options{Horizon: 90})
	if !slices.ContainsFunc(r.Warnings, func(w string) bool {
		return strings.Contains(w, "100 observed points are few for a horizon of 90 steps")
	}) {
		t.Errorf("warnings %q", r.Warnings)
	}
	if len(r.Mean) != 90 || r.Hi95[89]-r.Mean[89] <= r.Hi95[32]-r.Mean[32]-1e-9 && r.Mean[89] > r.Mean[32] {
		t.Errorf("%d steps, %v and %v wide", len(r.Mean), r.Hi95[32]-r.Lo95[32], r.Hi95[89]-r.Lo95[89])
	}
	cfg := Default()
	cfg.Horizon = 90
	f, err := Fit(t.Context(), s, cfg, model.FitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	again(t, f, s, 90)
}

// What each member is for: the profile against days of events, the trees against
// an interaction, the logarithm against growth by a rate.
func TestMembers(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	event := 1.0
	events := series(60*minute, 24*40, func(i int) float64 {
		if i%24 == 0 {
			event = 1
			if rng.Float64() < .25 {
				event = 6
			}
		}
		v := 100 + 40*math.Sin(2*math.Pi*float64(i%24)/24)
		if i%24 >= 18 {
			v *= event
		}
		return v * (1 + .05*rng.NormFloat64())
	})
	state := 0.0
	switching := series(60*minute, 24*60, func(i int) float64 {
		if i%12 == 0 {
			state = float64(rng.IntN(2))
		}
		v := 100.0
		if state > 0 && i%24 >= 12 { // the level tells the afternoons, not the mornings
			v = 300
		} else if state > 0 {
			v = 120
		}
		return v + 5*rng.NormFloat64()
	})
	growing := series(day, 500, func(i int) float64 {
		return 20 * math.Exp(.008*float64(i)) * (1 + .3*math.Sin(2*math.Pi*float64(i)/7)) * (1 + .03*rng.NormFloat64())
	})
	// Each day is one of four, in no order; its first hours tell which.
	shapes := make([][]float64, 4)
	for k := range shapes {
		for range 24 {
			shapes[k] = append(shapes[k], 100*math.Exp(rng.NormFloat64()))
		}
	}
	kind := 0
	recurring := series(60*minute, 24*40, func(i int) float64 {
		if i%24 == 0 {
			kind = rng.IntN(4)
		}
		return shapes[kind][i%24] * (1 + .05*rng.NormFloat64())
	})
	for _, c := range []struct {
		name string
		s    frame.Series
		h    int
		best string
		than string
	}{
		{"events", events, 24, "profile", "snaive-daily"},
		{"switching", switching, 6, "trees", "ridge"},
		{"recurring", recurring, 6, "analog", "ridge"},
		{"growing", growing, 28, "additive-log", "additive"},
	} {
		at := func(m string) float64 {
			r := run(t, c.s, Options{Horizon: c.h, Model: m})
			return r.Backtest[slices.IndexFunc(r.Backtest, func(s Score) bool { return s.Model == m })].WAPE
		}
		if best, than := at(c.best), at(c.than); !(best < 0.95*than) {
			t.Errorf("%s: WAPE of %s %.4f, of %s %.4f", c.name, c.best, best, c.than, than)
		}
	}
}

// Half a weighted mean, half a weighted median.
func TestMix(t *testing.T) {
	dst := make([]float64, 1)
	mix(dst, []float64{.2, .5, 0, .3}, [][]float64{{10}, {1}, nil, {2}})
	mean := .2*10 + .5*1 + .3*2
	if want := (mean + 1) / 2; math.Abs(dst[0]-want) > 1e-12 {
		t.Errorf("%v, want %v", dst[0], want)
	}
	mix(dst, []float64{.4, .6}, [][]float64{{10}, {0}}) // of two there is no median
	if math.Abs(dst[0]-4) > 1e-12 {
		t.Errorf("two: %v, want 4", dst[0])
	}
}

// Adaptive levels: bands that are missed too often are made for fewer misses.
func TestLevels(t *testing.T) {
	l := newLevels()
	for range 5 {
		l.adapt(.6, .3)
	}
	if !(l.miss80 < .12 && l.miss95 < .01) {
		t.Errorf("after misses: %+v", l)
	}
	for range 100 {
		l.adapt(0, 0)
	}
	if l.miss80 != .5 || l.miss95 != .25 {
		t.Errorf("without misses: %+v", l)
	}
}

// The power of the spread is found.
func TestChoosePower(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, power := range spreadPowers {
		var y []float64
		var origins []int
		var f [][]float64
		for i := range 200 {
			m := 10 * math.Exp(3*rng.Float64())
			origins, f = append(origins, i), append(f, []float64{m})
			y = append(y, m+spread(m, power)*.3*rng.NormFloat64())
		}
		if got := choosePower(y, origins, f); got != power {
			t.Errorf("power %v: chose %v", power, got)
		}
	}
}

// Families that the public sets do not show: on each, auto is better than the best
// rule of the table by the last values, or near it where nothing can be learned.
func TestSyntheticFamilies(t *testing.T) {
	start := time.Date(2023, 3, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	rng := rand.New(rand.NewPCG(8, 8))
	level, slope, burst, noise := 1.0, 0.0, 0.0, 0.0
	week := []float64{1, 1.05, 1.03, 1, .95, .6, .55}
	for _, c := range []struct {
		name  string
		step  int64
		n, h  int
		bound float64 // auto over the best rule
		f     func(i int) float64
	}{
		{"year", day, 1300, 30, .9, func(i int) float64 {
			noise = .7*noise + .1*rng.NormFloat64()
			x := 2 * math.Pi * float64(i) / 365.25
			return 8 + .5*math.Sin(x) + .2*math.Cos(2*x) + .15*week[i%7] + noise
		}},
		{"trend breaks", 60 * minute, 24 * 40, 24, .9, func(i int) float64 {
			if rng.Float64() < 1./300 {
				slope = .004 * rng.NormFloat64()
			}
			level += slope
			slope *= .995
			return 100 * math.Exp(level+math.Sin(2*math.Pi*float64(i)/24)+.1*rng.NormFloat64()) * week[i/24%7]
		}},
		{"intermittent", 5 * minute, 288 * 8, 12, 1.05, func(i int) float64 {
			if rng.Float64() < .05+.15*max(0, math.Sin(2*math.Pi*float64(i)/288)) {
				return float64(1 + rng.IntN(5))
			}
			return 0
		}},
		{"bursts", minute, 1440 * 4, 30, 1, func(i int) float64 {
			if burst *= .9; rng.Float64() < 1./180 {
				burst += 60 * rng.ExpFloat64()
			}
			return math.Round((20*(1.2+math.Sin(2*math.Pi*float64(i)/1440)) + burst) * math.Exp(.3*rng.NormFloat64()))
		}},
		{"level shifts", 60 * minute, 24 * 40, 24, .95, func(i int) float64 {
			if rng.Float64() < 1./200 {
				level = math.Exp(.8 * rng.NormFloat64())
			}
			return 200 * level * (1 + .5*math.Sin(2*math.Pi*float64(i)/24)) * (1 + .05*rng.NormFloat64())
		}},
		{"growth", day, 900, 30, .9, func(i int) float64 {
			noise = .8*noise + .05*rng.NormFloat64()
			return 300 * math.Exp(.002*float64(i)+noise) * week[i%7]
		}},
	} {
		level = 1
		s := frame.Series{Name: c.name, Start: start, Step: c.step}
		for i := range c.n {
			s.Values = append(s.Values, c.f(i))
		}
		r := run(t, s, Options{Horizon: c.h, Seed: 1})
		rule, auto := math.Inf(1), 0.0
		for _, b := range r.Backtest {
			if ruleOf(b.Model, s.Step) != nil {
				rule = min(rule, b.WAPE)
			}
			if b.Model == "auto" {
				auto = b.WAPE
				t.Logf("%s: auto %.4f, coverage %.3f %.3f, chosen %+v", c.name, auto, b.Coverage80, b.Coverage95, r.Weights[:min(3, len(r.Weights))])
			}
		}
		if !(auto <= c.bound*rule) {
			t.Errorf("%s: WAPE of auto %.4f, of the best rule %.4f", c.name, auto, rule)
		}
	}
}
