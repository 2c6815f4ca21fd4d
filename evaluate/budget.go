package evaluate

import (
	"math"
	"slices"
)

// Budget is a threshold chosen from clean scores, with what it claims.
type Budget struct {
	Threshold float64 `json:"threshold"`
	Rate      float64 `json:"rate"`    // asked: share of clean rows that may be flagged
	Rows      int64   `json:"rows"`    // clean rows that it was chosen from
	Flagged   int64   `json:"flagged"` // of these flagged
	FPR       float64 `json:"fpr"`     // flagged / rows
	// Upper bounds the false-positive rate from above (95 %); where it exceeds
	// Rate, there were too few clean rows to promise the budget: 3/Rows must be
	// at most Rate.
	Upper float64 `json:"upper"`
}

// Supported reports whether the clean rows were enough to promise the budget.
func (b Budget) Supported() bool { return float64(b.Rows)*b.Rate >= 3 }

// BudgetThreshold returns the lowest threshold at which at most rate·len(clean)
// of the clean scores are flagged (score ≥ threshold). Ties are never split:
// where the score at the edge occurs often, fewer are flagged than allowed. The
// threshold is a float32 value. Without clean rows it is +Inf: flag nothing.
func BudgetThreshold(clean []float64, rate float64) Budget {
	b := Budget{Threshold: math.Inf(1), Rate: rate, Rows: int64(len(clean)), Upper: UpperBound(0, int64(len(clean)))}
	if len(clean) == 0 {
		return b
	}
	s := slices.Clone(clean)
	slices.Sort(s) // NaN first, that is lowest
	allowed := int(math.Floor(rate * float64(len(s))))
	if allowed >= len(s) {
		allowed = len(s) - 1 // a threshold is to separate something
	}
	b.Threshold = above(s[len(s)-1-max(allowed, 0)])
	for _, v := range s {
		if v >= b.Threshold {
			b.Flagged++
		}
	}
	b.FPR = float64(b.Flagged) / float64(b.Rows)
	b.Upper = UpperBound(b.Flagged, b.Rows)
	return b
}
