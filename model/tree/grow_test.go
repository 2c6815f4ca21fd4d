package tree

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"apiml/frame"
)

// noisy makes n rows of several columns with ties and missing values.
func noisy(rng *rand.Rand, n, columns int) *frame.Matrix {
	cols := make([][]float32, columns)
	for j := range cols {
		cols[j] = make([]float32, n)
		for i := range cols[j] {
			v := float32(rng.NormFloat64())
			if j%2 == 1 {
				v = float32(int(3 * v))
			}
			if rng.IntN(9) == 0 && j%3 == 0 {
				v = nan
			}
			cols[j][i] = v
		}
	}
	return matrix(cols...)
}

// On small data the best split by entropy and by squared error is the one that
// trying all of them finds: every cut between values, missing values on either
// side, weights of rows and classes.
func TestExactSplitOtherCriteria(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for trial := range 300 {
		n, minLeaf := 4+rng.IntN(40), 1+rng.IntN(3)
		x := noisy(rng, n, 4)
		class, weights := make([]uint16, n), []float64{.5 + rng.Float64(), .5 + rng.Float64(), .5 + rng.Float64()}
		target := make([]float64, n)
		samples := make([]Sample, n)
		for i := range n {
			class[i] = uint16(rng.IntN(3))
			target[i] = rng.NormFloat64()
			samples[i] = Sample{uint32(i), class[i], uint16(1 + rng.IntN(3))}
		}
		// impurity is the weight of rows times their impurity.
		entropy := func(rows []int) float64 {
			var sum [3]float64
			total, h := 0.0, 0.0
			for _, i := range rows {
				w := weights[class[i]] * float64(samples[i].Weight)
				sum[class[i]] += w
				total += w
			}
			for _, w := range sum {
				if w > 0 {
					h -= w * math.Log2(w/total)
				}
			}
			return h
		}
		variance := func(rows []int) float64 {
			total, sum, sq := 0.0, 0.0, 0.0
			for _, i := range rows {
				w := float64(samples[i].Weight)
				total += w
				sum += w * target[i]
				sq += w * target[i] * target[i]
			}
			return sq - sum*sum/total
		}
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		best := func(impurity func([]int) float64) float64 {
			most := -1.0
			for _, col := range x.Cols {
				for _, cut := range append(slices.Clone(col), math.MaxFloat32) {
					for _, missingLeft := range []bool{false, true} {
						var l, r []int
						for i, v := range col {
							if v <= cut || v != v && missingLeft {
								l = append(l, i)
							} else {
								r = append(r, i)
							}
						}
						if len(l) >= minLeaf && len(r) >= minLeaf {
							most = max(most, impurity(all)-impurity(l)-impurity(r))
						}
					}
				}
			}
			return most
		}
		rows, err := BinRows(t.Context(), x, MaxBins, 1)
		if err != nil {
			t.Fatal(err)
		}
		limits := Limits{MaxDepth: 1, MinSamplesLeaf: minLeaf, MaxFeatures: 4, Criterion: Entropy}
		check := func(name string, g *Grown, want, root float64) {
			t.Helper()
			got := -1.0
			if len(g.Tree) == 3 {
				got = 0
				for _, v := range g.Gain {
					got += v * root
				}
			}
			if math.Abs(got-want) > 1e-9*max(1, root) {
				t.Fatalf("trial %d, %s: gain %v, the best split has %v", trial, name, got, want)
			}
		}
		total, drawn := 0.0, 0.0
		for i := range n {
			total += weights[class[i]] * float64(samples[i].Weight)
			drawn += float64(samples[i].Weight)
		}
		kept := slices.Clone(samples)
		if pure := len(slices.Compact(slices.Clone(class))) == 1; !pure {
			check("entropy", NewGrower(rows, 3, limits).Grow(kept, weights, rng), best(entropy), total)
		}
		copy(kept, samples) // Grow has reordered it
		for i := range kept {
			kept[i].Class = 0
		}
		check("squared error", NewRegressor(rows, target, limits).Grow(kept, nil, rng), best(variance), drawn)
	}
}

// Columns beside rows, and copies of small nodes, are for speed: without them
// the same trees grow.
func TestGrowSameWithoutCopies(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	x := noisy(rng, 9000, 11)
	samples, target := make([]Sample, x.N), make([]float64, x.N)
	for i := range samples {
		c := 0
		if v := x.Cols[1][i] + float32(rng.NormFloat64()); v > 1 {
			c = 1 + rng.IntN(3)
		}
		samples[i] = Sample{uint32(i), uint16(c), uint16(1 + rng.IntN(2))}
		target[i] = float64(c) + rng.NormFloat64()
	}
	for _, limits := range []Limits{{MaxFeatures: 3}, {MaxFeatures: 11, MinSamplesLeaf: 4}, {MaxFeatures: 9, RandomCuts: true}} {
		var first, firstMeans *Grown
		for k := range 3 {
			rows, err := BinRows(t.Context(), x, MaxBins, 1)
			if err != nil {
				t.Fatal(err)
			}
			if k > 0 {
				rows.Cols = nil
			}
			g, r := NewGrower(rows, 4, limits), NewRegressor(rows, target, limits)
			if k == 2 {
				g.localRows, r.localRows = 0, 0
			}
			a := g.Grow(slices.Clone(samples), []float64{1, 1, 1, 1}, rand.New(rand.NewPCG(1, 2)))
			plain := slices.Clone(samples)
			for i := range plain {
				plain[i].Class = 0
			}
			b := r.Grow(plain, nil, rand.New(rand.NewPCG(1, 2)))
			if k == 0 {
				first, firstMeans = a, b
				continue
			}
			if !slices.Equal(a.Tree, first.Tree) || !slices.Equal(a.Counts, first.Counts) {
				t.Errorf("%+v, way %d: another tree", limits, k)
			}
			if !slices.Equal(b.Tree, firstMeans.Tree) || !slices.Equal(b.Means, firstMeans.Means) {
				t.Errorf("%+v, way %d: another regression tree", limits, k)
			}
		}
	}
}

// The leaves of a regression tree hold the mean of the rows that walk there,
// and no split gains less than MinGain.
func TestRegressionLeaves(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	for trial := range 60 {
		n := 2 + rng.IntN(500)
		x := noisy(rng, n, 5)
		samples, target := make([]Sample, n), make([]float64, n)
		for i := range samples {
			samples[i] = Sample{uint32(i), 0, uint16(1 + rng.IntN(3))}
			target[i] = float64(x.Cols[1][i]) + rng.NormFloat64()
		}
		rows, err := BinRows(t.Context(), x, MaxBins, 1)
		if err != nil {
			t.Fatal(err)
		}
		limits := Limits{MaxFeatures: 1 + rng.IntN(5), MaxLeaves: []int{0, 5}[trial%2], MinGain: []float64{0, .02}[trial/2%2]}
		g := NewRegressor(rows, target, limits).Grow(slices.Clone(samples), nil, rng)
		sum, weight := make([]float64, len(g.Means)), make([]float64, len(g.Means))
		row := make([]float32, 5)
		for _, s := range samples {
			l := g.Tree.Leaf(x.Row(row, int(s.Row)))
			sum[l] += float64(s.Weight) * target[s.Row]
			weight[l] += float64(s.Weight)
		}
		for l, m := range g.Means {
			if math.Abs(m-sum[l]/weight[l]) > 1e-9 || float64(g.Counts[l]) != weight[l] {
				t.Fatalf("trial %d, leaf %d: mean %v of %d rows, expected %v of %v", trial, l, m, g.Counts[l], sum[l]/weight[l], weight[l])
			}
		}
		total := 0.0
		for _, v := range g.Gain {
			total += v
		}
		if least := limits.MinGain * float64(g.Tree.Inner()); total < least-1e-9 {
			t.Errorf("trial %d: %d splits gain %v together, at least %v", trial, g.Tree.Inner(), total, least)
		}
	}
}
