package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestResultsScript: a section that is run takes its own place in the file and
// leaves the others, however long they are; names that do not exist are refused.
func TestResultsScript(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash")
	}
	dir := t.TempDir()
	program, out := filepath.Join(dir, "apiml"), filepath.Join(dir, "results.md")
	fake := "#!/bin/sh\n[ \"$1\" = version ] && echo apiml 0 && exit\nwhile [ ${i:-0} -lt 4000 ]; do i=$((i + 1)); echo \"$SAYS $i $*\"; done\n"
	if err := os.WriteFile(program, []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(says string, sections ...string) (string, error) {
		c := exec.Command("bash", append([]string{"../../docs/results.sh", program}, sections...)...)
		c.Env = append(os.Environ(), "APIML_DATASETS="+dir, "OUT="+out, "SAYS="+says)
		b, err := c.CombinedOutput()
		return string(b), err
	}
	for _, step := range []struct{ says, section string }{{"first", "builtin"}, {"first", "csic"}, {"first", "tune"}, {"second", "builtin"}} {
		if said, err := run(step.says, step.section); err != nil {
			t.Fatalf("%s: %v: %s", step.section, err, said)
		}
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, line := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(line, "<!-- section ") {
			parts = append(parts, line)
		}
	}
	if got := strings.Join(parts, ""); got != "<!-- section csic --><!-- section builtin --><!-- section tune -->" {
		t.Errorf("sections %s", got)
	}
	if bytes.Count(b, []byte("# Results\n")) != 1 || bytes.Count(b, []byte("first 4000 ")) != 5 || bytes.Count(b, []byte("second 4000 ")) != 3 || bytes.Contains(b, []byte(dir)) {
		t.Errorf("%d, %d, %d", bytes.Count(b, []byte("# Results\n")), bytes.Count(b, []byte("first 4000 ")), bytes.Count(b, []byte("second 4000 ")))
	}
	if said, err := run("x", "csic", "nothing"); err == nil || !strings.Contains(said, "no section nothing") {
		t.Errorf("an unknown section: %v, %s", err, said)
	}
}
