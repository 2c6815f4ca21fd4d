package forecast

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"apiml/model"
	"apiml/model/boost"
)

// The arrays of a Traffic Forecaster in a file:
//
//	forecast.meta      I64  step (µs), 1 if forecasts stay above 0, test part: start (µs), points, origins
//	forecast.chosen    U8   name of the model inside
//	forecast.bands     F64  4 per group of steps: 2.5, 10, 90, 97.5 % residual
//	forecast.calibrated I64 steps for which they hold; may be absent: the horizon
//	forecast.spread    F64  power of the spread by which residuals are divided; may be absent: 0.5
//	forecast.models    U8   names of the backtest's rows, by line
//	forecast.backtest  F64  6 per row: WAPE, MASE, sMAPE, coverage of 80 and 95 %, WAPE of the choice
//	forecast.notes     U8   what the models were compared on, then warnings, by line
//
// of the additive model
//
//	additive.meta      I64  Fourier orders of year, week, day; 1 if multiplicative
//	additive.scale     F64  start (µs), span (µs), scale, σ
//	additive.changes   F64  changepoints in [0, 1]
//	additive.theta     F64  k, m, bends, Fourier coefficients
//	additive.events    I64  per effect of an event: how many days, then the days since 1970; may be absent
//	additive.ar        F64  autoregression of the errors; may be absent
//	additive.growth    F64  of logistic growth: floor and cap, as shares of the scale
//	additive.time0 …   I64  per regressor: start, step (µs)
//	additive.extra0 …  F64  its standardised values, NaN = missing
//	additive.log       F64  of the model on logarithms: what is added before it
//
// of a classical model
//
//	local.kind         U8   its name
//	local.meta         I64  1 if it works on logarithms, steps that it forecasts at once, periods
//	local.par          F64  offset of the logarithm, then the parameters (local.go)
//	local.profile      F64  the profiles, one after the other
//	local.trees        U8   of the trees: a file of package boost
//
// A combination has
//
//	forecast.parts     U8   names of the models, by line
//	forecast.weights   F64  their weights
//
// and the arrays of each model with "part0.", "part1.", … before the name.
//
// Of the LSTM, whose networks but the first have "net1.", "net2.", … before the name
//
//	lstm.meta          I64  units, ahead, Fourier orders of the input (week, day) and of the output (week, day)
//	lstm.scale         F64  center, width, lowest and highest standardised forecast
//	lstm.weights       F64  blocks W, b, V, c, U (lstm.go)

// Encode implements model.Model.
func (f *Fitted) Encode(file *model.File) error {
	config, err := json.Marshal(f.cfg)
	if err != nil {
		return err
	}
	h := &file.Header
	h.Kind, h.Schema, h.Classes, h.Config, h.Seed = Kind, f.schema, nil, config, f.seed
	file.PutI64("forecast.meta", []int64{f.step, flag(f.floor == 0), f.test.Start.UnixMicro(), int64(f.test.Points), int64(f.test.Origins)})
	file.PutU8("forecast.chosen", []byte(f.chosen))
	var bands, rows []float64
	for _, q := range f.bands.at {
		bands = append(bands, q[:]...)
	}
	var names []string
	for _, s := range f.scores {
		names = append(names, s.Model)
		rows = append(rows, s.WAPE, s.MASE, s.SMAPE, s.Coverage80, s.Coverage95, s.WAPEChoice)
	}
	file.PutF64("forecast.bands", bands)
	if f.bands.h != f.cfg.Horizon {
		file.PutI64("forecast.calibrated", []int64{int64(f.bands.h)})
	}
	file.PutF64("forecast.spread", []float64{f.bands.power})
	file.PutU8("forecast.models", []byte(strings.Join(names, "\n")))
	file.PutF64("forecast.backtest", rows)
	file.PutU8("forecast.notes", []byte(strings.Join(append([]string{f.test.ChosenOn}, f.warnings...), "\n")))
	if c, ok := f.model.(*combination); ok {
		file.PutU8("forecast.parts", []byte(strings.Join(c.names, "\n")))
		file.PutF64("forecast.weights", c.weights)
		for i, m := range c.models {
			if err := encodeModel(file, fmt.Sprintf("part%d.", i), m); err != nil {
				return err
			}
		}
		return nil
	}
	return encodeModel(file, "", f.model)
}

// encodeModel stores what a model has learned; a rule has nothing.
func encodeModel(file *model.File, prefix string, p predictor) error {
	switch m := p.(type) {
	case *additive:
		file.PutI64(prefix+"additive.meta", []int64{int64(m.orders[0]), int64(m.orders[1]), int64(m.orders[2]), flag(m.multiplicative)})
		file.PutF64(prefix+"additive.scale", []float64{m.start, m.span, m.scale, m.sigma})
		file.PutF64(prefix+"additive.changes", m.changes)
		file.PutF64(prefix+"additive.theta", m.theta)
		if len(m.events) > 0 {
			var flat []int64
			for _, days := range m.events {
				flat = append(append(flat, int64(len(days))), days...)
			}
			file.PutI64(prefix+"additive.events", flat)
		}
		if len(m.ar) > 0 {
			file.PutF64(prefix+"additive.ar", m.ar)
		}
		if m.logistic {
			file.PutF64(prefix+"additive.growth", []float64{m.low, m.high})
		}
		for i, r := range m.extra {
			file.PutI64(fmt.Sprintf("%sadditive.time%d", prefix, i), []int64{r.start, r.step})
			file.PutF64(fmt.Sprintf("%sadditive.extra%d", prefix, i), r.values)
		}
	case *additiveLog:
		file.PutF64(prefix+"additive.log", []float64{m.offset})
		return encodeModel(file, prefix, m.additive)
	case lstmBag:
		for k, net := range m {
			if err := encodeModel(file, netPrefix(prefix, k), net); err != nil {
				return err
			}
		}
	case *lstm:
		file.PutI64(prefix+"lstm.meta", []int64{int64(m.hidden), int64(m.ahead), int64(m.in[1]), int64(m.in[2]), int64(m.out[1]), int64(m.out[2])})
		file.PutF64(prefix+"lstm.scale", []float64{m.center, m.width, m.low, m.high})
		file.PutF64(prefix+"lstm.weights", m.w)
	case *local:
		meta := []int64{flag(m.log), int64(m.ahead)}
		for _, k := range m.m {
			meta = append(meta, int64(k))
		}
		file.PutU8(prefix+"local.kind", []byte(m.kind))
		file.PutI64(prefix+"local.meta", meta)
		file.PutF64(prefix+"local.par", append([]float64{m.offset}, m.par...))
		file.PutF64(prefix+"local.profile", slices.Concat(m.profile...))
		if m.ensemble != nil {
			var inner model.File
			if err := m.ensemble.Encode(&inner); err != nil {
				return err
			}
			var b bytes.Buffer
			if err := inner.Write(&b); err != nil {
				return err
			}
			file.PutU8(prefix+"local.trees", b.Bytes())
		}
	}
	return nil
}

// netPrefix is the prefix of network k of several; the first one has none of its
// own.
func netPrefix(prefix string, k int) string {
	if k == 0 {
		return prefix
	}
	return fmt.Sprintf("%snet%d.", prefix, k)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Decode reads a Traffic Forecaster. It checks every length and range, so that
// a damaged or hostile file is an error and never a crash, an endless loop or a
// forecast that is not finite.
func Decode(file *model.File) (*Fitted, error) {
	f, err := decode(file)
	if err != nil {
		return nil, fmt.Errorf("forecast: %w", err)
	}
	return f, nil
}

// Bounds on what a file may claim.
const (
	maxStep  = 100 * 366 * day
	maxTime  = 1 << 60 // µs: 36,000 years
	maxNotes = 1 << 16 // bytes
	// Parameters of a fit are far smaller; a forecast of such ones is finite.
	maxTheta  = 1e12
	maxWeight = 1e6
)

func decode(file *model.File) (*Fitted, error) {
	h := &file.Header
	if h.Kind != Kind {
		return nil, fmt.Errorf("the file holds a %q", h.Kind)
	}
	f := &Fitted{cfg: Default(), seed: h.Seed, floor: math.Inf(-1)}
	if len(h.Config) > 0 {
		if err := json.Unmarshal(h.Config, &f.cfg); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
	}
	if err := f.cfg.Check(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	meta, err := integers(file, "forecast.meta", []int64{1, 0, -maxTime, 0, 0}, []int64{maxStep, 1, maxTime, maxTime, maxTime})
	if err != nil {
		return nil, err
	}
	f.step = meta[0]
	if meta[1] == 1 {
		f.floor = 0
	}
	f.schema = schemaOf(f.step)
	if f.schema.ID() != h.Schema.ID() {
		return nil, fmt.Errorf("schema %s for a step of %d µs", h.Schema.ID(), f.step)
	}
	f.schema = h.Schema
	f.test = TestPart{Start: time.UnixMicro(meta[2]).UTC(), Points: int(meta[3]), Origins: int(meta[4])}
	lines, err := text(file, "forecast.notes")
	if err != nil {
		return nil, err
	}
	f.test.ChosenOn, f.warnings = lines[0], lines[1:]
	if err := f.decodeScores(file); err != nil {
		return nil, err
	}
	bands, err := file.F64("forecast.bands")
	if err != nil {
		return nil, err
	}
	f.bands.h = f.cfg.Horizon
	if file.Has("forecast.calibrated") {
		v, err := integers(file, "forecast.calibrated", []int64{1}, []int64{int64(f.cfg.Horizon)})
		if err != nil {
			return nil, err
		}
		f.bands.h = int(v[0])
	}
	if len(bands) != 4*(group(f.bands.h-1)+1) {
		return nil, fmt.Errorf("%d residuals of the bands for %d steps", len(bands), f.bands.h)
	}
	for q := range slices.Chunk(bands, 4) {
		if !(-limit*10 <= q[0] && q[0] <= q[1] && q[1] <= 0 && 0 <= q[2] && q[2] <= q[3] && q[3] <= limit*10) {
			return nil, fmt.Errorf("residuals of the bands are %v", q)
		}
		f.bands.at = append(f.bands.at, [4]float64(q))
	}
	f.bands.power = spreadPowers[0]
	if file.Has("forecast.spread") {
		v, err := numbers(file, "forecast.spread", 1, 1)
		if err != nil {
			return nil, err
		}
		if f.bands.power = v[0]; !slices.Contains(spreadPowers[:], v[0]) {
			return nil, fmt.Errorf("array %q: power %v", "forecast.spread", v[0])
		}
	}
	if f.chosen == Combination {
		f.model, err = f.decodeCombination(file)
		return f, err
	}
	f.weights = []Weight{{f.chosen, 1}}
	f.model, err = decodeModel(file, "", f.chosen, f.step)
	return f, err
}

func (f *Fitted) decodeCombination(file *model.File) (predictor, error) {
	names, err := text(file, "forecast.parts")
	if err != nil {
		return nil, err
	}
	weights, err := numbers(file, "forecast.weights", len(names), 1)
	if err != nil {
		return nil, err
	}
	if len(names) > len(Models()) {
		return nil, fmt.Errorf("a combination of %d models", len(names))
	}
	c := &combination{names: names, weights: weights}
	for i, name := range names {
		if !(weights[i] > 0) {
			return nil, fmt.Errorf("weight of %q is %v", name, weights[i])
		}
		m, err := decodeModel(file, fmt.Sprintf("part%d.", i), name, f.step)
		if err != nil {
			return nil, err
		}
		c.models = append(c.models, m)
	}
	f.weights = c.shares()
	return c, nil
}

func decodeModel(file *model.File, prefix, name string, step int64) (predictor, error) {
	switch {
	case name == "additive":
		return decodeAdditive(file, prefix)
	case name == "additive-log":
		offset, err := numbers(file, prefix+"additive.log", 1, limit)
		if err != nil {
			return nil, err
		}
		if offset[0] < 0 {
			return nil, fmt.Errorf("array %q: %v", prefix+"additive.log", offset[0])
		}
		a, err := decodeAdditive(file, prefix)
		if err != nil {
			return nil, err
		}
		return &additiveLog{a, offset[0]}, nil
	case name == "lstm":
		var bag lstmBag
		for k := 0; k == 0 || k < lstmMembers && file.Has(netPrefix(prefix, k)+"lstm.meta"); k++ {
			m, err := decodeLSTM(file, netPrefix(prefix, k))
			if err != nil {
				return nil, err
			}
			bag = append(bag, m)
		}
		return bag, nil
	case slices.Contains(localKinds(), name):
		return decodeLocal(file, prefix, name)
	}
	if r := ruleOf(name, step); r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("no rule %q for a step of %d µs", name, step)
}

// decodeLocal reads a classical model. Its forecast allocates and works in
// proportion to the periods and weights that stand in the file.
func decodeLocal(file *model.File, prefix, name string) (predictor, error) {
	kind, err := text(file, prefix+"local.kind")
	if err != nil {
		return nil, err
	}
	meta, err := file.I64(prefix + "local.meta")
	if err != nil {
		return nil, err
	}
	par, err := numbers(file, prefix+"local.par", -1, maxTheta)
	if err != nil {
		return nil, err
	}
	profile, err := numbers(file, prefix+"local.profile", -1, limit)
	if err != nil {
		return nil, err
	}
	if len(kind) != 1 || kind[0] != name || len(meta) < 2 || len(meta) > 5 || meta[0] < 0 || meta[0] > 1 || meta[1] < 0 || meta[1] > maxAheadR || len(par) < 1 || par[0] < 0 {
		return nil, fmt.Errorf("model %q: array %q does not fit", name, prefix+"local.meta")
	}
	l := &local{kind: name, log: meta[0] == 1, offset: par[0], ahead: int(meta[1]), par: par[1:]}
	for _, m := range meta[2:] {
		if m < 2 || m > maxPeriod || len(l.m) > 0 && int(m) <= l.m[len(l.m)-1] {
			return nil, fmt.Errorf("model %q: periods %v", name, meta[2:])
		}
		l.m = append(l.m, int(m))
	}
	if name == "trees" {
		b, err := file.U8(prefix + "local.trees")
		if err != nil {
			return nil, err
		}
		inner, err := model.ReadFile(b)
		if err != nil {
			return nil, err
		}
		if l.ensemble, err = boost.Decode(inner); err != nil {
			return nil, err
		}
		if l.ensemble.Schema().ID() != treeInputs().ID() {
			return nil, fmt.Errorf("model %q: trees of schema %s", name, l.ensemble.Schema().ID())
		}
	}
	if name != "ets" && name != "profile" && name != "trees" && name != "analog" && !strings.HasPrefix(name, "ridge") {
		for _, m := range l.m {
			if len(profile) < m {
				return nil, fmt.Errorf("model %q: profiles of %d values for periods %v", name, len(profile), l.m)
			}
			l.profile = append(l.profile, profile[:m])
			profile = profile[m:]
		}
	}
	if len(profile) != 0 {
		return nil, fmt.Errorf("model %q: %d values too many in the profiles", name, len(profile))
	}
	return l, l.check()
}

func (f *Fitted) decodeScores(file *model.File) error {
	chosen, err := text(file, "forecast.chosen")
	if err != nil {
		return err
	}
	names, err := text(file, "forecast.models")
	if err != nil {
		return err
	}
	rows, err := file.F64("forecast.backtest")
	if err != nil {
		return err
	}
	if len(chosen) != 1 || len(names) > len(Models()) || len(rows) != 6*len(names) {
		return fmt.Errorf("%d models chosen, backtest with %d figures of %d models", len(chosen), len(rows), len(names))
	}
	f.chosen = chosen[0]
	for i, name := range names {
		if !slices.Contains(Models(), name) || slices.Contains(names[:i], name) {
			return fmt.Errorf("backtest of model %q", name)
		}
		r := rows[6*i : 6*i+6]
		f.scores = append(f.scores, Score{name, r[0], r[1], r[2], r[3], r[4], r[5]})
	}
	if f.chosen != Combination && !slices.Contains(names, f.chosen) {
		return fmt.Errorf("the backtest does not have the chosen model %q", f.chosen)
	}
	return nil
}

func decodeAdditive(file *model.File, prefix string) (*additive, error) {
	meta, err := integers(file, prefix+"additive.meta", []int64{0, 0, 0, 0}, []int64{maxOrder, maxOrder, maxOrder, 1})
	if err != nil {
		return nil, err
	}
	scale, err := numbers(file, prefix+"additive.scale", 4, limit)
	if err != nil {
		return nil, err
	}
	changes, err := numbers(file, prefix+"additive.changes", -1, 1)
	if err != nil {
		return nil, err
	}
	a := &additive{
		start: scale[0], span: scale[1], scale: scale[2], sigma: scale[3],
		orders: [3]int{int(meta[0]), int(meta[1]), int(meta[2])}, multiplicative: meta[3] == 1, changes: changes,
	}
	if !(math.Abs(a.start) <= maxTime && a.span >= 1 && a.span <= maxTime && a.scale > 0 && a.sigma > 0) {
		return nil, fmt.Errorf("array %q: %v", "additive.scale", scale)
	}
	if len(changes) > 200 || !slices.IsSorted(changes) || len(changes) > 0 && changes[0] < 0 {
		return nil, fmt.Errorf("%d changepoints, not ascending from 0 to 1", len(changes))
	}
	if file.Has(prefix + "additive.events") {
		flat, err := file.I64(prefix + "additive.events")
		if err != nil {
			return nil, err
		}
		for len(flat) > 0 {
			n := flat[0]
			if n < 1 || n > int64(len(flat)-1) || len(a.events) == maxEventColumns || !slices.IsSorted(flat[1:1+n]) {
				return nil, fmt.Errorf("array %q: %d days of an event do not fit", prefix+"additive.events", n)
			}
			a.events = append(a.events, flat[1:1+n])
			flat = flat[1+n:]
		}
	}
	if file.Has(prefix + "additive.growth") {
		v, err := numbers(file, prefix+"additive.growth", 2, limit)
		if err != nil {
			return nil, err
		}
		if a.logistic, a.low, a.high = true, v[0], v[1]; !(a.low < a.high) {
			return nil, fmt.Errorf("array %q: %v", prefix+"additive.growth", v)
		}
	}
	for i := 0; i < maxRegressors && file.Has(fmt.Sprintf("%sadditive.time%d", prefix, i)); i++ {
		v, err := integers(file, fmt.Sprintf("%sadditive.time%d", prefix, i), []int64{-maxTime, 1}, []int64{maxTime, maxStep})
		if err != nil {
			return nil, err
		}
		values, err := file.F64(fmt.Sprintf("%sadditive.extra%d", prefix, i))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(values, func(v float64) bool { return math.Abs(v) > limit }) || int64(len(values)) > maxTime/v[1] {
			return nil, fmt.Errorf("array %q: values out of range", prefix+"additive.extra")
		}
		a.extra = append(a.extra, regressor{v[0], v[1], values})
	}
	a.theta, err = numbers(file, prefix+"additive.theta", 2+len(changes)+a.width(), maxTheta)
	if err != nil {
		return nil, err
	}
	if file.Has(prefix + "additive.ar") {
		if a.ar, err = numbers(file, prefix+"additive.ar", -1, maxTheta); err != nil {
			return nil, err
		}
		if len(a.ar) > maxAR {
			return nil, fmt.Errorf("array %q: %d values", prefix+"additive.ar", len(a.ar))
		}
	}
	return a, nil
}

func decodeLSTM(file *model.File, prefix string) (*lstm, error) {
	meta, err := integers(file, prefix+"lstm.meta", []int64{1, 1, 0, 0, 0, 0}, []int64{maxHidden, maxAhead, maxOrder, maxOrder, maxOrder, maxOrder})
	if err != nil {
		return nil, err
	}
	scale, err := numbers(file, prefix+"lstm.scale", 4, 1e6)
	if err != nil {
		return nil, err
	}
	m := &lstm{center: scale[0], width: scale[1], low: scale[2], high: scale[3]}
	m.hidden, m.ahead = int(meta[0]), int(meta[1])
	m.in[1], m.in[2], m.out[1], m.out[2] = int(meta[2]), int(meta[3]), int(meta[4]), int(meta[5])
	if !(m.width > 0 && m.low <= m.high) {
		return nil, fmt.Errorf("array %q: %v", "lstm.scale", scale)
	}
	m.w, err = numbers(file, prefix+"lstm.weights", m.size(), maxWeight)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// integers reads an array whose values lie between lo and hi, one by one.
func integers(file *model.File, name string, lo, hi []int64) ([]int64, error) {
	v, err := file.I64(name)
	if err != nil {
		return nil, err
	}
	if len(v) != len(lo) {
		return nil, fmt.Errorf("array %q: %d values, expected %d", name, len(v), len(lo))
	}
	for i, x := range v {
		if x < lo[i] || x > hi[i] {
			return nil, fmt.Errorf("array %q: value %d is %d, possible are %d to %d", name, i, x, lo[i], hi[i])
		}
	}
	return v, nil
}

// numbers reads n (−1 = any number of) values of at most bound.
func numbers(file *model.File, name string, n int, bound float64) ([]float64, error) {
	v, err := file.F64(name)
	if err != nil {
		return nil, err
	}
	if n >= 0 && len(v) != n {
		return nil, fmt.Errorf("array %q: %d values, expected %d", name, len(v), n)
	}
	for i, x := range v {
		if !(math.Abs(x) <= bound) {
			return nil, fmt.Errorf("array %q: value %d is %v", name, i, x)
		}
	}
	return v, nil
}

// text reads lines of printable text; at least one, which may be empty.
func text(file *model.File, name string) ([]string, error) {
	b, err := file.U8(name)
	if err != nil {
		return nil, err
	}
	if len(b) > maxNotes || !utf8.Valid(b) {
		return nil, fmt.Errorf("array %q: not a text of at most %d bytes", name, maxNotes)
	}
	lines := strings.Split(string(b), "\n")
	for _, l := range lines {
		if strings.ContainsFunc(l, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return nil, fmt.Errorf("array %q: holds characters that cannot be printed", name)
		}
	}
	return lines, nil
}
