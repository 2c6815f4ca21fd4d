package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
)

// CrossValidate measures spec on the given rows of p (all but the held-out
// ones): on each fold the features and the model are made from its training rows
// alone, and the metrics are computed on the predictions of all folds together.
// Classifiers use the rows of known class; detectors are fitted without labels
// and measured with labels where there are any, against class Benign. Beside the
// model stand its baselines on the same folds: for a classifier the majority
// class and the best single split, for a detector the largest robust z-score.
//
// It fails where there is nothing to measure: no rows, fewer than two classes,
// one group only. Memory: the features of the folds that run at the same time
// (one, or as many as fit into 512 MiB), and one float32 per row and class.
func CrossValidate(ctx context.Context, p *Problem, rows []int, spec model.Spec, opt Options) (*Result, error) {
	opt = opt.withDefaults()
	cpu := opt.CPU()
	r, err := crossValidate(ctx, p, rows, spec, opt)
	if err != nil {
		return nil, fmt.Errorf("cross-validate %q on %q: %w", spec.Name, p.Name, err)
	}
	r.CPUSeconds = opt.CPU() - cpu
	return r, nil
}

func crossValidate(ctx context.Context, p *Problem, rows []int, spec model.Spec, opt Options) (*Result, error) {
	rows, notes, err := usable(p, rows, spec)
	if err != nil {
		return nil, err
	}
	if opt.Split, err = ParseSplit(string(opt.Split)); err != nil {
		return nil, err
	}
	folds, used, repeat, splitNotes := repeatedSplits(p, rows, opt)
	notes = append(notes, splitNotes...)
	if len(folds) == 0 {
		return nil, fmt.Errorf("%d rows in too few groups for a %s split; more traffic is needed", len(rows), used)
	}
	repeats := repeat[len(repeat)-1] + 1
	r := &Result{
		Model: spec.Name, Dataset: p.Name, Synthetic: p.Synthetic, Split: used,
		Protocol: fmt.Sprintf("%s, %d folds, seed %d", used, len(folds), opt.Seed),
		Findings: []Finding{}, Notes: append([]string{}, notes...), Predictions: &Predictions{},
	}
	if repeats > 1 {
		r.Protocol = fmt.Sprintf("%s, %d times %d folds, seeds %d to %d", used, repeats, len(folds)/repeats, opt.Seed, opt.Seed+uint64(repeats-1))
	}
	if used == Random {
		r.Protocol += " (optimistic: groups and times ignored)"
	}
	kinds := baselineKinds(spec.Role)
	benign := benignIndex(p.Classes, p.Benign)
	sizes := make([]int, len(folds))
	for f, fold := range folds {
		sizes[f] = len(fold.Test)
	}
	sets := make([]*predictions, 1+len(kinds)) // the model's, then the baselines'
	parts := make([][]*predictions, len(folds))
	for i := range sets {
		sets[i] = &predictions{classes: p.Classes, benign: benign, bound: []int{0}, repeat: repeat}
		for f, part := range sets[i].divide(sizes, spec.Role) {
			parts[f] = append(parts[f], part)
		}
	}
	runs, err := runFolds(ctx, p, folds, parts, spec, opt, kinds)
	if err != nil {
		return nil, err
	}
	for f, fold := range folds {
		run := runs[f]
		for _, n := range run.notes {
			r.Notes = append(r.Notes, fmt.Sprintf("fold %d: %s", f+1, n))
		}
		r.Folds = append(r.Folds, FoldResult{Train: len(fold.Train), Test: len(fold.Test), Dropped: fold.Dropped})
		r.Rows += len(fold.Test)
		for _, row := range fold.Test {
			r.Predictions.Rows = append(r.Predictions.Rows, row)
			r.Predictions.Fold = append(r.Predictions.Fold, f)
		}
		r.Findings, r.Audit = append(r.Findings, run.findings...), append(r.Audit, run.audit...)
	}
	if p.Labels != nil {
		truth := make([]int32, r.Rows)
		for i, row := range r.Predictions.Rows {
			truth[i] = p.Labels[row]
		}
		for _, q := range sets {
			q.truth = truth
		}
	}

	causal := used == GroupTime || used == Time
	got := sets[0].measure(opt.AlertRate, causal)
	r.Metrics = got.stats
	r.Baselines = make(map[string]map[string]Stat)
	for f := range r.Folds {
		r.Folds[f].Metrics = got.folds[f]
	}
	for i, kind := range kinds {
		b := sets[1+i].measure(opt.AlertRate, causal)
		r.Baselines[kind] = b.stats
		if i == 0 {
			r.BaselineName, r.Baseline = kind, b.stats
			for f := range r.Folds {
				r.Folds[f].Baseline = b.folds[f]
			}
		}
	}
	var hash []uint64
	if p.Hash != nil && repeats == 1 {
		hash = make([]uint64, r.Rows)
		for i, row := range r.Predictions.Rows {
			hash[i] = p.Hash[row]
		}
	}
	sets[0].fill(r, got, hash, sets[1])
	labelled := sets[0].labelled()
	if spec.Role == model.RoleDetector && !labelled {
		r.Notes = append(r.Notes, "no labels: every row is taken for benign, and only the false positives at the budget are measured")
	}
	if c := sets[0].thresholdRows(causal, labelled, opt.AlertRate); len(c) > 0 {
		b := evaluate.BudgetThreshold(c, opt.AlertRate)
		r.Threshold = &b
		op := evaluate.NewOperating(c, sets[0].bestOf(p.Groups, r.Predictions.Rows))
		r.Operating = &op
		if !b.Supported() {
			r.Notes = append(r.Notes, fmt.Sprintf("%d benign rows are too few to promise a false-positive rate of %g: all that is known (95 %%) is that it is below %.2g", b.Rows, b.Rate, b.Upper))
		}
	}
	if !opt.NoAudit && (used == Random || used == Time) { // the others keep groups and duplicates apart by construction
		r.Findings = append(r.Findings, auditFolds(p, folds)...)
	}
	if !opt.NoAudit {
		r.Findings = append(r.Findings, auditRepeats(p, rows)...)
	}
	if opt.AuditRandom && !opt.NoAudit && spec.Role == model.RoleClassifier {
		for _, check := range []func(context.Context, *Problem, []int, model.Spec, Options, Split) ([]Finding, []Finding, error){auditRandom, auditLabels} {
			found, checks, err := check(ctx, p, rows, spec, opt, used)
			if err != nil {
				return nil, err
			}
			r.Findings, r.Audit = append(r.Findings, found...), append(r.Audit, checks...)
		}
	}
	return r, nil
}

// usable validates the problem for the role and returns the rows to work on.
func usable(p *Problem, rows []int, spec model.Spec) ([]int, []string, error) {
	if err := p.Check(); err != nil {
		return nil, nil, err
	}
	if spec.Fit == nil {
		return nil, nil, fmt.Errorf("this version cannot fit it")
	}
	if len(rows) == 0 {
		return nil, nil, fmt.Errorf("no rows to train on")
	}
	switch spec.Role {
	case model.RoleDetector:
		return rows, nil, nil
	case model.RoleClassifier:
	default:
		return nil, nil, fmt.Errorf("a %s is not fitted on a problem with classes", spec.Role)
	}
	if p.Labels == nil {
		return nil, nil, fmt.Errorf("the rows have no labels; fit the unsupervised models and keep the built-in classifier")
	}
	var known []int
	seen := make([]bool, len(p.Classes))
	for _, r := range rows {
		if l := p.Labels[r]; l >= 0 {
			known = append(known, r)
			seen[l] = true
		}
	}
	var names []string
	for c, s := range seen {
		if s {
			names = append(names, p.Classes[c])
		}
	}
	switch len(names) {
	case 0:
		return nil, nil, fmt.Errorf("none of the %d rows has a known class; fit the unsupervised models and keep the built-in classifier", len(rows))
	case 1:
		return nil, nil, fmt.Errorf("all %d labelled rows are of class %q: a classifier needs two", len(known), names[0])
	}
	var notes []string
	if n := len(rows) - len(known); n > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d rows have no known class and were left out", n, len(rows)))
	}
	return known, notes, nil
}

// baselineKinds names the baselines of a role, the headline first.
func baselineKinds(role model.Role) []string {
	if role == model.RoleDetector {
		return []string{"robust_z"}
	}
	return []string{"stump", "majority"}
}

func fitBaseline(ctx context.Context, kind string, x *frame.Matrix, workers int) (*Baseline, error) {
	switch kind {
	case "stump":
		return fitStump(ctx, x, workers)
	case "robust_z":
		return fitRobustZ(ctx, x, workers)
	}
	return fitMajority(x), nil
}

// attach returns x with what p knows about its rows; a detector must not see
// labels.
func attach(p *Problem, x *frame.Matrix, rows []int, role model.Role) (*frame.Matrix, error) {
	if x == nil || x.Rows() != len(rows) {
		n := 0
		if x != nil {
			n = x.Rows()
		}
		return nil, fmt.Errorf("features of %q: %d rows, asked for %d", p.Name, n, len(rows))
	}
	y := &frame.Matrix{Schema: x.Schema, Cols: x.Cols, N: x.N}
	if p.Groups != nil {
		y.Group = make([]uint64, len(rows))
		for i, r := range rows {
			y.Group[i] = p.Groups[r]
		}
	}
	if p.Times != nil {
		y.Time = make([]int64, len(rows))
		for i, r := range rows {
			y.Time[i] = p.Times[r]
		}
	}
	if role == model.RoleClassifier {
		y.Classes = p.Classes
		y.Class = make([]int32, len(rows))
		for i, r := range rows {
			y.Class[i] = p.Labels[r]
		}
	}
	return y, y.Check()
}

// foldRun is what a fold leaves behind, besides its predictions.
type foldRun struct {
	notes    []string
	findings []Finding
	audit    []Finding
}

// foldMemory bounds, in bytes, what folds that run at the same time may hold
// together.
const foldMemory = 512 << 20

// atOnce is how many folds may run at the same time: as many as there are
// workers for, and as fit into foldMemory by an estimate of the largest.
func atOnce(p *Problem, folds []Fold, workers int) int {
	columns := 100
	if p.Whole != nil {
		columns = len(p.Whole().Cols)
	}
	most := 1
	for _, f := range folds {
		// Features, their bins, and the rows' own fields.
		most = max(most, (len(f.Train)+len(f.Test))*(5*columns+32))
	}
	return max(1, min(len(folds), model.Workers(workers, len(folds)), foldMemory/most))
}

// runFolds runs all folds, several at a time where memory allows; their
// predictions go into parts. An error ends it when the folds that run are done;
// that of the first fold is returned, whichever failed first.
func runFolds(ctx context.Context, p *Problem, folds []Fold, parts [][]*predictions, spec model.Spec, opt Options, kinds []string) ([]*foldRun, error) {
	n := atOnce(p, folds, opt.Workers)
	inner := opt
	inner.Workers = max(1, model.Workers(opt.Workers, math.MaxInt)/n)
	var mu sync.Mutex
	inner.Log = func(stage string, done, total int) {
		mu.Lock()
		defer mu.Unlock()
		opt.Log(stage, done, total)
	}
	runs, errs := make([]*foldRun, len(folds)), make([]error, len(folds))
	err := model.Parallel(ctx, n, len(folds), nil, func(_, f int) error {
		fold := folds[f]
		stage := fmt.Sprintf("%s fold %d/%d", spec.Name, f+1, len(folds))
		inner.Log(stage, 0, 1)
		mu.Lock()
		runs[f] = savedFold(opt, f, parts[f], len(fold.Test))
		mu.Unlock()
		if runs[f] != nil {
			return nil
		}
		audit := f == len(folds)-1 && !opt.NoAudit // the fold with the most rows to fit on, in every split
		run, err := runFold(ctx, p, fold, spec, inner, stage, parts[f], kinds, audit)
		if err != nil {
			errs[f] = fmt.Errorf("fold %d of %d: %w", f+1, len(folds), err)
			return errs[f]
		}
		runs[f] = run
		mu.Lock()
		defer mu.Unlock()
		return run.save(opt, f, parts[f])
	})
	for _, e := range errs {
		if e != nil {
			return nil, e
		}
	}
	return runs, err
}

// repeatedSplits makes the folds of all repeats, one after the other; repeat
// holds the repeat of each fold, counted from 0.
func repeatedSplits(p *Problem, rows []int, opt Options) (folds []Fold, used Split, repeat []int, notes []string) {
	for r := range opt.Repeats {
		f, u, n := Splits(p, rows, opt.Split, opt.Folds, opt.Seed+uint64(r))
		if r == 0 {
			used, notes = u, n
		}
		folds = append(folds, f...)
		for range f {
			repeat = append(repeat, r)
		}
		if opt.Repeats > 1 && (u == GroupTime || u == Time) {
			notes = append(notes, fmt.Sprintf("%s split: it has nothing random, so it is not repeated", u))
			break
		}
	}
	return folds, used, repeat, notes
}

// foldState is a foldRun with the predictions of its fold, for Options.Save.
type foldState struct {
	Notes    []string
	Findings []Finding
	Audit    []Finding
	Proba    [][]byte // per set, little-endian float32
	Score    [][]byte // float64
}

// save hands the fold to opt.Save.
func (run *foldRun) save(opt Options, fold int, sets []*predictions) error {
	if opt.Save == nil {
		return nil
	}
	s := foldState{Notes: run.notes, Findings: run.findings, Audit: run.audit}
	for _, q := range sets {
		var proba, score []byte
		var err error
		if q.proba != nil {
			proba, err = binary.Append(nil, binary.LittleEndian, q.proba)
		} else {
			score, err = binary.Append(nil, binary.LittleEndian, q.score)
		}
		if err != nil {
			return fmt.Errorf("keep fold %d: %w", fold+1, err)
		}
		s.Proba, s.Score = append(s.Proba, proba), append(s.Score, score)
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(s); err != nil {
		return fmt.Errorf("keep fold %d: %w", fold+1, err)
	}
	return opt.Save(fold, b.Bytes())
}

// savedFold fills sets with what an earlier run kept of a fold; nil if there is
// nothing, or nothing that fits.
func savedFold(opt Options, fold int, sets []*predictions, rows int) *foldRun {
	if opt.Load == nil {
		return nil
	}
	b := opt.Load(fold)
	if b == nil {
		return nil
	}
	var s foldState
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&s); err != nil || len(s.Proba) != len(sets) || len(s.Score) != len(sets) {
		return nil // half a file: the fold is run again
	}
	for i, q := range sets {
		if len(s.Score[i]) != 8*rows && len(s.Proba[i]) != 4*rows*len(q.classes) {
			return nil
		}
	}
	for i, q := range sets {
		if len(s.Proba[i]) > 0 {
			proba := make([]float32, rows*len(q.classes))
			if _, err := binary.Decode(s.Proba[i], binary.LittleEndian, proba); err != nil {
				return nil
			}
			q.classified(proba)
		} else {
			score := make([]float64, rows)
			if _, err := binary.Decode(s.Score[i], binary.LittleEndian, score); err != nil {
				return nil
			}
			q.scored(score)
		}
	}
	return &foldRun{s.Notes, s.Findings, s.Audit}
}

// runFold fits model and baselines on one fold and fills sets with their
// predictions; with audit it looks at the columns that it was fitted on.
func runFold(ctx context.Context, p *Problem, fold Fold, spec model.Spec, opt Options, stage string, sets []*predictions, kinds []string, audit bool) (*foldRun, error) {
	run := &foldRun{}
	fit, eval, err := p.Fold(ctx, fold.Train, fold.Test)
	if err != nil {
		return nil, err
	}
	if fit, err = attach(p, fit, fold.Train, spec.Role); err != nil {
		return nil, err
	}
	if eval, err = attach(p, eval, fold.Test, spec.Role); err != nil {
		return nil, err
	}
	if audit {
		run.findings, run.audit = Audit(p, fold.Train, fit, opt.Acknowledged), auditConstant(fit)
		found, err := auditFit(ctx, p, fold)
		if err != nil {
			return nil, err
		}
		run.findings = append(run.findings, found...)
	}
	single := false
	if spec.Role == model.RoleClassifier {
		single, run.notes = classNotes(p, fit, eval)
	}
	// The model comes last: it lays out the rows its own way, and those here can
	// go while it grows.
	baselines := make([]*Baseline, len(kinds))
	for i, kind := range kinds {
		if baselines[i], err = fitBaseline(ctx, kind, fit, opt.Workers); err != nil {
			return nil, err
		}
	}
	var m model.Model
	var only *Baseline // what any classifier would say of one class
	if single {
		only = fitMajority(fit)
	} else if m, err = spec.Fit(ctx, fit, opt.Config, opt.fitOptions(stage)); err != nil {
		return nil, err
	}
	for i, q := range sets {
		switch {
		case i > 0:
			baselines[i-1].predict(q, eval)
		case single:
			only.predict(q, eval)
		default:
			if err := predict(ctx, q, m, eval, opt.Workers); err != nil {
				return nil, err
			}
		}
	}
	return run, nil
}

// classNotes says which classes a fold is tested on without having seen them,
// and whether there is but one class to fit on.
func classNotes(p *Problem, fit, eval *frame.Matrix) (single bool, notes []string) {
	inFit, inEval := make([]int, len(p.Classes)), make([]int, len(p.Classes))
	for _, c := range fit.Class {
		inFit[c]++
	}
	for _, c := range eval.Class {
		inEval[c]++
	}
	classes := 0
	for c, name := range p.Classes {
		if inFit[c] > 0 {
			classes++
		} else if inEval[c] > 0 {
			notes = append(notes, fmt.Sprintf("%d test rows of class %q, which does not occur in the training rows: it cannot be found", inEval[c], name))
		}
	}
	if classes == 1 {
		notes = append(notes, "the training rows are of one class: it was predicted throughout")
	}
	return classes == 1, notes
}

// predict appends a baseline's predictions of x to q.
func (b *Baseline) predict(q *predictions, x *frame.Matrix) {
	if b.Kind == "robust_z" {
		score := make([]float64, x.N)
		b.score(score, x)
		q.scored(score)
		return
	}
	proba := make([]float32, x.N*len(b.Classes))
	b.proba(proba, x)
	q.classified(spread(proba, b.Classes, q.classes))
}

// spread moves class probabilities from the columns of one list of classes to
// those of another, by name. Every name in from stands in to.
func spread(proba []float32, from, to []string) []float32 {
	if slices.Equal(from, to) {
		return proba
	}
	at := make([]int, len(from))
	for c, name := range from {
		at[c] = slices.Index(to, name)
	}
	n := 0
	if len(from) > 0 {
		n = len(proba) / len(from)
	}
	out := make([]float32, n*len(to))
	for i := range n {
		for c, j := range at {
			out[i*len(to)+j] = proba[i*len(from)+c]
		}
	}
	return out
}

// predictBlock is how many rows a model is asked for at once: enough to amortise
// a call, few enough to stay in cache.
const predictBlock = 4096

// predict appends a model's predictions of x to q.
func predict(ctx context.Context, q *predictions, m model.Model, x *frame.Matrix, workers int) error {
	if err := frame.SameSchema(m.Schema(), x.Schema); err != nil {
		return err
	}
	n := (x.N + predictBlock - 1) / predictBlock
	switch m := m.(type) {
	case model.Classifier:
		classes := m.Classes()
		for _, name := range classes {
			if !slices.Contains(q.classes, name) {
				return fmt.Errorf("model predicts class %q, which the rows do not know (%q)", name, q.classes)
			}
		}
		k := len(classes)
		proba := make([]float32, x.N*k)
		err := model.Parallel(ctx, workers, n, nil, func(_, b int) error {
			lo, hi := b*predictBlock, min((b+1)*predictBlock, x.N)
			m.PredictProba(proba[lo*k:hi*k], x, lo, hi)
			return nil
		})
		if err != nil {
			return err
		}
		q.classified(spread(proba, classes, q.classes))
	case model.Detector:
		score := make([]float32, x.N)
		err := model.Parallel(ctx, workers, n, nil, func(_, b int) error {
			lo, hi := b*predictBlock, min((b+1)*predictBlock, x.N)
			m.Score(score[lo:hi], x, lo, hi)
			return nil
		})
		if err != nil {
			return err
		}
		wide := make([]float64, len(score))
		for i, s := range score {
			wide[i] = float64(s)
		}
		q.scored(wide)
	default:
		return fmt.Errorf("a model of kind %q is neither classifier nor detector", m.Kind())
	}
	return nil
}

// MarshalResults is the object of `train --json` and `evaluate --json` without
// the fields that every command adds.
func MarshalResults(r []*Result) ([]byte, error) {
	if r == nil {
		r = []*Result{}
	}
	return json.Marshal(struct {
		Models []*Result `json:"models"`
	}{r})
}
