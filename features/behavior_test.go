package features

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"apiml/generate"
	"apiml/traffic"
)

// behaviourOf builds the profiles of reqs.
func behaviourOf(t *testing.T, c BehaviorConfig, reqs []traffic.Request) *BehaviorDataset {
	t.Helper()
	b := NewBehaviorBuilder(c)
	b.Add(reqs)
	d, err := b.Dataset()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.X.Check(); err != nil {
		t.Fatal(err)
	}
	n := d.X.Rows()
	if len(d.Principals) != n || len(d.Requests) != n || len(d.Labels) != n || len(d.X.Group) != n {
		t.Fatalf("%d rows, %d principals, %d requests, %d labels", n, len(d.Principals), len(d.Requests), len(d.Labels))
	}
	return d
}

func TestBehaviorSchema(t *testing.T) {
	s := BehaviorSchema()
	if len(s.Columns) != numBehavior || s.Name != "behavior" {
		t.Fatalf("schema %+v", s)
	}
	seen := map[string]bool{}
	for _, c := range s.Columns {
		if c.Name == "" || c.Doc == "" || seen[c.Name] || c.Unit == "" {
			t.Errorf("column %+v", c)
		}
		seen[c.Name] = true
	}
}

func TestBehaviorValues(t *testing.T) {
	at := func(h, m, s int) int64 { return time.Date(2026, 3, 2, h, m, s, 0, time.UTC).UnixMicro() }
	user := func(r traffic.Request) traffic.Request {
		r.User, r.Client, r.Agent = "ann", "10.0.0.1", "curl/8.0"
		return r
	}
	reqs := []traffic.Request{
		user(traffic.Request{Time: at(21, 59, 50), Method: "GET", Target: "/api/items/5", Status: 200, BytesOut: 100, Latency: .1, BytesIn: -1, Label: traffic.None}),
		user(traffic.Request{Time: at(21, 59, 58), Method: "GET", Target: "/api/items/6", Status: 404, BytesOut: 300, Latency: .3, BytesIn: -1, Label: traffic.DataScraping}),
		user(traffic.Request{Time: at(22, 0, 6), Method: "GET", Target: "/api/items/20", Status: 500, BytesOut: -1, Latency: -1, BytesIn: -1}),
		user(traffic.Request{Time: at(22, 0, 14), Method: "POST", Target: "/api/login", Status: 401, BytesOut: 200, Latency: -1, BytesIn: -1, HasBody: true, Body: "u=ann&p=x", Label: traffic.None}),
		user(traffic.Request{Time: at(22, 0, 22), Method: "GET", Target: "/static/app.js", Status: 429, BytesOut: -1, Latency: -1, BytesIn: -1, HasBody: true}),
	}
	reqs[2].Client = "10.0.0.2"
	d := behaviourOf(t, BehaviorConfig{}, reqs)
	if d.X.N != 1 || d.Principals[0] != "user:ann" || d.Requests[0] != 5 || math.Abs(d.Labels[0]-1./3) > 1e-12 {
		t.Fatalf("%+v", d)
	}
	ln := math.Log1p
	// Item, item, item, login, script: each step is new, and behind it the chain
	// knows a kind more: (0+½·1)/½, (1+½)/(1+½) …
	steps := []float64{0, 0, math.Log2((2 + 1.) / .5), math.Log2(1.5 / .5)}
	surprise := 0.0
	for _, s := range steps {
		surprise += s / 4
	}
	m := map[string]float64{
		"requests": ln(5), "active_span": ln(32), "active_rate": ln(2.5),
		"gap_median": ln(math.Exp2((52-0.5)/4) / 1000), // 8 s = 2^12.97 ms: the bin from 2^12.75 to 2^13
		"gap_cv":     0,
		"templates":  ln(256 * math.Log(256./253)), "objects": ln(1024 * math.Log(1024./1019)),
		"template_entropy": math.Log2(5) - 3*math.Log2(3)/5,
		"get_share":        .8, "client_errors": .6, "server_errors": .2, "denied": .2, "not_found": .2, "limited": .2,
		"bytes_out": ln(200), "asset_share": .2, "night_share": .6, "agent_browser": 0, "agent_app": 0, "agent_bot": 0, "agent_tool": 1, "agent_none": 0, "agent_changes": 0, "logins_won": 0, "regularity": 1, "peak_minute": ln(3), "transition_surprise": surprise, "body_share": .5,
		"login_share": .2, "login_failures": .2, "sequential_ids": 1. / 3, "latency": ln(200), "addresses": ln(256 * math.Log(256./254)),
	}
	if len(m) != numBehavior {
		t.Errorf("%d of %d columns are tested", len(m), numBehavior)
	}
	for name, want := range m {
		j := d.X.Schema.Index(name)
		if j < 0 {
			t.Fatalf("no column %q", name)
		}
		if got := float64(d.X.Cols[j][0]); math.Abs(got-want) > 1e-5 {
			t.Errorf("%s is %v, expected %v", name, got, want)
		}
	}
	// Without times, sizes, latencies and statuses those columns are missing.
	for i := range reqs {
		r := &reqs[i]
		r.Time, r.Latency, r.BytesOut, r.Status, r.HasBody, r.Label = traffic.NoTime, -1, -1, 0, false, traffic.Unlabelled
	}
	d = behaviourOf(t, BehaviorConfig{}, reqs)
	missing := []string{"active_span", "active_rate", "gap_median", "gap_cv", "regularity", "peak_minute", "client_errors", "server_errors", "denied", "not_found", "limited", "bytes_out", "night_share", "body_share", "latency"}
	for j, c := range d.X.Schema.Columns {
		if nan := math.IsNaN(float64(d.X.Cols[j][0])); nan != slices.Contains(missing, c.Name) {
			t.Errorf("%s is %v", c.Name, d.X.Cols[j][0])
		}
	}
	if !math.IsNaN(d.Labels[0]) {
		t.Errorf("share of attacks %v without labels", d.Labels[0])
	}
}

// sender makes n requests of one client.
func sender(client string, n int, at *int64) []traffic.Request {
	var out []traffic.Request
	for range n {
		*at += second
		out = append(out, traffic.Request{Time: *at, Latency: -1, BytesIn: -1, BytesOut: -1, Method: "GET", Target: "/", Client: client, Status: 200})
	}
	return out
}

func TestBehaviorBounds(t *testing.T) {
	at := int64(0)
	reqs := slices.Concat(sender("a", 5, &at), sender("b", 4, &at), sender("", 3, &at), sender("c", 9, &at), sender("-", 2, &at))
	d := behaviourOf(t, BehaviorConfig{}, reqs)
	if !slices.Equal(d.Principals, []string{"client:a ", "client:c "}) || d.Few != 1 || d.Anonymous != 5 || d.Seen != 23 || d.Dropped != 0 {
		t.Errorf("%+v", d)
	}
	if d = behaviourOf(t, BehaviorConfig{MinRequests: 4}, reqs); len(d.Principals) != 3 {
		t.Errorf("from 4 requests: %v", d.Principals)
	}

	// Sixteen fit. The 17th drops two: those with few requests, the oldest first.
	at, reqs = 0, nil
	for i := range 16 {
		n := 6
		if i == 7 || i == 11 || i == 12 {
			n = 2
		}
		reqs = append(reqs, sender(fmt.Sprint(i), n, &at)...)
	}
	reqs = append(reqs, sender("7", 1, &at)...) // seen again: 11 and 12 are older
	reqs = append(reqs, sender("16", 6, &at)...)
	d = behaviourOf(t, BehaviorConfig{MaxPrincipals: 16, MinRequests: 1}, reqs)
	if d.X.N != 15 || d.Dropped != 2 || d.DroppedBy != 12 {
		t.Errorf("%d rows, %d dropped with %d requests: with 1 as the least, the oldest two go", d.X.N, d.Dropped, d.DroppedBy)
	}
	d = behaviourOf(t, BehaviorConfig{MaxPrincipals: 16}, reqs)
	if d.Dropped != 2 || d.DroppedBy != 4 || d.Few != 1 || d.X.N != 14 || d.Principals[0] != "client:0 " {
		t.Errorf("%d rows, %d few, %d dropped with %d requests", d.X.N, d.Few, d.Dropped, d.DroppedBy)
	}
	// A flood of principals keeps those that do something.
	at, reqs = 0, sender("steady", 6, &at)
	for i := range 5000 {
		reqs = append(reqs, sender(fmt.Sprint("bot", i), 1, &at)...)
	}
	d = behaviourOf(t, BehaviorConfig{MaxPrincipals: 100}, reqs)
	if !slices.Equal(d.Principals, []string{"client:steady "}) || d.Dropped < 4900 || int64(d.Dropped) != d.DroppedBy {
		t.Errorf("%v, %d dropped", d.Principals, d.Dropped)
	}

	b := NewBehaviorBuilder(BehaviorConfig{})
	b.Add(sender("a", 4, &at))
	if _, err := b.Dataset(); err == nil || !strings.Contains(err.Error(), "none of the principals of 4 requests has 5 requests") {
		t.Errorf("too few: %v", err)
	}
	if _, err := b.Dataset(); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("twice: %v", err)
	}
	if _, err := NewBehaviorBuilder(BehaviorConfig{}).Dataset(); err == nil {
		t.Error("a dataset of nothing")
	}
}

// TestBehaviorHostile: nothing that a log holds makes a column infinite.
func TestBehaviorHostile(t *testing.T) {
	var reqs []traffic.Request
	for _, at := range []int64{math.MinInt64 + 1, math.MaxInt64, 0, -5, math.MaxInt64 - 3, 7} {
		reqs = append(reqs, traffic.Request{Time: at, Latency: math.MaxFloat64, BytesIn: math.MaxInt64, BytesOut: math.MaxInt64, Status: math.MaxInt32,
			Method: strings.Repeat("\xff", 100), Target: strings.Repeat("/%00", 9000), User: strings.Repeat("u", 5000), Agent: strings.Repeat("\x00", 9000)})
	}
	d := behaviourOf(t, BehaviorConfig{}, reqs)
	if len(d.Principals[0]) != 512 {
		t.Errorf("a name of %d bytes", len(d.Principals[0]))
	}
	reqs[0].Latency = math.Inf(1)
	reqs[1].Latency = math.NaN()
	behaviourOf(t, BehaviorConfig{}, reqs)
}

// TestBehaviorGenerated: profiles do not depend on how the stream is cut, and
// tell attackers from others.
func TestBehaviorGenerated(t *testing.T) {
	var reqs []traffic.Request
	b := NewBehaviorBuilder(BehaviorConfig{})
	err := generate.Run(context.Background(), generate.Config{Seed: 3, Normal: 9000, Attacks: 1000}, func(r []traffic.Request, _ []string) error {
		reqs = append(reqs, r...)
		b.Add(r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d := behaviourOf(t, BehaviorConfig{}, reqs)
	other, err := b.Dataset()
	if err != nil {
		t.Fatal(err)
	}
	text := func(d *BehaviorDataset) string {
		return fmt.Sprint(d.X.Cols, d.X.Group, d.Principals, d.Requests, d.Labels, d.Few)
	}
	if text(d) != text(other) {
		t.Error("cut otherwise, the stream gives other profiles")
	}
	if d.X.N < 100 || d.Few < 10 {
		t.Fatalf("%d profiles, %d with few requests", d.X.N, d.Few)
	}
	sum := map[bool][]float64{}
	for i, a := range d.Labels {
		if math.IsNaN(a) {
			t.Fatalf("principal %q has no labels", d.Principals[i])
		}
		sum[a > .5] = append(sum[a > .5], float64(d.X.Cols[bClientErrors][i]))
	}
	mean := func(v []float64) float64 {
		s := 0.0
		for _, x := range v {
			s += x / float64(len(v))
		}
		return s
	}
	if len(sum[true]) < 10 || mean(sum[true]) < 3*mean(sum[false]) {
		t.Errorf("%d attackers with %v client errors, %d others with %v", len(sum[true]), mean(sum[true]), len(sum[false]), mean(sum[false]))
	}
}

// TestBehaviorReal profiles the clients of a real mobile API.
func TestBehaviorReal(t *testing.T) {
	dir := os.Getenv("APIML_DATASETS")
	if dir == "" {
		t.Skip("APIML_DATASETS is not set")
	}
	f, err := os.Open(filepath.Join(dir, "logs/memasik_api_nginx_combined_2018-04.log.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	// Just enough of the combined format for this test.
	line := regexp.MustCompile(`^(\S+) \S+ (\S+) \[([^]]+)\] "(\S+) (\S+) [^"]*" (\d+) (\d+) "[^"]*" "([^"]*)"`)
	b := NewBehaviorBuilder(BehaviorConfig{})
	requests := int64(0)
	for s := bufio.NewScanner(z); s.Scan() && requests < 100_000; {
		m := line.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		at, err := time.Parse("02/Jan/2006:15:04:05 -0700", m[3])
		if err != nil {
			continue
		}
		requests++
		status, _ := strconv.Atoi(m[6])
		size, _ := strconv.ParseInt(m[7], 10, 64)
		b.Add([]traffic.Request{{Time: at.UnixMicro(), Latency: -1, BytesIn: -1, BytesOut: size, Status: int32(status), Method: m[4], Target: m[5], Client: m[1], User: m[2], Agent: m[8]}})
	}
	d, err := b.Dataset()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.X.Check(); err != nil {
		t.Fatal(err)
	}
	if d.Seen != requests || d.X.N < 1000 || d.Dropped != 0 || d.Anonymous != 0 {
		t.Errorf("%d profiles of %d requests, %d dropped, %d anonymous", d.X.N, d.Seen, d.Dropped, d.Anonymous)
	}
	for j, c := range d.X.Schema.Columns {
		lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
		for _, v := range d.X.Cols[j] {
			if v == v {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
		if c.Unit == share && lo <= hi && (lo < 0 || hi > 1) {
			t.Errorf("%s lies in %v to %v", c.Name, lo, hi)
		}
		if empty := lo > hi; empty != (c.Name == "latency" || c.Name == "body_share") {
			t.Errorf("%s lies in %v to %v", c.Name, lo, hi)
		}
	}
	t.Logf("%d profiles of %d requests, %d principals with fewer than 5", d.X.N, d.Seen, d.Few)
}
