package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"apiml/frame"
	"apiml/model/cache"
	"apiml/traffic"
)

// Where the advice draws its lines.
const (
	adviceCut     = 0.7   // share of the requests on which it decides; the rest shows what comes of it
	adviceGain    = 0.005 // hit ratio by which the learned policy must beat LRU to be worth it
	adviceWorth   = 0.01  // hit ratio below which a cache is not worth it
	adviceTargets = 20    // rows that are printed
	adviceUsers   = 0.01  // share of requests with a user, or a secret in the query, from which a template is personal
	adviceErrors  = 0.5   // share of errors from which it is not worth it
	ttlKeeps      = 0.95  // share of the hits that a lifetime should keep
	ttlStale      = 0.01  // share of the hits that may be stale
	ttlRepeats    = 20    // repeats below which nothing is said
	maxFacts      = 200_000
)

// ttlSteps are the lifetimes that the advice chooses from, in seconds.
func ttlSteps() []int64 {
	return []int64{10, 30, 60, 300, 900, 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400}
}

// templateFacts says what was asked of a template, by all requests of the log.
type templateFacts struct {
	requests, reads, errors, users, secrets int64
}

func (f *templateFacts) add(g *templateFacts) {
	f.requests += g.requests
	f.reads += g.reads
	f.errors += g.errors
	f.users += g.users
	f.secrets += g.secrets
}

func addFacts(facts map[string]*templateFacts, reqs []traffic.Request) {
	for i := range reqs {
		r := &reqs[i]
		name := traffic.Template(r.Method, r.Target)
		f := facts[name]
		if f == nil {
			if len(facts) >= maxFacts {
				continue // a log of scans; what is often asked for came before
			}
			f = &templateFacts{}
			facts[strings.Clone(name)] = f
		}
		f.requests++
		if r.User != "" && r.User != "-" {
			f.users++
		}
		if r.Method != "GET" && r.Method != "HEAD" {
			continue
		}
		f.reads++
		if r.Status >= 400 {
			f.errors++
		}
		if _, query := traffic.SplitTarget(r.Target); query != "" && secretQuery(query) {
			f.secrets++
		}
	}
}

// secretQuery says whether a query names a parameter that stands for somebody.
func secretQuery(query string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		switch strings.ToLower(name) {
		case "token", "access_token", "id_token", "auth", "session", "sessionid", "session_id", "sid", "phpsessid", "jsessionid",
			"apikey", "api_key", "password", "passwd", "sig", "signature", "email", "user", "user_id", "userid", "username":
			return true
		}
	}
	return false
}

// personalPath is the segment of a template that says that it belongs to a user.
func personalPath(template string) string {
	for s := range strings.SplitSeq(strings.ToLower(template), "/") {
		switch name, _, _ := strings.Cut(s, "."); name {
		case "login", "logout", "signin", "signout", "signup", "register", "account", "accounts", "me", "my", "profile", "session", "sessions",
			"auth", "oauth", "oauth2", "token", "cart", "basket", "checkout", "order", "orders", "payment", "payments", "invoice", "invoices",
			"admin", "wp-admin", "wp-login", "dashboard", "inbox", "messages", "settings", "preferences", "password", "notifications", "wishlist":
			return s
		}
	}
	return ""
}

// staticFile says whether a template is a file that is the same for everybody,
// whoever asks for it: style, script, font, picture.
func staticFile(template string) bool {
	switch strings.ToLower(path.Ext(template)) {
	case ".css", ".js", ".mjs", ".map", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg", ".ico", ".woff", ".woff2", ".ttf", ".otf", ".eot":
		return true
	}
	return false
}

// refuse is why a template must not be cached, whatever its traffic.
func (f *templateFacts) refuse(template string) (reason, detail string) {
	switch {
	case float64(f.users) >= adviceUsers*float64(f.requests) && f.users > 0 && !staticFile(template):
		return "authorised", fmt.Sprintf("%s of its requests carry a user", percent(float64(f.users)/float64(f.requests)))
	case personalPath(template) != "" && !staticFile(template):
		return "per-user", fmt.Sprintf("its path says so: %q", personalPath(template))
	case f.reads == 0:
		return "not GET", "only requests with other methods than GET and HEAD"
	case f.secrets > 0 && float64(f.secrets) >= adviceUsers*float64(f.reads):
		return "per-user", fmt.Sprintf("%s of its requests name a user or a secret in the query", percent(float64(f.secrets)/float64(f.reads)))
	case float64(f.errors) >= adviceErrors*float64(f.reads):
		return "errors", fmt.Sprintf("%s of its answers are errors", percent(float64(f.errors)/float64(f.reads)))
	}
	return "", ""
}

// cacheAdvice is the recommendation, and what it would have done to the requests
// held out. Requests and all that is counted are of these.
type cacheAdvice struct {
	Policy       string            `json:"policy"`
	Size         int64             `json:"size"`
	Unit         string            `json:"unit"`  // "objects" or "bytes"
	Share        float64           `json:"share"` // of what all objects take that are to be cached
	Knee         bool              `json:"knee"`  // the size is the knee of the curve
	Requests     int64             `json:"requests"`
	Hits         int64             `json:"hits"` // served from the cache, stale ones too
	HitRatio     float64           `json:"hit_ratio"`
	HitBytes     int64             `json:"hit_bytes"`
	ByteHitRatio *float64          `json:"byte_hit_ratio"` // null without sizes
	Seconds      *float64          `json:"origin_seconds"` // that the requests took; null if the log does not say
	SecondsSaved *float64          `json:"origin_seconds_saved"`
	Stale        int64             `json:"stale"`               // of Hits: written, or changed by a new size, since they were fetched
	Refetched    int64             `json:"refetched"`           // stored, but too old
	LRUHitRatio  float64           `json:"lru_hit_ratio"`       // at the same size, without lifetimes
	LRUServed    float64           `json:"lru_served_ratio"`    // with them: what a cache that evicts by LRU, such as NGINX, would answer
	Unlimited    float64           `json:"unlimited_hit_ratio"` // of an unlimited cache of what is safe, without lifetimes
	Observed     *besideObserved   `json:"observed,omitempty"`  // where the log says what its cache did
	Templates    []cacheableTarget `json:"templates"`
	Refused      []refusedTarget   `json:"refused"`
	Text         []string          `json:"text"`
}

// besideObserved compares with the cache that was there, over the requests held out of
// which the log says what it did.
type besideObserved struct {
	Requests  int64   `json:"requests"`
	Hits      int64   `json:"hits"`
	HitRatio  float64 `json:"hit_ratio"`
	Simulated float64 `json:"simulated_hit_ratio"`
}

// cacheableTarget is an endpoint to cache.
type cacheableTarget struct {
	Template string   `json:"template"`
	TTL      *float64 `json:"ttl_seconds"`  // null if the requests have no times
	Requests int64    `json:"requests"`     // held out
	Keys     int64    `json:"keys"`         // of the whole log
	Hits     int64    `json:"hits"`         // held out, with the lifetime
	HitBytes int64    `json:"hit_bytes"`    //
	Saved    float64  `json:"origin_saved"` // seconds, 0 if unknown
	Stale    int64    `json:"stale"`        // of Hits
	Changed  float64  `json:"changed"`      // share of the repeated requests whose answer had a size that the last four variants had not
	Writes   int64    `json:"writes"`       // to its resources, in the whole log
	Logged   int64    `json:"logged"`       // of Requests: the log says what its cache did
	Observed int64    `json:"observed"`     // of Logged: it answered
}

// refusedTarget is an endpoint not to cache.
type refusedTarget struct {
	Template string `json:"template"`
	Requests int64  `json:"requests"` // of the whole log
	Reason   string `json:"reason"`   // authorised, per-user, not GET, errors, written, changes, unknown, seldom
	Detail   string `json:"detail"`
}

// cachePlan is the work on an advice: the part of the trace that may be cached.
type cachePlan struct {
	in      *cacheInput
	name    []string // per group of keys: its template
	group   []int32  // per key
	allowed []bool   // per group
	ttl     []int64  // per group: seconds, 0 = not to be cached
	changed []float64
	trace   *frame.Trace // of the allowed groups, with the keys of the whole
	index   []int32      // per request of trace: its number in the whole
	writes  []cache.Write
	version []int32 // per request of trace: how often the answer to its key had a size not seen lately
	cut     int     // requests of trace on which to decide
}

func (a *app) cacheAdvice(in *cacheInput, size *cacheSize, after float64) (*cacheAdvice, error) {
	if after == 0 {
		after = adviceCut
	}
	whole := in.trace
	cut := int(after * float64(len(whole.Keys)))
	ad := &cacheAdvice{Unit: "objects", Policy: "lru", Templates: []cacheableTarget{}, Refused: []refusedTarget{}, Requests: int64(len(whole.Keys) - cut)}
	p := newCachePlan(in)
	for g, name := range p.name {
		f := in.facts[name]
		if f == nil {
			f = &templateFacts{requests: 1, reads: 1}
		}
		p.allowed[g] = ad.refuse(name, f)
	}
	named := map[string]bool{}
	for _, name := range p.name {
		named[name] = true
	}
	for name, f := range in.facts { // what has nothing cacheable at all
		if !named[name] {
			ad.refuse(name, f)
		}
	}
	// First what is safe, with a cache that never evicts: it shows how long answers
	// last. Then what is left, in the room that there is.
	p.restrict(cut)
	unlimited, err := cache.Run(a.ctx, "lru", &frame.Trace{Keys: p.trace.Keys, N: p.trace.N}, int64(p.trace.N))
	if err != nil {
		return nil, err
	}
	share := func(hits []bool) float64 { // of all requests held out
		return float64(cache.Measure(p.trace, hits, p.cut, len(hits)).Hits) / float64(max(1, ad.Requests))
	}
	ad.Unlimited = share(unlimited)
	p.lifetimes(unlimited, ad)
	for g := range p.allowed {
		p.allowed[g] = p.ttl[g] > 0
	}
	p.restrict(cut)
	first := p.first()
	// The size: bytes if the log has sizes.
	sized := slices.ContainsFunc(first.Sizes, func(v int32) bool { return v > 0 })
	if size != nil {
		sized = size.bytes
	}
	if !sized {
		first = &frame.Trace{Keys: first.Keys, Times: first.Times, N: first.N}
	} else {
		ad.Unit = "bytes"
	}
	replayed := &frame.Trace{Keys: p.trace.Keys, Times: p.trace.Times, N: p.trace.N}
	if sized {
		replayed.Sizes = p.trace.Sizes
	}
	rate := min(1, 20e6/float64(max(1, len(first.Keys))))
	curve, err := cache.LRUCurve(a.ctx, first, 0, rate, a.cfg.Seed)
	if err != nil {
		return nil, err
	}
	total := footprintOf(replayed)
	switch {
	case size == nil:
		ad.Size, ad.Knee = max(1, curve.Knee()), true
	case size.share > 0:
		ad.Size = max(1, int64(math.Round(size.share*float64(total))))
	default:
		ad.Size = size.capacity
	}
	ad.Share = min(1, float64(ad.Size)/float64(max(1, total)))
	hits, err := cache.Run(a.ctx, "lru", replayed, ad.Size)
	if err != nil {
		return nil, err
	}
	learned, err := in.learned.Run(a.ctx, replayed, ad.Size)
	if err != nil {
		return nil, err
	}
	ad.LRUHitRatio = share(hits)
	lru := hits
	before := func(h []bool) float64 { return cache.Measure(replayed, h, p.cut/2, p.cut).HitRatio() }
	if before(learned) >= before(hits)+adviceGain {
		ad.Policy, hits = learnedPolicy, learned
	}
	if ad.Policy != "lru" {
		of := cacheAdvice{}
		if err := p.replay(lru, &of, cut); err != nil {
			return nil, err
		}
		ad.LRUServed = float64(of.Hits) / float64(max(1, ad.Requests))
	}
	if err := p.replay(hits, ad, cut); err != nil {
		return nil, err
	}
	if ad.Policy == "lru" {
		ad.LRUServed = ad.HitRatio
	}
	slices.SortFunc(ad.Refused, func(a, b refusedTarget) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Template, b.Template))
	})
	ad.words(in)
	return ad, nil
}

// footprintOf is what all objects take, each at its last size.
func footprintOf(t *frame.Trace) (sum int64) {
	last := make([]int32, t.N)
	for i, k := range t.Keys {
		last[k] = 1
		if t.Sizes != nil {
			last[k] = max(1, t.Sizes[i])
		}
	}
	for _, v := range last {
		sum += int64(v)
	}
	return sum
}

// refuse notes why a template is not cached, if so; else it is allowed.
func (ad *cacheAdvice) refuse(name string, f *templateFacts) bool {
	reason, detail := f.refuse(name)
	if reason != "" {
		ad.Refused = append(ad.Refused, refusedTarget{name, f.requests, reason, detail})
	}
	return reason == ""
}

func newCachePlan(in *cacheInput) *cachePlan {
	p := &cachePlan{in: in, group: make([]int32, in.trace.N)}
	number := map[string]int32{}
	for k := range p.group {
		name := in.targets(int32(k))
		g, ok := number[name]
		if !ok {
			g = int32(len(p.name))
			number[name] = g
			p.name = append(p.name, name)
		}
		p.group[k] = g
	}
	p.allowed, p.ttl, p.changed = make([]bool, len(p.name)), make([]int64, len(p.name)), make([]float64, len(p.name))
	return p
}

// restrict makes the trace of the allowed groups.
func (p *cachePlan) restrict(cut int) {
	whole := p.in.trace
	p.trace, p.index, p.writes, p.version, p.cut = &frame.Trace{N: whole.N}, nil, nil, nil, 0
	type variants struct {
		size    [4]int32 // the last distinct ones
		version int32
	}
	seen := make([]variants, whole.N)
	next := nextSizes(whole, cut)
	writes := p.in.writes
	for i, k := range whole.Keys {
		for len(writes) > 0 && writes[0].At <= i {
			p.writes = append(p.writes, cache.Write{At: len(p.trace.Keys), Resource: writes[0].Resource})
			writes = writes[1:]
		}
		if i == cut {
			p.cut = len(p.trace.Keys)
		}
		if !p.allowed[p.group[k]] {
			continue
		}
		p.trace.Keys = append(p.trace.Keys, k)
		p.trace.Sizes = append(p.trace.Sizes, whole.Sizes[i])
		if whole.Times != nil {
			p.trace.Times = append(p.trace.Times, whole.Times[i])
		}
		p.index = append(p.index, int32(i))
		// One of the last four sizes is a variant, by encoding or range, and no change. Nor
		// is a smaller one that the next answer does not confirm: a client went away.
		v := &seen[k]
		if size := whole.Sizes[i]; size > 0 && !slices.Contains(v.size[:], size) {
			if size < v.size[0] && (next[i] == 0 || slices.Contains(v.size[:], next[i])) {
				p.version = append(p.version, v.version)
				continue
			}
			copy(v.size[1:], v.size[:])
			v.size[0] = size
			v.version++
		}
		p.version = append(p.version, v.version)
	}
	if cut >= len(whole.Keys) {
		p.cut = len(p.trace.Keys)
	}
}

// nextSizes gives for each request the size of the next answer for its key, 0 if
// there is none. Requests before cut know nothing of those behind.
func nextSizes(t *frame.Trace, cut int) []int32 {
	next, later := make([]int32, len(t.Keys)), make([]int32, t.N)
	for i := len(t.Keys) - 1; i >= 0; i-- {
		if i == cut-1 {
			clear(later)
		}
		k := t.Keys[i]
		next[i] = later[k]
		if t.Sizes[i] > 0 {
			later[k] = t.Sizes[i]
		}
	}
	return next
}

// first is what the advice may look at.
func (p *cachePlan) first() *frame.Trace {
	t := &frame.Trace{Keys: p.trace.Keys[:p.cut], Sizes: p.trace.Sizes[:p.cut], N: p.trace.N}
	if p.trace.Times != nil {
		t.Times = p.trace.Times[:p.cut]
	}
	return t
}

// lifetimes chooses how long the answers of each group are kept: the shortest
// step that keeps 95 % of the hits, or a shorter one where more than one and, by
// more than chance (two standard deviations), more than 1 % of those would have been
// stale: the answer had a new size, or was written, in between. What a log says of
// change is no more than that. What has no such step is refused, with the reason.
// Only the first part counts.
//
// An answer that is too old is fetched again to where it lies, so that what the
// cache holds stays the same and the replay's hits need only be sifted.
func (p *cachePlan) lifetimes(hits []bool, ad *cacheAdvice) {
	t := p.first()
	steps := ttlSteps()
	if t.Times == nil {
		steps = []int64{1} // no times: for ever, and the text says so
	}
	groups := len(p.name)
	all, repeats, sized, changed, written := make([]int64, groups), make([]int64, groups), make([]int64, groups), make([]int64, groups), make([]int64, groups)
	before := make([]int32, t.N) // request + 1
	dirty := p.lastWrites()
	for i, k := range t.Keys {
		g := p.group[k]
		w := dirty(i, k)
		if b := before[k] - 1; b >= 0 {
			repeats[g]++
			if t.Sizes[b] > 0 && t.Sizes[i] > 0 {
				sized[g]++
			}
			if p.version[b] != p.version[i] {
				changed[g]++
			}
			if w > int(b) {
				written[g]++
			}
		}
		if hits[i] {
			all[g]++
		}
		before[k] = int32(i + 1)
	}
	kept, stale := make([]int64, groups), make([]int64, groups)
	done := make([]bool, groups)
	for _, step := range steps {
		clear(kept)
		clear(stale)
		fetched := make([]int32, t.N)
		dirty := p.lastWrites()
		for i, k := range t.Keys {
			w := dirty(i, k)
			f := fetched[k]
			if !hits[i] || t.Times != nil && t.Times[i]-t.Times[f] > step*1e6 {
				fetched[k] = int32(i)
				continue
			}
			kept[p.group[k]]++
			if p.version[i] != p.version[f] || w > int(f) {
				stale[p.group[k]]++
			}
		}
		for g := range groups {
			if done[g] || kept[g] == 0 && step != steps[len(steps)-1] {
				continue
			}
			if expected := ttlStale * float64(kept[g]); float64(stale[g]) > max(1, expected+2*math.Sqrt(expected)) {
				done[g] = true
				continue
			}
			if kept[g] > 0 {
				p.ttl[g] = step
			}
			done[g] = float64(kept[g]) >= ttlKeeps*float64(all[g])
		}
	}
	for g, name := range p.name {
		p.changed[g] = float64(changed[g]) / float64(max(1, repeats[g]))
		if !p.allowed[g] {
			continue
		}
		reason, detail := "", ""
		switch {
		case repeats[g] < ttlRepeats:
			reason, detail = "seldom", fmt.Sprintf("%s repeated requests, %d are needed to tell", count(repeats[g]), ttlRepeats)
		case sized[g]*2 < repeats[g]:
			reason, detail = "unknown", "the log has no sizes that would show whether its answers change"
		case written[g]*2 > repeats[g]:
			reason, detail = "written", fmt.Sprintf("%s of its repeated requests come after a write: it is invalidated faster than it is read", percent(float64(written[g])/float64(repeats[g])))
		case p.ttl[g] == 0:
			reason, detail = "changes", fmt.Sprintf("%s of its repeated requests had another answer: stale within %s", percent(p.changed[g]), lifetimeText(ttlSteps()[0]))
		}
		if reason != "" {
			p.ttl[g] = 0
			requests := repeats[g]
			if f := p.in.facts[name]; f != nil {
				requests = f.requests
			}
			ad.Refused = append(ad.Refused, refusedTarget{name, requests, reason, detail})
		}
	}
}

// lastWrites returns a function that tells of ascending requests which write to
// the object was the last before it: the request it came before, 0 = none.
func (p *cachePlan) lastWrites() func(i int, key int32) int {
	last := map[int32]int{}
	writes := p.writes
	return func(i int, key int32) int {
		for len(writes) > 0 && writes[0].At <= i {
			last[writes[0].Resource] = writes[0].At
			writes = writes[1:]
		}
		return last[p.in.resource[key]]
	}
}

// replay counts what the advice would have done to the requests held out.
func (p *cachePlan) replay(hits []bool, ad *cacheAdvice, cut int) error {
	t := p.trace
	rules := cache.Rules{Resource: p.in.resource, Writes: p.writes}
	if t.Times != nil {
		rules.TTL = make([]int64, t.N)
		for k := range rules.TTL {
			rules.TTL[k] = p.ttl[p.group[k]] * 1e6
		}
	}
	answers, err := cache.Serve(t, hits, rules)
	if err != nil {
		return err
	}
	rows := make([]cacheableTarget, len(p.name))
	for k := range t.N {
		rows[p.group[k]].Keys++
	}
	var seconds, saved float64
	known := false
	var bytes int64
	var beside besideObserved
	served := int64(0) // of beside.Requests
	for i := cut; i < len(p.in.trace.Keys); i++ {
		if o := p.in.observed[i]; o >= 0 {
			beside.Requests++
			beside.Hits += int64(o)
		}
		bytes += int64(p.in.trace.Sizes[i])
		if s := p.in.seconds[i]; s >= 0 {
			seconds += float64(s)
			known = known || s > 0
		}
	}
	fetched := make([]int32, t.N)
	for i, k := range t.Keys {
		g := p.group[k]
		r := &rows[g]
		observed := p.in.observed[p.index[i]]
		if i >= p.cut {
			r.Requests++
			if observed >= 0 {
				r.Logged++
				r.Observed += int64(observed)
			}
		}
		if a := answers[i]; a == cache.Missed || a == cache.Refetched || p.ttl[g] == 0 {
			fetched[k] = int32(i)
			if a == cache.Refetched && p.ttl[g] > 0 && i >= p.cut {
				ad.Refetched++
			}
			continue
		}
		if i < p.cut {
			continue
		}
		r.Hits++
		if observed >= 0 {
			served++
		}
		r.HitBytes += int64(t.Sizes[i])
		if answers[i] == cache.Stale || p.version[i] != p.version[fetched[k]] {
			r.Stale++
		}
		if s := p.in.seconds[p.index[i]]; s > 0 {
			r.Saved += float64(s)
		}
	}
	group := make([]int32, 0, len(p.in.resource)) // of resources
	for k, res := range p.in.resource {
		for int(res) >= len(group) {
			group = append(group, 0)
		}
		group[res] = p.group[k]
	}
	for _, w := range p.in.writes {
		rows[group[w.Resource]].Writes++
	}
	for g, r := range rows {
		if p.ttl[g] == 0 {
			continue
		}
		ad.Hits += r.Hits
		ad.HitBytes += r.HitBytes
		ad.Stale += r.Stale
		saved += r.Saved
		r.Template, r.Changed = p.name[g], p.changed[g]
		if t.Times != nil {
			v := float64(p.ttl[g])
			r.TTL = &v
		}
		ad.Templates = append(ad.Templates, r)
	}
	ad.HitRatio = float64(ad.Hits) / float64(max(1, ad.Requests))
	if bytes > 0 {
		v := float64(ad.HitBytes) / float64(bytes)
		ad.ByteHitRatio = &v
	}
	if beside.Requests > 0 {
		beside.HitRatio = float64(beside.Hits) / float64(beside.Requests)
		beside.Simulated = float64(served) / float64(beside.Requests)
		ad.Observed = &beside
	}
	if known {
		ad.Seconds, ad.SecondsSaved = &seconds, &saved
	}
	slices.SortFunc(ad.Templates, func(a, b cacheableTarget) int {
		return cmp.Or(cmp.Compare(b.Hits, a.Hits), cmp.Compare(a.Template, b.Template))
	})
	return nil
}

// sizeText is the size in its unit.
func (ad *cacheAdvice) sizeText() string {
	if ad.Unit == "bytes" {
		return byteText(float64(ad.Size))
	}
	return count(ad.Size) + " objects"
}

// words says the advice in words.
func (ad *cacheAdvice) words(in *cacheInput) {
	say := func(format string, args ...any) { ad.Text = append(ad.Text, fmt.Sprintf(format, args...)) }
	switch {
	case len(ad.Templates) == 0:
		say("Nothing here is both safe to cache and asked for often enough; the reasons are below.")
	case ad.HitRatio < adviceWorth:
		say("A cache hardly pays here: with the %s endpoints below, which are safe to keep, it would have answered %s of the last %s requests (%s).", count(int64(len(ad.Templates))), count(ad.Hits), count(ad.Requests), percent(ad.HitRatio))
	default:
		say("Cache %s of the endpoints in %s (%s of what their objects take%s).", count(int64(len(ad.Templates))), ad.sizeText(), percent(ad.Share),
			map[bool]string{true: ", the knee of the curve", false: ""}[ad.Knee])
		say("Replayed over the last %s requests, which the advice has not seen, %s answers %s of them (%s) and %s.", count(ad.Requests), ad.Policy, count(ad.Hits), percent(ad.HitRatio), byteText(float64(ad.HitBytes)))
		if ad.Seconds != nil {
			say("That saves the origin %.1f of %.1f seconds (%s).", *ad.SecondsSaved, *ad.Seconds, percent(*ad.SecondsSaved/max(*ad.Seconds, 1e-9)))
		}
		say("%s of the hits would have been stale; %s stored answers were too old and fetched again.", count(ad.Stale), count(ad.Refetched))
	}
	if ad.Policy != "lru" && ad.HitRatio >= adviceWorth {
		say("A cache that evicts by LRU, as NGINX does, answers %s with the same lifetimes.", percent(ad.LRUServed))
	}
	say("Without lifetimes LRU of this size would have answered %s, an unlimited cache %s.", percent(ad.LRUHitRatio), percent(ad.Unlimited))
	if o := ad.Observed; o != nil {
		say("The cache that was there answered %s of these requests (%s of the %s of which the log tells); this one would have answered %s of them.", count(o.Hits), percent(o.HitRatio), count(o.Requests), percent(o.Simulated))
	}
	if in.trace.Times == nil {
		say("The requests have no times: there are no lifetimes.")
	}
	say("A log shows neither Cache-Control, Set-Cookie nor Vary: answers that depend on the user must not be shared.")
}

func (ad *cacheAdvice) print(w io.Writer) error {
	fmt.Fprintln(w)
	for _, s := range ad.Text {
		fmt.Fprintln(w, s)
	}
	if len(ad.Templates) > 0 {
		fmt.Fprintln(w)
		var rows [][]string
		for _, t := range ad.Templates[:min(adviceTargets, len(ad.Templates))] {
			ttl := "–"
			if t.TTL != nil {
				ttl = lifetimeText(int64(*t.TTL))
			}
			saved := "–"
			if ad.Seconds != nil {
				saved = fmt.Sprintf("%.1f", t.Saved)
			}
			observed := "–"
			if t.Logged > 0 {
				observed = count(t.Observed)
			}
			rows = append(rows, []string{cell(t.Template, 60), ttl, count(t.Requests), count(t.Keys), count(t.Hits), observed, byteText(float64(t.HitBytes)), saved, count(t.Stale), percent(t.Changed), count(t.Writes)})
		}
		if err := table(w, []string{"cache", ">keep for", ">requests", ">objects", ">hits", ">hits so far", ">bytes saved", ">seconds saved", ">stale", ">changed", ">writes"}, rows); err != nil {
			return err
		}
		if more := len(ad.Templates) - adviceTargets; more > 0 {
			fmt.Fprintf(w, "and %s more, see --json\n", count(int64(more)))
		}
		fmt.Fprintln(w, "keep for: the shortest time that keeps 95 % of the hits, or less where more than 1 % of them would be\nstale (written since, or a new size). changed: repeated requests whose answer had a size that the last\nfour variants had not. hits so far: of the cache that was there, of the same requests, where the log tells.")
	}
	if len(ad.Refused) > 0 {
		fmt.Fprintln(w)
		var rows [][]string
		for _, r := range ad.Refused[:min(adviceTargets, len(ad.Refused))] {
			rows = append(rows, []string{cell(r.Template, 60), count(r.Requests), r.Reason, cell(r.Detail, 100)})
		}
		if err := table(w, []string{"do not cache", ">requests", "reason", "detail"}, rows); err != nil {
			return err
		}
		if more := len(ad.Refused) - adviceTargets; more > 0 {
			fmt.Fprintf(w, "and %s more, see --json\n", count(int64(more)))
		}
	}
	return nil
}
