package tree

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apiml/frame"
	"apiml/model"
)

var nan = float32(math.NaN())

func matrix(cols ...[]float32) *frame.Matrix {
	s := &frame.Schema{Name: "t"}
	for j := range cols {
		s.Columns = append(s.Columns, frame.Column{Name: fmt.Sprint("c", j)})
	}
	return &frame.Matrix{Schema: s, Cols: cols, N: len(cols[0])}
}

func TestCuts(t *testing.T) {
	const most = math.MaxFloat32
	for _, c := range []struct {
		col  []float32
		bins int
		want []float32
	}{
		{[]float32{3, 1, 2, 2, nan}, 255, []float32{1.5, 2.5, most}},
		{[]float32{nan, nan}, 255, []float32{most}},
		{nil, 255, []float32{most}},
		{[]float32{7, 7}, 255, []float32{most}},
		{[]float32{float32(math.Copysign(0, -1)), 0, 1}, 255, []float32{.5, most}},
		{[]float32{-most, most}, 255, []float32{0, most}},
		{[]float32{1, math.Nextafter32(1, 2)}, 255, []float32{1, most}},
		// 8 different values in 4 bins: two rows in each.
		{[]float32{1, 2, 3, 4, 5, 6, 7, 8}, 4, []float32{2.5, 4.5, 6.5, most}},
		// A value that fills more than a bin gets one by itself.
		{[]float32{0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 3, []float32{.5, 2.5, most}},
		{[]float32{1, 2, 5, 5, 5, 5, 5, 5, 8, 9}, 3, []float32{3.5, 6.5, most}},
	} {
		if got := cuts(c.col, c.bins); !slices.Equal(got, c.want) {
			t.Errorf("cuts(%v, %d) = %v, expected %v", c.col, c.bins, got, c.want)
		}
	}
}

// For any column: cuts ascend, there are not too many, every value lies in the
// bin that a plain search finds, and no bin is much too full.
func TestBinProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for trial := range 60 {
		n := 1 + rng.IntN(3000)
		col := make([]float32, n)
		for i := range col {
			switch trial % 4 {
			case 0:
				col[i] = float32(rng.NormFloat64())
			case 1:
				col[i] = float32(int(rng.ExpFloat64() * 40))
			case 2:
				col[i] = float32(max(0, rng.NormFloat64()))
			default:
				col[i] = float32(math.Exp(20 * rng.NormFloat64()))
			}
			if rng.IntN(9) == 0 {
				col[i] = nan
			}
		}
		bins := 2 + rng.IntN(254)
		b, err := Bin(t.Context(), matrix(col), bins, 1)
		if err != nil {
			t.Fatal(err)
		}
		ends := b.Cuts[0]
		if len(ends) > bins || !slices.IsSorted(ends) || len(slices.Compact(slices.Clone(ends))) != len(ends) || ends[len(ends)-1] != math.MaxFloat32 {
			t.Fatalf("trial %d: bad cuts %v", trial, ends)
		}
		rows := make([]int, 256)
		for i, v := range col {
			want := MissingBin
			if v == v {
				want = lowerBound(ends, v)
			}
			if int(b.Cols[0][i]) != want {
				t.Fatalf("trial %d: %v is in bin %d, expected %d", trial, v, b.Cols[0][i], want)
			}
			rows[want]++
		}
		if trial%4 == 0 { // nearly all values differ
			for bin, k := range rows[:len(ends)] {
				if k > 2*n/len(ends)+2 {
					t.Errorf("trial %d: bin %d of %d holds %d of %d rows", trial, bin, len(ends), k, n)
				}
			}
		}
	}
}

func TestBinRefuses(t *testing.T) {
	for _, bins := range []int{-1, 0, 1, 256} {
		if _, err := Bin(t.Context(), matrix([]float32{1}), bins, 1); err == nil {
			t.Errorf("%d bins accepted", bins)
		}
	}
}

func all(n int, class []uint16) []Sample {
	s := make([]Sample, n)
	for i := range s {
		s[i] = Sample{Row: uint32(i), Class: class[i], Weight: 1}
	}
	return s
}

func ones(n int) []float64 { return slices.Repeat([]float64{1}, n) }

// bestSplit is the largest decrease of Gini impurity, times the rows, over all
// columns, all values and both ways of missing values, found by trying all.
func bestSplit(x *frame.Matrix, class []uint16, weights []float64, minLeaf int) float64 {
	gini := func(counts []float64) float64 { // weight · impurity = weight - squares/weight
		sum, sq := 0.0, 0.0
		for _, c := range counts {
			sum += c
			sq += c * c
		}
		if sum == 0 {
			return 0
		}
		return sum - sq/sum
	}
	best := -1.0
	parent := make([]float64, len(weights))
	for _, c := range class {
		parent[c] += weights[c]
	}
	for _, col := range x.Cols {
		for _, cut := range col {
			for _, missingLeft := range []bool{false, true} {
				if cut != cut {
					cut = math.MaxFloat32
				}
				l, r := make([]float64, len(weights)), make([]float64, len(weights))
				nl, nr := 0, 0
				for i, v := range col {
					if v <= cut || v != v && missingLeft {
						l[class[i]] += weights[class[i]]
						nl++
					} else {
						r[class[i]] += weights[class[i]]
						nr++
					}
				}
				if nl >= minLeaf && nr >= minLeaf {
					best = max(best, gini(parent)-gini(l)-gini(r))
				}
			}
		}
	}
	return best
}

// On small data the split on bins is the exact split of CART.
func TestExactSplit(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for trial := range 300 {
		n, classes := 2+rng.IntN(60), 2+rng.IntN(4)
		x := matrix(make([]float32, n), make([]float32, n), make([]float32, n))
		class := make([]uint16, n)
		for i := range n {
			class[i] = uint16(rng.IntN(classes))
			for j := range x.Cols {
				x.Cols[j][i] = float32(rng.IntN(1+4*j)) + float32(class[i])*float32(rng.IntN(2))
				if rng.IntN(6) == 0 {
					x.Cols[j][i] = nan
				}
			}
		}
		weights := make([]float64, classes)
		for c := range weights {
			weights[c] = 0.5 + rng.Float64()
		}
		minLeaf := 1 + rng.IntN(4)
		b, err := BinRows(t.Context(), x, MaxBins, 1)
		if err != nil {
			t.Fatal(err)
		}
		g := NewGrower(b, classes, Limits{MaxDepth: 1, MinSamplesLeaf: minLeaf, MaxFeatures: 3})
		grown := g.Grow(all(n, class), weights, rng)
		total := 0.0
		for _, c := range class {
			total += weights[c]
		}
		want := bestSplit(x, class, weights, minLeaf)
		got := -1.0
		if len(grown.Tree) == 3 {
			got = (grown.Gain[0] + grown.Gain[1] + grown.Gain[2]) * total
		}
		pure := len(slices.Compact(slices.Clone(class))) == 1
		if pure && got == -1 {
			continue
		}
		if math.Abs(got-want) > 1e-9 {
			t.Fatalf("trial %d: gain %v, the best split has %v\n%v", trial, got, want, grown.Tree)
		}
	}
}

// Whatever the limits, the leaves hold exactly the samples that walk there with
// raw values, and the limits hold.
func TestGrowProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for trial := range 200 {
		n, classes, columns := 1+rng.IntN(900), 1+rng.IntN(9), 1+rng.IntN(7)
		x := matrix(make([][]float32, columns)...)
		x.N = n
		for j := range x.Cols {
			x.Cols[j] = make([]float32, n)
			for i := range n {
				v := float32(rng.NormFloat64())
				switch j % 3 {
				case 1:
					v = float32(int(2 * v))
				case 2:
					v = max(0, v)
				}
				if rng.IntN(8) == 0 && trial%2 == 0 {
					v = nan
				}
				x.Cols[j][i] = v
			}
		}
		class := make([]uint16, n)
		samples := make([]Sample, n)
		for i := range class {
			class[i] = uint16(rng.IntN(classes))
			samples[i] = Sample{uint32(i), class[i], uint16(1 + rng.IntN(3))}
		}
		limits := Limits{MaxDepth: rng.IntN(8), MinSamplesLeaf: 1 + rng.IntN(5), MaxLeaves: []int{0, 0, 2, 9}[rng.IntN(4)], MaxFeatures: 1 + rng.IntN(columns)}
		b, err := BinRows(t.Context(), x, MaxBins, 1)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(samples)
		grown := NewGrower(b, classes, limits).Grow(samples, ones(classes), rng)
		leaves := grown.Tree.Inner() + 1
		if err := grown.Tree.Check(columns, leaves); err != nil {
			t.Fatalf("trial %d: %v", trial, err)
		}
		if limits.MaxDepth > 0 && grown.Tree.Depth() > limits.MaxDepth || limits.MaxLeaves > 0 && leaves > limits.MaxLeaves {
			t.Errorf("trial %d: depth %d, %d leaves: beyond %+v", trial, grown.Tree.Depth(), leaves, limits)
		}
		counts, rows := make([]uint32, leaves*classes), make([]int, leaves)
		row := make([]float32, columns)
		for _, s := range want {
			l := int(grown.Tree.Leaf(x.Row(row, int(s.Row))))
			counts[l*classes+int(s.Class)] += uint32(s.Weight)
			rows[l]++
		}
		if !slices.Equal(counts, grown.Counts) {
			t.Fatalf("trial %d: the rows walk to %v, grown were %v", trial, counts, grown.Counts)
		}
		if least := slices.Min(rows); leaves > 1 && least < limits.MinSamplesLeaf {
			t.Errorf("trial %d: a leaf of %d rows, at least %d", trial, least, limits.MinSamplesLeaf)
		}
		// The five ways to walk agree.
		block := make([]float32, n*columns)
		missing := Block(block, x, 0, n)
		dst := make([]int32, n)
		grown.Tree.Leaves(dst, block, columns, missing)
		splits := NewSplits([]Tree{grown.Tree, grown.Tree}, columns)
		b64 := splits.Block()
		for lo := 0; lo < n; lo += FlatRows {
			hi := min(n, lo+FlatRows)
			b64.Load(x, lo, hi)
			leaves := b64.Leaves(0)
			var trees [FlatRows]int
			for k, rows := range b64.Rows[:leaves] {
				for i := lo; i < hi; i++ {
					if rows>>(i-lo)&1 == 1 {
						trees[i-lo]++
						if int32(b64.Leaf[k]) != dst[i] {
							t.Fatalf("trial %d row %d: split to leaf %d, leaf %d", trial, i, b64.Leaf[k], dst[i])
						}
					}
				}
			}
			for i := range FlatRows {
				if want := 2 * min(1, max(0, hi-lo-i)); trees[i] != want {
					t.Fatalf("trial %d: row %d comes to %d leaves, expected %d", trial, lo+i, trees[i], want)
				}
			}
		}
		flat, rows64 := Flatten(grown.Tree, columns), make([]int32, columns*FlatRows)
		for lo := 0; lo < n; lo += FlatRows {
			var got [FlatRows]uint32
			hi := min(n, lo+FlatRows)
			missing := FlatBlock(rows64, x, lo, hi)
			for _, missing := range []bool{missing, true} {
				flat.Leaves(&got, hi-lo, rows64, missing)
				for i := lo; i < hi; i++ {
					if int32(got[i-lo]) != dst[i] {
						t.Fatalf("trial %d row %d: flat leaf %d, leaf %d", trial, i, got[i-lo], dst[i])
					}
				}
			}
		}
		for i, l := range dst {
			end := -1
			grown.Tree.Path(x.Row(row, i), func(node, _ int) { end = node })
			if l != grown.Tree.Leaf(row) || l != grown.Tree[end].Next {
				t.Fatalf("trial %d row %d: Leaves %d, Leaf %d, Path %d", trial, i, l, grown.Tree.Leaf(row), grown.Tree[end].Next)
			}
		}
	}
}

// Grown to the end, a tree separates what can be separated: XOR too, whose
// first split gains nothing.
func TestXOR(t *testing.T) {
	x := matrix([]float32{0, 0, 1, 1}, []float32{0, 1, 0, 1})
	b, err := BinRows(t.Context(), x, MaxBins, 1)
	if err != nil {
		t.Fatal(err)
	}
	g := NewGrower(b, 2, Limits{MaxFeatures: 2}).Grow(all(4, []uint16{0, 1, 1, 0}), ones(2), rand.New(rand.NewPCG(1, 1)))
	if g.Tree.Inner() != 3 || g.Tree.Depth() != 2 {
		t.Errorf("tree:\n%v", g.Tree)
	}
}

func TestCheck(t *testing.T) {
	leaf := func(v int32) Node { return Node{Feature: -1, Next: v} }
	inner := func(next int32) Node { return Node{Feature: 0, Next: next} }
	for _, c := range []struct {
		name string
		tree Tree
		want string
	}{
		{"leaf", Tree{leaf(0)}, ""},
		{"stump", Tree{inner(1), leaf(0), leaf(1)}, ""},
		{"deep", Tree{inner(1), leaf(0), inner(3), leaf(1), leaf(2)}, ""},
		{"nothing", nil, "0 nodes"},
		{"even", Tree{inner(1), leaf(0)}, "2 nodes"},
		{"loop", Tree{inner(0), leaf(0), leaf(1)}, "has children at 0"},
		{"back", Tree{inner(1), leaf(0), inner(1), leaf(1), leaf(2)}, "node 2 has children at 1"},
		{"beyond", Tree{inner(1), inner(3), leaf(0)}, "node 1 has children at 3"},
		{"orphans", Tree{leaf(0), leaf(1), leaf(2)}, "0 inner nodes among 3"},
		{"column", Tree{{Feature: 3, Next: 1}, leaf(0), leaf(1)}, "splits column 3 of 3"},
		{"negative column", Tree{{Feature: -2, Next: 1}, leaf(0), leaf(1)}, "splits column -2 of 3"},
		{"value", Tree{inner(1), leaf(0), leaf(3)}, "leaf 2 has value 3 of 3"},
		{"negative value", Tree{inner(1), leaf(0), leaf(-1)}, "leaf 2 has value -1 of 3"},
		{"threshold", Tree{{Threshold: nan, Next: 1}, leaf(0), leaf(1)}, "threshold NaN"},
		{"infinite", Tree{{Threshold: float32(math.Inf(1)), Next: 1}, leaf(0), leaf(1)}, "threshold +Inf"},
		{"missing", Tree{{Missing: 2, Next: 1}, leaf(0), leaf(1)}, "to side 2"},
	} {
		err := c.tree.Check(3, 3)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.want)
		}
	}
}

// randomTrees draws sound trees in breadth-first order.
func randomTrees(rng *rand.Rand, columns int, threshold func() float32) []Tree {
	trees := make([]Tree, 1+rng.IntN(5))
	leaf := int32(0)
	for k := range trees {
		inner := rng.IntN(40)
		t := Tree{{}}
		for i := 0; i < len(t); i++ {
			// While the last open node is at hand, a split is due.
			if inner > 0 && (i == len(t)-1 || rng.IntN(2) == 0) {
				t[i] = Node{Feature: int16(rng.IntN(columns)), Threshold: threshold(), Missing: uint8(rng.IntN(2)), Next: int32(len(t))}
				t = append(t, Node{}, Node{})
				inner--
				continue
			}
			t[i] = Node{Feature: -1, Next: leaf}
			leaf++
		}
		trees[k] = t
	}
	return trees
}

func TestEncodeDecode(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for trial := range 100 {
		columns := []int{1, 3, 127, 128, 5000, MaxColumns}[trial%6]
		threshold := rng.Float32
		if trial%2 == 0 {
			threshold = func() float32 { return float32(rng.IntN(3)) } // shared: the short form
		}
		want := randomTrees(rng, columns, threshold)
		var f model.File
		Encode(&f, want, columns)
		got, leaves, err := Decode(&f, columns)
		if err != nil {
			t.Fatalf("trial %d: %v", trial, err)
		}
		n := 0
		for k := range want {
			if !slices.Equal(got[k], want[k]) {
				t.Fatalf("trial %d tree %d:\n%v\nexpected\n%v", trial, k, got[k], want[k])
			}
			n += want[k].Inner() + 1
		}
		if leaves != n {
			t.Errorf("%d leaves, expected %d", leaves, n)
		}
		if _, err := f.U16("tree.split"); (err == nil) != (columns > 127) {
			t.Errorf("%d columns: wrong width", columns)
		}
	}
}

// FuzzDecode: whatever arrays a file holds, decoding them is an error or gives
// trees that can be walked and encoded again to the same bytes.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{3, 1}, []byte{0, 255, 255, 1, 255, 255, 255}, []byte{0, 0}, 3)
	f.Add([]byte{5}, []byte{0, 255, 2, 255, 255}, []byte{1, 0}, 3)
	f.Add([]byte{1}, []byte{255}, []byte{}, 1)
	f.Fuzz(func(t *testing.T, nodes, split, cut []byte, columns int) {
		columns &= 127
		var file model.File
		sizes := make([]int32, len(nodes))
		for i, n := range nodes {
			sizes[i] = int32(int8(n))
		}
		file.PutI32("tree.nodes", sizes)
		file.PutU8("tree.split", split)
		file.PutU8("tree.cut", cut)
		lens := make([]int32, columns)
		for j := range lens {
			lens[j] = 2
		}
		file.PutI32("tree.cuts_len", lens)
		flat := make([]float32, 2*columns)
		for i := range flat {
			flat[i] = float32(i)
		}
		file.PutF32("tree.cuts", flat)
		trees, leaves, err := Decode(&file, columns)
		if err != nil {
			return
		}
		row := make([]float32, columns)
		for _, tr := range trees {
			if l := tr.Leaf(row); int(l) >= leaves {
				t.Fatalf("leaf %d of %d", l, leaves)
			}
		}
		encode := func(trees []Tree) []byte {
			f := model.File{Header: model.Header{Kind: "t"}}
			Encode(&f, trees, columns)
			var b bytes.Buffer
			if err := f.Write(&b); err != nil {
				t.Fatal(err)
			}
			return b.Bytes()
		}
		first := encode(trees)
		again, err := model.ReadFile(first)
		if err != nil {
			t.Fatal(err)
		}
		trees, _, err = Decode(again, columns)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(trees), first) {
			t.Fatal("encoded again, the trees differ")
		}
	})
}
