package report

import (
	"fmt"
	"slices"
)

type securityView struct {
	*Data
	Timeline      *chart
	Clock         []string
	Rows          int
	Types         []typeRow
	Rules         bool // some type has a count by rules
	Truth         bool
	Blocked       []mixRow
	Ingest, Score string // commands
}

type typeRow struct {
	AttackType
	Width string
}

func security(d *Data) (section, error) {
	x := &d.Security
	v := securityView{Data: d, Ingest: command(d, "ingest access.log"), Score: command(d, "score access.log")}
	s := section{ID: "security", Title: "Security", Template: "security.html"}
	var err error
	x.Timeline.Series = slices.Clone(x.Timeline.Series)
	for i := range x.Timeline.Series {
		x.Timeline.Series[i].Name = title(x.Timeline.Series[i].Name)
	}
	if v.Timeline, err = timeline("threats", "Flagged requests over time by attack type", x.Timeline, true); err != nil {
		return s, err
	}
	v.Clock, v.Rows = tableClock(x.Timeline)
	v.Blocked = mix(x.Blocked, true)
	longest := int64(0)
	for _, t := range x.Types {
		longest = max(longest, t.Flagged, t.Labelled)
	}
	for _, t := range x.Types {
		bar := t.Flagged
		if x.Scored == 0 {
			bar = t.Labelled
		}
		v.Types = append(v.Types, typeRow{t, width(Num(bar), Num(longest))})
		v.Rules = v.Rules || t.Rules >= 0
		v.Truth = v.Truth || t.Labelled >= 0
	}
	switch {
	case x.Scored == 0 && x.Labelled > 0:
		s.Lead = fmt.Sprintf("Nothing was scored yet; %s requests carry labels.", human(x.Labelled))
	case x.Scored == 0:
		s.Lead = "Nothing was scored yet, so nothing can be said about attacks."
	case x.Flagged == 0:
		s.Lead = fmt.Sprintf("None of %s scored requests was flagged.", human(x.Scored))
	default:
		s.Lead = fmt.Sprintf("%s of %s scored requests (%s) were flagged", human(x.Flagged), human(x.Scored), share(x.Flagged, x.Scored))
		if t := topType(x.Types); t != "" {
			s.Lead += ", most of them as " + lower(title(t))
		}
		if n := x.incidents(); n > 0 {
			s.Lead += ", in " + plural(n, "incident")
		}
		s.Lead += "."
	}
	s.View = v
	return s, nil
}

func topType(ts []AttackType) string {
	best, name := int64(0), ""
	for _, t := range ts {
		if t.Type != "none" && t.Flagged > best {
			best, name = t.Flagged, t.Type
		}
	}
	return name
}

// lower makes the first letter small unless an abbreviation begins the text.
func lower(s string) string {
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'a' && s[1] <= 'z' {
		return string(s[0]-'A'+'a') + s[1:]
	}
	return s
}

// incidents is the number of incidents, shown or not.
func (s *Security) incidents() int64 { return max(s.IncidentCount, int64(len(s.Incidents))) }
