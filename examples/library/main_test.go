package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var first, second bytes.Buffer
	if err := run(t.Context(), &first, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"macro-F1", "sql_injection", "1000 rows"} {
		if !strings.Contains(first.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, first.String())
		}
	}
	if err := run(t.Context(), &second, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Errorf("two runs differ:\n%s\n%s", first.String(), second.String())
	}
}

// TestNoCgo holds what the README promises: the model builds without cgo, and
// so without DuckDB.
func TestNoCgo(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if !strings.Contains(string(out), "apiml/model/forest\n") {
		t.Fatalf("go list says nothing of apiml/model/forest:\n%s", out)
	}
	for _, p := range strings.Fields(string(out)) {
		if p == "runtime/cgo" || p == "apiml/store" || strings.Contains(p, "go-duckdb") {
			t.Errorf("examples/library depends on %s", p)
		}
	}
}
