package ingest

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew; read the diff")

// TestFormats reads the samples of testdata/formats, each written by hand in its
// format's form. The name of a sample begins with the format that must be found
// by the content; beside it stands what each line becomes.
func TestFormats(t *testing.T) {
	files, err := filepath.Glob("testdata/formats/*.log")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	covered := map[string]bool{}
	for _, path := range files {
		// Syslog's times take the year of the file.
		day := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
		if err := os.Chtimes(path, day, day); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".log")
		r, err := Open(path, nil, Options{Name: name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasPrefix(name, r.Format()) {
			t.Errorf("%s: found to be %s (%s)", name, r.Format(), r.Reason())
		}
		covered[r.Format()] = true
		var got strings.Builder
		fmt.Fprintf(&got, "# %s: %s\n", r.Format(), r.Reason())
		for {
			b, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			k := 0
			reject := func(before int64) {
				for ; k < len(b.Rejects) && b.Rejects[k].Line < before; k++ {
					fmt.Fprintf(&got, "%d rejected: %s\n", b.Rejects[k].Line, b.Rejects[k].Reason)
				}
			}
			for i := range b.Requests {
				q := &b.Requests[i]
				reject(q.Line)
				fmt.Fprintf(&got, "%d", q.Line)
				for _, p := range Parts(q) {
					fmt.Fprintf(&got, " %s=%q", p.Field, p.Value)
				}
				got.WriteByte('\n')
			}
			reject(1 << 40)
		}
		c := r.Coverage()
		fmt.Fprintf(&got, "# read %d parsed %d rejected %d filtered %d\n", c.Read, c.Parsed, c.Rejected, c.Filtered)
		r.Close()
		golden := strings.TrimSuffix(path, ".log") + ".golden"
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got.String(), want)
		}
	}
	for _, f := range Formats() {
		switch f.Name {
		case "combined", "common", "json", "apiml-csv", "csic2010", "cicids2017", "log-format": // have tests of their own
		default:
			if !covered[f.Name] {
				t.Errorf("no sample of %s", f.Name)
			}
		}
	}
}

// TestLogFormat reads lines by templates of NGINX and Apache.
func TestLogFormat(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "nginx.conf")
	text := "http {\n  # log_format nothing '$request';\n  log_format short '$request';\n  log_format main '$remote_addr - $remote_user [$time_local] \"$request\" '\n    '$status $body_bytes_sent \"$http_referer\" \"$http_user_agent\"';\n" +
		"  log_format timed escape=json '$time_iso8601|$remote_addr|$request_method|$request_uri|$status|$request_time|$upstream_response_time|$upstream_cache_status';\n}\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	httpd := filepath.Join(t.TempDir(), "httpd.conf")
	if err := os.WriteFile(httpd, []byte(`LogFormat "%h %l %u %t \"%r\" %>s %b %D" timed`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ format, line, want string }{
		{`$remote_addr [$time_local] "$request" $status $request_time`, `192.0.2.1 [15/Jan/2024:10:30:45 +0000] "GET /a?b=\x22c HTTP/1.1" 200 0.25`,
			`time="2024-01-15T10:30:45Z" client="192.0.2.1" method="GET" target="/a?b=\"c" protocol="HTTP/1.1" status="200" latency="0.25 s"`},
		{conf, `2024-01-15T10:30:45+00:00|192.0.2.1|POST|/x|502|0.5|0.2, 0.1|MISS`,
			`time="2024-01-15T10:30:45Z" client="192.0.2.1" method="POST" target="/x" status="502" latency="0.5 s" cache="MISS"`},
		{conf, `192.0.2.1 - ann [15/Jan/2024:10:30:45 +0000] "GET /a HTTP/1.1" 200 5 "-" "a \"b\" c"`,
			`time="2024-01-15T10:30:45Z" client="192.0.2.1" user="ann" method="GET" target="/a" protocol="HTTP/1.1" status="200" bytes_out="5" agent="a \"b\" c"`},
		{httpd, `192.0.2.1 - - [15/Jan/2024:10:30:45 +0000] "GET /a "b" HTTP/1.1" 200 5 250000`,
			`time="2024-01-15T10:30:45Z" client="192.0.2.1" method="GET" target="/a \"b\"" protocol="HTTP/1.1" status="200" bytes_out="5" latency="0.25 s"`},
		{`%v:%p %h %l %u %t "%m %U%q %H" %>s %O %{ms}T`, `shop.example:443 192.0.2.1 - - [15/Jan/2024:10:30:45 +0100] "GET /a?b=c HTTP/1.1" 404 77 12`, ""},
		{`%v %h %t "%r" %>s %O %{ms}T`, `shop.example 192.0.2.1 [15/Jan/2024:10:30:45 +0100] "GET /a?b=c HTTP/1.1" 404 77 12`,
			`time="2024-01-15T09:30:45Z" client="192.0.2.1" method="GET" target="/a?b=c" protocol="HTTP/1.1" status="404" bytes_out="77" latency="0.012 s" host="shop.example"`},
	} {
		if c.want == "" {
			if err := CheckLogFormat(c.format); err == nil {
				t.Errorf("%s: two fields side by side were taken", c.format)
			}
			continue
		}
		res := readString(t, c.line+"\nnot such a line\n", Options{Format: "log-format", LogFormat: c.format})
		if len(res.requests) != 1 || len(res.rejects) != 1 {
			t.Errorf("%s: %d records, rejects %+v", c.format, len(res.requests), res.rejects)
			continue
		}
		var got []string
		for _, p := range Parts(&res.requests[0]) {
			got = append(got, fmt.Sprintf("%s=%q", p.Field, p.Value))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.format, s, c.want)
		}
	}
	for _, bad := range []string{"$remote_addr$request", "%h %l", "plain text", "${request"} {
		if err := CheckLogFormat(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestExtras: what stands behind the agent is told by all lines together.
func TestExtras(t *testing.T) {
	line := func(extra string) string {
		return `192.0.2.1 - - [15/Jan/2024:10:30:45 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.5.0" ` + extra + "\n"
	}
	many := func(f func(i int) string) string {
		var b strings.Builder
		for i := range 40 {
			b.WriteString(line(f(i)))
		}
		return b.String()
	}
	for _, c := range []struct {
		what, text string
		want       float64
	}{
		{"request and upstream time", many(func(i int) string { return fmt.Sprintf("0.%03d 0.%03d", 100+i, 90+i) }), 0.1},
		{"upstream and request time", many(func(i int) string { return fmt.Sprintf("0.%03d 0.%03d", 90+i, 100+i) }), 0.1},
		{"%D", many(func(i int) string { return fmt.Sprint(2500 + i*i*i) }), 0.0025},
		{"%T %D", many(func(i int) string { return fmt.Sprintf("%d %d", i, i*1_000_000+250_000) }), 0.25},
		{"a small whole number could be anything", many(func(i int) string { return fmt.Sprint(100 + i) }), -1},
		{"two decimal numbers of no order", many(func(i int) string { return fmt.Sprintf("0.%d 0.%d", i%7, (i*3)%7) }), -1},
		{"rt=", many(func(i int) string { return `rt=0.125 uct="0.001" urt="0.124"` }), 0.125},
		{"one decimal number", line("0.5"), 0.5},
	} {
		res := readString(t, c.text, Options{})
		if got := res.requests[0].Latency; got != c.want {
			t.Errorf("%s: latency %v, want %v", c.what, got, c.want)
		}
	}
}
