package main

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"apiml/generate"
)

// TestCampaigns: the built-in models find the campaigns of attacks of which no
// request proves anything, in traffic of seeds that they were not fitted on, and
// name no honest client for them. `make campaigns` prints the whole table.
func TestCampaigns(t *testing.T) {
	a := &app{ctx: t.Context(), cfg: &config{ModelsDir: t.TempDir()}, log: slog.New(slog.DiscardHandler), streams: streams{out: io.Discard, err: io.Discard}}
	big, found, wrong := 0, 0, map[string]bool{}
	for i, profile := range []string{"shop", "mobile-api"} {
		runs, results, err := a.campaignTraffic(generate.Config{Seed: uint64(9100 + i), Profile: profile, Normal: 58_000, Attacks: 2000, Duration: 3 * 24 * time.Hour, Types: conductTypes()})
		if err != nil {
			t.Fatal(err)
		}
		attack, class := map[string]bool{}, map[string]string{}
		for _, r := range results {
			if r.incident == "" {
				continue
			}
			class[r.incident] = r.class
			if r.run != nil {
				attack[r.incident] = true
				r.run.flagged[r.class]++
			}
		}
		for id, c := range class {
			for _, l := range conductTypes() {
				if c == l.String() && !attack[id] {
					wrong[profile+id] = true
				}
			}
		}
		for _, r := range runs {
			if r.requests >= 50 {
				big++
				if r.found() {
					found++
				}
			}
		}
	}
	t.Logf("%d of %d campaigns of 50 requests or more found, %d false incidents of these types", found, big, len(wrong))
	if big < 10 || found*10 < big*6 || len(wrong) > 4 {
		t.Errorf("too few found or too many false")
	}
}
