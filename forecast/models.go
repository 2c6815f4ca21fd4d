package forecast

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// candidate is one model: predict writes the steps that follow hist to dst.
// hist is not empty and holds at least one observed value.
type candidate struct {
	name    string
	season  int // steps, 0 for models without one
	predict func(dst, hist []float64)
}

// The two seasons of traffic, in microseconds.
const (
	day  = 24 * 3600 * 1_000_000
	week = 7 * day
)

// candidates returns the models that the step and the parts allow, seasonal
// ones first, and notes on those that they do not. A season is a candidate if
// one whole period lies before the first origin at which models are compared,
// so that all rows are measured on the same origins.
func candidates(step int64, p parts) (out []candidate, notes []string) {
	for _, s := range []struct {
		name   string
		period int64
	}{{"daily", day}, {"weekly", week}} {
		m := int(s.period / step)
		switch {
		case s.period%step != 0 || m < 2:
			continue // no whole number of steps: nothing repeats at step m
		case m > p.choice:
			notes = append(notes, fmt.Sprintf("no %s season: it needs about %s of data, the series spans %s",
				s.name, span(int64(math.Ceil(float64(m)/(1-2*testShare)))*step), span(int64(p.n)*step)))
			continue
		}
		out = append(out, candidate{"snaive-" + s.name, m, func(dst, hist []float64) { seasonalNaive(dst, hist, m) }})
	}
	out = append(out,
		candidate{"mean", 0, func(dst, hist []float64) { fill(dst, mean(recent(hist, len(dst)))) }},
		candidate{"median", 0, func(dst, hist []float64) { fill(dst, median(recent(hist, len(dst)))) }},
		candidate{"last", 0, func(dst, hist []float64) { fill(dst, recent(hist, 1)[0]) }},
	)
	return out, notes
}

// seasonalNaive repeats the last period of m steps. Where that value is
// missing it takes the one of the period before, and so on; where all are, the
// last observed value.
func seasonalNaive(dst, hist []float64, m int) {
	for i := range dst {
		v := math.NaN()
		for j := len(hist) - m + i%m; j >= 0 && math.IsNaN(v); j -= m {
			v = hist[j]
		}
		if math.IsNaN(v) {
			v = recent(hist, 1)[0]
		}
		dst[i] = v
	}
}

// recent returns the observed values among the last n steps of hist; if there
// are none, the last observed value before them. The result is not shared with
// hist.
func recent(hist []float64, n int) []float64 {
	var out []float64
	for i := len(hist) - 1; i >= 0; i-- {
		if i < len(hist)-n && len(out) > 0 {
			break
		}
		if !math.IsNaN(hist[i]) {
			out = append(out, hist[i])
			if i < len(hist)-n {
				break
			}
		}
	}
	return out
}

func mean(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

// median sorts v.
func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

func fill(dst []float64, v float64) {
	for i := range dst {
		dst[i] = v
	}
}

// span prints a length of time in the largest unit that gives at least 2.
func span(us int64) string {
	d := time.Duration(us) * time.Microsecond
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.1f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f minutes", d.Minutes())
}
