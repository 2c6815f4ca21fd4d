package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"apiml/frame"
	"apiml/model"
)

// The scoring of the M4 competition (Makridakis, Spiliotis & Assimakopoulos,
// "The M4 Competition: 100,000 time series and 61 forecasting methods",
// International Journal of Forecasting 36, 2020):
//
//	sMAPE = mean 200·|y−f|/(|y|+|f|)
//	MASE  = mean |y−f| / mean |yt − yt−m| inside the training part
//	OWA   = ½·(sMAPE/sMAPE of Naive2 + MASE/MASE of Naive2)
//
// each averaged over the steps of a series and then over the series. Naive2 is
// the last value of the series after classical multiplicative decomposition, if
// a test of autocorrelation at lag m finds a season. Cost: O(points).

// PointScore is the error of a set of forecasts.
type PointScore struct {
	SMAPE float64 `json:"smape"` // percent, 0 to 200
	MASE  float64 `json:"mase"`
	OWA   float64 `json:"owa"` // 1 = Naive2
}

// SetScore is the outcome of EvaluateSet.
type SetScore struct {
	Series  int `json:"series"`
	Horizon int `json:"horizon"` // the longest
	Season  int `json:"season"`  // steps, of MASE and Naive2
	PointScore
	Naive2     PointScore     `json:"naive2"`
	Coverage80 float64        `json:"coverage80"` // share of all test points inside the band, 0 where no bands were made
	Coverage95 float64        `json:"coverage95"`
	Points     int            `json:"points"`
	Chosen     map[string]int `json:"chosen"` // series per chosen model
	Rows       []SeriesScore  `json:"-"`      // in the order of the set
}

// SeriesScore is one series of a SetScore.
type SeriesScore struct {
	Name     string
	Chosen   string
	SMAPE    float64
	MASE     float64
	Forecast []float64
}

// SetSeries is one series of a set, with the values to forecast.
type SetSeries struct {
	Train frame.Series
	Test  []float64
}

// EvaluateSet forecasts each series by the same configuration, which sees the
// training parts only, and scores the forecasts by the formulas of M4 with
// seasons of season steps (1 = none). opt.Log counts series. cfg.Horizon is not
// used: it is the length of a series' test part.
func EvaluateSet(ctx context.Context, set []SetSeries, season int, cfg Config, opt model.FitOptions) (*SetScore, error) {
	forecasts := make([][]float64, len(set))
	chosen := make([]string, len(set))
	if cfg.Model == Global {
		return evaluateGlobal(ctx, set, season, cfg, opt)
	}
	in80, in95, points := 0, 0, 0
	var mu sync.Mutex
	err := model.Parallel(ctx, opt.Workers, len(set), opt.Log, func(_, i int) error {
		s := set[i]
		c := cfg
		c.Horizon = len(s.Test)
		f, err := Fit(ctx, s.Train, c, model.FitOptions{Seed: opt.Seed, Workers: 1})
		if err != nil {
			return fmt.Errorf("series %q: %w", s.Train.Name, err)
		}
		mean, lo80, hi80, lo95, hi95, err := f.Bands(s.Train, c.Horizon)
		if err != nil {
			return fmt.Errorf("series %q: %w", s.Train.Name, err)
		}
		forecasts[i], chosen[i] = mean, f.Chosen()
		mu.Lock()
		defer mu.Unlock()
		for j, v := range s.Test {
			if math.IsNaN(v) {
				continue
			}
			points++
			if v >= lo80[j] && v <= hi80[j] {
				in80++
			}
			if v >= lo95[j] && v <= hi95[j] {
				in95++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r, err := ScoreSet(set, season, forecasts)
	if err != nil {
		return nil, err
	}
	r.Points = points
	r.Coverage80, r.Coverage95 = float64(in80)/float64(points), float64(in95)/float64(points)
	for i, name := range chosen {
		r.Rows[i].Chosen = name
		r.Chosen[name]++
	}
	return r, nil
}

// Global is the name, for EvaluateSet alone, of one network for the whole set
// (GlobalLSTM).
const Global = "lstm-global"

// evaluateGlobal fits one network on all training parts. It makes no bands.
func evaluateGlobal(ctx context.Context, set []SetSeries, season int, cfg Config, opt model.FitOptions) (*SetScore, error) {
	train, horizon := make([]frame.Series, len(set)), 0
	for i, s := range set {
		train[i] = s.Train
		horizon = max(horizon, len(s.Test))
	}
	g, err := FitGlobalLSTM(ctx, train, horizon, cfg, opt)
	if err != nil {
		return nil, err
	}
	forecasts := make([][]float64, len(set))
	err = model.Parallel(ctx, opt.Workers, len(set), nil, func(_, i int) error {
		forecasts[i] = make([]float64, len(set[i].Test))
		return g.Forecast(forecasts[i], train[i])
	})
	if err != nil {
		return nil, err
	}
	r, err := ScoreSet(set, season, forecasts)
	if err != nil {
		return nil, err
	}
	for i := range r.Rows {
		r.Rows[i].Chosen = Global
	}
	r.Chosen[Global] = len(set)
	return r, nil
}

// ScoreSet scores forecasts, one per series of set and as long as its test part.
func ScoreSet(set []SetSeries, season int, forecasts [][]float64) (*SetScore, error) {
	if len(set) == 0 || len(set) != len(forecasts) {
		return nil, fmt.Errorf("%d forecasts for %d series", len(forecasts), len(set))
	}
	r := &SetScore{Series: len(set), Season: season, Chosen: map[string]int{}}
	scored := 0
	for i, s := range set {
		name := s.Train.Name
		if len(s.Test) == 0 || len(forecasts[i]) != len(s.Test) {
			return nil, fmt.Errorf("series %q: %d forecasts for %d values", name, len(forecasts[i]), len(s.Test))
		}
		naive2 := make([]float64, len(s.Test))
		Naive2(naive2, s.Train.Values, season)
		mae := naiveMAE(s.Train.Values, season)
		row, base := SeriesScore{Name: name, Forecast: forecasts[i]}, SeriesScore{}
		row.SMAPE, row.MASE = pointErrors(s.Test, forecasts[i], mae)
		base.SMAPE, base.MASE = pointErrors(s.Test, naive2, mae)
		r.Rows = append(r.Rows, row)
		r.Horizon = max(r.Horizon, len(s.Test))
		if math.IsNaN(row.SMAPE) {
			return nil, fmt.Errorf("series %q: no test value to score", name)
		}
		r.SMAPE += row.SMAPE
		r.Naive2.SMAPE += base.SMAPE
		if !math.IsNaN(row.MASE) && !math.IsNaN(base.MASE) { // a constant history has none
			r.MASE += row.MASE
			r.Naive2.MASE += base.MASE
			scored++
		}
	}
	r.SMAPE /= float64(len(set))
	r.Naive2.SMAPE /= float64(len(set))
	r.MASE = ratio(r.MASE, float64(scored))
	r.Naive2.MASE = ratio(r.Naive2.MASE, float64(scored))
	r.OWA = (r.SMAPE/r.Naive2.SMAPE + r.MASE/r.Naive2.MASE) / 2
	r.Naive2.OWA = 1
	return r, nil
}

// pointErrors are sMAPE and MASE of one series; NaN where not defined.
func pointErrors(y, f []float64, mae float64) (smape, mase float64) {
	var e errorSums
	e.add(y, f)
	return e.smape / float64(e.points), e.mase(mae)
}

// Naive2 writes the benchmark forecast of M4 behind y to dst: the last value,
// seasonally adjusted with period m if the autocorrelation at lag m says so.
// y has no missing value and is not empty; m = 1 is the plain last value.
func Naive2(dst, y []float64, m int) {
	index := seasonalIndices(y, m)
	last := len(y) - 1
	for i := range dst {
		dst[i] = y[last] / index[last%m] * index[(len(y)+i)%m]
	}
}

// seasonalIndices are those of the classical multiplicative decomposition by a
// centred moving average, by position modulo m; all 1 without a season.
func seasonalIndices(y []float64, m int) []float64 {
	index := slices.Repeat([]float64{1}, max(m, 1))
	if m < 2 || len(y) < 3*m || !isSeasonal(y, m) {
		return index
	}
	sum, n := make([]float64, m), make([]float64, m)
	half := m / 2
	for i := half; i+half < len(y); i++ {
		t := 0.0
		for j := i - half; j <= i+half; j++ {
			w := 1.0
			if m%2 == 0 && (j == i-half || j == i+half) {
				w = 0.5
			}
			t += w * y[j]
		}
		sum[i%m] += y[i] / (t / float64(m))
		n[i%m]++
	}
	total := 0.0
	for k := range sum {
		sum[k] /= n[k]
		total += sum[k]
	}
	for k := range sum {
		sum[k] /= total / float64(m)
		if !(sum[k] > 0) || math.IsInf(sum[k], 0) {
			return index // multiplicative indices of such a series mean nothing
		}
	}
	return sum
}

// isSeasonal is the test of M4: autocorrelation at lag m beyond 1.645 of its
// standard error by Bartlett's formula.
func isSeasonal(y []float64, m int) bool {
	center, n := 0.0, float64(len(y))
	for _, v := range y {
		center += v
	}
	center /= n
	acf := func(lag int) float64 {
		s := 0.0
		for i := lag; i < len(y); i++ {
			s += float64((y[i] - center) * (y[i-lag] - center))
		}
		return s
	}
	c0 := acf(0)
	if !(c0 > 0) {
		return false
	}
	spread, r := 1.0, 0.0
	for lag := 1; lag <= m; lag++ {
		r = acf(lag) / c0
		if lag < m {
			spread += 2 * float64(r*r)
		}
	}
	return math.Abs(r) > 1.645/math.Sqrt(n)*math.Sqrt(spread)
}
