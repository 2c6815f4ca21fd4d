package boost

import (
	"fmt"
	"math"

	"apiml/model/tree"
)

// The objectives.
const (
	// SquaredLogError fits the squared error of ln(1 + y/unit): relative errors
	// count, whatever the size of y. The target must not be negative.
	SquaredLogError = "squared_log_error"
	// SquaredError fits the squared error of y itself.
	SquaredError = "squared_error"
	// Quantile fits the quantiles alone; the prediction is the median.
	Quantile = "quantile"
)

// Config says how ensembles are grown. Take Default and change what you want:
// the zero value is not valid.
type Config struct {
	Rounds              int       `json:"rounds"`                // most trees per ensemble, default 300
	LearningRate        float64   `json:"learning_rate"`         // shrinkage of each tree, in (0,1]; default 0.1
	MaxDepth            int       `json:"max_depth"`             // splits on the longest way, 1 to 16; default 6
	MinChildWeight      float64   `json:"min_child_weight"`      // least hessian of a child; the hessian of a row is 1 in every objective, so: rows; default 20
	Lambda              float64   `json:"lambda"`                // L2 penalty on leaf values; default 1
	Gamma               float64   `json:"gamma"`                 // least gain of a split; default 0
	Subsample           float64   `json:"subsample"`             // share of the rows drawn for each tree, in (0,1]; default 0.8
	ColSample           float64   `json:"colsample"`             // share of the columns drawn for each tree, in (0,1]; default 0.8
	Bins                int       `json:"bins"`                  // bins per column, 2 to 255; default 128
	EarlyStoppingRounds int       `json:"early_stopping_rounds"` // stop after that many rounds without gain on held-out rows, then fit again on all rows with the best count; 0 = never; default 20
	Objective           string    `json:"objective"`             // "squared_log_error", "squared_error" or "quantile"; default "squared_log_error"
	Quantiles           []float64 `json:"quantiles"`             // levels in (0,1), ascending, each an ensemble of its own; null = none; default 0.5, 0.95, 0.99
}

// Default is the default configuration.
func Default() Config {
	return Config{
		Rounds: 300, LearningRate: 0.1, MaxDepth: 6, MinChildWeight: 20, Lambda: 1, Subsample: 0.8, ColSample: 0.8,
		Bins: 128, EarlyStoppingRounds: 20, Objective: SquaredLogError, Quantiles: []float64{0.5, 0.95, 0.99},
	}
}

const (
	maxRounds    = 10_000
	maxDepth     = 16
	maxQuantiles = 16
)

func (c *Config) check() error {
	share := func(v float64) bool { return v > 0 && v <= 1 }
	finite := func(v float64) bool { return v >= 0 && v <= math.MaxFloat32 }
	switch {
	case c.Rounds < 1 || c.Rounds > maxRounds:
		return fmt.Errorf("boost: rounds must be 1 to %d, not %d", maxRounds, c.Rounds)
	case !share(c.LearningRate):
		return fmt.Errorf("boost: learning_rate must be above 0 and at most 1, not %v", c.LearningRate)
	case c.MaxDepth < 1 || c.MaxDepth > maxDepth:
		return fmt.Errorf("boost: max_depth must be 1 to %d, not %d", maxDepth, c.MaxDepth)
	case !finite(c.MinChildWeight):
		return fmt.Errorf("boost: min_child_weight must be 0 or more, not %v", c.MinChildWeight)
	case !finite(c.Lambda):
		return fmt.Errorf("boost: lambda must be 0 or more, not %v", c.Lambda)
	case !finite(c.Gamma):
		return fmt.Errorf("boost: gamma must be 0 or more, not %v", c.Gamma)
	case !share(c.Subsample):
		return fmt.Errorf("boost: subsample must be above 0 and at most 1, not %v", c.Subsample)
	case !share(c.ColSample):
		return fmt.Errorf("boost: colsample must be above 0 and at most 1, not %v", c.ColSample)
	case c.Bins < 2 || c.Bins > tree.MaxBins:
		return fmt.Errorf("boost: bins must be 2 to %d, not %d", tree.MaxBins, c.Bins)
	case c.EarlyStoppingRounds < 0:
		return fmt.Errorf("boost: early_stopping_rounds must be 0 (never) or more, not %d", c.EarlyStoppingRounds)
	case len(c.Quantiles) > maxQuantiles || c.Quantiles != nil && len(c.Quantiles) == 0:
		return fmt.Errorf("boost: quantiles must be null (none) or 1 to %d levels, not %d", maxQuantiles, len(c.Quantiles))
	}
	for i, q := range c.Quantiles {
		if !(q > 0 && q < 1) || i > 0 && q <= c.Quantiles[i-1] {
			return fmt.Errorf("boost: quantiles must lie between 0 and 1 and ascend, not %v", c.Quantiles)
		}
	}
	switch c.Objective {
	case SquaredLogError, SquaredError:
	case Quantile:
		if c.median() < 0 {
			return fmt.Errorf("boost: objective \"quantile\" needs the level 0.5 among quantiles: it is the prediction")
		}
	default:
		return fmt.Errorf("boost: objective must be \"squared_log_error\", \"squared_error\" or \"quantile\", not %q", c.Objective)
	}
	return nil
}

// median is the index of the level 0.5, −1 if there is none.
func (c *Config) median() int {
	for i, q := range c.Quantiles {
		if q == 0.5 {
			return i
		}
	}
	return -1
}

// ensembles lists what is fitted: NaN for the mean on the working scale, else a
// level; point is the index of the one that Predict uses.
func (c *Config) ensembles() (levels []float64, point int) {
	if c.Objective == Quantile {
		return c.Quantiles, c.median()
	}
	return append([]float64{math.NaN()}, c.Quantiles...), 0
}
