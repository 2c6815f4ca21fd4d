package evaluate

import (
	"math"
	"math/rand/v2"
	"testing"
)

// cleanScore draws a probability whose log-odds have a normal body and, over 95 %
// of it, an exponential tail with the given mean.
func cleanScore(r *rand.Rand, mean float64) float64 {
	const start = 1.6448536269514722 // 95 % of the standard normal
	v := r.NormFloat64()
	if v > start {
		v = start + r.ExpFloat64()*mean
	}
	return expit(v - 3)
}

func trueRate(threshold, mean float64) float64 {
	return 0.05 * math.Exp(-(logit(threshold)+3-1.6448536269514722)/mean)
}

func TestLogTail(t *testing.T) {
	within := 0
	const runs = 40
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 1))
		mean := 0.3 + 0.1*float64(seed%6)
		sample := func(attacks bool) TailSample {
			r := rand.New(rand.NewPCG(seed, 2))
			var s TailSample
			for client := range uint64(3000) {
				for range 1 + r.IntN(20) {
					s.Add(client+1, cleanScore(r, mean))
				}
				if attacks && client%400 == 0 { // of some clients one or two in a hundred, scored high
					s.Add(1<<40+client, 0.999)
					s.Add(1<<40+client, 0.99)
				}
				if attacks && client == 50 { // a loud one
					for range 40_000 {
						s.Add(1<<50, 0.9999)
					}
				}
			}
			return s
		}
		s := sample(false)
		tail, ok := s.Tail()
		if !ok || tail.Clients != 3000 {
			t.Fatalf("%+v", tail)
		}
		hostile := sample(true)
		other, ok := hostile.Tail()
		if !ok {
			t.Fatal("no tail beside attacks")
		}
		for _, rate := range []float64{1e-3, 1e-4, 1e-5} {
			th := tail.Threshold(rate)
			if got := trueRate(th, mean); got > 3*rate || got < rate/3 {
				t.Errorf("seed %d: asked for %g, threshold %g flags %g", seed, rate, th, got)
			}
			fpr, ci := tail.FPR(th)
			if math.Abs(fpr/rate-1) > 1e-6 || !(ci.Lo < rate && rate < ci.Hi) {
				t.Errorf("seed %d: rate %g, said %g (%g to %g)", seed, rate, fpr, ci.Lo, ci.Hi)
			}
			if rate == 1e-4 {
				if got := trueRate(th, mean); got >= ci.Lo && got <= ci.Hi {
					within++
				}
			}
			// Attacks change the threshold little, in the direction of fewer alerts.
			if got := trueRate(other.Threshold(rate), mean); got > 1.2*trueRate(th, mean) || got < trueRate(th, mean)/3 {
				t.Errorf("seed %d: at %g attacks change the rate from %g to %g", seed, rate, trueRate(th, mean), got)
			}
		}
		// Rates within the body.
		rate := 0.1 + r.Float64()/2
		if fpr, _ := tail.FPR(tail.Threshold(rate)); fpr > rate || fpr < rate-0.01 {
			t.Errorf("seed %d: rate %g, got %g", seed, rate, fpr)
		}
	}
	if within < 35 { // 95 % of 40 is 38
		t.Errorf("the interval holds the true rate in %d of %d runs", within, runs)
	}
}

func TestLogTailTooLittle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var few, one, same TailSample
	for i := range 900 {
		few.Add(uint64(i), cleanScore(r, 0.5))
	}
	for i := range 40_000 {
		one.Add(uint64(1+i%20), cleanScore(r, 0.5))
		same.Add(uint64(i), 0.25)
	}
	for name, s := range map[string]*TailSample{"no request": {}, "900 requests": &few, "20 clients": &one, "one score": &same} {
		if tail, ok := s.Tail(); ok {
			t.Errorf("%s: %+v", name, tail)
		}
	}
	if same.Share(0.25) != 1 || same.Share(0.26) != 0 || few.Share(1) != 0 {
		t.Error("Share")
	}
}

// TestTailSampleBounded: of more clients than are kept some are, whatever their
// order.
func TestTailSampleBounded(t *testing.T) {
	var s, back TailSample
	const n = 300_000
	for i := range uint64(n) {
		s.Add(i+1, float64(i%100)/100)
		back.Add(n-i, float64((n-i-1)%100)/100)
	}
	if len(s.clients) > sampleClients || len(s.clients) < sampleClients/4 {
		t.Errorf("%d clients", len(s.clients))
	}
	a, _ := s.Tail()
	b, _ := back.Tail()
	if a.Requests != b.Requests || a.Mean != b.Mean || a.Start != b.Start {
		t.Errorf("%+v and %+v", a, b)
	}
	if got := s.Share(0.5); math.Abs(got-0.5) > 0.02 {
		t.Errorf("share %g", got)
	}
}
