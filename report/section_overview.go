package report

import "fmt"

type overviewView struct {
	*Data
	KPIs     []kpi
	Traffic  *chart
	Clock    []string
	Rows     int // of Clock that the table shows
	Status   []mixRow
	Methods  []mixRow
	Ingest   string
	Coverage Input // summed up
	Compared []comparison
	Secure   bool // the page has the section that incidents are in
}

type mixRow struct {
	Name, Note, Class string
	Count             int64
	Share             Num
	Width             string
}

// tableRows is the most rows that the table behind a chart has.
const tableRows = 1500

func overview(d *Data) (section, error) {
	o := &d.Overview
	v := overviewView{Data: d, Ingest: command(d, "ingest access.log"), Coverage: coverage(d.Inputs)}
	s := section{ID: "overview", Title: "Overview", Template: "overview.html"}

	var err error
	if v.Traffic, err = timeline("traffic", "Requests over time", o.Traffic, false); err != nil {
		return s, err
	}
	v.Clock, v.Rows = tableClock(o.Traffic)
	v.Status, v.Methods = mix(o.Status, true), mix(o.Methods, false)

	c := v.Coverage
	switch {
	case o.Requests == 0 && o.Flows == 0:
		s.Lead = "Nothing has been ingested yet."
	case o.Requests == 0:
		s.Lead = fmt.Sprintf("%s network flows were read; there are no HTTP requests.", human(o.Flows))
	default:
		s.Lead = plural(o.Requests, "request")
		if o.Principals > 0 {
			s.Lead += " from " + plural(o.Principals, "principal")
		}
		if e := ratio(o.ServerErrors, o.Requests); o.ServerErrors == 0 {
			s.Lead += "; no server error"
		} else if e.Known() {
			s.Lead += fmt.Sprintf("; %s ended in a server error", percent(e))
		}
		if c.Read > 0 && c.Rejected == 0 {
			s.Lead += "; every line was understood."
		} else if c.Read > 0 {
			s.Lead += fmt.Sprintf("; %s of %s lines were rejected.", human(c.Rejected), human(c.Read))
		} else {
			s.Lead += "."
		}
	}
	if m := moved(d); m != "" && o.Requests > 0 {
		s.Lead += " " + capital(m) + "."
	}
	v.KPIs, v.Compared, v.Secure = figures(d), comparisons(d), d.shows("security")
	s.View = v
	return s, nil
}

func capital(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

// figures are the cards with the key figures.
func figures(d *Data) (out []kpi) {
	o, c := &d.Overview, coverage(d.Inputs)
	if o.Requests > 0 {
		out = append(out, kpi{"Requests", human(o.Requests), commas(o.Requests) + " exactly", ""})
		if o.Requests < 10_000 {
			out[0].Detail = "parsed from the inputs"
		}
		if o.PerSecond.Known() && o.PerSecond > 0 {
			k := kpi{"Mean rate", rate(o.PerSecond), "", ""}
			if o.PeakPerSec.Known() && o.PeakPerSec > 0 {
				k.Detail = "peak " + rate(o.PeakPerSec)
			}
			out = append(out, k)
		}
		if o.Principals >= 0 {
			k := kpi{"Principals", human(o.Principals), "users, sessions or clients", ""}
			out = append(out, k)
		}
		e := kpi{"Server errors", share(o.ServerErrors, o.Requests), commas(o.ServerErrors) + " requests with 5xx", "good"}
		switch r := ratio(o.ServerErrors, o.Requests); {
		case r >= .05:
			e.Class = "bad"
		case r >= .01:
			e.Class = "warn"
		}
		out = append(out, e, kpi{"Client errors", share(o.ClientErrors, o.Requests), commas(o.ClientErrors) + " requests with 4xx", ""})
		if o.P95.Known() {
			out = append(out, kpi{"Latency p95", seconds(o.P95), "p50 " + seconds(o.P50) + ", p99 " + seconds(o.P99), ""})
		} else {
			out = append(out, kpi{"Latency", none, "not in the log", ""})
		}
		if d.Security.Scored > 0 {
			k := kpi{"Flagged", human(d.Security.Flagged), share(d.Security.Flagged, d.Security.Scored) + " of the scored", ""}
			if d.Security.Flagged > 0 {
				k.Class = "warn"
			}
			i := kpi{"Incidents", human(d.Security.incidents()), "groups of flagged requests", ""}
			if d.Security.incidents() > 0 {
				i.Class = "bad"
			}
			out = append(out, k, i)
		}
	}
	if o.Flows > 0 {
		out = append(out, kpi{"Network flows", human(o.Flows), "rows of CIC-IDS2017", ""})
	}
	if c.Read > 0 {
		k := kpi{"Parse coverage", share(c.Parsed, c.Read-c.Filtered), commas(c.Rejected) + " of " + commas(c.Read) + " lines rejected", "good"}
		switch r := ratio(c.Parsed, c.Read-c.Filtered); {
		case !r.Known():
			k.Class = ""
		case r < .95:
			k.Class = "bad"
		case r < .99:
			k.Class = "warn"
		}
		out = append(out, k)
	}
	return out
}

func coverage(in []Input) (c Input) {
	for _, i := range in {
		c.Read += i.Read
		c.Parsed += i.Parsed
		c.Rejected += i.Rejected
		c.Filtered += i.Filtered
	}
	return c
}

// tableClock labels the rows of the table behind a timeline.
func tableClock(t Timeline) (labels []string, rows int) {
	n := 0
	for _, l := range t.Series {
		n = max(n, len(l.Values))
	}
	if t.Start.IsZero() || !t.Step.Known() || t.Step <= 0 {
		return nil, 0
	}
	return clock(t.Start, t.Step, n), min(n, tableRows)
}

// refusal says what the status means for the one who asks.
func refusal(status string) string {
	switch status {
	case "401":
		return "Not signed in"
	case "403":
		return "Not allowed"
	case "406":
		return "Not acceptable: what a web application firewall often answers"
	case "429":
		return "Too many requests: rate limit"
	case "444":
		return "Closed without an answer: a rule of NGINX"
	}
	return statusText(status)
}

// mix prepares counts for a table with bars. status says that the names are
// HTTP status codes.
func mix(counts []Count, status bool) (out []mixRow) {
	total, longest := int64(0), int64(0)
	for _, c := range counts {
		total += max(c.Count, 0)
		longest = max(longest, c.Count)
	}
	for _, c := range counts {
		r := mixRow{Name: orNone(c.Name), Count: c.Count, Share: ratio(c.Count, total), Width: width(Num(c.Count), Num(longest))}
		if status {
			r.Note = statusText(c.Name)
			if len(c.Name) == 3 && c.Name[0] >= '2' && c.Name[0] <= '5' {
				r.Class = "c" + c.Name[:1]
			}
			if c.Name == "0" {
				r.Name = "unknown"
			}
		}
		out = append(out, r)
	}
	return out
}

// statusText names a status as HTTP does, and the ones that NGINX adds.
func statusText(code string) string {
	for _, s := range [][2]string{
		{"200", "OK"}, {"201", "Created"}, {"202", "Accepted"}, {"204", "No Content"}, {"206", "Partial Content"},
		{"301", "Moved Permanently"}, {"302", "Found"}, {"303", "See Other"}, {"304", "Not Modified"},
		{"307", "Temporary Redirect"}, {"308", "Permanent Redirect"},
		{"400", "Bad Request"}, {"401", "Unauthorized"}, {"403", "Forbidden"}, {"404", "Not Found"},
		{"405", "Method Not Allowed"}, {"406", "Not Acceptable"}, {"408", "Request Timeout"}, {"409", "Conflict"},
		{"410", "Gone"}, {"413", "Content Too Large"}, {"414", "URI Too Long"}, {"415", "Unsupported Media Type"},
		{"422", "Unprocessable Content"}, {"429", "Too Many Requests"}, {"431", "Header Fields Too Large"},
		{"444", "Closed without response (NGINX)"}, {"494", "Header too large (NGINX)"}, {"499", "Client closed request (NGINX)"},
		{"500", "Internal Server Error"}, {"501", "Not Implemented"}, {"502", "Bad Gateway"},
		{"503", "Service Unavailable"}, {"504", "Gateway Timeout"},
	} {
		if s[0] == code {
			return s[1]
		}
	}
	return ""
}
