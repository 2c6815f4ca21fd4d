package boost

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"apiml/frame"
	"apiml/model"
)

var nan = math.NaN()

func fit(t testing.TB, x *frame.Matrix, c Config, opt model.FitOptions) *Model {
	t.Helper()
	m, err := Fit(t.Context(), x, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func predict(m *Model, x *frame.Matrix) []float64 {
	dst := make([]float64, x.N)
	m.Predict(dst, x, 0, x.N)
	return dst
}

func quantiles(m *Model, x *frame.Matrix) []float64 {
	dst := make([]float64, x.N*len(m.QuantileLevels()))
	m.Quantiles(dst, x, 0, x.N)
	return dst
}

func encode(t testing.TB, m *Model) []byte {
	t.Helper()
	var f model.File
	if err := m.Encode(&f); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decodeBytes(b []byte) (*Model, error) {
	f, err := model.ReadFile(b)
	if err != nil {
		return nil, err
	}
	return Decode(f)
}

// matrix makes rows with what features have: noise, counts, flags, heavy tails,
// a constant, missing values and a column without any value.
func matrix(rows int, seed uint64) *frame.Matrix {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &frame.Schema{Name: "boost", State: "0a1b"}
	for _, name := range []string{"normal", "count", "flag", "tail", "constant", "gaps", "nothing", "noise", "noise2"} {
		s.Columns = append(s.Columns, frame.Column{Name: name, Unit: "1"})
	}
	x := frame.NewMatrix(s, rows)
	x.Target = make([]float64, rows)
	for i := range rows {
		a, n, flag := rng.NormFloat64(), rng.IntN(9), rng.IntN(2)
		x.Cols[0][i] = float32(a)
		x.Cols[1][i] = float32(n)
		x.Cols[2][i] = float32(flag)
		x.Cols[3][i] = float32(math.Exp(3 * rng.NormFloat64()))
		x.Cols[4][i] = 7
		x.Cols[5][i] = float32(rng.NormFloat64())
		z := .5*a + .2*float64(n)*float64(flag) + .3*rng.NormFloat64()
		if rng.IntN(4) == 0 {
			x.Cols[5][i] = float32(nan)
			z += .7
		}
		x.Cols[6][i] = float32(nan)
		x.Cols[7][i] = float32(rng.NormFloat64())
		x.Cols[8][i] = float32(rng.NormFloat64())
		x.Target[i] = .02 * math.Exp(z)
	}
	return x
}

// small is a configuration that is quick to fit.
func small() Config {
	c := Default()
	c.Rounds, c.MaxDepth, c.MinChildWeight = 30, 4, 5
	return c
}

// plain is one ensemble without anything random.
func plain(rounds, depth int) Config {
	c := Default()
	c.Rounds, c.MaxDepth, c.MinChildWeight = rounds, depth, 1
	c.Subsample, c.ColsampleByTree, c.EarlyStoppingRounds, c.Quantiles = 1, 1, 0, nil
	c.Objective, c.Bins, c.Calibrate = SquaredError, 255, false
	return c
}

// fixture reads testdata/xgboost.csv.gz: 10 columns and a target per row.
func fixture(t *testing.T) *frame.Matrix {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "xgboost.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	s := &frame.Schema{Name: "xgboost"}
	for j := range len(rows[0]) - 1 {
		s.Columns = append(s.Columns, frame.Column{Name: fmt.Sprint("x", j)})
	}
	x := frame.NewMatrix(s, len(rows))
	x.Target = make([]float64, len(rows))
	for i, r := range rows {
		for j := range r {
			v := nan
			if r[j] != "" {
				if v, err = strconv.ParseFloat(r[j], 64); err != nil {
					t.Fatal(err)
				}
			}
			if j == len(x.Cols) {
				x.Target[i] = v
			} else {
				x.Cols[j][i] = float32(v)
			}
		}
	}
	return x
}

func span(lo, hi int) []int {
	var rows []int
	for i := lo; i < hi; i++ {
		rows = append(rows, i)
	}
	return rows
}

func mean(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

// TestXGBoost compares with XGBoost on the same rows and the same parameters;
// testdata/make_fixture.py made the figures.
func TestXGBoost(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "xgboost.json"))
	if err != nil {
		t.Fatal(err)
	}
	type params struct {
		Rounds    int     `json:"n_estimators"`
		Depth     int     `json:"max_depth"`
		Weight    float64 `json:"min_child_weight"`
		Subsample float64 `json:"subsample"`
		ColSample float64 `json:"colsample_bytree"`
		Gamma     float64 `json:"gamma"`
		Lambda    float64 `json:"reg_lambda"`
	}
	var want struct {
		Train   int
		Unit    float64
		Results []struct {
			params
			RMSE []float64
		}
		Quantiles struct {
			params
			Levels map[string]struct{ Pinball, Coverage float64 }
		}
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	x := fixture(t)
	train, test := x.Select(span(0, want.Train)), x.Select(span(want.Train, x.N))
	config := func(p params) Config {
		c := Default()
		c.Rounds, c.MaxDepth, c.MinChildWeight, c.Subsample, c.ColsampleByTree = p.Rounds, p.Depth, p.Weight, p.Subsample, p.ColSample
		c.Gamma, c.EarlyStoppingRounds, c.Quantiles, c.Calibrate = p.Gamma, 0, nil, false
		if p.Lambda > 0 {
			c.Lambda = p.Lambda
		}
		return c
	}
	for _, r := range want.Results {
		var got []float64
		for seed := range uint64(len(r.RMSE)) {
			m := fit(t, train, config(r.params), model.FitOptions{Seed: seed})
			if math.Abs(m.Unit()-want.Unit) > 1e-12 {
				t.Fatalf("unit %v, want %v", m.Unit(), want.Unit)
			}
			sum := 0.0
			for i, p := range predict(m, test) {
				d := math.Log1p(p/want.Unit) - math.Log1p(test.Target[i]/want.Unit)
				sum += d * d
			}
			got = append(got, math.Sqrt(sum/float64(test.N)))
		}
		ratio := mean(got) / mean(r.RMSE)
		t.Logf("%+v: RMSE %.4f, XGBoost %.4f, ratio %.4f", r.params, mean(got), mean(r.RMSE), ratio)
		if ratio > 1.02 || ratio < .95 {
			t.Errorf("%+v: RMSE %.4f, XGBoost %.4f", r.params, mean(got), mean(r.RMSE))
		}
	}
	c := config(want.Quantiles.params)
	c.Quantiles = []float64{.5, .95, .99}
	m := fit(t, train, c, model.FitOptions{})
	q := quantiles(m, test)
	for k, level := range c.Quantiles {
		loss, below := 0.0, 0
		for i := range test.N {
			d := math.Log1p(test.Target[i]/want.Unit) - math.Log1p(q[3*i+k]/want.Unit)
			loss += max(level*d, (level-1)*d)
			if d <= 0 {
				below++
			}
		}
		w := want.Quantiles.Levels[fmt.Sprint(level)]
		loss /= float64(test.N)
		coverage := float64(below) / float64(test.N)
		t.Logf("p%v: pinball %.5f, XGBoost %.5f; coverage %.3f, XGBoost %.3f", 100*level, loss, w.Pinball, coverage, w.Coverage)
		if loss > 1.03*w.Pinball || math.Abs(coverage-level) > .03 {
			t.Errorf("p%v: pinball %.5f, XGBoost %.5f; coverage %.3f", 100*level, loss, w.Pinball, coverage)
		}
	}
}

// TestStump checks one tree of one split against the formulas of the paper:
// weight −G/(H+λ) (eq. 5), here with G = Σ(f−y), H = n.
func TestStump(t *testing.T) {
	x := frame.NewMatrix(&frame.Schema{Name: "t", Columns: []frame.Column{{Name: "a"}}}, 6)
	copy(x.Cols[0], []float32{1, 2, 3, 10, 11, 12})
	x.Target = []float64{1, 2, 3, 7, 8, 9} // mean 5
	c := plain(1, 1)
	c.LearningRate, c.Lambda = .5, 2
	m := fit(t, x, c, model.FitOptions{})
	// Left: Σ(f−y) = 4+3+2 = 9, weight −9/(3+2) = −1.8, halved: −0.9.
	got := predict(m, x)
	for i, want := range []float64{4.1, 4.1, 4.1, 5.9, 5.9, 5.9} {
		if math.Abs(got[i]-want) > 1e-6 {
			t.Errorf("row %d: %v, want %v", i, got[i], want)
		}
	}
	tr := m.parts[0].trees[0]
	if tr[0].Threshold != 6.5 {
		t.Errorf("cut at %v, want 6.5", tr[0].Threshold)
	}
	// Gain: 81/5 + 81/5 − 0 = 32.4. A gamma above forbids the split.
	c.Gamma = 32.5
	if m := fit(t, x, c, model.FitOptions{}); len(m.parts[0].trees[0]) != 1 {
		t.Error("a split with gain 32.4 was made at gamma 32.5")
	}
	c.Gamma = 32.3
	if m := fit(t, x, c, model.FitOptions{}); len(m.parts[0].trees[0]) != 3 {
		t.Error("a split with gain 32.4 was not made at gamma 32.3")
	}
	c.Gamma, c.MinChildWeight = 0, 4
	if m := fit(t, x, c, model.FitOptions{}); len(m.parts[0].trees[0]) != 1 {
		t.Error("a child has 3 rows, min_child_weight is 4")
	}
}

// naive grows a tree by trying every split of every column on raw values.
func naive(x *frame.Matrix, rows []int, f []float64, c Config, depth int, out []float64) {
	score := func(rows []int) float64 {
		g := 0.0
		for _, r := range rows {
			g += f[r] - x.Target[r]
		}
		return g * g / (float64(len(rows)) + c.Lambda)
	}
	var best [2][]int
	most := 1e-6 * max(1e-9, score(rows))
	if depth < c.MaxDepth {
		for j := range x.Cols {
			values := map[float32]bool{float32(math.Inf(1)): true}
			for _, r := range rows {
				if v := x.Cols[j][r]; v == v {
					values[v] = true
				}
			}
			var sorted []float32
			for v := range values {
				sorted = append(sorted, v)
			}
			slices.Sort(sorted)
			for _, cut := range sorted {
				for _, missingLeft := range []bool{false, true} {
					var side [2][]int
					for _, r := range rows {
						v := x.Cols[j][r]
						if v <= cut || v != v && missingLeft {
							side[0] = append(side[0], r)
						} else {
							side[1] = append(side[1], r)
						}
					}
					if len(side[0]) < int(c.MinChildWeight) || len(side[1]) < int(c.MinChildWeight) {
						continue
					}
					if gain := score(side[0]) + score(side[1]) - score(rows); gain > most*(1+1e-6) {
						most, best = gain, side
					}
				}
			}
		}
	}
	if best[0] == nil {
		g := 0.0
		for _, r := range rows {
			g += f[r] - x.Target[r]
		}
		for _, r := range rows {
			out[r] = -g / (float64(len(rows)) + c.Lambda) * c.LearningRate
		}
		return
	}
	naive(x, best[0], f, c, depth+1, out)
	naive(x, best[1], f, c, depth+1, out)
}

// TestExact compares whole ensembles with the naive grower: histograms, sibling
// subtraction, partition and default directions must give the same splits where
// every value has its own bin.
func TestExact(t *testing.T) {
	for seed := range uint64(4) {
		x := matrix(120, seed)
		for i := range x.Target {
			x.Target[i] *= 100
		}
		c := plain(5, 4)
		c.MinChildWeight = 3
		f := make([]float64, x.N)
		for i := range f {
			f[i] = mean(x.Target)
		}
		for range c.Rounds {
			step := make([]float64, x.N)
			naive(x, span(0, x.N), f, c, 0, step)
			for i := range f {
				f[i] += step[i]
			}
		}
		for i, v := range predict(fit(t, x, c, model.FitOptions{}), x) {
			if math.Abs(v-f[i]) > 1e-4*(1+math.Abs(f[i])) {
				t.Fatalf("seed %d row %d: %v, naive %v", seed, i, v, f[i])
			}
		}
	}
}

// TestGradients checks gradients and hessians of every loss against differences
// of it.
func TestGradients(t *testing.T) {
	losses := []loss{{kind: SquaredError}, {kind: Huber, delta: .7}, {kind: Logistic}, {kind: Softmax, classes: 3}}
	for _, level := range []float64{.1, .5, .95} {
		losses = append(losses, loss{kind: Quantile, level: level})
	}
	for _, l := range losses {
		y := []float64{1, 2, 3.5, 0}
		switch l.kind {
		case Logistic:
			y = []float64{1, 0, .3, 1}
		case Softmax:
			y = []float64{1, 2, 0, 1}
		}
		f := [][]float64{{1.5, 1.2, 3.4, 3}, {.3, -2, 0, 1}, {0, 1, -1, .5}}[:l.outputs()]
		g, h := make([][]float64, len(f)), make([][]float32, len(f))
		for k := range f {
			g[k], h[k] = make([]float64, 4), make([]float32, 4)
		}
		l.gradients(g, h, f, y, 0, 4)
		for k := range f {
			for r := range int32(4) {
				const d = 1e-4
				at := func(by float64) float64 {
					v := slices.Clone(f)
					v[k] = slices.Clone(f[k])
					v[k][r] += by
					return l.at(v, y, r)
				}
				if want := (at(d) - at(-d)) / (2 * d); math.Abs(want-g[k][r]) > 1e-6 {
					t.Errorf("%+v output %d row %d: gradient %v, difference %v", l, k, r, g[k][r], want)
				}
				want := (at(d) - 2*at(0) + at(-d)) / (d * d)
				switch l.kind {
				case Quantile, Huber:
					want = 1
				case Softmax:
					want *= 2 // an upper bound of the full matrix, as in XGBoost
				}
				if math.Abs(want-float64(h[k][r])) > 1e-5 {
					t.Errorf("%+v output %d row %d: hessian %v, difference %v", l, k, r, h[k][r], want)
				}
			}
		}
	}
}

func TestSelectNth(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		v := make([]float64, 1+rng.IntN(60))
		for i := range v {
			v[i] = float64(rng.IntN(20))
		}
		want := slices.Sorted(slices.Values(v))
		k := rng.IntN(len(v))
		if got := selectNth(v, k); got != want[k] {
			t.Fatalf("%v: value %d is %v, want %v", want, k, got, want[k])
		}
	}
	if rank(100, .95) != 94 || rank(100, .5) != 49 || rank(1, .99) != 0 || rank(3, .5) != 1 {
		t.Errorf("rank: %d %d %d %d", rank(100, .95), rank(100, .5), rank(1, .99), rank(3, .5))
	}
}

// TestQuantiles: leaves are quantiles of their residuals, coverage is that of
// the level on fresh rows, and quantiles of a row ascend.
func TestQuantiles(t *testing.T) {
	x := frame.NewMatrix(&frame.Schema{Name: "t", Columns: []frame.Column{{Name: "a"}}}, 200)
	x.Target = make([]float64, 200)
	for i := range 200 {
		x.Cols[0][i] = float32(i / 100)
		x.Target[i] = float64(i%100+1) + 1000*float64(i/100)
	}
	c := plain(1, 1)
	c.LearningRate, c.Lambda, c.Objective, c.Quantiles = 1, 0, Quantile, []float64{.5, .9}
	x.Target[0] = -1 // negative: no logarithm
	m := fit(t, x, c, model.FitOptions{})
	if m.Unit() != 0 {
		t.Errorf("unit %v for negative targets", m.Unit())
	}
	q := quantiles(m, x)
	// The value that 50 % (90 %) of 1…100 are not above.
	if math.Abs(q[0]-50) > 1e-4 || math.Abs(q[1]-90) > 1e-4 || math.Abs(q[300]-1050) > 1e-3 || math.Abs(q[301]-1090) > 1e-3 {
		t.Errorf("quantiles %v %v, %v %v", q[0], q[1], q[300], q[301])
	}
	if p := predict(m, x); p[0] != q[0] {
		t.Errorf("the prediction is %v, the median %v", p[0], q[0])
	}

	c = Default()
	c.Quantiles = []float64{.05, .25, .5, .75, .95}
	m = fit(t, matrix(6000, 1), c, model.FitOptions{Seed: 1})
	fresh := matrix(3000, 2)
	q = quantiles(m, fresh)
	for k, level := range c.Quantiles {
		below := 0
		for i, y := range fresh.Target {
			if k > 0 && q[5*i+k] < q[5*i+k-1] {
				t.Fatalf("row %d: %v", i, q[5*i:5*i+5])
			}
			if y <= q[5*i+k] {
				below++
			}
		}
		if got := float64(below) / 3000; math.Abs(got-level) > .03 {
			t.Errorf("level %v: coverage %v", level, got)
		}
	}
}

// TestScale: a model of milliseconds is the model of seconds.
func TestScale(t *testing.T) {
	x := matrix(1000, 1)
	y := *x
	y.Target = slices.Clone(x.Target)
	for i := range y.Target {
		y.Target[i] *= 1024 // a power of two: no rounding
	}
	a, b := predict(fit(t, x, small(), model.FitOptions{}), x), predict(fit(t, &y, small(), model.FitOptions{}), x)
	for i := range a {
		if math.Abs(a[i]*1024-b[i]) > 1e-9*b[i] {
			t.Fatalf("row %d: %v and %v", i, a[i], b[i])
		}
	}
}

func TestEarlyStopping(t *testing.T) {
	x := matrix(2000, 1)
	rng := rand.New(rand.NewPCG(9, 9))
	noise := *x
	noise.Target = make([]float64, x.N)
	for i := range noise.Target {
		noise.Target[i] = math.Exp(rng.NormFloat64())
	}
	c := Default()
	if r := fit(t, &noise, c, model.FitOptions{}).Rounds(); slices.Max(r) > 40 {
		t.Errorf("%v trees fitted to noise", r)
	}
	c.Rounds = 60
	if r := fit(t, x, c, model.FitOptions{}).Rounds(); r[0] < 20 {
		t.Errorf("%v trees where there is something to learn", r)
	}
	c.EarlyStoppingRounds = 0
	if r := fit(t, x, c, model.FitOptions{}).Rounds(); r[0] != 60 {
		t.Errorf("%v trees without early stopping", r)
	}
	// With times the newest rows decide: here they contradict the others.
	c = Default()
	c.Quantiles = nil
	x.Time = make([]int64, x.N)
	for i := range x.Time {
		x.Time[i] = int64(i)
	}
	late := *x
	late.Target = slices.Clone(x.Target)
	for i := 1600; i < x.N; i++ {
		late.Target[i] = .02 / (late.Target[i] / .02)
	}
	if a, b := fit(t, x, c, model.FitOptions{}).Rounds()[0], fit(t, &late, c, model.FitOptions{}).Rounds()[0]; b >= a/2 {
		t.Errorf("%d trees, and %d where the newest rows contradict", a, b)
	}
}

func TestDeterminism(t *testing.T) {
	x := matrix(700, 1)
	one := encode(t, fit(t, x, small(), model.FitOptions{Seed: 3, Workers: 1}))
	if !bytes.Equal(one, encode(t, fit(t, x, small(), model.FitOptions{Seed: 3, Workers: 1}))) {
		t.Error("two fits differ")
	}
	for _, workers := range []int{4, 16} { // 16: several per ensemble
		calls := 0
		got := encode(t, fit(t, x, small(), model.FitOptions{Seed: 3, Workers: workers, Log: func(done, total int) {
			calls++
			if done != calls || done > total {
				t.Errorf("progress %d of %d in call %d", done, total, calls)
			}
		}}))
		if !bytes.Equal(one, got) {
			t.Errorf("%d workers give another model than one", workers)
		}
	}
	if slices.Equal(predict(fit(t, x, small(), model.FitOptions{Seed: 3}), x), predict(fit(t, x, small(), model.FitOptions{Seed: 4}), x)) {
		t.Error("the seed has no effect")
	}
}

func TestSaveLoad(t *testing.T) {
	x, fresh := matrix(700, 1), matrix(300, 2)
	for _, objective := range []string{SquaredLogError, SquaredError, Quantile} {
		c := small()
		c.Objective = objective
		m := fit(t, x, c, model.FitOptions{Seed: 9})
		b := encode(t, m)
		loaded, err := decodeBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, loaded), b) {
			t.Error("saved again, the file differs")
		}
		if !slices.Equal(predict(m, fresh), predict(loaded, fresh)) || !slices.Equal(quantiles(m, fresh), quantiles(loaded, fresh)) {
			t.Error("the loaded model predicts something else")
		}
		// Blocks do not matter, and contributions add up.
		all := predict(m, fresh)
		for lo := 0; lo < fresh.N; lo += 37 {
			hi := min(lo+37, fresh.N)
			part := make([]float64, hi-lo)
			m.Predict(part, fresh, lo, hi)
			if !slices.Equal(part, all[lo:hi]) {
				t.Fatalf("rows %d to %d differ alone", lo, hi)
			}
		}
		for i := range 50 {
			d1, d2 := make([]float64, len(x.Cols)), make([]float64, len(x.Cols))
			sum, other := m.Contributions(d1, fresh, i), loaded.Contributions(d2, fresh, i)
			if sum != other || !slices.Equal(d1, d2) {
				t.Fatalf("row %d: the loaded model has other contributions", i)
			}
			for _, v := range d1 {
				sum += v
			}
			want := all[i]
			if m.Unit() > 0 {
				want = math.Log1p(want / m.Unit())
			}
			if math.Abs(sum-want) > 1e-9*(1+math.Abs(want)) {
				t.Errorf("row %d: contributions sum to %v, want %v", i, sum, want)
			}
			if d1[4] != 0 || d1[6] != 0 {
				t.Errorf("row %d: a constant column contributed %v", i, d1)
			}
		}
	}
}

func TestInput(t *testing.T) {
	x := matrix(300, 1)
	before := x.Select(span(0, x.N))
	m := fit(t, x, small(), model.FitOptions{})
	predict(m, x)
	for j := range x.Cols {
		for i := range x.Cols[j] {
			if math.Float32bits(x.Cols[j][i]) != math.Float32bits(before.Cols[j][i]) {
				t.Fatal("the matrix was changed")
			}
		}
	}
	if !slices.Equal(x.Target, before.Target) {
		t.Fatal("the target was changed")
	}
	x.Schema.Columns[0].Name = "changed"
	if m.Schema().Columns[0].Name == "changed" {
		t.Error("the model shares its schema with the matrix")
	}
	defer func() {
		if recover() == nil {
			t.Error("foreign columns were taken")
		}
	}()
	predict(m, x)
}

func TestOddData(t *testing.T) {
	c := small()
	for _, n := range []int{1, 2, 3, 9, 20} {
		x := matrix(n, 1)
		m := fit(t, x, c, model.FitOptions{})
		for i, v := range predict(m, x) {
			if !(v >= 0) || math.IsInf(v, 0) {
				t.Errorf("%d rows: prediction %d is %v", n, i, v)
			}
		}
		if _, err := decodeBytes(encode(t, m)); err != nil {
			t.Errorf("%d rows: %v", n, err)
		}
	}
	one := matrix(1, 1)
	if v := predict(fit(t, one, c, model.FitOptions{}), one)[0]; math.Abs(v-one.Target[0]) > 1e-9 {
		t.Errorf("one row of %v predicts %v", one.Target[0], v)
	}
	for name, target := range map[string]float64{"zero": 0, "constant": 3, "tiny": 1e-320, "huge": 1e308} {
		x := matrix(100, 1)
		for i := range x.Target {
			x.Target[i] = target
		}
		for _, objective := range []string{SquaredLogError, SquaredError, Quantile} {
			c.Objective = objective
			if name == "huge" && objective == SquaredError {
				continue // sums of 100 of them are infinite
			}
			for i, v := range predict(fit(t, x, c, model.FitOptions{}), x) {
				if math.Abs(v-target) > 1e-6*target+1e-300 {
					t.Fatalf("%s, %s: row %d predicts %v", name, objective, i, v)
				}
			}
		}
	}
	c = small()
	// Rows without a target are left out.
	x := matrix(200, 1)
	y := x.Select(span(0, 100))
	for i := 100; i < 200; i++ {
		x.Target[i] = nan
	}
	if !slices.Equal(predict(fit(t, x, c, model.FitOptions{}), y), predict(fit(t, y, c, model.FitOptions{}), y)) {
		t.Error("rows without a target matter")
	}
	// All values missing, in the fit and afterwards.
	for j := range y.Cols {
		for i := range y.Cols[j] {
			y.Cols[j][i] = float32(nan)
		}
	}
	for i, v := range predict(fit(t, y, c, model.FitOptions{}), y) {
		if v != v {
			t.Fatalf("row %d of missing values predicts NaN", i)
		}
	}
}

func TestRefusals(t *testing.T) {
	ok := matrix(50, 1)
	empty := matrix(0, 1)
	noTarget := matrix(10, 1)
	noTarget.Target = nil
	negative, infinite, feature := matrix(10, 1), matrix(10, 1), matrix(10, 1)
	negative.Target[3] = -1
	infinite.Target[3] = math.Inf(1)
	feature.Cols[0][1] = float32(math.Inf(1))
	noColumns := frame.NewMatrix(&frame.Schema{Name: "t"}, 3)
	noColumns.Target = []float64{1, 2, 3}
	for _, c := range []struct {
		x    *frame.Matrix
		want string
	}{{empty, "no rows"}, {noTarget, "no rows"}, {negative, "row 3 is -1"}, {infinite, "row 3 is infinite"}, {feature, "infinite"}, {noColumns, "no columns"}} {
		if _, err := Fit(t.Context(), c.x, small(), model.FitOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
	for key, values := range map[string][]any{
		"rounds": {0, 10_001}, "learning_rate": {0, 1.5}, "max_depth": {0, 17}, "min_child_weight": {-1}, "lambda": {-1}, "gamma": {-1},
		"subsample": {0, 1.1}, "colsample_bytree": {0, 2}, "bins": {1, 256}, "early_stopping_rounds": {-1}, "objective": {"mae"},
		"quantiles": {[]float64{}, []float64{0}, []float64{.5, .5}, []float64{.9, .5}, []float64{1}},
	} {
		for _, v := range values {
			raw, err := json.Marshal(map[string]any{key: v})
			if err != nil {
				t.Fatal(err)
			}
			c := Default()
			if err := model.MergeConfig("latency", raw, &c); err != nil {
				t.Fatal(err)
			}
			if _, err := Fit(t.Context(), ok, c, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%s: %v", raw, err)
			}
		}
	}
	c := small()
	c.Objective, c.Quantiles = Quantile, []float64{.9}
	if _, err := Fit(t.Context(), ok, c, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), "0.5") {
		t.Errorf("objective quantile without a median: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Fit(ctx, ok, small(), model.FitOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	if _, err := Fit(ctx, ok, small(), model.FitOptions{Log: func(done, _ int) { cancel() }}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled in the middle: %v", err)
	}
}

func TestConcurrent(t *testing.T) {
	x := matrix(400, 1)
	m := fit(t, x, small(), model.FitOptions{})
	want, wantQ := predict(m, x), quantiles(m, x)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if !slices.Equal(predict(m, x), want) || !slices.Equal(quantiles(m, x), wantQ) {
				t.Error("concurrent predictions differ")
			}
			m.Contributions(make([]float64, len(x.Cols)), x, 0)
		})
	}
	wg.Wait()
}

func TestAllocations(t *testing.T) {
	x := matrix(2000, 1)
	m := fit(t, x, small(), model.FitOptions{})
	dst := make([]float64, 3*x.N)
	for name, f := range map[string]func(n int){
		"Predict":   func(n int) { m.Predict(dst, x, 0, n) },
		"Quantiles": func(n int) { m.Quantiles(dst, x, 0, n) },
	} {
		few, many := testing.AllocsPerRun(5, func() { f(200) }), testing.AllocsPerRun(5, func() { f(2000) })
		if many > few {
			t.Errorf("%s: %v allocations for 200 rows, %v for 2000", name, few, many)
		}
	}
}

// TestDamage changes, empties and drops each array of a sound file: Decode must
// notice, or the model must still predict finite numbers.
func TestDamage(t *testing.T) {
	x := matrix(150, 1)
	m := fit(t, x, small(), model.FitOptions{})
	var f model.File
	if err := m.Encode(&f); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, a := range f.Arrays() {
		for trial := range 60 {
			g := model.File{Header: f.Header}
			for _, o := range f.Arrays() {
				if o.Name == a.Name && trial == 2 {
					continue
				}
				change := func(n int) int { return n }
				if o.Name == a.Name {
					switch trial {
					case 0:
						change = func(int) int { return 0 }
					case 1:
						change = func(n int) int { return max(0, n-1) }
					}
				}
				hit := -1
				if o.Name == a.Name && trial > 2 && o.Len > 0 {
					hit = rng.IntN(o.Len)
				}
				if err := copyArray(&g, &f, o, change, hit, rng); err != nil {
					t.Fatal(err)
				}
			}
			check(t, &g, x)
		}
	}
	for _, config := range []string{`{"quantiles":[0.5]}`, `{"quantiles":null}`, `{"rounds":0}`, `[]`, `{"objective":"squared_error"}`, `{"bins":1e9}`} {
		g := f
		g.Header.Config = json.RawMessage(config)
		if _, err := Decode(&g); err == nil {
			t.Errorf("configuration %s was taken", config)
		}
	}
	g := f
	g.Header.Kind = "random_forest"
	if _, err := Decode(&g); err == nil || !strings.Contains(err.Error(), "random_forest") {
		t.Errorf("foreign kind: %v", err)
	}
}

func check(t *testing.T, f *model.File, x *frame.Matrix) {
	t.Helper()
	m, err := Decode(f)
	if err != nil {
		return
	}
	for _, v := range append(predict(m, x), quantiles(m, x)...) {
		if v != v || math.IsInf(v, 0) {
			t.Fatalf("a damaged model predicts %v", v)
		}
	}
	m.Contributions(make([]float64, len(x.Cols)), x, 0)
}

func copyArray(dst, src *model.File, a model.ArrayInfo, size func(int) int, hit int, rng *rand.Rand) error {
	switch a.DType {
	case "F32":
		v, err := src.F32(a.Name)
		if hit >= 0 {
			v[hit] = math.Float32frombits(rng.Uint32())
		}
		dst.PutF32(a.Name, v[:size(len(v))])
		return err
	case "F64":
		v, err := src.F64(a.Name)
		if hit >= 0 {
			v[hit] = math.Float64frombits(rng.Uint64())
		}
		dst.PutF64(a.Name, v[:size(len(v))])
		return err
	case "I32":
		v, err := src.I32(a.Name)
		if hit >= 0 {
			v[hit] = int32(rng.Uint32()) >> rng.IntN(31)
		}
		dst.PutI32(a.Name, v[:size(len(v))])
		return err
	case "U8":
		v, err := src.U8(a.Name)
		if hit >= 0 {
			v[hit] = uint8(rng.Uint32())
		}
		dst.PutU8(a.Name, v[:size(len(v))])
		return err
	case "U16":
		v, err := src.U16(a.Name)
		if hit >= 0 {
			v[hit] = uint16(rng.Uint32())
		}
		dst.PutU16(a.Name, v[:size(len(v))])
		return err
	}
	return fmt.Errorf("array of type %s", a.DType)
}

// FuzzDecode: no file crashes, loops or predicts nonsense.
func FuzzDecode(f *testing.F) {
	x := matrix(60, 1)
	c := small()
	c.Rounds = 3
	m, err := Fit(context.Background(), x, c, model.FitOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encode(f, m))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := model.ReadFile(b)
		if err != nil {
			return
		}
		if frame.SameSchema(&file.Header.Schema, x.Schema) == nil {
			check(t, file, x)
		}
	})
}

func BenchmarkFit(b *testing.B) {
	x := matrix(100_000, 1)
	c := Default()
	c.Quantiles, c.EarlyStoppingRounds, c.Rounds = nil, 0, 50
	for b.Loop() {
		fit(b, x, c, model.FitOptions{Workers: 1})
	}
}

func BenchmarkPredict(b *testing.B) {
	x := matrix(20_000, 1)
	m := fit(b, x, Default(), model.FitOptions{})
	dst := make([]float64, x.N)
	for b.Loop() {
		m.Predict(dst, x, 0, x.N)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(x.N), "ns/row")
}

var _ model.Regressor = (*Model)(nil)
