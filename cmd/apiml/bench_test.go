package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkParseAndStore puts 400,000 combined lines, every column, into a new
// database: `apiml ingest` from end to end. Lines per CPU second are those of
// both cores together.
func BenchmarkParseAndStore(b *testing.B) {
	const lines = 400_000
	dir := b.TempDir()
	log := filepath.Join(dir, "access.log")
	if code, said := runApiml(b, nil, "generate", "-q", "--requests", fmt.Sprint(lines), "-o", log); code != 0 {
		b.Fatal(said)
	}
	fi, err := os.Stat(log)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(fi.Size())
	before := cpuSeconds()
	n := 0
	for b.Loop() {
		db := filepath.Join(dir, fmt.Sprintf("%d.duckdb", n))
		if code, said := runApiml(b, nil, "ingest", "-q", "--db", db, log); code != 0 || !strings.Contains(said, "400,000") {
			b.Fatal(code, said)
		}
		os.Remove(db)
		n++
	}
	b.ReportMetric(lines*float64(n)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(lines*float64(n)/(cpuSeconds()-before), "lines/CPU-s")
}

// BenchmarkScoreFile scores 100,000 generated combined lines with the built-in
// models, all evidence, into a file: `apiml score` from end to end.
func BenchmarkScoreFile(b *testing.B) {
	const lines = 100_000
	dir := b.TempDir()
	log := filepath.Join(dir, "access.log")
	if code, said := runApiml(b, nil, "generate", "-q", "--requests", fmt.Sprint(lines), "-o", log); code != 0 {
		b.Fatal(said)
	}
	before := cpuSeconds()
	n := 0
	for b.Loop() {
		if code, said := runApiml(b, nil, "score", "-q", log, "-o", filepath.Join(dir, "scores.jsonl")); code != 0 || !strings.Contains(said, "100,000") {
			b.Fatal(code, said)
		}
		n++
	}
	b.ReportMetric(lines*float64(n)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(1e6*(cpuSeconds()-before)/lines/float64(n), "CPU-µs/line")
}

// BenchmarkStart scores one line with the built-in models: what a run costs
// besides its lines.
func BenchmarkStart(b *testing.B) {
	log := oneLine(b)
	before := cpuSeconds()
	n := 0
	for b.Loop() {
		if code, said := runApiml(b, nil, "score", "-q", log, "-o", log+".jsonl"); code != 0 {
			b.Fatal(code, said)
		}
		n++
	}
	b.ReportMetric(1e3*(cpuSeconds()-before)/float64(n), "CPU-ms")
}

// oneLine is the path of a log of one line.
func oneLine(tb testing.TB) string {
	log := filepath.Join(tb.TempDir(), "access.log")
	line := `10.0.0.1 - - [05/May/2025:10:00:00 +0000] "GET /api/v1/orders/7 HTTP/1.1" 200 512 "-" "curl/8.5"` + "\n"
	if err := os.WriteFile(log, []byte(line), 0o600); err != nil {
		tb.Fatal(err)
	}
	return log
}
