package evaluate

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// TestMoreSklearn compares with scikit-learn 1.9.1 and scipy; testdata/more.py made
// the numbers from the predictions in sklearn.json.
func TestMoreSklearn(t *testing.T) {
	read := func(name string, v any) {
		t.Helper()
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	var in struct {
		Classes     int
		Truth, Pred []int32
		Proba       []float32
	}
	var want struct {
		MicroAUC  float64   `json:"micro_auc"`
		MicroAP   float64   `json:"micro_ap"`
		ClassAP   []float64 `json:"class_ap"`
		MacroROC  Curve     `json:"macro_roc"`
		Precision float64   `json:"macro_precision"`
		Recall    float64   `json:"macro_recall"`
		JS        []any
		Binom     [][]float64
		T         [][]float64 `json:"t975"`
		Effect    struct {
			Ref, Cur []float32
			D, KS    float64
		}
	}
	read("sklearn.json", &in)
	read("more.json", &want)
	scores, positive := Flatten(in.Proba, in.Truth, in.Classes)
	near(t, "micro AUC", AUC(scores, positive), want.MicroAUC, 1e-12)
	near(t, "micro AP", AveragePrecision(scores, positive), want.MicroAP, 1e-12)
	var rocs []Curve
	for c := range in.Classes {
		var s []float64
		var p []bool
		for i, truth := range in.Truth {
			s, p = append(s, float64(in.Proba[i*in.Classes+c])), append(p, int(truth) == c)
		}
		near(t, "AP of a class", AveragePrecision(s, p), want.ClassAP[c], 1e-12)
		rocs = append(rocs, ROC(s, p))
	}
	macro := MacroROC(rocs, 100_000)
	if macro.Len() != len(want.MacroROC.X) {
		t.Fatalf("macro ROC has %d points, want %d", macro.Len(), len(want.MacroROC.X))
	}
	for i := range macro.X {
		near(t, "macro ROC x", macro.X[i], want.MacroROC.X[i], 1e-12)
		near(t, "macro ROC y", macro.Y[i], want.MacroROC.Y[i], 1e-12)
	}
	c := Confuse([]string{"a", "b", "c", "d"}, in.Truth, in.Pred)
	near(t, "macro precision", c.MacroPrecision(), want.Precision, 1e-12)
	near(t, "macro recall", c.MacroRecall(), want.Recall, 1e-12)
	for _, b := range want.Binom {
		near(t, "McNemar", McNemar(int64(b[0]), int64(b[1])), b[2], 1e-10)
	}
	for _, q := range want.T {
		near(t, "t quantile", studentQuantile(0.975, int(q[0])), q[1], 1e-7*q[1])
	}
	h := NewHistogram(want.Effect.Ref, 10_000) // as many bins as values
	s := h.Compare(want.Effect.Cur)
	near(t, "Cohen's d", s.Effect, want.Effect.D, 1e-9)
	near(t, "KS", s.KS, want.Effect.KS, 1e-9)

	counts := func(v any) (n []int64) {
		for _, x := range v.([]any) {
			n = append(n, int64(x.(float64)))
		}
		return n
	}
	// Bins 0 to 4 by their number, the last count is of missing values.
	spread := func(n []int64) (v []float32) {
		for b, k := range n {
			for range k {
				if x := float32(b); b == len(n)-1 {
					v = append(v, float32(math.NaN()))
				} else {
					v = append(v, x)
				}
			}
		}
		return v
	}
	a, b := counts(want.JS[0]), counts(want.JS[1])
	js := Histogram{Edges: []float64{0, 1, 2, 3}, Counts: a}
	near(t, "Jensen-Shannon", js.compareJS(spread(b)), want.JS[2].(float64), 1e-12)
}

func (h *Histogram) compareJS(v []float32) float64 { s := h.Compare(v); return s.JS }

// TestShift: no shift stays below its noise, shifts are told, small samples are
// not.
func TestShift(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, mean float64, missing float64) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64() + mean)
			if rng.Float64() < missing {
				v[i] = float32(math.NaN())
			}
		}
		return v
	}
	h := NewHistogram(draw(5000, 0, 0.1), 10)
	false1 := 0
	for range 200 {
		if s := h.Compare(draw(300, 0, 0.1)); s.Level() != "stable" {
			false1++
		}
	}
	if false1 > 4 {
		t.Errorf("%d of 200 samples without a shift are called one", false1)
	}
	for _, c := range []struct {
		v    []float32
		want string
	}{{draw(300, 1.5, 0.1), "large"}, {draw(3000, 0.4, 0.1), "moderate"}, {draw(3000, 0, 0.6), "large"}, {draw(100, 5, 0), "unknown"}, {nil, "unknown"}} {
		if s := h.Compare(c.v); s.Level() != c.want {
			t.Errorf("%d rows: %+v is %s, want %s", len(c.v), s, s.Level(), c.want)
		}
	}
	constant := NewHistogram(make([]float32, 1000), 10)
	if s := constant.Compare(make([]float32, 1000)); s.Level() != "stable" || s.Effect != 0 || s.JS != 0 {
		t.Errorf("a column that never varies: %+v", s)
	}
	up := make([]float32, 1000)
	for i := range up {
		up[i] = 1
	}
	if s := constant.Compare(up); s.Level() != "large" || s.JS != 1 {
		t.Errorf("a column that never varied: %+v", s)
	}
}

// TestEstimatePerformance: calibrated probabilities tell their accuracy and F1.
func TestEstimatePerformance(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n, k = 40_000, 3
	var proba []float32
	var truth, pred []int32
	for range n {
		var p [k]float64
		sum := 0.0
		for c := range p {
			p[c] = math.Exp(1.5 * rng.NormFloat64())
			sum += p[c]
		}
		u, class, best := rng.Float64(), -1, 0
		for c := range p {
			p[c] /= sum
			if u -= p[c]; u < 0 && class < 0 {
				class = c
			}
			if p[c] > p[best] {
				best = c
			}
			proba = append(proba, float32(p[c]))
		}
		if class < 0 {
			class = k - 1
		}
		truth, pred = append(truth, int32(class)), append(pred, int32(best))
	}
	c := Confuse([]string{"a", "b", "c"}, truth, pred)
	e := EstimatePerformance(proba, k)
	near(t, "estimated accuracy", e.Accuracy, c.Accuracy(), 0.01)
	near(t, "estimated macro-F1", e.MacroF1, c.MacroF1(), 0.01)
	if e.Rows != n {
		t.Error(e.Rows)
	}
}

// TestOperate: base rates and lift by hand.
func TestOperate(t *testing.T) {
	// 4.5 % false positives at one attack in 10,000: 90 hits beside 44,995 false alarms per million rows.
	near(t, "precision at a base rate", AtBaseRate(0.9, 0.045, 1e-4), 90./(90+44995.5), 1e-9)
	near(t, "nothing flagged", AtBaseRate(0, 0, 0.5), 0, 0)
	scores := []float64{.9, .8, .7, .6, .5, .4, .3, .2, .1, 0}
	positive := []bool{true, true, false, true, false, false, false, false, false, true}
	l := Lift(scores, positive, []float64{.1, .2, .5, 1})
	for i, want := range []LiftPoint{{.1, 1, 1, .25, 2.5}, {.2, 2, 2, .5, 2.5}, {.5, 5, 3, .75, 1.5}, {1, 10, 4, 1, 1}} {
		if math.Abs(l[i].Lift-want.Lift) > 1e-12 || l[i].Rows != want.Rows || l[i].Positives != want.Positives || l[i].Captured != want.Captured {
			t.Errorf("lift %+v, want %+v", l[i], want)
		}
	}
	// All of one score: in proportion, whatever the order.
	for _, p := range Lift(make([]float64, 10), positive, []float64{.5, 1}) {
		if p.Lift != 1 {
			t.Errorf("lift of ties %+v", p)
		}
	}
	if Lift(scores, make([]bool, 10), []float64{1}) != nil {
		t.Error("lift without positives")
	}
	// Nadeau & Bengio: with 25 folds of 80/20 the variance is 1/25 + 1/4.
	a, b := make([]float64, 25), make([]float64, 25)
	for i := range a {
		b[i] = 0.02 + 0.01*float64(i%5-2)
	}
	p := PairedFolds(a, b, 0.25)
	_, sd, _ := MeanSD(b)
	near(t, "paired mean", p.Mean, 0.02, 1e-12)
	near(t, "paired half width", (p.CI.Hi-p.CI.Lo)/2, 2.0638985616280205*sd*math.Sqrt(1./25+0.25), 1e-9)
	near(t, "spread", Spread([]float64{0, 1, 2, 3, 4, math.NaN()}).Lo, 0.1, 1e-12)
}
