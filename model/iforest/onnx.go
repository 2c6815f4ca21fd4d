package iforest

import (
	"fmt"
	"math"

	"apiml/internal/onnx"
)

// AppendONNX appends f as an ONNX model to dst: TreeEnsembleRegressor for the
// mean path length, Mul and Exp for the score; input "input" float32 [rows,
// columns], output "output" float32 [rows, 1]. Scores agree with Score to about
// 1e-6. Error: an extension, for which there is no operator.
func (f *Forest) AppendONNX(dst []byte, name, version string) ([]byte, error) {
	if f.planes != nil {
		return nil, fmt.Errorf("iforest: ONNX has no operator for trees of hyperplanes; export one fitted with extension 0")
	}
	g := &onnx.Graph{Name: name, Tool: "apiml", Version: version, Columns: len(f.schema.Columns), Average: true}
	g.Doc = "Columns of the input, in order: see the metadata. A missing value is NaN. The output is in [0,1], higher = odder."
	g.Metadata = append(g.Metadata, [2]string{"schema", f.schema.ID()})
	for j, c := range f.schema.Columns {
		g.Metadata = append(g.Metadata, [2]string{fmt.Sprintf("column.%d", j), c.Name})
	}
	scale := -math.Ln2 // one row only: every score is 0.5
	if f.norm > 0 {
		scale = -math.Ln2 / f.norm
	}
	for _, t := range f.trees {
		nodes := make([]onnx.Node, len(t))
		for i, n := range t {
			if n.Feature < 0 {
				length := f.length[n.Next]
				if f.norm == 0 {
					length = 1
				}
				nodes[i] = onnx.Node{Column: -1, Weights: []onnx.Weight{{Value: length}}}
				continue
			}
			nodes[i] = onnx.Node{Column: int(n.Feature), Threshold: n.Threshold, Yes: int(n.Next), No: int(n.Next) + 1, MissingYes: n.Missing == 0}
		}
		g.Trees = append(g.Trees, nodes)
	}
	g.Finish = []onnx.Step{{Op: "Mul", Value: float32(scale)}, {Op: "Exp"}}
	return g.Append(dst)
}
