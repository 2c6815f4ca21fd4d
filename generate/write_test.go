package generate

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"apiml/traffic"
)

func sample() traffic.Request {
	return traffic.Request{
		Time: 1705315845000000, Latency: .234, BytesIn: 512, BytesOut: 1024, Status: 200, Label: traffic.None, Method: "GET",
		Target: "/api/users?q=a,b", Protocol: "HTTP/1.1", Host: "api.example.com", Client: "192.168.1.100", Agent: "Mozilla/5.0",
	}
}

func TestAppendCombined(t *testing.T) {
	r := sample()
	want := `192.168.1.100 - - [15/Jan/2024:10:50:45 +0000] "GET /api/users?q=a,b HTTP/1.1" 200 1024 "-" "Mozilla/5.0"`
	if got := string(AppendCombined(nil, &r)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// NGINX, ngx_http_log_module: "The default escaping … characters `"`, `\`,
	// and other characters with values less than 32 or above 126 are escaped
	// as \xXX".
	r.Target, r.Agent, r.Referrer, r.User = "/\"\\\x00\n\x7f~é", "a\tb", "http://x/\"", "a b"
	r.BytesOut = -1
	want = `192.168.1.100 - a\x20b [15/Jan/2024:10:50:45 +0000] "GET /\x22\x5C\x00\x0A\x7F~\xC3\xA9 HTTP/1.1" 200 0 "http://x/\x22" "a\x09b"`
	if got := string(AppendCombined(nil, &r)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	empty := traffic.Request{Time: traffic.NoTime}
	if got := string(AppendCombined(nil, &empty)); got != `- - - [-] "-" 000 0 "-" "-"` {
		t.Errorf("empty request: %s", got)
	}
}

func TestAppendJSON(t *testing.T) {
	r := sample()
	r.Cache, r.Session, r.Body, r.HasBody = "HIT", "s1", "a=\"\n\u2028é\xff", true
	want := `{"time_iso8601":"2024-01-15T10:50:45+00:00","remote_addr":"192.168.1.100","remote_user":"-","request_method":"GET",` +
		`"request_uri":"/api/users?q=a,b","server_protocol":"HTTP/1.1","status":200,"body_bytes_sent":1024,"request_time":0.234,"request_length":512,` +
		`"http_referer":"-","http_user_agent":"Mozilla/5.0","host":"api.example.com","upstream_cache_status":"HIT","session_id":"s1",` +
		`"request_body":"a=\"\n\u2028é\u00ff"}`
	if got := string(AppendJSON(nil, &r)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestSchemaVerbatim: the header and the two rows of the schema's origin.
func TestSchemaVerbatim(t *testing.T) {
	const header = "timestamp,endpoint,method,ip_address,user_agent,response_time,status_code,payload_size,is_attack,attack_type"
	if !strings.HasPrefix(CSVHeader(), header+",") {
		t.Errorf("header %s", CSVHeader())
	}
	a := traffic.Request{Time: 1705315845000000, Latency: .234, BytesIn: 512, BytesOut: -1, Status: 200, Label: traffic.None, Method: "GET",
		Target: "/api/users", Client: "192.168.1.100", Agent: "Mozilla/5.0"}
	b := traffic.Request{Time: 1705315846250000, Latency: 1.456, BytesIn: 1024, BytesOut: -1, Status: 401, Label: traffic.SQLInjection, Method: "POST",
		Target: "/api/login", Client: "10.0.0.50", Agent: "Unknown"}
	for _, c := range []struct {
		r    *traffic.Request
		want string
	}{
		{&a, "2024-01-15 10:50:45,/api/users,GET,192.168.1.100,Mozilla/5.0,0.234,200,512,0,None,,,,,,,,,"},
		{&b, "2024-01-15 10:50:46.250000,/api/login,POST,10.0.0.50,Unknown,1.456,401,1024,1,sql_injection,,,,,,,,,"},
	} {
		if got := string(AppendCSV(nil, c.r)); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestAppendTruth(t *testing.T) {
	r := sample()
	if got := string(AppendTruth(nil, 3, &r, "", "app")); got != "3,0,None,,app" {
		t.Error(got)
	}
	r.Label = traffic.DDoS
	if got := TruthHeader() + "\n" + string(AppendTruth(nil, 4, &r, "c17", "attacker")); got != "line,is_attack,attack_type,campaign,client\n4,1,ddos,c17,attacker" {
		t.Error(got)
	}
}

// TestLogsHoldNoTruth: a log of an attack is the log of the same request
// without its label.
func TestLogsHoldNoTruth(t *testing.T) {
	for _, r := range collect(t, Config{Seed: 4, Normal: 1000, Attacks: 1000}) {
		bare := r.Request
		bare.Label = traffic.Unlabelled
		if !bytes.Equal(AppendCombined(nil, &r.Request), AppendCombined(nil, &bare)) || !bytes.Equal(AppendJSON(nil, &r.Request), AppendJSON(nil, &bare)) {
			t.Fatalf("the label changes the log line: %+v", r)
		}
	}
}

// TestWritersRoundTrip reads generated records back with the standard readers.
func TestWritersRoundTrip(t *testing.T) {
	for _, r := range collect(t, Config{Seed: 6, Normal: 3000, Attacks: 3000}) {
		checkWriters(t, &r.Request)
	}
}

// checkWriters holds for any request: one line each, columns in their places.
func checkWriters(t *testing.T, r *traffic.Request) {
	t.Helper()
	line := AppendCombined(nil, r)
	for _, c := range line {
		if c < 0x20 || c > 0x7e {
			t.Fatalf("byte %#x in the log line %q", c, line)
		}
	}
	if n := bytes.Count(line, []byte{'"'}); n != 6 {
		t.Fatalf("%d quotes in %s", n, line)
	}
	if f := bytes.Fields(line); len(f) < 10 || f[3][0] != '[' {
		t.Fatalf("columns of %s", line)
	}

	line = AppendJSON(nil, r)
	if bytes.ContainsAny(line, "\n\r") || !utf8.Valid(line) {
		t.Fatalf("JSON line %q", line)
	}
	var m map[string]any
	if err := json.Unmarshal(line, &m); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	if utf8.ValidString(r.Target) && r.Target != "" && m["request_uri"] != r.Target {
		t.Fatalf("request_uri %q of %q", m["request_uri"], r.Target)
	}
	if r.HasBody && utf8.ValidString(r.Body) && m["request_body"] != r.Body {
		t.Fatalf("request_body %q of %q", m["request_body"], r.Body)
	}

	rd := csv.NewReader(bytes.NewReader(append(AppendCSV(nil, r), '\n')))
	rd.LazyQuotes = false
	rec, err := rd.Read()
	if err != nil {
		t.Fatalf("%v: %s", err, AppendCSV(nil, r))
	}
	if want := strings.Count(CSVHeader(), ",") + 1; len(rec) != want {
		t.Fatalf("%d columns, want %d", len(rec), want)
	}
	// encoding/csv turns \r\n inside quotes into \n.
	norm := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
	if rec[11] != norm(r.Body) || rec[4] != norm(r.Agent) || rec[2] != norm(r.Method) {
		t.Fatalf("%q of %+v", rec, r)
	}
	truth := AppendTruth(nil, 1, r, "c1", "attacker")
	if bytes.ContainsAny(truth, "\n\r") {
		t.Fatalf("truth %q", truth)
	}
}

func FuzzWriters(f *testing.F) {
	f.Add("GET", "/a?b=c", "1.2.3.4", "curl/8", "-", "x", "body", int64(1705315845000000), 200, .1)
	f.Add("\n", "\"\\\r\n", "a b", "\x00é\xff\u2028", "\"", " ", "a,\"b\r\n", int64(-1), -7, -1.)
	f.Fuzz(func(t *testing.T, method, target, addr, agent, ref, user, body string, at int64, status int, latency float64) {
		if at < -6e16 || at > 2.5e17 || !(latency > -2 && latency < 1e9) { // four-digit years
			return
		}
		r := traffic.Request{Method: method, Target: target, Client: addr, Agent: agent, Referrer: ref, User: user, Body: body, HasBody: true,
			Time: at, Status: int32(status), Latency: latency, BytesIn: int64(status), BytesOut: at, Host: user, Session: agent, Cache: ref, Protocol: method, Label: traffic.Label(status & 15)}
		checkWriters(t, &r)
	})
}

// FuzzEncode: whatever the encoding, the text can be put into a URL.
func FuzzEncode(f *testing.F) {
	f.Add([]byte("a b&c=<\"'>\n%é"), uint8(2), true)
	f.Fuzz(func(t *testing.T, s []byte, enc uint8, path bool) {
		enc %= numEnc
		got := appendEncoded(nil, s, enc, path)
		if bytes.ContainsAny(got, " \n\r\t#&") {
			t.Fatalf("%q", got)
		}
		for _, c := range got {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("byte %#x in %q", c, got)
			}
		}
	})
}
