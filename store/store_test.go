package store

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/marcboeker/go-duckdb"

	"apiml/traffic"
)

// TestMain plays the other process: see helper.
func TestMain(m *testing.M) {
	if path := os.Getenv("APIML_STORE_HOLD"); path != "" {
		hold(path, os.Getenv("APIML_STORE_MODE"))
	}
	os.Exit(m.Run())
}

// hold opens the store, commits an input, begins another one, says so and
// waits to be killed.
func hold(path, mode string) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: path, ReadOnly: mode == "read"})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	if mode == "write" {
		if _, err := s.Ingest(ctx, Input{Name: "kept"}, batches(requests("kept", 100))); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		n := 0
		s.Ingest(ctx, Input{Name: "lost"}, func() (*traffic.Batch, error) {
			if n++; n == 30 {
				fmt.Println("ready")
				select {}
			}
			return requests("lost", 10_000), nil
		})
	}
	fmt.Println("ready")
	select {}
}

// helper starts this test binary as another process that has path open.
func helper(t *testing.T, path, mode string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "APIML_STORE_HOLD="+path, "APIML_STORE_MODE="+mode)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("other process: %q, %v", line, err)
	}
	return c
}

// fresh opens a new store.
func fresh(t testing.TB) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Path: filepath.Join(t.TempDir(), "t.duckdb"), Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// batches hands out bs, then io.EOF.
func batches(bs ...*traffic.Batch) func() (*traffic.Batch, error) {
	return func() (*traffic.Batch, error) {
		if len(bs) == 0 {
			return nil, io.EOF
		}
		b := bs[0]
		bs = bs[1:]
		return b, nil
	}
}

// requests makes a batch of n plain requests, one per second.
func requests(file string, n int) *traffic.Batch {
	b := &traffic.Batch{}
	for i := range n {
		b.Requests = append(b.Requests, traffic.Request{
			Time: 1_700_000_000_000_000 + int64(i)*1_000_000, Status: 200, Latency: 0.25, BytesIn: -1, BytesOut: 5, Method: "GET",
			Target: "/users/" + strconv.Itoa(i), Client: "10.0.0.1", Agent: "x", File: file, Line: int64(i + 1),
		})
	}
	return b
}

func mustIngest(t testing.TB, s *Store, name string, bs ...*traffic.Batch) Input {
	t.Helper()
	in, err := s.Ingest(context.Background(), Input{Name: name}, batches(bs...))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// counts returns the rows per table.
func counts(t *testing.T, s *Store) map[string]int64 {
	t.Helper()
	in, err := s.Info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, x := range in.Tables {
		out[x.Name] = x.Rows
	}
	return out
}

func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "t.duckdb")
	s, err := Open(context.Background(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	mustIngest(t, s, "a", requests("a", 10)) // small: stays in the log
	seen := 0
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", e.Name(), fi.Mode())
		}
		seen++
	}
	if seen != 3 { // database, log, directory for spilling
		t.Errorf("%d entries in the folder: %v", seen, entries)
	}
	if fi, _ := os.Stat(path); fi.Mode() != 0o600 {
		t.Errorf("database has mode %v", fi.Mode())
	}
	// A transaction that is rolled back leaves no log behind either.
	s.Ingest(context.Background(), Input{Name: "b"}, func() (*traffic.Batch, error) { return nil, errors.New("no") })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	entries, _ = os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("left in the folder: %v", entries)
	}
}

func TestLocked(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "t.duckdb")
	other := helper(t, path, "write")
	for _, readOnly := range []bool{false, true} {
		_, err := Open(ctx, Options{Path: path, ReadOnly: readOnly})
		var locked *LockedError
		if !errors.As(err, &locked) || locked.PID != other.Process.Pid || locked.Path != path {
			t.Fatalf("ReadOnly %v: %v", readOnly, err)
		}
		if want := fmt.Sprintf("in use by PID %d", other.Process.Pid); !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	// Killed in the middle of an ingest: what was committed is there, nothing else.
	other.Process.Kill()
	other.Wait()
	mine := path + ".tmp-of-the-user"
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mine, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{true, false, true} {
		s, err := Open(ctx, Options{Path: path, ReadOnly: readOnly})
		if err != nil {
			t.Fatal(err)
		}
		if c := counts(t, s); c["requests"] != 100 || c["inputs"] != 1 {
			t.Errorf("after kill: %v", c)
		}
		s.Close()
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	if len(entries) != 2 {
		t.Errorf("left in the folder: %v", entries)
	}
	if _, err := os.Stat(filepath.Join(mine, "precious")); err != nil {
		t.Error(err)
	}
}

func TestReadersShare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.duckdb")
	s, err := Open(context.Background(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	mustIngest(t, s, "a", requests("a", 10))
	s.Close()
	helper(t, path, "read")
	r, err := Open(context.Background(), Options{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if c := counts(t, r); c["requests"] != 10 {
		t.Errorf("%v", c)
	}
	if _, err := r.Ingest(context.Background(), Input{Name: "x"}, batches(requests("x", 1))); err == nil {
		t.Error("a reader could write")
	}
	var locked *LockedError
	if _, err := Open(context.Background(), Options{Path: path}); !errors.As(err, &locked) {
		t.Errorf("a writer beside a reader: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	s, err := Open(ctx, Options{Path: good})
	if err != nil {
		t.Fatal(err)
	}
	mustIngest(t, s, "a", requests("a", 50_000))
	s.Close()
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	flip := func(at int) []byte {
		b := append([]byte(nil), whole...)
		b[at] ^= 0x40
		return b
	}
	foreign := filepath.Join(dir, "foreign")
	duck(t, foreign, "CREATE TABLE requests (x INTEGER)")
	oddVersion := filepath.Join(dir, "odd")
	duck(t, oddVersion, "CREATE TABLE apiml_schema (colour VARCHAR)")
	for _, c := range []struct{ name, path, want string }{
		{"text", file("text", []byte("127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 2326\n")), "not an apiml database"},
		{"empty", file("empty", nil), "not an apiml database"},
		{"zeros", file("zeros", make([]byte, 1<<16)), "not an apiml database"},
		{"header", file("header", flip(4096+20)), ""},
		{"cut in the header", file("cuthead", whole[:5000]), ""},
		{"foreign", foreign, "a DuckDB file without apiml's tables"},
		{"foreign table of our name", oddVersion, "not an apiml database"},
		{"directory", dir, "not a regular file"},
		{"no folder", filepath.Join(dir, "no", "db"), "no such file or directory"},
		{"question mark", filepath.Join(dir, "a?b"), "must not contain"},
		{"hash", filepath.Join(dir, "a#b"), "must not contain"},
		{"percent", filepath.Join(dir, "a%zz"), "must not contain"},
		{"nothing", "", "no path"},
	} {
		for _, readOnly := range []bool{false, true} {
			s, err := Open(ctx, Options{Path: c.path, ReadOnly: readOnly})
			if err == nil {
				t.Errorf("%s: opened", c.name)
				s.Close()
				continue
			}
			if (!readOnly && !strings.Contains(err.Error(), c.want)) || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), "database") {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	if _, err := Open(ctx, Options{Path: filepath.Join(dir, "none"), ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("a reader made a file")
	}
	// Damage behind the header is found when it is read: an error, no panic.
	for at := len(whole) / 2; at < len(whole); at += len(whole) / 7 {
		s, err := Open(ctx, Options{Path: file("data", flip(at))})
		if err != nil {
			continue
		}
		n := 0
		err = s.ScanRequests(ctx, Filter{}, func(rs []traffic.Request) error { n += len(rs); return nil })
		if err == nil && n != 50_000 {
			t.Errorf("byte %d flipped: %d requests without an error", at, n)
		}
		s.Close()
	}
	s, err = Open(ctx, Options{Path: file("half", whole[:len(whole)/2])})
	if err == nil {
		if err = s.ScanRequests(ctx, Filter{}, func([]traffic.Request) error { return nil }); err == nil {
			t.Error("half a database read without an error")
		}
		s.Close()
	}
}

// duck runs SQL on a plain DuckDB file.
func duck(t *testing.T, path, query string) {
	t.Helper()
	c, err := duckdb.NewConnector(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

func TestMigrations(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "t.duckdb")
	s, err := Open(ctx, Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	now := migrations()
	mustIngest(t, s, "a", requests("a", 3))
	// A step that fails changes nothing, the steps before it neither.
	err = s.upgrade(ctx, false, append(now, "ALTER TABLE inputs ADD COLUMN extra INTEGER DEFAULT 7", "SELECT nonsense"))
	if err == nil || !strings.Contains(err.Error(), "migrate database") {
		t.Fatalf("bad migration: %v", err)
	}
	if err := s.one(ctx, "SELECT extra FROM inputs", new(int)); err == nil {
		t.Error("half a migration")
	}
	next := append(now, "ALTER TABLE inputs ADD COLUMN extra INTEGER DEFAULT 7")
	var schema *SchemaError
	if err := s.upgrade(ctx, true, next); !errors.As(err, &schema) || schema.Has != len(now) || schema.Want != len(next) {
		t.Errorf("old schema, read-only: %v", err)
	}
	if err := s.upgrade(ctx, false, next); err != nil {
		t.Fatal(err)
	}
	extra := 0
	if err := s.one(ctx, "SELECT extra FROM inputs", &extra); err != nil || extra != 7 {
		t.Errorf("migrated: %d, %v", extra, err)
	}
	s.Close()
	// This program now finds a newer schema than it knows.
	for _, readOnly := range []bool{false, true} {
		if _, err := Open(ctx, Options{Path: path, ReadOnly: readOnly}); !errors.As(err, &schema) || schema.Has != len(next) || !strings.Contains(err.Error(), "newer apiml") {
			t.Errorf("newer schema: %v", err)
		}
	}
}

func TestOptions(t *testing.T) {
	temp := t.TempDir()
	s, err := Open(context.Background(), Options{Path: filepath.Join(t.TempDir(), "it's a store"), Threads: 1, MemoryLimit: "200MiB", TempDir: temp})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"threads": "1", "memory_limit": "200.0 MiB", "temp_directory": s.temp,
		"autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
	} {
		var got string
		if err := s.one(context.Background(), "SELECT current_setting('"+name+"')::VARCHAR", &got); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	if filepath.Dir(s.temp) != temp {
		t.Errorf("spills to %q", s.temp)
	}
	s.Close()
	if es, _ := os.ReadDir(temp); len(es) != 0 {
		t.Errorf("left behind: %v", es)
	}
}

// A sort that does not fit into memory_limit spills to our directory.
func TestSpill(t *testing.T) {
	s, err := Open(context.Background(), Options{Path: filepath.Join(t.TempDir(), "t"), Threads: 1, MemoryLimit: "60MB"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var n int64
	if err := s.one(context.Background(), "SELECT count(*) FROM (SELECT hash(i)::VARCHAR || repeat('x', 40) AS h FROM range(600_000) t(i) ORDER BY h OFFSET 1)", &n); err != nil || n != 599_999 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestCSVToParquet(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	csv, parquet := filepath.Join(dir, "it's.csv"), filepath.Join(dir, "it's.parquet")
	text := "a,b,c\n1,\"x \"\"y\"\", z\nnext\",2026-03-02 00:00:01.5\n2,,2026-03-02 00:00:02\n"
	if err := os.WriteFile(csv, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cols := []CSVColumn{{"a", "BIGINT"}, {"b", "VARCHAR"}, {"c", "TIMESTAMP"}}
	if err := CSVToParquet(ctx, csv, parquet, cols, 3); err == nil || !strings.Contains(err.Error(), "2 of 3 records") {
		t.Errorf("a record too few: %v", err)
	}
	if _, err := os.Stat(parquet); err == nil {
		t.Error("an incomplete file was left")
	}
	if err := CSVToParquet(ctx, csv, parquet, cols, 2); err != nil {
		t.Fatal(err)
	}
	s := fresh(t)
	var n int64
	var b string
	if err := s.db.QueryRowContext(ctx, "SELECT sum(a)::BIGINT, max(b) FROM read_parquet("+quote(parquet)+")").Scan(&n, &b); err != nil || n != 3 || b != "x \"y\", z\nnext" {
		t.Errorf("read back %d, %q: %v", n, b, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".apiml-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestExportParquet(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	mustIngest(t, s, "a", requests("a", 5000))
	path := filepath.Join(t.TempDir(), "it's.parquet")
	for range 2 { // the second one replaces the first
		if err := s.ExportParquet(ctx, "requests", path); err != nil {
			t.Fatal(err)
		}
	}
	var n, sum int64
	if err := s.one(ctx, "SELECT count(*), sum(line)::BIGINT FROM read_parquet("+quote(path)+")", &n, &sum); err != nil || n != 5000 || sum != 5000*5001/2 {
		t.Errorf("%d rows, %d, %v", n, sum, err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
	for _, c := range [][2]string{{"requests; DROP TABLE requests", path}, {"apiml_schema", path}, {"requests", filepath.Join(path, "no", "x")}} {
		if err := s.ExportParquet(ctx, c[0], c[1]); err == nil {
			t.Errorf("%v exported", c)
		}
	}
	if es, _ := os.ReadDir(filepath.Dir(path)); len(es) != 1 {
		t.Errorf("left behind: %v", es)
	}
}

func TestLedger(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	a := Run{Command: "apiml score 'x\x00\xff'", Version: "0.1", Config: "c0ffee", Inputs: []string{"i1", "i2"}, Started: 1_000_000}
	id, err := s.StartRun(ctx, a)
	if err != nil || id != 1 {
		t.Fatal(id, err)
	}
	if _, err := s.StartRun(ctx, Run{Command: "b", Started: traffic.NoTime}); err != nil {
		t.Fatal(err)
	}
	a.ID, a.Models, a.Counts, a.Status, a.Finished = 1, []string{"m"}, map[string]int64{"requests": 5, "flagged": 1}, "ok", 2_500_000
	if err := s.FinishRun(ctx, Run{ID: 1, Models: a.Models, Counts: a.Counts, Status: "ok", Finished: a.Finished}); err != nil {
		t.Fatal(err)
	}
	if err := s.FinishRun(ctx, Run{ID: 9}); err == nil {
		t.Error("finished a run that never began")
	}
	got, err := s.Runs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := []Run{a, {ID: 2, Command: "b", Counts: map[string]int64{}, Status: "running", Started: traffic.NoTime, Finished: traffic.NoTime}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	ms := []Metric{{1, "attack", "csic", "macro_f1", 0.9, 0.01}, {1, "anomaly", "csic", "auc", 0.8, 0}}
	if err := s.PutMetrics(ctx, ms); err != nil {
		t.Fatal(err)
	}
	back, err := s.Metrics(ctx)
	if err != nil || !reflect.DeepEqual(back, []Metric{ms[1], ms[0]}) {
		t.Errorf("%+v, %v", back, err)
	}
}
