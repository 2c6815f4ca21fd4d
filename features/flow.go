package features

import (
	"context"
	"fmt"
	"math"

	"apiml/frame"
	"apiml/traffic"
)

// FlowSchema returns the columns of CIC-IDS2017: 77 of them, or 76 without
// "Destination Port", which alone gives 95 % of the labels away because each
// attack in that data set was aimed at one port. Without it is the default.
func FlowSchema(withPort bool) *frame.Schema {
	names := traffic.FlowColumns()
	s := &frame.Schema{Name: "flows"}
	for i, n := range names {
		if i == 0 && !withPort {
			continue
		}
		s.Columns = append(s.Columns, frame.Column{Name: n, Unit: flowUnit(n), Doc: "as CICFlowMeter computed it"})
	}
	return s
}

// flowUnit is the unit of a CICFlowMeter column; times are microseconds there.
func flowUnit(name string) string {
	switch name {
	case "Flow Bytes/s":
		return "bytes/s"
	case "Flow Packets/s", "Fwd Packets/s", "Bwd Packets/s":
		return "packets/s"
	case "Flow Duration", "Flow IAT Mean", "Flow IAT Std", "Flow IAT Max", "Flow IAT Min",
		"Fwd IAT Total", "Fwd IAT Mean", "Fwd IAT Std", "Fwd IAT Max", "Fwd IAT Min",
		"Bwd IAT Total", "Bwd IAT Mean", "Bwd IAT Std", "Bwd IAT Max", "Bwd IAT Min",
		"Active Mean", "Active Std", "Active Max", "Active Min", "Idle Mean", "Idle Std", "Idle Max", "Idle Min":
		return "us"
	}
	return ""
}

// ExtractFlows writes flows to dst, which has len(flows) rows and the columns of
// one of the FlowSchemas. Values are finite or NaN.
func ExtractFlows(dst *frame.Matrix, flows []traffic.Flow) {
	skip := traffic.NumFlowColumns - len(dst.Cols)
	if dst.N != len(flows) || skip < 0 || skip > 1 {
		panic("features: ExtractFlows: matrix does not fit")
	}
	for j := range dst.Cols {
		for i := range flows {
			dst.Cols[j][i] = finite(flows[i].Values[j+skip])
		}
	}
}

// finite narrows v; what float32 cannot hold is missing.
func finite(v float64) float32 {
	if math.Abs(v) > math.MaxFloat32 {
		return nan32()
	}
	return float32(v)
}

// FlowDataset is the training material of flows: one row per flow, in the order
// in which they were added. It is read-only and safe for concurrent use.
type FlowDataset struct {
	X      *frame.Matrix
	Labels []traffic.Label
	Groups []uint64 // hash of the exact row of features: duplicates stay together
	Times  []int64  // µs UTC; nil if no row has a time
	Hash   []uint64 // the same as Groups
}

// FlowBuilder collects flows.
type FlowBuilder struct {
	schema *frame.Schema
	cols   [][]float32
	d      *FlowDataset
}

// NewFlowBuilder returns an empty builder for FlowSchema(withPort).
func NewFlowBuilder(withPort bool) *FlowBuilder {
	s := FlowSchema(withPort)
	return &FlowBuilder{schema: s, cols: make([][]float32, len(s.Columns)), d: &FlowDataset{}}
}

// Add takes in the next flows.
func (b *FlowBuilder) Add(flows []traffic.Flow) {
	x := frame.NewMatrix(b.schema, len(flows))
	ExtractFlows(x, flows)
	for j := range b.cols {
		b.cols[j] = append(b.cols[j], x.Cols[j]...)
	}
	for i := range flows {
		b.d.Labels = append(b.d.Labels, flows[i].Label)
		b.d.Times = append(b.d.Times, flows[i].Time)
		b.d.Hash = append(b.d.Hash, flowHash(x, i))
	}
}

// flowHash hashes a row; all NaNs are equal, and so are the two zeros.
func flowHash(x *frame.Matrix, row int) uint64 {
	h := uint64(mix3)
	for _, c := range x.Cols {
		v := c[row]
		switch {
		case v != v:
			h = mix(h, 1<<40)
		case v == 0:
			h = mix(h, 0)
		default:
			h = mix(h, uint64(math.Float32bits(v)))
		}
	}
	return h
}

// FlowHashes returns the row identities of flows as FlowDataset.Hash has them.
func FlowHashes(withPort bool, flows []traffic.Flow) []uint64 {
	x := frame.NewMatrix(FlowSchema(withPort), len(flows))
	ExtractFlows(x, flows)
	out := make([]uint64, len(flows))
	for i := range out {
		out[i] = flowHash(x, i)
	}
	return out
}

// Dataset ends the building and returns the rows. It fails if there are none.
func (b *FlowBuilder) Dataset() (*FlowDataset, error) {
	d := b.d
	if len(d.Labels) == 0 {
		return nil, fmt.Errorf("features: no flows to learn from")
	}
	timed := false
	for _, t := range d.Times {
		timed = timed || t != traffic.NoTime
	}
	if !timed {
		d.Times = nil
	}
	d.Groups = d.Hash
	d.X = &frame.Matrix{Schema: b.schema, Cols: b.cols, N: len(d.Labels), Group: d.Groups, Time: d.Times}
	return d, nil
}

// Rows is the number of rows.
func (d *FlowDataset) Rows() int { return len(d.Labels) }

// Fold selects the rows of both sides; flows have no fitted state, so State is
// nil.
func (d *FlowDataset) Fold(ctx context.Context, train, test []int) (Fold, error) {
	for _, rows := range [][]int{train, test} {
		for _, r := range rows {
			if r < 0 || r >= d.Rows() {
				return Fold{}, fmt.Errorf("features: row %d of %d", r, d.Rows())
			}
		}
	}
	return Fold{Fit: d.X.Select(train), Eval: d.X.Select(test)}, ctx.Err()
}
