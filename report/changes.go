package report

import (
	"fmt"
	"math"
)

// comparison is a Comparison in words.
type comparison struct {
	Now, Range string
	Before     []string
	Rows       []changeRow
}

type changeRow struct {
	Name   string
	Now    string
	Before []changed
}

type changed struct {
	Value  string
	Change string // "▲ 12 %", "▼ 0.3 points", "=", "new"
	Class  string // "bad" and "good" only where a direction is one
}

func comparisons(d *Data) (out []comparison) {
	for _, c := range d.Overview.Changes {
		v := comparison{Now: c.Now, Range: c.Range, Before: c.Before}
		for _, r := range c.Rows {
			row := changeRow{Name: r.Name, Now: figure(r.Unit, r.Now)}
			for i := range c.Before {
				before := Unknown()
				if i < len(r.Before) {
					before = r.Before[i]
				}
				x := changed{Value: figure(r.Unit, before), Change: change(r.Unit, r.Now, before)}
				if r.HighIsBad && r.Now.Known() && before.Known() {
					switch b := notable(r.Unit, r.Now, before); {
					case b > 0:
						x.Class = "bad"
					case b < 0:
						x.Class = "good"
					}
				}
				row.Before = append(row.Before, x)
			}
			v.Rows = append(v.Rows, row)
		}
		out = append(out, v)
	}
	return out
}

// figure prints a number of a unit.
func figure(unit string, v Num) string {
	switch {
	case !v.Known():
		return none
	case unit == "share":
		return percent(v)
	case unit == "seconds":
		return seconds(v)
	}
	return commas(int64(v))
}

// change is how a figure moved: shares in points, all else in percent.
func change(unit string, now, before Num) string {
	if !now.Known() || !before.Known() {
		return none
	}
	by, suffix := float64(now-before), " %"
	switch {
	case by == 0:
		return "="
	case unit == "share":
		by, suffix = by*100, " points"
	case before == 0:
		return "▲ new"
	default:
		by = by / float64(before) * 100
	}
	arrow := "▲ "
	if by < 0 {
		arrow = "▼ "
	}
	if by = math.Abs(by); by < .05 {
		return arrow + "< 0.05" + suffix
	}
	if by >= 1000 && suffix == " %" {
		return arrow + "× " + digits(float64(now/before))
	}
	if by >= 100 {
		return arrow + fmt.Sprintf("%.0f", by) + suffix
	}
	return arrow + fmt.Sprintf("%.1f", by) + suffix
}

// notable is 1 or -1 for a move that deserves a colour: more than a tenth of the
// figure, and for shares half a point.
func notable(unit string, now, before Num) int {
	by := float64(now - before)
	least := math.Abs(float64(before)) / 10
	if unit == "share" {
		least = max(least, .005)
	}
	switch {
	case by > least:
		return 1
	case by < -least:
		return -1
	}
	return 0
}

// moved is the change of the requests, for the first sentence of the page; "" if
// there is nothing to compare.
func moved(d *Data) string {
	for _, c := range d.Overview.Changes {
		for _, r := range c.Rows {
			if r.Name != "Requests" || len(r.Before) == 0 || len(c.Before) == 0 || !r.Now.Known() || !r.Before[0].Known() || r.Before[0] <= 0 {
				continue
			}
			word := "more"
			by := float64(r.Now/r.Before[0] - 1)
			if by < 0 {
				word, by = "fewer", -by
			}
			return fmt.Sprintf("%s brought %s requests, %s %s than %s", c.Now, human(int64(r.Now)), percent(Num(by)), word, c.Before[0])
		}
	}
	return ""
}
