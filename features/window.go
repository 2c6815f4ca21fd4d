package features

import (
	"math"
	"math/bits"
)

// Windows keep what came before, in event time. Counters decay exponentially
// (a window of w seconds weighs a request of age a with exp(−a/w)); distinct
// things are counted by linear counting (Whang, Vander-Zanden, Taylor 1990) in a
// bitmap of the running window and one of the window before, so that a count
// covers between one and two windows.
//
// Memory is bounded: the tables hold maxPrincipals principals, as many addresses
// and maxTargets templates; the one that was seen least recently makes room for
// a new one, and comes back later as if it were new. A time that runs backwards
// (a late record) counts as no time passed.
const (
	maxPrincipals = 65536
	maxTargets    = 16384

	second = 1_000_000 // µs
	minute = 60 * second
	hour   = 60 * minute
)

// lru is a bounded table; the least recently used entry makes room.
type lru[T any] struct {
	index      map[uint64]int32
	items      []lruItem[T]
	limit      int
	head, tail int32 // most and least recently used
}

type lruItem[T any] struct {
	key        uint64
	prev, next int32
	value      T
}

func newLRU[T any](limit int) *lru[T] {
	return &lru[T]{index: map[uint64]int32{}, limit: limit, head: -1, tail: -1}
}

// get returns the value of key, made new and zero if it is not there, and makes
// it the most recently used. The pointer is valid until the next call.
func (l *lru[T]) get(key uint64) *T {
	i, ok := l.index[key]
	switch {
	case ok:
		if l.head == i {
			return &l.items[i].value
		}
		l.unlink(i)
	case len(l.items) < l.limit:
		i = int32(len(l.items))
		l.items = append(l.items, lruItem[T]{key: key})
		l.index[key] = i
	default:
		i = l.tail
		l.unlink(i)
		delete(l.index, l.items[i].key)
		l.items[i] = lruItem[T]{key: key}
		l.index[key] = i
	}
	it := &l.items[i]
	it.prev, it.next = -1, l.head
	if l.head >= 0 {
		l.items[l.head].prev = i
	}
	l.head = i
	if l.tail < 0 {
		l.tail = i
	}
	return &it.value
}

func (l *lru[T]) unlink(i int32) {
	it := &l.items[i]
	if it.prev >= 0 {
		l.items[it.prev].next = it.next
	} else {
		l.head = it.next
	}
	if it.next >= 0 {
		l.items[it.next].prev = it.prev
	} else {
		l.tail = it.prev
	}
}

// sketch counts distinct hashes in the running and the previous window.
type sketch64 struct {
	start    int64
	now, old uint64
}

func (s *sketch64) roll(t, window int64) {
	switch d := t - s.start; {
	case s.start == 0 || d >= 2*window:
		*s = sketch64{start: t}
	case d >= window:
		*s = sketch64{start: s.start + window, old: s.now}
	}
}

func (s *sketch64) add(h uint64, t, window int64) {
	s.roll(t, window)
	s.now |= 1 << (h >> 58)
}

// count returns ln(1+distinct).
func (s *sketch64) count(w *windows) float32 { return w.of64[bits.OnesCount64(s.now|s.old)] }

// sketch256 is sketch64 with four times the room: up to about 1,500.
type sketch256 struct {
	start    int64
	now, old [4]uint64
}

func (s *sketch256) roll(t, window int64) {
	switch d := t - s.start; {
	case s.start == 0 || d >= 2*window:
		*s = sketch256{start: t}
	case d >= window:
		*s = sketch256{start: s.start + window, old: s.now}
	}
}

func (s *sketch256) add(h uint64, t, window int64) {
	s.roll(t, window)
	s.now[h>>62] |= 1 << (h >> 56 & 63)
}

func (s *sketch256) count(w *windows) float32 {
	k := 0
	for i := range s.now {
		k += bits.OnesCount64(s.now[i] | s.old[i])
	}
	return w.of256[k]
}

// distinct estimates how many hashes set k of m bits: m·ln(m/(m−k)); a full map
// counts as half a bit free. It returns ln(1+n).
func distinct(k, m int) float32 {
	if k == 0 {
		return 0
	}
	free := max(float64(m-k), 0.5)
	return float32(math.Log1p(float64(m) * math.Log(float64(m)/free)))
}

// ring is the entropy of the last 32 templates. Its sum of c·log2 c is kept in
// integers, so that it cannot drift.
type ring struct {
	slots  [32]uint8 // which bucket each of the last requests fell into
	counts [32]uint8
	n, pos uint8
}

func (r *ring) add(h uint64) {
	b := uint8(h >> 59)
	if r.n == 32 {
		r.counts[r.slots[r.pos]]--
	} else {
		r.n++
	}
	r.slots[r.pos] = b
	r.counts[b]++
	r.pos = (r.pos + 1) % 32
}

// entropy in bits: log2 n − Σ c·log2 c / n.
func (r *ring) entropy(w *windows) float32 {
	sum := 0.0
	for _, c := range r.counts {
		sum += w.clog[c]
	}
	return float32(max(0, w.log2[r.n]-sum/float64(r.n)))
}

// visitor is what is kept of a principal.
type visitor struct {
	last     int64
	seen     bool
	count    [4]float64 // decayed over 10 s, 1 min, 10 min, 1 h
	gaps     float64    // the following decay over 10 min
	gapSum   float64
	gapSq    float64
	statuses float64
	client   float64
	server   float64
	denied   float64
	missing  float64
	limited  float64
	sized    float64
	bytes    float64
	assets   float64
	reads    float64
	ids      float64
	follows  float64
	fail1m   float64
	fail1h   float64
	lastTmpl uint64
	lastID   int64

	templates  sketch64
	addresses  sketch64
	objects10m sketch256
	objects1h  sketch256
	ring       ring
}

// place is what is kept of a client address.
type place struct {
	last   int64
	seen   bool
	count  [2]float64 // 1 min, 1 h
	fail1h float64
	agents sketch64
}

// endpoint is what is kept of a template, and of the whole service.
type endpoint struct {
	first, last int64
	seen        bool
	fast, slow  float64 // 1 min, 1 h
	record      record
	chains      [8]chain
	failed      sketch256
	principals  sketch256
}

// record is the most requests in a minute (decayed) that there ever were, but for
// the last 10 to 20 min, fading with e^(−t/day).
type record struct {
	start     int64 // of the running 10 min
	at        int64
	fast      float64 // over 1 min
	now, last float64
	before    float64
}

// add counts one request and returns ln of the running minute over the record,
// both plus 5.
func (r *record) add(w *windows, t int64) float32 {
	const day = 24 * hour
	dt, at := elapsed(r.at, t, r.at != 0)
	r.at = at
	r.fast = float64(r.fast*w.decay(dt, over1m)) + 1
	if d := at - r.start; r.start == 0 || d >= 10*minute {
		if r.start != 0 {
			r.before = max(r.before, r.last) * math.Exp(-float64(d)/day)
			if r.last = r.now; d >= 20*minute {
				r.before, r.last = max(r.before, r.last), 0
			}
		}
		r.start, r.now = at, 0
	}
	r.now = max(r.now, r.fast)
	return float32(math.Log((r.fast + 5) / (r.before + 5)))
}

// chain is a run of ids of which each is 1 or 2 above the one before and comes
// within 10 min of it.
type chain struct {
	id   int64
	last int64
	n    int32
}

// follow returns the length of the run that id goes on with, 1 for a new one. The
// run that is shortest, a minute of silence counting as one id, makes room.
func follow(chains *[8]chain, id, t int64) int32 {
	worst, least := 0, math.Inf(1)
	for i := range chains {
		c := &chains[i]
		if c.n > 0 && id > c.id && id <= c.id+2 && t-c.last <= 10*minute {
			c.id, c.last, c.n = id, t, c.n+1
			return c.n
		}
		if c.n > 0 && id == c.id { // asked again
			return c.n
		}
		if w := float64(c.n) - float64(t-c.last)/minute; c.n == 0 || w < least {
			if worst, least = i, w; c.n == 0 {
				least = math.Inf(-1)
			}
		}
	}
	chains[worst] = chain{id, t, 1}
	return 1
}

// windows holds all of them.
type windows struct {
	visitors *lru[visitor]
	places   *lru[place]
	targets  *lru[endpoint]
	global   endpoint
	clog     [33]float64 // c·log2 c
	log2     [33]float64
	length   [4]float64      // of the windows of decay, in seconds
	fade     [4][256]float64 // decay over whole seconds, in which most logs tell the time
	of64     [65]float32     // distinct(k, 64)
	of256    [257]float32    // distinct(k, 256)
}

func newWindows() *windows {
	w := &windows{visitors: newLRU[visitor](maxPrincipals), places: newLRU[place](maxPrincipals), targets: newLRU[endpoint](maxTargets)}
	for c := 1; c < len(w.clog); c++ {
		w.log2[c] = math.Log2(float64(c))
		w.clog[c] = float64(c) * w.log2[c]
	}
	for k, window := range [...]float64{over10s: 10, over1m: 60, over10m: 600, over1h: 3600} {
		w.length[k] = window
		for dt := range w.fade[k] {
			w.fade[k][dt] = decay(float64(dt), window)
		}
	}
	for k := range w.of64 {
		w.of64[k] = distinct(k, 64)
	}
	for k := range w.of256 {
		w.of256[k] = distinct(k, 256)
	}
	return w
}

// event is one request as windows see it.
type event struct {
	time      int64
	principal uint64 // 0 = unknown
	address   uint64 // 0 = unknown
	agent     uint64
	template  uint64
	object    uint64
	id        int64 // numeric id in the target, −1 if none
	status    int32
	bytes     int64 // −1 unknown
	asset     bool
	login     bool
	write     bool
}

// failedLogin: refused at a login endpoint, or a write refused for want of
// credentials.
func (e *event) failedLogin() bool {
	return (e.status == 401 || e.status == 403) && (e.login || e.write && e.status == 401)
}

func decay(dt, window float64) float64 {
	if dt == 0 {
		return 1
	}
	return math.Exp(-dt / window)
}

// The windows of windows.decay.
const (
	over10s = iota
	over1m
	over10m
	over1h
)

// decay is decay of that window.
func (w *windows) decay(dt float64, window int) float64 {
	if k := int(dt); k < len(w.fade[0]) && float64(k) == dt {
		return w.fade[window][k]
	}
	return decay(dt, w.length[window])
}

// elapsed returns the seconds since last, never negative, and the new last.
func elapsed(last, t int64, seen bool) (float64, int64) {
	if !seen || t <= last {
		if seen {
			return 0, last
		}
		return 0, t
	}
	return float64(t-last) / second, t
}

// add takes in one event and writes the window columns, this event included.
func (w *windows) add(dst []float32, e *event) {
	nan := nan32()
	for i := range dst {
		dst[i] = nan
	}
	const base = numRequest
	var v *visitor
	if e.principal != 0 {
		v = w.visitor(dst, e)
	}
	if e.address != 0 {
		p := w.places.get(e.address)
		dt, last := elapsed(p.last, e.time, p.seen)
		p.last, p.seen = last, true
		hourly := w.decay(dt, over1h)
		p.count[0] = float64(p.count[0]*w.decay(dt, over1m)) + 1
		p.count[1] = float64(p.count[1]*hourly) + 1
		p.fail1h *= hourly
		if e.failedLogin() {
			p.fail1h++
		}
		p.agents.add(e.agent, last, hour)
		if v != nil && v.count[1] == p.count[0] && v.count[3] == p.count[1] { // an address with one principal
			dst[cAddressRate1m-base], dst[cAddressRate1h-base] = dst[cRate1m-base], dst[cRate1h-base]
		} else {
			dst[cAddressRate1m-base] = float32(math.Log1p(p.count[0]))
			dst[cAddressRate1h-base] = float32(math.Log1p(p.count[1]))
		}
		dst[cAddressAgents-base] = p.agents.count(w)
		dst[cAddressFailures-base] = float32(math.Log1p(p.fail1h))
	}
	t := w.targets.get(e.template)
	dst[cTargetSurge-base] = t.add(w, e.time)
	if t.last-e.time <= minute { // a record that comes late says nothing of the pace
		dst[cTargetRecord-base] = t.record.add(w, e.time)
		if e.id >= 0 {
			dst[cTargetChain-base] = float32(math.Log1p(float64(follow(&t.chains, e.id, t.last))))
		}
	}
	if e.principal != 0 {
		t.principals.add(e.principal, t.last, 10*minute)
		t.failed.roll(t.last, 10*minute)
		if e.failedLogin() {
			t.failed.add(e.principal, t.last, 10*minute)
		}
		dst[cTargetPrincipals-base] = t.principals.count(w)
		dst[cTargetFailed-base] = t.failed.count(w)
	}
	dst[cGlobalSurge-base] = w.global.add(w, e.time)
}

// add counts one request and returns ln of the last minute's decayed count over
// what the last hour makes expect, both plus 5, so that a few requests are no
// surge. Both averages are corrected for how long has been watched.
func (t *endpoint) add(w *windows, now int64) float32 {
	if !t.seen {
		t.first, t.seen, t.last = now, true, now
	}
	dt, last := elapsed(t.last, now, true)
	t.last = last
	t.fast = float64(t.fast*w.decay(dt, over1m)) + 1
	t.slow = float64(t.slow*w.decay(dt, over1h)) + 1
	age := float64(t.last-t.first) / second
	full := 1.0 // share of the window's weight that was watched
	if age < 8*3600 {
		full = 1 - math.Exp(-age/3600)
	}
	fastFull := 1.0
	if age < 8*60 {
		fastFull = 1 - math.Exp(-age/60)
	}
	if full < 1e-3 { // less than 4 s: nothing to compare with
		return 0
	}
	expect := t.slow / (3600 * full) * (60 * fastFull)
	return float32(math.Log((t.fast + 5) / (expect + 5)))
}

func (w *windows) visitor(dst []float32, e *event) *visitor {
	const base = numRequest
	v := w.visitors.get(e.principal)
	dt, last := elapsed(v.last, e.time, v.seen)
	d := [4]float64{w.decay(dt, over10s), w.decay(dt, over1m), w.decay(dt, over10m), w.decay(dt, over1h)}
	for i := range v.count {
		v.count[i] = float64(v.count[i]*d[i]) + 1
	}
	for _, p := range []*float64{&v.gaps, &v.gapSum, &v.gapSq, &v.statuses, &v.client, &v.server, &v.denied, &v.missing,
		&v.limited, &v.sized, &v.bytes, &v.assets, &v.reads, &v.ids, &v.follows} {
		*p *= d[2]
	}
	if v.seen {
		v.gaps++
		v.gapSum += dt
		v.gapSq += float64(dt * dt)
	}
	v.last, v.seen = last, true
	if e.status > 0 {
		v.statuses++
	}
	switch {
	case e.status >= 500:
		v.server++
	case e.status >= 400:
		v.client++
	}
	switch e.status {
	case 401, 403:
		v.denied++
	case 404:
		v.missing++
	case 429:
		v.limited++
	}
	if e.bytes >= 0 {
		v.sized++
		v.bytes += float64(e.bytes)
	}
	if e.asset {
		v.assets++
	}
	if !e.write {
		v.reads++
	}
	if e.id >= 0 {
		if v.ids > 0 && v.lastTmpl == e.template {
			if step := e.id - v.lastID; step >= 1 && step <= 10 {
				v.follows++
			}
		}
		v.ids++
		v.lastTmpl, v.lastID = e.template, e.id
	}
	v.fail1m *= d[1]
	v.fail1h *= d[3]
	if e.failedLogin() {
		v.fail1m++
		v.fail1h++
	}
	success := 0.0
	if e.login && e.status >= 200 && e.status < 400 {
		success = v.fail1h
	}
	v.templates.add(e.template, last, 10*minute)
	v.objects10m.add(e.object, last, 10*minute)
	v.objects1h.add(e.object, last, hour)
	if e.address != 0 {
		v.addresses.add(e.address, last, hour)
	}
	v.ring.add(e.template)

	shrunk := func(n float64) float32 { return float32(n / (v.statuses + 2)) }
	dst[cRate10s-base] = float32(math.Log1p(v.count[0]))
	dst[cRate1m-base] = float32(math.Log1p(v.count[1]))
	dst[cRate10m-base] = float32(math.Log1p(v.count[2]))
	dst[cRate1h-base] = float32(math.Log1p(v.count[3]))
	if v.gaps > 1e-9 {
		mean := v.gapSum / v.gaps
		dst[cGapMean-base] = float32(math.Log1p(mean))
		if v.gaps >= 1.5 {
			sd := math.Sqrt(max(0, v.gapSq/v.gaps-float64(mean*mean)))
			dst[cGapCV-base] = float32(sd / (mean + 0.001)) // clocks of logs tick in milliseconds at best
		}
	}
	dst[cTemplates10m-base] = v.templates.count(w)
	dst[cObjects10m-base] = v.objects10m.count(w)
	dst[cObjects1h-base] = v.objects1h.count(w)
	dst[cSequential-base] = float32(v.follows / (v.ids + 2))
	dst[cTemplateEntropy-base] = v.ring.entropy(w)
	dst[cClientErrors-base] = shrunk(v.client)
	dst[cServerErrors-base] = shrunk(v.server)
	dst[cDenied-base] = shrunk(v.denied)
	dst[cNotFound-base] = shrunk(v.missing)
	dst[cLimited-base] = shrunk(v.limited)
	dst[cLoginFailures1m-base] = float32(math.Log1p(v.fail1m))
	dst[cLoginFailures1h-base] = float32(math.Log1p(v.fail1h))
	dst[cSuccessAfterFailures-base] = float32(math.Log1p(success))
	if v.sized > 1e-9 {
		dst[cBytesMean-base] = float32(math.Log1p(v.bytes / v.sized))
	}
	dst[cAssetShare-base] = float32(v.assets / (v.count[2] + 2))
	dst[cGetShare-base] = float32(v.reads / (v.count[2] + 2))
	dst[cAddresses-base] = v.addresses.count(w)
	return v
}
