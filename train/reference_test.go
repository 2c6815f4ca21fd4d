package train

import (
	"encoding/json"
	"math"
	"testing"
)

// TestDrift: rows of the same kind show none, a column that moves is named, and
// the estimate follows what the labels would say.
func TestDrift(t *testing.T) {
	p := newProblem(6000, 51)
	rows, held, _ := HoldOut(p.Problem)
	f, err := Fit(t.Context(), p.Problem, rows, held, classifierSpec(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ref := f.Reference
	if ref == nil || ref.From != "held-out rows" || ref.Rows != len(held) || len(ref.Columns) != 3 || ref.Metrics["macro_f1"] == 0 {
		t.Fatalf("reference %+v", ref)
	}
	b, err := json.Marshal(ref)
	if err != nil {
		t.Fatal(err)
	}
	ref = &Reference{}
	if err := json.Unmarshal(b, ref); err != nil {
		t.Fatal(err)
	}
	same := newProblem(3000, 52)
	d, err := ref.Compare(t.Context(), f.Model, same.x, 0)
	if err != nil || d.Large+d.Moderate != 0 || d.Scores == nil || d.Rows != 3000 {
		t.Errorf("no shift: %v %+v", err, d)
	}
	if math.Abs(d.Expected["accuracy"]-ref.Metrics["accuracy"]) > 0.03 {
		t.Errorf("expected %v, measured on the reference %v", d.Expected, ref.Metrics)
	}
	moved := newProblem(3000, 53)
	for i := range moved.x.Cols[2] {
		moved.x.Cols[2][i] += 2
	}
	if d, err = ref.Compare(t.Context(), f.Model, moved.x, 0); err != nil || d.Large != 1 || d.Columns[0].Name != "noise" || d.Columns[0].Level != "large" || !(d.Columns[0].Effect > 1) || !(d.Columns[0].JS > 0.3) {
		t.Errorf("a shift: %v %+v", err, d)
	}
	few := p.x.Select(held[:100])
	if d, err = ref.Compare(t.Context(), f.Model, few, 0); err != nil || d.Large != 0 || d.Columns[0].Level != "unknown" || len(d.Notes) != 1 {
		t.Errorf("few rows: %v %+v", err, d)
	}
	if d, err = ref.Compare(t.Context(), f.Model, p.x.Select(nil), 0); err != nil || d.Large != 0 {
		t.Errorf("no rows: %v %+v", err, d)
	}
}
