package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"apiml/traffic"
)

// gate is one condition of --fail-on: it trips when it holds.
type gate struct {
	text   string
	metric string // p, anomaly, incidents, coverage
	class  string // incidents[class]
	op     string
	value  float64
}

type gates []gate

// parseGates reads the grammar of --fail-on: METRIC[TYPE] OP NUMBER. With drift
// that is the only metric, else it is refused.
func parseGates(texts []string, drift bool) (gates, error) {
	re := regexp.MustCompile(`^\s*(p|anomaly|incidents|coverage|drift)(?:\[([a-z_]+)\])?\s*(>=|<=|>|<)\s*([0-9.eE+-]+)\s*$`)
	var out gates
	for _, t := range texts {
		for part := range strings.SplitSeq(t, ",") {
			m := re.FindStringSubmatch(part)
			if m == nil {
				return nil, usagef("--fail-on %q: want p>0.9, anomaly>0.8, incidents>0, incidents[sql_injection]>0 or coverage<0.95", part)
			}
			v, err := strconv.ParseFloat(m[4], 64)
			if err != nil {
				return nil, usagef("--fail-on %q: %q is no number", part, m[4])
			}
			if m[2] != "" {
				if m[1] != "incidents" {
					return nil, usagef("--fail-on %q: only incidents takes a type", part)
				}
				if l, err := traffic.ParseLabel(m[2]); err != nil || !l.Attack() {
					return nil, usagef("--fail-on %q: %q is no attack type", part, m[2])
				}
			}
			if drift != (m[1] == "drift") {
				return nil, usagef("--fail-on %q: drift is a gate of `apiml evaluate --drift`, and the only one there", part)
			}
			out = append(out, gate{strings.TrimSpace(part), m[1], m[2], m[3], v})
		}
	}
	return out, nil
}

// check returns an exit-1 error that names the first gate that tripped.
func (gs gates) check(s *scoreSummary) error {
	for _, g := range gs {
		var have float64
		switch g.metric {
		case "p":
			have = s.maxProbability
		case "anomaly":
			have = s.maxAnomaly
		case "coverage":
			have = s.Coverage
		case "incidents":
			have = float64(s.Incidents)
			if g.class != "" {
				have = float64(s.incidentsByClass[g.class])
			}
		}
		if err := g.check(have); err != nil {
			return err
		}
	}
	return nil
}

// check returns an exit-1 error if the gate trips.
func (g *gate) check(have float64) error {
	tripped := false
	switch g.op {
	case ">":
		tripped = have > g.value
	case ">=":
		tripped = have >= g.value
	case "<":
		tripped = have < g.value
	case "<=":
		tripped = have <= g.value
	}
	if tripped {
		return withCode(exitGate, fmt.Errorf("--fail-on %s: it is %.6g", g.text, have))
	}
	return nil
}
