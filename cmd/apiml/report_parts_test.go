package main

import (
	"math"
	"testing"

	"apiml/store"
)

func TestDayScore(t *testing.T) {
	for _, c := range []struct {
		scored, flagged, through int64
		want                     float64
	}{
		{1000, 0, 0, 100},
		{10_000, 10_000, 10_000, 0}, // all is an attack, and all is served
		{10_000, 10_000, 0, 50},     // all is an attack, nothing is served
		{1_000_000, 10_000, 0, 100 * (1 - math.Log10(101)/8)},
		{1_000_000, 100, 100, 100 * (1 - math.Log10(2)/4)},
	} {
		if got := dayScore(c.scored, c.flagged, c.through); math.Abs(got-c.want) > .01 {
			t.Errorf("score of %+v is %v", c, got)
		}
	}
	// More attacks, and more that got through, never make a better day.
	last := 100.0
	for n := int64(1); n <= 1000; n *= 3 {
		a, b := dayScore(1000, n, 0), dayScore(1000, n, n)
		if a >= last || b >= a {
			t.Errorf("%d flagged: %v, %v if answered; before %v", n, a, b, last)
		}
		last = a
	}
}

func TestTheilSen(t *testing.T) {
	x, y := []float64{0, 1, 2, 3, 4, 7}, []float64{10, 12, 14, 16, 18, 24}
	if got := theilSen(x, y); got != 2 {
		t.Errorf("slope %v, want 2", got)
	}
	y[2] = -1000 // one bad day
	if got := theilSen(x, y); got != 2 {
		t.Errorf("slope with an outlier %v, want 2", got)
	}
	if !math.IsNaN(theilSen(x[:2], y[:2])) || !math.IsNaN(theilSen([]float64{1, 1, 1}, []float64{1, 2, 3})) {
		t.Error("a slope of nothing")
	}
}

// An unscored time has no count of flagged requests: 0 would look like calm.
func TestChangeRowsUnscored(t *testing.T) {
	rows := changeRows([]store.Summary{{Requests: 10, Scored: 10, Flagged: 2, Incidents: 1}, {Requests: 20}})
	for _, r := range rows {
		switch r.Name {
		case "Requests":
			if r.Now != 10 || r.Before[0] != 20 {
				t.Errorf("requests %+v", r)
			}
		case "Flagged", "Incidents":
			if !r.Now.Known() || r.Before[0].Known() {
				t.Errorf("%s %v, before %v", r.Name, r.Now, r.Before[0])
			}
		}
	}
}
