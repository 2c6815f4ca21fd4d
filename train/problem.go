// Package train fits and judges models on a Problem: rows with labels, groups
// and times, whose features are made anew for every fold. It knows no HTTP and
// no file: package features makes the Problems, command apiml stores what comes
// out.
//
// Use, in this order: HoldOut sets rows aside that nothing but the last step may
// see; CrossValidate measures a model on the others and suggests a threshold;
// Fit fits the final model on the others and evaluates it on the rows set aside.
// Evaluate measures a fitted model on any rows. Audit looks for signs that a
// result is too good to be true.
//
// Same problem, options and seed give the same result, whatever the number of
// workers. Nothing here reads a clock: CPU seconds come from Options.CPU.
package train

import (
	"context"
	"fmt"
	"math"
	"slices"

	"apiml/frame"
)

// Problem is what a model is fitted on. Slices that are not nil have Rows
// elements. It is not modified.
type Problem struct {
	Name      string   // of the data set: "access.log", "cicids2017"
	Rows      int      // rows are in file or event order
	Labels    []int32  // index into Classes, −1 = unknown; nil without labels
	Classes   []string // "none", "sql_injection", …
	Benign    string   // the class that is no attack, "" = "none"; Classes need not hold it
	Synthetic bool     // generated data: said wherever a result appears
	Groups    []uint64 // rows of one group never stand on both sides of a split; nil = every row its own
	Times     []int64  // microseconds UTC, math.MinInt64 = unknown; nil without times
	Hash      []uint64 // identity of a row: equal hashes = the same row twice; nil = all distinct
	// Fold makes the features of the rows train and test, in this order, with
	// whatever is fitted on data fitted on train alone. Labels are attached by
	// this package. test may be empty.
	Fold func(ctx context.Context, train, test []int) (fit, eval *frame.Matrix, err error)

	// For the audit only; each may be nil.

	// Fields are what the records say besides the features: an agent that spells
	// the label makes every result too good, whether it is a feature or not.
	Fields []Field
	// Whole returns the columns over all rows as they are before anything is
	// fitted.
	Whole func() *frame.Matrix
	// Prefix returns the columns that look at other rows for the first rows in
	// event order: computed over all rows, and over these alone.
	Prefix func(ctx context.Context) (whole, prefix *frame.Matrix, err error)
}

// Field is a raw field of the records: Code[i] numbers the value of row i.
type Field struct {
	Name string
	Code []int32
}

// Check reports the first inconsistency of p.
func (p *Problem) Check() error {
	for _, s := range []struct {
		name string
		len  int
		none bool
	}{
		{"Labels", len(p.Labels), p.Labels == nil}, {"Groups", len(p.Groups), p.Groups == nil},
		{"Times", len(p.Times), p.Times == nil}, {"Hash", len(p.Hash), p.Hash == nil},
	} {
		if !s.none && s.len != p.Rows {
			return fmt.Errorf("problem %q: %d %s for %d rows", p.Name, s.len, s.name, p.Rows)
		}
	}
	for i, l := range p.Labels {
		if l < -1 || int(l) >= len(p.Classes) {
			return fmt.Errorf("problem %q: row %d has class %d of %d", p.Name, i, l, len(p.Classes))
		}
	}
	for _, f := range p.Fields {
		if len(f.Code) != p.Rows {
			return fmt.Errorf("problem %q: %d values of field %q for %d rows", p.Name, len(f.Code), f.Name, p.Rows)
		}
	}
	if p.Fold == nil {
		return fmt.Errorf("problem %q: no Fold function", p.Name)
	}
	return nil
}

// benign is the index of the benign class in classes, −1 if they do not hold it.
func benignIndex(classes []string, name string) int {
	if name == "" {
		name = "none"
	}
	return slices.Index(classes, name)
}

// noTime is the time of a row without one (traffic.NoTime).
const noTime = math.MinInt64

// hasTime reports whether rows can be put in time order: at least 99 of 100 have
// a time, and it varies. The others count as earlier than all.
func (p *Problem) hasTime(rows []int) bool {
	if p.Times == nil || len(rows) == 0 {
		return false
	}
	known, lo, hi := 0, int64(math.MaxInt64), int64(math.MinInt64)
	for _, r := range rows {
		if t := p.Times[r]; t != noTime {
			known++
			lo, hi = min(lo, t), max(hi, t)
		}
	}
	return known*100 >= len(rows)*99 && lo < hi
}

// byTime returns rows in time order, rows of one time in row order.
func (p *Problem) byTime(rows []int) []int {
	out := slices.Clone(rows)
	slices.SortFunc(out, func(a, b int) int {
		switch {
		case p.Times[a] < p.Times[b]:
			return -1
		case p.Times[a] > p.Times[b]:
			return 1
		}
		return a - b
	})
	return out
}

// grouping numbers the groups of some rows.
type grouping struct {
	id  []int32  // group of rows[i], numbered in order of first occurrence
	key []uint64 // per group: the smallest of its keys, the same whatever rows stand beside
}

// groups puts rows that share a group or a hash, directly or over others, into
// one group: a duplicate row must not stand on both sides of a split either,
// even where two principals sent it.
func (p *Problem) groups(rows []int) grouping {
	var parent []int32
	find := func(i int32) int32 {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	var key []uint64
	node := make([]int32, len(rows))
	byKey := make(map[uint64]int32)
	for i, r := range rows {
		k := uint64(r)
		if p.Groups != nil {
			k = p.Groups[r]
		} else if p.Hash != nil {
			k = p.Hash[r]
		}
		n, ok := byKey[k]
		if !ok {
			n = int32(len(parent))
			byKey[k] = n
			parent = append(parent, n)
			key = append(key, k)
		}
		node[i] = n
	}
	if p.Groups != nil && p.Hash != nil {
		byHash := make(map[uint64]int32)
		for i, r := range rows {
			n, ok := byHash[p.Hash[r]]
			if !ok {
				byHash[p.Hash[r]] = node[i]
				continue
			}
			if a, b := find(n), find(node[i]); a != b {
				parent[max(a, b)] = min(a, b)
				key[min(a, b)] = min(key[a], key[b])
			}
		}
	}
	g := grouping{id: make([]int32, len(rows))}
	number := make([]int32, len(parent))
	for i, n := range node {
		root := find(n)
		if number[root] == 0 {
			g.key = append(g.key, key[root])
			number[root] = int32(len(g.key))
		}
		g.id[i] = number[root] - 1
	}
	return g
}

// mix is the finaliser of SplitMix64 (Steele, Lea & Flood 2014): a bijection
// that makes neighbouring keys independent.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// HoldOut sets about a fifth of the rows aside for the last evaluation: the
// last 20 % in time order (rows of one instant stay together), or, where the
// rows have no time, every fifth group by hash (which group is held out does
// not depend on the other rows). rule says in one line what was done; train and
// held are ascending row numbers and together all rows. held is empty if there
// are too few rows or groups, and rule says so.
func HoldOut(p *Problem) (train, held []int, rule string) {
	all := make([]int, p.Rows)
	for i := range all {
		all[i] = i
	}
	isHeld := make([]bool, p.Rows)
	if p.hasTime(all) {
		order := p.byTime(all)
		cut := len(order) - len(order)/5
		for cut < len(order) && cut > 0 && p.Times[order[cut]] == p.Times[order[cut-1]] {
			cut++
		}
		if cut == len(order) { // one instant fills the end: hold all of it out instead
			for cut > 0 && p.Times[order[cut-1]] == p.Times[order[len(order)-1]] {
				cut--
			}
		}
		for _, r := range order[cut:] {
			isHeld[r] = true
		}
		rule = "last 20 % of the rows in time order"
	} else {
		g := p.groups(all)
		held := make([]bool, len(g.key))
		any := false
		for i, k := range g.key {
			held[i] = mix(k)%5 == 0
			any = any || held[i]
		}
		if !any && len(g.key) > 1 {
			first := 0
			for i, k := range g.key {
				if mix(k) < mix(g.key[first]) {
					first = i
				}
			}
			held[first] = true
		}
		for i, id := range g.id {
			isHeld[i] = held[id]
		}
		rule = "every fifth group by hash (the rows have no time)"
	}
	for i, h := range isHeld {
		if h {
			held = append(held, i)
		} else {
			train = append(train, i)
		}
	}
	if len(train) == 0 || len(held) == 0 {
		return all, nil, "nothing held out: too few rows or groups"
	}
	return train, held, fmt.Sprintf("%s: %d of %d rows", rule, len(held), p.Rows)
}
