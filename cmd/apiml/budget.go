package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"apiml/evaluate"
	"apiml/internal/jsonvalue"
	"apiml/score"
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
	case given("budget-from") && o.budgetFrom != "log" && o.budgetFrom != "training":
		return usagef("--budget-from %q: want log or training", o.budgetFrom)
	case given("budget-from") && (o.by == "principal" || o.by == "target" || !given("alert-budget") && !given("target-fpr")):
		return usagef("--budget-from is for --alert-budget and --target-fpr of requests")
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
// clean rows of the training, or like the log itself.
type expectedAlerts struct {
	Budget         string   `json:"budget,omitempty"` // as it was asked for
	From           string   `json:"from"`             // training, or log: the scores of the log itself
	RequestsPerDay float64  `json:"requests_per_day"`
	FPR            float64  `json:"fpr"` // share of the clean requests at or above the threshold; of the training's out of fold
	PerDay         float64  `json:"false_alerts_per_day"`
	Low            float64  `json:"low"` // 95 % interval of it
	High           float64  `json:"high"`
	CleanRequests  int64    `json:"clean_requests"`          // behind it; from the log what was looked at
	Clients        int64    `json:"clients,omitempty"`       // of which they are, from the log
	AtLeast        bool     `json:"at_least,omitempty"`      // the file keeps only the highest scores: it is this or more
	Extrapolated   bool     `json:"extrapolated,omitempty"`  // the threshold lies beyond all of them
	AttackersSeen  *float64 `json:"known_attackers_flagged"` // share of the attackers in the training; null if there were none
}

func (e *expectedAlerts) sentence() string {
	least := ""
	if e.AtLeast {
		least = "at least "
	}
	s := fmt.Sprintf("expected false alerts of single requests at this threshold: "+least+"%s a day (95 %%: %s to %s), by ", few(e.PerDay), few(e.Low), few(e.High))
	if e.From == "log" {
		s += fmt.Sprintf("how this log scores (%s requests of %s clients, of which up to 1 %% may be attacks)", count(e.CleanRequests), count(e.Clients))
	} else {
		s += fmt.Sprintf("%s clean requests of the training", count(e.CleanRequests))
	}
	if e.AttackersSeen != nil {
		s += fmt.Sprintf("; of the attackers in the training it would flag %s", percent(*e.AttackersSeen))
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
	if r.tail != nil {
		r.extrapolated = rate*float64(r.tail.Requests) < 1
		// What is odd in this log but no attack may be among the 1 % that the tail does
		// not follow: it is not to be flagged because the rest scores low.
		return max(r.tail.Threshold(rate), defaultThreshold), nil
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

// logTail fits the tail of the log's own scores if the threshold is to come from
// them: they were asked for, or the classifier knows generated traffic only. scan
// gives the requests of the log, in the order in which they are scored later. The
// first 1 % may be attacks; if more than that looks like one, or if there is too
// little to see a tail in, the threshold comes from the training after all.
func (r *scoreRun) logTail(scan func(add func([]traffic.Request) error) error) error {
	if r.o.budget == "" && r.o.targetFPR == 0 || r.o.budgetFrom == "training" {
		return nil
	}
	var sample evaluate.TailSample
	var first *score.Scorer
	none := func([]score.Result) error { return nil }
	enough := errors.New("not from the log")
	own := 0.0
	err := scan(func(reqs []traffic.Request) error {
		if len(reqs) == 0 {
			return nil
		}
		if first == nil {
			attack, anomaly, err := r.requestModels()
			if err != nil {
				return err
			}
			if r.o.budgetFrom == "" && !attack.file.Header.Data.Synthetic {
				return enough
			}
			if own = r.a.cfg.Threshold; own <= 0 {
				own = attack.threshold("attack", defaultThreshold)
			}
			cfg := r.config(attack, anomaly, own)
			cfg.Reasons, cfg.ExplainAll, cfg.Observe = 0, false, sample.Add
			if first, err = score.New(cfg); err != nil {
				return withCode(exitState, err)
			}
		}
		return first.Push(reqs, none)
	})
	if err == enough || err == nil && first == nil {
		return nil
	}
	if err == nil {
		err = first.Flush(none)
	}
	if err != nil {
		return err
	}
	tail, ok := sample.Tail()
	hostile := sample.Share(own)
	switch {
	case ok && hostile <= 0.01:
		r.tail = &tail
		return nil
	case r.o.budgetFrom == "log" && !ok:
		return inputf("--budget-from log: %s requests of %s clients are too few to set a threshold by, or all score the same", count(tail.Requests), count(tail.Clients))
	case r.o.budgetFrom == "log":
		r.tail = &tail
		r.sum.Warnings = append(r.sum.Warnings, fmt.Sprintf("%s of the log look like attacks: a threshold set by the log itself is too high if they are", percent(hostile)))
	case !ok:
		r.sum.Warnings = append(r.sum.Warnings, "the log is too small to set a threshold by: it comes from the clean traffic of the training, which is generated")
	default:
		r.sum.Warnings = append(r.sum.Warnings, fmt.Sprintf("%s of the log look like attacks, too many to set a threshold by it: it comes from the clean traffic of the training, which is generated", percent(hostile)))
	}
	return nil
}

// expect says what the threshold is expected to cost.
func (r *scoreRun) expect() {
	if r.perDay <= 0 || r.operating == nil && r.tail == nil {
		return
	}
	e := &expectedAlerts{Budget: r.o.budget, RequestsPerDay: r.perDay, Extrapolated: r.extrapolated}
	var ci evaluate.Interval
	if r.tail != nil {
		e.From, e.CleanRequests, e.Clients = "log", r.tail.Requests, r.tail.Clients
		e.FPR, ci = r.tail.FPR(r.sum.Threshold)
	} else {
		known := false
		e.From, e.CleanRequests = "training", r.operating.Clean
		e.FPR, ci, known = r.operating.FPR(r.sum.Threshold)
		e.AtLeast = !known
	}
	e.PerDay, e.Low, e.High = e.FPR*r.perDay, ci.Lo*r.perDay, ci.Hi*r.perDay
	if r.operating != nil {
		if caught := r.operating.Caught(r.sum.Threshold); !math.IsNaN(caught) {
			e.AttackersSeen = &caught
		}
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
