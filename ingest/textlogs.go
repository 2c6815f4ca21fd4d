package ingest

import (
	"fmt"
	"strings"
	"time"

	"apiml/traffic"
)

// Lines of load balancers, proxies and storage, as their makers publish the
// fields.

// fixed makes a format of one or several templates in NGINX's syntax; $_ is a
// field that is left out. A line is read by the first template that it has.
func fixed(name, title, note string, loose bool, vars map[string]field, templates ...string) format {
	var all [][]part
	for _, t := range templates {
		parts, err := nginxTemplate(t)
		if err != nil {
			panic(err)
		}
		all = append(all, parts)
		i := 0
		// nginxTemplate has replaced the names by what NGINX means; ours go over them.
		for _, v := range variables(t) {
			for !parts[i].isVar {
				i++
			}
			if f, ok := vars[v]; ok {
				parts[i].field = f
			}
			i++
		}
	}
	return format{
		FormatInfo: FormatInfo{name, title, note},
		open: func(string, *Options) (*decoder, error) {
			var lts []*lineTemplate
			for _, parts := range all {
				lts = append(lts, &lineTemplate{parts: parts, open: true, loose: loose})
			}
			return &decoder{request: func(s string, q *traffic.Request) string {
				first := ""
				for _, lt := range lts {
					clean := *q
					reason := lt.request(s, &clean)
					if reason == "" {
						*q = clean
						return ""
					}
					if first == "" {
						first = reason
					}
				}
				return first
			}}, nil
		},
	}
}

// variables lists the names behind the $ of a template, in order.
func variables(t string) []string {
	var out []string
	for {
		i := strings.IndexByte(t, '$')
		if i < 0 {
			return out
		}
		t = t[i+1:]
		n := 0
		for n < len(t) && (t[n] == '_' || t[n]|0x20 >= 'a' && t[n]|0x20 <= 'z' || n > 0 && t[n]-'0' <= 9) {
			n++
		}
		if n > 0 {
			out = append(out, t[:n])
		}
		t = t[n:]
	}
}

// Squid's native log: time elapsed client action/code size method URL ident
// hierarchy/from type.
func squidFormat() format {
	return fixed("squid", "Squid native log lines", "logformat squid", true, map[string]field{
		"elapsed": fMillis, "client": fClient, "action": fCache, "size": fBytesSent, "url": fTarget,
	}, "$msec $elapsed $client $action/$status $size $request_method $url $remote_user $_/$_ $_")
}

// Amazon S3 server access log.
func s3Format() format {
	return fixed("s3", "Amazon S3 access log lines", "server access logging, REST requests", false, map[string]field{
		"time": fTime, "ip": fClient, "sent": fBytesOut, "size": fNone, "total": fMillis,
	},
		`$_ $_ [$time] $ip $_ $_ $_ $_ "$request" $status $_ $sent $size $total $_ "$http_referer" "$http_user_agent" $_`)
}

// Envoy's default text format.
func envoyTextFormat() format {
	return fixed("envoy-text", "Envoy text log lines", "the default format string of Envoy and Istio, also behind CRI's prefix", false, map[string]field{
		"start": fTime, "flags": fNone, "received": fBytesIn, "sent": fBytesOut, "duration": fMillis, "authority": fHost,
	},
		`[$start] "$request" $status $flags $_ $_ "$_" $received $sent $duration $_ "$http_x_forwarded_for" "$http_user_agent" "$_" "$authority" "$_`,
		`[$start] "$request" $status $flags $received $sent $duration $_ "$http_x_forwarded_for" "$http_user_agent" "$_" "$authority" "$_`,
		`$_ std$_ $_ [$start] "$request" $status $flags $_ $_ "$_" $received $sent $duration $_ "$http_x_forwarded_for" "$http_user_agent" "$_" "$authority" "$_`,
		`$_ std$_ $_ [$start] "$request" $status $flags $received $sent $duration $_ "$http_x_forwarded_for" "$http_user_agent" "$_" "$authority" "$_`)
}

// NGINX Proxy Manager's two formats.
func proxyManagerFormat() format {
	vars := map[string]field{"time": fTime, "uri": fTarget, "client": fClient, "length": fBytesOut, "cache": fCache, "ua": fAgent, "ref": fReferrer}
	f := fixed("nginx-proxy-manager", "NGINX Proxy Manager log lines", "its proxy and standard formats, and the combined lines of its default host", false, vars,
		`[$time] $cache $_ $status - $request_method $scheme $host "$uri" [Client $client] [Length $length] [Gzip $_] [Sent-to $_] "$ua" "$ref"`,
		`[$time] $status - $request_method $scheme $host "$uri" [Client $client] [Length $length] [Gzip $_] "$ua" "$ref"`)
	open := f.open
	f.open = func(head string, opt *Options) (*decoder, error) {
		d, err := open(head, opt)
		if err != nil {
			return nil, err
		}
		own := d.request
		d.looks = func(s string) bool { var q traffic.Request; return own(s, &q) == "" }
		d.request = func(s string, q *traffic.Request) string {
			if s[0] != '[' {
				return combinedRequest(s, q)
			}
			return own(s, q)
		}
		return d, nil
	}
	return f
}

// uWSGI's default log.
func uwsgiFormat() format {
	return fixed("uwsgi", "uWSGI log lines", "its default format", false, map[string]field{
		"client": fClient, "ctime": fTime, "uri": fTarget, "size": fBytesOut, "took": fSuffixed, "protocol": fProtocol, "in": fBytesIn, "user": fUser,
	},
		`[pid: $_|app: $_|req: $_] $client ($user) {$_ vars in $in bytes} [$ctime] $request_method $uri => generated $size bytes in $took ($protocol $status) $_`)
}

// Zoraxy's router log.
func zoraxyFormat() format {
	return fixed("zoraxy", "Zoraxy log lines", "requests that its router logs", false, map[string]field{
		"date": fTime, "origin": fHost, "client": fClient, "ua": fAgent, "uri": fTarget,
	}, `$_ $_ [$date] [router:$_] [origin:$origin] [client: $client] [useragent: $ua] $request_method $uri $status`)
}

// Amazon's balancers: ALB and the classic ELB, whose lines begin alike.
func albFormat() format {
	return format{
		FormatInfo: FormatInfo{"alb", "Amazon ALB log lines", "Application Load Balancer; latency is the sum of its three timers"},
		open: func(string, *Options) (*decoder, error) {
			d := &elbDecoder{typed: true, b: builder{splits: true}}
			return &decoder{request: d.request}, nil
		},
	}
}

func elbFormat() format {
	return format{
		FormatInfo: FormatInfo{"elb", "Amazon classic ELB log lines", "HTTP listeners; latency is the sum of its three timers"},
		open: func(string, *Options) (*decoder, error) {
			d := &elbDecoder{b: builder{splits: true}}
			return &decoder{request: d.request}, nil
		},
	}
}

type elbDecoder struct {
	typed bool // the connection's type stands first
	b     builder
}

func (d *elbDecoder) request(s string, q *traffic.Request) string {
	if d.typed {
		kind, rest, _ := strings.Cut(s, " ")
		switch kind {
		case "http", "https", "h2", "grpcs", "ws", "wss":
		default:
			return "no type of an Application Load Balancer at the beginning"
		}
		s = rest
	}
	var f [11]string // time name client target t1 t2 t3 status backendstatus received sent
	for i := range f {
		v, rest, ok := strings.Cut(s, " ")
		if !ok {
			return "too few fields before the request"
		}
		f[i], s = v, rest
	}
	if s == "" || s[0] != '"' {
		return "no quoted request"
	}
	end := quoteEnd(s[1:], true)
	if end < 0 {
		if end = quoteEnd(s[1:], false); end < 0 {
			return "the request's quote does not end"
		}
	}
	request, rest := s[1:1+end], strings.TrimPrefix(s[end+2:], " ")
	d.b.reset()
	d.b.put(fTime, f[0])
	d.b.put(fClient, f[2])
	d.b.put(fStatus, f[7])
	d.b.put(fBytesIn, f[9])
	d.b.put(fBytesOut, f[10])
	request = plain(request, strings.IndexByte(request, '\\') >= 0)
	d.b.put(fRequest, request)
	if rest != "" && rest[0] == '"' {
		if end := quoteEnd(rest[1:], false); end >= 0 {
			d.b.put(fAgent, rest[1:1+end])
		}
	}
	if request == "- - - " || request == "- - -" { // a connection without a request
		return "a TCP connection, no request"
	}
	if reason := d.b.record(q); reason != "" {
		return reason
	}
	sum, known := 0.0, true
	for _, t := range f[4:7] {
		v, ok := parseSeconds(t)
		if !ok {
			return "a timer is no number"
		}
		known = known && v >= 0
		sum += v
	}
	if known {
		q.Latency = sum
	}
	return ""
}

// HAProxy's HTTP log (option httplog): client:port [accept date] frontend
// backend/server Tq/Tw/Tc/Tr/Tt status bytes cookies state counters queues
// {captures} "request", behind syslog's prefix or not. The accept date has its
// year, whatever syslog's lacks.
func haproxyFormat() format {
	return format{
		FormatInfo: FormatInfo{"haproxy", "HAProxy HTTP log lines", "option httplog, with or without syslog's prefix; latency is Tt"},
		open: func(string, *Options) (*decoder, error) {
			d := &haproxyDecoder{}
			return &decoder{request: d.request}, nil
		},
	}
}

type haproxyDecoder struct{ b builder }

func (d *haproxyDecoder) request(s string, q *traffic.Request) string {
	open := strings.IndexByte(s, '[')
	for open >= 0 {
		if end := strings.IndexByte(s[open:min(len(s), open+32)], ']'); end > 20 && s[open+3] == '/' {
			break
		}
		next := strings.IndexByte(s[open+1:], '[')
		if next < 0 {
			return "no accept date in brackets"
		}
		open += next + 1
	}
	if open < 2 {
		return "no accept date in brackets"
	}
	end := open + strings.IndexByte(s[open:], ']')
	client := strings.TrimRight(s[:open], " ")
	client = client[strings.LastIndexByte(client, ' ')+1:]
	date := s[open+1 : end]
	t, ok := parseLogTime(date + " +0000")
	if !ok {
		return "the accept date is no valid time"
	}
	rest := strings.TrimLeft(s[end+1:], " ")
	var f [9]string // frontend backend timers status bytes cookie cookie state counters
	for i := range f {
		v, r, ok := strings.Cut(rest, " ")
		if !ok {
			return "a message of HAProxy, no request"
		}
		f[i], rest = v, r
	}
	if strings.Count(f[2], "/") < 4 {
		return "a message of HAProxy, no request"
	}
	quote := strings.Index(rest, `"`)
	if i := strings.LastIndex(rest, `} "`); i >= 0 { // a captured header may hold a quote
		quote = i + 2
	}
	if quote < 0 {
		return "no quoted request"
	}
	last := strings.LastIndexByte(rest, '"')
	request := rest[quote+1:]
	if last > quote {
		request = rest[quote+1 : last]
	}
	d.b.reset()
	if i := strings.LastIndexByte(client, ':'); i > 0 { // IPv6 addresses have no brackets here
		client = client[:i]
	}
	d.b.put(fClient, client)
	d.b.put(fStatus, strings.TrimPrefix(f[3], "-1"))
	d.b.put(fBytesOut, strings.TrimPrefix(f[4], "+"))
	d.b.put(fRequest, request)
	if reason := d.b.record(q); reason != "" {
		return reason
	}
	q.Time = t
	if request == "<BADREQ>" {
		q.Method, q.Target = "", request
	}
	timers := strings.Split(f[2], "/")
	if v, ok := parseSeconds(strings.TrimPrefix(timers[len(timers)-1], "+")); ok && v >= 0 {
		q.Latency = v / 1000
	}
	for captures := rest[:quote]; ; { // of the captured headers only an agent can be told
		i := strings.IndexByte(captures, '{')
		j := strings.IndexByte(captures, '}')
		if i < 0 || j < i {
			break
		}
		for v := range strings.SplitSeq(captures[i+1:j], "|") {
			if strings.HasPrefix(v, "Mozilla/") || strings.HasPrefix(v, "curl/") {
				q.Agent = v
			}
		}
		captures = captures[j+1:]
	}
	return ""
}

// CheckLogFormat names what is wrong with a user's log format before a file is
// opened.
func CheckLogFormat(s string) error {
	if s == "" {
		return nil
	}
	if _, err := userTemplates(s); err != nil {
		return fmt.Errorf("--log-format: %w", err)
	}
	return nil
}

// syslogFormat reads access log lines behind syslog's "Mon _2 15:04:05 host
// program: ", whose time has no year: it is the one in which the file was changed
// last, or the year before for the months after that.
func syslogFormat() format {
	return format{
		FormatInfo: FormatInfo{"syslog", "access log lines behind syslog's prefix", "combined and common lines, also without a time of their own; the year is that of the file's last change"},
		open: func(_ string, opt *Options) (*decoder, error) {
			d := &syslogDecoder{modified: opt.modified}
			dec := &decoder{request: d.request}
			if year, _, _ := calendar(opt.modified); opt.modified != 0 {
				dec.note = fmt.Sprintf("; the lines have no year: %d, from the file's last change", year)
			}
			return dec, nil
		},
	}
}

type syslogDecoder struct{ modified int64 } // µs UTC, 0 = unknown

func (d *syslogDecoder) request(s string, q *traffic.Request) string {
	year, month, day := calendar(d.modified)
	t, n, ok := parseSyslogTime(s, max(year, 1972)) // a leap year where nothing is known
	if !ok {
		return "no syslog time at the beginning"
	}
	if m := monthNumber(s[:3]); m > month || m == month && num(strings.TrimLeft(s[4:6], " ")) > day {
		t, _, ok = parseSyslogTime(s, year-1)
	}
	_, rest, found := strings.Cut(s[n:], ": ")
	if !found {
		return "no program behind syslog's time"
	}
	rest = strings.TrimLeft(rest, " ")
	own := *q
	if combinedRequest(rest, &own) == "" {
		*q = own
		return ""
	}
	// client ident user "request" status size [latency]
	client, after, _ := strings.Cut(rest, " ")
	quote := strings.IndexByte(after, '"')
	if quote < 0 {
		return "a message, no request"
	}
	request := after[quote+1:]
	end := requestEnd(request)
	if end < 0 {
		return "no closing quote and status behind the request"
	}
	q.Client = client
	if ok && d.modified != 0 {
		q.Time = t
	}
	fields := strings.Fields(request[end+1:])
	if v, ok := parseCount(fields[0]); ok && v < 1000 {
		q.Status = int32(max(v, 0))
	} else {
		return "status is no number below 1000"
	}
	if len(fields) > 1 {
		if v, ok := parseCount(fields[1]); ok {
			q.BytesOut = v
		}
	}
	if len(fields) == 3 {
		if v, ok := plainNumber(fields[2]); ok && strings.IndexByte(fields[2], '.') > 0 {
			q.Latency = v
		}
	}
	parseRequestLine(plain(request[:end], strings.IndexByte(request, '\\') >= 0), q)
	return ""
}

// calendar is the UTC date of a time in µs; zeros if it is unknown.
func calendar(us int64) (year, month, day int) {
	if us == 0 {
		return 0, 12, 31
	}
	y, m, d := time.UnixMicro(us).UTC().Date()
	return y, int(m), d
}
