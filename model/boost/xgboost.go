package boost

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"apiml/frame"
	"apiml/model/tree"
)

// The model file of XGBoost in JSON, as versions 1.7 to 3 write and read it
// (doc/model.schema of XGBoost). Its rows go left if x < threshold, ours if x ≤
// threshold: the threshold becomes the next float32 above or below, which is the
// same split for every float32. XGBoost sends the categories of a set right and
// all other codes left; so an imported column has a bin of its own for other
// codes, and an exported model sends codes that the fit gave no bin left, where
// this one takes them for missing.

const (
	xgbRoot   = math.MaxInt32 // parent of a root
	attrUnit  = "apiml_unit"  // learner.attributes: unit of the scale ln(1 + y/unit)
	attrSeed  = "apiml_seed"
	maxImport = 1 << 26 // nodes of an imported model
)

// AppendXGBoost appends m as an XGBoost model in JSON to dst: the ensemble of
// Predict, without the quantiles. With squared_log_error its output is ln(1 +
// y/Unit()), because XGBoost has no objective whose output is turned back from
// there; the attribute "apiml_unit" holds the unit, and ParseXGBoost heeds it.
// Error: a category that is no whole number of 0 to 2²⁴.
func (m *Model) AppendXGBoost(dst []byte) ([]byte, error) {
	name, param := "reg:squarederror", `"reg_loss_param":{"scale_pos_weight":"1"}`
	base := float32(m.parts[m.point].base)
	switch m.config.Objective {
	case AbsoluteError, Quantile:
		name, param = "reg:absoluteerror", ""
	case Huber:
		name, param = "reg:pseudohubererror", `"pseudo_huber_param":{"huber_slope":"`+float(float32(m.config.HuberDelta))+`"}`
	case Logistic:
		name = "binary:logistic"
	}
	attributes := map[string]string{attrSeed: strconv.FormatUint(m.seed, 10)}
	if m.unit > 0 {
		attributes[attrUnit] = strconv.FormatFloat(m.unit, 'g', -1, 64)
	}
	return m.appendXGBoost(dst, m.parts[m.point:m.point+1], name, param, 0, base, attributes)
}

// AppendXGBoost is Model.AppendXGBoost for a classifier: binary:logistic, or
// multi:softprob for more than two classes, whose names XGBoost does not keep.
func (m *Classifier) AppendXGBoost(dst []byte) ([]byte, error) {
	attributes := map[string]string{attrSeed: strconv.FormatUint(m.seed, 10)}
	if len(m.parts) == 1 {
		return m.appendXGBoost(dst, m.parts, "binary:logistic", `"reg_loss_param":{"scale_pos_weight":"1"}`, 0, float32(m.parts[0].base), attributes)
	}
	param := `"softmax_multiclass_param":{"num_class":"` + strconv.Itoa(len(m.parts)) + `"}`
	return m.appendXGBoost(dst, m.parts, "multi:softprob", param, len(m.parts), 0, attributes)
}

// float is a float32 as XGBoost writes it.
func float(v float32) string { return strconv.FormatFloat(float64(v), 'E', -1, 32) }

// xgbTree is a tree as XGBoost's JSON has it.
type xgbTree struct {
	Weights     []json.Number `json:"base_weights"`
	Categories  []int         `json:"categories"`
	CatNodes    []int         `json:"categories_nodes"`
	CatSegments []int         `json:"categories_segments"`
	CatSizes    []int         `json:"categories_sizes"`
	DefaultLeft []flag        `json:"default_left"`
	ID          int           `json:"id"`
	Left        []int         `json:"left_children"`
	Changes     []json.Number `json:"loss_changes"`
	Parents     []int         `json:"parents"`
	Right       []int         `json:"right_children"`
	Conditions  []*xgbFloat   `json:"split_conditions"`
	Indices     []int         `json:"split_indices"`
	Types       []int         `json:"split_type"`
	Hessians    []*xgbFloat   `json:"sum_hessian"`
	Param       struct {
		Deleted string `json:"num_deleted"`
		Feature string `json:"num_feature"`
		Nodes   string `json:"num_nodes"`
		Leaf    string `json:"size_leaf_vector"`
	} `json:"tree_param"`
}

// xgbFloat is written with an exponent always: XGBoost tells integers from
// numbers by it.
type xgbFloat float32

func (f xgbFloat) MarshalJSON() ([]byte, error) { return []byte(float(float32(f))), nil }

// flag is 0, 1, false or true: older versions write the words.
type flag bool

func (f flag) MarshalJSON() ([]byte, error) {
	if f {
		return []byte("1"), nil
	}
	return []byte("0"), nil
}

func (f *flag) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "1", "true":
		*f = true
	case "0", "false":
		*f = false
	default:
		return fmt.Errorf("default_left is %s", b)
	}
	return nil
}

func (m *core) appendXGBoost(dst []byte, parts []ensemble, objective, param string, classes int, base float32, attributes map[string]string) ([]byte, error) {
	names, types := make([]string, len(m.schema.Columns)), make([]string, len(m.schema.Columns))
	for j, c := range m.schema.Columns {
		names[j], types[j] = c.Name, "float"
		if m.categorical(j) {
			types[j] = "c"
			for _, v := range m.cats[j].codes {
				if v < 0 || v > 1<<24 || v != float32(int(v)) {
					return nil, fmt.Errorf("boost: XGBoost has only categories that are whole numbers from 0; column %q has %v", c.Name, v)
				}
			}
		}
	}
	var trees []*xgbTree
	var info, rounds []int
	most := 1
	for k := range parts {
		most = max(most, len(parts[k].trees))
	}
	for round := range most {
		rounds = append(rounds, len(trees))
		for k := range parts {
			p := &parts[k]
			t, leaf, cover := tree.Tree{{Feature: -1}}, []float32{0}, []float32{1}
			if round < len(p.trees) {
				t, leaf, cover = p.trees[round], p.leaf, p.cover
			}
			add := 0.0
			if round == 0 && classes > 0 {
				add = p.base // XGBoost has one base score for all classes
			}
			x := m.exportTree(t, leaf, cover, add)
			x.ID = len(trees)
			trees, info = append(trees, x), append(info, k)
		}
	}
	rounds = append(rounds, len(trees))
	score := float(base)
	if objective == "binary:logistic" {
		// The file holds a probability; float32 keeps its logarithm of odds only
		// roughly, so what it loses goes into the first tree.
		p := float32(sigmoid(float64(base)))
		p = min(max(p, math.SmallestNonzeroFloat32), math.Nextafter32(1, 0))
		lost := parts[0].base - math.Log(float64(p)/(1-float64(p)))
		first := trees[0]
		for i := range first.Left {
			if first.Left[i] < 0 {
				*first.Conditions[i] += xgbFloat(lost)
			}
		}
		score = float(p)
	}
	if param != "" {
		param = "," + param
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	text, err := json.Marshal(map[string]any{
		"version": []int{2, 1, 0},
		"learner": map[string]any{
			"attributes": attributes, "feature_names": names, "feature_types": types,
			"gradient_booster": map[string]any{
				"name": "gbtree",
				"model": map[string]any{
					"gbtree_model_param": map[string]string{"num_parallel_tree": "1", "num_trees": strconv.Itoa(len(trees))},
					"iteration_indptr":   rounds, "tree_info": info, "trees": trees,
				},
			},
			"learner_model_param": map[string]string{"base_score": score, "boost_from_average": "1", "num_class": strconv.Itoa(classes),
				"num_feature": strconv.Itoa(len(names)), "num_target": "1"},
			"objective": raw(`{"name":"` + objective + `"` + param + `}`),
		},
	})
	if err != nil {
		return nil, err
	}
	return append(dst, text...), nil
}

// exportTree is t for XGBoost; add goes to every leaf.
func (m *core) exportTree(t tree.Tree, leaf, cover []float32, add float64) *xgbTree {
	n := len(t)
	x := &xgbTree{Weights: make([]json.Number, n), Categories: []int{}, CatNodes: []int{}, CatSegments: []int{}, CatSizes: []int{},
		DefaultLeft: make([]flag, n), Left: make([]int, n), Changes: make([]json.Number, n), Parents: make([]int, n), Right: make([]int, n),
		Conditions: make([]*xgbFloat, n), Indices: make([]int, n), Types: make([]int, n), Hessians: make([]*xgbFloat, n)}
	x.Param.Deleted, x.Param.Leaf = "0", "1"
	x.Param.Feature, x.Param.Nodes = strconv.Itoa(len(m.schema.Columns)), strconv.Itoa(n)
	x.Parents[0] = xgbRoot
	sum := make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		if t[i].Feature < 0 {
			sum[i] = float64(cover[t[i].Next])
		} else {
			sum[i] = sum[t[i].Next] + sum[t[i].Next+1]
		}
	}
	for i, nd := range t {
		h := xgbFloat(sum[i])
		x.Hessians[i] = &h
		x.Weights[i], x.Changes[i] = "0E0", "0E0"
		var v xgbFloat
		x.Conditions[i] = &v
		if nd.Feature < 0 {
			v = xgbFloat(float64(leaf[nd.Next]) + add)
			x.Left[i], x.Right[i] = -1, -1
			x.Weights[i] = json.Number(float(float32(v)))
			continue
		}
		l := int(nd.Next)
		x.Left[i], x.Right[i], x.Indices[i], x.DefaultLeft[i] = l, l+1, int(nd.Feature), nd.Missing == 0
		x.Parents[l], x.Parents[l+1] = i, i
		if !m.categorical(int(nd.Feature)) {
			v = math.MaxFloat32
			if nd.Threshold < math.MaxFloat32 {
				v = xgbFloat(math.Nextafter32(nd.Threshold, float32(math.Inf(1))))
			}
			continue
		}
		x.Types[i] = 1
		codes := m.cats[nd.Feature].codes
		x.CatNodes, x.CatSegments = append(x.CatNodes, i), append(x.CatSegments, len(x.Categories))
		m.sets[int(nd.Threshold)].each(func(b uint8) {
			if int(b) < len(codes) {
				x.Categories = append(x.Categories, int(codes[b]))
			}
		})
		if x.CatSegments[len(x.CatSegments)-1] == len(x.Categories) {
			// Only missing values go right, and XGBoost wants a set: a code that no
			// row of the fit had.
			x.Categories = append(x.Categories, unused(codes))
		}
		x.CatSizes = append(x.CatSizes, len(x.Categories)-x.CatSegments[len(x.CatSegments)-1])
	}
	return x
}

// unused is the least whole number that is not among codes.
func unused(codes []float32) int {
	for i, c := range codes {
		if c != float32(i) {
			return i
		}
	}
	return len(codes)
}

// ParseXGBoost reads an XGBoost model in JSON: a *Model for a regression or
// survival of one target with an identity output, or reg:logistic; a *Classifier
// for binary:logistic and multi:softprob or multi:softmax. The columns are those
// of schema, which a file with other names is not of; with nil they are made of
// the names in the file, or f0, f1, …. classes names the classes, nil = 0, 1, ….
// The input may be hostile. Errors: no
// such file, linear boosters, several targets, objectives with another output,
// over 254 categories in a column.
func ParseXGBoost(b []byte, schema *frame.Schema, classes []string) (*Model, *Classifier, error) {
	m, c, err := parseXGBoost(b, schema, classes)
	if err != nil {
		return nil, nil, fmt.Errorf("XGBoost model: %w", err)
	}
	return m, c, nil
}

type xgbModel struct {
	Info  []int      `json:"tree_info"`
	Trees []*xgbTree `json:"trees"`
}

type xgbFile struct {
	Learner struct {
		Attributes map[string]string `json:"attributes"`
		Names      []string          `json:"feature_names"`
		Booster    struct {
			Name  string          `json:"name"`
			Model json.RawMessage `json:"model"`
			// dart keeps the trees one level deeper, with a weight each.
			GBTree *struct {
				Model json.RawMessage `json:"model"`
			} `json:"gbtree"`
			Drop []float64 `json:"weight_drop"`
		} `json:"gradient_booster"`
		Param struct {
			Base    string `json:"base_score"`
			Classes string `json:"num_class"`
			Feature string `json:"num_feature"`
			Target  string `json:"num_target"`
		} `json:"learner_model_param"`
		Objective struct {
			Name   string `json:"name"`
			Pseudo struct {
				Slope string `json:"huber_slope"`
			} `json:"pseudo_huber_param"`
		} `json:"objective"`
	} `json:"learner"`
}

func parseXGBoost(b []byte, schema *frame.Schema, classes []string) (*Model, *Classifier, error) {
	var f xgbFile
	if err := json.Unmarshal(standard(b), &f); err != nil {
		return nil, nil, err
	}
	l := &f.Learner
	body := l.Booster.Model
	switch {
	case l.Booster.Name == "dart" && l.Booster.GBTree != nil:
		body = l.Booster.GBTree.Model
	case l.Booster.Name != "gbtree":
		return nil, nil, fmt.Errorf("the booster is %q: only gbtree and dart are trees", l.Booster.Name)
	}
	if len(body) == 0 {
		return nil, nil, fmt.Errorf("no trees in it: save it with save_model(\"model.json\")")
	}
	var trees xgbModel
	if err := json.Unmarshal(body, &trees); err != nil {
		return nil, nil, err
	}
	columns, err := strconv.Atoi(l.Param.Feature)
	if err != nil || columns < 1 || columns > tree.MaxColumns {
		return nil, nil, fmt.Errorf("num_feature is %q", l.Param.Feature)
	}
	if n, err := strconv.Atoi(l.Param.Target); l.Param.Target != "" && (err != nil || n > 1) {
		return nil, nil, fmt.Errorf("%q targets: only models of one target can be read", l.Param.Target)
	}
	bases, err := baseScores(l.Param.Base)
	if err != nil {
		return nil, nil, err
	}
	names := l.Names
	if schema == nil {
		schema = &frame.Schema{Name: "xgboost"}
		for j := range columns {
			name := fmt.Sprintf("f%d", j)
			if j < len(names) {
				name = names[j]
			}
			schema.Columns = append(schema.Columns, frame.Column{Name: name})
		}
	}
	var want []string
	for _, c := range schema.Columns {
		want = append(want, c.Name)
	}
	switch {
	case len(want) != columns || len(names) != 0 && len(names) != columns:
		return nil, nil, fmt.Errorf("%d columns with %d names, expected %d: %s", columns, len(names), len(want), brief(want))
	case len(names) != 0 && !slices.Equal(names, want):
		return nil, nil, fmt.Errorf("its columns are %s, not %s", brief(names), brief(want))
	}
	c := core{schema: *schema, config: Default()}
	c.schema.Columns = slices.Clone(schema.Columns)
	c.seed, _ = strconv.ParseUint(l.Attributes[attrSeed], 10, 64)
	c.config.Quantiles, c.config.EarlyStoppingRounds = nil, 0
	count := 1
	classifier, logit := false, false
	switch name := l.Objective.Name; name {
	case "reg:squarederror", "reg:linear", "reg:squaredlogerror", "rank:pairwise", "rank:ndcg", "rank:map":
		c.config.Objective = SquaredError
	case "reg:absoluteerror", "reg:quantileerror":
		c.config.Objective = AbsoluteError
	case "reg:pseudohubererror":
		c.config.Objective = Huber
		if d, err := strconv.ParseFloat(l.Objective.Pseudo.Slope, 32); err == nil && d > 0 {
			c.config.HuberDelta = d
		}
	case "reg:logistic":
		c.config.Objective, logit = Logistic, true
	case "binary:logistic":
		c.config.Objective, classifier, logit = Logistic, true, true
		if classes == nil {
			classes = []string{"0", "1"}
		}
	case "multi:softprob", "multi:softmax":
		c.config.Objective, classifier = Softmax, true
		count, err = strconv.Atoi(l.Param.Classes)
		if err != nil || count < 2 || count > tree.MaxClasses {
			return nil, nil, fmt.Errorf("num_class is %q", l.Param.Classes)
		}
		if classes == nil {
			for k := range count {
				classes = append(classes, strconv.Itoa(k))
			}
		}
	default:
		return nil, nil, fmt.Errorf("objective %q has an output that this program does not compute", name)
	}
	if classifier && len(classes) != max(2, count) {
		return nil, nil, fmt.Errorf("%d classes, not %d", max(2, count), len(classes))
	}
	if len(bases) != 1 && len(bases) != count {
		return nil, nil, fmt.Errorf("%d base scores for %d outputs", len(bases), count)
	}
	if len(trees.Info) != len(trees.Trees) || l.Booster.Drop != nil && len(l.Booster.Drop) != len(trees.Trees) {
		return nil, nil, fmt.Errorf("%d trees, %d entries in tree_info, %d in weight_drop", len(trees.Trees), len(trees.Info), len(l.Booster.Drop))
	}
	c.parts = make([]ensemble, count)
	for k := range c.parts {
		base := bases[k%len(bases)]
		if logit {
			if !(base > 0 && base < 1) {
				return nil, nil, fmt.Errorf("base_score %v is no probability", base)
			}
			base = math.Log(base / (1 - base))
		}
		c.parts[k].base = base
	}
	if err := c.importTrees(&trees, l.Booster.Drop); err != nil {
		return nil, nil, err
	}
	for k := range c.parts {
		if len(c.parts[k].trees) > maxRounds {
			return nil, nil, fmt.Errorf("%d trees, at most %d are possible", len(c.parts[k].trees), maxRounds)
		}
		c.config.Rounds = max(1, len(c.parts[k].trees))
	}
	c.arrange()
	if classifier {
		return nil, &Classifier{core: c.move(), classes: slices.Clone(classes)}, nil
	}
	m := &Model{core: c.move()}
	if text, ok := l.Attributes[attrUnit]; ok {
		unit, err := strconv.ParseFloat(text, 64)
		if err != nil || !(unit > 0 && unit <= math.MaxFloat64) {
			return nil, nil, fmt.Errorf("attribute %s is %q", attrUnit, text)
		}
		m.unit, m.config.Objective = unit, SquaredLogError
	}
	return m, nil, nil
}

// move is c without what may not be copied.
func (m *core) move() core {
	return core{schema: m.schema, config: m.config, seed: m.seed, parts: m.parts, gain: m.gain, cats: m.cats, sets: m.sets}
}

func brief(names []string) string {
	if len(names) > 6 {
		return strings.Join(names[:6], ", ") + fmt.Sprintf(", … (%d)", len(names))
	}
	return strings.Join(names, ", ")
}

// standard replaces the words NaN, Infinity and -Infinity, which XGBoost writes
// and JSON does not have, outside of strings.
func standard(b []byte) []byte {
	out := make([]byte, 0, len(b))
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\' && quoted && i+1 < len(b):
			out = append(out, b[i])
			i++
		case b[i] == '"':
			quoted = !quoted
		case !quoted && b[i] == 'N' && strings.HasPrefix(string(b[i:min(i+3, len(b))]), "NaN"):
			out = append(out, "null"...)
			i += 2
			continue
		case !quoted && b[i] == 'I' && strings.HasPrefix(string(b[i:min(i+8, len(b))]), "Infinity"):
			out = append(out, "3.4028234663852886e38"...)
			i += 7
			continue
		}
		out = append(out, b[i])
	}
	return out
}

// baseScores reads "5E-1" or, of newer versions, "[5E-1,2E-1]".
func baseScores(s string) ([]float64, error) {
	var out []float64
	for _, p := range strings.Split(strings.Trim(s, "[] "), ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(p), 32)
		if err != nil || math.IsInf(v, 0) || v != v {
			return nil, fmt.Errorf("base_score is %q", s)
		}
		out = append(out, v)
	}
	return out, nil
}

// importTrees reads the trees into m.parts, with tables of the categories that
// they name.
func (m *core) importTrees(x *xgbModel, drop []float64) error {
	columns := len(m.schema.Columns)
	nodes := 0
	named := make([]map[int]bool, columns)
	categorical := false
	for k, t := range x.Trees {
		if t == nil {
			return fmt.Errorf("tree %d is empty", k)
		}
		n := len(t.Left)
		nodes += n
		if nodes > maxImport {
			return fmt.Errorf("over %d nodes", maxImport)
		}
		if n == 0 || len(t.Right) != n || len(t.Indices) != n || len(t.Conditions) != n || len(t.DefaultLeft) != n || len(t.Types) != n && len(t.Types) != 0 ||
			len(t.Hessians) != n && len(t.Hessians) != 0 {
			return fmt.Errorf("tree %d: its arrays are not all of length %d", k, n)
		}
		if len(t.CatNodes) != len(t.CatSegments) || len(t.CatNodes) != len(t.CatSizes) {
			return fmt.Errorf("tree %d: %d categorical nodes, %d segments, %d sizes", k, len(t.CatNodes), len(t.CatSegments), len(t.CatSizes))
		}
		if t.Param.Leaf != "" && t.Param.Leaf != "0" && t.Param.Leaf != "1" {
			return fmt.Errorf("tree %d has vectors as leaves", k)
		}
		if c := x.Info[k]; c < 0 || c >= len(m.parts) {
			return fmt.Errorf("tree %d belongs to output %d of %d", k, c, len(m.parts))
		}
		for i, node := range t.CatNodes {
			lo, size := t.CatSegments[i], t.CatSizes[i]
			if node < 0 || node >= n || len(t.Types) != n || lo < 0 || size < 0 || lo > len(t.Categories)-size {
				return fmt.Errorf("tree %d: categorical node %d with categories %d to %d of %d", k, node, lo, lo+size, len(t.Categories))
			}
			j := t.Indices[node]
			if j < 0 || j >= columns {
				return fmt.Errorf("tree %d, node %d splits column %d of %d", k, node, j, columns)
			}
			if named[j] == nil {
				named[j] = make(map[int]bool)
			}
			categorical = true
			for _, c := range t.Categories[lo : lo+size] {
				if c < 0 || c > 1<<24 {
					return fmt.Errorf("tree %d: category %d", k, c)
				}
				named[j][c] = true
			}
		}
	}
	if categorical {
		m.cats = make([]category, columns)
		for j, set := range named {
			if set == nil {
				continue
			}
			if len(set) > maxCategories {
				return fmt.Errorf("column %q has %d categories, at most %d are possible", m.schema.Columns[j].Name, len(set), maxCategories)
			}
			codes := make([]float32, 0, len(set)+1)
			for c := range set {
				codes = append(codes, float32(c))
			}
			if len(codes) == 0 {
				codes = append(codes, 0)
			}
			slices.Sort(codes)
			m.cats[j] = category{codes: codes, other: true}
			m.config.Categorical = append(m.config.Categorical, m.schema.Columns[j].Name)
		}
	}
	m.gain = make([]float64, columns)
	total := 0.0
	for k, t := range x.Trees {
		scale := 1.0
		if drop != nil {
			scale = drop[k]
		}
		g, err := m.importTree(t, scale)
		if err != nil {
			return fmt.Errorf("tree %d: %w", k, err)
		}
		if len(t.Changes) == len(t.Left) {
			for i, c := range t.Changes {
				if v, err := c.Float64(); err == nil && v > 0 && v <= math.MaxFloat32 && t.Left[i] >= 0 {
					m.gain[t.Indices[i]] += v
					total += v
				}
			}
		}
		m.parts[x.Info[k]].append(g)
	}
	for j := range m.gain {
		if total > 0 {
			m.gain[j] = min(m.gain[j]/total, 1)
		}
	}
	return nil
}

func (m *core) importTree(t *xgbTree, scale float64) (*grown, error) {
	n := len(t.Left)
	sets := make(map[int]int) // of categorical nodes: index into CatNodes
	for i, node := range t.CatNodes {
		sets[node] = i
	}
	g := &grown{tree: tree.Tree{{Feature: -1}}}
	from := []int{0} // of each node of g.tree
	value := func(v *xgbFloat, what string, i int) (float32, error) {
		if v == nil || !(math.Abs(float64(*v)) <= math.MaxFloat32) {
			return 0, fmt.Errorf("%s of node %d is not a number", what, i)
		}
		return float32(*v), nil
	}
	for at := 0; at < len(g.tree); at++ {
		i := from[at]
		if t.Left[i] < 0 || t.Right[i] < 0 {
			v, err := value(t.Conditions[i], "leaf value", i)
			if err != nil {
				return nil, err
			}
			cover := float32(1)
			if len(t.Hessians) == n {
				if h, err := value(t.Hessians[i], "hessian", i); err == nil && h > 0 {
					cover = h
				}
			}
			g.tree[at].Next = int32(len(g.leaf))
			g.leaf, g.cover = append(g.leaf, float32(max(-math.MaxFloat32, min(math.MaxFloat32, float64(v)*scale)))), append(g.cover, cover)
			continue
		}
		j := t.Indices[i]
		switch {
		case t.Left[i] >= n || t.Right[i] >= n:
			return nil, fmt.Errorf("node %d has children %d and %d of %d", i, t.Left[i], t.Right[i], n)
		case j < 0 || j >= len(m.schema.Columns):
			return nil, fmt.Errorf("node %d splits column %d of %d", i, j, len(m.schema.Columns))
		case len(g.tree)+2 > n:
			return nil, fmt.Errorf("a node has two parents")
		}
		nd := &g.tree[at]
		nd.Feature, nd.Next, nd.Missing = int16(j), int32(len(g.tree)), 1
		if t.DefaultLeft[i] {
			nd.Missing = 0
		}
		if k, ok := sets[i]; ok {
			var s set
			for _, c := range t.Categories[t.CatSegments[k] : t.CatSegments[k]+t.CatSizes[k]] {
				s.add(m.cats[j].code(float32(c)))
			}
			nd.Threshold = float32(len(m.sets))
			m.sets = append(m.sets, s)
		} else if len(t.Types) == n && t.Types[i] == 1 {
			return nil, fmt.Errorf("node %d is categorical and has no categories", i)
		} else {
			if m.categorical(j) {
				return nil, fmt.Errorf("node %d compares column %q, which other nodes take for a category", i, m.schema.Columns[j].Name)
			}
			v, err := value(t.Conditions[i], "threshold", i)
			if err != nil {
				return nil, err
			}
			if v == math.MaxFloat32 { // only missing values go right
				nd.Threshold = v
			} else if nd.Threshold = math.Nextafter32(v, float32(math.Inf(-1))); math.IsInf(float64(nd.Threshold), 0) {
				nd.Threshold = -math.MaxFloat32
			}
		}
		g.tree = append(g.tree, tree.Node{Feature: -1}, tree.Node{Feature: -1})
		from = append(from, t.Left[i], t.Right[i])
	}
	return g, nil
}
