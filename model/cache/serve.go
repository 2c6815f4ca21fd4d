package cache

import (
	"fmt"

	"apiml/frame"
)

// Rules say for how long what is stored may be served. Objects that change
// together, such as a page under several queries, are one resource.
type Rules struct {
	TTL      []int64 // per key: microseconds, 0 = not at all, negative = for ever; nil = all for ever
	Resource []int32 // per key: its resource; nil = the key
	Writes   []Write // ascending by At
	Purge    bool    // a write invalidates what is stored; otherwise it makes it stale
}

// Write says that a resource changed before request At of the trace.
type Write struct {
	At       int
	Resource int32
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
	resources := t.N
	if r.Resource != nil {
		if len(r.Resource) != t.N {
			return nil, fmt.Errorf("cache: resources of %d keys, the trace has %d", len(r.Resource), t.N)
		}
		resources = 0
		for _, v := range r.Resource {
			if v < 0 {
				return nil, fmt.Errorf("cache: resource %d", v)
			}
			resources = max(resources, int(v)+1)
		}
	}
	at := 0
	for i, w := range r.Writes {
		if w.Resource < 0 || int(w.Resource) >= resources || w.At < at {
			return nil, fmt.Errorf("cache: write %d to resource %d before request %d is out of range or order", i, w.Resource, w.At)
		}
		at = w.At
	}
	out := make([]Answer, len(hits))
	fetched := make([]int32, t.N)
	written := make([]int, resources) // the last write came before this request
	writes := r.Writes
	for i, k := range t.Keys {
		for len(writes) > 0 && writes[0].At <= i {
			written[writes[0].Resource] = writes[0].At
			writes = writes[1:]
		}
		resource := k
		if r.Resource != nil {
			resource = r.Resource[k]
		}
		dirty := written[resource] > int(fetched[k])
		switch {
		case !hits[i]:
			out[i] = Missed
		case r.TTL != nil && (r.TTL[k] == 0 || r.TTL[k] > 0 && t.Times[i]-t.Times[fetched[k]] > r.TTL[k]), dirty && r.Purge:
			out[i] = Refetched
		case dirty:
			out[i] = Stale
			continue
		default:
			out[i] = Fresh
			continue
		}
		fetched[k] = int32(i)
	}
	return out, nil
}
