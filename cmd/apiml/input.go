package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"apiml/ingest"
	"apiml/traffic"
)

// fileCoverage is a row of `ingest --json`: what became of the lines of a file.
// Read = Parsed + Rejected + Filtered.
type fileCoverage struct {
	File         string           `json:"file"`
	Format       string           `json:"format"`
	Read         int64            `json:"read"`
	Parsed       int64            `json:"parsed"`
	Rejected     int64            `json:"rejected"`
	Filtered     int64            `json:"filtered"`
	SkippedKnown int64            `json:"skipped_known"`    // lines that an earlier run has read
	Reread       int64            `json:"reread,omitempty"` // of Read, those that take the place of an unfinished end that an earlier run has read
	FirstTime    string           `json:"first_time,omitempty"`
	LastTime     string           `json:"last_time,omitempty"`
	Redacted     map[string]int64 `json:"redacted,omitempty"`
	PII          map[string]int64 `json:"pii,omitempty"`         // in URLs; masked with --redact-pii only
	FilteredBy   map[string]int64 `json:"filtered_by,omitempty"` // Filtered by reason

	first, last int64
	before      *fileCoverage // of a file that is known already, when it was read
}

func coverageOf(path string, rd *ingest.Reader) *fileCoverage {
	c := rd.Coverage()
	return &fileCoverage{
		File: path, Format: rd.Format(), Read: c.Read, Parsed: c.Parsed, Rejected: c.Rejected, Filtered: c.Filtered,
		FirstTime: rfc3339(c.First), LastTime: rfc3339(c.Last), Redacted: c.Redacted,
		PII: c.PII, FilteredBy: c.FilteredBy, first: c.First, last: c.Last,
	}
}

func rfc3339(us int64) string {
	if us == traffic.NoTime {
		return ""
	}
	r := traffic.Request{Time: us}
	return r.When().Format("2006-01-02T15:04:05.999999Z07:00")
}

// openInput opens a log with the configuration's settings. Errors carry the
// exit code of bad input.
func (a *app) openInput(path, from string, noRedact bool, opt ingest.Options) (*ingest.Reader, error) {
	opt.Format = from
	if opt.Format == "" {
		opt.Format = a.cfg.InputFormat
	}
	opt.LogFormat, opt.Mapping = a.cfg.InputLogFormat, a.cfg.InputMapping
	if opt.Format == "" && opt.LogFormat != "" {
		opt.Format = "log-format"
	}
	if opt.Format != "" {
		var names []string
		for _, f := range ingest.Formats() {
			names = append(names, f.Name)
		}
		if !slices.Contains(names, opt.Format) {
			return nil, usagef("no input format %q: known are %s", opt.Format, strings.Join(names, ", "))
		}
	}
	a.rules.apply(&opt)
	opt.NoRedact = noRedact || !a.cfg.InputRedact
	if path != "-" {
		if st, err := os.Stat(path); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, inputf("%s: no such file", path)
			}
			return nil, withCode(exitInput, err)
		} else if st.IsDir() {
			return nil, inputf("%s: is a directory; name the files in it", path)
		}
	}
	opt.Source = a.textSource(path)
	rd, err := ingest.Open(path, a.in, opt)
	if err != nil {
		return nil, withCode(exitInput, err)
	}
	return rd, nil
}

// isInputError reports whether err is about the content of an input, after
// which what was read before still counts.
func isInputError(err error) bool {
	var ie *ingest.InputError
	return errors.As(err, &ie)
}

// printCoverage prints one row per file and, for several, the total.
func printCoverage(a *app, files []fileCoverage) error {
	var rows [][]string
	var sum fileCoverage
	for _, f := range files {
		note := f.Format
		if f.SkippedKnown > 0 && f.Read == 0 {
			note += " (known already)"
		}
		rows = append(rows, []string{f.File, note, count(f.Read), count(f.Parsed), count(f.Rejected), count(f.Filtered), coverageText(f), f.FirstTime, f.LastTime})
		sum.Read += f.Read
		sum.Parsed += f.Parsed
		sum.Rejected += f.Rejected
		sum.Filtered += f.Filtered
	}
	if len(files) > 1 {
		rows = append(rows, []string{"total", "", count(sum.Read), count(sum.Parsed), count(sum.Rejected), count(sum.Filtered), coverageText(sum), "", ""})
	}
	if err := table(a.out, []string{"file", "format", ">read", ">parsed", ">rejected", ">filtered", ">coverage", "first", "last"}, rows); err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	return nil
}

// coverage is parsed over the lines that were not left out on purpose.
func (f *fileCoverage) coverage() float64 {
	if f.Read == f.Filtered {
		return 1
	}
	return float64(f.Parsed) / float64(f.Read-f.Filtered)
}

func coverageText(f fileCoverage) string {
	if f.Read == 0 {
		return "–"
	}
	return percent(f.coverage())
}
