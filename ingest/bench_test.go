//go:build unix

package ingest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"apiml/traffic"
)

// cpu is the processor time of this process: what counts where others use the
// machine too.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

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
		name  string
		reuse bool
		opt   Options
	}{
		{"redacted", true, Options{Format: "combined", NoRaw: true, BatchSize: 1024}}, // as ingest reads
		{"raw", true, Options{Format: "combined", NoRaw: true, BatchSize: 1024, NoRedact: true}},
		{"kept", false, Options{Format: "combined"}}, // as score reads
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			start := cpu(b)
			for b.Loop() {
				r, err := Open("-", strings.NewReader(text.String()), c.opt)
				if err != nil {
					b.Fatal(err)
				}
				r.live = false // full batches, as from a file
				for {
					_, err := r.Next()
					if err != nil {
						break
					}
					if c.reuse {
						r.Reuse()
					}
				}
				if cov := r.Coverage(); cov.Parsed != lines {
					b.Fatal(cov)
				}
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(b.N)/lines, "cpu-ns/line")
			b.ReportMetric(float64(b.N)*lines/(cpu(b)-start).Seconds(), "lines/cpu-s")
		})
	}
}

// BenchmarkScan is the scanner of combined lines alone: text in memory, one record.
func BenchmarkScan(b *testing.B) {
	line := `10.1.2.7 - - [26/Jan/2019:19:03:07 +0330] "GET /image/12/productModel?name=q.jpg&wh=200x200 HTTP/1.1" 200 5012 "https://shop.example/m/filter?page=4" "Mozilla/5.0 (Linux; Android 8.1.0; SM-J710F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/63.0.3239.111 Mobile Safari/537.36"`
	b.SetBytes(int64(len(line)) + 1)
	b.ReportAllocs()
	var q traffic.Request
	start := cpu(b)
	for b.Loop() {
		if reason := combinedRequest(line, &q); reason != "" {
			b.Fatal(reason)
		}
	}
	b.ReportMetric(float64(b.N)/(cpu(b)-start).Seconds(), "lines/cpu-s")
}

// BenchmarkFormats reads the samples of all formats, repeated to about 4 MB each,
// without redaction, which costs more than most parsers.
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
			start := cpu(b)
			for b.Loop() {
				r, err := Open("-", strings.NewReader(text), Options{NoRedact: true})
				if err != nil {
					b.Fatal(err)
				}
				r.live = false
				cov, _ := drain(b, r)
				lines = cov.Read
			}
			b.ReportMetric(float64(lines)*float64(b.N)/(cpu(b)-start).Seconds(), "lines/cpu-s")
		})
	}
}
