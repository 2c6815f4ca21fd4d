package evaluate

import "math"

// Bin is one bar of a reliability diagram.
type Bin struct {
	Lo        float64 `json:"lo"` // probabilities in [Lo, Hi), the last bin including 1
	Hi        float64 `json:"hi"`
	Count     int64   `json:"count"`
	Predicted float64 `json:"predicted"` // mean probability, 0 if empty
	Observed  float64 `json:"observed"`  // share of positives, 0 if empty
}

// Calibrate cuts [0,1] into n bins of equal width and compares the predicted
// with the observed share of positives in each (DeGroot & Fienberg 1983).
// Probabilities outside [0,1] and NaN fall into the nearest end.
func Calibrate(prob []float64, positive []bool, n int) []Bin {
	mustMatch(len(prob) == len(positive) && n > 0)
	bins := make([]Bin, n)
	for b := range bins {
		bins[b].Lo, bins[b].Hi = float64(b)/float64(n), float64(b+1)/float64(n)
	}
	for i, p := range prob {
		k := 0
		if p > 0 {
			k = min(int(p*float64(n)), n-1)
		}
		// int(p·n) can miss by one where p stands on a bin's edge.
		if k+1 < n && p >= bins[k].Hi {
			k++
		} else if p < bins[k].Lo && k > 0 {
			k--
		}
		bins[k].Count++
		if !math.IsNaN(p) {
			bins[k].Predicted += p
		}
		if positive[i] {
			bins[k].Observed++
		}
	}
	for b := range bins {
		bins[b].Predicted = ratio(bins[b].Predicted, float64(bins[b].Count))
		bins[b].Observed = ratio(bins[b].Observed, float64(bins[b].Count))
	}
	return bins
}

// ECE is the expected calibration error: the mean of |predicted − observed|
// over the bins, weighted by their rows (Naeini, Cooper & Hauskrecht 2015). NaN
// without rows.
func ECE(bins []Bin) float64 {
	var sum float64
	var n int64
	for _, b := range bins {
		sum += float64(float64(b.Count) * math.Abs(b.Predicted-b.Observed))
		n += b.Count
	}
	return sum / float64(n)
}

// Brier is the mean over rows of Σ_c (P(c) − [truth = c])² (Brier 1950): 0 is
// perfect, 2 the worst. For two classes it is twice scikit-learn's
// brier_score_loss of the positive class. Rows of unknown class (−1) are left
// out; NaN without rows.
func Brier(proba []float32, truth []int32, classes int) float64 {
	mustMatch(len(proba) == len(truth)*classes)
	var sum float64
	var n int
	for i, t := range truth {
		if t < 0 {
			continue
		}
		for c, p := range proba[i*classes : (i+1)*classes] {
			d := float64(p)
			if c == int(t) {
				d--
			}
			sum += float64(d * d)
		}
		n++
	}
	return sum / float64(n)
}

// epsilon is where log loss clips a probability: the distance from 1 to the
// next float32, as in scikit-learn for float32 probabilities.
const epsilon = 0x1p-23

// LogLoss is the mean of −log P(truth), each probability clipped to
// [2⁻²³, 1−2⁻²³] (scikit-learn's log_loss on float32). Rows of unknown class
// (−1) are left out; NaN without rows.
func LogLoss(proba []float32, truth []int32, classes int) float64 {
	mustMatch(len(proba) == len(truth)*classes)
	var sum float64
	var n int
	for i, t := range truth {
		if t < 0 {
			continue
		}
		p := float64(proba[i*classes+int(t)])
		sum -= math.Log(math.Min(math.Max(p, epsilon), 1-epsilon))
		n++
	}
	return sum / float64(n)
}
