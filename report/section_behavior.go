package report

import (
	"fmt"
	"time"
)

type behaviorView struct {
	*Data
	Ingest, Profiles, Train string
	Sampled                 string // which requests the profiles are of, a sentence
	Clusters                []clusterRow
	Attackers               bool
	Followed                int64
}

type clusterRow struct {
	Cluster
	People, Traffic           Num // shares
	PeopleWidth, TrafficWidth string
}

func behavior(d *Data) (section, error) {
	b := &d.Behavior
	v := behaviorView{Data: d, Ingest: command(d, "ingest access.log"), Profiles: command(d, "score --by principal"), Train: command(d, "train behavior")}
	v.profiles(&b.Profiles)
	s := section{ID: "behavior", Title: "Behavior", Template: "behavior.html", View: v}
	switch {
	case len(b.Kinds) == 0:
		s.Lead = "Nobody came, or nothing was ingested."
	case b.Range == "":
		s.Lead = fmt.Sprintf("%s; the store does not reach back far enough to tell who is new.", plural(d.Overview.Principals, "principal"))
	default:
		s.Lead = fmt.Sprintf("%s in %s, %s of whom came in %s too; %s that did not occur before", plural(b.Now, "principal"), b.Span, share(b.Returning, b.Now), b.Before, plural(b.TemplateCount, "template"))
		if n := len(b.Templates); n > 0 {
			s.Lead += fmt.Sprintf(", with the most requests %s (%s)", orNone(b.Templates[0].Name), human(b.Templates[0].Requests))
		}
		s.Lead += "."
	}
	if p := &b.Profiles; p.Principals > 0 {
		s.Lead += fmt.Sprintf(" Of %s with a profile, %s in no cluster and %s like an attack.", plural(p.Principals, "principal"), verb(p.OutsiderCount, "is", "are"), verb(p.SuspectCount, "behaves", "behave"))
	}
	return s, nil
}

// verb is "1 is", "3 are".
func verb(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return human(n) + " " + many
}

// profiles prepares the clusters.
func (v *behaviorView) profiles(p *Profiles) {
	people, traffic := int64(0), int64(0)
	for _, c := range p.Clusters {
		people, traffic = people+max(c.Principals, 0), traffic+max(c.Requests, 0)
		v.Attackers = v.Attackers || c.Attackers.Known()
	}
	for _, c := range p.Clusters {
		r := clusterRow{Cluster: c, People: ratio(c.Principals, people), Traffic: ratio(c.Requests, traffic)}
		r.PeopleWidth, r.TrafficWidth = width(r.People, 1), width(r.Traffic, 1)
		v.Clusters = append(v.Clusters, r)
	}
	v.Sampled = newest(v.Data, p.Requests, p.Since, p.Until)
	v.Followed = max(p.Stayed, 0) + max(p.Moved, 0)
}

// newest says of which requests something is that does not rest on all of them.
func newest(d *Data, n int64, since, until time.Time) string {
	if n >= d.Overview.Requests {
		return fmt.Sprintf("All %s requests, %s.", commas(n), between(since, until))
	}
	return fmt.Sprintf("The newest %s of %s requests, %s.", commas(n), commas(d.Overview.Requests), between(since, until))
}

// kindOf says how principals of a kind are told apart.
func kindOf(kind string) string {
	switch kind {
	case "user":
		return "Users, by name"
	case "session":
		return "Sessions"
	case "client":
		return "Clients, by address and agent"
	}
	return orNone(kind)
}

// delta is a difference with its sign.
func delta(now, before int64) string {
	if now < before {
		return "−" + commas(before-now)
	}
	return "+" + commas(now-before)
}
