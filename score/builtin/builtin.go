// Package builtin carries the models that are built into the program, trained
// on generated traffic by `make pretrained`. They let `apiml score` work on a
// fresh machine; a model trained on the user's own log takes their place.
package builtin

import (
	"embed"
	"io/fs"
)

//go:embed *.apiml
var files embed.FS

// MaxBytes is the most that all built-in files together may take.
const MaxBytes = 2 << 20

// File returns the content of the named model file ("attack_classifier.apiml");
// an error that wraps fs.ErrNotExist if the program carries none. The bytes
// must not be changed.
func File(name string) ([]byte, error) { return files.ReadFile(name) }

// Names lists the built-in files in order.
func Names() ([]string, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, err
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Name()
	}
	return out, nil
}
