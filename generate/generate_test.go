package generate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"apiml/traffic"
)

type record struct {
	traffic.Request
	campaign string
}

// collect runs cfg and checks what holds for every run.
func collect(t testing.TB, cfg Config) []record {
	t.Helper()
	var out []record
	last := cfg.Start
	if last == 0 {
		last = DefaultStart
	}
	counts := map[bool]int{}
	err := Run(context.Background(), cfg, func(reqs []traffic.Request, campaigns []string) error {
		if len(reqs) != len(campaigns) || len(reqs) == 0 {
			t.Fatalf("batch of %d requests, %d campaigns", len(reqs), len(campaigns))
		}
		for i, r := range reqs {
			if r.Time < last {
				t.Fatalf("request %d goes back in time: %d after %d", len(out), r.Time, last)
			}
			last = r.Time
			if r.Label == traffic.Unlabelled || r.File != "" || r.Line != 0 || r.Raw != "" {
				t.Fatalf("label %v, file %q, line %d, raw %q", r.Label, r.File, r.Line, r.Raw)
			}
			if r.Label.Attack() && campaigns[i] == "" {
				t.Fatalf("%v without campaign", r.Label)
			}
			if r.Status < 100 || r.Status > 599 || r.Latency < 0 || r.BytesIn <= 0 || r.BytesOut < 0 || r.Client == "" || r.Agent == "" {
				t.Fatalf("implausible: %+v", r)
			}
			if r.Target == "" || r.Target[0] != '/' || strings.ContainsAny(r.Target, " \n\r\t#") {
				t.Fatalf("target %q", r.Target)
			}
			if strings.ContainsAny(r.Body, "\n\r") != strings.HasPrefix(r.Body, "----") {
				t.Fatalf("body %q", r.Body)
			}
			counts[r.Label.Attack()]++
			out = append(out, record{r, campaigns[i]})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if counts[false] != cfg.Normal || counts[true] != cfg.Attacks {
		t.Fatalf("%d benign and %d attack requests, want %d and %d", counts[false], counts[true], cfg.Normal, cfg.Attacks)
	}
	return out
}

func TestExactCounts(t *testing.T) {
	for _, c := range []Config{
		{},
		{Normal: 1}, {Attacks: 1}, {Attacks: 7}, {Normal: 1, Attacks: 3000}, {Normal: 5000},
		{Normal: 2000, Attacks: 500, Campaigns: 1}, {Normal: 200, Attacks: 100, Campaigns: 1000},
		{Normal: 1000, Attacks: 1000, Types: []traffic.Label{traffic.XSS}},
		{Normal: 300, Attacks: 30, Duration: 1e9}, {Normal: 30000, Attacks: 10, Start: 1},
	} {
		for seed := range uint64(3) {
			c.Seed = seed
			for _, r := range collect(t, c) {
				if c.Types != nil && r.Label.Attack() && !slices.Contains(c.Types, r.Label) {
					t.Fatalf("%v was not asked for", r.Label)
				}
			}
		}
	}
}

func TestRefusesNonsense(t *testing.T) {
	for _, c := range []Config{{Normal: -1}, {Attacks: -1}, {Duration: -1}, {Campaigns: -1}, {Types: []traffic.Label{traffic.None}}, {Start: 1 << 62}} {
		if err := Run(context.Background(), c, nil); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

func TestStops(t *testing.T) {
	full := errors.New("disk full")
	err := Run(context.Background(), Config{Normal: 50000}, func([]traffic.Request, []string) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("error of emit lost: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	err = Run(ctx, Config{Normal: 100000}, func([]traffic.Request, []string) error { n++; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("%v after %d batches", err, n)
	}
}

func csvOf(t testing.TB, cfg Config) []byte {
	var b []byte
	for _, r := range collect(t, cfg) {
		b = append(AppendCSV(b, &r.Request), r.campaign...)
		b = append(b, '\n')
	}
	return b
}

func TestSameSeedSameBytes(t *testing.T) {
	cfg := Config{Seed: 7, Normal: 8000, Attacks: 2000}
	a, b := csvOf(t, cfg), csvOf(t, cfg)
	if !bytes.Equal(a, b) {
		t.Error("two runs with one seed differ")
	}
	cfg.Seed = 8
	if bytes.Equal(a, csvOf(t, cfg)) {
		t.Error("two seeds make the same traffic")
	}
}

func TestEveryTypeWithItsShare(t *testing.T) {
	counts := map[traffic.Label]int{}
	total := 0.
	for _, r := range collect(t, Config{Seed: 3, Normal: 16000, Attacks: 4000}) {
		counts[r.Label]++
	}
	for _, l := range Types() {
		total += Share(l)
		if want := Share(l) * 4000; float64(counts[l]) < want-1 || float64(counts[l]) > want+1 {
			t.Errorf("%v: %d requests, want %.0f", l, counts[l], want)
		}
	}
	if total < .999999 || total > 1.000001 {
		t.Errorf("shares sum to %v", total)
	}
}

// TestManyShapes: payloads are written by a grammar, not taken from a list.
func TestManyShapes(t *testing.T) {
	shape := func(s string) string { // digits and letters folded
		b := []byte(s)
		for i, c := range b {
			if c >= '0' && c <= '9' {
				b[i] = '0'
			}
		}
		return string(b)
	}
	for _, l := range []traffic.Label{traffic.SQLInjection, traffic.XSS, traffic.PathTraversal, traffic.CommandInjection} {
		g, err := newGenerator(context.Background(), &Config{Seed: 1, Duration: 1e9, Profile: "shop"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 1))
		seen := map[string]bool{}
		const n = 6000
		for range n {
			h := g.newHabit(r, &client{})
			all := g.payload.byLabel[l]
			seen[shape(string(g.payloadText(r, l, all[r.IntN(len(all))], &h)))] = true
		}
		if len(seen) < n/2 {
			t.Errorf("%v: %d shapes in %d payloads", l, len(seen), n)
		}
		t.Logf("%v: %d shapes in %d payloads", l, len(seen), n)
	}
}

// auc is the probability that a positive scores above a negative, ties count
// one half.
func auc(score []float64, positive []bool) float64 {
	order := make([]int, len(score))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case score[a] < score[b]:
			return -1
		case score[a] > score[b]:
			return 1
		}
		return a - b
	})
	rank, pos := 0., 0.
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && score[order[j]] == score[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			if positive[k] {
				rank += float64(i+j+1) / 2
				pos++
			}
		}
		i = j
	}
	neg := float64(len(order)) - pos
	return (rank - pos*(pos+1)/2) / (pos * neg)
}

func prefix(addr string) string {
	if i := strings.LastIndexAny(addr, ".:"); i > 0 {
		return addr[:i]
	}
	return addr
}

// looks are the fields that must not tell a payload from a benign request.
func looks() []struct {
	name string
	of   func(r *record) string
} {
	return []struct {
		name string
		of   func(r *record) string
	}{
		{"agent", func(r *record) string { return r.Agent }},
		{"prefix", func(r *record) string { return prefix(r.Client) }},
		{"hour", func(r *record) string { return fmt.Sprint(r.Time / 3600e6 % 24) }},
		{"protocol", func(r *record) string { return r.Protocol }},
		{"referrer", func(r *record) string { return fmt.Sprint(r.Referrer != "") }},
		{"host", func(r *record) string { return r.Host }},
		{"session", func(r *record) string { return fmt.Sprint(r.Session != "") }},
		{"user", func(r *record) string { return fmt.Sprint(r.User != "") }},
		{"cache", func(r *record) string { return fmt.Sprint(r.Cache != "") }},
		{"method", func(r *record) string { return r.Method }},
		{"operation", func(r *record) string { return traffic.Template(r.Method, r.Path()) }},
		{"agent kind and referrer", func(r *record) string { return r.Agent[:min(12, len(r.Agent))] + fmt.Sprint(r.Referrer != "") }},
	}
}

func isPayload(l traffic.Label) bool {
	switch l {
	case traffic.SQLInjection, traffic.XSS, traffic.CommandInjection, traffic.PathTraversal, traffic.OtherAttack:
		return true
	}
	return false
}

// tell fits the rate of attacks per value of a field on some campaigns and
// hours and measures it on the others.
func tell(rows []record, of func(*record) string, payload func(*record) bool) float64 {
	train := func(r *record) bool {
		if r.campaign != "" {
			n := 0
			for _, c := range r.campaign[1:] {
				n = n*10 + int(c-'0')
			}
			return n%2 == 0
		}
		return mix64(uint64(r.Time/1800e6))%2 == 0
	}
	type tally struct{ pos, all float64 }
	seen, sum := map[string]*tally{}, tally{}
	for i := range rows {
		if r := &rows[i]; train(r) {
			v := seen[of(r)]
			if v == nil {
				v = &tally{}
				seen[of(r)] = v
			}
			v.all++
			sum.all++
			if payload(r) {
				v.pos++
				sum.pos++
			}
		}
	}
	var score []float64
	var positive []bool
	for i := range rows {
		if r := &rows[i]; !train(r) {
			p := sum.pos / sum.all
			if v := seen[of(r)]; v != nil {
				p = (v.pos + 20*p) / (v.all + 20)
			}
			score, positive = append(score, p), append(positive, payload(r))
		}
	}
	return auc(score, positive)
}

func TestNoTell(t *testing.T) {
	const seeds = 5
	sums := make([]float64, len(looks()))
	shuffled, size := 0., 0.
	for seed := range uint64(seeds) {
		all := collect(t, Config{Seed: 100 + seed, Normal: 24000, Attacks: 8000})
		rows := slices.DeleteFunc(all, func(r record) bool { return r.Label.Attack() && !isPayload(r.Label) })
		payload := func(r *record) bool { return isPayload(r.Label) }
		for i, f := range looks() {
			sums[i] += tell(rows, f.of, payload) / seeds
		}
		r := rand.New(rand.NewPCG(seed, 1))
		luck := map[*record]bool{}
		for i := range rows {
			luck[&rows[i]] = r.IntN(8) == 0
		}
		shuffled += tell(rows, looks()[0].of, func(r *record) bool { return luck[r] }) / seeds
		size += sizeTell(rows) / seeds
	}
	for i, f := range looks() {
		t.Logf("%-24s AUC %.3f", f.name, sums[i])
		limit := .60
		if f.name == "operation" { // the path may carry the payload
			limit = .85
		}
		if sums[i] > limit {
			t.Errorf("%s tells payloads from benign requests: AUC %.3f, want ≤ %.2f", f.name, sums[i], limit)
		}
	}
	t.Logf("size in operation, status AUC %.3f; shuffled labels %.3f", size, shuffled)
	if max(size, 1-size) > .60 {
		t.Errorf("response size tells: AUC %.3f", size)
	}
	if shuffled < .47 || shuffled > .53 {
		t.Errorf("the measure is biased: AUC %.3f on shuffled labels", shuffled)
	}
}

// sizeTell ranks the response size among those of the same operation and
// status.
func sizeTell(rows []record) float64 {
	groups := map[string][]int{}
	var keys []string
	for i := range rows {
		k := fmt.Sprint(rows[i].Method, traffic.Template(rows[i].Method, rows[i].Target), rows[i].Status)
		if groups[k] == nil {
			keys = append(keys, k)
		}
		groups[k] = append(groups[k], i)
	}
	var score []float64
	var positive []bool
	for _, k := range keys {
		g := groups[k]
		slices.SortStableFunc(g, func(a, b int) int { return int(rows[a].BytesOut - rows[b].BytesOut) })
		for n, i := range g {
			if len(g) > 20 {
				score = append(score, float64(n)/float64(len(g)))
				positive = append(positive, isPayload(rows[i].Label))
			}
		}
	}
	return auc(score, positive)
}

// TestHardNegatives: honest traffic holds what makes rules cry wolf.
func TestHardNegatives(t *testing.T) {
	rows := collect(t, Config{Seed: 5, Normal: 60000})
	var all strings.Builder
	perAgent := map[string]map[string]bool{}
	for _, r := range rows {
		all.WriteString(r.Method + " " + r.Target + r.Body + " " + fmt.Sprint(r.Status) + "\n")
		if perAgent[r.Client] == nil {
			perAgent[r.Client] = map[string]bool{}
		}
		perAgent[r.Client][r.Agent] = true
	}
	text := strings.ToLower(all.String())
	for _, want := range []string{
		"o'brien|o%27brien", "select+a+plan|select%20a%20plan|select a plan", "drop-off", "union+square|union%20square|union square", "%3cb%3e|<b>",
		"eyj", "base64", "https%3a%2f%2f", "%d0%b1", "favicon.ico 404", "/robots.txt", "apple-touch-icon", "console.log", "?page=2", "post /login", " 401",
		"%253a%252f|https%3a%2f%2f", "1=1+identity|1%3d1+identity|1%3d1%20identity|1=1 identity|1=1%20identity|1%3d1", "javascript", "order+by|order%20by|order by",
		"../|..%2f", "%3cscript|<script", " 499", " 304", " 404", " 400", "head /", "options /", "\\u",
	} {
		found := false
		for alt := range strings.SplitSeq(want, "|") {
			found = found || strings.Contains(text, alt)
		}
		if !found {
			t.Errorf("no %q in the benign traffic", want)
		}
	}
	crowd := 0
	for _, a := range perAgent {
		crowd = max(crowd, len(a))
	}
	if crowd < 5 {
		t.Errorf("at most %d agents behind one address: no gateway", crowd)
	}
}

// TestPlausible: the day has a shape, and most stuffing fails.
func TestPlausible(t *testing.T) {
	rows := collect(t, Config{Seed: 2, Normal: 40000, Attacks: 10000})
	var hours [24]int
	// Two weeks: a single crowd of a day does not hide the hours.
	for _, r := range collect(t, Config{Seed: 2, Normal: 40000, Attacks: 10000, Duration: 14 * 24 * time.Hour}) {
		hours[r.Time/3600e6%24]++
	}
	failed, tried := 0, 0
	ok := 0
	for _, r := range rows {
		if r.Label == traffic.CredentialStuffing {
			tried++
			if r.Status != 302 && (r.Status >= 400 || strings.HasPrefix(r.Target, "/login")) {
				failed++
			}
		}
		if r.Label == traffic.None && r.Status < 400 {
			ok++
		}
	}
	if float64(failed) < .9*float64(tried) {
		t.Errorf("%d of %d stuffing requests fail", failed, tried)
	}
	if share := float64(ok) / 40000; share < .88 || share > .99 {
		t.Errorf("%.3f of the benign requests succeed", share)
	}
	if evening, night := hours[18]+hours[19]+hours[20]+hours[21], hours[2]+hours[3]+hours[4]; 3*evening < 2*4*night {
		t.Errorf("no day: %v", hours)
	}
	span := rows[len(rows)-1].Time - rows[0].Time
	thirds := map[traffic.Label][3]int{}
	for _, r := range rows {
		n := thirds[r.Label]
		n[min(2, (r.Time-rows[0].Time)*3/span)]++
		thirds[r.Label] = n
	}
	for _, l := range Types() {
		if n := thirds[l]; min(n[0], n[1], n[2]) == 0 {
			t.Errorf("%v is missing in a third of the log: %v", l, n)
		}
	}
	if days := float64(span) / 86400e6; days < 1.8 || days > 2.4 {
		t.Errorf("50,000 requests in %.2f days, want about 2", days)
	}
}

func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		n := 0
		err := Run(context.Background(), Config{Seed: 1, Normal: 80000, Attacks: 20000}, func(reqs []traffic.Request, _ []string) error {
			n += len(reqs)
			return nil
		})
		if err != nil || n != 100000 {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(100000*b.N)/b.Elapsed().Seconds(), "requests/s")
}

// TestHard: honest requests carry code where they did not.
func TestHard(t *testing.T) {
	marks := func(hard float64) (n, all int) {
		for _, r := range collect(t, Config{Seed: 5, Normal: 4000, Profile: "site", Hard: hard}) {
			all++
			if strings.ContainsAny(r.Target+r.Body, "<{;`") || strings.Contains(strings.ToLower(r.Target+r.Body), "%3c") {
				n++
			}
		}
		return n, all
	}
	easy, all := marks(0)
	hard, again := marks(1)
	if all != again || hard < 3*easy {
		t.Errorf("%d of %d requests with code, %d of %d of hard ones", easy, all, hard, again)
	}
}
