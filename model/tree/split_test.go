package tree

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"apiml/frame"
)

// grownAtRandom is a tree with any column, threshold and side at each node.
func grownAtRandom(rng *rand.Rand, columns, inner int, thresholds []float32) Tree {
	t := Tree{{Feature: -1}}
	for k := 0; len(t) < 2*inner+1; k++ {
		// The last node of the array always splits, so that it never runs out.
		if k == len(t)-1 || rng.IntN(3) > 0 {
			t[k] = Node{Feature: int16(rng.IntN(columns)), Threshold: thresholds[rng.IntN(len(thresholds))], Missing: uint8(rng.IntN(2)), Next: int32(len(t))}
			t = append(t, Node{Feature: -1}, Node{Feature: -1})
		}
	}
	leaf := int32(0)
	for k := range t {
		if t[k].Feature < 0 {
			t[k].Next = leaf
			leaf++
		}
	}
	return t
}

// Every row comes to the leaf to which it walks, in every tree: whatever its
// values are, whatever the block before held, and however few rows a block has.
func TestSplits(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	thresholds := []float32{-math.MaxFloat32, -2, -1, -math.SmallestNonzeroFloat32, 0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, 1, 1.5, 2, 3, math.MaxFloat32}
	values := append([]float32{nan, math.Float32frombits(0xFFC00001), inf, -inf, 2.5}, thresholds...)
	for trial := range 300 {
		rng := rand.New(rand.NewPCG(uint64(trial), 0))
		columns := 1 + rng.IntN(5)
		trees := make([]Tree, 1+rng.IntN(2*SplitTrees+2))
		for k := range trees {
			trees[k] = grownAtRandom(rng, columns, rng.IntN(40), thresholds)
			if err := trees[k].Check(columns, len(trees[k])); err != nil {
				t.Fatal(err)
			}
		}
		s := &frame.Schema{Name: "t"}
		for j := range columns {
			s.Columns = append(s.Columns, frame.Column{Name: fmt.Sprint(j)})
		}
		x := frame.NewMatrix(s, 5*FlatRows+rng.IntN(FlatRows))
		for _, col := range x.Cols {
			for lo := 0; lo < len(col); lo += FlatRows {
				few := values
				if k := rng.IntN(3); k > 0 { // one or two values
					at := rng.IntN(len(values) - k)
					few = values[at : at+k]
				}
				for i := lo; i < min(len(col), lo+FlatRows); i++ {
					col[i] = few[rng.IntN(len(few))]
				}
			}
		}
		splits := NewSplits(trees, columns)
		if splits.Trees() != len(trees) {
			t.Fatalf("%d trees, expected %d", splits.Trees(), len(trees))
		}
		b := splits.Block()
		row := make([]float32, columns)
		for lo := 0; lo < x.N; lo += FlatRows {
			n := min(FlatRows, x.N-lo)
			b.Load(x, lo, lo+n)
			for first := 0; first < len(trees); first += SplitTrees {
				group := trees[first:min(len(trees), first+SplitTrees)]
				// How often each row comes to a leaf of that number, in any tree.
				got, want := map[[2]int]int{}, map[[2]int]int{}
				for k, rows := range b.Rows[:b.Leaves(first)] {
					for r := range FlatRows {
						if rows>>r&1 == 1 {
							got[[2]int{r, int(b.Leaf[k])}]++
						}
					}
				}
				for r := range n {
					for _, tr := range group {
						want[[2]int{r, int(tr.Leaf(x.Row(row, lo+r)))}]++
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("trial %d, rows from %d, trees from %d: %v, expected %v", trial, lo, first, got, want)
				}
			}
		}
	}
}

// Too many thresholds do not fit; the same ones again cost nothing.
func TestSplitsLimits(t *testing.T) {
	thresholds := make([]float32, maxLevels+1)
	for i := range thresholds {
		thresholds[i] = float32(i)
	}
	chain := func(n int) Tree {
		t := Tree{{Feature: -1}}
		for k := range n {
			t[max(0, 2*k-1)] = Node{Threshold: thresholds[k], Next: int32(len(t))}
			t = append(t, Node{Feature: -1}, Node{Feature: -1, Next: int32(k + 1)})
		}
		return t
	}
	if NewSplits([]Tree{chain(maxLevels + 1)}, 1) != nil {
		t.Error("one threshold too many fits")
	}
	if NewSplits([]Tree{chain(maxLevels), chain(maxLevels)}, 1) == nil {
		t.Error("as many as possible do not fit")
	}
}
