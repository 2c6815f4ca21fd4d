package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sample is an ensemble with every kind of part: a recoded column, a missing
// direction of either side, two trees, steps behind.
func sample() *Graph {
	return &Graph{
		Name: "sample", Tool: "apiml", Columns: 3, Average: true, Base: []float32{.5},
		Recode: []Recode{{Column: 1, From: []float32{0, 1, 2}, To: []float32{2, 0, 1}}},
		Trees: [][]Node{
			{{Column: 0, Threshold: .5, Yes: 1, No: 2, MissingYes: true}, {Column: -1, Weights: []Weight{{0, 1}}}, {Column: 1, Threshold: .5, Yes: 3, No: 4}, {Column: -1, Weights: []Weight{{0, 2}}}, {Column: -1, Weights: []Weight{{0, 3}}}},
			{{Column: 2, Threshold: 1, Less: true, Yes: 1, No: 2}, {Column: -1, Weights: []Weight{{0, -1}}}, {Column: -1, Weights: []Weight{{0, 4}}}},
		},
		Finish: []Step{{Op: "Mul", Value: -.5}, {Op: "Exp"}},
	}
}

// testdata/sample.onnx was read and run by onnxruntime (testdata/check.py,
// which says with which versions and what it predicts).
func TestSample(t *testing.T) {
	got, err := sample().Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "sample.onnx")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the bytes differ from %s: UPDATE=1 go test ./internal/onnx, then run testdata/check.py", path)
	}
}

func TestRefuses(t *testing.T) {
	for want, change := range map[string]func(*Graph){
		"no trees":              func(g *Graph) { g.Trees = nil },
		"tree 1 is empty":       func(g *Graph) { g.Trees[1] = nil },
		"splits column 7 of 3":  func(g *Graph) { g.Trees[0][0].Column = 7 },
		"has the children 0":    func(g *Graph) { g.Trees[0][0].Yes = 0 },
		"adds to target 1 of 1": func(g *Graph) { g.Trees[0][1].Weights[0].Target = 1 },
		"behind a classifier":   func(g *Graph) { g.Classes = []string{"a", "b"} },
		"2 base values":         func(g *Graph) { g.Base = []float32{1, 2} },
		`step "Sin"`:            func(g *Graph) { g.Finish[0].Op = "Sin" },
	} {
		g := sample()
		change(g)
		if _, err := g.Append(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
}
