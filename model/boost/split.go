package boost

import (
	"math"
	"slices"

	"apiml/model/tree"
)

// cut is the best split of a node.
type cut struct {
	gain    float64
	slot    int
	bin     int   // numbers: the last bin that goes left
	set     set   // categories: the bins that go right
	missing uint8 // where missing values go: 1 = right
	left    int64 // sum of the left child
}

// search looks for the best split of one node.
type search struct {
	w           *grower
	n           *node
	whole       float64 // score of the node
	least       float64
	lambda      float64
	threshold   float64 // gain to beat
	constrained bool    // bounds or penalties that the quick formula does not know
	win         cut
}

// best finds the best split of a node: for every column and cut, with the
// missing values on either side. Of equal gains the first column and the lowest
// cut win.
func (w *grower) best(n *node) cut {
	s := &search{w: w, n: n, least: max(w.least, math.SmallestNonzeroFloat64), lambda: w.config.Lambda}
	s.constrained = w.config.Alpha > 0 || !math.IsInf(n.low, -1) || !math.IsInf(n.high, 1)
	s.whole = s.score(n.sum, s.lambda)
	s.threshold = max(w.config.Gamma, minGain*s.whole, 1e-300)
	for _, slot := range n.slots {
		cells := &n.hist[slot/group][slot%group]
		switch {
		case w.categorical(w.slots[slot]):
			s.categories(slot, cells)
		case s.constrained || w.sign[slot] != 0:
			s.numbers(slot, cells)
		default:
			s.quick(slot, cells)
		}
	}
	return s.win
}

// score is twice what a leaf with that sum takes off the loss: G²/(H+λ) without
// penalties and bounds.
func (s *search) score(sum int64, lambda float64) float64 {
	g, h := s.w.gradOf(sum), s.w.hessOf(sum)+lambda
	if h <= 0 {
		return 0
	}
	if !s.constrained {
		return float64(g*g) / h
	}
	alpha := s.w.config.Alpha
	v := min(max(-shrink(g, alpha)/h, s.n.low), s.n.high)
	return -(float64(2*g*v) + float64(h*v*v) + 2*alpha*math.Abs(v))
}

// heavy reports whether both children weigh enough.
func (s *search) heavy(left int64) bool {
	return s.w.hessOf(left) >= s.least && s.w.hessOf(s.n.sum-left) >= s.least
}

// side is where missing values go that the node has none of: with most rows.
func (s *search) side(left int64) uint8 {
	if 2*uint64(uint32(left)) < uint64(uint32(s.n.sum)) {
		return 1
	}
	return 0
}

// quick is numbers without constraints and penalties but λ: nearly all of the
// time of the search.
func (s *search) quick(slot int, cells *[256]int64) {
	w := s.w
	last := w.last[slot]
	missing := cells[tree.MissingBin]
	stepG, stepH, lambda, least := w.stepG, w.stepH, s.lambda, s.least
	G, H := w.gradOf(s.n.sum), w.hessOf(s.n.sum)
	bar := s.threshold + s.whole
	best, bin, right := int64(0), -1, uint8(0)
	left := int64(0)
	for b, v := range cells[:last+1] {
		if v == 0 {
			continue
		}
		left += v
		gl, hl := float64(left>>32)*stepG, float64(uint32(left))*stepH
		if gr, hr := G-gl, H-hl; hl >= least && hr >= least {
			if score := float64(gl*gl)/(hl+lambda) + float64(gr*gr)/(hr+lambda); score > bar && (b < last || missing != 0) {
				bar, best, bin, right = score, left, b, 1
			}
		}
		if missing != 0 && b < last {
			all := left + missing
			gl, hl = float64(all>>32)*stepG, float64(uint32(all))*stepH
			if gr, hr := G-gl, H-hl; hl >= least && hr >= least {
				if score := float64(gl*gl)/(hl+lambda) + float64(gr*gr)/(hr+lambda); score > bar {
					bar, best, bin, right = score, all, b, 0
				}
			}
		}
	}
	if bin < 0 {
		return
	}
	if missing == 0 {
		right = s.side(best)
	}
	s.threshold = bar - s.whole
	s.win = cut{gain: bar - s.whole, slot: slot, bin: bin, missing: right, left: best}
}

// try takes a split if it is better than the one so far.
func (s *search) try(left int64, lambda float64, slot, bin int, missing uint8) bool {
	if !s.heavy(left) {
		return false
	}
	right := s.n.sum - left
	gain := s.score(left, lambda) + s.score(right, lambda) - s.whole
	if !(gain > s.threshold) {
		return false
	}
	if sign := s.w.sign[slot]; sign != 0 {
		l, r := s.w.weight(left, s.n.low, s.n.high), s.w.weight(right, s.n.low, s.n.high)
		if float64(sign)*(r-l) < 0 {
			return false
		}
	}
	s.threshold = gain
	s.win = cut{gain: gain, slot: slot, bin: bin, missing: missing, left: left}
	return true
}

func (s *search) numbers(slot int, cells *[256]int64) {
	last := s.w.last[slot]
	missing := cells[tree.MissingBin]
	left := int64(0)
	for b, v := range cells[:last+1] {
		if v == 0 {
			continue
		}
		left += v
		switch {
		case missing == 0 && b < last:
			s.try(left, s.lambda, slot, b, s.side(left))
		case missing != 0:
			s.try(left, s.lambda, slot, b, 1)
			if b < last {
				s.try(left+missing, s.lambda, slot, b, 0)
			}
		}
	}
}

// categories splits the categories of a column, missing values being one more,
// into two sets. In the order of their gradient ratio the best two sets are a
// cut (Fisher 1958); ratios and gains are smoothed, because among many sets of
// small categories one looks good by chance (Ke et al. 2017, as LightGBM does).
// A category that the node has no row of goes where missing values go.
func (s *search) categories(slot int, cells *[256]int64) {
	w, c := s.w, &s.w.config
	present := make([]uint8, 0, 256)
	for b, v := range cells {
		if v != 0 {
			present = append(present, uint8(b))
		}
	}
	if len(present) < 2 {
		return
	}
	take := func(left int64, lambda float64, chosen []uint8, right bool) {
		if !s.try(left, lambda, slot, 0, 0) {
			return
		}
		// chosen is the smaller set; right says which side it is on.
		missing := s.side(left)
		if cells[tree.MissingBin] != 0 {
			missing = 0
			if slices.Contains(chosen, tree.MissingBin) == right {
				missing = 1
			}
		}
		var in set
		for _, b := range chosen {
			in.add(b)
		}
		var to set
		for b := range 256 {
			v := missing
			if cells[b] != 0 {
				v = in.has(uint8(b))
				if !right {
					v = 1 - v
				}
			}
			if v == 1 {
				to.add(uint8(b))
			}
		}
		s.win.set, s.win.missing = to, missing
	}
	if len(present) <= c.MaxCatToOnehot {
		for i := range present {
			take(s.n.sum-cells[present[i]], s.lambda, present[i:i+1], true)
		}
		return
	}
	ratio := func(b uint8) float64 { return w.gradOf(cells[b]) / (w.hessOf(cells[b]) + c.CatSmooth + 1e-300) }
	slices.SortStableFunc(present, func(a, b uint8) int {
		switch x, y := ratio(a), ratio(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	lambda := s.lambda + c.CatL2
	most := min(c.MaxCatThreshold, len(present)-1)
	left := int64(0)
	for i := range most {
		left += cells[present[i]]
		take(left, lambda, present[:i+1], false)
	}
	right := int64(0)
	for i := range most {
		k := len(present) - 1 - i
		right += cells[present[k]]
		take(s.n.sum-right, lambda, present[k:], true)
	}
}
