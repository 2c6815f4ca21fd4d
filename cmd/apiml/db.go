package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"apiml/store"
)

// storeMemory is what DuckDB may use before it spills to disk; its own default,
// 80 % of the machine, would crowd out the nightly job's neighbours.
const storeMemory = "2GiB"

// ingestMemory is the same for ingest, which writes one row group after the
// other: without a bound DuckDB keeps in memory what it has written.
const ingestMemory = "256MiB"

// openStore opens the configured database with errors that carry their exit
// code. For reading, a database that does not exist is an input error that
// names the next step.
func (a *app) openStore(readOnly bool) (*store.Store, error) {
	return a.openStoreWith(readOnly, storeMemory)
}

func (a *app) openStoreWith(readOnly bool, memory string) (*store.Store, error) {
	if readOnly {
		if _, err := os.Stat(a.cfg.DB); errors.Is(err, fs.ErrNotExist) {
			return nil, inputf("%s: no such database: run `apiml ingest FILE` first, or name one with --db", a.cfg.DB)
		}
	}
	st, err := store.Open(a.ctx, store.Options{Path: a.cfg.DB, ReadOnly: readOnly, MemoryLimit: memory})
	if err != nil {
		return nil, storeError(err)
	}
	return st, nil
}

// openExisting opens a database for writing that must be there already.
func (a *app) openExisting() (*store.Store, error) {
	if _, err := os.Stat(a.cfg.DB); errors.Is(err, fs.ErrNotExist) {
		return nil, inputf("%s: no such database: run `apiml ingest FILE` first, or name one with --db", a.cfg.DB)
	}
	return a.openStore(false)
}

func storeError(err error) error {
	var locked *store.LockedError
	var schema *store.SchemaError
	if errors.As(err, &locked) || errors.As(err, &schema) || errors.Is(err, store.ErrNotStore) {
		return withCode(exitState, err)
	}
	if strings.Contains(err.Error(), "No space left on device") || errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("the disk is full: what was committed before is kept, nothing of this step is; make room and run again (%w)", err)
	}
	return withCode(exitFailed, err)
}

func (a *app) dbCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "db",
		Short:   "Inspect the database, delete from it",
		Example: "  apiml db info --db apiml.duckdb --json\n  apiml db prune --keep 90d\n  apiml db prune --principal user:ann",
	}
	cmd.AddCommand(a.pruneCommand())
	cmd.AddCommand(&cobra.Command{
		Use:   "info",
		Short: "Schema version, tables, inputs, time range",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.dbInfo() },
	})
	return cmd
}

func (a *app) dbInfo() error {
	st, err := a.openStore(true)
	if err != nil {
		return err
	}
	defer st.Close()
	info, err := st.Info(a.ctx)
	if err != nil {
		return storeError(err)
	}
	inputs, err := st.Inputs(a.ctx)
	if err != nil {
		return storeError(err)
	}
	if a.flags.json {
		type tableRows struct {
			Name string `json:"name"`
			Rows int64  `json:"rows"`
		}
		tables := []tableRows{}
		for _, t := range info.Tables {
			tables = append(tables, tableRows(t))
		}
		files := []inputInfo{}
		for _, in := range inputs {
			files = append(files, newInputInfo(in))
		}
		return a.printJSON(struct {
			jsonHead
			Path          string      `json:"path"`
			SchemaVersion int         `json:"schema_version"`
			Bytes         int64       `json:"bytes"`
			First         string      `json:"first_time,omitempty"`
			Last          string      `json:"last_time,omitempty"`
			Tables        []tableRows `json:"tables"`
			Inputs        []inputInfo `json:"inputs"`
		}{a.head("db"), a.cfg.DB, info.Schema, info.Size, rfc3339(info.First), rfc3339(info.Last), tables, files})
	}
	var rows [][]string
	for _, t := range info.Tables {
		rows = append(rows, []string{t.Name, count(t.Rows)})
	}
	fmt.Fprintf(a.out, "%s: schema version %d, %s bytes, %s … %s (UTC)\n", a.cfg.DB, info.Schema, count(info.Size), when(info.First), when(info.Last))
	if err := table(a.out, []string{"table", ">rows"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, in := range inputs {
		rows = append(rows, []string{cell(in.Name, 60), in.Format, count(in.Read), count(in.Parsed), count(in.Rejected), count(in.Filtered), when(in.First), when(in.Last)})
	}
	fmt.Fprintln(a.out)
	return table(a.out, []string{"input", "format", ">read", ">parsed", ">rejected", ">filtered", "first (UTC)", "last (UTC)"}, rows)
}

// inputInfo is an input as `db info --json` shows it.
type inputInfo struct {
	ID        int64  `json:"id"`
	Name      string `json:"name"`
	Format    string `json:"format"`
	Kind      string `json:"kind"`
	SHA256    string `json:"sha256"`
	Size      int64  `json:"size"`
	Read      int64  `json:"read"`
	Parsed    int64  `json:"parsed"`
	Rejected  int64  `json:"rejected"`
	Filtered  int64  `json:"filtered"`
	First     string `json:"first_time,omitempty"`
	Last      string `json:"last_time,omitempty"`
	Synthetic bool   `json:"synthetic"`
}

func newInputInfo(in store.Input) inputInfo {
	return inputInfo{in.ID, in.Name, in.Format, in.Kind, in.SHA256, in.Size, in.Read, in.Parsed, in.Rejected, in.Filtered,
		rfc3339(in.First), rfc3339(in.Last), in.Synthetic}
}

// rowsOf is the number of rows of a table.
func rowsOf(info store.Info, name string) int64 {
	for _, t := range info.Tables {
		if t.Name == name {
			return t.Rows
		}
	}
	return 0
}
