package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"apiml/evaluate"
	"apiml/features"
	"apiml/generate"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/model/dbscan"
	"apiml/traffic"
)

// TestBehaviorKinds: on a log as combined lines hold it, the clusters are the kinds
// of clients that made it, they are found again on 80 % of the principals, and the
// evidence finds more attackers than the behaviour rules with as many alerts.
func TestBehaviorKinds(t *testing.T) {
	var clients []string
	count := map[string]map[string]int{}
	b := features.NewBehaviorBuilder(features.BehaviorConfig{})
	cfg := generate.Config{Seed: 61, Normal: 90_000, Attacks: 4_000, Duration: 5 * 24 * time.Hour, Clients: &clients}
	err := generate.Run(t.Context(), cfg, func(reqs []traffic.Request, campaigns []string) error {
		if len(clients) != len(reqs) {
			t.Fatalf("%d kinds of clients for %d requests", len(clients), len(reqs))
		}
		reqs = slices.Clone(reqs)
		for i := range reqs {
			if attacker := clients[i] == "attacker"; attacker != (campaigns[i] != "") {
				t.Fatalf("a %s of campaign %q", clients[i], campaigns[i])
			}
			r := &reqs[i]
			r.Time, r.Latency, r.Session, r.Body, r.HasBody = r.Time/1e6*1e6, -1, "", "", false
			p := r.Principal()
			if count[p] == nil {
				count[p] = map[string]int{}
			}
			count[p][clients[i]]++
		}
		b.Add(reqs)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ds, err := b.Dataset()
	if err != nil {
		t.Fatal(err)
	}
	specs, err := catalog.Resolve([]string{"behavior"})
	if err != nil {
		t.Fatal(err)
	}
	config, err := behaviorConfig(nil, trainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fit := func(x *features.BehaviorDataset, rows []int) *dbscan.Model {
		m, err := specs[0].Fit(context.Background(), x.X.Select(rows), config, model.FitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return m.(*dbscan.Model)
	}
	all := make([]int, ds.X.N)
	for i := range all {
		all[i] = i
	}
	m := fit(ds, all)
	ids := map[string]int32{}
	var kinds, labels []int32
	for i, l := range m.Labels() {
		best, n := "", 0
		for _, k := range sortedKeys(count[ds.Principals[i]]) {
			if c := count[ds.Principals[i]][k]; c > n {
				best, n = k, c
			}
		}
		if best == "attacker" {
			continue
		}
		if _, ok := ids[best]; !ok {
			ids[best] = int32(len(ids))
		}
		kinds, labels = append(kinds, ids[best]), append(labels, l)
	}
	if a, s := evaluate.AdjustedRand(labels, kinds), evaluate.NoiseShare(labels); a < .7 || s > .15 || len(ids) != 6 {
		t.Errorf("ARI %.3f with %d kinds of clients, %.1f %% noise", a, len(ids), 100*s)
	}
	again := 0.0
	const refits = 5
	for f := range refits {
		rows := rand.New(rand.NewPCG(1, uint64(f))).Perm(ds.X.N)[:ds.X.N*8/10]
		want := make([]int32, len(rows))
		for i, r := range rows {
			want[i] = m.Labels()[r]
		}
		again += evaluate.AdjustedRand(fit(ds, rows).Labels(), want) / refits
	}
	if again < .9 {
		t.Errorf("refits on 80 %% agree by an ARI of %.3f", again)
	}
	names := features.DescribeBehavior(ds, m.Labels())
	for _, kind := range []string{"browser-like", "app-like", "script-like", "crawler-like"} {
		if !slices.ContainsFunc(names, func(c features.BehaviorCluster) bool { return c.Kind == kind }) {
			t.Errorf("no cluster is %s", kind)
		}
	}
	if last := names[len(names)-1]; last.Label != -1 || last.Kind != "outsiders" {
		t.Errorf("the last cluster is %d, %s", last.Label, last.Kind)
	}
}

func TestParseBudget(t *testing.T) {
	for s, want := range map[string]float64{"20/day": 20, "1/hour": 24, "14/week": 2, "60/month": 2, "0.5/day": .5} {
		if got, err := parseBudget(s); err != nil || got != want {
			t.Errorf("%q is %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "20", "20/year", "0/day", "-1/day", "NaN/day", "Inf/day", "x/day"} {
		if got, err := parseBudget(s); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}
