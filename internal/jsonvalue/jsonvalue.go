// Package jsonvalue finds a value in JSON text without reading the rest, for text
// that is mostly something else than what is looked for. It checks nothing: what
// it finds, and where it matters the text without it, is then read by
// encoding/json.
package jsonvalue

import "strings"

// Find returns where the value of the first key of that name in the outermost
// object of text begins and ends (text[from:to]); 0, 0 if there is none, or if
// the key is escaped or apart from its colon or the colon from its value. Of text
// that is no JSON the answer means nothing.
func Find(text, key string) (from, to int) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case ',':
		case '"':
			begin := i
			if i = quoteEnd(text, i); i >= len(text) {
				return 0, 0
			}
			if depth == 1 && from == 0 && text[begin+1:i] == key && strings.HasPrefix(text[i+1:], ":") {
				from = i + 2
				i++
			}
			continue
		default:
			continue
		}
		// A comma or an end closes what is open at its level.
		if from > 0 && (depth == 0 || depth == 1 && text[i] == ',') {
			return from, i
		}
	}
	return 0, 0
}

// quoteEnd is where the string that begins at text[i] has its closing quote,
// len(text) if it has none.
func quoteEnd(text string, i int) int {
	for i++; i < len(text); i++ {
		if text[i] == '"' {
			return i
		}
		if text[i] == '\\' {
			i++
		}
	}
	return len(text)
}
