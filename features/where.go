package features

import (
	"unicode/utf8"

	"apiml/traffic"
)

// Place is where in a request the strongest evidence of a payload stands.
type Place struct {
	Part  string `json:"part"`           // path, query or body
	Name  string `json:"name,omitempty"` // of the parameter or key, decoded
	Value string `json:"value"`          // decoded as often as it decodes, at most placeBytes
}

const placeBytes = 200

// watch collects a Place while a request is analysed.
type watch struct {
	Place
	part, name string // being analysed
	found      bool
	odds       float32
}

// see takes a decoded value; odds are the text model's so far, marked says that
// the scanner found something in it.
func (w *watch) see(v []byte, odds float32, marked bool) {
	stronger := odds > w.odds
	if !stronger && (w.found || !marked) {
		return
	}
	w.odds, w.found = max(w.odds, odds), true
	text := v
	if len(text) > placeBytes {
		text = text[:placeBytes]
		for len(text) > placeBytes-utf8.UTFMax && !utf8.Valid(text) {
			text = text[:len(text)-1]
		}
	}
	w.Place = Place{Part: w.part, Name: w.name, Value: string(text)}
}

// Where returns the part of r whose value reads most like an attack to the text
// model or, if it finds none, the first with a mark of one; ok is false if no
// value has anything. It changes nothing that Extract depends on.
func (e *Extractor) Where(r *traffic.Request) (place Place, ok bool) {
	w := &watch{odds: -textFloor}
	e.analyser.watch = w
	e.analyser.compute(r)
	e.analyser.watch = nil
	return w.Place, w.found
}
