package store

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"apiml/frame"
	"apiml/traffic"
)

// Filter restricts records by time: Since ≤ time < Until, in microseconds UTC;
// 0 is open. With either set, records without a time are left out.
type Filter struct{ Since, Until int64 }

// where is the condition of f on the column time.
func (f Filter) where() string {
	conds := []string{"true"}
	if f.Since != 0 {
		conds = append(conds, "time >= "+sqlTime(f.Since))
	}
	if f.Until != 0 {
		conds = append(conds, "time < "+sqlTime(f.Until))
	}
	return strings.Join(conds, " AND ")
}

// sqlTime is a TIMESTAMP literal; times that no row can have are moved to the
// nearest that one can have.
func sqlTime(us int64) string {
	return fmt.Sprintf("make_timestamp(%d)", min(max(us, -62135596800_000000), 253402300800_000000))
}

const (
	sliceWeight = 65_536 // rows per slice of a scan at most, …
	weightBytes = 512    // … and fewer if they hold more text than this on average
)

// key is a column by which a scan is ordered and cut into slices.
type key struct {
	value  string // BIGINT expression
	column string // the column itself, for conditions that prune
	lit    string // format of a literal
}

func requestKeys() []key {
	return append([]key{{"epoch_us(time)", "time", "make_timestamp(%d)"}}, flowKeys()...)
}

func flowKeys() []key {
	return []key{{"input", "input", "%d"}, {"line", "line", "%d"}, {"seq", "seq", "%d"}}
}

// slices cuts the rows of table for which where holds into ranges of at most
// limit, by weight (an expression): conditions, in the order of keys. Each range can
// then be sorted on its own, in little memory. Where rows of one value of the
// first key are too many, they are cut by the next one; the last must be
// unique.
//
// DuckDB has no streaming results here, and a sort of everything would spill.
// Each level costs one pass over the key columns; logs are nearly in order, so
// that the ranges prune.
func (t *tx) slices(table, where string, keys []key, weight string, limit int64) ([]string, error) {
	var n, lo, hi, w int64
	k := keys[0]
	err := t.one(fmt.Sprintf("SELECT count(*), coalesce(min(%s), 0), coalesce(max(%s), 0), coalesce(sum(%s), 0)::BIGINT FROM %s WHERE %s",
		k.value, k.value, weight, table, where), &n, &lo, &hi, &w)
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, nil
	case w <= limit:
		return []string{where}, nil
	case lo == hi && len(keys) == 1:
		return []string{where}, nil
	case lo == hi:
		return t.slices(table, where, keys[1:], weight, limit)
	}
	const buckets = 4096
	width := (hi-lo)/buckets + 1
	rs, err := t.conn.QueryContext(t.ctx, fmt.Sprintf("SELECT (%s - %d) // %d AS b, sum(%s)::BIGINT FROM %s WHERE %s GROUP BY b ORDER BY b",
		k.value, lo, width, weight, table, where))
	if err != nil {
		return nil, err
	}
	var ids, weights []int64
	for rs.Next() {
		var b, w int64
		if err := rs.Scan(&b, &w); err != nil {
			rs.Close()
			return nil, err
		}
		ids, weights = append(ids, b), append(weights, w)
	}
	rs.Close()
	if err := rs.Err(); err != nil {
		return nil, err
	}
	var out []string
	for i := 0; i < len(ids); {
		sum, j := weights[i], i+1
		for j < len(ids) && sum+weights[j] <= limit {
			sum += weights[j]
			j++
		}
		from, to := lo+ids[i]*width, min(lo+(ids[j-1]+1)*width-1, hi)
		cond := fmt.Sprintf("%s AND %s BETWEEN %s AND %s", where, k.column, fmt.Sprintf(k.lit, from), fmt.Sprintf(k.lit, to))
		if sum <= limit {
			out = append(out, cond)
		} else {
			more, err := t.slices(table, cond, keys, weight, limit)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
		i = j
	}
	return out, nil
}

// ScanRequests calls fn with all requests that f admits, ordered by time,
// input and line; those without a time come first, by input and line. The
// slices vary in length, are never empty, and are fn's to keep; their strings
// stay valid. Raw is not stored, thus "". An error of fn ends the scan and is returned
// as it is. All slices show one state of the database; fn may use the store.
func (s *Store) ScanRequests(ctx context.Context, f Filter, fn func([]traffic.Request) error) error {
	return s.scanRequests(ctx, f, sliceWeight, fn)
}

func (s *Store) scanRequests(ctx context.Context, f Filter, limit int64, fn func([]traffic.Request) error) error {
	names := []string{"seq", "input", "line", "time", "status", "bytes_in", "bytes_out", "latency", "label"}
	text := requestText()
	for _, c := range text {
		names = append(names, `"`+c.name+`"`)
	}
	cols := strings.Join(names, ", ")
	weight := fmt.Sprintf("1 + size // %d", weightBytes)
	return s.scan(ctx, func(t *tx, files map[int64]string) error {
		ranges, err := t.slices("requests", f.where()+" AND time IS NOT NULL", requestKeys(), weight, limit)
		if err != nil {
			return err
		}
		if f == (Filter{}) {
			untimed, err := t.slices("requests", "time IS NULL", flowKeys(), weight, limit)
			if err != nil {
				return err
			}
			ranges = append(untimed, ranges...)
		}
		for _, cond := range ranges {
			var out []traffic.Request
			err := t.arrowQuery("SELECT "+cols+" FROM requests WHERE "+cond+" ORDER BY time, input, line, seq", func(rec arrow.Record) error {
				out = appendRequests(out, rec, files, text)
				return nil
			})
			if err != nil {
				return err
			}
			if err := handOut(ctx, out, fn); err != nil {
				return err
			}
		}
		return nil
	})
}

// ScanFlows calls fn with all flows, ordered by input and line; otherwise like
// ScanRequests.
func (s *Store) ScanFlows(ctx context.Context, fn func([]traffic.Flow) error) error {
	return s.scanFlows(ctx, sliceWeight/2, fn)
}

func (s *Store) scanFlows(ctx context.Context, limit int64, fn func([]traffic.Flow) error) error {
	cols := "seq, input, line, time, label, class, " + strings.Join(flowColumns(), ", ")
	return s.scan(ctx, func(t *tx, files map[int64]string) error {
		ranges, err := t.slices("flows", "true", flowKeys(), "1", limit)
		if err != nil {
			return err
		}
		for _, cond := range ranges {
			var out []traffic.Flow
			err := t.arrowQuery("SELECT "+cols+" FROM flows WHERE "+cond+" ORDER BY input, line, seq", func(rec arrow.Record) error {
				out = appendFlows(out, rec, files)
				return nil
			})
			if err != nil {
				return err
			}
			if err := handOut(ctx, out, fn); err != nil {
				return err
			}
		}
		return nil
	})
}

// callerError marks an error of the caller's function, which scans return as
// it is.
type callerError struct{ error }

func handOut[T any](ctx context.Context, rows []T, fn func([]T) error) error {
	if err := ctx.Err(); err != nil || len(rows) == 0 {
		return err
	}
	if err := fn(rows); err != nil {
		return callerError{err}
	}
	return nil
}

func (s *Store) scan(ctx context.Context, f func(t *tx, files map[int64]string) error) error {
	inputs, err := s.Inputs(ctx)
	if err != nil {
		return err
	}
	files := map[int64]string{}
	for _, in := range inputs {
		files[in.ID] = in.Name
	}
	err = s.read(ctx, func(t *tx) error { return f(t, files) })
	if c, ok := err.(callerError); ok {
		return c.error
	}
	if err != nil {
		return fmt.Errorf("scan database %q: %w", s.path, err)
	}
	return nil
}

func appendRequests(dst []traffic.Request, rec arrow.Record, files map[int64]string, text []textColumn) []traffic.Request {
	cols := make([]column, rec.NumCols())
	for j := range cols {
		cols[j] = readColumn(rec.Column(j))
	}
	from := len(dst)
	n := int(rec.NumRows())
	dst = append(dst, make([]traffic.Request, n)...)
	label := labels()
	for i := range n {
		r := &dst[from+i]
		r.File = files[cols[1].int64(i, 0)]
		r.Line = cols[2].int64(i, 0)
		r.Time = cols[3].int64(i, traffic.NoTime)
		r.Status = int32(cols[4].int64(i, 0))
		r.BytesIn = cols[5].int64(i, -1)
		r.BytesOut = cols[6].int64(i, -1)
		r.Latency = cols[7].float64(i, -1)
		r.Label = label(cols[8].string(i))
	}
	for k, c := range text {
		col := &cols[9+k]
		for i := range n {
			*c.field(&dst[from+i]) = col.string(i)
		}
		if c.name == "body" {
			for i := range n {
				dst[from+i].HasBody = !col.isNull(i)
			}
		}
	}
	return dst
}

func appendFlows(dst []traffic.Flow, rec arrow.Record, files map[int64]string) []traffic.Flow {
	cols := make([]column, rec.NumCols())
	for j := range cols {
		cols[j] = readColumn(rec.Column(j))
	}
	label := labels()
	for i := range int(rec.NumRows()) {
		f := traffic.Flow{
			File: files[cols[1].int64(i, 0)], Line: cols[2].int64(i, 0), Time: cols[3].int64(i, traffic.NoTime),
			Label: label(cols[4].string(i)), Class: cols[5].string(i),
		}
		for j := range f.Values {
			f.Values[j] = cols[6+j].float64(i, math.NaN())
		}
		dst = append(dst, f)
	}
	return dst
}

// labels returns a parser that looks a name up once per change: neighbours are
// mostly equal.
func labels() func(string) traffic.Label {
	last, label := "", traffic.Unlabelled
	return func(s string) traffic.Label {
		if s != last {
			last = s
			label, _ = traffic.ParseLabel(s) // a name of a later version: Unlabelled
		}
		return label
	}
}

// maxIntervals bounds a series: one wrong time in a log could else ask for
// terabytes.
const maxIntervals = 5_000_000

// Counts returns the number of requests per interval of step microseconds,
// aligned to multiples of step since 1970. template "" means all requests; else
// those whose template, as stored and folded, it is. Only whole intervals count: the first begins
// not before the first record of the store (or f.Since, if that is later), the last ends not after
// the last record (or f.Until). Intervals without a request are 0. A span that
// holds no whole interval gives a series without values.
func (s *Store) Counts(ctx context.Context, step int64, template string, f Filter) (frame.Series, error) {
	out, cond, err := s.intervals(ctx, step, f)
	out.Name = template
	if err != nil || len(out.Values) == 0 {
		return out, err
	}
	args := []any{}
	if template != "" {
		cond += " AND template IN (SELECT raw FROM templates WHERE folded = decode($1) UNION ALL SELECT decode($1) WHERE NOT EXISTS (FROM templates WHERE raw = decode($1)))"
		args = append(args, []byte(template))
	}
	type count struct{ at, n int64 }
	q := fmt.Sprintf("SELECT (epoch_us(time) - %d) // %d AS b, count(*) FROM requests WHERE %s GROUP BY b ORDER BY b", out.Start, step, cond)
	cs, err := rows(ctx, s, q, func(r rowScanner, c *count) error { return r.Scan(&c.at, &c.n) }, args...)
	if err != nil {
		return out, fmt.Errorf("counts: %w", err)
	}
	for _, c := range cs {
		out.Values[c.at] = float64(c.n)
	}
	return out, nil
}

// intervals is a series of zeros, as Counts describes, and the condition of
// the rows in it.
func (s *Store) intervals(ctx context.Context, step int64, f Filter) (out frame.Series, cond string, err error) {
	out.Step = step
	if step <= 0 {
		return out, "", fmt.Errorf("counts: step of %d microseconds", step)
	}
	var first, last micros
	if err := s.one(ctx, "SELECT min(time), max(time) FROM requests", &first, &last); err != nil {
		return out, "", fmt.Errorf("counts: %w", err)
	}
	if first == traffic.NoTime {
		return out, "", nil
	}
	lo, hi := int64(first), int64(last)+1
	if f.Since != 0 {
		lo = max(lo, f.Since)
	}
	if f.Until != 0 {
		hi = min(hi, f.Until)
	}
	lo, hi = -floorDiv(-lo, step)*step, floorDiv(hi, step)*step
	out.Start = lo
	if lo >= hi {
		return out, "", nil
	}
	if (hi-lo)/step > maxIntervals {
		return out, "", tooMany("counts", step, lo, hi)
	}
	out.Values = make([]float64, (hi-lo)/step)
	return out, fmt.Sprintf("time >= %s AND time < %s", sqlTime(lo), sqlTime(hi)), nil
}

// Groups are what CountsBy can count by.
func Groups() []string { return []string{"endpoint", "status", "principal"} }

// CountsBy is Counts for each of the n values of by (one of Groups) that have the
// most requests in the intervals, the most frequent first. Status 0 is an
// unknown one.
func (s *Store) CountsBy(ctx context.Context, step int64, by string, n int, f Filter) ([]frame.Series, error) {
	column := map[string]string{
		"endpoint": "coalesce((SELECT any_value(folded) FROM templates t WHERE t.raw = requests.template), template)",
		"status":   "coalesce(status, 0)::VARCHAR", "principal": "principal",
	}[by]
	if column == "" {
		return nil, fmt.Errorf("counts by %q: want one of %s", by, strings.Join(Groups(), ", "))
	}
	zero, cond, err := s.intervals(ctx, step, f)
	if err != nil || len(zero.Values) == 0 {
		return nil, err
	}
	type count struct {
		name  string
		at, n int64
	}
	q := fmt.Sprintf(`WITH r AS (SELECT %s AS name, (epoch_us(time) - %d) // %d AS b FROM requests WHERE %s),
 top AS (SELECT name, count(*) AS total FROM r GROUP BY name ORDER BY total DESC, name LIMIT %d)
SELECT name, b, count(*) FROM r JOIN top USING (name) GROUP BY name, b, total ORDER BY total DESC, name, b`, column, zero.Start, step, cond, max(n, 0))
	cs, err := rows(ctx, s, q, func(r rowScanner, c *count) error { return r.Scan(&c.name, &c.at, &c.n) })
	if err != nil {
		return nil, fmt.Errorf("counts by %s: %w", by, err)
	}
	var out []frame.Series
	for _, c := range cs {
		if len(out) == 0 || out[len(out)-1].Name != c.name {
			one := zero
			one.Name, one.Values = c.name, make([]float64, len(zero.Values))
			out = append(out, one)
		}
		out[len(out)-1].Values[c.at] = float64(c.n)
	}
	return out, nil
}

// LoadPoint is one interval: how much came, and how long the answers took.
type LoadPoint struct {
	Requests int64
	P95      float64 // 95th percentile of latency over the median of its endpoint: another mix of endpoints is no slower server
}

// Loads returns the intervals of step microseconds that have at least 10
// latencies, in order of time.
func (s *Store) Loads(ctx context.Context, step int64, f Filter) ([]LoadPoint, error) {
	zero, cond, err := s.intervals(ctx, step, f)
	if err != nil || len(zero.Values) == 0 {
		return nil, err
	}
	q := fmt.Sprintf(`WITH r AS (SELECT template, latency, (epoch_us(time) - %d) // %d AS b FROM requests WHERE %s),
 usual AS (SELECT template, median(latency) AS mid FROM r GROUP BY template)
SELECT count(*), quantile_cont(latency / mid, 0.95) FILTER (mid > 0) FROM r JOIN usual USING (template)
GROUP BY b HAVING count(latency) FILTER (mid > 0) >= 10 ORDER BY b`, zero.Start, step, cond)
	out, err := rows(ctx, s, q, func(r rowScanner, l *LoadPoint) error { return r.Scan(&l.Requests, &l.P95) })
	if err != nil {
		return nil, fmt.Errorf("loads: %w", err)
	}
	return out, nil
}

func tooMany(what string, step, lo, hi int64) error {
	return fmt.Errorf("%s: %d intervals of %g s are too many (at most %d); use a longer step, or since and until", what, (hi-lo)/step, float64(step)/1e6, maxIntervals)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
