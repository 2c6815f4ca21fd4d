package boost

import (
	"context"
	"fmt"
	"math"
	"slices"

	"apiml/frame"
	"apiml/model"
	"apiml/model/tree"
)

const (
	// maxCategories is the number of categories of a column that have a bin; one
	// bin is kept for all codes outside the table, one for missing values.
	maxCategories = 254
	// otherBin is the bin of codes outside the table where they are not missing.
	otherBin = 254
	// group is how many columns stand in one word.
	group = 8
	// bothBytes is how much the bins may take to be held by column too.
	bothBytes = 128 << 20
	// maxRows is what 32-bit sums of rounded gradients can hold with ten bits for
	// each row.
	maxRows = 1 << 24
)

// category is the table of a categorical column: the bin of a code is its place.
type category struct {
	codes []float32 // ascending; nil = the column holds numbers
	other bool      // codes outside the table have the bin otherBin, else they are missing
}

// bin is the bin of a code as a number, NaN = missing.
func (c *category) bin(v float32) float32 {
	if i, ok := slices.BinarySearch(c.codes, v); ok && v == v {
		return float32(i)
	}
	if c.other && v == v {
		return otherBin
	}
	return float32(math.NaN())
}

// code is bin for histograms.
func (c *category) code(v float32) uint8 {
	if b := c.bin(v); b == b {
		return uint8(b)
	}
	return tree.MissingBin
}

// findCategories makes the tables of the named columns. The most frequent
// categories get a bin, the rest counts as missing.
func findCategories(x *frame.Matrix, names []string) ([]category, error) {
	if len(names) == 0 {
		return nil, nil
	}
	out := make([]category, len(x.Cols))
	for _, name := range names {
		j := x.Schema.Index(name)
		count := make(map[float32]int)
		for _, v := range x.Cols[j] {
			if v == v {
				count[v+0]++ // -0 becomes 0
				if len(count) > 1<<20 {
					return nil, fmt.Errorf("boost: categorical: column %q has over a million categories", name)
				}
			}
		}
		codes := make([]float32, 0, len(count)+1)
		for v := range count {
			codes = append(codes, v)
		}
		slices.Sort(codes)
		if len(codes) > maxCategories {
			slices.SortStableFunc(codes, func(a, b float32) int { return count[b] - count[a] })
			codes = codes[:maxCategories]
			slices.Sort(codes)
		}
		if len(codes) == 0 { // only missing values: still no number
			codes = append(codes, 0)
		}
		out[j].codes = codes
	}
	return out, nil
}

// growth is one fit: what its ensembles share, read-only once made.
type growth struct {
	config  Config
	seed    uint64
	y       []float64   // on the working scale
	cuts    [][]float32 // of tree.Binned
	cats    []category  // per column, nil without categorical columns
	sign    []int8      // per slot: monotone constraint
	slots   []int       // columns with something to split on; a slot is an index into it
	last    []int       // per slot: its last bin
	cols    [][]uint8   // per slot: bins by row; nil if that takes too much memory
	records []uint64    // per row: room for its gradients, then the bins of eight slots per word, first slot lowest
	stride  int         // words of a record
	fit     []int32     // rows to fit on, ascending
	hold    []int32     // rows to stop by; nil without early stopping
}

// prepare bins x.
func prepare(ctx context.Context, x *frame.Matrix, c *Config, opt model.FitOptions) (*growth, error) {
	g := &growth{config: *c, seed: opt.Seed}
	var err error
	if g.cats, err = findCategories(x, c.Categorical); err != nil {
		return nil, err
	}
	binned, err := tree.Bin(ctx, x, c.Bins, opt.Workers)
	if err != nil {
		return nil, err
	}
	g.cuts = binned.Cuts
	for j := range g.cats {
		if cat := &g.cats[j]; cat.codes != nil {
			g.cuts[j] = nil
			for i, v := range x.Cols[j] {
				binned.Cols[j][i] = cat.code(v)
			}
		}
	}
	// A column with one value has nothing to split on and costs nothing.
	for j, col := range binned.Cols {
		for _, b := range col {
			if b != col[0] {
				last := len(g.cuts[j]) - 1
				if g.categorical(j) {
					last = len(g.cats[j].codes) - 1
				}
				g.slots, g.last = append(g.slots, j), append(g.last, last)
				g.cols = append(g.cols, col)
				g.sign = append(g.sign, int8(c.Monotone[x.Schema.Columns[j].Name]))
				break
			}
		}
	}
	g.stride = 1 + (len(g.slots)+group-1)/group
	g.records = make([]uint64, g.stride*x.N)
	const block = 8192
	err = model.Parallel(ctx, opt.Workers, (x.N+block-1)/block, nil, func(_, k int) error {
		for s, col := range g.cols {
			at, shift := 1+s/group, 8*(s%group)
			for r := k * block; r < min((k+1)*block, x.N); r++ {
				g.records[r*g.stride+at] |= uint64(col[r]) << shift
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(g.cols)*x.N > bothBytes {
		g.cols = nil
	}
	return g, nil
}

func (g *growth) categorical(column int) bool {
	return g.cats != nil && g.cats[column].codes != nil
}
