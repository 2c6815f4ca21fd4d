package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"apiml/forecast"
)

// What is odd about a series is said, or refused with a reason; the forecast never
// holds NaN.
func TestForecastOddSeries(t *testing.T) {
	first := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	wave := func(i int) float64 { return math.Round(100 + 50*math.Sin(float64(i)*math.Pi/12) + float64(i*i%11)) }
	hours := func(n int, row func(i int, at time.Time) string) []string {
		var rows []string
		for i := range n {
			if r := row(i, first.Add(time.Duration(i)*time.Hour)); r != "" {
				rows = append(rows, r)
			}
		}
		return rows
	}
	plain := func(i int, at time.Time) string { return fmt.Sprintf("%s,%v", at.Format(time.RFC3339), wave(i)) }
	berlin := time.FixedZone("before", 3600)
	summer := time.FixedZone("summer", 7200)
	for _, c := range []struct {
		name string
		rows []string
		code int
		says []string
	}{
		{"no point", nil, 3, []string{"0 rows are no series"}},
		{"one point", hours(1, plain), 3, []string{"1 rows are no series"}},
		{"two points", hours(2, plain), 3, []string{"at least 12 observed points, the series has 2"}},
		{"one time", hours(20, func(i int, _ time.Time) string { return fmt.Sprintf("2026-03-01,%d", i) }), 3, []string{"all rows have one time"}},
		{"less than two seasons", hours(26, plain), 0, []string{"no daily season: it needs about 30.0 hours of data, the series spans 26.0 hours", "take them as a rough guide"}},
		{"constant", hours(100, func(_ int, at time.Time) string { return at.Format(time.RFC3339) + ",7" }), 0, []string{"the series is constant"}},
		{"zeros", hours(100, func(_ int, at time.Time) string { return at.Format(time.RFC3339) + ",0" }), 0, []string{"the series is constant"}},
		{"a gap of days", hours(300, func(i int, at time.Time) string {
			if i >= 100 && i < 200 {
				return ""
			}
			return plain(i, at)
		}), 0, []string{"100 of 300 values are missing"}},
		{"a gap at the end", hours(200, func(i int, at time.Time) string {
			if i >= 150 {
				return at.Format(time.RFC3339) + ","
			}
			return plain(i, at)
		}), 0, []string{"50 of 200 values are missing"}},
		{"nothing observed", hours(100, func(_ int, at time.Time) string { return at.Format(time.RFC3339) + ",NaN" }), 3, []string{"the series has 0"}},
		{"negative", hours(200, func(i int, at time.Time) string { return fmt.Sprintf("%s,%v", at.Format(time.RFC3339), wave(i)-120) }), 0, nil},
		{"not finite", hours(200, func(i int, at time.Time) string {
			if i%40 == 3 {
				return at.Format(time.RFC3339) + "," + []string{"inf", "-Inf", "1e300", "NaN"}[i/40%4]
			}
			return plain(i, at)
		}), 0, []string{"4 infinite values were taken as missing", "5 of 200 values are missing"}},
		{"no number", hours(30, func(i int, at time.Time) string { return at.Format(time.RFC3339) + ",many" }), 3, []string{`:2: value "many" is no number`}},
		{"out of order", hours(200, func(i int, _ time.Time) string {
			i = i * 77 % 200
			return plain(i, first.Add(time.Duration(i)*time.Hour))
		}), 0, []string{"not in order of time: sorted"}},
		{"twice", hours(200, func(i int, at time.Time) string {
			if i%20 == 0 {
				return plain(i, at) + "\n" + plain(i, at)
			}
			return plain(i, at)
		}), 0, []string{"10 rows fall into an interval that has one already: the last one counts"}},
		{"jitter", hours(200, func(i int, at time.Time) string {
			return plain(i, at.Add(time.Duration(i*i*37%401-200)*time.Second))
		}), 0, []string{"each counts for the nearest of steps of 1h0m0s"}},
		{"hours over the change of clocks", hours(400, func(i int, _ time.Time) string {
			at := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Hour)
			zone := berlin
			if !at.Before(time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)) {
				zone = summer
			}
			return plain(i, at.In(zone))
		}), 0, nil},
		{"days over the change of clocks", hours(90, func(i int, _ time.Time) string {
			zone := berlin
			if i > 28 { // 29 March has 23 hours
				zone = summer
			}
			return fmt.Sprintf("%s,%d", time.Date(2026, 3, 1+i, 0, 0, 0, 0, zone).Format(time.RFC3339), 100+i%7*10+i*i%5)
		}), 0, nil},
	} {
		path := filepath.Join(t.TempDir(), "s.csv")
		if err := os.WriteFile(path, []byte("t,v\n"+strings.Join(c.rows, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, said := runApiml(t, nil, "forecast", "--csv", path, "--time", "t", "--value", "v", "--horizon", "6", "--json", "--models", t.TempDir())
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", c.name, code, c.code, said)
		}
		for _, s := range c.says {
			if !strings.Contains(said, s) {
				t.Errorf("%s: %q is not in %s", c.name, s, said)
			}
		}
		if c.code != 0 {
			continue
		}
		for _, s := range []string{"missing", "already", "nearest", "sorted"} {
			if c.says == nil && strings.Contains(said, s) {
				t.Errorf("%s: %s", c.name, said)
			}
		}
		var r forecast.Result
		if err := json.Unmarshal([]byte(said[:strings.LastIndexByte(said, '}')+1]), &r); err != nil {
			t.Fatalf("%s: %v in %s", c.name, err, said)
		}
		if len(r.Mean) != 6 {
			t.Errorf("%s: %s", c.name, said)
		}
		for i, v := range r.Mean {
			if !(r.Lo95[i] <= r.Lo80[i] && r.Lo80[i] <= v && v <= r.Hi80[i] && r.Hi80[i] <= r.Hi95[i]) || math.IsInf(r.Hi95[i]-r.Lo95[i], 0) {
				t.Errorf("%s: step %d: %v in %v %v %v %v", c.name, i, v, r.Lo95[i], r.Lo80[i], r.Hi80[i], r.Hi95[i])
			}
		}
	}
}

// Days of 23 and 25 hours keep their place in the week.
func TestReadSeriesLocalDays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "days.csv")
	rows := "t,v\n"
	for i := range 60 {
		zone := "+01:00"
		if i > 28 && i < 50 {
			zone = "+02:00"
		}
		rows += fmt.Sprintf("%sT00:00:00%s,%d\n", time.Date(2026, 3, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), zone, i)
	}
	if err := os.WriteFile(path, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	s, notes, err := readSeries(path, "t", "v")
	if err != nil || len(notes) > 0 || len(s.Values) != 60 || s.Step != 24*3600*1e6 {
		t.Fatalf("%d values in steps of %d µs, notes %q, %v", len(s.Values), s.Step, notes, err)
	}
	for i, v := range s.Values {
		if v != float64(i) {
			t.Errorf("day %d holds %v", i, v)
		}
	}
}
