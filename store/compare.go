package store

import (
	"context"
	"fmt"

	"apiml/traffic"
)

// RuleComparison sets the models beside the rule baseline on the scored
// requests.
type RuleComparison struct {
	Scored                    int64
	Both, ModelOnly, RuleOnly int64 // requests flagged by …

	// On the scored requests whose label is known.
	Attacks, Benign       int64
	ModelHits, ModelFalse int64 // attacks and benign requests that the models flagged
	RuleHits, RuleFalse   int64

	Disagree []Score // requests that only one of them flagged, the surest of the models first
}

// CompareRules returns the comparison, within f, with n disagreements, half of each kind.
func (s *Store) CompareRules(ctx context.Context, n int, f Filter) (RuleComparison, error) {
	var c RuleComparison
	err := s.one(ctx, `WITH x AS (SELECT flagged AS m, rules IS NOT NULL AS r, label = 'none' AS b FROM scores WHERE `+f.where()+`)
SELECT count(*), count(*) FILTER (m AND r), count(*) FILTER (m AND NOT r), count(*) FILTER (r AND NOT m),
 count(*) FILTER (NOT b), count(*) FILTER (b), count(*) FILTER (m AND NOT b), count(*) FILTER (m AND b), count(*) FILTER (r AND NOT b), count(*) FILTER (r AND b)
FROM x`, &c.Scored, &c.Both, &c.ModelOnly, &c.RuleOnly, &c.Attacks, &c.Benign, &c.ModelHits, &c.ModelFalse, &c.RuleHits, &c.RuleFalse)
	if err == nil {
		c.Disagree, err = rows(ctx, s, fmt.Sprintf(`WITH x AS (SELECT *, row_number() OVER (PARTITION BY flagged ORDER BY abs(probability - flagged::INT), time, file, line, target) AS i
 FROM %s WHERE flagged <> (rules IS NOT NULL))
SELECT file, line, time, principal, coalesce(method, ''), target, coalesce(status, 0), class, probability, anomaly, flagged, coalesce(rules, ''), coalesce(label, '')
FROM x WHERE i <= %d ORDER BY flagged DESC, i`, s.hits(f), max(n/2, 1)), func(r rowScanner, v *Score) error {
			var label string
			err := r.Scan(&v.File, &v.Line, (*micros)(&v.Time), &v.Principal, &v.Method, &v.Target, &v.Status, &v.Class, &v.Probability, &v.Anomaly, &v.Flagged, &v.Rules, &label)
			v.Label, _ = traffic.ParseLabel(label)
			return err
		})
	}
	if err != nil {
		return RuleComparison{}, fmt.Errorf("compare rules: %w", err)
	}
	return c, nil
}
