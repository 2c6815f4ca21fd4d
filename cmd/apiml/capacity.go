package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"apiml/forecast"
	"apiml/frame"
	"apiml/store"
)

type capacityOptions struct {
	forecastOptions
	perReplica, util float64
	replicas         int
	min, max         int
	hold             time.Duration
	bound, name      string
}

func (a *app) adviseCapacityCommand() *cobra.Command {
	var o capacityOptions
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "A schedule of replicas from the forecast's upper bound, replayed over the history",
		Long: `Capacity forecasts the requests and provides so many replicas that the upper bound
(--bound) keeps each at --target-util of what it serves (--per-replica-rps). The
same rule is then replayed over the last fifth of the history with the forecasts
that would have been made then: replica-hours against the least that would have
done, and how often it was too little.

Without --per-replica-rps the load that one replica serves is learned from the
log: the load above which the 95th percentile of latency (over the median of its
endpoint) leaves its level for good, divided by --replicas, the number that served the log. A log that never
came near its limit does not show it; then the flag is needed (exit 3).

Formats: table, json, csv, cronjob (Kubernetes CronJobs that scale a deployment)
and keda (a ScaledObject with cron triggers). Times are UTC.`,
		Example: `  apiml advise capacity --horizon 24h --target-util 0.6 --per-replica-rps 50
  apiml advise capacity --per-replica-rps 50 --format keda --name shop -o scaled.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.model = "auto"
			learn := !cmd.Flags().Changed("per-replica-rps")
			if !learn && !(o.perReplica > 0) {
				return usagef("--per-replica-rps %v: want more than 0", o.perReplica)
			}
			return a.adviseCapacity(o, learn)
		},
	}
	a.windowFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.step, "step", "", "length of an interval (default 10m; with --csv that of the file)")
	f.StringVar(&o.horizon, "horizon", "24h", "how far ahead: a duration, or a number of steps")
	f.StringVar(&o.endpoint, "endpoint", "", "one endpoint (path template) instead of all requests")
	f.StringVar(&o.csv, "csv", "", "plan for a column of requests in this CSV file instead of the store")
	f.StringVar(&o.timeCol, "time", "", "its time column")
	f.StringVar(&o.valueCol, "value", "", "its value column: requests per interval")
	f.Float64Var(&o.perReplica, "per-replica-rps", 0, "requests per second that one replica serves at full load (default: learned from the log's latencies)")
	f.Float64Var(&o.util, "target-util", 0.6, "share of it that is to be used")
	f.IntVar(&o.replicas, "replicas", 1, "replicas that served the log, to learn --per-replica-rps")
	f.IntVar(&o.min, "min", 1, "replicas at least")
	f.IntVar(&o.max, "max", 0, "replicas at most, 0 = no limit")
	f.DurationVar(&o.hold, "hold", 30*time.Minute, "shortest time with one number of replicas")
	f.StringVar(&o.bound, "bound", "hi80", "provide for this bound: mean, hi80 (exceeded one time in ten) or hi95")
	f.StringVar(&o.name, "name", "api", "deployment in the YAML formats")
	f.StringVar(&o.format, "format", "", "table, json, csv, cronjob or keda (default by the extension of -o, else table)")
	f.StringVarP(&o.output, "output", "o", "-", "FILE, - = standard output")
	return cmd
}

// kubernetesName is what Kubernetes takes for the name of an object.
var kubernetesName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$`)

func (a *app) adviseCapacity(o capacityOptions, learn bool) error {
	format := o.format
	if format == "" {
		format = "table"
		switch {
		case strings.HasSuffix(o.output, ".csv"):
			format = "csv"
		case strings.HasSuffix(o.output, ".json"):
			format = "json"
		}
	}
	if a.flags.json {
		format = "json"
	}
	switch format {
	case "table", "json", "csv", "cronjob", "keda":
	default:
		return usagef("--format %q: want table, json, csv, cronjob or keda", format)
	}
	if !kubernetesName.MatchString(o.name) {
		return usagef("--name %q: want lower-case letters, digits and '-', at most 42", o.name)
	}
	if o.replicas < 1 || o.hold < 0 {
		return usagef("--replicas must be 1 or more, --hold no less than 0")
	}
	rule := forecast.CapacityOptions{PerReplica: o.perReplica, TargetUtil: o.util, Bound: o.bound, Min: o.min, Max: o.max}
	if learn {
		rule.PerReplica = 1 // for the check
	}
	if err := rule.Check(); err != nil {
		return withCode(exitUsage, err)
	}
	if o.csv != "" && learn {
		return usagef("--csv needs --per-replica-rps: a series has no latencies to learn it from")
	}
	var s frame.Series
	var err error
	if o.csv != "" {
		s, _, err = a.csvSeries(o.forecastOptions)
	} else {
		if o.step == "" {
			o.step = "10m"
		}
		s, err = a.storeSeries(o.forecastOptions)
	}
	if err != nil {
		return err
	}
	learned := ""
	if learn {
		if o.perReplica, learned, err = a.learnPerReplica(o.replicas); err != nil {
			return err
		}
	}
	h, err := horizonSteps(o.horizon, s.Step, false)
	if err != nil {
		return err
	}
	cfg, err := a.forecastConfig(o.forecastOptions)
	if err != nil {
		return err
	}
	res, err := a.runForecast(s, h, cfg)
	if err != nil {
		return err
	}
	step := time.Duration(s.Step) * time.Microsecond
	rule.PerReplica, rule.Hold = o.perReplica, int((o.hold+step-1)/step)
	plan, err := forecast.PlanCapacity(res, rule)
	if err != nil {
		return withCode(exitUsage, err)
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
			Series  string  `json:"series"`
			Step    float64 `json:"step"`
			Learned string  `json:"per_replica_learned,omitempty"`
			*forecast.Capacity
			Warnings []string `json:"warnings"`
		}{a.head("advise-capacity"), res.Series, res.Step, learned, plan, res.Warnings})
	case "csv":
		err = capacityCSV(out, plan)
	case "cronjob":
		err = capacityCronJobs(out, o.name, capacityRuns(plan, step))
	case "keda":
		err = capacityKEDA(out, o.name, max(o.min, 0), capacityRuns(plan, step))
	default:
		err = capacityTable(out, res, plan, learned, step)
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

// learnPerReplica looks for the knee of latency over load, in minutes.
func (a *app) learnPerReplica(replicas int) (rps float64, note string, err error) {
	st, err := a.openStore(true)
	if err != nil {
		return 0, "", err
	}
	defer st.Close()
	if err := a.setWindow(st); err != nil {
		return 0, "", err
	}
	return a.perReplica(st, replicas)
}

// perReplica is learnPerReplica on a store that is open.
func (a *app) perReplica(st *store.Store, replicas int) (rps float64, note string, err error) {
	points, err := st.Loads(a.ctx, time.Minute.Microseconds(), a.window)
	if err != nil {
		return 0, "", storeError(err)
	}
	var load, latency []float64
	for _, p := range points {
		load, latency = append(load, float64(p.Requests)/60), append(latency, p.P95)
	}
	knee, err := forecast.Knee(load, latency)
	if errors.Is(err, forecast.ErrNoKnee) {
		return 0, "", inputf("what a replica serves cannot be learned from this log: %v requests per second; give --per-replica-rps", err)
	}
	if err != nil {
		return 0, "", withCode(exitInput, err)
	}
	return knee / float64(replicas), fmt.Sprintf("latency leaves its level above %.4g requests per second, served by %d", knee, replicas), nil
}

func capacityCSV(w io.Writer, c *forecast.Capacity) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"time", "rps", "upper_rps", "replicas"}); err != nil {
		return err
	}
	num := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	for _, s := range c.Schedule {
		if err := out.Write([]string{s.Time.Format(time.RFC3339), num(s.RPS), num(s.UpperRPS), strconv.Itoa(s.Replicas)}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// capacityRun is a time with one number of replicas.
type capacityRun struct {
	from, to time.Time
	replicas int
}

func capacityRuns(c *forecast.Capacity, step time.Duration) (out []capacityRun) {
	for _, s := range c.Schedule {
		if n := len(out); n > 0 && out[n-1].replicas == s.Replicas {
			out[n-1].to = s.Time.Add(step)
			continue
		}
		out = append(out, capacityRun{s.Time, s.Time.Add(step), s.Replicas})
	}
	return out
}

// cronTime is a cron expression for the minute of t: of that date, or of every
// day if the plan is no longer than one.
func cronTime(t time.Time, daily bool) string {
	if daily {
		return fmt.Sprintf("%d %d * * *", t.Minute(), t.Hour())
	}
	return fmt.Sprintf("%d %d %d %d *", t.Minute(), t.Hour(), t.Day(), int(t.Month()))
}

func isDaily(runs []capacityRun) bool {
	return runs[len(runs)-1].to.Sub(runs[0].from) <= 24*time.Hour
}

func capacityCronJobs(w io.Writer, name string, runs []capacityRun) error {
	daily := isDaily(runs)
	var b strings.Builder
	fmt.Fprintf(&b, "# Replicas of deployment %s from %s to %s UTC, by apiml advise capacity.\n", name, runs[0].from.Format("2006-01-02 15:04"), runs[len(runs)-1].to.Format("2006-01-02 15:04"))
	fmt.Fprintf(&b, "# The service account %s-scaler needs the right to patch deployments/scale.\n", name)
	for i, r := range runs {
		fmt.Fprintf(&b, `---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: %s-scale-%03d
  labels: {app.kubernetes.io/managed-by: apiml}
spec:
  schedule: "%s"
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 300
  jobTemplate:
    spec:
      template:
        spec:
          serviceAccountName: %s-scaler
          restartPolicy: OnFailure
          containers:
            - name: scale
              image: registry.k8s.io/kubectl:v1.33.0
              args: ["scale", "deployment/%s", "--replicas=%d"]
`, name, i+1, cronTime(r.from, daily), name, name, r.replicas)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func capacityKEDA(w io.Writer, name string, least int, runs []capacityRun) error {
	daily := isDaily(runs)
	most := least
	for _, r := range runs {
		most = max(most, r.replicas)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Replicas of deployment %s from %s to %s UTC, by apiml advise capacity.
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: %s-forecast
spec:
  scaleTargetRef:
    name: %s
  minReplicaCount: %d
  maxReplicaCount: %d
  triggers:
`, name, runs[0].from.Format("2006-01-02 15:04"), runs[len(runs)-1].to.Format("2006-01-02 15:04"), name, name, least, max(most, 1))
	for _, r := range runs {
		if r.replicas <= least {
			continue // minReplicaCount does that
		}
		start, end := cronTime(r.from, daily), cronTime(r.to, daily)
		if start == end { // the whole day
			end = cronTime(r.to.Add(-time.Minute), daily)
		}
		fmt.Fprintf(&b, `    - type: cron
      metadata:
        timezone: Etc/UTC
        start: "%s"
        end: "%s"
        desiredReplicas: "%d"
`, start, end, r.replicas)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func capacityTable(w io.Writer, r *forecast.Result, c *forecast.Capacity, learned string, step time.Duration) error {
	fmt.Fprintf(w, "%s: %.4g requests per second and replica, %s of it to be used, provided for %s (model %s)\n", clean(r.Series), c.PerReplica, percent(c.TargetUtil), c.Bound, r.Chosen)
	if learned != "" {
		fmt.Fprintf(w, "learned from the log: %s\n", learned)
	}
	var rows [][]string
	for _, run := range capacityRuns(c, step) {
		top := 0.0
		for _, s := range c.Schedule {
			if !s.Time.Before(run.from) && s.Time.Before(run.to) {
				top = max(top, s.UpperRPS)
			}
		}
		rows = append(rows, []string{run.from.Format("2006-01-02 15:04"), run.to.Format("2006-01-02 15:04"), strconv.Itoa(run.replicas), strconv.FormatFloat(top, 'f', 2, 64)})
	}
	if err := table(w, []string{"from (UTC)", "to", ">replicas", ">requests/s at most"}, rows); err != nil {
		return err
	}
	p := c.Replay
	if p.Steps == 0 {
		fmt.Fprintln(w, "nothing to replay: the last fifth of the history holds no observed interval")
		return nil
	}
	num := func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
	fmt.Fprintf(w, "\nreplayed over the last %s intervals:\n", count(int64(p.Steps)))
	return table(w, []string{"", ">value"}, [][]string{
		{"replica-hours of this plan", num(p.Hours)},
		{"needed, known afterwards", num(p.NeededHours)},
		{fmt.Sprintf("a fixed %d replicas, never too few", p.Static), num(p.StaticHours)},
		{"over-provisioned replica-hours", num(p.OverHours)},
		{"under-provisioned replica-hours", num(p.UnderHours)},
		{"intervals above the target utilisation", fmt.Sprintf("%d (%s)", p.UnderSteps, percent(float64(p.UnderSteps)/float64(p.Steps)))},
		{"intervals above full load", fmt.Sprintf("%d (%s)", p.OverloadSteps, percent(float64(p.OverloadSteps)/float64(p.Steps)))},
		{"requests above full load", fmt.Sprintf("%.0f of %s", p.LostRequests, count(int64(p.Requests)))},
	})
}
