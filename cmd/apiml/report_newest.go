package main

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"apiml/features"
	"apiml/forecast"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/model/dbscan"
	"apiml/report"
	"apiml/store"
	"apiml/traffic"
	"apiml/train"
)

// The parts of the report that need requests and not only their counts: profiles
// of behaviour, drift, the advice on caching. They read the newest requests, so
// that a large store costs no more than a small one, and say which these are.
const (
	behaviorRows = 60_000        // requests behind the profiles
	cacheRows    = 60_000        // requests behind the advice on caching
	loadRows     = 2_000_000     // requests behind what a replica serves
	driftNewest  = 20_000        // requests whose features are compared, …
	driftKept    = 10_000        // … at most these many rows of them, chosen by hash
	driftWarm    = int64(3600e6) // microseconds before them that fill the windows of the features
)

// newest is a source of the newest n requests of the window, or of all that have
// a time; nil if none has.
func (a *app) newest(st *store.Store, d *report.Data, n int64) (*source, error) {
	if d.First.IsZero() || d.Overview.Requests == 0 {
		return nil, nil
	}
	f, err := st.Newest(a.ctx, n, a.window)
	if err != nil {
		return nil, storeError(err)
	}
	if f.Since == 0 {
		f.Since = d.First.UnixMicro() // those without a time are left out
	}
	b := *a
	b.window, b.flags.quiet = f, true
	s := &source{a: &b, st: st, kinds: map[string]int64{store.KindHTTP: min(n, d.Overview.Requests)}, synth: map[string]bool{}}
	for _, in := range d.Inputs {
		if in.Kind == store.KindHTTP {
			s.synth[store.KindHTTP] = s.synth[store.KindHTTP] || in.Synthetic
			s.names = appendOnce(s.names, sourceName(in.Name, in.Format))
		}
	}
	return s, nil
}

// reportProfiles fills clusters, outsiders, moves and conduct that looks like an
// attack.
func (a *app) reportProfiles(st *store.Store, d *report.Data, top int) error {
	v := &d.Behavior.Profiles
	v.Period = report.Unknown()
	specs, err := catalog.Resolve([]string{"behavior"})
	if err != nil {
		return withCode(exitFailed, err)
	}
	lm, err := a.loadModel(specs[0], true)
	if err != nil {
		v.Note = "There is no model of behavior that can be used: " + err.Error()
		return nil
	}
	m, ok := lm.model.(*dbscan.Model)
	if !ok || checkBehaviorSchema(lm, m) != nil {
		v.Note = filepath.Base(lm.origin) + " assigns no clusters, or is of another version: `apiml train behavior` fits it anew."
		return nil
	}
	src, err := a.newest(st, d, behaviorRows)
	if err != nil || src == nil {
		return err
	}
	p, why, err := src.profiled(a.ctx, features.BehaviorConfig{})
	if err != nil {
		return storeError(err)
	}
	if p == nil {
		v.Note = "No profile could be made: " + why + "."
		return nil
	}
	b, err := a.viewBehavior(src, m, p, 0)
	if err != nil {
		return storeError(err)
	}
	v.Model, v.Synthetic = filepath.Base(lm.origin), lm.file.Header.Data.Synthetic
	v.Since, v.Until, v.Requests = micros(src.first), micros(src.last), p.Seen
	v.Principals, v.Few = int64(p.X.N), int64(p.Few)
	names := map[int32]string{-1: "outsiders"}
	for _, c := range b.Clusters {
		kind, words, _ := strings.Cut(c.Name, ": ")
		if c.Label >= 0 {
			names[c.Label] = kind
		}
		row := report.Cluster{Name: names[c.Label], Words: words, Principals: int64(c.Principals), Requests: c.Requests, Attackers: report.Unknown(), Members: c.Members}
		if c.Attacks != nil {
			row.Attackers = report.Num(*c.Attacks)
		}
		v.Clusters = append(v.Clusters, row)
		if c.Label < 0 {
			v.OutsiderCount = int64(c.Principals)
		}
	}
	for _, o := range b.Outsiders[:min(len(b.Outsiders), top)] {
		row := report.Outsider{Principal: o.Principal, Requests: o.Requests, Distance: report.Num(o.Outlying), Why: strings.Join(o.Features, ", ")}
		if o.Outlying == math.MaxFloat64 {
			row.Distance = report.Unknown()
		}
		v.Outsiders = append(v.Outsiders, row)
	}
	ev := features.BehaviorEvidence(p.BehaviorDataset, outlyingOf(m, p.X))
	suspects := alerts(ev, len(ev))
	v.SuspectCount = int64(len(suspects))
	for _, i := range suspects[:min(len(suspects), top)] {
		hits, _ := p.ruled(p.Principals[i])
		v.Suspects = append(v.Suspects, report.Suspect{Principal: p.Principals[i], Requests: p.Requests[i], Class: ev[i].Class, Score: report.Num(ev[i].Score),
			Rules: hits, Why: strings.Join(ev[i].Features, ", ")})
	}
	v.Stayed, v.Moved = int64(b.Stayed), int64(b.Moved)
	if span, err := time.ParseDuration(b.Period); err == nil && b.Periods > 1 {
		v.Period = report.Num(span.Seconds())
	}
	for _, x := range b.Moves[:min(len(b.Moves), top)] {
		v.Moves = append(v.Moves, report.Move{From: names[x.From], To: names[x.To], Principals: int64(x.Principals), Example: x.Example})
	}
	return nil
}

// reportDrift compares the newest requests with those that a model was judged on.
func (a *app) reportDrift(src *source, lm *loadedModel, m *report.Model) error {
	v := &m.Drift
	if lm.spec.Role != model.RoleClassifier && lm.spec.Role != model.RoleDetector {
		return nil
	}
	if lm.spec.Input != store.KindHTTP {
		v.Note = "Drift of network flows: `apiml evaluate " + lm.spec.Name + " --drift`."
		return nil
	}
	if src == nil {
		v.Note = "The store holds no requests with a time."
		return nil
	}
	stored, err := rawMetrics[storedMetrics](lm)
	if err != nil {
		return err
	}
	if stored == nil || stored.Reference == nil {
		v.Note = "The model file remembers nothing of the rows that it was judged on: fit it anew with `apiml train " + lm.spec.Name + "`."
		return nil
	}
	w, err := newWanted(lm.file)
	if err != nil {
		return withCode(exitState, err)
	}
	since := src.a.window.Since
	w.any, w.fresh, w.keep = true, true, driftKept
	w.between = func(t int64) bool { return t != traffic.NoTime && t >= since }
	warm := *src
	b := *src.a
	b.window.Since -= driftWarm
	warm.a = &b
	x, judge, _, err := b.driftRowsOf(&warm, lm, w, nil)
	var e *exitError
	if errors.As(err, &e) && e.code == exitState {
		v.Note = err.Error()
		return nil
	}
	if err != nil {
		return storeError(err)
	}
	if x.N == 0 {
		v.Note = "The newest requests were all in the training of the model, or set aside then: there is nothing new to compare."
		return nil
	}
	r, err := stored.Reference.Compare(a.ctx, judge, x, w.units, 0)
	if err != nil {
		return a.trainError(err)
	}
	fillDrift(v, r)
	v.Since = micros(since)
	return nil
}

// driftShown is how many columns the report shows of a drift.
const driftShown = 12

func fillDrift(v *report.Drift, r *train.Drift) {
	v.Against, v.Baseline, v.Rows, v.Columns = r.Reference, int64(r.Baseline), int64(r.Rows), int64(len(r.Columns))
	v.Large, v.Moderate, v.Notes = int64(r.Large), int64(r.Moderate), r.Notes
	add := func(c *train.ColumnDrift) {
		v.Shifts = append(v.Shifts, report.Shift{Column: c.Name, Level: c.Level, PSI: report.Num(c.PSI), Noise: report.Num(c.Noise), Effect: report.Num(c.Effect), KS: report.Num(c.KS), Missing: report.Num(c.Missing)})
	}
	if r.Scores != nil {
		add(r.Scores)
	}
	for i := range r.Columns[:min(len(r.Columns), driftShown)] {
		add(&r.Columns[i])
	}
	for _, name := range []string{"accuracy", "macro_f1"} {
		if x, ok := r.Expected[name]; ok {
			v.Expected = append(v.Expected, report.Value{Name: name, Value: report.Num(x)})
		}
		if x, ok := r.Measured[name]; ok {
			v.Measured = append(v.Measured, report.Value{Name: name, Value: report.Num(x)})
		}
	}
}

// histories are the measurements of earlier runs by model, the oldest first.
// What says the same as the one before it is left out: an evaluation that is
// repeated, or taken up after it was killed, tells nothing new. Without clock
// only evaluations are shown, and no times: they depend on the records alone.
func (a *app) histories(st *store.Store, clock bool) (map[string][]report.Past, error) {
	all, err := st.Metrics(a.ctx)
	if err != nil {
		return nil, storeError(err)
	}
	runs, err := st.Runs(a.ctx)
	if err != nil {
		return nil, storeError(err)
	}
	by := map[int64]store.Run{}
	for _, r := range runs {
		by[r.ID] = r
	}
	out := map[string][]report.Past{}
	for i := 0; i < len(all); {
		m := all[i]
		p := report.Past{Dataset: m.Dataset}
		for ; i < len(all) && all[i].Run == m.Run && all[i].Model == m.Model && all[i].Dataset == m.Dataset; i++ {
			p.Values = append(p.Values, report.Value{Name: all[i].Name, Value: report.Num(all[i].Value)})
		}
		run, ok := by[m.Run]
		if p.By = run.Command; !ok || !clock && p.By != "evaluate" {
			continue
		}
		if clock {
			p.At = micros(run.Started)
		}
		list := out[m.Model]
		if n := len(list); n > 0 && list[n-1].Dataset == p.Dataset && list[n-1].By == p.By && slices.EqualFunc(list[n-1].Values, p.Values, sameValue) {
			continue
		}
		out[m.Model] = append(list, p)
	}
	for name, list := range out {
		out[name] = list[max(0, len(list)-pastShown):]
	}
	return out, nil
}

// pastShown is how many measurements of a model the report shows, the newest.
const pastShown = 60

func sameValue(x, y report.Value) bool {
	return x.Name == y.Name && (x.Value == y.Value || !x.Value.Known() && !y.Value.Known())
}

// reportCacheAdvice says what a cache could do to the newest requests.
func (a *app) reportCacheAdvice(st *store.Store, d *report.Data, top int) error {
	v := &d.Performance.Advice
	u := report.Unknown()
	v.HitRatio, v.ByteRatio, v.LRU, v.Observed, v.Simulated = u, u, u, u, u
	src, err := a.newest(st, d, cacheRows)
	if err != nil || src == nil {
		return err
	}
	in, err := src.a.traceOf(st)
	var e *exitError
	if errors.As(err, &e) && (e.code == exitInput || e.code == exitState) {
		v.Note = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	ad, err := src.a.cacheAdvice(in, nil, 0)
	if err != nil {
		return withCode(exitFailed, err)
	}
	v.Since, v.Until, v.Read, v.Requests = micros(src.a.window.Since), d.Last, in.stats.Requests, ad.Requests
	v.Policy, v.Size, v.HitRatio, v.LRU, v.Text = ad.Policy, ad.sizeText(), report.Num(ad.HitRatio), report.Num(ad.LRUServed), ad.Text
	if ad.ByteHitRatio != nil {
		v.ByteRatio = report.Num(*ad.ByteHitRatio)
	}
	if o := ad.Observed; o != nil {
		v.Observed, v.Simulated = report.Num(o.HitRatio), report.Num(o.Simulated)
	}
	v.TemplateCount, v.RefusedCount = int64(len(ad.Templates)), int64(len(ad.Refused))
	for _, t := range ad.Templates[:min(len(ad.Templates), top)] {
		row := report.CacheCandidate{Template: t.Template, Lifetime: u, Requests: t.Requests, Hits: t.Hits, Stale: t.Stale}
		if t.TTL != nil {
			row.Lifetime = report.Num(*t.TTL)
		}
		v.Templates = append(v.Templates, row)
	}
	for _, t := range ad.Refused[:min(len(ad.Refused), top)] {
		v.Refused = append(v.Refused, report.CacheRefusal{Template: t.Template, Requests: t.Requests, Why: t.Detail})
	}
	return nil
}

// reportReplicas plans replicas for the time of the forecast, if the log shows
// what one of them serves.
func (a *app) reportReplicas(st *store.Store, d *report.Data, res *forecast.Result) error {
	v := &d.Performance.Capacity
	u := report.Unknown()
	v.PerReplica, v.Utilisation, v.Step, v.Hours, v.NeededHours, v.StaticHours = u, u, u, u, u, u
	if !d.Overview.P95.Known() {
		v.Note = "This log has no response times, so what a replica serves cannot be learned from it."
		return nil
	}
	f, err := st.Newest(a.ctx, loadRows, a.window)
	if err != nil {
		return storeError(err)
	}
	b := *a
	b.window = f
	rps, learned, err := b.perReplica(st, 1)
	var e *exitError
	if errors.As(err, &e) && e.code == exitInput {
		v.Note = strings.ToUpper(err.Error()[:1]) + err.Error()[1:] + "."
		return nil
	}
	if err != nil {
		return err
	}
	step := time.Duration(res.Step * float64(time.Second))
	rule := forecast.CapacityOptions{PerReplica: rps, TargetUtil: 0.6, Bound: "hi80", Min: 1, Hold: int((30*time.Minute + step - 1) / step)}
	plan, err := forecast.PlanCapacity(res, rule)
	if err != nil {
		v.Note = fmt.Sprintf("No schedule: %v.", err)
		return nil
	}
	v.PerReplica, v.Utilisation, v.Bound, v.Learned, v.Step = report.Num(rps), report.Num(rule.TargetUtil), rule.Bound, learned, report.Num(res.Step)
	for _, r := range capacityRuns(plan, step) {
		row := report.ReplicaStep{From: r.from, Until: r.to, Replicas: int64(r.replicas), Upper: 0}
		for _, s := range plan.Schedule {
			if !s.Time.Before(r.from) && s.Time.Before(r.to) {
				row.Upper = max(row.Upper, report.Num(s.UpperRPS))
			}
		}
		v.Schedule = append(v.Schedule, row)
	}
	rp := plan.Replay
	v.Steps, v.Hours, v.NeededHours, v.StaticHours, v.UnderSteps = int64(rp.Steps), report.Num(rp.Hours), report.Num(rp.NeededHours), report.Num(rp.StaticHours), int64(rp.UnderSteps)
	return nil
}
