package cache

import (
	"bufio"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"apiml/frame"
	"apiml/model"
)

var traces sync.Map // the tests read some traces more than once

func cachedTrace(t testing.TB, name string) *frame.Trace {
	t.Helper()
	if tr, ok := traces.Load(name); ok {
		return tr.(*frame.Trace)
	}
	tr := realTrace(t, name)
	traces.Store(name, tr)
	return tr
}

// realTrace reads a trace under APIML_DATASETS/cache: one key per line, or CSV
// with time, key and size. Keys become dense in order of appearance.
func realTrace(t testing.TB, name string) *frame.Trace {
	t.Helper()
	dir := os.Getenv("APIML_DATASETS")
	if dir == "" {
		t.Skip("APIML_DATASETS is not set: no real data")
	}
	f, err := os.Open(filepath.Join(dir, "cache", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := &frame.Trace{}
	seen := map[string]int32{}
	s := bufio.NewScanner(z)
	for s.Scan() {
		key, size := s.Text(), ""
		if strings.Contains(name, ".csv") {
			p := strings.Split(key, ",")
			if p[0] == "time_s" {
				continue
			}
			key, size = p[1], p[2]
		}
		k, ok := seen[key]
		if !ok {
			k = int32(len(seen))
			seen[key] = k
		}
		out.Keys = append(out.Keys, k)
		if size != "" {
			v, err := strconv.Atoi(size)
			if err != nil {
				t.Fatal(err)
			}
			out.Sizes = append(out.Sizes, int32(v))
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	out.N = len(seen)
	return out
}

// The figures known for these traces, in per cent with two decimals (OLTP is that
// of Megiddo & Modha).
func TestRealHitRatios(t *testing.T) {
	for _, c := range []struct {
		file, policy string
		capacity     int64
		want         string
	}{
		{"OLTP", "lru", 250, "16.47"}, {"OLTP", "lru", 500, "23.45"}, {"OLTP", "lru", 1000, "32.83"},
		{"OLTP", "lru", 2000, "42.47"}, {"OLTP", "lru", 5000, "53.65"}, {"OLTP", "lru", 10000, "60.70"},
		{"OLTP", "arc", 250, "21.46"}, {"OLTP", "arc", 500, "30.61"}, {"OLTP", "arc", 1000, "39.06"},
		{"OLTP", "arc", 2000, "46.17"}, {"OLTP", "arc", 5000, "55.12"}, {"OLTP", "arc", 10000, "61.92"},
		{"OLTP", "belady", 250, "38.43"}, {"OLTP", "belady", 500, "46.42"}, {"OLTP", "belady", 1000, "53.61"},
		{"OLTP", "belady", 2000, "60.40"}, {"OLTP", "belady", 5000, "68.27"}, {"OLTP", "belady", 10000, "73.02"},
		{"gli", "lru", 1000, "11.21"}, {"gli", "lru", 2000, "57.41"}, {"gli", "arc", 1000, "21.30"},
		{"gli", "arc", 2000, "57.41"}, {"gli", "belady", 1000, "53.13"}, {"gli", "belady", 2000, "57.96"},
		{"scarab", "lru", 100000, "75.91"}, {"scarab", "arc", 100000, "76.09"}, {"scarab", "belady", 100000, "79.25"},
		{"corda", "lru", 1000, "33.33"}, {"corda", "lfu", 1000, "0.74"}, {"corda", "sieve", 1000, "0.74"},
	} {
		tr := cachedTrace(t, c.file+".keys.gz")
		h := hitsOf(t, c.policy, tr, c.capacity)
		if got := strconv.FormatFloat(100*Measure(tr, h, 0, len(h)).HitRatio(), 'f', 2, 64); got != c.want {
			t.Errorf("%s, %s at %d: %s %%, published %s", c.file, c.policy, c.capacity, got, c.want)
		}
	}
}

// libCacheSim's published miss counts on a trace of objects with sizes. LRU,
// FIFO, LFU, SIEVE and Belady agree to the last request at all eight sizes;
// S3-FIFO is at most two requests off, GDSF one, LIRS 0.6 % from 512 MiB on. ARC with sizes is another algorithm there
// (up to 2.3 % more or fewer misses), as are SLRU (four segments), LFU with ageing and
// LHD (other classes and samples): they are left out.
func TestRealMissCounts(t *testing.T) {
	tr := cachedTrace(t, "cloudPhysicsIO.csv.gz")
	f, err := os.Open(filepath.Join(os.Getenv("APIML_DATASETS"), "cache", "cloudPhysicsIO_expected_miss_by_policy.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours := map[string]string{"LRU": "lru", "FIFO": "fifo", "LFU": "lfu", "Sieve": "sieve", "Belady": "belady", "S3FIFO": "s3fifo", "GDSF": "gdsf", "LIRS": "lirs"}
	// How many misses may differ: S3-FIFO and GDSF in single ties; LIRS leaves open how
	// long the ghosts of a stack live that never turns over, and agrees where it does.
	within := func(name string, i, want int) int {
		switch {
		case name == "s3fifo":
			return 2
		case name == "gdsf":
			return 1
		case name == "lirs" && i < 3:
			return want / 11
		case name == "lirs":
			return want / 100
		}
		return 0
	}
	seen := 0
	s := bufio.NewScanner(f)
	for s.Scan() {
		p := strings.Split(s.Text(), ",")
		name, ok := ours[p[0]]
		if !ok {
			continue
		}
		seen++
		for i := range 8 {
			want, err := strconv.Atoi(p[1+i])
			if err != nil {
				t.Fatal(err)
			}
			h := hitsOf(t, name, tr, int64(128*(i+1))<<20)
			got := len(h) - hitCount(h)
			if max(got-want, want-got) > within(name, i, want) {
				t.Errorf("%s at %d MiB: %d misses, published %d", name, 128*(i+1), got, want)
			}
			wantBytes, err := strconv.ParseInt(p[9+i], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			c := Measure(tr, h, 0, len(h))
			if missed := c.Bytes - c.HitBytes; missed != wantBytes && within(name, i, want) == 0 {
				t.Errorf("%s at %d MiB: %d bytes missed, published %d", name, 128*(i+1), missed, wantBytes)
			}
		}
	}
	if seen != len(ours) {
		t.Errorf("%d of %d policies in the file", seen, len(ours))
	}
}

// The learned policy, with and without a prior, must not fall behind LRU
// anywhere, nor behind ARC on the traces that ARC was made for; on corda, where
// LFU and SIEVE have 0.74 %, it must stay at LRU's 33.33 %. Over the whole of OLTP
// it has at least 40 % at 1000, of corda 33 %.
func TestRealLearned(t *testing.T) {
	for _, c := range []struct {
		file       string
		capacities []int64
		arc        bool
		whole      float64 // hit ratio over the whole trace at 1000, without a prior
		long       bool
	}{
		{"OLTP", []int64{250, 1000, 5000}, true, 40, true},
		{"gli", []int64{1000, 2000}, true, 0, false},
		{"scarab", []int64{100000}, false, 0, true},
		{"corda", []int64{1000}, false, 33, false},
	} {
		if c.long && testing.Short() {
			continue
		}
		tr := cachedTrace(t, c.file+".keys.gz")
		fitted := mustFit(t, tr, Default(), model.FitOptions{Seed: 1})
		for _, capacity := range c.capacities {
			ratio := func(h []bool) float64 { return 100 * Measure(tr, h, len(h)/2, len(h)).HitRatio() }
			h := mustNew(t, Default()).Simulate(tr, capacity)
			got, raw := ratio(fitted.Simulate(tr, capacity)), ratio(h)
			if whole := 100 * Measure(tr, h, 0, len(h)).HitRatio(); capacity == 1000 && whole < c.whole {
				t.Errorf("%s at %d: %.2f %% over the whole trace, want %v", c.file, capacity, whole, c.whole)
			}
			lru, arc := ratio(hitsOf(t, "lru", tr, capacity)), ratio(hitsOf(t, "arc", tr, capacity))
			t.Logf("%s at %d, second half: learned %.2f (without prior %.2f), LRU %.2f, ARC %.2f", c.file, capacity, got, raw, lru, arc)
			for _, v := range []float64{got, raw} {
				// Without a prior it begins with LIRS, and a cache that turns over twelve times
				// does not pay for a change: scarab is 0.6 points behind LRU.
				slack := 0.1
				if c.file == "scarab" && v == raw {
					slack = 0.8
				}
				if v < lru-slack || c.arc && v < arc-slack {
					t.Errorf("%s at %d: learned %.2f, LRU %.2f, ARC %.2f", c.file, capacity, v, lru, arc)
				}
			}
		}
	}
}

// The learned policy has at least what the best textbook policy has, less 1 % of
// its hits or half a point, counted on the second half: on patterns, and where
// the best is not known beforehand. Of the 76 cases of make cache-table some are
// not so; what is here was reached and must stay.
func TestRealFloor(t *testing.T) {
	for _, c := range []struct {
		file   string
		shares []float64
	}{
		{"zigzag", []float64{0.01, 0.05, 0.1, 0.25}}, {"scan", []float64{0.01, 0.05, 0.1, 0.25}}, {"cpp", []float64{0.01, 0.05, 0.1, 0.25}},
		{"cs", []float64{0.01, 0.05}}, {"gli", []float64{0.01, 0.05, 0.1, 0.25}}, {"ps", []float64{0.01, 0.05, 0.1, 0.25}},
		{"multi1", []float64{0.01, 0.05, 0.1}}, {"multi2", []float64{0.01, 0.05, 0.1, 0.25}}, {"multi3", []float64{0.01, 0.05}},
	} {
		tr := cachedTrace(t, c.file+".keys.gz")
		for _, share := range c.shares {
			capacity := max(1, int64(math.Round(share*float64(tr.N))))
			ratio := func(h []bool) float64 { return 100 * Measure(tr, h, len(h)/2, len(h)).HitRatio() }
			most, name := 0.0, ""
			for _, p := range Policies() {
				if v := ratio(hitsOf(t, p.Name, tr, capacity)); !p.Bound && v > most {
					most, name = v, p.Name
				}
			}
			if got := ratio(mustNew(t, Default()).Simulate(tr, capacity)); got < most-max(0.01*most, 0.5) {
				t.Errorf("%s at %v: learned %.2f, %s %.2f", c.file, share, got, name, most)
			}
		}
	}
}
