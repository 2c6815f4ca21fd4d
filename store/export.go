package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// ExportParquet writes a table, one of those that Info lists, to a Parquet
// file at path, in the order in which it was stored, with mode 0600. The file
// is complete or not there; one that was there is replaced.
func (s *Store) ExportParquet(ctx context.Context, table, path string) error {
	if !slices.Contains(tables(), table) {
		return fmt.Errorf("export table %q: no such table", table)
	}
	order := "ALL"
	switch table {
	case "requests", "flows":
		order = "seq"
	case "inputs", "runs":
		order = "id"
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".apiml-*") // private, while DuckDB's file is not
	if err != nil {
		return fmt.Errorf("export table %q: %w", table, err)
	}
	defer os.RemoveAll(dir)
	temp := filepath.Join(dir, "t.parquet")
	_, err = s.db.ExecContext(ctx, "COPY (SELECT * FROM "+table+" ORDER BY "+order+") TO "+quote(temp)+" (FORMAT parquet, COMPRESSION zstd)")
	if err == nil {
		err = os.Chmod(temp, 0o600)
	}
	if err == nil {
		err = syncFile(temp)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return fmt.Errorf("export table %q to %q: %w", table, path, err)
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
