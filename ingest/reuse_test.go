package ingest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"apiml/traffic"
)

// logFile writes n combined lines of varying length; one in a thousand is junk.
func logFile(t testing.TB, n int) string {
	rng := rand.New(rand.NewPCG(4, 4))
	var b strings.Builder
	for i := range n {
		switch {
		case rng.IntN(1000) == 0:
			fmt.Fprintf(&b, "junk password=%d\n", i)
		case rng.IntN(2000) == 0: // longer than a block
			fmt.Fprintf(&b, `192.0.2.1 - - [05/Jan/2026:10:00:00 +0000] "GET /%s HTTP/1.1" 200 5 "-" "a%d"`+"\n", strings.Repeat("x", rng.IntN(3*chunkSize)), i)
		default:
			fmt.Fprintf(&b, `192.0.2.%d - ann [05/Jan/2026:10:%02d:%02d +0000] "GET /%x?token=a%d&n=%s HTTP/1.1" 200 %d "https://shop.example/%d" "agent/%d (X11; Linux)"`+"\n",
				i%250, i/60%60, i%60, i, i, strings.Repeat("y", rng.IntN(200)), i, i%70, i%90)
		}
	}
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Memory that is used again changes nothing that is read.
func TestReuse(t *testing.T) {
	path := logFile(t, 30_000)
	for _, noRaw := range []bool{true, false} {
		var want, got []traffic.Request
		var rejects [2][]traffic.Reject
		var states [2]State
		for i, reuse := range []bool{false, true} {
			r, err := Open(path, nil, Options{NoRaw: noRaw, Hash: true, BatchSize: 700})
			if err != nil {
				t.Fatal(err)
			}
			for {
				b, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				rejects[i] = append(rejects[i], b.Rejects...)
				if !reuse {
					want = append(want, b.Requests...)
					continue
				}
				for _, q := range b.Requests {
					for _, f := range []*string{&q.Method, &q.Target, &q.Protocol, &q.Client, &q.User, &q.Referrer, &q.Agent, &q.Raw} {
						*f = strings.Clone(*f)
					}
					got = append(got, q)
				}
				for j := range b.Requests {
					b.Requests[j] = traffic.Request{Target: "used"}
				}
				r.Reuse()
			}
			states[i] = r.State()
			if reuse && len(r.used)+len(r.free) > 8 {
				t.Errorf("%d blocks", len(r.used)+len(r.free))
			}
			r.Close()
		}
		if len(want) < 29_000 || !slices.Equal(got, want) || !slices.Equal(rejects[0], rejects[1]) || states[0].SHA256 != states[1].SHA256 {
			t.Errorf("%d records, %d with memory used again", len(want), len(got))
		}
	}
}

// In the steady state reading allocates nothing per line.
func TestReuseAllocations(t *testing.T) {
	line := strings.Replace(line1, "\n", "", 1) + "\n"
	const lines = 200_000
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, []byte(strings.Repeat(line, lines)), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path, nil, Options{NoRaw: true, Hash: true, BatchSize: 1024})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var before, after runtime.MemStats
	for n := int64(0); ; {
		b, err := r.Next()
		if err != nil {
			break
		}
		r.Reuse()
		if n += b.Read; n < lines/4 {
			runtime.ReadMemStats(&before)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > lines/200 {
		t.Errorf("%d allocations for %d lines", n, lines)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d bytes allocated for %d lines", n, lines)
	}
}
