package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"apiml/evaluate"
	"apiml/frame"
	"apiml/generate"
	"apiml/ingest"
	"apiml/model"
	"apiml/model/forest"
	"apiml/traffic"
)

// realismCommand compares generated traffic with real access logs. It is for the
// Makefile: hidden.
func (a *app) realismCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "realism DATASETS",
		Short: "Compare generated traffic with real access logs (make realism)",
		Long: `Realism prints, for eleven measures, how far the traffic of each profile is from
the nearest of four real logs and how far two of those logs are from each other
at most, and how well a forest tells the sessions of one from those of another.

Distances between numbers are Wasserstein-1, between shares the square root of
the Jensen-Shannon divergence (base 2).`,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := a.realism(args[0], generate.Profiles())
			return err
		},
	}
	return cmd
}

const (
	realismRows     = 100_000 // requests of a log that the measures look at; the profiles of day and week take all
	realismSessions = 4000    // sessions of a log that the forest sees
	sessionGap      = 30 * 60 * 1_000_000
)

// logSample is what realism keeps of a log.
type logSample struct {
	name     string
	values   [realismMeasures][]float64 // sorted values, or shares by category
	sessions [][]float32
	clients  []uint64 // of sessions
}

const (
	mGap = iota
	mPerClient
	mStatus
	mMethod
	mDepth
	mPathEntropy
	mAgentEntropy
	mBytes
	mRare
	mDay
	mWeek
	realismMeasures
)

type realismMeasure struct {
	name   string
	shares bool // categories: Jensen-Shannon
}

func measures() [realismMeasures]realismMeasure {
	return [realismMeasures]realismMeasure{
		mGap: {"time between requests of a client, ln(1+s)", false}, mPerClient: {"requests per client, ln(1+n)", false},
		mStatus: {"status", true}, mMethod: {"method", true}, mDepth: {"path depth", false}, mPathEntropy: {"path entropy, bits", false},
		mAgentEntropy: {"agent entropy, bits", false}, mBytes: {"bytes, ln(1+n)", false}, mRare: {"share of rare paths per client", false},
		mDay: {"hours of the day", true}, mWeek: {"days of the week", true},
	}
}

// sampler gathers a logSample.
type sampler struct {
	rows    []sampleRow
	days    [7]float64
	hours   [24]float64
	paths   map[string]int32
	clients map[string]int32
	count   []int32 // requests per path
}

type sampleRow struct {
	time            int64
	client, path    int32
	status          int32
	method          int8
	depth           float32
	pathBits, agent float32
	bytes           float32
	referrer, query bool
	length          float32
}

func newSampler() *sampler {
	return &sampler{paths: map[string]int32{}, clients: map[string]int32{}}
}

func (s *sampler) add(r *traffic.Request) {
	if !r.HasTime() {
		return
	}
	t := r.When()
	s.hours[t.Hour()]++
	s.days[t.Weekday()]++
	if len(s.rows) >= realismRows || !strings.HasPrefix(r.Target, "/") {
		return
	}
	path, query := traffic.SplitTarget(r.Target)
	p, ok := s.paths[path]
	if !ok {
		p = int32(len(s.paths))
		s.paths[strings.Clone(path)] = p
		s.count = append(s.count, 0)
	}
	s.count[p]++
	who := r.Client + " " + r.Agent
	c, ok := s.clients[who]
	if !ok {
		c = int32(len(s.clients))
		s.clients[strings.Clone(who)] = c
	}
	s.rows = append(s.rows, sampleRow{
		time: r.Time, client: c, path: p, status: r.Status, method: methodIndex(r.Method), depth: float32(strings.Count(strings.Trim(path, "/"), "/") + 1),
		pathBits: float32(byteEntropy(path)), agent: float32(byteEntropy(r.Agent)), bytes: float32(math.Log1p(float64(max(r.BytesOut, 0)))),
		referrer: r.Referrer != "" && r.Referrer != "-", query: query != "", length: float32(math.Log1p(float64(len(r.Target)))),
	})
}

func methodIndex(m string) int8 {
	for i, x := range [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if m == x {
			return int8(i)
		}
	}
	return 7
}

func byteEntropy(s string) float64 {
	if s == "" {
		return 0
	}
	var n [256]float64
	for i := range len(s) {
		n[s[i]]++
	}
	h := 0.
	for _, c := range n {
		if c > 0 {
			p := c / float64(len(s))
			h -= float64(p * math.Log2(p))
		}
	}
	return h
}

// done computes the measures and the sessions.
func (s *sampler) done(name string) *logSample {
	out := &logSample{name: name}
	v := &out.values
	slices.SortStableFunc(s.rows, func(a, b sampleRow) int { return cmp.Compare(a.time, b.time) })
	perClient := make([][]int, len(s.clients))
	v[mStatus], v[mMethod] = make([]float64, 600), make([]float64, 8)
	for i, r := range s.rows {
		perClient[r.client] = append(perClient[r.client], i)
		v[mStatus][min(max(r.status, 0), 599)]++
		v[mMethod][r.method]++
		v[mDepth] = append(v[mDepth], float64(r.depth))
		v[mPathEntropy] = append(v[mPathEntropy], float64(r.pathBits))
		v[mAgentEntropy] = append(v[mAgentEntropy], float64(r.agent))
		v[mBytes] = append(v[mBytes], float64(r.bytes))
	}
	v[mDay], v[mWeek] = slices.Clone(s.hours[:]), slices.Clone(s.days[:])
	for c, rows := range perClient {
		v[mPerClient] = append(v[mPerClient], math.Log1p(float64(len(rows))))
		rare := 0
		begin := 0
		for k, i := range rows {
			if s.count[s.rows[i].path] <= 2 {
				rare++
			}
			if k > 0 {
				gap := s.rows[i].time - s.rows[rows[k-1]].time
				v[mGap] = append(v[mGap], math.Log1p(float64(gap)/1e6))
				if gap > sessionGap {
					out.session(s, uint64(c), rows[begin:k])
					begin = k
				}
			}
		}
		out.session(s, uint64(c), rows[begin:])
		v[mRare] = append(v[mRare], float64(rare)/float64(len(rows)))
	}
	for m, spec := range measures() {
		if spec.shares {
			total := 0.
			for _, x := range v[m] {
				total += x
			}
			for i := range v[m] {
				v[m][i] /= max(total, 1)
			}
		} else {
			slices.Sort(v[m])
		}
	}
	return out
}

// sessionColumns describe one session without a word of its paths and agent.
func sessionColumns() []frame.Column {
	var out []frame.Column
	for _, n := range []string{"requests", "seconds", "gap mean", "gap cv", "bytes mean", "bytes sd", "2xx", "3xx", "4xx", "5xx", "GET", "POST", "depth mean", "depth sd", "path bits", "length mean", "length sd", "distinct paths", "referrers", "queries"} {
		out = append(out, frame.Column{Name: n})
	}
	return out
}

func (l *logSample) session(s *sampler, client uint64, rows []int) {
	n := float64(len(rows))
	if n < 2 {
		return // one request has no behaviour
	}
	var bytes, depth, bits, length, gaps moments
	var class [6]float64
	var method [8]float64
	refs, queries := 0., 0.
	seen := map[int32]bool{}
	for k, i := range rows {
		r := &s.rows[i]
		bytes.add(float64(r.bytes))
		depth.add(float64(r.depth))
		bits.add(float64(r.pathBits))
		length.add(float64(r.length))
		class[min(max(r.status/100, 0), 5)]++
		method[r.method]++
		seen[r.path] = true
		if r.referrer {
			refs++
		}
		if r.query {
			queries++
		}
		if k > 0 {
			gaps.add(math.Log1p(math.Floor(float64(r.time)/1e6) - math.Floor(float64(s.rows[rows[k-1]].time)/1e6)))
		}
	}
	span := float64(s.rows[rows[len(rows)-1]].time-s.rows[rows[0]].time) / 1e6
	row := []float64{math.Log1p(n), math.Log1p(span), gaps.mean(), gaps.sd(), bytes.mean(), bytes.sd(), class[2] / n, class[3] / n, class[4] / n, class[5] / n,
		method[0] / n, method[2] / n, depth.mean(), depth.sd(), bits.mean(), length.mean(), length.sd(), float64(len(seen)) / n, refs / n, queries / n}
	x := make([]float32, len(row))
	for i, f := range row {
		x[i] = float32(f)
	}
	l.sessions = append(l.sessions, x)
	l.clients = append(l.clients, client)
}

type moments struct{ n, sum, sq float64 }

func (m *moments) add(x float64) { m.n++; m.sum += x; m.sq += float64(x * x) }
func (m *moments) mean() float64 { return m.sum / max(m.n, 1) }
func (m *moments) sd() float64 {
	mean := m.mean()
	return math.Sqrt(max(m.sq/max(m.n, 1)-float64(mean*mean), 0))
}

// readSample reads a log.
func (a *app) readSample(path string) (*logSample, error) {
	rd, err := a.openInput(path, "", false, ingest.Options{})
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	return sampleOf(filepath.Base(path), rd)
}

func sampleOf(name string, rd *ingest.Reader) (*logSample, error) {
	s := newSampler()
	for {
		batch, err := rd.Next()
		if errors.Is(err, io.EOF) {
			return s.done(name), nil
		}
		if err != nil {
			return nil, err
		}
		for i := range batch.Requests {
			s.add(&batch.Requests[i])
		}
	}
}

// generatedSample is the sample of a profile's traffic, with the share of
// attacks that a site on the internet sees.
func generatedSample(ctx context.Context, profile string, seed uint64) (*logSample, error) {
	s := newSampler()
	cfg := generate.Config{Seed: seed, Profile: profile, Normal: realismRows * 98 / 100, Attacks: realismRows * 2 / 100, Duration: 7 * 24 * 3600e9}
	err := generate.Run(ctx, cfg, func(reqs []traffic.Request, _ []string) error {
		for i := range reqs {
			reqs[i].Time = reqs[i].Time / 1e6 * 1e6 // as a log shows it
			s.add(&reqs[i])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.done(profile), nil
}

// distance compares two samples by one measure.
func distance(a, b *logSample, m int) float64 {
	if measures()[m].shares {
		return jensenShannon(a.values[m], b.values[m])
	}
	return wasserstein(a.values[m], b.values[m])
}

// jensenShannon is the Jensen-Shannon distance (square root of the divergence,
// base 2) of two lists of shares of equal length.
func jensenShannon(p, q []float64) float64 {
	d := 0.
	for i := range p {
		m := (p[i] + q[i]) / 2
		if p[i] > 0 {
			d += float64(p[i] / 2 * math.Log2(p[i]/m))
		}
		if q[i] > 0 {
			d += float64(q[i] / 2 * math.Log2(q[i]/m))
		}
	}
	return math.Sqrt(max(d, 0))
}

// wasserstein is the Wasserstein-1 distance of two sorted samples: the area
// between their distribution functions.
func wasserstein(x, y []float64) float64 {
	if len(x) == 0 || len(y) == 0 {
		return math.NaN()
	}
	i, j, d := 0, 0, 0.
	at := min(x[0], y[0])
	for i < len(x) || j < len(y) {
		next := math.Inf(1)
		if i < len(x) {
			next = x[i]
		}
		if j < len(y) {
			next = min(next, y[j])
		}
		d += float64((next - at) * math.Abs(float64(i)/float64(len(x))-float64(j)/float64(len(y))))
		at = next
		for i < len(x) && x[i] == at {
			i++
		}
		for j < len(y) && y[j] == at {
			j++
		}
	}
	return d
}

// tellApart is the ROC-AUC with which a forest tells the sessions of a from
// those of b, fitted on half of the clients and judged on the others.
func tellApart(ctx context.Context, a, b *logSample, seed uint64) (float64, error) {
	var rows [2][][]float32 // fit, test
	var class [2][]int32
	for k, l := range []*logSample{a, b} {
		r := rand.New(rand.NewPCG(seed, uint64(k)))
		order := r.Perm(len(l.sessions))
		for _, i := range order[:min(len(order), realismSessions)] {
			half := splitmix(l.clients[i]^seed<<32) & 1
			rows[half] = append(rows[half], l.sessions[i])
			class[half] = append(class[half], int32(k))
		}
	}
	schema := &frame.Schema{Name: "sessions", Columns: sessionColumns()}
	var x [2]*frame.Matrix
	for h := range x {
		x[h] = frame.NewMatrix(schema, len(rows[h]))
		for i, row := range rows[h] {
			for j, v := range row {
				x[h].Cols[j][i] = v
			}
		}
		x[h].Class, x[h].Classes = class[h], []string{"a", "b"}
	}
	return forestAUC(ctx, x[0], x[1], seed)
}

// forestAUC fits a forest of two classes on one matrix and returns its ROC-AUC on
// another.
func forestAUC(ctx context.Context, fit, test *frame.Matrix, seed uint64) (float64, error) {
	c := forest.Default()
	c.Trees, c.MinSamplesLeaf = 100, 5
	f, err := forest.Fit(ctx, fit, c, model.FitOptions{Seed: seed})
	if err != nil {
		return 0, err
	}
	p := make([]float32, 2*test.Rows())
	f.PredictProba(p, test, 0, test.Rows())
	scores, positive := make([]float64, test.Rows()), make([]bool, test.Rows())
	for i := range scores {
		scores[i], positive[i] = float64(p[2*i+1]), test.Class[i] == 1
	}
	return evaluate.AUC(scores, positive), nil
}

func splitmix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// realismLogs are the real logs, by the beginning of their names.
func realismLogs() []string { return []string{"memasik", "zanbil", "sparkdeveloper", "sundog"} }

// realismResult is what a test asks for.
type realismResult struct {
	within  map[string]int     // measures of a profile that are no farther than real logs are
	apart   map[string]float64 // mean AUC of a profile against the real logs
	between float64            // mean AUC over the pairs of real logs
}

func (a *app) realism(root string, profiles []string) (*realismResult, error) {
	var real, made []*logSample
	for _, name := range realismLogs() {
		found, err := filepath.Glob(filepath.Join(root, "logs", name+"*"))
		if err != nil || len(found) == 0 {
			return nil, inputf("%s: no logs/%s*", root, name)
		}
		s, err := a.readSample(found[0])
		if err != nil {
			return nil, err
		}
		s.name = name
		real = append(real, s)
	}
	for _, p := range profiles {
		s, err := generatedSample(a.ctx, p, a.cfg.Seed)
		if err != nil {
			return nil, err
		}
		made = append(made, s)
	}
	res := &realismResult{within: map[string]int{}, apart: map[string]float64{}}
	head := []string{"measure", ">two real logs, at most"}
	for _, p := range profiles {
		head = append(head, ">"+p)
	}
	var rows [][]string
	for m, spec := range measures() {
		most := 0.
		for i := range real {
			for j := range i {
				most = max(most, distance(real[i], real[j], m))
			}
		}
		row := []string{spec.name, ratio(most)}
		for _, g := range made {
			nearest, who := math.Inf(1), ""
			for _, r := range real {
				if d := distance(g, r, m); d < nearest {
					nearest, who = d, r.name
				}
			}
			mark := "✗"
			if nearest <= most {
				res.within[g.name]++
				mark = "✓"
			}
			row = append(row, fmt.Sprintf("%s %s %s", who, ratio(nearest), mark))
		}
		rows = append(rows, row)
	}
	row := []string{"no farther than that", ""}
	for _, g := range made {
		row = append(row, fmt.Sprintf("%d of %d", res.within[g.name], int(realismMeasures)))
	}
	if err := table(a.out, head, append(rows, row)); err != nil {
		return nil, err
	}
	rows, pairs := nil, 0
	for i := range real {
		for j := range i {
			auc, err := tellApart(a.ctx, real[i], real[j], a.cfg.Seed)
			if err != nil {
				return nil, err
			}
			res.between += auc
			pairs++
			rows = append(rows, []string{real[j].name + " and " + real[i].name, ratio(auc)})
		}
	}
	res.between /= float64(pairs)
	rows = append(rows, []string{"mean over pairs of real logs", ratio(res.between)})
	for _, g := range made {
		sum := 0.
		for _, r := range real {
			auc, err := tellApart(a.ctx, g, r, a.cfg.Seed)
			if err != nil {
				return nil, err
			}
			sum += auc
			rows = append(rows, []string{g.name + " (generated) and " + r.name, ratio(auc)})
		}
		res.apart[g.name] = sum / float64(len(real))
		rows = append(rows, []string{g.name + ", mean", ratio(res.apart[g.name])})
	}
	fmt.Fprintln(a.out)
	return res, table(a.out, []string{"a forest tells the sessions apart", ">ROC-AUC"}, rows)
}
