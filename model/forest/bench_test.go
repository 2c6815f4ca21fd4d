package forest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"apiml/frame"
	"apiml/model"
)

// mixture makes rows of overlapping classes over columns as features have them:
// counts with many zeros, shares, heavy tails, and noise.
func mixture(rows, columns, classes int, seed uint64) *frame.Matrix {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &frame.Schema{Name: "mixture"}
	for j := range columns {
		s.Columns = append(s.Columns, frame.Column{Name: fmt.Sprintf("c%d", j)})
	}
	x := frame.NewMatrix(s, rows)
	x.Class = make([]int32, rows)
	for c := range classes {
		x.Classes = append(x.Classes, fmt.Sprintf("k%d", c))
	}
	for i := range rows {
		c := 0
		if rng.Float64() < 0.4 {
			c = rng.IntN(classes)
		}
		x.Class[i] = int32(c)
		for j := range columns {
			shift := 0.0
			if j%classes == c {
				shift = 1.2
			}
			v := rng.NormFloat64() + shift
			switch j % 4 {
			case 1:
				v = max(0, float64(int(2*v)))
			case 2:
				if v < 0.8 {
					v = 0
				}
			case 3:
				v = float64(int(rng.ExpFloat64() * 100 * (1 + shift)))
			}
			x.Cols[j][i] = float32(v)
		}
	}
	return x
}

func BenchmarkFit(b *testing.B) {
	x := mixture(100_000, 60, 8, 1)
	for b.Loop() {
		f, err := Fit(b.Context(), x, Default(), model.FitOptions{Seed: 1, Workers: 1})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(f.Size())/100, "leaves/tree")
	}
}

func BenchmarkPredict(b *testing.B) {
	x := mixture(20_000, 60, 8, 1)
	f, err := Fit(b.Context(), x, Default(), model.FitOptions{Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]float32, x.Rows()*len(f.Classes()))
	b.ReportAllocs()
	for b.Loop() {
		f.PredictProba(dst, x, 0, x.Rows())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(x.Rows()), "ns/row")
}
