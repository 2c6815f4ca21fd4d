package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"apiml/store"
	"apiml/traffic"
)

func (a *app) pruneCommand() *cobra.Command {
	var keep, principal string
	var dry bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete old records, or those of a principal",
		Long: `Prune deletes the records that are older than --keep, counted from the newest
record, and those of --principal (as score and the report name it: "user:ann",
"session:…", "client:192.0.2.7" with any agent), with their scores. Rejected lines
go with the last record of their input, and those that hold the principal's name.

Inputs, runs and metrics stay: a file that was read is not read again. The file is
then written anew, so that what was deleted is in none of its bytes. Outputs that
were written before (reports, score files, backups) are not touched.`,
		Example: "  apiml db prune --keep 90d --dry-run\n  apiml db prune --keep 90d\n  apiml db prune --principal client:192.0.2.7 --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if keep == "" && principal == "" {
				return usagef("nothing to delete: want --keep 90d or --principal NAME")
			}
			if kind, name, _ := strings.Cut(principal, ":"); principal != "" && (name == "" || !slices.Contains([]string{"user", "session", "client"}, kind)) {
				return usagef("--principal %q: want user:NAME, session:ID or client:ADDRESS", principal)
			}
			return a.prune(keep, principal, dry)
		},
	}
	cmd.Flags().StringVar(&keep, "keep", "", "keep what is newer than this: 90d, 12w or a duration like 36h")
	cmd.Flags().StringVar(&principal, "principal", "", "delete what this principal did")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "count only")
	return cmd
}

// parseAge reads 90d, 12w or a duration.
func parseAge(s string) (time.Duration, error) {
	if m := regexp.MustCompile(`^([0-9]{1,5})([dw])$`).FindStringSubmatch(s); m != nil {
		n, err := strconv.Atoi(m[1])
		day := 24 * time.Hour
		if m[2] == "w" {
			day *= 7
		}
		return time.Duration(n) * day, err
	}
	return time.ParseDuration(s)
}

func (a *app) prune(keep, principal string, dry bool) error {
	age := time.Duration(0)
	if keep != "" {
		var err error
		if age, err = parseAge(keep); err != nil || age <= 0 {
			return usagef("--keep %q: want 90d, 12w or a duration like 36h", keep)
		}
	}
	st, err := a.openExisting()
	if err != nil {
		return err
	}
	defer func() {
		if st != nil {
			st.Close()
		}
	}()
	info, err := st.Info(a.ctx)
	if err != nil {
		return storeError(err)
	}
	before := int64(traffic.NoTime)
	if keep != "" && info.Last != traffic.NoTime {
		before = info.Last - age.Microseconds()
	}
	p, err := st.Prune(a.ctx, before, principal, dry)
	if err != nil {
		return storeError(err)
	}
	size := info.Size
	if !dry {
		err, st = st.Close(), nil
		if err == nil {
			err = store.Compact(a.ctx, store.Options{Path: a.cfg.DB, MemoryLimit: storeMemory})
		}
		if err != nil {
			return storeError(err)
		}
		if st, err = a.openStore(true); err != nil {
			return err
		}
		if info, err = st.Info(a.ctx); err != nil {
			return storeError(err)
		}
	}
	if a.flags.json {
		return a.printJSON(struct {
			jsonHead
			Before    string `json:"before,omitempty"`
			Principal string `json:"principal,omitempty"`
			DryRun    bool   `json:"dry_run"`
			Requests  int64  `json:"requests"`
			Flows     int64  `json:"flows"`
			Scores    int64  `json:"scores"`
			Rejects   int64  `json:"rejects"`
			BytesWere int64  `json:"bytes_before"`
			Bytes     int64  `json:"bytes"`
		}{a.head("prune"), rfc3339(before), principal, dry, p.Requests, p.Flows, p.Scores, p.Rejects, size, info.Size})
	}
	said := "deleted"
	if dry {
		said = "to delete"
	}
	fmt.Fprintf(a.out, "%s: %s requests, %s flows, %s scores, %s rejects", said, count(p.Requests), count(p.Flows), count(p.Scores), count(p.Rejects))
	if before != traffic.NoTime {
		fmt.Fprintf(a.out, " (older than %s UTC)", when(before))
	}
	fmt.Fprintf(a.out, "\n%s: %s → %s bytes\n", a.cfg.DB, count(size), count(info.Size))
	return nil
}
