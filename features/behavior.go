package features

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"apiml/frame"
	"apiml/traffic"
)

// Principal profiles: one row per principal, over all of its requests. What a
// window says of ten minutes a profile says of everything that the log holds of
// somebody. Nothing is fitted: the scaler is the model's.

// BehaviorConfig says which principals get a profile. The zero value is the
// default.
type BehaviorConfig struct {
	MinRequests   int // principals with fewer requests get no row; 0 = 5
	MaxPrincipals int // in memory at once, about 1.4 kB each; 0 = 65,536

	// Targets makes profiles of what is asked for instead: one row per template,
	// with the same columns over everybody's requests to it.
	Targets bool
}

// The columns of a profile, in order.
const (
	bRequests = iota
	bSpan
	bActiveRate
	bGapMedian
	bGapCV
	bRegularity
	bPeak
	bTemplates
	bObjects
	bTemplateEntropy
	bSurprise
	bGetShare
	bClientErrors
	bServerErrors
	bDenied
	bNotFound
	bLimited
	bBytesOut
	bAssetShare
	bNightShare
	bAgentBrowser
	bAgentApp
	bAgentBot
	bAgentTool
	bAgentNone
	bAgentChanges
	bBodyShare
	bLoginShare
	bLoginFailures
	bLoginsWon
	bSequential
	bLatency
	bAddresses
	numBehavior
)

func behaviorColumns() [numBehavior]frame.Column {
	return [numBehavior]frame.Column{
		bRequests:        {Name: "requests", Unit: lnCount, Doc: "requests of the principal; floods and scrapers send many"},
		bSpan:            {Name: "active_span", Unit: "ln(1+s)", Doc: "time from the first request to the last; visitors come once, accounts come back"},
		bActiveRate:      {Name: "active_rate", Unit: lnCount, Doc: "requests per minute in which there was one; how hard it goes at it"},
		bGapMedian:       {Name: "gap_median", Unit: "ln(1+s)", Doc: "median time between two requests, to a quarter of an octave; people read, programs do not. In seconds: most logs tick in them"},
		bGapCV:           {Name: "gap_cv", Unit: "ln(1+x)", Doc: "standard deviation of that time over its mean; programs are regular, people come in bursts"},
		bRegularity:      {Name: "regularity", Unit: share, Doc: "of those times, if they are 4 s or more, the share that are equal to a quarter of an octave, the commonest ones, 0 if there are fewer than three; a clock has one, people many"},
		bPeak:            {Name: "peak_minute", Unit: lnCount, Doc: "most requests in one minute; bursts"},
		bTemplates:       {Name: "templates", Unit: lnCount, Doc: "distinct templates; scanners visit many, bots one"},
		bObjects:         {Name: "objects", Unit: lnCount, Doc: "distinct targets; scraping visits many of one template"},
		bTemplateEntropy: {Name: "template_entropy", Unit: "bits", Doc: "entropy of the templates; 0 = hammers one endpoint"},
		bSurprise:        {Name: "transition_surprise", Unit: "bits", Doc: "mean surprise of the next template after the one before, against all principals so far (a Markov chain over 256 buckets); ways through the service that nobody else takes"},
		bGetShare:        {Name: "get_share", Unit: share, Doc: "share of reading methods; readers and writers behave differently"},
		bClientErrors:    {Name: "client_errors", Unit: share, Doc: "share of answers that are 4xx; guessing fails"},
		bServerErrors:    {Name: "server_errors", Unit: share, Doc: "share of answers that are 5xx; injection breaks servers"},
		bDenied:          {Name: "denied", Unit: share, Doc: "share of answers that are 401 or 403; broken authorisation, stuffing"},
		bNotFound:        {Name: "not_found", Unit: share, Doc: "share of answers that are 404; scanners guess"},
		bLimited:         {Name: "limited", Unit: share, Doc: "share of answers that are 429; limits violated"},
		bBytesOut:        {Name: "bytes_out", Unit: lnBytes, Doc: "mean size of a response's body, missing if unknown; exports are large, refusals small"},
		bAssetShare:      {Name: "asset_share", Unit: share, Doc: "share of images, scripts, styles and fonts; browsers load them, programs do not"},
		bNightShare:      {Name: "night_share", Unit: share, Doc: "share of requests from 22:00 to 06:00 UTC; people of one region sleep, programs do not"},
		bAgentBrowser:    {Name: "agent_browser", Unit: share, Doc: "share of requests whose agent is a browser's, by its own word"},
		bAgentApp:        {Name: "agent_app", Unit: share, Doc: "the same of mobile apps"},
		bAgentBot:        {Name: "agent_bot", Unit: share, Doc: "the same of crawlers and monitors"},
		bAgentTool:       {Name: "agent_tool", Unit: share, Doc: "the same of libraries, command-line tools and scanners"},
		bAgentNone:       {Name: "agent_none", Unit: share, Doc: "share of requests without an agent"},
		bAgentChanges:    {Name: "agent_changes", Unit: share, Doc: "share of requests whose agent is not that of the one before; accounts in many hands, tools in disguise"},
		bBodyShare:       {Name: "body_share", Unit: share, Doc: "share of requests with a body, missing if the log has no bodies; uploads and form posts"},
		bLoginShare:      {Name: "login_share", Unit: share, Doc: "share of requests to login, token or password endpoints; nobody logs in all the time"},
		bLoginFailures:   {Name: "login_failures", Unit: share, Doc: "share of requests that are failed logins; stuffing"},
		bLoginsWon:       {Name: "logins_won", Unit: lnCount, Doc: "logins that succeeded right after three or more failures; a guess that was right"},
		bSequential:      {Name: "sequential_ids", Unit: share, Doc: "share of numeric ids that follow the one before (within 10, same template); enumeration"},
		bLatency:         {Name: "latency", Unit: "ln(1+ms)", Doc: "mean time to respond, missing if unknown; expensive requests"},
		bAddresses:       {Name: "addresses", Unit: lnCount, Doc: "distinct client addresses; shared or stolen accounts"},
	}
}

// BehaviorSchema returns the columns of a BehaviorDataset.
func BehaviorSchema() *frame.Schema {
	c := behaviorColumns()
	return &frame.Schema{Name: "behavior", Columns: c[:]}
}

// BehaviorSpace names the columns whose distances make the clusters: what kind of
// client it is. The others say what it does beside that, which is rare for all
// kinds, and mostly 0: as axes they would only blur the kinds.
func BehaviorSpace() []string {
	c := behaviorColumns()
	var names []string
	for _, j := range [...]int{bRequests, bActiveRate, bGapMedian, bTemplateEntropy, bGetShare, bBytesOut, bAssetShare,
		bAgentBrowser, bAgentApp, bAgentBot, bAgentTool, bAgentNone, bSequential} {
		names = append(names, c[j].Name)
	}
	return names
}

// BehaviorDataset has one row per principal with enough requests, in the order
// of their first requests.
type BehaviorDataset struct {
	X          *frame.Matrix   // columns of BehaviorSchema; Group is the hash of the principal
	Principals []string        // traffic.Request.Principal, at most 512 bytes of it
	Requests   []int64         // of each principal
	Attacks    []traffic.Label // the commonest attack of each, if most of its labelled requests are attacks, else None
	Labels     []float64       // share of its labelled requests that are attacks; NaN if none is labelled

	Seen      int64 // requests added
	Anonymous int64 // of these, without any principal: in no row
	Few       int   // principals left out for having fewer than MinRequests requests
	Dropped   int   // principals dropped to bound memory
	DroppedBy int64 // requests of those
}

// BehaviorBuilder makes profiles from requests in event time (as a Reorder or an
// ordered scan of the store gives them); a time that runs backwards counts as no
// time passed. It is not safe for concurrent use.
//
// Memory is bounded by MaxPrincipals: when there are more, an eighth of them is
// dropped, those with fewer than MinRequests requests first, and of these and of
// the rest the one seen least recently first. One that comes back later starts as
// if it were new. Distinct things are counted by linear counting (Whang,
// Vander-Zanden, Taylor 1990): templates and addresses up to about 1,500, objects
// up to about 8,000.
type BehaviorBuilder struct {
	min, limit int
	analyser   *analyser
	agents     *memo[agent]
	ways       *transitions
	targets    bool
	index      map[uint64]*behaviour
	d          BehaviorDataset
	done       bool
}

const (
	maxName = 512
	gapBins = 160 // quarter octaves of milliseconds: up to 34 years
	ringTop = 64  // buckets of the template entropy
)

// behaviour is what is kept of a principal.
type behaviour struct {
	name        string
	key         uint64
	born        int64 // number of its first and last request among all
	turn        int64
	first, last int64 // µs
	minute      int64 // of the last request
	timed       int64 // requests with a time
	minutes     int64 // distinct minutes with a request
	night       int64
	requests    int64
	reads       int64
	assets      int64
	logins      int64
	failures    int64
	bodyKnown   int64
	bodies      int64
	statuses    int64
	client      int64
	server      int64
	denied      int64
	missing     int64
	limited     int64
	labelled    int64
	attacks     int64
	byType      map[traffic.Label]int64 // attacks only
	agents      [numAgents]int64
	changes     int64
	lastAgent   uint64
	failedRow   int64 // failed logins since the last that succeeded
	won         int64
	thisMinute  int64
	peak        int64
	ways        int64
	surprise    float64
	bucket      uint8 // of the last template
	ids         int64
	follows     int64
	lastID      int64
	lastTmpl    uint64
	sized       int64
	bytes       float64
	measured    int64
	latency     float64
	gapSum      float64 // s
	gapSq       float64
	gaps        [gapBins]uint32
	counts      [ringTop]uint32 // requests by bucket of their template
	templates   [4]uint64
	addresses   [4]uint64
	objects     [16]uint64
}

// NewBehaviorBuilder returns an empty builder.
func NewBehaviorBuilder(c BehaviorConfig) *BehaviorBuilder {
	if c.MinRequests <= 0 {
		c.MinRequests = 5
	}
	if c.MaxPrincipals <= 0 {
		c.MaxPrincipals = maxPrincipals
	}
	return &BehaviorBuilder{min: c.MinRequests, limit: c.MaxPrincipals, analyser: newAnalyser(nil),
		agents: newMemo[agent](4096), ways: &transitions{}, targets: c.Targets, index: map[uint64]*behaviour{}}
}

// Add takes in the next requests and keeps none of their text but the names of
// principals.
func (b *BehaviorBuilder) Add(reqs []traffic.Request) {
	for i := range reqs {
		b.add(&reqs[i])
	}
}

func (b *BehaviorBuilder) add(r *traffic.Request) {
	b.d.Seen++
	ag, ok := b.agents.get(r.Agent)
	if !ok {
		ag = agent{hash: hashOf(r.Agent, 14), class: b.analyser.lx.agentClass(r.Agent)}
		b.agents.put(r.Agent, ag)
	}
	an := b.analyser.analyse(r)
	key := principal(r, ag.hash)
	if b.targets {
		key = mix(an.shape.template, 77) | 1
	}
	if key == 0 {
		b.d.Anonymous++
		return
	}
	v := b.index[key]
	if v == nil {
		if len(b.index) >= b.limit {
			b.makeRoom()
		}
		name := b.Name(r)
		v = &behaviour{name: strings.Clone(name), key: key, born: b.d.Seen}
		b.index[key] = v
	}
	v.turn = b.d.Seen
	v.add(r, an, ag, b.ways)
}

// transitions counts which template follows which, by buckets of their hashes,
// over all principals.
type transitions struct {
	next  [256][256]uint32
	from  [256]uint32
	seen  [256]bool
	kinds int
}

// take returns the surprise of a step, in bits, and learns it. Counts are
// smoothed by half a step for each bucket that occurs.
func (t *transitions) take(a, b uint8) float64 {
	if !t.seen[b] {
		t.seen[b] = true
		t.kinds++
	}
	s := math.Log2((float64(t.from[a]) + 0.5*float64(t.kinds)) / (float64(t.next[a][b]) + 0.5))
	t.next[a][b]++
	t.from[a]++
	return s
}

// Name is that of the profile to which a request belongs.
func (b *BehaviorBuilder) Name(r *traffic.Request) string {
	name := r.Principal()
	if b.targets {
		name = r.Method + " " + traffic.Template(r.Method, r.Target)
	}
	return name[:min(len(name), maxName)]
}

// makeRoom drops an eighth of the principals.
func (b *BehaviorBuilder) makeRoom() {
	all := make([]*behaviour, 0, len(b.index))
	for _, v := range b.index {
		all = append(all, v)
	}
	few := func(v *behaviour) int {
		if v.requests < int64(b.min) {
			return 0
		}
		return 1
	}
	// turn is different for each, so the order does not depend on the map's.
	slices.SortFunc(all, func(v, w *behaviour) int {
		return cmp.Or(few(v)-few(w), cmp.Compare(v.turn, w.turn))
	})
	for _, v := range all[:max(1, len(all)/8)] {
		delete(b.index, v.key)
		b.d.Dropped++
		b.d.DroppedBy += v.requests
	}
}

func (v *behaviour) add(r *traffic.Request, an *analysis, ag agent, ways *transitions) {
	bucket := uint8(an.shape.template >> 48)
	if v.requests > 0 {
		if v.lastAgent != ag.hash {
			v.changes++
		}
		v.surprise += ways.take(v.bucket, bucket)
		v.ways++
	}
	v.bucket, v.lastAgent = bucket, ag.hash
	v.requests++
	v.agents[ag.class]++
	if r.Time != traffic.NoTime {
		v.time(r.Time)
	}
	login, write := an.lex[cLogin] > 0, methodClass(r.Method) == 1
	if methodClass(r.Method) == 0 {
		v.reads++
	}
	if an.lex[cAsset] > 0 {
		v.assets++
	}
	if login {
		v.logins++
	}
	if (&event{status: r.Status, login: login, write: write}).failedLogin() {
		v.failures++
		v.failedRow++
	} else if login && write && r.Status >= 200 && r.Status < 400 {
		if v.failedRow >= 3 {
			v.won++
		}
		v.failedRow = 0
	}
	if r.HasBody {
		v.bodyKnown++
		if len(r.Body) > 0 {
			v.bodies++
		}
	}
	if r.Status >= 100 && r.Status < 600 {
		v.statuses++
	}
	switch {
	case r.Status >= 500 && r.Status < 600:
		v.server++
	case r.Status >= 400 && r.Status < 500:
		v.client++
	}
	switch r.Status {
	case 401, 403:
		v.denied++
	case 404:
		v.missing++
	case 429:
		v.limited++
	}
	if r.Label != traffic.Unlabelled {
		v.labelled++
		if r.Label.Attack() {
			v.attacks++
			if v.byType == nil {
				v.byType = map[traffic.Label]int64{}
			}
			v.byType[r.Label]++
		}
	}
	if r.BytesOut >= 0 {
		v.sized++
		v.bytes += float64(r.BytesOut)
	}
	if r.Latency >= 0 {
		v.measured++
		v.latency += min(r.Latency, 1e9) // as the request's column
	}
	if an.id >= 0 {
		if v.ids > 0 && v.lastTmpl == an.shape.template {
			if step := an.id - v.lastID; step >= 1 && step <= 10 {
				v.follows++
			}
		}
		v.ids++
		v.lastTmpl, v.lastID = an.shape.template, an.id
	}
	t := an.shape.template
	v.templates[t>>62] |= 1 << (t >> 56 & 63)
	v.counts[t>>58]++
	v.objects[an.object>>60] |= 1 << (an.object >> 54 & 63)
	if a := address(r); a != 0 {
		a = mix(a, mix3) // the hash has its lowest bit set
		v.addresses[a>>62] |= 1 << (a >> 56 & 63)
	}
}

// time takes in when a request came.
func (v *behaviour) time(t int64) {
	const far = 1 << 60 // differences of times cannot overflow
	t = min(max(t, -far), far)
	if v.timed > 0 {
		gap := float64(max(0, t-v.last)) / second
		t = max(t, v.last)
		v.gapSum += gap
		v.gapSq += float64(gap * gap)
		v.gaps[gapBin(gap)]++
	} else {
		v.first = t
	}
	m := floorDiv(t, minute)
	if v.timed == 0 || m != v.minute {
		v.minutes++
		v.thisMinute = 0
	}
	v.thisMinute++
	v.peak = max(v.peak, v.thisMinute)
	if h := floorDiv(t, hour) - 24*floorDiv(t, 24*hour); h >= 22 || h < 6 {
		v.night++
	}
	v.timed++
	v.last, v.minute = t, m
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// gapBin is the bin of a gap in seconds: 0 below 1 ms, then four per octave.
func gapBin(gap float64) int {
	ms := gap * 1000
	if ms < 1 {
		return 0
	}
	return min(gapBins-1, 1+int(4*math.Log2(ms)))
}

// medianGap is the median of the gaps in ms: the geometric middle of the bin in
// which it lies.
func (v *behaviour) medianGap() float64 {
	n := v.timed - 1
	rank := (n - 1) / 2
	for b, c := range v.gaps {
		if rank -= int64(c); rank < 0 {
			if b == 0 {
				return 0
			}
			return math.Exp2((float64(b) - 0.5) / 4)
		}
	}
	return 0
}

// regularity is the column of that name.
func (v *behaviour) regularity() float32 {
	from := gapBin(4) + 1 // shorter ones are alike because clocks tick in seconds
	sum, most := uint32(0), uint32(0)
	for _, c := range v.gaps[from:] {
		sum += c
		most = max(most, c)
	}
	if sum < 3 {
		return 0
	}
	return float32(float64(most) / float64(sum))
}

// countBits is distinct of a bitmap.
func countBits(words []uint64) float32 {
	k := 0
	for _, w := range words {
		k += bits.OnesCount64(w)
	}
	return distinct(k, 64*len(words))
}

// row writes the columns.
func (v *behaviour) row(dst *[numBehavior]float32) {
	of := func(part, whole int64) float32 { // missing if there is nothing to take a share of
		if whole == 0 {
			return nan32()
		}
		return float32(float64(part) / float64(whole))
	}
	ln := func(x float64) float32 { return float32(math.Log1p(x)) }
	n := v.requests
	for j := range dst {
		dst[j] = nan32()
	}
	dst[bRequests] = ln(float64(n))
	if v.timed > 0 {
		dst[bSpan] = ln(float64(v.last-v.first) / second)
		dst[bActiveRate] = ln(float64(v.timed) / float64(v.minutes))
		dst[bPeak] = ln(float64(v.peak))
		dst[bNightShare] = of(v.night, v.timed)
	}
	if gaps := float64(v.timed - 1); gaps >= 1 {
		dst[bGapMedian] = ln(v.medianGap() / 1000)
		mean := v.gapSum / gaps
		sd := math.Sqrt(max(0, v.gapSq/gaps-float64(mean*mean)))
		dst[bRegularity] = v.regularity()
		dst[bGapCV] = ln(sd / (mean + 0.001)) // clocks of logs tick in milliseconds at best
	}
	dst[bTemplates] = countBits(v.templates[:])
	dst[bObjects] = countBits(v.objects[:])
	sum := 0.0
	for _, c := range v.counts {
		if c > 1 {
			sum += float64(float64(c) * math.Log2(float64(c)))
		}
	}
	dst[bTemplateEntropy] = float32(max(0, math.Log2(float64(n))-sum/float64(n)))
	dst[bSurprise] = 0
	if v.ways > 0 {
		dst[bSurprise] = float32(v.surprise / float64(v.ways))
	}
	dst[bGetShare] = of(v.reads, n)
	dst[bClientErrors] = of(v.client, v.statuses)
	dst[bServerErrors] = of(v.server, v.statuses)
	dst[bDenied] = of(v.denied, v.statuses)
	dst[bNotFound] = of(v.missing, v.statuses)
	dst[bLimited] = of(v.limited, v.statuses)
	if v.sized > 0 {
		dst[bBytesOut] = ln(v.bytes / float64(v.sized))
	}
	dst[bAssetShare] = of(v.assets, n)
	dst[bAgentBrowser] = of(v.agents[agentBrowser], n)
	dst[bAgentApp] = of(v.agents[agentApp], n)
	dst[bAgentBot] = of(v.agents[agentBot], n)
	dst[bAgentTool] = of(v.agents[agentLibrary]+v.agents[agentScanner], n)
	dst[bAgentNone] = of(v.agents[agentNone], n)
	dst[bAgentChanges] = of(v.changes, n)
	dst[bLoginsWon] = ln(float64(v.won))
	dst[bBodyShare] = of(v.bodies, v.bodyKnown)
	dst[bLoginShare] = of(v.logins, n)
	dst[bLoginFailures] = of(v.failures, n)
	dst[bSequential] = of(v.follows, v.ids)
	if v.ids == 0 {
		dst[bSequential] = 0
	}
	if v.measured > 0 {
		dst[bLatency] = ln(v.latency / float64(v.measured) * 1000)
	}
	dst[bAddresses] = countBits(v.addresses[:])
}

// Dataset ends the building and returns the profiles. It fails if there is no
// principal with enough requests. The builder cannot be used again.
func (b *BehaviorBuilder) Dataset() (*BehaviorDataset, error) {
	if b.done {
		return nil, fmt.Errorf("features: Dataset called twice")
	}
	b.done = true
	d := b.d
	var rows []*behaviour
	for _, v := range b.index {
		if v.requests >= int64(b.min) {
			rows = append(rows, v)
		} else {
			d.Few++
		}
	}
	b.index, b.analyser = nil, nil
	if len(rows) == 0 {
		return nil, fmt.Errorf("features: none of the principals of %d requests has %d requests or more: no behaviour to learn", d.Seen, b.min)
	}
	slices.SortFunc(rows, func(v, w *behaviour) int { return cmp.Compare(v.born, w.born) })
	d.X = frame.NewMatrix(BehaviorSchema(), len(rows))
	d.X.Group = make([]uint64, len(rows))
	var row [numBehavior]float32
	for i, v := range rows {
		v.row(&row)
		for j, f := range row {
			d.X.Cols[j][i] = f
		}
		d.X.Group[i] = v.key
		d.Principals = append(d.Principals, v.name)
		d.Requests = append(d.Requests, v.requests)
		label := math.NaN()
		if v.labelled > 0 {
			label = float64(v.attacks) / float64(v.labelled)
		}
		d.Labels = append(d.Labels, label)
		attack := traffic.None
		if label > 0.5 {
			most := int64(0)
			for _, l := range traffic.Labels() {
				if n := v.byType[l]; n > most {
					attack, most = l, n
				}
			}
		}
		d.Attacks = append(d.Attacks, attack)
	}
	return &d, nil
}
