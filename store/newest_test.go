package store

import (
	"context"
	"slices"
	"testing"

	"apiml/traffic"
)

// TestNewest: the part of the newest n requests, within a filter or not, and all of
// the time of the oldest of these.
func TestNewest(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	reqs, _ := scored(t, s)
	for _, f := range []Filter{{}, {Since: 1e15 + 100e6}, {Since: 1e15 + 100e6, Until: 1e15 + 400e6}} {
		var times []int64
		for _, q := range reqs {
			if q.Time != traffic.NoTime && q.Time >= f.Since && (f.Until == 0 || q.Time < f.Until) {
				times = append(times, q.Time)
			}
		}
		slices.Sort(times)
		for _, n := range []int{1, 7, 500, len(times) - 1, len(times), 5000} {
			got, err := s.Newest(ctx, int64(n), f)
			if err != nil {
				t.Fatal(err)
			}
			want := f
			if n < len(times) {
				want.Since = times[len(times)-n]
			}
			if got != want {
				t.Errorf("the newest %d of %d within %+v: %+v, want %+v", n, len(times), f, got, want)
			}
		}
	}
}

// TestTemplateTimeline: the templates and the rest add up to all requests.
func TestTemplateTimeline(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	reqs, _ := scored(t, s)
	tl, err := s.Timeline(ctx, 60e6, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	names, counts, other, err := s.TemplateTimeline(ctx, tl, 3, Filter{})
	if err != nil || len(names) != 3 || len(counts) != 3 {
		t.Fatalf("%q, %v", names, err)
	}
	want := map[string]int64{}
	for _, q := range reqs {
		want[traffic.Template(q.Method, q.Target)]++ // those without a time too: they count in the ranking
	}
	top, err := s.TopTemplates(ctx, 3, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range names {
		if n != top[i].Template {
			t.Errorf("template %d is %q, want %q", i, n, top[i].Template)
		}
		sum := int64(0)
		for _, v := range counts[i] {
			sum += v
		}
		if sum == 0 || sum > want[n] {
			t.Errorf("%q: %d over time, want at most %d", n, sum, want[n])
		}
	}
	for b, all := range tl.Requests {
		if counts[0][b]+counts[1][b]+counts[2][b]+other[b] != all || other[b] < 0 {
			t.Errorf("interval %d: %d + %d + %d + %d, want %d", b, counts[0][b], counts[1][b], counts[2][b], other[b], all)
		}
	}
	if names, _, _, err := s.TemplateTimeline(ctx, Timeline{Step: 1}, 3, Filter{}); err != nil || names != nil {
		t.Errorf("without intervals: %q, %v", names, err)
	}
}
