package report

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// browser runs headless Chromium on a page; what it prints is returned. It
// skips the test where there is no Chromium.
func browser(t *testing.T, page []byte, flags ...string) string {
	t.Helper()
	exe := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			exe = p
			break
		}
	}
	if exe == "" {
		t.Skip("no chromium, chromium-browser or google-chrome in PATH: the page was not opened in a browser")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "report.html")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--no-first-run", "--hide-scrollbars", "--user-data-dir=" + filepath.Join(dir, "profile"), "--virtual-time-budget=4000"}, flags...)
	cmd := exec.CommandContext(ctx, exe, append(args, "file://"+file)...)
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", exe, err, msg.String())
	}
	return out.String()
}

func render(t testing.TB, d *Data) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestScreenshots writes pictures of the page to APIML_SCREENSHOTS, to be
// looked at.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("APIML_SCREENSHOTS")
	if dir == "" {
		t.Skip("APIML_SCREENSHOTS is not set: no pictures")
	}
	page := render(t, sample())
	if err := os.WriteFile(filepath.Join(dir, "report.html"), page, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		page          []byte
		width, height int
		flags         []string
	}{
		{"light", page, 1400, 8200, nil},
		{"dark", page, 1400, 8200, []string{"--blink-settings=preferredColorScheme=0"}},
		{"phone", page, 500, 14000, nil},
		{"empty", render(t, &Data{}), 1400, 3400, nil},
	} {
		browser(t, c.page, append(c.flags, "--screenshot="+filepath.Join(dir, c.name+".png"),
			"--window-size="+strconv.Itoa(c.width)+","+strconv.Itoa(c.height))...)
	}
}
