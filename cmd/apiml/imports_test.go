package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestImportTable holds the walls of the house: which package may import which
// other of ours. internal may be imported by all, cmd and examples import all.
func TestImportTable(t *testing.T) {
	models := []string{"model/tree", "model/forest", "model/iforest", "model/boost", "model/dbscan", "model/cache"}
	onModels := []string{"frame", "model", "model/tree", "model/boost"}
	allowed := map[string][]string{
		"traffic":              {},
		"frame":                {},
		"datasets":             {},
		"ingest":               {"traffic", "datasets"},
		"generate":             {"traffic"},
		"store":                {"traffic", "frame"},
		"features":             {"traffic", "frame"},
		"model":                {"frame"},
		"model/modeltest":      {"frame", "model", "model/catalog"},
		"model/catalog":        append([]string{"frame", "model", "forecast"}, models...),
		"forecast":             onModels,
		"evaluate":             {"frame"},
		"train":                {"frame", "model", "evaluate"},
		"score":                {"traffic", "frame", "features", "model", "evaluate"},
		"score/builtin":        {},
		"internal/qualitytest": {"frame"},
		"report":               {"evaluate"},
	}
	for _, m := range models {
		allowed[m] = onModels
	}
	outside := map[string]string{
		"github.com/marcboeker/go-duckdb": "store",
		"github.com/apache/arrow/go/v17":  "store",
	}
	root := "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); path != root && (strings.HasPrefix(n, ".") || n == "testdata" || n == "demo" || n == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		free := strings.HasPrefix(pkg, "cmd") || strings.HasPrefix(pkg, "examples")
		may, known := allowed[pkg]
		if !known && !free && !strings.HasPrefix(pkg, "internal") {
			t.Errorf("%s: package is not in the table", pkg)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, im := range f.Imports {
			name, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				return err
			}
			for prefix, only := range outside {
				if strings.HasPrefix(name, prefix) && pkg != only {
					t.Errorf("%s imports %s: only %s may", path, name, only)
				}
			}
			ours, ok := strings.CutPrefix(name, "apiml/")
			if !ok || free || strings.HasPrefix(ours, "internal/") {
				continue
			}
			if !slices.Contains(may, ours) {
				t.Errorf("%s imports %s: %s may import %v", path, name, pkg, may)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
