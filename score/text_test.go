package score

import (
	"math"
	"testing"

	"apiml/features"
	"apiml/frame"
	"apiml/model"
	"apiml/traffic"
)

// flat is a classifier that says the same of every row.
type flat struct {
	model.Classifier
	schema  *frame.Schema
	classes []string
	p       []float32
}

func (f *flat) Schema() *frame.Schema { return f.schema }
func (f *flat) Classes() []string     { return f.classes }
func (f *flat) PredictProba(dst []float32, _ *frame.Matrix, lo, hi int) {
	for i := range hi - lo {
		copy(dst[i*len(f.p):], f.p)
	}
}
func (f *flat) Contributions(_ []float64, _ *frame.Matrix, _, class int) float64 {
	return float64(f.p[class])
}

// textModel is a small fitted text model.
func textModel(t *testing.T) *features.TextModel {
	t.Helper()
	s := features.NewTextSamples()
	for _, v := range []string{"a+plan", "O%27Brien+and+sons", "10+%25+off", "a%3Db"} {
		s.Add([]traffic.Request{{Method: "GET", Target: "/s?q=" + v, Label: traffic.None}})
	}
	for _, v := range []string{"1%27+or+1%3D1--+", "x%27+union+select+1--+"} {
		s.Add([]traffic.Request{{Method: "GET", Target: "/s?q=" + v, Label: traffic.SQLInjection}})
	}
	m, err := features.FitText(t.Context(), s, features.TextConfig{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if m, err = m.Calibrated(-1, 0.5); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWithText(t *testing.T) {
	text := textModel(t)
	schema := features.HTTPSchema(features.Online(text))
	inner := &flat{schema: schema, classes: []string{"none", "sql_injection", "xss", "ddos"}, p: []float32{0.7, 0.1, 0.1, 0.1}}
	if got := WithText(inner, nil); got != model.Classifier(inner) {
		t.Error("wrapped without a text model")
	}
	if c := (&flat{schema: &frame.Schema{Columns: []frame.Column{{Name: "other"}}}, classes: inner.classes}); WithText(c, text) != model.Classifier(c) {
		t.Error("wrapped on a schema without text columns")
	}
	c := WithText(inner, text)
	x := frame.NewMatrix(schema, 4)
	set := func(row int, name string, v float32) {
		for j := range schema.Columns {
			if schema.Columns[j].Name == name {
				x.Cols[j][row] = v
			}
		}
	}
	nan := float32(math.NaN())
	for row, odds := range []float32{-12, 2, 40, nan} {
		for _, l := range features.TextClasses()[1:] {
			set(row, "text_"+l.String(), -12)
		}
		set(row, "text_attack", odds)
		set(row, "text_xss", odds)
	}
	p := make([]float32, 4*4)
	c.PredictProba(p, x, 0, 4)
	for row := range 4 {
		sum := 0.0
		for _, v := range p[row*4 : row*4+4] {
			if !(v >= 0 && v <= 1) {
				t.Errorf("row %d: %v", row, p[row*4:row*4+4])
			}
			sum += float64(v)
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Errorf("row %d sums to %v", row, sum)
		}
		for class := range 4 {
			dst := make([]float64, len(schema.Columns))
			total := c.Contributions(dst, x, row, class)
			for _, v := range dst {
				total += v
			}
			if math.Abs(total-float64(p[row*4+class])) > 1e-5 {
				t.Errorf("row %d class %d: contributions sum to %v, probability %v", row, class, total, p[row*4+class])
			}
		}
	}
	// P(none) = 0.7 · (1 − 1/(1+exp(1 − 0.5·2))) = 0.35: Pearl's noisy or by hand.
	if got := p[4]; math.Abs(float64(got)-0.35) > 1e-6 {
		t.Errorf("P(none) = %v, want 0.35", got)
	}
	if p[8] > 1e-6 || p[8+2] < 0.75 {
		t.Errorf("certain text: %v", p[8:12])
	}
	if p[12] != 0.7 {
		t.Errorf("missing text: %v", p[12:])
	}
	if p[0] > 0.7 || p[0] < 0.699 {
		t.Errorf("silent text: %v", p[:4])
	}
}
