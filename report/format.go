package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// none stands where nothing is known.
const none = "–"

// commas prints an exact count: 1,234,567. A negative count is unknown.
func commas(n int64) string {
	if n < 0 {
		return none
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// human prints a count for a headline: exact below 10,000, then with three
// digits: 12.3 k, 1.2 M.
func human(n int64) string {
	if n < 10_000 {
		return commas(n)
	}
	return scaled(float64(n), 1000, []string{"", " k", " M", " G", " T", " P", " E"})
}

// size prints bytes in decimal units.
func size(n int64) string {
	if n < 0 {
		return none
	}
	return scaled(float64(n), 1000, []string{" B", " kB", " MB", " GB", " TB", " PB", " EB"})
}

func scaled(v, base float64, units []string) string {
	i := 0
	for i < len(units)-1 && math.Abs(v) >= base-base/2000 { // 999.6 k is 1 M
		v /= base
		i++
	}
	return digits(v) + units[i]
}

// digits prints v with three significant digits at most, without zeros at the
// end.
func digits(v float64) string {
	a := math.Abs(v)
	p := 2
	switch {
	case a >= 100:
		p = 0
	case a >= 10:
		p = 1
	}
	s := strconv.FormatFloat(v, 'f', p, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// percent prints a share. What is not 0 or 1 never looks like it.
func percent(v Num) string {
	p := float64(v) * 100
	switch {
	case !v.Known():
		return none
	case p > 0 && p < 0.01:
		return "< 0.01 %"
	case p > 99.99 && p < 100:
		return "> 99.99 %"
	case p >= 99.9 && p < 100 || p > 0 && p < 1:
		return strconv.FormatFloat(p, 'f', 2, 64) + " %"
	case p == 0 || p == 100:
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + " %"
}

// ratio is a share of counts, unknown where it has no meaning.
func ratio(a, b int64) Num {
	if a < 0 || b <= 0 {
		return Unknown()
	}
	return Num(float64(a) / float64(b))
}

func share(a, b int64) string { return percent(ratio(a, b)) }

// seconds prints a duration: 340 µs, 34 ms, 1.4 s, 2.5 min, 3.2 h.
func seconds(v Num) string {
	s := float64(v)
	if !v.Known() {
		return none
	}
	switch a := math.Abs(s); {
	case a == 0:
		return "0"
	case a < 0.9995e-3:
		return digits(s*1e6) + " µs"
	case a < 0.9995:
		return digits(s*1e3) + " ms"
	case a < 59.95:
		return digits(s) + " s"
	case a < 3597:
		return digits(s/60) + " min"
	case a < 172800:
		return digits(s/3600) + " h"
	}
	return digits(s/86400) + " d"
}

// number prints a metric with three decimals, a large one shorter.
func number(v Num) string {
	f := float64(v)
	switch a := math.Abs(f); {
	case !v.Known():
		return none
	case a >= 10_000:
		return scaled(f, 1000, []string{"", " k", " M", " G", " T", " P", " E"})
	case a >= 100:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 3, 64)
}

// signed prints a difference with its sign.
func signed(v Num) string {
	switch {
	case !v.Known():
		return none
	case v < 0:
		return "−" + number(-v)
	}
	return "+" + number(v)
}

// points100 prints a difference of shares in points.
func points100(v Num) string {
	if !v.Known() {
		return none
	}
	p := math.Round(float64(v)*1000) / 10
	switch {
	case p == 0:
		return "0"
	case p < 0:
		return "−" + digits(-p) + " points"
	}
	return "+" + digits(p) + " points"
}

// rate prints requests per second.
func rate(v Num) string {
	if !v.Known() {
		return none
	}
	return digits(float64(v)) + "/s"
}

// at prints a time to the second, the zero time as unknown.
func at(t time.Time) string {
	if t.IsZero() {
		return none
	}
	t = t.UTC()
	if t.Nanosecond() == 0 && t.Second() == 0 {
		return t.Format("2006-01-02 15:04")
	}
	return t.Format("2006-01-02 15:04:05")
}

// dayOf prints a day.
func dayOf(t time.Time) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format("2006-01-02")
}

// local prints a time as an input of type datetime-local reads it, in UTC.
func local(t time.Time) string { return t.UTC().Format("2006-01-02T15:04") }

// unix is the key by which rows are filtered by time: seconds, "" if unknown.
func unix(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// between prints a range of times without saying the day twice.
func between(a, b time.Time) string {
	switch {
	case a.IsZero() && b.IsZero():
		return "times unknown"
	case a.IsZero() || b.IsZero() || a.Equal(b):
		return at(latest(a, b)) + " UTC"
	}
	a, b = a.UTC(), b.UTC()
	if a.Format(time.DateOnly) == b.Format(time.DateOnly) {
		if a.Second() == 0 && b.Second() == 0 {
			return a.Format("2006-01-02 15:04") + " – " + b.Format("15:04") + " UTC"
		}
		return a.Format("2006-01-02 15:04:05") + " – " + b.Format("15:04:05") + " UTC"
	}
	return a.Format("2006-01-02 15:04") + " – " + b.Format("2006-01-02 15:04") + " UTC"
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// clock returns the labels of n intervals.
func clock(start time.Time, step Num, n int) []string {
	d := time.Duration(float64(step) * float64(time.Second))
	last := start.Add(d * time.Duration(max(n-1, 0)))
	layout := "2006-01-02 15:04"
	switch {
	case d >= 24*time.Hour && d%(24*time.Hour) == 0:
		layout = time.DateOnly
	case d%time.Minute != 0:
		layout = "2006-01-02 15:04:05"
	}
	if start.UTC().Year() == last.UTC().Year() && layout != time.DateOnly {
		layout = strings.TrimPrefix(layout, "2006-")
	}
	out := make([]string, n)
	for i := range out {
		out[i] = start.Add(d * time.Duration(i)).UTC().Format(layout)
	}
	return out
}

// short cuts a hash to what tells files apart.
func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	if hash == "" {
		return none
	}
	return hash
}

// title turns "sql_injection" into "SQL injection", and a list of such names
// into one of these.
func title(s string) string {
	if first, rest, found := strings.Cut(s, ", "); found && first != "" && rest != "" {
		return title(first) + ", " + title(rest)
	}
	switch s {
	case "":
		return none
	case "sql_injection":
		return "SQL injection"
	case "xss":
		return "XSS"
	case "ddos":
		return "DDoS"
	case "api_abuse":
		return "API abuse"
	case "none":
		return "Benign"
	}
	s = strings.ReplaceAll(s, "_", " ")
	if s[0] >= 'a' && s[0] <= 'z' {
		s = string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

// plural is "1 incident", "3 incidents".
func plural(n int64, one string) string {
	switch {
	case n == 1:
		return "1 " + one
	case strings.HasSuffix(one, "y"):
		return fmt.Sprintf("%s %sies", human(n), one[:len(one)-1])
	}
	return human(n) + " " + one + "s"
}
