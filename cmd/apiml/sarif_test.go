package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

// sarifObject is what the JSON schema of SARIF 2.1.0 (OASIS, 2020) says of an
// object: the members that it must have, and those of its other members that are
// used here. No object but a property bag may have any the schema does not know.
type sarifObject struct {
	required, optional []string
}

// sarifSchema is the schema for the objects that apiml writes, by the path of
// members that leads to them.
func sarifSchema() map[string]sarifObject {
	location := sarifObject{nil, []string{"id", "physicalLocation"}}
	physical := sarifObject{[]string{"artifactLocation"}, []string{"region"}}
	m := map[string]sarifObject{
		"":                       {[]string{"version", "runs"}, []string{"$schema"}},
		"runs":                   {[]string{"tool"}, []string{"results", "invocations"}},
		"runs.tool":              {[]string{"driver"}, nil},
		"runs.tool.driver":       {[]string{"name"}, []string{"version", "rules"}},
		"runs.tool.driver.rules": {[]string{"id"}, []string{"shortDescription"}},
		"runs.results":           {[]string{"message"}, []string{"ruleId", "level", "locations", "relatedLocations", "partialFingerprints", "properties"}},
		"runs.results.message":   {[]string{"text"}, nil},
		"runs.invocations":       {[]string{"executionSuccessful"}, []string{"toolExecutionNotifications"}},
		"runs.tool.driver.rules.shortDescription":             {[]string{"text"}, nil},
		"runs.invocations.toolExecutionNotifications":         {[]string{"message"}, []string{"level"}},
		"runs.invocations.toolExecutionNotifications.message": {[]string{"text"}, nil},
	}
	for _, at := range []string{"runs.results.locations", "runs.results.relatedLocations"} {
		m[at], m[at+".physicalLocation"] = location, physical
		m[at+".physicalLocation.artifactLocation"] = sarifObject{[]string{"uri"}, nil}
		m[at+".physicalLocation.region"] = sarifObject{[]string{"startLine"}, nil}
	}
	return m
}

// sarifDefects checks a value and all below it.
func sarifDefects(schema map[string]sarifObject, at string, v any) (out []string) {
	say := func(format string, args ...any) { out = append(out, at+": "+fmt.Sprintf(format, args...)) }
	name := at[strings.LastIndexByte(at, '.')+1:]
	switch v := v.(type) {
	case []any:
		if !slices.Contains([]string{"runs", "rules", "results", "locations", "relatedLocations", "invocations", "toolExecutionNotifications"}, name) {
			say("an array")
		}
		for _, x := range v {
			if _, ok := x.(map[string]any); !ok {
				say("holds %v", x)
			}
			out = append(out, sarifDefects(schema, at, x)...)
		}
	case map[string]any:
		if name == "properties" {
			return nil
		}
		if name == "partialFingerprints" {
			for k, x := range v {
				if s, ok := x.(string); !ok || s == "" {
					say("%s is %v", k, x)
				}
			}
			return out
		}
		o, known := schema[at]
		if !known {
			say("an object of its own")
		}
		for _, k := range o.required {
			if _, ok := v[k]; !ok {
				say("no %s", k)
			}
		}
		for k, x := range v {
			if !slices.Contains(o.required, k) && !slices.Contains(o.optional, k) {
				say("has %s", k)
				continue
			}
			out = append(out, sarifDefects(schema, strings.TrimPrefix(at+"."+k, "."), x)...)
		}
	case string:
		switch name {
		case "level":
			if !slices.Contains([]string{"none", "note", "warning", "error"}, v) {
				say("%q", v)
			}
		case "version":
			if at == "version" && v != "2.1.0" {
				say("%q", v)
			}
		case "uri":
			if u, err := url.Parse(v); err != nil || u.Scheme != "" || strings.ContainsAny(v, " \"<>\\^`{|}") {
				say("%q is no relative reference: %v", v, err)
			}
		}
	case float64:
		if !slices.Contains([]string{"startLine", "id"}, name) || v < 1 || v != float64(int64(v)) {
			say("%v", v)
		}
	case bool:
		if name != "executionSuccessful" {
			say("%v", v)
		}
	default:
		say("%v", v)
	}
	return out
}

// TestSARIF: what score writes is valid by the schema of SARIF 2.1.0, and a
// finding has the same fingerprint in the next run, under another name of its log
// and behind other lines.
func TestSARIF(t *testing.T) {
	t.Chdir(t.TempDir())
	schema := sarifSchema()
	log := `192.0.2.1 - - [05/Jan/2026:10:00:00 +0000] "GET /api/items?id=1%27%20UNION%20SELECT%20name,pass%20FROM%20users--%20 HTTP/1.1" 200 20 "-" "curl/8.5.0"
192.0.2.1 - - [05/Jan/2026:10:00:01 +0000] "GET /api/items?id=2%27%20UNION%20SELECT%20name,pass%20FROM%20users--%20 HTTP/1.1" 200 20 "-" "curl/8.5.0"
192.0.2.7 - - [05/Jan/2026:10:00:02 +0000] "GET /a?x=\x1b[2J</script><script>alert(1)</script> HTTP/1.1" 200 512 "-" "\x1b]0;owned\x07"
192.0.2.8 - - [05/Jan/2026:10:00:03 +0000] "GET /../../../../etc/passwd HTTP/1.1" 404 512 "-" "curl/8.5.0"
`
	head := `192.0.2.9 - - [04/Jan/2026:10:00:00 +0000] "GET /api/users HTTP/1.1" 200 512 "-" "curl/8.5.0"` + "\n"
	for name, text := range map[string]string{"access.log": log, "a b:c%.log": head + log, "honest.log": head} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(by string, log string) map[string][]string {
		t.Helper()
		cli(t, nil, "score", "-q", "--by", by, "-o", "out.sarif", log)
		b, err := os.ReadFile("out.sarif")
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		for _, d := range sarifDefects(schema, "", v) {
			t.Errorf("%s of %s: %s", by, log, d)
		}
		var doc struct {
			Runs []struct {
				Tool struct {
					Driver struct{ Rules []struct{ ID string } }
				}
				Results []struct {
					RuleID              string
					PartialFingerprints map[string]string
				}
			}
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		prints := map[string][]string{}
		for _, r := range doc.Runs[0].Results {
			if !slices.ContainsFunc(doc.Runs[0].Tool.Driver.Rules, func(x struct{ ID string }) bool { return x.ID == r.RuleID }) {
				t.Errorf("%s is none of the rules", r.RuleID)
			}
			prints[r.PartialFingerprints["apiml/v1"]] = append(prints[r.PartialFingerprints["apiml/v1"]], r.RuleID)
		}
		return prints
	}
	for _, by := range []string{"request", "incident"} {
		first, again, other := read(by, "access.log"), read(by, "access.log"), read(by, "a b:c%.log")
		if len(first) < 2 || fmt.Sprint(first) != fmt.Sprint(again) || fmt.Sprint(first) != fmt.Sprint(other) {
			t.Errorf("by %s: %v\nagain %v\nas another file %v", by, first, again, other)
		}
		if got := read(by, "honest.log"); len(got) != 0 {
			t.Errorf("by %s, nothing to find: %v", by, got)
		}
	}
	b, err := sarifLog(nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if d := sarifDefects(schema, "", v); len(d) > 0 || !strings.Contains(string(b), "3 further results") {
		t.Error(d)
	}
	if d := sarifDefects(schema, "", map[string]any{"version": "2.0.0", "runs": []any{map[string]any{"results": []any{map[string]any{"level": "bad"}}}}}); len(d) != 4 {
		t.Errorf("the check finds only %q", d)
	}
}
