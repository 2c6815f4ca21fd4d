package evaluate

import (
	"cmp"
	"math"
	"slices"
)

// Histogram keeps how a column was distributed, small enough for a model file:
// what PSI, Jensen-Shannon and the effect size need of the reference.
type Histogram struct {
	Edges  []float64 `json:"edges"`  // inner bin edges: bin b holds Edges[b-1] < v ≤ Edges[b]
	Counts []int64   `json:"counts"` // len(Edges)+1 bins and, last, the missing values
	Mean   float64   `json:"mean"`   // of the values that are not missing
	SD     float64   `json:"sd"`
}

// NewHistogram bins values, of which NaN is missing, into at most bins bins of
// about equal counts; the lowest value is a bin of its own, so that a column that
// never varied shows a change in either direction.
func NewHistogram(values []float32, bins int) Histogram {
	d := PSI(values, nil, bins)
	h := Histogram{Edges: d.Edges, Counts: d.Reference}
	h.Mean, h.SD = moments(values)
	return h
}

func moments(values []float32) (mean, sd float64) {
	var sum, sq float64
	n := 0
	for _, v := range values {
		if v == v {
			sum += float64(v)
			n++
		}
	}
	if n == 0 {
		return 0, 0
	}
	mean = sum / float64(n)
	for _, v := range values {
		if v == v {
			sq += float64((float64(v) - mean) * (float64(v) - mean))
		}
	}
	return mean, math.Sqrt(sq / float64(max(n-1, 1)))
}

// Shift says how far a column has moved from its reference.
type Shift struct {
	PSI      float64 `json:"psi"`      // population stability index
	JS       float64 `json:"js"`       // Jensen-Shannon distance in [0,1], base 2
	Effect   float64 `json:"effect"`   // difference of the means in standard deviations (Cohen's d); 0 if neither varies
	KS       float64 `json:"ks"`       // largest difference of the shares at or below a bin's edge
	Noise    float64 `json:"noise"`    // PSI that is expected without any shift, by the counts alone
	Missing  float64 `json:"missing"`  // difference of the shares of missing values, present − reference
	Present  int64   `json:"present"`  // rows
	Baseline int64   `json:"baseline"` // rows of the reference
}

// LeastShift is the number of rows on either side below which no shift is told.
const LeastShift = 200

// Compare measures values against the reference. The PSI of two samples of one
// distribution is about (bins−1)·(1/n+1/m) (Yurdakul & Naranjo 2020): Noise says
// so. Jensen-Shannon is the square root of the divergence (Lin 1991; Endres &
// Schindelin 2003), Effect is Cohen 1988's d with the pooled deviation.
func (h *Histogram) Compare(values []float32) Shift {
	cur := make([]int64, len(h.Counts))
	for _, v := range values {
		if v != v {
			cur[len(cur)-1]++
			continue
		}
		b, _ := slices.BinarySearch(h.Edges, float64(v))
		cur[b]++
	}
	n, m := total(h.Counts), int64(len(values))
	s := Shift{Baseline: n, Present: m}
	if n == 0 || m == 0 {
		s.PSI, s.JS = math.NaN(), math.NaN()
		return s
	}
	bins := float64(len(h.Counts))
	var js, cumP, cumQ float64
	used := 0.0
	for b, r := range h.Counts {
		p := (float64(r) + 0.5) / (float64(n) + 0.5*bins)
		q := (float64(cur[b]) + 0.5) / (float64(m) + 0.5*bins)
		s.PSI += float64((q - p) * math.Log(q/p))
		p, q = float64(r)/float64(n), float64(cur[b])/float64(m)
		mid := (p + q) / 2
		if p > 0 {
			js += float64(p*math.Log2(p/mid)) / 2
		}
		if q > 0 {
			js += float64(q*math.Log2(q/mid)) / 2
		}
		if p+q > 0 {
			used++
		}
		cumP, cumQ = cumP+p, cumQ+q
		s.KS = math.Max(s.KS, math.Abs(cumP-cumQ))
	}
	s.JS = math.Sqrt(math.Max(js, 0))
	s.Noise = (used - 1) * (1/float64(n) + 1/float64(m))
	s.Missing = float64(cur[len(cur)-1])/float64(m) - float64(h.Counts[len(cur)-1])/float64(n)
	mean, sd := moments(values)
	pooled := math.Sqrt((h.SD*h.SD + sd*sd) / 2)
	if pooled > 0 && cur[len(cur)-1] < m && h.Counts[len(cur)-1] < n {
		s.Effect = (mean - h.Mean) / pooled
	}
	return s
}

// Level names a shift: "large" from a PSI of 0.25 on and "moderate" from 0.1 on
// (Siddiqi 2006), both beyond what the counts alone make (twice Noise);
// "unknown" below LeastShift rows on a side.
func (s *Shift) Level() string {
	psi := s.PSI - 2*s.Noise
	switch {
	case s.Present < LeastShift || s.Baseline < LeastShift || math.IsNaN(psi):
		return "unknown"
	case psi >= 0.25:
		return "large"
	case psi >= 0.1:
		return "moderate"
	}
	return "stable"
}

// Estimate is what probabilities say about their own performance.
type Estimate struct {
	Rows     int64   `json:"rows"`
	Accuracy float64 `json:"accuracy"`
	MacroF1  float64 `json:"macro_f1"`
	// Expected counts rows by true and predicted class, in expectation.
	Expected [][]float64 `json:"expected"`
}

// EstimatePerformance is the performance to be expected without labels, if the
// probabilities are calibrated: a row that is predicted as class j adds P(i) to
// the cell (i, j) of the confusion matrix (confidence-based performance
// estimation; Guillory et al. 2021; Bialek et al. 2023). It sees what the model is
// unsure of, and is blind where the relation of features and classes has changed
// or a new class has come.
func EstimatePerformance(proba []float32, classes int) Estimate {
	mustMatch(classes > 0 && len(proba)%classes == 0)
	e := Estimate{Expected: make([][]float64, classes)}
	for i := range e.Expected {
		e.Expected[i] = make([]float64, classes)
	}
	for at := 0; at < len(proba); at += classes {
		row := proba[at : at+classes]
		best := 0
		for c, p := range row {
			if p > row[best] {
				best = c
			}
		}
		for c, p := range row {
			e.Expected[c][best] += float64(p)
		}
		e.Rows++
	}
	var hit, sum float64
	n := 0
	for c := range classes {
		var support, predicted float64
		for j := range classes {
			support += e.Expected[c][j]
			predicted += e.Expected[j][c]
		}
		tp := e.Expected[c][c]
		hit += tp
		if support+predicted >= 1 { // less than one expected row is none
			sum += 2 * tp / (support + predicted)
			n++
		}
	}
	e.Accuracy, e.MacroF1 = hit/float64(e.Rows), sum/float64(n)
	return e
}

// Spread is the 2.5 and 97.5 % quantile of values, NaN left out; NaN if none is
// left.
func Spread(values []float64) Interval {
	v := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(v) == 0 {
		return Interval{math.NaN(), math.NaN()}
	}
	slices.SortFunc(v, func(a, b float64) int { return cmp.Compare(a, b) })
	at := func(q float64) float64 {
		x := q * float64(len(v)-1)
		i := int(x)
		if i+1 == len(v) {
			return v[i]
		}
		return v[i] + float64((v[i+1]-v[i])*(x-float64(i)))
	}
	return Interval{at(0.025), at(0.975)}
}
