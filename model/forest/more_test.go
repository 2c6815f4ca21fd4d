package forest

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apiml/frame"
	"apiml/internal/qualitytest"
	"apiml/model"
)

func encoded(t *testing.T, m model.Model) []byte {
	t.Helper()
	var file model.File
	if err := m.Encode(&file); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := file.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Grown on from 12 to 30 trees, a forest predicts exactly what one of 30 trees
// does, and its out-of-bag figure is the same.
func TestGrow(t *testing.T) {
	x := load(t).Select(span(0, 800))
	c := Default()
	c.Trees, c.OOB = 30, true
	whole := fit(t, x, c, 7)
	c.Trees = 12
	few := fit(t, x, c, 7)
	grown, err := few.Grow(t.Context(), x, 30, model.FitOptions{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(proba(grown, x), proba(whole, x)) {
		t.Error("grown on, it predicts something else")
	}
	a, _ := grown.OOB()
	b, _ := whole.OOB()
	if a != b || !slices.Equal(grown.OOBProba(), whole.OOBProba()) {
		t.Errorf("out-of-bag accuracy %v, at once %v", a, b)
	}
	for j, v := range grown.Importance() {
		if math.Abs(v-whole.Importance()[j]) > 1e-12 {
			t.Errorf("importance of column %d: %v, at once %v", j, v, whole.Importance()[j])
		}
	}
	if _, err := grown.Grow(t.Context(), x, 29, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), "from 30 to 29") {
		t.Errorf("error %v", err)
	}
	other := *x
	other.Classes = []string{"a", "b", "c", "d"}
	if _, err := grown.Grow(t.Context(), &other, 40, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), "fitted on") {
		t.Errorf("error %v", err)
	}
	y := qualitytest.Friedman(600).X
	r := DefaultRegressor()
	r.Trees = 10
	f, err := FitRegressor(t.Context(), y, r, model.FitOptions{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if f, err = f.Grow(t.Context(), y, 20, model.FitOptions{}); err != nil {
		t.Fatal(err)
	}
	r.Trees = 20
	g, err := FitRegressor(t.Context(), y, r, model.FitOptions{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	p, q := make([]float64, y.N), make([]float64, y.N)
	f.Predict(p, y, 0, y.N)
	g.Predict(q, y, 0, y.N)
	if !slices.Equal(p, q) {
		t.Error("grown on, the regressor predicts something else")
	}
}

// Predict says what the largest probability says, although it stops early.
func TestPredict(t *testing.T) {
	x := load(t)
	for _, trees := range []int{1, 2, 7, 40, 100} {
		c := Default()
		c.Trees = trees
		f := fit(t, x.Select(span(0, 1500)), c, 1)
		p := proba(f, x)
		got := make([]int32, x.N)
		f.Predict(got[:10], x, 0, 10) // in two parts
		f.Predict(got[10:], x, 10, x.N)
		for i, k := range got {
			if want := argmax(p[4*i : 4*i+4]); int(k) != want && p[4*i+int(k)] != p[4*i+want] {
				t.Fatalf("%d trees, row %d: class %d, the probabilities are %v", trees, i, k, p[4*i:4*i+4])
			}
		}
	}
}

// The shares of out-of-bag rows that were drawn are none: each row's
// probabilities come from the trees that did not see it.
func TestOutOfBag(t *testing.T) {
	x := load(t).Select(span(0, 300))
	c := Default()
	c.Trees, c.OOB = 15, true
	f := fit(t, x, c, 5)
	sum := make([]float64, x.N*4)
	n := make([]float64, x.N)
	row := make([]float32, len(x.Cols))
	for k := range f.trees {
		w := &worker{growth: &growth{config: c}, drawn: make([]uint16, x.N)}
		w.draw(rand.New(rand.NewPCG(5, uint64(k))))
		for i := range x.N {
			if w.drawn[i] > 0 {
				continue
			}
			n[i]++
			next := f.trees[k].Leaf(x.Row(row, i))
			for c := range 4 {
				sum[4*i+c] += float64(f.share(next, c)) / one
			}
		}
	}
	for i, p := range f.OOBProba() {
		want := sum[i] / n[i/4]
		if math.Abs(float64(p)-want) > 1e-6 && !(want != want && p != p) {
			t.Fatalf("row %d: %v, expected %v", i/4, p, want)
		}
	}
}

// With a calibration the probabilities of rows not seen say how often they are
// right: the Brier score and the log loss do not get worse, and each row still
// sums to 1.
func TestCalibration(t *testing.T) {
	x := load(t)
	train, test := x.Select(span(0, 2000)), x.Select(span(2000, 3000))
	brier := func(p []float32) float64 {
		s := 0.0
		for i, v := range p {
			y := 0.0
			if int(test.Class[i/4]) == i%4 {
				y = 1
			}
			s += (float64(v) - y) * (float64(v) - y) / float64(test.N)
		}
		return s
	}
	c := Default() // with class weights, so that the raw probabilities are off
	c.ClassWeight, c.MinSamplesLeaf = "balanced", 5
	raw := brier(proba(fit(t, train, c, 1), test))
	for _, kind := range []string{"isotonic", "platt"} {
		c.Calibration = kind
		f := fit(t, train, c, 1)
		p := proba(f, test)
		for i := 0; i < len(p); i += 4 {
			if s := p[i] + p[i+1] + p[i+2] + p[i+3]; math.Abs(float64(s)-1) > 1e-5 {
				t.Fatalf("%s: row %d sums to %v", kind, i/4, s)
			}
		}
		if b := brier(p); b > raw-.02 {
			t.Errorf("%s: Brier score %.4f, raw %.4f", kind, b, raw)
		} else {
			t.Logf("%s: Brier score %.4f, raw %.4f", kind, b, raw)
		}
	}
}

// Pool adjacent violators on a case worked out by hand, and its optimality
// against any other non-decreasing step on random data.
func TestIsotonic(t *testing.T) {
	s := isotonic([]float32{.1, .2, .3, .4, .5}, []bool{false, true, false, true, true})
	for i, want := range []float64{0, .5, .5, 1, 1} {
		if got := s.at(float32(i+1) / 10); math.Abs(got-want) > 1e-6 {
			t.Errorf("at 0.%d: %v, expected %v", i+1, got, want)
		}
	}
	if s.at(0) != 0 || s.at(.9) != 1 || math.Abs(s.at(.15)-.25) > 1e-6 {
		t.Errorf("outside and between: %v, %v, %v", s.at(0), s.at(.9), s.at(.15))
	}
}

// Platt's curve recovers the one that the labels were drawn from.
func TestPlatt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	p, is := make([]float32, 50000), make([]bool, 50000)
	for i := range p {
		p[i] = rng.Float32()
		is[i] = rng.Float64() < 1/(1+math.Exp(-6*float64(p[i])+4))
	}
	if a, b := platt(p, is); math.Abs(a+6) > .15 || math.Abs(b-4) > .1 {
		t.Errorf("a, b = %v, %v, expected -6, 4", a, b)
	}
}

// Both attributions sum to the prediction, and SHAP ranks the columns of a
// known problem.
func TestExplain(t *testing.T) {
	y := qualitytest.Friedman(1500).X
	c := DefaultRegressor()
	c.Trees, c.MinSamplesLeaf = 20, 5
	f, err := FitRegressor(t.Context(), y, c, model.FitOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	pred := make([]float64, y.N)
	f.Predict(pred, y, 0, y.N)
	total := make([]float64, 10)
	for i := range 60 {
		for name, by := range map[string]func([]float64, *frame.Matrix, int) float64{"Saabas": f.Contributions, "SHAP": f.SHAP} {
			dst := make([]float64, 10)
			sum := by(dst, y, i)
			for j, v := range dst {
				sum += v
				if name == "SHAP" {
					total[j] += math.Abs(v)
				}
			}
			if math.Abs(sum-pred[i]) > 1e-6 {
				t.Fatalf("%s: row %d sums to %v, predicted %v", name, i, sum, pred[i])
			}
		}
	}
	if least, noise := slices.Min(total[:5]), slices.Max(total[5:]); least < 2*noise {
		t.Errorf("a column that matters has %v, one of noise %v", least, noise)
	}
	x := load(t).Select(span(0, 600))
	g := fit(t, x, Default(), 1)
	p := proba(g, x)
	for i := range 20 {
		dst := make([]float64, len(x.Cols))
		sum := g.SHAP(dst, x, i, 1)
		for _, v := range dst {
			sum += v
		}
		if math.Abs(sum-float64(p[4*i+1])) > 1e-5 {
			t.Fatalf("row %d sums to %v, probability %v", i, sum, p[4*i+1])
		}
	}
}

// Categories in no order: with them named, the forest sees what their codes
// hide; an unknown one counts as missing.
func TestCategories(t *testing.T) {
	k := qualitytest.Categories(4000, true)
	train, test := k.X.Select(span(0, k.Fit)), k.X.Select(span(k.Fit, k.X.N))
	with := measure(t, k, train, test, 1)
	k.Categorical = nil
	without := measure(t, k, train, test, 1)
	t.Logf("R² %.3f with categories, %.3f with their codes", with, without)
	if with < without+.02 {
		t.Errorf("R² %.3f with categories, %.3f with their codes", with, without)
	}
	c := DefaultRegressor()
	c.Trees, c.Categorical = 10, []string{"c0"}
	f, err := FitRegressor(t.Context(), train, c, model.FitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	one, two := test.Select([]int{0}), test.Select([]int{0})
	one.Cols[0][0], two.Cols[0][0] = 1e6, float32(math.NaN())
	var a, b [1]float64
	f.Predict(a[:], one, 0, 1)
	f.Predict(b[:], two, 0, 1)
	if a != b {
		t.Errorf("an unknown category predicts %v, a missing one %v", a, b)
	}
	file, err := model.ReadFile(encoded(t, f))
	if err != nil {
		t.Fatal(err)
	}
	g, err := DecodeRegressor(file)
	if err != nil {
		t.Fatal(err)
	}
	p, q := make([]float64, test.N), make([]float64, test.N)
	f.Predict(p, test, 0, test.N)
	g.Predict(q, test, 0, test.N)
	if !slices.Equal(p, q) {
		t.Error("loaded, it predicts something else")
	}
	c.Categorical = []string{"nowhere"}
	if _, err := FitRegressor(t.Context(), train, c, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), `no column "nowhere"`) {
		t.Errorf("error %v", err)
	}
}

// With two classes the order of the categories makes the best of all subsets a
// cut (Fisher 1958): all subsets are tried.
func TestOrderIsBest(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	for range 50 {
		x := qualitytest.MatrixOf(1, 60)
		x.Class, x.Classes = make([]int32, 60), []string{"a", "b"}
		var n [6][2]float64
		for i := range x.Class {
			k := rng.IntN(6)
			x.Cols[0][i] = float32(k)
			if rng.Float64() < float64(k*7%6)/6 {
				x.Class[i] = 1
			}
			n[k][x.Class[i]]++
		}
		gini := func(left uint) float64 {
			var l, r [2]float64
			for k := range n {
				for c := range 2 {
					if left>>k&1 == 1 {
						l[c] += n[k][c]
					} else {
						r[c] += n[k][c]
					}
				}
			}
			if l[0]+l[1] == 0 || r[0]+r[1] == 0 {
				return 0
			}
			return (l[0]*l[0]+l[1]*l[1])/(l[0]+l[1]) + (r[0]*r[0]+r[1]*r[1])/(r[0]+r[1])
		}
		best, ordered := 0.0, 0.0
		for left := range uint(64) {
			best = max(best, gini(left))
		}
		orders, err := findOrders(x, []string{"c0"}, 2)
		if err != nil {
			t.Fatal(err)
		}
		left := uint(0)
		for rank := range orders[0].codes {
			for k, code := range orders[0].codes {
				if int(orders[0].ranks[k]) == rank {
					left |= 1 << uint(code)
				}
			}
			ordered = max(ordered, gini(left))
		}
		if math.Abs(best-ordered) > 1e-9 {
			t.Fatalf("the best subset has %v, the best cut %v", best, ordered)
		}
	}
}

// A fit that does not fit is refused with the figure.
func TestMemory(t *testing.T) {
	x := qualitytest.MatrixOf(2, 10)
	big := *x
	big.N = 1 << 50
	g := &growth{classes: 2}
	if _, err := g.grow(t.Context(), &big, Default(), model.FitOptions{}, nil); err == nil || !strings.Contains(err.Error(), "MiB of memory") {
		t.Errorf("error %v", err)
	}
}

func TestRegressorRefuses(t *testing.T) {
	x := qualitytest.Friedman(30).X
	for want, change := range map[string]func(x *frame.Matrix, c *Config){
		"no rows with a target": func(x *frame.Matrix, c *Config) { x.Target = slices.Repeat([]float64{math.NaN()}, x.N) },
		"target of row 2":       func(x *frame.Matrix, c *Config) { x.Target[2] = math.Inf(1) },
		`must be "squared_err`:  func(x *frame.Matrix, c *Config) { c.Criterion = "gini" },
		"neither class_weight":  func(x *frame.Matrix, c *Config) { c.ClassWeight = "balanced" },
		"min_impurity_decrease": func(x *frame.Matrix, c *Config) { c.MinImpurityDecrease = -1 },
		"splitter must be":      func(x *frame.Matrix, c *Config) { c.Splitter = "fast" },
	} {
		y, c := *x, DefaultRegressor()
		y.Target = slices.Clone(x.Target)
		change(&y, &c)
		if _, err := FitRegressor(t.Context(), &y, c, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
}
