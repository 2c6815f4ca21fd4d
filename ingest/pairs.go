package ingest

import (
	"strings"

	"apiml/traffic"
)

// Lines of key and value: LTSV (http://ltsv.org) and logfmt (Heroku's router, Go
// services), behind whatever a collector put before them.

func ltsvFormat() format {
	return format{
		FormatInfo: FormatInfo{"ltsv", "LTSV lines", "labels such as time, host, req or method and uri, status, size, reqtime, apptime, ua, referer"},
		open: func(_ string, opt *Options) (*decoder, error) {
			d := &ltsvDecoder{names: commonNames().with(fClient, "host").with(fHost, "vhost").apply(opt.Mapping)}
			return &decoder{request: d.request}, nil
		},
	}
}

type ltsvDecoder struct {
	names names
	b     builder
}

func (d *ltsvDecoder) request(s string, q *traffic.Request) string {
	if strings.IndexByte(s, '\t') < 0 {
		return "no tab between labels"
	}
	d.b.reset()
	for pair := range strings.SplitSeq(s, "\t") {
		key, v, ok := strings.Cut(pair, ":")
		if !ok {
			if blank(pair) {
				continue
			}
			return "a field has no label"
		}
		d.b.put(d.names[key], v)
	}
	if v := d.b.get(fTime); len(v) > 2 && v[0] == '[' {
		d.b.v[fTime] = strings.Trim(v, "[]")
	}
	if !d.b.set[fRequest] && d.b.get(fTarget) == "" && d.b.get(fPath) == "" {
		return "no req and no uri"
	}
	return d.b.record(q)
}

func logfmtFormat() format {
	return format{
		FormatInfo: FormatInfo{"logfmt", "logfmt lines", "key=value pairs such as method=GET path=/ status=200 duration=12ms; Heroku's router"},
		open: func(_ string, opt *Options) (*decoder, error) {
			d := &logfmtDecoder{names: commonNames().with(fHost, "host").with(fForwarded, "fwd").with(fConnect, "connect").apply(opt.Mapping)}
			return &decoder{request: d.request}, nil
		},
	}
}

type logfmtDecoder struct {
	names names
	b     builder
}

func (d *logfmtDecoder) request(s string, q *traffic.Request) string {
	d.b.reset()
	prefix, pairs := s, 0
	for i := 0; i < len(s); {
		// A key stands at the beginning or behind a space.
		eq := strings.IndexByte(s[i:], '=')
		if eq < 0 {
			break
		}
		eq += i
		at := strings.LastIndexByte(s[i:eq], ' ') + 1 + i
		key := s[at:eq]
		if key == "" || strings.ContainsAny(key, `"[]{}`) {
			i = eq + 1
			continue
		}
		if pairs == 0 {
			prefix = s[:at]
		}
		pairs++
		rest := s[eq+1:]
		var v string
		switch {
		case rest != "" && rest[0] == '"':
			end := 1
			for end < len(rest) && !(rest[end] == '"' && !escapedAt(rest, end)) {
				end++
			}
			v = rest[1:min(end, len(rest))]
			if strings.IndexByte(v, '\\') >= 0 {
				v = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(v)
			}
			i = eq + 1 + min(end+1, len(rest))
		default:
			end := strings.IndexByte(rest, ' ')
			if end < 0 {
				end = len(rest)
			}
			v = rest[:end]
			i = eq + 1 + end
		}
		d.b.put(d.names[strings.ToLower(key)], v)
	}
	if pairs < 3 {
		return "no key=value pairs"
	}
	if d.b.get(fTarget) == "" && d.b.get(fPath) == "" && !d.b.set[fRequest] {
		return "no path"
	}
	if d.b.get(fMethod) == "" && !d.b.set[fRequest] {
		return "no method"
	}
	if d.b.get(fTime) == "" { // "2014-02-08T21:35:46.735245+00:00 heroku[router]: …"
		if first, _, _ := strings.Cut(prefix, " "); first != "" {
			if _, ok := parseTime(first); ok {
				d.b.set[fTime] = false
				d.b.put(fTime, first)
			}
		}
	}
	return d.b.record(q)
}
