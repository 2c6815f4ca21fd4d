package forest

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"apiml/model/tree"
)

// Config says how a forest is grown. Take Default and change what you want:
// the zero value is not valid.
type Config struct {
	Trees          int         `json:"trees"`            // number of trees, default 100
	MaxDepth       int         `json:"max_depth"`        // splits on the longest way, 0 = no limit; default 0
	MinSamplesLeaf int         `json:"min_samples_leaf"` // least number of different drawn rows in a leaf, default 1
	MaxLeaves      int         `json:"max_leaves"`       // leaves per tree, best splits first; 0 = no limit; default 0
	MaxFeatures    MaxFeatures `json:"max_features"`     // columns tried per node: "sqrt", "log2", "all", a count, or a share below 1; default "sqrt"
	ClassWeight    string      `json:"class_weight"`     // "balanced_subsample" (per tree), "balanced" or "none"; default "balanced_subsample"
	Bootstrap      bool        `json:"bootstrap"`        // draw each tree's rows with replacement; default true
	MaxSamples     float64     `json:"max_samples"`      // rows drawn per tree: a share up to 1, or a count; default 1 = as many as there are
	Bins           int         `json:"bins"`             // bins per column, 2 to 255; default 255
	OOB            bool        `json:"oob"`              // estimate the accuracy on the rows that each tree did not see; default false
}

// Default is the default configuration: Breiman's, as in scikit-learn, but with
// weighted classes, because attacks are rare.
func Default() Config {
	return Config{Trees: 100, MinSamplesLeaf: 1, MaxFeatures: "sqrt", ClassWeight: "balanced_subsample", Bootstrap: true, MaxSamples: 1, Bins: tree.MaxBins}
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

func (c *Config) check() error {
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
	case c.Bins < 2 || c.Bins > tree.MaxBins:
		return fmt.Errorf("forest: bins must be 2 to %d, not %d", tree.MaxBins, c.Bins)
	case c.OOB && !c.Bootstrap && c.MaxSamples >= 1:
		return fmt.Errorf("forest: oob needs rows that a tree does not see: bootstrap or max_samples below 1")
	}
	switch c.ClassWeight {
	case "none", "balanced", "balanced_subsample":
	default:
		return fmt.Errorf("forest: class_weight must be \"balanced_subsample\", \"balanced\" or \"none\", not %q", c.ClassWeight)
	}
	_, err := c.MaxFeatures.count(1)
	return err
}
