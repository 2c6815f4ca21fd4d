package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDiskFull ingests into a file system of 12 MiB until it is full, makes
// room, and runs again. It needs the right to mount one.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	mount := func(opts string) error {
		out, err := exec.Command("mount", "-t", "tmpfs", "-o", opts, "tmpfs", dir).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := mount("size=12m"); err != nil {
		t.Skip("no tmpfs can be mounted here: ", err)
	}
	defer exec.Command("umount", "-l", dir).Run()
	logs := t.TempDir()
	small, large := filepath.Join(logs, "small.log"), filepath.Join(logs, "large.log")
	line := func(i int) string {
		return fmt.Sprintf(`192.0.%d.%d - - [05/Jan/2026:10:%02d:%02d +0000] "GET /api/%x HTTP/1.1" 200 512 "-" "curl/8.5.0 %d"`+"\n", i%200, i%91, i/60%60, i%60, i*7919, i*104729)
	}
	var b strings.Builder
	for i := range 200_000 {
		b.WriteString(line(i))
		if i == 1000 {
			os.WriteFile(small, []byte(b.String()), 0o600)
			b.Reset()
		}
	}
	os.WriteFile(large, []byte(b.String()), 0o600)
	db, whole := filepath.Join(dir, "a.duckdb"), filepath.Join(logs, "whole.duckdb")
	run := func(want int, db string) string {
		t.Helper()
		c := exec.Command(os.Args[0], "ingest", "--db", db, small, large)
		c.Args[0] = "apiml"
		out, err := c.CombinedOutput()
		code := 0
		if err != nil {
			code = c.ProcessState.ExitCode()
		}
		if code != want {
			t.Fatalf("exit %d, want %d: %s", code, want, out)
		}
		return string(out)
	}
	run(0, whole)
	if said := run(exitFailed, db); !strings.Contains(said, "the disk is full") || strings.Count(said, "apiml:") != 1 {
		t.Errorf("no clear line: %s", said)
	}
	if n := strings.Count(contents(t, db), "GET"); n != 1001 {
		t.Errorf("%d requests are kept, want the 1001 of the first file", n)
	}
	if err := mount("remount,size=200m"); err != nil {
		t.Skip(err)
	}
	if said := run(0, db); !strings.Contains(said, "small.log: known already") {
		t.Errorf("the first file is read again: %s", said)
	}
	if contents(t, db) != contents(t, whole) {
		t.Error("the store differs from that of a run with room")
	}
}
