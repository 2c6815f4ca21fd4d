package dbscan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"apiml/frame"
	"apiml/model"
)

// reference is DBSCAN word by word: all distances, cores by count, clusters by
// search, borders to the nearest core, of equally near ones to the first by
// columns. Clusters are numbered by their first core.
func reference(rows []float64, dim int, eps float64, minSamples int) (labels []int32, core []bool, clusters int) {
	n := len(rows) / dim
	at := func(i int) []float64 { return rows[i*dim : (i+1)*dim] }
	near := func(i, j int) bool { return distance2(at(i), at(j)) <= eps*eps }
	labels, core = make([]int32, n), make([]bool, n)
	for i := range n {
		labels[i] = -1
		count := 0
		for j := range n {
			if near(i, j) {
				count++
			}
		}
		core[i] = count >= minSamples
	}
	for i := range n {
		if !core[i] || labels[i] >= 0 {
			continue
		}
		labels[i] = int32(clusters)
		for queue := []int{i}; len(queue) > 0; {
			p := queue[0]
			queue = queue[1:]
			for j := range n {
				if core[j] && labels[j] < 0 && near(p, j) {
					labels[j] = int32(clusters)
					queue = append(queue, j)
				}
			}
		}
		clusters++
	}
	for i := range n {
		if core[i] {
			continue
		}
		best := -1
		for j := range n {
			if !core[j] || !near(i, j) {
				continue
			}
			if best < 0 {
				best = j
				continue
			}
			d, b := distance2(at(i), at(j)), distance2(at(i), at(best))
			if d < b || d == b && slices.Compare(at(j), at(best)) < 0 {
				best = j
			}
		}
		if best >= 0 {
			labels[i] = labels[best]
		}
	}
	return labels, core, clusters
}

// cloud makes rows in blobs of different density, with noise, on a grid if step
// is above 0: then many rows are equal and many distances too.
func cloud(n, dim int, step float64, seed uint64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 0))
	centers := make([]float64, 5*dim)
	for i := range centers {
		centers[i] = 8 * rng.Float64()
	}
	rows := make([]float64, 0, n*dim)
	for range n {
		c := rng.IntN(6)
		for j := range dim {
			v := 10 * rng.Float64()
			if c < 5 {
				v = centers[c*dim+j] + float64(c+1)*0.15*rng.NormFloat64()
			}
			if step > 0 {
				v = math.Round(v/step) * step
			}
			rows = append(rows, v)
		}
	}
	return rows
}

// plain is Plain with the Euclidean distance.
func plain(ctx context.Context, rows []float64, dim int, eps float64, minSamples, workers int) ([]int32, int, error) {
	r, err := Plain(ctx, rows, dim, Options{Eps: eps, MinSamples: minSamples, Workers: workers})
	return r.Labels, r.Clusters, err
}

func TestAgainstReference(t *testing.T) {
	for _, c := range []struct {
		n, dim     int
		step, eps  float64
		minSamples int
	}{
		{1, 2, 0, 1, 1}, {1, 2, 0, 1, 2}, {2, 1, 0, 100, 2}, {24, 2, 0, .5, 3}, {25, 2, 0, .5, 3}, {49, 3, .5, 1, 4},
		{400, 1, 0, .01, 4}, {400, 2, 0, .2, 5}, {400, 2, .25, .25, 6}, {400, 2, .25, .5, 9}, {500, 3, .5, 1, 12},
		{500, 4, 0, .8, 6}, {400, 9, 0, 2, 5}, {300, 17, 0, 3, 8}, {400, 2, 0, 50, 10}, {400, 2, 0, 1e-9, 2},
		{1500, 1, 0, .05, 20}, {1500, 1, 0, .1, 35}, {1500, 2, 0, .3, 40}, {1500, 2, 0, .6, 90}, // leaves as small as eps
		{400, 2, 1, 1e-9, 3}, {400, 3, 0, .5, 1}, {400, 3, 0, .5, 1000},
	} {
		for seed := range uint64(3) {
			rows := cloud(c.n, c.dim, c.step, seed)
			want, _, k := reference(rows, c.dim, c.eps, c.minSamples)
			for _, workers := range []int{1, 4} {
				got, clusters, err := plain(t.Context(), rows, c.dim, c.eps, c.minSamples, workers)
				if err != nil {
					t.Fatal(err)
				}
				if clusters != k || !slices.Equal(got, want) {
					t.Errorf("%+v seed %d, %d workers: %d clusters, expected %d, or other labels", c, seed, workers, clusters, k)
				}
			}
		}
	}
}

func TestManyWorkers(t *testing.T) {
	rows := cloud(30000, 3, 0, 1)
	want, clusters, err := plain(t.Context(), rows, 3, .2, 10, 1)
	if err != nil || clusters < 3 {
		t.Fatalf("%d clusters, %v", clusters, err)
	}
	got, _, err := plain(t.Context(), rows, 3, .2, 10, 8)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("8 workers give other labels than one: %v", err)
	}
}

// far is the inner distance of two rows, word by word.
func far(metric string, a, b []float64) float64 {
	switch metric {
	case Manhattan:
		return distance1(a, b)
	case Cosine:
		p, _ := onSphere(append(slices.Clone(a), b...), len(a))
		return distance2(p[:len(a)+1], p[len(a)+1:])
	}
	return distance2(a, b)
}

// TestEveryIndex: metrics and weights against all distances, with each index.
func TestEveryIndex(t *testing.T) {
	for _, c := range []struct {
		n, dim     int
		metric     string
		step, eps  float64
		minSamples int
	}{
		{500, 1, Euclidean, 0, .05, 6}, {500, 2, Euclidean, .25, .5, 9}, {500, 3, Euclidean, 0, .6, 6}, {500, 2, Manhattan, .25, .75, 12},
		{500, 3, Manhattan, .5, 1, 10}, {400, 6, Manhattan, 0, 2, 6}, {400, 3, Cosine, .5, .002, 12}, {400, 6, Cosine, 0, .01, 8}, {300, 150, Euclidean, 0, 9, 5},
		{3, 2, Euclidean, 0, 20, 3}, {1500, 2, Euclidean, 0, .1, 12},
	} {
		rows := cloud(c.n, c.dim, c.step, 5)
		if c.metric == Cosine {
			clear(rows[:3*c.dim]) // rows without an angle
		}
		rng := rand.New(rand.NewPCG(2, 2))
		weights := make([]float64, c.n)
		for i := range weights {
			weights[i] = float64(rng.IntN(5)) / 2
		}
		for _, w := range [][]float64{nil, weights} {
			at := func(i int) []float64 { return rows[i*c.dim : (i+1)*c.dim] }
			core := make([]bool, c.n)
			near := make([][]int, c.n)
			for i := range c.n {
				sum := 0.0
				for j := range c.n {
					if far(c.metric, at(i), at(j)) <= inner(c.metric, c.eps) {
						near[i] = append(near[i], j)
						if w == nil {
							sum++
						} else {
							sum += w[j]
						}
					}
				}
				core[i] = sum >= float64(c.minSamples)
			}
			want := make([]int32, c.n)
			for i := range want {
				want[i] = -1
			}
			k := int32(0)
			for i := range c.n {
				if !core[i] || want[i] >= 0 {
					continue
				}
				want[i] = k
				for queue := []int{i}; len(queue) > 0; queue = queue[1:] {
					for _, j := range near[queue[0]] {
						if core[j] && want[j] < 0 {
							want[j] = k
							queue = append(queue, j)
						}
					}
				}
				k++
			}
			for _, kind := range []indexKind{automatic, gridIndex, treeIndex, blockIndex} {
				if kind == gridIndex && c.dim > gridDim {
					continue
				}
				for _, workers := range []int{1, 3} {
					r, err := Plain(t.Context(), rows, c.dim, Options{Eps: c.eps, MinSamples: c.minSamples, Metric: c.metric, Weights: w, Workers: workers, index: kind})
					if err != nil || r.Clusters != int(k) || !slices.Equal(r.Core, core) {
						t.Fatalf("%+v index %d weights %v: %d clusters, expected %d, or other cores: %v", c, kind, w != nil, r.Clusters, k, err)
					}
					for i, l := range r.Labels {
						if core[i] {
							if l != want[i] {
								t.Fatalf("%+v index %d: core %d in cluster %d, expected %d", c, kind, i, l, want[i])
							}
							continue
						}
						best := -1
						for _, j := range near[i] {
							if d := far(c.metric, at(i), at(j)); core[j] && (best < 0 || d < far(c.metric, at(i), at(best))) {
								best = j
							}
						}
						if (l < 0) != (best < 0) {
							t.Fatalf("%+v index %d: row %d in cluster %d, nearest core %d", c, kind, i, l, best)
						}
						tie := false // equally near cores of several clusters: the first by columns, on the sphere if that is where they lie
						for _, j := range near[i] {
							tie = tie || best >= 0 && core[j] && far(c.metric, at(i), at(j)) == far(c.metric, at(i), at(best)) && want[j] != want[best]
						}
						if best >= 0 && !tie && l != want[best] {
							t.Fatalf("%+v index %d: border %d in cluster %d, its nearest core in %d", c, kind, i, l, want[best])
						}
					}
				}
			}
		}
	}
}

// adjustedRand is the adjusted Rand index, which package evaluate has too; a model may
// not import it.
func adjustedRand(a, b []int32) float64 {
	cells, rows, cols := map[[2]int32]float64{}, map[int32]float64{}, map[int32]float64{}
	for i := range a {
		cells[[2]int32{a[i], b[i]}]++
		rows[a[i]]++
		cols[b[i]]++
	}
	two := func(v float64) float64 { return v * (v - 1) / 2 }
	var x, y, z float64
	for _, v := range cells {
		x += two(v)
	}
	for _, v := range rows {
		y += two(v)
	}
	for _, v := range cols {
		z += two(v)
	}
	e := y * z / two(float64(len(a)))
	if (y+z)/2 == e {
		return 1
	}
	return (x - e) / ((y+z)/2 - e)
}

// TestHierarchy compares HDBSCAN with scikit-learn's, and the fast spanning tree
// with Prim's.
func TestHierarchy(t *testing.T) {
	runs := 0
	for _, s := range loadFixture(t).Sets {
		rows := make([]float64, len(s.Points))
		for i, v := range s.Points {
			rows[i] = float64(v) / 100
		}
		for _, h := range s.Hierarchy {
			runs++
			o := HierarchyOptions{MinSamples: h.MinSamples, MinSize: h.MinSize, Metric: s.Metric, Workers: 1}
			r, err := Hierarchy(t.Context(), rows, s.Dim, o)
			if err != nil {
				t.Fatal(err)
			}
			// Where many distances are equal, scikit-learn merges two branches at a
			// time, as the rows come, and agrees less with itself.
			bar := .98
			switch {
			case h.Itself < .5:
				bar = -1
			case s.Name == "line" || s.Name == "twins":
				bar = .94
			}
			if a := adjustedRand(r.Labels, h.Labels); a < bar {
				t.Errorf("%s, %d and %d: ARI %.3f with scikit-learn's labels, %d clusters", s.Name, h.MinSamples, h.MinSize, a, r.Clusters)
			}
			o.Workers = 3
			if again, err := Hierarchy(t.Context(), rows, s.Dim, o); err != nil || !slices.Equal(again.Labels, r.Labels) {
				t.Errorf("%s: three workers give other labels: %v", s.Name, err)
			}
			// In another order.
			n := len(rows) / s.Dim
			perm := rand.New(rand.NewPCG(1, 1)).Perm(n)
			other := make([]float64, 0, len(rows))
			for _, p := range perm {
				other = append(other, rows[p*s.Dim:(p+1)*s.Dim]...)
			}
			q, err := Hierarchy(t.Context(), other, s.Dim, o)
			if err != nil {
				t.Fatal(err)
			}
			back := make([]int32, n)
			for i, p := range perm {
				back[p] = q.Labels[i]
			}
			if a := adjustedRand(back, r.Labels); a < 1-1e-9 {
				t.Errorf("%s: rows in another order: ARI %v", s.Name, a)
			}
		}
	}
	if runs < 20 {
		t.Errorf("%d runs", runs)
	}
}

// TestManyEqual: rows that are all equal, but for a few, take no longer than others.
func TestManyEqual(t *testing.T) {
	const n = 60_000
	rows := make([]float64, 2*n)
	for i := range 200 {
		rows[2*i] = 1 + float64(i%7)/100
	}
	for _, k := range []int{1, 5, 50} {
		h, err := Hierarchy(t.Context(), rows, 2, HierarchyOptions{MinSamples: k, MinSize: 20})
		if err != nil || h.Clusters < 2 || h.Labels[n-1] < 0 {
			t.Errorf("%d clusters, the equal rows in %d: %v", h.Clusters, h.Labels[n-1], err)
		}
		p, err := Plain(t.Context(), rows, 2, Options{Eps: .02, MinSamples: k})
		if err != nil || p.Clusters != 2 {
			t.Errorf("%d clusters of dbscan: %v", p.Clusters, err)
		}
	}
}

func TestSpanning(t *testing.T) {
	for _, c := range []struct {
		n, dim, k int
		step      float64
	}{{1, 2, 1, 0}, {2, 2, 2, 0}, {300, 2, 4, 0}, {300, 2, 5, .5}, {500, 6, 8, 0}, {200, 1, 3, 1}} {
		rows := cloud(c.n, c.dim, c.step, 3)
		tree := newTree(rows, c.n, c.dim, false, nil)
		core, err := tree.coreDistances(t.Context(), c.k, 2)
		if err != nil {
			t.Fatal(err)
		}
		edges, err := tree.spanning(t.Context(), core, 3)
		if err != nil || len(edges) != c.n-1 {
			t.Fatalf("%d edges of %d rows: %v", len(edges), c.n, err)
		}
		slices.SortFunc(edges, edge.compare)
		// Prim's: all edges.
		in, dist := make([]bool, c.n), make([]float64, c.n)
		for i := range dist {
			dist[i] = math.Inf(1)
		}
		var want []float64
		for at := 0; ; {
			in[at] = true
			next := -1
			for j := range c.n {
				if in[j] {
					continue
				}
				dist[j] = min(dist[j], max(distance2(tree.point(int32(at)), tree.point(int32(j))), core[at], core[j]))
				if next < 0 || dist[j] < dist[next] {
					next = j
				}
			}
			if next < 0 {
				break
			}
			want = append(want, dist[next])
			at = next
		}
		slices.Sort(want)
		for i, e := range edges {
			if e.length != want[i] {
				t.Fatalf("%+v: edge %d is %v long, Prim's %v", c, i, e.length, want[i])
			}
		}
	}
}

// TestModelVariants: metrics and hdbscan in a model: fitted rows keep their
// cluster, the file too, the order of the rows says nothing.
func TestModelVariants(t *testing.T) {
	x := profiles(900, 3)
	for _, c := range []Config{
		{Scale: "robust", Metric: Manhattan}, {Scale: "robust", Columns: []string{"gap", "rate", "class"}}, {Scale: "robust", Metric: Cosine}, {Scale: "none", Metric: Cosine},
		{Scale: "robust", Algorithm: HDBSCAN}, {Scale: "robust", Algorithm: HDBSCAN, Metric: Manhattan, MinSamples: 6, MinClusterSize: 20},
		{Scale: "robust", Algorithm: HDBSCAN, Metric: Cosine},
	} {
		m := fit(t, x, c, model.FitOptions{Workers: 1})
		if m.Clusters() < 2 {
			t.Errorf("%+v: %d clusters", c, m.Clusters())
		}
		if !slices.Equal(assign(m, x), m.Labels()) {
			t.Errorf("%+v: fitted rows are assigned otherwise than fitted", c)
		}
		want := encode(t, m)
		if !bytes.Equal(encode(t, fit(t, x, c, model.FitOptions{Workers: 3})), want) {
			t.Errorf("%+v: three workers give another file", c)
		}
		if !bytes.Equal(encode(t, fit(t, x.Select(rand.New(rand.NewPCG(5, 5)).Perm(x.Rows())), c, model.FitOptions{})), want) {
			t.Errorf("%+v: rows in another order give another file", c)
		}
		f, err := model.ReadFile(want)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, d), want) || !slices.Equal(assign(d, x), m.Labels()) {
			t.Errorf("%+v: the loaded model is another", c)
		}
		noise := 0
		for i, l := range m.Labels() {
			shares := make([]float64, len(x.Cols))
			o := m.Outlying(shares, x, i)
			if (o > 1+1e-9) != (l < 0) && math.Abs(o-1) > 1e-9 {
				t.Fatalf("%+v: row %d: outlying %v, cluster %d", c, i, o, l)
			}
			if l < 0 {
				noise++
			}
		}
		if s := m.Summary(); s[len(s)-1].Size != noise {
			t.Errorf("%+v: %d rows of noise, the summary says %d", c, noise, s[len(s)-1].Size)
		}
	}
}

// fixture is testdata/sklearn.json; make_fixture.py made it.
type fixture struct {
	Sets []struct {
		Name      string
		Metric    string
		Weights   []float64
		Dim       int
		Points    []int
		Hierarchy []struct {
			MinSamples int `json:"min_samples"`
			MinSize    int `json:"min_size"`
			Itself     float64
			Labels     []int32
		}
		Center, IQR []float64
		Runs        []struct {
			Eps        float64
			MinSamples int `json:"min_samples"`
			Labels     []int32
			Core       string
		}
	}
}

func loadFixture(t *testing.T) *fixture {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "sklearn.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return &f
}

// TestSklearn: cores, noise and the clusters of cores are scikit-learn's, their
// numbers too; a border row is in a cluster that has a core within eps.
func TestSklearn(t *testing.T) {
	runs, borders, moved := 0, 0, 0
	for _, s := range loadFixture(t).Sets {
		rows := make([]float64, len(s.Points))
		for i, v := range s.Points {
			rows[i] = float64(v) / 100
		}
		n := len(rows) / s.Dim
		for _, r := range s.Runs {
			runs++
			name := fmt.Sprintf("%s eps %v min_samples %d", s.Name, r.Eps, r.MinSamples)
			res, err := Plain(t.Context(), rows, s.Dim, Options{Eps: r.Eps, MinSamples: r.MinSamples, Metric: s.Metric, Weights: s.Weights, Workers: 2})
			if err != nil {
				t.Fatal(err)
			}
			labels := res.Labels
			for i := range n {
				core := r.Core[i] == '1'
				if res.Core[i] != core {
					t.Fatalf("%s: row %d core: %v, scikit-learn says %v", name, i, res.Core[i], core)
				}
				if core || r.Labels[i] < 0 {
					if labels[i] != r.Labels[i] {
						t.Fatalf("%s: row %d is in cluster %d, scikit-learn says %d", name, i, labels[i], r.Labels[i])
					}
					continue
				}
				borders++
				if labels[i] != r.Labels[i] {
					moved++
				}
				ok := false
				for j := range n {
					ok = ok || r.Core[j] == '1' && labels[j] == labels[i] &&
						far(s.Metric, rows[i*s.Dim:(i+1)*s.Dim], rows[j*s.Dim:(j+1)*s.Dim]) <= inner(s.Metric, r.Eps)
				}
				if !ok {
					t.Fatalf("%s: border row %d is in cluster %d, none of whose cores is within eps", name, i, labels[i])
				}
			}
		}
	}
	if runs < 12 || borders < 100 || moved == 0 || moved > borders/4 {
		t.Errorf("%d runs, %d border rows, %d in another cluster: the fixture does not test what it should", runs, borders, moved)
	}
}

// TestRobustScaler compares center and range with scikit-learn's RobustScaler
// where the interquartile range counts.
func TestRobustScaler(t *testing.T) {
	compared := 0
	for _, s := range loadFixture(t).Sets {
		schema := &frame.Schema{Name: "x"}
		for j := range s.Dim {
			schema.Columns = append(schema.Columns, frame.Column{Name: fmt.Sprint(j)})
		}
		x := frame.NewMatrix(schema, len(s.Points)/s.Dim)
		for i, v := range s.Points {
			x.Cols[i%s.Dim][i/s.Dim] = float32(v)
		}
		sc, err := fitScaler(t.Context(), x, slices.Repeat([]bool{true}, s.Dim), "robust", 1)
		if err != nil {
			t.Fatal(err)
		}
		for j := range s.Dim {
			if math.Abs(sc.center[j]-100*s.Center[j]) > 1e-6 {
				t.Errorf("%s column %d: median %v, scikit-learn says %v", s.Name, j, sc.center[j]/100, s.Center[j])
			}
			if sc.scale[j] < 100*s.IQR[j]-1e-6 {
				t.Errorf("%s column %d: scale %v below the interquartile range %v", s.Name, j, sc.scale[j]/100, s.IQR[j])
			}
			if math.Abs(sc.scale[j]-100*s.IQR[j]) < 1e-6 {
				compared++
			}
		}
	}
	if compared < 5 {
		t.Errorf("the interquartile range counted in %d columns only", compared)
	}
}

func column(values ...float32) *frame.Matrix {
	x := frame.NewMatrix(&frame.Schema{Name: "x", Columns: []frame.Column{{Name: "v"}}}, len(values))
	copy(x.Cols[0], values)
	return x
}

func TestScale(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name          string
		x             *frame.Matrix
		center, scale float64
	}{
		// Quartiles 2 and 4; the winsorised values are 1.04, 2, 3, 4, 4.96 with
		// variance (2·1.96² + 2)/5.
		{"uniform", column(1, 2, 3, 4, 5), 3, max(2, 1.349*math.Sqrt((2*1.96*1.96+2)/5))},
		{"missing", column(1, nan, 2, 3, nan, 4, 5), 3, max(2, 1.349*math.Sqrt((2*1.96*1.96+2)/5))},
		// One in 400: hundredths cut back are all 0, so all values count.
		{"rare", column(append(make([]float32, 399), 1)...), 0, 1.349 * math.Sqrt(1./400*(1-1./400))},
	} {
		s, err := fitScaler(t.Context(), c.x, []bool{true}, "robust", 1)
		if err != nil || len(s.columns) != 1 {
			t.Fatalf("%s: %v, %v", c.name, s, err)
		}
		if s.center[0] != c.center || math.Abs(s.scale[0]-c.scale) > 1e-12 {
			t.Errorf("%s: center %v scale %v, expected %v and %v", c.name, s.center[0], s.scale[0], c.center, c.scale)
		}
	}
	for _, x := range []*frame.Matrix{column(3, 3, 3), column(nan, nan), column(nan, 2, 2)} {
		if s, err := fitScaler(t.Context(), x, []bool{true}, "robust", 1); err != nil || len(s.columns) != 0 {
			t.Errorf("a constant column is used: %v, %v", s, err)
		}
	}
	s, err := fitScaler(t.Context(), column(1, nan, 5, 2), []bool{true}, "none", 1)
	if err != nil || s.center[0] != 0 || s.scale[0] != 1 || s.fill[0] != 2 {
		t.Errorf("no scaling: %+v, %v", s, err)
	}
}

func TestKDistances(t *testing.T) {
	for _, step := range []float64{0, .5} {
		const n, dim, k = 300, 3, 7
		rows := cloud(n, dim, step, 3)
		tree := newTree(rows, n, dim, false, nil)
		at := make([]int32, n)
		for i := range at {
			at[i] = int32(i)
		}
		got, err := kDistances(t.Context(), tree, at, k, 2)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		for i, d := range got {
			got[i] = math.Sqrt(d)
		}
		var want []float64
		for i := range n {
			var d []float64
			for j := range n {
				d = append(d, math.Sqrt(distance2(rows[i*dim:(i+1)*dim], rows[j*dim:(j+1)*dim])))
			}
			slices.Sort(d)
			want = append(want, d[k-1]) // d[0] is the row itself
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("step %v: the k-distances differ", step)
		}
	}
}

func TestKnee(t *testing.T) {
	// Two straight lines that meet at (60, 6): that is the point farthest below
	// the chord. Behind 95 % there may be anything.
	var curve []float64
	for i := range 60 {
		curve = append(curve, float64(i)/10)
	}
	for i := range 36 {
		curve = append(curve, 6+float64(i))
	}
	curve = append(curve, 50, 1000, 1e6, 1e9)
	if got := knee(curve); got != 6 {
		t.Errorf("knee at %v, expected 6", got)
	}
	for _, c := range []struct {
		curve []float64
		want  float64
	}{
		{[]float64{0}, 1}, {[]float64{0, 0, 0}, 1}, {[]float64{2, 2, 2}, 2}, {[]float64{0, 0, 0, 0, 0, 0, 3}, 3},
		{[]float64{1, 2, 3}, 3}, // a straight line: all rows
	} {
		if got := knee(c.curve); got != c.want {
			t.Errorf("knee of %v at %v, expected %v", c.curve, got, c.want)
		}
	}
}

func TestTree(t *testing.T) {
	for _, dim := range []int{1, 2, 7} {
		for _, step := range []float64{0, 1} {
			const n = 700
			rows := cloud(n, dim, step, 9)
			tree := newTree(rows, n, dim, false, nil)
			for i, r := range tree.id {
				if !slices.Equal(tree.point(int32(i)), rows[int(r)*dim:(int(r)+1)*dim]) {
					t.Fatalf("position %d is not row %d", i, r)
				}
			}
			if tree.nodes[0].weight != n {
				t.Errorf("%d rows became %d", n, tree.nodes[0].weight)
			}
			at := int32(0)
			for _, l := range tree.leaves {
				if m := tree.nodes[l]; m.lo != at || m.hi-m.lo > leafPoints {
					t.Fatalf("leaf %+v behind position %d", m, at)
				}
				at = tree.nodes[l].hi
			}
			// Bounds hold and the nearest point is the nearest.
			rng := rand.New(rand.NewPCG(4, 4))
			q := make([]float64, dim)
			for range 50 {
				for j := range q {
					q[j] = math.Round(10 * rng.Float64())
				}
				limit := 4 * rng.Float64()
				best, found := limit, int32(-1)
				for i := range tree.id {
					d := distance2(q, tree.point(int32(i)))
					if d < best || d == best && (found < 0 || before(tree.point(int32(i)), tree.point(found))) {
						best, found = d, int32(i)
					}
				}
				got, d := tree.nearest(q, limit, nil, nil)
				if (got < 0) != (found < 0) || got >= 0 && (!slices.Equal(tree.point(got), tree.point(found)) || d != best) {
					t.Fatalf("nearest point %d at %v, expected %d at %v", got, d, found, best)
				}
			}
		}
	}
}

// behaviour-like rows: two kinds of principals and some odd ones, with what
// columns have: skew, shares that are mostly 0, a constant, gaps, nothing.
func profiles(n int, seed uint64) *frame.Matrix {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &frame.Schema{Name: "behaviour", State: "0a1b"}
	for _, name := range []string{"rate", "gap", "share", "rare", "constant", "gaps", "nothing", "class"} {
		s.Columns = append(s.Columns, frame.Column{Name: name, Unit: "1"})
	}
	x := frame.NewMatrix(s, n)
	nan := float32(math.NaN())
	for i := range n {
		kind := 0
		switch u := rng.Float64(); {
		case u < .3:
			kind = 1
		case u < .35:
			kind = 2
		}
		x.Cols[0][i] = float32(2 + 6*float64(kind&1) + .5*rng.NormFloat64())
		x.Cols[1][i] = float32(5 - 4*float64(kind&1) + .5*rng.NormFloat64())
		x.Cols[2][i] = float32(rng.IntN(5)) / 5
		if rng.IntN(20) == 0 {
			x.Cols[3][i] = float32(rng.Float64())
		}
		x.Cols[4][i] = 7
		x.Cols[5][i] = float32(rng.NormFloat64())
		if rng.IntN(4) == 0 {
			x.Cols[5][i] = nan
		}
		x.Cols[6][i] = nan
		x.Cols[7][i] = float32(kind & 1)
		if kind == 2 {
			x.Cols[0][i] = float32(40 * rng.Float64())
			x.Cols[1][i] = float32(-40 * rng.Float64())
		}
		if i%10 == 9 {
			for j := range x.Cols {
				x.Cols[j][i] = x.Cols[j][i-1]
			}
		}
	}
	return x
}

func fit(t testing.TB, x *frame.Matrix, c Config, opt model.FitOptions) *Model {
	t.Helper()
	m, err := Fit(t.Context(), x, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func encode(t testing.TB, m model.Model) []byte {
	t.Helper()
	var f model.File
	if err := m.Encode(&f); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func assign(m *Model, x *frame.Matrix) []int32 {
	dst := make([]int32, x.Rows())
	m.Assign(dst, x, 0, x.Rows())
	return dst
}

func TestModel(t *testing.T) {
	x := profiles(1000, 1)
	m := fit(t, x, Default(), model.FitOptions{})
	if got := m.Columns(); !slices.Equal(got, []string{"rate", "gap", "share", "rare", "gaps", "class"}) {
		t.Errorf("columns used: %v", got)
	}
	if m.MinSamples() != 12 {
		t.Errorf("min_samples %d, expected twice 6 columns", m.MinSamples())
	}
	if m.Clusters() != 2 {
		t.Fatalf("%d clusters, made of 2", m.Clusters())
	}
	labels := assign(m, x)
	if !slices.Equal(labels, m.Labels()) {
		t.Error("fitted rows are assigned otherwise than fitted")
	}
	// The summary against the labels.
	s := m.Summary()
	if len(s) != 3 || s[0].Size < s[1].Size || s[2].Label != -1 || s[2].Cores != 0 {
		t.Fatalf("summary %+v", s)
	}
	for _, c := range s {
		var rate []float64
		for i, l := range labels {
			if l == c.Label {
				rate = append(rate, float64(x.Cols[0][i]))
			}
		}
		slices.Sort(rate)
		if len(rate) != c.Size || math.Abs(c.Center[0]-quantile(rate, .5)) > 1e-6 {
			t.Errorf("cluster %d: size %d median %v, rows say %d and %v", c.Label, c.Size, c.Center[0], len(rate), quantile(rate, .5))
		}
		if !math.IsNaN(c.Center[6]) || c.Center[4] != 7 {
			t.Errorf("cluster %d: medians %v", c.Label, c.Center)
		}
	}
	if top := s[1].Top; len(top) < 3 || !slices.ContainsFunc(top[:3], func(d Deviation) bool { return d.Column == "class" && d.Scaled > 0 && d.Value == 1 && d.Typical == 0 }) {
		t.Errorf("the smaller cluster deviates in %+v", top)
	}
	// Outlying agrees with the assignment, and its shares sum up.
	for i, l := range labels {
		shares := make([]float64, len(x.Cols))
		o := m.Outlying(shares, x, i)
		if (o > 1+1e-12) != (l < 0) && math.Abs(o-1) > 1e-9 {
			t.Fatalf("row %d: outlying %v, cluster %d", i, o, l)
		}
		sum := 0.0
		for _, v := range shares {
			sum += v
		}
		if o > 0 && math.Abs(sum-1) > 1e-9 || o == 0 && sum != 0 {
			t.Fatalf("row %d: outlying %v, shares %v", i, o, shares)
		}
	}
	if k := m.KDistances(); len(k) != curvePoints || !slices.IsSorted(k) || m.Eps() < k[0] || m.Eps() > k[len(k)-1] {
		t.Errorf("k-distances %v, eps %v", k, m.Eps())
	}
	// The same as Plain in the model's space.
	points := make([]float64, x.Rows()*m.Dim())
	m.Transform(points, x, 0, x.Rows())
	same, k, err := plain(t.Context(), points, m.Dim(), m.Eps(), m.MinSamples(), 0)
	if err != nil || k != m.Clusters() {
		t.Fatalf("%d clusters, %v", k, err)
	}
	to := map[int32]int32{}
	for i, l := range same {
		if have, ok := to[l]; ok && have != labels[i] || (l < 0) != (labels[i] < 0) {
			t.Fatalf("row %d: cluster %d here, %d there", i, labels[i], l)
		}
		to[l] = labels[i]
	}
}

// TestOrder: rows in another order are the same model.
func TestOrder(t *testing.T) {
	x := profiles(600, 2)
	want := encode(t, fit(t, x, Default(), model.FitOptions{}))
	rng := rand.New(rand.NewPCG(5, 5))
	for range 3 {
		if !bytes.Equal(encode(t, fit(t, x.Select(rng.Perm(x.Rows())), Default(), model.FitOptions{})), want) {
			t.Fatal("rows in another order give another file")
		}
	}
	y := profiles(600, 2)
	for _, c := range y.Cols {
		for i, v := range c {
			if v == 0 {
				c[i] = float32(math.Copysign(0, -1))
			}
		}
	}
	if !bytes.Equal(encode(t, fit(t, y, Default(), model.FitOptions{})), want) {
		t.Error("−0 is not 0")
	}
}

func TestSameBytes(t *testing.T) {
	x := profiles(800, 1)
	before := fmt.Sprint(x.Cols, *x.Schema)
	want := encode(t, fit(t, x, Default(), model.FitOptions{Seed: 3, Workers: 1}))
	if !bytes.Equal(encode(t, fit(t, x, Default(), model.FitOptions{Seed: 3, Workers: 4})), want) {
		t.Error("four workers give another file")
	}
	if fmt.Sprint(x.Cols, *x.Schema) != before {
		t.Error("the fit changed its input")
	}
	f, err := model.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encode(t, m), want) {
		t.Error("saved again, the file differs")
	}
	fitted := fit(t, x, Default(), model.FitOptions{})
	fresh := profiles(500, 7)
	if !slices.Equal(assign(m, fresh), assign(fitted, fresh)) || !slices.Equal(assign(m, x), fitted.Labels()) {
		t.Error("the loaded model assigns otherwise")
	}
	if a, b := fmt.Sprintf("%+v", m.Summary()), fmt.Sprintf("%+v", fitted.Summary()); a != b {
		t.Errorf("the loaded model describes itself otherwise:\n%s\n%s", a, b)
	}
	if m.Labels() != nil {
		t.Error("a loaded model has labels of rows")
	}
	// Blocks do not matter, nor does the schema's owner.
	all := assign(m, fresh)
	part := make([]int32, 1)
	for i := range all {
		if m.Assign(part, fresh, i, i+1); part[0] != all[i] {
			t.Fatalf("row %d alone is in cluster %d, among all in %d", i, part[0], all[i])
		}
	}
	fresh.Schema.Columns[0].Name = "other"
	defer func() {
		if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), `column 0 is "other", not "rate"`) {
			t.Errorf("on other columns: %v", err)
		}
	}()
	assign(m, fresh)
}

func TestOddData(t *testing.T) {
	fill := func(x *frame.Matrix, v float32) *frame.Matrix {
		for _, c := range x.Cols {
			for i := range c {
				c[i] = v
			}
		}
		return x
	}
	nan := float32(math.NaN())
	huge := profiles(100, 1)
	huge.Cols[0][3], huge.Cols[0][4], huge.Cols[1][5] = math.MaxFloat32, -math.MaxFloat32, 1e-45
	for name, c := range map[string]struct {
		x        *frame.Matrix
		clusters int
	}{
		"one row":    {profiles(1, 1), 0},
		"two rows":   {profiles(2, 1), 0},
		"constant":   {fill(profiles(50, 1), 3), 1},
		"missing":    {fill(profiles(50, 1), nan), 1},
		"largest":    {huge, -1},
		"duplicates": {profiles(20, 1).Select(slices.Repeat([]int{3, 4, 5}, 30)), -1},
	} {
		for _, scale := range []string{"robust", "none"} {
			t.Run(name+" "+scale, func(t *testing.T) {
				m := fit(t, c.x, Config{Scale: scale}, model.FitOptions{})
				if c.clusters >= 0 && m.Clusters() != c.clusters {
					t.Errorf("%d clusters, expected %d", m.Clusters(), c.clusters)
				}
				if !slices.Equal(assign(m, c.x), m.Labels()) {
					t.Error("fitted rows are assigned otherwise than fitted")
				}
				f, err := model.ReadFile(encode(t, m))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := Decode(f); err != nil {
					t.Errorf("cannot be loaded: %v", err)
				}
				odd := profiles(4, 2)
				odd.Cols[0][0], odd.Cols[0][1] = float32(math.Inf(1)), float32(math.Inf(-1))
				for _, rows := range []*frame.Matrix{odd, fill(profiles(5, 3), nan)} {
					for i, l := range assign(m, rows) {
						if l < -1 || int(l) >= m.Clusters() {
							t.Errorf("row %d: cluster %d of %d", i, l, m.Clusters())
						}
					}
				}
			})
		}
	}
}

func TestErrors(t *testing.T) {
	x := profiles(50, 1)
	inf := profiles(50, 1)
	inf.Cols[3][7] = float32(math.Inf(1))
	for _, c := range []struct {
		x    *frame.Matrix
		c    Config
		want string
	}{
		{profiles(0, 1), Default(), "no rows"},
		{inf, Default(), "infinite"},
		{x, Config{Eps: -1, Scale: "none"}, "eps must be 0"},
		{x, Config{Eps: math.NaN(), Scale: "none"}, "eps must be 0"},
		{x, Config{MinSamples: -1, Scale: "none"}, "min_samples must be 0"},
		{x, Config{Scale: "none", Columns: []string{"rate", "height"}}, `there is no column "height"`},
		{x, Config{Scale: "none", Metric: "taxi"}, `metric must be "euclidean", "manhattan" or "cosine", not "taxi"`},
		{x, Config{Scale: "none", Algorithm: "optics"}, `algorithm must be "dbscan" or "hdbscan", not "optics"`},
		{x, Config{Scale: "none", MinClusterSize: 1}, "min_cluster_size must be 0"},
		{x, Config{}, `scale must be "robust" or "none", not ""`},
		{frame.NewMatrix(&frame.Schema{Name: "x"}, 3), Default(), "0 columns"},
	} {
		if m, err := Fit(t.Context(), c.x, c.c, model.FitOptions{}); err == nil || !strings.Contains(err.Error(), c.want) || m != nil {
			t.Errorf("expected %q: %v", c.want, err)
		}
	}
	nan := math.NaN()
	for _, c := range []struct {
		rows []float64
		dim  int
		eps  float64
		min  int
		want string
	}{
		{[]float64{1, 2, 3}, 2, 1, 1, "3 values are no rows of 2 columns"}, {[]float64{1}, 0, 1, 1, "no rows of 0"},
		{[]float64{1, nan}, 1, 1, 1, "row 2 column 1 is NaN"}, {[]float64{1}, 1, 0, 1, "eps must be above 0"},
		{[]float64{1}, 1, nan, 1, "eps must be above 0"}, {[]float64{1}, 1, 1, 0, "min_samples must be 1"},
	} {
		if _, _, err := plain(t.Context(), c.rows, c.dim, c.eps, c.min, 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("expected %q: %v", c.want, err)
		}
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Eps: 1, MinSamples: 1, Weights: []float64{1}}, "1 weights of 2 rows"}, {Options{Eps: 1, MinSamples: 1, Weights: []float64{1, -1}}, "the weight of row 2 must be 0 or more, not -1"},
		{Options{Eps: 1, MinSamples: 1, Weights: []float64{1, nan}}, "the weight of row 2"}, {Options{Eps: 1, MinSamples: 1, Weights: []float64{1e300, 1}}, "sum up to more"},
		{Options{Eps: 1, MinSamples: 1, Metric: "L2"}, "metric must be"},
	} {
		if _, err := Plain(t.Context(), []float64{1, 2}, 1, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("expected %q: %v", c.want, err)
		}
	}
	for _, o := range []HierarchyOptions{{MinSamples: 0, MinSize: 2}, {MinSamples: 1, MinSize: 1}, {MinSamples: 1, MinSize: 2, Metric: "x"}, {MinSamples: 1, MinSize: 2, Eps: -1}} {
		if _, err := Hierarchy(t.Context(), []float64{1, 2}, 1, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	if _, err := Hierarchy(t.Context(), []float64{1, nan}, 1, HierarchyOptions{MinSamples: 1, MinSize: 2}); err == nil || !strings.Contains(err.Error(), "row 2 column 1 is NaN") {
		t.Errorf("NaN: %v", err)
	}
	if l, k, err := plain(t.Context(), nil, 2, 1, 1, 0); len(l) != 0 || k != 0 || err != nil {
		t.Errorf("no rows: %v, %d, %v", l, k, err)
	}
	rows := []float64{math.Copysign(0, -1), 0, 0}
	if l, _, err := plain(t.Context(), rows, 1, 1e-12, 3, 0); err != nil || !slices.Equal(l, []int32{0, 0, 0}) || !math.Signbit(rows[0]) {
		t.Errorf("−0 and 0: %v, %v; rows now %v", l, err, rows)
	}
}

func TestCancelled(t *testing.T) {
	x := profiles(300, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m, err := Fit(ctx, x, Default(), model.FitOptions{}); !errors.Is(err, context.Canceled) || m != nil {
		t.Errorf("cancelled before: %v, %v", m, err)
	}
	if l, _, err := plain(ctx, cloud(100, 2, 0, 1), 2, 1, 3, 0); !errors.Is(err, context.Canceled) || l != nil {
		t.Errorf("cancelled before: %v, %v", l, err)
	}
	for stop := 1; stop <= 6; stop++ {
		ctx, cancel := context.WithCancel(t.Context())
		last := 0
		log := func(done, total int) {
			if done != last+1 || total != 6 {
				t.Errorf("step %d of %d behind %d", done, total, last)
			}
			if last = done; done == stop {
				cancel()
			}
		}
		if m, err := Fit(ctx, x, Default(), model.FitOptions{Log: log}); !errors.Is(err, context.Canceled) || m != nil || last != stop {
			t.Errorf("cancelled at step %d: %v, %v, ended at %d", stop, m != nil, err, last)
		}
		cancel()
	}
}

func TestConcurrent(t *testing.T) {
	x := profiles(300, 1)
	m := fit(t, x, Default(), model.FitOptions{Workers: 4})
	want := assign(fit(t, x, Default(), model.FitOptions{}), x)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if !slices.Equal(assign(m, x), want) || len(m.Summary()) == 0 {
				t.Error("used concurrently, the model assigns otherwise")
			}
		})
	}
	wg.Wait()
}

func TestAllocations(t *testing.T) {
	x := profiles(1000, 1)
	m := fit(t, x, Default(), model.FitOptions{})
	dst := make([]int32, x.Rows())
	few := testing.AllocsPerRun(5, func() { m.Assign(dst, x, 0, 100) })
	many := testing.AllocsPerRun(5, func() { m.Assign(dst, x, 0, 1000) })
	if many > few || few > 4 {
		t.Errorf("%v allocations for 100 rows, %v for 1000", few, many)
	}
}

// TestDamage: every array cut, emptied, and with hostile numbers in it is an
// error or a model that can be used.
func TestDamage(t *testing.T) {
	x := profiles(400, 1)
	good := encode(t, fit(t, x, Default(), model.FitOptions{}))
	read := func() *model.File {
		f, err := model.ReadFile(slices.Clone(good))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	use := func(f *model.File) error {
		m, err := Decode(f)
		if err != nil {
			return err
		}
		for _, l := range assign(m, x) {
			if l < -1 || int(l) >= m.Clusters() {
				t.Errorf("cluster %d of %d", l, m.Clusters())
			}
		}
		m.Summary()
		m.Outlying(make([]float64, len(x.Cols)), x, 0)
		encode(t, m)
		return nil
	}
	if err := use(read()); err != nil {
		t.Fatal(err)
	}
	refused := 0
	try := func(name string, put func(f *model.File)) {
		f := read()
		put(f)
		if err := use(f); err != nil {
			refused++
		} else if strings.HasSuffix(name, "!") {
			t.Errorf("%s was accepted", name)
		}
	}
	nan, inf := math.NaN(), math.Inf(1)
	for _, a := range read().Arrays() {
		mark := "!"
		if a.Name == "dbscan.curve" || a.Len == 1 {
			mark = ""
		}
		switch a.DType {
		case "F64":
			v, _ := read().F64(a.Name)
			try(a.Name+" cut"+mark, func(f *model.File) { f.PutF64(a.Name, v[:len(v)-1]) })
			for _, bad := range []float64{nan, inf, -inf, -1, 0, 1e300} {
				w := slices.Clone(v)
				w[len(w)/2] = bad
				try(a.Name, func(f *model.File) { f.PutF64(a.Name, w) })
			}
		case "F32":
			v, _ := read().F32(a.Name)
			try(a.Name+" cut!", func(f *model.File) { f.PutF32(a.Name, v[:len(v)-1]) })
			for _, bad := range []float64{nan, inf, -inf, math.MaxFloat32} {
				w := slices.Clone(v)
				w[len(w)/2] = float32(bad)
				try(a.Name, func(f *model.File) { f.PutF32(a.Name, w) })
			}
		case "I32":
			v, _ := read().I32(a.Name)
			try(a.Name+" cut!", func(f *model.File) { f.PutI32(a.Name, v[:len(v)-1]) })
			for _, bad := range []int32{-1, -2, math.MaxInt32, math.MinInt32} {
				w := slices.Clone(v)
				w[len(w)/2] = bad
				try(a.Name, func(f *model.File) { f.PutI32(a.Name, w) })
			}
		case "I64":
			v, _ := read().I64(a.Name)
			try(a.Name+" cut!", func(f *model.File) { f.PutI64(a.Name, v[:len(v)-1]) })
			for _, bad := range []int64{-1, 0, math.MaxInt64, math.MinInt64} {
				w := slices.Clone(v)
				w[len(w)/2] = bad
				try(a.Name, func(f *model.File) { f.PutI64(a.Name, w) })
			}
		default:
			t.Errorf("array %q is %s", a.Name, a.DType)
		}
	}
	for name, put := range map[string]func(f *model.File){
		"kind!":    func(f *model.File) { f.Header.Kind = "forest" },
		"columns!": func(f *model.File) { f.Header.Schema.Columns = nil },
		"config!":  func(f *model.File) { f.Header.Config = json.RawMessage(`[]`) },
		"eps!":     func(f *model.File) { f.PutF64("dbscan.eps", []float64{nan}) },
		"fewer columns!": func(f *model.File) {
			f.Header.Schema.Columns = f.Header.Schema.Columns[:3]
		},
		"cores in another order!": func(f *model.File) {
			v, _ := f.F32("dbscan.core")
			v[0] += 100
			f.PutF32("dbscan.core", v)
		},
		"no arrays!": func(f *model.File) { *f = model.File{Header: f.Header} },
	} {
		try(name, put)
	}
	if refused < 30 {
		t.Errorf("only %d damaged files were refused", refused)
	}
}

// FuzzPlain: with every index the labels are the reference's for any points, and
// no cluster of the hierarchy is too small.
func FuzzPlain(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, uint8(1), uint8(2), uint8(2))
	f.Add(bytes.Repeat([]byte{7, 7, 1}, 40), uint8(0), uint8(1), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, columns, radius, least uint8) {
		dim := 1 + int(columns%4)
		b = b[:min(len(b), 240)/dim*dim]
		rows := make([]float64, len(b))
		for i, v := range b {
			rows[i] = float64(int8(v)) / 8
		}
		eps, minSamples := float64(radius%64)/16+.01, 1+int(least%12)
		want, _, k := reference(rows, dim, eps, minSamples)
		for _, kind := range []indexKind{automatic, gridIndex, treeIndex, blockIndex} {
			r, err := Plain(t.Context(), rows, dim, Options{Eps: eps, MinSamples: minSamples, Workers: 2, index: kind})
			if err != nil || r.Clusters != k || !slices.Equal(r.Labels, want) {
				t.Errorf("index %d: %d clusters, expected %d, labels %v, expected %v: %v", kind, r.Clusters, k, r.Labels, want, err)
			}
		}
		// The hierarchy's clusters have rows enough.
		h, err := Hierarchy(t.Context(), rows, dim, HierarchyOptions{MinSamples: minSamples, MinSize: 1 + minSamples, Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		size := make([]int, h.Clusters)
		for _, l := range h.Labels {
			if l >= 0 {
				size[l]++
			}
		}
		for l, n := range size {
			if n < 1+minSamples {
				t.Errorf("cluster %d of the hierarchy has %d rows, at least %d make one", l, n, 1+minSamples)
			}
		}
	})
}

func BenchmarkPlain(b *testing.B) {
	rows := cloud(50000, 8, 0, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := plain(b.Context(), rows, 8, 1, 16, 0); err != nil {
			b.Fatal(err)
		}
	}
}
