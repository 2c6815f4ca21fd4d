package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestSameBytes: scores do not depend on the way of the records: from the file or
// from the store, in the order of the log or shuffled inside a minute, with one
// worker or four.
func TestSameBytes(t *testing.T) {
	dir := t.TempDir()
	shuffled := filepath.Join(dir, "shuffled.log")
	zanbil := realData(t, "logs", "zanbil_shop_nginx_combined_2019-01-26.log.gz")
	f, err := os.Open(zanbil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var minute string
	var out, part [][]byte
	r := rand.New(rand.NewPCG(1, 1))
	flush := func() {
		r.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
		out, part = append(out, part...), part[:0]
	}
	for i, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		if i == 30_000 {
			break
		}
		if at := bytes.IndexByte(line, '['); at > 0 && len(line) > at+18 && string(line[at:at+18]) != minute {
			flush()
			minute = string(line[at : at+18])
		}
		part = append(part, line)
	}
	flush()
	if err := os.WriteFile(shuffled, append(bytes.Join(out, []byte("\n")), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, log := range map[string]string{
		"shuffled": shuffled,
		"scanner":  realData(t, "logs", "scan_w3af_combined.log.gz"),
		"elastic":  realData(t, "logs", "elastic_apache_combined_2015.log.gz"),
	} {
		at := func(s string) string { return filepath.Join(dir, name+s) }
		cli(t, nil, "score", "-q", "-o", at("1.jsonl"), log)
		cli(t, nil, "ingest", "-q", "--db", at(".duckdb"), log)
		cli(t, nil, "score", "-q", "--db", at(".duckdb"), "-o", at("2.jsonl"))
		for workers, file := range map[int]string{1: "3.jsonl", 4: "4.jsonl"} {
			before := runtime.GOMAXPROCS(workers)
			cli(t, nil, "score", "-q", "-o", at(file), log)
			runtime.GOMAXPROCS(before)
		}
		want, err := os.ReadFile(at("1.jsonl"))
		if err != nil || len(want) == 0 {
			t.Fatal(err)
		}
		for _, file := range []string{"2.jsonl", "3.jsonl", "4.jsonl"} {
			got, err := os.ReadFile(at(file))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, got) {
				t.Errorf("%s: %s differs from the scores of the file", name, file)
			}
		}
	}
}
