package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"apiml/features"
	"apiml/frame"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/model/dbscan"
	"apiml/score"
	"apiml/store"
	"apiml/traffic"
	"apiml/train"
)

// The behavioral analyzer as a user sees it: clusters with names, outsiders, who
// moves, and principals that look like attacks.

// behaviorConfig completes the parameters of the behavioral analyzer: flags, and
// the columns whose distances count.
func behaviorConfig(config json.RawMessage, o trainOptions) (json.RawMessage, error) {
	m := map[string]any{}
	if len(config) > 0 {
		if err := json.Unmarshal(config, &m); err != nil {
			return nil, withCode(exitUsage, err)
		}
	}
	has := func(name string) bool {
		for k := range m {
			if strings.EqualFold(k, name) {
				return true
			}
		}
		return false
	}
	if !has("columns") {
		m["columns"] = features.BehaviorSpace()
	}
	if o.algorithm != "" {
		m["algorithm"] = o.algorithm
	}
	if o.metric != "" {
		m["metric"] = o.metric
	}
	if o.eps > 0 {
		m["eps"] = o.eps
	}
	if o.minSamplesSet {
		m["min_samples"] = o.minSamples
	}
	return json.Marshal(m)
}

// profiles are the profiles of a source with what stands beside them.
type profiles struct {
	*features.BehaviorDataset
	rules map[string]map[string]int64 // per principal: requests that a behaviour rule hit, by class
	days  float64                     // at least 1: budgets are per day
}

// maxRuled bounds how many principals' rule hits are kept.
const maxRuled = 1 << 18

// profiled makes profiles; nil and the reason if there is none.
func (s *source) profiled(ctx context.Context, c features.BehaviorConfig) (*profiles, string, error) {
	b := features.NewBehaviorBuilder(c)
	rules := score.NewRules(s.a.cfg.RateLimit)
	p := &profiles{rules: map[string]map[string]int64{}}
	err := s.ordered(ctx, "reading behaviour", func(reqs []traffic.Request) {
		b.Add(reqs)
		for i := range reqs {
			names, class := rules.Check(&reqs[i])
			if !slices.ContainsFunc(names, func(n string) bool { return !score.IsSignature(n) }) {
				continue
			}
			who := b.Name(&reqs[i])
			if p.rules[who] == nil {
				if len(p.rules) >= maxRuled {
					continue
				}
				p.rules[strings.Clone(who)] = map[string]int64{}
			}
			p.rules[who][class.String()]++
		}
	})
	if err != nil {
		return nil, "", err
	}
	if p.BehaviorDataset, err = b.Dataset(); err != nil {
		return nil, strings.TrimPrefix(err.Error(), "features: "), nil
	}
	p.days = max(1, float64(s.last-s.first)/(24*time.Hour).Seconds()/1e6)
	return p, "", nil
}

// ruled is how many requests of a principal hit a behaviour rule, and the class
// of most of them.
func (p *profiles) ruled(who string) (n int64, class string) {
	most := int64(0)
	for _, c := range sortedKeys(p.rules[who]) {
		k := p.rules[who][c]
		if n += k; k > most {
			most, class = k, c
		}
	}
	return n, class
}

// outsider is a principal in no cluster.
type outsider struct {
	Principal string   `json:"principal"`
	Requests  int64    `json:"requests"`
	Outlying  float64  `json:"outlying"` // distance to the nearest cluster over its radius
	Features  []string `json:"features"`
}

// move is how many principals went from one cluster to another.
type move struct {
	From       int32  `json:"from"`
	To         int32  `json:"to"`
	Principals int    `json:"principals"`
	Example    string `json:"example"`
}

// foundRow is how many principals of one attack type are found within the alert
// budget.
type foundRow struct {
	Class         string  `json:"class"`
	Principals    int     `json:"principals"` // with that label on most of their labelled requests
	Found         int     `json:"found"`
	Recall        float64 `json:"recall"`
	Alerts        int     `json:"alerts"` // that name this class
	Right         int     `json:"right"`  // of these, principals that attack, in whatever way
	Precision     float64 `json:"precision"`
	RuleFound     int     `json:"rule_found"`
	RuleRecall    float64 `json:"rule_recall"`
	RuleAlerts    int     `json:"rule_alerts"`
	RuleRight     int     `json:"rule_right"`
	RulePrecision float64 `json:"rule_precision"`
}

// behaviorView is what `evaluate behavior` tells beside the figures.
type behaviorView struct {
	Algorithm  string                     `json:"algorithm"`
	Clusters   []features.BehaviorCluster `json:"clusters"`
	Outsiders  []outsider                 `json:"outsiders"`
	Period     string                     `json:"period,omitempty"`
	Periods    int                        `json:"periods,omitempty"`
	Stayed     int                        `json:"stayed"` // principals that are in the same cluster in two periods one after the other
	Moved      int                        `json:"moved"`
	Moves      []move                     `json:"moves"`
	Budget     int                        `json:"alert_budget,omitempty"` // alerts in all
	PerDay     int                        `json:"alert_budget_per_day,omitempty"`
	Found      []foundRow                 `json:"found,omitempty"` // only of labelled data
	LeftOut    int                        `json:"principals_with_few_requests"`
	KDistances []float64                  `json:"k_distances,omitempty"` // the curve that eps is the knee of
}

const (
	shownOutsiders = 10
	shownMoves     = 10
	budgetPerDay   = 20
)

// viewBehavior describes the clusters of m on the profiles of src.
func (a *app) viewBehavior(src *source, m *dbscan.Model, p *profiles, period time.Duration) (*behaviorView, error) {
	n := p.X.Rows()
	labels := make([]int32, n)
	m.Assign(labels, p.X, 0, n)
	v := &behaviorView{Algorithm: cmp.Or(m.Config().Algorithm, dbscan.DBSCAN), Clusters: features.DescribeBehavior(p.BehaviorDataset, labels),
		Outsiders: []outsider{}, Moves: []move{}, LeftOut: p.Few, KDistances: m.KDistances()}
	for i, l := range labels {
		if l >= 0 {
			continue
		}
		share := make([]float64, len(p.X.Cols))
		o := outsider{Principal: p.Principals[i], Requests: p.Requests[i], Outlying: m.Outlying(share, p.X, i)}
		if math.IsInf(o.Outlying, 0) {
			o.Outlying = math.MaxFloat64 // there is no cluster
		}
		o.Features = features.BehaviorPhrases(p.X, i, share, 3)
		v.Outsiders = append(v.Outsiders, o)
	}
	slices.SortStableFunc(v.Outsiders, func(x, y outsider) int { return cmp.Compare(y.Outlying, x.Outlying) })
	v.Outsiders = v.Outsiders[:min(len(v.Outsiders), 50)]
	if slices.ContainsFunc(p.Labels, func(s float64) bool { return s == s }) {
		v.found(p, features.BehaviorEvidence(p.BehaviorDataset, outlyingOf(m, p.X)))
	}
	if slices.Contains(src.files, "-") { // read once
		return v, nil
	}
	return v, a.viewMoves(src, m, v, period)
}

// outlyingOf is how far each row lies from the clusters.
func outlyingOf(m *dbscan.Model, x *frame.Matrix) []float64 {
	out, share := make([]float64, x.Rows()), make([]float64, len(x.Cols))
	for i := range out {
		out[i] = m.Outlying(share, x, i)
	}
	return out
}

// viewMoves follows the principals from period to period; half of the log is one,
// unless it is given.
func (a *app) viewMoves(src *source, m *dbscan.Model, v *behaviorView, period time.Duration) error {
	first, last := src.first, src.last
	step := period.Microseconds()
	if step <= 0 {
		step = (last - first + 2) / 2
	}
	if first == 0 || step < 1 || (last-first)/step > 1000 {
		return nil
	}
	var before map[uint64]int32
	moves := map[[2]int32]*move{}
	b := features.NewBehaviorBuilder(features.BehaviorConfig{})
	end := func() {
		ds, err := b.Dataset()
		b = features.NewBehaviorBuilder(features.BehaviorConfig{})
		if err != nil { // nobody with enough requests
			before = nil
			return
		}
		v.Periods++
		labels := make([]int32, ds.X.N)
		m.Assign(labels, ds.X, 0, ds.X.N)
		now := make(map[uint64]int32, ds.X.N)
		for i, key := range ds.X.Group {
			now[key] = labels[i]
			was, ok := before[key]
			if !ok {
				continue
			}
			if was == labels[i] {
				v.Stayed++
				continue
			}
			v.Moved++
			k := [2]int32{was, labels[i]}
			if moves[k] == nil {
				moves[k] = &move{From: was, To: labels[i], Example: ds.Principals[i]}
			}
			moves[k].Principals++
		}
		before = now
	}
	until := first + step
	err := src.ordered(a.ctx, "reading periods", func(reqs []traffic.Request) {
		from := 0
		for i := range reqs {
			if reqs[i].Time == traffic.NoTime || reqs[i].Time < until {
				continue
			}
			b.Add(reqs[from:i])
			from = i
			end()
			until += (1 + (reqs[i].Time-until)/step) * step
		}
		b.Add(reqs[from:])
	})
	if err != nil {
		return err
	}
	end()
	v.Period = (time.Duration(step) * time.Microsecond).Round(time.Second).String()
	for _, x := range moves {
		v.Moves = append(v.Moves, *x)
	}
	slices.SortFunc(v.Moves, func(x, y move) int {
		return cmp.Or(y.Principals-x.Principals, cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To))
	})
	return nil
}

// alerts are the rows with the most evidence, the strongest first, no more than
// the budget; evidence under leastEvidence is none.
func alerts(ev []features.Evidence, budget int) []int {
	var rows []int
	for i := range ev {
		if ev[i].Score >= leastEvidence {
			rows = append(rows, i)
		}
	}
	slices.SortStableFunc(rows, func(x, y int) int { return cmp.Compare(ev[y].Score, ev[x].Score) })
	return rows[:min(len(rows), budget)]
}

// leastEvidence is that of somebody who is one in 16 in all that speaks for an
// attack, and as far from the clusters as one in 16: the budget is what limits the
// alerts of a log, this only those of one in which nothing stands out.
const leastEvidence = 1.2

// found compares the alerts with the labels, and with the behaviour rules at the
// same budget.
func (v *behaviorView) found(p *profiles, ev []features.Evidence) {
	v.PerDay, v.Budget = budgetPerDay, int(math.Ceil(budgetPerDay*p.days))
	mine := alerts(ev, v.Budget)
	hits := make([]int64, len(ev))
	class := make([]string, len(ev))
	var ruled []int
	for i, who := range p.Principals {
		if hits[i], class[i] = p.ruled(who); hits[i] > 0 {
			ruled = append(ruled, i)
		}
	}
	slices.SortStableFunc(ruled, func(x, y int) int { return cmp.Compare(hits[y], hits[x]) })
	ruled = ruled[:min(len(ruled), v.Budget)]
	rows := map[string]*foundRow{}
	at := func(c string) *foundRow {
		if rows[c] == nil {
			rows[c] = &foundRow{Class: c}
		}
		return rows[c]
	}
	for i := range ev {
		if p.Attacks[i].Attack() {
			at(p.Attacks[i].String()).Principals++
		}
	}
	for _, i := range mine {
		r, attack := at(ev[i].Class), p.Attacks[i].Attack()
		r.Alerts++
		if attack {
			r.Right++
			at(p.Attacks[i].String()).Found++
		}
	}
	for _, i := range ruled {
		r, attack := at(class[i]), p.Attacks[i].Attack()
		r.RuleAlerts++
		if attack {
			r.RuleRight++
			at(p.Attacks[i].String()).RuleFound++
		}
	}
	all := foundRow{Class: "all"}
	share := func(x, n int) float64 {
		if n == 0 {
			return 0
		}
		return float64(x) / float64(n)
	}
	finish := func(r *foundRow) {
		r.Recall, r.Precision = share(r.Found, r.Principals), share(r.Right, r.Alerts)
		r.RuleRecall, r.RulePrecision = share(r.RuleFound, r.Principals), share(r.RuleRight, r.RuleAlerts)
		v.Found = append(v.Found, *r)
	}
	for _, c := range sortedKeys(rows) {
		r := rows[c]
		all.Principals, all.Found, all.Alerts, all.Right = all.Principals+r.Principals, all.Found+r.Found, all.Alerts+r.Alerts, all.Right+r.Right
		all.RuleFound, all.RuleAlerts, all.RuleRight = all.RuleFound+r.RuleFound, all.RuleAlerts+r.RuleAlerts, all.RuleRight+r.RuleRight
		finish(r)
	}
	finish(&all)
}

// printClusters prints the table of clusters.
func (a *app) printClusters(cs []features.BehaviorCluster) error {
	labelled := slices.ContainsFunc(cs, func(c features.BehaviorCluster) bool { return c.Attacks != nil })
	header := []string{"cluster", ">principals", ">of traffic"}
	if labelled {
		header = append(header, ">attackers")
	}
	header = append(header, "what it is", "typical member")
	var rows [][]string
	for _, c := range cs {
		name := fmt.Sprint(c.Label)
		if c.Label < 0 {
			name = "none"
		}
		row := []string{name, count(int64(c.Principals)), percent(c.Traffic)}
		if labelled {
			s := "–"
			if c.Attacks != nil {
				s = percent(*c.Attacks)
			}
			row = append(row, s)
		}
		member := ""
		if len(c.Members) > 0 {
			member = shorten(c.Members[0], 60)
		}
		rows = append(rows, append(row, c.Name, member))
	}
	fmt.Fprintln(a.out)
	return table(a.out, header, rows)
}

// shorten cuts s to n bytes, at a character.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func (a *app) printBehavior(v *behaviorView) error {
	if err := a.printClusters(v.Clusters); err != nil {
		return err
	}
	name := func(l int32) string {
		for _, c := range v.Clusters {
			if c.Label == l && l >= 0 {
				return fmt.Sprintf("%d %s", l, c.Kind)
			}
		}
		if l >= 0 {
			return fmt.Sprint(l)
		}
		return "none"
	}
	if len(v.Outsiders) > 0 {
		var rows [][]string
		for _, o := range v.Outsiders[:min(len(v.Outsiders), shownOutsiders)] {
			rows = append(rows, []string{shorten(o.Principal, 60), count(o.Requests), ratio(o.Outlying), strings.Join(o.Features, ", ")})
		}
		fmt.Fprintln(a.out, "\nfarthest from all clusters (distance over the radius of the nearest one):")
		if err := table(a.out, []string{"principal", ">requests", ">distance", "what sets it apart"}, rows); err != nil {
			return err
		}
	}
	if v.Stayed+v.Moved > 0 {
		fmt.Fprintf(a.out, "\n%s principals are there in two periods of %s one after the other: %s stay in their cluster, %s move\n",
			count(int64(v.Stayed+v.Moved)), v.Period, count(int64(v.Stayed)), count(int64(v.Moved)))
		var rows [][]string
		for _, m := range v.Moves[:min(len(v.Moves), shownMoves)] {
			rows = append(rows, []string{name(m.From), name(m.To), count(int64(m.Principals)), shorten(m.Example, 60)})
		}
		if len(rows) > 0 {
			if err := table(a.out, []string{"from", "to", ">principals", "one of them"}, rows); err != nil {
				return err
			}
		}
	}
	if len(v.Found) > 0 {
		var rows [][]string
		for _, r := range v.Found {
			rows = append(rows, []string{r.Class, count(int64(r.Principals)), count(int64(r.Found)), ratio(r.Recall), count(int64(r.Alerts)), ratio(r.Precision),
				count(int64(r.RuleFound)), count(int64(r.RuleAlerts)), ratio(r.RulePrecision)})
		}
		fmt.Fprintf(a.out, "\nprincipals found within %d alerts a day, %s in all; precision: alerts that name this type and are attackers\n", v.PerDay, count(int64(v.Budget)))
		if err := table(a.out, []string{"type", ">attackers", ">found", ">recall", ">alerts", ">precision", ">rules: found", ">alerts", ">precision"}, rows); err != nil {
			return err
		}
	}
	return nil
}

// scoredProfile is a line of `score --by principal` or `--by target`.
type scoredProfile struct {
	Principal string   `json:"principal,omitempty"`
	Target    string   `json:"target,omitempty"`
	Requests  int64    `json:"requests"`
	Cluster   *int32   `json:"cluster,omitempty"`
	Kind      string   `json:"cluster_kind,omitempty"`
	Outlying  *float64 `json:"outlying,omitempty"` // null: there is no cluster at all
	Class     string   `json:"class"`              // "" = no evidence
	Score     float64  `json:"score"`
	Alert     bool     `json:"alert"`
	Features  []string `json:"features"`
	Rules     int64    `json:"rule_hits"` // requests that broke a behaviour rule
}

// scoredProfiles is the output of `score --by principal --json`.
type scoredProfiles struct {
	jsonHead
	By       string                     `json:"by"`
	Profiles int                        `json:"profiles"`
	Few      int                        `json:"with_few_requests"`
	Requests int64                      `json:"requests"`
	PerDay   float64                    `json:"alert_budget_per_day"`
	Days     float64                    `json:"days"`
	Alerts   []scoredProfile            `json:"alerts"`
	Clusters []features.BehaviorCluster `json:"clusters,omitempty"`
	Warnings []string                   `json:"warnings"`
}

// scoreProfiles is `score --by principal` and `--by target`.
func (a *app) scoreProfiles(files []string, o scoreOptions) error {
	perDay, err := parseBudget(cmp.Or(o.budget, "20/day"))
	if err != nil {
		return err
	}
	for _, path := range o.outputs {
		if format, err := resultFormat(path, o.format); err != nil {
			return err
		} else if format != "jsonl" && format != "csv" {
			return usagef("output %q: profiles are written as jsonl or csv", path)
		}
	}
	if len(o.failOn) > 0 {
		return usagef("--fail-on is for --by request; --max-alerts works here")
	}
	src, err := a.openSource(files, nil)
	if err != nil {
		return err
	}
	defer src.Close()
	targets := o.by == "target"
	p, why, err := src.profiled(a.ctx, features.BehaviorConfig{Targets: targets})
	if err != nil {
		return err
	}
	if p == nil {
		return inputf("%s", why)
	}
	res := &scoredProfiles{By: o.by, Profiles: p.X.N, Few: p.Few, Requests: p.Seen, PerDay: perDay, Days: p.days, Alerts: []scoredProfile{}, Warnings: []string{}}
	n := p.X.N
	rows := make([]scoredProfile, n)
	var outlying []float64
	if !targets {
		specs, err := catalog.Resolve([]string{"behavior"})
		if err != nil {
			return err
		}
		lm, err := a.loadModel(specs[0], true)
		if err != nil {
			return err
		}
		m, ok := lm.model.(*dbscan.Model)
		if !ok {
			return statef("%s: a model of kind %q assigns no clusters", lm.origin, lm.model.Kind())
		}
		if err := checkBehaviorSchema(lm, m); err != nil {
			return err
		}
		if lm.file.Header.Data.Synthetic {
			res.Warnings = append(res.Warnings, "the clusters are those of synthetic traffic; `apiml train behavior` finds your own")
		}
		labels := make([]int32, n)
		m.Assign(labels, p.X, 0, n)
		res.Clusters = features.DescribeBehavior(p.BehaviorDataset, labels)
		kinds := map[int32]string{}
		for _, c := range res.Clusters {
			kinds[c.Label] = c.Kind
		}
		outlying = outlyingOf(m, p.X)
		for i, l := range labels {
			rows[i].Cluster, rows[i].Kind = &l, kinds[l]
			if !math.IsInf(outlying[i], 0) {
				rows[i].Outlying = &outlying[i]
			}
		}
	}
	if n < leastPrincipals {
		res.Warnings = append(res.Warnings, fmt.Sprintf("%d profiles are few: what is usual among them says little", n))
	}
	ev := features.BehaviorEvidence(p.BehaviorDataset, outlying)
	for i := range rows {
		r := &rows[i]
		if r.Principal = p.Principals[i]; targets {
			r.Principal, r.Target = "", p.Principals[i]
		}
		r.Requests, r.Class, r.Score, r.Features = p.Requests[i], ev[i].Class, ev[i].Score, append([]string{}, ev[i].Features...)
		r.Rules, _ = p.ruled(p.Principals[i])
	}
	for _, i := range alerts(ev, int(math.Ceil(perDay*p.days))) {
		rows[i].Alert = true
		res.Alerts = append(res.Alerts, rows[i])
	}
	if err := a.writeProfiles(rows, o); err != nil {
		return err
	}
	res.jsonHead = a.head("score")
	toOut := slices.Contains(o.outputs, "-")
	switch {
	case a.flags.json && toOut:
		return usagef("--json and -o - both want standard output")
	case a.flags.json:
		err = a.printJSON(res)
	case !toOut:
		err = a.printProfiles(res)
	}
	if err != nil {
		return err
	}
	if o.maxAlerts >= 0 && int64(len(res.Alerts)) > o.maxAlerts {
		return withCode(exitGate, fmt.Errorf("%s alerts, --max-alerts is %s", count(int64(len(res.Alerts))), count(o.maxAlerts)))
	}
	return nil
}

// checkBehaviorSchema refuses a model of other columns.
func checkBehaviorSchema(lm *loadedModel, m model.Model) error {
	if want := features.BehaviorSchema(); m.Schema().ID() != want.ID() {
		return statef("%s: it was fitted on other columns by another version: train it anew with `apiml train behavior`", lm.origin)
	}
	return nil
}

// writeProfiles writes all profiles, the most evidence first, or with --flagged
// the alerts.
func (a *app) writeProfiles(rows []scoredProfile, o scoreOptions) error {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(x, y scoredProfile) int { return cmp.Compare(y.Score, x.Score) })
	if o.flagged {
		rows = slices.DeleteFunc(rows, func(r scoredProfile) bool { return !r.Alert })
	}
	for _, path := range o.outputs {
		format, err := resultFormat(path, o.format)
		if err != nil {
			return err
		}
		out, err := a.create(path, 0o600)
		if err != nil {
			return err
		}
		defer out.Abort()
		if format == "jsonl" {
			enc := json.NewEncoder(out)
			enc.SetEscapeHTML(false)
			for i := range rows {
				if err := enc.Encode(&rows[i]); err != nil {
					return err
				}
			}
		} else {
			w := csv.NewWriter(out)
			w.Write([]string{o.by, "requests", "cluster", "cluster_kind", "outlying", "class", "score", "alert", "rule_hits", "features"})
			for _, r := range rows {
				cluster, outlying := "", ""
				if r.Cluster != nil {
					cluster = fmt.Sprint(*r.Cluster)
				}
				if r.Outlying != nil {
					outlying = strconv.FormatFloat(*r.Outlying, 'g', 6, 64)
				}
				rec := []string{cmp.Or(r.Principal, r.Target), fmt.Sprint(r.Requests), cluster, r.Kind, outlying, r.Class,
					strconv.FormatFloat(r.Score, 'f', 4, 64), strconv.FormatBool(r.Alert), fmt.Sprint(r.Rules), strings.Join(r.Features, "; ")}
				for j := range rec {
					rec[j] = formulaGuard(rec[j])
				}
				w.Write(rec)
			}
			w.Flush()
			if err := w.Error(); err != nil {
				return err
			}
		}
		if err := out.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printProfiles(res *scoredProfiles) error {
	noun := res.By + "s"
	fmt.Fprintf(a.out, "%s requests, %s %s with at least 5, %s with fewer; %s alerts within %.3g a day over %.3g days\n",
		count(res.Requests), count(int64(res.Profiles)), noun, count(int64(res.Few)), count(int64(len(res.Alerts))), res.PerDay, res.Days)
	for _, w := range res.Warnings {
		a.warnf("%s", w)
	}
	if len(res.Clusters) > 0 {
		if err := a.printClusters(res.Clusters); err != nil {
			return err
		}
	}
	if len(res.Alerts) == 0 {
		return nil
	}
	var rows [][]string
	for _, r := range res.Alerts[:min(len(res.Alerts), 20)] {
		row := []string{shorten(cmp.Or(r.Principal, r.Target), 60), count(r.Requests), r.Class, ratio(r.Score), count(r.Rules), strings.Join(r.Features, ", ")}
		rows = append(rows, row)
	}
	fmt.Fprintln(a.out)
	return table(a.out, []string{res.By, ">requests", "looks like", ">score", ">rule hits", "because of"}, rows)
}

// evaluateBehavior measures the clusters on a source; nil if it has no profiles.
func (a *app) evaluateBehavior(src *source, lm *loadedModel, m model.Clusterer, stored *storedMetrics, period time.Duration) (*train.Result, *behaviorView, error) {
	p, why, err := src.profiled(a.ctx, features.BehaviorConfig{})
	if err != nil {
		return nil, nil, err
	}
	if p == nil {
		return nil, nil, inputf("behavior: %s", why)
	}
	r, err := train.EvaluateClusterer(a.ctx, m, p.X, train.Options{Seed: a.cfg.Seed, CPU: cpuSeconds})
	if err != nil {
		return nil, nil, a.trainError(err)
	}
	if stored != nil && stored.CV != nil {
		r.Notes = append(r.Notes, "its stability over bootstraps is in the cross-validation: apiml models inspect behavior --json")
	}
	if src.synth[store.KindHTTP] {
		r.Synthetic = true
	}
	c, ok := m.(*dbscan.Model)
	if !ok {
		return r, nil, nil
	}
	v, err := a.viewBehavior(src, c, p, period)
	return r, v, err
}
