package features

import (
	"context"
	"fmt"
	"math"
	"slices"

	"apiml/frame"
	"apiml/traffic"
)

// Config says how a Builder makes features.
type Config struct {
	Profile Profile    // "" = Frozen
	Text    *TextModel // fitted on other requests than those to come; nil = none
}

// Builder turns the ordered stream of training records into a Dataset. Records
// come in event time, as a Reorder or an ordered scan of the store gives them;
// the Builder cuts them into blocks of BlockRows itself.
type Builder struct {
	online  bool
	ext     *Extractor
	block   []traffic.Request
	scratch *frame.Matrix
	cols    [][]float32
	shapes  map[*shape]*shape
	d       *Dataset
	done    bool
}

// Dataset is the training material: one row per request, in the order in which
// they were added. It is read-only and safe for concurrent use.
type Dataset struct {
	X      *frame.Matrix   // all columns; with a frozen profile those of the profile are NaN: Fold fills them in
	Labels []traffic.Label // ground truth
	Groups []uint64        // principal; without one, decoded path and sorted name=value pairs, method ignored
	Times  []int64         // µs UTC; nil if no row has a time
	Hash   []uint64        // identity of a row: time, principal, method, target, body

	online     bool
	text       *TextModel
	shapes     []*shape
	principals []uint64 // 0 = unknown
	schema     *frame.Schema
}

// Fold is one split, ready for a model.
type Fold struct {
	State     *State        // fitted on the training rows only
	Fit, Eval *frame.Matrix // training and test rows, with Group and Time; Class is left to the caller
}

// NewBuilder returns an empty builder.
func NewBuilder(c Config) *Builder {
	// A frozen profile is fitted afterwards, per fold. Until then nothing is known.
	state := Online(c.Text)
	return &Builder{online: c.Profile == OnlineProfile, ext: NewExtractor(state), cols: make([][]float32, numColumns),
		scratch: frame.NewMatrix(HTTPSchema(state), BlockRows), d: &Dataset{online: c.Profile == OnlineProfile, text: c.Text}}
}

// Add takes in the next records. The Builder keeps none of their text beyond
// the current block.
func (b *Builder) Add(reqs []traffic.Request) {
	for len(reqs) > 0 {
		n := min(len(reqs), BlockRows-len(b.block))
		b.block = append(b.block, reqs[:n]...)
		reqs = reqs[n:]
		if len(b.block) == BlockRows {
			b.flush()
		}
	}
}

func (b *Builder) flush() {
	n := len(b.block)
	if n == 0 {
		return
	}
	x := b.scratch
	if n != x.N {
		x = frame.NewMatrix(x.Schema, n)
	}
	b.ext.Extract(x, b.block)
	for j := range b.stored() {
		b.cols[j] = append(b.cols[j], x.Cols[j]...)
	}
	var flagged []bool
	d := b.d
	for i := range b.block {
		r := &b.block[i]
		l := &b.ext.last[i]
		group := l.principal
		if group == 0 {
			group = b.ext.analyser.analyse(r).group
		}
		d.Groups = append(d.Groups, group)
		d.Labels = append(d.Labels, r.Label)
		d.Times = append(d.Times, r.Time)
		d.Hash = append(d.Hash, identity(r, l.principal))
		d.shapes = append(d.shapes, b.keep(l.shape))
		d.principals = append(d.principals, l.principal)
		flagged = append(flagged, r.Label.Attack())
	}
	if b.online {
		b.ext.Learn(b.block, flagged)
	}
	clear(b.block)
	b.block = b.block[:0]
}

// keep returns a copy of a shape, the same one for rows near each other that share
// it: the original is a part of all that the extractor knows of a target, three
// times the size.
func (b *Builder) keep(s *shape) *shape {
	if own, ok := b.shapes[s]; ok {
		return own
	}
	if b.shapes == nil || len(b.shapes) >= 1<<16 {
		b.shapes = make(map[*shape]*shape)
	}
	own := *s
	b.shapes[s] = &own
	return &own
}

// stored is the number of columns that are kept by row: with a frozen profile
// those of the profile are missing in every row until Fold makes them.
func (b *Builder) stored() int {
	if b.online {
		return numColumns
	}
	return numWindow
}

// identity is the row's hash: what makes two records the same request.
func identity(r *traffic.Request, principal uint64) uint64 {
	h := mix(uint64(r.Time), principal)
	h = mix(h, hashOf(r.Method, 21))
	h = mix(h, hashOf(r.Target, 22))
	if r.HasBody {
		h = mix(h, hashOf(r.Body, 23))
	}
	return h
}

// RowHash is the identity of a request as Dataset.Hash has it, by which held-out
// and training rows are found again.
func RowHash(r *traffic.Request) uint64 {
	return identity(r, principal(r, hashOf(r.Agent, 14)))
}

// Dataset ends the building and returns the rows. It fails if there are none.
// The Builder cannot be used again.
func (b *Builder) Dataset() (*Dataset, error) {
	if b.done {
		return nil, fmt.Errorf("features: Dataset called twice")
	}
	b.flush()
	b.done = true
	d := b.d
	n := len(d.Labels)
	if n == 0 {
		return nil, fmt.Errorf("features: no requests to learn from")
	}
	timed := false
	for _, t := range d.Times {
		timed = timed || t != traffic.NoTime
	}
	if !timed {
		d.Times = nil
	}
	d.schema = HTTPSchema(Online(d.text))
	for j := range b.stored() {
		if c := b.cols[j]; cap(c)-n > n/16 {
			b.cols[j] = slices.Clone(c)
		}
	}
	if !b.online {
		missing := make([]float32, n)
		for i := range missing {
			missing[i] = float32(math.NaN())
		}
		for j := numWindow; j < numColumns; j++ {
			b.cols[j] = missing
		}
	}
	d.X = &frame.Matrix{Schema: d.schema, Cols: b.cols, N: n, Group: d.Groups, Time: d.Times}
	b.ext, b.cols, b.scratch, b.block, b.shapes = nil, nil, nil, nil, nil
	return d, nil
}

// Rows is the number of rows.
func (d *Dataset) Rows() int { return len(d.Labels) }

// Distinct returns the rows that are not the same request as an earlier one: of
// rows without a principal and with equal group and label, the first. In CSIC
// 2010 two thirds of the rows repeat, and results on all of them say more about
// a few pages than about the detector.
func (d *Dataset) Distinct() []int {
	type key struct {
		group uint64
		label traffic.Label
	}
	seen := map[key]bool{}
	var rows []int
	for i := range d.Labels {
		if d.principals[i] == 0 {
			k := key{d.Groups[i], d.Labels[i]}
			if seen[k] {
				continue
			}
			seen[k] = true
		}
		rows = append(rows, i)
	}
	return rows
}

// innerFolds is the number of parts for the out-of-fold columns.
const innerFolds = 5

// Fold fits the profile on the rows train (labelled attacks left out) and
// returns the matrices of both sides. The profile columns of a training row come
// from a profile that never saw its group: the training rows are divided by
// group into five parts, and each part is scored by a profile of the other four.
// Otherwise a model would learn that nothing in its training set is ever
// unknown. train and test may be in any order; test may be nil.
//
// With an online profile the columns are those that the stream gave: nothing is
// fitted.
func (d *Dataset) Fold(ctx context.Context, train, test []int) (Fold, error) {
	for _, rows := range [][]int{train, test} {
		for _, r := range rows {
			if r < 0 || r >= d.Rows() {
				return Fold{}, fmt.Errorf("features: row %d of %d", r, d.Rows())
			}
		}
	}
	f := Fold{State: Online(d.text), Fit: d.X.Select(train), Eval: d.X.Select(test)}
	if d.online {
		return f, ctx.Err()
	}
	p, err := d.fit(ctx, train, -1)
	if err != nil {
		return Fold{}, err
	}
	f.State = newState(p, d.text)
	schema := HTTPSchema(f.State)
	f.Fit.Schema, f.Eval.Schema = schema, schema
	d.fill(f.Eval, p, test, -1)
	for k := range innerFolds {
		inner, err := d.fit(ctx, train, k)
		if err != nil {
			return Fold{}, err
		}
		d.fill(f.Fit, inner, train, k)
	}
	return f, ctx.Err()
}

// part is the inner fold of a row.
func (d *Dataset) part(row int) int { return int(mix(d.Groups[row], 31) % innerFolds) }

// fit makes the profile of the rows that are not in the given part (−1 = all of
// them). Attacks are left out; a benign label makes a row's shape known at once,
// unlabelled ones count by principal.
func (d *Dataset) fit(ctx context.Context, rows []int, without int) (*profile, error) {
	rows = slices.Clone(rows)
	slices.Sort(rows) // float sums must not depend on the caller's order
	rows = slices.DeleteFunc(rows, func(r int) bool {
		return d.Labels[r].Attack() || without >= 0 && d.part(r) == without
	})
	// Which templates are known, and of those the most frequent ones: decided
	// before learning, so that the table never has to drop anything.
	type tally struct {
		hash uint64
		n    int
		sup  support
	}
	index := map[uint64]int{}
	var tallies []tally
	for _, r := range rows {
		h := d.shapes[r].template
		i, ok := index[h]
		if !ok {
			i = len(tallies)
			index[h] = i
			tallies = append(tallies, tally{hash: h})
		}
		tallies[i].n++
		tallies[i].sup.add(teacher(d.principals[r], uint32(r)), d.Labels[r] == traffic.None)
	}
	tallies = slices.DeleteFunc(tallies, func(t tally) bool { return !t.sup.known() })
	slices.SortFunc(tallies, func(a, b tally) int {
		if a.n != b.n {
			return b.n - a.n
		}
		if a.hash < b.hash {
			return -1
		}
		return 1
	})
	if len(tallies) > maxTemplates {
		tallies = tallies[:maxTemplates]
	}
	chosen := make(map[uint64]bool, len(tallies))
	for _, t := range tallies {
		chosen[t.hash] = true
	}
	p := newProfile()
	for i, r := range rows {
		if i%65536 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if chosen[d.shapes[r].template] {
			p.observe(d.shapes[r], d.outcome(r), teacher(d.principals[r], uint32(r)), d.Labels[r] == traffic.None)
		} else {
			p.n++
		}
	}
	p.finish()
	return p, nil
}

// outcome of a row, read back from its columns.
func (d *Dataset) outcome(row int) outcome {
	o := outcome{method: uint8(d.X.Cols[cMethodClass][row]), bytes: d.X.Cols[cBytesOut][row], latency: d.X.Cols[cLatency][row]}
	if s := d.X.Cols[cStatusClass][row]; !math.IsNaN(float64(s)) {
		o.status = uint8(s)
	}
	return o
}

// fill writes the profile columns of x, whose rows are rows of d, for the rows
// of one part (−1 = all).
func (d *Dataset) fill(x *frame.Matrix, p *profile, rows []int, part int) {
	var out [numColumns - numWindow]float32
	for i, r := range rows {
		if part >= 0 && d.part(r) != part {
			continue
		}
		p.score(out[:], d.shapes[r], d.outcome(r))
		for j, v := range out {
			x.Cols[numWindow+j][i] = v
		}
	}
}
