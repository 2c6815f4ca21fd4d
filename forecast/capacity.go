package forecast

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Capacity planning: as many replicas as the upper bound of the forecast needs,
// replayed over the test part of the history, where it is known what came.

// CapacityOptions say what a replica does and costs.
type CapacityOptions struct {
	PerReplica float64 // requests per second that one replica serves at full load, > 0
	TargetUtil float64 // share of it that is to be used, in (0, 1]
	Bound      string  // "mean", "hi80" or "hi95": what is provided for
	Min, Max   int     // replicas; Max 0 = no limit
	Hold       int     // steps of a plan that get the same number: the greatest of them; 0 and 1 = each its own
}

// Capacity is a plan and its record.
type Capacity struct {
	PerReplica float64        `json:"per_replica_rps"`
	TargetUtil float64        `json:"target_util"`
	Bound      string         `json:"bound"`
	Schedule   []CapacityStep `json:"schedule"`
	Replay     CapacityReplay `json:"replay"`
}

// CapacityStep is one interval of the plan.
type CapacityStep struct {
	Time     time.Time `json:"time"`
	RPS      float64   `json:"rps"`       // expected requests per second
	UpperRPS float64   `json:"upper_rps"` // provided for
	Replicas int       `json:"replicas"`
}

// CapacityReplay compares the plan with the least that would have done (the
// number that reaches the target utilisation on what came), and with a fixed
// number that is never too small. Hours are replica-hours.
type CapacityReplay struct {
	Steps         int     `json:"steps"`
	Hours         float64 `json:"replica_hours"`
	NeededHours   float64 `json:"needed_replica_hours"`
	StaticHours   float64 `json:"static_replica_hours"`
	Static        int     `json:"static_replicas"`
	OverHours     float64 `json:"over_replica_hours"`  // provided, but not needed
	UnderHours    float64 `json:"under_replica_hours"` // needed, but not provided
	UnderSteps    int     `json:"under_steps"`         // intervals above the target utilisation
	OverloadSteps int     `json:"overload_steps"`      // intervals with more than the replicas can serve
	LostRequests  float64 `json:"requests_above_capacity"`
	Requests      float64 `json:"requests"`
}

// Check says what is wrong with o.
func (o CapacityOptions) Check() error {
	if !(o.PerReplica > 0) || math.IsInf(o.PerReplica, 0) || !(o.TargetUtil > 0 && o.TargetUtil <= 1) {
		return errors.New("capacity: a replica serves more than 0 requests per second, and the target utilisation lies in (0, 1]")
	}
	if o.Min < 0 || o.Max < 0 || o.Max > 0 && o.Max < o.Min {
		return fmt.Errorf("capacity: at least %d and at most %d replicas make no sense", o.Min, o.Max)
	}
	if !slices.Contains([]string{"mean", "hi80", "hi95"}, o.Bound) {
		return fmt.Errorf("capacity: bound %q: want mean, hi80 or hi95", o.Bound)
	}
	return nil
}

// PlanCapacity turns the forecast r into numbers of replicas.
func PlanCapacity(r *Result, opt CapacityOptions) (*Capacity, error) {
	if err := opt.Check(); err != nil {
		return nil, err
	}
	pick := func(mean, hi80, hi95 []float64) []float64 {
		switch opt.Bound {
		case "mean":
			return mean
		case "hi95":
			return hi95
		}
		return hi80
	}
	need := func(requests float64) int {
		n := math.Ceil(requests/r.Step/(opt.PerReplica*opt.TargetUtil) - 1e-9)
		return int(min(max(n, 0), 1e6))
	}
	plan := func(upper []float64) []int {
		out := make([]int, len(upper))
		for i, v := range upper {
			out[i] = max(need(v), opt.Min)
			if opt.Max > 0 {
				out[i] = min(out[i], opt.Max)
			}
		}
		for i := 0; opt.Hold > 1 && i < len(out); i += opt.Hold {
			part := out[i:min(i+opt.Hold, len(out))]
			most := slices.Max(part)
			for k := range part {
				part[k] = most
			}
		}
		return out
	}
	c := &Capacity{PerReplica: opt.PerReplica, TargetUtil: opt.TargetUtil, Bound: opt.Bound}
	upper := pick(r.Mean, r.Hi80, r.Hi95)
	for i, n := range plan(upper) {
		c.Schedule = append(c.Schedule, CapacityStep{
			Time: r.Start.Add(time.Duration(float64(i) * r.Step * float64(time.Second))), RPS: r.Mean[i] / r.Step, UpperRPS: upper[i] / r.Step, Replicas: n,
		})
	}
	hours := r.Step / 3600
	s := &c.Replay
	for _, p := range r.Replay {
		for i, n := range plan(pick(p.Mean, p.Hi80, p.Hi95)) {
			v := p.Actual[i]
			if math.IsNaN(v) {
				continue
			}
			least := max(need(v), opt.Min)
			s.Steps++
			s.Requests += v
			s.Hours += float64(n) * hours
			s.NeededHours += float64(least) * hours
			s.Static = max(s.Static, least)
			s.OverHours += float64(max(n-least, 0)) * hours
			s.UnderHours += float64(max(least-n, 0)) * hours
			if n < least {
				s.UnderSteps++
			}
			if lost := v - float64(n)*opt.PerReplica*r.Step; lost > 1e-9*v {
				s.OverloadSteps++
				s.LostRequests += lost
			}
		}
	}
	s.StaticHours = float64(s.Static*s.Steps) * hours
	return c, nil
}

// ErrNoKnee says that latency does not rise with the load.
var ErrNoKnee = errors.New("no load at which latency rises")

// Knee finds the load (in the unit of load) up to which latency stays near its
// level at low load: both are sorted by load and cut into 20 bins of equal
// count; the knee is the greatest median load of a bin below which no bin's
// median latency exceeds 1.5 times that of the lowest quarter, while all bins
// above exceed it. It is a simple form of the knee of Satopää, Albrecht, Irwin &
// Raghavan, "Finding a 'kneedle' in a haystack", 2011: a saturated server leaves
// its flat part for good. ErrNoKnee if the log never shows that. O(n log n).
func Knee(load, latency []float64) (float64, error) {
	const bins = 20
	type point struct{ load, latency float64 }
	var pts []point
	for i, v := range load {
		if v > 0 && latency[i] >= 0 && !math.IsInf(v, 0) && !math.IsInf(latency[i], 0) {
			pts = append(pts, point{v, latency[i]})
		}
	}
	if len(pts) < 3*bins {
		return 0, fmt.Errorf("%w: %d intervals with latencies, it takes %d", ErrNoKnee, len(pts), 3*bins)
	}
	slices.SortFunc(pts, func(a, b point) int {
		switch {
		case a.load < b.load || a.load == b.load && a.latency < b.latency:
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	loads, lats := make([]float64, bins), make([]float64, bins)
	for b := range bins {
		part := pts[b*len(pts)/bins : (b+1)*len(pts)/bins]
		var x, y []float64
		for _, p := range part {
			x, y = append(x, p.load), append(y, p.latency)
		}
		loads[b], lats[b] = median(x), median(y)
	}
	base := median(slices.Clone(lats[:bins/4]))
	k := bins
	for k > 0 && lats[k-1] > 1.5*base {
		k--
	}
	if k == bins || k < bins/4 || base <= 0 {
		return 0, fmt.Errorf("%w up to %.4g", ErrNoKnee, loads[bins-1])
	}
	if lats[bins-1] < 2*base {
		return 0, fmt.Errorf("%w clearly up to %.4g", ErrNoKnee, loads[bins-1])
	}
	return loads[k-1], nil
}
