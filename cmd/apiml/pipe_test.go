package main

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"
)

// closedPipe takes a few bytes, then says what a pipe without a reader says.
type closedPipe struct{ left int }

func (p *closedPipe) Write(b []byte) (int, error) {
	if p.left -= len(b); p.left < 0 {
		return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
	}
	return len(b), nil
}

// TestClosedPipe: a reader that has seen enough is no failure, and the files
// beside it are complete.
func TestClosedPipe(t *testing.T) {
	t.Chdir(t.TempDir())
	none := func(string) (string, bool) { return "", false }
	exec := func(out *closedPipe, args ...string) (int, string) {
		var stderr bytes.Buffer
		code := run(t.Context(), args, streams{strings.NewReader(""), out, &stderr}, none)
		return code, stderr.String()
	}
	cli(t, nil, "generate", "--requests", "3000", "-o", "t.csv", "-q")
	for _, args := range [][]string{
		{"score", "t.csv", "-o", "left.jsonl", "-o", "-"},
		{"score", "t.csv", "-o", "-"},
		{"generate", "--requests", "20000"},
		{"datasets", "show", "cicids2017"},
	} {
		if code, text := exec(&closedPipe{100}, args...); code != 0 {
			t.Errorf("apiml %s: exit %d\n%s", strings.Join(args, " "), code, text)
		}
	}
	b, err := os.ReadFile("left.jsonl")
	if err != nil || bytes.Count(b, []byte("\n")) != 3000 {
		t.Errorf("the file beside the pipe holds %d lines, %v", bytes.Count(b, []byte("\n")), err)
	}
	if left, _ := os.ReadDir("."); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}
