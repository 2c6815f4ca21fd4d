package report

import "fmt"

type behaviorView struct {
	*Data
	Ingest, Profiles string
}

func behavior(d *Data) (section, error) {
	b := &d.Behavior
	s := section{ID: "behavior", Title: "Behavior", Template: "behavior.html",
		View: behaviorView{Data: d, Ingest: command(d, "ingest access.log"), Profiles: command(d, "score --by principal")}}
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
	return s, nil
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
