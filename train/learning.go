package train

import (
	"context"
	"fmt"
	"math"
	"slices"

	"apiml/evaluate"
	"apiml/model"
)

// LearningPoint is how well a model does that was fitted on a part of the rows.
type LearningPoint struct {
	Share float64 `json:"share"`
	Rows  int     `json:"rows"` // fitted on, mean over the repeats
	Mean  float64 `json:"mean"` // of the metric on the held-out rows
	SD    float64 `json:"sd"`   // over the repeats; 0 of one
}

// Learning is a learning curve.
type Learning struct {
	Metric string          `json:"metric"`
	Points []LearningPoint `json:"points"`
}

// LearningCurve fits spec on growing parts of rows (whole groups) and measures it
// on the same held-out rows: whether more data would help. Each part below all is
// drawn repeats times.
func LearningCurve(ctx context.Context, p *Problem, rows, held []int, spec model.Spec, opt Options, shares []float64, repeats int) (*Learning, error) {
	if len(held) == 0 {
		return nil, fmt.Errorf("learning curve of %q: no rows are held out", spec.Name)
	}
	name, _ := TuneMetric(spec.Role)
	l := &Learning{Metric: name}
	opt.Importance, opt.Threshold = 0, nil
	for _, share := range shares {
		var values []float64
		n, times := 0, repeats
		if share >= 1 {
			times = 1
		}
		for r := range times {
			some := rows
			if share < 1 {
				some = partOf(p, rows, share, opt.Seed+uint64(r))
			}
			f, err := Fit(ctx, p, some, held, spec, opt)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil { // a part of one class
				continue
			}
			if m, ok := f.HeldOut.Metrics[name]; ok {
				values = append(values, m.Pooled)
				n += len(some)
			}
		}
		if len(values) == 0 {
			continue
		}
		mean, sd, _ := evaluate.MeanSD(values)
		if math.IsNaN(sd) {
			sd = 0
		}
		l.Points = append(l.Points, LearningPoint{share, n / len(values), mean, sd})
	}
	return l, nil
}

// partOf takes whole groups that make up about that share of rows.
func partOf(p *Problem, rows []int, share float64, seed uint64) []int {
	g := p.groups(rows)
	limit := uint64(share * (1 << 32))
	var some []int
	for i, r := range rows {
		if mix(g.key[g.id[i]]^mix(seed^0xc0ffee))>>32 < limit {
			some = append(some, r)
		}
	}
	return some
}

// LeftOut is what a classifier does with what it never saw in training.
type LeftOut struct {
	Name      string             `json:"name"` // of the class, or of the part (file, day)
	Train     int                `json:"train"`
	Rows      int                `json:"rows"` // tested
	Attacks   int                `json:"attacks"`
	Benign    int                `json:"benign"`  // rows behind the false positives
	Unseen    int                `json:"unseen"`  // tested rows of classes without a training row
	AUC       float64            `json:"roc_auc"` // attack against benign
	MacroF1   *float64           `json:"macro_f1"`
	Recall    map[string]float64 `json:"recall"` // of the attacks, by the false-positive rate at which the threshold was set on other benign rows
	FPR       map[string]float64 `json:"fpr"`    // what it was on the tested ones
	Predicted string             `json:"predicted"`
}

// leftOutRates are the false-positive rates of LeftOut.
func leftOutRates() []float64 { return []float64{0.01, 0.001} }

// LeaveAttackOut fits, for each attack class with at least 20 rows, on four fifths
// of the groups without that class, and asks how many of its rows are flagged as
// an attack of any kind, which a classifier must do with attacks that nobody has
// labelled yet. The threshold is set on half of the benign rows that the fit did
// not see, the false positives are counted on the other half.
func LeaveAttackOut(ctx context.Context, p *Problem, rows []int, spec model.Spec, opt Options) ([]LeftOut, error) {
	opt = opt.withDefaults()
	benign := benignIndex(p.Classes, p.Benign)
	if p.Labels == nil || benign < 0 {
		return nil, fmt.Errorf("leave one attack out: the rows have no benign class")
	}
	folds, _, _ := Splits(p, rows, Group, 5, opt.Seed)
	if len(folds) == 0 {
		return nil, fmt.Errorf("leave one attack out: too few groups")
	}
	var out []LeftOut
	for c, name := range p.Classes {
		var train, test []int
		for _, r := range folds[0].Train {
			if l := p.Labels[r]; l >= 0 && int(l) != c {
				train = append(train, r)
			}
		}
		n := 0
		for _, r := range rows {
			if p.Labels[r] == int32(c) {
				test = append(test, r)
				n++
			}
		}
		if c == benign || n < 20 {
			continue
		}
		for _, r := range folds[0].Test {
			if p.Labels[r] == int32(benign) {
				test = append(test, r)
			}
		}
		slices.Sort(test)
		l, err := leftOut(ctx, p, train, test, spec, opt)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil { // one class is left to fit on
			continue
		}
		l.Name = name
		out = append(out, *l)
	}
	return out, nil
}

// LeavePartOut fits on all parts but one and tests on that one; of each row, part
// names its part (a file, a day). With ahead it fits on the parts before it only,
// in the order of names: what a model of Monday to Thursday does on Friday.
func LeavePartOut(ctx context.Context, p *Problem, rows []int, part []int, names []string, ahead bool, spec model.Spec, opt Options) ([]LeftOut, error) {
	opt = opt.withDefaults()
	var out []LeftOut
	for k, name := range names {
		var train, test []int
		for _, r := range rows {
			switch {
			case p.Labels == nil || p.Labels[r] < 0:
			case part[r] == k:
				test = append(test, r)
			case !ahead || part[r] < k:
				train = append(train, r)
			}
		}
		if len(train) == 0 || len(test) == 0 {
			continue
		}
		l, err := leftOut(ctx, p, train, test, spec, opt)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			continue
		}
		l.Name = name
		out = append(out, *l)
	}
	return out, nil
}

func leftOut(ctx context.Context, p *Problem, train, test []int, spec model.Spec, opt Options) (*LeftOut, error) {
	o := opt
	o.Threshold, o.Importance = nil, 0
	f, err := Fit(ctx, p, train, test, spec, o)
	if err != nil {
		return nil, err
	}
	r := f.HeldOut
	benign := benignIndex(r.Predictions.Classes, p.Benign)
	if benign < 0 || r.Predictions.Score == nil {
		return nil, fmt.Errorf("no benign class")
	}
	seen := make([]bool, len(p.Classes))
	for _, row := range train {
		if l := p.Labels[row]; l >= 0 {
			seen[l] = true
		}
	}
	l := &LeftOut{Train: len(train), Rows: len(test), AUC: math.NaN(), Recall: map[string]float64{}, FPR: map[string]float64{}}
	var chosen, score []float64
	var positive []bool
	count := map[string]int{}
	for i, row := range test {
		s := r.Predictions.Score[i]
		if class := p.Labels[row]; class >= 0 && !seen[class] {
			l.Unseen++
		}
		if int(r.Predictions.Truth[i]) == benign {
			key := uint64(row)
			if p.Groups != nil {
				key = p.Groups[row]
			}
			if mix(key^mix(opt.Seed))&1 == 0 {
				chosen = append(chosen, s)
				continue
			}
			l.Benign++
			score, positive = append(score, s), append(positive, false)
			continue
		}
		l.Attacks++
		count[r.Predictions.Classes[r.Predictions.Pred[i]]]++
		score, positive = append(score, s), append(positive, true)
	}
	if l.Benign > 0 && l.Attacks > 0 {
		l.AUC = evaluate.AUC(score, positive)
	}
	for _, rate := range leftOutRates() {
		at := evaluate.At(score, positive, evaluate.BudgetThreshold(chosen, rate).Threshold)
		key := fmt.Sprint(rate)
		if l.Attacks > 0 && len(chosen) > 0 {
			l.Recall[key] = at.TPR()
		}
		if l.Benign > 0 && len(chosen) > 0 {
			l.FPR[key] = at.FPR()
		}
	}
	best := 0
	for _, name := range r.Predictions.Classes {
		if count[name] > best {
			best, l.Predicted = count[name], name
		}
	}
	if m, ok := r.Metrics["macro_f1"]; ok && !math.IsNaN(m.Pooled) {
		l.MacroF1 = &m.Pooled
	}
	return l, nil
}

// Comparison is two models on the same rows.
type Comparison struct {
	A, B    string            `json:"-"`
	Rows    int64             `json:"rows"`
	OnlyA   int64             `json:"only_a"` // rows that only A has right
	OnlyB   int64             `json:"only_b"`
	McNemar float64           `json:"mcnemar_p"`
	Metric  string            `json:"metric"`
	ValueA  float64           `json:"value_a"`
	ValueB  float64           `json:"value_b"`
	CI      evaluate.Interval `json:"difference_ci"` // 95 % of b − a, bootstrap over groups with the same weights for both
}

// Compare sets the predictions of two classifiers on the same rows side by side:
// McNemar's test on the rows, and the difference in macro-F1 by a paired bootstrap
// over groups, since the rows of one principal are no independent evidence.
func Compare(a, b *Result, groups []uint64, seed uint64) (*Comparison, error) {
	pa, pb := a.Predictions, b.Predictions
	if pa == nil || pb == nil || pa.Pred == nil || pb.Pred == nil || len(pa.Pred) != len(pb.Pred) {
		return nil, fmt.Errorf("compare: two classifiers on the same rows are needed")
	}
	classes := slices.Clone(pa.Classes)
	at := make([]int32, len(pb.Classes))
	for i, name := range pb.Classes {
		k := slices.Index(classes, name)
		if k < 0 {
			k = len(classes)
			classes = append(classes, name)
		}
		at[i] = int32(k)
	}
	pred := make([]int32, len(pb.Pred))
	c := &Comparison{Metric: "macro_f1"}
	for i, t := range pa.Truth {
		pred[i] = at[pb.Pred[i]]
		if t < 0 {
			continue
		}
		c.Rows++
		rightA, rightB := pa.Pred[i] == t, pred[i] == t
		if rightA && !rightB {
			c.OnlyA++
		}
		if rightB && !rightA {
			c.OnlyB++
		}
	}
	c.McNemar = evaluate.McNemar(c.OnlyA, c.OnlyB)
	c.ValueA, c.ValueB = evaluate.Confuse(classes, pa.Truth, pa.Pred).MacroF1(), evaluate.Confuse(classes, pa.Truth, pred).MacroF1()
	values := evaluate.BootstrapValues(groups, len(pred), 500, seed, func(weight []int32) []float64 {
		x, y := evaluate.NewConfusion(classes), evaluate.NewConfusion(classes)
		x.AddWeighted(pa.Truth, pa.Pred, weight)
		y.AddWeighted(pa.Truth, pred, weight)
		return []float64{y.MacroF1() - x.MacroF1()}
	})
	c.CI = evaluate.Spread(values[0])
	return c, nil
}
