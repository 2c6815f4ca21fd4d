package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"

	"apiml/model"
)

func paramSpace() []model.Param {
	return []model.Param{{Name: "x", Lo: 0, Hi: 1}, {Name: "n", Lo: 1, Hi: 100, Log: true, Int: true}, {Name: "kind", Values: []any{"a", "b"}}}
}

// bowl is best at x = 0.7 with kind b; small shares see it through noise.
func bowl(calls *[]float64) Objective {
	return Objective{Metric: "f", Higher: true, Score: func(_ context.Context, config json.RawMessage, share float64) (float64, float64, error) {
		*calls = append(*calls, share)
		c := struct {
			X    float64
			Kind string
		}{X: 0.1, Kind: "a"}
		if err := json.Unmarshal(config, &c); err != nil {
			return 0, 0, err
		}
		if c.X > 0.95 {
			return 0, 0, errors.New("out of range")
		}
		v := 1 - (c.X-0.7)*(c.X-0.7)
		if c.Kind == "b" {
			v += 0.1
		}
		return v + 0.01*math.Sin(c.X*1000)*(1-share), 0.1, nil
	}}
}

func TestTune(t *testing.T) {
	var calls []float64
	s, err := Tune(t.Context(), paramSpace(), bowl(&calls), SearchOptions{Trials: 28, Halve: true, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, c := range calls {
		count[fmt.Sprintf("%.2f", c)]++
	}
	if count["0.11"] != 27 || count["0.33"] != 9 || count["1.00"] != 4 {
		t.Errorf("measurements by share: %v", count)
	}
	if *s.Best.Value < 1.09 || *s.Default.Value > 0.7 || s.Best.Share != 1 {
		t.Errorf("best %+v, default %v", s.Best, *s.Default.Value)
	}
	// Without halving every configuration is measured on all; the same seed draws
	// the same ones.
	var all []float64
	full, err := Tune(t.Context(), paramSpace(), bowl(&all), SearchOptions{Trials: 28, Seed: 1})
	if err != nil || len(all) != 28 || *full.Best.Value < *s.Best.Value {
		t.Errorf("%v, %d measurements, best %v", err, len(all), *full.Best.Value)
	}
	// An interrupted search goes on with the same result.
	var again []float64
	resumed, err := Tune(t.Context(), paramSpace(), bowl(&again), SearchOptions{Trials: 28, Halve: true, Seed: 1, Done: s.Trials[:20]})
	if err != nil || len(again) != len(calls)-20 || string(mustJSON(t, resumed)) != string(mustJSON(t, s)) {
		t.Errorf("resumed: %v, %d of %d measured again", err, len(again), len(calls))
	}
	// The budget ends it, but never before something was measured on all.
	var few []float64
	stopped, err := Tune(t.Context(), paramSpace(), bowl(&few), SearchOptions{Trials: 28, Halve: true, Seed: 1, Stop: func() bool { return true }})
	if err != nil || len(few) != 1 || !stopped.Stopped || string(stopped.Best.Config) != "{}" {
		t.Errorf("stopped: %v %+v", err, stopped)
	}
	if _, err := Tune(t.Context(), nil, bowl(&few), SearchOptions{}); err == nil {
		t.Error("no space, no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Tune(ctx, paramSpace(), bowl(&few), SearchOptions{Trials: 3}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestNest: the winner of the search is measured on rows that it has not seen.
func TestNest(t *testing.T) {
	p := newProblem(1200, 31)
	rows, _, _ := HoldOut(p.Problem)
	folds, used, _ := Splits(p.Problem, rows, Group, 3, 1)
	obj := ProblemObjective(p.Problem, folds[0].Train, classifierSpec(), Options{Folds: 3, Split: Group})
	p.seen = nil
	v, _, err := obj.Score(t.Context(), nil, 1./3)
	if err != nil || !(v > 0.5) {
		t.Fatalf("objective: %v %v", v, err)
	}
	in := map[int]bool{}
	for _, r := range folds[0].Train {
		in[r] = true
	}
	n := 0
	for _, f := range p.seen {
		for _, r := range append(f.Train, f.Test...) {
			if !in[r] {
				t.Fatal("the search saw a row of the outer test part")
			}
		}
		n = max(n, len(f.Train)+len(f.Test))
	}
	if n > len(folds[0].Train)/2 {
		t.Errorf("a third of %d rows is %d", len(folds[0].Train), n)
	}
	var winners []json.RawMessage
	for range folds {
		winners = append(winners, nil)
	}
	got, err := Nest(t.Context(), p.Problem, folds, used, winners, nil, classifierSpec(), Options{})
	if err != nil || len(got.Winner) != 3 || got.Winner[0] != got.Default[0] || !(got.Winner[2] > 0.5) {
		t.Errorf("nested: %v %+v", err, got)
	}
}
