package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apiml/generate"
)

// The tests of this file run the commands on real data, found by
// APIML_DATASETS: unset they are skipped, set and a file missing they fail.

func realData(t *testing.T, parts ...string) string {
	t.Helper()
	root := os.Getenv("APIML_DATASETS")
	if root == "" {
		t.Skip("APIML_DATASETS is not set")
	}
	p := filepath.Join(append([]string{root}, parts...)...)
	if _, err := os.Stat(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// cli runs the program in process and decodes its --json output into out, if
// that is not nil.
func cli(t *testing.T, out any, args ...string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if out != nil {
		args = append(args, "--json")
	}
	if code := run(t.Context(), args, streams{strings.NewReader(""), &stdout, &stderr}, func(string) (string, bool) { return "", false }); code != 0 {
		t.Fatalf("apiml %s: exit %d\n%s", strings.Join(args, " "), code, stderr.String())
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
		t.Fatalf("apiml %s: %v\n%.500s", strings.Join(args, " "), err, stdout.String())
	}
}

type coverageJSON struct {
	Files []struct {
		File                             string
		Format                           string
		Read, Parsed, Rejected, Filtered int64
	}
}

type modelsJSON struct {
	Models []struct {
		Model, Protocol string
		Rows            int64
		Metrics         map[string]struct{ Pooled, Mean, SD float64 }
		Baseline        map[string]struct{ Pooled float64 }
	}
}

func (m *modelsJSON) metric(t *testing.T, model, name string) (value, baseline float64) {
	t.Helper()
	for _, x := range m.Models {
		if x.Model == model {
			return x.Metrics[name].Pooled, x.Baseline[name].Pooled
		}
	}
	t.Fatalf("no model %q", model)
	return 0, 0
}

// params keeps the tests short; docs/results.sh runs the defaults.
func smallParams(t *testing.T) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "small.yaml")
	text := "attack: {trees: 25}\nanomaly: {trees: 50}\nattack-flows: {trees: 15}\nanomaly-flows: {trees: 50}\n"
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRealCSIC(t *testing.T) {
	dir := realData(t, "csic2010")
	t.Chdir(t.TempDir())
	var cov coverageJSON
	cli(t, &cov, "ingest", filepath.Join(dir, "normalTrafficTraining.txt.zst"), filepath.Join(dir, "normalTrafficTest.txt.zst"), filepath.Join(dir, "anomalousTrafficTest.txt.zst"))
	for i, want := range []int64{36000, 36000, 25065} {
		if f := cov.Files[i]; f.Parsed != want || f.Format != "csic2010" {
			t.Errorf("%s: %d parsed as %s, want %d", f.File, f.Parsed, f.Format, want)
		}
	}
	var tr, ev modelsJSON
	cli(t, &tr, "train", "--cv", "3", "--params", smallParams(t), "--audit-random=false")
	cli(t, &ev, "evaluate")
	// Grouped by path and decoded parameters, on distinct requests: 0.98 with
	// the defaults.
	for _, m := range []*modelsJSON{&tr, &ev} {
		if f1, base := m.metric(t, "attack", "macro_f1"); f1 < 0.96 || f1 < base+0.1 {
			t.Errorf("attack classifier: macro-F1 %.4f, baseline %.4f", f1, base)
		}
		if auc, base := m.metric(t, "anomaly", "roc_auc"); auc < 0.94 || auc < base {
			t.Errorf("anomaly detector: ROC-AUC %.4f, baseline %.4f", auc, base)
		}
	}
	cli(t, nil, "score", "--db", "apiml.duckdb", "-q")
	cli(t, nil, "report", "-q")
}

func TestRealCICIDS(t *testing.T) {
	file := realData(t, "cicids2017", "cicids2017_mlcsv_union154k.csv.zst")
	t.Chdir(t.TempDir())
	var cov coverageJSON
	cli(t, &cov, "ingest", file)
	if f := cov.Files[0]; f.Parsed != 154164 || f.Rejected != 0 {
		t.Errorf("%d parsed, %d rejected", f.Parsed, f.Rejected)
	}
	var tr, ev modelsJSON
	cli(t, &tr, "train", "--cv", "3", "--params", smallParams(t), "--audit-random=false")
	cli(t, &ev, "evaluate")
	if f1, base := tr.metric(t, "attack-flows", "macro_f1"); f1 < 0.70 || f1 < base+0.3 {
		t.Errorf("attack classifier: macro-F1 %.4f, baseline %.4f", f1, base)
	}
	if auc, _ := ev.metric(t, "attack-flows", "roc_auc"); auc < 0.99 {
		t.Errorf("attack classifier, held out: ROC-AUC %.4f", auc)
	}
	var sum struct{ Requests, Flagged int64 }
	cli(t, &sum, "score", file)
	if sum.Requests != 154164 || sum.Flagged < 10000 || sum.Flagged > 25000 {
		t.Errorf("score: %+v; the file holds 22,253 attacks", sum)
	}
	cli(t, nil, "report", "-q")
}

func TestRealLogs(t *testing.T) {
	memasik := realData(t, "logs", "memasik_api_nginx_combined_2018-04.log.gz")
	zanbil := realData(t, "logs", "zanbil_shop_nginx_combined_2019-01-26.log.gz")
	spark := realData(t, "logs", "sparkdeveloper_wordpress_apache_combined_2016.log.gz")
	t.Chdir(t.TempDir())
	var cov coverageJSON
	cli(t, &cov, "ingest", memasik, zanbil, spark)
	for i, want := range []int64{797661, 100000, 206860} {
		if f := cov.Files[i]; f.Parsed != want || f.Read != f.Parsed+f.Rejected+f.Filtered {
			t.Errorf("%+v, want %d parsed", f, want)
		}
	}
	cli(t, nil, "report", "-o", "report.html", "-q")
	cli(t, nil, "forecast", "--step", "1h", "--horizon", "24")
	// The built-in models on a shop's log: 44 minutes without a known attack.
	var sum struct {
		Requests, Flagged int64
		Incidents         int
	}
	cli(t, &sum, "score", zanbil)
	if sum.Requests != 100000 || sum.Flagged > 100 {
		t.Errorf("%d of %d requests of a benign log flagged", sum.Flagged, sum.Requests)
	}
	// A scanner's log, by the rules at least.
	scan := realData(t, "logs", "scan_w3af_combined.log.gz")
	var rules struct {
		Requests int64
		Hits     int64 `json:"rule_hits"`
	}
	cli(t, &rules, "score", scan)
	if rules.Hits < rules.Requests/2 {
		t.Errorf("the rules hit %d of %d requests of a scanner", rules.Hits, rules.Requests)
	}
}

// TestRealRealism: generated traffic is no farther from a real log than real logs
// are from each other.
func TestRealRealism(t *testing.T) {
	realData(t, "logs")
	var out, errs bytes.Buffer
	a := &app{ctx: t.Context(), streams: streams{strings.NewReader(""), &out, &errs}, log: slog.New(slog.DiscardHandler), cfg: &config{}}
	a.cfg.Seed, a.cfg.InputFormat = 1, ""
	res, err := a.realism(os.Getenv("APIML_DATASETS"), generate.Profiles())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", out.String())
	for _, p := range generate.Profiles() {
		if res.within[p] < 9 {
			t.Errorf("%s: %d of %d measures, want at least 9", p, res.within[p], int(realismMeasures))
		}
		if res.apart[p] > res.between+.05 {
			t.Errorf("%s: a forest tells its sessions from real ones with AUC %.3f, real logs from each other with %.3f", p, res.apart[p], res.between)
		}
	}
}
