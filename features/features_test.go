package features

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"apiml/frame"
	"apiml/traffic"
)

func columnIndex(t testing.TB, name string) int {
	t.Helper()
	for i, c := range columns() {
		if c.Name == name {
			return i
		}
	}
	t.Fatalf("no column %q", name)
	return -1
}

// extract returns the features of reqs.
func extract(s *State, reqs []traffic.Request) *frame.Matrix {
	x := frame.NewMatrix(HTTPSchema(s), len(reqs))
	NewExtractor(s).Extract(x, reqs)
	return x
}

// request is one without time, status and sizes.
func request(method, target string) traffic.Request {
	return traffic.Request{Time: traffic.NoTime, Latency: -1, BytesIn: -1, BytesOut: -1, Method: method, Target: target}
}

func TestColumns(t *testing.T) {
	names := map[string]bool{}
	for i, c := range columns() {
		if c.Name == "" || c.Doc == "" || names[c.Name] {
			t.Errorf("column %d (%q): no name, no reason or twice", i, c.Name)
		}
		names[c.Name] = true
	}
	if numLex >= numRequest || numRequest >= numWindow || numWindow >= numColumns || cRate10s != numRequest || cTemplateUnknown != numWindow {
		t.Errorf("families out of place: %d %d %d %d", numLex, numRequest, numWindow, numColumns)
	}
}

// TestRequestValues holds columns of single requests against values worked out
// by hand from the targets.
func TestRequestValues(t *testing.T) {
	ln := func(n float64) float64 { return math.Log1p(n) }
	for _, c := range []struct {
		name   string
		target string
		body   string
		want   map[string]float64
	}{
		{"plain", "/api/users/17?page=2", "", map[string]float64{
			"target_length": ln(20), "path_depth": 3, "parameters": 1, "decode_rounds": 0, "value_length": ln(1), "value_digit_share": 1,
			"sql_words": 0, "quotes": 0, "value_entropy": 0, "asset": 0, "login": 0, "body_length": math.NaN()}},
		{"entropy of abab is one bit", "/?q=abab", "", map[string]float64{"value_entropy": 1, "value_special_share": 0}},
		{"strongest value, not the sum", "/?a=x!!&b=!!!yyy&c=long+honest+text+without+marks", "", map[string]float64{
			"special_run": 3, "value_special_share": 2.0 / 3, "parameters": 3, "value_spaces": 4, "value_words": 5}},
		{"repeated names", "/?a=1&a=2&b=3&a=4", "", map[string]float64{"parameters": 4, "parameters_repeated": 2}},
		{"decoded twice", "/?q=%2527", "", map[string]float64{"decode_rounds": 2, "quotes": 1, "quotes_odd": 1}},
		{"decoded four times at most", "/?q=%25252525252541", "", map[string]float64{"decode_rounds": 4}},
		{"unicode escape", "/?q=%u0027", "", map[string]float64{"quotes": 1, "escape_damage": 1}},
		{"broken escape", "/?q=%zz%4", "", map[string]float64{"escape_damage": 2}},
		{"overlong dots", "/..%c0%af..%c0%afetc/passwd", "", map[string]float64{"traversal": 2, "sensitive_file": 1, "escape_damage": 2}},
		{"html entities", "/?q=&#60;script&#x3e;", "", map[string]float64{}},
		{"html entities encoded", "/?q=%26%2360%3bscript%26gt%3b", "", map[string]float64{"html_active_tags": 1, "decode_rounds": 2}},
		{"json escapes", "/x", `{"q":"\u003cscript\u003ealert(1)"}`, map[string]float64{"html_active_tags": 1, "script_calls": 1, "nesting_depth": 1, "parameters": 1}},
		{"nested json", "/x", `{"a":{"b":[1,{"c":"d"}]}}`, map[string]float64{"nesting_depth": 4, "parameters": 2}},
		{"broken json is still read", "/x", `{"a":"1","b":' or 1=1 -- `, map[string]float64{"sql_tautology": 1, "sql_break": 1}},
		{"form", "/x", "a=1&b=%3Csvg/onload%3Dalert(1)%3E", map[string]float64{"parameters": 2, "html_active_tags": 1, "html_handlers": 1, "script_calls": 1, "body_length": ln(33)}},
		{"multipart", "/x", "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../../x.php\"\r\n\r\nhello\r\n--B--\r\n", map[string]float64{"traversal": 2, "parameters": 2}},
		{"asset", "/static/App.JS?v=3", "", map[string]float64{"asset": 1}},
		{"login", "/api/v1/Login", "", map[string]float64{"login": 1}},
		{"scanner", "/.env", "", map[string]float64{"scanner_path": 1}},
		{"absolute target", "http://h/a/b?q=1", "", map[string]float64{"path_depth": 2, "parameters": 1}},
		{"token", "/?t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "", map[string]float64{"web_token": 1, "web_token_none": 0}},
		{"token none", "/?t=eyJhbGciOiJOb25FIn0.eyJzdWIiOiIxIn0.c2ln", "", map[string]float64{"web_token": 1, "web_token_none": 1}},
		{"token unsigned", "/?t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.", "", map[string]float64{"web_token": 1, "web_token_none": 1}},
		{"nothing at all", "", "", map[string]float64{"target_length": 0, "parameters": 0, "path_depth": 0}},
	} {
		r := request("GET", c.target)
		if c.body != "" {
			r.HasBody, r.Body = true, c.body
		}
		x := extract(Online(nil), []traffic.Request{r})
		for name, want := range c.want {
			got := float64(x.Cols[columnIndex(t, name)][0])
			if math.Abs(got-want) > 1e-6 || math.IsNaN(got) != math.IsNaN(want) {
				t.Errorf("%s: %s = %g, want %g", c.name, name, got, want)
			}
		}
	}
}

// TestEvidence: each family fires on its payloads and not on honest text.
func TestEvidence(t *testing.T) {
	for _, c := range []struct {
		column string
		values []string
	}{
		{"sql_union", []string{"1 union select 1,2", "1/**/UNION/**/ALL/**/SELECT 1", "-1') union distinct (select null)--", "1%0aunion%0aselect%0a1"}},
		{"sql_tautology", []string{"' or 1=1", "' or 'a'='a", `" or ""="`, "1) and (2>1", "x' || 1=1", "' or 1 like 1", "' or a=a", "1 or not 1=2", "' and ascii(substring(a,1,1))>64"}},
		{"sql_break", []string{"' or 1=1-- ", "admin'-- ", "1'; drop table users", "') union select 1", "x' order by 3", "a' and 'b'='b"}},
		{"sql_comment", []string{"admin'--", "1 /*!50000union*/ select", "un/**/ion", "x') #"}},
		{"sql_functions", []string{"sleep(5)", "1-benchmark(10,1)", "information_schema.tables", "@@version", "concat(0x7e,1)"}},
		{"sql_statement", []string{"select * from users", "1; drop table users", "order by 10", "; waitfor delay '0:0:5'", "(select 1)", "insert into x values (1)", "update users set a=1", "; shutdown"}},
		{"html_active_tags", []string{"<script>", "<ScRiPt src=x>", "</script>", "<svg/onload=1>", "<img src=x>", "<scr\x00ipt>"}},
		{"html_handlers", []string{"x onerror=alert(1)", `" onmouseover = "`, "javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,x"}},
		{"script_calls", []string{"alert(1)", "document.cookie", "eval`1`", "window[x]", "String.fromCharCode(1)"}},
		{"traversal", []string{"../x", `..\..\x`, "..;/x", "%252e%252e/x", "/a/.."}},
		{"sensitive_file", []string{"/etc/passwd", "c:/win.ini", "/WEB-INF/web.xml", "/proc/self/environ", ".htaccess"}},
		{"wrapper_schemes", []string{"php://input", "gopher://x", "file:///x", "http://x/"}},
		{"shell_commands", []string{"; cat /x", "| id", "x & whoami", "`ls`", "a || ping -c 3 x", "x\ncat /y", ";/bin/ls", "wget -q x"}},
		{"shell_substitution", []string{"$(id)", "`id`", "cat${IFS}x", "/bin/sh", "() { :; }; x", "{cat,/x}", "/dev/tcp/1"}},
		{"expressions", []string{"${jndi:ldap://x}", "{{7*7}}", "#{1+1}", "<%= 1 %>", "{% x %}", "${7*7}"}},
		{"server_code", []string{"<?php x", "<!ENTITY x", "<!--#exec", "system('x')", "x.__class__", "phpinfo()"}},
		{"null_byte", []string{"a%00.png"}},
		{"header_injection", []string{"x\r\nSet-Cookie: a=b", "x\nLocation: y", "x\r\nHTTP/1.1 200"}},
		{"query_objects", []string{`{"$ne":1}`, "*)(uid=*", "a)(|(b"}},
		{"internal_host", []string{"http://169.254.169.254/", "http://localhost:1", "http://a@127.0.0.1/"}},
	} {
		j := columnIndex(t, c.column)
		for _, v := range c.values {
			r := request("POST", "/x")
			r.HasBody, r.Body = true, "v="+escape(v)
			if x := extract(Online(nil), []traffic.Request{r}); !(x.Cols[j][0] > 0) {
				t.Errorf("%s does not see %q", c.column, v)
			}
		}
	}
	// Honest text. Weak columns (sql_words, html_tags, …) may fire.
	strong := []int{cSQLFunctions, cSQLUnion, cSQLTautology, cSQLBreak, cSQLComment, cSQLStatement, cActiveTags, cHandlers, cScriptCalls, cTraversal, cSensitiveFile,
		cCommands, cSubstitution, cExpressions, cServerCode, cNullByte, cHeaderInjection, cQueryObjects, cInternalHost}
	for _, v := range []string{
		"O'Reilly and sons", "select one from the list", "the boys' and girls' club", "union station, select seats", "rock 'n' roll", "please order by 5 pm",
		"a drop of water; more or less", "C++ & Java", "10 < 20 and 30 > 20 in total", "javascript:;", "javascript:void(0)", "${US_PRIVACY}", "{{name}}",
		"it's 5 o'clock - or later", "update your profile and set a picture", "fish & chips | menu", "50% off -- today only", "1/2 cup or 3/4 cup", "AT&T",
		"where or when", "https://example.com/a?b=c", "#1 fan", "on sale = true", "mailto:a@b.de", "see (a) and (b)", "etc. and so on", "Set: 3 items", "cat & dog",
	} {
		r := request("POST", "/x")
		r.HasBody, r.Body = true, "v="+escape(v)
		x := extract(Online(nil), []traffic.Request{r})
		for _, j := range strong {
			if x.Cols[j][0] > 0 {
				t.Errorf("%s fires on honest %q", x.Schema.Columns[j].Name, v)
			}
		}
	}
}

// escape writes v as a form value; escapes that are there already stay.
func escape(v string) string {
	var b bytes.Buffer
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '%' && i+2 < len(v) && isHex(v[i+1]) && isHex(v[i+2]):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func TestRecordColumns(t *testing.T) {
	agents := map[string]float32{"": agentNone, "-": agentNone, "sqlmap/1.7": agentScanner, "curl/8.5.0": agentLibrary, "python-requests/2.31": agentLibrary,
		"Mozilla/5.0": agentLibrary, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": agentBot, "okhttp/4.12.0": agentApp,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36": agentBrowser,
		"MyApp/3 CFNetwork/1494 Darwin/23": agentApp}
	for a, want := range agents {
		r := request("GET", "/")
		r.Agent = a
		if got := extract(Online(nil), []traffic.Request{r}).Cols[cAgentClass][0]; got != want {
			t.Errorf("agent %q is class %g, want %g", a, got, want)
		}
	}
	for m, want := range map[string]float32{"GET": 0, "POST": 1, "PUT": 1, "PROPFIND": 2, "": 3, "\x16\x03": 3} {
		if got := extract(Online(nil), []traffic.Request{request(m, "/")}).Cols[cMethodClass][0]; got != want {
			t.Errorf("method %q is class %g, want %g", m, got, want)
		}
	}
	r := request("GET", "/")
	r.Agent, r.Referrer, r.Status, r.BytesOut, r.Latency = "${jndi:ldap://x/a}", "() { :; }; /bin/sh", 503, 99, 0.5
	x := extract(Online(nil), []traffic.Request{r})
	for j, want := range map[int]float64{cHeaderEvidence: 2, cStatusClass: 5, cBytesOut: math.Log1p(99), cLatency: math.Log1p(500)} {
		if got := float64(x.Cols[j][0]); math.Abs(got-want) > 1e-6 {
			t.Errorf("%s = %g, want %g", x.Schema.Columns[j].Name, got, want)
		}
	}
}

const t0 = 1_700_000_000_000_000

// at is a request of one client at second s.
func at(s float64, client, method, target string, status int32) traffic.Request {
	return traffic.Request{Time: t0 + int64(s*second), Latency: -1, BytesIn: -1, BytesOut: 100, Method: method, Target: target, Status: status, Client: client, Agent: "a"}
}

// TestWindows: exact values from the definitions in window.go.
func TestWindows(t *testing.T) {
	reqs := []traffic.Request{
		at(0, "1.1.1.1", "GET", "/a/1", 200),
		at(10, "1.1.1.1", "GET", "/a/2", 404),
		at(20, "1.1.1.1", "GET", "/a/3", 200),
		at(20, "2.2.2.2", "POST", "/login", 401),
		at(30, "2.2.2.2", "POST", "/login", 401),
		at(40, "2.2.2.2", "POST", "/login", 200),
		at(41, "3.3.3.3", "POST", "/login", 401),
	}
	x := extract(Online(nil), reqs)
	check := func(row int, name string, want float64) {
		t.Helper()
		if got := float64(x.Cols[columnIndex(t, name)][row]); math.Abs(got-want) > 1e-5 || math.IsNaN(got) != math.IsNaN(want) {
			t.Errorf("row %d: %s = %g, want %g", row, name, got, want)
		}
	}
	e := math.Exp
	check(0, "rate_10s", math.Log(2))
	check(0, "gap_mean", math.NaN())
	check(1, "gap_mean", math.Log1p(10))
	check(1, "gap_cv", math.NaN())
	check(2, "rate_10s", math.Log1p(1+e(-1)+e(-2)))
	check(2, "rate_1h", math.Log1p(1+e(-10./3600)+e(-20./3600)))
	check(2, "gap_cv", 0)
	check(1, "not_found", 1/(1+e(-10./600)+2))
	check(2, "client_errors", e(-10./600)/(1+e(-10./600)+e(-20./600)+2))
	check(0, "sequential_ids", 0)
	check(2, "sequential_ids", (1+e(-10./600))/(1+e(-10./600)+e(-20./600)+2))
	check(2, "template_entropy", 0)
	check(2, "bytes_mean", math.Log1p(100))
	check(2, "objects_10m", math.Log1p(256*math.Log(256./253)))
	check(2, "templates_10m", math.Log1p(64*math.Log(64./63)))
	check(4, "login_failures_1m", math.Log1p(1+e(-10./60)))
	check(5, "success_after_failures", math.Log1p(e(-10./3600)+e(-20./3600)))
	check(4, "success_after_failures", 0)
	check(6, "success_after_failures", 0)
	check(6, "target_failed_principals", math.Log1p(256*math.Log(256./254)))
	check(6, "target_principals", math.Log1p(256*math.Log(256./254)))
	check(6, "address_rate_1m", math.Log(2))
	check(4, "get_share", 0)
	check(2, "get_share", (1+e(-10./600)+e(-20./600))/(1+e(-10./600)+e(-20./600)+2))

	// Without a time there are no windows; without a client no principal.
	r := reqs[0]
	r.Time = traffic.NoTime
	y := extract(Online(nil), []traffic.Request{r})
	for j := numRequest; j < numWindow; j++ {
		if v := y.Cols[j][0]; v == v {
			t.Errorf("%s = %g without a time", y.Schema.Columns[j].Name, v)
		}
	}
	r = reqs[0]
	r.Client = "-"
	y = extract(Online(nil), []traffic.Request{r})
	if v := y.Cols[cRate1m][0]; v == v {
		t.Errorf("rate of nobody = %g", v)
	}
	if v := y.Cols[cTargetSurge][0]; v != 0 {
		t.Errorf("surge of the first request = %g", v)
	}
}

func TestSurge(t *testing.T) {
	w := newWindows()
	var ep endpoint
	var v float32
	for i := range 3600 { // one per second for an hour: no surge
		v = ep.add(w, t0+int64(i)*second)
	}
	if math.Abs(float64(v)) > 0.05 {
		t.Errorf("steady traffic has surge %g", v)
	}
	for i := range 600 { // then fifty per second
		v = ep.add(w, t0+3600*second+int64(i)*second/50)
	}
	if v < 1.5 {
		t.Errorf("flood has surge %g", v)
	}
}

// TestRecord: a crowd like that of the day before is no record, a larger one is;
// what comes late by more than a minute is not counted.
func TestRecord(t *testing.T) {
	var reqs []traffic.Request
	crowd := func(from, n int) {
		for i := range n {
			reqs = append(reqs, at(float64(from+i*60/n), fmt.Sprint("10.0.0.", i), "GET", "/news", 200))
		}
	}
	crowd(0, 50)
	crowd(86400, 50)
	same := len(reqs) - 1
	crowd(2*86400, 400)
	record := len(reqs) - 1
	reqs = append(reqs, at(2*86400-300, "10.0.0.1", "GET", "/news", 200)) // late
	v := extract(Online(nil), reqs).Cols[cTargetRecord]
	if !(v[same] < 0.5) || !(v[record] > 1.5) {
		t.Errorf("a crowd of 50 behind one of 50: %g, one of 400: %g", v[same], v[record])
	}
	if late := v[len(reqs)-1]; late == late {
		t.Errorf("a late request has %g", late)
	}
}

// TestChain: rising ids at one template are a run whoever asks, also among
// honest requests; repetition, silence and ids out of order are none.
func TestChain(t *testing.T) {
	var reqs []traffic.Request
	for i := range 40 {
		reqs = append(reqs, at(float64(10*i), fmt.Sprint("10.0.0.", i), "GET", fmt.Sprint("/items/", 500+i), 200))
		reqs = append(reqs, at(float64(10*i+5), fmt.Sprint("10.0.1.", i), "GET", fmt.Sprint("/items/", 90_000-1777*i), 200))
	}
	reqs = append(reqs, at(400, "10.0.0.1", "GET", "/items/539", 200), // again
		at(1100, "10.0.0.2", "GET", "/items/540", 200), // after 11 minutes and more
		at(1101, "10.0.0.2", "GET", "/items", 200))
	v := extract(Online(nil), reqs).Cols[cTargetChain]
	for i, want := range map[int]float64{0: 1, 2: 2, 78: 40, 79: 1, 80: 40, 81: 1} {
		if got := math.Expm1(float64(v[i])); math.Abs(got-want) > 1e-4 {
			t.Errorf("request %d, %s: a run of %g, want %g", i, reqs[i].Target, got, want)
		}
	}
	if last := v[len(v)-1]; last == last {
		t.Errorf("a request without an id has a run of %g", last)
	}
}

// What is looked up is what is computed.
func TestDecay(t *testing.T) {
	w := newWindows()
	for window, length := range w.length {
		for _, dt := range []float64{0, 1e-6, 0.5, 1, 1.000001, 2, 59, 255, 255.5, 256, 3600, 1e12} {
			if got, want := w.decay(dt, window), decay(dt, length); got != want {
				t.Errorf("decay of %v s over %v s: %v, expected %v", dt, length, got, want)
			}
		}
	}
}

func TestLRU(t *testing.T) {
	l := newLRU[int](3)
	for i, k := range []uint64{1, 2, 3, 1, 4} { // 2 goes
		*l.get(k) += i + 1
	}
	if *l.get(1) != 5 || *l.get(3) != 3 || *l.get(4) != 5 {
		t.Error("a recent entry was lost")
	}
	if *l.get(2) != 0 {
		t.Error("the least recent entry stayed")
	}
	if len(l.index) != 3 || len(l.items) != 3 {
		t.Errorf("table of 3 holds %d", len(l.index))
	}
}

// same compares two matrices bit by bit, NaN equal to NaN, over rows [0, n).
func same(t *testing.T, what string, a, b *frame.Matrix, n int) {
	t.Helper()
	for j := range a.Cols {
		for i := range n {
			if math.Float32bits(a.Cols[j][i]) != math.Float32bits(b.Cols[j][i]) {
				t.Fatalf("%s: row %d, %s: %g and %g", what, i, a.Schema.Columns[j].Name, a.Cols[j][i], b.Cols[j][i])
			}
		}
	}
}

// TestCausal: what comes later changes nothing.
func TestCausal(t *testing.T) {
	reqs := made(3000, 2)
	whole := extract(Online(nil), reqs)
	same(t, "prefix", whole, extract(Online(nil), reqs[:1000]), 1000)
	if err := whole.Check(); err != nil {
		t.Error(err)
	}
}

// TestBuilderIsExtractor: training and scoring compute the same, however the
// records are cut into batches.
func TestBuilderIsExtractor(t *testing.T) {
	reqs := made(2*BlockRows+1234, 3)
	for i := range reqs {
		reqs[i].Label = traffic.None
		if reqs[i].Status == 500 {
			reqs[i].Label = traffic.SQLInjection
		}
	}
	build := func(cut int) *Dataset {
		b := NewBuilder(Config{Profile: OnlineProfile})
		for part := range slices.Chunk(reqs, cut) {
			b.Add(part)
		}
		d, err := b.Dataset()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := build(777)
	same(t, "batch size", d.X, build(5000).X, d.Rows())

	e := NewExtractor(Online(nil))
	x := frame.NewMatrix(HTTPSchema(e.State()), len(reqs))
	at := 0
	var r Reorder
	block := func(b Block) error {
		m := frame.NewMatrix(x.Schema, len(b.Requests))
		e.Extract(m, b.Requests)
		flagged := make([]bool, len(b.Requests))
		for i := range flagged {
			flagged[i] = b.Requests[i].Label.Attack()
		}
		e.Learn(b.Requests, flagged)
		for j := range m.Cols {
			copy(x.Cols[j][at:], m.Cols[j])
		}
		at += len(b.Requests)
		return nil
	}
	if err := r.Push(reqs, block); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(block); err != nil {
		t.Fatal(err)
	}
	same(t, "builder and extractor", d.X, x, d.Rows())
	if v := d.X.Cols[cTemplateUnknown][d.Rows()-1]; v != v {
		t.Error("the online profile learned nothing")
	}
	for i := range reqs {
		if d.Hash[i] != RowHash(&reqs[i]) {
			t.Fatalf("row %d: hash differs", i)
		}
	}
}

func TestOnlineNeedsThreePrincipals(t *testing.T) {
	e := NewExtractor(Online(nil))
	x := frame.NewMatrix(HTTPSchema(e.State()), 1)
	one := func(client, target string, flagged bool) float32 {
		reqs := []traffic.Request{at(0, client, "GET", target, 200)}
		e.Extract(x, reqs)
		e.Learn(reqs, []bool{flagged})
		return x.Cols[cTemplateUnknown][0]
	}
	for i := range minProfile {
		one(fmt.Sprint("10.0.0.", i%5), "/known", false)
	}
	if v := one("1", "/known", false); v != 0 {
		t.Errorf("known template: %g", v)
	}
	for range 10 {
		if v := one("6.6.6.6", "/new", false); v != 1 {
			t.Errorf("one principal made a template known: %g", v)
		}
	}
	one("a", "/new", true)
	one("b", "/new", true)
	if v := one("c", "/new", true); v != 1 {
		t.Errorf("flagged requests made a template known: %g", v)
	}
	one("a", "/new", false)
	one("b", "/new", false)
	if v := one("c", "/new", false); v != 0 {
		t.Errorf("three principals did not make a template known: %g", v)
	}
}

// frozen builds a data set of n requests to /item?id=NN&q=word without
// principals, labelled benign.
func frozen(n int, more ...traffic.Request) *Builder {
	b := NewBuilder(Config{})
	var reqs []traffic.Request
	for i := range n {
		r := request("GET", fmt.Sprintf("/item?id=%d&q=%s", 10+i%90, []string{"red", "green", "blues"}[i%3]))
		r.Label = traffic.None
		reqs = append(reqs, r)
	}
	b.Add(append(reqs, more...))
	return b
}

func rows(lo, hi int) []int {
	var out []int
	for i := lo; i < hi; i++ {
		out = append(out, i)
	}
	return out
}

// TestProfile: exact values against a profile that was fitted on 600 requests.
func TestProfile(t *testing.T) {
	tests := []traffic.Request{
		request("GET", "/item?id=42&q=red"),
		request("GET", "/item?id=4'2&q=red"),
		request("GET", "/item?id=424242&q=red"),
		request("GET", "/item?id=4&q=red"),
		request("GET", "/item?id=42&q=pink"),
		request("GET", "/item?id=42&q=red&admin=1"),
		request("GET", "/item?id=42"),
		request("POST", "/item?id=42&q=red"),
		request("GET", "/other"),
	}
	d, err := frozen(600, tests...).Dataset()
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Fold(context.Background(), rows(0, 600), rows(600, d.Rows()))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		row    int
		column int
		want   float64
	}{
		{0, cTemplateUnknown, 0}, {0, cTemplateSupport, math.Log1p(600)}, {0, cShapeUnknown, 0}, {0, cClassesUnseen, 0}, {0, cLengthOver, 0}, {0, cLengthUnder, 0},
		{0, cValueNotInSet, 0}, {0, cMethodUnseen, 0}, {0, cClassSurprise, math.Log(601 / 600.5)}, {0, cStatusSurprise, math.NaN()},
		{1, cClassesUnseen, 1}, {1, cValuesUnseen, 1}, {1, cClassSurprise, math.Log(601 / 0.5)}, {1, cLengthOver, math.Log(4. / 3)},
		{2, cLengthOver, math.Log(7. / 3)}, {2, cClassesUnseen, 0}, {2, cLengthZ, maxZ}, {3, cLengthZ, (math.Log(3) - math.Log(2)) / math.Sqrt(10*0.01/610)},
		{3, cLengthUnder, math.Log(3. / 2)}, {4, cValueNotInSet, 1}, {4, cClassesUnseen, 0},
		{5, cShapeUnknown, 1}, {5, cParametersUnknown, 1}, {5, cParametersMissing, 0},
		{6, cShapeUnknown, 1}, {6, cParametersUnknown, 0}, {6, cParametersMissing, 1},
		{7, cMethodUnseen, 1}, {8, cTemplateUnknown, 1}, {8, cTemplateSupport, 0}, {8, cClassesUnseen, math.NaN()},
	} {
		got := float64(f.Eval.Cols[c.column][c.row])
		if math.Abs(got-c.want) > 1e-4 || math.IsNaN(got) != math.IsNaN(c.want) {
			t.Errorf("row %d: %s = %g, want %g", c.row, f.Eval.Schema.Columns[c.column].Name, got, c.want)
		}
	}
	if f.Fit.Schema.ID() != f.Eval.Schema.ID() || f.Fit.Schema.State != f.State.ID() || f.State.Profile() != Frozen {
		t.Error("schema and state do not belong together")
	}
}

// TestFoldLeak: a training row does not make itself known, and a test row
// teaches nothing.
func TestFoldLeak(t *testing.T) {
	odd := request("GET", "/item?id=42'&q=red")
	odd.Label = traffic.None
	attack := request("GET", "/item?id=42<&q=red")
	attack.Label = traffic.XSS
	d, err := frozen(600, odd, attack, attack, odd).Dataset()
	if err != nil {
		t.Fatal(err)
	}
	// Row 603 equals row 600 and is left out of training.
	f, err := d.Fold(context.Background(), rows(0, 603), []int{603})
	if err != nil {
		t.Fatal(err)
	}
	if v := f.Fit.Cols[cClassesUnseen][600]; v != 1 {
		t.Errorf("an unseen class in one training row: classes_unseen = %g in its own columns, want 1", v)
	}
	if v := f.Eval.Cols[cClassesUnseen][0]; v != 0 {
		t.Errorf("a class from a benign training row: classes_unseen = %g in a test row, want 0", v)
	}
	if v := f.Fit.Cols[cClassesUnseen][601]; v != 1 {
		t.Errorf("a labelled attack taught the profile: classes_unseen = %g", v)
	}
	g, err := d.Fold(context.Background(), rows(0, 600), []int{600, 601})
	if err != nil {
		t.Fatal(err)
	}
	if g.Eval.Cols[cClassesUnseen][0] != 1 || g.Eval.Cols[cClassesUnseen][1] != 1 {
		t.Error("a test row taught the profile")
	}
	shuffled := rows(0, 600)
	slices.Reverse(shuffled)
	h, err := d.Fold(context.Background(), shuffled, nil)
	if err != nil {
		t.Fatal(err)
	}
	if h.State.ID() != g.State.ID() {
		t.Error("the order of the training rows changes the state")
	}
	if _, err := d.Fold(context.Background(), []int{d.Rows()}, nil); err == nil {
		t.Error("a row out of range was accepted")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Fold(ctx, rows(0, 600), nil); err == nil {
		t.Error("a cancelled context was ignored")
	}
}

func TestGroups(t *testing.T) {
	r := []traffic.Request{
		request("GET", "/a?x=1&y=%41"), request("POST", "/a"), request("GET", "/a?y=A&x=1"), request("GET", "/a?x=1&y=B"), request("GET", "/b?x=1&y=A"),
	}
	r[1].HasBody, r[1].Body = true, "x=1&y=A" // the twin
	c, e := at(0, "1.1.1.1", "GET", "/a", 200), at(1, "1.1.1.1", "GET", "/b", 200)
	b := NewBuilder(Config{})
	b.Add(append(r, c, e))
	d, err := b.Dataset()
	if err != nil {
		t.Fatal(err)
	}
	g := d.Groups
	if g[0] != g[1] || g[0] != g[2] {
		t.Error("path + sorted decoded parameters differ for the same request")
	}
	if g[0] == g[3] || g[0] == g[4] {
		t.Error("different requests share a group")
	}
	if g[5] != g[6] || g[5] == g[0] {
		t.Error("the principal is not the group")
	}
	if got := d.Distinct(); !slices.Equal(got, []int{0, 3, 4, 5, 6}) {
		t.Errorf("Distinct = %v", got)
	}
	if _, err := NewBuilder(Config{}).Dataset(); err == nil {
		t.Error("an empty data set is no error")
	}
}

func fitted(t testing.TB) *State {
	t.Helper()
	b := NewBuilder(Config{})
	b.Add(made(3000, 4))
	d, err := b.Dataset()
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Fold(context.Background(), rows(0, d.Rows()), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.State
}

func TestStateRoundTrip(t *testing.T) {
	reqs := made(2000, 5)
	for _, s := range []*State{Online(nil), fitted(t)} {
		b, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseState(b)
		if err != nil {
			t.Fatal(err)
		}
		again := encodeState(got.profile, got.text)
		if !bytes.Equal(b, again) || got.ID() != s.ID() || got.Profile() != s.Profile() || got.Templates() != s.Templates() {
			t.Error("the state changed on the way")
		}
		same(t, "state read back", extract(s, reqs), extract(got, reqs), len(reqs))
		for i := range b {
			if _, err := ParseState(b[:i]); err == nil {
				t.Fatalf("a state cut at byte %d was accepted", i)
			}
		}
		if _, err := ParseState(append(b, 0)); err == nil {
			t.Error("a byte behind the end was accepted")
		}
	}
	if s := fitted(t); s.ID() != fitted(t).ID() || s.Templates() < 4 || s.ID() == Online(nil).ID() {
		t.Error("fitting is not deterministic, or learned nothing")
	}
}

// Three principals that each have a length of their own know none in common: the
// state of such a parameter must be readable too.
func TestStateCrossedLengths(t *testing.T) {
	b := NewBuilder(Config{})
	var reqs []traffic.Request
	for i, v := range []string{"a", "aaaaa", "aaaaaaaaaa"} {
		r := request("GET", "/search?q="+v)
		r.Client, r.Time, r.Label = fmt.Sprintf("192.0.2.%d", i+1), int64(i+1)*1e6, traffic.Unlabelled
		reqs = append(reqs, r)
	}
	b.Add(reqs)
	d, err := b.Dataset()
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Fold(context.Background(), rows(0, d.Rows()), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := f.State.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseState(text); err != nil {
		t.Error(err)
	}
}

func TestProfileBounds(t *testing.T) {
	p := newProfile()
	o := outcome{bytes: nan32(), latency: nan32()}
	for i := range 3 * maxTemplates {
		s := &shape{template: uint64(i) + 1, names: uint64(i)}
		p.observe(s, o, 1, false)
	}
	if len(p.templates) > maxTemplates {
		t.Errorf("%d templates", len(p.templates))
	}
	for i := range 1000 {
		s := &shape{template: 7, names: uint64(i), params: []observation{{name: uint64(i), value: uint64(i), mask: 1, length: 3}}}
		p.observe(s, o, uint32(i), true)
	}
	tm := p.templates[7]
	if len(tm.params) != maxParams || len(tm.shapes) != maxShapes {
		t.Errorf("%d parameters, %d shapes", len(tm.params), len(tm.shapes))
	}
	// A full table no longer says "unknown".
	var out [numColumns - numWindow]float32
	p.score(out[:], &shape{template: 7, names: 1 << 40, params: []observation{{name: 1 << 40}}}, o)
	if v := out[cParametersUnknown-numWindow]; v == v {
		t.Errorf("parameters_unknown = %g with a full table", v)
	}
	// Three principals set a bound, one does not.
	var e extreme
	for _, v := range []struct {
		v int32
		p uint32
	}{{5, 1}, {9, 1}, {100, 1}, {7, 2}, {6, 3}} {
		e.add(v.v, v.p, false)
	}
	if got := e.bound(-1); got != 6 {
		t.Errorf("bound %d, want 6: what three principals reached", got)
	}
}

func TestReorder(t *testing.T) {
	var reqs []traffic.Request
	for i := range 10000 {
		r := at(float64(i), "c", "GET", "/", 200)
		r.Line = int64(i)
		reqs = append(reqs, r)
	}
	for i := 0; i+60 < len(reqs); i += 60 { // shuffled inside the minute
		slices.Reverse(reqs[i : i+60])
	}
	reqs = append(reqs, at(1, "late", "GET", "/", 200))
	run := func(cut int) (out []traffic.Request, late, blocks int) {
		var r Reorder
		emit := func(b Block) error {
			if blocks++; len(b.Requests) != BlockRows && len(out)+len(b.Requests) != len(reqs) {
				t.Errorf("block of %d", len(b.Requests))
			}
			for i, l := range b.Late {
				if l {
					late++
					if b.Requests[i].Client != "late" {
						t.Errorf("line %d is marked late", b.Requests[i].Line)
					}
				}
			}
			out = append(out, b.Requests...)
			return nil
		}
		for part := range slices.Chunk(reqs, cut) {
			if err := r.Push(part, emit); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Flush(emit); err != nil {
			t.Fatal(err)
		}
		return out, late, blocks
	}
	a, late, _ := run(1)
	b, _, _ := run(9999)
	if len(a) != len(reqs) || late != 1 || !slices.Equal(a, b) {
		t.Fatalf("%d of %d records, %d late", len(a), len(reqs), late)
	}
	last := int64(-1)
	for _, r := range a {
		if r.Client == "late" {
			continue
		}
		if r.Line != last+1 {
			t.Fatalf("line %d after %d", r.Line, last)
		}
		last = r.Line
	}
	// Records without a time pass in order.
	var r Reorder
	var got []string
	emit := func(b Block) error {
		for _, q := range b.Requests {
			got = append(got, q.Target)
		}
		return nil
	}
	_ = r.Push([]traffic.Request{request("GET", "/1"), request("GET", "/2")}, emit)
	_ = r.Push([]traffic.Request{request("GET", "/3")}, emit)
	_ = r.Flush(emit)
	if !slices.Equal(got, []string{"/1", "/2", "/3"}) {
		t.Errorf("order without times: %v", got)
	}
}

func TestFlows(t *testing.T) {
	if a, b := len(FlowSchema(false).Columns), len(FlowSchema(true).Columns); a != 76 || b != 77 || FlowSchema(false).Index("Destination Port") >= 0 {
		t.Errorf("%d and %d columns", a, b)
	}
	flows := make([]traffic.Flow, 3)
	for i := range flows {
		flows[i].Time = traffic.NoTime
		flows[i].Values[0] = float64(80 + i)
		flows[i].Values[1] = 5
		flows[i].Values[2] = math.NaN()
		flows[i].Values[3] = 1e300
	}
	flows[2].Values[1] = 6
	b := NewFlowBuilder(false)
	b.Add(flows[:1])
	b.Add(flows[1:])
	d, err := b.Dataset()
	if err != nil {
		t.Fatal(err)
	}
	if d.Hash[0] != d.Hash[1] || d.Hash[0] == d.Hash[2] || !slices.Equal(d.Hash, FlowHashes(false, flows)) {
		t.Error("the hash is not that of the features")
	}
	if err := d.X.Check(); err != nil {
		t.Error(err)
	}
	if d.Times != nil || d.X.Cols[0][2] != 6 || !math.IsNaN(float64(d.X.Cols[2][0])) {
		t.Error("values are wrong")
	}
	f, err := d.Fold(context.Background(), []int{2, 0}, []int{1})
	if err != nil || f.Fit.Cols[0][0] != 6 || f.Eval.N != 1 || f.State != nil {
		t.Errorf("fold is wrong: %v", err)
	}
	if _, err := NewFlowBuilder(true).Dataset(); err == nil {
		t.Error("an empty data set is no error")
	}
}

func FuzzExtract(f *testing.F) {
	f.Add("GET", "/a?b=%27%20or%201=1--", "x=1", "curl", int64(0), 1.0)
	f.Add("POST", "/%c0%ae%c0%ae/..;/", `{"a":[{"b":"\u003c"},eyJhbGciOiJub25lIn0.e30.]}`, "() { :; };", int64(math.MaxInt64), math.Inf(1))
	f.Add("\x16\x03", "\x00%%%u00", "--B\r\nform-data; name=\"a\"\r\n\r\nx\r\n--B", "", int64(math.MinInt64+1), -1.0)
	f.Add("CONNECT", "http://", "<?xml <!ENTITY", "-", int64(1), math.NaN())
	frozenState := fitted(f)
	f.Fuzz(func(t *testing.T, method, target, body, agent string, when int64, latency float64) {
		r := traffic.Request{Time: when, Latency: latency, BytesIn: -1, BytesOut: when, Status: int32(when), Method: method, Target: target,
			HasBody: true, Body: body, Agent: agent, Client: agent, Referrer: body}
		q := r
		q.Time, q.Target, q.Body = -when, target+body, target
		reqs := []traffic.Request{r, q, r}
		for _, s := range []*State{Online(nil), frozenState} {
			e := NewExtractor(s)
			x := frame.NewMatrix(HTTPSchema(s), len(reqs))
			e.Extract(x, reqs)
			e.Learn(reqs, nil)
			if err := x.Check(); err != nil {
				t.Fatal(err)
			}
			for j := range numLex { // the memo gives what was computed
				if a, b := x.Cols[j][0], x.Cols[j][2]; math.Float32bits(a) != math.Float32bits(b) {
					t.Fatalf("%s: %g, then %g", x.Schema.Columns[j].Name, a, b)
				}
			}
		}
	})
}

func FuzzParseState(f *testing.F) {
	for _, s := range []*State{Online(nil), fitted(f)} {
		b, _ := s.MarshalBinary()
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	reqs := made(20, 6)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseState(b)
		if err != nil {
			return
		}
		if again := encodeState(s.profile, s.text); !bytes.Equal(b, again) {
			t.Fatal("an accepted state does not marshal to its bytes")
		}
		if err := extract(s, reqs).Check(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestHostileInput: the worst inputs known take bounded time. The bound is loose:
// it is to catch a quadratic blow-up, which takes minutes.
func TestHostileInput(t *testing.T) {
	big := 1 << 20
	for _, unit := range []string{"eyJ", "<a", "'", "/*", "select ", "or 1=", "%25", "((", "{", "[", `{"a":`, "a=1&", "&#", "\\u00", "; cat ", "--", "..;/", "$\x7b", "\n"} {
		s := string(bytes.Repeat([]byte(unit), big/len(unit)))
		r := request("POST", "/"+s)
		r.HasBody, r.Body, r.Agent, r.Referrer = true, s, s, s
		x := extract(Online(nil), []traffic.Request{r})
		if err := x.Check(); err != nil {
			t.Error(err)
		}
	}
}

// Grouped rows are the same rows.
func TestExtractGrouped(t *testing.T) {
	reqs := made(3000, 7)
	a, b := NewExtractor(Online(nil)), NewExtractor(Online(nil))
	templates := map[uint64]int{} // last row
	for lo := 0; lo < len(reqs); lo += 1000 {
		block := reqs[lo : lo+1000]
		x, y := frame.NewMatrix(HTTPSchema(a.State()), len(block)), frame.NewMatrix(HTTPSchema(b.State()), len(block))
		a.Extract(x, block)
		place := b.ExtractGrouped(y, block)
		seen := make([]bool, len(block))
		clear(templates)
		moved := 0
		for i, at := range place {
			if seen[at] {
				t.Fatalf("two requests have row %d", at)
			}
			seen[at] = true
			for j := range x.Cols {
				if math.Float32bits(x.Cols[j][i]) != math.Float32bits(y.Cols[j][at]) {
					t.Fatalf("request %d, %s: %v, expected %v", i, x.Schema.Columns[j].Name, y.Cols[j][at], x.Cols[j][i])
				}
			}
			_, endpoint := b.Keys(i)
			if last, ok := templates[endpoint]; ok && int(at) != last+1 {
				moved++
			}
			templates[endpoint] = int(at)
		}
		if moved > 20 {
			t.Errorf("%d of %d requests do not follow the one before of the same template", moved, len(block))
		}
		a.Learn(block, nil)
		b.Learn(block, nil)
	}
}
