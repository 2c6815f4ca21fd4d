package forecast

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"apiml/frame"
)

// Config says how a Traffic Forecaster is fitted. Take Default and change what
// you want: the zero value is not valid. The names of the additive model are
// those of Prophet.
type Config struct {
	Model   string `json:"model"`   // one of Models, default "auto" = chosen by backtest
	Horizon int    `json:"horizon"` // steps ahead for which it is chosen and its bands are calibrated, default 30

	// The additive model.
	Growth                string      `json:"growth"`                  // trend: "linear", "flat" or "logistic", default "linear"
	Cap                   float64     `json:"cap"`                     // logistic growth ends here, in units of the series; must lie above floor
	Floor                 float64     `json:"floor"`                   // and begins here, default 0
	Changepoints          int         `json:"n_changepoints"`          // places where the trend may bend, 0 to 200, default 25
	ChangepointRange      float64     `json:"changepoint_range"`       // they lie in the first part of the history, a share, default 0.8
	ChangepointPriorScale float64     `json:"changepoint_prior_scale"` // Laplace scale of the bends: larger bends more, default 0.05
	SeasonalityMode       string      `json:"seasonality_mode"`        // "additive" or "multiplicative", default "additive"
	SeasonalityPriorScale float64     `json:"seasonality_prior_scale"` // standard deviation of the Fourier coefficients, default 10
	YearlySeasonality     int         `json:"yearly_seasonality"`      // Fourier order, 0 = none, -1 = 10 from 2 years of data on; default -1
	WeeklySeasonality     int         `json:"weekly_seasonality"`      // Fourier order, 0 = none, -1 = 3 from 2 weeks of data on; default -1
	DailySeasonality      int         `json:"daily_seasonality"`       // Fourier order, 0 = none, -1 = 4 from 2 days of data on; default -1
	SeasonalitySearch     bool        `json:"seasonality_search"`      // automatic orders of week and day may be raised where BIC says so, default true; false = Prophet's
	AROrder               int         `json:"ar_order"`                // autoregression of the errors: greatest order, 0 = none as in Prophet, default 24; AIC chooses
	Events                []Event     `json:"events"`                  // holidays and the like, default none
	Regressors            []Regressor `json:"-"`                       // inputs whose values are known ahead; a fitted model keeps them
	EventPriorScale       float64     `json:"event_prior_scale"`       // standard deviation of their effects and of those of regressors, as Prophet's holidays_prior_scale; default 10
	Intervals             string      `json:"intervals"`               // "conformal" or, for the additive model alone, "simulated" as Prophet's; default "conformal"

	// The LSTM.
	LSTMHidden       int     `json:"lstm_hidden"`        // units, 1 to 64, default 16
	LSTMWindow       int     `json:"lstm_window"`        // steps through which errors are propagated back, 4 to 512, default 32
	LSTMEpochs       int     `json:"lstm_epochs"`        // at most so many passes, default 40
	LSTMPatience     int     `json:"lstm_patience"`      // passes without gain on the last part before it stops, default 5
	LSTMLearningRate float64 `json:"lstm_learning_rate"` // of Adam, default 0.01
	LSTMClip         float64 `json:"lstm_clip"`          // longest gradient (Euclidean norm), default 1
	LSTMMaxPoints    int     `json:"lstm_max_points"`    // it is fitted on so many latest points at most, 100 to 1,000,000; default 10,080 = a week of minutes
}

// Default is the default configuration.
func Default() Config {
	return Config{
		Model: "auto", Horizon: 30,
		Growth: "linear", Changepoints: 25, ChangepointRange: 0.8, ChangepointPriorScale: 0.05,
		SeasonalityMode: "additive", SeasonalityPriorScale: 10,
		YearlySeasonality: -1, WeeklySeasonality: -1, DailySeasonality: -1, SeasonalitySearch: true, AROrder: 24, EventPriorScale: 10, Intervals: "conformal",
		LSTMHidden: 16, LSTMWindow: 32, LSTMEpochs: 40, LSTMPatience: 5, LSTMLearningRate: 0.01, LSTMClip: 1, LSTMMaxPoints: 10_080,
	}
}

// Event is a holiday, a release, a campaign: days on which the additive model adds
// an effect of their own, the same each time. Each day of the window has its own.
type Event struct {
	Name  string   `json:"name"`
	Dates []string `json:"dates"`        // YYYY-MM-DD in UTC, past and to come
	Lower int      `json:"lower_window"` // days before a date that belong to it, 0 to −30
	Upper int      `json:"upper_window"` // days after it, 0 to 30
}

// Regressor is an input of the additive models: a price, a temperature, a number of
// campaigns. Its steps are those of the series to forecast; it must have a value for
// each of them and for each step ahead (a missing one counts as the mean).
type Regressor struct {
	Name   string
	Series frame.Series
}

const maxRegressors = 50

// covers says what is missing of the regressors for times from start to end.
func (c *Config) covers(step, start, end int64) error {
	for _, r := range c.Regressors {
		s := r.Series
		switch {
		case s.Step != step || (s.Start-start)%step != 0:
			return fmt.Errorf("forecast: regressor %q has steps of %s, the series of %s, or lies between them", r.Name, time.Duration(s.Step)*time.Microsecond, time.Duration(step)*time.Microsecond)
		case s.Start > start || s.End() < end:
			return fmt.Errorf("forecast: regressor %q has values from %s to %s; history and forecast need them from %s to %s", r.Name,
				clock(s.Start), clock(s.End()), clock(start), clock(end))
		}
		for _, v := range s.Values {
			if math.Abs(v) > limit {
				return fmt.Errorf("forecast: regressor %q has an infinite value", r.Name)
			}
		}
	}
	return nil
}

func clock(us int64) string { return time.UnixMicro(us).UTC().Format(time.RFC3339) }

// standardised are the regressors with mean 0 and deviation 1 over the history
// from start to end; those of two values stay as they are, as in Prophet.
func (c *Config) standardised(start, end int64) (out []regressor) {
	for _, r := range c.Regressors {
		s := r.Series
		from, to := max(0, (start-s.Start)/s.Step), min(int64(len(s.Values)), (end-s.Start)/s.Step)
		sum, sq, n := 0.0, 0.0, 0.0
		binary := true
		for _, v := range s.Values[from:max(from, to)] {
			if !math.IsNaN(v) {
				sum += v
				n++
				binary = binary && (v == 0 || v == 1)
			}
		}
		center, width := sum/max(n, 1), 1.0
		for _, v := range s.Values[from:max(from, to)] {
			if !math.IsNaN(v) {
				sq += float64((v - center) * (v - center))
			}
		}
		if width = math.Sqrt(sq / max(n, 1)); !(width > 1e-9*math.Abs(center)) || width == 0 {
			width = 1
		}
		if binary {
			center, width = 0, 1
		}
		x := regressor{s.Start, s.Step, make([]float64, len(s.Values))}
		for i, v := range s.Values {
			x.values[i] = (v - center) / width
		}
		out = append(out, x)
	}
	return out
}

// maxEventDays bounds the days of all events.
const maxEventDays = 10_000

// maxEventColumns bounds the effects.
const maxEventColumns = 200

// eventDays lists the days (since 1970, ascending) of each effect.
func (c *Config) eventDays() (out [][]int64, err error) {
	total := 0
	for _, e := range c.Events {
		if e.Name == "" || len(e.Dates) == 0 {
			return nil, fmt.Errorf("forecast: an event needs a name and dates: %q has %d", e.Name, len(e.Dates))
		}
		if e.Lower < -30 || e.Lower > 0 || e.Upper < 0 || e.Upper > 30 {
			return nil, fmt.Errorf("forecast: event %q: lower_window must be -30 to 0 and upper_window 0 to 30, not %d and %d", e.Name, e.Lower, e.Upper)
		}
		var days []int64
		for _, d := range e.Dates {
			t, err := time.Parse(time.DateOnly, d)
			if err != nil {
				return nil, fmt.Errorf("forecast: event %q: date %q: want YYYY-MM-DD", e.Name, d)
			}
			days = append(days, t.Unix()/86400)
		}
		for offset := e.Lower; offset <= e.Upper; offset++ {
			var one []int64
			for _, d := range days {
				one = append(one, d+int64(offset))
			}
			slices.Sort(one)
			out = append(out, slices.Compact(one))
			total += len(one)
		}
	}
	if total > maxEventDays || len(out) > maxEventColumns {
		return nil, fmt.Errorf("forecast: %d events with %d days are too many: at most %d effects and %d days", len(out), total, maxEventColumns, maxEventDays)
	}
	return out, nil
}

// maxOrder bounds the Fourier orders: more harmonics than 50 fit noise.
const maxOrder = 50

// maxAR bounds the order of an autoregression of errors.
const maxAR = 99

// Check says what is wrong with c; nil if nothing.
func (c *Config) Check() error {
	between := func(v, lo, hi float64) bool { return v >= lo && v <= hi }
	switch {
	case c.Horizon < 1 || c.Horizon > MaxHorizon:
		return fmt.Errorf("forecast horizon %d steps: must be 1 to %d", c.Horizon, MaxHorizon)
	case c.Growth != "linear" && c.Growth != "flat" && c.Growth != "logistic":
		return fmt.Errorf("forecast: growth must be \"linear\", \"flat\" or \"logistic\", not %q", c.Growth)
	case c.Growth == "logistic" && !(c.Cap > c.Floor && between(c.Cap, -limit, limit) && between(c.Floor, -limit, limit)):
		return fmt.Errorf("forecast: logistic growth needs a cap above the floor, not cap %v and floor %v", c.Cap, c.Floor)
	case c.Intervals != "" && c.Intervals != "conformal" && c.Intervals != "simulated":
		return fmt.Errorf("forecast: intervals must be \"conformal\" or \"simulated\", not %q", c.Intervals)
	case c.Intervals == "simulated" && c.Model != "additive" && c.Model != "prophet":
		return fmt.Errorf("forecast: simulated intervals are those of the model \"additive\", not of %q", c.Model)
	case len(c.Regressors) > maxRegressors:
		return fmt.Errorf("forecast: %d regressors are too many: at most %d", len(c.Regressors), maxRegressors)
	case c.Changepoints < 0 || c.Changepoints > 200:
		return fmt.Errorf("forecast: n_changepoints must be 0 to 200, not %d", c.Changepoints)
	case !between(c.ChangepointRange, 1e-6, 1):
		return fmt.Errorf("forecast: changepoint_range must be a share above 0 up to 1, not %v", c.ChangepointRange)
	case !between(c.ChangepointPriorScale, 1e-6, 1e3):
		return fmt.Errorf("forecast: changepoint_prior_scale must be 1e-6 to 1000, not %v", c.ChangepointPriorScale)
	case c.SeasonalityMode != "additive" && c.SeasonalityMode != "multiplicative":
		return fmt.Errorf("forecast: seasonality_mode must be \"additive\" or \"multiplicative\", not %q", c.SeasonalityMode)
	case !between(c.SeasonalityPriorScale, 1e-6, 1e3):
		return fmt.Errorf("forecast: seasonality_prior_scale must be 1e-6 to 1000, not %v", c.SeasonalityPriorScale)
	case !between(c.EventPriorScale, 1e-6, 1e3):
		return fmt.Errorf("forecast: event_prior_scale must be 1e-6 to 1000, not %v", c.EventPriorScale)
	case c.AROrder < 0 || c.AROrder > maxAR:
		return fmt.Errorf("forecast: ar_order must be 0 to %d, not %d", maxAR, c.AROrder)
	case c.LSTMHidden < 1 || c.LSTMHidden > maxHidden:
		return fmt.Errorf("forecast: lstm_hidden must be 1 to %d, not %d", maxHidden, c.LSTMHidden)
	case c.LSTMWindow < 4 || c.LSTMWindow > 512:
		return fmt.Errorf("forecast: lstm_window must be 4 to 512, not %d", c.LSTMWindow)
	case c.LSTMEpochs < 1 || c.LSTMEpochs > 10_000:
		return fmt.Errorf("forecast: lstm_epochs must be 1 to 10000, not %d", c.LSTMEpochs)
	case c.LSTMPatience < 1:
		return fmt.Errorf("forecast: lstm_patience must be 1 or more, not %d", c.LSTMPatience)
	case !between(c.LSTMLearningRate, 1e-9, 10):
		return fmt.Errorf("forecast: lstm_learning_rate must be 1e-9 to 10, not %v", c.LSTMLearningRate)
	case !between(c.LSTMClip, 1e-9, 1e9):
		return fmt.Errorf("forecast: lstm_clip must be 1e-9 to 1e9, not %v", c.LSTMClip)
	case c.LSTMMaxPoints < 100 || c.LSTMMaxPoints > 1_000_000:
		return fmt.Errorf("forecast: lstm_max_points must be 100 to 1000000, not %d", c.LSTMMaxPoints)
	}
	for _, s := range []struct {
		name  string
		order int
	}{{"yearly", c.YearlySeasonality}, {"weekly", c.WeeklySeasonality}, {"daily", c.DailySeasonality}} {
		if s.order < -1 || s.order > maxOrder {
			return fmt.Errorf("forecast: %s_seasonality must be -1 (automatic), 0 (none) or a Fourier order up to %d, not %d", s.name, maxOrder, s.order)
		}
	}
	if _, err := c.eventDays(); err != nil {
		return err
	}
	_, err := canonical(c.Model)
	return err
}

// canonical is the name of a model as it stands in Models.
func canonical(name string) (string, error) {
	want := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	switch want {
	case "":
		want = "auto"
	case "prophet":
		want = "additive"
	}
	if !slices.Contains(Models(), want) {
		return "", fmt.Errorf("%w %q: use one of %s", ErrUnknownModel, name, strings.Join(Models(), ", "))
	}
	return want, nil
}
