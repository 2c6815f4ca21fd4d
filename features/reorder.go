package features

import (
	"cmp"
	"slices"

	"apiml/traffic"
)

// BlockRows is the number of records in a block. Scoring, training and the
// online profile all work in such blocks, so that what was learned when does not
// depend on how the records came in.
const BlockRows = 4096

// What a Reorder holds back at most.
const (
	ReorderSpan    = hour    // event time, µs
	ReorderRecords = 262_144 // records
)

// Block is a piece of the ordered stream.
type Block struct {
	Requests []traffic.Request // BlockRows of them, fewer in the last block
	Late     []bool            // Late[i]: came when younger records had gone out already
}

// Reorder sorts records by event time within a bounded buffer: a record waits
// until one arrives that is ReorderSpan younger, or until more than
// ReorderRecords wait. One that comes later still is passed on at once, marked
// late. Equal times keep their order of arrival; records without a time are
// passed on in it. The blocks depend on the sequence of records only, not on how
// Push cuts it. The zero value is ready for use.
type Reorder struct {
	// Reuse says that emit needs a block during its call only: the next one takes
	// its memory.
	Reuse   bool
	staged  []int32 // arrived, not sorted in yet: places in store
	waiting []slot  // waiting[head:] ascending
	head    int
	spare   []slot
	store   []traffic.Request // what the slots stand for
	free    []int32           // unused places in store
	seq     uint64
	newest  int64 // largest time so far
	sent    int64 // largest time passed on
	any     bool  // newest is valid
	anySent bool  // sent is valid
	out     Block
}

type slot struct {
	time int64
	seq  uint64
	at   int32 // place in store
}

// Push takes in records and calls emit with every block that is complete. The
// block belongs to emit. It stops at emit's first error and returns it.
func (r *Reorder) Push(reqs []traffic.Request, emit func(Block) error) error {
	for len(reqs) > 0 {
		n := min(len(reqs), BlockRows-len(r.staged))
		for i := range reqs[:n] {
			r.staged = append(r.staged, r.keep(&reqs[i]))
		}
		reqs = reqs[n:]
		if len(r.staged) == BlockRows {
			if err := r.release(false, emit); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flush passes on everything that still waits, in a last block that may be
// short.
func (r *Reorder) Flush(emit func(Block) error) error {
	if err := r.release(true, emit); err != nil {
		return err
	}
	if len(r.out.Requests) == 0 {
		return nil
	}
	b := r.out
	r.out = Block{}
	return emit(b)
}

// release sorts the staged records in and passes on what need not wait.
func (r *Reorder) release(all bool, emit func(Block) error) error {
	sent, anySent := r.sent, r.anySent
	if r.head > len(r.waiting)/2 {
		r.waiting = r.waiting[:copy(r.waiting, r.waiting[r.head:])]
		r.head = 0
	}
	first := len(r.waiting)
	for _, at := range r.staged {
		q := &r.store[at]
		r.seq++
		switch {
		case q.Time == traffic.NoTime:
			if err := r.pass(at, false, emit); err != nil {
				return err
			}
			continue
		case anySent && q.Time < sent:
			if err := r.pass(at, true, emit); err != nil {
				return err
			}
			continue
		}
		if !r.any || q.Time > r.newest {
			r.newest, r.any = q.Time, true
		}
		r.waiting = append(r.waiting, slot{q.Time, r.seq, at})
	}
	r.staged = r.staged[:0]
	r.sortIn(first)

	for r.head < len(r.waiting) {
		s := r.waiting[r.head]
		if !all && len(r.waiting)-r.head <= ReorderRecords && r.newest-s.time < ReorderSpan {
			break
		}
		r.head++
		r.sent, r.anySent = s.time, true
		if err := r.pass(s.at, false, emit); err != nil {
			return err
		}
	}
	return nil
}

// keep stores a copy of q and returns its place.
func (r *Reorder) keep(q *traffic.Request) int32 {
	if n := len(r.free); n > 0 {
		at := r.free[n-1]
		r.free = r.free[:n-1]
		r.store[at] = *q
		return at
	}
	r.store = append(r.store, *q)
	return int32(len(r.store) - 1)
}

// sortIn merges waiting[first:] into the sorted waiting[head:first].
func (r *Reorder) sortIn(first int) {
	order := func(a, b slot) int {
		if a.time != b.time {
			return cmp.Compare(a.time, b.time)
		}
		return cmp.Compare(a.seq, b.seq)
	}
	tail := r.waiting[first:]
	if !slices.IsSortedFunc(tail, order) {
		slices.SortFunc(tail, order)
	}
	if first == r.head || len(tail) == 0 || r.waiting[first-1].time <= tail[0].time {
		return
	}
	r.spare = append(r.spare[:0], tail...)
	i, j := first-1, len(r.spare)-1
	for k := len(r.waiting) - 1; j >= 0; k-- {
		if i >= r.head && order(r.waiting[i], r.spare[j]) > 0 {
			r.waiting[k] = r.waiting[i]
			i--
		} else {
			r.waiting[k] = r.spare[j]
			j--
		}
	}
}

// pass moves a record from the store to the block.
func (r *Reorder) pass(at int32, late bool, emit func(Block) error) error {
	if r.out.Requests == nil {
		r.out = Block{make([]traffic.Request, 0, BlockRows), make([]bool, 0, BlockRows)}
	}
	r.out.Requests = append(r.out.Requests, r.store[at])
	r.store[at] = traffic.Request{} // its strings may go
	r.free = append(r.free, at)
	r.out.Late = append(r.out.Late, late)
	if len(r.out.Requests) < BlockRows {
		return nil
	}
	b := r.out
	r.out = Block{}
	err := emit(b)
	if r.Reuse {
		r.out = Block{b.Requests[:0], b.Late[:0]}
	}
	return err
}
