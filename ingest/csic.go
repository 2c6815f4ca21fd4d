package ingest

import (
	"errors"
	"slices"
	"strings"

	"apiml/traffic"
)

// CSIC 2010, in both forms in which it circulates: raw HTTP requests divided by
// blank lines, and the CSV file csic_database.csv.

func csicFormat() format {
	return format{
		FormatInfo: FormatInfo{"csic2010", "raw HTTP requests as in CSIC 2010",
			"blank lines between requests, bodies by Content-Length; also csic_database.csv"},
		open: openCSIC,
	}
}

func openCSIC(head string, opt *Options) (*decoder, error) {
	names, line := header(head)
	if slices.Contains(names, "lenght") && slices.Contains(names, "url") && slices.Contains(names, "classification") {
		d := &csicCSV{header: line, names: names}
		return &decoder{
			split:   splitRow(len(names)),
			request: d.request,
			doubles: true,
			sure:    "the header is that of csic_database.csv",
		}, nil
	}
	d := &decoder{split: splitHTTP, request: csicRequest}
	text := strings.TrimLeft(strings.TrimPrefix(head, bom), "\r\n")
	if !isStartLine(firstLine(text)) {
		return nil, errors.New("the first line is no HTTP request line")
	}
	// The raw files hold no label. Their published names do.
	switch base := baseName(opt.Name); {
	case opt.Label != traffic.Unlabelled:
	case strings.HasPrefix(base, "normalTraffic"):
		d.label, d.note = traffic.None, "; label none by the published file name"
	case strings.HasPrefix(base, "anomalousTraffic"):
		d.label, d.note = traffic.Anomalous, "; label anomalous by the published file name"
	}
	return d, nil
}

// isStartLine: "METHOD target HTTP/1.1".
func isStartLine(s string) bool {
	sp := strings.IndexByte(s, ' ')
	last := strings.LastIndexByte(s, ' ')
	return sp > 0 && last > sp && isMethod(s[:sp]) && isUpper(s[:sp]) && strings.HasPrefix(s[last+1:], "HTTP/") && isProtocol(s[last+1:])
}

// splitHTTP cuts off the first request with its body and the one blank line
// that follows it. What is no request is cut off line by line.
func splitHTTP(text string, eof bool) int {
	n := splitLine(text, eof)
	if n == 0 || !isStartLine(trimEnd(text[:n])) {
		return n
	}
	// wait: the request does not end in text. If it is too long to wait for,
	// or nothing follows, all there is belongs to it.
	wait := func() int {
		switch {
		case eof:
			return len(text)
		case len(text) <= maxUnit:
			return 0
		}
		return n
	}
	at, length := n, 0
	for {
		if at == len(text) {
			return wait()
		}
		l := splitLine(text[at:], eof)
		if l == 0 {
			return wait()
		}
		line := trimEnd(text[at : at+l])
		if line == "" {
			at += l
			break
		}
		if isStartLine(line) {
			return at // the blank line is missing
		}
		if v, ok := headerValue(line, "content-length"); ok {
			if c, ok := parseCount(v); ok {
				length = int(c)
			}
		}
		at += l
	}
	if length > 0 {
		end := at + min(length, maxUnit)
		if end > len(text) && !eof {
			return wait()
		}
		if length > maxUnit || end > len(text) || end < len(text) && text[end] != '\r' && text[end] != '\n' {
			end = at // Content-Length is wrong: the body is the next line
		}
		l := splitLine(text[end:], eof)
		if l == 0 && !eof {
			return wait()
		}
		at = end + l
	}
	if at == len(text) {
		return wait()
	}
	l := splitLine(text[at:], eof)
	if l == 0 {
		return wait()
	}
	if trimEnd(text[at:at+l]) == "" {
		at += l
	}
	return at
}

// headerValue returns the trimmed value if line is that header.
func headerValue(line, name string) (string, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !strings.EqualFold(line[:len(name)], name) {
		return "", false
	}
	return strings.TrimSpace(line[len(name)+1:]), true
}

// csicRequest reads one raw request.
func csicRequest(s string, q *traffic.Request) string {
	n := splitLine(s, true)
	start := trimEnd(s[:n])
	if !isStartLine(start) {
		return "no HTTP request line"
	}
	parseRequestLine(start, q)
	q.HasBody = true // the whole request is there
	for s = s[n:]; s != ""; {
		n := splitLine(s, true)
		line := trimEnd(s[:n])
		s = s[n:]
		if line == "" {
			q.Body = strings.TrimRight(s, "\r\n")
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return "a header line without a colon"
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "host":
			q.Host = value
		case "user-agent":
			q.Agent = value
		case "referer":
			q.Referrer = value
		case "x-forwarded-for":
			q.Forwarded = value
		}
	}
	q.BytesIn = int64(len(q.Body))
	q.Raw = strings.TrimRight(q.Raw, "\r\n")
	return ""
}

type csicCSV struct {
	header string
	names  []string
	fields []string
}

func (d *csicCSV) request(s string, q *traffic.Request) string {
	var verdict string
	if d.fields, verdict = row(s, d.header, d.fields, len(d.names)); verdict != "" {
		return verdict
	}
	q.HasBody = true
	for i, name := range d.names {
		f := d.fields[i]
		switch name {
		case "":
			switch f {
			case "Normal":
				q.Label = traffic.None
			case "Anomalous":
				q.Label = traffic.Anomalous
			}
		case "classification":
			want := traffic.None
			switch f {
			case "0":
			case "1":
				want = traffic.Anomalous
			default:
				return "classification is neither 0 nor 1"
			}
			if q.Label != traffic.Unlabelled && q.Label != want {
				return "the two class columns contradict each other"
			}
			q.Label = want
		case "method":
			q.Method = f
		case "user-agent":
			q.Agent = f
		case "host":
			q.Host = f
		case "content":
			q.Body = f
		case "url":
			q.Target = f
			if i := strings.LastIndexByte(f, ' '); i >= 0 && isProtocol(f[i+1:]) {
				q.Target, q.Protocol = f[:i], f[i+1:]
			}
		}
	}
	if q.Target == "" {
		return "no URL"
	}
	q.BytesIn = int64(len(q.Body))
	return ""
}
