package ingest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apiml/traffic"
)

// fuzzFormat checks of any input to one format: every byte and every unit is
// accounted for, records have sane values, and the way in which the bytes
// arrive changes nothing.
func fuzzFormat(f *testing.F, name string, seeds ...string) {
	all := samples(f)
	for _, s := range seeds {
		f.Add(all[s][:min(len(all[s]), 4000)])
	}
	if more, _ := filepath.Glob("testdata/formats/" + name + "*.log"); len(seeds) == 0 {
		for _, p := range more {
			b, err := os.ReadFile(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(b))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		open := func(r io.Reader, size int) *Reader {
			rd, err := Open("-", r, Options{Format: name, BatchSize: size, LogFormat: `$remote_addr [$time_local] "$request" $status "$http_user_agent" $request_time`})
			if err != nil {
				var in *InputError
				if !errors.As(err, &in) {
					t.Fatalf("%v is no InputError", err)
				}
				return nil
			}
			return rd
		}
		r := open(strings.NewReader(text), 0)
		if r == nil {
			return
		}
		res := readAll(t, r)
		if res.err != nil || r.src.compression != "" {
			return
		}
		if res.offset != int64(len(text)) {
			t.Fatalf("offset %d of %d", res.offset, len(text))
		}
		lines := int64(strings.Count(text, "\n"))
		if text != "" && text[len(text)-1] != '\n' {
			lines++
		}
		if res.line != lines {
			t.Fatalf("line %d of %d", res.line, lines)
		}
		for _, q := range res.requests {
			if q.Line < 1 || q.Line > lines || q.Status < 0 || q.Status > 999 || q.BytesIn < -1 || q.BytesOut < -1 ||
				!(q.Latency >= 0 || q.Latency == -1) || q.Time != traffic.NoTime && !validTime(q.Time) {
				t.Fatalf("%+v", q)
			}
		}
		for _, q := range res.flows {
			if q.Line < 1 || q.Line > lines || q.Time != traffic.NoTime && !validTime(q.Time) {
				t.Fatalf("%+v", q)
			}
		}
		for _, j := range res.rejects {
			if j.Reason == "" || j.Line < 1 || j.Line > lines || j.Offset < 0 || j.Offset >= int64(len(text)) {
				t.Fatalf("%+v", j)
			}
		}
		checkPlaces(t, text, name)
		// Byte by byte and in batches of two.
		r = open(&slow{text: text}, 2)
		if r == nil {
			return // the header came in pieces
		}
		again := readAll(t, r)
		if again.cov.Read != res.cov.Read || again.cov.Parsed != res.cov.Parsed || again.cov.Filtered != res.cov.Filtered || again.offset != res.offset {
			t.Fatalf("in pieces %+v, whole %+v", again.cov, res.cov)
		}
	})
}

// checkPlaces: in a format of lines each line is at most one record or reject, in
// order; a record's raw bytes are its line, and a reject stands where its line
// begins.
func checkPlaces(t *testing.T, text, name string) {
	r, err := Open("-", strings.NewReader(text), Options{Format: name, NoRedact: true})
	if err != nil || r.dec.split != nil {
		return
	}
	var starts []int64
	lines := strings.SplitAfter(text, "\n")
	at := int64(0)
	for _, l := range lines {
		starts = append(starts, at)
		at += int64(len(l))
	}
	plain := func(line int64) string {
		l := lines[line-1]
		if line == 1 {
			l = strings.TrimPrefix(l, bom)
		}
		return trimEnd(l)
	}
	res := readAll(t, r)
	seen := map[int64]bool{}
	last := int64(0)
	for _, q := range res.requests {
		if q.Line <= last || q.Raw != plain(q.Line) {
			t.Fatalf("record of line %d behind %d: %q, the line is %q", q.Line, last, q.Raw, plain(q.Line))
		}
		last, seen[q.Line] = q.Line, true
	}
	last = 0
	for _, j := range res.rejects {
		if j.Line <= last || seen[j.Line] || j.Offset != starts[j.Line-1] || !strings.HasPrefix(plain(j.Line), j.Raw) {
			t.Fatalf("reject of line %d behind %d at %d: %q, the line is %q at %d", j.Line, last, j.Offset, j.Raw, plain(j.Line), starts[j.Line-1])
		}
		last, seen[j.Line] = j.Line, true
	}
	if int64(len(seen))+res.cov.Filtered != res.cov.Read {
		t.Fatalf("%d lines are something, %d left out, %d read", len(seen), res.cov.Filtered, res.cov.Read)
	}
}

// slow gives a text in pieces of 7 bytes, the first line at once.
type slow struct {
	text    string
	started bool
}

func (s *slow) Read(p []byte) (int, error) {
	if s.text == "" {
		return 0, io.EOF
	}
	n := 7
	if i := strings.IndexByte(s.text, '\n'); !s.started {
		n = max(i+1, 7)
	}
	s.started = true
	n = copy(p[:min(n, len(p))], s.text)
	s.text = s.text[n:]
	return n, nil
}

func FuzzCombined(f *testing.F) { fuzzFormat(f, "combined", "combined.log", "wrapped.log") }
func FuzzCommon(f *testing.F)   { fuzzFormat(f, "common", "common.log") }
func FuzzJSON(f *testing.F)     { fuzzFormat(f, "json", "nginx.jsonl") }
func FuzzCSV(f *testing.F)      { fuzzFormat(f, "apiml-csv", "apiml.csv", "apiml_wide.csv") }
func FuzzCSIC(f *testing.F) {
	fuzzFormat(f, "csic2010", "normalTrafficSample.txt", "anomalousTrafficSample.txt", "csic_database.csv")
}
func FuzzCIC(f *testing.F) {
	fuzzFormat(f, "cicids2017", "cicids2017_ml.csv", "cicids2017_labelled.csv")
}

func FuzzALB(f *testing.F)          { fuzzFormat(f, "alb") }
func FuzzELB(f *testing.F)          { fuzzFormat(f, "elb") }
func FuzzHAProxy(f *testing.F)      { fuzzFormat(f, "haproxy") }
func FuzzS3(f *testing.F)           { fuzzFormat(f, "s3") }
func FuzzSquid(f *testing.F)        { fuzzFormat(f, "squid") }
func FuzzW3C(f *testing.F)          { fuzzFormat(f, "w3c") }
func FuzzEnvoyText(f *testing.F)    { fuzzFormat(f, "envoy-text") }
func FuzzProxyManager(f *testing.F) { fuzzFormat(f, "nginx-proxy-manager") }
func FuzzUWSGI(f *testing.F)        { fuzzFormat(f, "uwsgi") }
func FuzzZoraxy(f *testing.F)       { fuzzFormat(f, "zoraxy") }
func FuzzLTSV(f *testing.F)         { fuzzFormat(f, "ltsv") }
func FuzzLogfmt(f *testing.F)       { fuzzFormat(f, "logfmt") }
func FuzzSyslog(f *testing.F)       { fuzzFormat(f, "syslog") }
func FuzzTable(f *testing.F)        { fuzzFormat(f, "table") }
func FuzzCaddy(f *testing.F)        { fuzzFormat(f, "caddy") }
func FuzzTraefik(f *testing.F)      { fuzzFormat(f, "traefik") }
func FuzzEnvoy(f *testing.F)        { fuzzFormat(f, "envoy") }
func FuzzCloudflare(f *testing.F)   { fuzzFormat(f, "cloudflare") }
func FuzzJSONAny(f *testing.F)      { fuzzFormat(f, "json-any") }
func FuzzJSONWrapped(f *testing.F)  { fuzzFormat(f, "json-wrapped") }
func FuzzExtras(f *testing.F)       { fuzzFormat(f, "combined") }
func FuzzLogFormat(f *testing.F) {
	f.Add("192.0.2.1 [15/Jan/2024:10:30:45 +0000] \"GET /a HTTP/1.1\" 200 \"curl\" 0.25\n")
	fuzzFormat(f, "log-format", []string{}...)
}

// FuzzDetect: whatever the bytes are, Open answers with a reader whose units
// add up or with an InputError.
func FuzzDetect(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s[:min(len(s), 2000)])
	}
	f.Add(gz(line1))
	f.Add(zst(line1))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Open("-", strings.NewReader(text), Options{})
		if err != nil {
			var in *InputError
			if !errors.As(err, &in) {
				t.Fatalf("%v is no InputError", err)
			}
			return
		}
		if res := readAll(t, r); res.err == nil && r.src.compression == "" && res.offset != int64(len(text)) {
			t.Fatalf("offset %d of %d", res.offset, len(text))
		}
	})
}
