package train

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
)

// Final is a model fitted on all rows but the held-out ones.
type Final struct {
	Model     model.Model
	Baselines []*Baseline // fitted on the same rows; the headline first
	HeldOut   *Result     // on the held-out rows; nil if there are none
	Reference *Reference  // the held-out rows, or without enough of them the training rows
	Notes     []string
}

// Fit makes the features once with p.Fold(rows, held), fits spec on rows and
// evaluates it on held, at opt.Threshold. held may be empty (`train --final`).
func Fit(ctx context.Context, p *Problem, rows, held []int, spec model.Spec, opt Options) (*Final, error) {
	opt = opt.withDefaults()
	f, err := fitFinal(ctx, p, rows, held, spec, opt)
	if err != nil {
		return nil, fmt.Errorf("fit %q on %q: %w", spec.Name, p.Name, err)
	}
	return f, nil
}

func fitFinal(ctx context.Context, p *Problem, rows, held []int, spec model.Spec, opt Options) (*Final, error) {
	cpu := opt.CPU()
	rows, notes, err := usable(p, rows, spec)
	if err != nil {
		return nil, err
	}
	f := &Final{Notes: notes}
	fit, eval, err := p.Fold(ctx, rows, held)
	if err != nil {
		return nil, err
	}
	if fit, err = attach(p, fit, rows, spec.Role); err != nil {
		return nil, err
	}
	if f.Model, err = spec.Fit(ctx, fit, opt.Config, opt.fitOptions(spec.Name)); err != nil {
		return nil, err
	}
	for _, kind := range baselineKinds(spec.Role) {
		b, err := fitBaseline(ctx, kind, fit, opt.Workers)
		if err != nil {
			return nil, err
		}
		f.Baselines = append(f.Baselines, b)
	}
	if len(held) < evaluate.LeastShift {
		if f.Reference, err = NewReference(ctx, f.Model, fit, "training rows", nil, opt.Workers); err != nil {
			return nil, err
		}
	}
	if len(held) == 0 {
		return f, nil
	}
	// Unlike the fit, the evaluation of a detector may see the labels.
	role := spec.Role
	if p.Labels != nil {
		role = model.RoleClassifier
	}
	if eval, err = attach(p, eval, held, role); err != nil {
		return nil, err
	}
	var hash []uint64
	if p.Hash != nil {
		hash = make([]uint64, len(held))
		for i, r := range held {
			hash[i] = p.Hash[r]
		}
	}
	f.HeldOut, err = Evaluate(ctx, f.Model, eval, EvalOptions{
		Hash:  hash,
		Model: spec.Name, Dataset: p.Name, Synthetic: p.Synthetic, Protocol: "held-out rows", Benign: p.Benign,
		Threshold: opt.Threshold, Baselines: f.Baselines, Seed: opt.Seed, Workers: opt.Workers,
		Importance: opt.Importance, CPU: opt.CPU, Log: opt.Log,
	})
	if err != nil {
		return nil, err
	}
	if f.Reference == nil {
		if f.Reference, err = NewReference(ctx, f.Model, eval, "held-out rows", f.HeldOut.Metrics, opt.Workers); err != nil {
			return nil, err
		}
	}
	if p.Groups != nil {
		if s := overlap(p.Groups, rows, held); s > 0 {
			f.HeldOut.Notes = append(f.HeldOut.Notes, fmt.Sprintf("%.1f %% of the held-out rows are of a group (principal) that occurs in the training rows", 100*s))
		}
	}
	if p.Hash != nil {
		if s := overlap(p.Hash, rows, held); s > 0 {
			f.HeldOut.Findings = append(f.HeldOut.Findings, Finding{"warning", "duplicates in the held-out rows", fmt.Sprintf("%.1f %% of the held-out rows stand in the training rows word for word", 100*s)})
		}
	}
	f.HeldOut.CPUSeconds = opt.CPU() - cpu
	return f, nil
}

// overlap is the share of the rows test whose key occurs in the rows train.
func overlap(key []uint64, train, test []int) float64 {
	seen := make(map[uint64]struct{}, len(train))
	for _, r := range train {
		seen[key[r]] = struct{}{}
	}
	hit := 0
	for _, r := range test {
		if _, ok := seen[key[r]]; ok {
			hit++
		}
	}
	return float64(hit) / float64(max(len(test), 1))
}

// EvalOptions of Evaluate.
type EvalOptions struct {
	Model, Dataset, Protocol string // copied into the result
	Synthetic                bool
	Benign                   string           // the class that is no attack, "" = "none"
	Threshold                *evaluate.Budget // nil = the metrics at the budget are left out
	Baselines                []*Baseline      // headline first; nil = a classifier's baseline is the most frequent class of the rows themselves
	Hash                     []uint64         // identity of each row (Problem.Hash); nil = all distinct
	Seed                     uint64           // of the bootstrap
	Workers                  int
	Importance               int // rows for permutation importance, 0 = none
	CPU                      func() float64
	Log                      func(stage string, done, total int)
}

// replicates of the bootstrap: the standard error is then known to about 7 %.
const replicates = 100

// Evaluate measures m on the rows of x, with x.Class as truth where there is
// one. A class that the model does not know is kept as one that is never
// predicted. The spread (Stat.SD) is a bootstrap over x.Group.
func Evaluate(ctx context.Context, m model.Model, x *frame.Matrix, opt EvalOptions) (*Result, error) {
	o := Options{CPU: opt.CPU, Log: opt.Log}.withDefaults()
	opt.CPU, opt.Log = o.CPU, o.Log
	cpu := opt.CPU()
	r, err := evaluateRows(ctx, m, x, opt)
	if err != nil {
		return nil, fmt.Errorf("evaluate %q on %q: %w", opt.Model, opt.Dataset, err)
	}
	r.CPUSeconds = opt.CPU() - cpu
	return r, nil
}

func evaluateRows(ctx context.Context, m model.Model, x *frame.Matrix, opt EvalOptions) (*Result, error) {
	if err := x.Check(); err != nil {
		return nil, err
	}
	if x.N == 0 {
		return nil, fmt.Errorf("no rows to evaluate")
	}
	if opt.Hash != nil && len(opt.Hash) != x.N {
		return nil, fmt.Errorf("%d hashes for %d rows", len(opt.Hash), x.N)
	}
	classes := slices.Clone(x.Classes)
	c, isClassifier := m.(model.Classifier)
	if isClassifier {
		classes = slices.Clone(c.Classes())
	}
	truth := make([]int32, x.N)
	known := 0
	at := make([]int32, len(x.Classes))
	present := make([]bool, len(x.Classes))
	for i := range truth {
		truth[i] = -1
		if x.Class != nil && x.Class[i] >= 0 {
			truth[i] = x.Class[i]
			present[x.Class[i]] = true
			known++
		}
	}
	for i, name := range x.Classes {
		at[i] = int32(slices.Index(classes, name))
		if at[i] < 0 && present[i] {
			at[i] = int32(len(classes))
			classes = append(classes, name)
		}
	}
	for i, t := range truth {
		if t >= 0 {
			truth[i] = at[t]
		}
	}
	if isClassifier && known == 0 {
		return nil, fmt.Errorf("none of the %d rows has a known class", x.N)
	}
	r := &Result{
		Model: opt.Model, Dataset: opt.Dataset, Synthetic: opt.Synthetic, Protocol: opt.Protocol,
		Rows: x.N, Folds: []FoldResult{}, Findings: []Finding{}, Notes: []string{}, Threshold: opt.Threshold,
		Predictions: &Predictions{Rows: make([]int, x.N), Fold: make([]int, x.N)},
	}
	for i := range r.Predictions.Rows {
		r.Predictions.Rows[i] = i
	}
	if isClassifier {
		r.Rows = known
		if known < x.N {
			r.Notes = append(r.Notes, fmt.Sprintf("%d of %d rows have no known class and were left out", x.N-known, x.N))
		}
		for _, name := range classes[len(c.Classes()):] {
			r.Notes = append(r.Notes, fmt.Sprintf("the model does not know class %q: it cannot find it", name))
		}
	}
	newSet := func() *predictions {
		return &predictions{classes: classes, benign: benignIndex(classes, opt.Benign), truth: truth, bound: []int{0}}
	}
	q := newSet()
	if err := predict(ctx, q, m, x, opt.Workers); err != nil {
		return nil, err
	}
	stats, op, intervals, err := q.heldOut(ctx, x.Group, opt)
	if err != nil {
		return nil, err
	}
	r.Metrics, r.Intervals = stats, intervals

	baselines := opt.Baselines
	if baselines == nil && isClassifier {
		own := *x
		own.Class, own.Classes = truth, classes
		baselines = []*Baseline{fitMajority(&own)}
	}
	r.Baseline, r.Baselines = map[string]Stat{}, map[string]map[string]Stat{}
	var headline *predictions
	for i, b := range baselines {
		if (b.Kind == "robust_z") == isClassifier {
			return nil, fmt.Errorf("baseline %q is not one for a model of kind %q", b.Kind, m.Kind())
		}
		bq := newSet()
		for _, name := range b.Classes {
			if !slices.Contains(classes, name) {
				return nil, fmt.Errorf("baseline %q predicts class %q, which neither model nor rows know", b.Kind, name)
			}
		}
		b.predict(bq, x)
		// A threshold on the model's scores means nothing on the baseline's.
		bopt := opt
		bopt.Threshold = nil
		if r.Baselines[b.Kind], _, _, err = bq.heldOut(ctx, x.Group, bopt); err != nil {
			return nil, err
		}
		if i == 0 {
			r.BaselineName, r.Baseline = b.Kind, r.Baselines[b.Kind]
			headline = bq
		}
	}
	s := summary{op: op}
	if opt.Threshold != nil {
		s.threshold = []float64{opt.Threshold.Threshold}
	}
	q.fill(r, s, opt.Hash, headline)
	if opt.Importance > 0 {
		if r.Importance, err = importance(ctx, m, x, q, opt); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// heldOut measures predictions that have no folds. Their spread is a bootstrap
// over groups.
func (q *predictions) heldOut(ctx context.Context, groups []uint64, opt EvalOptions) (map[string]Stat, evaluate.OperatingPoint, map[string]ClassIntervals, error) {
	n := q.bound[1]
	labelled := q.labelled()
	values := q.rowMetrics(0, n, labelled)
	var op evaluate.OperatingPoint
	score, positive := q.binary(0, n, labelled)
	if opt.Threshold != nil && len(score) > 0 {
		op = evaluate.At(score, positive, opt.Threshold.Threshold)
		budgetMetrics(values, op)
	}
	stats := make(map[string]Stat)
	for name, v := range values {
		stats[name] = Stat{Pooled: v, Mean: v, SD: math.NaN()}
	}
	if ctx.Err() != nil {
		return nil, op, nil, context.Cause(ctx)
	}

	var ranking *evaluate.Ranking
	var rankRow []int // row of each ranked score
	if labelled {
		for i, t := range q.truth {
			if t >= 0 {
				rankRow = append(rankRow, i)
			}
		}
		ranking = evaluate.NewRanking(score, positive)
	}
	names := []string{"accuracy", "macro_f1", "weighted_f1", "balanced_accuracy", "mcc", "roc_auc", "pr_auc",
		"fpr_at_budget", "recall_at_budget", "precision_at_budget", "log_loss", "brier"}
	var loss [2][]float64 // of each row
	if k := len(q.classes); q.proba != nil {
		loss[0], loss[1] = make([]float64, n), make([]float64, n)
		for i, t := range q.truth {
			if t >= 0 {
				row := q.proba[i*k : (i+1)*k]
				loss[0][i] = evaluate.LogLoss(row, q.truth[i:i+1], k)
				loss[1][i] = evaluate.Brier(row, q.truth[i:i+1], k)
			}
		}
	}
	picked := make([]int32, len(rankRow))
	perClass := 0
	if q.proba != nil {
		perClass = 3 * len(q.classes)
	}
	values2 := evaluate.BootstrapValues(groups, n, replicates, opt.Seed, func(weight []int32) []float64 {
		v := make([]float64, len(names)+perClass)
		for i := range v {
			v[i] = math.NaN()
		}
		if ctx.Err() != nil {
			return v
		}
		if q.proba != nil {
			c := evaluate.NewConfusion(q.classes)
			c.AddWeighted(q.truth, q.pred, weight)
			v[0], v[1], v[2], v[3], v[4] = c.Accuracy(), c.MacroF1(), c.WeightedF1(), c.BalancedAccuracy(), c.MCC()
			for k, m := range c.PerClass() {
				if at := len(names) + 3*k; m.Support > 0 {
					v[at], v[at+1], v[at+2] = m.Precision, m.Recall, m.F1
				}
			}
			var sum [2]float64
			for i, w := range weight {
				sum[0] += float64(loss[0][i] * float64(w))
				sum[1] += float64(loss[1][i] * float64(w))
			}
			known := float64(c.Total()) // rows of unknown class have a loss of 0
			v[10], v[11] = sum[0]/known, sum[1]/known
		}
		if ranking != nil {
			for k, i := range rankRow {
				picked[k] = weight[i]
			}
			v[5], v[6] = ranking.Areas(picked)
			if opt.Threshold != nil {
				var o evaluate.OperatingPoint
				for k, s := range score {
					w := int64(picked[k])
					flagged := s >= opt.Threshold.Threshold
					switch {
					case positive[k]:
						o.Positives += w
						if flagged {
							o.TP += w
						}
					default:
						o.Negatives += w
						if flagged {
							o.FP += w
						}
					}
				}
				v[7], v[8], v[9] = o.FPR(), o.TPR(), o.Precision()
			}
		}
		return v
	})
	if ctx.Err() != nil {
		return nil, op, nil, context.Cause(ctx)
	}
	for i, name := range names {
		if s, ok := stats[name]; ok {
			_, s.SD, _ = evaluate.MeanSD(values2[i])
			stats[name] = s
		}
	}
	var intervals map[string]ClassIntervals
	for k := 0; 3*k < perClass; k++ {
		at := len(names) + 3*k
		ci := ClassIntervals{evaluate.Spread(values2[at]), evaluate.Spread(values2[at+1]), evaluate.Spread(values2[at+2])}
		if !math.IsNaN(ci.F1.Lo) {
			if intervals == nil {
				intervals = map[string]ClassIntervals{}
			}
			intervals[q.classes[k]] = ci
		}
	}
	return stats, op, intervals, nil
}

// importanceRepeats is how often each column is shuffled.
const importanceRepeats = 3

// alikeCorrelation is the rank correlation from which columns are shuffled
// together, on at most alikeRows rows.
const (
	alikeCorrelation = 0.8
	alikeRows        = 1000
)

// alikeColumns puts columns that say nearly the same into one group, directly or
// over others: by rank correlation (Spearman), missing values lowest. Columns
// that never vary are groups of their own. Each group is ascending, and so are
// the groups by their first column.
func alikeColumns(x *frame.Matrix) [][]int {
	n := min(x.N, alikeRows)
	ranks := make([][]float64, len(x.Cols))
	for j, col := range x.Cols {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		value := func(i int) float64 {
			if v := col[i*x.N/n]; v == v {
				return float64(v)
			}
			return math.Inf(-1)
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(value(a), value(b)) })
		rank := make([]float64, n)
		var sq float64
		for lo := 0; lo < n; {
			hi := lo + 1
			for hi < n && value(order[hi]) == value(order[lo]) {
				hi++
			}
			for _, i := range order[lo:hi] {
				r := float64(lo+hi-1)/2 - float64(n-1)/2
				rank[i] = r
				sq += r * r
			}
			lo = hi
		}
		if sq == 0 {
			continue
		}
		for i := range rank {
			rank[i] /= math.Sqrt(sq)
		}
		ranks[j] = rank
	}
	root := make([]int, len(x.Cols))
	for j := range root {
		root[j] = j
	}
	find := func(j int) int {
		for root[j] != j {
			j = root[j]
		}
		return j
	}
	for a := range ranks {
		for b := range a {
			if ranks[a] == nil || ranks[b] == nil {
				continue
			}
			var dot float64
			for i, r := range ranks[a] {
				dot += float64(r * ranks[b][i])
			}
			if math.Abs(dot) >= alikeCorrelation {
				x, y := find(a), find(b)
				root[max(x, y)] = min(x, y)
			}
		}
	}
	at := make([]int, len(x.Cols))
	var out [][]int
	for j := range root {
		r := find(j)
		if r == j {
			at[j] = len(out)
			out = append(out, nil)
		}
		out[at[r]] = append(out[at[r]], j)
	}
	return out
}

// importance shuffles each column in turn and notes what macro-F1 (classifier)
// or ROC-AUC (detector) loses (Breiman 2001; Fisher, Rudin & Dominici 2019), on
// at most opt.Importance rows, evenly spaced. Columns that say
// the same would hide each other, so they are shuffled as one. Read it as "what
// this model leans on", no more. The largest drop first.
func importance(ctx context.Context, m model.Model, x *frame.Matrix, q *predictions, opt EvalOptions) ([]Importance, error) {
	name := "macro_f1"
	if q.proba == nil {
		if name = "roc_auc"; !q.labelled() {
			return nil, nil
		}
	}
	var rows []int
	var truth []int32
	step := max(1, (x.N+opt.Importance-1)/opt.Importance)
	for i := 0; i < x.N; i += step {
		if q.truth[i] >= 0 {
			rows = append(rows, i)
			truth = append(truth, q.truth[i])
		}
	}
	small := x.Select(rows)
	value := func(x *frame.Matrix) (float64, error) {
		s := &predictions{classes: q.classes, benign: q.benign, truth: truth, bound: []int{0}}
		if err := predict(ctx, s, m, x, 1); err != nil {
			return 0, err
		}
		if s.proba != nil {
			return evaluate.Confuse(s.classes, s.truth, s.pred).MacroF1(), nil
		}
		score, positive := s.binary(0, len(rows), true)
		return evaluate.AUC(score, positive), nil
	}
	base, err := value(small)
	if err != nil {
		return nil, err
	}
	if math.IsNaN(base) {
		return nil, nil
	}
	alike := alikeColumns(small)
	out := make([]Importance, len(alike))
	log := func(done, total int) { opt.Log(opt.Model+" importance", done, total) }
	err = model.Parallel(ctx, opt.Workers, len(out), log, func(_, j int) error {
		shuffled := *small
		shuffled.Cols = slices.Clone(small.Cols)
		drops := make([]float64, importanceRepeats)
		for rep := range drops {
			order := rand.New(rand.NewPCG(opt.Seed, uint64(j*importanceRepeats+rep))).Perm(small.N)
			for _, c := range alike[j] {
				col := make([]float32, small.N)
				for i, from := range order {
					col[i] = small.Cols[c][from]
				}
				shuffled.Cols[c] = col
			}
			v, err := value(&shuffled)
			if err != nil {
				return err
			}
			drops[rep] = base - v
		}
		mean, sd, _ := evaluate.MeanSD(drops)
		out[j] = Importance{Column: x.Schema.Columns[alike[j][0]].Name, Metric: name, Drop: mean, SD: sd}
		for _, c := range alike[j][1:] {
			out[j].With = append(out[j].With, x.Schema.Columns[c].Name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b Importance) int {
		switch {
		case a.Drop > b.Drop:
			return -1
		case a.Drop < b.Drop:
			return 1
		}
		return 0
	})
	return out, nil
}
