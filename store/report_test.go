package store

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"apiml/traffic"
)

// TestReportQueries recomputes what the report asks for from the records.
func TestReportQueries(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	reqs, scores := scored(t, s)
	for _, f := range []Filter{{}, {Since: 1e15 + 100e6, Until: 1e15 + 400e6}} {
		in := func(us int64) bool { return f == Filter{} || us != traffic.NoTime && us >= f.Since && us < f.Until }
		days, err := s.Days(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		var got, want Day
		for _, d := range days {
			got.Requests, got.Refused, got.Errors4xx, got.Errors5xx = got.Requests+d.Requests, got.Refused+d.Refused, got.Errors4xx+d.Errors4xx, got.Errors5xx+d.Errors5xx
			got.Scored, got.Flagged, got.Through = got.Scored+d.Scored, got.Flagged+d.Flagged, got.Through+d.Through
			if d.Start%dayMicros != 0 {
				t.Errorf("a day begins at %s", time.UnixMicro(d.Start))
			}
		}
		cells := map[[2]int]int64{}
		nets := map[string]int64{}
		users := map[string]int64{}
		for _, q := range reqs {
			if in(q.Time) {
				nets[q.Client]++
				if q.User != "" {
					users[q.User]++
				}
			}
			if q.Time == traffic.NoTime || !in(q.Time) {
				continue
			}
			at := time.UnixMicro(q.Time).UTC()
			cells[[2]int{(int(at.Weekday()) + 6) % 7, at.Hour()}]++
			want.Requests++
			if slices.Contains(RefusedStatuses(), q.Status) {
				want.Refused++
			}
			if q.Status >= 400 && q.Status < 500 {
				want.Errors4xx++
			}
			if q.Status >= 500 && q.Status < 600 {
				want.Errors5xx++
			}
		}
		benign := map[string]int64{}
		flagged := int64(0)
		for _, v := range scores {
			if in(v.Time) && v.Flagged {
				flagged++
				if v.Label == traffic.None {
					benign[v.Class]++
				}
			}
			if v.Time == traffic.NoTime || !in(v.Time) {
				continue
			}
			want.Scored++
			if v.Flagged {
				want.Flagged++
				if v.Status >= 100 && v.Status < 400 {
					want.Through++
				}
			}
		}
		if got != want {
			t.Errorf("days sum up to %+v, want %+v", got, want)
		}

		week, err := s.LatencyByWeek(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range week {
			if k := [2]int{c.Weekday, c.Hour}; cells[k] != c.Requests || c.P50 > c.P95 || math.IsNaN(c.P95) {
				t.Errorf("cell %+v, want %d requests", c, cells[k])
			} else {
				delete(cells, k)
			}
		}
		if len(cells) > 0 {
			t.Errorf("cells left out: %v", cells)
		}
		byTemplate, err := s.LatencyByTemplate(ctx, 3, f)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, c := range byTemplate {
			names[c.Template] = true
		}
		if len(names) != 3 {
			t.Errorf("latency of %d templates, want 3", len(names))
		}

		refused, err := s.RefusedMix(ctx, f)
		if err != nil || len(refused) != 0 { // the statuses of the sample hold none
			t.Errorf("refused %v, %v", refused, err)
		}

		net, all, err := s.Networks(ctx, 5, f)
		if err != nil {
			t.Fatal(err)
		}
		if all != 1 || len(net) != 1 || net[0].Network != "10.0.0.0/24" || net[0].Clients != int64(len(nets)) || net[0].Flagged != flagged {
			t.Errorf("networks %+v of %d, want one with %d clients and %d flagged", net, all, len(nets), flagged)
		}

		classes, templates, err := s.FalsePositives(ctx, 1000, f)
		if err != nil {
			t.Fatal(err)
		}
		sum, sumT := int64(0), int64(0)
		for _, c := range classes {
			if c.Benign != benign[c.Class] || c.Flagged != c.Benign+c.Attacks {
				t.Errorf("false positives %+v, want %d", c, benign[c.Class])
			}
			sum += c.Benign
		}
		for _, c := range templates {
			sumT += c.Benign
			if c.File != "log" || c.Line == 0 || c.Target == "" {
				t.Errorf("no example in %+v", c)
			}
		}
		if sum != sumT {
			t.Errorf("%d false positives by class, %d by template", sum, sumT)
		}

		ev, err := s.Evidence(ctx, []string{"i3", "i4", "nosuch"}, 4, f)
		if err != nil {
			t.Fatal(err)
		}
		if len(ev) != 2 || len(ev["i3"]) != 4 || !slices.IsSortedFunc(ev["i3"], func(a, b Score) int {
			switch {
			case a.Probability > b.Probability:
				return -1
			case a.Probability < b.Probability:
				return 1
			}
			return 0
		}) {
			t.Errorf("evidence %+v", ev)
		}
		list, n, err := s.Users(ctx, 5, f)
		if err != nil || int64(len(users)) != n || len(list) != min(5, len(users)) {
			t.Errorf("%d users in %v, %v; want %d", n, list, err, len(users))
		}
	}
}

// TestNetworks covers what the sample has not: IPv6, proxies, users, refusals.
func TestNetworks(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	at := int64(1_767_600_000_000_000) // 2026-01-05, a Monday
	b := &traffic.Batch{}
	for i, q := range []traffic.Request{
		{Client: "2001:db8:1:2::1", Status: 401, User: "eve", Method: "POST"}, {Client: "2001:db8:1:ffff::9", Status: 403, User: "eve", Method: "GET"},
		{Client: "::ffff:192.0.2.7", Status: 200}, {Client: "192.0.2.8", Status: 444},
		{Client: "10.0.0.1", Forwarded: "203.0.113.5, 10.0.0.1", Status: 429, User: "bob", Method: "DELETE"}, {Client: "unix:", Status: 200},
	} {
		q.File, q.Line, q.Time, q.Target, q.Latency = "log", int64(i+1), at+int64(i)*1e6, "/a/1", -1
		b.Requests = append(b.Requests, q)
	}
	mustIngest(t, s, "log", b)
	net, all, err := s.Networks(ctx, 10, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Network{
		{"192.0.2.0/24", 2, 2, 1, 0}, {"2001:db8:1::/48", 2, 2, 2, 0}, {"203.0.113.0/24", 1, 1, 1, 0}, {"unix:", 1, 1, 0, 0},
	}
	if all != 4 || !slices.Equal(net, want) {
		t.Errorf("networks %+v of %d, want %+v", net, all, want)
	}
	refused, err := s.RefusedMix(ctx, Filter{})
	if err != nil || !slices.Equal(refused, []Refused{{401, 1, 0, 0}, {403, 1, 0, 0}, {429, 1, 0, 0}, {444, 1, 0, 0}}) {
		t.Errorf("refused %+v, %v", refused, err)
	}
	tl, err := s.Timeline(ctx, 2e6, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	over, err := s.RefusedTimeline(ctx, tl, Filter{})
	if err != nil || !slices.Equal(over[401], []int64{1, 0, 0}) || !slices.Equal(over[429], []int64{0, 0, 1}) || over[406] != nil {
		t.Errorf("refused over time %v, %v", over, err)
	}
	users, n, err := s.Users(ctx, 1, Filter{})
	if err != nil || n != 2 || len(users) != 1 || users[0] != (UserStat{"eve", 2, 1, 2, 2, 2, at, at + 1e6, users[0].Template}) {
		t.Errorf("users %+v of %d, %v", users, n, err)
	}
}

func TestBehaviorQueries(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	at := int64(1_767_600_000_000_000)
	b := &traffic.Batch{}
	add := func(second int64, user, target, agent string, status int32) {
		b.Requests = append(b.Requests, traffic.Request{File: "log", Line: int64(len(b.Requests) + 1), Time: at + second*1e6, Method: "GET", Target: target, User: user, Agent: agent, Status: status, Latency: -1})
	}
	add(0, "ann", "/a/1", "old", 200)
	add(1, "ann", "/a/2", "old", 200)
	add(2, "bob", "/a/3", "old", 200)
	add(10, "ann", "/a/4", "new", 200)
	add(11, "cid", "/b/1", "new", 404)
	add(12, "cid", "/b/2", "new", 500)
	add(13, "cid", "/c", "old", 200)
	add(14, "dan", "/c", "", 200)
	mustIngest(t, s, "log", b)
	now, before := Filter{Since: at + 5e6, Until: at + 20e6}, Filter{Since: at, Until: at + 5e6}
	list, all, err := s.Newcomers(ctx, "template", 10, now)
	if err != nil || all != 2 || len(list) != 2 || list[0].Requests != 2 || list[0].Errors+list[1].Errors != 2 || list[0].First+list[1].First != 2*at+24e6 {
		t.Errorf("new templates %+v of %d, %v", list, all, err)
	}
	list, all, err = s.Newcomers(ctx, "agent", 10, now)
	if err != nil || all != 1 || len(list) != 1 || list[0] != (Newcomer{"new", 3, 2, 2, at + 10e6}) {
		t.Errorf("new agents %+v of %d, %v", list, all, err)
	}
	if _, _, err := s.Newcomers(ctx, "body; DROP TABLE requests", 10, now); err == nil {
		t.Error("a column that is none was taken")
	}
	c, err := s.Movements(ctx, 2, now, before)
	if err != nil || c.Now != 3 || c.Returning != 1 || c.Gone != 1 || !slices.Equal(c.Movements, []Movement{{"user:cid", 0, 3}, {"user:ann", 2, 1}}) {
		t.Errorf("movements %+v, %v", c, err)
	}
	kinds, err := s.Kinds(ctx, Filter{})
	if err != nil || len(kinds) != 1 || kinds[0] != (KindStat{"user", 4, 8, 2, kinds[0].P99, 3, 6}) {
		t.Errorf("kinds %+v, %v", kinds, err)
	}
	// A folding makes new names old ones.
	if err := s.ReplaceTemplates(ctx, map[string]string{"/c": "/a/{id}"}); err != nil {
		t.Fatal(err)
	}
	if list, all, err = s.Newcomers(ctx, "template", 10, now); err != nil || all != 1 || len(list) != 1 {
		t.Errorf("new templates after folding %+v of %d, %v", list, all, err)
	}
}

func TestCacheConcurrencyLabels(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	at := int64(1_767_600_000_000_000)
	b := &traffic.Batch{}
	for i, q := range []traffic.Request{
		{Cache: "HIT", Target: "/a", BytesOut: 10, Latency: .5}, {Cache: "miss", Target: "/a", BytesOut: 30, Latency: 1.5}, {Cache: "STALE", Target: "/b", BytesOut: 5, Latency: -1},
		{Cache: "MISS", Target: "/b", BytesOut: -1, Latency: 4}, {Cache: "EXPIRED", Target: "/b", BytesOut: 1, Latency: -1}, {Cache: "", Target: "/b", BytesOut: 99, Latency: -1}, {Cache: "-", Target: "/c", BytesOut: 99, Latency: -1},
	} {
		q.File, q.Line, q.Time, q.Method = "log", int64(i+1), at+int64(i)*1e6, "GET"
		b.Requests = append(b.Requests, q)
	}
	mustIngest(t, s, "log", b)
	all, list, err := s.CacheStats(ctx, 1, Filter{})
	if err != nil || all != (CacheStat{"", 5, 2, 46, 15}) || len(list) != 1 || list[0] != (CacheStat{"/b", 3, 1, 6, 5}) {
		t.Errorf("cache %+v, %+v, %v", all, list, err)
	}
	tl, err := s.Timeline(ctx, 2e6, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := s.Concurrency(ctx, tl, Filter{}); err != nil || !slices.Equal(c, []float64{1, 2, 0, 0}) {
		t.Errorf("concurrency %v, %v", c, err)
	}

	s = fresh(t)
	_, scores := scored(t, s)
	var got, want LabelledDay
	days, err := s.LabelledDays(ctx, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range days {
		got.Attacks, got.Benign, got.Hits, got.False = got.Attacks+d.Attacks, got.Benign+d.Benign, got.Hits+d.Hits, got.False+d.False
	}
	for _, v := range scores {
		switch {
		case v.Time == traffic.NoTime || v.Label == traffic.Unlabelled:
		case v.Label.Attack():
			want.Attacks++
			if v.Flagged {
				want.Hits++
			}
		default:
			want.Benign++
			if v.Flagged {
				want.False++
			}
		}
	}
	if got != want {
		t.Errorf("labelled days %+v, want %+v", got, want)
	}
}
