package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apiml/store"
)

// TestParquetBytes: what is no UTF-8, and what looks like its encoding, goes into a
// Parquet file and comes back.
func TestParquetBytes(t *testing.T) {
	dir := t.TempDir()
	csv, parquet := filepath.Join(dir, "t.csv"), filepath.Join(dir, "t.parquet")
	text := "timestamp,endpoint,method,ip_address,user_agent,response_time,status_code,payload_size,is_attack,attack_type\n" +
		"2026-01-05 10:00:00,/a,GET,192.0.2.1,\"\xc0\xbcscript\xc0\xbe \\xc0 \\x5c ＜\",0.1,200,5,1,xss\n"
	if err := os.WriteFile(csv, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var cols []store.CSVColumn
	for name := range strings.SplitSeq(text[:strings.IndexByte(text, '\n')], ",") {
		cols = append(cols, store.CSVColumn{Name: name, Type: "VARCHAR"})
	}
	if err := store.CSVToParquet(t.Context(), csv, parquet, cols, 1); err != nil {
		t.Fatal(err)
	}
	var agents []string
	for _, path := range []string{csv, parquet} {
		db := path + ".duckdb"
		if code, said := runApiml(t, nil, "ingest", "-q", "--db", db, path); code != 0 {
			t.Fatal(said)
		}
		_, said := runApiml(t, nil, "query", "--db", db, "SELECT agent FROM requests")
		agents = append(agents, said)
	}
	if agents[0] != agents[1] || !strings.Contains(agents[0], "script") {
		t.Errorf("%q from CSV, %q from Parquet", agents[0], agents[1])
	}
}

// TestParquetInput: a Parquet file gives the records of the CSV file of the same
// traffic, and an export, read again, those that were exported.
func TestParquetInput(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	t.Setenv("TMPDIR", dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	do := func(want int, args ...string) string {
		t.Helper()
		code, said := runApiml(t, nil, args...)
		if code != want {
			t.Fatalf("%v: exit %d: %s", args, code, said)
		}
		return said
	}
	do(0, "generate", "-q", "--requests", "3000", "-o", at("t.csv"))
	do(0, "generate", "-q", "--requests", "3000", "-o", at("t.parquet"))
	do(0, "ingest", "-q", "--db", at("csv.duckdb"), at("t.csv"))
	if said := do(0, "ingest", "--db", at("parquet.duckdb"), at("t.parquet")); !strings.Contains(said, "3,000 records") {
		t.Error(said)
	}
	if said := do(0, "ingest", "--db", at("parquet.duckdb"), at("t.parquet")); !strings.Contains(said, "known already") {
		t.Error(said)
	}
	requests := func(db string) string {
		q, err := store.OpenQuery(ctx, store.Options{Path: at(db), Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		var b strings.Builder
		err = q.Query(ctx, "SELECT * EXCLUDE (seq, input, line, size) FROM requests ORDER BY seq", nil, func(row []any) error {
			for _, v := range row {
				b.WriteString(sqlText(v, "NULL"))
				b.WriteByte('|')
			}
			b.WriteByte('\n')
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := requests("csv.duckdb")
	if requests("parquet.duckdb") != want || len(want) < 100_000 {
		t.Error("the records of CSV and Parquet differ")
	}
	st, err := store.Open(ctx, store.Options{Path: at("csv.duckdb")})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"requests", "inputs"} {
		if err := st.ExportParquet(ctx, table, at(table+".export")); err != nil { // known by its content
			t.Fatal(err)
		}
	}
	st.Close()
	do(0, "ingest", "-q", "--db", at("again.duckdb"), at("requests.export"))
	if got := requests("again.duckdb"); got != want {
		t.Errorf("the export, read again, differs:\n%.600s\n%.600s", got, want)
	}
	do(0, "score", "-q", at("t.parquet"))
	if said := do(exitInput, "ingest", "--db", at("no.duckdb"), at("inputs.export")); !strings.Contains(said, "inputs.export: read Parquet file: its columns are neither") {
		t.Error(said)
	}
	os.WriteFile(at("bad.parquet"), []byte("PAR1 and nothing else"), 0o600)
	if said := do(exitInput, "ingest", "--db", at("no.duckdb"), at("bad.parquet")); strings.Count(said, "\n") > 2 || !strings.Contains(said, "bad.parquet: read Parquet file") {
		t.Error(said)
	}
	if left, _ := filepath.Glob(at("apiml-parquet-*")); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
	if _, err := os.Stat(at("no.duckdb")); err == nil {
		t.Error("a database was made")
	}
}
