package report

import (
	"fmt"
	"slices"
	"strings"
)

type modelsView struct {
	*Data
	Models []modelView
	Train  string
}

type modelView struct {
	Model
	ID              string
	ROCChart        *chart
	PRChart         *chart
	CalChart        *chart
	ROCAreas        []Curve // those whose area is known
	PRAreas         []Curve
	ROCPoints       *Curve // of the first curve, some
	PRPoints        *Curve
	MoreImportances []importanceRow
	Matrix          []matrixRow
	Importances     []importanceRow
	FoldNames       []string
	FoldRows        []foldRow
	Baselines       bool
	HeldOutCol      bool

	DriftWords string
	DriftAll   int64
	Shifts     []shiftRow
	Outlook    []string // sentences
	Trend      *chart
	Dated      bool // some measurement has a time
	PastNames  []string
	PastRows   []pastRow
}

type shiftRow struct {
	Shift
	Class, Width string
}

type pastRow struct {
	Past
	No    int
	Cells []Num
}

type matrixRow struct {
	Label string
	Total int64
	Cells []cell
}

type cell struct {
	Count    int64
	Share    Num    // of the row
	Heat     string // 0 … 1
	Diagonal bool
}

type importanceRow struct {
	Importance
	Width string
}

type foldRow struct {
	Fold
	Cells []Num
}

func models(d *Data) (section, error) {
	v := modelsView{Data: d, Train: command(d, "train --cv 5")}
	s := section{ID: "models", Title: "Models", Template: "models.html"}
	for i, m := range d.Models {
		mv, err := viewModel(m, fmt.Sprintf("model-%d", i+1))
		if err != nil {
			return s, err
		}
		v.Models = append(v.Models, mv)
	}
	findings, names, drifted := 0, []string{}, []string{}
	for _, m := range d.Models {
		for _, f := range m.Findings {
			if f.Level != "info" {
				findings++
			}
		}
		names = append(names, modelTitle(m))
		if m.Drift.Large > 0 {
			drifted = append(drifted, modelTitle(m))
		}
	}
	switch {
	case len(d.Models) == 0:
		s.Lead = "No model has been trained or evaluated on this data."
	case findings > 0:
		s.Lead = fmt.Sprintf("%s (%s); the leakage audit has %s, shown above the figures.", plural(int64(len(d.Models)), "model"), strings.Join(names, ", "), plural(int64(findings), "finding"))
	default:
		s.Lead = fmt.Sprintf("%s: %s. Every metric stands beside its baseline on the same rows.", plural(int64(len(d.Models)), "model"), strings.Join(names, ", "))
	}
	if len(drifted) > 0 {
		s.Lead += fmt.Sprintf(" The data have moved away from what %s judged on: see Drift.", enumerate(drifted, "was", "were"))
	}
	s.View = v
	return s, nil
}

// enumerate is "A was", "A and B were".
func enumerate(names []string, one, many string) string {
	if len(names) == 1 {
		return names[0] + " " + one
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " " + many
}

func modelTitle(m Model) string {
	if m.Title != "" {
		return m.Title
	}
	return orNone(m.Name)
}

func viewModel(m Model, id string) (v modelView, err error) {
	v = modelView{Model: m, ID: id}
	v.Model.Title = modelTitle(m)
	for _, x := range m.Metrics {
		v.Baselines = v.Baselines || x.Baseline.Known()
		v.HeldOutCol = v.HeldOutCol || x.HeldOut.Known()
	}
	m.ROC, v.ROCAreas = named(m.ROC)
	m.PR, v.PRAreas = named(m.PR)
	v.ROCPoints, v.PRPoints = along(m.ROC), along(m.PR)
	if v.ROCChart, err = curves(id+"-roc", "ROC curve: true-positive rate by false-positive rate", "false-positive rate", m.ROC, true); err != nil {
		return v, err
	}
	if v.PRChart, err = curves(id+"-pr", "Precision by recall", "recall", m.PR, false); err != nil {
		return v, err
	}
	if len(m.Calibration) > 0 {
		c := Curve{Name: "observed share"}
		for _, b := range m.Calibration {
			c.X, c.Y = append(c.X, b.Predicted), append(c.Y, b.Observed)
		}
		if v.CalChart, err = curves(id+"-cal", "Calibration: observed share by predicted probability", "predicted probability", []Curve{c}, true); err != nil {
			return v, err
		}
	}
	v.drift(&m.Drift)
	if err := v.history(m.History); err != nil {
		return v, err
	}
	v.Matrix = matrix(m.Confusion)
	longest := Num(0)
	for _, x := range m.Importance {
		if x.Value.Known() {
			longest = max(longest, x.Value)
		}
	}
	for _, x := range m.Importance {
		v.Importances = append(v.Importances, importanceRow{x, width(x.Value, longest)})
	}
	if n := len(v.Importances); n > importanceShown+3 {
		v.Importances, v.MoreImportances = v.Importances[:importanceShown], v.Importances[importanceShown:]
	}
	for _, f := range m.Folds {
		for _, x := range f.Values {
			if !slices.Contains(v.FoldNames, x.Name) {
				v.FoldNames = append(v.FoldNames, x.Name)
			}
		}
	}
	for _, f := range m.Folds {
		r := foldRow{Fold: f}
		for _, n := range v.FoldNames {
			r.Cells = append(r.Cells, valueOf(f.Values, n))
		}
		v.FoldRows = append(v.FoldRows, r)
	}
	return v, nil
}

// named are the curves with their classes in words, and those of a known area.
func named(in []Curve) (all, known []Curve) {
	for _, c := range in {
		c.Name = title(c.Name)
		all = append(all, c)
		if c.Area.Known() {
			known = append(known, c)
		}
	}
	return all, known
}

// importanceShown is how many features stand open; the others can be opened.
const importanceShown = 15

// curvePoints is how many points of a curve stand in its table.
const curvePoints = 40

// along picks known points of the first curve, evenly spaced along it; nil without
// any.
func along(cs []Curve) *Curve {
	if len(cs) == 0 {
		return nil
	}
	c := Curve{Name: cs[0].Name}
	for i := range min(len(cs[0].X), len(cs[0].Y)) {
		if cs[0].X[i].Known() && cs[0].Y[i].Known() {
			c.X, c.Y = append(c.X, cs[0].X[i]), append(c.Y, cs[0].Y[i])
		}
	}
	if len(c.X) == 0 {
		return nil
	}
	if n := len(c.X); n > curvePoints {
		out := Curve{Name: c.Name}
		for k := range curvePoints {
			i := k * (n - 1) / (curvePoints - 1)
			out.X, out.Y = append(out.X, c.X[i]), append(out.Y, c.Y[i])
		}
		return &out
	}
	return &c
}

// drift prepares the table of shifts. Bars are cut at a PSI of 1: what lies
// beyond is a large shift however far.
func (v *modelView) drift(d *Drift) {
	v.DriftAll = d.Columns
	if len(d.Shifts) > 0 && d.Shifts[0].Column == "scores" {
		v.DriftAll++
	}
	v.DriftAll = max(v.DriftAll, int64(len(d.Shifts)))
	v.DriftWords = fmt.Sprintf("%s new rows since %s against %s %s: %s large and %s moderate among %s columns and the scores.",
		commas(d.Rows), at(d.Since), commas(d.Baseline), orNone(d.Against), commas(d.Large), commas(d.Moderate), commas(d.Columns))
	for _, x := range d.Shifts {
		v.Shifts = append(v.Shifts, shiftRow{x, map[string]string{"large": "c5", "moderate": "c4"}[x.Level], width(x.PSI, 1)})
	}
	for _, x := range d.Expected {
		s := fmt.Sprintf("%s expected here: %s", x.Name, number(x.Value))
		for _, y := range d.Measured {
			if y.Name == x.Name {
				s += fmt.Sprintf(" (measured on the reference: %s)", number(y.Value))
			}
		}
		v.Outlook = append(v.Outlook, s+".")
	}
}

// mainMetrics are those that the chart of quality over time draws, as many of
// them as there are.
func mainMetrics() []string {
	return []string{"macro_f1", "roc_auc", "pr_auc", "accuracy", "recall", "r2", "silhouette", "hit_ratio", "wape"}
}

// history prepares the quality over time.
func (v *modelView) history(list []Past) (err error) {
	var all []string
	for _, p := range list {
		v.Dated = v.Dated || !p.At.IsZero()
		for _, x := range p.Values {
			if !slices.Contains(all, x.Name) {
				all = append(all, x.Name)
			}
		}
	}
	for _, n := range mainMetrics() {
		if slices.Contains(all, n) {
			v.PastNames = append(v.PastNames, n)
		}
	}
	for _, n := range all {
		if len(v.PastNames) < 4 && !slices.Contains(v.PastNames, n) {
			v.PastNames = append(v.PastNames, n)
		}
	}
	v.PastNames = v.PastNames[:min(len(v.PastNames), 4)]
	var clock []string
	lines := make([]Line, len(v.PastNames))
	for i, n := range v.PastNames {
		lines[i].Name = n
	}
	for i, p := range list {
		r := pastRow{Past: p, No: i + 1}
		for j, n := range v.PastNames {
			c := valueOf(p.Values, n)
			r.Cells, lines[j].Values = append(r.Cells, c), append(lines[j].Values, c)
		}
		label := fmt.Sprintf("no. %d, %s", i+1, orNone(p.By))
		if !p.At.IsZero() {
			label += " " + at(p.At)
		}
		clock = append(clock, label)
		v.PastRows = append(v.PastRows, r)
	}
	if len(list) < 2 {
		return nil
	}
	v.Trend, err = lineChart(v.ID+"-trend", "Quality of "+v.Title+" over time: "+strings.Join(v.PastNames, ", "), clock, lines)
	return err
}

func valueOf(list []Value, name string) Num {
	for _, x := range list {
		if x.Name == name {
			return x.Value
		}
	}
	return Unknown()
}

// matrix lays out a confusion matrix; cells that the counts do not have are 0.
func matrix(c Confusion) (out []matrixRow) {
	for i, l := range c.Labels {
		r := matrixRow{Label: l}
		var counts []int64
		if i < len(c.Counts) {
			counts = c.Counts[i]
		}
		for _, n := range counts {
			r.Total += n
		}
		for j := range c.Labels {
			k := cell{Diagonal: i == j}
			if j < len(counts) {
				k.Count = counts[j]
			}
			k.Share = ratio(k.Count, r.Total)
			k.Heat = "0"
			if k.Share.Known() {
				k.Heat = fmt.Sprintf("%.3f", float64(k.Share))
			}
			r.Cells = append(r.Cells, k)
		}
		out = append(out, r)
	}
	return out
}

// Label is the metric in words.
func (m Metric) Label() string {
	if m.Title != "" {
		return m.Title
	}
	return orNone(m.Name)
}

// Delta says how a metric stands to its baseline.
func (m Metric) Delta() string {
	if !m.Mean.Known() || !m.Baseline.Known() {
		return ""
	}
	d := float64(m.Mean - m.Baseline)
	if m.LowIsBest {
		d = -d
	}
	switch {
	case d > 0.0005:
		return "better"
	case d < -0.0005:
		return "worse"
	}
	return "equal"
}
