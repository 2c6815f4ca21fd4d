package main

import (
	"strings"

	"github.com/spf13/cobra"

	"apiml/datasets"
	"apiml/generate"
	"apiml/ingest"
	"apiml/model/catalog"
	"apiml/report"
)

// completions tells the shells what may stand behind commands and flags; where
// nothing is said they offer files.
func completions(root *cobra.Command) {
	var models, formats, sets []string
	for _, s := range catalog.All() {
		models = append(models, s.Name)
	}
	for _, f := range ingest.Formats() {
		formats = append(formats, f.Name)
	}
	for _, s := range datasets.All() {
		sets = append(sets, s.Name)
	}
	words := func(list []string) cobra.CompletionFunc {
		return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
	}
	for path, list := range map[string][]string{
		"train": models, "evaluate": models, "tune": models, "models inspect": models, "models export": models, "datasets show": sets,
	} {
		at(root, path).ValidArgsFunction = words(list)
	}
	splits := []string{"group-time", "group", "time", "random"}
	for _, x := range []struct {
		path, flag string
		list       []string
	}{
		{"nightly", "period", []string{"day", "week"}},
		{"nightly", "compare", []string{"previous", "none"}},
		{"report", "section", report.SectionIDs()},
		{"ingest", "from", formats},
		{"score", "from", formats},
		{"score", "by", []string{"request", "incident", "principal", "target"}},
		{"generate", "profile", generate.Profiles()},
		{"generate", "preset", presetNames()},
		{"train", "cv-scheme", splits},
		{"tune", "cv-scheme", splits},
		{"forecast", "by", []string{"endpoint", "status", "principal"}},
	} {
		if err := at(root, x.path).RegisterFlagCompletionFunc(x.flag, words(x.list)); err != nil {
			panic("apiml: " + err.Error()) // no such flag, or twice: a defect that every call shows
		}
	}
}

// at is the command of a path like "models inspect".
func at(root *cobra.Command, path string) *cobra.Command {
	c, rest, err := root.Find(strings.Fields(path))
	if err != nil || len(rest) > 0 || c == root {
		panic("apiml: no command " + path)
	}
	return c
}
