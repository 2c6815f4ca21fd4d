package boost

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"apiml/model"
	"apiml/model/tree"
)

// The arrays of a model in a file, besides those of its trees (package tree),
// which stand one ensemble after the other:
//
//	boost.trees     I32  per ensemble: number of trees
//	boost.base      F64  per ensemble: what is there before the first tree
//	boost.leaf      F32  per leaf: value
//	boost.cover     F32  per leaf: hessian of its training rows (I32 in older files)
//	boost.gain      F64  per column: share of the gain
//	boost.unit      F64  one value: unit of the logarithm, 0 = none; regressors only
//
// and with categorical columns
//
//	boost.categories  I32  per column: how many categories, 0 = numbers
//	boost.category    F32  per category: its code, ascending in a column
//	boost.other       U8   per column: 1 = other codes are a category, 0 = they are missing
//	boost.set         U64  per categorical split four: the set of bins that go right

// Encode implements model.Model.
func (m *Model) Encode(file *model.File) error {
	if err := m.encode(file, Kind); err != nil {
		return err
	}
	file.Header.Classes = nil
	file.PutF64("boost.unit", []float64{m.unit})
	return nil
}

// Encode implements model.Model.
func (m *Classifier) Encode(file *model.File) error {
	if err := m.encode(file, KindClassifier); err != nil {
		return err
	}
	file.Header.Classes = slices.Clone(m.classes)
	return nil
}

func (m *core) encode(file *model.File, kind string) error {
	config, err := json.Marshal(m.config)
	if err != nil {
		return err
	}
	h := &file.Header
	h.Kind, h.Schema, h.Config, h.Seed = kind, m.schema, config, m.seed
	var trees []tree.Tree
	var counts []int32
	var base []float64
	var leaf, cover []float32
	for i := range m.parts {
		p := &m.parts[i]
		counts = append(counts, int32(len(p.trees)))
		base = append(base, p.base)
		trees = append(trees, p.trees...)
		leaf = append(leaf, p.leaf...)
		cover = append(cover, p.cover...)
	}
	tree.Encode(file, trees, len(m.schema.Columns))
	file.PutI32("boost.trees", counts)
	file.PutF64("boost.base", base)
	file.PutF32("boost.leaf", leaf)
	file.PutF32("boost.cover", cover)
	file.PutF64("boost.gain", m.gain)
	if m.cats == nil {
		return nil
	}
	var sizes []int32
	var codes []float32
	other := make([]uint8, len(m.cats))
	for j := range m.cats {
		sizes = append(sizes, int32(len(m.cats[j].codes)))
		codes = append(codes, m.cats[j].codes...)
		if m.cats[j].other {
			other[j] = 1
		}
	}
	sets := make([]uint64, 0, 4*len(m.sets))
	for _, s := range m.sets {
		sets = append(sets, s[:]...)
	}
	file.PutI32("boost.categories", sizes)
	file.PutF32("boost.category", codes)
	file.PutU8("boost.other", other)
	file.PutU64("boost.set", sets)
	return nil
}

// Decode reads a regressor. It checks every index and value, so that a damaged
// or hostile file is an error and never a crash or an endless walk.
func Decode(file *model.File) (*Model, error) {
	m := &Model{}
	if err := m.decode(file); err != nil {
		return nil, fmt.Errorf("boost: %w", err)
	}
	return m, nil
}

// DecodeClassifier is Decode for a classifier.
func DecodeClassifier(file *model.File) (*Classifier, error) {
	m := &Classifier{}
	if err := m.decode(file); err != nil {
		return nil, fmt.Errorf("boost: %w", err)
	}
	return m, nil
}

func (m *Model) decode(file *model.File) error {
	if err := m.header(file, Kind, Default()); err != nil {
		return err
	}
	if err := m.config.checkRegressor(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	losses, point := m.config.losses()
	m.point = point
	if err := m.arrays(file, len(losses)); err != nil {
		return err
	}
	unit, err := file.F64("boost.unit")
	if err != nil {
		return err
	}
	if len(unit) != 1 || !(unit[0] >= 0 && unit[0] <= math.MaxFloat64) {
		return fmt.Errorf("unit is %v", unit)
	}
	m.unit = unit[0]
	if o := m.config.Objective; (m.unit > 0) != (o == SquaredLogError) && o != Quantile {
		return fmt.Errorf("unit %v does not belong to objective %q", m.unit, o)
	}
	return nil
}

func (m *Classifier) decode(file *model.File) error {
	if err := m.header(file, KindClassifier, DefaultClassifier()); err != nil {
		return err
	}
	m.classes = slices.Clone(file.Header.Classes)
	if err := m.config.checkClassifier(len(m.classes)); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	n := len(m.classes)
	if n == 2 && m.config.Objective != Softmax {
		n = 1
	}
	return m.arrays(file, n)
}

func (m *core) header(file *model.File, kind string, defaults Config) error {
	h := &file.Header
	if h.Kind != kind {
		return fmt.Errorf("the file holds a %q", h.Kind)
	}
	m.schema, m.seed, m.config = h.Schema, h.Seed, defaults
	if len(h.Config) > 0 {
		if err := json.Unmarshal(h.Config, &m.config); err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
	}
	return nil
}

// arrays reads what encode wrote.
func (m *core) arrays(file *model.File, parts int) error {
	columns := len(m.schema.Columns)
	trees, leaves, err := tree.Decode(file, columns)
	if err != nil {
		return err
	}
	counts, err := file.I32("boost.trees")
	if err != nil {
		return err
	}
	base, err := file.F64("boost.base")
	if err != nil {
		return err
	}
	leaf, err := file.F32("boost.leaf")
	if err != nil {
		return err
	}
	cover, err := file.F32("boost.cover")
	if err != nil {
		whole, err := file.I32("boost.cover")
		if err != nil {
			return err
		}
		for _, v := range whole {
			cover = append(cover, float32(v))
		}
	}
	if m.gain, err = file.F64("boost.gain"); err != nil {
		return err
	}
	if len(counts) != parts || len(base) != parts {
		return fmt.Errorf("%d ensembles with %d bases, the configuration asks for %d", len(counts), len(base), parts)
	}
	if len(leaf) != leaves || len(cover) != leaves {
		return fmt.Errorf("%d leaves, %d values and %d covers for them", leaves, len(leaf), len(cover))
	}
	if len(m.gain) != columns {
		return fmt.Errorf("gain of %d columns, there are %d", len(m.gain), columns)
	}
	for j, v := range m.gain {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("gain of column %d is %v", j, v)
		}
	}
	for i, v := range leaf {
		if !(math.Abs(float64(v)) <= math.MaxFloat32) || !(cover[i] > 0 && cover[i] <= math.MaxFloat32) {
			return fmt.Errorf("leaf %d has value %v and cover %v", i, v, cover[i])
		}
	}
	if err := m.categories(file, trees); err != nil {
		return err
	}
	m.parts = make([]ensemble, parts)
	at := 0 // leaves before the ensemble
	for k, n := range counts {
		if n < 0 || int(n) > len(trees) || int(n) > maxRounds {
			return fmt.Errorf("ensemble %d has %d trees, %d are left", k, n, len(trees))
		}
		if !(math.Abs(base[k]) <= 1e300) {
			return fmt.Errorf("ensemble %d begins at %v", k, base[k])
		}
		p := ensemble{base: base[k], trees: trees[:n:n]}
		trees = trees[n:]
		size := 0
		for _, t := range p.trees {
			size += len(t) - t.Inner()
			for i := range t {
				if t[i].Feature < 0 {
					t[i].Next -= int32(at)
				}
			}
		}
		p.leaf, p.cover = leaf[at:at+size:at+size], cover[at:at+size:at+size]
		at += size
		m.parts[k] = p
	}
	if len(trees) > 0 {
		return fmt.Errorf("%d trees belong to no ensemble", len(trees))
	}
	m.arrange()
	return nil
}

// categories reads the tables of categorical columns and checks the splits on
// them.
func (m *core) categories(file *model.File, trees []tree.Tree) error {
	if !file.Has("boost.categories") {
		return nil
	}
	columns := len(m.schema.Columns)
	sizes, err := file.I32("boost.categories")
	if err != nil {
		return err
	}
	codes, err := file.F32("boost.category")
	if err != nil {
		return err
	}
	other, err := file.U8("boost.other")
	if err != nil {
		return err
	}
	words, err := file.U64("boost.set")
	if err != nil {
		return err
	}
	if len(sizes) != columns || len(other) != columns || len(words)%4 != 0 {
		return fmt.Errorf("categories of %d and %d columns, there are %d; %d words of sets", len(sizes), len(other), columns, len(words))
	}
	m.cats = make([]category, columns)
	for j, n := range sizes {
		if n < 0 || n > maxCategories || int(n) > len(codes) || other[j] > 1 {
			return fmt.Errorf("column %d has %d categories, %d are left", j, n, len(codes))
		}
		if n == 0 {
			continue
		}
		c := codes[:n:n]
		codes = codes[n:]
		for i, v := range c {
			if !(math.Abs(float64(v)) <= math.MaxFloat32) || i > 0 && v <= c[i-1] {
				return fmt.Errorf("column %d: category %d is %v", j, i, v)
			}
		}
		m.cats[j] = category{codes: c, other: other[j] == 1}
	}
	if len(codes) > 0 {
		return fmt.Errorf("%d categories belong to no column", len(codes))
	}
	for i := 0; i < len(words); i += 4 {
		m.sets = append(m.sets, set(words[i:i+4]))
	}
	for k, t := range trees {
		for i, n := range t {
			if n.Feature < 0 || !m.categorical(int(n.Feature)) {
				continue
			}
			if s := n.Threshold; !(s >= 0 && int(s) < len(m.sets)) || s != float32(int(s)) {
				return fmt.Errorf("tree %d, node %d: set %v of %d", k, i, s, len(m.sets))
			}
		}
	}
	return nil
}
