package ingest

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// source is a decompressed input.
type source struct {
	io.Reader
	compression string // "", "gzip", "zstd", "bzip2", "xz"
	closers     []func() error
	modified    int64 // µs UTC, 0 = unknown
}

func (s *source) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// openSource opens path, "-" being stdin, and unpacks by magic bytes.
func openSource(path string, stdin io.Reader) (*source, error) {
	s := &source{}
	var raw io.Reader
	if path == "-" {
		if stdin == nil {
			return nil, errors.New("no standard input")
		}
		raw = stdin
	} else {
		f, err := os.Open(path)
		if err != nil {
			var pe *os.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			return nil, err
		}
		s.closers = append(s.closers, f.Close)
		if fi, err := f.Stat(); err == nil {
			if fi.IsDir() {
				s.Close()
				return nil, errors.New("is a directory: name the files in it")
			}
			s.modified = fi.ModTime().UnixMicro()
		}
		raw = f
	}
	br := bufio.NewReaderSize(raw, 64<<10)
	magic, err := br.Peek(6)
	if err != nil && err != io.EOF {
		s.Close()
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(br)
		if err != nil {
			s.Close()
			return nil, s.explain(err, "gzip")
		}
		s.Reader, s.compression = z, "gzip"
		s.closers = append(s.closers, z.Close)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// One goroutine, and a bound on what a hostile header can ask for.
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			s.Close()
			return nil, s.explain(err, "zstd")
		}
		s.Reader, s.compression = z, "zstd"
		s.closers = append(s.closers, func() error { z.Close(); return nil })
	case len(magic) >= 4 && string(magic[:3]) == "BZh" && magic[3] >= '1' && magic[3] <= '9':
		s.Reader, s.compression = bzip2.NewReader(br), "bzip2" // reads joined archives too
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		z, err := openXZ(br)
		if err != nil {
			s.Close()
			return nil, s.explain(err, "xz")
		}
		s.Reader, s.compression = z, "xz"
	default:
		for _, m := range []struct{ magic, name string }{
			{"PK\x03\x04", "zip"}, {"7z\xbc\xaf\x27\x1c", "7z"}, {"Rar!", "rar"}, {"PAR1", "Parquet"},
		} {
			if bytes.HasPrefix(magic, []byte(m.magic)) {
				s.Close()
				return nil, fmt.Errorf("%w: %s archives are not read; unpack it first (plain, .gz, .zst, .bz2 and .xz are read)", ErrUnknownFormat, m.name)
			}
		}
		s.Reader = br
	}
	return s, nil
}

// openXZ checks how much memory the first block asks for: xz -9 takes 64 MiB, a
// hostile header could name 4 GiB. (Of a dictionary that later blocks ask for only
// the part that is written to is ever used.)
func openXZ(br *bufio.Reader) (io.Reader, error) {
	if head, _ := br.Peek(12 + 64); len(head) > 15 {
		b := head[12:]
		at := 2
		for _, bit := range []byte{0x40, 0x80} { // optional sizes, as variable-length integers
			for b[1]&bit != 0 && at < len(b) {
				at++
				if b[at-1] < 0x80 {
					break
				}
			}
		}
		if at+2 < len(b) && b[at] == 0x21 && b[at+2] > 30 { // LZMA2, dictionary above 128 MiB
			return nil, errors.New("the archive asks for a dictionary of more than 128 MiB")
		}
	}
	return xz.NewReader(br)
}

// explain names what a read error means to the user.
func (s *source) explain(err error, compression string) error {
	switch {
	case compression == "":
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the %s data ends early, the file is truncated: %w", compression, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("damaged %s data: %w", compression, err)
}

// Fingerprint identifies the content of an input, after decompression.
type Fingerprint struct {
	Size      int64
	SHA256    string           // of everything, lower-case hex
	FirstLine string           // SHA-256 of the first line without its line end (of its first 64 KiB); a hash because logs hold secrets
	Prefix    map[int64]string // SHA-256 of the first n bytes for each n asked for that is ≤ Size
}

// Identify reads path once and returns its fingerprint. With sizes, those of
// inputs that are known already, Prefix tells whether the file is the grown
// version of one of them. Standard input ("-") cannot be read twice: error. With
// an error in the middle of the file (a truncated archive) what was read up to
// there comes back beside it, SHA256 empty.
func Identify(path string, sizes []int64) (Fingerprint, error) {
	var fp Fingerprint
	if path == "-" {
		return fp, &InputError{File: path, Err: errors.New("standard input cannot be identified before it is read")}
	}
	src, err := openSource(path, nil)
	if err != nil {
		return fp, &InputError{File: path, Err: err}
	}
	defer src.Close()
	h := newContentHash(sizes)
	buf := make([]byte, chunkSize)
	for err == nil {
		var n int
		n, err = src.Read(buf)
		h.write(buf[:n])
	}
	fp.Size, fp.FirstLine, fp.Prefix = h.size, h.firstLine(), h.prefix
	if err != io.EOF {
		return fp, &InputError{File: path, Err: src.explain(err, src.compression)}
	}
	fp.SHA256 = h.sum()
	return fp, nil
}

func lineHash(line []byte) string {
	sum := sha256.Sum256(bytes.TrimSuffix(line, []byte("\r")))
	return hex.EncodeToString(sum[:])
}
