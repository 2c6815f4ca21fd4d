package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"apiml/internal/atomicfile"
	"apiml/model"
	"apiml/model/boost"
)

func (a *app) importCommand() *cobra.Command {
	var like, out string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make a model file of boosted trees that XGBoost fitted",
		Long: `Make a model file of an XGBoost model in JSON (save_model("model.json"), XGBoost 1.0 and later;
gbtree or dart, also with categorical columns). The features and their fitted state are those of the
model that --like names: the columns of both must be the same, in the same order; a file without
column names is taken at its word. A regression takes the place of the latency predictor (without
quantiles), a classification that of the attack classifier with as many classes. What the other
model was measured with is not taken over: run ` + "`apiml evaluate`" + `.`,
		Example: `  apiml models import latency.json --like latency -o models/latency_predictor.apiml`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return a.modelsImport(args[0], like, out) },
	}
	cmd.Flags().StringVar(&like, "like", "latency", "model or file whose features the trees were fitted on")
	cmd.Flags().StringVarP(&out, "output", "o", "", "model file to write (required)")
	return cmd
}

func (a *app) modelsImport(path, like, out string) error {
	if out == "" {
		return usagef("-o FILE is required")
	}
	lm, err := a.findModel(like)
	if err != nil {
		return err
	}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return inputf("%s: no such file", path)
	}
	if err != nil {
		return withCode(exitInput, err)
	}
	if st.Size() > model.MaxFile {
		return inputf("%s: %d bytes, at most %d are read", path, st.Size(), model.MaxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return withCode(exitInput, err)
	}
	h := lm.file.Header
	m, c, err := boost.ParseXGBoost(b, &h.Schema, h.Classes)
	if err != nil {
		return withCode(exitInput, fmt.Errorf("%s: %w", path, err))
	}
	var f model.File
	f.Header.Name, f.Header.Tool = h.Name, "apiml "+toolVersion
	f.Header.StateID = h.StateID
	f.Header.Data.Source = "imported from " + filepath.Base(path)
	f.Header.Warnings = []string{"imported: not measured by this program"}
	kind := ""
	switch {
	case m != nil && lm.spec.Role == model.RoleRegressor:
		kind, err = "regression", m.Encode(&f)
	case c != nil && lm.spec.Role == model.RoleClassifier:
		kind, err = "classification", c.Encode(&f)
	case m != nil:
		return inputf("%s: a regression cannot take the place of the %s", path, lm.spec.Title)
	default:
		return inputf("%s: a classification cannot take the place of the %s", path, lm.spec.Title)
	}
	if err != nil {
		return err
	}
	if lm.file.Has(arrayState) {
		state, err := lm.file.U8(arrayState)
		if err != nil {
			return withCode(exitState, fmt.Errorf("%s: %w", lm.origin, err))
		}
		f.PutU8(arrayState, state)
	}
	if err := atomicfile.Write(out, 0o600, f.Write); err != nil {
		return withCode(exitFailed, err)
	}
	a.sayf("%s: %s with the features of %s (%s), written to %s", path, kind, lm.spec.Name, lm.origin, out)
	return nil
}
