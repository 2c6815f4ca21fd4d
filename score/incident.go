package score

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"apiml/traffic"
)

// Incident groups the flagged requests of one client, or of one campaign against
// one endpoint, that lie less than incidentGap apart.
type Incident struct {
	ID    string `json:"id"`
	Class string `json:"class"` // the attack type of most of its requests
	// Principal is who did it; of a campaign of many the endpoint, "target:…".
	Principal      string           `json:"principal"`
	Address        string           `json:"address"`    // of the first request
	Principals     int64            `json:"principals"` // distinct ones, counted up to 10,000
	Requests       int64            `json:"requests"`
	Classes        map[string]int64 `json:"classes"` // requests per attack type
	First          int64            `json:"-"`       // microseconds UTC or traffic.NoTime
	Last           int64            `json:"-"`
	FirstTime      string           `json:"first_time,omitempty"` // RFC 3339
	LastTime       string           `json:"last_time,omitempty"`
	MaxProbability float64          `json:"max_probability"`
	Samples        []Sample         `json:"samples"` // the first few lines
}

// Sample is a line of evidence.
type Sample struct {
	File   string `json:"file"`
	Line   int64  `json:"line"`
	Method string `json:"method"`
	Target string `json:"target"`
	Status int32  `json:"status"`
}

const (
	incidentGap     = 30 * 60 * 1_000_000   // microseconds
	campaignGap     = 24 * 3600 * 1_000_000 // of a campaign that is slow by design
	incidentSamples = 3
	maxPrincipals   = 10_000 // counted per campaign
	// maxOpenIncidents bounds the memory: beyond it the look-up of open ones
	// starts afresh, so that a later request opens a new incident.
	maxOpenIncidents = 1 << 16
)

type incidents struct {
	open map[string]int // by principal or campaign, index into all
	all  []Incident
	who  []map[uint64]struct{} // principals of each campaign, nil for one client's
	seed maphash.Seed
}

func newIncidents() *incidents { return &incidents{open: map[string]int{}, seed: maphash.MakeSeed()} }

// campaign reports whether attacks of a class are the work of many principals at
// one endpoint as a rule.
func campaign(class string) bool {
	return class == traffic.CredentialStuffing.String() || class == traffic.DDoS.String()
}

// add books a flagged request and returns the ID of its incident. name is that of
// the campaign that the request belongs to, "" if it stands for itself.
func (s *incidents) add(r *traffic.Request, res *Result, name string) string {
	// The address, not the principal, for the payload attacks of a client that
	// changes its agent from request to request.
	key := res.Principal
	if r.User == "" && r.Session == "" && r.Client != "" {
		key = "client:" + r.Address()
	}
	many := campaign(res.Class)
	switch {
	case name != "":
		key, many = name, true
	case many:
		key = "target:" + traffic.Template(r.Method, r.Target)
	}
	at, ok := s.open[key]
	gap := int64(incidentGap)
	if many {
		gap = campaignGap
	}
	if ok && r.HasTime() && r.Time-s.all[at].Last > gap {
		ok = false
	}
	if !ok {
		if len(s.open) >= maxOpenIncidents {
			clear(s.open)
		}
		at = len(s.all)
		s.open[key] = at
		s.all = append(s.all, Incident{
			ID: fmt.Sprintf("i%05d", at+1), Class: res.Class, Principal: key, Address: r.Address(), Principals: 1,
			Classes: map[string]int64{}, First: r.Time, Last: r.Time, FirstTime: res.Time,
		})
		var who map[uint64]struct{}
		if many {
			who = map[uint64]struct{}{}
		}
		s.who = append(s.who, who)
	}
	in := &s.all[at]
	in.Requests++
	in.Classes[res.Class]++
	if in.Classes[res.Class] > in.Classes[in.Class] {
		in.Class = res.Class
	}
	if who := s.who[at]; who != nil && len(who) < maxPrincipals {
		who[maphash.String(s.seed, res.Principal)] = struct{}{}
		in.Principals = int64(len(who))
	}
	in.Last, in.LastTime = max(in.Last, r.Time), res.Time
	in.MaxProbability = max(in.MaxProbability, res.Probability)
	if len(in.Samples) < incidentSamples {
		in.Samples = append(in.Samples, Sample{r.File, r.Line, strings.Clone(r.Method), strings.Clone(r.Target), r.Status})
	}
	return in.ID
}

func (s *incidents) list() []Incident {
	out := slices.Clone(s.all)
	slices.SortStableFunc(out, func(a, b Incident) int { return cmp.Compare(b.Requests, a.Requests) })
	return out
}
