package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// checkLine checks the calls of apiml in a shell line and returns how many there are.
func checkLine(t *testing.T, name, line string) int {
	t.Helper()
	calls, err := commandsIn(line)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for _, args := range calls {
		if err := checkCall(args); err != nil {
			t.Errorf("%s: %q: %v", name, line, err)
		}
	}
	return len(calls)
}

// checkShell has bash read a script without running it.
func checkShell(t *testing.T, name, script string) {
	t.Helper()
	c := exec.Command("bash", "-n")
	c.Stdin = strings.NewReader(regexp.MustCompile(`\$\{\{[^}]*\}\}`).ReplaceAllString(script, "X"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s%s", name, err, out, script)
	}
}

// strictYAML decodes the documents of a file; a key that to does not know is an error.
func strictYAML(t *testing.T, name string, to ...any) {
	t.Helper()
	dec := yaml.NewDecoder(strings.NewReader(readRepo(t, name)))
	dec.KnownFields(true)
	for _, v := range to {
		if err := dec.Decode(v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if err := dec.Decode(&yaml.Node{}); err != io.EOF {
		t.Fatalf("%s: more documents than are checked (%v)", name, err)
	}
}

// workflow is examples/github-actions/nightly.yml.
type workflow struct {
	Name string
	On   struct {
		Schedule []struct{ Cron string }
		Dispatch any `yaml:"workflow_dispatch"`
	}
	Permissions map[string]string
	Concurrency string
	Jobs        map[string]struct {
		RunsOn  string `yaml:"runs-on"`
		Timeout int    `yaml:"timeout-minutes"`
		Steps   []struct {
			Name, ID, Uses, Run, If string
			Continue                bool `yaml:"continue-on-error"`
			With                    map[string]string
		}
	}
}

func TestExampleGitHub(t *testing.T) {
	const name = "examples/github-actions/nightly.yml"
	var w workflow
	strictYAML(t, name, &w)
	if len(w.On.Schedule) != 1 || len(strings.Fields(w.On.Schedule[0].Cron)) != 5 || w.Permissions["contents"] != "read" || w.Permissions["security-events"] != "write" {
		t.Errorf("%s: schedule %v, permissions %v", name, w.On.Schedule, w.Permissions)
	}
	n, uses := 0, map[string]map[string]string{}
	for job, j := range w.Jobs {
		if j.RunsOn == "" || j.Timeout == 0 {
			t.Errorf("%s: job %s has no runner or no timeout", name, job)
		}
		for _, s := range j.Steps {
			if (s.Run == "") == (s.Uses == "") {
				t.Errorf("%s: step %q: want one of run and uses", name, s.Name)
			}
			if action, version, ok := strings.Cut(s.Uses, "@"); ok && regexp.MustCompile(`^v\d+$`).MatchString(version) {
				uses[action] = s.With
			} else if s.Uses != "" {
				t.Errorf("%s: %q has no version", name, s.Uses)
			}
			checkShell(t, name, s.Run)
			for l := range strings.SplitSeq(s.Run, "\n") {
				n += checkLine(t, name, l)
			}
		}
	}
	if n != 1 || !slices.Contains(strings.Fields(uses["actions/upload-artifact"]["path"]), "reports") || uses["github/codeql-action/upload-sarif"]["sarif_file"] == "" {
		t.Errorf("%s: %d calls, actions %v", name, n, uses)
	}
	// The steps in between, as the runner would: its shell is bash -e -o pipefail.
	plainLogs(t)
	steps := map[string]string{}
	for _, s := range w.Jobs["report"].Steps {
		steps[s.Name] = s.Run
	}
	if err := runShell(t, steps["Nightly"]); exitOf(err) != exitGate {
		t.Errorf("Nightly: %v, want the gate's exit code", err)
	}
	if _, err := exec.LookPath("jq"); err != nil {
		t.Log("no jq on this machine: the summary is not run")
		return
	}
	if err := runShell(t, steps["Summary"], "GITHUB_STEP_SUMMARY=summary.out", "GITHUB_OUTPUT=output.out"); err != nil {
		t.Errorf("Summary: %v", err)
	}
	if b := readFile(t, "summary.out"); !bytes.HasPrefix(b, []byte("# ")) {
		t.Errorf("the job summary is no Markdown page: %.200s", b)
	}
	_, path, _ := strings.Cut(strings.TrimSpace(string(readFile(t, "output.out"))), "sarif=")
	if !bytes.Contains(readFile(t, path), []byte(`"version": "2.1.0"`)) {
		t.Errorf("%s is no SARIF file", path)
	}
}

// plainLogs makes a folder with two logs that carry no labels, and a configuration
// that keeps the models small, and goes there.
func plainLogs(t *testing.T) {
	t.Helper()
	t.Chdir(nightlyFolder(t, nil))
	mustRun(t, "generate", "-q", "--requests", "3000", "--attacks", "0.2", "--format", "combined", "-o", "access.log")
	mustRun(t, "generate", "-q", "--requests", "500", "--attacks", "0.2", "--seed", "2", "--start", "2026-03-01T00:00:00Z", "--format", "combined", "-o", "access.log.1")
	smallConfig(t, "apiml.yaml", "")
}

// smallConfig writes a configuration with small models.
func smallConfig(t *testing.T, path, text string) {
	t.Helper()
	models := "  cv: 0\n  params: {anomaly: {trees: 20}}\n"
	if strings.Contains(text, "\nmodels:\n") {
		text = strings.Replace(text, "\nmodels:\n", "\nmodels:\n"+models, 1)
	} else {
		text += "models:\n" + models
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func runShell(t *testing.T, script string, env ...string) error {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", "-e", "-o", "pipefail", "-c", script)
	c.Env = append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Logf("%s\n%s", script, out)
	}
	return err
}

func exitOf(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	return 0
}

func TestExampleGitLab(t *testing.T) {
	const name = "examples/gitlab-ci/gitlab-ci.yml"
	var pipeline map[string]struct {
		Image, Timeout string
		Group          string `yaml:"resource_group"`
		Rules          []struct{ If string }
		Cache          struct {
			Key, When string
			Paths     []string
		}
		Before  []string `yaml:"before_script"`
		Script  []string
		After   []string `yaml:"after_script"`
		Allowed struct {
			Codes int `yaml:"exit_codes"`
		} `yaml:"allow_failure"`
		Artifacts struct {
			When    string
			Expire  string `yaml:"expire_in"`
			Paths   []string
			Reports map[string]string
		}
	}
	strictYAML(t, name, &pipeline)
	job := pipeline["nightly"]
	if len(pipeline) != 1 || len(job.Script) != 1 || job.Allowed.Codes != exitGate || job.Artifacts.When != "always" || job.Group == "" || len(job.Cache.Paths) != 3 {
		t.Fatalf("%s: %+v", name, pipeline)
	}
	for _, l := range slices.Concat(job.Before, job.Script, job.After) {
		checkShell(t, name, l)
		checkLine(t, name, l)
	}
	plainLogs(t)
	if err := runShell(t, job.Script[0]); exitOf(err) != exitGate {
		t.Errorf("script: %v, want the gate's exit code", err)
	}
	if err := runShell(t, strings.Join(job.After, "\n")); err != nil {
		t.Error(err)
	}
	if b := readFile(t, job.Artifacts.Reports["metrics"]); !bytes.Contains(b, []byte("\napiml_requests 3000\n")) {
		t.Errorf("the metrics: %.300s", b)
	}
}

// TestExampleKubernetes holds that the manifests are what the API knows, as far as
// they use it, that the container may do nothing but write its claim, and that
// arguments and configuration are valid.
func TestExampleKubernetes(t *testing.T) {
	const name = "examples/kubernetes/cronjob.yaml"
	type meta struct {
		API  string `yaml:"apiVersion"`
		Kind string
		Meta struct{ Name string } `yaml:"metadata"`
	}
	var claim struct {
		meta `yaml:",inline"`
		Spec struct {
			AccessModes []string `yaml:"accessModes"`
			Resources   struct{ Requests map[string]string }
		}
	}
	var config struct {
		meta `yaml:",inline"`
		Data map[string]string
	}
	type volume struct {
		Name  string
		Claim *struct {
			Name     string `yaml:"claimName"`
			ReadOnly bool   `yaml:"readOnly"`
		} `yaml:"persistentVolumeClaim"`
		Config *struct{ Name string } `yaml:"configMap"`
		Empty  *struct{}              `yaml:"emptyDir"`
	}
	type container struct {
		Name, Image string
		Args        []string
		Dir         string `yaml:"workingDir"`
		Security    struct {
			Escalation *bool                   `yaml:"allowPrivilegeEscalation"`
			ReadOnly   bool                    `yaml:"readOnlyRootFilesystem"`
			Caps       struct{ Drop []string } `yaml:"capabilities"`
		} `yaml:"securityContext"`
		Resources struct{ Requests, Limits map[string]string }
		Mounts    []struct {
			Name     string
			Path     string `yaml:"mountPath"`
			ReadOnly bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	type podSpec struct {
		Restart  string `yaml:"restartPolicy"`
		Token    *bool  `yaml:"automountServiceAccountToken"`
		Links    *bool  `yaml:"enableServiceLinks"`
		Security struct {
			NonRoot bool                  `yaml:"runAsNonRoot"`
			User    int                   `yaml:"runAsUser"`
			Group   int                   `yaml:"runAsGroup"`
			FS      int                   `yaml:"fsGroup"`
			Seccomp struct{ Type string } `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		Containers []container
		Volumes    []volume
	}
	var cron struct {
		meta `yaml:",inline"`
		Spec struct {
			Schedule    string
			Zone        string `yaml:"timeZone"`
			Concurrency string `yaml:"concurrencyPolicy"`
			Deadline    int    `yaml:"startingDeadlineSeconds"`
			Done        int    `yaml:"successfulJobsHistoryLimit"`
			Failed      int    `yaml:"failedJobsHistoryLimit"`
			Job         struct {
				Spec struct {
					Deadline int `yaml:"activeDeadlineSeconds"`
					Backoff  int `yaml:"backoffLimit"`
					Policy   struct {
						Rules []struct {
							Action string
							Codes  struct {
								Container string `yaml:"containerName"`
								Operator  string
								Values    []int
							} `yaml:"onExitCodes"`
						}
					} `yaml:"podFailurePolicy"`
					Template struct {
						Meta struct{ Labels map[string]string } `yaml:"metadata"`
						Spec podSpec
					}
				}
			} `yaml:"jobTemplate"`
		}
	}
	var network struct {
		meta `yaml:",inline"`
		Spec struct {
			Pods struct {
				Labels map[string]string `yaml:"matchLabels"`
			} `yaml:"podSelector"`
			Types []string `yaml:"policyTypes"`
		}
	}
	strictYAML(t, name, &claim, &config, &cron, &network)
	for _, k := range [][3]string{{claim.API, claim.Kind, "v1 PersistentVolumeClaim"}, {config.API, config.Kind, "v1 ConfigMap"}, {cron.API, cron.Kind, "batch/v1 CronJob"}, {network.API, network.Kind, "networking.k8s.io/v1 NetworkPolicy"}} {
		if k[0]+" "+k[1] != k[2] {
			t.Errorf("%s %s, want %s", k[0], k[1], k[2])
		}
	}
	job := cron.Spec.Job.Spec
	pod := job.Template.Spec
	if cron.Spec.Concurrency != "Forbid" || len(strings.Fields(cron.Spec.Schedule)) != 5 || pod.Restart != "Never" || len(job.Policy.Rules) != 1 || len(pod.Containers) != 1 {
		t.Fatalf("%s: %+v", name, cron.Spec)
	}
	c := pod.Containers[0]
	if r := job.Policy.Rules[0]; r.Codes.Container != c.Name || !slices.Equal(r.Codes.Values, []int{exitGate, exitUsage, exitInput}) {
		t.Errorf("no retry for %+v", r)
	}
	if !pod.Security.NonRoot || pod.Security.User == 0 || pod.Token == nil || *pod.Token || c.Security.Escalation == nil || *c.Security.Escalation || !c.Security.ReadOnly || !slices.Equal(c.Security.Caps.Drop, []string{"ALL"}) {
		t.Errorf("the container may do too much: %+v, %+v", pod.Security, c.Security)
	}
	if len(network.Spec.Types) != 2 || network.Spec.Pods.Labels["app"] != job.Template.Meta.Labels["app"] {
		t.Errorf("the network policy is of other pods, or leaves something open: %+v", network.Spec)
	}
	volumes := map[string]volume{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v
	}
	for _, m := range c.Mounts {
		v, ok := volumes[m.Name]
		if !ok || v.Claim == nil && v.Config == nil && v.Empty == nil {
			t.Errorf("mount %s has no volume", m.Name)
		}
		if v.Config != nil && v.Config.Name != config.Meta.Name || m.Name == "data" && v.Claim.Name != claim.Meta.Name {
			t.Errorf("volume %s is of something that is not here", m.Name)
		}
	}
	if err := checkCall(c.Args); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "apiml.yaml")
	if err := os.WriteFile(file, []byte(config.Data["apiml.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "config", "show", "--config", file)
}

// TestExampleDocker reads the Dockerfile: known instructions, a build that this
// checkout has, and an image without root that holds what the program links to.
func TestExampleDocker(t *testing.T) {
	const name = "examples/docker/Dockerfile"
	last := map[string]string{} // of the last stage
	build, from := "", []string{}
	for l := range strings.Lines(readRepo(t, name)) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		word, rest, _ := strings.Cut(l, " ")
		switch word {
		case "FROM":
			from, last = append(from, rest), map[string]string{}
		case "RUN":
			checkShell(t, name, rest)
			if strings.HasPrefix(rest, "go build ") {
				build = rest
			}
		case "COPY", "USER", "WORKDIR", "ENTRYPOINT", "CMD":
		default:
			t.Errorf("%s: instruction %q", name, word)
		}
		last[word] = rest
	}
	if len(from) != 2 || !strings.HasPrefix(from[0], "golang:1.26") || last["RUN"] != "" {
		t.Errorf("%s: stages %v", name, from)
	}
	if uid, _, _ := strings.Cut(last["USER"], ":"); uid == "" || uid == "0" || uid == "root" {
		t.Errorf("%s: the user is %q", name, uid)
	}
	if !strings.HasPrefix(last["ENTRYPOINT"], "[") || !strings.HasPrefix(last["CMD"], "[") {
		t.Errorf("%s: ENTRYPOINT %s and CMD %s need a shell", name, last["ENTRYPOINT"], last["CMD"])
	}
	if checkLine(t, name, "apiml "+strings.Trim(last["CMD"], `[]"`)) != 1 || !strings.HasSuffix(strings.TrimSpace(strings.Split(build, "&&")[0]), " ./cmd/apiml") {
		t.Errorf("%s: CMD %s, build %q", name, last["CMD"], build)
	}
	if !strings.Contains(readRepo(t, name+".dockerignore"), "\n.git\n") {
		t.Errorf("%s.dockerignore lets .git in", name)
	}
	for _, m := range regexp.MustCompile(` apiml ((?:nightly|score) [^<\n]*)`).FindAllStringSubmatch(readRepo(t, "examples/docker/README.md"), -1) {
		checkLine(t, "examples/docker/README.md", "apiml "+m[1])
	}
	// distroless/cc holds these.
	if out, err := exec.Command("ldd", os.Args[0]).Output(); err == nil {
		for l := range strings.Lines(string(out)) {
			if lib := strings.Fields(l)[0]; !regexp.MustCompile(`^(linux-vdso|libstdc\+\+|libm|libgcc_s|libc|libdl|libpthread|librt|libresolv|/lib.*/ld-linux.*)\.so`).MatchString(lib) {
				t.Errorf("the program needs %s, which is not in the image", lib)
			}
		}
	}
}

// TestExampleMake runs the Makefile: all is made once, nothing twice, and a log
// that grew is read.
func TestExampleMake(t *testing.T) {
	makefile := repo(t, "examples/make/Makefile")
	for l := range strings.Lines(readRepo(t, "examples/make/Makefile")) {
		if strings.HasPrefix(l, "\t") {
			checkLine(t, "examples/make/Makefile", strings.TrimSpace(l))
		}
	}
	text := readRepo(t, "examples/make/README.md")
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("no make on this machine")
	}
	plainLogs(t)
	if err := os.Symlink(makefile, "Makefile"); err != nil {
		t.Fatal(err)
	}
	checkConsole(t, "examples/make/README.md", text, func(line string) string {
		c := exec.Command("bash", "-c", line)
		// These tests run below another make.
		c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=") }), "LC_ALL=C.UTF-8")
		out, _ := c.CombinedOutput()
		return string(out)
	})
	ahead := time.Now().Add(time.Hour)
	if err := os.Chtimes("access.log", ahead, ahead); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("make", "-n").Output(); err != nil || strings.Count(string(out), "apiml ") != 4 {
		t.Errorf("a newer log: %v\n%s", err, out)
	}
}

// TestExampleSchedules holds that the commands in crontab and unit exist with
// their flags, and that the unit takes away what it can.
func TestExampleSchedules(t *testing.T) {
	n := 0
	entry := regexp.MustCompile(`^(?:[-0-9*/,]+\s+){5}(.+)$`)
	for l := range strings.SplitSeq(readRepo(t, "examples/cron/apiml.crontab"), "\n") {
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		m := entry.FindStringSubmatch(l)
		if m == nil || strings.Contains(m[1], "%") { // cron makes a line break of %
			t.Errorf("examples/cron/apiml.crontab: %q is no entry", l)
			continue
		}
		n += checkLine(t, "examples/cron/apiml.crontab", m[1])
	}
	if n < 2 {
		t.Errorf("examples/cron/apiml.crontab: %d commands found", n)
	}
	service, timer := unitFile(t, "examples/systemd/apiml-nightly.service"), unitFile(t, "examples/systemd/apiml-nightly.timer")
	if checkLine(t, "apiml-nightly.service", strings.TrimPrefix(service["Service.ExecStart"], "/usr/local/bin/")) != 1 || service["Service.Type"] != "oneshot" || service["Service.PrivateNetwork"] != "yes" {
		t.Errorf("apiml-nightly.service: %v", service)
	}
	if !regexp.MustCompile(`^\*-\*-\* \d\d:\d\d:\d\d$`).MatchString(timer["Timer.OnCalendar"]) || timer["Install.WantedBy"] != "timers.target" {
		t.Errorf("apiml-nightly.timer: %v", timer)
	}
	for _, m := range regexp.MustCompile(`(?m)\bmake ([a-z-]+)`).FindAllStringSubmatch(readRepo(t, "README.md")+readRepo(t, "CONTRIBUTING.md")+readRepo(t, "examples/github-actions/nightly.yml"), -1) {
		if !strings.Contains(readRepo(t, "Makefile"), "\n"+m[1]+":") {
			t.Errorf("make %s is mentioned, but the Makefile has no such target", m[1])
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Log("no systemd-analyze on this machine")
		return
	}
	// The program is not installed where the unit looks for it.
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"apiml-nightly.service", "apiml-nightly.timer"} {
		text := strings.Replace(readRepo(t, "examples/systemd/"+u), "/usr/local/bin/apiml", exe, 1)
		if err := os.WriteFile(filepath.Join(dir, u), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(dir, "apiml-nightly.service"), filepath.Join(dir, "apiml-nightly.timer")).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// unitFile reads a systemd unit into Section.Key → value.
func unitFile(t *testing.T, name string) map[string]string {
	t.Helper()
	out := map[string]string{}
	section := ""
	for l := range strings.SplitSeq(readRepo(t, name), "\n") {
		key, value, pair := strings.Cut(l, "=")
		switch {
		case l == "" || strings.HasPrefix(l, "#"):
		case strings.HasPrefix(l, "[") && strings.HasSuffix(l, "]"):
			section = strings.Trim(l, "[]")
		case pair && section != "" && out[section+"."+key] == "":
			out[section+"."+key] = value
		default:
			t.Errorf("%s: %q is neither section nor key=value", name, l)
		}
	}
	return out
}

// TestExamplesPrint runs what the pages of the examples show, with
// examples/nightly.yaml as the configuration and logs of their own, and compares
// what is printed.
func TestExamplesPrint(t *testing.T) {
	config := strings.ReplaceAll(readRepo(t, "examples/nightly.yaml"), "/var/log/nginx/", "")
	pages := map[string]string{}
	for _, name := range []string{"cron", "systemd", "github-actions", "gitlab-ci", "kubernetes", "docker"} {
		pages[name] = readRepo(t, "examples/"+name+"/README.md")
	}
	for _, name := range sortedKeys(pages) {
		plainLogs(t)
		smallConfig(t, "given.yaml", config)
		place := strings.NewReplacer("/etc/apiml/apiml.yaml", "given.yaml", "/etc/apiml.yaml", "given.yaml", "--config apiml.yaml", "--config given.yaml", "/logs/", "")
		checkConsole(t, "examples/"+name+"/README.md", pages[name], func(line string) string {
			line = place.Replace(line)
			calls, err := commandsIn(line)
			if err != nil || len(calls) != 1 {
				t.Fatalf("%s: %q: %d calls, %v", name, line, len(calls), err)
			}
			_, stdout, stderr := execute(t.Context(), "", calls[0]...)
			if strings.Contains(line, " > ") {
				stdout = ""
			}
			return stderr + stdout
		})
	}
}

// checkConsole runs the lines "$ …" of a page's console blocks and holds that the
// lines behind each are printed, in this order; … stands for any lines. Numbers may
// differ, and so may blanks.
func checkConsole(t *testing.T, name, text string, do func(line string) string) {
	t.Helper()
	n, in := 0, false
	var out []string // what is left of what the last command printed
	for l := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(l, "```") {
			in = l == "```console"
			continue
		}
		if !in {
			continue
		}
		if cmd, ok := strings.CutPrefix(l, "$ "); ok {
			n++
			out = strings.Split(do(cmd), "\n")
			continue
		}
		if l == "…" || l == "" {
			continue
		}
		i := slices.IndexFunc(out, func(o string) bool { return shape(o) == shape(l) })
		if i < 0 {
			t.Errorf("%s shows %q, which is not printed:\n%s", name, l, strings.Join(out, "\n"))
			continue
		}
		out = out[i+1:]
	}
	if n == 0 {
		t.Errorf("%s shows no command", name)
	}
}

// shape is a line without what differs from run to run.
func shape(line string) string {
	line = regexp.MustCompile(`[-+]?[0-9]+([-,.:][0-9]+)*`).ReplaceAllString(line, "N")
	line = regexp.MustCompile(`\b(file|record|request|incident|column|row|step|day|byte)s?\b`).ReplaceAllString(line, "$1")
	line = regexp.MustCompile(`\bN ?(µs|ms|s|m)\b`).ReplaceAllString(line, "N s")
	line = regexp.MustCompile(`[─]+`).ReplaceAllString(line, "─")
	return strings.Join(strings.Fields(line), " ")
}

func TestShape(t *testing.T) {
	for _, c := range [][2]string{
		{"ingest: ok: 1 file of 1 with new records, 3,000 added (0.4 s)", "ingest: ok: 2 files of 12 with new record, 77 added (83.1 ms)"},
		{" a   1.5 % ", " a 12 %"},
		{"nightly 2026-03-03: ok", "nightly 2026-12-31: ok"},
	} {
		if shape(c[0]) != shape(c[1]) {
			t.Errorf("%q is not like %q", shape(c[0]), shape(c[1]))
		}
	}
	if shape("exit 1 (gates)") == shape("ok") || fmt.Sprint(shape("a b")) == shape("a c") {
		t.Error("all lines are alike")
	}
}
