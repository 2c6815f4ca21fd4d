package report

import (
	"encoding/json"
	"math"
	"time"
)

// SchemaName is the value of Data.Schema that HTML, JSON and Markdown fill in
// when it is empty. It changes when a field is renamed or removed.
const SchemaName = "apiml/report/1"

// Num is a float64 that may be unknown: NaN (and ±Inf) is null in JSON and "–"
// on the page. The zero value is a known 0: set Unknown() where nothing is
// known.
type Num float64

// Unknown is the Num of which nothing is known.
func Unknown() Num { return Num(math.NaN()) }

// Nums converts a slice; the result is not shared with v.
func Nums(v []float64) []Num {
	out := make([]Num, len(v))
	for i, x := range v {
		out[i] = Num(x)
	}
	return out
}

// Known reports whether n is a finite number.
func (n Num) Known() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

// MarshalJSON writes null for an unknown number.
func (n Num) MarshalJSON() ([]byte, error) {
	if !n.Known() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads null as unknown.
func (n *Num) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Unknown()
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

// Data is everything that a report shows: the caller has computed it, this
// package formats it. Marshalled, it is the output of `apiml report --json`.
//
// Every part may be missing (zero value): the page then says so and names the
// command that would add it. Times are UTC, the zero time is unknown. Counts
// are -1 where unknown. Strings may come from a log: nothing in them has an
// effect. Slices are shown in the order given; long ones should be cut to the
// top by the caller, with the rest summed up as "other".
type Data struct {
	Schema      string      `json:"schema"`
	ToolVersion string      `json:"tool_version"`
	Seconds     Num         `json:"seconds"`      // run time; in JSON only, so that equal input gives an equal page
	Title       string      `json:"title"`        // "" = "API traffic report"
	Source      string      `json:"source"`       // the database, as given by the user
	Now         time.Time   `json:"now,omitzero"` // the time of the report: that of the newest record, or --now
	First       time.Time   `json:"first,omitzero"`
	Last        time.Time   `json:"last,omitzero"`
	Synthetic   bool        `json:"synthetic"` // some of the records were generated
	Sections    []string    `json:"sections"`  // IDs of the sections to show, empty = all: what the others show was not collected
	Warnings    []string    `json:"warnings"`
	Inputs      []Input     `json:"inputs"`
	Overview    Overview    `json:"overview"`
	Security    Security    `json:"security"`
	Performance Performance `json:"performance"`
	Behavior    Behavior    `json:"behavior"`
	Models      []Model     `json:"models"`
	Audit       Audit       `json:"audit"`
	Config      []Setting   `json:"config"`
}

// Input is one file that was ingested. Read = Parsed + Rejected + Filtered.
type Input struct {
	Name      string    `json:"name"`
	Format    string    `json:"format"`
	Kind      string    `json:"kind"` // "http" or "flows"
	SHA256    string    `json:"sha256"`
	Size      int64     `json:"size"` // bytes, decompressed
	Read      int64     `json:"read"`
	Parsed    int64     `json:"parsed"`
	Rejected  int64     `json:"rejected"`
	Filtered  int64     `json:"filtered"`
	First     time.Time `json:"first,omitzero"`
	Last      time.Time `json:"last,omitzero"`
	Synthetic bool      `json:"synthetic"`
}

// Count is a name with a number of records.
type Count struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// Timeline is one or more series of counts on a common clock: Values[i] belongs
// to the interval that begins at Start + i·Step.
type Timeline struct {
	Start  time.Time `json:"start,omitzero"`
	Step   Num       `json:"step"` // seconds
	Series []Line    `json:"series"`
}

// Line is one series of a Timeline.
type Line struct {
	Name   string `json:"name"`
	Values []Num  `json:"values"`
}

// Overview holds the key figures. Requests = 0 means that nothing was ingested.
type Overview struct {
	Requests     int64    `json:"requests"`
	Flows        int64    `json:"flows"`
	Principals   int64    `json:"principals"`    // -1 unknown
	Templates    int64    `json:"templates"`     // -1 unknown
	BytesOut     int64    `json:"bytes_out"`     // -1 unknown
	ClientErrors int64    `json:"client_errors"` // status 4xx
	ServerErrors int64    `json:"server_errors"` // status 5xx
	PerSecond    Num      `json:"per_second"`    // mean over First … Last
	PeakPerSec   Num      `json:"peak_per_second"`
	P50          Num      `json:"p50"` // latency, seconds; unknown without latencies in the log
	P95          Num      `json:"p95"`
	P99          Num      `json:"p99"`
	Traffic      Timeline `json:"traffic"` // first series: all requests; further ones, e.g. 4xx and 5xx, drawn over it
	Status       []Count  `json:"status"`  // "200", "404", …; "0" = unknown
	Methods      []Count  `json:"methods"`

	Changes     []Comparison `json:"changes"`      // of the same figures at two times
	ChangesNote string       `json:"changes_note"` // why there are none, or which are missing
	Recent      []Incident   `json:"recent"`       // incidents of the time that Changes begins with, without evidence
	RecentCount int64        `json:"recent_count"` // all of them
	RecentSpan  string       `json:"recent_span"`  // which time that is: "the last 24 h"
}

// Comparison sets figures beside the same ones at other times.
type Comparison struct {
	Now    string      `json:"now"`    // "the last 24 h"
	Range  string      `json:"range"`  // when that is, in words
	Before []string    `json:"before"` // "the 24 h before", "the same 24 h a week before"
	Rows   []ChangeRow `json:"rows"`
}

// ChangeRow is one figure; Before is parallel to that of the Comparison.
type ChangeRow struct {
	Name      string `json:"name"`
	Unit      string `json:"unit"` // "count", "share" or "seconds"
	HighIsBad bool   `json:"high_is_bad"`
	Now       Num    `json:"now"`
	Before    []Num  `json:"before"`
}

// Security holds what the scores say. Scored = 0 means that nothing was scored.
type Security struct {
	Scored    int64        `json:"scored"`   // requests that have a score
	Flagged   int64        `json:"flagged"`  // of these above the threshold
	Labelled  int64        `json:"labelled"` // requests with known truth
	Threshold Num          `json:"threshold"`
	Model     string       `json:"model"`   // which models scored, e.g. "built-in attack, anomaly"
	Profile   string       `json:"profile"` // "frozen" or "online"
	Types     []AttackType `json:"types"`
	Timeline  Timeline     `json:"timeline"` // flagged requests, one series per class
	Incidents []Incident   `json:"incidents"`
	// IncidentCount is the number of all incidents, of which Incidents may hold
	// the top only; less than len(Incidents) counts as that.
	IncidentCount int64       `json:"incident_count"`
	Principals    []Principal `json:"principals"`
	Targets       []Target    `json:"targets"`
	Networks      []Network   `json:"networks"`
	NetworkCount  int64       `json:"network_count"` // all of them, -1 unknown
	Blocked       []Refusal   `json:"blocked"`       // requests that the server refused: "401", "403", "429", …
	BlockedTime   Timeline    `json:"blocked_time"`  // the same over time, one series per status
	Score         DailyScore  `json:"score"`
	False         FalseAlerts `json:"false_positives"`
	Rules         Rules       `json:"rules"`
}

// AttackType is one row of attack types. Unknown counts are -1.
type AttackType struct {
	Type     string `json:"type"`
	Flagged  int64  `json:"flagged"`  // by the model
	Rules    int64  `json:"rules"`    // by the rule baseline
	Labelled int64  `json:"labelled"` // in truth
}

// Incident is a group of flagged requests that belong together.
type Incident struct {
	ID          string     `json:"id"`
	Class       string     `json:"class"`
	First       time.Time  `json:"first,omitzero"`
	Last        time.Time  `json:"last,omitzero"`
	Requests    int64      `json:"requests"`
	Principals  int64      `json:"principals"`
	Principal   string     `json:"principal"`   // the one with the most requests
	Target      string     `json:"target"`      // the template hit most
	Probability Num        `json:"probability"` // the highest
	Evidence    []Evidence `json:"evidence"`
}

// Evidence points to a line of a log.
type Evidence struct {
	File    string `json:"file"`
	Line    int64  `json:"line"`
	Request string `json:"request"` // "GET /a?b=c", redacted
	Why     string `json:"why"`     // reasons or rules
}

// Refusal is a status by which the server refused requests. Unknown counts are
// -1.
type Refusal struct {
	Name    string `json:"name"`
	Count   int64  `json:"count"`
	Scored  int64  `json:"scored"`
	Flagged int64  `json:"flagged"` // of the scored
}

// Network is the traffic from one network.
type Network struct {
	Network  string `json:"network"` // "192.0.2.0/24"
	Clients  int64  `json:"clients"` // distinct addresses
	Requests int64  `json:"requests"`
	Errors   int64  `json:"errors"`  // status 4xx and 5xx
	Flagged  int64  `json:"flagged"` // -1 unknown
}

// DailyScore is the security score per day.
type DailyScore struct {
	Days  []ScoreDay `json:"days"`
	Trend Num        `json:"trend"` // points per day; unknown with fewer than three days
}

// ScoreDay is the security score of one day, from 0 to 100, and what it is made
// of. No day is perfect: 100 says that nothing was flagged.
type ScoreDay struct {
	Day      time.Time `json:"day,omitzero"`
	Scored   int64     `json:"scored"`
	Flagged  int64     `json:"flagged"`
	Through  int64     `json:"through"` // flagged requests that the server answered with 1xx to 3xx
	Score    Num       `json:"score"`
	Refused  int64     `json:"refused"` // 401, 403, 406, 429, 444; not part of the score
	Requests int64     `json:"requests"`
}

// FalseAlerts is what is known about false alerts: from labels, else from the training
// of the model.
type FalseAlerts struct {
	Benign    int64       `json:"benign"`  // scored requests that are benign by their label
	Flagged   int64       `json:"flagged"` // of these
	Low       Num         `json:"low"`     // 95 % interval of the share
	High      Num         `json:"high"`
	Classes   []FalseRow  `json:"classes"`
	Templates []FalseRow  `json:"templates"` // those with the most
	Days      []FalseDay  `json:"days"`
	Expected  Expectation `json:"expected"`
}

// FalseDay is how the scores of one day did against the labels.
type FalseDay struct {
	Day     time.Time `json:"day,omitzero"`
	Attacks int64     `json:"attacks"`
	Benign  int64     `json:"benign"`
	Hits    int64     `json:"hits"`  // attacks that were flagged
	False   int64     `json:"false"` // benign requests that were flagged
}

// FalseRow counts flagged requests with a label, by class or by template.
type FalseRow struct {
	Name    string   `json:"name"`
	Flagged int64    `json:"flagged"`
	Benign  int64    `json:"benign"`
	Example Evidence `json:"example"`
}

// Expectation is what a threshold is expected to cost, by the clean requests of
// the training, scored out of fold. Clean = 0 means that nothing is known.
type Expectation struct {
	Clean          int64    `json:"clean"` // requests behind it
	Threshold      Num      `json:"threshold"`
	RequestsPerDay Num      `json:"requests_per_day"`
	PerDay         Num      `json:"per_day"` // false alerts
	Low            Num      `json:"low"`     // 95 % interval
	High           Num      `json:"high"`
	AtLeast        bool     `json:"at_least"`  // the model keeps only the highest scores: it is this or more
	Attackers      Num      `json:"attackers"` // share of the attackers in the training that it would flag
	Budgets        []Budget `json:"budgets"`
}

// Budget is what another alert budget would take.
type Budget struct {
	PerDay       Num  `json:"per_day"` // false alerts
	Threshold    Num  `json:"threshold"`
	Attackers    Num  `json:"attackers"`    // share of the attackers in the training that are flagged at it
	Extrapolated bool `json:"extrapolated"` // beyond what the training has seen
}

// Principal is one sender of requests.
type Principal struct {
	Principal   string    `json:"principal"`
	Requests    int64     `json:"requests"`
	Flagged     int64     `json:"flagged"`
	Errors      int64     `json:"errors"` // status 4xx and 5xx
	Class       string    `json:"class"`  // most frequent attack type
	Probability Num       `json:"probability"`
	First       time.Time `json:"first,omitzero"`
	Last        time.Time `json:"last,omitzero"`
}

// Target is one template under attack.
type Target struct {
	Template    string `json:"template"`
	Requests    int64  `json:"requests"`
	Flagged     int64  `json:"flagged"`
	Class       string `json:"class"`
	Probability Num    `json:"probability"`
}

// Rules compares the models with the rule baseline on the same requests.
// Compared = 0 means that there is no comparison.
type Rules struct {
	Compared  int64          `json:"compared"`
	Both      int64          `json:"both"`
	ModelOnly int64          `json:"model_only"`
	RulesOnly int64          `json:"rules_only"`
	Labelled  int64          `json:"labelled"` // requests behind Rows: with known truth, and not seen in training
	Rows      []RuleRow      `json:"rows"`     // with labels: quality at equal alert budget
	Disagree  []Disagreement `json:"disagree"`
}

// RuleRow is the quality of one detector on labelled requests.
type RuleRow struct {
	Name      string `json:"name"` // "models", "rules"
	Alerts    int64  `json:"alerts"`
	Precision Num    `json:"precision"`
	Recall    Num    `json:"recall"`
	FPR       Num    `json:"fpr"` // share of benign requests flagged
}

// Disagreement is a request on which models and rules differ.
type Disagreement struct {
	Evidence
	Class       string `json:"class"`
	Probability Num    `json:"probability"`
	Rules       string `json:"rules"` // "" = none
}

// Performance holds templates and forecasts.
type Performance struct {
	Templates []Template `json:"templates"`
	Forecasts []Forecast `json:"forecasts"`
	Week      HeatMap    `json:"week"`  // weekday × hour
	Hours     HeatMap    `json:"hours"` // template × hour

	Concurrency Timeline   `json:"concurrency"` // requests under way on the mean, one series
	Cache       CacheRow   `json:"cache"`       // all requests whose cache status is known
	CacheMisses []CacheRow `json:"cache_misses"`

	ByTemplate Timeline      `json:"by_template"` // requests, one series per template, the last "other"
	Advice     CacheAdvice   `json:"cache_advice"`
	Capacity   ReplicaAdvice `json:"replicas"`
}

// CacheAdvice is what a cache could have done to the newest requests: chosen on
// the first part of them, replayed over the rest. Requests = 0 means that there
// is no advice; Note says why.
type CacheAdvice struct {
	Note      string           `json:"note"`
	Since     time.Time        `json:"since,omitzero"`
	Until     time.Time        `json:"until,omitzero"`
	Read      int64            `json:"read"`     // requests that were looked at, the newest of the report
	Requests  int64            `json:"requests"` // cacheable ones that it was replayed over
	Policy    string           `json:"policy"`
	Size      string           `json:"size"` // "12.5 MiB", "4,000 objects"
	HitRatio  Num              `json:"hit_ratio"`
	ByteRatio Num              `json:"byte_hit_ratio"`
	LRU       Num              `json:"lru_hit_ratio"`      // what LRU with the same lifetimes would have answered
	Observed  Num              `json:"observed_hit_ratio"` // of the cache that was there, over the requests of which the log says it …
	Simulated Num              `json:"simulated_on_observed"`
	Text      []string         `json:"text"`
	Templates []CacheCandidate `json:"templates"`
	Refused   []CacheRefusal   `json:"refused"`
	// The numbers of all templates, of which the lists may hold the first only.
	TemplateCount int64 `json:"template_count"`
	RefusedCount  int64 `json:"refused_count"`
}

// CacheCandidate is a template whose answers could be kept.
type CacheCandidate struct {
	Template string `json:"template"`
	Lifetime Num    `json:"lifetime"` // seconds
	Requests int64  `json:"requests"`
	Hits     int64  `json:"hits"`
	Stale    int64  `json:"stale"` // of Hits: written or changed since they were fetched
}

// CacheRefusal is a template that a cache should not keep, and why.
type CacheRefusal struct {
	Template string `json:"template"`
	Requests int64  `json:"requests"`
	Why      string `json:"why"`
}

// ReplicaAdvice is a schedule of replicas for the time of the forecast. Without
// Schedule, Note says why there is none.
type ReplicaAdvice struct {
	Note        string        `json:"note"`
	PerReplica  Num           `json:"per_replica"` // requests per second that one serves at full load
	Utilisation Num           `json:"utilisation"` // share of it that is to be used
	Bound       string        `json:"bound"`       // of the forecast: "hi80"
	Learned     string        `json:"learned"`     // how PerReplica is known
	Step        Num           `json:"step"`        // seconds
	Schedule    []ReplicaStep `json:"schedule"`
	// Replayed over the end of the history.
	Steps       int64 `json:"replayed"` // intervals
	Hours       Num   `json:"replica_hours"`
	NeededHours Num   `json:"needed_replica_hours"`
	StaticHours Num   `json:"static_replica_hours"` // of the fixed number that is never too small
	UnderSteps  int64 `json:"under_steps"`          // intervals above the utilisation
}

// ReplicaStep is a time with one number of replicas.
type ReplicaStep struct {
	From     time.Time `json:"from,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Replicas int64     `json:"replicas"`
	Upper    Num       `json:"upper"` // the most requests per second that it provides for
}

// CacheRow is what the cache in front did, as the log says.
type CacheRow struct {
	Template string `json:"template"` // "" = all
	Requests int64  `json:"requests"`
	Hits     int64  `json:"hits"`
	Bytes    int64  `json:"bytes"`
	HitBytes int64  `json:"hit_bytes"`
}

// HeatMap is the latency in seconds per row and hour of the day, UTC. All three
// have 24 columns per row; Requests is -1 where there were none.
type HeatMap struct {
	Rows     []string  `json:"rows"`
	Requests [][]int64 `json:"requests"`
	P50      [][]Num   `json:"p50"`
	P95      [][]Num   `json:"p95"`
}

// Template is one row of the template table. Latencies in seconds.
type Template struct {
	Template     string `json:"template"`
	Requests     int64  `json:"requests"`
	ClientErrors int64  `json:"client_errors"`
	ServerErrors int64  `json:"server_errors"`
	BytesOut     int64  `json:"bytes_out"` // -1 unknown
	P50          Num    `json:"p50"`
	P90          Num    `json:"p90"`
	P95          Num    `json:"p95"`
	P99          Num    `json:"p99"`
	TimeShare    Num    `json:"time_share"` // share of the time spent on all requests
}

// Forecast is a forecast with its backtest and the history that it is drawn
// behind.
type Forecast struct {
	Name     string        `json:"name"`    // "all requests" or a template
	History  Timeline      `json:"history"` // one series; its step is that of the forecast
	Start    time.Time     `json:"start,omitzero"`
	Step     Num           `json:"step"` // seconds
	Mean     []Num         `json:"mean"`
	Lo80     []Num         `json:"lo80"`
	Hi80     []Num         `json:"hi80"`
	Lo95     []Num         `json:"lo95"`
	Hi95     []Num         `json:"hi95"`
	Chosen   string        `json:"chosen"`
	Backtest []BacktestRow `json:"backtest"`
	Test     string        `json:"test"`  // on what the backtest was measured, one sentence
	Spike    string        `json:"spike"` // whether a spike lies ahead, and how good such warnings were: sentences
	Unusual  []Unusual     `json:"unusual"`
	Warnings []string      `json:"warnings"`
}

// Unusual is an interval of the past outside of the 95 % band that was forecast
// for it.
type Unusual struct {
	At       time.Time `json:"at,omitzero"`
	Was      Num       `json:"was"`
	Expected Num       `json:"expected"`
	Low      Num       `json:"low"`
	High     Num       `json:"high"`
}

// BacktestRow is one model's row of a backtest.
type BacktestRow struct {
	Model      string `json:"model"`
	WAPE       Num    `json:"wape"`
	MASE       Num    `json:"mase"`
	SMAPE      Num    `json:"smape"` // percent, M4
	Coverage80 Num    `json:"coverage80"`
	Coverage95 Num    `json:"coverage95"`
}

// Behavior is who comes, who moved and what is new. Range "" means that there is
// no time to compare with.
type Behavior struct {
	Kinds         []Kind     `json:"kinds"`
	Span          string     `json:"span"`      // "the last 24 h"
	Before        string     `json:"before"`    // "the 24 h before"
	Range         string     `json:"range"`     // when Span is, in words
	Now           int64      `json:"now"`       // principals in Span
	Returning     int64      `json:"returning"` // of these, those that came in Before too
	Gone          int64      `json:"gone"`      // that came in Before and not in Span
	Movements     []Movement `json:"movements"`
	Templates     []Newcomer `json:"templates"` // of Span, that did not occur at any time before
	TemplateCount int64      `json:"template_count"`
	Agents        []Newcomer `json:"agents"`
	AgentCount    int64      `json:"agent_count"`
	Profiles      Profiles   `json:"profiles"`
}

// Profiles is what the behavioral analyzer says of the principals of the newest
// requests. Principals = 0 means that there is nothing; Note says why.
type Profiles struct {
	Note          string     `json:"note"`
	Model         string     `json:"model"`     // file of the clusters, or "built-in"
	Synthetic     bool       `json:"synthetic"` // the clusters are those of generated traffic
	Since         time.Time  `json:"since,omitzero"`
	Until         time.Time  `json:"until,omitzero"`
	Requests      int64      `json:"requests"`   // that were read, the newest of the report
	Principals    int64      `json:"principals"` // with requests enough for a profile
	Few           int64      `json:"few"`        // with fewer
	Clusters      []Cluster  `json:"clusters"`   // the largest first, the outsiders last
	Outsiders     []Outsider `json:"outsiders"`  // the farthest first
	OutsiderCount int64      `json:"outsider_count"`
	Suspects      []Suspect  `json:"suspects"` // whose conduct looks like an attack, the most evidence first
	SuspectCount  int64      `json:"suspect_count"`
	Period        Num        `json:"period"` // seconds: the time is cut into such parts to see who changes cluster
	Stayed        int64      `json:"stayed"` // principals of two parts one after the other, in the same cluster
	Moved         int64      `json:"moved"`  // and in another
	Moves         []Move     `json:"moves"`
}

// Cluster is a group of principals that behave alike.
type Cluster struct {
	Name       string   `json:"name"`       // "app-like", "outsiders"
	Words      string   `json:"words"`      // what is typical of it
	Principals int64    `json:"principals"` // with a profile
	Requests   int64    `json:"requests"`
	Attackers  Num      `json:"attackers"` // share of the labelled principals that attack
	Members    []string `json:"members"`   // the most typical ones
}

// Outsider is a principal in no cluster.
type Outsider struct {
	Principal string `json:"principal"`
	Requests  int64  `json:"requests"`
	Distance  Num    `json:"distance"` // to the nearest cluster, over its radius
	Why       string `json:"why"`
}

// Suspect is a principal whose conduct as a whole looks like an attack.
type Suspect struct {
	Principal string `json:"principal"`
	Requests  int64  `json:"requests"`
	Class     string `json:"class"`
	Score     Num    `json:"score"` // evidence; 1.2 is the least that counts
	Rules     int64  `json:"rules"` // requests that broke a behaviour rule
	Why       string `json:"why"`
}

// Move is how many principals went from one cluster to another.
type Move struct {
	From       string `json:"from"`
	To         string `json:"to"`
	Principals int64  `json:"principals"`
	Example    string `json:"example"`
}

// Kind is a kind of principals.
type Kind struct {
	Kind       string `json:"kind"` // "user", "session", "client"
	Principals int64  `json:"principals"`
	Requests   int64  `json:"requests"`
	P50        Num    `json:"p50"` // requests per principal
	P99        Num    `json:"p99"`
	Most       int64  `json:"most"` // of one
	Top        int64  `json:"top"`  // requests of those with at least as many as 99 % of them
}

// Movement is how many requests a principal made at two times.
type Movement struct {
	Principal string `json:"principal"`
	Before    int64  `json:"before"`
	Now       int64  `json:"now"`
}

// Newcomer is a template or an agent that is new.
type Newcomer struct {
	Name       string    `json:"name"`
	Requests   int64     `json:"requests"`
	Errors     int64     `json:"errors"` // status 4xx and 5xx
	Principals int64     `json:"principals"`
	First      time.Time `json:"first,omitzero"`
}

// Model is one fitted model with what is known about its quality.
type Model struct {
	Name        string        `json:"name"`
	Title       string        `json:"title"`
	Algorithm   string        `json:"algorithm"`
	Role        string        `json:"role"`
	File        string        `json:"file"` // "" = built into the program
	SHA256      string        `json:"sha256"`
	Tool        string        `json:"tool"` // version that fitted it
	Schema      string        `json:"schema"`
	Seed        uint64        `json:"seed"`
	Dataset     string        `json:"dataset"` // what it was fitted on
	Synthetic   bool          `json:"synthetic"`
	Rows        int64         `json:"rows"`     // fitted on
	HeldOut     int64         `json:"held_out"` // set aside
	HoldOutRule string        `json:"hold_out_rule"`
	Protocol    string        `json:"protocol"`  // how Metrics were measured, e.g. "group-time, 5 folds"
	Evaluated   string        `json:"evaluated"` // on which rows curves and confusion were taken
	CPUSeconds  Num           `json:"cpu_seconds"`
	Metrics     []Metric      `json:"metrics"`
	Folds       []Fold        `json:"folds"`
	PerClass    []ClassRow    `json:"per_class"`
	Confusion   Confusion     `json:"confusion"`
	ROC         []Curve       `json:"roc"` // x = false-positive rate, y = true-positive rate
	PR          []Curve       `json:"pr"`  // x = recall, y = precision
	Calibration []Calibration `json:"calibration"`
	Importance  []Importance  `json:"importance"`
	Thresholds  []Setting     `json:"thresholds"`
	Findings    []Finding     `json:"findings"` // leakage audit
	Warnings    []string      `json:"warnings"`
	Drift       Drift         `json:"drift"`
	History     []Past        `json:"history"` // earlier measurements, the oldest first
}

// Drift is how far the newest requests have moved from those that the model was
// judged on. Rows = 0 means that nothing was compared; Note says why, "" = drift
// is not for this kind of model.
type Drift struct {
	Note     string    `json:"note"`
	Against  string    `json:"against"`  // "held-out rows"
	Baseline int64     `json:"baseline"` // rows
	Rows     int64     `json:"rows"`     // compared, that the model has not seen
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Columns  int64     `json:"columns"` // compared, and of these (and the scores) those …
	Large    int64     `json:"large"`   // … whose shift is large
	Moderate int64     `json:"moderate"`
	Shifts   []Shift   `json:"shifts"`   // the scores, then the columns with the largest shift
	Expected []Value   `json:"expected"` // accuracy and macro_f1 that the probabilities let expect
	Measured []Value   `json:"measured"` // the same as measured on the reference
	Notes    []string  `json:"notes"`
}

// Shift is how far one column has moved.
type Shift struct {
	Column  string `json:"column"`
	Level   string `json:"level"`   // "stable", "moderate", "large", "unknown"
	PSI     Num    `json:"psi"`     // population stability index: 0.1 is moderate, 0.25 large
	Noise   Num    `json:"noise"`   // PSI that chance alone would give
	Effect  Num    `json:"effect"`  // difference of the means in standard deviations
	KS      Num    `json:"ks"`      // largest distance of the distribution functions
	Missing Num    `json:"missing"` // difference of the shares of unknown values
}

// Past is a measurement of a model by an earlier run.
type Past struct {
	At      time.Time `json:"at,omitzero"` // when the run began; not in the report of a nightly job
	By      string    `json:"by"`          // "train", "evaluate"
	Dataset string    `json:"dataset"`
	Values  []Value   `json:"values"`
}

// Metric is one metric with its spread over the folds and its baseline.
type Metric struct {
	Name      string `json:"name"`  // "macro_f1"
	Title     string `json:"title"` // in words, "" = Name
	Mean      Num    `json:"mean"`  // over all test rows together, or the mean of the folds
	SD        Num    `json:"sd"`    // over the folds
	Baseline  Num    `json:"baseline"`
	HeldOut   Num    `json:"held_out"` // on the held-out rows
	LowIsBest bool   `json:"low_is_best"`
}

// Fold is one fold of a cross-validation.
type Fold struct {
	Name   string  `json:"name"`
	Train  int64   `json:"train"` // rows
	Test   int64   `json:"test"`
	Values []Value `json:"values"`
}

// Value is a named number.
type Value struct {
	Name  string `json:"name"`
	Value Num    `json:"value"`
}

// ClassRow is one class of a per-class table.
type ClassRow struct {
	Class     string `json:"class"`
	Rows      int64  `json:"rows"`
	Precision Num    `json:"precision"`
	Recall    Num    `json:"recall"`
	F1        Num    `json:"f1"`
}

// Confusion counts rows by true class (first index) and predicted class.
type Confusion struct {
	Labels []string  `json:"labels"`
	Counts [][]int64 `json:"counts"`
}

// Curve is a polyline in the unit square.
type Curve struct {
	Name string `json:"name"` // "none against the rest"
	Area Num    `json:"area"`
	X    []Num  `json:"x"`
	Y    []Num  `json:"y"`
}

// Calibration is one bin of predicted probabilities.
type Calibration struct {
	Predicted Num   `json:"predicted"` // mean
	Observed  Num   `json:"observed"`  // share of positives
	Rows      int64 `json:"rows"`
}

// Importance is one feature's importance.
type Importance struct {
	Feature string `json:"feature"`
	Value   Num    `json:"value"`
	SD      Num    `json:"sd"`
}

// Finding is a result of the leakage audit.
type Finding struct {
	Level string `json:"level"` // "info", "warning", "error"
	Text  string `json:"text"`
}

// Audit holds what was done with what.
type Audit struct {
	Runs       []Run    `json:"runs"`
	Rejects    []Reject `json:"rejects"`
	Redactions []Count  `json:"redactions"` // values by kind: "secret", "jwt", "pan", and the personal data in URLs: "email", "phone"
	Masked     bool     `json:"masked"`     // personal data in URLs is masked, not only counted
	Users      []User   `json:"users"`
	UserCount  int64    `json:"user_count"` // all of them
	Keep       string   `json:"keep"`       // what is kept how long, one sentence
}

// User is what one authenticated user did.
type User struct {
	User     string    `json:"user"`
	Requests int64     `json:"requests"`
	Writes   int64     `json:"writes"` // neither GET, HEAD, OPTIONS nor TRACE
	Denied   int64     `json:"denied"` // 401 and 403
	Errors   int64     `json:"errors"` // status 4xx and 5xx
	Clients  int64     `json:"clients"`
	Template string    `json:"template"` // the most frequent one
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
}

// Run is one line of the ledger.
type Run struct {
	ID      int64     `json:"id"`
	Command string    `json:"command"`
	Tool    string    `json:"tool"`
	Config  string    `json:"config"` // hash
	Started time.Time `json:"started,omitzero"`
	Seconds Num       `json:"seconds"`
	Status  string    `json:"status"`
	Counts  string    `json:"counts"` // "50,000 requests, 12 rejected"
}

// Reject is one reason for which lines were rejected.
type Reject struct {
	Reason  string   `json:"reason"`
	Count   int64    `json:"count"`
	Samples []Sample `json:"samples"`
}

// Sample is a rejected line.
type Sample struct {
	File string `json:"file"`
	Line int64  `json:"line"`
	Raw  string `json:"raw"` // redacted, shortened by the page
}

// Setting is a configuration value and where it came from.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"` // "flag", "environment", "file:line", "default"
}
