package main

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// logFiles resolves what a user gave: patterns that the shell did not expand, and
// rotated sets in any order, of which the oldest comes first (access.log.2.gz,
// access.log.1, access.log). A file stays one even if several patterns find it.
func logFiles(args []string) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	add := func(path string) {
		if path == "-" || !seen[path] {
			seen[path] = true
			out = append(out, path)
		}
	}
	for _, arg := range args {
		if _, err := os.Stat(arg); arg == "-" || err == nil || !strings.ContainsAny(arg, "*?[") {
			add(arg)
			continue
		}
		found, err := filepath.Glob(arg)
		if err != nil {
			return nil, usagef("%q is no pattern: %v", arg, err)
		}
		if len(found) == 0 {
			return nil, inputf("%s: no file matches", arg)
		}
		for _, f := range found {
			add(f)
		}
	}
	return oldestFirst(out), nil
}

// rotation is the place of a file in its set.
type rotation struct {
	set   string // the name without what rotation adds
	dated bool
	date  string // "20240115", "2024-01-15-03", digits only
	n     int    // access.log.3: the larger, the older; 0 = the file that is written to
}

func rotationOf(path string) rotation {
	base := filepath.Base(path)
	for _, ext := range []string{".gz", ".zst", ".bz2", ".xz"} {
		base = strings.TrimSuffix(base, ext)
	}
	dir := filepath.Dir(path) + "/"
	if m := regexp.MustCompile(`^(.+?)[-._](\d{4}-?\d\d-?\d\d(?:[-_T]?\d{2,6})?)(\.[a-z]+)?$`).FindStringSubmatch(base); m != nil {
		digits := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, m[2])
		return rotation{set: dir + m[1] + m[3], dated: true, date: digits}
	}
	if m := regexp.MustCompile(`^(.+)\.(\d{1,4})$`).FindStringSubmatch(base); m != nil {
		n, _ := strconv.Atoi(m[2])
		return rotation{set: dir + m[1], n: n + 1}
	}
	return rotation{set: dir + base}
}

// oldestFirst orders the files of each rotated set among the places that they
// have; other files stay where they are.
func oldestFirst(paths []string) []string {
	places := map[string][]int{}
	of := make([]rotation, len(paths))
	for i, p := range paths {
		if p == "-" {
			continue
		}
		of[i] = rotationOf(p)
		places[of[i].set] = append(places[of[i].set], i)
	}
	out := slices.Clone(paths)
	for _, at := range places {
		sorted := slices.Clone(at)
		slices.SortStableFunc(sorted, func(i, j int) int {
			a, b := of[i], of[j]
			switch {
			case a.dated && b.dated:
				return strings.Compare(a.date, b.date)
			case a.dated != b.dated: // the one without a date is being written to
				if a.dated {
					return -1
				}
				return 1
			}
			return cmp.Compare(b.n, a.n)
		})
		for k, i := range at {
			out[i] = paths[sorted[k]]
		}
	}
	return out
}
