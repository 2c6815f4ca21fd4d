package score

import (
	"fmt"
	"math"
	"slices"
	"time"

	"apiml/traffic"
)

// Behaviour shows in many requests of which none proves anything: a login that
// fails, a page that is fetched. A classifier of conduct, which sees the windows
// and not the payload, gives each of them a probability. Here that evidence is added up per
// client and per endpoint (an attack from many addresses): a cumulative sum of
// log-likelihood ratios that starts anew at 0 (Page 1954, "Continuous Inspection
// Schemes"),
//
//	S ← max(0, S + ln(1 − ε + ε·odds/reference))
//
// where odds are those of the classifier for a family of attack types, reference
// is what a request has to exceed to speak for an attack at all, and ε is the
// share of the campaign in the traffic that is added up: an endpoint under attack
// has honest users too. One request adds at most maxEvidence, so that none alone
// raises an alarm.
//
// The reference is the larger of a constant and the 99 % or 99.5 % quantile of the
// log's own requests so far, of which each client gives its first 30: what is common in
// a log is no attack on it. A flood over many endpoints is not looked for: to a log
// it is a popular day. The limits were set on generated traffic of services
// other than those of the training and on the false alarms of development logs.
//
// Memory: a few words per client and endpoint of which something is suspected, at
// most maxTrails of each; beyond that the trails start afresh.
type campaigns struct {
	families []*family
	seen     map[uint64]uint8 // requests of each client that count for the quantile
}

const (
	maxEvidence    = 2.5 // ln of the odds over the reference that one request can bring
	answered       = 1.5 // less for a login that was not refused: most are what they seem
	abuseLimit     = 60
	scrapeLimit    = 22
	leastScraped   = 200 // bytes of an answer that holds data
	maxTrails      = 1 << 17
	quantileFirst  = 30   // requests per client
	quantileRows   = 2000 // before the quantile counts
	quantileUpdate = 1024 // requests between two updates
)

// scope says over which requests a family adds up.
type scope uint8

const (
	byClient scope = iota
	byEndpoint
)

// family is a set of attack types that are told from honest traffic together.
type family struct {
	classes []int // of the classifier
	labels  []traffic.Label
	scope   scope
	login   bool    // only requests to log in count
	half    float64 // microseconds in which old evidence fades to a half
	share   float64 // ε
	base    float64 // reference probability
	rare    float64 // share of the requests of a log that may lie beyond the reference
	limit   float64 // of S

	reference float64 // log-odds
	histogram [256]int
	rows      int
	trails    map[uint64]*trail
}

// trail is the sum for one client or endpoint.
type trail struct {
	sum      float64
	requests int32
	last     int64
	mass     [4]float32 // by class of the family
}

// verdictOf a campaign for one request.
type campaignVerdict struct {
	label    traffic.Label
	sum      float64 // over the limit
	requests int32
	scope    scope
}

func newCampaigns(labels []string) *campaigns {
	c := &campaigns{seen: map[uint64]uint8{}}
	add := func(s scope, half time.Duration, share, base, rare, limit float64, types ...traffic.Label) {
		f := &family{scope: s, half: float64(half.Microseconds()), share: share, base: base, rare: rare, limit: limit, reference: logOdds(base), trails: map[uint64]*trail{}}
		f.login = slices.Contains(types, traffic.CredentialStuffing)
		for _, l := range types {
			if i := slices.Index(labels, l.String()); i >= 0 {
				f.classes, f.labels = append(f.classes, i), append(f.labels, l)
			}
		}
		if len(f.classes) > 0 {
			c.families = append(c.families, f)
		}
	}
	const day = 24 * time.Hour
	add(byClient, 4*time.Hour, 0.6, 0.10, 0.005, 15, traffic.CredentialStuffing)
	add(byClient, day, 0.6, 0.10, 0.005, 20, traffic.Scanner)
	add(byClient, day, 0.6, 0.12, 0.01, 20, traffic.DataScraping, traffic.BrokenAuth, traffic.APIAbuse)
	add(byEndpoint, 12*time.Hour, 0.3, 0.10, 0.005, 15, traffic.CredentialStuffing)
	add(byEndpoint, 2*time.Hour, 0.3, 0.10, 0.005, 22, traffic.DataScraping)
	add(byEndpoint, 10*time.Minute, 0.3, 0.10, 0.005, 20, traffic.DDoS)
	return c
}

func logOdds(p float64) float64 { return math.Log((p + 1e-6) / (1 - p + 1e-6)) }

// add takes a request with the probabilities of the classifier of conduct; client
// and endpoint are hashes, 0 if unknown; login says that the request is one to log
// in. It reports whether the request belongs to a campaign that is beyond doubt.
func (c *campaigns) add(p []float32, client, endpoint uint64, login bool, status int32, bytesOut, at int64) (best campaignVerdict, found bool) {
	// What brings nothing is no scraping.
	carries := bytesOut < 0 || bytesOut >= leastScraped
	count := false
	if client != 0 {
		if n := c.seen[client]; n < quantileFirst {
			if len(c.seen) >= maxTrails {
				clear(c.seen)
			}
			c.seen[client] = n + 1
			count = true
		}
	}
	for _, f := range c.families {
		if !count && f.login && !login {
			continue
		}
		q := 0.0
		for i, k := range f.classes {
			if f.labels[i] != traffic.DataScraping || carries {
				q += float64(p[k])
			}
		}
		odds := logOdds(min(q, 0.98))
		if count {
			f.observe(odds)
		}
		if f.login && !login {
			continue
		}
		if f.login && status < 400 {
			odds -= answered
		}
		var key uint64
		switch f.scope {
		case byClient:
			key = client
		case byEndpoint:
			key = endpoint
		}
		if key == 0 {
			continue
		}
		t := f.trails[key]
		speaks := odds > f.reference
		if t == nil {
			if !speaks {
				continue // 0 stays 0
			}
			if len(f.trails) >= maxTrails {
				clear(f.trails)
			}
			t = &trail{last: at}
			f.trails[key] = t
		}
		if at > t.last && t.sum > 0 { // old evidence fades
			t.sum *= math.Exp2(-float64(at-t.last) / f.half)
			t.last = at
		}
		t.sum += math.Log(1 - f.share + float64(f.share*math.Exp(min(odds-f.reference, maxEvidence))))
		if t.sum <= 0 {
			delete(f.trails, key)
			continue
		}
		if speaks {
			t.requests++
			for i, k := range f.classes {
				if f.labels[i] != traffic.DataScraping || carries {
					t.mass[i] += p[k]
				}
			}
		}
		if !speaks {
			continue
		}
		top := 0
		for i := range f.classes {
			if t.mass[i] > t.mass[top] {
				top = i
			}
		}
		limit := f.limit
		switch f.labels[top] {
		case traffic.APIAbuse: // apps that send what they kept look alike
			limit = abuseLimit
		case traffic.DataScraping: // as do partners' exports
			limit = scrapeLimit
		}
		if over := t.sum - limit; over >= 0 && (!found || over > best.sum) {
			best, found = campaignVerdict{f.labels[top], over, t.requests, f.scope}, true
		}
	}
	return best, found
}

// observe counts log-odds for the reference.
func (f *family) observe(odds float64) {
	bin := min(max(int((odds+16)*8), 0), len(f.histogram)-1)
	f.histogram[bin]++
	f.rows++
	if f.rows < quantileRows || f.rows%quantileUpdate != 0 {
		return
	}
	left := int(float64(f.rows) * f.rare)
	for b := len(f.histogram) - 1; b >= 0; b-- {
		if left -= f.histogram[b]; left <= 0 {
			f.reference = max(logOdds(f.base), float64(b+1)/8-16)
			return
		}
	}
}

// probability is the campaign's as one that a threshold can be compared with: at
// the limit it is the threshold itself. The sum counts a twentieth, as if so many
// of the requests said the same, and it never outdoes what a request itself proves.
func (v campaignVerdict) probability(threshold float64) float64 {
	return max(threshold, min(0.99, 1/(1+math.Exp(-(v.sum/20+logOdds(threshold))))))
}

// reason says the verdict in words.
func (v campaignVerdict) reason(gain float64) Reason {
	of := [...]string{"of this client", "at this endpoint"}[v.scope]
	return Reason{
		Feature: "campaign", Value: float64(v.requests), Contribution: gain,
		Text: fmt.Sprintf("%d suspicious requests %s add up, none of which would do alone", v.requests, of),
	}
}

// keyOf is the campaign's name for its incident, "" if the client is it.
func (v campaignVerdict) keyOf(r *traffic.Request) string {
	if v.scope == byEndpoint {
		return "target:" + traffic.Template(r.Method, r.Target)
	}
	return ""
}
