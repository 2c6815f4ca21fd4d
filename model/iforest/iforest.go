// Package iforest is the Isolation Forest (Liu, Ting, Zhou, "Isolation
// Forest", ICDM 2008): random trees on small random samples, in which odd rows
// end up alone after few splits. With Config.Extension the splits are random
// hyperplanes (Hariri, Carrasco Kind, Brunner, "Extended Isolation Forest", IEEE
// TKDE 2019): extended.go.
//
// Fit grows one, Score rates blocks of rows, Contributions says which columns
// made a row odd, Encode and Decode store it, AppendONNX writes it for other
// runtimes. It is fitted without labels; what counts as an alert is the caller's
// budget, which Threshold turns into a score.
//
// Cost: a fit takes O(trees · sample · log sample), a score O(trees · log
// sample) per row, times the columns of a hyperplane.
//
// Deviations from the paper: the average path length c(n) uses exact harmonic
// numbers, not ln + Euler's constant. Missing values do not decide: at a split
// they follow the larger part of the sample, so that a row is neither odd nor
// normal for what is not known of it; a column without two different values in
// a node is not split on.
package iforest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"

	"apiml/frame"
	"apiml/model"
	"apiml/model/tree"
)

const (
	// Kind is the kind of model in files.
	Kind = "isolation_forest"

	maxTrees  = 10_000
	maxSample = math.MaxUint16
)

// Config says how the forest is grown. Take Default and change what you want:
// the zero value is not valid.
type Config struct {
	Trees      int `json:"trees"`       // number of trees, default 100
	SampleSize int `json:"sample_size"` // rows per tree, drawn without replacement; all rows if there are fewer; default 256
	Extension  int `json:"extension"`   // columns of a split's hyperplane, less 1; 0 = one column, as in Liu 2008; at most columns - 1, which larger values mean
}

// Default is the paper's configuration.
func Default() Config { return Config{Trees: 100, SampleSize: 256} }

func (c *Config) check() error {
	switch {
	case c.Trees < 1 || c.Trees > maxTrees:
		return fmt.Errorf("iforest: trees must be 1 to %d, not %d", maxTrees, c.Trees)
	case c.SampleSize < 2 || c.SampleSize > maxSample:
		return fmt.Errorf("iforest: sample_size must be 2 to %d, not %d", maxSample, c.SampleSize)
	case c.Extension < 0:
		return fmt.Errorf("iforest: extension must be 0 (one column per split) or more, not %d", c.Extension)
	}
	return nil
}

// Forest is a fitted isolation forest: immutable, safe for concurrent use.
type Forest struct {
	schema frame.Schema
	config Config
	seed   uint64
	sample int // rows per tree, ψ in the paper
	trees  []tree.Tree
	layout struct { // for prediction, made on first use: pieces of the trees, in order
		once   sync.Once
		splits []*tree.Splits
	}
	planes *planes  // with Extension
	sizes  []uint16 // sampled rows per leaf, over all trees; Next of a leaf is its index
	norm   float64  // c(sample)
	// length is the path length that a leaf stands for: its depth + c(its rows).
	length []float32
	// mean holds, for every node of all trees, the mean length of the sampled
	// rows below it: what contributions compare.
	mean []float32
}

// AveragePath is c(n): the average path length of an unsuccessful search in a
// binary search tree of n rows, 2·H(n-1) - 2·(n-1)/n with the harmonic number
// H (Liu 2008, equation 1). It is 0 for n < 2 and 1 for n = 2.
func AveragePath(n int) float64 {
	if n < 2 {
		return 0
	}
	h := 0.0
	for i := n - 1; i > 0; i-- { // small terms first: less rounding
		h += 1 / float64(i)
	}
	return 2*h - float64(2*float64(n-1)/float64(n))
}

// Fit grows a forest on all rows of x, whatever their class. It does not change
// x. Errors: a configuration out of range, no rows, no columns, an infinite
// feature, the end of ctx.
func Fit(ctx context.Context, x *frame.Matrix, c Config, opt model.FitOptions) (*Forest, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := x.Check(); err != nil {
		return nil, err
	}
	switch {
	case x.Rows() == 0:
		return nil, fmt.Errorf("iforest: no rows")
	case len(x.Cols) == 0 || len(x.Cols) > tree.MaxColumns:
		return nil, fmt.Errorf("iforest: %d columns, possible are 1 to %d", len(x.Cols), tree.MaxColumns)
	}
	f := &Forest{schema: *x.Schema, config: c, seed: opt.Seed, sample: min(c.SampleSize, x.Rows())}
	f.schema.Columns = slices.Clone(x.Schema.Columns)
	f.trees = make([]tree.Tree, c.Trees)
	sizes := make([][]uint16, c.Trees)
	width := min(c.Extension+1, len(x.Cols))
	planeOf := make([]planes, c.Trees)
	err := model.Parallel(ctx, opt.Workers, c.Trees, opt.Log, func(_, i int) error {
		rng := rand.New(rand.NewPCG(opt.Seed, uint64(i)))
		if width > 1 {
			planeOf[i].width = width
			f.trees[i], sizes[i] = f.growExtended(x, rng, &planeOf[i])
		} else {
			f.trees[i], sizes[i] = f.grow(x, rng)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if width > 1 {
		f.planes = join(planeOf, width)
	}
	for i, t := range f.trees {
		for k := range t {
			if t[k].Feature < 0 {
				t[k].Next += int32(len(f.sizes))
			}
		}
		f.sizes = append(f.sizes, sizes[i]...)
	}
	f.derive()
	return f, nil
}

// grow grows one tree in breadth-first order and returns it with the rows per
// leaf.
func (f *Forest) grow(x *frame.Matrix, rng *rand.Rand) (tree.Tree, []uint16) {
	rows := draw(rng, x.Rows(), f.sample)
	// A path longer than the average of a random tree says no more than "not
	// odd" (section 3 of the paper), so growth ends there.
	limit := int(math.Ceil(math.Log2(float64(f.sample))))
	type part struct{ lo, hi, depth int }
	parts := []part{{0, len(rows), 0}}
	t := tree.Tree{{Feature: -1}}
	var sizes []uint16
	columns := make([]int16, len(x.Cols))
	for j := range columns {
		columns[j] = int16(j)
	}
	right := make([]int, 0, len(rows))
	for i := 0; i < len(t); i++ {
		p := parts[i]
		at := rows[p.lo:p.hi]
		column, lo, hi := int16(-1), float32(0), float32(0)
		if p.depth < limit && len(at) > 1 {
			column, lo, hi = choose(rng, x, at, columns)
		}
		if column < 0 {
			t[i].Next = int32(len(sizes))
			sizes = append(sizes, uint16(len(at)))
			continue
		}
		// Uniform in [lo, hi): at least lo goes left and hi right.
		cut := float32(float64(lo) + float64(rng.Float64()*(float64(hi)-float64(lo))))
		if cut >= hi || cut < lo {
			cut = lo
		}
		mid, missing := split(at, &right, x.Cols[column], cut)
		t[i] = tree.Node{Feature: column, Threshold: cut, Missing: missing, Next: int32(len(t))}
		t = append(t, tree.Node{Feature: -1}, tree.Node{Feature: -1})
		parts = append(parts, part{p.lo, p.lo + mid, p.depth + 1}, part{p.lo + mid, p.hi, p.depth + 1})
	}
	return t, sizes
}

// draw draws n of rows without replacement (Floyd's algorithm, CACM 30, 1987).
func draw(rng *rand.Rand, rows, n int) []int {
	out := make([]int, 0, n)
	seen := make(map[int]bool, n)
	for j := rows - n; j < rows; j++ {
		r := rng.IntN(j + 1)
		if seen[r] {
			r = j
		}
		seen[r] = true
		out = append(out, r)
	}
	slices.Sort(out)
	return out
}

// choose draws a column with at least two different values among rows and
// returns its range; -1 if there is none. It reorders columns.
func choose(rng *rand.Rand, x *frame.Matrix, rows []int, columns []int16) (column int16, lo, hi float32) {
	for k := range columns {
		pick := k + rng.IntN(len(columns)-k)
		columns[k], columns[pick] = columns[pick], columns[k]
		col := x.Cols[columns[k]]
		lo, hi = float32(math.Inf(1)), float32(math.Inf(-1))
		for _, r := range rows {
			if v := col[r]; v == v {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
		if lo < hi {
			return columns[k], lo, hi
		}
	}
	return -1, 0, 0
}

// split moves the rows that go left to the front and returns how many they are
// and where missing values go: with the larger part.
func split(rows []int, buf *[]int, col []float32, cut float32) (mid int, missing uint8) {
	l, r := 0, 0
	for _, i := range rows {
		if col[i] <= cut {
			l++
		} else if col[i] == col[i] {
			r++
		}
	}
	if r > l {
		missing = 1
	}
	right := (*buf)[:0]
	for _, i := range rows {
		v := col[i]
		if v <= cut || v != v && missing == 0 {
			rows[mid] = i
			mid++
		} else {
			right = append(right, i)
		}
	}
	copy(rows[mid:], right)
	return mid, missing
}

// derive computes what follows from the trees and the sizes of their leaves.
func (f *Forest) derive() {
	f.norm = AveragePath(f.sample)
	average := make(map[uint16]float64)
	f.length = make([]float32, len(f.sizes))
	nodes := 0
	for _, t := range f.trees {
		nodes += len(t)
	}
	f.mean = make([]float32, nodes)
	mean := f.mean
	for _, t := range f.trees {
		depth := make([]int32, len(t))
		for i, n := range t {
			if n.Feature >= 0 {
				depth[n.Next], depth[n.Next+1] = depth[i]+1, depth[i]+1
				continue
			}
			size := f.sizes[n.Next]
			c, ok := average[size]
			if !ok {
				c = AveragePath(int(size))
				average[size] = c
			}
			f.length[n.Next] = float32(float64(depth[i]) + c)
		}
		weight := make([]float64, len(t))
		for i := len(t) - 1; i >= 0; i-- {
			n := t[i]
			if n.Feature < 0 {
				weight[i], mean[i] = float64(f.sizes[n.Next]), f.length[n.Next]
				continue
			}
			a, b := weight[n.Next], weight[n.Next+1]
			weight[i] = a + b
			mean[i] = float32((float64(a*float64(mean[n.Next])) + float64(b*float64(mean[n.Next+1]))) / (a + b))
		}
		mean = mean[len(t):]
	}
}

// Kind implements model.Model.
func (f *Forest) Kind() string { return Kind }

// Schema implements model.Model.
func (f *Forest) Schema() *frame.Schema { return &f.schema }

// Config is the configuration that the forest was grown with.
func (f *Forest) Config() Config { return f.config }

// Score implements model.Detector: 2^(-E[h]/c(ψ)), where E[h] is the mean path
// length over the trees (equation 2 of the paper). 0.5 is an average row, above
// 0.6 an odd one. Without any column to split on every row scores 0.5. It
// panics if x has other columns or dst is too short.
func (f *Forest) Score(dst []float32, x *frame.Matrix, lo, hi int) {
	model.MustMatch(&f.schema, x.Schema)
	dst = dst[:hi-lo]
	if f.planes != nil {
		f.scoreExtended(dst, x, lo)
		return
	}
	if len(dst) < fewRows {
		row := make([]float32, len(x.Cols))
		for r := range dst {
			x.Row(row, lo+r)
			sum := 0.0
			for _, t := range f.trees {
				sum += float64(f.length[t.Leaf(row)])
			}
			dst[r] = float32(f.score(sum / float64(len(f.trees))))
		}
		return
	}
	f.layout.once.Do(func() { f.layout.splits = lay(f.trees, len(x.Cols)) })
	sums := make([]float64, len(dst))
	for _, s := range f.layout.splits {
		f.addLengths(sums, x, lo, s)
	}
	for r, sum := range sums {
		dst[r] = float32(f.score(sum / float64(len(f.trees))))
	}
}

// fewRows is up to how many rows walk one by one.
const fewRows = 16

// lay lays trees out in as few pieces as possible; a single tree always fits.
func lay(trees []tree.Tree, columns int) []*tree.Splits {
	if s := tree.NewSplits(trees, columns); s != nil || len(trees) == 1 {
		return []*tree.Splits{s}
	}
	half := len(trees) / 2
	return append(lay(trees[:half], columns), lay(trees[half:], columns)...)
}

// addLengths adds the path lengths of the rows from lo on. The length that most
// rows of a block share goes to common, and the others take it back. The sums
// are exact, hence the same in any order: a float32 that is 0 or at least 1 is a
// multiple of 2^-23, and the sum of 10,000 of them, none above 2^17, stays below
// 2^30.
func (f *Forest) addLengths(sums []float64, x *frame.Matrix, lo int, s *tree.Splits) {
	b := s.Block()
	defer b.Done()
	for len(sums) > 0 {
		n := min(len(sums), tree.FlatRows)
		b.Load(x, lo, lo+n)
		var sum [tree.FlatRows]float64
		common := 0.0
		for t := 0; t < s.Trees(); t += tree.SplitTrees {
			leaves := b.Leaves(t)
			for i, rows := range b.Rows[:leaves] {
				length := float64(f.length[b.Leaf[i]])
				if bits.OnesCount64(rows) > tree.FlatRows/2 {
					common += length
					rows, length = ^rows, -length
				}
				for ; rows != 0; rows &= rows - 1 {
					sum[bits.TrailingZeros64(rows)] += length
				}
			}
		}
		for r := range n {
			sums[r] += sum[r] + common
		}
		sums, lo = sums[n:], lo+n
	}
}

// Threshold is the least score at which at most that share of the scores (of
// rows like those to come, at least one) reaches it: the threshold that keeps
// an alert budget, 0.001 for one alert in a thousand rows. Where too many rows
// share a score it is the next float above it. Above 1 no row reaches it.
func Threshold(scores []float32, budget float64) float32 {
	sorted := slices.Clone(scores)
	slices.Sort(sorted)
	n := len(sorted)
	alerts := int(math.Floor(budget*float64(n) + 1e-9))
	switch {
	case alerts >= n:
		return sorted[0]
	case alerts <= 0:
		return math.Nextafter32(sorted[n-1], 2)
	}
	t := sorted[n-alerts]
	if sorted[n-alerts-1] == t { // ties with rows beyond the budget
		t = math.Nextafter32(t, 2)
	}
	return t
}

// score turns a mean path length into a score.
func (f *Forest) score(length float64) float64 {
	if f.norm == 0 {
		return 0.5 // one row only: nothing is odder than anything
	}
	return math.Exp2(-length / f.norm)
}

// Contributions implements model.Detector. A split shortens or lengthens the
// path that a row can expect: the mean path length of the sampled rows below
// the child, less that below the parent, goes to the column that was split on
// (the decision-path attribution of Saabas 2014, applied to path lengths; like
// DIFFI, Carletti 2023, it credits splits that isolate early). The sum over the
// columns is scaled to score(row) - score(average path), so that positive
// values made the row odder. A hyperplane's part is shared among its columns
// by how far each of them pushed the row.
func (f *Forest) Contributions(dst []float64, x *frame.Matrix, row int) {
	model.MustMatch(&f.schema, x.Schema)
	buf := x.Row(make([]float32, len(x.Cols)), row)
	shift := make([]float64, len(x.Cols)) // of the mean path length
	base, length := 0.0, 0.0
	mean := f.mean
	for k, t := range f.trees {
		before := float64(mean[0])
		base += before
		if f.planes != nil {
			before = f.planes.path(k, t, buf, mean, shift)
		} else {
			t.Path(buf, func(node, column int) {
				if column >= 0 {
					v := float64(mean[node])
					shift[column] += v - before
					before = v
				}
			})
		}
		length += before
		mean = mean[len(t):]
	}
	n := float64(len(f.trees))
	base, length = base/n, length/n
	// The slope of the score between both lengths; of its tangent where they
	// meet.
	scale := 0.0
	if f.norm > 0 {
		scale = -math.Ln2 / f.norm * f.score(base)
	}
	if math.Abs(length-base) > 1e-6 {
		scale = (f.score(length) - f.score(base)) / (length - base)
	}
	for j, s := range shift {
		dst[j] += float64(s / n * scale)
	}
}

// Encode implements model.Model. Besides the trees (package tree) the file
// holds
//
//	iforest.size    U8 or U16  per leaf: sampled rows, less 1
//	iforest.sample  I32        one value: rows per tree
//
// and, with an extension, the hyperplanes (extended.go).
func (f *Forest) Encode(file *model.File) error {
	config, err := json.Marshal(f.config)
	if err != nil {
		return err
	}
	h := &file.Header
	h.Kind, h.Schema, h.Classes, h.Config, h.Seed = Kind, f.schema, nil, config, f.seed
	tree.Encode(file, f.trees, len(f.schema.Columns))
	file.PutI32("iforest.sample", []int32{int32(f.sample)})
	if f.planes != nil {
		f.planes.encode(file)
	}
	// A leaf holds at least one row, so 256 still fit into a byte.
	wide := make([]uint16, len(f.sizes))
	narrow := make([]uint8, len(f.sizes))
	for i, s := range f.sizes {
		wide[i] = s - 1
		narrow[i] = uint8(s - 1)
	}
	if f.sample <= 256 {
		file.PutU8("iforest.size", narrow)
	} else {
		file.PutU16("iforest.size", wide)
	}
	return nil
}

// Decode reads a forest. It checks every index and count, so that a damaged or
// hostile file is an error and never a crash or an endless walk.
func Decode(file *model.File) (*Forest, error) {
	f, err := decode(file)
	if err != nil {
		return nil, fmt.Errorf("iforest: %w", err)
	}
	return f, nil
}

func decode(file *model.File) (*Forest, error) {
	h := &file.Header
	if h.Kind != Kind {
		return nil, fmt.Errorf("the file holds a %q", h.Kind)
	}
	f := &Forest{schema: h.Schema, seed: h.Seed, config: Default()}
	if len(h.Config) > 0 {
		if err := json.Unmarshal(h.Config, &f.config); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
	}
	sample, err := file.I32("iforest.sample")
	if err != nil {
		return nil, err
	}
	if len(sample) != 1 || sample[0] < 1 || sample[0] > maxSample {
		return nil, fmt.Errorf("rows per tree are %v, possible are 1 to %d", sample[:min(len(sample), 2)], maxSample)
	}
	f.sample = int(sample[0])
	leaves := 0
	if f.trees, leaves, err = tree.Decode(file, len(f.schema.Columns)); err != nil {
		return nil, err
	}
	if len(f.trees) == 0 || len(f.trees) > maxTrees {
		return nil, fmt.Errorf("%d trees, possible are 1 to %d", len(f.trees), maxTrees)
	}
	if err := f.decodeSizes(file); err != nil {
		return nil, err
	}
	if len(f.sizes) != leaves {
		return nil, fmt.Errorf("%d leaves, %d sizes for them", leaves, len(f.sizes))
	}
	for k, t := range f.trees {
		rows := 0
		for _, n := range t {
			if n.Feature < 0 {
				rows += int(f.sizes[n.Next])
			}
		}
		if rows != f.sample {
			return nil, fmt.Errorf("tree %d holds %d rows, not %d", k, rows, f.sample)
		}
	}
	if file.Has("iforest.plane_width") {
		if f.planes, err = decodePlanes(file, f.trees, len(f.schema.Columns)); err != nil {
			return nil, err
		}
	}
	f.derive()
	return f, nil
}

// decodeSizes reads iforest.size in either width.
func (f *Forest) decodeSizes(file *model.File) error {
	narrow, err := file.U8("iforest.size")
	if err == nil {
		f.sizes = make([]uint16, len(narrow))
		for i, s := range narrow {
			f.sizes[i] = uint16(s) + 1
		}
		return nil
	}
	if f.sizes, err = file.U16("iforest.size"); err != nil {
		return err
	}
	for i, s := range f.sizes {
		if s == math.MaxUint16 {
			return fmt.Errorf("leaf %d holds more than %d rows", i, maxSample)
		}
		f.sizes[i] = s + 1
	}
	return nil
}
