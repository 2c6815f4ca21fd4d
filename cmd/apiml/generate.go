package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"apiml/generate"
	"apiml/internal/atomicfile"
	"apiml/traffic"
)

type generateOptions struct {
	requests, normal, count int
	attacks                 float64
	kind                    string
	output, truth, format   string
	start                   string
	days                    float64
}

func (a *app) generateCommand() *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Synthetic API traffic with ground truth kept apart from the log",
		Long: `Generate writes the traffic of an imagined HTTP API: people, apps, partners,
crawlers and probes, and attack campaigns mixed into the same addresses, agents
and hours. The same seed gives the same bytes.

The format follows the extension of -o (.csv, .json, .jsonl, .log; .gz packs it)
unless --format says otherwise. The CSV carries the truth in its columns is_attack
and attack_type; a log never does: --truth writes it to a file of its own.`,
		Example: `  apiml generate --requests 50000 --attacks 0.2 -o traffic.csv
  apiml generate --normal 40000 --attacks 10000 -o access.log --truth truth.csv
  apiml generate --type attacks --count 1000 --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.config(cmd.Flags().Changed)
			if err != nil {
				return err
			}
			cfg.Seed = a.cfg.Seed
			return a.generate(o, cfg)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.requests, "requests", 50000, "requests in all")
	f.Float64Var(&o.attacks, "attacks", 0.2, "attack requests: below 1 a share of all, else a count")
	f.IntVar(&o.normal, "normal", 0, "benign requests (with --attacks as a count)")
	f.StringVar(&o.kind, "type", "mixed", "normal, attacks or mixed (with --count)")
	f.IntVar(&o.count, "count", 0, "requests of --type")
	f.StringVarP(&o.output, "output", "o", "-", "file to write, - = standard output")
	f.StringVar(&o.truth, "truth", "", "file for the truth of a log: line,is_attack,attack_type,campaign")
	f.StringVar(&o.format, "format", "", "combined, json or csv (default by the extension of -o, else csv)")
	f.StringVar(&o.start, "start", "", "time of the first request, RFC 3339 (default 2026-03-02, a Monday)")
	f.Float64Var(&o.days, "days", 0, "days that the traffic spans (default by the number of requests)")
	cmd.MarkFlagsMutuallyExclusive("requests", "normal", "count")
	return cmd
}

// config turns the flags into counts of benign and attack requests.
func (o *generateOptions) config(changed func(string) bool) (generate.Config, error) {
	var cfg generate.Config
	if o.attacks < 0 || math.IsNaN(o.attacks) || o.requests < 0 || o.normal < 0 || o.count < 0 || o.days < 0 {
		return cfg, usagef("counts and shares must not be negative")
	}
	if o.attacks >= 1 && o.attacks != math.Trunc(o.attacks) {
		return cfg, usagef("--attacks %v: a share is below 1, a count is whole", o.attacks)
	}
	if changed("type") && !changed("count") {
		return cfg, usagef("--type needs --count N")
	}
	mixed := func(total int) error {
		cfg.Attacks = int(math.Round(o.attacks * float64(total)))
		if o.attacks >= 1 {
			cfg.Attacks = int(o.attacks)
		}
		if cfg.Normal = total - cfg.Attacks; cfg.Normal < 0 {
			return usagef("--attacks %d is more than the %d requests in all", cfg.Attacks, total)
		}
		return nil
	}
	switch {
	case changed("count"):
		switch o.kind {
		case "normal":
			cfg.Normal = o.count
		case "attacks":
			cfg.Attacks = o.count
		case "mixed":
			if err := mixed(o.count); err != nil {
				return cfg, err
			}
		default:
			return cfg, usagef("--type %q: want normal, attacks or mixed", o.kind)
		}
	case changed("normal"):
		cfg.Normal = o.normal
		switch {
		case !changed("attacks"):
		case o.attacks < 1:
			cfg.Attacks = int(math.Round(float64(o.normal) * o.attacks / (1 - o.attacks)))
		default:
			cfg.Attacks = int(o.attacks)
		}
	default:
		if err := mixed(o.requests); err != nil {
			return cfg, err
		}
	}
	if o.start != "" {
		t, err := time.Parse(time.RFC3339, o.start)
		if err != nil {
			return cfg, usagef("--start %q: want RFC 3339 such as 2026-01-05T00:00:00Z", o.start)
		}
		cfg.Start = t.UnixMicro()
	}
	cfg.Duration = time.Duration(o.days * 24 * float64(time.Hour))
	return cfg, nil
}

// logWriter formats records for one of the formats of generate.
func logWriter(format string) (header string, appendTo func([]byte, *traffic.Request) []byte, err error) {
	switch format {
	case "combined":
		return "", generate.AppendCombined, nil
	case "json":
		return "", generate.AppendJSON, nil
	case "csv":
		return generate.CSVHeader() + "\n", generate.AppendCSV, nil
	}
	return "", nil, usagef("--format %q: want combined, json or csv", format)
}

func (o *generateOptions) formatName() string {
	if o.format != "" {
		return o.format
	}
	switch filepath.Ext(strings.TrimSuffix(o.output, ".gz")) {
	case ".json", ".jsonl", ".ndjson":
		return "json"
	case ".log", ".txt":
		return "combined"
	}
	return "csv"
}

func (a *app) generate(o generateOptions, cfg generate.Config) error {
	format := o.formatName()
	header, appendTo, err := logWriter(format)
	if err != nil {
		return err
	}
	if o.truth != "" && format == "csv" {
		return usagef("--truth is for log formats: the CSV carries is_attack and attack_type itself")
	}
	out, err := a.create(o.output, 0o644)
	if err != nil {
		return err
	}
	defer out.Abort()
	var w io.Writer = out
	if strings.HasSuffix(o.output, ".gz") {
		gz := gzip.NewWriter(out)
		defer gz.Close()
		w = gz
	}
	var truth *atomicfile.File
	if o.truth != "" {
		if truth, err = atomicfile.Create(o.truth, 0o644); err != nil {
			return withCode(exitFailed, err)
		}
		defer truth.Abort()
		fmt.Fprintln(truth, generate.TruthHeader())
	}
	if _, err := io.WriteString(w, header); err != nil {
		return err
	}
	p := a.progress("generating", int64(cfg.Normal+cfg.Attacks))
	defer p.done()
	var buf, tbuf []byte
	line, attacks := int64(0), int64(0)
	err = generate.Run(a.ctx, cfg, func(reqs []traffic.Request, campaigns []string) error {
		buf, tbuf = buf[:0], tbuf[:0]
		for i := range reqs {
			line++
			if reqs[i].Label.Attack() {
				attacks++
			}
			buf = append(appendTo(buf, &reqs[i]), '\n')
			if truth != nil {
				tbuf = append(generate.AppendTruth(tbuf, line, &reqs[i], campaigns[i]), '\n')
			}
		}
		p.set(line)
		if truth != nil {
			if _, err := truth.Write(tbuf); err != nil {
				return err
			}
		}
		_, err := w.Write(buf)
		return err
	})
	if err != nil {
		return err
	}
	if gz, ok := w.(*gzip.Writer); ok {
		if err := gz.Close(); err != nil {
			return err
		}
	}
	if truth != nil {
		if err := truth.Commit(); err != nil {
			return err
		}
	}
	if err := out.Commit(); err != nil {
		return err
	}
	p.done()
	if a.flags.json && o.output != "-" {
		return a.printJSON(struct {
			jsonHead
			File     string `json:"file"`
			Format   string `json:"format"`
			Truth    string `json:"truth,omitempty"`
			Requests int64  `json:"requests"`
			Attacks  int64  `json:"attacks"`
		}{a.head("generate"), o.output, format, o.truth, line, attacks})
	}
	a.sayf("generated %s requests, %s of them attacks, seed %d", count(line), count(attacks), cfg.Seed)
	return nil
}

// sink is where a command writes its result: a file that appears only when it
// is complete, or standard output.
type sink interface {
	io.Writer
	Commit() error
	Abort()
}

// create opens the sink for a path, "-" or "" for standard output.
func (a *app) create(path string, mode fs.FileMode) (sink, error) {
	if path == "-" || path == "" {
		return &stdoutSink{bufio.NewWriterSize(a.out, 1<<16)}, nil
	}
	f, err := atomicfile.Create(path, mode)
	if err != nil {
		return nil, withCode(exitFailed, err)
	}
	return f, nil
}

type stdoutSink struct{ *bufio.Writer }

func (s *stdoutSink) Commit() error { return s.Flush() }
func (s *stdoutSink) Abort()        {}
