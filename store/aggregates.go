package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"apiml/traffic"
)

// The aggregates below feed the reports. All take a Filter on time and show the
// text as stored (always valid UTF-8). They are exact and the same on every
// run: counts and sums are of integers, quantiles interpolate between two rows, and every
// list has a total order.

// Latency sums up response times in seconds. All are 0 if Known is.
type Latency struct {
	Known              int64 // requests whose latency is known
	P50, P90, P95, P99 float64
	Total              float64 // sum, of values rounded to microseconds
}

// latencySQL selects a Latency; scan with its dst. least skips NULL, hence the
// FILTER. The quantiles are elements of one list, which sorts the values once.
const latencySQL = `count(latency), coalesce(` + quantilesSQL + `[1], 0), coalesce(` + quantilesSQL + `[2], 0),
 coalesce(` + quantilesSQL + `[3], 0), coalesce(` + quantilesSQL + `[4], 0),
 coalesce(sum(round(least(latency, 1e9) * 1e6)::BIGINT) FILTER (latency IS NOT NULL), 0)::DOUBLE / 1e6`

const quantilesSQL = "quantile_cont(latency, [0.5, 0.9, 0.95, 0.99])"

func (l *Latency) dst() []any {
	return []any{&l.Known, &l.P50, &l.P90, &l.P95, &l.P99, &l.Total}
}

// sumSQL is the sum of a BIGINT column that hostile values cannot overflow.
func sumSQL(column string) string {
	return "least(coalesce(sum(" + column + "), 0), 9223372036854775807)::BIGINT"
}

// folded is the template by which everything is grouped: the learned one if
// there is any.
const folded = "coalesce((SELECT min(folded) FROM templates WHERE raw = r.template), r.template)"

// Summary is the overview of a store.
type Summary struct {
	Requests, Flows int64
	First, Last     int64 // of the requests, microseconds UTC, traffic.NoTime if none has a time
	Principals      int64 // distinct
	Templates       int64 // distinct
	WithStatus      int64 // requests whose status is known
	Errors4xx       int64
	Errors5xx       int64
	BytesIn         int64
	BytesOut        int64
	Latency         Latency
	Labelled        int64 // requests whose label is known
	Attacks         int64 // of these, those that are not benign
	Scored          int64
	Flagged         int64
	Incidents       int64
}

// Share4xx is the share of requests with a known status that got a 4xx.
func (s Summary) Share4xx() float64 { return share(s.Errors4xx, s.WithStatus) }

// Share5xx is the share of requests with a known status that got a 5xx.
func (s Summary) Share5xx() float64 { return share(s.Errors5xx, s.WithStatus) }

func share(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// Summary returns the overview.
func (s *Store) Summary(ctx context.Context, f Filter) (Summary, error) {
	var m Summary
	dst := []any{&m.Requests, (*micros)(&m.First), (*micros)(&m.Last), &m.WithStatus, &m.Errors4xx, &m.Errors5xx, &m.BytesIn, &m.BytesOut, &m.Labelled, &m.Attacks}
	w := f.where()
	err := s.one(ctx, `SELECT count(*), min(time), max(time), count(status), count(*) FILTER (status BETWEEN 400 AND 499), count(*) FILTER (status BETWEEN 500 AND 599), `+
		sumSQL("bytes_in")+", "+sumSQL("bytes_out")+", count(label), count(*) FILTER (label <> 'none'), "+latencySQL+" FROM requests WHERE "+w, append(dst, m.Latency.dst()...)...)
	for _, q := range []struct {
		sql string
		dst []any
	}{
		// One DISTINCT at a time: each is a hash table of all its values.
		{"SELECT count(*) FROM " + s.byPrincipal(f), []any{&m.Principals}},
		{"SELECT count(*) FROM " + s.byName(f), []any{&m.Templates}},
		{"SELECT count(*) FROM flows WHERE " + w, []any{&m.Flows}},
		{"SELECT count(*), count(*) FILTER (flagged), count(DISTINCT incident) FROM scores WHERE " + w, []any{&m.Scored, &m.Flagged, &m.Incidents}},
	} {
		if err != nil {
			break
		}
		err = s.one(ctx, q.sql, q.dst...)
	}
	if err != nil {
		return Summary{}, fmt.Errorf("summary: %w", err)
	}
	return m, nil
}

// Timeline is what happened per interval of Step microseconds; the first begins
// at Start, a multiple of Step. All series have the same length, with zeros
// where nothing happened. Unlike Counts it includes the partial intervals at
// both ends.
type Timeline struct {
	Start, Step int64
	Requests    []int64
	Status      [6][]int64         // by status / 100: [2] is 2xx; [0] unknown or outside 100 to 599
	Flagged     map[string][]int64 // by class, of the scores; nil without scores
}

// Classes are the keys of Flagged in order.
func (t *Timeline) Classes() []string {
	var out []string
	for c := range t.Flagged {
		out = append(out, c)
	}
	slices.Sort(out)
	return out
}

// Timeline returns requests by status class, and flagged ones by attack class,
// over time.
func (s *Store) Timeline(ctx context.Context, step int64, f Filter) (Timeline, error) {
	out := Timeline{Step: step}
	if step <= 0 {
		return out, fmt.Errorf("timeline: step of %d microseconds", step)
	}
	w := f.where() + " AND time IS NOT NULL"
	var first, last micros
	if err := s.one(ctx, "SELECT min(a), max(b) FROM (SELECT min(time) a, max(time) b FROM requests WHERE "+w+" UNION ALL SELECT min(time), max(time) FROM scores WHERE "+w+")", &first, &last); err != nil {
		return out, fmt.Errorf("timeline: %w", err)
	}
	if first == traffic.NoTime {
		return out, nil
	}
	out.Start = floorDiv(int64(first), step) * step
	n := (int64(last)-out.Start)/step + 1
	if n > maxIntervals/10 {
		return out, tooMany("timeline", step, out.Start, int64(last))
	}
	at := fmt.Sprintf("(epoch_us(time) - %d) // %d", out.Start, step)
	type cell struct {
		at, n, status int64
		class         string
	}
	cells, err := rows(ctx, s, "SELECT "+at+" AS b, if(status BETWEEN 100 AND 599, status // 100, 0) AS c, count(*) FROM requests WHERE "+w+" GROUP BY b, c ORDER BY b, c",
		func(r rowScanner, c *cell) error { return r.Scan(&c.at, &c.status, &c.n) })
	if err != nil {
		return out, fmt.Errorf("timeline: %w", err)
	}
	out.Requests = make([]int64, n)
	for i := range out.Status {
		out.Status[i] = make([]int64, n)
	}
	for _, c := range cells {
		out.Requests[c.at] += c.n
		out.Status[c.status][c.at] += c.n
	}
	cells, err = rows(ctx, s, "SELECT "+at+" AS b, class, count(*) FROM scores WHERE flagged AND "+w+" GROUP BY b, class ORDER BY b, class",
		func(r rowScanner, c *cell) error { return r.Scan(&c.at, &c.class, &c.n) })
	if err != nil {
		return out, fmt.Errorf("timeline: %w", err)
	}
	for _, c := range cells {
		if out.Flagged == nil {
			out.Flagged = map[string][]int64{}
		}
		if out.Flagged[c.class] == nil {
			out.Flagged[c.class] = make([]int64, n)
		}
		out.Flagged[c.class][c.at] = c.n
	}
	return out, nil
}

// StatusCount is the number of requests with a status.
type StatusCount struct {
	Status   int32 // 0 = unknown
	Requests int64
}

// StatusMix returns the requests per status, in the order of status.
func (s *Store) StatusMix(ctx context.Context, f Filter) ([]StatusCount, error) {
	out, err := rows(ctx, s, "SELECT coalesce(status, 0) AS s, count(*) FROM requests WHERE "+f.where()+" GROUP BY s ORDER BY s",
		func(r rowScanner, c *StatusCount) error { return r.Scan(&c.Status, &c.Requests) })
	if err != nil {
		return nil, fmt.Errorf("status mix: %w", err)
	}
	return out, nil
}

// NameCount is a name and how often it occurs.
type NameCount struct {
	Name  string // "" = unknown
	Count int64
}

// MethodMix returns the requests per method, most frequent first.
func (s *Store) MethodMix(ctx context.Context, f Filter) ([]NameCount, error) {
	out, err := rows(ctx, s, "SELECT coalesce(method, '') AS m, count(*) AS n FROM requests WHERE "+f.where()+" GROUP BY m ORDER BY n DESC, m",
		func(r rowScanner, c *NameCount) error { return r.Scan(&c.Name, &c.Count) })
	if err != nil {
		return nil, fmt.Errorf("method mix: %w", err)
	}
	return out, nil
}

// TemplateStat is one line of the ranking of endpoints.
type TemplateStat struct {
	Template   string
	Requests   int64
	Share      float64 // of all requests
	Errors     int64   // status 400 and above
	ErrorShare float64 // of the requests with a known status
	Errors5xx  int64
	BytesOut   int64
	Latency    Latency
}

// TopTemplates returns the n most frequent templates, most frequent first.
func (s *Store) TopTemplates(ctx context.Context, n int, f Filter) ([]TemplateStat, error) {
	// The ranking first: quantiles of the chosen only.
	q := `WITH m AS MATERIALIZED (FROM ` + s.byName(f) + `),
 total AS (SELECT sum(n)::BIGINT AS all_requests FROM m),
 top AS MATERIALIZED (SELECT name, n::BIGINT AS k, e::BIGINT AS e, s::BIGINT AS s, e5::BIGINT AS e5, least(b, 9223372036854775807)::BIGINT AS b, lk::BIGINT AS lk, l::DOUBLE / 1e6 AS l
  FROM m ORDER BY k DESC, name LIMIT ` + fmt.Sprint(max(n, 0)) + `),
 names AS (SELECT template AS raw, name FROM ` + s.byTemplate(f) + ` WHERE name IN (SELECT name FROM top)),
 lat AS (SELECT name, ` + quantilesSQL + ` AS q FROM requests JOIN names ON requests.template = names.raw WHERE latency IS NOT NULL AND ` + f.where() + ` GROUP BY name)
SELECT name, k, all_requests, e, s, e5, b, lk, coalesce(q[1], 0), coalesce(q[2], 0), coalesce(q[3], 0), coalesce(q[4], 0), l FROM top LEFT JOIN lat USING (name), total ORDER BY k DESC, name`
	out, err := rows(ctx, s, q, func(r rowScanner, t *TemplateStat) error {
		var all, known int64
		dst := []any{&t.Template, &t.Requests, &all, &t.Errors, &known, &t.Errors5xx, &t.BytesOut}
		err := r.Scan(append(dst, t.Latency.dst()...)...)
		t.Share, t.ErrorShare = share(t.Requests, all), share(t.Errors, known)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("top templates: %w", err)
	}
	return out, nil
}

// AttackType is how often a class occurs: in the labels, and among the flagged
// requests of the last scoring.
type AttackType struct {
	Class    string
	Labelled int64 // requests with this label
	Flows    int64 // flows with this label
	Scored   int64 // scores of this class, flagged or not
	Flagged  int64
}

// AttackTypes returns all classes that occur, "none" too, in the order of
// traffic.Labels, unknown names last.
func (s *Store) AttackTypes(ctx context.Context, f Filter) ([]AttackType, error) {
	w := f.where()
	out, err := rows(ctx, s, `SELECT class, sum(a)::BIGINT, sum(b)::BIGINT, sum(c)::BIGINT, sum(d)::BIGINT FROM (
 SELECT label AS class, count(*) AS a, 0 AS b, 0 AS c, 0 AS d FROM requests WHERE label IS NOT NULL AND `+w+` GROUP BY label
 UNION ALL SELECT label, 0, count(*), 0, 0 FROM flows WHERE label IS NOT NULL AND `+w+` GROUP BY label
 UNION ALL SELECT class, 0, 0, count(*), count(*) FILTER (flagged) FROM scores WHERE `+w+` GROUP BY class) GROUP BY class ORDER BY class`,
		func(r rowScanner, a *AttackType) error {
			return r.Scan(&a.Class, &a.Labelled, &a.Flows, &a.Scored, &a.Flagged)
		})
	if err != nil {
		return nil, fmt.Errorf("attack types: %w", err)
	}
	rank := func(name string) int {
		l, err := traffic.ParseLabel(name)
		if err != nil {
			return 1 << 30
		}
		return int(l)
	}
	slices.SortStableFunc(out, func(a, b AttackType) int { return cmp.Compare(rank(a.Class), rank(b.Class)) })
	return out, nil
}

// PrincipalStat is what one principal did.
type PrincipalStat struct {
	Principal      string
	Requests       int64
	Errors         int64 // status 400 and above
	Flagged        int64
	MaxProbability float64  // of its scores
	Classes        []string // of its flagged requests, sorted
	First, Last    int64    // microseconds UTC, traffic.NoTime if unknown
}

// TopPrincipals returns n principals: those with the most flagged requests
// first, then those with the most requests.
func (s *Store) TopPrincipals(ctx context.Context, n int, f Filter) ([]PrincipalStat, error) {
	w := f.where()
	// With n flagged principals or more only those can be chosen that have at least
	// as many flagged requests as the n-th of them: the others need not be counted.
	among, r, sc := "", "true", w
	var flagged int64
	if err := s.one(ctx, "SELECT count(DISTINCT principal) FROM "+s.hits(f)+" WHERE flagged", &flagged); err != nil {
		return nil, fmt.Errorf("top principals: %w", err)
	}
	if n > 0 && flagged >= int64(n) {
		among = `f AS MATERIALIZED (SELECT principal, count(*) AS k FROM ` + s.hits(f) + ` WHERE flagged GROUP BY principal),
 few AS MATERIALIZED (SELECT principal FROM f WHERE k >= (SELECT k FROM f ORDER BY k DESC LIMIT 1 OFFSET ` + fmt.Sprint(n-1) + `)), `
		r, sc = "principal IN (SELECT principal FROM few)", "principal IN (SELECT principal FROM few) AND "+w
	}
	// The classes of the chosen only: a list per principal is slow.
	q := `WITH ` + among + `r AS (SELECT principal, n, e AS errors, a, b FROM ` + s.byPrincipal(f) + ` WHERE ` + r + `),
 s AS (SELECT principal, count(*) FILTER (flagged) AS flagged, max(probability) AS p, min(time) AS a, max(time) AS b FROM scores WHERE ` + sc + ` GROUP BY principal),
 top AS MATERIALIZED (SELECT principal, coalesce(n, 0) AS n, coalesce(errors, 0) AS errors, coalesce(flagged, 0) AS flagged, coalesce(p, 0) AS p, coalesce(r.a, s.a) AS a, coalesce(r.b, s.b) AS b
  FROM r FULL JOIN s USING (principal) ORDER BY flagged DESC, n DESC, principal LIMIT ` + fmt.Sprint(max(n, 0)) + `),
 c AS (SELECT principal, list_sort(list(DISTINCT class)) AS classes FROM ` + s.hits(f) + ` WHERE flagged AND principal IN (SELECT principal FROM top) GROUP BY principal)
SELECT principal, n, errors, flagged, p, coalesce(array_to_string(classes, ','), ''), a, b FROM top LEFT JOIN c USING (principal) ORDER BY flagged DESC, n DESC, principal`
	out, err := rows(ctx, s, q, func(r rowScanner, p *PrincipalStat) error {
		var classes string
		err := r.Scan(&p.Principal, &p.Requests, &p.Errors, &p.Flagged, &p.MaxProbability, &classes, (*micros)(&p.First), (*micros)(&p.Last))
		p.Classes = split(classes)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("top principals: %w", err)
	}
	return out, nil
}

// split is the inverse of a join with commas; nil for "".
func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// TargetStat is a template under attack.
type TargetStat struct {
	Template       string
	Scored         int64 // requests with a score
	Flagged        int64
	Principals     int64 // distinct, of the flagged requests
	MaxProbability float64
	Classes        []string
	Example        string // the target of the most probable attack
}

// TopTargets returns the n templates with the most flagged requests, most
// first.
func (s *Store) TopTargets(ctx context.Context, n int, f Filter) ([]TargetStat, error) {
	q := `WITH h AS MATERIALIZED (SELECT template, principal, probability, class, target, file, line FROM ` + s.hits(f) + ` WHERE flagged),
 names AS MATERIALIZED (SELECT template, ` + folded + ` AS name FROM (SELECT DISTINCT template FROM h) r),
 x AS (SELECT name, principal, probability, class, target,
  row_number() OVER (PARTITION BY name ORDER BY probability DESC, target, file, line) AS i FROM h JOIN names USING (template)),
 top AS MATERIALIZED (SELECT name, count(*) AS k, count(DISTINCT principal) AS principals, max(probability) AS p, array_to_string(list_sort(list(DISTINCT class)), ',') AS classes, min(target) FILTER (i = 1) AS example
  FROM x GROUP BY name ORDER BY k DESC, name LIMIT ` + fmt.Sprint(max(n, 0)) + `),
 t AS (SELECT name, count(*) AS total FROM scores JOIN names USING (template) WHERE name IN (SELECT name FROM top) AND ` + f.where() + ` GROUP BY name)
SELECT name, total, k, principals, p, classes, example FROM top JOIN t USING (name) ORDER BY k DESC, name`
	out, err := rows(ctx, s, q, func(r rowScanner, t *TargetStat) error {
		var classes string
		err := r.Scan(&t.Template, &t.Scored, &t.Flagged, &t.Principals, &t.MaxProbability, &classes, &t.Example)
		t.Classes = split(classes)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("top targets: %w", err)
	}
	return out, nil
}

// Incident is a group of scores that belong together.
type Incident struct {
	ID             string
	Class          string // the most frequent one of its flagged scores
	Requests       int64
	Principals     int64
	Targets        int64 // distinct templates, not folded
	MaxProbability float64
	MaxAnomaly     float64
	First, Last    int64
	Principal      string // the one with the most requests
	Template       string // the most frequent one
	File           string // of the most probable request: the first line of evidence
	Line           int64
	Target         string
}

// Incidents returns n incidents, those of the highest probability first, then
// the larger ones.
func (s *Store) Incidents(ctx context.Context, n int, f Filter) ([]Incident, error) {
	most := func(column string) string { // the most frequent value per incident, ties by name
		return "(SELECT incident, " + column + ", row_number() OVER (PARTITION BY incident ORDER BY count(*) DESC, " + column + ") AS i FROM x GROUP BY incident, " + column + ")"
	}
	q := `WITH x AS MATERIALIZED (SELECT incident, class, principal, template, probability, anomaly, flagged, time, file, line, target FROM ` + s.hits(f) + ` WHERE incident IS NOT NULL),
 top AS MATERIALIZED (SELECT incident, count(*) AS k, count(DISTINCT principal) AS principals, count(DISTINCT template) AS targets, max(probability) AS p, max(anomaly) AS o, min(time) AS a, max(time) AS b
  FROM x GROUP BY incident ORDER BY p DESC, k DESC, incident LIMIT ` + fmt.Sprint(max(n, 0)) + `),
 c AS ` + strings.Replace(most("class"), "FROM x", "FROM x WHERE flagged", 1) + `, pr AS ` + most("principal") + `, tp AS ` + most("template") + `,
 e AS (SELECT incident, file, line, target, row_number() OVER (PARTITION BY incident ORDER BY probability DESC, time, file, line) AS i FROM x)
SELECT incident, coalesce(class, 'none'), k, principals, targets, p, o, a, b, principal, template, file, line, target
FROM top LEFT JOIN (FROM c WHERE i = 1) USING (incident) JOIN (FROM pr WHERE i = 1) USING (incident) JOIN (FROM tp WHERE i = 1) USING (incident) JOIN (FROM e WHERE i = 1) USING (incident)
ORDER BY p DESC, k DESC, incident`
	out, err := rows(ctx, s, q, func(r rowScanner, i *Incident) error {
		return r.Scan(&i.ID, &i.Class, &i.Requests, &i.Principals, &i.Targets, &i.MaxProbability, &i.MaxAnomaly,
			(*micros)(&i.First), (*micros)(&i.Last), &i.Principal, &i.Template, &i.File, &i.Line, &i.Target)
	})
	if err != nil {
		return nil, fmt.Errorf("incidents: %w", err)
	}
	return out, nil
}

// TopScores returns the n flagged scores of the highest probability, highest
// first.
func (s *Store) TopScores(ctx context.Context, n int, f Filter) ([]Score, error) {
	q := `SELECT file, line, time, principal, coalesce(method, ''), target, coalesce(status, 0), class, probability, anomaly, flagged,
 coalesce(rules, ''), coalesce(reasons, ''), coalesce(incident, ''), coalesce(label, '')
FROM scores WHERE flagged AND ` + f.where() + ` ORDER BY probability DESC, anomaly DESC, time, file, line, target LIMIT ` + fmt.Sprint(max(n, 0))
	out, err := rows(ctx, s, q, func(r rowScanner, v *Score) error {
		var label string
		err := r.Scan(&v.File, &v.Line, (*micros)(&v.Time), &v.Principal, &v.Method, &v.Target, &v.Status, &v.Class, &v.Probability, &v.Anomaly, &v.Flagged,
			&v.Rules, &v.Reasons, &v.Incident, &label)
		v.Label, _ = traffic.ParseLabel(label)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("top scores: %w", err)
	}
	return out, nil
}

// RejectReason is why lines were rejected, with samples.
type RejectReason struct {
	Reason  string
	Count   int64
	Samples []traffic.Reject // the first of them, by input and position
}

// Rejects returns the rejects by reason, most frequent first, each with up to
// samples of them.
func (s *Store) Rejects(ctx context.Context, samples int) ([]RejectReason, error) {
	out, err := rows(ctx, s, "SELECT reason, count(*) AS n FROM rejects GROUP BY reason ORDER BY n DESC, reason",
		func(r rowScanner, v *RejectReason) error { return r.Scan(&v.Reason, &v.Count) })
	if err != nil {
		return nil, fmt.Errorf("rejects: %w", err)
	}
	index := map[string]*RejectReason{}
	for i := range out {
		index[out[i].Reason] = &out[i]
	}
	q := `SELECT coalesce(name, ''), line, byte_offset, reason, raw FROM (
 SELECT *, row_number() OVER (PARTITION BY reason ORDER BY input, byte_offset, line, raw) AS i FROM rejects) r LEFT JOIN inputs ON inputs.id = r.input
WHERE i <= ` + fmt.Sprint(samples) + ` ORDER BY reason, i`
	some, err := rows(ctx, s, q, func(r rowScanner, v *traffic.Reject) error {
		return r.Scan(&v.File, &v.Line, &v.Offset, &v.Reason, &v.Raw)
	})
	if err != nil {
		return nil, fmt.Errorf("rejects: %w", err)
	}
	for _, v := range some {
		r := index[v.Reason]
		r.Samples = append(r.Samples, v)
	}
	return out, nil
}
