package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"apiml/features"
	"apiml/frame"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/model/dbscan"
	"apiml/score/builtin"
)

func (a *app) modelsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List, inspect, verify, export and import model files",
		Example: `  apiml models list
  apiml models inspect attack
  apiml models verify models/*.apiml
  apiml models export --format onnx attack -o attack.onnx
  apiml models import latency.json --like latency -o models/latency_predictor.apiml`,
	}
	inspect := &cobra.Command{
		Use:   "inspect MODEL|FILE",
		Short: "What a model file says about itself: data, protocol, metrics, thresholds, arrays",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return a.modelsInspect(args[0]) },
	}
	cmd.AddCommand(a.modelsCardCommand())
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "The six models: algorithm, where each is loaded from, what it was fitted on",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.modelsList() },
	}, inspect, &cobra.Command{
		Use:   "verify [FILE…]",
		Short: "Check model files: checksum, structure, features (default: all in --models and the built-in ones)",
		RunE:  func(_ *cobra.Command, args []string) error { return a.modelsVerify(args) },
	}, a.exportCommand(), a.importCommand(), a.pretrainCommand(), a.transferCommand(), a.campaignsCommand(), a.realismCommand())
	return cmd
}

type modelRow struct {
	Name      string   `json:"name"`
	Aliases   []string `json:"aliases"`
	Title     string   `json:"title"`
	Algorithm string   `json:"algorithm"`
	Paper     string   `json:"paper"`
	Role      string   `json:"role"`
	Input     string   `json:"input"`
	File      string   `json:"file"`
	Status    string   `json:"status"` // "trained", "built-in", "not trained", "damaged"
	Origin    string   `json:"origin,omitempty"`
	SHA256    string   `json:"sha256,omitempty"`
	Schema    string   `json:"schema,omitempty"`
	Rows      int      `json:"rows,omitempty"`
	Source    string   `json:"source,omitempty"`
	Synthetic bool     `json:"synthetic,omitempty"`
	Error     string   `json:"error,omitempty"`
}

func (a *app) modelRows() []modelRow {
	specs := catalog.All()
	rows := make([]modelRow, len(specs))
	_ = model.Parallel(context.Background(), 0, len(specs), nil, func(_, i int) error {
		s := specs[i]
		r := modelRow{Name: s.Name, Aliases: s.Aliases, Title: s.Title, Algorithm: s.Algorithm, Paper: s.Paper, Role: string(s.Role), Input: s.Input, File: s.FileName}
		switch lm, err := a.loadModel(s, true); {
		case errors.Is(err, errNoModel):
			r.Status = "not trained"
		case err != nil:
			r.Status, r.Error = "damaged", err.Error()
		default:
			h := lm.file.Header
			r.Status, r.Origin, r.SHA256 = "trained", lm.origin, lm.file.SHA256()
			if lm.origin == "built-in" {
				r.Status = "built-in"
			}
			r.Schema, r.Rows, r.Source, r.Synthetic = h.Schema.ID(), h.Data.Rows, h.Data.Source, h.Data.Synthetic
		}
		rows[i] = r
		return nil
	})
	return rows
}

func (a *app) modelsList() error {
	rows := a.modelRows()
	if a.flags.json {
		return a.printJSON(struct {
			jsonHead
			Models []modelRow `json:"models"`
		}{a.head("models"), rows})
	}
	var out [][]string
	for _, r := range rows {
		n := "–"
		if r.Rows > 0 {
			n = count(int64(r.Rows))
		}
		src := r.Source
		if r.Synthetic {
			src += " (synthetic)"
		}
		status := r.Status
		if r.Error != "" {
			status += ": " + r.Error
		}
		out = append(out, []string{r.Name, r.Title, r.Algorithm, status, n, cell(src, 50), r.File})
	}
	return table(a.out, []string{"model", "title", "algorithm", "status", ">rows", "fitted on", "file"}, out)
}

func (a *app) modelsInspect(what string) error {
	lm, err := a.findModel(what)
	if err != nil {
		return err
	}
	h := lm.file.Header
	if a.flags.json {
		return a.printJSON(struct {
			jsonHead
			Origin string            `json:"origin"`
			SHA256 string            `json:"sha256"`
			Header model.Header      `json:"header"`
			Arrays []model.ArrayInfo `json:"arrays"`
		}{a.head("model"), lm.origin, lm.file.SHA256(), h, lm.file.Arrays()})
	}
	kv := [][]string{
		{"model", h.Name + " (" + lm.spec.Title + ")"},
		{"algorithm", lm.spec.Algorithm + ", " + lm.spec.Paper},
		{"origin", lm.origin},
		{"sha256", lm.file.SHA256()},
		{"written by", h.Tool},
		{"features", fmt.Sprintf("%s, %d columns", h.Schema.ID(), len(h.Schema.Columns))},
		{"fitted on", fmt.Sprintf("%s, %s rows%s", h.Data.Source, count(int64(h.Data.Rows)), synthetic(h.Data.Synthetic))},
		{"held out", fmt.Sprintf("%s rows: %s", count(int64(h.HoldOut.Rows)), h.HoldOut.Rule)},
		{"protocol", h.HoldOut.Protocol},
		{"seed", fmt.Sprint(h.Seed)},
		{"classes", strings.Join(h.Classes, ", ")},
		{"configuration", string(h.Config)},
	}
	for _, name := range sortedKeys(h.Thresholds) {
		kv = append(kv, []string{"threshold " + name, fmt.Sprintf("%.6g", h.Thresholds[name])})
	}
	for _, w := range h.Warnings {
		kv = append(kv, []string{"warning", w})
	}
	if err := table(a.out, []string{"property", "value"}, kv); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	if m, ok := lm.model.(*dbscan.Model); ok {
		if err := table(a.out, []string{"cluster", ">principals", "what sets it apart: median (usual)"}, clusterRows(m)); err != nil {
			return err
		}
		fmt.Fprintln(a.out)
	}
	var arrays [][]string
	for _, x := range lm.file.Arrays() {
		arrays = append(arrays, []string{x.Name, x.DType, count(int64(x.Len)), count(int64(x.Bytes))})
	}
	return table(a.out, []string{"array", "type", ">elements", ">bytes"}, arrays)
}

func synthetic(is bool) string {
	if is {
		return " (synthetic)"
	}
	return ""
}

// findModel takes a model's name or a file.
func (a *app) findModel(what string) (*loadedModel, error) {
	if specs, err := catalog.Resolve([]string{what}); err == nil && len(specs) == 1 {
		return a.loadModel(specs[0], true)
	} else if _, serr := os.Stat(what); serr != nil && err != nil {
		return nil, withCode(exitUsage, err)
	}
	return a.loadModelFile(what, nil)
}

// checkSchema compares a model's features with those that this program
// computes.
func checkSchema(lm *loadedModel) error {
	var want *frame.Schema
	switch lm.spec.Role {
	case model.RoleRegressor:
		want = features.LatencySchema(lm.latency)
	case model.RoleClusterer:
		want = features.BehaviorSchema()
	case model.RoleForecaster, model.RolePolicy:
		return nil // their data have no columns that could differ
	default:
		if lm.spec.Input == "flows" {
			want = features.FlowSchema(false)
		} else {
			want = features.HTTPSchema(lm.state)
		}
	}
	return frame.SameSchema(&lm.file.Header.Schema, want)
}

func (a *app) modelsVerify(paths []string) error {
	type check struct {
		File  string `json:"file"`
		Model string `json:"model"`
		OK    bool   `json:"ok"`
		Error string `json:"error,omitempty"`
	}
	var checks []check
	add := func(name string, lm *loadedModel, err error) {
		c := check{File: name, OK: err == nil}
		if lm != nil {
			c.Model = lm.spec.Name
			if err == nil {
				if err = checkSchema(lm); err != nil {
					c.OK = false
				}
			}
		}
		if err != nil {
			c.Error = err.Error()
		}
		checks = append(checks, c)
	}
	if len(paths) == 0 {
		matches, err := filepath.Glob(filepath.Join(a.cfg.ModelsDir, "*.apiml"))
		if err != nil {
			return withCode(exitUsage, err)
		}
		paths = matches
		names, err := builtin.Names()
		if err != nil {
			return err
		}
		for _, n := range names {
			b, err := builtin.File(n)
			if err != nil {
				return err
			}
			f, err := model.ReadFile(b)
			if err != nil {
				add("built-in "+n, nil, err)
				continue
			}
			lm, err := decodeModel(f, "built-in", nil)
			add("built-in "+n, lm, err)
		}
	}
	for _, p := range paths {
		if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) {
			return inputf("%s: no such file", p)
		}
		lm, err := a.loadModelFile(p, nil)
		add(p, lm, err)
	}
	bad := 0
	for _, c := range checks {
		if !c.OK {
			bad++
		}
	}
	if a.flags.json {
		if err := a.printJSON(struct {
			jsonHead
			Checks []check `json:"checks"`
		}{a.head("models-verify"), checks}); err != nil {
			return err
		}
	} else {
		var rows [][]string
		for _, c := range checks {
			state := "ok"
			if !c.OK {
				state = c.Error
			}
			rows = append(rows, []string{c.File, c.Model, state})
		}
		if err := table(a.out, []string{"file", "model", "state"}, rows); err != nil {
			return err
		}
	}
	if bad > 0 {
		return statef("%d of %d model files are not usable", bad, len(checks))
	}
	return nil
}

// rawMetrics reads the result that train stored in a model file.
func rawMetrics[T any](lm *loadedModel) (*T, error) {
	if len(lm.file.Header.Metrics) == 0 {
		return nil, nil
	}
	var v T
	if err := json.Unmarshal(lm.file.Header.Metrics, &v); err != nil {
		return nil, withCode(exitState, fmt.Errorf("%s: metrics: %w", lm.origin, err))
	}
	return &v, nil
}
