// Package frame holds the numbers that models work on: a Schema that names
// columns and units, a Matrix of float32 feature columns with its targets, a
// Series of counts over time, and a Trace of cache accesses. It knows nothing of HTTP.
package frame

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
)

// Column names one feature.
type Column struct {
	Name string `json:"name"`           // "query_entropy"
	Unit string `json:"unit,omitempty"` // "bits", "bytes", "s", "1" for a share, "" for a flag or count
	Doc  string `json:"doc,omitempty"`  // what it is and why it tells something, in one sentence
}

// Schema is an ordered list of columns. A model carries the schema that it was
// fitted on and refuses another.
type Schema struct {
	Name    string   `json:"name"`            // "http", "flows"
	State   string   `json:"state,omitempty"` // hash of the fitted state that the columns depend on, "" if none
	Columns []Column `json:"columns"`
}

// ID identifies what the columns mean: a change of a name, a unit, the order
// or the state changes it. It looks like "http/1f3a9c02".
func (s *Schema) ID() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00", s.Name, s.State)
	for _, c := range s.Columns {
		fmt.Fprintf(h, "%s\x00%s\x00", c.Name, c.Unit)
	}
	return s.Name + "/" + hex.EncodeToString(h.Sum(nil)[:4])
}

// Index returns the position of the named column, -1 if there is none.
func (s *Schema) Index(name string) int {
	for i, c := range s.Columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// Matrix holds rows of features by column, with whatever is known about each
// row. All slices that are not nil have Rows() elements (each of Cols too).
// A Matrix is read-only once built: it may then be shared between goroutines.
type Matrix struct {
	Schema  *Schema
	Cols    [][]float32 // one slice per column of Schema, NaN = missing
	N       int         // number of rows
	Class   []int32     // index into Classes, -1 = unknown; nil without labels
	Classes []string
	Target  []float64 // for regressors; nil without
	Group   []uint64  // rows of one group never stand on both sides of a split; nil = every row its own
	Time    []int64   // microseconds UTC; nil without times
}

// NewMatrix makes a matrix of n zero rows with the columns of schema.
func NewMatrix(schema *Schema, n int) *Matrix {
	// The values of a row must not fall into the same few lines of a cache, as
	// they do if columns lie a multiple of its size apart.
	stride := n
	if n%1024 == 0 {
		stride += 16
	}
	buf := make([]float32, stride*len(schema.Columns))
	m := &Matrix{Schema: schema, N: n, Cols: make([][]float32, len(schema.Columns))}
	for j := range m.Cols {
		m.Cols[j] = buf[j*stride:][:n:n]
	}
	return m
}

// Rows is the number of rows.
func (m *Matrix) Rows() int { return m.N }

// Row copies row i to dst, which must have a length of at least len(Cols), and
// returns dst[:len(Cols)].
func (m *Matrix) Row(dst []float32, i int) []float32 {
	dst = dst[:len(m.Cols)]
	for j, c := range m.Cols {
		dst[j] = c[i]
	}
	return dst
}

// Select copies the given rows, in the given order, into a new matrix.
func (m *Matrix) Select(rows []int) *Matrix {
	out := NewMatrix(m.Schema, len(rows))
	out.Classes = m.Classes
	for j, c := range m.Cols {
		d := out.Cols[j]
		for i, r := range rows {
			d[i] = c[r]
		}
	}
	if m.Class != nil {
		out.Class = pick(m.Class, rows)
	}
	if m.Target != nil {
		out.Target = pick(m.Target, rows)
	}
	if m.Group != nil {
		out.Group = pick(m.Group, rows)
	}
	if m.Time != nil {
		out.Time = pick(m.Time, rows)
	}
	return out
}

func pick[T any](from []T, rows []int) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = from[r]
	}
	return out
}

// Check reports the first inconsistency of m: a slice of the wrong length, a
// class index out of range, an infinite feature.
func (m *Matrix) Check() error {
	if m.Schema == nil {
		return fmt.Errorf("frame: matrix without schema")
	}
	if len(m.Cols) != len(m.Schema.Columns) {
		return fmt.Errorf("frame: %d columns, schema %s has %d", len(m.Cols), m.Schema.ID(), len(m.Schema.Columns))
	}
	for j, c := range m.Cols {
		if len(c) != m.N {
			return fmt.Errorf("frame: column %q has %d rows, matrix has %d", m.Schema.Columns[j].Name, len(c), m.N)
		}
		for i, v := range c {
			if math.IsInf(float64(v), 0) {
				return fmt.Errorf("frame: column %q row %d is infinite", m.Schema.Columns[j].Name, i)
			}
		}
	}
	for name, l := range map[string]int{"Class": len(m.Class), "Target": len(m.Target), "Group": len(m.Group), "Time": len(m.Time)} {
		if l != 0 && l != m.N {
			return fmt.Errorf("frame: %s has %d rows, matrix has %d", name, l, m.N)
		}
	}
	for i, c := range m.Class {
		if int(c) < -1 || int(c) >= len(m.Classes) {
			return fmt.Errorf("frame: row %d has class %d of %d", i, c, len(m.Classes))
		}
	}
	return nil
}

// SameSchema returns an error that names both sides if got is not want.
func SameSchema(want, got *Schema) error {
	if want.ID() == got.ID() {
		return nil
	}
	var hint strings.Builder
	for i := range max(len(want.Columns), len(got.Columns)) {
		switch {
		case i >= len(want.Columns):
			fmt.Fprintf(&hint, "; column %q is new", got.Columns[i].Name)
		case i >= len(got.Columns):
			fmt.Fprintf(&hint, "; column %q is missing", want.Columns[i].Name)
		case want.Columns[i].Name != got.Columns[i].Name:
			fmt.Fprintf(&hint, "; column %d is %q, not %q", i, got.Columns[i].Name, want.Columns[i].Name)
		default:
			continue
		}
		break
	}
	return fmt.Errorf("model was fitted on other features: %s, this apiml computes %s%s; train again", want.ID(), got.ID(), hint.String())
}

// Series is a regular time series: Values[i] belongs to the interval that
// begins at Start + i·Step.
type Series struct {
	Name   string
	Start  int64     // microseconds UTC
	Step   int64     // microseconds
	Values []float64 // NaN = missing
}

// End is the end of the last interval, microseconds UTC.
func (s Series) End() int64 { return s.Start + int64(len(s.Values))*s.Step }

// Trace is a sequence of cache accesses, in order.
type Trace struct {
	Keys  []int32 // dense object numbers from 0
	Sizes []int32 // bytes of the object at this access, parallel to Keys; nil = every object counts 1
	Times []int64 // microseconds UTC, parallel to Keys; nil = unknown
	N     int     // number of distinct keys: Keys[i] < N
}

// Check reports the first inconsistency of t.
func (t *Trace) Check() error {
	for i, k := range t.Keys {
		if k < 0 || int(k) >= t.N {
			return fmt.Errorf("frame: access %d has key %d of %d", i, k, t.N)
		}
	}
	if t.Sizes != nil && len(t.Sizes) != len(t.Keys) {
		return fmt.Errorf("frame: %d sizes for %d accesses", len(t.Sizes), len(t.Keys))
	}
	for i, s := range t.Sizes {
		if s < 0 {
			return fmt.Errorf("frame: access %d has size %d", i, s)
		}
	}
	if t.Times != nil && len(t.Times) != len(t.Keys) {
		return fmt.Errorf("frame: %d times for %d accesses", len(t.Times), len(t.Keys))
	}
	return nil
}
