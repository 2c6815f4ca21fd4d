package evaluate

import (
	"math"
	"slices"
)

// Curve is a ROC or precision-recall curve: point i is reached by flagging the
// rows whose score is at least Threshold[i]. The thresholds fall strictly; all
// rows of one score move together, so that ties are exact. The first point
// flags nothing: its threshold lies just above the highest score.
type Curve struct {
	X         []float64 `json:"x"` // ROC: false-positive rate; PR: recall
	Y         []float64 `json:"y"` // ROC: true-positive rate; PR: precision
	Threshold []float64 `json:"threshold"`
}

// Len is the number of points.
func (c Curve) Len() int { return len(c.X) }

func (c *Curve) add(x, y, threshold float64) {
	c.X = append(c.X, x)
	c.Y = append(c.Y, y)
	c.Threshold = append(c.Threshold, threshold)
}

// sweep lowers the threshold from the highest score to the lowest and calls
// visit once per distinct score with the rows flagged by then. Positives and
// negatives are sorted apart and merged: O(n log n), no permutation needed.
func sweep(scores []float64, positive []bool, visit func(threshold float64, tp, fp int64)) (pos, neg int64) {
	mustMatch(len(scores) == len(positive))
	n := 0
	for _, p := range positive {
		if p {
			n++
		}
	}
	buf := make([]float64, len(scores))
	p, q := buf[:0:n], buf[n:n]
	for i, s := range scores {
		if math.IsNaN(s) {
			s = -math.MaxFloat64
		}
		if positive[i] {
			p = append(p, s)
		} else {
			q = append(q, s)
		}
	}
	slices.Sort(p)
	slices.Sort(q)
	pos, neg = int64(len(p)), int64(len(q))
	if visit == nil {
		return pos, neg
	}
	i, j := len(p)-1, len(q)-1
	for i >= 0 || j >= 0 {
		var s float64
		if j < 0 || i >= 0 && p[i] >= q[j] {
			s = p[i]
		} else {
			s = q[j]
		}
		for i >= 0 && p[i] == s {
			i--
		}
		for j >= 0 && q[j] == s {
			j--
		}
		visit(s, pos-int64(i+1), neg-int64(j+1))
	}
	return pos, neg
}

// above is the least float32 that is greater than s: a threshold that s does
// not reach, whether it is compared in float32 or in float64. Past the range of
// float32 it is the next float64.
func above(s float64) float64 {
	f := float32(s)
	if math.IsInf(float64(f), 0) {
		return math.Nextafter(s, math.Inf(1))
	}
	if float64(f) <= s {
		f = math.Nextafter32(f, float32(math.Inf(1)))
	}
	return float64(f)
}

// AUC is the area under the ROC curve: the probability that a positive row
// scores higher than a negative one, ties counted one half (Mann & Whitney
// 1947; Hanley & McNeil 1982). It is exact, being summed in integers. NaN if a
// side has no rows.
func AUC(scores []float64, positive []bool) float64 {
	var area2, tp0, fp0 int64
	pos, neg := sweep(scores, positive, func(_ float64, tp, fp int64) {
		area2 += (fp - fp0) * (tp + tp0)
		tp0, fp0 = tp, fp
	})
	return float64(area2) / (2 * float64(pos) * float64(neg))
}

// ROC returns the points (false-positive rate, true-positive rate) at every
// distinct score, beginning at (0,0) and ending at (1,1). Nil slices if a side
// has no rows: the curve is then not defined.
func ROC(scores []float64, positive []bool) Curve {
	pos, neg := count(positive)
	if pos == 0 || neg == 0 {
		return Curve{}
	}
	var c Curve
	sweep(scores, positive, func(s float64, tp, fp int64) {
		if c.Len() == 0 {
			c.add(0, 0, above(s))
		}
		c.add(float64(fp)/float64(neg), float64(tp)/float64(pos), s)
	})
	return c
}

// PR returns the points (recall, precision) at every distinct score, beginning
// at recall 0 with precision 1, as scikit-learn's precision_recall_curve does
// (there in reverse order). Nil slices without positives.
func PR(scores []float64, positive []bool) Curve {
	pos, _ := count(positive)
	if pos == 0 {
		return Curve{}
	}
	var c Curve
	sweep(scores, positive, func(s float64, tp, fp int64) {
		if c.Len() == 0 {
			c.add(0, 1, above(s))
		}
		c.add(float64(tp)/float64(pos), float64(tp)/float64(tp+fp), s)
	})
	return c
}

func count(positive []bool) (pos, neg int64) {
	for _, p := range positive {
		if p {
			pos++
		} else {
			neg++
		}
	}
	return pos, neg
}

// AveragePrecision is Σ (Rₙ − Rₙ₋₁)·Pₙ over the precision-recall curve, without
// interpolation (scikit-learn's average_precision_score). Its baseline is the
// share of positives. NaN without positives.
func AveragePrecision(scores []float64, positive []bool) float64 {
	var sum float64
	var tp0 int64
	pos, _ := sweep(scores, positive, func(_ float64, tp, fp int64) {
		sum += float64(float64(tp-tp0) * (float64(tp) / float64(tp+fp)))
		tp0 = tp
	})
	return sum / float64(pos)
}

// MacroAUC is the mean over classes of the AUC of P(class) against all other
// classes (scikit-learn's roc_auc_score(multi_class="ovr", average="macro"),
// which refuses a class without rows; here it is left out). Rows of unknown
// class (−1) are left out. NaN if no class has rows on both sides.
func MacroAUC(proba []float32, truth []int32, classes int) float64 {
	mustMatch(len(proba) == len(truth)*classes)
	scores := make([]float64, 0, len(truth))
	positive := make([]bool, 0, len(truth))
	var sum float64
	var n int
	for c := range classes {
		scores, positive = scores[:0], positive[:0]
		for i, t := range truth {
			if t >= 0 {
				scores = append(scores, float64(proba[i*classes+c]))
				positive = append(positive, int(t) == c)
			}
		}
		if pos, neg := count(positive); pos == 0 || neg == 0 {
			continue
		}
		sum += AUC(scores, positive)
		n++
	}
	return sum / float64(n)
}

// Thin returns at most n ≥ 2 points of c for storage and drawing: the first,
// the last, and the others half equally spaced along the curve, half by the
// logarithm of X, because what matters at an alert budget happens at rates far
// below 1 %. Points are taken from c, never interpolated; metrics are to be
// computed on c before.
func (c Curve) Thin(n int) Curve {
	m := c.Len()
	if m <= n {
		return c
	}
	keep := make([]bool, m)
	keep[0], keep[m-1] = true, true
	// length[i] is the way along the curve in |dx|+|dy|, which needs no root and
	// rises with every point.
	length := make([]float64, m)
	first := 0.0 // smallest X above 0: where the logarithm begins
	for i := 1; i < m; i++ {
		length[i] = length[i-1] + math.Abs(c.X[i]-c.X[i-1]) + math.Abs(c.Y[i]-c.Y[i-1])
		if first == 0 {
			first = c.X[i]
		}
	}
	even := (n - 2) / 2
	for k, i := 1, 0; k <= even; k++ {
		for length[i] < length[m-1]*float64(k)/float64(even+1) {
			i++
		}
		keep[i] = true
	}
	if rest := n - 2 - even; first > 0 {
		for k, i := 0, 0; k < rest; k++ {
			x := first * math.Pow(c.X[m-1]/first, float64(k)/float64(rest))
			for i < m-1 && c.X[i] < x {
				i++
			}
			keep[i] = true
		}
	}
	var out Curve
	for i, k := range keep {
		if k {
			out.add(c.X[i], c.Y[i], c.Threshold[i])
		}
	}
	return out
}

// Area is the area under c by the trapezoidal rule. For a whole ROC curve it is
// the AUC; for a thinned one only near it.
func (c Curve) Area() float64 {
	var sum float64
	for i := 1; i < c.Len(); i++ {
		sum += float64((c.X[i] - c.X[i-1]) * (c.Y[i] + c.Y[i-1]) / 2)
	}
	return sum
}

// OperatingPoint is what a threshold does.
type OperatingPoint struct {
	Threshold float64 `json:"threshold"`
	TP        int64   `json:"tp"`
	FP        int64   `json:"fp"`
	Positives int64   `json:"positives"`
	Negatives int64   `json:"negatives"`
}

// TPR is the share of the positives that is flagged (recall), NaN without any.
func (o OperatingPoint) TPR() float64 { return float64(o.TP) / float64(o.Positives) }

// FPR is the share of the negatives that is flagged, NaN without any.
func (o OperatingPoint) FPR() float64 { return float64(o.FP) / float64(o.Negatives) }

// Precision is the share of the flagged rows that is positive, 0 if none is
// flagged.
func (o OperatingPoint) Precision() float64 { return ratio(float64(o.TP), float64(o.TP+o.FP)) }

// At counts what the threshold flags.
func At(scores []float64, positive []bool, threshold float64) OperatingPoint {
	mustMatch(len(scores) == len(positive))
	o := OperatingPoint{Threshold: threshold}
	for i, s := range scores {
		if positive[i] {
			o.Positives++
		} else {
			o.Negatives++
		}
		if s >= threshold {
			if positive[i] {
				o.TP++
			} else {
				o.FP++
			}
		}
	}
	return o
}

// AtFPR returns the operating point with the most true positives whose
// false-positive rate is at most maxFPR. Of a set that was not used to choose
// the threshold it is the best that any threshold could do: a ceiling, not an
// operating point to promise.
func AtFPR(scores []float64, positive []bool, maxFPR float64) OperatingPoint {
	_, neg := count(positive)
	best := OperatingPoint{Threshold: math.Inf(1)}
	best.Positives, best.Negatives = sweep(scores, positive, func(s float64, tp, fp int64) {
		if math.IsInf(best.Threshold, 1) {
			best.Threshold = above(s)
		}
		if float64(fp) <= maxFPR*float64(neg) && tp > best.TP {
			best.Threshold, best.TP, best.FP = s, tp, fp
		}
	})
	return best
}
