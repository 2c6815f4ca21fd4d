package ingest

import (
	"fmt"
	"strings"

	"apiml/traffic"
)

// Logs that name their columns: W3C extended (IIS, CloudFront, Netscaler,
// Incapsula; https://www.w3.org/TR/WD-logfile) with #Fields lines wherever they
// stand, Zeek's http.log, and tables whose first line is a header.

func w3cFormat() format {
	return format{
		FormatInfo: FormatInfo{"w3c", "W3C extended log lines", "IIS, CloudFront, Netscaler, Incapsula: #Fields may be repeated and may change; Zeek's http.log; CloudFront without its header"},
		open: func(head string, _ *Options) (*decoder, error) {
			d := &w3cDecoder{}
			dec := &decoder{request: d.request, directive: d.directive, doubles: true}
			for line := range strings.SplitSeq(head, "\n") {
				if low := strings.ToLower(line); strings.HasPrefix(low, "#fields:") || strings.HasPrefix(low, "#fields\t") {
					dec.sure = "a #Fields line names the columns"
				}
				if line = trimEnd(line); !blank(line) && line[0] != '#' {
					break
				}
			}
			if dec.sure == "" {
				d.columns, d.bare = cloudFrontColumns(), true
			}
			return dec, nil
		},
	}
}

type w3cDecoder struct {
	columns []field
	bare    bool   // no #Fields line yet: CloudFront's columns are assumed
	millis  bool   // the server counts time-taken in milliseconds
	date    string // of the last #Date line, for logs that hold the clock only
	b       builder
	fields  []string
}

// cloudFrontColumns are those of CloudFront's standard log, whose files are often
// joined without their headers.
func cloudFrontColumns() []field {
	return []field{
		fDate, fClock, fNone, fBytesSent, fClient, fMethod, fNone, fPath, fStatus, fReferrer, fAgent, fQuery, fNone, fCache, fNone, fHost, fScheme, fBytesIn,
		fSeconds, fForwarded, fNone, fNone, fNone, fProtocol,
	}
}

func w3cColumn(name string) field {
	switch strings.ToLower(name) {
	case "date", "date-utc", "date-local":
		return fDate
	case "time", "time-utc", "time-local":
		return fClock
	case "ts":
		return fTime
	case "c-ip", "id.orig_h":
		return fClient
	case "x-forwarded-for", "cs(x-forwarded-for)", "s-xff":
		return fForwarded
	case "cs-username", "username":
		return fUser
	case "cs-method", "method":
		return fMethod
	case "cs-uri-stem":
		return fPath
	case "cs-uri-query":
		return fQuery
	case "cs-uri", "uri":
		return fTarget
	case "cs-version", "cs-protocol-version", "version":
		return fProtocol
	case "sc-status", "status_code":
		return fStatus
	case "sc-bytes":
		return fBytesSent
	case "response_body_len":
		return fBytesOut
	case "cs-bytes", "request_body_len":
		return fBytesIn
	case "time-taken":
		return fTaken
	case "timetakenms":
		return fMillis
	case "cs(referer)", "cs(referrer)", "referrer":
		return fReferrer
	case "cs(user-agent)":
		return fAgentW3C
	case "user_agent":
		return fAgent
	case "cs-host", "x-host-header", "host":
		return fHost
	case "cs(host)": // behind CloudFront the distribution's name
		return fServer
	case "x-edge-result-type", "x-cache":
		return fCache
	case "cs-postbody":
		return fBody
	}
	return fNone
}

func (d *w3cDecoder) request(s string, q *traffic.Request) string {
	if d.directive(s) {
		return leftOut
	}
	if d.columns == nil {
		return "no #Fields line before this line"
	}
	tab := strings.IndexByte(s, '\t') >= 0
	d.fields = d.fields[:0]
	for rest := s; rest != ""; {
		if !tab {
			rest = strings.TrimLeft(rest, " ")
			if rest == "" {
				break
			}
		}
		var v string
		if rest[0] == '"' && !tab {
			var ok bool
			if v, rest, ok = cutDoubled(rest); !ok {
				return "a quoted field does not end"
			}
			d.fields = append(d.fields, v)
			continue
		}
		if rest[0] == '"' {
			if end := quoteEnd(rest[1:], false); end >= 0 || strings.IndexByte(rest[1:], '"') >= 0 {
				if end < 0 {
					end = strings.IndexByte(rest[1:], '"')
				}
				v, rest = rest[1:1+end], rest[end+2:]
				if tab {
					rest = strings.TrimPrefix(rest, "\t")
				}
				d.fields = append(d.fields, v)
				continue
			}
		}
		sep := byte(' ')
		if tab {
			sep = '\t'
		}
		if i := strings.IndexByte(rest, sep); i >= 0 {
			v, rest = rest[:i], rest[i+1:]
		} else {
			v, rest = rest, ""
		}
		d.fields = append(d.fields, v)
	}
	if d.bare && (!tab || len(d.fields) < 20 || len(d.fields[0]) != 10 || num(d.fields[8]) < 0) {
		return "no #Fields line before this line, and not what CloudFront writes"
	}
	if len(d.fields) < len(d.columns) && (len(d.fields) < 4 || !tab) {
		return fmt.Sprintf("%d fields, #Fields names %d", len(d.fields), len(d.columns))
	}
	d.b.reset()
	for i, f := range d.columns {
		if i < len(d.fields) {
			d.b.put(f, d.fields[i])
		}
	}
	// Seconds by the standard, which CloudFront writes with a fraction;
	// milliseconds in IIS. A whole number of any other server is no latency.
	switch v := d.b.get(fTaken); {
	case strings.IndexByte(v, '.') >= 0:
		d.b.put(fSeconds, v)
	case d.millis:
		d.b.put(fMillis, v)
	}
	if d.b.get(fDate) == "" && d.date != "" {
		d.b.set[fDate] = false
		d.b.put(fDate, d.date)
	}
	if !d.b.set[fMethod] || !isMethod(d.b.v[fMethod]) { // FTP, RTMP, a media server
		return "no HTTP request: no HTTP method"
	}
	if t := d.b.get(fTarget); t != "" && t[0] != '/' && t != "*" && !strings.Contains(t, "://") {
		if i := strings.IndexByte(t, '/'); i > 0 { // cs-uri without its scheme: "a.example/page"
			d.b.put(fServer, t[:i])
			d.b.v[fTarget] = t[i:]
		}
	}
	if d.b.get(fPath) == "" && d.b.get(fTarget) == "" {
		d.b.set[fPath] = false
		d.b.put(fPath, "/")
	}
	reason := d.b.record(q)
	if strings.IndexByte(q.Agent, '%') >= 0 {
		q.Agent = unpercent(q.Agent)
	}
	return reason
}

// cutDoubled takes a quoted field off s, in which a quote is written twice.
func cutDoubled(s string) (field, rest string, ok bool) {
	doubled := false
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '"':
		case i+1 < len(s) && s[i+1] == '"':
			doubled = true
			i++
		default:
			field = s[1:i]
			if doubled {
				field = strings.ReplaceAll(field, `""`, `"`)
			}
			return field, strings.TrimPrefix(s[i+1:], " "), true
		}
	}
	return "", s, false
}

// directive reads a line that begins with #.
func (d *w3cDecoder) directive(s string) bool {
	if s == "" || s[0] != '#' {
		return false
	}
	low := strings.ToLower(s)
	switch {
	case strings.HasPrefix(low, "#fields"):
		rest := strings.TrimPrefix(s[len("#fields"):], ":")
		d.columns, d.bare = d.columns[:0:0], false
		for name := range strings.FieldsSeq(rest) {
			d.columns = append(d.columns, w3cColumn(name))
			if strings.EqualFold(name, "sc-win32-status") {
				d.millis = true
			}
		}
	case strings.HasPrefix(low, "#software:"):
		d.millis = strings.Contains(low, "microsoft") || strings.Contains(low, "iis")
	case strings.HasPrefix(low, "#date:"), strings.HasPrefix(low, "#start-date:"):
		_, v, _ := strings.Cut(s, ":")
		if day, _, _ := strings.Cut(strings.TrimSpace(v), " "); len(day) == 10 {
			d.date = strings.Clone(day) // the text behind it is not kept for it
		}
	}
	return true
}

// unpercent resolves the one or two rounds of percent-encoding that CloudFront
// puts around agents. A broken escape stays.
func unpercent(s string) string {
	for range 2 {
		if strings.IndexByte(s, '%') < 0 {
			break
		}
		b := make([]byte, 0, len(s))
		for i := 0; i < len(s); i++ {
			if s[i] == '%' {
				if v, ok := hexByte(s[i+1:]); ok {
					b = append(b, v)
					i += 2
					continue
				}
			}
			b = append(b, s[i])
		}
		s = string(b)
	}
	return s
}

func tableFormat() format {
	return format{
		FormatInfo: FormatInfo{"table", "rows of a table with a header", "tab, comma, semicolon or pipe between the columns, whose names say what they are; input.mapping names the others"},
		open:       openTable,
	}
}

func openTable(head string, opt *Options) (*decoder, error) {
	line := firstLine(head)
	if len(line) > 64<<10 {
		return nil, fmt.Errorf("no header")
	}
	sep := byte(0)
	for _, c := range []byte("\t,;|") {
		if sep == 0 && strings.Count(line, string(c)) >= 3 {
			sep = c
		}
	}
	if sep == 0 {
		return nil, fmt.Errorf("the first line is no header")
	}
	known := commonNames().with(fClient, "host remotehost remote_host client").with(fBytesOut, "bytes").with(fStatus, "response").apply(opt.Mapping)
	d := &tableDecoder{sep: sep, header: line}
	seen := [numFields]bool{}
	for _, name := range splitTable(line, sep, nil) {
		f := known[strings.ToLower(strings.TrimSpace(name))]
		d.columns = append(d.columns, f)
		seen[f] = true
	}
	if !(seen[fRequest] || (seen[fTarget] || seen[fPath]) && seen[fMethod]) || !seen[fStatus] && !seen[fTime] {
		return nil, fmt.Errorf("the header names no request and status")
	}
	dec := &decoder{request: d.request, doubles: true, note: "; the header names the columns"}
	if sep == ',' {
		dec.split = splitRow(len(d.columns))
	}
	return dec, nil
}

type tableDecoder struct {
	sep     byte
	header  string
	columns []field
	fields  []string
	b       builder
}

func (d *tableDecoder) request(s string, q *traffic.Request) string {
	if s == d.header || blank(s) {
		return leftOut
	}
	d.fields = splitTable(s, d.sep, d.fields[:0])
	if len(d.fields) < len(d.columns) {
		return fmt.Sprintf("%d fields, the header has %d", len(d.fields), len(d.columns))
	}
	for _, v := range d.fields[len(d.columns):] {
		if v != "" {
			return fmt.Sprintf("%d fields, the header has %d", len(d.fields), len(d.columns))
		}
	}
	d.b.reset()
	for i, f := range d.columns {
		d.b.put(f, d.fields[i])
	}
	return d.b.record(q)
}

// splitTable appends the fields of a row to dst; with a comma as RFC 4180 has it.
func splitTable(s string, sep byte, dst []string) []string {
	if sep == ',' {
		if fields, ok := splitFields(s, dst); ok {
			return fields
		}
	}
	for {
		i := strings.IndexByte(s, sep)
		if i < 0 {
			return append(dst, s)
		}
		dst = append(dst, s[:i])
		s = s[i+1:]
	}
}

// apply adds an own mapping: field name → key of the log.
func (n names) apply(mapping map[string]string) names {
	fields := mappable()
	for name, key := range mapping {
		if f, ok := fields[name]; ok {
			n[strings.ToLower(key)] = f
		}
	}
	return n
}
