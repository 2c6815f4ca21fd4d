package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"apiml/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGoldenReport holds the report of a store that is the same in every run
// against testdata/report.md, and makes each form of it twice: equal bytes. Scores
// are those of the built-in models, so the file changes with them.
func TestGoldenReport(t *testing.T) {
	golden, err := filepath.Abs(filepath.Join("testdata", "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	apiml := func(args ...string) {
		t.Helper()
		if code, _, stderr := execute(context.Background(), "", append(args, "-q")...); code != 0 {
			t.Fatalf("apiml %q: exit %d: %s", args, code, stderr)
		}
	}
	apiml("generate", "--requests", "4000", "--days", "3", "--attacks", "0.08", "--seed", "7", "-o", "shop.csv")
	apiml("ingest", "shop.csv")
	apiml("score")
	parts := "overview,security,performance,behavior,audit"
	apiml("report", "--section", parts, "--title", "Shop", "-o", "a.md", "-o", "a.html", "-o", "a.csv", "-o", "a.prom", "-o", "a.svg")
	apiml("report", "--section", parts, "--title", "Shop", "-o", "b.md", "-o", "b.html", "-o", "b.csv", "-o", "b.prom", "-o", "b.svg")
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, ext := range []string{".md", ".html", ".csv", ".prom", "-traffic.svg", "-forecast-1.svg", "-threats.svg"} {
		if !bytes.Equal(read("a"+ext), read("b"+ext)) {
			t.Errorf("%s: a second report of the same store differs", ext)
		}
	}
	got := read("a.md")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(golden); !bytes.Equal(got, want) {
		t.Errorf("the report differs from testdata/report.md (write it anew with -update):\n%s", got)
	}

	// Drift of the models, and their quality over the runs: an evaluation that says
	// the same as the one before it is no new measurement.
	apiml("evaluate", "attack")
	apiml("evaluate", "attack")
	apiml("evaluate", "attack", "--since", "2026-03-03")
	apiml("report", "--section", "models", "-o", "models.json", "-o", "models.html")
	var d report.Data
	if err := json.Unmarshal(read("models.json"), &d); err != nil {
		t.Fatal(err)
	}
	if d.Models[0].Name != "attack" {
		t.Fatalf("the first model is %q", d.Models[0].Name)
	}
	m := d.Models[0]
	if len(m.History) != 2 || m.History[0].By != "evaluate" || m.History[0].At.IsZero() || len(m.History[0].Values) == 0 {
		t.Errorf("history %+v", m.History)
	}
	if m.Drift.Rows != 4000 || m.Drift.Large == 0 || len(m.Drift.Shifts) == 0 || m.Drift.Shifts[0].Column != "scores" || len(m.Drift.Expected) == 0 {
		t.Errorf("drift %+v", m.Drift)
	}
	for _, want := range []string{"Quality over time", "4,000 new rows since", "accuracy expected here"} {
		if !bytes.Contains(read("models.html"), []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
