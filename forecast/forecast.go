// Package forecast says how a series of counts goes on, with intervals that
// were calibrated on the series' own past and a backtest that shows what each
// model would have achieved.
//
// It reads no log and no store: it takes a frame.Series (regular steps, NaN =
// missing) and returns a Result. Use it as
//
//	res, err := forecast.Run(series, forecast.Options{Horizon: 30})
//
// The models of this version are the baselines that every other model must
// beat: last value, mean and median of the last horizon, daily and weekly
// seasonal naive. Asking for one of the models listed by Planned returns
// ErrNotAvailable.
package forecast

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"apiml/frame"
)

// ErrNotAvailable is returned (wrapped, with the name) for a model that is
// known but not part of this version.
var ErrNotAvailable = errors.New("not available in this version")

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
	return fmt.Sprintf("forecast of %d steps needs at least %d observed points (history, calibration and test of one horizon each), the series has %d; use a shorter horizon or more data",
		e.Horizon, e.Need, e.Points)
}

// MinPoints is the least number of observed points for a horizon of h steps.
func MinPoints(h int) int { return max(12, 3*h) }

// MaxHorizon is the greatest horizon in steps.
const MaxHorizon = 100_000

// Options say what to forecast.
type Options struct {
	Horizon int    // steps ahead, 1 … MaxHorizon
	Model   string // one of Models; "" = "auto"
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

	Chosen   string   `json:"chosen"` // the model that made Mean
	Backtest []Score  `json:"backtest"`
	Test     TestPart `json:"test"`
	Warnings []string `json:"warnings"`
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
	return []string{"auto", "snaive", "snaive-daily", "snaive-weekly", "mean", "median", "last"}
}

// Planned lists the names that are known but return ErrNotAvailable.
func Planned() []string { return []string{"additive", "lstm", "ets", "theta"} }

// Run forecasts s. It does not change s. The result depends on s and opt only.
//
// Errors: *ShortError, ErrNotAvailable, ErrUnknownModel, ErrNoSeason, and plain
// ones for a horizon or a series that make no sense.
func Run(s frame.Series, opt Options) (*Result, error) {
	want := strings.ReplaceAll(strings.ToLower(opt.Model), "_", "-")
	switch want {
	case "":
		want = "auto"
	case "prophet":
		want = "additive"
	}
	if slices.Contains(Planned(), want) {
		return nil, fmt.Errorf("forecast model %q: %w; use one of %s", opt.Model, ErrNotAvailable, strings.Join(Models(), ", "))
	}
	if !slices.Contains(Models(), want) {
		return nil, fmt.Errorf("%w %q: use one of %s", ErrUnknownModel, opt.Model, strings.Join(Models(), ", "))
	}
	h := opt.Horizon
	if h < 1 || h > MaxHorizon {
		return nil, fmt.Errorf("forecast horizon %d steps: must be 1 to %d", h, MaxHorizon)
	}
	if s.Step <= 0 {
		return nil, fmt.Errorf("forecast series %q: step %d µs is not positive", s.Name, s.Step)
	}
	y, warnings := clean(s.Values)
	s.Start += int64(len(s.Values)-len(y)) * s.Step
	if seen := observed(y); seen < MinPoints(h) {
		return nil, &ShortError{Points: seen, Need: MinPoints(h), Horizon: h}
	}
	p := cut(len(y), h)
	cands, notes := candidates(s.Step, p)
	warnings = append(warnings, notes...)

	floor := math.Inf(-1)
	if minimum(y) >= 0 {
		floor = 0 // counts: no band below zero
	}
	season := 1 // of MASE: the shortest season, as in M4
	for _, c := range cands {
		if c.season > 0 {
			season = c.season
			break
		}
	}
	mae := naiveMAE(y[:p.test], season)

	res := &Result{
		Series: s.Name, Start: time.UnixMicro(s.Start + int64(len(y))*s.Step).UTC(), Step: float64(s.Step) / 1e6, Horizon: h,
		Test: TestPart{Start: time.UnixMicro(s.Start + int64(p.test)*s.Step).UTC(), Origins: len(p.testOrigins)},
	}
	best := -1
	for i, c := range cands {
		row, points := score(y, p, c, floor, mae)
		res.Test.Points = points
		res.Backtest = append(res.Backtest, row)
		if wanted(want, c) && (best < 0 || better(row.WAPEChoice, res.Backtest[best].WAPEChoice)) {
			best = i
		}
	}
	if best < 0 {
		return nil, fmt.Errorf("forecast model %q: %w a step of %s and %d points", want, ErrNoSeason, time.Duration(s.Step*1000), len(y))
	}
	c := cands[best]
	res.Chosen = c.name
	res.Test.ChosenOn = fmt.Sprintf("WAPE on %d origins before the test part", len(p.choiceOrigins))
	if res.Test.Points == 0 {
		warnings = append(warnings, "the test part holds no observed point: the backtest is empty")
	}

	b := newBands(h)
	for _, o := range p.bandOrigins {
		b.add(y, o, c)
	}
	if n := b.smallest(); n < 40 {
		warnings = append(warnings, fmt.Sprintf("the intervals rest on as few as %d residuals per group of steps: take them as a rough guide", n))
	}
	res.Mean = make([]float64, h)
	c.predict(res.Mean, y)
	res.Lo80, res.Hi80, res.Lo95, res.Hi95 = b.apply(res.Mean, floor)
	res.Warnings = append([]string{}, warnings...) // never nil: [] in JSON
	return res, nil
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
