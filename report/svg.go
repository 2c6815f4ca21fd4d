package report

import (
	"fmt"
	"io"
	"math"
	"strings"

	"apiml/internal/plot"
)

// Figure is a chart of the report as SVG: for a mail, a wiki, a presentation.
// Without scripts and with nothing to load, as package plot writes it. Name tells
// it from the others: "traffic", "forecast-1".
type Figure struct {
	Name string
	plot.Figure
}

// Figures are the charts of d that have something to show, in the order of the page.
// It does not change d.
func Figures(d *Data) []Figure {
	d = cleaned(d)
	var out []Figure
	add := func(section, name string, f *plot.Figure) {
		if f != nil && d.shows(section) {
			out = append(out, Figure{name, *f})
		}
	}
	add("overview", "traffic", overTime("Requests over time", "requests", d.Overview.Traffic, "area"))
	threats := d.Security.Timeline
	threats.Series = append([]Line{}, threats.Series...)
	for i := range threats.Series {
		threats.Series[i].Name = title(threats.Series[i].Name)
	}
	add("security", "threats", overTime("Flagged requests by attack type", "requests", threats, "columns"))
	add("security", "refused", overTime("Refused requests by status", "requests", d.Security.BlockedTime, "columns"))
	if t, ok := scoreLine(&d.Security); ok {
		f := overTime("Security score per day", "0 to 100", t, "area")
		add("security", "score", f)
	}
	for i := range d.Performance.Forecasts {
		add("performance", fmt.Sprintf("forecast-%d", i+1), forecastFigure(&d.Performance.Forecasts[i]))
	}
	add("performance", "templates", overTime("Requests by template", "requests", d.Performance.ByTemplate, "columns"))
	add("performance", "concurrency", overTime("Requests under way", "requests", d.Performance.Concurrency, "area"))
	for _, m := range d.Models {
		name := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
				return r
			}
			return '-'
		}, m.Name)
		add("models", name+"-roc", unitSquare(modelTitle(m)+": ROC", "false-positive rate", "true-positive rate", m.ROC, true))
		add("models", name+"-pr", unitSquare(modelTitle(m)+": precision by recall", "recall", "precision", m.PR, false))
		if len(m.Calibration) > 0 {
			c := Curve{Name: "observed share"}
			for _, b := range m.Calibration {
				c.X, c.Y = append(c.X, b.Predicted), append(c.Y, b.Observed)
			}
			add("models", name+"-calibration", unitSquare(modelTitle(m)+": calibration", "predicted probability", "observed share", []Curve{c}, true))
		}
		imp := &plot.Figure{Title: modelTitle(m) + ": importance", XLabel: "what the metric loses when the column is shuffled", Series: make([]plot.Series, 1)}
		for _, x := range m.Importance[:min(len(m.Importance), 20)] {
			if x.Value.Known() {
				imp.Names, imp.Series[0].Y = append(imp.Names, x.Feature), append(imp.Series[0].Y, float64(x.Value))
			}
		}
		if imp.Names != nil {
			add("models", name+"-importance", imp)
		}
	}
	return out
}

// SVG writes all figures of d under each other as one document; an error if there
// is none.
func SVG(w io.Writer, d *Data) error {
	list := Figures(d)
	if len(list) == 0 {
		return fmt.Errorf("report svg: there is nothing to draw")
	}
	var b strings.Builder
	height := 0
	for i := range list {
		var one strings.Builder
		if err := list[i].SVG(&one); err != nil {
			return err
		}
		h := list[i].Height()
		b.WriteString(strings.Replace(one.String(), "<svg ", fmt.Sprintf(`<svg y="%d" width="%d" height="%d" `, height, plot.Width, h), 1))
		height += h + 10
	}
	_, err := fmt.Fprintf(w, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n%s</svg>\n", plot.Width, height, plot.Width, height, b.String())
	return err
}

// floats copies v; what is unknown is NaN, which figures leave out.
func floats(v []Num, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
		if i < len(v) && v[i].Known() {
			out[i] = float64(v[i])
		}
	}
	return out
}

// timeAxis are the places of n intervals and about six labels.
func timeAxis(labels []string) (x []float64, ticks []plot.Tick) {
	step := max(1, (len(labels)+5)/6)
	for i, l := range labels {
		x = append(x, float64(i))
		if i%step == step/2 || len(labels) == 1 {
			ticks = append(ticks, plot.Tick{At: float64(i), Label: l})
		}
	}
	return x, ticks
}

// overTime draws the series of t, the first as given; nil if nothing is known.
func overTime(name, unit string, t Timeline, kind string) *plot.Figure {
	labels, _ := tableClock(t)
	drawn := false
	for _, l := range t.Series {
		drawn = drawn || anyKnown(l.Values)
	}
	if !drawn || len(labels) == 0 {
		return nil
	}
	f := &plot.Figure{Title: name, XLabel: "UTC, per " + seconds(t.Step), YLabel: unit}
	var x []float64
	x, f.XTicks = timeAxis(labels)
	for i, l := range t.Series {
		s := plot.Series{Name: l.Name, X: x, Y: floats(l.Values, len(x)), Kind: kind, Color: seriesColor(l.Name, i, len(t.Series))}
		if kind == "area" {
			s.Color = statusColor(l.Name, i)
		}
		if kind == "area" && i > 0 {
			s.Kind = "line"
		}
		if len(x) == 1 && kind != "columns" {
			s.Kind = "points"
		}
		f.Series = append(f.Series, s)
	}
	return f
}

func forecastFigure(f *Forecast) *plot.Figure {
	if !anyKnown(f.Mean) || f.Start.IsZero() || !f.Step.Known() || f.Step <= 0 {
		return nil
	}
	var hist []Num
	if len(f.History.Series) > 0 {
		hist = f.History.Series[0].Values
	}
	n := len(hist) + len(f.Mean)
	x, ticks := timeAxis(clock(f.Start.Add(-span(f.Step, len(hist))), f.Step, n))
	ahead := func(v []Num) []float64 {
		out := floats(nil, n)
		copy(out[len(hist):], floats(v, len(f.Mean)))
		return out
	}
	return &plot.Figure{Title: "Forecast: " + orNone(f.Name), XLabel: "UTC, per " + seconds(f.Step), YLabel: "requests", XTicks: ticks, Series: []plot.Series{
		{Name: "history", X: x, Y: floats(hist, n), Kind: "area", Color: blue},
		{Name: "forecast", X: x, Y: ahead(f.Mean), Dash: true, Color: orange},
		{Name: "95 % band", X: x, Lo: ahead(f.Lo95), Hi: ahead(f.Hi95), Kind: "band", Color: "#f0a868"},
		{Name: "80 % band", X: x, Lo: ahead(f.Lo80), Hi: ahead(f.Hi80), Kind: "band", Color: orange},
	}}
}

// unitSquare draws curves in the unit square, with the line of chance if asked for.
func unitSquare(name, xname, yname string, cs []Curve, diagonal bool) *plot.Figure {
	f := &plot.Figure{Title: name, XLabel: xname, YLabel: yname, XMax: 1, YMax: 1}
	for k, c := range cs {
		s := plot.Series{Name: title(c.Name), Color: seriesColor(c.Name, k, len(cs)+1)}
		for i := range min(len(c.X), len(c.Y)) {
			if c.X[i].Known() && c.Y[i].Known() {
				s.X, s.Y = append(s.X, float64(c.X[i])), append(s.Y, float64(c.Y[i]))
			}
		}
		if s.X != nil {
			f.Series = append(f.Series, s)
		}
	}
	if f.Series == nil {
		return nil
	}
	if diagonal {
		f.Series = append(f.Series, plot.Series{X: []float64{0, 1}, Y: []float64{0, 1}, Dash: true, Color: grey})
	}
	return f
}
