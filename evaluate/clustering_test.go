package evaluate

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

func TestAdjustedRand(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []int32
		want float64
	}{
		{"renumbered", []int32{0, 0, 1, 1, -1}, []int32{5, 5, -1, -1, 2}, 1},
		{"one cluster each", []int32{0, 0, 0}, []int32{4, 4, 4}, 1},
		{"all apart", []int32{0, 1, 2}, []int32{2, 0, 1}, 1},
		{"one row", []int32{3}, []int32{-1}, 1},
		// The examples in scikit-learn's documentation of adjusted_rand_score.
		{"one more", []int32{0, 0, 1, 2}, []int32{0, 0, 1, 1}, 4. / 7},
		{"split", []int32{0, 0, 0, 0}, []int32{0, 1, 2, 3}, 0},
		{"crossed", []int32{0, 0, 1, 1}, []int32{0, 1, 0, 1}, -0.5},
		// Contingency [[5 1 2] [1 4 0] [0 1 3]] by equation 5: Σ C(n,2) = 20,
		// rows C(8,2)+C(5,2)+C(4,2) = 44, columns C(6,2)+C(6,2)+C(5,2) = 40, of
		// C(17,2) = 136 pairs.
		{"contingency", expand([][]int{{5, 1, 2}, {1, 4, 0}, {0, 1, 3}}, true), expand([][]int{{5, 1, 2}, {1, 4, 0}, {0, 1, 3}}, false),
			(20 - 44*40/136.) / (42 - 44*40/136.)},
	} {
		if got := AdjustedRand(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, expected %v", c.name, got, c.want)
		}
		if a, b := AdjustedRand(c.a, c.b), AdjustedRand(c.b, c.a); a != b {
			t.Errorf("%s: not symmetric: %v and %v", c.name, a, b)
		}
	}
	if !math.IsNaN(AdjustedRand(nil, nil)) {
		t.Error("no rows have an index")
	}
	rng := rand.New(rand.NewPCG(1, 1))
	a, b := make([]int32, 20000), make([]int32, 20000)
	for i := range a {
		a[i], b[i] = int32(rng.IntN(4))-1, int32(rng.IntN(7))
	}
	if got := AdjustedRand(a, b); math.Abs(got) > 0.002 {
		t.Errorf("of chance: %v, expected about 0", got)
	}
}

// expand writes a contingency table out as the labels of its rows or columns.
func expand(table [][]int, rows bool) []int32 {
	var out []int32
	for i, r := range table {
		for j, n := range r {
			for range n {
				if rows {
					out = append(out, int32(i))
				} else {
					out = append(out, int32(j))
				}
			}
		}
	}
	return out
}

func TestSilhouette(t *testing.T) {
	// On a line: 0 2 | 10 13 | 30, and noise that does not count.
	// 0: a 2, b (10+13)/2; 2: a 2, b 9.5; 10: a 3, b 9; 13: a 3, b 12; 30 alone: 0.
	points := []float64{0, 2, 10, 13, 30, 11, -500}
	labels := []int32{4, 4, 0, 0, 2, -1, -1}
	want := ((11.5-2)/11.5 + (9.5-2)/9.5 + (9.-3)/9 + (12.-3)/12 + 0) / 5
	if got := Silhouette(points, 1, labels, 0, 1); math.Abs(got-want) > 1e-12 {
		t.Errorf("silhouette %v, expected %v", got, want)
	}
	for _, l := range [][]int32{{0, 0, 0}, {-1, -1, -1}, {-1, 0, 0}} {
		if got := Silhouette([]float64{1, 2, 3}, 1, l, 0, 1); !math.IsNaN(got) {
			t.Errorf("labels %v: silhouette %v, expected none", l, got)
		}
	}
	if got := Silhouette(nil, 1, nil, 0, 1); !math.IsNaN(got) {
		t.Errorf("no rows: %v", got)
	}
	if got := Silhouette([]float64{1, 1, 1, 1}, 1, []int32{0, 0, 1, 1}, 0, 1); got != 0 {
		t.Errorf("all at one point: %v, expected 0", got)
	}
	// A sample is about the whole, and the same for the same seed.
	rng := rand.New(rand.NewPCG(2, 2))
	points, labels = nil, nil
	for i := range 3000 {
		points = append(points, float64(4*(i%3))+rng.NormFloat64(), rng.NormFloat64())
		labels = append(labels, int32(i%3))
	}
	all, part, mean := Silhouette(points, 2, labels, 0, 1), Silhouette(points, 2, labels, 600, 1), 0.0
	for seed := range uint64(10) {
		mean += Silhouette(points, 2, labels, 600, seed) / 10
	}
	if math.Abs(all-mean) > 0.02 || part == all {
		t.Errorf("of all rows %v, of 600 of them %v, in the mean %v", all, part, mean)
	}
	if Silhouette(points, 2, labels, 600, 1) != part || Silhouette(points, 2, labels, 600, 2) == part {
		t.Error("the sample does not follow the seed")
	}
}

// TestClusteringSklearn compares with scikit-learn's adjusted_rand_score and
// silhouette_score; ../model/dbscan/testdata/make_fixture.py made the numbers.
func TestClusteringSklearn(t *testing.T) {
	b, err := os.ReadFile("../model/dbscan/testdata/sklearn.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Sets []struct {
			Name   string
			Dim    int
			Points []float64
			ARI    float64
			Runs   []struct {
				Labels     []int32
				Silhouette *float64
			}
		}
	}
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, s := range f.Sets {
		if got := AdjustedRand(s.Runs[0].Labels, s.Runs[1].Labels); math.Abs(got-s.ARI) > 1e-12 {
			t.Errorf("%s: adjusted Rand index %v, scikit-learn says %v", s.Name, got, s.ARI)
		}
		for i, r := range s.Runs {
			if r.Silhouette != nil {
				compared++
				// scikit-learn takes distances from |x|² + |y|² − 2xy, which loses eight digits between
				// points as near as those of "twins".
				if got := Silhouette(s.Points, s.Dim, r.Labels, 0, 0); math.Abs(got-*r.Silhouette) > 1e-8 {
					t.Errorf("%s run %d: silhouette %v, scikit-learn says %v", s.Name, i, got, *r.Silhouette)
				}
			}
		}
	}
	if compared < 10 {
		t.Errorf("%d silhouettes compared", compared)
	}
}

func TestNoiseAndClusters(t *testing.T) {
	l := []int32{3, -1, 3, 0, -1}
	if s, k := NoiseShare(l), CountClusters(l); s != 0.4 || k != 2 {
		t.Errorf("noise %v, clusters %d", s, k)
	}
	if s, k := NoiseShare(nil), CountClusters(nil); !math.IsNaN(s) || k != 0 {
		t.Errorf("of no rows: noise %v, clusters %d", s, k)
	}
	if k := CountClusters([]int32{-1, -1}); k != 0 {
		t.Errorf("noise alone: %d clusters", k)
	}
}
