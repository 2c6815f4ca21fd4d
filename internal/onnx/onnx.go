// Package onnx writes tree ensembles as ONNX models (opset 15, ai.onnx.ml 3),
// so that other runtimes can predict with them: onnxruntime, Triton, Spark, a
// browser. It reads nothing and knows no model of ours: a caller fills a
// Graph and calls Append.
//
// The format is a protocol buffer (onnx/onnx.proto of the ONNX project, IR
// version 8). The few messages that a tree ensemble needs are encoded by hand
// in proto.go: the library that generates them is larger than this program.
//
// The model has one input, "input": float32 [rows, Columns], NaN = missing.
// A classifier has the outputs "label" (string [rows]) and "probabilities"
// (float32 [rows, classes]); any other graph has "output" (float32 [rows,
// Targets]).
package onnx

import (
	"fmt"
	"math"
	"slices"
)

// Graph is a tree ensemble with what comes before and after it.
type Graph struct {
	Name     string      // of the graph: "attack"
	Doc      string      // one paragraph for people
	Tool     string      // producer: "apiml"
	Version  string      // of the producer: "0.1.0"
	Metadata [][2]string // key and value, in this order; column names for example
	Columns  int         // width of the input

	// Recode replaces the values of columns before the trees see them.
	Recode []Recode

	Trees     [][]Node
	Classes   []string // a classifier; nil = a regressor
	Targets   int      // of a regressor, 0 = 1
	Average   bool     // regressor: trees are averaged, not summed
	Base      []float32
	Transform string // "" = NONE, "SOFTMAX", "LOGISTIC": applied to the sums

	// Finish is applied to the output of a regressor, in order.
	Finish []Step
}

// Node is one node of a tree; children stand in the same slice.
type Node struct {
	Column     int     // < 0 = leaf
	Threshold  float32 // rows with x ≤ Threshold (Less: x < Threshold; Equal: x = Threshold) go to Yes
	Less       bool
	Equal      bool
	Yes, No    int
	MissingYes bool     // a missing value goes to Yes, else to No
	Weights    []Weight // of a leaf
}

// Weight is what a leaf adds to a class or target.
type Weight struct {
	Target int
	Value  float32
}

// Recode maps the values From[i] of a column to To[i] and all others, NaN
// among them, to NaN.
type Recode struct {
	Column   int
	From, To []float32
}

// Step is one operation on every element of the output: "Exp", "Neg", "Abs",
// "Floor", "Relu" without a value; "Mul", "Add", "Sub", "Div", "Pow", "Max",
// "Min" with Value as the second operand.
type Step struct {
	Op    string
	Value float32
}

const (
	typeFloat  = 1
	typeInt64  = 7
	typeString = 8
)

// Append appends the encoded model to dst. Errors: a tree that is empty, has a
// child that does not stand behind its parent, or names a column or target
// that is not there.
func (g *Graph) Append(dst []byte) ([]byte, error) {
	if err := g.check(); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	var graph message
	last := g.recode(&graph)
	ensemble, out := g.ensemble(last)
	graph.message(1, ensemble)
	last = out
	for i, s := range g.Finish {
		name := fmt.Sprintf("step%d", i)
		if i == len(g.Finish)-1 {
			name = "output"
		}
		inputs := []string{last}
		if twoOperands(s.Op) {
			inputs = append(inputs, name+"_value")
			graph.message(5, floatTensor(name+"_value", nil, []float32{s.Value}))
		}
		graph.message(1, node(s.Op, "", inputs, []string{name}, nil))
		last = name
	}
	name := g.Name
	if name == "" {
		name = "ensemble"
	}
	graph.text(2, name)
	graph.message(11, valueInfo("input", typeFloat, int64(g.Columns)))
	if g.Classes != nil {
		graph.message(12, valueInfo("label", typeString, -1))
		graph.message(12, valueInfo("probabilities", typeFloat, int64(len(g.Classes))))
	} else {
		graph.message(12, valueInfo("output", typeFloat, int64(g.targets())))
	}

	var m message
	m.integer(1, 8) // IR version
	m.text(2, g.Tool)
	m.text(3, g.Version)
	m.text(6, g.Doc)
	m.message(7, graph)
	m.message(8, opset("", 15))
	m.message(8, opset("ai.onnx.ml", 3))
	for _, kv := range g.Metadata {
		var e message
		e.text(1, kv[0])
		e.text(2, kv[1])
		m.message(14, e)
	}
	return append(dst, m...), nil
}

func (g *Graph) targets() int {
	if g.Classes != nil {
		return len(g.Classes)
	}
	return max(1, g.Targets)
}

func (g *Graph) check() error {
	if len(g.Trees) == 0 {
		return fmt.Errorf("no trees")
	}
	if g.Classes != nil && len(g.Finish) > 0 {
		return fmt.Errorf("steps behind a classifier")
	}
	if n := len(g.Base); n > 0 && n != g.targets() {
		return fmt.Errorf("%d base values for %d targets", n, g.targets())
	}
	for k, t := range g.Trees {
		if len(t) == 0 {
			return fmt.Errorf("tree %d is empty", k)
		}
		for i, n := range t {
			switch {
			case n.Column >= g.Columns:
				return fmt.Errorf("tree %d, node %d splits column %d of %d", k, i, n.Column, g.Columns)
			case n.Column >= 0 && (n.Yes <= i || n.No <= i || n.Yes >= len(t) || n.No >= len(t)):
				return fmt.Errorf("tree %d, node %d has the children %d and %d of %d", k, i, n.Yes, n.No, len(t))
			}
			for _, w := range n.Weights {
				if w.Target < 0 || w.Target >= g.targets() {
					return fmt.Errorf("tree %d, leaf %d adds to target %d of %d", k, i, w.Target, g.targets())
				}
			}
		}
	}
	for _, s := range g.Finish {
		if !twoOperands(s.Op) && !slices.Contains([]string{"Exp", "Neg", "Abs", "Floor", "Relu"}, s.Op) {
			return fmt.Errorf("step %q is not known", s.Op)
		}
	}
	return nil
}

func twoOperands(op string) bool {
	return slices.Contains([]string{"Mul", "Add", "Sub", "Div", "Pow", "Max", "Min"}, op)
}

// recode writes the nodes that map the columns of g.Recode and returns the name
// of the result: runs of other columns and recoded ones, joined again.
func (g *Graph) recode(graph *message) string {
	if len(g.Recode) == 0 {
		return "input"
	}
	by := make(map[int]Recode)
	for _, r := range g.Recode {
		by[r.Column] = r
	}
	var parts []string
	gather := func(columns []int64) string {
		name := fmt.Sprintf("columns%d", len(parts))
		graph.message(5, intTensor(name+"_index", columns))
		graph.message(1, node("Gather", "", []string{"input", name + "_index"}, []string{name}, []message{attrInt("axis", 1)}))
		return name
	}
	var run []int64
	flush := func() {
		if len(run) > 0 {
			parts = append(parts, gather(run))
			run = nil
		}
	}
	for j := range g.Columns {
		r, ok := by[j]
		if !ok {
			run = append(run, int64(j))
			continue
		}
		flush()
		raw := gather([]int64{int64(j)})
		graph.message(1, node("LabelEncoder", "ai.onnx.ml", []string{raw}, []string{raw + "_code"}, []message{
			attrFloats("keys_floats", r.From), attrFloats("values_floats", r.To), attrFloat("default_float", float32(math.NaN())),
		}))
		parts = append(parts, raw+"_code")
	}
	flush()
	graph.message(1, node("Concat", "", parts, []string{"features"}, []message{attrInt("axis", 1)}))
	return "features"
}

// ensemble is the node of the trees and the name of its result.
func (g *Graph) ensemble(input string) (message, string) {
	var treeIDs, nodeIDs, columns, yes, no, missing []int64
	var values []float32
	var modes []string
	var wTree, wNode, wTarget []int64
	var weights []float32
	for k, t := range g.Trees {
		for i, n := range t {
			treeIDs, nodeIDs = append(treeIDs, int64(k)), append(nodeIDs, int64(i))
			if n.Column < 0 {
				columns, yes, no, missing = append(columns, 0), append(yes, 0), append(no, 0), append(missing, 0)
				values, modes = append(values, 0), append(modes, "LEAF")
				for _, w := range n.Weights {
					wTree, wNode, wTarget = append(wTree, int64(k)), append(wNode, int64(i)), append(wTarget, int64(w.Target))
					weights = append(weights, w.Value)
				}
				continue
			}
			mode, miss := "BRANCH_LEQ", int64(0)
			if n.Less {
				mode = "BRANCH_LT"
			}
			if n.Equal {
				mode = "BRANCH_EQ"
			}
			if n.MissingYes {
				miss = 1
			}
			columns, yes, no = append(columns, int64(n.Column)), append(yes, int64(n.Yes)), append(no, int64(n.No))
			missing, values, modes = append(missing, miss), append(values, n.Threshold), append(modes, mode)
		}
	}
	transform := g.Transform
	if transform == "" {
		transform = "NONE"
	}
	attrs := []message{
		attrInts("nodes_treeids", treeIDs), attrInts("nodes_nodeids", nodeIDs), attrInts("nodes_featureids", columns),
		attrFloats("nodes_values", values), attrStrings("nodes_modes", modes),
		attrInts("nodes_truenodeids", yes), attrInts("nodes_falsenodeids", no),
		attrInts("nodes_missing_value_tracks_true", missing), attrString("post_transform", transform),
	}
	if len(g.Base) > 0 {
		attrs = append(attrs, attrFloats("base_values", g.Base))
	}
	if g.Classes != nil {
		attrs = append(attrs, attrStrings("classlabels_strings", g.Classes),
			attrInts("class_treeids", wTree), attrInts("class_nodeids", wNode), attrInts("class_ids", wTarget), attrFloats("class_weights", weights))
		return node("TreeEnsembleClassifier", "ai.onnx.ml", []string{input}, []string{"label", "probabilities"}, attrs), ""
	}
	aggregate, out := "SUM", "output"
	if g.Average {
		aggregate = "AVERAGE"
	}
	if len(g.Finish) > 0 {
		out = "sum"
	}
	attrs = append(attrs, attrInt("n_targets", int64(g.targets())), attrString("aggregate_function", aggregate),
		attrInts("target_treeids", wTree), attrInts("target_nodeids", wNode), attrInts("target_ids", wTarget), attrFloats("target_weights", weights))
	return node("TreeEnsembleRegressor", "ai.onnx.ml", []string{input}, []string{out}, attrs), out
}
