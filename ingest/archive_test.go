package ingest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// line1 and line2, packed with bzip2 -c: the standard library only unpacks.
const (
	bz1 = "QlpoOTFBWSZTWZhtA+YAABlfgEAQUAv+UoLQRAoqpVoAIABUVMmntUNAA0HqNHohEanlMnog00GgGgNJNBsekiYwhWaAo7jUUpzc2bAg1YC9cBKJhGOLtw+0WBTnginJUInsBua+2mkBSjviixFywayVf4u5IpwoSEw2gfMA"
	bz2 = "QlpoOTFBWSZTWTIlomoAABnfgEAQUAv/kABSzAoi58xQIABkRU8ZNT0jU2mo2p6g/SIxApNBo0GQMjAjAXCHeUo15v9hFMSjyCYg5my5+ILcmt8KYMBoUrMqk8642wInkLEFIM3aYGWc6Nto5TX591G8Z8Siv7c3eUVthAvlLS6dCEEOA6i7kinChIGRLRNQ"
)

func bzipped(t testing.TB, packed string) string {
	b, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func xzipped(t testing.TB, text string) string {
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestArchives: .bz2 and .xz, also joined and empty ones in between, give what
// the plain file gives, whatever they are called.
func TestArchives(t *testing.T) {
	want := readString(t, line1+line2, Options{Name: "x"}).requests
	for name, content := range map[string]string{
		"bzip2 joined":         bzipped(t, bz1) + bzipped(t, bz2),
		"xz":                   xzipped(t, line1+line2),
		"xz joined":            xzipped(t, line1) + xzipped(t, line2),
		"xz padded":            xzipped(t, line1) + "\x00\x00\x00\x00" + xzipped(t, line2),
		"gzip with empty ones": gz(line1) + gz("") + gz(line2) + gz(""),
		"a line over two":      gz(line1[:30]) + gz(line1[30:]+line2),
		"zstd over two":        zst(line1[:30]) + zst(line1[30:]+line2),
	} {
		r, err := Open(write(t, "access.log", content), nil, Options{Name: "x"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := readAll(t, r)
		if got.err != nil || len(got.requests) != 2 || got.requests[0] != want[0] || got.requests[1] != want[1] {
			t.Errorf("%s: %v %+v", name, got.err, got.requests)
		}
	}
}

// TestTruncatedArchives: what stands before the end of a cut archive is read, and
// the error says what happened.
func TestTruncatedArchives(t *testing.T) {
	var all strings.Builder
	for i := range 40000 {
		all.WriteString(strings.Replace(line1, "page=2", "page="+strings.Repeat("7", i*7919%50), 1))
	}
	for name, whole := range map[string]string{"gzip": gz(all.String()), "zstd": zst(all.String()), "xz": xzipped(t, all.String())} {
		r, err := Open(write(t, "cut", whole[:len(whole)*3/4]), nil, Options{Name: "cut"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		res := readAll(t, r)
		var in *InputError
		if n := len(res.requests); n < 1000 || n >= 40000 || !errors.As(res.err, &in) || !strings.Contains(res.err.Error(), name) || !errors.Is(res.err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d records, error %v", name, n, res.err)
		}
		if res.offset != int64(len(all.String()[:res.offset])) || res.cov.Read != res.cov.Parsed+res.cov.Rejected {
			t.Errorf("%s: %+v", name, res.cov)
		}
	}
}

// TestHostileArchives: a header of a few bytes does not make the reader take
// hundreds of megabytes, and a bomb is read in constant memory.
func TestHostileArchives(t *testing.T) {
	header := []byte{0x02, 0x00, 0x21, 0x01, 40, 0, 0, 0} // a block whose dictionary has 4 GiB
	sum := crc32.ChecksumIEEE(header)
	block := append(header, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
	stream := []byte("\xfd7zXZ\x00\x00\x01")
	sum = crc32.ChecksumIEEE(stream[6:])
	stream = append(stream, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
	hostile := string(append(stream, block...)) + strings.Repeat("\x01", 100)
	// One frame of zstd that asks for a window of 2 TiB.
	window := "\x28\xb5\x2f\xfd\x00\xf8" + strings.Repeat("\x00", 20)
	for name, content := range map[string]string{"xz": hostile, "zstd": window} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Open(write(t, "bad", content), nil, Options{Name: "bad"})
		runtime.ReadMemStats(&after)
		var in *InputError
		if !errors.As(err, &in) || after.TotalAlloc-before.TotalAlloc > 64<<20 {
			t.Errorf("%s: %v, %d MB", name, err, (after.TotalAlloc-before.TotalAlloc)>>20)
		}
	}
	// 200 MB of one line in 200 kB: rejected as a line that is too long, not kept.
	bomb := gz(line1, strings.Repeat("A", 200<<20), "\n"+line2)
	r, err := Open(write(t, "bomb", bomb), nil, Options{Name: "bomb"})
	if err != nil {
		t.Fatal(err)
	}
	bomb = ""
	var peak uint64
	var parsed, rejected int
	for {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		parsed, rejected = parsed+len(b.Requests), rejected+len(b.Rejects)
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}
	if parsed != 2 || rejected != 1 || peak > 64<<20 {
		t.Errorf("%d parsed, %d rejected, %d MB", parsed, rejected, peak>>20)
	}
}
