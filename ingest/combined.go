package ingest

import (
	"net/netip"
	"strconv"
	"strings"

	"apiml/traffic"
)

// NGINX and Apache access logs:
//
//	client ident user [time] "request" status size "referrer" "agent" …
//
// One scanner reads both; common is combined without the two last fields. A
// byte scanner without regular expressions: every field is found by one search
// for its delimiter.

func combinedFormat() format {
	return format{
		FormatInfo: FormatInfo{"combined", "NGINX/Apache combined log lines",
			"also with a leading virtual host, trailing quoted fields, or a trailing $request_time"},
		open: func(string, *Options) (*decoder, error) {
			return &decoder{
				request: combinedRequest,
				looks: func(s string) bool {
					var q traffic.Request
					reason, agent := parseCombined(s, &q)
					return reason == "" && agent
				},
			}, nil
		},
	}
}

func commonFormat() format {
	return format{
		FormatInfo: FormatInfo{"common", "common log format lines", "without referrer and user agent; host names as clients, HTTP/0.9 requests"},
		open: func(string, *Options) (*decoder, error) {
			return &decoder{
				request: combinedRequest,
				looks: func(s string) bool {
					var q traffic.Request
					reason, agent := parseCombined(s, &q)
					return reason == "" && !agent
				},
			}, nil
		},
	}
}

func combinedRequest(s string, q *traffic.Request) string {
	reason, _ := parseCombined(s, q)
	return reason
}

// parseCombined fills q from one line. It says whether the line has the two
// fields of the combined format.
func parseCombined(s string, q *traffic.Request) (reason string, agent bool) {
	// Some exports wrap the whole line in one more pair of quotes.
	if n := len(s); n > 1 && s[0] == '"' && s[n-1] == '"' {
		s = s[1 : n-1]
	}
	sp := strings.IndexByte(s, ' ')
	if sp <= 0 {
		return "no client address at the beginning", false
	}
	q.Client = s[:sp]
	at := sp + 1 // behind the client
	open, end := -1, 0
	if strings.HasPrefix(s[at:], "- - [") {
		open, end = at+4, timeEnd(s, at+4, q)
	}
	if end == 0 {
		// A user name is the client's choice and may hold spaces and brackets.
		// The request is quoted, so no time stands behind the first quote.
		limit := strings.IndexByte(s, '"')
		if limit < 0 {
			return "no quoted request", false
		}
		for i := at; i < limit; {
			b := strings.IndexByte(s[i:limit], '[')
			if b < 0 {
				break
			}
			if end = timeEnd(s, i+b, q); end > 0 {
				open = i + b
				break
			}
			i += b + 1
		}
		if end == 0 {
			return "no valid time in brackets", false
		}
		if reason := parseUser(s[at:open], q); reason != "" {
			return reason, false
		}
	}
	rest := s[end:]
	if !strings.HasPrefix(rest, ` "`) {
		return "no quoted request behind the time", false
	}
	rest = rest[2:]
	close := requestEnd(rest)
	if close < 0 {
		return "no closing quote and status behind the request", false
	}
	request, rest := rest[:close], rest[close+2:]

	// status size
	field, rest, more := strings.Cut(rest, " ")
	if field != "-" {
		if len(field) != 3 || num(field) < 0 {
			return "status is no three-digit number", false
		}
		q.Status = int32(num(field))
	}
	if !more {
		return "no response size", false
	}
	field, rest, more = strings.Cut(rest, " ")
	if field != "-" {
		n, ok := parseCount(field)
		if !ok {
			return "response size is no number", false
		}
		q.BytesOut = n
	}
	escaped := strings.IndexByte(s, '\\') >= 0
	parseRequestLine(plain(request, escaped), q)
	if !more {
		return "", false
	}

	// "referrer" "agent"
	if rest == "" || rest[0] != '"' {
		return "no quoted referrer behind the size", false
	}
	rest = rest[1:]
	if close = quoteEnd(rest, true); close < 0 {
		return "no closing quote and user agent behind the referrer", false
	}
	q.Referrer = undash(plain(rest[:close], escaped))
	rest = rest[close+3:]
	if close = quoteEnd(rest, false); close < 0 {
		return "no closing quote behind the user agent", false
	}
	q.Agent = undash(plain(rest[:close], escaped))
	if rest = rest[close+1:]; rest != "" {
		parseExtras(rest, q)
	}
	return "", true
}

// timeEnd reads the bracketed time at s[open] and returns the position behind
// its bracket, 0 if there is no valid time.
func timeEnd(s string, open int, q *traffic.Request) int {
	s = s[open+1:]
	n := strings.IndexByte(s[:min(len(s), 48)], ']')
	if n < 0 {
		return 0
	}
	t, ok := parseLogTime(s[:n])
	if !ok {
		return 0
	}
	q.Time = t
	return open + 1 + n + 1
}

// parseUser reads what stands between client and time: "ident user ".
func parseUser(s string, q *traffic.Request) string {
	s = strings.TrimSuffix(s, " ")
	first, rest, ok := strings.Cut(s, " ")
	if !ok {
		return "no ident and user between client and time"
	}
	// vhost_combined: the server's name stands first.
	if isAddress(first) && !isAddress(q.Client) && strings.Contains(rest, " ") {
		q.Host, q.Client = q.Client, first
		_, rest, _ = strings.Cut(rest, " ")
	}
	q.User = undash(rest)
	return ""
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// requestEnd finds the quote that closes the request: unescaped, and followed
// by a status.
func requestEnd(s string) int {
	for i := 0; ; {
		n := strings.IndexByte(s[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		if i+2 < len(s) && s[i+1] == ' ' && (s[i+2] == '-' || s[i+2]-'0' <= 9) && !escapedAt(s, i) {
			return i
		}
		i++
	}
}

// quoteEnd finds the quote that closes a field: unescaped, and followed by
// another quoted field if quoted, else by a space or the end.
func quoteEnd(s string, quoted bool) int {
	for i := 0; ; {
		n := strings.IndexByte(s[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		follows := i+1 == len(s) || s[i+1] == ' '
		if quoted {
			follows = i+2 < len(s) && s[i+1] == ' ' && s[i+2] == '"'
		}
		if follows && !escapedAt(s, i) {
			return i
		}
		i++
	}
}

// escapedAt: an odd number of backslashes stands before s[i].
func escapedAt(s string, i int) bool {
	n := 0
	for i-n > 0 && s[i-n-1] == '\\' {
		n++
	}
	return n%2 == 1
}

// plain undoes the escapes of the log writers: \" and \\ of Apache, \xNN of
// both. Other backslashes stay.
func plain(s string, escaped bool) string {
	if !escaped || strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			switch s[i+1] {
			case '"', '\\':
				i++
			case 'x':
				if v, ok := hexByte(s[i+2:]); ok {
					b = append(b, v)
					i += 3
					continue
				}
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// hexByte reads two hexadecimal digits at the beginning of s.
func hexByte(s string) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	h, l := hexDigit(s[0]), hexDigit(s[1])
	return h<<4 | l, h < 16 && l < 16
}

func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

func undash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// parseRequestLine reads "METHOD target PROTOCOL". HTTP/0.9 has no protocol;
// what is no request at all ("-", the first bytes of a TLS handshake) becomes
// the target of a record without a method, because somebody did send it.
func parseRequestLine(s string, q *traffic.Request) {
	sp := strings.IndexByte(s, ' ')
	if sp <= 0 || !isMethod(s[:sp]) {
		q.Target = s
		return
	}
	method, target := s[:sp], s[sp+1:]
	if i := strings.LastIndexByte(target, ' '); i >= 0 && isProtocol(target[i+1:]) {
		q.Method, q.Target, q.Protocol = undash(method), target[:i], undash(target[i+1:])
		return
	}
	if method == "-" || target == "" || !isUpper(method) || target[0] != '/' && target[0] != '*' && !strings.Contains(target, "://") {
		q.Target = s
		return
	}
	q.Method, q.Target = method, target
}

// isMethod: "-" or an HTTP token of letters (and the - and _ of extensions).
func isMethod(s string) bool {
	if len(s) > 32 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return true
}

func isUpper(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}

func isProtocol(s string) bool {
	return s == "-" || len(s) > 5 && len(s) <= 12 && s[:5] == "HTTP/" && s[5]-'0' <= 9
}

// parseExtras reads what stands behind the agent. A quoted list of addresses
// is NGINX's $http_x_forwarded_for; one unquoted decimal number is a
// $request_time. Anything else is left alone: two numbers could be anything.
func parseExtras(s string, q *traffic.Request) {
	numbers, first := 0, true
	latency := -1.0
	for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, " ") {
		if s[0] == '"' {
			end := quoteEnd(s[1:], false)
			if end < 0 {
				break
			}
			if f := s[1 : 1+end]; first && isAddressList(f) {
				q.Forwarded = f
			}
			first = false
			s = s[end+2:]
			continue
		}
		field, rest, _ := strings.Cut(s, " ")
		s = rest
		numbers++
		if strings.IndexByte(field, '.') > 0 && len(field) <= 20 && strings.Trim(field, "0123456789.") == "" {
			if v, err := strconv.ParseFloat(field, 64); err == nil {
				latency = v
			}
		}
	}
	if numbers == 1 {
		q.Latency = latency
	}
}

func isAddressList(s string) bool {
	if len(s) < 3 || len(s) > 512 {
		return false
	}
	for part := range strings.SplitSeq(s, ",") {
		if !isAddress(strings.TrimSpace(part)) {
			return false
		}
	}
	return true
}
