// Command apiml is an offline log-analytics toolkit for people who run HTTP
// APIs: access logs in, trained models, scored lines, forecasts and reports
// out. It opens no socket.
//
// This package holds the subcommands, one file each, the configuration, and
// the only os.Exit. Everything that computes lives in the packages below it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(realMain()) }

func realMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A reader that goes away (apiml score … | head) must reach us as an error, so
	// that nothing half-written is left.
	signal.Ignore(syscall.SIGPIPE)
	return run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.LookupEnv)
}
