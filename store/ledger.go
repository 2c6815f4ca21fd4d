package store

import (
	"context"
	"encoding/json"
	"fmt"
)

// Run is an entry of the ledger: who ran what on which input. Times are the
// caller's; the store has no clock.
type Run struct {
	ID       int64  // from 1, in the order of StartRun
	Command  string // command line
	Version  string // of apiml
	Config   string // hash of the effective configuration
	Inputs   []string
	Models   []string         // hashes, with names if the caller likes: "attack sha256:…"
	Counts   map[string]int64 // "requests", "flagged", …
	Status   string           // "running" until FinishRun; then as given: "ok", "failed", …
	Started  int64            // microseconds UTC
	Finished int64            // traffic.NoTime until FinishRun
}

// StartRun enters a run and returns its ID. Status, Counts and Finished of r
// are not used.
func (s *Store) StartRun(ctx context.Context, r Run) (int64, error) {
	err := s.write(ctx, func(t *tx) error {
		if err := t.one("SELECT coalesce(max(id), 0) + 1 FROM runs", &r.ID); err != nil {
			return err
		}
		return t.exec("INSERT INTO runs VALUES (?, decode(?), decode(?), decode(?), decode(?), decode(?), '{}', 'running', ?, NULL)",
			r.ID, blob(r.Command), blob(r.Version), blob(r.Config), jsonBlob(r.Inputs), jsonBlob(r.Models), timestamp(r.Started))
	})
	if err != nil {
		return 0, fmt.Errorf("start run %q: %w", r.Command, err)
	}
	return r.ID, nil
}

// FinishRun completes the run of that ID. Inputs and Models of r replace those
// of StartRun unless they are nil.
func (s *Store) FinishRun(ctx context.Context, r Run) error {
	err := s.write(ctx, func(t *tx) error {
		var n int
		if err := t.one(fmt.Sprintf("SELECT count(*) FROM runs WHERE id = %d", r.ID), &n); err != nil {
			return err
		}
		if n != 1 {
			return fmt.Errorf("no such run")
		}
		if r.Inputs != nil {
			if err := t.exec("UPDATE runs SET inputs = decode(?) WHERE id = ?", jsonBlob(r.Inputs), r.ID); err != nil {
				return err
			}
		}
		if r.Models != nil {
			if err := t.exec("UPDATE runs SET models = decode(?) WHERE id = ?", jsonBlob(r.Models), r.ID); err != nil {
				return err
			}
		}
		counts := r.Counts
		if counts == nil {
			counts = map[string]int64{}
		}
		return t.exec("UPDATE runs SET counts = decode(?), status = decode(?), finished = ? WHERE id = ?",
			jsonBlob(counts), blob(r.Status), timestamp(r.Finished), r.ID)
	})
	if err != nil {
		return fmt.Errorf("finish run %d: %w", r.ID, err)
	}
	return nil
}

// jsonBlob is the argument of decode(?) for v as JSON. Marshalling cannot
// fail: v is a list of strings or a map of numbers.
func jsonBlob(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

// Runs returns the ledger in the order of ID.
func (s *Store) Runs(ctx context.Context) ([]Run, error) {
	out, err := rows(ctx, s, "SELECT id, command, version, config, inputs, models, counts, status, started, finished FROM runs ORDER BY id", func(row rowScanner, r *Run) error {
		var inputs, models, counts string
		err := row.Scan(&r.ID, &r.Command, &r.Version, &r.Config, &inputs, &models, &counts, &r.Status, (*micros)(&r.Started), (*micros)(&r.Finished))
		if err != nil {
			return err
		}
		r.Command, r.Version, r.Config, r.Status = decode(r.Command), decode(r.Version), decode(r.Config), decode(r.Status)
		for _, p := range []struct {
			text string
			dst  any
		}{{inputs, &r.Inputs}, {models, &r.Models}, {counts, &r.Counts}} {
			if err := json.Unmarshal([]byte(p.text), p.dst); err != nil {
				return fmt.Errorf("run %d: %w", r.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	return out, nil
}

// Metric is a figure that a run measured.
type Metric struct {
	Run     int64
	Model   string
	Dataset string
	Name    string
	Value   float64 // NaN = not defined
	SD      float64 // over folds; NaN = not known
}

// PutMetrics adds metrics.
func (s *Store) PutMetrics(ctx context.Context, ms []Metric) error {
	err := s.write(ctx, func(t *tx) error {
		for _, m := range ms {
			err := t.exec("INSERT INTO metrics VALUES (?, decode(?), decode(?), decode(?), ?, ?)", m.Run, blob(m.Model), blob(m.Dataset), blob(m.Name), m.Value, m.SD)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store metrics: %w", err)
	}
	return nil
}

// Metrics returns all metrics, ordered by run, model, dataset and name.
func (s *Store) Metrics(ctx context.Context) ([]Metric, error) {
	out, err := rows(ctx, s, "SELECT run, model, dataset, name, value, sd FROM metrics ORDER BY run, model, dataset, name, value", func(r rowScanner, m *Metric) error {
		return r.Scan(&m.Run, &m.Model, &m.Dataset, &m.Name, &m.Value, &m.SD)
	})
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return out, nil
}
