package iforest

import (
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

type fixture struct {
	Odd             int
	AUC             []float64
	SelfCorrelation float64            `json:"self_rank_correlation"`
	MeanScore       []float64          `json:"mean_score"`
	AveragePath     map[string]float64 `json:"average_path"`
}

func load(t *testing.T) (*frame.Matrix, fixture) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "sklearn.json"))
	if err != nil {
		t.Fatal(err)
	}
	var fix fixture
	if err := json.Unmarshal(b, &fix); err != nil {
		t.Fatal(err)
	}
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
	x := frame.NewMatrix(schema(len(rows[0])-1), len(rows))
	for i, r := range rows {
		for j := range x.Cols {
			v, err := strconv.ParseFloat(r[j], 32)
			if err != nil {
				t.Fatal(err)
			}
			x.Cols[j][i] = float32(v)
		}
	}
	return x, fix
}

func schema(columns int) *frame.Schema {
	s := &frame.Schema{Name: "t"}
	for j := range columns {
		s.Columns = append(s.Columns, frame.Column{Name: fmt.Sprint("x", j)})
	}
	return s
}

func fit(t testing.TB, x *frame.Matrix, c Config, seed uint64) *Forest {
	t.Helper()
	f, err := Fit(t.Context(), x, c, model.FitOptions{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func score(f *Forest, x *frame.Matrix) []float32 {
	s := make([]float32, x.Rows())
	f.Score(s, x, 0, x.Rows())
	return s
}

// c(n) = 2·H(n-1) - 2(n-1)/n, by hand: c(2) = 2·1 - 1, c(3) = 2·3/2 - 4/3,
// c(4) = 2·11/6 - 3/2, c(5) = 2·25/12 - 8/5. H(255) = 6.120315… from the
// expansion ln n + γ + 1/2n - 1/12n² (Knuth, TAOCP 1, 1.2.7).
func TestAveragePath(t *testing.T) {
	n := 255.0
	h := math.Log(n) + 0.57721566490153286 + 1/(2*n) - 1/(12*n*n)
	for n, want := range map[int]float64{-1: 0, 0: 0, 1: 0, 2: 1, 3: 5.0 / 3, 4: 13.0 / 6, 5: 77.0 / 30, 256: 2*h - 2*255.0/256} {
		if got := AveragePath(n); math.Abs(got-want) > 1e-10 {
			t.Errorf("c(%d) = %v, expected %v", n, got, want)
		}
	}
	// scikit-learn uses ln(n-1) + γ for the harmonic number, which is too small
	// by 1/(2(n-1)).
	_, fix := load(t)
	for text, want := range fix.AveragePath {
		n, _ := strconv.Atoi(text)
		if got := AveragePath(n); n > 2 && (got < want || got-want > 1/float64(n-1)) || n <= 2 && got != want {
			t.Errorf("c(%d) = %v, scikit-learn has %v", n, got, want)
		}
	}
}

// A forest made by hand, so that each path is known: one split of four rows,
// one against three.
func TestScoreFormula(t *testing.T) {
	f := &Forest{schema: *schema(1), config: Default(), sample: 4, sizes: []uint16{1, 3},
		trees: []tree.Tree{{{Feature: 0, Threshold: 0, Next: 1, Missing: 1}, {Feature: -1, Next: 0}, {Feature: -1, Next: 1}}}}
	f.derive()
	x := frame.NewMatrix(schema(1), 3)
	copy(x.Cols[0], []float32{-1, 1, float32(math.NaN())})
	c4 := 13.0 / 6
	odd, normal := math.Exp2(-1/c4), math.Exp2(-(1+5.0/3)/c4)
	for i, want := range []float64{odd, normal, normal} {
		if got := score(f, x)[i]; math.Abs(float64(got)-want) > 1e-6 {
			t.Errorf("score of row %d is %v, expected %v", i, got, want)
		}
	}
	// The mean path of the four rows is (1 + 3·8/3) / 4 = 9/4; the split made
	// the first row's shorter.
	base := math.Exp2(-2.25 / c4)
	dst := make([]float64, 1)
	f.Contributions(dst, x, 0)
	if math.Abs(dst[0]-(odd-base)) > 1e-6 {
		t.Errorf("contribution %v, expected %v", dst[0], odd-base)
	}
}

func ranks(v []float64) []float64 {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case v[a] < v[b]:
			return -1
		case v[a] > v[b]:
			return 1
		}
		return 0
	})
	r := make([]float64, len(v))
	for lo := 0; lo < len(order); {
		hi := lo
		for hi < len(order) && v[order[hi]] == v[order[lo]] {
			hi++
		}
		for _, i := range order[lo:hi] {
			r[i] = float64(lo+hi-1) / 2
		}
		lo = hi
	}
	return r
}

// spearman is the rank correlation.
func spearman(a, b []float64) float64 {
	a, b = ranks(a), ranks(b)
	m := float64(len(a)-1) / 2
	ab, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		ab += (a[i] - m) * (b[i] - m)
		aa += (a[i] - m) * (a[i] - m)
		bb += (b[i] - m) * (b[i] - m)
	}
	return ab / math.Sqrt(aa*bb)
}

func auc(s []float64, odd int) float64 {
	r, sum := ranks(s), 0.0
	for _, v := range r[:odd] {
		sum += v
	}
	return (sum - float64(odd*(odd-1))/2) / float64(odd*(len(s)-odd))
}

// Differential test: the same order of the rows as scikit-learn's
// IsolationForest, whose own seeds agree among each other to fix.SelfCorrelation,
// the same AUC for the rows made odd, and nearly the same scores.
func TestAgainstScikitLearn(t *testing.T) {
	x, fix := load(t)
	var aucs []float64
	mean := make([]float64, x.Rows())
	const seeds = 8
	for seed := range uint64(seeds) {
		s := make([]float64, x.Rows())
		for i, v := range score(fit(t, x, Default(), seed), x) {
			s[i] = float64(v)
			mean[i] += s[i] / seeds
		}
		if c := spearman(s, fix.MeanScore); c < max(.9, fix.SelfCorrelation) {
			t.Errorf("seed %d: rank correlation with scikit-learn %.4f; two of its seeds have %.4f", seed, c, fix.SelfCorrelation)
		}
		aucs = append(aucs, auc(s, fix.Odd))
	}
	if c := spearman(mean, fix.MeanScore); c < .99 {
		t.Errorf("rank correlation of the means %.4f", c)
	}
	got, want := 0.0, 0.0
	for i := range aucs {
		got += aucs[i] / float64(len(aucs))
		want += fix.AUC[i] / float64(len(fix.AUC))
	}
	t.Logf("AUC %.4f, scikit-learn %.4f; self-correlation %.4f", got, want, fix.SelfCorrelation)
	if math.Abs(got-want) > .01 {
		t.Errorf("AUC %.4f, scikit-learn has %.4f", got, want)
	}
	for i := range mean {
		if math.Abs(mean[i]-fix.MeanScore[i]) > .02 {
			t.Errorf("row %d: score %.4f, scikit-learn has %.4f", i, mean[i], fix.MeanScore[i])
		}
	}
}

// Every tree holds the sample, no leaf is deeper than ⌈log2 ψ⌉, and every split
// leaves rows on both sides.
func TestTrees(t *testing.T) {
	x, _ := load(t)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range x.Cols[2] {
		if rng.IntN(3) == 0 {
			x.Cols[2][i] = float32(math.NaN())
		}
	}
	for _, c := range []Config{{Trees: 20, SampleSize: 256}, {Trees: 20, SampleSize: 2}, {Trees: 5, SampleSize: 60000}} {
		f := fit(t, x, c, 1)
		if want := min(c.SampleSize, x.Rows()); f.sample != want {
			t.Errorf("sample %d, expected %d", f.sample, want)
		}
		limit := int(math.Ceil(math.Log2(float64(f.sample))))
		for k, tr := range f.trees {
			if err := tr.Check(len(x.Cols), len(f.sizes)); err != nil {
				t.Fatalf("tree %d: %v", k, err)
			}
			rows := 0
			for _, n := range tr {
				if n.Feature < 0 {
					if f.sizes[n.Next] == 0 {
						t.Fatalf("tree %d has an empty leaf", k)
					}
					rows += int(f.sizes[n.Next])
				} else if n.Feature == 4 {
					t.Fatalf("tree %d splits the constant column", k)
				}
			}
			if rows != f.sample || tr.Depth() > limit {
				t.Errorf("tree %d: %d rows of %d, depth %d of %d", k, rows, f.sample, tr.Depth(), limit)
			}
		}
	}
}

func TestDraw(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	hits := make([]int, 10)
	for range 3000 {
		got := draw(rng, 10, 4)
		if len(got) != 4 || len(slices.Compact(slices.Clone(got))) != 4 {
			t.Fatalf("drew %v", got)
		}
		for _, r := range got {
			hits[r]++
		}
	}
	for r, n := range hits { // 1,200 expected, standard deviation 27
		if n < 1080 || n > 1320 {
			t.Errorf("row %d was drawn %d times of 1200", r, n)
		}
	}
	if got := draw(rng, 5, 5); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
		t.Errorf("drew %v", got)
	}
}

// The column that makes a row odd gets the largest contribution.
func TestContributions(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	x := frame.NewMatrix(schema(6), 2000)
	for j := range x.Cols {
		for i := range x.N {
			x.Cols[j][i] = float32(rng.NormFloat64())
		}
	}
	f := fit(t, x, Default(), 1)
	for j := range x.Cols {
		odd := frame.NewMatrix(x.Schema, 1)
		odd.Cols[j][0] = 9
		dst := make([]float64, 6)
		f.Contributions(dst, odd, 0)
		for k, v := range dst {
			if k != j && v >= dst[j]/2 {
				t.Errorf("column %d was odd, but contributions are %.3f", j, dst)
			}
		}
	}
}

// What is not known of a row makes it neither odd nor normal.
func TestMissing(t *testing.T) {
	x, _ := load(t)
	f := fit(t, x, Default(), 1)
	known := score(f, x)
	for j := range x.Cols {
		for i := range x.Cols[j] {
			x.Cols[j][i] = float32(math.NaN())
		}
	}
	if s := score(f, x)[0]; s > slices.Max(known) || s > .5 {
		t.Errorf("a row of which nothing is known scores %v", s)
	}
}

func TestConfig(t *testing.T) {
	x, _ := load(t)
	for raw, want := range map[string]string{
		`{}`: "", `{"sample_size":65535}`: "",
		`{"trees":0}`:           "trees must be 1 to",
		`{"trees":100000}`:      "trees must be 1 to",
		`{"sample_size":1}`:     "sample_size must be 2 to",
		`{"sample_size":65536}`: "sample_size must be 2 to",
		`{"samples":1}`:         "unknown key",
	} {
		c := Default()
		err := model.MergeConfig("anomaly", json.RawMessage(raw), &c)
		if err == nil {
			_, err = Fit(t.Context(), x, c, model.FitOptions{})
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, expected %q", raw, err, want)
		}
	}
}

func BenchmarkScore(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	x := frame.NewMatrix(schema(20), 20_000)
	for j := range x.Cols {
		for i := range x.N {
			x.Cols[j][i] = float32(rng.NormFloat64())
		}
	}
	f := fit(b, x, Default(), 1)
	dst := make([]float32, x.N)
	for b.Loop() {
		f.Score(dst, x, 0, x.N)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(x.N), "ns/row")
}

func TestDecodeRefuses(t *testing.T) {
	x, _ := load(t)
	f := fit(t, x, Config{Trees: 3, SampleSize: 64}, 1)
	for want, change := range map[string]func(*model.File){
		`the file holds a "x"`:         func(f *model.File) { f.Header.Kind = "x" },
		"configuration":                func(f *model.File) { f.Header.Config = json.RawMessage(`7`) },
		"rows per tree are [0]":        func(f *model.File) { f.PutI32("iforest.sample", []int32{0}) },
		"rows per tree are []":         func(f *model.File) { f.PutI32("iforest.sample", nil) },
		"rows per tree are [7000000]":  func(f *model.File) { f.PutI32("iforest.sample", []int32{7000000}) },
		"tree 0 holds 64 rows, not 65": func(f *model.File) { f.PutI32("iforest.sample", []int32{65}) },
		"sizes for them":               func(f *model.File) { f.PutU8("iforest.size", nil) },
		"more than 65535 rows":         func(f *model.File) { f.PutU16("iforest.size", []uint16{65535}) },
		"0 trees": func(f *model.File) {
			f.PutI32("tree.nodes", nil)
			f.PutU8("tree.split", nil)
			f.PutF32("tree.threshold", nil)
		},
		"threshold +Inf": func(f *model.File) {
			v, _ := f.F32("tree.threshold")
			v[0] = float32(math.Inf(1))
			f.PutF32("tree.threshold", v)
		},
	} {
		var file model.File
		if err := f.Encode(&file); err != nil {
			t.Fatal(err)
		}
		change(&file)
		if _, err := Decode(&file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
}

// Trees differ: each has its own stream of random numbers.
func TestTreesDiffer(t *testing.T) {
	x, _ := load(t)
	f := fit(t, x, Config{Trees: 5, SampleSize: 64}, 1)
	for k, tr := range f.trees[1:] {
		if slices.EqualFunc(tr, f.trees[k], func(a, b tree.Node) bool { return a.Threshold == b.Threshold }) {
			t.Errorf("trees %d and %d are equal", k, k+1)
		}
	}
}
