package forecast

import (
	"context"
	"fmt"
	"math"

	"apiml/frame"
	"apiml/model"
)

// additiveLog is the additive model of ln(y + offset): seasons that multiply,
// growth by a rate, and medians instead of means, for series without negative
// values.
type additiveLog struct {
	*additive
	offset float64 // logOffset
}

func fitAdditiveLog(ctx context.Context, s frame.Series, cfg *Config) (*additiveLog, error) {
	offset, ok := logOffset(s.Values)
	if !ok {
		return nil, fmt.Errorf("model %q: the series has negative values or none above zero", "additive-log")
	}
	m := &additiveLog{offset: offset}
	c := *cfg
	c.SeasonalityMode = "additive"
	if c.Growth == "logistic" {
		if c.Cap+offset <= 0 {
			return nil, fmt.Errorf("model %q: it needs a cap above zero", "additive-log")
		}
		c.Floor = math.Log(max(c.Floor+offset, (c.Cap+offset)/1000))
		c.Cap = math.Log(c.Cap + offset)
	}
	var err error
	m.additive, err = fitAdditive(ctx, m.logs(s), &c)
	return m, err
}

// logs is s on the logarithmic scale.
func (m *additiveLog) logs(s frame.Series) frame.Series {
	z := make([]float64, len(s.Values))
	for i, v := range s.Values {
		z[i] = math.Log(max(v+m.offset, 1e-300)) // NaN stays
		if math.IsNaN(v) {
			z[i] = v
		}
	}
	s.Values = z
	return s
}

// predict writes the steps behind hist to dst.
func (m *additiveLog) predict(dst []float64, hist frame.Series) {
	m.additive.predict(dst, m.logs(latest(hist, max(1, len(m.ar)))))
	for i, v := range dst {
		dst[i] = min(math.Exp(min(v, 230))-m.offset, limit)
	}
}

func additiveLogCandidate(ctx context.Context, name string, s frame.Series, p parts, floor float64, cfg *Config, opt model.FitOptions) (candidate, error) {
	return onSchedule(ctx, name, s, p, floor, opt.Workers, refitsAdditive, func(ctx context.Context, s frame.Series) (*additiveLog, error) { return fitAdditiveLog(ctx, s, cfg) })
}
