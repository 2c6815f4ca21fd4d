package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"apiml/internal/atomicfile"
	"apiml/report"
)

// docsCommand writes the generated part of docs/. It is for the Makefile:
// hidden.
func (a *app) docsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "docs DIR",
		Short:   "Write the command and configuration reference (make docs)",
		Hidden:  true,
		Example: "  apiml docs docs",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return a.docs(args[0]) },
	}
}

// docs writes the reference and removes pages of commands that are gone.
func (a *app) docs(dir string) error {
	files, err := referenceFiles()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, commandDir), 0o755); err != nil {
		return withCode(exitFailed, err)
	}
	old, err := filepath.Glob(filepath.Join(dir, commandDir, "*.md"))
	if err != nil {
		return err
	}
	for _, p := range old {
		if _, keep := files[path.Join(commandDir, filepath.Base(p))]; !keep {
			if err := os.Remove(p); err != nil {
				return withCode(exitFailed, err)
			}
		}
	}
	for _, name := range sortedKeys(files) {
		err := atomicfile.Write(filepath.Join(dir, filepath.FromSlash(name)), 0o644, func(w io.Writer) error {
			_, err := w.Write(files[name])
			return err
		})
		if err != nil {
			return withCode(exitFailed, err)
		}
	}
	a.sayf("wrote %d files to %s", len(files), dir)
	return nil
}

// commandDir holds one page per command.
const commandDir = "commands"

// referenceFiles renders everything that is generated below docs/, by slashed
// relative path. It builds a command tree of its own: cobra adds commands to a
// tree that has run, which would make the pages depend on how they are made.
func referenceFiles() (map[string][]byte, error) {
	files := map[string][]byte{}
	root := (&app{streams: streams{nil, io.Discard, io.Discard}}).rootCommand()
	root.DisableAutoGenTag = true
	var page func(c *cobra.Command) error
	page = func(c *cobra.Command) error {
		if c != root && (!c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand()) {
			return nil
		}
		c.DisableAutoGenTag = true
		var b bytes.Buffer
		if err := doc.GenMarkdownCustom(c, &b, func(name string) string { return name }); err != nil {
			return fmt.Errorf("docs: %s: %w", c.CommandPath(), err)
		}
		files[path.Join(commandDir, strings.ReplaceAll(c.CommandPath(), " ", "_")+".md")] = b.Bytes()
		for _, sub := range c.Commands() {
			if err := page(sub); err != nil {
				return err
			}
		}
		return nil
	}
	if err := page(root); err != nil {
		return nil, err
	}
	schema, err := json.MarshalIndent(configSchema(), "", "  ")
	if err != nil {
		return nil, err
	}
	files["config.schema.json"] = append(schema, '\n')
	if schema, err = json.MarshalIndent(report.JSONSchema(), "", "  "); err != nil {
		return nil, err
	}
	files["report.schema.json"] = append(schema, '\n')
	files["configuration.md"] = configReference()
	return files, nil
}

// configReference renders settings() as Markdown.
func configReference() []byte {
	var b bytes.Buffer
	b.WriteString(`# Configuration

Every key of ` + "`apiml.yaml`" + `, in the order of the program's own table. A value is taken
from the first of these that has one: command-line flag, environment variable,
configuration file, default. ` + "`apiml config show`" + ` prints the effective values and where
each comes from; [config.schema.json](config.schema.json) is the JSON Schema.

The file is ` + "`--config FILE`" + `, else ` + "`APIML_CONFIG`" + `, else ` + "`apiml.yaml`" + ` in the working
folder if it is there. An unknown key is an error that names its line.

| key | type | default | environment | meaning |
|---|---|---|---|---|
`)
	cell := strings.NewReplacer("|", `\|`, "<", "&lt;")
	for _, s := range settings() {
		def := "empty"
		if s.def != "" {
			def = "`" + s.def + "`"
		}
		env := "`" + envName(s.key) + "`"
		if s.origin != "" && envName(s.origin) != envName(s.key) {
			env += " or `" + envName(s.origin) + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.key, s.kind, def, env, cell.Replace(s.doc))
	}
	b.WriteString("| `models.params` | object | empty | – | parameters per model: `MODEL: {name: value}`; `apiml models inspect MODEL` names them |\n")
	b.WriteString(`
If both names of a key are set in the environment, the one made of the key
(` + "`" + envName("models.dir") + "`" + `) wins.

## Names from a .env file

These names are accepted at the top level of ` + "`apiml.yaml`" + ` too, so that the values of an
existing ` + "`.env`" + ` can be carried over. In the environment they need the prefix
` + "`APIML_`" + `: a bare ` + "`DATABASE_URL`" + ` that belongs to another program is never read.

| name | key |
|---|---|
`)
	names := map[string]string{}
	for _, s := range settings() {
		if s.origin != "" {
			names[s.origin] = s.key
		}
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", n, names[n])
	}
	return b.Bytes()
}
