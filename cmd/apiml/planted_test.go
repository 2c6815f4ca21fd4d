package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlantedSecrets puts secrets wherever a log can hold one, records and
// rejects, and looks for them in every byte that apiml writes.
func TestPlantedSecrets(t *testing.T) {
	e := base64.RawURLEncoding
	jwt := e.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + e.EncodeToString([]byte(`{"sub":"planted-4711"}`)) + ".cGxhbnRlZFNpZw"
	pass, card, key, aws, url := "huntER2planted", "4111111111111111", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "AKIAIOSFODNN7PLANTED", "S3cr3tPlanted"
	secrets := []string{pass, card, key[4:], aws[4:], url, jwt, strings.Split(jwt, ".")[1], "cGxhbnRlZFNpZw"}
	when := "[05/Jan/2026:10:00:01 +0000]"
	files := map[string]string{
		"a.log": fmt.Sprintf(`192.0.2.1 - - %s "GET /login?user=a&password=%s HTTP/1.1" 200 5 "https://h/?token=%s" "curl/8 %s"
192.0.2.1 - - %s "GET /pay?n=%s&t=%s&k=%s HTTP/1.1" 200 5 "https://bob:%s@h/" "Mozilla/5.0 (an agent of some length) %s"
192.0.2.1 - %s %s "POST /x/%s HTTP/1.1" 200 5 "-" "curl/8" "%s"
garbage password=%s card %s %s %s https://x:%s@h/
{"password":"%s","broken
`, when, pass, pass, key, when, card, jwt, aws, url, key, jwt, when, jwt, aws, pass, card, jwt, key, url, pass),
		"b.jsonl": fmt.Sprintf(`{"time_iso8601":"2026-01-05T10:00:00+00:00","remote_addr":"192.0.2.9","request_method":"POST","request_uri":"/l?pw=%[1]s","status":200,"request_body":"{\"user\":{\"password\":\"%[1]s\"},\"card\":\"%[2]s\"}","http_authorization":"Bearer %[3]s","cookie":"sid=%[1]s"}
{"time_iso8601":"2026-01-05T10:00:00+00:00","request_uri":"/?\u0070assword=%[1]s","\u0070wd":"%[1]s","status":"x"}
`, pass, card, jwt),
		"c.csv": fmt.Sprintf(`timestamp,endpoint,method,ip_address,user_agent,response_time,status_code,payload_size,is_attack,attack_type,query,body,session_id
2024-01-15 10:30:45,/api/login,POST,192.0.2.1,x,0.2,200,5,0,None,token=%[1]s,"{""password"":""%[1]s""}",%[2]s
2024-01-15 10:30:45,/api/login,POST,192.0.2.1,x,0.2,oops,5,0,None,token=%[1]s,"{""password"":""%[1]s""}",%[2]s
`, pass, jwt),
	}
	dir := t.TempDir()
	var paths []string
	for _, name := range sortedKeys(files) {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(files[name]), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	out := func(name string) string { return filepath.Join(dir, "out."+name) }
	var said strings.Builder
	do := func(args ...string) {
		code, text := runApiml(t, nil, append([]string{"--db", out("duckdb"), "--models", out("models")}, args...)...)
		if code != 0 {
			t.Fatalf("%v: exit %d: %s", args, code, text)
		}
		said.WriteString(text)
	}
	do(append([]string{"ingest", "-v"}, paths...)...)
	do(append([]string{"score", "-o", out("jsonl"), "-o", out("csv")}, paths...)...)
	do("score")
	do("report", "-o", out("html"), "-o", out("json"))
	do("query", "SELECT * FROM rejects", "-o", out("rejects"))
	do("query", "SELECT * FROM requests", "-o", out("requests"))
	do("db", "info")
	texts := map[string][]byte{"what was said": []byte(said.String())}
	made, _ := filepath.Glob(filepath.Join(dir, "out.*"))
	for _, p := range made {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(p)] = b
	}
	if len(texts) < 7 {
		t.Errorf("only %d outputs: %v", len(texts), made)
	}
	for name, b := range texts {
		for _, s := range secrets {
			if i := bytes.Index(b, []byte(s)); i >= 0 {
				t.Errorf("%s holds %q: …%q", name, s, b[max(0, i-80):min(len(b), i+80)])
			}
		}
	}
	if !bytes.Contains(texts["out.jsonl"], []byte("password=xxxxxx0xxxxxxx")) {
		t.Error("the shape of the secret is lost")
	}
}
