package forest

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apiml/frame"
	"apiml/model"
	"apiml/model/tree"
)

// load reads testdata/sklearn.csv.gz: 12 columns and a class 0 to 3 per row.
func load(t *testing.T) *frame.Matrix {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "sklearn.csv.gz"))
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
	s := &frame.Schema{Name: "sklearn"}
	for j := range len(rows[0]) - 1 {
		s.Columns = append(s.Columns, frame.Column{Name: fmt.Sprint("x", j)})
	}
	x := frame.NewMatrix(s, len(rows))
	x.Classes = []string{"none", "a", "b", "c"}
	x.Class = make([]int32, len(rows))
	for i, r := range rows {
		for j := range x.Cols {
			v := math.NaN()
			if r[j] != "" {
				if v, err = strconv.ParseFloat(r[j], 32); err != nil {
					t.Fatal(err)
				}
			}
			x.Cols[j][i] = float32(v)
		}
		c, err := strconv.Atoi(r[len(r)-1])
		if err != nil {
			t.Fatal(err)
		}
		x.Class[i] = int32(c)
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

func fit(t testing.TB, x *frame.Matrix, c Config, seed uint64) *Forest {
	t.Helper()
	f, err := Fit(t.Context(), x, c, model.FitOptions{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func proba(f *Forest, x *frame.Matrix) []float32 {
	p := make([]float32, x.Rows()*len(f.Classes()))
	f.PredictProba(p, x, 0, x.Rows())
	return p
}

func macroF1(p []float32, class []int32, classes int) float64 {
	tp, fp, fn := make([]float64, classes), make([]float64, classes), make([]float64, classes)
	for i, c := range class {
		if h := argmax(p[i*classes : (i+1)*classes]); h == int(c) {
			tp[h]++
		} else {
			fp[h]++
			fn[c]++
		}
	}
	sum := 0.0
	for c := range tp {
		sum += 2 * tp[c] / (2*tp[c] + fp[c] + fn[c])
	}
	return sum / float64(classes)
}

func logLoss(p []float32, class []int32, classes int) float64 {
	sum := 0.0
	for i, c := range class {
		sum -= math.Log(max(float64(p[i*classes+int(c)]), 1e-3))
	}
	return sum / float64(len(class))
}

// auc of 1 - P(class 0) against class ≠ 0, by counting pairs.
func auc(p []float32, class []int32, classes int) float64 {
	wins, pairs := 0.0, 0.0
	for i, c := range class {
		for k, d := range class {
			if c != 0 && d == 0 {
				pairs++
				switch a, b := p[i*classes], p[k*classes]; {
				case a < b:
					wins++
				case a == b:
					wins += .5
				}
			}
		}
	}
	return wins / pairs
}

func mean(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

func sd(v []float64) float64 {
	m, s := mean(v), 0.0
	for _, x := range v {
		s += (x - m) * (x - m)
	}
	return math.Sqrt(s / float64(len(v)-1))
}

// Differential test: the same quality as scikit-learn's RandomForestClassifier
// on the same rows, for six configurations: five seeds here, eight there. The
// bound is four standard errors of the difference of the two means, and never
// below what a few of the 1,000 test rows are worth.
func TestAgainstScikitLearn(t *testing.T) {
	if testing.Short() {
		t.Skip("figures, not races")
	}
	b, err := os.ReadFile(filepath.Join("testdata", "sklearn.json"))
	if err != nil {
		t.Fatal(err)
	}
	var fixture struct {
		Train, Seeds int
		Results      []struct {
			ClassWeight    string    `json:"class_weight"`
			MaxDepth       int       `json:"max_depth"`
			MinSamplesLeaf int       `json:"min_samples_leaf"`
			Accuracy       []float64 `json:"accuracy"`
			MacroF1        []float64 `json:"macro_f1"`
			LogLoss        []float64 `json:"log_loss"`
			AUC            []float64 `json:"auc"`
			OOB            []float64 `json:"oob"`
			Importance     []float64 `json:"importance"`
		}
	}
	if err := json.Unmarshal(b, &fixture); err != nil {
		t.Fatal(err)
	}
	const seeds = 5
	x := load(t)
	train, test := x.Select(span(0, fixture.Train)), x.Select(span(fixture.Train, x.Rows()))
	for _, r := range fixture.Results {
		name := fmt.Sprintf("%s depth %d leaf %d", r.ClassWeight, r.MaxDepth, r.MinSamplesLeaf)
		c := Default()
		c.ClassWeight, c.MaxDepth, c.MinSamplesLeaf, c.OOB = r.ClassWeight, r.MaxDepth, r.MinSamplesLeaf, true
		var acc, f1, ll, roc, oob []float64
		importance := make([]float64, len(x.Cols))
		for seed := range seeds {
			f := fit(t, train, c, uint64(seed))
			p := proba(f, test)
			acc = append(acc, accuracy(p, test.Class, 4))
			f1 = append(f1, macroF1(p, test.Class, 4))
			ll = append(ll, logLoss(p, test.Class, 4))
			roc = append(roc, auc(p, test.Class, 4))
			o, ok := f.OOB()
			if !ok {
				t.Fatal("no out-of-bag accuracy")
			}
			oob = append(oob, o)
			for j, v := range f.Importance() {
				importance[j] += v / seeds
			}
		}
		for _, m := range []struct {
			name      string
			got, want []float64
			floor     float64
		}{
			{"accuracy", acc, r.Accuracy, .004}, {"macro-F1", f1, r.MacroF1, .01}, {"log loss", ll, r.LogLoss, .01},
			{"AUC", roc, r.AUC, .004}, {"out-of-bag accuracy", oob, r.OOB, .004},
		} {
			bound := max(m.floor, 4*math.Sqrt(sd(m.got)*sd(m.got)/seeds+sd(m.want)*sd(m.want)/float64(fixture.Seeds)))
			t.Logf("%s: %s %.4f ± %.4f, scikit-learn %.4f ± %.4f", name, m.name, mean(m.got), sd(m.got), mean(m.want), sd(m.want))
			d := mean(m.got) - mean(m.want)
			switch m.name { // better is no failure, but the out-of-bag figure must be right
			case "log loss":
				d = max(d, 0)
			case "accuracy", "macro-F1", "AUC":
				d = min(d, 0)
			}
			if math.Abs(d) > bound {
				t.Errorf("%s: %s %.4f, scikit-learn has %.4f: %.4f apart, allowed %.4f", name, m.name, mean(m.got), mean(m.want), d, bound)
			}
		}
		for j := range importance {
			if math.Abs(importance[j]-r.Importance[j]) > .02 {
				t.Errorf("%s: importance of column %d is %.3f, scikit-learn has %.3f", name, j, importance[j], r.Importance[j])
			}
		}
	}
}

// One tree on all rows and columns, without weights, is CART: its training
// leaves are pure, and P is what the leaf's rows say.
func TestSingleTreeIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	x := frame.NewMatrix(&frame.Schema{Name: "t", Columns: []frame.Column{{Name: "a"}, {Name: "b"}}}, 200)
	x.Class, x.Classes = make([]int32, 200), []string{"x", "y", "z"}
	for i := range 200 {
		x.Cols[0][i], x.Cols[1][i] = float32(i), rng.Float32()
		x.Class[i] = int32(rng.IntN(3))
	}
	c := Default()
	c.Trees, c.MaxFeatures, c.ClassWeight, c.Bootstrap = 1, "all", "none", false
	p := proba(fit(t, x, c, 1), x)
	for i, k := range x.Class {
		if p[3*i+int(k)] != 1 {
			t.Fatalf("row %d of class %d has %v", i, k, p[3*i:3*i+3])
		}
	}
	// A leaf that cannot be split: 3 of x, 1 of y with equal features.
	y := frame.NewMatrix(&frame.Schema{Name: "t", Columns: []frame.Column{{Name: "a"}}}, 4)
	y.Class, y.Classes = []int32{0, 0, 1, 0}, []string{"x", "y", "z"}
	if p := proba(fit(t, y, c, 1), y)[:3]; math.Abs(float64(p[0])-.75) > 1e-5 || math.Abs(float64(p[1])-.25) > 1e-5 || p[2] != 0 {
		t.Errorf("P = %v, expected 0.75, 0.25, 0", p)
	}
	// The same balanced: each class that occurs weighs a half.
	c.ClassWeight = "balanced"
	if p := proba(fit(t, y, c, 1), y)[:3]; math.Abs(float64(p[0])-.5) > 1e-5 || p[2] != 0 {
		t.Errorf("balanced P = %v, expected 0.5, 0.5, 0", p)
	}
}

// n/(k·n_c), the formula of scikit-learn's "balanced", over classes that occur.
func TestBalanced(t *testing.T) {
	if got := balanced([]uint64{6, 0, 2}); !slices.Equal(got, []float64{8.0 / 12, 0, 2}) {
		t.Errorf("weights %v", got)
	}
}

func TestShares(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		n := 1 + rng.IntN(20)
		counts, weights := make([]uint32, n), make([]float64, n)
		total := 0.0
		for c := range counts {
			counts[c] = uint32(rng.IntN(4) * rng.IntN(1+rng.IntN(100000)))
			weights[c] = math.Exp(3 * rng.NormFloat64())
		}
		counts[rng.IntN(n)]++
		for c, k := range counts {
			total += weights[c] * float64(k)
		}
		sum := 0
		for c, s := range appendShares(nil, counts, weights) {
			sum += int(s)
			if d := math.Abs(float64(s)/one - weights[c]*float64(counts[c])/total); d > 1.0001/one {
				t.Fatalf("share %d is %v off", c, d)
			}
			if counts[c] == 0 && s != 0 {
				t.Fatalf("class %d without rows has share %d", c, s)
			}
		}
		if sum != one {
			t.Fatalf("shares sum to %d", sum)
		}
	}
}

// The columns that tell the classes apart come first, in both measures, and
// noise has no permutation importance.
func TestImportance(t *testing.T) {
	x := load(t)
	train, test := x.Select(span(0, 2000)), x.Select(span(2000, 3000))
	c := Default()
	c.Trees = 40
	f := fit(t, train, c, 1)
	if s := mean(f.Importance()) * float64(len(x.Cols)); math.Abs(s-1) > 1e-9 {
		t.Errorf("importance sums to %v", s)
	}
	got, spread, err := PermutationImportance(t.Context(), f, test, 2, 1, 2, func(p []float32) float64 { return accuracy(p, test.Class, 4) })
	if err != nil {
		t.Fatal(err)
	}
	again, same, _ := PermutationImportance(t.Context(), f, test, 2, 1, 1, func(p []float32) float64 { return accuracy(p, test.Class, 4) })
	if !slices.Equal(got, again) || !slices.Equal(spread, same) {
		t.Error("workers change the permutation importance")
	}
	for j := range x.Cols {
		if j != 0 && (got[j] >= got[0] || f.Importance()[j] >= f.Importance()[0]) {
			t.Errorf("column %d is more important than column 0: %v", j, got)
		}
		if j >= 7 && math.Abs(got[j]) > .02 {
			t.Errorf("noise column %d has permutation importance %v", j, got[j])
		}
	}
}

func TestOptions(t *testing.T) {
	x := load(t).Select(span(0, 1000))
	for name, change := range map[string]func(*Config){
		"leaves":      func(c *Config) { c.MaxLeaves = 20 },
		"depth":       func(c *Config) { c.MaxDepth = 3 },
		"no draws":    func(c *Config) { c.Bootstrap = false },
		"half":        func(c *Config) { c.Bootstrap, c.MaxSamples, c.OOB = false, .5, true },
		"count":       func(c *Config) { c.MaxSamples = 100 },
		"few bins":    func(c *Config) { c.Bins = 2 },
		"balanced":    func(c *Config) { c.ClassWeight = "balanced" },
		"one column":  func(c *Config) { c.MaxFeatures = "1" },
		"all columns": func(c *Config) { c.MaxFeatures = "all" },
	} {
		c := Default()
		c.Trees = 30
		change(&c)
		f := fit(t, x, c, 1)
		if acc := accuracy(proba(f, x), x.Class, 4); acc < .5 {
			t.Errorf("%s: accuracy %v on its own training rows", name, acc)
		}
		if c.MaxLeaves > 0 && f.Size() > c.MaxLeaves*c.Trees {
			t.Errorf("%s: %d leaves", name, f.Size())
		}
		for _, tr := range f.trees {
			if c.MaxDepth > 0 && tr.Depth() > c.MaxDepth {
				t.Errorf("%s: depth %d", name, tr.Depth())
			}
		}
	}
}

func TestConfig(t *testing.T) {
	x := load(t).Select(span(0, 50))
	for raw, want := range map[string]string{
		`{}`: "", `{"max_features":5}`: "", `{"max_features":0.5}`: "", `{"max_features":"log2"}`: "", `{"max_features":100}`: "",
		`{"trees":0}`:                    "trees must be",
		`{"trees":99999999}`:             "trees must be",
		`{"max_depth":-1}`:               "max_depth must be",
		`{"min_samples_leaf":0}`:         "min_samples_leaf must be",
		`{"max_leaves":1}`:               "max_leaves must be",
		`{"max_features":0}`:             "max_features",
		`{"max_features":-2}`:            "max_features",
		`{"max_features":1.5}`:           "max_features",
		`{"max_features":"NaN"}`:         "max_features",
		`{"max_features":"many"}`:        "max_features",
		`{"max_features":[1]}`:           "max_features",
		`{"class_weight":"heavy"}`:       `not "heavy"`,
		`{"max_samples":0}`:              "max_samples must be",
		`{"bins":256}`:                   "bins must be",
		`{"oob":true,"bootstrap":false}`: "oob needs rows",
	} {
		c := Default()
		c.Trees = 2
		err := model.MergeConfig("attack", json.RawMessage(raw), &c)
		if err == nil {
			_, err = Fit(t.Context(), x, c, model.FitOptions{})
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, expected %q", raw, err, want)
		}
	}
}

func TestFitRefuses(t *testing.T) {
	x := load(t).Select(span(0, 20))
	none := *x
	none.Cols, none.Schema = nil, &frame.Schema{Name: "none"}
	many := *x
	many.Classes = make([]string, tree.MaxClasses+1)
	for name, m := range map[string]*frame.Matrix{"no columns": &none, "classes": &many} {
		if _, err := Fit(t.Context(), m, Default(), model.FitOptions{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A forest for the built-in models must be small: 10 bytes per leaf are 700 kB
// for 100 trees of 700 leaves.
func TestFileSize(t *testing.T) {
	x := mixture(6000, 60, 8, 1)
	c := Default()
	c.Trees, c.MaxLeaves = 30, 700
	f := fit(t, x, c, 1)
	var file model.File
	if err := f.Encode(&file); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := file.Write(&b); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d leaves, %d bytes, %d distributions", f.Size(), b.Len(), len(f.shares))
	if b.Len() > 10*f.Size() {
		t.Errorf("%d bytes for %d leaves", b.Len(), f.Size())
	}
}

// A bootstrap sample has as many draws as rows; by Breiman about 36.8 % of the
// rows (1/e) stay outside, and rows repeat.
func TestDraw(t *testing.T) {
	for _, c := range []struct {
		config       Config
		draws        int
		outside, tol float64
	}{
		{Config{Bootstrap: true, MaxSamples: 1}, 10000, 1 / math.E, .02},
		{Config{Bootstrap: true, MaxSamples: .5}, 5000, math.Exp(-.5), .02},
		{Config{MaxSamples: 1}, 10000, 0, 0},
		{Config{MaxSamples: 2500}, 2500, .75, 0},
		{Config{MaxSamples: 99999}, 10000, 0, 0},
	} {
		w := &worker{growth: &growth{config: c.config}, drawn: make([]uint16, 10000)}
		w.draw(rand.New(rand.NewPCG(1, 1)))
		sum, outside := 0, 0
		for _, k := range w.drawn {
			sum += int(k)
			outside += 1 - min(1, int(k))
		}
		if got := float64(outside) / 10000; sum != c.draws || math.Abs(got-c.outside) > c.tol {
			t.Errorf("%+v: %d draws, %.3f of the rows outside; expected %d, %.3f", c.config, sum, got, c.draws, c.outside)
		}
	}
}

// Trees differ: each has its own stream of random numbers.
func TestTreesDiffer(t *testing.T) {
	c := Default()
	c.Trees = 10
	f := fit(t, mixture(300, 5, 3, 1), c, 1)
	for k, tr := range f.trees[1:] {
		if slices.Equal(tr, f.trees[k]) {
			t.Errorf("trees %d and %d are equal", k, k+1)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	c := Default()
	c.Trees, c.OOB = 3, true
	x := mixture(200, 4, 3, 1)
	f := fit(t, x, c, 1)
	last := func(v []uint8) { v[len(v)-1] &^= 128 }
	for want, change := range map[string]func(*model.File){
		`the file holds a "x"`: func(f *model.File) { f.Header.Kind = "x" },
		"0 classes":            func(f *model.File) { f.Header.Classes = nil },
		"129 classes":          func(f *model.File) { f.Header.Classes = make([]string, 129) },
		"configuration":        func(f *model.File) { f.Header.Config = json.RawMessage(`{"trees":"x"}`) },
		"0 trees": func(f *model.File) {
			f.PutI32("tree.nodes", nil)
			f.PutU8("tree.split", nil)
			f.PutF32("tree.threshold", nil)
		},
		"sums to 65534/65535":                 func(f *model.File) { v, _ := f.U16("forest.share"); v[0]--; f.PutU16("forest.share", v) },
		"of class 127 of 3":                   func(f *model.File) { v, _ := f.U8("forest.class"); v[0] = 255; f.PutU8("forest.class", v) },
		"the last distribution has no end":    func(f *model.File) { v, _ := f.U8("forest.class"); last(v); f.PutU8("forest.class", v) },
		"shares":                              func(f *model.File) { f.PutU16("forest.share", []uint16{1}) },
		"leaf 0 has distribution 9":           func(f *model.File) { v, _ := f.U16("forest.leaf"); v[0] = 9999; f.PutU16("forest.leaf", v) },
		"distributions and":                   func(f *model.File) { f.PutU16("forest.leaf", nil) },
		"covers for them":                     func(f *model.File) { f.PutU8("forest.cover", []uint8{1}) },
		"importance of 1 columns":             func(f *model.File) { f.PutF64("forest.importance", []float64{1}) },
		"importance of column 0 is NaN":       func(f *model.File) { f.PutF64("forest.importance", []float64{math.NaN(), 0, 0, 0}) },
		"out-of-bag accuracy is [2]":          func(f *model.File) { f.PutF64("forest.oob", []float64{2}) },
		`array "forest.cover" is F32, not U8`: func(f *model.File) { f.PutF32("forest.cover", nil) },
		"splits column":                       func(f *model.File) { f.Header.Schema.Columns = f.Header.Schema.Columns[:1] },
		`no array "tree.nodes"`:               func(f *model.File) { *f = model.File{Header: f.Header} },
		"nodes, ":                             func(f *model.File) { v, _ := f.I32("tree.nodes"); v[0] = math.MaxInt32; f.PutI32("tree.nodes", v) },
		"tree 1 has -7 nodes":                 func(f *model.File) { v, _ := f.I32("tree.nodes"); v[1] = -7; f.PutI32("tree.nodes", v) },
	} {
		var file model.File
		if err := f.Encode(&file); err != nil {
			t.Fatal(err)
		}
		if want == "splits column" { // with the long form of thresholds
			file = model.File{Header: file.Header}
			file.PutI32("tree.nodes", []int32{3})
			file.PutU8("tree.split", []uint8{6, 255, 255})
			file.PutF32("tree.threshold", []float32{1})
		}
		change(&file)
		if _, err := Decode(&file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
}
