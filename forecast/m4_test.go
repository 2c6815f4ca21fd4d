package forecast

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"apiml/frame"
	"apiml/model"
)

// Three points by hand, season 1: |y−f| = 1, 2, 0; the naive error of the
// training part 1, 2, 4, 7 is (1+2+3)/3 = 2.
func TestScoreSetByHand(t *testing.T) {
	set := []SetSeries{{Train: hours(1, 2, 4, 7), Test: []float64{9, 8, 0}}}
	r, err := ScoreSet(set, 1, [][]float64{{10, 6, 0}})
	if err != nil {
		t.Fatal(err)
	}
	smape := (200./19 + 400./14 + 0) / 3
	if math.Abs(r.SMAPE-smape) > 1e-12 || math.Abs(r.MASE-.5) > 1e-12 {
		t.Errorf("sMAPE %v, MASE %v; want %v, 0.5", r.SMAPE, r.MASE, smape)
	}
	// Naive2 without a season is the last value: 7, 7, 7.
	naive := (400./16 + 200./15 + 200) / 3
	if math.Abs(r.Naive2.SMAPE-naive) > 1e-12 || math.Abs(r.Naive2.MASE-(2+1+7)/6.) > 1e-12 {
		t.Errorf("Naive2 %+v", r.Naive2)
	}
	if want := (smape/naive + .5/(10/6.)) / 2; math.Abs(r.OWA-want) > 1e-12 {
		t.Errorf("OWA %v, want %v", r.OWA, want)
	}
	if _, err := ScoreSet(set, 1, [][]float64{{10, 6}}); err == nil {
		t.Error("a short forecast was scored")
	}
}

// Naive2 of an exact multiplicative season repeats it.
func TestNaive2(t *testing.T) {
	var y []float64
	for i := range 10 * 24 {
		y = append(y, 100*(1+.5*math.Sin(2*math.Pi*float64(i%24)/24)))
	}
	f := make([]float64, 48)
	Naive2(f, y[:9*24+5], 24)
	for i, v := range f[:19] {
		if want := y[9*24+5+i]; math.Abs(v/want-1) > 1e-9 {
			t.Errorf("step %d: %v, want %v", i, v, want)
		}
	}
	Naive2(f, []float64{3, 1, 2}, 24)
	if f[0] != 2 || f[47] != 2 {
		t.Errorf("too short for a season: %v", f[:3])
	}
}

// The official scores of M4 Hourly, and forecasts that were published with it:
// scorer and Naive2 must give the published figures to three decimals.
func TestM4Scorer(t *testing.T) {
	set := readM4Set(t)
	for _, c := range []struct {
		file        string
		smape, mase float64
	}{{"Naive", 43.003, 11.608}, {"Naive2", 18.383, 2.395}, {"sNaive", 13.912, 1.193}, {"SES", 18.094, 2.385}} {
		forecasts := readM4(t, fmt.Sprintf("m4_hourly_pointforecast_%s.csv.gz", c.file))
		r, err := ScoreSet(set, 24, forecasts)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%.3f %.3f", r.SMAPE, r.MASE)
		if want := fmt.Sprintf("%.3f %.3f", c.smape, c.mase); got != want {
			t.Errorf("%s: sMAPE and MASE %s, published %s", c.file, got, want)
		}
		if n2 := fmt.Sprintf("%.3f %.3f", r.Naive2.SMAPE, r.Naive2.MASE); n2 != "18.383 2.395" {
			t.Errorf("own Naive2: %s", n2)
		}
	}
}

// readM4Set reads M4 Hourly.
func readM4Set(t *testing.T) (set []SetSeries) {
	t.Helper()
	train, test := readM4(t, "m4_Hourly-train.csv.gz"), readM4(t, "m4_Hourly-test.csv.gz")
	for i := range train {
		s := hours(train[i]...)
		s.Name = fmt.Sprintf("H%d", i+1)
		set = append(set, SetSeries{Train: s, Test: test[i]})
	}
	return set
}

// The whole way on two series, and that an error names its series.
func TestEvaluateSet(t *testing.T) {
	var set []SetSeries
	for k := range 2 {
		var y []float64
		for i := range 20 * 24 {
			y = append(y, 100+float64(k)+50*math.Sin(2*math.Pi*float64(i%24)/24))
		}
		set = append(set, SetSeries{Train: hours(y[:19*24]...), Test: y[19*24:]})
	}
	cfg := Default()
	cfg.Model = "snaive-daily"
	r, err := EvaluateSet(t.Context(), set, 24, cfg, model.FitOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.Series != 2 || r.SMAPE > 1e-9 || r.Chosen["snaive-daily"] != 2 || r.Coverage95 != 1 {
		t.Errorf("%+v", r)
	}
	set[1].Train = hours(1, 2)
	set[1].Train.Name = "tiny"
	if _, err := EvaluateSet(t.Context(), set, 24, cfg, model.FitOptions{Seed: 1}); err == nil || !strings.Contains(err.Error(), `"tiny"`) {
		t.Errorf("error %v", err)
	}
}

// hours is a series of hours.
func hours(v ...float64) frame.Series {
	return frame.Series{Step: 3600_000_000, Values: v}
}
