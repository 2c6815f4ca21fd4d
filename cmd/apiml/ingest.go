package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"apiml/ingest"
	"apiml/store"
	"apiml/traffic"
)

type ingestOptions struct {
	from      string
	label     string
	minParsed float64
	noRedact  bool
	synthetic bool
	explain   bool
	logFormat string
}

func (a *app) ingestCommand() *cobra.Command {
	var o ingestOptions
	var formats string
	for _, f := range ingest.Formats() {
		formats += fmt.Sprintf("\n  %-14s %s", f.Name, f.Title)
	}
	cmd := &cobra.Command{
		Use:   "ingest FILE…",
		Short: "Read logs into the database; nothing dropped silently, nothing counted twice",
		Long: `Ingest reads access logs and data sets into one DuckDB file. The format is
recognised by the content, .gz, .zst, .bz2 and .xz are read directly, - is standard
input. Patterns are expanded, and of a rotated set the oldest file is read first.
A line that is no record is kept as a reject with file, line and reason. A file
that is known already adds nothing; one that has grown adds its new lines.

Formats:` + formats,
		Example: `  apiml ingest access.log access.log.1.gz
  apiml ingest --db shop.duckdb traffic.csv
  journalctl -u nginx -o cat | apiml ingest -
  apiml ingest --explain access.log
  apiml ingest --log-format '$remote_addr [$time_local] "$request" $status $request_time' access.log
  apiml ingest --log-format /etc/nginx/nginx.conf access.log
  apiml query "SELECT i.name AS file, line, reason, raw FROM rejects JOIN inputs i ON i.id = input LIMIT 20"`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("min-parsed") {
				o.minParsed = a.cfg.InputMinParsed
			}
			if err := a.useLogFormat(o.logFormat); err != nil {
				return err
			}
			args, err := logFiles(args)
			if err != nil {
				return err
			}
			if o.explain {
				return a.explain(args, o)
			}
			_, err = a.ingest(args, o)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "input format (default: found by the content)")
	f.StringVar(&o.logFormat, "log-format", "", "format of the lines: NGINX's log_format, Apache's LogFormat, or the path of an nginx.conf or httpd.conf")
	f.BoolVar(&o.explain, "explain", false, "show for ten lines which part went into which field, and which models the log can feed; store nothing")
	f.StringVar(&o.label, "label", "", "truth of all records that carry none: none, anomalous or an attack type")
	f.Float64Var(&o.minParsed, "min-parsed", 0, "exit 3 if a smaller share of the lines parses")
	f.BoolVar(&o.noRedact, "no-redact", false, "leave secrets as they stand in the log")
	f.BoolVar(&o.synthetic, "synthetic", false, "mark the input as generated traffic: reports say so")
	return cmd
}

// ingestResult is the output of `ingest --json`.
type ingestResult struct {
	jsonHead
	DB    string         `json:"db"`
	Files []fileCoverage `json:"files"`
	Total fileCoverage   `json:"total"`
}

func (a *app) ingest(paths []string, o ingestOptions) (res *ingestResult, err error) {
	label, err := traffic.ParseLabel(o.label)
	if err != nil && o.label != "" {
		return nil, usagef("--label: %v", err)
	}
	for _, p := range paths { // complain before a database is made
		if p == "-" {
			continue
		}
		rd, err := a.openInput(p, o.from, o.noRedact, ingest.Options{})
		if err != nil {
			return nil, err
		}
		rd.Close()
	}
	st, err := a.openStore(false)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	run, err := a.ledger(st, "ingest", paths)
	if err != nil {
		return nil, err
	}
	defer run.end(&err)
	res = &ingestResult{DB: a.cfg.DB}
	var partial error
	for _, p := range paths {
		cov, err := a.ingestFile(st, p, label, o)
		if cov != nil {
			res.Files = append(res.Files, *cov)
		}
		if err != nil && (cov == nil || !isInputError(err)) {
			return nil, err
		}
		if err != nil && partial == nil {
			partial = withCode(exitInput, err)
		}
	}
	t := &res.Total
	t.File, t.first, t.last = "total", traffic.NoTime, traffic.NoTime
	for _, f := range res.Files {
		t.Read += f.Read
		t.Parsed += f.Parsed
		t.Rejected += f.Rejected
		t.Filtered += f.Filtered
		t.SkippedKnown += f.SkippedKnown
		if f.first != traffic.NoTime && (t.first == traffic.NoTime || f.first < t.first) {
			t.first = f.first
		}
		t.last = max(t.last, f.last)
	}
	t.FirstTime, t.LastTime = rfc3339(t.first), rfc3339(t.last)
	run.counts = map[string]int64{"read": t.Read, "parsed": t.Parsed, "rejected": t.Rejected, "filtered": t.Filtered}
	res.jsonHead = a.head("ingest")
	if a.flags.json {
		err = a.printJSON(res)
	} else {
		err = printCoverage(a, res.Files)
	}
	if err != nil {
		return nil, err
	}
	a.sayf("%s records into %s in %s", count(t.Parsed), a.cfg.DB, seconds(res.Seconds))
	if t.Rejected > 0 {
		a.sayf(`%s lines are no records; see them: apiml query "SELECT reason, count(*) FROM rejects GROUP BY 1 ORDER BY 2 DESC"`, count(t.Rejected))
	}
	gate := *t // a file that is known already counts with what it was then: the gate must not trip once only
	for _, f := range res.Files {
		if f.before != nil {
			gate.Read += f.before.Read
			gate.Parsed += f.before.Parsed
			gate.Filtered += f.before.Filtered
		}
	}
	switch {
	case partial != nil:
		return res, partial
	case t.Parsed == 0 && t.Read > t.Filtered:
		return res, inputf("nothing parsed: no line of the input is a record")
	case gate.coverage() < o.minParsed:
		return res, inputf("coverage %.4f is under --min-parsed %.4f", gate.coverage(), o.minParsed)
	}
	return res, nil
}

// ingestFile puts one file into the store, in one transaction. After an error
// inside the file (a truncated archive) what was good before it is kept.
func (a *app) ingestFile(st *store.Store, path string, label traffic.Label, o ingestOptions) (*fileCoverage, error) {
	in := store.Input{Name: path, Synthetic: o.synthetic}
	opt := ingest.Options{Label: label}
	if path != "-" {
		id, skip, known, err := a.identify(st, path, &in)
		if err != nil {
			return nil, err
		}
		if known != nil {
			a.sayf("%s: known already (%s records); nothing added", path, count(known.Parsed))
			return &fileCoverage{
				File: path, Format: known.Format, SkippedKnown: known.Read, first: traffic.NoTime, last: traffic.NoTime,
				before: &fileCoverage{Read: known.Read, Parsed: known.Parsed, Filtered: known.Filtered},
			}, nil
		}
		in.ID, opt.SkipBytes, opt.SkipLines = id, skip.bytes, skip.lines
		if id != 0 {
			a.sayf("%s: has grown since it was read; going on behind line %s", path, count(skip.lines))
		}
	}
	rd, err := a.openInput(path, o.from, o.noRedact, opt)
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	in.Format = rd.Format()
	a.sayf("%s: %s (%s)", path, rd.Format(), rd.Reason())
	p := a.progress("reading "+path, 0)
	defer p.done()
	var n, offset, lines int64
	var broken error
	stored, err := st.Ingest(a.ctx, in, func() (*traffic.Batch, error) {
		b, err := rd.Next()
		if err == nil {
			n += int64(b.Len())
			offset, lines = b.Offset, b.Line
			p.set(n)
			return b, nil
		}
		if !errors.Is(err, io.EOF) && isInputError(err) && n > 0 {
			broken = err
			return nil, io.EOF
		}
		return nil, err
	})
	if err != nil {
		if isInputError(err) {
			return nil, withCode(exitInput, err)
		}
		if errors.Is(err, a.ctx.Err()) && a.ctx.Err() != nil {
			return nil, a.ctx.Err()
		}
		return nil, storeError(err)
	}
	a.debugf("%s: input %d", path, stored.ID)
	if broken != nil && path != "-" {
		// Remember how far it was read, so that the whole file, when it comes,
		// goes on from there and counts nothing twice.
		fp, _ := ingest.Identify(path, []int64{offset})
		in.ID, in.SHA256, in.Size, in.Lines, in.FirstLine = stored.ID, fp.Prefix[offset], offset, lines, fp.FirstLine
		if _, err := st.Ingest(a.ctx, in, func() (*traffic.Batch, error) { return nil, io.EOF }); err != nil {
			return nil, storeError(err)
		}
	}
	cov := coverageOf(path, rd)
	cov.SkippedKnown = opt.SkipLines
	return cov, broken
}

type skipTo struct{ bytes, lines int64 }

// identify finds out whether the file, or its beginning, is in the store. It
// fills in's fingerprint. id and skip are those of the input that has grown.
func (a *app) identify(st *store.Store, path string, in *store.Input) (id int64, skip skipTo, known *store.Input, err error) {
	inputs, err := st.Inputs(a.ctx)
	if err != nil {
		return 0, skip, nil, storeError(err)
	}
	sizes := make([]int64, 0, len(inputs))
	for _, x := range inputs {
		if x.SHA256 != "" {
			sizes = append(sizes, x.Size)
		}
	}
	fp, err := ingest.Identify(path, sizes)
	if err != nil && !isInputError(err) {
		return 0, skip, nil, withCode(exitInput, err)
	}
	for i, x := range inputs {
		if fp.SHA256 != "" && x.SHA256 == fp.SHA256 && x.Size == fp.Size {
			return 0, skip, &inputs[i], nil
		}
	}
	for _, x := range inputs {
		if x.SHA256 != "" && x.Size > 0 && fp.Prefix[x.Size] == x.SHA256 && x.FirstLine == fp.FirstLine {
			id, skip = x.ID, skipTo{x.Size, x.Lines}
		}
	}
	if fp.SHA256 != "" { // else the file breaks off: ingestFile says how far it was read
		in.SHA256, in.Size = fp.SHA256, fp.Size
	}
	in.FirstLine = fp.FirstLine
	return id, skip, nil, nil
}
