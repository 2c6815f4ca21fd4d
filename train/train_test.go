package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
)

// centroid is a small honest classifier and detector: it knows the mean of each
// class (or of all rows) and answers by distance.
type centroid struct {
	schema  *frame.Schema
	classes []string
	mean    [][]float64 // nil for a class without rows
}

func (c *centroid) Kind() string             { return "centroid" }
func (c *centroid) Schema() *frame.Schema    { return c.schema }
func (c *centroid) Encode(*model.File) error { return nil }

func (c *centroid) distance(x *frame.Matrix, i, k int) float64 {
	var d float64
	for j, col := range x.Cols {
		if v := float64(col[i]); v == v {
			d += (v - c.mean[k][j]) * (v - c.mean[k][j])
		}
	}
	return d
}

type centroidClassifier struct{ centroid }

func (c *centroidClassifier) Classes() []string { return c.classes }
func (c *centroidClassifier) PredictProba(dst []float32, x *frame.Matrix, lo, hi int) {
	for i := lo; i < hi; i++ {
		row := dst[(i-lo)*len(c.classes):][:len(c.classes)]
		var sum float64
		for k := range row {
			row[k] = 0
			if c.mean[k] != nil {
				e := math.Exp(-c.distance(x, i, k) / 2)
				row[k] = float32(e)
				sum += e
			}
		}
		for k := range row {
			row[k] = float32(float64(row[k]) / max(sum, 1e-30))
		}
	}
}
func (c *centroidClassifier) Contributions([]float64, *frame.Matrix, int, int) float64 { return 0 }

type centroidDetector struct{ centroid }

func (c *centroidDetector) Score(dst []float32, x *frame.Matrix, lo, hi int) {
	for i := lo; i < hi; i++ {
		d := c.distance(x, i, 0)
		dst[i-lo] = float32(d / (1 + d))
	}
}
func (c *centroidDetector) Contributions([]float64, *frame.Matrix, int) {}

func means(x *frame.Matrix, class int) []float64 {
	m := make([]float64, len(x.Cols))
	for j, col := range x.Cols {
		var sum, n float64
		for i, v := range col {
			if v == v && (class < 0 || x.Class[i] == int32(class)) {
				sum += float64(v)
				n++
			}
		}
		if n == 0 {
			return nil
		}
		m[j] = sum / n
	}
	return m
}

func classifierSpec() model.Spec {
	return model.Spec{Name: "attack", Role: model.RoleClassifier,
		Fit: func(_ context.Context, x *frame.Matrix, _ json.RawMessage, _ model.FitOptions) (model.Model, error) {
			c := &centroidClassifier{centroid{schema: x.Schema, classes: x.Classes}}
			for k := range x.Classes {
				c.mean = append(c.mean, means(x, k))
			}
			return c, nil
		}}
}

func detectorSpec(t testing.TB) model.Spec {
	return model.Spec{Name: "anomaly", Role: model.RoleDetector,
		Fit: func(_ context.Context, x *frame.Matrix, _ json.RawMessage, _ model.FitOptions) (model.Model, error) {
			if x.Class != nil || x.Classes != nil {
				t.Error("detector was shown labels")
			}
			return &centroidDetector{centroid{schema: x.Schema, mean: [][]float64{means(x, -1)}}}, nil
		}}
}

// recorder is a synthetic problem that remembers what its folds were asked for.
type recorder struct {
	*Problem
	x    *frame.Matrix
	mu   sync.Mutex // folds may be made at the same time
	seen []Fold
}

// newProblem has rows of groups of about 5, three classes (none, sql, xss) that
// differ in column "a" and "b", a column of noise with missing values, and times
// that rise. Groups live for a while and go, so that group-time drops little.
func newProblem(n int, seed uint64) *recorder {
	rng := rand.New(rand.NewPCG(seed, 1))
	schema := &frame.Schema{Name: "t", Columns: []frame.Column{{Name: "a"}, {Name: "b"}, {Name: "noise"}}}
	x := frame.NewMatrix(schema, n)
	p := &Problem{Name: "synthetic", Rows: n, Classes: []string{"none", "sql", "xss"}, Labels: make([]int32, n),
		Groups: make([]uint64, n), Times: make([]int64, n), Hash: make([]uint64, n), Synthetic: true}
	for i := range n {
		p.Groups[i] = uint64(i/20)*4 + uint64(rng.IntN(4))
		c := int32(0)
		switch g := mix(p.Groups[i]) % 10; {
		case g == 0:
			c = 2
		case g < 3:
			c = 1
		}
		p.Labels[i] = c
		p.Times[i] = 1_700_000_000_000_000 + int64(i)*1_000_000
		p.Hash[i] = mix(uint64(i) ^ seed<<32)
		x.Cols[0][i] = float32(rng.NormFloat64())
		x.Cols[1][i] = float32(rng.NormFloat64())
		x.Cols[2][i] = float32(rng.NormFloat64())
		if c > 0 {
			x.Cols[c-1][i] += 3
		}
		if rng.IntN(20) == 0 {
			x.Cols[2][i] = float32(math.NaN())
		}
	}
	r := &recorder{Problem: p, x: x}
	p.Fold = func(_ context.Context, train, test []int) (*frame.Matrix, *frame.Matrix, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen = append(r.seen, Fold{Train: slices.Clone(train), Test: slices.Clone(test)})
		return x.Select(train), x.Select(test), nil
	}
	return r
}

func all(n int) []int {
	v := make([]int, n)
	for i := range v {
		v[i] = i
	}
	return v
}

// checkFold: disjoint, ascending, in the rows asked for, no group and no
// duplicate on both sides.
func checkFold(t *testing.T, p *Problem, f Fold, rows []int, grouped bool) {
	t.Helper()
	in := make(map[int]bool)
	for _, r := range rows {
		in[r] = true
	}
	side := make(map[int]int)
	groups, hashes := make(map[uint64]bool), make(map[uint64]bool)
	if !slices.IsSorted(f.Train) || !slices.IsSorted(f.Test) {
		t.Error("rows are not ascending")
	}
	for _, r := range f.Train {
		side[r]++
		groups[p.Groups[r]] = true
		hashes[p.Hash[r]] = true
	}
	for _, r := range f.Test {
		side[r]++
		if grouped && (groups[p.Groups[r]] || hashes[p.Hash[r]]) {
			t.Fatalf("row %d: its group or its duplicate was trained on", r)
		}
	}
	for r, n := range side {
		if n > 1 || !in[r] {
			t.Fatalf("row %d stands %d times, asked for: %v", r, n, in[r])
		}
	}
}

func TestSplits(t *testing.T) {
	const n, k = 2000, 5
	p := newProblem(n, 1).Problem
	// Duplicates in other groups: equal hashes bind groups together.
	for i := 0; i+25 < n; i += 100 {
		p.Hash[i+25] = p.Hash[i]
	}
	rows := all(n)
	rows = slices.DeleteFunc(rows, func(r int) bool { return r%17 == 3 }) // a subset, as after HoldOut
	for _, kind := range []Split{GroupTime, Group, Random, Time} {
		t.Run(string(kind), func(t *testing.T) {
			folds, used, notes := Splits(p, rows, kind, k, 1)
			if used != kind || len(folds) != k {
				t.Fatalf("used %s, %d folds, notes %q", used, len(folds), notes)
			}
			tested := make(map[int]int)
			dropped := 0
			for f, fold := range folds {
				checkFold(t, p, fold, rows, kind == GroupTime || kind == Group)
				for _, r := range fold.Test {
					tested[r]++
				}
				if kind == GroupTime || kind == Time {
					if len(fold.Train) == 0 || p.Times[slices.Max(fold.Train)] >= p.Times[slices.Min(fold.Test)] {
						t.Errorf("fold %d trains on the future", f)
					}
					if d := len(fold.Test) - len(rows)/(k+1); d < 0 || d > 1 {
						t.Errorf("fold %d tests %d rows, want a block of %d", f, len(fold.Test), len(rows)/(k+1))
					}
					if got, want := len(fold.Train)+fold.Dropped, len(rows)*(f+1)/(k+1); got != want {
						t.Errorf("fold %d: %d rows before the test block, want %d", f, got, want)
					}
					dropped += fold.Dropped
				} else {
					if len(fold.Train)+len(fold.Test) != len(rows) {
						t.Errorf("fold %d has %d rows", f, len(fold.Train)+len(fold.Test))
					}
					slack := 0.05
					if kind == Random {
						slack = 0.005
					}
					for c := range p.Classes {
						var here, total float64
						for _, r := range rows {
							if p.Labels[r] == int32(c) {
								total++
							}
						}
						for _, r := range fold.Test {
							if p.Labels[r] == int32(c) {
								here++
							}
						}
						if math.Abs(here/total-1.0/k) > slack {
							t.Errorf("fold %d holds %.3f of class %d", f, here/total, c)
						}
					}
				}
			}
			want := len(rows)
			if kind == GroupTime || kind == Time {
				want = len(rows) - len(rows)/(k+1)
			}
			if len(tested) != want {
				t.Errorf("%d rows were tested, want %d", len(tested), want)
			}
			for r, times := range tested {
				if times != 1 {
					t.Fatalf("row %d was tested %d times", r, times)
				}
			}
			if (dropped > 0) != (kind == GroupTime) {
				t.Errorf("%d rows dropped", dropped)
			}
			again, _, _ := Splits(p, rows, kind, k, 1)
			other, _, _ := Splits(p, rows, kind, k, 2)
			if fmt.Sprint(again) != fmt.Sprint(folds) {
				t.Error("same seed, other folds")
			}
			if moves := fmt.Sprint(other) != fmt.Sprint(folds); moves != (kind == Group || kind == Random) {
				t.Errorf("another seed moves the folds: %v", moves)
			}
		})
	}
}

func TestSplitFallback(t *testing.T) {
	p := newProblem(600, 2).Problem
	rows := all(600)
	everywhere := *p
	everywhere.Groups = make([]uint64, 600)
	for i := range everywhere.Groups {
		everywhere.Groups[i] = uint64(i % 30) // every group in every block
	}
	folds, used, notes := Splits(&everywhere, rows, GroupTime, 5, 1)
	if used != Group || len(folds) != 5 || len(notes) != 1 || !strings.Contains(notes[0], "would drop 100.0 %") {
		t.Errorf("used %s, %d folds, notes %q", used, len(folds), notes)
	}
	for _, f := range folds {
		checkFold(t, &everywhere, f, rows, true)
	}
	for name, times := range map[string][]int64{"nil": nil, "none": slices.Repeat([]int64{noTime}, 600), "one": slices.Repeat([]int64{5}, 600)} {
		q := *p
		q.Times = times
		for _, kind := range []Split{GroupTime, Time, ""} {
			if _, used, notes := Splits(&q, rows, kind, 5, 1); used != Group || len(notes) == 0 {
				t.Errorf("times %s, %q: used %s, notes %q", name, kind, used, notes)
			}
		}
	}
	// Three groups cannot make five folds, one group none.
	three := everywhere
	three.Times = nil
	three.Groups = make([]uint64, 600)
	for i := range three.Groups {
		three.Groups[i] = uint64(i % 3)
	}
	if folds, _, notes := Splits(&three, rows, Group, 5, 1); len(folds) != 3 || !strings.Contains(strings.Join(notes, ";"), "3 of 5 folds") {
		t.Errorf("%d folds of three groups, notes %q", len(folds), notes)
	}
	three.Groups = make([]uint64, 600)
	if folds, _, _ := Splits(&three, rows, Group, 5, 1); len(folds) != 0 {
		t.Errorf("%d folds of one group", len(folds))
	}
	for _, kind := range []Split{GroupTime, Group, Random, Time} {
		for n := range 8 { // fewer rows than folds
			for _, f := range first(Splits(p, all(n), kind, 5, 1)) {
				checkFold(t, p, f, all(n), kind == GroupTime || kind == Group)
			}
		}
	}
	if _, err := ParseSplit("stratified"); err == nil {
		t.Error("unknown split accepted")
	}
}

func first(f []Fold, _ Split, _ []string) []Fold { return f }

func TestHoldOut(t *testing.T) {
	p := newProblem(1003, 3).Problem
	train, held, rule := HoldOut(p)
	checkFold(t, p, Fold{Train: train, Test: held}, all(1003), false)
	if len(held) != 200 || len(train) != 803 || slices.Max(train) >= slices.Min(held) {
		t.Errorf("%d train, %d held", len(train), len(held))
	}
	if rule != "last 20 % of the rows in time order: 200 of 1003 rows" {
		t.Errorf("rule %q", rule)
	}
	// Rows of one instant stay together.
	tied := *p
	tied.Times = slices.Clone(p.Times)
	for i := 780; i < 840; i++ {
		tied.Times[i] = p.Times[780]
	}
	if train, held, _ := HoldOut(&tied); len(train) != 840 || len(held) != 163 {
		t.Errorf("tie: %d train, %d held", len(train), len(held))
	}
	for i := 700; i < 1003; i++ {
		tied.Times[i] = p.Times[700]
	}
	if train, held, _ := HoldOut(&tied); len(train) != 700 || len(held) != 303 {
		t.Errorf("tie to the end: %d train, %d held", len(train), len(held))
	}

	noTimes := *p
	noTimes.Times = nil
	train, held, rule = HoldOut(&noTimes)
	checkFold(t, p, Fold{Train: train, Test: held}, all(1003), true)
	if share := float64(len(held)) / 1003; share < 0.1 || share > 0.3 || !strings.HasPrefix(rule, "every fifth group by hash") {
		t.Errorf("held %.2f by %q", share, rule)
	}
	// A group that is held out stays so when others come.
	half := noTimes
	half.Rows, half.Labels, half.Groups, half.Hash = 500, p.Labels[:500], p.Groups[:500], p.Hash[:500]
	_, held2, _ := HoldOut(&half)
	if i, _ := slices.BinarySearch(held, 500); !slices.Equal(held2, held[:i]) {
		t.Error("the held-out rows changed when the file grew")
	}
	for n := range 6 {
		small := Problem{Rows: n}
		train, held, rule := HoldOut(&small)
		if len(train)+len(held) != n || rule == "" || n > 0 && len(train) == 0 {
			t.Errorf("%d rows: %v %v %q", n, train, held, rule)
		}
	}
	one := Problem{Rows: 50, Groups: make([]uint64, 50)}
	if train, held, rule := HoldOut(&one); len(train) != 50 || held != nil || !strings.HasPrefix(rule, "nothing") {
		t.Errorf("one group: %d, %d, %q", len(train), len(held), rule)
	}
}

// TestNoLeak: whatever the split, the features of a fold are made from training
// rows that the test rows do not touch, and never from held-out rows.
func TestNoLeak(t *testing.T) {
	p := newProblem(1500, 4)
	rows, held, _ := HoldOut(p.Problem)
	for _, kind := range []Split{GroupTime, Group, Random, Time} {
		p.seen = nil
		r, err := CrossValidate(t.Context(), p.Problem, rows, classifierSpec(), Options{Split: kind, Seed: 1, NoAudit: true, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.seen) != 5 || len(r.Folds) != 5 {
			t.Fatalf("%s: Fold was called %d times", kind, len(p.seen))
		}
		var order []int
		for _, f := range p.seen {
			checkFold(t, p.Problem, f, rows, kind == GroupTime || kind == Group)
			order = append(order, f.Test...)
		}
		if !slices.Equal(order, r.Predictions.Rows) || len(order) != r.Rows {
			t.Errorf("%s: predictions stand in another order than the rows", kind)
		}
	}
	p.seen = nil
	if _, err := Fit(t.Context(), p.Problem, rows, held, classifierSpec(), Options{}); err != nil {
		t.Fatal(err)
	}
	if len(p.seen) != 1 || !slices.Equal(p.seen[0].Train, rows) || !slices.Equal(p.seen[0].Test, held) {
		t.Error("the final fit did not use exactly the rows given")
	}
}

func TestCrossValidateClassifier(t *testing.T) {
	p := newProblem(3000, 5)
	cpu := 0.0
	stages := map[string]bool{}
	r, err := CrossValidate(t.Context(), p.Problem, all(3000), classifierSpec(), Options{
		Seed: 1, CPU: func() float64 { cpu += 1.5; return cpu }, Log: func(stage string, _, _ int) { stages[stage] = true }})
	if err != nil {
		t.Fatal(err)
	}
	if r.Protocol != "group-time, 5 folds, seed 1" || r.CPUSeconds != 1.5 || !stages["attack fold 5/5"] || r.Rows != 2500 || !r.Synthetic {
		t.Errorf("protocol %q, cpu %v, stages %v, rows %d", r.Protocol, r.CPUSeconds, stages, r.Rows)
	}
	for _, name := range []string{"macro_f1", "accuracy", "roc_auc", "pr_auc", "roc_auc_ovr", "log_loss", "brier", "ece", "mcc", "fpr_at_budget", "recall_at_budget"} {
		if s, ok := r.Metrics[name]; !ok || math.IsNaN(s.Pooled) || math.IsNaN(s.Mean) || math.IsNaN(s.SD) {
			t.Errorf("%s = %+v", name, s)
		}
		if _, ok := r.Baseline[name]; !ok {
			t.Errorf("baseline has no %s", name)
		}
		if _, ok := r.Baselines["majority"][name]; !ok {
			t.Errorf("majority has no %s", name)
		}
	}
	if m, b, z := r.Metrics["macro_f1"].Pooled, r.Baseline["macro_f1"].Pooled, r.Baselines["majority"]["macro_f1"].Pooled; !(m > 0.85 && b < m && z < b) {
		t.Errorf("macro-F1 %.3f, stump %.3f, majority %.3f", m, b, z)
	}
	if auc := r.Baselines["majority"]["roc_auc"].Mean; auc != 0.5 {
		t.Errorf("AUC of the majority class in each fold = %v", auc)
	}
	// The pooled confusion matrix is the predictions', and pooled is not the mean.
	c := evaluate.Confuse(r.Predictions.Classes, r.Predictions.Truth, r.Predictions.Pred)
	if fmt.Sprint(c) != fmt.Sprint(r.Confusion) || r.Metrics["macro_f1"].Pooled != c.MacroF1() {
		t.Error("pooled figures are not those of the pooled predictions")
	}
	var mean float64
	for _, f := range r.Folds {
		mean += f.Metrics["macro_f1"] / 5
	}
	if math.Abs(mean-r.Metrics["macro_f1"].Mean) > 1e-12 {
		t.Errorf("mean %v, folds say %v", r.Metrics["macro_f1"].Mean, mean)
	}
	for i, row := range r.Predictions.Rows {
		if r.Predictions.Truth[i] != p.Labels[row] {
			t.Fatal("truth does not belong to the row")
		}
	}
	if len(r.PerClass) != 3 || r.PerClass["sql"].Support == 0 || r.Threshold == nil || r.Threshold.Rows != r.PerClass["none"].Support {
		t.Errorf("per class %+v, threshold %+v", r.PerClass, r.Threshold)
	}
	if r.Curves.ROC["attack"].Len() == 0 || r.Curves.ROC["attack"].Len() > 200 || r.Curves.PR["xss"].Len() > 60 || len(r.Curves.Calibration) != 10 {
		t.Error("curves")
	}
	if len(r.Findings) != 0 {
		t.Errorf("findings on clean data: %+v", r.Findings)
	}

	// The JSON contract of FEATURES.md.
	b, err := MarshalResults([]*Result{r})
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Models []map[string]json.RawMessage
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"model", "dataset", "protocol", "rows", "folds", "metrics", "baseline", "per_class", "confusion", "cpu_seconds", "findings"} {
		if _, ok := out.Models[0][key]; !ok {
			t.Errorf("JSON has no %s", key)
		}
	}
	if !bytes.Contains(out.Models[0]["metrics"], []byte(`"macro_f1":{"mean":`)) || !bytes.HasPrefix(out.Models[0]["findings"], []byte("[")) {
		t.Errorf("JSON: %.300s", out.Models[0]["metrics"])
	}
	var back Result
	if err := json.Unmarshal(mustJSON(t, r), &back); err != nil || back.Metrics["macro_f1"] != r.Metrics["macro_f1"] {
		t.Errorf("reading back: %v", err)
	}
	if b, _ := MarshalResults(nil); string(b) != `{"models":[]}` {
		t.Errorf("no results: %s", b)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDeterminism(t *testing.T) {
	p := newProblem(6000, 6)
	rows, held, _ := HoldOut(p.Problem)
	for _, spec := range []model.Spec{classifierSpec(), detectorSpec(t)} {
		var cv, final []byte
		for _, workers := range []int{1, 4} {
			r, err := CrossValidate(t.Context(), p.Problem, rows, spec, Options{Folds: 3, Seed: 7, Workers: workers, Split: Group})
			if err != nil {
				t.Fatal(err)
			}
			f, err := Fit(t.Context(), p.Problem, rows, held, spec, Options{Seed: 7, Workers: workers, Threshold: r.Threshold, Importance: 200})
			if err != nil {
				t.Fatal(err)
			}
			a, b := mustJSON(t, r), mustJSON(t, []any{f.HeldOut, f.Baselines})
			if cv != nil && (!bytes.Equal(a, cv) || !bytes.Equal(b, final)) {
				t.Errorf("%s: %d workers change the result", spec.Name, workers)
			}
			cv, final = a, b
		}
	}
}

// TestAtOnce: folds run side by side where that fits into the memory meant for
// them, and one by one where it does not.
func TestAtOnce(t *testing.T) {
	p := &Problem{Whole: func() *frame.Matrix { return &frame.Matrix{Cols: make([][]float32, 100)} }}
	for _, c := range []struct{ rows, folds, workers, want int }{
		{10_000, 5, 4, 4}, {10_000, 3, 8, 3}, {10_000, 5, 1, 1},
		{400_000, 5, 8, 2}, {1_000_000, 5, 8, 1}, {100_000_000, 5, 8, 1},
	} {
		folds := make([]Fold, c.folds)
		for f := range folds { // growing, as those of a split in time
			n := c.rows * (f + 1) / c.folds
			folds[f] = Fold{Train: make([]int, n-n/10), Test: make([]int, n/10)}
		}
		if got := atOnce(p, folds, c.workers); got != c.want {
			t.Errorf("%d rows, %d folds, %d workers: %d at once, want %d", c.rows, c.folds, c.workers, got, c.want)
		}
	}

	// Really at the same time: each fold waits for another one.
	q := newProblem(3000, 6)
	inner, meet := q.Problem.Fold, make(chan struct{})
	q.Problem.Fold = func(ctx context.Context, train, test []int) (*frame.Matrix, *frame.Matrix, error) {
		select {
		case meet <- struct{}{}:
		case <-meet:
		case <-time.After(20 * time.Second):
			return nil, nil, errors.New("no other fold came")
		}
		return inner(ctx, train, test)
	}
	if _, err := CrossValidate(t.Context(), q.Problem, all(q.Rows), classifierSpec(), Options{Folds: 4, Workers: 2, Split: Group, NoAudit: true}); err != nil {
		t.Error(err)
	}

	// A fold that fails ends it, with its number.
	q.Problem.Fold = func(ctx context.Context, train, test []int) (*frame.Matrix, *frame.Matrix, error) {
		return nil, nil, errors.New("no features")
	}
	_, err := CrossValidate(t.Context(), q.Problem, all(q.Rows), classifierSpec(), Options{Folds: 4, Workers: 2, Split: Group, NoAudit: true})
	if err == nil || !strings.Contains(err.Error(), "of 4: no features") {
		t.Errorf("error %v", err)
	}
}

func TestCrossValidateDetector(t *testing.T) {
	p := newProblem(4000, 7)
	opt := Options{Seed: 1, AlertRate: 0.05, Split: Group}
	r, err := CrossValidate(t.Context(), p.Problem, all(4000), detectorSpec(t), opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.BaselineName != "robust_z" || r.Metrics["roc_auc"].Pooled < 0.8 || r.Baseline["roc_auc"].Pooled < 0.8 {
		t.Errorf("AUC %+v, baseline %+v", r.Metrics["roc_auc"], r.Baseline["roc_auc"])
	}
	// The threshold of each fold comes from the others: near the budget, not on it.
	fpr := r.Metrics["fpr_at_budget"]
	if fpr.Pooled < 0.03 || fpr.Pooled > 0.08 || fpr.SD == 0 {
		t.Errorf("false positives at a budget of 5 %%: %+v", fpr)
	}
	if _, ok := r.Metrics["macro_f1"]; ok {
		t.Error("a detector has no macro-F1")
	}
	c := r.Confusion
	if c == nil || c.Labels[1] != "attack" || c.Total() != 4000 || float64(c.Counts[1][1])/float64(c.Counts[1][0]+c.Counts[1][1]) != r.Metrics["recall_at_budget"].Pooled {
		t.Errorf("confusion %+v", c)
	}
	if d := r.Detected; d["none"].Share != fpr.Pooled || d["sql"].Flagged+d["xss"].Flagged != c.Counts[1][1] {
		t.Errorf("detected %+v", d)
	}
	// In time order the first fold has no earlier clean rows to choose from.
	opt.Split = GroupTime
	if r, err = CrossValidate(t.Context(), p.Problem, all(4000), detectorSpec(t), opt); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Folds[0].Metrics["fpr_at_budget"]; ok {
		t.Error("the first fold took its threshold from the future")
	}
	if _, ok := r.Folds[1].Metrics["fpr_at_budget"]; !ok {
		t.Error("the second fold has no threshold")
	}

	// Without labels: only what can be known.
	for _, labels := range [][]int32{nil, slices.Repeat([]int32{-1}, 4000)} {
		p.Labels = labels
		r, err = CrossValidate(t.Context(), p.Problem, all(4000), detectorSpec(t), opt)
		if err != nil {
			t.Fatal(err)
		}
		later := 0 // folds that go forward in time: the threshold comes from the later half
		for _, f := range r.Folds[len(r.Folds)/2:] {
			later += f.Test
		}
		if len(r.Metrics) != 1 || r.Metrics["fpr_at_budget"].Pooled == 0 || r.Confusion != nil || r.Threshold == nil || r.Threshold.Rows != int64(later) {
			t.Errorf("unlabelled: %+v, %+v", r.Metrics, r.Threshold)
		}
		if !strings.Contains(strings.Join(r.Notes, ";"), "no labels") {
			t.Errorf("notes %q", r.Notes)
		}
		mustJSON(t, r)
	}
}

func TestRefusals(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	spec := classifierSpec()
	slow := classifierSpec()
	slow.Fit = func(ctx context.Context, _ *frame.Matrix, _ json.RawMessage, _ model.FitOptions) (model.Model, error) {
		return nil, errors.New("bad configuration")
	}
	for _, c := range []struct {
		name string
		ctx  context.Context
		spec model.Spec
		edit func(p *recorder)
		rows []int
		want string
	}{
		{"cancelled", ctx, spec, nil, all(300), "context canceled"},
		{"no rows", t.Context(), spec, nil, nil, "no rows"},
		{"no labels", t.Context(), spec, func(p *recorder) { p.Labels = nil }, all(300), "no labels"},
		{"unknown labels", t.Context(), spec, func(p *recorder) { p.Labels = slices.Repeat([]int32{-1}, 300) }, all(300), "known class"},
		{"one class", t.Context(), spec, func(p *recorder) { p.Labels = make([]int32, 300) }, all(300), `are of class "none"`},
		{"one group", t.Context(), spec, func(p *recorder) { p.Times, p.Groups = nil, make([]uint64, 300) }, all(300), "too few groups"},
		{"fit fails", t.Context(), slow, nil, all(300), `cross-validate "attack" on "synthetic": fold 1 of 5: bad configuration`},
		{"not fittable", t.Context(), model.Spec{Role: model.RoleClassifier}, nil, all(300), "cannot fit"},
		{"other role", t.Context(), model.Spec{Role: model.RoleForecaster, Fit: spec.Fit}, nil, all(300), "forecaster"},
		{"short labels", t.Context(), spec, func(p *recorder) { p.Labels = p.Labels[1:] }, all(300), "299 Labels for 300 rows"},
		{"wild label", t.Context(), spec, func(p *recorder) { p.Labels[7] = 3 }, all(300), "row 7 has class 3 of 3"},
		{"features fail", t.Context(), spec, func(p *recorder) {
			p.Problem.Fold = func(context.Context, []int, []int) (*frame.Matrix, *frame.Matrix, error) {
				return nil, nil, errors.New("no state")
			}
		}, all(300), "no state"},
		{"features short", t.Context(), spec, func(p *recorder) {
			p.Problem.Fold = func(_ context.Context, train, test []int) (*frame.Matrix, *frame.Matrix, error) {
				return p.x.Select(train[1:]), p.x.Select(test), nil
			}
		}, all(300), "asked for"},
		{"infinite feature", t.Context(), spec, func(p *recorder) { p.x.Cols[0][3] = float32(math.Inf(1)) }, all(300), "infinite"},
	} {
		p := newProblem(300, 8)
		if c.edit != nil {
			c.edit(p)
		}
		_, err := CrossValidate(c.ctx, p.Problem, c.rows, c.spec, Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	p := newProblem(300, 8)
	if _, err := CrossValidate(t.Context(), p.Problem, all(300), spec, Options{Split: "odd"}); err == nil {
		t.Error("unknown split accepted")
	}
	if _, err := Fit(ctx, p.Problem, all(200), all(300)[200:], spec, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Fit when cancelled: %v", err)
	}
}

// A class that comes late, training rows of one class only, rows of no known
// class: all of it measured, and said.
func TestMissingClasses(t *testing.T) {
	p := newProblem(1200, 9)
	for i := range p.Labels {
		switch {
		case i < 250: // more than the first block: the first fold knows one class
			p.Labels[i] = 0
		case p.Labels[i] == 2 && i < 1000: // xss in the last block only
			p.Labels[i] = 0
		}
		if i%50 == 0 {
			p.Labels[i] = -1
		}
	}
	r, err := CrossValidate(t.Context(), p.Problem, all(1200), classifierSpec(), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(r.Notes, "\n")
	for _, want := range []string{"24 of 1200 rows have no known class", "fold 1: the training rows are of one class", `fold 5: `, `class "xss", which does not occur`, `class "xss" has only`} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes lack %q:\n%s", want, notes)
		}
	}
	if r.PerClass["xss"].Recall != 0 || r.PerClass["xss"].F1 != 0 || r.PerClass["xss"].Support == 0 {
		t.Errorf("xss: %+v", r.PerClass["xss"])
	}
	mustJSON(t, r)

	// Problems without a benign class have no attack score, but all the rest.
	q := newProblem(1200, 9)
	q.Benign = "BENIGN"
	if r, err = CrossValidate(t.Context(), q.Problem, all(1200), classifierSpec(), Options{Seed: 1}); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Metrics["roc_auc"]; ok || r.Threshold != nil || r.Predictions.Score != nil {
		t.Error("attack metrics without a benign class")
	}
	if r.Metrics["roc_auc_ovr"].Pooled < 0.8 || r.Curves == nil || len(r.Curves.Calibration) != 10 {
		t.Errorf("%+v", r.Metrics["roc_auc_ovr"])
	}
}

func TestEvaluate(t *testing.T) {
	p := newProblem(3000, 10)
	rows, held, _ := HoldOut(p.Problem)
	cv, err := CrossValidate(t.Context(), p.Problem, rows, classifierSpec(), Options{Seed: 1, AlertRate: 0.02})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Fit(t.Context(), p.Problem, rows, held, classifierSpec(), Options{Seed: 1, Threshold: cv.Threshold, Importance: 500})
	if err != nil {
		t.Fatal(err)
	}
	h := f.HeldOut
	if h.Rows != 600 || h.Protocol != "held-out rows" || len(h.Folds) != 0 || h.BaselineName != "stump" || h.Baselines["majority"] == nil {
		t.Errorf("%+v", h)
	}
	if d := h.Detected["none"]; d.Rows != h.PerClass["none"].Support || d.Share != h.Metrics["fpr_at_budget"].Pooled || len(h.Detected) != 3 {
		t.Errorf("detected %+v", h.Detected)
	}
	for _, name := range []string{"macro_f1", "roc_auc", "pr_auc", "fpr_at_budget", "recall_at_budget", "log_loss", "brier"} {
		if s := h.Metrics[name]; s.Pooled == 0 || s.Mean != s.Pooled || !(s.SD > 0 && s.SD < 0.2) {
			t.Errorf("%s = %+v", name, s)
		}
	}
	if h.Metrics["macro_f1"].Pooled <= h.Baseline["macro_f1"].Pooled {
		t.Error("no better than the baseline")
	}
	if len(h.Importance) != 3 || h.Importance[2].Column != "noise" || h.Importance[0].Drop < 0.1 {
		t.Errorf("importance %+v", h.Importance)
	}
	mustJSON(t, h)

	// Rows with other classes, other order of classes, unknown labels, no baseline.
	x := p.x.Select(held)
	x.Classes = []string{"xss", "botnet", "none", "sql", "never"}
	x.Class = make([]int32, len(held))
	order := []int32{2, 3, 0}
	for i, r := range held {
		x.Class[i] = order[p.Labels[r]]
	}
	x.Class[0], x.Class[1] = 1, -1
	r, err := Evaluate(t.Context(), f.Model, x, EvalOptions{Model: "attack", Dataset: "other", Protocol: "cross-dataset"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Confusion.Labels, []string{"none", "sql", "xss", "botnet"}) || r.Rows != 599 || r.PerClass["botnet"].Support != 1 || r.PerClass["botnet"].Recall != 0 {
		t.Errorf("labels %q, rows %d, botnet %+v", r.Confusion.Labels, r.Rows, r.PerClass["botnet"])
	}
	if math.Abs(r.Metrics["accuracy"].Pooled-h.Metrics["accuracy"].Pooled) > 0.005 || r.BaselineName != "majority" {
		t.Errorf("accuracy %v, was %v", r.Metrics["accuracy"].Pooled, h.Metrics["accuracy"].Pooled)
	}
	other := p.x.Select(held)
	other.Schema = &frame.Schema{Name: "t", Columns: []frame.Column{{Name: "b"}, {Name: "a"}, {Name: "noise"}}}
	other.Classes, other.Class = x.Classes, x.Class
	if _, err := Evaluate(t.Context(), f.Model, other, EvalOptions{}); err == nil || !strings.Contains(err.Error(), "train again") {
		t.Errorf("foreign schema: %v", err)
	}
	if _, err := Evaluate(t.Context(), f.Model, p.x.Select(nil), EvalOptions{}); err == nil {
		t.Error("no rows accepted")
	}
	if _, err := Evaluate(t.Context(), f.Model, p.x.Select(held), EvalOptions{}); err == nil || !strings.Contains(err.Error(), "known class") {
		t.Errorf("no labels: %v", err)
	}

	// A detector sees no labels while it is fitted, but is measured with them.
	d, err := Fit(t.Context(), p.Problem, rows, held, detectorSpec(t), Options{Seed: 1, Threshold: &evaluate.Budget{Threshold: 0.9}, Importance: 300})
	if err != nil {
		t.Fatal(err)
	}
	if d.HeldOut.Metrics["roc_auc"].Pooled < 0.8 || d.HeldOut.Confusion == nil || d.HeldOut.BaselineName != "robust_z" || len(d.HeldOut.Importance) != 3 {
		t.Errorf("detector: %+v", d.HeldOut.Metrics)
	}
	// And without any labels it still runs.
	r, err = Evaluate(t.Context(), d.Model, p.x.Select(held), EvalOptions{Threshold: &evaluate.Budget{Threshold: 0.9}, Baselines: d.Baselines})
	if err != nil || len(r.Metrics) != 1 || r.Metrics["fpr_at_budget"].Pooled == 0 {
		t.Errorf("unlabelled detector: %v %+v", err, r)
	}
	mustJSON(t, r)
	final, err := Fit(t.Context(), p.Problem, all(3000), nil, classifierSpec(), Options{})
	if err != nil || final.HeldOut != nil || final.Model == nil {
		t.Errorf("without held-out rows: %v", err)
	}
}

// A page that a shop serves a thousand times counts once among the distinct rows.
func TestDistinct(t *testing.T) {
	p := newProblem(2000, 15)
	for i := 500; i < 1000; i++ { // one benign request that looks like an attack
		p.Hash[i], p.Groups[i], p.Labels[i], p.Times = 1, 1, 0, nil
		p.x.Cols[0][i], p.x.Cols[1][i] = 4, -4
	}
	r, err := CrossValidate(t.Context(), p.Problem, all(2000), classifierSpec(), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	d := r.Distinct
	if d == nil || d.Rows != 1501 || !(d.Metrics["accuracy"] > r.Metrics["accuracy"].Pooled+0.1) || d.Baseline["macro_f1"] == 0 {
		t.Fatalf("distinct %+v, all rows %+v", d, r.Metrics["accuracy"])
	}
	// By hand: the same confusion without 499 of its errors.
	n := float64(r.Confusion.Total())
	if want := r.Metrics["accuracy"].Pooled * n / (n - 499); math.Abs(d.Metrics["accuracy"]-want) > 1e-12 {
		t.Errorf("accuracy %v, want %v", d.Metrics["accuracy"], want)
	}
	if _, ok := d.Metrics["fpr_at_budget"]; !ok || !strings.Contains(strings.Join(r.Notes, ";"), "25.0 % of the rows measured repeat another") {
		t.Errorf("%+v %q", d.Metrics, r.Notes)
	}
	f, err := Fit(t.Context(), p.Problem, all(500), all(2000)[500:], classifierSpec(), Options{Threshold: r.Threshold})
	if err != nil || f.HeldOut.Distinct == nil || f.HeldOut.Distinct.Rows != 1001 {
		t.Errorf("held out: %v %+v", err, f.HeldOut)
	}
}

// nearest answers with the class of the nearest training row: it memorises.
type nearest struct {
	centroidClassifier
	x *frame.Matrix
}

func (m *nearest) PredictProba(dst []float32, x *frame.Matrix, lo, hi int) {
	clear(dst)
	for i := lo; i < hi; i++ {
		best, at := math.Inf(1), 0
		for r := range m.x.N {
			var d float64
			for j := range x.Cols {
				d += math.Abs(float64(x.Cols[j][i] - m.x.Cols[j][r]))
			}
			if d < best {
				best, at = d, r
			}
		}
		dst[(i-lo)*len(m.classes)+int(m.x.Class[at])] = 1
	}
}

func nearestSpec() model.Spec {
	s := classifierSpec()
	s.Fit = func(_ context.Context, x *frame.Matrix, _ json.RawMessage, _ model.FitOptions) (model.Model, error) {
		return &nearest{centroidClassifier{centroid{schema: x.Schema, classes: x.Classes}}, x}, nil
	}
	return s
}

// TestSklearn compares the baselines and the balance of the group split with
// scikit-learn; testdata/sklearn.py made the numbers.
func TestSklearn(t *testing.T) {
	b, err := os.ReadFile("testdata/sklearn.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Truth   []int32
		Columns [][]float32
		Stump   struct {
			Column      int
			Threshold   float64
			Left, Right []float64
		}
		RobustZ []float64 `json:"robust_z"`
		Groups  []uint64
		Labels  []int32
		Spread  float64
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	x := frame.NewMatrix(&frame.Schema{Name: "t", Columns: []frame.Column{{Name: "0"}, {Name: "1"}, {Name: "2"}, {Name: "3"}}}, len(want.Truth))
	for j, col := range want.Columns {
		copy(x.Cols[j], col)
	}
	x.Class, x.Classes = want.Truth, []string{"a", "b", "c"}
	s, err := fitStump(t.Context(), x, 1)
	if err != nil {
		t.Fatal(err)
	}
	// scikit-learn cuts half way to the next value, we at the value below.
	if s.Column != fmt.Sprint(want.Stump.Column) || s.Cut > want.Stump.Threshold || s.Cut < want.Stump.Threshold-1 {
		t.Errorf("stump on column %s at %v, want %d at %v", s.Column, s.Cut, want.Stump.Column, want.Stump.Threshold)
	}
	for c := range x.Classes {
		if math.Abs(s.Left[c]-want.Stump.Left[c]) > 1e-12 || math.Abs(s.Right[c]-want.Stump.Right[c]) > 1e-12 {
			t.Errorf("leaves %v %v, want %v %v", s.Left, s.Right, want.Stump.Left, want.Stump.Right)
		}
	}
	z, err := fitRobustZ(t.Context(), x, 1)
	if err != nil {
		t.Fatal(err)
	}
	score := make([]float64, x.N)
	z.score(score, x)
	for i, got := range score {
		if w := want.RobustZ[i] / (1 + want.RobustZ[i]); math.Abs(got-w) > 1e-12 {
			t.Fatalf("robust z of row %d = %v, want %v", i, got, w)
		}
	}

	p := &Problem{Rows: len(want.Groups), Groups: want.Groups, Labels: want.Labels, Classes: []string{"a", "b", "c"}}
	folds, _, _ := Splits(p, all(p.Rows), Group, 5, 0)
	total := make([]float64, 3)
	for _, l := range want.Labels {
		total[l]++
	}
	var spread float64
	for c := range total {
		shares := make([]float64, 5)
		for f, fold := range folds {
			for _, r := range fold.Test {
				if want.Labels[r] == int32(c) {
					shares[f] += 1 / total[c]
				}
			}
		}
		_, sd, _ := evaluate.MeanSD(shares)
		spread += sd * math.Sqrt(4.0/5) / 3 // numpy's std divides by n
	}
	t.Logf("spread of the class shares over the folds: %.4f, scikit-learn's %.4f", spread, want.Spread)
	if spread > 1.5*want.Spread {
		t.Errorf("spread of the class shares over the folds %.4f, scikit-learn's is %.4f", spread, want.Spread)
	}
}

func TestBaselineEdges(t *testing.T) {
	schema := &frame.Schema{Name: "t", Columns: []frame.Column{{Name: "empty"}, {Name: "flag"}, {Name: "constant"}}}
	x := frame.NewMatrix(schema, 100)
	x.Classes, x.Class = []string{"none", "sql"}, make([]int32, 100)
	for i := range 100 {
		x.Cols[0][i] = float32(math.NaN())
		x.Cols[2][i] = 4
		if i%10 == 0 { // missing is what tells
			x.Cols[1][i] = float32(math.NaN())
			x.Class[i] = 1
		}
	}
	s, err := fitStump(t.Context(), x, 2)
	if err != nil || s.Column != "flag" || s.MissingLeft || s.Left[0] != 1 || s.Right[1] != 1 {
		t.Errorf("stump %+v, %v", s, err)
	}
	proba := make([]float32, 200)
	s.proba(proba, x)
	if proba[1] != 1 || proba[2] != 1 {
		t.Errorf("proba %v", proba[:4])
	}
	for i := range x.Cols[1] {
		x.Cols[1][i] = float32(math.NaN())
		x.Cols[2][i] = float32(math.NaN())
	}
	if s, err = fitStump(t.Context(), x, 1); err != nil || s.Column != "" || s.Left[0] != 0.9 {
		t.Errorf("no values: %+v, %v", s, err)
	}
	s.proba(proba, x)

	for i := range x.Cols[2] {
		x.Cols[2][i] = 4
		x.Cols[1][i] = float32(i % 2 * 0)
	}
	x.Cols[1][5] = 1 // MAD 0: the mean deviation takes over
	z, err := fitRobustZ(t.Context(), x, 1)
	if err != nil || z.Scale[0] != 0 || math.Abs(z.Scale[1]-0.012533) > 1e-9 || z.Scale[2] != 0 {
		t.Errorf("robust z %+v, %v", z, err)
	}
	odd := x.Select([]int{0, 5, 6})
	odd.Cols[2][2] = 5 // differs from a constant: 10 deviations
	score := make([]float64, 3)
	z.score(score, odd)
	if score[0] != 0 || score[1] < 0.98 || math.Abs(score[2]-10.0/11) > 1e-12 {
		t.Errorf("scores %v", score)
	}
}

func TestStatJSON(t *testing.T) {
	b := mustJSON(t, Stat{Mean: 0.5, SD: math.NaN(), Pooled: math.Inf(1)})
	if string(b) != `{"mean":0.5,"sd":null,"pooled":null}` {
		t.Errorf("%s", b)
	}
	var s Stat
	if err := json.Unmarshal(b, &s); err != nil || s.Mean != 0.5 || !math.IsNaN(s.SD) {
		t.Errorf("%+v, %v", s, err)
	}
}

// Without a benign row there are no false positives to trade against: the
// figure is not defined, not 1.
func TestNoBenignRows(t *testing.T) {
	q := &predictions{classes: []string{"none", "sql"}, benign: 0, bound: []int{0, 3}, truth: []int32{1, 1, 1}, score: []float64{.2, .5, .9}, pred: []int32{1, 1, 1}, proba: []float32{.8, .2, .5, .5, .1, .9}}
	m := q.rowMetrics(0, 3, true)
	for _, name := range []string{"tpr_at_fpr_0.01", "tpr_at_fpr_0.001", "roc_auc"} {
		if v, ok := m[name]; ok {
			t.Errorf("%s = %v without a benign row", name, v)
		}
	}
}
