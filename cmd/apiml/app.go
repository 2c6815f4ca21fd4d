package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"apiml/store"
)

// streams are the three standard ones.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// Exit codes, see FEATURES: they are a contract with scripts.
const (
	exitOK          = 0
	exitGate        = 1   // a gate that was asked for tripped
	exitUsage       = 2   // usage or configuration
	exitInput       = 3   // no file, nothing parsed, coverage too low
	exitState       = 4   // lock held, schema or model mismatch
	exitFailed      = 5   // disk full, output not writable, part not available, defect
	exitInterrupted = 130 // Ctrl-C, SIGTERM
)

// exitError carries the exit code of a failure.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}
func inputf(format string, args ...any) error {
	return &exitError{exitInput, fmt.Errorf(format, args...)}
}
func statef(format string, args ...any) error {
	return &exitError{exitState, fmt.Errorf(format, args...)}
}

// app is what the subcommands share: streams, configuration, and how to talk.
type app struct {
	streams
	ctx    context.Context
	getenv func(string) (string, bool)
	cfg    *config
	flags  globalFlags
	log    *slog.Logger // to log.file; discards if none is set
	rules  inputRules   // what is done with every record that is read from a file
	window store.Filter // --since and --until, resolved by setWindow
	close  []func() error
	start  time.Time
}

// globalFlags are the flags that every command takes.
type globalFlags struct {
	config, db, models string
	seed               uint64
	since, until       string // of the commands with windowFlags
	quiet, verbose     bool
	json               bool
}

// run is the whole program as a function of its streams.
func run(ctx context.Context, args []string, s streams, getenv func(string) (string, bool)) int {
	a := &app{start: time.Now(), streams: s, ctx: ctx, getenv: getenv, log: slog.New(slog.DiscardHandler)}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	for _, c := range a.close {
		c()
	}
	return a.exit(err)
}

// exit prints the error, if any, in one line and chooses the exit code.
func (a *app) exit(err error) int {
	if err == nil {
		return exitOK
	}
	// A reader that has seen enough (apiml score … | head) is no failure.
	if errors.Is(err, syscall.EPIPE) {
		return exitOK
	}
	code := exitFailed
	var e *exitError
	switch {
	case errors.Is(err, context.Canceled) && a.ctx.Err() != nil:
		fmt.Fprintln(a.err, "apiml: interrupted; nothing half-written is left")
		return exitInterrupted
	case errors.As(err, &e):
		code = e.code
	case isUsage(err):
		code = exitUsage
	}
	a.log.Error("failed", "error", err, "exit", code)
	fmt.Fprintf(a.err, "apiml: %s\n", clean(err.Error()))
	return code
}

// isUsage recognises cobra's own complaints, which have no type.
func isUsage(err error) bool {
	for _, p := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs an argument", "invalid argument", "accepts ", "requires at least", "required flag", "if any flags in the group", "bad flag syntax"} {
		if strings.HasPrefix(err.Error(), p) {
			return true
		}
	}
	return false
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "apiml",
		Short: "Offline log analytics for HTTP APIs: attacks, anomalies, latency, forecasts, reports",
		Long: `apiml reads the access logs that you already have, trains and cross-validates
models on them in pure Go, scores requests, forecasts traffic and renders one
self-contained HTML report. It opens no socket and needs no network.

Begin with:
  apiml demo                         the whole chain on generated traffic
  apiml score access.log             score a log with the built-in models
  apiml ingest access.log            put logs into apiml.duckdb
  apiml train --cv 5                 fit and cross-validate on your own data
  apiml report -o report.html        one file with everything

Exit codes: 0 done, 1 a gate tripped, 2 usage or configuration, 3 input,
4 state (locked, mismatch), 5 failed, 130 interrupted.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.setup(cmd)
		},
	}
	pf := root.PersistentFlags()
	pf.StringVar(&a.flags.config, "config", "", "configuration file (default apiml.yaml if it exists)")
	pf.StringVar(&a.flags.db, "db", "", "DuckDB file (default apiml.duckdb)")
	pf.StringVar(&a.flags.models, "models", "", "folder of model files (default models)")
	pf.Uint64Var(&a.flags.seed, "seed", 0, "seed of everything random (default 1)")
	pf.BoolVarP(&a.flags.quiet, "quiet", "q", false, "errors only on standard error")
	pf.BoolVarP(&a.flags.verbose, "verbose", "v", false, "say more on standard error")
	pf.BoolVar(&a.flags.json, "json", false, "one JSON object on standard output")
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	root.AddGroup(
		&cobra.Group{ID: "main", Title: "Main commands:"},
		&cobra.Group{ID: "advise", Title: "Advice:"},
		&cobra.Group{ID: "look", Title: "Look at things:"},
		&cobra.Group{ID: "manage", Title: "Manage:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("main", a.nightlyCommand(), a.demoCommand(), a.generateCommand(), a.ingestCommand(), a.trainCommand(), a.tuneCommand(), a.evaluateCommand(),
		a.scoreCommand(), a.analyzeCommand(), a.forecastCommand(), a.reportCommand())
	add("advise", a.adviseCommand())
	add("look", a.predictCommand(), a.queryCommand())
	add("manage", a.modelsCommand(), a.datasetsCommand(), a.dbCommand(), a.configCommand(), a.doctorCommand(), a.versionCommand())
	docs := a.docsCommand()
	docs.Hidden = true
	root.AddCommand(docs)
	completions(root)
	for _, c := range root.Commands() {
		if c.HasSubCommands() {
			strict(c)
		}
	}
	return root
}

// strict makes a command that only holds others refuse what is none of them;
// cobra would print the help and leave with 0.
func strict(c *cobra.Command) {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return usagef("unknown command %q for %q; see %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
}

// setup loads the configuration once the flags are known.
func (a *app) setup(cmd *cobra.Command) error {
	flags := map[string]string{}
	for name, key := range map[string]string{"db": "db", "models": "models.dir", "seed": "seed"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			flags[key] = f.Value.String()
		}
	}
	cfg, err := loadConfig(a.flags.config, flags, a.getenv)
	if err != nil {
		return withCode(exitUsage, err)
	}
	a.cfg = cfg
	if a.flags.quiet && a.flags.verbose {
		return usagef("-q and -v exclude each other")
	}
	if cfg.LogFile != "" {
		f, err := os.OpenFile(cfg.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return withCode(exitFailed, fmt.Errorf("log.file: %w", err))
		}
		a.close = append(a.close, f.Close)
		var level slog.Level
		if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
			return usagef("log.level %q: want debug, info, warn or error", cfg.LogLevel)
		}
		a.log = slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: level}))
	}
	a.log.Info("start", "command", cmd.CommandPath())
	return nil
}

// sayf talks on standard error, unless -q.
func (a *app) sayf(format string, args ...any) {
	msg := clean(fmt.Sprintf(format, args...))
	a.log.Info(msg)
	if !a.flags.quiet && a.cfg.level() <= slog.LevelInfo {
		fmt.Fprintln(a.err, msg)
	}
}

// warnf warns on standard error, unless -q.
func (a *app) warnf(format string, args ...any) {
	msg := clean(fmt.Sprintf(format, args...))
	a.log.Warn(msg)
	if !a.flags.quiet && a.cfg.level() <= slog.LevelWarn {
		fmt.Fprintln(a.err, "warning: "+msg)
	}
}

// debugs reports whether debugf reaches anybody.
func (a *app) debugs() bool { return a.flags.verbose || a.cfg.level() <= slog.LevelDebug }

// debugf talks only with -v or log.level debug.
func (a *app) debugf(format string, args ...any) {
	msg := clean(fmt.Sprintf(format, args...))
	a.log.Debug(msg)
	if a.flags.verbose || (!a.flags.quiet && a.cfg.level() <= slog.LevelDebug) {
		fmt.Fprintln(a.err, msg)
	}
}

// printJSON writes v as one indented object to standard output.
func (a *app) printJSON(v any) error { return writeJSON(a.out, v) }

func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// head is what every --json output begins with.
type jsonHead struct {
	Schema  string  `json:"schema"`
	Tool    string  `json:"tool_version"`
	Seconds float64 `json:"seconds"`
}

// sortedKeys are the keys of m in order: output never follows map order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
