package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apiml/features"
	"apiml/frame"
	"apiml/generate"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/traffic"
)

// TestRun fits a small model on generated traffic and scores a log with it that
// holds an attack, a line that is none, and an escape sequence.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "attack_classifier.apiml")
	if err := fit(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	var text []byte
	err := generate.Run(t.Context(), generate.Config{Seed: 2, Normal: 900, Attacks: 300}, func(reqs []traffic.Request, _ []string) error {
		for i := range reqs {
			text = append(generate.AppendCombined(text, &reqs[i]), '\n')
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "this is no log line \x1b[31m\n"...)
	logPath := filepath.Join(dir, "access.log")
	if err := os.WriteFile(logPath, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), &out, logPath, path); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "1201 lines read, 1200 parsed, 1 rejected") {
		t.Errorf("coverage is missing:\n%s", tail(out.String()))
	}
	if n := strings.Count(out.String(), "access.log:"); n < 30 {
		t.Errorf("only %d of 300 attacks flagged:\n%s", n, tail(out.String()))
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("an escape sequence of the log reached the output")
	}
	if err := run(t.Context(), &out, filepath.Join(dir, "missing.log"), path); err == nil {
		t.Error("a log that is not there is no error")
	}
	if err := run(t.Context(), &out, logPath, logPath); err == nil {
		t.Error("a log taken for a model file is no error")
	}
}

// fit writes a small classifier with an online profile, as the built-in one has.
func fit(ctx context.Context, path string) error {
	b := features.NewBuilder(features.Config{Profile: features.OnlineProfile})
	err := generate.Run(ctx, generate.Config{Seed: 1, Normal: 1500, Attacks: 500}, func(reqs []traffic.Request, _ []string) error {
		b.Add(reqs)
		return nil
	})
	if err != nil {
		return err
	}
	ds, err := b.Dataset()
	if err != nil {
		return err
	}
	rows := make([]int, ds.Rows())
	for i := range rows {
		rows[i] = i
	}
	fold, err := ds.Fold(ctx, rows, nil)
	if err != nil {
		return err
	}
	label(fold.Fit, ds.Labels)
	specs, err := catalog.Resolve([]string{"attack"})
	if err != nil {
		return err
	}
	m, err := specs[0].Fit(ctx, fold.Fit, json.RawMessage(`{"trees": 20}`), model.FitOptions{Seed: 1})
	if err != nil {
		return err
	}
	var f model.File
	if err := m.Encode(&f); err != nil {
		return err
	}
	state, err := fold.State.MarshalBinary()
	if err != nil {
		return err
	}
	f.PutU8("features.state", state)
	f.Header.Name = specs[0].Name
	var buf bytes.Buffer
	if err := f.Write(&buf); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return os.WriteFile(path, buf.Bytes(), 0o600)
}

func label(x *frame.Matrix, labels []traffic.Label) {
	index := map[traffic.Label]int32{}
	for _, l := range traffic.Labels() {
		for _, have := range labels {
			if have == l {
				index[l] = int32(len(x.Classes))
				x.Classes = append(x.Classes, l.String())
				break
			}
		}
	}
	x.Class = make([]int32, len(labels))
	for i, l := range labels {
		x.Class[i] = index[l]
	}
}

func tail(s string) string { return s[max(0, len(s)-600):] }
