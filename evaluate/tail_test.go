package evaluate

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestOperating sets budgets on clean log-odds of a known distribution and looks
// at what they cost on rows that were not seen.
func TestOperating(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, shift float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = 1 / (1 + math.Exp(-(shift + r.ExpFloat64())))
		}
		return out
	}
	clean, best := draw(100_000, -4), draw(500, 2)
	o := NewOperating(clean, best)
	if o.Clean != 100_000 || len(o.Top) != operatingTop || o.Attackers != 500 || len(o.Best) != operatingBest {
		t.Fatalf("%+v", o)
	}
	for _, c := range []struct {
		rate  float64
		extra bool
	}{{2e-3, false}, {1e-4, false}, {2e-5, false}, {2e-6, true}} {
		th, extra, ok := o.Threshold(c.rate)
		if !ok || extra != c.extra {
			t.Fatalf("rate %g: %v %v %v", c.rate, th, extra, ok)
		}
		// P(score ≥ th) of the known distribution.
		truth := math.Exp(-(logit(th) + 4))
		if truth > c.rate*2.5 || truth < c.rate/4 {
			t.Errorf("rate %g: threshold %v flags %g of the clean rows", c.rate, th, truth)
		}
		fpr, ci, ok := o.FPR(th)
		if !ok || fpr > c.rate || ci.Hi < fpr || ci.Hi <= 0 {
			t.Errorf("rate %g: FPR %v %v %v", c.rate, fpr, ci, ok)
		}
	}
	if _, _, ok := o.Threshold(0.5); ok {
		t.Error("a budget beyond the rows kept has a threshold")
	}
	if _, _, ok := o.FPR(0); ok {
		t.Error("a share beyond the rows kept is known")
	}
	if c := o.Caught(0); c != 1 {
		t.Error(c)
	}
	if c := o.Caught(1 / (1 + math.Exp(-(2 + math.Ln2)))); math.Abs(c-0.5) > 0.1 {
		t.Error(c)
	}
	none := NewOperating(nil, nil)
	if _, _, ok := none.Threshold(0.1); ok || !math.IsNaN(none.Caught(0.5)) {
		t.Error("something from nothing")
	}
}
