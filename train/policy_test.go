package train

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apiml/frame"
	"apiml/model"
	"apiml/model/cache"
)

func policySpec() model.Spec {
	return model.Spec{Name: "cache", Role: model.RolePolicy, FitTrace: func(ctx context.Context, t *frame.Trace, config json.RawMessage, opt model.FitOptions) (model.Model, error) {
		c := cache.Default()
		if err := model.MergeConfig("cache", config, &c); err != nil {
			return nil, err
		}
		m, err := cache.Fit(ctx, t, c, opt)
		if err != nil {
			return nil, err
		}
		return m, nil
	}}
}

func policyProblem(requests int, sized bool) *PolicyProblem {
	rng := rand.New(rand.NewPCG(1, 0))
	p := &PolicyProblem{Name: "zipf", Synthetic: true, Trace: &frame.Trace{N: 2000}}
	z := rand.NewZipf(rng, 1.2, 4, 1999)
	for i := range requests {
		k := int32(z.Uint64())
		if i%50 > 35 { // scans
			k = int32((i / 2) % 2000)
		}
		p.Trace.Keys = append(p.Trace.Keys, k)
		if sized {
			p.Trace.Sizes = append(p.Trace.Sizes, 100+k%7*50)
		}
	}
	for _, name := range []string{"lru", "arc", "belady"} {
		p.Baselines = append(p.Baselines, PolicyBaseline{Name: name, Bound: name == "belady", Run: func(ctx context.Context, t *frame.Trace, capacity int64) ([]bool, error) {
			return cache.Run(ctx, name, t, capacity)
		}})
	}
	return p
}

func TestCrossValidatePolicy(t *testing.T) {
	p := policyProblem(20_000, true)
	keys := slices.Clone(p.Trace.Keys)
	r, err := CrossValidatePolicy(t.Context(), p, policySpec(), Options{Seed: 1, Workers: 1, Folds: 4})
	if err != nil {
		t.Fatal(err)
	}
	if r.Rows != 10_000 || len(r.Folds) != 4 || r.Folds[0].Test != 2500 || r.Folds[3].Train != 10_000 || r.BaselineName != "lru" || !r.Synthetic {
		t.Errorf("%+v", r)
	}
	for _, m := range PolicyMetrics(nil) {
		s, ok := r.Metrics[m.Name]
		if !ok || !(s.Pooled > 0 && s.Pooled < 1) || math.IsNaN(s.Mean) || math.IsNaN(s.SD) {
			t.Errorf("%s: %+v", m.Name, s)
		}
		for _, name := range []string{"lru", "arc", "belady"} {
			if _, ok := r.Baselines[name][m.Name]; !ok {
				t.Errorf("%s has no %s", name, m.Name)
			}
		}
		if r.Baselines["belady"][m.Name].Pooled < s.Pooled && strings.HasPrefix(m.Name, "hit_ratio") {
			t.Errorf("%s is above the bound: %v", m.Name, s)
		}
		if _, ok := r.Folds[1].Metrics[m.Name]; !ok {
			t.Errorf("fold without %s", m.Name)
		}
		if _, ok := r.Folds[1].Baseline[m.Name]; !ok {
			t.Errorf("fold without baseline %s", m.Name)
		}
	}
	// The figures by hand: LRU at 5 % of the objects, hits of the second half.
	seen := map[int32]bool{}
	for _, k := range p.Trace.Keys {
		seen[k] = true
	}
	h, err := cache.Run(t.Context(), "lru", &frame.Trace{Keys: p.Trace.Keys, N: p.Trace.N}, int64(math.Round(0.05*float64(len(seen)))))
	if err != nil {
		t.Fatal(err)
	}
	c := cache.Measure(p.Trace, h, 10_000, 20_000)
	if got := r.Baseline["hit_ratio@5%"].Pooled; got != c.HitRatio() {
		t.Errorf("LRU at 5 %%: %v, want %v", got, c.HitRatio())
	}
	// Counted from a request on: the last of four windows.
	late := *p
	late.From = 17_500
	last, err := CrossValidatePolicy(t.Context(), &late, policySpec(), Options{Seed: 1, Folds: 1})
	if err != nil {
		t.Fatal(err)
	}
	if last.Rows != 2500 || last.Metrics["hit_ratio"].Pooled != r.Folds[3].Metrics["hit_ratio"] {
		t.Errorf("from request 17,500: %d rows, %v, the window has %v", last.Rows, last.Metrics["hit_ratio"].Pooled, r.Folds[3].Metrics["hit_ratio"])
	}
	late.From = 20_000
	if _, err := CrossValidatePolicy(t.Context(), &late, policySpec(), Options{}); err == nil {
		t.Error("counting from behind the end")
	}
	if r.Metrics["hit_ratio"].Pooled < r.Baseline["hit_ratio"].Pooled-0.001 {
		t.Errorf("learned %v, LRU %v", r.Metrics["hit_ratio"], r.Baseline["hit_ratio"])
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "belady knows the future") }) {
		t.Errorf("notes %q", r.Notes)
	}
	again, err := CrossValidatePolicy(t.Context(), p, policySpec(), Options{Seed: 1, Workers: 4, Folds: 4})
	if err != nil {
		t.Fatal(err)
	}
	a, errA := json.Marshal(r)
	b, errB := json.Marshal(again)
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Errorf("the workers matter (%v, %v)", errA, errB)
	}
	if !slices.Equal(keys, p.Trace.Keys) {
		t.Error("the trace was changed")
	}
	final, err := FitPolicy(t.Context(), p, policySpec(), Options{Seed: 1, Folds: 4})
	if err != nil {
		t.Fatal(err)
	}
	if final.Model == nil || final.HeldOut.Metrics["hit_ratio"] != r.Metrics["hit_ratio"] {
		t.Errorf("final %+v", final.HeldOut)
	}
	ev, err := EvaluatePolicy(t.Context(), p, "cache", final.Model.(model.Policy), Options{Folds: 4})
	if err != nil || ev.Metrics["hit_ratio"] != r.Metrics["hit_ratio"] {
		t.Errorf("evaluated %+v, %v", ev, err)
	}
}

func TestPolicyOdd(t *testing.T) {
	p := policyProblem(3, false)
	r, err := CrossValidatePolicy(t.Context(), p, policySpec(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Metrics["byte_hit_ratio"]; ok || len(r.Folds) != 2 || len(r.Notes) != 2 {
		t.Errorf("%+v", r)
	}
	for want, change := range map[string]func(*PolicyProblem){
		"at least two requests": func(p *PolicyProblem) { p.Trace.Keys = p.Trace.Keys[:1] },
		"is not a share":        func(p *PolicyProblem) { p.Sizes = []float64{math.NaN()} },
		"at most 100":           func(p *PolicyProblem) { p.Sizes = make([]float64, 101) },
		"key -1 of 2000":        func(p *PolicyProblem) { p.Trace.Keys[1] = -1 },
		`replay "lru" at 1%: 0 ans`: func(p *PolicyProblem) {
			p.Baselines[0].Run = func(context.Context, *frame.Trace, int64) ([]bool, error) { return nil, nil }
		},
	} {
		p := policyProblem(100, false)
		change(p)
		if _, err := CrossValidatePolicy(t.Context(), p, policySpec(), Options{Workers: 1}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	p = policyProblem(100, false)
	if _, err := CrossValidatePolicy(t.Context(), p, model.Spec{Name: "cache"}, Options{}); err == nil {
		t.Error("a spec without FitTrace is taken")
	}
	if _, err := CrossValidatePolicy(t.Context(), p, policySpec(), Options{Config: json.RawMessage(`{"nope":1}`)}); err == nil || !strings.Contains(err.Error(), `"nope"`) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := CrossValidatePolicy(ctx, p, policySpec(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
