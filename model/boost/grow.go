package boost

import (
	"container/heap"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"apiml/model"
	"apiml/model/tree"
)

// A histogram cell is one 64-bit number: the sum of the rounded gradients of its
// rows in the upper 32 bits (signed), that of their hessians in the lower 32
// (unsigned). The unit of each is chosen per tree so that the sum of all
// magnitudes fits: 800,000 rows leave 2,700 steps to the mean gradient (Shi et
// al. 2022 show that a few bits do). Adding a row is one addition, a sibling one
// subtraction, neither can round, and the order of rows does not matter, so any
// number of workers gives the same trees.
const (
	// minGain: a split must lower the loss by more than rounding can fake.
	minGain = 1e-9
	// minHold is the least number of held-out rows for early stopping: fewer say
	// nothing about the best number of rounds.
	minHold = 10
	// minTail is how many held-out rows should lie beyond a quantile for it to be
	// calibrated.
	minTail = 10
	// tailRows of a leaf must lie beyond its quantile.
	tailRows = 3
	// staged is how many rows are copied together before they are counted: the
	// copies are fetched side by side, the counts would wait for each.
	staged = 256
	// chunkRows is the least number of rows that is worth a worker of its own.
	chunkRows = 16384
	// histogramBytes is how much memory histograms may take that wait to be
	// subtracted from; nodes beyond count their rows instead.
	histogramBytes = 96 << 20
	// batchNodes is how many nodes of a level are split together.
	batchNodes = 64
)

// histogram holds the cells of the slots of one word.
type histogram [group][256]int64

// split sets the rows for early stopping and calibration aside: the last fifth
// in time, or that share drawn by the seed where there are no times.
func (g *growth) split(times []int64) {
	n := len(g.y)
	g.fit = make([]int32, n)
	for i := range g.fit {
		g.fit[i] = int32(i)
	}
	k := n / 5
	if g.config.EarlyStoppingRounds == 0 && !(g.config.Calibrate && len(g.config.Quantiles) > 0) || k < minHold {
		return
	}
	order := slices.Clone(g.fit)
	if times != nil && slices.Min(times) < slices.Max(times) {
		slices.SortStableFunc(order, func(a, b int32) int {
			switch {
			case times[a] < times[b]:
				return -1
			case times[a] > times[b]:
				return 1
			}
			return 0
		})
	} else {
		rng := rand.New(rand.NewPCG(g.seed, math.MaxUint64))
		rng.Shuffle(n, func(a, b int) { order[a], order[b] = order[b], order[a] })
	}
	g.fit, g.hold = order[:n-k], order[n-k:]
	slices.Sort(g.fit)
	slices.Sort(g.hold)
}

// progress serialises the calls of FitOptions.Log.
type progress struct {
	mu          sync.Mutex
	log         func(done, total int)
	done, total int
}

func newProgress(log func(done, total int), total int) *progress {
	if log == nil {
		return nil
	}
	return &progress{log: log, total: total}
}

// add reports n trees done.
func (p *progress) add(n int) {
	if p == nil || n == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for range n {
		p.done++
		p.log(p.done, p.total)
	}
}

// grower fits one loss: one ensemble, or one of each class.
type grower struct {
	*growth
	loss    loss
	number  int // of the loss among those of the model: its stream of random numbers
	workers int
	least   float64 // hessian of a child

	records []uint64 // as in growth; a copy where losses are fitted side by side
	f       [][]float64
	grad    [][]float64
	hess    [][]float32 // nil: all are 1
	base    []int32     // rows of the round, ascending
	rows    []int32     // rows of the tree, those of a node together, ascending in it
	spare   []int32
	out     []int32 // rows that are not in the tree
	resid   []float64
	buffers [][]uint64 // per worker: staged rows
	chunks  []chunkSum

	stepG, stepH float64 // value of one step of the rounded gradient, hessian
	drawn        []int   // slots of the tree, ascending
	levels       [][]int // of each level
	use          []int   // words that hold one of them
	pool         [][]histogram
	made         int // histograms in memory
	most         int // of them that may wait to be subtracted from; 0 = by histogramBytes

	gain  []float64 // per column
	sets  *[]set    // of the model's categorical splits
	shift float64   // of the quantile, by the held-out rows
}

// set is a set of bins of a categorical column: those that go right.
type set [4]uint64

func (s *set) add(bin uint8)       { s[bin>>6] |= 1 << (bin & 63) }
func (s *set) has(bin uint8) uint8 { return uint8(s[bin>>6] >> (bin & 63) & 1) }
func (s *set) each(do func(bin uint8)) { // ascending
	for b := range 256 {
		if s.has(uint8(b)) == 1 {
			do(uint8(b))
		}
	}
}

type chunkSum struct{ grad, hess float64 }

// run fits the ensembles of the loss into parts, one for each output. With early
// stopping it does so twice: to find the best number of rounds, then on all
// rows, the newest of which matter most.
func (w *grower) run(ctx context.Context, parts []ensemble, p *progress) error {
	n, k := len(w.y), w.loss.outputs()
	w.least = w.loss.least(&w.config)
	for range k {
		w.f, w.grad = append(w.f, make([]float64, n)), append(w.grad, make([]float64, n))
		if !w.loss.unitHessian() || w.config.TopRate > 0 {
			w.hess = append(w.hess, make([]float32, n))
		}
	}
	w.rows, w.spare = make([]int32, 0, n), make([]int32, n)
	w.buffers = make([][]uint64, w.workers)
	for i := range w.buffers {
		w.buffers[i] = make([]uint64, staged*w.stride)
	}
	rounds := w.config.Rounds
	fit := make([]int32, n)
	for i := range fit {
		fit[i] = int32(i)
	}
	if w.hold != nil && (w.config.EarlyStoppingRounds > 0 || w.loss.calibrate) {
		best, err := w.boost(ctx, w.fit, rounds, w.hold, nil, nil)
		if err != nil {
			return err
		}
		rounds = best
	}
	if _, err := w.boost(ctx, fit, rounds, nil, parts, p); err != nil {
		return err
	}
	parts[0].base += w.shift
	p.add((w.config.Rounds - rounds) * k)
	return nil
}

// boost grows up to rounds trees per output on the rows fit. With hold it
// returns after how many the loss there was least, and keeps no tree; without,
// it puts the trees into parts.
func (w *grower) boost(ctx context.Context, fit []int32, rounds int, hold []int32, parts []ensemble, p *progress) (int, error) {
	for k, base := range w.loss.start(w.y, fit) {
		for i := range w.f[k] {
			w.f[k][i] = base
		}
		if parts != nil {
			parts[k].base = base
		}
	}
	w.gain = make([]float64, len(w.cuts))
	sets := w.sets
	if parts == nil {
		w.sets = &[]set{}
	}
	defer func() { w.sets = sets }()
	best, bestLoss := 0, w.mean(hold)
	if hold != nil {
		w.calibrate(hold)
	}
	for round := range rounds {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		rng := rand.New(rand.NewPCG(w.seed, uint64(w.number)<<32|uint64(round)))
		if err := w.gradients(ctx); err != nil {
			return 0, err
		}
		w.drawRows(rng, fit)
		for k := range w.f {
			w.drawColumns(rng)
			w.rows = append(w.rows[:0], w.base...)
			t, err := w.tree(ctx, k, rng)
			if err != nil {
				return 0, err
			}
			if parts != nil {
				parts[k].append(t)
				p.add(1)
			}
		}
		if parts != nil {
			continue
		}
		loss := w.mean(hold)
		switch {
		case loss < bestLoss || w.config.EarlyStoppingRounds == 0:
			best, bestLoss = round+1, loss
			w.calibrate(hold)
		case round+1-best >= w.config.EarlyStoppingRounds:
			return best, nil
		}
	}
	return best, nil
}

// calibrate sets w.shift to what a quantile has to be moved by for its level to
// hold on rows that the trees have not seen: the quantile of their residuals,
// with the correction for the number of rows of split conformal prediction
// (Romano, Patterson & Candès, "Conformalized quantile regression", 2019). The
// trees that are kept are fitted on all rows with the same number of rounds;
// their residuals are taken to be like these.
func (w *grower) calibrate(hold []int32) {
	n := len(hold)
	level := w.loss.level
	if !w.loss.calibrate || float64(n)*min(level, 1-level) < minTail {
		return
	}
	resid := w.spareFloats(n)
	for i, r := range hold {
		resid[i] = w.y[r] - w.f[0][r]
	}
	w.shift = selectNth(resid, rank(n, level*float64(n+1)/float64(n)))
}

// mean is the mean loss of rows on the working scale.
func (w *grower) mean(rows []int32) float64 {
	sum := 0.0
	for _, r := range rows {
		sum += w.loss.at(w.f, w.y, r)
	}
	return sum / float64(len(rows))
}

// gradients computes those of all rows.
func (w *grower) gradients(ctx context.Context) error {
	n := len(w.y)
	return w.each(ctx, (n+chunkRows-1)/chunkRows, func(_, i int) {
		w.loss.gradients(w.grad, w.hess, w.f, w.y, i*chunkRows, min((i+1)*chunkRows, n))
	})
}

// drawRows chooses the rows of a round; what is left over goes to w.out.
func (w *grower) drawRows(rng *rand.Rand, fit []int32) {
	w.base, w.out = w.base[:0], w.out[:0]
	switch {
	case w.config.TopRate > 0:
		w.goss(rng, fit)
	case w.config.Subsample < 1:
		limit := uint32(w.config.Subsample * (1 << 32))
		for _, r := range fit {
			if rng.Uint32() < limit {
				w.base = append(w.base, r)
			}
		}
	}
	if len(w.base) == 0 {
		w.base = append(w.base, fit...)
	}
	if len(w.base) == len(w.y) {
		return
	}
	k := 0
	for r := range int32(len(w.y)) {
		if k < len(w.base) && w.base[k] == r {
			k++
		} else {
			w.out = append(w.out, r)
		}
	}
}

// goss keeps the rows with the largest gradients and draws from the rest, which
// then count for those left out (Ke et al., "LightGBM", NIPS 2017, algorithm 2).
func (w *grower) goss(rng *rand.Rand, fit []int32) {
	size := w.spareFloats(len(fit))
	for i, r := range fit {
		s := 0.0
		for k := range w.grad {
			s += math.Abs(w.grad[k][r])
		}
		size[i] = s
	}
	top := max(1, int(w.config.TopRate*float64(len(fit))))
	limit := selectNth(slices.Clone(size), len(fit)-top)
	rate := w.config.OtherRate / (1 - w.config.TopRate)
	weight := 1 / rate
	bar := uint32(min(rate, 1-1e-9) * (1 << 32))
	for i, r := range fit {
		switch {
		case size[i] > limit || size[i] == limit && limit > 0:
			w.base = append(w.base, r)
		case rng.Uint32() < bar:
			w.base = append(w.base, r)
			for k := range w.grad {
				w.grad[k][r] *= weight
				w.hess[k][r] *= float32(weight)
			}
		}
	}
}

func (w *grower) spareFloats(n int) []float64 {
	if len(w.resid) < n {
		w.resid = make([]float64, len(w.y))
	}
	return w.resid[:n]
}

// sample draws a share of columns, ascending (selection sampling, Knuth, TAOCP
// 2, algorithm S); with a share of 1 it returns columns itself.
func sample(rng *rand.Rand, columns []int, share float64) []int {
	n := len(columns)
	k := max(1, int(math.Round(share*float64(n))))
	if k >= n {
		return columns
	}
	out := make([]int, 0, k)
	for i, c := range columns {
		if rng.IntN(n-i) < k-len(out) {
			out = append(out, c)
		}
	}
	return out
}

// drawColumns chooses the columns of a tree.
func (w *grower) drawColumns(rng *rand.Rand) {
	all := make([]int, len(w.slots))
	for s := range all {
		all[s] = s
	}
	w.drawn = sample(rng, all, w.config.ColsampleByTree)
	w.levels, w.use = w.levels[:0], w.use[:0]
	for _, s := range w.drawn {
		if u := s / group; len(w.use) == 0 || w.use[len(w.use)-1] != u {
			w.use = append(w.use, u)
		}
	}
}

// columns are the slots that a node at that depth may split.
func (w *grower) columns(rng *rand.Rand, depth int) []int {
	for len(w.levels) <= depth {
		w.levels = append(w.levels, sample(rng, w.drawn, w.config.ColsampleByLevel))
	}
	return sample(rng, w.levels[depth], w.config.ColsampleByNode)
}

// round rounds gradients and hessians of output k for the rows of the tree and
// returns their sum.
func (w *grower) round(ctx context.Context, k int) (int64, error) {
	n := len(w.rows)
	w.chunks = append(w.chunks[:0], make([]chunkSum, (n+chunkRows-1)/chunkRows)...)
	grad := w.grad[k]
	var hess []float32
	if w.hess != nil {
		hess = w.hess[k]
	}
	// The sums are made chunk by chunk in a fixed order, whoever makes them.
	err := w.each(ctx, len(w.chunks), func(_, i int) {
		var c chunkSum
		for _, r := range w.rows[i*chunkRows : min((i+1)*chunkRows, n)] {
			c.grad += math.Abs(grad[r])
			if hess != nil {
				c.hess += float64(hess[r])
			}
		}
		w.chunks[i] = c
	})
	if err != nil {
		return 0, err
	}
	var total chunkSum
	for _, c := range w.chunks {
		total.grad += c.grad
		total.hess += c.hess
	}
	// Each rounding adds at most half a step to the sum of magnitudes.
	perG := (math.MaxInt32 - float64(n)) / total.grad
	if !(perG <= math.MaxFloat64) {
		perG = 0 // nothing is left to fit
	}
	perH := 1.0
	if hess != nil {
		perH = (math.MaxUint32 - float64(n)) / total.hess
	}
	w.stepG, w.stepH = 0, 1/perH
	if perG > 0 {
		w.stepG = 1 / perG
	}
	sums := make([]int64, len(w.chunks))
	err = w.each(ctx, len(w.chunks), func(_, i int) {
		sum := int64(0)
		for _, r := range w.rows[i*chunkRows : min((i+1)*chunkRows, n)] {
			// A conversion cuts towards 0; above 0 it rounds down.
			v := int64(float64(grad[r]*perG)+(1<<32+.5)) - 1<<32
			v <<= 32
			if hess != nil {
				v += int64(float64(float64(hess[r])*perH) + .5)
			} else {
				v++
			}
			w.records[int(r)*w.stride] = uint64(v)
			sum += v
		}
		sums[i] = sum
	})
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	for _, v := range sums {
		sum += v
	}
	return sum, nil
}

// grad and hess take a sum of cells apart.
func (w *grower) gradOf(sum int64) float64 { return float64(sum>>32) * w.stepG }
func (w *grower) hessOf(sum int64) float64 { return float64(uint32(sum)) * w.stepH }

// node is one that may be split.
type node struct {
	at, depth int // in the tree
	lo, hi    int // its rows
	sum       int64
	hist      []histogram // per word in use; nil if not kept
	low, high float64     // of leaf values, by the monotone constraints
	slots     []int       // that it may split
	cut       cut
	leaf      bool // counted only so that its sibling need not be
}

// grown is a tree and what belongs to it.
type grown struct {
	tree  tree.Tree
	leaf  []float32
	cover []float32
}

// queue orders the nodes to split: leaf-wise the largest gain first, of equal
// ones the oldest.
type queue []*node

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].cut.gain != q[j].cut.gain {
		return q[i].cut.gain > q[j].cut.gain
	}
	return q[i].at < q[j].at
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(*node)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	n := (*q)[last]
	*q = (*q)[:last]
	return n
}

// sketch is a tree while it grows, children in pairs anywhere behind their
// parents.
type sketch struct {
	nodes  tree.Tree
	slot   []int
	table  []*[256]uint8 // of inner nodes: side by bin
	ranges [][2]int      // rows, −1 = not partitioned
	parent []int32       // of nodes whose rows are still those of the parent
	sum    []int64
	low    []float64
	high   []float64
}

func (s *sketch) add(n *node, parent int32) {
	s.nodes = append(s.nodes, tree.Node{Feature: -1})
	s.slot = append(s.slot, -1)
	s.table = append(s.table, nil)
	s.ranges = append(s.ranges, [2]int{n.lo, n.hi})
	s.parent = append(s.parent, parent)
	s.sum = append(s.sum, n.sum)
	s.low, s.high = append(s.low, n.low), append(s.high, n.high)
}

// tree grows a tree for output k on the drawn rows, adds it to the predictions
// of all rows and returns it.
func (w *grower) tree(ctx context.Context, k int, rng *rand.Rand) (*grown, error) {
	sum, err := w.round(ctx, k)
	if err != nil {
		return nil, err
	}
	s := &sketch{}
	root := &node{hi: len(w.rows), sum: sum, low: math.Inf(-1), high: math.Inf(1)}
	s.add(root, -1)
	var open queue
	fresh := []*node{root}
	pairs := [][2]*node{{root, nil}}
	if !w.splittable(root) {
		fresh, pairs = nil, nil
	}
	leaves := 1
	limit := w.config.MaxLeaves
	if limit == 0 {
		limit = math.MaxInt
	}
	for {
		// fresh nodes have rows and need their best split.
		if err := w.count(ctx, pairs); err != nil {
			return nil, err
		}
		for _, p := range pairs {
			if p[0].leaf {
				w.free(p[0])
			}
		}
		for _, n := range fresh {
			n.slots = w.columns(rng, n.depth)
		}
		if err := w.each(ctx, len(fresh), func(_, i int) { fresh[i].cut = w.best(fresh[i]) }); err != nil {
			return nil, err
		}
		for _, n := range fresh {
			if n.cut.gain <= 0 {
				w.free(n)
				continue
			}
			if w.made > w.mostHistograms() {
				w.free(n)
			}
			if w.config.GrowPolicy == LeafWise {
				heap.Push(&open, n)
			} else {
				open = append(open, n)
			}
		}
		if len(open) == 0 || leaves >= limit {
			break
		}
		var batch []*node
		if w.config.GrowPolicy == LeafWise {
			batch = append(batch, heap.Pop(&open).(*node))
		} else {
			size := 0
			for size < len(open) && size < batchNodes && open[size].depth == open[0].depth && leaves+size < limit {
				size++
			}
			batch = open[:size:size]
			open = open[size:]
		}
		leaves += len(batch)
		fresh, pairs = fresh[:0:0], pairs[:0:0]
		var cutRows []*node
		for _, n := range batch {
			a, b := w.divide(s, n)
			deep := n.depth+1 >= w.config.MaxDepth || leaves >= limit
			sa, sb := !deep && w.splittable(a), !deep && w.splittable(b)
			a.leaf, b.leaf = !sa, !sb
			if !sa && !sb && w.leavesKeepParent() {
				// Both are leaves: their rows need not be told apart yet.
				s.parent[a.at], s.parent[b.at] = int32(n.at), int32(n.at)
				w.free(n)
				continue
			}
			cutRows = append(cutRows, n)
			if sa {
				fresh = append(fresh, a)
			}
			if sb {
				fresh = append(fresh, b)
			}
			if !sa && !sb {
				w.free(n)
				continue
			}
			pairs = append(pairs, w.pair(n, a, b, sa, sb))
		}
		if err := w.partition(ctx, s, cutRows); err != nil {
			return nil, err
		}
		for _, n := range fresh {
			n.lo, n.hi = s.ranges[n.at][0], s.ranges[n.at][1]
		}
		for _, p := range pairs {
			for _, n := range p {
				if n != nil {
					n.lo, n.hi = s.ranges[n.at][0], s.ranges[n.at][1]
				}
			}
		}
	}
	for _, n := range open {
		w.free(n)
	}
	return w.finish(ctx, s, k)
}

// leavesKeepParent: leaf values come from sums alone.
func (w *grower) leavesKeepParent() bool { return w.loss.kind != Quantile }

// splittable: both children could be heavy enough.
func (w *grower) splittable(n *node) bool {
	h := w.hessOf(n.sum)
	return len(w.slots) > 0 && n.hi-n.lo >= 2 && h > 0 && h >= 2*w.least
}

// divide adds the children of n to the sketch.
func (w *grower) divide(s *sketch, n *node) (a, b *node) {
	c := &n.cut
	column := w.slots[c.slot]
	w.gain[column] += c.gain
	t := &s.nodes[n.at]
	t.Feature, t.Missing, t.Next = int16(column), c.missing, int32(len(s.nodes))
	s.slot[n.at] = c.slot
	table := new([256]uint8)
	if w.categorical(column) {
		t.Threshold = float32(len(*w.sets))
		*w.sets = append(*w.sets, c.set)
		for b := range table {
			table[b] = c.set.has(uint8(b))
		}
	} else {
		t.Threshold = w.cuts[column][c.bin]
		for b := c.bin + 1; b < 256; b++ {
			table[b] = 1
		}
	}
	table[tree.MissingBin] = c.missing
	s.table[n.at] = table
	a = &node{at: len(s.nodes), depth: n.depth + 1, lo: n.lo, hi: n.hi, sum: c.left, low: n.low, high: n.high}
	b = &node{at: len(s.nodes) + 1, depth: n.depth + 1, lo: n.lo, hi: n.hi, sum: n.sum - c.left, low: n.low, high: n.high}
	if sign := w.sign[c.slot]; sign != 0 {
		mid := (w.weight(a.sum, n.low, n.high) + w.weight(b.sum, n.low, n.high)) / 2
		if sign > 0 {
			a.high, b.low = mid, mid
		} else {
			a.low, b.high = mid, mid
		}
	}
	s.add(a, -1)
	s.add(b, -1)
	return a, b
}

// pair says which children get histograms: the first of the result counts its
// rows, the second gets what is left of its parent's histogram. A nil first
// means that there is nothing to subtract from and the second counts too.
func (w *grower) pair(n, a, b *node, sa, sb bool) [2]*node {
	small, large := a, b
	ss, sl := sa, sb
	if w.hessOf(a.sum) > w.hessOf(b.sum) {
		small, large = b, a
		ss, sl = sb, sa
	}
	if n.hist == nil || !sl {
		w.free(n)
		switch {
		case ss && sl:
			return [2]*node{small, large}
		case ss:
			return [2]*node{small, nil}
		}
		return [2]*node{large, nil}
	}
	// The larger one takes its parent's histograms over.
	large.hist, n.hist = n.hist, nil
	return [2]*node{small, large}
}

// mostHistograms may wait to be subtracted from.
func (w *grower) mostHistograms() int {
	if w.most > 0 {
		return w.most
	}
	return max(batchNodes, histogramBytes/(max(1, w.stride-1)*int(histogramSize)))
}

const histogramSize = group * 256 * 8

func (w *grower) histograms() []histogram {
	w.made++
	if k := len(w.pool); k > 0 {
		h := w.pool[k-1]
		w.pool = w.pool[:k-1]
		return h
	}
	return make([]histogram, w.stride-1)
}

func (w *grower) free(n *node) {
	if n.hist != nil {
		w.release(n.hist)
		n.hist = nil
	}
}

func (w *grower) release(h []histogram) {
	w.made--
	if len(w.pool) < w.mostHistograms() {
		w.pool = append(w.pool, h)
	}
}

// each calls do for 0 ≤ i < n, in parallel if workers are left for it.
func (w *grower) each(ctx context.Context, n int, do func(worker, i int)) error {
	if w.workers == 1 || n <= 1 {
		for i := range n {
			do(0, i)
		}
		return nil
	}
	return model.Parallel(ctx, w.workers, n, nil, func(worker, i int) error { do(worker, i); return nil })
}

// counting is a part of the rows of a node to be counted.
type counting struct {
	rows []int32
	all  bool // rows are lo, lo+1, …
	hist []histogram
}

// count fills the histograms of the nodes of pairs: see pair.
func (w *grower) count(ctx context.Context, pairs [][2]*node) error {
	var tasks []counting
	type merge struct{ to, from []histogram }
	var merges []merge
	type subtraction struct{ from, what *node }
	var subtractions []subtraction
	add := func(n *node) {
		n.hist = w.histograms()
		rows := w.rows[n.lo:n.hi]
		k := max(1, min(w.workers, len(rows)/chunkRows))
		for i := range k {
			part := rows[i*len(rows)/k : (i+1)*len(rows)/k]
			h := n.hist
			if i > 0 {
				h = w.histograms()
				merges = append(merges, merge{n.hist, h})
			}
			tasks = append(tasks, counting{part, n.at == 0 && len(w.rows) == len(w.y), h})
		}
	}
	for _, p := range pairs {
		add(p[0])
		switch {
		case p[1] == nil:
		case p[1].hist == nil:
			add(p[1])
		default:
			subtractions = append(subtractions, subtraction{p[1], p[0]})
		}
	}
	err := w.each(ctx, len(tasks), func(worker, i int) { w.accumulate(&tasks[i], w.buffers[worker]) })
	if err != nil {
		return err
	}
	for _, m := range merges {
		for _, u := range w.use {
			for k := range m.to[u] {
				x, y := &m.to[u][k], &m.from[u][k]
				for i := range x {
					x[i] += y[i]
				}
			}
		}
		w.release(m.from)
	}
	return w.each(ctx, len(subtractions), func(_, i int) {
		a, b := subtractions[i].from.hist, subtractions[i].what.hist
		for _, u := range w.use {
			for k := range a[u] {
				x, y := &a[u][k], &b[u][k]
				for i := range x {
					x[i] -= y[i]
				}
			}
		}
	})
}

// accumulate counts rows.
func (w *grower) accumulate(c *counting, buffer []uint64) {
	for _, u := range w.use {
		c.hist[u] = histogram{}
	}
	stride := w.stride
	for lo := 0; lo < len(c.rows); lo += staged {
		rows := c.rows[lo:min(lo+staged, len(c.rows))]
		var buf []uint64
		if c.all {
			at := int(rows[0]) * stride
			buf = w.records[at : at+len(rows)*stride]
		} else {
			buf = buffer[:len(rows)*stride]
			gather(buf, w.records, rows, stride)
		}
		for _, u := range w.use {
			if n := len(w.slots) - u*group; n > 4 {
				add8(&c.hist[u], buf, stride, 1+u)
			} else {
				add4(&c.hist[u], buf, stride, 1+u)
			}
		}
	}
}

// gather copies records side by side.
func gather(dst, records []uint64, rows []int32, stride int) {
	if stride == 4 {
		for i, r := range rows {
			d, s := dst[4*i:4*i+4:4*i+4], records[4*int(r):4*int(r)+4:4*int(r)+4]
			d[0], d[1], d[2], d[3] = s[0], s[1], s[2], s[3]
		}
		return
	}
	for i, r := range rows {
		copy(dst[i*stride:(i+1)*stride], records[int(r)*stride:(int(r)+1)*stride])
	}
}

// add8 adds records to the histograms of the eight slots of word at.
func add8(h *histogram, buf []uint64, stride, at int) {
	for i := 0; i+at < len(buf); i += stride {
		b, v := buf[i+at], int64(buf[i])
		h[0][uint8(b)] += v
		h[1][uint8(b>>8)] += v
		h[2][uint8(b>>16)] += v
		h[3][uint8(b>>24)] += v
		h[4][uint8(b>>32)] += v
		h[5][uint8(b>>40)] += v
		h[6][uint8(b>>48)] += v
		h[7][uint8(b>>56)] += v
	}
}

// add4 is add8 for a word of at most four slots.
func add4(h *histogram, buf []uint64, stride, at int) {
	for i := 0; i+at < len(buf); i += stride {
		b, v := buf[i+at], int64(buf[i])
		h[0][uint8(b)] += v
		h[1][uint8(b>>8)] += v
		h[2][uint8(b>>16)] += v
		h[3][uint8(b>>24)] += v
	}
}

// side is what a record says about a split.
func (w *grower) bin(row int32, slot int) uint8 {
	if w.cols != nil {
		return w.cols[slot][row]
	}
	return uint8(w.records[int(row)*w.stride+1+slot/group] >> (8 * (slot % group)))
}

// part moves the rows that go left to the front, the others to spare; it returns
// how many go left. The order on both sides is kept.
func (w *grower) part(rows, spare []int32, slot int, table *[256]uint8) int {
	l, r := 0, 0
	spare = spare[:len(rows)]
	if w.cols != nil {
		col := w.cols[slot]
		for _, row := range rows {
			side := int(table[col[row]])
			rows[l], spare[r] = row, row
			l += 1 - side
			r += side
		}
		return l
	}
	at, shift := 1+slot/group, 8*(slot%group)
	for _, row := range rows {
		side := int(table[uint8(w.records[int(row)*w.stride+at]>>shift)])
		rows[l], spare[r] = row, row
		l += 1 - side
		r += side
	}
	return l
}

// partition divides the rows of nodes and sets the ranges of their children.
func (w *grower) partition(ctx context.Context, s *sketch, nodes []*node) error {
	type piece struct{ node, lo, hi, left int }
	var pieces []piece
	for i, n := range nodes {
		size := n.hi - n.lo
		k := max(1, min(w.workers, size/chunkRows))
		for j := range k {
			pieces = append(pieces, piece{i, n.lo + j*size/k, n.lo + (j+1)*size/k, 0})
		}
	}
	err := w.each(ctx, len(pieces), func(_, i int) {
		p := &pieces[i]
		n := nodes[p.node]
		p.left = w.part(w.rows[p.lo:p.hi], w.spare[p.lo:p.hi], s.slot[n.at], s.table[n.at])
	})
	if err != nil {
		return err
	}
	for i := 0; i < len(pieces); {
		n := nodes[pieces[i].node]
		at, last := n.lo, i
		for ; last < len(pieces) && pieces[last].node == pieces[i].node; last++ {
			p := &pieces[last]
			copy(w.rows[at:], w.rows[p.lo:p.lo+p.left])
			at += p.left
		}
		mid := at
		for _, p := range pieces[i:last] {
			at += copy(w.rows[at:], w.spare[p.lo:p.hi-p.left])
		}
		left := s.nodes[n.at].Next
		s.ranges[left], s.ranges[left+1] = [2]int{n.lo, mid}, [2]int{mid, n.hi}
		i = last
	}
	return nil
}

// weight is the value of a leaf with that sum before shrinkage.
func (w *grower) weight(sum int64, low, high float64) float64 {
	h := w.hessOf(sum) + w.config.Lambda
	if h <= 0 {
		return min(max(0, low), high)
	}
	return min(max(-shrink(w.gradOf(sum), w.config.Alpha)/h, low), high)
}

// shrink is the soft threshold of the L1 penalty.
func shrink(g, alpha float64) float64 {
	switch {
	case g > alpha:
		return g - alpha
	case g < -alpha:
		return g + alpha
	}
	return 0
}

// finish gives the leaves their values, adds them to the predictions and puts
// the tree into its final order.
func (w *grower) finish(ctx context.Context, s *sketch, k int) (*grown, error) {
	value := make([]float64, len(s.nodes))
	var leaves []int
	for i := range s.nodes {
		if s.nodes[i].Feature < 0 {
			leaves = append(leaves, i)
		}
	}
	if w.loss.kind == Quantile {
		if err := w.refit(ctx, s, leaves, value, w.f[k]); err != nil {
			return nil, err
		}
	} else {
		for _, i := range leaves {
			value[i] = w.weight(s.sum[i], s.low[i], s.high[i])
		}
	}
	for _, i := range leaves {
		v := value[i] * w.config.LearningRate
		value[i] = float64(float32(max(-math.MaxFloat32, min(math.MaxFloat32, v))))
	}
	f := w.f[k]
	err := w.each(ctx, len(leaves), func(_, j int) {
		i := leaves[j]
		if p := s.parent[i]; p >= 0 {
			left := int(s.nodes[p].Next)
			if i != left {
				return // the left sibling does both
			}
			v := [2]float64{value[left], value[left+1]}
			table, slot := s.table[p], s.slot[p]
			rows := w.rows[s.ranges[p][0]:s.ranges[p][1]]
			if w.cols != nil {
				col := w.cols[slot]
				for _, r := range rows {
					f[r] += v[table[col[r]]&1]
				}
				return
			}
			for _, r := range rows {
				f[r] += v[table[w.bin(r, slot)]&1]
			}
			return
		}
		v := value[i]
		for _, r := range w.rows[s.ranges[i][0]:s.ranges[i][1]] {
			f[r] += v
		}
	})
	if err != nil {
		return nil, err
	}
	n := len(w.out)
	err = w.each(ctx, (n+chunkRows-1)/chunkRows, func(_, c int) {
		for _, r := range w.out[c*chunkRows : min((c+1)*chunkRows, n)] {
			i := 0
			for s.nodes[i].Feature >= 0 {
				i = int(s.nodes[i].Next) + int(s.table[i][w.bin(r, s.slot[i])])
			}
			f[r] += value[i]
		}
	})
	if err != nil {
		return nil, err
	}
	g := &grown{}
	for _, i := range leaves {
		s.nodes[i].Next = int32(i) // found again below
	}
	g.tree = s.nodes.BreadthFirst()
	for i := range g.tree {
		if t := &g.tree[i]; t.Feature < 0 {
			from := int(t.Next)
			t.Next = int32(len(g.leaf))
			g.leaf = append(g.leaf, float32(value[from]))
			g.cover = append(g.cover, float32(max(w.hessOf(s.sum[from]), minHessian)))
		}
	}
	return g, nil
}

// refit gives leaves the quantile of their residuals, shrunk by n/(n+λ).
func (w *grower) refit(ctx context.Context, s *sketch, leaves []int, value, f []float64) error {
	w.spareFloats(len(w.y))
	quantile := func(i int) float64 {
		lo, hi := s.ranges[i][0], s.ranges[i][1]
		resid := w.resid[lo:hi]
		for j, r := range w.rows[lo:hi] {
			resid[j] = w.y[r] - f[r]
		}
		n := float64(hi - lo)
		return selectNth(resid, rank(hi-lo, w.loss.level)) * (n / (n + w.config.Lambda))
	}
	if err := w.each(ctx, len(leaves), func(_, j int) { value[leaves[j]] = quantile(leaves[j]) }); err != nil {
		return err
	}
	if !slices.ContainsFunc(w.sign, func(s int8) bool { return s != 0 }) {
		return nil
	}
	// The bounds of growing belong to the gradient's step, not to these values:
	// make them anew, from the root down, with the quantiles of the children.
	s.low[0], s.high[0] = math.Inf(-1), math.Inf(1)
	for i := range s.nodes {
		if s.nodes[i].Feature < 0 {
			value[i] = min(max(value[i], s.low[i]), s.high[i])
			continue
		}
		l := int(s.nodes[i].Next)
		for _, c := range []int{l, l + 1} {
			s.low[c], s.high[c] = s.low[i], s.high[i]
		}
		if sign := w.sign[s.slot[i]]; sign != 0 {
			mid := min(max((quantile(l)+quantile(l+1))/2, s.low[i]), s.high[i])
			if sign > 0 {
				s.high[l], s.low[l+1] = mid, mid
			} else {
				s.low[l], s.high[l+1] = mid, mid
			}
		}
	}
	return nil
}

// rank is the index of the quantile of a level among n sorted values: the least
// one that has at least that share at or below it.
func rank(n int, level float64) int {
	return min(n-1, max(0, int(math.Ceil(level*float64(n)-1e-9))-1))
}

// selectNth returns the k-th smallest value of v (from 0) and reorders v
// (Hoare 1961, FIND, with the median of three as pivot).
func selectNth(v []float64, k int) float64 {
	lo, hi := 0, len(v)-1
	for lo < hi {
		mid := lo + (hi-lo)/2
		if v[mid] < v[lo] {
			v[mid], v[lo] = v[lo], v[mid]
		}
		if v[hi] < v[lo] {
			v[hi], v[lo] = v[lo], v[hi]
		}
		if v[hi] < v[mid] {
			v[hi], v[mid] = v[mid], v[hi]
		}
		pivot := v[mid]
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return v[k]
		}
	}
	return v[k]
}
