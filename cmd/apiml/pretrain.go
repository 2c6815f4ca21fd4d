package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"apiml/evaluate"
	"apiml/features"
	"apiml/frame"
	"apiml/generate"
	"apiml/ingest"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/model/forest"
	"apiml/score/builtin"
	"apiml/store"
	"apiml/traffic"
	"apiml/train"
)

// pretrainCommand makes the built-in models. It is for the Makefile: hidden.
func (a *app) pretrainCommand() *cobra.Command {
	var normal, attacks int
	var pack bool
	cmd := &cobra.Command{
		Use:    "pretrain DIR",
		Short:  "Train the built-in models on generated traffic (make pretrained)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := a.pretrain(args[0], generate.Config{Normal: normal, Attacks: attacks, Seed: a.cfg.Seed}); err != nil || !pack {
				return err
			}
			return a.pack(args[0])
		},
	}
	cmd.Flags().IntVar(&normal, "normal", 200_000, "benign requests")
	cmd.Flags().BoolVar(&pack, "pack", false, "compress the files, as package builtin embeds them")
	cmd.Flags().IntVar(&attacks, "attacks", 60_000, "attack requests")
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
	shared   int           // 1: many clients share an address; 2: each request comes from any of them, with any of a few agents
}

func pretrainServices() []pretrainService {
	const hour, day = time.Hour, 24 * time.Hour
	return []pretrainService{
		{2 * day, true, false, "shop", false, 0}, {2 * day, false, false, "site", true, 0}, {3 * hour, true, false, "internal", true, 0}, {12 * hour, false, false, "shop", true, 0},
		{day, true, true, "site", false, 0}, {6 * day, true, false, "mobile-api", true, 0}, {12 * day, false, false, "internal", false, 0}, {30 * time.Minute, false, true, "shop", true, 0},
		{24 * day, true, false, "site", true, 0}, {day, false, false, "shop", true, 0}, {3 * day, true, true, "shop", true, 0}, {5 * hour, false, true, "internal", true, 0},
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
	text, held, err := a.pretrainText(cfg, services)
	if err != nil {
		return err
	}
	var parts []*features.Dataset
	var labels []traffic.Label
	p := a.progress("generating", int64(len(services)))
	defer p.done()
	for i, service := range services {
		p.set(int64(i))
		one := pretrainTraffic(cfg, i, service)
		ds, err := a.generatedDataset(one, service, held[i%len(held)], text)
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
	all.state = func() *features.State { return features.Online(text) }
	all.text = text
	all.data = provenance(all.Problem, nil)
	if all.conduct, err = a.pretrainConduct(cfg, services); err != nil {
		return err
	}
	return a.pretrainModels(dir, all, cfg)
}

// conductFactor is how much more traffic than the attack classifier, and of how
// many more spans, the classifier of conduct is fitted on: its rows are clients
// more than requests.
const conductFactor = 4

// pretrainConduct fits the classifier of conduct on traffic of the services in
// which clients can be told apart, busy and idle, with few attacks, all of the
// types that show in many requests; and on honest traffic of the same services
// in which many clients share few addresses. It returns the model's file.
func (a *app) pretrainConduct(cfg generate.Config, services []pretrainService) ([]byte, error) {
	p := a.progress("conduct", int64(len(services)*3+1))
	defer p.done()
	x := &frame.Matrix{Schema: features.ConductSchema(), Cols: make([][]float32, len(features.ConductSchema().Columns)), Classes: []string{traffic.None.String()}}
	for _, l := range conductTypes() {
		x.Classes = append(x.Classes, l.String())
	}
	for i, service := range services {
		for rep := range 3 {
			p.set(int64(3*i + rep))
			if service.proxied {
				if rep < 2 {
					continue
				}
				service.proxied = false
			}
			one := pretrainTraffic(cfg, i, service)
			one.Seed += uint64(5000 + 100*rep)
			one.Types = conductTypes()
			one.Normal *= conductFactor
			one.Attacks = one.Normal / 16
			one.Duration *= time.Duration(1 + 2*rep)
			if rep > 0 { // the same span and look with other endpoints
				profiles := generate.Profiles()
				one.Profile, one.Vary = profiles[(i+rep)%len(profiles)], true
			}
			if rep == 2 {
				one.Attacks, service.shared = 0, 1+i%2
			}
			ds, err := a.generatedDataset(one, service, nil, nil)
			if err != nil {
				return nil, err
			}
			for j, col := range features.Conduct(ds.X).Cols {
				x.Cols[j] = append(x.Cols[j], col...)
			}
			for _, l := range ds.Labels {
				x.Class = append(x.Class, int32(max(slices.Index(x.Classes, l.String()), 0)))
			}
		}
	}
	x.N = len(x.Class)
	p.set(int64(3 * len(services)))
	c := forest.Default()
	c.Trees, c.MinSamplesLeaf, c.ClassWeight = 30, 40, "none"
	m, err := forest.Fit(a.ctx, x, c, model.FitOptions{Seed: cfg.Seed})
	if err != nil {
		return nil, err
	}
	f := &model.File{}
	if err := m.Encode(f); err != nil {
		return nil, err
	}
	f.Header.Name, f.Header.Tool = "conduct", "apiml "+toolVersion
	f.Header.Data = model.Provenance{Source: "generated traffic (" + generate.Version + ")", Synthetic: true, Rows: x.N}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// conductTypes are the attacks that show in many requests.
func conductTypes() []traffic.Label {
	return []traffic.Label{traffic.CredentialStuffing, traffic.DDoS, traffic.DataScraping, traffic.BrokenAuth, traffic.APIAbuse, traffic.Scanner}
}

// payloadTypes are the attacks that show in one request.
func payloadTypes() []traffic.Label {
	return []traffic.Label{traffic.SQLInjection, traffic.XSS, traffic.PathTraversal, traffic.CommandInjection, traffic.Scanner, traffic.OtherAttack}
}

// generatedDataset renders generated traffic as a log, reads it back as score
// would, and computes its features with an online profile.
func (a *app) generatedDataset(cfg generate.Config, service pretrainService, held, final *features.TextModel) (*features.Dataset, error) {
	b := features.NewBuilder(features.Config{Profile: features.OnlineProfile, Text: held})
	var order features.Reorder
	add := func(block features.Block) error { b.Add(block.Requests); return nil }
	err := a.generatedRequests(cfg, service, func(reqs []traffic.Request) error { return order.Push(reqs, add) })
	if err == nil {
		err = order.Flush(add)
	}
	if err != nil {
		return nil, err
	}
	ds, err := b.Dataset()
	if err == nil {
		ds.X.Schema = features.HTTPSchema(features.Online(final)) // the columns mean the same
	}
	return ds, err
}

// generatedRequests renders generated traffic as a log and reads it back, with
// its labels.
func (a *app) generatedRequests(cfg generate.Config, service pretrainService, f func([]traffic.Request) error) error {
	format, appendTo := "json", generate.AppendJSON
	if service.combined {
		format, appendTo = "combined", generate.AppendCombined
	}
	var text []byte
	var truth []traffic.Label
	var agents []string
	rng := rand.New(rand.NewPCG(cfg.Seed, 77))
	err := generate.Run(a.ctx, cfg, func(reqs []traffic.Request, _ []string) error {
		for i := range reqs {
			if service.proxied {
				hideClient(&reqs[i], i)
			}
			if service.shared > 0 {
				if len(agents) < sharedAgents && reqs[i].Agent != "" {
					agents = append(agents, reqs[i].Agent)
				}
				shareAddress(&reqs[i], service.shared == 2, cfg.Seed, rng)
				if service.shared == 2 && len(agents) == sharedAgents {
					reqs[i].Agent = agents[rng.IntN(len(agents))]
				}
			}
			text = append(appendTo(text, &reqs[i]), '\n')
			truth = append(truth, reqs[i].Label)
		}
		return nil
	})
	if err != nil {
		return err
	}
	rd, err := ingest.Open("-", bytes.NewReader(text), ingest.Options{Format: format})
	if err != nil {
		return err
	}
	defer rd.Close()
	for {
		batch, err := rd.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		for i := range batch.Requests {
			batch.Requests[i].Label = truth[batch.Requests[i].Line-1]
		}
		if err := f(batch.Requests); err != nil {
			return err
		}
	}
	if c := rd.Coverage(); c.Parsed != int64(len(truth)) {
		return fmt.Errorf("pretrain: %d of %d generated %s lines parse", c.Parsed, len(truth), format)
	}
	return nil
}

// pretrainTraffic is what a service's share of the traffic is.
func pretrainTraffic(cfg generate.Config, i int, service pretrainService) generate.Config {
	n := len(pretrainServices())
	cfg.Seed, cfg.Normal, cfg.Attacks, cfg.Duration = cfg.Seed+uint64(i), cfg.Normal/n, cfg.Attacks/n, service.span
	cfg.Profile, cfg.Vary = service.profile, service.vary
	if i%2 == 0 { // editors and consoles
		cfg.Hard = 0.4
	}
	if service.proxied {
		cfg.Types = payloadTypes()
	}
	return cfg
}

// textParts is into how many parts the services are divided for the text model:
// the classifier is fitted on what a text model says that has not seen the
// service, else it would trust the text model blindly.
const textParts = 4

// textFactor is how much more traffic the text model is fitted on than the
// classifier, per service.
const textFactor = 2

// pretrainText fits the text model: on all services, and for each part of them
// on the others. Its calibration comes from what the latter say of the services
// that they have not seen.
func (a *app) pretrainText(cfg generate.Config, services []pretrainService) (all *features.TextModel, held []*features.TextModel, err error) {
	p := a.progress("text model", int64(len(services)+textParts+1))
	defer p.done()
	samples := make([]*features.TextSamples, textParts+1)
	for k := range samples {
		samples[k] = features.NewTextSamples()
	}
	for i, service := range services {
		p.set(int64(i))
		one := pretrainTraffic(cfg, i, service)
		one.Seed += 1000
		one.Types = payloadTypes()
		one.Normal, one.Attacks = one.Normal*textFactor, one.Attacks*textFactor
		err := a.generatedRequests(one, service, func(reqs []traffic.Request) error {
			for k, s := range samples {
				if k != i%textParts {
					s.Add(reqs)
				}
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	models := make([]*features.TextModel, len(samples))
	for k, s := range samples {
		p.set(int64(len(services) + k))
		if models[k], err = features.FitText(a.ctx, s, features.TextConfig{Seed: cfg.Seed}); err != nil {
			return nil, nil, err
		}
		samples[k] = nil
	}
	var odds []float64
	var attack []bool
	for i, service := range services {
		one := pretrainTraffic(cfg, i, service)
		one.Seed += 2000
		one.Types = payloadTypes()
		sc := features.NewTextScorer(models[i%textParts])
		err := a.generatedRequests(one, service, func(reqs []traffic.Request) error {
			for r := range reqs {
				if l := reqs[r].Label; l == traffic.None || slices.Contains(features.TextClasses(), l) {
					any, _ := sc.Score(&reqs[r])
					odds, attack = append(odds, float64(any)), append(attack, l.Attack())
				}
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	offset, slope := evaluate.Platt(odds, attack, textPrior)
	if all, err = models[textParts].Calibrated(offset, slope); err != nil {
		return nil, nil, err
	}
	for _, m := range models[:textParts] {
		if m, err = m.Calibrated(offset, slope); err != nil {
			return nil, nil, err
		}
		held = append(held, m)
	}
	return all, held, nil
}

// textPrior is the share of attacks for which the text's probability is meant:
// far fewer than in generated traffic, and far more than in most logs.
const textPrior = 0.02

// hideClient shows a request as a log behind a balancer does: one of three
// addresses, nobody's name.
func hideClient(r *traffic.Request, i int) {
	r.Client, r.Forwarded, r.User, r.Session = fmt.Sprintf("10.0.0.%d", 1+i%3), "", "", ""
}

// sharedAgents is the number of agents among which roaming requests change.
const sharedAgents = 16

// shareAddress puts a client behind one of a few hundred addresses, of which the
// most frequent carry most: carriers and companies behind gateways. With
// roaming, each request takes another way out.
func shareAddress(r *traffic.Request, roaming bool, seed uint64, rng *rand.Rand) {
	h := fnv.New64a()
	h.Write([]byte(r.Client + r.Agent))
	at := h.Sum64() * 0x9e3779b97f4a7c15 // FNV's upper bits are poor
	if roaming {
		at = rng.Uint64()
	}
	u := float64(at>>11) / (1 << 53)
	n := uint32(math.Exp(u * math.Log(400))) // a Zipf of exponent 1
	r.Client = fmt.Sprintf("%d.%d.%d.%d", 60+(n*37+uint32(seed)*11)%120, n*71%250, n*13%250, 1+n%250)
	r.Forwarded, r.User, r.Session = "", "", ""
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
	for _, s := range specs {
		tm, err := a.trainOne(pr, s, configs[s.Name], trainOptions{cv: a.cfg.CV, rate: pretrainFPR, noRowHashes: true}, train.GroupTime)
		if err != nil {
			return err
		}
		if err := os.Chmod(tm.File, 0o644); err != nil {
			return err
		}
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
		res.Models = append(res.Models, *tm)
	}
	return a.printTrained(res)
}

// pack compresses the model files of a folder in place.
func (a *app) pack(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.apiml"))
	if err != nil {
		return err
	}
	size := 0
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			return withCode(exitFailed, err)
		}
		if b, err = builtin.Pack(b); err != nil {
			return err
		}
		size += len(b)
		if err := os.WriteFile(path+builtin.Extension, b, 0o644); err != nil {
			return withCode(exitFailed, err)
		}
		if err := os.Remove(path); err != nil {
			return withCode(exitFailed, err)
		}
	}
	if size > builtin.MaxBytes {
		return withCode(exitFailed, fmt.Errorf("the built-in files take %s bytes, more than %s", count(int64(size)), count(builtin.MaxBytes)))
	}
	a.sayf("%s bytes in %s", count(int64(size)), dir)
	return nil
}

// pretrainFPR is the share of benign requests that the built-in threshold may
// flag. Half of the services that the threshold is set on carry honest text that
// looks like an attack in four of ten requests of pages and calls: far more than a log
// has, which sees a fraction of this rate. It is stricter than what train takes by
// default: nobody has looked at the log that a built-in model meets.
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
		{"behavior", 30_000, `{}`},
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
