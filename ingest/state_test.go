package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func knownOf(t *testing.T, path string) (Known, State) {
	t.Helper()
	r, err := Open(path, nil, Options{Format: "combined", Hash: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	drain(t, r)
	s := r.State()
	return Known{s.Size, s.SHA256, s.FirstLine}, s
}

func TestMatch(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, pack bool) string {
		path := filepath.Join(dir, name)
		b := []byte(text)
		if pack {
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			w.Write(b)
			w.Close()
			b = z.Bytes()
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	full := strings.Repeat(line1, 5)
	short, shortState := knownOf(t, file("short", full[:len(line1)*2+40], false))
	if shortState.ResumeOffset != int64(2*len(line1)) || shortState.ResumeLines != 2 || shortState.Held != 1 || shortState.Lines != 3 {
		t.Errorf("state %+v", shortState)
	}
	torn, _ := knownOf(t, file("torn", full[:30], false)) // less than a line
	whole, wholeState := knownOf(t, file("whole", full, false))
	if wholeState.Held != 0 || wholeState.ResumeOffset != int64(len(full)) || wholeState.ResumeLines != 5 {
		t.Errorf("state %+v", wholeState)
	}
	fp, err := Identify(filepath.Join(dir, "whole"), nil)
	if err != nil || fp.SHA256 != whole.SHA256 || fp.FirstLine != whole.FirstLine || fp.Size != whole.Size {
		t.Errorf("Identify %+v, the reader %+v", fp, whole)
	}
	k := Knowns{short, torn, whole, {}}
	for _, c := range []struct {
		path        string
		same, grown int
	}{
		{file("copy", full, false), 2, -1},
		{file("packed", full, true), 2, -1},
		{file("more", full+line1, false), -1, 2},
		{file("less", full[:len(line1)*3], true), -1, 0},
		{file("tiny", full[:31], false), -1, 1},
		{file("other", strings.Replace(full, "10.", "11.", 1), false), -1, -1},
		{file("changed", full[:10]+"9"+full[11:], false), -1, -1},
		{file("late", full[:len(full)-9]+"9"+full[len(full)-8:], false), -1, 0},
	} {
		m, err := k.Identify(context.Background(), c.path, nil)
		if err != nil || m.Same != c.same || m.Grown != c.grown {
			t.Errorf("%s: %+v, %v", filepath.Base(c.path), m, err)
		}
	}
	// An archive that ends early is no copy, though it unpacks to the same bytes.
	path := file("cut.gz", full, true)
	b, _ := os.ReadFile(path)
	os.WriteFile(path, b[:len(b)-4], 0o600)
	if m, err := k.Identify(context.Background(), path, nil); err != nil || m.Same != -1 || m.Grown != 2 {
		t.Errorf("cut archive: %+v, %v", m, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := k.Identify(ctx, path, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A file that was replaced between the look at it and the reading of it.
func TestVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	os.WriteFile(path, []byte(line1+line1), 0o600)
	k, _ := knownOf(t, path)
	os.WriteFile(path, []byte(line1+line1+line1), 0o600)
	for _, want := range []bool{true, false} {
		r, err := Open(path, nil, Options{Format: "combined", SkipBytes: k.Size, SkipLines: 2, Verify: &k})
		if err != nil {
			t.Fatal(err)
		}
		cov, _ := drain(t, r)
		if err := r.Verify(); cov.Read != 1 || (err == nil) != want {
			t.Errorf("read %d, %v", cov.Read, err)
		}
		r.Close()
		other := strings.Replace(line1, "10.", "11.", 1)
		os.WriteFile(path, []byte(other+line1+line1), 0o600)
	}
}

// A long line without an end is an open end from its beginning on.
func TestLongOpenLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	os.WriteFile(path, []byte(line1+strings.Repeat("x", 3*maxUnit)), 0o600)
	_, s := knownOf(t, path)
	if s.ResumeOffset != int64(len(line1)) || s.ResumeLines != 1 || s.Held != 1 || s.Size != int64(len(line1)+3*maxUnit) {
		t.Errorf("%+v", s)
	}
}
