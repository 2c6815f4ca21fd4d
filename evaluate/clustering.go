package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Partitions are slices of labels, one per row; −1 is noise. Which number a
// cluster has does not matter.

// AdjustedRand is the adjusted Rand index of two partitions of the same rows
// (Hubert & Arabie 1985, "Comparing partitions", their equation 5): 1 = the same
// partition, 0 = what chance gives for clusters of these sizes, below 0 = less.
// All noise counts as one cluster. Two partitions that are equal are 1, also
// where the formula is 0/0 (one cluster each, or every row its own). NaN for no
// rows. O(n log n), no rounding below 2^31 rows but in the last division.
func AdjustedRand(a, b []int32) float64 {
	mustMatch(len(a) == len(b))
	n := len(a)
	if n == 0 {
		return math.NaN()
	}
	pairs := make([]uint64, n)
	for i := range a {
		pairs[i] = uint64(uint32(a[i]))<<32 | uint64(uint32(b[i]))
	}
	slices.Sort(pairs)
	both := pairsOf(pairs)
	rows := slices.Clone(a)
	slices.Sort(rows)
	inA := pairsOf(rows)
	copy(rows, b)
	slices.Sort(rows)
	inB := pairsOf(rows)
	if both == inA && both == inB {
		return 1
	}
	total := float64(n) * float64(n-1) / 2
	expected := float64(inA) * float64(inB) / total
	return (float64(both) - expected) / ((float64(inA)+float64(inB))/2 - expected)
}

// pairsOf is the number of pairs of equal values in a sorted slice.
func pairsOf[T comparable](sorted []T) int64 {
	var pairs int64
	for i := 0; i < len(sorted); {
		j := i + 1
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		k := int64(j - i)
		pairs += k * (k - 1) / 2
		i = j
	}
	return pairs
}

// NoiseShare is the share of rows that are noise; NaN for no rows.
func NoiseShare(labels []int32) float64 {
	n := 0
	for _, l := range labels {
		if l < 0 {
			n++
		}
	}
	return float64(n) / float64(len(labels))
}

// CountClusters is the number of different labels, noise left out.
func CountClusters(labels []int32) int {
	sorted := slices.Clone(labels)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	if len(sorted) > 0 && sorted[0] < 0 {
		return len(sorted) - 1
	}
	return len(sorted)
}

// Silhouette is the mean silhouette width (Rousseeuw 1987, "Silhouettes: a
// graphical aid to the interpretation and validation of cluster analysis") of
// the rows in clusters, noise left out: (b − a) / max(a, b), where a is the mean
// Euclidean distance of a row to the others of its cluster and b the least mean
// distance to another cluster; 0 for the only row of a cluster. It lies in
// [−1,1], higher = apart; NaN with fewer than two clusters.
//
// points are row-major, dim per row. Of more than limit clustered rows (0 = all)
// a random sample of that many, drawn with seed, is compared within itself.
// O(min(n, limit)² · dim).
func Silhouette(points []float64, dim int, labels []int32, limit int, seed uint64) float64 {
	mustMatch(len(points) == dim*len(labels))
	var rows []int
	for i, l := range labels {
		if l >= 0 {
			rows = append(rows, i)
		}
	}
	if limit > 0 && len(rows) > limit {
		rng := rand.New(rand.NewPCG(seed, 0))
		for i := range limit {
			j := i + rng.IntN(len(rows)-i)
			rows[i], rows[j] = rows[j], rows[i]
		}
		rows = rows[:limit]
		slices.Sort(rows)
	}
	names := make([]int32, len(rows))
	for i, r := range rows {
		names[i] = labels[r]
	}
	slices.Sort(names)
	names = slices.Compact(names)
	k := len(names)
	if k < 2 {
		return math.NaN()
	}
	cluster := make([]int, len(rows))
	size := make([]int, k)
	for i, r := range rows {
		cluster[i], _ = slices.BinarySearch(names, labels[r])
		size[cluster[i]]++
	}
	total := 0.0
	sum := make([]float64, k)
	for i, r := range rows {
		own := cluster[i]
		if size[own] == 1 {
			continue
		}
		clear(sum)
		p := points[r*dim:][:dim]
		for j, s := range rows {
			q := points[s*dim:][:dim]
			d := 0.0
			for c, v := range p {
				d += float64((v - q[c]) * (v - q[c]))
			}
			sum[cluster[j]] += math.Sqrt(d)
		}
		a := sum[own] / float64(size[own]-1)
		b := math.Inf(1)
		for c := range sum {
			if c != own {
				b = math.Min(b, sum[c]/float64(size[c]))
			}
		}
		if m := math.Max(a, b); m > 0 { // all at one point: 0
			total += (b - a) / m
		}
	}
	return total / float64(len(rows))
}
