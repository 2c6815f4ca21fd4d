package forest

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"apiml/model/tree"
)

// Config says how a forest is grown. Take Default (DefaultRegressor) and change
// what you want: the zero value is not valid.
type Config struct {
	Trees               int         `json:"trees"`                 // number of trees, default 100
	Criterion           string      `json:"criterion"`             // what a split improves: "gini" or "entropy"; of a Regressor "squared_error"; default "gini"
	Splitter            string      `json:"splitter"`              // "best", or "random" for one random cut per column (extra-trees); default "best"
	MaxDepth            int         `json:"max_depth"`             // splits on the longest way, 0 = no limit; default 0
	MinSamplesLeaf      int         `json:"min_samples_leaf"`      // least number of different drawn rows in a leaf, default 1
	MinImpurityDecrease float64     `json:"min_impurity_decrease"` // least decrease of impurity by a split, weighted with the node's share of the rows; default 0
	MaxLeaves           int         `json:"max_leaves"`            // leaves per tree, best splits first; 0 = no limit; default 0
	MaxFeatures         MaxFeatures `json:"max_features"`          // columns tried per node: "sqrt", "log2", "all", a count, or a share below 1; default "sqrt", of a Regressor "all"
	ClassWeight         string      `json:"class_weight"`          // "balanced_subsample" (per tree), "balanced" or "none"; default "balanced_subsample", of a Regressor "none"
	Bootstrap           bool        `json:"bootstrap"`             // draw each tree's rows with replacement; default true
	MaxSamples          float64     `json:"max_samples"`           // rows drawn per tree: a share up to 1, or a count; default 1 = as many as there are
	MajorityShare       float64     `json:"majority_share"`        // share of its drawn rows of the most frequent class that a tree sees, in (0,1]; they stand for the others by weight (Chen, Liaw & Breiman 2004, with weights); default 1, of a Regressor always 1
	Bins                int         `json:"bins"`                  // bins per column, 2 to 255; default 255
	Categorical         []string    `json:"categorical"`           // names of columns whose values are codes of categories, in no order; default none
	OOB                 bool        `json:"oob"`                   // predict the rows from the trees that did not see them; default false
	Calibration         string      `json:"calibration"`           // of the probabilities, on rows out of the bag: "none", "isotonic" or "platt"; default "none"
}

// Default is the default configuration: Breiman's, as in scikit-learn, but with
// weighted classes, because attacks are rare.
func Default() Config {
	return Config{Trees: 100, Criterion: "gini", Splitter: "best", MinSamplesLeaf: 1, MaxFeatures: "sqrt", ClassWeight: "balanced_subsample",
		Bootstrap: true, MaxSamples: 1, MajorityShare: 1, Bins: tree.MaxBins, Calibration: "none"}
}

// DefaultRegressor is the default configuration of a Regressor, as in
// scikit-learn: all columns are tried at each node.
func DefaultRegressor() Config {
	c := Default()
	c.Criterion, c.MaxFeatures, c.ClassWeight = "squared_error", "all", "none"
	return c
}

// MaxFeatures is "sqrt", "log2", "all", or a number as text. In JSON it may
// also be a number.
type MaxFeatures string

// UnmarshalJSON takes a string or a number.
func (m *MaxFeatures) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		var n json.Number
		if err := json.Unmarshal(b, &n); err != nil {
			return fmt.Errorf("max_features must be \"sqrt\", \"log2\", \"all\" or a number, not %s", b)
		}
		s = n.String()
	}
	*m = MaxFeatures(s)
	return nil
}

// count is the number of columns tried per node, of those there are.
func (m MaxFeatures) count(columns int) (int, error) {
	switch m {
	case "sqrt":
		return max(1, int(math.Sqrt(float64(columns)))), nil
	case "log2":
		return max(1, int(math.Log2(float64(columns)))), nil
	case "all":
		return columns, nil
	}
	v, err := strconv.ParseFloat(string(m), 64)
	if err != nil || !(v > 0) || v >= 1 && v != math.Trunc(v) {
		return 0, fmt.Errorf("forest: max_features %q is not \"sqrt\", \"log2\", \"all\", a count, or a share below 1", string(m))
	}
	if v < 1 {
		v = math.Max(1, math.Floor(v*float64(columns)))
	}
	return int(math.Min(v, float64(columns))), nil
}

// samples is the number of rows drawn per tree, of those there are.
func (c *Config) samples(rows int) int {
	n := float64(rows)
	if c.MaxSamples <= 1 {
		n = math.Max(1, math.Round(c.MaxSamples*n))
	} else {
		n = math.Min(math.Round(c.MaxSamples), n)
	}
	return int(n)
}

func (c *Config) check(regression bool) error {
	switch {
	case c.Trees < 1 || c.Trees > maxTrees:
		return fmt.Errorf("forest: trees must be 1 to %d, not %d", maxTrees, c.Trees)
	case c.MaxDepth < 0:
		return fmt.Errorf("forest: max_depth must be 0 (no limit) or more, not %d", c.MaxDepth)
	case c.MinSamplesLeaf < 1:
		return fmt.Errorf("forest: min_samples_leaf must be 1 or more, not %d", c.MinSamplesLeaf)
	case c.MaxLeaves < 0 || c.MaxLeaves == 1:
		return fmt.Errorf("forest: max_leaves must be 0 (no limit) or 2 and more, not %d", c.MaxLeaves)
	case !(c.MaxSamples > 0) || math.IsInf(c.MaxSamples, 0):
		return fmt.Errorf("forest: max_samples must be a share up to 1 or a count, not %v", c.MaxSamples)
	case !(c.MajorityShare > 0 && c.MajorityShare <= 1) || regression && c.MajorityShare != 1:
		return fmt.Errorf("forest: majority_share must be above 0 and at most 1, of a regressor 1, not %v", c.MajorityShare)
	case c.Bins < 2 || c.Bins > tree.MaxBins:
		return fmt.Errorf("forest: bins must be 2 to %d, not %d", tree.MaxBins, c.Bins)
	case (c.OOB || c.calibrated()) && !c.Bootstrap && c.MaxSamples >= 1:
		return fmt.Errorf("forest: oob needs rows that a tree does not see, and so does calibration: bootstrap or max_samples below 1")
	case !(c.MinImpurityDecrease >= 0) || math.IsInf(c.MinImpurityDecrease, 0):
		return fmt.Errorf("forest: min_impurity_decrease must be 0 or more, not %v", c.MinImpurityDecrease)
	}
	if err := oneOf("splitter", c.Splitter, "best", "random"); err != nil {
		return err
	}
	if regression {
		if err := oneOf("criterion of a regressor", c.Criterion, "squared_error"); err != nil {
			return err
		}
		if c.ClassWeight != "none" || c.calibrated() {
			return fmt.Errorf("forest: a regressor has neither class_weight nor calibration")
		}
	} else {
		if err := oneOf("criterion", c.Criterion, "gini", "entropy"); err != nil {
			return err
		}
		if err := oneOf("class_weight", c.ClassWeight, "balanced_subsample", "balanced", "none"); err != nil {
			return err
		}
		if err := oneOf("calibration", c.Calibration, "none", "isotonic", "platt"); err != nil {
			return err
		}
	}
	_, err := c.MaxFeatures.count(1)
	return err
}

func (c *Config) calibrated() bool { return c.Calibration == "isotonic" || c.Calibration == "platt" }

// oneOf is an error if value is none of the names.
func oneOf(what, value string, names ...string) error {
	if slices.Contains(names, value) {
		return nil
	}
	return fmt.Errorf("forest: %s must be \"%s\", not %q", what, strings.Join(names, "\" or \""), value)
}

func (c *Config) limits(columns int) (tree.Limits, error) {
	mtry, err := c.MaxFeatures.count(columns)
	l := tree.Limits{MaxDepth: c.MaxDepth, MinSamplesLeaf: c.MinSamplesLeaf, MaxLeaves: c.MaxLeaves, MaxFeatures: mtry, MinGain: c.MinImpurityDecrease, RandomCuts: c.Splitter == "random"}
	if c.Criterion == "entropy" {
		l.Criterion = tree.Entropy
	}
	return l, err
}
