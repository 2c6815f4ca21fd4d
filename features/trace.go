package features

import (
	"hash/fnv"
	"io"
	"math"
	"strings"

	"apiml/frame"
	"apiml/traffic"
)

// Limits of a TraceBuilder. What is beyond them is left out and counted: a
// trace takes at most MaxTraceRequests·37 bytes (2.3 GiB) for requests and writes and
// MaxTraceNames bytes and about 80·MaxTraceKeys for objects.
const (
	MaxTraceRequests = 64 << 20  // requests
	MaxTraceKeys     = 8 << 20   // distinct objects
	MaxTraceNames    = 512 << 20 // bytes of their names together
)

// TraceBuilder makes a cache trace of requests: what a shared cache in front of
// the servers would have been asked for. GET and HEAD with status 200, 206 or
// 304 count; an object is a host with a target as sent, query included. The
// zero value is not valid, see NewTraceBuilder. It is not safe for concurrent
// use.
//
// The size of an object is the number of bytes sent for it. What does not tell
// the size takes the one known last, 0 if there is none: 304 and HEAD have no
// body, a 206 is a part (a larger part than known counts), and some logs do not
// say. Sizes beyond 2 GiB are cut.
type TraceBuilder struct {
	trace     frame.Trace
	number    map[string]int32
	name      []string // host, a zero byte, target
	host      []int32  // length of the host, per key
	last      []int32  // size known last, per key
	nameBytes int64
	timeless  bool // a request had no time
	seconds   []float32
	observed  []int8
	resource  []int32          // per key: host and path without the query
	resources map[uint64]int32 // by hash; two that collide are written together
	writes    []TraceWrite
	stats     TraceStats

	maxRequests, maxKeys, maxNames int // the limits; tests lower them
}

// TraceWrite is a request that changes a resource, sent before request At of the
// trace.
type TraceWrite struct {
	At       int
	Resource int32
}

// TraceStats says what became of the requests given to Add: Requests = Used +
// Other + Left.
type TraceStats struct {
	Requests int64 // seen
	Used     int64 // in the trace
	Other    int64 // not cacheable: other methods and statuses
	Left     int64 // beyond the limits
	Logged   int64 // in the trace, and the log says what its cache did
	Hits     int64 // of Logged: answered by the cache
}

// ObservedHitRatio is the share of hits among the requests of which the log says
// whether they were; NaN if it says so of none.
func (s TraceStats) ObservedHitRatio() float64 {
	if s.Logged == 0 {
		return math.NaN()
	}
	return float64(s.Hits) / float64(s.Logged)
}

// NewTraceBuilder returns an empty builder.
func NewTraceBuilder() *TraceBuilder {
	return &TraceBuilder{number: map[string]int32{}, resources: map[uint64]int32{}, maxRequests: MaxTraceRequests, maxKeys: MaxTraceKeys, maxNames: MaxTraceNames}
}

// Add appends requests, which must come in the order of time (as
// store.ScanRequests and Reorder give them). It keeps none of their strings.
func (b *TraceBuilder) Add(reqs []traffic.Request) {
	var buf []byte
	for i := range reqs {
		r := &reqs[i]
		b.stats.Requests++
		if !Cacheable(r) {
			b.stats.Other++
			b.write(r)
			continue
		}
		if len(b.trace.Keys) >= b.maxRequests {
			b.stats.Left++
			continue
		}
		// The zero byte keeps "a" + "b/c" apart from "ab" + "/c".
		buf = append(append(append(buf[:0], r.Host...), 0), r.Target...)
		k, known := b.number[string(buf)]
		if !known {
			if len(b.name) >= b.maxKeys || b.nameBytes+int64(len(buf)) > int64(b.maxNames) {
				b.stats.Left++
				continue
			}
			k = int32(len(b.name))
			name := string(buf)
			b.number[name] = k
			b.name = append(b.name, name)
			b.host = append(b.host, int32(len(r.Host)))
			b.last = append(b.last, 0)
			h := resourceHash(r)
			res, ok := b.resources[h]
			if !ok {
				res = int32(len(b.resources))
				b.resources[h] = res
			}
			b.resource = append(b.resource, res)
			b.nameBytes += int64(len(name))
		}
		if size := int32(min(r.BytesOut, math.MaxInt32)); r.Method == "GET" && (r.Status == 200 && size >= 0 || r.Status == 206 && size > b.last[k]) {
			b.last[k] = size
		}
		b.trace.Keys = append(b.trace.Keys, k)
		b.trace.Sizes = append(b.trace.Sizes, b.last[k])
		if !r.HasTime() {
			b.timeless = true
		}
		b.trace.Times = append(b.trace.Times, r.Time)
		b.seconds = append(b.seconds, float32(max(r.Latency, -1)))
		b.stats.Used++
		observed := int8(-1)
		if hit, known := cacheHit(r.Cache); known {
			b.stats.Logged++
			if observed = 0; hit {
				b.stats.Hits++
				observed = 1
			}
		}
		b.observed = append(b.observed, observed)
	}
}

// write notes that a resource of the trace was written: POST, PUT, PATCH or
// DELETE of its path, answered with a status from 200 to 399.
func (b *TraceBuilder) write(r *traffic.Request) {
	switch r.Method {
	case "POST", "PUT", "PATCH", "DELETE":
	default:
		return
	}
	if r.Status < 200 || r.Status >= 400 || len(b.writes) >= b.maxRequests {
		return
	}
	if res, ok := b.resources[resourceHash(r)]; ok {
		b.writes = append(b.writes, TraceWrite{len(b.trace.Keys), res})
	}
}

func resourceHash(r *traffic.Request) uint64 {
	h := fnv.New64a()
	io.WriteString(h, r.Host)
	h.Write([]byte{0})
	io.WriteString(h, r.Path())
	return h.Sum64()
}

// Writes returns the writes to what the trace had asked for before, ascending,
// and the resource of each key: all queries of a path are one.
func (b *TraceBuilder) Writes() (writes []TraceWrite, resource []int32) {
	return b.writes, b.resource
}

// Observed says of each request of the trace what the log tells of the cache that
// was there: 1 it answered, 0 it did not, −1 unknown. It belongs to the builder.
func (b *TraceBuilder) Observed() []int8 { return b.observed }

// Seconds is how long each request of the trace took, negative if unknown.
func (b *TraceBuilder) Seconds() []float32 { return b.seconds }

// Trace returns the trace so far and the names of its keys, host and target;
// both share memory with b, which is not to be used any more. Times is nil if a
// request had none.
func (b *TraceBuilder) Trace() (t *frame.Trace, names func(key int32) string) {
	out := b.trace
	out.N = len(b.name)
	if b.timeless {
		out.Times = nil
	}
	return &out, func(key int32) string { return b.name[key][:b.host[key]] + b.Target(key) }
}

// Target returns the target of a key of the trace, without its host.
func (b *TraceBuilder) Target(key int32) string {
	return b.name[key][b.host[key]+1:]
}

// Stats says what became of the requests so far.
func (b *TraceBuilder) Stats() TraceStats { return b.stats }

// Cacheable reports whether a request would go through a cache trace: GET and
// HEAD with status 200, 206 or 304.
func Cacheable(r *traffic.Request) bool {
	return (r.Method == "GET" || r.Method == "HEAD") && (r.Status == 200 || r.Status == 206 || r.Status == 304) && r.Target != ""
}

// cacheHit reads a logged cache status as servers and CDNs write it: NGINX
// (HIT, MISS, EXPIRED, STALE, UPDATING, REVALIDATED, BYPASS), Squid and Akamai
// (TCP_MEM_HIT, TCP_MISS), CloudFront (Hit, RefreshHit, Miss), Fastly (HIT-STALE,
// PASS), Cloudflare (hit, dynamic). A hit is what the cache answered with its
// own copy, stale or revalidated; whatever went to the server in full is none.
func cacheHit(s string) (hit, known bool) {
	if s == "" || s == "-" || len(s) > 64 {
		return false, false
	}
	u := strings.ToUpper(s)
	switch {
	case strings.Contains(u, "MISS"), u == "EXPIRED", u == "BYPASS", u == "PASS", u == "DYNAMIC":
		return false, true
	case strings.Contains(u, "HIT"), u == "STALE", u == "UPDATING", u == "REVALIDATED":
		return true, true
	}
	return false, false
}
