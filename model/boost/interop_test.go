package boost

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apiml/frame"
	"apiml/model"
)

// whole is mixed with codes that XGBoost takes: whole numbers from 0.
func whole(rows int, seed uint64) *frame.Matrix {
	x := mixed(rows, seed)
	for i, v := range x.Cols[3] {
		x.Cols[3][i] = (v + 20) / 10
	}
	return x
}

// TestGolden reads a file written by hand in XGBoost's layout, with a numeric
// and a categorical split, and compares with predictions worked out by hand.
func TestGolden(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "golden.xgboost.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, c, err := ParseXGBoost(b, nil, nil)
	if err != nil || c != nil {
		t.Fatal(err, c)
	}
	// base 0.5; tree 0: size < 2 ? (kind in {1, 4} ? 0.25 : -0.5) : 1, missing size
	// left, missing kind right; tree 1: size < 8 ? -0.125 : 2, missing size right. So
	// 0.5 + 0.25 - 0.125 = 0.625, 0.5 - 0.5 - 0.125 = -0.125, 0.5 + 1 + 2 = 3.5, ….
	n := float32(math.NaN())
	for _, row := range []struct {
		size, kind float32
		want       float64
	}{
		{1, 1, .625}, {1, 4, .625}, {1, 0, -.125}, {1, 9, -.125}, {1, 77, -.125},
		{2, 0, 1.375}, {math.Nextafter32(2, 0), 0, -.125}, {8, 1, 3.5}, {n, 4, 2.75}, {n, n, 2.75}, {1, n, .625},
	} {
		x := columnsOf(1, "size", "kind")
		x.Schema = m.Schema()
		x.Cols[0][0], x.Cols[1][0] = row.size, row.kind
		if got := predict(m, x)[0]; got != row.want {
			t.Errorf("size %v kind %v: %v, want %v", row.size, row.kind, got, row.want)
		}
	}
	if g := m.Importance(); g[0] != .75 || g[1] != .25 {
		t.Errorf("importance %v", g)
	}
	file, err := model.ReadFile(encodeModel(t, m))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(file); err != nil {
		t.Error(err)
	}
}

// TestXGBoostRound: what is exported and read again predicts the same.
func TestXGBoostRound(t *testing.T) {
	x, fresh := whole(1500, 1), whole(500, 2)
	for name, c := range variants() {
		c.Quantiles, c.Rounds = nil, 20
		for _, objective := range []string{SquaredError, SquaredLogError, AbsoluteError, Huber} {
			c.Objective = objective
			y := *x
			if objective == SquaredLogError {
				y.Target = make([]float64, x.N)
				for i, v := range x.Target {
					y.Target[i] = math.Exp(v)
				}
			}
			m := fit(t, &y, c, model.FitOptions{Seed: 7})
			b, err := m.AppendXGBoost(nil)
			if err != nil {
				t.Fatal(err)
			}
			r, _, err := ParseXGBoost(b, nil, nil)
			if err != nil {
				t.Fatal(name, err)
			}
			if r.Unit() != m.Unit() || r.seed != 7 {
				t.Errorf("%s, %s: unit %v, seed %d", name, objective, r.Unit(), r.seed)
			}
			r.schema.Name = x.Schema.Name
			want := predict(m, fresh)
			for i, v := range predict(r, fresh) {
				if math.Abs(v-want[i]) > 1e-6*(1+math.Abs(want[i])) && !unseen(m, fresh, i) {
					t.Fatalf("%s, %s, row %d: %v, want %v", name, objective, i, v, want[i])
				}
			}
		}
		c.Objective = ""
		for _, k := range []int{2, 3} {
			y, z := *x, *fresh
			y.Classes, z.Classes = x.Classes[:k], x.Classes[:k]
			y.Class, z.Class = make([]int32, x.N), make([]int32, fresh.N)
			for i, v := range x.Class {
				y.Class[i] = min(v, int32(k-1))
			}
			m := classify(t, &y, c, model.FitOptions{})
			b, err := m.AppendXGBoost(nil)
			if err != nil {
				t.Fatal(err)
			}
			_, r, err := ParseXGBoost(b, nil, y.Classes)
			if err != nil {
				t.Fatal(name, err)
			}
			r.schema.Name = x.Schema.Name
			p, q := make([]float32, k*z.N), make([]float32, k*z.N)
			m.PredictProba(p, &z, 0, z.N)
			r.PredictProba(q, &z, 0, z.N)
			for i := range p {
				if math.Abs(float64(p[i]-q[i])) > 1e-6 && !unseen2(m, fresh, i/k) {
					t.Fatalf("%s, %d classes, row %d: %v, want %v", name, k, i/k, q[i], p[i])
				}
			}
		}
	}
}

// unseen: the row has a code that the fit did not see.
func unseen(m *Model, x *frame.Matrix, i int) bool       { return m.core.unseen(x, i) }
func unseen2(m *Classifier, x *frame.Matrix, i int) bool { return m.core.unseen(x, i) }

func (m *core) unseen(x *frame.Matrix, i int) bool {
	for j := range m.cats {
		if v := x.Cols[j][i]; m.cats[j].codes != nil && v == v && m.cats[j].bin(v) != m.cats[j].bin(v) {
			return true
		}
	}
	return false
}

// TestXGBoostRefusals: what cannot be read is refused with its reason.
func TestXGBoostRefusals(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "golden.xgboost.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, want string }{
		{`"gbtree"`, `"gblinear"`, "gblinear"},
		{`"reg:squarederror"`, `"count:poisson"`, "count:poisson"},
		{`"num_target": "1"`, `"num_target": "3"`, "targets"},
		{`"base_score": "5E-1"`, `"base_score": "x"`, "base_score"},
		{`"left_children": [1, 3, -1, -1, -1]`, `"left_children": [1, 0, -1, -1, -1]`, "two parents"},
		{`"left_children": [1, 3, -1, -1, -1]`, `"left_children": [1, 9, -1, -1, -1]`, "children 9"},
		{`"left_children": [1, 3, -1, -1, -1]`, `"left_children": [1, 3, -1]`, "length"},
		{`"split_indices": [0, 1, 0, 0, 0]`, `"split_indices": [7, 1, 0, 0, 0]`, "column 7"},
		{`"categories": [1, 4]`, `"categories": [1]`, "categories"},
		{`"categories": [1, 4]`, `"categories": [1, -4]`, "category -4"},
		{`"tree_info": [0, 0]`, `"tree_info": [0, 5]`, "output 5"},
		{`"num_class": "0", "num_feature": "2"`, `"num_class": "0", "num_feature": "3"`, "columns"},
		{`"num_class": "0", "num_feature": "2"`, `"num_class": "0", "num_feature": "-3"`, "num_feature"},
		{`{`, `[`, "XGBoost model"},
	} {
		text := strings.Replace(string(b), c.from, c.to, 1)
		if text == string(b) {
			t.Fatalf("%q is not in the file", c.from)
		}
		if _, _, err := ParseXGBoost([]byte(text), nil, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %v", c.to, c.want, err)
		}
	}
	if _, _, err := ParseXGBoost(b, columnsOf(1, "a", "b").Schema, nil); err == nil || !strings.Contains(err.Error(), "size, kind") {
		t.Errorf("other columns: %v", err)
	}
	x := mixed(300, 1)
	c := plain(3, 3)
	c.Categorical = []string{"kind"} // has −20
	if _, err := fit(t, x, c, model.FitOptions{}).AppendXGBoost(nil); err == nil || !strings.Contains(err.Error(), "-20") {
		t.Errorf("a category below 0: %v", err)
	}
}

// FuzzParseXGBoost: no file crashes or loops, and what is read predicts numbers
// and can be stored.
func FuzzParseXGBoost(f *testing.F) {
	b, err := os.ReadFile(filepath.Join("testdata", "golden.xgboost.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	x := whole(200, 1)
	c := small()
	c.Rounds, c.Categorical = 3, []string{"kind"}
	c.Objective = SquaredError
	m, err := Fit(f.Context(), x, c, model.FitOptions{})
	if err != nil {
		f.Fatal(err)
	}
	if b, err = m.AppendXGBoost(nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, k, err := ParseXGBoost(b, nil, nil)
		if err != nil {
			return
		}
		var any model.Model = m
		columns := 0
		if k != nil {
			any = k
		}
		columns = len(any.Schema().Columns)
		if columns > 1000 {
			return
		}
		x := frame.NewMatrix(any.Schema(), 3)
		rng := rand.New(rand.NewPCG(1, 1))
		for j := range columns {
			x.Cols[j][0], x.Cols[j][1], x.Cols[j][2] = float32(rng.IntN(9)), float32(nan), -float32(rng.ExpFloat64())
		}
		if k != nil {
			p := make([]float32, 3*len(k.classes))
			k.PredictProba(p, x, 0, 3)
			for _, v := range p {
				if !(v >= 0 && v <= 1) {
					t.Fatalf("probability %v", v)
				}
			}
		} else {
			for _, v := range predict(m, x) {
				if v != v {
					t.Fatalf("prediction %v", v)
				}
			}
		}
		var file model.File
		if err := any.Encode(&file); err != nil {
			t.Fatal(err)
		}
		if k != nil {
			_, err = DecodeClassifier(&file)
		} else {
			_, err = Decode(&file)
		}
		if err != nil && !strings.Contains(err.Error(), "schema") {
			t.Fatal(err)
		}
	})
}

// TestONNX: the text of the graph is what internal/onnx tests; here, that every
// kind of model has one (make bench-trees runs them).
func TestONNX(t *testing.T) {
	x := whole(800, 1)
	for name, c := range variants() {
		c.Quantiles, c.Rounds = nil, 3
		if b, err := fit(t, x, c, model.FitOptions{}).AppendONNX(nil, "m", "test"); err != nil || !strings.Contains(string(b), "TreeEnsembleRegressor") {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		c.Objective = ""
		if b, err := classify(t, x, c, model.FitOptions{}).AppendONNX(nil, "m", "test"); err != nil || !strings.Contains(string(b), "TreeEnsembleClassifier") {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}
