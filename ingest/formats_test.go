package ingest

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"apiml/datasets"
	"apiml/traffic"
)

// samples are the hand-made files of this package and of package datasets.
func samples(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range []string{"testdata", "../datasets/testdata"} {
		files, err := filepath.Glob(dir + "/*.*")
		if err != nil || len(files) == 0 {
			t.Fatalf("no samples in %s: %v", dir, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out[filepath.Base(f)] = string(b)
		}
	}
	return out
}

func sample(t testing.TB, name string, opt Options) result {
	t.Helper()
	opt.Name = name
	return readString(t, samples(t)[name], opt)
}

func TestSampleCoverage(t *testing.T) {
	for _, c := range []struct {
		name, format, reason             string
		read, parsed, rejected, filtered int64
	}{
		{"combined.log", "combined", "11 of the first 14 records are NGINX/Apache combined log lines", 15, 11, 3, 1},
		{"common.log", "common", "3 of the first 3 records are common log format lines", 3, 3, 0, 0},
		{"wrapped.log", "combined", "2 of the first 2", 2, 2, 0, 0},
		{"nginx.jsonl", "json", "4 of the first 10", 10, 4, 6, 0},
		{"apiml.csv", "apiml-csv", "the header names 10 of the 10 columns", 3, 2, 0, 1},
		{"apiml_wide.csv", "apiml-csv", "10 of the 10", 11, 4, 5, 2},
		{"normalTrafficSample.txt", "csic2010", "label none by the published file name", 5, 5, 0, 0},
		{"anomalousTrafficSample.txt", "csic2010", "label anomalous", 5, 5, 0, 0},
		{"csic_database.csv", "csic2010", "csic_database.csv", 5, 4, 0, 1},
		{"cicids2017_ml.csv", "cicids2017", "names 77 of the 77", 33, 29, 0, 4},
		{"cicids2017_labelled.csv", "cicids2017", "names 77 of the 77", 5, 4, 0, 1},
	} {
		res := sample(t, c.name, Options{})
		got := res.cov
		if res.reader.Format() != c.format || !strings.Contains(res.reader.Reason(), c.reason) {
			t.Errorf("%s: %s because %s", c.name, res.reader.Format(), res.reader.Reason())
		}
		if got.Read != c.read || got.Parsed != c.parsed || got.Rejected != c.rejected || got.Filtered != c.filtered {
			t.Errorf("%s: %+v", c.name, got)
			for _, j := range res.rejects {
				t.Logf("%d: %s: %.80s", j.Line, j.Reason, j.Raw)
			}
		}
		text := samples(t)[c.name]
		if res.offset != int64(len(text)) || res.line != int64(strings.Count(text, "\n")) {
			t.Errorf("%s: offset %d of %d, line %d", c.name, res.offset, len(text), res.line)
		}
	}
}

// request is a record as the tests expect it: unknown unless said.
func request(q traffic.Request) traffic.Request {
	if q.Time == 0 {
		q.Time = traffic.NoTime
	}
	for _, v := range []*int64{&q.BytesIn, &q.BytesOut} {
		if *v == 0 {
			*v = -1
		} else if *v == zero {
			*v = 0
		}
	}
	if q.Latency == 0 {
		q.Latency = -1
	}
	return q
}

const zero = math.MinInt64 // a known 0 in request

func checkRequests(t *testing.T, name string, got []traffic.Request, want []traffic.Request) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d records, want %d", name, len(got), len(want))
		return
	}
	for i, w := range want {
		g, w := got[i], request(w)
		g.File, g.Raw = "", ""
		if g != w {
			t.Errorf("%s record %d:\n got %+v\nwant %+v", name, i, g, w)
		}
	}
}

func TestCombined(t *testing.T) {
	res := sample(t, "combined.log", Options{})
	sec := func(s string) int64 { return at("2024-01-15T10:30:" + s + "Z") }
	checkRequests(t, "combined.log", res.requests, []traffic.Request{
		{Line: 1, Time: sec("45"), Client: "10.0.0.1", Method: "GET", Target: "/api/users?page=2", Protocol: "HTTP/1.1", Status: 200, BytesOut: 512, Agent: "curl/8.0"},
		{Line: 2, Time: sec("46"), Client: "2001:db8::7", User: "ann", Method: "POST", Target: "/api/login", Protocol: "HTTP/2.0", Status: 401, Referrer: "https://shop.example/?a=b", Agent: `Mozilla/5.0 (X11; "quoted" \ name)`},
		{Line: 3, Time: sec("47"), Client: "10.0.0.2", User: "John Smith", Method: "GET", Target: "/a b?q=\"x\"&n=\xc3\xa9", Protocol: "HTTP/1.1", Status: 499, BytesOut: zero, Forwarded: "203.0.113.9, 10.0.0.2"},
		{Line: 4, Time: sec("48"), Client: "10.0.0.3", Target: "\x16\x03\x01\x01\"\x01", Status: 400, BytesOut: 226},
		{Line: 5, Time: sec("48"), Client: "10.0.0.3", Target: "-", Status: 408},
		{Line: 6, Time: sec("49"), Client: "10.0.0.3", Status: 400, BytesOut: zero},
		{Line: 7, Time: sec("50"), Client: "10.0.0.4", Method: "GET", Target: "/slow", Protocol: "HTTP/1.1", Status: 200, BytesOut: 5, Agent: "curl/8.0", Latency: 1.234},
		{Line: 8, Time: sec("51"), Client: "10.0.0.4", Method: "GET", Target: "/two", Protocol: "HTTP/1.1", Status: 200, BytesOut: 5, Agent: "curl/8.0"},
		{Line: 9, Time: sec("52"), Client: "10.0.0.5", Host: "shop.example", Method: "GET", Target: "/vhost", Protocol: "HTTP/1.1", Status: 200, BytesOut: 5, Agent: "curl/8.0"},
		{Line: 14, Time: sec("56"), Client: "10.0.0.9", Target: "-", Status: 400, BytesOut: 5, Agent: "x"},
		{Line: 15, Time: sec("57"), Client: "10.0.0.9", Method: "GET", Target: `/say"no"`, Protocol: "HTTP/1.1", Status: 200, BytesOut: 5, Agent: `x "y`},
	})
	text := strings.Split(samples(t)["combined.log"], "\n")
	for _, q := range res.requests {
		if q.Raw != text[q.Line-1] || q.File != "combined.log" {
			t.Errorf("line %d raw %q", q.Line, q.Raw)
		}
	}
	for i, want := range []struct {
		line   int64
		reason string
	}{{10, "closing quote behind the user agent"}, {12, "no ident and user"}, {13, "no valid time"}} {
		if j := res.rejects[i]; j.Line != want.line || !strings.Contains(j.Reason, want.reason) {
			t.Errorf("reject %+v, want %+v", j, want)
		}
	}
	checkRequests(t, "common.log", sample(t, "common.log", Options{Label: traffic.None}).requests, []traffic.Request{
		{Line: 1, Time: at("1995-08-01T04:00:01Z"), Client: "in24.inetnebr.com", Method: "GET", Target: "/shuttle/missions/sts-68/news/sts-68-mcc-05.txt", Protocol: "HTTP/1.0", Status: 200, BytesOut: 1839, Label: traffic.None},
		{Line: 2, Time: at("1995-08-01T04:00:07Z"), Client: "uplherc.upl.com", Method: "GET", Target: "/", Status: 304, BytesOut: zero, Label: traffic.None},
		{Line: 3, Time: at("2000-10-10T20:55:36Z"), Client: "10.0.0.1", User: "frank", Method: "HEAD", Target: "/apache_pb.gif", Protocol: "HTTP/1.0", Status: 200, Label: traffic.None},
	})
	checkRequests(t, "wrapped.log", sample(t, "wrapped.log", Options{}).requests, []traffic.Request{
		{Line: 1, Time: at("2016-12-22T19:32:31Z"), Client: "10.0.0.1", Method: "GET", Target: `/?q="a"`, Protocol: "HTTP/1.1", Status: 200, BytesOut: 3279, Agent: "w3af.org"},
		{Line: 2, Time: at("2016-12-22T19:32:32Z"), Client: "10.0.0.1", Method: "GET", Target: "/", Protocol: "HTTP/1.1", Status: 200, BytesOut: 3279, Agent: "w3af.org"},
	})
}

func TestRequestLine(t *testing.T) {
	for _, c := range []struct{ in, method, target, protocol string }{
		{"GET / HTTP/1.1", "GET", "/", "HTTP/1.1"},
		{"get / HTTP/1.0", "get", "/", "HTTP/1.0"},
		{"GET /a b c HTTP/1.1", "GET", "/a b c", "HTTP/1.1"},
		{"GET /", "GET", "/", ""},
		{"GET /a b", "GET", "/a b", ""},
		{"OPTIONS * HTTP/1.1", "OPTIONS", "*", "HTTP/1.1"},
		{"CONNECT a.example:443 HTTP/1.1", "CONNECT", "a.example:443", "HTTP/1.1"},
		{"GET http://a/b", "GET", "http://a/b", ""},
		{"VERSION-CONTROL /a HTTP/1.1", "VERSION-CONTROL", "/a", "HTTP/1.1"},
		{"PRI * HTTP/2.0", "PRI", "*", "HTTP/2.0"},
		{"-", "", "-", ""},
		{"", "", "", ""},
		{"- - -", "", "-", ""},
		{"- / HTTP/1.0", "", "/", "HTTP/1.0"},
		{"\x16\x03\x01", "", "\x16\x03\x01", ""},
		{"hello world", "", "hello world", ""},
		{"EHLO mail", "", "EHLO mail", ""},
		{"GET", "", "GET", ""},
		{"GET  HTTP/1.1", "GET", "", "HTTP/1.1"},
		{"145.ll|'|'|x y HTTP/1.1", "", "145.ll|'|'|x y HTTP/1.1", ""},
	} {
		var q traffic.Request
		parseRequestLine(c.in, &q)
		if q.Method != c.method || q.Target != c.target || q.Protocol != c.protocol {
			t.Errorf("%q: %q %q %q", c.in, q.Method, q.Target, q.Protocol)
		}
	}
}

func TestJSON(t *testing.T) {
	res := sample(t, "nginx.jsonl", Options{NoRedact: true})
	checkRequests(t, "nginx.jsonl", res.requests, []traffic.Request{
		{Line: 1, Time: at("2024-01-15T10:30:45Z"), Client: "10.0.0.1", Method: "GET", Target: "/api/users?page=2", Protocol: "HTTP/1.1", Status: 200, BytesOut: 512, Latency: 0.234, Agent: "curl/8.0", Host: "api.example.com"},
		{Line: 2, Time: at("2024-01-15T10:30:46.123Z"), Client: "10.0.0.2", Method: "POST", Target: "/login?x=1", Protocol: "HTTP/2.0", Status: 401, BytesOut: 17, BytesIn: 35, Latency: 0.1,
			Body: `{"user":"ann","password":"hunter2"}`, HasBody: true, User: "ann", Session: "s-1", Cache: "MISS", Forwarded: "203.0.113.9"},
		{Line: 3, Time: at("2024-01-15T10:30:47Z"), Method: "GET", Target: "/p?a=b", Status: 200},
		{Line: 10, Target: "/café?q='", Status: 200},
	})
	red := sample(t, "nginx.jsonl", Options{})
	if q := red.requests[1]; q.Body != `{"user":"ann","password":"xxxxxx0"}` || strings.Contains(q.Raw, "hunter2") || q.Session != "s-1" || !strings.Contains(q.Raw, `"session_id":"s-1"`) {
		t.Errorf("body %s raw %s", q.Body, q.Raw)
	}
	if n := red.cov.Redacted; n[KindSecret] != 1 || len(n) != 1 {
		t.Errorf("redacted %v", n)
	}
	if c := res.cov; len(c.Redacted) != 0 {
		t.Errorf("redacted without redaction: %v", c.Redacted)
	}
}

func TestAPIMLCSV(t *testing.T) {
	// The two rows of the origin's README.
	checkRequests(t, "apiml.csv", sample(t, "apiml.csv", Options{}).requests, []traffic.Request{
		{Line: 2, Time: at("2024-01-15T10:30:45Z"), Target: "/api/users", Method: "GET", Client: "192.168.1.100", Agent: "Mozilla/5.0", Latency: 0.234, Status: 200, BytesIn: 512, Label: traffic.None},
		{Line: 3, Time: at("2024-01-15T10:30:46Z"), Target: "/api/login", Method: "POST", Client: "10.0.0.50", Agent: "Unknown", Latency: 1.456, Status: 401, BytesIn: 1024, Label: traffic.SQLInjection},
	})
	res := sample(t, "apiml_wide.csv", Options{})
	checkRequests(t, "apiml_wide.csv", res.requests, []traffic.Request{
		{Line: 2, Time: at("2024-01-15T07:00:45.5Z"), Target: "/api/notes?a=1&b=2", Method: "POST", Client: "10.0.0.1", Agent: `Mozilla/5.0 (X11; "odd")`, Latency: 0.1, Status: 200, BytesIn: 30, BytesOut: 99,
			Label: traffic.None, Body: "user=ann&note=\"hi\",\nbye", HasBody: true, Host: "shop.example", User: "ann", Session: "s1", Cache: "HIT", Protocol: "HTTP/1.1", Forwarded: "203.0.113.9"},
		{Line: 4, Time: at("2024-01-15T10:30:46Z"), Target: "/x", Method: "GET", Client: "10.0.0.1", Agent: "curl", Label: traffic.OtherAttack},
		{Line: 5, Time: at("2024-01-15T10:30:47Z"), Target: "/x", Method: "GET", Client: "10.0.0.1", Agent: "curl"},
		{Line: 11, Time: at("2024-01-15T10:30:49Z"), Target: "/y", Method: "GET", Client: "10.0.0.1", Agent: "last, one", Label: traffic.None},
	})
	for i, want := range []string{"is_attack says no", "unknown attack_type", "timestamp is not valid", "2 fields, the header has 21", "a quoted field does not end"} {
		if !strings.Contains(res.rejects[i].Reason, want) {
			t.Errorf("%+v, want %s", res.rejects[i], want)
		}
	}
	// A label for the file applies only where the rows have none.
	if got := sample(t, "apiml_wide.csv", Options{Label: traffic.Scanner}).requests; got[2].Label != traffic.Scanner || got[1].Label != traffic.OtherAttack {
		t.Errorf("%v %v", got[1].Label, got[2].Label)
	}
	_, err := Open("-", strings.NewReader("time,endpoint,verb_used,ip_address,user_agent,response_time,status_code\n1,2,3,4,5,6,7\n"), Options{})
	if err == nil || !strings.Contains(err.Error(), `no column "timestamp"`) {
		t.Errorf("near miss: %v", err)
	}
}

func TestCSIC(t *testing.T) {
	const agent = "Mozilla/5.0 (compatible; Konqueror/3.5; Linux)"
	base := traffic.Request{Method: "GET", Protocol: "HTTP/1.1", Host: "localhost:8080", Agent: agent, HasBody: true, BytesIn: zero}
	with := func(line int64, label traffic.Label, method, target, body string) traffic.Request {
		q := base
		q.Line, q.Label, q.Method, q.Target, q.Body = line, label, method, target, body
		if body != "" {
			q.BytesIn = int64(len(body))
		}
		return q
	}
	const shop = "http://localhost:8080/shop/"
	checkRequests(t, "normal", sample(t, "normalTrafficSample.txt", Options{}).requests, []traffic.Request{
		with(1, traffic.None, "GET", shop+"index.jsp", ""),
		with(10, traffic.None, "GET", shop+"add.jsp?id=3&name=Vino+Rioja&price=100", ""),
		with(19, traffic.None, "POST", shop+"add.jsp", "id=3&name=Jam%F3n&price=39"),
		with(31, traffic.None, "POST", shop+"login.jsp", "mode=in&login=ann&pwd=xxxxxx0&remember=off"),
		with(43, traffic.None, "GET", shop+"a.gif", ""),
	})
	res := sample(t, "anomalousTrafficSample.txt", Options{NoRedact: true})
	checkRequests(t, "anomalous", res.requests, []traffic.Request{
		with(1, traffic.Anomalous, "GET", shop+"add.jsp?id=2&qty=%27%3B+DROP+TABLE+users%3B+--", ""),
		with(10, traffic.Anomalous, "GET", "http://localhost:8080.orig~", ""),
		with(19, traffic.Anomalous, "POST", shop+"login.jsp", "mode=in&login=ann&pwd=%27+OR+%271%27%3D%271&remember=off"),
		with(31, traffic.Anomalous, "PUT", shop+"a.gif", "x=1"),
		with(43, traffic.Anomalous, "GET", shop+"index.jsp.BAK", ""),
	})
	if raw := res.requests[3].Raw; !strings.HasPrefix(raw, "PUT ") || !strings.HasSuffix(raw, "\r\n\r\nx=1") {
		t.Errorf("raw %q", raw)
	}
	if q := sample(t, "anomalousTrafficSample.txt", Options{}).requests[2]; q.Body != "mode=in&login=ann&pwd=%27+OR+%270%27%3D%270&remember=off" {
		t.Errorf("redacted %q", q.Body)
	}
	// Under another name there is no label, and Options.Label wins over the name.
	text := samples(t)["normalTrafficSample.txt"]
	if q := readString(t, text, Options{Name: "x.txt"}).requests[0]; q.Label != traffic.Unlabelled {
		t.Errorf("label %v from nothing", q.Label)
	}
	if q := readString(t, text, Options{Name: "normalTrafficSample.txt", Label: traffic.XSS}).requests[0]; q.Label != traffic.XSS {
		t.Errorf("label %v", q.Label)
	}
	csv := sample(t, "csic_database.csv", Options{}).requests
	checkRequests(t, "csv", csv, []traffic.Request{
		with(2, traffic.None, "GET", shop+"index.jsp", ""),
		with(3, traffic.None, "POST", shop+"login.jsp", "mode=in&login=ann&pwd=xxxxxx0"),
		with(4, traffic.Anomalous, "GET", shop+"add.jsp?id=2&qty=%27+OR+1%3D1", ""),
		with(5, traffic.Anomalous, "GET", "http://localhost:8080.orig~", ""),
	})
}

func TestCSICDamage(t *testing.T) {
	// A wrong Content-Length, junk between requests, a missing blank line, a
	// header without a colon, blank lines.
	res := readString(t, "\r\nPOST /a HTTP/1.1\r\nContent-Length: 999\r\n\r\nx=1\r\n\r\njunk\r\nGET /b HTTP/1.1\r\nHost: h\r\n"+
		"GET /c HTTP/1.1\r\nno header\r\n\r\nGET /d HTTP/1.1\n\n\n\nPOST /e HTTP/1.1\nContent-Length: 3\n\na=bcdef\n", Options{Format: "csic2010"})
	var got []string
	for _, q := range res.requests {
		got = append(got, q.Target+"|"+q.Body)
	}
	if want := []string{"/a|x=1", "/b|", "/d|", "/e|a=bcdef"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(res.rejects) != 2 || res.rejects[0].Raw != "junk" || res.rejects[0].Line != 7 || res.rejects[1].Reason != "a header line without a colon" || res.cov.Filtered != 2 {
		t.Errorf("%+v %+v", res.rejects, res.cov)
	}
}

func TestCIC(t *testing.T) {
	res := sample(t, "cicids2017_ml.csv", Options{})
	byClass := map[string]int{}
	set, _ := datasets.Find("cicids2017")
	for _, f := range res.flows {
		byClass[f.Class]++
		m, ok := set.Label(f.Class)
		if !ok || m.Type != f.Label.String() {
			t.Errorf("class %q has label %v, the catalogue says %+v", f.Class, f.Label, m)
		}
		if f.Time != traffic.NoTime || f.File != "cicids2017_ml.csv" || f.Values[65] != -1 && f.Values[65] < 0 {
			t.Errorf("%+v", f)
		}
	}
	for class, n := range map[string]int{"BENIGN": 13, "DDoS": 1, "DoS Hulk": 1, "Web Attack XSS": 3, "Web Attack Brute Force": 1, "Web Attack Sql Injection": 1, "Heartbleed": 1} {
		if byClass[class] != n {
			t.Errorf("%d rows of %s, want %d", byClass[class], class, n)
		}
	}
	// The 24th row has a duration of 0: Flow Bytes/s NaN, Flow Packets/s Infinity.
	if f := res.flows[23]; !math.IsNaN(f.Values[14]) || !math.IsNaN(f.Values[15]) || f.Values[1] != 0 {
		t.Errorf("%v", f.Values)
	}
	lab := sample(t, "cicids2017_labelled.csv", Options{}).flows
	for i, want := range []string{"2017-07-07T15:56:00Z", "2017-07-07T09:01:00Z", "2017-07-03T08:55:58Z", "2017-07-06T12:10:00Z"} {
		if lab[i].Time != at(want) {
			t.Errorf("row %d: %d, want %s", i, lab[i].Time, want)
		}
	}
	// Unknown label, no number, too few fields; a repeated header.
	text := samples(t)["cicids2017_ml.csv"]
	head, rest, _ := strings.Cut(text, "\r\n")
	first, _, _ := strings.Cut(rest, "\r\n")
	bad := readString(t, head+"\r\n"+strings.Replace(first, "BENIGN", "Teapot", 1)+"\r\n"+"x"+first+"\r\n1,2,3\r\n"+head+"\r\n"+first+"\r\n", Options{})
	var reasons []string
	for _, j := range bad.rejects {
		reasons = append(reasons, j.Reason)
	}
	want := []string{`unknown label "Teapot"`, `column "Destination Port" is no number`, "3 fields, the header has 79"}
	if !slices.Equal(reasons, want) || len(bad.flows) != 1 || bad.cov.Filtered != 2 {
		t.Errorf("%q %+v", reasons, bad.cov)
	}
	// Missing columns are NaN; too many missing is another format.
	few := datasets.All()[1].Columns[7:]
	res = readString(t, strings.Join(few, ",")+"\n"+strings.Repeat("1,", len(few)-1)+"BENIGN\n", Options{})
	if len(res.flows) != 1 || !math.IsNaN(res.flows[0].Values[0]) || res.flows[0].Values[7] != 1 {
		t.Errorf("%+v", res.flows)
	}
	_, err := Open("-", strings.NewReader(strings.Join(few[60:], ",")+"\n"), Options{})
	if err == nil || !strings.Contains(err.Error(), "of the 77 feature columns") {
		t.Errorf("near miss: %v", err)
	}
}

// TestCICNames: the names of CICFlowMeter's later versions and of renaming copies
// are those of the first, column by column.
func TestCICNames(t *testing.T) {
	at := map[string]string{}
	for _, n := range traffic.FlowColumns() {
		if at[cicName(n)] != "" {
			t.Errorf("%q and %q share a key", n, at[cicName(n)])
		}
		at[cicName(n)] = n
	}
	for name, want := range map[string]string{
		"Dst Port": "Destination Port", "Tot Fwd Pkts": "Total Fwd Packets", "Total Bwd packets": "Total Backward Packets", "TotLen Fwd Pkts": "Total Length of Fwd Packets",
		"Total Length of Bwd Packet": "Total Length of Bwd Packets", "Fwd Pkt Len Max": "Fwd Packet Length Max", "Flow Byts/s": "Flow Bytes/s", "flow_pkts_s": "Flow Packets/s",
		"Fwd IAT Tot": "Fwd IAT Total", "Fwd Header Len": "Fwd Header Length", "Pkt Len Min": "Min Packet Length", "Packet Length Max": "Max Packet Length",
		"Pkt Len Var": "Packet Length Variance", "FIN Flag Cnt": "FIN Flag Count", "CWR Flag Count": "CWE Flag Count", "Pkt Size Avg": "Average Packet Size",
		"Fwd Seg Size Avg": "Avg Fwd Segment Size", "Bwd Segment Size Avg": "Avg Bwd Segment Size", "Fwd Byts/b Avg": "Fwd Avg Bytes/Bulk", "Bwd Packet/Bulk Avg": "Bwd Avg Packets/Bulk",
		"Fwd Blk Rate Avg": "Fwd Avg Bulk Rate", "Subflow Bwd Byts": "Subflow Bwd Bytes", "Init Fwd Win Byts": "Init_Win_bytes_forward", "Bwd Init Win Bytes": "Init_Win_bytes_backward",
		"Fwd Act Data Pkts": "act_data_pkt_fwd", "Fwd Seg Size Min": "min_seg_size_forward", "\ufeff Destination Port ": "Destination Port",
		"Fwd Header Length.1": "", "Flow ID": "", "Src Port": "", "Protocol": "", "Timestamp": "",
	} {
		if got := at[cicName(name)]; got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	// Other names of columns and of the label's; numbers instead of names are refused.
	head := "Dst Port,Flow Duration,Tot Fwd Pkts,Tot Bwd Pkts,Fwd Pkt Len Max,Fwd Pkt Len Min,Fwd Pkt Len Mean,Fwd Pkt Len Std,Flow Byts/s,Flow Pkts/s," +
		"Flow IAT Mean,Flow IAT Std,Flow IAT Max,Flow IAT Min,Fwd IAT Tot,Pkt Len Min,Pkt Len Max,Pkt Len Mean,Init Fwd Win Byts,Pkt Size Avg,Attack Type\n"
	res := readString(t, head+"80,7,3,2,6,0,4,3,inf,Infinity,,NaN,1,2,3,4,5,6,-1,8,Port Scanning\n", Options{})
	if len(res.flows) != 1 || res.flows[0].Label != traffic.OtherAttack || res.flows[0].Values[38] != 4 || !math.IsNaN(res.flows[0].Values[14]) ||
		!math.IsNaN(res.flows[0].Values[76]) || !strings.Contains(res.reader.Reason(), "20 of the 77 feature columns of CIC-IDS2017; the other 57 are unknown") {
		t.Errorf("%s %+v %+v", res.reader.Reason(), res.flows, res.rejects)
	}
	var numbered []string
	for i := range 70 {
		numbered = append(numbered, fmt.Sprintf("X%d", i+1))
	}
	if _, err := Open("-", strings.NewReader(strings.Join(numbered, ",")+",YY\n"), Options{}); err == nil || !strings.Contains(err.Error(), "numbers its columns") {
		t.Errorf("numbered columns: %v", err)
	}
}

func TestCICColumns(t *testing.T) {
	set, ok := datasets.Find("cicids2017")
	if !ok {
		t.Fatal("no catalogue entry")
	}
	cols := slices.Clone(set.Columns)
	i := slices.Index(cols, "Fwd Header Length")
	j := slices.Index(cols[i+1:], "Fwd Header Length") + i + 1
	cols = slices.Delete(cols, j, j+1)
	want := traffic.FlowColumns()
	if !slices.Equal(cols[:len(cols)-1], want[:]) || cols[len(cols)-1] != "Label" {
		t.Error("catalogue and traffic.FlowColumns disagree")
	}
	for _, l := range set.Labels {
		if _, err := traffic.ParseLabel(l.Type); err != nil {
			t.Errorf("%s: %v", l.Original, err)
		}
	}
}
