package store_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"apiml/store"
	"apiml/traffic"
)

// TestPrune: old records and those of a principal go, in the tables and in the
// bytes of the file; the inputs and the rest stay.
func TestPrune(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.duckdb")
	s, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	batch := &traffic.Batch{}
	for i := range 100 {
		r := traffic.Request{File: "a.log", Line: int64(i + 1), Time: start.AddDate(0, 0, i).UnixMicro(), Method: "GET", Target: "/x", Status: 200, Client: "192.0.2.1", Agent: "curl", Latency: -1, BytesIn: -1, BytesOut: -1}
		if i%10 == 0 {
			r.User, r.Target = "ann", "/ann-was-here"
		}
		batch.Requests = append(batch.Requests, r)
	}
	batch.Rejects = []traffic.Reject{{File: "a.log", Line: 101, Reason: "odd", Raw: "by ann"}, {File: "a.log", Line: 102, Reason: "odd", Raw: "by bob"}}
	batch.Read = 102
	done := false
	_, err = s.Ingest(t.Context(), store.Input{Name: "a.log", Format: "combined", Kind: store.KindHTTP, SHA256: "00"}, func() (*traffic.Batch, error) {
		if done {
			return nil, io.EOF
		}
		done = true
		return batch, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	dry, err := s.Prune(t.Context(), start.AddDate(0, 0, 50).UnixMicro(), "user:ann", true)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Prune(t.Context(), start.AddDate(0, 0, 50).UnixMicro(), "user:ann", false)
	if err != nil {
		t.Fatal(err)
	}
	if p.Requests != 55 || p.Rejects != 1 || dry.Requests != 60 {
		t.Errorf("pruned %+v, dry %+v", p, dry)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Compact(t.Context(), store.Options{Path: path}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("ann-was-here")) || bytes.Contains(b, []byte("by ann")) {
		t.Error("the file still holds what was deleted")
	}
	if s, err = store.Open(t.Context(), store.Options{Path: path, ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n, inputs := 0, 0
	if err := s.ScanRequests(t.Context(), store.Filter{}, func(rs []traffic.Request) error { n += len(rs); return nil }); err != nil {
		t.Fatal(err)
	}
	ins, err := s.Inputs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	inputs = len(ins)
	if n != 45 || inputs != 1 || ins[0].Read != 102 {
		t.Errorf("%d requests and %d inputs left: %+v", n, inputs, ins)
	}
}
