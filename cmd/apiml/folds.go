package main

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"apiml/internal/atomicfile"
	"apiml/model"
	"apiml/train"
)

// writeFolds writes one line per row of the cross-validation: where it stands,
// its class, and per seed the fold that it is tested in, counted from 1 (0 = in
// none, as the first block of a split by time). Other programs can then be
// measured on the same folds.
func writeFolds(path string, pr *problem, rows []int, opt train.Options) error {
	split := opt.Split
	head := []string{"file", "line", "class"}
	var columns [][]int
	for r := range max(opt.Repeats, 1) {
		seed := opt.Seed + uint64(r)
		folds, used, _ := train.Splits(pr.Problem, rows, split, opt.Folds, seed)
		column := make([]int, pr.Rows)
		for f, fold := range folds {
			for _, row := range fold.Test {
				column[row] = f + 1
			}
		}
		columns = append(columns, column)
		head = append(head, fmt.Sprintf("seed_%d", seed))
		if used == train.GroupTime || used == train.Time {
			break // nothing random
		}
	}
	return atomicfile.Write(path, 0o600, func(w io.Writer) error {
		c := csv.NewWriter(w)
		if err := c.Write(head); err != nil {
			return err
		}
		for _, row := range rows {
			line := []string{"", strconv.Itoa(row + 1), ""}
			if pr.origin != nil {
				o := pr.origin[row]
				line[0], line[1] = filepath.Base(pr.files[o.file]), strconv.FormatInt(o.line, 10)
			}
			if pr.Labels != nil && pr.Labels[row] >= 0 {
				line[2] = pr.Classes[pr.Labels[row]]
			}
			for _, column := range columns {
				line = append(line, strconv.Itoa(column[row]))
			}
			if err := c.Write(line); err != nil {
				return err
			}
		}
		c.Flush()
		return c.Error()
	})
}

// leastFold is the CPU seconds that a fold must have taken to be kept for an
// interrupted run: others are sooner fitted again.
const leastFold = 1.0

// foldKeeper keeps finished folds in the models folder, so that an interrupted
// cross-validation goes on where it stopped. The names of its files are a hash of
// all that a fold depends on.
type foldKeeper struct {
	dir, key string
	began    float64 // CPU seconds at the begin
	finished int     // folds fitted since
	loaded   int
	kept     []string
}

func (a *app) newFoldKeeper(pr *problem, rows []int, spec model.Spec, opt train.Options, profile string) *foldKeeper {
	h := sha256.New()
	fmt.Fprintln(h, toolVersion, spec.Name, string(opt.Config), spec.Default(), opt.Split, opt.Folds, opt.Repeats, opt.Seed, opt.NoAudit, opt.Acknowledged, profile)
	fmt.Fprintln(h, pr.data.Fingerprint, pr.Rows, len(rows), pr.Classes)
	for _, r := range rows {
		l := int32(-1)
		if pr.Labels != nil {
			l = pr.Labels[r]
		}
		fmt.Fprintln(h, r, l)
	}
	return &foldKeeper{dir: filepath.Join(a.cfg.ModelsDir, ".folds"), key: hex.EncodeToString(h.Sum(nil)[:12]), began: cpuSeconds()}
}

func (k *foldKeeper) path(fold int) string {
	return filepath.Join(k.dir, fmt.Sprintf("%s-%03d", k.key, fold))
}

func (k *foldKeeper) load(fold int) []byte {
	b, err := os.ReadFile(k.path(fold))
	if err != nil {
		return nil
	}
	k.loaded++
	k.kept = append(k.kept, k.path(fold))
	return b
}

// save does not fail the run: without the file the fold is fitted again.
func (k *foldKeeper) save(fold int, b []byte) error {
	k.finished++ // some at the same time: only their mean is known
	if (cpuSeconds()-k.began)/float64(k.finished) < leastFold {
		return nil
	}
	if os.MkdirAll(k.dir, 0o700) == nil && atomicfile.Write(k.path(fold), 0o600, func(w io.Writer) error { _, err := w.Write(b); return err }) == nil {
		k.kept = append(k.kept, k.path(fold))
	}
	return nil
}

// done removes what was kept, and the folder if nothing else is in it.
func (k *foldKeeper) done() {
	for _, p := range k.kept {
		os.Remove(p)
	}
	os.Remove(k.dir)
}
