// Package qualitytest holds the data sets on which tests compare tree ensembles
// with those of other libraries, and writes them for these. Only tests import
// it. It holds no rows of others: the real sets are read from APIML_DATASETS.
package qualitytest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"apiml/frame"
)

// Task is one data set of the comparison: the rows below fit are for fitting.
type Task struct {
	X           *frame.Matrix
	Fit         int      // rows
	Categorical []string // columns
}

// Tasks are the data sets by name. The real ones need APIML_DATASETS; without it
// the test is skipped.
func Tasks() map[string]func(t *testing.T) Task {
	return map[string]func(t *testing.T) Task{
		"imbalanced":  func(*testing.T) Task { return blobs(12000, 12, 4, 1, .97, 0, 0) },
		"noisy":       func(*testing.T) Task { return blobs(8000, 15, 3, 2, .5, .25, 0) },
		"missing":     func(*testing.T) Task { return blobs(8000, 12, 3, 3, .6, .05, .3) },
		"categories":  func(*testing.T) Task { return Categories(8000, false) },
		"friedman":    func(*testing.T) Task { return Friedman(4000) },
		"levels":      func(*testing.T) Task { return Categories(5000, true) },
		"cic":         cic,
		"csic":        csic,
		"elb":         elb,
		"trainticket": trainTicket,
	}
}

// Dump writes a task for the reference's script: NAME.f32 (columns one after the other),
// NAME.y (float64) and NAME.json.
func Dump(t *testing.T, dir, name string, k Task) {
	t.Helper()
	var cols, y bytes.Buffer
	for _, c := range k.X.Cols {
		if err := binary.Write(&cols, binary.LittleEndian, c); err != nil {
			t.Fatal(err)
		}
	}
	target := k.X.Target
	if target == nil {
		for _, c := range k.X.Class {
			target = append(target, float64(c))
		}
	}
	if err := binary.Write(&y, binary.LittleEndian, target); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"rows": k.X.N, "columns": len(k.X.Cols), "fit": k.Fit, "classes": len(k.X.Classes)})
	if err != nil {
		t.Fatal(err)
	}
	for suffix, b := range map[string][]byte{".f32": cols.Bytes(), ".y": y.Bytes(), ".json": text} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// MatrixOf is a matrix of zeros with columns c0, c1, ….
func MatrixOf(columns, rows int) *frame.Matrix {
	s := &frame.Schema{Name: "quality"}
	for j := range columns {
		s.Columns = append(s.Columns, frame.Column{Name: fmt.Sprintf("c%d", j)})
	}
	return frame.NewMatrix(s, rows)
}

// blobs makes classes of three Gaussian clusters each, the first class with the
// given share, with a share of wrong labels and of missing values, which are
// more frequent in class 1.
func blobs(rows, columns, classes int, seed uint64, first, wrong, missing float64) Task {
	rng := rand.New(rand.NewPCG(seed, 77))
	x := MatrixOf(columns, rows)
	x.Class = make([]int32, rows)
	centre := make([][]float64, 3*classes)
	for k := range centre {
		for range columns {
			centre[k] = append(centre[k], rng.NormFloat64())
		}
		x.Classes = x.Classes[:0]
	}
	for c := range classes {
		x.Classes = append(x.Classes, fmt.Sprint("k", c))
	}
	for i := range rows {
		c := 0
		if rng.Float64() >= first {
			c = 1 + rng.IntN(classes-1)
		}
		k := 3*c + rng.IntN(3)
		for j := range columns {
			v := centre[k][j] + 1.1*rng.NormFloat64()
			share := missing
			if c == 1 {
				share = 1.3 * missing
			}
			if rng.Float64() < share {
				v = math.NaN()
			}
			x.Cols[j][i] = float32(v)
		}
		if rng.Float64() < wrong {
			c = rng.IntN(classes)
		}
		x.Class[i] = int32(c)
	}
	return Task{X: x, Fit: rows * 7 / 10}
}

// Categories makes two columns of 150 and 12 categories whose effect has
// nothing to do with their code, and four numeric ones.
func Categories(rows int, regression bool) Task {
	rng := rand.New(rand.NewPCG(5, 78))
	x := MatrixOf(6, rows)
	many, few := make([]float64, 150), make([]float64, 12)
	for k := range many {
		many[k] = rng.NormFloat64()
	}
	for k := range few {
		few[k] = rng.NormFloat64()
	}
	x.Target = make([]float64, rows)
	for i := range rows {
		a, b := min(rng.IntN(150), rng.IntN(150)), rng.IntN(12)
		x.Cols[0][i], x.Cols[1][i] = float32(a), float32(b)
		for j := 2; j < 6; j++ {
			x.Cols[j][i] = float32(rng.NormFloat64())
		}
		x.Target[i] = many[a] + few[b]*float64(x.Cols[2][i]) + .5*rng.NormFloat64()
	}
	if !regression {
		x.Class, x.Classes = make([]int32, rows), []string{"low", "middle", "high"}
		for i, v := range x.Target {
			switch {
			case v > 1:
				x.Class[i] = 2
			case v > -1:
				x.Class[i] = 1
			}
		}
		x.Target = nil
	}
	return Task{X: x, Fit: rows * 7 / 10, Categorical: []string{"c0", "c1"}}
}

// Friedman is the first of Friedman's problems (MARS, Annals of Statistics 19,
// 1991, section 4.3), with five columns of noise.
func Friedman(rows int) Task {
	rng := rand.New(rand.NewPCG(6, 79))
	x := MatrixOf(10, rows)
	x.Target = make([]float64, rows)
	for i := range rows {
		var v [10]float64
		for j := range v {
			v[j] = rng.Float64()
			x.Cols[j][i] = float32(v[j])
		}
		x.Target[i] = 10*math.Sin(math.Pi*v[0]*v[1]) + 20*(v[2]-.5)*(v[2]-.5) + 10*v[3] + 5*v[4] + rng.NormFloat64()
	}
	return Task{X: x, Fit: rows * 7 / 10}
}

// dataset opens a file of APIML_DATASETS, unpacked; without the variable the
// test is skipped.
func dataset(t *testing.T, name string) io.Reader {
	t.Helper()
	dir := os.Getenv("APIML_DATASETS")
	if dir == "" {
		t.Skip("APIML_DATASETS is not set")
	}
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var r io.Reader = f
	switch filepath.Ext(name) {
	case ".gz":
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	case ".zst":
		z, err := zstd.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(z.Close)
		r = z
	}
	return r
}

// table makes a task of rows of numbers with a label or target, each different
// row once. The rows are cut 70/30, by a hash of the row if by is set, else in
// order.
func table(rows [][]float32, label []string, target []float64, byHash bool, categorical ...string) Task {
	seen := make(map[string]bool)
	type line struct {
		at   int
		hash uint64
	}
	var lines []line
	for i, r := range rows {
		h := fnv.New64a()
		var key []byte
		for _, v := range r {
			key = binary.LittleEndian.AppendUint32(key, math.Float32bits(v))
		}
		if byHash && seen[string(key)] {
			continue
		}
		seen[string(key)] = true
		h.Write(key)
		lines = append(lines, line{i, h.Sum64()})
	}
	if byHash {
		slices.SortStableFunc(lines, func(a, b line) int {
			switch {
			case a.hash < b.hash:
				return -1
			case a.hash > b.hash:
				return 1
			}
			return 0
		})
	}
	x := MatrixOf(len(rows[0]), len(lines))
	if label != nil {
		names := slices.Clone(label)
		slices.Sort(names)
		x.Classes = slices.Compact(names)
		x.Class = make([]int32, x.N)
	} else {
		x.Target = make([]float64, x.N)
	}
	for i, l := range lines {
		for j, v := range rows[l.at] {
			x.Cols[j][i] = v
		}
		if label != nil {
			c, _ := slices.BinarySearch(x.Classes, label[l.at])
			x.Class[i] = int32(c)
		} else {
			x.Target[i] = target[l.at]
		}
	}
	return Task{X: x, Fit: x.N * 7 / 10, Categorical: categorical}
}

func number(s string) float32 {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 32)
	if err != nil || math.IsInf(v, 0) {
		return float32(math.NaN())
	}
	return float32(v)
}

// cic is a sample of CIC-IDS2017 flows, without the destination port, each
// flow once, classes with less than 50 rows left out.
func cic(t *testing.T) Task {
	r := csv.NewReader(dataset(t, "cicids2017/cicids2017_westernoc2_union16k.csv.zst"))
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, l := range all[1:] {
		count[l[len(l)-1]]++
	}
	var rows [][]float32
	var label []string
	for _, l := range all[1:] {
		if count[l[len(l)-1]] < 50 {
			continue
		}
		var row []float32
		for j, s := range l[:len(l)-1] {
			if strings.TrimSpace(all[0][j]) != "Destination Port" {
				row = append(row, number(s))
			}
		}
		rows, label = append(rows, row), append(label, l[len(l)-1])
	}
	return table(rows, label, nil, true)
}

// csic is counts of characters in the requests of CSIC 2010.
func csic(t *testing.T) Task {
	r := csv.NewReader(dataset(t, "csic2010/csic_database.csv.zst"))
	r.LazyQuotes, r.FieldsPerRecord = true, -1
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]float32
	var label []string
	for _, l := range all[1:] {
		if len(l) < 17 {
			continue
		}
		url, body := l[16], l[14]
		path, query, _ := strings.Cut(url, "?")
		text := query + "&" + body
		var kind [6]float32 // letters, digits, percent signs, quotes and angles, other, longest value
		for _, v := range strings.Split(text, "&") {
			_, value, _ := strings.Cut(v, "=")
			kind[5] = max(kind[5], float32(len(value)))
		}
		for _, c := range []byte(text) {
			switch {
			case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
				kind[0]++
			case c >= '0' && c <= '9':
				kind[1]++
			case c == '%':
				kind[2]++
			case c == '\'' || c == '"' || c == '<' || c == '>' || c == ';':
				kind[3]++
			default:
				kind[4]++
			}
		}
		row := append([]float32{float32(len(path)), float32(strings.Count(path, "/")), float32(len(query)), float32(len(body)), float32(strings.Count(text, "="))}, kind[:]...)
		rows, label = append(rows, row), append(label, l[0])
	}
	return table(rows, label, nil, true)
}

// codes numbers strings in the order of their first occurrence.
func codes() func(string) float32 {
	of := map[string]float32{}
	return func(s string) float32 {
		c, ok := of[s]
		if !ok {
			c = float32(len(of))
			of[s] = c
		}
		return c
	}
}

// elb is the logarithm of the latency of requests of an AWS load balancer, from
// what is known before they are served; the last 30 % are for testing.
func elb(t *testing.T) Task {
	names, err := filepath.Glob(filepath.Join(os.Getenv("APIML_DATASETS"), "logs", "aws_elb_classic_api_2015*"))
	if os.Getenv("APIML_DATASETS") == "" {
		t.Skip("APIML_DATASETS is not set")
	}
	if err != nil || len(names) != 1 {
		t.Fatalf("logs/aws_elb_classic_api_2015*: %v, %v", names, err)
	}
	s := bufio.NewScanner(dataset(t, "logs/"+filepath.Base(names[0])))
	s.Buffer(nil, 1<<20)
	var rows [][]float32
	var target []float64
	method, route := codes(), codes()
	last := map[float32]float32{}
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) < 14 {
			continue
		}
		when, err := time.Parse(time.RFC3339Nano, f[0])
		sum := float64(number(f[4])) + float64(number(f[5])) + float64(number(f[6]))
		if err != nil || !(sum > 0) {
			continue
		}
		path, _, _ := strings.Cut(f[12], "?")
		path = strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return '0'
			}
			return r
		}, path)
		k := route(path)
		v := float32(math.Log(sum))
		rows = append(rows, []float32{method(f[11]), k, float32(when.Hour()), number(f[9]), last[k]})
		target = append(target, float64(v))
		last[k] = v
	}
	if len(rows) < 1000 {
		t.Fatalf("%d requests", len(rows))
	}
	return table(rows, nil, target, false)
}

// trainTicket is the logarithm of the duration of TrainTicket's spans, likewise.
// Without a clock: the test rows lie in minutes that the fit never saw.
func trainTicket(t *testing.T) Task {
	all, err := csv.NewReader(dataset(t, "latency/trainticket_api_spans_2023-01-29.csv.gz")).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all = all[1:]
	if len(all) > 20000 {
		all = all[:20000]
	}
	var rows [][]float32
	var target []float64
	service, operation, kind := codes(), codes(), codes()
	last := map[float32]float32{}
	for _, l := range all {
		d, err := strconv.ParseFloat(l[1], 64)
		if err != nil || d <= 0 {
			continue
		}
		k := operation(l[2] + l[3])
		rows = append(rows, []float32{service(l[2]), k, kind(l[4]), last[k]})
		target = append(target, math.Log(d))
		last[k] = float32(math.Log(d))
	}
	return table(rows, nil, target, false)
}
