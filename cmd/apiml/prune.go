package main

import (
	"fmt"
	"os"
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
go with the last record of their input, and those in which the principal's name
stands as a word of its own (192.0.2.1 is not in 192.0.2.10).

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
	release, err := a.lockNightly() // writing the file anew must not meet another writer
	if err != nil {
		return err
	}
	defer release()
	info, err := a.storeInfo()
	if err != nil {
		return err
	}
	before := int64(traffic.NoTime)
	if keep != "" && info.Last != traffic.NoTime {
		before = info.Last - age.Microseconds()
	}
	var p store.Pruned
	was, is := info.Size, info.Size
	if dry {
		p, err = a.countOld(before, principal)
	} else {
		p, was, is, err = a.pruneStore(before, principal, true)
	}
	if err != nil {
		return err
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
		}{a.head("prune"), rfc3339(before), principal, dry, p.Requests, p.Flows, p.Scores, p.Rejects, was, is})
	}
	said := "deleted"
	if dry {
		said = "to delete"
	}
	fmt.Fprintf(a.out, "%s: %s", said, prunedWords(p))
	if before != traffic.NoTime {
		fmt.Fprintf(a.out, " (older than %s UTC)", when(before))
	}
	fmt.Fprintf(a.out, "\n%s: %s → %s bytes\n", a.cfg.DB, count(was), count(is))
	return nil
}

func prunedWords(p store.Pruned) string {
	return fmt.Sprintf("%s requests, %s flows, %s scores, %s rejects", count(p.Requests), count(p.Flows), count(p.Scores), count(p.Rejects))
}

// keepWords is the report's sentence about a retention.
func keepWords(age time.Duration) string {
	s := age.String()
	if day := 24 * time.Hour; age%day == 0 {
		s = counted(int(age/day), "day")
	}
	return "Records older than " + s + " are deleted by each nightly run."
}

// storeInfo looks at a database that must be there.
func (a *app) storeInfo() (store.Info, error) {
	st, err := a.openStore(true)
	if err != nil {
		return store.Info{}, err
	}
	defer st.Close()
	info, err := st.Info(a.ctx)
	if err != nil {
		return store.Info{}, storeError(err)
	}
	return info, nil
}

// countOld says what pruneStore would delete.
func (a *app) countOld(before int64, principal string) (store.Pruned, error) {
	st, err := a.openStore(true)
	if err != nil {
		return store.Pruned{}, err
	}
	defer st.Close()
	p, err := st.Prune(a.ctx, before, principal, true)
	if err != nil {
		return store.Pruned{}, storeError(err)
	}
	return p, nil
}

// pruneStore deletes the records before a time and those of a principal, as
// store.Prune, and writes the file anew; if there was nothing to delete, only
// with always. A file beside the database stands from before the deletion until
// then, so that the next run makes up for one that was killed in between. It
// returns the size of the file before and after.
func (a *app) pruneStore(before int64, principal string, always bool) (p store.Pruned, was, is int64, err error) {
	st, err := a.openExisting()
	if err != nil {
		return p, 0, 0, err
	}
	defer func() {
		if st != nil {
			st.Close()
		}
	}()
	info, err := st.Info(a.ctx)
	if err != nil {
		return p, 0, 0, storeError(err)
	}
	if p, err = st.Prune(a.ctx, before, principal, true); err != nil {
		return p, 0, 0, storeError(err)
	}
	mark := a.cfg.DB + ".prune"
	_, serr := os.Stat(mark)
	if p == (store.Pruned{}) && serr != nil && !always {
		return p, info.Size, info.Size, nil
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return p, 0, 0, withCode(exitFailed, err)
	}
	if p, err = st.Prune(a.ctx, before, principal, false); err != nil {
		return p, 0, 0, storeError(err)
	}
	err, st = st.Close(), nil
	if err == nil {
		err = store.Compact(a.ctx, store.Options{Path: a.cfg.DB, MemoryLimit: storeMemory})
	}
	if err == nil {
		err = os.Remove(mark)
	}
	if err != nil {
		return p, 0, 0, storeError(err)
	}
	after, err := a.storeInfo()
	return p, info.Size, after.Size, err
}
