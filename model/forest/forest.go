// Package forest is the Random Forest (Breiman, "Random Forests", Machine
// Learning 45, 2001): trees grown on bootstrap samples with a random choice of
// columns at each node, whose predictions are averaged. Forest is the
// classifier, Regressor predicts numbers. Extremely randomised trees (Geurts,
// Ernst, Wehenkel 2006) are a setting: Splitter "random", Bootstrap false.
//
// Fit (FitRegressor) grows one and Grow adds trees to it. PredictProba and
// Predict work on blocks of rows. Contributions and SHAP say which columns moved
// the prediction of one row, Importance and PermutationImportance rank the
// columns. Encode and Decode store it, ONNX writes it for other runtimes. It
// knows neither cross-validation nor metrics.
//
// Cost: a fit takes O(trees · rows · columns tried · depth), a prediction
// O(trees · depth) per row. Memory while fitting, beyond the rows: a byte per
// value, about 20 bytes per row and worker, and the trees.
//
// Deviations from the paper: trees vote with the class shares of the leaf, not
// with one class (as in scikit-learn); splits are searched on at most 255 bins
// per column, which is exact for columns with that many distinct values; a
// missing value goes the way that suited the split best; categories are ordered
// once per column (order.go); leaf shares are stored as multiples of 1/65535, so
// that a forest predicts the same before and after it was saved, and sums over
// trees are exact integers.
package forest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"apiml/frame"
	"apiml/internal/memory"
	"apiml/model"
	"apiml/model/tree"
)

const (
	// Kind is the kind of model in files.
	Kind = "random_forest"

	// one is the unit of leaf shares: a leaf's shares sum to it.
	one = math.MaxUint16
	// maxTrees keeps the sum of shares over all trees inside uint32.
	maxTrees = math.MaxUint32/one - 1
	// last marks the last share of a leaf.
	last = 1 << 31
)

// ensemble is what classifier and regressor share.
type ensemble struct {
	schema frame.Schema
	config Config
	seed   uint64
	orders []order // per column; empty = the values are numbers
	trees  []tree.Tree
	// cover holds for every leaf of every tree, in order, how many drawn rows it
	// had: 8·log2, rounded (see coverOf).
	cover      []uint8
	importance []float64
	oob        float64 // accuracy or R²; NaN = not estimated

	layouts layouts

	weights struct { // of all nodes by cover, made on first use
		once sync.Once
		v    []float64
	}
}

// Forest is a fitted classifier: immutable, safe for concurrent use.
type Forest struct {
	ensemble
	classes []string
	// shares holds the class shares of leaves: class<<16 | share, the last of a
	// leaf with the bit last. Next of a leaf is where its shares begin; equal
	// leaves point to the same.
	shares      []uint32
	oobProba    []float32 // after a fit with OOB
	calibration calibration

	values []nodeValues // per class
}

// nodeValues holds the prediction at every node of all trees: made when the
// first contribution is asked for.
type nodeValues struct {
	once sync.Once
	v    []float64
}

// Fit grows a forest on the rows of x whose Class is not -1. It does not change
// x. Errors: a configuration out of range, no labelled row, an infinite
// feature, too little memory (with the figure), the end of ctx.
func Fit(ctx context.Context, x *frame.Matrix, c Config, opt model.FitOptions) (*Forest, error) {
	return fitClassifier(ctx, x, c, opt, nil)
}

// Grow returns a forest of that many trees: those of f and, as if they had been
// grown with it, new ones on the same rows x ("warm start"). Categories keep
// their order, calibration and out-of-bag figures are made anew. Errors: as
// Fit; fewer trees than there are; rows of other columns or classes.
func (f *Forest) Grow(ctx context.Context, x *frame.Matrix, trees int, opt model.FitOptions) (*Forest, error) {
	if err := f.mayGrow(x, trees); err != nil {
		return nil, err
	}
	if !slices.Equal(f.classes, x.Classes) {
		return nil, fmt.Errorf("forest: cannot grow on: the classes are %q, it was fitted on %q", x.Classes, f.classes)
	}
	c := f.config
	c.Trees = trees
	opt.Seed = f.seed
	return fitClassifier(ctx, x, c, opt, f)
}

func (f *ensemble) mayGrow(x *frame.Matrix, trees int) error {
	if err := frame.SameSchema(&f.schema, x.Schema); err != nil {
		return fmt.Errorf("forest: cannot grow on: %w", err)
	}
	if trees < len(f.trees) {
		return fmt.Errorf("forest: cannot grow from %d to %d trees", len(f.trees), trees)
	}
	return nil
}

func fitClassifier(ctx context.Context, x *frame.Matrix, c Config, opt model.FitOptions, old *Forest) (*Forest, error) {
	if err := c.check(false); err != nil {
		return nil, err
	}
	x, err := labelled(x)
	if err != nil {
		return nil, err
	}
	g := &growth{classes: len(x.Classes)}
	var before *ensemble
	if old != nil {
		before = &old.ensemble
	}
	class := x.Class
	grown, err := g.grow(ctx, x, c, opt, before)
	if err != nil {
		return nil, err
	}
	f := &Forest{classes: slices.Clone(x.Classes)}
	f.begin(g)
	f.assemble(old, grown)
	f.values = make([]nodeValues, len(f.classes))
	if c.OOB || c.calibrated() {
		proba, err := f.outOfBag(ctx, g, opt.Workers)
		if err != nil {
			return nil, err
		}
		if c.OOB {
			f.oob, f.oobProba = accuracy(proba, class, len(f.classes)), proba
		}
		if c.calibrated() {
			f.calibration = calibrate(c.Calibration, proba, class, len(f.classes))
		}
	}
	return f, nil
}

// labelled checks x and leaves the rows without a class out.
func labelled(x *frame.Matrix) (*frame.Matrix, error) {
	if err := x.Check(); err != nil {
		return nil, err
	}
	if len(x.Classes) == 0 || len(x.Classes) > tree.MaxClasses {
		return nil, fmt.Errorf("forest: %d classes, possible are 1 to %d", len(x.Classes), tree.MaxClasses)
	}
	if len(x.Cols) == 0 {
		return nil, fmt.Errorf("forest: no columns")
	}
	var rows []int
	for i, c := range x.Class {
		if c >= 0 {
			rows = append(rows, i)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("forest: no labelled rows among %d", x.Rows())
	}
	if len(rows) > math.MaxInt32 {
		return nil, fmt.Errorf("forest: %d rows, at most %d are possible", len(rows), math.MaxInt32)
	}
	if len(rows) < x.Rows() {
		x = x.Select(rows)
	}
	return x, nil
}

func count(class []int32, classes int) []uint64 {
	n := make([]uint64, classes)
	for _, c := range class {
		n[c]++
	}
	return n
}

// balanced returns weights that make the classes equally heavy:
// rows / (classes that occur · rows of the class).
func balanced(n []uint64) []float64 {
	total, occur := uint64(0), 0
	for _, k := range n {
		total += k
		occur += min(1, int(k))
	}
	w := make([]float64, len(n))
	for c, k := range n {
		if k > 0 {
			w[c] = float64(total) / (float64(occur) * float64(k))
		}
	}
	return w
}

// growth is one fit; worker holds the buffers of one of its goroutines.
type growth struct {
	config  Config
	limits  tree.Limits
	x       *frame.Matrix // labelled rows, categories in order
	orders  []order
	rows    *tree.Rows
	seed    uint64
	classes int       // 0 = regression
	weights []float64 // of classes; nil = per tree
	major   int       // the most frequent class
	target  []float64 // less mean
	mean    float64
	bags    [][]uint64 // per tree: the set of rows drawn; nil if nobody asks
}

type worker struct {
	*growth
	grower  *tree.Grower
	drawn   []uint16
	samples []tree.Sample
}

// planted is one grown tree with its leaves still dense.
type planted struct {
	tree   tree.Tree // Next of a leaf is the number of its distribution, of a regressor its own
	shares []uint16  // distribution · classes; no two are equal
	means  []float32 // per leaf; regression
	cover  []uint8
	gain   []float64
}

// grow grows the trees that old does not have yet.
func (g *growth) grow(ctx context.Context, x *frame.Matrix, c Config, opt model.FitOptions, old *ensemble) ([]planted, error) {
	limits, err := c.limits(len(x.Cols))
	if err != nil {
		return nil, err
	}
	g.config, g.limits, g.seed = c, limits, opt.Seed
	workers := make([]*worker, model.Workers(opt.Workers, c.Trees))
	rows := int64(x.Rows())
	need := rows*int64(len(x.Cols)) + rows*24*int64(len(workers))
	if c.OOB || c.calibrated() {
		need += rows/8*int64(c.Trees) + rows*4*int64(max(g.classes, 1))
	}
	if err := memory.Check(need); err != nil {
		return nil, fmt.Errorf("forest: fitting %d rows of %d columns: %w", rows, len(x.Cols), err)
	}
	if old != nil {
		g.orders = old.orders
	} else if g.orders, err = findOrders(x, c.Categorical, g.classes); err != nil {
		return nil, err
	}
	g.x = recode(x, g.orders)
	if g.rows, err = tree.BinRows(ctx, g.x, c.Bins, opt.Workers); err != nil {
		return nil, err
	}
	if g.classes > 0 {
		n := count(x.Class, g.classes)
		for k := range n {
			if n[k] > n[g.major] {
				g.major = k
			}
		}
		if c.ClassWeight == "balanced" {
			g.weights = balanced(n)
			g.weights[g.major] /= c.MajorityShare
		}
	}
	if c.OOB || c.calibrated() {
		g.bags = make([][]uint64, c.Trees)
	} else {
		// The trees grow on the bins: whoever made the features for this fit alone
		// has their memory back while they do.
		light := *g.x
		light.Cols = nil
		g.x = &light
	}
	first := 0
	if old != nil {
		first = len(old.trees)
	}
	grown := make([]planted, c.Trees-first)
	err = model.Parallel(ctx, opt.Workers, c.Trees, opt.Log, func(w, i int) error {
		if workers[w] == nil {
			workers[w] = g.newWorker()
		}
		rng := rand.New(rand.NewPCG(g.seed, uint64(i)))
		if i < first { // its bag only
			if g.bags != nil {
				workers[w].bag(rng, i)
			}
			return nil
		}
		grown[i-first] = workers[w].plant(rng, i)
		return nil
	})
	return grown, err
}

// begin fills in what is known before the trees.
func (f *ensemble) begin(g *growth) {
	f.schema, f.config, f.seed, f.orders, f.oob = *g.x.Schema, g.config, g.seed, g.orders, math.NaN()
	f.schema.Columns = slices.Clone(f.schema.Columns)
	f.config.Categorical = slices.Clone(f.config.Categorical)
}

func (g *growth) newWorker() *worker {
	w := &worker{growth: g, drawn: make([]uint16, g.x.Rows())}
	if g.classes == 0 {
		w.grower = tree.NewRegressor(g.rows, g.target, g.limits)
	} else {
		w.grower = tree.NewGrower(g.rows, g.classes, g.limits)
	}
	return w
}

// bag draws the rows of tree i and notes them.
func (w *worker) bag(rng *rand.Rand, i int) {
	w.draw(rng)
	if w.bags == nil {
		return
	}
	set := make([]uint64, (len(w.drawn)+63)/64)
	for r, k := range w.drawn {
		if k > 0 {
			set[r/64] |= 1 << (r % 64)
		}
	}
	w.bags[i] = set
}

// plant grows tree i.
func (w *worker) plant(rng *rand.Rand, i int) planted {
	w.bag(rng, i)
	w.samples = w.samples[:0]
	if w.classes == 0 {
		for r, k := range w.drawn {
			if k > 0 {
				w.samples = append(w.samples, tree.Sample{Row: uint32(r), Weight: k})
			}
		}
		grown := w.grower.Grow(w.samples, nil, rng)
		p := planted{tree: grown.Tree, gain: grown.Gain}
		for l, n := range grown.Counts {
			p.means = append(p.means, float32(grown.Means[l]+w.mean))
			p.cover = append(p.cover, coverOf([]uint32{n}))
		}
		return p
	}
	n := make([]uint64, w.classes)
	for r, k := range w.drawn {
		if k > 0 {
			c := w.x.Class[r]
			w.samples = append(w.samples, tree.Sample{Row: uint32(r), Class: uint16(c), Weight: k})
			n[c] += uint64(k)
		}
	}
	weights := w.weights
	switch {
	case weights != nil:
	case w.config.ClassWeight == "balanced_subsample":
		weights = balanced(n)
	default:
		weights = slices.Repeat([]float64{1}, w.classes)
		weights[w.major] /= w.config.MajorityShare
	}
	grown := w.grower.Grow(w.samples, weights, rng)
	p := planted{tree: grown.Tree, gain: grown.Gain, cover: make([]uint8, 0, len(grown.Counts)/w.classes)}
	number := make([]int32, 0, cap(p.cover)) // of the distribution of each leaf
	pure := slices.Repeat([]int32{-1}, w.classes)
	seen := make(map[string]int32)
	var leaf []uint16
	var key []byte
	for l := 0; l < len(grown.Counts); l += w.classes {
		counts := grown.Counts[l : l+w.classes]
		p.cover = append(p.cover, coverOf(counts))
		if c := only(counts); c >= 0 { // nearly all leaves, and no need to look them up
			if pure[c] < 0 {
				pure[c] = int32(len(p.shares) / w.classes)
				p.shares = appendShares(p.shares, counts, weights)
			}
			number = append(number, pure[c])
			continue
		}
		leaf = appendShares(leaf[:0], counts, weights)
		key = keyOf(key[:0], leaf)
		at, ok := seen[string(key)]
		if !ok {
			at = int32(len(p.shares) / w.classes)
			seen[string(key)] = at
			p.shares = append(p.shares, leaf...)
		}
		number = append(number, at)
	}
	for i := range p.tree {
		if p.tree[i].Feature < 0 {
			p.tree[i].Next = number[p.tree[i].Next]
		}
	}
	return p
}

// only is the one class that occurs, -1 if there are several.
func only(counts []uint32) int {
	class := -1
	for c, n := range counts {
		if n > 0 {
			if class >= 0 {
				return -1
			}
			class = c
		}
	}
	return class
}

// keyOf appends a distribution as the key of a map.
func keyOf(key []byte, leaf []uint16) []byte {
	for _, s := range leaf {
		key = append(key, byte(s), byte(s>>8))
	}
	return key
}

// draw fills drawn with how often each row is in the bag.
func (w *worker) draw(rng *rand.Rand) {
	rows := len(w.drawn)
	n := w.config.samples(rows)
	clear(w.drawn)
	switch {
	case w.config.Bootstrap:
		for range n {
			if r := rng.IntN(rows); w.drawn[r] < math.MaxUint16 {
				w.drawn[r]++
			}
		}
	default:
		// Selection sampling (Knuth, TAOCP 2, algorithm S): n rows of rows.
		for r := range w.drawn {
			if rng.IntN(rows-r) < n {
				w.drawn[r] = 1
				n--
			}
		}
	}
	if share := w.config.MajorityShare; share > 0 && share < 1 {
		for r, k := range w.drawn {
			if k > 0 && int(w.x.Class[r]) == w.major && rng.Float64() >= share {
				w.drawn[r] = 0
			}
		}
	}
}

// appendShares appends the weighted class shares of a leaf as integers that sum
// to one: rounded down, and the units left over given to the largest
// remainders.
func appendShares(dst []uint16, counts []uint32, weights []float64) []uint16 {
	total := 0.0
	for c, n := range counts {
		total += float64(weights[c] * float64(n))
	}
	at := len(dst)
	rest := one
	remainder := make([]float64, len(counts))
	for c, n := range counts {
		exact := float64(weights[c]*float64(n)) / total * one
		q := min(math.Floor(exact), float64(rest))
		remainder[c] = exact - q
		rest -= int(q)
		dst = append(dst, uint16(q))
	}
	for ; rest > 0; rest-- {
		best := 0
		for c, r := range remainder {
			if r > remainder[best] {
				best = c
			}
		}
		dst[at+best]++
		remainder[best]--
	}
	return dst
}

// coverOf codes the number of drawn rows in a leaf in eighths of a power of two
// (error at most 4.4 %): contributions weigh leaves with it, and one byte per
// leaf is what a small file can spend on that.
func coverOf(counts []uint32) uint8 {
	n := 0.0
	for _, k := range counts {
		n += float64(k)
	}
	return uint8(min(255, math.Round(8*math.Log2(math.Max(n, 1)))))
}

// add appends the trees of grown and brings the importance up to date; Next of
// a leaf becomes at(its number in the tree).
func (f *ensemble) add(old *ensemble, grown []planted, at func(p *planted, leaf int) int32) {
	f.importance = make([]float64, len(f.schema.Columns))
	all := len(grown)
	if old != nil {
		all += len(old.trees)
		f.trees, f.cover = slices.Clone(old.trees), slices.Clone(old.cover)
		for j, v := range old.importance {
			f.importance[j] = v * float64(len(old.trees)) / float64(all)
		}
	}
	for k := range grown {
		p := &grown[k]
		total := 0.0
		for _, g := range p.gain {
			total += g
		}
		for j, g := range p.gain {
			if total > 0 {
				f.importance[j] += g / total / float64(all)
			}
		}
		for i := range p.tree {
			if p.tree[i].Feature < 0 {
				p.tree[i].Next = at(p, int(p.tree[i].Next))
			}
		}
		f.trees = append(f.trees, p.tree)
		f.cover = append(f.cover, p.cover...)
	}
	normalise(f.importance)
}

// assemble joins the trees: equal leaves of all trees share their shares.
func (f *Forest) assemble(old *Forest, grown []planted) {
	classes := len(f.classes)
	seen := make(map[string]int32)
	var key []byte
	var before *ensemble
	if old != nil {
		before = &old.ensemble
		f.shares = slices.Clone(old.shares)
		leaf, begin := make([]uint16, classes), 0
		for i, s := range f.shares {
			leaf[s>>16&(tree.MaxClasses-1)] = uint16(s & one)
			if s&last != 0 {
				key = keyOf(key[:0], leaf)
				seen[string(key)] = int32(begin)
				begin = i + 1
				clear(leaf)
			}
		}
	}
	var place []int32 // of each distribution of the tree p
	var of *planted
	f.add(before, grown, func(p *planted, l int) int32 {
		if p != of {
			of, place = p, slices.Repeat([]int32{-1}, len(p.shares)/classes)
		}
		if place[l] >= 0 {
			return place[l]
		}
		leaf := p.shares[l*classes : (l+1)*classes]
		key = keyOf(key[:0], leaf)
		at, ok := seen[string(key)]
		if !ok {
			at = int32(len(f.shares))
			seen[string(key)] = at
			for c, s := range leaf {
				if s > 0 {
					f.shares = append(f.shares, uint32(c)<<16|uint32(s))
				}
			}
			f.shares[len(f.shares)-1] |= last
		}
		place[l] = at
		return at
	})
}

// normalise makes v sum to 1, unless it sums to 0.
func normalise(v []float64) {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	for i := range v {
		if sum > 0 {
			v[i] /= sum
		}
	}
}

// Schema implements model.Model.
func (f *ensemble) Schema() *frame.Schema { return &f.schema }

// Config is the configuration that the forest was grown with.
func (f *ensemble) Config() Config { return f.config }

// Importance is the mean decrease of impurity per column; it sums to 1, or is 0
// throughout if no tree has a split. It favours columns with many distinct
// values (Strobl 2007): see PermutationImportance.
func (f *ensemble) Importance() []float64 { return slices.Clone(f.importance) }

// OOB is the accuracy (of a Regressor: R²) on rows outside the bag, if
// Config.OOB asked for it.
func (f *ensemble) OOB() (score float64, ok bool) { return f.oob, !math.IsNaN(f.oob) }

// Size is the number of leaves of all trees.
func (f *ensemble) Size() (leaves int) { return len(f.cover) }

// Kind implements model.Model.
func (f *Forest) Kind() string { return Kind }

// Classes implements model.Classifier.
func (f *Forest) Classes() []string { return f.classes }

// OOBProba holds the probabilities of the labelled rows of the fit, in order,
// from the trees that did not see them (NaN for a row that all have seen), before
// calibration: rows · classes values. It is nil without Config.OOB and after
// loading: the file does not hold it.
func (f *Forest) OOBProba() []float32 { return f.oobProba }
