package forecast

import (
	"context"

	"apiml/frame"
	"apiml/model"
)

// lstmBag is the mean of networks that differ in their seeds: what one learns by
// chance the others do not (Breiman, "Bagging predictors", 1996).
type lstmBag []*lstm

// lstmMembers is the number of networks.
const lstmMembers = 3

func fitLSTMBag(ctx context.Context, s frame.Series, horizon int, cfg *Config, opt model.FitOptions) (lstmBag, error) {
	var bag lstmBag
	seed := opt.Seed
	for k := range uint64(lstmMembers) {
		opt.Seed = seed + k*0x9e3779b97f4a7c15
		m, err := fitLSTM(ctx, s, horizon, cfg, opt)
		if err != nil {
			return nil, err
		}
		bag = append(bag, m)
	}
	return bag, nil
}

// predict writes the steps behind hist to dst.
func (b lstmBag) predict(dst []float64, hist frame.Series) {
	f := make([]float64, len(dst))
	clear(dst)
	for _, m := range b {
		m.predict(f, hist)
		for i, v := range f {
			dst[i] += float64(v / float64(len(b)))
		}
	}
}
