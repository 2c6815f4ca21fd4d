package forest

import (
	"fmt"
	"math"

	"apiml/internal/onnx"
	"apiml/model/tree"
)

// AppendONNX appends f as an ONNX model (operators TreeEnsembleClassifier of
// ai.onnx.ml 3, LabelEncoder for categories) to dst: input "input" float32
// [rows, columns], outputs "label" and "probabilities". Probabilities agree with
// PredictProba to about 1e-6: other runtimes add in float32. name and version
// say which model and which program wrote it. Error: a calibration, which has no
// operator.
func (f *Forest) AppendONNX(dst []byte, name, version string) ([]byte, error) {
	if f.calibration.kind != "" {
		return nil, fmt.Errorf("forest: ONNX has no operator for a calibrated forest; export one fitted with calibration \"none\"")
	}
	g := f.graph(name, version)
	g.Classes = f.classes
	unit := 1 / (float64(one) * float64(len(f.trees)))
	for _, t := range f.trees {
		g.Trees = append(g.Trees, onnxTree(t, func(next int32) (w []onnx.Weight) {
			for at := next; ; at++ {
				s := f.shares[at]
				w = append(w, onnx.Weight{Target: int(s >> 16 & (tree.MaxClasses - 1)), Value: float32(float64(s&one) * unit)})
				if s&last != 0 {
					return w
				}
			}
		}))
	}
	return g.Append(dst)
}

// AppendONNX is Forest.AppendONNX for a Regressor: one output, "output".
func (f *Regressor) AppendONNX(dst []byte, name, version string) ([]byte, error) {
	g := f.graph(name, version)
	g.Average = true
	for _, t := range f.trees {
		g.Trees = append(g.Trees, onnxTree(t, func(next int32) []onnx.Weight { return []onnx.Weight{{Value: f.means[next]}} }))
	}
	return g.Append(dst)
}

func (f *ensemble) graph(name, version string) *onnx.Graph {
	g := &onnx.Graph{Name: name, Tool: "apiml", Version: version, Columns: len(f.schema.Columns)}
	g.Doc = "Columns of the input, in order: see the metadata. A missing value is NaN."
	g.Metadata = append(g.Metadata, [2]string{"schema", f.schema.ID()})
	for j, c := range f.schema.Columns {
		g.Metadata = append(g.Metadata, [2]string{fmt.Sprintf("column.%d", j), c.Name})
	}
	for j, o := range f.orders {
		if o.codes != nil {
			g.Recode = append(g.Recode, onnx.Recode{Column: j, From: o.codes, To: o.ranks})
		}
	}
	return g
}

// onnxTree is t with the weights of its leaves.
func onnxTree(t tree.Tree, weights func(next int32) []onnx.Weight) []onnx.Node {
	nodes := make([]onnx.Node, len(t))
	for i, n := range t {
		if n.Feature < 0 {
			nodes[i] = onnx.Node{Column: -1, Weights: weights(n.Next)}
			continue
		}
		nodes[i] = onnx.Node{Column: int(n.Feature), Threshold: n.Threshold, Yes: int(n.Next), No: int(n.Next) + 1, MissingYes: n.Missing == 0}
		if n.Threshold == math.MaxFloat32 { // the end of the last bin: only missing values go right
			nodes[i].Threshold = float32(math.Inf(1))
		}
	}
	return nodes
}
