package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"apiml/store"
)

// entry is a run in the store's ledger. end completes it, whatever became of it.
type entry struct {
	a      *app
	st     *store.Store
	run    store.Run
	counts map[string]int64
}

// ledger enters a run into the store. The caller defers end, before the store
// is closed.
func (a *app) ledger(st *store.Store, command string, inputs []string) (*entry, error) {
	run := store.Run{Command: command, Version: toolVersion, Config: a.cfg.hash(), Inputs: inputs, Started: a.start.UnixMicro()}
	id, err := st.StartRun(a.ctx, run)
	if err != nil {
		return nil, storeError(err)
	}
	run.ID = id
	return &entry{a: a, st: st, run: run}, nil
}

// end writes how the run went. An interrupted run is written too, hence the
// context of its own.
func (e *entry) end(err *error) {
	e.run.Counts, e.run.Status, e.run.Finished = e.counts, "ok", time.Now().UnixMicro()
	if *err != nil {
		e.run.Status = "failed"
	}
	if ferr := e.st.FinishRun(context.WithoutCancel(e.a.ctx), e.run); ferr != nil && *err == nil {
		*err = storeError(ferr)
	}
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
