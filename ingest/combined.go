package ingest

import (
	"iter"
	"net/netip"
	"slices"
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
		open: func(head string, _ *Options) (*decoder, error) {
			plan, note := planExtras(head)
			plan.times = &timeMemo{}
			return &decoder{
				request: func(s string, q *traffic.Request) string {
					reason, _ := parseCombined(s, q, plan)
					return reason
				},
				looks: func(s string) bool {
					var q traffic.Request
					reason, agent := parseCombined(s, &q, plan)
					return reason == "" && agent
				},
				note:  note,
				lends: true,
			}, nil
		},
	}
}

func commonFormat() format {
	return format{
		FormatInfo: FormatInfo{"common", "common log format lines", "without referrer and user agent; host names as clients, HTTP/0.9 requests"},
		open: func(string, *Options) (*decoder, error) {
			plan := extras{latency: -1, unit: 1, times: &timeMemo{}}
			return &decoder{
				request: func(s string, q *traffic.Request) string {
					reason, _ := parseCombined(s, q, plan)
					return reason
				},
				lends: true,
				looks: func(s string) bool {
					var q traffic.Request
					reason, agent := parseCombined(s, &q, extras{latency: -1})
					return reason == "" && !agent
				},
			}, nil
		},
	}
}

func combinedRequest(s string, q *traffic.Request) string {
	reason, _ := parseCombined(s, q, extras{latency: -1, unit: 1})
	return reason
}

// parseCombined fills q from one line. It says whether the line has the two
// fields of the combined format.
func parseCombined(s string, q *traffic.Request, plan extras) (reason string, agent bool) {
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
		open, end = at+4, timeEnd(s, at+4, q, plan.times)
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
			if end = timeEnd(s, i+b, q, plan.times); end > 0 {
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
		parseExtras(rest, q, plan)
	}
	return "", true
}

// timeEnd reads the bracketed time at s[open] and returns the position behind
// its bracket, 0 if there is no valid time.
func timeEnd(s string, open int, q *traffic.Request, memo *timeMemo) int {
	s = s[open+1:]
	usual := len(s) > timeLen && s[timeLen] == ']' // without a fraction
	if usual && memo != nil && s[:timeLen] == string(memo.text[:]) {
		q.Time = memo.time
		return open + 1 + timeLen + 1
	}
	n := timeLen
	if !usual || strings.IndexByte(s[:timeLen], ']') >= 0 {
		n = strings.IndexByte(s[:min(len(s), 48)], ']')
	}
	if n < 0 {
		return 0
	}
	t, ok := parseLogTime(s[:n])
	if !ok || !validTime(t) { // the zone can push it into the year 10000
		return 0
	}
	if n == timeLen && memo != nil {
		copy(memo.text[:], s)
		memo.time = t
	}
	q.Time = t
	return open + 1 + n + 1
}

const timeLen = len("02/Jan/2006:15:04:05 -0700")

// timeMemo is the time that was read last: a busy log repeats it.
type timeMemo struct {
	text [timeLen]byte
	time int64
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
		q.Host, q.Client = hostOnly(q.Client), first // Apache's vhost_combined has the port behind the name
		_, rest, _ = strings.Cut(rest, " ")
		if id, user, three := strings.Cut(rest, " "); three && len(id) == 32 { // BunkerWeb: ident, request id, user
			rest = user
		}
	}
	q.User = undash(rest)
	return ""
}

func isAddress(s string) bool {
	// ParseAddr allocates its error: most of what is no address is seen before.
	if s == "" || s[0] != ':' && hexDigit(s[0]) > 15 || !strings.ContainsAny(s, ".:") {
		return false
	}
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

// extras says what the numbers behind the agent mean. Without more to go by one
// decimal number is NGINX's $request_time.
type extras struct {
	times   *timeMemo
	latency int     // which unquoted plain number is the latency, from 0; -1 = see above
	unit    float64 // in seconds
}

// planExtras looks at the first lines: where several numbers stand behind the
// agent, the one that is never smaller than the others is the time of the whole
// request; where one whole number does, it is Apache's %D if it has its size.
func planExtras(head string) (plan extras, note string) {
	plan = extras{latency: -1, unit: 1}
	var rows [][]float64
	decimals := 0
	for line := range strings.SplitSeq(head, "\n") {
		if len(rows) == sampleUnits {
			break
		}
		var q traffic.Request
		var numbers []float64
		whole := true
		if rest, ok := behindAgent(trimEnd(line), &q); ok {
			for f, quoted := range extraFields(rest) {
				if v, ok := plainNumber(f); ok && !quoted {
					numbers = append(numbers, v)
					whole = whole && strings.IndexByte(f, '.') < 0
				}
			}
			rows = append(rows, numbers)
			if !whole {
				decimals++
			}
		}
	}
	if len(rows) == 0 || len(rows[0]) == 0 {
		return plan, ""
	}
	var first []float64
	pairs, firstLargest, secondLargest, same := 0, 0, 0, 0
	for _, r := range rows {
		if len(r) == 0 {
			continue
		}
		first = append(first, r[0])
		if len(r) < 2 {
			continue
		}
		pairs++
		if r[0] >= slices.Max(r) {
			firstLargest++
		}
		if r[1] >= slices.Max(r) {
			secondLargest++
		}
		if r[1] >= r[0]*1e6 && r[1] < (r[0]+1)*1e6 {
			same++
		}
	}
	slices.Sort(first)
	median := first[len(first)/2]
	switch {
	case decimals == 0 && pairs == 0 && len(first) >= 10 && median >= 2000 && first[len(first)-1] > 3*median:
		return extras{latency: 0, unit: 1e-6}, "; the number behind the agent is taken for %D, microseconds"
	case decimals == 0 && pairs >= 10 && same == pairs: // "%T %D": seconds, and the same in microseconds
		return extras{latency: 1, unit: 1e-6}, ""
	case decimals*10 >= len(first)*9 && pairs > 0 && firstLargest*10 >= pairs*9:
		return extras{latency: 0, unit: 1}, ""
	case decimals*10 >= len(first)*9 && pairs == len(first) && secondLargest*10 >= pairs*9:
		return extras{latency: 1, unit: 1}, ""
	}
	return plan, ""
}

// behindAgent is what stands behind the user agent of a combined line.
func behindAgent(s string, q *traffic.Request) (string, bool) {
	for range 3 {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return "", false
		}
		s = s[i+1:]
		end := -1
		if q.Target == "" {
			q.Target = "-"
			end = requestEnd(s)
		} else {
			end = quoteEnd(s, false)
		}
		if end < 0 {
			return "", false
		}
		s = s[end+1:]
	}
	return s, true
}

// extraFields walks the fields behind the agent: quoted ones without their quotes.
func extraFields(s string) iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, " ") {
			if s[0] == '"' {
				end := quoteEnd(s[1:], false)
				if end < 0 {
					return
				}
				if !yield(s[1:1+end], true) {
					return
				}
				s = s[end+2:]
				continue
			}
			field, rest, _ := strings.Cut(s, " ")
			s = rest
			if !yield(field, false) {
				return
			}
		}
	}
}

// plainNumber reads digits with at most one point.
func plainNumber(f string) (float64, bool) {
	if f == "" || len(f) > 20 || strings.Trim(f, "0123456789.") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(f, 64)
	return v, err == nil
}

// parseExtras reads what stands behind the agent: X-Forwarded-For, request and
// upstream times, cache status, and the fields of ingress-nginx and Traefik.
// Anything else is left alone.
func parseExtras(s string, q *traffic.Request, plan extras) {
	numbers, decimals, i := 0, 0, 0
	latency, one := -1.0, -1.0
	ingress := [3]string{}
	for f, quoted := range extraFields(s) {
		if i < 3 {
			ingress[i] = f
		}
		i++
		switch {
		case f == "" || f == "-":
		case quoted && q.Forwarded == "" && isAddressList(f):
			q.Forwarded = f
		case q.Cache == "" && isCacheStatus(f):
			q.Cache = f
		case strings.IndexByte(f, '=') > 0:
			key, v, _ := strings.Cut(f, "=")
			v = strings.Trim(v, `"`)
			switch key {
			case "rt", "request_time", "rtime", "reqtime":
				if x, ok := parseSeconds(v); ok && x >= 0 {
					latency = x
				}
			case "cs", "cache", "upstream_cache_status":
				q.Cache = cacheStatus(v)
			}
		case quoted:
		default:
			if v, ok := plainNumber(f); ok {
				if numbers == plan.latency {
					latency = v * plan.unit
				}
				numbers++
				if strings.IndexByte(f, '.') > 0 {
					decimals++
					one = v
				}
			} else if n := len(f); f[n-1] == 's' && f[0]-'0' <= 9 { // Traefik: 12ms
				if v, ok := parseSuffixed(f); ok {
					latency = v
				}
			}
		}
	}
	switch {
	case strings.HasPrefix(ingress[2], "[") && num(ingress[0]) >= 0: // ingress-nginx: length time [service] …
		if n, ok := parseCount(ingress[0]); ok {
			q.BytesIn = n
		}
		if v, ok := plainNumber(ingress[1]); ok {
			latency = v
		}
	case latency < 0 && numbers == 1 && decimals == 1:
		latency = one
	}
	q.Latency = latency
}

// isCacheStatus: one of the values of $upstream_cache_status.
func isCacheStatus(s string) bool {
	switch s {
	case "HIT", "MISS", "BYPASS", "EXPIRED", "STALE", "UPDATING", "REVALIDATED", "SCARCE":
		return true
	}
	return false
}

func isAddressList(s string) bool {
	if len(s) < 3 || len(s) > 512 {
		return false
	}
	for more := true; more; {
		var part string
		if part, s, more = strings.Cut(s, ","); !isAddress(strings.TrimSpace(part)) {
			return false
		}
	}
	return true
}
