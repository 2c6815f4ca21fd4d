package features

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"apiml/traffic"
)

// Limits that bound the time and memory of one request whatever it holds. Of a
// longer part the head and the tail are analysed, so that padding on either side
// hides nothing; its length is counted in full.
const (
	maxPart   = 16384 // bytes analysed of the path, and of one value
	maxTail   = 4096  // of these, bytes at the end
	maxQuery  = 65536 // bytes analysed of a query or body
	maxPairs  = 256   // values analysed
	maxDepth  = 64    // nesting of JSON that is followed
	maxMemo   = 8192  // analyses in each of the two generations of the memo
	maxMemoed = 2048  // longest key in the memo
)

// analysis is all that target and body alone say.
type analysis struct {
	lex    [numLex]float32
	shape  shape
	group  uint64 // hash of the decoded path and the sorted decoded pairs
	object uint64 // hash of the target as sent
	id     int64  // numeric id in the target, −1 if none
}

// analyser computes analyses. It is not safe for concurrent use.
type analyser struct {
	lx      *lexicon
	dec     decoder
	names   decoder
	scan    scanner
	now     map[string]*analysis // memo, two generations
	old     map[string]*analysis
	key     []byte
	in      []byte
	json    []byte
	pairs   []uint64
	classes [256]uint8 // character class of each byte; non-ASCII is classHigh
	clog    [256]float64

	text    *TextModel
	collect *TextSamples // nil but while the material of a text model is collected
	ts      textScan
	watch   *watch
	junk    bool // the target is no request line's: bytes of another protocol
}

const (
	classLower = iota
	classUpper
	classDigit
	classSpace
	classControl
	classHighLetter
	classHigh
	classPunct // and 31 more, in ASCII order
)

func newAnalyser(text *TextModel) *analyser {
	a := &analyser{lx: newLexicon(), now: map[string]*analysis{}, text: text}
	punct := uint8(classPunct)
	for c := range 256 {
		k := uint8(classHigh)
		switch {
		case c >= 'a' && c <= 'z':
			k = classLower
		case c >= 'A' && c <= 'Z':
			k = classUpper
		case c >= '0' && c <= '9':
			k = classDigit
		case c == ' ':
			k = classSpace
		case c < ' ', c == 0x7F:
			k = classControl
		case c < 0x7F:
			k = punct
			punct++
		}
		a.classes[c] = k
	}
	for c := 2; c < len(a.clog); c++ {
		a.clog[c] = float64(c) * math.Log2(float64(c))
	}
	return a
}

// analyse returns the analysis of r, from the memo if the same target and body
// came before. The result is immutable.
func (a *analyser) analyse(r *traffic.Request) *analysis {
	// First what of the method matters to compute, and whether there is a body,
	// whose place must not depend on bytes of the target: they are the client's.
	kind := byte(0)
	switch r.Method {
	case "CONNECT": // its target is no path
		kind = 1
	case "": // junk
		kind = 2
	}
	a.key = append(a.key[:0], kind)
	if r.HasBody {
		a.key[0] |= 4
		a.key = binary.AppendUvarint(a.key, uint64(len(r.Target)))
	}
	a.key = append(a.key, r.Target...)
	if r.HasBody {
		a.key = append(a.key, r.Body...)
	}
	if len(a.key) > maxMemoed {
		return a.compute(r)
	}
	if an := a.now[string(a.key)]; an != nil {
		return an
	}
	an := a.old[string(a.key)]
	if an == nil {
		an = a.compute(r)
	}
	if len(a.now) >= maxMemo {
		a.old, a.now = a.now, make(map[string]*analysis, maxMemo)
	}
	// The key is a copy: a substring would keep a whole batch alive.
	a.now[string(a.key)] = an
	return an
}

func (a *analyser) compute(r *traffic.Request) *analysis {
	r = standIns(r)
	an := &analysis{id: -1, object: hashOf(r.Target, 2)}
	lex := &an.lex
	path, query := traffic.SplitTarget(r.Target)
	a.junk = r.Method == ""
	for c := range an.shape.odds {
		an.shape.odds[c] = -textFloor
	}
	template := traffic.Template(r.Method, r.Target)
	an.shape.template = hashOf(template, 1)
	a.pairs = a.pairs[:0]

	lex[cTargetLength] = ln1p(len(r.Target))
	a.at("path", nil)
	a.path(an, path)
	if query != "" {
		a.at("query", nil)
		a.form(an, clip(query, maxQuery), true)
	}
	lex[cBodyLength] = nan32()
	if r.HasBody {
		lex[cBodyLength] = ln1p(len(r.Body))
		a.at("body", nil)
		a.body(an, clip(r.Body, maxQuery))
	}
	if an.id < 0 && template != path {
		an.id = lastNumber(path)
	}

	lex[cParameters] = float32(len(an.shape.params))
	for i := range an.shape.params {
		if repeated(an.shape.params, i) {
			lex[cParametersRepeated]++
		}
	}
	an.shape.names = nameSet(an.shape.params)
	slices.Sort(a.pairs)
	for _, h := range a.pairs {
		an.group = mix(an.group, h)
	}
	lex[cAsset] = flag(a.lx.asset(path))
	lex[cLogin] = flag(a.lx.login(template))
	// NaN is the only missing value; counters of hostile input stay small.
	an.shape.params = slices.Clip(an.shape.params)
	return an
}

// at says which part and name are analysed next, to whoever wants to know.
func (a *analyser) at(part string, name []byte) {
	if a.watch == nil {
		return
	}
	if part != "" {
		a.watch.part = part
	}
	a.watch.name = string(name)
}

// clip cuts s to n bytes: head and tail.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n-maxTail] + s[len(s)-maxTail:]
}

// nameSet hashes the set of names, whatever their order and repetition.
func nameSet(params []observation) uint64 {
	var h uint64
	for i := range params {
		if !repeated(params, i) {
			h += mix(params[i].name, mix3)
		}
	}
	return h
}

// lastNumber is the last all-digit segment of a path, −1 if there is none.
func lastNumber(path string) int64 {
	for path != "" {
		i := strings.LastIndexByte(path, '/')
		seg := path[i+1:]
		if dot := strings.IndexByte(seg, '.'); dot > 0 {
			seg = seg[:dot]
		}
		if v := number(seg); v >= 0 {
			return v
		}
		path = path[:max(i, 0)]
	}
	return -1
}

// number reads a decimal of at most 18 digits, −1 if s is none.
func number[T string | []byte](s T) int64 {
	if len(s) == 0 || len(s) > 18 {
		return -1
	}
	var v int64
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		v = v*10 + int64(s[i]-'0')
	}
	return v
}

// top raises dst to v.
func top(dst *float32, v float32) {
	if v > *dst {
		*dst = v
	}
}

func (a *analyser) path(an *analysis, path string) {
	lex := &an.lex
	a.in = append(a.in[:0], clip(path, maxPart)...)
	d := a.dec.once(a.in, false)
	out := d.out
	an.group = hashOf(out, 5)
	rounds := int(flag(d.changed))
	out, rounds, damage := a.dec.fully(out, rounds)
	lex[cDecodeRounds] = float32(rounds)
	lex[cEscapeDamage] = float32(d.damage + damage)
	st := a.measure(out)
	special := st.punct
	for _, c := range out {
		if c == '/' {
			lex[cPathDepth]++
		}
		switch c {
		case '/', '.', '-', '_':
			special--
		}
	}
	if len(out) > 0 {
		lex[cPathSpecial] = float32(special+st.control) / float32(len(out))
	}
	lex[cPathEntropy] = st.entropy
	// A path's own punctuation is no run: only what exceeds "/." counts.
	top(&lex[cSpecialRun], float32(st.run))
	top(&lex[cQuotes], float32(st.quotes))
	lex[cQuotesOdd] += float32(st.odd)
	top(&lex[cOperators], float32(st.operators))
	top(&lex[cControl], float32(st.control))
	a.evidence(an, out, st, rounds, true)
	lex[cScannerPath] = float32(a.lx.probes(out))
}

// form analyses name=value pairs joined by &.
func (a *analyser) form(an *analysis, s string, query bool) {
	for s != "" {
		var pair string
		pair, s, _ = strings.Cut(s, "&")
		if pair == "" {
			continue
		}
		if len(an.shape.params) >= maxPairs {
			// The rest is one value: nothing goes unread, nothing is counted as pairs.
			a.in = append(append(append(a.in[:0], pair...), '&'), clip(s, maxPart)...)
			a.value(an, hashOf("", 3), a.in, true)
			return
		}
		name, value, _ := strings.Cut(pair, "=")
		a.in = append(a.in[:0], name...)
		h := a.name(an, a.in)
		a.in = append(a.in[:0], clip(value, maxPart)...)
		a.value(an, h, a.in, true)
	}
}

// name decodes a parameter name, measures it and returns its hash.
func (a *analyser) name(an *analysis, raw []byte) uint64 {
	d := a.names.once(raw[:min(len(raw), maxPart)], true)
	odd := 0
	for _, c := range d.out {
		switch a.classes[c] {
		case classLower, classUpper, classDigit:
		default:
			switch c {
			case '_', '-', '.', '[', ']', '$', ':':
			default:
				odd++
			}
		}
	}
	top(&an.lex[cNameSpecial], float32(odd))
	an.lex[cEscapeDamage] += float32(d.damage)
	h := hashOf(d.out, 3)
	a.at("", d.out)
	if odd > 0 || bytes.IndexByte(d.out, '[') >= 0 || bytes.IndexByte(d.out, '$') >= 0 {
		out, rounds, _ := a.names.fully(d.out, int(flag(d.changed)))
		top(&an.lex[cDecodeRounds], float32(rounds))
		a.evidence(an, out, a.measure(out), rounds, false)
	}
	return h
}

// value analyses one raw value of a parameter; encoded says that it is still in
// the transport encoding of a query or form.
func (a *analyser) value(an *analysis, name uint64, raw []byte, encoded bool) {
	lex := &an.lex
	d := decoded{out: raw}
	if encoded {
		d = a.dec.once(raw, true)
	} else {
		a.dec.a = append(a.dec.a[:0], raw...)
		d.out = a.dec.a
	}
	st := a.measure(d.out)
	h := hashOf(d.out, 4)
	form, marks := a.formOf(d.out, nil)
	an.shape.params = append(an.shape.params, observation{name: name, value: h, mask: st.mask, form: form, marks: marks, length: uint32(len(d.out))})
	a.pairs = append(a.pairs, mix(name, h))
	if an.id < 0 {
		an.id = number(d.out)
	}
	out, rounds, damage := a.dec.fully(d.out, int(flag(d.changed && bytes.IndexByte(raw, '%') >= 0)))
	if rounds > 1 || len(out) != len(d.out) {
		st = a.measure(out)
	}
	top(&lex[cDecodeRounds], float32(rounds))
	lex[cEscapeDamage] += float32(d.damage + damage)

	n := len(out)
	if l := ln1p(n); l > lex[cValueLength] {
		lex[cValueLength] = l
		lex[cValueDigits] = float32(st.digits) / float32(n)
	}
	if n >= 3 {
		top(&lex[cValueSpecial], float32(st.punct)/float32(n))
		top(&lex[cHigh], float32(st.high)/float32(n))
	}
	top(&lex[cValueSpaces], float32(st.spaces))
	top(&lex[cValueWords], float32(st.words))
	top(&lex[cValueEntropy], st.entropy)
	top(&lex[cSpecialRun], float32(st.run))
	top(&lex[cQuotes], float32(st.quotes))
	lex[cQuotesOdd] += float32(st.odd)
	top(&lex[cBrackets], float32(st.brackets))
	top(&lex[cNesting], float32(st.depth))
	top(&lex[cOperators], float32(st.operators))
	top(&lex[cControl], float32(st.control))
	a.evidence(an, out, st, rounds, false)
}

// evidence looks for the marks of attacks in a decoded value and keeps, per
// column, the strongest value.
func (a *analyser) evidence(an *analysis, v []byte, st stats, rounds int, path bool) {
	if st.punct+st.spaces+st.control+st.high == 0 {
		return // letters and digits only
	}
	lex := &an.lex
	ev := a.scan.scan(a.lx, v)
	for i, n := range ev {
		if path && i == 0 {
			continue // the words of a path are names, not SQL
		}
		top(&lex[cSQLWords+i], float32(n))
	}
	if (a.text != nil || a.collect != nil) && (!path || !a.junk && telling(&ev)) {
		a.ts.grams(&a.scan, &st, rounds, path)
		if a.collect != nil {
			a.collect.take(&a.ts)
		} else {
			if a.text.score(&an.shape.odds, &a.ts) {
				an.shape.form = a.ts.form()
			}
		}
	}
	if a.watch != nil {
		a.watch.see(v, an.shape.odds[0], telling(&ev))
	}
	if n, none := tokens(v); n > 0 {
		top(&lex[cToken], float32(n))
		top(&lex[cTokenNone], float32(none))
	}
}

// telling reports whether the scanner found a mark of an attack that is more than a
// word. A
// path without one says nothing to the text model, however odd it looks: what is
// odd at one service is the front page of another.
func telling(ev *evidence) bool {
	for i, n := range ev {
		switch cSQLWords + i {
		case cSQLWords, cSQLFunctions, cSQLComment: // "dual", "row", "--": slugs are full of them
		default:
			if n > 0 {
				return true
			}
		}
	}
	return false
}

// stats are counts over one decoded value.
type stats struct {
	mask     uint64
	digits   int
	letters  int
	spaces   int
	punct    int
	high     int
	control  int
	quotes   int
	odd      int // kinds of quotes with an odd count
	brackets int // |opening − closing|
	depth    int
	run      int // longest run of punctuation
	words    int

	operators int
	entropy   float32
}

// measure counts the bytes of v in one pass.
func (a *analyser) measure(v []byte) stats {
	var st stats
	var counts [256]uint32
	run, word, depth, open, closed := 0, 0, 0, 0, 0
	var single, double, back int
	for i := 0; i < len(v); i++ {
		c := v[i]
		counts[c]++
		k := a.classes[c]
		if k <= classUpper {
			st.letters++
			run = 0
			if word++; word == 3 {
				st.words++
			}
			st.mask |= 1 << k
			continue
		}
		word = 0
		switch {
		case k == classDigit:
			st.digits++
			run = 0
		case k == classSpace:
			st.spaces++
			run = 0
		case k == classControl:
			if c == '\t' || c == '\n' || c == '\r' {
				st.spaces++
			} else {
				st.control++
			}
			run = 0
		case k >= classPunct:
			st.punct++
			if run++; run > st.run {
				st.run = run
			}
			switch c {
			case '\'':
				single++
			case '"':
				double++
			case '`':
				back++
				st.operators++
			case '(', '[', '{':
				open++
				if depth++; depth > st.depth {
					st.depth = depth
				}
			case ')', ']', '}':
				closed++
				depth = max(0, depth-1)
			case '=', '<', '>', '!', '|', '&', ';', '*', '^', '$':
				st.operators++
			}
		default: // non-ASCII
			st.high++
			run = 0
			k = a.highClass(v, &i, &counts)
		}
		st.mask |= 1 << k
	}
	st.quotes = single + double + back
	st.odd = single&1 + double&1 + back&1
	st.brackets = max(open-closed, closed-open)
	if n := len(v); n > 1 {
		sum := 0.0
		for _, c := range v {
			k := counts[c]
			if k == 0 {
				continue // summed already
			}
			counts[c] = 0
			if k < uint32(len(a.clog)) {
				sum += a.clog[k]
			} else {
				sum += float64(k) * math.Log2(float64(k))
			}
		}
		st.entropy = float32(max(0, math.Log2(float64(n))-sum/float64(n)))
	}
	return st
}

// highClass classifies the non-ASCII character at v[*i]: UTF-8 if it is, else
// ISO-8859-1. It moves *i to its last byte.
func (a *analyser) highClass(v []byte, i *int, counts *[256]uint32) uint8 {
	r, n := utf8.DecodeRune(v[*i:])
	if n > 1 {
		for _, c := range v[*i+1 : *i+n] {
			counts[c]++
		}
		*i += n - 1
	} else {
		r = rune(v[*i])
	}
	if unicode.IsLetter(r) {
		return classHighLetter
	}
	return classHigh
}

// body analyses a request body by what it looks like: JSON, multipart, a form,
// or one value.
func (a *analyser) body(an *analysis, s string) {
	t := strings.TrimLeft(s, " \t\r\n")
	switch {
	case t == "":
		return
	case t[0] == '{' || t[0] == '[':
		j := jsonScanner{a: a, an: an, s: t}
		if !j.document() {
			a.whole(an, j.s[j.i:])
		}
		top(&an.lex[cNesting], float32(j.deepest))
	case strings.HasPrefix(t, "--") && a.multipart(an, t):
	case t[0] != '<' && formLike(t):
		a.form(an, t, false)
	default:
		a.whole(an, t)
	}
}

// whole analyses s as one value without a name.
func (a *analyser) whole(an *analysis, s string) {
	a.in = append(a.in[:0], clip(s, maxPart)...)
	a.value(an, hashOf("", 3), a.in, false)
}

// formLike reports whether s starts like name=.
func formLike(s string) bool {
	i := strings.IndexByte(s[:min(len(s), 256)], '=')
	if i < 0 {
		return false
	}
	return !strings.ContainsAny(s[:i], " <>\"'(){}\n\t;")
}

// multipart analyses multipart/form-data; false if s is none.
func (a *analyser) multipart(an *analysis, s string) bool {
	boundary, _, ok := strings.Cut(s, "\n")
	boundary = strings.TrimRight(boundary, "\r")
	if !ok || len(boundary) < 3 || !strings.Contains(s[:min(len(s), 4096)], "form-data") {
		return false
	}
	for _, part := range strings.SplitN(s, boundary, maxPairs)[1:] {
		head, value, ok := strings.Cut(part, "\r\n\r\n")
		if !ok {
			if head, value, ok = strings.Cut(part, "\n\n"); !ok {
				continue
			}
		}
		_, name, _ := strings.Cut(head, `name="`)
		name, rest, _ := strings.Cut(name, `"`)
		a.in = append(a.in[:0], name...)
		h := a.name(an, a.in)
		if _, file, ok := strings.Cut(rest, `filename="`); ok {
			file, _, _ = strings.Cut(file, `"`)
			a.in = append(a.in[:0], clip(file, maxPart)...)
			a.value(an, mix(h, 1), a.in, false)
		}
		a.in = append(a.in[:0], clip(strings.TrimRight(value, "\r\n"), maxPart)...)
		a.value(an, h, a.in, false)
	}
	return true
}

// jsonScanner walks JSON and hands every scalar to the analyser under the hash
// of its path; positions in arrays do not count. It is lenient: what it cannot
// read is left to the caller.
type jsonScanner struct {
	a       *analyser
	an      *analysis
	s       string
	i       int
	depth   int
	deepest int
}

func (j *jsonScanner) space() {
	for j.i < len(j.s) && (j.s[j.i] == ' ' || j.s[j.i] == '\t' || j.s[j.i] == '\n' || j.s[j.i] == '\r') {
		j.i++
	}
}

func (j *jsonScanner) document() bool {
	if !j.element(hashOf("", 6)) {
		return false
	}
	j.space()
	return j.i == len(j.s)
}

func (j *jsonScanner) element(name uint64) bool {
	j.space()
	if j.i == len(j.s) || len(j.an.shape.params) >= maxPairs {
		return false
	}
	switch c := j.s[j.i]; c {
	case '{', '[':
		return j.composite(name, c)
	case '"':
		start := j.i + 1
		if !j.str() {
			return false
		}
		j.value(name, j.s[start:j.i-1])
		return true
	default:
		if c != '-' && c != 't' && c != 'f' && c != 'n' && (c < '0' || c > '9') {
			return false
		}
		start := j.i
		for j.i < len(j.s) && strings.IndexByte(",}] \t\r\n", j.s[j.i]) < 0 {
			j.i++
		}
		j.value(name, j.s[start:j.i])
		return true
	}
}

func (j *jsonScanner) composite(name uint64, open byte) bool {
	if j.depth++; j.depth > maxDepth {
		return false
	}
	j.deepest = max(j.deepest, j.depth)
	j.i++
	end := byte('}')
	if open == '[' {
		end = ']'
	}
	for first := true; ; first = false {
		j.space()
		if j.i == len(j.s) {
			return false
		}
		if first && j.s[j.i] == end {
			break
		}
		child := mix(name, 7)
		if open == '{' {
			if j.s[j.i] != '"' {
				return false
			}
			start := j.i + 1
			if !j.str() {
				return false
			}
			j.a.in = append(j.a.in[:0], j.s[start:j.i-1]...)
			child = mix(name, j.a.name(j.an, j.a.in))
			j.space()
			if j.i == len(j.s) || j.s[j.i] != ':' {
				return false
			}
			j.i++
		}
		if !j.element(child) {
			return false
		}
		j.space()
		if j.i == len(j.s) {
			return false
		}
		if j.s[j.i] == end {
			break
		}
		if j.s[j.i] != ',' {
			return false
		}
		j.i++
	}
	j.i++
	j.depth--
	return true
}

// str moves behind the string that begins at the current quote; if it does not
// end, the position stays.
func (j *jsonScanner) str() bool {
	start := j.i
	for j.i++; j.i < len(j.s); j.i++ {
		switch j.s[j.i] {
		case '\\':
			j.i++
		case '"':
			j.i++
			return true
		}
	}
	j.i = start
	return false
}

// value resolves the escapes of JSON and analyses the value.
func (j *jsonScanner) value(name uint64, s string) {
	a := j.a
	a.in = append(a.in[:0], clip(s, maxPart)...)
	in := a.in
	if bytes.IndexByte(in, '\\') >= 0 {
		r := backslashes(a.json[:0], in)
		a.json = unescape(r.out)
		in = a.json
	}
	a.value(j.an, name, in, false)
}

// unescape resolves \n \r \t \b \f \\ in place, which JSON has and free text has
// not.
func unescape(s []byte) []byte {
	out := s[:0]
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) {
			if k := strings.IndexByte("nrtbf\\", s[i+1]); k >= 0 {
				c = "\n\r\t\b\f\\"[k]
				i++
			}
		}
		out = append(out, c)
	}
	return out
}

// tokens counts the JSON Web Tokens in v, and those of them that are not signed
// or say so.
func tokens(v []byte) (n, none int) {
	for {
		i := bytes.Index(v, []byte("eyJ"))
		if i < 0 {
			return n, none
		}
		v = v[i:]
		head := segment(v)
		if head == len(v) || v[head] != '.' || head < 10 {
			v = v[max(head, 3):]
			continue
		}
		body := head + 1 + segment(v[head+1:])
		if body == head+1 {
			v = v[head:]
			continue
		}
		sig := 0
		if body < len(v) && v[body] == '.' {
			sig = segment(v[body+1:])
		}
		n++
		var buf [192]byte
		h := v[:min(head, 252)/4*4]
		if head < 252 {
			h = v[:head]
		}
		k, _ := base64.RawURLEncoding.Decode(buf[:], h)
		if sig == 0 || algNone(buf[:k]) {
			none++
		}
		v = v[body:]
	}
}

// segment is the length of the base64url text at the start of v.
func segment(v []byte) int {
	for i, c := range v {
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return i
		}
	}
	return len(v)
}

// algNone reports whether a token's header names the algorithm none, in any
// case.
func algNone(header []byte) bool {
	h := bytes.ToLower(header)
	i := bytes.Index(h, []byte(`"alg"`))
	if i < 0 {
		return false
	}
	rest := bytes.TrimLeft(h[i+5:], " \t\r\n:")
	return bytes.HasPrefix(rest, []byte(`"none"`))
}
