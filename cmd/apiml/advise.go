package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/spf13/cobra"

	"apiml/features"
	"apiml/frame"
	"apiml/model/cache"
	"apiml/model/catalog"
	"apiml/store"
	"apiml/traffic"
)

func (a *app) adviseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "advise",
		Short: "Recommendations, each replayed over the recorded history",
		Long: `Advise recommends, and shows for each recommendation what it would have done to
the recorded history. It changes nothing. In this version: cache, capacity.`,
		Example: "  apiml advise cache\n  apiml advise capacity --per-replica-rps 50",
	}
	cmd.AddCommand(a.adviseCacheCommand(), a.adviseCapacityCommand())
	for _, name := range []string{"block", "ratelimit"} {
		cmd.AddCommand(&cobra.Command{
			Use: name, Hidden: true, Short: "Not available in this version", FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
			RunE: func(*cobra.Command, []string) error {
				return withCode(exitFailed, fmt.Errorf("advise %s: not available in this version", name))
			},
		})
	}
	return cmd
}

type adviseCacheOptions struct {
	trace, sizes, size, policy, output, snippet string
	after                                       float64
}

// learnedPolicy is the name of the learned policy beside those of cache.Policies.
const learnedPolicy = "learned"

func (a *app) adviseCacheCommand() *cobra.Command {
	var o adviseCacheOptions
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Hit ratio by cache size and policy, what to cache, and for how long",
		Long: `Cache replays the requests of the store (GET and HEAD with status 200, 206 or
304; an object is a host with a target) through caches of several sizes and
policies, and says which size and policy to take, which endpoints gain, and how
long their answers could be kept. With --trace it replays a file of cache
accesses: one integer key per line, "key size", or CSV with the columns
time,key,size (time in seconds; a header is optional); gzip is read directly.

Sizes are a share of the distinct objects (5%), a number of objects (1000), or,
where the requests have sizes, bytes (128MiB). Belady's bound knows the future:
no policy can be expected to reach it. With sizes in bytes it is a reference, and
PFOO-L is the bound.

From the store it advises what to cache and for how long: what depends on the
user (authorised, per-user by its path or parameters), is no GET, mostly fails, is
written or changes faster than it is read, or is asked for too seldom to tell, is
refused with its reason. The size (without --size the knee of the curve of LRU),
the policy and the lifetimes are chosen on the first 70 % of the requests (or up to
--after), and replayed over the rest. --snippet prints the advice as
configuration of NGINX or Varnish, or as Cache-Control headers; a log shows
neither Set-Cookie nor Vary, so read it before you use it.

Policies: ` + strings.Join(policyNames(), ", ") + `.`,
		Example: `  apiml advise cache
  apiml advise cache --size 256MiB
  apiml advise cache --sizes 1%,1000 --policy lru,learned,belady --json
  apiml advise cache --snippet nginx -o cache.conf
  apiml advise cache --trace accesses.keys.gz --sizes 1000 --after 0.5`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.adviseCache(o) },
	}
	a.windowFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.trace, "trace", "", "file of cache accesses instead of the store, - = standard input")
	f.StringVar(&o.sizes, "sizes", "1%,5%,10%,25%", "cache sizes: shares of the objects, numbers of objects, bytes (128MiB)")
	f.StringVar(&o.size, "size", "", "one cache size, for the table and the advice; default: the knee of the curve for the advice")
	f.StringVar(&o.snippet, "snippet", "", "print the advice as configuration only: nginx, varnish or headers")
	f.StringVar(&o.policy, "policy", "all", "all, or some of the policies")
	f.Float64Var(&o.after, "after", 0, "count hits behind this share of the requests only (0.5 = on the second half)")
	f.StringVarP(&o.output, "output", "o", "-", "file to write, - = standard output")
	return cmd
}

func policyNames() []string {
	var names []string
	for _, p := range cache.Policies() {
		names = append(names, p.Name)
	}
	return slices.Insert(names, slices.IndexFunc(cache.Policies(), func(p cache.Info) bool { return p.Bound }), learnedPolicy)
}

// cacheSize is one of --sizes.
type cacheSize struct {
	text     string
	bytes    bool
	capacity int64 // objects or bytes; 0 until the number of objects is known
	share    float64
}

// cacheResult is a row of `advise cache --json`.
type cacheResult struct {
	Policy       string   `json:"policy"`
	Size         int64    `json:"size"`      // objects, or bytes
	Unit         string   `json:"unit"`      // "objects" or "bytes"
	Requested    string   `json:"requested"` // as in --sizes: "1%"
	HitRatio     float64  `json:"hit_ratio"`
	ByteHitRatio *float64 `json:"byte_hit_ratio"` // null if the requests have no sizes
	PerSecond    float64  `json:"requests_per_second"`
	Bound        bool     `json:"bound,omitempty"` // knows the future
}

type cacheOutput struct {
	jsonHead
	Source   string        `json:"source"`
	Requests int64         `json:"requests"`
	Counted  int64         `json:"counted"` // behind --after
	Keys     int64         `json:"keys"`
	Results  []cacheResult `json:"results"`
	// From the store only.
	Observed *observedRatio `json:"observed,omitempty"`
	Advice   *cacheAdvice   `json:"advice,omitempty"`
	Notes    []string       `json:"notes"`
}

// observedRatio is what the log says of the cache that was there.
type observedRatio struct {
	Requests int64   `json:"requests"` // with a logged cache status
	HitRatio float64 `json:"hit_ratio"`
}

func (a *app) adviseCache(o adviseCacheOptions) error {
	if !(o.after >= 0 && o.after < 1) {
		return usagef("--after %v: want a share from 0 to below 1", o.after)
	}
	if o.size != "" {
		o.sizes = o.size
	}
	sizes, err := parseCacheSizes(o.sizes)
	if err != nil {
		return err
	}
	var size *cacheSize
	if o.size != "" {
		if len(sizes) != 1 {
			return usagef("--size %q: want one size; --sizes takes several", o.size)
		}
		size = &sizes[0]
	}
	if o.snippet != "" && !slices.Contains(snippetKinds(), o.snippet) {
		return usagef("--snippet %q: known are %s", o.snippet, strings.Join(snippetKinds(), ", "))
	}
	if o.snippet != "" && o.trace != "" {
		return usagef("--snippet needs the store: a trace has no endpoints")
	}
	policies, err := parsePolicies(o.policy)
	if err != nil {
		return err
	}
	var in *cacheInput
	if o.trace != "" {
		in, err = a.traceInput(o.trace)
	} else {
		in, err = a.storeTrace()
	}
	if err != nil {
		return err
	}
	objects := &frame.Trace{Keys: in.trace.Keys, N: in.trace.N}
	n := len(objects.Keys)
	from := int(o.after * float64(n))
	out := cacheOutput{Source: in.source, Requests: int64(n), Counted: int64(n - from), Keys: int64(objects.N), Notes: in.notes}
	if in.stats.Logged > 0 {
		out.Observed = &observedRatio{in.stats.Logged, in.stats.ObservedHitRatio()}
	}
	if o.snippet != "" {
		sizes = nil // nothing but the advice is asked for
	}
	p := a.progress("replay", int64(len(sizes)*len(policies)))
	defer p.done()
	for _, s := range sizes {
		t := objects
		if s.bytes {
			if in.trace.Sizes == nil {
				return usagef("--sizes %s: the accesses have no sizes; name a share or a number of objects", s.text)
			}
			t = in.trace
		} else if s.share > 0 {
			s.capacity = max(1, int64(math.Round(s.share*float64(t.N))))
		}
		for _, name := range policies {
			begin := time.Now()
			hits, err := a.replay(in, name, t, s.capacity)
			if err != nil {
				return err
			}
			took := time.Since(begin).Seconds()
			c := cache.Measure(in.trace, hits, from, n)
			r := cacheResult{Policy: name, Size: s.capacity, Unit: "objects", Requested: s.text, HitRatio: c.HitRatio(), PerSecond: float64(n) / max(took, 1e-9), Bound: name == "belady" || name == "pfoo"}
			if s.bytes {
				r.Unit = "bytes"
			}
			if in.trace.Sizes != nil && c.Bytes > 0 {
				v := c.ByteHitRatio()
				r.ByteHitRatio = &v
			}
			out.Results = append(out.Results, r)
			p.set(int64(len(out.Results)))
		}
	}
	if o.trace == "" {
		if out.Advice, err = a.cacheAdvice(in, size, o.after); err != nil {
			return err
		}
	}
	w, err := a.create(o.output, 0o644)
	if err != nil {
		return err
	}
	defer w.Abort()
	p.done()
	switch {
	case o.snippet != "":
		_, err = io.WriteString(w, snippet(o.snippet, out.Advice))
	case a.flags.json:
		out.jsonHead = a.head("advise")
		err = writeJSON(w, out)
	default:
		err = adviseTable(w, &out)
	}
	if err != nil {
		return err
	}
	return w.Commit()
}

// cacheInput is what is replayed.
type cacheInput struct {
	source  string
	trace   *frame.Trace
	stats   features.TraceStats // of the store only
	targets func(int32) string  // of the store only: template per key
	learned *cache.Learned
	notes   []string
	// Of the store only, too.
	seconds  []float32 // per request, negative = unknown
	observed []int8    // per request: 1 the cache that was there answered, 0 it did not, −1 unknown
	resource []int32   // per key
	writes   []cache.Write
	facts    map[string]*templateFacts // by template
}

func (a *app) replay(in *cacheInput, name string, t *frame.Trace, capacity int64) ([]bool, error) {
	if name == learnedPolicy {
		return in.learned.Run(a.ctx, t, capacity)
	}
	return cache.Run(a.ctx, name, t, capacity)
}

func parsePolicies(text string) ([]string, error) {
	known := policyNames()
	var out []string
	for _, name := range strings.Split(text, ",") {
		name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "-", "")
		switch {
		case name == "all":
			out = known
		case !slices.Contains(known, name):
			return nil, usagef("--policy %q: known are all, %s", name, strings.Join(known, ", "))
		case !slices.Contains(out, name):
			out = append(out, name)
		}
	}
	return out, nil
}

// byteUnits, longest first where one ends in another.
var byteUnits = []struct {
	suffix string
	bytes  float64
}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"b", 1}}

func parseCacheSizes(text string) ([]cacheSize, error) {
	var out []cacheSize
	for _, s := range strings.Split(text, ",") {
		s = strings.TrimSpace(s)
		c := cacheSize{text: s}
		bad := usagef("--sizes %q: want a share of the objects (5%%), a number of them (1000) or bytes (128MiB)", s)
		if rest, ok := strings.CutSuffix(s, "%"); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil || !(v > 0 && v <= 100) {
				return nil, bad
			}
			c.share = v / 100
			out = append(out, c)
			continue
		}
		number, unit := strings.ToLower(s), 1.0
		for _, u := range byteUnits {
			if rest, ok := strings.CutSuffix(number, u.suffix); ok {
				number, unit, c.bytes = strings.TrimSpace(rest), u.bytes, true
				break
			}
		}
		v, err := strconv.ParseFloat(number, 64)
		if v = v * unit; err != nil || !(v >= 1 && v < 1<<62) || v != math.Trunc(v) {
			return nil, bad
		}
		c.capacity = int64(v)
		out = append(out, c)
	}
	if len(out) > 100 {
		return nil, usagef("--sizes: %d sizes, at most 100 are possible", len(out))
	}
	return out, nil
}

// traceInput reads a file of accesses. The learned policy begins without a
// prior: what it knows it learns during the replay.
func (a *app) traceInput(path string) (*cacheInput, error) {
	t, err := a.readTrace(path)
	if err != nil {
		return nil, err
	}
	m, err := cache.New(cache.Default(), a.cfg.Seed)
	if err != nil {
		return nil, withCode(exitFailed, err)
	}
	return &cacheInput{source: path, trace: t, learned: m, notes: []string{"learned begins without a prior and learns during the replay"}}, nil
}

// maxTraceLines bounds the memory of a trace: 16 bytes per access, twice that
// during Belady's.
const maxTraceLines = 1 << 28

func (a *app) readTrace(path string) (*frame.Trace, error) {
	var r io.Reader = a.in
	if path != "-" {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, inputf("%s: no such file", path)
		}
		if err != nil {
			return nil, withCode(exitInput, err)
		}
		defer f.Close()
		r = f
	}
	br := bufio.NewReaderSize(r, 1<<18)
	if magic, _ := br.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, inputf("%s: %v", path, err)
		}
		br = bufio.NewReaderSize(z, 1<<18)
	}
	t := &frame.Trace{}
	number := map[uint64]int32{}
	var small []int32 // key → number + 1, for keys that are dense already
	fields := 0       // per line, from the first one
	comma := false
	for line := 1; ; line++ {
		b, err := br.ReadSlice('\n')
		if err != nil && err != io.EOF || len(b) == 0 {
			if err == io.EOF {
				break
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				return nil, inputf("%s:%d: the line is too long", path, line)
			}
			return nil, inputf("%s:%d: %v", path, line, err)
		}
		if line&0xfffff == 0 && a.ctx.Err() != nil {
			return nil, a.ctx.Err()
		}
		if line == 1 {
			b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
		}
		if b = bytes.TrimSpace(b); len(b) == 0 || b[0] == '#' {
			continue
		}
		var f [3][]byte
		n := 0
		if fields == 0 {
			comma = bytes.IndexByte(b, ',') >= 0
		}
		for rest := b; n < 4; n++ {
			i := bytes.IndexByte(rest, ',')
			if !comma {
				i = bytes.IndexAny(rest, " \t")
			}
			part := rest
			if i >= 0 {
				part = rest[:i]
			}
			if n < 3 {
				f[n] = bytes.TrimSpace(part)
			}
			if i < 0 {
				n++
				break
			}
			if rest = rest[i+1:]; !comma {
				rest = bytes.TrimLeft(rest, " \t")
			}
		}
		if fields == 0 {
			if line == 1 && comma && bytes.ContainsAny(b, "abcdefghijklmnopqrstuvwxyz") {
				continue // a header
			}
			fields = n
		}
		if n != fields || n > 3 {
			return nil, inputf("%s:%d: %d fields, want %s", path, line, n, fieldsWanted(fields))
		}
		if n == 3 {
			at, err := strconv.ParseFloat(string(f[0]), 64)
			if err != nil || !(math.Abs(at) < 1e12) {
				return nil, inputf("%s:%d: time %q is no number of seconds", path, line, cut(f[0]))
			}
			t.Times = append(t.Times, int64(math.Round(at*1e6)))
			f[0], f[1] = f[1], f[2]
		}
		key, err := strconv.ParseUint(string(f[0]), 10, 64)
		if err != nil {
			return nil, inputf("%s:%d: key %q is no whole number", path, line, cut(f[0]))
		}
		if n > 1 {
			size, err := strconv.ParseInt(string(f[1]), 10, 64)
			if err != nil || size < 0 || size > math.MaxInt32 {
				return nil, inputf("%s:%d: size %q is no number of bytes from 0 to %d", path, line, cut(f[1]), math.MaxInt32)
			}
			t.Sizes = append(t.Sizes, int32(size))
		}
		if len(t.Keys) == maxTraceLines {
			return nil, inputf("%s:%d: more than %d accesses", path, line, maxTraceLines)
		}
		var k int32
		if key < uint64(4*len(t.Keys)+1024) && key < 1<<30 { // as good as dense
			for uint64(len(small)) <= key {
				small = append(small, make([]int32, max(1024, len(small)))...)
			}
			// A key that was seen in the map, when there were too few lines, stays there.
			if k = small[key] - 1; k < 0 {
				if old, ok := number[key]; ok {
					k = old
				} else {
					k = int32(t.N)
					t.N++
				}
				small[key] = k + 1
			}
		} else {
			var ok bool
			if k, ok = number[key]; !ok {
				k = int32(t.N)
				number[key] = k
				t.N++
			}
		}
		t.Keys = append(t.Keys, k)
	}
	if len(t.Keys) == 0 {
		return nil, inputf("%s: no accesses", path)
	}
	return t, nil
}

func fieldsWanted(n int) string {
	switch n {
	case 1:
		return "a key, as before"
	case 2:
		return "a key and a size, as before"
	case 3:
		return "time, key and size, as before"
	}
	return "a key, a key and a size, or time, key and size"
}

// cut shortens what an error quotes.
func cut(b []byte) string {
	if len(b) > 40 {
		return string(b[:40]) + "…"
	}
	return string(b)
}

// storeTrace makes the trace of the store.
func (a *app) storeTrace() (*cacheInput, error) {
	st, err := a.openStore(true)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	if err := a.setWindow(st); err != nil {
		return nil, err
	}
	return a.traceOf(st)
}

// traceOf makes the trace of the window of st.
func (a *app) traceOf(st *store.Store) (*cacheInput, error) {
	b := features.NewTraceBuilder()
	facts := map[string]*templateFacts{}
	err := st.ScanRequests(a.ctx, a.window, func(reqs []traffic.Request) error {
		b.Add(reqs)
		addFacts(facts, reqs)
		return nil
	})
	if err != nil {
		return nil, storeError(err)
	}
	in := &cacheInput{source: a.cfg.DB, stats: b.Stats(), notes: []string{}}
	in.trace, _ = b.Trace()
	if len(in.trace.Keys) == 0 {
		return nil, inputf("%s: none of its %s requests is a GET or HEAD with status 200, 206 or 304: nothing to cache", a.cfg.DB, count(in.stats.Requests))
	}
	if in.stats.Left > 0 {
		in.notes = append(in.notes, fmt.Sprintf("%s requests are beyond what is held in memory and were left out", count(in.stats.Left)))
	}
	// Groups are those of all other commands: the learned templates where there are any.
	folded, err := st.FoldedTemplates(a.ctx)
	if err != nil {
		return nil, storeError(err)
	}
	fold := func(raw string) string {
		if f, ok := folded[raw]; ok {
			return f
		}
		return raw
	}
	in.targets = func(k int32) string { return fold(traffic.Template("GET", b.Target(k))) }
	in.seconds, in.observed = b.Seconds(), b.Observed()
	var writes []features.TraceWrite
	writes, in.resource = b.Writes()
	for _, w := range writes {
		in.writes = append(in.writes, cache.Write{At: w.At, Resource: w.Resource})
	}
	in.facts = map[string]*templateFacts{}
	for raw, f := range facts {
		name := fold(raw)
		if in.facts[name] == nil {
			in.facts[name] = &templateFacts{}
		}
		in.facts[name].add(f)
	}
	return in, a.learnedFor(in)
}

// learnedFor takes the trained policy, or else one without a prior.
func (a *app) learnedFor(in *cacheInput) error {
	specs, err := catalog.Resolve([]string{"cache"})
	if err != nil {
		return withCode(exitFailed, err)
	}
	lm, err := a.loadModel(specs[0], true)
	switch {
	case err == nil:
		m, ok := lm.model.(*cache.Learned)
		if !ok {
			return statef("%s: holds a %q, not a cache policy; train again", specs[0].FileName, lm.model.Kind())
		}
		in.learned = m
		in.notes = append(in.notes, "learned begins with the prior of the trained or built-in policy, which may have been fitted on these requests")
		return nil
	case !errors.Is(err, errNoModel):
		return err
	}
	if in.learned, err = cache.New(cache.Default(), a.cfg.Seed); err != nil {
		return withCode(exitFailed, err)
	}
	in.notes = append(in.notes, "learned begins without a prior and learns during the replay; `apiml train cache` makes one")
	return nil
}

// byteText prints a number of bytes in a fitting unit.
func byteText(v float64) string {
	unit := []string{"bytes", "kB", "MB", "GB", "TB"}
	i := 0
	for v >= 1000 && i < len(unit)-1 {
		v /= 1000
		i++
	}
	if i == 0 {
		return strconv.FormatFloat(v, 'f', 0, 64) + " bytes"
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + unit[i]
}

// lifetimeText prints 300 seconds as "5m".
func lifetimeText(s int64) string {
	switch {
	case s%86400 == 0:
		return strconv.FormatInt(s/86400, 10) + "d"
	case s%3600 == 0:
		return strconv.FormatInt(s/3600, 10) + "h"
	case s%60 == 0:
		return strconv.FormatInt(s/60, 10) + "m"
	}
	return strconv.FormatInt(s, 10) + "s"
}

func adviseTable(w io.Writer, out *cacheOutput) error {
	fmt.Fprintf(w, "%s: %s requests to %s objects", clean(out.Source), count(out.Requests), count(out.Keys))
	if out.Counted < out.Requests {
		fmt.Fprintf(w, ", hits counted on the last %s", count(out.Counted))
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, r := range out.Results {
		name, bytes := r.Policy, "–"
		if r.Bound {
			name += " (bound)"
		}
		if r.ByteHitRatio != nil {
			bytes = percent(*r.ByteHitRatio)
		}
		rows = append(rows, []string{r.Requested, count(r.Size) + " " + r.Unit, name, percent(r.HitRatio), bytes, count(int64(r.PerSecond))})
	}
	if err := table(w, []string{"size", ">is", "policy", ">hit ratio", ">byte hit ratio", ">requests/s"}, rows); err != nil {
		return err
	}
	if out.Observed != nil {
		fmt.Fprintf(w, "observed in the log: %s of %s requests\n", percent(out.Observed.HitRatio), count(out.Observed.Requests))
	}
	if ad := out.Advice; ad != nil {
		if err := ad.print(w); err != nil {
			return err
		}
	}
	for _, n := range out.Notes {
		fmt.Fprintln(w, "note: "+clean(n))
	}
	return nil
}
