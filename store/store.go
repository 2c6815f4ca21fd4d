// Package store keeps what apiml has read in one DuckDB file: requests, flows,
// rejects, inputs, scores, the ledger of runs and their metrics. It writes and
// reads through Arrow and holds the SQL of all reports.
//
// Use: [Open] a store, [Store.Ingest] one input at a time (one transaction
// each), [Store.ScanRequests] or [Store.ScanFlows] to read the records back in
// order and in bounded memory, the aggregates ([Store.Summary], …) for
// reports, and [OpenQuery] for SQL that a user typed.
//
// It parses no logs, computes no features and renders nothing.
//
// # Text
//
// Everything that comes from a log is untrusted bytes, and a VARCHAR must be
// UTF-8. Bytes that are not are stored as the four characters \xNN (lower-case
// hex, as in "\xe2"), and the backslash of text that already looks so as \x5c,
// so that the way back is exact: what ScanRequests and ScanFlows return equals
// what was ingested, byte for byte. Aggregates and SQL show the stored text,
// which is always valid UTF-8. NUL is kept as it is.
//
// # Unknown values
//
// Unknown is NULL in the tables: an empty string (but not target, template and
// class), status 0, sizes and latency below zero, a time outside the years 1
// to 9999, the body of a request without one, NaN in a flow.
//
// # Processes
//
// One process may write, or several may read. Within one process a file must
// be opened once at a time: the lock of the operating system, on which DuckDB
// relies, does not hold a process off from itself.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/marcboeker/go-duckdb"
)

// Options say how to open a store.
type Options struct {
	Path        string // database file; made on first use unless ReadOnly
	ReadOnly    bool   // open for reading: several processes may do so at a time
	Threads     int    // threads of DuckDB, 0 = one per core
	MemoryLimit string // "1GiB"; "" = 80 % of the machine's memory
	TempDir     string // where large sorts spill to; "" = beside the database
}

// Store is an open database. Its methods may be called concurrently; writing
// transactions wait for each other.
type Store struct {
	path    string
	db      *sql.DB
	temp    string // own directory for spilling, removed by Close
	writer  sync.Mutex
	written bool
	digest  *digest // nil = none
}

// ErrNotStore is the error for a file that is there but is no database of
// apiml: another kind of file, a damaged one, or somebody else's DuckDB file.
var ErrNotStore = errors.New("not an apiml database")

// LockedError says that another process has the database open.
type LockedError struct {
	Path string
	PID  int // 0 if unknown
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("open database %q: in use by another process", e.Path)
	}
	return fmt.Sprintf("open database %q: in use by PID %d", e.Path, e.PID)
}

// SchemaError says that the database has another schema version than this
// program: a newer one, or an older one that was opened for reading only.
type SchemaError struct {
	Path      string
	Has, Want int // version of the file, version of this program
}

func (e *SchemaError) Error() string {
	if e.Has > e.Want {
		return fmt.Sprintf("open database %q: written by a newer apiml (schema version %d, this one knows %d); upgrade apiml", e.Path, e.Has, e.Want)
	}
	return fmt.Sprintf("open database %q: schema version %d, this apiml needs %d; open it once for writing to migrate it", e.Path, e.Has, e.Want)
}

// Open opens the store at opt.Path and brings its schema up to date. A file
// that does not exist is made, with mode 0600; with ReadOnly that is an error
// that wraps fs.ErrNotExist. Other errors: *LockedError, *SchemaError,
// ErrNotStore. The store must be closed.
func Open(ctx context.Context, opt Options) (*Store, error) {
	if opt.Path == "" {
		return nil, errors.New("open database: no path given")
	}
	fi, err := os.Stat(opt.Path)
	switch {
	case err == nil && !fi.Mode().IsRegular():
		return nil, fmt.Errorf("open database %q: not a regular file", opt.Path)
	case errors.Is(err, fs.ErrNotExist) && opt.ReadOnly:
		return nil, fmt.Errorf("open database %q: %w; ingest makes it", opt.Path, fs.ErrNotExist)
	case errors.Is(err, fs.ErrNotExist):
		if err := create(ctx, opt); err != nil && !exists(opt.Path) {
			return nil, fmt.Errorf("create database %q: %w", opt.Path, err)
		}
	case err != nil:
		return nil, fmt.Errorf("open database %q: %w", opt.Path, errors.Unwrap(err))
	}
	s, err := open(ctx, opt, nil)
	if err != nil {
		return nil, err
	}
	if err := s.upgrade(ctx, opt.ReadOnly, migrations()); err != nil {
		s.Close()
		return nil, err
	}
	if !opt.ReadOnly {
		// What killed processes left while they made this database. One that is
		// still at it has lost the race: it will find ours.
		old, _ := filepath.Glob(escapeGlob(opt.Path) + newSuffix)
		for _, d := range old {
			os.RemoveAll(d)
		}
	}
	return s, nil
}

const newSuffix = ".new-*"

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// create makes an empty store in a private directory and then links it to its
// place: the file is never there without its tables, never readable by others
// (DuckDB creates with 0644), and two processes cannot both create it.
func create(ctx context.Context, opt Options) error {
	dir, err := os.MkdirTemp(filepath.Dir(opt.Path), filepath.Base(opt.Path)+newSuffix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fresh := Options{Path: filepath.Join(dir, "db"), Threads: 1}
	s, err := open(ctx, fresh, nil)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, "CREATE TABLE apiml_schema (version INTEGER NOT NULL); INSERT INTO apiml_schema VALUES (0)")
	if err == nil {
		err = s.upgrade(ctx, false, migrations())
	}
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(fresh.Path, 0o600); err != nil {
		return err
	}
	err = os.Link(fresh.Path, opt.Path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil // made by another process in the meantime: just as good
	}
	return os.Rename(fresh.Path, opt.Path) // file system without hard links
}

// open opens the file and sets up the connection, without a look at the tables.
// extra are further DuckDB settings, as name, value.
func open(ctx context.Context, opt Options, extra []string) (*Store, error) {
	path, err := filepath.Abs(opt.Path)
	if err != nil {
		return nil, fmt.Errorf("open database %q: %w", opt.Path, err)
	}
	// The driver takes a URL; behind one of these our settings would be lost.
	if _, err := url.Parse(path); err != nil || strings.ContainsAny(path, "?#") {
		return nil, fmt.Errorf("open database %q: the path must not contain ?, # or %%", opt.Path)
	}
	v := url.Values{}
	v.Set("autoinstall_known_extensions", "false")
	v.Set("autoload_known_extensions", "false")
	if opt.ReadOnly {
		v.Set("access_mode", "read_only")
	}
	if opt.Threads > 0 {
		v.Set("threads", strconv.Itoa(opt.Threads))
	}
	if opt.MemoryLimit != "" {
		v.Set("memory_limit", opt.MemoryLimit)
	}
	c, err := duckdb.NewConnector(path+"?"+v.Encode(), nil)
	if err != nil {
		return nil, openError(opt.Path, err)
	}
	s := &Store{path: path, db: sql.OpenDB(c)}
	if err := s.makeTemp(opt); err != nil {
		s.Close()
		return nil, fmt.Errorf("open database %q: temporary directory: %w", opt.Path, err)
	}
	set := append([]string{"temp_directory", quote(s.temp)}, extra...)
	for i := 0; i < len(set); i += 2 {
		if _, err := s.db.ExecContext(ctx, "SET "+set[i]+" = "+set[i+1]); err != nil {
			s.Close()
			return nil, fmt.Errorf("open database %q: %w", opt.Path, err)
		}
	}
	return s, nil
}

// makeTemp makes a directory of our own for spilling: readers that shared one
// would overwrite each other's files, and DuckDB would make it readable by all.
func (s *Store) makeTemp(opt Options) error {
	dir, pattern := opt.TempDir, filepath.Base(s.path)+".tmp-*"
	if dir == "" {
		dir = filepath.Dir(s.path)
		if !opt.ReadOnly { // we hold the lock: what is there was left by a crash
			old, _ := filepath.Glob(escapeGlob(s.path) + ".tmp-*")
			for _, d := range old {
				spilled, _ := filepath.Glob(escapeGlob(d) + "/duckdb_temp_*")
				for _, f := range spilled {
					os.Remove(f)
				}
				os.Remove(d) // if it holds anything else, it is not ours and stays
			}
		}
	}
	var err error
	s.temp, err = os.MkdirTemp(dir, pattern)
	if err != nil && opt.ReadOnly && opt.TempDir == "" {
		s.temp, err = os.MkdirTemp("", pattern) // a database in a folder that we may not write to
	}
	return err
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// openError gives DuckDB's message its meaning.
func openError(path string, err error) error {
	msg := err.Error()
	switch {
	case strings.Contains(msg, "Could not set lock"):
		pid := 0
		if m := regexp.MustCompile(`\(PID (\d+)\)`).FindStringSubmatch(msg); m != nil {
			pid, _ = strconv.Atoi(m[1])
		}
		return &LockedError{Path: path, PID: pid}
	case strings.Contains(msg, "not a valid DuckDB database file"):
		return fmt.Errorf("open database %q: %w", path, ErrNotStore)
	case strings.Contains(msg, "Corrupt database file"), strings.Contains(msg, "checksum"), strings.Contains(msg, "Could not read enough bytes"):
		return fmt.Errorf("open database %q: %w: the file is damaged: %s", path, ErrNotStore, firstLine(msg))
	}
	return fmt.Errorf("open database %q: %s", path, firstLine(msg))
}

// lastPart strips the driver's prefixes from a message.
func lastPart(msg string) string {
	if i := strings.LastIndex(msg, "duckdb error: "); i >= 0 {
		return msg[i+len("duckdb error: "):]
	}
	return msg
}

func firstLine(msg string) string {
	line, _, _ := strings.Cut(lastPart(msg), "\n")
	return line
}

// Close writes what is in the log to the database and closes it.
func (s *Store) Close() error {
	s.DropDigest()
	err := s.db.Close()
	if s.temp != "" {
		os.RemoveAll(s.temp)
	}
	if fi, serr := os.Stat(s.path + ".wal"); s.written && serr == nil && fi.Size() == 0 {
		os.Remove(s.path + ".wal") // ours, of a transaction that was rolled back
	}
	if err != nil {
		return fmt.Errorf("close database %q: %w", s.path, err)
	}
	return nil
}

// upgrade checks the schema version and applies the missing migrations, in one
// transaction.
func (s *Store) upgrade(ctx context.Context, readOnly bool, steps []string) error {
	var n int
	err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'main' AND table_name = 'apiml_schema'").Scan(&n)
	if err != nil {
		return openError(s.path, err)
	}
	if n == 0 {
		return fmt.Errorf("open database %q: %w: a DuckDB file without apiml's tables", s.path, ErrNotStore)
	}
	var has int
	if err := s.db.QueryRowContext(ctx, "SELECT max(version) FROM apiml_schema").Scan(&has); err != nil {
		return fmt.Errorf("open database %q: %w: no schema version: %s", s.path, ErrNotStore, firstLine(err.Error()))
	}
	if has > len(steps) || has < len(steps) && readOnly {
		return &SchemaError{Path: s.path, Has: has, Want: len(steps)}
	}
	if has == len(steps) {
		return nil
	}
	return s.write(ctx, func(t *tx) error {
		for i := max(has, 0); i < len(steps); i++ {
			if err := t.exec(steps[i]); err != nil {
				return fmt.Errorf("migrate database %q to schema version %d: %w", s.path, i+1, err)
			}
		}
		return t.exec("UPDATE apiml_schema SET version = " + strconv.Itoa(len(steps)))
	})
}

// Info describes the database.
type Info struct {
	Path        string
	Schema      int         // schema version
	Size        int64       // bytes of the file
	First, Last int64       // times of the oldest and newest request or flow, microseconds UTC, traffic.NoTime if none
	Tables      []TableInfo // in the order of the schema
}

// TableInfo is a table and its number of rows.
type TableInfo struct {
	Name string
	Rows int64
}

// Info returns what the database holds.
func (s *Store) Info(ctx context.Context) (Info, error) {
	in := Info{Path: s.path}
	fi, err := os.Stat(s.path)
	if err != nil {
		return in, fmt.Errorf("database info: %w", err)
	}
	in.Size = fi.Size()
	err = s.one(ctx, "SELECT version FROM apiml_schema", &in.Schema)
	for _, name := range tables() {
		if err != nil {
			break
		}
		t := TableInfo{Name: name}
		err = s.one(ctx, "SELECT count(*) FROM "+name, &t.Rows)
		in.Tables = append(in.Tables, t)
	}
	if err == nil {
		err = s.one(ctx, "SELECT min(a), max(b) FROM (SELECT min(time) a, max(time) b FROM requests UNION ALL SELECT min(time), max(time) FROM flows)",
			(*micros)(&in.First), (*micros)(&in.Last))
	}
	if err != nil {
		return in, fmt.Errorf("database info: %w", err)
	}
	return in, nil
}

// quote makes a SQL string literal.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
