// Package forecast says how a series of counts goes on, with intervals that
// were calibrated on the series' own past and a backtest that shows what each
// model would have achieved.
//
// It reads no log and no store: it takes a frame.Series (regular steps, NaN =
// missing) and returns a Result. Use it as
//
//	res, err := forecast.Run(series, forecast.Options{Horizon: 30})
//
// The models are the baselines that every other model must beat (last value,
// mean and median of the last horizon, daily and weekly seasonal naive), the
// classical ones (local.go, smooth.go, stl.go, ridge.go), an additive model of
// trend and seasons (additive.go) and an LSTM (lstm.go). "auto" is a mean of them
// with weights from the backtest (auto.go). What forecasts are used for stands in
// replay.go and capacity.go, the scoring of whole sets in m4.go.
//
// Fit makes a model.Forecaster that can be stored and forecasts later histories
// too; Run is Fit and its forecast in one.
package forecast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"apiml/frame"
	"apiml/model"
)

// ErrUnknownModel is returned (wrapped, with the name and the choices) for a
// name that is no model.
var ErrUnknownModel = errors.New("unknown forecast model")

// ErrNoSeason is returned (wrapped) when a seasonal model is asked for and no
// season fits the step and the span of the series.
var ErrNoSeason = errors.New("no season fits")

// ShortError says that a series has too few points for the horizon.
type ShortError struct {
	Points  int // values that are neither missing nor infinite
	Need    int // MinPoints of the horizon
	Horizon int // steps
}

func (e *ShortError) Error() string {
	return fmt.Sprintf("forecast of %d steps needs at least %d observed points, the series has %d; use a shorter horizon or more data",
		e.Horizon, e.Need, e.Points)
}

// MinPoints is the least number of observed points for a horizon of h steps. A
// backtest over the whole horizon needs three times h: history, calibration and test
// of one horizon each. With fewer points the models are compared, and the bands
// calibrated, on a third of the points, which a warning says.
func MinPoints(h int) int { return max(12, h) }

// MaxHorizon is the greatest horizon in steps.
const MaxHorizon = 100_000

// Options say what to forecast.
type Options struct {
	Horizon int     // steps ahead, 1 … MaxHorizon
	Model   string  // one of Models; "" = "auto"
	Config  *Config // parameters of the fitted models (its Model and Horizon are not used); nil = Default
	Seed    uint64  // of the LSTM
	Workers int     // goroutines, 0 = GOMAXPROCS; never changes the result
}

// Result is a forecast with its evidence. Its JSON is the output of
// `apiml forecast --json`.
type Result struct {
	Series  string    `json:"series,omitempty"` // name of the series
	Start   time.Time `json:"start"`            // begin of the first forecast interval, UTC
	Step    float64   `json:"step"`             // seconds
	Horizon int       `json:"horizon"`          // steps; the length of the five slices below

	Mean []float64 `json:"mean"` // point forecast per step
	Lo80 []float64 `json:"lo80"` // lo95 ≤ lo80 ≤ mean ≤ hi80 ≤ hi95, and no less than 0 for a series without negative values
	Hi80 []float64 `json:"hi80"`
	Lo95 []float64 `json:"lo95"`
	Hi95 []float64 `json:"hi95"`

	Chosen   string   `json:"chosen"`  // the model that made Mean, or Combination
	Weights  []Weight `json:"weights"` // of the models in it, the greatest first
	Backtest []Score  `json:"backtest"`
	Test     TestPart `json:"test"`
	Warnings []string `json:"warnings"`

	// Replay is what Chosen (with auto: the combination of that moment) would
	// have forecast from each origin of the test part, in order of time. A
	// Fitted that was read from a file has none.
	Replay []Replay `json:"-"`
}

// Replay is one forecast of the past beside what came.
type Replay struct {
	Start                        time.Time // begin of the first interval, UTC
	Actual                       []float64 // NaN = missing
	Mean, Lo80, Hi80, Lo95, Hi95 []float64
}

// Combination is the name of the model that auto makes of several ones.
const Combination = "combination"

// Weight is the share of a model in a forecast.
type Weight struct {
	Model  string  `json:"model"`
	Weight float64 `json:"weight"` // they sum to 1
}

// TestPart says on what the rows of Backtest were measured.
type TestPart struct {
	Start    time.Time `json:"start"`     // first interval of the test part
	Points   int       `json:"points"`    // observed points that were forecast
	Origins  int       `json:"origins"`   // forecasts made, each one horizon after the one before
	ChosenOn string    `json:"chosen_on"` // what auto compared, one phrase
}

// Score is one model's row of the backtest. NaN = not defined (null in JSON):
// MASE of a constant history, WAPE of a test part that is all zero, WAPEChoice
// everything of a test part without an observed point.
type Score struct {
	Model      string
	WAPE       float64 // sum |y−f| / sum |y| on the test part
	MASE       float64 // MAE / MAE of the seasonal naive inside the training part (Hyndman & Koehler 2006)
	SMAPE      float64 // mean of 200·|y−f|/(|y|+|f|), 0 where both are 0: the M4 definition, in percent
	Coverage80 float64 // share of test points inside the 80 % band
	Coverage95 float64
	WAPEChoice float64 // WAPE on the part before the test part, by which auto chooses
}

// MarshalJSON writes NaN as null.
func (s Score) MarshalJSON() ([]byte, error) {
	num := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Model      string   `json:"model"`
		WAPE       *float64 `json:"wape"`
		MASE       *float64 `json:"mase"`
		SMAPE      *float64 `json:"smape"`
		Coverage80 *float64 `json:"coverage80"`
		Coverage95 *float64 `json:"coverage95"`
		WAPEChoice *float64 `json:"wape_choice"`
	}{s.Model, num(s.WAPE), num(s.MASE), num(s.SMAPE), num(s.Coverage80), num(s.Coverage95), num(s.WAPEChoice)})
}

// Models lists the names that Options.Model takes.
func Models() []string {
	return append([]string{"auto", "snaive", "snaive-daily", "snaive-weekly", "mean", "median", "last", "additive", "additive-log", "lstm"}, localKinds()...)
}

// Run forecasts s. It does not change s. The result depends on s and opt only.
//
// The backtest holds a row for every rule and for the model asked for; with auto
// for every model that the series allows (the LSTM from 500 to 20,160 observed
// points) and one for auto itself.
//
// Errors: *ShortError, ErrUnknownModel, ErrNoSeason, and plain
// ones for a horizon or a series that make no sense.
func Run(s frame.Series, opt Options) (*Result, error) {
	return RunContext(context.Background(), s, opt)
}

// RunContext is Run, ended early by ctx.
func RunContext(ctx context.Context, s frame.Series, opt Options) (*Result, error) {
	cfg := Default()
	if opt.Config != nil {
		cfg = *opt.Config
	}
	cfg.Model, cfg.Horizon = opt.Model, opt.Horizon
	f, err := Fit(ctx, s, cfg, model.FitOptions{Seed: opt.Seed, Workers: opt.Workers})
	if err != nil {
		return nil, err
	}
	return f.Result(s, opt.Horizon)
}

func wanted(want string, c candidate) bool {
	return want == "auto" || want == c.name || want == "snaive" && c.season > 0
}

// better prefers any number to none, and the earlier candidate at a draw, which
// rounding must not decide.
func better(a, b float64) bool { return a < b-1e-9 || math.IsNaN(b) && !math.IsNaN(a) }

// limit is the greatest value that is taken for one: squares and sums of it
// stay finite.
const limit = 1e100

// clean copies the values from the first observed one on, with infinite ones as
// NaN, and says what is odd about them. Missing values at the end stay: the
// forecast begins behind them.
func clean(values []float64) (y []float64, warnings []string) {
	infinite := 0
	for _, v := range values {
		if math.Abs(v) > limit {
			infinite++
			v = math.NaN()
		}
		if len(y) > 0 || !math.IsNaN(v) {
			y = append(y, v)
		}
	}
	if infinite > 0 {
		warnings = append(warnings, fmt.Sprintf("%d infinite values were taken as missing", infinite))
	}
	if missing := len(y) - observed(y); missing > 0 {
		warnings = append(warnings, fmt.Sprintf("%d of %d values are missing: they are neither filled nor scored", missing, len(y)))
	}
	if minimum(y) == maximum(y) {
		warnings = append(warnings, "the series is constant: the forecast repeats the value, the intervals have no width")
	}
	return y, warnings
}

func observed(y []float64) int {
	n := 0
	for _, v := range y {
		if !math.IsNaN(v) {
			n++
		}
	}
	return n
}

func minimum(y []float64) float64 {
	m := math.Inf(1)
	for _, v := range y {
		if v < m {
			m = v
		}
	}
	return m
}

func maximum(y []float64) float64 {
	m := math.Inf(-1)
	for _, v := range y {
		if v > m {
			m = v
		}
	}
	return m
}
