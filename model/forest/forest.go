// Package forest is the Random Forest classifier (Breiman, "Random Forests",
// Machine Learning 45, 2001): trees grown on bootstrap samples with a random
// choice of columns at each node, whose leaf distributions are averaged.
//
// Fit grows one, PredictProba classifies blocks of rows, Contributions says
// which columns moved the probability of one row, Encode and Decode store it,
// Importance and PermutationImportance rank the columns. It knows neither
// cross-validation nor metrics.
//
// Cost: a fit takes O(trees · rows · columns tried · depth), a prediction
// O(trees · depth) per row.
//
// Deviations from the paper: trees vote with the class shares of the leaf, not
// with one class (as in scikit-learn); splits are searched on at most 255 bins
// per column, which is exact for columns with that many distinct values; a
// missing value goes the way that suited the split best; leaf shares are
// stored as multiples of 1/65535, so that a forest predicts the same before
// and after it was saved, and sums over trees are exact integers.
package forest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"apiml/frame"
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
	// blockRows is how many rows walk one tree before the next tree is taken:
	// 128 rows of 70 float32 and one tree stay in the second-level cache.
	blockRows = 128
	// last marks the last share of a leaf.
	last = 1 << 31
)

// Forest is a fitted forest: immutable, safe for concurrent use.
type Forest struct {
	schema  frame.Schema
	classes []string
	config  Config
	seed    uint64
	trees   []tree.Tree
	// shares holds the class shares of leaves: class<<16 | share, the last of a
	// leaf with the bit last. Next of a leaf is where its shares begin; equal
	// leaves point to the same.
	shares []uint32
	// cover holds for every leaf of every tree, in order, how many drawn rows it
	// had: 8·log2, rounded (see coverOf).
	cover      []uint8
	importance []float64
	oob        float64 // NaN = not estimated

	values []classValues // per class
}

// classValues holds, for all nodes of all trees, the probability of one class:
// made when the first contribution to that class is asked for.
type classValues struct {
	once sync.Once
	v    []float32
}

// Fit grows a forest on the rows of x whose Class is not -1. It does not change
// x. Errors: a configuration out of range, no labelled row, an infinite
// feature, the end of ctx.
func Fit(ctx context.Context, x *frame.Matrix, c Config, opt model.FitOptions) (*Forest, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	x, err := labelled(x)
	if err != nil {
		return nil, err
	}
	mtry, err := c.MaxFeatures.count(len(x.Cols))
	if err != nil {
		return nil, err
	}
	binned, err := tree.Bin(ctx, x, c.Bins, opt.Workers)
	if err != nil {
		return nil, err
	}
	g := &growth{config: c, x: x, binned: binned, seed: opt.Seed, classes: len(x.Classes)}
	g.limits = tree.Limits{MaxDepth: c.MaxDepth, MinSamplesLeaf: c.MinSamplesLeaf, MaxLeaves: c.MaxLeaves, MaxFeatures: mtry}
	if c.ClassWeight == "balanced" {
		g.weights = balanced(count(x.Class, g.classes))
	}
	workers := make([]*worker, model.Workers(opt.Workers, c.Trees))
	grown := make([]planted, c.Trees)
	err = model.Parallel(ctx, opt.Workers, c.Trees, opt.Log, func(w, i int) error {
		if workers[w] == nil {
			workers[w] = g.newWorker()
		}
		grown[i] = workers[w].plant(i)
		return nil
	})
	if err != nil {
		return nil, err
	}
	f := &Forest{schema: *x.Schema, classes: slices.Clone(x.Classes), config: c, seed: opt.Seed, oob: math.NaN()}
	f.schema.Columns = slices.Clone(x.Schema.Columns)
	f.assemble(grown)
	if c.OOB {
		f.oob = g.score(workers)
	}
	f.values = make([]classValues, len(f.classes))
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
	x       *frame.Matrix
	binned  *tree.Binned
	seed    uint64
	classes int
	weights []float64 // nil = per tree
}

type worker struct {
	*growth
	grower  *tree.Grower
	drawn   []uint16
	samples []tree.Sample
	row     []float32
	votes   []uint32 // rows · classes, of trees that did not see the row; nil without OOB
}

// planted is one grown tree with its leaves still dense.
type planted struct {
	tree   tree.Tree
	shares []uint16 // leaf · classes
	cover  []uint8
	gain   []float64
}

func (g *growth) newWorker() *worker {
	w := &worker{growth: g, grower: tree.NewGrower(g.binned, g.classes, g.limits), drawn: make([]uint16, g.x.Rows()), row: make([]float32, len(g.x.Cols))}
	if g.config.OOB {
		w.votes = make([]uint32, g.x.Rows()*g.classes)
	}
	return w
}

// plant grows tree i.
func (w *worker) plant(i int) planted {
	rng := rand.New(rand.NewPCG(w.seed, uint64(i)))
	w.draw(rng)
	w.samples = w.samples[:0]
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
		weights = make([]float64, w.classes)
		for c := range weights {
			weights[c] = 1
		}
	}
	grown := w.grower.Grow(w.samples, weights, rng)
	p := planted{tree: grown.Tree, gain: grown.Gain}
	for l := 0; l < len(grown.Counts); l += w.classes {
		leaf := grown.Counts[l : l+w.classes]
		p.shares = appendShares(p.shares, leaf, weights)
		p.cover = append(p.cover, coverOf(leaf))
	}
	if w.votes != nil {
		w.vote(&p)
	}
	return p
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
}

// vote adds the leaf shares of a tree to the rows that it did not see.
func (w *worker) vote(p *planted) {
	for r, k := range w.drawn {
		if k > 0 {
			continue
		}
		l := int(p.tree.Leaf(w.x.Row(w.row, r))) * w.classes
		votes := w.votes[r*w.classes : (r+1)*w.classes]
		for c, s := range p.shares[l : l+w.classes] {
			votes[c] += uint32(s)
		}
	}
}

// score is the accuracy of the votes of unseen trees, NaN if no row has one.
func (g *growth) score(workers []*worker) float64 {
	right, rows := 0, 0
	sum := make([]uint32, g.classes)
	for r, class := range g.x.Class {
		clear(sum)
		best, any := 0, uint32(0)
		for _, w := range workers {
			if w == nil {
				continue
			}
			for c, v := range w.votes[r*g.classes : (r+1)*g.classes] {
				sum[c] += v
				any |= v
			}
		}
		if any == 0 {
			continue
		}
		for c, v := range sum {
			if v > sum[best] {
				best = c
			}
		}
		rows++
		if best == int(class) {
			right++
		}
	}
	return float64(right) / float64(rows)
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

// assemble joins the trees: equal leaves of all trees share their shares.
func (f *Forest) assemble(grown []planted) {
	classes := len(f.classes)
	seen := make(map[string]int32)
	var key []byte
	f.importance = make([]float64, len(f.schema.Columns))
	for _, p := range grown {
		total := 0.0
		for _, g := range p.gain {
			total += g
		}
		for j, g := range p.gain {
			if total > 0 {
				f.importance[j] += g / total / float64(len(grown))
			}
		}
		for i := range p.tree {
			if p.tree[i].Feature >= 0 {
				continue
			}
			l := int(p.tree[i].Next) * classes
			leaf := p.shares[l : l+classes]
			key = key[:0]
			for _, s := range leaf {
				key = append(key, byte(s), byte(s>>8))
			}
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
			p.tree[i].Next = at
		}
		f.trees = append(f.trees, p.tree)
		f.cover = append(f.cover, p.cover...)
	}
	normalise(f.importance)
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

// Kind implements model.Model.
func (f *Forest) Kind() string { return Kind }

// Schema implements model.Model.
func (f *Forest) Schema() *frame.Schema { return &f.schema }

// Classes implements model.Classifier.
func (f *Forest) Classes() []string { return f.classes }

// Config is the configuration that the forest was grown with.
func (f *Forest) Config() Config { return f.config }

// Importance is the mean decrease of Gini impurity per column; it sums to 1, or
// is 0 throughout if no tree has a split. It favours columns with many distinct
// values (Strobl 2007): see PermutationImportance.
func (f *Forest) Importance() []float64 { return slices.Clone(f.importance) }

// OOB is the accuracy on rows outside the bag, if Config.OOB asked for it.
func (f *Forest) OOB() (accuracy float64, ok bool) { return f.oob, !math.IsNaN(f.oob) }

// Size is the number of leaves of all trees.
func (f *Forest) Size() (leaves int) { return len(f.cover) }

// PredictProba implements model.Classifier. It panics if x has other columns
// or dst is too short.
func (f *Forest) PredictProba(dst []float32, x *frame.Matrix, lo, hi int) {
	model.MustMatch(&f.schema, x.Schema)
	classes := len(f.classes)
	dst = dst[:(hi-lo)*classes]
	columns := len(x.Cols)
	rows := min(blockRows, hi-lo)
	block := make([]float32, rows*columns)
	leaves := make([]int32, rows)
	votes := make([]uint32, rows*classes)
	unit := 1 / (float64(one) * float64(len(f.trees)))
	for ; lo < hi; lo += rows {
		rows = min(rows, hi-lo)
		missing := tree.Block(block, x, lo, lo+rows)
		clear(votes)
		for _, t := range f.trees {
			t.Leaves(leaves[:rows], block, columns, missing)
			for r, at := range leaves[:rows] {
				v := votes[r*classes : (r+1)*classes]
				for {
					s := f.shares[at]
					v[s>>16&(tree.MaxClasses-1)] += s & one
					if s&last != 0 {
						break
					}
					at++
				}
			}
		}
		for i, v := range votes[:rows*classes] {
			dst[i] = float32(float64(v) * unit)
		}
		dst = dst[rows*classes:]
	}
}

// Contributions implements model.Classifier: the change of the class's
// probability from node to node on the row's way, given to the column that was
// split on and averaged over the trees (Saabas, "Interpreting random forests",
// 2014; scikit-learn's treeinterpreter).
func (f *Forest) Contributions(dst []float64, x *frame.Matrix, row, class int) (bias float64) {
	model.MustMatch(&f.schema, x.Schema)
	values := f.valuesOf(class)
	buf := x.Row(make([]float32, len(x.Cols)), row)
	scale := 1 / float64(len(f.trees))
	for _, t := range f.trees {
		before := float64(values[0])
		bias += float64(before * scale)
		t.Path(buf, func(node, column int) {
			if column >= 0 {
				v := float64(values[node])
				dst[column] += float64((v - before) * scale)
				before = v
			}
		})
		values = values[len(t):]
	}
	return bias
}

// valuesOf returns the probability of a class at every node: that of a leaf is
// its share, that of an inner node the mean of its children by cover.
func (f *Forest) valuesOf(class int) []float32 {
	cv := &f.values[class]
	cv.once.Do(func() {
		nodes := 0
		for _, t := range f.trees {
			nodes += len(t)
		}
		cv.v = make([]float32, nodes)
		v, cover := cv.v, f.cover
		for _, t := range f.trees {
			weight := make([]float64, len(t))
			leaf := len(t) - t.Inner()
			rest := cover[leaf:]
			for i := len(t) - 1; i >= 0; i-- {
				n := t[i]
				if n.Feature < 0 {
					leaf--
					weight[i] = math.Exp2(float64(cover[leaf]) / 8)
					v[i] = float32(float64(f.share(n.Next, class)) / one)
					continue
				}
				a, b := weight[n.Next], weight[n.Next+1]
				weight[i] = a + b
				v[i] = float32((float64(a*float64(v[n.Next])) + float64(b*float64(v[n.Next+1]))) / (a + b))
			}
			v, cover = v[len(t):], rest
		}
	})
	return cv.v
}

// share is the share of a class in the leaf whose shares begin at.
func (f *Forest) share(at int32, class int) uint32 {
	for ; ; at++ {
		s := f.shares[at]
		if int(s>>16&(tree.MaxClasses-1)) == class {
			return s & one
		}
		if s&last != 0 {
			return 0
		}
	}
}

// PermutationImportance is the mean loss of a score when one column's values
// are shuffled among the rows of x (Breiman 2001, section 10), for each column.
// score judges the probabilities of all rows, higher = better: accuracy or
// macro-F1 on rows that the model has not seen. It costs columns · repeats
// predictions of x.
func PermutationImportance(ctx context.Context, m model.Classifier, x *frame.Matrix, repeats int, seed uint64, workers int, score func(proba []float32) float64) ([]float64, error) {
	model.MustMatch(m.Schema(), x.Schema)
	n := x.Rows()
	proba := make([]float32, n*len(m.Classes()))
	m.PredictProba(proba, x, 0, n)
	base := score(proba)
	out := make([]float64, len(x.Cols))
	err := model.Parallel(ctx, workers, len(out), nil, func(_, j int) error {
		rng := rand.New(rand.NewPCG(seed, uint64(j)))
		col := slices.Clone(x.Cols[j])
		shuffled := *x
		shuffled.Cols = slices.Clone(x.Cols)
		shuffled.Cols[j] = col
		proba := make([]float32, n*len(m.Classes()))
		for range repeats {
			rng.Shuffle(n, func(a, b int) { col[a], col[b] = col[b], col[a] })
			m.PredictProba(proba, &shuffled, 0, n)
			out[j] += (base - score(proba)) / float64(repeats)
		}
		return nil
	})
	return out, err
}
