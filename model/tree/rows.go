package tree

import (
	"context"
	"fmt"

	"apiml/frame"
	"apiml/model"
)

// Rows is a binned matrix row by row: what the Grower works on. A node tries
// several columns of the same rows, and below the top of a tree these rows lie
// far apart; a row of a hundred bytes is then one or two lines of the cache,
// where columns would be one line for each.
type Rows struct {
	N, Columns int
	Codes      []uint8     // row r: Codes[r*Columns:(r+1)*Columns], as in Binned.Cols
	Cuts       [][]float32 // as in Binned
	// Cols is the same column by column, or nil if that takes more than
	// bothBytes: at the top of a tree nearly all rows are counted, and a column of
	// all rows fits into the second-level cache.
	Cols [][]uint8
}

// bothBytes is how much the bins may take to be held twice.
const bothBytes = 64 << 20

// BinRows is Bin with the result row by row.
func BinRows(ctx context.Context, x *frame.Matrix, maxBins, workers int) (*Rows, error) {
	if maxBins < 2 || maxBins > MaxBins {
		return nil, fmt.Errorf("tree: %d bins, possible are 2 to %d", maxBins, MaxBins)
	}
	columns := len(x.Cols)
	if columns > MaxColumns {
		return nil, fmt.Errorf("tree: %d columns, at most %d are possible", columns, MaxColumns)
	}
	r := &Rows{N: x.Rows(), Columns: columns, Cuts: make([][]float32, columns)}
	err := model.Parallel(ctx, workers, columns, nil, func(_, j int) error {
		r.Cuts[j] = cuts(x.Cols[j], maxBins)
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.Codes = make([]uint8, columns*r.N)
	if columns*r.N <= bothBytes {
		all := make([]uint8, columns*r.N)
		for j := range columns {
			r.Cols = append(r.Cols, all[j*r.N:(j+1)*r.N:(j+1)*r.N])
		}
	}
	// Blocks of rows: two workers never write to the same line of the cache.
	const block = 4096
	err = model.Parallel(ctx, workers, (r.N+block-1)/block, nil, func(_, k int) error {
		lo, hi := k*block, min((k+1)*block, r.N)
		var buf [block]uint8
		for j, col := range x.Cols {
			codes := buf[:hi-lo]
			if r.Cols != nil {
				codes = r.Cols[j][lo:hi]
			}
			assign(codes, col[lo:hi], r.Cuts[j])
			at := lo*columns + j
			for _, c := range codes {
				r.Codes[at] = c
				at += columns
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}
