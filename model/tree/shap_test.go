package tree

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// expectation is the prediction of the subtree at node when only the columns
// of the coalition are known: the definition that TreeSHAP computes with.
func expectation(t Tree, node int, row []float32, coalition uint, cover, value []float64) float64 {
	n := t[node]
	if n.Feature < 0 {
		return value[node]
	}
	l, r := int(n.Next), int(n.Next)+1
	if coalition>>n.Feature&1 == 1 {
		v := row[n.Feature]
		if v > n.Threshold || v != v && n.Missing == 1 {
			l = r
		}
		return expectation(t, l, row, coalition, cover, value)
	}
	return (cover[l]*expectation(t, l, row, coalition, cover, value) + cover[r]*expectation(t, r, row, coalition, cover, value)) / (cover[l] + cover[r])
}

// TreeSHAP gives the Shapley values of the definition, by all coalitions, on
// small random trees with columns that come twice on a way, missing values and
// columns that are not used.
func TestShapleyByBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	var e Explainer
	for trial := range 300 {
		columns := 1 + rng.IntN(5)
		tr := Tree{{Feature: -1}}
		for range rng.IntN(12) { // split a random leaf
			var leaves []int
			for i, n := range tr {
				if n.Feature < 0 {
					leaves = append(leaves, i)
				}
			}
			i := leaves[rng.IntN(len(leaves))]
			tr[i] = Node{Feature: int16(rng.IntN(columns)), Threshold: rng.Float32(), Missing: uint8(rng.IntN(2)), Next: int32(len(tr))}
			tr = append(tr, Node{Feature: -1}, Node{Feature: -1})
		}
		cover, value := make([]float64, len(tr)), make([]float64, len(tr))
		for i := len(tr) - 1; i >= 0; i-- {
			if n := tr[i]; n.Feature < 0 {
				cover[i], value[i] = float64(1+rng.IntN(50)), rng.NormFloat64()
			} else {
				cover[i] = cover[n.Next] + cover[n.Next+1]
			}
		}
		row := make([]float32, columns)
		for j := range row {
			if row[j] = rng.Float32(); rng.IntN(5) == 0 {
				row[j] = nan
			}
		}
		got := make([]float64, columns)
		e.Add(got, tr, row, cover, value, 1)
		f := make([]float64, 1<<columns)
		for s := range f {
			f[s] = expectation(tr, 0, row, uint(s), cover, value)
		}
		factorial := func(n int) float64 { return math.Gamma(float64(n + 1)) }
		for j := range columns {
			want := 0.0
			for s := range f {
				if s>>j&1 == 0 {
					k := bits.OnesCount(uint(s))
					want += factorial(k) * factorial(columns-k-1) / factorial(columns) * (f[s|1<<j] - f[s])
				}
			}
			if math.Abs(got[j]-want) > 1e-9 {
				t.Fatalf("trial %d column %d: %v, by all coalitions %v\n%v", trial, j, got[j], want, tr)
			}
		}
	}
}
