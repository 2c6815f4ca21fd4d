package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"apiml/traffic"
)

// Pruned is how many rows of each table a Prune took out.
type Pruned struct {
	Requests, Flows, Scores, Rejects int64
}

// Prune deletes the records before a time (microseconds UTC; traffic.NoTime =
// none for their age) and those of a principal ("user:ann", "client:192.0.2.7",
// with or without the agent; "" = nobody), with their scores. Rejects go with
// the last record of their input, or if they name the principal. Inputs, runs
// and metrics stay, so that a file that was read is known as before and the sums
// of each run still tell what it read. With dry nothing is deleted, only counted.
func (s *Store) Prune(ctx context.Context, before int64, principal string, dry bool) (Pruned, error) {
	var p Pruned
	work := func(t *tx) error {
		type part struct {
			n     *int64
			table string
			where string
			args  []any
		}
		var parts []part
		if before != traffic.NoTime {
			at := timestamp(before)
			parts = append(parts,
				part{&p.Rejects, "rejects", "input IN (SELECT id FROM inputs WHERE last_time < ?)", []any{at}},
				part{&p.Scores, "scores", "time < ?", []any{at}},
				part{&p.Requests, "request_rows", "time < ?", []any{at}},
				part{&p.Flows, "flows", "time < ?", []any{at}})
		}
		if principal != "" {
			named, err := namedIn(principal)
			if err != nil {
				return err
			}
			// A user's name may hold a blank; behind that of a client stands the agent.
			is := func(column string) string {
				if strings.HasPrefix(principal, "client:") {
					return "(" + column + " = decode($1) OR starts_with(" + column + ", decode($1) || ' '))"
				}
				return column + " = decode($1)"
			}
			name := []any{blob(principal)}
			its := "EXISTS (SELECT 1 FROM requests r WHERE r.input = request_rows.input AND r.line = request_rows.line AND " + is("r.principal") + ")"
			parts = append(parts,
				part{&p.Rejects, "rejects", "regexp_matches(raw, decode($1)) AND contains(raw, decode($2))", named},
				part{&p.Scores, "scores", is("principal"), name},
				part{&p.Requests, "request_rows", its, name})
		}
		for _, x := range parts {
			var n int64
			if err := t.conn.QueryRowContext(ctx, "SELECT count(*) FROM "+x.table+" WHERE "+x.where, x.args...).Scan(&n); err != nil {
				return err
			}
			*x.n += n
			if dry || n == 0 {
				continue
			}
			if err := t.exec("DELETE FROM "+x.table+" WHERE "+x.where, x.args...); err != nil {
				return err
			}
		}
		return nil
	}
	if dry {
		return p, s.read(ctx, work)
	}
	return p, s.write(ctx, work)
}

// namedIn makes the two arguments that tell whether a rejected line names a
// principal: a regular expression for the name, and the agent that must stand in
// the line too, "" = any. Both are for text as it is stored: see encode.
//
// A name counts where it is a word of its own: ann in "/users/ann?x", not in
// joanna. For an address the neighbours are digits and dots: 192.0.2.1 stands in
// "192.0.2.1:443", not in 192.0.2.10 nor in 10.192.0.2.1. A percent sign or
// backslash with its code is a neighbour like a blank: %20ann. Where that leaves
// a doubt the line is taken: what is lost is a line that was no record.
func namedIn(principal string) ([]any, error) {
	kind, name, _ := strings.Cut(principal, ":")
	agent := ""
	before, after := `[^\pL\pN_]`, `[^\pL\pN_]`
	if kind == "client" {
		name, agent, _ = strings.Cut(name, " ")
		before, after = `[^0-9.]`, `[^0-9.]|\.(?:$|[^0-9])`
		if strings.Contains(name, ":") {
			before, after = `[^0-9A-Fa-f:]`, `[^0-9A-Fa-f:]`
		}
	}
	if name == "" {
		return nil, fmt.Errorf("prune: %q names nobody", principal) // every reject would match
	}
	const code = `%[0-9A-Fa-f]{2}|\\(?:x5cx[0-9A-Fa-f]{2}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[a-z])`
	exp := `(?:^|` + code + `|` + before + `)` + regexp.QuoteMeta(encode(name)) + `(?:$|` + after + `)`
	if kind == "client" {
		exp = "(?i)" + exp
	}
	return []any{[]byte(exp), blob(agent)}, nil
}

// Compact writes the database anew without the room that deleted rows left, and
// puts it in place of the old one; deleted text is then in no byte of the file.
// Nobody may have it open. If it fails or is killed the old one stays.
func Compact(ctx context.Context, opt Options) error {
	dir, err := os.MkdirTemp(filepath.Dir(opt.Path), filepath.Base(opt.Path)+newSuffix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fresh := opt
	fresh.Path, fresh.ReadOnly = filepath.Join(dir, "db"), false
	if err := create(ctx, fresh); err != nil {
		return err
	}
	to, err := open(ctx, fresh, nil)
	if err != nil {
		return err
	}
	err = to.copyFrom(ctx, opt.Path)
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("compact database %q: %w", opt.Path, err)
	}
	if err := os.Chmod(fresh.Path, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh.Path, opt.Path)
}

// copyFrom fills the empty tables with those of another database.
func (s *Store) copyFrom(ctx context.Context, path string) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	exec := func(q string) error { _, err := conn.ExecContext(ctx, q); return err }
	if err := exec("ATTACH '" + strings.ReplaceAll(path, "'", "''") + "' AS old (READ_ONLY)"); err != nil {
		return err
	}
	rows, err := conn.QueryContext(ctx, "SELECT table_name FROM duckdb_tables() WHERE database_name = 'old' AND table_name <> 'apiml_schema' ORDER BY 1")
	if err != nil {
		return err
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, name := range tables {
		if err := exec(fmt.Sprintf(`INSERT INTO "%s" BY NAME SELECT * FROM old."%s" ORDER BY rowid`, name, name)); err != nil {
			return err
		}
	}
	if err := exec("DETACH old"); err != nil {
		return err
	}
	return exec("CHECKPOINT")
}
