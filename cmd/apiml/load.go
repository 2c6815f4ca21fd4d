package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"apiml/ingest"
	"apiml/store"
	"apiml/traffic"
)

// How an input gets into the store: a file in one transaction, standard input in
// one per streamUnits units or streamSpan, whichever comes first.
const (
	streamUnits = 1_000_000
	streamSpan  = 60 * time.Second
)

// batchUnits is the size of a batch that is used again: it stays in the cache.
const batchUnits = 1024

// waitForStore opens the database for writing and waits up to wait for a process
// that has it open.
func (a *app) waitForStore(wait time.Duration) (*store.Store, error) {
	var told bool
	for until := time.Now().Add(wait); ; {
		st, err := a.openStoreWith(false, ingestMemory)
		var locked *store.LockedError
		if err == nil || !errors.As(err, &locked) || !time.Now().Before(until) {
			if told && err != nil {
				return nil, withCode(exitState, fmt.Errorf("%w, still after %s", err, wait))
			}
			return st, err
		}
		if !told {
			a.sayf("%v; waiting up to %s", err, wait)
			told = true
		}
		select {
		case <-a.ctx.Done():
			return nil, a.ctx.Err()
		case <-time.After(min(100*time.Millisecond, time.Until(until))):
		}
	}
}

// knownInputs are the states of the inputs, for comparison with files.
func knownInputs(inputs []store.Input) ingest.Knowns {
	var k ingest.Knowns
	for _, x := range inputs {
		k = append(k, ingest.Known{Size: x.Size, SHA256: x.SHA256, FirstLine: x.FirstLine})
	}
	return k
}

// ingestFile puts one file into the store, in one transaction. After an error
// inside the file (a truncated archive) what was good before it is kept.
func (a *app) ingestFile(st *store.Store, path string, label traffic.Label, o ingestOptions) (*fileCoverage, error) {
	if path == "-" {
		return a.ingestStream(st, label, o)
	}
	inputs, err := st.Inputs(a.ctx)
	if err != nil {
		return nil, storeError(err)
	}
	k := knownInputs(inputs)
	m, err := a.identify(k, path)
	if err != nil {
		return nil, err
	}
	l := store.Load{Input: store.Input{Name: path, Synthetic: o.synthetic}}
	opt := ingest.Options{Label: label, Hash: true, NoRaw: true, BatchSize: batchUnits}
	var reread int64
	switch {
	case m.Same >= 0:
		x := inputs[m.Same]
		as := ""
		if x.Name != path {
			as = " as " + x.Name
		}
		a.sayf("%s: known already%s (%s records); nothing added", path, as, count(x.Parsed))
		return &fileCoverage{
			File: path, Format: x.Format, SkippedKnown: x.Read, first: traffic.NoTime, last: traffic.NoTime,
			before: &fileCoverage{Read: x.Read, Parsed: x.Parsed, Filtered: x.Filtered},
		}, nil
	case m.Grown >= 0:
		x := inputs[m.Grown]
		l.Input.ID, reread = x.ID, x.Held
		opt.SkipBytes, opt.SkipLines, opt.Verify = x.ResumeOffset, x.ResumeLines, &k[m.Grown]
		if o.from == "" && isFormat(x.Format) {
			o.from = x.Format
		}
		as := ""
		if x.Name != path {
			as = " as " + x.Name
		}
		a.sayf("%s: has grown since it was read%s; going on behind line %s", path, as, count(x.ResumeLines))
	default:
		if l.Replace, err = predecessor(inputs, path, o); err != nil {
			return nil, err
		}
	}
	rd, err := a.openInput(path, o.from, o.noRedact, opt)
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	l.Input.Format = rd.Format()
	a.sayf("%s: %s (%s)", path, rd.Format(), rd.Reason())
	p := a.progress("reading "+path, 0)
	defer p.done()
	size := rd.Size()
	var units, n int64
	var broken error
	l.Next = func() (*traffic.Batch, error) {
		rd.Reuse() // the store has copied the last batch
		b, err := rd.Next()
		if err == nil {
			units += b.Read
			n += int64(b.Len())
			if size > 0 && b.Offset > opt.SkipBytes {
				p.stage("reading "+path, n, n*(size-opt.SkipBytes)/(b.Offset-opt.SkipBytes)) // as many lines as there will be, if they are as long
			} else {
				p.set(n)
			}
			return b, nil
		}
		if !errors.Is(err, io.EOF) && isInputError(err) && (units > 0 || l.Input.ID != 0) {
			broken = err
			return nil, io.EOF
		}
		return nil, err
	}
	l.Finish = func(in *store.Input, red *store.Redactions) error {
		if err := rd.Verify(); err != nil {
			return err
		}
		s := rd.State()
		putState(in, s)
		c := rd.Coverage()
		red.All, red.Held = c.Redacted, s.HeldRedacted
		maps.Copy(red.All, c.PII)
		return nil
	}
	stored, err := st.Load(a.ctx, l)
	if err != nil {
		return nil, a.loadError(err)
	}
	if l.Replace != 0 {
		a.sayf("%s: replaces input %d", path, l.Replace)
	}
	a.debugf("%s: input %d", path, stored.ID)
	cov := coverageOf(path, rd)
	cov.SkippedKnown, cov.Reread = opt.SkipLines, reread
	return cov, broken
}

// dryFile reads one file and keeps nothing.
func (a *app) dryFile(_ *store.Store, path string, label traffic.Label, o ingestOptions) (*fileCoverage, error) {
	rd, err := a.openInput(path, o.from, o.noRedact, ingest.Options{Label: label, NoRaw: true, BatchSize: batchUnits})
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	a.sayf("%s: %s (%s)", path, rd.Format(), rd.Reason())
	for ; ; rd.Reuse() {
		if err := a.ctx.Err(); err != nil {
			return nil, err
		}
		_, err := rd.Next()
		switch {
		case errors.Is(err, io.EOF):
			return coverageOf(path, rd), nil
		case err != nil:
			return coverageOf(path, rd), withCode(exitInput, err)
		}
	}
}

// putState notes how far an input was read.
func putState(in *store.Input, s ingest.State) {
	in.SHA256, in.Size, in.Lines, in.FirstLine = s.SHA256, s.Size, s.Lines, s.FirstLine
	in.ResumeOffset, in.ResumeLines, in.Held = s.ResumeOffset, s.ResumeLines, s.Held
}

// loadError gives an error of a transaction its exit code.
func (a *app) loadError(err error) error {
	switch {
	case isInputError(err):
		return withCode(exitInput, err)
	case a.ctx.Err() != nil:
		return a.ctx.Err()
	}
	return storeError(err)
}

// identify finds out whether the file, or its beginning, is in the store.
func (a *app) identify(k ingest.Knowns, path string) (ingest.Match, error) {
	m, err := k.Identify(a.ctx, path, a.textSource(path))
	switch {
	case err == nil || a.ctx.Err() != nil:
		return m, err
	case isInputError(err):
		return m, withCode(exitInput, err)
	}
	return m, withCode(exitFailed, err)
}

func isFormat(name string) bool {
	return slices.ContainsFunc(ingest.Formats(), func(f ingest.FormatInfo) bool { return f.Name == name })
}

// predecessor is the input that --replace means: the one that has the name of
// the file, 0 if --replace was not given or there is none.
func predecessor(inputs []store.Input, path string, o ingestOptions) (int64, error) {
	if o.replaceID != 0 {
		if !slices.ContainsFunc(inputs, func(x store.Input) bool { return x.ID == o.replaceID }) {
			return 0, usagef("--replace-input %d: there is no such input; see `apiml db info`", o.replaceID)
		}
		return o.replaceID, nil
	}
	if !o.replace {
		return 0, nil
	}
	var ids []string
	var id int64
	for _, x := range inputs {
		if filepath.Clean(x.Name) == filepath.Clean(path) {
			id = x.ID
			ids = append(ids, fmt.Sprint(x.ID))
		}
	}
	if len(ids) > 1 {
		return 0, statef("%s: --replace could mean the inputs %s, which all have this name; choose with --replace-input ID", path, strings.Join(ids, ", "))
	}
	return id, nil
}

// piece is what one Next of standard input gave.
type piece struct {
	batch *traffic.Batch
	state ingest.State
	cov   ingest.Coverage
	err   error
}

// ingestStream puts standard input into the store, in several transactions: it
// may never end, and cannot be read again. Ctrl-C ends it like its end does.
func (a *app) ingestStream(st *store.Store, label traffic.Label, o ingestOptions) (*fileCoverage, error) {
	rd, err := a.openInput("-", o.from, o.noRedact, ingest.Options{Label: label, Hash: true, NoRaw: true})
	if err != nil {
		return nil, err
	}
	a.sayf("-: %s (%s)", rd.Format(), rd.Reason())
	inputs, err := st.Inputs(a.ctx)
	if err != nil {
		return nil, storeError(err)
	}
	p := a.progress("reading standard input", 0)
	defer p.done()
	// The reader runs on its own: it may wait for input when the time is up.
	ctx, stop := context.WithCancel(a.ctx)
	defer stop()
	pieces := make(chan piece, 1)
	go func() {
		for {
			b, err := rd.Next()
			x := piece{batch: b, err: err, state: rd.State(), cov: rd.Coverage()}
			select {
			case pieces <- x:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	get := func(timeout <-chan time.Time) (x piece, ok bool) {
		select {
		case x = <-pieces:
			return x, true
		case <-timeout:
		case <-ctx.Done():
		}
		return x, false
	}
	var (
		in     = store.Input{Name: "-", Format: rd.Format(), Synthetic: o.synthetic}
		done   piece // what the committed transactions end with
		n      int64
		broken error
		cov    = fileCoverage{File: "-", Format: rd.Format(), first: traffic.NoTime, last: traffic.NoTime}
	)
	for end := false; !end; {
		first, ok := get(nil)
		if !ok || first.err != nil {
			broken = first.err
			break
		}
		if in.ID == 0 {
			for _, x := range inputs {
				if x.FirstLine == first.state.FirstLine && x.Lines > 1 {
					a.warnf("standard input begins with the same line as input %d (%s), known up to byte %d, line %d: if it is the same log, its records count twice", x.ID, x.Name, x.Size, x.Lines)
				}
			}
		}
		var units int64
		last, pending := first, true
		timeout := time.After(streamSpan)
		l := store.Load{Input: in}
		l.Next = func() (*traffic.Batch, error) {
			if pending {
				pending = false
			} else {
				if units >= streamUnits {
					return nil, io.EOF
				}
				x, ok := get(timeout)
				if !ok {
					return nil, io.EOF
				}
				if x.err != nil {
					end, broken, last.state = true, x.err, x.state
					return nil, io.EOF
				}
				last = x
			}
			units += last.batch.Read
			n += int64(last.batch.Len())
			p.set(n)
			return last.batch, nil
		}
		l.Finish = func(in *store.Input, red *store.Redactions) error {
			putState(in, last.state)
			red.All, red.Held = map[string]int64{}, last.state.HeldRedacted
			for kind, n := range last.cov.Redacted {
				red.All[kind] = n - done.cov.Redacted[kind]
			}
			for kind, n := range last.cov.PII {
				red.All[kind] = n - done.cov.PII[kind]
			}
			return nil
		}
		// Lines from a pipe are gone if they are not kept now: not interrupted.
		stored, err := st.Load(context.WithoutCancel(a.ctx), l)
		if err != nil {
			return nil, a.loadError(err)
		}
		in.ID, done = stored.ID, last
		cov.Read, cov.Parsed, cov.Rejected, cov.Filtered = stored.Read, stored.Parsed, stored.Rejected, stored.Filtered
		cov.first, cov.last = stored.First, stored.Last
		cov.Redacted, cov.PII, cov.FilteredBy = last.cov.Redacted, last.cov.PII, last.cov.FilteredBy
		a.debugf("-: input %d is stored up to byte %d, line %d", stored.ID, stored.Size, stored.Lines)
	}
	cov.FirstTime, cov.LastTime = rfc3339(cov.first), rfc3339(cov.last)
	switch {
	case a.ctx.Err() != nil:
		if in.ID != 0 {
			a.sayf("-: interrupted; everything up to line %s, byte %s is kept as input %d", count(done.state.Lines), count(done.state.Size), in.ID)
		}
		return nil, a.ctx.Err()
	case broken != nil && !errors.Is(broken, io.EOF):
		return &cov, broken
	}
	return &cov, nil
}

// sayFiltered says what was left out, and why, beyond blank lines.
func (a *app) sayFiltered(files []fileCoverage) {
	by := map[string]int64{}
	for _, f := range files {
		for why, n := range f.FilteredBy {
			if why != ingest.FilteredBlank {
				by[why] += n
			}
		}
	}
	var parts []string
	for _, why := range sortedKeys(by) {
		parts = append(parts, fmt.Sprintf("%s %s", why, count(by[why])))
	}
	if len(parts) > 0 {
		a.sayf("left out on purpose: %s", strings.Join(parts, ", "))
	}
}

// textSource opens a Parquet file as CSV text; nil for other files, known by
// the first bytes.
func (a *app) textSource(path string) func() (io.ReadCloser, error) {
	if path == "-" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err != nil || string(magic) != "PAR1" {
		return nil
	}
	return func() (io.ReadCloser, error) { return store.ParquetText(a.ctx, path) }
}
