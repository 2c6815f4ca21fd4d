// Package plot draws figures as SVG, without scripts and without anything to
// load: lines, points, bars and a matrix of numbers. Every string is escaped and
// stripped of control characters, since labels come from logs and data sets.
//
// Make a Figure, give it series, write it with SVG. Same figure, same bytes.
package plot

import (
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// Series is one line, cloud of points, or set of bars.
type Series struct {
	Name string
	X, Y []float64
	Lo   []float64 // with Hi: bars of spread; nil = none
	Hi   []float64
	// Kind is "line" (default), "step", "points", "bars", "area" (a line with the area
	// under it), "band" (between Lo and Hi) or "columns" (those of several series stand
	// on each other, the first at the bottom).
	Kind string
	Dash bool
	// Color is "#rrggbb"; "" = by the place of the series.
	Color string
}

// Tick is a label on the axis.
type Tick struct {
	At    float64
	Label string
}

// Figure is a chart of series, or, with Cells, a matrix.
type Figure struct {
	Title, XLabel, YLabel  string
	Series                 []Series
	XMin, XMax, YMin, YMax float64 // all four 0 = from the data
	LogX                   bool
	XTicks                 []Tick // in place of those of the numbers

	// A matrix: Cells[i][j] in row Rows[i] and column Cols[j], shaded by Shade
	// (0 to 1), with Text on it.
	Rows, Cols []string
	Shade      [][]float64
	Text       [][]string

	// Horizontal bars with names: Names[i] has Series[0].Y[i].
	Names []string
}

const (
	width, height = 640, 420
	left, right   = 70, 20
	top, bottom   = 40, 60
)

func colors() []string {
	return []string{"#2f7ed8", "#d9730d", "#2e9e5b", "#d6453d", "#8a63d2", "#17919f", "#c8508f", "#8c7a2b", "#7a8594"}
}

// Escape makes s safe as the text of an element or an attribute.
func Escape(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0xFFFE || r == 0xFFFF {
			return '\uFFFD'
		}
		return r
	}, s)
	return html.EscapeString(s)
}

// short cuts a label to n characters.
func short(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func num(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// tick formats the value at an axis.
func tick(v float64) string {
	if v != 0 && (math.Abs(v) < 1e-3 || math.Abs(v) >= 1e6) {
		return strconv.FormatFloat(v, 'e', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// Width is that of every figure in units of its view box.
const Width = width

// Height is that of the figure in the same units.
func (f *Figure) Height() int {
	switch {
	case f.Shade != nil:
		return top + 130 + 34*len(f.Rows)
	case f.Names != nil:
		return top + bottom + 20*len(f.Names)
	}
	return height + 14*(len(f.Series)/4) // rows of the legend
}

// SVG writes the figure as a document.
func (f *Figure) SVG(w io.Writer) error {
	var b strings.Builder
	h := f.Height()
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" font-family="sans-serif" font-size="12">`, width, h, Escape(f.Title))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/><text x="%d" y="20" font-size="14" font-weight="bold">%s</text>`, width, h, left, Escape(f.Title))
	switch {
	case f.Shade != nil:
		f.matrix(&b)
	case f.Names != nil:
		f.bars(&b, h)
	default:
		f.chart(&b)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *Figure) matrix(b *strings.Builder) {
	const name = 170
	cell := float64(width-name-right) / float64(max(len(f.Cols), 1))
	for i, r := range f.Rows {
		y := top + 34*i
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, name-8, y+21, Escape(short(r, 24)))
		for j := range f.Cols {
			s := math.Min(math.Max(f.Shade[i][j], 0), 1)
			ink := "#000"
			if s > 0.55 {
				ink = "#fff"
			}
			x := name + cell*float64(j)
			fmt.Fprintf(b, `<rect x="%s" y="%d" width="%s" height="32" fill="rgb(%d,%d,%d)"><title>%s, predicted %s: %s</title></rect>`, num(x), y, num(cell-2),
				255-int(208*s), 255-int(129*s), 255-int(39*s), Escape(r), Escape(f.Cols[j]), Escape(f.Text[i][j]))
			size := 11
			if cell < 44 {
				size = 8
			}
			fmt.Fprintf(b, `<text x="%s" y="%d" text-anchor="middle" font-size="%d" fill="%s">%s</text>`, num(x+cell/2-1), y+20, size, ink, Escape(f.Text[i][j]))
		}
	}
	y := float64(top + 34*len(f.Rows) + 12)
	for j, c := range f.Cols {
		x := name + cell*(float64(j)+0.5)
		fmt.Fprintf(b, `<text x="%s" y="%s" text-anchor="end" transform="rotate(-40 %s %s)">%s</text>`, num(x), num(y), num(x), num(y), Escape(short(c, 20)))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`, width/2, top+34*len(f.Rows)+120, Escape(f.XLabel))
}

func (f *Figure) bars(b *strings.Builder, h int) {
	s := f.Series[0]
	lo, hi := 0.0, 1e-12
	for i, v := range s.Y {
		lo, hi = math.Min(lo, v), math.Max(hi, v)
		if s.Hi != nil {
			lo, hi = math.Min(lo, s.Lo[i]), math.Max(hi, s.Hi[i])
		}
	}
	const name = 210
	x := func(v float64) float64 { return name + (v-lo)/(hi-lo)*(width-name-right) }
	for i, n := range f.Names {
		y := top + 20*i
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" font-size="11"><title>%s</title>%s</text>`, name-6, y+12, Escape(n), Escape(short(n, 32)))
		x0, x1 := x(0), x(s.Y[i])
		fmt.Fprintf(b, `<rect x="%s" y="%d" width="%s" height="14" fill="%s"><title>%s: %s</title></rect>`, num(min(x0, x1)), y, num(math.Abs(x1-x0)), colors()[0], Escape(n), tick(s.Y[i]))
		if s.Hi != nil {
			fmt.Fprintf(b, `<path d="M%s %dH%s" stroke="#000"/>`, num(x(s.Lo[i])), y+7, num(x(s.Hi[i])))
		}
	}
	for k := range 5 {
		v := lo + (hi-lo)*float64(k)/4
		fmt.Fprintf(b, `<text x="%s" y="%d" text-anchor="middle">%s</text>`, num(x(v)), h-32, tick(v))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`, (name+width)/2, h-12, Escape(f.XLabel))
}

func (f *Figure) limits() (x0, x1, y0, y1 float64) {
	if f.XMin != 0 || f.XMax != 0 || f.YMin != 0 || f.YMax != 0 {
		return f.XMin, f.XMax, f.YMin, f.YMax
	}
	x0, x1, y0, y1 = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	sum := map[float64]float64{}
	solid := false // something fills the room from 0 on
	y := func(v float64) {
		if !math.IsNaN(v) {
			y0, y1 = math.Min(y0, v), math.Max(y1, v)
		}
	}
	for _, s := range f.Series {
		for i, x := range s.X {
			x0, x1 = math.Min(x0, x), math.Max(x1, x)
			switch {
			case s.Kind == "columns":
				if !math.IsNaN(s.Y[i]) {
					sum[x] += s.Y[i]
				}
				y(sum[x])
			case s.Y != nil:
				y(s.Y[i])
			}
			if s.Hi != nil {
				y(s.Lo[i])
				y(s.Hi[i])
			}
		}
		solid = solid || s.Kind == "columns" || s.Kind == "area"
	}
	if solid {
		y0, y1 = math.Min(y0, 0), math.Max(y1, 0)
	}
	if !(x0 < x1) {
		x0, x1 = x0-1, x0+1
	}
	if !(y0 < y1) {
		y0, y1 = y0-1, y0+1
	}
	if math.IsInf(x0, 0) || math.IsNaN(x0) || math.IsInf(y0, 0) || math.IsNaN(y0) {
		return 0, 1, 0, 1
	}
	pad := (y1 - y0) / 20
	if solid && y0 == 0 {
		return x0, x1, 0, round5(y1)
	}
	return x0, x1, y0 - pad, y1 + pad
}

// round5 is the least of 1, 1.5, 2, 2.5, 3, 4, 5, 7.5 or 10 times a power of ten that is
// no less than v > 0: a fifth of it is a plain number on the axis.
func round5(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, k := range []float64{1, 1.5, 2, 2.5, 3, 4, 5, 7.5} {
		if v <= k*p*(1+1e-9) {
			return k * p
		}
	}
	return 10 * p
}

func (f *Figure) chart(b *strings.Builder) {
	x0, x1, y0, y1 := f.limits()
	scale := func(x float64) float64 { return x }
	if f.LogX {
		least := math.Inf(1)
		for _, s := range f.Series {
			for _, x := range s.X {
				if x > 0 {
					least = math.Min(least, x)
				}
			}
		}
		x0 = math.Max(x0, math.Min(least, x1/10))
		scale = func(x float64) float64 { return math.Log(math.Max(x, x0)) }
	}
	px := func(x float64) float64 {
		u := (scale(x) - scale(x0)) / (scale(x1) - scale(x0))
		return left + math.Min(math.Max(u, 0), 1)*(width-left-right)
	}
	py := func(y float64) float64 {
		u := (y - y0) / (y1 - y0)
		return height - bottom - math.Min(math.Max(u, 0), 1)*(height-top-bottom)
	}
	for k := range 6 {
		y := y0 + (y1-y0)*float64(k)/5
		fmt.Fprintf(b, `<path d="M%d %sH%d" stroke="#ddd"/><text x="%d" y="%s" text-anchor="end">%s</text>`, left, num(py(y)), width-right, left-6, num(py(y)+4), tick(y))
		if f.XTicks != nil {
			continue
		}
		x := x0 + (x1-x0)*float64(k)/5
		if f.LogX {
			x = x0 * math.Pow(x1/x0, float64(k)/5)
		}
		fmt.Fprintf(b, `<text x="%s" y="%d" text-anchor="middle">%s</text>`, num(px(x)), height-bottom+16, tick(x))
	}
	for _, t := range f.XTicks {
		if t.At >= x0 && t.At <= x1 {
			fmt.Fprintf(b, `<text x="%s" y="%d" text-anchor="middle">%s</text>`, num(px(t.At)), height-bottom+16, Escape(t.Label))
		}
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`, (left+width-right)/2, height-bottom+34, Escape(f.XLabel))
	fmt.Fprintf(b, `<text x="16" y="%d" text-anchor="middle" transform="rotate(-90 16 %d)">%s</text>`, (top+height-bottom)/2, (top+height-bottom)/2, Escape(f.YLabel))
	foot := map[float64]float64{} // of the next column
	for n, s := range f.Series {
		color := colors()[n%len(colors())]
		if s.Color != "" {
			color = Escape(s.Color)
		}
		dash := ""
		if !s.Dash && n >= len(colors()) && s.Color == "" { // the colour is taken
			dash = ` stroke-dasharray="2 2"`
		}
		if s.Dash {
			dash = ` stroke-dasharray="5 4"`
		}
		switch s.Kind {
		case "points":
			for i := range s.X {
				if !math.IsNaN(s.Y[i]) {
					fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="3" fill="%s" fill-opacity=".7"/>`, num(px(s.X[i])), num(py(s.Y[i])), color)
				}
			}
		case "columns":
			// Columns are one path: a rectangle each would be most of the file.
			var d strings.Builder
			w := math.Max(float64(width-left-right)/float64(max(len(s.X), 1))*0.85, 0.4)
			for i, x := range s.X {
				v := s.Y[i]
				if math.IsNaN(v) || v == 0 {
					continue
				}
				fmt.Fprintf(&d, "M%s %sh%sV%sh-%sz", num(px(x)-w/2), num(py(foot[x])), num(w), num(py(foot[x]+v)), num(w))
				foot[x] += v
			}
			if d.Len() > 0 {
				fmt.Fprintf(b, `<path d="%s" fill="%s"/>`, d.String(), color)
			}
		case "band":
			var d, back strings.Builder
			for i := range s.X {
				if j := len(s.X) - 1 - i; !math.IsNaN(s.Lo[j]) && !math.IsNaN(s.Hi[j]) {
					fmt.Fprintf(&back, "L%s %s", num(px(s.X[j])), num(py(s.Lo[j])))
				}
				if !math.IsNaN(s.Lo[i]) && !math.IsNaN(s.Hi[i]) {
					fmt.Fprintf(&d, "L%s %s", num(px(s.X[i])), num(py(s.Hi[i])))
				}
			}
			if d.Len() > 0 {
				fmt.Fprintf(b, `<path d="M%s%sz" fill="%s" fill-opacity=".25"/>`, d.String()[1:], back.String(), color)
			}
		default:
			if s.Kind == "area" {
				f.area(b, &s, color, px, py)
			}
			var d strings.Builder
			pen := "M"
			for i := range s.X {
				if math.IsNaN(s.Y[i]) {
					pen = "M"
					continue
				}
				if s.Kind == "step" && pen == "L" {
					fmt.Fprintf(&d, "L%s %s", num(px(s.X[i])), num(py(s.Y[i-1])))
				}
				fmt.Fprintf(&d, "%s%s %s", pen, num(px(s.X[i])), num(py(s.Y[i])))
				pen = "L"
			}
			if d.Len() > 0 {
				fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.6"%s/>`, d.String(), color, dash)
			}
		}
		if s.Hi != nil && s.Kind != "band" {
			for i := range s.X {
				if !math.IsNaN(s.Lo[i]) && !math.IsNaN(s.Hi[i]) {
					fmt.Fprintf(b, `<path d="M%s %sV%s" stroke="%s"/>`, num(px(s.X[i])), num(py(s.Lo[i])), num(py(s.Hi[i])), color)
				}
			}
		}
		if s.Name != "" {
			x, y := left+10+(n%4)*138, height-10+14*(n/4)
			fmt.Fprintf(b, `<rect x="%d" y="%d" width="10" height="10" fill="%s"/><text x="%d" y="%d" font-size="11">%s</text>`, x, y-9, color, x+14, y, Escape(short(s.Name, 20)))
		}
	}
}

// area fills what lies between a line and 0, part by part where values are
// missing.
func (f *Figure) area(b *strings.Builder, s *Series, color string, px, py func(float64) float64) {
	var d strings.Builder
	begin := -1
	for i := 0; i <= len(s.X); i++ {
		if i < len(s.X) && !math.IsNaN(s.Y[i]) {
			if begin < 0 {
				begin = i
				fmt.Fprintf(&d, "M%s %s", num(px(s.X[i])), num(py(0)))
			}
			fmt.Fprintf(&d, "L%s %s", num(px(s.X[i])), num(py(s.Y[i])))
		} else if begin >= 0 {
			fmt.Fprintf(&d, "L%s %sz", num(px(s.X[i-1])), num(py(0)))
			begin = -1
		}
	}
	if d.Len() > 0 {
		fmt.Fprintf(b, `<path d="%s" fill="%s" fill-opacity=".16"/>`, d.String(), color)
	}
}
