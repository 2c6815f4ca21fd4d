package store

import (
	"math"
	"math/bits"
	"sync"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/arrow/memory/mallocator"

	"apiml/traffic"
)

// Requests become Arrow columns row by row, while a row is in the cache: one
// copy of each text into C's memory, no collected rows, no closures.

// requestRows are the rows of an Arrow record at most. DuckDB makes its own row
// groups; small records stay in the cache and keep memory low.
const (
	requestRows  = 8 * 2048
	requestBytes = 8 << 20 // text per record at most, but for one row
	flowRows     = 8 * 2048
)

// requestBuilder fills one record of table requests after the other.
type requestBuilder struct {
	schema *arrow.Schema
	mem    *recycler
	n      int // rows
	bytes  int // of text

	seq, input, line, time, bytesIn, bytesOut numbers[int64]
	status, size                              numbers[int32]
	latency                                   numbers[float64]
	label, template                           textCells
	text                                      [12]textCells // in the order of requestText
}

func newRequestBuilder() *requestBuilder {
	return &requestBuilder{schema: requestSchema(), mem: &recycler{}}
}

// texts are the fields of r in the order of requestText.
func requestTexts(r *traffic.Request) [12]string {
	return [12]string{
		r.Method, r.Host, r.Target, r.Protocol, r.Client, r.Forwarded, r.User, r.Session, r.Referrer, r.Agent, r.Cache, r.Body,
	}
}

// Places in requestText of the two columns that have their own idea of NULL.
const (
	targetText = 2
	bodyText   = 11
)

func textSize(r *traffic.Request) int {
	return len(r.Method) + len(r.Host) + len(r.Target) + len(r.Protocol) + len(r.Client) + len(r.Forwarded) +
		len(r.User) + len(r.Session) + len(r.Referrer) + len(r.Agent) + len(r.Cache) + len(r.Body)
}

// add appends a row; size is its textSize.
func (b *requestBuilder) add(r *traffic.Request, input, seq int64, size int) {
	if b.n == 0 {
		b.begin()
	}
	i := b.n
	b.n++
	b.bytes += size
	b.seq.set(i, seq)
	b.input.set(i, input)
	b.line.set(i, r.Line)
	b.time.setIf(i, r.Time, knownTime(r.Time))
	b.status.setIf(i, r.Status, r.Status >= 1)
	b.bytesIn.setIf(i, r.BytesIn, r.BytesIn >= 0)
	b.bytesOut.setIf(i, r.BytesOut, r.BytesOut >= 0)
	b.latency.setIf(i, r.Latency, r.Latency >= 0 && r.Latency <= math.MaxFloat64)
	b.size.set(i, int32(size))
	b.label.setIf(b.mem, i, r.Label.String(), r.Label != traffic.Unlabelled)
	b.template.set(b.mem, i, traffic.Template(r.Method, r.Target))
	t := requestTexts(r)
	for k := range t {
		switch k {
		case targetText:
			b.text[k].set(b.mem, i, t[k])
		case bodyText:
			b.text[k].setIf(b.mem, i, t[k], r.HasBody)
		default:
			b.text[k].setIf(b.mem, i, t[k], t[k] != "")
		}
	}
}

func (b *requestBuilder) begin() {
	for _, c := range []*numbers[int64]{&b.seq, &b.input, &b.line, &b.time, &b.bytesIn, &b.bytesOut} {
		c.begin(b.mem, requestRows)
	}
	b.status.begin(b.mem, requestRows)
	b.size.begin(b.mem, requestRows)
	b.latency.begin(b.mem, requestRows)
	b.label.begin(b.mem, requestRows)
	b.template.begin(b.mem, requestRows)
	for k := range b.text {
		b.text[k].begin(b.mem, requestRows)
	}
}

// record hands out what was added, and starts anew; nil if there is nothing.
func (b *requestBuilder) record() arrow.Record {
	n := b.n
	if n == 0 {
		return nil
	}
	b.n, b.bytes = 0, 0
	f := b.schema.Fields()
	cols := make([]arrow.Array, 0, len(f))
	put := func(a arrow.Array) { cols = append(cols, a) }
	typ := func() arrow.DataType { return f[len(cols)].Type }
	put(b.seq.array(b.mem, typ(), n))
	put(b.input.array(b.mem, typ(), n))
	put(b.line.array(b.mem, typ(), n))
	put(b.time.array(b.mem, typ(), n))
	put(b.status.array(b.mem, typ(), n))
	put(b.bytesIn.array(b.mem, typ(), n))
	put(b.bytesOut.array(b.mem, typ(), n))
	put(b.latency.array(b.mem, typ(), n))
	put(b.size.array(b.mem, typ(), n))
	put(b.label.array(b.mem, typ(), n))
	put(b.template.array(b.mem, typ(), n))
	for k := range b.text {
		put(b.text[k].array(b.mem, typ(), n))
	}
	rec := array.NewRecord(b.schema, cols, int64(n))
	for _, c := range cols {
		c.Release()
	}
	return rec
}

// release frees what was added since the last record, and all that is kept for
// the next one.
func (b *requestBuilder) release() {
	if rec := b.record(); rec != nil {
		rec.Release()
	}
	b.mem.close()
}

// validity is a bitmap that exists from the first NULL on.
type validity struct {
	bits  []byte
	nulls int
}

func (v *validity) null(i int) {
	v.bits[i>>3] &^= 1 << (i & 7)
	v.nulls++
}

func (v *validity) begin(mem *recycler, rows int) {
	v.bits, v.nulls = mem.Allocate((rows+7)/8), 0
	for i := range v.bits {
		v.bits[i] = 0xff
	}
}

func (v *validity) buffer(mem *recycler) *memory.Buffer {
	b := v.bits
	v.bits = nil
	return memory.NewBufferWithAllocator(b, mem)
}

// numbers is a column of numbers.
type numbers[T int32 | int64 | float64] struct {
	valid validity
	raw   []byte
	v     []T
}

func (c *numbers[T]) begin(mem *recycler, rows int) {
	c.valid.begin(mem, rows)
	c.raw, c.v = castAlloc[T](mem, rows)
}

func (c *numbers[T]) set(i int, v T) { c.v[i] = v }

func (c *numbers[T]) setIf(i int, v T, known bool) {
	if !known {
		v = 0
		c.valid.null(i)
	}
	c.v[i] = v
}

func (c *numbers[T]) array(mem *recycler, t arrow.DataType, n int) arrow.Array {
	a := makeArray(t, n, c.valid.nulls, c.valid.buffer(mem), memory.NewBufferWithAllocator(c.raw, mem))
	c.raw, c.v = nil, nil
	return a
}

// textCells is a column of text, encoded.
type textCells struct {
	valid validity
	raw   []byte
	off   []int32
	data  []byte
	used  int
	last  int // bytes of the record before: what to begin with
}

func (c *textCells) begin(mem *recycler, rows int) {
	c.valid.begin(mem, rows)
	c.raw, c.off = castAlloc[int32](mem, rows+1)
	c.off[0], c.used = 0, 0
	c.data = mem.Allocate(max(c.last, 1))
}

func (c *textCells) setIf(mem *recycler, i int, s string, known bool) {
	if known {
		c.set(mem, i, s)
		return
	}
	c.valid.null(i)
	c.off[i+1] = int32(c.used)
}

func (c *textCells) set(mem *recycler, i int, s string) {
	if !asIs(s) {
		s = encode(s)
	}
	c.room(mem, len(s))
	c.used += copy(c.data[c.used:], s)
	c.off[i+1] = int32(c.used)
}

func (c *textCells) room(mem *recycler, n int) {
	if c.used+n > len(c.data) {
		bigger := mem.Allocate(c.used + n + max(c.used, 4096))
		copy(bigger, c.data[:c.used])
		mem.Free(c.data)
		c.data = bigger
	}
}

func (c *textCells) array(mem *recycler, t arrow.DataType, n int) arrow.Array {
	a := makeArray(t, n, c.valid.nulls, c.valid.buffer(mem), memory.NewBufferWithAllocator(c.raw, mem), memory.NewBufferWithAllocator(c.data, mem))
	c.last = c.used
	c.raw, c.off, c.data = nil, nil, nil
	return a
}

func makeArray(t arrow.DataType, n, nulls int, buffers ...*memory.Buffer) arrow.Array {
	d := array.NewData(t, n, buffers, nil, nulls, 0)
	defer d.Release()
	for _, b := range buffers {
		b.Release() // the data holds it
	}
	return array.MakeFromData(d)
}

// asIs reports whether s is ASCII without a backslash, which encode leaves as
// it is. Eight bytes at a time.
func asIs(s string) bool {
	const high, low = 0x8080808080808080, 0x0101010101010101
	bad := func(x uint64) uint64 {
		y := x ^ '\\'*low
		return (x | (y-low)&^y) & high
	}
	if len(s) < 8 {
		for i := 0; i < len(s); i++ {
			if s[i] >= 0x80 || s[i] == '\\' {
				return false
			}
		}
		return true
	}
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if bad(load64(s, i)) != 0 {
			return false
		}
	}
	return bad(load64(s, len(s)-8)) == 0
}

// load64 reads eight bytes of s; the compiler makes one load of it.
func load64(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// recycler is C's allocator, which DuckDB needs for what it keeps pointers to,
// with the blocks that came back kept for the next record: fresh ones would be
// zeroed page by page. Sizes are powers of two. It is safe for concurrent use.
type recycler struct {
	mallocator.Mallocator
	mu     sync.Mutex
	free   [48][][]byte // by the logarithm of their size
	closed bool
}

func sizeClass(n int) int { return max(bits.Len(uint(n-1)), 6) }

// Allocate returns n bytes of any content.
func (m *recycler) Allocate(n int) []byte {
	k := sizeClass(max(n, 1))
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.free[k]; len(f) > 0 {
		b := f[len(f)-1]
		m.free[k] = f[:len(f)-1]
		return b[:n]
	}
	return m.Mallocator.Allocate(1 << k)[:n]
}

// Free takes back what Allocate gave.
func (m *recycler) Free(b []byte) {
	b = b[:cap(b)]
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || len(b) > maxKept {
		m.Mallocator.Free(b)
		return
	}
	k := sizeClass(len(b))
	m.free[k] = append(m.free[k], b)
}

// maxKept is the largest block that is kept.
const maxKept = 16 << 20

// close frees what is kept, and from then on what comes back.
func (m *recycler) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for k, list := range m.free {
		for _, b := range list {
			m.Mallocator.Free(b)
		}
		m.free[k] = nil
	}
}

// castAlloc allocates room for n numbers.
func castAlloc[T int32 | int64 | float64](m *recycler, n int) (raw []byte, v []T) {
	var zero T
	raw = m.Allocate(n * int(unsafe.Sizeof(zero)))
	return raw, unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), n)
}
