package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/marcboeker/go-duckdb"

	"apiml/traffic"
)

// tx is a transaction on a connection of its own.
type tx struct {
	ctx     context.Context
	conn    *sql.Conn
	release []func() // C memory of Arrow views; freed when nothing can use them any more
}

// write runs f in a transaction: committed if f returns nil, else rolled back.
func (s *Store) write(ctx context.Context, f func(*tx) error) error {
	s.writer.Lock()
	defer s.writer.Unlock()
	s.written = true
	// DuckDB would make its log readable by all; it takes one that is there.
	if w, err := os.OpenFile(s.path+".wal", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil {
		w.Close()
	} else if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write database %q: %w", s.path, err)
	}
	return s.begin(ctx, "COMMIT", f)
}

// read runs f in a transaction that is rolled back: one state of the database
// throughout, whatever others write meanwhile.
func (s *Store) read(ctx context.Context, f func(*tx) error) error {
	return s.begin(ctx, "ROLLBACK", f)
}

func (s *Store) begin(ctx context.Context, end string, f func(*tx) error) (err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	t := &tx{ctx: ctx, conn: conn}
	if err := t.exec("BEGIN TRANSACTION"); err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // error or panic
			conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		}
		for _, r := range t.release {
			r()
		}
	}()
	if err := f(t); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// A commit is not interrupted: it would be unknown whether it happened.
	_, err = conn.ExecContext(context.WithoutCancel(ctx), end)
	done = err == nil
	return err
}

func (t *tx) exec(query string, args ...any) error {
	_, err := t.conn.ExecContext(t.ctx, query, args...)
	return err
}

func (t *tx) one(query string, dst ...any) error {
	return t.conn.QueryRowContext(t.ctx, query).Scan(dst...)
}

// insert appends the records that pull returns, until it returns nil, to the
// columns of the same names of table.
func (t *tx) insert(table string, schema *arrow.Schema, pull func() (arrow.Record, error)) error {
	rd := &recordReader{ctx: t.ctx, schema: schema, pull: pull}
	const view = "apiml_arrow_input"
	err := t.conn.Raw(func(dc any) error {
		ar, err := duckdb.NewArrowFromConn(dc.(driver.Conn))
		if err != nil {
			return err
		}
		release, err := ar.RegisterView(rd, view)
		if err != nil {
			return err
		}
		t.release = append(t.release, release)
		return nil
	})
	if err == nil {
		err = t.oneThread(func() error { return t.exec("INSERT INTO " + table + " BY NAME SELECT * FROM " + view) })
	}
	if rd.err != nil {
		return rd.err // the cause, of which DuckDB has the text only
	}
	if err != nil {
		return err
	}
	return t.exec("DROP VIEW " + view)
}

// insertAhead is insert with a pull that runs beside DuckDB: the next record is
// in the making while DuckDB stores the last one.
func (t *tx) insertAhead(table string, schema *arrow.Schema, pull func() (arrow.Record, error)) error {
	type made struct {
		rec arrow.Record
		err error
	}
	ready, stop, done := make(chan made, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer close(ready)
		for {
			rec, err := noPanic(pull)
			if rec == nil && err == nil {
				return
			}
			select {
			case ready <- made{rec, err}:
			case <-stop:
				if rec != nil {
					rec.Release()
				}
				return
			}
			if err != nil {
				return
			}
		}
	}()
	err := t.insert(table, schema, func() (arrow.Record, error) {
		m := <-ready // zero behind the end
		return m.rec, m.err
	})
	close(stop)
	<-done
	for m := range ready {
		if m.rec != nil {
			m.rec.Release()
		}
	}
	return err
}

// noPanic calls pull and turns a panic into an error, so that the transaction is
// rolled back in good order.
func noPanic(pull func() (arrow.Record, error)) (rec arrow.Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			rec, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	return pull()
}

// oneThread runs f with one thread of DuckDB's. Its threads wait for each other
// in busy loops: with two of them an insert from Arrow takes twice the processor
// time and is no sooner done. The other core makes the records.
func (t *tx) oneThread(f func() error) error {
	var was int64
	if err := t.one("SELECT current_setting('threads')", &was); err != nil {
		return err
	}
	if was == 1 {
		return f()
	}
	if err := t.exec("SET threads = 1"); err != nil {
		return err
	}
	err := f()
	// An error has ended the transaction, in which nothing can be set any more.
	t.release = append(t.release, func() { t.conn.ExecContext(context.WithoutCancel(t.ctx), fmt.Sprintf("SET threads = %d", was)) })
	return err
}

// recordReader hands the records of pull to DuckDB, which calls Next from its
// own threads, one at a time.
type recordReader struct {
	ctx    context.Context
	schema *arrow.Schema
	pull   func() (arrow.Record, error) // nil record = end
	rec    arrow.Record
	err    error
	refs   atomic.Int64
}

func (r *recordReader) Retain()               { r.refs.Add(1) }
func (r *recordReader) Schema() *arrow.Schema { return r.schema }
func (r *recordReader) Record() arrow.Record  { return r.rec }
func (r *recordReader) Err() error            { return r.err }

func (r *recordReader) Release() {
	if r.refs.Add(-1) == 0 {
		r.drop()
	}
}

func (r *recordReader) drop() {
	if r.rec != nil {
		r.rec.Release()
		r.rec = nil
	}
}

func (r *recordReader) Next() (ok bool) {
	defer func() {
		// A panic would unwind through DuckDB's frames and kill the process.
		if p := recover(); p != nil {
			r.err, ok = fmt.Errorf("panic: %v", p), false
		}
	}()
	r.drop()
	if r.err != nil {
		return false
	}
	if r.err = r.ctx.Err(); r.err != nil {
		return false
	}
	r.rec, r.err = r.pull()
	return r.err == nil && r.rec != nil
}

var _ array.RecordReader = (*recordReader)(nil)

// arrowQuery runs a SELECT and calls f with its records, whose memory is C's
// and gone when f returns. DuckDB holds the whole result: keep it small.
func (t *tx) arrowQuery(query string, f func(arrow.Record) error) error {
	return t.conn.Raw(func(dc any) error {
		ar, err := duckdb.NewArrowFromConn(dc.(driver.Conn))
		if err != nil {
			return err
		}
		rd, err := ar.QueryContext(t.ctx, query)
		if err != nil {
			return err
		}
		defer rd.Release()
		for rd.Next() {
			if rec := rd.Record(); rec.NumRows() > 0 {
				if err := f(rec); err != nil {
					return err
				}
			}
		}
		return rd.Err()
	})
}

// one scans the only row of a query.
func (s *Store) one(ctx context.Context, query string, dst ...any) error {
	return s.q().QueryRowContext(ctx, query).Scan(dst...)
}

// rowScanner is the current row of a result.
type rowScanner interface{ Scan(dst ...any) error }

// rows calls scan for each row of a query.
func rows[T any](ctx context.Context, s *Store, query string, scan func(row rowScanner, v *T) error, args ...any) ([]T, error) {
	rs, err := s.q().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	var out []T
	for rs.Next() {
		var v T
		if err := scan(rs, &v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rs.Err()
}

// micros scans a TIMESTAMP into microseconds UTC, NULL into traffic.NoTime.
type micros int64

// Scan implements sql.Scanner.
func (m *micros) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*m = traffic.NoTime
	case time.Time:
		*m = micros(v.UnixMicro())
	default:
		return fmt.Errorf("%T is no time", v)
	}
	return nil
}

// timestamp is the argument for microseconds UTC: NULL if unknown or outside
// the years 1 to 9999.
func timestamp(us int64) any {
	if !knownTime(us) {
		return nil
	}
	return time.UnixMicro(us).UTC()
}

func knownTime(us int64) bool {
	const year1, year10000 = -62135596800_000000, 253402300800_000000
	return us >= year1 && us < year10000
}
