package evaluate

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

func near(t *testing.T, what string, got, want, eps float64) {
	t.Helper()
	if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > eps {
		t.Errorf("%s = %.12g, want %.12g", what, got, want)
	}
}

// TestSklearn compares with scikit-learn and scipy; testdata/sklearn.py made the
// numbers.
func TestSklearn(t *testing.T) {
	b, err := os.ReadFile("testdata/sklearn.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Classes   int
		Truth     []int32
		Pred      []int32
		Proba     []float32
		Score     []float64
		Confusion [][]int64
		Accuracy  float64
		MacroF1   float64 `json:"macro_f1"`
		Weighted  float64 `json:"weighted_f1"`
		Balanced  float64 `json:"balanced_accuracy"`
		MCC       float64
		Precision []float64
		Recall    []float64
		F1        []float64
		Support   []int64
		AUC, AP   float64
		ROC, PR   Curve
		MacroAUC  float64                                 `json:"macro_auc"`
		LogLoss   float64                                 `json:"log_loss"`
		Brier     float64                                 `json:"brier_positive"`
		Calib     struct{ Observed, Predicted []float64 } `json:"calibration"`
		Sparse    struct {
			Truth, Pred []int32
			MacroF1     float64 `json:"macro_f1"`
			MCC         float64
		}
		Wilson [][]float64
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	const eps = 1e-12
	c := Confuse([]string{"a", "b", "c", "d"}, want.Truth, want.Pred)
	for i := range c.Counts {
		if !slices.Equal(c.Counts[i], want.Confusion[i]) {
			t.Errorf("confusion row %d = %v, want %v", i, c.Counts[i], want.Confusion[i])
		}
	}
	near(t, "accuracy", c.Accuracy(), want.Accuracy, eps)
	near(t, "macro-F1", c.MacroF1(), want.MacroF1, eps)
	near(t, "weighted F1", c.WeightedF1(), want.Weighted, eps)
	near(t, "balanced accuracy", c.BalancedAccuracy(), want.Balanced, eps)
	near(t, "MCC", c.MCC(), want.MCC, eps)
	for k, m := range c.PerClass() {
		near(t, "precision", m.Precision, want.Precision[k], eps)
		near(t, "recall", m.Recall, want.Recall[k], eps)
		near(t, "F1", m.F1, want.F1[k], eps)
		if m.Support != want.Support[k] {
			t.Errorf("support of %d = %d, want %d", k, m.Support, want.Support[k])
		}
	}
	sparse := Confuse([]string{"a", "b", "c", "absent"}, want.Sparse.Truth, want.Sparse.Pred)
	near(t, "macro-F1 with absent class", sparse.MacroF1(), want.Sparse.MacroF1, eps)
	near(t, "MCC with absent class", sparse.MCC(), want.Sparse.MCC, eps)

	positive := make([]bool, len(want.Truth))
	for i, v := range want.Truth {
		positive[i] = v != 0
	}
	near(t, "AUC", AUC(want.Score, positive), want.AUC, eps)
	near(t, "AP", AveragePrecision(want.Score, positive), want.AP, eps)
	for _, x := range []struct {
		name      string
		got, want Curve
	}{{"ROC", ROC(want.Score, positive), want.ROC}, {"PR", PR(want.Score, positive), want.PR}} {
		if x.got.Len() != x.want.Len() {
			t.Fatalf("%s has %d points, want %d", x.name, x.got.Len(), x.want.Len())
		}
		for i := range x.got.X {
			near(t, x.name+" x", x.got.X[i], x.want.X[i], eps)
			near(t, x.name+" y", x.got.Y[i], x.want.Y[i], eps)
			if i > 0 {
				near(t, x.name+" threshold", x.got.Threshold[i], x.want.Threshold[i-1], eps)
			}
		}
	}
	near(t, "area of ROC", ROC(want.Score, positive).Area(), want.AUC, eps)
	// The probabilities are float32: their sum is 1 to seven digits only.
	near(t, "one-vs-rest AUC", MacroAUC(want.Proba, want.Truth, want.Classes), want.MacroAUC, 1e-6)
	near(t, "log loss", LogLoss(want.Proba, want.Truth, want.Classes), want.LogLoss, 1e-6)
	two := make([]float32, 0, 2*len(positive))
	truth2 := make([]int32, len(positive))
	for i, s := range want.Score {
		two = append(two, float32(1-s), float32(s))
		if positive[i] {
			truth2[i] = 1
		}
	}
	near(t, "Brier, two classes", Brier(two, truth2, 2), 2*want.Brier, 1e-6)

	var bins []Bin
	for _, b := range Calibrate(want.Score, positive, 10) {
		if b.Count > 0 {
			bins = append(bins, b)
		}
	}
	if len(bins) != len(want.Calib.Observed) {
		t.Fatalf("%d bins, want %d", len(bins), len(want.Calib.Observed))
	}
	for i, b := range bins {
		near(t, "observed", b.Observed, want.Calib.Observed[i], eps)
		near(t, "predicted", b.Predicted, want.Calib.Predicted[i], 1e-9)
	}
	for _, w := range want.Wilson {
		iv := Wilson(int64(w[0]), int64(w[1]))
		near(t, "Wilson lo", iv.Lo, w[2], 1e-9)
		near(t, "Wilson hi", iv.Hi, w[3], 1e-9)
	}
}

func TestConfusionByHand(t *testing.T) {
	// Truth a: 3 right, 1 as b; truth b: 1 as a, 5 right; c never occurs.
	c := NewConfusion([]string{"a", "b", "c"})
	c.Add([]int32{0, 0, 0, 0, 1, 1, 1, 1, 1, 1, -1}, []int32{0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 2})
	near(t, "accuracy", c.Accuracy(), 0.8, 1e-15)
	near(t, "macro-F1", c.MacroF1(), (2*3.0/(4+4)+2*5.0/(6+6))/2, 1e-15) // c left out
	m := c.PerClass()
	if m[2].Precision != 0 || m[2].PrecisionCI != (Interval{0, 1}) || m[2].Predicted != 0 {
		t.Errorf("class without rows: %+v", m[2])
	}
	// Wilson of 3/5 (TP/(TP+FP+FN)) carried to F1 by 2J/(1+J).
	j := Wilson(3, 5)
	near(t, "F1 lo", m[0].F1CI.Lo, 2*j.Lo/(1+j.Lo), 1e-15)
	if m[0].F1 < m[0].F1CI.Lo || m[0].F1 > m[0].F1CI.Hi {
		t.Errorf("F1 %v outside its interval %v", m[0].F1, m[0].F1CI)
	}
	// A class that is never predicted counts 0, not nothing.
	never := Confuse([]string{"a", "b"}, []int32{0, 0, 1}, []int32{0, 0, 0})
	near(t, "macro-F1", never.MacroF1(), (0.8+0)/2, 1e-15)
	w := NewConfusion(c.Labels)
	w.AddWeighted([]int32{0, 1, -1}, []int32{1, 1, 0}, []int32{3, 2, 9})
	if w.Counts[0][1] != 3 || w.Counts[1][1] != 2 || w.Total() != 5 {
		t.Errorf("weighted counts %v", w.Counts)
	}
}

func TestNothing(t *testing.T) {
	c := NewConfusion([]string{"a"})
	for name, v := range map[string]float64{
		"accuracy": c.Accuracy(), "macro-F1": c.MacroF1(), "weighted": c.WeightedF1(), "balanced": c.BalancedAccuracy(),
		"AUC": AUC(nil, nil), "AUC, one side": AUC([]float64{1, 2}, []bool{true, true}), "AP": AveragePrecision([]float64{1}, []bool{false}),
		"macro AUC": MacroAUC(nil, nil, 3), "log loss": LogLoss(nil, nil, 2), "Brier": Brier([]float32{1, 0}, []int32{-1}, 2),
		"ECE": ECE(Calibrate(nil, nil, 10)), "PSI": PSI(nil, []float32{1}, 10).PSI,
	} {
		if !math.IsNaN(v) {
			t.Errorf("%s of nothing = %v, want NaN", name, v)
		}
	}
	if c.MCC() != 0 {
		t.Errorf("MCC of nothing = %v", c.MCC())
	}
	if ROC([]float64{1}, []bool{true}).Len() != 0 || PR([]float64{1}, []bool{false}).Len() != 0 {
		t.Error("undefined curve has points")
	}
	if mean, sd, n := MeanSD([]float64{math.NaN(), 3}); mean != 3 || !math.IsNaN(sd) || n != 1 {
		t.Errorf("MeanSD = %v %v %v", mean, sd, n)
	}
}

func TestMismatchPanics(t *testing.T) {
	defer func() {
		if recover() != "evaluate: slice length mismatch" {
			t.Error("no panic")
		}
	}()
	AUC([]float64{1}, nil)
}

// TestAUCIsMannWhitney compares with the O(n²) definition, on scores full of
// ties, and checks that a monotone transformation changes nothing.
func TestAUCIsMannWhitney(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		n := 2 + rng.IntN(40)
		score, positive := make([]float64, n), make([]bool, n)
		for i := range score {
			score[i] = float64(rng.IntN(6))
			positive[i] = rng.IntN(3) == 0
		}
		var wins, pairs float64
		for i := range score {
			for j := range score {
				if positive[i] && !positive[j] {
					pairs++
					if score[i] > score[j] {
						wins++
					} else if score[i] == score[j] {
						wins += 0.5
					}
				}
			}
		}
		got := AUC(score, positive)
		near(t, "AUC", got, wins/pairs, 1e-15)
		ones := make([]int32, n)
		for i := range ones {
			ones[i] = 1
		}
		auc, ap := NewRanking(score, positive).Areas(ones)
		near(t, "Ranking AUC", auc, got, 1e-15)
		near(t, "Ranking AP", ap, AveragePrecision(score, positive), 1e-14)
		for i := range score {
			score[i] = math.Exp(score[i])
		}
		near(t, "AUC of exp", AUC(score, positive), got, 0)
	}
	if got := AUC([]float64{math.NaN(), 0, 1}, []bool{true, false, false}); got != 0 {
		t.Errorf("NaN is not the lowest score: AUC %v", got)
	}
}

// Weights are repetitions.
func TestRankingWeights(t *testing.T) {
	score := []float64{0.1, 0.4, 0.4, 0.8, 0.9}
	positive := []bool{false, true, false, false, true}
	weight := []int32{2, 0, 3, 1, 2}
	var s2 []float64
	var p2 []bool
	for i, w := range weight {
		for range w {
			s2, p2 = append(s2, score[i]), append(p2, positive[i])
		}
	}
	auc, ap := NewRanking(score, positive).Areas(weight)
	near(t, "AUC", auc, AUC(s2, p2), 1e-15)
	near(t, "AP", ap, AveragePrecision(s2, p2), 1e-15)
}

func TestThin(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	score, positive := make([]float64, 50_000), make([]bool, 50_000)
	for i := range score {
		positive[i] = rng.IntN(50) == 0
		score[i] = rng.NormFloat64()
		if positive[i] {
			score[i] += 2.5
		}
	}
	for name, c := range map[string]Curve{"ROC": ROC(score, positive), "PR": PR(score, positive)} {
		for _, n := range []int{2, 3, 60, 200} {
			s := c.Thin(n)
			if s.Len() > n || s.Len() < min(n, 2) {
				t.Fatalf("%s thinned to %d: %d points", name, n, s.Len())
			}
			last, end := s.Len()-1, c.Len()-1
			if s.X[0] != c.X[0] || s.Y[0] != c.Y[0] || s.X[last] != c.X[end] || s.Threshold[last] != c.Threshold[end] {
				t.Errorf("%s: ends moved", name)
			}
			for i := 1; i <= last; i++ {
				if s.X[i] < s.X[i-1] || s.Threshold[i] >= s.Threshold[i-1] {
					t.Fatalf("%s: not monotone at %d", name, i)
				}
			}
		}
	}
	roc := ROC(score, positive)
	thin := roc.Thin(200)
	near(t, "area of the thinned curve", thin.Area(), roc.Area(), 2e-3)
	low := 0
	for _, x := range thin.X {
		if x > 0 && x < 0.001 {
			low++
		}
	}
	if low < 20 {
		t.Errorf("only %d points below a false-positive rate of 0.1 %%", low)
	}
	if got := roc.Thin(roc.Len()); got.Len() != roc.Len() {
		t.Errorf("short curve was thinned")
	}
}

// The first threshold flags nothing, each other exactly what the point says.
func TestThresholds(t *testing.T) {
	score := []float64{0.2, 0.9, 0.9, 0.5, 0.7, 1}
	positive := []bool{false, true, false, true, false, true}
	c := ROC(score, positive)
	for i := range c.X {
		o := At(score, positive, c.Threshold[i])
		near(t, "FPR", o.FPR(), c.X[i], 0)
		near(t, "TPR", o.TPR(), c.Y[i], 0)
	}
	if o := AtFPR(score, positive, 0.34); o.TP != 2 || o.FP != 1 || o.Threshold != 0.9 {
		t.Errorf("AtFPR(0.34) = %+v", o)
	}
	if o := AtFPR(score, positive, 0.1); o.TP != 1 || o.FP != 0 || o.Threshold != 1 {
		t.Errorf("AtFPR(0.1) = %+v", o)
	}
	// Nothing can be flagged without a false positive: the threshold flags none.
	if o := AtFPR([]float64{1, 0}, []bool{false, true}, 0); o.TP != 0 || At([]float64{1, 0}, []bool{false, true}, o.Threshold).FP != 0 {
		t.Errorf("AtFPR of a hopeless score = %+v", o)
	}
}

func TestBudgetThreshold(t *testing.T) {
	clean := make([]float64, 1000)
	for i := range clean {
		clean[i] = float64(float32(i) / 1000)
	}
	for _, c := range []struct {
		rate    float64
		flagged int64
		upper   float64
	}{{0, 0, 0.003}, {0.0009, 0, 0.003}, {0.001, 1, 0.00565}, {0.01, 10, 0.01832}, {1, 999, 1}, {-1, 0, 0.003}} {
		b := BudgetThreshold(clean, c.rate)
		if b.Flagged != c.flagged || b.Rows != 1000 {
			t.Errorf("rate %v: %+v", c.rate, b)
		}
		if c.rate < 1 {
			near(t, "upper bound", b.Upper, c.upper, 2e-4)
		}
		if float64(float32(b.Threshold)) != b.Threshold {
			t.Errorf("threshold %v is no float32", b.Threshold)
		}
	}
	if BudgetThreshold(clean, 0.001).Supported() || !BudgetThreshold(clean, 0.003).Supported() {
		t.Error("Supported: 3/1000 is the limit")
	}
	// Ties are not split: 5 of 10 score 0.9, one may be flagged, none is.
	tied := []float64{0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1}
	if b := BudgetThreshold(tied, 0.1); b.Flagged != 0 || b.Threshold <= 0.9 || b.Threshold > 0.9001 {
		t.Errorf("tied: %+v", b)
	}
	if b := BudgetThreshold(nil, 0.1); !math.IsInf(b.Threshold, 1) || b.Upper != 1 {
		t.Errorf("no clean rows: %+v", b)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for range 300 {
		s := make([]float64, 1+rng.IntN(60))
		for i := range s {
			s[i] = float64(rng.IntN(20)) / 19
		}
		rate := rng.Float64()
		b := BudgetThreshold(s, rate)
		if float64(b.Flagged) > rate*float64(len(s)) {
			t.Fatalf("%v of %d flagged at rate %v", b.Flagged, len(s), rate)
		}
		// Lowest: the next lower score would break the budget (or flag every row).
		next := math.Inf(-1)
		for _, v := range s {
			if v < b.Threshold {
				next = max(next, v)
			}
		}
		n := 0
		for _, v := range s {
			if v >= next {
				n++
			}
		}
		if float64(n) <= rate*float64(len(s)) && n < len(s) {
			t.Fatalf("threshold %v is not the lowest", b.Threshold)
		}
	}
}

func TestCalibrate(t *testing.T) {
	// Every edge of ten bins belongs to the bin that begins there; 1 to the last.
	var prob []float64
	for i := range 11 {
		prob = append(prob, float64(i)/10)
	}
	bins := Calibrate(prob, make([]bool, 11), 10)
	for i, b := range bins {
		want := int64(1)
		if i == 9 {
			want = 2
		}
		if b.Count != want {
			t.Errorf("bin %d has %d rows", i, b.Count)
		}
	}
	// Two bins by hand: 4 rows at 0.25 with 1 positive, 1 row at 0.9 without.
	b := Calibrate([]float64{0.25, 0.25, 0.25, 0.25, 0.9}, []bool{true, false, false, false, false}, 2)
	near(t, "ECE", ECE(b), 0*4.0/5+0.9*1/5, 1e-15)
	Calibrate([]float64{math.NaN(), -1, 2}, make([]bool, 3), 10) // must not panic
	// log loss is finite where the probability is 0: −ln 2⁻²³.
	near(t, "log loss", LogLoss([]float32{0, 1}, []int32{0}, 2), 23*math.Ln2, 1e-12)
	near(t, "Brier", Brier([]float32{0, 1}, []int32{0}, 2), 2, 0)
}

func TestPSI(t *testing.T) {
	// Two bins by hand. Reference 1,1,2,2: edges 1−, 1, 2; current 1,2,2,2.
	d := PSI([]float32{1, 1, 2, 2}, []float32{1, 2, 2, 2}, 2)
	// Bins: below 1, 1, above 1, missing; half a row added to each: p = (.5,2.5,2.5,.5)/6, q = (.5,1.5,3.5,.5)/6.
	want := (1.5-2.5)/6*math.Log(1.5/2.5) + (3.5-2.5)/6*math.Log(3.5/2.5)
	near(t, "PSI", d.PSI, want, 1e-15)
	if d.Level() != "unknown" {
		t.Errorf("level of 4 rows = %s", d.Level())
	}
	rng := rand.New(rand.NewPCG(4, 4))
	draw := func(n int, shift float64, missing float64) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64() + shift)
			if rng.Float64() < missing {
				v[i] = float32(math.NaN())
			}
		}
		return v
	}
	ref := draw(5000, 0, 0.01)
	constant, other := make([]float32, 500), make([]float32, 500)
	for i := range other {
		other[i] = -3
	}
	for _, c := range []struct {
		name     string
		ref, cur []float32
		level    string
	}{
		{"same", ref, draw(5000, 0, 0.01), "stable"}, {"shift", ref, draw(5000, 1, 0.01), "large"},
		{"missing", ref, draw(5000, 0, 0.5), "large"}, {"half", ref, draw(5000, 0.4, 0.01), "moderate"},
		{"constant", constant, constant, "stable"}, {"constant left", constant, other, "large"}, {"constant reached", other, constant, "large"},
	} {
		d := PSI(c.ref, c.cur, 10)
		if d.Level() != c.level {
			t.Errorf("%s: PSI %.3f is %s, want %s", c.name, d.PSI, d.Level(), c.level)
		}
		if total(d.Reference) != int64(len(c.ref)) || total(d.Current) != int64(len(c.cur)) {
			t.Errorf("%s: rows lost", c.name)
		}
	}
	if d := PSI(ref, ref, 10); d.PSI != 0 {
		t.Errorf("PSI of a column with itself = %v", d.PSI)
	}
}

func TestBootstrap(t *testing.T) {
	// The standard error of a mean of n rows is sd/√n; with pairs of equal rows
	// in one group it is √2 times that.
	const n = 400
	value := make([]float64, n)
	groups := make([]uint64, n)
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range value {
		groups[i] = uint64(i / 2)
		value[i] = rng.NormFloat64()
		if i%2 == 1 {
			value[i] = value[i-1]
		}
	}
	mean := func(w []int32) []float64 {
		var s, m float64
		for i, v := range value {
			s += v * float64(w[i])
			m += float64(w[i])
		}
		return []float64{s / m, math.NaN()}
	}
	_, sd, _ := MeanSD(value)
	single := Bootstrap(nil, n, 400, 1, mean)
	paired := Bootstrap(groups, n, 400, 1, mean)
	near(t, "standard error", single[0], sd/math.Sqrt(n), 0.15*sd/math.Sqrt(n))
	near(t, "standard error of pairs", paired[0], sd*math.Sqrt(2)/math.Sqrt(n), 0.15*sd*math.Sqrt(2)/math.Sqrt(n))
	if !math.IsNaN(single[1]) {
		t.Error("undefined value has a spread")
	}
	if again := Bootstrap(groups, n, 400, 1, mean); again[0] != paired[0] {
		t.Error("not deterministic")
	}
	var sum float64
	for i := range 10_000 {
		sum += float64(poisson1((float64(i) + 0.5) / 10_000))
	}
	near(t, "mean of Poisson(1)", sum/10_000, 1, 1e-3)
}

func BenchmarkAUC(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	score, positive := make([]float64, 1_000_000), make([]bool, 1_000_000)
	for i := range score {
		score[i], positive[i] = float64(rng.Float32()), rng.IntN(10) == 0
	}
	for b.Loop() {
		AUC(score, positive)
	}
}
