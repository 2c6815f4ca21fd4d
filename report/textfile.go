package report

import (
	"bufio"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
)

// Prometheus writes the figures as gauges in the text format 0.0.4 of Prometheus,
// for the textfile collector of its node exporter. Nothing that a client can
// choose becomes a label: a log cannot make the number of series grow. Unknown
// figures are left out. The order is fixed.
func Prometheus(w io.Writer, d *Data) error {
	p := promWriter{bufio.NewWriter(w)}
	o, s, c := &d.Overview, &d.Security, coverage(d.Inputs)
	unix := Unknown()
	if !d.Last.IsZero() {
		unix = Num(float64(d.Last.UnixMicro()) / 1e6)
	}
	p.gauge("apiml_newest_record_timestamp_seconds", "Time of the newest record", sample1(unix))
	p.gauge("apiml_requests", "Requests in the report", count1(o.Requests))
	p.gauge("apiml_flows", "Network flows in the report", count1(o.Flows))
	p.gauge("apiml_principals", "Distinct users, sessions or clients", count1(o.Principals))
	p.gauge("apiml_response_errors", "Requests answered with an error, by class of status",
		promSample{[]string{"class", "4xx"}, counted(o.ClientErrors)}, promSample{[]string{"class", "5xx"}, counted(o.ServerErrors)})
	p.gauge("apiml_latency_seconds", "Quantiles of the response time",
		promSample{[]string{"quantile", "0.5"}, o.P50}, promSample{[]string{"quantile", "0.95"}, o.P95}, promSample{[]string{"quantile", "0.99"}, o.P99})
	p.gauge("apiml_lines", "Lines of the inputs, by what became of them",
		promSample{[]string{"result", "parsed"}, Num(c.Parsed)}, promSample{[]string{"result", "rejected"}, Num(c.Rejected)}, promSample{[]string{"result", "filtered"}, Num(c.Filtered)})
	var refused, types []promSample
	for _, b := range s.Blocked {
		refused = append(refused, promSample{[]string{"status", b.Name}, counted(b.Count)})
	}
	p.gauge("apiml_refused_requests", "Requests that the server refused, by status", refused...)
	p.gauge("apiml_scored_requests", "Requests with a score", count1(s.Scored))
	if s.Scored > 0 {
		p.gauge("apiml_flagged_requests", "Requests that score or rules flagged", count1(s.Flagged))
		for _, t := range s.Types {
			types = append(types, promSample{[]string{"type", t.Type}, counted(t.Flagged)})
		}
		p.gauge("apiml_flagged_requests_by_type", "Flagged requests by attack type", types...)
		p.gauge("apiml_incidents", "Groups of flagged requests that belong together", count1(s.incidents()))
		p.gauge("apiml_threshold", "Probability from which a request is flagged", sample1(s.Threshold))
		if n := len(s.Score.Days); n > 0 {
			p.gauge("apiml_security_score", "Security score of the last day, 0 to 100", sample1(s.Score.Days[n-1].Score))
		}
		if s.False.Expected.Clean > 0 {
			p.gauge("apiml_expected_false_alerts_per_day", "By the clean requests of the training, out of fold", sample1(s.False.Expected.PerDay))
		}
	}
	if v := d.Behavior.Profiles; v.Principals > 0 {
		p.gauge("apiml_profiles", "Principals of the newest requests with a profile of behavior", count1(v.Principals))
		p.gauge("apiml_profile_outsiders", "Of these, those in no cluster", count1(v.OutsiderCount))
		p.gauge("apiml_profile_suspects", "Of these, those whose conduct looks like an attack", count1(v.SuspectCount))
	}
	var models, drift []promSample
	for _, m := range d.Models {
		for _, x := range m.Metrics {
			models = append(models, promSample{[]string{"model", m.Name, "metric", x.Name}, x.Mean})
		}
	}
	for _, m := range d.Models {
		if m.Drift.Rows > 0 {
			drift = append(drift, promSample{[]string{"model", m.Name, "level", "large"}, counted(m.Drift.Large)}, promSample{[]string{"model", m.Name, "level", "moderate"}, counted(m.Drift.Moderate)})
		}
	}
	p.gauge("apiml_model_drifted_columns", "Columns and scores of the newest requests that have moved away from what the model was judged on", drift...)
	p.gauge("apiml_model_metric", "Metrics of the models by their own validation", models...)
	return p.b.Flush()
}

type promWriter struct{ b *bufio.Writer }

// promSample is one line: names and values of the labels by turns.
type promSample struct {
	labels []string
	value  Num
}

func sample1(v Num) promSample { return promSample{value: v} }

func count1(n int64) promSample { return promSample{value: counted(n)} }

// counted is a count, unknown if it is negative.
func counted(n int64) Num {
	if n < 0 {
		return Unknown()
	}
	return Num(n)
}

func (p promWriter) gauge(name, help string, samples ...promSample) {
	head := false
	for _, s := range samples {
		if !s.value.Known() {
			continue
		}
		if !head {
			p.b.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " gauge\n")
			head = true
		}
		p.b.WriteString(name)
		for i := 0; i+1 < len(s.labels); i += 2 {
			p.b.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + s.labels[i] + `="` + promLabel(s.labels[i+1]) + `"`)
		}
		if len(s.labels) > 0 {
			p.b.WriteString("}")
		}
		p.b.WriteString(" " + strconv.FormatFloat(float64(s.value), 'g', -1, 64) + "\n")
	}
}

// promLabel escapes a value of a label.
func promLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(visible(s, maxText))
}

// CSV writes the tables of the report as one: each row is a number or a text with
// the section, the table, the row and the column that it stands in. Unknown
// numbers are empty. A text that a spreadsheet would run as a formula has a quote
// before it.
func CSV(w io.Writer, d *Data) error {
	d = cleaned(d)
	c := csv.NewWriter(w)
	c.Write([]string{"section", "table", "row", "column", "value"})
	emit := func(section, table, row string, pairs ...any) {
		if !d.shows(section) {
			return
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			v := ""
			switch x := pairs[i+1].(type) {
			case string:
				v = guard(x)
			case int64:
				if x >= 0 {
					v = strconv.FormatInt(x, 10)
				}
			case Num:
				if x.Known() {
					v = strconv.FormatFloat(float64(x), 'g', -1, 64)
				}
			case time.Time:
				if !x.IsZero() {
					v = x.UTC().Format(time.RFC3339)
				}
			}
			c.Write([]string{section, guard(table), guard(row), guard(pairs[i].(string)), v})
		}
	}
	o, s := &d.Overview, &d.Security
	emit("overview", "figures", "all", "requests", o.Requests, "flows", o.Flows, "principals", o.Principals, "templates", o.Templates, "bytes_out", o.BytesOut,
		"client_errors", o.ClientErrors, "server_errors", o.ServerErrors, "p50", o.P50, "p95", o.P95, "p99", o.P99, "first", d.First, "last", d.Last)
	for _, x := range o.Changes {
		for _, r := range x.Rows {
			emit("overview", "changes", r.Name, x.Now, r.Now)
			for i, b := range x.Before[:min(len(x.Before), len(r.Before))] {
				emit("overview", "changes", r.Name, b, r.Before[i])
			}
		}
	}
	for _, x := range o.Status {
		emit("overview", "status", x.Name, "requests", x.Count)
	}
	for _, x := range o.Methods {
		emit("overview", "methods", x.Name, "requests", x.Count)
	}
	for _, x := range s.Types {
		emit("security", "types", x.Type, "flagged", x.Flagged, "labelled", x.Labelled)
	}
	for _, x := range s.Blocked {
		emit("security", "refused", x.Name, "requests", x.Count, "scored", x.Scored, "flagged", x.Flagged)
	}
	for _, x := range s.Score.Days {
		emit("security", "score", dayOf(x.Day), "score", x.Score, "scored", x.Scored, "flagged", x.Flagged, "through", x.Through, "requests", x.Requests, "refused", x.Refused)
	}
	for _, x := range s.Incidents {
		emit("security", "incidents", x.ID, "class", x.Class, "first", x.First, "last", x.Last, "requests", x.Requests, "principals", x.Principals, "probability", x.Probability, "principal", x.Principal, "target", x.Target)
		for i, e := range x.Evidence {
			emit("security", "evidence", x.ID+"/"+strconv.Itoa(i+1), "file", e.File, "line", e.Line, "request", e.Request, "why", e.Why)
		}
	}
	for _, x := range s.Principals {
		emit("security", "principals", x.Principal, "requests", x.Requests, "flagged", x.Flagged, "errors", x.Errors, "class", x.Class, "probability", x.Probability, "first", x.First, "last", x.Last)
	}
	for _, x := range s.Networks {
		emit("security", "networks", x.Network, "clients", x.Clients, "requests", x.Requests, "flagged", x.Flagged, "errors", x.Errors)
	}
	for _, x := range s.Targets {
		emit("security", "targets", x.Template, "requests", x.Requests, "flagged", x.Flagged, "class", x.Class, "probability", x.Probability)
	}
	for _, x := range d.Performance.Templates {
		emit("performance", "templates", x.Template, "requests", x.Requests, "client_errors", x.ClientErrors, "server_errors", x.ServerErrors, "bytes_out", x.BytesOut,
			"p50", x.P50, "p90", x.P90, "p95", x.P95, "p99", x.P99, "time_share", x.TimeShare)
	}
	for _, f := range d.Performance.Forecasts {
		if !f.Step.Known() || f.Step <= 0 || f.Start.IsZero() {
			continue
		}
		for i := range f.Mean {
			at := func(v []Num) Num {
				if i < len(v) {
					return v[i]
				}
				return Unknown()
			}
			emit("performance", "forecast", f.Start.Add(span(f.Step, i)).UTC().Format(time.RFC3339), "mean", f.Mean[i], "lo80", at(f.Lo80), "hi80", at(f.Hi80), "lo95", at(f.Lo95), "hi95", at(f.Hi95))
		}
	}
	for _, x := range d.Behavior.Kinds {
		emit("behavior", "kinds", x.Kind, "principals", x.Principals, "requests", x.Requests, "p50", x.P50, "p99", x.P99, "most", x.Most, "top", x.Top)
	}
	for _, x := range d.Behavior.Movements {
		emit("behavior", "movements", x.Principal, "before", x.Before, "now", x.Now)
	}
	ad, plan, pr := &d.Performance.Advice, &d.Performance.Capacity, &d.Behavior.Profiles
	if ad.Requests > 0 {
		emit("performance", "cache_advice", "all", "policy", ad.Policy, "size", ad.Size, "read", ad.Read, "requests", ad.Requests, "hit_ratio", ad.HitRatio, "byte_hit_ratio", ad.ByteRatio, "lru_hit_ratio", ad.LRU,
			"observed_hit_ratio", ad.Observed, "simulated_on_observed", ad.Simulated, "since", ad.Since, "until", ad.Until)
	}
	for _, x := range ad.Templates {
		emit("performance", "cache_templates", x.Template, "lifetime", x.Lifetime, "requests", x.Requests, "hits", x.Hits, "stale", x.Stale)
	}
	for _, x := range ad.Refused {
		emit("performance", "cache_refused", x.Template, "requests", x.Requests, "why", x.Why)
	}
	for _, x := range plan.Schedule {
		emit("performance", "replicas", x.From.UTC().Format(time.RFC3339), "until", x.Until, "replicas", x.Replicas, "upper", x.Upper)
	}
	for _, x := range pr.Clusters {
		emit("behavior", "clusters", x.Name, "principals", x.Principals, "requests", x.Requests, "attackers", x.Attackers, "words", x.Words)
	}
	for _, x := range pr.Outsiders {
		emit("behavior", "outsiders", x.Principal, "requests", x.Requests, "distance", x.Distance, "why", x.Why)
	}
	for _, x := range pr.Suspects {
		emit("behavior", "suspects", x.Principal, "requests", x.Requests, "class", x.Class, "score", x.Score, "rules", x.Rules, "why", x.Why)
	}
	for _, x := range pr.Moves {
		emit("behavior", "moves", x.From+" → "+x.To, "principals", x.Principals, "example", x.Example)
	}
	for _, x := range d.Behavior.Templates {
		emit("behavior", "new_templates", x.Name, "requests", x.Requests, "errors", x.Errors, "principals", x.Principals, "first", x.First)
	}
	for _, x := range d.Behavior.Agents {
		emit("behavior", "new_agents", x.Name, "requests", x.Requests, "errors", x.Errors, "principals", x.Principals, "first", x.First)
	}
	for _, m := range d.Models {
		for _, x := range m.Metrics {
			emit("models", m.Name, x.Name, "value", x.Mean, "sd", x.SD, "baseline", x.Baseline, "held_out", x.HeldOut)
		}
	}
	for _, m := range d.Models {
		if m.Drift.Rows > 0 {
			emit("models", "drift", m.Name, "rows", m.Drift.Rows, "baseline", m.Drift.Baseline, "columns", m.Drift.Columns, "large", m.Drift.Large, "moderate", m.Drift.Moderate)
		}
		for _, x := range m.Drift.Shifts {
			emit("models", "drift "+m.Name, x.Column, "level", x.Level, "psi", x.PSI, "noise", x.Noise, "effect", x.Effect, "ks", x.KS, "missing", x.Missing)
		}
		for i, x := range m.History {
			for _, y := range x.Values {
				emit("models", "history "+m.Name, strconv.Itoa(i+1), y.Name, y.Value)
			}
		}
	}
	for _, x := range d.Inputs {
		emit("audit", "inputs", x.Name, "format", x.Format, "sha256", x.SHA256, "size", x.Size, "read", x.Read, "parsed", x.Parsed, "rejected", x.Rejected, "filtered", x.Filtered)
	}
	for _, x := range d.Audit.Rejects {
		emit("audit", "rejects", x.Reason, "lines", x.Count)
	}
	for _, x := range d.Audit.Redactions {
		emit("audit", "redactions", x.Name, "values", x.Count)
	}
	for _, x := range d.Audit.Users {
		emit("audit", "users", x.User, "requests", x.Requests, "writes", x.Writes, "denied", x.Denied, "errors", x.Errors, "clients", x.Clients, "template", x.Template, "first", x.First, "last", x.Last)
	}
	for _, x := range d.Audit.Runs {
		emit("audit", "runs", strconv.FormatInt(x.ID, 10), "command", x.Command, "started", x.Started, "seconds", x.Seconds, "status", x.Status, "counts", x.Counts)
	}
	for _, x := range d.Config {
		emit("configuration", "settings", x.Key, "value", x.Value, "origin", x.Origin)
	}
	c.Flush()
	return c.Error()
}

// guard keeps a spreadsheet from running a text as a formula.
func guard(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		return "'" + s
	}
	return s
}
