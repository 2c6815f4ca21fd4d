package train

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"apiml/frame"
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
	d, err := ref.Compare(t.Context(), f.Model, same.x, 0, 0)
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
	if d, err = ref.Compare(t.Context(), f.Model, moved.x, 0, 0); err != nil || d.Large != 1 || d.Columns[0].Name != "noise" || d.Columns[0].Level != "large" || !(d.Columns[0].Effect > 1) || !(d.Columns[0].JS > 0.3) {
		t.Errorf("a shift: %v %+v", err, d)
	}
	few := p.x.Select(held[:100])
	// The same rows by three principals: chance alone may move so much.
	if d, err = ref.Compare(t.Context(), f.Model, moved.x, 3, 0); err != nil || d.Large != 0 || !(d.Columns[0].Noise > 1) {
		t.Errorf("of three principals: %d large, %+v, %v", d.Large, d.Columns[0], err)
	}
	if d, err = ref.Compare(t.Context(), f.Model, few, 0, 0); err != nil || d.Large != 0 || d.Columns[0].Level != "unknown" || len(d.Notes) != 1 {
		t.Errorf("few rows: %v %+v", err, d)
	}
	if d, err = ref.Compare(t.Context(), f.Model, p.x.Select(nil), 0, 0); err != nil || d.Large != 0 {
		t.Errorf("no rows: %v %+v", err, d)
	}
}

// TestDriftWithoutRows: the level of a series and the course of its day, and how
// soon objects come back, move one without the other.
func TestDriftWithoutRows(t *testing.T) {
	day := func(days int, level float64, shift int, seed uint64) frame.Series {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := frame.Series{Step: 900_000_000, Values: make([]float64, 96*days)}
		for i := range s.Values {
			s.Values[i] = math.Round(level * (2 + math.Sin(2*math.Pi*float64(i+shift)/96)) * (1 + 0.1*rng.NormFloat64()))
		}
		return s
	}
	usual := day(14, 100, 0, 1)
	shape := HourShape(usual)
	if len(shape) != 24 || math.Abs(shape[6]-1.5) > 0.1 || math.Abs(shape[18]-0.5) > 0.1 {
		t.Errorf("shape %v", shape)
	}
	ref, err := NewReference(t.Context(), nil, SeriesRows(usual, shape), "all steps", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	level := func(d *Drift, name string) string {
		for _, c := range d.Columns {
			if c.Name == name {
				return c.Level
			}
		}
		return ""
	}
	for _, c := range []struct {
		what          string
		s             frame.Series
		level, course string
	}{
		{"the same", day(7, 100, 0, 2), "stable", "stable"},
		{"more of it", day(7, 200, 0, 3), "large", "stable"},
		{"six hours later", day(7, 100, 24, 4), "stable", "large"},
		{"too short", day(2, 300, 24, 5), "unknown", "unknown"},
	} {
		d, err := ref.Compare(t.Context(), nil, SeriesRows(c.s, shape), 0, 0)
		if err != nil || level(d, "level") != c.level || level(d, "course_of_day") != c.course || d.Scores != nil {
			t.Errorf("%s: %v, level %s, course %s", c.what, err, level(d, "level"), level(d, "course_of_day"))
		}
	}

	trace := func(n, objects int, seed uint64) *frame.Trace {
		rng := rand.New(rand.NewPCG(seed, 2))
		tr := &frame.Trace{N: objects}
		for range n {
			k := int32(rng.IntN(1 + rng.IntN(objects)))
			tr.Keys, tr.Sizes = append(tr.Keys, k), append(tr.Sizes, 1000+k)
		}
		return tr
	}
	x := TraceRows(trace(5*TraceBlock+100, 500, 1))
	if x.N != 5*TraceBlock {
		t.Errorf("%d accesses", x.N)
	}
	if ref, err = NewReference(t.Context(), nil, x, "training accesses", nil, 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		objects int
		want    string
	}{{500, "stable"}, {50, "large"}} {
		d, err := ref.Compare(t.Context(), nil, TraceRows(trace(2*TraceBlock, c.objects, 2)), 0, 0) // shorter than the reference
		if err != nil || level(d, "reuse") != c.want {
			t.Errorf("%d objects: %v, reuse %s", c.objects, err, level(d, "reuse"))
		}
	}
}
