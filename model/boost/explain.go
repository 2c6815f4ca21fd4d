package boost

import (
	"sync"

	"apiml/frame"
	"apiml/model"
	"apiml/model/tree"
)

// explanation is what contributions need: made when it is first asked for.
type explanation struct {
	once   sync.Once
	values [][][]float64 // per part, tree and node: expected value
	covers [][][]float64 // likewise: hessian of the training rows
}

// explain computes the expected value at every node: of a leaf its value, of an
// inner node the mean of its children by cover.
func (m *core) explain() {
	m.once.Do(func() {
		m.values, m.covers = make([][][]float64, len(m.parts)), make([][][]float64, len(m.parts))
		for k := range m.parts {
			p := &m.parts[k]
			for _, t := range p.trees {
				v, w := make([]float64, len(t)), make([]float64, len(t))
				for i := len(t) - 1; i >= 0; i-- {
					n := t[i]
					if n.Feature < 0 {
						v[i], w[i] = float64(p.leaf[n.Next]), float64(p.cover[n.Next])
						continue
					}
					a, b := w[n.Next], w[n.Next+1]
					w[i] = a + b
					v[i] = (float64(a*v[n.Next]) + float64(b*v[n.Next+1])) / (a + b)
				}
				m.values[k], m.covers[k] = append(m.values[k], v), append(m.covers[k], w)
			}
		}
	})
}

// contribute adds the contributions of the columns to part k and returns the
// bias.
func (m *core) contribute(dst []float64, x *frame.Matrix, row, k int) (bias float64) {
	model.MustMatch(&m.schema, x.Schema)
	m.explain()
	p := &m.parts[k]
	buf := m.row(make([]float32, len(x.Cols)), x, row)
	bias = p.base
	for j, t := range p.trees {
		v := m.values[k][j]
		bias += v[0]
		for i := 0; t[i].Feature >= 0; {
			column := t[i].Feature
			next := int(t[i].Next) + m.side(&t[i], buf[column])
			dst[column] += v[next] - v[i]
			i = next
		}
	}
	return bias
}

// shapley adds the Shapley values of the columns for part k and returns the
// bias.
func (m *core) shapley(dst []float64, x *frame.Matrix, row, k int) (bias float64) {
	model.MustMatch(&m.schema, x.Schema)
	m.explain()
	p := &m.parts[k]
	buf := m.row(make([]float32, len(x.Cols)), x, row)
	bias = p.base
	e := tree.Explainer{Side: m.side}
	for j, t := range p.trees {
		bias += m.values[k][j][0]
		e.Add(dst, t, buf, m.covers[k][j], m.values[k][j], 1)
	}
	return bias
}

// Contributions implements model.Regressor: the change of the expected value
// from node to node on the row's way, given to the column that was split on
// (Saabas 2014). They add up on the scale ln(1 + y/Unit()), or on that of the
// target if Unit is 0 (with logistic: of the logarithm of the odds); bias +
// sum(dst) is the sum of the trees there.
func (m *Model) Contributions(dst []float64, x *frame.Matrix, row int) (bias float64) {
	return m.contribute(dst, x, row, m.point)
}

// Shapley adds to dst the Shapley values of the columns (TreeSHAP: see package
// tree) on the scale of Contributions and returns the bias, the expected value of
// the training rows. Cost: O(leaves · depth²).
func (m *Model) Shapley(dst []float64, x *frame.Matrix, row int) (bias float64) {
	return m.shapley(dst, x, row, m.point)
}

// Shapley is Model.Shapley for a class, on the scale of the logarithm of its
// odds: of two classes ln(p/(1−p)), else the exponent of softmax.
func (m *Classifier) Shapley(dst []float64, x *frame.Matrix, row, class int) (bias float64) {
	if len(m.parts) > 1 {
		return m.shapley(dst, x, row, class)
	}
	part := make([]float64, len(dst))
	bias = m.shapley(part, x, row, 0)
	sign := 1.0
	if class == 0 {
		sign = -1
	}
	for j, v := range part {
		dst[j] += sign * v
	}
	return sign * bias
}
