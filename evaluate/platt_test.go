package evaluate

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestPlatt recovers a known sigmoid, and moves it to another population.
func TestPlatt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const a, b = -1.5, 0.7
	var score []float64
	var positive []bool
	pos := 0.0
	for range 40_000 {
		s := rng.NormFloat64() * 4
		p := rng.Float64() < 1/(1+math.Exp(-(a+b*s)))
		if score, positive = append(score, s), append(positive, p); p {
			pos++
		}
	}
	share := pos / float64(len(score))
	offset, slope := Platt(score, positive, share)
	if math.Abs(offset-a) > 0.08 || math.Abs(slope-b) > 0.04 {
		t.Errorf("offset %v, slope %v, want %v, %v", offset, slope, a, b)
	}
	rare, same := Platt(score, positive, 0.01)
	if want := offset + math.Log(0.01/0.99) - math.Log(share/(1-share)); math.Abs(rare-want) > 1e-9 || same != slope {
		t.Errorf("prior 0.01: offset %v, want %v; slope %v", rare, want, same)
	}
	if offset, slope := Platt([]float64{1, 2}, []bool{true, true}, 0.5); offset != 0 || slope != 1 {
		t.Errorf("one kind of rows: %v, %v", offset, slope)
	}
	// Separable data: finite all the same.
	if offset, slope := Platt([]float64{-5, -4, 4, 5}, []bool{false, false, true, true}, 0.5); !(slope > 0 && slope < 100) || math.IsNaN(offset) {
		t.Errorf("separable: %v, %v", offset, slope)
	}
}
