// Command treebench measures the forests and boosted trees of apiml in CPU seconds, on data that
// it writes itself, so that another library can be measured on the same files:
// peer.py does that for scikit-learn, peers.sh runs both and prints the ratios.
//
//	treebench data DIR [SCALE]     write the data sets, with SCALE times the rows (1)
//	treebench TASK DIR [SEED [WORKERS]]
//
// Tasks: forest (fit and predict flows), small (fit, predict), cv (5 folds),
// isolation (fit and score), boost and boostcat (fit and predict), onnx (write models, rows and predictions for peer.py
// to run in onnxruntime), exchange (the same for XGBoost), import (predict with
// the models that XGBoost wrote). Each prints one line of JSON.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
	"apiml/model/forest"
	"apiml/model/iforest"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// set describes a data set: its files are NAME.f32 (columns one after the
// other, little-endian float32) and NAME.class (a byte per row).
type set struct {
	Name    string `json:"name"`
	Rows    int    `json:"rows"`
	Fit     int    `json:"fit"` // the first rows are for fitting
	Columns int    `json:"columns"`
	Classes int    `json:"classes"`
}

func sets(scale float64) []set {
	n := func(rows int) int { return max(1000, int(scale*float64(rows))) }
	return []set{
		{"flows", n(500_000), n(400_000), 78, 8},
		{"small", n(100_000), n(80_000), 30, 5},
		{"isolation", n(1_000_000), n(1_000_000), 20, 2},
	}
}

func run(args []string, out io.Writer) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: treebench data DIR [SCALE] | forest|small|cv|isolation|boost|boostcat|onnx|exchange|import DIR [SEED [WORKERS]]")
	}
	number := func(i int, or float64) float64 {
		if len(args) > i {
			if v, err := strconv.ParseFloat(args[i], 64); err == nil {
				return v
			}
		}
		return or
	}
	dir := args[1]
	seed, workers := uint64(number(2, 1)), int(number(3, 1))
	var result map[string]any
	var err error
	switch args[0] {
	case "data":
		return write(dir, number(2, 1))
	case "forest":
		result, err = fitForest(dir, "flows", seed, workers)
	case "small":
		result, err = fitForest(dir, "small", seed, workers)
	case "cv":
		result, err = crossValidate(dir, seed, workers)
	case "isolation":
		result, err = isolate(dir, seed, workers)
	case "boost":
		result, err = fitBoost(dir, "boost", 300, seed, workers)
	case "boostcat":
		result, err = fitBoost(dir, "boostcat", 300, seed, workers)
	case "exchange":
		result, err = writeExchange(dir, seed)
	case "import":
		result, err = readExchange(dir, seed)
	case "onnx":
		result, err = writeONNX(dir, seed)
	default:
		return fmt.Errorf("treebench: no task %q", args[0])
	}
	if err != nil {
		return err
	}
	result["rss_mib"] = rss()
	return json.NewEncoder(out).Encode(result)
}

// cpu is the CPU time of the process in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return math.NaN()
	}
	s := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)*1e-6 }
	return s(u.Utime) + s(u.Stime)
}

// rss is the largest memory of the process so far in MiB.
func rss() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return -1
	}
	return u.Maxrss / 1024
}

func fitForest(dir, name string, seed uint64, workers int) (map[string]any, error) {
	fit, test, err := read(dir, name)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	start := cpu()
	f, err := forest.Fit(ctx, fit, config(), model.FitOptions{Seed: seed, Workers: workers})
	if err != nil {
		return nil, err
	}
	fitted := cpu()
	fitRSS := rss()
	pred := make([]int32, test.N)
	f.Predict(pred, test, 0, test.N)
	predicted := cpu()
	proba := make([]float32, test.N*len(f.Classes()))
	f.PredictProba(proba, test, 0, test.N)
	probed := cpu()
	size, err := bytesOf(f)
	if err != nil {
		return nil, err
	}
	return map[string]any{"fit": fitted - start, "predict": predicted - fitted, "proba": probed - predicted,
		"macro_f1": evaluate.Confuse(test.Classes, test.Class, pred).MacroF1(), "model_bytes": size, "leaves": f.Size(), "rss_fit_mib": fitRSS}, nil
}

// config is what scikit-learn does by default.
func config() forest.Config {
	c := forest.Default()
	c.ClassWeight = "none"
	return c
}

func bytesOf(m model.Model) (int, error) {
	var file model.File
	if err := m.Encode(&file); err != nil {
		return 0, err
	}
	var b bytes.Buffer
	err := file.Write(&b)
	return b.Len(), err
}

// crossValidate fits on four fifths and predicts the fifth, five times. Row i is
// in fold i mod 5.
func crossValidate(dir string, seed uint64, workers int) (map[string]any, error) {
	fit, test, err := read(dir, "small")
	if err != nil {
		return nil, err
	}
	x := join(fit, test)
	start := cpu()
	pred := make([]int32, x.N)
	for fold := range 5 {
		var in, held []int
		for i := range x.N {
			if i%5 == fold {
				held = append(held, i)
			} else {
				in = append(in, i)
			}
		}
		f, err := forest.Fit(context.Background(), x.Select(in), config(), model.FitOptions{Seed: seed + uint64(fold), Workers: workers})
		if err != nil {
			return nil, err
		}
		eval := x.Select(held)
		p := make([]int32, eval.N)
		f.Predict(p, eval, 0, eval.N)
		for k, i := range held {
			pred[i] = p[k]
		}
	}
	return map[string]any{"fit": cpu() - start, "macro_f1": evaluate.Confuse(x.Classes, x.Class, pred).MacroF1()}, nil
}

func isolate(dir string, seed uint64, workers int) (map[string]any, error) {
	x, _, err := read(dir, "isolation")
	if err != nil {
		return nil, err
	}
	start := cpu()
	f, err := iforest.Fit(context.Background(), x, iforest.Default(), model.FitOptions{Seed: seed, Workers: workers})
	if err != nil {
		return nil, err
	}
	score := make([]float32, x.N)
	if err := model.Parallel(context.Background(), workers, (x.N+9999)/10000, nil, func(_, i int) error {
		lo, hi := i*10000, min((i+1)*10000, x.N)
		f.Score(score[lo:hi], x, lo, hi)
		return nil
	}); err != nil {
		return nil, err
	}
	used := cpu() - start
	size, err := bytesOf(f)
	if err != nil {
		return nil, err
	}
	wide := make([]float64, len(score))
	odd := make([]bool, len(score))
	for i, s := range score {
		wide[i], odd[i] = float64(s), x.Class[i] == 1
	}
	return map[string]any{"fit": used, "auc": auc(wide, odd), "model_bytes": size}, nil
}

// writeONNX fits a classifier, a regressor and an isolation forest on rows with
// missing values and a column of categories, and writes NAME.onnx, the rows to
// predict (onnx.f32, column after column) and NAME.want (float32).
func writeONNX(dir string, seed uint64) (map[string]any, error) {
	const rows, columns = 2000, 6
	rng := rand.New(rand.NewPCG(seed, 1))
	schema := &frame.Schema{Name: "onnx"}
	for j := range columns {
		schema.Columns = append(schema.Columns, frame.Column{Name: fmt.Sprintf("c%d", j)})
	}
	x := frame.NewMatrix(schema, rows)
	x.Classes, x.Class, x.Target = []string{"none", "odd", "rare"}, make([]int32, rows), make([]float64, rows)
	for i := range rows {
		for j := range columns {
			x.Cols[j][i] = float32(rng.NormFloat64())
		}
		kind := rng.IntN(12)
		x.Cols[5][i] = float32(kind)
		v := float64(x.Cols[0][i]) + 2*math.Sin(float64(kind)) + .3*rng.NormFloat64()
		x.Target[i] = v
		switch {
		case v > 2.5:
			x.Class[i] = 2
		case v > .8:
			x.Class[i] = 1
		}
		if j := rng.IntN(2 * columns); j < columns {
			x.Cols[j][i] = float32(math.NaN())
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	save := func(name string, v any) error {
		var b bytes.Buffer
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644)
	}
	var all []float32
	for _, c := range x.Cols {
		all = append(all, c...)
	}
	if err := save("onnx.f32", all); err != nil {
		return nil, err
	}
	ctx, opt := context.Background(), model.FitOptions{Seed: seed}
	c := forest.Default()
	c.Trees, c.Categorical = 50, []string{"c5"}
	f, err := forest.Fit(ctx, x, c, opt)
	if err != nil {
		return nil, err
	}
	proba := make([]float32, rows*len(x.Classes))
	f.PredictProba(proba, x, 0, rows)
	r := forest.DefaultRegressor()
	r.Trees, r.Categorical = 50, []string{"c5"}
	g, err := forest.FitRegressor(ctx, x, r, opt)
	if err != nil {
		return nil, err
	}
	pred := make([]float64, rows)
	g.Predict(pred, x, 0, rows)
	narrow := make([]float32, rows)
	for i, v := range pred {
		narrow[i] = float32(v)
	}
	h, err := iforest.Fit(ctx, x, iforest.Default(), opt)
	if err != nil {
		return nil, err
	}
	score := make([]float32, rows)
	h.Score(score, x, 0, rows)
	for _, m := range []struct {
		name string
		to   interface {
			AppendONNX(dst []byte, name, version string) ([]byte, error)
		}
		want []float32
	}{{"classifier", f, proba}, {"regressor", g, narrow}, {"detector", h, score}} {
		b, err := m.to.AppendONNX(nil, m.name, "bench")
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, m.name+".onnx"), b, 0o644); err != nil {
			return nil, err
		}
		if err := save(m.name+".want", m.want); err != nil {
			return nil, err
		}
	}
	return map[string]any{"models": 3, "rows": rows}, nil
}

// auc is the area under the ROC curve.
func auc(score []float64, odd []bool) float64 {
	order := make([]int, len(score))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case score[a] < score[b]:
			return -1
		case score[a] > score[b]:
			return 1
		}
		return 0
	})
	sum, n := 0.0, 0
	for i := 0; i < len(order); {
		k := i
		for k < len(order) && score[order[k]] == score[order[i]] {
			k++
		}
		for _, r := range order[i:k] {
			if odd[r] {
				sum += float64(i+k+1) / 2
				n++
			}
		}
		i = k
	}
	return (sum - float64(n)*float64(n+1)/2) / (float64(n) * float64(len(order)-n))
}

// write writes the data sets: always the same for the same scale.
func write(dir string, scale float64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, s := range regressions(scale) {
		if err := writeRegression(dir, s); err != nil {
			return err
		}
	}
	for _, s := range sets(scale) {
		var cols [][]float32
		var class []uint8
		if s.Name == "isolation" {
			cols, class = clusters(s)
		} else {
			cols, class = flows(s)
		}
		if err := os.WriteFile(filepath.Join(dir, s.Name+".class"), class, 0o644); err != nil {
			return err
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
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, s.Name+".json"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// flows makes rows that look like network flows: 80 % of class 0, the others
// ever rarer; each class has several habits, a habit sets the level of a few
// hidden causes, and the columns are what such causes leave: durations and
// sizes with heavy tails, counts with many zeros, flags, ratios of other
// columns, some that never change. 2 % of the labels are wrong.
func flows(s set) ([][]float32, []uint8) {
	rng := rand.New(rand.NewPCG(20170707, uint64(s.Rows*s.Columns)))
	const habits, causes = 6, 10
	level := make([][causes]float64, s.Classes*habits)
	for h := range level {
		for k := range level[h] {
			level[h][k] = 1.3 * rng.NormFloat64()
		}
	}
	type column struct {
		kind         int
		a, b         int // causes, or columns for a ratio
		wa, wb, tail float64
	}
	plan := make([]column, s.Columns)
	for j := range plan {
		plan[j] = column{kind: j % 6, a: rng.IntN(causes), b: rng.IntN(causes), wa: .5 + rng.Float64(), wb: rng.NormFloat64(), tail: .4 + rng.Float64()}
		if plan[j].kind == 4 && j > 1 { // a ratio of two columns before it
			plan[j].a, plan[j].b = rng.IntN(j), rng.IntN(j)
		}
		if j%13 == 12 {
			plan[j].kind = 6 // constant
		}
	}
	cols := make([][]float32, s.Columns)
	for j := range cols {
		cols[j] = make([]float32, s.Rows)
	}
	class := make([]uint8, s.Rows)
	share := make([]float64, s.Classes) // of the attacks, halving from class to class
	total := 0.0
	for c := 1; c < s.Classes; c++ {
		share[c] = math.Exp2(-.7 * float64(c))
		total += share[c]
	}
	row := make([]float64, s.Columns)
	for i := range s.Rows {
		c := 0
		if rng.Float64() >= .8 {
			u := rng.Float64() * total
			for c = 1; c < s.Classes-1 && u >= share[c]; c++ {
				u -= share[c]
			}
		}
		h := c*habits + min(rng.IntN(habits), rng.IntN(habits))
		var cause [causes]float64
		for k := range cause {
			cause[k] = level[h][k] + .9*rng.NormFloat64()
		}
		for j, p := range plan {
			v := p.wa*cause[p.a%causes] + p.wb*cause[p.b%causes]
			switch p.kind {
			case 0: // duration
				v = math.Exp(2*v*p.tail + .5*rng.NormFloat64())
			case 1: // count
				v = math.Floor(math.Exp(v*p.tail + .6*rng.NormFloat64()))
			case 2: // size, often zero
				if v = v + rng.NormFloat64(); v < .3 {
					v = 0
				} else {
					v = math.Floor(100 * v)
				}
			case 3: // flag
				if v+rng.NormFloat64() > 1 {
					v = 1
				} else {
					v = 0
				}
			case 4:
				if j > 1 {
					v = row[p.a] / (1 + math.Abs(row[p.b]))
				}
			case 5:
				v += rng.NormFloat64()
			case 6:
				v = 0
			}
			row[j] = v
			cols[j][i] = float32(v)
		}
		if rng.Float64() < .02 {
			c = rng.IntN(s.Classes)
		}
		class[i] = uint8(c)
	}
	return cols, class
}

// clusters makes rows of five clusters and 1 % of odd ones (class 1) between
// and around them.
func clusters(s set) ([][]float32, []uint8) {
	rng := rand.New(rand.NewPCG(20080101, uint64(s.Rows)))
	cols := make([][]float32, s.Columns)
	centre := make([][5]float64, s.Columns)
	for j := range cols {
		cols[j] = make([]float32, s.Rows)
		for k := range centre[j] {
			centre[j][k] = 3 * rng.NormFloat64()
		}
	}
	class := make([]uint8, s.Rows)
	for i := range s.Rows {
		k := rng.IntN(5)
		odd := rng.Float64() < .01
		if odd {
			class[i] = 1
		}
		for j := range cols {
			v := centre[j][k] + rng.NormFloat64()
			if odd && rng.Float64() < .4 {
				v = centre[j][k] + 6*rng.NormFloat64()
			}
			cols[j][i] = float32(v)
		}
	}
	return cols, class
}

// read returns the rows for fitting and those for testing.
func read(dir, name string) (fit, test *frame.Matrix, err error) {
	text, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		return nil, nil, err
	}
	var s set
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, nil, fmt.Errorf("%s.json: %w", name, err)
	}
	class, err := os.ReadFile(filepath.Join(dir, name+".class"))
	if err != nil {
		return nil, nil, err
	}
	schema := &frame.Schema{Name: name}
	for j := range s.Columns {
		schema.Columns = append(schema.Columns, frame.Column{Name: fmt.Sprintf("c%d", j)})
	}
	x := frame.NewMatrix(schema, s.Rows)
	f, err := os.Open(filepath.Join(dir, name+".f32"))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	for _, c := range x.Cols {
		// This machine's order of bytes is taken to be little-endian.
		if _, err := io.ReadFull(f, unsafe.Slice((*byte)(unsafe.Pointer(&c[0])), 4*len(c))); err != nil {
			return nil, nil, fmt.Errorf("%s.f32: %w", name, err)
		}
	}
	for c := range s.Classes {
		x.Classes = append(x.Classes, fmt.Sprintf("k%d", c))
	}
	x.Class = make([]int32, s.Rows)
	for i, c := range class {
		x.Class[i] = int32(c)
	}
	return part(x, 0, s.Fit), part(x, s.Fit, s.Rows), nil
}

// part is rows lo to hi of x without a copy.
func part(x *frame.Matrix, lo, hi int) *frame.Matrix {
	out := *x
	out.N = hi - lo
	out.Cols = make([][]float32, len(x.Cols))
	for j, c := range x.Cols {
		out.Cols[j] = c[lo:hi:hi]
	}
	out.Class = x.Class[lo:hi:hi]
	return &out
}

// join undoes part.
func join(a, b *frame.Matrix) *frame.Matrix {
	out := frame.NewMatrix(a.Schema, a.N+b.N)
	out.Classes = a.Classes
	for j := range out.Cols {
		copy(out.Cols[j][copy(out.Cols[j], a.Cols[j]):], b.Cols[j])
	}
	out.Class = append(slices.Clone(a.Class), b.Class...)
	return out
}
