package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"apiml/datasets"
)

func (a *app) datasetsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "datasets",
		Short: "The public data sets that apiml knows: terms, defects, columns, checksums",
		Long:  "Datasets is a catalogue. It downloads nothing: get the files from their authors and check them here.",
		Example: `  apiml datasets list
  apiml datasets show cicids2017
  apiml datasets verify ~/MachineLearningCVE`,
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "The known data sets",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.datasetsList() },
	}, &cobra.Command{
		Use:   "show NAME",
		Short: "Citation, licence, known defects, columns, label map and files of a set",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return a.datasetsShow(args[0]) },
	}, &cobra.Command{
		Use:   "verify DIR",
		Short: "Compare downloaded files with the published checksums; name missing and altered ones",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return a.datasetsVerify(args[0]) },
	})
	return cmd
}

// datasetJSON is a set in `datasets list --json` and `datasets show --json`.
type datasetJSON struct {
	Name     string            `json:"name"`
	Title    string            `json:"title"`
	Citation string            `json:"citation"`
	Licence  string            `json:"licence"`
	URL      string            `json:"url"`
	Defects  []string          `json:"defects"`
	Columns  []string          `json:"columns"`
	Labels   map[string]string `json:"labels"`
	Files    []datasetFile     `json:"files"`
}

type datasetFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

func newDatasetJSON(s datasets.Set) datasetJSON {
	d := datasetJSON{Name: s.Name, Title: s.Title, Citation: s.Citation, Licence: s.Licence, URL: s.URL, Defects: s.Defects, Columns: s.Columns, Labels: map[string]string{}}
	for _, l := range s.Labels {
		d.Labels[l.Original] = l.Type
	}
	for _, f := range s.Files {
		d.Files = append(d.Files, datasetFile(f))
	}
	return d
}

func (a *app) datasetsList() error {
	if a.flags.json {
		var sets []datasetJSON
		for _, s := range datasets.All() {
			sets = append(sets, newDatasetJSON(s))
		}
		return a.printJSON(struct {
			jsonHead
			Datasets []datasetJSON `json:"datasets"`
		}{a.head("datasets"), sets})
	}
	var rows [][]string
	for _, s := range datasets.All() {
		rows = append(rows, []string{s.Name, s.Title, fmt.Sprint(len(s.Files)), fmt.Sprint(len(s.Columns)), cell(s.Licence, 60)})
	}
	return table(a.out, []string{"name", "title", ">files", ">columns", "licence"}, rows)
}

func (a *app) datasetsShow(name string) error {
	s, ok := datasets.Find(name)
	if !ok {
		var names []string
		for _, s := range datasets.All() {
			names = append(names, s.Name)
		}
		return usagef("no data set %q: known are %s", name, strings.Join(names, ", "))
	}
	if a.flags.json {
		return a.printJSON(struct {
			jsonHead
			datasetJSON
		}{a.head("dataset"), newDatasetJSON(s)})
	}
	w := a.out
	fmt.Fprintf(w, "%s: %s\n\nCitation  %s\nLicence   %s\nSource    %s\n\nKnown defects\n", s.Name, s.Title, s.Citation, s.Licence, s.URL)
	for _, d := range s.Defects {
		fmt.Fprintf(w, "  - %s\n", d)
	}
	var rows [][]string
	for _, l := range s.Labels {
		rows = append(rows, []string{l.Original, l.Type})
	}
	fmt.Fprintln(w)
	if err := table(w, []string{"label of the set", "attack type"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, f := range s.Files {
		size := "–"
		if f.Bytes > 0 {
			size = count(f.Bytes)
		}
		rows = append(rows, []string{f.Name, size, f.SHA256})
	}
	fmt.Fprintln(w)
	if err := table(w, []string{"file", ">bytes", "sha256"}, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nColumns (%d): %s\n", len(s.Columns), strings.Join(s.Columns, ", "))
	return err
}

func (a *app) datasetsVerify(dir string) error {
	rep, err := datasets.Verify(dir)
	if err != nil {
		return withCode(exitInput, err)
	}
	bad, found := 0, 0
	for _, f := range rep.Files {
		switch f.State {
		case "altered":
			bad++
			found++
		case "fine", "unchecked":
			found++
		}
	}
	if a.flags.json {
		type file struct {
			Set   string `json:"set"`
			Name  string `json:"name"`
			Path  string `json:"path,omitempty"`
			State string `json:"state"`
			Note  string `json:"note,omitempty"`
		}
		files := []file{}
		for _, f := range rep.Files {
			files = append(files, file(f))
		}
		if err := a.printJSON(struct {
			jsonHead
			Dir      string   `json:"dir"`
			Files    []file   `json:"files"`
			Warnings []string `json:"warnings"`
		}{a.head("datasets-verify"), dir, files, append([]string{}, rep.Warnings...)}); err != nil {
			return err
		}
	} else {
		var rows [][]string
		for _, f := range rep.Files {
			rows = append(rows, []string{f.Set, f.Name, f.State, f.Note})
		}
		if err := table(a.out, []string{"set", "file", "state", "note"}, rows); err != nil {
			return err
		}
		for _, w := range rep.Warnings {
			a.warnf("%s", w)
		}
	}
	switch {
	case bad > 0:
		return inputf("%d of %d published files are altered", bad, len(rep.Files))
	case found == 0 && len(rep.Warnings) == 0:
		return inputf("%s: holds none of the %d published files", dir, len(rep.Files))
	}
	return nil
}
