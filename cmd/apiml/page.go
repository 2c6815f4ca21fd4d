package main

import (
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"strings"

	"apiml/internal/atomicfile"
	"apiml/internal/plot"
)

// figure is a drawing with the name of the file that it gets beside others.
type figure struct {
	Name string
	plot.Figure
}

// pageTable is a table on a page.
type pageTable struct {
	Title  string
	Header []string
	Rows   [][]string
}

// page is an HTML page of figures and tables: no script, nothing to load.
type page struct {
	Title, Note string
	Figures     []template.HTML // SVG that package plot has escaped
	Tables      []pageTable
}

const pageText = `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{{.Title}}</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1360px;padding:0 1rem;color:#222;background:#fff}
figure{display:inline-block;margin:0 1rem 1rem 0;width:640px;max-width:100%;border:1px solid #ddd}
svg{display:block;width:100%;height:auto}
.scroll{overflow-x:auto}
table{border-collapse:collapse;margin:.5rem 0 1.5rem;font-variant-numeric:tabular-nums}
td,th{border-bottom:1px solid #ddd;padding:.2rem .6rem;text-align:left}
</style></head><body>
<h1>{{.Title}}</h1>
<p>{{.Note}}</p>
{{range .Figures}}<figure>{{.}}</figure>
{{end}}{{range .Tables}}<h2>{{.Title}}</h2>
<div class="scroll"><table><thead><tr>{{range .Header}}<th>{{.}}</th>{{end}}</tr></thead><tbody>
{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</tbody></table></div>
{{end}}</body></html>
`

// writePage writes figures and tables as one HTML page.
func writePage(path, title, note string, figures []figure, tables []pageTable) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	p := page{Title: printable(title), Note: printable(note), Tables: tables}
	for _, t := range p.Tables {
		for i, h := range t.Header {
			t.Header[i] = strings.TrimPrefix(printable(h), ">")
		}
		for _, r := range t.Rows {
			for i := range r {
				r[i] = printable(r[i])
			}
		}
	}
	for i := range figures {
		var b strings.Builder
		if err := figures[i].SVG(&b); err != nil {
			return err
		}
		p.Figures = append(p.Figures, template.HTML(b.String()))
	}
	return withCode(exitFailed, atomicfile.Write(path, 0o600, func(w io.Writer) error { return t.Execute(w, p) }))
}

// printable takes control characters out of a string for a page.
func printable(s string) string { return clean(s) }

// writeFigures writes each figure as a file of its own: NAME.svg gets
// NAME-FIGURE.svg, or, of one figure only, exactly that name.
func writeFigures(path string, figures []figure) ([]string, error) {
	if len(figures) == 0 {
		return nil, inputf("%s: nothing to draw", path)
	}
	var written []string
	for i := range figures {
		p := path
		if len(figures) > 1 {
			p = fmt.Sprintf("%s-%s.svg", strings.TrimSuffix(path, filepath.Ext(path)), figures[i].Name)
		}
		if err := atomicfile.Write(p, 0o600, func(w io.Writer) error { return figures[i].SVG(w) }); err != nil {
			return nil, withCode(exitFailed, err)
		}
		written = append(written, p)
	}
	return written, nil
}
