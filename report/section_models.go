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
	ID          string
	ROCChart    *chart
	PRChart     *chart
	CalChart    *chart
	Matrix      []matrixRow
	Importances []importanceRow
	FoldNames   []string
	FoldRows    []foldRow
	Baselines   bool
	HeldOutCol  bool
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
	findings, names := 0, []string{}
	for _, m := range d.Models {
		for _, f := range m.Findings {
			if f.Level != "info" {
				findings++
			}
		}
		names = append(names, modelTitle(m))
	}
	switch {
	case len(d.Models) == 0:
		s.Lead = "No model has been trained or evaluated on this data."
	case findings > 0:
		s.Lead = fmt.Sprintf("%s (%s); the leakage audit has %s, shown above the figures.", plural(int64(len(d.Models)), "model"), strings.Join(names, ", "), plural(int64(findings), "finding"))
	default:
		s.Lead = fmt.Sprintf("%s: %s. Every metric stands beside its baseline on the same rows.", plural(int64(len(d.Models)), "model"), strings.Join(names, ", "))
	}
	s.View = v
	return s, nil
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
			c := Unknown()
			for _, x := range f.Values {
				if x.Name == n {
					c = x.Value
				}
			}
			r.Cells = append(r.Cells, c)
		}
		v.FoldRows = append(v.FoldRows, r)
	}
	return v, nil
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
