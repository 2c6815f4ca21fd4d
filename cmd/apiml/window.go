package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"apiml/store"
	"apiml/traffic"
)

// windowFlags adds --since and --until to a command that reads the store.
func (a *app) windowFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.flags.since, "since", "", "only what is not older: RFC 3339, a date, today, yesterday, or -3h; relative to the newest record of the store")
	cmd.Flags().StringVar(&a.flags.until, "until", "", "only what is older, in the same forms")
}

// setWindow resolves --since and --until against the store.
func (a *app) setWindow(st *store.Store) error {
	a.window = store.Filter{}
	if a.flags.since == "" && a.flags.until == "" {
		return nil
	}
	sum, err := st.Summary(a.ctx, store.Filter{})
	if err != nil {
		return storeError(err)
	}
	if a.window.Since, err = windowTime("--since", a.flags.since, sum.Last); err != nil {
		return err
	}
	if a.window.Until, err = windowTime("--until", a.flags.until, sum.Last); err != nil {
		return err
	}
	if a.window.Since != 0 && a.window.Until != 0 && a.window.Since >= a.window.Until {
		return usagef("--since %s is not before --until %s", a.flags.since, a.flags.until)
	}
	return nil
}

// windowTime reads one end; 0 = open. newest is that of the store, microseconds
// UTC or traffic.NoTime.
func windowTime(flag, text string, newest int64) (int64, error) {
	if text == "" {
		return 0, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMicro(), nil
		}
	}
	if newest == traffic.NoTime {
		return 0, inputf("%s %s is relative to the newest record, but no record has a time", flag, text)
	}
	last := micros(newest)
	day := last.Truncate(24 * time.Hour)
	switch text {
	case "today":
		return day.UnixMicro(), nil
	case "yesterday":
		return day.Add(-24 * time.Hour).UnixMicro(), nil
	}
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		days := 1.0
		if n, isDays := strings.CutSuffix(rest, "d"); isDays {
			rest, days = n+"h", 24
		}
		if d, err := time.ParseDuration(rest); err == nil {
			return last.Add(-time.Duration(days * float64(d))).UnixMicro(), nil
		}
	}
	return 0, usagef("%s %q: want RFC 3339, a date, today, yesterday or -3h (-7d)", flag, text)
}
