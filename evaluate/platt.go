package evaluate

import "math"

// Platt fits the sigmoid P(positive | score) = 1 / (1 + exp(−(offset +
// slope·score))) by maximum likelihood (Platt 1999, "Probabilistic Outputs for
// Support Vector Machines", with his smoothed targets; Newton's method as in Lin,
// Lin & Weng 2007), then moves the offset to a population in which the share prior,
// in (0,1), is positive. Without both kinds of rows, or where the slope would not
// be positive, it is ln(prior/(1−prior)) and 1.
func Platt(score []float64, positive []bool, prior float64) (offset, slope float64) {
	if len(score) != len(positive) {
		panic("evaluate: slice length mismatch")
	}
	logit := math.Log(prior / (1 - prior))
	var pos, neg float64
	for _, p := range positive {
		if p {
			pos++
		} else {
			neg++
		}
	}
	if pos == 0 || neg == 0 {
		return logit, 1
	}
	hi, lo := (pos+1)/(pos+2), 1/(neg+2)
	a, b := math.Log((pos+1)/(neg+1)), 0.0
	loss := func(a, b float64) (sum float64) {
		for i, s := range score {
			t := lo
			if positive[i] {
				t = hi
			}
			z := a + float64(b*s)
			// −t·ln p − (1−t)·ln(1−p), without overflow
			sum += math.Max(z, 0) - float64(t*z) + math.Log1p(math.Exp(-math.Abs(z)))
		}
		return sum
	}
	best := loss(a, b)
	for range 100 {
		var ga, gb, haa, hab, hbb float64
		for i, s := range score {
			t := lo
			if positive[i] {
				t = hi
			}
			p := 1 / (1 + math.Exp(-(a + float64(b*s))))
			d, w := p-t, p*(1-p)
			ga += d
			gb += float64(d * s)
			haa += w
			hab += float64(w * s)
			hbb += float64(w * s * s)
		}
		haa, hbb = haa+1e-9, hbb+1e-9
		det := float64(haa*hbb) - float64(hab*hab)
		if det <= 0 {
			break
		}
		da, db := (float64(hbb*ga)-float64(hab*gb))/det, (float64(haa*gb)-float64(hab*ga))/det
		step, moved := 1.0, false
		for ; step > 1e-10; step /= 2 {
			if l := loss(a-step*da, b-step*db); l < best {
				moved = best-l > 1e-10*(1+math.Abs(best))
				a, b, best = a-step*da, b-step*db, l
				break
			}
		}
		if !moved {
			break
		}
	}
	if !(b > 0) || math.IsInf(b, 0) || math.IsNaN(a) {
		return logit, 1
	}
	return a + logit - math.Log(pos/neg), b
}
