package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"apiml/evaluate"
	"apiml/forecast"
	"apiml/report"
	"apiml/store"
	"apiml/traffic"
)

// The parts of the report that set figures beside others: changes, the security
// score, false alerts, latency by hour, users.

// comparedSpan is the time that is compared where there is no window.
const comparedSpan = 24 * time.Hour

// reportChanges compares the window, or the last 24 hours, with the time before
// and the same time a week before. A time that the store does not cover from its
// beginning is left out, and the note says so.
func (a *app) reportChanges(st *store.Store, d *report.Data, sum store.Summary) error {
	v := &d.Overview
	if sum.Requests == 0 || sum.First == traffic.NoTime {
		v.ChangesNote = "No request has a time, so there is nothing to compare."
		return nil
	}
	now, name := a.compared(sum)
	v.RecentSpan = name
	here, err := st.Summary(a.ctx, now)
	if err != nil {
		return storeError(err)
	}
	if here.Incidents > 0 {
		list, err := st.Incidents(a.ctx, 5, now)
		if err != nil {
			return storeError(err)
		}
		for _, in := range list {
			v.Recent = append(v.Recent, reportIncident(in))
		}
	}
	v.RecentCount = here.Incidents

	begin := beginning(d)
	length, week := now.Until-now.Since, (7 * 24 * time.Hour).Microseconds()
	back := (length + week - 1) / week * week
	c := report.Comparison{Now: name, Range: reportSpan(now)}
	sums := []store.Summary{here}
	var missing []string
	for _, b := range []struct {
		name string
		by   int64
	}{{"the " + spanName(length) + " before", length}, {"the same time " + weeks(back/week) + " before", back}} {
		f := store.Filter{Since: now.Since - b.by, Until: now.Until - b.by}
		if !reaches(begin, f) {
			missing = append(missing, b.name)
			continue
		}
		s, err := st.Summary(a.ctx, f)
		if err != nil {
			return storeError(err)
		}
		c.Before, sums = append(c.Before, b.name), append(sums, s)
	}
	if len(missing) > 0 {
		v.ChangesNote = "The store does not reach back to " + strings.Join(missing, " and ") + "."
	}
	if len(c.Before) == 0 {
		return nil
	}
	c.Rows = changeRows(sums)
	v.Changes = append(v.Changes, c)
	return nil
}

// compared is the time that is set beside others, with its name.
func (a *app) compared(sum store.Summary) (store.Filter, string) {
	now := a.window
	if now.Since != 0 && now.Until != 0 {
		return now, "this time"
	}
	end := sum.Last + 1
	if now.Until != 0 {
		end = now.Until
	}
	return store.Filter{Since: max(end-comparedSpan.Microseconds(), now.Since), Until: end}, "the last 24 h"
}

// beginning is the time of the first request of the store, in the window or not;
// traffic.NoTime if none has one.
func beginning(d *report.Data) int64 {
	begin := int64(traffic.NoTime)
	for _, in := range d.Inputs {
		if in.Kind == store.KindHTTP && !in.First.IsZero() && (begin == traffic.NoTime || in.First.UnixMicro() < begin) {
			begin = in.First.UnixMicro()
		}
	}
	return begin
}

// reaches says whether a store that begins there covers f: the first record of a
// day is not at midnight.
func reaches(begin int64, f store.Filter) bool {
	return begin != traffic.NoTime && f.Since >= begin-(f.Until-f.Since)/24
}

// reportBehavior says who comes, who moved since the time before, and which
// templates and agents had never occurred.
func (a *app) reportBehavior(st *store.Store, d *report.Data, sum store.Summary, top int) error {
	b := &d.Behavior
	kinds, err := st.Kinds(a.ctx, a.window)
	if err != nil {
		return storeError(err)
	}
	for _, k := range kinds {
		b.Kinds = append(b.Kinds, report.Kind{Kind: k.Kind, Principals: k.Principals, Requests: k.Requests, P50: report.Num(k.P50), P99: report.Num(k.P99), Most: k.Most, Top: k.Top})
	}
	if sum.Requests == 0 || sum.First == traffic.NoTime {
		return nil
	}
	if err := a.reportProfiles(st, d, top); err != nil {
		return err
	}
	now, name := a.compared(sum)
	length := now.Until - now.Since
	before := store.Filter{Since: now.Since - length, Until: now.Since}
	if !reaches(beginning(d), before) {
		return nil
	}
	b.Span, b.Before, b.Range = name, "the "+spanName(length)+" before", reportSpan(now)
	crowd, err := st.Movements(a.ctx, top, now, before)
	if err != nil {
		return storeError(err)
	}
	b.Now, b.Returning, b.Gone = crowd.Now, crowd.Returning, crowd.Gone
	for _, m := range crowd.Movements {
		b.Movements = append(b.Movements, report.Movement{Principal: m.Principal, Before: m.Before, Now: m.Now})
	}
	for _, c := range []struct {
		column string
		list   *[]report.Newcomer
		all    *int64
	}{{"template", &b.Templates, &b.TemplateCount}, {"agent", &b.Agents, &b.AgentCount}} {
		list, all, err := st.Newcomers(a.ctx, c.column, top, now)
		if err != nil {
			return storeError(err)
		}
		*c.all = all
		for _, n := range list {
			*c.list = append(*c.list, report.Newcomer{Name: n.Name, Requests: n.Requests, Errors: n.Errors, Principals: n.Principals, First: micros(n.First)})
		}
	}
	return nil
}

func reportSpan(f store.Filter) string {
	const layout = "2006-01-02 15:04"
	return micros(f.Since).Format(layout) + " – " + micros(f.Until).Format(layout) + " UTC"
}

func spanName(us int64) string {
	h := float64(us) / float64(time.Hour.Microseconds())
	if h > 48 {
		return strconv.FormatFloat(h/24, 'f', -1, 64) + " days"
	}
	return strconv.FormatFloat(math.Round(h*100)/100, 'f', -1, 64) + " h"
}

func weeks(n int64) string {
	if n == 1 {
		return "a week"
	}
	return fmt.Sprintf("%d weeks", n)
}

// changeRows are the figures that are compared; the first summary is now.
func changeRows(sums []store.Summary) []report.ChangeRow {
	var out []report.ChangeRow
	add := func(name, unit string, bad bool, value func(s *store.Summary) report.Num) {
		r := report.ChangeRow{Name: name, Unit: unit, HighIsBad: bad, Now: value(&sums[0])}
		for i := range sums[1:] {
			r.Before = append(r.Before, value(&sums[i+1]))
		}
		out = append(out, r)
	}
	add("Requests", "count", false, func(s *store.Summary) report.Num { return report.Num(s.Requests) })
	add("Principals", "count", false, func(s *store.Summary) report.Num { return report.Num(s.Principals) })
	add("Server errors", "share", true, func(s *store.Summary) report.Num { return share(s.Errors5xx, s.WithStatus) })
	add("Client errors", "share", true, func(s *store.Summary) report.Num { return share(s.Errors4xx, s.WithStatus) })
	if slices.ContainsFunc(sums, func(s store.Summary) bool { return s.Latency.Known > 0 }) {
		add("Latency p50", "seconds", true, func(s *store.Summary) report.Num { return known(s.Latency, s.Latency.P50) })
		add("Latency p95", "seconds", true, func(s *store.Summary) report.Num { return known(s.Latency, s.Latency.P95) })
		add("Latency p99", "seconds", true, func(s *store.Summary) report.Num { return known(s.Latency, s.Latency.P99) })
	}
	if slices.ContainsFunc(sums, func(s store.Summary) bool { return s.Scored > 0 }) {
		scored := func(s *store.Summary, n int64) report.Num {
			if s.Scored == 0 {
				return report.Unknown()
			}
			return report.Num(n)
		}
		add("Flagged", "count", true, func(s *store.Summary) report.Num { return scored(s, s.Flagged) })
		add("Incidents", "count", true, func(s *store.Summary) report.Num { return scored(s, s.Incidents) })
	}
	return out
}

// previousReport reads the JSON form of an earlier report; nil without a path.
func previousReport(path string) (*report.Data, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, withCode(exitInput, err)
	}
	var d report.Data
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, inputf("%s: no report in JSON: %v", path, err)
	}
	if d.Schema != report.SchemaName {
		return nil, inputf("%s: schema %q, want %q", path, d.Schema, report.SchemaName)
	}
	return &d, nil
}

// comparePrevious sets the figures of the whole report beside those of an
// earlier one.
func comparePrevious(d, previous *report.Data) {
	if previous == nil {
		return
	}
	c := report.Comparison{Now: "this report", Range: stretch(d), Before: []string{"the previous report (" + stretch(previous) + ")"}}
	add := func(name, unit string, bad bool, value func(d *report.Data) report.Num) {
		r := report.ChangeRow{Name: name, Unit: unit, HighIsBad: bad, Now: value(d), Before: []report.Num{value(previous)}}
		if r.Now.Known() || r.Before[0].Known() {
			c.Rows = append(c.Rows, r)
		}
	}
	ofRequests := func(d *report.Data, n int64) report.Num { return share(n, d.Overview.Requests) }
	scored := func(d *report.Data, n int64) report.Num {
		if d.Security.Scored == 0 {
			return report.Unknown()
		}
		return report.Num(n)
	}
	add("Requests", "count", false, func(d *report.Data) report.Num { return report.Num(d.Overview.Requests) })
	add("Principals", "count", false, func(d *report.Data) report.Num { return report.Num(d.Overview.Principals) })
	add("Server errors", "share", true, func(d *report.Data) report.Num { return ofRequests(d, d.Overview.ServerErrors) })
	add("Client errors", "share", true, func(d *report.Data) report.Num { return ofRequests(d, d.Overview.ClientErrors) })
	add("Latency p50", "seconds", true, func(d *report.Data) report.Num { return d.Overview.P50 })
	add("Latency p95", "seconds", true, func(d *report.Data) report.Num { return d.Overview.P95 })
	add("Latency p99", "seconds", true, func(d *report.Data) report.Num { return d.Overview.P99 })
	add("Flagged", "count", true, func(d *report.Data) report.Num { return scored(d, d.Security.Flagged) })
	add("Incidents", "count", true, func(d *report.Data) report.Num { return scored(d, d.Security.IncidentCount) })
	for _, t := range d.Security.Types {
		now := t.Flagged
		add("Flagged as "+t.Type, "count", true, func(d *report.Data) report.Num {
			if d.Security.Scored == 0 || now < 0 {
				return report.Unknown()
			}
			for _, x := range d.Security.Types {
				if x.Type == t.Type {
					return report.Num(max(x.Flagged, 0))
				}
			}
			return 0
		})
	}
	d.Overview.Changes = append(d.Overview.Changes, c)
}

// stretch is the time that a report covers, in words.
func stretch(d *report.Data) string {
	if d.First.IsZero() {
		return "times unknown"
	}
	const layout = "2006-01-02 15:04"
	return d.First.UTC().Format(layout) + " – " + d.Last.UTC().Format(layout) + " UTC"
}

// reportScores are the figures that overview and security share.
func (a *app) reportScores(d *report.Data, sum store.Summary) error {
	s := &d.Security
	s.NetworkCount, s.Score.Trend, s.False.Expected = -1, report.Unknown(), unknownExpectation()
	s.IncidentCount = sum.Incidents
	s.Scored, s.Flagged, s.Labelled, s.Threshold = sum.Scored, sum.Flagged, sum.Labelled, report.Unknown()
	s.False.Low, s.False.High = report.Unknown(), report.Unknown()
	if sum.Scored == 0 {
		return nil
	}
	if attack, _, err := a.scoringModels(""); err == nil {
		s.Model = filepath.Base(attack.origin)
		s.Profile = string(attack.state.Profile())
		s.Threshold = report.Num(cmp.Or(a.cfg.Threshold, attack.threshold("attack", defaultThreshold)))
	}
	return nil
}

// reportRefused counts what the server refused.
func (a *app) reportRefused(st *store.Store, d *report.Data, sum store.Summary, tl store.Timeline) error {
	mix, err := st.RefusedMix(a.ctx, a.window)
	if err != nil {
		return storeError(err)
	}
	for _, r := range mix {
		row := report.Refusal{Name: strconv.Itoa(int(r.Status)), Count: r.Requests, Scored: r.Scored, Flagged: r.Flagged}
		if sum.Scored == 0 {
			row.Scored, row.Flagged = -1, -1
		}
		d.Security.Blocked = append(d.Security.Blocked, row)
	}
	if len(mix) == 0 || sum.First == traffic.NoTime {
		return nil
	}
	over, err := st.RefusedTimeline(a.ctx, tl, a.window)
	if err != nil {
		return storeError(err)
	}
	var lines []report.Line
	for _, s := range store.RefusedStatuses() {
		if over[s] != nil {
			lines = append(lines, line(strconv.Itoa(int(s)), over[s]))
		}
	}
	d.Security.BlockedTime = timeline(tl, lines...)
	return nil
}

func (a *app) reportNetworks(st *store.Store, d *report.Data, sum store.Summary, top int) error {
	list, all, err := st.Networks(a.ctx, top, a.window)
	if err != nil {
		return storeError(err)
	}
	d.Security.NetworkCount = all
	for _, n := range list {
		row := report.Network{Network: n.Network, Clients: n.Clients, Requests: n.Requests, Errors: n.Errors, Flagged: n.Flagged}
		if sum.Scored == 0 {
			row.Flagged = -1
		}
		d.Security.Networks = append(d.Security.Networks, row)
	}
	return nil
}

func reportIncident(in store.Incident) report.Incident {
	return report.Incident{ID: in.ID, Class: in.Class, First: micros(in.First), Last: micros(in.Last), Requests: in.Requests, Principals: in.Principals,
		Principal: in.Principal, Target: in.Template, Probability: report.Num(in.MaxProbability)}
}

// evidenceLines is how many requests stand behind an incident.
const evidenceLines = 5

// reportIncidents adds to each incident its surest requests, with what speaks
// against them.
func (a *app) reportIncidents(st *store.Store, list []store.Incident) ([]report.Incident, error) {
	var ids []string
	for _, in := range list {
		ids = append(ids, in.ID)
	}
	lines, err := st.Evidence(a.ctx, ids, evidenceLines, a.window)
	if err != nil {
		return nil, storeError(err)
	}
	var out []report.Incident
	for _, in := range list {
		row := reportIncident(in)
		for _, v := range lines[in.ID] {
			row.Evidence = append(row.Evidence, report.Evidence{File: v.File, Line: v.Line, Request: strings.TrimSpace(v.Method + " " + v.Target), Why: why(v)})
		}
		out = append(out, row)
	}
	return out, nil
}

// why is what the rules and the first reason of the model say of a request.
func why(v store.Score) string {
	var parts []string
	if v.Rules != "" {
		parts = append(parts, "rules "+strings.ReplaceAll(v.Rules, ",", ", "))
	}
	var reasons []struct {
		Feature string  `json:"feature"`
		Value   float64 `json:"value"`
		Text    string  `json:"text"`
	}
	if json.Unmarshal([]byte(v.Reasons), &reasons) == nil && len(reasons) > 0 {
		r := reasons[0]
		text, _, _ := strings.Cut(r.Text, ":")
		parts = append(parts, fmt.Sprintf("%s = %s (%s)", r.Feature, strconv.FormatFloat(r.Value, 'g', 3, 64), text))
	}
	return strings.Join(parts, "; ")
}

// scoreDays is how many days are shown, the newest.
const scoreDays = 400

// reportDays fills the security score.
//
// A day's score is 100 · (1 − P · (1 + T) / 2). P is the pressure, the share of
// the scored requests that are flagged on a logarithmic scale: log10(1 + 10,000 ·
// share) / 4, so that 1 in 10,000 is 0.08, 1 in 100 is 0.5 and all is 1. T is
// the share of the flagged ones that the server answered with a status below
// 400. The trend is the median of the slopes between all pairs of days (Theil
// 1950, Sen 1968), which one bad day does not turn; its cost is the square of the
// number of days.
func (a *app) reportDays(st *store.Store, d *report.Data) error {
	days, err := st.Days(a.ctx, a.window)
	if err != nil {
		return storeError(err)
	}
	s := &d.Security.Score
	days = days[max(0, len(days)-scoreDays):]
	var x, y []float64
	for _, v := range days {
		row := report.ScoreDay{Day: micros(v.Start), Scored: v.Scored, Flagged: v.Flagged, Through: v.Through, Refused: v.Refused, Requests: v.Requests, Score: report.Unknown()}
		if v.Scored > 0 {
			score := dayScore(v.Scored, v.Flagged, v.Through)
			row.Score = report.Num(score)
			x, y = append(x, float64(v.Start)/(24*time.Hour.Seconds()*1e6)), append(y, score)
		}
		s.Days = append(s.Days, row)
	}
	s.Trend = report.Num(theilSen(x, y))
	return nil
}

func dayScore(scored, flagged, through int64) float64 {
	if flagged == 0 {
		return 100
	}
	p := min(1, math.Log10(1+1e4*float64(flagged)/float64(scored))/4)
	return 100 * (1 - p*(1+float64(through)/float64(flagged))/2)
}

// theilSen is the median slope over all pairs, NaN with fewer than three points.
func theilSen(x, y []float64) float64 {
	if len(x) < 3 {
		return math.NaN()
	}
	var slopes []float64
	for i := range x {
		for j := range i {
			if x[i] != x[j] {
				slopes = append(slopes, (y[i]-y[j])/(x[i]-x[j]))
			}
		}
	}
	if len(slopes) == 0 {
		return math.NaN()
	}
	slices.Sort(slopes)
	n := len(slopes)
	return (slopes[(n-1)/2] + slopes[n/2]) / 2
}

func unknownExpectation() report.Expectation {
	u := report.Unknown()
	return report.Expectation{Threshold: u, RequestsPerDay: u, PerDay: u, Low: u, High: u, Attackers: u}
}

// reportFalse says what the alerts cost: by the labels, and by the training.
func (a *app) reportFalse(st *store.Store, d *report.Data, sum store.Summary, top int) error {
	f := &d.Security.False
	classes, templates, err := st.FalsePositives(a.ctx, top, a.window)
	if err != nil {
		return storeError(err)
	}
	rules := d.Security.Rules
	if rules.Labelled > 0 {
		for _, c := range classes {
			f.Flagged += c.Benign
			f.Classes = append(f.Classes, report.FalseRow{Name: c.Class, Flagged: c.Flagged, Benign: c.Benign})
		}
		for _, t := range templates {
			f.Templates = append(f.Templates, report.FalseRow{Name: t.Template, Flagged: t.Flagged, Benign: t.Benign, Example: report.Evidence{File: t.File, Line: t.Line, Request: t.Target}})
		}
		days, err := st.LabelledDays(a.ctx, a.window)
		if err != nil {
			return storeError(err)
		}
		for _, x := range days[max(0, len(days)-scoreDays):] {
			f.Days = append(f.Days, report.FalseDay{Day: micros(x.Start), Attacks: x.Attacks, Benign: x.Benign, Hits: x.Hits, False: x.False})
		}
		if f.Benign, err = st.ScoredBenign(a.ctx, a.window); err != nil {
			return storeError(err)
		}
		if f.Benign > 0 {
			ci := evaluate.Wilson(f.Flagged, f.Benign)
			f.Low, f.High = report.Num(ci.Lo), report.Num(ci.Hi)
		}
	}
	attack, _, err := a.scoringModels("")
	if err != nil {
		return nil // the card of the model says why
	}
	op, err := operatingOf(attack)
	if err != nil {
		return err
	}
	rate := perDay(sum.Scored, sum.First, sum.Last)
	if op == nil || op.Clean == 0 || rate == 0 || !d.Security.Threshold.Known() {
		return nil
	}
	e := &f.Expected
	threshold := float64(d.Security.Threshold)
	fpr, ci, ok := op.FPR(threshold)
	*e = report.Expectation{Clean: op.Clean, Threshold: report.Num(threshold), RequestsPerDay: report.Num(rate), PerDay: report.Num(fpr * rate),
		Low: report.Num(ci.Lo * rate), High: report.Num(ci.Hi * rate), AtLeast: !ok, Attackers: report.Num(op.Caught(threshold))}
	for _, n := range []float64{1, 5, 20, 100} {
		if n >= rate {
			continue
		}
		if t, extrapolated, ok := op.Threshold(n / rate); ok {
			e.Budgets = append(e.Budgets, report.Budget{PerDay: report.Num(n), Threshold: report.Num(t), Attackers: report.Num(op.Caught(t)), Extrapolated: extrapolated})
		}
	}
	return nil
}

// timeTemplates is how many templates are drawn over time.
const timeTemplates = 8

func (a *app) reportTemplates(st *store.Store, d *report.Data, tl store.Timeline) error {
	names, counts, other, err := st.TemplateTimeline(a.ctx, tl, timeTemplates, a.window)
	if err != nil {
		return storeError(err)
	}
	var lines []report.Line
	for i, n := range names {
		lines = append(lines, line(n, counts[i]))
	}
	if slices.ContainsFunc(other, func(n int64) bool { return n > 0 }) {
		lines = append(lines, line("other", other))
	}
	d.Performance.ByTemplate = timeline(tl, lines...)
	return nil
}

// heatTemplates is how many templates the heat map of templates has.
const heatTemplates = 15

func (a *app) reportHeat(st *store.Store, d *report.Data, sum store.Summary) error {
	if sum.Latency.Known == 0 {
		return nil
	}
	week, err := st.LatencyByWeek(a.ctx, a.window)
	if err != nil {
		return storeError(err)
	}
	days := []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	d.Performance.Week = heatMap(week, func(c store.HourCell) string { return days[c.Weekday] })
	hours, err := st.LatencyByTemplate(a.ctx, heatTemplates, a.window)
	if err != nil {
		return storeError(err)
	}
	d.Performance.Hours = heatMap(hours, func(c store.HourCell) string { return c.Template })
	return nil
}

// reportLoad says how many requests were under way, and what the cache did.
func (a *app) reportLoad(st *store.Store, d *report.Data, sum store.Summary, tl store.Timeline, top int) error {
	p := &d.Performance
	all, misses, err := st.CacheStats(a.ctx, top, a.window)
	if err != nil {
		return storeError(err)
	}
	row := func(c store.CacheStat) report.CacheRow {
		return report.CacheRow{Template: c.Template, Requests: c.Requests, Hits: c.Hits, Bytes: c.Bytes, HitBytes: c.HitBytes}
	}
	p.Cache = row(all)
	for _, c := range misses {
		p.CacheMisses = append(p.CacheMisses, row(c))
	}
	if sum.Latency.Known == 0 {
		return nil
	}
	load, err := st.Concurrency(a.ctx, tl, a.window)
	if err != nil {
		return storeError(err)
	}
	p.Concurrency = timeline(tl, report.Line{Name: "under way", Values: report.Nums(load)})
	return nil
}

// spikeFactor is what the report calls a spike: this many times the median of the
// day before.
const spikeFactor = 2

// spikeWords says whether a spike lies ahead, and how often such warnings were
// right in the backtest.
func spikeWords(w forecast.SpikeWarning) string {
	var s string
	if w.Warning && w.At != nil {
		s = fmt.Sprintf("Spike ahead: the forecast (%s) exceeds %s requests per interval, %g times the median of the last day, at %s UTC.", w.Level, count(int64(math.Round(w.Threshold))), w.Factor, w.At.UTC().Format("2006-01-02 15:04"))
	} else if math.IsInf(w.Threshold, 0) {
		return ""
	} else {
		s = fmt.Sprintf("No spike ahead: the forecast (%s) stays below %s requests per interval, %g times the median of the last day, for %s.", w.Level, count(int64(math.Round(w.Threshold))), w.Factor, counted(w.Steps, "interval"))
	}
	for _, l := range w.Levels {
		if l.Level == w.Level {
			s += fmt.Sprintf(" In the backtest %d of %d windows held one; %s would have been given, %d rightly.", w.Spikes, w.Windows, counted(l.Warned, "warning"), l.Hits)
		}
	}
	return s
}

// heatMap lays cells out; those of a row stand together.
func heatMap(cells []store.HourCell, row func(c store.HourCell) string) (m report.HeatMap) {
	for _, c := range cells {
		name := row(c)
		if n := len(m.Rows); n == 0 || m.Rows[n-1] != name {
			m.Rows = append(m.Rows, name)
			requests := make([]int64, 24)
			p50, p95 := make([]report.Num, 24), make([]report.Num, 24)
			for i := range requests {
				requests[i], p50[i], p95[i] = -1, report.Unknown(), report.Unknown()
			}
			m.Requests, m.P50, m.P95 = append(m.Requests, requests), append(m.P50, p50), append(m.P95, p95)
		}
		i := len(m.Rows) - 1
		m.Requests[i][c.Hour] = c.Requests
		if c.Known > 0 {
			m.P50[i][c.Hour], m.P95[i][c.Hour] = report.Num(c.P50), report.Num(c.P95)
		}
	}
	return m
}

// reportUsers fills what the audit says of users and of personal data.
func (a *app) reportUsers(st *store.Store, d *report.Data, top int) error {
	users, all, err := st.Users(a.ctx, top, a.window)
	if err != nil {
		return storeError(err)
	}
	v := &d.Audit
	v.UserCount, v.Masked = all, a.cfg.InputRedactPII
	for _, u := range users {
		v.Users = append(v.Users, report.User{User: u.User, Requests: u.Requests, Writes: u.Writes, Denied: u.Denied, Errors: u.Errors, Clients: u.Clients,
			Template: u.Template, First: micros(u.First), Last: micros(u.Last)})
	}
	kinds, err := st.Redactions(a.ctx)
	if err != nil {
		return storeError(err)
	}
	for _, k := range sortedKeys(kinds) {
		v.Redactions = append(v.Redactions, report.Count{Name: k, Count: kinds[k]})
	}
	v.Keep = "Records stay in the store until they are deleted; no rule deletes them."
	return nil
}
