package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"apiml/evaluate"
	"apiml/forecast"
	"apiml/internal/atomicfile"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/report"
	"apiml/store"
	"apiml/traffic"
	"apiml/train"
)

type reportOptions struct {
	outputs []string
	format  string
	title   string
	step    string
	horizon string
	now     string
	top     int

	sections []string // empty = all
	compare  string   // report.json of an earlier run
	clock    bool     // times of runs may be shown: the report need not be a function of the records alone
}

// shows says whether a section was asked for.
func (o *reportOptions) shows(section string) bool {
	return len(o.sections) == 0 || slices.Contains(o.sections, section)
}

func (a *app) reportCommand() *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report",
		Short: "One self-contained HTML file with everything that the store and the models know",
		Long: `Report renders traffic, security, performance, models and audit into one file that
loads nothing from anywhere. Scores are shown if ` + "`apiml score --db`" + ` has run.
The same store and models give the same bytes: the report's time is that of the
newest record unless --now is given.

Figures stand beside those of the time before and of the same time a week before:
the window of --since and --until, else the last 24 hours. --compare adds those of
an earlier report, from its JSON form.`,
		Example: `  apiml report -o report.html
  apiml report -o report.html -o summary.md --title "Shop API"
  apiml report --since yesterday --until today -o yesterday.html
  apiml report --section security --section audit -o security.html
  apiml report --compare yesterday.json -o report.html -o today.json
  apiml report --section overview,security -o mail.svg
  apiml report --json | jq .overview`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(o.outputs) == 0 && !a.flags.json {
				o.outputs = []string{"report.html"}
			}
			if !cmd.Flags().Changed("title") {
				o.title = a.cfg.Title
			}
			if !cmd.Flags().Changed("top") {
				o.top = a.cfg.Top
			}
			o.clock = true
			return a.report(o)
		},
	}
	a.windowFlags(cmd)
	f := cmd.Flags()
	f.StringArrayVarP(&o.outputs, "output", "o", nil, "FILE.html, .md, .json, .csv, .prom (Prometheus textfile) or .svg (FILE-CHART.svg for each chart), repeatable, - = standard output (default report.html)")
	f.StringVar(&o.format, "format", "", "format of -o -: html, md, json, csv, prom or svg")
	f.StringVar(&o.title, "title", "", "title (default from report.title)")
	f.StringSliceVar(&o.sections, "section", nil, "only these sections, repeatable: "+strings.Join(report.SectionIDs(), ", "))
	f.StringVar(&o.compare, "compare", "", "report.json of an earlier report: what changed since")
	f.StringVar(&o.step, "step", "", "interval of the charts over time (default by the span)")
	f.StringVar(&o.horizon, "horizon", "", "how far the forecast goes, a number of steps or a duration (default 30 steps)")
	f.StringVar(&o.now, "now", "", "time of the report, RFC 3339 (default: the newest record)")
	f.IntVar(&o.top, "top", 0, "rows in the rankings (default from report.top: 20)")
	return cmd
}

// reportMemory is what DuckDB may use for a report before it spills to disk: less
// than storeMemory, since a report is read beside other work.
const reportMemory = "512MiB"

func (a *app) report(o reportOptions) error {
	type target struct{ path, format string }
	var targets []target
	for _, p := range o.outputs {
		format := strings.TrimPrefix(filepath.Ext(p), ".")
		if p == "-" {
			format = cmp.Or(o.format, "html")
		}
		switch format {
		case "html", "htm", "md", "json", "csv", "prom", "svg":
			targets = append(targets, target{p, format})
		default:
			return usagef("output %q: want .html, .md, .json, .csv, .prom or .svg", p)
		}
	}
	for _, s := range o.sections {
		if !slices.Contains(report.SectionIDs(), s) {
			return usagef("--section %q: want %s", s, strings.Join(report.SectionIDs(), ", "))
		}
	}
	previous, err := previousReport(o.compare)
	if err != nil {
		return err
	}
	st, err := a.openStoreWith(true, reportMemory)
	if err != nil {
		return err
	}
	defer st.Close()
	if err := a.setWindow(st); err != nil {
		return err
	}
	d, err := a.reportData(st, o)
	if err != nil {
		return err
	}
	comparePrevious(d, previous)
	if a.cfg.Retention > 0 {
		d.Audit.Keep = keepWords(a.cfg.Retention)
	}
	d.Seconds = report.Num(a.head("").Seconds)
	for _, t := range targets {
		render := func(w io.Writer) error {
			switch t.format {
			case "json":
				return report.JSON(w, d)
			case "md":
				return report.Markdown(w, d)
			case "csv":
				return report.CSV(w, d)
			case "prom":
				return report.Prometheus(w, d)
			case "svg":
				return report.SVG(w, d)
			}
			return report.HTML(w, d)
		}
		if t.path == "-" {
			if err := render(a.out); err != nil {
				return err
			}
			continue
		}
		if t.format == "svg" {
			var list []figure
			for _, f := range report.Figures(d) {
				list = append(list, figure{f.Name, f.Figure})
			}
			written, err := writeFigures(t.path, list)
			if err != nil {
				return err
			}
			a.sayf("wrote %s", strings.Join(written, ", "))
			continue
		}
		if err := atomicfile.Write(t.path, 0o600, render); err != nil {
			return withCode(exitFailed, err)
		}
		a.sayf("wrote %s", t.path)
	}
	if a.flags.json {
		return report.JSON(a.out, d)
	}
	return nil
}

// reportData collects everything that the report shows.
func (a *app) reportData(st *store.Store, o reportOptions) (*report.Data, error) {
	ctx := a.ctx
	d := &report.Data{ToolVersion: toolVersion, Title: o.title, Source: filepath.Base(a.cfg.DB), Sections: o.sections}
	if err := st.Digest(ctx, a.window); err != nil {
		return nil, storeError(err)
	}
	defer st.DropDigest()
	sum, err := st.Summary(ctx, a.window)
	if err != nil {
		return nil, storeError(err)
	}
	if sum.Requests == 0 && sum.Flows == 0 && a.window != (store.Filter{}) {
		return nil, inputf("no record of %s lies between --since and --until", a.cfg.DB)
	}
	if sum.Requests == 0 && sum.Flows == 0 {
		return nil, inputf("%s holds no records: run `apiml ingest FILE` first", a.cfg.DB)
	}
	d.First, d.Last = micros(sum.First), micros(sum.Last)
	d.Now = d.Last
	if o.now != "" {
		if d.Now, err = time.Parse(time.RFC3339, o.now); err != nil {
			return nil, usagef("--now %q: want RFC 3339", o.now)
		}
	}
	inputs, err := st.Inputs(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	for _, in := range inputs {
		d.Synthetic = d.Synthetic || in.Synthetic
		d.Inputs = append(d.Inputs, report.Input{
			Name: in.Name, Format: in.Format, Kind: in.Kind, SHA256: in.SHA256, Size: in.Size, Read: in.Read, Parsed: in.Parsed,
			Rejected: in.Rejected, Filtered: in.Filtered, First: micros(in.First), Last: micros(in.Last), Synthetic: in.Synthetic,
		})
	}
	if d.Synthetic {
		d.Warnings = append(d.Warnings, "Some of the records were generated: every figure here describes synthetic traffic.")
	}
	step, err := reportStep(o.step, sum)
	if err != nil {
		return nil, err
	}
	tl := store.Timeline{Step: step}
	if sum.First != traffic.NoTime {
		if tl, err = st.Timeline(ctx, step, a.window); err != nil {
			return nil, storeError(err)
		}
	}
	for _, part := range []struct {
		section string // "" = always
		fill    func() error
	}{
		{"", func() error { return a.reportTraffic(st, d, sum, tl) }},
		{"overview", func() error { return a.reportChanges(st, d, sum) }},
		{"", func() error { return a.reportScores(d, sum) }},
		{"security", func() error { return a.reportSecurity(st, d, sum, tl, o.top) }},
		{"", func() error { st.ForgetDigest("hits"); return nil }},
		{"performance", func() error { return a.reportPerformance(st, d, sum, tl, o) }},
		{"behavior", func() error { return a.reportBehavior(st, d, sum, o.top) }},
		{"", func() error { st.DropDigest(); return nil }},
		{"models", func() error { return a.reportModels(st, d, o.clock) }},
		{"audit", func() error { return a.reportAudit(st, d, o.top) }},
	} {
		if part.section == "" || o.shows(part.section) {
			if err := part.fill(); err != nil {
				return nil, err
			}
		}
	}
	if !o.shows("configuration") {
		return d, nil
	}
	for _, s := range settings() {
		d.Config = append(d.Config, report.Setting{Key: s.key, Value: a.cfg.text[s.key], Origin: a.cfg.origin[s.key]})
	}
	return d, nil
}

func micros(us int64) time.Time {
	if us == traffic.NoTime {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// reportStep chooses an interval that gives at most about 400 points.
func reportStep(text string, sum store.Summary) (int64, error) {
	if text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < time.Second {
			return 0, usagef("--step %q: want a duration of at least 1s such as 5m", text)
		}
		return d.Microseconds(), nil
	}
	steps := []time.Duration{time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}
	if sum.First == traffic.NoTime {
		return time.Hour.Microseconds(), nil
	}
	for _, s := range steps {
		if (sum.Last-sum.First)/s.Microseconds() <= 400 {
			return s.Microseconds(), nil
		}
	}
	return (30 * 24 * time.Hour).Microseconds(), nil
}

func known(l store.Latency, v float64) report.Num {
	if l.Known == 0 {
		return report.Unknown()
	}
	return report.Num(v)
}

func (a *app) reportTraffic(st *store.Store, d *report.Data, sum store.Summary, tl store.Timeline) error {
	v := &d.Overview
	v.Requests, v.Flows, v.Principals, v.Templates, v.BytesOut = sum.Requests, sum.Flows, sum.Principals, sum.Templates, sum.BytesOut
	v.ClientErrors, v.ServerErrors = sum.Errors4xx, sum.Errors5xx
	v.P50, v.P95, v.P99 = known(sum.Latency, sum.Latency.P50), known(sum.Latency, sum.Latency.P95), known(sum.Latency, sum.Latency.P99)
	v.PerSecond, v.PeakPerSec = report.Unknown(), report.Unknown()
	if sum.First != traffic.NoTime {
		if sum.Last > sum.First {
			v.PerSecond = report.Num(float64(sum.Requests) / (float64(sum.Last-sum.First) / 1e6))
		}
		peak := int64(0)
		for _, n := range tl.Requests {
			peak = max(peak, n)
		}
		v.PeakPerSec = report.Num(float64(peak) / (float64(tl.Step) / 1e6))
		v.Traffic = timeline(tl, line("requests", tl.Requests), line("4xx", tl.Status[4]), line("5xx", tl.Status[5]))
		var flagged []report.Line
		for _, c := range tl.Classes() {
			flagged = append(flagged, line(c, tl.Flagged[c]))
		}
		if len(flagged) > 0 {
			d.Security.Timeline = timeline(tl, flagged...)
		}
	}
	mix, err := st.StatusMix(a.ctx, a.window)
	if err != nil {
		return storeError(err)
	}
	for _, c := range mix {
		v.Status = append(v.Status, report.Count{Name: strconv.Itoa(int(c.Status)), Count: c.Requests})
	}
	methods, err := st.MethodMix(a.ctx, a.window)
	if err != nil {
		return storeError(err)
	}
	other := int64(0)
	for i, m := range methods {
		if i >= 10 {
			other += m.Count
			continue
		}
		v.Methods = append(v.Methods, report.Count{Name: cmp.Or(m.Name, "(none)"), Count: m.Count})
	}
	if other > 0 {
		v.Methods = append(v.Methods, report.Count{Name: "other", Count: other})
	}
	return nil
}

func timeline(t store.Timeline, lines ...report.Line) report.Timeline {
	return report.Timeline{Start: micros(t.Start), Step: report.Num(float64(t.Step) / 1e6), Series: lines}
}

func line(name string, counts []int64) report.Line {
	v := make([]report.Num, len(counts))
	for i, n := range counts {
		v[i] = report.Num(n)
	}
	return report.Line{Name: name, Values: v}
}

func (a *app) reportSecurity(st *store.Store, d *report.Data, sum store.Summary, tl store.Timeline, top int) error {
	s := &d.Security
	if err := a.reportRefused(st, d, sum, tl); err != nil {
		return err
	}
	if err := a.reportNetworks(st, d, sum, top); err != nil {
		return err
	}
	types, err := st.AttackTypes(a.ctx, a.window)
	if err != nil {
		return storeError(err)
	}
	for _, t := range types {
		if t.Class == traffic.None.String() {
			continue
		}
		row := report.AttackType{Type: t.Class, Flagged: t.Flagged, Rules: -1, Labelled: -1}
		if sum.Scored == 0 {
			row.Flagged = -1
		}
		if sum.Labelled > 0 || t.Flows > 0 {
			row.Labelled = t.Labelled + t.Flows
		}
		s.Types = append(s.Types, row)
	}
	principals, err := st.TopPrincipals(a.ctx, top, a.window)
	if err != nil {
		return storeError(err)
	}
	for _, p := range principals {
		row := report.Principal{Principal: p.Principal, Requests: p.Requests, Flagged: p.Flagged, Errors: p.Errors,
			Class: strings.Join(p.Classes, ", "), Probability: report.Num(p.MaxProbability), First: micros(p.First), Last: micros(p.Last)}
		if sum.Scored == 0 {
			row.Flagged, row.Probability = -1, report.Unknown()
		}
		s.Principals = append(s.Principals, row)
	}
	if sum.Scored == 0 {
		return nil
	}
	incidents, err := st.Incidents(a.ctx, top, a.window)
	if err != nil {
		return storeError(err)
	}
	if s.Incidents, err = a.reportIncidents(st, incidents); err != nil {
		return err
	}
	targets, err := st.TopTargets(a.ctx, top, a.window)
	if err != nil {
		return storeError(err)
	}
	for _, t := range targets {
		s.Targets = append(s.Targets, report.Target{Template: t.Template, Requests: t.Scored, Flagged: t.Flagged, Class: strings.Join(t.Classes, ", "), Probability: report.Num(t.MaxProbability)})
	}
	cmpRules, err := st.CompareRules(a.ctx, top, a.window)
	if err != nil {
		return storeError(err)
	}
	fillRules(s, cmpRules)
	if err := a.reportDays(st, d); err != nil {
		return err
	}
	return a.reportFalse(st, d, sum, top)
}

// fillRules shows the rule baseline beside the models.
func fillRules(s *report.Security, c store.RuleComparison) {
	s.Rules = report.Rules{Compared: c.Scored, Both: c.Both, ModelOnly: c.ModelOnly, RulesOnly: c.RuleOnly}
	s.Rules.Labelled = c.Attacks + c.Benign
	if s.Rules.Labelled > 0 {
		row := func(name string, tp, fp int64) report.RuleRow {
			return report.RuleRow{Name: name, Alerts: tp + fp, Precision: share(tp, tp+fp), Recall: share(tp, c.Attacks), FPR: share(fp, c.Benign)}
		}
		s.Rules.Rows = []report.RuleRow{row("score (models and rules)", c.ModelHits, c.ModelFalse), row("rules alone", c.RuleHits, c.RuleFalse)}
	}
	for _, x := range c.Disagree {
		s.Rules.Disagree = append(s.Rules.Disagree, report.Disagreement{
			Evidence: report.Evidence{File: x.File, Line: x.Line, Request: strings.TrimSpace(x.Method + " " + x.Target)},
			Class:    x.Class, Probability: report.Num(x.Probability), Rules: x.Rules,
		})
	}
}

func share(n, of int64) report.Num {
	if of == 0 {
		return report.Unknown()
	}
	return report.Num(float64(n) / float64(of))
}

func (a *app) reportPerformance(st *store.Store, d *report.Data, sum store.Summary, tl store.Timeline, o reportOptions) error {
	templates, err := st.TopTemplates(a.ctx, o.top, a.window)
	if err != nil {
		return storeError(err)
	}
	for _, t := range templates {
		row := report.Template{
			Template: t.Template, Requests: t.Requests, ClientErrors: t.Errors - t.Errors5xx, ServerErrors: t.Errors5xx, BytesOut: t.BytesOut,
			P50: known(t.Latency, t.Latency.P50), P90: known(t.Latency, t.Latency.P90), P95: known(t.Latency, t.Latency.P95), P99: known(t.Latency, t.Latency.P99),
			TimeShare: report.Unknown(),
		}
		if sum.Latency.Total > 0 {
			row.TimeShare = report.Num(t.Latency.Total / sum.Latency.Total)
		}
		d.Performance.Templates = append(d.Performance.Templates, row)
	}
	if sum.First == traffic.NoTime {
		return nil
	}
	if err := a.reportTemplates(st, d, tl); err != nil {
		return err
	}
	if err := a.reportHeat(st, d, sum); err != nil {
		return err
	}
	if err := a.reportLoad(st, d, sum, tl, o.top); err != nil {
		return err
	}
	if err := a.reportCacheAdvice(st, d, o.top); err != nil {
		return err
	}
	f, res, err := a.reportForecast(st, tl.Step, o.horizon)
	if err != nil {
		return err
	}
	if f == nil {
		d.Performance.Capacity.Note = "There is no forecast to plan for."
		return nil
	}
	d.Performance.Forecasts = append(d.Performance.Forecasts, *f)
	return a.reportReplicas(st, d, res)
}

// reportForecast forecasts all requests at the step of the charts; nil if the
// log is too short for one.
func (a *app) reportForecast(st *store.Store, step int64, horizon string) (*report.Forecast, *forecast.Result, error) {
	s, err := st.Counts(a.ctx, step, "", a.window)
	if err != nil {
		return nil, nil, withCode(exitInput, err)
	}
	h, err := horizonSteps(horizon, step, true)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := a.forecastConfig(forecastOptions{})
	if err != nil {
		return nil, nil, err
	}
	res, err := forecast.RunContext(a.ctx, s, forecast.Options{Horizon: h, Model: cfg.Model, Config: cfg, Seed: a.cfg.Seed})
	var short *forecast.ShortError
	if errors.As(err, &short) {
		a.warnf("no forecast in the report: %v", err)
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, withCode(exitInput, err)
	}
	from := max(0, len(s.Values)-10*h)
	f := &report.Forecast{
		Name: "all requests", Start: res.Start, Step: report.Num(res.Step), Chosen: res.Chosen, Warnings: res.Warnings,
		Mean: report.Nums(res.Mean), Lo80: report.Nums(res.Lo80), Hi80: report.Nums(res.Hi80), Lo95: report.Nums(res.Lo95), Hi95: report.Nums(res.Hi95),
		History: report.Timeline{
			Start: micros(s.Start + int64(from)*s.Step), Step: report.Num(float64(s.Step) / 1e6),
			Series: []report.Line{{Name: "requests", Values: report.Nums(s.Values[from:])}},
		},
		Test: fmt.Sprintf("%d forecasts from %s on, %d intervals; chosen on %s", res.Test.Origins, res.Test.Start.UTC().Format("2006-01-02 15:04"), res.Test.Points, res.Test.ChosenOn),
	}
	f.Spike = spikeWords(res.Spikes(s.Values, time.UnixMicro(s.Start).UTC(), spikeFactor, int(30*time.Minute.Microseconds()/s.Step)))
	for i, x := range res.Anomalies() {
		if i == 10 {
			break
		}
		f.Unusual = append(f.Unusual, report.Unusual{At: x.Time, Was: report.Num(x.Actual), Expected: report.Num(x.Expected), Low: report.Num(x.Lo95), High: report.Num(x.Hi95)})
	}
	for _, b := range res.Backtest {
		f.Backtest = append(f.Backtest, report.BacktestRow{
			Model: b.Model, WAPE: report.Num(b.WAPE), MASE: report.Num(b.MASE), SMAPE: report.Num(b.SMAPE),
			Coverage80: report.Num(b.Coverage80), Coverage95: report.Num(b.Coverage95),
		})
	}
	return f, res, nil
}

func (a *app) reportAudit(st *store.Store, d *report.Data, top int) error {
	if err := a.reportUsers(st, d, top); err != nil {
		return err
	}
	rejects, err := st.Rejects(a.ctx, 3)
	if err != nil {
		return storeError(err)
	}
	for _, r := range rejects {
		row := report.Reject{Reason: r.Reason, Count: r.Count}
		for _, s := range r.Samples {
			row.Samples = append(row.Samples, report.Sample{File: s.File, Line: s.Line, Raw: s.Raw})
		}
		d.Audit.Rejects = append(d.Audit.Rejects, row)
	}
	runs, err := st.Runs(a.ctx)
	if err != nil {
		return storeError(err)
	}
	for _, r := range runs {
		row := report.Run{ID: r.ID, Command: r.Command, Tool: r.Version, Config: r.Config, Started: micros(r.Started), Seconds: report.Unknown(), Status: r.Status}
		if r.Finished != traffic.NoTime {
			row.Seconds = report.Num(float64(r.Finished-r.Started) / 1e6)
		}
		var parts []string
		for _, k := range sortedKeys(r.Counts) {
			parts = append(parts, count(r.Counts[k])+" "+strings.ReplaceAll(k, "_", " "))
		}
		row.Counts = strings.Join(parts, ", ")
		d.Audit.Runs = append(d.Audit.Runs, row)
	}
	return nil
}

// reportModels shows each model that score and forecast would use.
func (a *app) reportModels(st *store.Store, d *report.Data, clock bool) error {
	past, err := a.histories(st, clock)
	if err != nil {
		return err
	}
	src, err := a.newest(st, d, driftNewest)
	if err != nil {
		return err
	}
	roles := []model.Role{model.RoleClassifier, model.RoleDetector}
	place := func(r model.Role) int { // what decides about alerts first
		if i := slices.Index(roles, r); i >= 0 {
			return i
		}
		return len(roles)
	}
	specs := catalog.All()
	slices.SortStableFunc(specs, func(x, y model.Spec) int { return cmp.Compare(place(x.Role), place(y.Role)) })
	for _, spec := range specs {
		lm, err := a.loadModel(spec, true)
		if errors.Is(err, errNoModel) {
			continue
		}
		if err != nil {
			d.Warnings = append(d.Warnings, err.Error())
			continue
		}
		m := reportModel(lm)
		stored, err := rawMetrics[storedMetrics](lm)
		if err != nil {
			return err
		}
		if stored != nil {
			if stored.CV != nil {
				fillModel(&m, stored.CV)
			} else if stored.HeldOut != nil {
				fillModel(&m, stored.HeldOut)
			}
			fillHeldOut(&m, stored.HeldOut)
		}
		m.History = past[m.Name]
		if err := a.reportDrift(src, lm, &m); err != nil {
			return err
		}
		d.Models = append(d.Models, m)
	}
	return nil
}

// reportModel is what a model file says about itself.
func reportModel(lm *loadedModel) report.Model {
	h := lm.file.Header
	m := report.Model{
		Name: lm.spec.Name, Title: lm.spec.Title, Algorithm: lm.spec.Algorithm + " (" + lm.spec.Paper + ")", Role: string(lm.spec.Role),
		SHA256: lm.file.SHA256(), Tool: h.Tool, Schema: h.Schema.ID(), Seed: h.Seed, Dataset: h.Data.Source, Synthetic: h.Data.Synthetic,
		Rows: int64(h.Data.Rows), HeldOut: int64(h.HoldOut.Rows), HoldOutRule: h.HoldOut.Rule, Protocol: h.HoldOut.Protocol,
		CPUSeconds: report.Unknown(), Warnings: h.Warnings,
	}
	if lm.origin != "built-in" {
		m.File = filepath.Base(lm.origin)
	}
	for _, k := range sortedKeys(h.Thresholds) {
		m.Thresholds = append(m.Thresholds, report.Setting{Key: k, Value: strconv.FormatFloat(h.Thresholds[k], 'g', 6, 64), Origin: "model file"})
	}
	return m
}

// fillModel puts the figures of a cross-validation or an evaluation on the card.
func fillModel(m *report.Model, r *train.Result) {
	m.Protocol, m.Evaluated = r.Protocol, r.Protocol
	m.Rows, m.Metrics, m.Folds = max(m.Rows, int64(r.Rows)), nil, nil
	for _, info := range metricsOf(r) {
		s, ok := r.Metrics[info.Name]
		if !ok {
			continue
		}
		row := report.Metric{Name: info.Name, Title: info.Title, Mean: report.Num(s.Pooled), SD: report.Num(s.SD), Baseline: report.Unknown(), HeldOut: report.Unknown(), LowIsBest: !info.Higher}
		if b, ok := r.Baseline[info.Name]; ok {
			row.Baseline = report.Num(b.Pooled)
		}
		m.Metrics = append(m.Metrics, row)
	}
	for i, f := range r.Folds {
		row := report.Fold{Name: fmt.Sprintf("fold %d", i+1), Train: int64(f.Train), Test: int64(f.Test)}
		for _, info := range metricsOf(r) {
			if v, ok := f.Metrics[info.Name]; ok {
				row.Values = append(row.Values, report.Value{Name: info.Name, Value: report.Num(v)})
			}
		}
		m.Folds = append(m.Folds, row)
	}
	if c := r.Confusion; c != nil {
		m.Confusion = report.Confusion{Labels: c.Labels, Counts: c.Counts}
		for _, l := range c.Labels {
			if x, ok := r.PerClass[l]; ok && x.Support+x.Predicted > 0 {
				m.PerClass = append(m.PerClass, report.ClassRow{Class: l, Rows: x.Support, Precision: report.Num(x.Precision), Recall: report.Num(x.Recall), F1: report.Num(x.F1)})
			}
		}
	}
	if r.Curves != nil {
		m.ROC, m.PR = curves(r.Curves.ROC, r, "roc_auc"), curves(r.Curves.PR, r, "pr_auc")
		for _, b := range r.Curves.Calibration {
			if b.Count > 0 {
				m.Calibration = append(m.Calibration, report.Calibration{Predicted: report.Num(b.Predicted), Observed: report.Num(b.Observed), Rows: b.Count})
			}
		}
	}
	for _, x := range r.Importance {
		m.Importance = append(m.Importance, report.Importance{Feature: x.Column, Value: report.Num(x.Drop), SD: report.Num(x.SD)})
	}
	for _, f := range r.Findings {
		m.Findings = append(m.Findings, report.Finding{Level: f.Level, Text: f.What + ": " + f.Detail})
	}
	m.Warnings = nil
	for _, n := range r.Notes {
		m.Warnings = appendOnce(m.Warnings, n)
	}
}

// fillHeldOut adds the figures on the held-out rows.
func fillHeldOut(m *report.Model, r *train.Result) {
	if r == nil {
		return
	}
	for i := range m.Metrics {
		if s, ok := r.Metrics[m.Metrics[i].Name]; ok {
			m.Metrics[i].HeldOut = report.Num(s.Pooled)
		}
	}
	if len(m.Importance) == 0 {
		for _, x := range r.Importance {
			m.Importance = append(m.Importance, report.Importance{Feature: x.Column, Value: report.Num(x.Drop), SD: report.Num(x.SD)})
		}
	}
}

// curves puts "attack" first and leaves out what has no point.
func curves(in map[string]evaluate.Curve, r *train.Result, metric string) []report.Curve {
	names := sortedKeys(in)
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(rank(a), rank(b))
	})
	var out []report.Curve
	for _, n := range names {
		c := in[n]
		if len(c.X) == 0 {
			continue
		}
		rc := report.Curve{Name: n, Area: report.Num(math.NaN()), X: report.Nums(c.X), Y: report.Nums(c.Y)}
		if n == "attack" {
			rc.Name = "attack against benign"
			if s, ok := r.Metrics[metric]; ok {
				rc.Area = report.Num(s.Pooled)
			}
		}
		out = append(out, rc)
	}
	return out
}

func rank(name string) int {
	if name == "attack" {
		return 0
	}
	return 1
}
