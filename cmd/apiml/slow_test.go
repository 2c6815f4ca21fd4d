package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// slowRun is `apiml score -` on a pipe that a test writes to, line by line.
type slowRun struct {
	in   *io.PipeWriter
	out  *bufio.Scanner
	errs bytes.Buffer
	code chan int
}

func startSlow(ctx context.Context, args ...string) *slowRun {
	r := &slowRun{code: make(chan int, 1)}
	inRead, inWrite := io.Pipe()
	outRead, outWrite := io.Pipe()
	r.in, r.out = inWrite, bufio.NewScanner(outRead)
	go func() {
		args := append([]string{"score", "-", "-o", "-"}, args...)
		code := run(ctx, args, streams{inRead, outWrite, &r.errs}, func(string) (string, bool) { return "", false })
		outWrite.Close()
		r.code <- code
	}()
	return r
}

func slowLine(second int, target string) string {
	return fmt.Sprintf("192.0.2.1 - - [05/Jan/2026:10:00:%02d +0000] \"GET %s HTTP/1.1\" 200 512 \"-\" \"curl/8.5.0\"\n", second, target)
}

// TestSlowInput: results of standard input come while it lasts, and nothing is
// lost or told twice.
func TestSlowInput(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, format := range []string{"jsonl", "csv"} {
		r := startSlow(t.Context(), "--wait", "50ms", "--format", format)
		want := func(text string) {
			t.Helper()
			if !r.out.Scan() || !strings.Contains(r.out.Text(), text) {
				t.Fatalf("%s: %q instead of %q", format, r.out.Text(), text)
			}
		}
		io.WriteString(r.in, slowLine(10, "/a")) // the input stays open
		if format == "csv" {
			want("file,line,time")
		}
		want("/a")
		io.WriteString(r.in, slowLine(11, "/b")+slowLine(12, "/c"))
		want("/b")
		want("/c")
		io.WriteString(r.in, slowLine(5, "/d")) // older than what is out
		if want("/d"); format == "jsonl" && !strings.Contains(r.out.Text(), `"late":true`) {
			t.Error(r.out.Text())
		}
		// Line after line, never as long as --wait without one: they come all the same.
		stop := make(chan struct{})
		wrote := make(chan int)
		go func() {
			n := 0
			for ; ; n++ {
				select {
				case <-stop:
					wrote <- n
					return
				case <-time.After(10 * time.Millisecond):
					io.WriteString(r.in, slowLine(20, "/e"))
				}
			}
		}()
		want("/e")
		close(stop)
		n := <-wrote
		io.WriteString(r.in, slowLine(59, "/f"))
		r.in.Close()
		for range n - 1 {
			want("/e")
		}
		want("/f")
		if r.out.Scan() {
			t.Errorf("one too many: %s", r.out.Text())
		}
		if code := <-r.code; code != 0 || !strings.Contains(r.errs.String(), fmt.Sprintf("%d records, ", n+5)) {
			t.Errorf("exit %d, %d lines: %s", code, n+5, r.errs.String())
		}
	}
}

// TestSlowInputWaits: without --wait what a slow input brings gives the bytes of a
// fast one.
func TestSlowInputWaits(t *testing.T) {
	t.Chdir(t.TempDir())
	lines := []string{slowLine(10, "/a"), slowLine(12, "/b"), slowLine(5, "/c"), slowLine(20, "/d?q=<script>alert(1)</script>")}
	var fast bytes.Buffer
	if code := run(t.Context(), []string{"score", "-", "-q", "-o", "-"}, streams{strings.NewReader(strings.Join(lines, "")), &fast, io.Discard}, func(string) (string, bool) { return "", false }); code != 0 {
		t.Fatal(code)
	}
	r := startSlow(t.Context(), "-q", "--wait", "0")
	go func() {
		for _, l := range lines {
			io.WriteString(r.in, l)
			time.Sleep(60 * time.Millisecond)
		}
		r.in.Close()
	}()
	var slow bytes.Buffer
	for r.out.Scan() {
		fmt.Fprintln(&slow, r.out.Text())
	}
	if <-r.code != 0 || !bytes.Equal(fast.Bytes(), slow.Bytes()) {
		t.Errorf("slow:\n%s\nfast:\n%s", slow.String(), fast.String())
	}
}

// TestSlowInputInterrupted: an input that has nothing to say holds nobody up.
func TestSlowInputInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	r := startSlow(ctx, "--wait", "10ms", "-o", "scores.jsonl")
	io.WriteString(r.in, slowLine(1, "/a"))
	if !r.out.Scan() {
		t.Fatal("nothing came")
	}
	cancel()
	if code := <-r.code; code != exitInterrupted {
		t.Errorf("exit %d: %s", code, r.errs.String())
	}
	if left, _ := os.ReadDir("."); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
