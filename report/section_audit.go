package report

import "fmt"

type auditView struct {
	*Data
	Coverage Input
	Secrets  []Count // redactions by kind, in words
	Personal []Count // personal data in URLs
	Span     string
	Days     string
	Evidence []proof
	Extracts []string
	Ingest   string
}

// proof is one row of the list of evidence.
type proof struct{ Question, Answer, Where string }

// kindName says what a kind of redacted values is.
func kindName(kind string) string {
	switch kind {
	case "secret":
		return "Passwords, tokens and keys"
	case "jwt":
		return "Signed tokens (JWT)"
	case "pan":
		return "Card numbers"
	case "email":
		return "E-mail addresses in URLs"
	case "phone":
		return "Phone numbers in URLs"
	}
	return kind
}

// proofs are what this report can answer of what GDPR and HIPAA ask. Where the
// answer lies outside of a log, it says so.
func (v *auditView) proofs() {
	d, a := v.Data, &v.Audit
	add := func(question, answer, where string) { v.Evidence = append(v.Evidence, proof{question, answer, where}) }
	personal := int64(0)
	for _, c := range v.Personal {
		personal += max(c.Count, 0)
	}
	secrets := int64(0)
	for _, c := range v.Secrets {
		secrets += max(c.Count, 0)
	}
	masked := "counted, not masked: input.redact_pii is off"
	if a.Masked {
		masked = "masked: input.redact_pii is on"
	}
	add("GDPR Art. 5 (1) c, data minimisation", fmt.Sprintf("%s secrets masked before they were stored; %s personal values in URLs, %s.", commas(secrets), commas(personal), masked), "Secrets and personal data")
	span := "The records carry no times."
	if v.Days != "" {
		span = "The records span " + v.Days + "."
	}
	add("GDPR Art. 5 (1) e, storage limitation", span+" "+a.Keep, "Retention")
	add("GDPR Art. 30, records of processing; HIPAA § 164.312 (b), audit controls", fmt.Sprintf("%s on record with command, configuration and counts; %s identified by SHA-256.", plural(int64(len(a.Runs)), "run"), plural(int64(len(d.Inputs)), "input")), "Runs, Inputs")
	if a.UserCount > 0 {
		add("HIPAA § 164.308 (a) (1) (ii) D, review of system activity", fmt.Sprintf("Activity of %s, with denied requests first.", plural(a.UserCount, "user")), "Activity per user")
		add("HIPAA § 164.312 (d), authentication of persons", "Users are named in the log. How they were authenticated is not in it.", "Activity per user")
	} else {
		add("HIPAA § 164.308 (a) (1) (ii) D, review of system activity", "The log names no users: activity can be told by principal only.", "Security, Top principals")
	}
	if d.Security.Scored > 0 {
		add("GDPR Art. 33, notification of a breach; HIPAA § 164.308 (a) (6), security incidents", fmt.Sprintf("%s found in %s scored requests, each with lines of evidence. Whether one is a breach is for people to judge.", plural(d.Security.incidents(), "incident"), commas(d.Security.Scored)), "Security, Incidents")
	} else {
		add("GDPR Art. 33, notification of a breach; HIPAA § 164.308 (a) (6), security incidents", "Nothing was scored, so no incident was looked for.", "Security")
	}
	c := v.Coverage
	add("Completeness of the log", fmt.Sprintf("%s of %s lines parsed, %s rejected with their reasons, %s filtered.", commas(c.Parsed), commas(c.Read), commas(c.Rejected), commas(c.Filtered)), "Inputs, Rejected lines")
	add("Encryption, access to this store, contracts, consent", "Not in a log: to be shown elsewhere.", "–")
}

func audit(d *Data) (section, error) {
	v := auditView{Data: d, Coverage: coverage(d.Inputs), Ingest: command(d, "ingest access.log")}
	for _, c := range d.Audit.Redactions {
		row := Count{kindName(c.Name), c.Count}
		if c.Name == "email" || c.Name == "phone" {
			v.Personal = append(v.Personal, row)
		} else {
			v.Secrets = append(v.Secrets, row)
		}
	}
	if !d.First.IsZero() && !d.Last.Before(d.First) {
		v.Span = between(d.First, d.Last)
		v.Days = seconds(Num(d.Last.Sub(d.First).Seconds()))
	}
	v.Extracts = []string{
		command(d, `query "FROM requests WHERE status IN (401, 403)" --format csv`),
		command(d, `query "FROM requests WHERE \"user\" = 'NAME' ORDER BY time" --format csv`),
		command(d, `query "FROM requests WHERE client = 'ADDRESS' AND time >= TIMESTAMP '2026-01-31 00:00:00' ORDER BY time" --format csv`),
	}
	v.proofs()
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
