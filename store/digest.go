package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Many aggregates ask the same of a store: requests by template, by principal,
// and the few scores that say something among the many that do not. With text as
// keys that is most of their time. A digest holds these as tables in memory, each
// made when it is first asked for; without one, the same text of SQL stands in
// their place, so that both give the same answers.

// digest is a filter whose tables are made, on a connection of their own.
type digest struct {
	ctx    context.Context
	filter Filter
	conn   *sql.Conn
	tables map[string]bool // false: not to be made
}

// digestHits is the most scores that a digest keeps: more would not fit in memory
// beside the rest.
const digestHits = 1_000_000

// Digest lets the aggregates of f that follow share tables in memory. They show the
// store as it is when they are made, until DropDigest, Close, or another Digest.
// Other methods must not run meanwhile but for one goroutine.
func (s *Store) Digest(ctx context.Context, f Filter) error {
	s.DropDigest()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	s.digest = &digest{ctx: ctx, filter: f, conn: conn, tables: map[string]bool{}}
	return nil
}

// DropDigest gives the memory of the digest back, if there is one.
func (s *Store) DropDigest() {
	if s.digest == nil {
		return
	}
	for name := range s.digest.tables {
		s.ForgetDigest(name)
	}
	s.digest.conn.Close()
	s.digest = nil
}

// ForgetDigest gives the memory of one table of the digest back: "hits", "names",
// "templates" or "principals". It is made anew when it is asked for again.
func (s *Store) ForgetDigest(name string) {
	if s.digest != nil && s.digest.tables[name] {
		s.digest.conn.ExecContext(context.WithoutCancel(s.digest.ctx), "DROP TABLE digest_"+name)
		delete(s.digest.tables, name)
	}
}

// asker is what runs a query: the pool, or one connection of it.
type asker interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// q is where aggregates run: on the connection that has the tables of the digest.
func (s *Store) q() asker {
	if s.digest != nil {
		return s.digest.conn
	}
	return s.db
}

// from is the table of the digest, or its query in brackets. An error in making the
// table is left to that query.
func (s *Store) from(name string, f Filter, query func(Filter) string) string {
	text := query(f)
	d := s.digest
	if d == nil || d.filter != f {
		return "(" + text + ")"
	}
	made, tried := d.tables[name]
	if !tried {
		made = true
		if name == "hits" {
			var n int64
			err := s.one(d.ctx, "SELECT count(*) FROM scores WHERE flagged AND "+f.where(), &n)
			made = err == nil && n <= digestHits
		}
		if made {
			_, err := d.conn.ExecContext(d.ctx, "CREATE TEMP TABLE digest_"+name+" AS "+text)
			made = err == nil
		}
		d.tables[name] = made
	}
	if made {
		return "digest_" + name
	}
	return "(" + text + ")"
}

// byTemplate has a row per template with its folded name and the counts of its
// requests: n all, s with a status, e errors, e5 server errors, b bytes sent, lk
// with a latency, l their sum in microseconds, lt the same of those with a time, a
// the first time; and of those whose cache status is known: ck all, ch hits, cb
// bytes sent, chb bytes of hits.
func (s *Store) byTemplate(f Filter) string { return s.from("templates", f, templatesSQL) }

func templatesSQL(f Filter) string {
	// What the cache did is told apart by grouping: a condition on its text per
	// request would cost more than all the rest.
	const known = "cache IS NOT NULL AND cache NOT IN ('', '-')"
	const hit = "upper(cache) IN ('HIT', 'STALE', 'UPDATING', 'REVALIDATED')"
	return `SELECT r.*, ` + folded + ` AS name FROM (SELECT template, sum(n) AS n, sum(s) AS s, sum(e) AS e, sum(e5) AS e5, coalesce(sum(b), 0) AS b, sum(lk) AS lk, coalesce(sum(l), 0) AS l, coalesce(sum(lt), 0) AS lt, min(a) AS a,
 coalesce(sum(n) FILTER (` + known + `), 0) AS ck, coalesce(sum(n) FILTER (` + hit + `), 0) AS ch, coalesce(sum(b) FILTER (` + known + `), 0) AS cb, coalesce(sum(b) FILTER (` + hit + `), 0) AS chb
FROM (SELECT template, cache, count(*) AS n, count(status) AS s, count(*) FILTER (status >= 400) AS e, count(*) FILTER (status BETWEEN 500 AND 599) AS e5, sum(bytes_out) AS b,
  count(latency) AS lk, sum(us) AS l, sum(us) FILTER (time IS NOT NULL) AS lt, min(time) AS a
 FROM (SELECT template, cache, status, bytes_out, latency, time, if(latency IS NULL, NULL, round(least(latency, 1e9) * 1e6)::BIGINT) AS us FROM request_rows WHERE ` + f.where() + `) GROUP BY template, cache)
GROUP BY template) r`
}

// byName has a row per folded template, with the sums of byTemplate.
func (s *Store) byName(f Filter) string { return s.from("names", f, s.namesSQL) }

func (s *Store) namesSQL(f Filter) string {
	return "SELECT name, sum(n) AS n, sum(s) AS s, sum(e) AS e, sum(e5) AS e5, sum(b) AS b, sum(lk) AS lk, sum(l) AS l, sum(lt) AS lt, sum(ck) AS ck, sum(ch) AS ch, sum(cb) AS cb, sum(chb) AS chb FROM " +
		s.byTemplate(f) + " GROUP BY name"
}

// byPrincipal has a row per principal: n requests, e errors, a and b the first and
// the last time.
func (s *Store) byPrincipal(f Filter) string { return s.from("principals", f, principalsSQL) }

func principalsSQL(f Filter) string {
	return "SELECT principal, count(*) AS n, count(*) FILTER (status >= 400) AS e, min(time) AS a, max(time) AS b FROM requests WHERE " + f.where() + " GROUP BY principal"
}

// hits are the scores that models or rules flagged, or that belong to an incident,
// with their place (id) and without the reasons, which are most of the text.
func (s *Store) hits(f Filter) string { return s.from("hits", f, hitsSQL) }

func hitsSQL(f Filter) string {
	return "SELECT rowid AS id, * EXCLUDE (reasons) FROM scores WHERE (flagged OR rules IS NOT NULL OR incident IS NOT NULL) AND " + f.where()
}
