package boost

import (
	"fmt"
	"math"

	"apiml/internal/onnx"
	"apiml/model/tree"
)

// AppendONNX appends the ensemble of Predict, without the quantiles, as an ONNX
// model (operator TreeEnsembleRegressor of ai.onnx.ml 3) to dst: input "input"
// float32 [rows, columns], output "output". It agrees with Predict to about 1e-6:
// other runtimes add in float32. A categorical split is a chain of comparisons.
// name and version say which model and which program wrote it. Error: an ensemble
// without trees.
func (m *Model) AppendONNX(dst []byte, name, version string) ([]byte, error) {
	g := m.graph(name, version, m.parts[m.point:m.point+1])
	g.Base = []float32{float32(m.parts[m.point].base)}
	switch {
	case m.config.Objective == Logistic:
		g.Transform = "LOGISTIC"
	case m.unit > 0:
		g.Finish = []onnx.Step{{Op: "Max"}, {Op: "Exp"}, {Op: "Sub", Value: 1}, {Op: "Mul", Value: float32(m.unit)}}
	}
	return g.Append(dst)
}

// AppendONNX is Model.AppendONNX for a classifier (operator
// TreeEnsembleClassifier): outputs "label" and "probabilities".
func (m *Classifier) AppendONNX(dst []byte, name, version string) ([]byte, error) {
	g := m.graph(name, version, m.parts)
	g.Classes, g.Transform = m.classes, "SOFTMAX"
	if len(m.parts) > 1 {
		for k := range m.parts {
			g.Base = append(g.Base, float32(m.parts[k].base))
		}
		return g.Append(dst)
	}
	// The softmax of (−z/2, z/2) is the logistic function of z. One weight alone,
	// or two base values, would be taken for a special case by some runtimes: the
	// base goes into the first tree.
	for k, t := range g.Trees {
		for i := range t {
			if t[i].Weights == nil {
				continue
			}
			v := float64(t[i].Weights[0].Value)
			if k == 0 {
				v += m.parts[0].base
			}
			t[i].Weights = []onnx.Weight{{Target: 0, Value: float32(-v / 2)}, {Target: 1, Value: float32(v / 2)}}
		}
	}
	return g.Append(dst)
}

func (m *core) graph(name, version string, parts []ensemble) *onnx.Graph {
	g := &onnx.Graph{Name: name, Tool: "apiml", Version: version, Columns: len(m.schema.Columns)}
	g.Doc = "Columns of the input, in order: see the metadata. A missing value is NaN."
	g.Metadata = append(g.Metadata, [2]string{"schema", m.schema.ID()})
	for j, c := range m.schema.Columns {
		g.Metadata = append(g.Metadata, [2]string{fmt.Sprintf("column.%d", j), c.Name})
	}
	for k := range parts {
		p := &parts[k]
		for _, t := range p.trees {
			g.Trees = append(g.Trees, m.onnxTree(t, p.leaf, k))
		}
		if len(p.trees) == 0 { // an operator needs a tree
			g.Trees = append(g.Trees, []onnx.Node{{Column: -1, Weights: []onnx.Weight{{Target: k}}}})
		}
	}
	return g
}

func (m *core) onnxTree(t tree.Tree, leaf []float32, target int) []onnx.Node {
	// A categorical node becomes several: find where each node stands.
	at := make([]int, len(t))
	chains := make([][]float32, len(t)) // codes to compare with
	size := 0
	for i, n := range t {
		at[i] = size
		size++
		if n.Feature >= 0 && m.categorical(int(n.Feature)) {
			chains[i] = m.chain(&n)
			size += max(0, len(chains[i])-1)
		}
	}
	nodes := make([]onnx.Node, size)
	for i, n := range t {
		here := &nodes[at[i]]
		if n.Feature < 0 {
			*here = onnx.Node{Column: -1, Weights: []onnx.Weight{{Target: target, Value: leaf[n.Next]}}}
			continue
		}
		left, right := at[n.Next], at[n.Next+1]
		if !m.categorical(int(n.Feature)) {
			*here = onnx.Node{Column: int(n.Feature), Threshold: n.Threshold, Yes: left, No: right, MissingYes: n.Missing == 0}
			if n.Threshold == math.MaxFloat32 { // the end of the last bin: only missing values go right
				here.Threshold = float32(math.Inf(1))
			}
			continue
		}
		// The side that codes outside the table do not take is listed.
		yes, no := right, left
		if m.elsewhere(&n) == 1 {
			yes, no = left, right
		}
		missingYes := (n.Missing == 1) == (yes == right)
		codes := chains[i]
		if len(codes) == 0 { // all go to one side
			*here = onnx.Node{Column: int(n.Feature), Threshold: float32(math.Inf(1)), Yes: no, No: yes, MissingYes: !missingYes}
			continue
		}
		for k, c := range codes {
			next := no
			if k+1 < len(codes) {
				next = at[i] + k + 1
			}
			nodes[at[i]+k] = onnx.Node{Column: int(n.Feature), Threshold: c, Equal: true, Yes: yes, No: next, MissingYes: missingYes}
		}
	}
	return nodes
}

// elsewhere is the side that codes outside the table take.
func (m *core) elsewhere(n *tree.Node) uint8 {
	if m.cats[n.Feature].other {
		return m.sets[int(n.Threshold)].has(otherBin)
	}
	return n.Missing
}

// chain lists the codes that go to the other side.
func (m *core) chain(n *tree.Node) (codes []float32) {
	side := m.elsewhere(n)
	for b, c := range m.cats[n.Feature].codes {
		if m.sets[int(n.Threshold)].has(uint8(b)) != side {
			codes = append(codes, c)
		}
	}
	return codes
}
