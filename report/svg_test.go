package report

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"
)

// wellFormed reads XML to its end and returns the names of its elements.
func wellFormed(t *testing.T, b []byte) map[string]int {
	t.Helper()
	names := map[string]int{}
	for d := xml.NewDecoder(bytes.NewReader(b)); ; {
		tok, err := d.Token()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatalf("%v\n%.300s", err, b)
		}
		if e, ok := tok.(xml.StartElement); ok {
			names[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" {
					t.Errorf("attribute %s", a.Name.Local)
				}
			}
		}
	}
}

func TestSVG(t *testing.T) {
	var names []string
	for _, f := range Figures(sample()) {
		names = append(names, f.Name)
	}
	want := []string{"traffic", "threats", "refused", "score", "forecast-1", "templates", "concurrency", "attack-roc", "attack-pr", "attack-calibration", "attack-importance", "anomaly-roc"}
	if !slices.Equal(names, want) {
		t.Errorf("figures %q, want %q", names, want)
	}
	var a, b bytes.Buffer
	if err := SVG(&a, sample()); err != nil {
		t.Fatal(err)
	}
	if err := SVG(&b, sample()); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("equal data gives different figures (%v)", err)
	}
	if n := wellFormed(t, a.Bytes())["svg"]; n != len(want)+1 {
		t.Errorf("%d <svg>, want %d", n, len(want)+1)
	}
	if strings.Contains(a.String(), "NaN") {
		t.Error("unknown values are drawn")
	}
	d := sample()
	d.Sections = []string{"overview"}
	if list := Figures(d); len(list) != 1 {
		t.Errorf("%d figures of the overview, want 1", len(list))
	}
	b.Reset()
	if err := SVG(&b, hostile()); err != nil {
		t.Fatal(err)
	}
	if n := wellFormed(t, b.Bytes()); n["script"]+n["img"]+n["image"]+n["foreignObject"] > 0 {
		t.Errorf("elements %v", n)
	}
	if err := SVG(&b, &Data{}); err == nil {
		t.Error("nothing to draw is no error")
	}
}
