package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
)

// The leakage audit. Each check has a planted leak that it must find and clean
// data on which it must be silent (audit_test.go). Kapoor & Narayanan 2023,
// "Leakage and the reproducibility crisis in machine-learning-based science",
// names the kinds.
const (
	auditAUC      = 0.995  // one column that tells attack from benign this well is suspicious
	auditRows     = 50_000 // rows on which columns are looked at, evenly spaced
	auditGap      = 0.05   // macro-F1 by which a random split may look better
	auditCV       = 10_000 // rows of that comparison
	auditShuffle  = 6_000  // rows of the run with shuffled labels
	auditChance   = 0.06   // AUC by which that run may miss 0.5, beyond what chance explains
	auditFold     = 5_000  // rows on which a fold is made twice
	auditLeast    = 150    // fewer rows, or fewer than auditSide of one side, prove nothing
	auditSide     = 30
	auditRepeated = 0.20 // share of rows that may repeat another of the same instant
)

// Audit looks at the columns of x, whose row i is row rows[i] of p, and at the
// fields of p, for what alone tells attack from benign nearly always (AUC ≥
// 0.995, in either direction): in real traffic that is mostly a trace of how the
// data was made, as a port or an agent that only the attacker used. Columns that
// are identifiers are told too. Names in acknowledged are passed over. Without
// labels, or with one side only, it finds nothing.
func Audit(p *Problem, rows []int, x *frame.Matrix, acknowledged []string) []Finding {
	var found []Finding
	known := func(name string) bool {
		return slices.ContainsFunc(acknowledged, func(a string) bool { return strings.EqualFold(a, name) })
	}
	for j, col := range x.Cols {
		if name := x.Schema.Columns[j].Name; !known(name) {
			found = append(found, identifier(name, col)...)
			found = append(found, standardised(p, name, col)...)
		}
	}
	benign := benignIndex(p.Classes, p.Benign)
	if p.Labels == nil || benign < 0 {
		return found
	}
	var at []int
	var positive []bool
	sides := [2]int{}
	sampled(x.N, auditRows, func(i int) {
		if l := p.Labels[rows[i]]; l >= 0 {
			at = append(at, i)
			positive = append(positive, int(l) != benign)
			if int(l) != benign {
				sides[1]++
			} else {
				sides[0]++
			}
		}
	})
	if len(at) < auditLeast || min(sides[0], sides[1]) < auditSide {
		return found
	}
	score := make([]float64, len(at))
	for j, col := range x.Cols {
		if known(x.Schema.Columns[j].Name) {
			continue
		}
		for k, i := range at {
			score[k] = float64(col[i])
		}
		if auc := evaluate.AUC(score, positive); math.Max(auc, 1-auc) >= auditAUC {
			name := x.Schema.Columns[j].Name
			found = append(found, Finding{"warning", "single feature",
				fmt.Sprintf("column %q alone separates attack from benign (AUC %.4f on %d rows): is it a trace of how the data was made? If it is meant, name it in models.acknowledge", name, math.Max(auc, 1-auc), len(at))})
		}
	}
	for _, f := range p.Fields {
		if !known(f.Name) {
			found = append(found, auditField(p, f, rows, at, benign)...)
		}
	}
	return found
}

// identifier tells a column that numbers the rows: whole numbers, all different.
// Rising ones are positions; others, if they spread far wider than the rows are
// many, are keys.
func identifier(name string, col []float32) []Finding {
	var v []float32
	rising := 0
	sampled(len(col), auditRows, func(i int) {
		if x := col[i]; x == x {
			if len(v) > 0 && x > v[len(v)-1] {
				rising++
			}
			v = append(v, x)
		}
	})
	if len(v) < auditLeast || len(v)*2 < min(len(col), auditRows) {
		return nil
	}
	for _, x := range v {
		if x != float32(math.Trunc(float64(x))) {
			return nil
		}
	}
	order := float64(max(rising, len(v)-1-rising)) / float64(len(v)-1)
	slices.Sort(v)
	distinct := 1
	for i := 1; i < len(v); i++ {
		if v[i] != v[i-1] {
			distinct++
		}
	}
	share := float64(distinct) / float64(len(v))
	what := ""
	switch {
	case share > 0.99 && order > 0.99:
		what = "numbers the rows in order"
	case share > 0.999 && float64(v[len(v)-1])-float64(v[0]) < 1.5*float64(len(col)):
		what = "holds each number once, as a shuffled row number does"
	default:
		return nil
	}
	return []Finding{{"warning", "identifier", fmt.Sprintf("column %q %s (%d of %d values are distinct): a model can learn rows by heart with it", name, what, distinct, len(v))}}
}

// standardised tells a column whose mean is 0 and deviation 1 over all rows of
// the problem: it was scaled before the rows were split, and so carries the test
// rows' mean. Only full columns can be told; a fold's training part of a column
// that was scaled by the fold itself has them too and is not looked at here.
func standardised(p *Problem, name string, col []float32) []Finding {
	if p.Whole == nil || len(col) < auditLeast {
		return nil
	}
	x := p.Whole()
	if x == nil {
		return nil
	}
	j := x.Schema.Index(name)
	if j < 0 {
		return nil
	}
	all := x.Cols[j]
	var mean, sq float64
	for _, v := range all {
		if v != v {
			return nil
		}
		mean += float64(v)
	}
	mean /= float64(len(all))
	for _, v := range all {
		sq += float64((float64(v) - mean) * (float64(v) - mean))
	}
	sd := math.Sqrt(sq / float64(len(all)))
	sd1 := math.Sqrt(sq / float64(len(all)-1))
	if math.Abs(mean) < 1e-4 && min(math.Abs(sd-1), math.Abs(sd1-1)) < 1e-4 {
		return []Finding{{"warning", "scaled on all rows", fmt.Sprintf("column %q has mean 0 and deviation 1 over all %d rows: it was scaled before the split, with the test rows in the scale", name, len(all))}}
	}
	return nil
}

// auditField asks how well the values of a field tell a class from all others,
// each value judged by the rows of the other half of the groups: an agent that
// occurs in attacks only, and in attacks of several principals.
func auditField(p *Problem, f Field, rows, at []int, benign int) []Finding {
	half := func(r int) int {
		k := uint64(r)
		if p.Groups != nil {
			k = p.Groups[r]
		}
		return int(mix(k^0x5eed) & 1)
	}
	total := make([]int, len(p.Classes))
	for _, i := range at {
		total[p.Labels[rows[i]]]++
	}
	for c := -1; c < len(p.Classes); c++ { // −1: attack against benign
		if c == benign || c >= 0 && (total[c] < auditLeast || len(at)-total[c] < auditLeast) {
			continue
		}
		is := func(r int) bool {
			if c < 0 {
				return int(p.Labels[r]) != benign
			}
			return int(p.Labels[r]) == c
		}
		type tally struct{ pos, all int }
		var values [2]map[int32]tally
		values[0], values[1] = map[int32]tally{}, map[int32]tally{}
		var base tally
		for _, i := range at {
			r := rows[i]
			t := values[half(r)][f.Code[r]]
			t.all++
			base.all++
			if is(r) {
				t.pos++
				base.pos++
			}
			values[half(r)][f.Code[r]] = t
		}
		prior := float64(base.pos) / float64(base.all)
		score := make([]float64, len(at))
		positive := make([]bool, len(at))
		for k, i := range at {
			r := rows[i]
			t := values[1-half(r)][f.Code[r]]
			score[k] = (float64(t.pos) + prior) / (float64(t.all) + 1)
			positive[k] = is(r)
		}
		if auc := evaluate.AUC(score, positive); auc >= auditAUC {
			name := "attack"
			if c >= 0 {
				name = fmt.Sprintf("%q", p.Classes[c])
			}
			return []Finding{{"warning", "label in a field", fmt.Sprintf("%s alone separates %s from the rest (AUC %.4f on %d rows, each value judged by other principals): it spells the label. If it is meant, name it in models.acknowledge", f.Name, name, auc, len(at))}}
		}
	}
	return nil
}

// auditFolds counts test rows that stand in the training rows as well, by hash
// and by group.
func auditFolds(p *Problem, folds []Fold) []Finding {
	var found []Finding
	share := func(key []uint64) float64 {
		var hit, all int
		for _, f := range folds {
			seen := make(map[uint64]struct{}, len(f.Train))
			for _, r := range f.Train {
				seen[key[r]] = struct{}{}
			}
			for _, r := range f.Test {
				if _, ok := seen[key[r]]; ok {
					hit++
				}
				all++
			}
		}
		return float64(hit) / float64(max(all, 1))
	}
	if p.Hash != nil {
		if s := share(p.Hash); s > 0.001 {
			found = append(found, Finding{"warning", "duplicates across folds", fmt.Sprintf("%.1f %% of the test rows stand in the training rows word for word", 100*s)})
		}
	}
	if p.Groups != nil {
		if s := share(p.Groups); s > 0.001 {
			found = append(found, Finding{"warning", "groups across folds", fmt.Sprintf("%.1f %% of the test rows are of a group (principal) that occurs in the training rows", 100*s)})
		}
	}
	return found
}

// auditRepeats tells rows that occur several times at one instant, word for word
// and of one group: in a log such rows are rare outside floods, and a file that
// was put together twice is full of them. A group that makes up a flood counts
// once.
func auditRepeats(p *Problem, rows []int) []Finding {
	if p.Hash == nil || p.Times == nil || len(rows) < auditLeast {
		return nil
	}
	seen := make(map[uint64]int, len(rows))
	for _, r := range rows {
		seen[p.Hash[r]]++
	}
	// Per group, else one flood decides.
	type tally struct{ again, all int }
	byGroup := make(map[uint64]tally)
	var keys []uint64
	for _, r := range rows {
		g := uint64(0)
		if p.Groups != nil {
			g = p.Groups[r]
		}
		t, ok := byGroup[g]
		if !ok {
			keys = append(keys, g)
		}
		t.all++
		if seen[p.Hash[r]] > 1 {
			t.again++
		}
		byGroup[g] = t
	}
	var share, weight float64
	for _, g := range keys {
		t := byGroup[g]
		w := math.Sqrt(float64(t.all))
		share += w * float64(t.again) / float64(t.all)
		weight += w
	}
	if share /= weight; share <= auditRepeated {
		return nil
	}
	return []Finding{{"warning", "duplicate rows", fmt.Sprintf("%.0f %% of the rows (groups weighted by the root of their size) occur more than once at the same instant, word for word: was a file put in twice?", 100*share)}}
}

// auditFit makes one fold twice, with all its test rows and with none: what is
// fitted must not depend on them. And it takes the rows after a cut away: what
// looks back in time must not change before it.
func auditFit(ctx context.Context, p *Problem, fold Fold) ([]Finding, error) {
	var found []Finding
	some := func(rows []int) (out []int) {
		sampled(len(rows), auditFold, func(i int) { out = append(out, rows[i]) })
		return out
	}
	train, test := some(fold.Train), some(fold.Test)
	with, _, err := p.Fold(ctx, train, test)
	if err != nil {
		return nil, err
	}
	without, _, err := p.Fold(ctx, train, test[:len(test)/2])
	if err != nil {
		return nil, err
	}
	if names := changed(with, without, len(train)); len(names) > 0 {
		found = append(found, Finding{"warning", "fitted on test rows", fmt.Sprintf("the training features change with the test rows beside them, in %s: something is scaled or encoded on all rows", list(names))})
	}
	if p.Prefix == nil {
		return found, nil
	}
	whole, prefix, err := p.Prefix(ctx)
	if err != nil {
		return nil, err
	}
	if whole != nil && prefix != nil {
		if names := changed(whole, prefix, min(whole.N, prefix.N)); len(names) > 0 {
			found = append(found, Finding{"warning", "future information", fmt.Sprintf("without the later rows the earlier ones change in %s: a window looks ahead", list(names))})
		}
	}
	return found, nil
}

// changed names the columns in which the first n rows of two matrices differ.
func changed(a, b *frame.Matrix, n int) (names []string) {
	for j, col := range a.Cols {
		k := b.Schema.Index(a.Schema.Columns[j].Name)
		if k < 0 {
			continue
		}
		other := b.Cols[k]
		for i := range n {
			if col[i] != other[i] && (col[i] == col[i] || other[i] == other[i]) {
				names = append(names, a.Schema.Columns[j].Name)
				break
			}
		}
	}
	return names
}

func list(names []string) string {
	const most = 5
	s := strings.Trim(fmt.Sprintf("%q", names[:min(len(names), most)]), "[]")
	if len(names) > most {
		s += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return s
}

// wholeGroups takes about n of rows, whole groups each, so that a grouped split
// keeps its sense.
func wholeGroups(p *Problem, rows []int, n int, seed uint64) []int {
	if len(rows) <= n {
		return rows
	}
	g := p.groups(rows)
	part := uint64((len(rows) + n - 1) / n)
	var some []int
	for i, r := range rows {
		if mix(g.key[g.id[i]]^mix(seed))%part == 0 {
			some = append(some, r)
		}
	}
	return some
}

// auditLabels cross-validates with labels drawn anew for each group and row
// identity: nothing is left to be learned but the groups themselves. On a sound
// split the result is chance; where it is not, the model knows test rows from
// training.
func auditLabels(ctx context.Context, p *Problem, rows []int, spec model.Spec, opt Options, used Split) ([]Finding, []Finding, error) {
	benign := benignIndex(p.Classes, p.Benign)
	if benign < 0 {
		return nil, nil, nil
	}
	rows = wholeGroups(p, rows, auditShuffle, opt.Seed+1)
	g := p.groups(rows)
	if len(rows) < auditLeast || len(g.key) < 40 {
		return nil, nil, nil
	}
	q := *p
	q.Labels = make([]int32, p.Rows)
	q.Classes = []string{p.Classes[benign], "attack"}
	for i := range q.Labels {
		q.Labels[i] = -1
	}
	draw := rand.New(rand.NewPCG(opt.Seed, 0x5aff1e))
	label := make([]int32, len(g.key))
	var sides [2]float64
	for i := range label {
		label[i] = int32(draw.Uint64() & 1)
	}
	size := make([]float64, len(g.key))
	for i, r := range rows {
		q.Labels[r] = label[g.id[i]]
		size[g.id[i]]++
	}
	var sum, sq float64
	for _, s := range size {
		sum += s
		sq += s * s
	}
	effective := sum * sum / sq // groups, if they were of one size (Kish 1965)
	sides[0], sides[1] = effective/2, effective/2
	o := opt
	o.NoAudit, o.Split, o.Repeats, o.Load, o.Save, o.Folds = true, used, 1, nil, nil, 3
	r, err := crossValidate(ctx, &q, rows, spec, o)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, []Finding{{"info", "shuffled labels", fmt.Sprintf("could not be run on %d rows: %v", len(rows), err)}}, nil
	}
	auc := r.Metrics["roc_auc"].Pooled
	limit := auditChance + 4*math.Sqrt((sides[0]+sides[1]+1)/(12*sides[0]*sides[1])) // of the AUC of two samples without a difference (Mann & Whitney 1947)
	detail := fmt.Sprintf("with labels drawn anew per group the AUC is %.3f on %d rows of %d groups, %s split (chance: 0.5 ± %.2f)", auc, len(rows), len(g.key), r.Split, limit)
	if auc-0.5 > limit {
		return []Finding{{"warning", "shuffled labels", detail + ": the model recognises test rows from training"}}, nil, nil
	}
	return nil, []Finding{{"info", "shuffled labels", detail}}, nil
}

// auditRandom cross-validates the same rows on a random and on a grouped split:
// both balance the classes and hide nothing of the future, so that what differs
// is that groups stand on both sides.
func auditRandom(ctx context.Context, p *Problem, rows []int, spec model.Spec, opt Options, used Split) (found, checks []Finding, err error) {
	rows = wholeGroups(p, rows, auditCV, opt.Seed)
	opt.NoAudit, opt.Repeats, opt.Load, opt.Save = true, 1, nil, nil
	opt.Folds = min(opt.Folds, 3)
	honest := Group
	if used == Random {
		honest = opt.Honest
	}
	type figure struct{ f1, se float64 }
	f1 := make(map[Split]figure)
	for _, s := range []Split{Random, Group, honest} {
		if _, ok := f1[s]; ok {
			continue
		}
		opt.Split = s
		r, err := crossValidate(ctx, p, rows, spec, opt)
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if err != nil { // too few groups or classes in the sample
			return nil, []Finding{{"info", "random split", fmt.Sprintf("could not be compared on %d rows: %v", len(rows), err)}}, nil
		}
		m := r.Metrics["macro_f1"]
		f1[s] = figure{m.Pooled, m.SD / math.Sqrt(float64(len(r.Folds)))}
		if s == honest && r.Split != honest { // fell back
			honest = r.Split
			f1[honest] = f1[s]
		}
	}
	detail := fmt.Sprintf("macro-F1 %.3f on a random split, %.3f on the group split", f1[Random].f1, f1[Group].f1)
	if honest != Group {
		detail += fmt.Sprintf(", %.3f on the %s split", f1[honest].f1, honest)
	}
	detail += fmt.Sprintf(" of the same %d rows", len(rows))
	gap := f1[Random].f1 - f1[Group].f1
	noise := 2 * math.Hypot(f1[Random].se, f1[Group].se)
	if gap > auditGap && !(gap <= noise) && (used == Random || used == Time) {
		return []Finding{{"warning", "random split", detail + ": figures of random splits cannot be trusted here"}}, nil, nil
	}
	return nil, []Finding{{"info", "random split", detail}}, nil
}

// auditConstant lists columns without any variation: no leak, but no use either.
func auditConstant(x *frame.Matrix) []Finding {
	var names []string
	for j, col := range x.Cols {
		same := true
		for _, v := range col {
			if v != col[0] && (v == v || col[0] == col[0]) {
				same = false
				break
			}
		}
		if same && x.N > 1 {
			names = append(names, x.Schema.Columns[j].Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []Finding{{"info", "constant columns", fmt.Sprintf("%d of %d columns never vary here: %s", len(names), len(x.Cols), list(names))}}
}
