package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"apiml/ingest"
	"apiml/score"
	"apiml/traffic"
)

type analyzeOptions struct {
	method, url, data, agent, referrer, client string
	raw                                        string
	threshold                                  float64
	reasons                                    int
	noRedact                                   bool
}

// maxRaw is the largest raw request in bytes that analyze reads.
const maxRaw = 8 << 20

func (a *app) analyzeCommand() *cobra.Command {
	var o analyzeOptions
	cmd := &cobra.Command{
		Use:   "analyze [URL]",
		Short: "Look at one request: class, probability, where and why",
		Long: `Analyze scores one request as score does a line of a log and says what drove the
answer. The request is described by flags in the manner of curl, or given whole with
--raw (- is standard input). Nothing is sent to anybody.

One request has no history: what shows in many of them only (credential stuffing,
scraping, floods) cannot be told here.`,
		Example: `  apiml analyze '/search?q=1%27+or+1%3D1--'
  apiml analyze -X POST -u /api/login -d '{"user":"admin","password":"x"}'
  apiml analyze --raw request.txt --json
  printf 'GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n' | apiml analyze --raw -`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if o.url != "" {
					return usagef("the URL is given twice: %q and --url %q", args[0], o.url)
				}
				o.url = args[0]
			}
			if cmd.Flags().Changed("threshold") && !(o.threshold > 0 && o.threshold <= 1) {
				return usagef("--threshold %v: want a probability above 0 and at most 1", o.threshold)
			}
			return a.analyze(o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.method, "request", "X", "", "method (default GET, or POST with --data)")
	f.StringVarP(&o.url, "url", "u", "", "URL or path with query")
	f.StringVarP(&o.data, "data", "d", "", "body; @FILE reads it from a file")
	f.StringVarP(&o.agent, "user-agent", "A", "", "User-Agent header")
	f.StringVarP(&o.referrer, "referer", "e", "", "Referer header")
	f.StringVar(&o.client, "client", "", "address of the client")
	f.StringVar(&o.raw, "raw", "", "read the whole request as it goes over the wire from FILE, - = standard input")
	f.Float64Var(&o.threshold, "threshold", 0, "attack probability from which it counts as an attack (default: the model's own)")
	f.IntVar(&o.reasons, "reasons", 5, "features named")
	f.BoolVar(&o.noRedact, "no-redact", false, "leave secrets as they stand in the request")
	return cmd
}

// analysis is the output of `analyze --json`.
type analysis struct {
	jsonHead
	score.Result
	Flagged   bool       `json:"flagged"`
	Threshold float64    `json:"threshold"`
	Models    []modelRef `json:"models"`
	Warnings  []string   `json:"warnings"`
}

func (a *app) analyze(o analyzeOptions) error {
	r, err := o.build(a)
	if err != nil {
		return err
	}
	if !o.noRedact {
		ingest.RedactRequest(r)
	}
	run := &scoreRun{a: a, o: scoreOptions{threshold: o.threshold, reasons: max(o.reasons, 0), all: true}}
	s, err := run.scorer()
	if err != nil {
		return err
	}
	out := analysis{Threshold: s.Summary().Threshold, Models: run.sum.Models, Warnings: run.sum.Warnings}
	if out.Warnings == nil {
		out.Warnings = []string{}
	}
	take := func(rs []score.Result) error {
		for i := range rs {
			out.Result = rs[i]
		}
		return nil
	}
	if err := s.Push([]traffic.Request{*r}, take); err != nil {
		return err
	}
	if err := s.Flush(take); err != nil {
		return err
	}
	out.Flagged = out.Result.Flagged()
	out.Result.File, out.Result.Line, out.Incident = "", 0, ""
	if r.Client == "" {
		out.Principal = ""
	}
	out.jsonHead = a.head("analyze")
	if a.flags.json {
		return a.printJSON(&out)
	}
	return a.printAnalysis(&out)
}

// build makes the request of the flags.
func (o *analyzeOptions) build(a *app) (*traffic.Request, error) {
	r := &traffic.Request{
		Time: traffic.NoTime, Method: o.method, Target: o.url, Agent: o.agent, Referrer: o.referrer, Client: o.client,
		Latency: -1, BytesIn: -1, BytesOut: -1, Protocol: "HTTP/1.1",
	}
	if o.raw != "" {
		for flag, v := range map[string]string{"--request": o.method, "--url": o.url, "--data": o.data, "--user-agent": o.agent, "--referer": o.referrer} {
			if v != "" {
				return nil, usagef("--raw is the whole request: leave out %s", flag)
			}
		}
		return r, o.readRaw(a, r)
	}
	if o.url == "" {
		return nil, usagef("which request? Give a URL, --url with -X and -d, or --raw FILE (see `apiml analyze --help`)")
	}
	if o.data != "" {
		body := o.data
		if name, ok := strings.CutPrefix(body, "@"); ok {
			b, err := os.ReadFile(name)
			if err != nil {
				return nil, withCode(exitInput, err)
			}
			body = string(b)
		}
		r.HasBody, r.Body, r.BytesIn = true, body, int64(len(body))
	}
	if r.Method == "" {
		if r.Method = "GET"; r.HasBody {
			r.Method = "POST"
		}
	}
	// https://host/path is what a user has at hand; a log has the target.
	if scheme, rest, ok := strings.Cut(r.Target, "://"); ok && (scheme == "http" || scheme == "https") {
		host, path, _ := strings.Cut(rest, "/")
		host, query, q := strings.Cut(host, "?")
		if r.Host, r.Target = host, "/"+path; q {
			r.Target = "/?" + query
		}
	}
	return r, nil
}

// readRaw reads a request as it goes over the wire. A broken one is what an
// attack may look like: what net/http cannot read is taken apart line by line.
func (o *analyzeOptions) readRaw(a *app, r *traffic.Request) error {
	var in io.Reader = a.in
	if o.raw != "-" {
		f, err := os.Open(o.raw)
		if err != nil {
			return withCode(exitInput, err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxRaw+1))
	if err != nil {
		return withCode(exitInput, err)
	}
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return inputf("%s: no request in it", o.raw)
	case len(b) > maxRaw:
		return inputf("%s: more than %s bytes are no single request", o.raw, count(maxRaw))
	}
	head, body, found := bytes.Cut(b, []byte("\r\n\r\n"))
	if !found {
		head, body, found = bytes.Cut(b, []byte("\n\n"))
	}
	line, rest, _ := bytes.Cut(head, []byte("\n"))
	f := strings.Fields(strings.TrimRight(string(line), "\r"))
	switch {
	case len(f) >= 3 && strings.HasPrefix(f[len(f)-1], "HTTP/"):
		text := strings.TrimRight(string(line), "\r")
		r.Method, r.Protocol = f[0], f[len(f)-1]
		r.Target = strings.TrimSpace(text[strings.Index(text, f[0])+len(f[0]) : strings.LastIndex(text, r.Protocol)])
	case len(f) == 2:
		r.Method, r.Target = f[0], f[1]
	default:
		return inputf("%s: line 1: %q is no request line (METHOD TARGET HTTP/1.1)", o.raw, cell(string(line), 80))
	}
	for h := range strings.SplitSeq(string(rest), "\n") {
		name, value, ok := strings.Cut(strings.TrimRight(h, "\r"), ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "host":
			r.Host = value
		case "user-agent":
			r.Agent = value
		case "referer":
			r.Referrer = value
		case "transfer-encoding":
			if strings.EqualFold(value, "chunked") && found {
				if req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b))); err == nil {
					if whole, err := io.ReadAll(io.LimitReader(req.Body, maxRaw)); err == nil {
						body = whole
					}
				}
			}
		}
	}
	if found && len(body) > 0 {
		r.HasBody, r.Body, r.BytesIn = true, string(body), int64(len(body))
	}
	return nil
}

func (a *app) printAnalysis(x *analysis) error {
	w := a.out
	verdict := "not an attack"
	if x.Flagged {
		verdict = strings.ReplaceAll(x.Class, "_", " ")
	}
	fmt.Fprintf(w, "%s (probability %.3f, threshold %.3f)\n", verdict, x.Probability, x.Threshold)
	fmt.Fprintf(w, "request  %s %s\n", x.Method, cell(x.Target, 160))
	if x.Where != nil {
		fmt.Fprintf(w, "where    %s: %s\n", placeName(x.Where.Part, x.Where.Name), cell(x.Where.Value, 160))
	}
	if x.Anomaly >= 0 {
		fmt.Fprintf(w, "anomaly  %.3f\n", x.Anomaly)
	}
	rules := "none"
	if len(x.Rules) > 0 {
		rules = strings.Join(x.Rules, ", ")
	}
	fmt.Fprintf(w, "rules    %s\n", rules)
	if len(x.Reasons) > 0 {
		var rows [][]string
		for _, r := range x.Reasons {
			rows = append(rows, []string{r.Feature, fmt.Sprintf("%.4g", r.Value), fmt.Sprintf("%+.3f", r.Contribution), r.Text})
		}
		fmt.Fprintln(w)
		if err := table(w, []string{"why", ">value", ">adds", "what it is"}, rows); err != nil {
			return err
		}
	}
	for _, s := range x.Warnings {
		a.warnf("%s", s)
	}
	return nil
}
