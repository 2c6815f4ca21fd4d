package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"apiml/generate"
	"apiml/internal/atomicfile"
	"apiml/traffic"
)

// demoDays is long enough for a day's season in the forecast's backtest.
const demoDays = 4

func (a *app) demoCommand() *cobra.Command {
	var dir string
	var requests int
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole chain on generated traffic, into one folder, in under a minute",
		Long: `Demo generates labelled traffic, ingests it, trains and cross-validates the models,
evaluates them on what was held out, scores the traffic, forecasts it and writes
the report. Every figure describes synthetic traffic.`,
		Example: "  apiml demo -o demo && xdg-open demo/report.html",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.demo(dir, requests) },
	}
	cmd.Flags().StringVarP(&dir, "output", "o", "demo", "folder to write into")
	cmd.Flags().IntVar(&requests, "requests", 50000, "requests to generate, one in five an attack")
	return cmd
}

// demo runs the commands one after the other, each with its JSON output in a
// file of the folder.
func (a *app) demo(dir string, requests int) error {
	if requests < 2000 {
		return usagef("--requests %d: want at least 2000", requests)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return withCode(exitFailed, err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	// A demo begins afresh: what an earlier one left would be read again.
	for _, name := range []string{"apiml.duckdb", "apiml.duckdb.wal"} {
		if err := os.Remove(at(name)); err != nil && !os.IsNotExist(err) {
			return withCode(exitFailed, err)
		}
	}
	a.cfg.DB, a.cfg.ModelsDir = at("apiml.duckdb"), at("models")
	var (
		trained   *trainResult
		evaluated *evaluateResult
		scored    *scoreSummary
		steps     [][]string
	)
	step := func(name, file string, do func(b *app) error) error {
		begun := time.Now()
		a.sayf("%s …", name)
		b := *a
		b.flags.json, b.flags.quiet = true, !a.flags.verbose
		err := atomicfile.Write(at(file), 0o600, func(w io.Writer) error {
			b.out = w
			return do(&b)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		steps = append(steps, []string{name, at(file), seconds(time.Since(begun).Seconds())})
		return nil
	}
	attacks := requests / 5
	err := step("generate", "generate.json", func(b *app) error {
		return b.generate(generateOptions{output: at("traffic.csv")}, generate.Config{Seed: a.cfg.Seed, Normal: requests - attacks, Attacks: attacks, Duration: demoDays * 24 * time.Hour})
	})
	if err == nil {
		err = step("ingest", "ingest.json", func(b *app) error {
			_, err := b.ingest([]string{at("traffic.csv")}, ingestOptions{synthetic: true})
			return err
		})
	}
	if err == nil {
		err = step("train", "train.json", func(b *app) (err error) {
			trained, err = b.train(trainOptions{all: true, cv: 5, split: "group-time", profile: "frozen", rate: 0.001})
			return err
		})
	}
	if err == nil {
		err = step("evaluate", "evaluate.json", func(b *app) (err error) {
			evaluated, err = b.evaluate(evaluateOptions{})
			return err
		})
	}
	if err == nil {
		err = step("score", "score.json", func(b *app) (err error) {
			scored, err = b.score(nil, scoreOptions{outputs: []string{at("scores.jsonl")}, reasons: 3, maxAlerts: -1})
			return err
		})
	}
	if err == nil {
		err = step("forecast", "forecast.json", func(b *app) error {
			return b.forecast(forecastOptions{step: "10m", horizon: "6h", model: "auto", output: "-"})
		})
	}
	if err == nil {
		err = step("report", "report.json", func(b *app) error {
			return b.report(reportOptions{outputs: []string{at("report.html"), at("report.md")}, title: a.cfg.Title + " (demo)", top: a.cfg.Top})
		})
	}
	if err != nil {
		return err
	}
	return a.printDemo(dir, steps, trained, evaluated, scored)
}

// printDemo ends the demo with what was found.
func (a *app) printDemo(dir string, steps [][]string, tr *trainResult, ev *evaluateResult, sc *scoreSummary) error {
	if a.flags.json {
		return a.printJSON(struct {
			jsonHead
			Report   string           `json:"report"`
			Requests int64            `json:"requests"`
			Flagged  int64            `json:"flagged"`
			ByClass  map[string]int64 `json:"by_class"`
		}{a.head("demo"), filepath.Join(dir, "report.html"), sc.Requests, sc.Flagged, sc.ByClass})
	}
	if err := table(a.out, []string{"step", "output", ">took"}, steps); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	held := map[string]*evaluatedModel{}
	for i := range ev.Models {
		held[ev.Models[i].Model] = &ev.Models[i]
	}
	var rows [][]string
	for _, m := range tr.Models {
		for _, name := range []string{"macro_f1", "roc_auc", "mae", "log_r2", "wape", "hit_ratio", "ari", "noise_share"} {
			s, ok := m.Metrics[name]
			if !ok {
				continue
			}
			base, out := "–", "–"
			if b, ok := m.Baseline[name]; ok {
				base = figureOf(name, b.Pooled)
			}
			if h := held[m.Model]; h != nil {
				if x, ok := h.Metrics[name]; ok {
					out = figureOf(name, x.Pooled)
				}
			}
			rows = append(rows, []string{m.Model, name, figureOf(name, s.Pooled) + " ± " + figureOf(name, s.SD), base, out})
		}
	}
	if err := table(a.out, []string{"model", "metric", ">cross-validated ± sd", ">baseline", ">held out"}, rows); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	rows = nil
	for _, l := range traffic.Labels() {
		if n := sc.ByClass[l.String()]; n > 0 {
			rows = append(rows, []string{l.String(), count(n), count(int64(sc.incidentsByClass[l.String()]))})
		}
	}
	if err := table(a.out, []string{"found", ">requests", ">incidents"}, rows); err != nil {
		return err
	}
	precision := float64(sc.TruePositives) / float64(max(1, sc.TruePositives+sc.FalsePositives))
	recall := float64(sc.TruePositives) / float64(max(1, sc.TruePositives+sc.FalseNegatives))
	fmt.Fprintf(a.out, "on the %s requests that the models were not fitted on: precision %s, recall %s\n", count(sc.Labelled), ratio(precision), ratio(recall))
	fmt.Fprintf(a.out, "%s of %s requests flagged in %s incidents, synthetic traffic, %s in all (%s CPU)\nreport: %s\n",
		count(sc.Flagged), count(sc.Requests), count(int64(sc.Incidents)), seconds(time.Since(a.start).Seconds()), seconds(cpuSeconds()), filepath.Join(dir, "report.html"))
	return nil
}
