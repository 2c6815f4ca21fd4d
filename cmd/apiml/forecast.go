package main

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"apiml/forecast"
	"apiml/frame"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/store"
	"apiml/traffic"
)

type forecastOptions struct {
	step, horizon           string
	minutes                 int
	endpoint, model, output string
	csv, timeCol, valueCol  string
	format                  string
	backtest                bool

	regressors []string
	cap, floor float64
	logistic   bool // --cap was given

	by        string
	top       int
	spike     float64
	anomalies bool
}

func (a *app) forecastCommand() *cobra.Command {
	var o forecastOptions
	cmd := &cobra.Command{
		Use:   "forecast",
		Short: "Traffic ahead with intervals, and a backtest beside the simple models",
		Long: `Forecast counts the requests of the store per --step and says how they go on. The
models are combined with weights from a rolling-origin backtest, whose table is
always shown; the intervals are calibrated on the errors of earlier forecasts.

The models are an additive model in the manner of Prophet (trend with changepoints,
daily, weekly and yearly seasons; also on logarithms), a small LSTM, the classical
ones (ETS, Theta, STL with ETS or an autoregression, smoothing of several seasons,
ridge regression on the past, the latter two also on logarithms), medians of the
latest days with a level (profile), what followed earlier times like the present
(analog), boosted trees, and the baselines that all must beat: seasonal naive (day,
week), the mean and the median of the last horizon, and the last value. auto leaves the LSTM out of very short and very long series.

Events and the parameters of the models come from models.params.forecast of the
configuration (docs/forecasting.md). With --regressor the file's last rows, which
have no value yet, say what the column will be.`,
		Example: `  apiml forecast --step 1m --horizon 30m
  apiml forecast --endpoint /api/users --minutes 60 --json
  apiml forecast --by status --step 5m --horizon 1h --spike 2 --anomalies
  apiml forecast --csv traffic.csv --time minute --value requests --horizon 30 -o ahead.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.minutes > 0 {
				if cmd.Flags().Changed("horizon") {
					return usagef("--minutes and --horizon exclude each other")
				}
				o.horizon = strconv.Itoa(o.minutes) + "m"
			}
			o.logistic = cmd.Flags().Changed("cap")
			return a.forecast(o)
		},
	}
	a.windowFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.step, "step", "", "length of an interval (default 1m; with --csv that of the file)")
	f.StringVar(&o.horizon, "horizon", "", "how far ahead: a duration, or a number of steps (default 30m; with --csv 30 steps)")
	f.IntVar(&o.minutes, "minutes", 0, "the horizon in minutes")
	f.StringVar(&o.endpoint, "endpoint", "", "one endpoint (path template) instead of all requests")
	f.StringVar(&o.model, "model", "auto", strings.Join(forecast.Models(), ", "))
	f.StringVar(&o.csv, "csv", "", "forecast a column of this CSV file instead of the store")
	f.StringVar(&o.timeCol, "time", "", "its time column")
	f.StringVar(&o.valueCol, "value", "", "its value column")
	f.StringArrayVar(&o.regressors, "regressor", nil, "with --csv: a column whose values are known ahead, an input of the additive models (repeatable); rows behind the last value hold its future")
	f.Float64Var(&o.cap, "cap", 0, "logistic growth of the additive models up to this value")
	f.Float64Var(&o.floor, "floor", 0, "with --cap: and from this one")
	f.StringVar(&o.by, "by", "", "a forecast for each of the most frequent values of endpoint, status or principal")
	f.IntVar(&o.top, "top", 5, "with --by: how many")
	f.Float64Var(&o.spike, "spike", 0, "warn where the next 30 minutes (one step at least) exceed this many times the median of the last day; with precision and recall of such warnings in the backtest")
	f.BoolVar(&o.anomalies, "anomalies", false, "list the intervals of the backtest outside the 95 % band of the forecast made before them")
	f.BoolVar(&o.backtest, "backtest", false, "only the backtest table")
	f.StringVar(&o.format, "format", "", "table, csv or json (default by the extension of -o, else table)")
	f.StringVarP(&o.output, "output", "o", "-", "FILE.csv or FILE.json, - = standard output")
	return cmd
}

func (a *app) forecast(o forecastOptions) error {
	format := o.format
	if format == "" {
		format = "table"
		switch filepath.Ext(o.output) {
		case ".csv":
			format = "csv"
		case ".json":
			format = "json"
		}
	}
	if a.flags.json {
		format = "json"
	}
	if format != "table" && format != "csv" && format != "json" {
		return usagef("--format %q: want table, csv or json", format)
	}
	if o.spike != 0 && !(o.spike > 1) {
		return usagef("--spike %v: want a factor above 1", o.spike)
	}
	cfg, err := a.forecastConfig(o)
	if err != nil {
		return err
	}
	var series []frame.Series
	switch {
	case o.csv != "" && o.by != "":
		return usagef("--by goes with the store, not with --csv")
	case o.csv != "":
		var s frame.Series
		if s, cfg.Regressors, err = a.csvSeries(o); err != nil {
			return err
		}
		series = []frame.Series{s}
	case o.timeCol != "" || o.valueCol != "" || len(o.regressors) > 0:
		return usagef("--time, --value and --regressor go with --csv")
	case o.by != "":
		series, err = a.groupSeries(o)
	default:
		var s frame.Series
		s, err = a.storeSeries(o)
		series = []frame.Series{s}
	}
	if err != nil {
		return err
	}
	h, err := horizonSteps(o.horizon, series[0].Step, o.csv != "")
	if err != nil {
		return err
	}
	var results []forecastResult
	for _, s := range series {
		res, err := a.runForecast(s, h, cfg)
		if err != nil && o.by != "" && codeOf(err) == exitInput {
			a.warnf("no forecast of %s %q: %v", o.by, s.Name, err)
			continue
		}
		if err != nil {
			return err
		}
		results = append(results, extended(res, s, o))
	}
	if len(results) == 0 {
		return inputf("no %s has enough requests for a forecast", o.by)
	}
	out, err := a.create(o.output, 0o644)
	if err != nil {
		return err
	}
	defer out.Abort()
	switch {
	case format == "json" && o.by != "":
		err = writeJSON(out, struct {
			jsonHead
			By     string           `json:"by"`
			Series []forecastResult `json:"forecasts"`
		}{a.head("forecast"), o.by, results})
	case format == "json":
		err = writeJSON(out, struct {
			jsonHead
			forecastResult
		}{a.head("forecast"), results[0]})
	case format == "csv":
		err = forecastCSV(out, results, o.by)
	default:
		for i, r := range results {
			if i > 0 {
				fmt.Fprintln(out)
			}
			if err == nil {
				err = forecastTable(out, r, o.backtest)
			}
		}
	}
	if err != nil {
		return err
	}
	if err := out.Commit(); err != nil {
		return err
	}
	for _, r := range results {
		for _, w := range r.Warnings {
			if o.by != "" {
				w = r.Series + ": " + w
			}
			a.warnf("%s", w)
		}
	}
	return nil
}

// forecastResult is a forecast with what was asked for beside it.
type forecastResult struct {
	*forecast.Result
	Spike     *forecast.SpikeWarning `json:"spike,omitempty"`
	Anomalies *[]forecast.Anomaly    `json:"anomalies,omitempty"`
}

// mostAnomalies is how many are listed at most.
const mostAnomalies = 100

func extended(res *forecast.Result, s frame.Series, o forecastOptions) forecastResult {
	r := forecastResult{Result: res}
	if o.spike > 0 {
		steps := int(30 * time.Minute.Microseconds() / s.Step)
		w := res.Spikes(s.Values, time.UnixMicro(s.Start).UTC(), o.spike, steps)
		r.Spike = &w
	}
	if o.anomalies {
		list := res.Anomalies()
		list = list[:min(len(list), mostAnomalies)]
		r.Anomalies = &list
	}
	return r
}

// forecastConfig is models.params.forecast with the flags over it. A model that the
// parameters name holds while --model is not given.
func (a *app) forecastConfig(o forecastOptions) (*forecast.Config, error) {
	specs, err := catalog.Resolve([]string{"forecast"})
	if err != nil {
		return nil, err
	}
	params, err := a.trainParams("", specs)
	if err != nil {
		return nil, err
	}
	cfg := forecast.Default()
	if p := params["forecast"]; p != nil {
		if err := model.MergeConfig("forecast", p, &cfg); err != nil {
			return nil, withCode(exitUsage, err)
		}
	}
	if o.model != "auto" && o.model != "" {
		cfg.Model = o.model
	}
	if o.logistic {
		cfg.Growth, cfg.Cap, cfg.Floor = "logistic", o.cap, o.floor
		if !(o.cap > o.floor) {
			return nil, usagef("--cap %v must lie above --floor %v", o.cap, o.floor)
		}
	} else if o.floor != 0 {
		return nil, usagef("--floor goes with --cap")
	}
	if err := cfg.Check(); err != nil {
		return nil, withCode(exitUsage, err)
	}
	return &cfg, nil
}

// csvSeries reads --csv. With regressors the missing values at the end are what is
// to be forecast.
func (a *app) csvSeries(o forecastOptions) (frame.Series, []forecast.Regressor, error) {
	s, notes, err := readSeries(o.csv, o.timeCol, o.valueCol)
	if err != nil {
		return s, nil, err
	}
	for _, n := range notes {
		a.warnf("%s: %s", o.csv, n)
	}
	var regressors []forecast.Regressor
	for _, name := range o.regressors {
		r, _, err := readSeries(o.csv, o.timeCol, name)
		if err != nil {
			return s, nil, err
		}
		if math.IsNaN(r.Values[len(r.Values)-1]) {
			return s, nil, inputf("%s: column %q has no value in the last row: it must be known as far as the forecast goes", o.csv, name)
		}
		regressors = append(regressors, forecast.Regressor{Name: name, Series: r})
	}
	if len(regressors) > 0 {
		for len(s.Values) > 0 && math.IsNaN(s.Values[len(s.Values)-1]) {
			s.Values = s.Values[:len(s.Values)-1]
		}
	}
	if o.step != "" {
		step, err := time.ParseDuration(o.step)
		if err != nil || step.Microseconds() != s.Step {
			return s, nil, usagef("--step %q: the rows of %s are %s apart", o.step, o.csv, time.Duration(s.Step)*time.Microsecond)
		}
	}
	return s, regressors, nil
}

// groupSeries counts the store's requests by --by.
func (a *app) groupSeries(o forecastOptions) ([]frame.Series, error) {
	if o.endpoint != "" {
		return nil, usagef("--by and --endpoint exclude each other")
	}
	if !slices.Contains(store.Groups(), o.by) || o.top < 1 {
		return nil, usagef("--by %q: want one of %s; --top 1 or more", o.by, strings.Join(store.Groups(), ", "))
	}
	if o.step == "" {
		o.step = "1m"
	}
	step, err := time.ParseDuration(o.step)
	if err != nil || step < time.Millisecond {
		return nil, usagef("--step %q: want a duration of at least 1ms such as 1m", o.step)
	}
	st, err := a.openStore(true)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	if err := a.setWindow(st); err != nil {
		return nil, err
	}
	series, err := st.CountsBy(a.ctx, step.Microseconds(), o.by, o.top, a.window)
	if err != nil {
		return nil, withCode(exitInput, err)
	}
	if len(series) == 0 {
		return nil, inputf("%s holds no whole interval of %s: ingest a log with times, or take a shorter --step", a.cfg.DB, o.step)
	}
	return series, nil
}

// runForecast maps the errors of the forecaster to exit codes.
func (a *app) runForecast(s frame.Series, horizon int, cfg *forecast.Config) (*forecast.Result, error) {
	res, err := forecast.RunContext(a.ctx, s, forecast.Options{Horizon: horizon, Model: cfg.Model, Config: cfg, Seed: a.cfg.Seed})
	if err != nil {
		return nil, forecastError(err)
	}
	return res, nil
}

// forecastError gives an error of the forecaster its exit code.
func forecastError(err error) error {
	var short *forecast.ShortError
	switch {
	case errors.Is(err, forecast.ErrUnknownModel):
		return withCode(exitUsage, err)
	case errors.As(err, &short):
		return withCode(exitInput, fmt.Errorf("%w (--horizon, --step)", err))
	}
	return withCode(exitInput, err)
}

// horizonSteps reads "30m" or "48" as a number of steps.
func horizonSteps(text string, step int64, isCSV bool) (int, error) {
	if text == "" {
		if isCSV {
			return 30, nil
		}
		text = "30m"
	}
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > forecast.MaxHorizon {
			return 0, usagef("--horizon %d: want 1 to %d steps", n, forecast.MaxHorizon)
		}
		return n, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, usagef("--horizon %q: want a duration such as 30m or a number of steps", text)
	}
	n := d.Microseconds() / step
	if n < 1 || n > forecast.MaxHorizon {
		return 0, usagef("--horizon %s is %d steps of %s; want 1 to %d", text, n, time.Duration(step)*time.Microsecond, forecast.MaxHorizon)
	}
	return int(n), nil
}

// storeSeries counts the store's requests.
func (a *app) storeSeries(o forecastOptions) (frame.Series, error) {
	if o.step == "" {
		o.step = "1m"
	}
	step, err := time.ParseDuration(o.step)
	if err != nil || step < time.Millisecond {
		return frame.Series{}, usagef("--step %q: want a duration of at least 1ms such as 1m", o.step)
	}
	st, err := a.openStore(true)
	if err != nil {
		return frame.Series{}, err
	}
	defer st.Close()
	if err := a.setWindow(st); err != nil {
		return frame.Series{}, err
	}
	template := ""
	if o.endpoint != "" {
		template = traffic.Template("GET", o.endpoint)
	}
	s, err := st.Counts(a.ctx, step.Microseconds(), template, a.window)
	if err != nil {
		return s, withCode(exitInput, err)
	}
	if len(s.Values) == 0 {
		return s, inputf("%s holds no whole interval of %s: ingest a log with times, or take a shorter --step", a.cfg.DB, o.step)
	}
	if template != "" && !slices.ContainsFunc(s.Values, func(v float64) bool { return v > 0 }) {
		top, err := st.TopTemplates(a.ctx, 5, a.window)
		if err != nil {
			return s, storeError(err)
		}
		var names []string
		for _, t := range top {
			names = append(names, t.Template)
		}
		return s, inputf("no request to %q; the most frequent endpoints are %s", template, strings.Join(names, ", "))
	}
	s.Name = "all requests"
	if template != "" {
		s.Name = template
	}
	return s, nil
}

// roundSteps are the steps that clocks and schedulers have, in seconds.
var roundSteps = []int64{1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800,
	3600, 2 * 3600, 3 * 3600, 4 * 3600, 6 * 3600, 8 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600}

// regularStep is the step of rows with these distances, all above 0: the median
// distance, or a round one within 2 % of it where most distances are others. It sorts
// diffs; exact is false if most distances are not the step.
func regularStep(diffs []int64) (step int64, exact bool) {
	slices.Sort(diffs)
	step = diffs[len(diffs)/2]
	same := 0
	for _, d := range diffs {
		if d == step {
			same++
		}
	}
	if 2*same >= len(diffs) {
		return step, true
	}
	for _, r := range roundSteps {
		if math.Abs(float64(step)/float64(r*1e6)-1) <= 0.02 {
			return r * 1e6, false
		}
	}
	return step, false
}

// readSeries reads a time and a value column into a regular series. The step
// is the median distance of neighbouring rows, a round one where they jitter, or so
// many calendar months; holes become missing values. notes say what was odd about
// the rows.
func readSeries(path, timeCol, valueCol string) (s frame.Series, notes []string, err error) {
	r, header, done, err := openTable(path)
	if err != nil {
		return s, nil, err
	}
	defer done()
	ti, vi := slices.Index(header, timeCol), slices.Index(header, valueCol)
	if ti < 0 || vi < 0 {
		return s, nil, usagef("%s has no columns %q and %q: name two of %s with --time and --value", path, timeCol, valueCol, strings.Join(header, ", "))
	}
	type point struct {
		t int64
		v float64
	}
	var pts []point
	for {
		rec, err := r.Read()
		if err == io.EOF {
			break
		}
		line, _ := r.FieldPos(0)
		if err != nil {
			return s, nil, inputf("%s: %v", path, err)
		}
		t, err := parseTime(rec[ti])
		if err != nil {
			return s, nil, inputf("%s:%d: time %q: %v", path, line, rec[ti], err)
		}
		v := math.NaN()
		if x := strings.TrimSpace(rec[vi]); x != "" && !strings.EqualFold(x, "NaN") {
			if v, err = strconv.ParseFloat(x, 64); err != nil {
				return s, nil, inputf("%s:%d: value %q is no number", path, line, rec[vi])
			}
		}
		pts = append(pts, point{t, v})
	}
	if len(pts) < 2 {
		return s, nil, inputf("%s: %d rows are no series", path, len(pts))
	}
	if !slices.IsSortedFunc(pts, func(a, b point) int { return cmp.Compare(a.t, b.t) }) {
		notes = append(notes, "the rows are not in order of time: sorted")
	}
	slices.SortStableFunc(pts, func(a, b point) int { return cmp.Compare(a.t, b.t) })
	diffs := make([]int64, 0, len(pts)-1)
	for i := 1; i < len(pts); i++ {
		if d := pts[i].t - pts[i-1].t; d > 0 {
			diffs = append(diffs, d)
		}
	}
	if len(diffs) == 0 {
		return s, nil, inputf("%s: all rows have one time", path)
	}
	step, exact := regularStep(diffs)
	s = frame.Series{Name: valueCol, Start: pts[0].t, Step: step}
	// To the nearest step: days in local time are 23 and 25 hours apart twice a year.
	place := func(t int64) int64 { return (t - s.Start + s.Step/2) / s.Step }
	if months := calendarMonths(s.Step, len(pts), func(i int) int64 { return pts[i].t }); months > 0 {
		first := monthNumber(pts[0].t)
		place = func(t int64) int64 { return (monthNumber(t) - first) / months }
		s.Step = months * int64(365.25*24*3600*1e6/12)
		notes = append(notes, "calendar months count as equal steps: times ahead are within days of the month's")
	} else if !exact {
		notes = append(notes, fmt.Sprintf("the rows are not equally far apart: each counts for the nearest of steps of %s", time.Duration(step)*time.Microsecond))
	}
	n := place(pts[len(pts)-1].t) + 1
	if n > 50_000_000 {
		return s, nil, inputf("%s: %d intervals of %s are too many", path, n, time.Duration(s.Step)*time.Microsecond)
	}
	s.Values = make([]float64, n)
	for i := range s.Values {
		s.Values[i] = math.NaN()
	}
	twice := 0
	for i, p := range pts {
		k := place(p.t)
		if i > 0 && k == place(pts[i-1].t) {
			twice++
		}
		s.Values[k] = p.v
	}
	if twice > 0 {
		notes = append(notes, fmt.Sprintf("%d rows fall into an interval that has one already: the last one counts", twice))
	}
	return s, notes, nil
}

// monthNumber counts months since the year 0.
func monthNumber(t int64) int64 {
	at := time.UnixMicro(t).UTC()
	return int64(at.Year())*12 + int64(at.Month()) - 1
}

// calendarMonths is the number of months per step if rows are about so far apart
// and all have the same day and time of the month; else 0.
func calendarMonths(step int64, n int, at func(int) int64) int64 {
	months := int64(math.Round(float64(step) / (365.25 * 24 * 3600 * 1e6 / 12)))
	if months < 1 || months > 12 {
		return 0
	}
	first := time.UnixMicro(at(0)).UTC()
	for i := range n {
		t := time.UnixMicro(at(i)).UTC()
		if t.Day() != first.Day() || t.Hour() != first.Hour() || t.Minute() != first.Minute() {
			return 0
		}
	}
	return months
}

// parseTime reads RFC 3339, date and time without a zone (UTC), a date, or Unix
// seconds.
func parseTime(text string) (int64, error) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02", "02/Jan/2006:15:04:05 -0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMicro(), nil
		}
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && v > 0 && v < 1e11 {
		return int64(math.Round(v * 1e6)), nil
	}
	return 0, errors.New("want RFC 3339, YYYY-MM-DD[ HH:MM[:SS]] or Unix seconds")
}

// forecastCSV writes the forecasts; with --by a first column says of what.
func forecastCSV(w io.Writer, results []forecastResult, by string) error {
	c := csv.NewWriter(w)
	head := []string{"time", "mean", "lo80", "hi80", "lo95", "hi95"}
	if by != "" {
		head = append([]string{by}, head...)
	}
	if err := c.Write(head); err != nil {
		return err
	}
	num := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	for _, r := range results {
		for i := range r.Mean {
			rec := []string{forecastTime(r.Result, i), num(r.Mean[i]), num(r.Lo80[i]), num(r.Hi80[i]), num(r.Lo95[i]), num(r.Hi95[i])}
			if by != "" {
				rec = append([]string{formulaGuard(r.Series)}, rec...)
			}
			if err := c.Write(rec); err != nil {
				return err
			}
		}
	}
	c.Flush()
	return c.Error()
}

func forecastTable(w io.Writer, r forecastResult, backtestOnly bool) error {
	if !backtestOnly {
		fmt.Fprintf(w, "%s: %d steps of %s from %s UTC, model %s\n", clean(r.Series), r.Horizon, time.Duration(r.Step*float64(time.Second)), r.Start.UTC().Format("2006-01-02 15:04:05"), r.Chosen)
		var rows [][]string
		num := func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
		every := max(1, (r.Horizon+29)/30)
		for i := 0; i < r.Horizon; i += every {
			rows = append(rows, []string{strings.TrimSuffix(strings.Replace(forecastTime(r.Result, i), "T", " ", 1), "Z"), num(r.Mean[i]), num(r.Lo80[i]), num(r.Hi80[i]), num(r.Lo95[i]), num(r.Hi95[i])})
		}
		if err := table(w, []string{"time (UTC)", ">mean", ">80 % from", ">to", ">95 % from", ">to"}, rows); err != nil {
			return err
		}
		if every > 1 {
			fmt.Fprintf(w, "one step in %d is shown; --format csv shows all\n", every)
		}
		fmt.Fprintln(w)
	}
	var rows [][]string
	for _, b := range r.Backtest {
		weight := ""
		for _, w := range r.Weights {
			if w.Model == b.Model {
				weight = percent(w.Weight)
			}
		}
		rows = append(rows, []string{b.Model, weight, ratio(b.WAPE), ratio(b.MASE), strconv.FormatFloat(b.SMAPE, 'f', 2, 64), percent(b.Coverage80), percent(b.Coverage95)})
	}
	fmt.Fprintf(w, "backtest: %d origins, %s points from %s UTC on; auto weighs by %s\n", r.Test.Origins, count(int64(r.Test.Points)), r.Test.Start.UTC().Format("2006-01-02 15:04"), r.Test.ChosenOn)
	if err := table(w, []string{"model", ">weight ahead", ">WAPE", ">MASE", ">sMAPE %", ">in 80 % band", ">in 95 % band"}, rows); err != nil {
		return err
	}
	if err := spikeTable(w, r.Spike); err != nil {
		return err
	}
	if r.Anomalies == nil {
		return nil
	}
	if len(*r.Anomalies) == 0 {
		fmt.Fprintln(w, "\nno interval of the backtest lies outside its 95 % band")
		return nil
	}
	rows = nil
	num := func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
	for _, x := range (*r.Anomalies)[:min(len(*r.Anomalies), 20)] {
		rows = append(rows, []string{x.Time.UTC().Format("2006-01-02 15:04:05"), num(x.Actual), num(x.Expected), num(x.Lo95), num(x.Hi95), num(x.Distance)})
	}
	fmt.Fprintf(w, "\nout of the ordinary, the farthest %d of %d:\n", len(rows), len(*r.Anomalies))
	return table(w, []string{"time (UTC)", ">was", ">expected", ">95 % from", ">to", ">band widths off"}, rows)
}

func spikeTable(w io.Writer, s *forecast.SpikeWarning) error {
	if s == nil {
		return nil
	}
	if s.Warning {
		fmt.Fprintf(w, "\nspike warning: %s exceeds %.0f (%g times the last day's median) at %s UTC\n", s.Level, s.Threshold, s.Factor, s.At.UTC().Format("2006-01-02 15:04:05"))
	} else {
		fmt.Fprintf(w, "\nno spike ahead: %s stays below %.0f (%g times the last day's median) for %d steps\n", s.Level, s.Threshold, s.Factor, s.Steps)
	}
	fmt.Fprintf(w, "in the backtest %d of %d windows held one; warnings by\n", s.Spikes, s.Windows)
	share := func(v *float64) string {
		if v == nil {
			return "–"
		}
		return percent(*v)
	}
	var rows [][]string
	for _, l := range s.Levels {
		rows = append(rows, []string{l.Level, strconv.Itoa(l.Warned), strconv.Itoa(l.Hits), share(l.Precision), share(l.Recall)})
	}
	return table(w, []string{"bound", ">warned", ">right", ">precision", ">recall"}, rows)
}

func forecastTime(r *forecast.Result, i int) string {
	return r.Start.Add(time.Duration(float64(i) * r.Step * float64(time.Second))).UTC().Format(time.RFC3339)
}
