package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apiml/store"
)

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
