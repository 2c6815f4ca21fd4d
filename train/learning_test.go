package train

import (
	"math"
	"slices"
	"testing"

	"apiml/frame"
)

func TestAlikeColumns(t *testing.T) {
	p := newProblem(2000, 41)
	schema := &frame.Schema{Name: "t"}
	for _, n := range []string{"a", "b", "a cubed", "noise", "constant", "minus b"} {
		schema.Columns = append(schema.Columns, frame.Column{Name: n})
	}
	x := frame.NewMatrix(schema, 2000)
	for i := range x.N {
		a, b := p.x.Cols[0][i], p.x.Cols[1][i]
		x.Cols[0][i], x.Cols[1][i], x.Cols[2][i], x.Cols[3][i], x.Cols[5][i] = a, b, a*a*a, p.x.Cols[2][i], -b
	}
	got := alikeColumns(x)
	want := [][]int{{0, 2}, {1, 5}, {3}, {4}}
	if len(got) != len(want) {
		t.Fatalf("groups %v, want %v", got, want)
	}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("groups %v, want %v", got, want)
		}
	}
}

func TestLearningCurve(t *testing.T) {
	p := newProblem(3000, 42)
	rows, held, _ := HoldOut(p.Problem)
	l, err := LearningCurve(t.Context(), p.Problem, rows, held, classifierSpec(), Options{Seed: 1}, []float64{0.1, 0.5, 1}, 3)
	if err != nil || len(l.Points) != 3 || l.Metric != "macro_f1" {
		t.Fatalf("%v %+v", err, l)
	}
	for i, want := range []int{240, 1200, 2400} {
		pt := l.Points[i]
		if math.Abs(float64(pt.Rows-want)) > 0.25*float64(want) || !(pt.Mean > 0.5) || (i < 2) != (pt.SD > 0) {
			t.Errorf("point %d: %+v", i, pt)
		}
	}
}

func TestLeaveOut(t *testing.T) {
	p := newProblem(4000, 43)
	got, err := LeaveAttackOut(t.Context(), p.Problem, all(4000), classifierSpec(), Options{Seed: 1})
	if err != nil || len(got) != 2 || got[0].Name != "sql" || got[1].Name != "xss" {
		t.Fatalf("%v %+v", err, got)
	}
	for _, l := range got {
		if l.Unseen != l.Attacks || l.Attacks == 0 || l.Benign < 100 || !(l.AUC >= 0 && l.AUC <= 1) || l.FPR["0.01"] > 0.05 {
			t.Errorf("%+v", l)
		}
	}
	for _, f := range p.seen {
		classes := map[int32]bool{}
		for _, r := range f.Train {
			classes[p.Labels[r]] = true
		}
		if len(classes) != 2 {
			t.Errorf("fitted on classes %v", classes)
		}
	}
	part := make([]int, 4000)
	for i := range part {
		part[i] = i / 1000
	}
	days := []string{"mon", "tue", "wed", "thu"}
	for _, ahead := range []bool{false, true} {
		got, err := LeavePartOut(t.Context(), p.Problem, all(4000), part, days, ahead, classifierSpec(), Options{Seed: 1})
		n := 4
		if ahead {
			n = 3
		}
		if err != nil || len(got) != n || got[n-1].Name != "thu" || got[n-1].Train != 3000 || got[n-1].Rows != 1000 || !(*got[n-1].MacroF1 > 0.5) {
			t.Errorf("ahead %v: %v %+v", ahead, err, got)
		}
	}
}

func TestCompare(t *testing.T) {
	p := newProblem(2000, 44)
	rows, held, _ := HoldOut(p.Problem)
	fit := func() *Result {
		f, err := Fit(t.Context(), p.Problem, rows, held, classifierSpec(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return f.HeldOut
	}
	a, b := fit(), fit()
	c, err := Compare(a, b, nil, 1)
	if err != nil || c.OnlyA+c.OnlyB != 0 || c.McNemar != 1 || c.CI.Lo != 0 || c.CI.Hi != 0 || c.Rows != int64(len(held)) {
		t.Errorf("a model beside itself: %v %+v", err, c)
	}
	for i := range b.Predictions.Pred { // b says that nothing is an attack
		b.Predictions.Pred[i] = 0
	}
	if c, err = Compare(a, b, nil, 1); err != nil || c.McNemar > 1e-6 || c.CI.Hi >= 0 || c.ValueA <= c.ValueB {
		t.Errorf("a model beside a poor one: %v %+v", err, c)
	}
}
