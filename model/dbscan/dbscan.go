// Package dbscan is DBSCAN (Ester, Kriegel, Sander, Xu, "A density-based
// algorithm for discovering clusters in large spatial databases with noise",
// KDD 1996), exact, with the Euclidean, Manhattan or cosine distance: rows with at
// least MinSamples rows (themselves included) within Eps are cores, cores within
// Eps of each other are one cluster, other rows within Eps of a core are on its
// border, and the rest is noise. Beside it stands HDBSCAN for clusters of unequal
// density (see hierarchy.go).
//
// Fit scales the columns, chooses Eps and MinSamples if they are 0, and gives a
// Model, which assigns rows, also new ones, to its clusters; Summary says what
// each cluster is like; Encode and Decode store it. Plain and Hierarchy are the
// algorithms alone, on numbers as they are.
//
// Cost: O(n·log n) distances where neighbourhoods are small, O(n²) at worst,
// O(n) memory (see tree.go, index.go and cluster.go). Assigning a row takes
// O(log cores) on average.
//
// Choices that the papers leave open, and deviations:
//   - A border row within Eps of several clusters goes to that of its nearest
//     core, and of equally near ones to the core that comes first when the cores
//     are sorted by their columns. In the paper, and in scikit-learn, the order of
//     the rows decides. Here it never does: rows in another order give the same
//     clusters and the same file.
//   - DBSCAN itself assigns no new rows. Here a new row belongs to the cluster of
//     its nearest core within Eps, by the same rule as a border row, and is noise
//     if there is none. It never makes a core or a cluster. Rows that the model
//     was fitted on get the cluster that the fit gave them. A Model of HDBSCAN does
//     the same with the rows in clusters as cores, and for each cluster the largest
//     distance at which a row is still in it; so noise of the hierarchy that lies
//     that near to a cluster becomes its border.
//   - MinSamples = 0 is twice the number of columns used (Sander, Ester, Kriegel,
//     Xu 1998, "Density-based clustering in spatial databases: the algorithm
//     GDBSCAN and its applications"), but no more than a twentieth of the rows:
//     on few rows the rule would leave nothing but noise. It is never less than 3.
//   - Eps = 0 is the knee of the sorted k-distance curve (the paper's section
//     4.2), found as in Satopää, Albrecht, Irwin, Raghavan 2011 ("Finding a
//     'Kneedle' in a haystack"): see knee.
//   - Missing values are taken for the median of their column.
package dbscan

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"apiml/frame"
	"apiml/model"
)

// Kind is the kind of model in files.
const Kind = "dbscan"

const (
	maxColumns = 1024
	// curveQueries is on how many rows the k-distance curve is computed: a
	// quantile of 2,000 values is exact enough, and the search of one costs
	// O(n) where there are many columns.
	curveQueries = 2000
	curvePoints  = 201 // kept for the report
)

// Algorithms of Config.
const (
	DBSCAN  = "dbscan"
	HDBSCAN = "hdbscan"
)

// Config says how to cluster. The zero value is valid, apart from Scale.
type Config struct {
	Algorithm      string   `json:"algorithm"`        // "dbscan", or "hdbscan" for clusters of unequal density; default "dbscan"
	Metric         string   `json:"metric"`           // "euclidean", "manhattan" or "cosine", of the scaled columns; default "euclidean"
	Eps            float64  `json:"eps"`              // dbscan: radius of a neighbourhood, hdbscan: least distance at which clusters part, in scaled units; 0 = the knee of the k-distance curve; default 0
	MinSamples     int      `json:"min_samples"`      // rows within eps, itself included, that make a core; 0 = twice the number of columns used, at most a twentieth of the rows; default 0
	MinClusterSize int      `json:"min_cluster_size"` // hdbscan: rows that make a cluster; 0 = min_samples; default 0
	Columns        []string `json:"columns"`          // the columns whose distances count; none = all
	Scale          string   `json:"scale"`            // "robust": (x − median) / interquartile range per column, no less than 1.349 winsorised standard deviations; "none": as they are; default "robust"
}

// Default is the default configuration.
func Default() Config { return Config{Algorithm: DBSCAN, Metric: Euclidean, Scale: "robust"} }

func (c *Config) check() error {
	switch {
	case c.Algorithm != "" && c.Algorithm != DBSCAN && c.Algorithm != HDBSCAN:
		return fmt.Errorf("dbscan: algorithm must be %q or %q, not %q", DBSCAN, HDBSCAN, c.Algorithm)
	case !(c.Eps >= 0) || math.IsInf(c.Eps, 0):
		return fmt.Errorf("dbscan: eps must be 0 (chosen from the data) or more, not %v", c.Eps)
	case c.MinSamples < 0 || c.MinSamples > math.MaxInt32:
		return fmt.Errorf("dbscan: min_samples must be 0 (chosen from the data) or more, not %d", c.MinSamples)
	case c.MinClusterSize < 0 || c.MinClusterSize == 1 || c.MinClusterSize > math.MaxInt32:
		return fmt.Errorf("dbscan: min_cluster_size must be 0 (min_samples) or at least 2, not %d", c.MinClusterSize)
	case c.Scale != "robust" && c.Scale != "none":
		return fmt.Errorf("dbscan: scale must be \"robust\" or \"none\", not %q", c.Scale)
	}
	return checkMetric(c.Metric)
}

// Cluster describes a cluster, or the noise.
type Cluster struct {
	Label  int32     // from 0, the largest first; −1 = noise
	Size   int       // rows of the fit
	Cores  int       // of these, cores
	Center []float64 // median per column of the schema, in the column's unit; NaN where none of its rows has a value
	Top    []Deviation
}

// Deviation is a column in which a cluster differs from all rows.
type Deviation struct {
	Column  string
	Value   float64 // median of the cluster, in the column's unit
	Typical float64 // median of all rows
	Scaled  float64 // the difference in scaled units (about interquartile ranges), with its sign
}

// topColumns is how many deviations a Cluster has at most.
const topColumns = 5

// Model is a fitted clustering: immutable, safe for concurrent use.
type Model struct {
	schema frame.Schema
	config Config
	seed   uint64
	scaler scaler
	eps    float64 // as used
	min    int     // as used

	cores    *tree     // ids are canonical order
	points   []float64 // of the cores in canonical order, as stored
	label    []int32   // cluster of each core in canonical order
	radius   []float64 // hdbscan: of each cluster, at most eps; nil = eps for all
	clusters []summary // the noise last
	curve    []float64
	fitted   []int32 // nil if decoded
}

// summary is what is stored of a Cluster.
type summary struct {
	size, cores int
	center      []float32
}

// Fit clusters all rows of x, whatever their class. It does not change x. The
// clustering has no chance in it: the seed is only recorded. Errors: a
// configuration out of range, no rows, an infinite feature, the end of ctx.
func Fit(ctx context.Context, x *frame.Matrix, c Config, opt model.FitOptions) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := x.Check(); err != nil {
		return nil, err
	}
	n := x.Rows()
	switch {
	case n == 0:
		return nil, fmt.Errorf("dbscan: no rows")
	case n > math.MaxInt32:
		return nil, fmt.Errorf("dbscan: %d rows, possible are %d", n, math.MaxInt32)
	case len(x.Cols) == 0 || len(x.Cols) > maxColumns:
		return nil, fmt.Errorf("dbscan: %d columns, possible are 1 to %d", len(x.Cols), maxColumns)
	}
	const steps = 6
	done := 0
	step := func() {
		if done++; opt.Log != nil {
			opt.Log(done, steps)
		}
	}
	m := &Model{schema: *x.Schema, config: c, seed: opt.Seed}
	m.schema.Columns = slices.Clone(x.Schema.Columns)
	m.config.Columns = slices.Clone(c.Columns)
	used, err := only(x.Schema, c.Columns)
	if err != nil {
		return nil, err
	}
	if m.scaler, err = fitScaler(ctx, x, used, c.Scale, opt.Workers); err != nil {
		return nil, err
	}
	step()
	rows := make([]float64, n*m.Dim())
	m.transform(rows, x, 0, n)
	order := canonical(rows, n, m.Dim())
	if m.min = c.MinSamples; m.min == 0 {
		m.min = max(3, min(2*len(m.scaler.columns), n/20))
	}
	var core []bool
	if c.Algorithm == HDBSCAN {
		core, err = m.hierarchy(ctx, rows, order, opt.Workers, step)
	} else {
		core, err = m.density(ctx, rows, order, opt.Workers, step)
	}
	if err != nil {
		return nil, err
	}
	if err := m.summarise(ctx, x, core, opt.Workers); err != nil {
		return nil, err
	}
	step()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return m, nil
}

// only says which columns are named; all, if none is.
func only(s *frame.Schema, names []string) ([]bool, error) {
	used := make([]bool, len(s.Columns))
	for j := range used {
		used[j] = len(names) == 0
	}
	for _, n := range names {
		j := s.Index(n)
		if j < 0 {
			return nil, fmt.Errorf("dbscan: there is no column %q", n)
		}
		used[j] = true
	}
	return used, nil
}

// canonical is the order of rows (row-major, dim columns) by their columns, first
// column first: what is done in it depends on the set of rows alone.
func canonical(rows []float64, n, dim int) []int32 {
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	at := func(i int32) []float64 { return rows[int(i)*dim : (int(i)+1)*dim] }
	slices.SortFunc(order, func(a, b int32) int { return cmp.Or(slices.Compare(at(a), at(b)), cmp.Compare(a, b)) })
	return order
}

// kCurve is the k-distance curve of evenly spaced rows, of all if there are no
// more than curveQueries.
func (m *Model) kCurve(ctx context.Context, t *tree, order []int32, workers int) ([]float64, error) {
	n := len(order)
	position := make([]int32, n)
	for i, r := range t.id {
		position[r] = int32(i)
	}
	queries := make([]int32, min(n, curveQueries))
	for q := range queries {
		queries[q] = position[order[q*n/len(queries)]]
	}
	curve, err := kDistances(ctx, t, queries, int64(min(m.min, n)), workers)
	for i, d := range curve {
		curve[i] = outer(m.config.Metric, d)
	}
	slices.Sort(curve)
	return curve, err
}

// density is DBSCAN; it fills what belongs to the clusters and returns which rows
// are cores.
func (m *Model) density(ctx context.Context, rows []float64, order []int32, workers int, step func()) ([]bool, error) {
	n, dim := len(order), m.Dim()
	t := newTree(rows, n, dim, m.config.Metric == Manhattan, nil)
	curve, err := m.kCurve(ctx, t, order, workers)
	if err != nil {
		return nil, err
	}
	if m.eps = m.config.Eps; m.eps == 0 {
		m.eps = knee(curve)
	}
	m.curve = thin(curve, curvePoints)
	step()
	c, err := t.cluster(ctx, inner(m.config.Metric, m.eps), int64(m.min), workers, step)
	if err != nil {
		return nil, err
	}
	m.fitted = make([]int32, n)
	core := make([]bool, n)
	for i, r := range t.id {
		m.fitted[r], core[r] = c.root[i], c.core[i]
	}
	m.take(rows, order, core)
	return core, nil
}

// take makes the clusters from fitted, whose numbers are any, and the cores: the
// largest first, of equally large ones the one with the first core. Equal cores
// are kept once. It returns the number of each cluster.
func (m *Model) take(rows []float64, order []int32, core []bool) map[int32]int32 {
	dim := m.Dim()
	size, number := map[int32]int{}, map[int32]int32{}
	for _, l := range m.fitted {
		if l >= 0 {
			size[l]++
		}
	}
	var found []int32 // by their first core
	for _, r := range order {
		if l := m.fitted[r]; core[r] {
			if _, ok := number[l]; !ok {
				number[l] = 0
				found = append(found, l)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b int32) int { return size[b] - size[a] })
	for k, l := range found {
		number[l] = int32(k)
	}
	for i, l := range m.fitted {
		if l >= 0 {
			m.fitted[i] = number[l]
		}
	}
	for _, r := range order {
		p := rows[int(r)*dim : (int(r)+1)*dim]
		if !core[r] || len(m.label) > 0 && slices.Equal(p, m.points[len(m.points)-dim:]) {
			continue
		}
		m.points = append(m.points, p...)
		m.label = append(m.label, m.fitted[r])
	}
	m.clusters = make([]summary, len(found)+1)
	m.index()
	return number
}

// knee is the k-distance at the knee of an ascending curve: its point farthest
// below the chord between its ends, both axes scaled to [0,1]. That is the
// global maximum of Kneedle's difference curve (Satopää 2011, section III, for a
// convex rising curve); smoothing and sensitivity, which serve noisy and online
// curves, are left out, since a sorted curve is monotone. Only the lower 95 % of
// the curve are looked at: k-distances of outliers have no upper limit, and one
// row at 10,000 would move the knee to the last row before it. If the curve is
// flat, eps is its value; never 0: then the least distance above 0, or 1 if all
// rows are equal.
func knee(curve []float64) float64 {
	positive := func(v float64) float64 {
		if v > 0 {
			return v
		}
		for _, c := range curve {
			if c > 0 {
				return c
			}
		}
		return 1
	}
	use := curve[:max(1, int(math.Ceil(0.95*float64(len(curve)))))]
	lo, hi := use[0], use[len(use)-1]
	if !(hi > lo) || math.IsInf(hi, 0) {
		return positive(lo)
	}
	best, at := 0.0, len(use)-1
	for i, v := range use {
		if d := float64(i)/float64(len(use)-1) - (v-lo)/(hi-lo); d > best {
			best, at = d, i
		}
	}
	return positive(use[at])
}

// thin keeps n evenly spaced points, the ends included.
func thin(curve []float64, n int) []float64 {
	if len(curve) <= n {
		return slices.Clone(curve)
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = curve[i*(len(curve)-1)/(n-1)]
	}
	return out
}

// index builds the tree of the cores.
func (m *Model) index() {
	m.cores = newTree(m.points, len(m.label), m.Dim(), m.config.Metric == Manhattan, nil)
}

// summarise computes the sizes and medians of the clusters and of the noise.
func (m *Model) summarise(ctx context.Context, x *frame.Matrix, core []bool, workers int) error {
	place := func(l int32) int { // of a label: the noise stands last
		if l < 0 {
			return len(m.clusters) - 1
		}
		return int(l)
	}
	for i, l := range m.fitted {
		s := &m.clusters[place(l)]
		s.size++
		if core[i] {
			s.cores++
		}
	}
	for i := range m.clusters {
		m.clusters[i].center = make([]float32, len(x.Cols))
	}
	// Rows by cluster, so that each column is gathered in one pass.
	start := make([]int, len(m.clusters)+1)
	for i, s := range m.clusters {
		start[i+1] = start[i] + s.size
	}
	order := make([]int32, x.Rows())
	next := slices.Clone(start)
	for i, l := range m.fitted {
		k := place(l)
		order[next[k]] = int32(i)
		next[k]++
	}
	bufs := make([][]float64, model.Workers(workers, len(x.Cols)))
	return model.Parallel(ctx, workers, len(x.Cols), nil, func(w, j int) error {
		for k := range m.clusters {
			v := bufs[w][:0]
			for _, r := range order[start[k]:start[k+1]] {
				if f := x.Cols[j][r]; f == f {
					v = append(v, float64(f)+0)
				}
			}
			bufs[w] = v
			m.clusters[k].center[j] = float32(math.NaN())
			if len(v) > 0 {
				slices.Sort(v)
				m.clusters[k].center[j] = float32(quantile(v, 0.5))
			}
		}
		return nil
	})
}

// Kind implements model.Model.
func (m *Model) Kind() string { return Kind }

// Schema implements model.Model.
func (m *Model) Schema() *frame.Schema { return &m.schema }

// Config is the configuration that the model was fitted with; Eps and MinSamples
// say what came of its zeros.
func (m *Model) Config() Config { return m.config }

// Eps is the radius that was used, in scaled units.
func (m *Model) Eps() float64 { return m.eps }

// MinSamples is the number of rows that makes a core, as it was used.
func (m *Model) MinSamples() int { return m.min }

// Clusters implements model.Clusterer.
func (m *Model) Clusters() int { return len(m.clusters) - 1 }

// Labels is the cluster of each row that the model was fitted on, −1 = noise:
// what Assign gives for them. It is nil for a decoded model: the file does not
// hold it. The caller must not change it.
func (m *Model) Labels() []int32 { return m.fitted }

// KDistances is the k-distance curve of the fitted rows, ascending and evenly
// spaced over the rows, at most 201 points: for each row the eps at which it
// would be a core. The caller must not change it.
func (m *Model) KDistances() []float64 { return m.curve }

// Dim is the number of columns of the space in which the distances are taken:
// those that are not constant, and with the cosine one more (see onSphere).
func (m *Model) Dim() int {
	if m.config.Metric == Cosine {
		return len(m.scaler.columns) + 1
	}
	return len(m.scaler.columns)
}

// Columns are the names of the columns used, in order.
func (m *Model) Columns() []string {
	names := make([]string, len(m.scaler.columns))
	for k, j := range m.scaler.columns {
		names[k] = m.schema.Columns[j].Name
	}
	return names
}

// Transform writes the scaled rows lo ≤ i < hi of x to dst, row-major, Dim
// numbers per row: the space in which the distances are taken. It panics if x
// has other columns or dst is too short.
func (m *Model) Transform(dst []float64, x *frame.Matrix, lo, hi int) {
	model.MustMatch(&m.schema, x.Schema)
	m.transform(dst[:(hi-lo)*m.Dim()], x, lo, hi)
}

// Assign implements model.Clusterer: the cluster of the nearest core within eps,
// −1 if there is none. It panics if x has other columns or dst is too short.
func (m *Model) Assign(dst []int32, x *frame.Matrix, lo, hi int) {
	model.MustMatch(&m.schema, x.Schema)
	dst = dst[:hi-lo]
	row := make([]float64, m.Dim())
	limit := inner(m.config.Metric, m.eps)
	for i := range dst {
		m.transform(row, x, lo+i, lo+i+1)
		dst[i] = -1
		if at, d := m.cores.nearest(row, limit, nil, nil); at >= 0 {
			if l := m.label[m.cores.id[at]]; m.radius == nil || d <= inner(m.config.Metric, m.radius[l]) {
				dst[i] = l
			}
		}
	}
}

// Outlying is how far a row of x lies from the clusters: the distance to the
// nearest core over eps (with hdbscan, over the radius of its cluster), so that it
// is noise if and only if that is above 1; +Inf if there is no core. It adds to
// dst (length len(Schema().Columns)) each column's share of the inner distance,
// which sum up to 1 unless the distance is 0 or infinite.
func (m *Model) Outlying(dst []float64, x *frame.Matrix, row int) float64 {
	model.MustMatch(&m.schema, x.Schema)
	q := make([]float64, m.Dim())
	m.transform(q, x, row, row+1)
	at, d := m.cores.nearest(q, math.MaxFloat64, nil, nil)
	if at < 0 {
		return math.Inf(1)
	}
	if d > 0 {
		for k, v := range m.cores.point(at) {
			if k == len(m.scaler.columns) {
				break // the cosine's own
			}
			part := math.Abs(q[k] - v)
			if m.config.Metric != Manhattan {
				part *= part
			}
			dst[m.scaler.columns[k]] += part / d
		}
	}
	radius := m.eps
	if m.radius != nil {
		radius = m.radius[m.label[m.cores.id[at]]]
	}
	return outer(m.config.Metric, d) / radius
}

// Summary describes the clusters, the largest first, and the noise at the end.
func (m *Model) Summary() []Cluster {
	out := make([]Cluster, len(m.clusters))
	for i, s := range m.clusters {
		c := Cluster{Label: int32(i), Size: s.size, Cores: s.cores, Center: make([]float64, len(s.center))}
		if i == m.Clusters() {
			c.Label = -1
		}
		for j, v := range s.center {
			c.Center[j] = float64(v)
		}
		for k, j := range m.scaler.columns {
			v := c.Center[j]
			d := (v - m.scaler.center[k]) / m.scaler.scale[k]
			if m.config.Scale == "none" {
				d = (v - m.scaler.fill[k]) // the scaler's center is 0
			}
			if d != 0 && d == d { // NaN: no row of the cluster has a value
				c.Top = append(c.Top, Deviation{m.schema.Columns[j].Name, v, m.scaler.fill[k], d})
			}
		}
		slices.SortStableFunc(c.Top, func(a, b Deviation) int {
			switch x, y := math.Abs(a.Scaled), math.Abs(b.Scaled); {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
		c.Top = c.Top[:min(len(c.Top), topColumns)]
		out[i] = c
	}
	return out
}

// scaler turns rows into points. Columns without two different values are left
// out: they tell nothing.
type scaler struct {
	columns []int32   // used, ascending
	fill    []float64 // per used column: the median, for missing values
	center  []float64 // subtracted
	scale   []float64 // divided by, above 0
}

// fitScaler takes median and interquartile range of each column (quantiles
// interpolated linearly, as scikit-learn's RobustScaler), but no less than 1.349
// standard deviations of the column with its lowest and highest hundredth cut
// back (Tukey's winsorising); 1.349 is the interquartile range of a normal
// distribution. Shares that are 0 for most rows have an interquartile range of
// almost nothing or nothing: it alone would let a single 404 outweigh all other
// columns together. Where both are 0, the standard deviation of all values
// counts.
func fitScaler(ctx context.Context, x *frame.Matrix, used []bool, mode string, workers int) (scaler, error) {
	type column struct{ fill, center, scale float64 }
	all := make([]column, len(x.Cols))
	bufs := make([][]float64, model.Workers(workers, len(x.Cols)))
	err := model.Parallel(ctx, workers, len(x.Cols), nil, func(w, j int) error {
		if !used[j] {
			return nil
		}
		v := bufs[w][:0]
		for _, f := range x.Cols[j] {
			if f == f {
				v = append(v, float64(f)+0) // −0 becomes 0: their order must not matter
			}
		}
		bufs[w] = v
		slices.Sort(v)
		if len(v) == 0 || v[0] == v[len(v)-1] {
			return nil
		}
		c := column{fill: quantile(v, 0.5), scale: 1}
		if mode == "robust" {
			c.center = c.fill
			lo, hi := quantile(v, 0.01), quantile(v, 0.99)
			c.scale = max(quantile(v, 0.75)-quantile(v, 0.25), 1.349*deviation(v, lo, hi))
			if !(c.scale > 0) {
				c.scale = 1.349 * deviation(v, v[0], v[len(v)-1])
			}
		}
		all[j] = c
		return nil
	})
	var s scaler
	for j, c := range all {
		if c.scale > 0 {
			s.columns = append(s.columns, int32(j))
			s.fill = append(s.fill, c.fill)
			s.center = append(s.center, c.center)
			s.scale = append(s.scale, c.scale)
		}
	}
	return s, err
}

// quantile of sorted values, interpolated linearly (type 7 of Hyndman & Fan
// 1996).
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + float64((at-float64(i))*(sorted[i+1]-sorted[i]))
}

// deviation is the standard deviation of the values held within lo and hi, in
// two passes.
func deviation(v []float64, lo, hi float64) float64 {
	mean, sum := 0.0, 0.0
	for _, x := range v {
		mean += min(max(x, lo), hi)
	}
	mean /= float64(len(v))
	for _, x := range v {
		d := min(max(x, lo), hi) - mean
		sum += float64(d * d)
	}
	return math.Sqrt(sum / float64(len(v)))
}

// transform writes the scaled rows lo ≤ i < hi. Scaled values are rounded to
// float32, as the file stores them, and held within its range.
func (s *scaler) transform(dst []float64, x *frame.Matrix, lo, hi int) {
	dim := len(s.columns)
	for k, j := range s.columns {
		fill, center, scale := s.fill[k], s.center[k], s.scale[k]
		at := k
		for _, f := range x.Cols[j][lo:hi] {
			v := float64(f)
			if v != v {
				v = fill
			}
			v = min(max((v-center)/scale, -math.MaxFloat32), math.MaxFloat32)
			dst[at] = float64(float32(v)) + 0
			at += dim
		}
	}
}

// transform is the scaler's, and then the metric's.
func (m *Model) transform(dst []float64, x *frame.Matrix, lo, hi int) {
	if m.config.Metric != Cosine {
		m.scaler.transform(dst, x, lo, hi)
		return
	}
	dim := len(m.scaler.columns)
	row := make([]float64, dim)
	for i := lo; i < hi; i++ {
		m.scaler.transform(row, x, i, i+1)
		out := dst[(i-lo)*(dim+1):][:dim+1]
		direct(out, row)
		for j, v := range out {
			out[j] = float64(float32(v))
		}
	}
}

// The arrays of a file:
//
//	dbscan.eps             F64  one value: the radius used
//	dbscan.min_samples     I32  one value, as used
//	dbscan.column          I32  columns used, ascending
//	dbscan.fill            F64  per column used: value for missing ones
//	dbscan.center          F64  per column used: subtracted
//	dbscan.scale           F64  per column used: divided by
//	dbscan.core            F32  per distinct core, ascending by columns: its scaled columns
//	dbscan.core_cluster    I32  per distinct core
//	dbscan.size            I64  rows per cluster, the noise last
//	dbscan.cores           I64  of these, cores
//	dbscan.cluster_center  F32  per cluster, the noise last: median of each column of the schema
//	dbscan.curve           F64  the k-distance curve
//	dbscan.radius          F64  hdbscan only: radius per cluster, at most eps
//
// Equal cores are stored once: that changes no assignment.

// Encode implements model.Model.
func (m *Model) Encode(file *model.File) error {
	config, err := json.Marshal(m.config)
	if err != nil {
		return err
	}
	h := &file.Header
	h.Kind, h.Schema, h.Classes, h.Config, h.Seed = Kind, m.schema, nil, config, m.seed
	core := make([]float32, len(m.points))
	for i, v := range m.points {
		core[i] = float32(v)
	}
	size, cores := make([]int64, len(m.clusters)), make([]int64, len(m.clusters))
	var center []float32
	for i, s := range m.clusters {
		size[i], cores[i] = int64(s.size), int64(s.cores)
		center = append(center, s.center...)
	}
	file.PutF64("dbscan.eps", []float64{m.eps})
	file.PutI32("dbscan.min_samples", []int32{int32(m.min)})
	file.PutI32("dbscan.column", m.scaler.columns)
	file.PutF64("dbscan.fill", m.scaler.fill)
	file.PutF64("dbscan.center", m.scaler.center)
	file.PutF64("dbscan.scale", m.scaler.scale)
	file.PutF32("dbscan.core", core)
	file.PutI32("dbscan.core_cluster", m.label)
	file.PutI64("dbscan.size", size)
	file.PutI64("dbscan.cores", cores)
	file.PutF32("dbscan.cluster_center", center)
	file.PutF64("dbscan.curve", m.curve)
	if m.radius != nil {
		file.PutF64("dbscan.radius", m.radius)
	}
	return nil
}

// Decode reads a model. It checks every number that the use of the model relies
// on, so that a damaged or hostile file is an error and never a crash or an
// endless walk.
func Decode(file *model.File) (*Model, error) {
	m, err := decode(file)
	if err != nil {
		return nil, fmt.Errorf("dbscan: %w", err)
	}
	return m, nil
}

func decode(file *model.File) (*Model, error) {
	h := &file.Header
	if h.Kind != Kind {
		return nil, fmt.Errorf("the file holds a %q", h.Kind)
	}
	m := &Model{schema: h.Schema, seed: h.Seed, config: Default()}
	if n := len(m.schema.Columns); n == 0 || n > maxColumns {
		return nil, fmt.Errorf("%d columns, possible are 1 to %d", n, maxColumns)
	}
	if len(h.Config) > 0 {
		if err := json.Unmarshal(h.Config, &m.config); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
	}
	if err := m.config.check(); err != nil {
		return nil, err
	}
	eps, err := file.F64("dbscan.eps")
	if err != nil {
		return nil, err
	}
	least, err := file.I32("dbscan.min_samples")
	if err != nil {
		return nil, err
	}
	if len(eps) != 1 || !(eps[0] > 0) || math.IsInf(eps[0], 0) || len(least) != 1 || least[0] < 1 {
		return nil, fmt.Errorf("eps %v and min_samples %v, expected one of each, above 0", eps[:min(len(eps), 2)], least[:min(len(least), 2)])
	}
	m.eps, m.min = eps[0], int(least[0])
	if err := m.scaler.decode(file, len(m.schema.Columns)); err != nil {
		return nil, err
	}
	if err := m.decodeClusters(file); err != nil {
		return nil, err
	}
	if err := m.decodeCores(file); err != nil {
		return nil, err
	}
	if m.curve, err = file.F64("dbscan.curve"); err != nil {
		return nil, err
	}
	if len(m.curve) > curvePoints || !slices.IsSorted(m.curve) || len(m.curve) > 0 && !(m.curve[0] >= 0) {
		return nil, fmt.Errorf("the k-distance curve of %d points does not ascend from 0 or more", len(m.curve))
	}
	if m.config.Algorithm == HDBSCAN {
		if m.radius, err = file.F64("dbscan.radius"); err != nil {
			return nil, err
		}
		for _, r := range m.radius {
			if !(r > 0 && r <= m.eps) {
				return nil, fmt.Errorf("a radius of %v, the largest is %v", r, m.eps)
			}
		}
		if len(m.radius) != m.Clusters() {
			return nil, fmt.Errorf("%d radii of %d clusters", len(m.radius), m.Clusters())
		}
	}
	m.index()
	return m, nil
}

func (s *scaler) decode(file *model.File, columns int) error {
	var err error
	if s.columns, err = file.I32("dbscan.column"); err != nil {
		return err
	}
	for _, a := range []struct {
		name string
		into *[]float64
	}{{"dbscan.fill", &s.fill}, {"dbscan.center", &s.center}, {"dbscan.scale", &s.scale}} {
		if *a.into, err = file.F64(a.name); err != nil {
			return err
		}
		if len(*a.into) != len(s.columns) {
			return fmt.Errorf("array %q: %d values for %d columns", a.name, len(*a.into), len(s.columns))
		}
	}
	last := int32(-1)
	for k, j := range s.columns {
		if j <= last || int(j) >= columns {
			return fmt.Errorf("column %d of %d behind column %d", j, columns, last)
		}
		last = j
		if !(math.Abs(s.fill[k]) <= math.MaxFloat32) || !(math.Abs(s.center[k]) <= math.MaxFloat32) || !(s.scale[k] > 0) || math.IsInf(s.scale[k], 0) {
			return fmt.Errorf("column %d is scaled by (x − %v) / %v, missing values are %v", j, s.center[k], s.scale[k], s.fill[k])
		}
	}
	return nil
}

func (m *Model) decodeClusters(file *model.File) error {
	size, err := file.I64("dbscan.size")
	if err != nil {
		return err
	}
	cores, err := file.I64("dbscan.cores")
	if err != nil {
		return err
	}
	center, err := file.F32("dbscan.cluster_center")
	if err != nil {
		return err
	}
	columns := len(m.schema.Columns)
	if len(size) == 0 || len(cores) != len(size) || len(center) != len(size)*columns {
		return fmt.Errorf("%d sizes, %d counts of cores and %d medians for them", len(size), len(cores), len(center))
	}
	m.clusters = make([]summary, len(size))
	for i := range size {
		noise := i == len(size)-1
		if size[i] < 0 || size[i] > math.MaxInt32 || cores[i] < 0 || cores[i] > size[i] || noise != (cores[i] == 0) {
			return fmt.Errorf("cluster %d has %d rows and %d cores", i, size[i], cores[i])
		}
		m.clusters[i] = summary{int(size[i]), int(cores[i]), center[i*columns : (i+1)*columns]}
	}
	for _, v := range center {
		if math.IsInf(float64(v), 0) {
			return fmt.Errorf("an infinite median")
		}
	}
	return nil
}

func (m *Model) decodeCores(file *model.File) error {
	core, err := file.F32("dbscan.core")
	if err != nil {
		return err
	}
	if m.label, err = file.I32("dbscan.core_cluster"); err != nil {
		return err
	}
	dim := m.Dim()
	if len(core) != len(m.label)*dim || dim == 0 && len(m.label) > 1 {
		return fmt.Errorf("%d coordinates of %d cores with %d columns", len(core), len(m.label), dim)
	}
	seen := make([]int, m.Clusters())
	for i, l := range m.label {
		if l < 0 || int(l) >= m.Clusters() {
			return fmt.Errorf("core %d is in cluster %d of %d", i, l, m.Clusters())
		}
		seen[l]++
	}
	for l, n := range seen {
		if n == 0 || n > m.clusters[l].cores {
			return fmt.Errorf("cluster %d has %d distinct cores, %d rows are cores", l, n, m.clusters[l].cores)
		}
	}
	m.points = make([]float64, len(core))
	for i, v := range core {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) || v == 0 && math.Signbit(float64(v)) {
			return fmt.Errorf("coordinate %d is %v", i, v)
		}
		m.points[i] = float64(v)
	}
	for i := 1; i < len(m.label) && dim > 0; i++ {
		if slices.Compare(m.points[(i-1)*dim:i*dim], m.points[i*dim:(i+1)*dim]) >= 0 {
			return fmt.Errorf("core %d does not come behind the one before it", i)
		}
	}
	return nil
}
