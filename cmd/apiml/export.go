package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"apiml/internal/atomicfile"
	"apiml/model"
	"apiml/model/catalog"
)

// exportFormats are the formats that other programs read, each with what a
// model must offer to be written in it.
func exportFormats() map[string]func(m model.Model, name string) ([]byte, error, bool) {
	return map[string]func(m model.Model, name string) ([]byte, error, bool){
		"onnx": func(m model.Model, name string) ([]byte, error, bool) {
			e, ok := m.(interface {
				AppendONNX(dst []byte, name, version string) ([]byte, error)
			})
			if !ok {
				return nil, nil, false
			}
			b, err := e.AppendONNX(nil, name, toolVersion)
			return b, err, true
		},
		"xgboost": func(m model.Model, name string) ([]byte, error, bool) {
			e, ok := m.(interface {
				AppendXGBoost(dst []byte) ([]byte, error)
			})
			if !ok {
				return nil, nil, false
			}
			b, err := e.AppendXGBoost(nil)
			return b, err, true
		},
	}
}

func (a *app) exportCommand() *cobra.Command {
	var format, out string
	cmd := &cobra.Command{
		Use:   "export MODEL|FILE",
		Short: "Write a model for another runtime: ONNX, or XGBoost for boosted trees",
		Long: `Write a model for another runtime. ONNX files hold Random Forests (outputs "label" and
"probabilities"), Isolation Forests (output "output", the score) and boosted trees (output "output",
the expected latency, without its quantiles). XGBoost files (JSON, as XGBoost 1.7 and later read it)
hold boosted trees; where those add up ln(1 + y/unit), that is the output, and the attribute
"apiml_unit" says the unit in seconds. The input is one row of
features per request, in the order of ` + "`apiml models inspect`" + `. The files carry neither thresholds nor
the features' fitted state nor what ` + "`apiml score`" + ` joins to a forest (text model, signature rules): who
runs them computes the features. A model that the format cannot
hold is refused with exit code 5.`,
		Example: `  apiml models export --format onnx attack -o attack.onnx
  apiml models export --format xgboost latency -o latency.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.modelsExport(args[0], format, out) },
	}
	cmd.Flags().StringVar(&format, "format", "onnx", "format: "+strings.Join(exportNames(), ", "))
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write (required; - = standard output)")
	return cmd
}

func exportNames() []string { return sortedKeys(exportFormats()) }

func (a *app) modelsExport(what, format, out string) error {
	if !slices.Contains(exportNames(), format) {
		return usagef("--format %q is not one of %s", format, strings.Join(exportNames(), ", "))
	}
	if out == "" {
		return usagef("-o FILE is required (- = standard output)")
	}
	lm, err := a.findModel(what)
	if err != nil {
		return err
	}
	// The model of the file, without what this program adds to it when it scores.
	m, err := catalog.Decode(lm.file)
	if err != nil {
		return withCode(exitState, fmt.Errorf("%s: %w", lm.origin, err))
	}
	b, err, ok := exportFormats()[format](m, lm.spec.Name)
	if !ok {
		return withCode(exitFailed, fmt.Errorf("export %q: a %s (%s) has no form in %s", lm.spec.Name, lm.spec.Title, lm.spec.Algorithm, format))
	}
	if err != nil {
		return withCode(exitFailed, fmt.Errorf("export %q: %w", lm.spec.Name, err))
	}
	if _, classifies := m.(model.Classifier); classifies && lm.state != nil && lm.state.Text() != nil {
		a.sayf("%s", "note: score joins the text model and the signature rules to these probabilities; the export is the forest alone")
	}
	if u, ok := m.(interface{ Unit() float64 }); ok && format == "xgboost" && u.Unit() > 0 {
		a.sayf("note: the output is ln(1 + latency/%.6g s); latency = %.6g·(exp(output) − 1)", u.Unit(), u.Unit())
	}
	if q, ok := m.(quantiler); ok && len(q.QuantileLevels()) > 0 {
		a.sayf("%s", "note: the export holds the expected value, not the quantiles")
	}
	if out == "-" {
		_, err := a.out.Write(b)
		return err
	}
	return withCode(exitFailed, atomicfile.Write(out, 0o644, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}))
}
