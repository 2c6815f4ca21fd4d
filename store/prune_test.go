package store_test

import (
	"bytes"
	"fmt"
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
	ingestBatch(t, s, batch)
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

// TestPruneNames: a reject goes if it names the principal, and not if it names
// somebody whose name holds that one's.
func TestPruneNames(t *testing.T) {
	lines := []string{
		0:  "192.0.2.1 - - broken",
		1:  "192.0.2.10 - - broken",
		2:  `{"peer":"192.0.2.1:443"}`,
		3:  "from 192.0.2.1.",
		4:  "10.192.0.2.1 - - broken",
		5:  "1192.0.2.1",
		6:  "GET /?ip=%20192.0.2.1",
		7:  "::ffff:192.0.2.1 - -",
		8:  "2001:db8::1 - -",
		9:  "2001:DB8::1",
		10: "2001:db8::12 - -",
		11: "[2001:db8::1]:443",
		12: "by ann",
		13: "joanna, annual",
		14: "/users/ann?x=%22ann%22",
		15: `\x22ann\x22`,
		16: "ännchen änn",
		17: "192.0.2.7 - - broken by curl/8.5.0",
		18: "ann smith",
		19: "192.0.2.1\x00binary \xff",
		20: "192x0y2z1",
	}
	for _, c := range []struct {
		principal string
		rejects   string
		requests  int64
	}{
		{"client:192.0.2.1", "[0 2 3 6 7 19]", 2},
		{"client:192.0.2.1 curl/8", "[]", 1},
		{"client:192.0.2.7 curl/8.5.0", "[17]", 0},
		{"client:192.0.2.7 wget", "[]", 0},
		{"client:2001:db8::1", "[8 9 11]", 0},
		{"user:ann", "[12 14 15 18]", 1},
		{"user:ann smith", "[18]", 1},
		{"user:änn", "[16]", 0},
		{"session:192", "[0 1 2 3 4 6 7 17 19]", 0},
	} {
		s, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "p.duckdb")})
		if err != nil {
			t.Fatal(err)
		}
		request := func(line int64, client, user, agent string) traffic.Request {
			return traffic.Request{File: "a.log", Line: line, Time: 1, Method: "GET", Target: "/x", Status: 200, Client: client, User: user, Agent: agent, Latency: -1, BytesIn: -1, BytesOut: -1}
		}
		batch := &traffic.Batch{Requests: []traffic.Request{request(101, "192.0.2.1", "", "curl/8"), request(102, "192.0.2.1", "", "wget"), request(103, "192.0.2.10", "", "wget"),
			request(104, "192.0.2.9", "ann", ""), request(105, "192.0.2.9", "ann smith", "")}}
		for i, raw := range lines {
			batch.Rejects = append(batch.Rejects, traffic.Reject{File: "a.log", Line: int64(i), Reason: "odd", Raw: raw})
		}
		batch.Read = int64(len(batch.Requests) + len(lines))
		ingestBatch(t, s, batch)
		p, err := s.Prune(t.Context(), traffic.NoTime, c.principal, false)
		if err != nil {
			t.Fatal(err)
		}
		left := map[int64]bool{}
		reasons, err := s.Rejects(t.Context(), len(lines))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range reasons {
			for _, x := range r.Samples {
				left[x.Line] = true
			}
		}
		gone := []int{}
		for i := range lines {
			if !left[int64(i)] {
				gone = append(gone, i)
			}
		}
		if fmt.Sprint(gone) != c.rejects || p.Requests != c.requests || p.Rejects != int64(len(gone)) {
			t.Errorf("%s: rejects %v of %+v, want %s and %d requests", c.principal, gone, p, c.rejects, c.requests)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// ingestBatch stores one batch as the input a.log.
func ingestBatch(t *testing.T, s *store.Store, batch *traffic.Batch) {
	t.Helper()
	done := false
	_, err := s.Ingest(t.Context(), store.Input{Name: "a.log", Format: "combined", Kind: store.KindHTTP, SHA256: "00"}, func() (*traffic.Batch, error) {
		if done {
			return nil, io.EOF
		}
		done = true
		return batch, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
