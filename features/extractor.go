package features

import (
	"math"
	"strings"

	"apiml/frame"
	"apiml/traffic"
)

// Extractor computes the columns of HTTPSchema. It is not safe for concurrent
// use: windows and the online profile depend on the order of the records.
type Extractor struct {
	state    *State
	profile  *profile // the state's, or its own if online
	analyser *analyser
	windows  *windows
	agents   *memo[agent]
	headers  *memo[uint8]
	learned  uint32 // requests learned, names those without a principal
	row      [numColumns]float32
	last     []lastRow // of the latest Extract, for Learn
	lastReqs []traffic.Request
	analyses []*analysis // of ExtractGrouped
	place    []int32
}

// lastRow is what Learn needs of an extracted request.
type lastRow struct {
	shape     *shape
	out       outcome
	principal uint64
	client    uint64
}

// agent is what a User-Agent header says.
type agent struct {
	hash     uint64
	class    uint8
	evidence uint8
}

// NewExtractor returns an extractor without any history.
func NewExtractor(s *State) *Extractor {
	e := &Extractor{
		state: s, profile: s.profile, analyser: newAnalyser(s.text), windows: newWindows(),
		agents: newMemo[agent](8192), headers: newMemo[uint8](4096),
	}
	if e.profile == nil {
		e.profile = newProfile()
	}
	return e
}

// State is the state that the extractor was made with.
func (e *Extractor) State() *State { return e.state }

// Extract writes the features of reqs to dst, which has len(reqs) rows and the
// columns of HTTPSchema(State()); its Class, Target, Group and Time stay as they
// are. reqs come in event time, as a Reorder emits them. The windows include
// them from then on. Values are finite or NaN.
func (e *Extractor) Extract(dst *frame.Matrix, reqs []traffic.Request) {
	e.begin(dst, reqs)
	for i := range reqs {
		e.extract(&reqs[i], e.analyser.analyse(&reqs[i]))
		for j, v := range e.row {
			dst.Cols[j][i] = v
		}
	}
}

// ExtractGrouped is Extract with the rows of dst in another order: requests for
// the same template stand together, and forests are faster on rows that have
// much in common. Request i has row place[i]; place is valid until the next call.
func (e *Extractor) ExtractGrouped(dst *frame.Matrix, reqs []traffic.Request) (place []int32) {
	e.begin(dst, reqs)
	e.analyses = e.analyses[:0]
	var next [1 << 12]int32 // by a part of the template's hash: where its next request goes
	for i := range reqs {
		an := e.analyser.analyse(&reqs[i])
		e.analyses = append(e.analyses, an)
		next[an.shape.template>>52]++
	}
	sum := int32(0)
	for k, n := range next {
		next[k] = sum
		sum += n
	}
	e.place = e.place[:0]
	for i := range reqs {
		an := e.analyses[i]
		at := next[an.shape.template>>52]
		next[an.shape.template>>52]++
		e.place = append(e.place, at)
		e.extract(&reqs[i], an)
		for j, v := range e.row {
			dst.Cols[j][at] = v
		}
	}
	return e.place
}

func (e *Extractor) begin(dst *frame.Matrix, reqs []traffic.Request) {
	if dst.N != len(reqs) || len(dst.Cols) != numColumns {
		panic("features: Extract: matrix does not fit")
	}
	e.last, e.lastReqs = e.last[:0], reqs
}

// Keys are hashes of the client (user, session or address) and of the endpoint
// (the template, whatever the method) of request i of the latest Extract, 0 if
// unknown.
func (e *Extractor) Keys(i int) (client, endpoint uint64) {
	return e.last[i].client, e.last[i].shape.template
}

// extract computes e.row and notes what Learn needs.
func (e *Extractor) extract(r *traffic.Request, an *analysis) {
	copy(e.row[:numLex], an.lex[:])
	ag := e.agent(r.Agent)
	out := e.rest(r, ag)

	l := lastRow{shape: &an.shape, out: out, principal: principal(r, ag.hash)}
	if l.client = l.principal; !named(r.User) && !named(r.Session) {
		l.client = address(r)
	}
	window := e.row[numRequest:numWindow]
	if r.Time == traffic.NoTime {
		for i := range window {
			window[i] = nan32()
		}
	} else {
		const far = 1 << 60 // 36,000 years: differences of times cannot overflow
		e.windows.add(window, &event{
			time: min(max(r.Time, -far), far), principal: l.principal, address: address(r), agent: ag.hash,
			template: an.shape.template, object: an.object, id: an.id, status: r.Status, bytes: r.BytesOut,
			asset: an.lex[cAsset] > 0, login: an.lex[cLogin] > 0, write: out.method == 1,
		})
	}
	e.profile.score(e.row[numWindow:], &an.shape, out)
	e.last = append(e.last, l)
}

// rest writes the request columns that do not come from target and body.
func (e *Extractor) rest(r *traffic.Request, ag agent) outcome {
	out := outcome{method: methodClass(r.Method), bytes: nan32(), latency: nan32()}
	evidence := ag.evidence
	if r.Referrer != "" && r.Referrer != "-" {
		evidence += e.header(r.Referrer)
	}
	e.row[cHeaderEvidence] = float32(evidence)
	e.row[cAgentClass] = float32(ag.class)
	e.row[cMethodClass] = float32(out.method)
	e.row[cStatusClass] = nan32()
	if r.Status >= 100 && r.Status < 600 {
		out.status = uint8(r.Status / 100)
		e.row[cStatusClass] = float32(out.status)
	}
	if r.BytesOut >= 0 {
		out.bytes = float32(math.Log1p(float64(r.BytesOut)))
	}
	// Not above 10^9 s: a hostile number must not become infinite.
	if r.Latency >= 0 {
		out.latency = float32(math.Log1p(min(r.Latency, 1e9) * 1000))
	}
	e.row[cBytesOut], e.row[cLatency] = out.bytes, out.latency
	return out
}

// Learn lets the requests of the latest Extract into the online profile, except
// those that were flagged (nil = none); reqs must be the same slice. With a
// frozen profile it does nothing. What a request brings counts as known once
// three principals brought it; a request without any principal counts as its
// own.
func (e *Extractor) Learn(reqs []traffic.Request, flagged []bool) {
	if e.state.profile != nil || len(reqs) == 0 {
		return
	}
	if len(reqs) != len(e.last) || &reqs[0] != &e.lastReqs[0] || flagged != nil && len(flagged) != len(reqs) {
		panic("features: Learn: not the requests of the latest Extract")
	}
	for i := range e.last {
		e.learned++
		l := &e.last[i]
		if flagged != nil && flagged[i] {
			e.profile.pass(l.shape, l.out, teacher(l.principal, e.learned))
			continue
		}
		e.profile.observe(l.shape, l.out, teacher(l.principal, e.learned), false)
	}
}

// teacher is the principal as the profile counts it.
func teacher(principal uint64, row uint32) uint32 {
	if principal == 0 {
		return row
	}
	return uint32(principal >> 32)
}

// principal hashes traffic.Request.Principal without building the string; 0 if
// the log names nobody. agent is the hash of the user agent.
func principal(r *traffic.Request, agent uint64) uint64 {
	switch {
	case named(r.User):
		return hashOf(r.User, 11) | 1
	case named(r.Session):
		return hashOf(r.Session, 12) | 1
	}
	if a := address(r); a != 0 {
		return mix(a, agent) | 1
	}
	return 0
}

// address hashes the client address, 0 if the log has none.
func address(r *traffic.Request) uint64 {
	if a := r.Address(); named(a) {
		return hashOf(a, 13) | 1
	}
	return 0
}

func named(s string) bool { return s != "" && s != "-" }

// agent classifies a user agent, once per distinct string.
func (e *Extractor) agent(s string) agent {
	if a, ok := e.agents.get(s); ok {
		return a
	}
	a := agent{hash: hashOf(s, 14), class: e.analyser.lx.agentClass(s), evidence: e.analyser.header(s)}
	e.agents.put(s, a)
	return a
}

func (e *Extractor) header(s string) uint8 {
	if v, ok := e.headers.get(s); ok {
		return v
	}
	v := e.analyser.header(s)
	e.headers.put(s, v)
	return v
}

// methodClass: PUT is deliberately no class of its own.
func methodClass(m string) uint8 {
	switch m {
	case "GET", "HEAD", "OPTIONS":
		return 0
	case "POST", "PUT", "PATCH", "DELETE":
		return 1
	}
	if m == "" || len(m) > 20 {
		return 3
	}
	for i := 0; i < len(m); i++ {
		if (m[i] < 'A' || m[i] > 'Z') && m[i] != '-' && m[i] != '_' {
			return 3
		}
	}
	return 2
}

// memo is a bounded map in two generations: when the younger is full, the older
// is dropped.
type memo[T any] struct {
	now, old map[string]T
	limit    int
}

func newMemo[T any](limit int) *memo[T] { return &memo[T]{now: map[string]T{}, limit: limit} }

func (m *memo[T]) get(s string) (T, bool) {
	v, ok := m.now[s]
	if !ok {
		if v, ok = m.old[s]; ok {
			m.put(s, v)
		}
	}
	return v, ok
}

func (m *memo[T]) put(s string, v T) {
	if len(m.now) >= m.limit {
		m.old, m.now = m.now, map[string]T{}
	}
	m.now[strings.Clone(s)] = v // a substring would keep a whole batch alive
}
