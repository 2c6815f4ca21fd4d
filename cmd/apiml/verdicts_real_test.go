package main

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"apiml/score"
)

// TestVerdicts scores public logs with the built-in models and the default
// threshold, and counts the incidents that somebody has judged to be false
// (testdata/verdicts.csv: log, line of a request, verdict, reason). A verdict is on
// what the client of that line does, and on what is done to the endpoint of that
// line where the class is one of many clients. An incident that nobody has judged
// counts as false and is named: look at it, and enter it. The verdicts were given while the generator and the limits were
// developed, so the figure says what these logs cost, not what others will.
func TestVerdicts(t *testing.T) {
	f, err := os.Open("testdata/verdicts.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	type judged struct{ class, verdict string }
	verdicts := map[string]map[int64]judged{}
	for _, r := range rows[1:] {
		line, err := strconv.ParseInt(r[1], 10, 64)
		if err != nil || r[3] != "true" && r[3] != "false" {
			t.Fatalf("verdict %q", r)
		}
		if verdicts[r[0]] == nil {
			verdicts[r[0]] = map[int64]judged{}
		}
		verdicts[r[0]][line] = judged{r[2], r[3]}
	}
	lines := map[string][]string{}
	logLine := func(t *testing.T, path string, n int64) string {
		if lines[path] == nil {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			z, err := gzip.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			lines[path] = strings.Split(string(b), "\n")
		}
		if n < 1 || int(n) > len(lines[path]) {
			return ""
		}
		return lines[path][n-1]
	}
	total, bad, right, unjudged := 0, 0, 0, 0
	for _, log := range []string{
		"memasik_api_nginx_combined_2018-04", "zanbil_shop_nginx_combined_2019-01-26", "sparkdeveloper_wordpress_apache_combined_2016",
		"sundog_apache_combined_2017", "elastic_apache_combined_2015",
	} {
		in, out := realData(t, "logs", log+".log.gz"), filepath.Join(t.TempDir(), "incidents.jsonl")
		var sum scoreSummary
		cli(t, &sum, "score", "-q", "--by", "incident", "-o", out, in)
		total += int(sum.Requests)
		f, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		byClient, byClass, byTarget := map[string]string{}, map[string]string{}, map[string]string{}
		for line, v := range verdicts[log] {
			fields := strings.Fields(logLine(t, in, line))
			if len(fields) < 7 {
				t.Fatalf("%s:%d is no line of the log", log, line)
			}
			byClient[fields[0]] = v.verdict
			byClass[fields[0]+" "+v.class] = v.verdict
			if v.class == "credential_stuffing" || v.class == "ddos" {
				path, _, _ := strings.Cut(fields[6], "?")
				byTarget["target:"+path] = v.verdict
			}
		}
		s := bufio.NewScanner(f)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			var in score.Incident
			if err := json.Unmarshal(s.Bytes(), &in); err != nil {
				t.Fatal(err)
			}
			verdict := byTarget[in.Principal]
			if verdict == "" {
				verdict = byClass[in.Address+" "+in.Class]
			}
			if verdict == "" {
				verdict = byClient[in.Address]
			}
			switch verdict {
			case "true":
				right++
			case "false":
				bad++
			default:
				unjudged++
				t.Logf("not judged: %s:%d: %s, %d requests by %s", log, in.Samples[0].Line, in.Class, in.Requests, in.Principal)
			}
		}
		f.Close()
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
	}
	perMillion := float64(bad+unjudged) / float64(total) * 1e6
	t.Logf("%d requests: %d incidents are attacks, %d false, %d not judged: %.1f false per million requests", total, right, bad, unjudged, perMillion)
	if perMillion > 40 || right < 80 {
		t.Errorf("%.1f false incidents per million requests, %d true ones", perMillion, right)
	}
}
