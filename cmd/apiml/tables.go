package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/klauspost/compress/gzip"

	"apiml/internal/atomicfile"
	"apiml/model/catalog"
	"apiml/model/dbscan"
	"apiml/train"
)

// openText opens a file for reading, .gz unpacked, a byte order mark skipped.
// done closes it.
func openText(path string) (r *bufio.Reader, done func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, withCode(exitInput, err)
	}
	r = bufio.NewReaderSize(f, 1<<16)
	if magic, _ := r.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(r)
		if err != nil {
			f.Close()
			return nil, nil, inputf("%s: %v", path, err)
		}
		r = bufio.NewReader(z)
	}
	if bom, _ := r.Peek(3); string(bom) == "\xef\xbb\xbf" {
		if _, err := r.Discard(3); err != nil {
			f.Close()
			return nil, nil, inputf("%s: %v", path, err)
		}
	}
	return r, func() { f.Close() }, nil
}

// openTable opens a CSV file and returns its header.
func openTable(path string) (*csv.Reader, []string, func(), error) {
	text, done, err := openText(path)
	if err != nil {
		return nil, nil, nil, err
	}
	r := csv.NewReader(text)
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		done()
		return nil, nil, nil, inputf("%s: no CSV header: %v", path, err)
	}
	return r, slices.Clone(header), done, nil
}

// evaluateTable fits a latency predictor on the first 70 % of a CSV's rows in
// time order and measures it on the rest.
func (a *app) evaluateTable(o evaluateOptions) error {
	specs, err := catalog.Resolve(append(o.names, o.model...))
	if err != nil {
		return withCode(exitUsage, err)
	}
	if len(specs) != 1 || specs[0].Name != "latency" {
		return usagef("--csv goes with one model: apiml evaluate latency --csv FILE --time C --target C --features C,C")
	}
	if o.timeCol == "" || o.target == "" || len(o.columns) == 0 {
		return usagef("--csv needs --time, --target and --features")
	}
	t, err := readTable(o)
	if err != nil {
		return err
	}
	res, err := train.EvaluateTable(a.ctx, t, specs[0], train.Options{Seed: a.cfg.Seed, CPU: cpuSeconds})
	if err != nil {
		return a.trainError(err)
	}
	if a.flags.json {
		b, err := res.MarshalJSON()
		if err != nil {
			return err
		}
		return a.printMerged("evaluate-latency", b)
	}
	rows := [][]string{
		{"MAE", fmt.Sprintf("%.6g", res.MAE)}, {"MAE of the " + res.BaselineName, fmt.Sprintf("%.6g", res.BaselineMAE)},
		{"median AE", fmt.Sprintf("%.6g", res.MedianAE)}, {"RMSE", fmt.Sprintf("%.6g", res.RMSE)}, {"R² (log)", ratio(res.LogR2)},
	}
	for _, l := range sortedKeys(res.Coverage) {
		rows = append(rows, []string{"coverage " + l, ratio(res.Coverage[l])}, []string{"drift at " + l, ratio(res.Drift[l])})
	}
	if err := table(a.out, []string{"metric", ">value"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "fitted on %s rows, measured on the last %s in time order\n", count(int64(res.Train)), count(int64(res.Test)))
	for _, n := range res.Notes {
		fmt.Fprintf(a.out, "  note: %s\n", clean(n))
	}
	return nil
}

// printMerged prints the head of a --json output and the fields of an object as
// one object.
func (a *app) printMerged(schema string, object []byte) error {
	h := a.head(schema)
	_, err := fmt.Fprintf(a.out, "{\"schema\": %q, \"tool_version\": %q, \"seconds\": %g, %s\n", h.Schema, h.Tool, h.Seconds, bytes.TrimPrefix(bytes.TrimSpace(object), []byte("{")))
	return err
}

func readTable(o evaluateOptions) (*train.Table, error) {
	r, header, done, err := openTable(o.csv)
	if err != nil {
		return nil, err
	}
	defer done()
	at := func(name string) (int, error) {
		i := slices.Index(header, name)
		if i < 0 {
			return 0, usagef("%s has no column %q: there are %s", o.csv, name, strings.Join(header, ", "))
		}
		return i, nil
	}
	ti, err := at(o.timeCol)
	if err != nil {
		return nil, err
	}
	yi, err := at(o.target)
	if err != nil {
		return nil, err
	}
	cols := make([]int, len(o.columns))
	for k, c := range o.columns {
		if cols[k], err = at(c); err != nil {
			return nil, err
		}
		if cols[k] == yi {
			return nil, usagef("--features holds the target %q", c)
		}
	}
	// Past targets help, as they would in service: what had finished before a row
	// began is known by then.
	t := &train.Table{Name: o.csv, History: true}
	text := make([][]string, len(cols))
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, inputf("%s: %v", o.csv, err)
		}
		line, _ := r.FieldPos(0)
		when, err := parseTime(rec[ti])
		if err != nil {
			return nil, inputf("%s:%d: time %q: %v", o.csv, line, rec[ti], err)
		}
		y, err := strconv.ParseFloat(strings.TrimSpace(rec[yi]), 64)
		if err != nil || !(y >= 0) || math.IsInf(y, 0) {
			return nil, inputf("%s:%d: target %q is no number of at least 0", o.csv, line, rec[yi])
		}
		t.Times, t.Target = append(t.Times, when), append(t.Target, y)
		for k, c := range cols {
			text[k] = append(text[k], strings.Clone(rec[c]))
		}
	}
	for k, c := range o.columns {
		col := train.TableColumn{Name: c}
		if nums, ok := numbers(text[k]); ok {
			col.Numbers = nums
		} else {
			col.Texts = text[k]
		}
		t.Columns = append(t.Columns, col)
	}
	return t, nil
}

// numbers parses a column; false if a value is neither a number nor empty.
func numbers(text []string) ([]float64, bool) {
	out := make([]float64, len(text))
	for i, s := range text {
		s = strings.TrimSpace(s)
		if s == "" || s == "-" {
			out[i] = math.NaN()
			continue
		}
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, false
		}
		out[i] = v
	}
	return out, true
}

// clusterTable runs plain DBSCAN on a numeric CSV.
func (a *app) clusterTable(o trainOptions) error {
	specs, err := catalog.Resolve(append(o.names, o.model...))
	if err != nil {
		return withCode(exitUsage, err)
	}
	if len(specs) != 1 || specs[0].Name != "behavior" {
		return usagef("--csv goes with one model: apiml train behavior --csv FILE --eps E --min-samples M")
	}
	hierarchy := o.algorithm == dbscan.HDBSCAN
	if hierarchy && !(o.eps >= 0) {
		return usagef("--eps %v: want 0 or a distance", o.eps)
	}
	if !hierarchy && (!(o.eps > 0) || math.IsInf(o.eps, 0)) {
		return usagef("--eps %v: want a radius above 0", o.eps)
	}
	if o.minSamples < 1 || hierarchy && o.minSamples < 2 {
		return usagef("--min-samples %d: want at least 1, of hdbscan 2", o.minSamples)
	}
	r, header, done, err := openTable(o.csv)
	if err != nil {
		return err
	}
	defer done()
	var points []float64
	add := func(rec []string, line int) error {
		for j, s := range rec {
			v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return inputf("%s:%d: column %d: %q is no number", o.csv, line, j+1, s)
			}
			points = append(points, v)
		}
		return nil
	}
	if _, ok := numbers(header); ok { // a file without a header
		if err := add(header, 1); err != nil {
			return err
		}
	}
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return inputf("%s: %v", o.csv, err)
		}
		line, _ := r.FieldPos(0)
		if err := add(rec, line); err != nil {
			return err
		}
	}
	if len(points) == 0 {
		return inputf("%s: no rows", o.csv)
	}
	cpu := cpuSeconds()
	var res dbscan.Result
	if hierarchy {
		res, err = dbscan.Hierarchy(a.ctx, points, len(header), dbscan.HierarchyOptions{MinSamples: o.minSamples, MinSize: o.minSamples, Eps: o.eps, Metric: o.metric})
	} else {
		res, err = dbscan.Plain(a.ctx, points, len(header), dbscan.Options{Eps: o.eps, MinSamples: o.minSamples, Metric: o.metric})
	}
	if err != nil {
		return a.trainError(err)
	}
	labels, clusters := res.Labels, res.Clusters
	cpu = cpuSeconds() - cpu
	noise := 0
	for _, l := range labels {
		if l < 0 {
			noise++
		}
	}
	if o.labels != "" {
		err := atomicfile.Write(o.labels, 0o644, func(w io.Writer) error {
			var b []byte
			for _, l := range labels {
				b = append(strconv.AppendInt(b[:0], int64(l), 10), '\n')
				if _, err := w.Write(b); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return withCode(exitFailed, err)
		}
	}
	if a.flags.json {
		return a.printJSON(struct {
			jsonHead
			Rows     int     `json:"rows"`
			Columns  int     `json:"columns"`
			Clusters int     `json:"clusters"`
			Noise    int     `json:"noise"`
			CPU      float64 `json:"cpu_seconds"`
			RSS      int64   `json:"peak_rss_bytes"`
			Labels   string  `json:"labels,omitempty"`
		}{a.head("train-behavior"), len(labels), len(header), clusters, noise, cpu, peakRSS(), o.labels})
	}
	return table(a.out, []string{">rows", ">columns", ">clusters", ">noise", ">CPU"}, [][]string{{count(int64(len(labels))), count(int64(len(header))), count(int64(clusters)), count(int64(noise)), seconds(cpu)}})
}

// peakRSS is the largest resident set of this process so far, in bytes.
func peakRSS() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Maxrss * 1024
}
