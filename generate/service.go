package generate

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
)

// opSpec is one operation of the service: what is asked, and how it is
// answered.
type opSpec struct {
	name, method, path string
	flags              int
	ttl                float64 // seconds that the cache in front keeps the answer, 0 = not cached
	lat                float64 // median seconds to answer
	size               float64 // median bytes of the answer
	spread             float64 // sigma of its logarithm
	ok                 int32   // status of success
	missing            float64 // share answered 404
	bad                float64 // share refused as invalid (400, 422)
}

const (
	site      = 1 << iota // a page on the web host, else an API on the api host
	form                  // body is a form, else JSON
	auth                  // needs a user
	static                // a file: revalidated with 304
	login                 // checks a password
	page                  // loads assets after it
	raw                   // the path rule is the whole target, encoded as it stands
	assetFor              // loaded by a page, its referrer is the page
	open                  // answered alike to everyone, costs nothing
	typing                // asked at each keystroke
	multipart             // the form is sent in parts, as a form with files is
	queued                // what an app without a network collected is sent in one go
	whole                 // the first parameter is the body, as it stands
)

// pathRules are the rules that only paths use.
func pathRules() source {
	return source{
		{"assetcss", "app.css\nvendor.css\nproduct.css\ntheme-«n».css\napp.«hash».css"},
		{"assetjs", "app.js\nvendor.js\nruntime.js\nchunk-«n».js\napp.«hash».js\nvendor.«hash».js\nanalytics.js"},
		{"hash", "9f31c2d4\n9f31c2d4\n9f31c2d4\n4b7e01aa\nd27a66f0"},
		{"assetver", "8~5.12.0\n3~5.11.2\n1~5.9.0\n1~«ver»"},
		{"imgw", "320\n480\n640\n960\n1280\n«nnn»"},
		{"assetfont", "inter-400.woff2\ninter-700.woff2\nicons.woff2"},
		{"imgkind", "small\nlarge\nthumb\nbanner"},
		{"orderid", "3~«id»\n1~ORD-2026«n4»"},
		{"slugverb", "save\nupdate\nsend\npreview\nfilter"},
		{"platform", "ios\nandroid\nweb"},
		{"stamp", "«date»T«hh»:«mm»:«mm»Z\n«date»T«hh»:«mm»:«mm».«nnn»Z\n«date»T«hh»:«mm»:«mm»+02:00"},
		{"truefalse", "true\nfalse"},
		{"decimal", "3~«nn».«nn»\n1~«n»\n1~0.«nn»\n1~-«n».«nnn»"},
	}
}

// op is a compiled operation.
type op struct {
	opSpec
	index       int
	path        []token
	pathVar     int // index of the first variable token of path, -1 if there is none
	params      []param
	bodied      bool    // the parameters travel in the body
	pageParam   int     // index of the parameter that counts pages, -1 if there is none
	password    int     // of a login: index of the parameter with the password
	leaves      bool    // ends the login
	numbered    bool    // the last variable part of the path is a number
	errorSize   float64 // bytes of its error pages
	weight      float64 // how often it is used if no walk says so
	invalidates []int   // reads whose cached answers its success discards
	generation  uint64  // how often they were discarded
}

type param struct {
	label string // its name in the document
	name  []token
	rule  int
	prob  float64
	raw   bool
}

// hasBody reports whether the parameters travel in the body.
func (o *op) hasBody() bool { return o.bodied }

// walk is a compiled walk: next[op] are the possible next operations.
type walk struct {
	start []edge
	next  [][]edge
}

type edge struct {
	upTo int32
	op   int32
}

// step draws the operation after cur; cur < 0 or a dead end starts over.
func (w *walk) step(r *rand.Rand, cur int) int {
	edges := w.start
	if cur >= 0 && len(w.next[cur]) > 0 {
		edges = w.next[cur]
	}
	n := int32(r.Uint32N(uint32(edges[len(edges)-1].upTo)))
	for _, e := range edges {
		if n < e.upTo {
			return int(e.op)
		}
	}
	return int(edges[0].op)
}

// How a client writes characters into a URL or a form.
const (
	encForm    = iota // HTML form: blank is +, all else escaped
	encURI            // encodeURIComponent: blank is %20, !'()* stay
	encLenient        // an address bar or a careless script: only what breaks a URL
	encLower          // like encForm with %20 and lower-case digits
	encBare           // by hand: even < > " stay
	encFull           // every byte escaped
	encDouble         // escaped twice
	numEnc
)

// appendEncoded appends s in the given encoding. In a path '/' stays.
func appendEncoded(dst []byte, s []byte, enc uint8, inPath bool) []byte {
	digits := hexUpper
	if enc == encLower {
		digits = hexLow
	}
	for _, c := range s {
		keep := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~'
		switch enc {
		case encForm, encLower, encDouble:
			if c == ' ' && enc == encForm && !inPath {
				dst = append(dst, '+')
				continue
			}
			keep = keep || inPath && (c == '/' || c == ':' || c == ',')
		case encURI:
			keep = keep || strings.IndexByte("!'()*", c) >= 0 || inPath && (c == '/' || c == ':' || c == ',')
		case encLenient:
			keep = keep || strings.IndexByte("!'()*/:;,@=$[]|{}\\^`?", c) >= 0
			if inPath && c == '?' {
				keep = false
			}
		case encBare:
			keep = c > ' ' && c < 0x7f && c != '&' && c != '#' && c != '+' && c != '%' && !(inPath && c == '?')
		case encFull:
			keep = inPath && c == '/'
		}
		switch {
		case keep:
			dst = append(dst, c)
		case enc == encDouble:
			dst = append(dst, '%', '2', '5', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// injection replaces one value of a request.
type injection struct {
	place int    // one of the constants below
	param int    // index into op.params if place is inParam
	text  []byte // the value
	enc   uint8  // how it is written into a URL or form
	keep  bool   // the honest value stays in front of it
	tail  bool   // and honest text follows it
	rawly bool   // text is encoded already
}

const (
	inNothing = iota
	inParam   // a parameter's value
	inExtra   // a parameter that the operation does not know
	inPath    // the variable part of the path, or behind the path
	inTarget  // the whole target
	inBody    // the whole body
	inName    // a parameter's name
)

// build writes target and body of one request of o into the scratch buffers.
func (g *generator) build(r *rand.Rand, o *op, enc uint8, inj *injection) {
	g.target, g.bodyText = g.target[:0], g.bodyText[:0]
	gr := g.grammar
	if inj.place == inTarget {
		g.target = append(g.target, inj.text...)
	} else {
		for i, t := range o.path {
			switch {
			case t.rule < 0:
				g.target = append(g.target, t.text...)
			case o.flags&raw != 0:
				g.target = gr.expand(g.target, r, t.rule)
			default:
				g.value = gr.expand(g.value[:0], r, t.rule)
				if inj.place == inPath && i == o.pathVar {
					g.inject(inj)
					g.target = appendInjected(g.target, g.value, inj, true)
					continue
				}
				g.target = appendEncoded(g.target, g.value, enc, true)
			}
		}
		if inj.place == inPath && o.pathVar < 0 {
			if n := len(g.target); n == 0 || g.target[n-1] != '/' {
				g.target = append(g.target, '/')
			}
			g.value = g.value[:0]
			g.inject(inj)
			g.target = appendInjected(g.target, g.value, inj, true)
		}
	}
	if inj.place == inBody {
		g.bodyText = append(g.bodyText, inj.text...)
		return
	}
	body, json := o.hasBody(), o.flags&form == 0
	dst, sep := g.target, byte('?')
	if inj.place == inTarget {
		if body {
			dst = dst[:0]
		} else {
			return
		}
	}
	if body {
		dst, sep = g.bodyText, 0
		if json {
			sep = '{'
		}
	}
	if o.flags&multipart != 0 && body {
		g.parts(r, o, inj)
		return
	}
	if o.flags&whole != 0 {
		g.value = gr.expand(g.value[:0], r, o.params[0].rule)
		if inj.place == inParam || inj.place == inName || inj.place == inExtra {
			g.inject(inj)
		}
		for _, c := range g.value {
			if c == '\n' || c == '\r' { // one line, as it is logged
				c = ' '
			}
			g.bodyText = append(g.bodyText, c)
		}
		return
	}
	names := 0
	for i := range o.params {
		p := &o.params[i]
		hitHere := inj.place == inParam && inj.param == i
		if !hitHere && p.prob < 1 && r.Float64() >= p.prob {
			continue
		}
		g.value = gr.expand(g.value[:0], r, p.rule)
		if hitHere {
			g.inject(inj)
		}
		if sep != 0 {
			dst = append(dst, sep)
		}
		names++
		if body && json {
			dst = gr.write(append(dst, '"'), r, p.name)
			dst = append(dst, '"', ':')
			if p.raw && !hitHere {
				dst = append(dst, g.value...)
			} else {
				dst = append(dst, '"')
				dst = appendJSONValue(dst, g.value, enc)
				dst = append(dst, '"')
			}
			sep = ','
			continue
		}
		dst = append(gr.write(dst, r, p.name), '=')
		if hitHere {
			dst = appendInjected(dst, g.value, inj, false)
		} else {
			dst = appendEncoded(dst, g.value, enc, false)
		}
		sep = '&'
	}
	if inj.place == inName {
		if sep != 0 {
			dst = append(dst, sep)
		}
		names++
		if body && json {
			dst = append(appendJSONValue(append(dst, '"'), inj.text, enc), `":"1"`...)
		} else {
			dst = append(appendInjected(dst, inj.text, inj, false), '=')
		}
	}
	if inj.place == inExtra {
		g.value = g.value[:0]
		g.inject(inj)
		if sep != 0 {
			dst = append(dst, sep)
		}
		names++
		if body && json {
			dst = append(gr.expand(append(dst, '"'), r, g.rulePname), `":"`...)
			dst = append(appendJSONValue(dst, g.value, enc), '"')
		} else {
			dst = append(gr.expand(dst, r, g.rulePname), '=')
			dst = appendInjected(dst, g.value, inj, false)
		}
	}
	if body {
		if json {
			if names == 0 {
				dst = append(dst, '{')
			}
			dst = append(dst, '}')
		}
		g.bodyText = dst
		return
	}
	g.target = dst
}

// hardValue is honest text that looks like an attack, in a place that attacks use
// as well: a parameter of the operation, one that it does not know, the path.
func (g *generator) hardValue(r *rand.Rand, o *op, enc uint8) *injection {
	inj := &injection{place: inExtra, enc: enc, text: g.grammar.expand(nil, r, g.ruleTricky)}
	switch x := r.Float64(); {
	case len(o.params) > 0 && x < .7:
		inj.place, inj.param = inParam, r.IntN(len(o.params))
	case x > .96:
		inj.place = inPath
	}
	return inj
}

// parts writes the body as multipart/form-data.
func (g *generator) parts(r *rand.Rand, o *op, inj *injection) {
	var tail [16]byte
	boundary := append([]byte("----WebKitFormBoundary"), appendLetters(tail[:0], r, alnum, 16)...)
	if r.IntN(4) == 0 {
		boundary = append([]byte("------------------------"), appendLetters(tail[:0], r, hexLow, 16)...)
	}
	dst := g.bodyText
	part := func(name, value []byte, file bool) {
		dst = append(append(append(dst, "--"...), boundary...), "\r\nContent-Disposition: form-data; name=\""...)
		dst = append(append(dst, name...), '"')
		if file {
			dst = append(append(dst, "; filename=\""...), bytes.ReplaceAll(value, []byte{'"'}, []byte("%22"))...)
			dst = append(dst, "\"\r\nContent-Type: application/octet-stream"...)
			value = nil
		}
		dst = append(append(append(dst, "\r\n\r\n"...), value...), "\r\n"...)
	}
	var name []byte
	for i := range o.params {
		p := &o.params[i]
		hit := inj.place == inParam && inj.param == i
		if !hit && p.prob < 1 && r.Float64() >= p.prob {
			continue
		}
		g.value = g.grammar.expand(g.value[:0], r, p.rule)
		if hit {
			g.inject(inj)
		}
		name = g.grammar.write(name[:0], r, p.name)
		part(name, g.value, g.ruleIs(p.rule, "file"))
	}
	if inj.place == inExtra || inj.place == inName {
		g.value = g.value[:0]
		name = g.grammar.expand(name[:0], r, g.rulePname)
		if g.inject(inj); inj.place == inName {
			name, g.value = bytes.ReplaceAll(g.value, []byte{'"'}, []byte("%22")), append(g.value[:0:0], '1')
		}
		part(name, g.value, false)
	}
	dst = append(append(append(dst, "--"...), boundary...), "--\r\n"...)
	g.bodyText = dst
}

// inject puts the injected text into the value at hand.
func (g *generator) inject(inj *injection) {
	if !inj.keep {
		g.value = g.value[:0]
	}
	g.value = append(g.value, inj.text...)
	if inj.tail {
		g.value = g.grammar.expand(append(g.value, ' '), g.rand, g.ruleQ)
	}
}

func appendInjected(dst, value []byte, inj *injection, path bool) []byte {
	if inj.rawly {
		return append(dst, value...)
	}
	return appendEncoded(dst, value, inj.enc, path)
}

// appendJSONValue escapes a JSON string as the client's library does: some
// write everything outside ASCII as \u.
func appendJSONValue(dst, s []byte, enc uint8) []byte {
	if enc != encLower {
		return appendJSONText(dst, string(s))
	}
	for _, c := range string(s) {
		switch {
		case c < 0x80:
			dst = appendJSONText(dst, string(c))
		case c < 0x10000:
			dst = append(dst, '\\', 'u', hexLow[c>>12], hexLow[c>>8&15], hexLow[c>>4&15], hexLow[c&15])
		default:
			c -= 0x10000
			for _, u := range [2]rune{0xd800 + c>>10, 0xdc00 + c&0x3ff} {
				dst = append(dst, '\\', 'u', hexLow[u>>12], hexLow[u>>8&15], hexLow[u>>4&15], hexLow[u&15])
			}
		}
	}
	return dst
}

// hash64 is FNV-1a with a finalizer.
func hash64(s []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range s {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

// steadyNormal is a draw from about the standard normal distribution that
// depends on h alone: the same object has the same size each time.
func steadyNormal(h uint64) float64 {
	s := 0.0
	for range 4 {
		s += float64(h&0xffff) / 65536
		h >>= 16
	}
	return (s - 2) * math.Sqrt(3)
}
