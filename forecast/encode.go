package forecast

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"apiml/model"
)

// The arrays of a Traffic Forecaster in a file:
//
//	forecast.meta      I64  step (µs), 1 if forecasts stay above 0, test part: start (µs), points, origins
//	forecast.chosen    U8   name of the model inside
//	forecast.bands     F64  4 per group of steps: 2.5, 10, 90, 97.5 % residual
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
//
// of the LSTM
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
	for _, q := range f.bands {
		bands = append(bands, q[:]...)
	}
	var names []string
	for _, s := range f.scores {
		names = append(names, s.Model)
		rows = append(rows, s.WAPE, s.MASE, s.SMAPE, s.Coverage80, s.Coverage95, s.WAPEChoice)
	}
	file.PutF64("forecast.bands", bands)
	file.PutU8("forecast.models", []byte(strings.Join(names, "\n")))
	file.PutF64("forecast.backtest", rows)
	file.PutU8("forecast.notes", []byte(strings.Join(append([]string{f.test.ChosenOn}, f.warnings...), "\n")))
	switch m := f.model.(type) {
	case *additive:
		file.PutI64("additive.meta", []int64{int64(m.orders[0]), int64(m.orders[1]), int64(m.orders[2]), flag(m.multiplicative)})
		file.PutF64("additive.scale", []float64{m.start, m.span, m.scale, m.sigma})
		file.PutF64("additive.changes", m.changes)
		file.PutF64("additive.theta", m.theta)
	case *lstm:
		file.PutI64("lstm.meta", []int64{int64(m.hidden), int64(m.ahead), int64(m.in[1]), int64(m.in[2]), int64(m.out[1]), int64(m.out[2])})
		file.PutF64("lstm.scale", []float64{m.center, m.width, m.low, m.high})
		file.PutF64("lstm.weights", m.w)
	}
	return nil
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
	if err := f.cfg.check(); err != nil {
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
	if len(bands) != 4*(group(f.cfg.Horizon-1)+1) {
		return nil, fmt.Errorf("%d residuals of the bands for %d steps", len(bands), f.cfg.Horizon)
	}
	for q := range slices.Chunk(bands, 4) {
		if !(-limit*10 <= q[0] && q[0] <= q[1] && q[1] <= 0 && 0 <= q[2] && q[2] <= q[3] && q[3] <= limit*10) {
			return nil, fmt.Errorf("residuals of the bands are %v", q)
		}
		f.bands = append(f.bands, [4]float64(q))
	}
	switch f.chosen {
	case "additive":
		f.model, err = decodeAdditive(file)
	case "lstm":
		f.model, err = decodeLSTM(file)
	default:
		r := ruleOf(f.chosen, f.step)
		if r == nil {
			return nil, fmt.Errorf("no rule %q for a step of %d µs", f.chosen, f.step)
		}
		f.model = r
	}
	return f, err
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
	if !slices.Contains(names, f.chosen) {
		return fmt.Errorf("the backtest does not have the chosen model %q", f.chosen)
	}
	return nil
}

func decodeAdditive(file *model.File) (predictor, error) {
	meta, err := integers(file, "additive.meta", []int64{0, 0, 0, 0}, []int64{maxOrder, maxOrder, maxOrder, 1})
	if err != nil {
		return nil, err
	}
	scale, err := numbers(file, "additive.scale", 4, limit)
	if err != nil {
		return nil, err
	}
	changes, err := numbers(file, "additive.changes", -1, 1)
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
	a.theta, err = numbers(file, "additive.theta", 2+len(changes)+columns(a.orders), maxTheta)
	if err != nil {
		return nil, err
	}
	return a, nil
}

func decodeLSTM(file *model.File) (predictor, error) {
	meta, err := integers(file, "lstm.meta", []int64{1, 1, 0, 0, 0, 0}, []int64{maxHidden, maxAhead, maxOrder, maxOrder, maxOrder, maxOrder})
	if err != nil {
		return nil, err
	}
	scale, err := numbers(file, "lstm.scale", 4, 1e6)
	if err != nil {
		return nil, err
	}
	m := &lstm{center: scale[0], width: scale[1], low: scale[2], high: scale[3]}
	m.hidden, m.ahead = int(meta[0]), int(meta[1])
	m.in[1], m.in[2], m.out[1], m.out[2] = int(meta[2]), int(meta[3]), int(meta[4]), int(meta[5])
	if !(m.width > 0 && m.low <= m.high) {
		return nil, fmt.Errorf("array %q: %v", "lstm.scale", scale)
	}
	m.w, err = numbers(file, "lstm.weights", m.size(), maxWeight)
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
