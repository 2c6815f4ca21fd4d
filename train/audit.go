package train

import (
	"context"
	"fmt"
	"math"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/model"
)

const (
	auditAUC  = 0.99   // one column that tells attack from benign this well is suspicious
	auditRows = 50_000 // rows on which columns are looked at, evenly spaced
	auditGap  = 0.05   // macro-F1 by which a random split may look better
	auditCV   = 20_000 // rows of that comparison
)

// Audit looks for single columns of x, whose row i is row rows[i] of p, that tell
// attack from benign nearly alone (AUC ≥ 0.99, in either direction): in real
// traffic that is mostly a trace of how the data was made, as a port or an agent
// that only the attacker used. Without labels, or with one side only, it finds
// nothing.
func Audit(p *Problem, rows []int, x *frame.Matrix) []Finding {
	benign := benignIndex(p.Classes, p.Benign)
	if p.Labels == nil || benign < 0 {
		return nil
	}
	var at []int
	var positive []bool
	sampled(x.N, auditRows, func(i int) {
		if l := p.Labels[rows[i]]; l >= 0 {
			at = append(at, i)
			positive = append(positive, int(l) != benign)
		}
	})
	var found []Finding
	score := make([]float64, len(at))
	for j, col := range x.Cols {
		for k, i := range at {
			score[k] = float64(col[i])
		}
		auc := evaluate.AUC(score, positive)
		if math.Max(auc, 1-auc) >= auditAUC {
			found = append(found, Finding{"warning", "single feature",
				fmt.Sprintf("column %q alone separates attack from benign (AUC %.4f on %d rows): is it a trace of how the data was made?", x.Schema.Columns[j].Name, math.Max(auc, 1-auc), len(at))})
		}
	}
	return found
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
		if s := share(p.Hash); s > 0 {
			found = append(found, Finding{"warning", "duplicates across folds", fmt.Sprintf("%.1f %% of the test rows stand in the training rows word for word", 100*s)})
		}
	}
	if p.Groups != nil {
		if s := share(p.Groups); s > 0 {
			found = append(found, Finding{"warning", "groups across folds", fmt.Sprintf("%.1f %% of the test rows are of a group (principal) that occurs in the training rows", 100*s)})
		}
	}
	return found
}

// auditRandom cross-validates the same rows on a random and on the honest split.
func auditRandom(ctx context.Context, p *Problem, rows []int, spec model.Spec, opt Options, used Split) ([]Finding, error) {
	if len(rows) > auditCV {
		// Whole groups, so that the honest split keeps its sense.
		g := p.groups(rows)
		part := uint64((len(rows) + auditCV - 1) / auditCV)
		var some []int
		for i, r := range rows {
			if mix(g.key[g.id[i]]^mix(opt.Seed))%part == 0 {
				some = append(some, r)
			}
		}
		rows = some
	}
	opt.AuditRandom = false
	f1 := make(map[Split]float64)
	for _, s := range []Split{Random, used} {
		opt.Split = s
		r, err := crossValidate(ctx, p, rows, spec, opt)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil { // too few groups or classes in the sample
			return []Finding{{"info", "random split", fmt.Sprintf("could not be compared on %d rows: %v", len(rows), err)}}, nil
		}
		f1[s] = r.Metrics["macro_f1"].Pooled
	}
	detail := fmt.Sprintf("macro-F1 %.3f on a random split, %.3f on the %s split of the same %d rows", f1[Random], f1[used], used, len(rows))
	if f1[Random]-f1[used] > auditGap {
		return []Finding{{"warning", "random split", detail + ": figures of random splits cannot be trusted here"}}, nil
	}
	return []Finding{{"info", "random split", detail}}, nil
}
