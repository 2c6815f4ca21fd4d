package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"apiml/ingest"
	"apiml/store"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "doctor",
		Short:   "Check that this machine, configuration, database and models are usable",
		Example: "  apiml doctor --json",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.doctor() },
	}
}

// doctor looks at everything that a run would need, and changes nothing.
func (a *app) doctor() error {
	type check struct {
		Name   string `json:"name"`
		Status string `json:"status"` // "ok", "note" or "bad"
		Detail string `json:"detail"`
	}
	var checks []check
	add := func(name, status, format string, args ...any) {
		checks = append(checks, check{name, status, fmt.Sprintf(format, args...)})
	}
	add("program", "ok", "apiml %s, %s, %s/%s, %d cores", toolVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	if a.cfg.file == "" {
		add("configuration", "ok", "defaults (no apiml.yaml here)")
	} else {
		add("configuration", "ok", "%s", a.cfg.file)
	}
	if f, err := os.CreateTemp("", "apiml-doctor"); err != nil {
		add("temporary folder", "bad", "%v", err)
	} else {
		f.Close()
		os.Remove(f.Name())
		add("temporary folder", "ok", "%s is writable", os.TempDir())
	}
	if _, err := os.Stat(a.cfg.DB); errors.Is(err, fs.ErrNotExist) {
		add("database", "note", "%s does not exist yet; `apiml ingest FILE` makes it", a.cfg.DB)
	} else if st, err := store.Open(a.ctx, store.Options{Path: a.cfg.DB, ReadOnly: true}); err != nil {
		add("database", "bad", "%v", err)
	} else {
		info, err := st.Info(a.ctx)
		st.Close()
		if err != nil {
			add("database", "bad", "%v", err)
		} else {
			add("database", "ok", "%s: schema version %d, %s requests, %s flows", a.cfg.DB, info.Schema, count(rowsOf(info, "requests")), count(rowsOf(info, "flows")))
		}
		if fi, err := os.Stat(a.cfg.DB); err == nil && fi.Mode().Perm()&0o077 != 0 {
			add("database mode", "note", "%s is readable by others (%v); chmod 600 keeps it private", a.cfg.DB, fi.Mode().Perm())
		}
	}
	for _, m := range a.modelRows() {
		switch m.Status {
		case "damaged":
			add("model "+m.Name, "bad", "%s", m.Error)
		case "not trained":
			add("model "+m.Name, "note", "not trained; `apiml train %s` fits it", m.Name)
		default:
			lm, err := a.findModel(m.Name)
			if err == nil {
				err = checkSchema(lm)
			}
			if err != nil {
				add("model "+m.Name, "bad", "%v", err)
			} else {
				add("model "+m.Name, "ok", "%s, %s rows%s", m.Status, count(int64(m.Rows)), synthetic(m.Synthetic))
			}
		}
	}
	add("log formats", "ok", "%d known", len(ingest.Formats()))
	add("network", "ok", "not used: this program opens no socket")
	bad := 0
	for _, c := range checks {
		if c.Status == "bad" {
			bad++
		}
	}
	if a.flags.json {
		if err := a.printJSON(struct {
			jsonHead
			OK     bool    `json:"ok"`
			Checks []check `json:"checks"`
		}{a.head("doctor"), bad == 0, checks}); err != nil {
			return err
		}
	} else {
		var rows [][]string
		for _, c := range checks {
			rows = append(rows, []string{c.Status, c.Name, c.Detail})
		}
		if err := table(a.out, []string{"", "check", "detail"}, rows); err != nil {
			return err
		}
	}
	if bad > 0 {
		return statef("%d checks failed", bad)
	}
	return nil
}
