package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestSameBytes: scores do not depend on the way of the records: from the file or
// from the store, in the order of the log or shuffled inside a minute, with one
// worker or four. APIML_SAMEBYTES=all takes every log as a whole (`make samebytes`).
func TestSameBytes(t *testing.T) {
	if os.Getenv("APIML_SAMEBYTES") == "all" {
		logs, err := filepath.Glob(filepath.Join(filepath.Dir(realData(t, "logs", "scan_w3af_combined.log.gz")), "*.gz"))
		if err != nil || len(logs) < 11 {
			t.Fatal(logs, err)
		}
		for _, log := range logs {
			sameBytes(t, log)
			sameBytes(t, shuffled(t, log, 0))
		}
		return
	}
	sameBytes(t, realData(t, "logs", "scan_w3af_combined.log.gz"))
	sameBytes(t, realData(t, "logs", "elastic_apache_combined_2015.log.gz"))
	sameBytes(t, shuffled(t, realData(t, "logs", "haproxy_http_2014.log.gz"), 0))
	sameBytes(t, shuffled(t, realData(t, "logs", "zanbil_shop_nginx_combined_2019-01-26.log.gz"), 20_000))
}

// sameBytes scores a log on four ways and compares what comes out.
func sameBytes(t *testing.T, log string) {
	dir := t.TempDir()
	db := filepath.Join(dir, "a.duckdb")
	cli(t, nil, "ingest", "-q", "--db", db, log)
	var want []byte
	for _, workers := range []int{1, 4} {
		for _, from := range [][]string{{log}, {"--db", db}} {
			out := filepath.Join(dir, "scores.jsonl")
			before := runtime.GOMAXPROCS(workers)
			cli(t, nil, append([]string{"score", "-q", "-o", out}, from...)...)
			runtime.GOMAXPROCS(before)
			got, err := os.ReadFile(out)
			if err != nil || len(got) == 0 {
				t.Fatal(len(got), err)
			}
			if want == nil {
				want = got
				continue
			}
			if !bytes.Equal(want, got) {
				t.Errorf("%s: scores of %v with %d workers differ from those of the file with one", filepath.Base(log), from, workers)
			}
		}
	}
	t.Logf("%s: %d bytes of scores", filepath.Base(log), len(want))
}

// shuffled writes the first lines of a log (0 = all), those that follow each
// other within a minute in random order, and returns the path.
func shuffled(t *testing.T, log string, lines int) string {
	f, err := os.Open(log)
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
	all := bytes.SplitAfter(text, []byte("\n"))
	if lines > 0 {
		all = all[:lines]
	}
	minute := regexp.MustCompile(`\d\d/\w{3}/\d{4}:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d|\t\d{7}`)
	r := rand.New(rand.NewPCG(1, 1))
	moved := 0
	for from := 0; from < len(all); {
		at := string(minute.Find(all[from]))
		to := from + 1
		for at != "" && to < len(all) && string(minute.Find(all[to])) == at {
			to++
		}
		if part := all[from:to]; bytes.HasSuffix(part[len(part)-1], []byte("\n")) {
			moved += len(part) - 1
			r.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
		}
		from = to
	}
	if moved == 0 {
		t.Fatalf("%s: no two lines within a minute", log)
	}
	out := filepath.Join(t.TempDir(), "shuffled_"+strings.TrimSuffix(filepath.Base(log), ".gz"))
	if err := os.WriteFile(out, bytes.Join(all, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}
