package modeltest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"apiml/frame"
	"apiml/model"
)

// subject is a model of a role other than classifier and detector, with what
// the checks need: how to fit it on data of a size, and what it predicts.
type subject struct {
	spec   model.Spec
	decode func(*model.File) (model.Model, error)
	// fit fits on data of n rows, steps or accesses.
	fit func(ctx context.Context, n int, config json.RawMessage, opt model.FitOptions) (model.Model, error)
	// predict uses the model on fresh data.
	predict func(t *testing.T, m model.Model) []float64
	// input is what a fit may read, as text: a fit must not change it.
	input func(n int) string
	least int // rows below which a fit may fail
}

// Regression makes the rows of Matrix with a positive target in seconds and
// times a minute apart.
func Regression(rows int, seed uint64) *frame.Matrix {
	x := Matrix(rows, seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	x.Class, x.Classes = nil, nil
	x.Target, x.Time = make([]float64, rows), make([]int64, rows)
	for i := range rows {
		x.Target[i] = 0.05 * math.Exp(0.5*float64(x.Cols[0][i])+0.2*rng.NormFloat64())
		x.Time[i] = int64(i) * 60e6
	}
	return x
}

// Hours makes n hours with a day's season, noise, a trend and a gap.
func Hours(n int, seed uint64) frame.Series {
	rng := rand.New(rand.NewPCG(seed, 2))
	s := frame.Series{Name: "modeltest", Start: 1_767_571_200 * 1e6, Step: 3600 * 1e6, Values: make([]float64, n)}
	for i := range s.Values {
		s.Values[i] = math.Round(200 + 0.1*float64(i) + 120*math.Sin(2*math.Pi*float64(i)/24) + 10*rng.NormFloat64())
		if i%97 == 50 {
			s.Values[i] = math.NaN()
		}
	}
	return s
}

// Accesses makes n accesses with a few favourites and many keys that come once.
func Accesses(n int, seed uint64) *frame.Trace {
	rng := rand.New(rand.NewPCG(seed, 3))
	t := &frame.Trace{Keys: make([]int32, n), N: n}
	zipf := rand.NewZipf(rng, 1.2, 2, uint64(max(n/4, 1)))
	for i := range t.Keys {
		t.Keys[i] = min(int32(zipf.Uint64()), int32(n-1))
	}
	return t
}

func floats[T int32 | float32 | bool](v []T) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		switch x := any(x).(type) {
		case int32:
			out[i] = float64(x)
		case float32:
			out[i] = float64(x)
		case bool:
			if x {
				out[i] = 1
			}
		}
	}
	return out
}

func newSubject(spec model.Spec, decode func(*model.File) (model.Model, error)) (*subject, error) {
	s := &subject{spec: spec, decode: decode, least: 60}
	seriesText := func(v frame.Series) string { return fmt.Sprintf("%v", v) }
	switch spec.Role {
	case model.RoleRegressor, model.RoleClusterer:
		data := map[int]*frame.Matrix{}
		get := func(n int) *frame.Matrix {
			if data[n] == nil {
				data[n] = Regression(n, 1)
			}
			return data[n]
		}
		s.fit = func(ctx context.Context, n int, config json.RawMessage, opt model.FitOptions) (model.Model, error) {
			return spec.Fit(ctx, get(n), config, opt)
		}
		s.input = func(n int) string { return bitsOf(get(n)) }
		s.predict = func(t *testing.T, m model.Model) []float64 {
			x := Regression(200, 2)
			if r, ok := m.(model.Regressor); ok {
				dst := make([]float64, x.N)
				r.Predict(dst, x, 0, x.N)
				return dst
			}
			dst := make([]int32, x.N)
			m.(model.Clusterer).Assign(dst, x, 0, x.N)
			return floats(dst)
		}
	case model.RoleForecaster:
		s.least = 300
		s.fit = func(ctx context.Context, n int, config json.RawMessage, opt model.FitOptions) (model.Model, error) {
			return spec.FitSeries(ctx, Hours(n, 1), config, opt)
		}
		s.input = func(n int) string { return seriesText(Hours(n, 1)) }
		s.predict = func(t *testing.T, m model.Model) []float64 {
			dst := make([]float64, 30)
			if err := m.(model.Forecaster).Forecast(dst, Hours(450, 1)); err != nil {
				t.Fatal(err)
			}
			return dst
		}
	case model.RolePolicy:
		data := map[int]*frame.Trace{}
		get := func(n int) *frame.Trace {
			if data[n] == nil {
				data[n] = Accesses(n, 1)
			}
			return data[n]
		}
		s.fit = func(ctx context.Context, n int, config json.RawMessage, opt model.FitOptions) (model.Model, error) {
			return spec.FitTrace(ctx, get(n), config, opt)
		}
		s.input = func(n int) string { return fmt.Sprint(get(n).Keys, get(n).Sizes, get(n).Times, get(n).N) }
		s.predict = func(t *testing.T, m model.Model) []float64 {
			return floats(m.(model.Policy).Simulate(Accesses(2000, 2), 100))
		}
	default:
		return nil, fmt.Errorf("modeltest knows no role %q", spec.Role)
	}
	return s, nil
}

// runRoles runs the checks that hold for every role.
func runRoles(t *testing.T, spec model.Spec, decode func(*model.File) (model.Model, error)) {
	s, err := newSubject(spec, decode)
	if err != nil {
		t.Fatal(err)
	}
	n := max(s.least, 400)
	fit := func(t *testing.T, opt model.FitOptions) model.Model {
		t.Helper()
		m, err := s.fit(t.Context(), n, nil, opt)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	same := func(a, b []float64) bool {
		return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
	}
	t.Run("same seed, same bytes; workers do not matter; input unchanged", func(t *testing.T) {
		before := s.input(n)
		a := encode(t, fit(t, model.FitOptions{Seed: 3, Workers: 1}))
		b := encode(t, fit(t, model.FitOptions{Seed: 3, Workers: 4}))
		if !bytes.Equal(a, b) {
			t.Error("one worker and four give different files")
		}
		if s.input(n) != before {
			t.Error("the fit changed its input")
		}
	})
	t.Run("saved and loaded", func(t *testing.T) {
		m := fit(t, model.FitOptions{Seed: 3})
		b := encode(t, m)
		f, err := model.ReadFile(b)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := s.decode(f)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, loaded), b) {
			t.Error("saved again, the file differs")
		}
		want := s.predict(t, m)
		if !same(want, s.predict(t, loaded)) {
			t.Error("the loaded model predicts something else")
		}
		for i, v := range want {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("prediction %d is %v", i, v)
			}
		}
	})
	t.Run("configuration", func(t *testing.T) {
		text, err := json.Marshal(s.spec.Default())
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.fit(t.Context(), n, text, model.FitOptions{Seed: 3})
		if err != nil {
			t.Fatalf("the default configuration is refused: %v", err)
		}
		if !bytes.Equal(encode(t, m), encode(t, fit(t, model.FitOptions{Seed: 3}))) {
			t.Error("the default configuration, written out, gives another model")
		}
		if _, err := s.fit(t.Context(), n, json.RawMessage(`{"no_such_key":1}`), model.FitOptions{}); err == nil || !strings.Contains(err.Error(), `"no_such_key"`) {
			t.Errorf("unknown key: %v", err)
		}
	})
	t.Run("no data", func(t *testing.T) {
		if m, err := s.fit(t.Context(), 0, nil, model.FitOptions{}); err == nil || m != nil {
			t.Errorf("fitted on nothing: %v, %v", m, err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if m, err := s.fit(ctx, n, nil, model.FitOptions{}); !errors.Is(err, context.Canceled) || m != nil {
			t.Errorf("%v, %v", m, err)
		}
	})
	t.Run("concurrent use", func(t *testing.T) {
		m := fit(t, model.FitOptions{Seed: 3})
		want := s.predict(t, fit(t, model.FitOptions{Seed: 3}))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if !same(s.predict(t, m), want) {
					t.Error("used concurrently, the model predicts something else")
				}
			})
		}
		wg.Wait()
	})
	t.Run("damaged arrays", func(t *testing.T) {
		good := encode(t, fit(t, model.FitOptions{Seed: 3}))
		f, err := model.ReadFile(good)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		for _, a := range f.Arrays() {
			for trial := range 12 {
				g := damagedCopy(t, f, a.Name, trial, rng)
				if m, err := s.decode(g); err == nil {
					s.predict(t, m) // must not crash or loop; wrong numbers are the checksum's business
				}
			}
		}
		g, err := model.ReadFile(good)
		if err != nil {
			t.Fatal(err)
		}
		g.Header.Config = json.RawMessage(`[]`)
		if _, err := s.decode(g); err == nil {
			t.Error("a damaged configuration is accepted")
		}
	})
}
