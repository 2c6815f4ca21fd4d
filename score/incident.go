package score

import (
	"cmp"
	"fmt"
	"slices"

	"apiml/traffic"
)

// Incident groups the flagged requests of one principal and attack type that
// lie less than incidentGap apart.
type Incident struct {
	ID             string   `json:"id"`
	Class          string   `json:"class"`
	Principal      string   `json:"principal"`
	Address        string   `json:"address"`
	Requests       int64    `json:"requests"`
	First          int64    `json:"-"` // microseconds UTC or traffic.NoTime
	Last           int64    `json:"-"`
	FirstTime      string   `json:"first_time,omitempty"` // RFC 3339
	LastTime       string   `json:"last_time,omitempty"`
	MaxProbability float64  `json:"max_probability"`
	Samples        []Sample `json:"samples"` // the first few lines
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
	incidentGap     = 30 * 60 * 1_000_000 // microseconds
	incidentSamples = 3
	// maxOpenIncidents bounds the memory: beyond it the look-up of open ones
	// starts afresh, so that a later request opens a new incident.
	maxOpenIncidents = 1 << 16
)

type incidentKey struct{ principal, class string }

type incidents struct {
	open map[incidentKey]int // index into all
	all  []Incident
}

func newIncidents() *incidents { return &incidents{open: map[incidentKey]int{}} }

// add books a flagged request and returns the ID of its incident.
func (s *incidents) add(r *traffic.Request, res *Result) string {
	// The address, not the principal, for the payload attacks of a client that
	// changes its agent from request to request.
	key := incidentKey{res.Principal, res.Class}
	if r.User == "" && r.Session == "" && r.Client != "" {
		key.principal = "client:" + r.Address()
	}
	at, ok := s.open[key]
	if ok && r.HasTime() && r.Time-s.all[at].Last > incidentGap {
		ok = false
	}
	if !ok {
		if len(s.open) >= maxOpenIncidents {
			clear(s.open)
		}
		at = len(s.all)
		s.open[key] = at
		s.all = append(s.all, Incident{
			ID: fmt.Sprintf("i%05d", at+1), Class: res.Class, Principal: key.principal, Address: r.Address(),
			First: r.Time, Last: r.Time, FirstTime: res.Time,
		})
	}
	in := &s.all[at]
	in.Requests++
	in.Last, in.LastTime = max(in.Last, r.Time), res.Time
	in.MaxProbability = max(in.MaxProbability, res.Probability)
	if len(in.Samples) < incidentSamples {
		in.Samples = append(in.Samples, Sample{r.File, r.Line, r.Method, r.Target, r.Status})
	}
	return in.ID
}

func (s *incidents) list() []Incident {
	out := slices.Clone(s.all)
	slices.SortStableFunc(out, func(a, b Incident) int { return cmp.Compare(b.Requests, a.Requests) })
	return out
}
