package ingest

import (
	"fmt"
	"os"
	"path/filepath"
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

// BenchmarkFormats reads the samples of all formats, repeated to about 4 MB each.
func BenchmarkFormats(b *testing.B) {
	files, err := filepath.Glob("testdata/formats/*.log")
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range files {
		sample, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		text := strings.Repeat(string(sample), 4<<20/len(sample))
		name := strings.TrimSuffix(filepath.Base(path), ".log")
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var lines int64
			for b.Loop() {
				r, err := Open("-", strings.NewReader(text), Options{})
				if err != nil {
					b.Fatal(err)
				}
				r.live = false
				cov, _ := drain(b, r)
				lines = cov.Read
			}
			b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
