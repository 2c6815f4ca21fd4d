package ingest

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"apiml/traffic"
)

// result is everything that one input gave.
type result struct {
	requests []traffic.Request
	flows    []traffic.Flow
	rejects  []traffic.Reject
	cov      Coverage
	reader   *Reader
	err      error // other than io.EOF
	offset   int64
	line     int64
	batches  int
}

// readAll reads an input to its end and checks the invariant of every batch.
func readAll(t testing.TB, r *Reader) result {
	t.Helper()
	defer r.Close()
	res := result{reader: r}
	for {
		b, err := r.Next()
		if err != nil {
			if err != io.EOF {
				res.err = err
			}
			break
		}
		if b.Read != int64(b.Len()+len(b.Rejects))+b.Filtered {
			t.Fatalf("batch: read %d, records %d, rejects %d, filtered %d", b.Read, b.Len(), len(b.Rejects), b.Filtered)
		}
		if b.Offset < res.offset || b.Line < res.line {
			t.Fatalf("batch goes back: offset %d after %d, line %d after %d", b.Offset, res.offset, b.Line, res.line)
		}
		res.offset, res.line = b.Offset, b.Line
		res.requests = append(res.requests, b.Requests...)
		res.flows = append(res.flows, b.Flows...)
		res.rejects = append(res.rejects, b.Rejects...)
		res.batches++
	}
	res.cov = r.Coverage()
	c := res.cov
	if c.Read != c.Parsed+c.Rejected+c.Filtered || c.Parsed != int64(len(res.requests)+len(res.flows)) || c.Rejected != int64(len(res.rejects)) {
		t.Fatalf("coverage does not add up: %+v", c)
	}
	return res
}

func readString(t testing.TB, text string, opt Options) result {
	t.Helper()
	r, err := Open("-", strings.NewReader(text), opt)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return readAll(t, r)
}

func at(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UnixMicro()
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gz(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		io.WriteString(w, p)
		w.Close()
	}
	return b.String()
}

func zst(s string) string {
	var b bytes.Buffer
	w, _ := zstd.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

const line1 = `10.0.0.1 - - [15/Jan/2024:10:30:45 +0000] "GET /api/users?page=2 HTTP/1.1" 200 512 "-" "curl/8.0"` + "\n"
const line2 = `10.0.0.2 - ann [15/Jan/2024:10:30:46 +0000] "POST /api/login HTTP/1.1" 401 17 "https://shop.example/" "Mozilla/5.0"` + "\n"

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		name, content string
		is            error
		says          string
	}{
		{"empty.log", "", ErrEmpty, "empty input"},
		{"empty.log.gz", gz(""), ErrEmpty, "empty input"},
		{"binary.bin", "\x7fELF\x02\x01\x01\x00\x00" + strings.Repeat("\x00\x01\x02\xff\n", 3000), ErrUnknownFormat, "binary data"},
		{"prose.txt", "Dear reader,\nthis is no log.\n", ErrUnknownFormat, "combined, common, json"},
		{"blank.txt", "\n\n\n", ErrUnknownFormat, ""},
		{"log.xz", "\xfd7zXZ\x00\x00\x04", io.ErrUnexpectedEOF, "truncated"},
		{"huge.xz", "\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x28\x00\x00\x00", nil, "128 MiB"},
		{"log.zip", "PK\x03\x04\x14\x00", ErrUnknownFormat, "zip"},
		{"short.csv", "Flow Duration,Total Fwd Packets,Label\n1,2,BENIGN\n", ErrUnknownFormat, ""},
		{"bad.gz", "\x1f\x8b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", gzip.ErrHeader, "damaged gzip"},
		{"cut.gz", "\x1f\x8b\x08", io.ErrUnexpectedEOF, "truncated"},
	} {
		path := write(t, c.name, c.content)
		_, err := Open(path, nil, Options{Name: c.name})
		var in *InputError
		if c.is != nil && !errors.Is(err, c.is) || !errors.As(err, &in) || !strings.HasPrefix(err.Error(), c.name+": ") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %v with %q", c.name, err, c.is, c.says)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error of several lines: %v", c.name, err)
		}
	}
	if _, err := Open(t.TempDir(), nil, Options{}); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("directory: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), nil, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Open("-", strings.NewReader(line1), Options{Format: "w3cx"}); err == nil || !strings.Contains(err.Error(), "apiml-csv") {
		t.Errorf("unknown format name: %v", err)
	}
	if _, err := Open("-", strings.NewReader(line1), Options{Format: "apiml-csv"}); !errors.Is(err, ErrUnknownFormat) {
		t.Errorf("wrong format given: %v", err)
	}
}

func TestCompression(t *testing.T) {
	want := readString(t, line1+line2, Options{Name: "x"}).requests
	for name, content := range map[string]string{
		"plain":        line1 + line2,
		"gzip":         gz(line1 + line2),
		"gzip members": gz(line1, line2),
		"zstd":         zst(line1 + line2),
		"zstd frames":  zst(line1) + zst(line2),
	} {
		r, err := Open(write(t, "f", content), nil, Options{Name: "x"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := readAll(t, r)
		if got.err != nil || len(got.requests) != 2 || got.requests[0] != want[0] || got.requests[1] != want[1] {
			t.Errorf("%s: %v %+v", name, got.err, got.requests)
		}
	}
}

func TestTruncatedGzip(t *testing.T) {
	var all strings.Builder
	for i := range 20000 {
		all.WriteString(strings.Replace(line1, "page=2", "page="+strings.Repeat("7", i%50), 1))
	}
	whole := gz(all.String())
	r, err := Open(write(t, "cut.log.gz", whole[:len(whole)/2]), nil, Options{Name: "cut.log.gz"})
	if err != nil {
		t.Fatal(err)
	}
	res := readAll(t, r)
	n := len(res.requests)
	if n < 1000 || n >= 20000 || res.cov.Rejected != 0 {
		t.Errorf("%d records, %d rejected", n, res.cov.Rejected)
	}
	var in *InputError
	if !errors.As(res.err, &in) || in.Line != int64(n) || !errors.Is(res.err, io.ErrUnexpectedEOF) || !strings.HasPrefix(res.err.Error(), "cut.log.gz:") {
		t.Errorf("%d records, error %v", n, res.err)
	}
	if _, again := r.Next(); again == nil || again == io.EOF {
		t.Errorf("second Next: %v", again)
	}
}

func TestReadErrorKeepsLines(t *testing.T) {
	r, err := Open("-", io.MultiReader(strings.NewReader(line1+line2+"10.0.0.3 - -"), iotest.ErrReader(errors.New("disk on fire"))), Options{})
	if err != nil {
		t.Fatal(err)
	}
	res := readAll(t, r)
	if len(res.requests) != 2 || res.err == nil || res.err.Error() != "-:2: disk on fire" {
		t.Errorf("%d records, %v", len(res.requests), res.err)
	}
}

func TestSkip(t *testing.T) {
	for _, format := range []struct{ first, second string }{
		{line1, line2},
		{"timestamp,endpoint,method\n2024-01-15 10:30:45,/a,GET\n", "2024-01-15 10:30:46,/b,GET\n"},
	} {
		path := write(t, "grown.log", format.first+format.second)
		r, err := Open(path, nil, Options{SkipBytes: int64(len(format.first)), SkipLines: int64(strings.Count(format.first, "\n"))})
		if err != nil {
			t.Fatal(err)
		}
		res := readAll(t, r)
		lines := int64(strings.Count(format.first+format.second, "\n"))
		if len(res.requests) != 1 || res.requests[0].Line != lines || res.line != lines || res.offset != int64(len(format.first+format.second)) {
			t.Errorf("%+v line %d offset %d", res.requests, res.line, res.offset)
		}
	}
	_, err := Open(write(t, "short.log", line1), nil, Options{SkipBytes: 1000})
	if err == nil || !strings.Contains(err.Error(), "only") {
		t.Errorf("skip behind the end: %v", err)
	}
	r, err := Open(write(t, "same.log", line1), nil, Options{SkipBytes: int64(len(line1)), SkipLines: 1})
	if err != nil {
		t.Fatal(err)
	}
	if res := readAll(t, r); res.err != nil || res.cov.Read != 0 {
		t.Errorf("skip to the end: %+v", res)
	}
}

// TestLongLines: a line over the limit is one reject, whatever surrounds it and
// however it arrives; the lines around it are records.
func TestLongLines(t *testing.T) {
	for _, n := range []int{maxUnit - 200, maxUnit + 1, 3*maxUnit + 17, 9 * maxUnit} {
		long := `10.0.0.9 - - [15/Jan/2024:10:30:45 +0000] "GET /` + strings.Repeat("a", n) + ` HTTP/1.1" 200 5 "-" "-"` + "\n"
		text := line1 + long + line2
		for _, format := range []string{"", "combined"} {
			path := write(t, "long.log", text)
			r, err := Open(path, nil, Options{Format: format})
			if err != nil {
				t.Fatal(err)
			}
			res := readAll(t, r)
			records, rejects := 2, 1
			if len(long) <= maxUnit {
				records, rejects = 3, 0
			}
			if len(res.requests) != records || len(res.rejects) != rejects || res.offset != int64(len(text)) || res.line != 3 {
				t.Fatalf("n=%d: %d records, %d rejects, offset %d of %d", n, len(res.requests), len(res.rejects), res.offset, len(text))
			}
			if rejects == 1 && (res.rejects[0].Line != 2 || res.rejects[0].Offset != int64(len(line1)) || len(res.rejects[0].Raw) != maxRejectRaw) {
				t.Errorf("reject line %d offset %d raw %d", res.rejects[0].Line, res.rejects[0].Offset, len(res.rejects[0].Raw))
			}
			if last := res.requests[len(res.requests)-1]; last.Line != 3 {
				t.Errorf("last line %d", last.Line)
			}
		}
	}
	// As the first line, and without an end.
	r, err := Open(write(t, "first.log", strings.Repeat("z", 2*maxUnit)+"\n"+line1+line2), nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if res := readAll(t, r); len(res.requests) != 2 || len(res.rejects) != 1 {
		t.Errorf("long first line: %+v", res.cov)
	}
	if res := readString(t, line1+strings.Repeat("z", 2*maxUnit), Options{}); len(res.requests) != 1 || len(res.rejects) != 1 || res.offset != int64(len(line1)+2*maxUnit) {
		t.Errorf("long last line: %+v", res.cov)
	}
}

func TestOtherFormatInTheMiddle(t *testing.T) {
	res := readString(t, line1+`{"request_uri":"/a","status":200}`+"\n\n"+"\x00\xff\xfe garbage\n"+line2, Options{Name: "mix.log"})
	if res.reader.Format() != "combined" || len(res.requests) != 2 || len(res.rejects) != 2 || res.cov.Filtered != 1 {
		t.Fatalf("%s %+v", res.reader.Format(), res.cov)
	}
	j := res.rejects[0]
	if j.File != "mix.log" || j.Line != 2 || j.Offset != int64(len(line1)) || j.Reason == "" || j.Raw != `{"request_uri":"/a","status":200}` {
		t.Errorf("%+v", j)
	}
}

// TestChunks: the result does not depend on how the bytes arrive nor on the
// size of batches.
func TestChunks(t *testing.T) {
	for name, text := range samples(t) {
		if len(text) > 60_000 {
			continue
		}
		whole := readString(t, text, Options{NoRedact: true})
		for _, size := range []int{1, 3, 8192} {
			r, err := Open("-", iotest.HalfReader(strings.NewReader(text)), Options{Format: whole.reader.Format(), NoRedact: true, BatchSize: size})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := readAll(t, r)
			if len(got.requests) != len(whole.requests) || len(got.flows) != len(whole.flows) || len(got.rejects) != len(whole.rejects) || got.cov.Read != whole.cov.Read || got.line != whole.line {
				t.Fatalf("%s: %+v, whole %+v", name, got.cov, whole.cov)
			}
			for i := range got.requests {
				if got.requests[i] != whole.requests[i] {
					t.Fatalf("%s: record %d differs:\n%+v\n%+v", name, i, got.requests[i], whole.requests[i])
				}
			}
			if got.offset != int64(len(text)) {
				t.Errorf("%s: offset %d of %d", name, got.offset, len(text))
			}
		}
	}
}

// TestLivePipe: lines come out before the pipe closes.
func TestLivePipe(t *testing.T) {
	pr, pw := io.Pipe()
	next := make(chan bool)
	go func() {
		io.WriteString(pw, line1)
		<-next
		io.WriteString(pw, line2)
		<-next
		pw.Close()
	}()
	r, err := Open("-", pr, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b, err := r.Next()
		if err != nil || len(b.Requests) != 1 {
			t.Fatalf("%v %v", b, err)
		}
		next <- true
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatal(err)
	}
}

func TestIdentify(t *testing.T) {
	text := line1 + line2
	want, err := Identify(write(t, "a.log", text), []int64{int64(len(line1)), 0, 1 << 40, -3})
	if err != nil {
		t.Fatal(err)
	}
	packed, err := Identify(write(t, "a.log.gz", gz(text)), nil)
	if err != nil || packed.SHA256 != want.SHA256 || packed.Size != int64(len(text)) || packed.FirstLine != want.FirstLine {
		t.Errorf("compressed: %+v %v, plain %+v", packed, err, want)
	}
	first, err := Identify(write(t, "b.log", line1), nil)
	if err != nil || len(want.Prefix) != 2 || want.Prefix[int64(len(line1))] != first.SHA256 || want.FirstLine != first.FirstLine {
		t.Errorf("prefix %v, first %+v, %v", want.Prefix, first, err)
	}
	if _, err := Identify("-", nil); err == nil {
		t.Error("standard input identified")
	}
	if _, err := Identify(write(t, "cut.gz", gz(strings.Repeat(text, 1000))[:200]), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncated: %v", err)
	}
}

func TestCoverageTimes(t *testing.T) {
	res := readString(t, line2+line1, Options{})
	if res.cov.First != at("2024-01-15T10:30:45Z") || res.cov.Last != at("2024-01-15T10:30:46Z") {
		t.Errorf("%+v", res.cov)
	}
	res = readString(t, "GET /a HTTP/1.1\nHost: x\n\n", Options{})
	if res.cov.First != traffic.NoTime || res.cov.Last != traffic.NoTime || res.cov.Read != 1 {
		t.Errorf("%+v", res.cov)
	}
}

func TestFormatTable(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Formats() {
		if f.Name == "" || f.Title == "" || f.Note == "" || seen[f.Name] {
			t.Errorf("%+v", f)
		}
		seen[f.Name] = true
	}
	for _, n := range []string{"combined", "common", "json", "apiml-csv", "csic2010", "cicids2017"} {
		if !seen[n] {
			t.Errorf("no format %s", n)
		}
	}
}

func TestTimes(t *testing.T) {
	for s, want := range map[string]string{
		"17/May/2015:10:05:03 +0000":         "2015-05-17T10:05:03Z",
		"26/Jan/2019:19:45:25 +0330":         "2019-01-26T16:15:25Z",
		"29/Feb/2016:23:59:59 -0500":         "2016-03-01T04:59:59Z",
		"10/Oct/2000:13:55:36.123456 +00:00": "2000-10-10T13:55:36.123456Z",
		"2024-01-15 10:30:45":                "2024-01-15T10:30:45Z",
		"2024-01-15 10:30:45.5":              "2024-01-15T10:30:45.5Z",
		"2024-01-15T10:30:45.123456789Z":     "2024-01-15T10:30:45.123456Z",
		"2024-01-15T10:30:45+03:30":          "2024-01-15T07:00:45Z",
		"2024-01-15 10:30:45 UTC":            "2024-01-15T10:30:45Z",
		"1705314645":                         "2024-01-15T10:30:45Z",
		"1705314645.123":                     "2024-01-15T10:30:45.123Z",
		"1705314645123":                      "2024-01-15T10:30:45.123Z",
		"1705314645123456":                   "2024-01-15T10:30:45.123456Z",
		"2016-12-31T23:59:60Z":               "2017-01-01T00:00:00Z",
		"0001-01-01T00:00:00Z":               "0001-01-01T00:00:00Z",
		"1969-12-31T23:59:59Z":               "1969-12-31T23:59:59Z",
	} {
		if got, ok := parseTime(s); !ok || got != at(want) {
			t.Errorf("%s: %v %v, want %v", s, got, ok, at(want))
		}
	}
	for _, s := range []string{"", "-", "x", "30/Feb/2015:10:05:03 +0000", "17/may/2015:10:05:03 +0000", "17/May/2015:24:05:03 +0000",
		"17/May/2015:10:05:03", "17/May/2015:10:05:03 +9900", "2024-13-01 00:00:00", "2024-01-15T10:30:45X", "2024-01-15T10:30:45.",
		"12345678901234567890", "1.5e9", "-5"} {
		if got, ok := parseTime(s); ok {
			t.Errorf("%q is no time: %d", s, got)
		}
	}
	for s, want := range map[string]string{
		"7/7/2017 3:56":       "2017-07-07T15:56:00Z",
		"6/7/2017 10:15":      "2017-07-06T10:15:00Z",
		"03/07/2017 08:55:58": "2017-07-03T08:55:58Z",
		"4/7/2017 12:01":      "2017-07-04T12:01:00Z",
		"5/7/2017 1:00":       "2017-07-05T13:00:00Z",
	} {
		if got, ok := parseClock12(s); !ok || got != at(want) {
			t.Errorf("%s: %v %v", s, got, ok)
		}
	}
	// Every day of four centuries against the standard library.
	for d := time.Date(1890, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 2300; d = d.AddDate(0, 0, 1) {
		if got, ok := epoch(d.Year(), int(d.Month()), d.Day(), 1, 2, 3); !ok || got != d.Unix()+3723 {
			t.Fatalf("%v: %d", d, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	for s, want := range map[string]float64{"0.234": 0.234, "": -1, "-": -1, "nan": -1, "1e-3": 1e-3, "-1": -1} {
		if got, ok := parseSeconds(s); !ok || got != want {
			t.Errorf("%q: %v %v", s, got, ok)
		}
	}
	for _, s := range []string{"x", "-0.5", "inf", "0.1,0.2"} {
		if got, ok := parseSeconds(s); ok {
			t.Errorf("%q: %v", s, got)
		}
	}
	for s, want := range map[string]float64{"12": 12, " 1.5": 1.5, "-3": -3, "1e3": 1000, "123456789012345678": 123456789012345678} {
		if got, ok := flowValue(s); !ok || got != want {
			t.Errorf("%q: %v %v", s, got, ok)
		}
	}
	for _, s := range []string{"", " ", "inf", "Infinity", " -inf", "NaN", "nan", "1e999"} {
		if got, ok := flowValue(s); !ok || !math.IsNaN(got) {
			t.Errorf("%q: %v %v", s, got, ok)
		}
	}
	if _, ok := flowValue("12x"); ok {
		t.Error("12x is a number")
	}
}
