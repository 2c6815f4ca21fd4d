package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory/mallocator"

	"apiml/traffic"
)

// Input is one file, or other source of records, that was ingested.
type Input struct {
	ID        int64  // from 1, in the order of ingest; 0 = new
	Name      string // as in traffic.Request.File
	Format    string
	SHA256    string // of the decompressed content, hex; "" if unknown
	FirstLine string
	Size      int64 // bytes of decompressed content
	Lines     int64

	// Read = Parsed + Rejected + Filtered, always.
	Read, Parsed, Rejected, Filtered int64

	First, Last int64  // times of the oldest and newest record, microseconds UTC, traffic.NoTime if none has one
	Kind        string // "http" or "flows"
	Synthetic   bool   // made by generate, not observed

	// The open end: Held units that begin at byte ResumeOffset, behind
	// ResumeLines lines, and that the input, once it has grown, may show to be
	// something else. Held is 0 if the input ends in a whole record; the other
	// two are then Size and Lines.
	ResumeOffset, ResumeLines, Held int64
}

// Kinds of inputs.
const (
	KindHTTP  = "http"
	KindFlows = "flows"
)

const (
	groupRows   = 122_880  // rows of a DuckDB row group
	groupBytes  = 32 << 20 // text per record of rejects at most, but for one row
	rowBytes    = 1 << 30  // text of one row at most: Arrow's offsets have 31 bits
	rejectRows  = 20_000   // rejects that wait in memory at most, but for those of one batch
	rejectBytes = 16 << 20
)

// Load is what to ingest and how.
type Load struct {
	// Input gives Name and Format, and, as far as they are known, SHA256,
	// FirstLine, Size, Lines and Kind; Size, Lines and Kind are otherwise those
	// of the batches. With ID set, the records are added to that input (a file
	// that has grown): its counts go up, and what else is given replaces what was
	// there. Records of its open end are taken back first: the batches begin at
	// ResumeOffset.
	Input Input

	// Next returns batches until io.EOF. It is called by one goroutine at a time,
	// not always the same one, and must not use the store. When it is called again
	// the batch before is used no more, but for its rejects.
	Next func() (*traffic.Batch, error)

	// Finish, unless nil, is called behind the last batch and completes the
	// input: its hash, its open end. Its error undoes everything.
	Finish func(*Input, *Redactions) error

	// Replace is the ID of an input whose records, rejects and scores go in the
	// same transaction, 0 = none.
	Replace int64
}

// Redactions counts redacted values by kind: of all that was read by one Load,
// and of its open end.
type Redactions struct{ All, Held map[string]int64 }

// Ingest is Load with an input and its batches only.
func (s *Store) Ingest(ctx context.Context, in Input, next func() (*traffic.Batch, error)) (Input, error) {
	return s.Load(ctx, Load{Input: in, Next: next})
}

// Load stores batches as one input, in one transaction: an error of Next other
// than io.EOF, a panic in it, a cancelled context or a failure of the database
// leave no trace. It returns the input as it is stored.
func (s *Store) Load(ctx context.Context, l Load) (Input, error) {
	in := l.Input
	src := &source{next: l.Next, kind: in.Kind, first: traffic.NoTime, last: traffic.NoTime}
	if in.Kind != "" && in.Kind != KindHTTP && in.Kind != KindFlows {
		return Input{}, fmt.Errorf("ingest %q: unknown kind %q", in.Name, in.Kind)
	}
	var out Input
	err := s.write(ctx, func(t *tx) (err error) {
		src.ctx = ctx
		old := Input{First: traffic.NoTime, Last: traffic.NoTime}
		if in.ID != 0 {
			if old, err = t.input(in.ID); err != nil {
				return err
			}
			if src.kind == "" {
				src.kind = old.Kind
			}
		} else if err := t.one("SELECT coalesce(max(id), 0) + 1 FROM inputs", &in.ID); err != nil {
			return err
		}
		src.input = in.ID
		if src.floor, err = t.floors(); err != nil {
			return err
		}
		if l.Replace != 0 {
			if err := t.forget(l.Replace); err != nil {
				return err
			}
		}
		if old.Held > 0 {
			if err := t.takeBack(&old); err != nil {
				return err
			}
		}
		if err := src.run(t); err != nil {
			return err
		}
		var red Redactions
		if l.Finish != nil {
			if err := l.Finish(&in, &red); err != nil {
				return err
			}
		}
		out = src.merge(old, in)
		if old.ID != 0 && old.Kind != out.Kind {
			return fmt.Errorf("input %d holds %s, not %s", old.ID, old.Kind, out.Kind)
		}
		if err := t.putRedactions(out.ID, red); err != nil {
			return err
		}
		return t.putInput(out, max(src.floor[out.Kind], src.seq-1))
	})
	if err != nil {
		return Input{}, fmt.Errorf("ingest %q: %w", in.Name, err)
	}
	return out, nil
}

// floors are the highest seq that was ever given out, by kind. A number is never
// given out twice, even if its row is gone: who has read up to it would miss the
// second row. So they are asked for before anything is deleted.
func (t *tx) floors() (map[string]int64, error) {
	var http, flows int64
	err := t.one(`SELECT greatest((SELECT coalesce(max(seq), 0) FROM requests), (SELECT coalesce(max(last_seq), 0) FROM inputs WHERE kind = 'http')),
		greatest((SELECT coalesce(max(seq), 0) FROM flows), (SELECT coalesce(max(last_seq), 0) FROM inputs WHERE kind = 'flows'))`, &http, &flows)
	return map[string]int64{KindHTTP: http, KindFlows: flows}, err
}

// forget deletes an input and all that came from it.
func (t *tx) forget(id int64) error {
	old, err := t.input(id)
	if err != nil {
		return err
	}
	if err := t.dropScores(old, 0); err != nil {
		return err
	}
	for _, table := range []string{"request_rows", "flows", "rejects", "redactions"} {
		if err := t.exec("DELETE FROM "+table+" WHERE input = ?", id); err != nil {
			return err
		}
	}
	return t.exec("DELETE FROM inputs WHERE id = ?", id)
}

// dropScores deletes the scores of the requests of an input behind a line. Other
// inputs may have the same name, so file and line alone do not tell.
func (t *tx) dropScores(in Input, line int64) error {
	return t.exec(`DELETE FROM scores WHERE file = decode(?) AND line > ? AND EXISTS (SELECT 1 FROM requests r
		WHERE r.input = ? AND r.line = scores.line AND r.time IS NOT DISTINCT FROM scores.time AND r.target = scores.target)`, blob(in.Name), line, in.ID)
}

// takeBack deletes what was made of the open end of an input, and counts it out.
func (t *tx) takeBack(in *Input) error {
	table := "request_rows"
	if in.Kind == KindFlows {
		table = "flows"
	}
	var parsed, rejected int64
	where := fmt.Sprintf(" WHERE input = %d AND line > %d", in.ID, in.ResumeLines)
	if err := t.one("SELECT (SELECT count(*) FROM "+table+where+"), (SELECT count(*) FROM rejects"+where+")", &parsed, &rejected); err != nil {
		return err
	}
	if err := t.dropScores(*in, in.ResumeLines); err != nil {
		return err
	}
	for _, q := range []string{"DELETE FROM " + table + where, "DELETE FROM rejects" + where} {
		if err := t.exec(q); err != nil {
			return err
		}
	}
	if err := t.exec("UPDATE redactions SET n = n - held, held = 0 WHERE input = ?", in.ID); err != nil {
		return err
	}
	in.Parsed -= parsed
	in.Rejected -= rejected
	in.Filtered -= in.Held - parsed - rejected
	in.Read -= in.Held
	return nil
}

func (t *tx) putRedactions(input int64, red Redactions) error {
	kinds := slices.Sorted(maps.Keys(red.All))
	for _, k := range kinds {
		var n int64
		if err := t.conn.QueryRowContext(t.ctx, "SELECT coalesce(sum(n), 0)::BIGINT FROM redactions WHERE input = ? AND kind = ?", input, k).Scan(&n); err != nil {
			return err
		}
		if err := t.exec("DELETE FROM redactions WHERE input = ? AND kind = ?", input, k); err != nil {
			return err
		}
		if err := t.exec("INSERT INTO redactions VALUES (?, ?, ?, ?)", input, k, n+red.All[k], red.Held[k]); err != nil {
			return err
		}
	}
	return nil
}

// Redactions returns the number of redacted values by kind, over all inputs.
func (s *Store) Redactions(ctx context.Context) (map[string]int64, error) {
	type count struct {
		kind string
		n    int64
	}
	list, err := rows(ctx, s, "SELECT kind, sum(n)::BIGINT FROM redactions GROUP BY kind ORDER BY kind", func(r rowScanner, c *count) error {
		return r.Scan(&c.kind, &c.n)
	})
	if err != nil {
		return nil, fmt.Errorf("read redactions: %w", err)
	}
	out := map[string]int64{}
	for _, c := range list {
		out[c.kind] = c.n
	}
	return out, nil
}

// source turns batches into Arrow records.
type source struct {
	ctx   context.Context
	next  func() (*traffic.Batch, error)
	input int64
	kind  string // "" until the first record
	eof   bool

	requests []traffic.Request // what is left of the last batch
	flows    []traffic.Flow
	rejects  []traffic.Reject // since the last insert
	held     int              // bytes of rejects

	seq         int64            // of the next row, 0 = not known yet
	floor       map[string]int64 // the highest that was ever given out, by kind
	first, last int64
	counts      struct{ parsed, rejected, filtered, lines, offset int64 }
}

// pull fetches the next batch that holds records. It returns false at the end
// of the input and when so many rejects wait that they must be stored first.
func (s *source) pull() (bool, error) {
	for len(s.requests)+len(s.flows) == 0 {
		if s.eof || len(s.rejects) >= rejectRows || s.held >= rejectBytes {
			return false, nil
		}
		if err := s.ctx.Err(); err != nil {
			return false, err
		}
		b, err := s.fetch()
		if errors.Is(err, io.EOF) {
			s.eof = true
		} else if err != nil {
			return false, err
		}
		if b == nil {
			continue
		}
		for i := range b.Rejects {
			s.held += len(b.Rejects[i].Raw) + len(b.Rejects[i].Reason)
		}
		s.rejects = append(s.rejects, b.Rejects...)
		s.counts.parsed += int64(b.Len())
		s.counts.rejected += int64(len(b.Rejects))
		s.counts.filtered += b.Filtered
		s.counts.lines = max(s.counts.lines, b.Line)
		s.counts.offset = max(s.counts.offset, b.Offset)
		for i := range b.Requests {
			s.span(b.Requests[i].Time)
		}
		for i := range b.Flows {
			s.span(b.Flows[i].Time)
		}
		kind := s.kind
		if len(b.Requests) > 0 {
			kind = KindHTTP
		}
		if len(b.Flows) > 0 {
			if len(b.Requests) > 0 {
				return false, errors.New("a batch holds requests and flows")
			}
			kind = KindFlows
		}
		if s.kind != "" && s.kind != kind {
			return false, fmt.Errorf("the input holds %s and %s", s.kind, kind)
		}
		s.kind, s.requests, s.flows = kind, b.Requests, b.Flows
	}
	return true, nil
}

// fetch calls next, outside DuckDB's threads too, and turns a panic into an
// error, so that the transaction is rolled back in good order.
func (s *source) fetch() (b *traffic.Batch, err error) {
	defer func() {
		if p := recover(); p != nil {
			b, err = nil, fmt.Errorf("panic while reading the input: %v", p)
		}
	}()
	return s.next()
}

func (s *source) span(t int64) {
	if !knownTime(t) {
		return
	}
	if s.first == traffic.NoTime || t < s.first {
		s.first = t
	}
	s.last = max(s.last, t)
}

// run inserts everything: a statement for the records, one for the rejects,
// and again if there are many rejects.
func (s *source) run(t *tx) error {
	for {
		more, err := s.pull() // the first batch says what the input holds
		if err != nil {
			return err
		}
		if more {
			if s.seq == 0 {
				s.seq = s.floor[s.kind] + 1
			}
			if s.kind == KindFlows {
				err = t.insertAhead("flows", flowSchema(), s.flowRecord)
			} else {
				b := newRequestBuilder()
				err = t.insertAhead("request_rows", b.schema, func() (arrow.Record, error) { return s.requestRecord(b) })
				b.release()
			}
			if err != nil {
				return err
			}
		}
		if err := t.putRejects(s.input, s.rejects); err != nil {
			return err
		}
		s.rejects, s.held = nil, 0
		if s.eof && len(s.requests)+len(s.flows) == 0 {
			return nil
		}
	}
}

// merge makes the input's row.
func (s *source) merge(old, in Input) Input {
	out := in
	out.Kind = s.kind
	if out.Kind == "" {
		out.Kind = KindHTTP // nothing but rejects, or nothing at all
	}
	out.Parsed = old.Parsed + s.counts.parsed
	out.Rejected = old.Rejected + s.counts.rejected
	out.Filtered = old.Filtered + s.counts.filtered
	out.Read = out.Parsed + out.Rejected + out.Filtered
	if out.Size == 0 {
		out.Size = max(old.Size, s.counts.offset)
	}
	if out.Lines == 0 {
		out.Lines = max(old.Lines, s.counts.lines)
	}
	for _, p := range []struct{ dst, old *string }{{&out.Name, &old.Name}, {&out.Format, &old.Format}, {&out.SHA256, &old.SHA256}, {&out.FirstLine, &old.FirstLine}} {
		if *p.dst == "" {
			*p.dst = *p.old
		}
	}
	if out.Held == 0 && out.ResumeOffset == 0 {
		out.ResumeOffset, out.ResumeLines = out.Size, out.Lines
	}
	out.Synthetic = in.Synthetic || old.Synthetic
	out.First, out.Last = s.first, max(s.last, old.Last)
	if old.First != traffic.NoTime && (out.First == traffic.NoTime || old.First < out.First) {
		out.First = old.First
	}
	return out
}

const inputColumns = "id, name, format, kind, sha256, size, first_line, lines, read, parsed, rejected, filtered, first_time, last_time, synthetic, resume_offset, resume_lines, held"

func scanInput(r rowScanner, in *Input) error {
	err := r.Scan(&in.ID, &in.Name, &in.Format, &in.Kind, &in.SHA256, &in.Size, &in.FirstLine, &in.Lines,
		&in.Read, &in.Parsed, &in.Rejected, &in.Filtered, (*micros)(&in.First), (*micros)(&in.Last), &in.Synthetic,
		&in.ResumeOffset, &in.ResumeLines, &in.Held)
	for _, p := range []*string{&in.Name, &in.Format, &in.FirstLine} {
		*p = decode(*p)
	}
	return err
}

// Inputs returns all inputs in the order of their ID.
func (s *Store) Inputs(ctx context.Context) ([]Input, error) {
	out, err := rows(ctx, s, "SELECT "+inputColumns+" FROM inputs ORDER BY id", scanInput)
	if err != nil {
		return nil, fmt.Errorf("read inputs: %w", err)
	}
	return out, nil
}

func (t *tx) input(id int64) (in Input, err error) {
	rs, err := t.conn.QueryContext(t.ctx, "SELECT "+inputColumns+" FROM inputs WHERE id = ?", id)
	if err != nil {
		return in, err
	}
	defer rs.Close()
	if !rs.Next() {
		return in, errors.Join(fmt.Errorf("no input %d in the database", id), rs.Err())
	}
	return in, scanInput(rs, &in)
}

func (t *tx) putInput(in Input, lastSeq int64) error {
	if err := t.exec("DELETE FROM inputs WHERE id = ?", in.ID); err != nil {
		return err
	}
	return t.exec("INSERT INTO inputs ("+inputColumns+", last_seq) VALUES (?, decode(?), decode(?), ?, ?, ?, decode(?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		in.ID, blob(in.Name), blob(in.Format), in.Kind, in.SHA256, in.Size, blob(in.FirstLine), in.Lines,
		in.Read, in.Parsed, in.Rejected, in.Filtered, timestamp(in.First), timestamp(in.Last), in.Synthetic,
		in.ResumeOffset, in.ResumeLines, in.Held, lastSeq)
}

// blob is the argument of decode(?) for any text: as a string it would end at
// its first NUL.
func blob(s string) []byte { return []byte(encode(s)) }

// newBuilder makes a builder in C's memory: DuckDB keeps pointers to it, which
// must not be Go's.
func newBuilder(schema *arrow.Schema) *builder {
	return &builder{RecordBuilder: array.NewRecordBuilder(mallocator.NewMallocator(), schema)}
}

func requestSchema() *arrow.Schema {
	i64, str := arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String
	fs := []arrow.Field{
		field("seq", i64), field("input", i64), field("line", i64), field("time", timeType()),
		field("status", arrow.PrimitiveTypes.Int32), field("bytes_in", i64), field("bytes_out", i64),
		field("latency", arrow.PrimitiveTypes.Float64), field("size", arrow.PrimitiveTypes.Int32),
		field("label", str), field("template", str),
	}
	for _, c := range requestText() {
		fs = append(fs, field(c.name, str))
	}
	return arrow.NewSchema(fs, nil)
}

// requestRecord makes the next record of table requests, nil at the end.
func (s *source) requestRecord(b *requestBuilder) (arrow.Record, error) {
	for b.n < requestRows && b.bytes < requestBytes {
		ok, err := s.pull()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		k := 0
		for k < len(s.requests) && b.n < requestRows && b.bytes < requestBytes {
			r := &s.requests[k]
			size := textSize(r)
			if size > rowBytes {
				return nil, fmt.Errorf("%s:%d: record of %d bytes", r.File, r.Line, size)
			}
			b.add(r, s.input, s.seq, size)
			s.seq++
			k++
		}
		s.requests = s.requests[k:]
	}
	return b.record(), nil
}

func flowSchema() *arrow.Schema {
	i64, str := arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String
	fs := []arrow.Field{field("seq", i64), field("input", i64), field("line", i64), field("time", timeType()), field("label", str), field("class", str)}
	for _, n := range flowColumns() {
		fs = append(fs, field(n, arrow.PrimitiveTypes.Float64))
	}
	return arrow.NewSchema(fs, nil)
}

// flowRecord makes the next record of table flows, nil at the end.
func (s *source) flowRecord() (arrow.Record, error) {
	var rows []traffic.Flow
	for len(rows) < flowRows {
		ok, err := s.pull()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		k := min(len(s.flows), flowRows-len(rows))
		rows = append(rows, s.flows[:k]...)
		s.flows = s.flows[k:]
	}
	if len(rows) == 0 {
		return nil, nil
	}
	b := newBuilder(flowSchema())
	defer b.Release()
	seq := s.seq
	int64s(b, rows, 0, func(*traffic.Flow) int64 { seq++; return seq - 1 })
	int64s(b, rows, 0, func(*traffic.Flow) int64 { return s.input })
	int64s(b, rows, math.MinInt64, func(f *traffic.Flow) int64 { return f.Line })
	times(b, rows, func(f *traffic.Flow) int64 { return f.Time })
	texts(b, rows, func(f *traffic.Flow) string { return f.Label.String() }, empty)
	texts(b, rows, func(f *traffic.Flow) string { return f.Class }, nil)
	for j := range traffic.NumFlowColumns {
		float64s(b, rows, func(f *traffic.Flow) float64 { return f.Values[j] })
	}
	s.seq = seq
	return b.NewRecord(), nil
}

// putRejects stores rejects, through Arrow like the records.
func (t *tx) putRejects(input int64, rejects []traffic.Reject) error {
	if len(rejects) == 0 {
		return nil
	}
	i64, str := arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String
	schema := arrow.NewSchema([]arrow.Field{field("input", i64), field("line", i64), field("byte_offset", i64), field("reason", str), field("raw", str)}, nil)
	return t.insert("rejects", schema, func() (arrow.Record, error) {
		n, bytes := 0, 0
		for n < len(rejects) && n < groupRows && bytes < groupBytes {
			bytes += len(rejects[n].Raw) + len(rejects[n].Reason)
			n++
		}
		if n == 0 {
			return nil, nil
		}
		rows := rejects[:n]
		rejects = rejects[n:]
		b := newBuilder(schema)
		defer b.Release()
		int64s(b, rows, 0, func(*traffic.Reject) int64 { return input })
		int64s(b, rows, math.MinInt64, func(r *traffic.Reject) int64 { return r.Line })
		int64s(b, rows, math.MinInt64, func(r *traffic.Reject) int64 { return r.Offset })
		texts(b, rows, func(r *traffic.Reject) string { return r.Reason }, nil)
		texts(b, rows, func(r *traffic.Reject) string { return r.Raw }, nil)
		return b.NewRecord(), nil
	})
}
