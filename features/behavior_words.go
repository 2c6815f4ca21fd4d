package features

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"apiml/frame"
)

// What clusters of profiles, and profiles alone, are like in words.

// BehaviorCluster describes the principals of one cluster, or those in none.
type BehaviorCluster struct {
	Label      int32    `json:"label"` // −1 = in no cluster
	Name       string   `json:"name"`  // "crawler-like: 9,400 distinct objects, no assets, a request every 0.5 s"
	Kind       string   `json:"kind"`  // the part before the colon
	Features   []string `json:"features"`
	Principals int      `json:"principals"`
	Requests   int64    `json:"requests"`
	Traffic    float64  `json:"traffic_share"`          // of the requests of all profiles
	Attacks    *float64 `json:"attack_share,omitempty"` // of the labelled principals, those of whom most labelled requests are attacks
	Members    []string `json:"members"`                // the most typical ones
}

const (
	clusterFeatures = 3
	clusterMembers  = 3
	// distinctive is the least difference between the medians of a cluster and of
	// the rest, in units of the column's spread, that is worth a word.
	distinctive = 0.5
)

// DescribeBehavior describes the clusters to which labels (−1 = none) assign the
// rows of d, the largest label last but for −1, which stands at the end if it
// occurs.
func DescribeBehavior(d *BehaviorDataset, labels []int32) []BehaviorCluster {
	members := map[int32][]int{}
	var order []int32
	total := int64(0)
	for i, l := range labels {
		if members[l] == nil {
			order = append(order, l)
		}
		members[l] = append(members[l], i)
		total += d.Requests[i]
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(uint32(a), uint32(b)) }) // −1 last
	spread := make([]float64, numBehavior)
	for j := range spread {
		spread[j] = columnSpread(d.X.Cols[j])
	}
	var out []BehaviorCluster
	for _, l := range order {
		rows := members[l]
		c := BehaviorCluster{Label: l, Principals: len(rows)}
		labelled, attacks := 0, 0
		for _, i := range rows {
			c.Requests += d.Requests[i]
			if s := d.Labels[i]; s == s {
				labelled++
				if s > 0.5 {
					attacks++
				}
			}
		}
		if total > 0 {
			c.Traffic = float64(c.Requests) / float64(total)
		}
		if labelled > 0 {
			s := float64(attacks) / float64(labelled)
			c.Attacks = &s
		}
		var center, rest [numBehavior]float64
		for j := range center {
			var in, others []float64
			for i, f := range d.X.Cols[j] {
				switch {
				case f != f:
				case labels[i] == l:
					in = append(in, float64(f))
				default:
					others = append(others, float64(f))
				}
			}
			center[j], rest[j] = median(in), median(others)
		}
		c.Kind = kindOfClient(&center)
		if l < 0 {
			c.Kind = "outsiders"
		}
		type effect struct {
			column int
			size   float64
		}
		var effects []effect
		for j := range center {
			if j >= bAgentBrowser && j <= bAgentNone {
				continue // the kind says it
			}
			if e := (center[j] - rest[j]) / spread[j]; e == e && math.Abs(e) >= distinctive {
				effects = append(effects, effect{j, e})
			}
		}
		slices.SortStableFunc(effects, func(a, b effect) int {
			switch x, y := math.Abs(a.size), math.Abs(b.size); {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
		c.Features = []string{}
		for _, e := range effects[:min(len(effects), clusterFeatures)] {
			c.Features = append(c.Features, behaviorPhrase(e.column, center[e.column]))
		}
		for _, j := range [...]int{bGapMedian, bTemplates, bRequests} { // what is nothing special is better than nothing
			if v := center[j]; v == v && len(c.Features) < 2 {
				if p := behaviorPhrase(j, v); !slices.Contains(c.Features, p) {
					c.Features = append(c.Features, p)
				}
			}
		}
		c.Name = c.Kind
		if len(c.Features) > 0 && l >= 0 {
			c.Name += ": " + strings.Join(c.Features, ", ")
		}
		// The most typical: least far from the medians.
		slices.SortStableFunc(rows, func(a, b int) int {
			x, y := d.farFrom(a, &center, spread), d.farFrom(b, &center, spread)
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		})
		for _, i := range rows[:min(len(rows), clusterMembers)] {
			c.Members = append(c.Members, d.Principals[i])
		}
		out = append(out, c)
	}
	return out
}

// farFrom is the distance of a row from medians, in spreads.
func (d *BehaviorDataset) farFrom(row int, center *[numBehavior]float64, spread []float64) float64 {
	s := 0.0
	for j, c := range center {
		if v := math.Abs(float64(d.X.Cols[j][row])-c) / spread[j]; v == v {
			s += min(v, 10)
		}
	}
	return s
}

// median of values, which it sorts; NaN of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	slices.Sort(v)
	return v[(len(v)-1)/2]
}

// columnSpread is the interquartile range or 1.349 standard deviations of a
// column, its lowest and highest hundredth cut back, whichever is more; 1 if there
// is none.
func columnSpread(col []float32) float64 {
	v := make([]float64, 0, len(col))
	for _, f := range col {
		if f == f {
			v = append(v, float64(f))
		}
	}
	if len(v) == 0 {
		return 1
	}
	slices.Sort(v)
	at := func(p float64) float64 { return v[int(p*float64(len(v)-1))] }
	lo, hi := at(.01), at(.99)
	mean, sq := 0.0, 0.0
	for _, x := range v {
		mean += min(max(x, lo), hi) / float64(len(v))
	}
	for _, x := range v {
		x = min(max(x, lo), hi) - mean
		sq += float64(x*x) / float64(len(v))
	}
	if s := max(at(.75)-at(.25), 1.349*math.Sqrt(sq)); s > 0 {
		return s
	}
	return 1
}

// kindOfClient names what medians look like.
func kindOfClient(m *[numBehavior]float64) string {
	switch {
	case m[bAgentBot] >= .5 && (m[bTemplateEntropy] < 1.5 && m[bGapCV] < 1 || m[bRegularity] >= .5):
		return "monitor-like"
	case m[bAgentBot] >= .5:
		return "crawler-like"
	case m[bAgentBrowser] >= .5 && m[bAssetShare] >= .05:
		return "browser-like"
	case m[bAgentBrowser] >= .5:
		return "browser without assets"
	case m[bAgentApp] >= .5:
		return "app-like"
	case m[bAgentNone] >= .5:
		return "nameless client"
	case m[bAgentTool] >= .5 && m[bActiveRate] >= math.Log1p(12):
		return "batch client"
	case m[bAgentTool] >= .5:
		return "script-like"
	}
	return "mixed"
}

// behaviorPhrase says a column's value in words.
func behaviorPhrase(column int, v float64) string {
	n := math.Expm1(v) // of the columns in ln(1+x)
	percent := func(what string) string {
		switch {
		case v == 0:
			return "no " + what
		case v < .01:
			return fmt.Sprintf("%.1f %% %s", 100*v, what)
		}
		return fmt.Sprintf("%.0f %% %s", 100*v, what)
	}
	many := func(one, more string) string {
		if k := math.Round(n); k != 1 {
			return thousands(k) + " " + more
		}
		return "1 " + one
	}
	switch column {
	case bRequests:
		return many("request", "requests")
	case bSpan:
		return "active over " + span(n)
	case bActiveRate:
		return fmt.Sprintf("%.3g requests per active minute", n)
	case bGapMedian:
		if n < .5 {
			return "requests in the same second"
		}
		return "a request every " + span(n)
	case bGapCV:
		if n < .5 {
			return "evenly spaced"
		}
		return fmt.Sprintf("gaps that vary by %.2g times their mean", n)
	case bRegularity:
		return percent("of pauses alike")
	case bPeak:
		return "up to " + thousands(math.Round(n)) + " requests a minute"
	case bTemplates:
		return many("endpoint", "endpoints")
	case bObjects:
		return many("distinct object", "distinct objects")
	case bTemplateEntropy:
		if v < .5 {
			return "one endpoint nearly always"
		}
		return fmt.Sprintf("spread as over %.0f endpoints", math.Exp2(v))
	case bSurprise:
		return fmt.Sprintf("steps that surprise by %.1f bits", v)
	case bGetShare:
		if v >= .995 {
			return "reads only"
		}
		return fmt.Sprintf("%.0f %% writes", 100*(1-v))
	case bClientErrors:
		return percent("client errors")
	case bServerErrors:
		return percent("server errors")
	case bDenied:
		return percent("denied")
	case bNotFound:
		return percent("not found")
	case bLimited:
		return percent("rate limited")
	case bBytesOut:
		return size(n) + " per answer"
	case bAssetShare:
		return percent("assets")
	case bNightShare:
		return percent("at night")
	case bAgentBrowser:
		return percent("browser agents")
	case bAgentApp:
		return percent("app agents")
	case bAgentBot:
		return percent("bot agents")
	case bAgentTool:
		return percent("tool agents")
	case bAgentNone:
		return percent("without agent")
	case bAgentChanges:
		return percent("agent changes")
	case bBodyShare:
		return percent("with a body")
	case bLoginShare:
		return percent("logins")
	case bLoginFailures:
		return percent("failed logins")
	case bLoginsWon:
		return many("login won after failures", "logins won after failures")
	case bSequential:
		return percent("ids in sequence")
	case bLatency:
		return fmt.Sprintf("%.3g ms per answer", n)
	case bAddresses:
		return many("address", "addresses")
	}
	return fmt.Sprintf("%s %.3g", behaviorColumns()[column].Name, v)
}

// BehaviorPhrases says the columns of a row that have the largest weights in words,
// at most n of them.
func BehaviorPhrases(x *frame.Matrix, row int, weight []float64, n int) []string {
	order := make([]int, len(weight))
	for j := range order {
		order[j] = j
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weight[b], weight[a]) })
	out := []string{}
	for _, j := range order[:min(n, len(order))] {
		if v := float64(x.Cols[j][row]); v == v && weight[j] >= 0.05 {
			out = append(out, behaviorPhrase(j, v))
		}
	}
	return out
}

func thousands(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func span(seconds float64) string {
	switch {
	case seconds < .01:
		return fmt.Sprintf("%.1f ms", 1000*seconds)
	case seconds < 1:
		return fmt.Sprintf("%.0f ms", 1000*seconds)
	case seconds < 100:
		return fmt.Sprintf("%.3g s", seconds)
	case seconds < 100*60:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 72*3600:
		return fmt.Sprintf("%.0f h", seconds/3600)
	}
	return fmt.Sprintf("%.0f days", seconds/(24*time.Hour).Seconds())
}

func size(bytes float64) string {
	switch {
	case bytes < 1000:
		return fmt.Sprintf("%.0f B", bytes)
	case bytes < 1e6:
		return fmt.Sprintf("%.3g kB", bytes/1e3)
	}
	return fmt.Sprintf("%.3g MB", bytes/1e6)
}
