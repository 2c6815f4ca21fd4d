package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"apiml/score"
)

// TestBudgetFromLog: on generated logs with few and with many attacks a budget that
// is set by the log itself is kept, and not by flagging nothing.
func TestBudgetFromLog(t *testing.T) {
	if testing.Short() {
		t.Skip("scores generated days")
	}
	dir := t.TempDir()
	const budget = 60.0
	for seed, rate := range map[string]string{"931": "1e-4", "932": "3e-3"} {
		log, truth, out := filepath.Join(dir, "a.log"), filepath.Join(dir, "a.truth"), filepath.Join(dir, "a.jsonl")
		cli(t, nil, "generate", "-q", "--seed", seed, "--requests", "60000", "--days", "1", "--base-rate", rate, "--format", "combined", "-o", log, "--truth", truth)
		var sum struct {
			Threshold float64
			Expected  expectedAlerts
		}
		cli(t, &sum, "score", "-q", log, "-o", out, "--alert-budget", fmt.Sprintf("%g/day", budget))
		e := sum.Expected
		if e.From != "log" || e.Clients < 100 || !(e.Low < e.PerDay && e.PerDay < e.High) || e.AttackersSeen == nil || e.PerDay > 1.01*budget {
			t.Errorf("%+v", e)
		}
		lines, err := os.ReadFile(truth)
		if err != nil {
			t.Fatal(err)
		}
		clean := []bool{false}
		for l := range strings.Lines(string(lines)) {
			if fields := strings.Split(l, ","); fields[0] != "line" {
				clean = append(clean, fields[1] == "0" || fields[1] == "false")
			}
		}
		scores, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		alone := 0
		for l := range strings.Lines(string(scores)) {
			var r score.Result
			if err := json.Unmarshal([]byte(l), &r); err != nil {
				t.Fatal(err)
			}
			if r.Flagged() && clean[r.Line] && !slices.ContainsFunc(r.Reasons, func(x score.Reason) bool { return x.Feature == "campaign" }) {
				alone++
			}
		}
		t.Logf("seed %s, attacks %s: threshold %.3f, expected %.0f (%.0f to %.0f), %d false alerts", seed, rate, sum.Threshold, e.PerDay, e.Low, e.High, alone)
		if float64(alone) > 2*budget || float64(alone) < budget/6 {
			t.Errorf("seed %s: %d false alerts of single requests in a day, the budget is %.0f", seed, alone, budget)
		}
	}
}
