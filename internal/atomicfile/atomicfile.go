// Package atomicfile writes files whole or not at all: a temporary file in the
// same folder, fsync, rename. A reader never sees half a file, and a run that
// is killed leaves the old one.
package atomicfile

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Write calls fill with a buffered writer and puts what it wrote at path with
// the given mode. On any error the file at path stays as it was and the
// temporary file is removed.
func Write(path string, mode os.FileMode, fill func(io.Writer) error) (err error) {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	defer f.Abort()
	if err := fill(f); err != nil {
		return err
	}
	return f.Commit()
}

// File is a file being written. Exactly one of Commit and Abort decides its
// fate; Abort after Commit does nothing.
type File struct {
	path string
	tmp  *os.File
	buf  *bufio.Writer
}

// Create begins a file that will stand at path after Commit.
func Create(path string, mode os.FileMode) (*File, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return nil, fmt.Errorf("write %q: is a directory", path)
	}
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".tmp*")
	if err != nil {
		return nil, fmt.Errorf("write %q: %w", path, err)
	}
	if err := tmp.Chmod(mode); err != nil {
		tmp.Close()
		os.Remove(tmp.Name())
		return nil, fmt.Errorf("write %q: %w", path, err)
	}
	return &File{path: path, tmp: tmp, buf: bufio.NewWriterSize(tmp, 1<<18)}, nil
}

// Write implements io.Writer.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.buf.Write(p)
	if err != nil {
		err = fmt.Errorf("write %q: %w", f.path, err)
	}
	return n, err
}

// Commit makes the file durable and visible.
func (f *File) Commit() error {
	if f.tmp == nil {
		return nil
	}
	err := f.buf.Flush()
	if err == nil {
		err = f.tmp.Sync()
	}
	if cerr := f.tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.tmp.Name(), f.path)
	}
	if err != nil {
		os.Remove(f.tmp.Name())
		err = fmt.Errorf("write %q: %w", f.path, err)
	}
	f.tmp = nil
	return err
}

// Abort removes what was written, unless Commit has run.
func (f *File) Abort() {
	if f.tmp == nil {
		return
	}
	f.tmp.Close()
	os.Remove(f.tmp.Name())
	f.tmp = nil
}
