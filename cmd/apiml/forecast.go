package main

import (
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
	"apiml/traffic"
)

type forecastOptions struct {
	step, horizon           string
	minutes                 int
	endpoint, model, output string
	csv, timeCol, valueCol  string
	format                  string
	backtest                bool
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
daily, weekly and yearly seasons), a small LSTM, the classical ones (ETS, Theta,
STL with ETS or an autoregression, smoothing of several seasons, ridge regression
on the past, the latter two also on logarithms), and the baselines that all must
beat: seasonal naive (day, week), the mean and the median of the last horizon, and
the last value. auto leaves the LSTM out of very short and very long series.`,
		Example: `  apiml forecast --step 1m --horizon 30m
  apiml forecast --endpoint /api/users --minutes 60 --json
  apiml forecast --csv traffic.csv --time minute --value requests --horizon 30 -o ahead.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.minutes > 0 {
				if cmd.Flags().Changed("horizon") {
					return usagef("--minutes and --horizon exclude each other")
				}
				o.horizon = strconv.Itoa(o.minutes) + "m"
			}
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
	var s frame.Series
	var err error
	if o.csv != "" {
		s, err = readSeries(o.csv, o.timeCol, o.valueCol)
	} else {
		if o.timeCol != "" || o.valueCol != "" {
			return usagef("--time and --value go with --csv")
		}
		s, err = a.storeSeries(o)
	}
	if err != nil {
		return err
	}
	if o.csv != "" && o.step != "" {
		step, err := time.ParseDuration(o.step)
		if err != nil || step.Microseconds() != s.Step {
			return usagef("--step %q: the rows of %s are %s apart", o.step, o.csv, time.Duration(s.Step)*time.Microsecond)
		}
	}
	h, err := horizonSteps(o.horizon, s.Step, o.csv != "")
	if err != nil {
		return err
	}
	res, err := a.runForecast(s, h, o.model)
	if err != nil {
		return err
	}
	out, err := a.create(o.output, 0o644)
	if err != nil {
		return err
	}
	defer out.Abort()
	switch format {
	case "json":
		err = writeJSON(out, struct {
			jsonHead
			*forecast.Result
		}{a.head("forecast"), res})
	case "csv":
		err = forecastCSV(out, res)
	default:
		err = forecastTable(out, res, o.backtest)
	}
	if err != nil {
		return err
	}
	if err := out.Commit(); err != nil {
		return err
	}
	for _, w := range res.Warnings {
		a.warnf("%s", w)
	}
	return nil
}

// runForecast maps the errors of the forecaster to exit codes.
func (a *app) runForecast(s frame.Series, horizon int, name string) (*forecast.Result, error) {
	res, err := forecast.RunContext(a.ctx, s, forecast.Options{Horizon: horizon, Model: name, Seed: a.cfg.Seed})
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
		return withCode(exitInput, fmt.Errorf("%w: take a shorter --horizon or --step", err))
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

// readSeries reads a time and a value column into a regular series. The step
// is the median distance of neighbouring rows; holes become missing values.
func readSeries(path, timeCol, valueCol string) (frame.Series, error) {
	var s frame.Series
	r, header, done, err := openTable(path)
	if err != nil {
		return s, err
	}
	defer done()
	ti, vi := slices.Index(header, timeCol), slices.Index(header, valueCol)
	if ti < 0 || vi < 0 {
		return s, usagef("%s has no columns %q and %q: name two of %s with --time and --value", path, timeCol, valueCol, strings.Join(header, ", "))
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
			return s, inputf("%s: %v", path, err)
		}
		t, err := parseTime(rec[ti])
		if err != nil {
			return s, inputf("%s:%d: time %q: %v", path, line, rec[ti], err)
		}
		v := math.NaN()
		if x := strings.TrimSpace(rec[vi]); x != "" && !strings.EqualFold(x, "NaN") {
			if v, err = strconv.ParseFloat(x, 64); err != nil {
				return s, inputf("%s:%d: value %q is no number", path, line, rec[vi])
			}
		}
		pts = append(pts, point{t, v})
	}
	if len(pts) < 2 {
		return s, inputf("%s: %d rows are no series", path, len(pts))
	}
	slices.SortStableFunc(pts, func(a, b point) int {
		switch {
		case a.t < b.t:
			return -1
		case a.t > b.t:
			return 1
		}
		return 0
	})
	diffs := make([]int64, 0, len(pts)-1)
	for i := 1; i < len(pts); i++ {
		if d := pts[i].t - pts[i-1].t; d > 0 {
			diffs = append(diffs, d)
		}
	}
	if len(diffs) == 0 {
		return s, inputf("%s: all rows have one time", path)
	}
	slices.Sort(diffs)
	s = frame.Series{Name: valueCol, Start: pts[0].t, Step: diffs[len(diffs)/2]}
	n := (pts[len(pts)-1].t-s.Start)/s.Step + 1
	if n > 50_000_000 {
		return s, inputf("%s: %d intervals of %s are too many", path, n, time.Duration(s.Step)*time.Microsecond)
	}
	s.Values = make([]float64, n)
	for i := range s.Values {
		s.Values[i] = math.NaN()
	}
	for _, p := range pts {
		s.Values[(p.t-s.Start)/s.Step] = p.v
	}
	return s, nil
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

func forecastCSV(w io.Writer, r *forecast.Result) error {
	c := csv.NewWriter(w)
	if err := c.Write([]string{"time", "mean", "lo80", "hi80", "lo95", "hi95"}); err != nil {
		return err
	}
	num := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	for i := range r.Mean {
		if err := c.Write([]string{forecastTime(r, i), num(r.Mean[i]), num(r.Lo80[i]), num(r.Hi80[i]), num(r.Lo95[i]), num(r.Hi95[i])}); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func forecastTable(w io.Writer, r *forecast.Result, backtestOnly bool) error {
	if !backtestOnly {
		fmt.Fprintf(w, "%s: %d steps of %s from %s UTC, model %s\n", clean(r.Series), r.Horizon, time.Duration(r.Step*float64(time.Second)), r.Start.UTC().Format("2006-01-02 15:04:05"), r.Chosen)
		var rows [][]string
		num := func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
		every := max(1, (r.Horizon+29)/30)
		for i := 0; i < r.Horizon; i += every {
			rows = append(rows, []string{strings.TrimSuffix(strings.Replace(forecastTime(r, i), "T", " ", 1), "Z"), num(r.Mean[i]), num(r.Lo80[i]), num(r.Hi80[i]), num(r.Lo95[i]), num(r.Hi95[i])})
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
	return table(w, []string{"model", ">weight ahead", ">WAPE", ">MASE", ">sMAPE %", ">in 80 % band", ">in 95 % band"}, rows)
}

func forecastTime(r *forecast.Result, i int) string {
	return r.Start.Add(time.Duration(float64(i) * r.Step * float64(time.Second))).UTC().Format(time.RFC3339)
}
