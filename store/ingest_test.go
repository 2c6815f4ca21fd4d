package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"apiml/traffic"
)

// nasty makes a request of random content: unknown values, bytes that are no
// UTF-8, NULs, text that looks like our escapes.
func nasty(r *rand.Rand) traffic.Request {
	text := func() string {
		bits := []string{"", "a", "/x?y=1", "ü", "\x00", "\xff", "\xc3", `\xe2`, `\x5c`, `\x`, `\`, "'", `"`, "\n", "</script>", "\x1b[31m", "😀", strings.Repeat("z", 300)}
		var b strings.Builder
		for range r.IntN(5) {
			b.WriteString(bits[r.IntN(len(bits))])
		}
		return b.String()
	}
	q := traffic.Request{
		Time: int64(r.Uint64N(4e15)) - 1e15, Latency: float64(r.IntN(1000)) / 1000, BytesIn: int64(r.IntN(3)), BytesOut: r.Int64(),
		Line: r.Int64N(1 << 40), Status: int32(r.IntN(600)), Label: traffic.Label(r.IntN(14)),
		Method: text(), Target: text(), Protocol: text(), Host: text(), Client: text(), Forwarded: text(), User: text(), Session: text(),
		Referrer: text(), Agent: text(), Cache: text(),
	}
	if r.IntN(2) == 0 {
		q.HasBody, q.Body = true, text()
	}
	if r.IntN(3) == 0 {
		q.Time = traffic.NoTime
	}
	if r.IntN(3) == 0 {
		q.Latency, q.BytesIn, q.BytesOut, q.Status = -1, -1, -1, 0
	}
	return q
}

func scanAll(t testing.TB, s *Store, f Filter, limit int64) []traffic.Request {
	t.Helper()
	var out []traffic.Request
	err := s.scanRequests(context.Background(), f, limit, func(rs []traffic.Request) error {
		if len(rs) == 0 {
			t.Error("empty slice")
		}
		out = append(out, rs...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRequestRoundTrip(t *testing.T) {
	s := fresh(t)
	r := rand.New(rand.NewPCG(1, 1))
	var want []traffic.Request
	b := &traffic.Batch{}
	for i := range 5000 {
		q := nasty(r)
		q.File, q.Line = "log\xff \x00", int64(i+1)
		want = append(want, q)
		q.Raw = "not stored"
		b.Requests = append(b.Requests, q)
	}
	mustIngest(t, s, "log\xff \x00", b)
	slices.SortStableFunc(want, func(a, b traffic.Request) int {
		switch {
		case a.Time < b.Time:
			return -1
		case a.Time > b.Time:
			return 1
		}
		return 0
	})
	got := scanAll(t, s, Filter{}, sliceWeight)
	if len(got) != len(want) {
		t.Fatalf("%d requests, want %d", len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("request %d:\ngot  %q\nwant %q", i, fmt.Sprint(got[i]), fmt.Sprint(want[i]))
		}
	}
	// What SQL sees: NULL for unknown, the template and the principal of package traffic.
	var n int64
	if err := s.one(context.Background(), "SELECT count(*) FROM requests WHERE (status IS NULL) <> (latency IS NULL) OR method = '' OR \"user\" = '' OR body IS NULL AND false", &n); err != nil {
		t.Fatal(err)
	}
	for i := range want[:200] {
		var tpl, who string
		err := s.one(context.Background(), fmt.Sprintf("SELECT template, principal FROM requests WHERE line = %d", want[i].Line), &tpl, &who)
		if err != nil || decode(tpl) != traffic.Template(want[i].Method, want[i].Target) || decode(who) != want[i].Principal() {
			t.Errorf("line %d: template %q, principal %q, %v", want[i].Line, tpl, who, err)
		}
	}
}

// Values that no log means are unknown afterwards.
func TestRequestBounds(t *testing.T) {
	s := fresh(t)
	b := &traffic.Batch{Requests: []traffic.Request{
		{Line: 1, Time: math.MaxInt64, Latency: math.NaN(), BytesIn: -7, BytesOut: math.MinInt64, Status: -3, Label: 200},
		{Line: 2, Time: -math.MaxInt64, Latency: math.Inf(1), BytesOut: math.MaxInt64, Status: math.MaxInt32},
		{Line: 3, Time: -62135596800_000000, Latency: -0.5, BytesOut: math.MaxInt64},
		{Line: 4, Time: 253402300799_999999, Latency: 1e300},
	}}
	mustIngest(t, s, "x", b)
	got := scanAll(t, s, Filter{}, sliceWeight)
	want := []traffic.Request{
		{File: "x", Line: 1, Time: traffic.NoTime, Latency: -1, BytesIn: -1, BytesOut: -1},
		{File: "x", Line: 2, Time: traffic.NoTime, Latency: -1, BytesOut: math.MaxInt64, Status: math.MaxInt32},
		{File: "x", Line: 3, Time: -62135596800_000000, Latency: -1, BytesOut: math.MaxInt64},
		{File: "x", Line: 4, Time: 253402300799_999999, Latency: 1e300},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// None of them may break a report.
	ctx := context.Background()
	m, err := s.Summary(ctx, Filter{})
	if err != nil || m.BytesOut != math.MaxInt64 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := s.Timeline(ctx, 60e6, Filter{}); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("timeline of 10,000 years: %v", err)
	}
	if _, err := s.Counts(ctx, 1e6, "", Filter{}); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("counts of 10,000 years: %v", err)
	}
	if _, err := s.TopTemplates(ctx, 10, Filter{}); err != nil {
		t.Error(err)
	}
}

func TestFlowRoundTrip(t *testing.T) {
	s := fresh(t)
	r := rand.New(rand.NewPCG(2, 2))
	var want []traffic.Flow
	var bs []*traffic.Batch
	for range 3 {
		b := &traffic.Batch{}
		for range 1000 {
			f := traffic.Flow{File: "f", Line: int64(len(want) + 2), Label: traffic.Label(r.IntN(14)), Class: "Web Attack \x96 XSS", Time: traffic.NoTime}
			for j := range f.Values {
				f.Values[j] = r.NormFloat64() * 1e9
			}
			f.Values[r.IntN(len(f.Values))] = math.Inf(1)
			if r.IntN(2) == 0 {
				f.Time = r.Int64N(1e15)
			}
			want = append(want, f)
			b.Flows = append(b.Flows, f)
		}
		bs = append(bs, b)
	}
	in := mustIngest(t, s, "f", bs...)
	if in.Kind != KindFlows || in.Parsed != 3000 {
		t.Errorf("%+v", in)
	}
	for _, limit := range []int64{sliceWeight, 97} {
		var got []traffic.Flow
		if err := s.scanFlows(context.Background(), limit, func(fs []traffic.Flow) error { got = append(got, fs...); return nil }); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("limit %d: flows differ", limit)
		}
	}
	// NaN does not equal itself: on its own.
	f := traffic.Flow{Line: 1, Time: traffic.NoTime}
	f.Values[5] = math.NaN()
	mustIngest(t, s, "nan", &traffic.Batch{Flows: []traffic.Flow{f}})
	var last traffic.Flow
	s.ScanFlows(context.Background(), func(fs []traffic.Flow) error { last = fs[len(fs)-1]; return nil })
	if !math.IsNaN(last.Values[5]) || last.Values[4] != 0 || last.File != "nan" {
		t.Errorf("%+v", last)
	}
	var nulls int
	if err := s.one(context.Background(), "SELECT count(*) FROM flows WHERE total_length_of_bwd_packets IS NULL", &nulls); err != nil || nulls != 1 {
		t.Errorf("%d rows with NULL, %v", nulls, err)
	}
}

func TestCoverage(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	b := requests("a", 10)
	b.Rejects = []traffic.Reject{{File: "a", Line: 3, Offset: 99, Reason: "no quote", Raw: "bad \xff\x00 line"}, {File: "a", Line: 4, Offset: 120, Reason: "no status", Raw: ""}}
	b.Read, b.Filtered, b.Line, b.Offset = 15, 3, 15, 1500
	in, err := s.Ingest(ctx, Input{Name: "a", Format: "combined", SHA256: "ab12", FirstLine: "first\x00\xff", Synthetic: true}, batches(b))
	if err != nil {
		t.Fatal(err)
	}
	want := Input{ID: 1, Name: "a", Format: "combined", SHA256: "ab12", FirstLine: "first\x00\xff", Size: 1500, Lines: 15,
		Read: 15, Parsed: 10, Rejected: 2, Filtered: 3, First: 1_700_000_000_000_000, Last: 1_700_000_009_000_000, Kind: KindHTTP, Synthetic: true, ResumeOffset: 1500, ResumeLines: 15}
	if in != want {
		t.Errorf("got  %+v\nwant %+v", in, want)
	}
	// Nothing but rejects, and nothing at all, are inputs too.
	only, err := s.Ingest(ctx, Input{Name: "b"}, batches(&traffic.Batch{Rejects: b.Rejects[:1]}))
	if err != nil || only.Rejected != 1 || only.Read != 1 || only.First != traffic.NoTime {
		t.Errorf("%+v, %v", only, err)
	}
	none, err := s.Ingest(ctx, Input{Name: "c", Kind: KindFlows}, batches())
	if err != nil || none.ID != 3 || none.Kind != KindFlows {
		t.Errorf("%+v, %v", none, err)
	}
	// The file grows.
	more := requests("a", 4)
	for i := range more.Requests {
		more.Requests[i].Time -= 100e6
		more.Requests[i].Line += 15
	}
	more.Line, more.Offset = 19, 1900
	grown, err := s.Ingest(ctx, Input{ID: 1, Name: "a", SHA256: "cd34"}, batches(more))
	want.SHA256, want.Size, want.Lines, want.Read, want.Parsed, want.First = "cd34", 1900, 19, 19, 14, want.First-100e6
	want.ResumeOffset, want.ResumeLines = 1900, 19
	if err != nil || grown != want {
		t.Errorf("got  %+v, %v\nwant %+v", grown, err, want)
	}
	all, err := s.Inputs(ctx)
	if err != nil || !reflect.DeepEqual(all, []Input{want, only, none}) {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := s.Ingest(ctx, Input{ID: 77, Name: "z"}, batches(more)); err == nil || !strings.Contains(err.Error(), "no input 77") {
		t.Errorf("grown input that is not there: %v", err)
	}
	if _, err := s.Ingest(ctx, Input{ID: 3, Name: "c"}, batches(more)); err == nil {
		t.Error("an input of flows took requests")
	}
	rs, err := s.Rejects(ctx, 1)
	if err != nil || len(rs) != 2 || rs[0].Reason != "no quote" || rs[0].Count != 2 || len(rs[0].Samples) != 1 ||
		rs[0].Samples[0] != (traffic.Reject{File: "a", Line: 3, Offset: 99, Reason: "no quote", Raw: "bad \\xff\x00 line"}) {
		t.Errorf("%+v, %v", rs, err)
	}
}

// Rejects are flushed while the input is being read, in the same transaction.
func TestManyRejects(t *testing.T) {
	s := fresh(t)
	made := 0
	next := func() (*traffic.Batch, error) {
		if made == 30 {
			return nil, io.EOF
		}
		b := requests("a", 1000)
		if made%3 == 0 {
			b.Requests = nil
		}
		for i := range 3000 {
			b.Rejects = append(b.Rejects, traffic.Reject{File: "a", Line: int64(made*3000 + i), Reason: "r", Raw: "x"})
		}
		made++
		return b, nil
	}
	in, err := s.Ingest(context.Background(), Input{Name: "a"}, next)
	if err != nil || in.Parsed != 20_000 || in.Rejected != 90_000 {
		t.Fatalf("%+v, %v", in, err)
	}
	if c := counts(t, s); c["requests"] != 20_000 || c["rejects"] != 90_000 {
		t.Errorf("%v", c)
	}
	var n, distinct int64
	if err := s.one(context.Background(), "SELECT max(seq), count(DISTINCT seq) FROM requests", &n, &distinct); err != nil || n != 20_000 || distinct != n {
		t.Errorf("seq up to %d, %d distinct, %v", n, distinct, err)
	}
}

// Whatever goes wrong, the database is as before, and usable.
func TestIngestIsAtomic(t *testing.T) {
	s := fresh(t)
	mustIngest(t, s, "before", requests("before", 100))
	before := counts(t, s)
	cause := errors.New("disk on fire")
	dirty := func() *traffic.Batch {
		b := requests("x", 3000)
		for i := range 3000 {
			b.Rejects = append(b.Rejects, traffic.Reject{Line: int64(i), Reason: "r", Raw: "x"})
		}
		return b
	}
	for _, c := range []struct {
		name string
		at   int
		do   func(cancel func()) (*traffic.Batch, error)
		want string
	}{
		{"error at once", 0, func(func()) (*traffic.Batch, error) { return nil, cause }, "disk on fire"},
		{"error later", 20, func(func()) (*traffic.Batch, error) { return nil, cause }, "disk on fire"},
		{"panic at once", 0, func(func()) (*traffic.Batch, error) { panic("boom") }, "boom"},
		{"panic later", 20, func(func()) (*traffic.Batch, error) { var r *traffic.Request; return nil, errors.New(r.Method) }, "nil pointer"},
		{"cancelled", 15, func(cancel func()) (*traffic.Batch, error) { cancel(); return dirty(), nil }, "context canceled"},
		{"cancelled at the end", 15, func(cancel func()) (*traffic.Batch, error) { cancel(); return nil, io.EOF }, "context canceled"},
		{"flows among requests", 16, func(func()) (*traffic.Batch, error) {
			return &traffic.Batch{Flows: make([]traffic.Flow, 3)}, nil
		}, "holds http and flows"},
		{"both in a batch", 0, func(func()) (*traffic.Batch, error) {
			return &traffic.Batch{Flows: make([]traffic.Flow, 3), Requests: make([]traffic.Request, 1)}, nil
		}, "requests and flows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			n := 0
			_, err := s.Ingest(ctx, Input{Name: "x"}, func() (*traffic.Batch, error) {
				if n++; n > c.at {
					return c.do(cancel)
				}
				return dirty(), nil
			})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `ingest "x"`) {
				t.Errorf("error %v", err)
			}
			if c.want == cause.Error() && !errors.Is(err, cause) {
				t.Errorf("%v does not wrap its cause", err)
			}
			if strings.HasPrefix(c.name, "cancelled") && !errors.Is(err, context.Canceled) {
				t.Errorf("%v is not context.Canceled", err)
			}
			if after := counts(t, s); !reflect.DeepEqual(after, before) {
				t.Errorf("left a trace: %v, before %v", after, before)
			}
			var views int
			if err := s.one(context.Background(), "SELECT count(*) FROM duckdb_views() WHERE NOT internal AND view_name <> 'requests'", &views); err != nil || views != 0 {
				t.Errorf("%d views left, %v", views, err)
			}
		})
	}
	mustIngest(t, s, "after", requests("after", 10))
	if c := counts(t, s); c["requests"] != 110 || c["inputs"] != 2 {
		t.Errorf("%v", c)
	}
}

// Records beyond one Arrow record, by rows and by bytes.
func TestLargeBatches(t *testing.T) {
	s := fresh(t)
	mustIngest(t, s, "rows", requests("rows", groupRows+7))
	b := &traffic.Batch{}
	for i := range 36 {
		b.Requests = append(b.Requests, traffic.Request{Time: 1, Line: int64(i), HasBody: true, Body: strings.Repeat(string(rune('a'+i%26)), 1<<20)})
	}
	mustIngest(t, s, "bytes", b)
	slicesSeen, n := 0, 0
	err := s.ScanRequests(context.Background(), Filter{Until: 1000}, func(rs []traffic.Request) error {
		slicesSeen++
		for _, r := range rs {
			if r.Line != int64(n) || len(r.Body) != 1<<20 || r.Body[0] != byte('a'+n%26) {
				t.Fatalf("row %d: line %d, %d bytes", n, r.Line, len(r.Body))
			}
			n++
		}
		return nil
	})
	if err != nil || n != 36 || slicesSeen < 2 {
		t.Errorf("%d rows in %d slices, %v", n, slicesSeen, err)
	}
	if c := counts(t, s); c["requests"] != groupRows+43 {
		t.Errorf("%v", c)
	}
}

// The C memory of ingest and scan is freed: cycles do not add up.
func TestNoLeak(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	s := fresh(t)
	rss := func() int64 {
		b, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Skip("no /proc")
		}
		var size, res int64
		fmt.Fscan(bytes.NewReader(b), &size, &res)
		return res * int64(os.Getpagesize())
	}
	cause, rows := errors.New("no"), requests("x", 20_000)
	cycle := func() {
		for range 6 {
			n := 0
			s.Ingest(context.Background(), Input{Name: "x"}, func() (*traffic.Batch, error) {
				if n++; n == 4 {
					return nil, cause
				}
				return rows, nil
			})
		}
		scanAll(t, s, Filter{}, sliceWeight)
		runtime.GC()
	}
	mustIngest(t, s, "base", requests("base", 30_000))
	cycle()
	cycle()
	before := rss()
	for range 4 {
		cycle()
	}
	// 24 ingests of 60,000 rows of about 200 bytes.
	if grown := rss() - before; grown > 80<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
}

// BenchmarkIngest stores 500,000 synthetic requests and scans them. One
// iteration is enough: -benchtime 1x.
func BenchmarkIngest(b *testing.B) {
	const n, per = 500_000, 8192
	r := rand.New(rand.NewPCG(3, 3))
	agents := make([]string, 200)
	for i := range agents {
		agents[i] = fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.%d.0 Safari/537.36", 80+i%40, i)
	}
	var bs []*traffic.Batch
	for at := 0; at < n; at += per {
		batch := &traffic.Batch{}
		for i := at; i < min(n, at+per); i++ {
			batch.Requests = append(batch.Requests, traffic.Request{
				Time: 1_700_000_000_000_000 + int64(i)*20_000, Line: int64(i + 1), File: "bench.log", Method: "GET", Protocol: "HTTP/1.1",
				Target: fmt.Sprintf("/api/v1/products/%d/reviews?page=%d&sort=price", r.IntN(100_000), r.IntN(9)), Status: 200, BytesIn: -1,
				BytesOut: int64(r.IntN(50_000)), Latency: r.ExpFloat64() / 10, Client: fmt.Sprintf("10.%d.%d.%d", r.IntN(4), r.IntN(50), r.IntN(250)),
				Agent: agents[r.IntN(len(agents))], Referrer: "https://www.example.com/catalogue/spring",
			})
		}
		bs = append(bs, batch)
	}
	for b.Loop() {
		s := fresh(b)
		start := time.Now()
		if _, err := s.Ingest(context.Background(), Input{Name: "bench.log"}, batches(bs...)); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(n/time.Since(start).Seconds(), "rows/s-ingest")
		start = time.Now()
		rows := 0
		if err := s.ScanRequests(context.Background(), Filter{}, func(rs []traffic.Request) error { rows += len(rs); return nil }); err != nil || rows != n {
			b.Fatal(rows, err)
		}
		b.ReportMetric(n/time.Since(start).Seconds(), "rows/s-scan")
		start = time.Now()
		if _, err := s.Summary(context.Background(), Filter{}); err != nil {
			b.Fatal(err)
		}
		if _, err := s.TopTemplates(context.Background(), 20, Filter{}); err != nil {
			b.Fatal(err)
		}
		if _, err := s.TopPrincipals(context.Background(), 20, Filter{}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s-report")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		fi, err := os.Stat(filepath.Join(s.path))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(fi.Size())/n, "bytes/row")
	}
}

// TestOpenEnd: when an input has grown, what its open end was taken for goes,
// with its counts and scores, and no number is given out twice.
func TestOpenEnd(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	first := requests("a", 5)
	first.Rejects = []traffic.Reject{{Line: 6, Offset: 500, Reason: "torn", Raw: "to"}}
	first.Read, first.Filtered, first.Line, first.Offset = 7, 1, 7, 700
	_, err := s.Load(ctx, Load{Input: Input{Name: "a"}, Next: batches(first), Finish: func(in *Input, red *Redactions) error {
		in.ResumeOffset, in.ResumeLines, in.Held = 400, 4, 3 // a request, a reject, a blank line
		red.All, red.Held = map[string]int64{"secret": 5, "jwt": 1}, map[string]int64{"secret": 2}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	mustIngest(t, s, "a", requests("a", 9)) // another input of this name
	var list []Score
	for _, r := range requests("a", 9).Requests {
		list = append(list, Score{File: "a", Line: r.Line, Time: r.Time, Target: r.Target, Class: "none"})
	}
	if err := s.ReplaceScores(ctx, func() ([]Score, error) { l := list; list = nil; return l, nil }); err != nil {
		t.Fatal(err)
	}
	more := requests("a", 8)
	more.Requests = more.Requests[4:7]
	more.Requests[0].Target = "/whole"
	more.Read, more.Line, more.Offset = 3, 7, 900
	grown, err := s.Load(ctx, Load{Input: Input{ID: 1, Name: "a"}, Next: batches(more), Finish: func(_ *Input, red *Redactions) error {
		red.All = map[string]int64{"secret": 1}
		return nil
	}})
	if err != nil || grown.Read != 7 || grown.Parsed != 7 || grown.Rejected != 0 || grown.Filtered != 0 || grown.Held != 0 || grown.ResumeLines != 7 {
		t.Errorf("%+v, %v", grown, err)
	}
	var text string
	if err := s.one(ctx, "SELECT string_agg(seq || ':' || line || ':' || target, ' ' ORDER BY seq) FROM requests WHERE input = 1", &text); err != nil ||
		text != "1:1:/users/0 2:2:/users/1 3:3:/users/2 4:4:/users/3 15:5:/whole 16:6:/users/5 17:7:/users/6" {
		t.Errorf("%s, %v", text, err)
	}
	if err := s.one(ctx, "SELECT string_agg(line, ' ' ORDER BY line) FROM scores", &text); err != nil || text != "1 2 3 4 6 7 8 9" {
		t.Errorf("scores of lines %s, %v", text, err)
	}
	if red, err := s.Redactions(ctx); err != nil || !reflect.DeepEqual(red, map[string]int64{"secret": 4, "jwt": 1}) {
		t.Errorf("%v, %v", red, err)
	}
	// A predecessor goes and a successor comes, or neither.
	boom := errors.New("boom")
	before := counts(t, s)
	_, err = s.Load(ctx, Load{Input: Input{Name: "a"}, Replace: 2, Next: batches(requests("a", 2)), Finish: func(*Input, *Redactions) error { return boom }})
	if !errors.Is(err, boom) || !reflect.DeepEqual(counts(t, s), before) {
		t.Errorf("%v, %v", err, counts(t, s))
	}
	in, err := s.Load(ctx, Load{Input: Input{Name: "a"}, Replace: 2, Next: batches(requests("a", 2))})
	if err != nil || in.ID != 3 || counts(t, s)["requests"] != 9 || counts(t, s)["inputs"] != 2 {
		t.Errorf("%+v, %v, %v", in, err, counts(t, s))
	}
	// Nothing came after the highest number was taken back: it stays used.
	if _, err := s.Load(ctx, Load{Input: Input{Name: "b"}, Replace: 3, Next: batches()}); err != nil {
		t.Fatal(err)
	}
	mustIngest(t, s, "c", requests("c", 1))
	var seq int64
	if err := s.one(ctx, "SELECT max(seq) FROM requests", &seq); err != nil || seq != 20 {
		t.Errorf("seq %d, %v", seq, err)
	}
	if _, err := s.Load(ctx, Load{Input: Input{Name: "d"}, Replace: 99, Next: batches()}); err == nil || !strings.Contains(err.Error(), "no input 99") {
		t.Error(err)
	}
}
