package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// querier makes a store of 10 requests and opens it for queries.
func querier(t *testing.T) (*Querier, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "t.duckdb")
	s, err := Open(context.Background(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	mustIngest(t, s, "a", requests("a", 10))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	q, err := OpenQuery(context.Background(), Options{Path: path, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q, dir
}

func TestQuery(t *testing.T) {
	q, _ := querier(t)
	for _, c := range []struct {
		sql  string
		cols []string
		want [][]any
	}{
		{"SELECT line, user, time, latency, target FROM requests ORDER BY line LIMIT 1", []string{"line", "user", "time", "latency", "target"},
			[][]any{{int64(1), nil, time.UnixMicro(1_700_000_000_000_000).UTC(), 0.25, "/users/0"}}},
		{"WITH x AS (SELECT count(*) AS n, sum(status) AS s FROM requests) SELECT * FROM x", []string{"n", "s"}, [][]any{{int64(10), int64(2000)}}},
		{"FROM requests SELECT max(line) AS m WHERE false", []string{"m"}, [][]any{{nil}}},
		{"SELECT line FROM requests WHERE false", []string{"line"}, nil},
		{" -- a comment\n/* and ; another */ (SELECT 1 AS a) ;", []string{"a"}, [][]any{{int64(1)}}},
		{"SELECT 1.25 AS d, 170141183460469231731687303715884105727 AS big, true AS b, 3::UTINYINT AS u, 18446744073709551615::UBIGINT AS ub, 'nan'::FLOAT > 0 AS f", []string{"d", "big", "b", "u", "ub", "f"},
			[][]any{{1.25, "170141183460469231731687303715884105727", true, int64(3), "18446744073709551615", true}}},
		{"SELECT [1, 2] AS l, {'a': 1, 'b': 'x'} AS s, MAP {'k': 2} AS m, INTERVAL 3 DAY AS i, '\\xFF'::BLOB AS bl", []string{"l", "s", "m", "i", "bl"},
			[][]any{{[]any{int64(1), int64(2)}, map[string]any{"a": int64(1), "b": "x"}, map[string]any{"k": int64(2)}, "0 months 3 days 0 us", `\xff`}}},
		{"SELECT '00000000-0000-0000-0000-0000000000ff'::UUID AS u, DATE '2024-01-15' AS d", []string{"u", "d"},
			[][]any{{"00000000-0000-0000-0000-0000000000ff", time.Date(2024, 1, 15, 0, 0, 0, 0, time.UTC)}}},
		{"VALUES (1, 'a'), (2, 'b')", []string{"col0", "col1"}, [][]any{{int64(1), "a"}, {int64(2), "b"}}},
	} {
		var cols []string
		var got [][]any
		err := q.Query(context.Background(), c.sql, func(names []string) error { cols = names; return nil }, func(row []any) error {
			got = append(got, append([]any(nil), row...))
			return nil
		})
		if err != nil || !reflect.DeepEqual(cols, c.cols) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s\ngot  %v %#v, %v\nwant %v %#v", c.sql, cols, got, err, c.cols, c.want)
		}
	}
	for _, sql := range []string{"DESCRIBE requests", "SHOW TABLES", "SUMMARIZE requests", "EXPLAIN SELECT 1", "EXPLAIN ANALYZE SELECT count(*) FROM requests", "TABLE inputs", "describe select 1"} {
		n := 0
		if err := q.Query(context.Background(), sql, nil, func([]any) error { n++; return nil }); err != nil || n == 0 {
			t.Errorf("%s: %d rows, %v", sql, n, err)
		}
	}
	stop := errors.New("enough")
	if err := q.Query(context.Background(), "SELECT * FROM requests", nil, func([]any) error { return stop }); err != stop {
		t.Errorf("error of the callback: %v", err)
	}
	if err := q.Query(context.Background(), "SELECT 1", func([]string) error { return stop }, nil); err != stop {
		t.Errorf("error of head: %v", err)
	}
	if err := q.Query(context.Background(), "SELECT nonsense FROM requests", nil, nil); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("bad column: %v", err)
	}
}

func TestQueryCancel(t *testing.T) {
	q, _ := querier(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := q.Query(ctx, "SELECT sum(hash(a.i + b.i)) FROM range(1_000_000) a(i), range(1_000_000) b(i)", nil, func([]any) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	if err := q.Query(context.Background(), "SELECT 1", nil, func([]any) error { return nil }); err != nil {
		t.Errorf("after a cancelled query: %v", err)
	}
}

// attacks are statements that must fail and must leave nothing behind.
func attacks(dir string) []string {
	out := filepath.Join(dir, "stolen")
	csv := filepath.Join(dir, "secret.csv")
	db := filepath.Join(dir, "other.duckdb")
	return []string{
		"COPY requests TO '" + out + "'", "COPY (SELECT 1) TO '" + out + "' (FORMAT parquet)", "COPY requests FROM '" + csv + "'",
		"EXPORT DATABASE '" + out + "'", "IMPORT DATABASE '" + dir + "'",
		"ATTACH '" + db + "'", "ATTACH '" + out + "' AS x", "ATTACH ':memory:' AS m", "DETACH t", "USE memory",
		"INSTALL httpfs", "LOAD httpfs", "LOAD '" + out + "'", "FORCE INSTALL json", "UPDATE EXTENSIONS",
		"SET threads = 1", "SET enable_external_access = true", "SET GLOBAL temp_directory = '/'", "RESET enable_external_access", "RESET lock_configuration",
		"PRAGMA enable_external_access = true", "PRAGMA database_list", "PRAGMA threads = 1", "CALL pragma_version()", "CALL force_checkpoint()",
		"SELECT * FROM read_csv('" + csv + "')", "SELECT * FROM read_csv_auto('" + csv + "')", "SELECT * FROM sniff_csv('" + csv + "')", "FROM '" + csv + "'", "SELECT * FROM '" + csv + "'",
		"SELECT * FROM read_text('" + csv + "')", "SELECT * FROM read_blob('" + csv + "')", "SELECT * FROM glob('" + dir + "/*')",
		"SELECT * FROM read_json('" + csv + "')", "SELECT * FROM read_json_auto('" + csv + "')", "SELECT * FROM read_ndjson('" + csv + "')", "SELECT * FROM read_json_objects('" + csv + "')",
		"SELECT * FROM read_parquet('" + csv + "')", "SELECT * FROM parquet_scan('" + csv + "')", "SELECT * FROM parquet_metadata('" + csv + "')",
		"SELECT * FROM parquet_schema('" + csv + "')", "SELECT * FROM parquet_file_metadata('" + csv + "')", "SELECT * FROM parquet_kv_metadata('" + csv + "')",
		"SELECT * FROM parquet_bloom_probe('" + csv + "', 'a', 1)",
		"SELECT * FROM 'http://127.0.0.1:1/x.parquet'", "SELECT * FROM read_csv('https://127.0.0.1:1/x.csv')", "SELECT * FROM 's3://bucket/x.parquet'",
		"SELECT * FROM query('COPY requests TO ''" + out + "''')", "SELECT getenv('HOME')",
		"SELECT * FROM arrow_scan(1::POINTER, 1::POINTER, 1::POINTER)", "SELECT * FROM arrow_scan_dumb(0, 0, 0)", "SELECT * FROM pandas_scan(1)",
		"CREATE TABLE x (i INTEGER)", "CREATE TEMP TABLE x AS SELECT 1", "CREATE VIEW v AS SELECT 1", "CREATE MACRO f() AS 1", "CREATE SECRET (TYPE s3)", "CREATE OR REPLACE TEMP MACRO f() AS 1",
		"INSERT INTO inputs SELECT * FROM inputs", "UPDATE requests SET line = 0", "DELETE FROM requests", "DROP TABLE requests", "TRUNCATE requests", "ALTER TABLE requests ADD COLUMN x INTEGER",
		"WITH x AS (SELECT 1) INSERT INTO rejects SELECT 1, 1, 1, '', '' FROM x", "WITH x AS (SELECT 1) DELETE FROM requests", "WITH x AS (SELECT 1) UPDATE requests SET line = 1",
		"EXPLAIN ANALYZE DELETE FROM requests", "EXPLAIN ANALYZE COPY requests TO '" + out + "'", "EXPLAIN SET threads = 1",
		"SELECT 1; DELETE FROM requests", "SELECT 1; SELECT 2", "SELECT 1; COPY requests TO '" + out + "'", "/* SELECT */ DELETE FROM requests", "-- SELECT\nDELETE FROM requests",
		"BEGIN", "COMMIT", "CHECKPOINT", "VACUUM", "ANALYZE", "PREPARE p AS SELECT 1", "EXECUTE p", "DEALLOCATE p", "COMMENT ON TABLE requests IS 'x'",
		"", ";", "--", "/*", "\x00",
	}
}

// The SQL passes three walls; each of the last two must hold alone where it
// can, so the statements run with and without the first.
func TestQuerySafety(t *testing.T) {
	q, dir := querier(t)
	if err := os.WriteFile(filepath.Join(dir, "secret.csv"), []byte("a,b\n1,TOPSECRET\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	duck(t, filepath.Join(dir, "other.duckdb"), "CREATE TABLE secret (i INTEGER)")
	before, _ := os.ReadDir(dir)
	for _, sql := range attacks(dir) {
		if err := q.Query(context.Background(), sql, nil, func([]any) error { return nil }); err == nil {
			t.Errorf("allowed: %s", sql)
		} else if !strings.HasPrefix(err.Error(), "query: ") || strings.Contains(err.Error(), "TOPSECRET") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	// Without the first wall: what passes may touch no file and no table.
	for _, sql := range attacks(dir) {
		st, err := q.s.db.Prepare(sql)
		if err != nil {
			continue
		}
		rs, err := st.Query()
		if err == nil {
			for rs.Next() {
			}
			rs.Close()
		}
		st.Close()
	}
	if after, _ := os.ReadDir(dir); !reflect.DeepEqual(names(before), names(after)) {
		t.Errorf("files changed: %v, before %v", names(after), names(before))
	}
	n, sum := int64(0), int64(0)
	if err := q.s.one(context.Background(), "SELECT count(*), sum(line)::BIGINT FROM requests", &n, &sum); err != nil || n != 10 || sum != 55 {
		t.Errorf("requests changed: %d, %d, %v", n, sum, err)
	}
	for name, want := range map[string]string{"enable_external_access": "false", "lock_configuration": "true"} {
		var got string
		if err := q.s.one(context.Background(), "SELECT current_setting('"+name+"')::VARCHAR", &got); err != nil || got != want {
			t.Errorf("%s = %s, %v", name, got, err)
		}
	}
}

func names(es []os.DirEntry) (out []string) {
	for _, e := range es {
		out = append(out, e.Name())
	}
	return out
}

func FuzzFirstWords(f *testing.F) {
	f.Add("/* x */ -- y\n(select 1")
	f.Fuzz(func(t *testing.T, s string) {
		for _, w := range firstWords(s, 3) {
			if w == "" || w != strings.ToUpper(w) || !strings.Contains(strings.ToUpper(s), w) {
				t.Errorf("%q: word %q", s, w)
			}
		}
	})
}
