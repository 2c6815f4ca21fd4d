package forest

import (
	"encoding/json"
	"fmt"
	"math"

	"apiml/model"
	"apiml/model/tree"
)

// The arrays of a forest in a file, besides those of its trees (package tree):
//
//	forest.leaf        U16 or I32  per leaf: number of its distribution
//	forest.cover       U8          per leaf: 8·log2(drawn rows), rounded
//	forest.class       U8          per share: class, +128 on the last share of a distribution
//	forest.share       U16         per share: 1/65535
//	forest.importance  F64         per column
//	forest.oob         F64         one value, if it was estimated

// Encode implements model.Model.
func (f *Forest) Encode(file *model.File) error {
	config, err := json.Marshal(f.config)
	if err != nil {
		return err
	}
	h := &file.Header
	h.Kind, h.Schema, h.Classes, h.Config, h.Seed = Kind, f.schema, f.classes, config, f.seed
	tree.Encode(file, f.trees, len(f.schema.Columns))
	number := make([]int32, len(f.shares)) // of the distribution that begins at a share
	class := make([]uint8, len(f.shares))
	share := make([]uint16, len(f.shares))
	n := int32(0)
	for i, s := range f.shares {
		number[i] = n
		class[i] = uint8(s >> 16 & (tree.MaxClasses - 1))
		share[i] = uint16(s & one)
		if s&last != 0 {
			class[i] |= 128
			n++
		}
	}
	leaf := make([]int32, 0, len(f.cover))
	for _, t := range f.trees {
		for _, node := range t {
			if node.Feature < 0 {
				leaf = append(leaf, number[node.Next])
			}
		}
	}
	if n <= math.MaxUint16 {
		short := make([]uint16, len(leaf))
		for i, l := range leaf {
			short[i] = uint16(l)
		}
		file.PutU16("forest.leaf", short)
	} else {
		file.PutI32("forest.leaf", leaf)
	}
	file.PutU8("forest.cover", f.cover)
	file.PutU8("forest.class", class)
	file.PutU16("forest.share", share)
	file.PutF64("forest.importance", f.importance)
	if !math.IsNaN(f.oob) {
		file.PutF64("forest.oob", []float64{f.oob})
	}
	return nil
}

// Decode reads a forest. It checks every index, so that a damaged or hostile
// file is an error and never a crash or an endless walk.
func Decode(file *model.File) (*Forest, error) {
	f, err := decode(file)
	if err != nil {
		return nil, fmt.Errorf("forest: %w", err)
	}
	return f, nil
}

func decode(file *model.File) (*Forest, error) {
	h := &file.Header
	if h.Kind != Kind {
		return nil, fmt.Errorf("the file holds a %q", h.Kind)
	}
	f := &Forest{schema: h.Schema, classes: h.Classes, seed: h.Seed, oob: math.NaN()}
	if n := len(f.classes); n == 0 || n > tree.MaxClasses {
		return nil, fmt.Errorf("%d classes, possible are 1 to %d", n, tree.MaxClasses)
	}
	f.config = Default()
	if len(h.Config) > 0 {
		if err := json.Unmarshal(h.Config, &f.config); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
	}
	trees, leaves, err := tree.Decode(file, len(f.schema.Columns))
	if err != nil {
		return nil, err
	}
	if len(trees) == 0 || len(trees) > maxTrees {
		return nil, fmt.Errorf("%d trees, possible are 1 to %d", len(trees), maxTrees)
	}
	starts, err := f.decodeShares(file)
	if err != nil {
		return nil, err
	}
	leaf, err := leafNumbers(file)
	if err != nil {
		return nil, err
	}
	if f.cover, err = file.U8("forest.cover"); err != nil {
		return nil, err
	}
	if len(leaf) != leaves || len(f.cover) != leaves {
		return nil, fmt.Errorf("%d leaves, %d distributions and %d covers for them", leaves, len(leaf), len(f.cover))
	}
	for _, t := range trees {
		for i := range t {
			if t[i].Feature >= 0 {
				continue
			}
			n := leaf[t[i].Next]
			if n < 0 || int(n) >= len(starts) {
				return nil, fmt.Errorf("leaf %d has distribution %d of %d", t[i].Next, n, len(starts))
			}
			t[i].Next = starts[n]
		}
	}
	f.trees = trees
	if f.importance, err = file.F64("forest.importance"); err != nil {
		return nil, err
	}
	if len(f.importance) != len(f.schema.Columns) {
		return nil, fmt.Errorf("importance of %d columns, there are %d", len(f.importance), len(f.schema.Columns))
	}
	for j, v := range f.importance {
		if !(v >= 0 && v <= 1+1e-9) {
			return nil, fmt.Errorf("importance of column %d is %v", j, v)
		}
	}
	if file.Has("forest.oob") {
		oob, err := file.F64("forest.oob")
		if err != nil {
			return nil, err
		}
		if len(oob) != 1 || !(oob[0] >= 0 && oob[0] <= 1) {
			return nil, fmt.Errorf("out-of-bag accuracy is %v", oob)
		}
		f.oob = oob[0]
	}
	f.values = make([]classValues, len(f.classes))
	return f, nil
}

// decodeShares reads the distributions and returns where each begins.
func (f *Forest) decodeShares(file *model.File) ([]int32, error) {
	class, err := file.U8("forest.class")
	if err != nil {
		return nil, err
	}
	share, err := file.U16("forest.share")
	if err != nil {
		return nil, err
	}
	if len(class) != len(share) || len(class) > math.MaxInt32 {
		return nil, fmt.Errorf("%d classes for %d shares", len(class), len(share))
	}
	f.shares = make([]uint32, len(share))
	var starts []int32
	sum, begin, before := 0, 0, -1
	for i, s := range share {
		c := int(class[i] &^ 128)
		if c >= len(f.classes) || c <= before {
			return nil, fmt.Errorf("share %d is of class %d of %d, after class %d", i, c, len(f.classes), before)
		}
		f.shares[i] = uint32(c)<<16 | uint32(s)
		sum += int(s)
		before = c
		if class[i]&128 == 0 {
			continue
		}
		if sum != one {
			return nil, fmt.Errorf("distribution %d sums to %d/%d", len(starts), sum, one)
		}
		f.shares[i] |= last
		starts = append(starts, int32(begin))
		sum, begin, before = 0, i+1, -1
	}
	if begin != len(share) {
		return nil, fmt.Errorf("the last distribution has no end")
	}
	return starts, nil
}

// leafNumbers reads forest.leaf in either width.
func leafNumbers(file *model.File) ([]int32, error) {
	short, err := file.U16("forest.leaf")
	if err != nil {
		return file.I32("forest.leaf")
	}
	leaf := make([]int32, len(short))
	for i, l := range short {
		leaf[i] = int32(l)
	}
	return leaf, nil
}
