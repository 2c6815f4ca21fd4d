package main

import (
	"slices"
	"testing"

	"apiml/frame"
)

// What counts as a change of an answer: a size that the last four had not, but not a
// smaller one that the next answer does not confirm, as when a client goes away; and
// what lies behind the cut confirms nothing before it.
func TestChangeOfAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int32
		cut   int
		want  []int32
	}{
		{"the same", []int32{9, 9, 9}, 3, []int32{1, 1, 1}},
		{"larger", []int32{9, 10, 10}, 3, []int32{1, 2, 2}},
		{"smaller for good", []int32{9, 8, 8}, 3, []int32{1, 2, 2}},
		{"every time another", []int32{9, 8, 7, 6}, 4, []int32{1, 2, 3, 3}},
		{"a client goes away", []int32{9, 4, 9, 9}, 4, []int32{1, 1, 1, 1}},
		{"the last client goes away", []int32{9, 9, 4}, 3, []int32{1, 1, 1}},
		{"compressed and plain", []int32{9, 4, 9, 4, 9}, 5, []int32{1, 1, 1, 1, 1}},
		{"unknown sizes", []int32{9, 0, 0, 9}, 4, []int32{1, 1, 1, 1}},
		{"confirmed behind the cut", []int32{9, 8, 8, 8}, 2, []int32{1, 1, 2, 2}},
	} {
		whole := &frame.Trace{N: 1, Keys: make([]int32, len(c.sizes)), Sizes: c.sizes}
		p := &cachePlan{in: &cacheInput{trace: whole}, group: []int32{0}, allowed: []bool{true}}
		p.restrict(c.cut)
		if !slices.Equal(p.version, c.want) {
			t.Errorf("%s: versions %v, want %v", c.name, p.version, c.want)
		}
	}
}
