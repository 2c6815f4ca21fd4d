package ingest

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"apiml/traffic"
)

// field is what a named or placed part of a log line means. Every format but the
// oldest ones says which part is which, and a builder makes the record.
type field uint8

const (
	fNone field = iota
	fClient
	fPeer // address of the connection: the client if nothing else says who
	fForwarded
	fUser
	fSession
	fTime      // ISO, log time, epoch
	fTimeStart // the same, of the request's beginning: only if there is no fTime
	fDate      // with fClock
	fClock
	fTimeEnd // the same, of the response's end; with fTimeStart it tells the latency
	fRequest // "METHOD target PROTOCOL"
	fMethod
	fTarget // with its query, or a whole URL
	fPath   // without; fQuery goes with it
	fQuery
	fScheme
	fProtocol
	fStatus
	fBytesOut
	fBytesSent // with headers: only if there is no fBytesOut
	fBytesIn
	fSeconds // latency, by unit
	fMillis
	fMicros
	fNanos
	fTaken    // W3C's time-taken, whose unit depends on the server
	fSuffixed // "12ms", "1.5s", "3 micros"
	fConnect  // the same, what goes before an fSuffixed
	fUpstream // seconds, one or several: only if there is no latency
	fReferrer
	fAgent
	fAgentW3C // + is a space
	fHost
	fServer // name by which the server was reached: the host if there is no fHost
	fCache
	fLogger // which log of the program the line belongs to
	fBody
	numFields
)

// builder makes a record of fields. One serves one decoder.
type builder struct {
	arena  arena
	v      [numFields]string
	set    [numFields]bool
	splits bool // the log makes whole URLs out of paths, in request lines too
}

func (b *builder) reset() {
	b.set = [numFields]bool{}
}

func (b *builder) put(f field, v string) {
	if f == fNone || b.set[f] {
		return // the first one counts
	}
	b.v[f], b.set[f] = v, true
}

// get is a field's value, "" if it is missing or "-".
func (b *builder) get(f field) string {
	if !b.set[f] {
		return ""
	}
	return undash(b.v[f])
}

// record fills q. It answers what is wrong, "" if nothing.
func (b *builder) record(q *traffic.Request) string {
	if reason := b.time(q); reason != "" {
		return reason
	}
	q.Client, q.Forwarded = hostOnly(b.get(fClient)), b.get(fForwarded)
	if q.Client == "" {
		q.Client = hostOnly(b.get(fPeer))
	}
	q.User, q.Session, q.Host = b.get(fUser), b.get(fSession), b.get(fHost)
	if q.Host == "" {
		q.Host = b.get(fServer)
	}
	if f := q.Forwarded; len(f) > 2 && f[0] == '[' && strings.IndexByte(f, ']') == len(f)-1 {
		q.Forwarded = f[1 : len(f)-1] // one IPv6 address, as Envoy writes it
	}
	q.Referrer, q.Agent, q.Cache = b.get(fReferrer), b.get(fAgent), cacheStatus(b.get(fCache))
	if a := b.get(fAgentW3C); a != "" {
		q.Agent = strings.ReplaceAll(a, "+", " ")
	}
	if reason := b.target(q); reason != "" {
		return reason
	}
	if s := b.get(fStatus); s != "" {
		n, ok := parseCount(s)
		if !ok || n > 999 {
			return "status is no number below 1000"
		}
		q.Status = int32(max(n, 0))
	}
	for _, f := range [...]field{fBytesSent, fBytesOut} {
		if n, ok := parseCount(b.get(f)); ok && n >= 0 {
			q.BytesOut = n
		}
	}
	if n, ok := parseCount(b.get(fBytesIn)); ok && n >= 0 {
		q.BytesIn = n
	}
	q.Latency = b.latency()
	if body := b.get(fBody); body != "" {
		q.Body, q.HasBody = body, true
		if q.BytesIn < 0 {
			q.BytesIn = int64(len(body))
		}
	}
	return ""
}

func (b *builder) time(q *traffic.Request) string {
	var t int64
	ok := true
	switch {
	case b.get(fTime) != "":
		t, ok = parseTime(b.get(fTime))
	case b.get(fDate) != "" && b.get(fClock) != "":
		t, ok = parseISO(b.arena.join(b.get(fDate), " ", b.get(fClock)))
	case b.get(fTimeEnd) != "":
		t, ok = parseTime(b.get(fTimeEnd))
	case b.get(fTimeStart) != "":
		t, ok = parseTime(b.get(fTimeStart))
	default:
		return ""
	}
	if !ok || !validTime(t) {
		return "the time is no valid time"
	}
	q.Time = t
	return ""
}

func (b *builder) target(q *traffic.Request) string {
	whole := !b.set[fRequest] || b.splits
	switch {
	case b.set[fRequest]:
		parseRequestLine(b.v[fRequest], q)
		if b.get(fMethod) != "" {
			q.Method = b.get(fMethod)
		}
	case b.get(fTarget) != "":
		q.Method, q.Target, q.Protocol = b.get(fMethod), b.v[fTarget], b.get(fProtocol)
		if query := b.get(fQuery); query != "" && strings.IndexByte(q.Target, '?') < 0 {
			q.Target = b.arena.join(q.Target, "?", strings.TrimPrefix(query, "?"))
		}
	case b.get(fPath) != "":
		q.Method, q.Target, q.Protocol = b.get(fMethod), b.v[fPath], b.get(fProtocol)
		if query := b.get(fQuery); query != "" {
			q.Target = b.arena.join(q.Target, "?", strings.TrimPrefix(query, "?"))
		}
	default:
		return "no request"
	}
	if p := q.Protocol; p != "" && p[0]-'0' <= 9 { // "1.1"
		q.Protocol = b.arena.join("HTTP/", p)
	} else if strings.EqualFold(p, "https") || strings.EqualFold(p, "http") { // the scheme under another name
		q.Protocol = ""
	}
	// A whole URL, as proxies and balancers log it: the host goes where it belongs.
	// In a request line of any other server it is what the client sent.
	if i := strings.Index(q.Target, "://"); whole && i > 0 && i < 8 && isScheme(q.Target[:i]) && q.Method != "CONNECT" {
		host, path := q.Target[i+3:], ""
		if j := strings.IndexAny(host, "/?"); j >= 0 {
			host, path = host[:j], host[j:]
		}
		if q.Host == "" {
			q.Host = hostOnly(host)
		}
		switch {
		case path == "":
			path = "/"
		case path[0] == '?':
			path = b.arena.join("/", path)
		}
		q.Target = path
	}
	return ""
}

func isScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		if (s[i]|0x20)-'a' > 25 {
			return false
		}
	}
	return true
}

// latency in seconds, −1 if no field says.
func (b *builder) latency() float64 {
	if b.get(fTimeStart) != "" && b.get(fTimeEnd) != "" {
		start, ok := parseTime(b.get(fTimeStart))
		end, ok2 := parseTime(b.get(fTimeEnd))
		// Whole seconds on both sides say nothing about milliseconds.
		if ok && ok2 && end >= start && (start%microsecond != 0 || end%microsecond != 0) {
			return float64(end-start) / microsecond
		}
	}
	for _, u := range [...]struct {
		f    field
		unit float64
	}{{fSeconds, 1}, {fMillis, 1e-3}, {fMicros, 1e-6}, {fNanos, 1e-9}} {
		if v, ok := parseSeconds(b.get(u.f)); ok && v >= 0 {
			return v * u.unit
		}
	}
	if v, ok := parseSuffixed(b.get(fSuffixed)); ok {
		if c, ok := parseSuffixed(b.get(fConnect)); ok {
			v += c
		}
		return v
	}
	if v, ok := parseSuffixed(b.get(fSeconds)); ok { // "7.5ms" where seconds are usual
		return v
	}
	if v, ok := parseTimes(b.get(fUpstream)); ok {
		return v
	}
	return -1
}

// parseSuffixed reads "12ms", "1.5s", "850µs", "68 micros". A number without a
// unit could be seconds or milliseconds: unknown.
func parseSuffixed(s string) (float64, bool) {
	n := 0
	for n < len(s) && (s[n]-'0' <= 9 || s[n] == '.') {
		n++
	}
	if n == 0 {
		return 0, false
	}
	v, err := strconv.ParseFloat(s[:n], 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, false
	}
	switch strings.TrimSpace(s[n:]) {
	case "s", "sec", "secs", "seconds":
		return v, true
	case "ms", "msec", "msecs", "millis", "milliseconds":
		return v * 1e-3, true
	case "us", "µs", "μs", "micros", "microseconds", "usecs":
		return v * 1e-6, true
	case "ns", "nanos", "nanoseconds":
		return v * 1e-9, true
	}
	return 0, false
}

// parseTimes adds up the times of several upstream servers: "0.010, 0.003 : 0.2".
func parseTimes(s string) (sum float64, ok bool) {
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ':' || r == ' ' }) {
		if part == "-" {
			continue
		}
		v, good := parseSeconds(part)
		if !good || v < 0 {
			return 0, false
		}
		sum, ok = sum+v, true
	}
	return sum, ok
}

// hostOnly cuts the port off "192.0.2.1:443", "[2001:db8::1]:443" and
// "example.com:80"; an IPv6 address without brackets stays.
func hostOnly(s string) string {
	if s == "" {
		return ""
	}
	if s[0] == '[' {
		if i := strings.IndexByte(s, ']'); i > 0 {
			return s[1:i]
		}
		return s
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.IndexByte(s, ':') != i || num(s[i+1:]) < 0 || i+1 == len(s) {
		return s
	}
	return s[:i]
}

// cacheStatus keeps what caches call their answers, in NGINX's spelling.
func cacheStatus(s string) string {
	if s == "" {
		return ""
	}
	for _, c := range [...]struct{ prefix, name string }{
		{"HIT", "HIT"}, {"TCP_HIT", "HIT"}, {"TCP_MEM_HIT", "HIT"}, {"TCP_IMS_HIT", "HIT"}, {"TCP_INM_HIT", "HIT"}, {"REFRESHHIT", "REVALIDATED"}, {"TCP_REFRESH_UNMODIFIED", "REVALIDATED"},
		{"MISS", "MISS"}, {"TCP_MISS", "MISS"}, {"TCP_REFRESH", "EXPIRED"}, {"EXPIRED", "EXPIRED"}, {"BYPASS", "BYPASS"}, {"PASS", "BYPASS"}, {"DYNAMIC", "BYPASS"},
		{"STALE", "STALE"}, {"UPDATING", "UPDATING"}, {"REVALIDATED", "REVALIDATED"}, {"SCARCE", "SCARCE"},
	} {
		if len(s) >= len(c.prefix) && strings.EqualFold(s[:len(c.prefix)], c.prefix) {
			return c.name
		}
	}
	return ""
}

// names maps the keys under which logs know a field: JSON, LTSV, logfmt, the
// header of a table, and an own mapping.
type names map[string]field

// commonNames are keys that mean the same wherever they occur: NGINX's variables,
// LTSV's labels, the Elastic Common Schema, and what people call things. Keys are
// in lower case.
func commonNames() names {
	n := names{}
	add := func(f field, keys string) {
		for k := range strings.FieldsSeq(keys) {
			n[k] = f
		}
	}
	add(fClient, "client_ip clientip client.ip client client_address client_addr ip ip_address remote_ip remote_host source.ip source.address c-ip src_ip realip real_ip x_real_ip http_x_real_ip fwd")
	add(fPeer, "remote_addr remoteaddr remote_address peer downstream_remote_address")
	add(fForwarded, "http_x_forwarded_for x_forwarded_for x-forwarded-for xff forwardedfor forwarded_for")
	add(fUser, "remote_user user user_id userid user.name username auth_user cs-username")
	add(fSession, "session_id sessionid session sid")
	add(fTime, "time timestamp @timestamp ts time_iso8601 time_local msec date datetime @t eventtime")
	add(fTimeStart, "start_time starttime start")
	add(fRequest, "request req request_line requestline")
	add(fMethod, "method request_method http_method http.request.method verb req_method")
	add(fTarget, "uri request_uri url url.original target request_url req_uri")
	add(fPath, "path url.path request_path uri_path endpoint document_uri")
	add(fQuery, "query args query_string url.query querystring")
	add(fProtocol, "protocol proto server_protocol http_version httpversion request_protocol")
	add(fStatus, "status status_code statuscode response_status http_status http.response.status_code response_code sc-status")
	add(fBytesOut, "body_bytes_sent size body_bytes bytes response_size response_body_size http.response.body.bytes length bytes_out response_length")
	add(fBytesSent, "bytes_sent http.response.bytes")
	add(fBytesIn, "request_length reqsize bytes_received bytes_in request_size request_body_size http.request.body.bytes")
	add(fSeconds, "request_time reqtime response_time apptime generation_time_milli elapsed_seconds duration_s rt")
	add(fMillis, "duration_ms latency_ms elapsed_ms response_time_ms request_time_ms took_ms responsetime")
	add(fMicros, "reqtime_microsec duration_us latency_us request_time_us")
	add(fNanos, "event.duration duration_ns latency_ns")
	add(fSuffixed, "duration latency elapsed took service")
	add(fUpstream, "upstream_response_time")
	add(fReferrer, "referer referrer http_referer http_referrer http.request.referrer request_referer")
	add(fAgent, "user_agent useragent ua http_user_agent user_agent.original agent user-agent request_user_agent")
	add(fHost, "http_host vhost server_name hostname url.domain authority :authority")
	add(fCache, "upstream_cache_status cache cache_status cachestatus response_state")
	add(fBody, "request_body body http.request.body.content")
	return n
}

// with returns n with more keys, "key:field …" of one kind each.
func (n names) with(f field, keys string) names {
	for k := range strings.FieldsSeq(keys) {
		n[strings.ToLower(k)] = f
	}
	return n
}

// mappable are the names that a configuration may map to a key of its own log.
func mappable() map[string]field {
	return map[string]field{
		"client": fClient, "forwarded": fForwarded, "user": fUser, "session": fSession, "time": fTime, "request": fRequest, "method": fMethod, "target": fTarget,
		"path": fPath, "query": fQuery, "protocol": fProtocol, "status": fStatus, "bytes_out": fBytesOut, "bytes_in": fBytesIn, "latency_s": fSeconds,
		"latency_ms": fMillis, "latency_us": fMicros, "latency_ns": fNanos, "referrer": fReferrer, "agent": fAgent, "host": fHost, "cache": fCache, "body": fBody,
	}
}

// CheckMapping reads pairs "FIELD=KEY" of a configuration: a field of ours and the
// key, or header name, under which a log of the user's own has it.
func CheckMapping(pairs []string) (map[string]string, error) {
	fields := mappable()
	out := map[string]string{}
	for _, p := range pairs {
		name, key, ok := strings.Cut(p, "=")
		if _, known := fields[name]; !ok || !known || key == "" {
			var all []string
			for n := range fields {
				all = append(all, n)
			}
			slices.Sort(all)
			return nil, fmt.Errorf("%q: want FIELD=KEY with one of the fields %s", p, strings.Join(all, ", "))
		}
		out[name] = key
	}
	return out, nil
}
