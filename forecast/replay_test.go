package forecast

import (
	"errors"
	"math"
	"testing"
	"time"
)

// pastForecast is a result with two replays of two steps by hand.
func pastForecast() *Result {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &Result{
		Start: at.Add(6 * time.Hour), Step: 3600, Horizon: 2,
		Mean: []float64{10, 50}, Lo80: []float64{8, 40}, Hi80: []float64{12, 60}, Lo95: []float64{6, 30}, Hi95: []float64{14, 70},
		Replay: []Replay{
			{Start: at.Add(2 * time.Hour), Actual: []float64{10, 30}, Mean: []float64{10, 10}, Lo80: []float64{8, 8}, Hi80: []float64{12, 12}, Lo95: []float64{6, 6}, Hi95: []float64{14, 14}},
			{Start: at.Add(4 * time.Hour), Actual: []float64{2, math.NaN()}, Mean: []float64{10, 10}, Lo80: []float64{8, 8}, Hi80: []float64{25, 12}, Lo95: []float64{6, 6}, Hi95: []float64{30, 14}},
		},
	}
}

func TestAnomalies(t *testing.T) {
	got := pastForecast().Anomalies()
	if len(got) != 2 || got[0].Actual != 30 || got[0].Distance != 4 || got[0].Time.Hour() != 3 || got[1].Actual != 2 || got[1].Distance != 1 {
		t.Errorf("%+v", got)
	}
	if got := (&Result{}).Anomalies(); got == nil || len(got) != 0 {
		t.Errorf("no replay: %v", got)
	}
}

func TestSpikes(t *testing.T) {
	r := pastForecast()
	history := []float64{10, 10, 10, 30, 2, math.NaN()}
	w := r.Spikes(history, r.Replay[0].Start.Add(-2*time.Hour), 2, 2)
	// Median 10: a spike is above 20. The first window holds one and only the
	// second was warned of, by hi80 (25) and hi95.
	if w.Windows != 2 || w.Spikes != 1 || w.Levels[0].Warned != 0 || w.Levels[1].Warned != 1 || w.Levels[1].Hits != 0 || w.Levels[2].Warned != 1 {
		t.Errorf("%+v", w)
	}
	if w.Levels[0].Precision != nil || *w.Levels[1].Precision != 0 || *w.Levels[1].Recall != 0 {
		t.Errorf("%+v", w.Levels)
	}
	if w.Threshold != 20 || !w.Warning || !w.At.Equal(r.Start.Add(time.Hour)) {
		t.Errorf("%+v", w)
	}
	if w := r.Spikes(history, r.Replay[0].Start.Add(-2*time.Hour), 9, 2); w.Warning || w.At != nil || w.Spikes != 0 || w.Levels[1].Recall != nil {
		t.Errorf("%+v", w)
	}
}

func TestPlanCapacity(t *testing.T) {
	r := pastForecast()
	// A replica serves 5 requests an hour at the target: hi80 needs 12/5 and 60/5.
	opt := CapacityOptions{PerReplica: 10. / 3600, TargetUtil: 0.5, Bound: "hi80", Min: 1}
	c, err := PlanCapacity(r, opt)
	if err != nil {
		t.Fatal(err)
	}
	if c.Schedule[0].Replicas != 3 || c.Schedule[1].Replicas != 12 {
		t.Errorf("%+v", c.Schedule)
	}
	// Replayed: 3, 3 for 10, 30 (2, 6 needed, and 30 is all that 3 can serve),
	// then 5 for 2 (1 needed); the missing interval does not count.
	want := CapacityReplay{Steps: 3, Hours: 11, NeededHours: 9, StaticHours: 18, Static: 6, OverHours: 5, UnderHours: 3, UnderSteps: 1, Requests: 42}
	if math.Abs(c.Replay.LostRequests) > 1e-9 {
		t.Errorf("lost %v", c.Replay.LostRequests)
	}
	c.Replay.LostRequests = 0
	if c.Replay != want {
		t.Errorf("replay %+v, want %+v", c.Replay, want)
	}
	opt.Max, opt.Hold = 2, 2
	if c, err = PlanCapacity(r, opt); err != nil || c.Schedule[0].Replicas != 2 || c.Replay.OverloadSteps != 1 || c.Replay.LostRequests != 10 {
		t.Errorf("%+v %v", c, err)
	}
	opt.Max = 0
	if c, err = PlanCapacity(r, opt); err != nil || c.Schedule[0].Replicas != 12 {
		t.Errorf("held: %+v %v", c, err)
	}
	for _, bad := range []CapacityOptions{{}, {PerReplica: 1, TargetUtil: 1.5, Bound: "hi80"}, {PerReplica: math.Inf(1), TargetUtil: 1, Bound: "hi80"}, {PerReplica: 1, TargetUtil: 1, Bound: "hi99"}, {PerReplica: 1, TargetUtil: 1, Bound: "mean", Min: 3, Max: 2}} {
		if _, err := PlanCapacity(r, bad); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
}

// A queue: latency 1/(50−load), flat up to about 30 and steep beyond.
func TestKnee(t *testing.T) {
	var load, latency []float64
	for i := range 400 {
		l := 1 + 48*float64(i*37%400)/400
		load, latency = append(load, l), append(latency, 0.02+0.1/(50-l))
	}
	k, err := Knee(load, latency)
	if err != nil || k < 30 || k > 48 {
		t.Errorf("knee %v, %v", k, err)
	}
	for i := range latency {
		latency[i] = 0.02
	}
	if _, err := Knee(load, latency); !errors.Is(err, ErrNoKnee) {
		t.Errorf("flat: %v", err)
	}
	if _, err := Knee(load[:10], latency[:10]); !errors.Is(err, ErrNoKnee) {
		t.Errorf("few: %v", err)
	}
	latency[0] = math.NaN()
	if _, err := Knee(load, latency); !errors.Is(err, ErrNoKnee) {
		t.Errorf("NaN: %v", err)
	}
}

// The replay of a run is what the table was measured on.
func TestReplayIsBacktest(t *testing.T) {
	s := traffic(600, 5)
	r := run(t, s, Options{Horizon: 12})
	if len(r.Replay) != r.Test.Origins || !r.Replay[0].Start.Equal(r.Test.Start) {
		t.Fatalf("%d replays of %d origins", len(r.Replay), r.Test.Origins)
	}
	abs, sum := 0.0, 0.0
	for _, p := range r.Replay {
		for i, v := range p.Actual {
			abs += math.Abs(v - p.Mean[i])
			sum += v
		}
	}
	if got := r.Backtest[len(r.Backtest)-1]; got.Model != "auto" || math.Abs(abs/sum-got.WAPE) > 1e-12 {
		t.Errorf("WAPE %v of the replay, row %+v", abs/sum, got)
	}
}
