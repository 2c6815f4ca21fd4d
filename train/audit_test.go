package train

import (
	"context"
	"math"
	"strings"
	"testing"

	"apiml/frame"
	"apiml/model"
)

// found are the findings of a cross-validation, one per line.
func found(t *testing.T, p *recorder, spec model.Spec, opt Options) string {
	t.Helper()
	opt.Seed, opt.AuditRandom = 1, true
	r, err := CrossValidate(t.Context(), p.Problem, all(p.Rows), spec, opt)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, f := range r.Findings {
		if f.Level != "warning" {
			t.Errorf("a finding that is no warning: %+v", f)
		}
		s = append(s, f.What+": "+f.Detail)
	}
	for _, f := range r.Audit {
		if f.Level != "info" {
			t.Errorf("a warning among the checks that passed: %+v", f)
		}
	}
	return strings.Join(s, "\n")
}

// TestPlantedLeaks: each leak of the collection is found, by the name that
// belongs to it.
func TestPlantedLeaks(t *testing.T) {
	const n = 3000
	for _, c := range []struct {
		name  string
		plant func(p *recorder)
		split Split
		spec  model.Spec
		want  []string
	}{
		{"a column that only attackers set, low instead of high", func(p *recorder) {
			for i := range p.x.Cols[1] {
				p.x.Cols[1][i] = float32(i % 7)
				if p.Labels[i] > 0 {
					p.x.Cols[1][i] = -1
				}
			}
		}, GroupTime, classifierSpec(), []string{`single feature: column "b" alone separates attack from benign (AUC 1.0000`}},
		{"duplicate rows, random split", func(p *recorder) {
			for i := 1; i < n/2; i += 2 {
				p.Hash[i], p.Groups[i], p.Labels[i], p.Times[i] = p.Hash[i-1], p.Groups[i-1], p.Labels[i-1], p.Times[i-1]
				for _, col := range p.x.Cols {
					col[i] = col[i-1]
				}
			}
		}, Random, classifierSpec(), []string{"duplicates across folds: 39.9 %", "groups across folds", "duplicate rows"}},
		{"duplicate rows, honest split", func(p *recorder) {
			for i := 1; i < n; i += 2 {
				p.Hash[i], p.Groups[i], p.Labels[i], p.Times[i] = p.Hash[i-1], p.Groups[i-1], p.Labels[i-1], p.Times[i-1]
			}
		}, GroupTime, classifierSpec(), []string{"duplicate rows: 100 %"}},
		{"an id column in order", func(p *recorder) {
			for i := range p.x.Cols[2] {
				p.x.Cols[2][i] = float32(1_000_000 + i)
			}
		}, GroupTime, classifierSpec(), []string{`identifier: column "noise" numbers the rows in order`}},
		{"an id column, shuffled", func(p *recorder) {
			for i := range p.x.Cols[2] {
				p.x.Cols[2][i] = float32(i * 1013 % n)
			}
		}, GroupTime, classifierSpec(), []string{`identifier: column "noise" holds each number once`}},
		{"an agent that spells the label", func(p *recorder) {
			code := make([]int32, n)
			for i, l := range p.Labels {
				code[i] = int32(i%5) + 10*l
			}
			p.Fields = []Field{{"user agent", code}}
		}, GroupTime, classifierSpec(), []string{`label in a field: user agent alone separates attack`}},
		{"an agent that spells one class", func(p *recorder) {
			code := make([]int32, n)
			for i, l := range p.Labels {
				if code[i] = int32(i % 5); l == 2 {
					code[i] = 7
				}
			}
			p.Fields = []Field{{"user agent", code}}
		}, GroupTime, classifierSpec(), []string{`label in a field: user agent alone separates "xss"`}},
		{"a window that looks ahead", func(p *recorder) {
			window := func(rows int) *frame.Matrix { // attacks within five rows before and behind
				x := frame.NewMatrix(p.x.Schema, rows)
				for i := range rows {
					for k := max(0, i-5); k < min(rows, i+6); k++ {
						x.Cols[1][i] += float32(min(p.Labels[k], 1))
					}
				}
				return x
			}
			whole := window(n)
			p.x.Cols[1] = whole.Cols[1]
			p.Prefix = func(context.Context) (*frame.Matrix, *frame.Matrix, error) { return whole, window(n / 2), nil }
		}, GroupTime, classifierSpec(), []string{`future information: without the later rows the earlier ones change in "b"`}},
		{"scaling within the fold, on training and test rows", func(p *recorder) {
			p.Fold = func(_ context.Context, train, test []int) (*frame.Matrix, *frame.Matrix, error) {
				fit, eval := p.x.Select(train), p.x.Select(test)
				mean := 0.0
				for _, x := range []*frame.Matrix{fit, eval} {
					for _, v := range x.Cols[0] {
						mean += float64(v) / float64(fit.N+eval.N)
					}
				}
				for _, x := range []*frame.Matrix{fit, eval} {
					for i := range x.Cols[0] {
						x.Cols[0][i] -= float32(mean)
					}
				}
				return fit, eval, nil
			}
		}, GroupTime, classifierSpec(), []string{`fitted on test rows: the training features change with the test rows beside them, in "a"`}},
		{"scaling before the split", func(p *recorder) {
			var mean, sq float64
			for _, v := range p.x.Cols[0] {
				mean += float64(v) / n
				sq += float64(v) * float64(v) / n
			}
			for i := range p.x.Cols[0] {
				p.x.Cols[0][i] = float32((float64(p.x.Cols[0][i]) - mean) / math.Sqrt(sq-mean*mean))
			}
			p.Whole = func() *frame.Matrix { return p.x }
		}, GroupTime, classifierSpec(), []string{`scaled on all rows: column "a"`}},
		{"columns that tell who the principal is", func(p *recorder) {
			for i, g := range p.Groups {
				for j := range 3 {
					p.x.Cols[j][i] = float32(mix(g^uint64(j+1))%1000) / 1000
				}
				p.Labels[i] = int32(mix(g^9) % 2)
			}
		}, Random, nearestSpec(), []string{"random split: macro-F1 0.97", "shuffled labels", "groups across folds"}},
	} {
		p := newProblem(n, 11)
		c.plant(p)
		got := found(t, p, c.spec, Options{Split: c.split})
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q is not among\n%s", c.name, w, got)
			}
		}
		if lines := strings.Count(got, "\n") + 1; lines > len(c.want) && got != "" {
			t.Errorf("%s: more than was planted:\n%s", c.name, got)
		}
	}
}

// TestCleanAudit: 20 sets without a leak give at most one finding in all.
func TestCleanAudit(t *testing.T) {
	n := 0
	for seed := range uint64(20) {
		p := newProblem(2000, 100+seed)
		code := make([]int32, p.Rows)
		for i, g := range p.Groups {
			code[i] = int32(mix(g) % 12)
		}
		p.Fields = []Field{{"user agent", code}}
		p.Whole = func() *frame.Matrix { return p.x }
		p.Prefix = func(context.Context) (*frame.Matrix, *frame.Matrix, error) { return p.x, p.x.Select(all(500)), nil }
		if f := found(t, p, nearestSpec(), Options{}); f != "" {
			t.Logf("seed %d: %s", seed, f)
			n += strings.Count(f, "\n") + 1
		}
	}
	if n > 1 {
		t.Errorf("%d findings on 20 clean sets", n)
	}
}

// TestAcknowledged: a column that was named is passed over, others are not.
func TestAcknowledged(t *testing.T) {
	p := newProblem(1000, 3)
	code := make([]int32, p.Rows)
	for i, l := range p.Labels {
		code[i] = min(l, 1)
		p.x.Cols[0][i], p.x.Cols[1][i] = float32(code[i]), -float32(code[i])
	}
	p.Fields = []Field{{"user agent", code}}
	for n, names := range [][]string{{"A", "user agent", "b"}, {"b", "User Agent"}, {"a"}, {}} {
		if f := found(t, p, classifierSpec(), Options{Acknowledged: names}); strings.Count(f, "alone separates attack") != n {
			t.Errorf("acknowledged %q: %s", names, f)
		}
	}
}

// TestResume: folds kept by an interrupted run are not fitted again, and the
// result is the same; what does not fit is fitted again.
func TestResume(t *testing.T) {
	p := newProblem(1500, 21)
	for _, spec := range []model.Spec{classifierSpec(), detectorSpec(t)} {
		kept := map[int][]byte{}
		opt := Options{Seed: 3, Split: Random, Repeats: 2, Folds: 3, NoAudit: true, Save: func(f int, b []byte) error { kept[f] = b; return nil }}
		want, err := CrossValidate(t.Context(), p.Problem, all(1500), spec, opt)
		if err != nil {
			t.Fatal(err)
		}
		if len(kept) != 6 || len(want.Folds) != 6 || want.Rows != 3000 || !strings.Contains(want.Protocol, "2 times 3 folds, seeds 3 to 4") {
			t.Fatalf("%d folds kept, %d measured on %d rows: %s", len(kept), len(want.Folds), want.Rows, want.Protocol)
		}
		kept[4] = kept[4][:len(kept[4])/2]
		p.seen = nil
		opt.Load = func(f int) []byte { return kept[f] }
		got, err := CrossValidate(t.Context(), p.Problem, all(1500), spec, opt)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.seen) != 1 {
			t.Errorf("%s: %d folds were fitted again, want 1", spec.Name, len(p.seen))
		}
		if string(mustJSON(t, want)) != string(mustJSON(t, got)) {
			t.Errorf("%s: another result after an interruption", spec.Name)
		}
	}
}
