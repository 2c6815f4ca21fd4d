package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"apiml/model"
)

// Objective is what a search improves.
type Objective struct {
	Metric string
	Higher bool // higher is better
	// Score measures a configuration on a share of the material, in (0,1]: the
	// mean over folds, and their standard deviation (NaN = not known).
	Score func(ctx context.Context, config json.RawMessage, share float64) (value, sd float64, err error)
}

// Trial is one measurement of a search.
type Trial struct {
	Outer  int             `json:"outer"`  // 0 = the search itself, k = inside the training part of outer fold k
	Number int             `json:"number"` // of the configuration; 0 = the defaults
	Share  float64         `json:"share"`  // of the material
	Config json.RawMessage `json:"config"`
	Value  *float64        `json:"value"` // null where the fit failed
	SD     *float64        `json:"sd,omitempty"`
	Error  string          `json:"error,omitempty"`
	CPU    float64         `json:"cpu_seconds"`
}

// SearchOptions of Search.
type SearchOptions struct {
	Trials int  // configurations, the defaults among them
	Halve  bool // successive halving, else each configuration is measured on all
	// Shares are the rungs of the halving, rising, the last 1: a third of each
	// bracket of configurations goes on to the next. nil = 1/9, 1/3, 1.
	Shares []float64
	Seed   uint64
	Outer  int // copied into the trials
	Base   json.RawMessage
	// Stop is asked before each measurement; true ends the search with what it
	// has. It must stay false until one configuration was measured on all.
	Stop func() bool
	// Done are measurements of an interrupted run with the same space, seed and
	// material; Keep is called with each new one.
	Done []Trial
	Keep func(Trial) error
	CPU  func() float64
}

// Search is the outcome: the best configuration that was measured on all of the
// material.
type Search struct {
	Metric  string  `json:"metric"`
	Best    Trial   `json:"best"`
	Default Trial   `json:"default"`
	Trials  []Trial `json:"trials"` // in the order in which they were measured
	Stopped bool    `json:"stopped,omitempty"`
}

// Tune searches space at random (Bergstra & Bengio 2012) in brackets of
// successive halving (Jamieson & Talwalkar 2016): nine configurations are
// measured on a ninth of the material, the best three of them on a third, the
// best of these on all. The defaults are measured on all first, so that a search
// never ends worse than it began by its own measure. Configuration i is drawn
// from PCG(seed, i): more trials extend a search, and the budget of time changes
// how many there are, not which.
func Tune(ctx context.Context, space []model.Param, obj Objective, opt SearchOptions) (*Search, error) {
	if len(space) == 0 {
		return nil, errors.New("tune: nothing to search: the model declares no space")
	}
	if opt.CPU == nil {
		opt.CPU = func() float64 { return 0 }
	}
	if opt.Shares == nil {
		opt.Shares = []float64{1. / 9, 1. / 3, 1}
	}
	if !opt.Halve {
		opt.Shares = []float64{1}
	}
	s := &Search{Metric: obj.Metric}
	measured := false // something on all of the material
	measure := func(number int, config json.RawMessage, share float64) (*Trial, error) {
		for i := range opt.Done {
			if t := &opt.Done[i]; t.Outer == opt.Outer && t.Number == number && math.Abs(t.Share-share) < 1e-9 && string(t.Config) == string(config) {
				s.Trials = append(s.Trials, *t)
				measured = measured || share == 1 && t.Value != nil
				return t, nil
			}
		}
		if measured && opt.Stop != nil && opt.Stop() {
			s.Stopped = true
			return nil, nil
		}
		t := Trial{Outer: opt.Outer, Number: number, Share: share, Config: config}
		cpu := opt.CPU()
		v, sd, err := obj.Score(ctx, config, share)
		t.CPU = opt.CPU() - cpu
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			t.Error = err.Error()
		case !math.IsNaN(v):
			t.Value = &v
			if !math.IsNaN(sd) {
				t.SD = &sd
			}
		}
		if opt.Keep != nil {
			if err := opt.Keep(t); err != nil {
				return nil, err
			}
		}
		measured = measured || share == 1 && t.Value != nil
		s.Trials = append(s.Trials, t)
		return &t, nil
	}
	better := func(a, b *Trial) bool { // strictly
		if a.Value == nil || b.Value == nil {
			return a.Value != nil && b.Value == nil
		}
		if obj.Higher {
			return *a.Value > *b.Value
		}
		return *a.Value < *b.Value
	}
	base := opt.Base
	if base == nil {
		base = json.RawMessage("{}")
	}
	first, err := measure(0, base, 1)
	if err != nil {
		return nil, err
	}
	s.Default = *first
	bracket := 1
	for range opt.Shares[1:] {
		bracket *= 3
	}
	for next := 1; next < opt.Trials && !s.Stopped; next += bracket {
		type candidate struct {
			number int
			config json.RawMessage
			last   *Trial
		}
		var alive []candidate
		for i := next; i < min(next+bracket, opt.Trials); i++ {
			c, err := model.DrawConfig(space, rand.New(rand.NewPCG(opt.Seed, uint64(i))))
			if err != nil {
				return nil, err
			}
			if c, err = overlay(base, c); err != nil {
				return nil, err
			}
			alive = append(alive, candidate{number: i, config: c})
		}
		for r, share := range opt.Shares {
			for k := range alive {
				t, err := measure(alive[k].number, alive[k].config, share)
				if err != nil {
					return nil, err
				}
				if t == nil { // out of time
					break
				}
				alive[k].last = t
			}
			if s.Stopped {
				break
			}
			slices.SortStableFunc(alive, func(a, b candidate) int {
				switch {
				case better(a.last, b.last):
					return -1
				case better(b.last, a.last):
					return 1
				}
				return 0
			})
			if r < len(opt.Shares)-1 {
				alive = alive[:max(1, (len(alive)+2)/3)]
			}
		}
	}
	s.Best = s.Default
	for i := range s.Trials {
		if t := &s.Trials[i]; t.Share == 1 && better(t, &s.Best) {
			s.Best = *t
		}
	}
	if s.Best.Value == nil {
		return nil, fmt.Errorf("tune: no configuration could be measured: %s", s.Default.Error)
	}
	return s, nil
}

// overlay merges the keys of over over those of base.
func overlay(base, over json.RawMessage) (json.RawMessage, error) {
	m := map[string]json.RawMessage{}
	for _, b := range []json.RawMessage{base, over} {
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf("tune: configuration: %w", err)
		}
	}
	return json.Marshal(m)
}

// TuneMetric is what a search for a role improves: macro-F1 of a classifier, the
// average precision of a detector (where there are labels), the mean absolute
// error of a regressor, the WAPE of a forecaster, the stability of a clusterer.
func TuneMetric(role model.Role) (name string, higher bool) {
	switch role {
	case model.RoleDetector:
		return "pr_auc", true
	case model.RoleRegressor:
		return "mae", false
	case model.RoleForecaster:
		return "wape", false
	case model.RoleClusterer:
		return "ari", true
	case model.RolePolicy:
		return "hit_ratio", true
	}
	return "macro_f1", true
}

// ProblemObjective measures configurations of spec by cross-validation on the
// given rows of p: of a share below 1 on whole groups that make up about that
// share, the same ones for every configuration.
func ProblemObjective(p *Problem, rows []int, spec model.Spec, opt Options) Objective {
	opt = opt.withDefaults()
	opt.NoAudit, opt.Load, opt.Save = true, nil, nil
	name, higher := TuneMetric(spec.Role)
	return Objective{Metric: name, Higher: higher, Score: func(ctx context.Context, config json.RawMessage, share float64) (float64, float64, error) {
		o := opt
		o.Config = config
		some := rows
		if share < 1 {
			some = wholeGroups(p, rows, max(1, int(share*float64(len(rows)))), opt.Seed)
		}
		r, err := CrossValidate(ctx, p, some, spec, o)
		if err != nil {
			return 0, 0, err
		}
		m, ok := r.Metrics[name]
		if !ok {
			return 0, 0, fmt.Errorf("%s is not defined on these rows", name)
		}
		return m.Pooled, m.SD, nil
	}}
}

// Nested is the score of a search as a whole: it is run inside the training part
// of each outer fold, and its winner measured on the test part, which no choice
// has seen (Varma & Simon 2006).
type Nested struct {
	Metric  string    `json:"metric"`
	Split   Split     `json:"split"`
	Winner  []float64 `json:"winner"`  // per outer fold
	Default []float64 `json:"default"` // the defaults on the same folds
}

// Nest measures the winners of the searches (one per outer fold) and the
// defaults.
func Nest(ctx context.Context, p *Problem, folds []Fold, used Split, winners []json.RawMessage, base json.RawMessage, spec model.Spec, opt Options) (*Nested, error) {
	name, _ := TuneMetric(spec.Role)
	n := &Nested{Metric: name, Split: used}
	for f, fold := range folds {
		for i, config := range []json.RawMessage{winners[f], base} {
			o := opt
			o.Config, o.Threshold, o.Importance = config, nil, 0
			final, err := Fit(ctx, p, fold.Train, fold.Test, spec, o)
			if err != nil {
				return nil, err
			}
			v := math.NaN()
			if m, ok := final.HeldOut.Metrics[name]; ok {
				v = m.Pooled
			}
			if i == 0 {
				n.Winner = append(n.Winner, v)
			} else {
				n.Default = append(n.Default, v)
			}
		}
	}
	return n, nil
}
