package generate

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"apiml/traffic"
)

// planned is a campaign that has not begun.
type planned struct {
	start  int64
	number int
	label  traffic.Label
	n      int // attack requests that it makes
}

// plan divides cfg.Attacks among types and campaigns, and puts the campaigns
// into time by the traffic's own clock, so that the hour of an attack says
// nothing. The result is ordered by start.
func plan(cfg *Config, c *clock) []planned {
	r := rand.New(rand.NewPCG(cfg.Seed, streamPlan))
	var types []typeShare
	total := 0.
	for _, s := range typeShares() {
		if slices.Contains(cfg.Types, s.label) {
			types = append(types, s)
			total += s.share
		}
	}
	weights := make([]float64, len(types))
	for i, s := range types {
		weights[i] = s.share / total
	}
	quota := apportion(cfg.Attacks, weights)
	counts := make([]float64, len(types))
	sum := 0.
	for i, s := range types {
		counts[i] = float64(quota[i]) / (s.requests * 1.6)
		sum += counts[i]
	}
	var out []planned
	for i, s := range types {
		k := int(math.Round(counts[i]))
		if cfg.Campaigns > 0 && sum > 0 {
			k = int(math.Round(counts[i] / sum * float64(cfg.Campaigns)))
		}
		if cfg.Campaigns == 0 { // enough of them to be found in every part of the log
			k = max(k, min(8, int(float64(quota[i])*3/s.requests)))
		}
		k = min(max(k, 1), quota[i])
		w, all := make([]float64, k), 0.
		for j := range w {
			w[j] = logNormal(r, 1, 1.1)
			all += w[j]
		}
		for j := range w {
			w[j] /= all
		}
		// One campaign in each k-th of the log.
		slot := r.Perm(k)
		for j, n := range apportion(quota[i]-k, w) {
			u := (float64(slot[j]) + r.Float64()) / float64(k) * .96
			out = append(out, planned{max(c.at(c.from+u*(1-c.from)), c.first), 0, s.label, n + 1})
		}
	}
	slices.SortStableFunc(out, func(a, b planned) int {
		if a.start != b.start {
			if a.start < b.start {
				return -1
			}
			return 1
		}
		return int(a.label) - int(b.label)
	})
	for i := range out {
		out[i].number = i + 1
	}
	return out
}

// apportion divides n by weights that sum to 1, by largest remainders.
func apportion(n int, weights []float64) []int {
	out := make([]int, len(weights))
	rest := make([]float64, len(weights))
	left := n
	for i, w := range weights {
		x := float64(n) * w
		out[i] = int(x)
		rest[i] = x - float64(out[i])
		left -= out[i]
	}
	order := make([]int, len(weights))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case rest[a] > rest[b]:
			return -1
		case rest[a] < rest[b]:
			return 1
		}
		return a - b
	})
	for i := 0; left > 0 && len(order) > 0; i++ {
		out[order[i%len(order)]]++
		left--
	}
	return out
}

// planner begins the campaigns when their time has come.
type planner struct {
	todo []planned
	end  int64
}

func (p *planner) step(g *generator) (int64, bool) {
	for len(p.todo) > 0 && p.todo[0].start <= g.now {
		g.push(g.now, g.newCampaign(p.todo[0], p.end))
		p.todo = p.todo[1:]
	}
	if len(p.todo) == 0 {
		return 0, false
	}
	return p.todo[0].start, true
}

// campaign is one attack by one attacker, or by many that act together.
type campaign struct {
	planned
	id      string
	r       *rand.Rand
	who     []attacker
	rotate  bool // another of who for each request
	newcome bool // nobody comes twice
	habit   habit
	targets []target
	tech    []technique
	mode    int
	gap     float64 // median seconds
	spread  float64
	posture [5]float64 // probabilities of the answers 400, 403, 404, 500, 429
	made    int
	next    int    // of ids and pages
	fixed   []byte // a password or an address that is tried everywhere
	recon   float64
	open    bool // the service has the hole that it looks for
}

type attacker struct {
	client  client
	user    string
	session string
}

type target struct {
	op    *op
	place int
	param int
}

// newAttacker takes its looks from a recent benign request: agent, protocol,
// habits and network are those of an honest client, the host mostly another one.
func (g *generator) newAttacker(r *rand.Rand) attacker {
	l := &g.recent[r.IntN(len(g.recent))]
	a := attacker{client: l.client}
	if r.IntN(10) < 7 {
		a.client.addr = neighbour(r, a.client.addr)
	}
	if l.named {
		a.user = l.client.user
		if l.client.kind != partner {
			a.user = "u" + strconv.Itoa(10000+r.IntN(900000))
		}
	}
	if l.client.session {
		a.session = string(appendLetters(nil, r, hexLow, 24))
	}
	return a
}

func (g *generator) newCampaign(p planned, end int64) *campaign {
	r := rand.New(rand.NewPCG(g.seed, streamCampaign+uint64(p.number)))
	c := &campaign{planned: p, r: r, id: "c" + strconv.Itoa(p.number), mode: r.IntN(1000)}
	crowd := 1
	switch {
	case p.label == traffic.DDoS:
		crowd = 1 + min(p.n/4, int(logNormal(r, 40, 1.2)), 400)
	case p.label == traffic.CredentialStuffing && c.mode%3 == 1:
		c.newcome = true
	case r.IntN(5) == 0:
		crowd = 1 + min(int(logNormal(r, 6, 1)), 100)
	}
	for range crowd {
		c.who = append(c.who, g.newAttacker(r))
	}
	c.habit = g.newHabit(r, &c.who[0].client)
	if r.IntN(3) > 0 {
		c.recon = r.Float64() * .25
	}
	c.open = r.IntN(7) == 0
	if r.IntN(4) == 0 { // something stands in front and refuses
		c.posture[r.IntN(3)] = .2 + .5*r.Float64()
	}
	for i, m := range [4]float64{.06, .03, .03, .03} {
		c.posture[i] += m * r.Float64() * 2
	}
	switch x := r.Float64(); { // pace: tool, hand, patience
	case x < .5:
		c.gap, c.spread = logNormal(r, .3, .9), .6
	case x < .82:
		c.gap, c.spread = logNormal(r, 9, .8), 1
	default:
		c.gap, c.spread = logNormal(r, 240, .9), .9
	}
	all := g.payload.byLabel[p.label]
	if len(all) > 0 { // a few techniques, or all
		k := 1 + r.IntN(len(all))
		for range k {
			c.tech = append(c.tech, all[r.IntN(len(all))])
		}
	}
	switch p.label {
	case traffic.SQLInjection, traffic.XSS, traffic.PathTraversal, traffic.CommandInjection, traffic.OtherAttack:
		for range 1 + r.IntN(8) {
			c.targets = append(c.targets, g.payloadTarget(r, p.label))
		}
	default:
		c.behave(g)
	}
	// It ends with the log.
	if span := float64(end-p.start) / 1e6 * (.3 + .6*r.Float64()); float64(p.n)*c.gap*math.Exp(c.spread*c.spread/2) > span {
		c.gap = span / float64(p.n) * math.Exp(-c.spread*c.spread/2)
	}
	return c
}

// payloadTarget picks what honest clients use: an operation in the proportion
// of its use, and one of its parameters.
func (g *generator) payloadTarget(r *rand.Rand, l traffic.Label) target {
	for try := 0; ; try++ {
		o := &g.ops[g.recent[r.IntN(len(g.recent))].op]
		if try < 400 && (o.flags&(raw|open) != 0 && !o.bodied || o.flags&static != 0 && r.IntN(3) > 0) {
			continue
		}
		if l == traffic.OtherAttack && try < 400 && r.IntN(2) == 0 { // they look for addresses
			for i := range o.params {
				if g.ruleIs(o.params[i].rule, "url") {
					return target{o, inParam, i}
				}
			}
			continue
		}
		x := r.Float64()
		if len(o.params) > 0 && x < .84 {
			return target{o, inParam, r.IntN(len(o.params))}
		}
		if x < .92 && len(o.params) == 0 && o.pathVar < 0 || x > .93 && o.flags&static == 0 {
			return target{o, inExtra, 0}
		}
		return target{o, inPath, 0}
	}
}

func (g *generator) ruleIs(id int, name string) bool { return g.grammar.index[name] == id }

// any picks one of the operations, of the first list that has any.
func (g *generator) any(r *rand.Rand, lists ...[]int) *op {
	for _, l := range lists {
		if len(l) > 0 {
			return &g.ops[l[r.IntN(len(l))]]
		}
	}
	return &g.ops[r.IntN(len(g.ops))]
}

// popular picks an operation in the proportion of its use.
func (g *generator) popular(r *rand.Rand, ok func(*op) bool) *op {
	o := &g.ops[g.recent[r.IntN(len(g.recent))].op]
	for range 200 {
		if ok(o) {
			break
		}
		o = &g.ops[g.recent[r.IntN(len(g.recent))].op]
	}
	return o
}

// behave chooses targets and pace of the attacks that show in behaviour.
func (c *campaign) behave(g *generator) {
	r := c.r
	one := func(o *op) { c.targets = append(c.targets, target{op: o}) }
	ro := &g.roles
	dynamic := func(o *op) bool { return o.flags&(static|raw|assetFor|open) == 0 }
	c.next = 1 + zipf(r, 30000)
	switch c.label {
	case traffic.CredentialStuffing:
		one(g.any(r, ro.logins, ro.writes, ro.reads))
		switch c.mode % 4 {
		case 2: // one password at many doors
			c.fixed = g.grammar.expand(nil, r, g.payload.cracked)
		case 3: // one door, many passwords
			c.fixed = g.grammar.expand(nil, r, g.payload.email)
		}
		if c.newcome {
			c.gap, c.spread = logNormal(r, 2, 1), 1
		}
		c.posture = [5]float64{.01, 0, 0, .005, 0}
		if r.IntN(2) == 0 {
			c.posture[4] = .5 * r.Float64()
		}
	case traffic.DDoS:
		switch c.mode % 4 {
		case 0:
			one(g.popular(r, dynamic))
		case 1: // past the cache
			one(g.any(r, ro.cached, ro.reads))
			c.targets[0].place = inExtra
		case 2: // what is dear
			one(g.any(r, ro.dear, ro.reads))
		default:
			one(g.any(r, ro.writes, ro.reads))
		}
		c.rotate = true
		c.posture = [5]float64{.003, 0, 0, .01, 0}
		if r.IntN(3) == 0 {
			c.posture[1+3*r.IntN(2)] = .5 * r.Float64()
		}
		c.gap, c.spread = logNormal(r, 60, .9)/float64(c.n), 1
		c.recon = 0
	case traffic.DataScraping:
		if r.IntN(5) < 3 {
			one(g.any(r, ro.objects, ro.lists, ro.reads))
		} else {
			one(g.any(r, ro.lists, ro.searches, ro.objects, ro.reads))
		}
		switch c.mode % 3 {
		case 0:
			c.gap, c.spread = logNormal(r, .12, .5), .4
		case 1:
			c.gap, c.spread = logNormal(r, 3, .5), .5
		default:
			c.rotate = true
			for range min(c.n/6, 60) {
				c.who = append(c.who, g.newAttacker(r))
			}
			c.gap, c.spread = logNormal(r, 1.5, .7), .8
		}
		c.posture = [5]float64{.004, .03 * r.Float64(), .01, .003, 0}
		if c.mode%2 == 0 {
			c.posture[4] = .2 * r.Float64()
		}
	case traffic.BrokenAuth:
		switch c.mode % 4 {
		case 0:
			for range 3 {
				if r.IntN(2) == 0 {
					one(g.any(r, ro.tokens, ro.closed, ro.reads))
				} else {
					one(g.any(r, ro.closed, ro.owned, ro.reads))
				}
			}
		case 1:
			one(g.any(r, ro.owned, ro.objects, ro.reads))
		case 2:
			for range 2 {
				one(g.any(r, ro.writes, ro.closed, ro.reads))
			}
		default:
			for range 4 {
				one(g.any(r, ro.closed, ro.owned, ro.reads))
			}
		}
		c.posture = [5]float64{.05, .35 * r.Float64(), .15 * r.Float64(), .02, .02}
	case traffic.APIAbuse:
		if r.IntN(3) > 0 {
			one(g.any(r, ro.writes, ro.searches, ro.reads))
		} else {
			one(g.any(r, ro.lists, ro.searches, ro.reads))
		}
		c.gap, c.spread = logNormal(r, .2, .8), .5
		c.posture = [5]float64{.02, .02, .005, .005, 0}
		if r.IntN(4) > 0 {
			c.posture[4] = .15 + .6*r.Float64()
		}
	case traffic.Scanner:
		one(g.any(r, ro.pages, ro.reads))
		c.posture = [5]float64{.02, .08 * r.Float64(), .75 + .2*r.Float64(), .01, 0}
		c.recon *= .3
		if c.mode%3 == 2 { // it walks over what is there and tries marks in every parameter
			c.posture = [5]float64{.05 * r.Float64(), .05 * r.Float64(), .3 * r.Float64(), .06 * r.Float64(), 0}
			c.gap, c.spread = logNormal(r, .15, .8), .5
			for range 2 + r.IntN(12) {
				one(g.any(r, [][]int{ro.pages, ro.reads, ro.writes, ro.searches}[r.IntN(4)], ro.reads))
			}
		}
	}
}

func (c *campaign) step(g *generator) (int64, bool) {
	r := c.r
	if c.n <= 0 {
		return 0, false
	}
	a := &c.who[0]
	switch {
	case c.newcome:
		c.who[0] = g.newAttacker(r)
	case c.rotate:
		a = &c.who[r.IntN(len(c.who))]
	default: // the crowd takes turns
		a = &c.who[c.made/8%len(c.who)]
	}
	cl := &a.client
	t := &c.targets[r.IntN(len(c.targets))]
	q := request{op: t.op, client: cl, user: a.user, session: a.session, label: c.label, campaign: c.id}
	if seen := g.kindCount[cl.kind]; seen > 0 && r.Float64() < g.referrers[cl.kind]/seen {
		if r.IntN(6) == 0 {
			q.referrer = string(g.grammar.expand(g.value[:0], r, g.ruleExt))
		} else {
			if o := g.popular(r, func(o *op) bool { return o.flags&page != 0 && o.method == "GET" }); o.flags&page != 0 {
				g.build(r, o, cl.enc, &g.none)
				q.referrer = "https://" + g.webHost + string(g.target)
			}
		}
	}
	if c.made++; r.Float64() < c.recon {
		// The attacker looks around as anybody does. With no benign request
		// left in the quota it goes on to the attack.
		q.label = traffic.None
		if _, ok := g.send(r, &q); ok {
			return c.pause(g), true
		}
		q.label = c.label
	}
	c.n--
	q.outcome = c.outcome()
	switch c.label {
	case traffic.CredentialStuffing:
		c.stuff(g, &q)
	case traffic.DDoS:
		c.flood(g, &q, t)
	case traffic.DataScraping:
		c.scrape(g, &q)
	case traffic.BrokenAuth:
		c.breakAuth(g, &q)
	case traffic.APIAbuse:
		c.abuse(g, &q)
	case traffic.Scanner:
		c.scan(g, &q)
	default:
		tech := c.tech[r.IntN(len(c.tech))]
		inj := injection{place: t.place, param: t.param, enc: c.habit.enc, rawly: tech.rawly, keep: r.IntN(9) < 4 && !tech.rawly}
		inj.text = g.payloadText(r, c.label, tech, &c.habit)
		inj.tail = inj.keep && r.IntN(4) == 0
		if tech.place == inBody && q.op.hasBody() {
			inj.place = inBody
		}
		switch x := r.IntN(100); {
		case x < 4 && !(tech.rawly && q.op.hasBody()):
			inj.place = inName
		case x < 7: // in a header that the log shows
			g.inHeader(r, &q, inj.text)
			inj.place = inNothing
		}
		if q.op.hasBody() && q.op.flags&form == 0 {
			inj.rawly = false
		}
		if inj.rawly && inj.place == inPath && r.IntN(3) == 0 {
			inj.place, inj.text = inTarget, append([]byte("/"), inj.text...)
			if r.IntN(2) == 0 {
				inj.text = append([]byte("/static"), inj.text...)
			}
		}
		if tech.delay && (c.open || r.IntN(8) == 0) {
			q.delay = float64(2 + r.IntN(9))
		}
		if q.outcome == noStatus {
			switch {
			case c.open && r.IntN(3) > 0: // it gets what it wants, or a part of it
				q.grow = logNormal(r, 1.1, .5)
			case inj.place == inPath && r.IntN(3) == 0: // there is no such object
				q.outcome = 404
			}
		}
		q.inj = &inj
	}
	g.send(r, &q)
	return c.pause(g), c.n > 0
}

// inHeader puts a payload into the agent or the referrer. What a header cannot
// hold is left out.
func (g *generator) inHeader(r *rand.Rand, q *request, text []byte) {
	clean := make([]byte, 0, len(text))
	for _, c := range text {
		if c >= ' ' && c != 0x7f {
			clean = append(clean, c)
		}
	}
	if r.IntN(2) == 0 {
		cl := *q.client
		switch r.IntN(3) {
		case 0:
			cl.agent = string(clean)
		case 1:
			cl.agent += string(clean)
		default:
			cl.agent = "Mozilla/5.0 " + string(clean)
		}
		if cl.agent == "" {
			cl.agent = "-"
		}
		q.client = &cl
		return
	}
	if q.referrer == "" || r.IntN(2) == 0 {
		q.referrer = "https://" + g.webHost + "/"
	}
	q.referrer += string(clean)
}

func (c *campaign) pause(g *generator) int64 {
	return g.now + int64(logNormal(c.r, c.gap, c.spread)*1e6) + 1
}

func (c *campaign) outcome() int32 {
	x := c.r.Float64()
	for i, s := range [5]int32{400, 403, 404, 500, 429} {
		if x -= c.posture[i]; x < 0 {
			return s
		}
	}
	return noStatus
}

func (c *campaign) stuff(g *generator, q *request) {
	inj := injection{place: inParam, param: q.op.password, text: c.fixed, enc: q.client.enc}
	if q.op.flags&login == 0 { // a service without a login: whatever it has is tried
		inj.place = inNothing
	}
	switch {
	case c.fixed == nil:
		inj.text = g.grammar.expand(nil, c.r, g.payload.cracked)
	case c.mode%4 == 3:
		inj.param = 0
		if q.op.password == 0 {
			inj.param = len(q.op.params) - 1
		}
	}
	q.inj = &inj
	if q.outcome == noStatus && c.r.IntN(90) > 0 {
		q.outcome = 401
		if q.op.flags&site != 0 && q.client.enc != encURI {
			q.outcome = 200
		}
	}
}

func (c *campaign) flood(g *generator, q *request, t *target) {
	r := c.r
	switch c.mode % 4 {
	case 1:
		q.inj = &injection{place: inExtra, text: appendLetters(nil, r, alnum, 3+r.IntN(14)), enc: q.client.enc}
	case 2:
		if i := slices.IndexFunc(q.op.params, func(p param) bool { return p.label == "query" }); i >= 0 && q.op.bodied {
			q.inj = &injection{place: inParam, param: i, text: g.grammar.expand(nil, r, g.payload.deepgql), enc: q.client.enc}
		}
		q.delay = logNormal(r, .8, .7)
	case 3: // held open
		q.delay = logNormal(r, 18, .5)
		if r.IntN(2) == 0 {
			q.outcome = 408
		}
	}
	if q.outcome == noStatus && q.op.flags&login != 0 {
		q.outcome = 401
	}
}

// scrape walks through ids, pages or prefixes.
func (c *campaign) scrape(g *generator, q *request) {
	r := c.r
	g.build(r, q.op, q.client.enc, &g.none)
	q.built = true
	c.next++
	if r.IntN(40) == 0 {
		c.next += r.IntN(30)
	}
	switch o := q.op; {
	case o.pageParam >= 0 && (o.pathVar < 0 || c.mode&4 == 0):
		limit := 0
		if c.mode&8 != 0 {
			limit = 100
		}
		g.pageOf(o, g.pools.noun[c.number%len(g.pools.noun)], c.made, limit)
	case o.flags&typing != 0 && len(o.params) > 0: // all prefixes, one after the other
		g.target = g.target[:0]
		for _, t := range o.path {
			g.target = append(g.target, t.text...)
		}
		g.target = append(append(append(g.target, '?'), o.params[0].name[0].text...), '=')
		for n := c.next; n > 0; n /= 26 {
			g.target = append(g.target, lower[n%26])
		}
	case o.pathVar >= 0:
		g.numbered(o, c.next)
	case len(o.params) > 0 && !o.bodied: // names from a list
		g.target = g.target[:0]
		for _, t := range o.path {
			g.target = append(g.target, t.text...)
		}
		g.target = append(append(append(g.target, '?'), o.params[0].name[0].text...), '=')
		g.target = appendEncoded(g.target, []byte(pick(r, g.pools.user)), q.client.enc, false)
	}
}

func (c *campaign) breakAuth(g *generator, q *request) {
	r := c.r
	switch c.mode % 4 {
	case 0: // changed tokens
		inj := injection{place: inExtra, text: g.grammar.expand(nil, r, g.payload.jwt), enc: q.client.enc}
		for i := range q.op.params {
			if g.ruleIs(q.op.params[i].rule, "token") {
				inj.place, inj.param = inParam, i
			}
		}
		q.inj = &inj
		if q.outcome == noStatus && r.IntN(8) > 0 {
			q.outcome = 401
		}
	case 1: // objects of others
		c.next++
		q.inj = &injection{place: inPath, text: strconv.AppendInt(nil, int64(c.next), 10), enc: q.client.enc}
		if v := q.op.pathVar; v >= 0 && g.ruleIs(q.op.path[v].rule, "uuid") {
			q.inj.text = appendUUID(nil, r)
		}
	case 2: // a role that nobody gave
		g.build(r, q.op, q.client.enc, &g.none)
		q.built = true
		name := g.grammar.expand(nil, r, g.payload.roleparam)
		value := g.grammar.expand(nil, r, g.payload.rolejs)
		switch n := len(g.bodyText); {
		case n > 1 && g.bodyText[n-1] == '}':
			g.bodyText = g.bodyText[:n-1]
			if n > 2 {
				g.bodyText = append(g.bodyText, ',')
			}
			g.bodyText = append(append(append(append(g.bodyText, '"'), name...), `":`...), value...)
			g.bodyText = append(g.bodyText, '}')
		case n > 0:
			g.bodyText = append(append(append(g.bodyText, '&'), name...), '=')
			g.bodyText = appendEncoded(g.bodyText, value, q.client.enc, false)
		default:
			sep := byte('?')
			if slices.Contains(g.target, '?') {
				sep = '&'
			}
			g.target = append(append(append(g.target, sep), name...), '=')
			g.target = appendEncoded(g.target, value, q.client.enc, false)
		}
	default: // doors that are closed
		if q.outcome == noStatus && r.IntN(6) > 0 {
			q.outcome = [...]int32{401, 403, 401, 302}[r.IntN(4)]
		}
	}
}

func (c *campaign) abuse(g *generator, q *request) {
	if c.made < 20 && q.outcome == 429 {
		q.outcome = noStatus // the limit is not reached yet
	}
	if q.op.pageParam >= 0 && c.mode&1 == 0 {
		g.build(c.r, q.op, q.client.enc, &g.none)
		q.built = true
		g.pageOf(q.op, g.pools.noun[c.number%len(g.pools.noun)], c.made, 1000*(1+c.r.IntN(100)))
	}
}

func (c *campaign) scan(g *generator, q *request) {
	r := c.r
	if x := r.IntN(100); c.mode%3 == 2 && x < 70 {
		inj := injection{place: inParam, enc: q.client.enc, rawly: true, text: g.grammar.expand(nil, r, g.payload.canary)}
		if q.op.bodied && q.op.flags&form == 0 {
			inj.rawly = false
		}
		switch n := len(q.op.params); {
		case x < 20: // the page as it is
			inj.place = inNothing
		case n > 0 && x < 55:
			inj.param = r.IntN(n)
		case x < 62:
			inj.place = inPath
		default:
			inj.place = inExtra
		}
		q.inj = &inj
		return
	}
	q.op = c.targets[0].op // a page
	if c.mode%3 == 2 && q.outcome == noStatus && r.IntN(8) > 0 {
		q.outcome = 404
	}
	q.inj = &injection{place: inTarget, text: g.grammar.expand(nil, r, g.payload.scAny)}
	switch x := r.IntN(100); {
	case x < 6:
		q.method = "HEAD"
	case x < 8:
		q.method = "POST"
	case x < 9:
		q.method = [...]string{"OPTIONS", "PROPFIND", "TRACE"}[r.IntN(3)]
		q.outcome = 405
	}
	if q.outcome == 404 && r.IntN(30) == 0 {
		q.outcome = 301
	}
}
