package traffic

import (
	"math"
	"strings"
	"time"
)

// NoTime is the Time of a record whose log carries no time (CSIC 2010).
const NoTime = math.MinInt64

// Request is one HTTP request as a log shows it. Strings are substrings of a
// buffer that the Batch shares; they stay valid as long as anything refers to
// them, and are never written to. Everything in it is untrusted.
type Request struct {
	Time      int64   // when it was logged, microseconds since 1970-01-01 UTC, or NoTime
	Latency   float64 // seconds from request to response, -1 if unknown
	BytesIn   int64   // size of the request's payload in bytes, -1 if unknown
	BytesOut  int64   // size of the response's body in bytes, -1 if unknown
	Line      int64   // line in File on which the record begins, from 1
	Status    int32   // HTTP status, 0 if unknown
	Label     Label   // ground truth, Unlabelled for almost every real log
	HasBody   bool    // Body is known (it may be empty)
	Method    string  // as sent, "" if unknown
	Target    string  // path and query as sent, not decoded
	Protocol  string  // "HTTP/1.1", "" if unknown
	Host      string
	Client    string // address that connected
	Forwarded string // X-Forwarded-For, if logged
	User      string // authenticated user, if logged
	Session   string // session id, if logged
	Referrer  string
	Agent     string
	Cache     string // "HIT", "MISS", …, "" if unknown
	Body      string
	File      string // input that it came from
	Raw       string // the bytes of the log line or record, redacted like the fields; "" for generated records
}

// HasTime reports whether the record carries a time.
func (r *Request) HasTime() bool { return r.Time != NoTime }

// When returns Time as a time.Time in UTC; the zero time if unknown.
func (r *Request) When() time.Time {
	if r.Time == NoTime {
		return time.Time{}
	}
	return time.UnixMicro(r.Time).UTC()
}

// Path returns the target without its query and fragment, and without scheme
// and authority if the target is in absolute form ("http://host/path").
func (r *Request) Path() string {
	p, _ := SplitTarget(r.Target)
	return p
}

// Principal names who sent the request: the user if the log has one, else the
// session, else client address and user agent. The prefixes keep the three
// kinds apart.
func (r *Request) Principal() string {
	switch {
	case r.User != "" && r.User != "-":
		return "user:" + r.User
	case r.Session != "" && r.Session != "-":
		return "session:" + r.Session
	}
	return "client:" + r.Address() + " " + r.Agent
}

// Address is the client's address: the first of the forwarded ones if the log
// has any, else the one that connected.
func (r *Request) Address() string {
	if f := r.Forwarded; f != "" && f != "-" {
		if i := strings.IndexByte(f, ','); i >= 0 {
			f = f[:i]
		}
		return strings.TrimSpace(f)
	}
	return r.Client
}

// SplitTarget cuts a request target into path and query (without the '?').
// The authority of an absolute target is dropped, a fragment too.
func SplitTarget(target string) (path, query string) {
	if i := strings.Index(target, "://"); i > 0 && i < 8 && isAlpha(target[:i]) {
		rest := target[i+3:]
		if j := strings.IndexAny(rest, "/?"); j >= 0 {
			target = rest[j:]
		} else {
			target = "/"
		}
	}
	if i := strings.IndexByte(target, '?'); i >= 0 {
		return target[:i], target[i+1:]
	}
	if i := strings.IndexByte(target, '#'); i >= 0 {
		return target[:i], ""
	}
	return target, ""
}

func isAlpha(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}
