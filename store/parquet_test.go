package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Text of every kind arrives byte for byte, wherever it stands in the file.
func TestCSVToParquetText(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	parts := []string{"＜", "é", "𝄞", `""`, ",", "\n", "\r\n", `\x`, `\`, "a", " ", "\x00", "\xc0\xbc", "\xff"}
	var csv strings.Builder
	csv.WriteString("n,text\n")
	h := sha256.New()
	const rows = 60_000
	for i := range rows {
		var v strings.Builder
		for range rng.IntN(60) {
			v.WriteString(parts[rng.IntN(len(parts))])
		}
		s := v.String()
		fmt.Fprintf(&csv, "%d,\"%s\"\n", i, s)
		fmt.Fprintf(h, "%d,%s\n", i, strings.ReplaceAll(s, `""`, `"`))
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.csv"), filepath.Join(dir, "a.parquet")
	if err := os.WriteFile(in, []byte(csv.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cols := []CSVColumn{{"n", "BIGINT"}, {"text", "VARCHAR"}}
	if err := CSVToParquet(t.Context(), in, out, cols, rows); err != nil {
		t.Fatal(err)
	}
	s := fresh(t)
	rs, err := s.db.QueryContext(t.Context(), "SELECT n, encode(coalesce(text, '')) FROM read_parquet("+quote(out)+")")
	if err != nil {
		t.Fatal(err)
	}
	defer rs.Close()
	got := sha256.New()
	for rs.Next() {
		var n int64
		var b []byte
		if err := rs.Scan(&n, &b); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(got, "%d,%s\n", n, decode(string(b)))
	}
	if a, b := hex.EncodeToString(got.Sum(nil)), hex.EncodeToString(h.Sum(nil)); a != b || rs.Err() != nil {
		t.Errorf("other text: %s, want %s, %v", a, b, rs.Err())
	}
	for _, bad := range []string{"n,text\n1\n", "n,text\n1,2,3\n", "n,text\n1,\"a\n", "n,text\n1,\"a\"b\n", "n,text\nx,a\n"} {
		os.WriteFile(in, []byte(bad), 0o600)
		if err := CSVToParquet(t.Context(), in, filepath.Join(dir, "b.parquet"), cols, 1); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
