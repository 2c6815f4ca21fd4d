package generate

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"apiml/traffic"
)

// Streams of the seed.
const (
	streamPools = iota + 1
	streamClients
	streamClock
	streamBenign
	streamPlan
	streamVary
	streamCampaign = 1 << 32 // + number of the campaign
)

const (
	batchSize  = 4096
	recentSize = 2048
)

// generator is the state of one Run. Everything that happens is an actor in a
// heap ordered by the time of its next request.
type generator struct {
	ctx  context.Context
	emit func([]traffic.Request, []string) error

	seed    uint64
	scale   int // requests that the population is made for
	rand    *rand.Rand
	pcg     *rand.PCG // of crand, seeded anew for each client
	crand   *rand.Rand
	pools   *pools
	grammar *grammar
	ops     []op
	opIndex map[string]int
	walks   [numKinds]walk
	kinds   [numKinds]kindSpec

	roles      roles
	agentRule  [numKinds]int
	ruleExt    int     // "extref"
	rulePname  int     // "pname"
	ruleQ      int     // "q"
	ruleTricky int     // "tricky"
	hard       float64 // Config.Hard
	webHost    string
	apiHost    string

	clock      clock
	now        int64
	normalLeft int
	shadow     bool // requests are only remembered, not emitted
	heap       []event
	seq        uint64

	assets   float64 // mean number of files that a page loads
	load     float64 // exponentially decaying count of requests
	lastLoad int64
	capacity float64 // requests per second that the service takes with ease
	cached   []cacheEntry

	// recent are the last benign requests: attackers take their looks from
	// them.
	recent      []look
	recentNext  int
	referrers   [numKinds]float64 // requests with a referrer
	kindCount   [numKinds]float64
	payload     *payloads
	reqs        []traffic.Request
	campaigns   []string
	clients     *[]string // Config.Clients
	target      []byte    // scratch
	bodyText    []byte
	value, wire []byte
	none        injection
}

// look is what an attacker copies from a benign request.
type look struct {
	client client
	op     int32
	named  bool // the log had a user
}

type cacheEntry struct {
	key  uint64
	till int64
}

// actor makes requests. step makes what is due at g.now and returns the time
// of the next step, or false if the actor is done.
type actor interface {
	step(g *generator) (next int64, more bool)
}

type event struct {
	time  int64
	seq   uint64
	actor actor
}

func (e *event) before(o *event) bool {
	return e.time < o.time || e.time == o.time && e.seq < o.seq
}

func (g *generator) push(t int64, a actor) {
	g.seq++
	g.heap = append(g.heap, event{t, g.seq, a})
	h, i := g.heap, len(g.heap)-1
	for i > 0 {
		p := (i - 1) / 2
		if !h[i].before(&h[p]) {
			break
		}
		h[i], h[p] = h[p], h[i]
		i = p
	}
}

// settle moves the top down to its place.
func (g *generator) settle() {
	h, i := g.heap, 0
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1].before(&h[c]) {
			c++
		}
		if !h[c].before(&h[i]) {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

func newGenerator(ctx context.Context, cfg *Config, emit func([]traffic.Request, []string) error) (*generator, error) {
	g := &generator{
		ctx: ctx, emit: emit, clients: cfg.Clients, seed: mix64(cfg.Seed + 0x9e3779b97f4a7c15), scale: max(cfg.Normal, cfg.Attacks, 2000), normalLeft: cfg.Normal,
		rand: rand.New(rand.NewPCG(cfg.Seed, streamBenign)), pcg: rand.NewPCG(0, 0),
		kinds: kindSpecs(), cached: make([]cacheEntry, 1<<14),
		assets: 3.5, recent: make([]look, 0, recentSize),
		reqs: make([]traffic.Request, 0, batchSize), campaigns: make([]string, 0, batchSize),
	}
	g.crand = rand.New(g.pcg)
	g.pools = newPools(cfg.Seed)
	var err error
	if g.grammar, err = newGrammar(g.pools, valueBuiltins(), benignRules(), hardRules(), webRules(), agentRules(), pathRules(), payloadRules(), moreRules()); err != nil {
		return nil, err
	}
	brand := string(appendSlug(nil, pick(g.rand, g.pools.noun)))
	g.webHost, g.apiHost = "www."+brand+".example", "api."+brand+".example"
	if err := g.service(cfg); err != nil {
		return nil, err
	}
	for k := range numKinds {
		if g.agentRule[k], err = g.grammar.rule(g.kinds[k].agent); err != nil {
			return nil, err
		}
	}
	if g.ruleExt, err = g.grammar.rule("extref"); err != nil {
		return nil, err
	}
	if g.rulePname, err = g.grammar.rule("pname"); err != nil {
		return nil, err
	}
	if g.ruleQ, err = g.grammar.rule("q"); err != nil {
		return nil, err
	}
	if g.ruleTricky, err = g.grammar.rule("tricky"); err != nil {
		return nil, err
	}
	g.hard = cfg.Hard
	if g.payload, err = newPayloads(g.grammar); err != nil {
		return nil, err
	}
	g.clock = newClock(cfg.Seed, cfg.Start, cfg.Duration)
	mean := float64(cfg.Normal+cfg.Attacks) / cfg.Duration.Seconds()
	g.capacity = max(8*mean, 6)
	g.now, g.lastLoad = g.clock.origin, g.clock.origin
	return g, nil
}

// service reads the document that describes the service.
func (g *generator) service(cfg *Config) error {
	doc, name := cfg.Spec, cfg.SpecName
	var vary *variation
	if doc == nil {
		var err error
		if doc, err = Spec(cfg.Profile); err != nil {
			return err
		}
		name = "profile " + cfg.Profile
		if cfg.Vary {
			vary = newVariation(cfg.Seed, g.pools)
			g.assets = vary.assets
		}
	}
	if name == "" {
		name = "service"
	}
	if err := g.readSpec(name, doc, vary); err != nil {
		return err
	}
	g.roles = rolesOf(g.ops)
	return nil
}

// run lets the actors act until nothing is left.
func (g *generator) run(start int64) error {
	g.warm()
	g.push(g.clock.origin, &arrivals{total: float64(g.normalLeft)})
	steps := 0
	for len(g.heap) > 0 {
		if steps++; steps&1023 == 0 {
			if err := g.ctx.Err(); err != nil {
				return err
			}
		}
		e := &g.heap[0]
		g.now, g.shadow = e.time, e.time < start
		next, more := e.actor.step(g)
		if len(g.reqs) >= batchSize-64 {
			if err := g.flush(); err != nil {
				return err
			}
		}
		// The step may have pushed: the heap may have moved, but the event
		// in hand is still the smallest, hence the top.
		if more {
			g.seq++
			g.heap[0].time, g.heap[0].seq = max(next, g.now), g.seq
		} else {
			n := len(g.heap) - 1
			g.heap[0] = g.heap[n]
			g.heap[n] = event{}
			g.heap = g.heap[:n]
		}
		g.settle()
	}
	return g.flush()
}

func (g *generator) flush() error {
	if len(g.reqs) == 0 {
		return nil
	}
	err := g.emit(g.reqs, g.campaigns)
	clear(g.reqs)
	g.reqs, g.campaigns = g.reqs[:0], g.campaigns[:0]
	if g.clients != nil {
		*g.clients = (*g.clients)[:0]
	}
	if err != nil {
		return err
	}
	return g.ctx.Err()
}

// warm fills the memory of recent requests, so that the first attacker finds
// somebody to look like even in a log without benign requests.
func (g *generator) warm() {
	g.shadow = true
	for len(g.recent) < recentSize {
		s := g.newSession()
		for range 12 {
			if _, more := s.step(g); !more {
				break
			}
		}
	}
	g.load = 0
}

// clock maps a share of the benign requests to a time and back: day, week and
// slow noise.
type clock struct {
	origin int64 // µs, the start of the warm-up
	step   int64 // µs
	cum    []float64
	from   float64 // share at the start of the log
	first  int64
}

func newClock(seed uint64, start int64, d time.Duration) clock {
	r := rand.New(rand.NewPCG(seed, streamClock))
	us := max(d.Microseconds(), 1000)
	warm := min(us/8, 2*3600*1e6)
	n := int(min(max((us+warm)/60e6, 256), 1<<16))
	c := clock{origin: start - warm, step: max((us+warm)/int64(n), 1), cum: make([]float64, n+1), first: start}
	// Relative traffic by hour of the day, UTC.
	hours := [24]float64{.42, .33, .27, .25, .28, .38, .55, .78, 1, 1.14, 1.2, 1.22, 1.18, 1.2, 1.22, 1.24, 1.28, 1.34, 1.42, 1.5, 1.46, 1.2, .86, .58}
	// What kind of service it is: one for the whole world hardly sleeps, one for a
	// country does, one for offices stands still at night and begins at eight.
	swing := .3 + 1.9*r.Float64()
	offices := r.Float64() < .2
	crowd := .8 + 5*r.Float64()*r.Float64() // how large its largest rushes are
	noise, burst, down := 0., 0., 0
	trend, long := 0., us >= 8*86400*1e6
	if long {
		trend = .3 * r.NormFloat64() / 28 // per day
	}
	for i := range n {
		t := c.origin + int64(i)*c.step
		h := float64(((t/1e6)%86400+86400)%86400) / 3600
		a := int(h) % 24
		w := math.Pow(hours[a]+(h-math.Floor(h))*(hours[(a+1)%24]-hours[a]), swing)
		if offices && (a < 7 || a > 18) {
			w *= .02
		}
		switch day := (t/86400e6 + 4) % 7; day { // 1970-01-01 was a Thursday
		case 6, 0:
			w *= .82
		case 1:
			w *= 1.06
		}
		if long { // it grows or shrinks, and has its holidays
			w *= math.Exp(min(max(trend*float64(t-start)/86400e6, -1.5), 1.5))
			switch mix64(uint64(t/86400e6)^seed*0x9e3779b97f4a7c15) % 24 {
			case 0:
				w *= .55
			case 1:
				w *= 1.6
			}
		}
		noise = .97*noise + .035*r.NormFloat64()
		if burst *= .9; r.Float64() < .003 { // a newsletter, a link that is passed around, a sale
			burst += crowd * r.ExpFloat64()
		}
		if down--; r.Float64() < .0006 { // nobody gets through for a while, then everybody comes back
			down = 5 + r.IntN(30)
		}
		if down > 0 {
			w *= .01
		} else if down == 0 {
			burst += crowd
		}
		c.cum[i+1] = c.cum[i] + w*math.Exp(noise)*(1+burst)
	}
	for i := range c.cum {
		c.cum[i] /= c.cum[n]
	}
	i := int(warm / c.step)
	c.from = c.cum[min(i, n)]
	return c
}

// at returns the time at which the share u of the requests has come; beyond 1
// it goes on at the mean rate.
func (c *clock) at(u float64) int64 {
	n := len(c.cum) - 1
	if u >= 1 {
		return c.origin + int64(float64(n)*float64(c.step)*u)
	}
	lo, hi := 0, n
	for hi-lo > 1 {
		if m := (lo + hi) / 2; c.cum[m] <= u {
			lo = m
		} else {
			hi = m
		}
	}
	return c.origin + int64((float64(lo)+(u-c.cum[lo])/(c.cum[hi]-c.cum[lo]))*float64(c.step))
}

// arrivals starts the benign sessions. A session that makes n requests moves
// the clock n requests on, so that the whole is as long as it should be
// whatever the tails do.
type arrivals struct {
	total     float64
	committed float64
}

func (a *arrivals) step(g *generator) (int64, bool) {
	if g.normalLeft <= 0 {
		return 0, false
	}
	s := g.newSession()
	g.push(g.now, s)
	a.committed += float64(s.left) * g.rand.ExpFloat64()
	return g.clock.at(a.committed / a.total * (1 - g.clock.from)), true
}

// answer is what the service says.
type answer struct {
	status  int32
	size    int64
	latency float64
	cache   string
}

const noStatus = 0

// incident reports how ill the service is at time t: factor on latency and
// share of server errors. It is a function of seed and time.
func (g *generator) incident(t int64) (slow, errors float64) {
	h := mix64(uint64(t/600e6) ^ g.seed) // ten minutes each
	switch {
	case h%149 == 0:
		return 4, .03 // slow database
	case h%211 == 1:
		return 1.5, .18 // a bad deployment
	}
	return 1, .0006
}

// respond answers the request in g.target and g.bodyText at g.now. outcome is
// the status that the sender's deed causes, noStatus for the usual; delay is
// added to the latency.
func (g *generator) respond(r *rand.Rand, o *op, c *client, outcome int32, delay float64) answer {
	dt := float64(g.now-g.lastLoad) / 1e6
	const tau = 20.0
	if dt > 0 {
		g.load *= math.Exp(-dt / tau)
		g.lastLoad = g.now
	}
	if !g.shadow {
		g.load++
	}
	rho := g.load / tau / g.capacity
	slow, errors := g.incident(g.now)
	slow *= 1 + min(rho*rho*2, 30)
	if rho > 1 {
		errors += min(.35*(rho-1), .5)
	}
	a := answer{status: o.ok}
	h := hash64(g.target)
	hit := false
	x := r.Float64()
	switch {
	case outcome != noStatus:
		a.status = outcome
	case x < errors && o.flags&static == 0:
		a.status = [...]int32{500, 502, 503, 504, 500}[r.IntN(5)]
	case mix64(h)>>11 < uint64(o.missing*(1<<53)):
		a.status = 404
	case r.Float64() < o.bad:
		a.status = 400
		if o.hasBody() && r.IntN(2) == 0 {
			a.status = 422
		}
	case o.flags&auth != 0 && r.Float64() < .025:
		a.status = 401
		if r.IntN(4) == 0 {
			a.status = 403
		}
	case o.flags&(static|page) != 0 && c.returns && r.Float64() < .4 && (o.flags&static != 0 || r.Float64() < .1) && o.ok == 200:
		a.status = 304
	case r.Float64() < .003:
		a.status = 403
	}
	if o.invalidates != nil && a.status < 400 {
		for _, i := range o.invalidates {
			g.ops[i].generation++
		}
	}
	if o.ttl > 0 {
		h := h ^ mix64(o.generation)
		e := &g.cached[(h^h>>17)%uint64(len(g.cached))]
		a.cache = "MISS"
		if e.key == h {
			a.cache, hit = "EXPIRED", g.now < e.till
		}
		if hit {
			a.cache = "HIT"
		} else if a.status == 200 {
			*e = cacheEntry{h, g.now + int64(o.ttl*1e6)}
		}
		if a.status >= 400 {
			a.cache, hit = "MISS", false
		}
	}
	lat := o.lat * math.Exp(.45*r.NormFloat64())
	if r.Float64() < .02 {
		lat *= 3 + 4*r.ExpFloat64()
	}
	switch {
	case hit || o.flags&static != 0:
		lat = .0012 * math.Exp(.5*r.NormFloat64())
	case a.status >= 400 && a.status < 500 && o.flags&login == 0:
		lat *= .35
	case a.status == 502:
		lat *= .2
	case a.status == 504:
		lat = 30 + .02*r.Float64()
	}
	lat = lat*slow + delay
	switch {
	case a.status == 304 || a.status == 204:
		a.size = 0
	case a.status >= 500:
		a.size = int64(o.errorSize*.1) + 170
	case a.status >= 400 && o.ok < 400:
		a.size = int64(o.errorSize * (1 + .02*steadyNormal(h)))
		if o.flags&site == 0 {
			a.size = int64(60+a.status/10) + int64(h%40)
		}
	case a.status == 302 || a.status == 301:
		a.size = 138 + int64(h%3)*int64(h%200)
	case o.flags&static != 0:
		a.size = int64(o.size * math.Exp(o.spread*steadyNormal(h)))
	default:
		a.size = int64(o.size * math.Exp(o.spread*steadyNormal(h)+.03*r.NormFloat64()))
	}
	if o.method == "HEAD" {
		a.size = 0
	}
	lat += float64(a.size) / c.bandwidth
	limit := 3 + 30*r.ExpFloat64()
	if r.IntN(1200) == 0 { // a page is left before it has come
		limit = lat * r.Float64()
	}
	if lat > limit && a.status < 500 { // the client gives up
		a.status, a.size, lat = 499, 0, limit
	}
	a.latency = math.Round(lat*1e6) / 1e6
	return a
}

// request is what a client asks, beyond its operation.
type request struct {
	op       *op
	client   *client
	user     string
	session  string
	referrer string
	method   string // "" = that of the operation
	outcome  int32
	delay    float64
	grow     float64 // factor on the size of the answer, 0 = 1
	inj      *injection
	label    traffic.Label
	campaign string
	built    bool // g.target and g.bodyText are ready
}

// send makes one request at g.now and returns its answer. It reports false if
// the quota of benign requests is used up; then nothing was made.
func (g *generator) send(r *rand.Rand, q *request) (answer, bool) {
	benign := q.label == traffic.None
	if benign && !g.shadow {
		if g.normalLeft <= 0 {
			return answer{}, false
		}
		g.normalLeft--
	}
	o, c := q.op, q.client
	inj := q.inj
	if inj == nil {
		inj = &g.none
	}
	if !q.built {
		g.build(r, o, c.enc, inj)
	}
	a := g.respond(r, o, c, q.outcome, q.delay)
	if q.grow > 0 {
		a.size = int64(float64(a.size) * q.grow)
	}
	if benign && q.campaign == "" {
		g.remember(q)
	}
	if g.shadow {
		return a, true
	}
	g.reqs = append(g.reqs, traffic.Request{})
	g.campaigns = append(g.campaigns, q.campaign)
	if g.clients != nil {
		name := kindNames()[c.kind]
		if q.campaign != "" {
			name = "attacker"
		}
		*g.clients = append(*g.clients, name)
	}
	t := &g.reqs[len(g.reqs)-1]
	// One allocation for target and body.
	n := len(g.target)
	g.wire = append(append(g.wire[:0], g.target...), g.bodyText...)
	text := string(g.wire)
	t.Target, t.Body = text[:n], text[n:]
	t.Time, t.Latency, t.Status, t.Label = g.now, a.latency, a.status, q.label
	t.Method = q.method
	if t.Method == "" {
		t.Method = o.method
	}
	t.HasBody = len(t.Body) > 0
	t.Protocol, t.Client, t.Agent, t.User, t.Session, t.Referrer = c.proto, c.addr, c.agent, q.user, q.session, q.referrer
	t.Host = g.apiHost
	if o.flags&site != 0 {
		t.Host = g.webHost
	}
	t.BytesOut, t.Cache = a.size, a.cache
	t.BytesIn = int64(len(t.Method)+n+len(t.Body)+len(t.Referrer)+c.header) + 12
	return a, true
}

// remember keeps the looks of a benign request.
func (g *generator) remember(q *request) {
	k := q.client.kind
	g.kindCount[k]++
	if q.referrer != "" {
		g.referrers[k]++
	}
	l := look{*q.client, int32(q.op.index), q.user != ""}
	if len(g.recent) < recentSize {
		g.recent = append(g.recent, l)
		return
	}
	g.recent[g.recentNext] = l
	g.recentNext = (g.recentNext + 1) % recentSize
}

// session is one visit of a benign client.
type session struct {
	client   client
	left     int
	assets   int // of the page in hand that are still to come
	cur      int // operation, -1 at the start
	loggedIn bool
	fails    int
	page     string // URL of the page in hand
	id       string
	scan     int     // next page of a polite pagination, 0 = none
	topic    string  // what the pages are about
	again    string  // target that is asked for once more, "" = none
	body     string  // and its body
	queue    int     // requests of the same kind that wait to be sent at once
	pace     float64 // seconds between them
	order    int     // last of the orders that a partner fetches one after the other, 0 = it does not
}

func (g *generator) newSession() *session {
	r := g.rand
	x, k := r.Float64(), browser
	// Sessions of a kind are as frequent as its share of the requests demands.
	total := 0.
	for i := range g.kinds {
		total += g.kinds[i].share / meanLength(&g.kinds[i])
	}
	x *= total
	for i := range g.kinds {
		if x -= g.kinds[i].share / meanLength(&g.kinds[i]); x < 0 {
			k = kind(i)
			break
		}
	}
	s := &session{client: g.draw(r, k, g.now/86400e6), cur: -1}
	spec := &g.kinds[k]
	s.left = 1 + int(min(logNormal(r, spec.length, spec.sigma), 3000))
	if k != monitor && k != partner && chance(r, .35) { // a passer-by: never here before, soon gone
		s.client = g.client(k, g.people(k)+r.IntN(1<<24), g.now/86400e6)
		s.left = 1 + int(.8*r.ExpFloat64())
	}
	s.loggedIn = k == partner || k == app && chance(r, .85) || k == script && chance(r, .6)
	if k == partner && r.IntN(3) == 0 {
		s.order = 1 + zipf(r, 60000)
	}
	if s.client.session {
		s.id = string(appendLetters(g.value[:0], r, hexLow, 24))
	}
	return s
}

func meanLength(s *kindSpec) float64 { return 1 + s.length*math.Exp(s.sigma*s.sigma/2) }

// asset is what a page loads, by frequency.
func (g *generator) asset(r *rand.Rand) *op {
	n := r.Float64() * g.roles.assetWeight
	for _, i := range g.roles.assets {
		if n -= g.ops[i].weight; n < 0 {
			return &g.ops[i]
		}
	}
	return &g.ops[g.roles.assets[0]]
}

func (s *session) step(g *generator) (int64, bool) {
	r := g.rand
	if s.left--; s.left < 0 || g.normalLeft <= 0 && !g.shadow {
		return 0, false
	}
	c := &s.client
	q := request{client: c, session: s.id, label: traffic.None}
	if c.named && s.loggedIn {
		q.user = c.user
	}
	if s.assets > 0 {
		s.assets--
		q.op, q.referrer = g.asset(r), s.page
		_, ok := g.send(r, &q)
		return g.now + int64(1e6*.03*r.ExpFloat64()) + 500, ok
	}
	o := &g.ops[g.walks[c.kind].step(r, s.cur)]
	if s.scan > 0 || s.again != "" || s.queue > 0 { // go on paging, try again, go on sending
		o = &g.ops[s.cur]
	}
	q.op = o
	if c.kind == browser {
		switch {
		case s.page != "":
			q.referrer = s.page
			if r.IntN(14) == 0 {
				q.referrer = ""
			}
		case r.IntN(10) < 5:
			q.referrer = string(g.grammar.expand(g.value[:0], r, g.ruleExt))
		}
	}
	if r.IntN(400) == 0 && o.method == "GET" && c.kind != app {
		q.method = "HEAD"
	}
	if s.again != "" {
		g.target, g.bodyText = append(g.target[:0], s.again...), append(g.bodyText[:0], s.body...)
		s.again = ""
	} else {
		inj := &g.none
		if g.hard > 0 && o.flags&(static|raw|assetFor|open) == 0 && r.Float64() < g.hard {
			inj = g.hardValue(r, o, c.enc)
		}
		g.build(r, o, c.enc, inj)
	}
	q.built = true
	if s.order > 0 && o.numbered && o.flags&auth != 0 {
		s.order++
		g.numbered(o, s.order)
	}
	switch {
	case s.scan > 0:
		s.paged(g, o)
	case o.pageParam >= 0 && (c.kind == partner && chance(r, .5) || o.flags&page != 0 && chance(r, .06)):
		s.scan, s.topic = 1, pick(r, g.pools.noun)
		s.paged(g, o)
	}
	wrong := o.flags&login != 0 && r.Float64() < []float64{.2, .55, .6, .5}[min(s.fails, 3)]
	if wrong {
		q.outcome = 401
		if o.flags&site != 0 && c.enc != encURI {
			q.outcome = 200 // the form again
		}
	}
	if c.kind == partner && r.IntN(300) == 0 {
		q.outcome = 429
	}
	if o.flags&auth != 0 && !s.loggedIn {
		q.outcome = 401
		if o.flags&site != 0 {
			q.outcome = 302
		}
	}
	a, ok := g.send(r, &q)
	if !ok {
		return 0, false
	}
	if o.flags&page != 0 {
		scheme := "https://" + g.webHost
		if c.kind == browser {
			s.page = scheme + string(g.target)
			s.assets = min(int(r.ExpFloat64()*g.assets), int(7*g.assets))
			if c.returns {
				s.assets /= 2
			}
		}
	}
	s.cur = o.index
	spec := &g.kinds[c.kind]
	gap := logNormal(r, spec.gap, spec.spread)
	switch {
	case wrong && s.fails < 5:
		s.fails++
		if s.cur = g.roles.loginPage; o.flags&site == 0 || s.cur < 0 {
			s.cur = o.index
		}
		gap = logNormal(r, 6, .7)
	case o.flags&login != 0 && a.status < 400:
		s.loggedIn, s.fails = true, 0
	case o.leaves:
		s.loggedIn = false
	case o.flags&typing != 0:
		gap = logNormal(r, .3, .5)
	case a.status >= 500 && c.kind != monitor && r.IntN(2) == 0: // try again
		s.again, s.body, s.cur, s.assets = string(g.target), string(g.bodyText), o.index, 0
		gap = logNormal(r, 1.5, .5)
	case s.scan > 0:
		gap = logNormal(r, min(spec.gap, 3), .4)
	}
	switch {
	case s.queue > 0:
		s.queue--
		gap = logNormal(r, s.pace, .6)
	case o.flags&queued != 0 && r.IntN(20) == 0:
		s.queue = min(int(logNormal(r, 30, 1)), 900)
		s.left += s.queue
		s.pace = .03 + .5*r.Float64()*r.Float64()
	}
	return g.now + int64(gap*1e6) + 100, true
}

// paged turns the built target into the next page of a list.
func (s *session) paged(g *generator, o *op) {
	g.pageOf(o, s.topic, s.scan, 0)
	if s.scan++; g.rand.IntN(14) == 0 {
		s.scan = 0
	}
}

// pageOf writes the target of one page of a list about a topic; limit 0 leaves
// its length to the service.
func (g *generator) pageOf(o *op, topic string, number, limit int) {
	g.target = g.target[:0]
	for _, t := range o.path {
		if t.rule < 0 {
			g.target = append(g.target, t.text...)
		} else {
			g.target = appendSlug(g.target, topic)
		}
	}
	g.target = append(append(g.target, '?'), o.params[o.pageParam].name[0].text...)
	g.target = strconv.AppendInt(append(g.target, '='), int64(number), 10)
	if limit == 0 && o.flags&site == 0 {
		limit = 100
	}
	for i := range o.params {
		if limit > 0 && o.params[i].label == "limit" {
			g.target = append(append(g.target, '&'), o.params[i].name[0].text...)
			g.target = strconv.AppendInt(append(g.target, '='), int64(limit), 10)
		}
	}
}

// numbered writes the target of an operation on the object with a number: its
// last variable part.
func (g *generator) numbered(o *op, n int) {
	g.target = g.target[:0]
	last := 0
	for i, t := range o.path {
		if t.rule >= 0 {
			last = i
		}
	}
	for i, t := range o.path {
		switch {
		case t.rule < 0:
			g.target = append(g.target, t.text...)
		case i == last:
			g.target = strconv.AppendInt(g.target, int64(n), 10)
		default:
			g.target = appendSlug(g.target, g.pools.noun[n%len(g.pools.noun)])
		}
	}
}

// roles are the operations that can play a part, whatever they are called.
type roles struct {
	assets      []int
	assetWeight float64
	loginPage   int   // page that a failed login leads back to, -1 if there is none
	pages       []int // whose URLs are referrers
	logins      []int // check a password
	reads       []int // GET, no asset
	cached      []int // reads that a cache answers
	dear        []int // slow and large ones
	objects     []int // reads of one object by number or name
	owned       []int // of them those that need a user
	lists       []int // reads with pages
	closed      []int // reads that need a user
	writes      []int
	tokens      []int // carry a token in a parameter
	searches    []int
}

func rolesOf(ops []op) roles {
	r := roles{loginPage: -1}
	var costs []float64
	for i := range ops {
		o := &ops[i]
		if o.flags&assetFor != 0 {
			r.assets = append(r.assets, i)
			r.assetWeight += o.weight
			continue
		}
		if o.flags&(raw|static) != 0 {
			continue
		}
		get := o.method == "GET"
		costs = append(costs, o.lat+o.size*1e-6)
		switch {
		case o.flags&login != 0:
			r.logins = append(r.logins, i)
		case get && o.flags&page != 0:
			r.pages = append(r.pages, i)
			if o.flags&auth == 0 && strings.Contains(strings.ToLower(o.opSpec.path+o.name), "login") && r.loginPage < 0 {
				r.loginPage = i
			}
		}
		switch {
		case get:
			r.reads = append(r.reads, i)
			if o.ttl > 0 {
				r.cached = append(r.cached, i)
			}
			if o.pathVar >= 0 {
				r.objects = append(r.objects, i)
				if o.flags&auth != 0 {
					r.owned = append(r.owned, i)
				}
			}
			if o.pageParam >= 0 {
				r.lists = append(r.lists, i)
			}
			if o.flags&auth != 0 && o.pathVar < 0 {
				r.closed = append(r.closed, i)
			}
			if len(o.params) > 0 && o.lat >= .01 && (o.flags&typing != 0 || strings.Contains(o.name+o.opSpec.path, "search")) {
				r.searches = append(r.searches, i)
			}
		case o.method != "OPTIONS" && o.method != "HEAD" && o.flags&(login|open) == 0:
			r.writes = append(r.writes, i)
		}
		for j := range o.params {
			if l := strings.ToLower(o.params[j].label); strings.Contains(l, "token") || strings.Contains(l, "code") || strings.Contains(l, "state") {
				r.tokens = append(r.tokens, i)
				break
			}
		}
	}
	slices.Sort(costs)
	for i := range ops {
		if o := &ops[i]; len(costs) > 0 && o.flags&(assetFor|raw|static) == 0 && o.lat+o.size*1e-6 >= costs[len(costs)*7/8] {
			r.dear = append(r.dear, i)
		}
	}
	if len(r.assets) == 0 { // every service has an icon, if only the browser asks for it
		for i := range ops {
			r.assets = append(r.assets, i)
			r.assetWeight += ops[i].weight
		}
	}
	return r
}
