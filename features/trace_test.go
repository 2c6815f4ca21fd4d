package features

import (
	"math"
	"slices"
	"testing"

	"apiml/traffic"
)

func TestTraceBuilder(t *testing.T) {
	req := func(method, host, target string, status int32, bytes int64, cache string) traffic.Request {
		return traffic.Request{Time: 1, Method: method, Host: host, Target: target, Status: status, BytesOut: bytes, Cache: cache}
	}
	reqs := []traffic.Request{
		req("GET", "a", "/x", 200, 100, "MISS"),
		req("GET", "a", "/x", 304, 0, "HIT"),      // last known size
		req("HEAD", "a", "/x", 200, 7, ""),        // so here
		req("GET", "b", "/x", 304, 0, "-"),        // nothing known
		req("POST", "a", "/x", 200, 5, "HIT"),     // not cacheable
		req("GET", "a", "/x", 404, 5, ""),         // not cacheable
		req("GET", "a", "/x?q=1", 206, 30, "HIT"), // the query belongs to the key
		req("GET", "a", "/x?q=1", 206, 20, "BYPASS"),
		req("GET", "a", "/x?q=1", 200, -1, ""), // not logged
		req("GET", "", "/x", 200, math.MaxInt32+1, "whatever"),
		req("GET", "ab", "c", 200, 1, ""),
		req("GET", "a", "bc", 200, 2, ""), // not the same
		req("GET", "a", "", 200, 2, ""),   // no target
	}
	b := NewTraceBuilder()
	b.Add(reqs[:4])
	b.Add(reqs[4:])
	tr, names := b.Trace()
	if err := tr.Check(); err != nil {
		t.Fatal(err)
	}
	if want := []int32{0, 0, 0, 1, 2, 2, 2, 3, 4, 5}; !slices.Equal(tr.Keys, want) {
		t.Errorf("keys %v, want %v", tr.Keys, want)
	}
	if want := []int32{100, 100, 100, 0, 30, 30, 30, math.MaxInt32, 1, 2}; !slices.Equal(tr.Sizes, want) {
		t.Errorf("sizes %v, want %v", tr.Sizes, want)
	}
	var got []string
	for k := range tr.N {
		got = append(got, names(int32(k)), b.Target(int32(k)))
	}
	if want := []string{"a/x", "/x", "b/x", "/x", "a/x?q=1", "/x?q=1", "/x", "/x", "abc", "c", "abc", "bc"}; !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	s := b.Stats()
	if want := (TraceStats{Requests: 13, Used: 10, Other: 3, Logged: 4, Hits: 2}); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
	if s.ObservedHitRatio() != 0.5 {
		t.Errorf("observed %v", s.ObservedHitRatio())
	}
	if tr.Times == nil {
		t.Error("the times are lost")
	}
	b.Add([]traffic.Request{{Time: traffic.NoTime, Method: "GET", Target: "/", Status: 200}})
	if tr, _ := b.Trace(); tr.Times != nil || len(tr.Keys) != 11 {
		t.Error("times with a request that has none")
	}
}

func TestTraceLimits(t *testing.T) {
	b := NewTraceBuilder()
	tr, _ := b.Trace()
	if tr.N != 0 || len(tr.Keys) != 0 || !math.IsNaN(b.Stats().ObservedHitRatio()) {
		t.Errorf("empty: %+v", tr)
	}
	b.maxKeys, b.maxRequests = 2, 4
	for _, target := range []string{"/1", "/2", "/3", "/1", "/2", "/1"} {
		b.Add([]traffic.Request{{Method: "GET", Target: target, Status: 200}})
	}
	if s := b.Stats(); s.Used != 4 || s.Left != 2 || s.Requests != s.Used+s.Left+s.Other {
		t.Errorf("%+v", s)
	}
	b = NewTraceBuilder()
	b.maxNames = 5
	for _, target := range []string{"/1", "/toolong", "/2", "/1"} {
		b.Add([]traffic.Request{{Method: "GET", Target: target, Status: 200}})
	}
	if s := b.Stats(); s.Used != 2 || s.Left != 2 {
		t.Errorf("%+v", s)
	}
}

// The strings of a batch may be released: the builder must not hold on to them.
func TestTraceCopies(t *testing.T) {
	buf := []byte("/first")
	b := NewTraceBuilder()
	b.Add([]traffic.Request{{Method: "GET", Target: string(buf), Status: 200}})
	copy(buf, "/other")
	if _, names := b.Trace(); names(0) != "/first" {
		t.Errorf("name %q", names(0))
	}
}

func TestCacheHit(t *testing.T) {
	for s, want := range map[string][2]bool{
		"HIT": {true, true}, "Hit": {true, true}, "TCP_MEM_HIT": {true, true}, "RefreshHit": {true, true}, "HIT-STALE": {true, true},
		"STALE": {true, true}, "UPDATING": {true, true}, "REVALIDATED": {true, true},
		"MISS": {false, true}, "TCP_MISS": {false, true}, "EXPIRED": {false, true}, "BYPASS": {false, true}, "dynamic": {false, true}, "PASS": {false, true},
		"": {}, "-": {}, "nonsense": {},
	} {
		if hit, known := cacheHit(s); hit != want[0] || known != want[1] {
			t.Errorf("%q: %v, %v", s, hit, known)
		}
	}
}

func BenchmarkTraceBuilder(b *testing.B) {
	reqs := make([]traffic.Request, 4096)
	for i := range reqs {
		reqs[i] = traffic.Request{Method: "GET", Host: "api.example.com", Target: "/items/" + string(rune('a'+i*i%26)) + "?page=1", Status: 200, BytesOut: 100}
	}
	b.ReportAllocs()
	for b.Loop() {
		t := NewTraceBuilder()
		t.Add(reqs)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(reqs)), "ns/request")
}

// Writes to the path of what was asked for, whatever its query, that succeeded.
func TestTraceWrites(t *testing.T) {
	b := NewTraceBuilder()
	b.Add([]traffic.Request{
		{Method: "POST", Target: "/a", Status: 200, Host: "h"}, // nobody asked for it before
		{Method: "GET", Target: "/a?x=1", Status: 200, Host: "h", Latency: 0.5},
		{Method: "GET", Target: "/a?x=2", Status: 200, Host: "h", Latency: -1},
		{Method: "GET", Target: "/b", Status: 200, Host: "h"},
		{Method: "PUT", Target: "/a", Status: 204, Host: "h"},
		{Method: "PUT", Target: "/a", Status: 403, Host: "h"},
		{Method: "OPTIONS", Target: "/a", Status: 200, Host: "h"},
		{Method: "PUT", Target: "/a", Status: 204, Host: "other"},
		{Method: "DELETE", Target: "/b?now", Status: 200, Host: "h"},
	})
	writes, resource := b.Writes()
	if want := []TraceWrite{{3, 0}, {3, 1}}; !slices.Equal(writes, want) {
		t.Errorf("writes %v, want %v", writes, want)
	}
	if want := []int32{0, 0, 1}; !slices.Equal(resource, want) {
		t.Errorf("resources %v", resource)
	}
	if s := b.Seconds(); len(s) != 3 || s[0] != 0.5 || s[1] >= 0 {
		t.Errorf("seconds %v", s)
	}
}
