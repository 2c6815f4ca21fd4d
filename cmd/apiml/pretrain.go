package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"apiml/features"
	"apiml/generate"
	"apiml/model/catalog"
	"apiml/score/builtin"
	"apiml/traffic"
	"apiml/train"
)

// pretrainCommand makes the built-in models. It is for the Makefile: hidden.
func (a *app) pretrainCommand() *cobra.Command {
	var normal, attacks int
	cmd := &cobra.Command{
		Use:    "pretrain DIR",
		Short:  "Train the built-in models on generated traffic (make pretrained)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.pretrain(args[0], generate.Config{Normal: normal, Attacks: attacks, Seed: a.cfg.Seed})
		},
	}
	cmd.Flags().IntVar(&normal, "normal", 160_000, "benign requests")
	cmd.Flags().IntVar(&attacks, "attacks", 40_000, "attack requests")
	return cmd
}

// pretrain fits the models of requests with an online profile: a built-in model
// meets every API for the first time.
func (a *app) pretrain(dir string, cfg generate.Config) error {
	b := features.NewBuilder(features.Config{Profile: features.OnlineProfile})
	var order features.Reorder
	add := func(block features.Block) error { b.Add(block.Requests); return nil }
	p := a.progress("generating", int64(cfg.Normal+cfg.Attacks))
	defer p.done()
	var n int64
	err := generate.Run(a.ctx, cfg, func(reqs []traffic.Request, _ []string) error {
		n += int64(len(reqs))
		p.set(n)
		return order.Push(reqs, add)
	})
	if err == nil {
		err = order.Flush(add)
	}
	if err != nil {
		return err
	}
	p.done()
	name := fmt.Sprintf("generated traffic, seed %d, %d benign and %d attack requests", cfg.Seed, cfg.Normal, cfg.Attacks)
	pr, err := datasetProblem(b, name, true, nil)
	if err != nil {
		return err
	}
	specs, err := catalog.Resolve([]string{"attack", "anomaly"})
	if err != nil {
		return err
	}
	// Small enough that all files together stay under builtin.MaxBytes.
	configs := map[string]json.RawMessage{
		"attack":  json.RawMessage(`{"Trees": 60, "MinSamplesLeaf": 8, "MaxDepth": 16}`),
		"anomaly": json.RawMessage(`{"Trees": 100}`),
	}
	a.cfg.ModelsDir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return withCode(exitFailed, err)
	}
	res := &trainResult{Models: []trainedModel{}, NotAvailable: []string{}, Skipped: []string{}}
	var size int64
	for _, s := range specs {
		tm, err := a.trainOne(pr, s, configs[s.Name], trainOptions{cv: a.cfg.CV, rate: 0.001, noRowHashes: true}, train.GroupTime)
		if err != nil {
			return err
		}
		if err := os.Chmod(tm.File, 0o644); err != nil {
			return err
		}
		st, err := os.Stat(tm.File)
		if err != nil {
			return err
		}
		size += st.Size()
		res.Models = append(res.Models, *tm)
	}
	if err := a.printTrained(res); err != nil {
		return err
	}
	if size > builtin.MaxBytes {
		return withCode(exitFailed, fmt.Errorf("the built-in files take %s bytes, more than %s", count(size), count(builtin.MaxBytes)))
	}
	a.sayf("%s bytes in %s", count(size), dir)
	return nil
}
