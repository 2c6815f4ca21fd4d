package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"apiml/features"
	"apiml/forecast"
	"apiml/frame"
	"apiml/internal/atomicfile"
	"apiml/internal/plot"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/traffic"
	"apiml/train"
)

// driftRows is how many rows of the present are compared at most, chosen by hash.
const driftRows = 100_000

// driftedModel is an element of models[] of `evaluate --drift --json`.
type driftedModel struct {
	Model   string `json:"model"`
	Origin  string `json:"origin"`
	Dataset string `json:"dataset"`
	*train.Drift
}

type driftResult struct {
	jsonHead
	Drift   int            `json:"drift"` // columns and scores of all models whose shift is large
	Models  []driftedModel `json:"models"`
	Skipped []string       `json:"skipped"`
}

// drift compares the present with what the models were judged on.
func (a *app) drift(o evaluateOptions) error {
	gs, err := parseGates(o.failOn, true)
	if err != nil {
		return err
	}
	specs, explicit, err := a.chooseModels(append(o.names, o.model...), o.all)
	if err != nil {
		return err
	}
	src, err := a.openSource(o.data, o.truth)
	if err != nil {
		return err
	}
	defer src.Close()
	if specs, err = src.twins(specs, explicit); err != nil {
		return err
	}
	res := &driftResult{Models: []driftedModel{}, Skipped: []string{}}
	for _, spec := range specs {
		if src.st != nil && src.kinds[spec.Input] == 0 {
			continue
		}
		lm, err := a.loadModel(spec, true)
		if err != nil {
			res.Skipped = append(res.Skipped, spec.Name+": "+err.Error())
			continue
		}
		d, err := a.driftOf(src, lm, o.reference)
		var e *exitError
		if errors.As(err, &e) && e.code == exitInput && len(specs) > 1 {
			res.Skipped = append(res.Skipped, spec.Name+": "+strings.TrimPrefix(err.Error(), spec.Name+": "))
			continue
		}
		if err != nil {
			return err
		}
		res.Models = append(res.Models, driftedModel{spec.Name, lm.origin, src.name(), d})
		res.Drift += d.Large
	}
	if len(res.Models) == 0 {
		return inputf("no drift could be measured: %s", strings.Join(res.Skipped, "; "))
	}
	res.jsonHead = a.head("evaluate-drift")
	for _, path := range o.outputs {
		if err := a.writeDrift(path, res); err != nil {
			return err
		}
	}
	if a.flags.json {
		err = a.printJSON(res)
	} else {
		err = a.printDrift(res)
	}
	if err != nil {
		return err
	}
	for i := range gs {
		if err := gs[i].check(float64(res.Drift)); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) driftOf(src *source, lm *loadedModel, reference string) (*train.Drift, error) {
	w, err := newWanted(lm.file)
	if err != nil {
		return nil, withCode(exitState, err)
	}
	w.any, w.fresh, w.keep = true, true, driftRows
	if first, last := lm.file.Header.Data.First, lm.file.Header.Data.Last; !ofRows(lm.spec.Role) && first < last {
		w.between = func(t int64) bool { return t < first || t > last } // what it was fitted on has a time, and no names
	}
	var ref *train.Reference
	switch {
	case reference == "":
		stored, err := rawMetrics[storedMetrics](lm)
		if err != nil {
			return nil, err
		}
		if stored == nil || stored.Reference == nil {
			return nil, inputf("%s remembers nothing of its rows: train it again, or give --reference", lm.origin)
		}
		ref = stored.Reference
	default:
		rw, err := newWanted(lm.file)
		if err != nil {
			return nil, withCode(exitState, err)
		}
		rw.any, rw.fresh, rw.keep = true, true, driftRows
		rw.trained, rw.held = nil, nil // a reference may be what it was fitted on
		from, to, isWindow := strings.Cut(reference, "/")
		other := src
		if window, werr := a.timeSpan(from, to); isWindow && werr == nil && src.st != nil {
			rw.between = func(t int64) bool { return t >= window[0] && t < window[1] }
			w.between = func(t int64) bool { return t >= window[1] }
			w.trained, w.held = nil, nil // the time tells them apart
		} else {
			if other, err = a.openSource([]string{reference}, nil); err != nil {
				return nil, err
			}
			defer other.Close()
			w.trained, w.held, w.between = nil, nil, nil
		}
		x, m, shape, err := a.driftRowsOf(other, lm, rw, nil)
		if err != nil {
			return nil, err
		}
		if x.N == 0 {
			return nil, inputf("--reference %s: no rows", reference)
		}
		if ref, err = newReference(a.ctx, lm.spec.Role, m, x, reference); err != nil {
			return nil, a.trainError(err)
		}
		ref.Shape = shape
	}
	x, m, _, err := a.driftRowsOf(src, lm, w, ref.Shape)
	if err != nil {
		return nil, err
	}
	if x.N == 0 {
		return nil, inputf("%s: every row here was in its training or set aside then: there is nothing new to compare", lm.spec.Name)
	}
	d, err := ref.Compare(a.ctx, m, x, w.units, 0)
	if err != nil {
		return nil, a.trainError(err)
	}
	if lm.spec.Role == model.RoleForecaster || lm.spec.Role == model.RoleClusterer {
		d.Notes = append(d.Notes, "weekdays differ, and so do steps and clients: compare whole weeks, or as long a time on both sides (--reference FROM/TO, --since)")
	}
	if w.total > driftRows {
		d.Notes = append(d.Notes, fmt.Sprintf("%s of %s rows, chosen by hash", count(int64(x.N)), count(int64(w.total))))
	}
	return d, nil
}

// newReference describes the rows of x for a model of a role.
func newReference(ctx context.Context, role model.Role, m model.Model, x *frame.Matrix, from string) (*train.Reference, error) {
	ref, err := train.NewReference(ctx, m, x, from, nil, 0)
	if err != nil {
		return nil, err
	}
	switch role {
	case model.RoleClusterer:
		ref.Keep(lasting())
	case model.RoleRegressor: // the calendar moves by itself
		ref.Keep(slices.DeleteFunc(slices.Clone(ref.Columns), func(name string) bool {
			return slices.Contains([]string{"hour_sin", "hour_cos", "day_sin", "day_cos"}, name)
		}))
	}
	return ref, nil
}

// lasting are the columns of a profile that do not grow with the length of the
// log.
func lasting() []string {
	return slices.DeleteFunc(features.BehaviorSpace(), func(name string) bool { return name == "requests" })
}

// driftRowsOf makes the rows that w wants: of features, with the model that
// judges them, or of steps in the given shape of a day (nil = their own, which is
// returned) and of accesses, which no model judges one by one.
func (a *app) driftRowsOf(src *source, lm *loadedModel, w *wanted, shape []float64) (x *frame.Matrix, m model.Model, own []float64, err error) {
	when := w.between
	if when == nil {
		when = func(int64) bool { return true }
	}
	switch m := lm.model.(type) {
	case model.Regressor:
		b := features.NewLatencyBuilder(features.LatencyConfig{})
		if err := src.ordered(a.ctx, "reading latencies", b.Add); err != nil {
			return nil, nil, nil, err
		}
		ds, err := b.Dataset()
		if err != nil {
			return nil, nil, nil, inputf("%s: %s", lm.spec.Name, strings.TrimPrefix(err.Error(), "features: "))
		}
		w.total = ds.Rows
		var rows []int
		for i, h := range ds.Hash {
			if w.has(h) && when(ds.Times[i]) {
				rows = append(rows, i)
			}
		}
		x, err := ds.Apply(lm.latency, rows)
		return x, m, nil, err
	case model.Clusterer:
		b := features.NewBehaviorBuilder(features.BehaviorConfig{})
		if err := src.ordered(a.ctx, "reading behaviour", during(when, b.Add)); err != nil {
			return nil, nil, nil, err
		}
		ds, err := b.Dataset()
		if err != nil {
			return nil, nil, nil, inputf("%s: %s", lm.spec.Name, strings.TrimPrefix(err.Error(), "features: "))
		}
		return ds.X, m, nil, nil
	case model.Policy:
		b := features.NewTraceBuilder()
		if err := src.ordered(a.ctx, "reading accesses", during(when, b.Add)); err != nil {
			return nil, nil, nil, err
		}
		t, _ := b.Trace()
		x := train.TraceRows(t)
		if x.N == 0 {
			return nil, nil, nil, inputf("%s: %d accesses to compare, %d are needed", lm.spec.Name, len(t.Keys), train.TraceBlock)
		}
		return x, nil, nil, nil
	case model.Forecaster:
		step := time.Duration(0)
		if f, ok := m.(*forecast.Fitted); ok {
			step = time.Duration(f.Step()) * time.Microsecond
		}
		s, err := src.series(a.ctx, step)
		if err != nil {
			return nil, nil, nil, err
		}
		s = within(s, when)
		if shape == nil {
			shape = train.HourShape(s)
		}
		return train.SeriesRows(s, shape), nil, shape, nil
	}
	p := a.progress("reading for "+lm.spec.Name, 0)
	defer p.done()
	rows, schema, err := a.collect(src, lm, w)
	if err != nil {
		return nil, nil, nil, err
	}
	w.units = rows.principals()
	return &frame.Matrix{Schema: schema, Cols: rows.cols, N: len(rows.labels)}, lm.model, nil, nil
}

// during calls add with the requests of the wanted times only.
func during(when func(int64) bool, add func([]traffic.Request)) func([]traffic.Request) {
	return func(reqs []traffic.Request) {
		for lo := 0; lo < len(reqs); {
			hi := lo
			for hi < len(reqs) && when(reqs[hi].Time) {
				hi++
			}
			if hi > lo {
				add(reqs[lo:hi])
			}
			lo = hi + 1
		}
	}
}

// within is the part of a series from the first wanted step to the last; what is
// not wanted in between is missing.
func within(s frame.Series, when func(int64) bool) frame.Series {
	from, to := len(s.Values), 0
	values := slices.Clone(s.Values)
	for i := range values {
		if when(s.Start + int64(i)*s.Step) {
			from, to = min(from, i), i+1
		} else {
			values[i] = math.NaN()
		}
	}
	if from > to {
		from = to
	}
	s.Start, s.Values = s.Start+int64(from)*s.Step, values[from:to]
	return s
}

// timeSpan reads two times, microseconds UTC.
func (a *app) timeSpan(from, to string) ([2]int64, error) {
	var out [2]int64
	for i, s := range []string{from, to} {
		t, err := windowTime("--reference", s, traffic.NoTime)
		if err != nil {
			return out, err
		}
		out[i] = t
	}
	return out, nil
}

// driftedModels leaves out the models whose data have not moved. Models that
// remember no rows are trained if one of the others of the same records has
// drifted, or if there is no file of theirs. The reasons are those of the models
// that it returns.
func (a *app) driftedModels(specs []model.Spec, o trainOptions) (out []model.Spec, reasons map[string]string, err error) {
	src, err := a.openSource(o.data, o.truth)
	if err != nil {
		return nil, nil, err
	}
	defer src.Close()
	moved := map[string]string{} // input → model that saw it move
	keep := map[string]string{}  // model → why to train it
	follows := map[string]bool{} // model → as the others of its input
	check := func(spec model.Spec) error {
		if src.st != nil && src.kinds[spec.Input] == 0 {
			follows[spec.Name] = true
			return nil
		}
		lm, err := a.loadModel(spec, false)
		if errors.Is(err, errNoModel) {
			keep[spec.Name] = "there is none yet"
			return nil
		}
		if err != nil {
			return err
		}
		d, err := a.driftOf(src, lm, "")
		var e *exitError
		if errors.As(err, &e) && e.code == exitInput {
			follows[spec.Name] = true
			return nil
		}
		if err != nil {
			return err
		}
		if d.Large > 0 {
			a.sayf("%s: the shift of %s is large (%s first)", spec.Name, counted(d.Large, "column"), d.Columns[0].Name)
			moved[spec.Input] = cmp.Or(moved[spec.Input], spec.Name)
			keep[spec.Name] = fmt.Sprintf("drift of %s, %s first", counted(d.Large, "column"), d.Columns[0].Name)
		} else {
			a.sayf("%s: no large shift in %s rows: left alone", spec.Name, count(int64(d.Rows)))
		}
		return nil
	}
	asked := map[string]bool{}
	for _, spec := range specs {
		asked[spec.Name] = true
		if err := check(spec); err != nil {
			return nil, nil, err
		}
	}
	// What others say, for those that cannot tell by themselves.
	for _, spec := range catalog.All() {
		if len(follows) > 0 && !asked[spec.Name] && ofRows(spec.Role) {
			if err := check(spec); err != nil {
				return nil, nil, err
			}
		}
	}
	reasons = map[string]string{}
	for _, spec := range specs {
		why := keep[spec.Name]
		if by := moved[spec.Input]; why == "" && by != "" && follows[spec.Name] {
			why = "drift seen by " + by
		}
		if why != "" {
			out, reasons[spec.Name] = append(out, spec), why
		}
	}
	return out, reasons, nil
}

func driftTable(d *train.Drift, most int) ([]string, [][]string) {
	var rows [][]string
	add := func(c *train.ColumnDrift) {
		rows = append(rows, []string{c.Name, c.Level, ratio(c.PSI), ratio(c.Noise), ratio(c.JS), fmt.Sprintf("%+.3f", c.Effect), ratio(c.KS), fmt.Sprintf("%+.4f", c.Missing)})
	}
	if d.Scores != nil {
		add(d.Scores)
	}
	for i := range d.Columns[:min(most, len(d.Columns))] {
		add(&d.Columns[i])
	}
	return []string{"column", "shift", ">PSI", ">PSI by chance", ">Jensen-Shannon", ">effect (sd)", ">KS", ">missing"}, rows
}

// driftWords are the lines under a table of drift.
func driftWords(d *train.Drift) []string {
	out := []string{fmt.Sprintf("%d large and %d moderate shifts among %d columns and the scores", d.Large, d.Moderate, len(d.Columns))}
	for _, name := range []string{"accuracy", "macro_f1"} {
		v, ok := d.Expected[name]
		if !ok {
			continue
		}
		s := fmt.Sprintf("%s expected here, from the probabilities alone: %s", name, ratio(v))
		if m, ok := d.Measured[name]; ok {
			s += fmt.Sprintf(" (measured on the reference: %s)", ratio(m))
		}
		out = append(out, s+"; blind to attacks of a new kind")
	}
	if v, ok := d.Observed["mae"]; ok {
		s := fmt.Sprintf("mean absolute error here: %s", seconds(v))
		if m, ok := d.Measured["mae"]; ok {
			s += fmt.Sprintf(" (on the reference: %s)", seconds(m))
		}
		out = append(out, s)
	}
	return append(out, d.Notes...)
}

func (a *app) printDrift(res *driftResult) error {
	for i := range res.Models {
		m := &res.Models[i]
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintf(a.out, "%s (%s): %s rows of %s against %s rows (%s)\n", m.Model, m.Origin, count(int64(m.Rows)), clean(m.Dataset), count(int64(m.Baseline)), clean(m.Reference))
		header, rows := driftTable(m.Drift, 15)
		if err := table(a.out, header, rows); err != nil {
			return err
		}
		for _, s := range driftWords(m.Drift) {
			fmt.Fprintf(a.out, "  %s\n", clean(s))
		}
	}
	for _, s := range res.Skipped {
		a.debugf("left out: %s", s)
	}
	return nil
}

func (a *app) writeDrift(path string, res *driftResult) error {
	var figures []figure
	var tables []pageTable
	for i := range res.Models {
		m := &res.Models[i]
		f := plot.Figure{Title: m.Model + ": population stability index", XLabel: "PSI (0.1 moderate, 0.25 large)", Series: make([]plot.Series, 1)}
		for _, c := range m.Columns[:min(25, len(m.Columns))] {
			if c.PSI == c.PSI {
				f.Names = append(f.Names, c.Name)
				f.Series[0].Y = append(f.Series[0].Y, c.PSI)
			}
		}
		if f.Names != nil {
			figures = append(figures, figure{m.Model + "-drift", f})
		}
		header, rows := driftTable(m.Drift, len(m.Columns))
		tables = append(tables, pageTable{m.Model + ": " + strings.Join(driftWords(m.Drift), "; "), header, rows})
	}
	switch filepath.Ext(path) {
	case ".html":
		return writePage(path, "Drift", "", figures, tables)
	case ".svg":
		_, err := writeFigures(path, figures)
		return err
	}
	return withCode(exitFailed, atomicfile.Write(path, 0o600, func(w io.Writer) error { return writeJSON(w, res) }))
}
