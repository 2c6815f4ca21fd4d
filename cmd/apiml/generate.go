package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"apiml/generate"
	"apiml/internal/atomicfile"
	"apiml/store"
	"apiml/traffic"
)

type generateOptions struct {
	requests, normal, count int
	attacks                 float64
	kind                    string
	output, truth, format   string
	start                   string
	days, baseRate, rate    float64
	hard                    float64
	campaigns               int
	profile, spec, preset   string
	showSpec                bool
}

func (a *app) generateCommand() *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Synthetic API traffic with ground truth kept apart from the log",
		Long: `Generate writes the traffic of an imagined HTTP API: people, apps, partners,
crawlers and probes, and attack campaigns mixed into the same addresses, agents
and hours. The same seed gives the same bytes.

The format follows the extension of -o (.csv, .parquet, .json, .jsonl, .log; .gz packs
text) unless --format says otherwise. CSV and Parquet carry the truth in the columns
is_attack and attack_type; a log never does: --truth writes it to a file of its own.

The service is one of the profiles, each an OpenAPI 3 file inside the program
(--show-spec prints it), or with --spec one of your own: paths, parameters with
types, examples and enumerations, security. x-traffic, x-clients, x-value and
x-share say what OpenAPI has no words for, as the profiles show.

Presets: ` + presetHelp(),
		Example: `  apiml generate --requests 50000 --attacks 0.2 -o traffic.csv
  apiml generate --normal 40000 --attacks 10000 -o access.log --truth truth.csv
  apiml generate --type attacks --count 1000 --format json
  apiml generate --preset base-rate-day -o day.log --truth truth.csv
  apiml generate --profile internal --base-rate 1e-3 --rate 2 -o traffic.parquet
  apiml generate --profile mobile-api --show-spec > service.yaml
  apiml generate --spec service.yaml --requests 1000 -o own.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.showSpec {
				return a.showSpec(o.profile)
			}
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
	f.StringVar(&o.truth, "truth", "", "file for the truth of a log: line,is_attack,attack_type,campaign,client")
	f.StringVar(&o.format, "format", "", "combined, json, csv or parquet (default by the extension of -o, else csv)")
	f.StringVar(&o.start, "start", "", "time of the first request, RFC 3339 (default 2026-03-02, a Monday)")
	f.Float64Var(&o.days, "days", 0, "days that the traffic spans (default by the number of requests)")
	f.Float64Var(&o.rate, "rate", 0, "mean requests per second, in place of --days")
	f.Float64Var(&o.baseRate, "base-rate", 0, "share of attack requests, as in 1e-4, in place of --attacks")
	f.IntVar(&o.campaigns, "campaigns", 0, "attack campaigns (default about one per 70 attack requests)")
	f.Float64Var(&o.hard, "hard", 0, "share of the benign requests of pages and calls that carry honest text which looks like an attack: code, queries of consoles, passwords")
	f.StringVar(&o.profile, "profile", "shop", "service: "+strings.Join(generate.Profiles(), ", "))
	f.StringVar(&o.spec, "spec", "", "OpenAPI 3 file of a service of your own, in place of --profile")
	f.BoolVar(&o.showSpec, "show-spec", false, "print the OpenAPI file of --profile and end")
	f.StringVar(&o.preset, "preset", "", "a known set: "+strings.Join(presetNames(), ", "))
	cmd.MarkFlagsMutuallyExclusive("profile", "spec")
	cmd.MarkFlagsMutuallyExclusive("days", "rate")
	cmd.MarkFlagsMutuallyExclusive("attacks", "base-rate")
	cmd.MarkFlagsMutuallyExclusive("preset", "requests", "normal", "count")
	cmd.MarkFlagsMutuallyExclusive("requests", "normal", "count")
	return cmd
}

// preset is a set that others refer to by its name.
type preset struct {
	name, about     string
	normal, attacks int
	days            float64
}

func presets() []preset {
	return []preset{
		{"quickstart-50k", "50,000 requests of two days, one in five an attack", 40_000, 10_000, 2},
		{"attacks-10k", "10,000 attack requests of a week and nothing else", 0, 10_000, 7},
		{"clean-day", "a day of 1,000,000 requests without an attack: what is flagged in it is a false positive", 1_000_000, 0, 1},
		{"base-rate-day", "a day of 1,000,000 requests, one in ten thousand an attack", 999_900, 100, 1},
	}
}

func presetHelp() string {
	var b strings.Builder
	for _, p := range presets() {
		fmt.Fprintf(&b, "\n  %-15s %s", p.name, p.about)
	}
	return b.String()
}

func (a *app) showSpec(profile string) error {
	doc, err := generate.Spec(profile)
	if err != nil {
		return usagef("--profile %q: want one of %s", profile, strings.Join(generate.Profiles(), ", "))
	}
	_, err = a.out.Write(doc)
	return err
}

func presetNames() []string {
	var out []string
	for _, p := range presets() {
		out = append(out, p.name)
	}
	return out
}

// config turns the flags into counts of benign and attack requests.
func (o *generateOptions) config(changed func(string) bool) (generate.Config, error) {
	var cfg generate.Config
	if !(o.attacks >= 0) || o.requests < 0 || o.normal < 0 || o.count < 0 || !(o.days >= 0) || !(o.baseRate >= 0) || !(o.rate >= 0) || o.campaigns < 0 {
		return cfg, usagef("counts, shares and rates must not be negative")
	}
	if o.baseRate >= 1 {
		return cfg, usagef("--base-rate %v: a share of all requests is below 1", o.baseRate)
	}
	if changed("base-rate") {
		o.attacks = o.baseRate
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
	case o.preset != "":
		i := slices.Index(presetNames(), o.preset)
		if i < 0 {
			return cfg, usagef("--preset %q: want one of %s", o.preset, strings.Join(presetNames(), ", "))
		}
		p := presets()[i]
		if changed("attacks") || changed("base-rate") {
			return cfg, usagef("--preset %s says how many attacks there are", p.name)
		}
		cfg.Normal, cfg.Attacks = p.normal, p.attacks
		if !changed("days") {
			o.days = p.days
		}
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
		case !changed("attacks") && !changed("base-rate"):
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
	cfg.Campaigns = o.campaigns
	cfg.Duration = time.Duration(o.days * 24 * float64(time.Hour))
	if o.rate > 0 {
		span := float64(cfg.Normal+cfg.Attacks) / o.rate
		if span > 36500*86400 {
			return cfg, usagef("--rate %v: %s requests would take more than 100 years", o.rate, count(int64(cfg.Normal+cfg.Attacks)))
		}
		cfg.Duration = time.Duration(span * float64(time.Second))
	}
	if !slices.Contains(generate.Profiles(), o.profile) {
		return cfg, usagef("--profile %q: want one of %s", o.profile, strings.Join(generate.Profiles(), ", "))
	}
	cfg.Profile = o.profile
	if cfg.Hard = o.hard; !(o.hard >= 0 && o.hard <= 1) {
		return cfg, usagef("--hard %v: want a share from 0 to 1", o.hard)
	}
	if o.spec != "" {
		doc, err := readBounded(o.spec, 16<<20)
		if err != nil {
			return cfg, err
		}
		cfg.Spec, cfg.SpecName = doc, o.spec
	}
	return cfg, nil
}

// readBounded reads a whole file that must not be larger than max bytes.
func readBounded(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, inputf("%v", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, inputf("read %q: %v", path, err)
	}
	if int64(len(b)) > max {
		return nil, inputf("%s: larger than %s bytes", path, count(max))
	}
	return b, nil
}

// logWriter formats records for one of the formats of generate.
func logWriter(format string) (header string, appendTo func([]byte, *traffic.Request) []byte, err error) {
	switch format {
	case "combined":
		return "", generate.AppendCombined, nil
	case "json":
		return "", generate.AppendJSON, nil
	case "csv", "parquet": // Parquet is made from the CSV
		return generate.CSVHeader() + "\n", generate.AppendCSV, nil
	}
	return "", nil, usagef("--format %q: want combined, json, csv or parquet", format)
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
	case ".parquet":
		return "parquet"
	}
	return "csv"
}

func (a *app) generate(o generateOptions, cfg generate.Config) error {
	format := o.formatName()
	header, appendTo, err := logWriter(format)
	if err != nil {
		return err
	}
	if o.truth != "" && (format == "csv" || format == "parquet") {
		return usagef("--truth is for log formats: %s carries is_attack and attack_type itself", format)
	}
	path := o.output
	if format == "parquet" {
		if path == "-" || path == "" {
			return usagef("--format parquet needs a file: -o FILE.parquet")
		}
		dir, err := os.MkdirTemp(filepath.Dir(path), ".apiml-*")
		if err != nil {
			return withCode(exitFailed, err)
		}
		defer os.RemoveAll(dir)
		path = filepath.Join(dir, "t.csv")
	}
	out, err := a.create(path, 0o644)
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
	if o.truth != "" {
		cfg.Clients = new([]string)
	}
	line, attacks := int64(0), int64(0)
	write := func(b *requestBatch) error {
		b.text, b.truth = b.text[:0], b.truth[:0]
		for i := range b.reqs {
			line++
			if b.reqs[i].Label.Attack() {
				attacks++
			}
			b.text = append(appendTo(b.text, &b.reqs[i]), '\n')
			if truth != nil {
				b.truth = append(generate.AppendTruth(b.truth, line, &b.reqs[i], b.campaigns[i], b.clients[i]), '\n')
			}
		}
		p.set(line)
		if truth != nil {
			if _, err := truth.Write(b.truth); err != nil {
				return err
			}
		}
		_, err := w.Write(b.text)
		return err
	}
	err = inBackground(write, cfg.Clients, func(emit func([]traffic.Request, []string) error) error {
		return generate.Run(a.ctx, cfg, emit)
	})
	var bad *generate.SpecError
	if errors.As(err, &bad) {
		return withCode(exitInput, bad)
	}
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
	if format == "parquet" {
		if err := store.CSVToParquet(a.ctx, path, o.output, parquetColumns(), line); err != nil {
			return withCode(exitFailed, err)
		}
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

// requestBatch is what travels from the generator to the writer.
type requestBatch struct {
	reqs        []traffic.Request
	campaigns   []string
	clients     []string
	text, truth []byte
}

// inBackground writes the batches that produce hands out on a goroutine of its own,
// in their order, while the next ones are made. It returns the first error of
// either side.
func inBackground(write func(*requestBatch) error, clients *[]string, produce func(emit func([]traffic.Request, []string) error) error) error {
	const batches = 3
	full, empty := make(chan *requestBatch, batches), make(chan *requestBatch, batches)
	for range batches {
		empty <- &requestBatch{}
	}
	var failed error // of the writer; read only when it is done
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := range full {
			if failed = write(b); failed != nil {
				return
			}
			empty <- b
		}
	}()
	err := produce(func(reqs []traffic.Request, campaigns []string) error {
		select {
		case b := <-empty:
			b.reqs = append(b.reqs[:0], reqs...)
			b.campaigns = append(b.campaigns[:0], campaigns...)
			if clients != nil {
				b.clients = append(b.clients[:0], *clients...)
			}
			full <- b
			return nil
		case <-done:
			return failed
		}
	})
	close(full)
	<-done
	if failed != nil {
		return failed
	}
	return err
}

// parquetColumns are the columns of the CSV with their types.
func parquetColumns() []store.CSVColumn {
	types := map[string]string{"timestamp": "TIMESTAMP", "response_time": "DOUBLE", "status_code": "INTEGER", "payload_size": "BIGINT", "is_attack": "INTEGER", "bytes_out": "BIGINT"}
	var out []store.CSVColumn
	for name := range strings.SplitSeq(generate.CSVHeader(), ",") {
		t := types[name]
		if t == "" {
			t = "VARCHAR"
		}
		out = append(out, store.CSVColumn{Name: name, Type: t})
	}
	return out
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
