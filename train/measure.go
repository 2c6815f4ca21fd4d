package train

import (
	"fmt"
	"math"
	"slices"

	"apiml/evaluate"
	"apiml/model"
)

// predictions of one model (or baseline) on rows that stand fold by fold.
type predictions struct {
	classes []string
	benign  int       // index into classes, −1 = none
	truth   []int32   // −1 = unknown; nil without labels
	pred    []int32   // nil for a detector
	proba   []float32 // nil for a detector
	score   []float64 // nil for a classifier without a benign class
	bound   []int     // fold f is rows bound[f] to bound[f+1]
	repeat  []int     // of each fold, counted from 0; nil = all of one
}

// classified appends the rows of one fold, given their class probabilities.
func (q *predictions) classified(proba []float32) {
	k := len(q.classes)
	for i := 0; i < len(proba); i += k {
		row := proba[i : i+k]
		q.pred = append(q.pred, int32(argmax(row)))
		if q.benign >= 0 {
			q.score = append(q.score, 1-float64(row[q.benign]))
		}
	}
	q.proba = append(q.proba, proba...)
	q.bound = append(q.bound, len(q.pred))
}

// scored appends the rows of one fold, given a detector's scores.
func (q *predictions) scored(score []float64) {
	q.score = append(q.score, score...)
	q.bound = append(q.bound, len(q.score))
}

// divide makes room for the rows of all folds and returns the part of each,
// still empty: what is appended to them stands in q.
func (q *predictions) divide(rows []int, role model.Role) []*predictions {
	total := 0
	for _, n := range rows {
		total += n
		q.bound = append(q.bound, total)
	}
	k := len(q.classes)
	if role == model.RoleDetector {
		q.score = make([]float64, total)
	} else {
		q.proba, q.pred = make([]float32, total*k), make([]int32, total)
		if q.benign >= 0 {
			q.score = make([]float64, total)
		}
	}
	parts := make([]*predictions, len(rows))
	for f := range rows {
		lo, hi := q.bound[f], q.bound[f+1]
		o := &predictions{classes: q.classes, benign: q.benign, bound: []int{0}}
		if q.proba != nil {
			o.proba, o.pred = q.proba[lo*k:lo*k:hi*k], q.pred[lo:lo:hi]
		}
		if q.score != nil {
			o.score = q.score[lo:lo:hi]
		}
		parts[f] = o
	}
	return parts
}

// labelled reports whether any row of a known class can be told benign or not.
func (q *predictions) labelled() bool {
	if q.benign < 0 {
		return false
	}
	for _, t := range q.truth {
		if t >= 0 {
			return true
		}
	}
	return false
}

// binary returns score and truth (attack or not) of the rows lo ≤ i < hi whose
// class is known. Without labels every row counts as benign.
func (q *predictions) binary(lo, hi int, labelled bool) (score []float64, positive []bool) {
	for i := lo; i < hi && q.score != nil; i++ {
		if !labelled {
			score, positive = append(score, q.score[i]), append(positive, false)
		} else if t := q.truth[i]; t >= 0 {
			score, positive = append(score, q.score[i]), append(positive, int(t) != q.benign)
		}
	}
	return score, positive
}

// clean returns the scores of the benign rows of binary's answer.
func clean(dst, score []float64, positive []bool) []float64 {
	for i, s := range score {
		if !positive[i] {
			dst = append(dst, s)
		}
	}
	return dst
}

// rowMetrics measures the rows lo ≤ i < hi, but for the metrics at the budget.
func (q *predictions) rowMetrics(lo, hi int, labelled bool) map[string]float64 {
	m := make(map[string]float64)
	put := func(name string, v float64) {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			m[name] = v
		}
	}
	score, positive := q.binary(lo, hi, labelled)
	if q.proba != nil {
		k := len(q.classes)
		truth, pred, proba := q.truth[lo:hi], q.pred[lo:hi], q.proba[lo*k:hi*k]
		c := evaluate.Confuse(q.classes, truth, pred)
		put("accuracy", c.Accuracy())
		put("macro_f1", c.MacroF1())
		put("macro_precision", c.MacroPrecision())
		put("macro_recall", c.MacroRecall())
		put("weighted_f1", c.WeightedF1())
		put("balanced_accuracy", c.BalancedAccuracy())
		put("mcc", c.MCC())
		put("roc_auc_ovr", evaluate.MacroAUC(proba, truth, k))
		put("log_loss", evaluate.LogLoss(proba, truth, k))
		put("brier", evaluate.Brier(proba, truth, k))
		put("ece", evaluate.ECE(q.calibration(lo, hi)))
	}
	if labelled && len(score) > 0 {
		put("roc_auc", evaluate.AUC(score, positive))
		put("pr_auc", evaluate.AveragePrecision(score, positive))
		if slices.Contains(positive, false) { // without a benign row any threshold has no false positives
			put("tpr_at_fpr_0.01", evaluate.AtFPR(score, positive, 0.01).TPR())
			put("tpr_at_fpr_0.001", evaluate.AtFPR(score, positive, 0.001).TPR())
		}
	}
	return m
}

// calibration of P(attack), or, where no class is benign, of the probability of
// the predicted class being right.
func (q *predictions) calibration(lo, hi int) []evaluate.Bin {
	var prob []float64
	var right []bool
	if q.benign >= 0 {
		prob, right = q.binary(lo, hi, true)
	} else {
		k := len(q.classes)
		for i := lo; i < hi; i++ {
			if q.truth[i] >= 0 {
				prob = append(prob, float64(q.proba[i*k+int(q.pred[i])]))
				right = append(right, q.pred[i] == q.truth[i])
			}
		}
	}
	return evaluate.Calibrate(prob, right, 10)
}

// budgetMetrics writes what an operating point gives.
func budgetMetrics(m map[string]float64, o evaluate.OperatingPoint) {
	if o.Negatives > 0 {
		m["fpr_at_budget"] = o.FPR()
	}
	if o.Positives > 0 {
		m["recall_at_budget"] = o.TPR()
		m["precision_at_budget"] = o.Precision()
	}
}

// summary is what a model or a baseline did over all folds.
type summary struct {
	stats map[string]Stat
	folds []map[string]float64
	// threshold of each fold, NaN = none; op counts all rows at the threshold of
	// their fold.
	threshold []float64
	op        evaluate.OperatingPoint
}

// measure computes every metric pooled and per fold. The threshold of a fold is
// chosen on the clean rows of the other folds (causal: of the earlier ones, so
// that the first has none) and never on its own: else the false positives at the
// budget would be the budget by construction.
func (q *predictions) measure(rate float64, causal bool) summary {
	n := len(q.bound) - 1
	labelled := q.labelled()
	s := summary{stats: make(map[string]Stat), folds: make([]map[string]float64, n)}
	measured := false
	for f := range n {
		lo, hi := q.bound[f], q.bound[f+1]
		s.folds[f] = q.rowMetrics(lo, hi, labelled)
		var cleanScores []float64
		for g := range n {
			// Another repeat holds the same rows.
			if (g < f || g > f && !causal) && (q.repeat == nil || q.repeat[g] == q.repeat[f]) {
				sc, pos := q.binary(q.bound[g], q.bound[g+1], labelled)
				cleanScores = clean(cleanScores, sc, pos)
			}
		}
		if len(cleanScores) == 0 {
			s.threshold = append(s.threshold, math.NaN())
			continue
		}
		s.threshold = append(s.threshold, evaluate.BudgetThreshold(cleanScores, rate).Threshold)
		sc, pos := q.binary(lo, hi, labelled)
		o := evaluate.At(sc, pos, s.threshold[f])
		budgetMetrics(s.folds[f], o)
		s.op.TP += o.TP
		s.op.FP += o.FP
		s.op.Positives += o.Positives
		s.op.Negatives += o.Negatives
		measured = true
	}
	pooled := q.rowMetrics(0, q.bound[n], labelled)
	if measured {
		budgetMetrics(pooled, s.op)
	}
	s.summarise(pooled)
	return s
}

// summarise sets pooled values and those over the folds side by side.
func (s *summary) summarise(pooled map[string]float64) {
	for _, info := range Metrics() {
		values := make([]float64, len(s.folds))
		any := false
		for f, m := range s.folds {
			v, ok := m[info.Name]
			if !ok {
				v = math.NaN()
			}
			values[f] = v
			any = any || ok
		}
		p, ok := pooled[info.Name]
		if !ok && !any {
			continue
		}
		if !ok {
			p = math.NaN()
		}
		st := Stat{Pooled: p}
		st.Mean, st.SD, _ = evaluate.MeanSD(values)
		s.stats[info.Name] = st
	}
}

// curvePoints is how many points of a curve are stored: of attack against
// benign, and of one class against all others.
const (
	microCurve = "micro average" // keys of Curves beside the classes
	macroCurve = "macro average"

	curvePoints      = 200
	classCurvePoints = 60
)

// curves draws the pooled predictions; nil if nothing can be drawn.
func (q *predictions) curves() *Curves {
	c := &Curves{ROC: make(map[string]evaluate.Curve), PR: make(map[string]evaluate.Curve)}
	add := func(name string, score []float64, positive []bool, points int) {
		if roc := evaluate.ROC(score, positive); roc.Len() > 0 {
			c.ROC[name] = roc.Thin(points)
			c.PR[name] = evaluate.PR(score, positive).Thin(points)
		}
	}
	n := q.bound[len(q.bound)-1]
	if q.labelled() {
		score, positive := q.binary(0, n, true)
		add("attack", score, positive, curvePoints)
	}
	if q.proba != nil {
		k := len(q.classes)
		for class, name := range q.classes {
			var score []float64
			var positive []bool
			for i, t := range q.truth {
				if t >= 0 {
					score = append(score, float64(q.proba[i*k+class]))
					positive = append(positive, int(t) == class)
				}
			}
			if name == "attack" { // the key of the binary curve
				name = "class attack"
			}
			add(name, score, positive, classCurvePoints)
		}
		c.Calibration = q.calibration(0, n)
	}
	if q.proba != nil && len(q.classes) > 2 {
		n := q.firstRepeat()
		// For drawing some rows are enough: a point per row and class would take more
		// memory than the rows themselves.
		var some []int
		sampled(n, baselineRows/2, func(i int) { some = append(some, i) })
		part := q.pick(some)
		score, positive := evaluate.Flatten(part.proba, part.truth, len(q.classes))
		add(microCurve, score, positive, classCurvePoints)
		var rocs []evaluate.Curve
		for _, name := range q.classes {
			if r, ok := c.ROC[name]; ok {
				rocs = append(rocs, r)
			}
		}
		if len(rocs) > 0 {
			c.ROC[macroCurve] = evaluate.MacroROC(rocs, classCurvePoints)
		}
	}
	if len(c.ROC) == 0 && c.Calibration == nil {
		return nil
	}
	return c
}

// repeats is the share of the measured rows that must repeat another before the
// distinct ones are measured on their own.
const repeats = 0.01

// distinct measures the first of equal rows of model and baseline (nil = none);
// hash[i] identifies row i. nil if few rows repeat another.
func (q *predictions) distinct(hash []uint64, s summary, baseline *predictions) *Distinct {
	if hash == nil {
		return nil
	}
	seen := make(map[uint64]struct{}, len(hash))
	var first []int
	for i, h := range hash {
		if _, ok := seen[h]; !ok {
			seen[h] = struct{}{}
			first = append(first, i)
		}
	}
	if float64(len(hash)-len(first)) <= repeats*float64(len(hash)) {
		return nil
	}
	d := &Distinct{Rows: len(first)}
	part := q.pick(first)
	labelled := part.labelled()
	d.Metrics = part.rowMetrics(0, len(first), labelled)
	var op evaluate.OperatingPoint
	f := 0
	for _, i := range first {
		for f+1 < len(q.bound)-1 && i >= q.bound[f+1] {
			f++
		}
		if f < len(s.threshold) && !math.IsNaN(s.threshold[f]) {
			score, positive := q.binary(i, i+1, labelled)
			o := evaluate.At(score, positive, s.threshold[f])
			op.TP, op.FP = op.TP+o.TP, op.FP+o.FP
			op.Positives, op.Negatives = op.Positives+o.Positives, op.Negatives+o.Negatives
		}
	}
	budgetMetrics(d.Metrics, op)
	if baseline != nil {
		d.Baseline = baseline.pick(first).rowMetrics(0, len(first), labelled)
	}
	return d
}

// pick returns the given rows as one fold.
func (q *predictions) pick(rows []int) *predictions {
	out := &predictions{classes: q.classes, benign: q.benign, bound: []int{0, len(rows)}}
	k := len(q.classes)
	for _, i := range rows {
		if q.truth != nil {
			out.truth = append(out.truth, q.truth[i])
		}
		if q.pred != nil {
			out.pred = append(out.pred, q.pred[i])
			out.proba = append(out.proba, q.proba[i*k:(i+1)*k]...)
		}
		if q.score != nil {
			out.score = append(out.score, q.score[i])
		}
	}
	return out
}

// detected counts the rows of each class that are flagged at the threshold of
// their fold (NaN = none: the fold is left out); nil if that cannot be told.
func (q *predictions) detected(threshold []float64) map[string]Share {
	if !q.labelled() || len(threshold) == 0 {
		return nil
	}
	rows, flagged := make([]int64, len(q.classes)), make([]int64, len(q.classes))
	for f, t := range threshold {
		if math.IsNaN(t) {
			continue
		}
		for i := q.bound[f]; i < q.bound[f+1]; i++ {
			if c := q.truth[i]; c >= 0 {
				rows[c]++
				if q.score[i] >= t {
					flagged[c]++
				}
			}
		}
	}
	out := make(map[string]Share)
	for c, n := range rows {
		if n > 0 {
			out[q.classes[c]] = Share{Rows: n, Flagged: flagged[c], Share: float64(flagged[c]) / float64(n), CI: evaluate.Wilson(flagged[c], n)}
		}
	}
	return out
}

// fill writes confusion, per-class figures and curves of q into r, with the
// footnotes of small classes.
func (q *predictions) fill(r *Result, s summary, hash []uint64, baseline *predictions) {
	op := s.op
	if r.Distinct = q.distinct(hash, s, baseline); r.Distinct != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("%.1f %% of the rows measured repeat another word for word: see the figures on the %d distinct ones", 100*(1-float64(r.Distinct.Rows)/float64(len(hash))), r.Distinct.Rows))
	}
	switch {
	case q.proba != nil:
		r.Confusion = evaluate.Confuse(q.classes, q.truth, q.pred)
	case q.labelled() && op.Positives+op.Negatives > 0:
		r.Confusion = evaluate.NewConfusion([]string{"benign", "attack"})
		r.Confusion.Counts[0][0], r.Confusion.Counts[0][1] = op.Negatives-op.FP, op.FP
		r.Confusion.Counts[1][0], r.Confusion.Counts[1][1] = op.Positives-op.TP, op.TP
	}
	r.PerClass = make(map[string]evaluate.ClassMetrics)
	if r.Confusion != nil {
		for k, m := range r.Confusion.PerClass() {
			if m.Support+m.Predicted == 0 {
				continue
			}
			r.PerClass[r.Confusion.Labels[k]] = m
			if m.Support < 100 {
				r.Notes = append(r.Notes, fmt.Sprintf("class %q has only %d rows behind its figures", r.Confusion.Labels[k], m.Support))
			}
		}
	}
	if op.Positives > 0 && op.Negatives > 0 {
		for _, base := range []float64{0.1, 0.01, 0.001, 0.0001} {
			r.BaseRates = append(r.BaseRates, BaseRate{base, evaluate.AtBaseRate(op.TPR(), op.FPR(), base)})
		}
	}
	if q.labelled() {
		score, positive := q.binary(0, q.bound[len(q.bound)-1], true)
		r.Lift = evaluate.Lift(score, positive, []float64{0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1})
	}
	if q.proba != nil && q.truth != nil && len(q.classes) > 2 {
		q.averages(r.Metrics)
	}
	r.Detected = q.detected(s.threshold)
	r.Curves = q.curves()
	r.Predictions.Classes, r.Predictions.Truth, r.Predictions.Pred = q.classes, q.truth, q.pred
	r.Predictions.Proba, r.Predictions.Score = q.proba, q.score
}

// firstRepeat is the number of rows of the first repeat: the others hold the same
// rows again, and what sorts every class of every row is not worth that.
func (q *predictions) firstRepeat() int {
	n := q.bound[len(q.bound)-1]
	for f, r := range q.repeat {
		if r > 0 {
			return q.bound[f]
		}
	}
	return n
}

// averages adds the areas over all one-against-rest decisions, and the mean of
// the average precisions, of the first repeat. They have no spread: they are for the
// whole.
func (q *predictions) averages(into map[string]Stat) {
	k := len(q.classes)
	put := func(name string, v float64) {
		if !math.IsNaN(v) {
			into[name] = Stat{Pooled: v, Mean: v, SD: math.NaN()}
		}
	}
	rows := q.firstRepeat()
	truth := q.truth[:rows]
	score, positive := evaluate.Flatten(q.proba[:rows*k], truth, k)
	put("roc_auc_micro", evaluate.AUC(score, positive))
	put("pr_auc_micro", evaluate.AveragePrecision(score, positive))
	var sum float64
	n := 0
	for c := range k {
		for i := range positive {
			positive[i] = false
		}
		score = score[:0]
		at := 0
		for i, t := range truth {
			if t >= 0 {
				score = append(score, float64(q.proba[i*k+c]))
				positive[at] = int(t) == c
				at++
			}
		}
		if ap := evaluate.AveragePrecision(score, positive[:at]); !math.IsNaN(ap) {
			sum += ap
			n++
		}
	}
	put("pr_auc_ovr", sum/float64(n))
}

// thresholdRows are the out-of-fold scores of clean rows from which the
// threshold for the final model is taken. Where folds go forward in time the
// early ones were fitted on a fraction of the rows, and a model that has seen
// little scores benign rows higher: there only the later half of the folds
// counts, as long as it holds the 3/rate clean rows that a promise of rate needs.
func (q *predictions) thresholdRows(causal, labelled bool, rate float64) []float64 {
	folds := len(q.bound) - 1
	rows := q.bound[folds]
	if causal && folds > 1 {
		score, positive := q.binary(q.bound[folds/2], rows, labelled)
		if c := clean(nil, score, positive); float64(len(c)) >= 3/rate {
			return c
		}
	}
	score, positive := q.binary(0, rows, labelled)
	return clean(nil, score, positive)
}

// bestOf returns the highest score of an attack row of each group; rows[i] is the
// row of the problem behind prediction i. nil without labels or groups.
func (q *predictions) bestOf(groups []uint64, rows []int) []float64 {
	if groups == nil || !q.labelled() || q.score == nil {
		return nil
	}
	best := make(map[uint64]float64)
	for i, t := range q.truth {
		if t >= 0 && int(t) != q.benign {
			g := groups[rows[i]]
			best[g] = max(best[g], q.score[i])
		}
	}
	out := make([]float64, 0, len(best))
	for _, v := range best {
		out = append(out, v)
	}
	return out
}
