package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// payload is what an attacker would put into a URL or an agent: it ends script
// and attribute, runs code in any way known, and loads from outside.
const payload = `</script><script>document.documentElement.setAttribute('data-pwned','1');document.title='PWNED'</script>` +
	`"'><img src=http://evil.example/x onerror="document.title='PWNED'"><!--<script>{{.}}${1}` +
	`__f__function(){document.title='PWNED'}__f__` + "`=cmd|'/c calc'!A0 \x00\x1b[31m\u202e\u2028]]>&lt;|"

// fill puts payload into every string that v holds, two elements into every
// slice, and plausible values into the rest.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(payload)
	case reflect.Int64, reflect.Int:
		v.SetInt(3)
	case reflect.Uint64:
		v.SetUint(3)
	case reflect.Float64:
		v.SetFloat(.5)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic("report: Data has a " + v.Kind().String() + ": the tests and the cleaning do not know it")
	}
}

func hostile() *Data {
	d := new(Data)
	fill(reflect.ValueOf(d).Elem())
	d.Sections = nil // all
	return d
}

// A tag of the page.
type tag struct {
	name  string
	attrs map[string]string
	text  string // raw content of script, style and title
}

var (
	tagPattern  = regexp.MustCompile(`(?s)^<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[a-zA-Z:_-][a-zA-Z0-9:_-]*(?:="[^"]*")?)*)\s*/?>`)
	attrPattern = regexp.MustCompile(`([a-zA-Z:_-][a-zA-Z0-9:_-]*)(?:="([^"]*)")?`)
)

// parse reads the page strictly: every < opens a tag with quoted attributes,
// elements nest and are closed. What our templates write passes; what breaks
// out of a string does not.
func parse(t *testing.T, page string) (tags []tag) {
	t.Helper()
	void := []string{"meta", "link", "br", "input"}
	var open []string
	rest := strings.TrimPrefix(page, "<!DOCTYPE html>")
	for {
		i := strings.IndexByte(rest, '<')
		if i < 0 {
			break
		}
		rest = rest[i:]
		m := tagPattern.FindStringSubmatch(rest)
		if m == nil {
			t.Fatalf("no tag: %.200q", rest)
		}
		rest = rest[len(m[0]):]
		if m[1] == "/" {
			if len(open) == 0 || open[len(open)-1] != m[2] {
				t.Fatalf("</%s> closes %v, before %.200q", m[2], open, rest)
			}
			open = open[:len(open)-1]
			continue
		}
		g := tag{name: m[2], attrs: map[string]string{}}
		for _, a := range attrPattern.FindAllStringSubmatch(m[3], -1) {
			g.attrs[a[1]] = a[2]
		}
		switch {
		case slices.Contains([]string{"script", "style", "title"}, g.name):
			end := strings.Index(rest, "</"+g.name)
			if end < 0 {
				t.Fatalf("<%s> has no end", g.name)
			}
			g.text, rest = rest[:end], rest[end+len("</"+g.name+">"):]
		case !slices.Contains(void, g.name):
			open = append(open, g.name)
		}
		tags = append(tags, g)
	}
	if len(open) > 0 {
		t.Fatalf("not closed: %v", open)
	}
	return tags
}

// check holds what every page promises.
func check(t *testing.T, page []byte) []tag {
	t.Helper()
	tags := parse(t, string(page))
	ids := map[string]bool{}
	csp := ""
	var scripts []string
	for _, g := range tags {
		if id := g.attrs["id"]; id != "" {
			if ids[id] {
				t.Errorf("id %q stands twice", id)
			}
			ids[id] = true
		}
		for name, v := range g.attrs {
			if strings.HasPrefix(name, "on") {
				t.Errorf("<%s> has a handler %s", g.name, name)
			}
			if slices.Contains([]string{"src", "href", "action", "srcset", "data", "poster", "formaction"}, name) && !strings.HasPrefix(v, "#") && v != "data:," {
				t.Errorf("<%s %s=%q> leaves the page", g.name, name, v)
			}
		}
		switch g.name {
		case "script":
			if g.attrs["type"] == "application/json" {
				if !json.Valid([]byte(g.text)) {
					t.Errorf("data block %q is no JSON", g.attrs["id"])
				}
				continue
			}
			scripts = append(scripts, g.text)
		case "style":
			if strings.Contains(g.text, "url(") || strings.Contains(g.text, "@import") {
				t.Error("the style loads something")
			}
		case "meta":
			if g.attrs["http-equiv"] == "Content-Security-Policy" {
				csp = strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(g.attrs["content"])
			}
		case "iframe", "object", "embed", "base", "form", "img", "svg":
			t.Errorf("the page has a <%s>", g.name)
		}
	}
	if len(scripts) != 2 {
		t.Fatalf("%d scripts, want 2", len(scripts))
	}
	want := "default-src 'none'; script-src"
	for _, s := range scripts {
		sum := sha256.Sum256([]byte(s))
		want += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	if want += "; style-src 'unsafe-inline'; img-src data:"; !strings.HasPrefix(csp, want) {
		t.Errorf("CSP %q, want %q", csp, want)
	}
	return tags
}

func TestPage(t *testing.T) {
	page := render(t, sample())
	if !bytes.Equal(page, render(t, sample())) {
		t.Error("equal data gives different pages")
	}
	if len(page) > 3<<20 {
		t.Errorf("the page has %d bytes, at most 3 MiB", len(page))
	}
	tags := check(t, page)
	plots := 0
	for _, g := range tags {
		if strings.HasPrefix(g.attrs["class"], "plot") {
			plots++
			if g.attrs["aria-label"] == "" || g.attrs["role"] != "img" {
				t.Errorf("chart %q says nothing to a screen reader", g.attrs["id"])
			}
		}
		if g.name == "th" && g.attrs["scope"] == "" {
			t.Error("a header cell without scope")
		}
	}
	if plots != 13 {
		t.Errorf("%d charts, want 13", plots)
	}
	for _, want := range []string{"799\u00a0k requests from 47.3\u00a0k principals", "Credential stuffing", "/api/products/{id}", "412 ms", "0.947 ± 0.012", "snaive-daily", "fitted on synthetic data", "APIML_LOG_LEVEL", "no weekly season"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestSecondsAreNotOnThePage(t *testing.T) {
	a, b := sample(), sample()
	b.Seconds = 99
	if !bytes.Equal(render(t, a), render(t, b)) {
		t.Error("the run time changes the page")
	}
}

func TestHostileStrings(t *testing.T) {
	d := hostile()
	before := hostile()
	page := render(t, d)
	if !reflect.DeepEqual(d, before) {
		t.Error("HTML changed its input")
	}
	check(t, page)
	for _, raw := range []string{payload, payload[:40], "<img", "onerror=\"", "<!--", "\x00", "\x1b", "\u202e", "\u2028", "document.title='PWNED'</script>"} {
		if i := bytes.Index(page, []byte(raw)); i >= 0 && !bytes.Contains(scriptAssets(t), []byte(raw)) {
			t.Errorf("the page holds %q raw: %.120q", raw, page[max(0, i-60):])
		}
	}
	if n := bytes.Count(page, []byte("PWNED")); n < 100 {
		t.Errorf("the payload stands %d times on the page: the test does not reach every string", n)
	}
	var md bytes.Buffer
	if err := Markdown(&md, d); err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{"<", "`", "](", "\x00", "\x1b", "\u202e", "http://", "| =cmd"} {
		if bytes.Contains(md.Bytes(), []byte(raw)) {
			t.Errorf("Markdown holds %q", raw)
		}
	}
	var table bytes.Buffer
	for _, d := range []*Data{d, deepCopy(d, func(s string) string { return "=cmd|'/c calc'!A0" })} {
		d.Sections = nil
		if err := CSV(&table, d); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) < 100 {
		t.Errorf("%d rows of CSV, %v", len(rows), err)
	}
	for _, r := range rows {
		for _, v := range r {
			if strings.ContainsAny(v, "\x00\x1b\u202e\n") || v != "" && strings.IndexByte("=+-@", v[0]) >= 0 {
				t.Errorf("CSV holds %.60q", v)
			}
		}
	}
	d.Models[0].Name, d.Security.Types[0].Type = "=1+1\n", "\"\\\n"
	var prom bytes.Buffer
	if err := Prometheus(&prom, d); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSuffix(prom.String(), "\n"), "\n") {
		if !promLine.MatchString(line) {
			t.Errorf("no line of Prometheus: %.200q", line)
		}
	}
	d = before
	cols := 0
	for _, line := range strings.Split(md.String(), "\n") {
		n := strings.Count(line, "|")
		if n > 0 && cols > 0 && n != cols {
			t.Errorf("a row has %d bars, its table %d: %.100q", n, cols, line)
		}
		cols = n
	}
	var js bytes.Buffer
	if err := JSON(&js, d); err != nil || !json.Valid(js.Bytes()) {
		t.Errorf("JSON: %v", err)
	}
}

func scriptAssets(t *testing.T) []byte {
	t.Helper()
	var out []byte
	for _, f := range []string{"echarts.min.js", "start.js"} {
		b, err := assets.ReadFile("assets/" + f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

// promLine is a line of the text format: a comment, or a sample.
var promLine = regexp.MustCompile(`^(# (HELP|TYPE) apiml_[a-z_]+ .+|apiml_[a-z_0-9]+(\{([a-z]+="([^"\\\n]|\\["\\n])*",?)+\})? [0-9.e+-]+)$`)

// The schema describes what JSON writes: every field, in both directions.
func TestSchema(t *testing.T) {
	var visit func(path string, schema map[string]any, v any)
	visit = func(path string, schema map[string]any, v any) {
		switch v := v.(type) {
		case map[string]any:
			props := schema["properties"].(map[string]any)
			for k, x := range v {
				p, ok := props[k].(map[string]any)
				if !ok {
					t.Errorf("%s.%s is not in the schema", path, k)
					continue
				}
				visit(path+"."+k, p, x)
			}
			for k := range props {
				if _, ok := v[k]; !ok {
					t.Errorf("%s.%s is in the schema only", path, k)
				}
			}
		case []any:
			for _, x := range v {
				visit(path+"[]", schema["items"].(map[string]any), x)
			}
		case string:
			if schema["type"] != "string" && schema["const"] != v {
				t.Errorf("%s is a string, want %v", path, schema)
			}
		case float64:
			if fmt.Sprint(schema["type"]) == "[number null]" || schema["type"] == "integer" && v == math.Trunc(v) {
				return
			}
			t.Errorf("%s is %v, want %v", path, v, schema)
		case bool:
			if schema["type"] != "boolean" {
				t.Errorf("%s is a bool, want %v", path, schema)
			}
		}
	}
	d := hostile()
	d.Schema = ""
	var b bytes.Buffer
	if err := JSON(&b, d); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	visit("", JSONSchema(), v)
}

// Every part may be missing, and every number unknown.
func TestHoles(t *testing.T) {
	empty := render(t, &Data{})
	check(t, empty)
	for _, want := range []string{"No data yet", "apiml ingest access.log --db apiml.duckdb", "apiml score access.log --db apiml.duckdb", "apiml forecast", "apiml train --cv 5"} {
		if !bytes.Contains(empty, []byte(want)) {
			t.Errorf("the empty page does not say %q", want)
		}
	}
	if bytes.Contains(empty, []byte(`class="plot`)) {
		t.Error("the empty page draws a chart")
	}
	v := reflect.ValueOf(sample()).Elem()
	for i := range v.NumField() {
		d := sample()
		f := reflect.ValueOf(d).Elem().Field(i)
		f.SetZero()
		check(t, render(t, d))
	}
	var unknown func(v reflect.Value)
	unknown = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Float64:
			v.SetFloat(math.NaN())
		case reflect.Int64:
			v.SetInt(-1)
		case reflect.Slice:
			for i := range v.Len() {
				unknown(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					unknown(v.Field(i))
				}
			}
		}
	}
	d := sample()
	unknown(reflect.ValueOf(d).Elem())
	page := render(t, d)
	check(t, page)
	if bytes.Contains(page, []byte(`class="plot`)) || bytes.Contains(page, []byte("NaN")) && !bytes.Contains(scriptAssets(t), []byte("NaN")) {
		t.Error("unknown numbers are drawn")
	}
	var b bytes.Buffer
	if err := JSON(&b, d); err != nil {
		t.Error(err)
	}
	b.Reset()
	if err := JSON(&b, &Data{}); err != nil || bytes.Contains(b.Bytes(), []byte("null")) || !bytes.Contains(b.Bytes(), []byte(`"incidents": []`)) {
		t.Errorf("empty lists are not []: %v\n%s", err, b.String())
	}
	// Lengths that do not fit.
	d = sample()
	d.Performance.Forecasts[0].Lo95 = d.Performance.Forecasts[0].Lo95[:3]
	d.Performance.Forecasts[0].History = Timeline{}
	d.Models[0].Confusion.Counts = d.Models[0].Confusion.Counts[:2]
	d.Models[0].ROC[0].Y = d.Models[0].ROC[0].Y[:5]
	d.Overview.Traffic.Series[1].Values = nil
	check(t, render(t, d))
}

func TestJSONRoundTrip(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, sample()); err != nil {
		t.Fatal(err)
	}
	var back Data
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Schema != SchemaName || back.Overview.Requests != 799_341 || back.Overview.Traffic.Series[0].Values[60].Known() {
		t.Errorf("JSON came back as %+v", back.Overview)
	}
	var again bytes.Buffer
	if err := JSON(&again, &back); err != nil || again.String() != b.String() {
		t.Errorf("a second round differs (%v)", err)
	}
}

func TestMarkdownGolden(t *testing.T) {
	d := sample()
	d.Inputs[1].Name = "logs/a|b_`c`.log"
	var b bytes.Buffer
	if err := Markdown(&b, d); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "summary.md")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("Markdown differs from %s (write it anew with -update):\n%s", file, b.String())
	}
	b.Reset()
	if err := Markdown(&b, &Data{}); err != nil || strings.Contains(b.String(), "|") {
		t.Errorf("empty: %v\n%s", err, b.String())
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{commas(0), "0"}, {commas(999), "999"}, {commas(1_234_567), "1,234,567"}, {commas(-1), "–"},
		{human(9_999), "9,999"}, {human(12_345), "12.3 k"}, {human(999_700), "1 M"}, {human(1_230_000), "1.23 M"},
		{size(512), "512 B"}, {size(79_004_002), "79 MB"}, {size(-1), "–"},
		{percent(0), "0 %"}, {percent(1), "100 %"}, {percent(.992), "99.2 %"}, {percent(.9999999), "> 99.99 %"},
		{percent(.00001), "< 0.01 %"}, {percent(.0052), "0.52 %"}, {percent(.125), "12.5 %"}, {percent(Unknown()), "–"}, {percent(.9987), "99.9 %"}, {percent(.9991), "99.91 %"},
		{seconds(0), "0"}, {seconds(.034), "34 ms"}, {seconds(.00034), "340 µs"}, {seconds(1.38), "1.38 s"}, {seconds(.99971), "1 s"},
		{seconds(60), "1 min"}, {seconds(1800), "30 min"}, {seconds(3600), "1 h"}, {seconds(86400 * 7), "7 d"}, {seconds(Unknown()), "–"},
		{number(.94712), "0.947"}, {number(123.456), "123.5"}, {number(45_600), "45.6 k"}, {number(Num(math.Inf(1))), "–"},
		{share(1, 0), "–"}, {title("sql_injection"), "SQL injection"}, {title("path_traversal"), "Path traversal"}, {title(""), "–"}, {title("xss, data_scraping"), "XSS, Data scraping"}, {percent(.31), "31.0 %"},
		{plural(1, "incident"), "1 incident"}, {plural(2, "incident"), "2 incidents"},
		{visible("a\tb\x00\xff\u202e", 99), `a\tb\x00\xff\u202e`}, {visible("żółw 漢字 🐢", 99), "żółw 漢字 🐢"},
		{visible(strings.Repeat("ä", 400), 4), "ääää… (800 bytes)"},
		{md("a|b"), "a&#124;b"}, {md("10:30 www.x.io http://x"), "10:30 www&#46;x.io http&#58;//x"}, {md("=1+1"), "&#61;1+1"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("GET /a\x00\u202e", 10)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = min(max(n, 1), 1000)
		got := visible(s, n)
		for _, r := range got {
			if r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 {
				t.Fatalf("%q became %q", s, got)
			}
		}
		if len([]rune(got)) > 8*n+40 {
			t.Fatalf("%d characters of %d", len([]rune(got)), n)
		}
		if m := md(got); strings.ContainsAny(m, "|<`\n") {
			t.Fatalf("Markdown %q", m)
		}
	})
}

// A heat map says the unit of its cells, and of those that have another one.
func TestHeatUnits(t *testing.T) {
	m := HeatMap{Rows: []string{"a"}, Requests: [][]int64{{3, 4}}, P50: [][]Num{{.1, 9}}, P95: [][]Num{{.25, 27.4}}}
	h := heatTable("x", "x", "x", &m, true)
	if c := h.Rows[0].Cells; c[0].P95 != "250" || c[1].P95 != "27 s" || c[2].P95 != none || !strings.Contains(h.Caption, "in seconds where the cell says s") {
		t.Errorf("cells %+v, caption %q", c[:3], h.Caption)
	}
	m.P95[0][1] = .5
	if h := heatTable("x", "x", "x", &m, true); strings.Contains(h.Caption, "says s") || !strings.Contains(h.Caption, "p95 in milliseconds by hour") {
		t.Errorf("caption %q", h.Caption)
	}
}

// Behind curves and long lists stand tables.
func TestCurveTables(t *testing.T) {
	d := sample()
	for i := range 30 {
		d.Models[0].Importance = append(d.Models[0].Importance, Importance{fmt.Sprintf("feature_%d", i), .001, Unknown()})
	}
	page := render(t, d)
	check(t, page)
	for _, want := range []string{"Model: 40 points along the curve", "25 features more", "feature_29"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
	c := along([]Curve{{Name: "a", X: []Num{0, .5, Unknown(), 1}, Y: []Num{0, 1, 1, 1}}, {Name: "b"}})
	if c == nil || len(c.X) != 3 || c.X[2] != 1 || along(nil) != nil || along([]Curve{{}}) != nil {
		t.Errorf("points %+v", c)
	}
	var x []Num
	for i := range 1000 {
		x = append(x, Num(i))
	}
	if c := along([]Curve{{X: x, Y: x}}); len(c.X) != curvePoints || c.X[0] != 0 || c.X[curvePoints-1] != 999 {
		t.Errorf("of 1000 points %v", c.X)
	}
}

// What is read of the newest requests only says so, and everything that is new
// of the models stands on the page and in the other forms.
func TestNewestParts(t *testing.T) {
	d := sample()
	page := render(t, d)
	for _, want := range []string{
		"The newest 100,000 of 799,341 requests", "500 are in no cluster and 154 behave like an attack", "166 failed logins (91 %)", "136 principals are there in two parts", // behavior
		"19,593 new rows since", "The data have moved away from what Attack Classifier was judged on", "accuracy expected here: 0.995 (measured on the reference: 0.961)", "4 measurements", "<code>apiml train anomaly</code>", // models
		"What a cache could do", "31 % of its requests carry a user", "Replica schedule", "14.500 replica-hours", "off by 7.1 % of the traffic", // performance
	} {
		if !bytes.Contains(bytes.ReplaceAll(page, []byte("\u00a0"), []byte(" ")), []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
	var table, prom bytes.Buffer
	if err := CSV(&table, d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"behavior,suspects,client:198.51.100.23 python-requests/2.31,score,2.71", "models,drift attack,latency,level,moderate", "models,history attack,2,macro_f1,0.94", "performance,replicas,2026-03-16T03:00:00Z,replicas,2", "performance,cache_templates,/api/products,lifetime,60"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("CSV does not say %q", want)
		}
	}
	if err := Prometheus(&prom, d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"apiml_profile_suspects 154", `apiml_model_drifted_columns{model="attack",level="large"} 2`} {
		if !strings.Contains(prom.String(), want) {
			t.Errorf("Prometheus text does not say %q", want)
		}
	}
	d.Behavior.Profiles, d.Performance.Advice, d.Performance.Capacity = Profiles{Note: "No profile could be made: too few."}, CacheAdvice{}, ReplicaAdvice{Note: "No times."}
	page = render(t, d)
	check(t, page)
	for _, want := range []string{"No profile could be made", "Not computed.", "No times."} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
