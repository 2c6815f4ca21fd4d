package ingest

import (
	"strings"
	"testing"

	"apiml/traffic"
)

// TestMeaning: what a format's own rules say about a value, where a plain reading
// of it would be wrong.
func TestMeaning(t *testing.T) {
	const iis = "#Software: Microsoft Internet Information Services 10.0\n"
	const fields = "#Fields: date time c-ip cs-method cs-uri-stem sc-status time-taken cs(Host)\n"
	for _, c := range []struct {
		name, format, text string
		check              func(q traffic.Request) bool
	}{
		{"cloudflare: latency from both edge times, in any order", "cloudflare",
			`{"ClientIP":"192.0.2.1","ClientRequestHost":"a.example","ClientRequestMethod":"GET","ClientRequestURI":"/","EdgeStartTimestamp":1712790000100000000,"EdgeEndTimestamp":1712790000123000000,"EdgeResponseStatus":200}`,
			func(q traffic.Request) bool { return near(q.Latency, 0.023) && q.Time == 1712790000123000 }},
		{"cloudflare: whole seconds tell no latency, an origin that was not asked neither", "cloudflare",
			`{"ClientIP":"192.0.2.1","ClientRequestHost":"a.example","ClientRequestMethod":"GET","ClientRequestURI":"/","EdgeStartTimestamp":"2024-04-10T23:00:02Z","EdgeEndTimestamp":"2024-04-10T23:00:02Z","EdgeResponseStatus":301,"OriginResponseDurationMs":0}`,
			func(q traffic.Request) bool { return q.Latency == -1 }},
		{"heroku: connect and service follow each other", "logfmt",
			`2026-03-12T08:15:01Z heroku[router]: at=info method=GET path="/" host=a.example fwd="192.0.2.1" dyno=web.1 connect=8ms service=21ms status=200 bytes=9`,
			func(q traffic.Request) bool { return near(q.Latency, 0.029) }},
		{"logfmt: a duration without a unit could be anything", "logfmt",
			`time="2026-03-12T08:15:02Z" method=POST path=/api status=201 duration=250`,
			func(q traffic.Request) bool { return q.Latency == -1 }},
		{"caddy: durations as text", "caddy",
			`{"level":"info","ts":1773303301.25,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"192.0.2.1","method":"GET","host":"a.example","uri":"/","headers":{}},"duration":"7.5ms","size":0,"status":204}`,
			func(q traffic.Request) bool { return near(q.Latency, 0.0075) }},
		{"iis counts milliseconds", "w3c", iis + fields + "2026-03-12 08:15:01 192.0.2.1 GET / 200 93 a.example",
			func(q traffic.Request) bool { return near(q.Latency, 0.093) && q.Host == "a.example" }},
		{"others count seconds by the standard and milliseconds by habit", "w3c", "#Software: Other\n" + fields + "2026-03-12 08:15:01 192.0.2.1 GET / 200 2 a.example",
			func(q traffic.Request) bool { return q.Latency == -1 }},
		{"w3c: a quote is doubled in a quoted field", "w3c", iis + "#Fields: date time cs(User-Agent) c-ip cs-method cs-uri-stem sc-status\n" + `2026-03-12 08:15:01 "a ""quoted"" name" 192.0.2.1 GET /x 200`,
			func(q traffic.Request) bool {
				return q.Agent == `a "quoted" name` && q.Target == "/x" && q.Status == 200
			}},
		{"w3c: cs-uri without a scheme", "w3c", "#Fields: date time c-ip cs-method cs-uri sc-status\n2026-03-12 08:15:01 192.0.2.1 GET a.example/page 200",
			func(q traffic.Request) bool { return q.Target == "/page" && q.Host == "a.example" }},
		{"zeek: the version is a protocol", "w3c", "#fields\tts\tid.orig_h\tmethod\turi\tversion\tstatus_code\n1320279566.452687\t192.0.2.1\tGET\t/\t1.1\t200",
			func(q traffic.Request) bool { return q.Protocol == "HTTP/1.1" }},
		{"a path that begins with :// is a path", "table", "host\ttime\tmethod\turl\tresponse\tbytes\n192.0.2.1\t804571201\tGET\t/://a.example\t404\t-",
			func(q traffic.Request) bool { return q.Target == "/://a.example" && q.Host == "" }},
		{"haproxy: an IPv6 client has no brackets, a captured header may hold a quote", "haproxy",
			`2001:db8::5:40102 [12/Mar/2026:08:15:01.300] web app/n1 1/0/2/3/6 200 1830 - - ---- 4/3/1/1/0 0/0 {a "b" c} "GET /a HTTP/1.1"`,
			func(q traffic.Request) bool { return q.Client == "2001:db8::5" && q.Target == "/a" }},
		{"heroku: https is no protocol version", "logfmt",
			`2026-03-12T08:15:01Z heroku[router]: at=info method=GET path="/" host=a.example protocol=https status=200 bytes=9`,
			func(q traffic.Request) bool { return q.Protocol == "" && q.Host == "a.example" }},
		{"haproxy: a whole URL is what the client sent", "haproxy",
			`192.0.2.1:40100 [12/Mar/2026:08:15:01.300] web app/n1 1/0/2/3/6 200 1830 - - ---- 4/3/1/1/0 0/0 "GET http://other.example/a HTTP/1.1"`,
			func(q traffic.Request) bool { return q.Target == "http://other.example/a" }},
	} {
		res := readString(t, c.text+"\n", Options{})
		if res.reader.Format() != c.format || len(res.requests) != 1 || !c.check(res.requests[0]) {
			t.Errorf("%s: %s, %+v, rejects %+v", c.name, res.reader.Format(), res.requests, res.rejects)
		}
	}
}

func near(x, y float64) bool { return x-y < 1e-12 && y-x < 1e-12 }

// TestNoRequests: lines of servers that are no HTTP request, and that a careless
// reader would count.
func TestNoRequests(t *testing.T) {
	const ok = "\n"
	for name, text := range map[string]string{
		"FTP in a W3C log": "#Fields: time c-ip cs-method cs-uri-stem sc-status\n16:44:49 192.0.2.1 [2]USER anonymous 331\n",
		"RTMP of CloudFront": "#Fields: date time x-edge-location c-ip x-event sc-bytes cs-uri-stem\n" +
			"2010-03-12\t23:51:20\tSEA4\t192.0.2.147\tconnect\t2014\trtmp://a.example/cfx/st\n",
	} {
		if r, err := Open("-", strings.NewReader(text+ok), Options{Format: "w3c"}); err == nil {
			if res := readAll(t, r); len(res.requests) != 0 || len(res.rejects) != 1 {
				t.Errorf("%s: %+v", name, res.requests)
			}
		}
	}
	// Caddy writes a request that failed twice, once as an error.
	const entry = `{"level":"info","ts":1773303301.25,"logger":"http.log.LOGGER","request":{"remote_ip":"192.0.2.1","method":"GET","host":"a.example","uri":"/","headers":{}},"duration":0.1,"size":0,"status":500}` + "\n"
	res := readString(t, strings.Replace(entry, "LOGGER", "access.log0", 1)+strings.Replace(entry, "LOGGER", "error.log0", 1), Options{})
	if len(res.requests) != 1 || len(res.rejects) != 1 {
		t.Errorf("caddy: %d records, %+v", len(res.requests), res.rejects)
	}
}

// TestResumeColumns: a log that names its columns is read on from where an earlier
// read ended, with the columns that hold there.
func TestResumeColumns(t *testing.T) {
	const head = "#Fields: date time c-ip cs-method cs-uri-stem sc-status\n2026-03-12 08:15:01 192.0.2.1 GET /a 200\n"
	changed := strings.Repeat("2026-03-12 08:15:02 192.0.2.1 GET /a 200\n", 20_000) + // beyond the head that Open looks at
		"#Fields: date time sc-status cs-uri-stem cs-method c-ip\n2026-03-12 08:15:03 404 /b POST 192.0.2.2\n"
	for name, known := range map[string]string{"first": head, "changed": head + changed} {
		text := known + "2026-03-12 08:15:04 192.0.2.3 GET /c 200\n"
		want := traffic.Request{Client: "192.0.2.3", Method: "GET", Target: "/c", Status: 200}
		if name == "changed" {
			text = known + "2026-03-12 08:15:04 302 /c PUT 192.0.2.3\n"
			want = traffic.Request{Client: "192.0.2.3", Method: "PUT", Target: "/c", Status: 302}
		}
		res := readString(t, text, Options{SkipBytes: int64(len(known)), SkipLines: int64(strings.Count(known, "\n"))})
		if len(res.requests) != 1 || res.requests[0].Client != want.Client || res.requests[0].Method != want.Method || res.requests[0].Target != want.Target || res.requests[0].Status != want.Status {
			t.Errorf("%s: %+v, rejects %+v", name, res.requests, res.rejects)
		}
	}
}
