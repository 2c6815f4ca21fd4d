// Package report turns Data into one self-contained HTML page, JSON or a short
// Markdown summary. It computes nothing but the way numbers are written: the
// caller fills Data, and what is missing there is said on the page together
// with the command that would add it.
//
//	err := report.HTML(w, &report.Data{…})
//
// The page loads nothing from anywhere: style, scripts and data are inside, and
// a Content-Security-Policy with the hashes of its two scripts lets no other
// run. Strings of Data come from logs, so they are hostile: they reach the page
// through html/template only, and the charts as JSON in data blocks that no
// string can leave. Equal Data gives equal bytes.
//
// A new section is one file section_*.go, one template in assets, and one line
// in sections.
package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

//go:embed assets
var assets embed.FS

// section is one part of the page.
type section struct {
	ID, Title string
	Lead      string // what matters first, in one sentence
	Template  string // file in assets
	View      any    // what the template gets
	Body      template.HTML
}

// part is a section and what makes it.
type part struct {
	id   string
	make func(*Data) (section, error)
}

// parts is the page in order.
func parts() []part {
	return []part{{"overview", overview}, {"security", security}, {"performance", performance}, {"behavior", behavior}, {"models", models}, {"audit", audit}, {"configuration", configuration}}
}

// SectionIDs are the names of the sections in order, as in Data.Sections.
func SectionIDs() []string {
	var out []string
	for _, p := range parts() {
		out = append(out, p.id)
	}
	return out
}

// shows says whether d is to be shown with a section.
func (d *Data) shows(id string) bool {
	return len(d.Sections) == 0 || slices.Contains(d.Sections, id)
}

// sections makes those that are to be shown.
func sections(d *Data) (out []section, err error) {
	for _, p := range parts() {
		if !d.shows(p.id) {
			continue
		}
		s, err := p.make(d)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

type page struct {
	*Data
	Title    string
	Range    string
	CSP      string
	Style    template.CSS
	Echarts  template.JS
	Start    template.JS
	Sections []section
	Trouble  []string
	Names    []string // templates to filter by
}

// HTML writes d as one page of about 1.1 MB plus its data. It does not change d.
func HTML(w io.Writer, d *Data) error {
	d = cleaned(d)
	p := page{Data: d, Title: d.Title, Range: between(d.First, d.Last), Trouble: d.Warnings, Names: templateNames(d)}
	if p.Title == "" {
		p.Title = defaultTitle
	}
	if len(d.Inputs) == 0 && d.First.IsZero() && d.Last.IsZero() {
		p.Range = "No data yet"
	}
	tmpl, err := template.New("page.html").Funcs(funcs()).ParseFS(assets, "assets/*.html")
	if err != nil {
		return fmt.Errorf("report template: %w", err)
	}
	list, err := sections(d)
	if err != nil {
		return err
	}
	for _, s := range list {
		var b bytes.Buffer
		if err := tmpl.ExecuteTemplate(&b, s.Template, s.View); err != nil {
			return fmt.Errorf("report section %q: %w", s.ID, err)
		}
		s.Body = template.HTML(b.String())
		p.Sections = append(p.Sections, s)
	}
	echarts, err := assets.ReadFile("assets/echarts.min.js")
	if err != nil {
		return fmt.Errorf("report asset: %w", err)
	}
	start, err := assets.ReadFile("assets/start.js")
	if err != nil {
		return fmt.Errorf("report asset: %w", err)
	}
	style, err := assets.ReadFile("assets/style.css")
	if err != nil {
		return fmt.Errorf("report asset: %w", err)
	}
	p.Echarts, p.Start, p.Style = template.JS(echarts), template.JS(start), template.CSS(style)
	p.CSP = fmt.Sprintf("default-src 'none'; script-src %s %s; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
		cspHash(echarts), cspHash(start))
	var b bytes.Buffer
	if err := tmpl.ExecuteTemplate(&b, "page.html", p); err != nil {
		return fmt.Errorf("report page: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// templateNames are the templates that the page has more than one thing to say
// of, in order of their names.
func templateNames(d *Data) (out []string) {
	add := func(name string) {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, t := range d.Performance.Templates {
		add(t.Template)
	}
	for _, t := range d.Security.Targets {
		add(t.Template)
	}
	for _, t := range d.Security.Incidents {
		add(t.Target)
	}
	slices.Sort(out)
	return out
}

const defaultTitle = "API traffic report"

// cspHash is the source expression that allows exactly this inline script.
func cspHash(script []byte) string {
	sum := sha256.Sum256(script)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// JSON writes d as one indented object, unknown numbers as null, with strings
// in full: a reader must treat them as hostile.
func JSON(w io.Writer, d *Data) error {
	c := deepCopy(d, func(s string) string { return s })
	if c.Schema == "" {
		c.Schema = SchemaName
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(c); err != nil {
		return fmt.Errorf("report json: %w", err)
	}
	return nil
}

func funcs() template.FuncMap {
	return template.FuncMap{
		"commas": commas, "human": human, "size": size, "percent": percent, "share": share, "ratio": ratio,
		"seconds": seconds, "number": number, "rate": rate, "at": at, "between": between, "day": dayOf, "local": local, "kind": kindOf, "delta": delta, "unix": unix, "short": short,
		"title": title, "missing": missing, "width": width, "raw": raw,
		"less":   func(a, b int64) int64 { return a - b },
		"plural": func(n int, one string) string { return plural(int64(n), one) },
		"digits": func(v Num) string {
			if !v.Known() {
				return none
			}
			return digits(float64(v))
		},
		"signed": signed, "kinds": func(s string) []string { return strings.Split(s, ", ") }, "prose": prose, "points": points100,
		"text": orNone, "tight": tight, "cellat": cellat, "dict": dict,
	}
}

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

// cellat is a cell of a table of series that may be of different length.
func cellat(v []Num, i int) string {
	switch {
	case i >= len(v) || !v[i].Known():
		return none
	case v[i] == Num(int64(v[i])) && v[i] >= 0:
		return commas(int64(v[i]))
	}
	return digits(float64(v[i]))
}

// dict hands several values to a sub-template.
func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// tight keeps units on the line of their numbers.
func tight(s string) string {
	const nbsp = "\u00a0"
	return strings.NewReplacer(" %", nbsp+"%", " k ", nbsp+"k ", " M ", nbsp+"M ", " ms)", nbsp+"ms)", " s)", nbsp+"s)").Replace(s)
}

// width is the length of a bar in percent of the longest.
func width(v, longest Num) string {
	if !v.Known() || !longest.Known() || longest <= 0 || v <= 0 {
		return "0"
	}
	return fmt.Sprintf("%.1f", 100*min(1, float64(v/longest)))
}

// raw is the sort key of a number.
func raw(v Num) string {
	if !v.Known() {
		return ""
	}
	return fmt.Sprintf("%g", float64(v))
}

// prose is a text in which `x` is code.
func prose(s string) template.HTML {
	var b strings.Builder
	for {
		before, rest, open := strings.Cut(s, "`")
		code, after, closed := strings.Cut(rest, "`")
		b.WriteString(template.HTMLEscapeString(before))
		if !open || !closed {
			if open {
				b.WriteString(template.HTMLEscapeString("`" + rest))
			}
			return template.HTML(b.String())
		}
		b.WriteString("<code>" + template.HTMLEscapeString(code) + "</code>")
		s = after
	}
}

// missing says what is not there and which command adds it.
func missing(what, command string) template.HTML {
	s := template.HTMLEscapeString(what)
	if command != "" {
		s += " Run <code>" + template.HTMLEscapeString(command) + "</code>."
	}
	return template.HTML(`<p class="empty">` + s + `</p>`)
}

// command is an apiml command line for the store of d.
func command(d *Data, args string) string {
	db := d.Source
	if db == "" {
		db = "apiml.duckdb"
	}
	return "apiml " + args + " --db " + db
}

// kpi is a card with one key figure.
type kpi struct {
	Label, Value, Detail string
	Class                string // "", "good", "warn", "bad"
}
