package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// The profile model: a day is drawn by medians over the latest days, a level
// carries it on. For positive series all of it is on logarithms, so that a day of
// twice the traffic has the same shape.
//
// With m steps per period, the last periods are cut at the origin; the shape at
// position j is the weighted median over them of value − middle mean of the period. A
// period of the weekday that is forecast weighs same times the others. What the
// latest steps lie above that shape is averaged twice, with a short half-life and
// with one of a period; the forecast goes from the first to the second with a
// half-life of its own. Errors may be clipped at clip times their median size before
// they are averaged. One day of a match, a sale or an outage therefore changes
// neither shape nor level for long, and a lasting fall is followed within hours:
// the two ways in which averages of squared errors fail on traffic.
//
// The number of periods, same, clip and the half-lives are chosen on a grid by the
// absolute errors of forecasts from earlier origins. Positions are averaged in at
// most profileBins bins. O(origins · grid · periods · bins).

const (
	profileBins    = 288
	profileOrigins = 24
)

// profileGrid are the values to choose from: periods, weights of the same
// weekday, clips (0 = none), half-lives as shares of a period.
type profileGrid struct {
	periods, same, clip, fast, damp []float64
}

var gridOfProfiles = profileGrid{
	periods: []float64{4, 8, 15, 29},
	same:    []float64{1, 4, 40},
	clip:    []float64{0, 3},
	fast:    []float64{1. / 24, 1. / 8, 1. / 2},
	damp:    []float64{1. / 8, 1. / 2, 2, 32},
}

// shaper makes shapes and levels at the end of a history.
type shaper struct {
	m, bin int // steps per period and per bin
	weekly bool
	z      []float64
	blocks [][]float64 // bin means less the mean of the period, the latest first
}

// newShaper cuts the last periods of z.
func newShaper(z []float64, m, most int, weekly bool) *shaper {
	s := &shaper{m: m, bin: max(1, m/profileBins), weekly: weekly, z: z}
	for d := 0; d < most && (d+1)*m <= len(z); d++ {
		block := z[len(z)-(d+1)*m : len(z)-d*m]
		center := middle(block)
		var bins []float64
		for part := range slices.Chunk(block, s.bin) {
			bins = append(bins, mean(part)-center)
		}
		s.blocks = append(s.blocks, bins)
	}
	return s
}

// middle is the mean of the middle half of v.
func middle(v []float64) float64 {
	sorted := slices.Clone(v)
	slices.Sort(sorted)
	n := len(sorted)
	return mean(sorted[n/4 : n-n/4])
}

// shape writes the bins of the period that begins ahead periods after the
// origin (−1 = the last one) from blocks from on.
func (s *shaper) shape(dst []float64, ahead, from, periods int, same float64, pairs [][2]float64) {
	to := min(len(s.blocks), from+periods)
	for j := range dst {
		pairs = pairs[:0]
		total := 0.0
		for d := from; d < to; d++ {
			w := 1.0
			if s.weekly && (ahead+d+1)%7 == 0 {
				w = same
			}
			total += w
			pairs = append(pairs, [2]float64{s.blocks[d][j], w})
		}
		slices.SortFunc(pairs, func(a, b [2]float64) int {
			switch {
			case a[0] < b[0]:
				return -1
			case a[0] > b[0]:
				return 1
			}
			return 0
		})
		// Midpoint rule: the mean of the values on both sides of half the weight.
		sum := 0.0
		for i, p := range pairs {
			sum += p[1]
			if sum > total/2 {
				dst[j] = p[0]
				break
			}
			if sum == total/2 {
				dst[j] = (p[0] + pairs[i+1][0]) / 2
				break
			}
		}
	}
}

// at is the shape at step i of a period.
func (s *shaper) at(shape []float64, i int) float64 {
	if s.bin == 1 {
		return shape[i]
	}
	x := (float64(i)+0.5)/float64(s.bin) - 0.5
	k := int(math.Floor(x))
	f := x - float64(k)
	n := len(shape)
	return float64((1-f)*shape[(k+n)%n]) + float64(f*shape[(k+1)%n])
}

// levels are the recent errors of the shape, averaged with half-lives of fast
// periods and of one period.
func (s *shaper) levels(last []float64, clip float64, fast []float64, dst []float64) (slow float64) {
	n := len(s.z)
	reach := min(3*s.m, n)
	keepSlow := math.Exp2(-1 / float64(s.m))
	weight, total := 1.0, 0.0
	r := make([]float64, reach)
	for k := range reach { // k steps before the end
		i := s.m - 1 - k%s.m
		r[k] = s.z[n-1-k] - s.at(last, i)
	}
	if clip > 0 {
		center := median(slices.Clone(r))
		size := make([]float64, reach)
		for k, v := range r {
			size[k] = math.Abs(v - center)
		}
		room := clip * median(size)
		for k, v := range r {
			r[k] = min(max(v, center-room), center+room)
		}
	}
	for k := range reach {
		slow += float64(weight * r[k])
		total += weight
		weight *= keepSlow
	}
	slow /= total
	for q, half := range fast {
		keep := math.Exp2(-1 / max(half*float64(s.m), 0.5))
		weight, total, dst[q] = 1, 0, 0
		for _, v := range r {
			dst[q] += float64(weight * v)
			total += weight
			if weight *= keep; weight < 1e-6 {
				break
			}
		}
		dst[q] /= total
	}
	return slow
}

// forecast writes steps to dst on the working scale. shapes holds one per
// period ahead.
func (s *shaper) forecast(dst []float64, shapes [][]float64, fast, slow, damp float64) {
	gap := fast - slow
	keep := math.Exp2(-1 / max(damp*float64(s.m), 0.5))
	for i := range dst {
		gap *= keep
		dst[i] = slow + gap + s.at(shapes[i/s.m], i%s.m)
	}
}

// fitProfile chooses the parameters on z for forecasts of h steps.
func (l *local) fitProfile(ctx context.Context, z []float64, h int) error {
	if len(l.m) == 0 || len(z) < 4*l.m[0] {
		return fmt.Errorf("model %q: it needs four periods", l.kind)
	}
	m := l.m[0]
	weekly := len(l.m) > 1 && l.m[1] == 7*m
	g := gridOfProfiles
	same := g.same
	if !weekly {
		same = same[:1]
	}
	h = min(h, 7*m)
	ahead := (h + m - 1) / m
	bins := (m + max(1, m/profileBins) - 1) / max(1, m/profileBins)
	shapes := make([][]float64, ahead)
	for i := range shapes {
		shapes[i] = make([]float64, bins)
	}
	last, pairs, f, truth := make([]float64, bins), make([][2]float64, 0, 64), make([]float64, h), make([]float64, h)
	fast := make([]float64, len(g.fast))
	loss := make([]float64, len(g.periods)*len(same)*len(g.clip)*len(g.fast)*len(g.damp))
	room := len(z) - h - 3*m
	stride := max(1, min(h, room/profileOrigins))
	for k := 0; k < profileOrigins; k++ {
		o := len(z) - h - k*stride
		if o < 3*m {
			break
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		weight := math.Exp2(-float64(k) / (profileOrigins / 2))
		for i := range truth {
			truth[i] = l.back(z[o+i])
		}
		s := newShaper(z[:o], m, int(g.periods[len(g.periods)-1]), weekly)
		at := 0
		for _, periods := range g.periods {
			for _, w := range same {
				s.shapesAhead(shapes, last, int(periods), w, pairs)
				for _, clip := range g.clip {
					slow := s.levels(last, clip, g.fast, fast)
					for q := range g.fast {
						for _, damp := range g.damp {
							s.forecast(f, shapes, fast[q], slow, damp)
							sum := 0.0
							for i, v := range f {
								sum += math.Abs(truth[i] - l.back(v))
							}
							loss[at] += weight * sum
							at++
						}
					}
				}
			}
		}
	}
	best := 0
	for i, v := range loss {
		if better(v, loss[best]) {
			best = i
		}
	}
	l.par = make([]float64, 5)
	for i, values := range [][]float64{g.damp, g.fast, g.clip, same, g.periods} {
		l.par[4-i] = values[best%len(values)]
		best /= len(values)
	}
	return nil
}

// shapesAhead are those of the periods to come and that of the last one, which
// the last period itself does not enter.
func (s *shaper) shapesAhead(shapes [][]float64, last []float64, periods int, same float64, pairs [][2]float64) {
	for i := range shapes {
		if i > 0 && (!s.weekly || i >= 7) {
			copy(shapes[i], shapes[i%7])
			if !s.weekly {
				copy(shapes[i], shapes[0])
			}
			continue
		}
		s.shape(shapes[i], i, 0, periods, same, pairs)
	}
	s.shape(last, -1, 1, periods, same, pairs)
}

// predictProfile continues z.
func (l *local) predictProfile(dst, z []float64) {
	m := l.m[0]
	if len(z) < 2*m {
		fill(dst, mean(slices.Clone(z[max(0, len(z)-m):])))
		return
	}
	s := newShaper(z, m, int(l.par[0])+1, len(l.m) > 1 && l.m[1] == 7*m)
	shapes := make([][]float64, (len(dst)+m-1)/m)
	for i := range shapes {
		shapes[i] = make([]float64, len(s.blocks[0]))
	}
	last := make([]float64, len(s.blocks[0]))
	s.shapesAhead(shapes, last, int(l.par[0]), l.par[1], nil)
	fast := make([]float64, 1)
	slow := s.levels(last, l.par[2], l.par[3:4], fast)
	s.forecast(dst, shapes, fast[0], slow, l.par[4])
}
