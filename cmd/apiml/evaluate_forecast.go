package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"apiml/forecast"
	"apiml/frame"
	"apiml/internal/atomicfile"
	"apiml/model"
	"apiml/model/catalog"
)

// m4Periods says what the first letter of an M4 name means: the step in hours
// and the season of the official scores in steps.
var m4Periods = map[byte]struct {
	hours  float64
	season int
}{
	'H': {1, 24}, 'D': {24, 1}, 'W': {7 * 24, 1}, 'M': {365.25 * 2, 12}, 'Q': {365.25 * 6, 4}, 'Y': {365.25 * 24, 1},
}

// evaluateM4 forecasts all series of an M4 file and scores them with the
// official formulas.
func (a *app) evaluateM4(o evaluateOptions) error {
	specs, err := catalog.Resolve(o.names)
	if err != nil {
		return withCode(exitUsage, err)
	}
	if len(specs) != 1 || specs[0].Name != "forecast" {
		return usagef("--m4-train goes with one model: apiml evaluate forecast --m4-train FILE --m4-test FILE")
	}
	if o.m4Train == "" || o.m4Test == "" {
		return usagef("--m4-train and --m4-test go together")
	}
	cfg := forecast.Default()
	if len(o.model) > 1 {
		return usagef("--model: one of %s, %s", strings.Join(forecast.Models(), ", "), forecast.Global)
	}
	if len(o.model) == 1 {
		cfg.Model = o.model[0]
	}
	set, season, err := readM4Set(o.m4Train, o.m4Test)
	if err != nil {
		return err
	}
	if o.m4First > 0 && o.m4First < len(set) {
		set = spread(set, o.m4First)
	}
	cpu := cpuSeconds()
	var r *forecast.SetScore
	if o.m4Forecasts != "" {
		given, err := readM4(o.m4Forecasts)
		if err != nil {
			return err
		}
		rows := make([][]float64, len(set))
		for i, s := range set {
			rows[i] = given.rows[s.Train.Name]
		}
		if r, err = forecast.ScoreSet(set, season, rows); err != nil {
			return inputf("%s: %v", o.m4Forecasts, err)
		}
		r.Chosen["forecasts of the file"] = len(set)
	} else {
		bar := a.progress("forecast series", int64(len(set)))
		r, err = forecast.EvaluateSet(a.ctx, set, season, cfg, model.FitOptions{Seed: a.cfg.Seed, Log: func(done, _ int) { bar.set(int64(done)) }})
		bar.done()
		if err != nil {
			return forecastError(err)
		}
	}
	cpu = cpuSeconds() - cpu
	for _, path := range o.outputs {
		if err := writeM4Rows(path, r); err != nil {
			return err
		}
	}
	if a.flags.json {
		return writeJSON(a.out, struct {
			jsonHead
			*forecast.SetScore
			CPU float64 `json:"cpu_seconds"`
		}{a.head("evaluate-forecast"), r, cpu})
	}
	rows := [][]string{
		{"apiml", strconv.FormatFloat(r.SMAPE, 'f', 3, 64), strconv.FormatFloat(r.MASE, 'f', 3, 64), strconv.FormatFloat(r.OWA, 'f', 3, 64)},
		{"Naive2", strconv.FormatFloat(r.Naive2.SMAPE, 'f', 3, 64), strconv.FormatFloat(r.Naive2.MASE, 'f', 3, 64), "1.000"},
	}
	if o.m4Forecasts != "" {
		rows[0][0] = "the file"
	}
	fmt.Fprintf(a.out, "%s series, horizon %d, season %d, %.1f CPU s\n", count(int64(r.Series)), r.Horizon, r.Season, cpu)
	if err := table(a.out, []string{"forecasts", ">sMAPE %", ">MASE", ">OWA"}, rows); err != nil {
		return err
	}
	if r.Points > 0 {
		fmt.Fprintf(a.out, "of %s test points %s lie in the 80 %% band, %s in the 95 %% band\n", count(int64(r.Points)), percent(r.Coverage80), percent(r.Coverage95))
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.Chosen)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, r.Chosen[name]))
	}
	fmt.Fprintf(a.out, "chosen: %s\n", strings.Join(parts, ", "))
	return nil
}

// spread is n series at equal distances.
func spread(set []forecast.SetSeries, n int) []forecast.SetSeries {
	out := make([]forecast.SetSeries, n)
	for i := range out {
		out[i] = set[i*len(set)/n]
	}
	return out
}

// m4File is a file of the competition: a name and values per line.
type m4File struct {
	names []string
	rows  map[string][]float64
}

// readM4Set joins the two files by name.
func readM4Set(trainPath, testPath string) ([]forecast.SetSeries, int, error) {
	train, err := readM4(trainPath)
	if err != nil {
		return nil, 0, err
	}
	test, err := readM4(testPath)
	if err != nil {
		return nil, 0, err
	}
	var set []forecast.SetSeries
	kind := train.names[0][0]
	period, ok := m4Periods[kind]
	if !ok {
		return nil, 0, inputf("%s: series %q: an M4 name begins with Y, Q, M, W, D or H", trainPath, train.names[0])
	}
	for _, name := range train.names {
		if name[0] != kind {
			return nil, 0, inputf("%s: series %q stands beside %q: a file holds series of one frequency", trainPath, name, train.names[0])
		}
		if test.rows[name] == nil {
			return nil, 0, inputf("%s has no series %q", testPath, name)
		}
		set = append(set, forecast.SetSeries{
			Train: frame.Series{Name: name, Step: int64(period.hours * 3600 * 1e6), Values: train.rows[name]},
			Test:  test.rows[name],
		})
	}
	return set, period.season, nil
}

// readM4 reads a CSV of a header line and lines of a name and values; lines may
// end early or in empty cells.
func readM4(path string) (*m4File, error) {
	text, done, err := openText(path)
	if err != nil {
		return nil, err
	}
	defer done()
	r := csv.NewReader(text)
	r.ReuseRecord, r.FieldsPerRecord = true, -1
	out := &m4File{rows: map[string][]float64{}}
	for first := true; ; first = false {
		rec, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, inputf("%s: %v", path, err)
		}
		if first {
			continue
		}
		line, _ := r.FieldPos(0)
		name := strings.TrimSpace(rec[0])
		if name == "" || out.rows[name] != nil {
			return nil, inputf("%s:%d: series %q: empty or twice", path, line, name)
		}
		values := []float64{}
		for i, cell := range rec[1:] {
			cell = strings.TrimSpace(cell)
			if cell == "" || cell == "NA" {
				continue
			}
			v, err := strconv.ParseFloat(cell, 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, inputf("%s:%d: value %d of series %q is %q, no number", path, line, i+1, name, cell)
			}
			values = append(values, v)
		}
		if len(values) == 0 {
			return nil, inputf("%s:%d: series %q has no value", path, line, name)
		}
		out.names = append(out.names, name)
		out.rows[name] = values
	}
	if len(out.names) == 0 {
		return nil, inputf("%s: no series", path)
	}
	return out, nil
}

// writeM4Rows writes scores and forecasts per series.
func writeM4Rows(path string, r *forecast.SetScore) error {
	out, err := atomicfile.Create(path, 0o644)
	if err != nil {
		return withCode(exitFailed, err)
	}
	defer out.Abort()
	w := csv.NewWriter(out)
	head := []string{"id", "chosen", "smape", "mase"}
	for i := range r.Horizon {
		head = append(head, "F"+strconv.Itoa(i+1))
	}
	if err := w.Write(head); err != nil {
		return err
	}
	num := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	for _, s := range r.Rows {
		rec := []string{s.Name, s.Chosen, num(s.SMAPE), num(s.MASE)}
		for _, v := range s.Forecast {
			rec = append(rec, num(v))
		}
		if err := w.Write(rec); err != nil {
			return err
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return out.Commit()
}
