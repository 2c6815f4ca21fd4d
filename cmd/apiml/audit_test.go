package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestCleanGenerated: the leakage audit gives at most one finding in all on 20
// sets that were generated without a leak. `make results` does the same on larger
// sets.
func TestCleanGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("20 fits")
	}
	dir := t.TempDir()
	params := filepath.Join(dir, "params.yaml")
	if err := os.WriteFile(params, []byte("attack: {trees: 20}\nanomaly: {trees: 50}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	profiles := []string{"shop", "mobile-api", "internal", "site"}
	var found []string
	for seed := range 20 {
		csv := filepath.Join(dir, "traffic.csv")
		profile := profiles[seed%len(profiles)]
		if code, out := runApiml(t, nil, "generate", "--requests", "1500", "--attacks", "0.2", "--seed", fmt.Sprint(100+seed), "--profile", profile, "-o", csv, "-q"); code != 0 {
			t.Fatal(out)
		}
		code, out := runApiml(t, nil, "train", "attack", "anomaly", "--data", csv, "--models", filepath.Join(dir, "models"), "--params", params, "--cv", "2", "-q", "--json")
		if code != 0 {
			t.Fatal(out)
		}
		var res trainResult
		if err := json.Unmarshal([]byte(out), &res); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if len(res.Models) != 2 || len(res.Models[1].Audit) == 0 {
			t.Fatalf("%d models: %s", len(res.Models), out)
		}
		for i := range res.Models {
			for _, f := range res.Models[i].findings() {
				found = append(found, fmt.Sprintf("seed %d, %s, %s: %s: %s", 100+seed, profile, res.Models[i].Model, f.What, f.Detail))
			}
		}
	}
	if len(found) > 1 {
		t.Errorf("%d findings on 20 clean sets: %q", len(found), found)
	}
	t.Logf("findings: %q", found)
}
