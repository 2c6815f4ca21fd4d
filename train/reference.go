package train

import (
	"context"
	"fmt"
	"math"
	"slices"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
)

// Reference is how the rows were that a model was judged on: what later rows are
// compared with. It is stored in the model file.
type Reference struct {
	Rows    int                  `json:"rows"`
	From    string               `json:"from"` // "held-out rows", "training rows"
	Columns []string             `json:"columns"`
	Values  []evaluate.Histogram `json:"values"` // per column
	Scores  *evaluate.Histogram  `json:"scores,omitempty"`
	Shares  map[string]float64   `json:"shares,omitempty"`   // of the predicted classes
	Own     *evaluate.Estimate   `json:"estimate,omitempty"` // what the probabilities say of these rows …
	Metrics map[string]float64   `json:"metrics,omitempty"`  // … and what the labels said: accuracy, macro_f1; of a regressor mae
	Shape   []float64            `json:"shape,omitempty"`    // of a series: mean of each hour of the day (UTC) in means of all
}

// referenceRows bounds the rows behind a reference, evenly spaced; referenceBins
// is the number of bins per column.
const (
	referenceRows = 50_000
	referenceBins = 10
)

// target is the name that the target of a regressor goes by among the columns.
const target = "target"

// NewReference describes the rows of x, a target too, and what m says of them; m
// is nil for what has no rows to predict. measured are metrics on the same rows
// with labels; nil = none.
func NewReference(ctx context.Context, m model.Model, x *frame.Matrix, from string, measured map[string]Stat, workers int) (*Reference, error) {
	var rows []int
	sampled(x.N, referenceRows, func(i int) { rows = append(rows, i) })
	if len(rows) < x.N {
		x = x.Select(rows)
	}
	r := &Reference{Rows: x.N, From: from}
	for j, col := range x.Cols {
		r.Columns = append(r.Columns, x.Schema.Columns[j].Name)
		r.Values = append(r.Values, evaluate.NewHistogram(col, referenceBins))
	}
	if x.Target != nil {
		r.Columns, r.Values = append(r.Columns, target), append(r.Values, evaluate.NewHistogram(narrow(x.Target), referenceBins))
	}
	scores, shares, estimate, err := scoresOf(ctx, m, x, workers)
	if err != nil {
		return nil, err
	}
	if scores != nil {
		bins := referenceBins
		if c, ok := m.(model.Clusterer); ok {
			bins = c.Clusters() + 1
		}
		h := evaluate.NewHistogram(scores, bins)
		r.Scores = &h
		if _, ok := m.(model.Regressor); ok && x.Target != nil {
			r.Metrics = map[string]float64{"mae": meanAbsolute(scores, x.Target)}
		}
	}
	r.Shares, r.Own = shares, estimate
	if estimate != nil {
		estimate.Expected = nil
		for _, name := range []string{"accuracy", "macro_f1"} {
			if s, ok := measured[name]; ok && !math.IsNaN(s.Pooled) {
				if r.Metrics == nil {
					r.Metrics = map[string]float64{}
				}
				r.Metrics[name] = s.Pooled
			}
		}
	}
	return r, nil
}

// Keep leaves only the named columns in the reference.
func (r *Reference) Keep(names []string) {
	var columns []string
	var values []evaluate.Histogram
	for j, name := range r.Columns {
		if slices.Contains(names, name) {
			columns, values = append(columns, name), append(values, r.Values[j])
		}
	}
	r.Columns, r.Values = columns, values
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

func meanAbsolute(predicted []float32, truth []float64) float64 {
	var sum float64
	n := 0
	for i, t := range truth {
		if t == t {
			sum += math.Abs(float64(predicted[i]) - t)
			n++
		}
	}
	return sum / float64(n)
}

// scoresOf is what a model says of x: a classifier 1 − P(benign), else the
// largest probability, a regressor its prediction, a clusterer the number of the
// cluster, −1 for none.
func scoresOf(ctx context.Context, m model.Model, x *frame.Matrix, workers int) (scores []float32, shares map[string]float64, estimate *evaluate.Estimate, err error) {
	switch m := m.(type) {
	case model.Regressor:
		g := newGuesses(levelsOf(m))
		if err := predictRegressor(ctx, g, m, x, workers); err != nil {
			return nil, nil, nil, err
		}
		return narrow(g.point), nil, nil, nil
	case model.Clusterer:
		label := make([]int32, x.N)
		m.Assign(label, x, 0, x.N)
		scores, shares = make([]float32, x.N), map[string]float64{}
		for i, l := range label {
			scores[i] = float32(l)
			name := "noise"
			if l >= 0 {
				name = fmt.Sprintf("cluster %d", l)
			}
			shares[name] += 1 / float64(x.N)
		}
		return scores, shares, nil, nil
	}
	q := &predictions{bound: []int{0}, benign: -1}
	c, isClassifier := m.(model.Classifier)
	if isClassifier {
		q.classes = c.Classes()
		q.benign = benignIndex(q.classes, "")
	} else if _, ok := m.(model.Detector); !ok {
		return nil, nil, nil, nil
	}
	if err := predict(ctx, q, m, x, workers); err != nil {
		return nil, nil, nil, err
	}
	scores = make([]float32, x.N)
	if q.score != nil {
		for i, s := range q.score {
			scores[i] = float32(s)
		}
	} else {
		k := len(q.classes)
		for i := range scores {
			scores[i] = slices.Max(q.proba[i*k : (i+1)*k])
		}
	}
	if isClassifier {
		shares = map[string]float64{}
		for _, p := range q.pred {
			shares[q.classes[p]] += 1 / float64(len(q.pred))
		}
		e := evaluate.EstimatePerformance(q.proba, len(q.classes))
		estimate = &e
	}
	return scores, shares, estimate, nil
}

// ColumnDrift is the shift of one column.
type ColumnDrift struct {
	Name  string `json:"name"`
	Level string `json:"level"` // stable, moderate, large, unknown
	evaluate.Shift
}

// Drift is what has moved between a reference and the present.
type Drift struct {
	Reference string        `json:"reference"`
	Baseline  int           `json:"baseline_rows"`
	Rows      int           `json:"rows"`
	Columns   []ColumnDrift `json:"columns"` // the largest PSI first
	Scores    *ColumnDrift  `json:"scores"`
	// Large counts columns, and the scores, whose shift is large; Moderate those
	// whose is moderate.
	Large    int `json:"large"`
	Moderate int `json:"moderate"`
	// Expected is what accuracy and macro-F1 are likely to be: the measured value
	// on the reference rows plus what the estimate from the probabilities has
	// changed by. Estimates where the model was never measured stand as they are.
	Expected map[string]float64 `json:"expected,omitempty"`
	Measured map[string]float64 `json:"measured_on_reference,omitempty"`
	// Observed is what the truth says here, where the records hold it: mae of a
	// regressor.
	Observed map[string]float64 `json:"observed,omitempty"`
	Shares   map[string]float64 `json:"shares,omitempty"` // of the predicted classes or clusters
	Before   map[string]float64 `json:"shares_before,omitempty"`
	Notes    []string           `json:"notes"`
}

// Compare measures the rows of x, which have the columns of the reference, and
// what m says of them. Rows of one principal say much the same: what chance makes
// of a shift grows with the rows per principal (the design effect: Kish 1965,
// "Survey Sampling"), of which units, the number of principals in x, tells; 0 =
// each row stands for itself. The reference is taken to be like x in this.
func (r *Reference) Compare(ctx context.Context, m model.Model, x *frame.Matrix, units, workers int) (*Drift, error) {
	per := 1.0
	if units > 0 {
		per = max(1, float64(x.N)/float64(units))
	}
	d := &Drift{Reference: r.From, Baseline: r.Rows, Rows: x.N, Notes: []string{}}
	add := func(name string, h *evaluate.Histogram, v []float32) ColumnDrift {
		s := h.Compare(v)
		s.Noise *= per
		c := ColumnDrift{Name: name, Level: s.Level(), Shift: s}
		switch c.Level {
		case "large":
			d.Large++
		case "moderate":
			d.Moderate++
		}
		return c
	}
	for j, name := range r.Columns {
		if k := x.Schema.Index(name); k >= 0 {
			d.Columns = append(d.Columns, add(name, &r.Values[j], x.Cols[k]))
		} else if name == target && x.Target != nil {
			d.Columns = append(d.Columns, add(name, &r.Values[j], narrow(x.Target)))
		}
	}
	slices.SortStableFunc(d.Columns, func(a, b ColumnDrift) int {
		switch {
		case a.PSI > b.PSI || math.IsNaN(b.PSI) && !math.IsNaN(a.PSI):
			return -1
		case a.PSI < b.PSI || math.IsNaN(a.PSI) && !math.IsNaN(b.PSI):
			return 1
		}
		return 0
	})
	if x.N < evaluate.LeastShift || r.Rows < evaluate.LeastShift {
		d.Notes = append(d.Notes, "fewer than 200 rows on a side: no shift is told")
	}
	if x.N == 0 {
		return d, nil
	}
	scores, shares, estimate, err := scoresOf(ctx, m, x, workers)
	if err != nil {
		return nil, err
	}
	if scores != nil && r.Scores != nil {
		c := add("scores", r.Scores, scores)
		d.Scores = &c
	}
	if _, ok := m.(model.Regressor); ok && x.Target != nil {
		d.Observed, d.Measured = map[string]float64{"mae": meanAbsolute(scores, x.Target)}, r.Metrics
	}
	d.Shares, d.Before = shares, r.Shares
	if estimate != nil && r.Own != nil {
		d.Expected, d.Measured = map[string]float64{}, r.Metrics
		for name, now := range map[string]float64{"accuracy": estimate.Accuracy, "macro_f1": estimate.MacroF1} {
			before := r.Own.Accuracy
			if name == "macro_f1" {
				before = r.Own.MacroF1
			}
			if math.IsNaN(now) {
				continue
			}
			if m, ok := r.Metrics[name]; ok {
				now = min(max(m+now-before, 0), 1)
			}
			d.Expected[name] = now
		}
	}
	return d, nil
}
