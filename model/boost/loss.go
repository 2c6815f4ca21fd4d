package boost

import "math"

// loss is what one ensemble, or one of each class, minimises on the working
// scale.
type loss struct {
	kind      string  // SquaredError, Huber, Quantile, Logistic or Softmax
	level     float64 // of a quantile
	calibrate bool    // shift it by the held-out rows
	delta     float64 // of Huber
	classes   int     // of Softmax: y is the index of a class
}

// outputs is the number of ensembles.
func (l *loss) outputs() int { return max(1, l.classes) }

// unitHessian: the hessian of every row is 1.
func (l *loss) unitHessian() bool { return l.kind != Logistic && l.kind != Softmax }

// least is the hessian of a child at least: the tail beyond a quantile must hold
// more than single rows.
func (l *loss) least(c *Config) float64 {
	if l.kind == Quantile {
		return max(c.MinChildWeight, tailRows/min(l.level, 1-l.level))
	}
	return c.MinChildWeight
}

// start is the constant that suits the rows best, per output.
func (l *loss) start(y []float64, rows []int32) []float64 {
	switch l.kind {
	case Quantile:
		v := make([]float64, len(rows))
		for i, r := range rows {
			v[i] = y[r]
		}
		return []float64{selectNth(v, rank(len(v), l.level))}
	case Softmax:
		count := make([]float64, l.classes)
		for _, r := range rows {
			count[int(y[r])]++
		}
		for k := range count {
			// A class without rows starts below all others, not at −∞.
			count[k] = math.Log((count[k] + .5) / (float64(len(rows)) + .5*float64(l.classes)))
		}
		return count
	}
	sum := 0.0
	for _, r := range rows {
		sum += y[r]
	}
	mean := sum / float64(len(rows))
	switch l.kind {
	case Logistic:
		half := .5 / float64(len(rows))
		mean = min(max(mean, half), 1-half)
		mean = math.Log(mean / (1 - mean))
	case Huber:
		v := make([]float64, len(rows))
		for i, r := range rows {
			v[i] = y[r]
		}
		mean = selectNth(v, rank(len(v), .5)) // near the centre of Huber's loss whatever the outliers
	}
	return []float64{mean}
}

// minHessian keeps a row that is predicted with certainty from making a leaf
// value infinite.
const minHessian = 1e-16

// gradients computes first and second derivatives of the rows lo ≤ i < hi by f,
// per output. h may be nil if all hessians are 1.
func (l *loss) gradients(g [][]float64, h [][]float32, f [][]float64, y []float64, lo, hi int) {
	switch l.kind {
	case Softmax:
		p := make([]float64, l.classes)
		for i := lo; i < hi; i++ {
			for k := range p {
				p[k] = f[k][i]
			}
			softmax(p)
			c := int(y[i])
			for k, v := range p {
				h[k][i] = float32(max(2*v*(1-v), minHessian))
				if k == c {
					v--
				}
				g[k][i] = v
			}
		}
		return
	case Logistic:
		g, h, f := g[0], h[0], f[0]
		for i := lo; i < hi; i++ {
			p := sigmoid(f[i])
			g[i] = p - y[i]
			h[i] = float32(max(p*(1-p), minHessian))
		}
		return
	}
	if h != nil {
		for i := lo; i < hi; i++ {
			h[0][i] = 1
		}
	}
	d, v, t := g[0][lo:hi], f[0][lo:hi], y[lo:hi]
	v, t = v[:len(d)], t[:len(d)]
	switch l.kind {
	case SquaredError:
		for i := range d {
			d[i] = v[i] - t[i]
		}
	case Huber:
		for i := range d {
			d[i] = min(max(v[i]-t[i], -l.delta), l.delta)
		}
	case Quantile:
		for i := range d {
			d[i] = -l.level
			if v[i] > t[i] {
				d[i] = 1 - l.level
			}
		}
	}
}

// at is the loss of row r.
func (l *loss) at(f [][]float64, y []float64, r int32) float64 {
	switch l.kind {
	case Softmax:
		most := f[0][r]
		for _, v := range f[1:] {
			most = max(most, v[r])
		}
		sum := 0.0
		for _, v := range f {
			sum += math.Exp(v[r] - most)
		}
		return most + math.Log(sum) - f[int(y[r])][r]
	case Logistic:
		z := f[0][r]
		// ln(1+e^z) − y·z without overflow.
		return max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - float64(y[r]*z)
	}
	d := y[r] - f[0][r]
	switch {
	case l.kind == SquaredError:
		return d * d / 2
	case l.kind == Huber:
		if a := math.Abs(d); a > l.delta {
			return float64(l.delta*a) - l.delta*l.delta/2
		}
		return d * d / 2
	case d >= 0:
		return l.level * d
	}
	return (l.level - 1) * d
}

func sigmoid(z float64) float64 {
	if z >= 0 {
		return 1 / (1 + math.Exp(-z))
	}
	e := math.Exp(z)
	return e / (1 + e)
}

// softmax turns scores into probabilities.
func softmax(p []float64) {
	most := p[0]
	for _, v := range p[1:] {
		most = max(most, v)
	}
	sum := 0.0
	for k, v := range p {
		p[k] = math.Exp(v - most)
		sum += p[k]
	}
	for k := range p {
		p[k] /= sum
	}
}
