package forest

import (
	"context"
	"math"

	"apiml/model"
	"apiml/model/tree"
)

// outside walks every row of the fit down the trees that did not see it and
// calls add for each. Chunks of rows are the tasks, so that memory and result
// do not depend on the number of workers.
func (f *ensemble) outside(ctx context.Context, g *growth, workers int, add func(row int, leaf uint32)) error {
	n := g.x.Rows()
	size := newChunk(f, n).capacity()
	tasks := (n + size - 1) / size
	bufs := make([]*chunk, model.Workers(workers, tasks))
	return model.Parallel(ctx, workers, tasks, nil, func(w, i int) error {
		if bufs[w] == nil {
			bufs[w] = newChunk(f, n)
			bufs[w].orders = nil // the rows' categories are in order already
		}
		b, lo := bufs[w], i*size
		b.load(g.x, lo, n)
		for k := range f.trees {
			bag := g.bags[k]
			b.walk(k, func(first int, leaves []uint32) {
				seen := bag[(lo+first)/64]
				for r, leaf := range leaves {
					if seen>>r&1 == 0 {
						add(lo+first+r, leaf)
					}
				}
			})
		}
		return nil
	})
}

// outOfBag is the class probabilities of each row by the trees that did not see
// it, NaN where there is none.
func (f *Forest) outOfBag(ctx context.Context, g *growth, workers int) ([]float32, error) {
	classes := len(f.classes)
	votes := make([]uint32, g.x.Rows()*classes)
	err := f.outside(ctx, g, workers, func(row int, at uint32) {
		v := votes[row*classes : (row+1)*classes]
		for {
			s := f.shares[at]
			v[s>>16&(tree.MaxClasses-1)] += s & one
			if s&last != 0 {
				return
			}
			at++
		}
	})
	if err != nil {
		return nil, err
	}
	proba := make([]float32, len(votes))
	for i := 0; i < len(votes); i += classes {
		sum := uint64(0)
		for _, v := range votes[i : i+classes] {
			sum += uint64(v)
		}
		for c, v := range votes[i : i+classes] {
			proba[i+c] = float32(float64(v) / float64(sum)) // 0/0 = NaN
		}
	}
	return proba, nil
}

// accuracy is the share of rows whose largest probability is that of their
// class, among those that have probabilities; NaN if none has.
func accuracy(proba []float32, class []int32, classes int) float64 {
	right, rows := 0, 0
	for r, c := range class {
		p := proba[r*classes : (r+1)*classes]
		if p[0] != p[0] {
			continue
		}
		rows++
		if argmax(p) == int(c) {
			right++
		}
	}
	return float64(right) / float64(rows)
}

// determination is R², the share of the variance that the predictions explain,
// over the rows that have one.
func determination(pred, target []float64) float64 {
	n, mean := 0.0, 0.0
	for i, p := range pred {
		if p == p {
			n++
			mean += target[i]
		}
	}
	mean /= n
	rest, all := 0.0, 0.0
	for i, p := range pred {
		if p == p {
			d, e := target[i]-p, target[i]-mean
			rest += float64(d * d)
			all += float64(e * e)
		}
	}
	if all == 0 {
		return math.NaN()
	}
	return 1 - rest/all
}
