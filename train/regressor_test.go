package train

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
	"apiml/model/boost"
	"apiml/traffic"
)

func boostSpec() model.Spec {
	return model.Spec{Name: "latency", Role: model.RoleRegressor,
		Fit: func(ctx context.Context, x *frame.Matrix, raw json.RawMessage, opt model.FitOptions) (model.Model, error) {
			c := boost.Default()
			if err := model.MergeConfig("latency", raw, &c); err != nil {
				return nil, err
			}
			return boost.Fit(ctx, x, c, opt)
		}}
}

// lines reads a gzip file below APIML_DATASETS; unset skips the test.
func lines(t *testing.T, name string) []string {
	t.Helper()
	dir := os.Getenv("APIML_DATASETS")
	if dir == "" {
		t.Skip("APIML_DATASETS is not set")
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	s := bufio.NewScanner(z)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		out = append(out, s.Text())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// realTable is a Table under construction.
type realTable struct {
	Table
}

func (t *realTable) text(name, v string) {
	t.column(name).Texts = append(t.column(name).Texts, v)
}

func (t *realTable) number(name string, v float64) {
	t.column(name).Numbers = append(t.column(name).Numbers, v)
}

func (t *realTable) column(name string) *TableColumn {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	t.Columns = append(t.Columns, TableColumn{Name: name})
	return &t.Columns[len(t.Columns)-1]
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// elbTable: endpoint, method and size of the AWS ELB log; the target is the sum
// of the three timers in ms.
func elbTable(t *testing.T) *Table {
	tab := &realTable{Table{Name: "aws_elb"}}
	line := regexp.MustCompile(`^(\S+) \S+ (\S+) \S+ (\S+) (\S+) (\S+) \S+ \S+ (\S+) \S+ "(\S+) (\S+) `)
	for _, l := range lines(t, "logs/aws_elb_classic_api_2015.log.gz") {
		m := line.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, m[1])
		if err != nil {
			t.Fatal(err)
		}
		sum := number(t, m[3]) + number(t, m[4]) + number(t, m[5])
		if number(t, m[3]) < 0 || number(t, m[4]) < 0 || number(t, m[5]) < 0 {
			continue // no answer
		}
		tab.Times = append(tab.Times, at.UnixMicro())
		tab.Target = append(tab.Target, 1000*sum)
		tab.text("endpoint", m[7]+" "+traffic.Template(m[7], m[8]))
		tab.text("method", m[7])
		tab.number("size", number(t, m[6]))
	}
	return &tab.Table
}

// haproxyTable: endpoint, method, frontend load of the HAProxy log; the target
// is Tt in ms.
func haproxyTable(t *testing.T) *Table {
	tab := &realTable{Table{Name: "haproxy"}}
	line := regexp.MustCompile(`\[(\d+/\w+/\d+:\d+:\d+:\d+\.\d+)\] \S+ (\S+)/\S+ \S+/(\d+) \S+ \S+ \S+ \S+ \S+ (\d+)/(\d+)/(\d+)/\S+ \S+ "(\S+)(?: (\S+))?`)
	for _, l := range lines(t, "logs/haproxy_http_2014.log.gz") {
		m := line.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		at, err := time.Parse("02/Jan/2006:15:04:05.000", m[1])
		if err != nil {
			t.Fatal(err)
		}
		tab.Times = append(tab.Times, at.UnixMicro())
		tab.Target = append(tab.Target, number(t, m[3]))
		tab.text("endpoint", traffic.Template(m[7], m[8]))
		tab.text("method", m[7])
		tab.text("backend", m[2])
		tab.number("length", float64(len(m[8])))
	}
	return &tab.Table
}

// spansTable: service and operation of the Train Ticket spans, in ms.
func spansTable(t *testing.T) *Table {
	tab := &realTable{Table{Name: "trainticket"}}
	r := csv.NewReader(strings.NewReader(strings.Join(lines(t, "latency/trainticket_api_spans_2023-01-29.csv.gz"), "\n")))
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range rows[1:] {
		tab.Times = append(tab.Times, int64(number(t, m[0])))
		tab.Target = append(tab.Target, number(t, m[1])/1000)
		tab.text("operation", m[2]+" "+m[3])
		tab.text("service", m[2])
		tab.text("kind", m[4])
	}
	return &tab.Table
}

// loraTable: the requests of an image service that succeeded, in ms.
func loraTable(t *testing.T) *Table {
	tab := &realTable{Table{Name: "lora"}}
	r := csv.NewReader(strings.NewReader(strings.Join(lines(t, "latency/alibaba_genai_lora_request_trace.csv.gz"), "\n")))
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	optional := func(s string) float64 {
		if s == "" {
			return math.NaN()
		}
		return number(t, s)
	}
	for _, m := range rows[1:] {
		if m[2] != "SUCCEED" || m[3] == "" {
			continue
		}
		at, err := time.Parse(time.DateTime, m[0])
		if err != nil {
			t.Fatal(err)
		}
		tab.Times = append(tab.Times, at.UnixMicro())
		tab.Target = append(tab.Target, 1000*number(t, m[3]))
		tab.text("checkpoint", m[9])
		tab.text("predict_type", m[1])
		for i, name := range []string{"prompt_length", "negative_prompt_length", "images", "steps"} {
			tab.number(name, optional(m[5+i]))
		}
		tab.number("lora", optional(m[10]))
	}
	return &tab.Table
}

// realTables are the four data sets; bar is the MAE in ms of the better median,
// as the data's description has it.
func realTables() []struct {
	name string
	make func(*testing.T) *Table
	bar  float64
} {
	return []struct {
		name string
		make func(*testing.T) *Table
		bar  float64
	}{{"elb", elbTable, 1.099}, {"haproxy", haproxyTable, 47.50}, {"trainticket", spansTable, 54.24}, {"lora", loraTable, 10_575}}
}

// TestRealTables: time-ordered 70/30 on real latencies, with the past. The mean
// MAE is below the bar and not above what XGBoost reaches with the same columns,
// objective and settings, 255 bins (testdata/latency_xgboost.py made the figures from what
// this test writes with LATENCY_DUMP=DIR), and quantiles cover their level within
// three points, or the result says by how much the test rows have drifted.
func TestRealTables(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "latency_xgboost.json"))
	if err != nil {
		t.Fatal(err)
	}
	var peer struct {
		Tables map[string]struct{ MAE []float64 }
	}
	if err := json.Unmarshal(text, &peer); err != nil {
		t.Fatal(err)
	}
	for _, c := range realTables() {
		t.Run(c.name, func(t *testing.T) {
			tab := c.make(t)
			tab.History, tab.TargetMicros = true, 1000
			if dir := os.Getenv("LATENCY_DUMP"); dir != "" {
				dumpTable(t, dir, c.name, tab)
			}
			var mae []float64
			for seed := range uint64(5) {
				opt := Options{Seed: seed + 1, Config: json.RawMessage(`{"bins": 255}`)}
				if seed > 0 { // quantiles are no part of the MAE and take most of the time
					opt.Config = json.RawMessage(`{"bins": 255, "quantiles": null}`)
				}
				r, err := EvaluateTable(t.Context(), tab, boostSpec(), opt)
				if err != nil {
					t.Fatal(err)
				}
				mae = append(mae, r.MAE)
				if seed > 0 {
					continue
				}
				t.Logf("MAE %.4f ms, %s %.4f; coverage %v, drift %v, notes %q", r.MAE, r.BaselineName, r.BaselineMAE, r.Coverage, r.Drift, r.Notes)
				if r.MAE > c.bar || r.MAE > r.BaselineMAE {
					t.Errorf("MAE %.3f ms, bar %.3f, own baseline %.3f", r.MAE, c.bar, r.BaselineMAE)
				}
				// The bars of the other two come from other rows or another endpoint.
				if (c.name == "elb" || c.name == "trainticket") && math.Abs(r.BaselineMAE-c.bar) > .005 {
					t.Errorf("baseline %.4f ms, the description has %.3f", r.BaselineMAE, c.bar)
				}
				for name, level := range map[string]float64{"p50": .5, "p95": .95, "p99": .99} {
					said := slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, name+" covers") })
					if off := math.Abs(r.Coverage[name]-level) > .03; off != said {
						t.Errorf("%s covers %.3f, a note on drift: %v", name, r.Coverage[name], said)
					}
				}
			}
			want := peer.Tables[c.name].MAE
			m, sd, _ := evaluate.MeanSD(mae)
			pm, psd, _ := evaluate.MeanSD(want)
			t.Logf("MAE %.4f ± %.4f, XGBoost %.4f ± %.4f", m, sd, pm, psd)
			if len(want) == 0 || m > pm+psd {
				t.Errorf("MAE %.4f, XGBoost %.4f ± %.4f", m, pm, psd)
			}
			// What keeps a level from holding is the drift: on rows of any time, the
			// same procedure covers within three points; within five on the 5,000 rows of
			// ELB, where the encoding of the texts knows the test rows' better than that of
			// the training rows, which leaves a fifth of them out.
			rng := rand.New(rand.NewPCG(1, 1))
			mixed := *tab
			mixed.History = false
			mixed.Times = slices.Clone(tab.Times)
			rng.Shuffle(len(mixed.Times), func(i, j int) { mixed.Times[i], mixed.Times[j] = mixed.Times[j], mixed.Times[i] })
			r, err := EvaluateTable(t.Context(), &mixed, boostSpec(), Options{Seed: 1, Config: json.RawMessage(`{"bins": 255}`)})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("without the order of time: coverage %v", r.Coverage)
			for name, level := range map[string]float64{"p50": .5, "p95": .95, "p99": .99} {
				tied := slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, name+" covers") && strings.Contains(n, "tick") })
				tolerance := .03
				if c.name == "elb" {
					tolerance = .05
				}
				if math.Abs(r.Coverage[name]-level) > tolerance && !tied {
					t.Errorf("without the order of time %s covers %.3f: %q", name, r.Coverage[name], r.Notes)
				}
			}
		})
	}
}

func TestTick(t *testing.T) {
	for _, c := range []struct {
		want   float64
		values []float64
	}{{1, []float64{0, 3, 17}}, {.001, []float64{.004, 1.25, 30}}, {100, []float64{300, 0, 12_000}}, {1e-6, []float64{.123456, 2}}, {0, []float64{math.Pi, 1}}, {1e6, nil}} {
		if got := tick(c.values); got != c.want {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
}

// dumpTable writes the columns of a table as EvaluateTable makes them, for
// latency_xgboost.py: NAME-K.f32 (K = 0 without, 1 with the past; column after
// column, training rows first), NAME.y (float64) and NAME.json.
func dumpTable(t *testing.T, dir, name string, tab *Table) {
	t.Helper()
	order := all(len(tab.Target))
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(tab.Times[a], tab.Times[b]) })
	cut := len(order) * 7 / 10
	write := func(name string, v any) {
		var b bytes.Buffer
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var columns []int
	for k, past := range [][]pastColumn{nil, tab.history(order, cut)} {
		fit, eval := tab.encode(order[:cut], order[cut:], past)
		var values []float32
		for j := range fit.Cols {
			values = append(append(values, fit.Cols[j]...), eval.Cols[j]...)
		}
		columns = append(columns, len(fit.Cols))
		write(fmt.Sprintf("%s-%d.f32", name, k), values)
	}
	write(name+".y", pickRows(tab.Target, order))
	text, err := json.Marshal(map[string]any{"rows": len(order), "fit": cut, "columns": columns, "unit": tab.unit(order[:cut])})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// regression makes a problem whose columns tell the target but for noise, in
// time order, with templates of different latency.
func regression(n int, seed uint64) *Regression {
	rng := rand.New(rand.NewPCG(seed, 1))
	schema := &frame.Schema{Name: "r", Columns: []frame.Column{{Name: "template"}, {Name: "load"}, {Name: "noise"}}}
	x := frame.NewMatrix(schema, n)
	p := &Regression{Name: "test", Rows: n, Target: make([]float64, n), Times: make([]int64, n), Groups: make([]uint64, n), Hash: make([]uint64, n), Template: make([]uint64, n)}
	for i := range n {
		k := rng.IntN(5)
		x.Cols[0][i], x.Cols[1][i], x.Cols[2][i] = float32(k), float32(rng.NormFloat64()), float32(rng.NormFloat64())
		p.Target[i] = .01 * math.Exp(.5*float64(k)+.6*float64(x.Cols[1][i])+.2*rng.NormFloat64())
		p.Times[i] = int64(i/2) * 1e6
		p.Groups[i], p.Hash[i], p.Template[i] = uint64(rng.IntN(50)), uint64(i), uint64(k)
	}
	p.Fold = func(_ context.Context, train, test []int) (*frame.Matrix, *frame.Matrix, error) {
		return x.Select(train), x.Select(test), nil
	}
	return p
}

func quick() json.RawMessage { return json.RawMessage(`{"rounds":40,"max_depth":4}`) }

func TestCrossValidateRegressor(t *testing.T) {
	p := regression(3000, 1)
	rows, held, rule := p.HoldOut()
	if len(held) != 600 || !strings.Contains(rule, "20 %") {
		t.Fatalf("%d held out: %s", len(held), rule)
	}
	opt := Options{Seed: 1, Config: quick()}
	r, err := CrossValidateRegressor(t.Context(), p, rows, boostSpec(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.Split != Time || len(r.Folds) != 5 || r.Rows != 2000 || len(r.Predictions.Score) != 2000 {
		t.Errorf("split %s, %d folds, %d rows, %d predictions", r.Split, len(r.Folds), r.Rows, len(r.Predictions.Score))
	}
	for f, fold := range r.Folds {
		if fold.Train != 400*(f+1) || fold.Test != 400 {
			t.Errorf("fold %d: %d and %d rows", f, fold.Train, fold.Test)
		}
	}
	for _, m := range RegressionMetrics() {
		s, ok := r.Metrics[m.Name]
		b, okB := r.Baseline[m.Name]
		if !ok || !okB || s.Pooled != s.Pooled || !(s.SD >= 0) {
			t.Errorf("%s: %+v, baseline %+v", m.Name, s, b)
		}
	}
	if len(r.Metrics) != len(RegressionMetrics()) {
		t.Errorf("%d metrics, %d are listed", len(r.Metrics), len(RegressionMetrics()))
	}
	// Pooled is over all rows: the predictions say the same.
	truth := pickRows(p.Target, r.Predictions.Rows)
	if got := evaluate.MAE(truth, r.Predictions.Score); got != r.Metrics["mae"].Pooled {
		t.Errorf("MAE %v, of the predictions %v", r.Metrics["mae"].Pooled, got)
	}
	if r.BaselineName != "template_median" || len(r.Baselines) != 2 {
		t.Errorf("baseline %q of %d", r.BaselineName, len(r.Baselines))
	}
	if m, b := r.Metrics["mae"].Pooled, r.Baseline["mae"].Pooled; m > .6*b {
		t.Errorf("MAE %v, baseline %v", m, b)
	}
	if c := r.Metrics["coverage_p95"].Pooled; c < .9 || c > .98 {
		t.Errorf("coverage of p95 %v", c)
	}
	// Other workers, same result; and it survives JSON.
	opt.Workers = 1
	other, err := CrossValidateRegressor(t.Context(), p, rows, boostSpec(), opt)
	if err != nil {
		t.Fatal(err)
	}
	a, err := MarshalResults([]*Result{r})
	if err != nil {
		t.Fatal(err)
	}
	b, err := MarshalResults([]*Result{other})
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Error("the number of workers changes the result")
	}
}

// TestRegressorBaseline: the median of the template in the training rows, exactly;
// and the global one is the headline where it is better.
func TestRegressorBaseline(t *testing.T) {
	b := FitMedians([]float64{1, 2, 9, 5, 7}, []uint64{3, 3, 3, 8, 8}, []float64{.5, .75})
	for template, want := range map[uint64][]float64{3: {2, 2, 5.5}, 8: {6, 6, 6.5}, 4: {5, 5, 7}} { // linear between neighbours, as numpy.quantile
		if got := b.Row(template); !slices.Equal(got, want) {
			t.Errorf("template %d: %v, want %v", template, got, want)
		}
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var back MedianBaseline
	if err := json.Unmarshal(text, &back); err != nil || back.Check() != nil || !slices.Equal(back.Row(3), b.Row(3)) {
		t.Errorf("%s: %v, %v", text, err, back.Check())
	}
	back.Median = back.Median[1:]
	if back.Check() == nil {
		t.Error("a damaged baseline is sound")
	}
	// Templates that change their latency half-way: their medians mislead.
	p := regression(1000, 2)
	for i := range p.Target {
		p.Target[i] = float64(p.Template[i])
		if i >= 500 {
			p.Target[i] = 4 - p.Target[i]
		}
	}
	rows, held, _ := p.HoldOut()
	f, err := FitRegressor(t.Context(), p, rows[:500], held, boostSpec(), Options{Config: quick()})
	if err != nil {
		t.Fatal(err)
	}
	if f.HeldOut.BaselineName != "global_median" {
		t.Errorf("baseline %q", f.HeldOut.BaselineName)
	}
	if len(f.HeldOut.Findings) == 0 || f.HeldOut.Findings[0].What != "baseline not beaten" {
		t.Errorf("findings %v", f.HeldOut.Findings)
	}
	p.Template = nil
	if f, err = FitRegressor(t.Context(), p, rows, held, boostSpec(), Options{Config: quick()}); err != nil || len(f.HeldOut.Baselines) != 1 {
		t.Errorf("without templates: %v, baselines %v", err, f.HeldOut.Baselines)
	}
}

func TestFitRegressor(t *testing.T) {
	p := regression(2000, 1)
	rows, held, _ := p.HoldOut()
	f, err := FitRegressor(t.Context(), p, rows, held, boostSpec(), Options{Seed: 1, Config: quick()})
	if err != nil {
		t.Fatal(err)
	}
	h := f.HeldOut
	if h.Rows != 400 || f.Fit.N != 1600 || f.Evaluate.N != 400 || f.Model.Kind() != boost.Kind {
		t.Errorf("%d held out, %d fitted", h.Rows, f.Fit.N)
	}
	if s := h.Metrics["mae"]; !(s.SD > 0 && s.SD < s.Pooled) || s.Mean != s.Pooled {
		t.Errorf("MAE %+v", s)
	}
	if s := h.Metrics["log_r2"]; !(s.Pooled > .8 && s.Pooled < 1 && s.SD > 0) {
		t.Errorf("log R² %+v", s)
	}
	again, err := EvaluateRegressor(t.Context(), f.Model, f.Evaluate, RegressorEvalOptions{Medians: f.Medians, Template: pickRows(p.Template, held), Seed: 1})
	if err != nil || again.Metrics["mae"] != h.Metrics["mae"] || again.Baseline["mae"] != h.Baseline["mae"] {
		t.Errorf("evaluated again: %+v, %v", again.Metrics["mae"], err)
	}
	alone, err := EvaluateRegressor(t.Context(), f.Model, f.Evaluate, RegressorEvalOptions{})
	if err != nil || len(alone.Notes) != 1 || !strings.Contains(alone.Notes[0], "no baseline") {
		t.Errorf("without a baseline: %v, %v", alone.Notes, err)
	}
	final, err := FitRegressor(t.Context(), p, append(slices.Clone(rows), held...), nil, boostSpec(), Options{Config: quick()})
	if err != nil || final.HeldOut != nil {
		t.Errorf("without held-out rows: %v", err)
	}
}

func TestRegressorRefusals(t *testing.T) {
	bad := regression(100, 1)
	bad.Target[5] = math.NaN()
	detector := boostSpec()
	detector.Role = model.RoleDetector
	none := boostSpec()
	none.Fit = nil
	for _, c := range []struct {
		p    *Regression
		rows []int
		spec model.Spec
		want string
	}{
		{regression(100, 1), nil, boostSpec(), "no rows"}, {bad, all(100), boostSpec(), "target NaN"},
		{regression(100, 1), all(100), detector, "detector"}, {regression(100, 1), all(100), none, "cannot fit"},
		{regression(1, 1), all(1), boostSpec(), "too few"},
	} {
		if _, err := CrossValidateRegressor(t.Context(), c.p, c.rows, c.spec, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := CrossValidateRegressor(ctx, regression(100, 1), all(100), boostSpec(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// table makes rows whose latency depends on the endpoint, on a number and on a
// level that drifts.
func table(n int, seed uint64) *Table {
	rng := rand.New(rand.NewPCG(seed, 2))
	tab := &Table{Name: "t", Columns: []TableColumn{{Name: "endpoint"}, {Name: "zone"}, {Name: "size"}}}
	for i := range n {
		k, size := rng.IntN(6), rng.ExpFloat64()
		tab.Columns[0].Texts = append(tab.Columns[0].Texts, fmt.Sprint("/", k))
		tab.Columns[1].Texts = append(tab.Columns[1].Texts, fmt.Sprint(rng.IntN(3)))
		tab.Columns[2].Numbers = append(tab.Columns[2].Numbers, size)
		tab.Times = append(tab.Times, int64(i)*500_000)
		level := .7 * math.Sin(float64(i)/60)
		tab.Target = append(tab.Target, 10*math.Exp(.4*float64(k)+.3*size+level+.2*rng.NormFloat64()))
	}
	tab.Columns[2].Numbers[3] = math.Inf(1)
	tab.Columns[2].Numbers[4] = math.NaN()
	return tab
}

func TestEvaluateTable(t *testing.T) {
	tab := table(2000, 1)
	opt := Options{Seed: 1, Config: quick()}
	off, err := EvaluateTable(t.Context(), tab, boostSpec(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if off.Rows != 2000 || off.Train != 1400 || off.Test != 600 || off.BaselineName != "median per endpoint" || len(off.Baselines) != 2 {
		t.Errorf("%+v", off)
	}
	tab.History, tab.TargetMicros = true, 1000
	on, err := EvaluateTable(t.Context(), tab, boostSpec(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if on.MAE > .9*off.MAE || on.MAE > on.BaselineMAE {
		t.Errorf("MAE %v with the past, %v without, baseline %v", on.MAE, off.MAE, on.BaselineMAE)
	}
	text, err := json.Marshal(on)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`"mae":`, `"baseline_mae":`, `"log_r2":`, `"coverage":{"p50":`, `"p95":`, `"p99":`} {
		if !strings.Contains(string(text), key) {
			t.Errorf("no %s in %s", key, text)
		}
	}
	// The baseline, by hand.
	byEndpoint := map[string][]float64{}
	for i := range 1400 {
		byEndpoint[tab.Columns[0].Texts[i]] = append(byEndpoint[tab.Columns[0].Texts[i]], tab.Target[i])
	}
	sum := 0.0
	for i := 1400; i < 2000; i++ {
		v := byEndpoint[tab.Columns[0].Texts[i]]
		slices.Sort(v)
		sum += math.Abs(tab.Target[i] - (v[(len(v)-1)/2]+v[len(v)/2])/2)
	}
	if math.Abs(sum/600-on.Baselines["median per endpoint"]) > 1e-9 {
		t.Errorf("baselines %v, by hand %v", on.Baselines, sum/600)
	}
	for name, damage := range map[string]func(*Table){
		"target": func(x *Table) { x.Target = slices.Clone(x.Target); x.Target[9] = -1 }, "times": func(x *Table) { x.Times = x.Times[1:] },
		"column": func(x *Table) { x.Columns = slices.Clone(x.Columns); x.Columns[0].Texts = nil }, "feature": func(x *Table) { x.Columns = nil },
	} {
		bad := *tab
		damage(&bad)
		if _, err := EvaluateTable(t.Context(), &bad, boostSpec(), opt); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTableHistory compares the columns of the past with their definition, and
// shows that a row's own target and those of running rows do not reach it.
func TestTableHistory(t *testing.T) {
	tab := table(400, 3)
	for i := range tab.Times {
		tab.Times[i] = tab.Times[i] / 1_500_000 * 1_500_000 // three rows at a time
		tab.Target[i] *= 100
	}
	tab.History, tab.TargetMicros = true, 1000
	order := all(400)
	past := tab.history(order, 280)
	unit := tab.unit(order[:280])
	for r := range order {
		now := tab.Times[r]
		for k, of := range []func(int) bool{func(int) bool { return true }, func(i int) bool { return tab.Columns[0].Texts[i] == tab.Columns[0].Texts[r] }} {
			var n [4]float64
			var sum, w [2]float64
			latest, last := int64(-1), math.NaN()
			for i := range order {
				if !of(i) {
					continue
				}
				for j, span := range []int64{1e6, 10e6, 60e6, 600e6} {
					if tab.Times[i] < now && tab.Times[i] >= now-span {
						n[j]++
					}
				}
				if end := tab.Times[i] + int64(math.Ceil(tab.Target[i]*1000)); end < now {
					v := math.Log1p(tab.Target[i] / unit)
					if end > latest {
						latest, last = end, v
					}
					for j, tau := range []float64{60e6, 600e6} {
						f := math.Exp(-float64(now-end) / tau)
						sum[j] += f * v
						w[j] += f
					}
				}
			}
			for c, want := range map[int]float64{0: last, 2: sum[0] / w[0], 3: sum[1] / w[1], 4: math.Log1p(n[0]), 5: math.Log1p(n[1]), 6: math.Log1p(n[2]), 7: math.Log1p(n[3])} {
				got := float64(past[8*k+c].values[r])
				if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-4 {
					t.Fatalf("row %d %q: %v, want %v", r, past[8*k+c].name, got, want)
				}
			}
		}
	}
}
