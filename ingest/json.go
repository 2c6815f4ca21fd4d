package ingest

import (
	"strings"

	"github.com/valyala/fastjson"

	"apiml/traffic"
)

// JSON lines with the names of NGINX's variables, one object per line.

func jsonFormat() format {
	return format{
		FormatInfo: FormatInfo{"json", "JSON lines with NGINX names",
			"time_iso8601 | time_local | msec | timestamp, remote_addr, request_method + request_uri | request, status, request_time, …"},
		open: func(string, *Options) (*decoder, error) {
			d := &jsonDecoder{}
			d.visit = d.field
			return &decoder{
				request:  d.request,
				ownNames: func(name string) bool { return name == "session_id" },
			}, nil
		},
	}
}

type jsonDecoder struct {
	parser fastjson.Parser
	arena  arena
	visit  func(key []byte, v *fastjson.Value) // d.field, bound once
	num    []byte

	// of the record at hand
	q             *traffic.Request
	target        bool // request_uri or request was there
	line          string
	path, args    string
	time          string
	timeRank      int
	length        int64 // request_length
	contentLength int64
	problem       string
}

func (d *jsonDecoder) request(s string, q *traffic.Request) string {
	s = strings.TrimSpace(s)
	if s == "" || s[0] != '{' {
		return "no JSON object"
	}
	v, err := d.parser.Parse(s)
	if err != nil {
		return "no valid JSON"
	}
	obj, err := v.Object()
	if err != nil {
		return "no JSON object"
	}
	d.q, d.target, d.line, d.path, d.args = q, false, "", "", ""
	d.time, d.timeRank, d.problem = "", 0, ""
	d.length, d.contentLength = -1, -1
	obj.Visit(d.visit)
	if d.problem != "" {
		return d.problem
	}
	if d.line != "" {
		method, target := q.Method, q.Target
		parseRequestLine(d.line, q)
		if method != "" {
			q.Method = method
		}
		if d.target {
			q.Target = target
		}
		d.target = true
	}
	if !d.target && d.path != "" && q.Method != "" { // without a method these are names of some other log
		q.Target = d.path
		if d.args != "" {
			q.Target = d.arena.join(d.path, "?", d.args)
		}
		d.target = true
	}
	if !d.target {
		return "no request_uri and no request"
	}
	if d.timeRank > 0 {
		t, ok := parseTime(d.time)
		if !ok || !validTime(t) {
			return "the time is no valid time"
		}
		q.Time = t
	}
	switch {
	case d.contentLength >= 0:
		q.BytesIn = d.contentLength
	case q.HasBody:
		q.BytesIn = int64(len(q.Body))
	default:
		q.BytesIn = d.length
	}
	return ""
}

// field takes one key of the object.
func (d *jsonDecoder) field(key []byte, v *fastjson.Value) {
	q := d.q
	switch string(key) {
	case "msec":
		d.setTime(4, v)
	case "time_iso8601":
		d.setTime(3, v)
	case "time_local":
		d.setTime(2, v)
	case "timestamp", "time", "@timestamp":
		d.setTime(1, v)
	case "remote_addr":
		q.Client = d.text(v)
	case "request_method":
		q.Method = d.text(v)
	case "request_uri":
		if v.Type() == fastjson.TypeString {
			q.Target, d.target = d.arena.keep(v.GetStringBytes()), true
		}
	case "request":
		if v.Type() == fastjson.TypeString {
			d.line = d.arena.keep(v.GetStringBytes())
			if d.line == "" {
				d.target = true // an empty request is a request
			}
		}
	case "uri":
		d.path = d.text(v)
	case "args", "query_string":
		d.args = d.text(v)
	case "server_protocol":
		q.Protocol = d.text(v)
	case "status":
		n, ok := parseCount(d.scalar(v))
		if !ok || n > 999 {
			d.problem = "status is no number below 1000"
			return
		}
		q.Status = int32(max(n, 0))
	case "body_bytes_sent":
		if n, ok := parseCount(d.scalar(v)); ok {
			q.BytesOut = n
		}
	case "bytes_sent":
		if n, ok := parseCount(d.scalar(v)); ok && q.BytesOut < 0 {
			q.BytesOut = n
		}
	case "request_length":
		if n, ok := parseCount(d.scalar(v)); ok {
			d.length = n
		}
	case "content_length", "http_content_length":
		if n, ok := parseCount(d.scalar(v)); ok {
			d.contentLength = n
		}
	case "request_time":
		// "0.005, 0.010" or worse: the request is good, its latency unknown.
		if x, ok := parseSeconds(d.scalar(v)); ok {
			q.Latency = x
		}
	case "http_referer", "http_referrer":
		q.Referrer = d.text(v)
	case "http_user_agent":
		q.Agent = d.text(v)
	case "host", "http_host":
		q.Host = d.text(v)
	case "http_x_forwarded_for":
		q.Forwarded = d.text(v)
	case "remote_user", "user_id":
		if u := d.text(v); u != "" {
			q.User = u
		}
	case "session_id":
		q.Session = d.text(v)
	case "upstream_cache_status":
		q.Cache = d.text(v)
	case "request_body":
		q.Body = d.text(v)
		q.HasBody = q.Body != ""
	}
}

func (d *jsonDecoder) setTime(rank int, v *fastjson.Value) {
	if s := d.scalar(v); rank > d.timeRank && s != "" && s != "-" {
		d.time, d.timeRank = s, rank
	}
}

// text is the value of a string or number, "" for "-" and anything else.
func (d *jsonDecoder) text(v *fastjson.Value) string { return undash(d.scalar(v)) }

func (d *jsonDecoder) scalar(v *fastjson.Value) string {
	switch v.Type() {
	case fastjson.TypeString:
		return d.arena.keep(v.GetStringBytes())
	case fastjson.TypeNumber:
		d.num = v.MarshalTo(d.num[:0])
		return d.arena.keep(d.num)
	}
	return ""
}
