package ingest

import "strings"

// arena keeps many small strings in few allocations. Strings stay valid for
// ever; a block lives as long as one of its strings.
type arena struct{ b strings.Builder }

const arenaBlock = 64 << 10

// join returns the concatenation of parts.
func (a *arena) join(parts ...string) string {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	start := a.room(n)
	for _, p := range parts {
		a.b.WriteString(p)
	}
	return a.b.String()[start:]
}

// keep returns a copy of p as a string.
func (a *arena) keep(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	start := a.room(len(p))
	a.b.Write(p)
	return a.b.String()[start:]
}

// room makes sure that n bytes can be written without moving the block, and
// returns where they will stand.
func (a *arena) room(n int) int {
	if a.b.Cap()-a.b.Len() < n {
		a.b = strings.Builder{}
		a.b.Grow(max(n, arenaBlock))
	}
	return a.b.Len()
}
