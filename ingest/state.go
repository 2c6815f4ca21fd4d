package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"slices"
	"unsafe"
)

// What makes "nothing lost, nothing twice" hold for files: a file is known by
// its content, not by its name. The state of a file that was read is its size,
// the SHA-256 of its decompressed bytes, and where its open end begins. The
// same bytes again are known; bytes that begin with a known file are that file,
// grown; all else is new. So a rotated and compressed copy is recognised, and a
// new log under an old name is too.
//
// The open end is what could still change when the file grows: an unterminated
// last line, a record whose last line may not be there yet. It is read like all
// else, because the file may never grow; when it has grown, reading goes on at
// the beginning of that end, and the caller takes back what it made of it.

// State is how far an input was read.
type State struct {
	Size      int64  // bytes of decompressed input accounted for
	Lines     int64  // lines of these
	SHA256    string // of these bytes, lower-case hex; "" without Options.Hash
	FirstLine string // see Fingerprint; "" without Options.Hash

	// The open end: it begins at byte ResumeOffset, behind ResumeLines lines, and
	// Held units were read from it. Without one these are Size, Lines and 0.
	ResumeOffset, ResumeLines, Held int64
	HeldRedacted                    map[string]int64 // what was redacted there, by kind
}

// Known is a state of an earlier run.
type Known struct {
	Size              int64
	SHA256, FirstLine string
}

// Match is what the beginning of an input has in common with known ones.
type Match struct {
	Same  int // index of the known input with the same bytes, -1 if none has
	Grown int // index of the longest known input that this one begins with, -1 if none does
}

// Identify compares path with the known inputs. It reads the first line only,
// unless a known input has the same one. A truncated archive is compared as far
// as it can be read. Standard input cannot be read twice: an error.
// source is that of Options, nil for a file.
func (k Knowns) Identify(ctx context.Context, path string, source func() (io.ReadCloser, error)) (Match, error) {
	m := Match{Same: -1, Grown: -1}
	if path == "-" {
		return m, &InputError{File: path, Err: errors.New("standard input cannot be identified before it is read")}
	}
	src, err := openText(path, nil, source)
	if err != nil {
		return m, &InputError{File: path, Err: err}
	}
	defer src.Close()
	return k.match(ctx, src)
}

// openText opens the text of an input.
func openText(path string, stdin io.Reader, from func() (io.ReadCloser, error)) (*source, error) {
	if from == nil {
		return openSource(path, stdin)
	}
	rc, err := from()
	if err != nil {
		return nil, err
	}
	return &source{Reader: rc, closers: []func() error{rc.Close}}, nil
}

// Knowns are the inputs that a store holds.
type Knowns []Known

func (k Knowns) match(ctx context.Context, src io.Reader) (Match, error) {
	m := Match{Same: -1, Grown: -1}
	h := newContentHash(nil)
	var candidates []int
	buf := make([]byte, chunkSize)
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return m, err
		}
		n := 0
		var err error
		for n < len(buf) && err == nil {
			var m int
			m, err = src.Read(buf[n:])
			n += m
		}
		chunk := buf[:n]
		if first {
			// A line may have been cut off when its input was read: then it was
			// all that there was.
			probe := newContentHash(nil)
			probe.write(chunk)
			line, whole := probe.firstLine(), int64(len(probe.line))
			for i, x := range k {
				if x.SHA256 != "" && (x.FirstLine == line || x.Size <= whole+2) {
					candidates = append(candidates, i)
					h.sizes = append(h.sizes, x.Size)
				}
			}
			if len(candidates) == 0 {
				return m, nil
			}
			slices.Sort(h.sizes)
		}
		h.write(chunk)
		if err != nil {
			whole := err == io.EOF // else a truncated archive
			for _, i := range candidates {
				x := &k[i]
				switch {
				case x.Size == 0 || h.prefix[x.Size] != x.SHA256:
				case x.Size == h.size && whole:
					m.Same = i
				case m.Grown < 0 || x.Size > k[m.Grown].Size:
					m.Grown = i
				}
			}
			if m.Same >= 0 {
				m.Grown = -1
			}
			return m, nil
		}
	}
}

// contentHash hashes a stream and remembers its first line, and the hash of
// its first n bytes for some n.
type contentHash struct {
	h      hash.Hash
	size   int64
	line   []byte
	whole  bool // the first line is complete
	sizes  []int64
	prefix map[int64]string
}

func newContentHash(sizes []int64) *contentHash {
	c := &contentHash{h: sha256.New(), sizes: slices.Clone(sizes), prefix: map[int64]string{}}
	slices.Sort(c.sizes)
	return c
}

func (c *contentHash) write(chunk []byte) {
	if !c.whole && len(chunk) > 0 {
		end := bytes.IndexByte(chunk, '\n')
		c.whole = end >= 0
		if !c.whole {
			end = len(chunk)
		}
		c.line = append(c.line, chunk[:end]...)
		if len(c.line) >= maxRejectRaw {
			c.line, c.whole = c.line[:maxRejectRaw], true
		}
	}
	for len(c.sizes) > 0 && c.sizes[0] <= c.size+int64(len(chunk)) {
		if cut := c.sizes[0] - c.size; cut >= 0 && c.sizes[0] >= 0 {
			c.h.Write(chunk[:cut])
			chunk = chunk[cut:]
			c.size = c.sizes[0]
			c.prefix[c.size] = c.sum()
		}
		c.sizes = c.sizes[1:]
	}
	c.h.Write(chunk)
	c.size += int64(len(chunk))
}

// writeString is write; a hash only reads, so the bytes need no copy.
func (c *contentHash) writeString(s string) {
	c.write(unsafe.Slice(unsafe.StringData(s), len(s)))
}

func (c *contentHash) sum() string       { return hex.EncodeToString(c.h.Sum(nil)) }
func (c *contentHash) firstLine() string { return lineHash(c.line) }

// account hashes what was consumed of the text since the last call.
func (r *Reader) account() {
	if r.hash != nil {
		r.hash.writeString(r.filled[:len(r.filled)-len(r.text)])
		r.filled = r.text
	}
}

// hold marks the beginning of the open end: the next unit, of which so far only
// the end of the input says that it is whole.
func (r *Reader) hold() {
	if !r.held {
		r.held = true
		r.open = State{ResumeOffset: r.offset, ResumeLines: r.line, HeldRedacted: r.red.counts()}
	}
}

// openUnit reports whether the unit at the beginning of the last text is part of
// the open end.
func (r *Reader) openUnit() bool { return r.held || r.dec.next(r.text, false) == 0 }

// State says how far the input was read: after io.EOF, or after an error of the
// input, all of what was handed out. The caller owns the map.
func (r *Reader) State() State {
	st := State{Size: r.offset, Lines: r.line, ResumeOffset: r.offset, ResumeLines: r.line}
	if r.hash != nil {
		r.account()
		st.SHA256, st.FirstLine = r.hash.sum(), r.hash.firstLine()
	}
	if r.held {
		st.ResumeOffset, st.ResumeLines, st.Held = r.open.ResumeOffset, r.open.ResumeLines, r.open.Held
		st.HeldRedacted = map[string]int64{}
		for kind, n := range r.red.counts() {
			if n -= r.open.HeldRedacted[kind]; n > 0 {
				st.HeldRedacted[kind] = n
			}
		}
	}
	return st
}

// Verify reports whether the first size bytes that were read, hold the hash
// sum: whether the file that was identified is the one that was read. It works
// for the Options.Verify that was asked for, once that many bytes were read.
func (r *Reader) Verify() error {
	k := r.opt.Verify
	if k == nil {
		return nil
	}
	r.account()
	if r.hash.prefix[k.Size] != k.SHA256 {
		return &InputError{File: r.name, Err: errors.New("was replaced while it was being read; run again")}
	}
	return nil
}
