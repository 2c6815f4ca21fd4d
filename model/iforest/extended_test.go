package iforest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"apiml/frame"
)

// The threshold of a budget is kept exactly, and is the least that keeps it.
func TestThreshold(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		n := 1 + rng.IntN(60)
		s := make([]float32, n)
		for i := range s {
			s[i] = float32(rng.IntN(1+rng.IntN(20))) / 20
		}
		budget := float64(rng.IntN(n+1)) / float64(n)
		th := Threshold(s, budget)
		alerts := func(th float32) (k int) {
			for _, v := range s {
				if v >= th {
					k++
				}
			}
			return k
		}
		if k := alerts(th); float64(k) > budget*float64(n)+1e-9 {
			t.Fatalf("budget %v of %d rows: %d alerts at %v", budget, n, k, th)
		}
		below := float32(math.Inf(-1)) // the next score below it would break the budget
		for _, v := range s {
			if v < th && v > below {
				below = v
			}
		}
		if !math.IsInf(float64(below), -1) && float64(alerts(below)) <= budget*float64(n)+1e-9 {
			t.Fatalf("budget %v of %d rows: %v keeps it too, %v is not the least", budget, n, below, th)
		}
	}
}

// Two clusters on a diagonal: to one-column cuts the two empty corners of their
// box look as usual as the clusters (Hariri 2019, figure 1); hyperplanes score
// them higher in comparison.
func TestExtendedSeesGhosts(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	x := frame.NewMatrix(schema(2), 2000)
	for i := range x.N {
		c := float64(10 * (i % 2))
		x.Cols[0][i], x.Cols[1][i] = float32(c+rng.NormFloat64()), float32(c+rng.NormFloat64())
	}
	ghosts := frame.NewMatrix(schema(2), 200)
	for i := range ghosts.N {
		c := float64(10 * (i % 2))
		ghosts.Cols[0][i], ghosts.Cols[1][i] = float32(c+rng.NormFloat64()), float32(10-c+rng.NormFloat64())
	}
	gap := func(extension int) float64 {
		c := Default()
		c.Extension = extension
		f := fit(t, x, c, 1)
		a, b := 0.0, 0.0
		for _, v := range score(f, ghosts) {
			a += float64(v) / float64(ghosts.N)
		}
		for _, v := range score(f, x) {
			b += float64(v) / float64(x.N)
		}
		return a - b
	}
	if one, plane := gap(0), gap(1); plane < 1.2*one {
		t.Errorf("ghosts are %.3f above the clusters with hyperplanes, %.3f with one column", plane, one)
	} else {
		t.Logf("ghosts are %.3f above the clusters with hyperplanes, %.3f with one column", plane, one)
	}
}

// Leaves of extended trees hold what walks there, and units do not matter.
func TestExtendedTrees(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	x := frame.NewMatrix(schema(3), 300)
	for j, col := range x.Cols {
		for i := range col {
			col[i] = float32(rng.NormFloat64() * math.Pow(1000, float64(j)))
		}
	}
	c := Default()
	c.Extension, c.SampleSize = 2, 300
	f := fit(t, x, c, 4)
	row := make([]float32, 3)
	for k, tr := range f.trees {
		count := make(map[int32]uint16)
		for i := range x.N {
			n := 0
			for tr[n].Feature >= 0 {
				n = f.planes.next(k, &tr[n], x.Row(row, i))
			}
			count[tr[n].Next]++
		}
		for l, n := range count {
			if f.sizes[l] != n {
				t.Fatalf("tree %d: leaf %d holds %d rows, %d walk there", k, l, f.sizes[l], n)
			}
		}
	}
	used := make([]int, 3)
	for _, j := range f.planes.column {
		if j >= 0 {
			used[j]++
		}
	}
	if slices.Min(used) < slices.Max(used)*9/10 {
		t.Errorf("columns are used %v times", used)
	}
}
