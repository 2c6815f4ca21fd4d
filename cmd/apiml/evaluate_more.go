package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"apiml/features"
	"apiml/internal/plot"
	"apiml/model"
	"apiml/store"
	"apiml/traffic"
	"apiml/train"
)

// mistake is a row that the model was most wrong about.
type mistake struct {
	File      string  `json:"file"`
	Line      int64   `json:"line"`
	Truth     string  `json:"truth"`
	Predicted string  `json:"predicted"`
	PTruth    float64 `json:"p_truth"` // probability of the true class
	PPred     float64 `json:"p_predicted"`
	Text      string  `json:"text,omitempty"` // method and target of a request
}

// worst finds the n rows whose true class had the lowest probability.
func worst(r *train.Result, at *origins, n int) []mistake {
	p := r.Predictions
	if p == nil || p.Pred == nil || p.Proba == nil || len(at.rows) != len(p.Pred) {
		return nil
	}
	k := len(p.Classes)
	var wrong []int
	for i, t := range p.Truth {
		if t >= 0 && p.Pred[i] != t {
			wrong = append(wrong, i)
		}
	}
	truth := func(i int) float32 { return p.Proba[i*k+int(p.Truth[i])] }
	slices.SortStableFunc(wrong, func(a, b int) int {
		switch {
		case truth(a) < truth(b):
			return -1
		case truth(a) > truth(b):
			return 1
		}
		return 0
	})
	var out []mistake
	for _, i := range wrong[:min(n, len(wrong))] {
		o := at.rows[i]
		out = append(out, mistake{File: at.files[o.file], Line: o.line, Truth: p.Classes[p.Truth[i]], Predicted: p.Classes[p.Pred[i]],
			PTruth: float64(truth(i)), PPred: float64(p.Proba[i*k+int(p.Pred[i])])})
	}
	return out
}

// readTexts fills in what the requests behind mistakes were.
func (a *app) readTexts(src *source, list []mistake) error {
	type place struct {
		file string
		line int64
	}
	want := map[place]int{}
	for i, m := range list {
		want[place{m.File, m.Line}] = i
	}
	if len(want) == 0 {
		return nil
	}
	return src.records(a.ctx, func(reqs []traffic.Request) error {
		for i := range reqs {
			if k, ok := want[place{reqs[i].File, reqs[i].Line}]; ok {
				list[k].Text = strings.Clone(reqs[i].Method + " " + reqs[i].Target)
			}
		}
		return nil
	}, nil)
}

// figuresOf draws what --plot asked for and the result holds.
func figuresOf(m *evaluatedModel, plots []string) []figure {
	r := m.Result
	var out []figure
	name := func(kind string) string { return r.Model + "-" + kind }
	for _, kind := range plots {
		switch kind {
		case "confusion":
			if r.Confusion == nil {
				continue
			}
			labels, keep := usedClasses(r)
			f := plot.Figure{Title: r.Model + ": share of the rows of each true class", XLabel: "predicted class", Rows: labels, Cols: labels}
			for _, i := range keep {
				var total int64
				for _, n := range r.Confusion.Counts[i] {
					total += n
				}
				var shade []float64
				var text []string
				for _, j := range keep {
					s := float64(r.Confusion.Counts[i][j]) / float64(max(total, 1))
					shade = append(shade, s)
					text = append(text, count(r.Confusion.Counts[i][j]))
				}
				f.Shade, f.Text = append(f.Shade, shade), append(f.Text, text)
			}
			out = append(out, figure{name(kind), f})
		case "roc", "pr":
			if r.Curves == nil {
				continue
			}
			set, x, y, log := r.Curves.ROC, "false-positive rate (logarithmic)", "true-positive rate", true
			if kind == "pr" {
				set, x, y, log = r.Curves.PR, "recall", "precision", false
			}
			f := plot.Figure{Title: r.Model + ": " + strings.ToUpper(kind), XLabel: x, YLabel: y, XMax: 1, YMax: 1, LogX: log}
			for _, c := range curveNames(set) {
				f.Series = append(f.Series, plot.Series{Name: c, X: set[c].X, Y: set[c].Y, Dash: strings.HasSuffix(c, "average")})
			}
			if len(f.Series) > 0 {
				out = append(out, figure{name(kind), f})
			}
		case "calibration":
			if r.Curves == nil || len(r.Curves.Calibration) == 0 {
				continue
			}
			s := plot.Series{Name: "observed"}
			for _, b := range r.Curves.Calibration {
				if b.Count > 0 {
					s.X, s.Y = append(s.X, b.Predicted), append(s.Y, b.Observed)
				}
			}
			points := s
			points.Name, points.Kind = "", "points"
			out = append(out, figure{name(kind), plot.Figure{Title: r.Model + ": calibration", XLabel: "predicted probability", YLabel: "observed share", XMax: 1, YMax: 1,
				Series: []plot.Series{s, {Name: "perfect", X: []float64{0, 1}, Y: []float64{0, 1}, Dash: true}, points}}})
		case "importance":
			if len(r.Importance) == 0 {
				continue
			}
			f := plot.Figure{Title: r.Model + ": what is lost when a feature is shuffled", XLabel: "drop of " + r.Importance[0].Metric + " (bars: ± sd)", Series: make([]plot.Series, 1)}
			for _, x := range r.Importance[:min(25, len(r.Importance))] {
				f.Names = append(f.Names, importanceName(&x))
				s := &f.Series[0]
				sd := x.SD
				if math.IsNaN(sd) {
					sd = 0
				}
				s.Y, s.Lo, s.Hi = append(s.Y, x.Drop), append(s.Lo, x.Drop-sd), append(s.Hi, x.Drop+sd)
			}
			out = append(out, figure{name(kind), f})
		case "learning":
			if m.Learning == nil || len(m.Learning.Points) == 0 {
				continue
			}
			s := plot.Series{Name: m.Learning.Metric + " on held-out rows"}
			for _, p := range m.Learning.Points {
				s.X, s.Y = append(s.X, float64(p.Rows)), append(s.Y, p.Mean)
				s.Lo, s.Hi = append(s.Lo, p.Mean-p.SD), append(s.Hi, p.Mean+p.SD)
			}
			out = append(out, figure{name(kind), plot.Figure{Title: r.Model + ": learning curve", XLabel: "rows fitted on", YLabel: m.Learning.Metric, Series: []plot.Series{s}}})
		}
	}
	return out
}

func importanceName(x *train.Importance) string {
	if len(x.With) == 0 {
		return x.Column
	}
	return fmt.Sprintf("%s and %d alike", x.Column, len(x.With))
}

// curveNames puts the curve of all attacks first and the averages last.
func curveNames[C any](set map[string]C) []string {
	names := sortedKeys(set)
	rank := func(n string) int {
		switch {
		case n == "attack":
			return 0
		case strings.HasSuffix(n, " average"):
			return 2
		}
		return 1
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names
}

// usedClasses are the classes that occur in truth or prediction.
func usedClasses(r *train.Result) (labels []string, keep []int) {
	for i, l := range r.Confusion.Labels {
		n := int64(0)
		for j := range r.Confusion.Labels {
			n += r.Confusion.Counts[i][j] + r.Confusion.Counts[j][i]
		}
		if n > 0 {
			labels, keep = append(labels, l), append(keep, i)
		}
	}
	return labels, keep
}

// tablesOf are the tables that stand beside the figures on a page.
func tablesOf(m *evaluatedModel) []pageTable {
	r := m.Result
	var out []pageTable
	title := func(s string) string { return r.Model + ": " + s }
	var rows [][]string
	for _, info := range metricsOf(r) {
		if s, ok := r.Metrics[info.Name]; ok {
			base := "–"
			if b, ok := r.Baseline[info.Name]; ok {
				base = figureOf(info.Name, b.Pooled)
			}
			rows = append(rows, []string{info.Title, figureOf(info.Name, s.Pooled), "± " + figureOf(info.Name, s.SD), base, info.Doc})
		}
	}
	out = append(out, pageTable{title(r.Protocol + ", " + count(int64(r.Rows)) + " rows of " + r.Dataset + synthetic(r.Synthetic)), []string{"metric", "value", "± sd", "baseline (" + r.BaselineName + ")", "what it is"}, rows})
	if h, rows := perClassTable(r); rows != nil {
		out = append(out, pageTable{title("classes"), h, rows})
	}
	for _, t := range extraTables(m) {
		t.Title = title(t.Title)
		out = append(out, t)
	}
	return out
}

// extraTables are precision at base rates, lift, mistakes, what was left out, and
// how it transfers.
func extraTables(m *evaluatedModel) []pageTable {
	r := m.Result
	var out []pageTable
	var rows [][]string
	for _, b := range r.BaseRates {
		rows = append(rows, []string{fmt.Sprintf("1 in %s", count(int64(math.Round(1/b.Rate)))), ratio(b.Precision)})
	}
	if rows != nil {
		out = append(out, pageTable{"precision at the alert budget, by how rare attacks are", []string{"attacks", ">precision"}, rows})
	}
	rows = nil
	for _, l := range r.Lift {
		rows = append(rows, []string{percent(l.Share), count(l.Rows), count(l.Positives), percent(l.Captured), fmt.Sprintf("%.2f", l.Lift)})
	}
	if rows != nil {
		out = append(out, pageTable{"what the highest scores hold", []string{">highest share", ">rows", ">attacks", ">of all attacks", ">lift"}, rows})
	}
	rows = nil
	for _, w := range m.Worst {
		rows = append(rows, []string{fmt.Sprintf("%s:%d", filepath.Base(w.File), w.Line), w.Truth, w.Predicted, ratio(w.PTruth), ratio(w.PPred), w.Text})
	}
	if rows != nil {
		out = append(out, pageTable{"worst mistakes", []string{"line", "true", "predicted", ">P(true)", ">P(predicted)", "request"}, rows})
	}
	for _, l := range []struct {
		title string
		list  []train.LeftOut
	}{{"one attack class left out of the training", m.LeftAttacks}, {"one file (day) left out of the training", m.LeftFiles}, {"fitted on the files (days) before", m.Ahead}} {
		rows = nil
		for _, x := range l.list {
			f1 := "–"
			if x.MacroF1 != nil {
				f1 = ratio(*x.MacroF1)
			}
			rows = append(rows, []string{x.Name, count(int64(x.Train)), count(int64(x.Attacks)), count(int64(x.Unseen)), ratio(x.AUC), opt(x.Recall, "0.01"), opt(x.FPR, "0.01"), opt(x.Recall, "0.001"), f1, x.Predicted})
		}
		if rows != nil {
			out = append(out, pageTable{l.title, []string{"left out", ">fitted on", ">attacks", ">of unseen classes", ">ROC-AUC", ">recall at 1 % FPR", ">FPR got", ">recall at 0.1 %", ">macro-F1", "mostly called"}, rows})
		}
	}
	rows = nil
	for _, c := range m.Cross {
		row := []string{c.Dataset, count(int64(c.Rows))}
		for _, n := range []string{"macro_f1", "roc_auc", "pr_auc", "recall_at_budget", "fpr_at_budget"} {
			v := "–"
			if s, ok := c.Metrics[n]; ok {
				v = ratio(s.Pooled)
			}
			row = append(row, v)
		}
		rows = append(rows, append(row, strings.Join(c.Notes, "; ")))
	}
	if rows != nil {
		out = append(out, pageTable{"fitted on " + m.file.file.Header.Data.Source + ", tested on other data", []string{"data", ">rows", ">macro-F1", ">ROC-AUC", ">PR-AUC", ">recall at budget", ">FPR at budget", "notes"}, rows})
	}
	return out
}

func opt(m map[string]float64, key string) string {
	if v, ok := m[key]; ok {
		return ratio(v)
	}
	return "–"
}

// perClassTable is precision, recall and F1 of each class with intervals: by a
// bootstrap over groups where there is one, else Wilson's.
func perClassTable(r *train.Result) (header []string, rows [][]string) {
	if len(r.PerClass) == 0 || r.Confusion == nil {
		return nil, nil
	}
	what := "95 % (Wilson)"
	if len(r.Intervals) > 0 {
		what = "95 % (bootstrap over groups)"
	}
	for _, c := range r.Confusion.Labels {
		x, ok := r.PerClass[c]
		if !ok || x.Support+x.Predicted == 0 {
			continue
		}
		p, q, f := x.PrecisionCI, x.RecallCI, x.F1CI
		if ci, ok := r.Intervals[c]; ok {
			p, q, f = ci.Precision, ci.Recall, ci.F1
		}
		span := func(lo, hi float64) string { return fmt.Sprintf("%.3f–%.3f", lo, hi) }
		rows = append(rows, []string{c, count(x.Support), ratio(x.Precision), span(p.Lo, p.Hi), ratio(x.Recall), span(q.Lo, q.Hi), ratio(x.F1), span(f.Lo, f.Hi)})
	}
	return []string{"class", ">rows", ">precision", ">" + what, ">recall", ">95 %", ">F1", ">95 %"}, rows
}

// refits measures what needs fits of its own: learning curve, classes and files
// left out. They use the configuration of the model's file.
func (a *app) refits(src *source, lm *loadedModel, o evaluateOptions, em *evaluatedModel) error {
	learning := slices.Contains(o.plots, "learning")
	if !learning && len(o.leaveOut) == 0 || !ofRows(lm.spec.Role) {
		return nil
	}
	var pr *problem
	var err error
	if lm.spec.Input == store.KindFlows {
		pr, err = src.flowProblem(a.ctx)
	} else {
		profile := features.Frozen
		if lm.state != nil {
			profile = lm.state.Profile()
		}
		pr, err = src.httpProblem(a.ctx, profile)
	}
	if err != nil || pr == nil {
		return err
	}
	spec := withText(lm.spec, pr.text)
	p := a.progress(spec.Name, 0)
	defer p.done()
	opt := train.Options{Seed: a.cfg.Seed, Config: lm.file.Header.Config, NoAudit: true, CPU: cpuSeconds,
		Log: func(stage string, done, total int) { p.stage(stage, int64(done), int64(total)) }}
	if learning {
		rows, held, _ := train.HoldOut(pr.Problem)
		if em.Learning, err = train.LearningCurve(a.ctx, pr.Problem, rows, held, spec, opt, []float64{0.05, 0.1, 0.2, 0.4, 0.7, 1}, 3); err != nil {
			return a.trainError(err)
		}
	}
	if slices.Contains(o.leaveOut, "attack") && spec.Role == model.RoleClassifier {
		if em.LeftAttacks, err = train.LeaveAttackOut(a.ctx, pr.Problem, allRows(pr.Rows), spec, opt); err != nil {
			return a.trainError(err)
		}
	}
	if slices.Contains(o.leaveOut, "file") && spec.Role == model.RoleClassifier {
		if len(pr.files) < 2 {
			return inputf("--leave-out file: the rows come from one file; give several --data")
		}
		part := make([]int, pr.Rows)
		for i, at := range pr.origin {
			part[i] = int(at.file)
		}
		var names []string
		for _, f := range pr.files {
			names = append(names, filepath.Base(f))
		}
		for _, ahead := range []bool{false, true} {
			l, err := train.LeavePartOut(a.ctx, pr.Problem, allRows(pr.Rows), part, names, ahead, spec, opt)
			if err != nil {
				return a.trainError(err)
			}
			if ahead {
				em.Ahead = l
			} else {
				em.LeftFiles = l
			}
		}
	}
	return nil
}

// compared is two models on the same rows.
type compared struct {
	jsonHead
	Models     []evaluatedModel  `json:"models"`
	Comparison *train.Comparison `json:"comparison"`
}

// compareModels measures two classifiers on the same rows: those that neither was
// fitted on.
func (a *app) compareModels(o evaluateOptions) error {
	if len(o.names) != 1 {
		return usagef("--compare A B: give two models, each a file or a name")
	}
	src, err := a.openSource(o.data, o.truth)
	if err != nil {
		return err
	}
	defer src.Close()
	var lms []*loadedModel
	for _, name := range []string{o.compare, o.names[0]} {
		var lm *loadedModel
		if strings.HasSuffix(name, ".apiml") {
			lm, err = a.loadModelFile(name, nil)
		} else {
			specs, _, cerr := a.chooseModels([]string{name}, false)
			if cerr != nil {
				return cerr
			}
			if len(specs) != 1 {
				return usagef("--compare: %q names %d models", name, len(specs))
			}
			lm, err = a.loadModel(specs[0], true)
		}
		if err != nil {
			return err
		}
		if _, ok := lm.model.(model.Classifier); !ok {
			return usagef("--compare: %s is no classifier", lm.origin)
		}
		lms = append(lms, lm)
	}
	if lms[0].spec.Input != lms[1].spec.Input {
		return usagef("--compare: %s reads %s, %s reads %s", lms[0].origin, inputNoun(lms[0].spec.Input), lms[1].origin, inputNoun(lms[1].spec.Input))
	}
	// What either has seen is left out for both.
	var both []*wanted
	for _, lm := range lms {
		w, err := newWanted(lm.file)
		if err != nil {
			return withCode(exitState, err)
		}
		both = append(both, w)
	}
	out := &compared{}
	var results []*train.Result
	var groups []uint64
	for i, lm := range lms {
		o := o
		o.importance, o.plots, o.leaveOut = false, nil, nil
		w, err := newWanted(lm.file)
		if err != nil {
			return withCode(exitState, err)
		}
		w.also = both[1-i]
		em, rows, err := a.evaluateOn(src, lm, w, o)
		if err != nil {
			return err
		}
		if em == nil {
			return inputf("no row that neither model was fitted on")
		}
		out.Models = append(out.Models, *em)
		results, groups = append(results, em.Result), rows.groups
	}
	if out.Comparison, err = train.Compare(results[0], results[1], groups, a.cfg.Seed); err != nil {
		return a.trainError(err)
	}
	out.jsonHead = a.head("evaluate-compare")
	if a.flags.json {
		return a.printJSON(out)
	}
	c := out.Comparison
	var rows [][]string
	for _, info := range metricsOf(results[0]) {
		x, y := results[0].Metrics[info.Name], results[1].Metrics[info.Name]
		rows = append(rows, []string{info.Title, ratio(x.Pooled), ratio(y.Pooled), fmt.Sprintf("%+.4f", y.Pooled-x.Pooled)})
	}
	fmt.Fprintf(a.out, "A = %s, B = %s, on %s rows of %s that neither was fitted on\n", lms[0].origin, lms[1].origin, count(c.Rows), clean(src.name()))
	if err := table(a.out, []string{"metric", ">A", ">B", ">B − A"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "macro-F1 B − A: %+.4f, 95 %% %+.4f to %+.4f (bootstrap over groups)\n", c.ValueB-c.ValueA, c.CI.Lo, c.CI.Hi)
	fmt.Fprintf(a.out, "right in A only %s, in B only %s: McNemar p = %.3g (it takes rows for independent)\n", count(c.OnlyA), count(c.OnlyB), c.McNemar)
	return nil
}
