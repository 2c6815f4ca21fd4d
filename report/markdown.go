package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// markdownRows is the most rows of a table in Markdown: a job summary is read
// in a narrow column.
const markdownRows = 10

// Markdown writes a short summary for the job summary of a CI system: what
// matters first per section, key figures, incidents, models, coverage. It does
// not change d.
func Markdown(w io.Writer, d *Data) error {
	d = cleaned(d)
	b := bufio.NewWriter(w)
	name := d.Title
	if name == "" {
		name = defaultTitle
	}
	fmt.Fprintf(b, "# %s\n\n%s", md(name), md(between(d.First, d.Last)))
	if d.ToolVersion != "" {
		fmt.Fprintf(b, ", apiml %s", md(d.ToolVersion))
	}
	if d.Synthetic {
		b.WriteString(", **synthetic data**")
	}
	b.WriteString("\n\n")
	list, err := sections(d)
	if err != nil {
		return err
	}
	for _, s := range list {
		fmt.Fprintf(b, "- **%s:** %s\n", s.Title, md(s.Lead))
	}
	for _, x := range d.Warnings {
		fmt.Fprintf(b, "- **Warning:** %s\n", md(x))
	}

	var rows [][]string
	if d.shows("overview") {
		for _, k := range figures(d) {
			rows = append(rows, []string{k.Label, k.Value, k.Detail})
		}
		table(b, "Key figures", "l:Figure|r:Value|l:Detail", rows)
		for _, c := range comparisons(d) {
			head := "l:Figure|r:" + md(c.Now)
			for _, x := range c.Before {
				head += "|r:" + md(x) + "|r:Change"
			}
			rows = nil
			for _, r := range c.Rows {
				row := []string{r.Name, r.Now}
				for _, x := range r.Before {
					row = append(row, x.Value, x.Change)
				}
				rows = append(rows, row)
			}
			table(b, "Changes: "+md(c.Range), head, rows)
		}
	}

	rows = nil
	for _, i := range d.Security.Incidents {
		rows = append(rows, []string{i.ID, title(i.Class), between(i.First, i.Last), commas(i.Requests), number(i.Probability), i.Principal, i.Target})
	}
	table(b, "Incidents", "l:Incident|l:Type|l:First – last|r:Requests|r:Highest p|l:Principal|l:Target", rows, d.Security.incidents())

	rows = nil
	for _, x := range d.Security.Blocked {
		rows = append(rows, []string{x.Name, refusal(x.Name), commas(x.Count), commas(x.Flagged)})
	}
	table(b, "Refused by the server", "r:Status|l:Meaning|r:Requests|r:Flagged", rows)

	if e := falseSentences(d); d.shows("security") && len(e) > 0 {
		b.WriteString("\n## False alerts\n\n")
		for _, x := range e {
			fmt.Fprintf(b, "- %s\n", md(x))
		}
	}

	rows = nil
	for _, t := range d.Performance.Templates {
		rows = append(rows, []string{t.Template, commas(t.Requests), share(t.ServerErrors, t.Requests), seconds(t.P50), seconds(t.P95), seconds(t.P99), percent(t.TimeShare)})
	}
	table(b, "Templates", "l:Template|r:Requests|r:5xx|r:p50|r:p95|r:p99|r:Share of time", rows, d.Overview.Templates)

	rows = nil
	for _, x := range d.Performance.Capacity.Schedule {
		rows = append(rows, []string{between(x.From, x.Until), commas(x.Replicas), rate(x.Upper)})
	}
	table(b, "Replica schedule", "l:From – until|r:Replicas|r:Provides for", rows)

	rows = nil
	for _, x := range d.Performance.Advice.Templates {
		rows = append(rows, []string{x.Template, seconds(x.Lifetime), commas(x.Requests), share(x.Hits, x.Requests), commas(x.Stale)})
	}
	table(b, "What a cache could keep", "l:Template|r:Lifetime|r:Requests|r:Hit ratio|r:Stale hits", rows, d.Performance.Advice.TemplateCount)

	rows = nil
	for _, x := range d.Behavior.Profiles.Clusters {
		rows = append(rows, []string{x.Name, x.Words, commas(x.Principals), commas(x.Requests)})
	}
	table(b, "Clusters of principals", "l:Cluster|l:Typical|r:Principals|r:Requests", rows)

	rows = nil
	for _, x := range d.Behavior.Profiles.Suspects {
		rows = append(rows, []string{x.Principal, title(x.Class), number(x.Score), commas(x.Requests), x.Why})
	}
	table(b, "Conduct that looks like an attack", "l:Principal|l:Looks like|r:Evidence|r:Requests|l:Because of", rows, d.Behavior.Profiles.SuspectCount)

	rows = nil
	for _, x := range d.Behavior.Templates {
		rows = append(rows, []string{x.Name, commas(x.Requests), commas(x.Errors), commas(x.Principals), at(x.First)})
	}
	table(b, "New templates", "l:Template|r:Requests|r:Errors|r:Principals|l:First (UTC)", rows, d.Behavior.TemplateCount)

	rows = nil
	for _, x := range d.Behavior.Movements {
		rows = append(rows, []string{x.Principal, commas(x.Before), commas(x.Now), delta(x.Now, x.Before)})
	}
	table(b, "Movements", "l:Principal|r:Before|r:Now|r:Change", rows)

	rows = nil
	for _, m := range d.Models {
		protocol := m.Protocol
		if m.Synthetic {
			protocol += " (fitted on synthetic data)"
		}
		for _, x := range m.Metrics {
			v := number(x.Mean)
			if x.SD.Known() {
				v += " ± " + number(x.SD)
			}
			rows = append(rows, []string{modelTitle(m), x.Name, v, number(x.Baseline), commas(m.Rows), protocol})
		}
	}
	table(b, "Models", "l:Model|l:Metric|r:Value ± sd|r:Baseline|r:Rows|l:Protocol", rows)

	rows = nil
	for _, m := range d.Models {
		if m.Drift.Rows > 0 {
			first := none
			if n := len(m.Drift.Shifts); n > 0 {
				first = m.Drift.Shifts[n-1].Column
				for _, x := range m.Drift.Shifts {
					if x.Column != "scores" {
						first = x.Column + " (PSI " + number(x.PSI) + ")"
						break
					}
				}
			}
			rows = append(rows, []string{modelTitle(m), commas(m.Drift.Rows), commas(m.Drift.Large), commas(m.Drift.Moderate), first})
		}
	}
	table(b, "Drift", "l:Model|r:New rows|r:Large shifts|r:Moderate shifts|l:Moved most", rows)

	if d.shows("audit") {
		rows = nil
		for _, x := range d.Audit.Redactions {
			rows = append(rows, []string{kindName(x.Name), commas(x.Count)})
		}
		table(b, "Secrets and personal data", "l:Kind|r:Values", rows)
	}
	if !d.shows("overview") && !d.shows("audit") {
		return b.Flush()
	}
	rows = nil
	for _, i := range d.Inputs {
		rows = append(rows, []string{i.Name, i.Format, commas(i.Read), commas(i.Parsed), commas(i.Rejected), commas(i.Filtered), share(i.Parsed, i.Read-i.Filtered)})
	}
	table(b, "Coverage", "l:Input|l:Format|r:Read|r:Parsed|r:Rejected|r:Filtered|r:Coverage", rows)
	return b.Flush()
}

// table writes rows under a heading, nothing without rows. A column of head is
// "l:Name" or "r:Name". Of all rows there are, these may be the first only.
func table(b *bufio.Writer, heading, head string, rows [][]string, all ...int64) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n|", heading)
	cols := strings.Split(head, "|")
	for _, c := range cols {
		fmt.Fprintf(b, " %s |", c[2:])
	}
	b.WriteString("\n|")
	for _, c := range cols {
		b.WriteString(map[byte]string{'l': " --- |", 'r': " ---: |"}[c[0]])
	}
	b.WriteString("\n")
	for _, r := range rows[:min(len(rows), markdownRows)] {
		b.WriteString("|")
		for _, cell := range r {
			fmt.Fprintf(b, " %s |", md(cell))
		}
		b.WriteString("\n")
	}
	most := int64(len(rows))
	for _, n := range all {
		most = max(most, n)
	}
	if n := most - int64(min(len(rows), markdownRows)); n > 0 {
		fmt.Fprintf(b, "\n… and %s more.\n", commas(n))
	}
}

// md makes a string plain text in Markdown, inside and outside of tables: what
// has a meaning there becomes a character reference, which never has one.
func md(s string) string {
	if s == "" {
		return none
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '_' && i > 0 && i+1 < len(s) && alnum(s[i-1]) && alnum(s[i+1]): // inside a word it is plain
			b.WriteByte(c)
		case strings.IndexByte("|`*_[]<>&\\~#!@$", c) >= 0:
			fmt.Fprintf(&b, "&#%d;", c)
		case c == ':' && i+1 < len(s) && s[i+1] == '/': // would become a link
			b.WriteString("&#58;")
		case c == '.' && i >= 3 && strings.EqualFold(s[i-3:i], "www"): // would become a link
			b.WriteString("&#46;")
		case i == 0 && strings.IndexByte("=+-", c) >= 0: // a formula, a list
			fmt.Fprintf(&b, "&#%d;", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
