package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"apiml/datasets"
	"apiml/evaluate"
	"apiml/features"
	"apiml/ingest"
	"apiml/model"
	"apiml/score"
	"apiml/store"
	"apiml/traffic"
)

type scoreOptions struct {
	logFormat  string
	outputs    []string
	format     string
	from       string
	threshold  float64
	budget     string  // --alert-budget
	budgetFrom string  // log, training, "" = by the model
	targetFPR  float64 // --target-fpr
	by         string  // request or incident
	minParsed  float64
	failOn     []string
	maxAlerts  int64
	wait       time.Duration // of standard input, 0 = results wait for the end
	reasons    int
	noRedact   bool
	flagged    bool
	all        bool // reasons for what is not flagged too
}

func (a *app) scoreCommand() *cobra.Command {
	var o scoreOptions
	cmd := &cobra.Command{
		Use:   "score [FILE…]",
		Short: "Score a log: class, probability, anomaly, rules, reasons per request",
		Long: `Score reads logs (any format that ingest knows; - is standard input) and prints
a summary; -o writes one line per request. It needs no database and no training:
without models in --models it uses those built into the program.

Results of standard input come while it lasts (-o -): with a block of 4,096
requests, and within --wait if less than that comes.

Without FILE it scores the requests in the store (--db) and keeps the results
there, for the report. Those of a part (--since, --until) are only kept if the
store has none of other times.`,
		Example: `  apiml score access.log
  apiml score access.log.gz -o scores.jsonl
  zcat access.log.*.gz | apiml score - -o - --format csv --flagged
  tail -f access.log | apiml score - -o - --flagged
  apiml score --db apiml.duckdb
  apiml score access.log --alert-budget 5/day --by incident -o incidents.jsonl
  apiml score access.log -o apiml.sarif
  apiml score access.log --by principal --alert-budget 20/day
  apiml score access.log --fail-on 'incidents[sql_injection]>0'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("threshold") && !(o.threshold > 0 && o.threshold <= 1) {
				return usagef("--threshold %v: want a probability above 0 and at most 1", o.threshold)
			}
			if err := o.check(cmd.Flags().Changed); err != nil {
				return err
			}
			if o.wait < 0 {
				return usagef("--wait %v: want a time, or 0 to wait for the end", o.wait)
			}
			if !cmd.Flags().Changed("max-alerts") {
				o.maxAlerts = -1
			}
			if !cmd.Flags().Changed("min-parsed") {
				o.minParsed = a.cfg.InputMinParsed
			}
			if err := a.useLogFormat(o.logFormat); err != nil {
				return err
			}
			args, err := logFiles(args)
			if err != nil {
				return err
			}
			if o.by == "principal" || o.by == "target" {
				return a.scoreProfiles(args, o)
			}
			_, err = a.score(args, o)
			return err
		},
	}
	a.ruleFlags(cmd)
	f := cmd.Flags()
	f.StringArrayVarP(&o.outputs, "output", "o", nil, "FILE.jsonl, .csv, .parquet or .sarif, repeatable, - = standard output")
	f.StringVar(&o.format, "format", "", "output format of -o -: jsonl, csv or sarif")
	f.StringVar(&o.by, "by", "request", "what a line of -o is: request or incident; or principal (who behaves like an attack, and in which cluster) or target (what is treated so), which look at behaviour alone")
	f.StringVar(&o.budget, "alert-budget", "", "false alerts that are acceptable, such as 20/day: sets the threshold, see --budget-from")
	f.Float64Var(&o.targetFPR, "target-fpr", 0, "share of clean requests that may be flagged, such as 1e-5: sets the threshold likewise")
	f.StringVar(&o.budgetFrom, "budget-from", "", "by what these set the threshold: training (its clean traffic) or log (the tail of its own scores, of which up to 1 % may be attacks; read twice); default: log for models of generated traffic")
	f.StringVar(&o.from, "from", "", "input format (default: found by the content)")
	f.StringVar(&o.logFormat, "log-format", "", "format of the lines: NGINX's log_format, Apache's LogFormat, or the path of an nginx.conf or httpd.conf")
	f.Float64Var(&o.threshold, "threshold", 0, "attack probability from which a request is flagged (default: the model's own)")
	f.Float64Var(&o.minParsed, "min-parsed", 0, "exit 3 if a smaller share of the lines parses")
	f.StringArrayVar(&o.failOn, "fail-on", nil, "exit 1 if it holds: p>0.9, anomaly>0.8, incidents>0, incidents[TYPE]>0, coverage<0.95")
	f.Int64Var(&o.maxAlerts, "max-alerts", 0, "exit 1 if more requests are flagged")
	f.DurationVar(&o.wait, "wait", 2*time.Second, "how long results of standard input wait for older lines while few come (0: to the end, results are then those of a file with the same lines)")
	f.IntVar(&o.reasons, "reasons", 3, "features named per flagged request")
	f.BoolVar(&o.flagged, "flagged", false, "write only flagged requests to -o")
	f.BoolVar(&o.noRedact, "no-redact", false, "leave secrets as they stand in the log")
	return cmd
}

// formulaGuard keeps a spreadsheet from running a cell of a log as a formula.
func formulaGuard(s string) string {
	if s != "" && s != "-" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return "'" + s
		}
	}
	return s
}

// scoreSummary is the output of `score --json`.
type scoreSummary struct {
	jsonHead
	score.Summary
	Incidents      int              `json:"incidents"`
	Expected       *expectedAlerts  `json:"expected,omitempty"` // nil: the classifier's file says nothing of it
	TopIncidents   []score.Incident `json:"top_incidents"`
	LinesPerSecond float64          `json:"lines_per_second"`
	Coverage       float64          `json:"coverage"`
	Files          []fileCoverage   `json:"files"`
	Models         []modelRef       `json:"models"`
	Profile        string           `json:"profile"`
	Warnings       []string         `json:"warnings"`

	maxProbability, maxAnomaly float64
	incidentsByClass           map[string]int // with at least one request of the type
	flowsOnly                  bool
}

type modelRef struct {
	Name   string `json:"name"`
	Origin string `json:"origin"`
	SHA256 string `json:"sha256"`
}

func (a *app) score(files []string, o scoreOptions) (*scoreSummary, error) {
	gates, err := parseGates(o.failOn, false)
	if err != nil {
		return nil, err
	}
	if a.flags.json && slices.Contains(o.outputs, "-") {
		return nil, usagef("--json and -o - both want standard output")
	}
	ws, err := a.resultWriters(o)
	defer func() {
		for _, w := range ws {
			w.Abort()
		}
	}()
	if err != nil {
		return nil, err
	}
	run := &scoreRun{a: a, o: o, ws: slices.Clone(ws)}
	run.sum.ByClass = map[string]int64{}
	if len(files) > 0 {
		err = a.prepareRules(files, o.from)
	} else {
		err = a.storeRules()
	}
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		err = run.store()
	} else {
		err = run.files(files)
	}
	if err != nil && !isPartial(err) {
		return nil, err
	}
	for _, w := range run.ws {
		if err := w.finish(a.ctx, &run.sum, run.incidents); err != nil {
			return nil, err
		}
	}
	if perr := a.printScore(&run.sum, len(files) == 0, slices.Contains(o.outputs, "-")); perr != nil {
		return nil, perr
	}
	if err != nil {
		return &run.sum, err
	}
	return &run.sum, a.scoreGates(&run.sum, o, gates)
}

// scoreGates applies the gates that were asked for.
func (a *app) scoreGates(s *scoreSummary, o scoreOptions, gs gates) error {
	if s.Coverage < o.minParsed {
		return inputf("coverage %.4f is under --min-parsed %.4f", s.Coverage, o.minParsed)
	}
	if o.maxAlerts >= 0 && s.Flagged > o.maxAlerts {
		return withCode(exitGate, fmt.Errorf("%s requests flagged, --max-alerts is %s", count(s.Flagged), count(o.maxAlerts)))
	}
	return gs.check(s)
}

// partialError is an input error after which what was read before still
// counts (a truncated archive, say).
type partialError struct{ err error }

func (e *partialError) Error() string { return e.err.Error() }
func (e *partialError) Unwrap() error { return e.err }

func isPartial(err error) bool {
	var p *partialError
	return errors.As(err, &p)
}

// scoreRun is one run of the command.
type scoreRun struct {
	a     *app
	o     scoreOptions
	ws    []*resultWriter
	sum   scoreSummary
	http  *score.Scorer
	flows *score.Flows
	// attack and anomaly are the models of requests once they are loaded.
	attack, anomaly *loadedModel
	// flowSeen says which rows the classifier of flows was fitted on, nil = none.
	flowSeen         func(uint64) bool
	anomalyThreshold float64
	p                *progress
	incidents        []score.Incident
	perDay           float64                    // requests a day in the input, 0 = not known
	extrapolated     bool                       // the threshold lies beyond all clean scores
	operating        *evaluate.Operating        // of the classifier, nil if its file has none
	tail             *evaluate.LogTail          // of the log itself, nil if the threshold does not come from it
	keep             func([]score.Result) error // extra receiver (the store)
}

// requestModels loads the models of requests on first use; anomaly may be nil.
func (r *scoreRun) requestModels() (attack, anomaly *loadedModel, err error) {
	if r.attack == nil {
		r.attack, r.anomaly, err = r.a.scoringModels("")
	}
	return r.attack, r.anomaly, err
}

// config is what a Scorer of these models needs.
func (r *scoreRun) config(attack, anomaly *loadedModel, threshold float64) score.Config {
	cfg := score.Config{
		State: attack.state, Attack: attack.model.(model.Classifier), Conduct: attack.conduct, Threshold: threshold,
		RateLimit: r.a.cfg.RateLimit, Reasons: r.o.reasons, ExplainAll: r.o.all,
	}
	if anomaly != nil {
		cfg.Anomaly, cfg.AnomalyState = anomaly.model.(model.Detector), anomaly.state
		cfg.AnomalyThreshold = r.a.anomalyThreshold(anomaly)
	}
	return cfg
}

// scorer makes the scorer for requests on first use.
func (r *scoreRun) scorer() (*score.Scorer, error) {
	if r.http != nil {
		return r.http, nil
	}
	attack, anomaly, err := r.requestModels()
	if err != nil {
		return nil, err
	}
	r.use(attack, anomaly)
	threshold, err := r.threshold(attack)
	if err != nil {
		return nil, err
	}
	cfg := r.config(attack, anomaly, threshold)
	r.anomalyThreshold = cfg.AnomalyThreshold
	if cfg.Seen, err = attack.trainedOn(); err != nil {
		return nil, err
	}
	if r.http, err = score.New(cfg); err != nil {
		return nil, withCode(exitState, err)
	}
	r.sum.Profile = string(attack.state.Profile())
	return r.http, nil
}

func (r *scoreRun) flowScorer() (*score.Flows, error) {
	if r.flows != nil {
		return r.flows, nil
	}
	attack, anomaly, err := r.a.scoringModels("-flows")
	if err != nil {
		return nil, err
	}
	r.use(attack, anomaly)
	if r.flowSeen, err = attack.trainedOn(); err != nil {
		return nil, err
	}
	if r.sum.Threshold, err = r.threshold(attack); err != nil {
		return nil, err
	}
	var det model.Detector
	if anomaly != nil {
		det = anomaly.model.(model.Detector)
		r.anomalyThreshold = r.a.anomalyThreshold(anomaly)
	}
	if r.flows, err = score.NewFlows(attack.model.(model.Classifier), det, r.sum.Threshold, flowType); err != nil {
		return nil, withCode(exitState, err)
	}
	return r.flows, nil
}

func (r *scoreRun) use(models ...*loadedModel) {
	for _, m := range models {
		if m == nil {
			continue
		}
		// Hashing megabytes takes as long as scoring a thousand lines.
		if r.a.flags.json || r.a.debugs() {
			sum := m.file.SHA256()
			r.sum.Models = append(r.sum.Models, modelRef{m.spec.Name, m.origin, sum})
			r.a.debugf("using %s from %s (%s)", m.spec.Name, m.origin, sum[:12])
		}
		if m.file.Header.Data.Synthetic {
			r.sum.Warnings = appendOnce(r.sum.Warnings, "models were fitted on synthetic traffic; `apiml train` fits them on your own")
		}
	}
}

func appendOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// anomalyThreshold is security.anomaly_threshold if it was set, else the
// detector's own, which comes from an alert budget.
func (a *app) anomalyThreshold(m *loadedModel) float64 {
	if a.cfg.origin["security.anomaly_threshold"] != "default" {
		return a.cfg.AnomalyThreshold
	}
	return m.threshold("anomaly", a.cfg.AnomalyThreshold)
}

// take receives results in event time and passes them on.
func (r *scoreRun) take(rs []score.Result) error {
	for i := range rs {
		r.sum.maxProbability = max(r.sum.maxProbability, rs[i].Probability)
		r.sum.maxAnomaly = max(r.sum.maxAnomaly, rs[i].Anomaly)
	}
	if r.keep != nil {
		if err := r.keep(rs); err != nil {
			return err
		}
	}
	if r.o.flagged {
		rs = slices.DeleteFunc(rs, func(x score.Result) bool { return !x.Flagged() })
	}
	if r.o.by == "incident" {
		return nil
	}
	return r.outputs(func(w *resultWriter) error { return w.write(rs) })
}

// outputs calls f for each output. One whose reader has seen enough is left out
// from then on, if there are others.
func (r *scoreRun) outputs(f func(*resultWriter) error) error {
	for i := 0; i < len(r.ws); i++ {
		err := f(r.ws[i])
		if errors.Is(err, syscall.EPIPE) && len(r.ws) > 1 {
			r.ws = slices.Delete(r.ws, i, i+1)
			i--
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// files scores log files, one stream over all of them.
func (r *scoreRun) files(paths []string) error {
	twice := !slices.ContainsFunc(paths, oneTime)
	if r.o.budget != "" {
		if !twice {
			return usagef("--alert-budget %s: how many requests a pipe or standard input brings a day is known at its end only: use --target-fpr", r.o.budget)
		}
		if err := r.countPerDay(paths); err != nil {
			return err
		}
	}
	if twice {
		if err := r.logTail(func(add func([]traffic.Request) error) error { return r.eachBatch(paths, add) }); err != nil {
			return err
		}
	} else if r.o.budgetFrom == "log" {
		return usagef("--budget-from log: a pipe or standard input cannot be read twice")
	}
	r.p = r.a.progress("scoring", 0)
	defer r.p.done()
	// Loading the models makes more garbage than scoring a short log does.
	collect := fewerCollections()
	defer collect()
	var partial error
	var scored int64
	for _, path := range paths {
		cov, err := r.file(path, &scored, collect)
		if cov != nil {
			r.sum.Files = append(r.sum.Files, *cov)
		}
		if err != nil {
			if cov == nil || !isInputError(err) {
				return err
			}
			partial = &partialError{withCode(exitInput, err)}
		}
	}
	if r.http != nil {
		if err := r.http.Flush(r.take); err != nil {
			return err
		}
	}
	r.finish()
	if r.sum.Requests == 0 && partial == nil {
		return inputf("nothing parsed: no line of the input is a record; `apiml ingest --help` lists the formats")
	}
	return partial
}

// oneTime reports whether a path can be read once only.
func oneTime(path string) bool {
	if path == "-" {
		return true
	}
	st, err := os.Stat(path)
	return err == nil && st.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeCharDevice) != 0
}

// eachBatch reads the requests of the files. What is wrong with a file is told
// when it is scored.
func (r *scoreRun) eachBatch(paths []string, add func([]traffic.Request) error) error {
	for _, path := range paths {
		rd, err := r.a.openInput(path, r.o.from, r.o.noRedact, ingest.Options{NoRaw: true})
		if err != nil {
			return err
		}
		in := startReading(rd)
		for err == nil {
			var b *traffic.Batch
			if b, err = in.next(r.a.ctx, nil); err == nil {
				if err = add(b.Requests); err != nil {
					in.stop()
					return err
				}
			}
		}
		in.stop()
		if err != io.EOF && !isInputError(err) {
			return err
		}
	}
	return nil
}

// countPerDay reads the files once to see how many requests come a day.
func (r *scoreRun) countPerDay(paths []string) error {
	first, last, n, err := r.a.spanOf(paths, r.o.from)
	if err != nil {
		return err
	}
	r.perDay = perDay(n, first, last)
	return nil
}

// fewerCollections lets the heap grow to 32 MiB before it is collected for the
// first time, until what it returns is called. It leaves alone what GOGC asks for.
func fewerCollections() (end func()) {
	if _, given := os.LookupEnv("GOGC"); given {
		return func() {}
	}
	before := debug.SetGCPercent(800) // of the least heap, 4 MiB
	return sync.OnceFunc(func() { debug.SetGCPercent(before) })
}

// file scores one file; more is called when it has brought more than a batch.
func (r *scoreRun) file(path string, scored *int64, more func()) (*fileCoverage, error) {
	rd, err := r.a.openInput(path, r.o.from, r.o.noRedact, ingest.Options{NoRaw: true})
	if err != nil {
		return nil, err
	}
	r.a.sayf("%s: %s (%s)", path, rd.Format(), rd.Reason())
	in := startReading(rd)
	defer in.stop()
	var slow slowness
	if path == "-" {
		slow.wait = r.o.wait
	}
	for {
		b, err := in.next(r.a.ctx, slow.timer())
		switch {
		case err == errNothing:
			slow.reset()
			if err := r.flush(); err != nil {
				return nil, err
			}
			continue
		case err == io.EOF:
			return coverageOf(path, rd), nil
		case err != nil && r.a.ctx.Err() != nil:
			return nil, err
		case err != nil:
			return coverageOf(path, rd), err
		case len(b.Flows) > 0:
			err = r.addFlows(b.Flows)
		default:
			err = r.addRequests(b.Requests)
		}
		if err != nil {
			return nil, err
		}
		if *scored > 0 {
			more()
		}
		*scored += int64(b.Len())
		r.p.set(*scored)
		if slow.add(b.Len()) {
			if err := r.flush(); err != nil {
				return nil, err
			}
		}
	}
}

// flush scores what waits for older requests and shows what was written to
// standard output.
func (r *scoreRun) flush() error {
	if r.http != nil {
		if err := r.http.Flush(r.take); err != nil {
			return err
		}
	}
	return r.outputs((*resultWriter).flush)
}

// slowness finds out when an input brings so little that what came should not
// wait for what may come: nothing at all, or less than a block, for a while.
type slowness struct {
	wait  time.Duration // the while, 0 = for ever
	since time.Time     // when the first came …
	came  int           // … of this many records; 0: none waits
}

// timer fires if nothing comes for that long; nil if nothing waits.
func (s *slowness) timer() <-chan time.Time {
	if s.wait == 0 || s.came == 0 {
		return nil
	}
	return time.After(s.wait)
}

// reset says that nothing waits any more.
func (s *slowness) reset() { s.came = 0 }

// add tells of n records that came. It reports whether what waits should go on,
// and then takes it that it does.
func (s *slowness) add(n int) (due bool) {
	if s.came == 0 {
		s.since = time.Now()
	}
	s.came += n
	if s.wait == 0 || time.Since(s.since) < s.wait {
		return false
	}
	due = s.came > 0 && s.came < features.BlockRows
	s.since, s.came = time.Now(), 1 // of a fast input some always wait
	if due {
		s.reset()
	}
	return due
}

// errNothing says that nothing has come so far.
var errNothing = errors.New("no input yet")

// reading reads the next batch while one is in use.
type reading struct {
	reads        chan readBatch
	done, closed chan struct{}
}

type readBatch struct {
	b   *traffic.Batch
	err error
}

// startReading begins to read; rd is closed in the end.
func startReading(rd *ingest.Reader) *reading {
	r := &reading{make(chan readBatch), make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(r.closed)
		defer rd.Close()
		for {
			b, err := rd.Next()
			select {
			case r.reads <- readBatch{b, err}:
			case <-r.done:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return r
}

// next returns the batches in order, then the error that ended them, after which
// the reader may be asked what it has read; errNothing if the timer (nil = none)
// fires before there is one, and the context's error if that ends.
func (r *reading) next(ctx context.Context, timer <-chan time.Time) (*traffic.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var x readBatch
	select {
	case x = <-r.reads:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer:
		return nil, errNothing
	}
	if x.err != nil {
		<-r.closed
	}
	return x.b, x.err
}

// stop ends the reading before its end. It does not wait for an input that has
// nothing to say.
func (r *reading) stop() { close(r.done) }

func (r *scoreRun) addRequests(reqs []traffic.Request) error {
	if len(reqs) == 0 {
		return nil
	}
	s, err := r.scorer()
	if err != nil {
		return err
	}
	return s.Push(reqs, r.take)
}

func (r *scoreRun) addFlows(flows []traffic.Flow) error {
	s, err := r.flowScorer()
	if err != nil {
		return err
	}
	rs := s.Score(flows)
	for i, h := range features.FlowHashes(false, flows) {
		if rs[i].Truth != traffic.Unlabelled && r.flowSeen != nil && r.flowSeen(h) {
			rs[i].Truth = traffic.Unlabelled
			r.sum.SeenInTraining++
		}
		r.countFlow(&rs[i])
	}
	return r.take(rs)
}

// flowType is the attack type that a label of CIC-IDS2017 maps to; a label that is
// none of ours (PortScan, Bot, Infiltration) stays itself.
func flowType(class string) string {
	set, ok := datasets.Find("cicids2017")
	if !ok {
		return class
	}
	l, ok := set.Label(class)
	if !ok || l.Type == traffic.OtherAttack.String() {
		return class
	}
	return l.Type
}

// countFlow adds a flow's result to the summary that the Scorer keeps for
// requests.
func (r *scoreRun) countFlow(x *score.Result) {
	s := &r.sum.Summary
	s.Requests++
	if x.Flagged() {
		s.Flagged++
		s.ByClass[x.Class]++
	}
	if r.anomalyThreshold > 0 && x.Anomaly >= r.anomalyThreshold {
		s.Anomalies++
	}
	if x.Truth == traffic.Unlabelled {
		return
	}
	s.Labelled++
	switch {
	case x.Flagged() && x.Truth.Attack():
		s.TruePositives++
	case x.Flagged():
		s.FalsePositives++
	case x.Truth.Attack():
		s.FalseNegatives++
	}
}

// finish fills the summary from the scorer.
func (r *scoreRun) finish() {
	if r.http != nil {
		flows := r.sum.Summary
		r.sum.Summary = r.http.Summary()
		if flows.Requests > 0 {
			r.sum.Warnings = append(r.sum.Warnings, fmt.Sprintf("%s network flows were scored too; the counts are of requests", count(flows.Requests)))
		}
		list := r.http.Incidents()
		r.sum.TopIncidents = list[:min(20, len(list))]
		r.sum.Incidents, r.sum.incidentsByClass = r.http.IncidentCounts()
		if more := r.sum.Incidents - len(list); more > 0 {
			r.sum.Warnings = append(r.sum.Warnings, fmt.Sprintf("%s incidents with few requests are counted but not listed", count(int64(more))))
		}
		r.incidents = list
	}
	r.sum.flowsOnly = r.http == nil && r.flows != nil
	var read, parsed, filtered int64
	first, last := int64(math.MaxInt64), int64(traffic.NoTime)
	for _, f := range r.sum.Files {
		if f.first != traffic.NoTime {
			first, last = min(first, f.first), max(last, f.last)
		}
		read += f.Read
		parsed += f.Parsed
		filtered += f.Filtered
	}
	if len(r.sum.Files) > 0 {
		r.perDay = perDay(parsed, first, last)
	}
	if r.http != nil {
		r.expect()
	}
	r.sum.Coverage = 1
	if read > filtered {
		r.sum.Coverage = float64(parsed) / float64(read-filtered)
	}
	r.sum.jsonHead = r.a.head("score")
	if r.sum.Seconds > 0 {
		r.sum.LinesPerSecond = float64(r.sum.Requests) / r.sum.Seconds
	}
}

// store scores what the store holds and keeps the results there.
func (r *scoreRun) store() (err error) {
	st, err := r.a.openExisting()
	if err != nil {
		return err
	}
	defer st.Close()
	info, err := st.Info(r.a.ctx)
	if err != nil {
		return err
	}
	total := rowsOf(info, "requests")
	if total == 0 {
		return inputf("%s holds no requests: run `apiml ingest FILE` first", r.a.cfg.DB)
	}
	if info.First != traffic.NoTime {
		r.perDay = perDay(total, info.First, info.Last)
	}
	if err := r.a.setWindow(st); err != nil {
		return err
	}
	if err := r.logTail(func(add func([]traffic.Request) error) error {
		return st.ScanRequests(r.a.ctx, r.a.window, add)
	}); err != nil {
		return err
	}
	r.p = r.a.progress("scoring", total)
	defer r.p.done()
	run, err := r.a.ledger(st, "score", nil)
	if err != nil {
		return err
	}
	defer run.end(&err)
	var scores []store.Score
	var n int64
	r.keep = func(rs []score.Result) error {
		for i := range rs {
			scores = append(scores, storeScore(&rs[i]))
		}
		n += int64(len(rs))
		r.p.set(n)
		return nil
	}
	err = st.ScanRequests(r.a.ctx, r.a.window, r.addRequests)
	if err == nil {
		s, serr := r.scorer()
		if serr != nil {
			return serr
		}
		err = s.Flush(r.take)
	}
	if err != nil {
		return err
	}
	outside, err := st.ScoresOutside(r.a.ctx, r.a.window)
	if err != nil {
		return storeError(err)
	}
	if outside > 0 { // those of a part must not take the place of all
		r.sum.Warnings = append(r.sum.Warnings, fmt.Sprintf("these scores are not stored: the store keeps its own, of which %s are of other times; `apiml score --db` without --since and --until renews all", count(outside)))
		r.finish()
		return nil
	}
	if err := st.ReplaceScores(r.a.ctx, func() ([]store.Score, error) {
		part := scores[:min(len(scores), 10_000)]
		scores = scores[len(part):]
		return part, nil
	}); err != nil {
		return storeError(err)
	}
	r.finish()
	run.counts = map[string]int64{"requests": r.sum.Requests, "flagged": r.sum.Flagged, "incidents": int64(r.sum.Incidents)}
	return nil
}

func storeScore(x *score.Result) store.Score {
	reasons := ""
	if len(x.Reasons) > 0 {
		b, err := json.Marshal(x.Reasons)
		if err == nil {
			reasons = string(b)
		}
	}
	return store.Score{
		File: x.File, Line: x.Line, Time: x.At, Principal: x.Principal, Method: x.Method, Target: x.Target, Status: x.Status,
		Class: x.Class, Probability: x.Probability, Anomaly: x.Anomaly, Flagged: x.Flagged(),
		Rules: strings.Join(x.Rules, ","), Reasons: reasons, Incident: x.Incident, Label: x.Truth,
	}
}

// printScore prints the summary: JSON, or tables unless standard output holds
// the results already.
func (a *app) printScore(s *scoreSummary, stored, stdoutUsed bool) error {
	if a.flags.json {
		return a.printJSON(s)
	}
	w := a.out
	if stdoutUsed {
		if a.flags.quiet {
			return nil
		}
		w = a.err
	}
	if s.Profile != "" {
		a.sayf("profile of the API: %s", s.Profile)
	}
	fmt.Fprintf(w, "%s records, %s flagged (%s), %s incidents, threshold %.3f\n", count(s.Requests), count(s.Flagged),
		percent(float64(s.Flagged)/float64(max(1, s.Requests))), count(int64(s.Incidents)), s.Threshold)
	if s.Expected != nil {
		fmt.Fprintln(w, s.Expected.sentence())
	}
	if s.Flagged > 0 {
		var rows [][]string
		for _, l := range traffic.Labels() {
			if n := s.ByClass[l.String()]; n > 0 {
				rows = append(rows, []string{l.String(), count(n), percent(float64(n) / float64(s.Requests))})
			}
		}
		header := []string{"attack type", ">requests", ">share"}
		if s.flowsOnly { // the labels of the data set, with what they are here
			header, rows = []string{"class", "attack type", ">flows", ">share"}, nil
			for _, class := range sortedKeys(s.ByClass) {
				kind := flowType(class)
				if kind == class {
					kind = "–"
				}
				rows = append(rows, []string{class, kind, count(s.ByClass[class]), percent(float64(s.ByClass[class]) / float64(s.Requests))})
			}
		}
		if err := table(w, header, rows); err != nil {
			return err
		}
	}
	if len(s.TopIncidents) > 0 {
		var rows [][]string
		for _, in := range s.TopIncidents[:min(10, len(s.TopIncidents))] {
			sample := ""
			if len(in.Samples) > 0 {
				sample = in.Samples[0].Method + " " + in.Samples[0].Target
			}
			rows = append(rows, []string{in.ID, in.Class, cell(in.Principal, 40), count(in.Requests), when(in.First), cell(sample, 60)})
		}
		fmt.Fprintln(w)
		if err := table(w, []string{"incident", "type", "principal", ">requests", "first (UTC)", "first request"}, rows); err != nil {
			return err
		}
	}
	if s.flowsOnly {
		fmt.Fprintf(w, "network flows: no rules and no incidents; anomalies %s\n", count(s.Anomalies))
	} else {
		fmt.Fprintf(w, "rules: %s requests hit one; flagged by the models only %s, by the rules only %s; anomalies %s\n",
			count(s.RuleHits), count(s.OnlyModel), count(s.OnlyRules), count(s.Anomalies))
	}
	if s.SeenInTraining > 0 {
		fmt.Fprintf(w, "%s records were seen in training and are left out of the next line\n", count(s.SeenInTraining))
	}
	if s.Labelled > 0 {
		p := float64(s.TruePositives) / float64(max(1, s.TruePositives+s.FalsePositives))
		r := float64(s.TruePositives) / float64(max(1, s.TruePositives+s.FalseNegatives))
		fmt.Fprintf(w, "against the labels of %s records: precision %s, recall %s, %s false positives\n", count(s.Labelled), ratio(p), ratio(r), count(s.FalsePositives))
	}
	for _, x := range s.Warnings {
		a.warnf("%s", x)
	}
	if stored {
		a.sayf("scores are in %s; `apiml report` shows them", a.cfg.DB)
	}
	a.sayf("%s in %s, %s requests/s", count(s.Requests), seconds(s.Seconds), count(int64(s.LinesPerSecond)))
	return nil
}
