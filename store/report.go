package store

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// What the report shows beyond the rankings of aggregates.go: days, refusals,
// networks, latency by hour, users, evidence, and what was flagged wrongly. The
// same rules hold: exact, one order, filtered by time.

// refusedSQL are the statuses by which a server, or a firewall in front of it,
// refuses a request: 401 and 403 (who), 406 (what: ModSecurity's default), 429
// (how often), 444 (NGINX: closed without an answer).
const refusedSQL = "(401, 403, 406, 429, 444)"

// RefusedStatuses are these statuses in order.
func RefusedStatuses() []int32 { return []int32{401, 403, 406, 429, 444} }

const dayMicros = 24 * 60 * 60 * 1_000_000

// Day is what happened on one day, UTC.
type Day struct {
	Start     int64 // microseconds UTC
	Requests  int64
	Errors4xx int64
	Errors5xx int64
	Refused   int64
	Scored    int64
	Flagged   int64
	Through   int64 // flagged ones that were answered with a status from 100 to 399
	Incidents int64 // with a request on this day
}

// Days returns the days with requests or scores in order; days without are not
// among them.
func (s *Store) Days(ctx context.Context, f Filter) ([]Day, error) {
	w := f.where() + " AND time IS NOT NULL"
	q := fmt.Sprintf(`WITH r AS (SELECT epoch_us(time) // %d AS d, count(*) AS n, count(*) FILTER (status BETWEEN 400 AND 499) AS e4, count(*) FILTER (status BETWEEN 500 AND 599) AS e5,
  count(*) FILTER (status IN %s) AS refused FROM requests WHERE %s GROUP BY d),
 s AS (SELECT epoch_us(time) // %[1]d AS d, count(*) AS scored, count(*) FILTER (flagged) AS flagged, count(*) FILTER (flagged AND status BETWEEN 100 AND 399) AS through, count(DISTINCT incident) AS incidents
  FROM scores WHERE %[3]s GROUP BY d)
SELECT d * %[1]d, coalesce(n, 0), coalesce(e4, 0), coalesce(e5, 0), coalesce(refused, 0), coalesce(scored, 0), coalesce(flagged, 0), coalesce(through, 0), coalesce(incidents, 0)
FROM r FULL JOIN s USING (d) ORDER BY d`, dayMicros, refusedSQL, w)
	out, err := rows(ctx, s, q, func(r rowScanner, d *Day) error {
		return r.Scan(&d.Start, &d.Requests, &d.Errors4xx, &d.Errors5xx, &d.Refused, &d.Scored, &d.Flagged, &d.Through, &d.Incidents)
	})
	if err != nil {
		return nil, fmt.Errorf("days: %w", err)
	}
	return out, nil
}

// Refused is how often a status of refusal was given, and what the scores say
// of these requests.
type Refused struct {
	Status   int32
	Requests int64
	Scored   int64
	Flagged  int64
}

// RefusedMix returns the refusals by status, those that occur, in order.
func (s *Store) RefusedMix(ctx context.Context, f Filter) ([]Refused, error) {
	w := "status IN " + refusedSQL + " AND " + f.where()
	out, err := rows(ctx, s, `SELECT status, sum(n)::BIGINT, sum(k)::BIGINT, sum(g)::BIGINT FROM (
 SELECT status, count(*) AS n, 0 AS k, 0 AS g FROM requests WHERE `+w+` GROUP BY status
 UNION ALL SELECT status, 0, count(*), count(*) FILTER (flagged) FROM scores WHERE `+w+` GROUP BY status) GROUP BY status ORDER BY status`,
		func(r rowScanner, v *Refused) error { return r.Scan(&v.Status, &v.Requests, &v.Scored, &v.Flagged) })
	if err != nil {
		return nil, fmt.Errorf("refused requests: %w", err)
	}
	return out, nil
}

// RefusedTimeline returns the refusals per interval of t, by status; nil for a
// status that does not occur.
func (s *Store) RefusedTimeline(ctx context.Context, t Timeline, f Filter) (map[int32][]int64, error) {
	if len(t.Requests) == 0 {
		return nil, nil
	}
	type cell struct {
		at, n  int64
		status int32
	}
	cells, err := rows(ctx, s, fmt.Sprintf("SELECT (epoch_us(time) - %d) // %d AS b, status, count(*) FROM requests WHERE status IN %s AND time IS NOT NULL AND %s GROUP BY b, status ORDER BY b, status",
		t.Start, t.Step, refusedSQL, f.where()), func(r rowScanner, c *cell) error { return r.Scan(&c.at, &c.status, &c.n) })
	if err != nil {
		return nil, fmt.Errorf("refused requests: %w", err)
	}
	out := map[int32][]int64{}
	for _, c := range cells {
		if c.at < 0 || c.at >= int64(len(t.Requests)) {
			continue // came in after t was made
		}
		if out[c.status] == nil {
			out[c.status] = make([]int64, len(t.Requests))
		}
		out[c.status][c.at] += c.n
	}
	return out, nil
}

// FalsePositive is how often benign requests were flagged as a class, or at a
// template.
type FalsePositive struct {
	Class    string // "" in the list of templates
	Template string // "" in the list of classes
	Flagged  int64
	Benign   int64 // of these with the label none
	Attacks  int64 // of these with another one
	File     string
	Line     int64 // of the surest wrong one
	Target   string
}

// FalsePositives looks at the scored requests whose label is known and were not
// fitted on: by predicted class, and the n templates with the most benign
// requests flagged.
func (s *Store) FalsePositives(ctx context.Context, n int, f Filter) (classes, templates []FalsePositive, err error) {
	from := s.hits(f) + " WHERE flagged AND label IS NOT NULL"
	scan := func(r rowScanner, v *FalsePositive) error {
		return r.Scan(&v.Class, &v.Template, &v.Flagged, &v.Benign, &v.Attacks, &v.File, &v.Line, &v.Target)
	}
	const counts = "count(*), count(*) FILTER (label = 'none') AS k, count(*) FILTER (label <> 'none')"
	classes, err = rows(ctx, s, "SELECT class, '', "+counts+", '', 0, '' FROM "+from+" GROUP BY class ORDER BY k DESC, class", scan)
	if err == nil {
		templates, err = rows(ctx, s, `WITH h AS MATERIALIZED (FROM `+from+`),
 names AS (SELECT template, `+folded+` AS name FROM (SELECT DISTINCT template FROM h WHERE label = 'none') r),
 x AS (SELECT name, label, file, line, target, row_number() OVER (PARTITION BY name, label = 'none' ORDER BY probability DESC, time, file, line, target) AS i FROM h JOIN names USING (template))
SELECT '', name, `+counts+`, coalesce(min(file) FILTER (i = 1 AND label = 'none'), ''), coalesce(min(line) FILTER (i = 1 AND label = 'none'), 0), coalesce(min(target) FILTER (i = 1 AND label = 'none'), '')
FROM x GROUP BY name HAVING k > 0 ORDER BY k DESC, name LIMIT `+fmt.Sprint(max(n, 0)), scan)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("false positives: %w", err)
	}
	return classes, templates, nil
}

// Evidence returns up to n scores of each of the incidents, the surest first,
// in the order of ids.
func (s *Store) Evidence(ctx context.Context, ids []string, n int, f Filter) (map[string][]Score, error) {
	out := map[string][]Score{}
	if len(ids) == 0 {
		return out, nil
	}
	// Incident IDs come from the store, and the store may come from anywhere.
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	marks := strings.TrimSuffix(strings.Repeat("?,", len(ids)), ",")
	list, err := rows(ctx, s, `WITH x AS MATERIALIZED (SELECT *, row_number() OVER (PARTITION BY incident ORDER BY probability DESC, time, file, line, target) AS i
 FROM `+s.hits(f)+` WHERE incident IN (`+marks+`) QUALIFY i <= `+fmt.Sprint(n)+`),
 w AS (SELECT rowid AS id, reasons FROM scores WHERE rowid IN (SELECT id FROM x))
SELECT incident, file, line, time, principal, coalesce(method, ''), target, coalesce(status, 0), class, probability, coalesce(rules, ''), coalesce(reasons, '')
FROM x JOIN w USING (id) ORDER BY incident, i`, func(r rowScanner, v *Score) error {
		return r.Scan(&v.Incident, &v.File, &v.Line, (*micros)(&v.Time), &v.Principal, &v.Method, &v.Target, &v.Status, &v.Class, &v.Probability, &v.Rules, &v.Reasons)
	}, args...)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	for _, v := range list {
		out[v.Incident] = append(out[v.Incident], v)
	}
	return out, nil
}

// Network is the traffic of one network: an IPv4 /24 or IPv6 /48, or the address
// as it stands if it is none (a name, a pseudonym).
type Network struct {
	Network  string
	Clients  int64 // distinct addresses
	Requests int64
	Errors   int64 // status 400 and above
	Flagged  int64
}

// Networks returns n networks, those with the most flagged requests first, then
// those with the most requests, and the number of all. The address is the one
// that the principal is made from: the first forwarded one, else the connecting
// one.
func (s *Store) Networks(ctx context.Context, n int, f Filter) ([]Network, int64, error) {
	// IPv4 is folded in SQL: it is most of the addresses. IPv6 is folded here.
	const address = "if(forwarded <> '-', trim(split_part(forwarded, ',', 1)), coalesce(client, ''))"
	const v4 = `regexp_full_match(a, '[0-9]{1,3}(\.[0-9]{1,3}){3}')`
	w := f.where()
	net := "if(" + v4 + ", regexp_replace(a, '[0-9]+$', '0/24'), a)"
	// Grouped by what is stored first: there are far fewer pairs than requests.
	list, err := rows(ctx, s, `WITH f AS MATERIALIZED (SELECT DISTINCT i.id AS input, h.line AS line, h.time AS time FROM `+s.hits(f)+` h JOIN inputs i ON i.name = h.file WHERE h.flagged),
 hits AS (SELECT `+address+` AS a, count(*) AS g FROM request_rows r JOIN f ON r.input = f.input AND r.line = f.line AND r.time IS NOT DISTINCT FROM f.time GROUP BY a),
 pairs AS (SELECT client, forwarded, count(*) AS n, count(*) FILTER (status >= 400) AS e FROM request_rows WHERE `+w+` GROUP BY client, forwarded),
 seen AS (SELECT `+address+` AS a, sum(n) AS n, sum(e) AS e FROM pairs GROUP BY a)
SELECT `+net+` AS net, count(*), sum(n)::BIGINT, sum(e)::BIGINT, coalesce(sum(g), 0)::BIGINT FROM seen LEFT JOIN hits USING (a) WHERE a <> '' GROUP BY net ORDER BY net`,
		func(r rowScanner, v *Network) error {
			return r.Scan(&v.Network, &v.Clients, &v.Requests, &v.Errors, &v.Flagged)
		})
	if err != nil {
		return nil, 0, fmt.Errorf("networks: %w", err)
	}
	at := map[string]int{}
	var out []Network
	for _, v := range list {
		if a, err := netip.ParseAddr(v.Network); err == nil && a.Is6() {
			bits := 48
			if a = a.WithZone("").Unmap(); a.Is4() {
				bits = 24
			}
			if p, err := a.Prefix(bits); err == nil {
				v.Network = p.String()
			}
		}
		i, ok := at[v.Network]
		if !ok {
			at[v.Network] = len(out)
			out = append(out, v)
			continue
		}
		o := &out[i]
		o.Clients, o.Requests, o.Errors, o.Flagged = o.Clients+v.Clients, o.Requests+v.Requests, o.Errors+v.Errors, o.Flagged+v.Flagged
	}
	slices.SortFunc(out, func(a, b Network) int {
		return cmp.Or(cmp.Compare(b.Flagged, a.Flagged), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Network, b.Network))
	})
	all := int64(len(out))
	return out[:min(len(out), max(n, 0))], all, nil
}

// HourCell is the latency in one hour of the day, in seconds.
type HourCell struct {
	Weekday  int    // 0 = Monday, in the heat map of the week
	Template string // in that of templates
	Hour     int    // UTC
	Requests int64
	Known    int64 // requests whose latency is known
	P50, P95 float64
}

// LatencyByWeek returns the cells of hour × weekday that have requests.
func (s *Store) LatencyByWeek(ctx context.Context, f Filter) ([]HourCell, error) {
	out, err := rows(ctx, s, `SELECT isodow(time) - 1 AS d, hour(time) AS h, count(*), count(latency), coalesce(quantile_cont(latency, [0.5, 0.95])[1], 0), coalesce(quantile_cont(latency, [0.5, 0.95])[2], 0)
FROM requests WHERE time IS NOT NULL AND `+f.where()+` GROUP BY d, h ORDER BY d, h`,
		func(r rowScanner, c *HourCell) error {
			return r.Scan(&c.Weekday, &c.Hour, &c.Requests, &c.Known, &c.P50, &c.P95)
		})
	if err != nil {
		return nil, fmt.Errorf("latency by week: %w", err)
	}
	return out, nil
}

// LatencyByTemplate returns the cells of template × hour for the n templates on
// which the most time was spent, these in that order.
func (s *Store) LatencyByTemplate(ctx context.Context, n int, f Filter) ([]HourCell, error) {
	w := "time IS NOT NULL AND latency IS NOT NULL AND " + f.where()
	q := `WITH top AS (SELECT name, row_number() OVER (ORDER BY lt DESC, name) AS place FROM (FROM ` + s.byName(f) + ` WHERE lk > 0 ORDER BY lt DESC, name LIMIT ` + fmt.Sprint(max(n, 0)) + `)),
 names AS (SELECT template AS raw, name, place FROM ` + s.byTemplate(f) + ` JOIN top USING (name))
SELECT name, hour(time) AS h, count(*), count(latency), quantile_cont(latency, [0.5, 0.95])[1], quantile_cont(latency, [0.5, 0.95])[2]
FROM requests JOIN names ON requests.template = names.raw WHERE ` + w + ` GROUP BY place, name, h ORDER BY place, h`
	out, err := rows(ctx, s, q, func(r rowScanner, c *HourCell) error {
		return r.Scan(&c.Template, &c.Hour, &c.Requests, &c.Known, &c.P50, &c.P95)
	})
	if err != nil {
		return nil, fmt.Errorf("latency by template: %w", err)
	}
	return out, nil
}

// UserStat is what one authenticated user did.
type UserStat struct {
	User        string
	Requests    int64
	Writes      int64 // neither GET, HEAD, OPTIONS nor TRACE
	Denied      int64 // 401 and 403
	Errors      int64 // status 400 and above, denied ones too
	Clients     int64 // distinct connecting addresses
	First, Last int64 // microseconds UTC, traffic.NoTime if unknown
	Template    string
}

// Users returns n users, those with the most denied requests first, then those
// with the most requests, and the number of all.
func (s *Store) Users(ctx context.Context, n int, f Filter) ([]UserStat, int64, error) {
	w := `"user" <> '-' AND ` + f.where()
	var all int64
	if err := s.one(ctx, `SELECT count(*) FROM (SELECT DISTINCT "user" FROM requests WHERE `+w+")", &all); err != nil {
		return nil, 0, fmt.Errorf("users: %w", err)
	}
	if all == 0 {
		return nil, 0, nil
	}
	q := `WITH top AS (SELECT "user" AS u, count(*) AS n, count(*) FILTER (method NOT IN ('GET', 'HEAD', 'OPTIONS', 'TRACE')) AS w, count(*) FILTER (status IN (401, 403)) AS denied, count(*) FILTER (status >= 400) AS e, min(time) AS a, max(time) AS b
  FROM requests WHERE ` + w + ` GROUP BY u ORDER BY denied DESC, n DESC, u LIMIT ` + fmt.Sprint(max(n, 0)) + `),
 c AS (SELECT "user" AS u, count(DISTINCT client) AS clients FROM requests WHERE "user" IN (SELECT u FROM top) AND ` + w + ` GROUP BY u),
 t AS (SELECT u, template FROM (SELECT "user" AS u, ` + folded + ` AS template, count(*) AS k FROM requests r WHERE "user" IN (SELECT u FROM top) AND ` + w + ` GROUP BY ALL)
  QUALIFY row_number() OVER (PARTITION BY u ORDER BY k DESC, template) = 1)
SELECT u, n, w, denied, e, clients, a, b, template FROM top JOIN c USING (u) JOIN t USING (u) ORDER BY denied DESC, n DESC, u`
	out, err := rows(ctx, s, q, func(r rowScanner, v *UserStat) error {
		return r.Scan(&v.User, &v.Requests, &v.Writes, &v.Denied, &v.Errors, &v.Clients, (*micros)(&v.First), (*micros)(&v.Last), &v.Template)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("users: %w", err)
	}
	return out, all, nil
}

// ScoredBenign is the number of scored requests with the label none.
func (s *Store) ScoredBenign(ctx context.Context, f Filter) (int64, error) {
	var n int64
	if err := s.one(ctx, "SELECT count(*) FROM scores WHERE label = 'none' AND "+f.where(), &n); err != nil {
		return 0, fmt.Errorf("scored benign requests: %w", err)
	}
	return n, nil
}

// Newcomer is a template or an agent that did not occur before a time.
type Newcomer struct {
	Name       string
	Requests   int64
	Errors     int64 // status 400 and above
	Principals int64
	First      int64
}

// Newcomers returns the n templates (folded) or agents with the most requests
// within f that do not occur before f.Since, and the number of all such.
func (s *Store) Newcomers(ctx context.Context, column string, n int, f Filter) ([]Newcomer, int64, error) {
	name := map[string]string{"template": "template", "agent": "agent"}[column]
	if name == "" {
		return nil, 0, fmt.Errorf("newcomers: no column %q", column)
	}
	fold := func(from string) string { // (raw, …) with the name that it is grouped by
		if name == "agent" {
			return "SELECT *, raw AS name FROM " + from
		}
		return "SELECT *, " + strings.ReplaceAll(folded, "r.template", "r.raw") + " AS name FROM " + from + " r"
	}
	some := name + " IS NOT NULL AND " + name + " <> '' AND "
	old := "SELECT name FROM (" + fold("(SELECT DISTINCT "+name+" AS raw FROM requests WHERE "+some+Filter{Until: f.Since}.where()+")") + ")"
	if name == "template" && s.digest != nil && s.digest.filter == (Filter{}) {
		old = "SELECT name FROM " + s.byTemplate(Filter{}) + " WHERE template <> '' AND a < " + sqlTime(f.Since)
	}
	q := `WITH c AS (SELECT ` + name + ` AS raw, count(*) AS n, count(*) FILTER (status >= 400) AS e, min(time) AS a FROM requests WHERE ` + some + f.where() + ` GROUP BY raw),
 m AS MATERIALIZED (` + fold("c") + `),
 g AS (SELECT name, sum(n)::BIGINT AS n, sum(e)::BIGINT AS e, min(a) AS a FROM m WHERE name NOT IN (` + old + `) GROUP BY name),
 top AS (SELECT *, count(*) OVER () AS everything FROM g ORDER BY n DESC, name LIMIT ` + fmt.Sprint(max(n, 0)) + `),
 p AS (SELECT m.name AS name, count(DISTINCT principal) AS p FROM requests JOIN m ON requests.` + name + ` = m.raw WHERE m.name IN (SELECT name FROM top) AND ` + f.where() + ` GROUP BY m.name)
SELECT name, n, e, p, a, everything FROM top JOIN p USING (name) ORDER BY n DESC, name`
	all := int64(0)
	out, err := rows(ctx, s, q, func(r rowScanner, v *Newcomer) error {
		return r.Scan(&v.Name, &v.Requests, &v.Errors, &v.Principals, (*micros)(&v.First), &all)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("new %ss: %w", column, err)
	}
	return out, all, nil
}

// Movement is a principal whose requests changed between two times.
type Movement struct {
	Principal   string
	Before, Now int64
}

// Crowd is who came at a time, beside the time before.
type Crowd struct {
	Now       int64 // principals
	Returning int64 // of these, those that came in the time before too
	Gone      int64 // that came in the time before and not now
	Movements []Movement
}

// Movements compares the principals of two times; n of them moved most, by the
// difference of their requests.
func (s *Store) Movements(ctx context.Context, n int, now, before Filter) (Crowd, error) {
	var c Crowd
	const x = `WITH a AS (SELECT principal, count(*) AS k FROM requests WHERE %s GROUP BY principal), b AS (SELECT principal, count(*) AS k FROM requests WHERE %s GROUP BY principal),
 x AS (SELECT principal, coalesce(b.k, 0) AS before, coalesce(a.k, 0) AS now FROM a FULL JOIN b USING (principal)) `
	with := fmt.Sprintf(x, now.where(), before.where())
	err := s.one(ctx, with+"SELECT count(*) FILTER (now > 0), count(*) FILTER (now > 0 AND before > 0), count(*) FILTER (now = 0) FROM x", &c.Now, &c.Returning, &c.Gone)
	if err == nil {
		c.Movements, err = rows(ctx, s, with+"SELECT principal, before, now FROM x WHERE now <> before ORDER BY abs(now - before) DESC, principal LIMIT "+fmt.Sprint(max(n, 0)),
			func(r rowScanner, m *Movement) error { return r.Scan(&m.Principal, &m.Before, &m.Now) })
	}
	if err != nil {
		return Crowd{}, fmt.Errorf("movements: %w", err)
	}
	return c, nil
}

// KindStat is what principals of one kind did.
type KindStat struct {
	Kind       string // "user", "session" or "client", by how they are told apart
	Principals int64
	Requests   int64
	P50, P99   float64 // requests per principal
	Most       int64   // of one principal
	Top        int64   // requests of those with at least as many as 99 % of them
}

// Kinds returns the kinds of principals, in order of their requests.
func (s *Store) Kinds(ctx context.Context, f Filter) ([]KindStat, error) {
	out, err := rows(ctx, s, `WITH p AS MATERIALIZED (SELECT split_part(principal, ':', 1) AS kind, n FROM `+s.byPrincipal(f)+`),
 q AS (SELECT kind, quantile_disc(n, 0.99) AS q FROM p GROUP BY kind)
SELECT kind, count(*), sum(n)::BIGINT AS k, quantile_cont(n, 0.5), quantile_cont(n, 0.99), max(n), sum(n) FILTER (n >= q)::BIGINT FROM p JOIN q USING (kind) GROUP BY kind ORDER BY k DESC, kind`,
		func(r rowScanner, k *KindStat) error {
			return r.Scan(&k.Kind, &k.Principals, &k.Requests, &k.P50, &k.P99, &k.Most, &k.Top)
		})
	if err != nil {
		return nil, fmt.Errorf("kinds of principals: %w", err)
	}
	return out, nil
}

// CacheStat is what the cache in front did for a template.
type CacheStat struct {
	Template string // "" = all
	Requests int64  // whose cache status is known
	Hits     int64  // HIT, STALE, UPDATING and REVALIDATED: answered from the cache
	Bytes    int64  // sent
	HitBytes int64  // of these from the cache
}

// CacheStats returns the sum over all, and the n templates with the most requests
// that missed.
func (s *Store) CacheStats(ctx context.Context, n int, f Filter) (all CacheStat, out []CacheStat, err error) {
	q := `WITH t AS MATERIALIZED (SELECT name, ck::BIGINT AS k, ch::BIGINT AS h, least(cb, 9223372036854775807)::BIGINT AS b, least(chb, 9223372036854775807)::BIGINT AS hb FROM ` + s.byName(f) + ` WHERE ck > 0)
(SELECT '' AS name, coalesce(sum(k), 0)::BIGINT AS k, coalesce(sum(h), 0)::BIGINT AS h, least(coalesce(sum(b), 0), 9223372036854775807)::BIGINT AS b, least(coalesce(sum(hb), 0), 9223372036854775807)::BIGINT AS hb, 0 AS place FROM t)
UNION ALL (SELECT name, k, h, b, hb, 1 + row_number() OVER (ORDER BY k - h DESC, name) AS place FROM (FROM t ORDER BY k - h DESC, name LIMIT ` + fmt.Sprint(max(n, 0)) + `)) ORDER BY place`
	list, err := rows(ctx, s, q, func(r rowScanner, v *CacheStat) error {
		var place int64
		return r.Scan(&v.Template, &v.Requests, &v.Hits, &v.Bytes, &v.HitBytes, &place)
	})
	if err != nil {
		return all, nil, fmt.Errorf("cache: %w", err)
	}
	return list[0], list[1:], nil
}

// Concurrency returns how many requests were under way per interval of t, on the
// mean: the seconds spent on those that ended in it over its length (Little 1961;
// a request that spans intervals counts in its last). Intervals without a known
// latency are 0.
func (s *Store) Concurrency(ctx context.Context, t Timeline, f Filter) ([]float64, error) {
	if len(t.Requests) == 0 {
		return nil, nil
	}
	type cell struct{ at, us int64 }
	cells, err := rows(ctx, s, fmt.Sprintf("SELECT (epoch_us(time) - %d) // %d AS b, sum(round(least(latency, 1e6) * 1e6)::BIGINT)::BIGINT FROM requests WHERE latency IS NOT NULL AND time IS NOT NULL AND %s GROUP BY b ORDER BY b",
		t.Start, t.Step, f.where()), func(r rowScanner, c *cell) error { return r.Scan(&c.at, &c.us) })
	if err != nil {
		return nil, fmt.Errorf("concurrency: %w", err)
	}
	out := make([]float64, len(t.Requests))
	for _, c := range cells {
		if c.at >= 0 && c.at < int64(len(out)) {
			out[c.at] = float64(c.us) / float64(t.Step)
		}
	}
	return out, nil
}

// LabelledDay is how the scores of one day did against the labels.
type LabelledDay struct {
	Start           int64
	Attacks, Benign int64
	Hits, False     int64 // attacks and benign requests that were flagged
}

// LabelledDays returns the days with scores whose label is known, in order.
func (s *Store) LabelledDays(ctx context.Context, f Filter) ([]LabelledDay, error) {
	out, err := rows(ctx, s, fmt.Sprintf(`SELECT epoch_us(time) // %d * %[1]d AS d, count(*) FILTER (label <> 'none'), count(*) FILTER (label = 'none'), count(*) FILTER (flagged AND label <> 'none'), count(*) FILTER (flagged AND label = 'none')
FROM scores WHERE label IS NOT NULL AND time IS NOT NULL AND %s GROUP BY d ORDER BY d`, dayMicros, f.where()), func(r rowScanner, d *LabelledDay) error {
		return r.Scan(&d.Start, &d.Attacks, &d.Benign, &d.Hits, &d.False)
	})
	if err != nil {
		return nil, fmt.Errorf("labelled days: %w", err)
	}
	return out, nil
}
