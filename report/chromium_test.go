package report

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// browser runs headless Chromium on a page; what it prints is returned. It
// skips the test where there is no Chromium. With a frame, that page is opened,
// which holds report.html in a frame.
func browser(t *testing.T, page []byte, frame string, flags ...string) string {
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
	if frame != "" {
		file = filepath.Join(dir, "frame.html")
		if err := os.WriteFile(file, []byte(frame), 0o600); err != nil {
			t.Fatal(err)
		}
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
		{"print", bytes.ReplaceAll(page, []byte("@media print"), []byte("@media all")), 900, 9000, nil},
		{"hostile", render(t, hostile()), 1400, 9000, nil},
		{"empty", render(t, &Data{}), 1400, 3400, nil},
	} {
		browser(t, c.page, "", append(c.flags, "--screenshot="+filepath.Join(dir, c.name+".png"),
			"--window-size="+strconv.Itoa(c.width)+","+strconv.Itoa(c.height))...)
	}
}

// probe is a script that the browser tests add to the page: it reports as JSON
// what the page did.
const probe = `(function () {
  var out = { errors: window.probeErrors, charts: 0, paths: 0, tips: "", loads: performance.getEntriesByType("resource").map(function (e) { return e.name; }) };
  document.querySelectorAll(".plot").forEach(function (p) {
    if (p.querySelector("svg")) { out.charts++; out.paths += p.querySelectorAll("svg path").length; }
    var c = echarts.getInstanceByDom(p);
    c.dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: 0 });
    c.getZr().flush();
    out.tips += p.textContent;
  });
  var th = document.querySelector("#performance-templates table.sort thead th.n button");
  if (th) {
    var cells = function () { return Array.prototype.map.call(document.querySelectorAll("#performance-templates table.sort tbody")[0].rows, function (r) { return +r.cells[1].getAttribute("data-v"); }); };
    th.click(); out.down = cells(); th.click(); out.up = cells();
  }
  // The filter by text and type, and the charts by time; then back.
  var set = function (id, v) { var e = document.getElementById(id); e.value = v; e.dispatchEvent(new Event("input")); };
  var rows = function () { return document.querySelectorAll("table.sort > tbody > tr:not([hidden])").length; };
  var all = rows(), chosen = document.getElementById("filter-class").options[1];
  out.filtered = [all];
  location.hash = "type=" + encodeURIComponent(chosen ? chosen.value : "") + "&q=zzz-no-such-row";
  window.dispatchEvent(new Event("hashchange")); out.filtered.push(rows());
  location.hash = "q="; window.dispatchEvent(new Event("hashchange")); out.filtered.push(rows());
  location.hash = "from=2026-03-14T10:00&to=2026-03-14T20:00"; window.dispatchEvent(new Event("hashchange")); out.filtered.push(rows());
  var traffic = document.getElementById("traffic"), axis = traffic && echarts.getInstanceByDom(traffic).getOption().xAxis[0];
  if (axis && axis.min !== undefined) { out.zoom = [axis.min, axis.max]; }
  document.getElementById("filter-clear").click(); out.filtered.push(rows());
  // A template: its rows only, and its series only.
  var shown = function (sel) { return Array.prototype.map.call(document.querySelectorAll(sel), function (r) { return r.hidden ? 0 : 1; }).reduce(function (a, b) { return a + b; }, 0); };
  var one = document.getElementById("filter-template");
  if (one) {
    location.hash = "performance-templates&template=" + encodeURIComponent("/api/login"); window.dispatchEvent(new Event("hashchange"));
    out.template = [shown("#performance-templates tbody tr"), shown("#security-targets tbody tr"), shown("#security-networks tbody tr")];
    var byTemplate = document.getElementById("templates");
    if (byTemplate) {
      var sel = echarts.getInstanceByDom(byTemplate).getOption().legend[0].selected;
      out.selected = Object.keys(sel).filter(function (k) { return sel[k]; });
    }
    out.top = Math.round(document.getElementById("performance-templates").getBoundingClientRect().top);
    // A link on the page keeps the filter.
    location.hash = "security-targets"; window.dispatchEvent(new Event("hashchange"));
    out.kept = shown("#performance-templates tbody tr");
    document.getElementById("filter-clear").click();
  }
  out.closed = document.querySelectorAll("main details:not([open])").length;
  document.getElementById("filter-open").click();
  out.opened = document.querySelectorAll("main details:not([open])").length;
  document.getElementById("filter-open").click();
  out.anchors = document.querySelectorAll("a.anchor").length;
  out.dead = Array.prototype.filter.call(document.querySelectorAll("a[href^='#']"), function (a) { return !document.getElementById(a.getAttribute("href").slice(1)); }).length;
  // Printing draws in light colours whatever the scheme, and goes back.
  var ink = function () { var t = document.querySelector("#traffic svg text"); return t ? getComputedStyle(t).fill : ""; };
  var screen = ink();
  window.dispatchEvent(new Event("beforeprint")); out.ink = [screen, ink()];
  window.dispatchEvent(new Event("afterprint")); out.ink.push(ink());
  out.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  out.background = getComputedStyle(document.body).backgroundColor;
  out.images = document.images.length;
  out.pwned = document.documentElement.getAttribute("data-pwned");
  out.title = document.title;
  out.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  out.width = document.documentElement.clientWidth;
  out.wide = [];
  document.querySelectorAll("body *").forEach(function (e) {
    if (e.getBoundingClientRect().right > out.width + 1 && !e.closest(".scroll, nav, .plot")) { out.wide.push(e.tagName + "." + e.className + " in " + e.parentElement.className); }
  });
  out.wide = out.wide.slice(0, 5);
  parent.postMessage(btoa(unescape(encodeURIComponent(JSON.stringify(out)))), "*");
})();`

// frame holds the page in the width of a device; Chromium's own window has a
// least width.
const frame = `<!DOCTYPE html><body><iframe src="report.html" style="border:0;height:900px;width:%dpx"></iframe>
<script>addEventListener("message", function (e) { var pre = document.createElement("pre"); pre.id = "probe"; pre.textContent = e.data; document.body.appendChild(pre); });</script>`

const probeErrors = `window.probeErrors = [];
window.addEventListener("error", function (e) { window.probeErrors.push(String(e.message)); });
document.addEventListener("securitypolicyviolation", function (e) { window.probeErrors.push("CSP " + e.violatedDirective + " " + e.blockedURI); });`

type probed struct {
	Errors, Loads   []string
	Charts, Paths   int
	Tips            string
	Down, Up        []int
	Filtered, Zoom  []int    // rows: all, none, all, of some hours, all; points of the traffic shown
	Template        []int    // rows: of templates, of targets, of networks
	Selected        []string // series of the chart of templates
	Top, Kept       int
	Closed, Opened  int // details that are closed, before and after the button
	Anchors, Dead   int // links to cards, and links to nowhere
	Ink             []string
	Dark            bool
	Background      string
	Images          int
	Pwned           string
	Title           string
	Wide            []string // elements that stick out
	Overflow, Width int
}

// inspect opens the page with the probe in it, which the policy then allows by
// its hash like the two scripts of the page.
func inspect(t *testing.T, page []byte, width int, flags ...string) (p probed) {
	t.Helper()
	s := string(page)
	s = strings.Replace(s, "script-src ", "script-src "+cspHash([]byte(probe))+" "+cspHash([]byte(probeErrors))+" ", 1)
	s = strings.Replace(s, "<title>", "<script>"+probeErrors+"</script><title>", 1)
	end := strings.LastIndex(s, "</body>")
	s = s[:end] + "<script>" + probe + "</script>" + s[end:]
	dom := browser(t, []byte(s), fmt.Sprintf(frame, width), append(flags, "--window-size=3000,1000", "--dump-dom")...)
	_, dom, found := strings.Cut(dom, `<pre id="probe">`)
	dom, _, _ = strings.Cut(dom, "</pre>")
	if !found {
		t.Fatal("the probe did not run")
	}
	b, err := base64.StdEncoding.DecodeString(dom)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Errors) > 0 || len(p.Loads) > 0 || p.Images > 0 || p.Pwned != "" {
		t.Errorf("errors %q, loads %q, %d images, pwned %q", p.Errors, p.Loads, p.Images, p.Pwned)
	}
	if p.Overflow > 0 || p.Width != width {
		t.Errorf("at %d px the page is %d px wide and %d px too wide: %q", width, p.Width, p.Overflow, p.Wide)
	}
	return p
}

func TestChromium(t *testing.T) {
	page := render(t, sample())
	for _, width := range []int{2560, 1400, 360} {
		p := inspect(t, page, width)
		if p.Charts != 13 || p.Paths < 13*3 {
			t.Errorf("%d px: %d charts with %d paths, want 13", width, p.Charts, p.Paths)
		}
		if !slices.IsSorted(p.Up) || len(p.Up) != 10 || p.Down[0] != p.Up[9] {
			t.Errorf("sorted down %v, up %v", p.Down, p.Up)
		}
		if !strings.Contains(p.Tips, "03-14 00:00") {
			t.Error("no tooltip was shown")
		}
		if f := p.Filtered; len(f) != 5 || f[1] != 0 || f[2] != f[0] || f[3] >= f[0] || f[3] == 0 || f[4] != f[0] || !slices.Equal(p.Zoom, []int{40, 79}) {
			t.Errorf("rows %v, points of the traffic %v", f, p.Zoom)
		}
		if !slices.Equal(p.Template, []int{1, 1, 3}) || !slices.Equal(p.Selected, []string{"/api/login"}) || p.Kept != 1 {
			t.Errorf("rows of one template %v, series %q; after a link %d rows", p.Template, p.Selected, p.Kept)
		}
		if p.Top < 0 || p.Top > 200 {
			t.Errorf("%d px: the card that the link names stands at %d px", width, p.Top)
		}
		if p.Closed == 0 || p.Opened != 0 || p.Anchors < 25 || p.Dead != 0 {
			t.Errorf("%d details closed, then %d; %d links to cards, %d to nowhere", p.Closed, p.Opened, p.Anchors, p.Dead)
		}
		if p.Dark || len(p.Ink) != 3 || p.Ink[0] != p.Ink[1] || p.Ink[0] != p.Ink[2] {
			t.Errorf("dark %v, ink %q", p.Dark, p.Ink)
		}
		if p.Title != defaultTitle {
			t.Errorf("title %q", p.Title)
		}
	}
}

// In the dark the page and its charts are dark, but on paper they are not.
func TestChromiumDark(t *testing.T) {
	p := inspect(t, render(t, sample()), 1000, "--blink-settings=preferredColorScheme=0")
	if !p.Dark {
		t.Skip("this browser does not take the colour scheme from its flags")
	}
	if p.Charts != 13 || p.Background != "rgb(14, 18, 23)" {
		t.Errorf("%d charts on %s", p.Charts, p.Background)
	}
	if len(p.Ink) != 3 || p.Ink[0] == p.Ink[1] || p.Ink[0] != p.Ink[2] {
		t.Errorf("ink on the screen, on paper, on the screen again: %q", p.Ink)
	}
}

// TestChromiumMissing opens reports of which parts are missing: they draw what they
// have, and nothing breaks.
func TestChromiumMissing(t *testing.T) {
	one := &Data{Overview: Overview{Requests: 1, Principals: 1, Templates: 1, BytesOut: -1, Traffic: Timeline{Start: sample().First, Step: 1, Series: []Line{{Name: "requests", Values: []Num{1}}}}}}
	for _, c := range []struct {
		name   string
		data   *Data
		charts int
	}{{"empty", &Data{}, 0}, {"one request", one, 1}} {
		p := inspect(t, render(t, c.data), 360)
		if p.Charts != c.charts || p.Dead != 0 {
			t.Errorf("%s: %d charts, want %d; %d links to nowhere", c.name, p.Charts, c.charts, p.Dead)
		}
	}
}

func TestChromiumHostile(t *testing.T) {
	d := hostile()
	d.Title = "quiet"
	p := inspect(t, render(t, d), 1000)
	if p.Title != "quiet" {
		t.Errorf("the title became %q", p.Title)
	}
	if p.Charts == 0 || !strings.Contains(p.Tips, "onerror=") {
		t.Errorf("%d charts; the payload is in no tooltip, so nothing was tested", p.Charts)
	}
}

// TestAxe runs axe-core, whose file axe.min.js APIML_AXE names (npm pack
// axe-core), on the page in both colour schemes. No finding may be serious.
func TestAxe(t *testing.T) {
	path := os.Getenv("APIML_AXE")
	if path == "" {
		t.Skip("APIML_AXE is not set: the page was not checked for accessibility by axe-core")
	}
	axe, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const run = `axe.run(document, { resultTypes: ["violations"] }).then(function (r) {
  var pre = document.createElement("pre");
  pre.id = "axe";
  pre.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(r.violations.map(function (v) { return { Id: v.id, Impact: v.impact, Where: v.nodes.map(function (n) { return n.html.slice(0, 200); }) }; })))));
  document.body.appendChild(pre);
});`
	for _, d := range []*Data{sample(), {}} {
		for _, flags := range [][]string{nil, {"--blink-settings=preferredColorScheme=0"}} {
			s := strings.Replace(string(render(t, d)), "script-src ", "script-src "+cspHash(axe)+" "+cspHash([]byte(run))+" ", 1)
			end := strings.LastIndex(s, "</body>")
			s = s[:end] + "<script>" + string(axe) + "</script><script>" + run + "</script>" + s[end:]
			dom := browser(t, []byte(s), "", append(flags, "--window-size=1400,1000", "--virtual-time-budget=40000", "--dump-dom")...)
			_, dom, found := strings.Cut(dom, `<pre id="axe">`)
			dom, _, _ = strings.Cut(dom, "</pre>")
			b, err := base64.StdEncoding.DecodeString(dom)
			if !found || err != nil {
				t.Fatal("axe-core did not run", err)
			}
			var list []struct {
				ID, Impact string
				Where      []string
			}
			if err := json.Unmarshal(b, &list); err != nil {
				t.Fatal(err)
			}
			for _, v := range list {
				if v.Impact == "serious" || v.Impact == "critical" {
					t.Errorf("%s: %s, %d times: %q", v.Impact, v.ID, len(v.Where), v.Where[:min(len(v.Where), 3)])
				} else {
					t.Logf("%s: %s: %q", v.Impact, v.ID, v.Where)
				}
			}
		}
	}
}
