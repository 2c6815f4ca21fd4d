package ingest

import (
	"fmt"
	"net/netip"
	"path"
	"strings"

	"apiml/traffic"
)

// Selection says which records count. What it leaves out is filtered, not
// rejected. The zero value keeps everything.
type Selection struct {
	Since, Until int64          // microseconds UTC, Until itself excluded; 0 = open. Records without a time stay
	ExcludeIP    []netip.Prefix // addresses of clients, or of who they forward for
	ExcludePath  []string       // patterns of path.Match on the path; * does not match /, a final /** whatever follows
}

// Reasons, as Coverage.FilteredBy counts them.
const (
	FilteredTime  = "time"
	FilteredIP    = "excluded address"
	FilteredPath  = "excluded path"
	FilteredBlank = "no data" // blank lines, headers, comments
)

// CheckPattern reports whether p is a pattern for ExcludePath.
func CheckPattern(p string) error {
	if _, err := path.Match(strings.TrimSuffix(p, "/**"), ""); err != nil {
		return fmt.Errorf("%q is no pattern: %w", p, err)
	}
	return nil
}

// reason is why q does not count, "" if it does.
func (s *Selection) reason(q *traffic.Request) string {
	if r := s.time(q.Time); r != "" {
		return r
	}
	if len(s.ExcludeIP) > 0 {
		if ip, ok := addressOf(q.Address()); ok {
			for _, p := range s.ExcludeIP {
				if p.Contains(ip) {
					return FilteredIP
				}
			}
		}
	}
	if len(s.ExcludePath) > 0 {
		at := q.Path()
		for _, p := range s.ExcludePath {
			if matchPath(p, at) {
				return FilteredPath
			}
		}
	}
	return ""
}

func (s *Selection) time(t int64) string {
	if t != traffic.NoTime && (s.Since != 0 && t < s.Since || s.Until != 0 && t >= s.Until) {
		return FilteredTime
	}
	return ""
}

// matchPath: a final /** matches the folder and all below it.
func matchPath(pattern, p string) bool {
	if folder, ok := strings.CutSuffix(pattern, "/**"); ok {
		depth := strings.Count(folder, "/")
		for i, n := 0, 0; i <= len(p); i++ {
			if i == len(p) || p[i] == '/' {
				if n == depth {
					hit, _ := path.Match(folder, p[:i])
					return hit
				}
				n++
			}
		}
		return false
	}
	hit, _ := path.Match(pattern, p)
	return hit
}

// addressOf reads an address as logs write it: bare, in brackets, with a port.
func addressOf(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return ip.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

// RealIP says where the client's address stands behind proxies. Without it the
// first forwarded address counts, which any client can invent.
type RealIP struct {
	Header  string         // name of a header that the log has under its own name; "" or X-Forwarded-For = the forwarded addresses
	Trusted []netip.Prefix // proxies whose word counts
}

// apply makes Client who sent the request: of the addresses that a trusted proxy
// forwarded, the last that is no trusted proxy itself. Forwarded is then empty:
// it has said what it had to say, or was sent by somebody who is not believed.
func (p *RealIP) apply(q *traffic.Request) {
	list := q.Forwarded
	if p.Header != "" && !strings.EqualFold(p.Header, "X-Forwarded-For") {
		list = headerField(q.Raw, p.Header)
	}
	q.Forwarded = ""
	ip, ok := addressOf(q.Client)
	for ok && p.trusts(ip) {
		var last string
		if i := strings.LastIndexByte(list, ','); i >= 0 {
			list, last = list[:i], list[i+1:]
		} else {
			list, last = "", list
		}
		if ip, ok = addressOf(last); ok {
			q.Client = strings.TrimSpace(last)
		}
	}
}

func (p *RealIP) trusts(ip netip.Addr) bool {
	for _, t := range p.Trusted {
		if t.Contains(ip) {
			return true
		}
	}
	return false
}

// headerField finds the value of a request header in a JSON record, under the
// names that NGINX and others give it: http_x_real_ip, X-Real-Ip.
func headerField(raw, name string) string {
	if raw == "" || raw[0] != '{' {
		return ""
	}
	for _, key := range [...]string{"http_" + strings.ReplaceAll(strings.ToLower(name), "-", "_"), name, strings.ToLower(name)} {
		_, rest, ok := strings.Cut(raw, `"`+key+`"`)
		if !ok {
			continue
		}
		rest = strings.TrimLeft(rest, " :[")
		if strings.HasPrefix(rest, `"`) {
			if v, _, ok := strings.Cut(rest[1:], `"`); ok {
				return v
			}
		}
	}
	return ""
}
