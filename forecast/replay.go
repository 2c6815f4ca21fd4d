package forecast

import (
	"math"
	"slices"
	"time"
)

// What the forecasts of the past are good for: intervals that were out of the
// ordinary, and warnings before a spike with the rate at which they would have
// been right.

// Anomaly is an interval outside the 95 % band of the forecast made before it.
type Anomaly struct {
	Time     time.Time `json:"time"`
	Actual   float64   `json:"actual"`
	Expected float64   `json:"expected"`
	Lo95     float64   `json:"lo95"`
	Hi95     float64   `json:"hi95"`
	Distance float64   `json:"distance"` // from the band, in half widths of the band on that side; at least 0
}

// Anomalies lists the intervals of the test part outside their band, the
// farthest first.
func (r *Result) Anomalies() []Anomaly {
	out := []Anomaly{}
	for _, p := range r.Replay {
		for i, v := range p.Actual {
			if math.IsNaN(v) || v >= p.Lo95[i] && v <= p.Hi95[i] {
				continue
			}
			edge, width := p.Hi95[i], p.Hi95[i]-p.Mean[i]
			if v < p.Lo95[i] {
				edge, width = p.Lo95[i], p.Mean[i]-p.Lo95[i]
			}
			d := math.Abs(v-edge) / max(width, scale(p.Mean[i])/100)
			out = append(out, Anomaly{p.Start.Add(time.Duration(float64(i) * r.Step * float64(time.Second))), v, p.Mean[i], p.Lo95[i], p.Hi95[i], d})
		}
	}
	slices.SortStableFunc(out, func(a, b Anomaly) int {
		switch {
		case a.Distance > b.Distance:
			return -1
		case a.Distance < b.Distance:
			return 1
		}
		return a.Time.Compare(b.Time)
	})
	return out
}

// SpikeWarning says whether a spike lies ahead, and how such warnings would have
// done in the backtest. A spike is a window of Steps intervals after an origin
// in which one exceeds Factor times what is usual, the median of the day before
// the origin. A warning is given where a bound of the forecast exceeds it.
type SpikeWarning struct {
	Factor    float64      `json:"factor"`
	Steps     int          `json:"steps"`
	Threshold float64      `json:"threshold"` // ahead of the history, requests per step
	Warning   bool         `json:"warning"`   // by the level with the best F1 in the backtest
	At        *time.Time   `json:"at"`        // first interval above the threshold; null without a warning
	Level     string       `json:"level"`     // the bound used: mean, hi80 or hi95
	Windows   int          `json:"windows"`
	Spikes    int          `json:"spikes"` // windows with one
	Levels    []SpikeLevel `json:"levels"`
}

// SpikeLevel is one bound's record. Precision without a warning, and recall
// without a spike, are not defined: null.
type SpikeLevel struct {
	Level     string   `json:"level"`
	Warned    int      `json:"warned"`
	Hits      int      `json:"hits"`
	Precision *float64 `json:"precision"`
	Recall    *float64 `json:"recall"`
}

// Spikes makes the warning for the first steps of r's forecast. history is the
// series of the forecast.
func (r *Result) Spikes(history []float64, historyStart time.Time, factor float64, steps int) SpikeWarning {
	steps = min(max(steps, 1), r.Horizon)
	w := SpikeWarning{Factor: factor, Steps: steps, Level: "hi80"}
	perDay := max(int(86400/r.Step), 2*steps)
	usual := func(until int) float64 {
		v := recent(history[:until], perDay)
		if len(v) == 0 {
			return math.Inf(1)
		}
		return factor * max(median(v), 1)
	}
	names := []string{"mean", "hi80", "hi95"}
	levels := make([]SpikeLevel, len(names))
	for _, p := range r.Replay {
		o := int(math.Round(p.Start.Sub(historyStart).Seconds() / r.Step))
		if o <= 0 || o > len(history) {
			continue
		}
		limit := usual(o)
		seen, spike := false, false
		for _, v := range p.Actual[:steps] {
			seen = seen || !math.IsNaN(v)
			spike = spike || v > limit
		}
		if !seen {
			continue
		}
		w.Windows++
		if spike {
			w.Spikes++
		}
		for k, f := range [][]float64{p.Mean, p.Hi80, p.Hi95} {
			if slices.Max(f[:steps]) > limit {
				levels[k].Warned++
				if spike {
					levels[k].Hits++
				}
			}
		}
	}
	best := -1.0
	for k := range levels {
		l := &levels[k]
		l.Level = names[k]
		if l.Warned > 0 {
			v := float64(l.Hits) / float64(l.Warned)
			l.Precision = &v
		}
		if w.Spikes > 0 {
			v := float64(l.Hits) / float64(w.Spikes)
			l.Recall = &v
		}
		if f1 := 2 * float64(l.Hits) / max(float64(l.Warned+w.Spikes), 1); l.Hits > 0 && f1 > best {
			best, w.Level = f1, l.Level
		}
	}
	w.Levels = levels
	w.Threshold = usual(len(history))
	bound := map[string][]float64{"mean": r.Mean, "hi80": r.Hi80, "hi95": r.Hi95}[w.Level]
	for i, v := range bound[:steps] {
		if v > w.Threshold {
			at := r.Start.Add(time.Duration(float64(i) * r.Step * float64(time.Second)))
			w.Warning, w.At = true, &at
			break
		}
	}
	return w
}
