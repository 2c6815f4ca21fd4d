package forecast

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"apiml/frame"
)

func cpuSeconds(t *testing.T) float64 {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// peerSeries is four weeks of minutes with seasons of a day and a week, a trend
// that bends, and noise.
func peerSeries() frame.Series {
	rng := rand.New(rand.NewPCG(28, 40320))
	s := frame.Series{Name: "minutes", Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), Step: 60_000_000}
	for i := range 40_320 {
		day, week := 2*math.Pi*float64(i)/1440, 2*math.Pi*float64(i)/10_080
		v := 500 + 0.002*float64(i) + 0.006*max(0, float64(i-15_000)) - 0.012*max(0, float64(i-27_000))
		v += 180*math.Sin(day-2) + 60*math.Cos(2*day) + 25*math.Sin(3*day) + 70*math.Sin(week) + 30*math.Cos(2*week) + 45*rng.NormFloat64()
		s.Values = append(s.Values, math.Round(v*1000)/1000)
	}
	return s
}

// TestPeer is the half of docs/peers-forecast.sh that runs in Go: it writes the
// series for R's prophet to APIML_PEER_DIR and prints the CPU seconds and the
// negative log-posterior of the same model (prophetConfig) fitted here. With real
// data it also runs Prophet's cross-validation of Peyton Manning.
func TestPeer(t *testing.T) {
	dir := os.Getenv("APIML_PEER_DIR")
	if dir == "" {
		t.Skip("APIML_PEER_DIR is not set")
	}
	write := func(name string, s frame.Series) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriter(f)
		fmt.Fprintln(w, "ds,y")
		for i, v := range s.Values {
			if !math.IsNaN(v) {
				fmt.Fprintf(w, "%s,%v\n", time.UnixMicro(s.Start+int64(i)*s.Step).UTC().Format(time.DateTime), v)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := peerSeries()
	write("minutes.csv", s)
	cfg := prophetConfig()
	ahead := make([]float64, 1440)
	best, objective := math.Inf(1), 0.0
	for range 3 {
		cpu := cpuSeconds(t)
		a, err := fitAdditive(t.Context(), s, &cfg)
		if err != nil {
			t.Fatal(err)
		}
		fitted, x := make([]float64, len(s.Values)), make([]float64, a.width())
		for i := range fitted {
			fitted[i] = a.at(float64(s.Start+int64(i)*s.Step), x)
		}
		a.predict(ahead, s)
		best = min(best, cpuSeconds(t)-cpu)
		sse := 0.0
		for i, v := range s.Values {
			sse += (v - fitted[i]) * (v - fitted[i]) / (a.scale * a.scale)
		}
		objective = float64(len(s.Values))*math.Log(a.sigma) + sse/(2*a.sigma*a.sigma) + 2*a.sigma*a.sigma
		for i, v := range a.theta {
			switch {
			case i < 2:
				objective += v * v / 50
			case i < 2+len(a.changes):
				objective += math.Abs(v) / cfg.ChangepointPriorScale
			default:
				objective += v * v / (2 * cfg.SeasonalityPriorScale * cfg.SeasonalityPriorScale)
			}
		}
	}
	fmt.Printf("minutes cpu %.3f objective %.4f\n", best, objective)
	if os.Getenv("APIML_DATASETS") == "" {
		return
	}
	p := readPeyton(t)
	write("peyton.csv", p)
	sum, n := 0.0, 0
	cpu := cpuSeconds(t)
	for last := len(p.Values) - 1 - 365; last >= 730; last -= 180 {
		a, err := fitAdditive(t.Context(), until(p, last+1), &cfg)
		if err != nil {
			t.Fatal(err)
		}
		f := make([]float64, 365)
		a.predict(f, until(p, last+1))
		for i, v := range f {
			if y := p.Values[last+1+i]; !math.IsNaN(y) {
				sum += math.Abs((y - v) / y)
				n++
			}
		}
	}
	fmt.Printf("peyton cpu %.3f mape %.5f\n", cpuSeconds(t)-cpu, sum/float64(n))
}
