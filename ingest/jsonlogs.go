package ingest

import (
	"strings"

	"github.com/valyala/fastjson"

	"apiml/traffic"
)

// JSON lines of proxies and platforms, each with keys of its own. Nested objects
// are read by their path (request.headers.User-Agent), the first element of an
// array stands for it. What a collector put before the object (CRI's "time stdout
// F", Compose's "service | ", syslog) is left out; a line that a collector put
// inside the object (log, message) is read as an access log line.

// dialect is one kind of JSON log.
type dialect struct {
	name, title, note string
	names             func() names
	needs             []field // without one of these it is another dialect
}

func dialects() []dialect {
	plain := func(pairs ...any) func() names {
		return func() names {
			n := names{}
			for i := 0; i < len(pairs); i += 2 {
				n.with(pairs[i].(field), pairs[i+1].(string))
			}
			return n
		}
	}
	return []dialect{
		{"caddy", "Caddy JSON lines", "the access log of Caddy 2", plain(
			fTime, "ts", fClient, "request.client_ip", fPeer, "request.remote_ip request.remote_addr", fMethod, "request.method", fTarget, "request.uri", fProtocol, "request.proto",
			fHost, "request.host", fAgent, "request.headers.user-agent", fReferrer, "request.headers.referer", fForwarded, "request.headers.x-forwarded-for",
			fStatus, "status", fBytesOut, "size", fBytesIn, "bytes_read", fSeconds, "duration", fUser, "user_id", fLogger, "logger"), []field{fMethod, fTarget}},
		{"traefik", "Traefik JSON lines", "the JSON access log of Traefik 2 and 3", plain(
			fTime, "time", fTimeStart, "StartUTC StartLocal", fClient, "ClientHost", fPeer, "ClientAddr", fUser, "ClientUsername", fMethod, "RequestMethod", fTarget, "RequestPath",
			fProtocol, "RequestProtocol", fHost, "RequestHost", fStatus, "DownstreamStatus", fBytesOut, "DownstreamContentSize", fBytesIn, "RequestContentSize", fNanos, "Duration",
			fAgent, "request_User-Agent", fReferrer, "request_Referer", fForwarded, "request_X-Forwarded-For"), []field{fMethod, fTarget}},
		{"envoy", "Envoy JSON lines", "Envoy, Istio and Envoy Gateway, with the keys of their default formats", plain(
			fTimeStart, "start_time", fMethod, "method", fTarget, "x-envoy-origin-path x-envoy-original-path path", fProtocol, "protocol", fStatus, "response_code", fBytesIn, "bytes_received",
			fBytesOut, "bytes_sent", fMillis, "duration", fForwarded, "x-forwarded-for x_forwarded_for", fAgent, "user-agent user_agent", fHost, ":authority authority", fPeer, "downstream_remote_address"),
			[]field{fMethod, fTarget, fTimeStart}},
		{"cloudflare", "Cloudflare JSON lines", "Logpush, http_requests", plain(
			fTimeStart, "EdgeStartTimestamp", fTimeEnd, "EdgeEndTimestamp", fClient, "ClientIP", fMethod, "ClientRequestMethod", fTarget, "ClientRequestURI", fPath, "ClientRequestPath", fProtocol, "ClientRequestProtocol",
			fHost, "ClientRequestHost", fStatus, "EdgeResponseStatus", fBytesOut, "EdgeResponseBytes", fBytesIn, "ClientRequestBytes", fAgent, "ClientRequestUserAgent", fReferrer, "ClientRequestReferer",
			fCache, "CacheCacheStatus", fMillis, "EdgeTimeToFirstByteMs OriginResponseDurationMs"), []field{fMethod, fHost}},
		{"json-any", "JSON lines with common names", "method, uri or path, status, time and what others call them; input.mapping names the rest", func() names {
			return commonNames().with(fHost, "host request.host http.host").with(fMethod, "request.method").with(fTarget, "request.uri request.url http.url").with(fAgent, "request.headers.user-agent http.user_agent").with(fStatus, "response.status").with(fLogger, "logger")
		}, []field{fTarget, fStatus}},
		{"json-wrapped", "access log lines inside JSON", "Docker, Kubernetes, journald: the line stands under log, message or MESSAGE", nil, nil},
	}
}

func jsonDialect(dl dialect) format {
	return format{
		FormatInfo: FormatInfo{dl.name, dl.title, dl.note},
		open: func(_ string, opt *Options) (*decoder, error) {
			d := &dialectDecoder{needs: dl.needs}
			if dl.name == "envoy" { // mixed with lines of the default text format
				text, err := envoyTextFormat().open("", opt)
				if err != nil {
					return nil, err
				}
				d.other = text.request
			}
			if dl.names != nil {
				d.names = dl.names()
				if dl.name == "json-any" {
					d.names.apply(opt.Mapping)
					if len(opt.Mapping) > 0 {
						d.needs = nil
					}
				}
			}
			d.visit = d.pair
			return &decoder{request: d.request, ownNames: func(name string) bool { return name == "session_id" || name == "session" }}, nil
		},
	}
}

type dialectDecoder struct {
	names  names // nil: an inner line
	needs  []field
	parser fastjson.Parser
	b      builder
	visit  func(key []byte, v *fastjson.Value)
	path   []byte
	num    []byte
	inner  string
	other  func(unit string, q *traffic.Request) string // for lines without an object, nil = none
}

// object finds the JSON object of a line behind a collector's prefix.
func object(s string) string {
	i := strings.IndexByte(s, '{')
	if i < 0 || i > 256 || strings.IndexByte(s[:i], '"') >= 0 {
		return ""
	}
	return strings.TrimRight(s[i:], " \t\r")
}

func (d *dialectDecoder) request(s string, q *traffic.Request) string {
	text := object(s)
	if text == "" && d.other != nil {
		return d.other(s, q)
	}
	if text == "" {
		return "no JSON object"
	}
	v, err := d.parser.Parse(text)
	if err != nil {
		return "no valid JSON"
	}
	obj, err := v.Object()
	if err != nil {
		return "no JSON object"
	}
	d.b.reset()
	d.path, d.inner = d.path[:0], ""
	obj.Visit(d.visit)
	if d.names == nil {
		return d.line(q)
	}
	for _, f := range d.needs {
		if !d.b.set[f] && !(f == fMethod && d.b.set[fRequest]) && !(f == fTarget && (d.b.set[fPath] || d.b.set[fRequest])) {
			return "no request in the object"
		}
	}
	if d.b.get(fTimeEnd) != "" && d.b.get(fMillis) == "0" { // Cloudflare did not ask the origin
		d.b.set[fMillis] = false
	}
	// Caddy logs a request that failed a second time, in its error log.
	if l := d.b.get(fLogger); strings.HasPrefix(l, "http.log.") && !strings.HasPrefix(l, "http.log.access") {
		return "a message of the server, no access log"
	}
	return d.b.record(q)
}

// line reads an access log line that a collector wrapped.
func (d *dialectDecoder) line(q *traffic.Request) string {
	s := trimEnd(d.inner)
	if s == "" {
		return "no log, message or MESSAGE in the object"
	}
	// Behind "host program: ", if that is what stands before the line.
	if i := strings.Index(s, ": "); i > 0 && i < strings.IndexByte(s, '[') {
		behind := *q
		if combinedRequest(s[i+2:], &behind) == "" {
			*q = behind
			return ""
		}
	}
	return combinedRequest(s, q)
}

// pair takes one key, and the keys below it.
func (d *dialectDecoder) pair(key []byte, v *fastjson.Value) {
	at := len(d.path)
	defer func() { d.path = d.path[:at] }()
	if at > 0 {
		d.path = append(d.path, '.')
	}
	if len(d.path)+len(key) > 128 {
		return
	}
	for _, c := range key {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		d.path = append(d.path, c)
	}
	if v.Type() == fastjson.TypeArray {
		a := v.GetArray()
		if len(a) == 0 {
			return
		}
		v = a[0]
	}
	switch v.Type() {
	case fastjson.TypeObject:
		if at < 64 {
			v.GetObject().Visit(d.visit)
		}
	case fastjson.TypeString:
		if d.names == nil {
			if at == 0 && d.inner == "" && (string(d.path) == "log" || string(d.path) == "message" || string(d.path) == "msg") {
				d.inner = d.b.arena.keep(v.GetStringBytes())
			}
			return
		}
		if f := d.names[string(d.path)]; f != fNone {
			d.b.put(f, d.b.arena.keep(v.GetStringBytes()))
		}
	case fastjson.TypeNumber:
		if f := d.names[string(d.path)]; f != fNone {
			d.num = v.MarshalTo(d.num[:0])
			d.b.put(f, d.b.arena.keep(d.num))
		}
	}
}
