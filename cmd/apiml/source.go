package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"apiml/features"
	"apiml/frame"
	"apiml/ingest"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/store"
	"apiml/traffic"
	"apiml/train"
)

// source is where records for training and evaluation come from: the store, or
// files given with --data.
type source struct {
	a      *app
	st     *store.Store // nil with files
	files  []string
	truth  []string // parallel to files: labels by line, "" = none
	inputs []model.InputRef
	kinds  map[string]int64 // "http", "flows" → records
	title  string           // takes the place of names if it is set
	names  []string         // formats of public data sets, else file names
	synth  map[string]bool  // kind → some of it was generated
	only   string           // "flows" if the data hold no requests, which peek has seen

	first, last int64 // span of the times that ordered saw, microseconds UTC, 0 = none
}

// openSource opens the store, or checks the files.
func (a *app) openSource(files, truth []string) (*source, error) {
	s := &source{a: a, files: files, truth: truth, kinds: map[string]int64{}, synth: map[string]bool{}}
	if len(truth) > 0 && len(truth) != len(files) {
		return nil, usagef("%d --truth for %d --data: want one each, in the same order", len(truth), len(files))
	}
	if len(files) > 0 {
		if a.flags.since != "" || a.flags.until != "" {
			return nil, usagef("--since and --until are for the store, not for --data")
		}
		if err := a.prepareRules(files, ""); err != nil {
			return nil, err
		}
		return s, nil
	}
	st, err := a.openExisting()
	if err != nil {
		return nil, err
	}
	s.st = st
	if err := a.setWindow(st); err != nil {
		st.Close()
		return nil, err
	}
	inputs, err := st.Inputs(a.ctx)
	if err != nil {
		st.Close()
		return nil, storeError(err)
	}
	for _, in := range inputs {
		s.inputs = append(s.inputs, model.InputRef{Name: in.Name, SHA256: in.SHA256})
		s.kinds[in.Kind] += in.Parsed
		s.synth[in.Kind] = s.synth[in.Kind] || in.Synthetic
		s.names = appendOnce(s.names, sourceName(in.Name, in.Format))
	}
	return s, nil
}

// peek looks into the beginning of the files for the kind of their records.
func (s *source) peek() error {
	http, flows := s.kinds[store.KindHTTP] > 0, s.kinds[store.KindFlows] > 0
	for _, path := range s.files {
		if path == "-" {
			return nil
		}
		rd, err := s.a.openInput(path, "", false, ingest.Options{})
		if err != nil {
			return err
		}
		b, err := rd.Next()
		rd.Close()
		if err == nil {
			http, flows = http || len(b.Requests) > 0, flows || len(b.Flows) > 0
		}
	}
	if flows && !http {
		s.only = store.KindFlows
	}
	return nil
}

// twins puts the models of network flows in the place of those of requests where
// the data holds flows only: who asks for the attack classifier means the one
// that this data can feed.
func (s *source) twins(specs []model.Spec, explicit bool) ([]model.Spec, error) {
	if err := s.peek(); err != nil {
		return nil, err
	}
	if !explicit || s.only != store.KindFlows {
		return specs, nil
	}
	var out []model.Spec
	for _, spec := range specs {
		if twin, err := catalog.Resolve([]string{spec.Name + "-flows"}); err == nil {
			s.a.sayf("the data holds network flows only: %s stands for %s", spec.Name, twin[0].Name)
			spec = twin[0]
		}
		if !slices.ContainsFunc(out, func(o model.Spec) bool { return o.Name == spec.Name }) {
			out = append(out, spec)
		}
	}
	return out, nil
}

func (s *source) Close() {
	if s.st != nil {
		s.st.Close()
	}
}

func sourceName(path, format string) string {
	switch format {
	case "csic2010", "csic2010-csv", "cicids2017":
		return format
	}
	return filepath.Base(path)
}

// name describes the source in one short line.
func (s *source) name() string {
	if s.title != "" {
		return s.title
	}
	if len(s.names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(s.names[:3], ", "), len(s.names)-3)
	}
	return strings.Join(s.names, ", ")
}

// records calls one of the two for every record, in the order of the store
// (event time) or of the files.
func (s *source) records(ctx context.Context, reqs func([]traffic.Request) error, flows func([]traffic.Flow) error) error {
	if s.st != nil {
		if reqs != nil {
			if err := s.st.ScanRequests(ctx, s.a.window, reqs); err != nil {
				return err
			}
		}
		if flows != nil {
			return s.st.ScanFlows(ctx, flows)
		}
		return nil
	}
	s.inputs, s.names = nil, nil
	for i, path := range s.files {
		var labels map[int64]traffic.Label
		if i < len(s.truth) && s.truth[i] != "" {
			var err error
			if labels, err = readTruth(s.truth[i]); err != nil {
				return withCode(exitInput, err)
			}
		}
		if err := s.file(ctx, path, labels, reqs, flows); err != nil {
			return err
		}
	}
	return nil
}

func (s *source) file(ctx context.Context, path string, labels map[int64]traffic.Label, reqs func([]traffic.Request) error, flows func([]traffic.Flow) error) error {
	sum := ""
	if path != "-" {
		fp, err := ingest.Identify(path, nil)
		if err != nil {
			return withCode(exitInput, err)
		}
		sum = fp.SHA256
	}
	rd, err := s.a.openInput(path, "", false, ingest.Options{})
	if err != nil {
		return err
	}
	defer rd.Close()
	s.inputs = append(s.inputs, model.InputRef{Name: path, SHA256: sum})
	s.names = appendOnce(s.names, sourceName(path, rd.Format()))
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := rd.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return withCode(exitInput, err)
		}
		switch {
		case len(b.Requests) > 0 && reqs != nil:
			s.kinds[store.KindHTTP] += int64(len(b.Requests))
			for i := range b.Requests {
				if l, ok := labels[b.Requests[i].Line]; ok {
					b.Requests[i].Label = l
				}
			}
			err = reqs(b.Requests)
		case len(b.Flows) > 0 && flows != nil:
			s.kinds[store.KindFlows] += int64(len(b.Flows))
			err = flows(b.Flows)
		}
		if err != nil {
			return err
		}
	}
}

// problem is what a model is trained on, with what its file has to carry.
type problem struct {
	*train.Problem
	data  model.Provenance
	state func() *features.State // state of the last Fold; nil for flows
	text  *features.TextModel    // that the rows were read with; nil for flows
	// conduct is the file of the classifier of conduct, nil = the built-in one.
	conduct []byte

	files   []string
	origin  []origin // of each row, into files; nil = not known
	keep    []int    // what distinct kept of all rows; nil = all
	dropped int      // repeated rows without a time that were left out
}

// origin is where a row stands.
type origin struct {
	file int32 // index into files
	line int64
}

// origins collects where rows stand.
type origins struct {
	files []string
	rows  []origin
	at    map[string]int32
}

func (o *origins) add(file string, line int64) {
	i, ok := o.at[file]
	if !ok {
		if o.at == nil {
			o.at = map[string]int32{}
		}
		i = int32(len(o.files))
		file = strings.Clone(file)
		o.at[file] = i
		o.files = append(o.files, file)
	}
	o.rows = append(o.rows, origin{i, line})
}

// coded numbers the values of a field.
type coded struct {
	name string
	code []int32
	at   map[string]int32
}

func (c *coded) add(v string) {
	i, ok := c.at[v]
	if !ok {
		if c.at == nil {
			c.at = map[string]int32{}
		}
		i = int32(len(c.at))
		c.at[strings.Clone(v)] = i
	}
	c.code = append(c.code, i)
}

// prefixRows is how many requests the audit looks at twice, once without the
// later ones.
const prefixRows = 3000

// httpProblem reads all requests into a training problem, nil if there are none.
func (s *source) httpProblem(ctx context.Context, profile features.Profile) (*problem, error) {
	text := builtinText()
	b := features.NewBuilder(features.Config{Profile: profile, Text: text})
	first := features.NewBuilder(features.Config{Profile: profile, Text: text})
	var order features.Reorder
	var from origins
	fields := []coded{{name: "user agent"}, {name: "referrer"}, {name: "protocol"}, {name: "host"}}
	seen := 0
	add := func(block features.Block) error {
		b.Add(block.Requests)
		if seen < prefixRows {
			first.Add(block.Requests[:min(len(block.Requests), prefixRows-seen)])
		}
		seen += len(block.Requests)
		for i := range block.Requests {
			r := &block.Requests[i]
			from.add(r.File, r.Line)
			for j, v := range []string{r.Agent, r.Referrer, r.Protocol, r.Host} {
				fields[j].add(v)
			}
		}
		return nil
	}
	p := s.a.progress("reading requests", s.kinds[store.KindHTTP])
	defer p.done()
	var n int64
	err := s.records(ctx, func(reqs []traffic.Request) error {
		n += int64(len(reqs))
		p.set(n)
		return order.Push(reqs, add)
	}, nil)
	if err == nil {
		err = order.Flush(add)
	}
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, nil
	}
	pr, err := datasetProblem(b, text, s.name(), s.synth[store.KindHTTP], s.inputs)
	if err != nil {
		return nil, err
	}
	pr.files, pr.origin = from.files, pr.kept(from.rows)
	for _, f := range fields {
		if len(f.at) > 1 {
			pr.Fields = append(pr.Fields, train.Field{Name: f.name, Code: keptOf(pr, f.code)})
		}
	}
	pre, err := first.Dataset()
	if err != nil {
		return nil, err
	}
	whole := pr.Whole
	pr.Prefix = func(context.Context) (*frame.Matrix, *frame.Matrix, error) { return whole(), pre.X, nil }
	return pr, nil
}

// keptOf picks what distinct kept of a column of all rows.
func keptOf[T any](p *problem, all []T) []T {
	if p.keep == nil {
		return all
	}
	return pick(all, p.keep)
}

func (p *problem) kept(all []origin) []origin { return keptOf(p, all) }

// datasetProblem makes the problem of what a builder has taken in.
func datasetProblem(b *features.Builder, text *features.TextModel, name string, synthetic bool, inputs []model.InputRef) (*problem, error) {
	ds, err := b.Dataset()
	if err != nil {
		return nil, withCode(exitInput, err)
	}
	var mu sync.Mutex // folds may be made at the same time
	var last *features.State
	pr := &problem{
		Problem: &train.Problem{
			Name: name, Rows: ds.Rows(), Groups: ds.Groups, Times: knownTimes(ds.Times), Hash: ds.Hash, Synthetic: synthetic,
			Fold: func(ctx context.Context, trainRows, test []int) (*frame.Matrix, *frame.Matrix, error) {
				f, err := ds.Fold(ctx, trainRows, test)
				if err != nil {
					return nil, nil, err
				}
				mu.Lock()
				last = f.State
				mu.Unlock()
				return f.Fit, f.Eval, nil
			},
			Whole: func() *frame.Matrix { return ds.X },
		},
		state: func() *features.State { return last },
		text:  text,
	}
	pr.label(ds.Labels)
	pr.distinct()
	pr.data = provenance(pr.Problem, inputs)
	return pr, nil
}

// flowProblem reads all flows into a training problem, nil if there are none.
func (s *source) flowProblem(ctx context.Context) (*problem, error) {
	b := features.NewFlowBuilder(false)
	var from origins
	var class []string
	names := map[string]string{}
	p := s.a.progress("reading flows", s.kinds[store.KindFlows])
	defer p.done()
	var n int64
	err := s.records(ctx, nil, func(flows []traffic.Flow) error {
		n += int64(len(flows))
		p.set(n)
		b.Add(flows)
		for i := range flows {
			from.add(flows[i].File, flows[i].Line)
			c := flowClass(&flows[i])
			if _, ok := names[c]; !ok {
				names[strings.Clone(c)] = strings.Clone(c)
			}
			class = append(class, names[c])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, nil
	}
	ds, err := b.Dataset()
	if err != nil {
		return nil, withCode(exitInput, err)
	}
	pr := &problem{Problem: &train.Problem{
		Name: s.name(), Rows: ds.Rows(), Groups: ds.Groups, Times: knownTimes(ds.Times), Hash: ds.Hash, Synthetic: s.synth[store.KindFlows],
		Fold: func(ctx context.Context, trainRows, test []int) (*frame.Matrix, *frame.Matrix, error) {
			f, err := ds.Fold(ctx, trainRows, test)
			return f.Fit, f.Eval, err
		},
		Whole: func() *frame.Matrix { return ds.X },
	}}
	pr.labelNames(class)
	pr.distinct()
	pr.files, pr.origin = from.files, pr.kept(from.rows)
	pr.data = provenance(pr.Problem, s.inputs)
	return pr, nil
}

// distinct keeps the first of equal rows where the rows have no time. There a
// repeated row says nothing about how often a thing happens: it is the way the
// data set was made (CSIC 2010 holds some pages 1,000 times, word for word), and
// it would stand on both sides of a random split. Rows with a time stay: a flood
// is made of them.
func (p *problem) distinct() {
	if p.Times != nil {
		return
	}
	seen := make(map[uint64]struct{}, p.Rows)
	var keep []int
	for i, h := range p.Hash {
		if _, ok := seen[h]; !ok {
			seen[h] = struct{}{}
			keep = append(keep, i)
		}
	}
	if len(keep) == p.Rows {
		return
	}
	p.dropped = p.Rows - len(keep)
	full := p.Fold
	at := func(rows []int) []int {
		out := make([]int, len(rows))
		for i, r := range rows {
			out[i] = keep[r]
		}
		return out
	}
	p.Fold = func(ctx context.Context, trainRows, test []int) (*frame.Matrix, *frame.Matrix, error) {
		return full(ctx, at(trainRows), at(test))
	}
	p.keep = keep
	p.Rows, p.Groups, p.Hash = len(keep), pick(p.Groups, keep), pick(p.Hash, keep)
	if p.Labels != nil {
		p.Labels = pick(p.Labels, keep)
	}
}

// label turns labels into class indices, the classes in table order. Without
// any label the problem has none.
func (p *problem) label(labels []traffic.Label) {
	seen := map[traffic.Label]int32{}
	for _, l := range labels {
		seen[l] = 0
	}
	delete(seen, traffic.Unlabelled)
	if len(seen) == 0 {
		return
	}
	for _, l := range traffic.Labels() {
		if _, ok := seen[l]; ok {
			seen[l] = int32(len(p.Classes))
			p.Classes = append(p.Classes, l.String())
		}
	}
	p.Labels = make([]int32, len(labels))
	for i, l := range labels {
		p.Labels[i] = -1
		if l != traffic.Unlabelled {
			p.Labels[i] = seen[l]
		}
	}
}

// flowClass is the data set's own label of a flow, "none" for benign, "" if it
// has none.
func flowClass(f *traffic.Flow) string {
	if f.Label == traffic.None {
		return traffic.None.String()
	}
	if f.Class == "" {
		return f.Label.String()
	}
	return f.Class
}

// labelNames is label for a data set's own labels: benign first, the others in
// alphabetical order, "" = unknown.
func (p *problem) labelNames(labels []string) {
	seen := map[string]int32{}
	for _, l := range labels {
		seen[l] = 0
	}
	delete(seen, "")
	if len(seen) == 0 {
		return
	}
	names := sortedKeys(seen)
	none := traffic.None.String()
	if _, ok := seen[none]; ok {
		names = append([]string{none}, slices.DeleteFunc(names, func(n string) bool { return n == none })...)
	}
	p.Classes = names
	for i, n := range names {
		seen[n] = int32(i)
	}
	p.Labels = make([]int32, len(labels))
	for i, l := range labels {
		p.Labels[i] = -1
		if l != "" {
			p.Labels[i] = seen[l]
		}
	}
}

// knownTimes returns nil if no row has a time.
func knownTimes(times []int64) []int64 {
	for _, t := range times {
		if t != traffic.NoTime {
			return times
		}
	}
	return nil
}

func provenance(p *train.Problem, inputs []model.InputRef) model.Provenance {
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for _, t := range p.Times {
		if t != traffic.NoTime {
			first, last = min(first, t), max(last, t)
		}
	}
	if first > last {
		first, last = 0, 0
	}
	return model.Provenance{Source: p.Name, Synthetic: p.Synthetic, First: first, Last: last, Fingerprint: fingerprint(p.Hash), Inputs: inputs}
}
