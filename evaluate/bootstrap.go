package evaluate

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// Ranking is a set of scored rows in order, sorted once, whose curve areas can
// then be computed many times under different row weights.
type Ranking struct {
	row      []int32 // rows by falling score
	end      []int32 // ends of the runs of equal scores within row
	positive []bool
}

// NewRanking sorts the rows. It keeps positive.
func NewRanking(scores []float64, positive []bool) *Ranking {
	mustMatch(len(scores) == len(positive))
	r := &Ranking{row: make([]int32, len(scores)), positive: positive}
	for i := range r.row {
		r.row[i] = int32(i)
	}
	slices.SortFunc(r.row, func(a, b int32) int { return cmp.Compare(scores[b], scores[a]) })
	for i, a := range r.row {
		if i+1 == len(r.row) || cmp.Compare(scores[a], scores[r.row[i+1]]) != 0 {
			r.end = append(r.end, int32(i+1))
		}
	}
	return r
}

// Areas returns AUC and average precision with row i counted weight[i] times;
// NaN where they are not defined.
func (r *Ranking) Areas(weight []int32) (auc, ap float64) {
	mustMatch(len(weight) == len(r.row))
	var tp, fp, area2 int64
	var sum float64
	lo := int32(0)
	for _, hi := range r.end {
		tp0, fp0 := tp, fp
		for _, i := range r.row[lo:hi] {
			if r.positive[i] {
				tp += int64(weight[i])
			} else {
				fp += int64(weight[i])
			}
		}
		lo = hi
		area2 += (fp - fp0) * (tp + tp0)
		if tp > tp0 {
			sum += float64(float64(tp-tp0) * (float64(tp) / float64(tp+fp)))
		}
	}
	return float64(area2) / (2 * float64(tp) * float64(fp)), sum / float64(tp)
}

// Bootstrap calls fn replicates times with random row weights and returns the
// standard deviation of each of the values that fn returns (always the same
// number of them; NaN ones are left out). Rows of one group share their weight,
// so that the spread counts principals, not their thousands of like requests;
// nil groups = every row its own. Weights are Poisson(1) (Hanley & MacGibbon
// 2006): replicate r draws from PCG(seed, r) in the order in which the groups
// first occur. weight is reused between calls.
func Bootstrap(groups []uint64, rows, replicates int, seed uint64, fn func(weight []int32) []float64) []float64 {
	values := BootstrapValues(groups, rows, replicates, seed, fn)
	sd := make([]float64, len(values))
	for k, v := range values {
		_, sd[k], _ = MeanSD(v)
	}
	return sd
}

// BootstrapValues is Bootstrap with all that fn returned: values[k][r] is value k
// of replicate r. Spread makes an interval of them.
func BootstrapValues(groups []uint64, rows, replicates int, seed uint64, fn func(weight []int32) []float64) (values [][]float64) {
	mustMatch(groups == nil || len(groups) == rows)
	id := make([]int32, rows)
	n := int32(rows)
	if groups == nil {
		for i := range id {
			id[i] = int32(i)
		}
	} else {
		seen := make(map[uint64]int32)
		for i, g := range groups {
			k, ok := seen[g]
			if !ok {
				k = int32(len(seen))
				seen[g] = k
			}
			id[i] = k
		}
		n = int32(len(seen))
	}
	draw := make([]int32, n)
	weight := make([]int32, rows)
	for r := range replicates {
		rng := rand.New(rand.NewPCG(seed, uint64(r)))
		for g := range draw {
			draw[g] = poisson1(rng.Float64())
		}
		for i, g := range id {
			weight[i] = draw[g]
		}
		for k, v := range fn(weight) {
			if k == len(values) {
				values = append(values, nil)
			}
			values[k] = append(values[k], v)
		}
	}
	return values
}

// poisson1 is the quantile function of the Poisson distribution with mean 1.
func poisson1(u float64) int32 {
	p := 1 / math.E
	k := int32(0)
	for cum := p; u >= cum && k < 20; cum += p {
		k++
		p /= float64(k)
	}
	return k
}
