// Package datasets is the catalogue of the public data sets that apiml knows:
// who made them, under which terms, what is wrong with them, their columns, how
// their labels map to apiml's attack types, and the sizes and checksums of the
// published files. It holds no data and downloads nothing.
//
// Look a set up with Find or All, translate a label with Set.Label, and check a
// folder of downloaded files with Verify. Package ingest reads the files.
package datasets

import "strings"

// Set describes one data set.
type Set struct {
	Name     string // as on the command line: "csic2010"
	Title    string
	Citation string
	Licence  string // the terms as far as they are stated
	URL      string
	Defects  []string // known defects, each with its source where there is one
	Columns  []string // names in the order of the tabular form, trimmed
	Labels   []LabelMap
	Files    []File
}

// LabelMap says what a label of the set means in apiml.
type LabelMap struct {
	Original string // canonical spelling: "Web Attack XSS"
	Type     string // name of a traffic.Label: "xss"
}

// File is one published file.
type File struct {
	Name   string
	Bytes  int64  // 0 = not known
	SHA256 string // lower-case hex, "" = none is known
}

// All returns the catalogue in the order in which it is listed. The caller owns
// the result.
func All() []Set { return []Set{csic2010(), cicids2017()} }

// Find returns the set with that name.
func Find(name string) (Set, bool) {
	for _, s := range All() {
		if s.Name == name {
			return s, true
		}
	}
	return Set{}, false
}

// Label translates a label as it stands in a file. Case, spaces, punctuation
// and whatever became of the dash in "Web Attack – XSS" (UTF-8, cp1252 or
// mojibake) do not matter. False means that the set knows no such label.
func (s *Set) Label(original string) (LabelMap, bool) {
	key := labelKey(original)
	for _, l := range s.Labels {
		if labelKey(l.Original) == key {
			return l, true
		}
	}
	return LabelMap{}, false
}

// labelKey keeps the ASCII letters and digits, in lower case.
func labelKey(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, s)
}
