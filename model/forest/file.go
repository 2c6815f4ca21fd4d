package forest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"apiml/model"
	"apiml/model/tree"
)

// The arrays of a forest in a file, besides those of its trees (package tree):
//
//	forest.leaf        U16 or I32  per leaf: number of its distribution; classifier
//	forest.class       U8          per share: class, +128 on the last share of a distribution; classifier
//	forest.share       U16         per share: 1/65535; classifier
//	forest.mean        F32         per leaf: its prediction; regressor
//	forest.cover       U8          per leaf: 8·log2(drawn rows), rounded
//	forest.importance  F64         per column
//	forest.oob         F64         one value, if it was estimated
//	forest.categories  I32         per column: how many categories, 0 = numbers; if there is a categorical one
//	forest.category    F32         the categories of all columns in their order, column after column
//
// and those of a calibration (calibrate.go).

// encode puts what both forests share into file.
func (f *ensemble) encode(file *model.File, kind string, classes []string) error {
	config, err := json.Marshal(f.config)
	if err != nil {
		return err
	}
	h := &file.Header
	h.Kind, h.Schema, h.Classes, h.Config, h.Seed = kind, f.schema, classes, config, f.seed
	tree.Encode(file, f.trees, len(f.schema.Columns))
	file.PutU8("forest.cover", f.cover)
	file.PutF64("forest.importance", f.importance)
	if !math.IsNaN(f.oob) {
		file.PutF64("forest.oob", []float64{f.oob})
	}
	if f.orders != nil {
		lens := make([]int32, len(f.orders))
		var all []float32
		for j, o := range f.orders {
			lens[j] = int32(len(o.codes))
			in := make([]float32, len(o.codes))
			for k, rank := range o.ranks {
				in[int(rank)] = o.codes[k]
			}
			all = append(all, in...)
		}
		file.PutI32("forest.categories", lens)
		file.PutF32("forest.category", all)
	}
	return nil
}

// Encode implements model.Model.
func (f *Forest) Encode(file *model.File) error {
	if err := f.encode(file, Kind, f.classes); err != nil {
		return err
	}
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
	file.PutU8("forest.class", class)
	file.PutU16("forest.share", share)
	f.calibration.encode(file)
	return nil
}

// Encode implements model.Model.
func (f *Regressor) Encode(file *model.File) error {
	if err := f.encode(file, KindRegressor, nil); err != nil {
		return err
	}
	file.PutF32("forest.mean", f.means)
	return nil
}

// Decode reads a forest. It checks every index, so that a damaged or hostile
// file is an error and never a crash or an endless walk.
func Decode(file *model.File) (*Forest, error) {
	f := &Forest{classes: file.Header.Classes}
	if err := f.decode(file); err != nil {
		return nil, fmt.Errorf("forest: %w", err)
	}
	return f, nil
}

// DecodeRegressor is Decode for a Regressor.
func DecodeRegressor(file *model.File) (*Regressor, error) {
	f := &Regressor{}
	if err := f.decode(file); err != nil {
		return nil, fmt.Errorf("forest: %w", err)
	}
	return f, nil
}

func (f *Forest) decode(file *model.File) error {
	if n := len(f.classes); file.Header.Kind == Kind && (n == 0 || n > tree.MaxClasses) {
		return fmt.Errorf("%d classes, possible are 1 to %d", n, tree.MaxClasses)
	}
	leaves, err := f.ensemble.decode(file, Kind, Default())
	if err != nil {
		return err
	}
	starts, err := f.decodeShares(file)
	if err != nil {
		return err
	}
	if short, err := file.U16("forest.leaf"); err == nil {
		err = giveShares(f, short, leaves, starts)
		if err != nil {
			return err
		}
	} else if long, err := file.I32("forest.leaf"); err != nil {
		return err
	} else if err := giveShares(f, long, leaves, starts); err != nil {
		return err
	}
	if f.oob == f.oob && !(f.oob >= 0 && f.oob <= 1) {
		return fmt.Errorf("out-of-bag accuracy is %v", []float64{f.oob})
	}
	if f.calibration, err = decodeCalibration(file, len(f.classes)); err != nil {
		return err
	}
	f.values = make([]nodeValues, len(f.classes))
	return nil
}

func (f *Regressor) decode(file *model.File) error {
	leaves, err := f.ensemble.decode(file, KindRegressor, DefaultRegressor())
	if err != nil {
		return err
	}
	if f.means, err = file.F32("forest.mean"); err != nil {
		return err
	}
	if len(f.means) != leaves || len(f.cover) != leaves {
		return fmt.Errorf("%d leaves, %d predictions and %d covers for them", leaves, len(f.means), len(f.cover))
	}
	for i, v := range f.means {
		if v != v || math.IsInf(float64(v), 0) {
			return fmt.Errorf("leaf %d predicts %v", i, v)
		}
	}
	return nil
}

// decode reads what both forests share and returns the number of leaves.
func (f *ensemble) decode(file *model.File, kind string, defaults Config) (leaves int, err error) {
	h := &file.Header
	if h.Kind != kind {
		return 0, fmt.Errorf("the file holds a %q", h.Kind)
	}
	f.schema, f.seed, f.oob, f.config = h.Schema, h.Seed, math.NaN(), defaults
	if len(h.Config) > 0 {
		if err := json.Unmarshal(h.Config, &f.config); err != nil {
			return 0, fmt.Errorf("configuration: %w", err)
		}
	}
	if f.trees, leaves, err = tree.Decode(file, len(f.schema.Columns)); err != nil {
		return 0, err
	}
	if len(f.trees) == 0 || len(f.trees) > maxTrees {
		return 0, fmt.Errorf("%d trees, possible are 1 to %d", len(f.trees), maxTrees)
	}
	if f.cover, err = file.U8("forest.cover"); err != nil {
		return 0, err
	}
	if f.importance, err = file.F64("forest.importance"); err != nil {
		return 0, err
	}
	if len(f.importance) != len(f.schema.Columns) {
		return 0, fmt.Errorf("importance of %d columns, there are %d", len(f.importance), len(f.schema.Columns))
	}
	for j, v := range f.importance {
		if !(v >= 0 && v <= 1+1e-9) {
			return 0, fmt.Errorf("importance of column %d is %v", j, v)
		}
	}
	if file.Has("forest.oob") {
		oob, err := file.F64("forest.oob")
		if err != nil {
			return 0, err
		}
		if len(oob) != 1 || math.IsNaN(oob[0]) || oob[0] > 1 {
			return 0, fmt.Errorf("out-of-bag accuracy is %v", oob)
		}
		f.oob = oob[0]
	}
	if file.Has("forest.categories") {
		if f.orders, err = decodeOrders(file, len(f.schema.Columns)); err != nil {
			return 0, err
		}
	}
	return leaves, nil
}

// decodeOrders reads the categories in their order.
func decodeOrders(file *model.File, columns int) ([]order, error) {
	lens, err := file.I32("forest.categories")
	if err != nil {
		return nil, err
	}
	all, err := file.F32("forest.category")
	if err != nil {
		return nil, err
	}
	if len(lens) != columns {
		return nil, fmt.Errorf("categories of %d columns, there are %d", len(lens), columns)
	}
	orders := make([]order, columns)
	for j, n := range lens {
		if n < 0 || int(n) > len(all) {
			return nil, fmt.Errorf("column %d has %d categories, %d are left", j, n, len(all))
		}
		if n == 0 {
			continue
		}
		in := all[:n]
		all = all[n:]
		by := make([]int, n)
		for k := range by {
			by[k] = k
		}
		slices.SortFunc(by, func(a, b int) int { return cmp.Compare(in[a], in[b]) })
		o := order{make([]float32, n), make([]float32, n)}
		for k, rank := range by {
			o.codes[k], o.ranks[k] = in[rank], float32(rank)
			if v := in[rank]; v != v || k > 0 && v == o.codes[k-1] {
				return nil, fmt.Errorf("column %d has the category %v twice, or none", j, v)
			}
		}
		orders[j] = o
	}
	if len(all) != 0 {
		return nil, fmt.Errorf("%d categories too many", len(all))
	}
	return orders, nil
}

// decodeShares reads the distributions and returns where each begins.
func (f *Forest) decodeShares(file *model.File) ([]int32, error) {
	class, err := file.View("forest.class")
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
	count := 0
	for _, c := range class {
		count += int(c >> 7)
	}
	starts := make([]int32, 0, count)
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

// giveShares gives each leaf the place of its distribution, whose number leaf
// says, in place of the leaf's own number.
func giveShares[T uint16 | int32](f *Forest, leaf []T, leaves int, starts []int32) error {
	if len(leaf) != leaves || len(f.cover) != leaves {
		return fmt.Errorf("%d leaves, %d distributions and %d covers for them", leaves, len(leaf), len(f.cover))
	}
	for _, t := range f.trees {
		for i := range t {
			if t[i].Feature >= 0 {
				continue
			}
			n := int(leaf[t[i].Next])
			if uint(n) >= uint(len(starts)) {
				return fmt.Errorf("leaf %d has distribution %d of %d", t[i].Next, n, len(starts))
			}
			t[i].Next = starts[n]
		}
	}
	return nil
}
