package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"
)

// clientsLog is a log of which each line comes from another address. After the
// lines of marks it notes what the heap holds.
type clientsLog struct {
	line  int
	marks []int
	heap  []uint64
	rest  []byte
}

func (l *clientsLog) Read(b []byte) (int, error) {
	for len(l.rest) == 0 {
		if len(l.heap) == len(l.marks) {
			return 0, io.EOF
		}
		for range 500 {
			i := l.line
			l.line++
			target := fmt.Sprintf("/api/orders/%d", i*7919%100_000)
			if i%5 == 0 { // each an incident of its own
				target = fmt.Sprintf("/api/items?id=%d'%%20UNION%%20SELECT%%20password%%20FROM%%20users--%%20", i)
			}
			l.rest = fmt.Appendf(l.rest, "%d.%d.%d.%d - - [01/Jan/2026:%02d:%02d:%02d +0000] \"GET %s HTTP/1.1\" 200 512 \"-\" \"Firefox/%d.0\"\n",
				11+i>>24, i>>16&255, i>>8&255, i&255, i/100/3600, i/100/60%60, i/100%60, target, 100+i%20)
		}
		if l.line >= l.marks[len(l.heap)] {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			l.heap = append(l.heap, m.HeapAlloc)
		}
	}
	n := copy(b, l.rest)
	l.rest = append(l.rest[:0], l.rest[n:]...)
	return n, nil
}

// TestBoundedMemory: the memory of score does not grow with the number of clients
// beyond what the tables hold.
func TestBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("scores 600,000 lines")
	}
	// The second mark is where the rules' table of clients is as full as at the first.
	log := &clientsLog{marks: []int{350_000, 350_000 + 1<<18}}
	var errs bytes.Buffer
	if code := run(t.Context(), []string{"score", "-", "-q", "-o", "-", "--flagged"}, streams{log, io.Discard, &errs}, func(string) (string, bool) { return "", false }); code != 0 {
		t.Fatal(code, errs.String())
	}
	t.Logf("heap after %v clients: %d and %d MiB", log.marks, log.heap[0]>>20, log.heap[1]>>20)
	if log.heap[1] > log.heap[0]+log.heap[0]/6 || log.heap[1] > 300<<20 {
		t.Errorf("after %v clients the heap holds %v bytes", log.marks, log.heap)
	}
}
