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
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"apiml/internal/atomicfile"
	"apiml/report"
)

// docsCommand writes what is generated from the commands. It is for the Makefile
// and for packagers: hidden.
func (a *app) docsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "docs",
		Short:   "Write the reference or the man pages",
		Hidden:  true,
		Example: "  apiml docs reference docs\n  apiml docs man share/man/man1",
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "reference DIR",
		Short: "Write the command and configuration reference (make docs)",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := referenceFiles()
			if err != nil {
				return err
			}
			return a.docs(args[0], files, commandDir+"/*.md")
		},
	}, &cobra.Command{
		Use:   "man DIR",
		Short: "Write a man page per command (make install)",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := manPages()
			if err != nil {
				return err
			}
			return a.docs(args[0], files, "apiml*.1")
		},
	})
	return cmd
}

// docs writes files below dir and removes others that match: those of commands
// that are gone.
func (a *app) docs(dir string, files map[string][]byte, match string) error {
	old, err := filepath.Glob(filepath.Join(dir, match))
	if err != nil {
		return err
	}
	for _, p := range old {
		if _, keep := files[path.Join(path.Dir(match), filepath.Base(p))]; !keep {
			if err := os.Remove(p); err != nil {
				return withCode(exitFailed, err)
			}
		}
	}
	for _, name := range sortedKeys(files) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return withCode(exitFailed, err)
		}
		err := atomicfile.Write(path, 0o644, func(w io.Writer) error {
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

// eachCommand calls do for each command that is not hidden. It builds a command
// tree of its own: cobra adds commands to a tree that has run, which would make
// the pages depend on how they are made.
func eachCommand(do func(c *cobra.Command) error) error {
	root := (&app{streams: streams{nil, io.Discard, io.Discard}}).rootCommand()
	root.DisableAutoGenTag = true
	var visit func(c *cobra.Command) error
	visit = func(c *cobra.Command) error {
		if c != root && (!c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand()) {
			return nil
		}
		c.DisableAutoGenTag = true
		if err := do(c); err != nil {
			return err
		}
		for _, sub := range c.Commands() {
			if err := visit(sub); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(root)
}

// manPages renders a page of section 1 per command, by file name. They carry no
// date, so that equal programs have equal pages.
func manPages() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := eachCommand(func(c *cobra.Command) error {
		c.Long = verbatim(c.Long)
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		var b bytes.Buffer
		day := time.Unix(0, 0).UTC()
		if err := doc.GenMan(c, &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Source: "apiml " + toolVersion, Manual: "apiml", Date: &day}, &b); err != nil {
			return fmt.Errorf("docs: %s: %w", c.CommandPath(), err)
		}
		files[name+".1"] = bytes.Replace(b.Bytes(), []byte(`"Jan 1970"`), []byte(`""`), 1)
		return nil
	})
	return files, err
}

// verbatim puts indented lines, the tables of a help text, into blocks of code:
// Markdown would run them together.
func verbatim(text string) string {
	var out []string
	in := false
	for line := range strings.SplitSeq(text+"\n", "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != in {
			in = indented
			if in && len(out) > 0 && out[len(out)-1] != "" {
				out = append(out, "")
			}
			out = append(out, "```")
			if !in && line != "" {
				out = append(out, "")
			}
		}
		out = append(out, line)
	}
	return strings.TrimSuffix(strings.Join(out, "\n"), "\n")
}

// referenceFiles renders everything that is generated below docs/, by slashed
// relative path.
func referenceFiles() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := eachCommand(func(c *cobra.Command) error {
		c.Long = verbatim(c.Long)
		var b bytes.Buffer
		if err := doc.GenMarkdownCustom(c, &b, func(name string) string { return name }); err != nil {
			return fmt.Errorf("docs: %s: %w", c.CommandPath(), err)
		}
		files[path.Join(commandDir, strings.ReplaceAll(c.CommandPath(), " ", "_")+".md")] = b.Bytes()
		return nil
	})
	if err != nil {
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
