package main

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"apiml/frame"
	"apiml/generate"
	"apiml/traffic"
)

// The generator's traffic trains the models that are built into the program. A
// field in which only the generator's attackers differ (a network of their own,
// an agent, an hour, round sizes) would be what those models learn.

// tellRow is one request as the forest of TestNoTell sees it.
type tellRow struct {
	agent, network, protocol string
	hour, referrer           float32
	size                     float32 // rank inside operation and status, 0 to 1
	attack                   bool
	train, test              bool
}

// tellRows makes traffic of eight days and keeps benign requests and single
// payload attacks: fitted on the even days and campaigns, tested on the others.
func tellRows(t *testing.T, profile string, seed uint64) []tellRow {
	t.Helper()
	cfg := generate.Config{Seed: seed, Profile: profile, Normal: 16000, Attacks: 5000, Duration: 8 * 24 * time.Hour,
		Types: []traffic.Label{traffic.SQLInjection, traffic.XSS, traffic.PathTraversal, traffic.CommandInjection, traffic.OtherAttack}}
	var rows []tellRow
	groups := map[string][]int{}
	var sizes []int64
	var keys, fallback []string
	err := generate.Run(t.Context(), cfg, func(reqs []traffic.Request, campaigns []string) error {
		for i := range reqs {
			r := &reqs[i]
			day := r.Time / 86400e6 % 2
			row := tellRow{agent: r.Agent, network: r.Client, protocol: r.Protocol, hour: float32(r.When().Hour()), attack: r.Label.Attack()}
			if n := strings.LastIndexAny(r.Client, ".:"); n > 0 {
				row.network = r.Client[:n]
			}
			if r.Referrer != "" {
				row.referrer = 1
			}
			half := day
			if c := campaigns[i]; c != "" {
				half = int64(c[len(c)-1]) % 2
			}
			row.train, row.test = day == 0 && half == 0, day == 1 && half == 1
			rows = append(rows, row)
			sizes = append(sizes, r.BytesOut)
			status := string(rune('0' + r.Status/100))
			keys = append(keys, r.Method+" "+traffic.Template(r.Method, r.Path())+" "+string(rune(r.Status)))
			fallback = append(fallback, r.Method+" "+r.Host+" "+status)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, k := range keys {
		count[k]++
	}
	for i, k := range keys {
		if count[k] < 20 { // a path that carries the payload is no operation
			k = fallback[i]
		}
		groups[k] = append(groups[k], i)
	}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b int) int { return cmp.Compare(sizes[a], sizes[b]) })
		for lo := 0; lo < len(g); { // ties share their middle rank
			hi := lo
			for hi < len(g) && sizes[g[hi]] == sizes[g[lo]] {
				hi++
			}
			for _, i := range g[lo:hi] {
				rows[i].size = float32(lo+hi) / 2 / float32(len(g))
			}
			lo = hi
		}
	}
	return rows
}

// tellMatrix encodes rows: a name becomes its place in alphabetical order and
// how often it occurs in the training part.
func tellMatrix(rows []tellRow, use func(*tellRow) bool, label func(int) bool) *frame.Matrix {
	encode := func(of func(*tellRow) string) (order, often map[string]float32) {
		order, often = map[string]float32{}, map[string]float32{}
		var names []string
		for i := range rows {
			if rows[i].train {
				if often[of(&rows[i])]++; often[of(&rows[i])] == 1 {
					names = append(names, of(&rows[i]))
				}
			}
		}
		slices.Sort(names)
		for i, n := range names {
			order[n] = float32(i)
		}
		return order, often
	}
	agentOrder, agentOften := encode(func(r *tellRow) string { return r.agent })
	netOrder, netOften := encode(func(r *tellRow) string { return r.network })
	protoOrder, _ := encode(func(r *tellRow) string { return r.protocol })
	schema := &frame.Schema{Name: "looks", Columns: []frame.Column{{Name: "agent"}, {Name: "agent count"}, {Name: "network"}, {Name: "network count"}, {Name: "hour"}, {Name: "protocol"}, {Name: "referrer"}, {Name: "size rank"}}}
	var at []int
	for i := range rows {
		if use(&rows[i]) {
			at = append(at, i)
		}
	}
	look := func(m map[string]float32, k string) float32 {
		if v, ok := m[k]; ok {
			return v
		}
		return float32(math.NaN())
	}
	x := frame.NewMatrix(schema, len(at))
	x.Classes = []string{"benign", "attack"}
	for k, i := range at {
		r := &rows[i]
		for j, v := range []float32{look(agentOrder, r.agent), agentOften[r.agent], look(netOrder, r.network), netOften[r.network], r.hour, look(protoOrder, r.protocol), r.referrer, r.size} {
			x.Cols[j][k] = v
		}
		c := int32(0)
		if label(i) {
			c = 1
		}
		x.Class = append(x.Class, c)
	}
	return x
}

func TestNoTell(t *testing.T) {
	for _, profile := range generate.Profiles() {
		const seeds = 5
		told, luck := 0., 0.
		for seed := range uint64(seeds) {
			rows := tellRows(t, profile, 40+seed)
			auc := func(label func(int) bool) float64 {
				fit := tellMatrix(rows, func(r *tellRow) bool { return r.train }, label)
				test := tellMatrix(rows, func(r *tellRow) bool { return r.test }, label)
				got, err := forestAUC(t.Context(), fit, test, seed)
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
			told += auc(func(i int) bool { return rows[i].attack }) / seeds
			shuffled := rand.New(rand.NewPCG(seed, 7)).Perm(len(rows))
			luck += auc(func(i int) bool { return rows[shuffled[i]].attack }) / seeds
		}
		t.Logf("%s: ROC-AUC %.3f, with shuffled labels %.3f", profile, told, luck)
		if told > .60 {
			t.Errorf("%s: a forest tells payload attacks from benign requests by their looks: ROC-AUC %.3f, want at most 0.60", profile, told)
		}
		if luck < .47 || luck > .53 {
			t.Errorf("%s: the measure is biased: ROC-AUC %.3f with shuffled labels", profile, luck)
		}
	}
}
