package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"apiml/evaluate"
	"apiml/internal/jsonvalue"
	"apiml/traffic"
)

// check tells flags that exclude each other.
func (o *scoreOptions) check(given func(string) bool) error {
	n := 0
	for _, f := range []string{"threshold", "alert-budget", "target-fpr"} {
		if given(f) {
			n++
		}
	}
	switch {
	case n > 1:
		return usagef("--threshold, --alert-budget and --target-fpr set the same thing: give one")
	case given("target-fpr") && !(o.targetFPR > 0 && o.targetFPR < 1):
		return usagef("--target-fpr %v: want a share between 0 and 1, such as 1e-5", o.targetFPR)
	case o.by == "principal" || o.by == "target":
		if given("threshold") || given("target-fpr") {
			return usagef("--by %s: --threshold and --target-fpr are for requests, --alert-budget works here", o.by)
		}
	case o.by != "request" && o.by != "incident":
		return usagef("--by %q: want request, incident, principal or target", o.by)
	}
	if o.budget != "" {
		_, err := parseBudget(o.budget)
		return err
	}
	return nil
}

// parseBudget reads 20/day, 3/week, 1/hour; the answer is per day.
func parseBudget(s string) (perDay float64, err error) {
	n, unit, ok := strings.Cut(s, "/")
	v, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
	if !ok || err != nil || !(v > 0) || math.IsInf(v, 0) {
		return 0, usagef("alert budget %q: want COUNT/day, such as 20/day", s)
	}
	switch strings.TrimSpace(unit) {
	case "hour", "h":
		return v * 24, nil
	case "day", "d":
		return v, nil
	case "week", "w":
		return v / 7, nil
	case "month":
		return v / 30, nil
	}
	return 0, usagef("alert budget %q: unknown unit %q (hour, day, week, month)", s, unit)
}

// expectedAlerts is what a threshold is expected to cost on traffic like the
// clean rows of the training.
type expectedAlerts struct {
	Budget         string   `json:"budget,omitempty"` // as it was asked for
	RequestsPerDay float64  `json:"requests_per_day"`
	FPR            float64  `json:"fpr"` // share of the clean training requests at or above the threshold, out of fold
	PerDay         float64  `json:"false_alerts_per_day"`
	Low            float64  `json:"low"` // 95 % interval of it
	High           float64  `json:"high"`
	CleanRequests  int64    `json:"clean_requests"`          // behind it
	AtLeast        bool     `json:"at_least,omitempty"`      // the file keeps only the highest scores: it is this or more
	Extrapolated   bool     `json:"extrapolated,omitempty"`  // the threshold lies beyond all of them
	AttackersSeen  *float64 `json:"known_attackers_flagged"` // share of the attackers in the training; null if there were none
}

func (e *expectedAlerts) sentence() string {
	least := ""
	if e.AtLeast {
		least = "at least "
	}
	s := fmt.Sprintf("expected false alerts at this threshold: "+least+"%s requests a day (95 %%: %s to %s), by %s clean requests of the training",
		few(e.PerDay), few(e.Low), few(e.High), count(e.CleanRequests))
	if e.AttackersSeen != nil {
		s += fmt.Sprintf("; of the attackers there it would flag %s", percent(*e.AttackersSeen))
	}
	return s
}

// few formats a small number of alerts.
func few(v float64) string {
	switch {
	case v >= 100:
		return count(int64(math.Round(v)))
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// operatingOf is what the file says about the scores behind its threshold.
func operatingOf(m *loadedModel) (*evaluate.Operating, error) {
	// Most of the metrics are curves, which nobody wants here.
	text := string(m.file.Header.Metrics)
	for _, key := range []string{"cv", "operating"} {
		from, to := jsonvalue.Find(text, key)
		if text = text[from:to]; text == "" {
			return nil, nil
		}
	}
	var op *evaluate.Operating
	if err := json.Unmarshal([]byte(text), &op); err != nil {
		return nil, withCode(exitState, fmt.Errorf("%s: metrics: %w", m.origin, err))
	}
	return op, nil
}

// threshold is the one asked for, by itself or as a budget, else that of the
// configuration, else the model's own.
func (r *scoreRun) threshold(attack *loadedModel) (float64, error) {
	var err error
	if r.operating, err = operatingOf(attack); err != nil {
		return 0, err
	}
	rate := r.o.targetFPR
	switch {
	case r.o.threshold > 0:
		return r.o.threshold, nil
	case r.o.budget != "":
		perDay, err := parseBudget(r.o.budget)
		if err != nil {
			return 0, err
		}
		if r.perDay <= 0 {
			return 0, usagef("--alert-budget %s: the input has no times to count requests a day by: use --target-fpr", r.o.budget)
		}
		rate = perDay / r.perDay
		if rate >= 1 {
			return 0, usagef("--alert-budget %s: the log has only %s requests a day", r.o.budget, few(r.perDay))
		}
	case rate == 0:
		if r.a.cfg.Threshold > 0 {
			return r.a.cfg.Threshold, nil
		}
		return attack.threshold("attack", defaultThreshold), nil
	}
	if r.operating == nil {
		return 0, withCode(exitState, fmt.Errorf("%s does not say how its clean traffic scored, so no budget can be set: fit it with `apiml train --cv 5`, or give --threshold", attack.origin))
	}
	t, extrapolated, ok := r.operating.Threshold(rate)
	if !ok {
		// More than the file keeps of the tail: the lowest threshold that it knows.
		if n := len(r.operating.Top); n > 0 {
			t, ok = r.operating.Top[n-1], true
		}
	}
	if !ok {
		return 0, withCode(exitState, fmt.Errorf("%s: its training had too few clean requests (%s) for a budget: give --threshold", attack.origin, count(r.operating.Clean)))
	}
	r.extrapolated = extrapolated
	return t, nil
}

// expect says what the threshold is expected to cost.
func (r *scoreRun) expect() {
	if r.operating == nil || r.perDay <= 0 {
		return
	}
	fpr, ci, ok := r.operating.FPR(r.sum.Threshold)
	e := &expectedAlerts{
		AtLeast: !ok,
		Budget:  r.o.budget, RequestsPerDay: r.perDay, FPR: fpr, PerDay: fpr * r.perDay, Low: ci.Lo * r.perDay, High: ci.Hi * r.perDay,
		CleanRequests: r.operating.Clean, Extrapolated: r.extrapolated,
	}
	if caught := r.operating.Caught(r.sum.Threshold); !math.IsNaN(caught) {
		e.AttackersSeen = &caught
	}
	r.sum.Expected = e
}

// perDay is how many of n requests between two times (microseconds UTC) come a
// day; a span under an hour counts as one.
func perDay(n, first, last int64) float64 {
	if n == 0 || first == traffic.NoTime || last < first {
		return 0
	}
	span := max(time.Duration(last-first)*time.Microsecond, time.Hour)
	return float64(n) / (span.Hours() / 24)
}
