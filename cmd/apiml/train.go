package main

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"apiml/features"
	"apiml/internal/atomicfile"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/model/dbscan"
	"apiml/store"
	"apiml/train"
)

type trainOptions struct {
	names   []string
	model   []string
	all     bool
	data    []string
	truth   []string
	cv      int
	split   string
	repeats int    // of the cross-validation, 0 = 1
	folds   string // file for the folds
	strict  bool
	noAudit bool
	params  string
	final   bool
	audit   bool
	profile string
	rate    float64
	ifOlder string
	ifDrift bool
	warm    bool
	cards   string // folder for the cards

	csv, labels string // train behavior --csv
	eps         float64
	minSamples  int

	algorithm, metric string // train behavior
	minSamplesSet     bool

	noRowHashes bool // built-in models do without: their rows can be generated again
}

func (a *app) trainCommand() *cobra.Command {
	var o trainOptions
	cmd := &cobra.Command{
		Use:   "train [MODEL…]",
		Short: "Fit and cross-validate models on the store, each beside its baseline",
		Long: `Train sets the last 20 % of the requests aside, cross-validates on the rest, fits
the model on the rest, measures it once on what was set aside and writes one file
per model into --models.

MODEL is a name (attack, anomaly, …), an alias (random_forest), or a group
(security, performance, all); the suffix -flows means network flows. Without
MODEL all models that the data can feed are trained.

The default split, group-time, goes forward in time and never has a principal on
both sides. It falls back to group where there are no times.`,
		Example: `  apiml train --cv 5
  apiml train attack --data traffic.csv
  apiml train --model security --cv-scheme group --json
  apiml train attack --data cicids.csv --cv 5 --cv-scheme random --folds-out folds.csv
  apiml train behavior --algorithm dbscan
  apiml train behavior --csv points.csv --eps 0.5 --min-samples 5 --labels labels.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			if !cmd.Flags().Changed("cv") {
				o.cv = a.cfg.CV
			}
			if o.cv < 0 || o.cv == 1 {
				return usagef("--cv %d: want 0 (none) or at least 2 folds", o.cv)
			}
			if !(o.rate > 0 && o.rate < 1) {
				return usagef("--target-fpr %v: want a share between 0 and 1", o.rate)
			}
			o.minSamplesSet = cmd.Flags().Changed("min-samples")
			if o.algorithm != "" && o.algorithm != dbscan.DBSCAN && o.algorithm != dbscan.HDBSCAN {
				return usagef("--algorithm %q: want dbscan or hdbscan", o.algorithm)
			}
			if o.metric != "" && o.metric != dbscan.Euclidean && o.metric != dbscan.Manhattan && o.metric != dbscan.Cosine {
				return usagef("--metric %q: want euclidean, manhattan or cosine", o.metric)
			}
			if o.csv != "" {
				return a.clusterTable(o)
			}
			if o.repeats < 0 || o.repeats > 100 {
				return usagef("--cv-repeats %d: want 1 to 100", o.repeats)
			}
			if o.repeats == 0 && o.folds != "" && o.split == string(train.Random) {
				o.repeats = 5 // what other programs are measured on should not hang on one seed
			}
			res, err := a.train(o)
			if err == nil && o.strict {
				err = res.strict()
			}
			return err
		},
	}
	a.windowFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.csv, "csv", "", "with behavior: plain clustering of the numeric columns of this CSV, without scaling or a store")
	f.StringVar(&o.algorithm, "algorithm", "", "with behavior: dbscan or hdbscan (default hdbscan; with --csv dbscan)")
	f.StringVar(&o.metric, "metric", "", "with behavior: euclidean, manhattan or cosine (default euclidean)")
	f.Float64Var(&o.eps, "eps", 0, "with behavior: radius of dbscan, least distance at which clusters of hdbscan part (default: the knee of the k-distances; dbscan needs it with --csv)")
	f.IntVar(&o.minSamples, "min-samples", 5, "with behavior: rows within --eps, itself included, that make a core; hdbscan: also the least size of a cluster (without --csv by default from the data)")
	f.StringVar(&o.labels, "labels", "", "file for its labels, one per row, -1 = noise")
	f.StringArrayVar(&o.model, "model", nil, "model, alias or group, repeatable")
	f.BoolVar(&o.all, "all", false, "all six models")
	f.StringArrayVar(&o.data, "data", nil, "train on this file instead of the store, repeatable")
	f.StringArrayVar(&o.truth, "truth", nil, "labels of the --data at the same place, by line: CSV as generate --truth writes it, or JSON lines with line and label")
	f.IntVar(&o.cv, "cv", 0, "folds of the cross-validation, 0 = none (default from models.cv: 5)")
	f.StringVar(&o.split, "cv-scheme", "group-time", "split of the cross-validation: group-time, group, time or random (optimistic, on all rows, for comparison with published figures)")
	f.StringVar(&o.split, "split", "group-time", "the same as --cv-scheme")
	f.IntVar(&o.repeats, "cv-repeats", 0, "cross-validate so often, on other folds each time (default 1; 5 with --cv-scheme random --folds-out)")
	f.StringVar(&o.folds, "folds-out", "", "write the folds as CSV (file, line, class, fold per seed), so that others can be measured on them")
	f.BoolVar(&o.strict, "strict", false, "exit 1 if the leakage audit finds anything")
	f.BoolVar(&o.noAudit, "no-audit", false, "leave the leakage audit out")
	f.StringVar(&o.params, "params", "", "YAML file with parameters: MODEL: {Name: value}, or the parameters of the one model")
	f.StringVar(&o.ifOlder, "if-older", "", "leave models alone whose file is younger than this, such as 24h")
	f.BoolVar(&o.ifDrift, "if-drift", false, "leave models alone where the data have not moved from what the model file remembers (see evaluate --drift); models that remember nothing follow the others of the same kind of records")
	f.BoolVar(&o.warm, "warm-start", false, "with attack and --profile online: keep the trees of the built-in classifier and grow as many again on these rows")
	f.StringVar(&o.cards, "cards", "", "also write the card of each model as Markdown into this folder")
	f.BoolVar(&o.final, "final", false, "fit on all rows, holding nothing out")
	f.BoolVar(&o.audit, "audit-random", true, "part of the audit: also cross-validate a sample of at most 10,000 rows on a random and a grouped split, and with shuffled labels")
	f.StringVar(&o.profile, "profile", "frozen", "frozen: learn the profile of the API here; online: learn it anew in every log that is scored")
	f.Float64Var(&o.rate, "target-fpr", 0.001, "share of benign requests that may be flagged: sets the threshold")
	return cmd
}

// trainedModel is an element of models[] of `train --json`.
type trainedModel struct {
	*train.Result
	HeldOut  *train.Result              `json:"held_out,omitempty"`
	Clusters []features.BehaviorCluster `json:"clusters,omitempty"` // behavior
	File     string                     `json:"file"`
	SHA256   string                     `json:"sha256"`
}

// storedMetrics is what a model file carries in Header.Metrics.
type storedMetrics struct {
	CV        *train.Result         `json:"cv,omitempty"`
	HeldOut   *train.Result         `json:"held_out,omitempty"`
	Baselines []*train.Baseline     `json:"baselines,omitempty"` // fitted on the same rows, for evaluate
	Reference *train.Reference      `json:"reference,omitempty"` // what drift is measured against
	Medians   *train.MedianBaseline `json:"medians,omitempty"`   // the same of a regressor
}

type trainResult struct {
	jsonHead
	Models  []trainedModel `json:"models"`
	Skipped []string       `json:"skipped"`
	CPU     float64        `json:"cpu_seconds"`    // of the whole run
	RSS     int64          `json:"peak_rss_bytes"` // of this process
}

func (a *app) train(o trainOptions) (res *trainResult, err error) {
	split, err := train.ParseSplit(o.split)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	if _, set := a.getenv("GOGC"); !set {
		// The heap is a few large arrays: collecting them sooner costs next to
		// nothing and saves half of their size.
		defer debug.SetGCPercent(debug.SetGCPercent(25))
	}
	if o.profile != string(features.Frozen) && o.profile != string(features.OnlineProfile) {
		return nil, usagef("--profile %q: want frozen or online", o.profile)
	}
	specs, explicit, err := a.chooseModels(append(o.names, o.model...), o.all)
	if err != nil {
		return nil, err
	}
	if o.warm {
		if o.profile != string(features.OnlineProfile) {
			return nil, usagef("--warm-start needs --profile online: the built-in trees split on features of a profile that is learned in the log, a frozen one gives others")
		}
		specs = slices.DeleteFunc(specs, func(s model.Spec) bool { return s.Name != "attack" })
		if len(specs) == 0 {
			return nil, usagef("--warm-start is for the attack classifier")
		}
	}
	wanted := len(specs)
	specs, err = a.olderModels(specs, o.ifOlder)
	if err != nil {
		return nil, err
	}
	if len(specs) == 0 {
		a.sayf("every model is younger than %s: nothing to do", o.ifOlder)
		res = &trainResult{jsonHead: a.head("train"), Models: []trainedModel{}, Skipped: []string{}}
		if a.flags.json {
			return res, a.printJSON(res)
		}
		return res, nil
	}
	if o.ifDrift {
		if specs, _, err = a.driftedModels(specs, o); err != nil {
			return nil, err
		}
		if len(specs) == 0 {
			a.sayf("no model has seen the data move: nothing to do")
			res = &trainResult{jsonHead: a.head("train"), Models: []trainedModel{}, Skipped: []string{}}
			if a.flags.json {
				return res, a.printJSON(res)
			}
			return res, nil
		}
	}
	overrides, err := a.trainParams(o.params, specs)
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
	if _, set := a.getenv("GOMEMLIMIT"); !set && src.st != nil {
		// What is free goes back sooner than it otherwise would. A limit below what
		// is in use would keep the collector busy: a request takes about 1,300 bytes.
		rows := src.kinds[store.KindHTTP] + src.kinds[store.KindFlows]
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(max(1<<30, 1600*rows)))
	}
	if src.st != nil && src.kinds[store.KindHTTP]+src.kinds[store.KindFlows] == 0 {
		return nil, inputf("%s holds no records: run `apiml ingest FILE` first", a.cfg.DB)
	}
	var run *entry
	if src.st != nil {
		if run, err = a.ledger(src.st, "train", nil); err != nil {
			return nil, err
		}
		defer run.end(&err)
	}
	if err := os.MkdirAll(a.cfg.ModelsDir, 0o700); err != nil {
		return nil, withCode(exitFailed, err)
	}
	res = &trainResult{Models: []trainedModel{}, Skipped: []string{}}
	problems := map[string]*problem{}
	for i, spec := range specs {
		for input := range problems { // a million rows, which later models have no use for
			if !slices.ContainsFunc(specs[i:], func(s model.Spec) bool { return s.Input == input && ofRows(s.Role) }) {
				delete(problems, input)
			}
		}
		if !ofRows(spec.Role) {
			if src.st != nil && src.kinds[spec.Input] == 0 || src.only == store.KindFlows {
				res.skip(a, explicit, spec, "the data hold no requests; "+needs(spec.Role))
				continue
			}
			tm, why, err := a.trainRole(src, spec, overrides[spec.Name], o)
			if err != nil {
				return nil, err
			}
			if tm == nil {
				res.skip(a, explicit, spec, why)
				continue
			}
			res.Models = append(res.Models, *tm)
			continue
		}
		pr := problems[spec.Input]
		if pr == nil {
			if spec.Input == store.KindHTTP && src.only == store.KindFlows {
				res.skip(a, explicit, spec, "the data hold network flows only: "+spec.Name+"-flows is for them")
				continue
			}
			if src.st != nil && src.kinds[spec.Input] == 0 {
				res.skip(a, explicit, spec, "the store holds no "+inputNoun(spec.Input))
				continue
			}
			if spec.Input == store.KindFlows {
				pr, err = src.flowProblem(a.ctx)
			} else {
				pr, err = src.httpProblem(a.ctx, features.Profile(o.profile))
			}
			if err != nil {
				return nil, err
			}
			problems[spec.Input] = pr
		}
		if pr == nil {
			res.skip(a, explicit, spec, "the data holds no "+inputNoun(spec.Input))
			continue
		}
		if spec.Role == model.RoleClassifier && len(pr.Classes) < 2 {
			res.skip(a, explicit, spec, "the "+inputNoun(spec.Input)+" carry no labels of two classes; the built-in classifier stays in use")
			continue
		}
		config := overrides[spec.Name]
		tm, err := a.trainOne(pr, spec, config, o, split)
		if err != nil {
			return nil, err
		}
		res.Models = append(res.Models, *tm)
	}
	if len(res.Models) == 0 && len(specs) < wanted { // the others are young enough
		a.sayf("%d models are younger than %s; not trained: %s", wanted-len(specs), o.ifOlder, strings.Join(res.Skipped, "; "))
	} else if len(res.Models) == 0 {
		return nil, inputf("nothing to train on: %s", strings.Join(res.Skipped, "; "))
	}
	if src.st != nil {
		if err := a.storeMetrics(src.st, run.run.ID, res.Models); err != nil {
			return nil, err
		}
		run.counts = map[string]int64{"models": int64(len(res.Models))}
		for _, m := range res.Models {
			run.counts["rows_"+m.Model] = int64(m.Rows)
		}
	}
	res.jsonHead, res.CPU, res.RSS = a.head("train"), cpuSeconds(), peakRSS()
	if a.flags.json {
		err = a.printJSON(res)
	} else {
		err = a.printTrained(res)
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

// ofRows reports whether models of a role are fitted on the rows of a problem.
func ofRows(r model.Role) bool { return r == model.RoleClassifier || r == model.RoleDetector }

// strict is an error if the audit of any model found something.
func (r *trainResult) strict() error {
	n := 0
	var names []string
	for _, m := range r.Models {
		found := m.findings()
		n += len(found)
		for _, f := range found {
			names = appendOnce(names, m.Model+": "+f.What)
		}
	}
	if n == 0 {
		return nil
	}
	return withCode(exitGate, fmt.Errorf("--strict: %s of the leakage audit (%s)", counted(n, "finding"), strings.Join(names, "; ")))
}

// findings are the warnings about a model, those on its held-out rows included.
func (m *trainedModel) findings() []train.Finding {
	var out []train.Finding
	for _, r := range []*train.Result{m.Result, m.HeldOut} {
		if r == nil {
			continue
		}
		for _, f := range r.Findings {
			if f.Level == "warning" && !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out
}

func (r *trainResult) skip(a *app, explicit bool, spec model.Spec, why string) {
	r.Skipped = append(r.Skipped, spec.Name+": "+why)
	if explicit && !strings.HasSuffix(spec.Name, "-flows") {
		a.warnf("%s is not trained: %s", spec.Name, why)
	} else {
		a.debugf("%s is not trained: %s", spec.Name, why)
	}
}

// needs says which data would do for a role that is not fitted on labelled rows.
func needs(r model.Role) string {
	switch r {
	case model.RoleForecaster:
		return "it needs requests with a time, of some hours at least"
	case model.RoleRegressor:
		return fmt.Sprintf("it needs %d requests with a time and a latency (nginx: $request_time, Apache: %%D)", leastLatencies)
	case model.RolePolicy:
		return fmt.Sprintf("it needs %d GET or HEAD requests with status 200, 206 or 304", leastAccesses)
	}
	return fmt.Sprintf("it needs %d principals (user, session, or address and agent) with some requests each", leastPrincipals)
}

func inputNoun(input string) string {
	if input == store.KindFlows {
		return "network flows"
	}
	return "requests"
}

// chooseModels resolves names; all of them, or no name, are all models. explicit
// says that the user named them.
func (a *app) chooseModels(names []string, all bool) (specs []model.Spec, explicit bool, err error) {
	if all {
		names = append(names, "all")
	}
	if len(names) == 0 {
		return catalog.All(), false, nil
	}
	for _, n := range names { // a group means the models of both kinds of records
		if n == "all" || n == "security" {
			names = append(names, n+"-flows")
		}
	}
	if specs, err = catalog.Resolve(names); err != nil {
		return nil, true, withCode(exitUsage, err)
	}
	return specs, true, nil
}

// olderModels leaves out the models whose file is younger than --if-older.
func (a *app) olderModels(specs []model.Spec, age string) ([]model.Spec, error) {
	if age == "" {
		return specs, nil
	}
	limit, err := time.ParseDuration(age)
	if err != nil || limit < 0 {
		return nil, usagef("--if-older %q: want a duration such as 24h", age)
	}
	var out []model.Spec
	for _, s := range specs {
		st, err := os.Stat(filepath.Join(a.cfg.ModelsDir, s.FileName))
		if err == nil && a.start.Sub(st.ModTime()) < limit {
			continue
		}
		out = append(out, s)
	}
	return out, nil
}

// trainParams merges models.params of the configuration with --params.
func (a *app) trainParams(file string, specs []model.Spec) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	fromFile := map[string]any{}
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, withCode(exitUsage, fmt.Errorf("--params: %w", err))
		}
		if err := yaml.Unmarshal(b, &fromFile); err != nil {
			return nil, withCode(exitUsage, fmt.Errorf("%s: %w", file, err))
		}
	}
	used := map[string]bool{}
	for _, s := range specs {
		merged := map[string]any{}
		for _, n := range append([]string{s.Name}, s.Aliases...) {
			maps.Copy(merged, a.cfg.Params[n])
			if p, ok := fromFile[n].(map[string]any); ok {
				maps.Copy(merged, p)
				used[n] = true
			}
		}
		if len(specs) == 1 && len(used) == 0 && !namesModels(fromFile) {
			maps.Copy(merged, fromFile)
			for k := range fromFile {
				used[k] = true
			}
		}
		if len(merged) == 0 {
			continue
		}
		b, err := json.Marshal(merged)
		if err != nil {
			return nil, withCode(exitUsage, fmt.Errorf("parameters of %s: %w", s.Name, err))
		}
		if err := checkModelParams(s, b); err != nil {
			return nil, withCode(exitUsage, err)
		}
		out[s.Name] = b
	}
	for _, k := range sortedKeys(fromFile) {
		if used[k] {
			continue
		}
		if _, err := catalog.Resolve([]string{k}); err != nil {
			return nil, withCode(exitUsage, fmt.Errorf("%s: %w", file, err))
		}
	}
	return out, nil
}

// namesModels reports whether a params file is divided by model, instead of
// holding the parameters of one.
func namesModels(m map[string]any) bool {
	for k, v := range m {
		if _, err := catalog.Resolve([]string{k}); err == nil {
			if _, ok := v.(map[string]any); ok {
				return true
			}
		}
	}
	return false
}

// trainOne cross-validates, fits, evaluates and writes one model.
func (a *app) trainOne(pr *problem, spec model.Spec, config json.RawMessage, o trainOptions, split train.Split) (*trainedModel, error) {
	if o.warm {
		var known []string
		var err error
		if spec, known, err = warmStart(spec); err != nil {
			return nil, err
		}
		wide := *pr.Problem
		wide.Classes = slices.Clone(wide.Classes)
		for _, c := range known { // its trees predict them all
			wide.Classes = appendOnce(wide.Classes, c)
		}
		own := *pr
		own.Problem = &wide
		pr = &own
	}
	spec = withText(spec, pr.text)
	p := a.progress(spec.Name, 0)
	defer p.done()
	opt := train.Options{
		Folds: o.cv, Split: split, Seed: a.cfg.Seed, Config: config, AlertRate: o.rate, AuditRandom: o.audit, CPU: cpuSeconds,
		Importance: 2000, Repeats: max(o.repeats, 1), NoAudit: o.noAudit, Acknowledged: a.cfg.Acknowledge,
		Log: func(stage string, done, total int) { p.stage(stage, int64(done), int64(total)) },
	}
	bigNote := ""
	if spec.Role == model.RoleClassifier && spec.Input == store.KindHTTP && !o.noRowHashes {
		var err error
		if opt.Config, bigNote, err = sampleBenign(pr, opt.Config); err != nil {
			return nil, err
		}
	}
	rows, held, rule := train.HoldOut(pr.Problem)
	if o.final {
		rows, held, rule = allRows(pr.Rows), nil, "nothing: fitted on all rows (--final)"
	}
	a.sayf("%s: %s rows of %s, held out: %s", spec.Name, count(int64(len(rows))), pr.Name, rule)
	tm := &trainedModel{}
	var err error
	if o.cv > 0 {
		cvRows := rows
		if split == train.Random {
			// Published figures are of all rows. The threshold of the final model
			// must not be chosen on its held-out rows, so it is left out below.
			cvRows = allRows(pr.Rows)
			a.warnf("%s: a random split puts like rows on both sides: its figures are optimistic, for comparison only", spec.Name)
		}
		if o.folds != "" {
			if err := writeFolds(o.folds, pr, cvRows, opt); err != nil {
				return nil, withCode(exitFailed, err)
			}
		}
		keeper := a.newFoldKeeper(pr, cvRows, spec, opt, o.profile)
		opt.Load, opt.Save = keeper.load, keeper.save
		if tm.Result, err = train.CrossValidate(a.ctx, pr.Problem, cvRows, spec, opt); err != nil {
			return nil, a.trainError(err)
		}
		if keeper.loaded > 0 {
			a.sayf("%s: %d folds come from an interrupted run", spec.Name, keeper.loaded)
		}
		keeper.done()
		if split == train.Random && len(held) > 0 {
			tm.Notes = append(tm.Notes, "random split over all rows, those set aside for the final model included")
		}
		if pr.Times == nil && split == train.Random && pr.dropped > 0 {
			tm.Protocol += ", exact duplicates removed"
		}
		if split != train.Random || len(held) == 0 {
			opt.Threshold = tm.Threshold
		}
	}
	final, err := train.Fit(a.ctx, pr.Problem, rows, held, spec, opt)
	if err != nil {
		return nil, a.trainError(err)
	}
	tm.HeldOut = final.HeldOut
	var notes []string
	if bigNote != "" {
		notes = append(notes, bigNote)
	}
	if pr.dropped > 0 {
		notes = append(notes, fmt.Sprintf("%s rows that repeat another word for word were left out (the rows have no time)", count(int64(pr.dropped))))
	}
	if tm.Result == nil {
		if tm.Result = final.HeldOut; tm.Result == nil {
			tm.Result = &train.Result{
				Model: spec.Name, Dataset: pr.Name, Protocol: "fitted, not measured", Rows: len(rows), Synthetic: pr.Synthetic,
				Folds: []train.FoldResult{}, Findings: []train.Finding{}, Notes: []string{},
			}
		}
	}
	tm.Notes = append(notes, tm.Notes...)
	for _, n := range final.Notes {
		tm.Notes = appendOnce(tm.Notes, n)
	}
	meta := fileMeta{
		data: pr.data, rows: len(rows), held: len(held), rule: rule, thresholds: map[string]float64{},
		stored: storedMetrics{HeldOut: timeless(tm.HeldOut), Baselines: final.Baselines, Reference: final.Reference},
	}
	switch t := tm.Threshold; {
	case t == nil:
	case t.Threshold > 1:
		tm.Notes = append(tm.Notes, fmt.Sprintf("no threshold keeps the false positives under %g of the benign rows: score uses %g", t.Rate, defaultThreshold))
	default:
		meta.thresholds[strings.TrimSuffix(spec.Name, "-flows")] = t.Threshold
	}
	if o.cv > 0 {
		meta.stored.CV = timeless(tm.Result)
	}
	meta.cards = o.cards
	if o.warm {
		tm.Notes = append(tm.Notes, "warm start: half of the trees are those of the built-in classifier, fitted on generated traffic")
	}
	if pr.state != nil {
		if meta.state, err = pr.state().MarshalBinary(); err != nil {
			return nil, err
		}
	}
	if spec.Role == model.RoleClassifier && spec.Input == store.KindHTTP {
		if meta.conduct = pr.conduct; meta.conduct == nil {
			meta.conduct = builtinArray(arrayConduct)
		}
	}
	if !o.noRowHashes {
		meta.heldHash, meta.trainHash = pick(pr.Hash, held), pick(pr.Hash, rows)
	}
	if err := a.writeModel(spec, final.Model, tm, meta); err != nil {
		return nil, err
	}
	return tm, nil
}

// mostBenign is how many rows of the most frequent class a tree sees at most.
const mostBenign = 100_000

// sampleBenign lets each tree see a share of the benign requests where there are
// very many, the others by weight; a share that the user has set stays.
func sampleBenign(pr *problem, config json.RawMessage) (json.RawMessage, string, error) {
	own := map[string]any{}
	if config != nil {
		if err := json.Unmarshal(config, &own); err != nil {
			return nil, "", withCode(exitUsage, err)
		}
	}
	if _, set := own["majority_share"]; set {
		return config, "", nil
	}
	n := make([]int, len(pr.Classes))
	for _, l := range pr.Labels {
		if l >= 0 {
			n[l]++
		}
	}
	most := slices.Max(n)
	if most <= 2*mostBenign {
		return config, "", nil
	}
	share := math.Round(1000*mostBenign/float64(most)) / 1000
	own["majority_share"] = share
	b, err := json.Marshal(own)
	return b, fmt.Sprintf("each tree sees %.1f %% of its benign rows, drawn anew for each tree, and they stand for the others by weight (majority_share)", 100*share), err
}

// fileMeta is what a model file carries besides the model itself.
type fileMeta struct {
	data                model.Provenance
	rows, held          int
	rule                string
	heldHash, trainHash []uint64 // row identities, nil = not stored
	state               []byte   // fitted state of the features, nil = none
	conduct             []byte   // file of the classifier of conduct, nil = none
	thresholds          map[string]float64
	stored              storedMetrics
	cards               string // folder for the card, "" = none
}

// writeModel writes a model's file and fills File and SHA256 of tm.
func (a *app) writeModel(spec model.Spec, m model.Model, tm *trainedModel, meta fileMeta) error {
	f := &model.File{}
	if err := m.Encode(f); err != nil {
		return err
	}
	h := &f.Header
	h.Name, h.Tool, h.Data = spec.Name, "apiml "+toolVersion, meta.data
	h.Data.Rows = meta.rows
	h.HoldOut = model.HoldOut{Rule: meta.rule, Rows: meta.held, Protocol: tm.Protocol}
	h.Thresholds = meta.thresholds
	h.Warnings = slices.Clone(tm.Notes)
	for _, f := range tm.findings() {
		h.Warnings = append(h.Warnings, f.What+": "+f.Detail)
	}
	var err error
	if h.Metrics, err = json.Marshal(meta.stored); err != nil {
		return err
	}
	if meta.state != nil {
		f.PutU8(arrayState, meta.state)
	}
	if meta.conduct != nil {
		f.PutU8(arrayConduct, meta.conduct)
	}
	if meta.trainHash != nil {
		f.PutU64(arrayHoldOut, meta.heldHash)
		f.PutU64(arrayTrained, meta.trainHash)
	}
	path := filepath.Join(a.cfg.ModelsDir, spec.FileName)
	if err := atomicfile.Write(path, 0o600, f.Write); err != nil {
		return withCode(exitFailed, err)
	}
	lm, err := a.loadModelFile(path, &spec)
	if err != nil {
		return err
	}
	tm.File, tm.SHA256 = path, lm.file.SHA256()
	if meta.cards != "" {
		return a.writeCard(meta.cards, lm)
	}
	return nil
}

// timeless is a result without what differs from run to run: equal input and
// seed give equal model files.
func timeless(r *train.Result) *train.Result {
	if r == nil {
		return nil
	}
	c := *r
	c.CPUSeconds = 0
	return &c
}

// trainError gives too little data the exit code of bad input.
func (a *app) trainError(err error) error {
	if a.ctx.Err() != nil {
		return a.ctx.Err()
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return withCode(exitFailed, err)
	}
	return withCode(exitInput, err)
}

func allRows(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func pick[T any](from []T, rows []int) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = from[r]
	}
	return out
}

// fingerprint identifies the rows that a model was fitted on.
func fingerprint(hash []uint64) string {
	h := fnv.New128a()
	var b [8]byte
	for _, v := range hash {
		binary.LittleEndian.PutUint64(b[:], v)
		h.Write(b[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// cpuSeconds is the CPU time of this process so far.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// storeMetrics enters the metrics into the store's ledger.
func (a *app) storeMetrics(st *store.Store, run int64, models []trainedModel) error {
	var ms []store.Metric
	for _, m := range models {
		for _, info := range metricsOf(m.Result) {
			if s, ok := m.Metrics[info.Name]; ok {
				ms = append(ms, store.Metric{Run: run, Model: m.Model, Dataset: m.Dataset, Name: info.Name, Value: s.Pooled, SD: s.SD})
			}
		}
	}
	if err := st.PutMetrics(a.ctx, ms); err != nil {
		return storeError(err)
	}
	return nil
}

// printFindings prints what the leakage audit found, warnings as such.
func (a *app) printFindings(r *train.Result) {
	for _, f := range r.Findings {
		if f.Level == "warning" {
			a.warnf("%s: %s: %s", r.Model, f.What, f.Detail)
		} else {
			fmt.Fprintf(a.out, "  audit: %s: %s\n", clean(f.What), clean(f.Detail))
		}
	}
	for _, f := range r.Audit {
		fmt.Fprintf(a.out, "  audit: %s: %s\n", clean(f.What), clean(f.Detail))
	}
}

// printTrained prints the figures of each model beside its baseline.
func (a *app) printTrained(res *trainResult) error {
	for i := range res.Models {
		m := &res.Models[i]
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintf(a.out, "%s on %s%s: %s, %s rows, %s CPU\n", m.Model, m.Dataset, synthetic(m.Synthetic), m.Protocol, count(int64(m.Rows)), seconds(m.CPUSeconds))
		header := []string{"metric", ">pooled", ">mean ± sd of folds", ">baseline (" + m.BaselineName + ")", ">held out"}
		if len(m.Folds) == 0 { // --cv 0
			header = []string{"metric", ">held out", ">± bootstrap", ">baseline (" + m.BaselineName + ")"}
		}
		var rows [][]string
		for _, info := range metricsOf(m.Result) {
			s, ok := m.Metrics[info.Name]
			if !ok {
				continue
			}
			base, held := "–", "–"
			if b, ok := m.Baseline[info.Name]; ok {
				base = figureOf(info.Name, b.Pooled)
			}
			if m.HeldOut != nil {
				if h, ok := m.HeldOut.Metrics[info.Name]; ok {
					held = figureOf(info.Name, h.Pooled)
				}
			}
			row := []string{info.Title, figureOf(info.Name, s.Pooled), figureOf(info.Name, s.Mean) + " ± " + figureOf(info.Name, s.SD), base, held}
			if len(m.Folds) == 0 {
				row = []string{info.Title, figureOf(info.Name, s.Pooled), figureOf(info.Name, s.SD), base}
			}
			rows = append(rows, row)
		}
		if len(rows) > 0 {
			if err := table(a.out, header, rows); err != nil {
				return err
			}
		}
		if len(m.Clusters) > 0 {
			if err := a.printClusters(m.Clusters); err != nil {
				return err
			}
		}
		a.printFindings(m.Result)
		for _, n := range m.Notes {
			fmt.Fprintf(a.out, "  note: %s\n", clean(n))
		}
		fmt.Fprintf(a.out, "  wrote %s\n", m.File)
	}
	if len(res.Models) > 1 {
		fmt.Fprintf(a.out, "\n%s in all: %s CPU, at most %.0f MiB of memory\n", counted(len(res.Models), "model"), seconds(cpuSeconds()), float64(peakRSS())/(1<<20))
	}
	return nil
}
