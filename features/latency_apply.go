package features

import (
	"fmt"

	"apiml/frame"
)

// Apply returns the given rows with the columns that a state gives, as a model
// that was fitted with it needs them, with Target, Group and Time.
func (d *LatencyDataset) Apply(s *LatencyState, rows []int) (*frame.Matrix, error) {
	for _, r := range rows {
		if r < 0 || r >= d.Rows {
			return nil, fmt.Errorf("features: row %d of %d", r, d.Rows)
		}
	}
	x := d.X.Select(rows)
	x.Schema = LatencySchema(s)
	x.Target, x.Group, x.Time = make([]float64, len(rows)), make([]uint64, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		x.Target[i], x.Group[i], x.Time[i] = d.Target[r], d.Groups[r], d.Times[r]
	}
	d.encode(x, s, s, rows, -1)
	return x, nil
}
