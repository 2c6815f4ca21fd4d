package main

import (
	"fmt"
	"time"

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
	replace   bool
	replaceID int64
	wait      time.Duration
	dryRun    bool
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
A line that is no record is kept as a reject with file, line and reason. Parquet
files hold the columns of the apiml CSV, or are exported tables.

Files are known by their content: the same one again, rotated, renamed or packed,
adds nothing; one that has grown adds its new lines, and a last line that was cut
off is read again. --replace puts a corrected file in the place of what had its
name. A file is one transaction: after kill -9, a full disk or Ctrl-C it is there
as a whole or not at all, and the next run goes on. Standard input is committed
every 1,000,000 lines or 60 s, and at Ctrl-C.

Formats:` + formats,
		Example: `  apiml ingest access.log access.log.1.gz
  apiml ingest --db shop.duckdb traffic.csv
  journalctl -u nginx -o cat | apiml ingest -
  apiml ingest --explain access.log
  apiml ingest --log-format '$remote_addr [$time_local] "$request" $status $request_time' access.log
  apiml ingest --log-format /etc/nginx/nginx.conf access.log
  apiml ingest --replace --wait 30s corrected.log
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
	a.ruleFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "input format (default: found by the content)")
	f.StringVar(&o.logFormat, "log-format", "", "format of the lines: NGINX's log_format, Apache's LogFormat, or the path of an nginx.conf or httpd.conf (path:NAME = one of its formats)")
	f.BoolVar(&o.explain, "explain", false, "show for ten lines which part went into which field, and which models the log can feed; store nothing")
	f.StringVar(&o.label, "label", "", "truth of all records that carry none: none, anomalous or an attack type")
	f.Float64Var(&o.minParsed, "min-parsed", 0, "exit 3 if a smaller share of the lines parses")
	f.BoolVar(&o.noRedact, "no-redact", false, "leave secrets as they stand in the log")
	f.BoolVar(&o.replace, "replace", false, "a file with other content under a known name takes the place of what it was")
	f.Int64Var(&o.replaceID, "replace-input", 0, "the same for the input with this ID, whatever its name")
	f.BoolVar(&o.dryRun, "dry-run", false, "read everything, print the coverage, store nothing")
	f.DurationVar(&o.wait, "wait", 0, "how long to wait for another apiml that writes to the database; 0 = leave with exit 4")
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
	if o.replaceID != 0 && len(paths) != 1 {
		return nil, usagef("--replace-input takes exactly one FILE, got %d", len(paths))
	}
	label, err := traffic.ParseLabel(o.label)
	if err != nil && o.label != "" {
		return nil, usagef("--label: %v", err)
	}
	if err := a.prepareRules(paths, o.from); err != nil {
		return nil, err
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
	var st *store.Store
	run := &entry{}
	if !o.dryRun {
		if st, err = a.waitForStore(o.wait); err != nil {
			return nil, err
		}
		defer st.Close()
		if run, err = a.ledger(st, "ingest", paths); err != nil {
			return nil, err
		}
		defer run.end(&err)
	}
	res = &ingestResult{DB: a.cfg.DB}
	var partial error
	for _, p := range paths {
		read := a.ingestFile
		if o.dryRun {
			read = a.dryFile
		}
		cov, err := read(st, p, label, o)
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
	if o.dryRun {
		a.sayf("%s records in %s; a dry run stores nothing", count(t.Parsed), seconds(res.Seconds))
	} else {
		a.sayf("%s records into %s in %s", count(t.Parsed), a.cfg.DB, seconds(res.Seconds))
	}
	a.sayFiltered(res.Files)
	if t.Rejected > 0 && !o.dryRun {
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
