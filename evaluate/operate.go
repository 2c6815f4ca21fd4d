package evaluate

import (
	"math"
	"slices"
)

// AtBaseRate is the precision that a rule with these rates of true and false
// positives has where a share base of all rows is positive (Bayes): TPR·base /
// (TPR·base + FPR·(1−base)). Data sets hold far more attacks than traffic does;
// this is what is left of a precision there. 0 if nothing is flagged.
func AtBaseRate(tpr, fpr, base float64) float64 {
	hit := float64(tpr * base)
	return ratio(hit, hit+float64(fpr*(1-base)))
}

// LiftPoint is what the highest-scored share of the rows holds.
type LiftPoint struct {
	Share     float64 `json:"share"`     // of the rows, asked for
	Rows      int64   `json:"rows"`      // looked at
	Positives int64   `json:"positives"` // found among them
	Captured  float64 `json:"captured"`  // share of all positives found
	Lift      float64 `json:"lift"`      // precision among them / share of positives in all rows
}

// Lift looks at the rows with the highest scores, of each share the first
// ⌈share·n⌉ (Piatetsky-Shapiro & Masand 1999). Rows of equal score count in
// proportion: of a run of ties that is cut, the expected positives, rounded. nil
// without positives.
func Lift(scores []float64, positive []bool, shares []float64) []LiftPoint {
	pos, neg := count(positive)
	if pos == 0 {
		return nil
	}
	type step struct{ tp, fp int64 }
	var steps []step
	sweep(scores, positive, func(_ float64, tp, fp int64) { steps = append(steps, step{tp, fp}) })
	n := pos + neg
	var out []LiftPoint
	for _, share := range shares {
		k := min(max(int64(math.Ceil(share*float64(n))), 1), n)
		i, _ := slices.BinarySearchFunc(steps, k, func(s step, k int64) int { return int(s.tp + s.fp - k) })
		var before step
		if i > 0 {
			before = steps[i-1]
		}
		at := steps[i]
		part := float64(k-before.tp-before.fp) / float64(at.tp+at.fp-before.tp-before.fp)
		found := before.tp + int64(math.Round(part*float64(at.tp-before.tp)))
		out = append(out, LiftPoint{share, k, found, float64(found) / float64(pos), float64(found) / float64(k) / (float64(pos) / float64(n))})
	}
	return out
}

// Flatten lays all one-against-rest decisions side by side: score P(class | row)
// and whether the row is of that class, rows of unknown class left out. Curves
// and areas of it are the micro averages (scikit-learn's average="micro").
func Flatten(proba []float32, truth []int32, classes int) (scores []float64, positive []bool) {
	mustMatch(len(proba) == len(truth)*classes)
	for i, t := range truth {
		if t < 0 {
			continue
		}
		for c, p := range proba[i*classes : (i+1)*classes] {
			scores = append(scores, float64(p))
			positive = append(positive, c == int(t))
		}
	}
	return scores, positive
}

// MacroROC is the mean of ROC curves: at each false-positive rate that occurs in
// one of them, at most n evenly spread, the mean of their true-positive rates,
// linearly interpolated. It has no thresholds.
func MacroROC(curves []Curve, n int) Curve {
	var xs []float64
	k := 0
	for _, c := range curves {
		if c.Len() > 0 {
			xs = append(xs, c.X...)
			k++
		}
	}
	if k == 0 {
		return Curve{}
	}
	slices.Sort(xs)
	xs = slices.Compact(xs)
	if len(xs) > n {
		step := float64(len(xs)-1) / float64(n-1)
		thin := make([]float64, n)
		for i := range thin {
			thin[i] = xs[int(math.Round(step*float64(i)))]
		}
		xs = slices.Compact(thin)
	}
	out := Curve{X: xs, Y: make([]float64, len(xs)), Threshold: make([]float64, len(xs))}
	for _, c := range curves {
		if c.Len() == 0 {
			continue
		}
		j := 0
		for i, x := range xs {
			for j+1 < c.Len() && c.X[j+1] <= x {
				j++
			}
			y := c.Y[j]
			if j+1 < c.Len() && c.X[j+1] > c.X[j] {
				y += float64((c.Y[j+1] - c.Y[j]) * ((x - c.X[j]) / (c.X[j+1] - c.X[j])))
			}
			out.Y[i] += y / float64(k)
		}
	}
	return out
}

// MacroPrecision and MacroRecall are unweighted means over the classes that occur
// in truth or predictions (scikit-learn's average="macro", zero_division=0).
func (c *Confusion) MacroPrecision() float64 {
	return c.macro(func(m ClassMetrics) float64 { return m.Precision })
}

// MacroRecall is described at MacroPrecision. Unlike BalancedAccuracy it counts
// classes that were only predicted.
func (c *Confusion) MacroRecall() float64 {
	return c.macro(func(m ClassMetrics) float64 { return m.Recall })
}

func (c *Confusion) macro(of func(ClassMetrics) float64) float64 {
	var sum float64
	n := 0
	for _, m := range c.PerClass() {
		if m.Support+m.Predicted > 0 {
			sum += of(m)
			n++
		}
	}
	return sum / float64(n)
}

// McNemar is the exact two-sided p-value that two classifiers err equally often
// (McNemar 1947; exact binomial as in Edwards 1948's cases of few rows), given the
// rows that only the one and only the other has right. 1 if they never differ.
func McNemar(onlyA, onlyB int64) float64 {
	n := onlyA + onlyB
	if n == 0 {
		return 1
	}
	k := min(onlyA, onlyB)
	// P(X ≤ k), X ~ Binomial(n, ½), by the logarithm of the terms.
	lg := func(x int64) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	var sum float64
	for i := int64(0); i <= k; i++ {
		sum += math.Exp(lg(n) - lg(i) - lg(n-i) - float64(n)*math.Ln2)
	}
	return math.Min(1, 2*sum)
}

// Paired is the difference of two means over the same folds.
type Paired struct {
	Mean float64  `json:"mean"` // of b − a
	CI   Interval `json:"ci"`   // 95 %
	T    float64  `json:"t"`
	N    int      `json:"n"`
}

// PairedFolds compares two models by a metric of the same folds of a repeated
// cross-validation, with the variance corrected for the overlap of the training
// parts (Nadeau & Bengio 2003; Bouckaert & Frank 2004): σ²·(1/n + test/train),
// where test/train is the ratio of the rows of a fold's two parts. The plain
// paired t-test takes the folds for independent and finds too much.
func PairedFolds(a, b []float64, testToTrain float64) Paired {
	mustMatch(len(a) == len(b))
	d := make([]float64, len(a))
	for i := range d {
		d[i] = b[i] - a[i]
	}
	mean, sd, n := MeanSD(d)
	se := sd * math.Sqrt(1/float64(n)+testToTrain)
	q := studentQuantile(0.975, n-1)
	return Paired{Mean: mean, CI: Interval{mean - q*se, mean + q*se}, T: mean / se, N: n}
}

// studentQuantile is the quantile of Student's t with df degrees of freedom, by
// bisection of its distribution function (the incomplete beta function by its
// continued fraction, Press et al., Numerical Recipes §6.4).
func studentQuantile(p float64, df int) float64 {
	if df < 1 {
		return math.NaN()
	}
	v := float64(df)
	cdf := func(t float64) float64 {
		x := v / (v + t*t)
		tail := incompleteBeta(v/2, 0.5, x) / 2
		if t > 0 {
			return 1 - tail
		}
		return tail
	}
	lo, hi := -1e3, 1e3
	for range 200 {
		mid := (lo + hi) / 2
		if cdf(mid) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

func incompleteBeta(a, b, x float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	la, _ := math.Lgamma(a + b)
	lb, _ := math.Lgamma(a)
	lc, _ := math.Lgamma(b)
	front := math.Exp(la - lb - lc + a*math.Log(x) + b*math.Log1p(-x))
	if x > (a+1)/(a+b+2) {
		return 1 - front*betaFraction(b, a, 1-x)/b
	}
	return front * betaFraction(a, b, x) / a
}

func betaFraction(a, b, x float64) float64 {
	const tiny = 1e-300
	c, d := 1.0, 1-(a+b)*x/(a+1)
	if math.Abs(d) < tiny {
		d = tiny
	}
	d = 1 / d
	h := d
	for m := 1.0; m < 500; m++ {
		for _, num := range []float64{m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)), -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))} {
			if d = 1 + num*d; math.Abs(d) < tiny {
				d = tiny
			}
			if c = 1 + num/c; math.Abs(c) < tiny {
				c = tiny
			}
			d = 1 / d
			h *= d * c
		}
		if math.Abs(d*c-1) < 1e-15 {
			break
		}
	}
	return h
}
