package forecast

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"apiml/frame"
	"apiml/model"
)

// traffic is a series with a daily wave, noise and gaps.
func traffic(n int, seed uint64) frame.Series {
	rng := rand.New(rand.NewPCG(seed, 0))
	return series(60*minute, n, func(i int) float64 {
		if i%41 == 7 {
			return math.NaN()
		}
		return math.Floor(max(0, 60+40*math.Sin(float64(i)*2*math.Pi/24)+8*rng.NormFloat64()))
	})
}

func config(name string, horizon int) Config {
	c := Default()
	c.Model, c.Horizon, c.LSTMEpochs = name, horizon, 3
	return c
}

func fit(t testing.TB, s frame.Series, c Config, opt model.FitOptions) *Fitted {
	t.Helper()
	f, err := Fit(t.Context(), s, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func encode(t testing.TB, f *Fitted) []byte {
	t.Helper()
	var file model.File
	if err := f.Encode(&file); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := file.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decoded(t testing.TB, b []byte) *Fitted {
	t.Helper()
	file, err := model.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var kinds = append([]string{"snaive-daily", "median", "additive", "lstm", "auto"}, localKinds()...)

// What modeltest asks of other roles: same seed same bytes, any number of
// workers, save and load, input unchanged, concurrent use.
func TestFittedConformance(t *testing.T) {
	s := traffic(700, 1)
	longer := traffic(760, 1)
	before := slices.Clone(s.Values)
	for _, name := range kinds {
		f := fit(t, s, config(name, 12), model.FitOptions{Seed: 3, Workers: 1})
		b := encode(t, f)
		if !bytes.Equal(b, encode(t, fit(t, s, config(name, 12), model.FitOptions{Seed: 3, Workers: 4}))) {
			t.Errorf("%s: four workers make other bytes than one", name)
		}
		if other := encode(t, fit(t, s, config(name, 12), model.FitOptions{Seed: 4})); name == "lstm" && bytes.Equal(b, other) {
			t.Errorf("%s: another seed makes the same model", name)
		}
		loaded := decoded(t, b)
		if !bytes.Equal(encode(t, loaded), b) {
			t.Errorf("%s: the loaded model has other bytes", name)
		}
		if f.Kind() != Kind || f.Schema().Name != "series/3600s" || len(f.Schema().Columns) != 1 || loaded.Schema().ID() != f.Schema().ID() || f.Horizon() != 12 {
			t.Errorf("%s: describes itself as %s, %v", name, f.Kind(), f.Schema())
		}
		for _, h := range []frame.Series{s, longer} {
			for _, steps := range []int{1, 12, 100} {
				want, err := f.Result(h, steps)
				if err != nil {
					t.Fatal(err)
				}
				checkBands(t, h, want)
				got, err := loaded.Result(h, steps)
				if err != nil {
					t.Fatal(err)
				}
				// NaN is not equal to itself; JSON writes both as null.
				if a, b := asJSON(t, want), asJSON(t, got); a != b {
					t.Errorf("%s: %d steps\n%s\n%s after loading", name, steps, a, b)
				}
			}
		}
		want := make([]float64, 30)
		if err := f.Forecast(want, s); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				got := make([]float64, 30)
				if err := f.Forecast(got, s); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: concurrent forecasts differ: %v", name, err)
				}
			})
		}
		wg.Wait()
	}
	for i, v := range before {
		if v != s.Values[i] && !math.IsNaN(v) {
			t.Fatal("the fit changed its input")
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Run is Fit and its forecast.
func TestFitIsRun(t *testing.T) {
	s := traffic(700, 2)
	for _, name := range []string{"auto", "prophet"} {
		c := config(name, 12)
		want, err := fit(t, s, c, model.FitOptions{}).Result(s, 12)
		if err != nil {
			t.Fatal(err)
		}
		got := run(t, s, Options{Horizon: 12, Model: name, Config: &c})
		if len(got.Replay) != len(want.Replay) {
			t.Errorf("%s: %d replays, want %d", name, len(got.Replay), len(want.Replay))
		}
		got.Replay, want.Replay = nil, nil // they hold NaN, which no comparison likes
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestFittedErrors(t *testing.T) {
	s := traffic(300, 1)
	f := fit(t, s, config("additive", 6), model.FitOptions{})
	other := s
	other.Step = minute
	dst := make([]float64, 6)
	if err := f.Forecast(dst, other); err == nil || !strings.Contains(err.Error(), "1h0m0s") {
		t.Errorf("another step: %v", err)
	}
	other = s
	other.Values = []float64{math.NaN(), math.Inf(1)}
	if err := f.Forecast(dst, other); !errors.Is(err, errEmpty) {
		t.Errorf("empty history: %v", err)
	}
	if err := f.Forecast(make([]float64, MaxHorizon+1), s); err == nil {
		t.Error("too many steps accepted")
	}
	if _, err := f.Result(s, 0); err == nil {
		t.Error("horizon 0 accepted")
	}
	if err := f.Forecast(nil, s); err != nil {
		t.Errorf("no steps: %v", err)
	}
	one := s
	one.Values = []float64{5}
	for _, name := range kinds {
		if strings.HasSuffix(name, "-day") {
			if _, err := Fit(t.Context(), s, config(name, 6), model.FitOptions{}); err == nil || !strings.Contains(err.Error(), "no two seasons") {
				t.Errorf("%s of a series with one season: %v", name, err)
			}
			continue
		}
		if err := fit(t, s, config(name, 6), model.FitOptions{}).Forecast(dst, one); err != nil {
			t.Errorf("%s: history of one value: %v", name, err)
		}
		if slices.ContainsFunc(dst, math.IsNaN) {
			t.Errorf("%s: %v", name, dst)
		}
	}
	for name, values := range map[string][]float64{"no rows": nil, "one row": {3}, "nothing observed": slices.Repeat([]float64{math.NaN()}, 500)} {
		var short *ShortError
		if _, err := Fit(t.Context(), frame.Series{Step: minute, Values: values}, Default(), model.FitOptions{}); !errors.As(err, &short) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range kinds {
		c := series(60*minute, 1200, func(int) float64 { return 7 }) // two weeks before the first origin
		r, err := fit(t, c, config(name, 6), model.FitOptions{}).Result(c, 6)
		if err != nil || math.Abs(r.Mean[5]-7) > 1e-9 {
			t.Errorf("%s: constant series: %v, %v", name, r, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range kinds {
		if _, err := Fit(ctx, s, config(name, 6), model.FitOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled: %v", name, err)
		}
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.Horizon = 0 }, func(c *Config) { c.Model = "oracle" },
		func(c *Config) { c.Growth = "logistic" }, func(c *Config) { c.Changepoints = -1 }, func(c *Config) { c.ChangepointRange = math.NaN() },
		func(c *Config) { c.ChangepointPriorScale = 0 }, func(c *Config) { c.SeasonalityMode = "both" }, func(c *Config) { c.SeasonalityPriorScale = math.Inf(1) },
		func(c *Config) { c.DailySeasonality = 51 }, func(c *Config) { c.LSTMHidden = 65 }, func(c *Config) { c.LSTMWindow = 0 }, func(c *Config) { c.LSTMEpochs = 0 },
		func(c *Config) { c.LSTMPatience = 0 }, func(c *Config) { c.LSTMLearningRate = -1 }, func(c *Config) { c.LSTMClip = 0 }, func(c *Config) { c.LSTMMaxPoints = 1 },
	} {
		c := Default()
		change(&c)
		if _, err := Fit(t.Context(), s, c, model.FitOptions{}); err == nil {
			t.Errorf("accepted %+v", c)
		}
	}
	c := Default()
	if err := model.MergeConfig("forecast", json.RawMessage(`{"model":"additive","n_changepoints":5,"seasonality_mode":"multiplicative","lstm_hidden":8}`), &c); err != nil || c.Changepoints != 5 || c.LSTMHidden != 8 {
		t.Errorf("configuration: %+v, %v", c, err)
	}
}

// Every array of every kind, left out, cut, and with odd values put in: an
// error, or a model whose forecasts are finite.
func TestDamaged(t *testing.T) {
	s := traffic(400, 1)
	for _, name := range []string{"snaive-daily", "additive", "lstm"} {
		good := encode(t, fit(t, s, config(name, 6), model.FitOptions{}))
		file, err := model.ReadFile(good)
		if err != nil {
			t.Fatal(err)
		}
		tries, accepted := 0, 0
		try := func(what string, change func(*model.File)) {
			f, err := model.ReadFile(good)
			if err != nil {
				t.Fatal(err)
			}
			change(f)
			m, err := Decode(f)
			tries++
			if err != nil {
				return
			}
			accepted++
			dst := make([]float64, 200)
			if err := m.Forecast(dst, s); err != nil {
				t.Errorf("%s: %s: %v", name, what, err)
			}
			for _, v := range dst {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%s: %s: accepted, forecasts %v", name, what, v)
				}
			}
		}
		for _, a := range file.Arrays() {
			try(a.Name+" empty", func(f *model.File) {
				switch a.DType {
				case "F64":
					f.PutF64(a.Name, nil)
				case "I64":
					f.PutI64(a.Name, nil)
				default:
					f.PutU8(a.Name, nil)
				}
			})
			try(a.Name+" of another type", func(f *model.File) { f.PutF32(a.Name, []float32{1}) })
			for i := range min(a.Len, 40) {
				at := i * a.Len / min(a.Len, 40)
				switch a.DType {
				case "F64":
					for _, v := range []float64{math.NaN(), math.Inf(1), -1e300, 1e5, -1e5, 0} {
						try(a.Name, func(f *model.File) { x, _ := f.F64(a.Name); x[at] = v; f.PutF64(a.Name, x) })
					}
				case "I64":
					for _, v := range []int64{math.MinInt64, math.MaxInt64, -1, 0, 1, 1000} {
						try(a.Name, func(f *model.File) { x, _ := f.I64(a.Name); x[at] = v; f.PutI64(a.Name, x) })
					}
				case "U8":
					for _, v := range []byte{0, '\n', 27, 255, 'x'} {
						try(a.Name, func(f *model.File) { x, _ := f.U8(a.Name); x[at] = v; f.PutU8(a.Name, x) })
					}
				}
			}
		}
		for _, c := range []string{`{"horizon":0}`, `{"horizon":100000}`, `{"model":"oracle"}`, `[]`, `{"lstm_hidden":1e9}`} {
			try("configuration "+c, func(f *model.File) { f.Header.Config = json.RawMessage(c) })
		}
		try("kind", func(f *model.File) { f.Header.Kind = "random_forest" })
		try("schema", func(f *model.File) { f.Header.Schema.Name = "series/1s" })
		t.Logf("%s: %d damaged files, %d harmless", name, tries, accepted)
	}
}

// A fitted model of the backtest may not see what it forecasts: other values
// from an origin on change nothing that was said there or before.
func TestFittedNoPeeking(t *testing.T) {
	s := traffic(600, 8)
	p := cut(len(s.Values), 12, 0)
	c := config("auto", 12)
	for _, fitted := range fittedModels() {
		for _, o := range []int{p.choice, p.test, p.test + 37} {
			var got [2][]float64
			for k := range got {
				other := s
				other.Values = slices.Clone(s.Values)
				for i := o; k == 1 && i < len(other.Values); i++ {
					other.Values[i] = 1e4 * float64(i%5)
				}
				m, err := fitted.make(t.Context(), fitted.name, other, p, 0, &c, model.FitOptions{})
				if err != nil {
					t.Fatal(err)
				}
				for at := p.choice; at <= o; at += 17 {
					f := [12]float64{}
					m.predict(f[:], until(other, at))
					got[k] = append(got[k], f[:]...)
				}
			}
			if !slices.Equal(got[0], got[1]) {
				t.Errorf("%s: origin %d: the forecast depends on what comes behind it", fitted.name, o)
			}
		}
	}
}

// Values near the limits survive the file.
func TestHugeValuesAreStored(t *testing.T) {
	for _, size := range []float64{1e-90, 1e99} {
		s := series(60*minute, 300, func(i int) float64 { return size * float64(1+i%5) })
		for _, name := range []string{"additive", "lstm"} {
			f := fit(t, s, config(name, 6), model.FitOptions{})
			want, got := make([]float64, 6), make([]float64, 6)
			if err := f.Forecast(want, s); err != nil {
				t.Fatal(err)
			}
			if err := decoded(t, encode(t, f)).Forecast(got, s); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s at %g: %v after loading, %v, want %v", name, size, got, err, want)
			}
		}
	}
}
