package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"apiml/traffic"
)

// What asIs takes, encode leaves as it is; it refuses nothing of the rest but
// other escapes and what is no ASCII.
func TestAsIs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const chars = "ab\\x\x7f\x80\xff[]\x00é5c"
	for range 200_000 {
		b := make([]byte, r.IntN(24))
		for i := range b {
			b[i] = 'a'
			if r.IntN(12) == 0 {
				b[i] = chars[r.IntN(len(chars))]
			}
		}
		s := string(b)
		want := true
		for _, c := range b {
			want = want && c < 0x80 && c != '\\'
		}
		if asIs(s) != want || want && encode(s) != s {
			t.Fatalf("%q: %v", s, asIs(s))
		}
	}
}

// The two lists of a request's texts are one.
func TestRequestTexts(t *testing.T) {
	var q traffic.Request
	for i, c := range requestText() {
		*c.field(&q) = fmt.Sprint(i)
	}
	for i, s := range requestTexts(&q) {
		if s != fmt.Sprint(i) {
			t.Errorf("text %d is %s", i, s)
		}
	}
	if c := requestText(); c[targetText].name != "target" || c[bodyText].name != "body" || textSize(&q) != 14 {
		t.Error(c, textSize(&q))
	}
}

// A database of schema version 3 keeps its rows.
func TestMigrateRequests(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "old")
	s, err := open(ctx, Options{Path: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.ExecContext(ctx, "CREATE TABLE apiml_schema (version INTEGER NOT NULL); INSERT INTO apiml_schema VALUES (0)"); err != nil {
		t.Fatal(err)
	}
	if err := s.upgrade(ctx, false, migrations()[:3]); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`INSERT INTO requests (seq, input, line, target, template, client, agent, size) VALUES (1, 1, 1, '/a', '/a', '192.0.2.1', 'curl', 18)`,
		`INSERT INTO requests (seq, input, line, target, template, "user", size) VALUES (2, 1, 2, '/b', '/b', 'ann', 5)`,
	} {
		if _, err := s.db.ExecContext(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	principals := func(s *Store) string {
		var list string
		if err := s.one(ctx, "SELECT string_agg(seq || ' ' || principal, ',' ORDER BY seq) FROM requests", &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	before := principals(s)
	s.Close()
	if s, err = Open(ctx, Options{Path: path}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if after := principals(s); after != before || after != "1 client:192.0.2.1 curl,2 user:ann" {
		t.Errorf("%s, before %s", after, before)
	}
	mustIngest(t, s, "new", requests("new", 3))
	var n sql.NullInt64
	if err := s.one(context.Background(), "SELECT count(*) FROM requests", &n); err != nil || n.Int64 != 5 {
		t.Errorf("%d rows, %v", n.Int64, err)
	}
}
