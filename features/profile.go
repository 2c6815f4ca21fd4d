package features

import (
	"math"
	"math/bits"
	"slices"
)

// The profile of the API: per template and parameter name, what requests look
// like. Something counts as known when it came from knownBy principals, or from
// a request that is labelled benign: one visitor cannot teach the profile alone.
//
// Memory is bounded. A table that is full drops what is not known yet; what is
// known stays. When everything in a full table is known, nothing more is
// admitted, and "unknown" is then missing (NaN) instead of 1, as it would no
// longer mean anything.
const (
	knownBy      = 3
	maxTemplates = 4096  // per profile
	maxAllParams = 32768 // per profile
	maxParams    = 64    // per template
	maxShapes    = 64    // per template
	maxEnum      = 12    // values of a closed set; a parameter with one more is open

	minProfile  = 200 // requests before an unknown template is news
	minTemplate = 20  // requests before unknown names, shapes and methods of a template are news
	minParam    = 20  // values before unseen classes and lengths of a parameter are news
	minEnum     = 50  // values before a set counts as closed

	// numClasses character classes of a value: lower, upper, digit, space,
	// control, non-ASCII letter, other non-ASCII, and each of the 32 ASCII
	// punctuation characters.
	numClasses = 40

	maxZ = 50
)

// shape is what the profile needs to know of one target and body.
type shape struct {
	template uint64
	names    uint64 // hash of the set of parameter names
	params   []observation
	odds     [numText]float32 // of the text model, of the strongest window
	form     uint64           // of the value that holds it
}

// hot reports whether the request reads like a payload.
func (s *shape) hot() bool { return s.odds[0] > textHot }

// observation is one value of one parameter, decoded once.
type observation struct {
	name   uint64
	value  uint64
	mask   uint64 // character classes, numClasses bits
	form   uint64
	marks  []uint64
	length uint32 // bytes
}

// outcome is what the profile needs to know of the rest of a request.
type outcome struct {
	method  uint8   // method class
	status  uint8   // status class, 0 = unknown
	bytes   float32 // feature bytes_out
	latency float32 // feature latency
}

// support counts distinct principals up to knownBy.
type support struct {
	a, b uint32
	n    uint8
}

func (s *support) known() bool { return s.n >= knownBy }

func (s *support) add(principal uint32, trusted bool) {
	switch {
	case s.n >= knownBy:
	case trusted:
		s.n = knownBy
	case s.n == 0:
		s.a, s.n = principal, 1
	case s.a == principal, s.n == 2 && s.b == principal:
	case s.n == 1:
		s.b, s.n = principal, 2
	default:
		s.n = knownBy
	}
}

// extreme holds the largest value of each of the knownBy principals with the
// largest values. Its bound is the value that knownBy principals reached.
type extreme struct {
	v [knownBy]int32
	p [knownBy]uint32
	n uint8
}

func (e *extreme) add(v int32, principal uint32, trusted bool) {
	if trusted {
		for i := range e.v {
			if int(e.n) <= i || e.v[i] < v {
				e.v[i], e.p[i] = v, uint32(i)
			}
		}
		e.n = knownBy
		return
	}
	least := 0
	for i := range int(e.n) {
		if e.p[i] == principal {
			e.v[i] = max(e.v[i], v)
			return
		}
		if e.v[i] < e.v[least] {
			least = i
		}
	}
	switch {
	case e.n < knownBy:
		e.v[e.n], e.p[e.n] = v, principal
		e.n++
	case v > e.v[least]:
		e.v[least], e.p[least] = v, principal
	}
}

// bound returns the value reached by knownBy principals, or by none.
func (e *extreme) bound(none int32) int32 {
	if e.n < knownBy {
		return none
	}
	return min(e.v[0], e.v[1], e.v[2])
}

// moments are count, sum and sum of squares.
type moments struct {
	n       uint32
	sum, sq float64
}

func (m *moments) add(v float64) {
	m.n++
	m.sum += v
	m.sq += float64(v * v)
}

// z is the distance of v from the mean in standard deviations; the deviation is
// shrunk towards prior as if prior had been seen in 10 values more.
func (m *moments) z(v, prior float64) float64 {
	n := float64(m.n)
	mean := m.sum / n
	variance := max(0, m.sq/n-float64(mean*mean))
	sd := math.Sqrt((float64(n*variance) + float64(10*prior*prior)) / (n + 10))
	return (v - mean) / sd
}

// profile is mutable while it learns. It is safe for concurrent scoring when
// nobody learns.
type profile struct {
	n         uint64 // requests learned
	known     int    // known templates
	params    int    // parameters in the table
	templates map[uint64]*template
}

type template struct {
	n       uint32
	all     uint32    // requests, flagged ones included
	hot     []hotForm // what reads like a payload here, the most frequent forms
	custom  []uint64  // of a frozen profile: the customary forms, ascending
	sup     support
	methods [4]support
	status  [6]uint32
	bytes   moments
	latency moments
	shapes  []seenHash
	names   []uint64 // names[i] belongs to params[i]
	params  []*param
}

// hotForm is a form of value (textScan.form) that reads like a payload. Some
// APIs speak a language of their own, filters in JSON or SQL, and there such a
// form is the custom: many principals send it, it is a good part of what the
// template gets, and it is not refused (4xx). An attacker would have to outnumber
// the template's users to teach one.
type hotForm struct {
	form       uint64
	n, ok      uint32
	principals uint32 // bit set by hash
}

const (
	maxHot      = 4
	customShare = 5  // a customary form is at least one in five of the template's requests
	customBy    = 4  // … from at least so many principals
	customAtMin = 24 // … in at least so many requests
	textHot     = -2 // log-odds from which a form is watched
)

func (f *hotForm) custom(t *template) bool {
	return f.n >= customAtMin && f.n*customShare >= t.all && f.ok*4 >= f.n*3 && bits.OnesCount32(f.principals) >= customBy
}

// watch counts a request, flagged or not, and its form if it reads like a
// payload (Misra & Gries 1982: the forms of more than 1/(maxHot+1) of the hot
// requests are never lost).
func (t *template) watch(s *shape, o outcome, principal uint32, trusted bool) {
	t.all++
	if !s.hot() {
		return
	}
	at := slices.IndexFunc(t.hot, func(f hotForm) bool { return f.form == s.form })
	if at < 0 && len(t.hot) < maxHot {
		at = len(t.hot)
		t.hot = append(t.hot, hotForm{form: s.form})
	}
	if at >= 0 {
		f := &t.hot[at]
		f.n++
		if o.status != 4 { // a server error says nothing of the request
			f.ok++
		}
		f.principals |= 1 << (mix(uint64(principal), 51) & 31)
		if trusted {
			f.principals = math.MaxUint32
		}
		return
	}
	kept := t.hot[:0]
	for _, f := range t.hot {
		if f.n--; f.n > 0 {
			f.ok = min(f.ok, f.n)
			kept = append(kept, f)
		}
	}
	t.hot = kept
}

// customary reports whether a form is the custom at this template.
func (t *template) customary(form uint64) bool {
	if _, ok := slices.BinarySearch(t.custom, form); ok {
		return true
	}
	for i := range t.hot {
		if t.hot[i].form == form {
			return t.hot[i].custom(t)
		}
	}
	return false
}

type seenHash struct {
	hash uint64
	sup  support
}

type param struct {
	n        uint32
	sup      support
	known    uint64 // classes that are known
	counts   [numClasses]uint32
	classes  [numClasses]support
	length   moments // of ln(1+length)
	longest  extreme
	shortest extreme // of the negated length
	lo, hi   int32   // known lengths, hi < lo while there are none
	enum     []seenHash
	open     bool // too many values for a closed set
	forms    forms
	marks    forms
	values   registers
}

func newProfile() *profile { return &profile{templates: map[uint64]*template{}} }

// at returns a template, after it was added if it was not there; nil if there is
// no room.
func (p *profile) at(hash uint64) *template {
	t := p.templates[hash]
	if t == nil {
		if len(p.templates) >= maxTemplates && !p.makeRoom() {
			return nil
		}
		t = &template{}
		p.templates[hash] = t
	}
	return t
}

// pass counts a request that was flagged: of what it brought only the form is
// looked at.
func (p *profile) pass(s *shape, o outcome, principal uint32) {
	if t := p.at(s.template); t != nil {
		t.watch(s, o, principal, false)
	}
}

// observe learns one request.
func (p *profile) observe(s *shape, o outcome, principal uint32, trusted bool) {
	p.n++
	t := p.at(s.template)
	if t == nil {
		return
	}
	t.watch(s, o, principal, trusted)
	t.n++
	if !t.sup.known() {
		if t.sup.add(principal, trusted); t.sup.known() {
			p.known++
		}
	}
	t.methods[o.method&3].add(principal, trusted)
	if o.status > 0 && o.status < 6 {
		t.status[o.status]++
	}
	if o.bytes == o.bytes {
		t.bytes.add(float64(o.bytes))
	}
	if o.latency == o.latency {
		t.latency.add(float64(o.latency))
	}
	if i := admit(&t.shapes, s.names, maxShapes); i >= 0 {
		t.shapes[i].sup.add(principal, trusted)
	}
	for i := range s.params {
		if q := p.param(t, s.params[i].name); q != nil {
			// A name that occurs twice counts once for presence.
			q.observe(&s.params[i], principal, trusted, repeated(s.params, i))
		}
	}
}

func repeated(params []observation, i int) bool {
	for j := range i {
		if params[j].name == params[i].name {
			return true
		}
	}
	return false
}

// makeRoom drops the templates that are not known.
func (p *profile) makeRoom() bool {
	for h, t := range p.templates {
		if !t.sup.known() {
			p.params -= len(t.params)
			delete(p.templates, h)
		}
	}
	return len(p.templates) < maxTemplates
}

// admit returns the index of h in the set, after it was added if it was not
// there; −1 if the set is full of known hashes.
func admit(set *[]seenHash, h uint64, limit int) int {
	for i := range *set {
		if (*set)[i].hash == h {
			return i
		}
	}
	if len(*set) >= limit {
		*set = slices.DeleteFunc(*set, func(s seenHash) bool { return !s.sup.known() })
		if len(*set) >= limit {
			return -1
		}
	}
	*set = append(*set, seenHash{hash: h})
	return len(*set) - 1
}

// param returns the parameter of t, after it was added if it was not there;
// nil if there is no room.
func (p *profile) param(t *template, name uint64) *param {
	if i := slices.Index(t.names, name); i >= 0 {
		return t.params[i]
	}
	if len(t.params) >= maxParams || p.params >= maxAllParams {
		kept := 0
		for i, q := range t.params {
			if q.sup.known() {
				t.names[kept], t.params[kept] = t.names[i], q
				kept++
			}
		}
		p.params -= len(t.params) - kept
		clear(t.params[kept:])
		t.names, t.params = t.names[:kept], t.params[:kept]
		if kept >= maxParams || p.params >= maxAllParams {
			return nil
		}
	}
	p.params++
	q := &param{lo: 0, hi: -1}
	t.names, t.params = append(t.names, name), append(t.params, q)
	return q
}

func (q *param) observe(o *observation, principal uint32, trusted, again bool) {
	q.n++
	if !again {
		q.sup.add(principal, trusted)
	}
	for m := o.mask; m != 0; m &= m - 1 {
		c := bits.TrailingZeros64(m)
		q.counts[c]++
		if q.known&(1<<c) == 0 {
			if q.classes[c].add(principal, trusted); q.classes[c].known() {
				q.known |= 1 << c
			}
		}
	}
	q.values.add(o.value)
	q.forms.observe(o.form, o.value, principal, trusted)
	for _, m := range o.marks {
		q.marks.observe(m, o.value, principal, trusted)
	}
	q.length.add(math.Log1p(float64(o.length)))
	l := int32(min(o.length, math.MaxInt32))
	if q.hi < q.lo || l > q.hi || l < q.lo {
		q.longest.add(l, principal, trusted)
		q.shortest.add(-l, principal, trusted)
		q.lo, q.hi = -q.shortest.bound(0), q.longest.bound(-1)
	}
	if !q.open {
		i := slices.IndexFunc(q.enum, func(s seenHash) bool { return s.hash == o.value })
		switch {
		case i >= 0:
			q.enum[i].sup.add(principal, trusted)
		case len(q.enum) < maxEnum:
			q.enum = append(q.enum, seenHash{hash: o.value})
			q.enum[len(q.enum)-1].sup.add(principal, trusted)
		default:
			q.open, q.enum = true, nil
		}
	}
}

// score writes the profile columns of one request to dst (numColumns−numWindow
// values).
func (p *profile) score(dst []float32, s *shape, o outcome) {
	const base = numWindow
	nan := nan32()
	for i := range dst {
		dst[i] = nan
	}
	t := p.templates[s.template]
	odds := dst[cTextAttack-base:]
	copy(odds, s.odds[:])
	if s.hot() && t != nil && t.customary(s.form) {
		for i := range numText {
			odds[i] = -textFloor
		}
	}
	if p.n < minProfile || p.known == 0 {
		return
	}
	if t == nil || !t.sup.known() {
		dst[cTemplateSupport-base] = 0
		if t != nil {
			dst[cTemplateSupport-base] = ln1p(int(t.n))
		}
		if p.known < maxTemplates {
			dst[cTemplateUnknown-base] = 1
		}
		return
	}
	dst[cTemplateUnknown-base] = 0
	dst[cTemplateSupport-base] = ln1p(int(t.n))
	if o.status > 0 && o.status < 6 {
		var n uint32
		for _, c := range t.status {
			n += c
		}
		dst[cStatusSurprise-base] = surprise(t.status[o.status], n, 5)
	}
	if t.bytes.n >= minTemplate && o.bytes == o.bytes {
		dst[cBytesZ-base] = clamp(t.bytes.z(float64(o.bytes), 0.5), maxZ)
	}
	if t.latency.n >= minTemplate && o.latency == o.latency {
		dst[cLatencyZ-base] = clamp(t.latency.z(float64(o.latency), 0.5), maxZ)
	}
	if t.n < minTemplate {
		return
	}
	dst[cMethodUnseen-base] = flag(!t.methods[o.method&3].known())
	shapeKnown, knownShapes := false, 0
	for i := range t.shapes {
		if t.shapes[i].sup.known() {
			knownShapes++
			shapeKnown = shapeKnown || t.shapes[i].hash == s.names
		}
	}
	if shapeKnown || knownShapes < maxShapes {
		dst[cShapeUnknown-base] = flag(!shapeKnown)
	}
	p.scoreParams(dst, t, s, shapeKnown)
}

func (p *profile) scoreParams(dst []float32, t *template, s *shape, shapeKnown bool) {
	const base = numWindow
	var unknown, missing, classes, values, outside int
	var rare float32
	var over, under, z, news, marked float64
	formed := false
	measured, closed := len(s.params) == 0, len(s.params) == 0
	for i := range s.params {
		o := &s.params[i]
		var q *param
		if j := slices.Index(t.names, o.name); j >= 0 {
			q = t.params[j]
		}
		if q == nil || !q.sup.known() {
			unknown++
			continue
		}
		if q.n < minParam || q.hi < q.lo {
			continue
		}
		measured = true
		if u := bits.OnesCount64(o.mask &^ q.known); u > 0 {
			classes = max(classes, u)
			values++
		}
		for m := o.mask; m != 0; m &= m - 1 {
			rare = max(rare, surprise(q.counts[bits.TrailingZeros64(m)], q.n, 1))
		}
		l := int32(min(o.length, math.MaxInt32))
		if l > q.hi {
			over = max(over, math.Log(float64(l+1)/float64(q.hi+1)))
		}
		if l < q.lo {
			under = max(under, math.Log(float64(q.lo+1)/float64(l+1)))
		}
		z = max(z, math.Abs(q.length.z(math.Log1p(float64(o.length)), 0.1)))
		if q.n >= minEnum {
			n := min(q.values.count(), float64(q.n))
			if v, ok := q.forms.surprise(o.form, n); ok {
				news, formed = max(news, v), true
			}
			if v, ok := q.marks.marksSurprise(o.marks, q.n, n); ok {
				marked, formed = max(marked, v), true
			}
		}
		if !q.open && q.n >= minEnum {
			closed = true
			if !slices.ContainsFunc(q.enum, func(e seenHash) bool { return e.hash == o.value && e.sup.known() }) {
				outside++
			}
		}
	}
	if !shapeKnown {
		for i, q := range t.params {
			if q.sup.known() && float64(q.n) >= 0.95*float64(t.n) &&
				!slices.ContainsFunc(s.params, func(o observation) bool { return o.name == t.names[i] }) {
				missing++
			}
		}
	}
	if len(t.params) < maxParams && p.params < maxAllParams || unknown == 0 {
		dst[cParametersUnknown-base] = float32(unknown)
	}
	dst[cParametersMissing-base] = float32(missing)
	if measured {
		dst[cClassesUnseen-base] = float32(classes)
		dst[cValuesUnseen-base] = float32(values)
		dst[cClassSurprise-base] = rare
		dst[cLengthOver-base] = float32(over)
		dst[cLengthUnder-base] = float32(under)
		dst[cLengthZ-base] = float32(min(z, maxZ))
	}
	if formed {
		dst[cFormSurprise-base] = float32(news)
		dst[cMarksSurprise-base] = float32(marked)
	}
	if closed {
		dst[cValueNotInSet-base] = float32(outside)
	}
}

// surprise is −ln of the share count/n, smoothed by half an observation for
// what is asked and for each of the others.
func surprise(count, n uint32, others float64) float32 {
	return float32(math.Log((float64(n) + 0.5 + 0.5*others) / (float64(count) + 0.5)))
}

func flag(b bool) float32 {
	if b {
		return 1
	}
	return 0
}

// finish drops all that is not known: a frozen profile holds no shape that a
// single principal brought.
func (p *profile) finish() {
	for h, t := range p.templates {
		if !t.sup.known() {
			p.params -= len(t.params)
			delete(p.templates, h)
			continue
		}
		for i := range t.hot {
			if t.hot[i].custom(t) {
				t.custom = append(t.custom, t.hot[i].form)
			}
		}
		t.hot = nil
		slices.Sort(t.custom)
		unknown := func(s seenHash) bool { return !s.sup.known() }
		t.shapes = slices.DeleteFunc(t.shapes, unknown)
		kept := 0
		for i, q := range t.params {
			if !q.sup.known() {
				continue
			}
			if q.enum = slices.DeleteFunc(q.enum, unknown); len(q.enum) == 0 {
				q.open = true
			}
			q.forms.finish()
			q.marks.finish()
			if q.hi < q.lo { // few principals, each with lengths of its own: nothing is usual yet
				q.lo, q.hi = 0, -1
			}
			t.names[kept], t.params[kept] = t.names[i], q
			kept++
		}
		p.params -= len(t.params) - kept
		t.names, t.params = t.names[:kept], t.params[:kept]
	}
}
