package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"unsafe"

	"apiml/frame"
	"apiml/model"
	"apiml/model/boost"
)

// regressions are the data sets of the boosted trees: NAME.f32 as for the
// others, NAME.y the target (float32).
func regressions(scale float64) []set {
	n := func(rows int) int { return max(1000, int(scale*float64(rows))) }
	return []set{
		{Name: "boost", Rows: n(1_000_000), Fit: n(800_000), Columns: 20},
		{Name: "boostcat", Rows: n(1_000_000), Fit: n(800_000), Columns: 20},
	}
}

// writeRegression writes a data set with rows that look like requests and a
// target like the logarithm of their latency: smooth effects, steps, pairs of
// columns that act together, noise. In boostcat the first four columns are
// categories (12, 40, 120 and 250) whose effect has nothing to do with their
// number.
func writeRegression(dir string, s set) error {
	rng := rand.New(rand.NewPCG(20160813, uint64(s.Rows)))
	cols := make([][]float32, s.Columns)
	for j := range cols {
		cols[j] = make([]float32, s.Rows)
	}
	categories := []int{12, 40, 120, 250}
	effect := make([][]float64, len(categories))
	for k, n := range categories {
		for range n {
			effect[k] = append(effect[k], .5*rng.NormFloat64())
		}
	}
	y := make([]float32, s.Rows)
	var v [20]float64
	for i := range y {
		for j := range v {
			switch j % 4 {
			case 0:
				v[j] = rng.NormFloat64()
			case 1:
				v[j] = math.Exp(rng.NormFloat64())
			case 2:
				v[j] = float64(rng.IntN(30))
			case 3:
				v[j] = rng.Float64()
			}
		}
		t := .35*rng.NormFloat64() + .5*math.Sin(2*v[4]) + .3*math.Log1p(v[5])*v[8] + .4*v[11]*v[15]
		if v[6] > 20 && v[7] > .5 {
			t += .6
		}
		t += .02*v[10]*v[12] + .3*math.Abs(v[16])
		if s.Name == "boostcat" {
			for k, n := range categories {
				c := min(rng.IntN(n), rng.IntN(n))
				v[k] = float64(c)
				t += effect[k][c]
			}
			t += effect[2][int(v[2])] * v[4]
		} else {
			t += .4*math.Tanh(v[0]*v[1]) + .01*v[2]*v[3]
		}
		for j := range v {
			cols[j][i] = float32(v[j])
		}
		y[i] = float32(t)
	}
	f, err := os.Create(filepath.Join(dir, s.Name+".f32"))
	if err != nil {
		return err
	}
	for _, c := range cols {
		if err := binary.Write(f, binary.LittleEndian, c); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	if f, err = os.Create(filepath.Join(dir, s.Name+".y")); err != nil {
		return err
	}
	if err := binary.Write(f, binary.LittleEndian, y); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, s.Name+".json"), text, 0o644)
}

func readRegression(dir, name string) (fit, test *frame.Matrix, err error) {
	text, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		return nil, nil, err
	}
	var s set
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, nil, fmt.Errorf("%s.json: %w", name, err)
	}
	schema := &frame.Schema{Name: name}
	for j := range s.Columns {
		schema.Columns = append(schema.Columns, frame.Column{Name: fmt.Sprintf("c%d", j)})
	}
	x := frame.NewMatrix(schema, s.Rows)
	y := make([]float32, s.Rows)
	load := func(suffix string, parts ...[]float32) error {
		f, err := os.Open(filepath.Join(dir, name+suffix))
		if err != nil {
			return err
		}
		defer f.Close()
		for _, c := range parts {
			// This machine's order of bytes is taken to be little-endian.
			if _, err := io.ReadFull(f, unsafe.Slice((*byte)(unsafe.Pointer(&c[0])), 4*len(c))); err != nil {
				return fmt.Errorf("%s%s: %w", name, suffix, err)
			}
		}
		return nil
	}
	if err := load(".f32", x.Cols...); err != nil {
		return nil, nil, err
	}
	if err := load(".y", y); err != nil {
		return nil, nil, err
	}
	x.Target = make([]float64, s.Rows)
	for i, v := range y {
		x.Target[i] = float64(v)
	}
	x.Class = make([]int32, s.Rows)
	fit, test = part(x, 0, s.Fit), part(x, s.Fit, s.Rows)
	fit.Class, test.Class = nil, nil
	fit.Target, test.Target = x.Target[:s.Fit:s.Fit], x.Target[s.Fit:]
	return fit, test, nil
}

// boostConfig is what the peer is given too.
func boostConfig(rounds int) boost.Config {
	c := boost.Default()
	c.Rounds, c.LearningRate, c.MaxDepth, c.MinChildWeight, c.Lambda = rounds, .1, 6, 1, 1
	c.Subsample, c.ColsampleByTree, c.Bins, c.EarlyStoppingRounds = 1, 1, 255, 0
	c.Objective, c.Quantiles = boost.SquaredError, nil
	return c
}

func fitBoost(dir, name string, rounds int, seed uint64, workers int) (map[string]any, error) {
	fit, test, err := readRegression(dir, name)
	if err != nil {
		return nil, err
	}
	before := rss()
	start := cpu()
	m, err := boost.Fit(context.Background(), fit, boostConfig(rounds), model.FitOptions{Seed: seed, Workers: workers})
	if err != nil {
		return nil, err
	}
	fitted := cpu()
	after := rss()
	pred := make([]float64, test.N)
	m.Predict(pred, test, 0, test.N)
	predicted := cpu()
	size, err := bytesOf(m)
	if err != nil {
		return nil, err
	}
	sum := 0.0
	for i, p := range pred {
		d := p - test.Target[i]
		sum += d * d
	}
	return map[string]any{"fit": fitted - start, "predict": predicted - fitted, "rmse": math.Sqrt(sum / float64(test.N)),
		"model_bytes": size, "rss_before_mib": before, "rss_fit_mib": after}, nil
}
