package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"apiml/model"
	"apiml/store"
	"apiml/traffic"
)

// nightlyConfig keeps the models small.
const nightlyConfig = "models: {cv: 2, params: {anomaly: {trees: 20}, attack: {trees: 20}}}\nreport: {title: Shop}\n"

// nightlyFolder is a folder with a configuration and the files to read.
func nightlyFolder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "apiml.yaml"), []byte(nightlyConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// generated is a log with labels, so that the classifier is fitted too.
func generated(t *testing.T, args ...string) []byte {
	t.Helper()
	return []byte(mustRun(t, append([]string{"generate", "-q", "--format", "csv", "--attacks", "0.2", "--days", "1"}, args...)...))
}

// tree reads the reports and models below a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, top := range []string{"reports", "models"} {
		err := filepath.WalkDir(filepath.Join(dir, top), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(p)
			rel, _ := filepath.Rel(dir, p)
			out[filepath.ToSlash(rel)] = string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func sameTree(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if !slices.Equal(sortedKeys(got), sortedKeys(want)) {
		t.Errorf("%s: files %v, want %v", what, sortedKeys(got), sortedKeys(want))
	}
	for _, name := range sortedKeys(want) {
		if got[name] != want[name] {
			t.Errorf("%s: %s differs (%d and %d bytes)", what, name, len(got[name]), len(want[name]))
		}
	}
}

// apimlIn starts the program as a process of its own in a folder.
func apimlIn(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), "apiml", args...)
	c.Dir = dir
	return c
}

// TestNightlyResumes kills a run in the middle, once after each of some steps,
// and runs it again: reports and models are those of a run that went through.
func TestNightlyResumes(t *testing.T) {
	files := map[string][]byte{"a.csv": generated(t, "--requests", "1500"), "b.csv": generated(t, "--requests", "500", "--seed", "2", "--start", "2026-03-04T00:00:00Z")}
	whole := nightlyFolder(t, files)
	if out, err := apimlIn(t, whole, "nightly", "a.csv", "b.csv").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := tree(t, whole)
	if len(want) < 9 || want["models/attack_classifier.apiml"] == "" {
		t.Fatalf("files: %v", sortedKeys(want))
	}
	steps := []string{"ingest", "train"}
	if testing.Short() {
		steps = steps[:1]
	}
	for _, step := range steps {
		dir := nightlyFolder(t, files)
		c := apimlIn(t, dir, "nightly", "a.csv", "b.csv")
		stderr, err := c.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for sc := bufio.NewScanner(stderr); sc.Scan(); {
			if strings.HasPrefix(sc.Text(), step+": ok") {
				c.Process.Kill()
				break
			}
		}
		io.Copy(io.Discard, stderr)
		if err := c.Wait(); err == nil {
			t.Fatalf("the run was over before it could be killed after %s", step)
		}
		if _, err := os.Stat(filepath.Join(dir, "apiml.duckdb.nightly.lock")); err != nil {
			t.Errorf("killed after %s: no lock file is left, so this tests nothing: %v", step, err)
		}
		out, err := apimlIn(t, dir, "nightly", "a.csv", "b.csv").CombinedOutput()
		if err != nil {
			t.Fatalf("killed after %s: %v\n%s", step, err, out)
		}
		if !strings.Contains(string(out), "took over the lock of PID") {
			t.Errorf("killed after %s: nothing is said of the lock:\n%s", step, out)
		}
		sameTree(t, "killed after "+step, tree(t, dir), want)
	}
}

// TestNightlyDays gives three days one at a time. The second one overlaps the
// first in time: a late record belongs to the period in which it came in.
func TestNightlyDays(t *testing.T) {
	line := func(day, hour int, target string) string {
		return fmt.Sprintf("192.0.2.1 - - [%02d/Mar/2026:%02d:00:00 +0000] \"GET %s HTTP/1.1\" 200 512 \"-\" \"curl/8.5.0\"\n", day, hour, target)
	}
	days := []string{line(2, 1, "/a") + line(2, 23, "/b"), line(2, 22, "/late") + line(3, 12, "/c") + "no record\n", line(4, 9, "/d")}
	t.Chdir(nightlyFolder(t, nil))
	var args []string
	for i, day := range days {
		name := fmt.Sprintf("%d.log", i)
		if err := os.WriteFile(name, []byte(day), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
		var first map[string]string
		for again := range 1 + i%2 { // the second day twice
			var res nightlyResult
			if err := json.Unmarshal([]byte(mustRun(t, append([]string{"nightly", "-q", "--json"}, args...)...)), &res); err != nil {
				t.Fatal(err)
			}
			lines := int64(strings.Count(day, "curl"))
			added, files := lines, 1
			if again == 1 {
				added, files = 0, 0
			}
			f := res.Figures
			if res.Period != fmt.Sprintf("2026-03-%02d", 2+i) || res.Added != added || res.Files != files || f.Requests != lines {
				t.Errorf("day %d, run %d: period %s, %d records of %d files added, figures %+v", i, again, res.Period, res.Added, res.Files, *f)
			}
			if want := []float64{1, 2. / 3, 1}[i]; f.Coverage != want {
				t.Errorf("day %d: coverage %v, want %v", i, f.Coverage, want)
			}
			os.MkdirAll("models", 0o700)
			if got := tree(t, "."); again == 0 {
				first = got
			} else {
				sameTree(t, "the second run of a day", got, first)
			}
		}
	}
	// A store that was made anew: the old reports say nothing of it.
	if err := os.Remove("apiml.duckdb"); err != nil {
		t.Fatal(err)
	}
	var res nightlyResult
	if err := json.Unmarshal([]byte(mustRun(t, "nightly", "-q", "--json", "2.log")), &res); err != nil {
		t.Fatal(err)
	}
	if res.Figures.Requests != 1 || res.Figures.Total != 1 {
		t.Errorf("a new store: figures %+v", *res.Figures)
	}
}

// TestNightlyNights plays a week: a first fit, a night like the days before, one
// in which other clients call other endpoints, and one that deletes what is old.
// A second run of a night finds nothing to do and changes nothing.
func TestNightlyNights(t *testing.T) {
	t.Chdir(nightlyFolder(t, nil))
	config := strings.Replace(nightlyConfig, "{cv: 2,", "{cv: 0, retrain_interval: 1000h,", 1)
	if err := os.WriteFile("apiml.yaml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	days := map[string]string{}
	for line := range strings.SplitAfterSeq(mustRun(t, "generate", "-q", "--format", "combined", "--requests", "16000", "--attacks", "0.02", "--days", "8", "--seed", "2"), "\n") {
		_, rest, _ := strings.Cut(line, "[")
		day, _, _ := strings.Cut(rest, "/")
		days[day] += line
	}
	days["10"] = mustRun(t, "generate", "-q", "--format", "combined", "--profile", "mobile-api", "--requests", "2000", "--attacks", "0.02", "--days", "1", "--start", "2026-03-10T00:00:00Z", "--seed", "9")
	nights := []struct {
		what   string
		logs   []string
		args   []string
		fitted string // reason that the detector was fitted for, "" = it was not
		pruned bool
	}{
		{"the first night", []string{"02", "03", "04", "05"}, nil, "there is none yet", false},
		{"a night like those before", []string{"06"}, nil, "", false},
		{"other clients and endpoints", []string{"10"}, []string{"--if-drift=false"}, "", false},
		{"the same, with drift", nil, nil, "drift of ", false},
		{"old records", nil, []string{"--keep", "3d"}, "", true},
	}
	var files []string
	for i, night := range nights {
		for _, name := range night.logs {
			if len(days[name]) < 10_000 {
				t.Fatalf("day %s has %d bytes", name, len(days[name]))
			}
			if err := os.WriteFile(name+".log", []byte(days[name]), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, name+".log")
		}
		var first map[string]string
		for again := range 1 + (i+1)%2 { // the second and fourth nights once
			var res nightlyResult
			out := mustRun(t, append(append([]string{"nightly", "-q", "--json"}, night.args...), files...)...)
			if err := json.Unmarshal([]byte(out), &res); err != nil {
				t.Fatal(err)
			}
			want := night.fitted
			if again == 1 {
				want = ""
			}
			if why := res.Why["anomaly"]; !strings.HasPrefix(why, want) || (why == "") != (want == "") || (why != "") != slices.Contains(res.Fitted, "anomaly") {
				t.Errorf("%s, run %d: fitted %v because %v, want %q", night.what, again, res.Fitted, res.Why, want)
			}
			if got := res.Pruned != nil && res.Pruned.Requests > 0; got != (night.pruned && again == 0) {
				t.Errorf("%s, run %d: deleted %+v", night.what, again, res.Pruned)
			}
			if night.pruned && again == 0 && (res.Pruned.Scores != res.Pruned.Requests || res.Figures.Total+res.Pruned.Requests != int64(strings.Count(strings.Join([]string{days["02"], days["03"], days["04"], days["05"], days["06"], days["10"]}, ""), "\n"))) {
				t.Errorf("%s: deleted %+v, %d are left", night.what, *res.Pruned, res.Figures.Total)
			}
			if got := tree(t, "."); again == 0 {
				first = got
			} else {
				sameTree(t, night.what+", the second run", got, first)
			}
		}
		if p := string(readFile(t, "reports/index.html")); i == 4 && strings.Count(p, "report.html") != 3 {
			t.Errorf("index:\n%s", p)
		}
	}
	md := string(readFile(t, "reports/2026-03-10/summary.md"))
	if !strings.Contains(md, "the previous report (2026-03-02") {
		t.Errorf("nothing is compared with the period before:\n%s", md)
	}
	if j := string(readFile(t, "reports/2026-03-10/report.json")); !strings.Contains(j, "Records older than 3 days are deleted") {
		t.Error("the report does not say what is kept")
	}
	// The ledger knows each run and what it did.
	got := mustRun(t, "query", "SELECT count(*), sum(CASE WHEN counts LIKE '%fitted anomaly%' THEN 1 ELSE 0 END), sum(CASE WHEN counts LIKE '%\"pruned_requests\":%' THEN 1 ELSE 0 END) FROM runs WHERE command = 'nightly' AND status = 'ok'", "--format", "csv")
	if !strings.HasSuffix(strings.TrimSpace(got), "\n8,2,2") {
		t.Errorf("the ledger: %s", got)
	}
	// A report for nobody to compare with, and one with a file of the user's choice.
	mustRun(t, append([]string{"nightly", "-q", "--compare", "none", "-o", "alone"}, files...)...)
	if md := string(readFile(t, "alone/2026-03-10/summary.md")); strings.Contains(md, "the previous report") {
		t.Error("--compare none compares")
	}
	mustRun(t, append([]string{"nightly", "-q", "--compare", "reports/2026-03-06/report.json", "-o", "alone", "--period", "week"}, files...)...)
	if md := string(readFile(t, "alone/2026-W11/summary.md")); !strings.Contains(md, "the previous report (2026-03-02") {
		t.Error("--compare FILE does not compare")
	}
	// The newest record goes: its number was given out all the same, so that the
	// reports before are still known as of this store.
	mustRun(t, "db", "prune", "-q", "--principal", strings.TrimSpace(mustRun(t, "query", "SELECT principal FROM requests ORDER BY seq DESC LIMIT 1", "--format", "csv")[len("principal\n"):]))
	was := readFile(t, "reports/2026-03-10/period.json")
	mustRun(t, append([]string{"nightly", "-q"}, files...)...)
	var before, after period
	if json.Unmarshal(was, &before) != nil || json.Unmarshal(readFile(t, "reports/2026-03-10/period.json"), &after) != nil || before.After.Requests == 0 || before.After != after.After {
		t.Errorf("the period was %+v and is %+v", before, after)
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNightlySARIF: what is flagged in the period is what score writes of the
// same records, and a later period holds its own only.
func TestNightlySARIF(t *testing.T) {
	t.Chdir(nightlyFolder(t, map[string][]byte{"a.csv": generated(t, "--requests", "1500")}))
	mustRun(t, "nightly", "-q", "a.csv")
	mustRun(t, "score", "-q", "--db", "apiml.duckdb", "-o", "all.sarif")
	read := func(name string) []string {
		var log struct {
			Version string
			Runs    []struct{ Results []sarifResult }
		}
		if err := json.Unmarshal(readFile(t, name), &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		var out []string
		for _, r := range log.Runs[0].Results {
			r.Message.Text = "" // score knows where in the request
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(b))
		}
		slices.Sort(out)
		return out
	}
	got, want := read("reports/2026-03-02/flagged.sarif"), read("all.sarif")
	if len(want) < 50 || !slices.Equal(got, want) {
		t.Errorf("%d results, want %d: %v, %v", len(got), len(want), got[:min(1, len(got))], want[:min(1, len(want))])
	}
	line := `192.0.2.1 - - [05/Mar/2026:12:00:00 +0000] "GET /api/users HTTP/1.1" 200 512 "-" "curl/8.5.0"` + "\n"
	if err := os.WriteFile("b.log", []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "nightly", "-q", "--if-older", "1000h", "--if-drift=false", "b.log")
	if got := read("reports/2026-03-05/flagged.sarif"); len(got) > 1 {
		t.Errorf("%d results of a period of one request", len(got))
	}
}

// TestPruneKilled: a run that was killed between the deletion and the new file
// leaves a mark, and the next one writes the file anew although nothing is old.
func TestPruneKilled(t *testing.T) {
	t.Chdir(t.TempDir())
	line := `192.0.2.1 - - [0%d/Mar/2026:12:00:00 +0000] "GET %s HTTP/1.1" 200 512 "-" "curl/8.5.0"` + "\n"
	if err := os.WriteFile("t.log", []byte(strings.Repeat(fmt.Sprintf(line, 2, "/old-and-gone"), 50)+fmt.Sprintf(line, 4, "/new")), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "ingest", "-q", "t.log")
	st, err := store.Open(t.Context(), store.Options{Path: "apiml.duckdb"})
	if err != nil {
		t.Fatal(err)
	}
	info, err := st.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Prune(t.Context(), info.Last-int64(time.Hour/time.Microsecond), "", false); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readFile(t, "apiml.duckdb"), []byte("/old-and-gone")) {
		t.Fatal("the deletion alone took the bytes: this tests nothing")
	}
	if err := os.WriteFile("apiml.duckdb.prune", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := execute(t.Context(), "", "nightly", "-q", "t.log", "--keep", "1h"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if _, err := os.Stat("apiml.duckdb.prune"); err == nil || bytes.Contains(readFile(t, "apiml.duckdb"), []byte("/old-and-gone")) {
		t.Errorf("the file was not written anew (%v)", err)
	}
}

// TestNightlyLock holds that two runs cannot work at once, that the one that has
// to wait names the other, and that a file that a dead process left is no lock.
func TestNightlyLock(t *testing.T) {
	t.Chdir(t.TempDir())
	var stderr bytes.Buffer
	a := &app{streams: streams{nil, io.Discard, &stderr}, cfg: &config{DB: "apiml.duckdb"}}
	a.log = slog.New(slog.DiscardHandler)
	const path = "apiml.duckdb.nightly.lock"
	if err := os.WriteFile(path, []byte("999999\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := a.lockNightly()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stderr.String(), "took over the lock of PID 999999") {
		t.Errorf("said %q", stderr.String())
	}
	code, stdout, text := execute(t.Context(), "", "nightly", "x.log")
	if want := fmt.Sprintf("PID %d has locked", os.Getpid()); code != exitState || stdout != "" || !strings.Contains(text, want) {
		t.Errorf("locked: exit %d, %q, %q", code, stdout, text)
	}
	release()
	if _, err := os.Stat(path); err == nil {
		t.Error("the lock file is left")
	}
	if release, err = a.lockNightly(); err != nil {
		t.Fatal(err)
	}
	release()
}

// TestNightlyDue lists when a model is fitted anew.
func TestNightlyDue(t *testing.T) {
	const hour = int64(time.Hour / time.Microsecond)
	day := int64(1_772_400_000_000_000)
	for _, c := range []struct {
		what       string
		limit      time.Duration
		seen, last int64
		now        int64 // 0 = the newest record
		due        bool
	}{
		{"the same records", 24 * time.Hour, day, day, 0, false},
		{"the same records, long ago", 24 * time.Hour, day, day, day + 1000*hour, false},
		{"the same records, 0s", 0, day, day, 0, true},
		{"an hour more", 24 * time.Hour, day, day + hour, 0, false},
		{"an hour more, looked at a day later", 24 * time.Hour, day, day + hour, day + 24*hour, true},
		{"a day more", 24 * time.Hour, day, day + 24*hour, 0, true},
		{"a day whose last record came a little earlier", 24 * time.Hour, day, day + 23*hour, 0, true},
		{"less than that", 24 * time.Hour, day, day + 23*hour - 1, 0, false},
		{"a week", 168 * time.Hour, day, day + 24*hour, 0, false},
		{"fitted on later records", 24 * time.Hour, day + hour, day, 0, false},
		{"fitted on records without a time", 24 * time.Hour, 0, day, 0, true},
		{"all inputs, without a time", 24 * time.Hour, -1, day, 0, false},
		{"no times", 24 * time.Hour, 0, traffic.NoTime, 0, false},
	} {
		n := &nightlyRun{limit: c.limit, at: micros(max(c.last, c.now)), inputs: []store.Input{{Name: "a.log", SHA256: "1"}, {Name: "b.log", SHA256: "2"}}}
		data := model.Provenance{Last: c.seen, Inputs: []model.InputRef{{Name: "a.log", SHA256: "1"}}}
		if c.seen < 0 {
			data = model.Provenance{Inputs: []model.InputRef{{Name: "a.log", SHA256: "1"}, {Name: "b.log", SHA256: "2"}}}
		}
		if got := n.isDue(data, c.last); got != c.due {
			t.Errorf("%s: due %v, want %v", c.what, got, c.due)
		}
	}
}

// TestNightlyReplacesForeignModel gives score a model that was fitted on other
// features. If it is due the run puts it right, else it leaves with 4.
func TestNightlyReplacesForeignModel(t *testing.T) {
	t.Chdir(nightlyFolder(t, map[string][]byte{"a.csv": generated(t, "--requests", "1500")}))
	mustRun(t, "nightly", "-q", "a.csv")
	want := tree(t, ".")
	path := filepath.Join("models", "anomaly_detector.apiml")
	f, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Header.Schema.Columns[0].Name = "of_another_version"
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := execute(t.Context(), "", "nightly", "-q", "a.csv")
	if code != exitState || !strings.Contains(stdout, ": exit 4 (score") || !strings.Contains(stderr, "of_another_version") && !strings.Contains(stderr, "other features") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr = execute(t.Context(), "", "nightly", "-q", "--if-older", "0s", "--json", "a.csv")
	var res nightlyResult
	if err := json.Unmarshal([]byte(stdout), &res); err != nil || code != exitOK || len(res.Steps) != len(nightlySteps()) || res.Steps[2].Status != "replaced" {
		t.Errorf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	sameTree(t, "fitted anew", tree(t, "."), want)
}

// TestNightlyPeriods holds that only folders of nightly are listed and removed,
// the oldest first and never the period itself, and that a title cannot leave
// its place in the index.
func TestNightlyPeriods(t *testing.T) {
	dir := t.TempDir()
	put := func(name, file string, v any) {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, file), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for i := range 5 {
		now := at.AddDate(0, 0, i)
		put(periodName(now, "day"), periodFile, period{Schema: periodSchema, Name: periodName(now, "day"), Now: now, Figures: &figures{Requests: int64(i)}})
	}
	week := at.AddDate(0, 0, 3).Add(time.Hour) // of a time with another report.period
	put("2026-W10", periodFile, period{Schema: periodSchema, Name: "2026-W10", Now: week})
	put("2026-03-01", periodFile, period{Schema: "something/else", Name: "2026-03-01"})
	put("copy", periodFile, period{Schema: periodSchema, Name: "2026-03-02"})
	put("mine", "notes.json", "keep")
	names := func() (out []string) {
		all, err := readPeriods(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			out = append(out, p.Name)
		}
		return out
	}
	if got, want := fmt.Sprint(names()), "[2026-03-06 2026-W10 2026-03-05 2026-03-04 2026-03-03 2026-03-02]"; got != want {
		t.Errorf("periods %s, want %s", got, want)
	}
	removed, err := prunePeriods(dir, "2026-03-02", 3)
	if err != nil || fmt.Sprint(removed) != "[2026-03-03 2026-03-04]" {
		t.Errorf("removed %v, %v", removed, err)
	}
	for _, name := range []string{"2026-03-01", "copy", "mine", "2026-03-02", "2026-03-05"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
	index := filepath.Join(dir, "index.html")
	if err := writeIndex(index, `</title><script>alert(1)</script>`); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("<script")) || bytes.Contains(b, []byte("W10")) || bytes.Contains(b, []byte("://")) || !bytes.Contains(b, []byte(`href="2026-03-06/report.html"`)) {
		t.Errorf("index:\n%s", b)
	}
	newYear := time.Date(2027, 1, 1, 23, 0, 0, 0, time.UTC)
	if got := fmt.Sprint(periodName(newYear, "day"), " ", periodName(newYear, "week"), " ", periodName(time.Time{}, "week")); got != "2027-01-01 2026-W53 undated" {
		t.Errorf("names %s", got)
	}
}
