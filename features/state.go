package features

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Profile says where the profile columns come from.
type Profile string

// The profiles.
const (
	Frozen        Profile = "frozen" // fitted on training rows, then fixed
	OnlineProfile Profile = "online" // learned while scoring
)

// State is what features learn from data: the profile of the API. It is
// immutable and safe for concurrent use; the hash of its bytes is part of the
// schema that models carry. It holds no text of the log, only hashes.
type State struct {
	profile *profile // nil = online
	text    *TextModel
	bytes   []byte
	id      string
}

// stateMagic begins every state; stateVersion changes whenever a column changes
// its meaning, so that models fitted on the old one refuse the new one.
const (
	stateMagic   = "apimlst1"
	stateVersion = 3
	kindOnline   = 0
	kindFrozen   = 1
)

// Online returns the state without a trained profile: the Extractor starts with
// an empty one and learns it from what it scores. text may be nil: then the text
// columns say nothing.
func Online(text *TextModel) *State { return newState(nil, text) }

// Text is the text model of the state, nil if it has none.
func (s *State) Text() *TextModel { return s.text }

func newState(p *profile, text *TextModel) *State { return stateOf(p, text, encodeState(p, text)) }

// stateOf is newState with the bytes that encodeState makes of the two.
func stateOf(p *profile, text *TextModel, bytes []byte) *State {
	s := &State{profile: p, text: text, bytes: bytes}
	sum := sha256.Sum256(s.bytes)
	s.id = hex.EncodeToString(sum[:8])
	return s
}

// ID is a hash of the state's bytes: 16 hexadecimal digits.
func (s *State) ID() string { return s.id }

// Profile says whether the profile is frozen or online.
func (s *State) Profile() Profile {
	if s.profile == nil {
		return OnlineProfile
	}
	return Frozen
}

// Templates is the number of templates that a frozen profile knows, 0 online.
func (s *State) Templates() int {
	if s.profile == nil {
		return 0
	}
	return s.profile.known
}

// MarshalBinary returns the bytes of the state: equal states, equal bytes. The
// error is always nil.
func (s *State) MarshalBinary() ([]byte, error) { return slices.Clone(s.bytes), nil }

// encodeState lays a profile out in little-endian order:
//
//	magic 8 · version u32 · text u8 (1 = a text model follows: appendText) · kind u8
//	(0 = online: nothing follows) · requests u64 · templates u32, then per
//	template in ascending order of its hash: hash u64 · n u32 · methods u8 (bit
//	set of known classes) · status 5×u32 · bytes, latency (n u32, sum f64,
//	squares f64) · customary forms u8, u64 each, ascending · shapes u8, u64 each, ascending · parameters u8, then per
//	parameter in ascending order: name u64 · n u32 · known u64 · seen u64 (bit set
//	of classes with a count) · u32 per class seen · length sum f64, squares f64 ·
//	shortest i32 · longest i32 · registers of the number of values 32×u8 · forms, then marks: u8 (255 = open),
//	hash u64 and count u32 (highest bit: of several values) each, ascending, once u32 · values u8 (255 = open), u64 each, ascending.
func encodeState(p *profile, text *TextModel) []byte {
	le := binary.LittleEndian
	b := append([]byte(nil), stateMagic...)
	b = le.AppendUint32(b, stateVersion)
	if text == nil {
		b = append(b, 0)
	} else {
		b = appendText(append(b, 1), text)
	}
	if p == nil {
		return append(b, kindOnline)
	}
	b = append(b, kindFrozen)
	b = le.AppendUint64(b, p.n)
	keys := make([]uint64, 0, len(p.templates))
	for h := range p.templates {
		keys = append(keys, h)
	}
	slices.Sort(keys)
	b = le.AppendUint32(b, uint32(len(keys)))
	for _, h := range keys {
		t := p.templates[h]
		b = le.AppendUint64(b, h)
		b = le.AppendUint32(b, t.n)
		var methods byte
		for i := range t.methods {
			if t.methods[i].known() {
				methods |= 1 << i
			}
		}
		b = append(b, methods)
		for _, c := range t.status[1:] {
			b = le.AppendUint32(b, c)
		}
		for _, m := range []moments{t.bytes, t.latency} {
			b = le.AppendUint32(b, m.n)
			b = appendFloats(b, m.sum, m.sq)
		}
		b = append(b, byte(len(t.custom)))
		for _, h := range t.custom {
			b = le.AppendUint64(b, h)
		}
		b = appendHashes(b, t.shapes)
		order := make([]int, len(t.params))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(i, j int) int { return cmp.Compare(t.names[i], t.names[j]) })
		b = append(b, byte(len(order)))
		for _, i := range order {
			b = encodeParam(le.AppendUint64(b, t.names[i]), t.params[i])
		}
	}
	return b
}

func encodeParam(b []byte, q *param) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, q.n)
	b = le.AppendUint64(b, q.known)
	var seen uint64
	for c, n := range q.counts {
		if n > 0 {
			seen |= 1 << c
		}
	}
	b = le.AppendUint64(b, seen)
	for _, n := range q.counts {
		if n > 0 {
			b = le.AppendUint32(b, n)
		}
	}
	b = appendFloats(b, q.length.sum, q.length.sq)
	b = le.AppendUint32(b, uint32(q.lo))
	b = le.AppendUint32(b, uint32(q.hi))
	b = append(b, q.values[:]...)
	b = appendForms(appendForms(b, &q.forms), &q.marks)
	if q.open {
		return append(b, 255)
	}
	return appendHashes(b, q.enum)
}

func appendForms(b []byte, f *forms) []byte {
	if f.open {
		return append(b, 255)
	}
	set := slices.Clone(f.seen)
	slices.SortFunc(set, func(a, b seenForm) int { return cmp.Compare(a.hash, b.hash) })
	b = append(b, byte(len(set)))
	le := binary.LittleEndian
	for _, s := range set {
		n := s.n &^ (1 << 31)
		if s.many {
			n |= 1 << 31
		}
		b = le.AppendUint32(le.AppendUint64(b, s.hash), n)
	}
	return le.AppendUint32(b, f.once)
}

func appendFloats(b []byte, vs ...float64) []byte {
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func appendHashes(b []byte, set []seenHash) []byte {
	hashes := make([]uint64, len(set))
	for i, s := range set {
		hashes[i] = s.hash
	}
	slices.Sort(hashes)
	b = append(b, byte(len(hashes)))
	for _, h := range hashes {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	return b
}

// ParseState is the inverse of MarshalBinary. It accepts exactly the bytes that
// MarshalBinary can give, whatever their origin, and allocates in proportion to
// len(b). The state keeps b, which must not be changed afterwards.
func ParseState(b []byte) (*State, error) {
	r := &stateReader{b: b}
	if string(r.take(len(stateMagic))) != stateMagic {
		return nil, errors.New("feature state: not a feature state of apiml")
	}
	if v := r.u32(); v != stateVersion {
		return nil, fmt.Errorf("feature state: version %d, this apiml computes version %d; train again", v, stateVersion)
	}
	var p *profile
	var text *TextModel
	switch r.u8() {
	case 0:
	case 1:
		text = r.text()
	default:
		r.fail("unknown text model")
	}
	switch kind := r.u8(); kind {
	case kindOnline:
	case kindFrozen:
		p = r.profile()
	default:
		r.fail("unknown kind")
	}
	if len(r.b) > 0 {
		r.fail("bytes behind the end")
	}
	if r.err != nil {
		return nil, r.err
	}
	return stateOf(p, text, b), nil
}

// stateReader reads with one error at the end; after an error all reads give 0.
type stateReader struct {
	b   []byte
	off int
	err error
}

func (r *stateReader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("feature state: byte %d: %s", r.off, what)
	}
	r.b = nil
}

func (r *stateReader) take(n int) []byte {
	if n > len(r.b) {
		r.fail("truncated")
		return nil
	}
	out := r.b[:n]
	r.b, r.off = r.b[n:], r.off+n
	return out
}

func (r *stateReader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *stateReader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *stateReader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// moments reads sums of n values; sums that n values cannot have are damage.
func (r *stateReader) moments(n uint32) moments {
	m := moments{n: n, sum: math.Float64frombits(r.u64()), sq: math.Float64frombits(r.u64())}
	limit := 100 * (float64(n) + 1) // no ln(1+x) of a 63-bit number reaches 100
	if !(m.sum >= 0 && m.sum <= limit && m.sq >= 0 && m.sq <= 100*limit) || math.Signbit(m.sum) || math.Signbit(m.sq) {
		r.fail("impossible sums")
	}
	return m
}

// hashes reads n ascending hashes, all known.
func (r *stateReader) hashes(n int) []seenHash {
	if n*8 > len(r.b) {
		r.fail("truncated")
		return nil
	}
	out := make([]seenHash, 0, n)
	for i := range n {
		h := r.u64()
		if i > 0 && h <= out[i-1].hash {
			r.fail("hashes out of order")
			return nil
		}
		out = append(out, seenHash{h, support{n: knownBy}})
	}
	return out
}

func (r *stateReader) profile() *profile {
	p := newProfile()
	p.n = r.u64()
	n := int(r.u32())
	if n > maxTemplates || n*76 > len(r.b) { // 76 bytes: a template without shapes and parameters
		r.fail("too many templates")
		return p
	}
	prev := uint64(0)
	for i := range n {
		h := r.u64()
		if i > 0 && h <= prev {
			r.fail("templates out of order")
		}
		prev = h
		t := &template{n: r.u32(), sup: support{n: knownBy}}
		methods := r.u8()
		if methods > 15 || t.n == 0 {
			r.fail("impossible template")
		}
		for j := range t.methods {
			if methods>>j&1 == 1 {
				t.methods[j].n = knownBy
			}
		}
		var total uint64
		for j := 1; j < len(t.status); j++ {
			t.status[j] = r.u32()
			total += uint64(t.status[j])
		}
		if total > uint64(t.n) {
			r.fail("impossible status counts")
		}
		t.bytes = r.moments(r.u32())
		t.latency = r.moments(r.u32())
		if t.bytes.n > t.n || t.latency.n > t.n {
			r.fail("impossible counts")
		}
		forms := int(r.u8())
		if forms > maxHot {
			r.fail("too many forms")
		}
		for range forms {
			h := r.u64()
			if k := len(t.custom); k > 0 && h <= t.custom[k-1] {
				r.fail("forms out of order")
			}
			t.custom = append(t.custom, h)
		}
		shapes := int(r.u8())
		if shapes > maxShapes {
			r.fail("too many shapes")
		}
		t.shapes = r.hashes(shapes)
		params := int(r.u8())
		if params > maxParams || p.params+params > maxAllParams {
			r.fail("too many parameters")
		}
		for range params {
			name := r.u64()
			if k := len(t.names); k > 0 && name <= t.names[k-1] {
				r.fail("parameters out of order")
			}
			q := r.param()
			if r.err != nil {
				return p
			}
			t.names, t.params = append(t.names, name), append(t.params, q)
		}
		if r.err != nil {
			return p
		}
		p.params += params
		p.templates[h] = t
	}
	p.known = n
	return p
}

// forms reads the forms of n values.
func (r *stateReader) forms(n uint32, marks bool) forms {
	k := r.u8()
	switch {
	case k == 255:
		return forms{open: true}
	case k == 0 || k > maxForms:
		r.fail("impossible forms")
		return forms{}
	}
	var f forms
	for i := range int(k) {
		s := seenForm{hash: r.u64(), sup: support{n: knownBy}}
		c := r.u32()
		s.n, s.many = c&^(1<<31), c>>31 == 1
		if s.n == 0 || s.n > n || i > 0 && s.hash <= f.seen[i-1].hash || marks && s.hash>>8 >= numClasses {
			r.fail("impossible forms")
			return f
		}
		f.seen = append(f.seen, s)
	}
	if f.once = r.u32(); f.once > maxForms || !marks && f.once > n {
		r.fail("impossible forms")
	}
	return f
}

func (r *stateReader) param() *param {
	q := &param{n: r.u32(), sup: support{n: knownBy}}
	q.known = r.u64()
	seen := r.u64()
	if q.n == 0 || seen>>numClasses != 0 || q.known&^seen != 0 {
		r.fail("impossible classes")
		return q
	}
	for m := seen; m != 0; m &= m - 1 {
		c := bits.TrailingZeros64(m)
		q.counts[c] = r.u32()
		if q.counts[c] == 0 || q.counts[c] > q.n {
			r.fail("impossible class count")
		}
	}
	q.length = r.moments(q.n)
	q.lo, q.hi = int32(r.u32()), int32(r.u32())
	if !(q.lo >= 0 && q.hi >= q.lo) && !(q.lo == 0 && q.hi == -1) {
		r.fail("impossible lengths")
	}
	for i, v := range r.take(len(q.values)) {
		if v > 59 {
			r.fail("impossible count of values")
			return q
		}
		q.values[i] = v
	}
	q.forms, q.marks = r.forms(q.n, false), r.forms(q.n, true)
	n := r.u8()
	switch {
	case n == 255:
		q.open = true
	case n == 0 || n > maxEnum:
		r.fail("impossible set of values")
	default:
		q.enum = r.hashes(int(n))
	}
	return q
}
