package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"apiml/store"
)

// ledger enters a run into the store and returns what completes it. A run that
// fails stays "running" in the ledger, which is how a later one sees it.
func (a *app) ledger(st *store.Store, command string, inputs []string, models ...string) (func(map[string]int64) error, error) {
	run := store.Run{
		Command: command, Version: toolVersion, Config: a.cfg.hash(), Inputs: inputs, Models: models,
		Started: a.start.UnixMicro(),
	}
	id, err := st.StartRun(a.ctx, run)
	if err != nil {
		return nil, storeError(err)
	}
	return func(counts map[string]int64) error {
		run.ID, run.Counts, run.Status, run.Finished = id, counts, "ok", time.Now().UnixMicro()
		if err := st.FinishRun(a.ctx, run); err != nil {
			return storeError(err)
		}
		return nil
	}, nil
}

// hash identifies the effective configuration.
func (c *config) hash() string {
	h := sha256.New()
	for _, s := range settings() {
		fmt.Fprintf(h, "%s=%s\n", s.key, c.text[s.key])
	}
	for _, m := range sortedKeys(c.Params) {
		p, err := c.params(m)
		if err == nil {
			fmt.Fprintf(h, "models.params.%s=%s\n", m, p)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
