// Command library shows how to use a model of apiml from another Go program:
// fit a Random Forest on a matrix of your own, save it, load it, measure it.
//
// It imports frame, model, model/forest and evaluate only, none of which needs
// cgo: CGO_ENABLED=0 go run ./examples/library
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
	"apiml/model/forest"
)

func main() {
	dir, err := os.MkdirTemp("", "apiml-library")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := run(context.Background(), os.Stdout, dir); err != nil {
		log.Fatal(err)
	}
}

// run fits, saves into dir, loads and measures.
func run(ctx context.Context, out io.Writer, dir string) error {
	// 1. The columns. A model carries this schema and refuses another.
	schema := &frame.Schema{Name: "example", Columns: []frame.Column{
		{Name: "length", Unit: "bytes"},
		{Name: "quotes"},
		{Name: "rate", Unit: "1/s"},
	}}
	fit, test := sample(schema, 2000, 1), sample(schema, 1000, 2)

	// 2. Fit. The same seed gives the same forest, whatever the number of workers.
	c := forest.Default()
	c.Trees = 50
	f, err := forest.Fit(ctx, fit, c, model.FitOptions{Seed: 1})
	if err != nil {
		return err
	}

	// 3. Save. Equal models give equal bytes.
	var file model.File
	if err := f.Encode(&file); err != nil {
		return err
	}
	file.Header.Name = "example"
	var b bytes.Buffer
	if err := file.Write(&b); err != nil {
		return err
	}
	path := filepath.Join(dir, "example.apiml")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return err
	}

	// 4. Load. No code of the file runs; a damaged file is an error.
	loaded, err := model.Load(path)
	if err != nil {
		return err
	}
	g, err := forest.Decode(loaded)
	if err != nil {
		return err
	}
	if err := frame.SameSchema(g.Schema(), schema); err != nil {
		return err
	}

	// 5. Predict a block of rows and measure it.
	classes := g.Classes()
	proba := make([]float32, test.N*len(classes))
	g.PredictProba(proba, test, 0, test.N)
	pred := make([]int32, test.N)
	for i := range pred {
		row := proba[i*len(classes) : (i+1)*len(classes)]
		for k, p := range row {
			if p > row[pred[i]] {
				pred[i] = int32(k)
			}
		}
	}
	m := evaluate.Confuse(classes, test.Class, pred)
	fmt.Fprintf(out, "%d trees, %d rows not seen in training\n", c.Trees, test.N)
	fmt.Fprintf(out, "macro-F1 %.3f, balanced accuracy %.3f\n", m.MacroF1(), m.BalancedAccuracy())
	for i, name := range classes {
		x := m.PerClass()[i]
		fmt.Fprintf(out, "%-14s precision %.3f, recall %.3f\n", name, x.Precision, x.Recall)
	}
	return nil
}

// sample makes n rows of three classes that overlap.
func sample(schema *frame.Schema, n int, seed uint64) *frame.Matrix {
	rng := rand.New(rand.NewPCG(seed, 0))
	x := frame.NewMatrix(schema, n)
	x.Classes = []string{"none", "sql_injection", "ddos"}
	x.Class = make([]int32, n)
	for i := range n {
		class := 0
		if u := rng.Float64(); u > 0.9 {
			class = 2
		} else if u > 0.8 {
			class = 1
		}
		length, quotes, rate := 40+20*rng.NormFloat64(), 0.1*rng.ExpFloat64(), rng.ExpFloat64()
		switch class {
		case 1:
			length, quotes = length+30, quotes+0.4*rng.ExpFloat64()
		case 2:
			rate += 4 * rng.ExpFloat64()
		}
		x.Class[i] = int32(class)
		x.Cols[0][i], x.Cols[1][i], x.Cols[2][i] = float32(length), float32(quotes), float32(rate)
	}
	return x
}
