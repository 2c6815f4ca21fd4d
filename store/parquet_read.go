package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"apiml/traffic"
)

// ParquetText opens a Parquet file as the text of a CSV file that package ingest
// reads, so that rejects, redaction and coverage are those of any other input.
// The file has the columns of the apiml CSV schema (timestamp, endpoint, …), of
// table requests, or of table flows, as ExportParquet writes them. Line 1 is the
// header, line n+1 row n. The text stands in a private temporary file, which is
// gone when the reader is closed, and not to be found by a name while it is
// read. A Parquet file is read by DuckDB: one from a stranger is no safe input.
func ParquetText(ctx context.Context, path string) (io.ReadCloser, error) {
	fail := func(err error) (io.ReadCloser, error) {
		return nil, fmt.Errorf("read Parquet file: %s", firstLine(err.Error()))
	}
	dir, err := os.MkdirTemp("", "apiml-parquet-*") // mode 0700
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	s, err := open(ctx, Options{Path: filepath.Join(dir, "db"), TempDir: dir, MemoryLimit: "1GiB"}, nil)
	if err != nil {
		return fail(err)
	}
	defer s.Close()
	type column struct{ name, kind string }
	cols, err := rows(ctx, s, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet("+quote(path)+"))",
		func(r rowScanner, c *column) error { return r.Scan(&c.name, &c.kind) })
	if err != nil {
		return fail(err)
	}
	kinds := map[string]string{}
	for _, c := range cols {
		kinds[strings.ToLower(c.name)] = c.kind
	}
	list, stored, err := parquetColumns(kinds)
	if err != nil {
		return fail(err)
	}
	if !stored {
		if err := s.one(ctx, "SELECT count(*) > 0 FROM parquet_kv_metadata("+quote(path)+") WHERE key = '"+encodedKey+"'", &stored); err != nil {
			return fail(err)
		}
	}
	text := filepath.Join(dir, "t.csv")
	if _, err := s.db.ExecContext(ctx, "COPY (SELECT "+list+" FROM read_parquet("+quote(path)+")) TO "+quote(text)+" (FORMAT csv, HEADER, QUOTE '\"', ESCAPE '\"', NULLSTR '')"); err != nil {
		return fail(err)
	}
	f, err := os.Open(text)
	if err != nil {
		return fail(err)
	}
	if !stored {
		return f, nil
	}
	return &decoder{f: f, r: bufio.NewReaderSize(f, 1<<16)}, nil
}

// parquetColumns lists the columns of the CSV text, as SQL. stored: their text
// is encoded as that of the store.
func parquetColumns(kinds map[string]string) (list string, stored bool, err error) {
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := kinds[n]; !ok {
				return false
			}
		}
		return true
	}
	var out []string
	add := func(name, column string) {
		kind, ok := kinds[column]
		if !ok {
			return
		}
		expr := `"` + column + `"`
		switch {
		case strings.HasPrefix(kind, "TIMESTAMP"):
			expr = "strftime(make_timestamp(epoch_us(" + expr + ")), '%Y-%m-%d %H:%M:%S.%f')"
		case kind == "DATE":
			expr = "strftime(" + expr + ", '%Y-%m-%d')"
		case kind == "BOOLEAN":
			expr = "CASE WHEN " + expr + " THEN '1' WHEN NOT " + expr + " THEN '0' END"
		case (kind == "DOUBLE" || kind == "FLOAT") && name == "response_time":
			expr = "CASE WHEN isfinite(" + expr + ") THEN format('{:.9f}', " + expr + "::DOUBLE) END"
		default:
			expr = "CAST(" + expr + " AS VARCHAR)"
		}
		out = append(out, expr+` AS "`+name+`"`)
	}
	switch {
	case has("timestamp", "endpoint", "method"):
		for _, n := range []string{"timestamp", "endpoint", "method", "ip_address", "user_agent", "response_time", "status_code", "payload_size",
			"is_attack", "attack_type", "query", "body", "host", "referrer", "user_id", "session_id", "cache_status", "bytes_out", "protocol", "forwarded_for"} {
			add(n, n)
		}
		return strings.Join(out, ", "), false, nil
	case has("time", "target", "method", "client", "agent"):
		for _, n := range [][2]string{{"timestamp", "time"}, {"endpoint", "target"}, {"method", "method"}, {"ip_address", "client"}, {"user_agent", "agent"},
			{"response_time", "latency"}, {"status_code", "status"}, {"payload_size", "bytes_in"}, {"body", "body"}, {"host", "host"}, {"referrer", "referrer"},
			{"user_id", "user"}, {"session_id", "session"}, {"cache_status", "cache"}, {"bytes_out", "bytes_out"}, {"protocol", "protocol"}, {"forwarded_for", "forwarded"}} {
			add(n[0], n[1])
		}
		if has("label") {
			out = append(out, `CASE WHEN label = 'none' THEN '0' WHEN label <> '' THEN '1' END AS is_attack`, `CASE WHEN label = 'none' THEN 'None' ELSE label END AS attack_type`)
		}
		return strings.Join(out, ", "), true, nil
	case has(flowColumns()...) && has("class"):
		names := traffic.FlowColumns()
		for i, c := range flowColumns() {
			add(names[i], c)
		}
		add("Label", "class")
		return strings.Join(out, ", "), true, nil
	}
	return "", false, errors.New("its columns are neither those of the apiml CSV schema (timestamp, endpoint, method, …) nor those of an exported table requests or flows")
}

// decoder undoes the encoding of stored text.
type decoder struct {
	f    *os.File
	r    *bufio.Reader
	rest string
	err  error
}

func (d *decoder) Read(p []byte) (int, error) {
	for d.rest == "" {
		if d.err != nil {
			return 0, d.err
		}
		var line string
		line, d.err = d.r.ReadString('\n')
		d.rest = decode(line)
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

func (d *decoder) Close() error { return d.f.Close() }
