package report

import (
	"fmt"
	"time"
)

type performanceView struct {
	*Data
	Latency   bool
	TimeShare bool
	Total     int64
	Forecasts []forecastView
	Ingest    string
	Command   string
}

type forecastView struct {
	Forecast
	Chart *chart
	Clock []string
	Ahead string // "30 min ahead in steps of 1 min"
}

func performance(d *Data) (section, error) {
	p := &d.Performance
	v := performanceView{Data: d, Total: d.Overview.Requests, Ingest: command(d, "ingest access.log"),
		Command: command(d, "forecast --step 1m --horizon 30m")}
	s := section{ID: "performance", Title: "Performance", Template: "performance.html"}
	for _, t := range p.Templates {
		v.Latency = v.Latency || t.P50.Known() || t.P95.Known() || t.P99.Known()
		v.TimeShare = v.TimeShare || t.TimeShare.Known()
	}
	for i := range p.Forecasts {
		f := &p.Forecasts[i]
		name := orNone(f.Name)
		c, err := forecastChart(fmt.Sprintf("forecast-%d", i+1), "Traffic forecast of "+name+" with its 80 % and 95 % bands", f)
		if err != nil {
			return s, err
		}
		fv := forecastView{Forecast: *f, Chart: c}
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
		s.Lead = fmt.Sprintf("%s is the first of %s", orNone(t.Template), plural(int64(len(p.Templates)), "template"))
		if r := ratio(t.Requests, v.Total); r.Known() {
			s.Lead += fmt.Sprintf(" with %s of the requests", percent(r))
		}
		if w := slowest(p.Templates); v.Latency && w.P95.Known() {
			s.Lead += fmt.Sprintf("; the slowest at p95 is %s (%s)", orNone(w.Template), seconds(w.P95))
		}
		s.Lead += "."
	}
	s.View = v
	return s, nil
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
