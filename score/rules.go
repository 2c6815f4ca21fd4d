package score

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/corazawaf/libinjection-go"

	"apiml/traffic"
)

// The rule baseline: what a careful engineer would write by hand, in one page.
// It stands beside the models in every evaluation, and its hits in every
// result, so that a user can see where the two disagree.
//
// Signature rules look at one request: its decoded path, and each decoded
// parameter value of query and body. Behaviour rules are leaky buckets per
// client address over event time.

// A signature names a rule and the literals of which one must occur in the
// decoded, lower-cased text.
type signature struct {
	rule     string
	class    traffic.Label
	literals []string
}

func signatures() []signature {
	return []signature{
		{"path-traversal", traffic.PathTraversal, []string{"../../", "..\\..\\", "/etc/passwd", "/etc/shadow", "/proc/self/", "win.ini", "boot.ini", "....//"}},
		{"command-injection", traffic.CommandInjection, []string{"$(", "`id`", ";id", "|id", "; ls", ";ls", "|ls", "&&cat ", ";cat ", "|cat ", "/bin/sh", "/bin/bash", "cmd.exe", "powershell", "wget http", "curl http", "${ifs}"}},
		{"template-injection", traffic.CommandInjection, []string{"${jndi:", "{{7*7}}", "${7*7}", "<%=", "#{7*7}", "__class__", "t(java.lang"}},
		{"xss-markup", traffic.XSS, []string{"<script", "javascript:alert", "onerror=", "onload=", "<svg/on", "document.cookie", "<iframe"}},
		{"sql-keywords", traffic.SQLInjection, []string{"union select", "union all select", "' or '", "\" or \"", "' or 1=1", " or 1=1", " or 0=0", "sleep(", "benchmark(", "waitfor delay", "information_schema", "xp_cmdshell", "pg_sleep(", "extractvalue(", "updatexml("}},
		{"xml-entity", traffic.OtherAttack, []string{"<!entity", "<!doctype foo"}},
		{"ssrf-target", traffic.OtherAttack, []string{"169.254.169.254", "metadata.google.internal", "gopher://", "file:///etc", "dict://"}},
		{"header-injection", traffic.OtherAttack, []string{"\nset-cookie:", "\r\nlocation:"}},
		{"unsigned-token", traffic.BrokenAuth, []string{"alg=none", "eyjhbgcioijub25lii"}},
	}
}

// pathLiterals mark requests for things that scanners look for.
func pathLiterals() []string {
	return []string{"/.env", "/.git/", "/.svn/", "/.aws/", "/wp-config", "/phpmyadmin", "/phpinfo", "/server-status", "/cgi-bin/", "/.htpasswd", "/actuator/", "/solr/", "/hnap1", "/boaform", "/vendor/phpunit", "/manager/html", "/web.config", "/backup.", "/.ds_store", "/_ignition"}
}

func agentLiterals() []string {
	return []string{"sqlmap", "nikto", "w3af", "nmap", "masscan", "zgrab", "nuclei", "dirbuster", "gobuster", "wpscan", "acunetix", "nessus", "openvas", "arachni", "havij", "feroxbuster"}
}

// RateLimit is a number of requests per span of event time.
type RateLimit struct {
	Requests int
	Per      time.Duration
}

// ParseRateLimit reads "100/minute"; units are second, minute, hour and day,
// or a Go duration as in "20/10s".
func ParseRateLimit(s string) (RateLimit, error) {
	n, unit, ok := strings.Cut(s, "/")
	count, err := strconv.Atoi(strings.TrimSpace(n))
	if !ok || err != nil || count <= 0 {
		return RateLimit{}, fmt.Errorf("rate limit %q: want COUNT/UNIT such as 100/minute", s)
	}
	var per time.Duration
	switch u := strings.TrimSpace(unit); u {
	case "s", "sec", "second":
		per = time.Second
	case "m", "min", "minute":
		per = time.Minute
	case "h", "hour":
		per = time.Hour
	case "d", "day":
		per = 24 * time.Hour
	default:
		if per, err = time.ParseDuration(u); err != nil || per <= 0 {
			return RateLimit{}, fmt.Errorf("rate limit %q: unknown unit %q (second, minute, hour, day)", s, u)
		}
	}
	return RateLimit{Requests: count, Per: per}, nil
}

// Rules is the rule baseline. It keeps counters per client address, so one
// Rules serves one stream, in event time, from one goroutine.
type Rules struct {
	limit      RateLimit
	signatures []signature
	paths      []string
	agents     []string
	clients    map[string]*bucket
	agentHit   map[string]bool
	memo       map[string]ruleHits // by target and body: logs repeat themselves
}

type ruleHits struct {
	rules []string
	class traffic.Label
}

// IsSignature reports whether a rule looks at the payload of one request, as
// opposed to paths that scanners try, agents, and behaviour.
func IsSignature(rule string) bool {
	if strings.HasPrefix(rule, "libinjection-") {
		return true
	}
	for _, s := range signatures() {
		if s.rule == rule {
			return true
		}
	}
	return false
}

// bucket counts requests and failed logins of a client in leaky buckets.
type bucket struct {
	requests, failures float64
	last               int64
}

// Bounds of the memory that a Rules takes. Beyond them a map starts afresh,
// which can only forget a hit, not invent one.
const (
	maxRuleClients = 1 << 18
	maxRuleMemo    = 1 << 16
)

// A failed login is a 401 or 403 answer to a request that looks like one. More
// than loginFailures in loginWindow from one address is stuffing; ten times the
// rate limit is a flood.
const (
	loginFailures = 10
	loginWindow   = 5 * time.Minute
	floodFactor   = 10
)

// NewRules makes a rule baseline with the given rate limit.
func NewRules(limit RateLimit) *Rules {
	return &Rules{
		limit: limit, signatures: signatures(), paths: pathLiterals(), agents: agentLiterals(),
		clients: map[string]*bucket{}, agentHit: map[string]bool{}, memo: map[string]ruleHits{},
	}
}

// Check returns the names of the rules that r breaks, most specific first, and
// the attack type of the first; nil and None if it breaks none. The slice must
// not be changed.
func (ru *Rules) Check(r *traffic.Request) ([]string, traffic.Label) {
	hits := ru.text(r)
	rules, class := hits.rules, hits.class
	add := func(rule string, l traffic.Label) {
		rules = append(rules[:len(rules):len(rules)], rule)
		if class == traffic.None {
			class = l
		}
	}
	if ru.scannerAgent(r.Agent) {
		add("scanner-agent", traffic.Scanner)
	}
	if !r.HasTime() || r.Client == "" {
		return rules, class
	}
	b := ru.bucket(r.Client, r.Time)
	b.requests++
	if loginFailed(r) {
		b.failures++
	}
	switch {
	case b.failures > loginFailures && loginFailed(r):
		add("login-failures", traffic.CredentialStuffing)
	case b.requests > floodFactor*float64(ru.limit.Requests):
		add("flood", traffic.DDoS)
	case b.requests > float64(ru.limit.Requests):
		add("rate-limit", traffic.APIAbuse)
	}
	return rules, class
}

func loginFailed(r *traffic.Request) bool {
	if r.Status != 401 && r.Status != 403 {
		return false
	}
	path := strings.ToLower(r.Path())
	for _, w := range [...]string{"login", "signin", "sign-in", "auth", "token", "session"} {
		if strings.Contains(path, w) {
			return true
		}
	}
	return false
}

// bucket returns the client's counters, leaked up to now.
func (ru *Rules) bucket(client string, now int64) *bucket {
	b := ru.clients[client]
	if b == nil {
		if len(ru.clients) >= maxRuleClients {
			clear(ru.clients)
		}
		b = &bucket{last: now}
		ru.clients[strings.Clone(client)] = b
	}
	if dt := float64(now - b.last); dt > 0 {
		b.requests = max(0, b.requests-dt*float64(ru.limit.Requests)/float64(ru.limit.Per.Microseconds()))
		b.failures = max(0, b.failures-dt*loginFailures/float64(loginWindow.Microseconds()))
		b.last = now
	}
	return b
}

func (ru *Rules) scannerAgent(agent string) bool {
	if agent == "" {
		return false
	}
	hit, known := ru.agentHit[agent]
	if known {
		return hit
	}
	low := strings.ToLower(agent)
	for _, l := range ru.agents {
		hit = hit || strings.Contains(low, l)
	}
	if len(ru.agentHit) >= maxRuleMemo {
		clear(ru.agentHit)
	}
	ru.agentHit[strings.Clone(agent)] = hit
	return hit
}

// text applies the signature rules to target and body.
func (ru *Rules) text(r *traffic.Request) ruleHits {
	key := r.Target
	if r.Body != "" {
		key += "\x00" + r.Body
	}
	if h, ok := ru.memo[key]; ok {
		return h
	}
	var h ruleHits
	if plain(r.Target) && r.Body == "" {
		h = ru.plainPath(r.Target)
	} else {
		h = ru.signatureHits(r)
	}
	if len(ru.memo) >= maxRuleMemo {
		clear(ru.memo)
	}
	ru.memo[strings.Clone(key)] = h
	return h
}

// plain reports whether a target can hold no signature but a path: letters,
// digits and the marks of an ordinary path only. It is the prefilter that
// keeps most requests away from decoding.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c == '/' || c == '-' || c == '_' {
			continue
		}
		if c == '.' && i > 0 && s[i-1] != '.' && s[i-1] != '/' {
			continue
		}
		return false
	}
	return true
}

func (ru *Rules) plainPath(target string) ruleHits {
	if ru.scannerPath(strings.ToLower(target)) {
		return ruleHits{[]string{"scanner-path"}, traffic.Scanner}
	}
	return ruleHits{nil, traffic.None}
}

func (ru *Rules) scannerPath(low string) bool {
	for _, p := range ru.paths {
		if strings.Contains(low, p) {
			return true
		}
	}
	return false
}

func (ru *Rules) signatureHits(r *traffic.Request) ruleHits {
	h := ruleHits{nil, traffic.None}
	add := func(rule string, l traffic.Label) {
		for _, have := range h.rules {
			if have == rule {
				return
			}
		}
		h.rules = append(h.rules, rule)
		if h.class == traffic.None {
			h.class = l
		}
	}
	path, query := traffic.SplitTarget(r.Target)
	dpath := decode(path)
	texts := append([]string{dpath}, values(query)...)
	texts = append(texts, values(r.Body)...)
	for i, text := range texts {
		if i > 0 && len(text) > 1 {
			if ok, _ := libinjection.IsSQLi(text); ok {
				add("libinjection-sqli", traffic.SQLInjection)
			}
			if libinjection.IsXSS(text) {
				add("libinjection-xss", traffic.XSS)
			}
		}
		low := strings.ToLower(text)
		for _, s := range ru.signatures {
			for _, lit := range s.literals {
				if strings.Contains(low, lit) {
					add(s.rule, s.class)
					break
				}
			}
		}
	}
	if ru.scannerPath(strings.ToLower(dpath)) {
		add("scanner-path", traffic.Scanner)
	}
	return h
}

// values returns the decoded parameter values of a query or form body; a body
// of another kind is one value.
func values(s string) []string {
	if s == "" {
		return nil
	}
	if s[0] == '{' || s[0] == '[' || s[0] == '<' || strings.IndexByte(s, '=') < 0 {
		return []string{decode(s)}
	}
	var out []string
	for part := range strings.SplitSeq(s, "&") {
		_, v, ok := strings.Cut(part, "=")
		if !ok {
			v = part
		}
		if v != "" {
			out = append(out, decode(v))
		}
	}
	return out
}

// decode undoes percent and plus encoding, up to three times.
func decode(s string) string {
	for range 3 {
		if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
			break
		}
		d, err := url.QueryUnescape(s)
		if err != nil || d == s {
			break
		}
		s = d
	}
	return s
}
