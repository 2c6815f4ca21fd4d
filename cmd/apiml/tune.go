package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"apiml/evaluate"
	"apiml/features"
	"apiml/frame"
	"apiml/internal/atomicfile"
	"apiml/internal/plot"
	"apiml/model"
	"apiml/store"
	"apiml/train"
)

type tuneOptions struct {
	model   string
	data    []string
	truth   []string
	iter    int
	budget  time.Duration
	cv      int
	split   string
	outer   int
	params  string
	full    bool
	fresh   bool
	profile string
	outputs []string
}

func (a *app) tuneCommand() *cobra.Command {
	var o tuneOptions
	cmd := &cobra.Command{
		Use:   "tune MODEL",
		Short: "Search the parameters of a model, with a score that the search has not seen",
		Long: `Tune draws configurations at random from the space that the model declares and
compares them by cross-validation, on the rows that train would fit on: the rows
that train sets aside are not looked at. By successive halving most configurations
are measured on a part of the rows only. The defaults take part.

The figure of the best of many is too good by the choice. So the search is run
again inside each of --outer folds, and what it chooses there is measured on rows
that it has not seen: that is the nested score, beside the defaults on the same
folds. For latency and forecast the rows that train sets aside give it, for cache
the last fifth of the accesses, for behavior half of the principals.

The winner is written as a file for train --params. An interrupted search goes on
where it stopped when it is started again with the same data and flags.`,
		Example: `  apiml tune attack --n-iter 100 --budget 10m
  apiml tune latency --n-iter 30 -o latency.params.yaml -o search.html
  apiml tune attack-flows --data cicids.csv --cv 3 --cv-scheme random --json
  apiml train attack --params attack.params.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				if o.model != "" {
					return usagef("give the model once, not as %q and with --model %q", args[0], o.model)
				}
				o.model = args[0]
			}
			switch {
			case o.model == "":
				return usagef("which model? such as: apiml tune attack")
			case o.iter < 1:
				return usagef("--n-iter %d: want at least 1", o.iter)
			case o.cv < 2:
				return usagef("--cv %d: want at least 2 folds", o.cv)
			case o.outer < 0 || o.outer == 1:
				return usagef("--outer %d: want 0 (none) or at least 2 folds", o.outer)
			case o.budget < 0:
				return usagef("--budget %s: want a time such as 10m", o.budget)
			}
			for _, path := range o.outputs {
				if !slices.Contains([]string{".yaml", ".yml", ".json", ".html", ".svg", ".csv"}, filepath.Ext(path)) {
					return usagef("output %q: want .yaml, .json, .html, .svg or .csv", path)
				}
			}
			return a.tune(o)
		},
	}
	a.windowFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.model, "model", "", "the model, in place of the argument")
	f.StringArrayVar(&o.data, "data", nil, "search on this file instead of the store, repeatable")
	f.StringArrayVar(&o.truth, "truth", nil, "labels of the --data at the same place, by line")
	f.IntVar(&o.iter, "n-iter", 30, "configurations to try, the defaults among them")
	f.DurationVar(&o.budget, "budget", 0, "time after which no further one is begun (default: none)")
	f.IntVar(&o.cv, "cv", 3, "folds by which configurations are compared")
	f.StringVar(&o.split, "cv-scheme", "group-time", "group-time, group, time or random")
	f.IntVar(&o.outer, "outer", 3, "folds around the search for the nested score, 0 = none")
	f.StringVar(&o.params, "params", "", "YAML file with parameters that stay as they are unless the space holds them")
	f.BoolVar(&o.full, "no-halving", false, "measure every configuration on all rows")
	f.BoolVar(&o.fresh, "fresh", false, "begin anew, whatever an interrupted search has left")
	f.StringVar(&o.profile, "profile", "frozen", "frozen or online, as in train")
	f.StringArrayVarP(&o.outputs, "output", "o", nil, "winner.yaml, history as .html, .svg, .csv or .json, repeatable (default MODEL.params.yaml)")
	return cmd
}

// tuneResult is the object of `tune --json`.
type tuneResult struct {
	jsonHead
	Model   string           `json:"model"`
	Dataset string           `json:"dataset"`
	Metric  string           `json:"metric"`
	Rows    int              `json:"rows"`
	Split   string           `json:"split"`
	Params  json.RawMessage  `json:"params"` // the winner's
	Best    train.Trial      `json:"best"`
	Default train.Trial      `json:"default"`
	Nested  *train.Nested    `json:"nested"`
	HeldOut map[string]Float `json:"held_out,omitempty"` // winner and default on what the search has not seen; null = too little of it
	Trials  []train.Trial    `json:"trials"`
	Resumed int              `json:"resumed"`
	Stopped bool             `json:"stopped"` // by the budget
	CPU     float64          `json:"cpu_seconds"`
	Notes   []string         `json:"notes"`
}

// Float is a number that is null in JSON where it is not defined.
type Float float64

// MarshalJSON implements json.Marshaler.
func (f Float) MarshalJSON() ([]byte, error) {
	if v := float64(f); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

// searchable is what a search works on.
type searchable struct {
	rows      int
	halve     bool
	objective func(rows []int) train.Objective // rows: of the problem, nil = all
	problem   *problem                         // nil for the models that are no classifiers of rows
	train     []int
	key       string // identifies the material
	held      func(config json.RawMessage) (float64, error)
}

func (a *app) tune(o tuneOptions) error {
	split, err := train.ParseSplit(o.split)
	if err != nil {
		return withCode(exitUsage, err)
	}
	specs, _, err := a.chooseModels([]string{o.model}, false)
	if err != nil {
		return err
	}
	src, err := a.openSource(o.data, o.truth)
	if err != nil {
		return err
	}
	defer src.Close()
	if specs, err = src.twins(specs, true); err != nil {
		return err
	}
	specs = slices.DeleteFunc(specs, func(s model.Spec) bool {
		return strings.HasSuffix(s.Name, "-flows") && src.st != nil && src.kinds[store.KindFlows] == 0
	})
	if len(specs) != 1 {
		return usagef("tune searches one model, %q names %d", o.model, len(specs))
	}
	spec := specs[0]
	if src.only == store.KindFlows && spec.Input == store.KindHTTP {
		return inputf("%s cannot be tuned on this data: it holds network flows only; %s", spec.Name, needs(spec.Role))
	}
	if len(spec.Space) == 0 {
		return usagef("%s declares nothing to search", spec.Name)
	}
	params, err := a.trainParams(o.params, specs)
	if err != nil {
		return err
	}
	base := params[spec.Name]
	if base == nil {
		base = json.RawMessage("{}")
		if spec.Role == model.RoleForecaster { // whose parameters the space holds
			base = json.RawMessage(`{"model":"additive"}`)
		}
	}
	p := a.progress("tuning "+spec.Name, 0)
	defer p.done()
	opt := train.Options{Folds: o.cv, Split: split, Seed: a.cfg.Seed, CPU: cpuSeconds, NoAudit: true,
		Log: func(stage string, done, total int) { p.stage(stage, int64(done), int64(total)) }}
	s, why, err := src.searchable(a.ctx, spec, opt, features.Profile(o.profile))
	if err != nil {
		return a.trainError(err)
	}
	if s == nil {
		return inputf("%s cannot be tuned on this data: %s", spec.Name, why)
	}
	keep, err := a.openJournal(spec, s, o, base)
	if err != nil {
		return err
	}
	defer keep.close()
	res := &tuneResult{Model: spec.Name, Dataset: src.name(), Rows: s.rows, Split: splitOf(spec.Role, split), Resumed: len(keep.done), Notes: []string{}}
	cpu := cpuSeconds()
	if len(keep.done) > 0 {
		a.sayf("%s: %s from an interrupted search", spec.Name, counted(len(keep.done), "measurement"))
	}
	outer := 0
	var folds []train.Fold
	used := split
	if s.problem != nil && o.outer > 0 {
		folds, used, _ = train.Splits(s.problem.Problem, s.train, split, o.outer, a.cfg.Seed+7)
		outer = len(folds)
		res.Split = string(used)
	}
	search := func(k int, rows []int) (*train.Search, error) {
		so := train.SearchOptions{Trials: o.iter, Halve: s.halve && !o.full, Seed: a.cfg.Seed, Outer: k, Base: base, Done: keep.done, Keep: keep.add, CPU: cpuSeconds}
		if o.budget > 0 {
			end := time.Now().Add(o.budget / time.Duration(outer+1))
			so.Stop = func() bool { return time.Now().After(end) }
		}
		return train.Tune(a.ctx, spec.Space, s.objective(rows), so)
	}
	found, err := search(0, s.train)
	if err != nil {
		return a.trainError(err)
	}
	res.Metric, res.Best, res.Default, res.Params, res.Trials, res.Stopped = found.Metric, found.Best, found.Default, found.Best.Config, found.Trials, found.Stopped
	if outer > 0 {
		var winners []json.RawMessage
		for k, fold := range folds {
			f, err := search(k+1, fold.Train)
			if err != nil {
				return a.trainError(err)
			}
			winners = append(winners, f.Best.Config)
			res.Trials = append(res.Trials, f.Trials...)
			res.Stopped = res.Stopped || f.Stopped
		}
		inner := withText(spec, s.problem.text)
		if res.Nested, err = train.Nest(a.ctx, s.problem.Problem, folds, used, winners, base, inner, opt); err != nil {
			return a.trainError(err)
		}
	}
	if s.held != nil {
		res.HeldOut = map[string]Float{}
		for name, config := range map[string]json.RawMessage{"winner": res.Params, "default": base} {
			v, err := s.held(config)
			if err != nil {
				return a.trainError(err)
			}
			res.HeldOut[name] = Float(v)
		}
	}
	if res.Nested == nil && res.HeldOut == nil {
		res.Notes = append(res.Notes, "the winner's figure is that of the best of many by the same measure: too good by the choice, and --outer 0 leaves the nested score out")
	}
	p.done()
	res.CPU = cpuSeconds() - cpu
	return a.writeTuned(res, o)
}

// searchable makes what a search for spec needs; nil and the reason if the data
// cannot feed it.
func (s *source) searchable(ctx context.Context, spec model.Spec, opt train.Options, profile features.Profile) (*searchable, string, error) {
	name, higher := train.TuneMetric(spec.Role)
	value := func(r *train.Result, err error) (float64, float64, error) {
		if err != nil {
			return 0, 0, err
		}
		m, ok := r.Metrics[name]
		if !ok {
			return 0, 0, fmt.Errorf("%s is not defined here", name)
		}
		return m.Pooled, m.SD, nil
	}
	fixed := func(score func(ctx context.Context, config json.RawMessage, share float64) (float64, float64, error)) func([]int) train.Objective {
		return func([]int) train.Objective { return train.Objective{Metric: name, Higher: higher, Score: score} }
	}
	switch spec.Role {
	case model.RoleClassifier, model.RoleDetector:
		var pr *problem
		var err error
		if spec.Input == store.KindFlows {
			pr, err = s.flowProblem(ctx)
		} else {
			pr, err = s.httpProblem(ctx, profile)
		}
		if err != nil || pr == nil {
			return nil, "the data holds no " + inputNoun(spec.Input), err
		}
		if len(pr.Classes) < 2 {
			return nil, "the " + inputNoun(spec.Input) + " carry no labels of two classes, so nothing says which parameters are better", nil
		}
		rows, _, _ := train.HoldOut(pr.Problem)
		inner := withText(spec, pr.text)
		return &searchable{rows: len(rows), halve: len(rows) >= 5000, problem: pr, train: rows, key: pr.data.Fingerprint,
			objective: func(rows []int) train.Objective { return train.ProblemObjective(pr.Problem, rows, inner, opt) }}, "", nil
	case model.RoleRegressor:
		p, _, why, err := s.latencyProblem(ctx)
		if err != nil || p == nil {
			return nil, why, err
		}
		if p.Rows < leastLatencies {
			return nil, fmt.Sprintf("%d requests have a latency, %d are needed", p.Rows, leastLatencies), nil
		}
		rows, held, _ := p.HoldOut()
		return &searchable{rows: len(rows), halve: len(rows) >= 5000, key: fingerprint(p.Hash),
			objective: fixed(func(ctx context.Context, config json.RawMessage, share float64) (float64, float64, error) {
				o := opt
				o.Config = config
				step := max(1, int(math.Round(1/share)))
				var some []int
				for i := 0; i < len(rows); i += step {
					some = append(some, rows[i])
				}
				return value(train.CrossValidateRegressor(ctx, p, some, spec, o))
			}),
			held: func(config json.RawMessage) (float64, error) {
				o := opt
				o.Config = config
				final, err := train.FitRegressor(ctx, p, rows, held, spec, o)
				if err != nil || final.HeldOut == nil {
					return math.NaN(), err
				}
				return final.HeldOut.Metrics[name].Pooled, nil
			}}, "", nil
	case model.RoleForecaster:
		series, err := s.series(ctx, 0)
		if err != nil {
			return nil, "", err
		}
		if len(series.Values) < 100 {
			return nil, fmt.Sprintf("the log spans %d intervals, 100 are needed", len(series.Values)), nil
		}
		fit, from, _ := train.HoldOutSeries(series)
		return &searchable{rows: len(fit.Values), key: fmt.Sprint(series.Start, series.Step, sumOf(series.Values)),
			objective: fixed(func(ctx context.Context, config json.RawMessage, _ float64) (float64, float64, error) {
				o := opt
				o.Config = config
				return value(train.CrossValidateForecaster(ctx, fit, spec, o))
			}),
			held: func(config json.RawMessage) (float64, error) {
				o := opt
				o.Config = config
				final, err := train.FitForecaster(ctx, series, from, spec, o)
				if err != nil || final.HeldOut == nil {
					return math.NaN(), err
				}
				return final.HeldOut.Metrics[name].Pooled, nil
			}}, "", nil
	case model.RoleClusterer:
		ds, why, err := s.behavior(ctx)
		if err != nil || ds == nil {
			return nil, why, err
		}
		if ds.X.N < leastPrincipals {
			return nil, fmt.Sprintf("%d principals have enough requests, %d are needed", ds.X.N, leastPrincipals), nil
		}
		// Every other principal, by hash, is set aside: would the clusters of those be
		// found again as well? As many as are searched on, because the sizes of
		// clusters are absolute numbers.
		var rows, held []int
		for i, g := range ds.X.Group {
			if (g*0x9e3779b97f4a7c15)>>32%2 == 0 {
				held = append(held, i)
			} else {
				rows = append(rows, i)
			}
		}
		score := func(ctx context.Context, x *frame.Matrix, config json.RawMessage) (float64, float64, error) {
			o := opt
			var err error
			if o.Config, err = behaviorConfig(config, trainOptions{}); err != nil {
				return 0, 0, err
			}
			return value(train.CrossValidateClusterer(ctx, x, spec, o))
		}
		x, other := ds.X.Select(rows), ds.X.Select(held)
		return &searchable{rows: x.N, key: fingerprint(ds.X.Group),
			objective: fixed(func(ctx context.Context, config json.RawMessage, _ float64) (float64, float64, error) {
				return score(ctx, x, config)
			}),
			held: func(config json.RawMessage) (float64, error) {
				if other.N < leastPrincipals {
					return math.NaN(), nil
				}
				v, _, err := score(ctx, other, config)
				return v, err
			}}, "", nil
	case model.RolePolicy:
		t, err := s.trace(ctx)
		if err != nil {
			return nil, "", err
		}
		if len(t.Keys) < leastAccesses {
			return nil, fmt.Sprintf("%d requests could have come from a cache, %d are needed", len(t.Keys), leastAccesses), nil
		}
		// The last fifth of the accesses is set aside.
		cut := len(t.Keys) - len(t.Keys)/5
		begin := &frame.Trace{Keys: t.Keys[:cut], N: t.N}
		if t.Times != nil {
			begin.Times = t.Times[:cut]
		}
		problem := func(t *frame.Trace) *train.PolicyProblem {
			return &train.PolicyProblem{Name: s.name(), Synthetic: s.synth[store.KindHTTP], Trace: t}
		}
		return &searchable{rows: cut, key: fmt.Sprint(len(t.Keys), t.Keys[:min(1000, len(t.Keys))]),
			objective: fixed(func(ctx context.Context, config json.RawMessage, _ float64) (float64, float64, error) {
				o := opt
				o.Config = config
				return value(train.CrossValidatePolicy(ctx, problem(begin), spec, o))
			}),
			held: func(config json.RawMessage) (float64, error) {
				o := opt
				o.Config = config
				f, err := train.FitPolicy(ctx, problem(begin), spec, o)
				if err != nil {
					return math.NaN(), err
				}
				whole := problem(&frame.Trace{Keys: t.Keys, Times: t.Times, N: t.N})
				whole.From = cut
				r, err := train.EvaluatePolicy(ctx, whole, spec.Name, f.Model.(model.Policy), o)
				if err != nil {
					return math.NaN(), err
				}
				return r.Metrics[name].Pooled, nil
			}}, "", nil
	}
	return nil, "there is no search for it", nil
}

// splitOf names how the configurations for a role are compared.
func splitOf(r model.Role, split train.Split) string {
	switch r {
	case model.RoleRegressor:
		return string(train.Time)
	case model.RoleForecaster:
		return "rolling origin"
	case model.RoleClusterer:
		return "subsamples of 80 %"
	case model.RolePolicy:
		return "windows of the second half"
	}
	return string(split)
}

func sumOf(v []float64) (s float64) {
	for _, x := range v {
		s += x
	}
	return s
}

// journal keeps the measurements of a search, so that an interrupted one goes on.
type journal struct {
	f    *os.File
	done []train.Trial
}

func (a *app) openJournal(spec model.Spec, s *searchable, o tuneOptions, base json.RawMessage) (*journal, error) {
	dir := filepath.Join(a.cfg.ModelsDir, ".tune")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, withCode(exitFailed, err)
	}
	h := sha256.New()
	fmt.Fprintln(h, toolVersion, spec.Name, spec.Space, spec.Default(), string(base), s.key, s.rows, o.cv, o.split, o.outer, o.full, o.profile, a.cfg.Seed)
	path := filepath.Join(dir, spec.Name+"-"+hex.EncodeToString(h.Sum(nil)[:8])+".jsonl")
	j := &journal{}
	if !o.fresh {
		if b, err := os.ReadFile(path); err == nil {
			sc := bufio.NewScanner(bytes.NewReader(b))
			sc.Buffer(nil, 1<<20)
			for sc.Scan() {
				var t train.Trial
				if json.Unmarshal(sc.Bytes(), &t) == nil { // the last line may be half a line
					j.done = append(j.done, t)
				}
			}
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, withCode(exitFailed, err)
	}
	j.f = f
	for _, t := range j.done {
		if err := j.add(t); err != nil {
			return nil, err
		}
	}
	return j, nil
}

func (j *journal) add(t train.Trial) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = j.f.Write(append(b, '\n'))
	return withCode(exitFailed, err)
}

func (j *journal) close() { j.f.Close() }

// value prints the value of a trial.
func trialValue(metric string, t *train.Trial) string {
	if t.Value == nil {
		return "–"
	}
	return figureOf(metric, *t.Value)
}

func (a *app) writeTuned(res *tuneResult, o tuneOptions) error {
	res.jsonHead = a.head("tune")
	outputs := o.outputs
	if !slices.ContainsFunc(outputs, func(p string) bool { return strings.HasPrefix(filepath.Ext(p), ".y") }) {
		outputs = append([]string{res.Model + ".params.yaml"}, outputs...)
	}
	var params map[string]any
	if err := json.Unmarshal(res.Params, &params); err != nil {
		return err
	}
	nested := ""
	if n := res.Nested; n != nil {
		mean, sd, _ := evaluate.MeanSD(n.Winner)
		base, bsd, _ := evaluate.MeanSD(n.Default)
		diff := make([]float64, len(n.Winner))
		for i := range diff {
			diff[i] = n.Winner[i] - n.Default[i]
		}
		d, dsd, _ := evaluate.MeanSD(diff)
		nested = fmt.Sprintf("nested %s on %d outer folds (%s): %s ± %s, defaults %s ± %s, difference %+.4f ± %.4f", n.Metric, len(n.Winner), n.Split, ratio(mean), ratio(sd), ratio(base), ratio(bsd), d, dsd)
	} else if res.HeldOut != nil {
		nested = fmt.Sprintf("%s on what the search has not seen: winner %s, defaults %s", res.Metric, figureOf(res.Metric, float64(res.HeldOut["winner"])), figureOf(res.Metric, float64(res.HeldOut["default"])))
	}
	for _, path := range outputs {
		var err error
		switch filepath.Ext(path) {
		case ".yaml", ".yml":
			err = atomicfile.Write(path, 0o600, func(w io.Writer) error {
				fmt.Fprintf(w, "# apiml tune %s on %s, %s rows: %s %s, defaults %s, %d measurements\n", res.Model, clean(res.Dataset), count(int64(res.Rows)), res.Metric, trialValue(res.Metric, &res.Best), trialValue(res.Metric, &res.Default), len(res.Trials))
				if nested != "" {
					fmt.Fprintf(w, "# %s\n", nested)
				}
				b, err := yaml.Marshal(map[string]any{res.Model: params})
				if err != nil {
					return err
				}
				_, err = w.Write(b)
				return err
			})
		case ".json":
			err = atomicfile.Write(path, 0o600, func(w io.Writer) error { return writeJSON(w, res) })
		case ".csv":
			err = atomicfile.Write(path, 0o600, func(w io.Writer) error { return writeTrials(w, res) })
		case ".html":
			note := fmt.Sprintf("%s on %s, %s rows. %s", res.Model, res.Dataset, count(int64(res.Rows)), nested)
			err = writePage(path, "Search of the parameters of "+res.Model, note, tuneFigures(res), []pageTable{{"Measurements on all rows and on parts of them", trialHead(), trialRows(res, res.Trials)}})
		case ".svg":
			_, err = writeFigures(path, tuneFigures(res))
		}
		if err != nil {
			return withCode(exitFailed, err)
		}
	}
	if a.flags.json {
		return a.printJSON(res)
	}
	fmt.Fprintf(a.out, "%s on %s: %s rows, split: %s, %s, %s CPU\n", res.Model, clean(res.Dataset), count(int64(res.Rows)), res.Split, counted(len(res.Trials), "measurement"), seconds(res.CPU))
	top := slices.DeleteFunc(slices.Clone(res.Trials), func(t train.Trial) bool { return t.Outer != 0 || t.Share != 1 || t.Value == nil })
	_, higher := train.TuneMetric(roleOf(res.Metric))
	slices.SortStableFunc(top, func(x, y train.Trial) int {
		if c := *y.Value - *x.Value; c != 0 && (c > 0) == higher {
			return 1
		} else if c != 0 {
			return -1
		}
		return 0
	})
	if err := table(a.out, trialHead(), trialRows(res, top[:min(10, len(top))])); err != nil {
		return err
	}
	if nested != "" {
		fmt.Fprintln(a.out, nested)
	}
	if res.Stopped {
		fmt.Fprintf(a.out, "the budget of %s ended the search before %d configurations were tried\n", o.budget, o.iter)
	}
	for _, n := range res.Notes {
		fmt.Fprintf(a.out, "  note: %s\n", n)
	}
	for _, p := range outputs {
		fmt.Fprintf(a.out, "  wrote %s\n", p)
	}
	return nil
}

// roleOf is the role whose searches improve the metric.
func roleOf(metric string) model.Role {
	for _, r := range []model.Role{model.RoleClassifier, model.RoleDetector, model.RoleRegressor, model.RoleForecaster, model.RoleClusterer, model.RolePolicy} {
		if m, _ := train.TuneMetric(r); m == metric {
			return r
		}
	}
	return model.RoleClassifier
}

func trialHead() []string {
	return []string{">number", ">outer fold", ">share of rows", ">value", ">± sd", ">CPU s", "parameters"}
}

func trialRows(res *tuneResult, trials []train.Trial) [][]string {
	var rows [][]string
	for i := range trials {
		t := &trials[i]
		sd := "–"
		if t.SD != nil {
			sd = figureOf(res.Metric, *t.SD)
		}
		config := strings.Trim(strings.ReplaceAll(string(t.Config), `"`, ""), "{}")
		if t.Number == 0 && config == "" {
			config = "(defaults)"
		}
		if t.Error != "" {
			config += ": " + t.Error
		}
		rows = append(rows, []string{strconv.Itoa(t.Number), strconv.Itoa(t.Outer), fmt.Sprintf("%.2f", t.Share), trialValue(res.Metric, t), sd, fmt.Sprintf("%.1f", t.CPU), config})
	}
	return rows
}

func writeTrials(w io.Writer, res *tuneResult) error {
	var keys []string
	configs := make([]map[string]any, len(res.Trials))
	for i, t := range res.Trials {
		if err := json.Unmarshal(t.Config, &configs[i]); err != nil {
			return err
		}
		for _, k := range sortedKeys(configs[i]) {
			keys = appendOnce(keys, k)
		}
	}
	slices.Sort(keys)
	c := csv.NewWriter(w)
	if err := c.Write(append([]string{"outer", "number", "share", "value", "sd", "cpu_seconds", "error"}, keys...)); err != nil {
		return err
	}
	for i, t := range res.Trials {
		opt := func(v *float64) string {
			if v == nil {
				return ""
			}
			return strconv.FormatFloat(*v, 'g', -1, 64)
		}
		row := []string{strconv.Itoa(t.Outer), strconv.Itoa(t.Number), strconv.FormatFloat(t.Share, 'g', 4, 64), opt(t.Value), opt(t.SD), strconv.FormatFloat(t.CPU, 'f', 3, 64), t.Error}
		for _, k := range keys {
			v := ""
			if x, ok := configs[i][k]; ok {
				v = fmt.Sprint(x)
			}
			row = append(row, v)
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// tuneFigures draws the course of the search and each parameter against the
// value, on all rows.
func tuneFigures(res *tuneResult) []figure {
	_, higher := train.TuneMetric(roleOf(res.Metric))
	var x, y, best []float64
	params := map[string]*plot.Series{}
	var names []string
	n := 0
	for i := range res.Trials {
		t := &res.Trials[i]
		if t.Outer != 0 || t.Value == nil {
			continue
		}
		n++
		if t.Share != 1 {
			continue
		}
		x, y = append(x, float64(n)), append(y, *t.Value)
		b := *t.Value
		if len(best) > 0 && (best[len(best)-1] > b) == higher {
			b = best[len(best)-1]
		}
		best = append(best, b)
		var config map[string]any
		if json.Unmarshal(t.Config, &config) != nil {
			continue
		}
		for _, k := range sortedKeys(config) {
			v, ok := config[k].(float64)
			if !ok {
				continue
			}
			if params[k] == nil {
				params[k] = &plot.Series{Kind: "points"}
				names = append(names, k)
			}
			params[k].X, params[k].Y = append(params[k].X, v), append(params[k].Y, *t.Value)
		}
	}
	out := []figure{{"history", plot.Figure{Title: "Course of the search: " + res.Metric, XLabel: "measurement", YLabel: res.Metric,
		Series: []plot.Series{{Name: "on all rows", X: x, Y: y, Kind: "points"}, {Name: "best so far", X: x, Y: best, Kind: "step"}}}}}
	for _, k := range names {
		out = append(out, figure{"param-" + k, plot.Figure{Title: k, XLabel: k, YLabel: res.Metric, Series: []plot.Series{*params[k]}}})
	}
	return out
}
