package main

import (
	"fmt"
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"

	"apiml/features"
	"apiml/frame"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/store"
)

func (a *app) predictCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "predict",
		Short:   "Predict one request before it is sent",
		Example: "  apiml predict latency --endpoint /api/users --method GET",
	}
	cmd.AddCommand(a.predictLatencyCommand())
	return cmd
}

type predictOptions struct {
	endpoint, method, at string
	payload              int64
	rate                 float64
}

func (a *app) predictLatencyCommand() *cobra.Command {
	var o predictOptions
	cmd := &cobra.Command{
		Use:   "latency",
		Short: "Response time of a request before it is sent: expected, p50, p95, p99",
		Long: `Predict latency asks the latency predictor about one request that has not been
made. What only a running service knows (requests in flight, recent latencies) is
filled in with what is usual. A missing --rate is that of the store's last minute,
else the model's own figure for that hour of the week; the answer says which.`,
		Example: `  apiml predict latency --endpoint /api/users --method GET
  apiml predict latency --endpoint /api/orders --method POST --payload-size 2048 --at 2026-03-06T18:00:00Z --rate 40 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.endpoint == "" {
				return usagef("--endpoint is missing: name a path such as /api/users")
			}
			if !cmd.Flags().Changed("rate") {
				o.rate = math.NaN()
			} else if !(o.rate >= 0) || math.IsInf(o.rate, 0) {
				return usagef("--rate %v: want requests per second", o.rate)
			}
			return a.predictLatency(o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.endpoint, "endpoint", "", "path of the request, raw or as a template")
	f.StringVar(&o.method, "method", "GET", "its method")
	f.Int64Var(&o.payload, "payload-size", -1, "its payload in bytes (default unknown)")
	f.StringVar(&o.at, "at", "", "when it is sent, RFC 3339 (default: the newest record of the store, else now)")
	f.Float64Var(&o.rate, "rate", 0, "requests per second of the whole service (default: see above)")
	return cmd
}

// latencyPrediction is the output of `predict latency --json`; times in seconds.
type latencyPrediction struct {
	jsonHead
	Endpoint    string   `json:"endpoint"`
	Method      string   `json:"method"`
	PayloadSize *int64   `json:"payload_size"` // null = unknown
	At          string   `json:"at"`
	Rate        float64  `json:"rate"` // requests per second
	RateSource  string   `json:"rate_source"`
	Known       bool     `json:"endpoint_known"` // the model has seen the endpoint
	Expected    float64  `json:"expected"`
	P50         *float64 `json:"p50"` // null = the model has no such quantile
	P95         *float64 `json:"p95"`
	P99         *float64 `json:"p99"`
	Model       string   `json:"model"`
	Warnings    []string `json:"warnings"`
}

// quantiler is a regressor that predicts quantiles too.
type quantiler interface {
	Quantiles(dst []float64, x *frame.Matrix, lo, hi int)
	QuantileLevels() []float64
}

func (a *app) predictLatency(o predictOptions) error {
	specs, err := catalog.Resolve([]string{"latency"})
	if err != nil {
		return err
	}
	lm, err := a.loadModel(specs[0], true)
	if err != nil {
		return err
	}
	if err := checkSchema(lm); err != nil {
		return withCode(exitState, fmt.Errorf("%s: %w", lm.origin, err))
	}
	out := latencyPrediction{Endpoint: o.endpoint, Method: o.method, Model: lm.origin, Warnings: []string{}}
	at := a.start
	if o.at != "" {
		if at, err = time.Parse(time.RFC3339, o.at); err != nil {
			return usagef("--at %q: want RFC 3339 such as 2026-03-06T18:00:00Z", o.at)
		}
	}
	rateSource := ""
	if _, err := os.Stat(a.cfg.DB); err == nil && (o.at == "" || math.IsNaN(o.rate)) {
		last, rate, err := a.lastMinute()
		if err != nil {
			return err
		}
		if o.at == "" && !last.IsZero() {
			at = last
		}
		if math.IsNaN(o.rate) && rate >= 0 {
			o.rate, rateSource = rate, "last minute of "+a.cfg.DB
		}
	}
	q := features.NewLatencyQuery(o.method, o.endpoint, at.UnixMicro())
	q.Rate = o.rate
	if o.payload >= 0 {
		q.PayloadSize = o.payload
		out.PayloadSize = &o.payload
	}
	row, source := features.LatencyRow(lm.latency, q)
	if rateSource == "" {
		rateSource = source
	}
	if math.IsNaN(o.rate) {
		o.rate, _ = lm.latency.Rate(at.UnixMicro())
	}
	x := frame.NewMatrix(features.LatencySchema(lm.latency), 1)
	for j, v := range row {
		x.Cols[j][0] = v
	}
	m := lm.model.(model.Regressor)
	var v [1]float64
	m.Predict(v[:], x, 0, 1)
	out.At, out.Rate, out.RateSource, out.Expected = at.UTC().Format(time.RFC3339), o.rate, rateSource, v[0]
	out.Known = lm.latency.Known(features.LatencyTemplate(o.method, o.endpoint))
	if qm, ok := m.(quantiler); ok {
		levels := qm.QuantileLevels()
		qs := make([]float64, len(levels))
		qm.Quantiles(qs, x, 0, 1)
		for i, l := range levels {
			switch l {
			case 0.5:
				out.P50 = &qs[i]
			case 0.95:
				out.P95 = &qs[i]
			case 0.99:
				out.P99 = &qs[i]
			}
		}
	}
	if !out.Known {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the model has not seen %s %s: the answer is that of the service as a whole", o.method, o.endpoint))
	}
	if lm.file.Header.Data.Synthetic {
		out.Warnings = append(out.Warnings, "the model was fitted on synthetic traffic; `apiml train latency` fits it on your own")
	}
	out.jsonHead = a.head("predict-latency")
	if a.flags.json {
		return a.printJSON(out)
	}
	if err := table(a.out, []string{"request", ">expected", ">p50", ">p95", ">p99"}, [][]string{{o.method + " " + o.endpoint, seconds(out.Expected), secondsOr(out.P50), secondsOr(out.P95), secondsOr(out.P99)}}); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "at %s, %.3g requests/s (%s), model %s\n", out.At, out.Rate, clean(out.RateSource), clean(lm.origin))
	for _, w := range out.Warnings {
		a.warnf("%s", w)
	}
	return nil
}

// secondsOr is seconds, or a dash for what is not there.
func secondsOr(v *float64) string {
	if v == nil {
		return "–"
	}
	return seconds(*v)
}

// lastMinute is the time of the store's newest request and the rate of the
// minute that ends with it; a zero time and -1 if it holds none with a time.
func (a *app) lastMinute() (time.Time, float64, error) {
	st, err := a.openStore(true)
	if err != nil {
		return time.Time{}, -1, err
	}
	defer st.Close()
	sum, err := st.Summary(a.ctx, store.Filter{})
	if err != nil {
		return time.Time{}, -1, storeError(err)
	}
	last := micros(sum.Last)
	if last.IsZero() {
		return last, -1, nil
	}
	in, err := st.Summary(a.ctx, store.Filter{Since: sum.Last - 60e6 + 1, Until: sum.Last + 1})
	if err != nil {
		return time.Time{}, -1, storeError(err)
	}
	return last, float64(in.Requests) / 60, nil
}
