// Package catalog lists the models that apiml has: under which names the
// command line knows them, in which file each is kept, how it is fitted and
// how its file is decoded. Whoever adds a model writes its package and adds
// one line to All and, for a new kind, one to Decode.
package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"apiml/forecast"
	"apiml/model"
	"apiml/model/boost"
	"apiml/model/cache"
	"apiml/model/dbscan"
	"apiml/model/forest"
	"apiml/model/iforest"
)

// All lists the models in the order of tables and help.
func All() []model.Spec {
	return []model.Spec{
		{
			Name: "forecast", Aliases: []string{"traffic_forecast", "traffic_forecaster", "prophet", "lstm"}, Groups: []string{"performance"},
			Title: "Traffic Forecaster", Algorithm: "additive model, LSTM, exponential smoothing, ridge regression, combined", Paper: "Taylor & Letham 2018; Hochreiter & Schmidhuber 1997; Hyndman et al. 2008; Bates & Granger 1969",
			FileName: "traffic_forecaster.apiml", Role: model.RoleForecaster, Input: "http",
			Default: func() any { return forecast.Default() },
			Space: []model.Param{
				{Name: "changepoint_prior_scale", Lo: 0.001, Hi: 0.5, Log: true}, {Name: "n_changepoints", Lo: 5, Hi: 50, Int: true},
				{Name: "seasonality_prior_scale", Lo: 0.1, Hi: 30, Log: true}, {Name: "seasonality_mode", Values: []any{"additive", "multiplicative"}},
				{Name: "growth", Values: []any{"linear", "flat"}}, {Name: "ar_order", Values: []any{0, 6, 12, 24, 48}},
			},
			FitSeries: fitter("forecast", forecast.Default, forecast.Fit),
		},
		{
			Name: "latency", Aliases: []string{"latency_predictor", "xgboost"}, Groups: []string{"performance"},
			Title: "Latency Predictor", Algorithm: "boosted trees", Paper: "Chen & Guestrin 2016",
			FileName: "latency_predictor.apiml", Role: model.RoleRegressor, Input: "http",
			Default: func() any { return boost.Default() },
			Space: []model.Param{
				{Name: "learning_rate", Lo: 0.03, Hi: 0.3, Log: true}, {Name: "max_depth", Lo: 3, Hi: 10, Int: true},
				{Name: "min_child_weight", Lo: 1, Hi: 200, Log: true}, {Name: "subsample", Lo: 0.4, Hi: 1},
				{Name: "colsample_bytree", Lo: 0.4, Hi: 1}, {Name: "lambda", Lo: 0.1, Hi: 30, Log: true},
			},
			Fit: fitter("latency", boost.Default, boost.Fit),
		},
		{
			Name: "cache", Aliases: []string{"cache_optimizer", "reinforcement"}, Groups: []string{"performance"},
			Title: "Cache Optimizer", Algorithm: "online learning over expert policies", Paper: "Gramacy et al. 2002; Herbster & Warmuth 1998; LeCaR: Vietri et al. 2018",
			FileName: "cache_optimizer.apiml", Role: model.RolePolicy, Input: "http",
			Default: func() any { return cache.Default() },
			Space: []model.Param{
				{Name: "learning_rate", Lo: 0.05, Hi: 1, Log: true}, {Name: "epoch", Lo: 0.03, Hi: 1, Log: true}, {Name: "share", Lo: 0.001, Hi: 0.2, Log: true},
			},
			FitTrace: fitter("cache", cache.Default, cache.Fit),
		},
		detector("anomaly", "Anomaly Detector", "anomaly_detector.apiml", "http", "anomaly_detector", "isolation_forest"),
		classifier("attack", "Attack Classifier", "attack_classifier.apiml", "http", forest.Default, "attack_classifier", "random_forest"),
		{
			Name: "behavior", Aliases: []string{"behavioral_analyzer", "dbscan"}, Groups: []string{"security"},
			Title: "Behavioral Analyzer", Algorithm: "HDBSCAN, DBSCAN", Paper: "Campello et al. 2013; Ester et al. 1996",
			FileName: "behavioral_analyzer.apiml", Role: model.RoleClusterer, Input: "http",
			Default: func() any { return behavior() },
			Space: []model.Param{
				{Name: "min_samples", Lo: 4, Hi: 60, Log: true, Int: true}, {Name: "min_cluster_size", Lo: 0, Hi: 60, Int: true},
				{Name: "metric", Values: []any{"euclidean", "manhattan"}},
			},
			Fit: fitter("behavior", behavior, dbscan.Fit),
		},
		detector("anomaly-flows", "Anomaly Detector (flows)", "anomaly_detector-flows.apiml", "flows", "anomaly_detector-flows", "isolation_forest-flows"),
		classifier("attack-flows", "Attack Classifier (flows)", "attack_classifier-flows.apiml", "flows", flowForest, "attack_classifier-flows", "random_forest-flows"),
	}
}

// behavior is the clustering of principals: kinds of clients differ in density,
// and one eps that keeps the sparse ones lets the dense ones grow together.
func behavior() dbscan.Config {
	c := dbscan.Default()
	c.Algorithm = dbscan.HDBSCAN
	return c
}

// flowForest is the configuration for network flows, chosen by inner folds of
// CIC-IDS2017 (RATIONALE.md). Many columns say nearly the same, so that more of
// them are tried at a node than usual; classes of 20 rows lose too much by a
// bootstrap, and are heard at a node only with a weight, and the trees differ by
// the benign flows that each of them sees.
func flowForest() forest.Config {
	c := forest.Default()
	c.Trees, c.MaxFeatures, c.Bootstrap, c.MajorityShare = 30, "25", false, 0.22
	c.ClassWeight, c.Criterion = "balanced", "entropy"
	return c
}

func classifier(name, title, file, input string, defaults func() forest.Config, aliases ...string) model.Spec {
	return model.Spec{
		Name: name, Aliases: aliases, Groups: []string{"security"}, Title: title, Algorithm: "Random Forest", Paper: "Breiman 2001",
		FileName: file, Role: model.RoleClassifier, Input: input,
		Default: func() any { return defaults() },
		Space: []model.Param{
			{Name: "trees", Lo: 40, Hi: 200, Log: true, Int: true}, {Name: "criterion", Values: []any{"gini", "entropy"}},
			{Name: "max_features", Values: []any{"log2", "sqrt", "0.2", "0.33", "0.5"}}, {Name: "min_samples_leaf", Lo: 1, Hi: 12, Log: true, Int: true},
			{Name: "max_depth", Values: []any{0, 0, 12, 20}}, {Name: "class_weight", Values: []any{"none", "balanced", "balanced_subsample"}},
			{Name: "bootstrap", Values: []any{true, false}}, {Name: "majority_share", Values: []any{0.15, 0.3, 0.6, 1}},
		},
		Fit: fitter(name, defaults, forest.Fit),
	}
}

func detector(name, title, file, input string, aliases ...string) model.Spec {
	return model.Spec{
		Name: name, Aliases: aliases, Groups: []string{"security"}, Title: title, Algorithm: "Isolation Forest", Paper: "Liu, Ting & Zhou 2008",
		FileName: file, Role: model.RoleDetector, Input: input,
		Default: func() any { return iforest.Default() },
		Space: []model.Param{
			{Name: "trees", Lo: 50, Hi: 400, Log: true, Int: true}, {Name: "sample_size", Lo: 64, Hi: 4096, Log: true, Int: true}, {Name: "extension", Values: []any{0, 0, 1, 3}},
		},
		Fit: fitter(name, iforest.Default, iforest.Fit),
	}
}

// fitter joins a model's defaults with its Fit: the configuration is merged over
// the defaults.
func fitter[X, C any, M model.Model](name string, defaults func() C, fit func(context.Context, X, C, model.FitOptions) (M, error)) func(context.Context, X, json.RawMessage, model.FitOptions) (model.Model, error) {
	return func(ctx context.Context, x X, config json.RawMessage, opt model.FitOptions) (model.Model, error) {
		c := defaults()
		if err := model.MergeConfig(name, config, &c); err != nil {
			return nil, err
		}
		return orNil(fit(ctx, x, c, opt))
	}
}

// orNil keeps a nil pointer from becoming a model that is not nil.
func orNil[M model.Model](m M, err error) (model.Model, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Decode makes the model that f holds. It checks all of it: a model that was
// decoded without error can be used on any rows of its schema.
func Decode(f *model.File) (model.Model, error) {
	switch f.Header.Kind {
	case forest.Kind:
		return orNil(forest.Decode(f))
	case forest.KindRegressor:
		return orNil(forest.DecodeRegressor(f))
	case iforest.Kind:
		return orNil(iforest.Decode(f))
	case boost.Kind:
		return orNil(boost.Decode(f))
	case boost.KindClassifier:
		return orNil(boost.DecodeClassifier(f))
	case dbscan.Kind:
		return orNil(dbscan.Decode(f))
	case cache.Kind:
		return orNil(cache.Decode(f))
	case forecast.Kind:
		return orNil(forecast.Decode(f))
	}
	return nil, fmt.Errorf("model file: this apiml knows no model of kind %q; update apiml or train again", f.Header.Kind)
}

// Resolve turns what the user wrote into models, each once, in the order of
// All. It takes names, aliases, the groups "security", "performance" and "all"
// (which stand for the models of HTTP requests), and each of these with the
// suffix "-flows" for the models of network flows. Case and the difference of
// '_' and '-' do not matter. No names at all are no models. An unknown name is
// an error that lists the known ones.
func Resolve(names []string) ([]model.Spec, error) {
	all := All()
	chosen := make([]bool, len(all))
	for _, name := range names {
		found := false
		for i, spec := range all {
			if matches(&spec, name) {
				chosen[i], found = true, true
			}
		}
		if !found {
			return nil, unknown(all, name)
		}
	}
	var out []model.Spec
	for i, spec := range all {
		if chosen[i] {
			out = append(out, spec)
		}
	}
	return out, nil
}

// canonical makes equal what may be written in different ways.
func canonical(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-")
}

func matches(spec *model.Spec, name string) bool {
	name = canonical(name)
	return slices.ContainsFunc(spellings(spec), func(s string) bool { return canonical(s) == name })
}

// spellings are all names that stand for a model, groups included.
func spellings(spec *model.Spec) []string {
	suffix := ""
	if spec.Input == "flows" {
		suffix = "-flows"
	}
	out := append([]string{spec.Name}, spec.Aliases...)
	for _, g := range append([]string{"all"}, spec.Groups...) {
		out = append(out, g+suffix)
	}
	return out
}

func unknown(all []model.Spec, name string) error {
	var names []string
	near, best := "", min(3, len(name)/2+1) // at most two typing errors, fewer in short names
	for _, spec := range all {
		names = append(names, spec.Name)
		for _, s := range spellings(&spec) {
			if d := distance(canonical(name), canonical(s)); d < best {
				near, best = s, d
			}
		}
	}
	hint := ""
	if near != "" {
		hint = fmt.Sprintf(", did you mean %q?", near)
	}
	return fmt.Errorf("unknown model %q%s (models: %s; groups: security, performance, all)", name, hint, strings.Join(names, ", "))
}

// distance is the number of letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := min(row[j]+1, row[j+1]+1)
			if a[i] == b[j] {
				next = min(next, diagonal)
			} else {
				next = min(next, diagonal+1)
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
