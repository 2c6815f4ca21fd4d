package store

import (
	"context"
	"fmt"
)

// Newest returns the part of f that holds the n newest requests with a time, and
// all others of the time of the oldest of these; with n requests or fewer, f
// itself. n must be positive.
func (s *Store) Newest(ctx context.Context, n int64, f Filter) (Filter, error) {
	var all int64
	w := f.where() + " AND time IS NOT NULL"
	if err := s.one(ctx, "SELECT count(*) FROM requests WHERE "+w, &all); err != nil {
		return f, fmt.Errorf("newest requests: %w", err)
	}
	if all <= n {
		return f, nil
	}
	// Hours first: a sort of all times would cost more than everything else here.
	type hour struct{ at, n int64 }
	const length = 3_600_000_000
	hours, err := rows(ctx, s, fmt.Sprintf("SELECT epoch_us(time) // %d AS h, count(*) FROM requests WHERE %s GROUP BY h ORDER BY h DESC", length, w),
		func(r rowScanner, h *hour) error { return r.Scan(&h.at, &h.n) })
	if err != nil {
		return f, fmt.Errorf("newest requests: %w", err)
	}
	for _, h := range hours {
		if n > h.n {
			n -= h.n
			continue
		}
		in := Filter{Since: h.at * length, Until: (h.at + 1) * length}
		var since int64
		err := s.one(ctx, fmt.Sprintf("SELECT epoch_us(min(time)) FROM (SELECT time FROM requests WHERE %s AND %s ORDER BY time DESC LIMIT %d)", w, in.where(), n), &since)
		if err != nil {
			return f, fmt.Errorf("newest requests: %w", err)
		}
		f.Since = since
		break
	}
	return f, nil
}

// FoldedTemplates are the learned templates by the raw ones that they take the
// place of.
func (s *Store) FoldedTemplates(ctx context.Context) (map[string]string, error) {
	type pair struct{ raw, folded string }
	list, err := rows(ctx, s, "SELECT raw, min(folded) FROM templates GROUP BY raw ORDER BY raw", func(r rowScanner, p *pair) error { return r.Scan(&p.raw, &p.folded) })
	if err != nil {
		return nil, fmt.Errorf("folded templates: %w", err)
	}
	out := make(map[string]string, len(list))
	for _, p := range list {
		out[p.raw] = p.folded
	}
	return out, nil
}

// TemplateTimeline returns the requests per interval of t of the n templates
// (folded) with the most of them, in that order, and of all others together.
func (s *Store) TemplateTimeline(ctx context.Context, t Timeline, n int, f Filter) (names []string, counts [][]int64, other []int64, err error) {
	if len(t.Requests) == 0 || n <= 0 {
		return nil, nil, nil, nil
	}
	type cell struct {
		name  string
		at, n int64
	}
	w := f.where()
	cells, err := rows(ctx, s, `WITH top AS (SELECT name, row_number() OVER (ORDER BY n DESC, name) AS place FROM (FROM `+s.byName(f)+` ORDER BY n DESC, name LIMIT `+fmt.Sprint(n)+`)),
 names AS (SELECT template AS raw, name, place FROM `+s.byTemplate(f)+` JOIN top USING (name))
SELECT name, b, sum(k)::BIGINT FROM (SELECT template, (epoch_us(time) - `+fmt.Sprint(t.Start)+`) // `+fmt.Sprint(t.Step)+` AS b, count(*) AS k FROM requests
 WHERE template IN (SELECT raw FROM names) AND time IS NOT NULL AND `+w+` GROUP BY template, b) x JOIN names ON x.template = names.raw GROUP BY place, name, b ORDER BY place, b`,
		func(r rowScanner, c *cell) error { return r.Scan(&c.name, &c.at, &c.n) })
	if err != nil {
		return nil, nil, nil, fmt.Errorf("templates over time: %w", err)
	}
	other = make([]int64, len(t.Requests))
	copy(other, t.Requests)
	for _, c := range cells {
		if c.at < 0 || c.at >= int64(len(other)) {
			continue // came in after t was made
		}
		if len(names) == 0 || names[len(names)-1] != c.name {
			names, counts = append(names, c.name), append(counts, make([]int64, len(other)))
		}
		counts[len(counts)-1][c.at] += c.n
		other[c.at] -= c.n
	}
	return names, counts, other, nil
}
