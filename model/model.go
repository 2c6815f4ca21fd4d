// Package model says what a fitted model is: the roles that it can play, the
// Spec under which the program lists it, and the portable file that holds it
// (FORMAT.md). The algorithms live below: model/forest, model/iforest, …, and
// package forecast; model/catalog lists them all; model/modeltest is the suite
// that each of them passes.
package model

import (
	"context"
	"encoding/json"

	"apiml/frame"
)

// Role says what a model predicts.
type Role string

// The roles of DESIGN.md.
const (
	RoleClassifier Role = "classifier" // class probabilities per row
	RoleRegressor  Role = "regressor"  // a number per row
	RoleDetector   Role = "detector"   // oddness in [0,1] per row, higher = odder
	RoleClusterer  Role = "clusterer"  // cluster per row, -1 = noise
	RoleForecaster Role = "forecaster" // a series ahead
	RolePolicy     Role = "policy"     // cache decisions
)

// Model is a fitted model: immutable, safe for concurrent use.
type Model interface {
	// Kind is the algorithm as stored in files: "random_forest".
	Kind() string
	// Schema names the columns that it was fitted on.
	Schema() *frame.Schema
	// Encode puts configuration and arrays into f (Header.Kind, Schema, Classes,
	// Config, Seed and the arrays). It leaves the other header fields alone.
	Encode(f *File) error
}

// Classifier predicts class probabilities.
type Classifier interface {
	Model
	Classes() []string
	// PredictProba writes P(class c | row i) to dst[(i-lo)*len(Classes())+c] for
	// the rows lo ≤ i < hi of x, whose columns must be those of Schema. dst must
	// hold (hi-lo)*len(Classes()) values. It allocates nothing per row. The
	// probabilities of a row sum to 1.
	PredictProba(dst []float32, x *frame.Matrix, lo, hi int)
	// Contributions adds what each column contributed to P(class | row) to dst
	// (length len(Schema().Columns)) and returns the probability without any
	// column (the bias): bias + sum(dst) = P(class | row).
	Contributions(dst []float64, x *frame.Matrix, row, class int) (bias float64)
}

// Detector scores how odd a row is.
type Detector interface {
	Model
	// Score writes the oddness of the rows lo ≤ i < hi of x to dst[i-lo]: in
	// [0,1], higher = odder. It allocates nothing per row.
	Score(dst []float32, x *frame.Matrix, lo, hi int)
	// Contributions adds to dst (length len(Schema().Columns)) each column's
	// share of the oddness of a row; the unit is that of the score.
	Contributions(dst []float64, x *frame.Matrix, row int)
}

// Regressor predicts a number per row.
type Regressor interface {
	Model
	// Predict writes the prediction for the rows lo ≤ i < hi of x, in the unit of
	// the target it was fitted on, to dst[i-lo]. It allocates nothing per row.
	Predict(dst []float64, x *frame.Matrix, lo, hi int)
	// Contributions adds what each column contributed to the prediction of a row
	// to dst (length len(Schema().Columns)) and returns the bias, both on the
	// scale on which the model adds up (its documentation names it).
	Contributions(dst []float64, x *frame.Matrix, row int) (bias float64)
}

// Clusterer assigns rows to the clusters that it was fitted with.
type Clusterer interface {
	Model
	// Clusters is the number of clusters.
	Clusters() int
	// Assign writes the cluster of the rows lo ≤ i < hi of x to dst[i-lo], −1 for
	// noise.
	Assign(dst []int32, x *frame.Matrix, lo, hi int)
}

// Forecaster continues a series.
type Forecaster interface {
	Model
	// Forecast writes the expected values of the len(dst) steps behind the end of
	// history, which has the step that the model was fitted on and may be longer
	// than what it was fitted on.
	Forecast(dst []float64, history frame.Series) error
}

// Policy decides what a cache keeps.
type Policy interface {
	Model
	// Simulate runs the policy over a trace with a cache of the given capacity,
	// in bytes if the trace has sizes, else in objects, and returns for each
	// access whether it was a hit.
	Simulate(trace *frame.Trace, capacity int64) []bool
}

// FitOptions are what every fit takes besides its configuration.
type FitOptions struct {
	Seed    uint64
	Workers int                   // goroutines, 0 = GOMAXPROCS; never changes the result
	Log     func(done, total int) // progress, may be nil; calls are serialised
}

// Spec is one line of the catalogue.
type Spec struct {
	Name      string   // "attack", "attack-flows"
	Aliases   []string // "attack_classifier", "random_forest"
	Groups    []string // "security", "performance" ("all" is implied)
	Title     string   // "Attack Classifier"
	Algorithm string   // "Random Forest"
	Paper     string   // "Breiman 2001"
	FileName  string   // "attack_classifier.apiml"
	Role      Role
	Input     string // "http" or "flows": the kind of records that it is fitted on
	// Default returns the default configuration, a struct that marshals to JSON
	// with its field names; nil if this version cannot fit the model yet.
	Default func() any
	// Space is what a search tries; nil = nothing to search.
	Space []Param
	// Fit fits on x. config is JSON merged over Default (nil = all defaults);
	// an unknown key is an error. Nil if this version cannot fit the model yet.
	Fit func(ctx context.Context, x *frame.Matrix, config json.RawMessage, opt FitOptions) (Model, error)
	// FitSeries and FitTrace take the place of Fit for forecasters and policies.
	FitSeries func(ctx context.Context, s frame.Series, config json.RawMessage, opt FitOptions) (Model, error)
	FitTrace  func(ctx context.Context, t *frame.Trace, config json.RawMessage, opt FitOptions) (Model, error)
}

// Available reports whether this version can fit the model.
func (s *Spec) Available() bool { return s.Fit != nil || s.FitSeries != nil || s.FitTrace != nil }
