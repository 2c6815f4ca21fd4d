package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
	"apiml/model/dbscan"
)

func clustererSpec() model.Spec {
	return model.Spec{Name: "behavior", Role: model.RoleClusterer,
		Fit: func(ctx context.Context, x *frame.Matrix, config json.RawMessage, opt model.FitOptions) (model.Model, error) {
			c := dbscan.Default()
			if err := model.MergeConfig("behavior", config, &c); err != nil {
				return nil, err
			}
			if x.Class != nil || x.Target != nil {
				return nil, fmt.Errorf("a clusterer sees labels")
			}
			m, err := dbscan.Fit(ctx, x, c, opt)
			if err != nil {
				return nil, err
			}
			return m, nil
		}}
}

// blobs makes rows around k centres, of which the last tenth is scattered.
func blobs(n, k int, spread float64, seed uint64) *frame.Matrix {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &frame.Schema{Name: "blobs"}
	for _, name := range []string{"a", "b", "c"} {
		s.Columns = append(s.Columns, frame.Column{Name: name})
	}
	x := frame.NewMatrix(s, n)
	x.Class, x.Classes = make([]int32, n), []string{"none"}
	for i := range n {
		c := i % k
		for j := range x.Cols {
			x.Cols[j][i] = float32(10*(c>>j&1)) + float32(spread*rng.NormFloat64())
			if i >= n*9/10 {
				x.Cols[j][i] = float32(30 * rng.NormFloat64())
			}
		}
	}
	return x
}

func TestCrossValidateClusterer(t *testing.T) {
	x := blobs(600, 4, 0.5, 1)
	opt := Options{Folds: 4, Seed: 2, Workers: 1, CPU: func() float64 { return 1 }}
	r, err := CrossValidateClusterer(t.Context(), x, clustererSpec(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.Model != "behavior" || r.Rows != 600 || len(r.Folds) != 4 || r.Folds[0].Train != 480 || r.Folds[0].Test != 600 || r.Protocol == "" || len(r.Notes) == 0 {
		t.Errorf("result %+v", r)
	}
	if m := r.Metrics; m["clusters"].Pooled != 4 || m["ari"].Pooled < .9 || m["ari_unseen"].Pooled < .85 || m["silhouette"].Pooled < .7 ||
		m["noise_share"].Pooled < .05 || m["noise_share"].Pooled > .15 || m["ari"].Pooled != m["ari"].Mean || math.IsNaN(m["ari"].SD) {
		t.Errorf("metrics %+v", m)
	}
	if b := r.Baseline; math.Abs(b["ari"].Mean) > .05 || math.Abs(b["ari_unseen"].Mean) > .1 || b["silhouette"].Pooled >= r.Metrics["silhouette"].Pooled || math.IsNaN(b["silhouette"].Pooled) {
		t.Errorf("baseline %+v", b)
	}
	for _, f := range r.Folds {
		for name := range f.Metrics {
			if !known(name) {
				t.Errorf("metric %q is not in ClustererMetrics", name)
			}
		}
	}
	// Neither workers nor a second run change anything.
	want, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	opt.Workers = 4
	r, err = CrossValidateClusterer(t.Context(), x, clustererSpec(), opt)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("four workers give another result:\n%s\n%s", got, want)
	}
	for _, field := range []string{`"metrics":{"ari":{"mean":`, `"baseline":{"ari":`, `"folds":[{"train":480,`, `"findings":[]`, `"cpu_seconds":0`} {
		if !strings.Contains(string(want), field) {
			t.Errorf("no %s in %s", field, want)
		}
	}
}

func known(name string) bool {
	for _, m := range ClustererMetrics() {
		if m.Name == name {
			return m.Title != "" && m.Doc != ""
		}
	}
	return false
}

// TestClustererDoubts: where there is nothing to find, the result says so.
func TestClustererDoubts(t *testing.T) {
	for _, c := range []struct {
		config, what string
		clusters     float64
	}{
		{`{"eps":1e6}`, "one cluster", 1}, {`{"eps":1e-6}`, "no clusters", 0}, {`{"eps":0.05,"min_samples":4}`, "mostly noise", -1},
	} {
		r, err := CrossValidateClusterer(t.Context(), blobs(300, 2, 1, 3), clustererSpec(), Options{Config: json.RawMessage(c.config)})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range r.Findings {
			found = found || f.What == c.what
		}
		if !found || c.clusters >= 0 && r.Metrics["clusters"].Pooled != c.clusters {
			t.Errorf("%s: findings %+v, %v clusters", c.config, r.Findings, r.Metrics["clusters"].Pooled)
		}
		if s, ok := r.Metrics["silhouette"]; c.clusters >= 0 && ok && !math.IsNaN(s.Pooled) {
			t.Errorf("%s: silhouette %+v", c.config, s)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	}
}

func TestClustererErrors(t *testing.T) {
	x := blobs(100, 2, 1, 1)
	run := func(ctx context.Context, x *frame.Matrix, spec model.Spec, opt Options) error {
		_, err := CrossValidateClusterer(ctx, x, spec, opt)
		return err
	}
	other := clustererSpec()
	other.Role = model.RoleDetector
	none := clustererSpec()
	none.Fit = nil
	for want, err := range map[string]error{
		"9 rows are too few":     run(t.Context(), blobs(9, 2, 1, 1), clustererSpec(), Options{}),
		"0 rows are too few":     run(t.Context(), blobs(0, 2, 1, 1), clustererSpec(), Options{}),
		"a detector is no":       run(t.Context(), x, other, Options{}),
		"cannot fit":             run(t.Context(), x, none, Options{}),
		"1 folds":                run(t.Context(), x, clustererSpec(), Options{Folds: 1}),
		`unknown key "epsilon"`:  run(t.Context(), x, clustererSpec(), Options{Config: json.RawMessage(`{"epsilon":1}`)}),
		`cross-validate "behavi`: run(t.Context(), x, clustererSpec(), Options{Config: json.RawMessage(`{"eps":-1}`)}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q: %v", want, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	log := func(stage string, done, total int) {
		if strings.HasSuffix(stage, "fold 2/5") {
			cancel()
		}
	}
	if err := run(ctx, x, clustererSpec(), Options{Log: log}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	cancel()
}

func TestEvaluateClusterer(t *testing.T) {
	m, err := clustererSpec().Fit(t.Context(), &frame.Matrix{Schema: blobs(1, 2, 1, 1).Schema, Cols: blobs(600, 4, .5, 1).Cols, N: 600}, nil, model.FitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := m.(model.Clusterer)
	x := blobs(300, 4, .5, 9)
	r, err := EvaluateClusterer(t.Context(), c, x, Options{})
	if err != nil {
		t.Fatal(err)
	}
	labels := make([]int32, 300)
	c.Assign(labels, x, 0, 300)
	if s := r.Metrics["noise_share"].Pooled; s != evaluate.NoiseShare(labels) || r.Metrics["clusters"].Pooled != 4 || r.Metrics["silhouette"].Pooled < .7 || r.Rows != 300 {
		t.Errorf("metrics %+v", r.Metrics)
	}
	if _, err := EvaluateClusterer(t.Context(), c, blobs(0, 4, .5, 9), Options{}); err == nil {
		t.Error("evaluated on nothing")
	}
	x.Schema.Columns[0].Name = "z"
	if _, err := EvaluateClusterer(t.Context(), c, x, Options{}); err == nil || !strings.Contains(err.Error(), "fitted on other features") {
		t.Errorf("other columns: %v", err)
	}
}
