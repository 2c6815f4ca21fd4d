package train

import (
	"encoding/json"
	"math"

	"apiml/evaluate"
	"apiml/model"
)

// Stat is a metric. Pooled is its value over all rows measured at once: the
// headline. Mean and SD are over the folds in which it is defined. On held-out
// rows there are no folds: Mean is the value itself and SD its standard error by
// a bootstrap over groups (not estimated for ece, roc_auc_ovr and the TPR at a
// given FPR). NaN = not defined, null in JSON.
type Stat struct {
	Pooled float64
	Mean   float64
	SD     float64
}

type statJSON struct {
	Mean   *float64 `json:"mean"`
	SD     *float64 `json:"sd"`
	Pooled *float64 `json:"pooled"`
}

// MarshalJSON writes {"mean":…,"sd":…,"pooled":…} with null for NaN.
func (s Stat) MarshalJSON() ([]byte, error) {
	opt := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return json.Marshal(statJSON{opt(s.Mean), opt(s.SD), opt(s.Pooled)})
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (s *Stat) UnmarshalJSON(b []byte) error {
	var j statJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	val := func(p *float64) float64 {
		if p == nil {
			return math.NaN()
		}
		return *p
	}
	*s = Stat{Mean: val(j.Mean), SD: val(j.SD), Pooled: val(j.Pooled)}
	return nil
}

// Finding is a doubt about a result.
type Finding struct {
	Level  string `json:"level"`  // "warning": the result may be too good; "info"
	What   string `json:"what"`   // "single feature", "groups across folds", …
	Detail string `json:"detail"` // one sentence with the figures
}

// FoldResult is what one fold gave. A metric that is not defined in this fold is
// not in the map.
type FoldResult struct {
	Train    int                `json:"train"` // rows fitted on
	Test     int                `json:"test"`  // rows measured
	Dropped  int                `json:"dropped"`
	Metrics  map[string]float64 `json:"metrics"`
	Baseline map[string]float64 `json:"baseline"`
}

// Share is a part of the rows with its 95 % Wilson interval.
type Share struct {
	Rows    int64             `json:"rows"`
	Flagged int64             `json:"flagged"`
	Share   float64           `json:"share"`
	CI      evaluate.Interval `json:"ci"`
}

// Distinct holds the metrics on the distinct rows alone: each of several equal
// rows (same Hash) counts once, the first. Where a data set repeats itself, a
// handful of pages can decide the figures over all rows.
type Distinct struct {
	Rows     int                `json:"rows"`
	Metrics  map[string]float64 `json:"metrics"`
	Baseline map[string]float64 `json:"baseline"` // of BaselineName
}

// Curves are thinned for storage; metrics were computed before. The key "attack"
// is every class but the benign one against it; the others are class names, one
// class against all others.
type Curves struct {
	ROC         map[string]evaluate.Curve `json:"roc,omitempty"`
	PR          map[string]evaluate.Curve `json:"pr,omitempty"`
	Calibration []evaluate.Bin            `json:"calibration,omitempty"` // of P(attack), or of the predicted class if no class is benign
}

// Importance is what a metric loses when a column is shuffled.
type Importance struct {
	Column string   `json:"column"`         // of a group the first
	With   []string `json:"with,omitempty"` // columns that say nearly the same (|rank correlation| ≥ 0.8), shuffled together with it
	Metric string   `json:"metric"`
	Drop   float64  `json:"drop"` // mean over the repeats
	SD     float64  `json:"sd"`
}

// BaseRate is a precision, by Bayes, where a share Rate of the rows are attacks.
type BaseRate struct {
	Rate      float64 `json:"rate"`
	Precision float64 `json:"precision"`
}

// ClassIntervals are 95 % intervals by a bootstrap over groups.
type ClassIntervals struct {
	Precision evaluate.Interval `json:"precision"`
	Recall    evaluate.Interval `json:"recall"`
	F1        evaluate.Interval `json:"f1"`
}

// Result is how well a model did, with its baseline on the same rows. It
// marshals to an element of models[] of `train --json` and `evaluate --json`.
type Result struct {
	Model     string       `json:"model"`
	Dataset   string       `json:"dataset"`
	Synthetic bool         `json:"synthetic,omitempty"`
	Protocol  string       `json:"protocol"` // "group-time, 5 folds, seed 1"
	Split     Split        `json:"split,omitempty"`
	Rows      int          `json:"rows"` // rows behind the metrics
	Folds     []FoldResult `json:"folds"`
	// Metrics by name; Metrics() describes the names. One that is not defined is
	// not in the map.
	Metrics map[string]Stat `json:"metrics"`
	// Baseline holds the same metrics of BaselineName on the same rows;
	// Baselines those of every baseline.
	Baseline     map[string]Stat                  `json:"baseline"`
	BaselineName string                           `json:"baseline_name"`
	Baselines    map[string]map[string]Stat       `json:"baselines"`
	PerClass     map[string]evaluate.ClassMetrics `json:"per_class"`
	// Confusion of the pooled predictions. For a detector the classes are
	// "benign" and "attack", and predicted means flagged at the alert budget.
	Confusion *evaluate.Confusion `json:"confusion"`
	// Distinct is set if more than 1 % of the rows measured repeat another.
	Distinct *Distinct `json:"distinct,omitempty"`
	// Detected says how many rows of each class are flagged at the alert budget,
	// whatever class was predicted: which attacks the model sees, and how often
	// it cries wolf. nil without labels or threshold.
	Detected   map[string]Share `json:"detected,omitempty"`
	CPUSeconds float64          `json:"cpu_seconds"`
	// Findings are the doubts of the leakage audit; Audit what its other checks
	// gave.
	Findings []Finding `json:"findings"`
	Audit    []Finding `json:"audit,omitempty"`
	// Threshold is suggested for the alert budget from out-of-fold scores of
	// clean rows (CrossValidate), or the one that was applied (Evaluate); nil if
	// there were no clean rows.
	Threshold *evaluate.Budget `json:"threshold,omitempty"`
	// Operating keeps the scores behind Threshold, for other alert budgets. Set
	// by CrossValidate where some rows are known to be benign.
	Operating  *evaluate.Operating `json:"operating,omitempty"`
	Curves     *Curves             `json:"curves,omitempty"`
	Importance []Importance        `json:"importance,omitempty"`
	// BaseRates is the precision at the alert budget where attacks are as rare as
	// in traffic; Lift what the highest scores hold.
	BaseRates []BaseRate           `json:"base_rates,omitempty"`
	Lift      []evaluate.LiftPoint `json:"lift,omitempty"`
	// Intervals are 95 % bootstrap intervals over groups of the figures of each
	// class, set on held-out rows.
	Intervals map[string]ClassIntervals `json:"class_intervals,omitempty"`
	Notes     []string                  `json:"notes"` // footnotes: what was left out, what fell back, small classes

	// Predictions behind the pooled metrics, for whoever wants to set something
	// beside them (rules, worst mistakes). Not stored.
	Predictions *Predictions `json:"-"`
}

// Predictions are the rows measured, in the order in which they were.
type Predictions struct {
	Rows    []int     // row numbers of the Problem (CrossValidate) or of the matrix (Evaluate)
	Fold    []int     // fold of each, 0 for Evaluate
	Classes []string  // what Truth and Pred index; nil without labels
	Truth   []int32   // −1 = unknown; nil without labels
	Pred    []int32   // predicted class; nil for a detector
	Proba   []float32 // row-major, len(Classes) per row; nil for a detector
	Score   []float64 // 1 − P(benign), or the detector's score; nil if no class is benign
}

// MetricInfo describes a name in Result.Metrics.
type MetricInfo struct {
	Name   string
	Title  string
	Higher bool // higher is better
	Doc    string
}

// Metrics lists the metrics of classifiers and detectors in the order in which
// they should be shown.
func Metrics() []MetricInfo {
	return []MetricInfo{
		{"macro_f1", "macro-F1", true, "mean F1 over the classes that occur in truth or prediction"},
		{"macro_precision", "macro precision", true, "mean precision over the classes that occur"},
		{"macro_recall", "macro recall", true, "mean recall over the classes that occur"},
		{"weighted_f1", "weighted F1", true, "mean F1 weighted by the rows of each class"},
		{"balanced_accuracy", "balanced accuracy", true, "mean recall over the classes"},
		{"mcc", "MCC", true, "Matthews correlation coefficient, multiclass"},
		{"accuracy", "accuracy", true, "share of rows predicted rightly: read it beside the majority baseline only"},
		{"roc_auc", "ROC-AUC", true, "attack against benign by score"},
		{"pr_auc", "PR-AUC", true, "average precision, attack against benign; its baseline is the share of attacks"},
		{"roc_auc_ovr", "ROC-AUC one-vs-rest", true, "mean over classes of each against all others"},
		{"roc_auc_micro", "ROC-AUC micro", true, "over all one-against-rest decisions at once"},
		{"pr_auc_micro", "PR-AUC micro", true, "average precision over all one-against-rest decisions at once"},
		{"pr_auc_ovr", "PR-AUC one-vs-rest", true, "mean over classes of the average precision of each against all others"},
		{"precision_at_budget", "precision at budget", true, "share of attacks among the rows flagged at the alert budget"},
		{"recall_at_budget", "recall at budget", true, "share of the attacks flagged at the alert budget"},
		{"fpr_at_budget", "false positives at budget", false, "share of the benign rows flagged at the alert budget"},
		{"tpr_at_fpr_0.01", "TPR at 1 % FPR", true, "most attacks that any threshold flags at 1 % false positives"},
		{"tpr_at_fpr_0.001", "TPR at 0.1 % FPR", true, "most attacks that any threshold flags at 0.1 % false positives"},
		{"log_loss", "log loss", false, "mean −ln P(true class)"},
		{"brier", "Brier score", false, "mean squared error of the class probabilities, 0 to 2"},
		{"ece", "ECE", false, "expected calibration error in 10 bins"},
	}
}

// Options of CrossValidate and Fit. The zero value is the default.
type Options struct {
	Folds int // 0 = 5
	// Repeats cross-validates that often on other folds (seeds Seed, Seed+1, …);
	// 0 = once. Splits without anything random are never repeated.
	Repeats int
	// Honest is the split that a random one is compared with; "" = GroupTime.
	Honest Split
	// Load returns what Save was given for a fold (numbered over the repeats) in
	// an earlier, interrupted run, nil = nothing. Save is called once per finished
	// fold. Both may be nil. The caller keeps what they store apart by everything
	// that the result depends on.
	Load func(fold int) []byte
	Save func(fold int, b []byte) error
	// Acknowledged names what the audit is not to warn about: columns.
	Acknowledged []string
	Split        Split           // "" = GroupTime
	Seed         uint64          // of folds and models
	Workers      int             // goroutines, 0 = GOMAXPROCS; never changes the result
	Config       json.RawMessage // of the model, merged over its defaults
	AlertRate    float64         // alert budget: share of the benign rows that may be flagged; 0 = 0.001
	// AuditRandom also cross-validates a sample of at most 10,000 rows on a random
	// and on a grouped split, and with shuffled labels, and reports what looks too
	// good.
	AuditRandom bool
	NoAudit     bool // look for no leak at all
	// Threshold, for Fit: what the held-out rows are measured at, from
	// CrossValidate. nil = the metrics at the budget are left out.
	Threshold *evaluate.Budget
	// Importance, for Fit and Evaluate: the number of held-out rows on which
	// permutation importance is computed; 0 = none.
	Importance int
	CPU        func() float64                      // CPU seconds of the process so far; nil = not measured
	Log        func(stage string, done, total int) // progress; calls are serialised; may be nil
}

func (o Options) withDefaults() Options {
	if o.Repeats == 0 {
		o.Repeats = 1
	}
	if o.Honest == "" {
		o.Honest = GroupTime
	}
	if o.Folds == 0 {
		o.Folds = 5
	}
	if o.Split == "" {
		o.Split = GroupTime
	}
	if o.AlertRate == 0 {
		o.AlertRate = 0.001
	}
	if o.CPU == nil {
		o.CPU = func() float64 { return 0 }
	}
	if o.Log == nil {
		o.Log = func(string, int, int) {}
	}
	return o
}

func (o Options) fitOptions(stage string) model.FitOptions {
	return model.FitOptions{Seed: o.Seed, Workers: o.Workers, Log: func(done, total int) { o.Log(stage, done, total) }}
}
