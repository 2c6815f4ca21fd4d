package ingest

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apiml/datasets"
	"apiml/traffic"
)

// realFile returns the path of a real data file under APIML_DATASETS. Unset
// skips the test; set but missing fails it.
func realFile(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("APIML_DATASETS")
	if dir == "" {
		t.Skip("APIML_DATASETS is not set")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRealCoverage(t *testing.T) {
	for _, c := range []struct {
		file, format                     string
		read, parsed, rejected, filtered int64
		unknown                          string // instead: Open must fail and say this
	}{
		{"logs/memasik_api_nginx_combined_2018-04.log.gz", "combined", 797661, 797661, 0, 0, ""},
		{"logs/zanbil_shop_nginx_combined_2019-01-26.log.gz", "combined", 100000, 100000, 0, 0, ""},
		{"logs/sparkdeveloper_wordpress_apache_combined_2016.log.gz", "combined", 206860, 206860, 0, 0, ""},
		{"logs/sundog_apache_combined_2017.log.gz", "combined", 102972, 102972, 0, 0, ""},
		{"logs/elastic_apache_combined_2015.log.gz", "combined", 10000, 9999, 1, 0, ""},
		{"logs/hackers_basjes_combined_2015.log.gz", "combined", 3456, 3456, 0, 0, ""},
		{"logs/scan_w3af_combined.log.gz", "combined", 3996, 3996, 0, 0, ""},
		{"logs/nasa_clf_jul1995_first1000.log.gz", "common", 1000, 1000, 0, 0, ""},
		{"logs/haproxy_http_2014.log.gz", "haproxy", 15595, 15476, 119, 0, ""}, // 119 "Connect from …" of HAProxy itself
		{"logs/aws_elb_classic_api_2015.log.gz", "elb", 4999, 4999, 0, 0, ""},
		{"logs/nasa_10k_tsv_jul1995.tsv.gz", "table", 10000, 9999, 0, 1, ""},
		{"csic2010/normalTrafficTraining.txt.zst", "csic2010", 36000, 36000, 0, 0, ""},
		{"csic2010/normalTrafficTest.txt.zst", "csic2010", 36000, 36000, 0, 0, ""},
		{"csic2010/anomalousTrafficTest.txt.zst", "csic2010", 25065, 25065, 0, 0, ""},
		{"csic2010/csic_database.csv.zst", "csic2010", 61066, 61065, 0, 1, ""},
		{"cicids2017/cicids2017_mlcsv_union154k.csv.zst", "cicids2017", 154165, 154164, 0, 1, ""},
		{"cicids2017/cicids2017_westernoc2_union16k.csv.zst", "cicids2017", 16071, 16070, 0, 1, ""},
		{"cicids2017/trafficlabelling/Mondirkb_baseline_ddos.csv.zst", "cicids2017", 1001, 1000, 0, 1, ""},
		{"cicids2017/trafficlabelling/Mondirkb_baseline_portscan.csv.zst", "cicids2017", 1001, 1000, 0, 1, ""},
		{"cicids2017/trafficlabelling/Mondirkb_baseline_xss.csv.zst", "cicids2017", 653, 652, 0, 1, ""},
		{"cicids2017/trafficlabelling/Shreyas26X_Friday-DDos_first299.csv.zst", "cicids2017", 300, 299, 0, 1, ""},
		{"cicids2017/variants/Dicotomico23_cicids2017_sample_12001.csv.zst", "cicids2017", 12002, 12001, 0, 1, ""},
		{"cicids2017/variants/fisher85_web_attacks_balanced.csv.zst", "cicids2017", 7268, 7267, 0, 1, ""},
		{"cicids2017/variants/paris-svg_Friday-DDos_first9998_original-format.csv.zst", "cicids2017", 9999, 9998, 0, 1, ""},
		{"cicids2017/variants/rdube_th1.csv.zst", "cicids2017", 1007, 1006, 0, 1, ""},
		{"cicids2017/variants/victorclinton_data_10000.csv.zst", "cicids2017", 10001, 10000, 0, 1, ""},
		{"cicids2017/variants/k00000tek_cicids2017_cleaned_7class_sample.csv.zst", "cicids2017", 12001, 12000, 0, 1, ""},
		{"cicids2017/variants/rdube_heartbleed-cicids2017.csv.zst", "", 0, 0, 0, 0, "numbers its columns"},
		{"attack-dev/fwaf.jsonl.gz", "json", 44049, 44049, 0, 0, ""},
		{"attack-dev/grananqvist.jsonl.gz", "json", 77314, 77314, 0, 0, ""},
		{"attack-dev/w3af.jsonl.gz", "json", 788, 788, 0, 0, ""},
	} {
		path := realFile(t, c.file)
		r, err := Open(path, nil, Options{Name: c.file})
		if c.unknown != "" {
			if err == nil || !strings.Contains(err.Error(), c.unknown) {
				t.Errorf("%s: %v, want %q", c.file, err, c.unknown)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		cov, sample := drain(t, r)
		t.Logf("%-75s %-10s read %7d parsed %7d rejected %2d filtered %2d redacted %v", c.file, r.Format(), cov.Read, cov.Parsed, cov.Rejected, cov.Filtered, cov.Redacted)
		if r.Format() != c.format || cov.Read != c.read || cov.Parsed != c.parsed || cov.Rejected != c.rejected || cov.Filtered != c.filtered {
			t.Errorf("%s: %s %+v %v", c.file, r.Format(), cov, sample)
		}
	}
}

// drain reads to the end and keeps only counts and the first rejects.
func drain(t testing.TB, r *Reader) (Coverage, []traffic.Reject) {
	t.Helper()
	defer r.Close()
	var rejects []traffic.Reject
	for {
		b, err := r.Next()
		if err == io.EOF {
			return r.Coverage(), rejects
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(rejects) < 5 {
			rejects = append(rejects, b.Rejects...)
		}
	}
}

// TestRealLabels: the class counts of the data sets' descriptions, and the two
// forms of CSIC 2010 hold the same requests.
func TestRealLabels(t *testing.T) {
	classes := map[string]int{}
	r, err := Open(realFile(t, "cicids2017/cicids2017_mlcsv_union154k.csv.zst"), nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range readAll(t, r).flows {
		classes[f.Class]++
	}
	for class, n := range map[string]int{"BENIGN": 131911, "FTP-Patator": 7938, "SSH-Patator": 5897, "Bot": 1966, "Web Attack Brute Force": 1507,
		"Web Attack XSS": 652, "Web Attack Sql Injection": 21, "PortScan": 1673, "DDoS": 1515, "DoS Hulk": 985, "DoS GoldenEye": 51, "DoS Slowhttptest": 25, "DoS slowloris": 23} {
		if classes[class] != n {
			t.Errorf("%s: %d, want %d", class, classes[class], n)
		}
	}
	type key struct{ method, target, body string }
	count := map[key]int{}
	put := 0
	for _, name := range []string{"csic2010/normalTrafficTraining.txt.zst", "csic2010/anomalousTrafficTest.txt.zst"} {
		r, err := Open(realFile(t, name), nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range readAll(t, r).requests {
			count[key{q.Method, q.Target, q.Body}]++
			if q.Label == traffic.Unlabelled || !q.HasBody {
				t.Fatalf("%+v", q)
			}
			if q.Method == "PUT" {
				put++
			}
		}
	}
	if put != 397 {
		t.Errorf("%d PUT requests, want 397", put)
	}
	if r, err = Open(realFile(t, "csic2010/csic_database.csv.zst"), nil, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, q := range readAll(t, r).requests {
		count[key{q.Method, q.Target, q.Body}]--
	}
	for k, n := range count {
		if n != 0 {
			t.Fatalf("%+v: raw and CSV form differ by %d", k, n)
		}
	}
}

func TestRealFlowRates(t *testing.T) {
	src, err := openSource(realFile(t, "cicids2017/cicids2017_mlcsv_union154k.csv.zst"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	rows, failed, err := datasets.CheckFlowRates(src)
	if err != nil || rows < 140_000 || failed*100 > rows {
		t.Errorf("%d of %d rows fail: %v", failed, rows, err)
	}
}
