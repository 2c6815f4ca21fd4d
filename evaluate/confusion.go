package evaluate

import "math"

// Confusion counts rows by true and predicted class.
type Confusion struct {
	Labels []string  `json:"labels"`
	Counts [][]int64 `json:"counts"` // Counts[true][predicted]
}

// ClassMetrics are the figures of one class against all others. A share whose
// denominator is 0 is 0 (scikit-learn's zero_division=0) and its interval [0,1].
type ClassMetrics struct {
	Precision   float64  `json:"precision"` // TP / predicted
	Recall      float64  `json:"recall"`    // TP / support
	F1          float64  `json:"f1"`        // 2TP / (2TP + FP + FN)
	Support     int64    `json:"support"`   // rows of this class
	Predicted   int64    `json:"predicted"` // rows predicted to be of this class
	PrecisionCI Interval `json:"precision_ci"`
	RecallCI    Interval `json:"recall_ci"`
	// F1CI is the Wilson interval of TP/(TP+FP+FN) carried over to F1 by
	// F1 = 2J/(1+J) ("Wilson indirect", Lam 2023, arXiv 2309.14621).
	F1CI Interval `json:"f1_ci"`
}

// NewConfusion makes an empty matrix over the labels, which it keeps.
func NewConfusion(labels []string) *Confusion {
	c := &Confusion{Labels: labels, Counts: make([][]int64, len(labels))}
	for i := range c.Counts {
		c.Counts[i] = make([]int64, len(labels))
	}
	return c
}

// Confuse counts truth against pred, both class indices into labels. A row whose
// true class is unknown (−1) is left out.
func Confuse(labels []string, truth, pred []int32) *Confusion {
	c := NewConfusion(labels)
	c.Add(truth, pred)
	return c
}

// Add counts further rows, as Confuse does.
func (c *Confusion) Add(truth, pred []int32) {
	mustMatch(len(truth) == len(pred))
	for i, t := range truth {
		if t >= 0 {
			c.Counts[t][pred[i]]++
		}
	}
}

// AddWeighted counts row i weight[i] times.
func (c *Confusion) AddWeighted(truth, pred, weight []int32) {
	mustMatch(len(truth) == len(pred) && len(truth) == len(weight))
	for i, t := range truth {
		if t >= 0 {
			c.Counts[t][pred[i]] += int64(weight[i])
		}
	}
}

// Total is the number of rows counted.
func (c *Confusion) Total() int64 {
	var n int64
	for _, row := range c.Counts {
		for _, v := range row {
			n += v
		}
	}
	return n
}

// class returns true positives, support and predicted rows of class k.
func (c *Confusion) class(k int) (tp, support, predicted int64) {
	for j := range c.Labels {
		support += c.Counts[k][j]
		predicted += c.Counts[j][k]
	}
	return c.Counts[k][k], support, predicted
}

// Accuracy is the share of rows on the diagonal, NaN without rows.
func (c *Confusion) Accuracy() float64 {
	var hit int64
	for k := range c.Labels {
		hit += c.Counts[k][k]
	}
	return float64(hit) / float64(c.Total())
}

// PerClass returns the figures of each label, in the order of Labels.
func (c *Confusion) PerClass() []ClassMetrics {
	out := make([]ClassMetrics, len(c.Labels))
	for k := range out {
		tp, support, predicted := c.class(k)
		union := support + predicted - tp // TP + FP + FN
		j := Wilson(tp, union)
		out[k] = ClassMetrics{
			Precision: ratio(float64(tp), float64(predicted)),
			Recall:    ratio(float64(tp), float64(support)),
			F1:        ratio(float64(2*tp), float64(support+predicted)),
			Support:   support, Predicted: predicted,
			PrecisionCI: Wilson(tp, predicted),
			RecallCI:    Wilson(tp, support),
			F1CI:        Interval{2 * j.Lo / (1 + j.Lo), 2 * j.Hi / (1 + j.Hi)},
		}
	}
	return out
}

// MacroF1 is the unweighted mean of F1 over the classes that occur in the truth
// or in the predictions (scikit-learn's f1_score(average="macro") with its
// default labels): a class that was never predicted counts 0, a class that
// occurs on neither side is left out. NaN without rows.
func (c *Confusion) MacroF1() float64 { f1, _ := c.f1(); return f1 }

// WeightedF1 is the mean of F1 weighted by the rows of each class.
func (c *Confusion) WeightedF1() float64 { _, f1 := c.f1(); return f1 }

func (c *Confusion) f1() (macro, weighted float64) {
	var sum, wsum float64
	var classes int
	var rows int64
	for k := range c.Labels {
		tp, support, predicted := c.class(k)
		if support+predicted == 0 {
			continue
		}
		f := float64(2*tp) / float64(support+predicted)
		sum += f
		wsum += float64(f * float64(support))
		classes++
		rows += support
	}
	return sum / float64(classes), wsum / float64(rows)
}

// BalancedAccuracy is the mean recall over the classes that occur in the truth
// (scikit-learn's balanced_accuracy_score); NaN without rows.
func (c *Confusion) BalancedAccuracy() float64 {
	var sum float64
	var n int
	for k := range c.Labels {
		if tp, support, _ := c.class(k); support > 0 {
			sum += float64(tp) / float64(support)
			n++
		}
	}
	return sum / float64(n)
}

// MCC is Matthews' correlation coefficient for any number of classes (Gorodkin
// 2004, "Comparing two K-category assignments by a K-category correlation
// coefficient"): 1 = perfect, 0 = no better than chance, and 0 where all rows
// are of one class or all predictions are, as scikit-learn has it.
func (c *Confusion) MCC() float64 {
	n := float64(c.Total())
	var hit, cross, p2, t2 float64
	for k := range c.Labels {
		tp, support, predicted := c.class(k)
		hit += float64(tp)
		cross += float64(float64(support) * float64(predicted))
		p2 += float64(float64(predicted) * float64(predicted))
		t2 += float64(float64(support) * float64(support))
	}
	den := math.Sqrt((float64(n*n) - p2) * (float64(n*n) - t2))
	return ratio(float64(hit*n)-cross, den)
}
