package ingest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"apiml/traffic"
)

// FormatInfo describes an input format.
type FormatInfo struct {
	Name  string // for Options.Format
	Title string
	Note  string
}

// format is one entry of the table.
type format struct {
	FormatInfo
	// open makes a decoder for an input that begins with head, which may end
	// anywhere. The error says why it cannot be this format.
	open func(head string, opt *Options) (*decoder, error)
}

// decoder reads one input of one format. It serves one goroutine.
type decoder struct {
	// split returns the length of the first unit of text, line end included,
	// or 0 if that takes more text; text is not empty. With eof nothing
	// follows text, and split must not return 0. nil: every line is a unit.
	split func(text string, eof bool) int

	// One of these fills in a record from a unit without its line end. The
	// record comes with File, Line and the unknown values set. The result is
	// "" for a record, leftOut, or the reason of a rejection. Strings may be
	// substrings of unit. A unit is never blank unless split is set.
	request func(unit string, q *traffic.Request) string
	flow    func(unit string, f *traffic.Flow) string

	// directive takes a line that changes how those behind it are read, and says
	// whether it was one. It also sees the lines that a resumed read skips.
	directive func(unit string) bool

	lends    bool                   // nothing refers to the text of a unit but its record: see Reader.Reuse
	looks    func(unit string) bool // detection: is this unit surely of the format? nil: if it parses
	sure     string                 // the header alone proves the format: the sentence for Reason
	note     string                 // appended to Reason
	label    traffic.Label          // of records without a label of their own
	doubles  bool                   // a quote inside a quoted field is written twice
	ownNames func(name string) bool // keys that are fields of the format, not secrets, in the raw record
}

// leftOut is the verdict for a header, a blank line, an empty row.
const leftOut = "\x00"

// formats is the table, in the order in which ties are decided.
func formats() []format {
	all := []format{
		templateFormat(),
		combinedFormat(),
		commonFormat(),
		jsonFormat(),
		apimlCSVFormat(),
		csicFormat(),
		cicFormat(),
		w3cFormat(),
		albFormat(),
		elbFormat(),
		haproxyFormat(),
		s3Format(),
		squidFormat(),
		envoyTextFormat(),
		proxyManagerFormat(),
		uwsgiFormat(),
		zoraxyFormat(),
		ltsvFormat(),
		logfmtFormat(),
		syslogFormat(),
		tableFormat(),
	}
	for _, dl := range dialects() {
		all = append(all, jsonDialect(dl))
	}
	return all
}

// Formats lists the input formats.
func Formats() []FormatInfo {
	var out []FormatInfo
	for _, f := range formats() {
		out = append(out, f.FormatInfo)
	}
	return out
}

func formatNames() string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// sampleUnits is how many units of the input's beginning decide its format: a
// log may open with some junk, but not with hundreds of lines of it.
const sampleUnits = 200

// detect picks the format of which most units of head parse. eof: head is the
// whole input.
func detect(head string, eof bool, opt *Options) (format, *decoder, string, error) {
	var (
		best      format
		bestHits  int
		bestUnits int
		near      []string
	)
	for _, f := range formats() {
		d, err := f.open(head, opt)
		if err != nil {
			var n *nearMiss
			if errors.As(err, &n) {
				near = append(near, n.Error())
			}
			continue
		}
		if d.sure != "" {
			return f, d, d.sure + d.note, nil
		}
		if hits, units := d.sample(head, eof); hits > bestHits {
			best, bestHits, bestUnits = f, hits, units
		}
	}
	// One line in ten is enough in text. Among control bytes a chance hit
	// proves nothing.
	need := bestUnits / 10
	binary := controlShare(head) > 0.1
	if binary {
		need = bestUnits / 2
	}
	if bestHits > 0 && bestHits >= need {
		// A decoder has seen the sample: begin with a fresh one.
		d, err := best.open(head, opt)
		if err != nil {
			return format{}, nil, "", err
		}
		why := fmt.Sprintf("%d of the first %d records are %s", bestHits, bestUnits, best.Title)
		if bestUnits == 1 {
			why = "the first record is " + best.Title
		}
		return best, d, why + d.note, nil
	}
	switch {
	case binary:
		return format{}, nil, "", fmt.Errorf("%w: binary data", ErrUnknownFormat)
	case len(near) > 0:
		return format{}, nil, "", fmt.Errorf("%w: %s", ErrUnknownFormat, strings.Join(near, "; "))
	}
	return format{}, nil, "", fmt.Errorf("%w: the first lines are none of %s", ErrUnknownFormat, formatNames())
}

// nearMiss is an open error worth telling: the input resembles the format.
type nearMiss struct{ what string }

func (e *nearMiss) Error() string { return e.what }

// sample counts how many of the first units of head the decoder takes.
func (d *decoder) sample(head string, eof bool) (hits, units int) {
	head = strings.TrimPrefix(head, bom)
	for units < sampleUnits && head != "" {
		n := d.next(head, eof)
		if n == 0 {
			break
		}
		unit := trimEnd(head[:n])
		head = head[n:]
		if blank(unit) {
			continue
		}
		var q traffic.Request
		var fl traffic.Flow
		ok := false
		switch {
		case d.looks != nil:
			ok = d.looks(unit)
		case d.flow != nil:
			ok = d.flow(unit, &fl) == ""
		default:
			ok = d.request(unit, &q) == ""
		}
		units++
		if ok {
			hits++
		}
	}
	return hits, units
}

// next is split, with lines as the default.
func (d *decoder) next(text string, eof bool) int {
	if d.split != nil {
		return d.split(text, eof)
	}
	return splitLine(text, eof)
}

func splitLine(text string, eof bool) int {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return i + 1
	}
	if eof {
		return len(text)
	}
	return 0
}

// trimEnd removes one line end.
func trimEnd(s string) string {
	if n := len(s); n > 0 && s[n-1] == '\n' {
		s = s[:n-1]
	}
	if n := len(s); n > 0 && s[n-1] == '\r' {
		s = s[:n-1]
	}
	return s
}

func blank(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// controlShare is the share of bytes that no text holds.
func controlShare(s string) float64 {
	if s == "" {
		return 0
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			n++
		}
	}
	return float64(n) / float64(len(s))
}

// firstLine is the first line of head without byte order mark and line end.
func firstLine(head string) string {
	head = strings.TrimPrefix(head, bom)
	if i := strings.IndexByte(head, '\n'); i >= 0 {
		head = head[:i+1]
	}
	return trimEnd(head)
}

const bom = "\ufeff"

// Part is a field of a record by name, for showing where each part of a line
// went.
type Part struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

// Parts lists what was read of a request, in a fixed order; unknown fields are
// left out.
func Parts(q *traffic.Request) []Part {
	var out []Part
	add := func(field, value string) {
		if value != "" {
			out = append(out, Part{field, value})
		}
	}
	number := func(n int64) string {
		if n < 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	if q.HasTime() {
		add("time", q.When().Format("2006-01-02T15:04:05.999999Z07:00"))
	}
	add("client", q.Client)
	add("forwarded", q.Forwarded)
	add("user", q.User)
	add("session", q.Session)
	add("method", q.Method)
	add("target", q.Target)
	add("protocol", q.Protocol)
	if q.Status > 0 {
		add("status", number(int64(q.Status)))
	}
	add("bytes_in", number(q.BytesIn))
	add("bytes_out", number(q.BytesOut))
	if q.Latency >= 0 {
		add("latency", strconv.FormatFloat(q.Latency, 'g', -1, 64)+" s")
	}
	add("referrer", q.Referrer)
	add("agent", q.Agent)
	add("host", q.Host)
	add("cache", q.Cache)
	if q.HasBody {
		add("body", q.Body)
	}
	add("label", q.Label.String())
	return out
}
