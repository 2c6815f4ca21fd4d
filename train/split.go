package train

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Split names a way to cut rows into folds.
type Split string

// The splits. Only Group and Random are stratified by class.
const (
	// GroupTime cuts the rows in time order into k+1 blocks of equal count; fold
	// i is fitted on blocks 0…i and tested on block i+1. Training rows whose
	// group occurs in the test block are dropped. It asks what matters to a user:
	// does the model of yesterday know the attackers of tomorrow.
	GroupTime Split = "group-time"
	// Group gives each group to one fold, balancing the classes.
	Group Split = "group"
	// Random ignores groups and times: optimistic, for comparison only.
	Random Split = "random"
	// Time is GroupTime without dropping: principals may stand on both sides.
	Time Split = "time"
)

// ParseSplit is the inverse of the constants; "" is GroupTime.
func ParseSplit(s string) (Split, error) {
	switch Split(s) {
	case "":
		return GroupTime, nil
	case GroupTime, Group, Random, Time:
		return Split(s), nil
	}
	return "", fmt.Errorf("split %q: there are group-time, group, random and time", s)
}

// Fold is one split: rows to fit on and rows to test on, disjoint, ascending.
type Fold struct {
	Train, Test []int
	Dropped     int // rows that were left out of Train because their group occurs in Test
}

// maxDropped is the share of training rows that GroupTime may drop before it
// gives way to Group: beyond it the model is judged on a fraction of its data.
const maxDropped = 0.30

// Splits cuts the given rows into up to k folds (k < 2 counts as 2). used is the
// split that was really made: without times GroupTime and Time give way to
// Group, and so does GroupTime where it would drop more than 30 % of the
// training rows; notes says what happened. Fewer folds, or none, come back where
// there are too few rows or groups. Group and Random depend on seed; GroupTime
// and Time have nothing random.
func Splits(p *Problem, rows []int, kind Split, k int, seed uint64) (folds []Fold, used Split, notes []string) {
	k = max(k, 2)
	if kind == "" {
		kind = GroupTime
	}
	if (kind == GroupTime || kind == Time) && !p.hasTime(rows) {
		notes = append(notes, fmt.Sprintf("%s split: the rows have no time (or only one), used group instead", kind))
		kind = Group
	}
	if kind == GroupTime || kind == Time {
		folds, dropped := blocks(p, rows, kind, k)
		if dropped <= maxDropped {
			if kind == GroupTime {
				notes = append(notes, fmt.Sprintf("group-time split: %.1f %% of the training rows dropped because their group occurs in the test block", 100*dropped))
			}
			return fewer(folds, k, kind, notes)
		}
		notes = append(notes, fmt.Sprintf("group-time split would drop %.1f %% of the training rows (limit %.0f %%), because their group occurs in the test block: used group instead", 100*dropped, 100*maxDropped))
		kind = Group
	}
	part := make([]int32, len(rows))
	if kind == Random {
		deal(p, rows, part, k, seed)
	} else {
		assign(p, rows, part, k, seed)
	}
	folds = make([]Fold, k)
	for f := range folds {
		for i, r := range rows {
			if int(part[i]) == f {
				folds[f].Test = append(folds[f].Test, r)
			} else {
				folds[f].Train = append(folds[f].Train, r)
			}
		}
		slices.Sort(folds[f].Train)
		slices.Sort(folds[f].Test)
	}
	return fewer(folds, k, kind, notes)
}

// fewer removes the folds that have nothing to fit or to test on.
func fewer(folds []Fold, k int, used Split, notes []string) ([]Fold, Split, []string) {
	folds = slices.DeleteFunc(folds, func(f Fold) bool { return len(f.Train) == 0 || len(f.Test) == 0 })
	if len(folds) < k {
		notes = append(notes, fmt.Sprintf("%s split: %d of %d folds, the others had no rows to fit or to test on", used, len(folds), k))
	}
	return folds, used, notes
}

// blocks makes the folds of GroupTime and Time and returns the share of the
// training rows that was dropped over all folds.
func blocks(p *Problem, rows []int, kind Split, k int) ([]Fold, float64) {
	order := p.byTime(rows)
	id := p.groups(order).id
	n := len(order)
	lastSeen := make(map[int32]int) // group → last fold in whose test block it stands
	folds := make([]Fold, k)
	var dropped, candidates int
	for f := range folds {
		lo, hi := n*(f+1)/(k+1), n*(f+2)/(k+1)
		folds[f].Test = slices.Clone(order[lo:hi])
		slices.Sort(folds[f].Test)
		for _, g := range id[lo:hi] {
			lastSeen[g] = f
		}
		for i, r := range order[:lo] {
			if kind == GroupTime {
				if last, ok := lastSeen[id[i]]; ok && last == f {
					folds[f].Dropped++
					continue
				}
			}
			folds[f].Train = append(folds[f].Train, r)
		}
		slices.Sort(folds[f].Train)
		dropped += folds[f].Dropped
		candidates += lo
	}
	if candidates == 0 {
		return folds, 0
	}
	return folds, float64(dropped) / float64(candidates)
}

// label is the class of row r shifted by one, 0 = unknown.
func (p *Problem) label(r int) int {
	if p.Labels == nil {
		return 0
	}
	return int(p.Labels[r]) + 1
}

// deal gives the rows of each class in random order to the folds in turn; the
// next class goes on where the last one stopped, so that the folds differ by at
// most one row.
func deal(p *Problem, rows []int, part []int32, k int, seed uint64) {
	byClass := make([][]int, len(p.Classes)+1)
	for i, r := range rows {
		c := p.label(r)
		byClass[c] = append(byClass[c], i)
	}
	next := 0
	for c, members := range byClass {
		rng := rand.New(rand.NewPCG(seed, uint64(c)))
		rng.Shuffle(len(members), func(a, b int) { members[a], members[b] = members[b], members[a] })
		for _, i := range members {
			part[i] = int32(next % k)
			next++
		}
	}
}

// assign gives each group to one fold, greedily: the largest groups first (equal
// ones in an order that depends on seed), each to the fold that holds the
// smallest share of the group's classes; then to the one with the fewest rows.
// That is what scikit-learn's StratifiedGroupKFold seeks, whose spread over the
// folds it lowers, without computing a standard deviation per group and fold:
// adding counts g to fold f raises Σ_c (n_fc/N_c)² by Σ_c (2·n_fc·g_c + g_c²)/N_c²,
// of which only the first term depends on f.
func assign(p *Problem, rows []int, part []int32, k int, seed uint64) {
	g := p.groups(rows)
	// Rows by group, in one slice.
	start := make([]int, len(g.key)+1)
	for _, id := range g.id {
		start[id+1]++
	}
	for i := 1; i < len(start); i++ {
		start[i] += start[i-1]
	}
	member := make([]int, len(rows))
	fill := slices.Clone(start)
	total := make([]float64, len(p.Classes)+1)
	for i, id := range g.id {
		member[fill[id]] = i
		fill[id]++
		total[p.label(rows[i])]++
	}
	order := make([]int, len(g.key))
	rank := make([]uint64, len(g.key))
	for i := range order {
		order[i] = i
		rank[i] = mix(g.key[i] ^ mix(seed))
	}
	slices.SortFunc(order, func(a, b int) int {
		if sa, sb := start[a+1]-start[a], start[b+1]-start[b]; sa != sb {
			return sb - sa
		}
		switch {
		case rank[a] < rank[b]:
			return -1
		case rank[a] > rank[b]:
			return 1
		}
		return a - b
	})
	held := make([][]float64, k) // held[f][c]: rows of class c in fold f
	for f := range held {
		held[f] = make([]float64, len(total))
	}
	size := make([]int, k)
	count := make([]float64, len(total))
	var classes []int // those of the group at hand, ascending
	for _, id := range order {
		for _, c := range classes {
			count[c] = 0
		}
		classes = classes[:0]
		for _, i := range member[start[id]:start[id+1]] {
			c := p.label(rows[i])
			if count[c] == 0 {
				classes = append(classes, c)
			}
			count[c]++
		}
		slices.Sort(classes)
		best, bestCost := 0, 0.0
		for f := range k {
			var cost float64
			for _, c := range classes {
				cost += float64(held[f][c] / total[c] * (count[c] / total[c]))
			}
			if f == 0 || cost < bestCost || cost == bestCost && size[f] < size[best] {
				best, bestCost = f, cost
			}
		}
		for _, c := range classes {
			held[best][c] += count[c]
		}
		size[best] += start[id+1] - start[id]
		for _, i := range member[start[id]:start[id+1]] {
			part[i] = int32(best)
		}
	}
}
