package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"apiml/features"
	"apiml/frame"
	"apiml/internal/atomicfile"
	"apiml/model"
	"apiml/report"
	"apiml/score"
	"apiml/store"
	"apiml/traffic"
	"apiml/train"
)

type evaluateOptions struct {
	names      []string
	model      []string
	all        bool
	data       []string
	truth      []string
	plots      []string
	importance bool
	outputs    []string
	worst      int
	leaveOut   []string
	cross      []string
	compare    string
	drift      bool
	reference  string
	failOn     []string

	period time.Duration // evaluate behavior: between two looks at who moved

	csv, timeCol, target string // evaluate latency --csv
	columns              []string

	m4Train, m4Test, m4Forecasts string // evaluate forecast --m4-train
	m4First                      int
}

func (a *app) evaluateCommand() *cobra.Command {
	var o evaluateOptions
	cmd := &cobra.Command{
		Use:   "evaluate [MODEL…]",
		Short: "Measure models on rows that they were not fitted on",
		Long: `Evaluate measures on exactly the rows that train set aside. On other data (--data,
or another store) rows that were seen in training are left out and counted.
Beside a model of requests stands the rule baseline on the same rows.`,
		Example: `  apiml evaluate
  apiml evaluate attack --plot confusion --plot roc --importance
  apiml evaluate --data labelled.csv --json
  apiml evaluate -o models.html
  apiml evaluate attack --drift --data today.log --fail-on 'drift>0'
  apiml evaluate behavior --data access.log --period 24h
  apiml evaluate latency --csv requests.csv --time start --target seconds --features endpoint,method,bytes
  apiml evaluate forecast --m4-train Hourly-train.csv --m4-test Hourly-test.csv --json`,
		RunE: func(_ *cobra.Command, args []string) error {
			o.names = args
			for _, p := range o.plots {
				if !slices.Contains(plotKinds(), p) {
					return usagef("--plot %q: want %s", p, strings.Join(plotKinds(), ", "))
				}
				o.importance = o.importance || p == "importance"
			}
			for _, l := range o.leaveOut {
				if l != "attack" && l != "file" {
					return usagef("--leave-out %q: want attack or file", l)
				}
			}
			if o.csv != "" {
				return a.evaluateTable(o)
			}
			if o.m4Train != "" || o.m4Test != "" {
				return a.evaluateM4(o)
			}
			for _, path := range o.outputs {
				if e := filepath.Ext(path); e != ".html" && e != ".json" && e != ".svg" {
					return usagef("output %q: want .html, .svg or .json", path)
				}
			}
			if o.drift || o.reference != "" || len(o.failOn) > 0 {
				return a.drift(o)
			}
			if o.compare != "" {
				return a.compareModels(o)
			}
			_, err := a.evaluate(o)
			return err
		},
	}
	a.windowFlags(cmd)
	f := cmd.Flags()
	f.DurationVar(&o.period, "period", 0, "with behavior: length of the periods between which principals may move (default: half of the log)")
	f.StringVar(&o.csv, "csv", "", "with latency: fit and measure on this CSV, 70/30 in time order, without a store")
	f.StringVar(&o.timeCol, "time", "", "its time column")
	f.StringVar(&o.target, "target", "", "its target column")
	f.StringSliceVar(&o.columns, "features", nil, "its feature columns, numbers or text")
	f.StringVar(&o.m4Train, "m4-train", "", "with forecast: forecast each series of this file (a name and values per line, as in the M4 competition) …")
	f.StringVar(&o.m4Test, "m4-test", "", "… and score the forecasts on this one: sMAPE, MASE, OWA; --model names the model, default auto")
	f.StringVar(&o.m4Forecasts, "m4-forecasts", "", "score these forecasts (name and values per line) instead")
	f.IntVar(&o.m4First, "m4-series", 0, "only so many series, evenly spread over the file")
	f.StringArrayVar(&o.model, "model", nil, "model, alias or group, repeatable")
	f.BoolVar(&o.all, "all", false, "all six models")
	f.StringArrayVar(&o.data, "data", nil, "evaluate on this file instead of the store, repeatable")
	f.StringArrayVar(&o.truth, "truth", nil, "labels of the --data at the same place, by line: CSV as generate --truth writes it, or JSON lines with line and label")
	f.StringSliceVar(&o.plots, "plot", nil, "confusion, roc, pr, calibration, importance, learning: as text, and drawn into -o FILE.html or FILE.svg (default confusion)")
	f.IntVar(&o.worst, "worst", 10, "worst mistakes of a classifier to list, with their lines")
	f.StringSliceVar(&o.leaveOut, "leave-out", nil, "attack: fit without each attack class in turn and see whether it is found; file: without each --data file (day)")
	f.StringArrayVar(&o.cross, "cross", nil, "measure on this other data set too, a row for each, repeatable")
	f.BoolVar(&o.drift, "drift", false, "instead: how far the rows that the model has not seen have moved from those that it was judged on, without labels")
	f.StringVar(&o.reference, "reference", "", "with --drift: compare with this file, or with the time FROM/TO of the store, instead of what the model file remembers")
	f.StringArrayVar(&o.failOn, "fail-on", nil, "with --drift: exit 1 if it holds, such as 'drift>0' (columns and scores whose shift is large)")
	f.StringVar(&o.compare, "compare", "", "evaluate --compare A B: two classifiers (files or names) on the rows that neither was fitted on, with a paired test")
	f.BoolVar(&o.importance, "importance", false, "permutation importance of the features, those that say the same together")
	f.StringArrayVarP(&o.outputs, "output", "o", nil, "FILE.html, FILE.svg or FILE.json, repeatable")
	return cmd
}

// evaluatedModel is an element of models[] of `evaluate --json`.
type evaluatedModel struct {
	*train.Result
	Origin   string        `json:"origin"`
	SHA256   string        `json:"sha256"`
	LeftOut  int           `json:"left_out"` // rows of other data that were seen in training
	Rules    *ruleFigures  `json:"rules,omitempty"`
	Behavior *behaviorView `json:"behavior,omitempty"`

	Worst       []mistake       `json:"worst,omitempty"`
	Learning    *train.Learning `json:"learning,omitempty"`
	LeftAttacks []train.LeftOut `json:"leave_attack_out,omitempty"`
	LeftFiles   []train.LeftOut `json:"leave_file_out,omitempty"`
	Ahead       []train.LeftOut `json:"files_ahead,omitempty"` // fitted on the files before only
	Cross       []*train.Result `json:"cross,omitempty"`       // on other data

	file *loadedModel
}

// ruleFigures are the rule baseline's on the rows on which the model was
// measured.
type ruleFigures struct {
	Alerts    int     `json:"alerts"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	FPR       float64 `json:"fpr"`
}

type evaluateResult struct {
	jsonHead
	Models  []evaluatedModel `json:"models"`
	Skipped []string         `json:"skipped"`
}

func (a *app) evaluate(o evaluateOptions) (res *evaluateResult, err error) {
	specs, explicit, err := a.chooseModels(append(o.names, o.model...), o.all)
	if err != nil {
		return nil, err
	}
	src, err := a.openSource(o.data, o.truth)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if specs, err = src.twins(specs, explicit); err != nil {
		return nil, err
	}
	var run *entry
	if src.st != nil {
		if run, err = a.ledger(src.st, "evaluate", nil); err != nil {
			return nil, err
		}
		defer run.end(&err)
	}
	res = &evaluateResult{Models: []evaluatedModel{}, Skipped: []string{}}
	for _, spec := range specs {
		if src.st != nil && src.kinds[spec.Input] == 0 {
			res.Skipped = append(res.Skipped, spec.Name+": the store holds no "+inputNoun(spec.Input))
			continue
		}
		if src.only == store.KindFlows && spec.Input == store.KindHTTP {
			res.Skipped = append(res.Skipped, spec.Name+": the data hold network flows only")
			continue
		}
		lm, err := a.loadModel(spec, true)
		if err != nil {
			if explicit {
				return nil, err
			}
			res.Skipped = append(res.Skipped, spec.Name+": "+err.Error())
			continue
		}
		evaluate := func() (*evaluatedModel, error) { return a.evaluateOne(src, lm, o) }
		if !ofRows(spec.Role) {
			evaluate = func() (*evaluatedModel, error) { return a.evaluateRole(src, lm, o.period) }
		}
		em, err := evaluate()
		if e := (*exitError)(nil); !explicit && errors.As(err, &e) && e.code == exitInput {
			res.Skipped = append(res.Skipped, spec.Name+": "+strings.TrimPrefix(err.Error(), spec.Name+": "))
			continue
		}
		if err != nil {
			return nil, err
		}
		if em == nil {
			if em, err = crossValidated(lm); err != nil {
				return nil, err
			}
		}
		if em == nil {
			res.Skipped = append(res.Skipped, spec.Name+": no row that it was not fitted on (with a label)")
			continue
		}
		res.Models = append(res.Models, *em)
	}
	if len(res.Models) == 0 {
		return nil, inputf("nothing to evaluate: %s", strings.Join(res.Skipped, "; "))
	}
	for _, why := range res.Skipped {
		if name, _, _ := strings.Cut(why, ":"); strings.HasSuffix(name, "-flows") && !explicit {
			a.debugf("left out: %s", why)
		} else {
			a.sayf("left out: %s", why)
		}
	}
	if run != nil {
		var trained []trainedModel
		for _, m := range res.Models {
			trained = append(trained, trainedModel{Result: m.Result})
		}
		if err := a.storeMetrics(src.st, run.run.ID, trained); err != nil {
			return nil, err
		}
		run.counts = map[string]int64{"models": int64(len(trained))}
	}
	res.jsonHead = a.head("evaluate")
	for _, path := range o.outputs {
		if err := a.writeEvaluation(path, res, o.plots); err != nil {
			return nil, err
		}
	}
	if a.flags.json {
		err = a.printJSON(res)
	} else {
		err = a.printEvaluated(res, o)
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

// crossValidated stands in for a model that was fitted on all rows (train
// --final): there is nothing left to measure it on but its cross-validation.
func crossValidated(lm *loadedModel) (*evaluatedModel, error) {
	stored, err := rawMetrics[storedMetrics](lm)
	if err != nil || stored == nil || stored.CV == nil || lm.file.Header.HoldOut.Rows > 0 {
		return nil, err
	}
	r := *stored.CV
	r.Protocol += "; the cross-validated figures: the model was fitted on all rows (--final)"
	return &evaluatedModel{Result: &r, Origin: lm.origin, SHA256: lm.file.SHA256(), file: lm}, nil
}

// evalRows collects the rows on which a model is measured.
type evalRows struct {
	cols   [][]float32
	labels []traffic.Label
	class  []string // own labels of flows
	at     origins
	times  []int64
	groups []uint64
	ruled  []bool
	once   map[uint64]struct{} // rows without a time: each counts once, as in train
}

// principals counts the units of the bootstrap.
func (e *evalRows) principals() int {
	seen := map[uint64]struct{}{}
	for _, g := range e.groups {
		seen[g] = struct{}{}
	}
	return len(seen)
}

// again reports whether a row without a time was there before.
func (e *evalRows) again(t int64, hash uint64) bool {
	if t != traffic.NoTime {
		return false
	}
	if _, ok := e.once[hash]; ok {
		return true
	}
	if e.once == nil {
		e.once = map[uint64]struct{}{}
	}
	e.once[hash] = struct{}{}
	return false
}

func (e *evalRows) take(x *frame.Matrix, row int, l traffic.Label, t int64, group uint64, ruled bool) {
	for j := range e.cols {
		e.cols[j] = append(e.cols[j], x.Cols[j][row])
	}
	e.labels = append(e.labels, l)
	e.times = append(e.times, t)
	e.groups = append(e.groups, group)
	e.ruled = append(e.ruled, ruled)
}

// matrix makes the matrix, its classes those of the model and whatever else
// occurs.
func (e *evalRows) matrix(schema *frame.Schema) *frame.Matrix {
	m := &frame.Matrix{Schema: schema, Cols: e.cols, N: len(e.labels), Time: e.times, Group: e.groups, Class: make([]int32, len(e.labels))}
	var pr problem
	pr.Problem = &train.Problem{}
	if e.class != nil {
		pr.labelNames(e.class)
	} else {
		pr.label(e.labels)
	}
	m.Classes = pr.Classes
	if pr.Labels != nil {
		m.Class = pr.Labels
	} else {
		m.Class = nil
	}
	return m
}

// wanted says which rows a model is measured on: the held-out ones if the data
// holds any of them, else all that were not seen in training.
type wanted struct {
	held, trained map[uint64]struct{}
	onHeld        bool
	leftOut       int
	also          *wanted            // what this one has seen is left out too
	any           bool               // rows without a label too
	fresh         bool               // neither trained on nor held out
	between       func(t int64) bool // nil = whenever
	total         int
	keep          int // most rows to take, by hash; 0 = all
	units         int // principals among the rows of a drift, 0 = unknown
}

func newWanted(f *model.File) (*wanted, error) {
	w := &wanted{held: map[uint64]struct{}{}, trained: map[uint64]struct{}{}}
	for name, set := range map[string]map[uint64]struct{}{arrayHoldOut: w.held, arrayTrained: w.trained} {
		if !f.Has(name) {
			continue
		}
		hs, err := f.U64(name)
		if err != nil {
			return nil, err
		}
		for _, h := range hs {
			set[h] = struct{}{}
		}
	}
	return w, nil
}

// look counts a row in the first pass.
func (w *wanted) look(h uint64) {
	w.total++
	if _, ok := w.held[h]; ok {
		w.onHeld = true
	} else if _, ok := w.trained[h]; ok {
		w.leftOut++
	}
}

func (w *wanted) has(h uint64) bool {
	if w.keep > 0 && w.total > w.keep && (h*0x9e3779b97f4a7c15)>>32 >= uint64(w.keep)<<32/uint64(w.total) {
		return false
	}
	if w.fresh {
		_, a := w.trained[h]
		_, b := w.held[h]
		return !a && !b
	}
	if w.also != nil {
		_, a := w.trained[h]
		_, b := w.also.trained[h]
		return !a && !b
	}
	if w.onHeld {
		_, ok := w.held[h]
		return ok
	}
	_, ok := w.trained[h]
	return !ok
}

// evaluateOne measures one model; nil if there is no row to measure it on.
func (a *app) evaluateOne(src *source, lm *loadedModel, o evaluateOptions) (*evaluatedModel, error) {
	w, err := newWanted(lm.file)
	if err != nil {
		return nil, withCode(exitState, err)
	}
	em, rows, err := a.evaluateOn(src, lm, w, o)
	if err != nil || em == nil {
		return nil, err
	}
	if o.worst > 0 {
		em.Worst = worst(em.Result, &rows.at, o.worst)
		if lm.spec.Input == store.KindHTTP {
			if err := a.readTexts(src, em.Worst); err != nil {
				return nil, err
			}
		}
	}
	if err := a.refits(src, lm, o, em); err != nil {
		return nil, err
	}
	for _, path := range o.cross {
		other, err := a.openSource([]string{path}, nil)
		if err != nil {
			return nil, err
		}
		cw, err := newWanted(lm.file)
		if err != nil {
			return nil, withCode(exitState, err)
		}
		plain := o
		plain.importance = false
		cm, _, err := a.evaluateOn(other, lm, cw, plain)
		if err != nil {
			return nil, err
		}
		if cm == nil {
			a.warnf("--cross %s: no labelled %s that %s was not fitted on", path, inputNoun(lm.spec.Input), lm.spec.Name)
			continue
		}
		em.Cross = append(em.Cross, cm.Result)
	}
	return em, nil
}

// evaluateOn measures one model on the rows that w wants; nil if there is none.
func (a *app) evaluateOn(src *source, lm *loadedModel, w *wanted, o evaluateOptions) (*evaluatedModel, *evalRows, error) {
	p := a.progress("evaluating "+lm.spec.Name, 0)
	defer p.done()
	rows, schema, err := a.collect(src, lm, w)
	if err != nil {
		return nil, nil, err
	}
	if len(rows.labels) == 0 {
		return nil, nil, nil
	}
	var stored *storedMetrics
	if stored, err = rawMetrics[storedMetrics](lm); err != nil {
		return nil, nil, err
	}
	opt := train.EvalOptions{
		Model: lm.spec.Name, Dataset: src.name(), Synthetic: src.synth[lm.spec.Input], Seed: a.cfg.Seed, CPU: cpuSeconds,
		Protocol: "held-out rows: " + lm.file.Header.HoldOut.Rule,
		Log:      func(stage string, done, total int) { p.stage(stage, int64(done), int64(total)) },
	}
	if stored != nil {
		opt.Baselines = stored.Baselines
		if stored.CV != nil && stored.CV.Split != train.Random { // chosen on all rows
			opt.Threshold = stored.CV.Threshold
		}
	}
	if !w.onHeld {
		opt.Protocol = "other data than it was fitted on"
		if w.leftOut > 0 {
			opt.Protocol += fmt.Sprintf(", %d rows seen in training left out", w.leftOut)
		}
	}
	if o.importance {
		opt.Importance = 4000
	}
	x := rows.matrix(schema)
	r, err := train.Evaluate(a.ctx, lm.model, x, opt)
	if err != nil {
		return nil, nil, a.trainError(err)
	}
	em := &evaluatedModel{Result: r, Origin: lm.origin, SHA256: lm.file.SHA256(), LeftOut: w.leftOut, file: lm}
	if w.onHeld {
		em.LeftOut = 0
	}
	if lm.spec.Input == store.KindHTTP && x.Class != nil {
		em.Rules = rows.rules()
	}
	return em, rows, nil
}

// collect takes the rows that w wants out of the source, as the model's own
// features, which the schema names.
func (a *app) collect(src *source, lm *loadedModel, w *wanted) (*evalRows, *frame.Schema, error) {
	if err := checkSchema(lm); err != nil {
		return nil, nil, withCode(exitState, fmt.Errorf("%s: %w", lm.origin, err))
	}
	schema := lm.model.Schema()
	rows := &evalRows{cols: make([][]float32, len(schema.Columns))}
	if lm.spec.Input == store.KindFlows {
		return rows, schema, a.collectFlows(src, w, rows, schema)
	}
	return rows, schema, a.collectRequests(src, lm, w, rows, schema)
}

// groupOf is the unit of the bootstrap: the principal, or the row itself where a
// log names none.
func groupOf(r *traffic.Request) uint64 {
	if r.Client == "" && r.User == "" && r.Session == "" {
		return features.RowHash(r)
	}
	h := fnv.New64a()
	io.WriteString(h, r.Principal())
	return h.Sum64()
}

// rules measures the rule baseline on the labelled rows.
func (e *evalRows) rules() *ruleFigures {
	var tp, fp, fn, tn int
	for i, l := range e.labels {
		switch {
		case l == traffic.Unlabelled:
		case e.ruled[i] && l.Attack():
			tp++
		case e.ruled[i]:
			fp++
		case l.Attack():
			fn++
		default:
			tn++
		}
	}
	return &ruleFigures{Alerts: tp + fp, Precision: quotient(tp, tp+fp), Recall: quotient(tp, tp+fn), FPR: quotient(fp, fp+tn)}
}

func quotient(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// collectRequests runs the model's own extractor over the whole stream, so that
// windows are complete, and keeps the wanted rows.
func (a *app) collectRequests(src *source, lm *loadedModel, w *wanted, rows *evalRows, schema *frame.Schema) error {
	err := src.records(a.ctx, func(reqs []traffic.Request) error {
		for i := range reqs {
			w.look(features.RowHash(&reqs[i]))
		}
		return nil
	}, nil)
	if err != nil {
		return err
	}
	ext := features.NewExtractor(lm.state)
	rules := score.NewRules(a.cfg.RateLimit)
	var order features.Reorder
	classifier, _ := lm.model.(model.Classifier)
	flagged := make([]bool, features.BlockRows)
	block := func(b features.Block) error {
		x := frame.NewMatrix(schema, len(b.Requests))
		ext.Extract(x, b.Requests)
		for i := range b.Requests {
			r := &b.Requests[i]
			hits, _ := rules.Check(r)
			h := features.RowHash(r)
			if w.has(h) && (w.between == nil || w.between(r.Time)) && (w.any || r.Label != traffic.Unlabelled || classifier == nil) && !rows.again(r.Time, h) {
				rows.take(x, i, r.Label, r.Time, groupOf(r), len(hits) > 0)
				rows.at.add(r.File, r.Line)
			}
		}
		a.flag(lm, x, flagged[:x.N])
		ext.Learn(b.Requests, flagged[:x.N])
		return nil
	}
	if err := src.records(a.ctx, func(reqs []traffic.Request) error { return order.Push(reqs, block) }, nil); err != nil {
		return err
	}
	return order.Flush(block)
}

// flag says which rows the classifier flags, for an online profile to leave
// them out, as score does.
func (a *app) flag(lm *loadedModel, x *frame.Matrix, flagged []bool) {
	clear(flagged)
	c, ok := lm.model.(model.Classifier)
	if !ok || lm.state.Profile() != features.OnlineProfile {
		return
	}
	k := len(c.Classes())
	none := slices.Index(c.Classes(), traffic.None.String())
	if none < 0 {
		return
	}
	p := make([]float32, x.N*k)
	c.PredictProba(p, x, 0, x.N)
	at := lm.threshold("attack", defaultThreshold)
	for i := range flagged {
		flagged[i] = 1-float64(p[i*k+none]) >= at
	}
}

func (a *app) collectFlows(src *source, w *wanted, rows *evalRows, schema *frame.Schema) error {
	err := src.records(a.ctx, nil, func(flows []traffic.Flow) error {
		for _, h := range features.FlowHashes(false, flows) {
			w.look(h)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return src.records(a.ctx, nil, func(flows []traffic.Flow) error {
		x := frame.NewMatrix(schema, len(flows))
		features.ExtractFlows(x, flows)
		for i, h := range features.FlowHashes(false, flows) {
			if w.has(h) && (w.between == nil || w.between(flows[i].Time)) && (w.any || flows[i].Label != traffic.Unlabelled) && !rows.again(flows[i].Time, h) {
				rows.take(x, i, flows[i].Label, flows[i].Time, h, false)
				rows.class = append(rows.class, strings.Clone(flowClass(&flows[i])))
				rows.at.add(flows[i].File, flows[i].Line)
			}
		}
		return nil
	})
}

// printEvaluated prints metrics, per-class figures and the plots asked for.
func (a *app) printEvaluated(res *evaluateResult, o evaluateOptions) error {
	plots := o.plots
	if len(plots) == 0 {
		plots = []string{"confusion"}
	}
	for i := range res.Models {
		m := &res.Models[i]
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintf(a.out, "%s (%s) on %s%s: %s, %s rows\n", m.Model, m.Origin, m.Dataset, synthetic(m.Synthetic), clean(m.Protocol), count(int64(m.Rows)))
		var rows [][]string
		for _, info := range metricsOf(m.Result) {
			s, ok := m.Metrics[info.Name]
			if !ok {
				continue
			}
			base := "–"
			if b, ok := m.Baseline[info.Name]; ok {
				base = figureOf(info.Name, b.Pooled)
			}
			rows = append(rows, []string{info.Title, figureOf(info.Name, s.Pooled), "± " + figureOf(info.Name, s.SD), base})
		}
		base := "baseline (" + m.BaselineName + ")"
		if m.BaselineName == "" {
			base = "baseline (none)"
		}
		if err := table(a.out, []string{"metric", ">value", ">± sd", ">" + base}, rows); err != nil {
			return err
		}
		if r := m.Rules; r != nil {
			fmt.Fprintf(a.out, "rule baseline on the same rows: precision %s, recall %s, false-positive rate %s (%s alerts)\n", ratio(r.Precision), ratio(r.Recall), ratio(r.FPR), count(int64(r.Alerts)))
		}
		if m.Behavior != nil {
			if err := a.printBehavior(m.Behavior); err != nil {
				return err
			}
		}
		if err := printPerClass(a, m.Result); err != nil {
			return err
		}
		for _, t := range extraTables(m) {
			fmt.Fprintf(a.out, "\n%s\n", clean(t.Title))
			if err := table(a.out, t.Header, t.Rows); err != nil {
				return err
			}
		}
		for _, p := range plots {
			if err := a.plot(p, m); err != nil {
				return err
			}
		}
		if o.importance {
			var rows [][]string
			for _, x := range m.Importance[:min(20, len(m.Importance))] {
				rows = append(rows, []string{importanceName(&x), ratio(x.Drop), "± " + ratio(x.SD)})
			}
			fmt.Fprintln(a.out)
			if err := table(a.out, []string{"feature", ">drop when shuffled", ">sd"}, rows); err != nil {
				return err
			}
		}
		a.printFindings(m.Result)
		for _, n := range m.Notes {
			fmt.Fprintf(a.out, "  note: %s\n", clean(n))
		}
	}
	return nil
}

func printPerClass(a *app, r *train.Result) error {
	header, rows := perClassTable(r)
	if rows == nil {
		return nil
	}
	fmt.Fprintln(a.out)
	return table(a.out, header, rows)
}

// plotKinds are the values of --plot.
func plotKinds() []string {
	return []string{"confusion", "roc", "pr", "calibration", "importance", "learning"}
}

// plot prints a confusion matrix with counts and rates, or a curve as a short
// table.
func (a *app) plot(kind string, m *evaluatedModel) error {
	r := m.Result
	var header []string
	var rows [][]string
	switch kind {
	case "confusion":
		if r.Confusion == nil {
			return nil
		}
		labels, keep := usedClasses(r)
		header = []string{"true \\ predicted"}
		for n, i := range keep {
			header = append(header, ">"+labels[n])
			row := []string{labels[n]}
			var total int64
			for _, v := range r.Confusion.Counts[i] {
				total += v
			}
			for _, j := range keep {
				cell := count(r.Confusion.Counts[i][j])
				if v := r.Confusion.Counts[i][j]; v > 0 && total > 0 {
					cell += fmt.Sprintf(" (%.1f %%)", 100*float64(v)/float64(total))
				}
				row = append(row, cell)
			}
			rows = append(rows, row)
		}
	case "roc", "pr":
		if r.Curves == nil {
			return nil
		}
		curve, ok := r.Curves.ROC["attack"]
		header = []string{">false-positive rate", ">true-positive rate"}
		if kind == "pr" {
			curve, ok = r.Curves.PR["attack"]
			header = []string{">recall", ">precision"}
		}
		if !ok {
			return nil
		}
		step := max(1, len(curve.X)/20)
		for i := 0; i < len(curve.X); i += step {
			rows = append(rows, []string{fmt.Sprintf("%.5f", curve.X[i]), fmt.Sprintf("%.5f", curve.Y[i])})
		}
	case "calibration":
		if r.Curves == nil {
			return nil
		}
		header = []string{">predicted", ">observed", ">rows"}
		for _, b := range r.Curves.Calibration {
			if b.Count > 0 {
				rows = append(rows, []string{ratio(b.Predicted), ratio(b.Observed), count(b.Count)})
			}
		}
	case "learning":
		if m.Learning == nil {
			return nil
		}
		header = []string{">share of the rows", ">rows", ">" + m.Learning.Metric + " on held-out rows", ">± sd"}
		for _, p := range m.Learning.Points {
			rows = append(rows, []string{percent(p.Share), count(int64(p.Rows)), ratio(p.Mean), ratio(p.SD)})
		}
	}
	if rows == nil {
		return nil
	}
	fmt.Fprintln(a.out)
	return table(a.out, header, rows)
}

// writeEvaluation writes the result as JSON or as a page of its own.
func (a *app) writeEvaluation(path string, res *evaluateResult, plots []string) error {
	var figures []figure
	var tables []pageTable
	for i := range res.Models {
		figures = append(figures, figuresOf(&res.Models[i], plots)...)
		tables = append(tables, tablesOf(&res.Models[i])...)
	}
	switch filepath.Ext(path) {
	case ".svg":
		if len(plots) == 0 {
			return usagef("-o %s: say what to draw with --plot", path)
		}
		_, err := writeFigures(path, figures)
		return err
	case ".json":
		return withCode(exitFailed, atomicfile.Write(path, 0o600, func(w io.Writer) error { return writeJSON(w, res) }))
	case ".html":
		if len(plots) > 0 {
			return writePage(path, "Evaluation of the models", "apiml "+toolVersion, figures, tables)
		}
		d := &report.Data{ToolVersion: toolVersion, Title: "Evaluation of the models", Source: a.cfg.DB}
		for i := range res.Models {
			m := reportModel(res.Models[i].file)
			fillModel(&m, res.Models[i].Result)
			d.Models = append(d.Models, m)
			d.Synthetic = d.Synthetic || res.Models[i].Synthetic
		}
		return withCode(exitFailed, atomicfile.Write(path, 0o600, func(w io.Writer) error { return report.HTML(w, d) }))
	}
	return usagef("output %q: want .html or .json", path)
}
