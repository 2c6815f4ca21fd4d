package boost

import (
	"bytes"
	"fmt"

	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"apiml/frame"
	"apiml/model"
)

// columnsOf makes a matrix of n rows.
func columnsOf(n int, names ...string) *frame.Matrix {
	s := &frame.Schema{Name: "more"}
	for _, name := range names {
		s.Columns = append(s.Columns, frame.Column{Name: name})
	}
	x := frame.NewMatrix(s, n)
	x.Target = make([]float64, n)
	return x
}

// mixed has numbers with gaps and two categorical columns whose effect has
// nothing to do with their code; Class and Target are set.
func mixed(rows int, seed uint64) *frame.Matrix {
	rng := rand.New(rand.NewPCG(seed, 3))
	x := columnsOf(rows, "a", "b", "gaps", "kind", "place", "noise")
	x.Classes, x.Class = []string{"none", "odd", "rare"}, make([]int32, rows)
	for i := range rows {
		kind, place := rng.IntN(7), min(rng.IntN(90), rng.IntN(90))
		a, b := rng.NormFloat64(), rng.Float64()
		x.Cols[0][i], x.Cols[1][i], x.Cols[2][i] = float32(a), float32(b), float32(rng.NormFloat64())
		x.Cols[3][i], x.Cols[4][i], x.Cols[5][i] = float32(10*kind-20), float32(place), float32(rng.NormFloat64())
		v := a + math.Sin(float64(5*kind)) + 1.5*math.Cos(float64(11*place))*b + .3*rng.NormFloat64()
		if rng.IntN(5) == 0 {
			x.Cols[2][i] = float32(nan)
			v += .5
		}
		if rng.IntN(20) == 0 {
			x.Cols[3+rng.IntN(2)][i] = float32(nan)
		}
		x.Target[i] = v
		switch {
		case v > 1.8:
			x.Class[i] = 2
		case v > .4:
			x.Class[i] = 1
		}
	}
	return x
}

func classify(t testing.TB, x *frame.Matrix, c Config, opt model.FitOptions) *Classifier {
	t.Helper()
	m, err := FitClassifier(t.Context(), x, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func encodeModel(t testing.TB, m model.Model) []byte {
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

// One split with the penalties, by hand. Rows 0…3 have the target 0, 4…7 the
// target 1; the mean is ½, so all gradients of logistic are ±½ and hessians ¼:
// G = ±2, H = 1 on either side. With λ = 1, α = ½: T(G) = 1.5, weight ∓1.5/2 =
// ∓0.75, gain 2·1.5²/2 − 0 = 2.25 (Chen & Guestrin, eq. 7 without the factor ½,
// with the soft threshold of the L1 penalty).
func TestPenalties(t *testing.T) {
	x := columnsOf(8, "a")
	for i := range 8 {
		x.Cols[0][i] = float32(i)
		x.Target[i] = float64(i / 4)
	}
	c := plain(1, 1)
	c.Objective, c.LearningRate, c.Lambda, c.Alpha, c.MinChildWeight = Logistic, 1, 1, .5, 0
	m := fit(t, x, c, model.FitOptions{})
	for i, p := range predict(m, x) {
		want := 1 / (1 + math.Exp(.75))
		if i >= 4 {
			want = 1 - want
		}
		if math.Abs(p-want) > 1e-7 {
			t.Errorf("row %d: %v, want %v", i, p, want)
		}
	}
	for gamma, nodes := range map[float64]int{2.26: 1, 2.24: 3} {
		c.Gamma = gamma
		if got := len(fit(t, x, c, model.FitOptions{}).parts[0].trees[0]); got != nodes {
			t.Errorf("gamma %v: %d nodes, want %d", gamma, got, nodes)
		}
	}
}

// TestCategoriesExhaustively compares the split of a categorical column with the
// best of all pairs of sets.
func TestCategoriesExhaustively(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for trial := range 200 {
		x := columnsOf(60, "kind")
		k := 2 + rng.IntN(7)
		for i := range x.N {
			v := rng.IntN(k)
			x.Cols[0][i] = float32(v * v)
			x.Target[i] = rng.NormFloat64() + float64(v*7%5)
			if trial%2 == 0 && rng.IntN(6) == 0 {
				x.Cols[0][i] = float32(nan)
			}
		}
		c := plain(1, 1)
		c.Categorical, c.CatSmooth, c.CatL2, c.LearningRate = []string{"kind"}, 0, 0, 1
		c.MaxCatToOnehot = trial % 3 // 0, 1, 2: sets
		c.Lambda = 0
		got := predict(fit(t, x, c, model.FitOptions{}), x)
		// Per category: count and sum of gradients; NaN is one more.
		mu := mean(x.Target)
		count, sum := make([]float64, k+1), make([]float64, k+1)
		at := func(i int) int {
			if v := x.Cols[0][i]; v == v {
				return int(math.Sqrt(float64(v)))
			}
			return k
		}
		for i := range x.N {
			count[at(i)]++
			sum[at(i)] += mu - x.Target[i]
		}
		best, chosen := 0.0, 0
		for s := 1; s < 1<<(k+1)-1; s++ {
			var n, g [2]float64
			for j := range count {
				n[s>>j&1] += count[j]
				g[s>>j&1] += sum[j]
			}
			if n[0] == 0 || n[1] == 0 {
				continue
			}
			if gain := g[0]*g[0]/n[0] + g[1]*g[1]/n[1]; gain > best*(1+1e-9) {
				best, chosen = gain, s
			}
		}
		var n, g [2]float64
		for j := range count {
			n[chosen>>j&1] += count[j]
			g[chosen>>j&1] += sum[j]
		}
		for i := range x.N {
			side := chosen >> at(i) & 1
			if want := mu - g[side]/n[side]; math.Abs(got[i]-want) > 1e-5 {
				t.Fatalf("trial %d row %d of category %d: %v, by all sets %v (%b)", trial, i, at(i), got[i], want, chosen)
			}
		}
	}
}

// TestLeafWise: the tree has as many leaves as allowed, and they are those of
// the splits with the largest gains first.
func TestLeafWise(t *testing.T) {
	x := matrix(1500, 1)
	whole := plain(1, 6)
	whole.MinChildWeight = 5
	for _, leaves := range []int{2, 3, 7, 12} {
		c := whole
		c.GrowPolicy, c.MaxLeaves = LeafWise, leaves
		m := fit(t, x, c, model.FitOptions{})
		tr := m.parts[0].trees[0]
		if len(tr) != 2*leaves-1 {
			t.Errorf("%d nodes for %d leaves", len(tr), leaves)
		}
		if err := tr.Check(len(x.Cols), leaves); err != nil {
			t.Error(err)
		}
	}
	// With all leaves that the depth allows, both orders give the same splits.
	c := whole
	c.GrowPolicy = LeafWise
	if !slices.Equal(predict(fit(t, x, c, model.FitOptions{}), x), predict(fit(t, x, whole, model.FitOptions{}), x)) {
		t.Error("the order of growth changes a tree without a limit of leaves")
	}
	// A greedy tree of three leaves has the gain of the root's split and of the
	// better one of its children's.
	c.MaxLeaves, c.MaxDepth = 3, 6
	three := fit(t, x, c, model.FitOptions{})
	loss := func(m *Model) float64 {
		s := 0.0
		for i, p := range predict(m, x) {
			s += (p - x.Target[i]) * (p - x.Target[i])
		}
		return s
	}
	c.MaxLeaves = 2
	two := fit(t, x, c, model.FitOptions{})
	whole.MaxDepth, whole.MaxLeaves = 2, 0
	four := fit(t, x, whole, model.FitOptions{})
	if a, b, d := loss(two), loss(three), loss(four); !(a > b && b > d) || a-b < b-d {
		t.Errorf("losses with 2, 3, 4 leaves: %v %v %v: the third leaf must gain more than the fourth", a, b, d)
	}
}

// TestMonotone: whatever the objective and the order of growth, the prediction
// never moves against a constraint.
func TestMonotone(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	x := columnsOf(1200, "up", "down", "free")
	for i := range x.N {
		a, b, c := rng.Float64(), rng.Float64(), rng.Float64()
		x.Cols[0][i], x.Cols[1][i], x.Cols[2][i] = float32(a), float32(b), float32(c)
		// The data contradict the constraints in places.
		x.Target[i] = math.Max(0, 3+math.Sin(9*a)+a-b+.7*math.Cos(8*b)+c*a+.4*rng.NormFloat64())
		if rng.IntN(10) == 0 {
			x.Cols[2][i] = float32(nan)
		}
	}
	for _, objective := range []string{SquaredError, SquaredLogError, AbsoluteError, Huber, Quantile, Logistic} {
		for _, policy := range []string{DepthWise, LeafWise} {
			y := *x
			c := Default()
			c.Objective, c.GrowPolicy, c.Rounds, c.MinChildWeight, c.Alpha = objective, policy, 40, 2, .01
			c.MaxLeaves, c.EarlyStoppingRounds = 20, 0
			c.Monotone = map[string]int{"up": 1, "down": -1}
			if objective == Logistic {
				c.Quantiles = nil
				y.Target = make([]float64, x.N)
				for i, v := range x.Target {
					y.Target[i] = min(1, v/6)
				}
			}
			m := fit(t, &y, c, model.FitOptions{})
			moved := false
			grid := columnsOf(50, "up", "down", "free")
			for range 60 {
				for column, sign := range []float64{1, -1} {
					other, free := rng.Float32(), rng.Float32()
					for i := range grid.N {
						grid.Cols[0][i], grid.Cols[1][i], grid.Cols[2][i] = other, other, free
						grid.Cols[column][i] = float32(i) / 49
					}
					check := func(what string, v []float64, stride, at int) {
						for i := 1; i < grid.N; i++ {
							d := sign * (v[i*stride+at] - v[(i-1)*stride+at])
							moved = moved || d > 0
							if d < -1e-12 {
								t.Fatalf("%s, %s, %s: column %d moves by %v", objective, policy, what, column, d)
							}
						}
					}
					check("prediction", predict(m, grid), 1, 0)
					for q := range c.Quantiles {
						check("quantile", quantiles(m, grid), len(c.Quantiles), q)
					}
				}
			}
			if !moved {
				t.Errorf("%s, %s: the model is constant", objective, policy)
			}
		}
	}
}

// variants are configurations that use every part of the grower.
func variants() map[string]Config {
	out := make(map[string]Config)
	for name, change := range map[string]func(*Config){
		"plain":      func(*Config) {},
		"leaf-wise":  func(c *Config) { c.GrowPolicy, c.MaxLeaves, c.MaxDepth = LeafWise, 25, 20 },
		"goss":       func(c *Config) { c.TopRate, c.OtherRate, c.Subsample = .2, .2, 1 },
		"columns":    func(c *Config) { c.ColsampleByTree, c.ColsampleByLevel, c.ColsampleByNode = .8, .7, .6 },
		"categories": func(c *Config) { c.Categorical = []string{"kind", "place"} },
		"one-hot":    func(c *Config) { c.Categorical, c.MaxCatToOnehot = []string{"kind", "place"}, 254 },
		"monotone":   func(c *Config) { c.Monotone = map[string]int{"a": 1} },
		"penalties":  func(c *Config) { c.Alpha, c.Gamma = .2, .1 },
		"deep":       func(c *Config) { c.MaxDepth, c.Categorical = 12, []string{"place"} },
	} {
		c := small()
		c.Objective, c.Rounds, c.Quantiles = SquaredError, 6, []float64{.5, .9}
		change(&c)
		out[name] = c
	}
	return out
}

// TestWorkers: any number of workers gives the same bytes, on enough rows that
// they share the work on one node.
func TestWorkers(t *testing.T) {
	x := mixed(3*chunkRows, 1)
	for name, c := range variants() {
		if testing.Short() && name != "categories" && name != "goss" {
			continue
		}
		c.EarlyStoppingRounds, c.Rounds = 0, 4
		one := encodeModel(t, fit(t, x, c, model.FitOptions{Seed: 3, Workers: 1}))
		for _, workers := range []int{2, 5} {
			if !bytes.Equal(one, encodeModel(t, fit(t, x, c, model.FitOptions{Seed: 3, Workers: workers}))) {
				t.Errorf("%s: %d workers give another model than one", name, workers)
			}
		}
		c.Quantiles, c.Objective = nil, ""
		one = encodeModel(t, classify(t, x, c, model.FitOptions{Seed: 3, Workers: 1}))
		if !bytes.Equal(one, encodeModel(t, classify(t, x, c, model.FitOptions{Seed: 3, Workers: 3}))) {
			t.Errorf("%s: three workers give another classifier than one", name)
		}
	}
}

// TestVariants: each configuration learns, is saved and loaded, and predicts in
// blocks what a walk from node to node gives; contributions and Shapley values
// add up.
func TestVariants(t *testing.T) {
	x, fresh := mixed(4000, 1), mixed(501, 2)
	for i := range 20 { // codes that the fit has not seen
		fresh.Cols[3][i*7] = 77
	}
	spread := 0.0
	for _, v := range fresh.Target {
		spread += v * v
	}
	for name, c := range variants() {
		c.Rounds, c.LearningRate = 60, .3
		if testing.Short() {
			c.Rounds = 25
		}
		m := fit(t, x, c, model.FitOptions{Seed: 1})
		got := predict(m, fresh)
		rest := 0.0
		for i, p := range got {
			rest += (p - fresh.Target[i]) * (p - fresh.Target[i])
		}
		t.Logf("%s: R² %.3f", name, 1-rest/spread)
		if rest > .45*spread {
			t.Errorf("%s: %v of the variance is left", name, rest/spread)
		}
		f, err := model.ReadFile(encodeModel(t, m))
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(predict(loaded, fresh), got) || !slices.Equal(quantiles(loaded, fresh), quantiles(m, fresh)) {
			t.Errorf("%s: the loaded model predicts something else", name)
		}
		p := &m.parts[0]
		for i := range fresh.N {
			row := m.row(make([]float32, len(x.Cols)), fresh, i)
			sum := p.base
			for _, tr := range p.trees {
				sum += float64(p.leaf[tr[m.leafOf(tr, row)].Next])
			}
			if sum != got[i] {
				t.Fatalf("%s row %d: %v, by the walk %v", name, i, got[i], sum)
			}
			if i%25 > 0 {
				continue
			}
			for _, how := range []func([]float64, *frame.Matrix, int) float64{m.Contributions, m.Shapley} {
				d := make([]float64, len(x.Cols))
				total := how(d, fresh, i)
				for _, v := range d {
					total += v
				}
				if math.Abs(total-sum) > 1e-9*(1+math.Abs(sum)) {
					t.Errorf("%s row %d: contributions sum to %v, want %v", name, i, total, sum)
				}
			}
		}
	}
}

// TestShapley compares with the definition, by all coalitions.
func TestShapley(t *testing.T) {
	x := mixed(600, 5)
	c := plain(3, 4)
	c.Categorical = []string{"kind", "place"}
	m := fit(t, x, c, model.FitOptions{})
	m.explain()
	p := &m.parts[0]
	n := len(x.Cols)
	factorial := func(n int) float64 { return math.Gamma(float64(n + 1)) }
	for i := range 40 {
		row := m.row(make([]float32, n), x, i)
		f := make([]float64, 1<<n)
		for s := range f {
			for k, tr := range p.trees {
				cover, value := m.covers[0][k], m.values[0][k]
				var expect func(node int) float64
				expect = func(node int) float64 {
					nd := &tr[node]
					if nd.Feature < 0 {
						return value[node]
					}
					l, r := int(nd.Next), int(nd.Next)+1
					if s>>nd.Feature&1 == 1 {
						return expect(l + m.side(nd, row[nd.Feature]))
					}
					return (cover[l]*expect(l) + cover[r]*expect(r)) / (cover[l] + cover[r])
				}
				f[s] += expect(0)
			}
		}
		got := make([]float64, n)
		m.Shapley(got, x, i)
		for j := range n {
			want := 0.0
			for s := range f {
				if s>>j&1 == 0 {
					k := bits.OnesCount(uint(s))
					want += factorial(k) * factorial(n-k-1) / factorial(n) * (f[s|1<<j] - f[s])
				}
			}
			if math.Abs(got[j]-want) > 1e-9 {
				t.Fatalf("row %d column %d: %v, by all coalitions %v", i, j, got[j], want)
			}
		}
	}
}

func TestClassifier(t *testing.T) {
	x, fresh := mixed(3000, 1), mixed(1000, 2)
	two := func(x *frame.Matrix) *frame.Matrix {
		y := *x
		y.Classes, y.Class = []string{"no", "yes"}, slices.Clone(x.Class)
		for i, k := range x.Class {
			y.Class[i] = min(k, 1)
		}
		return &y
	}
	x.Class[5] = -1 // unknown: left out
	for name, data := range map[string][2]*frame.Matrix{"three": {x, fresh}, "two": {two(x), two(fresh)}} {
		for _, objective := range []string{"", Softmax} {
			c := DefaultClassifier()
			c.Rounds, c.Objective, c.Categorical = 80, objective, []string{"kind", "place"}
			x, fresh := data[0], data[1]
			m := classify(t, x, c, model.FitOptions{Seed: 1})
			k := len(x.Classes)
			p := make([]float32, fresh.N*k)
			m.PredictProba(p, fresh, 0, fresh.N)
			class := make([]int32, fresh.N)
			m.Predict(class, fresh, 0, fresh.N)
			right, lossSum := 0, 0.0
			for i := range fresh.N {
				sum := 0.0
				for _, v := range p[i*k : (i+1)*k] {
					sum += float64(v)
					if !(v >= 0 && v <= 1) {
						t.Fatalf("%s row %d: probability %v", name, i, v)
					}
				}
				if math.Abs(sum-1) > 1e-6 {
					t.Fatalf("%s row %d: probabilities sum to %v", name, i, sum)
				}
				if class[i] == fresh.Class[i] {
					right++
				}
				lossSum -= math.Log(float64(p[i*k+int(fresh.Class[i])]))
			}
			t.Logf("%s %q: accuracy %.3f, log loss %.3f, rounds %v", name, objective, float64(right)/float64(fresh.N), lossSum/float64(fresh.N), m.Rounds())
			if float64(right) < .8*float64(fresh.N) {
				t.Errorf("%s %q: %d of %d right", name, objective, right, fresh.N)
			}
			b := encodeModel(t, m)
			f, err := model.ReadFile(b)
			if err != nil {
				t.Fatal(err)
			}
			loaded, err := DecodeClassifier(f)
			if err != nil {
				t.Fatal(err)
			}
			q := make([]float32, len(p))
			loaded.PredictProba(q, fresh, 0, fresh.N)
			if !slices.Equal(p, q) || !bytes.Equal(encodeModel(t, loaded), b) {
				t.Errorf("%s: the loaded model differs", name)
			}
			if _, err := Decode(f); err == nil {
				t.Error("a classifier was taken for a regressor")
			}
			for i := range 60 {
				for c := range k {
					d, s := make([]float64, len(x.Cols)), make([]float64, len(x.Cols))
					sum := m.Contributions(d, fresh, i, c)
					for _, v := range d {
						sum += v
					}
					if math.Abs(sum-float64(p[i*k+c])) > 1e-6 {
						t.Fatalf("%s row %d class %d: contributions sum to %v, probability %v", name, i, c, sum, p[i*k+c])
					}
					margin := m.Shapley(s, fresh, i, c)
					for _, v := range s {
						margin += v
					}
					if k == 2 && objective == "" && math.Abs(sigmoid(margin)-float64(p[i*k+c])) > 1e-6 {
						t.Fatalf("%s row %d class %d: Shapley values sum to %v", name, i, c, margin)
					}
				}
			}
		}
	}
	for _, c := range []struct {
		change func(*Config, *frame.Matrix)
		want   string
	}{
		{func(c *Config, x *frame.Matrix) { x.Class = nil }, "class"},
		{func(c *Config, x *frame.Matrix) {
			x.Classes = x.Classes[:1]
			x.Class = make([]int32, x.N)
		}, "2 to"},
		{func(c *Config, x *frame.Matrix) { c.Objective = Logistic }, "3"},
		{func(c *Config, x *frame.Matrix) { c.Objective = Huber }, "objective"},
		{func(c *Config, x *frame.Matrix) { c.Quantiles = []float64{.5} }, "quantiles"},
		{func(c *Config, x *frame.Matrix) { c.Categorical = []string{"nowhere"} }, "nowhere"},
		{func(c *Config, x *frame.Matrix) { c.Monotone = map[string]int{"nowhere": 1} }, "nowhere"},
		{func(c *Config, x *frame.Matrix) { c.Monotone = map[string]int{"a": 2} }, "monotone"},
		{func(c *Config, x *frame.Matrix) {
			c.Monotone, c.Categorical = map[string]int{"kind": 1}, []string{"kind"}
		}, "categorical"},
	} {
		x, config := mixed(100, 1), DefaultClassifier()
		c.change(&config, x)
		if _, err := FitClassifier(t.Context(), x, config, model.FitOptions{}); err == nil || !bytes.Contains([]byte(err.Error()), []byte(c.want)) {
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
}

// Robust losses shrug at rows that squared error bends for.
func TestRobust(t *testing.T) {
	x, fresh := mixed(3000, 1), mixed(1000, 2)
	rng := rand.New(rand.NewPCG(4, 4))
	for i := range x.Target {
		if rng.IntN(20) == 0 {
			x.Target[i] += 300 * rng.Float64()
		}
	}
	mae := make(map[string]float64)
	for _, objective := range []string{SquaredError, Huber, AbsoluteError} {
		c := Default()
		c.Objective, c.Quantiles, c.HuberDelta = objective, nil, .5
		for i, p := range predict(fit(t, x, c, model.FitOptions{}), fresh) {
			mae[objective] += math.Abs(p-fresh.Target[i]) / float64(fresh.N)
		}
	}
	t.Logf("mean absolute error %v", mae)
	if mae[Huber] > mae[SquaredError]/4 || mae[AbsoluteError] > mae[SquaredError]/4 {
		t.Errorf("mean absolute error %v", mae)
	}
}

// A quarter of the rows, chosen by gradient, does nearly as well as all.
func TestGOSS(t *testing.T) {
	x, fresh := mixed(8000, 1), mixed(2000, 2)
	rmse := func(change func(*Config)) float64 {
		c := plain(80, 5)
		c.MinChildWeight = 5
		change(&c)
		s := 0.0
		for i, p := range predict(fit(t, x, c, model.FitOptions{Seed: 1}), fresh) {
			s += (p - fresh.Target[i]) * (p - fresh.Target[i])
		}
		return math.Sqrt(s / float64(fresh.N))
	}
	all := rmse(func(*Config) {})
	goss := rmse(func(c *Config) { c.TopRate, c.OtherRate = .15, .15 })
	t.Logf("all rows %.4f, GOSS %.4f", all, goss)
	if goss > 1.08*all {
		t.Errorf("GOSS %v, all rows %v", goss, all)
	}
}

// Columns by level and node are drawn from those of the tree.
func TestColumns(t *testing.T) {
	x := mixed(2000, 1)
	c := plain(30, 4)
	c.ColsampleByTree, c.ColsampleByLevel, c.ColsampleByNode = .5, .5, 1
	m := fit(t, x, c, model.FitOptions{Seed: 2})
	for k, tr := range m.parts[0].trees {
		used, level := map[int16]bool{}, map[int]map[int16]bool{}
		depth := make([]int, len(tr))
		for i, n := range tr {
			if n.Feature < 0 {
				continue
			}
			depth[n.Next], depth[n.Next+1] = depth[i]+1, depth[i]+1
			used[n.Feature] = true
			if level[depth[i]] == nil {
				level[depth[i]] = map[int16]bool{}
			}
			level[depth[i]][n.Feature] = true
		}
		if len(used) > 3 {
			t.Errorf("tree %d splits %d of 6 columns at a share of ½", k, len(used))
		}
		for d, s := range level {
			if len(s) > 2 {
				t.Errorf("tree %d, level %d splits %d of 3 columns at a share of ½", k, d, len(s))
			}
		}
	}
}

// Rare categories beyond those with a bin, and codes never seen, are missing.
func TestManyCategories(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	x := columnsOf(20000, "id", "noise")
	effect := make([]float64, 900)
	for k := range effect {
		effect[k] = rng.NormFloat64()
	}
	for i := range x.N {
		k := min(rng.IntN(900), rng.IntN(900), rng.IntN(900))
		x.Cols[0][i], x.Cols[1][i] = float32(k), rng.Float32()
		x.Target[i] = effect[k]
	}
	c := plain(60, 6)
	c.Categorical = []string{"id"}
	m := fit(t, x, c, model.FitOptions{})
	if n := len(m.cats[0].codes); n != maxCategories {
		t.Errorf("%d categories have a bin", n)
	}
	rest, all := 0.0, 0.0
	for i, p := range predict(m, x) {
		rest += (p - x.Target[i]) * (p - x.Target[i])
		all += x.Target[i] * x.Target[i]
	}
	if rest > .45*all {
		t.Errorf("%v of the variance is left", rest/all)
	}
	y := columnsOf(2, "id", "noise")
	y.Cols[0][0], y.Cols[0][1] = 1e6, float32(nan)
	if p := predict(m, y); p[0] != p[1] {
		t.Errorf("an unseen code predicts %v, a missing one %v", p[0], p[1])
	}
}

// Without memory for histograms nodes count their rows, and the trees are the
// same.
func TestHistogramLimit(t *testing.T) {
	x := mixed(3000, 1)
	for name, c := range variants() {
		c.Quantiles, c.EarlyStoppingRounds, c.MaxDepth = nil, 0, 9
		trees := func(most, workers int) string {
			g, err := prepare(t.Context(), x, &c, model.FitOptions{Workers: workers})
			if err != nil {
				t.Fatal(err)
			}
			g.y = x.Target
			g.split(nil)
			w := &grower{growth: g, loss: loss{kind: SquaredError}, sets: new([]set), workers: workers, records: g.records, most: most}
			var parts [1]ensemble
			if err := w.run(t.Context(), parts[:], nil); err != nil {
				t.Fatal(err)
			}
			if w.made != 0 {
				t.Errorf("%s: %d histograms were not given back", name, w.made)
			}
			return fmt.Sprint(parts[0].trees, parts[0].leaf, *w.sets)
		}
		want := trees(0, 1)
		for _, most := range []int{1, 5} {
			if trees(most, 2) != want {
				t.Errorf("%s: with %d histograms the trees differ", name, most)
			}
		}
		cols := trees(0, 1)
		if cols != want {
			t.Errorf("%s: not the same twice", name)
		}
	}
}

// Without the bins by column the records are asked, with the same result.
func TestRecordsOnly(t *testing.T) {
	x := mixed(3000, 1)
	c := small()
	c.Categorical = []string{"kind", "place"}
	var got []string
	for _, both := range []bool{true, false} {
		g, err := prepare(t.Context(), x, &c, model.FitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !both {
			g.cols = nil
		}
		g.y = x.Target
		g.split(nil)
		w := &grower{growth: g, loss: loss{kind: SquaredError}, sets: new([]set), workers: 1, records: g.records}
		var parts [1]ensemble
		if err := w.run(t.Context(), parts[:], nil); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(parts[0].trees, parts[0].leaf, *w.sets))
	}
	if got[0] != got[1] {
		t.Error("the trees differ")
	}
}

func BenchmarkFitCategories(b *testing.B) {
	x := mixed(100_000, 1)
	c := Default()
	c.Quantiles, c.EarlyStoppingRounds, c.Rounds, c.Objective, c.Categorical = nil, 0, 50, SquaredError, []string{"kind", "place"}
	for b.Loop() {
		fit(b, x, c, model.FitOptions{Workers: 1})
	}
}

var (
	_ model.Classifier = (*Classifier)(nil)
)

// The first trees of a model are those of a shorter fit.
func TestFirst(t *testing.T) {
	x := mixed(800, 1)
	c := plain(20, 4)
	c.Quantiles, c.Categorical = []float64{.5, .9}, []string{"kind"}
	long := fit(t, x, c, model.FitOptions{Seed: 2})
	for _, rounds := range []int{0, 1, 7, 20, 30} {
		c.Rounds = max(1, min(rounds, 20))
		if rounds == 0 {
			if p := predict(long.First(0), x); p[0] != long.parts[0].base {
				t.Errorf("without trees: %v, want %v", p[0], long.parts[0].base)
			}
			continue
		}
		short, got := fit(t, x, c, model.FitOptions{Seed: 2}), long.First(rounds)
		if !slices.Equal(predict(short, x), predict(got, x)) || !slices.Equal(quantiles(short, x), quantiles(got, x)) {
			t.Errorf("%d rounds: not what a fit with so many gives", rounds)
		}
		f, err := model.ReadFile(encodeModel(t, got))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(f); err != nil {
			t.Error(err)
		}
	}
}
