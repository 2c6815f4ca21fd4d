package features

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"apiml/traffic"
)

// crowd makes n ordinary clients and the requests of odd beside them.
func crowd(n int, odd ...traffic.Request) []traffic.Request {
	var reqs []traffic.Request
	at := int64(0)
	for i := range n {
		for k := range 6 + i%5 {
			at += 3 * second
			r := traffic.Request{Time: at, Latency: -1, BytesIn: -1, BytesOut: 500, Method: "GET", Target: fmt.Sprintf("/api/items/%d", (i*7+k*13)%900), Client: fmt.Sprint("c", i), Agent: "curl/8", Status: 200}
			switch k {
			case 1:
				r.Target = "/api/list"
			case 2:
				if r.Method, r.Target = "POST", "/api/login"; i%9 == 0 {
					r.Status = 401
				}
			}
			reqs = append(reqs, r)
		}
	}
	for _, r := range odd {
		at += second
		r.Time, r.Latency, r.BytesIn, r.BytesOut, r.Agent = at, -1, -1, 500, "curl/8"
		reqs = append(reqs, r)
	}
	return reqs
}

func TestBehaviorEvidence(t *testing.T) {
	var odd []traffic.Request
	for i := range 60 {
		odd = append(odd,
			traffic.Request{Method: "POST", Target: "/api/login", Client: "stuffer", Status: 401},
			traffic.Request{Method: "GET", Target: fmt.Sprintf("/api/items/%d", 1000+i), Client: "scraper", Status: 200},
			traffic.Request{Method: "GET", Target: fmt.Sprintf("/old/%c%c.bak", 'a'+i%26, 'a'+i/26), Client: "scanner", Status: 404},
			traffic.Request{Method: "POST", Target: "/api/search", Client: "abuser", Status: []int32{200, 429}[i%2]})
	}
	d := behaviourOf(t, BehaviorConfig{}, crowd(300, odd...))
	ev := BehaviorEvidence(d, nil)
	want := map[string]string{"client:stuffer curl/8": "credential_stuffing", "client:scraper curl/8": "data_scraping", "client:scanner curl/8": "scanner", "client:abuser curl/8": "api_abuse"}
	order := make([]int, len(ev))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case ev[a].Score > ev[b].Score:
			return -1
		case ev[a].Score < ev[b].Score:
			return 1
		}
		return 0
	})
	for _, i := range order[:4] {
		if c, ok := want[d.Principals[i]]; !ok || ev[i].Class != c || len(ev[i].Features) == 0 {
			t.Errorf("%s looks like %q by %.2f because of %q", d.Principals[i], ev[i].Class, ev[i].Score, ev[i].Features)
		}
	}
	// Nothing that stands alone in a tail makes an attack: somebody is always last.
	quiet := behaviourOf(t, BehaviorConfig{}, crowd(300))
	for i, e := range BehaviorEvidence(quiet, nil) {
		if e.Class == "credential_stuffing" || e.Class == "scanner" || e.Class == "broken_auth" || math.IsNaN(e.Score) {
			t.Errorf("%s: %+v", quiet.Principals[i], e)
		}
	}
	// The distance from the clusters counts, and one profile alone is no surprise.
	away := make([]float64, len(ev))
	away[order[3]] = 9
	if far := BehaviorEvidence(d, away); !(far[order[3]].Score > far[order[2]].Score) {
		t.Errorf("far away %v, near %v", far[order[3]].Score, far[order[2]].Score)
	}
	one := behaviourOf(t, BehaviorConfig{}, sender("a", 30, new(int64)))
	if e := BehaviorEvidence(one, []float64{math.Inf(1)}); e[0].Score > .5 || math.IsNaN(e[0].Score) {
		t.Errorf("alone: %+v", e[0])
	}
}

func TestBehaviorTargets(t *testing.T) {
	d := behaviourOf(t, BehaviorConfig{Targets: true}, crowd(50))
	slices.Sort(d.Principals)
	if !slices.Equal(d.Principals, []string{"GET /api/items/{id}", "GET /api/list", "POST /api/login"}) {
		t.Errorf("targets %q", d.Principals)
	}
}

func TestDescribeBehavior(t *testing.T) {
	var odd []traffic.Request
	for i := range 300 {
		odd = append(odd, traffic.Request{Method: "GET", Target: fmt.Sprintf("/api/items/%d", i), Client: fmt.Sprint("x", i%3), Status: 200, Label: traffic.DataScraping})
	}
	d := behaviourOf(t, BehaviorConfig{}, crowd(100, odd...))
	labels := make([]int32, d.X.N)
	for i, p := range d.Principals {
		if strings.HasPrefix(p, "client:x") {
			labels[i] = 1
		}
	}
	labels[0] = -1
	c := DescribeBehavior(d, labels)
	if len(c) != 3 || c[0].Label != 0 || c[1].Label != 1 || c[2].Label != -1 || c[2].Name != "outsiders" {
		t.Fatalf("%+v", c)
	}
	if c[1].Principals != 3 || c[1].Requests != 300 || c[1].Attacks == nil || *c[1].Attacks != 1 || c[0].Attacks != nil || len(c[1].Members) != 3 {
		t.Errorf("%+v", c[1])
	}
	if !strings.HasPrefix(c[1].Name, c[1].Kind+": ") || !strings.Contains(c[1].Name, "ids in sequence") && !strings.Contains(c[1].Name, "requests") {
		t.Errorf("name %q", c[1].Name)
	}
	sum := c[0].Traffic + c[1].Traffic + c[2].Traffic
	if math.Abs(sum-1) > 1e-12 {
		t.Errorf("shares of traffic sum up to %v", sum)
	}
}

// TestBehaviorPhrases: every column has words of its own, whatever its value.
func TestBehaviorPhrases(t *testing.T) {
	seen := map[string]string{}
	for j, c := range behaviorColumns() {
		for _, v := range []float64{0, .004, .3, 1, 12} {
			p := behaviorPhrase(j, v)
			if p == "" || strings.Contains(p, "%!") || strings.Contains(p, "NaN") || strings.Contains(p, c.Name+" ") && strings.Contains(c.Name, "_") {
				t.Errorf("%s of %v: %q", c.Name, v, p)
			}
			if other, ok := seen[p]; ok && other != c.Name {
				t.Errorf("%q is said of %s and of %s", p, c.Name, other)
			}
			seen[p] = c.Name
		}
	}
	for in, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(in); got != want {
			t.Errorf("%v is %q", in, got)
		}
	}
}
