package report

import (
	"encoding/json"
	"fmt"
	"html/template"
	"math"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"
)

// chart is a chart on the page: the options go into a data block, which the
// fixed start script reads. Label says in words what is drawn.
type chart struct {
	ID     string
	Label  string
	Square bool // shows its label under it
	Spec   template.JS
}

// spec is the content of a data block. Everything that would be a function in
// the options (number formats, tooltips) the start script makes from it: the
// options themselves hold no code.
type spec struct {
	Option map[string]any `json:"option"`
	Format string         `json:"format,omitempty"` // "share" or "" = number
	XName  string         `json:"xname,omitempty"`  // head of the tooltip where x is a number
	Legend []string       `json:"legend,omitempty"`
	Hide   []int          `json:"hide,omitempty"` // series that the tooltip leaves out
	Bands  []bandTip      `json:"bands,omitempty"`
	Start  int64          `json:"start,omitempty"` // of a chart over time: seconds since 1970, and …
	Step   Num            `json:"step,omitempty"`  // … the seconds per point
	Points int            `json:"points,omitempty"`
	Class  []string       `json:"class,omitempty"` // attack types of the series, by which the page filters
	// Template are the templates of the series, by which it filters too.
	Template []string `json:"template,omitempty"`
}

type bandTip struct {
	Name string `json:"name"`
	Lo   []Num  `json:"lo"`
	Hi   []Num  `json:"hi"`
}

// encode marshals s. encoding/json escapes <, > and &, so that no string can
// end the script element that it stands in.
func (s spec) encode(id, label string) (*chart, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("report chart %q: %w", id, err)
	}
	return &chart{ID: id, Label: label, Spec: template.JS(b)}, nil
}

// The colours keep a contrast of 3:1 to the light and the dark background.
const (
	blue   = "#2f7ed8"
	orange = "#d9730d"
	green  = "#2e9e5b"
	red    = "#d6453d"
	purple = "#8a63d2"
	teal   = "#17919f"
	pink   = "#c8508f"
	olive  = "#8c7a2b"
	grey   = "#7a8594"
)

func palette() []string {
	return []string{blue, orange, purple, teal, red, green, pink, olive, grey}
}

// statusColor gives the usual colours to series named after status classes.
func statusColor(name string, i int) string {
	switch name {
	case "4xx":
		return orange
	case "5xx":
		return red
	}
	return palette()[i%len(palette())]
}

// points turns values into chart data. An unknown value becomes null: left out
// it would shift the rest, and NaN would make the chart disappear.
func points(v []Num) []opts.LineData {
	out := make([]opts.LineData, len(v))
	for i, x := range v {
		out[i] = opts.LineData{Value: x, Symbol: "none"}
	}
	return out
}

func anyKnown(lines ...[]Num) bool {
	for _, l := range lines {
		for _, v := range l {
			if v.Known() {
				return true
			}
		}
	}
	return false
}

func axes(xname string, legend, zoom bool) []charts.GlobalOpts {
	bottom, top := "4", "14"
	if zoom {
		bottom = "40"
	}
	if legend {
		top = "38"
	}
	if xname != "" {
		bottom = "26"
	}
	out := []charts.GlobalOpts{
		charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: "axis"}),
		charts.WithLegendOpts(opts.Legend{Show: opts.Bool(legend), Type: "scroll", Left: "0", Top: "0", Icon: "roundRect", ItemWidth: 16, ItemHeight: 9}),
		charts.WithGridOpts(opts.Grid{Left: "22", Right: "18", Top: top, Bottom: bottom, ContainLabel: opts.Bool(true)}),
	}
	if zoom {
		out = append(out, charts.WithDataZoomOpts(opts.DataZoom{Type: "slider", Start: 0, End: 100}))
	}
	return out
}

// timeline draws the series of t over time: the first as an area, the others
// as lines over it; stacked bars if asked for. class are the attack types of the
// series if they are ones. nil if there is nothing to draw.
func timeline(id, label string, t Timeline, stacked bool, class ...string) (*chart, error) {
	return timelineTo(0, id, label, t, stacked, class...)
}

// timelineTo is timeline with an axis from 0 to top; 0 = as the values need it.
func timelineTo(top float64, id, label string, t Timeline, stacked bool, class ...string) (*chart, error) {
	n := 0
	drawn := false
	for _, l := range t.Series {
		n = max(n, len(l.Values))
		drawn = drawn || anyKnown(l.Values)
	}
	if !drawn || t.Start.IsZero() || !t.Step.Known() || t.Step <= 0 {
		return nil, nil
	}
	x := clock(t.Start, t.Step, n)
	sp := spec{Start: t.Start.Unix(), Step: t.Step, Points: n, Class: class}
	if stacked {
		return stackedBars(id, label, t, sp)
	}
	global := append(axes("", len(t.Series) > 1, n > 150), charts.WithInitializationOpts(opts.Initialization{ChartID: id}))
	if top > 0 {
		global = append(global, charts.WithYAxisOpts(opts.YAxis{Type: "value", Min: 0, Max: top}))
	}
	c := charts.NewLine()
	c.SetGlobalOptions(global...)
	c.SetXAxis(x)
	for i, l := range t.Series {
		style := []charts.SeriesOpts{
			charts.WithLineChartOpts(opts.LineChart{ShowSymbol: opts.Bool(n == 1)}),
			charts.WithLineStyleOpts(opts.LineStyle{Width: 1.6, Color: statusColor(l.Name, i)}),
			charts.WithItemStyleOpts(opts.ItemStyle{Color: statusColor(l.Name, i)}),
		}
		if i == 0 {
			style = append(style, charts.WithAreaStyleOpts(opts.AreaStyle{Opacity: opts.Float(0.16)}))
		}
		data := points(l.Values)
		if n == 1 {
			for j := range data {
				data[j].Symbol = "circle"
			}
		}
		c.AddSeries(l.Name, data, style...)
	}
	c.Validate()
	sp.Option = c.JSON()
	return sp.encode(id, label)
}

// stackedBars draws the series of t over time on top of each other; nil if there
// is nothing to draw. Of sp, what the page filters by is taken.
func stackedBars(id, label string, t Timeline, sp spec) (*chart, error) {
	n, drawn := 0, false
	for _, l := range t.Series {
		n = max(n, len(l.Values))
		drawn = drawn || anyKnown(l.Values)
	}
	if !drawn || t.Start.IsZero() || !t.Step.Known() || t.Step <= 0 {
		return nil, nil
	}
	sp.Start, sp.Step, sp.Points = t.Start.Unix(), t.Step, n
	c := charts.NewBar()
	c.SetGlobalOptions(append(axes("", len(t.Series) > 1, n > 150), charts.WithInitializationOpts(opts.Initialization{ChartID: id}))...)
	c.SetXAxis(clock(t.Start, t.Step, n))
	for i, l := range t.Series {
		data := make([]opts.BarData, len(l.Values))
		for j, v := range l.Values {
			data[j] = opts.BarData{Value: v}
		}
		c.AddSeries(l.Name, data, charts.WithBarChartOpts(opts.BarChart{Stack: "all", BarCategoryGap: "12%"}),
			charts.WithItemStyleOpts(opts.ItemStyle{Color: seriesColor(l.Name, i, len(t.Series))}))
	}
	c.Validate()
	sp.Option = c.JSON()
	return sp.encode(id, label)
}

// seriesColor is a colour of its own for each of up to 18 series; what is left
// over is grey.
func seriesColor(name string, i, n int) string {
	if name == "other" && i == n-1 {
		return "#848f9c"
	}
	p := append(palette(), "#5f6ee0", "#a86a35", "#a955c0", "#5f8f35", "#c2607a", "#4a8f8a", "#6a7fb0", "#b5543a", "#8f8f8f")
	return p[i%len(p)]
}

// lineChart draws lines over labels; nil if nothing is known.
func lineChart(id, label string, x []string, lines []Line) (*chart, error) {
	c := charts.NewLine()
	c.SetGlobalOptions(append(axes("", len(lines) > 1, false), charts.WithInitializationOpts(opts.Initialization{ChartID: id}))...)
	c.SetXAxis(x)
	drawn := false
	for i, l := range lines {
		data := points(l.Values)
		for j := range data {
			data[j].Symbol = "circle"
		}
		drawn = drawn || anyKnown(l.Values)
		c.AddSeries(l.Name, data, charts.WithLineChartOpts(opts.LineChart{ShowSymbol: opts.Bool(true), ConnectNulls: opts.Bool(true)}),
			charts.WithLineStyleOpts(opts.LineStyle{Width: 1.6, Color: palette()[i%len(palette())]}),
			charts.WithItemStyleOpts(opts.ItemStyle{Color: palette()[i%len(palette())]}))
	}
	if !drawn {
		return nil, nil
	}
	c.Validate()
	return spec{Option: c.JSON(), Format: "share"}.encode(id, label)
}

// forecastChart draws history, forecast and both bands on one clock. A band is
// drawn as stacked areas: an invisible one up to the lower bound, then the
// differences.
func forecastChart(id, label string, f *Forecast) (*chart, error) {
	var hist []Num
	if len(f.History.Series) > 0 {
		hist = f.History.Series[0].Values
	}
	h := len(f.Mean)
	if !anyKnown(f.Mean) || f.Start.IsZero() || !f.Step.Known() || f.Step <= 0 {
		return nil, nil
	}
	n := len(hist) + h
	x := clock(f.Start.Add(-span(f.Step, len(hist))), f.Step, n)

	at := func(v []Num) []Num { // on the common clock, behind the history
		out := make([]Num, n)
		for i := range out {
			out[i] = Unknown()
		}
		for i := range min(len(v), h) {
			out[len(hist)+i] = v[i]
		}
		return out
	}
	minus := func(a, b []Num) []Num {
		out := make([]Num, min(len(a), len(b)))
		for i := range out {
			out[i] = Num(math.Max(0, float64(a[i]-b[i])))
		}
		return out
	}
	past := make([]Num, n)
	for i := range past {
		past[i] = Unknown()
	}
	copy(past, hist)
	mean := at(f.Mean)
	if len(hist) > 0 {
		mean[len(hist)-1] = hist[len(hist)-1] // joins the two lines
	}

	c := charts.NewLine()
	c.SetGlobalOptions(append(axes("", true, n > 400), charts.WithInitializationOpts(opts.Initialization{ChartID: id}))...)
	c.SetXAxis(x)
	s := spec{Legend: []string{"history", "forecast", "80 % band", "95 % band"}}
	add := func(name string, v []Num, opacity float32) {
		c.AddSeries(name, points(v),
			charts.WithLineChartOpts(opts.LineChart{Stack: "band", ShowSymbol: opts.Bool(false)}),
			charts.WithLineStyleOpts(opts.LineStyle{Width: 0.01, Color: orange, Opacity: opts.Float(0)}),
			charts.WithItemStyleOpts(opts.ItemStyle{Color: orange, Opacity: opts.Float(opacity * 2)}),
			charts.WithAreaStyleOpts(opts.AreaStyle{Opacity: opts.Float(opacity), Color: orange}))
		s.Hide = append(s.Hide, len(s.Hide))
	}
	add("\x00base", at(f.Lo95), 0)
	add("95 % band", at(minus(f.Lo80, f.Lo95)), 0.14)
	add("80 % band", at(minus(f.Hi80, f.Lo80)), 0.3)
	add("95 % band", at(minus(f.Hi95, f.Hi80)), 0.14)
	c.AddSeries("history", points(past), charts.WithLineChartOpts(opts.LineChart{ShowSymbol: opts.Bool(false)}),
		charts.WithLineStyleOpts(opts.LineStyle{Width: 1.6, Color: blue}), charts.WithItemStyleOpts(opts.ItemStyle{Color: blue}))
	c.AddSeries("forecast", points(mean), charts.WithLineChartOpts(opts.LineChart{ShowSymbol: opts.Bool(false)}),
		charts.WithLineStyleOpts(opts.LineStyle{Width: 2, Color: orange, Type: "dashed"}), charts.WithItemStyleOpts(opts.ItemStyle{Color: orange}))
	c.Validate()
	s.Option = c.JSON()
	s.Bands = []bandTip{{"80 % band", at(f.Lo80), at(f.Hi80)}, {"95 % band", at(f.Lo95), at(f.Hi95)}}
	return s.encode(id, label)
}

// curves draws polylines in the unit square. diagonal adds the line of chance.
func curves(id, label, xname string, cs []Curve, diagonal bool) (*chart, error) {
	c := charts.NewLine()
	c.SetGlobalOptions(append(axes(xname, true, false),
		charts.WithInitializationOpts(opts.Initialization{ChartID: id}),
		charts.WithXAxisOpts(opts.XAxis{Type: "value", Min: 0, Max: 1, Name: xname, NameLocation: "middle", NameGap: 26}),
		charts.WithYAxisOpts(opts.YAxis{Type: "value", Min: 0, Max: 1}))...)
	drawn := false
	for i, cv := range cs {
		var data []opts.LineData
		for j := range min(len(cv.X), len(cv.Y)) {
			if cv.X[j].Known() && cv.Y[j].Known() {
				data = append(data, opts.LineData{Value: []Num{cv.X[j], cv.Y[j]}})
			}
		}
		if len(data) == 0 {
			continue
		}
		drawn = true
		c.AddSeries(cv.Name, data, charts.WithLineChartOpts(opts.LineChart{ShowSymbol: opts.Bool(len(data) < 25)}),
			charts.WithLineStyleOpts(opts.LineStyle{Width: 2, Color: seriesColor(cv.Name, i, len(cs)+1)}),
			charts.WithItemStyleOpts(opts.ItemStyle{Color: seriesColor(cv.Name, i, len(cs)+1)}))
	}
	if !drawn {
		return nil, nil
	}
	s := spec{Format: "share", XName: xname}
	if diagonal {
		c.AddSeries("\x00diagonal", []opts.LineData{{Value: []Num{0, 0}}, {Value: []Num{1, 1}}},
			charts.WithLineChartOpts(opts.LineChart{ShowSymbol: opts.Bool(false)}),
			charts.WithLineStyleOpts(opts.LineStyle{Width: 1, Color: grey, Type: "dashed"}))
		for _, cv := range cs {
			s.Legend = append(s.Legend, cv.Name)
		}
	}
	c.Validate()
	s.Option = c.JSON()
	ch, err := s.encode(id, label)
	if ch != nil {
		ch.Square = true
	}
	return ch, err
}
