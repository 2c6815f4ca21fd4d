package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
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
	rmse := func(m *boost.Model) float64 {
		pred := make([]float64, test.N)
		m.Predict(pred, test, 0, test.N)
		sum := 0.0
		for i, p := range pred {
			d := p - test.Target[i]
			sum += d * d
		}
		return math.Sqrt(sum / float64(test.N))
	}
	c, opt := boostConfig(rounds), model.FitOptions{Seed: seed, Workers: workers}
	out := map[string]any{"rss_before_mib": before}
	if name == "boostcat" {
		// How many rounds reach the error of the peer, which wrote it to a file?
		c.Categorical = []string{"c0", "c1", "c2", "c3"}
		text, err := os.ReadFile(filepath.Join(dir, "boostcat.rmse"))
		if err != nil {
			return nil, fmt.Errorf("%w: run peer.py boostcat first", err)
		}
		goal, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
		if err != nil {
			return nil, err
		}
		m, err := boost.Fit(context.Background(), fit, c, opt)
		if err != nil {
			return nil, err
		}
		out["rmse_all_rounds"] = rmse(m)
		c.Rounds = 1 + sort.Search(rounds-1, func(n int) bool { return rmse(m.First(n+1)) <= goal })
		out["rounds"] = c.Rounds
	}
	start := cpu()
	m, err := boost.Fit(context.Background(), fit, c, opt)
	if err != nil {
		return nil, err
	}
	fitted := cpu()
	out["rss_fit_mib"] = rss()
	pred := make([]float64, test.N)
	m.Predict(pred, test, 0, test.N)
	out["fit"], out["predict"], out["rmse"] = fitted-start, cpu()-fitted, rmse(m)
	out["model_bytes"], err = bytesOf(m)
	return out, err
}

// exchange is one model of the exchange with XGBoost and ONNX runtimes.
type exchange struct {
	name    string
	columns []string // categorical ones
	target  string   // number, positive, two, three
	config  func(*boost.Config)
}

func exchanges() []exchange {
	cat := []string{"c4", "c5"}
	return []exchange{
		{"squared", nil, "number", func(c *boost.Config) { c.Objective = boost.SquaredError }},
		{"categories", cat, "number", func(c *boost.Config) { c.Objective = boost.SquaredError }},
		{"logarithm", cat, "positive", func(c *boost.Config) { c.Objective = boost.SquaredLogError }},
		{"absolute", nil, "number", func(c *boost.Config) { c.Objective = boost.AbsoluteError }},
		{"huber", nil, "number", func(c *boost.Config) { c.Objective = boost.Huber }},
		{"leaf-wise", cat, "number", func(c *boost.Config) {
			c.Objective, c.GrowPolicy, c.MaxLeaves, c.MaxDepth = boost.SquaredError, boost.LeafWise, 40, 30
		}},
		{"two", cat, "two", nil},
		{"three", cat, "three", nil},
	}
}

// exchangeRows makes rows with gaps and, in the last two of six columns, codes.
func exchangeRows(seed uint64) (*frame.Matrix, map[string][]float64) {
	const rows = 3000
	rng := rand.New(rand.NewPCG(seed, 2))
	schema := &frame.Schema{Name: "exchange"}
	for j := range 6 {
		schema.Columns = append(schema.Columns, frame.Column{Name: fmt.Sprintf("c%d", j)})
	}
	x := frame.NewMatrix(schema, rows)
	y := make(map[string][]float64)
	for i := range rows {
		for j := range 4 {
			x.Cols[j][i] = float32(rng.NormFloat64())
		}
		kind, place := rng.IntN(7), rng.IntN(60)
		x.Cols[4][i], x.Cols[5][i] = float32(kind), float32(3*place)
		v := float64(x.Cols[0][i]) + 2*math.Sin(float64(5*kind)) + math.Cos(float64(7*place))*float64(x.Cols[1][i]) + .2*rng.NormFloat64()
		if j := rng.IntN(12); j < 6 {
			x.Cols[j][i] = float32(math.NaN())
		}
		y["number"] = append(y["number"], v)
		y["positive"] = append(y["positive"], .02*math.Exp(v))
		two, three := 0., 0.
		if v > .3 {
			two, three = 1, 1
		}
		if v > 2 {
			three = 2
		}
		y["two"], y["three"] = append(y["two"], two), append(y["three"], three)
	}
	return x, y
}

// writeExchange fits the models and writes them as XGBoost and ONNX models, with
// the rows (exchange.f32, column after column), the targets (exchange.TARGET) and
// the predictions (NAME.want; float32).
func writeExchange(dir string, seed uint64) (map[string]any, error) {
	x, y := exchangeRows(seed)
	save := func(name string, v any) error {
		var b bytes.Buffer
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var all []float32
	for _, c := range x.Cols {
		all = append(all, c...)
	}
	if err := save("exchange.f32", all); err != nil {
		return nil, err
	}
	for name, v := range y {
		if err := save("exchange."+name, narrow(v)); err != nil {
			return nil, err
		}
	}
	for _, e := range exchanges() {
		z := *x
		var m interface {
			AppendXGBoost(dst []byte) ([]byte, error)
			AppendONNX(dst []byte, name, version string) ([]byte, error)
		}
		var want, scale []float32
		opt := model.FitOptions{Seed: seed}
		if e.config == nil {
			z.Classes = []string{"none", "odd", "rare"}
			if e.name == "two" {
				z.Classes = z.Classes[:2]
			}
			for _, v := range y[e.target] {
				z.Class = append(z.Class, int32(v))
			}
			c := boost.DefaultClassifier()
			c.Rounds, c.EarlyStoppingRounds, c.Categorical = 60, 0, e.columns
			f, err := boost.FitClassifier(context.Background(), &z, c, opt)
			if err != nil {
				return nil, err
			}
			want = make([]float32, x.N*len(z.Classes))
			f.PredictProba(want, &z, 0, x.N)
			scale, m = want, f
		} else {
			z.Target = y[e.target]
			c := boost.Default()
			c.Rounds, c.EarlyStoppingRounds, c.Quantiles, c.Categorical = 60, 0, nil, e.columns
			e.config(&c)
			f, err := boost.Fit(context.Background(), &z, c, opt)
			if err != nil {
				return nil, err
			}
			p := make([]float64, x.N)
			f.Predict(p, &z, 0, x.N)
			want = narrow(p)
			if f.Unit() > 0 { // XGBoost's output is the logarithm
				for i, v := range p {
					p[i] = math.Log1p(v / f.Unit())
				}
			}
			scale, m = narrow(p), f
		}
		b, err := m.AppendXGBoost(nil)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, e.name+".xgboost.json"), b, 0o644); err != nil {
			return nil, err
		}
		if b, err = m.AppendONNX(nil, e.name, "bench"); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "boosted-"+e.name+".onnx"), b, 0o644); err != nil {
			return nil, err
		}
		if err := save("boosted-"+e.name+".want", want); err != nil {
			return nil, err
		}
		if err := save(e.name+".xgboost.want", scale); err != nil {
			return nil, err
		}
	}
	return map[string]any{"models": len(exchanges()), "rows": x.N}, nil
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, w := range v {
		out[i] = float32(w)
	}
	return out
}

// readExchange predicts with the models that peer.py let XGBoost write
// (PEER-NAME.json, PEER-NAME.want) and returns the largest difference.
func readExchange(dir string, seed uint64) (map[string]any, error) {
	x, _ := exchangeRows(seed)
	names, err := filepath.Glob(filepath.Join(dir, "peer-*.json"))
	if err != nil {
		return nil, err
	}
	out := make(map[string]any)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		m, c, err := boost.ParseXGBoost(b, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		z := *x
		var got []float32
		if c != nil {
			z.Schema = c.Schema()
			got = make([]float32, x.N*len(c.Classes()))
			c.PredictProba(got, &z, 0, x.N)
			if len(c.Classes()) == 2 { // XGBoost gives the second
				for i := range x.N {
					got[i] = got[2*i+1]
				}
				got = got[:x.N]
			}
		} else {
			z.Schema = m.Schema()
			p := make([]float64, x.N)
			m.Predict(p, &z, 0, x.N)
			got = narrow(p)
		}
		raw, err := os.ReadFile(strings.TrimSuffix(name, ".json") + ".want")
		if err != nil {
			return nil, err
		}
		want := make([]float32, len(got))
		if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, want); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		most := 0.0
		for i := range got {
			most = max(most, math.Abs(float64(got[i]-want[i])))
		}
		out[strings.TrimSuffix(filepath.Base(name), ".json")] = most
		if !(most < 1e-5) {
			return nil, fmt.Errorf("%s: predictions differ by %v", name, most)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no peer-*.json: run peer.py exchange first", dir)
	}
	return out, nil
}
