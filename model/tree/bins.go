package tree

import (
	"context"
	"fmt"
	"math"
	"slices"

	"apiml/frame"
	"apiml/model"
)

const (
	// MaxBins is the largest number of bins for values; one more code is kept
	// for missing values.
	MaxBins = 255
	// MissingBin is the code of a missing value (NaN).
	MissingBin = 255
	// MaxColumns is the largest number of columns that a tree can split on.
	MaxColumns = math.MaxInt16
	// binSample is how many rows the cuts of a column with many distinct values
	// are taken from. 100,000 rows place a quantile within 0.3 % of the rows,
	// less than the width of a bin (0.4 %).
	binSample = 100_000
)

// Binned is a matrix whose values are replaced by the number of the bin in
// which they lie. It is read-only once made.
type Binned struct {
	N int
	// Cols holds one byte per row: the smallest b with x ≤ Cuts[b], or
	// MissingBin.
	Cols [][]uint8
	// Cuts holds the upper ends of each column's bins, ascending, at most
	// MaxBins of them; the last is math.MaxFloat32, so that every finite value
	// has a bin. A column without any value has that one bin.
	Cuts [][]float32
}

// Bin bins the columns of x. A column with at most maxBins distinct values gets
// one bin for each, cut half-way between neighbours: splits on bins are then
// the exact splits of CART. Others get bins of about equal row counts; a value
// with more rows than that gets a bin of its own. maxBins must lie in
// 2…MaxBins. Cost: O(rows · columns).
func Bin(ctx context.Context, x *frame.Matrix, maxBins, workers int) (*Binned, error) {
	if maxBins < 2 || maxBins > MaxBins {
		return nil, fmt.Errorf("tree: %d bins, possible are 2 to %d", maxBins, MaxBins)
	}
	if len(x.Cols) > MaxColumns {
		return nil, fmt.Errorf("tree: %d columns, at most %d are possible", len(x.Cols), MaxColumns)
	}
	b := &Binned{N: x.Rows(), Cols: make([][]uint8, len(x.Cols)), Cuts: make([][]float32, len(x.Cols))}
	buf := make([]uint8, len(x.Cols)*b.N)
	err := model.Parallel(ctx, workers, len(x.Cols), nil, func(_, j int) error {
		b.Cuts[j] = cuts(x.Cols[j], maxBins)
		b.Cols[j] = buf[j*b.N : (j+1)*b.N : (j+1)*b.N]
		assign(b.Cols[j], x.Cols[j], b.Cuts[j])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// cuts returns the upper ends of the bins of a column.
func cuts(col []float32, maxBins int) []float32 {
	values, ok := distinct(col, maxBins)
	if !ok {
		return quantileCuts(col, maxBins)
	}
	ends := make([]float32, 0, len(values)+1)
	for i := 1; i < len(values); i++ {
		ends = append(ends, between(values[i-1], values[i]))
	}
	return append(ends, math.MaxFloat32)
}

// between returns a cut t with a ≤ t < b, half-way if float32 can hold it.
func between(a, b float32) float32 {
	t := float32((float64(a) + float64(b)) / 2)
	if t >= b || t < a {
		return a
	}
	return t
}

// distinct returns the different values of col in ascending order, or false if
// there are more than limit. Columns with many values are given up early, so
// this costs little for them.
func distinct(col []float32, limit int) ([]float32, bool) {
	const slots = 1024 // at most a quarter full: limit ≤ 255
	var table [slots]float32
	var used [slots]bool
	values := make([]float32, 0, limit+1)
	last := float32(math.NaN())
	for _, v := range col {
		if v == last || v != v {
			continue
		}
		last = v
		v += 0 // -0 becomes 0: they are equal and must hash alike
		for h := math.Float32bits(v) * 0x9E3779B1 >> 22; ; h = (h + 1) % slots {
			if used[h] {
				if table[h] == v {
					break
				}
				continue
			}
			if len(values) == limit {
				return nil, false
			}
			used[h], table[h] = true, v
			values = append(values, v)
			break
		}
	}
	slices.Sort(values)
	return values, true
}

// quantileCuts places cuts so that bins hold about equally many rows of a
// sample. A value that fills a bin by itself does not widen its neighbours:
// the rows left are shared out again after each cut.
func quantileCuts(col []float32, maxBins int) []float32 {
	sample := make([]float32, 0, min(len(col), binSample))
	// Rows at even distances, not drawn: the cuts then need no seed.
	n := min(len(col), binSample)
	for i := range n {
		if v := col[int(int64(i)*int64(len(col))/int64(n))]; v == v {
			sample = append(sample, v)
		}
	}
	slices.Sort(sample)
	ends := make([]float32, 0, maxBins)
	for lo := 0; lo < len(sample) && len(ends) < maxBins-1; {
		want := (len(sample) - lo) / (maxBins - len(ends))
		hi := lo + max(want, 1)
		if hi >= len(sample) {
			break
		}
		v := sample[hi-1]
		begin := lo + lowerBound(sample[lo:hi], v)
		end := hi + upperBound(sample[hi:], v)
		// v repeats beyond the wanted end. Cut before or behind the run of v,
		// whichever leaves the bin nearer to its size.
		cut := end
		if begin > lo && hi-begin < end-hi {
			cut = begin
		}
		if cut >= len(sample) {
			break
		}
		ends = append(ends, between(sample[cut-1], sample[cut]))
		lo = cut
	}
	return append(ends, math.MaxFloat32)
}

// lowerBound is the number of values < v in sorted s, upperBound that of ≤ v.
func lowerBound(s []float32, v float32) int {
	i, _ := slices.BinarySearch(s, v)
	return i
}

func upperBound(s []float32, v float32) int {
	lo, hi := 0, len(s)
	for lo < hi {
		if mid := (lo + hi) / 2; s[mid] <= v {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// assign writes the bin of every value.
func assign(dst []uint8, col, ends []float32) {
	// A search over 256 ends without a branch that depends on the data: it
	// costs the same for every value, where a mispredicted branch per step
	// would cost four times as much.
	var e [256]float32
	for i := range e {
		e[i] = math.MaxFloat32
	}
	copy(e[:], ends)
	steps := 128
	for steps > 1 && len(ends) <= steps {
		steps /= 2
	}
	for i, v := range col {
		b := 0
		for s := steps; s > 0; s /= 2 {
			step := 0
			if e[b+s-1] < v {
				step = s
			}
			b += step
		}
		if v != v {
			b = MissingBin
		}
		dst[i] = uint8(b)
	}
}
