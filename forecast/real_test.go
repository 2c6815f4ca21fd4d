package forecast

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"apiml/frame"
)

// readSeries reads time and requests of a series from APIML_DATASETS. Minutes
// that the file leaves out become missing values.
func readSeries(t *testing.T, file string) frame.Series {
	t.Helper()
	dir := os.Getenv("APIML_DATASETS")
	if dir == "" {
		t.Skip("APIML_DATASETS is not set: no real data")
	}
	f, err := os.Open(filepath.Join(dir, "timeseries", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	r.ReuseRecord = true
	s := frame.Series{Name: file}
	for line := 0; ; line++ {
		rec, err := r.Read()
		if err == io.EOF {
			return s
		}
		if err != nil {
			t.Fatal(err)
		}
		if line == 0 {
			continue
		}
		at, err := time.Parse(time.RFC3339, rec[0])
		if err != nil {
			t.Fatal(err)
		}
		v, err := strconv.ParseFloat(rec[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		us := at.UnixMicro()
		switch len(s.Values) {
		case 0:
			s.Start = us
		case 1:
			s.Step = us - s.Start
		}
		for s.Step > 0 && s.End() < us {
			s.Values = append(s.Values, math.NaN())
		}
		s.Values = append(s.Values, v)
	}
}

// hourly sums whole hours, counted from the start of the series.
func hourly(s frame.Series) frame.Series {
	out := frame.Series{Name: s.Name + " hourly", Start: s.Start, Step: 60 * s.Step}
	for i := 0; i+60 <= len(s.Values); i += 60 {
		sum := 0.0
		for _, v := range s.Values[i : i+60] {
			if !math.IsNaN(v) {
				sum += v
			}
		}
		out.Values = append(out.Values, sum)
	}
	return out
}

// The bars of the public sets: WAPE of the baselines on the last 20 %, origin
// advanced by the horizon. They stand in the notes that come with the data;
// the same definitions must give the same figures.
func TestRealBars(t *testing.T) {
	minutes := readSeries(t, "worldcup98_per_minute_requests_bytes.csv.gz")
	for _, c := range []struct {
		s       frame.Series
		horizon int
		want    map[string]float64
	}{
		{readSeries(t, "derived_memasik_per_minute.csv.gz"), 30,
			map[string]float64{"last": .434, "mean": .329, "median": .317, "snaive-daily": .440}},
		{minutes, 30, map[string]float64{"last": .096, "mean": .089, "median": .089, "snaive-daily": .667}},
		{hourly(minutes), 24, map[string]float64{"last": .402}},
		{readSeries(t, "derived_sparkdeveloper_per_hour.csv.gz"), 24,
			map[string]float64{"snaive-weekly": .560, "last": .585, "snaive-daily": .747}},
	} {
		r, err := Run(c.s, Options{Horizon: c.horizon})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s, horizon %d: %d origins, %d points, chosen %s, warnings %q", c.s.Name, c.horizon, r.Test.Origins, r.Test.Points, r.Chosen, r.Warnings)
		got := map[string]float64{}
		for _, b := range r.Backtest {
			got[b.Model] = b.WAPE
			t.Logf("  %-14s wape %.4f mase %.3f smape %.2f coverage %.3f %.3f choice %.4f", b.Model, b.WAPE, b.MASE, b.SMAPE, b.Coverage80, b.Coverage95, b.WAPEChoice)
		}
		for name, want := range c.want {
			if v, ok := got[name]; !ok || math.Abs(v-want) > .002 {
				t.Errorf("%s: WAPE of %s is %.4f, want %.3f ± 0.002", c.s.Name, name, v, want)
			}
		}
	}
}

// The official scores of the seasonal naive on M4 Hourly (Makridakis et al.
// 2020): sMAPE 13.912, MASE 1.193. Our definitions must give them.
func TestM4SeasonalNaive(t *testing.T) {
	train, test := readM4(t, "m4_Hourly-train.csv.gz"), readM4(t, "m4_Hourly-test.csv.gz")
	if len(train) != 414 || len(test) != 414 {
		t.Fatalf("%d and %d series", len(train), len(test))
	}
	smape, mase := 0.0, 0.0
	for i := range train {
		f := make([]float64, 48)
		seasonalNaive(f, train[i], 24)
		if i%40 == 0 { // the whole way for some of them; it includes the backtest
			s := frame.Series{Step: 3600_000_000, Values: train[i]}
			r := run(t, s, Options{Horizon: 48, Model: "snaive-daily"})
			if !slices.Equal(r.Mean, f) {
				t.Errorf("series %d: Run forecasts %v, want %v", i, r.Mean, f)
			}
		}
		var e errorSums
		e.add(test[i], f)
		smape += e.smape / 48 / 414
		mase += e.mase(naiveMAE(train[i], 24)) / 414
	}
	if math.Abs(smape-13.912) > .0005 || math.Abs(mase-1.193) > .0005 {
		t.Errorf("sMAPE %.4f, MASE %.4f; want 13.912, 1.193", smape, mase)
	}
}

func readM4(t *testing.T, file string) (out [][]float64) {
	t.Helper()
	dir := os.Getenv("APIML_DATASETS")
	if dir == "" {
		t.Skip("APIML_DATASETS is not set: no real data")
	}
	f, err := os.Open(filepath.Join(dir, "timeseries", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		var v []float64
		for _, cell := range row[1:] {
			if x, err := strconv.ParseFloat(cell, 64); err == nil {
				v = append(v, x)
			}
		}
		out = append(out, v)
	}
	return out
}
