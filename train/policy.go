package train

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"apiml/frame"
	"apiml/model"
)

// PolicyProblem is a trace of cache accesses on which policies are compared.
type PolicyProblem struct {
	Name      string // of the data set
	Synthetic bool
	// Trace is replayed with room for so many objects, whatever their sizes; its
	// Sizes, if there are any, give the byte hit ratio.
	Trace *frame.Trace
	// Sizes are the cache sizes as shares of the distinct objects; nil =
	// PolicySizes().
	Sizes []float64
	// From is the first request that counts; 0 = the second half of the trace.
	From int
	// Baselines stand beside the model on the same requests. The first that is no
	// bound is the headline.
	Baselines []PolicyBaseline
}

// PolicyBaseline is a policy that learns nothing: LRU, or Bélády's bound.
type PolicyBaseline struct {
	Name  string // "lru"
	Bound bool   // knows the future: no policy can be expected to reach it
	// Run returns for each request of a trace without sizes whether it was a hit.
	Run func(ctx context.Context, t *frame.Trace, capacity int64) ([]bool, error)
}

// PolicySizes are the cache sizes at which policies are measured: 1, 5, 10 and
// 25 % of the distinct objects.
func PolicySizes() []float64 { return []float64{0.01, 0.05, 0.1, 0.25} }

// PolicyMetrics lists the metrics of policies in the order in which they should
// be shown; sizes as in PolicyProblem.Sizes. byte_hit_ratio needs a trace with
// sizes.
func PolicyMetrics(sizes []float64) []MetricInfo {
	if sizes == nil {
		sizes = PolicySizes()
	}
	m := []MetricInfo{
		{"hit_ratio", "hit ratio", true, "share of the requests that the cache answers, mean over the cache sizes"},
		{"byte_hit_ratio", "byte hit ratio", true, "share of the bytes that the cache answers, mean over the cache sizes"},
	}
	for _, s := range sizes {
		m = append(m, MetricInfo{"hit_ratio@" + sizeName(s), "hit ratio at " + sizeName(s), true, "share of the requests that a cache answers which holds " + sizeName(s) + " of the distinct objects"})
	}
	return m
}

// sizeName prints 0.01 as "1%".
func sizeName(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e6)/1e4, 'f', -1, 64) + "%"
}

// maxPolicySizes bounds the replays of one call.
const maxPolicySizes = 100

func (p *PolicyProblem) check() error {
	if p.Trace == nil || len(p.Trace.Keys) < 2 {
		return fmt.Errorf("a policy needs at least two requests to learn and to measure on")
	}
	if err := p.Trace.Check(); err != nil {
		return err
	}
	if p.From < 0 || p.From >= len(p.Trace.Keys) {
		return fmt.Errorf("counting from request %d of %d", p.From, len(p.Trace.Keys))
	}
	if len(p.Sizes) > maxPolicySizes {
		return fmt.Errorf("%d cache sizes, at most %d are possible", len(p.Sizes), maxPolicySizes)
	}
	for _, s := range p.Sizes {
		if !(s > 0 && s <= 1) {
			return fmt.Errorf("cache size %v is not a share of the objects above 0 and up to 1", s)
		}
	}
	return nil
}

// CrossValidatePolicy measures a policy: it is fitted, and replays the whole
// trace, and the hits in the second half count, at each cache size. FitTrace is
// given the whole trace and must learn from its first half only, as
// model/cache.Fit does (its tests hold it to that). The folds are consecutive windows of that half, opt.Folds of them (as
// many as there are requests, if those are fewer): Mean and SD are over the
// windows, Pooled is over the half. opt.Split and opt.AlertRate have no meaning
// here.
//
// It fails if there are fewer than two requests, if the fit or a baseline does,
// and when ctx is done.
func CrossValidatePolicy(ctx context.Context, p *PolicyProblem, spec model.Spec, opt Options) (*Result, error) {
	_, r, err := policyRun(ctx, p, spec, opt)
	if err != nil {
		return nil, fmt.Errorf("cross-validate %q on %q: %w", spec.Name, p.Name, err)
	}
	return r, nil
}

// FitPolicy fits spec on p and measures it as CrossValidatePolicy does; the
// result is Final.HeldOut. Final.Baselines stays nil: a policy's are in the
// result.
func FitPolicy(ctx context.Context, p *PolicyProblem, spec model.Spec, opt Options) (*Final, error) {
	m, r, err := policyRun(ctx, p, spec, opt)
	if err != nil {
		return nil, fmt.Errorf("fit %q on %q: %w", spec.Name, p.Name, err)
	}
	return &Final{Model: m, HeldOut: r, Notes: slices.Clone(r.Notes)}, nil
}

func policyRun(ctx context.Context, p *PolicyProblem, spec model.Spec, opt Options) (model.Policy, *Result, error) {
	if spec.FitTrace == nil {
		return nil, nil, fmt.Errorf("this version cannot fit it")
	}
	if err := p.check(); err != nil {
		return nil, nil, err
	}
	opt = opt.withDefaults()
	cpu := opt.CPU()
	fitted, err := spec.FitTrace(ctx, countedTrace(p.Trace), opt.Config, opt.fitOptions(spec.Name))
	if err != nil {
		return nil, nil, err
	}
	m, ok := fitted.(model.Policy)
	if !ok {
		return nil, nil, fmt.Errorf("%q is no policy", fitted.Kind())
	}
	r, err := evaluatePolicy(ctx, p, spec.Name, m, opt)
	if err != nil {
		return nil, nil, err
	}
	r.CPUSeconds = opt.CPU() - cpu
	return m, r, nil
}

// EvaluatePolicy measures a fitted policy as CrossValidatePolicy does, without a
// fit: over all of p's trace, hits counted on the second half. name is that of
// its Spec.
func EvaluatePolicy(ctx context.Context, p *PolicyProblem, name string, m model.Policy, opt Options) (*Result, error) {
	err := p.check()
	if err == nil {
		opt = opt.withDefaults()
		cpu := opt.CPU()
		var r *Result
		if r, err = evaluatePolicy(ctx, p, name, m, opt); err == nil {
			r.CPUSeconds = opt.CPU() - cpu
			return r, nil
		}
	}
	return nil, fmt.Errorf("evaluate %q on %q: %w", name, p.Name, err)
}

// countedTrace is t without sizes.
func countedTrace(t *frame.Trace) *frame.Trace {
	return &frame.Trace{Keys: t.Keys, Times: t.Times, N: t.N}
}

func evaluatePolicy(ctx context.Context, p *PolicyProblem, name string, m model.Policy, opt Options) (*Result, error) {
	t := countedTrace(p.Trace)
	sizes := p.Sizes
	if sizes == nil {
		sizes = PolicySizes()
	}
	distinct, from, part := 0, p.From, "on the last part"
	if from == 0 {
		from, part = len(t.Keys)/2, "on the second half"
	}
	seen := make([]bool, t.N)
	for _, k := range t.Keys {
		if !seen[k] {
			seen[k] = true
			distinct++
		}
	}
	runs := append([]PolicyBaseline{{Name: name, Run: func(ctx context.Context, t *frame.Trace, capacity int64) ([]bool, error) {
		if r, ok := m.(interface {
			Run(context.Context, *frame.Trace, int64) ([]bool, error)
		}); ok {
			return r.Run(ctx, t, capacity)
		}
		return m.Simulate(t, capacity), ctx.Err()
	}}}, p.Baselines...)
	hits := make([][]bool, len(runs)*len(sizes))
	err := model.Parallel(ctx, opt.Workers, len(hits), func(done, total int) { opt.Log(name+" replay", done, total) }, func(_, i int) error {
		run, size := runs[i/len(sizes)], sizes[i%len(sizes)]
		h, err := run.Run(ctx, t, max(1, int64(math.Round(size*float64(distinct)))))
		if err != nil {
			return fmt.Errorf("replay %q at %s: %w", run.Name, sizeName(size), err)
		}
		if len(h) != len(t.Keys) {
			return fmt.Errorf("replay %q at %s: %d answers to %d requests", run.Name, sizeName(size), len(h), len(t.Keys))
		}
		hits[i] = h
		return nil
	})
	if err != nil {
		return nil, err
	}
	second := len(t.Keys) - from
	folds := max(1, min(opt.Folds, second))
	r := &Result{
		Model: name, Dataset: p.Name, Synthetic: p.Synthetic, Rows: second, Split: Time,
		Protocol: fmt.Sprintf("whole trace replayed, hits counted %s, %d consecutive windows of it as folds", part, folds),
		Folds:    make([]FoldResult, folds), Baselines: map[string]map[string]Stat{}, Findings: []Finding{}, Notes: []string{},
	}
	bound := func(f int) int { return from + int(int64(second)*int64(f)/int64(folds)) }
	for i, run := range runs {
		mine := hits[i*len(sizes) : (i+1)*len(sizes)]
		stats := map[string]Stat{}
		for name, v := range policyMetrics(p.Trace, mine, sizes, from, len(t.Keys)) {
			stats[name] = Stat{Pooled: v}
		}
		windows := make([]map[string]float64, folds)
		for f := range windows {
			windows[f] = policyMetrics(p.Trace, mine, sizes, bound(f), bound(f+1))
		}
		for _, name := range sortedNames(stats) {
			s := stats[name]
			var v []float64
			for _, w := range windows {
				if x, ok := w[name]; ok {
					v = append(v, x)
				}
			}
			s.Mean, s.SD = spreadOf(v)
			stats[name] = s
		}
		headline := i > 0 && !run.Bound && r.BaselineName == ""
		switch {
		case i == 0:
			r.Metrics = stats
		default:
			r.Baselines[run.Name] = stats
		}
		if headline {
			r.BaselineName, r.Baseline = run.Name, stats
		}
		for f := range windows {
			if i == 0 {
				r.Folds[f] = FoldResult{Train: from, Test: bound(f+1) - bound(f), Metrics: windows[f], Baseline: map[string]float64{}}
			}
			if headline {
				r.Folds[f].Baseline = windows[f]
			}
		}
	}
	r.Findings, r.Notes = policyFindings(r, p.Baselines, distinct, second)
	return r, nil
}

// policyMetrics are the metrics of the replays hits, one per cache size, on the
// requests lo ≤ i < hi.
func policyMetrics(t *frame.Trace, hits [][]bool, sizes []float64, lo, hi int) map[string]float64 {
	m := map[string]float64{}
	var bytes int64
	if t.Sizes != nil {
		for _, s := range t.Sizes[lo:hi] {
			bytes += int64(s)
		}
	}
	sum, byteSum := 0.0, 0.0
	for j, size := range sizes {
		var n, b int64
		for i := lo; i < hi; i++ {
			if !hits[j][i] {
				continue
			}
			n++
			if t.Sizes != nil {
				b += int64(t.Sizes[i])
			}
		}
		v := float64(n) / float64(max(1, hi-lo))
		m["hit_ratio@"+sizeName(size)] = v
		sum += v
		byteSum += float64(b) / float64(max(1, bytes))
	}
	m["hit_ratio"] = sum / float64(len(sizes))
	if bytes > 0 {
		m["byte_hit_ratio"] = byteSum / float64(len(sizes))
	}
	return m
}

// spreadOf is mean and sample standard deviation, NaN where not defined.
func spreadOf(v []float64) (mean, sd float64) {
	if len(v) == 0 {
		return math.NaN(), math.NaN()
	}
	for _, x := range v {
		mean += x
	}
	mean /= float64(len(v))
	if len(v) < 2 {
		return mean, math.NaN()
	}
	for _, x := range v {
		sd += float64((x - mean) * (x - mean))
	}
	return mean, math.Sqrt(sd / float64(len(v)-1))
}

func sortedNames(m map[string]Stat) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// policyFindings says where the policy is worse than a baseline, and what the
// figures cannot tell.
func policyFindings(r *Result, baselines []PolicyBaseline, distinct, second int) ([]Finding, []string) {
	found, notes := []Finding{}, []string{}
	got := r.Metrics["hit_ratio"].Pooled
	for _, b := range baselines {
		v := r.Baselines[b.Name]["hit_ratio"].Pooled
		switch {
		case b.Bound:
			notes = append(notes, fmt.Sprintf("%s knows the future: a bound, not a baseline", b.Name))
		case got < v-0.0005:
			found = append(found, Finding{"info", "baseline is better", fmt.Sprintf("%s has a mean hit ratio of %.4f, the learned policy %.4f (%d requests)", b.Name, v, got, second)})
		}
	}
	if distinct < 100 {
		notes = append(notes, fmt.Sprintf("only %d distinct objects: cache sizes of a few objects tell little", distinct))
	}
	return found, notes
}
