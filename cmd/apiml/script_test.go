package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"apiml/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"apiml": func() { os.Exit(realMain()) }})
}

// TestScripts runs every command of testdata/script: its streams, its exit
// code and its bad input. The command `exits N` checks a code; $SAMPLES holds
// the hand-made samples of package datasets.
func TestScripts(t *testing.T) {
	samples, err := filepath.Abs("../../datasets/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("SAMPLES", samples)
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"chop":   chop,
			"chomp":  chomp,
			"lacks":  lacks,
			"mode":   mode,
			"loosen": func(ts *testscript.TestScript, neg bool, args []string) { ts.Check(os.Chmod(ts.MkAbs(args[0]), 0o644)) },
			"hold":   hold,
			"junk":   junk,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// hold keeps a database open, in this process, until the script ends.
func hold(ts *testscript.TestScript, neg bool, args []string) {
	st, err := store.Open(context.Background(), store.Options{Path: ts.MkAbs(args[0])})
	ts.Check(err)
	ts.Defer(func() { st.Close() })
}

// exits runs `exits CODE COMMAND…` and fails unless the command leaves with
// that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if err != nil {
		e, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = e.ExitCode()
	}
	if got := strconv.Itoa(code); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// chop cuts a file down to its first half: a truncated archive.
func chop(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, b[:len(b)/2], 0o644))
}

// chomp takes the last line end from a file: one that is still being written.
func chomp(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, b[:len(b)-1], 0o644))
}

// lacks fails if a file holds one of the strings that follow it.
func lacks(ts *testscript.TestScript, neg bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, s := range args[1:] {
		if bytes.Contains(b, []byte(s)) {
			ts.Fatalf("%s holds %q", args[0], s)
		}
	}
}

// mode checks the permissions of a file, given in octal.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	fi, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", fi.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

// junk writes 64 KiB of every byte value.
func junk(ts *testscript.TestScript, neg bool, args []string) {
	b := make([]byte, 1<<16)
	for i := range b {
		b[i] = byte(i * 167 >> 3)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}
