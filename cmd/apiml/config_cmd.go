package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the effective configuration and where each value comes from",
		Example: `  apiml config show
  apiml config schema > apiml.schema.json`,
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "show",
		Short: "Every key with its value and origin (flag, APIML_*, file:line, default)",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.configShow() },
	}, &cobra.Command{
		Use:   "schema",
		Short: "The JSON Schema of apiml.yaml",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.printJSON(configSchema()) },
	})
	return cmd
}

func (a *app) configShow() error {
	type row struct {
		Key    string `json:"key"`
		Value  string `json:"value"`
		Origin string `json:"origin"`
	}
	var rows []row
	for _, s := range settings() {
		rows = append(rows, row{s.key, a.cfg.text[s.key], a.cfg.origin[s.key]})
	}
	var models []string
	for m := range a.cfg.Params {
		models = append(models, m)
	}
	slices.Sort(models)
	for _, m := range models {
		p, err := a.cfg.params(m)
		if err != nil {
			return err
		}
		rows = append(rows, row{"models.params." + m, string(p), a.cfg.origin["models.params"]})
	}
	if a.flags.json {
		return a.printJSON(struct {
			jsonHead
			File string `json:"file"`
			Keys []row  `json:"keys"`
		}{a.head("config"), a.cfg.file, rows})
	}
	out := make([][]string, len(rows))
	for i, r := range rows {
		out[i] = []string{r.Key, r.Value, r.Origin}
	}
	if a.cfg.file == "" {
		a.sayf("no configuration file; apiml.yaml in this folder would be read")
	}
	if err := table(a.out, []string{"key", "value", "origin"}, out); err != nil {
		return fmt.Errorf("config show: %w", err)
	}
	return nil
}
