package store

import (
	"context"
	"reflect"
	"testing"
)

// TestDigest: every aggregate that a digest serves says the same with it.
func TestDigest(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	scored(t, s)
	tl, err := s.Timeline(ctx, 60e6, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	all := func(f Filter) map[string]any {
		out := map[string]any{}
		put := func(name string, err error, v ...any) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			out[name] = v
		}
		sum, err := s.Summary(ctx, f)
		put("summary", err, sum)
		tt, err := s.TopTemplates(ctx, 5, f)
		put("templates", err, tt)
		names, counts, other, err := s.TemplateTimeline(ctx, tl, 4, f)
		put("template timeline", err, names, counts, other)
		for _, n := range []int{3, 1000} {
			p, err := s.TopPrincipals(ctx, n, f)
			put("principals", err, p)
		}
		targets, err := s.TopTargets(ctx, 5, f)
		put("targets", err, targets)
		inc, err := s.Incidents(ctx, 5, f)
		put("incidents", err, inc)
		ev, err := s.Evidence(ctx, []string{"i1", "i2", "nosuch"}, 3, f)
		put("evidence", err, ev)
		if len(ev["i1"]) != 3 || ev["i1"][0].Reasons == "" {
			t.Errorf("evidence %+v", ev["i1"])
		}
		rules, err := s.CompareRules(ctx, 10, f)
		put("rules", err, rules)
		classes, where, err := s.FalsePositives(ctx, 5, f)
		put("false positives", err, classes, where)
		nets, n, err := s.Networks(ctx, 5, f)
		put("networks", err, nets, n)
		heat, err := s.LatencyByTemplate(ctx, 4, f)
		put("latency", err, heat)
		kinds, err := s.Kinds(ctx, f)
		put("kinds", err, kinds)
		cache, misses, err := s.CacheStats(ctx, 5, f)
		put("cache", err, cache, misses)
		news, k, err := s.Newcomers(ctx, "template", 5, Filter{Since: 1e15 + 300e6})
		put("newcomers", err, news, k)
		return out
	}
	for _, f := range []Filter{{}, {Since: 1e15 + 100e6, Until: 1e15 + 400e6}} {
		want := all(f)
		if err := s.Digest(ctx, f); err != nil {
			t.Fatal(err)
		}
		got := all(f)
		for name := range want {
			if !reflect.DeepEqual(got[name], want[name]) {
				t.Errorf("%+v: %s with a digest: %+v\nwithout: %+v", f, name, got[name], want[name])
			}
		}
		// Of another filter it knows nothing.
		other := all(Filter{Since: 1e15 + 200e6})
		s.DropDigest()
		if !reflect.DeepEqual(other, all(Filter{Since: 1e15 + 200e6})) {
			t.Errorf("%+v: a digest changes what other filters say", f)
		}
	}
}
