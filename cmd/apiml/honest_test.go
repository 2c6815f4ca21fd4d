package main

import (
	"io"
	"log/slog"
	"testing"
)

// TestHonest: honest requests that look like attacks (code in comments, queries
// of consoles, passwords, policies, reports of errors), each alone at its
// parameter, so that no custom of the log speaks for it. The list is written by
// hand; half of it was seen when the generator's were.
func TestHonest(t *testing.T) {
	a := &app{ctx: t.Context(), cfg: &config{ModelsDir: t.TempDir()}, log: slog.New(slog.DiscardHandler), streams: streams{out: io.Discard, err: io.Discard}}
	rows, sum, err := a.scoreFile("testdata/honest.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	flagged := 0
	for _, r := range rows {
		if r.Class != "none" {
			flagged++
			t.Logf("line %d: %s, %.2f", r.Line, r.Class, r.Probability)
		}
	}
	t.Logf("%d of %d honest requests flagged at %.3f", flagged, len(rows), sum.Threshold)
	if len(rows) != 178 || flagged > 24 {
		t.Errorf("%d of %d honest requests flagged", flagged, len(rows))
	}
}
