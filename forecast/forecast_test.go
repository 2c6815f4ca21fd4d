package forecast

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"apiml/frame"
)

const minute = 60_000_000

func series(step int64, n int, f func(i int) float64) frame.Series {
	s := frame.Series{Name: "t", Start: 1_700_000_000_000_000, Step: step}
	for i := range n {
		s.Values = append(s.Values, f(i))
	}
	return s
}

func run(t *testing.T, s frame.Series, opt Options) *Result {
	t.Helper()
	r, err := Run(s, opt)
	if err != nil {
		t.Fatal(err)
	}
	checkBands(t, s, r)
	return r
}

// checkBands holds what every result promises.
func checkBands(t *testing.T, s frame.Series, r *Result) {
	t.Helper()
	negative := slices.ContainsFunc(s.Values, func(v float64) bool { return v < 0 })
	for _, v := range [][]float64{r.Mean, r.Lo80, r.Hi80, r.Lo95, r.Hi95} {
		if len(v) != r.Horizon {
			t.Fatalf("%d steps, want %d", len(v), r.Horizon)
		}
	}
	for i := range r.Mean {
		band := []float64{r.Lo95[i], r.Lo80[i], r.Mean[i], r.Hi80[i], r.Hi95[i]}
		if !slices.IsSorted(band) || math.IsNaN(band[2]) || math.IsInf(band[4]-band[0], 0) {
			t.Fatalf("step %d: band %v crosses or is not finite", i, band)
		}
		if !negative && band[0] < 0 {
			t.Fatalf("step %d: band %v is below zero", i, band)
		}
	}
	if _, err := json.Marshal(r); err != nil {
		t.Fatal(err)
	}
}

// Twenty points, horizon 2: the test part begins at 16, origins 16 and 18. The
// last value forecasts 15,15 and 17,17 against 16,17 and 18,19 of the ramp
// 0, 1, 2, …: errors 1, 2, 1, 2.
func TestScoreByHand(t *testing.T) {
	r := run(t, series(minute, 20, func(i int) float64 { return float64(i) }), Options{Horizon: 2, Model: "last"})
	var got Score
	for _, b := range r.Backtest {
		if b.Model == "last" {
			got = b
		}
	}
	if want := 6.0 / 70; math.Abs(got.WAPE-want) > 1e-12 {
		t.Errorf("WAPE %v, want %v", got.WAPE, want)
	}
	if want := 1.5; got.MASE != want { // the naive error inside a ramp is 1
		t.Errorf("MASE %v, want %v", got.MASE, want)
	}
	want := 200 * (1.0/31 + 2.0/32 + 1.0/35 + 2.0/36) / 4
	if math.Abs(got.SMAPE-want) > 1e-12 {
		t.Errorf("sMAPE %v, want %v", got.SMAPE, want)
	}
	if r.Test.Origins != 2 || r.Test.Points != 4 || r.Mean[0] != 19 || r.Mean[1] != 19 {
		t.Errorf("%+v", r)
	}
	if got := r.Start.UnixMicro(); got != 1_700_000_000_000_000+20*minute {
		t.Errorf("forecast starts at %d", got)
	}
}

func TestAutoFindsTheSeason(t *testing.T) {
	const hour = 60 * minute
	daily := series(hour, 24*20, func(i int) float64 { return 100 + 90*math.Sin(float64(i)*2*math.Pi/24) })
	if r := run(t, daily, Options{Horizon: 24}); r.Chosen != "snaive-daily" || r.Backtest[0].WAPE > 1e-9 {
		t.Errorf("daily: chosen %s, %+v", r.Chosen, r.Backtest)
	}
	weekly := series(hour, 24*7*6, func(i int) float64 {
		v := 100 + 90*math.Sin(float64(i)*2*math.Pi/24)
		if d := i / 24 % 7; d >= 5 {
			v /= 4
		}
		return v
	})
	r := run(t, weekly, Options{Horizon: 24})
	if r.Chosen != "snaive-weekly" {
		t.Errorf("weekly: chosen %s", r.Chosen)
	}
	if r := run(t, weekly, Options{Horizon: 24, Model: "snaive"}); r.Chosen != "snaive-weekly" {
		t.Errorf("snaive: chosen %s", r.Chosen)
	}
	if r := run(t, weekly, Options{Horizon: 24, Model: "snaive_daily"}); r.Chosen != "snaive-daily" {
		t.Errorf("snaive_daily: chosen %s", r.Chosen)
	}
	// A forecast longer than the season repeats it.
	if r := run(t, daily, Options{Horizon: 60}); math.Abs(r.Mean[0]-r.Mean[24]) > 1e-9 || math.Abs(r.Mean[3]-r.Mean[51]) > 1e-9 {
		t.Errorf("season does not repeat: %v", r.Mean)
	}
}

func TestSeasonsNeedData(t *testing.T) {
	const hour = 60 * minute
	short := series(hour, 24*3, func(i int) float64 { return float64(i % 24) })
	r := run(t, short, Options{Horizon: 6})
	if r.Backtest[0].Model != "snaive-daily" || r.Backtest[1].Model != "mean" || r.Backtest[len(r.Backtest)-1].Model != "auto" || !slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, "no weekly season: it needs about 7.2 days") }) {
		t.Errorf("rows %+v, warnings %q", r.Backtest, r.Warnings)
	}
	if _, err := Run(short, Options{Horizon: 6, Model: "snaive-weekly"}); !errors.Is(err, ErrNoSeason) {
		t.Errorf("snaive-weekly: %v", err)
	}
	// A day and a bit: the models are compared behind the day, on shorter forecasts if
	// need be.
	for n, comparable := range map[int]bool{24 + 18: true, 24 + 9: true, 24 + 8: false} {
		day := series(hour, n, func(i int) float64 { return float64(10 + i%24) })
		r := run(t, day, Options{Horizon: 12})
		if known := r.Backtest[0].Model == "snaive-daily"; known != comparable || known && (r.Chosen != "snaive-daily" || len(r.Mean) != 12) {
			t.Errorf("%d hours: first row %s, chosen %s, warnings %q", n, r.Backtest[0].Model, r.Chosen, r.Warnings)
		}
	}
	odd := series(7*minute, 900, func(i int) float64 { return float64(i % 9) })
	if _, err := Run(odd, Options{Horizon: 6, Model: "snaive"}); !errors.Is(err, ErrNoSeason) {
		t.Errorf("a step of 7 minutes has no daily season: %v", err)
	}
}

func TestErrors(t *testing.T) {
	s := series(minute, 100, func(i int) float64 { return float64(i % 3) })
	if _, err := Run(s, Options{Horizon: 3, Model: "oracle"}); !errors.Is(err, ErrUnknownModel) || !strings.Contains(err.Error(), "snaive") {
		t.Errorf("oracle: %v", err)
	}
	for _, h := range []int{0, -1, MaxHorizon + 1} {
		if _, err := Run(s, Options{Horizon: h}); err == nil {
			t.Errorf("horizon %d accepted", h)
		}
	}
	var short *ShortError
	if _, err := Run(s, Options{Horizon: 101}); !errors.As(err, &short) || short.Need != 101 || short.Points != 100 {
		t.Errorf("short: %v", err)
	}
	s.Step = 0
	if _, err := Run(s, Options{Horizon: 3}); err == nil {
		t.Error("step 0 accepted")
	}
}

func TestOddSeries(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, f := range map[string]func(i int) float64{
		"zeros":     func(i int) float64 { return 0 },
		"constant":  func(i int) float64 { return 7 },
		"gap":       func(i int) float64 { return map[bool]float64{true: nan, false: 5}[i > 80 && i < 160] },
		"lead":      func(i int) float64 { return map[bool]float64{true: nan, false: float64(i)}[i < 50] },
		"test gone": func(i int) float64 { return map[bool]float64{true: nan, false: float64(i)}[i > 150] },
		"infinite":  func(i int) float64 { return map[bool]float64{true: inf, false: float64(i)}[i%9 == 0] },
		"negative":  func(i int) float64 { return math.Sin(float64(i)) },
		"huge":      func(i int) float64 { return 1e99 * float64(i%2) },
		"one spike": func(i int) float64 { return map[bool]float64{true: 1e6, false: 0}[i == 190] },
		"late zero": func(i int) float64 { return map[bool]float64{true: 0, false: 3}[i > 150] },
	} {
		t.Run(name, func(t *testing.T) {
			s := series(minute, 200, f)
			for _, m := range []string{"auto", "mean", "median", "last"} {
				r := run(t, s, Options{Horizon: 10, Model: m})
				if name == "constant" && (r.Mean[9] != 7 || r.Hi95[9] != 7 || r.Backtest[0].WAPE != 0 || r.Backtest[0].Coverage80 != 1) {
					t.Errorf("constant: %+v", r)
				}
				if name == "test gone" && (r.Test.Points != 0 || !math.IsNaN(r.Backtest[0].WAPE)) {
					t.Errorf("test gone: %+v", r)
				}
			}
		})
	}
}

// The bands are calibrated on earlier origins only, so what they cover later is
// a measurement. On noise without any structure it must be the nominal share.
func TestCoverageOfNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	s := series(minute, 6000, func(i int) float64 { return math.Max(0, 50+10*rng.NormFloat64()) })
	r := run(t, s, Options{Horizon: 10, Model: "mean"})
	for _, b := range r.Backtest {
		if math.Abs(b.Coverage80-.80) > .05 || math.Abs(b.Coverage95-.95) > .025 {
			t.Errorf("%s covers %.3f and %.3f", b.Model, b.Coverage80, b.Coverage95)
		}
	}
}

func TestRunIsPure(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	s := series(60*minute, 800, func(i int) float64 { return float64(rng.IntN(100)) })
	s.Values[3], s.Values[799] = math.NaN(), math.NaN()
	before := slices.Clone(s.Values)
	a, b := run(t, s, Options{Horizon: 24}), run(t, s, Options{Horizon: 24})
	if !reflect.DeepEqual(a, b) {
		t.Error("two runs differ")
	}
	for i := range before {
		if before[i] != s.Values[i] && !math.IsNaN(before[i]) {
			t.Fatal("Run changed its input")
		}
	}
}

// No origin may see what it forecasts: changing the future of an origin must
// not change what was said before it.
func TestNoPeeking(t *testing.T) {
	p := cut(500, 7, 0)
	for _, o := range p.choiceOrigins {
		if o < p.choice || o+p.h > p.test {
			t.Fatalf("origin %d of [%d, %d)", o, p.choice, p.test)
		}
	}
	if last := p.choiceOrigins[len(p.choiceOrigins)-1]; last+p.h != p.test {
		t.Errorf("calibration ends at %d, test begins at %d", last+p.h, p.test)
	}
	if last := p.bandOrigins[len(p.bandOrigins)-1]; last+p.h > p.n || last+p.h < p.n-p.h {
		t.Errorf("final bands end at %d of %d", last+p.h, p.n)
	}
}

func TestQuantile(t *testing.T) {
	v := make([]float64, 99)
	for i := range v {
		v[i] = float64(i + 1)
	}
	for q, want := range map[float64]float64{.1: 10, .9: 90, .025: 2, .975: 98} {
		if got := quantile(v, q); got != want {
			t.Errorf("quantile %v of 1…99 is %v, want %v", q, got, want)
		}
	}
	if quantile(nil, .9) != 0 || quantile([]float64{4}, .975) != 4 || quantile([]float64{4}, .025) != 4 {
		t.Error("quantile of too few")
	}
}

func TestJSON(t *testing.T) {
	b, err := json.Marshal(run(t, series(minute, 40, func(i int) float64 { return 0 }), Options{Horizon: 4}))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"start", "step", "horizon", "mean", "lo80", "hi80", "lo95", "hi95", "chosen", "backtest", "warnings"} {
		if _, ok := got[k]; !ok {
			t.Errorf("no field %q in %s", k, b)
		}
	}
	row := got["backtest"].([]any)[0].(map[string]any)
	for _, k := range []string{"model", "wape", "mase", "smape", "coverage80", "coverage95"} {
		if _, ok := row[k]; !ok {
			t.Errorf("no field %q in %v", k, row)
		}
	}
	if b, err := json.Marshal(Score{WAPE: math.NaN()}); err != nil || !strings.Contains(string(b), `"wape":null`) {
		t.Errorf("NaN: %s, %v", b, err)
	}
}

func FuzzRun(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\xff\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10"), uint8(1))
	f.Add(make([]byte, 80), uint8(9))
	f.Fuzz(func(t *testing.T, values []byte, horizon uint8) {
		s := series(60*minute, min(len(values), 400), func(i int) float64 {
			switch v := values[i]; v {
			case 255:
				return math.NaN()
			case 254:
				return math.Inf(1)
			case 253:
				return -3
			default:
				return float64(v)
			}
		})
		r, err := Run(s, Options{Horizon: int(horizon)})
		if err != nil {
			if observed(s.Values) >= MinPoints(int(horizon))+400 {
				t.Fatal(err)
			}
			return
		}
		checkBands(t, s, r)
	})
}
