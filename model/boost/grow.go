package boost

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"apiml/model"
	"apiml/model/tree"
)

// A histogram cell is one int64: the rounded gradients of its rows in the upper
// 40 bits, their count in the lower 24. Adding a row is one addition, a sibling
// one subtraction, and neither can round.
const (
	countBits = 24
	countMask = 1<<countBits - 1
	maxRows   = countMask
	// steps is the largest rounded gradient: 2¹⁵ · 2²⁴ rows fit into 40 bits.
	steps = 1<<15 - 1
	// group is how many columns stand in one word.
	group = 8
	// minGain: a split must lower the loss by more than rounding can fake.
	minGain = 1e-9
	// minHold is the least number of held-out rows for early stopping: fewer say
	// nothing about the best number of rounds.
	minHold = 10
	// tailRows of a leaf must lie beyond its quantile.
	tailRows = 3
)

// histogram holds the cells of the columns of one group.
type histogram [group][256]int64

// growth is one fit; shared by its ensembles, read-only once split.
type growth struct {
	config Config
	seed   uint64
	y      []float64   // on the working scale
	cols   [][]uint8   // bins by column
	cuts   [][]float32 // of tree.Binned
	words  [][]uint64  // per group of columns and row: their bins, first column lowest
	fit    []int32     // rows to fit on, ascending
	hold   []int32     // rows to stop by; nil without early stopping
}

// pack puts the bins of eight columns into a word: one load per row and group.
func (g *growth) pack(b *tree.Binned) {
	for lo := 0; lo < len(b.Cols); lo += group {
		w := make([]uint64, b.N)
		for k, col := range b.Cols[lo:min(lo+group, len(b.Cols))] {
			for i, c := range col {
				w[i] |= uint64(c) << (8 * k)
			}
		}
		g.words = append(g.words, w)
	}
}

// split sets the rows for early stopping aside: the last seventh in time, or
// that share drawn by the seed where there are no times.
func (g *growth) split(times []int64) {
	n := len(g.y)
	g.fit = make([]int32, n)
	for i := range g.fit {
		g.fit[i] = int32(i)
	}
	k := n / 7
	if g.config.EarlyStoppingRounds == 0 || k < minHold {
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

// add reports n rounds done.
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

// grower holds the buffers of one ensemble.
type grower struct {
	*growth
	level   float64 // NaN = mean
	least   float64 // hessian of a child
	workers int
	f       []float64 // prediction of every row so far
	grad    []float64
	packed  []int64 // rounded gradient and a count of one
	unit    float64 // gradient of one step
	rows    []int32 // rows of the tree, those of a node together, ascending in it
	spare   []int32
	sampled []bool
	columns []int // columns of the tree, ascending
	use     []int // groups that hold one of them
	pool    [][]histogram
	resid   []float64
	gain    []float64
}

// ensemble fits one ensemble. With early stopping it does so twice: to find the
// best number of rounds, then on all rows, the newest of which matter most.
func (g *growth) ensemble(ctx context.Context, number int, level float64, workers int, p *progress) (ensemble, []float64, error) {
	w := &grower{growth: g, level: level, least: g.config.MinChildWeight, workers: workers}
	if level == level {
		w.least = max(w.least, tailRows/min(level, 1-level))
	}
	n := len(g.y)
	w.f, w.grad, w.packed = make([]float64, n), make([]float64, n), make([]int64, n)
	w.spare, w.sampled = make([]int32, n), make([]bool, n)
	w.resid = make([]float64, n)
	rounds := g.config.Rounds
	fit := g.fit
	if g.hold != nil {
		best, err := w.boost(ctx, number, fit, rounds, g.hold, nil, nil)
		if err != nil {
			return ensemble{}, nil, err
		}
		rounds = best
		fit = make([]int32, n)
		for i := range fit {
			fit[i] = int32(i)
		}
	}
	var e ensemble
	if _, err := w.boost(ctx, number, fit, rounds, nil, &e, p); err != nil {
		return ensemble{}, nil, err
	}
	p.add(g.config.Rounds - rounds)
	return e, w.gain, nil
}

// boost grows up to rounds trees on the rows fit. With hold it returns after how
// many trees the loss there was least, and keeps no tree; without, it puts the
// trees into e.
func (w *grower) boost(ctx context.Context, number int, fit []int32, rounds int, hold []int32, e *ensemble, p *progress) (int, error) {
	base := w.start(fit)
	for i := range w.f {
		w.f[i] = base
	}
	w.gain = make([]float64, len(w.cols))
	if e != nil {
		e.base = base
	}
	best, bestLoss := 0, w.loss(hold)
	for round := range rounds {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		rng := rand.New(rand.NewPCG(w.seed, uint64(number)<<32|uint64(round)))
		w.draw(rng, fit)
		w.gradients()
		t, leaf, cover, err := w.tree(ctx)
		if err != nil {
			return 0, err
		}
		if e != nil {
			at := int32(len(e.leaf))
			for i := range t {
				if t[i].Feature < 0 {
					t[i].Next += at
				}
			}
			e.trees = append(e.trees, t)
			e.leaf = append(e.leaf, leaf...)
			e.cover = append(e.cover, cover...)
			p.add(1)
			continue
		}
		if loss := w.loss(hold); loss < bestLoss {
			best, bestLoss = round+1, loss
		} else if round+1-best >= w.config.EarlyStoppingRounds {
			break
		}
	}
	return best, nil
}

// start is the constant that suits the rows best.
func (w *grower) start(rows []int32) float64 {
	if w.level == w.level {
		v := make([]float64, len(rows))
		for i, r := range rows {
			v[i] = w.y[r]
		}
		return selectNth(v, rank(len(v), w.level))
	}
	sum := 0.0
	for _, r := range rows {
		sum += w.y[r]
	}
	return sum / float64(len(rows))
}

// loss is the mean loss of rows on the working scale.
func (w *grower) loss(rows []int32) float64 {
	sum := 0.0
	for _, r := range rows {
		d := w.y[r] - w.f[r]
		switch {
		case w.level != w.level:
			sum += float64(d * d)
		case d >= 0:
			sum += float64(w.level * d)
		default:
			sum += float64((w.level - 1) * d)
		}
	}
	return sum / float64(len(rows))
}

// draw chooses the rows and columns of a tree.
func (w *grower) draw(rng *rand.Rand, fit []int32) {
	w.rows = w.rows[:0]
	clear(w.sampled)
	if w.config.Subsample < 1 {
		limit := uint32(w.config.Subsample * (1 << 32))
		for _, r := range fit {
			if rng.Uint32() < limit {
				w.rows = append(w.rows, r)
			}
		}
	}
	if len(w.rows) == 0 {
		w.rows = append(w.rows, fit...)
	}
	for _, r := range w.rows {
		w.sampled[r] = true
	}
	n := len(w.cols)
	k := max(1, int(math.Round(w.config.ColSample*float64(n))))
	w.columns, w.use = w.columns[:0], w.use[:0]
	for j := range n { // selection sampling (Knuth, TAOCP 2, algorithm S)
		if k == n || rng.IntN(n-j) < k-len(w.columns) {
			w.columns = append(w.columns, j)
			if u := j / group; len(w.use) == 0 || w.use[len(w.use)-1] != u {
				w.use = append(w.use, u)
			}
		}
	}
}

// gradients computes those of the drawn rows.
func (w *grower) gradients() {
	most := 0.0
	for _, r := range w.rows {
		g := w.f[r] - w.y[r]
		if w.level == w.level {
			if g > 0 {
				g = 1 - w.level
			} else {
				g = -w.level
			}
		}
		w.grad[r] = g
		most = max(most, math.Abs(g))
	}
	w.unit = most / steps
	if most == 0 {
		w.unit = 1
	}
	inverse := 1 / w.unit
	if math.IsInf(inverse, 0) {
		inverse = 0 // gradients of 10⁻³⁰⁰: nothing is left to fit
	}
	for _, r := range w.rows {
		w.packed[r] = int64(math.Round(w.grad[r]*inverse))<<countBits + 1
	}
}

// node is one that may be split.
type node struct {
	at     int // in the tree
	lo, hi int // its rows
	sum    int64
	hist   []histogram // per group in use
}

// cut is the best split of a node.
type cut struct {
	gain    float64
	column  int
	bin     int
	missing uint8
	left    int64 // sum of the left child
}

// tree grows one tree on the drawn rows, adds it to the predictions of all rows
// and returns it with the values of its leaves and the rows in them.
func (w *grower) tree(ctx context.Context) (tree.Tree, []float32, []int32, error) {
	t := tree.Tree{{Feature: -1}}
	bins := []uint8{0}
	ranges := [][2]int{{0, len(w.rows)}}
	root := node{hi: len(w.rows)}
	for _, r := range w.rows {
		root.sum += w.packed[r]
	}
	level := []node{root}
	if w.splittable(&root) {
		level[0].hist = w.histograms()
		if err := w.build(ctx, level); err != nil {
			return nil, nil, nil, err
		}
	} else {
		level = nil
	}
	for depth := 0; len(level) > 0; depth++ {
		cuts := make([]cut, len(level))
		err := w.each(ctx, len(level), func(i int) { cuts[i] = w.best(&level[i]) })
		if err != nil {
			return nil, nil, nil, err
		}
		var next []node
		for i := range level {
			n, c := &level[i], &cuts[i]
			if c.gain <= 0 {
				w.free(n.hist)
				continue
			}
			w.gain[c.column] += c.gain
			mid := w.partition(n, c)
			left := len(t)
			t[n.at] = tree.Node{Threshold: w.cuts[c.column][c.bin], Next: int32(left), Feature: int16(c.column), Missing: c.missing}
			bins[n.at] = uint8(c.bin)
			t = append(t, tree.Node{Feature: -1}, tree.Node{Feature: -1})
			bins = append(bins, 0, 0)
			ranges = append(ranges, [2]int{n.lo, mid}, [2]int{mid, n.hi})
			a := node{at: left, lo: n.lo, hi: mid, sum: c.left}
			b := node{at: left + 1, lo: mid, hi: n.hi, sum: n.sum - c.left}
			if depth+1 == w.config.MaxDepth || !w.splittable(&a) && !w.splittable(&b) {
				w.free(n.hist)
				continue
			}
			next = append(next, a, b)
			// The larger child takes its parent's histograms over: the smaller
			// one's are subtracted from them below.
			small, large := len(next)-2, len(next)-1
			if mid-n.lo > n.hi-mid {
				small, large = large, small
			}
			next[small].hist, next[large].hist = w.histograms(), n.hist
		}
		var small []node
		for i := 0; i < len(next); i += 2 {
			a, b := next[i], next[i+1]
			if a.hi-a.lo > b.hi-b.lo {
				a, b = b, a
			}
			small = append(small, a)
		}
		if err := w.build(ctx, small); err != nil {
			return nil, nil, nil, err
		}
		for i := range small {
			k := 2 * i
			large := &next[k]
			if large.at == small[i].at {
				large = &next[k+1]
			}
			w.subtract(large.hist, small[i].hist)
		}
		level = level[:0]
		for _, n := range next {
			if w.splittable(&n) {
				level = append(level, n)
			} else {
				w.free(n.hist)
			}
		}
	}
	var leaf []float32
	var cover []int32
	for i := range t {
		if t[i].Feature >= 0 {
			continue
		}
		t[i].Next = int32(len(leaf))
		v := w.value(w.rows[ranges[i][0]:ranges[i][1]])
		leaf = append(leaf, v)
		cover = append(cover, int32(ranges[i][1]-ranges[i][0]))
		for _, r := range w.rows[ranges[i][0]:ranges[i][1]] {
			w.f[r] += float64(v)
		}
	}
	if len(w.rows) < len(w.y) {
		for r, in := range w.sampled {
			if !in {
				w.f[r] += float64(leaf[w.walk(t, bins, r)])
			}
		}
	}
	return t, leaf, cover, nil
}

// walk finds the leaf of a row by its bins.
func (w *grower) walk(t tree.Tree, bins []uint8, row int) int32 {
	i := int32(0)
	for {
		n := &t[i]
		if n.Feature < 0 {
			return n.Next
		}
		b := w.cols[n.Feature][row]
		side := int32(0)
		switch {
		case b == tree.MissingBin:
			side = int32(n.Missing)
		case b > bins[i]:
			side = 1
		}
		i = n.Next + side
	}
}

// splittable: both children could be heavy enough.
func (w *grower) splittable(n *node) bool {
	return n.hi-n.lo >= 2 && float64(n.hi-n.lo) >= 2*w.least
}

func (w *grower) histograms() []histogram {
	if k := len(w.pool); k > 0 {
		h := w.pool[k-1]
		w.pool = w.pool[:k-1]
		return h
	}
	return make([]histogram, len(w.words))
}

func (w *grower) free(h []histogram) {
	if h != nil {
		w.pool = append(w.pool, h)
	}
}

// each calls do for 0 ≤ i < n, in parallel if workers are left for it.
func (w *grower) each(ctx context.Context, n int, do func(i int)) error {
	if w.workers == 1 || n == 1 {
		for i := range n {
			do(i)
		}
		return nil
	}
	return model.Parallel(ctx, w.workers, n, nil, func(_, i int) error { do(i); return nil })
}

// build fills the histograms of nodes from their rows.
func (w *grower) build(ctx context.Context, nodes []node) error {
	k := len(w.use)
	return w.each(ctx, len(nodes)*k, func(i int) {
		n, u := &nodes[i/k], w.use[i%k]
		h := &n.hist[u]
		*h = histogram{}
		accumulate(h, w.rows[n.lo:n.hi], w.words[u], w.packed)
	})
}

// accumulate adds rows to the histograms of eight columns.
func accumulate(h *histogram, rows []int32, words []uint64, packed []int64) {
	for _, r := range rows {
		b, v := words[r], packed[r]
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

// subtract takes b from a.
func (w *grower) subtract(a, b []histogram) {
	for _, u := range w.use {
		for k := range a[u] {
			x, y := &a[u][k], &b[u][k]
			for i := range x {
				x[i] -= y[i]
			}
		}
	}
}

// best finds the best split of a node: for every column and cut, with the
// missing values on either side. Of equal gains the first column and the lowest
// cut win.
func (w *grower) best(n *node) cut {
	lambda, unit := w.config.Lambda, w.unit
	// score is G²/(H+λ).
	score := func(sum int64) float64 {
		h := float64(sum&countMask) + lambda
		if h == 0 {
			return 0
		}
		g := float64(sum>>countBits) * unit
		return float64(g*g) / h
	}
	whole := score(n.sum)
	least := max(1, int64(math.Ceil(w.least)))
	win := cut{}
	threshold := max(w.config.Gamma, minGain*whole, 1e-300)
	try := func(left int64, j, b int, missing uint8) {
		nl := left & countMask
		if nl < least || n.sum&countMask-nl < least {
			return
		}
		if gain := score(left) + score(n.sum-left) - whole; gain > threshold {
			threshold = gain
			win = cut{gain, j, b, missing, left}
		}
	}
	for _, j := range w.columns {
		cells := &n.hist[j/group][j%group]
		missing := cells[tree.MissingBin]
		last := len(w.cuts[j]) - 1
		if missing == 0 {
			// Unknown ones will go where most rows go.
			left := int64(0)
			for b, v := range cells[:last] {
				if v == 0 {
					continue
				}
				left += v
				side := uint8(0)
				if 2*(left&countMask) < n.sum&countMask {
					side = 1
				}
				try(left, j, b, side)
			}
			continue
		}
		left := int64(0)
		for b, v := range cells[:last+1] {
			if v == 0 {
				continue
			}
			left += v
			try(left, j, b, 1)
			if b < last {
				try(left+missing, j, b, 0)
			}
		}
	}
	return win
}

// partition moves the rows that go left to the front, keeps their order on both
// sides, and returns where the right ones begin.
func (w *grower) partition(n *node, c *cut) int {
	col, bin := w.cols[c.column], uint8(c.bin)
	rows := w.rows[n.lo:n.hi]
	l, r := 0, 0
	for _, row := range rows {
		b := col[row]
		right := b > bin
		if b == tree.MissingBin {
			right = c.missing == 1
		}
		if right {
			w.spare[r] = row
			r++
		} else {
			rows[l] = row
			l++
		}
	}
	copy(rows[l:], w.spare[:r])
	return n.lo + l
}

// value is the value of a leaf with these rows.
func (w *grower) value(rows []int32) float32 {
	n := float64(len(rows))
	var v float64
	if w.level == w.level {
		for i, r := range rows {
			w.resid[i] = w.y[r] - w.f[r]
		}
		v = selectNth(w.resid[:len(rows)], rank(len(rows), w.level)) * (n / (n + w.config.Lambda))
	} else {
		sum := 0.0
		for _, r := range rows {
			sum += w.grad[r]
		}
		v = -sum / (n + w.config.Lambda)
	}
	v *= w.config.LearningRate
	return float32(max(-math.MaxFloat32, min(math.MaxFloat32, v)))
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
