package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// sample is a report as a real one could be: two days of a shop's API with
// three attacks in it. It is made up, the same in every run.
func sample() *Data {
	rng := rand.New(rand.NewPCG(7, 7))
	start := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	at := func(h float64) time.Time { return start.Add(time.Duration(h * float64(time.Hour))) }
	n := 48 * 4
	traffic := Timeline{Start: start, Step: 900, Series: []Line{{Name: "requests"}, {Name: "4xx"}, {Name: "5xx"}}}
	threat := Timeline{Start: start, Step: 3600, Series: []Line{{Name: "sql_injection"}, {Name: "credential_stuffing"}, {Name: "data_scraping"}, {Name: "scanner"}}}
	for i := range n {
		day := 3200 + 2600*math.Sin((float64(i)/96-.3)*2*math.Pi) + 160*rng.NormFloat64()
		burst := 0.0
		if i > 120 && i < 128 {
			burst = 4200
		}
		traffic.Series[0].Values = append(traffic.Series[0].Values, Num(math.Round(day+burst)))
		traffic.Series[1].Values = append(traffic.Series[1].Values, Num(math.Round(day*.05+burst*.8)))
		traffic.Series[2].Values = append(traffic.Series[2].Values, Num(math.Round(day*.004*(1+rng.Float64()))))
	}
	traffic.Series[0].Values[60] = Unknown()
	for i := range 48 {
		for j := range threat.Series {
			v := float64(rng.IntN(9))
			if j == 1 && i >= 30 && i < 32 {
				v = 3100 + float64(rng.IntN(400))
			}
			if j == 0 && i > 12 && i < 19 {
				v = 60 + float64(rng.IntN(90))
			}
			if j == 2 && i > 35 {
				v = 150 + float64(rng.IntN(60))
			}
			threat.Series[j].Values = append(threat.Series[j].Values, Num(v))
		}
	}
	d := &Data{
		ToolVersion: "0.1.0", Source: "shop.duckdb", Now: at(48), First: at(0), Last: at(47.99), Seconds: 1.9,
		Warnings: []string{"The log has no session field: senders are told apart by address and user agent."},
		Inputs: []Input{
			{Name: "access.log.1.gz", Format: "combined", Kind: "http", SHA256: hash(1), Size: 81_234_567, Read: 402_114, Parsed: 402_001, Rejected: 101, Filtered: 12, First: at(0), Last: at(24)},
			{Name: "access.log", Format: "combined", Kind: "http", SHA256: hash(2), Size: 79_004_002, Read: 397_340, Parsed: 397_340, First: at(24), Last: at(47.99)},
		},
		Overview: Overview{
			Requests: 799_341, Principals: 47_254, Templates: 212, BytesOut: 18_400_000_000, ClientErrors: 46_110, ServerErrors: 4_120,
			PerSecond: 4.63, PeakPerSec: 61, P50: .034, P95: .412, P99: 1.38, Traffic: traffic,
			Status:  []Count{{"200", 690_211}, {"304", 41_876}, {"301", 17_024}, {"404", 22_900}, {"401", 19_711}, {"403", 2_310}, {"429", 1_189}, {"500", 2_931}, {"502", 1_189}},
			Methods: []Count{{"GET", 655_002}, {"POST", 121_877}, {"PUT", 14_100}, {"DELETE", 6_050}, {"HEAD", 2_312}},
		},
		Security: Security{
			Scored: 799_341, Flagged: 9_912, Labelled: 0, Threshold: .874, Model: "attack, anomaly", Profile: "frozen",
			Types: []AttackType{
				{"credential_stuffing", 6_420, 5_100, -1}, {"data_scraping", 2_110, 0, -1}, {"sql_injection", 812, 790, -1},
				{"scanner", 402, 377, -1}, {"xss", 98, 81, -1}, {"path_traversal", 70, 66, -1},
			},
			Timeline: threat,
			Incidents: []Incident{
				{ID: "I-0001", Class: "credential_stuffing", First: at(30.1), Last: at(31.9), Requests: 6_402, Principals: 311, Principal: "client:198.51.100.23 python-requests/2.31", Target: "/api/login", Probability: .998,
					Evidence: []Evidence{{"access.log", 55_013, "POST /api/login", "account fan-in 311 addresses, 97 % of 401"}, {"access.log", 55_014, "POST /api/login", "same user agent, new address"}}},
				{ID: "I-0002", Class: "sql_injection", First: at(13), Last: at(18.5), Requests: 812, Principals: 2, Principal: "client:203.0.113.9 sqlmap/1.7", Target: "/api/products/{id}", Probability: 1,
					Evidence: []Evidence{{"access.log.1.gz", 221_904, "GET /api/products/17?sort=1%20UNION%20SELECT%20null,version()--", "libinjection; quotes and keywords in sort"}}},
				{ID: "I-0003", Class: "data_scraping", First: at(36), Last: at(47.9), Requests: 2_110, Principals: 1, Principal: "user:partner-7", Target: "/api/products/{id}", Probability: .931},
			},
			Principals: []Principal{
				{"client:198.51.100.23 python-requests/2.31", 640, 640, 622, "credential_stuffing", .998, at(30.1), at(31.9)},
				{"client:203.0.113.9 sqlmap/1.7", 801, 790, 512, "sql_injection", 1, at(13), at(18.5)},
				{"user:partner-7", 2_410, 2_110, 3, "data_scraping", .931, at(2), at(47.9)},
			},
			Targets: []Target{
				{"/api/login", 31_880, 6_420, "credential_stuffing", .998},
				{"/api/products/{id}", 210_331, 2_922, "data_scraping", 1},
			},
			Blocked:  []Refusal{{"401", 19_711, 19_711, 6_350}, {"403", 2_310, 2_310, 402}, {"429", 1_189, 1_189, 70}},
			Networks: []Network{{"198.51.100.0/24", 120, 9_610, 6_011, 6_402}, {"203.0.113.0/24", 2, 1_230, 512, 790}, {"2001:db8:1::/48", 7, 88, 0, 0}}, NetworkCount: 9_120,
			BlockedTime: Timeline{Start: start, Step: 3600, Series: []Line{{Name: "401"}, {Name: "429"}}},
			Score:       DailyScore{Trend: -1.25, Days: []ScoreDay{{at(0), 400_000, 1_100, 300, 71.2, 3_000, 400_000}, {at(24), 399_341, 8_812, 2_204, 66.4, 20_210, 399_341}}},
			False: FalseAlerts{Benign: 9_000, Flagged: 4, Low: .0002, High: .0011,
				Classes:   []FalseRow{{Name: "sql_injection", Flagged: 400, Benign: 4}},
				Templates: []FalseRow{{Name: "/search", Flagged: 9, Benign: 3, Example: Evidence{File: "access.log", Line: 12_009, Request: "GET /search?q=select+a+gift"}}},
				Expected: Expectation{Clean: 38_000, Threshold: .874, RequestsPerDay: 400_000, PerDay: 10.5, Low: 0.3, High: 58.7, Attackers: .93,
					Budgets: []Budget{{1, .991, .88, true}, {20, .86, .93, false}}}},
			Rules: Rules{Labelled: 9_800, Compared: 799_341, Both: 6_414, ModelOnly: 3_498, RulesOnly: 211, Rows: nil,
				Disagree: []Disagreement{
					{Evidence{"access.log", 12_008, "GET /search?q=select+a+gift+from+our+union", ""}, "none", .02, "sql keywords"},
					{Evidence{"access.log", 201_117, "GET /api/products/991?page=88", "steady pace, 2,000 pages in order"}, "data_scraping", .93, ""},
				}},
		},
	}
	for i := range 48 {
		s := &d.Security.BlockedTime
		s.Series[0].Values = append(s.Series[0].Values, Num(20+i%9))
		s.Series[1].Values = append(s.Series[1].Values, Num(i%5))
	}
	d.Overview.Changes = []Comparison{{Now: "the last 24 h", Range: "2026-03-15 00:00 – 2026-03-16 00:00 UTC", Before: []string{"the 24 h before"}, Rows: []ChangeRow{
		{"Requests", "count", false, 399_341, []Num{400_000}}, {"Server errors", "share", true, .0103, []Num{.0042}}, {"Latency p95", "seconds", true, .39, []Num{.444}},
		{"Flagged", "count", true, 8_812, []Num{1_100}}, {"Incidents", "count", true, 2, []Num{0}},
	}}}
	d.Overview.ChangesNote = "The store does not reach back to the same time a week before."
	d.Overview.Recent, d.Overview.RecentCount, d.Overview.RecentSpan = d.Security.Incidents[:1], 2, "the last 24 h"
	d.Performance.Concurrency = Timeline{Start: start, Step: 900, Series: []Line{{Name: "under way"}}}
	for i := range 192 {
		d.Performance.Concurrency.Series[0].Values = append(d.Performance.Concurrency.Series[0].Values, Num(.2+.01*float64(i%96)))
	}
	d.Performance.Cache = CacheRow{"", 700_000, 410_000, 9_000_000_000, 5_100_000_000}
	d.Performance.CacheMisses = []CacheRow{{"/api/products", 105_165, 20_000, 900_000_000, 200_000_000}}
	d.Security.False.Days = []FalseDay{{at(0), 300, 4_000, 280, 1}, {at(24), 500, 5_000, 420, 3}}
	for i, h := range []*HeatMap{&d.Performance.Week, &d.Performance.Hours} {
		h.Rows = [][]string{{"Saturday", "Sunday"}, {"/api/products/{id}", "/api/a/very/long/path/that/does/not/end/{id}/here/either"}}[i]
		for range h.Rows {
			var n []int64
			var p50, p95 []Num
			for c := range 24 {
				n, p50, p95 = append(n, int64(100+c)), append(p50, Num(.02+.001*float64(c))), append(p95, Num(.08*float64(1+(c+7*i)%24)))
			}
			n[3], p50[3], p95[3] = -1, Unknown(), Unknown()
			h.Requests, h.P50, h.P95 = append(h.Requests, n), append(h.P50, p50), append(h.P95, p95)
		}
	}
	for i, t := range []string{"/api/products/{id}", "/api/products", "/static/{id}.js", "/api/users/{id}", "/api/login", "/api/orders", "/api/orders/{id}", "/api/cart/{id}/items", "/health", "/api/search"} {
		q := int64(210_331 / (i + 1))
		p := Num(.018 * float64(1+i%5))
		d.Performance.Templates = append(d.Performance.Templates, Template{t, q, q / 19, q / 190, q * 21_000, p, p * 2.6, p * 4.1, p * 11.5, Num(.31 / float64(i+1))})
	}
	f := Forecast{Name: "all requests", Start: at(48), Step: 900, Chosen: "snaive-daily", Test: "the last 20 % of 192 intervals, 9 origins",
		History:  Timeline{Start: at(24), Step: 900, Series: []Line{{"requests", traffic.Series[0].Values[96:]}}},
		Backtest: []BacktestRow{{"snaive-daily", .071, .62, 7.4, .81, .947}, {"mean", .182, 1.41, 18.9, .79, .941}, {"median", .179, 1.39, 18.2, .80, .944}, {"last", .203, 1.6, 20.1, .77, .951}},
		Spike:    "No spike ahead: the forecast (hi80) stays below 7,000, 2 times the median of the last day, for 2 intervals.",
		Unusual:  []Unusual{{at(31), 7_400, 3_300, 2_900, 3_900}},
		Warnings: []string{"no weekly season: it needs about 11.7 days of data, the series spans 2.0 days"},
	}
	for i := range 32 {
		m := math.Round(3200 + 2600*math.Sin((float64(i)/96-.3)*2*math.Pi))
		w := 160 + 9*float64(i)
		f.Mean = append(f.Mean, Num(m))
		f.Lo80, f.Hi80 = append(f.Lo80, Num(max(0, m-w))), append(f.Hi80, Num(m+w))
		f.Lo95, f.Hi95 = append(f.Lo95, Num(max(0, m-1.9*w))), append(f.Hi95, Num(m+2.1*w))
	}
	d.Performance.Forecasts = []Forecast{f}

	d.Behavior = Behavior{Span: "the last 24 h", Before: "the 24 h before", Range: "2026-03-15 00:00 – 2026-03-16 00:00 UTC", Now: 24_000, Returning: 9_100, Gone: 8_020,
		Kinds:     []Kind{{"client", 47_000, 700_000, 3, 190, 2_410, 99_000}, {"user", 254, 99_341, 88, 1_400, 2_410, 2_410}},
		Movements: []Movement{{"client:198.51.100.23 python-requests/2.31", 0, 640}, {"user:partner-9", 800, 12}},
		Templates: []Newcomer{{"/api/v2/orders", 812, 7, 301, at(30)}}, TemplateCount: 3,
		Agents: []Newcomer{{"sqlmap/1.7", 801, 512, 1, at(31)}}, AgentCount: 1}

	labels := []string{"none", "sql_injection", "xss", "path_traversal", "credential_stuffing", "data_scraping"}
	attack := Model{
		Name: "attack", Title: "Attack Classifier", Algorithm: "Random Forest", Role: "classifier", File: "models/attack_classifier.apiml", SHA256: hash(3), Tool: "0.1.0",
		Schema: "http/1f3a9c02", Seed: 42, Dataset: "generated traffic, seed 1", Synthetic: true, Rows: 40_000, HeldOut: 10_000, HoldOutRule: "last 20 % of time",
		Protocol: "group-time, 5 folds", Evaluated: "10,000 held-out rows", CPUSeconds: 21.4,
		Metrics: []Metric{
			{"macro_f1", "", .947, .012, .611, .941, false}, {"roc_auc", "", .996, .001, .802, .995, false}, {"pr_auc", "", .988, .004, .43, .985, false},
			{"log_loss", "", .071, .008, .58, .079, true}, {"mcc", "", .958, .009, .55, .951, false},
		},
		Confusion:  Confusion{Labels: labels, Counts: [][]int64{{7_911, 3, 8, 1, 40, 37}, {2, 402, 5, 1, 0, 0}, {4, 9, 211, 0, 0, 0}, {1, 0, 0, 88, 0, 0}, {31, 0, 0, 0, 720, 2}, {44, 0, 0, 0, 1, 479}}},
		Thresholds: []Setting{{"20 alerts a day", "0.874", "held-out clean traffic"}},
		Findings:   []Finding{{"warning", "A random split gives macro-F1 0.991, the grouped one 0.947: some of the difference is memory."}},
	}
	for i := range 5 {
		attack.Folds = append(attack.Folds, Fold{fmt.Sprint(i + 1), int64(6_600 * (i + 1)), 6_600, []Value{{"macro_f1", Num(.93 + .007*float64(i))}, {"roc_auc", Num(.993 + .001*float64(i))}, {"pr_auc", Num(.98 + .003*float64(i))}}})
	}
	for i, l := range labels {
		attack.PerClass = append(attack.PerClass, ClassRow{l, []int64{8_000, 410, 224, 90, 753, 524}[i], Num(.99 - .012*float64(i)), Num(.985 - .009*float64(i)), Num(.987 - .01*float64(i))})
	}
	curve := func(k float64) (x, y []Num) {
		for i := range 101 {
			v := float64(i) / 100
			x, y = append(x, Num(v)), append(y, Num(math.Pow(v, k)))
		}
		return x, y
	}
	x, y := curve(.03)
	x2, y2 := curve(.24)
	roc2 := y2
	attack.ROC = []Curve{{"model", .996, x, y}, {"baseline", .802, x2, y2}}
	x, y = curve(40)
	x2, y2 = curve(3)
	for i := range y {
		y[i], y2[i] = 1-y[i]*.8, 1-y2[i]*.85-.1
	}
	attack.PR = []Curve{{"model", .988, x, y}, {"baseline", .43, x2, y2}}
	for i := range 10 {
		p := (float64(i) + .5) / 10
		attack.Calibration = append(attack.Calibration, Calibration{Num(p), Num(math.Pow(p, 1.15)), int64(9_000 / (i + 1))})
	}
	for i, n := range []string{"query_sql_score", "login_failure_share_5m", "path_depth", "param_entropy_max", "principal_rate_1m", "agent_rarity", "quote_count", "status_4xx_share_5m", "target_fan_in", "body_length"} {
		attack.Importance = append(attack.Importance, Importance{n, Num(.21 / float64(i+1)), Num(.01 / float64(i+1))})
	}
	anomaly := Model{Name: "anomaly", Title: "Anomaly Detector", Algorithm: "Isolation Forest", Role: "detector", SHA256: hash(4), Tool: "0.1.0", Schema: "http/1f3a9c02", Seed: 42,
		Dataset: "generated traffic, seed 1", Synthetic: true, Rows: 40_000, HeldOut: 10_000, Protocol: "fitted without labels", Evaluated: "10,000 held-out rows", CPUSeconds: Unknown(),
		Metrics: []Metric{{"roc_auc", "", .911, .02, .5, .907, false}, {"pr_auc", "", .61, .05, .2, .6, false}}, ROC: []Curve{{"model", .911, x, roc2}},
		Warnings: []string{"Fewer than 300 benign rows above the threshold: the false-positive rate is known to within 0.1 %."}}
	d.Models = []Model{attack, anomaly}
	d.Audit = Audit{
		Runs: []Run{
			{1, "apiml ingest access.log.1.gz access.log", "0.1.0", hash(5), at(48.1), 3.2, "done", "799,341 requests, 101 rejected"},
			{2, "apiml train --cv 5", "0.1.0", hash(5), at(48.2), 41, "done", "2 models"},
			{3, "apiml score --db shop.duckdb", "0.1.0", hash(5), at(48.3), 9.7, "done", "9,912 flagged"},
		},
		Rejects: []Reject{
			{"request line is no HTTP: TLS handshake", 88, []Sample{{"access.log.1.gz", 4_410, `10.0.0.8 - - [14/Mar/2026:03:11:09 +0000] "\x16\x03\x01\x02\x00\x01" 400 166 "-" "-"`}}},
			{"no closing quote", 13, []Sample{{"access.log.1.gz", 90_002, `10.0.0.9 - - [14/Mar/2026:05:00:00 +0000] "GET /a`}}},
		},
		Redactions: []Count{{"email", 33}, {"jwt", 412}}, Keep: "Records are kept for 90 days.",
		Users: []User{{"partner-7", 2_410, 0, 3, 3, 1, "/api/products/{id}", at(2), at(47.9)}}, UserCount: 31,
	}
	d.Performance.ByTemplate = Timeline{Start: start, Step: 3600, Series: []Line{{Name: "/api/products/{id}"}, {Name: "/api/login"}, {Name: "other"}}}
	for i := range 48 {
		for j := range d.Performance.ByTemplate.Series {
			l := &d.Performance.ByTemplate.Series[j]
			l.Values = append(l.Values, Num((j+1)*(900+40*(i%24))))
		}
	}
	d.Performance.Advice = CacheAdvice{Since: at(40), Until: at(47.99), Read: 100_000, Requests: 24_000, Policy: "learned", Size: "48.2 MB", HitRatio: .41, ByteRatio: .36, LRU: .38, Observed: .29, Simulated: .4,
		Text: []string{"Cache 12 of the endpoints in 48.2 MB (the knee of the curve)."}, TemplateCount: 12, RefusedCount: 88,
		Templates: []CacheCandidate{{"/static/{id}.js", 21_600, 9_000, 8_800, 2}, {"/api/products", 60, 7_000, 1_040, 11}},
		Refused:   []CacheRefusal{{"/api/orders", 4_000, "31 % of its requests carry a user"}}}
	d.Performance.Capacity = ReplicaAdvice{PerReplica: 40, Utilisation: .6, Bound: "hi80", Learned: "latency leaves its level above 40 requests per second, served by 1", Step: 900,
		Schedule: []ReplicaStep{{at(48), at(51), 1, 12}, {at(51), at(56), 2, 41.5}}, Steps: 38, Hours: 14.5, NeededHours: 12.25, StaticHours: 19, UnderSteps: 1}
	d.Behavior.Profiles = Profiles{Model: "built-in", Synthetic: true, Since: at(40), Until: at(47.99), Requests: 100_000, Principals: 3_673, Few: 3_518, OutsiderCount: 500, SuspectCount: 154, Period: 14_400, Stayed: 123, Moved: 13,
		Clusters:  []Cluster{{"browser-like", "29 % assets, 21.7 kB per answer", 1_989, 40_285, .026, []string{"session:b78b2a7675351130667196f9"}}, {"app-like", "a request every 4.47 s", 1_184, 24_536, .031, nil}, {"outsiders", "", 500, 28_822, Unknown(), []string{"client:141.173.25.3 PostmanRuntime/7.43.0"}}},
		Outsiders: []Outsider{{"client:203.0.74.187 kube-probe/1.31", 317, 4.48, "one endpoint nearly always, 83 B per answer"}},
		Suspects:  []Suspect{{"client:198.51.100.23 python-requests/2.31", 640, "credential_stuffing", 2.71, 156, "166 failed logins (91 %), one endpoint nearly always"}},
		Moves:     []Move{{"outsiders", "app-like", 8, "user:partner-9"}, {"app-like", "outsiders", 5, "user:partner-7"}}}
	d.Models[0].Drift = Drift{Against: "held-out rows", Baseline: 10_000, Rows: 19_593, Since: at(40), Columns: 112, Large: 2, Moderate: 5,
		Shifts:   []Shift{{"scores", "large", .394, .0003, -.498, .197, 0}, {"address_agents", "large", 9.305, .0003, -2.824, .802, 0}, {"latency", "moderate", .19, .0004, -.04, .21, -.417}},
		Expected: []Value{{"accuracy", .9946}, {"macro_f1", .663}}, Measured: []Value{{"accuracy", .9614}, {"macro_f1", .75}}, Notes: []string{"19,593 of 50,000 rows, chosen by hash"}}
	d.Models[1].Drift.Note = "The model file remembers nothing of the rows that it was judged on: fit it anew with `apiml train anomaly`."
	for i := range 4 {
		d.Models[0].History = append(d.Models[0].History, Past{At: at(24 * float64(i)), By: []string{"train", "evaluate"}[min(i, 1)], Dataset: "access.log", Values: []Value{{"macro_f1", .95 - .01*Num(i)}, {"roc_auc", .99 - .002*Num(i)}, {"log_loss", .07}}})
	}
	d.Config = []Setting{{"db", "shop.duckdb", "flag"}, {"security.anomaly_threshold", "0.7", "default"}, {"security.rate_limit", "100/minute", "apiml.yaml:9"}, {"models.dir", "models", "default"}, {"log.level", "info", "APIML_LOG_LEVEL"}}
	return d
}

func hash(seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 1))
	return fmt.Sprintf("%016x%016x%016x%016x", rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64())
}
