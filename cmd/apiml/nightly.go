package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"apiml/ingest"
	"apiml/internal/atomicfile"
	"apiml/model"
	"apiml/report"
	"apiml/score"
	"apiml/store"
	"apiml/traffic"
)

// Nightly is the chain of the other commands for cron and CI. Its reports are a
// function of the records, the configuration and the version alone: no clock,
// no count of runs. So a run that is repeated, or taken up again after it was
// killed, ends with the same bytes as one that went through at once.
//
//   - Time is record time: that of the newest record, or --now.
//   - Every step can be repeated: ingest knows its files by content, scores are
//     replaced, equal records and seed give equal model files.
//   - A model is due by record time too (dueModels), so that a run which finds
//     nothing new fits nothing.
//   - Scores are made again after a fit of a model that makes them: those in the
//     store are always those of the models in the folder.
//   - The table of runs in the report says what the report rests on (basis), not
//     which runs there were; those are in the store's table runs.

type nightlyOptions struct {
	ifOlder   string
	ifDrift   bool
	keep      string
	compare   string
	now       string
	dir       string
	period    string
	failOn    []string
	maxAlerts int64
	minParsed float64
}

func (a *app) nightlyCommand() *cobra.Command {
	var o nightlyOptions
	cmd := &cobra.Command{
		Use:   "nightly [FILE…]",
		Short: "The whole chain for cron and CI: ingest, prune, score, retrain if due or drifted, evaluate, forecast, report, gates",
		Long: `Nightly ingests what is new in FILE… (paths and globs; default: input.files of the
configuration), deletes records older than --keep, scores the store, fits the
models that are due, evaluates, forecasts, writes the report of the period into
report.dir, and checks the gates. It is safe to run twice, and after a run that
was killed: the same records give the same report, byte for byte.

Time is that of the newest record, or --now. The period is the day (--period
week: the ISO week) of that time; its folder holds report.html, summary.md,
report.json, metrics.prom (for the textfile collector of Prometheus), flagged.sarif
(the flagged requests of the period, for code scanning), models.html, forecast.csv
and period.json. The report shows what changed since that of the period before
(--compare FILE.json: since another one, --compare none: nothing). index.html lists
the report.keep newest periods; older ones are removed.

Due is a model without a file, and one that has not seen all of the store if what
it has seen ends --if-older before the newest record or --now (less one part in
24: the last record of a day does not come at the same second every day). 0s fits
all. Before that a model is due if the records that it has not seen have drifted
from those that its file remembers (as in train --if-drift; --if-drift=false: by
age alone). If a model that scores was fitted, the store is scored again.

With --keep, or the key retention, records that are older than that at the time of
the report are deleted with their scores, and the file is written anew without
their bytes (as db prune does); reports of earlier periods stay as they are.

The report shows the whole store. Gates and the figures of the index look at what
came in since the report of the period before, so that an old incident does not
trip them for ever and a late record is not missed; --min-parsed looks at the
files, as in ingest.

A step that fails does not stop the others, unless the store cannot be written.
Too few records to fit, evaluate or forecast is no failure: the step is skipped,
and says why. The exit code is the worst of the steps: 2 (usage), 5 (failed),
4 (state), 3 (input), 1 (gate), 0, in this order. While another nightly works on
the same database it is 4; the lock of a dead process does not count.`,
		Example: `  apiml nightly --config apiml.yaml
  apiml nightly /var/log/nginx/access.log.1 /var/log/nginx/access.log
  apiml nightly 'logs/*.log.gz' --min-parsed 0.95 --fail-on 'incidents[sql_injection]>0'
  apiml nightly --if-older 168h --keep 90d --json | jq -r .report
  apiml nightly --period week -o weekly`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("max-alerts") {
				o.maxAlerts = -1
			}
			if !cmd.Flags().Changed("min-parsed") {
				o.minParsed = a.cfg.InputMinParsed
			}
			if !cmd.Flags().Changed("if-drift") {
				o.ifDrift = a.cfg.RetrainDrift
			}
			if len(args) == 0 {
				args = a.cfg.InputFiles
			}
			_, err := a.nightly(args, o)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.ifOlder, "if-older", "", "fit a model anew if what it has seen ends this long before the newest record (default from models.retrain_interval: 24h)")
	f.BoolVar(&o.ifDrift, "if-drift", true, "fit a model anew before that if new records have drifted from what its file remembers (setting models.retrain_drift)")
	f.StringVar(&o.keep, "keep", "", "delete records that are older than this at the time of the report: 90d, 12w or a duration (default from retention: all are kept)")
	f.StringVar(&o.compare, "compare", "previous", "what the report is compared with: previous (the period before), none, or a report.json")
	f.StringVar(&o.now, "now", "", "time of the report, RFC 3339 (default: the newest record)")
	f.StringVarP(&o.dir, "output", "o", "", "folder of the reports (default from report.dir: reports)")
	f.StringVar(&o.period, "period", "", "what there is a report of: day or week (default from report.period: day)")
	f.StringArrayVar(&o.failOn, "fail-on", nil, "exit 1 if it holds: p>0.9, anomaly>0.8, incidents>0, incidents[TYPE]>0, coverage<0.95")
	f.Int64Var(&o.maxAlerts, "max-alerts", 0, "exit 1 if more requests of the period are flagged")
	f.Float64Var(&o.minParsed, "min-parsed", 0, "exit 3 if a smaller share of the lines parses")
	return cmd
}

// nightlyStep is an element of steps[] of `nightly --json`.
type nightlyStep struct {
	Name    string  `json:"name"`
	Status  string  `json:"status"` // ok, skipped, failed, tripped (gates), replaced (score, by rescore), not run
	Seconds float64 `json:"seconds"`
	Code    int     `json:"exit_code"`
	Detail  string  `json:"detail,omitempty"`

	err error
}

// nightlySteps are the steps in order.
func nightlySteps() []string {
	return []string{"ingest", "prune", "score", "train", "rescore", "evaluate", "forecast", "report", "gates"}
}

// nightlyResult is the output of `nightly --json`. The paths are empty if there
// is no report.
type nightlyResult struct {
	jsonHead
	Code    int               `json:"exit_code"`
	Period  string            `json:"period"`
	Report  string            `json:"report"`
	Summary string            `json:"summary"`
	SARIF   string            `json:"sarif"`
	Index   string            `json:"index"`
	Steps   []*nightlyStep    `json:"steps"`
	Files   int               `json:"new_files"` // that added records; one that has grown counts
	Added   int64             `json:"new_records"`
	Pruned  *store.Pruned     `json:"pruned"` // null without --keep
	Fitted  []string          `json:"fitted"`
	Why     map[string]string `json:"fitted_because"` // model → why it was due
	Removed []string          `json:"removed"`        // periods
	Figures *figures          `json:"figures"`
}

// nightlyRun is one run of the command.
type nightlyRun struct {
	*app
	o     nightlyOptions
	gates gates
	limit time.Duration // --if-older
	keep  time.Duration // --keep, 0 = all
	dir   string        // report.dir
	unit  string        // report.period
	res   nightlyResult

	// What the store holds after ingest; inputs is nil if it holds no records.
	inputs []store.Input
	upTo   mark
	sum    store.Summary
	last   int64     // time of the newest record, traffic.NoTime = none has one
	at     time.Time // time of the report, zero = the records have no times

	due    []model.Spec  // models to fit
	scored *scoreSummary // nil = the scores in the store are not of this run
	period *period       // nil until begin
}

// errSkipped is why a step had nothing to do.
type errSkipped struct{ why string }

func (e errSkipped) Error() string { return e.why }

func (a *app) nightly(patterns []string, o nightlyOptions) (*nightlyResult, error) {
	n := &nightlyRun{app: a, o: o, limit: a.cfg.RetrainInterval, dir: cmp.Or(o.dir, a.cfg.ReportDir), unit: cmp.Or(o.period, a.cfg.ReportPeriod)}
	n.res = nightlyResult{Fitted: []string{}, Why: map[string]string{}, Removed: []string{}}
	for _, s := range nightlySteps() {
		n.res.Steps = append(n.res.Steps, &nightlyStep{Name: s, Status: "not run"})
	}
	files, missing, err := n.prepare(patterns)
	if err != nil {
		return nil, err
	}
	release, err := a.lockNightly()
	if err != nil {
		return nil, err
	}
	defer release()
	n.chain(files, missing)
	if err := a.ctx.Err(); err != nil {
		return nil, err
	}
	n.enter()
	return n.finish()
}

// prepare complains about what was asked for before anything is done.
func (n *nightlyRun) prepare(patterns []string) (files, missing []string, err error) {
	if n.gates, err = parseGates(n.o.failOn, false); err != nil {
		return nil, nil, err
	}
	if n.o.ifOlder != "" {
		if n.limit, err = time.ParseDuration(n.o.ifOlder); err != nil || n.limit < 0 {
			return nil, nil, usagef("--if-older %q: want a duration such as 24h", n.o.ifOlder)
		}
	}
	if n.o.now != "" {
		if n.at, err = time.Parse(time.RFC3339, n.o.now); err != nil {
			return nil, nil, usagef("--now %q: want RFC 3339", n.o.now)
		}
	}
	n.keep = n.cfg.Retention
	if n.o.keep != "" {
		if n.keep, err = parseAge(n.o.keep); err != nil || n.keep <= 0 {
			return nil, nil, usagef("--keep %q: want 90d, 12w or a duration like 36h", n.o.keep)
		}
	}
	switch n.o.compare {
	case "", "previous", "none":
	default:
		if _, err := previousReport(n.o.compare); err != nil {
			return nil, nil, err
		}
	}
	if n.unit != "day" && n.unit != "week" {
		return nil, nil, usagef("--period %q: want day or week", n.unit)
	}
	if n.cfg.CV == 1 {
		return nil, nil, usagef("models.cv 1: want 0 (none) or at least 2 folds")
	}
	return nightlyFiles(patterns)
}

// nightlyFiles resolves paths and globs, in their order, each file once. A path
// that is not there is missing; a glob may match nothing, but not all of them.
func nightlyFiles(patterns []string) (files, missing []string, err error) {
	var idle []string
	for _, p := range patterns {
		if p == "-" {
			return nil, nil, usagef("nightly reads files, not standard input: it has to know what it has read before; take `apiml ingest -`")
		}
		if _, err := os.Stat(p); err == nil {
			files = appendOnce(files, p)
			continue
		}
		found, err := filepath.Glob(p)
		if err != nil {
			return nil, nil, usagef("pattern %q: %v", p, err)
		}
		for _, f := range found {
			if st, err := os.Stat(f); err == nil && st.Mode().IsRegular() {
				files = appendOnce(files, f)
			}
		}
		switch {
		case len(found) > 0:
		case strings.ContainsAny(p, `*?[`):
			idle = append(idle, p)
		default:
			missing = append(missing, p)
		}
	}
	if len(files)+len(missing) == 0 {
		missing = idle
	}
	return files, missing, nil
}

// chain runs the steps.
func (n *nightlyRun) chain(files, missing []string) {
	s := n.step("ingest", func(b *app) (string, error) { return n.ingest(b, files, missing) })
	if n.inputs == nil || s.Code != 0 && s.Code != exitInput {
		return // there is nothing to work on, or nothing to write to
	}
	if s := n.step("prune", n.prune); s.Code != 0 || n.sum.Requests+n.sum.Flows == 0 {
		return // nothing to write to, or nothing left
	}
	first := n.step("score", n.score)
	n.step("train", n.train)
	again := n.step("rescore", func(b *app) (string, error) {
		// A train that failed may have written some of its models.
		if !slices.ContainsFunc(n.due, func(s model.Spec) bool {
			return s.Input == store.KindHTTP && (s.Role == model.RoleClassifier || s.Role == model.RoleDetector)
		}) {
			return "", errSkipped{"no model that scores was fitted"}
		}
		return n.score(b)
	})
	if first.Code != 0 && again.Status == "ok" { // the model that it stumbled over was replaced
		first.Status, first.Code, first.err = "replaced", 0, nil
	}
	if err := n.begin(); err != nil {
		n.step("report", func(*app) (string, error) { return "", withCode(exitFailed, err) })
	} else {
		n.step("evaluate", n.evaluate)
		n.step("forecast", n.forecast)
		n.step("report", n.report)
	}
	n.step("gates", n.check)
}

// step runs one step, unless the run was interrupted, and enters what became of
// it. The step gets an app of its own whose standard output goes nowhere and
// which says less.
func (n *nightlyRun) step(name string, do func(b *app) (detail string, err error)) *nightlyStep {
	i := slices.Index(nightlySteps(), name)
	s := n.res.Steps[i]
	if n.ctx.Err() != nil {
		return s
	}
	b, cfg := *n.app, *n.cfg
	b.cfg, b.out, b.flags.json, b.start = &cfg, io.Discard, false, time.Now()
	if !b.flags.verbose && cfg.level() < slog.LevelWarn {
		cfg.LogLevel = "warn"
	}
	var skip errSkipped
	s.Detail, s.err = do(&b)
	s.Seconds = time.Since(b.start).Seconds()
	switch {
	case s.err == nil:
		s.Status = "ok"
	case errors.As(s.err, &skip):
		s.Status, s.Detail, s.err = "skipped", skip.why, nil
	default:
		s.Status, s.Code = "failed", codeOf(s.err)
		if s.Code == exitGate {
			s.Status = "tripped"
		}
		s.Detail = strings.TrimPrefix(s.Detail+"; "+s.err.Error(), "; ")
	}
	if n.ctx.Err() == nil {
		n.sayf("%s: %s: %s (%s)", s.Name, s.Status, s.Detail, seconds(s.Seconds))
	}
	return s
}

// codeOf is the exit code of an error of a step.
func codeOf(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return exitFailed
}

// ingest reads what is new of the files and looks at what the store then holds.
// A file that cannot be read does not hold up the others.
func (n *nightlyRun) ingest(b *app, files, missing []string) (detail string, err error) {
	var trouble []string
	for _, m := range missing {
		trouble = append(trouble, m+": no such file")
	}
	var good []string
	for _, f := range files {
		rd, err := b.openInput(f, "", false, ingest.Options{})
		switch {
		case err == nil:
			rd.Close()
			good = append(good, f)
		case errors.Is(err, ingest.ErrEmpty): // rotated a moment ago
			b.debugf("%v", err)
		case codeOf(err) != exitInput:
			return "", err
		default:
			trouble = append(trouble, err.Error())
		}
	}
	if len(good) > 0 {
		res, err := b.ingest(good, ingestOptions{minParsed: n.o.minParsed})
		if err != nil && codeOf(err) != exitInput || n.ctx.Err() != nil {
			return "", err
		}
		if err != nil {
			trouble = append(trouble, err.Error())
		}
		if res != nil {
			for _, f := range res.Files {
				if f.Parsed > 0 {
					n.res.Files++
				}
			}
			n.res.Added = res.Total.Parsed
		}
		detail = fmt.Sprintf("%s of %s with new records, %s added", counted(n.res.Files, "file"), count(int64(len(good))), count(n.res.Added))
	}
	err = n.look(b)
	switch {
	case err != nil && (len(trouble) == 0 || codeOf(err) != exitInput):
		return detail, err
	case len(trouble) > 3:
		trouble = append(trouble[:3], fmt.Sprintf("and %d more", len(trouble)-3))
	}
	switch {
	case len(trouble) > 0:
		return detail, inputf("%s", strings.Join(trouble, "; "))
	case len(good) == 0:
		return "", errSkipped{"no file to read"}
	}
	return detail, nil
}

// counted is "1 file", "2 files".
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return count(int64(n)) + " " + noun
}

// look reads what the store holds. No records are an input error.
func (n *nightlyRun) look(b *app) error {
	if _, err := os.Stat(n.cfg.DB); errors.Is(err, fs.ErrNotExist) {
		return inputf("%s: no such database, and no file to read: name files, or set input.files", n.cfg.DB)
	}
	inputs, err := n.contents(b)
	if err != nil {
		return err
	}
	if n.sum.Requests+n.sum.Flows == 0 {
		return inputf("%s holds no records", n.cfg.DB)
	}
	n.upTo = mark{Inputs: inputs[len(inputs)-1].ID} // in the order of ID
	// The newest may have been deleted, its number is never given out again.
	err = n.query(`SELECT greatest((SELECT coalesce(max(seq), 0) FROM requests), (SELECT coalesce(max(last_seq), 0) FROM inputs WHERE kind = 'http')),
 greatest((SELECT coalesce(max(seq), 0) FROM flows), (SELECT coalesce(max(last_seq), 0) FROM inputs WHERE kind = 'flows'))`, func(row []any) {
		n.upTo.Requests, n.upTo.Flows = row[0].(int64), row[1].(int64)
	})
	if err != nil {
		return err
	}
	n.inputs, n.last = inputs, newest(inputs, "")
	if n.o.now == "" {
		n.at = micros(n.last)
	}
	return nil
}

// contents sums the store up and returns its inputs.
func (n *nightlyRun) contents(b *app) (inputs []store.Input, err error) {
	st, err := b.openStore(true)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	if n.sum, err = st.Summary(n.ctx, store.Filter{}); err == nil {
		inputs, err = st.Inputs(n.ctx)
	}
	if err != nil {
		return nil, storeError(err)
	}
	return inputs, nil
}

// query calls fn for each row of a query of the store, which must not be open.
func (n *nightlyRun) query(sql string, fn func(row []any)) error {
	q, err := store.OpenQuery(n.ctx, store.Options{Path: n.cfg.DB, MemoryLimit: storeMemory})
	if err != nil {
		return storeError(err)
	}
	defer q.Close()
	if err := q.Query(n.ctx, sql, nil, func(row []any) error { fn(row); return nil }); err != nil {
		return storeError(err)
	}
	return nil
}

// newest is the time of the newest record of a kind, "" = of all.
func newest(inputs []store.Input, kind string) int64 {
	last := int64(traffic.NoTime)
	for _, in := range inputs {
		if kind == "" || in.Kind == kind {
			last = max(last, in.Last)
		}
	}
	return last
}

// prune deletes what is older than --keep, counted from the time of the report.
// It comes before all that looks at the records, so that a run that is repeated
// sees the same ones.
func (n *nightlyRun) prune(b *app) (string, error) {
	switch {
	case n.keep == 0:
		return "", errSkipped{"all records are kept"}
	case n.at.IsZero():
		return "", errSkipped{"the records have no times"}
	}
	before := n.at.UnixMicro() - n.keep.Microseconds()
	p, was, is, err := b.pruneStore(before, "", false)
	if err != nil {
		return "", err
	}
	n.res.Pruned = &p
	if p == (store.Pruned{}) {
		return fmt.Sprintf("nothing is older than %s UTC", when(before)), nil
	}
	detail := fmt.Sprintf("older than %s UTC: %s; %s → %s bytes", when(before), prunedWords(p), count(was), count(is))
	at := n.at
	if err := n.look(b); err != nil {
		return detail, err
	}
	n.at = at
	return detail, nil
}

// score scores the store, with the models as they are.
func (n *nightlyRun) score(b *app) (string, error) {
	n.scored = nil
	if n.sum.Requests == 0 {
		return "", errSkipped{"the store holds no requests"}
	}
	s, err := b.score(nil, scoreOptions{reasons: 3, maxAlerts: -1})
	if err != nil {
		return "", err
	}
	n.scored = s
	return fmt.Sprintf("%s, %s flagged, %s", counted(int(s.Requests), "request"), count(s.Flagged), counted(s.Incidents, "incident")), nil
}

// train fits the models that are due.
func (n *nightlyRun) train(b *app) (string, error) {
	due, why, err := n.dueModels(b)
	if err != nil {
		return "", err
	}
	if len(due) == 0 {
		return "", errSkipped{"no model is due" + why}
	}
	n.due = due
	var names []string
	for _, s := range due {
		names = append(names, s.Name)
	}
	res, err := b.train(trainOptions{names: names, cv: n.cfg.CV, split: "group-time", profile: "frozen", rate: 0.001, audit: true})
	if err != nil {
		return "", enough(err)
	}
	var said []string
	for _, m := range res.Models {
		n.res.Fitted = append(n.res.Fitted, m.Model)
		said = append(said, fmt.Sprintf("%s (%s)", m.Model, n.res.Why[m.Model]))
	}
	return "fitted " + strings.Join(said, ", ") + why, nil
}

// enough turns the complaint about too few records into a reason to skip.
func enough(err error) error {
	if codeOf(err) == exitInput {
		return errSkipped{err.Error()}
	}
	return err
}

// dueModels are the models that the store can feed and that are due; why says
// which were left out for want of data.
//
// The age of a model is record time, so that equal input does equal things: from
// the newest record that it has seen to the time of the report. One that has
// seen all of the store, or its newest record, is not due whatever --now says: it
// would come out the same. For the same reason only records that a model has not
// seen can make it drift.
func (n *nightlyRun) dueModels(b *app) (due []model.Spec, why string, err error) {
	specs, _, err := b.chooseModels(nil, false)
	if err != nil {
		return nil, "", err
	}
	var left []string
	var young []model.Spec // not due by age, with records that they have not seen
	for _, s := range specs {
		has := n.sum.Requests
		if s.Input == store.KindFlows {
			has = n.sum.Flows
		}
		switch {
		case has == 0:
			continue
		case s.Input == store.KindHTTP && s.Role == model.RoleClassifier && n.sum.Labelled == 0:
			left = append(left, s.Name+" (no labels)")
			continue
		case s.Input == store.KindHTTP && s.Role == model.RoleRegressor && n.sum.Latency.Known == 0:
			left = append(left, s.Name+" (no latencies)")
			continue
		}
		f, err := model.Load(filepath.Join(n.cfg.ModelsDir, s.FileName))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, "", withCode(exitState, err)
		}
		last := newest(n.inputs, s.Input)
		switch {
		case err != nil:
			due, n.res.Why[s.Name] = append(due, s), "there is none yet"
		case n.isDue(f.Header.Data, last):
			due, n.res.Why[s.Name] = append(due, s), "age"
			if n.limit == 0 {
				n.res.Why[s.Name] = "all are asked for"
			}
		case !n.hasSeen(f.Header.Data, last):
			young = append(young, s)
		}
	}
	if n.o.ifDrift && len(young) > 0 {
		moved, reasons, err := b.driftedModels(young, trainOptions{})
		if err != nil && (len(due) == 0 || n.ctx.Err() != nil) {
			return nil, "", err
		}
		for _, s := range moved {
			n.res.Why[s.Name] = reasons[s.Name]
		}
		due = append(due, moved...)
		switch {
		case err != nil:
			why = fmt.Sprintf("; drift was not measured: %v", err)
		case len(moved) == 0:
			why = "; no drift in " + strings.Join(specNames(young), ", ")
		}
	}
	if len(left) > 0 {
		why += "; left out: " + strings.Join(left, ", ")
	}
	return due, why, nil
}

func specNames(specs []model.Spec) []string {
	var out []string
	for _, s := range specs {
		out = append(out, s.Name)
	}
	return out
}

// hasSeen reports whether a model that was fitted on seen has seen the newest
// record of its kind, at last, or all inputs. Without a time nothing is newer.
func (n *nightlyRun) hasSeen(seen model.Provenance, last int64) bool {
	return last == traffic.NoTime || seen.Last >= last || slices.EqualFunc(seen.Inputs, n.inputs, func(a model.InputRef, b store.Input) bool {
		return a.Name == b.Name && a.SHA256 == b.SHA256 && a.SHA256 != ""
	})
}

// isDue decides for a model that was fitted on seen; the newest record of its
// kind is at last, microseconds or traffic.NoTime.
func (n *nightlyRun) isDue(seen model.Provenance, last int64) bool {
	if n.limit == 0 {
		return true
	}
	if n.hasSeen(seen, last) {
		return false
	}
	return n.at.Sub(micros(seen.Last)) >= n.limit-n.limit/24
}

// evaluate measures the models and writes the page of them.
func (n *nightlyRun) evaluate(b *app) (string, error) {
	path := n.file("models.html")
	res, err := b.evaluate(evaluateOptions{outputs: []string{path}})
	if err != nil {
		os.Remove(path) // of an earlier run
		return "", enough(err)
	}
	var names []string
	for _, m := range res.Models {
		names = append(names, m.Model)
	}
	return strings.Join(names, ", "), nil
}

// forecast writes the forecast that the report shows as CSV.
func (n *nightlyRun) forecast(b *app) (string, error) {
	if n.sum.First == traffic.NoTime {
		return "", errSkipped{"the store holds no requests with a time"}
	}
	step, err := reportStep("", n.sum)
	if err != nil {
		return "", err
	}
	every, path := time.Duration(step)*time.Microsecond, n.file("forecast.csv")
	if err := b.forecast(forecastOptions{step: every.String(), horizon: "30", model: "auto", output: path}); err != nil {
		os.Remove(path)
		return "", enough(err)
	}
	return fmt.Sprintf("30 steps of %s", every), nil
}

// report writes the files of the period and the index.
func (n *nightlyRun) report(b *app) (string, error) {
	if err := n.count(); err != nil {
		return "", err
	}
	d, err := n.data(b)
	if err != nil {
		return "", err
	}
	comparePrevious(d, n.previous())
	write := func(name string, fill func(io.Writer) error) {
		if err == nil {
			err = atomicfile.Write(n.file(name), 0o600, fill)
		}
	}
	write("report.html", func(w io.Writer) error { return report.HTML(w, d) })
	write("summary.md", func(w io.Writer) error { return report.Markdown(w, d) })
	write("report.json", func(w io.Writer) error { return report.JSON(w, d) })
	write("metrics.prom", func(w io.Writer) error { return report.Prometheus(w, d) })
	write("flagged.sarif", func(w io.Writer) error {
		found, more, err := n.flagged()
		if err != nil {
			return err
		}
		b, err := sarifLog(found, more)
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	})
	n.period.Now, n.period.Last, n.period.UpTo, n.period.Figures = n.at, micros(n.last), n.upTo, n.res.Figures
	write(periodFile, func(w io.Writer) error { return writeJSON(w, n.period) })
	if err == nil {
		n.res.Removed, err = prunePeriods(n.dir, n.period.Name, n.cfg.ReportKeep)
	}
	index := filepath.Join(n.dir, "index.html")
	if err == nil {
		err = writeIndex(index, n.cfg.Title)
	}
	if err != nil {
		return "", withCode(exitFailed, err)
	}
	n.res.Period, n.res.Index = n.period.Name, index
	n.res.Report, n.res.Summary, n.res.SARIF = n.file("report.html"), n.file("summary.md"), n.file("flagged.sarif")
	return n.res.Report, nil
}

// previous is the report to compare with, nil = none: that of --compare, else that
// of the period before if it can be read. With report.keep 1 it would be there in the first run of a period only,
// and the second would differ from it.
func (n *nightlyRun) previous() *report.Data {
	switch n.o.compare {
	case "", "previous":
	case "none":
		return nil
	default:
		d, err := previousReport(n.o.compare)
		if err != nil {
			n.warnf("no comparison: %v", err)
		}
		return d
	}
	all, err := readPeriods(n.dir)
	if err != nil || n.cfg.ReportKeep < 2 {
		return nil
	}
	for _, p := range all { // newest first
		if p.Name == n.period.Name || p.Figures == nil || !p.Now.Before(n.at) || p.UpTo.beyond(n.upTo) {
			continue
		}
		path := filepath.Join(n.dir, p.Name, "report.json")
		d, err := previousReport(path)
		if err != nil {
			n.warnf("no comparison with the period before: %v", err)
		}
		return d
	}
	return nil
}

func (n *nightlyRun) file(name string) string { return filepath.Join(n.dir, n.period.Name, name) }

// data is what the report shows: that of the command report, but for what would
// differ from run to run.
func (n *nightlyRun) data(b *app) (*report.Data, error) {
	st, err := b.openStoreWith(true, reportMemory)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	d, err := b.reportData(st, reportOptions{title: n.cfg.Title, top: n.cfg.Top, now: n.o.now})
	if err != nil {
		return nil, err
	}
	for _, s := range n.res.Steps {
		if s.Code != 0 {
			d.Warnings = append(d.Warnings, fmt.Sprintf("The step %s of this run failed: %s", s.Name, s.err))
		}
	}
	d.Seconds, d.Audit.Runs = report.Unknown(), basis(d, n.cfg.hash())
	if n.keep > 0 {
		d.Audit.Keep = keepWords(n.keep)
	}
	return d, nil
}

// basis takes the place of the ledger in the report: what the figures rest on,
// one row per step, taken from d itself. It has no times: the same records give
// the same rows, however many runs it took to get there.
func basis(d *report.Data, config string) []report.Run {
	var out []report.Run
	add := func(command, counts string) {
		out = append(out, report.Run{
			ID: int64(len(out) + 1), Command: "nightly: " + command, Tool: d.ToolVersion, Config: config, Seconds: report.Unknown(), Status: "ok", Counts: counts,
		})
	}
	var in report.Input
	for _, x := range d.Inputs {
		in.Read += x.Read
		in.Parsed += x.Parsed
		in.Rejected += x.Rejected
		in.Filtered += x.Filtered
	}
	add("ingest", fmt.Sprintf("%s, %s read, %s parsed, %s rejected, %s filtered", counted(len(d.Inputs), "input"), count(in.Read), count(in.Parsed), count(in.Rejected), count(in.Filtered)))
	for _, m := range d.Models {
		if m.File != "" {
			add("train "+m.Name, fmt.Sprintf("%s rows, %s held out", count(m.Rows), count(m.HeldOut)))
		}
	}
	if s := d.Security; s.Scored > 0 {
		add("score", fmt.Sprintf("%s, %s flagged, %s", counted(int(s.Scored), "request"), count(s.Flagged), counted(int(s.IncidentCount), "incident")))
	}
	return out
}

// figures are what the index says of a period.
type figures struct {
	Requests  int64          `json:"requests"` // that came in since the report of the period before
	Flows     int64          `json:"flows"`
	Flagged   int64          `json:"flagged"`
	Incidents int            `json:"incidents"`          // with such requests
	ByClass   map[string]int `json:"incidents_by_class"` // with such requests of the class
	Coverage  float64        `json:"coverage"`           // of the inputs that they came from
	Total     int64          `json:"total"`              // records in the store
	Synthetic bool           `json:"synthetic"`          // some of them were generated

	probability, anomaly float64 // highest
}

// count fills the figures of the period. The time of a record does not tell when
// it came in, its place in the store does.
func (n *nightlyRun) count() error {
	if n.res.Figures != nil {
		return nil
	}
	fig := &figures{ByClass: map[string]int{}, Coverage: 1, Total: n.sum.Requests + n.sum.Flows}
	var after mark
	if n.period != nil {
		after = n.period.After
	}
	span := func(from, to int64) string { return fmt.Sprintf("seq > %d AND seq <= %d", from, to) }
	requests, flows := span(after.Requests, n.upTo.Requests), span(after.Flows, n.upTo.Flows)
	from := map[int64]bool{}
	err := n.query(`SELECT input, count(*), 0 FROM requests WHERE `+requests+` GROUP BY input
UNION ALL SELECT input, 0, count(*) FROM flows WHERE `+flows+` GROUP BY input`, func(row []any) {
		from[row[0].(int64)] = true
		fig.Requests += row[1].(int64)
		fig.Flows += row[2].(int64)
	})
	if err != nil {
		return err
	}
	var read, parsed int64
	for _, in := range n.inputs {
		fig.Synthetic = fig.Synthetic || in.Synthetic
		if from[in.ID] || in.ID > after.Inputs {
			read += in.Read - in.Filtered
			parsed += in.Parsed
		}
	}
	if read > 0 {
		fig.Coverage = float64(parsed) / float64(read)
	}
	of := "FROM scores s WHERE EXISTS (SELECT 1 " + n.ofScore(after) + ")"
	err = n.query(`SELECT class, count(DISTINCT incident) `+of+` GROUP BY class ORDER BY class`, func(row []any) {
		if k := int(row[1].(int64)); k > 0 {
			fig.ByClass[row[0].(string)] = k
		}
	})
	if err == nil { // an incident may hold requests of several classes
		err = n.query(`SELECT count(*) FILTER (flagged), count(DISTINCT incident), coalesce(max(probability), 0), coalesce(max(anomaly), 0) `+of, func(row []any) {
			fig.Flagged, fig.Incidents = row[0].(int64), int(row[1].(int64))
			fig.probability, fig.anomaly = max(0, row[2].(float64)), max(0, row[3].(float64))
		})
	}
	if err != nil {
		return err
	}
	n.res.Figures = fig
	return nil
}

// ofScore is the FROM of the request that a score s is of, if it came in after a
// mark. A score has no number of its own: file, line and time find its request
// even if the name of a file was used again.
func (n *nightlyRun) ofScore(after mark) string {
	return fmt.Sprintf(`FROM requests r JOIN inputs i ON i.id = r.input
WHERE r.seq > %d AND r.seq <= %d AND i.name = s.file AND r.line = s.line AND r.time IS NOT DISTINCT FROM s.time`, after.Requests, n.upTo.Requests)
}

// flagged are the flagged requests of the period for flagged.sarif, and how many
// more there are than it may hold.
func (n *nightlyRun) flagged() (out []sarifResult, more int64, err error) {
	text := func(v any) string { return sqlText(v, "") }
	err = n.query(`SELECT s.file, s.line, s.time, s.principal, s.method, s.target, s.status, s.class, s.probability, s.anomaly, s.incident, s.rules,
 (SELECT r.body `+n.ofScore(n.period.After)+` LIMIT 1) FROM scores s
WHERE flagged AND EXISTS (SELECT 1 `+n.ofScore(n.period.After)+`) ORDER BY s.time, s.file, s.line`, func(row []any) {
		if len(out) == maxSARIF {
			more++
			return
		}
		r := score.Result{File: text(row[0]), Line: row[1].(int64), Principal: text(row[3]), Method: text(row[4]), Target: text(row[5]), Class: text(row[7]),
			Probability: row[8].(float64), Anomaly: row[9].(float64), Incident: text(row[10])}
		if t, ok := row[2].(time.Time); ok {
			r.Time = rfc3339(t.UnixMicro())
		}
		if v, err := strconv.Atoi(text(row[6])); err == nil { // NULL = unknown
			r.Status = int32(v)
		}
		if r.Rules = strings.FieldsFunc(text(row[11]), func(c rune) bool { return c == ',' }); r.Rules == nil {
			r.Rules = []string{}
		}
		if row[12] != nil {
			body := text(row[12])
			r.Body = &body
		}
		out = append(out, sarifOfRequest(&r))
	})
	return out, more, err
}

// check applies the gates to the records of the period.
func (n *nightlyRun) check(b *app) (string, error) {
	if len(n.gates) == 0 && n.o.maxAlerts < 0 {
		return "", errSkipped{"none was asked for"}
	}
	if n.scored == nil {
		if n.sum.Requests > 0 {
			return "", errSkipped{"the scores are not of this run"}
		}
		return "", inputf("nothing was scored: the gates cannot be checked")
	}
	if err := n.count(); err != nil {
		return "", err
	}
	f := n.res.Figures
	s := &scoreSummary{
		Incidents: f.Incidents, Coverage: f.Coverage, maxProbability: f.probability, maxAnomaly: f.anomaly, incidentsByClass: f.ByClass,
	}
	s.Flagged = f.Flagged
	if err := b.scoreGates(s, scoreOptions{maxAlerts: n.o.maxAlerts}, n.gates); err != nil {
		return "", err
	}
	return "none tripped", nil
}

// enter notes the run in the ledger of the store, which the report of nightly does
// not show: see basis. A store that cannot be written has been told of already.
func (n *nightlyRun) enter() {
	if n.inputs == nil {
		return
	}
	failed := func(err error) { n.warnf("the run is not in the table runs: %v", err) }
	st, err := n.openExisting()
	if err != nil {
		failed(err)
		return
	}
	defer st.Close()
	e, err := n.ledger(st, "nightly", nil)
	if err != nil {
		failed(err)
		return
	}
	e.counts = map[string]int64{"new_files": int64(n.res.Files), "new_records": n.res.Added}
	for _, name := range n.res.Fitted {
		e.counts["fitted "+name] = 1
	}
	if p := n.res.Pruned; p != nil {
		e.counts["pruned_requests"], e.counts["pruned_flows"], e.counts["pruned_scores"], e.counts["pruned_rejects"] = p.Requests, p.Flows, p.Scores, p.Rejects
	}
	var of, end error
	for _, s := range n.res.Steps {
		if s.Code != 0 {
			e.counts["exit "+s.Name] = int64(s.Code)
			if s.Code != exitGate { // the work is done
				of = s.err
			}
		}
	}
	end = of
	if e.end(&end); end != of {
		failed(end)
	}
}

// finish prints the result and returns the error of the exit code: the worst of
// the steps, with what all of them had to say.
func (n *nightlyRun) finish() (*nightlyResult, error) {
	rank := []int{exitOK, exitGate, exitInput, exitState, exitFailed, exitUsage} // from best to worst
	r := &n.res
	var names, texts []string
	for _, s := range r.Steps {
		if s.Code == 0 {
			continue
		}
		if slices.Index(rank, s.Code) > slices.Index(rank, r.Code) {
			r.Code = s.Code
		}
		names = append(names, s.Name)
		texts = append(texts, fmt.Sprintf("%s: %v", s.Name, s.err))
	}
	r.jsonHead = n.head("nightly")
	var err error
	if n.flags.json {
		err = n.printJSON(r)
	} else {
		_, err = fmt.Fprintln(n.out, clean(r.line(names)))
	}
	if r.Code != 0 {
		return r, withCode(r.Code, errors.New(strings.Join(texts, "; ")))
	}
	return r, err
}

// line sums the run up in one line.
func (r *nightlyResult) line(failed []string) string {
	var b strings.Builder
	b.WriteString("nightly")
	if r.Period != "" {
		b.WriteString(" " + r.Period)
	}
	if r.Code == 0 {
		b.WriteString(": ok")
	} else {
		fmt.Fprintf(&b, ": exit %d (%s)", r.Code, strings.Join(failed, ", "))
	}
	fmt.Fprintf(&b, "; %s with %s", counted(r.Files, "file"), counted(int(r.Added), "new record"))
	if r.Figures != nil && r.Figures.Synthetic {
		b.WriteString(" (synthetic)")
	}
	if f := r.Figures; f != nil {
		fmt.Fprintf(&b, "; period: %s, %s flagged, %s", counted(int(f.Requests), "request"), count(f.Flagged), counted(f.Incidents, "incident"))
		if f.Flows > 0 {
			fmt.Fprintf(&b, ", %s", counted(int(f.Flows), "flow"))
		}
	}
	if p := r.Pruned; p != nil && p.Requests+p.Flows > 0 {
		fmt.Fprintf(&b, "; deleted %s", counted(int(p.Requests+p.Flows), "old record"))
	}
	if len(r.Fitted) > 0 {
		b.WriteString("; fitted " + strings.Join(r.Fitted, ", "))
	}
	if r.Report != "" {
		b.WriteString("; " + r.Report)
	} else {
		b.WriteString("; no report")
	}
	return b.String()
}

// lockNightly holds off another nightly on the same database. The lock is the
// operating system's, on a file beside the database, so it ends with its
// process, whatever ended that; the PID in the file is for the message only.
func (a *app) lockNightly() (release func(), err error) {
	path := a.cfg.DB + ".nightly.lock"
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, withCode(exitFailed, fmt.Errorf("lock: %w", err))
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			pid := lockPID(f)
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, statef("another nightly works on %s: PID %s has locked %s", a.cfg.DB, cmp.Or(pid, "unknown"), path)
			}
			return nil, withCode(exitFailed, fmt.Errorf("lock %q: %w", path, err))
		}
		// The holder before may have removed the file after it was opened here.
		mine, err := f.Stat()
		there, serr := os.Stat(path)
		if err != nil || serr != nil || !os.SameFile(mine, there) {
			f.Close()
			continue
		}
		if pid := lockPID(f); pid != "" {
			a.sayf("took over the lock of PID %s, which has ended", pid)
		}
		if err = f.Truncate(0); err == nil {
			_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		}
		if err != nil {
			f.Close()
			return nil, withCode(exitFailed, fmt.Errorf("lock: %w", err))
		}
		return func() { os.Remove(path); f.Close() }, nil
	}
}

// lockPID is what a lock file says, "" if that is no number.
func lockPID(f *os.File) string {
	b := make([]byte, 20)
	k, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:k])))
	if err != nil {
		return ""
	}
	return strconv.Itoa(pid)
}

// period is the content of period.json: it marks a folder of report.dir as made
// by nightly, and says what the index shows.
type period struct {
	Schema  string    `json:"schema"`
	Name    string    `json:"period"`        // name of the folder: 2026-03-02, 2026-W10, or undated
	Now     time.Time `json:"now,omitzero"`  // time of the report
	Last    time.Time `json:"last,omitzero"` // newest record
	After   mark      `json:"after"`         // UpTo of the period before: what came in later belongs to this one
	UpTo    mark      `json:"up_to"`
	Figures *figures  `json:"figures"` // null until there is a report
}

// mark is how far the store has been filled: the numbers (seq) of the last
// request and flow, and the ID of the last input.
type mark struct {
	Requests int64 `json:"requests"`
	Flows    int64 `json:"flows"`
	Inputs   int64 `json:"inputs"`
}

// beyond reports whether m was not made in a store that is filled up to end.
func (m mark) beyond(end mark) bool {
	return m.Requests > end.Requests || m.Flows > end.Flows || m.Inputs > end.Inputs
}

const (
	periodFile   = "period.json"
	periodSchema = "apiml/period/1"
)

func periodName(t time.Time, unit string) string {
	switch {
	case t.IsZero():
		return "undated"
	case unit == "week":
		y, w := t.UTC().ISOWeek()
		return fmt.Sprintf("%04d-W%02d", y, w)
	}
	return t.UTC().Format(time.DateOnly)
}

// begin makes the folder of the period. A folder that is there keeps what its
// period.json says: a run that is repeated looks at the same records.
func (n *nightlyRun) begin() error {
	all, err := readPeriods(n.dir)
	if err != nil {
		return err
	}
	p := &period{Schema: periodSchema, Name: periodName(n.at, n.unit), Now: n.at, Last: micros(n.last)}
	for _, q := range slices.Backward(all) { // oldest first
		switch {
		case q.UpTo.beyond(n.upTo): // of another store
		case q.Name == p.Name:
			n.period = &q
			return nil
		case q.Figures != nil && q.Now.Before(p.Now):
			p.After = q.UpTo
		}
	}
	dir := filepath.Join(n.dir, p.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, periodFile), 0o600, func(w io.Writer) error { return writeJSON(w, p) }); err != nil {
		return err
	}
	n.period = p
	return nil
}

// readPeriods returns the periods in a folder, newest first. What was not made
// by nightly is not among them.
func readPeriods(dir string) ([]period, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []period
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name(), periodFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var p period
		if json.Unmarshal(b, &p) == nil && p.Schema == periodSchema && p.Name == e.Name() {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b period) int {
		return cmp.Or(b.Now.Compare(a.Now), cmp.Compare(b.Name, a.Name))
	})
	return out, nil
}

// prunePeriods removes the oldest periods beyond keep, but for own.
func prunePeriods(dir, own string, keep int) (removed []string, err error) {
	removed = []string{}
	all, err := readPeriods(dir)
	if err != nil {
		return removed, err
	}
	for left := len(all); left > keep; left-- {
		p := all[left-1]
		if p.Name == own {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, p.Name)); err != nil {
			return removed, err
		}
		removed = append(removed, p.Name)
	}
	return removed, nil
}

// indexRow is a period in the index.
type indexRow struct {
	period
	Files []string // that are there
}

// Text of the cells.
func (r indexRow) Requests() string  { return count(r.Figures.Requests + r.Figures.Flows) }
func (r indexRow) Flagged() string   { return count(r.Figures.Flagged) }
func (r indexRow) Incidents() string { return count(int64(r.Figures.Incidents)) }
func (r indexRow) Coverage() string  { return percent(r.Figures.Coverage) }
func (r indexRow) Total() string     { return count(r.Figures.Total) }
func (r indexRow) Newest() string {
	if r.Last.IsZero() {
		return "–"
	}
	return r.Last.UTC().Format("2006-01-02 15:04:05")
}

// writeIndex lists the periods of the index's folder.
func writeIndex(path, title string) error {
	dir := filepath.Dir(path)
	all, err := readPeriods(dir)
	if err != nil {
		return err
	}
	var rows []indexRow
	for _, p := range all {
		if p.Figures == nil { // its run did not get as far as a report
			continue
		}
		r := indexRow{period: p}
		for _, f := range []string{"summary.md", "models.html", "forecast.csv", "report.json", "metrics.prom", "flagged.sarif"} {
			if _, err := os.Stat(filepath.Join(dir, p.Name, f)); err == nil {
				r.Files = append(r.Files, f)
			}
		}
		rows = append(rows, r)
	}
	t, err := template.New("index").Parse(indexPage)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, 0o600, func(w io.Writer) error {
		return t.Execute(w, struct {
			Title string
			Rows  []indexRow
		}{title, rows})
	})
}

// indexPage loads nothing and runs nothing.
const indexPage = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<title>{{.Title}}</title>
<style>
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
caption{text-align:left;padding-bottom:.5rem}
th,td{text-align:left;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #8886;white-space:nowrap}
.n{text-align:right;font-variant-numeric:tabular-nums}
</style></head><body><main>
<h1>{{.Title}}</h1>
<div class="scroll" tabindex="0" role="region" aria-label="Reports"><table>
<caption>Requests, flagged ones, incidents and coverage are of what came in since the report of the period below. Times are UTC.</caption>
<thead><tr><th scope="col">Period</th><th scope="col">Newest record</th><th scope="col" class="n">Requests</th><th scope="col" class="n">Flagged</th><th scope="col" class="n">Incidents</th><th scope="col" class="n">Coverage</th><th scope="col" class="n">In the store</th><th scope="col">Files</th></tr></thead>
<tbody>
{{- range .Rows}}
<tr><th scope="row"><a href="{{.Name}}/report.html">{{.Name}}</a>{{if .Figures.Synthetic}} (synthetic){{end}}</th><td>{{.Newest}}</td><td class="n">{{.Requests}}</td><td class="n">{{.Flagged}}</td><td class="n">{{.Incidents}}</td><td class="n">{{.Coverage}}</td><td class="n">{{.Total}}</td><td>{{$p := .Name}}{{range $i, $f := .Files}}{{if $i}}, {{end}}<a href="{{$p}}/{{$f}}">{{$f}}</a>{{end}}</td></tr>
{{- end}}
</tbody></table></div>
</main></body></html>
`
