package forest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"apiml/frame"
	"apiml/internal/qualitytest"
	"apiml/model"
)

// TestQuality holds the forests against scikit-learn's on the same rows: over
// five seeds the mean of macro-F1 (classes) or R² (numbers) on rows not seen is
// at least the reference's mean less one standard deviation. The fixture holds
// metrics only; testdata/quality.py makes it from what this test writes with
// FOREST_DUMP=DIR.
func TestQuality(t *testing.T) {
	if testing.Short() {
		t.Skip("figures, not races")
	}
	b, err := os.ReadFile(filepath.Join("testdata", "quality.json"))
	if err != nil {
		t.Fatal(err)
	}
	var fixture struct {
		Results map[string]struct {
			Rows    int       `json:"rows"`
			Columns int       `json:"columns"`
			Score   []float64 `json:"score"`
		} `json:"results"`
	}
	if err := json.Unmarshal(b, &fixture); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("FOREST_DUMP"); dir != "" {
		for name, get := range qualitytest.Tasks() {
			qualitytest.Dump(t, dir, name, get(t))
		}
	}
	for name, get := range qualitytest.Tasks() {
		t.Run(name, func(t *testing.T) {
			k := get(t)
			want, ok := fixture.Results[name]
			if !ok {
				t.Fatal("not in the fixture: run testdata/quality.py")
			}
			if want.Rows != k.X.N || want.Columns != len(k.X.Cols) {
				t.Fatalf("%d rows of %d columns, the fixture was made with %d of %d", k.X.N, len(k.X.Cols), want.Rows, want.Columns)
			}
			train, test := k.X.Select(span(0, k.Fit)), k.X.Select(span(k.Fit, k.X.N))
			var got []float64
			for seed := range uint64(5) {
				got = append(got, measure(t, k, train, test, seed))
			}
			t.Logf("%d rows: %.4f ± %.4f, scikit-learn %.4f ± %.4f", k.X.N, mean(got), sd(got), mean(want.Score), sd(want.Score))
			if mean(got) < mean(want.Score)-sd(want.Score) {
				t.Errorf("%.4f is below %.4f - %.4f", mean(got), mean(want.Score), sd(want.Score))
			}
		})
	}
}

// measure fits with scikit-learn's defaults and scores the test rows.
func measure(t *testing.T, k qualitytest.Task, train, test *frame.Matrix, seed uint64) float64 {
	if k.X.Target != nil {
		c := DefaultRegressor()
		c.Categorical = k.Categorical
		f, err := FitRegressor(t.Context(), train, c, model.FitOptions{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		pred := make([]float64, test.N)
		f.Predict(pred, test, 0, test.N)
		return determination(pred, test.Target)
	}
	c := Default()
	c.ClassWeight, c.Categorical = "none", k.Categorical
	return macroF1(proba(fit(t, train, c, seed), test), test.Class, len(test.Classes))
}
