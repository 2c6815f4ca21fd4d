package ingest

import (
	"hash/maphash"
	"strings"
	"unsafe"

	"apiml/traffic"
)

// Redaction takes secrets out of what a log holds and leaves the structure that
// detection needs:
//
//   - A value under a sensitive name (password, token, session, card, …) in a
//     query, a form body or a JSON body keeps its length, its punctuation and the
//     words of a fixed list of SQL, HTML and shell keywords. Its other letters
//     become x, its other digits 0: ' OR '1'='1 becomes ' OR '0'='0. An escape
//     stays an escape: %27 stays, %41 becomes %78.
//   - A JSON Web Token anywhere becomes [jwt alg=HS256 len=212], with sig=0 at its
//     end if a signature is missing that the algorithm asks for.
//   - A card number with a valid check digit (Luhn) and the prefix of an issuer
//     becomes [pan].
//   - What looks like a secret by its form (keys of cloud and code hosts, Bearer
//     and Basic credentials, the password in a URL, a private key) is masked like
//     the value under a sensitive name.
//   - E-mail addresses and phone numbers in URLs are counted, and masked if asked
//     for: see Options.RedactPII.
//
// It is idempotent, and allocates nothing if there is nothing to redact. Known
// gap: multipart bodies.

// Kinds of redacted values, as Coverage counts them.
const (
	KindSecret = "secret"
	KindJWT    = "jwt"
	KindPAN    = "pan"
)

// Redact redacts one line of a log, or any text. kinds names the kind of every
// value that it replaced; nil means that nothing changed.
func Redact(s string) (redacted string, kinds []string) {
	var r redactor
	s = r.line(s)
	for _, k := range []struct {
		n    int64
		kind string
	}{{r.secrets, KindSecret}, {r.jwts, KindJWT}, {r.pans, KindPAN}} {
		for range k.n {
			kinds = append(kinds, k.kind)
		}
	}
	return s, kinds
}

// redactor redacts and counts. It serves one goroutine.
type redactor struct {
	tally
	pii    piiCount
	mask   bool       // mask personal data too
	noRaw  bool       // nobody will see the raw record
	agents *agentMemo // nil = each is looked at anew
}

// tally counts values by kind.
type tally struct{ secrets, jwts, pans int64 }

func (r *redactor) counts() map[string]int64 {
	m := map[string]int64{}
	for kind, n := range map[string]int64{KindSecret: r.secrets, KindJWT: r.jwts, KindPAN: r.pans} {
		if n > 0 {
			m[kind] = n
		}
	}
	return m
}

// record redacts the fields of q and its raw bytes. Fields are substrings of
// the raw record unless it holds escapes, so that one look at the raw record
// clears them all. A value counts once, not again for the raw record.
func (r *redactor) record(q *traffic.Request, d *decoder) {
	if r.noRaw {
		r.fields(q)
		return
	}
	found := r.look(q, d)
	whole := strings.IndexByte(q.Raw, '\\') < 0 && !(d.doubles && strings.Contains(q.Raw, `""`))
	if found&hasPersonal != 0 || !whole || within(q.Raw, q.Target) < 0 || q.Referrer != "" && within(q.Raw, q.Referrer) < 0 {
		if r.personal(q) && r.mask {
			found = r.look(q, d)
		}
	}
	if found&hasSecret == 0 && whole {
		return
	}
	before := r.tally
	for _, f := range [...]*string{
		&q.Target, &q.Referrer, &q.Agent, &q.Body, &q.Host, &q.Client, &q.Forwarded, &q.User, &q.Session, &q.Cache, &q.Method, &q.Protocol,
	} {
		r.field(f, f == &q.Body)
	}
	if found&hasSecret == 0 {
		return
	}
	after := r.tally
	q.Raw = r.text(q.Raw, true, d.ownNames)
	if after != before {
		r.tally = after
	}
}

// fields redacts the fields of q, whose raw bytes nobody will see.
func (r *redactor) fields(q *traffic.Request) {
	target, referrer := scan(q.Target, nil), scan(q.Referrer, nil)
	if (target|referrer)&hasPersonal != 0 && r.personal(q) && r.mask {
		target, referrer = scan(q.Target, nil), scan(q.Referrer, nil)
	}
	if target&hasSecret != 0 {
		r.field(&q.Target, false)
	}
	if referrer&hasSecret != 0 {
		r.field(&q.Referrer, false)
	}
	if q.Agent != "" && r.agentSuspect(q.Agent) {
		q.Agent = r.text(q.Agent, false, nil)
	}
	r.field(&q.Client, false)
	r.field(&q.User, false)
	r.field(&q.Body, true)
	for _, f := range [...]*string{&q.Host, &q.Forwarded, &q.Session, &q.Cache} {
		r.field(f, false)
	}
	switch q.Method {
	case "GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS":
	default:
		r.field(&q.Method, false)
	}
	switch q.Protocol {
	case "HTTP/1.1", "HTTP/2.0", "HTTP/1.0", "HTTP/3.0":
	default:
		r.field(&q.Protocol, false)
	}
}

// RedactRequest redacts the fields of a request that comes from no log, as a
// Reader does those of a log.
func RedactRequest(q *traffic.Request) {
	r := redactor{noRaw: true}
	r.record(q, nil)
}

// field redacts one field. The shortest secret is the one of "pw=x".
func (r *redactor) field(f *string, body bool) {
	if len(*f) > 3 && suspect(*f, nil) {
		*f = r.text(*f, body && isJSON(*f), nil)
	}
}

// look scans the raw record of q. Half of a line is the user agent, of which a
// log has few: each is looked at once.
func (r *redactor) look(q *traffic.Request, d *decoder) int {
	at := within(q.Raw, q.Agent)
	if at <= 0 || len(q.Agent) < 32 {
		return scan(q.Raw, d.ownNames)
	}
	found := scan(q.Raw[:at], d.ownNames) | scan(q.Raw[at+len(q.Agent):], d.ownNames)
	if r.agentSuspect(q.Agent) {
		found |= hasSecret
	}
	return found
}

// agentSuspect is suspect for a user agent, alone and between quotes, which it
// remembers: a log has few of them.
func (r *redactor) agentSuspect(agent string) bool {
	hit := func() bool { return suspect(agent, nil) || suspect(`"`+agent+`"`, nil) }
	if r.agents == nil {
		return hit()
	}
	h := maphash.String(r.agents.seed, agent) | 1
	seen := &r.agents.seen[h>>32%uint64(len(r.agents.seen))]
	switch *seen {
	case h:
		return false
	case h ^ 1:
		return true
	}
	if !hit() {
		*seen = h
		return false
	}
	*seen = h ^ 1
	return true
}

// agentMemo remembers user agents by a hash that nobody outside can guess; the
// last bit says that the agent is suspect.
type agentMemo struct {
	seed maphash.Seed
	seen [4096]uint64
}

// within returns where part, a substring, begins in s; -1 if part is another
// string.
func within(s, part string) int {
	at := uintptr(unsafe.Pointer(unsafe.StringData(part))) - uintptr(unsafe.Pointer(unsafe.StringData(s)))
	if part == "" || at > uintptr(len(s)) || at+uintptr(len(part)) > uintptr(len(s)) {
		return -1
	}
	return int(at)
}

// line redacts a whole log line.
func (r *redactor) line(s string) string {
	if r.mask {
		s, _ = hideAll(s)
	}
	if !suspect(s, nil) {
		return s
	}
	return r.text(s, true, nil)
}

func isJSON(s string) bool {
	s = strings.TrimLeft(s, " \t\r\n")
	return s != "" && (s[0] == '{' || s[0] == '[')
}

// suspect reports whether text might change s. It may err on the side of true.
func suspect(s string, own func(string) bool) bool { return scan(s, own)&hasSecret != 0 }

// What scan found.
const (
	hasSecret   = 1 << iota // text might change s
	hasPersonal             // findPersonal might find something
)

// scan proves in one pass over the bytes that there is nothing to redact: each
// secret and each piece of personal data has a byte that is rare in logs, from
// which it is recognised, or as many digits as a card number. It may err on the
// side of finding something.
func scan(s string, own func(string) bool) (found int) {
	digits := 0
	for i := 0; i < len(s); i++ {
		if t := telling[s[i]&0x7f]; t <= digit {
			digits += int(t)
			continue
		}
		switch s[i] {
		case '=':
			if maySecret(s, i, own) {
				found |= hasSecret
			}
			if mayPhone(s[i+1:]) {
				found |= hasPersonal
			}
		case ':':
			if i > 0 && (s[i-1] == '"' || s[i-1] == '\'' || s[i-1] == '2' || s[i-1] == ' ' || i+1 < len(s) && s[i+1] == ' ') {
				if _, _, ok := keyBefore(s, i, own); ok {
					found |= hasSecret
				}
			}
		case '@':
			found |= hasPersonal
			if mayUserinfo(s, i) {
				found |= hasSecret
			}
		case '%':
			if i+2 < len(s) && s[i+1] == '3' {
				switch s[i+2] | 0x20 { // an encoded = or :
				case 'd':
					if maySecret(s, i, own) {
						found |= hasSecret
					}
				case 'a':
					if _, _, ok := keyBefore(s, i, own); ok {
						found |= hasSecret
					}
				}
			} else if i+2 < len(s) && s[i+1] == '4' && s[i+2] == '0' { // an encoded @
				found |= hasPersonal
			} else if mayCredentials(s, i) {
				found |= hasSecret
			}
		case ' ', '+':
			if mayCredentials(s, i) {
				found |= hasSecret
			}
		case 'J':
			if i >= 2 && s[i-1] == 'y' && s[i-2] == 'e' {
				found |= hasSecret
			}
		case '_', 'I', '-':
			if knownNear(s, i) {
				found |= hasSecret
			}
		}
	}
	if found&hasSecret == 0 && digits >= 13 {
		if _, _, ok := findPAN(s, 0); ok {
			found |= hasSecret
		}
	}
	return found
}

// maySecret is nameBefore for the scan: a name of one letter is none.
func maySecret(s string, i int, own func(string) bool) bool {
	if i < 2 || i >= 2 && (s[i-2] == '?' || s[i-2] == '&') {
		return false
	}
	_, ok := nameBefore(s, i, own)
	return ok
}

// mayUserinfo reports whether a password may stand before the @ at s[i]: see userinfo.
func mayUserinfo(s string, i int) bool {
	colon := false
	for j := i - 1; j >= 2 && i-j < 256; j-- {
		switch s[j] {
		case ':':
			colon = true
		case '/':
			return colon && s[j-1] == '/' && s[j-2] == ':'
		case '?', '#', ' ', '"', '\'', '<', '>', '\\', '\n', ',', '@': // the first @ ends it
			return false
		}
	}
	return false
}

// mayPhone reports whether s may begin with a phone number, behind the = of a
// value: seven digits with what may stand between them.
func mayPhone(s string) bool {
	if s == "" || !isDigit(s[0]) && s[0] != '+' && s[0] != '%' && s[0] != '(' && s[0] != 't' {
		return false
	}
	if s[0] == 't' {
		return strings.HasPrefix(s, "tel:")
	}
	digits := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			if digits++; digits == 7 {
				return true
			}
		case '-', '.', '+', '(', ')', ' ', '/', '%':
		case 'B', 'b': // of %2B
		default:
			return false
		}
	}
	return false
}

// telling marks the bytes that scan looks at: digit for a digit, more for the others.
const telling = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x02\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x02\x00\x02\x00\x00" + // space % + -
	"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x02\x00\x00\x02\x00\x00" + // 0…9 : =
	"\x02\x00\x00\x00\x00\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x00" + // @ I J
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + // _
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

const digit = 1

// text does the work. asLine: s is a log line or JSON, where a quote can end a
// value; in a bare target or form body it is part of it.
func (r *redactor) text(s string, asLine bool, own func(string) bool) string {
	s = r.replaceJWTs(s)
	s = r.replacePANs(s)
	s = r.replaceKnown(s)
	var b strings.Builder
	done := 0 // s[:done] is in b
	for i := 0; i < len(s); {
		width := 0
		colon := false
		switch s[i] {
		case '=':
			width = 1
		case ':':
			width, colon = 1, true
		case '%':
			if i+2 < len(s) && s[i+1] == '3' {
				switch s[i+2] | 0x20 {
				case 'd':
					width = 3
				case 'a':
					width, colon = 3, true
				}
			}
		}
		if width == 0 {
			i++
			continue
		}
		from, to := i+width, 0
		if colon {
			delim, header, ok := keyBefore(s, i, own)
			if !ok {
				i += width
				continue
			}
			from, to = jsonValue(s, from, delim, header)
		} else {
			if _, ok := nameBefore(s, i, own); !ok {
				i += width
				continue
			}
			to = from + formValueEnd(s[from:], asLine, width == 3)
		}
		if masked := mask(s[from:to]); masked != s[from:to] {
			b.WriteString(s[done:from])
			b.WriteString(masked)
			done = to
			r.secrets++
		}
		i = max(to, i+width)
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// nameBefore reports whether the name that ends at s[:i] is sensitive, and
// where it begins.
func nameBefore(s string, i int, own func(string) bool) (start int, sensitive bool) {
	start = i
	for start > 0 && i-start < 128 {
		c := s[start-1]
		if isWordByte(c) || c == '-' || c == '.' || c == '[' || c == ']' {
			start--
			continue
		}
		if c == '\\' && start+3 <= i && (s[start] == 'u' && isHex(s[start+1:i], 4) || s[start] == 'x' && isHex(s[start+1:i], 2)) {
			start--
			continue
		}
		if c == '%' && i-start >= 2 {
			if v, ok := hexByte(s[start:]); ok {
				if v == '[' || v == ']' || isWordByte(v) || v == '-' {
					start--
					continue
				}
				start += 2 // the digits of an escape are no part of the name
			}
		}
		break
	}
	if start > 0 && s[start-1] == '\\' && i > start+1 && strings.IndexByte("nrtbf", s[start]) >= 0 && sensitiveName(s[start+1:i], own) {
		return start + 1, true // behind a line break that is written \n
	}
	return start, i > start && sensitiveName(s[start:i], own)
}

// keyBefore is nameBefore for a colon at s[i]: a quoted key of JSON, in any of
// the ways in which logs escape quotes, or the name of a header at the
// beginning of a line.
func keyBefore(s string, i int, own func(string) bool) (delim string, header, sensitive bool) {
	end := i
	for end > 0 && s[end-1] == ' ' {
		end--
	}
	delim = quoteBefore(s[:end])
	if delim == "" {
		if end != i {
			return "", false, false
		}
		start := i
		for start > 0 && i-start < 64 && (isWordByte(s[start-1]) || s[start-1] == '-') {
			start--
		}
		if start == i || start > 0 && s[start-1] != '\n' || i+1 >= len(s) || s[i+1] != ' ' {
			return "", false, false
		}
		return "", true, sensitiveName(s[start:i], own)
	}
	end -= len(delim)
	start := end
	for start > 0 && end-start < 128 && (isWordByte(s[start-1]) || s[start-1] == '-' || s[start-1] == '.' ||
		s[start-1] == '\\' && start+5 <= end && s[start] == 'u' && isHex(s[start+1:], 4)) {
		start--
	}
	return delim, false, end > start && sensitiveName(s[start:end], own)
}

// quoteBefore returns the quote with which s ends, as it is written.
func quoteBefore(s string) string {
	n := len(s)
	if n == 0 {
		return ""
	}
	switch s[n-1] {
	case '"':
		if n > 1 && (s[n-2] == '\\' || s[n-2] == '"') {
			return s[n-2:]
		}
		return s[n-1:]
	case '\'':
		return s[n-1:]
	case '2':
		for _, q := range []string{"%22", `\x22`, `\u0022`} {
			if strings.HasSuffix(s, q) {
				return q
			}
		}
	}
	return ""
}

// jsonValue finds the value behind the colon of a sensitive key.
func jsonValue(s string, from int, delim string, header bool) (start, end int) {
	for from < len(s) {
		switch {
		case s[from] == ' ' || s[from] == '\t' || s[from] == '+':
			from++
			continue
		case strings.HasPrefix(s[from:], "%20"):
			from += 3
			continue
		}
		break
	}
	if header {
		if n := strings.IndexAny(s[from:], "\r\n"); n >= 0 {
			return from, from + n
		}
		return from, len(s)
	}
	if rest := s[from:]; strings.HasPrefix(rest, delim) {
		from += len(delim)
		for i := from; ; i++ {
			n := strings.Index(s[i:], delim)
			if n < 0 {
				return from, len(s)
			}
			i += n
			if !innerQuote(s[from:i], delim) {
				return from, i
			}
		}
	} else if rest == "" || rest[0] == '{' || strings.HasPrefix(rest, "%7B") || strings.HasPrefix(rest, "%7b") {
		return from, from // the keys inside are looked at themselves
	} else if rest[0] == '[' {
		if n := strings.IndexByte(rest, ']'); n >= 0 {
			return from, from + n
		}
		return from, len(s)
	}
	n := strings.IndexAny(s[from:], ",}]&\" \t\r\n")
	if n < 0 {
		return from, len(s)
	}
	return from, from + n
}

// formValueEnd returns the length of the value with which s begins.
func formValueEnd(s string, asLine, encoded bool) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '&', '\n', '\r':
			return i
		case '%':
			if encoded && i+2 < len(s) && s[i+1] == '2' && s[i+2] == '6' {
				return i
			}
		case ';':
			if startsPair(s[i+1:]) {
				return i
			}
		case ' ':
			if strings.HasPrefix(s[i+1:], "HTTP/") {
				return i
			}
		case ',':
			// A CSV row, a list of key=value pairs.
			if asLine && i+1 < len(s) && (s[i+1] == ',' || s[i+1] == '"') {
				return i
			}
		case '"':
			if asLine && !escapedAt(s, i) && (i+1 == len(s) || strings.IndexByte(" ,}]:\"", s[i+1]) >= 0) {
				return i
			}
		case '\\':
			// An escaped quote that ends a JSON string in a log line.
			if asLine && i+2 < len(s) && s[i+1] == '"' && strings.IndexByte(",}]:", s[i+2]) >= 0 {
				return i
			}
		}
	}
	return len(s)
}

// startsPair: s begins with " name=", so that the semicolon before it divides.
func startsPair(s string) bool {
	s = strings.TrimPrefix(s, " ")
	for i := 0; i < len(s); i++ {
		if s[i] == '=' {
			return i > 0
		}
		if !isWordByte(s[i]) && s[i] != '-' && s[i] != '.' {
			return false
		}
	}
	return false
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// sensitiveName looks at the words of a parameter's name: user[newPassword],
// X-Api-Key, card_number, auth%5Btoken%5D.
func sensitiveName(name string, own func(string) bool) bool {
	if own != nil && own(name) {
		return false
	}
	// _session[path] is what a session holds, and not its key.
	if i := strings.IndexByte(name, '['); i > 0 && strings.EqualFold(strings.Trim(name[:i], "_"), "session") {
		name = name[i:]
	}
	var buf [128]byte
	if len(name) > len(buf) {
		name = name[len(name)-len(buf):]
	}
	n, prev, word := 0, 0, 0 // letters so far; where the last word and this one begin
	check := func() bool {
		hit := word < n && (sensitiveWord(buf[word:n]) || prev < word && sensitiveWord(buf[prev:n]))
		if word < n {
			prev, word = word, n
		}
		return hit
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' || c == '\\' { // a letter may be written as an escape
			if n := escapeLen(name[i:]); n > 0 {
				if v := escapeChar(name[i : i+n]); v < 0x80 && isWordByte(v) {
					c = v
				}
				i += n - 1
			}
		}
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case c >= 'A' && c <= 'Z':
			// A capital behind a small letter begins a word.
			if i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z' && check() {
				return true
			}
			c |= 0x20
		default:
			if check() {
				return true
			}
			continue
		}
		buf[n] = c
		n++
	}
	return check()
}

func sensitiveWord(w []byte) bool {
	switch string(w) {
	case "pwd", "pass", "passphrase", "passcode", "pw", "secret", "secrets", "token", "tokens", "jwt", "bearer",
		"apikey", "apikeys", "accesskey", "secretkey", "privatekey", "auth", "authorization", "authentication",
		"session", "sessionid", "sid", "sessid", "jsessionid", "phpsessid", "card", "cardnumber", "cardno",
		"creditcard", "ccnumber", "ccnum", "cvv", "cvv2", "cvc", "cvc2", "ssn", "pin", "otp", "credential", "credentials":
		return true
	}
	ends := func(suffix string) bool {
		return len(w) > len(suffix) && string(w[len(w)-len(suffix):]) == suffix
	}
	if len(w) == 0 {
		return false
	}
	hit := false
	switch w[len(w)-1] {
	case 'n':
		hit = ends("token")
	case 't':
		hit = ends("secret")
	case 'd':
		hit = ends("pwd") || ends("sessionid") || ends("sessid")
	case 'y':
		hit = ends("apikey")
	}
	if hit {
		return true
	}
	for i := 0; i+5 <= len(w); i++ {
		if w[i] == 'p' && string(w[i:i+5]) == "passw" {
			return true
		}
	}
	return false
}

// escapeLen returns the length of the escape with which s begins: %41, %2541,
// %u0041, \x41, \u0041, \n, &#65; &#x41; &lt; or 0.
func escapeLen(s string) int {
	switch s[0] {
	case '%':
		if strings.HasPrefix(s, "%26%23") { // an encoded &#106;
			n := 6
			if n < len(s) && s[n]|0x20 == 'x' {
				n++
			}
			from := n
			for n < len(s) && n-from < 9 && (isDigit(s[n]) || s[6]|0x20 == 'x' && hexDigit(s[n]) < 16) {
				n++
			}
			if n > from+1 {
				for _, end := range []string{";", "%3B", "%3b"} {
					if strings.HasPrefix(s[n:], end) {
						return n + len(end)
					}
				}
				return n
			}
		}
		n := 1
		for strings.HasPrefix(s[n:], "25") {
			n += 2
		}
		if len(s) > n && s[n]|0x20 == 'u' && isHex(s[n+1:], 4) {
			return n + 5
		}
		if isHex(s[n:], 2) {
			return n + 2
		}
		if n > 1 {
			return n
		}
	case '\\':
		switch {
		case len(s) < 2:
		case s[1] == 'x' && isHex(s[2:], 2):
			return 4
		case s[1] == 'u' && isHex(s[2:], 4):
			return 6
		case strings.IndexByte(`nrtbf`, s[1]) >= 0:
			return 2
		}
	case '&':
		if end := strings.IndexByte(s[:min(len(s), 10)], ';'); end > 1 && s[1] == '#' {
			return end + 1
		}
	}
	return 0
}

// innerQuote reports whether the delimiter behind value is a quote inside the
// string, escaped once more than the string's ends.
func innerQuote(value, delim string) bool {
	backslash := `\`
	switch delim {
	case `\"`:
		backslash = `\\`
	case "%22":
		backslash = "%5C"
	case `\x22`, `\u0022`:
		backslash = `\x5C`
	}
	n := 0
	for k := len(backslash); len(value) >= k && strings.EqualFold(value[len(value)-k:], backslash); n++ {
		value = value[:len(value)-k]
	}
	return n%2 == 1
}

func isHex(s string, n int) bool {
	if len(s) < n {
		return false
	}
	for i := range n {
		if hexDigit(s[i]) > 15 {
			return false
		}
	}
	return true
}

// isPlaceholder returns the length of a placeholder of this file at the
// beginning of s.
func isPlaceholder(s string) int {
	if strings.HasPrefix(s, "[pan]") {
		return len("[pan]")
	}
	if strings.HasPrefix(s, "[jwt alg=") {
		if n := strings.IndexByte(s[:min(len(s), 48)], ']'); n > 0 {
			return n + 1
		}
	}
	return 0
}
