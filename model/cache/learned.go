package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"apiml/frame"
	"apiml/model"
)

// The learned policy, "experts": Gramacy, Warmuth, Brandt & Ari, "Adaptive
// Caching by Refetching", NIPS 2002, on exponential weights with a fixed share
// (Herbster & Warmuth, "Tracking the Best Expert", Machine Learning 32, 1998).
// Several policies run side by side as shadows without objects: textbook policies,
// one that learns what objects are worth (value.go), and one that asks all others
// (vote.go). Each is an arm of a bandit with full feedback, its reward the hits that
// it would have had. The best leads, and the real cache takes over its decisions
// about admission and eviction (experts.go).
//
// What Fit learns is the prior: the mean weight of every expert over the first
// half of the trace, at several cache sizes. At the start the first of the
// heaviest leads. With a prior that is the vote, unless another has several times its
// weight; without one LIRS, the best of the textbook where nothing is known, and from
// when the cache is full the vote, if many of the requests so far were repeats and
// these did not come in the order of before (experts.begin).
//
// Cost: one replay of every expert, 15 to 50 ns per request for a textbook policy,
// 1 to 2 µs for the learned one, and 15 to 80 bytes per distinct key and expert.
//
// Deviations. The rate is divided by the root of the number of requests on which
// the experts disagree (of second order, as in Cesa-Bianchi, Mansour & Stoltz,
// Machine Learning 66, 2007), since chance moves the weights by no more. Hits are
// forgotten over a third of the past, but over no less than 20 times the objects
// that the cache holds. The leader is the best, not drawn by weight, and lazy: it
// changes only if that pays for what it costs (experts.worth), because each change
// costs misses until the content is the new leader's, and experts that hit
// different parts of a loop would else take turns with no hits at all.
//
// The other learned policy, "lecar", is in lecar.go.

// Kind is the kind of model files of this package.
const Kind = "cache_policy"

// Config says how a learned policy learns. Take Default and change what you
// want: the zero value is not valid.
type Config struct {
	Policy       string   `json:"policy"`        // "experts" or "lecar", default "experts"
	Experts      []string `json:"experts"`       // of "experts": names of Policies but no bound, "value" and "vote"; at equal weight the first leads; default lirs, arc, value, lru, s3fifo, sieve, wtinylfu, lfu, 2q, slru, vote
	LearningRate float64  `json:"learning_rate"` // weight of a hit, or of a regret; 0 = 0.2 for "experts", 0.45 (the paper's) for "lecar"; default 0
	Discount     float64  `json:"discount"`      // "lecar": part of a regret that is left after as many requests as the cache holds objects; without meaning for "experts"; 0 = 0.005 (the paper's); default 0
	Epoch        float64  `json:"epoch"`         // of "experts": requests between two updates, as a multiple of the objects that the cache holds, at least 50; default 0.1
	Share        float64  `json:"share"`         // of "experts": part of the weight that is dealt out evenly at every update; default 0.02
}

// Default is the default configuration. Fit puts the policy's own values in
// place of the zeros.
func Default() Config {
	return Config{Policy: "experts", Experts: []string{"lirs", "arc", "value", "lru", "s3fifo", "sieve", "wtinylfu", "lfu", "2q", "slru", "vote"}, Epoch: 0.1, Share: 0.02}
}

const maxExperts = 12 // the vote knows 2^11 sets

// valueExpert names the learned expert (value.go), which is no textbook policy.
const valueExpert = "value"

// voteExpert names the expert that asks the others (vote.go).
const voteExpert = "vote"

// resolve puts in what 0 stands for.
func (c *Config) resolve() {
	rate, discount := 0.2, 1.0
	if c.Policy == "lecar" {
		rate, discount = 0.45, 0.005
	}
	if c.LearningRate == 0 {
		c.LearningRate = rate
	}
	if c.Discount == 0 {
		c.Discount = discount
	}
}

// check is for a resolved configuration.
func (c *Config) check() error {
	in := func(v, lo, hi float64) bool { return v >= lo && v <= hi }
	switch {
	case c.Policy != "experts" && c.Policy != "lecar":
		return fmt.Errorf("policy must be \"experts\" or \"lecar\", not %q", c.Policy)
	case !(c.LearningRate > 0) || c.LearningRate > 100:
		return fmt.Errorf("learning_rate must be above 0 and at most 100, not %v", c.LearningRate)
	case !(c.Discount > 0) || c.Discount > 1:
		return fmt.Errorf("discount must be above 0 and at most 1, not %v", c.Discount)
	case !in(c.Epoch, 0.001, 1000):
		return fmt.Errorf("epoch must be 0.001 to 1000, not %v", c.Epoch)
	case !in(c.Share, 0.0001, 1):
		return fmt.Errorf("share must be 0.0001 to 1, not %v", c.Share)
	case len(c.Experts) < 1 || len(c.Experts) > maxExperts:
		return fmt.Errorf("%d experts, possible are 1 to %d", len(c.Experts), maxExperts)
	}
	all := Policies()
	for i, name := range c.Experts {
		p := slices.IndexFunc(all, func(p Info) bool { return p.Name == name })
		switch {
		case p < 0 && name != valueExpert && name != voteExpert:
			return unknown(name)
		case p >= 0 && all[p].Bound:
			return fmt.Errorf("%q is a bound and no expert", name)
		case slices.Contains(c.Experts[:i], name):
			return fmt.Errorf("expert %q stands twice", name)
		case name == voteExpert && len(c.Experts) < 2:
			return fmt.Errorf("the expert %q needs others", name)
		}
	}
	return nil
}

// arms names what the weights belong to.
func (c *Config) arms() []string {
	if c.Policy == "lecar" {
		return []string{"lru", "lfu"}
	}
	return c.Experts
}

// Learned is a fitted policy: configuration, seed, and what the experts were
// worth. It implements model.Policy.
type Learned struct {
	config Config
	schema frame.Schema
	seed   uint64
	ratios []float64 // cache sizes of the prior, as a share of all that there is to store; ascending
	prior  []float64 // weights of the experts, per ratio
}

var _ model.Policy = (*Learned)(nil)

// New makes a policy without a prior: every expert begins with equal weight, and
// all learning happens during a replay. It fails on an invalid configuration.
func New(cfg Config, seed uint64) (*Learned, error) {
	cfg.Experts = slices.Clone(cfg.Experts)
	cfg.resolve()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	m := &Learned{config: cfg, schema: traceSchema(), seed: seed, ratios: priorRatios()}
	arms := len(cfg.arms())
	m.prior = make([]float64, len(m.ratios)*arms)
	for i := range m.prior {
		m.prior[i] = 1 / float64(arms)
	}
	return m, nil
}

// priorRatios are the sizes at which the prior is learned.
func priorRatios() []float64 { return []float64{0.01, 0.05, 0.1, 0.25} }

// Fit learns the prior of a policy from the first half of t, at 1, 5, 10 and
// 25 % of what the distinct objects of that half take. It fails on an empty or
// inconsistent trace, an invalid configuration, and when ctx is done. opt.Log
// counts sizes.
func Fit(ctx context.Context, t *frame.Trace, cfg Config, opt model.FitOptions) (*Learned, error) {
	m, err := New(cfg, opt.Seed)
	if err != nil {
		return nil, err
	}
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	if len(t.Keys) == 0 {
		return nil, fmt.Errorf("cache: no requests to learn from")
	}
	half := dense(t, (len(t.Keys)+1)/2)
	total := footprint(half)
	arms := len(m.config.arms())
	err = model.Parallel(ctx, opt.Workers, len(m.ratios), opt.Log, func(_, i int) error {
		weight := m.prior[i*arms : (i+1)*arms]
		c := m.newCache(half, max(1, int64(math.Round(m.ratios[i]*float64(total)))), weight)
		if err := replay(ctx, c, half, make([]bool, len(half.Keys))); err != nil {
			return err
		}
		copy(weight, c.meanWeights())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func traceSchema() frame.Schema { return frame.Schema{Name: "trace"} }

// dense is the first n requests of t, their keys numbered anew.
func dense(t *frame.Trace, n int) *frame.Trace {
	number := make([]int32, t.N) // +1
	out := &frame.Trace{Keys: make([]int32, n)}
	for i, k := range t.Keys[:n] {
		if number[k] == 0 {
			out.N++
			number[k] = int32(out.N)
		}
		out.Keys[i] = number[k] - 1
	}
	if t.Sizes != nil {
		out.Sizes = t.Sizes[:n]
	}
	return out
}

// footprint is what all objects of t take together, each at its last size.
func footprint(t *frame.Trace) int64 {
	last := make([]int32, t.N) // size, or 1; 0 = not requested
	for i, k := range t.Keys {
		last[k] = int32(sizeAt(t, i))
	}
	var sum int64
	for _, s := range last {
		sum += int64(s)
	}
	return sum
}

// learner is a cache whose decisions depend on weights.
type learner interface {
	policy
	meanWeights() []float64 // over the run so far, summing to 1
}

// newCache makes the cache of a policy; capacity is at least 1.
func (m *Learned) newCache(t *frame.Trace, capacity int64, weight []float64) learner {
	if t.Sizes == nil {
		capacity = max(1, min(capacity, int64(t.N)))
	}
	objects := float64(capacity)
	if t.Sizes != nil {
		mean := float64(footprint(t)) / float64(max(1, t.N))
		objects = max(1, min(float64(capacity)/max(mean, 1), float64(t.N)))
	}
	s := newSpace(t.N, t.Sizes != nil, capacity)
	if m.config.Policy == "lecar" {
		return newLeCaR(s, t.N, objects, weight, &m.config, m.seed)
	}
	return newExperts(s, t.N, objects, weight, &m.config)
}

// Kind implements model.Model.
func (m *Learned) Kind() string { return Kind }

// Schema implements model.Model. A policy has no columns: the schema is empty
// but for its name, "trace".
func (m *Learned) Schema() *frame.Schema { return &m.schema }

// Config is the configuration that the policy was fitted with.
func (m *Learned) Config() Config {
	c := m.config
	c.Experts = slices.Clone(c.Experts)
	return c
}

// Prior returns the names of the experts, and per share of everything that a
// cache could hold the weight of each at the start of a replay.
func (m *Learned) Prior() (experts []string, ratios []float64, weights [][]float64) {
	experts = slices.Clone(m.config.arms())
	for i := range m.ratios {
		weights = append(weights, slices.Clone(m.prior[i*len(experts):(i+1)*len(experts)]))
	}
	return experts, slices.Clone(m.ratios), weights
}

// Simulate implements model.Policy. The learning goes on during the replay,
// from the prior of the nearest size; equal trace, capacity and model give
// equal hits. It panics if t does not pass its Check.
func (m *Learned) Simulate(t *frame.Trace, capacity int64) []bool {
	hits, err := m.Run(context.Background(), t, capacity)
	if err != nil {
		panic(err) // a broken contract: nothing cancels, so the trace is inconsistent
	}
	return hits
}

// Run is Simulate with an error for an inconsistent trace and when ctx is done.
func (m *Learned) Run(ctx context.Context, t *frame.Trace, capacity int64) ([]bool, error) {
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	hits := make([]bool, len(t.Keys))
	if capacity < 1 || t.N == 0 {
		return hits, ctx.Err()
	}
	ratio := float64(capacity) / float64(footprint(t))
	near := 0
	for i, r := range m.ratios {
		if math.Abs(math.Log(r/ratio)) < math.Abs(math.Log(m.ratios[near]/ratio)) {
			near = i
		}
	}
	n := len(m.config.arms())
	return hits, replay(ctx, m.newCache(t, capacity, m.prior[near*n:(near+1)*n]), t, hits)
}

// The arrays of a policy in a file:
//
//	cache.ratios  F64  cache sizes of the prior, ascending in (0,1]
//	cache.prior   F64  per size: the weights of the experts, which sum to 1

// Encode implements model.Model.
func (m *Learned) Encode(f *model.File) error {
	config, err := json.Marshal(m.config)
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	h := &f.Header
	h.Kind, h.Schema, h.Classes, h.Config, h.Seed = Kind, m.schema, nil, config, m.seed
	f.PutF64("cache.ratios", m.ratios)
	f.PutF64("cache.prior", m.prior)
	return nil
}

// Decode reads a policy. It checks every value, so that a damaged or hostile
// file is an error.
func Decode(f *model.File) (*Learned, error) {
	m, err := decode(f)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return m, nil
}

func decode(f *model.File) (*Learned, error) {
	h := &f.Header
	if h.Kind != Kind {
		return nil, fmt.Errorf("the file holds a %q", h.Kind)
	}
	want := traceSchema()
	if err := frame.SameSchema(&want, &h.Schema); err != nil {
		return nil, err
	}
	m := &Learned{config: Default(), schema: want, seed: h.Seed}
	if len(h.Config) > 0 {
		if err := json.Unmarshal(h.Config, &m.config); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
	}
	err := m.config.check()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if m.ratios, err = f.F64("cache.ratios"); err != nil {
		return nil, err
	}
	if m.prior, err = f.F64("cache.prior"); err != nil {
		return nil, err
	}
	if n := len(m.ratios); n < 1 || n > 64 {
		return nil, fmt.Errorf("%d cache sizes, possible are 1 to 64", n)
	}
	before := 0.0
	for i, r := range m.ratios {
		if !(r > before && r <= 1) {
			return nil, fmt.Errorf("cache size %d is %v, after %v", i, r, before)
		}
		before = r
	}
	n := len(m.config.arms())
	if len(m.prior) != n*len(m.ratios) {
		return nil, fmt.Errorf("%d weights for %d sizes and %d experts", len(m.prior), len(m.ratios), n)
	}
	for i := range m.ratios {
		sum := 0.0
		for j, w := range m.prior[i*n : (i+1)*n] {
			if !(w >= 1e-12 && w <= 1) {
				return nil, fmt.Errorf("weight %d of size %d is %v", j, i, w)
			}
			sum += w
		}
		if math.Abs(sum-1) > 1e-6 {
			return nil, fmt.Errorf("the weights of size %d sum to %v", i, sum)
		}
	}
	return m, nil
}
