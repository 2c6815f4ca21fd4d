package main

import (
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestLogFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, f := range []string{"access.log", "access.log.1", "access.log.2.gz", "access.log.10.gz", "b.log", "app-20240102.log.gz", "app-20240101.log", "app.log"} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"access.log access.log.1 access.log.2.gz access.log.10.gz", "access.log.10.gz access.log.2.gz access.log.1 access.log"},
		{"access.log*", "access.log.10.gz access.log.2.gz access.log.1 access.log"},
		{"access.log.1 b.log access.log.2.gz", "access.log.2.gz b.log access.log.1"},
		{"app.log app-20240102.log.gz app-20240101.log", "app-20240101.log app-20240102.log.gz app.log"},
		{"b.log b.log *.log", "b.log access.log app-20240101.log app.log"},
		{"- b.log", "- b.log"},
	} {
		got, err := logFiles(strings.Fields(c.args))
		if err != nil || !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %v, %v, want %s", c.args, got, err, c.want)
		}
	}
	var code *exitError
	if _, err := logFiles([]string{"none*.log"}); !errors.As(err, &code) || code.code != exitInput {
		t.Errorf("no match: %v", err)
	}
}

// TestFigureOf: an error in seconds keeps four digits, however small; shares keep
// four places.
func TestFigureOf(t *testing.T) {
	for _, c := range []struct {
		metric string
		v      float64
		want   string
	}{
		{"mae", 0.0010172, "0.001017"}, {"pinball_p95", 0.09999, "0.09999"}, {"rmse", 0.1147, "0.1147"}, {"mae", 12.5, "12.5000"}, {"mae", 0, "0.0000"},
		{"macro_f1", 0.0010172, "0.0010"}, {"mae", math.NaN(), "–"},
	} {
		if got := figureOf(c.metric, c.v); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.metric, c.v, got, c.want)
		}
	}
}
