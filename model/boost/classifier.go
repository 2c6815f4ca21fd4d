package boost

import (
	"context"
	"fmt"
	"math"
	"slices"

	"apiml/frame"
	"apiml/model"
)

// Classifier is a fitted classifier: immutable, safe for concurrent use.
type Classifier struct {
	core
	classes []string
}

// FitClassifier grows a classifier on the rows of x whose Class is known. It does
// not change x. Errors: a configuration out of range, fewer than two classes, no
// such row, an infinite feature, the end of ctx.
func FitClassifier(ctx context.Context, x *frame.Matrix, c Config, opt model.FitOptions) (*Classifier, error) {
	if err := x.Check(); err != nil {
		return nil, err
	}
	if len(x.Cols) == 0 {
		return nil, fmt.Errorf("boost: no columns")
	}
	if x.Class == nil {
		return nil, fmt.Errorf("boost: no rows with a class among %d", x.N)
	}
	if err := c.checkClassifier(len(x.Classes)); err != nil {
		return nil, err
	}
	var rows []int
	for i, k := range x.Class {
		if k >= 0 {
			rows = append(rows, i)
		}
	}
	x, err := someRows(x, rows, "a class")
	if err != nil {
		return nil, err
	}
	m := &Classifier{classes: slices.Clone(x.Classes)}
	m.describe(x, &c, opt)
	y := make([]float64, x.N)
	for i, k := range x.Class {
		y[i] = float64(k)
	}
	l := loss{kind: Logistic}
	if c.Objective == Softmax || len(m.classes) > 2 {
		l = loss{kind: Softmax, classes: len(m.classes)}
	}
	if err := m.fit(ctx, x, y, []loss{l}, opt); err != nil {
		return nil, err
	}
	return m, nil
}

// Kind implements model.Model.
func (m *Classifier) Kind() string { return KindClassifier }

// Classes implements model.Classifier.
func (m *Classifier) Classes() []string { return slices.Clone(m.classes) }

// PredictProba implements model.Classifier.
func (m *Classifier) PredictProba(dst []float32, x *frame.Matrix, lo, hi int) {
	model.MustMatch(&m.schema, x.Schema)
	k := len(m.classes)
	dst = dst[:(hi-lo)*k]
	margin := make([]float64, blockRows*len(m.parts))
	for ; lo < hi; lo += blockRows {
		n := min(blockRows, hi-lo)
		m.sum(margin[:n*len(m.parts)], len(m.parts), x, lo, lo+n, m.parts)
		for i := range n {
			p := margin[i*len(m.parts) : (i+1)*len(m.parts)]
			out := dst[i*k : (i+1)*k]
			if len(p) == 1 {
				v := sigmoid(p[0])
				out[0], out[1] = float32(1-v), float32(v)
				continue
			}
			softmax(p)
			for c, v := range p {
				out[c] = float32(v)
			}
		}
		dst = dst[n*k:]
	}
}

// Predict writes the most probable class of the rows lo ≤ i < hi to dst[i-lo],
// the first of equal ones.
func (m *Classifier) Predict(dst []int32, x *frame.Matrix, lo, hi int) {
	k := len(m.classes)
	p := make([]float32, blockRows*k)
	for ; lo < hi; lo += blockRows {
		n := min(blockRows, hi-lo)
		m.PredictProba(p, x, lo, lo+n)
		for i := range n {
			best := 0
			for c := 1; c < k; c++ {
				if p[i*k+c] > p[i*k+best] {
					best = c
				}
			}
			dst[i] = int32(best)
		}
		dst = dst[n:]
	}
}

// Contributions implements model.Classifier. The ensembles add up on the scale of
// the logarithm of odds; their contributions (see Model.Contributions) are
// brought to that of the probability along the straight way from the bias to the
// row (integrated gradients: Sundararajan, Taly & Yan 2017), with five points of
// Gauss and Legendre and what the integral misses shared out in proportion.
func (m *Classifier) Contributions(dst []float64, x *frame.Matrix, row, class int) (bias float64) {
	columns := len(m.schema.Columns)
	from := make([]float64, len(m.parts))
	part := make([][]float64, len(m.parts))
	for k := range m.parts {
		part[k] = make([]float64, columns)
		from[k] = m.contribute(part[k], x, row, k)
	}
	to := slices.Clone(from)
	for k := range part {
		for _, v := range part[k] {
			to[k] += v
		}
	}
	probability := func(z []float64) []float64 {
		if len(z) == 1 {
			p := sigmoid(z[0])
			return []float64{1 - p, p}
		}
		p := slices.Clone(z)
		softmax(p)
		return p
	}
	bias = probability(from)[class]
	total := probability(to)[class] - bias
	slope := make([]float64, len(m.parts)) // mean of ∂p/∂z on the way
	nodes := [5][2]float64{{0, 128. / 225}, {.538469310105683, .478628670499366}, {-.538469310105683, .478628670499366},
		{.906179845938664, .236926885056189}, {-.906179845938664, .236926885056189}}
	for _, n := range nodes {
		z := make([]float64, len(from))
		for k := range z {
			z[k] = from[k] + float64((to[k]-from[k])*(1+n[0])/2)
		}
		p := probability(z)
		for k := range slope {
			other := p[k]
			if len(slope) == 1 {
				other = p[1]
			}
			d := -p[class] * other
			if k == class || len(slope) == 1 && class == 1 {
				d += p[class]
			}
			if len(slope) == 1 && class == 0 {
				d = -p[0] * p[1]
			}
			slope[k] += float64(d * n[1] / 2)
		}
	}
	change := make([]float64, columns)
	sum, size := 0.0, 0.0
	for j := range change {
		for k := range part {
			change[j] += float64(part[k][j] * slope[k])
		}
		sum += change[j]
		size += math.Abs(change[j])
	}
	for j, v := range change {
		if size > 0 {
			v += float64((total - sum) * math.Abs(v) / size)
		}
		dst[j] += v
	}
	if size == 0 {
		bias += total
	}
	return bias
}
