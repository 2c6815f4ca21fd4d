package forest

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"apiml/model"
)

// calibration maps the probability of each class to the share of rows of that
// class among rows with such a probability, as seen on rows out of the bag, and
// makes the classes of a row sum to 1 again (Zadrozny and Elkan 2002):
// "isotonic" by the pool-adjacent-violators algorithm (Ayer 1955), between whose
// points it interpolates; "platt" by a logistic curve (Platt 1999), fitted by
// Newton's method with backtracking and with the targets of Lin, Lin, Weng (2007).
type calibration struct {
	kind string         // "" = none
	step []stepFunction // isotonic, per class
	a, b []float64      // platt, per class: 1/(1+exp(a·p+b))
}

// stepFunction is a non-decreasing function through points with ascending x.
type stepFunction struct {
	x, y []float32
}

func (s *stepFunction) at(p float32) float64 {
	i := sort.Search(len(s.x), func(i int) bool { return s.x[i] >= p })
	switch {
	case i == len(s.x):
		return float64(s.y[i-1])
	case i == 0 || s.x[i] == p:
		return float64(s.y[i])
	}
	x0, x1, y0, y1 := float64(s.x[i-1]), float64(s.x[i]), float64(s.y[i-1]), float64(s.y[i])
	return y0 + float64((y1-y0)*((float64(p)-x0)/(x1-x0)))
}

// apply calibrates the probabilities of rows in place.
func (c *calibration) apply(proba []float32, classes int) {
	if c.kind == "" {
		return
	}
	mapped := make([]float64, classes)
	for ; len(proba) > 0; proba = proba[classes:] {
		sum := 0.0
		for k, p := range proba[:classes] {
			if c.kind == "platt" {
				mapped[k] = 1 / (1 + math.Exp(float64(c.a[k]*float64(p))+c.b[k]))
			} else {
				mapped[k] = c.step[k].at(p)
			}
			sum += mapped[k]
		}
		for k := range proba[:classes] {
			if sum > 0 {
				proba[k] = float32(mapped[k] / sum)
			} else {
				proba[k] = float32(1 / float64(classes))
			}
		}
	}
}

// calibrate fits a calibration on probabilities (NaN = none) of rows with
// known classes. Without any such row it is none.
func calibrate(kind string, proba []float32, class []int32, classes int) calibration {
	c := calibration{kind: kind}
	for k := range classes {
		var p []float32
		var is []bool
		for r, own := range class {
			if v := proba[r*classes+k]; v == v {
				p = append(p, v)
				is = append(is, int(own) == k)
			}
		}
		if len(p) == 0 {
			return calibration{}
		}
		if kind == "platt" {
			a, b := platt(p, is)
			c.a, c.b = append(c.a, a), append(c.b, b)
		} else {
			c.step = append(c.step, isotonic(p, is))
		}
	}
	return c
}

// isotonic is the non-decreasing function with the least squared error.
func isotonic(p []float32, is []bool) stepFunction {
	by := make([]int, len(p))
	for i := range by {
		by[i] = i
	}
	slices.SortStableFunc(by, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	type pool struct {
		lo, hi    float32
		sum, rows float64
	}
	var pools []pool
	for i := 0; i < len(by); {
		k, own := i, 0.0
		for ; k < len(by) && p[by[k]] == p[by[i]]; k++ {
			if is[by[k]] {
				own++
			}
		}
		pools = append(pools, pool{p[by[i]], p[by[i]], own, float64(k - i)})
		for n := len(pools); n > 1 && pools[n-2].sum*pools[n-1].rows >= pools[n-1].sum*pools[n-2].rows; n-- {
			last := pools[n-1]
			pools = pools[:n-1]
			q := &pools[n-2]
			q.hi, q.sum, q.rows = last.hi, q.sum+last.sum, q.rows+last.rows
		}
		i = k
	}
	var s stepFunction
	for _, q := range pools {
		y := float32(q.sum / q.rows)
		s.x, s.y = append(s.x, q.lo), append(s.y, y)
		if q.hi > q.lo {
			s.x, s.y = append(s.x, q.hi), append(s.y, y)
		}
	}
	return s
}

// platt fits P(class) = 1/(1+exp(a·p+b)).
func platt(p []float32, is []bool) (a, b float64) {
	pos := 0.0
	for _, own := range is {
		if own {
			pos++
		}
	}
	neg := float64(len(p)) - pos
	high, low := (pos+1)/(pos+2), 1/(neg+2) // targets: never quite 0 or 1
	target := func(own bool) float64 {
		if own {
			return high
		}
		return low
	}
	loss := func(a, b float64) float64 {
		sum := 0.0
		for i, v := range p {
			z := float64(a*float64(v)) + b
			t := target(is[i])
			if z >= 0 {
				sum += float64(t*z) + math.Log1p(math.Exp(-z))
			} else {
				sum += float64((t-1)*z) + math.Log1p(math.Exp(z))
			}
		}
		return sum
	}
	b = math.Log((neg + 1) / (pos + 1))
	best := loss(a, b)
	for range 100 {
		haa, hab, hbb, ga, gb := 1e-12, 0.0, 1e-12, 0.0, 0.0
		for i, v := range p {
			x := float64(v)
			q := 1 / (1 + math.Exp(float64(a*x)+b))
			d := float64(q * (1 - q))
			haa += float64(x * x * d)
			hab += float64(x * d)
			hbb += d
			e := target(is[i]) - q
			ga += float64(x * e)
			gb += e
		}
		if math.Abs(ga) < 1e-5 && math.Abs(gb) < 1e-5 {
			break
		}
		det := float64(haa*hbb) - float64(hab*hab)
		da := -(float64(hbb*ga) - float64(hab*gb)) / det
		db := -(float64(haa*gb) - float64(hab*ga)) / det
		slope := float64(ga*da) + float64(gb*db)
		step := 1.0
		for ; step >= 1e-10; step /= 2 {
			na, nb := a+float64(step*da), b+float64(step*db)
			if l := loss(na, nb); l < best+float64(1e-4*step*slope) {
				a, b, best = na, nb, l
				break
			}
		}
		if step < 1e-10 {
			break
		}
	}
	return a, b
}

// The arrays of a calibration in a file:
//
//	forest.isotonic_len  I32  points per class
//	forest.isotonic_x    F32  per point: probability, ascending within a class
//	forest.isotonic_y    F32  per point: calibrated, not descending
//	forest.platt         F64  per class: a, b
func (c *calibration) encode(file *model.File) {
	switch c.kind {
	case "isotonic":
		var lens []int32
		var x, y []float32
		for _, s := range c.step {
			lens, x, y = append(lens, int32(len(s.x))), append(x, s.x...), append(y, s.y...)
		}
		file.PutI32("forest.isotonic_len", lens)
		file.PutF32("forest.isotonic_x", x)
		file.PutF32("forest.isotonic_y", y)
	case "platt":
		var v []float64
		for k := range c.a {
			v = append(v, c.a[k], c.b[k])
		}
		file.PutF64("forest.platt", v)
	}
}

func decodeCalibration(file *model.File, classes int) (calibration, error) {
	var c calibration
	switch {
	case file.Has("forest.platt"):
		v, err := file.F64("forest.platt")
		if err != nil {
			return c, err
		}
		if len(v) != 2*classes {
			return c, fmt.Errorf("%d numbers of calibration for %d classes", len(v), classes)
		}
		c.kind = "platt"
		for k := range classes {
			for _, x := range v[2*k : 2*k+2] {
				if math.IsNaN(x) || math.IsInf(x, 0) {
					return c, fmt.Errorf("calibration of class %d is %v", k, v[2*k:2*k+2])
				}
			}
			c.a, c.b = append(c.a, v[2*k]), append(c.b, v[2*k+1])
		}
	case file.Has("forest.isotonic_len"):
		lens, err := file.I32("forest.isotonic_len")
		if err != nil {
			return c, err
		}
		x, err := file.F32("forest.isotonic_x")
		if err != nil {
			return c, err
		}
		y, err := file.F32("forest.isotonic_y")
		if err != nil {
			return c, err
		}
		if len(lens) != classes || len(x) != len(y) {
			return c, fmt.Errorf("calibration of %d classes of %d, %d points and %d values", len(lens), classes, len(x), len(y))
		}
		c.kind = "isotonic"
		for k, n := range lens {
			if n < 1 || int(n) > len(x) {
				return c, fmt.Errorf("calibration of class %d has %d points, %d are left", k, n, len(x))
			}
			s := stepFunction{x[:n:n], y[:n:n]}
			for i := range s.x {
				if !(s.x[i] >= 0 && s.x[i] <= 1 && s.y[i] >= 0 && s.y[i] <= 1) || i > 0 && (s.x[i] <= s.x[i-1] || s.y[i] < s.y[i-1]) {
					return c, fmt.Errorf("calibration of class %d, point %d: %v to %v", k, i, s.x[i], s.y[i])
				}
			}
			c.step = append(c.step, s)
			x, y = x[n:], y[n:]
		}
		if len(x) != 0 {
			return c, fmt.Errorf("calibration has %d points too many", len(x))
		}
	}
	return c, nil
}
