package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"apiml/store"
)

// runApiml runs the program in this process with a database of its own and
// returns the exit code and what it said.
func runApiml(t testing.TB, stdin io.Reader, args ...string) (int, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(context.Background(), args, streams{stdin, &out, &errs}, func(string) (string, bool) { return "", false })
	return code, out.String() + errs.String()
}

// contents is all that a database says about the lines of its inputs, in a form
// that does not depend on the order and number of runs. It checks the sums too.
func contents(t testing.TB, db string) string {
	t.Helper()
	ctx := context.Background()
	q, err := store.OpenQuery(ctx, store.Options{Path: db, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var b strings.Builder
	dump := func(sql string) {
		err := q.Query(ctx, sql, nil, func(row []any) error {
			for _, v := range row {
				fmt.Fprintf(&b, "%v\x1f", v)
			}
			b.WriteByte('\n')
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		b.WriteString("--\n")
	}
	dump(`SELECT i.sha256, i.size, i.first_line, i.lines, i.read, i.parsed, i.rejected, i.filtered, i.first_time, i.last_time, i.resume_offset, i.held FROM inputs i ORDER BY i.sha256, i.size`)
	dump(`SELECT i.sha256, r.* EXCLUDE (seq, input) FROM requests r JOIN inputs i ON i.id = r.input ORDER BY ALL`)
	dump(`SELECT i.sha256, r.* EXCLUDE (input) FROM rejects r JOIN inputs i ON i.id = r.input ORDER BY ALL`)
	dump(`SELECT i.sha256, r.kind, r.n, r.held FROM redactions r JOIN inputs i ON i.id = r.input ORDER BY ALL`)
	var bad int64
	err = q.Query(ctx, `SELECT count(*) FROM inputs i WHERE read <> parsed + rejected + filtered
		OR parsed <> (SELECT count(*) FROM requests WHERE input = i.id) + (SELECT count(*) FROM flows WHERE input = i.id)
		OR rejected <> (SELECT count(*) FROM rejects WHERE input = i.id)`, nil, func(row []any) error { bad = row[0].(int64); return nil })
	if err != nil || bad > 0 {
		t.Errorf("%d inputs whose counts are not those of their rows, %v", bad, err)
	}
	err = q.Query(ctx, "SELECT count(*) - count(DISTINCT seq) FROM requests", nil, func(row []any) error { bad = row[0].(int64); return nil })
	if err != nil || bad > 0 {
		t.Errorf("%d numbers were given out twice, %v", bad, err)
	}
	return b.String()
}

// samples are inputs of several formats with all that makes a cut hurt: lines
// that are no records, blank ones, records over several lines, a missing line
// end, CRLF, quotes, non-ASCII text.
func resumeSamples(rng *rand.Rand) map[string]string {
	combined := func(eol string) string {
		var b strings.Builder
		for i := range 40 {
			switch rng.IntN(8) {
			case 0:
				b.WriteString("no log line at all, password=hunter" + strconv.Itoa(i))
			case 1:
			case 2:
				fmt.Fprintf(&b, `192.0.2.%d - - [05/Jan/2026:10:00:%02d +0000] "GET /é?token=s%d HTTP/1.1" 200 5`, i, i, i) // common, a prefix of combined
			default:
				fmt.Fprintf(&b, `192.0.2.%d - - [05/Jan/2026:10:00:%02d +0000] "GET /api/%d?q=a&password=hunter%d HTTP/1.1" 200 512 "-" "curl/8.5.0 %d"`, i%7, i, i, i, i)
			}
			b.WriteString(eol)
		}
		return b.String()
	}
	csv := "timestamp,endpoint,method,ip_address,user_agent,response_time,status_code,payload_size,is_attack,attack_type,body\n"
	csic := ""
	for i := range 25 {
		body := "a"
		switch rng.IntN(4) {
		case 0:
			body = "\"two\nlines, " + strconv.Itoa(i) + "\""
		case 1:
			body = `"said ""no"""`
		case 2:
			body = `stray " quote`
		}
		csv += fmt.Sprintf("2024-01-15 10:30:%02d,/api/u/%d,GET,192.0.2.1,x,0.2,200,5,0,None,%s\n", i, i, body)
		form := fmt.Sprintf("id=%d&name=%s", i, strings.Repeat("n", i))
		if i%2 == 0 {
			csic += fmt.Sprintf("POST http://localhost:8080/shop/p%d.jsp HTTP/1.1\r\nUser-Agent: Konqueror\r\nHost: localhost:8080\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n", i, len(form), form)
		} else {
			csic += fmt.Sprintf("GET http://localhost:8080/shop/p%d.jsp?%s HTTP/1.1\nHost: localhost:8080\n\n\n", i, form)
		}
	}
	js := ""
	for i := range 30 {
		js += fmt.Sprintf(`{"time_iso8601":"2026-01-05T10:00:%02d+00:00","remote_addr":"192.0.2.9","request_method":"GET","request_uri":"/i?id=%d","status":200,"body_bytes_sent":10,"http_user_agent":"curl é"}`+"\n", i, i)
		if i%9 == 4 {
			js += "{broken\n"
		}
	}
	return map[string]string{"combined": combined("\n"), "crlf": combined("\r\n"), "unterminated": strings.TrimRight(combined("\n"), "\n"), "csv": csv, "csic": csic, "json": js}
}

// TestResume: a log that is read whenever it has grown by some bytes, wherever
// that cuts it, under changing names, packed or not, gives the same store as one
// that is read once.
func TestResume(t *testing.T) {
	if testing.Short() {
		t.Skip("many runs")
	}
	rng := rand.New(rand.NewPCG(7, 1))
	for name, text := range resumeSamples(rng) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			whole := filepath.Join(dir, "whole.log")
			write := func(path, text string) {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write(whole, text)
			format := name
			if strings.Contains("crlf unterminated", name) {
				format = "combined"
			}
			from := map[string]string{"csv": "apiml-csv", "csic": "csic2010"}[format]
			if from == "" {
				from = format
			}
			ingest := func(db, path string) {
				// A first piece may hold no record at all: exit 3, but kept.
				if code, said := runApiml(t, nil, "ingest", "-q", "--from", from, "--db", filepath.Join(dir, db), path); code != 0 && code != exitInput {
					t.Fatalf("exit %d: %s", code, said)
				}
			}
			ingest("once.duckdb", whole)
			want := contents(t, filepath.Join(dir, "once.duckdb"))
			least := 1
			if format == "csv" {
				least = strings.IndexByte(text, '\n') + 1 // without its header it is no such file
			}
			cuts := []int{}
			for at := least + rng.IntN(200); at < len(text); at += 1 + rng.IntN(len(text)/3) {
				cuts = append(cuts, at)
			}
			for i, at := range append(cuts, len(text)) {
				path := filepath.Join(dir, fmt.Sprintf("log.%d", i*rng.IntN(2)))
				piece := text[:at]
				if rng.IntN(3) == 0 {
					var z bytes.Buffer
					w := gzip.NewWriter(&z)
					io.WriteString(w, piece)
					w.Close()
					piece = z.String()
				}
				write(path, piece)
				ingest("grown.duckdb", path)
				if rng.IntN(3) == 0 {
					ingest("grown.duckdb", path)
				}
			}
			if got := contents(t, filepath.Join(dir, "grown.duckdb")); got != want {
				t.Errorf("cut at %v\n got %s\nwant %s", cuts, got, want)
			}
		})
	}
}

// TestKill kills the program with SIGKILL at random moments of an ingest, runs
// it again, and finds the store as if nothing had happened. APIML_KILLS is the
// number of moments (`make kills`: 50).
func TestKill(t *testing.T) {
	kills := 5
	if v := os.Getenv("APIML_KILLS"); v != "" {
		kills, _ = strconv.Atoi(v)
	} else if testing.Short() {
		t.Skip("many runs")
	}
	dir := t.TempDir()
	var text strings.Builder
	for i := range 60_000 {
		if i%97 == 0 {
			text.WriteString("no log line\n")
			continue
		}
		fmt.Fprintf(&text, `192.0.%d.%d - - [05/Jan/2026:10:%02d:%02d +0000] "GET /api/%d?token=abc%d HTTP/1.1" 200 512 "-" "curl/8.5.0"`+"\n", i%200, i%91, i/60%60, i%60, i, i)
	}
	all := text.String()
	half := strings.LastIndexByte(all[:len(all)/2], '\n') - 30 // inside a line
	os.WriteFile(filepath.Join(dir, "a.log"), []byte(all[:half]), 0o644)
	os.WriteFile(filepath.Join(dir, "b.log"), []byte(strings.ReplaceAll(all, "10:", "11:")), 0o644)
	start := func(db string) *exec.Cmd {
		c := exec.Command(os.Args[0], "ingest", "-q", "--db", filepath.Join(dir, db), filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log"))
		c.Args[0] = "apiml"
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	begin := time.Now()
	if err := start("whole.duckdb").Wait(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	want := contents(t, filepath.Join(dir, "whole.duckdb"))
	rng := rand.New(rand.NewPCG(uint64(kills), 2))
	killed := 0
	for i := range kills {
		db := fmt.Sprintf("k%d.duckdb", i)
		for range 1 + rng.IntN(2) {
			c := start(db)
			time.Sleep(time.Duration(rng.Float64() * 1.05 * float64(took)))
			c.Process.Kill()
			if c.Wait() != nil {
				killed++
			}
		}
		if err := start(db).Wait(); err != nil {
			t.Fatalf("run %d after a kill: %v", i, err)
		}
		if got := contents(t, filepath.Join(dir, db)); got != want {
			t.Errorf("run %d: the store differs from that of a run that was let alone", i)
		}
		for _, left := range []string{".new-*", ".tmp-*", ".wal"} {
			if m, _ := filepath.Glob(filepath.Join(dir, db+left)); len(m) > 0 {
				t.Errorf("run %d left %v", i, m)
			}
		}
		os.Remove(filepath.Join(dir, db))
	}
	t.Logf("killed %d times in %d runs of %v", killed, kills, took.Round(time.Millisecond))
}
