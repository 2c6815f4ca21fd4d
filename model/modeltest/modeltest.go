// Package modeltest is the suite that every model of the catalogue passes: what
// a user may rely on whatever the algorithm. It judges no quality.
//
// A test calls Run for each Spec.
package modeltest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"apiml/frame"
	"apiml/model"
)

// suite is one model under test.
type suite struct {
	spec   model.Spec
	decode func(*model.File) (model.Model, error)
}

// Run runs the suite as subtests of t. decode reads a model back from its file:
// that of the catalogue.
func Run(t *testing.T, spec model.Spec, decode func(*model.File) (model.Model, error)) {
	if !spec.Available() {
		t.Fatalf("%s cannot be fitted", spec.Name)
	}
	if spec.Role != model.RoleClassifier && spec.Role != model.RoleDetector {
		runRoles(t, spec, decode)
		return
	}
	s := &suite{spec, decode}
	for _, check := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"describes itself", s.describes},
		{"configuration", s.configuration},
		{"same seed, same bytes", s.sameSeed},
		{"workers do not matter", s.workers},
		{"other seed, other model", s.otherSeed},
		{"saved and loaded", s.saveLoad},
		{"damaged arrays", s.damaged},
		{"input unchanged", s.inputUnchanged},
		{"blocks do not matter", s.blocks},
		{"range", s.inRange},
		{"contributions", s.contributions},
		{"odd data", s.oddData},
		{"no rows", s.noRows},
		{"infinite value", s.infinite},
		{"labels", s.labels},
		{"foreign columns", s.foreign},
		{"cancelled", s.cancelled},
		{"concurrent use", s.concurrent},
		{"no allocation per row", s.allocations},
	} {
		t.Run(check.name, check.run)
	}
}

// Matrix makes rows with what features have: noise, counts, flags, heavy tails,
// a constant, missing values, a column without any value, and rows that stand
// twice. Three classes, of which the columns tell something.
func Matrix(rows int, seed uint64) *frame.Matrix {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &frame.Schema{Name: "modeltest", State: "0a1b"}
	for _, name := range []string{"normal", "count", "flag", "tail", "constant", "gaps", "nothing", "noise"} {
		s.Columns = append(s.Columns, frame.Column{Name: name, Unit: "1"})
	}
	x := frame.NewMatrix(s, rows)
	x.Classes = []string{"none", "a", "b"}
	x.Class = make([]int32, rows)
	nan := float32(math.NaN())
	for i := range rows {
		if i%10 == 9 { // a duplicate
			for j := range x.Cols {
				x.Cols[j][i] = x.Cols[j][i-1]
			}
			x.Class[i] = x.Class[i-1]
			continue
		}
		c := rng.IntN(3)
		x.Class[i] = int32(c)
		x.Cols[0][i] = float32(rng.NormFloat64() + float64(c))
		x.Cols[1][i] = float32(rng.IntN(3 + 4*c))
		x.Cols[2][i] = float32(rng.IntN(2))
		x.Cols[3][i] = float32(math.Exp(3 * rng.NormFloat64()))
		x.Cols[4][i] = 7
		x.Cols[5][i] = float32(rng.NormFloat64() - float64(c))
		if rng.IntN(4) == 0 {
			x.Cols[5][i] = nan
		}
		x.Cols[6][i] = nan
		x.Cols[7][i] = float32(rng.NormFloat64())
	}
	return x
}

func (s *suite) fit(t *testing.T, x *frame.Matrix, opt model.FitOptions) model.Model {
	t.Helper()
	m, err := s.spec.Fit(t.Context(), x, nil, opt)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func encode(t *testing.T, m model.Model) []byte {
	t.Helper()
	var f model.File
	if err := m.Encode(&f); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// width is how many numbers a prediction has per row.
func width(m model.Model) int {
	if c, ok := m.(model.Classifier); ok {
		return len(c.Classes())
	}
	return 1
}

// predict writes the predictions of the rows lo ≤ i < hi.
func predict(m model.Model, dst []float32, x *frame.Matrix, lo, hi int) {
	if c, ok := m.(model.Classifier); ok {
		c.PredictProba(dst, x, lo, hi)
		return
	}
	m.(model.Detector).Score(dst, x, lo, hi)
}

func predictAll(m model.Model, x *frame.Matrix) []float32 {
	dst := make([]float32, x.Rows()*width(m))
	predict(m, dst, x, 0, x.Rows())
	return dst
}

func (s *suite) describes(t *testing.T) {
	x := Matrix(100, 1)
	m := s.fit(t, x, model.FitOptions{})
	if m.Kind() == "" {
		t.Error("no kind")
	}
	if err := frame.SameSchema(m.Schema(), x.Schema); err != nil {
		t.Error(err)
	}
	_, classifier := m.(model.Classifier)
	_, detector := m.(model.Detector)
	if classifier != (s.spec.Role == model.RoleClassifier) || detector != (s.spec.Role == model.RoleDetector) {
		t.Errorf("role %s, but classifier %v, detector %v", s.spec.Role, classifier, detector)
	}
	if c, ok := m.(model.Classifier); ok && !slices.Equal(c.Classes(), x.Classes) {
		t.Errorf("classes %v, fitted on %v", c.Classes(), x.Classes)
	}
	// The model must not hold on to what the caller may reuse.
	x.Schema.Columns[0].Name = "changed"
	if m.Schema().Columns[0].Name == "changed" {
		t.Error("the model shares its schema with the matrix")
	}
}

func (s *suite) configuration(t *testing.T) {
	x := Matrix(60, 1)
	text, err := json.Marshal(s.spec.Default())
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.spec.Fit(t.Context(), x, text, model.FitOptions{Seed: 5})
	if err != nil {
		t.Fatalf("the default configuration is refused: %v", err)
	}
	if !bytes.Equal(encode(t, m), encode(t, s.fit(t, x, model.FitOptions{Seed: 5}))) {
		t.Error("the default configuration, written out, gives another model")
	}
	_, err = s.spec.Fit(t.Context(), x, json.RawMessage(`{"no_such_key":1}`), model.FitOptions{})
	if err == nil || !strings.Contains(err.Error(), `"no_such_key"`) || !strings.Contains(err.Error(), "known:") {
		t.Errorf("unknown key: %v", err)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for key, value := range keys {
		wrong := "[]"
		if v := string(value); v == "null" || strings.HasPrefix(v, "[") {
			wrong = "7" // where a list belongs
		}
		_, err := s.spec.Fit(t.Context(), x, json.RawMessage(fmt.Sprintf(`{%q:%s}`, key, wrong)), model.FitOptions{})
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s = %s: %v", key, wrong, err)
		}
	}
}

func (s *suite) sameSeed(t *testing.T) {
	x := Matrix(500, 1)
	if !bytes.Equal(encode(t, s.fit(t, x, model.FitOptions{Seed: 3})), encode(t, s.fit(t, x, model.FitOptions{Seed: 3}))) {
		t.Error("two fits differ")
	}
}

func (s *suite) workers(t *testing.T) {
	x := Matrix(500, 1)
	one := encode(t, s.fit(t, x, model.FitOptions{Seed: 3, Workers: 1}))
	calls := 0
	four := encode(t, s.fit(t, x, model.FitOptions{Seed: 3, Workers: 4, Log: func(done, total int) {
		calls++ // the race detector sees calls that overlap
		if done != calls || done > total {
			t.Errorf("progress %d of %d in call %d", done, total, calls)
		}
	}}))
	if !bytes.Equal(one, four) {
		t.Error("four workers give another model than one")
	}
}

func (s *suite) otherSeed(t *testing.T) {
	x := Matrix(500, 1)
	a, b := s.fit(t, x, model.FitOptions{Seed: 3}), s.fit(t, x, model.FitOptions{Seed: 4})
	if slices.Equal(predictAll(a, x), predictAll(b, x)) {
		t.Error("the seed has no effect")
	}
}

func (s *suite) saveLoad(t *testing.T) {
	x := Matrix(700, 1)
	m := s.fit(t, x, model.FitOptions{Seed: 9})
	b := encode(t, m)
	f, err := model.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := s.decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encode(t, loaded), b) {
		t.Error("saved again, the file differs")
	}
	fresh := Matrix(300, 2)
	if !slices.Equal(predictAll(m, fresh), predictAll(loaded, fresh)) {
		t.Error("the loaded model predicts something else")
	}
	for i := range 20 {
		if !slices.Equal(contribute(m, fresh, i), contribute(loaded, fresh, i)) {
			t.Fatalf("row %d: the loaded model has other contributions", i)
		}
	}
}

// damaged changes, empties and drops each array. The file itself is sound, so
// Decode must notice, or the model must still predict without a crash.
func (s *suite) damaged(t *testing.T) {
	x := Matrix(80, 1)
	good := encode(t, s.fit(t, x, model.FitOptions{}))
	f, err := model.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, a := range f.Arrays() {
		for trial := range 40 {
			g := damagedCopy(t, f, a.Name, trial, rng)
			m, err := s.decode(g)
			if err != nil {
				continue
			}
			for _, p := range predictAll(m, x) {
				if !(p >= 0 && p <= 1) {
					t.Errorf("array %q damaged: prediction %v", a.Name, p)
				}
			}
			contribute(m, x, 0)
		}
	}
	for name, change := range map[string]func(*model.Header){
		"kind":    func(h *model.Header) { h.Kind = "nothing" },
		"schema":  func(h *model.Header) { h.Schema = frame.Schema{} },
		"config":  func(h *model.Header) { h.Config = json.RawMessage(`[]`) },
		"classes": func(h *model.Header) { h.Classes = nil },
	} {
		if name == "classes" && s.spec.Role != model.RoleClassifier {
			continue
		}
		g, err := model.ReadFile(good)
		if err != nil {
			t.Fatal(err)
		}
		change(&g.Header)
		if _, err := s.decode(g); err == nil {
			t.Errorf("damaged %s accepted", name)
		}
	}
}

// damagedCopy copies f with the named array emptied (trial 0), doubled (1), or
// with one byte changed.
func damagedCopy(t *testing.T, f *model.File, array string, trial int, rng *rand.Rand) *model.File {
	t.Helper()
	g := &model.File{Header: f.Header}
	for _, other := range f.Arrays() {
		change := func(b []byte) []byte { return b }
		if other.Name == array {
			change = func(b []byte) []byte {
				switch {
				case trial == 0:
					return nil
				case trial == 1:
					return append(b, b...)
				case len(b) > 0:
					b[rng.IntN(len(b))] = byte(rng.IntN(256))
				}
				return b
			}
		}
		if err := copyArray(g, f, other, change); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// copyArray copies an array from f to g with its bytes changed.
func copyArray(g, f *model.File, a model.ArrayInfo, change func([]byte) []byte) error {
	switch a.DType {
	case "F32":
		v, err := f.F32(a.Name)
		g.PutF32(a.Name, through(v, 4, change, math.Float32bits, math.Float32frombits))
		return err
	case "F64":
		v, err := f.F64(a.Name)
		g.PutF64(a.Name, through(v, 8, change, math.Float64bits, math.Float64frombits))
		return err
	case "I32":
		v, err := f.I32(a.Name)
		g.PutI32(a.Name, through(v, 4, change, func(v int32) uint32 { return uint32(v) }, func(b uint32) int32 { return int32(b) }))
		return err
	case "I64":
		v, err := f.I64(a.Name)
		g.PutI64(a.Name, through(v, 8, change, func(v int64) uint64 { return uint64(v) }, func(b uint64) int64 { return int64(b) }))
		return err
	case "U64":
		v, err := f.U64(a.Name)
		g.PutU64(a.Name, through(v, 8, change, func(v uint64) uint64 { return v }, func(b uint64) uint64 { return b }))
		return err
	case "U16":
		v, err := f.U16(a.Name)
		g.PutU16(a.Name, through(v, 2, change, func(v uint16) uint16 { return v }, func(b uint16) uint16 { return b }))
		return err
	case "U8":
		v, err := f.U8(a.Name)
		g.PutU8(a.Name, change(v))
		return err
	}
	return fmt.Errorf("modeltest: arrays of type %s are not handled", a.DType)
}

// through changes the little-endian bytes of v.
func through[T any, B uint16 | uint32 | uint64](v []T, size int, change func([]byte) []byte, bits func(T) B, from func(B) T) []T {
	var b []byte
	for _, x := range v {
		for k := range size {
			b = append(b, byte(bits(x)>>(8*k)))
		}
	}
	b = change(b)
	out := make([]T, len(b)/size)
	for i := range out {
		var x B
		for k := range size {
			x |= B(b[i*size+k]) << (8 * k)
		}
		out[i] = from(x)
	}
	return out
}

// bitsOf is all that a caller can see of a matrix, as text that can be compared
// with NaN in it.
func bitsOf(x *frame.Matrix) string {
	var b strings.Builder
	for _, c := range x.Cols {
		for _, v := range c {
			fmt.Fprintf(&b, "%08x", math.Float32bits(v))
		}
	}
	fmt.Fprint(&b, x.N, x.Class, x.Classes, x.Target, x.Group, x.Time, *x.Schema)
	return b.String()
}

func (s *suite) inputUnchanged(t *testing.T) {
	x := Matrix(200, 1)
	before := bitsOf(x)
	m := s.fit(t, x, model.FitOptions{})
	predictAll(m, x)
	contribute(m, x, 3)
	if bitsOf(x) != before {
		t.Error("the matrix was changed")
	}
}

func (s *suite) blocks(t *testing.T) {
	x := Matrix(400, 1)
	m := s.fit(t, x, model.FitOptions{})
	want := predictAll(m, x)
	w := width(m)
	for _, size := range []int{1, 2, 3, 63, 64, 65, 127, 128, 129, 399} {
		got := make([]float32, len(want))
		for lo := 0; lo < x.Rows(); lo += size {
			hi := min(lo+size, x.Rows())
			predict(m, got[lo*w:hi*w], x, lo, hi)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in blocks of %d rows the predictions differ", size)
		}
	}
	predict(m, nil, x, 5, 5) // no rows are no work
}

func (s *suite) inRange(t *testing.T) {
	x := Matrix(500, 1)
	m := s.fit(t, x, model.FitOptions{})
	s.checkRange(t, m, x)
	s.checkRange(t, m, Matrix(500, 2))
}

// checkRange checks what a prediction may be at all.
func (s *suite) checkRange(t *testing.T, m model.Model, x *frame.Matrix) {
	t.Helper()
	p := predictAll(m, x)
	w := width(m)
	for i := 0; i < len(p); i += w {
		sum := 0.0
		for _, v := range p[i : i+w] {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("row %d: %v is outside [0,1]", i/w, v)
			}
			sum += float64(v)
		}
		if s.spec.Role == model.RoleClassifier && math.Abs(sum-1) > 1e-5 {
			t.Fatalf("row %d: probabilities sum to %v", i/w, sum)
		}
	}
}

// contribute returns the contributions of all classes, one after the other, and
// the bias of each behind its columns.
func contribute(m model.Model, x *frame.Matrix, row int) []float64 {
	n := len(m.Schema().Columns)
	if d, ok := m.(model.Detector); ok {
		dst := make([]float64, n)
		d.Contributions(dst, x, row)
		return dst
	}
	c := m.(model.Classifier)
	var out []float64
	for class := range c.Classes() {
		dst := make([]float64, n)
		bias := c.Contributions(dst, x, row, class)
		out = append(append(out, dst...), bias)
	}
	return out
}

func (s *suite) contributions(t *testing.T) {
	x := Matrix(500, 1)
	m := s.fit(t, x, model.FitOptions{})
	fresh := Matrix(100, 2)
	p := predictAll(m, fresh)
	w := width(m)
	n := len(x.Cols)
	base := math.NaN()
	for i := range fresh.Rows() {
		got := contribute(m, fresh, i)
		if got[4] != 0 || got[6] != 0 {
			t.Fatalf("row %d: a constant or empty column contributes: %v", i, got)
		}
		if s.spec.Role == model.RoleDetector {
			// The sum is the distance from one and the same base score.
			rest := float64(p[i]) - sum(got)
			if i == 0 {
				base = rest
			}
			if math.Abs(rest-base) > 1e-5 {
				t.Fatalf("row %d: score %v less contributions is %v, of row 0 %v", i, p[i], rest, base)
			}
			continue
		}
		for c := range w {
			if v := sum(got[c*(n+1) : (c+1)*(n+1)]); math.Abs(v-float64(p[i*w+c])) > 1e-5 {
				t.Fatalf("row %d class %d: bias and contributions sum to %v, probability is %v", i, c, v, p[i*w+c])
			}
		}
	}
	// They are added, not written.
	dst := slices.Repeat([]float64{100}, n)
	if c, ok := m.(model.Classifier); ok {
		c.Contributions(dst, fresh, 0, 0)
	} else {
		m.(model.Detector).Contributions(dst, fresh, 0)
	}
	if math.Abs(dst[0]-100-contribute(m, fresh, 0)[0]) > 1e-9 {
		t.Error("contributions are not added to what dst holds")
	}
}

func sum(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s
}

func (s *suite) oddData(t *testing.T) {
	fill := func(x *frame.Matrix, v float32) {
		for _, c := range x.Cols {
			for i := range c {
				c[i] = v
			}
		}
	}
	for name, make := range map[string]func() *frame.Matrix{
		"one row":  func() *frame.Matrix { return Matrix(1, 1) },
		"two rows": func() *frame.Matrix { return Matrix(2, 1) },
		"constant": func() *frame.Matrix { x := Matrix(50, 1); fill(x, 3); return x },
		"missing":  func() *frame.Matrix { x := Matrix(50, 1); fill(x, float32(math.NaN())); return x },
		"largest": func() *frame.Matrix {
			x := Matrix(50, 1)
			x.Cols[0][3], x.Cols[0][4] = math.MaxFloat32, -math.MaxFloat32
			return x
		},
		"duplicates": func() *frame.Matrix { return Matrix(20, 1).Select(slices.Repeat([]int{3, 4, 5}, 30)) },
		"one class": func() *frame.Matrix {
			x := Matrix(50, 1)
			for i := range x.Class {
				x.Class[i] = 1
			}
			return x
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := make()
			m := s.fit(t, x, model.FitOptions{})
			s.checkRange(t, m, x)
			s.checkRange(t, m, Matrix(50, 2))
			missing := Matrix(30, 3)
			fill(missing, float32(math.NaN()))
			s.checkRange(t, m, missing)
			f, err := model.ReadFile(encode(t, m))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.decode(f); err != nil {
				t.Errorf("cannot be loaded: %v", err)
			}
			for _, v := range contribute(m, Matrix(3, 2), 0) {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("contribution %v", v)
				}
			}
		})
	}
}

func (s *suite) noRows(t *testing.T) {
	_, err := s.spec.Fit(t.Context(), Matrix(0, 1), nil, model.FitOptions{})
	if err == nil || !strings.Contains(err.Error(), "rows") {
		t.Errorf("error %v", err)
	}
}

func (s *suite) infinite(t *testing.T) {
	x := Matrix(50, 1)
	x.Cols[3][7] = float32(math.Inf(1))
	if _, err := s.spec.Fit(t.Context(), x, nil, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), "infinite") {
		t.Errorf("fitted on an infinite value: %v", err)
	}
	// A prediction takes it: a log may bring anything.
	m := s.fit(t, Matrix(50, 1), model.FitOptions{})
	x.Cols[3][8] = float32(math.Inf(-1))
	s.checkRange(t, m, x)
}

func (s *suite) labels(t *testing.T) {
	x := Matrix(300, 1)
	if s.spec.Role == model.RoleDetector {
		want := encode(t, s.fit(t, x, model.FitOptions{}))
		x.Class = nil
		x.Classes = nil
		if !bytes.Equal(encode(t, s.fit(t, x, model.FitOptions{})), want) {
			t.Error("a detector looked at the labels")
		}
		return
	}
	var rows []int
	for i := range x.Class {
		if i%3 == 1 {
			x.Class[i] = -1
		} else {
			rows = append(rows, i)
		}
	}
	if !bytes.Equal(encode(t, s.fit(t, x, model.FitOptions{})), encode(t, s.fit(t, x.Select(rows), model.FitOptions{}))) {
		t.Error("rows without a label change the model")
	}
	for i := range x.Class {
		x.Class[i] = -1
	}
	if _, err := s.spec.Fit(t.Context(), x, nil, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), "label") {
		t.Errorf("fitted without a label: %v", err)
	}
	x.Class = nil
	if _, err := s.spec.Fit(t.Context(), x, nil, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), "label") {
		t.Errorf("fitted without labels: %v", err)
	}
}

func (s *suite) foreign(t *testing.T) {
	m := s.fit(t, Matrix(50, 1), model.FitOptions{})
	other := Matrix(50, 1)
	other.Schema.Columns[1].Name = "other"
	for name, use := range map[string]func(){
		"predict":    func() { predictAll(m, other) },
		"contribute": func() { contribute(m, other, 0) },
	} {
		func() {
			defer func() {
				err, ok := recover().(error)
				if !ok || !strings.Contains(err.Error(), `column 1 is "other", not "count"`) {
					t.Errorf("%s on other columns: %v", name, err)
				}
			}()
			use()
		}()
	}
}

func (s *suite) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m, err := s.spec.Fit(ctx, Matrix(50, 1), nil, model.FitOptions{}); !errors.Is(err, context.Canceled) || m != nil {
		t.Errorf("cancelled before: %v, %v", m, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	log := func(done, total int) {
		if done == 2 {
			cancel()
		}
	}
	if m, err := s.spec.Fit(ctx, Matrix(50, 1), nil, model.FitOptions{Log: log}); !errors.Is(err, context.Canceled) || m != nil {
		t.Errorf("cancelled on the way: %v, %v", m, err)
	}
}

func (s *suite) concurrent(t *testing.T) {
	x := Matrix(200, 1)
	m := s.fit(t, x, model.FitOptions{})
	fitted := s.fit(t, x, model.FitOptions{}) // for the expected values: m must meet its first use concurrently
	want, contribution := predictAll(fitted, x), contribute(fitted, x, 1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if !slices.Equal(contribute(m, x, 1), contribution) || !slices.Equal(predictAll(m, x), want) {
				t.Error("used concurrently, the model predicts something else")
			}
		})
	}
	wg.Wait()
}

func (s *suite) allocations(t *testing.T) {
	x := Matrix(1000, 1)
	m := s.fit(t, x, model.FitOptions{})
	dst := make([]float32, x.Rows()*width(m))
	few := testing.AllocsPerRun(5, func() { predict(m, dst, x, 0, 200) })
	many := testing.AllocsPerRun(5, func() { predict(m, dst, x, 0, 1000) })
	// Scratch that is pooled may be dropped at any time (by the race detector it
	// is on purpose): a handful, not one per row.
	if many > few+8 || few > 10 {
		t.Errorf("%v allocations for 200 rows, %v for 1000", few, many)
	}
}
