package ingest

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"apiml/traffic"
)

// A template is a line format as servers are told it: NGINX's log_format
// (https://nginx.org/en/docs/http/ngx_http_log_module.html) or Apache's LogFormat
// (https://httpd.apache.org/docs/2.4/mod/mod_log_config.html). A value ends where
// the text behind it begins; inside quotes an escaped quote does not end it.

// part is a piece of a template: a field, or text.
type part struct {
	field field
	isVar bool
	text  string
}

// parseTemplate reads either syntax; the first sign that belongs to one only
// decides.
func parseTemplate(s string) ([]part, error) {
	parts, err := nginxTemplate(s)
	if apacheSyntax(s) {
		parts, err = apacheTemplate(s)
	}
	if err != nil {
		return nil, err
	}
	vars := [numFields]bool{}
	for i, p := range parts {
		if p.isVar && i > 0 && parts[i-1].isVar {
			return nil, fmt.Errorf("log format %q: nothing stands between two fields, so that nobody can tell where the first one ends", s)
		}
		vars[p.field] = true
	}
	if !vars[fRequest] && !vars[fTarget] && !vars[fPath] {
		return nil, fmt.Errorf("log format %q: names no request ($request, $request_uri, %%r, %%U)", s)
	}
	return parts, nil
}

func apacheSyntax(s string) bool {
	return regexp.MustCompile(`%[<>]?(\{[^}]+\})?[a-zA-Z]`).MatchString(s) && !regexp.MustCompile(`\$[a-z_]{3,}`).MatchString(s)
}

// appendText adds text, joined to text before it.
func appendText(parts []part, text string) []part {
	if text == "" {
		return parts
	}
	if n := len(parts); n > 0 && !parts[n-1].isVar {
		parts[n-1].text += text
		return parts
	}
	return append(parts, part{text: text})
}

func nginxTemplate(s string) ([]part, error) {
	var parts []part
	for s != "" {
		i := strings.IndexByte(s, '$')
		if i < 0 {
			parts = appendText(parts, s)
			break
		}
		parts = appendText(parts, s[:i])
		s = s[i+1:]
		var name string
		if strings.HasPrefix(s, "{") {
			end := strings.IndexByte(s, '}')
			if end < 0 {
				return nil, errors.New("log format: ${ without }")
			}
			name, s = s[1:end], s[end+1:]
		} else {
			n := 0
			for n < len(s) && (s[n] == '_' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || n > 0 && s[n]-'0' <= 9) {
				n++
			}
			name, s = s[:n], s[n:]
		}
		if name == "" {
			parts = appendText(parts, "$")
			continue
		}
		parts = append(parts, part{isVar: true, field: nginxVariable(name)})
	}
	return parts, nil
}

// nginxVariable is what a variable of NGINX means; one that says nothing to us is
// read and left out.
func nginxVariable(name string) field {
	switch name = strings.ToLower(name); name {
	case "remote_addr", "realip_remote_addr", "binary_remote_addr":
		return fClient
	case "proxy_add_x_forwarded_for", "http_x_forwarded_for", "http_x_real_ip":
		return fForwarded
	case "remote_user":
		return fUser
	case "cookie_sessionid", "cookie_session", "cookie_session_id", "cookie_phpsessid", "cookie_jsessionid":
		return fSession
	case "time_local", "time_iso8601", "msec":
		return fTime
	case "request":
		return fRequest
	case "request_method":
		return fMethod
	case "request_uri":
		return fTarget
	case "uri", "document_uri":
		return fPath
	case "args", "query_string":
		return fQuery
	case "scheme":
		return fScheme
	case "server_protocol":
		return fProtocol
	case "status":
		return fStatus
	case "body_bytes_sent":
		return fBytesOut
	case "bytes_sent":
		return fBytesSent
	case "request_length", "content_length", "http_content_length":
		return fBytesIn
	case "request_time":
		return fSeconds
	case "upstream_response_time":
		return fUpstream
	case "http_referer":
		return fReferrer
	case "http_user_agent":
		return fAgent
	case "host", "http_host", "server_name":
		return fHost
	case "upstream_cache_status":
		return fCache
	case "request_body":
		return fBody
	}
	return fNone
}

func apacheTemplate(s string) ([]part, error) {
	var parts []part
	for s != "" {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			parts = appendText(parts, unslash(s))
			break
		}
		parts = appendText(parts, unslash(s[:i]))
		s = s[i+1:]
		if strings.HasPrefix(s, "%") {
			parts, s = appendText(parts, "%"), s[1:]
			continue
		}
		s = strings.TrimLeft(s, "<>!,0123456789") // %>s, %400,501{…}
		arg := ""
		if strings.HasPrefix(s, "{") {
			end := strings.IndexByte(s, '}')
			if end < 0 {
				return nil, errors.New("log format: %{ without }")
			}
			arg, s = s[1:end], s[end+1:]
		}
		if strings.HasPrefix(s, "^") && len(s) > 2 {
			s = s[2:] // %^FB and the like
		}
		if s == "" {
			return nil, errors.New("log format: % at the end")
		}
		p := part{isVar: true, field: apacheDirective(s[0], arg)}
		if s[0] == 't' && arg == "" {
			parts = appendText(parts, "[")
			parts = append(parts, p)
			parts, s = appendText(parts, "]"), s[1:]
			continue
		}
		parts, s = append(parts, p), s[1:]
	}
	return parts, nil
}

// unslash resolves the \" of a LogFormat that was copied with its escapes.
func unslash(s string) string {
	return strings.NewReplacer(`\"`, `"`, `\t`, "\t", `\\`, `\`).Replace(s)
}

func apacheDirective(c byte, arg string) field {
	arg = strings.ToLower(arg)
	switch c {
	case 'h':
		return fPeer
	case 'a':
		if arg == "c" {
			return fPeer
		}
		return fClient
	case 'u':
		return fUser
	case 't':
		switch arg {
		case "", "sec", "msec", "usec", "%s", "%y-%m-%dt%h:%m:%s%z", "%d/%b/%y:%h:%m:%s %z":
			return fTime
		}
		return fNone
	case 'r':
		return fRequest
	case 'm':
		return fMethod
	case 'U':
		return fPath
	case 'q':
		return fQuery
	case 'H':
		return fProtocol
	case 's':
		return fStatus
	case 'b', 'B':
		return fBytesOut
	case 'O':
		return fBytesSent
	case 'I':
		return fBytesIn
	case 'D':
		return fMicros
	case 'T':
		switch arg {
		case "ms":
			return fMillis
		case "us":
			return fMicros
		}
		return fSeconds
	case 'v', 'V':
		return fHost
	case 'i':
		switch arg {
		case "referer":
			return fReferrer
		case "user-agent", "user-agent:":
			return fAgent
		case "x-forwarded-for", "x-real-ip":
			return fForwarded
		case "host":
			return fHost
		case "content-length":
			return fBytesIn
		}
	case 'C':
		if strings.Contains(arg, "sess") {
			return fSession
		}
	}
	return fNone
}

// lineTemplate reads lines by a template.
type lineTemplate struct {
	parts []part
	open  bool // text may follow behind the last part
	loose bool // one space of the template stands for several of the line
	b     builder
}

func (t *lineTemplate) request(s string, q *traffic.Request) string {
	t.b.reset()
	if reason := t.read(s); reason != "" {
		return reason
	}
	if e := t.b.get(fTime); e != "" && e[0] == '[' {
		t.b.v[fTime] = strings.Trim(e, "[]")
	}
	if strings.IndexByte(s, '\\') >= 0 {
		for _, f := range [...]field{fRequest, fTarget, fPath, fQuery, fReferrer, fAgent, fUser, fBody} {
			if t.b.set[f] {
				t.b.v[f] = plain(t.b.v[f], true)
			}
		}
	}
	return t.b.record(q)
}

func (t *lineTemplate) read(s string) string {
	for i, p := range t.parts {
		if !p.isVar {
			rest, ok := t.text(s, p.text)
			if !ok {
				return fmt.Sprintf("no %q where the format has it", p.text)
			}
			s = rest
			continue
		}
		if i+1 == len(t.parts) {
			if t.open {
				if k := strings.IndexByte(s, ' '); k >= 0 {
					s = s[:k]
				}
			}
			t.b.put(p.field, s)
			s = ""
			break
		}
		next := t.parts[i+1].text
		end := t.end(s, next, i > 0 && strings.HasSuffix(t.parts[i-1].text, `"`), p.field == fRequest)
		if end < 0 {
			if i+2 == len(t.parts) && strings.TrimSpace(next) == "" {
				t.b.put(p.field, s)
				return ""
			}
			return fmt.Sprintf("no %q behind a field", next)
		}
		t.b.put(p.field, s[:end])
		s = s[end:]
	}
	if s != "" && !t.open && !blank(s) {
		return "text behind the end of the format"
	}
	return ""
}

// text takes the text of the template off the front of s.
func (t *lineTemplate) text(s, text string) (string, bool) {
	if !t.loose {
		return strings.CutPrefix(s, text)
	}
	for text != "" {
		if text[0] == ' ' {
			trimmed := strings.TrimLeft(s, " ")
			if len(trimmed) == len(s) {
				return s, false
			}
			s, text = trimmed, strings.TrimLeft(text, " ")
			continue
		}
		if s == "" || s[0] != text[0] {
			return s, false
		}
		s, text = s[1:], text[1:]
	}
	return s, true
}

// end finds where a value ends that next follows.
func (t *lineTemplate) end(s, next string, quoted, request bool) int {
	for i := 0; ; {
		n := strings.Index(s[i:], next)
		if n < 0 {
			return -1
		}
		i += n
		if quoted && next[0] == '"' && escapedAt(s, i) {
			i++
			continue
		}
		// A quote inside a request is sent by clients; behind the real one the status follows.
		if request && next[0] == '"' && len(next) > 1 && i+len(next) < len(s) && next[len(next)-1] == ' ' {
			if c := s[i+len(next)]; c != '-' && c-'0' > 9 && c != '"' {
				i++
				continue
			}
		}
		return i
	}
}

// userTemplates are the formats that Options.LogFormat gives: a format, or the
// path of an nginx.conf or httpd.conf with some.
// path:name stands for the one of that name.
func userTemplates(s string) ([]namedTemplate, error) {
	name := ""
	if _, err := os.Stat(s); err != nil && !strings.ContainsAny(s, "$%") {
		if i := strings.LastIndexByte(s, ':'); i > 0 {
			if _, err := os.Stat(s[:i]); err == nil {
				s, name = s[:i], s[i+1:]
			}
		}
	}
	if fi, err := os.Stat(s); err == nil && fi.Mode().IsRegular() {
		if fi.Size() > 4<<20 {
			return nil, fmt.Errorf("%s: too large for a configuration", s)
		}
		b, err := os.ReadFile(s)
		if err != nil {
			return nil, err
		}
		var out []namedTemplate
		var names []string
		for _, f := range configFormats(string(b)) {
			names = append(names, f.name)
			if name != "" && f.name != name {
				continue
			}
			if parts, err := parseTemplate(f.text); err == nil {
				out = append(out, namedTemplate{f.name, parts})
			}
		}
		if len(out) == 0 && name != "" {
			return nil, fmt.Errorf("%s: no log format %q that names a request; there are %s", s, name, strings.Join(names, ", "))
		}
		if len(out) == 0 {
			return nil, fmt.Errorf("%s: no log_format and no LogFormat that names a request", s)
		}
		return out, nil
	}
	parts, err := parseTemplate(s)
	if err != nil {
		return nil, err
	}
	return []namedTemplate{{"", parts}}, nil
}

type namedTemplate struct {
	name  string
	parts []part
}

type configFormat struct{ name, text string }

// configFormats finds log_format NAME [escape=…] 'string' …; of NGINX and
// LogFormat "string" NAME of Apache.
func configFormats(conf string) []configFormat {
	var out []configFormat
	conf = regexp.MustCompile(`(?m)^[ \t]*#.*$`).ReplaceAllString(conf, "") // what is commented out was never written
	quoted := regexp.MustCompile(`'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"`)
	for _, m := range regexp.MustCompile(`(?s)\blog_format\s+(\S+)\s+((?:[^;'"]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")*);`).FindAllStringSubmatch(conf, -1) {
		text := ""
		for _, q := range quoted.FindAllStringSubmatch(m[2], -1) {
			text += q[1] + q[2]
		}
		if text == "" {
			text = strings.TrimSpace(regexp.MustCompile(`^escape=\S+`).ReplaceAllString(strings.TrimSpace(m[2]), ""))
		}
		out = append(out, configFormat{m[1], strings.NewReplacer(`\'`, `'`, `\"`, `"`).Replace(text)})
	}
	for _, m := range regexp.MustCompile(`(?m)^\s*LogFormat\s+"((?:[^"\\]|\\.)*)"\s*(\S*)`).FindAllStringSubmatch(conf, -1) {
		out = append(out, configFormat{m[2], m[1]})
	}
	return out
}

// templateFormat reads the lines of a user's own format. Where there are several
// that fit, the one that most of the first lines have is taken.
func templateFormat() format {
	return format{
		FormatInfo: FormatInfo{"log-format", "lines of the given log format", "--log-format with NGINX's log_format, Apache's LogFormat, or the path of an nginx.conf"},
		open: func(head string, opt *Options) (*decoder, error) {
			if opt.LogFormat == "" {
				return nil, errors.New("no --log-format was given")
			}
			all, err := userTemplates(opt.LogFormat)
			if err != nil {
				return nil, &nearMiss{err.Error()}
			}
			var best *decoder
			most, fields := -1, 0
			for _, t := range all {
				lt := &lineTemplate{parts: t.parts}
				d := &decoder{request: lt.request}
				hits, _ := d.sample(head, false)
				hits *= min(len(t.parts), 4) // '$request' alone fits everything and says nothing
				if hits > most || hits == most && len(t.parts) > fields {
					most, fields, best = hits, len(t.parts), &decoder{request: (&lineTemplate{parts: t.parts}).request}
					if t.name != "" {
						best.note = fmt.Sprintf(" (log_format %s of %s)", t.name, opt.LogFormat)
					}
				}
			}
			return best, nil
		},
	}
}
