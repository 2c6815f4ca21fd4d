package model

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
)

// Param is one dimension of a search space: a key of the configuration with the
// values that a search may try. Values, if set, is the whole list; else the value
// is drawn from [Lo, Hi], evenly, or with Log by its logarithm; Int rounds it.
type Param struct {
	Name   string
	Values []any
	Lo, Hi float64
	Log    bool
	Int    bool
}

// Draw returns a value.
func (p *Param) Draw(rng *rand.Rand) any {
	if len(p.Values) > 0 {
		return p.Values[rng.IntN(len(p.Values))]
	}
	u := rng.Float64()
	v := p.Lo + float64(u*(p.Hi-p.Lo))
	if p.Log {
		v = math.Exp(math.Log(p.Lo) + float64(u*(math.Log(p.Hi)-math.Log(p.Lo))))
	}
	if p.Int {
		return int(math.Round(v))
	}
	return math.Round(v*1e4) / 1e4
}

// DrawConfig draws a value for each of the params and returns them as the JSON
// object that Fit takes.
func DrawConfig(space []Param, rng *rand.Rand) (json.RawMessage, error) {
	values := make(map[string]any, len(space))
	for i := range space {
		values[space[i].Name] = space[i].Draw(rng)
	}
	b, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("search space: %w", err)
	}
	return b, nil
}
