package boost

import (
	"encoding/json"
	"fmt"
	"math"

	"apiml/model"
	"apiml/model/tree"
)

// The arrays of a model in a file, besides those of its trees (package tree),
// which stand one ensemble after the other:
//
//	boost.trees  I32  per ensemble: number of trees
//	boost.base   F64  per ensemble: what is there before the first tree
//	boost.leaf   F32  per leaf: value
//	boost.cover  I32  per leaf: training rows
//	boost.gain   F64  per column: share of the gain
//	boost.unit   F64  one value: unit of the logarithm, 0 = none

// Encode implements model.Model.
func (m *Model) Encode(file *model.File) error {
	config, err := json.Marshal(m.config)
	if err != nil {
		return err
	}
	h := &file.Header
	h.Kind, h.Schema, h.Classes, h.Config, h.Seed = Kind, m.schema, nil, config, m.seed
	var trees []tree.Tree
	var counts, cover []int32
	var base []float64
	var leaf []float32
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
	file.PutI32("boost.cover", cover)
	file.PutF64("boost.gain", m.gain)
	file.PutF64("boost.unit", []float64{m.unit})
	return nil
}

// Decode reads a model. It checks every index and value, so that a damaged or
// hostile file is an error and never a crash or an endless walk.
func Decode(file *model.File) (*Model, error) {
	m, err := decode(file)
	if err != nil {
		return nil, fmt.Errorf("boost: %w", err)
	}
	return m, nil
}

func decode(file *model.File) (*Model, error) {
	h := &file.Header
	if h.Kind != Kind {
		return nil, fmt.Errorf("the file holds a %q", h.Kind)
	}
	m := &Model{schema: h.Schema, seed: h.Seed, config: Default()}
	if len(h.Config) > 0 {
		if err := json.Unmarshal(h.Config, &m.config); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
	}
	if err := m.config.check(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	levels, point := m.config.ensembles()
	m.point = point
	columns := len(m.schema.Columns)
	trees, leaves, err := tree.Decode(file, columns)
	if err != nil {
		return nil, err
	}
	counts, err := file.I32("boost.trees")
	if err != nil {
		return nil, err
	}
	base, err := file.F64("boost.base")
	if err != nil {
		return nil, err
	}
	leaf, err := file.F32("boost.leaf")
	if err != nil {
		return nil, err
	}
	cover, err := file.I32("boost.cover")
	if err != nil {
		return nil, err
	}
	if m.gain, err = file.F64("boost.gain"); err != nil {
		return nil, err
	}
	unit, err := file.F64("boost.unit")
	if err != nil {
		return nil, err
	}
	if len(counts) != len(levels) || len(base) != len(levels) {
		return nil, fmt.Errorf("%d ensembles with %d bases, the configuration asks for %d", len(counts), len(base), len(levels))
	}
	if len(leaf) != leaves || len(cover) != leaves {
		return nil, fmt.Errorf("%d leaves, %d values and %d covers for them", leaves, len(leaf), len(cover))
	}
	if len(m.gain) != columns {
		return nil, fmt.Errorf("gain of %d columns, there are %d", len(m.gain), columns)
	}
	for j, v := range m.gain {
		if !(v >= 0 && v <= 1+1e-9) {
			return nil, fmt.Errorf("gain of column %d is %v", j, v)
		}
	}
	if len(unit) != 1 || !(unit[0] >= 0 && unit[0] <= math.MaxFloat64) {
		return nil, fmt.Errorf("unit is %v", unit)
	}
	m.unit = unit[0]
	if (m.unit == 0) != (m.config.Objective == SquaredError) && m.config.Objective != Quantile {
		return nil, fmt.Errorf("unit %v does not belong to objective %q", m.unit, m.config.Objective)
	}
	for i, v := range leaf {
		if !(math.Abs(float64(v)) <= math.MaxFloat32) || cover[i] < 1 {
			return nil, fmt.Errorf("leaf %d has value %v and %d rows", i, v, cover[i])
		}
	}
	m.parts = make([]ensemble, len(levels))
	at := 0 // leaves before the ensemble
	for k, n := range counts {
		if n < 0 || int(n) > len(trees) || int(n) > maxRounds {
			return nil, fmt.Errorf("ensemble %d has %d trees, %d are left", k, n, len(trees))
		}
		if !(math.Abs(base[k]) <= 1e300) {
			return nil, fmt.Errorf("ensemble %d begins at %v", k, base[k])
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
		return nil, fmt.Errorf("%d trees belong to no ensemble", len(trees))
	}
	return m, nil
}
