package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/marcboeker/go-duckdb"
)

// Querier runs SQL that a user typed. It can read the tables of one store and
// nothing else: the database is opened read-only, DuckDB's access to files,
// network and extensions is off, and the configuration is locked.
type Querier struct{ s *Store }

// OpenQuery opens the store at opt.Path for queries; ReadOnly is implied. The
// errors are those of Open. The store must not be open in this process
// otherwise.
func OpenQuery(ctx context.Context, opt Options) (*Querier, error) {
	opt.ReadOnly = true
	s, err := Open(ctx, opt)
	if err != nil {
		return nil, err
	}
	for _, set := range []string{"SET enable_external_access = false", "SET lock_configuration = true"} {
		if _, err := s.db.ExecContext(ctx, set); err != nil {
			s.Close()
			return nil, fmt.Errorf("open database %q for queries: %w", opt.Path, err)
		}
	}
	return &Querier{s: s}, nil
}

// Close closes the database.
func (q *Querier) Close() error { return q.s.Close() }

// Query runs one statement that reads: SELECT, WITH, FROM, VALUES, TABLE,
// DESCRIBE, SHOW, SUMMARIZE or EXPLAIN. It calls head, unless it is nil, with
// the names of the columns, once, and fn for each row, whose slice is used
// again for the next. Values are nil, bool, int64, float64, string, time.Time
// (UTC), []any for lists, map[string]any for structs and maps; integers beyond
// 64 bits, UUIDs, intervals and BLOBs (encoded like all text) are strings. An error of head or fn ends the query
// and is returned as it is. Rows come in the order of the query: without ORDER BY
// in any.
func (q *Querier) Query(ctx context.Context, query string, head func(cols []string) error, fn func(row []any) error) error {
	if err := readsOnly(query); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	// Prepare takes one statement only.
	st, err := q.s.db.PrepareContext(ctx, query)
	if err != nil {
		return queryError(err)
	}
	defer st.Close()
	rs, err := st.QueryContext(ctx)
	if err != nil {
		return queryError(err)
	}
	defer rs.Close()
	cols, err := rs.Columns()
	if err != nil {
		return queryError(err)
	}
	if head != nil {
		if err := head(cols); err != nil {
			return err
		}
	}
	types, err := rs.ColumnTypes()
	if err != nil {
		return queryError(err)
	}
	row, dst := make([]any, len(cols)), make([]any, len(cols))
	for i := range dst {
		dst[i] = &row[i]
	}
	for rs.Next() {
		if err := rs.Scan(dst...); err != nil {
			return queryError(err)
		}
		for i, v := range row {
			row[i] = plain(v, types[i])
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	if err := rs.Err(); err != nil {
		return queryError(err)
	}
	return nil
}

func queryError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("query: %w", err)
	}
	return fmt.Errorf("query: %s", lastPart(err.Error()))
}

// readsOnly refuses statements that do not begin with a word that reads. It is the
// first of three walls, and the one with the clearest message; it need not see
// through a WITH … DELETE, which the read-only database refuses.
func readsOnly(query string) error {
	words := firstWords(query, 3)
	for _, w := range words {
		switch w {
		case "SELECT", "WITH", "FROM", "VALUES", "TABLE", "DESCRIBE", "DESC", "SHOW", "SUMMARIZE":
			return nil
		case "EXPLAIN", "ANALYZE":
			continue
		}
		break
	}
	if len(words) == 0 {
		return errors.New("empty statement")
	}
	return fmt.Errorf("%q is not allowed: the database is read-only; begin with SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN", words[0])
}

// firstWords returns the first n words of a statement in upper case, without
// comments and opening parentheses.
func firstWords(s string, n int) []string {
	var out []string
	for len(out) < n {
		s = strings.TrimLeft(s, " \t\r\n\v\f(;")
		switch {
		case strings.HasPrefix(s, "--"):
			_, s, _ = strings.Cut(s, "\n")
			continue
		case strings.HasPrefix(s, "/*"):
			_, s, _ = strings.Cut(s[2:], "*/")
			continue
		}
		i := 0
		for i < len(s) && (s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z' || s[i] == '_') {
			i++
		}
		if i == 0 {
			break
		}
		out = append(out, strings.ToUpper(s[:i]))
		s = s[i:]
	}
	return out
}

// plain makes one of a few types of the driver's many.
func plain(v any, t *sql.ColumnType) any {
	switch v := v.(type) {
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		return plain(new(big.Int).SetUint64(v), nil)
	case *big.Int:
		if v.IsInt64() {
			return v.Int64()
		}
		return v.String()
	case float32:
		return float64(v)
	case duckdb.Decimal:
		return v.Float64()
	case []byte:
		if t != nil && t.DatabaseTypeName() == "UUID" && len(v) == 16 {
			return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
		}
		return encode(string(v))
	case []any:
		for i := range v {
			v[i] = plain(v[i], nil)
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k], nil)
		}
		return v
	case duckdb.Map:
		out := map[string]any{}
		for k, e := range v {
			out[fmt.Sprint(plain(k, nil))] = plain(e, nil)
		}
		return out
	case duckdb.Interval:
		return fmt.Sprintf("%d months %d days %d us", v.Months, v.Days, v.Micros)
	}
	return v
}
