package score

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
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
	// Of more incidents than that, or more text in their samples, the half with the
	// most requests (of equal ones the latest) is kept; the others are only counted.
	maxIncidents     = 1 << 16
	maxIncidentBytes = 64 << 20
)

type incidents struct {
	open map[string]int // by principal or campaign, index into all
	all  []Incident
	who  []map[uint64]struct{} // principals of each campaign, nil for one client's
	seed maphash.Seed

	n     int            // opened so far
	bytes int            // of text in all
	left  map[string]int // of those that are not in all any more, how many have a request of the class
}

func newIncidents() *incidents {
	return &incidents{open: map[string]int{}, seed: maphash.MakeSeed(), left: map[string]int{}}
}

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
		if len(s.all) >= maxIncidents || s.bytes >= maxIncidentBytes {
			s.halve()
		}
		at = len(s.all)
		s.open[key] = at
		s.n++
		s.bytes += len(key)
		s.all = append(s.all, Incident{
			ID: fmt.Sprintf("i%05d", s.n), Class: res.Class, Principal: key, Address: strings.Clone(r.Address()), Principals: 1, // a substring would keep a whole batch alive
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
		s.bytes += len(r.Method) + len(r.Target)
	}
	return in.ID
}

// halve keeps the half of the incidents with the most requests.
func (s *incidents) halve() {
	order := make([]int, len(s.all))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if c := cmp.Compare(s.all[b].Requests, s.all[a].Requests); c != 0 {
			return c
		}
		return b - a
	})
	kept := order[:(len(order)+1)/2]
	for _, i := range order[len(kept):] {
		for class := range s.all[i].Classes {
			s.left[class]++
		}
	}
	slices.Sort(kept)
	place := make(map[int]int, len(kept))
	all, who := make([]Incident, 0, len(s.all)), make([]map[uint64]struct{}, 0, len(s.all))
	s.bytes = 0
	for to, i := range kept {
		place[i] = to
		all, who = append(all, s.all[i]), append(who, s.who[i])
		s.bytes += len(s.all[i].Principal)
		for _, x := range s.all[i].Samples {
			s.bytes += len(x.Method) + len(x.Target)
		}
	}
	s.all, s.who = all, who
	for key, i := range s.open {
		if to, ok := place[i]; ok {
			s.open[key] = to
		} else {
			delete(s.open, key)
		}
	}
}

// counts is how many incidents there were, and how many with a request of each
// class.
func (s *incidents) counts() (n int, byClass map[string]int) {
	byClass = maps.Clone(s.left)
	for i := range s.all {
		for class := range s.all[i].Classes {
			byClass[class]++
		}
	}
	return s.n, byClass
}

func (s *incidents) list() []Incident {
	out := slices.Clone(s.all)
	slices.SortStableFunc(out, func(a, b Incident) int { return cmp.Compare(b.Requests, a.Requests) })
	return out
}
