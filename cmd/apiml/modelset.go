package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"apiml/features"
	"apiml/frame"
	"apiml/model"
	"apiml/model/catalog"
	"apiml/model/forest"
	"apiml/score"
	"apiml/score/builtin"
)

// Arrays that cmd adds to a model file besides the model's own.
const (
	arrayState   = "features.state" // U8: features.State
	arrayHoldOut = "holdout.rows"   // U64: hashes of the held-out rows
	arrayConduct = "conduct.model"  // U8: model file of the classifier of conduct
	arrayTrained = "train.rows"     // U64: hashes of the rows that it was fitted on
)

// loadedModel is a model file with what it decodes to.
type loadedModel struct {
	spec  model.Spec
	file  *model.File
	model model.Model
	state *features.State // of the classifier and the detector of requests, else nil
	// conduct is the classifier of conduct that the attack classifier brings, else nil.
	conduct model.Classifier
	// latency is the state of the latency predictor, else nil.
	latency *features.LatencyState
	origin  string // path, or "built-in"
}

// defaultThreshold is the attack probability from which a request is flagged if
// the model file names none.
const defaultThreshold = 0.5

// threshold returns a named threshold of the file, or def.
func (m *loadedModel) threshold(name string, def float64) float64 {
	if v, ok := m.file.Header.Thresholds[name]; ok {
		return v
	}
	return def
}

// errNoModel says that there is neither a file nor a built-in model.
var errNoModel = errors.New("no model")

// loadModel reads the model of spec from the models folder; if it has none,
// and builtins is set, the one built into the program.
func (a *app) loadModel(spec model.Spec, builtins bool) (*loadedModel, error) {
	path := filepath.Join(a.cfg.ModelsDir, spec.FileName)
	if _, err := os.Stat(path); err == nil {
		return a.loadModelFile(path, &spec)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, withCode(exitState, err)
	}
	if builtins {
		b, err := builtin.File(spec.FileName)
		if err == nil {
			f, err := model.ReadTrusted(b) // zstd has a checksum of its own
			if err != nil {
				return nil, withCode(exitState, fmt.Errorf("built-in %s: %w", spec.FileName, err))
			}
			return decodeModel(f, "built-in", &spec)
		}
	}
	return nil, statef("%s: %w: train it with `apiml train %s`", path, errNoModel, spec.Name)
}

// loadModelFile reads any model file. spec may be nil: the file's name decides.
func (a *app) loadModelFile(path string, spec *model.Spec) (*loadedModel, error) {
	f, err := model.Load(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, withCode(exitInput, err)
		}
		return nil, withCode(exitState, err)
	}
	return decodeModel(f, path, spec)
}

func decodeModel(f *model.File, origin string, spec *model.Spec) (*loadedModel, error) {
	lm := &loadedModel{file: f, origin: origin}
	if spec == nil {
		specs, err := catalog.Resolve([]string{f.Header.Name})
		if err != nil || len(specs) != 1 {
			return nil, statef("%s: holds a model named %q that this apiml does not know", origin, f.Header.Name)
		}
		spec = &specs[0]
	}
	lm.spec = *spec
	if f.Header.Name != spec.Name {
		return nil, statef("%s: holds the model %q, not %q", origin, f.Header.Name, spec.Name)
	}
	var err, conductErr error
	var beside sync.WaitGroup
	defer beside.Wait()
	if f.Has(arrayConduct) {
		beside.Go(func() {
			var b []byte
			if b, conductErr = f.View(arrayConduct); conductErr == nil {
				lm.conduct, conductErr = decodeConduct(b)
			}
		})
	}
	if lm.model, err = catalog.Decode(f); err != nil {
		return nil, withCode(exitState, fmt.Errorf("%s: %w", origin, err))
	}
	fail := func(err error) (*loadedModel, error) {
		return nil, withCode(exitState, fmt.Errorf("%s: %w", origin, err))
	}
	if !f.Has(arrayState) {
		if spec.Role == model.RoleRegressor || spec.Input == "http" && ofRows(spec.Role) {
			return fail(fmt.Errorf("no array %q: the features cannot be computed", arrayState))
		}
		return lm, nil
	}
	b, err := f.View(arrayState)
	if err != nil {
		return fail(err)
	}
	if spec.Role == model.RoleRegressor {
		lm.latency, err = features.ParseLatencyState(b)
	} else {
		lm.state, err = features.ParseState(b)
	}
	if err != nil {
		return fail(err)
	}
	if c, ok := lm.model.(model.Classifier); ok && lm.state != nil {
		lm.model = score.WithText(c, lm.state.Text())
	}
	beside.Wait()
	if conductErr != nil {
		return fail(conductErr)
	}
	return lm, nil
}

// decodeConduct reads the classifier of conduct, a model file within a model file.
func decodeConduct(b []byte) (model.Classifier, error) {
	f, err := model.ReadTrusted(b) // the outer file's checksum covers it
	if err != nil {
		return nil, fmt.Errorf("classifier of conduct: %w", err)
	}
	m, err := catalog.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("classifier of conduct: %w", err)
	}
	c, ok := m.(model.Classifier)
	if !ok {
		return nil, fmt.Errorf("classifier of conduct: the file holds no classifier")
	}
	return c, nil
}

// scoringModels are the classifier and, if there is one that computes the same
// features, the detector.
func (a *app) scoringModels(suffix string) (attack, anomaly *loadedModel, err error) {
	var pair [2]model.Spec // classifier, detector
	for i, name := range []string{"attack", "anomaly"} {
		specs, err := catalog.Resolve([]string{name + suffix})
		if err != nil {
			return nil, nil, err
		}
		pair[i] = specs[0]
	}
	builtins := suffix == ""
	var anomalyErr error
	var beside sync.WaitGroup
	beside.Go(func() { anomaly, anomalyErr = a.loadModel(pair[1], builtins) })
	attack, err = a.loadModel(pair[0], builtins)
	beside.Wait()
	if err != nil {
		return nil, nil, err
	}
	err = anomalyErr
	if errors.Is(err, errNoModel) {
		a.warnf("no anomaly detector beside %s: results carry no anomaly score", attack.origin)
		return attack, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, m := range []*loadedModel{attack, anomaly} {
		if err := checkSchema(m); err != nil {
			return nil, nil, withCode(exitState, fmt.Errorf("%s: %w", m.origin, err))
		}
	}
	return attack, anomaly, nil
}

// builtinArray is an array of bytes of the built-in attack classifier, nil if
// there is none.
func builtinArray(name string) []byte {
	specs, err := catalog.Resolve([]string{"attack"})
	if err != nil {
		return nil
	}
	b, err := builtin.File(specs[0].FileName)
	if err != nil {
		return nil
	}
	f, err := model.ReadFile(b)
	if err != nil || !f.Has(name) {
		return nil
	}
	raw, err := f.U8(name)
	if err != nil {
		return nil
	}
	return raw
}

// builtinText is the text model of the built-in classifier, which all models of
// requests share: it was fitted on generated traffic only, so it is no part of
// what a split has to keep apart. Nil if there is none.
func builtinText() *features.TextModel {
	raw := builtinArray(arrayState)
	if raw == nil {
		return nil
	}
	state, err := features.ParseState(raw)
	if err != nil {
		return nil
	}
	return state.Text()
}

// withText makes the fitted classifiers of spec read the text, too.
func withText(spec model.Spec, text *features.TextModel) model.Spec {
	if spec.Role != model.RoleClassifier || text == nil {
		return spec
	}
	fit := spec.Fit
	spec.Fit = func(ctx context.Context, x *frame.Matrix, config json.RawMessage, opt model.FitOptions) (model.Model, error) {
		m, err := fit(ctx, x, config, opt)
		if err != nil {
			return nil, err
		}
		return score.WithText(m.(model.Classifier), text), nil
	}
	return spec
}

// warmStart makes fits of spec begin with the trees of the built-in classifier,
// which has never seen the rows at hand, and returns the classes that they know.
func warmStart(spec model.Spec) (model.Spec, []string, error) {
	b, err := builtin.File(spec.FileName)
	if err != nil {
		return spec, nil, statef("--warm-start: there is no built-in %s", spec.Name)
	}
	f, err := model.ReadFile(b)
	if err != nil {
		return spec, nil, withCode(exitState, err)
	}
	m, err := catalog.Decode(f)
	if err != nil {
		return spec, nil, withCode(exitState, err)
	}
	old, ok := m.(*forest.Forest)
	if !ok {
		return spec, nil, statef("--warm-start: the built-in %s is no forest", spec.Name)
	}
	trees := old.Config().Trees
	spec.Fit = func(ctx context.Context, x *frame.Matrix, _ json.RawMessage, opt model.FitOptions) (model.Model, error) {
		if err := frame.SameSchema(old.Schema(), x.Schema); err != nil {
			return nil, fmt.Errorf("warm start: %w", err)
		}
		y := *x
		y.Classes = old.Classes()
		at := make([]int32, len(x.Classes))
		for i, name := range x.Classes {
			at[i] = int32(slices.Index(y.Classes, name))
		}
		y.Class = make([]int32, len(x.Class))
		for i, c := range x.Class {
			if c >= 0 && at[c] < 0 {
				return nil, fmt.Errorf("warm start: the built-in classifier knows no class %q (it knows %q)", x.Classes[c], y.Classes)
			}
			y.Class[i] = -1
			if c >= 0 {
				y.Class[i] = at[c]
			}
		}
		return old.Grow(ctx, &y, 2*trees, opt)
	}
	return spec, old.Classes(), nil
}

// trainedOn returns a look-up of the rows that the model was fitted on; nil if
// the file does not say.
func (m *loadedModel) trainedOn() (func(uint64) bool, error) {
	if !m.file.Has(arrayTrained) {
		return nil, nil
	}
	hs, err := m.file.U64(arrayTrained)
	if err != nil {
		return nil, withCode(exitState, fmt.Errorf("%s: %w", m.origin, err))
	}
	seen := make(map[uint64]struct{}, len(hs))
	for _, h := range hs {
		seen[h] = struct{}{}
	}
	return func(h uint64) bool { _, ok := seen[h]; return ok }, nil
}
