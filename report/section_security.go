package report

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

type securityView struct {
	*Data
	Timeline     *chart
	Clock        []string
	Rows         int
	Types        []typeRow
	Rules        bool // some type has a count by rules
	Truth        bool
	Blocked      []refusalRow
	BlockedTime  *chart
	BlockedClock []string
	BlockedRows  int
	Score        *chart // the security score per day
	ScoreWords   string
	Accuracy     *chart   // per day, with labels
	False        []string // sentences
	Ingest, Cost string   // commands
	Command      string
}

type refusalRow struct {
	Refusal
	Meaning string
	Share   Num // of all refusals
	Width   string
}

type typeRow struct {
	AttackType
	Width string
}

func security(d *Data) (section, error) {
	x := &d.Security
	v := securityView{Data: d, Ingest: command(d, "ingest access.log"), Command: command(d, "score access.log"), Cost: command(d, "score --alert-budget 20/day")}
	s := section{ID: "security", Title: "Security", Template: "security.html"}
	var err error
	x.Timeline.Series = slices.Clone(x.Timeline.Series)
	var class []string
	for i := range x.Timeline.Series {
		class = append(class, x.Timeline.Series[i].Name)
		x.Timeline.Series[i].Name = title(x.Timeline.Series[i].Name)
	}
	if v.Timeline, err = timeline("threats", "Flagged requests over time by attack type", x.Timeline, true, class...); err != nil {
		return s, err
	}
	v.Clock, v.Rows = tableClock(x.Timeline)
	if err := v.refused(x); err != nil {
		return s, err
	}
	if err := v.score(x); err != nil {
		return s, err
	}
	v.False = falseSentences(d)
	if v.Accuracy, err = accuracyChart(x.False.Days); err != nil {
		return s, err
	}
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
	if n := len(x.Score.Days); n > 0 && x.Score.Days[n-1].Score.Known() {
		s.Lead += fmt.Sprintf(" The security score of the last day, %s, is %s of 100.", dayOf(x.Score.Days[n-1].Day), digits(float64(x.Score.Days[n-1].Score)))
	}
	s.View = v
	return s, nil
}

// refused prepares what the server refused.
func (v *securityView) refused(x *Security) (err error) {
	total, longest := int64(0), int64(0)
	for _, r := range x.Blocked {
		total, longest = total+max(r.Count, 0), max(longest, r.Count)
	}
	for _, r := range x.Blocked {
		v.Blocked = append(v.Blocked, refusalRow{r, refusal(r.Name), ratio(r.Count, total), width(Num(r.Count), Num(longest))})
	}
	if v.BlockedTime, err = timeline("refused", "Refused requests over time by status", x.BlockedTime, true); err != nil {
		return err
	}
	v.BlockedClock, v.BlockedRows = tableClock(x.BlockedTime)
	return nil
}

// scoreLine is the security score per day. A day that is missing is a gap.
func scoreLine(x *Security) (t Timeline, ok bool) {
	days := x.Score.Days
	if len(days) == 0 || days[0].Day.IsZero() {
		return t, false
	}
	const day = 24 * time.Hour
	t = Timeline{Start: days[0].Day, Step: Num(day.Seconds()), Series: []Line{{Name: "security score"}}}
	n := int(min(days[len(days)-1].Day.Sub(t.Start)/day, 1000)) + 1
	for range n {
		t.Series[0].Values = append(t.Series[0].Values, Unknown())
	}
	for _, d := range days {
		if i := int(d.Day.Sub(t.Start) / day); i >= 0 && i < n {
			t.Series[0].Values[i] = d.Score
		}
	}
	return t, true
}

// score prepares the security score.
func (v *securityView) score(x *Security) (err error) {
	t, ok := scoreLine(x)
	if !ok {
		return nil
	}
	if v.Score, err = timelineTo(100, "score", "Security score per day, from 0 to 100", t, false); err != nil {
		return err
	}
	switch r := x.Score.Trend; {
	case !r.Known():
		v.ScoreWords = "A trend needs three days."
	case r > -.005 && r < .005:
		v.ScoreWords = "It does not move."
	case r > 0:
		v.ScoreWords = fmt.Sprintf("It rises by %s points a day (median of the slopes between all days).", digits(float64(r)))
	default:
		v.ScoreWords = fmt.Sprintf("It falls by %s points a day (median of the slopes between all days).", digits(-float64(r)))
	}
	return nil
}

// accuracyChart draws what of the attacks was found, and what of the alerts was
// right, per day; nil with fewer than two days.
func accuracyChart(days []FalseDay) (*chart, error) {
	if len(days) < 2 {
		return nil, nil
	}
	var x []string
	lines := []Line{{Name: "recall: attacks that were flagged"}, {Name: "precision: alerts that were attacks"}}
	for _, d := range days {
		x = append(x, dayOf(d.Day))
		lines[0].Values = append(lines[0].Values, ratio(d.Hits, d.Attacks))
		p := Unknown()
		if d.Hits >= 0 && d.False >= 0 {
			p = ratio(d.Hits, d.Hits+d.False)
		}
		lines[1].Values = append(lines[1].Values, p)
	}
	return lineChart("accuracy", "Recall and precision against the labels per day", x, lines)
}

// falseSentences say what is known about false alerts.
func falseSentences(d *Data) (out []string) {
	f := &d.Security.False
	if d.Security.Scored <= 0 {
		return nil
	}
	if f.Benign > 0 {
		out = append(out, fmt.Sprintf("By the labels, %s of %s benign requests were flagged: %s (95 %% interval: %s to %s).",
			commas(f.Flagged), commas(f.Benign), share(f.Flagged, f.Benign), percent(f.Low), percent(f.High)))
	}
	if e := f.Expected; e.Clean > 0 {
		least := ""
		if e.AtLeast {
			least = "at least "
		}
		s := fmt.Sprintf("By the training of the model, expect %s%s false alerts a day (95 %% interval: %s to %s) at the threshold of %s and %s requests a day: so scored its %s clean requests, each by models that had not seen it.",
			least, few(e.PerDay), few(e.Low), few(e.High), number(e.Threshold), human(int64(e.RequestsPerDay)), commas(e.Clean))
		if e.Attackers.Known() {
			s += fmt.Sprintf(" Of the attackers in the training it would flag %s.", percent(e.Attackers))
		}
		out = append(out, s)
	}
	return out
}

// few prints a small number of alerts.
func few(v Num) string {
	switch {
	case !v.Known():
		return none
	case v >= 100:
		return commas(int64(v + .5))
	}
	return strconv.FormatFloat(float64(v), 'f', 1, 64)
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
