package ingest

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkCombined reads 200,000 lines of the shape of a shop's log: about
// 220 bytes, query strings, a referrer, a browser's agent.
func BenchmarkCombined(b *testing.B) {
	var text strings.Builder
	const lines = 200_000
	for i := range lines {
		fmt.Fprintf(&text, `10.%d.%d.7 - - [26/Jan/2019:19:%02d:%02d +0330] "GET /image/%d/productModel?name=q.jpg&wh=200x200 HTTP/1.1" 200 %d "https://shop.example/m/filter?page=%d" "Mozilla/5.0 (Linux; Android 8.1.0; SM-J710F Build/M1AJQ) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/63.0.3239.111 Mobile Safari/537.36" "-"`+"\n",
			i%250, i%199, i/60%60, i%60, i%70000, i%9000, i%40)
	}
	for _, c := range []struct {
		name string
		opt  Options
	}{{"redacted", Options{Format: "combined"}}, {"raw", Options{Format: "combined", NoRedact: true}}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				// Not live: full batches, as from a file.
				r, err := Open("-", strings.NewReader(text.String()), c.opt)
				if err != nil {
					b.Fatal(err)
				}
				r.live = false
				if cov, _ := drain(b, r); cov.Parsed != lines {
					b.Fatal(cov)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
		})
	}
}
