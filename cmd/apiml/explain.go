package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"apiml/ingest"
	"apiml/traffic"
)

// explainLines is how many lines `ingest --explain` shows, explainRows how many it
// looks at to say what the log can feed.
const (
	explainLines = 10
	explainRows  = 20_000
)

type explainedLine struct {
	Line     int64         `json:"line"`
	Fields   []ingest.Part `json:"fields,omitempty"`
	Rejected string        `json:"rejected,omitempty"`
	Raw      string        `json:"raw,omitempty"` // of a rejected line
}

// modelNeed says whether a log can feed a model.
type modelNeed struct {
	Model string `json:"model"`
	Fed   bool   `json:"fed"`
	Why   string `json:"why"`
}

type explainedFile struct {
	File     string          `json:"file"`
	Format   string          `json:"format"`
	Reason   string          `json:"reason"`
	Lines    []explainedLine `json:"lines"`
	Models   []modelNeed     `json:"models"`
	Advice   []string        `json:"advice"` // lines for the server's configuration, none if nothing is missing
	Examined int64           `json:"examined"`
}

// useLogFormat takes --log-format over the configuration's.
func (a *app) useLogFormat(s string) error {
	if s == "" {
		return nil
	}
	if err := ingest.CheckLogFormat(s); err != nil {
		return withCode(exitUsage, err)
	}
	a.cfg.InputLogFormat = s
	return nil
}

// explain shows how the first lines of files are read.
func (a *app) explain(paths []string, o ingestOptions) error {
	var res struct {
		jsonHead
		Files []explainedFile `json:"files"`
	}
	for _, p := range paths {
		f, err := a.explainFile(p, o)
		if err != nil {
			return err
		}
		res.Files = append(res.Files, *f)
	}
	res.jsonHead = a.head("explain")
	if a.flags.json {
		return a.printJSON(res)
	}
	for i := range res.Files {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		if err := a.printExplained(&res.Files[i]); err != nil {
			return err
		}
	}
	return nil
}

// tally counts what the records of a log carry.
type tally struct {
	records, flows                                                int64
	time, client, agent, status, latency, body, cache, bytes, who int64
	labels                                                        map[traffic.Label]int64
}

func (t *tally) add(q *traffic.Request) {
	t.records++
	for _, c := range []struct {
		n  *int64
		ok bool
	}{
		{&t.time, q.HasTime()}, {&t.client, q.Client != "" || q.Forwarded != ""}, {&t.agent, q.Agent != ""}, {&t.status, q.Status > 0}, {&t.latency, q.Latency >= 0},
		{&t.body, q.HasBody}, {&t.cache, q.Cache != ""}, {&t.bytes, q.BytesOut >= 0}, {&t.who, q.User != "" || q.Session != ""},
	} {
		if c.ok {
			*c.n++
		}
	}
	t.labels[q.Label]++
}

func (a *app) explainFile(path string, o ingestOptions) (*explainedFile, error) {
	rd, err := a.openInput(path, o.from, o.noRedact, ingest.Options{NoRaw: true})
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	f := &explainedFile{File: path, Format: rd.Format(), Reason: rd.Reason(), Lines: []explainedLine{}, Advice: []string{}}
	t := tally{labels: map[traffic.Label]int64{}}
	for t.records+t.flows < explainRows {
		b, err := rd.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !isInputError(err) {
			return nil, err
		}
		if err != nil {
			a.warnf("%v", err)
			break
		}
		f.Examined += b.Read
		t.flows += int64(len(b.Flows))
		r := 0
		for i := range b.Requests {
			q := &b.Requests[i]
			t.add(q)
			for ; r < len(b.Rejects) && b.Rejects[r].Line < q.Line && len(f.Lines) < explainLines; r++ {
				f.Lines = append(f.Lines, explainedLine{Line: b.Rejects[r].Line, Rejected: b.Rejects[r].Reason, Raw: b.Rejects[r].Raw})
			}
			if len(f.Lines) < explainLines {
				f.Lines = append(f.Lines, explainedLine{Line: q.Line, Fields: ingest.Parts(q)})
			}
		}
		for ; r < len(b.Rejects) && len(f.Lines) < explainLines; r++ {
			f.Lines = append(f.Lines, explainedLine{Line: b.Rejects[r].Line, Rejected: b.Rejects[r].Reason, Raw: b.Rejects[r].Raw})
		}
	}
	f.Models = t.models()
	f.Advice = t.advice(rd.Format())
	return f, nil
}

// models says which of the six models the log can feed.
func (t *tally) models() []modelNeed {
	if t.flows > 0 {
		return []modelNeed{
			{"attack-flows", true, "network flows with labels"}, {"anomaly-flows", true, "network flows"},
			{"the six models of requests", false, "network flows are no requests"},
		}
	}
	half := func(n int64) bool { return t.records > 0 && n*2 >= t.records }
	classes := 0
	for l := range t.labels {
		if l != traffic.Unlabelled {
			classes++
		}
	}
	attack := "the built-in one scores it; a classifier of your own needs labels (is_attack, attack_type or --truth)"
	if classes > 1 {
		attack = "scored by the built-in one, and its labels can train your own"
	}
	if !half(t.body) {
		attack += "; request bodies are not logged, so payloads in them cannot be seen"
	}
	need := func(ok bool, yes, no string) (bool, string) {
		if ok {
			return true, yes
		}
		return false, no
	}
	out := []modelNeed{{Model: "attack", Fed: t.records > 0, Why: attack}, {Model: "anomaly", Fed: t.records > 0, Why: "methods and targets are there"}}
	add := func(model string, ok bool, yes, no string) {
		fed, why := need(ok, yes, no)
		out = append(out, modelNeed{model, fed && t.records > 0, why})
	}
	who := "clients and times are there"
	if !half(t.who) {
		who += "; without a user or session id those behind one address count as one"
	}
	add("behavior", half(t.time) && half(t.client), who, "needs the time and the client of each request")
	add("forecast", half(t.time), "times are there", "needs the time of each request")
	add("latency", half(t.latency) && half(t.time), "times and latencies are there", "needs how long each request took")
	why := "targets and statuses are there"
	if half(t.cache) {
		why += ", and what the cache said"
	}
	if !half(t.bytes) {
		why += "; without sizes it counts objects"
	}
	add("cache", half(t.status), why, "needs the status of each request")
	return out
}

// advice is what to write into the server's configuration so that the log can
// feed the models that it cannot feed yet.
func (t *tally) advice(format string) []string {
	half := func(n int64) bool { return n*2 >= t.records }
	if t.records == 0 || half(t.latency) && half(t.time) && half(t.client) && half(t.status) && half(t.agent) {
		return []string{}
	}
	switch format {
	case "json", "json-any":
		return []string{
			"log_format apiml escape=json '{\"time_iso8601\":\"$time_iso8601\",\"remote_addr\":\"$remote_addr\",\"http_x_forwarded_for\":\"$http_x_forwarded_for\",\"remote_user\":\"$remote_user\"," +
				"\"request_method\":\"$request_method\",\"request_uri\":\"$request_uri\",\"server_protocol\":\"$server_protocol\",\"status\":$status,\"body_bytes_sent\":$body_bytes_sent," +
				"\"request_length\":$request_length,\"request_time\":$request_time,\"http_referer\":\"$http_referer\",\"http_user_agent\":\"$http_user_agent\",\"host\":\"$host\"," +
				"\"upstream_cache_status\":\"$upstream_cache_status\"}';",
		}
	case "combined", "common", "log-format", "syslog":
		return []string{
			"log_format apiml '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" \"$http_x_forwarded_for\" $request_time $upstream_cache_status';",
			`LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D" apiml`,
		}
	case "haproxy":
		return []string{"option httplog", "capture request header User-Agent len 256"}
	case "w3c":
		return []string{"#Fields: date time c-ip cs-username cs-method cs-uri-stem cs-uri-query cs-host cs(User-Agent) cs(Referer) sc-status sc-bytes cs-bytes time-taken"}
	case "ltsv":
		return []string{"log_format ltsv 'time:$time_iso8601\thost:$remote_addr\tuser:$remote_user\tmethod:$request_method\turi:$request_uri\tstatus:$status\tsize:$body_bytes_sent\treqtime:$request_time\tua:$http_user_agent\treferer:$http_referer';"}
	}
	return []string{}
}

func (a *app) printExplained(f *explainedFile) error {
	fmt.Fprintf(a.out, "%s: %s (%s)\n", clean(f.File), f.Format, clean(f.Reason))
	var rows [][]string
	for _, l := range f.Lines {
		if l.Rejected != "" {
			rows = append(rows, []string{count(l.Line), "rejected", short(l.Rejected+": "+l.Raw, 100)})
			continue
		}
		for i, p := range l.Fields {
			line := ""
			if i == 0 {
				line = count(l.Line)
			}
			rows = append(rows, []string{line, p.Field, short(p.Value, 100)})
		}
	}
	if len(rows) > 0 {
		if err := table(a.out, []string{">line", "field", "value"}, rows); err != nil {
			return err
		}
	}
	rows = nil
	for _, m := range f.Models {
		fed := "yes"
		if !m.Fed {
			fed = "no"
		}
		rows = append(rows, []string{m.Model, fed, m.Why})
	}
	if err := table(a.out, []string{"model", "fed", "why"}, rows); err != nil {
		return err
	}
	if len(f.Advice) > 0 {
		fmt.Fprintln(a.out, "a line for the server's configuration that feeds the rest:")
		for _, l := range f.Advice {
			fmt.Fprintln(a.out, "  "+l)
		}
	}
	return nil
}

// short cuts text for a table.
func short(s string, n int) string {
	s = strings.TrimSpace(s)
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
