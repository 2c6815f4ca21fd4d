package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"apiml/model/catalog"
)

// execute runs the program in process, as a shell would in the working folder.
func execute(ctx context.Context, stdin string, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(ctx, args, streams{strings.NewReader(stdin), &out, &err}, func(string) (string, bool) { return "", false })
	return code, out.String(), err.String()
}

// mustRun fails the test unless the command leaves with exit code 0.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := execute(t.Context(), "", args...)
	if code != 0 {
		t.Fatalf("apiml %s: exit %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// repo is the absolute path of a file of the repository.
func repo(t *testing.T, name string) string {
	t.Helper()
	p, err := filepath.Abs(filepath.Join("../..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func readRepo(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(repo(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shellWords splits a line as a shell does, as far as the documents need it:
// blanks, quotes, comments, and the operators | && > < ; ( ) as words of their own.
func shellWords(line string) ([]string, error) {
	var words []string
	var b strings.Builder
	in := false
	end := func() {
		if in {
			words = append(words, b.String())
			b.Reset()
			in = false
		}
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t':
			end()
		case '#':
			if !in {
				return words, nil
			}
			b.WriteByte(c)
		case '\'', '"':
			n := strings.IndexByte(line[i+1:], c)
			if n < 0 {
				return nil, fmt.Errorf("unbalanced %c in %q", c, line)
			}
			in = true
			b.WriteString(line[i+1 : i+1+n])
			i += n + 1
		case '|', '&', '>', '<', ';', '(', ')':
			end()
			op := string(c)
			for i+1 < len(line) && line[i+1] == c {
				op += string(c)
				i++
			}
			words = append(words, op)
		default:
			in = true
			b.WriteByte(c)
		}
	}
	end()
	return words, nil
}

// commandsIn returns the arguments of every call of apiml in a shell line: the
// words behind "apiml", up to the next operator.
func commandsIn(line string) ([][]string, error) {
	words, err := shellWords(line)
	if err != nil {
		return nil, err
	}
	var calls [][]string
	first, begun := true, false
	for i := 0; i < len(words); i++ {
		switch w := words[i]; {
		case w == ">" || w == ">>" || w == "<":
			i++ // the file behind it
		case strings.Trim(w, "|&;()") == "":
			first, begun = true, false
		case first:
			first = false
			if w == "apiml" {
				calls, begun = append(calls, []string{}), true
			}
		case begun:
			calls[len(calls)-1] = append(calls[len(calls)-1], w)
		}
	}
	return calls, nil
}

// checkCall reports whether the program has the command and its flags, and
// whether the arguments are as many as it takes. Nothing is run.
func checkCall(args []string) error {
	root := (&app{}).rootCommand()
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		if err == pflag.ErrHelp {
			return nil
		}
		return err
	}
	if !cmd.Runnable() {
		return fmt.Errorf("%s needs a command", cmd.CommandPath())
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// fences returns the lines of the ```sh blocks of a Markdown text.
func fences(text string) []string {
	var lines []string
	in := false
	for l := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasPrefix(l, "```"):
			in = l == "```sh"
		case in:
			lines = append(lines, l)
		}
	}
	return lines
}

// TestReadmeCommands runs what README.md and two pages of docs/ show, in order and
// in one folder: the lines of their ```sh blocks that begin with apiml ("# exits N"
// at the end says that it leaves with N), and those of ```console blocks behind $,
// whose output is compared.
func TestReadmeCommands(t *testing.T) {
	names := []string{"README.md", "docs/formats.md", "docs/generate.md"}
	pages := map[string]string{}
	for _, name := range names {
		pages[name] = readRepo(t, name)
	}
	t.Chdir(t.TempDir())
	mustRun(t, "generate", "-q", "--requests", "3000", "--attacks", "0.2", "--seed", "5", "-o", "access.log")
	mustRun(t, "generate", "-q", "--requests", "3000", "--attacks", "0.2", "--seed", "6", "-o", "traffic.csv")
	exits := regexp.MustCompile(`#\s*exits (\d+)\s*$`)
	call := func(name, line string) (code int, stdout, stderr string) {
		calls, err := commandsIn(line)
		if err != nil || len(calls) != 1 {
			t.Fatalf("%s: %q: %d commands, %v", name, line, len(calls), err)
		}
		return execute(t.Context(), "", calls[0]...)
	}
	n := 0
	for _, name := range names {
		if strings.Contains(pages[name], "```console\n") {
			checkConsole(t, name, pages[name], func(line string) string {
				code, stdout, stderr := call(name, line)
				if code != 0 {
					t.Errorf("%s: %s: exit %d\n%s", name, line, code, stderr)
				}
				return stderr + stdout
			})
		}
		for _, line := range fences(pages[name]) {
			if !strings.HasPrefix(line, "apiml ") {
				continue
			}
			want := 0
			if m := exits.FindStringSubmatch(line); m != nil {
				want, _ = strconv.Atoi(m[1])
			}
			n++
			code, stdout, stderr := call(name, line)
			if code != want {
				t.Errorf("%s: %s: exit %d, want %d\n%s", name, line, code, want, stderr)
			}
			if code == 0 && stdout == "" && stderr == "" {
				t.Errorf("%s: %s: says nothing", name, line)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d lines run", n)
	}
	for _, name := range []string{"report.html", "apiml.duckdb", "models/anomaly_detector.apiml", "labelled/attack_classifier.apiml"} {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("the quick start did not make %s", name)
		}
	}
}

// TestReadmeLinks holds that the files to which the documents point are there,
// and that the README's snippet of apiml.yaml is valid.
func TestReadmeLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	var docs []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/commands/*.md", "examples/*.md", "examples/*/*.md", "model/*.md"} {
		pages, err := filepath.Glob(repo(t, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			rel, err := filepath.Rel(repo(t, "."), p)
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, filepath.ToSlash(rel))
		}
	}
	for _, name := range docs {
		for _, m := range link.FindAllStringSubmatch(readRepo(t, name), -1) {
			if _, err := os.Stat(repo(t, path.Join(path.Dir(name), m[1]))); err != nil {
				t.Errorf("%s: link to %s: no such file", name, m[1])
			}
		}
	}
	_, rest, ok := strings.Cut(readRepo(t, "README.md"), "```yaml\n")
	snippet, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("README.md has no ```yaml block")
	}
	file := filepath.Join(t.TempDir(), "apiml.yaml")
	if err := os.WriteFile(file, []byte(snippet), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "config", "show", "--config", file)
	_, rest, _ = strings.Cut(readRepo(t, "docs/formats.md"), "```json\n")
	snippet, _, _ = strings.Cut(rest, "```")
	var result map[string]any
	if err := json.Unmarshal([]byte(snippet), &result); err != nil {
		t.Errorf("docs/formats.md: the JSON example: %v", err)
	}
	for _, f := range []string{"file", "line", "time", "principal", "method", "target", "status", "class", "probability", "anomaly", "rules", "reasons", "incident"} {
		if _, ok := result[f]; !ok {
			t.Errorf("docs/formats.md: the JSON example lacks %q", f)
		}
	}
}

// TestReadmeTables compares the README's tables with the program: all commands
// and all formats are there.
func TestReadmeTables(t *testing.T) {
	text := readRepo(t, "README.md")
	for _, c := range (&app{}).rootCommand().Commands() {
		if c.IsAvailableCommand() && !strings.Contains(text, "`"+c.Name()) {
			t.Errorf("README.md does not mention the command %s", c.Name())
		}
	}
	out := mustRun(t, "ingest", "--help")
	_, rest, _ := strings.Cut(out, "Formats:\n")
	list, _, _ := strings.Cut(rest, "\n\n")
	formats := readRepo(t, "docs/formats.md")
	for l := range strings.SplitSeq(list, "\n") {
		if name := strings.Fields(l); len(name) > 0 && !strings.Contains(formats, "`"+name[0]+"`") {
			t.Errorf("docs/formats.md does not mention the format %s", name[0])
		}
	}
	for _, s := range settings() { // names of an old .env
		if s.origin != "" && !strings.Contains(readRepo(t, "docs/configuration.md"), "`"+s.origin+"`") {
			t.Errorf("docs/configuration.md does not say where %s goes", s.origin)
		}
	}
	for _, m := range regexp.MustCompile(`src="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		st, err := os.Stat(repo(t, m[1]))
		if err != nil || st.Size() > 150_000 {
			t.Errorf("README.md: the picture %s is missing or large (%v): make screenshot", m[1], err)
		}
	}
}

// TestFormatsPage compares docs/formats.md with the store: tables and columns.
func TestFormatsPage(t *testing.T) {
	text := readRepo(t, "docs/formats.md")
	t.Chdir(t.TempDir())
	mustRun(t, "generate", "-q", "--requests", "2000", "-o", "t.csv")
	mustRun(t, "ingest", "-q", "t.csv")
	rows := map[string]string{}
	for l := range strings.Lines(text) {
		if cells := strings.Split(l, " | "); len(cells) == 3 {
			rows[strings.Trim(cells[0], "|` ")] = cells[2]
		}
	}
	out := mustRun(t, "query", "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND table_name NOT IN ('apiml_schema', 'request_rows') AND (table_name <> 'flows' OR column_index <= 6) ORDER BY ALL", "--format", "csv")
	n := 0
	for l := range strings.Lines(out) {
		name, column, _ := strings.Cut(strings.TrimSpace(l), ",")
		if name == "table_name" {
			continue
		}
		n++
		if !strings.Contains(rows[name], "`"+column+"`") {
			t.Errorf("docs/formats.md: column %s of table %s is missing", column, name)
		}
	}
	for name, columns := range rows {
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(columns, -1) {
			if strings.Contains(out, "\n"+name+",") && m[1] != "flow_bytes_s" && !strings.Contains(out, "\n"+name+","+m[1]+"\n") {
				t.Errorf("docs/formats.md: table %s has no column %s", name, m[1])
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d columns", n)
	}
}

// TestModelsPage holds that docs/models.md knows every model.
func TestModelsPage(t *testing.T) {
	text := readRepo(t, "docs/models.md")
	for _, s := range catalog.All() {
		if !strings.Contains(text, "`"+s.Name+"`") {
			t.Errorf("docs/models.md does not mention %s", s.Name)
		}
	}
}

// TestHelpExamples holds that the examples of every command's help are calls
// that the program accepts.
func TestHelpExamples(t *testing.T) {
	n := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for line := range strings.SplitSeq(c.Example, "\n") {
			calls, err := commandsIn(strings.TrimSpace(line))
			if err != nil {
				t.Errorf("%s: %v", c.CommandPath(), err)
			}
			for _, args := range calls {
				n++
				if err := checkCall(args); err != nil {
					t.Errorf("%s: example %q: %v", c.CommandPath(), strings.TrimSpace(line), err)
				}
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	root := (&app{}).rootCommand()
	walk(root)
	if n < 20 {
		t.Errorf("only %d examples found", n)
	}
	if checkCall([]string{"score", "--nosuch"}) == nil || checkCall([]string{"nosuch"}) == nil || checkCall([]string{"config", "show", "x"}) == nil {
		t.Error("the check finds no unknown flag, command or argument")
	}
}

// TestReference holds that docs/ is what the program would write now.
func TestReference(t *testing.T) {
	want, err := referenceFiles()
	if err != nil {
		t.Fatal(err)
	}
	root := repo(t, "docs")
	have := map[string]bool{}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		have[name] = true
		if _, ok := want[name]; !ok && strings.HasPrefix(name, commandDir+"/") {
			t.Errorf("docs/%s is of a command that is gone: make docs", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sortedKeys(want) {
		if !have[name] {
			t.Errorf("docs/%s is missing: make docs", name)
		} else if readRepo(t, "docs/"+name) != string(want[name]) {
			t.Errorf("docs/%s is stale: make docs", name)
		}
	}
	var schema map[string]any
	if err := json.Unmarshal([]byte(readRepo(t, "docs/config.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(configSchema())
	if err != nil {
		t.Fatal(err)
	}
	have2, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, have2) {
		t.Error("docs/config.schema.json is not configSchema(): make docs")
	}
}

// TestDocsCommand holds that the command writes the files and clears away what
// is stale, and that man shows the pages.
func TestDocsCommand(t *testing.T) {
	dir := t.TempDir()
	for _, stale := range []string{"docs/" + commandDir + "/apiml_gone.md", "man1/apiml-gone.1", "man1/other.1"} {
		stale = filepath.Join(dir, stale)
		if err := os.MkdirAll(filepath.Dir(stale), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(stale, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(t, "docs", "-q", "reference", filepath.Join(dir, "docs"))
	mustRun(t, "docs", "-q", "man", filepath.Join(dir, "man1"))
	for _, gone := range []string{"docs/" + commandDir + "/apiml_gone.md", "man1/apiml-gone.1"} {
		if _, err := os.Stat(filepath.Join(dir, gone)); err == nil {
			t.Errorf("the page of a command that is gone is still there: %s", gone)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "man1/other.1")); err != nil {
		t.Error("a page of another program is gone")
	}
	want, err := referenceFiles()
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		b, err := os.ReadFile(filepath.Join(dir, "docs", filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(b, want[name]) {
			t.Errorf("%s: not what was rendered (%v)", name, err)
		}
	}
	pages, err := manPages()
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 30 || pages["apiml.1"] == nil || pages["apiml-db-prune.1"] == nil || pages["apiml-docs.1"] != nil {
		t.Errorf("pages %v", sortedKeys(pages))
	}
	for _, name := range sortedKeys(pages) {
		text := string(pages[name])
		for _, section := range []string{".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS"} {
			if !strings.Contains(text, section) {
				t.Errorf("%s lacks %s", name, section)
			}
		}
		for l := range strings.SplitSeq(text, "\n") {
			if strings.Contains(l, "```") || strings.Contains(l, "1970") {
				t.Errorf("%s: %q", name, l)
			}
		}
	}
	if _, err := exec.LookPath("man"); err != nil {
		t.Log("no man on this machine")
		return
	}
	for _, name := range []string{"apiml.1", "apiml-nightly.1", "apiml-db-prune.1"} {
		c := exec.Command("man", "--warnings=w", "-l", filepath.Join(dir, "man1", name))
		c.Env = append(os.Environ(), "MANPAGER=cat", "MANWIDTH=100", "LC_ALL=C.UTF-8", "MAN_KEEP_FORMATTING=")
		var stderr bytes.Buffer
		c.Stderr = &stderr
		out, err := c.Output()
		if err != nil || !bytes.Contains(out, []byte("apiml")) || stderr.Len() > 0 {
			t.Errorf("man %s: %v\n%s%s", name, err, stderr.String(), out)
		}
	}
}

// TestNotices holds that the notices are those of the modules that are linked in,
// and that make notices would write them so.
func TestNotices(t *testing.T) {
	out := mustRun(t, "version", "--licenses")
	if out != readRepo(t, "cmd/apiml/THIRD_PARTY_NOTICES.txt") {
		t.Error("version --licenses prints something else than cmd/apiml/THIRD_PARTY_NOTICES.txt")
	}
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", "./cmd/apiml")
	list.Dir = repo(t, ".")
	b, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]bool{}
	for l := range strings.Lines(string(b)) {
		if l = strings.TrimSpace(l); l != "" {
			modules[l] = true
		}
	}
	if len(modules) < 20 {
		t.Errorf("only %d modules", len(modules))
	}
	for _, m := range sortedKeys(modules) {
		if !strings.Contains(out, "\n"+m+": ") {
			t.Errorf("no notice of %s: make notices", m)
		}
	}
	for _, name := range []string{"Apache ECharts, in the report: echarts-LICENSE", "Apache ECharts, in the report: echarts-NOTICE", "the Go runtime and standard library: LICENSE", "Zstandard", "jemalloc"} {
		if !strings.Contains(out, name) {
			t.Errorf("no notice of %s", name)
		}
	}
	c := exec.Command("bash", repo(t, "docs/notices.sh"))
	want, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != out {
		t.Error("cmd/apiml/THIRD_PARTY_NOTICES.txt is stale: make notices")
	}
}

// TestCompletion: the shells get their scripts, bash can read its own, and model
// names complete.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		out := mustRun(t, "completion", shell)
		if !strings.Contains(out, "apiml") {
			t.Errorf("completion %s: %q", shell, out)
		}
		if shell != "bash" {
			continue
		}
		c := exec.Command("bash", "-n")
		c.Stdin = strings.NewReader(out)
		if b, err := c.CombinedOutput(); err != nil {
			t.Errorf("bash -n: %v\n%s", err, b)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"night", "nightly"},
		{"train be", "behavior"},
		{"evaluate at", "attack"},
		{"tune lat", "latency"},
		{"nightly --period w", "week"},
		{"report --section sec", "security"},
		{"ingest --from caddy", "caddy"},
	} {
		args := strings.Fields(c.args)
		out := mustRun(t, append([]string{"__complete"}, args...)...)
		if !slices.ContainsFunc(strings.Split(out, "\n"), func(l string) bool { word, _, _ := strings.Cut(l, "\t"); return word == c.want }) {
			t.Errorf("apiml %s<TAB>: %q, want %s", c.args, out, c.want)
		}
	}
}

// TestExampleConfig loads examples/apiml.yaml: it names every key with its
// default, and the parameters of the models are accepted.
func TestExampleConfig(t *testing.T) {
	file := repo(t, "examples/apiml.yaml")
	none := func(string) (string, bool) { return "", false }
	c, err := loadConfig(file, nil, none)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings() {
		if c.origin[s.key] == "default" {
			t.Errorf("examples/apiml.yaml lacks %s", s.key)
		}
		if c.text[s.key] != s.def {
			t.Errorf("examples/apiml.yaml: %s is %q, the default is %q", s.key, c.text[s.key], s.def)
		}
	}
	a := &app{cfg: c}
	specs, _, err := a.chooseModels([]string{"attack", "anomaly"}, false)
	if err != nil {
		t.Fatal(err)
	}
	params, err := a.trainParams("", specs)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		def, err := json.Marshal(s.Default())
		if err != nil {
			t.Fatal(err)
		}
		var have, defaults map[string]any
		if json.Unmarshal(params[s.Name], &have) != nil || json.Unmarshal(def, &defaults) != nil || len(have) == 0 {
			t.Fatalf("parameters of %s: %s, %s", s.Name, params[s.Name], def)
		}
		for k, v := range have {
			if fmt.Sprint(v) != fmt.Sprint(defaults[k]) {
				t.Errorf("examples/apiml.yaml: models.params.%s.%s is %v, the default is %v", s.Name, k, v, defaults[k])
			}
		}
	}
}

// TestExampleSQL runs examples/sql on a small store with requests, rejects and
// scores, so that each query has something to find. The SQL in the examples of
// the help runs there too.
func TestExampleSQL(t *testing.T) {
	queries, err := filepath.Glob(repo(t, "examples/sql/*.sql"))
	if err != nil || len(queries) < 5 {
		t.Fatalf("examples/sql: %d queries, %v", len(queries), err)
	}
	t.Chdir(t.TempDir())
	mustRun(t, "generate", "-q", "--requests", "2000", "--attacks", "0.2", "-o", "traffic.csv")
	b, err := os.ReadFile("traffic.csv")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("traffic.csv", append(b, "not a record\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "ingest", "-q", "traffic.csv")
	mustRun(t, "train", "-q", "attack", "--cv", "2", "--audit-random=false")
	mustRun(t, "score", "-q", "--db", "apiml.duckdb", "--threshold", "0.3")
	for _, q := range queries {
		sql, err := os.ReadFile(q)
		if err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := execute(t.Context(), string(sql), "query", "-", "--format", "csv")
		if code != 0 {
			t.Errorf("%s: exit %d: %s", filepath.Base(q), code, stderr)
		} else if strings.Count(stdout, "\n") < 2 {
			t.Errorf("%s finds nothing in the sample:\n%s", filepath.Base(q), stdout)
		}
	}
	for _, c := range (&app{}).rootCommand().Commands() {
		for line := range strings.SplitSeq(c.Example, "\n") {
			calls, err := commandsIn(line)
			if err != nil {
				t.Error(err)
			}
			for _, args := range calls {
				if args[0] != "query" {
					continue
				}
				if code, _, stderr := execute(t.Context(), "", args...); code != 0 {
					t.Errorf("%s --help: example %q: exit %d: %s", c.CommandPath(), strings.TrimSpace(line), code, stderr)
				}
			}
		}
	}
}
