package plot

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"
)

// TestSVG: every kind of figure is well-formed XML, whatever its labels and
// values, and no label becomes markup.
func TestSVG(t *testing.T) {
	evil := "</text><script>alert(1)</script>\x00\x1b[31m\u202e\"'&\xff"
	nan := math.NaN()
	for name, f := range map[string]*Figure{
		"lines":  {Title: evil, XLabel: evil, YLabel: evil, Series: []Series{{Name: evil, X: []float64{0, 1, 2}, Y: []float64{1, nan, 3}, Lo: []float64{0, nan, 2}, Hi: []float64{2, nan, 4}}, {Kind: "points", X: []float64{1}, Y: []float64{2}}, {Kind: "step", Dash: true, X: []float64{0, 1}, Y: []float64{2, 1}}}},
		"log":    {LogX: true, Series: []Series{{X: []float64{0, 1e-5, 1}, Y: []float64{0, .5, 1}}}, XMax: 1, YMax: 1},
		"empty":  {},
		"times":  {XTicks: []Tick{{0, evil}, {1, "b"}, {9, "outside"}}, Series: []Series{{Kind: "area", X: []float64{0, 1, 2, 3}, Y: []float64{1, nan, 3, 4}}, {Kind: "band", X: []float64{2, 3}, Lo: []float64{nan, 2}, Hi: []float64{4, 5}}}},
		"stack":  {Series: []Series{{Kind: "columns", X: []float64{0, 1, 2}, Y: []float64{1, nan, 3}}, {Name: evil, Kind: "columns", X: []float64{0, 1, 2}, Y: []float64{1, 2, 0}}}},
		"one":    {Series: []Series{{X: []float64{3}, Y: []float64{3}}}},
		"matrix": {Rows: []string{evil, "b"}, Cols: []string{"a", evil}, Shade: [][]float64{{0, 2}, {nan, -1}}, Text: [][]string{{evil, "1"}, {"2", "3"}}},
		"bars":   {Names: []string{evil, "b"}, Series: []Series{{Y: []float64{1, -.5}, Lo: []float64{.5, -1}, Hi: []float64{1.5, 0}}}},
	} {
		var b bytes.Buffer
		if err := f.SVG(&b); err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(bytes.NewReader(b.Bytes()))
		for {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, b.String())
			}
			if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "script" {
				t.Errorf("%s: a label became a script", name)
			}
		}
		if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") || strings.Contains(b.String(), "\x1b") {
			t.Errorf("%s: %s", name, b.String())
		}
	}
}

// Columns stand on each other, and the axis holds their sum.
func TestColumns(t *testing.T) {
	f := Figure{Series: []Series{{Kind: "columns", X: []float64{0, 1}, Y: []float64{1, 3}}, {Kind: "columns", X: []float64{0, 1}, Y: []float64{2, 5}}}}
	if x0, x1, y0, y1 := f.limits(); x0 != 0 || x1 != 1 || y0 != 0 || y1 != 10 {
		t.Errorf("limits %v %v %v %v, want 0 1 0 10", x0, x1, y0, y1)
	}
}
