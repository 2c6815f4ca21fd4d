// Package builtin carries the models that are built into the program, trained
// on generated traffic by `make pretrained`. They let `apiml score` work on a
// fresh machine; a model trained on the user's own log takes their place.
package builtin

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/klauspost/compress/zstd"
)

//go:embed *.apiml.zst
var files embed.FS

const (
	// MaxBytes is the most that all built-in files together may take, packed.
	MaxBytes = 3 << 20
	// Extension is what a packed model file has behind its name.
	Extension = ".zst"
)

// File returns the content of the named model file ("attack_classifier.apiml");
// an error that wraps fs.ErrNotExist if the program carries none.
func File(name string) ([]byte, error) {
	b, err := files.ReadFile(name + Extension)
	if err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(b, nil)
}

// Pack makes the bytes of name+Extension from those of a model file.
func Pack(b []byte) ([]byte, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer e.Close()
	return e.EncodeAll(b, nil), nil
}

// Names lists the built-in model files in order.
func Names() ([]string, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, err
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = strings.TrimSuffix(e.Name(), Extension)
	}
	return out, nil
}
