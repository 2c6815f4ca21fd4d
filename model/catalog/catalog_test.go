package catalog

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"apiml/frame"
	"apiml/model"
	"apiml/model/forest"
	"apiml/model/iforest"
	"apiml/model/modeltest"
)

func TestModels(t *testing.T) {
	kinds := make(map[string]bool)
	for _, spec := range All() {
		// The flow models are the same code with another schema.
		if spec.Input == "flows" || kinds[spec.Algorithm] {
			continue
		}
		kinds[spec.Algorithm] = true
		t.Run(spec.Name, func(t *testing.T) { modeltest.Run(t, spec, Decode) })
	}
}

// Settings that make another kind of model, and the forest that predicts
// numbers, pass the same suite.
func TestVariants(t *testing.T) {
	attack, _ := Resolve([]string{"attack"})
	anomaly, _ := Resolve([]string{"anomaly"})
	with := func(spec model.Spec, change string) model.Spec {
		fit := spec.Fit
		defaults := spec.Default
		spec.Default = func() any {
			switch c := defaults().(type) {
			case forest.Config:
				must(t, model.MergeConfig("variant", json.RawMessage(change), &c))
				return c
			case iforest.Config:
				must(t, model.MergeConfig("variant", json.RawMessage(change), &c))
				return c
			}
			return nil
		}
		spec.Fit = func(ctx context.Context, x *frame.Matrix, config json.RawMessage, opt model.FitOptions) (model.Model, error) {
			base, err := json.Marshal(spec.Default())
			if err != nil {
				return nil, err
			}
			if len(config) > 0 { // both are objects: the later key wins
				base = append(append(base[:len(base)-1], ','), config[1:]...)
				if string(config) == "{}" {
					base = append(base[:len(base)-2], '}')
				}
			}
			return fit(ctx, x, base, opt)
		}
		return spec
	}
	regressor := model.Spec{
		Name: "regressor", Title: "Random Forest", Algorithm: "Random Forest", Paper: "Breiman 2001", FileName: "x.apiml", Role: model.RoleRegressor, Input: "http",
		Default: func() any { return forest.DefaultRegressor() },
		Fit:     fitter("regressor", forest.DefaultRegressor, forest.FitRegressor),
	}
	for name, spec := range map[string]model.Spec{
		"extra trees": with(attack[0], `{"splitter":"random","bootstrap":false,"criterion":"entropy","min_samples_leaf":4,"trees":30}`),
		"isotonic":    with(attack[0], `{"calibration":"isotonic","trees":30}`),
		"platt":       with(attack[0], `{"calibration":"platt","oob":true,"trees":30}`),
		"leaf size":   with(attack[0], `{"min_samples_leaf":3,"max_leaves":20,"trees":30}`),
		"extended":    with(anomaly[0], `{"extension":2}`),
		"regressor":   regressor,
	} {
		t.Run(name, func(t *testing.T) { modeltest.Run(t, spec, Decode) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The names that FEATURES.md promises.
func TestNames(t *testing.T) {
	want := map[string][]string{
		"forecast traffic_forecast traffic_forecaster prophet lstm":             {"forecast", "traffic_forecaster.apiml"},
		"latency latency_predictor xgboost":                                     {"latency", "latency_predictor.apiml"},
		"cache cache_optimizer reinforcement":                                   {"cache", "cache_optimizer.apiml"},
		"anomaly anomaly_detector isolation_forest":                             {"anomaly", "anomaly_detector.apiml"},
		"attack attack_classifier random_forest random-forest":                  {"attack", "attack_classifier.apiml"},
		"behavior behavioral_analyzer dbscan":                                   {"behavior", "behavioral_analyzer.apiml"},
		"attack-flows attack_flows random_forest-flows attack_classifier_flows": {"attack-flows", "attack_classifier-flows.apiml"},
		"anomaly-flows Anomaly_Detector-Flows":                                  {"anomaly-flows", "anomaly_detector-flows.apiml"},
	}
	for names, w := range want {
		for _, name := range strings.Fields(names) {
			got, err := Resolve([]string{name})
			if err != nil || len(got) != 1 || got[0].Name != w[0] || got[0].FileName != w[1] {
				t.Errorf("Resolve(%q) = %v, %v", name, got, err)
			}
		}
	}
}

func TestResolve(t *testing.T) {
	for _, c := range []struct{ names, want string }{
		{"", ""},
		{"security", "anomaly attack behavior"},
		{"performance", "forecast latency cache"},
		{"all", "forecast latency cache anomaly attack behavior"},
		{"security-flows", "anomaly-flows attack-flows"},
		{"all all-flows", "forecast latency cache anomaly attack behavior anomaly-flows attack-flows"},
		{"dbscan attack random_forest security", "anomaly attack behavior"},
		{"PERFORMANCE", "forecast latency cache"},
	} {
		specs, err := Resolve(strings.Fields(c.names))
		var got []string
		for _, s := range specs {
			got = append(got, s.Name)
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("Resolve(%q) = %v, %v", c.names, got, err)
		}
	}
}

func TestResolveUnknown(t *testing.T) {
	for name, want := range map[string]string{
		"atack":          `unknown model "atack", did you mean "attack"? (models: forecast, latency, cache, anomaly, attack, behavior, anomaly-flows, attack-flows; groups: security, performance, all)`,
		"randomforest":   `did you mean "random_forest"?`,
		"anomoly_flows":  `did you mean "anomaly-flows"?`,
		"forecast-flows": `unknown model "forecast-flows" (models:`,
		"svm":            `unknown model "svm" (models:`,
		"":               `unknown model "" (models:`,
		"a\x1b[31mb":     `unknown model "a\x1b[31mb"`,
	} {
		_, err := Resolve([]string{"attack", name})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Resolve(%q): %v, expected %q", name, err, want)
		}
	}
}

// No spelling stands for two models, and what cannot be fitted says so in both
// fields.
func TestTable(t *testing.T) {
	owner := make(map[string]string)
	files := make(map[string]bool)
	for _, spec := range All() {
		for _, s := range append([]string{spec.Name}, spec.Aliases...) {
			if c := canonical(s); owner[c] != "" {
				t.Errorf("%q stands for %s and %s", s, owner[c], spec.Name)
			} else {
				owner[c] = spec.Name
			}
		}
		if (spec.Default == nil) == spec.Available() {
			t.Errorf("%s: only one of Default and Fit", spec.Name)
		}
		if files[spec.FileName] || !strings.HasSuffix(spec.FileName, ".apiml") || spec.Title == "" || spec.Algorithm == "" || spec.Paper == "" {
			t.Errorf("%s: incomplete: %+v", spec.Name, spec)
		}
		files[spec.FileName] = true
		if !slices.Contains([]string{"http", "flows"}, spec.Input) {
			t.Errorf("%s: input %q", spec.Name, spec.Input)
		}
	}
}

func TestDecodeUnknown(t *testing.T) {
	_, err := Decode(&model.File{Header: model.Header{Kind: "oracle"}})
	if err == nil || !strings.Contains(err.Error(), `no model of kind "oracle"`) {
		t.Errorf("error %v", err)
	}
}
