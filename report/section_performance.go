package report

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

type performanceView struct {
	*Data
	Latency       bool
	TimeShare     bool
	Total         int64
	Shown         int64 // requests of the templates shown
	Forecasts     []forecastView
	Heat          []heat
	Load          *chart
	Clock         []string
	Rows          int
	ByTemplate    *chart
	TemplateClock []string
	TemplateRows  int
	Advise        string
	AdviceOf      string // a sentence
	Capacity      string
	Replicas      string
	Ingest        string
	Command       string
}

// heat is a heat map as a table: every cell has its number, the colour only
// helps to find the dark ones.
type heat struct {
	ID, Title, Head, Caption string
	Code                     bool // the rows are templates
	Hours                    []string
	Rows                     []heatRow
}

type heatRow struct {
	Name  string
	Code  bool
	Cells []heatCell
}

type heatCell struct {
	P95, Title string
	Shade      string // 0 to 1
}

type forecastView struct {
	Forecast
	ID            string
	BacktestWords string
	Chart         *chart
	Clock         []string
	Ahead         string // "30 min ahead in steps of 1 min"
}

func performance(d *Data) (section, error) {
	p := &d.Performance
	v := performanceView{Data: d, Total: d.Overview.Requests, Ingest: command(d, "ingest access.log"),
		Command: command(d, "forecast --step 1m --horizon 30m")}
	s := section{ID: "performance", Title: "Performance", Template: "performance.html"}
	for _, t := range p.Templates {
		v.Shown += max(t.Requests, 0)
		v.Latency = v.Latency || t.P50.Known() || t.P95.Known() || t.P99.Known()
		v.TimeShare = v.TimeShare || t.TimeShare.Known()
	}
	var err error
	if v.Load, err = timeline("concurrency", "Requests under way over time", p.Concurrency, false); err != nil {
		return s, err
	}
	v.Clock, v.Rows = tableClock(p.Concurrency)
	if v.ByTemplate, err = templateChart(&p.ByTemplate); err != nil {
		return s, err
	}
	v.TemplateClock, v.TemplateRows = tableClock(p.ByTemplate)
	v.Advise, v.Capacity = command(d, "advise cache"), command(d, "advise capacity --per-replica-rps 50")
	v.Replicas = command(d, "advise capacity --format keda")
	v.AdviceOf = newest(d, p.Advice.Read, p.Advice.Since, p.Advice.Until)
	for _, h := range []heat{
		heatTable("performance-week", "Latency by weekday and hour", "Weekday", &p.Week, false),
		heatTable("performance-hours", "Latency by template and hour", "Template", &p.Hours, true),
	} {
		if len(h.Rows) > 0 {
			v.Heat = append(v.Heat, h)
		}
	}
	for i := range p.Forecasts {
		f := &p.Forecasts[i]
		name := orNone(f.Name)
		c, err := forecastChart(fmt.Sprintf("forecast-%d", i+1), "Traffic forecast of "+name+" with its 80 % and 95 % bands", f)
		if err != nil {
			return s, err
		}
		fv := forecastView{Forecast: *f, Chart: c, ID: fmt.Sprintf("forecast-%d", i+1), BacktestWords: backtestWords(f)}
		if f.Step.Known() && f.Step > 0 && !f.Start.IsZero() {
			fv.Clock = clock(f.Start, f.Step, len(f.Mean))
			fv.Ahead = fmt.Sprintf("%s ahead in steps of %s", seconds(f.Step*Num(len(f.Mean))), seconds(f.Step))
		}
		v.Forecasts = append(v.Forecasts, fv)
	}
	switch {
	case len(p.Templates) == 0 && len(p.Forecasts) == 0:
		s.Lead = "There is no traffic to show."
	case len(p.Templates) == 0:
		s.Lead = "A forecast was made; there is no table of templates."
	default:
		t := p.Templates[0]
		if d.Overview.P95.Known() {
			s.Lead = fmt.Sprintf("19 of 20 requests took no more than %s. ", seconds(d.Overview.P95))
		}
		s.Lead += orNone(t.Template) + " is the most frequent template"
		if r := ratio(t.Requests, v.Total); r.Known() {
			s.Lead += fmt.Sprintf(" (%s of the requests)", percent(r))
		}
		if w := slowest(p.Templates); v.Latency && w.P95.Known() {
			s.Lead += fmt.Sprintf("; of the first %d the slowest at p95 is %s (%s)", len(p.Templates), orNone(w.Template), seconds(w.P95))
		}
		s.Lead += "."
	}
	if len(p.Forecasts) > 0 {
		if f := &p.Forecasts[0]; anyKnown(f.Mean) && f.Step.Known() {
			sum := 0.0
			for _, m := range f.Mean {
				if m.Known() {
					sum += float64(m)
				}
			}
			s.Lead += fmt.Sprintf(" About %s are forecast for the next %s.", plural(int64(sum+.5), "request"), seconds(f.Step*Num(len(f.Mean))))
		}
	}
	s.View = v
	return s, nil
}

// templateChart draws the traffic by template, stacked.
func templateChart(t *Timeline) (*chart, error) {
	var names []string
	for _, l := range t.Series {
		names = append(names, l.Name)
	}
	return stackedBars("templates", "Requests over time by template", *t, spec{Template: names})
}

// backtestWords compare the chosen model with the simplest ones.
func backtestWords(f *Forecast) string {
	chosen, simple, name := Unknown(), Unknown(), ""
	for _, b := range f.Backtest {
		if b.Model == f.Chosen || f.Chosen == "combination" && b.Model == "auto" {
			chosen = b.WAPE
		}
		switch b.Model {
		case "last", "mean", "median", "snaive-daily", "snaive-weekly", "snaive-yearly":
			if b.WAPE.Known() && (!simple.Known() || b.WAPE < simple) {
				simple, name = b.WAPE, b.Model
			}
		}
	}
	switch {
	case !chosen.Known():
		return "How far such forecasts were off is in the backtest."
	case !simple.Known():
		return fmt.Sprintf("In the backtest such forecasts were off by %s of the traffic.", percent(chosen))
	}
	return fmt.Sprintf("In the backtest such forecasts were off by %s of the traffic; the best of the simple ones (%s) by %s.", percent(chosen), name, percent(simple))
}

// heatTable shades the cells by p95 on a logarithmic scale, from the fastest to
// the slowest cell.
func heatTable(id, title, head string, m *HeatMap, code bool) heat {
	h := heat{ID: id, Title: title, Head: head, Code: code}
	for i := range 24 {
		h.Hours = append(h.Hours, fmt.Sprintf("%02d", i))
	}
	lo, hi := math.Inf(1), 0.0
	for _, row := range m.P95 {
		for _, v := range row {
			if v.Known() && v > 0 {
				lo, hi = min(lo, float64(v)), max(hi, float64(v))
			}
		}
	}
	if hi == 0 {
		return h
	}
	// 24 columns are many: the unit stands in the caption.
	unit, scale := "milliseconds", 1e3
	if hi >= 100 {
		unit, scale = "seconds", 1
	}
	for i, name := range m.Rows {
		r := heatRow{Name: orNone(name), Code: code}
		for c := range 24 {
			cell := heatCell{P95: none, Title: "no requests", Shade: "0"}
			if i < len(m.P95) && c < len(m.P95[i]) && m.P95[i][c].Known() {
				v := m.P95[i][c]
				cell.P95, cell.Title = compact(float64(v)*scale), ""
				if unit == "milliseconds" && float64(v) >= 9.9995 {
					cell.P95 = compact(float64(v)) + " s"
				}
				if i < len(m.Requests) && c < len(m.Requests[i]) && i < len(m.P50) && c < len(m.P50[i]) {
					cell.Title = fmt.Sprintf("%s requests, p50 %s, p95 %s", commas(m.Requests[i][c]), seconds(m.P50[i][c]), seconds(v))
				}
				if v > 0 && hi > lo {
					cell.Shade = fmt.Sprintf("%.2f", (math.Log(float64(v))-math.Log(lo))/(math.Log(hi)-math.Log(lo)))
				}
			} else if i < len(m.Requests) && c < len(m.Requests[i]) && m.Requests[i][c] > 0 {
				cell.Title = commas(m.Requests[i][c]) + " requests without a latency"
			}
			r.Cells = append(r.Cells, cell)
		}
		h.Rows = append(h.Rows, r)
	}
	if unit == "milliseconds" && hi >= 9.9995 {
		unit = "milliseconds, in seconds where the cell says s,"
	}
	h.Caption = fmt.Sprintf("p95 in %s by hour of the day, UTC: from %s (pale) to %s (strong)", unit, seconds(Num(lo)), seconds(Num(hi)))
	return h
}

// compact prints a number in a narrow cell.
func compact(v float64) string {
	if v < 10 {
		return digits(v)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

func slowest(ts []Template) (w Template) {
	w.P95 = Unknown()
	for _, t := range ts {
		if t.P95.Known() && (!w.P95.Known() || t.P95 > w.P95) {
			w = t
		}
	}
	return w
}

// span is n steps of a number of seconds.
func span(step Num, n int) time.Duration {
	return time.Duration(float64(step)*float64(time.Second)) * time.Duration(n)
}
