package cache

import (
	"fmt"

	"apiml/frame"
)

// Rules say for how long what is stored may be served.
type Rules struct {
	TTL    []int64 // per key: microseconds, 0 = not at all, negative = for ever; nil = all for ever
	Writes []Write // ascending by At
	Purge  bool    // a write invalidates what is stored; otherwise it makes it stale
}

// Write says that an object changed before request At of the trace.
type Write struct {
	At  int
	Key int32
}

// Answer is what became of a request.
type Answer uint8

const (
	Missed    Answer = iota // not stored
	Fresh                   // served from the cache, as it is at the origin
	Stale                   // served from the cache, but changed since
	Refetched               // stored, but too old or invalidated: fetched again
)

// Serve sifts the hits of a replay by rules. What is too old or invalid is
// fetched again to where it lies, so that the cache holds the same with rules and
// without, and any policy's hits can be sifted. It fails on rules that do not fit
// the trace, and if there are lifetimes but no times.
func Serve(t *frame.Trace, hits []bool, r Rules) ([]Answer, error) {
	switch {
	case len(hits) != len(t.Keys):
		return nil, fmt.Errorf("cache: %d hits for %d requests", len(hits), len(t.Keys))
	case r.TTL != nil && len(r.TTL) != t.N:
		return nil, fmt.Errorf("cache: lifetimes of %d keys, the trace has %d", len(r.TTL), t.N)
	case r.TTL != nil && t.Times == nil:
		return nil, fmt.Errorf("cache: lifetimes need the times of the requests")
	}
	at := 0
	for i, w := range r.Writes {
		if w.Key < 0 || int(w.Key) >= t.N || w.At < at {
			return nil, fmt.Errorf("cache: write %d to key %d before request %d is out of range or order", i, w.Key, w.At)
		}
		at = w.At
	}
	out := make([]Answer, len(hits))
	fetched := make([]int32, t.N)
	dirty := make([]bool, t.N)
	writes := r.Writes
	for i, k := range t.Keys {
		for len(writes) > 0 && writes[0].At <= i {
			dirty[writes[0].Key] = true
			writes = writes[1:]
		}
		switch {
		case !hits[i]:
			out[i] = Missed
		case r.TTL != nil && (r.TTL[k] == 0 || r.TTL[k] > 0 && t.Times[i]-t.Times[fetched[k]] > r.TTL[k]), dirty[k] && r.Purge:
			out[i] = Refetched
		case dirty[k]:
			out[i] = Stale
			continue
		default:
			out[i] = Fresh
			continue
		}
		fetched[k], dirty[k] = int32(i), false
	}
	return out, nil
}
