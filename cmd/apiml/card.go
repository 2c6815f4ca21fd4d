package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"apiml/internal/atomicfile"
	"apiml/model"
	"apiml/train"
)

func (a *app) modelsCardCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "card [MODEL…]",
		Short: "The card of a model as Markdown: data, protocol, figures, thresholds, limits",
		Long: `Card prints what a reader has to know before he trusts a model (Mitchell et al. 2019,
"Model cards for model reporting"), all of it from the model's file.`,
		Example: `  apiml models card attack
  apiml models card --all-to cards`,
		RunE: func(_ *cobra.Command, args []string) error {
			specs, explicit, err := a.chooseModels(args, false)
			if err != nil {
				return err
			}
			n := 0
			for _, spec := range specs {
				lm, err := a.loadModel(spec, true)
				if err != nil {
					if explicit {
						return err
					}
					continue
				}
				if dir != "" {
					if err := a.writeCard(dir, lm); err != nil {
						return err
					}
				} else if err := writeCardTo(a.out, lm); err != nil {
					return err
				}
				n++
			}
			if n == 0 {
				return inputf("there is no model to write a card of")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "all-to", "", "write NAME.md for each into this folder")
	return cmd
}

// writeCard writes the card of a model into a folder.
func (a *app) writeCard(dir string, lm *loadedModel) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return withCode(exitFailed, err)
	}
	path := filepath.Join(dir, lm.spec.Name+".md")
	if err := atomicfile.Write(path, 0o600, func(w io.Writer) error { return writeCardTo(w, lm) }); err != nil {
		return withCode(exitFailed, err)
	}
	return nil
}

// md makes s safe in a Markdown table and as text: no markup, no cell ends.
func md(s string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;", "`", "'", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "\n", " ").Replace(clean(s))
}

// code makes s safe between backticks.
func code(s string) string { return strings.ReplaceAll(clean(s), "`", "'") }

// limits are what a model of a role cannot do, whatever its figures.
func limits(spec *model.Spec) []string {
	switch spec.Role {
	case model.RoleClassifier:
		out := []string{
			"It finds kinds of attacks that its training held; an attack of a new kind is found by chance only (`apiml evaluate --leave-out attack` measures it).",
			"Precision falls with the share of attacks: figures of a data set with many attacks do not carry over to traffic with few (`evaluate` prints precision at base rates).",
		}
		if spec.Input == "flows" {
			out = append(out, "The flows of CIC-IDS2017 come from one network of 2017; random splits of it are optimistic, and labels and flows have known errors (Engelen 2021, Liu 2022).")
		}
		return out
	case model.RoleDetector:
		return []string{"Odd is not hostile: partners, crawlers and new releases are odd as well.", "Attacks that look like everybody are not seen."}
	case model.RoleRegressor:
		return []string{"It knows what was known before the request was served; a slow dependency is not.", "Quantiles hold where traffic is as it was; `evaluate latency` shows their coverage on later rows."}
	case model.RoleForecaster:
		return []string{"It continues what it has seen; events without a precedent are not in the bands."}
	case model.RoleClusterer:
		return []string{"Clusters are a description, not a truth; principals with few requests are in none."}
	case model.RolePolicy:
		return []string{"Hits are replayed on the recorded trace; a cache that changes what clients ask for is not modelled."}
	}
	return nil
}

func writeCardTo(w io.Writer, lm *loadedModel) error {
	h := &lm.file.Header
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# %s (`%s`)\n", md(lm.spec.Title), lm.spec.Name)
	p("%s, %s. Kind `%s`, written by %s, seed %d, file %s, sha256 `%s`.\n", md(lm.spec.Algorithm), md(lm.spec.Paper), code(h.Kind), md(h.Tool), h.Seed, md(lm.origin), lm.file.SHA256())
	p("## Data\n")
	synth := ""
	if h.Data.Synthetic {
		synth = " **Generated traffic.**"
	}
	p("- Source: %s, %s rows fitted on.%s", md(h.Data.Source), count(int64(h.Data.Rows)), synth)
	if h.Data.First != 0 || h.Data.Last != 0 {
		p("- From %s to %s UTC.", when(h.Data.First), when(h.Data.Last))
	}
	if h.Data.Fingerprint != "" {
		p("- Fingerprint of the rows: `%s`.", code(h.Data.Fingerprint))
	}
	for _, in := range h.Data.Inputs {
		p("- Input %s, sha256 `%s`.", md(in.Name), code(in.SHA256))
	}
	p("- Set aside: %s.", md(h.HoldOut.Rule))
	if len(h.Classes) > 0 {
		var names []string
		for _, c := range h.Classes {
			names = append(names, md(c))
		}
		p("- Classes: %s.", strings.Join(names, ", "))
	}
	p("- Features: %d columns, schema `%s`.", len(h.Schema.Columns), h.SchemaID)
	stored, err := rawMetrics[storedMetrics](lm)
	if err != nil {
		return err
	}
	if stored != nil && (stored.CV != nil || stored.HeldOut != nil) {
		p("\n## Figures\n")
		r := stored.CV
		if r == nil {
			r = stored.HeldOut
		}
		p("Protocol: %s. Spread: standard deviation over folds, on rows set aside by a bootstrap over groups.\n", md(r.Protocol))
		p("| metric | pooled | mean ± sd | baseline (%s) | set aside |", md(r.BaselineName))
		p("|---|---|---|---|---|")
		for _, info := range metricsOf(r) {
			s, ok := r.Metrics[info.Name]
			if !ok {
				continue
			}
			base, held := "–", "–"
			if x, ok := r.Baseline[info.Name]; ok {
				base = ratio(x.Pooled)
			}
			if stored.HeldOut != nil {
				if x, ok := stored.HeldOut.Metrics[info.Name]; ok {
					held = fmt.Sprintf("%s ± %s", ratio(x.Pooled), ratio(x.SD))
				}
			}
			p("| %s | %s | %s ± %s | %s | %s |", md(info.Title), figureOf(info.Name, s.Pooled), figureOf(info.Name, s.Mean), figureOf(info.Name, s.SD), base, held)
		}
		if header, rows := perClassTable(r); rows != nil {
			for i, h := range header {
				header[i] = md(strings.TrimPrefix(h, ">"))
			}
			p("\n| %s |", strings.Join(header, " | "))
			p("|%s", strings.Repeat("---|", len(header)))
			for _, row := range rows {
				for i := range row {
					row[i] = md(row[i])
				}
				p("| %s |", strings.Join(row, " | "))
			}
		}
		var doubts []train.Finding
		for _, x := range []*train.Result{stored.CV, stored.HeldOut} {
			if x == nil {
				continue
			}
			for _, f := range x.Findings {
				if !slices.Contains(doubts, f) {
					doubts = append(doubts, f)
				}
			}
		}
		p("\n## Leakage audit\n")
		if len(doubts) == 0 {
			p("No finding.")
		}
		for _, f := range doubts {
			p("- **%s**: %s.", md(f.What), md(f.Detail))
		}
		for _, f := range r.Audit {
			p("- %s: %s.", md(f.What), md(f.Detail))
		}
	}
	if len(h.Thresholds) > 0 {
		p("\n## Thresholds\n")
		for _, name := range sortedKeys(h.Thresholds) {
			p("- %s: %g", md(name), h.Thresholds[name])
		}
	}
	p("\n## Known limits\n")
	for _, l := range limits(&lm.spec) {
		p("- %s", l)
	}
	for _, l := range h.Warnings {
		p("- %s.", md(strings.TrimSuffix(l, ".")))
	}
	var config map[string]any
	if json.Unmarshal(h.Config, &config) == nil && len(config) > 0 {
		p("\n## Parameters\n")
		for _, k := range sortedKeys(config) {
			v, err := json.Marshal(config[k])
			if err != nil {
				return err
			}
			p("- `%s`: %s", code(k), md(string(v)))
		}
	}
	_, err = io.WriteString(w, b.String()+"\n")
	return err
}
