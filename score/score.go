// Package score turns records into results: the class and probability of the
// attack classifier, the oddness of the anomaly detector, the hits of the rule
// baseline, the features that drove the decision, and the incident that a
// flagged request belongs to.
//
// A Scorer is a stream: Push records in any order, take results in event time,
// Flush at the end. The same records give the same results whether they come
// from a file or from the store, and however they were cut into batches.
// Reading, storing and printing are not its business.
package score

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"apiml/features"
	"apiml/frame"
	"apiml/model"
	"apiml/traffic"
)

// Reason is one feature that drove a decision.
type Reason struct {
	Feature      string  `json:"feature"`
	Value        float64 `json:"value"`        // in the unit of the feature's column
	Contribution float64 `json:"contribution"` // to the attack probability, in probability
	Text         string  `json:"text"`         // what the feature is, in words
}

// Result is what is known of one request after scoring.
type Result struct {
	File        string   `json:"file"`
	Line        int64    `json:"line"`
	Time        string   `json:"time,omitempty"` // RFC 3339, UTC
	Principal   string   `json:"principal"`
	Method      string   `json:"method"`
	Target      string   `json:"target"`
	Body        *string  `json:"body,omitempty"`
	Status      int32    `json:"status"`
	Class       string   `json:"class"`                 // attack type, "none" if not flagged; of a flow the data set's own label
	AttackType  string   `json:"attack_type,omitempty"` // of a flagged flow: what its label is here; the label itself if it is none of ours
	Probability float64  `json:"probability"`           // 1 − P(none)
	Anomaly     float64  `json:"anomaly"`               // [0,1], higher = odder; -1 without a detector
	Rules       []string `json:"rules"`
	Reasons     []Reason `json:"reasons"`
	// Where the payload stands, of a flagged request in which there is one.
	Where    *features.Place `json:"where,omitempty"`
	Incident string          `json:"incident,omitempty"`
	Late     bool            `json:"late,omitempty"` // came behind the reorder buffer

	At    int64         `json:"-"` // microseconds UTC or traffic.NoTime
	Truth traffic.Label `json:"-"` // label of the record, Unlabelled if it had none or was seen in training
	Rule  traffic.Label `json:"-"` // type of the most specific rule hit
}

// Flagged reports whether the probability reached the threshold.
func (r *Result) Flagged() bool { return r.Class != traffic.None.String() }

// Config says with what to score.
type Config struct {
	State   *features.State
	Attack  model.Classifier
	Anomaly model.Detector // nil: results carry -1
	// AnomalyState is what the detector was fitted with; nil = State. Another
	// state (a detector of one's own beside the built-in classifier) costs a
	// second pass over the features.
	AnomalyState *features.State
	// Conduct is a classifier on features.ConductSchema that knows attack types
	// which show in many requests; nil: the attack classifier stands in for it.
	Conduct model.Classifier
	// Threshold on the probability from which a request is flagged, in (0,1].
	Threshold float64
	// AnomalyThreshold from which a request counts as an anomaly, in (0,1].
	AnomalyThreshold float64
	RateLimit        RateLimit
	// Reasons is the number of features named per flagged request, 0 = none.
	Reasons int
	// ExplainAll names them for requests that are not flagged too.
	ExplainAll bool
	// Observe, if not nil, is told of each request the hash of its client, 0 if
	// unknown, and the probability that it has by itself, without a campaign.
	Observe func(client uint64, probability float64)
	// Seen reports whether the classifier was fitted on the row with this
	// features.RowHash; nil = none. Such rows are scored like all others but
	// left out of the figures against the truth, which would flatter the model.
	Seen func(hash uint64) bool
}

// Scorer scores one stream of requests. It is not for concurrent use.
type Scorer struct {
	cfg       Config
	ext       *features.Extractor
	ext2      *features.Extractor // of the detector, nil if it shares ext
	rules     *Rules
	incidents *incidents
	campaigns *campaigns
	many      []bool // classes that show in many requests only
	login     int    // column
	order     features.Reorder
	none      int // index of "none" among the classes, -1 if the model has none
	labels    []string
	x         *frame.Matrix
	ruled     []ruleHits
	proba     []float32
	conduct   []float32 // by class of the classifier of conduct
	odd       []float32
	contrib   []float64
	flagged   []bool
	results   []Result
	sum       Summary
	said      struct { // the latest time in words: logs tell the same one many times
		at   int64
		text string
	}

	signature map[string]bool // by rule name
}

func (s *Scorer) isSignature(rule string) bool {
	is, known := s.signature[rule]
	if !known {
		is = IsSignature(rule)
		s.signature[rule] = is
	}
	return is
}

// New checks that models and features belong together.
func New(cfg Config) (*Scorer, error) {
	if cfg.State == nil || cfg.Attack == nil {
		return nil, fmt.Errorf("score: no attack classifier")
	}
	schema := features.HTTPSchema(cfg.State)
	if err := frame.SameSchema(cfg.Attack.Schema(), schema); err != nil {
		return nil, fmt.Errorf("attack classifier: %w", err)
	}
	var ext2 *features.Extractor
	if cfg.Anomaly != nil {
		state := cfg.State
		if s := cfg.AnomalyState; s != nil && s.ID() != state.ID() {
			state, ext2 = s, features.NewExtractor(s)
		}
		if err := frame.SameSchema(cfg.Anomaly.Schema(), features.HTTPSchema(state)); err != nil {
			return nil, fmt.Errorf("anomaly detector: %w", err)
		}
	}
	if cfg.Conduct != nil {
		if err := frame.SameSchema(cfg.Conduct.Schema(), features.ConductSchema()); err != nil {
			return nil, fmt.Errorf("classifier of conduct: %w", err)
		}
	}
	if !(cfg.Threshold > 0 && cfg.Threshold <= 1) {
		return nil, fmt.Errorf("score: threshold %v is outside (0,1]", cfg.Threshold)
	}
	if cfg.RateLimit.Requests == 0 {
		cfg.RateLimit = RateLimit{Requests: 100, Per: time.Minute}
	}
	classes := cfg.Attack.Classes()
	many := make([]bool, len(classes))
	for _, l := range []traffic.Label{traffic.CredentialStuffing, traffic.DDoS, traffic.DataScraping, traffic.APIAbuse} {
		if i := slices.Index(classes, l.String()); i >= 0 {
			many[i] = true
		}
	}
	conduct := classes
	if cfg.Conduct != nil {
		conduct = cfg.Conduct.Classes()
	}
	return &Scorer{
		cfg: cfg, ext: features.NewExtractor(cfg.State), ext2: ext2, rules: NewRules(cfg.RateLimit),
		order: features.Reorder{Reuse: true}, incidents: newIncidents(), campaigns: newCampaigns(conduct), many: many, login: slices.IndexFunc(schema.Columns, func(c frame.Column) bool { return c.Name == "login" }),
		none: slices.Index(classes, traffic.None.String()), labels: classes,
		ruled:   make([]ruleHits, features.BlockRows),
		proba:   make([]float32, features.BlockRows*len(classes)),
		conduct: make([]float32, features.BlockRows*len(conduct)),
		odd:     make([]float32, features.BlockRows),
		contrib: make([]float64, len(schema.Columns)),
		flagged: make([]bool, features.BlockRows),
		sum:     Summary{ByClass: map[string]int64{}, Threshold: cfg.Threshold}, signature: map[string]bool{},
	}, nil
}

// block extracts, predicts and decides for one block in event time.
func (s *Scorer) block(reqs []traffic.Request, late []bool, emit func([]Result) error) error {
	n := len(reqs)
	if n == 0 {
		return nil
	}
	if s.x == nil || s.x.N != n {
		s.x = frame.NewMatrix(features.HTTPSchema(s.cfg.State), n)
	}
	x := s.x
	// The rules need nothing of the features.
	var rules sync.WaitGroup
	rules.Go(func() {
		for i := range reqs {
			s.ruled[i].rules, s.ruled[i].class = s.rules.Check(&reqs[i])
		}
	})
	place := s.ext.ExtractGrouped(x, reqs)
	rules.Wait()
	k := len(s.labels)
	inParallel(n, func(lo, hi int) { s.cfg.Attack.PredictProba(s.proba[lo*k:hi*k], x, lo, hi) })
	conduct, kc := s.proba, k
	if s.cfg.Conduct != nil {
		y := features.Conduct(x)
		conduct, kc = s.conduct, len(s.cfg.Conduct.Classes())
		inParallel(n, func(lo, hi int) { s.cfg.Conduct.PredictProba(conduct[lo*kc:hi*kc], y, lo, hi) })
	}
	oddPlace := place
	if s.cfg.Anomaly != nil {
		y := x
		if s.ext2 != nil {
			y = frame.NewMatrix(s.cfg.Anomaly.Schema(), n)
			oddPlace = s.ext2.ExtractGrouped(y, reqs)
		}
		inParallel(n, func(lo, hi int) { s.cfg.Anomaly.Score(s.odd[lo:hi], y, lo, hi) })
	}
	s.results = s.results[:0]
	for i := range reqs {
		r, at := &reqs[i], int(place[i])
		proba := s.proba[at*k : (at+1)*k]
		probability, attack := s.alone(proba)
		res := Result{
			File: r.File, Line: r.Line, Principal: r.Principal(), Method: r.Method, Target: r.Target,
			Status: r.Status, Class: traffic.None.String(), Probability: probability, Anomaly: -1,
			Reasons: []Reason{}, Late: late != nil && late[i], At: r.Time, Truth: r.Label,
		}
		if res.Truth != traffic.Unlabelled && s.cfg.Seen != nil && s.cfg.Seen(features.RowHash(r)) {
			res.Truth = traffic.Unlabelled
			s.sum.SeenInTraining++
		}
		if r.HasTime() {
			if r.Time != s.said.at || s.said.text == "" {
				s.said.at, s.said.text = r.Time, r.When().Format(time.RFC3339Nano)
			}
			res.Time = s.said.text
		}
		if r.HasBody {
			body := r.Body
			res.Body = &body
		}
		if s.cfg.Anomaly != nil {
			res.Anomaly = float64(s.odd[oddPlace[i]])
		}
		res.Rules, res.Rule = s.ruled[i].rules, s.ruled[i].class
		if res.Rules == nil {
			res.Rules = []string{}
		}
		signature := slices.ContainsFunc(res.Rules, s.isSignature)
		if signature {
			res.Probability = withSignature(probability)
		}
		s.flagged[i] = attack >= 0 && res.Probability >= s.cfg.Threshold
		class, campaign := "", ""
		if s.flagged[i] {
			class = s.labels[attack]
			if probability < s.cfg.Threshold && slices.Contains(s.labels, res.Rule.String()) {
				class = res.Rule.String() // the rule decided, so it names the type
			}
		}
		client, endpoint := s.ext.Keys(i)
		v, part := s.campaigns.add(conduct[at*kc:(at+1)*kc], client, endpoint, s.login >= 0 && x.Cols[s.login][at] > 0, r.Status, r.BytesOut, r.Time)
		alone := res.Probability
		if s.cfg.Observe != nil {
			s.cfg.Observe(client, alone)
		}
		if part && !s.flagged[i] {
			s.flagged[i], class, campaign = true, v.label.String(), v.keyOf(r)
			res.Probability = max(alone, v.probability(s.cfg.Threshold))
		}
		if s.flagged[i] {
			res.Class = class
		}
		if s.cfg.Reasons > 0 && (s.flagged[i] || s.cfg.ExplainAll) {
			res.Reasons = s.reasons(x, at)
			if res.Probability > alone {
				res.Reasons = withReason(res.Reasons, v.reason(res.Probability-alone))
			}
			if signature {
				res.Reasons = withReason(res.Reasons, Reason{
					Feature: "signature_rule", Value: float64(len(res.Rules)), Contribution: alone - probability,
					Text: "rules that know this payload: " + strings.Join(res.Rules, ", "),
				})
			}
			if p, ok := s.ext.Where(r); ok {
				res.Where = &p
			}
		}
		if s.flagged[i] {
			res.Incident = s.incidents.add(r, &res, campaign)
		}
		s.count(&res)
		s.results = append(s.results, res)
	}
	s.ext.Learn(reqs, s.flagged[:n])
	if s.ext2 != nil {
		s.ext2.Learn(reqs, s.flagged[:n])
	}
	return emit(s.results)
}

// signatureOdds is what a broken signature rule multiplies the odds of an attack
// by. On generated traffic with its hard negatives such a rule is hit by about
// 30 % of the attack requests and 0.5 % of the benign ones (TestSignatureOdds
// prints it), a likelihood ratio near 60. It counts with its square root: the
// classifier has read the same bytes, so the two are not independent, and half
// the weight of evidence is left to the rule.
const signatureOdds = 7.7

// withSignature is the probability of an attack given that a signature rule is
// hit too (Bayes' rule on the odds).
func withSignature(p float64) float64 {
	return p * signatureOdds / (1 - p + p*signatureOdds)
}

// inParallel cuts n rows into one piece per core. Rows do not depend on each
// other, so the pieces change no result.
func inParallel(n int, do func(lo, hi int)) {
	workers := runtime.GOMAXPROCS(0)
	step := (n + workers - 1) / workers
	var wg sync.WaitGroup
	for lo := 0; lo < n; lo += step {
		wg.Go(func() { do(lo, min(n, lo+step)) })
	}
	wg.Wait()
}

// verdict turns class probabilities into the probability of an attack,
// 1 − P(none), and the index of the likeliest attack. none is the index of the
// benign class, -1 if the model has none.
func verdict(p []float32, none int) (probability float64, attack int) {
	attack, probability = -1, 1
	for c, v := range p {
		if c == none {
			probability = math.Max(0, 1-float64(v))
		} else if attack < 0 || v > p[attack] {
			attack = c
		}
	}
	return probability, attack
}

// alone is the verdict on one request by itself: no single request is a flood, a
// scraping, abuse by rate or the stuffing of credentials, so what the classifier
// gives to those counts only where it adds up (campaigns).
func (s *Scorer) alone(p []float32) (probability float64, attack int) {
	probability, attack = verdict(p, s.none)
	if s.none < 0 {
		return probability, attack
	}
	attack = -1
	for c, v := range p {
		switch {
		case c == s.none:
		case s.many[c]:
			probability -= float64(v)
		case attack < 0 || v > p[attack]:
			attack = c
		}
	}
	return max(probability, 0), attack
}

// reasons names the columns that moved P(none) down most.
func (s *Scorer) reasons(x *frame.Matrix, row int) []Reason {
	if s.cfg.Reasons <= 0 || s.none < 0 {
		return []Reason{}
	}
	clear(s.contrib)
	s.cfg.Attack.Contributions(s.contrib, x, row, s.none)
	out := make([]Reason, 0, s.cfg.Reasons+1)
	for j, c := range s.contrib {
		if c >= 0 {
			continue
		}
		v := float64(x.Cols[j][row])
		if math.IsNaN(v) {
			continue
		}
		at := len(out)
		for at > 0 && -c > out[at-1].Contribution {
			at--
		}
		if at >= s.cfg.Reasons {
			continue
		}
		col := &x.Schema.Columns[j]
		out = slices.Insert(out, at, Reason{Feature: col.Name, Value: v, Contribution: -c, Text: col.Doc})
		if len(out) > s.cfg.Reasons {
			out = out[:s.cfg.Reasons]
		}
	}
	return out
}

// withReason inserts a reason where its contribution belongs.
func withReason(list []Reason, why Reason) []Reason {
	at := slices.IndexFunc(list, func(x Reason) bool { return x.Contribution < why.Contribution })
	if at < 0 {
		at = len(list)
	}
	return slices.Insert(list, at, why)
}

// Push takes the next records of the stream. emit is called with results in
// event time; the slice is only valid during the call.
func (s *Scorer) Push(reqs []traffic.Request, emit func([]Result) error) error {
	return s.order.Push(reqs, func(b features.Block) error { return s.block(b.Requests, b.Late, emit) })
}

// Flush scores what the reorder buffer still holds.
func (s *Scorer) Flush(emit func([]Result) error) error {
	return s.order.Flush(func(b features.Block) error { return s.block(b.Requests, b.Late, emit) })
}

// Summary is what one run found.
type Summary struct {
	Requests  int64            `json:"requests"`
	Flagged   int64            `json:"flagged"`
	Anomalies int64            `json:"anomalies"`  // at or above the anomaly threshold
	RuleHits  int64            `json:"rule_hits"`  // requests with at least one rule hit
	OnlyModel int64            `json:"only_model"` // flagged without a rule hit
	OnlyRules int64            `json:"only_rules"` // rule hit without a flag
	Late      int64            `json:"late"`
	ByClass   map[string]int64 `json:"by_class"` // flagged requests per attack type
	Threshold float64          `json:"threshold"`

	// Against the truth, where records carry one and were not seen in training.
	SeenInTraining int64 `json:"seen_in_training,omitempty"`
	Labelled       int64 `json:"labelled,omitempty"`
	TruePositives  int64 `json:"true_positives,omitempty"`
	FalsePositives int64 `json:"false_positives,omitempty"`
	FalseNegatives int64 `json:"false_negatives,omitempty"`
}

func (s *Scorer) count(r *Result) {
	s.sum.Requests++
	flagged, ruled := r.Flagged(), len(r.Rules) > 0
	if flagged {
		s.sum.Flagged++
		s.sum.ByClass[r.Class]++
	}
	if s.cfg.Anomaly != nil && r.Anomaly >= s.cfg.AnomalyThreshold {
		s.sum.Anomalies++
	}
	if ruled {
		s.sum.RuleHits++
	}
	switch {
	case flagged && !ruled:
		s.sum.OnlyModel++
	case ruled && !flagged:
		s.sum.OnlyRules++
	}
	if r.Late {
		s.sum.Late++
	}
	if r.Truth == traffic.Unlabelled {
		return
	}
	s.sum.Labelled++
	switch {
	case flagged && r.Truth.Attack():
		s.sum.TruePositives++
	case flagged:
		s.sum.FalsePositives++
	case r.Truth.Attack():
		s.sum.FalseNegatives++
	}
}

// Summary returns the counts so far. The map is the Scorer's own.
func (s *Scorer) Summary() Summary { return s.sum }

// IncidentCounts is how many incidents there were so far, and how many of them
// have a request of each class.
func (s *Scorer) IncidentCounts() (n int, byClass map[string]int) { return s.incidents.counts() }

// Incidents returns the incidents so far, most requests first. Of more than
// 65,536 it keeps those with the most requests.
func (s *Scorer) Incidents() []Incident { return s.incidents.list() }
