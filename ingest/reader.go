package ingest

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"apiml/traffic"
)

// Options of Open. The zero value detects everything and redacts.
type Options struct {
	Format               string            // "" = detect, else a name from Formats
	LogFormat            string            // the format "log-format": NGINX's log_format, Apache's LogFormat, or the path of an nginx.conf
	Mapping              map[string]string // for "json-any", "ltsv", "logfmt" and "table": field of ours → key of the log
	Name                 string            // put into Request.File, "" = the path
	Label                traffic.Label     // for records without a label of their own
	SkipBytes, SkipLines int64             // continue behind this offset of the decompressed input
	NoRedact             bool
	// Source opens the text of an input that is no text (Parquet); nil = the file.
	Source func() (io.ReadCloser, error)

	NoRaw     bool // leave Request.Raw empty, and save its redaction
	RedactPII bool // mask e-mail addresses and phone numbers too; without it they are counted
	BatchSize int  // units read per batch, 0 = 8192

	Select    Selection   // which records count
	RealIP    *RealIP     // nil = as the log has it
	Anonymize *Anonymizer // nil = addresses stay

	Hash   bool   // keep the hash of the content, for State
	Verify *Known // the input must begin with this one, see Verify; implies Hash

	modified int64 // when the file was changed last, µs UTC, 0 = unknown
}

// Coverage says what became of the units read so far.
type Coverage struct {
	Read, Parsed, Rejected, Filtered int64
	FilteredBy                       map[string]int64 // Filtered by reason, see Selection
	First, Last                      int64            // lowest and highest time, µs UTC, traffic.NoTime if none
	Redacted                         map[string]int64 // redacted values by kind, see Redact
	PII                              map[string]int64 // e-mail addresses and phone numbers in URLs, masked with Options.RedactPII only
}

var (
	// ErrEmpty: the input holds no byte.
	ErrEmpty = errors.New("empty input")
	// ErrUnknownFormat: no known format, or binary data.
	ErrUnknownFormat = errors.New("unrecognised format")
)

// InputError is trouble with an input, as opposed to bad lines in it, which
// are rejects.
type InputError struct {
	File string
	Line int64 // last line that was read in full, 0 = none or does not matter
	Err  error
}

func (e *InputError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.File, e.Err)
}

func (e *InputError) Unwrap() error { return e.Err }

const (
	maxUnit      = 1 << 20   // a longer line or record is rejected
	maxRejectRaw = 64 << 10  // kept of a rejected one
	chunkSize    = 256 << 10 // read at a time; small enough to stay in the L2 cache
	maxHead      = 4 << 20   // looked at to find the format
)

// Reader reads one input. It is not safe for concurrent use.
type Reader struct {
	src    *source
	name   string
	path   string
	opt    Options
	format format
	reason string
	dec    *decoder
	red    redactor
	cov    Coverage

	text   string // read, not yet consumed
	buf    []byte
	eof    bool  // nothing follows text
	err    error // what follows text is an error
	offset int64 // of text in the decompressed input
	line   int64 // lines consumed
	live   bool  // standard input: hand out what there is

	filtered map[string]int64 // by reason

	// See Reuse.
	reuses bool
	last   *traffic.Batch
	spare  []traffic.Request
	used   [][]byte // blocks of text that are referred to; the last one is text's
	free   [][]byte

	hash   *contentHash // nil = not asked for
	filled string       // text as it was when the hash last saw it
	held   bool         // inside the open end
	open   State        // of which the fields about the open end count
}

// Open opens path ("-" = stdin), unpacks .gz, .zst, .bz2 and .xz by their magic bytes, and
// finds the format by the content unless opt names it. Errors are *InputError
// and wrap ErrEmpty, ErrUnknownFormat or the cause.
func Open(path string, stdin io.Reader, opt Options) (*Reader, error) {
	r := &Reader{name: opt.Name, path: path, opt: opt, live: path == "-"}
	if r.name == "" {
		r.name = path
	}
	r.cov = Coverage{First: traffic.NoTime, Last: traffic.NoTime}
	if r.opt.BatchSize <= 0 {
		r.opt.BatchSize = 8192
	}
	r.opt.Name = r.name
	r.red.mask, r.red.noRaw = opt.RedactPII, opt.NoRaw
	r.red.agents = &agentMemo{seed: maphash.MakeSeed()}
	if opt.Verify != nil {
		r.hash = newContentHash([]int64{opt.Verify.Size})
	} else if opt.Hash {
		r.hash = newContentHash(nil)
	}
	fail := func(err error) (*Reader, error) {
		if r.src != nil {
			r.src.Close()
		}
		return nil, &InputError{File: r.name, Err: err}
	}
	if err := r.pick(opt.Format); err != nil {
		return fail(err)
	}
	var err error
	if r.src, err = openText(path, stdin, opt.Source); err != nil {
		return fail(err)
	}
	r.opt.modified = r.src.modified
	r.buf = make([]byte, chunkSize)
	if err := r.start(); err != nil {
		return fail(err)
	}
	if r.dec.label == traffic.Unlabelled {
		r.dec.label = opt.Label
	}
	if err := r.skip(opt.SkipBytes); err != nil {
		return fail(err)
	}
	r.line = opt.SkipLines
	return r, nil
}

// pick sets the format by name.
func (r *Reader) pick(name string) error {
	if name == "" {
		return nil
	}
	for _, f := range formats() {
		if f.Name == name {
			r.format = f
			return nil
		}
	}
	return fmt.Errorf("no input format %q; there are %s", name, formatNames())
}

// start reads the head of the input and finds the format. It looks at more and
// more of the input, because a log may begin with one huge junk line.
func (r *Reader) start() error {
	for {
		more := r.fill()
		if len(r.text) == 0 {
			switch {
			case r.err != nil:
				return r.err
			case r.eof:
				return ErrEmpty
			}
			continue
		}
		last := !more || len(r.text) >= maxHead
		if !last && strings.IndexByte(r.text, '\n') < 0 {
			continue
		}
		if r.format.open != nil {
			d, err := r.format.open(r.text, &r.opt)
			if err != nil {
				return fmt.Errorf("%w: not %s: %v", ErrUnknownFormat, r.format.Name, err)
			}
			r.dec, r.reason = d, "the format was given"+d.note
			return nil
		}
		f, d, why, err := detect(r.text, r.eof, &r.opt)
		if err == nil {
			r.format, r.dec, r.reason = f, d, why
			return nil
		}
		if last {
			if r.err != nil {
				return r.err
			}
			return err
		}
	}
}

// skip consumes n bytes.
func (r *Reader) skip(n int64) error {
	for r.offset < n {
		take := min(n-r.offset, int64(len(r.text)))
		if r.dec.directive != nil { // by whole lines
			i := strings.IndexByte(r.text, '\n')
			if i < 0 && len(r.text) <= maxUnit && r.fill() {
				continue
			}
			if i >= 0 && int64(i) < take {
				take = int64(i) + 1
				line := r.text[:take]
				if r.offset == 0 {
					line = strings.TrimPrefix(line, bom)
				}
				r.dec.directive(trimEnd(line))
			}
		}
		r.text = r.text[take:]
		r.offset += take
		if r.offset < n && !r.fill() && len(r.text) == 0 {
			if r.err != nil {
				return r.err
			}
			return fmt.Errorf("only %d bytes long, cannot continue at %d", r.offset, n)
		}
	}
	return nil
}

// fill appends a chunk to text, from standard input whatever one Read gives,
// and reports whether more may come.
func (r *Reader) fill() bool {
	if r.eof || r.err != nil {
		return false
	}
	r.account()
	var err error
	if r.live {
		var n int
		for n == 0 && err == nil {
			n, err = r.src.Read(r.buf)
		}
		// As short as what came: a slow pipe gives little at a time.
		b := make([]byte, 0, len(r.text)+n)
		r.text = text(append(append(b, r.text...), r.buf[:n]...))
	} else {
		b := r.block(len(r.text) + chunkSize)
		n := copy(b, r.text)
		for n < len(b) && err == nil {
			var m int
			m, err = r.src.Read(b[n:])
			n += m
		}
		r.text = text(b[:n])
	}
	r.filled = r.text
	switch {
	case err == io.EOF:
		r.eof = true
	case err != nil:
		r.err = r.src.explain(err, r.src.compression)
	}
	return err == nil
}

// text is b as a string, without a copy: nobody writes to b while anybody refers
// to the string.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// block is memory for n bytes of text. Records point into it from now on.
func (r *Reader) block(n int) []byte {
	if !r.reuses {
		return make([]byte, n)
	}
	var b []byte
	if k := len(r.free); k > 0 {
		b, r.free = r.free[k-1], r.free[:k-1]
	}
	if cap(b) < n {
		b = make([]byte, n, n+chunkSize/4) // what is left of a block varies
	}
	r.used = append(r.used, b)
	return b[:n]
}

// Reuse tells the reader that nothing of the batches so far is referred to any
// more, records and strings included, so that the next ones may take their
// memory. Call it before Next; from the second time on reading allocates nothing
// per line. Without it batches are the caller's to keep.
func (r *Reader) Reuse() {
	if b := r.last; b != nil && cap(b.Requests) > 0 {
		r.spare = b.Requests[:0]
	}
	r.last = nil
	if !r.dec.lends || r.opt.Anonymize != nil {
		return
	}
	r.reuses = true
	if n := len(r.used); n > 1 { // the last one holds the text that is still to be read
		r.free = append(r.free, r.used[:n-1]...)
		r.used = append(r.used[:0], r.used[n-1])
	}
}

// Format is the name of the format, one of Formats.
func (r *Reader) Format() string { return r.format.Name }

// Reason says in one sentence why the format was chosen.
func (r *Reader) Reason() string { return r.reason }

// Coverage is what the batches so far add up to. The caller owns the map.
func (r *Reader) Coverage() Coverage {
	c := r.cov
	c.FilteredBy = maps.Clone(r.filtered)
	c.Redacted, c.PII = r.red.counts(), r.red.pii.counts()
	return c
}

// Size is the length of the text in bytes if it is known beforehand: of a plain
// file; else 0.
func (r *Reader) Size() int64 {
	if r.live || r.src.compression != "" || r.opt.Source != nil {
		return 0
	}
	fi, err := os.Stat(r.path)
	if err != nil {
		return 0
	}
	return fi.Size()
}

// Close releases the input.
func (r *Reader) Close() error { return r.src.Close() }

// Next returns the next batch: at most Options.BatchSize units, fewer at the
// end and, from standard input, as soon as there are some. After the last one
// it returns io.EOF, or an *InputError if the input broke; in both cases
// everything that could be read was handed out before.
func (r *Reader) Next() (*traffic.Batch, error) {
	b := &traffic.Batch{}
	for b.Read < int64(r.opt.BatchSize) {
		n := 0
		if r.text != "" {
			n = r.dec.next(r.text, r.eof)
		}
		if n > 0 {
			if r.eof && r.openUnit() {
				r.hold()
				r.open.Held++
			}
			r.unit(b, n)
			continue
		}
		if len(r.text) > maxUnit {
			r.skipLine(b)
			continue
		}
		if r.eof || r.err != nil || r.live && b.Read > 0 {
			break
		}
		r.fill()
	}
	b.Offset, b.Line = r.offset, r.line
	if b.Read > 0 {
		r.count(b)
		r.last = b
		return b, nil
	}
	if r.err != nil {
		return nil, &InputError{File: r.name, Line: r.line, Err: r.err}
	}
	return nil, io.EOF
}

// unit turns the first n bytes of text into a record, a reject or nothing.
func (r *Reader) unit(b *traffic.Batch, n int) {
	unit := r.text[:n]
	offset, line := r.offset, r.line+1
	r.text = r.text[n:]
	r.offset += int64(n)
	if r.dec.split == nil {
		r.line++
	} else {
		r.line += int64(strings.Count(unit, "\n"))
		if unit[n-1] != '\n' {
			r.line++
		}
	}
	b.Read++
	if offset == 0 {
		unit = strings.TrimPrefix(unit, bom)
	}
	unit = trimEnd(unit)
	switch {
	case blank(unit):
		r.filter(b, FilteredBlank)
	case n > maxUnit:
		r.reject(b, unit, offset, line, "longer than 1 MiB")
	case r.dec.flow != nil:
		if b.Flows == nil {
			b.Flows = make([]traffic.Flow, 0, r.room(n))
		}
		b.Flows = append(b.Flows, traffic.Flow{Time: traffic.NoTime, File: r.name, Line: line})
		f := &b.Flows[len(b.Flows)-1]
		verdict := r.dec.flow(unit, f)
		if verdict != "" {
			b.Flows = b.Flows[:len(b.Flows)-1]
			r.leave(b, unit, offset, line, verdict)
			return
		}
		if f.Label == traffic.Unlabelled {
			f.Label = r.dec.label
		}
		if why := r.opt.Select.time(f.Time); why != "" {
			b.Flows = b.Flows[:len(b.Flows)-1]
			r.filter(b, why)
		}
	default:
		if b.Requests == nil {
			if b.Requests = r.spare; b.Requests == nil {
				b.Requests = make([]traffic.Request, 0, r.room(n))
			}
			r.spare = nil
		}
		k := len(b.Requests)
		if k == cap(b.Requests) {
			b.Requests = slices.Grow(b.Requests, k+1)
		}
		b.Requests = b.Requests[:k+1]
		q := &b.Requests[k]
		*q = traffic.Request{Time: traffic.NoTime, Latency: -1, BytesIn: -1, BytesOut: -1, File: r.name, Line: line, Raw: unit}
		verdict := r.dec.request(unit, q)
		if verdict != "" {
			b.Requests = b.Requests[:len(b.Requests)-1]
			r.leave(b, unit, offset, line, verdict)
			return
		}
		if q.Label == traffic.Unlabelled {
			q.Label = r.dec.label
		}
		if r.opt.RealIP != nil {
			r.opt.RealIP.apply(q)
		}
		if why := r.opt.Select.reason(q); why != "" {
			b.Requests = b.Requests[:len(b.Requests)-1]
			r.filter(b, why)
			return
		}
		r.clean(q)
	}
}

// room guesses how many records the batch will hold, given the length of its
// first unit, so that a short pipe does not pay for a full batch.
func (r *Reader) room(unit int) int {
	if !r.live {
		if r.eof {
			return min(r.opt.BatchSize, len(r.text)/unit*2+16)
		}
		return r.opt.BatchSize
	}
	return min(r.opt.BatchSize, len(r.text)/unit+16)
}

// clean takes out of a record what must not leave the reader.
func (r *Reader) clean(q *traffic.Request) {
	if !r.opt.NoRedact {
		r.red.record(q, r.dec)
	}
	if r.opt.NoRaw {
		q.Raw = ""
	}
	if r.opt.Anonymize != nil {
		r.opt.Anonymize.record(q)
	}
}

// filter counts a unit that was left out on purpose.
func (r *Reader) filter(b *traffic.Batch, why string) {
	b.Filtered++
	if r.filtered == nil {
		r.filtered = map[string]int64{}
	}
	r.filtered[why]++
}

func (r *Reader) leave(b *traffic.Batch, unit string, offset, line int64, verdict string) {
	if verdict == leftOut {
		r.filter(b, FilteredBlank)
		return
	}
	r.reject(b, unit, offset, line, verdict)
}

func (r *Reader) reject(b *traffic.Batch, raw string, offset, line int64, reason string) {
	// The copy keeps a reject from holding on to a whole chunk.
	raw = strings.Clone(raw[:min(len(raw), maxRejectRaw)])
	if !r.opt.NoRedact {
		raw = r.red.line(raw)
	}
	if r.opt.Anonymize != nil {
		raw = r.opt.Anonymize.Line(raw)
	}
	b.Rejects = append(b.Rejects, traffic.Reject{File: r.name, Line: line, Offset: offset, Reason: reason, Raw: raw})
}

// skipLine rejects a line of which more than maxUnit bytes are there and no
// end, and reads on to its end without keeping it.
func (r *Reader) skipLine(b *traffic.Batch) {
	offset, raw, start := r.offset, r.text[:maxRejectRaw], State{ResumeOffset: r.offset, ResumeLines: r.line, Held: 1, HeldRedacted: r.red.counts()}
	b.Read++
	r.line++
	r.reject(b, raw, offset, r.line, "longer than 1 MiB")
	for {
		i := strings.IndexByte(r.text, '\n')
		if i >= 0 {
			r.text = r.text[i+1:]
			r.offset += int64(i) + 1
			return
		}
		r.offset += int64(len(r.text))
		r.text = ""
		if !r.fill() && r.text == "" {
			r.held, r.open = true, start // the line's end is still to come
			return
		}
	}
}

// count adds b to the coverage.
func (r *Reader) count(b *traffic.Batch) {
	c := &r.cov
	c.Read += b.Read
	c.Parsed += int64(b.Len())
	c.Rejected += int64(len(b.Rejects))
	c.Filtered += b.Filtered
	for i := range b.Requests {
		c.see(b.Requests[i].Time)
	}
	for i := range b.Flows {
		c.see(b.Flows[i].Time)
	}
}

func (c *Coverage) see(t int64) {
	if t == traffic.NoTime {
		return
	}
	if c.First == traffic.NoTime || t < c.First {
		c.First = t
	}
	if t > c.Last { // NoTime is the lowest value
		c.Last = t
	}
}

// baseName is the file's name without folders and compression suffix.
func baseName(path string) string {
	path = filepath.Base(path)
	for _, ext := range []string{".gz", ".zst", ".bz2", ".xz"} {
		path = strings.TrimSuffix(path, ext)
	}
	return path
}
