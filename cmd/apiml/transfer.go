package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"apiml/evaluate"
	"apiml/traffic"
)

// transferCommand measures how a classifier that was fitted on generated traffic
// alone does on requests of other origin. It is for the Makefile: hidden.
func (a *app) transferCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "transfer DATASETS",
		Short: "Judge a classifier of generated traffic on real requests (make transfer)",
		Long: `Transfer scores labelled requests of other origin with the classifier in --models
(else the built-in one), which must have been fitted on generated traffic alone,
and counts what it flags in real access logs, of which nobody said that they are
benign: a few real attacks are in them.`,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return a.transfer(args[0]) },
	}
	return cmd
}

// scored is what transfer needs of one line of score's output.
type scored struct {
	Line        int64   `json:"line"`
	Class       string  `json:"class"`
	Probability float64 `json:"probability"`
}

// scoreFile runs score on a file and returns its results in order of lines.
func (a *app) scoreFile(path string) ([]scored, *scoreSummary, error) {
	dir, err := os.MkdirTemp("", "apiml-transfer")
	if err != nil {
		return nil, nil, withCode(exitFailed, err)
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "scores.jsonl")
	b := *a
	b.flags.quiet, b.flags.json, b.out = true, false, io.Discard
	sum, err := b.score([]string{path}, scoreOptions{outputs: []string{out}, maxAlerts: -1})
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(out)
	if err != nil {
		return nil, nil, withCode(exitFailed, err)
	}
	defer f.Close()
	rows := make([]scored, 0, sum.Requests)
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		var s scored
		if err := json.Unmarshal(sc.Bytes(), &s); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", out, err)
		}
		rows = append(rows, s)
	}
	slices.SortFunc(rows, func(x, y scored) int { return int(x.Line - y.Line) })
	return rows, sum, sc.Err()
}

// transferRates are the false-positive rates at which recall is printed. Their
// thresholds come from the benign rows among the labelled ones.
func transferRates() []float64 { return []float64{.01, .001} }

func (a *app) transfer(root string) error {
	entries, err := filepath.Glob(filepath.Join(root, "attack-dev", "*.truth.jsonl.gz"))
	if err != nil || len(entries) == 0 {
		return inputf("%s: no attack-dev/*.truth.jsonl.gz", root)
	}
	type set struct {
		name  string
		rows  []scored
		truth map[int64]traffic.Label
	}
	var sets []set
	var benign []float64
	threshold := 0.
	for _, truthPath := range entries {
		base := strings.TrimSuffix(truthPath, ".truth.jsonl.gz")
		truth, err := readTruth(truthPath)
		if err != nil {
			return err
		}
		rows, sum, err := a.scoreFile(base + ".jsonl.gz")
		if err != nil {
			return err
		}
		threshold = sum.Threshold
		for _, r := range rows {
			if truth[r.Line] == traffic.None {
				benign = append(benign, r.Probability)
			}
		}
		sets = append(sets, set{filepath.Base(base), rows, truth})
	}
	cuts := make([]float64, 0, 3)
	head := []string{"set", "class", ">requests", ">at the threshold", ">as its class"}
	for _, rate := range transferRates() {
		cuts = append(cuts, evaluate.BudgetThreshold(benign, rate).Threshold)
		head = append(head, fmt.Sprintf(">at FPR %g", rate))
	}
	var table1 [][]string
	for _, s := range sets {
		for _, l := range traffic.Labels() {
			n, flagged, named := 0, 0, 0
			above := make([]int, len(cuts))
			for _, r := range s.rows {
				if s.truth[r.Line] != l {
					continue
				}
				n++
				if r.Class != traffic.None.String() {
					flagged++
				}
				if r.Class == l.String() {
					named++
				}
				for i, c := range cuts {
					if r.Probability >= c {
						above[i]++
					}
				}
			}
			if n == 0 {
				continue
			}
			row := []string{s.name, l.String(), count(int64(n)), ratio(float64(flagged) / float64(n)), ratio(float64(named) / float64(n))}
			for _, k := range above {
				row = append(row, ratio(float64(k)/float64(n)))
			}
			table1 = append(table1, row)
		}
	}
	fmt.Fprintf(a.out, "share flagged: for benign rows (none) the false-positive rate, for attacks recall; threshold %.3f\n", threshold)
	if err := table(a.out, head, table1); err != nil {
		return err
	}
	scan := filepath.Join(root, "logs", "scan_w3af_combined")
	logs, err := filepath.Glob(filepath.Join(root, "logs", "*"))
	if err != nil {
		return err
	}
	var table2 [][]string
	for _, path := range logs {
		name := filepath.Base(path)
		if !slices.ContainsFunc([]string{"memasik", "zanbil", "sparkdeveloper", "sundog", "elastic", "scan_w3af"}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		_, sum, err := a.scoreFile(path)
		if err != nil {
			return err
		}
		kind := "unlabelled, mostly benign"
		if strings.HasPrefix(path, scan) {
			kind = "a scanner, all attack"
		}
		table2 = append(table2, []string{name, kind, count(sum.Requests), count(sum.Flagged), ratio(float64(sum.Flagged) / float64(max(1, sum.Requests))), byClass(sum.ByClass)})
	}
	fmt.Fprintln(a.out)
	return table(a.out, []string{"log", "what it is", ">requests", ">flagged", ">share", "as"}, table2)
}

func byClass(counts map[string]int64) string {
	var b bytes.Buffer
	for _, l := range traffic.Labels() {
		if n := counts[l.String()]; n > 0 && l != traffic.None {
			fmt.Fprintf(&b, "%s %s  ", l, count(n))
		}
	}
	return strings.TrimSpace(b.String())
}
