package score

import (
	"math"
	"slices"

	"apiml/features"
	"apiml/frame"
	"apiml/model"
)

// WithText adds what the text model says to a classifier. A request is an attack
// if what it does looks like one (the classifier, which weighs all columns) or if
// what it says reads like one (the text model, which knows nothing else), so the
// two are joined as independent causes, by noisy or (Pearl 1988, 4.3):
//
//	P(none) = P_classifier(none) · (1 − P_text)
//
// and what goes to payloads is shared out among their types by both. Left to
// the classifier alone a payload drowns: each of its trees sees a few columns of a
// hundred, most of which say that nothing is wrong.
//
// c is returned as it is if text is nil or its schema has no text columns.
func WithText(c model.Classifier, text *features.TextModel) model.Classifier {
	if text == nil {
		return c
	}
	t := &withText{Classifier: c, none: slices.Index(c.Classes(), "none")}
	t.offset, t.slope = text.Calibration()
	index := func(name string) int {
		return slices.IndexFunc(c.Schema().Columns, func(col frame.Column) bool { return col.Name == name })
	}
	if t.any = index("text_attack"); t.any < 0 || t.none < 0 {
		return c
	}
	for _, l := range features.TextClasses() {
		col, class := index("text_"+l.String()), slices.Index(c.Classes(), l.String())
		if col >= 0 && class >= 0 {
			t.columns, t.classes = append(t.columns, col), append(t.classes, class)
		}
	}
	if len(t.columns) == 0 { // the labels have another name for payloads: all are one
		for i, l := range c.Classes() {
			if i != t.none && (l == "anomalous" || len(c.Classes()) == 2) {
				t.columns, t.classes = []int{t.any}, []int{i}
			}
		}
		if len(t.columns) == 0 {
			return c
		}
	}
	return t
}

type withText struct {
	model.Classifier
	offset, slope float64
	none          int   // class
	any           int   // column text_attack
	columns       []int // of the text model's attack classes …
	classes       []int // … and which class of the classifier each is
}

// probability of an attack by the text alone.
func (t *withText) probability(odds float32) float64 {
	if odds != odds {
		return 0
	}
	return 1 / (1 + math.Exp(-(t.offset + float64(t.slope*float64(odds)))))
}

// PredictProba implements model.Classifier.
func (t *withText) PredictProba(dst []float32, x *frame.Matrix, lo, hi int) {
	t.Classifier.PredictProba(dst, x, lo, hi)
	k := len(t.Classes())
	q, of := 0.0, float32(math.NaN()) // many rows hold nothing that could be a payload: the same odds
	for i := lo; i < hi; i++ {
		if odds := x.Cols[t.any][i]; odds != of {
			q, of = t.probability(odds), odds
		}
		if q < 1e-7 {
			continue
		}
		p := dst[(i-lo)*k : (i-lo+1)*k]
		given := q * float64(p[t.none]) // goes from none to the attacks
		p[t.none] -= float32(given)
		top := math.Inf(-1)
		for _, c := range t.columns {
			top = math.Max(top, float64(x.Cols[c][i]))
		}
		sum := 0.0
		for _, c := range t.columns {
			sum += math.Exp(float64(x.Cols[c][i]) - top)
		}
		// Of which type a payload is, both know something: the geometric mean of what
		// they say of it shares out all that payloads have.
		total, norm := given, 0.0
		for _, c := range t.classes {
			total += float64(p[c])
		}
		for j, c := range t.columns {
			said := math.Exp(float64(x.Cols[c][i])-top) / sum
			w := math.Sqrt((float64(p[t.classes[j]]) + given*said) * said)
			p[t.classes[j]] = float32(w)
			norm += w
		}
		if norm > 0 {
			for _, c := range t.classes {
				p[c] = float32(float64(p[c]) / norm * total)
			}
		}
	}
}

// Contributions implements model.Classifier: the text's share stands at the
// column text_attack.
func (t *withText) Contributions(dst []float64, x *frame.Matrix, row, class int) (bias float64) {
	before := make([]float64, len(dst))
	bias = t.Classifier.Contributions(before, x, row, class)
	p := bias
	for j, v := range before {
		p += v
		dst[j] += v
	}
	joined := make([]float32, len(t.Classes()))
	t.PredictProba(joined, x, row, row+1)
	dst[t.any] += float64(joined[class]) - p
	return bias
}
