package features

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"apiml/frame"
	"apiml/traffic"
)

// made is a stream of n hand-made requests of an API: sessions, ids that repeat
// and some that do not, a few attacks. Not package generate: the tests of this
// package stand on their own.
func made(n int, seed uint64) []traffic.Request {
	rng := rand.New(rand.NewPCG(seed, 1))
	agents := []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
		"okhttp/4.12.0", "curl/8.5.0", "MyApp/3.1 (iPhone; iOS 17.4) CFNetwork/1494 Darwin/23.4.0", "",
	}
	out := make([]traffic.Request, n)
	for i := range out {
		r := &out[i]
		*r = traffic.Request{Time: 1_700_000_000_000_000 + int64(i)*50_000 + rng.Int64N(1000), Latency: 0.01 + rng.Float64(), BytesIn: -1,
			BytesOut: 200 + rng.Int64N(5000), Line: int64(i + 1), Status: 200, Method: "GET", Protocol: "HTTP/1.1",
			Client: fmt.Sprintf("10.0.%d.%d", rng.IntN(4), rng.IntN(60)), Agent: agents[rng.IntN(len(agents))], Referrer: "-"}
		switch k := rng.IntN(20); {
		case k < 6:
			r.Target = fmt.Sprintf("/api/users/%d/orders?page=%d&sort=date", rng.IntN(5000), rng.IntN(5))
		case k < 10:
			r.Target = fmt.Sprintf("/api/products?q=%s+%s&limit=20", []string{"red", "blue", "green"}[rng.IntN(3)], []string{"shoe", "shirt", "lamp"}[rng.IntN(3)])
		case k < 13:
			r.Target = "/static/app.js"
		case k < 16:
			r.Target = fmt.Sprintf("/list?since=%d&uid=%d&token=%x", 1_500_000_000+rng.IntN(100000), rng.IntN(1e6), rng.Uint64())
		case k < 18:
			r.Method, r.Target, r.HasBody = "POST", "/api/login", true
			r.Body = fmt.Sprintf(`{"user":"user%d","password":"secret%d"}`, rng.IntN(200), rng.IntN(1000))
			r.Status = []int32{200, 200, 401}[rng.IntN(3)]
		case k < 19:
			r.Target = fmt.Sprintf("/api/nothing/%d", rng.IntN(100))
			r.Status = 404
		default:
			r.Target = fmt.Sprintf("/api/products?q=%%27%%20OR%%201%%3D1--%%20&limit=%d", rng.IntN(100))
			r.Status = 500
		}
	}
	return out
}

func BenchmarkExtract(b *testing.B) {
	reqs := made(BlockRows*8, 1)
	e := NewExtractor(Online(nil))
	x := frame.NewMatrix(HTTPSchema(e.State()), BlockRows)
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		at := rows % len(reqs)
		block := reqs[at : at+BlockRows]
		e.Extract(x, block)
		e.Learn(block, nil)
		rows += BlockRows
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/request")
}

// BenchmarkExtractCold defeats the memo: every target is new.
func BenchmarkExtractCold(b *testing.B) {
	reqs := made(BlockRows, 1)
	e := NewExtractor(Online(nil))
	x := frame.NewMatrix(HTTPSchema(e.State()), BlockRows)
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		e.analyser.now, e.analyser.old = map[string]*analysis{}, nil
		e.Extract(x, reqs)
		e.Learn(reqs, nil)
		rows += BlockRows
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/request")
}

func BenchmarkReorder(b *testing.B) {
	reqs := made(BlockRows*4, 1)
	var r Reorder
	rows := 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range reqs {
			reqs[i].Time += int64(len(reqs)) * 50_000
		}
		_ = r.Push(reqs, func(Block) error { return nil })
		rows += len(reqs)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/request")
}
