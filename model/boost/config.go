package boost

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"apiml/frame"
	"apiml/model/tree"
)

// The objectives of a regressor.
const (
	// SquaredLogError fits the squared error of ln(1 + y/unit): relative errors
	// count, whatever the size of y. The target must not be negative.
	SquaredLogError = "squared_log_error"
	// SquaredError fits the squared error of y itself.
	SquaredError = "squared_error"
	// AbsoluteError fits the absolute error: the prediction is a median.
	AbsoluteError = "absolute_error"
	// Huber fits Huber's loss: squared up to HuberDelta, absolute beyond.
	Huber = "huber"
	// Quantile fits the quantiles alone; the prediction is the median.
	Quantile = "quantile"
	// Logistic fits the logarithmic loss of a target in [0,1]; the prediction is
	// a probability. Of a classifier: two classes.
	Logistic = "logistic"
	// Softmax is for classifiers: one ensemble per class.
	Softmax = "softmax"
)

// The orders in which a tree grows.
const (
	// DepthWise splits level by level (Chen & Guestrin 2016).
	DepthWise = "depthwise"
	// LeafWise splits the leaf with the largest gain next (Shi 2007; Ke 2017).
	LeafWise = "lossguide"
)

// Config says how ensembles are grown. Take Default and change what you want:
// the zero value is not valid.
type Config struct {
	Rounds              int            `json:"rounds"`                // most trees per ensemble, default 300
	LearningRate        float64        `json:"learning_rate"`         // shrinkage of each tree, in (0,1]; default 0.1
	GrowPolicy          string         `json:"grow_policy"`           // "depthwise" or "lossguide" (leaf-wise); default "depthwise"
	MaxDepth            int            `json:"max_depth"`             // splits on the longest way, 1 to 16, with lossguide up to 64; default 6
	MaxLeaves           int            `json:"max_leaves"`            // most leaves of a tree, 2 to 65536; 0 = no limit but that of the depth; default 0
	MinChildWeight      float64        `json:"min_child_weight"`      // least hessian of a child: rows, where the hessian of a row is 1 (all but logistic and softmax); default 20
	Lambda              float64        `json:"lambda"`                // L2 penalty on leaf values; default 1
	Alpha               float64        `json:"alpha"`                 // L1 penalty on leaf values; default 0
	Gamma               float64        `json:"gamma"`                 // least gain of a split; default 0
	Subsample           float64        `json:"subsample"`             // share of the rows drawn for each round, in (0,1]; default 0.8
	ColsampleByTree     float64        `json:"colsample_bytree"`      // share of the columns drawn for each tree, in (0,1]; default 0.8
	ColsampleByLevel    float64        `json:"colsample_bylevel"`     // share of those drawn for each level; default 1
	ColsampleByNode     float64        `json:"colsample_bynode"`      // share of those drawn for each node; default 1
	TopRate             float64        `json:"top_rate"`              // GOSS: share of the rows kept for their large gradients, in (0,1); 0 = no GOSS; default 0
	OtherRate           float64        `json:"other_rate"`            // GOSS: share of the rows drawn from the rest; default 0
	Bins                int            `json:"bins"`                  // bins per column, 2 to 255; default 128
	EarlyStoppingRounds int            `json:"early_stopping_rounds"` // stop after that many rounds without gain on held-out rows, then fit again on all rows with the best count; 0 = never; default 20
	Objective           string         `json:"objective"`             // "squared_log_error", "squared_error", "absolute_error", "huber", "quantile" or "logistic"; default "squared_log_error". Of a classifier "logistic" or "softmax"; default "", which takes logistic for two classes
	HuberDelta          float64        `json:"huber_delta"`           // where Huber's loss turns linear, in the target's unit; default 1
	Quantiles           []float64      `json:"quantiles"`             // levels in (0,1), ascending, each an ensemble of its own; null = none; default 0.5, 0.95, 0.99
	Calibrate           bool           `json:"calibrate"`             // shift each quantile so that on the held-out rows its level holds; default true
	Monotone            map[string]int `json:"monotone_constraints"`  // columns in which the prediction must not fall (1) or rise (-1); default none
	Categorical         []string       `json:"categorical"`           // columns whose values are codes without an order; default none
	MaxCatToOnehot      int            `json:"max_cat_to_onehot"`     // up to that many categories in a node one is split from the others, else sets are; default 4
	MaxCatThreshold     int            `json:"max_cat_threshold"`     // most categories in the smaller set of a split; default 64
	CatSmooth           float64        `json:"cat_smooth"`            // added to the hessian of a category when categories are put in order; default 10
	CatL2               float64        `json:"cat_l2"`                // added to lambda in the gain of a split into sets; default 10
}

// Default is the default configuration of a regressor.
func Default() Config {
	return Config{
		Rounds: 300, LearningRate: 0.1, GrowPolicy: DepthWise, MaxDepth: 6, MinChildWeight: 20, Lambda: 1,
		Subsample: 0.8, ColsampleByTree: 0.8, ColsampleByLevel: 1, ColsampleByNode: 1,
		Bins: 128, EarlyStoppingRounds: 20, Objective: SquaredLogError, HuberDelta: 1, Quantiles: []float64{0.5, 0.95, 0.99}, Calibrate: true,
		MaxCatToOnehot: 4, MaxCatThreshold: 64, CatSmooth: 10, CatL2: 10,
	}
}

// DefaultClassifier is the default configuration of a classifier.
func DefaultClassifier() Config {
	c := Default()
	c.Objective, c.Quantiles, c.MinChildWeight = "", nil, 1
	return c
}

const (
	maxRounds    = 10_000
	maxDepth     = 16
	maxLeafDepth = 64 // leaf-wise
	maxLeaves    = 1 << 16
	maxQuantiles = 16
)

func (c *Config) check() error {
	share := func(v float64) bool { return v > 0 && v <= 1 }
	finite := func(v float64) bool { return v >= 0 && v <= math.MaxFloat32 }
	for _, s := range []struct {
		name string
		v    float64
	}{{"learning_rate", c.LearningRate}, {"subsample", c.Subsample}, {"colsample_bytree", c.ColsampleByTree},
		{"colsample_bylevel", c.ColsampleByLevel}, {"colsample_bynode", c.ColsampleByNode}} {
		if !share(s.v) {
			return fmt.Errorf("boost: %s must be above 0 and at most 1, not %v", s.name, s.v)
		}
	}
	for _, s := range []struct {
		name string
		v    float64
	}{{"min_child_weight", c.MinChildWeight}, {"lambda", c.Lambda}, {"alpha", c.Alpha}, {"gamma", c.Gamma}, {"cat_smooth", c.CatSmooth}, {"cat_l2", c.CatL2}} {
		if !finite(s.v) {
			return fmt.Errorf("boost: %s must be 0 or more, not %v", s.name, s.v)
		}
	}
	depth := maxDepth
	if c.GrowPolicy == LeafWise {
		depth = maxLeafDepth
	}
	switch {
	case c.Rounds < 1 || c.Rounds > maxRounds:
		return fmt.Errorf("boost: rounds must be 1 to %d, not %d", maxRounds, c.Rounds)
	case c.GrowPolicy != DepthWise && c.GrowPolicy != LeafWise:
		return fmt.Errorf("boost: grow_policy must be %q or %q, not %q", DepthWise, LeafWise, c.GrowPolicy)
	case c.MaxDepth < 1 || c.MaxDepth > depth:
		return fmt.Errorf("boost: max_depth must be 1 to %d, not %d", depth, c.MaxDepth)
	case c.MaxLeaves != 0 && (c.MaxLeaves < 2 || c.MaxLeaves > maxLeaves):
		return fmt.Errorf("boost: max_leaves must be 0 (no limit) or 2 to %d, not %d", maxLeaves, c.MaxLeaves)
	case c.MaxLeaves == 0 && c.MaxDepth > maxDepth:
		return fmt.Errorf("boost: max_depth %d needs max_leaves", c.MaxDepth)
	case !(c.TopRate >= 0 && c.TopRate < 1):
		return fmt.Errorf("boost: top_rate must be 0 (no GOSS) or below 1, not %v", c.TopRate)
	case !(c.OtherRate >= 0 && c.OtherRate < 1) || (c.TopRate == 0) != (c.OtherRate == 0) || c.TopRate+c.OtherRate > 1:
		return fmt.Errorf("boost: other_rate must be above 0 with top_rate and 0 without, and at most 1 with it, not %v", c.OtherRate)
	case c.TopRate > 0 && c.Subsample < 1:
		return fmt.Errorf("boost: top_rate draws the rows, so subsample must be 1, not %v", c.Subsample)
	case c.Bins < 2 || c.Bins > tree.MaxBins:
		return fmt.Errorf("boost: bins must be 2 to %d, not %d", tree.MaxBins, c.Bins)
	case c.EarlyStoppingRounds < 0:
		return fmt.Errorf("boost: early_stopping_rounds must be 0 (never) or more, not %d", c.EarlyStoppingRounds)
	case !(c.HuberDelta > 0 && c.HuberDelta <= math.MaxFloat32):
		return fmt.Errorf("boost: huber_delta must be above 0, not %v", c.HuberDelta)
	case c.MaxCatToOnehot < 0 || c.MaxCatToOnehot > maxCategories:
		return fmt.Errorf("boost: max_cat_to_onehot must be 0 to %d, not %d", maxCategories, c.MaxCatToOnehot)
	case c.MaxCatThreshold < 1 || c.MaxCatThreshold > maxCategories:
		return fmt.Errorf("boost: max_cat_threshold must be 1 to %d, not %d", maxCategories, c.MaxCatThreshold)
	case len(c.Quantiles) > maxQuantiles || c.Quantiles != nil && len(c.Quantiles) == 0:
		return fmt.Errorf("boost: quantiles must be null (none) or 1 to %d levels, not %d", maxQuantiles, len(c.Quantiles))
	}
	for i, q := range c.Quantiles {
		if !(q > 0 && q < 1) || i > 0 && q <= c.Quantiles[i-1] {
			return fmt.Errorf("boost: quantiles must lie between 0 and 1 and ascend, not %v", c.Quantiles)
		}
	}
	for name, v := range c.Monotone {
		if v < -1 || v > 1 {
			return fmt.Errorf("boost: monotone_constraints of column %q must be -1, 0 or 1, not %d", name, v)
		}
		if v != 0 && slices.Contains(c.Categorical, name) {
			return fmt.Errorf("boost: monotone_constraints: column %q is categorical", name)
		}
	}
	return nil
}

// checkRegressor checks what concerns regressors alone.
func (c *Config) checkRegressor() error {
	if err := c.check(); err != nil {
		return err
	}
	switch c.Objective {
	case SquaredLogError, SquaredError, AbsoluteError, Huber:
	case Logistic:
		if c.Quantiles != nil {
			return fmt.Errorf("boost: objective \"logistic\" has no quantiles: set quantiles to null")
		}
	case Quantile:
		if c.median() < 0 {
			return fmt.Errorf("boost: objective \"quantile\" needs the level 0.5 among quantiles: it is the prediction")
		}
	default:
		return fmt.Errorf("boost: objective of a regressor must be %q, %q, %q, %q, %q or %q, not %q",
			SquaredLogError, SquaredError, AbsoluteError, Huber, Quantile, Logistic, c.Objective)
	}
	return nil
}

// checkClassifier checks what concerns classifiers alone.
func (c *Config) checkClassifier(classes int) error {
	if err := c.check(); err != nil {
		return err
	}
	switch {
	case classes < 2 || classes > tree.MaxClasses:
		return fmt.Errorf("boost: %d classes, possible are 2 to %d", classes, tree.MaxClasses)
	case c.Quantiles != nil:
		return fmt.Errorf("boost: a classifier has no quantiles: set quantiles to null")
	case c.Objective != "" && c.Objective != Logistic && c.Objective != Softmax:
		return fmt.Errorf("boost: objective of a classifier must be %q or %q, not %q", Logistic, Softmax, c.Objective)
	case c.Objective == Logistic && classes != 2:
		return fmt.Errorf("boost: objective \"logistic\" is for 2 classes, there are %d", classes)
	}
	return nil
}

// checkColumns checks the columns that c names.
func (c *Config) checkColumns(s *frame.Schema) error {
	for name := range c.Monotone {
		if s.Index(name) < 0 {
			return fmt.Errorf("boost: monotone_constraints: there is no column %q", name)
		}
	}
	for _, name := range c.Categorical {
		if s.Index(name) < 0 {
			return fmt.Errorf("boost: categorical: there is no column %q", name)
		}
	}
	return nil
}

// median is the index of the level 0.5, −1 if there is none.
func (c *Config) median() int { return slices.Index(c.Quantiles, 0.5) }

// losses lists what a regressor fits, one ensemble each; point is the index of
// the one that Predict uses.
func (c *Config) losses() (l []loss, point int) {
	switch c.Objective {
	case Quantile:
		point = c.median()
	case AbsoluteError:
		l = append(l, loss{kind: Quantile, level: .5})
	case SquaredLogError:
		l = append(l, loss{kind: SquaredError})
	default:
		l = append(l, loss{kind: c.Objective, delta: c.HuberDelta})
	}
	for _, q := range c.Quantiles {
		l = append(l, loss{kind: Quantile, level: q, calibrate: c.Calibrate})
	}
	return l, point
}

// clone copies what c points to.
func (c *Config) clone() Config {
	d := *c
	d.Quantiles, d.Categorical, d.Monotone = slices.Clone(c.Quantiles), slices.Clone(c.Categorical), maps.Clone(c.Monotone)
	return d
}
