package store

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"apiml/traffic"
)

// Score is what a scoring run said about one request. It repeats what reports
// group by, so that they need not join with the requests, of which File and
// Line are no key: a rotated log has the name of its predecessor.
type Score struct {
	File        string
	Line        int64
	Time        int64 // microseconds UTC, traffic.NoTime if unknown
	Principal   string
	Method      string
	Target      string
	Status      int32  // 0 if unknown
	Class       string // attack type, "none" for benign
	Probability float64
	Anomaly     float64
	Flagged     bool
	Rules       string // names of the rules that fired, separated by commas; "" if none
	Reasons     string // JSON, "" if none
	Incident    string // "" if none
	Label       traffic.Label
}

// ReplaceScores deletes all scores and stores those that next returns, until
// it returns none, in one transaction. next must not use the store.
func (s *Store) ReplaceScores(ctx context.Context, next func() ([]Score, error)) error {
	return s.putScores(ctx, true, next)
}

// AppendScores adds scores to those that are there: of requests that have none
// yet, else they count twice. Otherwise like ReplaceScores.
func (s *Store) AppendScores(ctx context.Context, next func() ([]Score, error)) error {
	return s.putScores(ctx, false, next)
}

// ScoresOutside counts the scores that f leaves out, those without a time among
// them.
func (s *Store) ScoresOutside(ctx context.Context, f Filter) (int64, error) {
	var n int64
	if err := s.one(ctx, "SELECT count(*) FROM scores WHERE ("+f.where()+") IS NOT TRUE", &n); err != nil {
		return 0, fmt.Errorf("count scores: %w", err)
	}
	return n, nil
}

func (s *Store) putScores(ctx context.Context, replace bool, next func() ([]Score, error)) error {
	err := s.write(ctx, func(t *tx) error {
		if replace {
			if err := t.exec("DELETE FROM scores"); err != nil {
				return err
			}
		}
		schema := scoreSchema()
		end := false
		return t.insert("scores", schema, func() (arrow.Record, error) {
			var part []Score
			for !end && len(part) < groupRows/8 {
				more, err := next()
				if err != nil {
					return nil, err
				}
				end = len(more) == 0
				part = append(part, more...)
			}
			if len(part) == 0 {
				return nil, nil
			}
			return scoreRecord(schema, part), nil
		})
	})
	if err != nil {
		return fmt.Errorf("store scores: %w", err)
	}
	return nil
}

func scoreSchema() *arrow.Schema {
	str, f64 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64
	return arrow.NewSchema([]arrow.Field{
		field("file", str), field("line", arrow.PrimitiveTypes.Int64), field("time", timeType()), field("principal", str),
		field("method", str), field("target", str), field("template", str), field("status", arrow.PrimitiveTypes.Int32),
		field("class", str), field("probability", f64), field("anomaly", f64), field("flagged", arrow.FixedWidthTypes.Boolean),
		field("rules", str), field("reasons", str), field("incident", str), field("label", str),
	}, nil)
}

func scoreRecord(schema *arrow.Schema, rows []Score) arrow.Record {
	b := newBuilder(schema)
	defer b.Release()
	finite := func(v float64) float64 {
		if math.IsNaN(v) {
			return 0
		}
		return v
	}
	texts(b, rows, func(s *Score) string { return s.File }, nil)
	int64s(b, rows, math.MinInt64, func(s *Score) int64 { return s.Line })
	times(b, rows, func(s *Score) int64 { return s.Time })
	texts(b, rows, func(s *Score) string { return s.Principal }, nil)
	texts(b, rows, func(s *Score) string { return s.Method }, empty)
	texts(b, rows, func(s *Score) string { return s.Target }, nil)
	texts(b, rows, func(s *Score) string { return traffic.Template(s.Method, s.Target) }, nil)
	int32s(b, rows, 1, func(s *Score) int32 { return s.Status })
	texts(b, rows, func(s *Score) string { return s.Class }, nil)
	float64s(b, rows, func(s *Score) float64 { return finite(s.Probability) })
	float64s(b, rows, func(s *Score) float64 { return finite(s.Anomaly) })
	bools(b, rows, func(s *Score) bool { return s.Flagged })
	texts(b, rows, func(s *Score) string { return s.Rules }, empty)
	texts(b, rows, func(s *Score) string { return s.Reasons }, empty)
	texts(b, rows, func(s *Score) string { return s.Incident }, empty)
	texts(b, rows, func(s *Score) string { return s.Label.String() }, empty)
	return b.NewRecord()
}

// ReplaceTemplates stores the learned folding of templates: raw → folded. From
// then on all aggregates group by the folded ones. nil removes it.
func (s *Store) ReplaceTemplates(ctx context.Context, folded map[string]string) error {
	type pair struct{ raw, folded string }
	var pairs []pair
	for r, f := range folded {
		pairs = append(pairs, pair{r, f})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if a.raw < b.raw {
			return -1
		}
		return 1
	})
	schema := arrow.NewSchema([]arrow.Field{field("raw", arrow.BinaryTypes.String), field("folded", arrow.BinaryTypes.String)}, nil)
	err := s.write(ctx, func(t *tx) error {
		if err := t.exec("DELETE FROM templates"); err != nil {
			return err
		}
		return t.insert("templates", schema, func() (arrow.Record, error) {
			if len(pairs) == 0 {
				return nil, nil
			}
			b := newBuilder(schema)
			defer b.Release()
			texts(b, pairs, func(p *pair) string { return p.raw }, nil)
			texts(b, pairs, func(p *pair) string { return p.folded }, nil)
			pairs = nil
			return b.NewRecord(), nil
		})
	})
	if err != nil {
		return fmt.Errorf("store templates: %w", err)
	}
	return nil
}
