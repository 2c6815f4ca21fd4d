package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"apiml/features"
	"apiml/frame"
	"apiml/generate"
	"apiml/ingest"
	"apiml/model/catalog"
	"apiml/score/builtin"
	"apiml/store"
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

// pretrainService is one service that the built-in models are trained on. Each
// is met cold, as score meets a new log: with an empty profile and empty
// windows, and each passes through package ingest, redaction and all.
type pretrainService struct {
	span     time.Duration // how long the same number of requests takes: busy and idle services
	combined bool          // seen as a combined log shows it, else with all that a rich log knows (body, latency, user, session)
	proxied  bool          // behind a balancer that hides the clients: only payloads tell anything
	profile  string        // what kind of service
	vary     bool          // under other names than those of the profile
}

func pretrainServices() []pretrainService {
	const hour, day = time.Hour, 24 * time.Hour
	return []pretrainService{
		{2 * day, true, false, "shop", false}, {2 * day, false, false, "site", true}, {3 * hour, true, false, "internal", true}, {12 * hour, false, false, "shop", true},
		{day, true, true, "site", false}, {6 * day, true, false, "mobile-api", true}, {12 * day, false, false, "internal", false}, {30 * time.Minute, false, true, "shop", true},
		{24 * day, true, false, "site", true}, {day, false, false, "shop", true}, {3 * day, true, true, "shop", true}, {5 * hour, false, true, "internal", true},
	}
}

// pretrain fits the models of requests with an online profile: a built-in model
// meets every API for the first time.
func (a *app) pretrain(dir string, cfg generate.Config) error {
	services := pretrainServices()
	all := &problem{Problem: &train.Problem{
		Name:      fmt.Sprintf("generated traffic of %d services (%s), seeds %d to %d", len(services), generate.Version, cfg.Seed, cfg.Seed+uint64(len(services))-1),
		Synthetic: true,
	}}
	var parts []*features.Dataset
	var labels []traffic.Label
	p := a.progress("generating", int64(len(services)))
	defer p.done()
	for i, service := range services {
		p.set(int64(i))
		one := cfg
		one.Seed, one.Normal, one.Attacks, one.Duration = cfg.Seed+uint64(i), cfg.Normal/len(services), cfg.Attacks/len(services), service.span
		one.Profile, one.Vary = service.profile, service.vary
		if service.proxied {
			one.Types = payloadTypes()
		}
		ds, err := a.generatedDataset(one, service)
		if err != nil {
			return err
		}
		parts = append(parts, ds)
		labels = append(labels, ds.Labels...)
		// One service after the other: a split in time is a split by service.
		shift := int64(i) * 90 * 24 * time.Hour.Microseconds()
		for r := range ds.Rows() {
			all.Groups = append(all.Groups, ds.Groups[r]^uint64(i)<<56)
			all.Times = append(all.Times, ds.Times[r]+shift)
			all.Hash = append(all.Hash, ds.Hash[r]^uint64(i)<<56)
		}
	}
	p.done()
	all.Rows = len(labels)
	all.label(labels)
	x := concat(parts)
	all.Fold = func(_ context.Context, fit, eval []int) (*frame.Matrix, *frame.Matrix, error) {
		return x.Select(fit), x.Select(eval), nil
	}
	all.state = features.Online
	all.data = provenance(all.Problem, nil)
	return a.pretrainModels(dir, all, cfg)
}

// payloadTypes are the attacks that show in one request.
func payloadTypes() []traffic.Label {
	return []traffic.Label{traffic.SQLInjection, traffic.XSS, traffic.PathTraversal, traffic.CommandInjection, traffic.Scanner, traffic.OtherAttack}
}

// generatedDataset renders generated traffic as a log, reads it back as score
// would, and computes its features with an online profile.
func (a *app) generatedDataset(cfg generate.Config, service pretrainService) (*features.Dataset, error) {
	b := features.NewBuilder(features.Config{Profile: features.OnlineProfile})
	var order features.Reorder
	add := func(block features.Block) error { b.Add(block.Requests); return nil }
	format, appendTo := "json", generate.AppendJSON
	if service.combined {
		format, appendTo = "combined", generate.AppendCombined
	}
	var text []byte
	var truth []traffic.Label
	err := generate.Run(a.ctx, cfg, func(reqs []traffic.Request, _ []string) error {
		for i := range reqs {
			if service.proxied {
				hideClient(&reqs[i], i)
			}
			text = append(appendTo(text, &reqs[i]), '\n')
			truth = append(truth, reqs[i].Label)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	rd, err := ingest.Open("-", bytes.NewReader(text), ingest.Options{Format: format})
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	for {
		batch, err := rd.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		for i := range batch.Requests {
			batch.Requests[i].Label = truth[batch.Requests[i].Line-1]
		}
		if err := order.Push(batch.Requests, add); err != nil {
			return nil, err
		}
	}
	if err := order.Flush(add); err != nil {
		return nil, err
	}
	if c := rd.Coverage(); c.Parsed != int64(len(truth)) {
		return nil, fmt.Errorf("pretrain: %d of %d generated %s lines parse", c.Parsed, len(truth), format)
	}
	return b.Dataset()
}

// hideClient shows a request as a log behind a balancer does: one of three
// addresses, nobody's name.
func hideClient(r *traffic.Request, i int) {
	r.Client, r.Forwarded, r.User, r.Session = fmt.Sprintf("10.0.0.%d", 1+i%3), "", "", ""
}

// concat puts the rows of datasets below each other.
func concat(parts []*features.Dataset) *frame.Matrix {
	n := 0
	for _, d := range parts {
		n += d.Rows()
	}
	x := frame.NewMatrix(parts[0].X.Schema, n)
	at := 0
	for _, d := range parts {
		for j, c := range d.X.Cols {
			copy(x.Cols[j][at:], c)
		}
		at += d.Rows()
	}
	return x
}

// pretrainModels fits, measures and writes the two models.
func (a *app) pretrainModels(dir string, pr *problem, cfg generate.Config) error {
	specs, err := catalog.Resolve([]string{"attack", "anomaly"})
	if err != nil {
		return err
	}
	// Small enough that all files together stay under builtin.MaxBytes.
	configs := map[string]json.RawMessage{
		"attack":  json.RawMessage(`{"trees": 60, "min_samples_leaf": 8, "class_weight": "none", "max_features": 5}`),
		"anomaly": json.RawMessage(`{"trees": 100}`),
	}
	a.cfg.ModelsDir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return withCode(exitFailed, err)
	}
	res := &trainResult{Models: []trainedModel{}, Skipped: []string{}}
	var size int64
	for _, s := range specs {
		tm, err := a.trainOne(pr, s, configs[s.Name], trainOptions{cv: a.cfg.CV, rate: pretrainFPR, noRowHashes: true}, train.GroupTime)
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
	others, err := a.pretrainRoles(cfg)
	if err != nil {
		return err
	}
	for _, tm := range others {
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

// pretrainFPR is the share of benign requests that the built-in threshold may
// flag. It is stricter than what train takes by default: nobody has looked at
// the log that a built-in model meets.
const pretrainFPR = 0.0005

// pretrainRoles fits the models that say what is usual rather than what is an
// attack: latency, forecast, cache, behavior. They stand for a service that is
// not the user's: a configuration and a prior, until train fits them.
func (a *app) pretrainRoles(cfg generate.Config) ([]*trainedModel, error) {
	tmp, err := os.MkdirTemp("", "apiml-pretrain")
	if err != nil {
		return nil, withCode(exitFailed, err)
	}
	defer os.RemoveAll(tmp)
	var out []*trainedModel
	for _, c := range []struct {
		model    string
		requests int
		config   string
	}{
		{"forecast", 60_000, `{}`},
		{"latency", 40_000, `{"rounds": 45, "max_depth": 4, "learning_rate": 0.15}`},
		{"cache", 40_000, `{}`},
		{"behavior", 12_000, `{}`},
	} {
		path := filepath.Join(tmp, c.model+".csv")
		if err := a.generate(generateOptions{output: path}, generate.Config{Seed: cfg.Seed, Normal: c.requests - c.requests/50, Attacks: c.requests / 50, Duration: 14 * 24 * time.Hour}); err != nil {
			return nil, err
		}
		src, err := a.openSource([]string{path}, nil)
		if err != nil {
			return nil, err
		}
		src.title = fmt.Sprintf("generated traffic (%s), seed %d: a prior, not your service", generate.Version, cfg.Seed)
		src.synth[store.KindHTTP] = true
		specs, err := catalog.Resolve([]string{c.model})
		if err != nil {
			return nil, err
		}
		tm, why, err := a.trainRole(src, specs[0], json.RawMessage(c.config), trainOptions{cv: a.cfg.CV, noRowHashes: true})
		if err != nil {
			return nil, err
		}
		if tm == nil {
			return nil, fmt.Errorf("pretrain %s: %s", c.model, why)
		}
		out = append(out, tm)
	}
	return out, nil
}
