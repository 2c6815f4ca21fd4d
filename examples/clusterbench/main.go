// Command clusterbench measures the clustering of apiml in CPU seconds and live
// memory, on points that it writes itself, so that other programs can be
// measured on the same files: peer.py does that for scikit-learn, peer.R for the
// package dbscan of R, peers.sh runs all and prints the ratios.
//
//	clusterbench data FILE ROWS [SEED]     write the points, print eps and min_samples
//	clusterbench dbscan FILE EPS MIN_SAMPLES [WORKERS [LABELS]]
//	clusterbench hdbscan FILE MIN_SAMPLES [WORKERS [LABELS]]
//
// The points are 20 Gaussian blobs of different width in 8 dimensions and 5 %
// uniform noise. Eps is the radius within which the median row has 50 rows, so
// that it falls as the rows become more. A file is row-major little-endian
// float64. Each run prints one line of JSON.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"apiml/model/dbscan"
)

const (
	dim        = 8
	neighbours = 50
	minSamples = 16 // twice the columns
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(args []string, out io.Writer) error {
	at := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	number := func(i, none int) int {
		if n, err := strconv.Atoi(at(i)); err == nil {
			return n
		}
		return none
	}
	switch at(0) {
	case "data":
		return data(at(1), number(2, 0), uint64(number(3, 1)), out)
	case "dbscan":
		eps, err := strconv.ParseFloat(at(2), 64)
		if err != nil {
			return err
		}
		return measure(at(1), at(5), out, func(rows []float64) ([]int32, int, error) {
			r, err := dbscan.Plain(context.Background(), rows, dim, dbscan.Options{Eps: eps, MinSamples: number(3, minSamples), Workers: number(4, 0)})
			return r.Labels, r.Clusters, err
		})
	case "hdbscan":
		return measure(at(1), at(4), out, func(rows []float64) ([]int32, int, error) {
			r, err := dbscan.Hierarchy(context.Background(), rows, dim, dbscan.HierarchyOptions{MinSamples: number(2, minSamples), MinSize: number(2, minSamples), Workers: number(3, 0)})
			return r.Labels, r.Clusters, err
		})
	}
	return fmt.Errorf("usage: clusterbench data|dbscan|hdbscan FILE …")
}

// points makes the rows.
func points(n int, seed uint64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 0))
	centers, width := make([]float64, 20*dim), make([]float64, 20)
	for i := range centers {
		centers[i] = 20 * rng.Float64()
	}
	for i := range width {
		width[i] = 0.2 + 0.8*rng.Float64()
	}
	rows := make([]float64, 0, n*dim)
	for range n {
		k := rng.IntN(20)
		if rng.Float64() < .05 {
			for range dim {
				rows = append(rows, 20*rng.Float64())
			}
			continue
		}
		for j := range dim {
			rows = append(rows, centers[k*dim+j]+float64(width[k]*rng.NormFloat64()))
		}
	}
	return rows
}

// radius is the median distance to the neighbours-th row over 400 rows.
func radius(rows []float64) float64 {
	n := len(rows) / dim
	out := make([]float64, 0, 400)
	d := make([]float64, n)
	for q := range min(400, n) {
		p := rows[q*n/min(400, n)*dim:][:dim]
		for i := range d {
			s := 0.0
			for j, v := range rows[i*dim : (i+1)*dim] {
				s += float64((v - p[j]) * (v - p[j]))
			}
			d[i] = s
		}
		slices.Sort(d)
		out = append(out, math.Sqrt(d[min(neighbours, n)-1]))
	}
	slices.Sort(out)
	return out[len(out)/2]
}

func data(path string, n int, seed uint64, out io.Writer) error {
	if n < 1 {
		return fmt.Errorf("%d rows", n)
	}
	rows := points(n, seed)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	if err := binary.Write(w, binary.LittleEndian, rows); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%.6f %d\n", radius(rows), minSamples)
	return f.Close()
}

// measure runs one clustering and prints what it cost. The live heap is what
// the collector finds reachable while it runs, beyond what there was before.
func measure(path, labelsTo string, out io.Writer, do func([]float64) ([]int32, int, error)) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	rows := make([]float64, len(b)/8)
	for i := range rows {
		rows[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	b = nil
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := m.HeapAlloc
	// The live heap is sampled: each sample collects, so it is its own run.
	var most atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	sample := os.Getenv("LIVE_HEAP") != ""
	go func() {
		defer close(stopped)
		for sample {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most.Store(max(most.Load(), m.HeapAlloc))
			}
		}
	}()
	cpu, start := cpuSeconds(), time.Now()
	labels, clusters, err := do(rows)
	if err != nil {
		return err
	}
	cpu, wall := cpuSeconds()-cpu, time.Since(start).Seconds()
	close(stop)
	<-stopped
	noise := 0
	for _, l := range labels {
		if l < 0 {
			noise++
		}
	}
	if labelsTo != "" {
		buf := make([]byte, 4*len(labels))
		for i, l := range labels {
			binary.LittleEndian.PutUint32(buf[4*i:], uint32(l))
		}
		if err := os.WriteFile(labelsTo, buf, 0o644); err != nil {
			return err
		}
	}
	res := map[string]any{"rows": len(labels), "clusters": clusters, "noise": noise, "cpu_s": cpu, "wall_s": wall, "peak_rss_mib": peakRSS()}
	if sample {
		res["live_heap_over_input"] = float64(int64(most.Load())-int64(before)) / float64(8*len(rows))
	}
	runtime.KeepAlive(rows)
	return json.NewEncoder(out).Encode(res)
}

func usage() (u syscall.Rusage) {
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return syscall.Rusage{}
	}
	return u
}

func cpuSeconds() float64 {
	u := usage()
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func peakRSS() int64 { return usage().Maxrss / 1024 }
