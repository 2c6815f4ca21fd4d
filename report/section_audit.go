package report

import "fmt"

type auditView struct {
	*Data
	Coverage Input
	Ingest   string
}

func audit(d *Data) (section, error) {
	v := auditView{Data: d, Coverage: coverage(d.Inputs), Ingest: command(d, "ingest access.log")}
	s := section{ID: "audit", Title: "Audit", Template: "audit.html", View: v}
	switch {
	case len(d.Inputs) == 0:
		s.Lead = "No input is on record."
	default:
		s.Lead = fmt.Sprintf("%s with %s lines: read = parsed + rejected + filtered for each of them.",
			plural(int64(len(d.Inputs)), "input"), human(v.Coverage.Read))
	}
	return s, nil
}

func configuration(d *Data) (section, error) {
	changed := 0
	for _, c := range d.Config {
		if c.Origin != "default" {
			changed++
		}
	}
	s := section{ID: "configuration", Title: "Configuration", Template: "configuration.html", View: d}
	if len(d.Config) == 0 {
		s.Lead = "The effective configuration was not recorded."
	} else {
		s.Lead = fmt.Sprintf("%s; %d differ in origin from the defaults.", plural(int64(len(d.Config)), "setting"), changed)
	}
	return s, nil
}
