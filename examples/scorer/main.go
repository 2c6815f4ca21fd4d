// Command scorer scores a log as a library would: package ingest reads it,
// package score decides, no database is involved and nothing needs cgo.
//
//	go run ./examples/scorer access.log               the built-in model
//	go run ./examples/scorer access.log models/attack_classifier.apiml
//
// It prints one line per flagged request. `apiml score` does the same with more
// outputs; take this as the beginning of a program of your own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"apiml/features"
	"apiml/ingest"
	"apiml/model"
	"apiml/model/forest"
	"apiml/score"
	"apiml/score/builtin"
)

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		log.Fatal("usage: scorer LOG [MODEL]")
	}
	path := ""
	if len(os.Args) == 3 {
		path = os.Args[2]
	}
	if err := run(context.Background(), os.Stdout, os.Args[1], path); err != nil {
		log.Fatal(err)
	}
}

// run scores the log with the model in the file modelPath, "" = the built-in
// one.
func run(ctx context.Context, out io.Writer, logPath, modelPath string) error {
	scorer, err := load(modelPath)
	if err != nil {
		return err
	}
	rd, err := ingest.Open(logPath, os.Stdin, ingest.Options{}) // detects the format, redacts secrets
	if err != nil {
		return err
	}
	defer rd.Close()
	emit := func(rs []score.Result) error {
		for i := range rs {
			if r := &rs[i]; r.Flagged() {
				// %q: the text of a log is hostile, a terminal must not interpret it.
				if _, err := fmt.Fprintf(out, "%s:%d %s %.2f %s %q\n", r.File, r.Line, r.Class, r.Probability, r.Method, r.Target); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := rd.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := scorer.Push(b.Requests, emit); err != nil {
			return err
		}
	}
	if err := scorer.Flush(emit); err != nil {
		return err
	}
	s, c := scorer.Summary(), rd.Coverage()
	_, err = fmt.Fprintf(out, "%d lines read, %d parsed, %d rejected; %d flagged\n", c.Read, c.Parsed, c.Rejected, s.Flagged)
	return err
}

// load makes a scorer of a model file: the classifier, and the state of the
// features that it was fitted with.
func load(path string) (*score.Scorer, error) {
	var f *model.File
	var err error
	if path == "" {
		b, ferr := builtin.File("attack_classifier.apiml")
		if ferr != nil {
			return nil, ferr
		}
		f, err = model.ReadFile(b)
	} else {
		f, err = model.Load(path)
	}
	if err != nil {
		return nil, err
	}
	classifier, err := forest.Decode(f)
	if err != nil {
		return nil, err
	}
	b, err := f.U8("features.state")
	if err != nil {
		return nil, err
	}
	state, err := features.ParseState(b)
	if err != nil {
		return nil, err
	}
	threshold, ok := f.Header.Thresholds["attack"]
	if !ok {
		threshold = 0.5
	}
	return score.New(score.Config{State: state, Attack: classifier, Threshold: threshold, AnomalyThreshold: 1, Reasons: 3})
}
