package datasets

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCatalogue(t *testing.T) {
	names := map[string]bool{}
	for _, s := range All() {
		if s.Name == "" || s.Title == "" || s.Citation == "" || s.Licence == "" || !strings.HasPrefix(s.URL, "https://") ||
			len(s.Defects) == 0 || len(s.Columns) == 0 || len(s.Labels) == 0 || len(s.Files) == 0 || names[s.Name] {
			t.Errorf("incomplete or double: %q", s.Name)
		}
		names[s.Name] = true
		keys := map[string]bool{}
		for _, l := range s.Labels {
			if keys[labelKey(l.Original)] {
				t.Errorf("%s: label %q is ambiguous", s.Name, l.Original)
			}
			keys[labelKey(l.Original)] = true
		}
		for _, f := range s.Files {
			if (f.SHA256 == "") != (f.Bytes == 0) || f.SHA256 != "" && len(f.SHA256) != 64 {
				t.Errorf("%s: %+v", s.Name, f)
			}
		}
		if got, ok := Find(s.Name); !ok || got.Title != s.Title {
			t.Errorf("Find(%q): %v", s.Name, ok)
		}
	}
	if _, ok := Find("kdd99"); ok {
		t.Error("found what is not there")
	}
}

func TestLabel(t *testing.T) {
	set, _ := Find("cicids2017")
	for in, want := range map[string]LabelMap{
		"BENIGN":                      {"BENIGN", "none"},
		"Benign ":                     {"BENIGN", "none"},
		"Web Attack \u2013 XSS":       {"Web Attack XSS", "xss"},
		"Web Attack \x96 XSS":         {"Web Attack XSS", "xss"},
		"Web Attack \ufffd XSS":       {"Web Attack XSS", "xss"},
		"Web Attack \u00c2\u0096 XSS": {"Web Attack XSS", "xss"},
		"Web Attack - Sql Injection":  {"Web Attack Sql Injection", "sql_injection"},
		"Web Attack Brute Force":      {"Web Attack Brute Force", "credential_stuffing"},
		"FTP-Patator":                 {"FTP-Patator", "credential_stuffing"},
		"DoS Slowhttptest":            {"DoS Slowhttptest", "ddos"},
		"DDoS":                        {"DDoS", "ddos"},
		"PortScan":                    {"PortScan", "other_attack"},
		"Heartbleed":                  {"Heartbleed", "other_attack"},
		"BruteForce":                  {"Brute Force", "credential_stuffing"},
		"WebAttack":                   {"Web Attack", "other_attack"},
		"Normal Traffic":              {"Normal Traffic", "none"},
	} {
		if got, ok := set.Label(in); !ok || got != want {
			t.Errorf("%q: %v %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "7", "Teapot", "\u2013"} {
		if got, ok := set.Label(in); ok {
			t.Errorf("%q is %v", in, got)
		}
	}
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	real, err := os.ReadFile("testdata/cicids2017_ml.csv")
	if err != nil {
		t.Fatal(err)
	}
	// A fake: the rates of genuine rows, shuffled away from their durations.
	fake := "Flow Duration,Total Fwd Packets,Total Backward Packets,Flow Packets/s,Label\n" + strings.Repeat("1000,1,1,2000,BENIGN\n", 90) + strings.Repeat("1000,1,1,17,DDoS\n", 10)
	put("csic/csic_database.csv", ",Method\nNormal,GET\n")
	put("csic/normalTrafficTest.txt", "GET / HTTP/1.1\n\n")
	put("cic/Monday-WorkingHours.pcap_ISCX.csv", string(real))
	put("cic/fake.csv", fake)
	put("empty.csv", "")
	rep, err := Verify(dir)
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]FileStatus{}
	for _, f := range rep.Files {
		states[f.Name] = f
	}
	if f := states["csic_database.csv"]; f.State != "altered" || !strings.Contains(f.Note, "published 29539583") || f.Set != "csic2010" {
		t.Errorf("%+v", f)
	}
	if f := states["Monday-WorkingHours.pcap_ISCX.csv"]; f.State != "altered" || f.Path == "" {
		t.Errorf("%+v", f)
	}
	if f := states["normalTrafficTest.txt"]; f.State != "unchecked" {
		t.Errorf("%+v", f)
	}
	if f := states["Tuesday-WorkingHours.pcap_ISCX.csv"]; f.State != "missing" || f.Path != "" {
		t.Errorf("%+v", f)
	}
	if len(rep.Files) != 12 || len(rep.Warnings) != 1 || !strings.Contains(rep.Warnings[0], "fake.csv") || !strings.Contains(rep.Warnings[0], "10 of 100 rows") {
		t.Errorf("%d files, warnings %q", len(rep.Files), rep.Warnings)
	}
	if _, err := Verify(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
	// The fine state, and a changed byte of the same length.
	sum := sha256.Sum256([]byte(fake))
	f := File{"fake.csv", int64(len(fake)), hex.EncodeToString(sum[:])}
	if st := status("x", f, filepath.Join(dir, "cic/fake.csv")); st.State != "fine" || st.Note != "" {
		t.Errorf("%+v", st)
	}
	put("cic/fake.csv", strings.Replace(fake, "17", "18", 1))
	if st := status("x", f, filepath.Join(dir, "cic/fake.csv")); st.State != "altered" || !strings.Contains(st.Note, "sha256") {
		t.Errorf("%+v", st)
	}
}

func TestCheckFlowRates(t *testing.T) {
	for _, c := range []struct {
		text         string
		rows, failed int64
		err          error
	}{
		{"\ufeff Flow Duration, Total Fwd Packets, Total Backward Packets,Flow Packets/s\r\n4,2,0,500000\r\n0,1,1,Infinity\r\n-3,1,1,7\r\n\r\n4,2,0,NaN\r\n", 2, 1, nil},
		{"a,b\n1,2\n", 0, 0, errNotFlows},
		{"", 0, 0, errNotFlows},
	} {
		rows, failed, err := CheckFlowRates(strings.NewReader(c.text))
		if rows != c.rows || failed != c.failed || err != c.err {
			t.Errorf("%q: %d %d %v", c.text, rows, failed, err)
		}
	}
}
