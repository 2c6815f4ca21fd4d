package store

import (
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"apiml/traffic"
)

// textColumn maps a text column of table requests to the field of a Request,
// both ways.
type textColumn struct {
	name  string
	field func(*traffic.Request) *string
}

// requestText are the columns of requests that are one field each and NULL if
// it is empty. target and body, which may be empty, are among them: reading
// makes "" of NULL, and target is written without NULL.
func requestText() []textColumn {
	return []textColumn{
		{"method", func(r *traffic.Request) *string { return &r.Method }},
		{"host", func(r *traffic.Request) *string { return &r.Host }},
		{"target", func(r *traffic.Request) *string { return &r.Target }},
		{"protocol", func(r *traffic.Request) *string { return &r.Protocol }},
		{"client", func(r *traffic.Request) *string { return &r.Client }},
		{"forwarded", func(r *traffic.Request) *string { return &r.Forwarded }},
		{"user", func(r *traffic.Request) *string { return &r.User }},
		{"session", func(r *traffic.Request) *string { return &r.Session }},
		{"referrer", func(r *traffic.Request) *string { return &r.Referrer }},
		{"agent", func(r *traffic.Request) *string { return &r.Agent }},
		{"cache", func(r *traffic.Request) *string { return &r.Cache }},
		{"body", func(r *traffic.Request) *string { return &r.Body }},
	}
}

// field makes an Arrow column. A timestamp has no time zone: DuckDB would make
// a TIMESTAMP WITH TIME ZONE of it, which needs an extension.
func field(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

func timeType() arrow.DataType { return &arrow.TimestampType{Unit: arrow.Microsecond} }

// builder fills one record, column by column, in the order of its schema.
type builder struct {
	*array.RecordBuilder
	next int
}

func (b *builder) col() array.Builder {
	c := b.Field(b.next)
	b.next++
	return c
}

// int64s appends a BIGINT column; nullBelow turns smaller values into NULL.
func int64s[T any](b *builder, rows []T, nullBelow int64, f func(*T) int64) {
	c := b.col().(*array.Int64Builder)
	c.Reserve(len(rows))
	for i := range rows {
		if v := f(&rows[i]); v >= nullBelow {
			c.UnsafeAppend(v)
		} else {
			c.UnsafeAppendBoolToBitmap(false)
		}
	}
}

func int32s[T any](b *builder, rows []T, nullBelow int32, f func(*T) int32) {
	c := b.col().(*array.Int32Builder)
	c.Reserve(len(rows))
	for i := range rows {
		if v := f(&rows[i]); v >= nullBelow {
			c.UnsafeAppend(v)
		} else {
			c.UnsafeAppendBoolToBitmap(false)
		}
	}
}

// float64s appends a DOUBLE column; NaN is NULL.
func float64s[T any](b *builder, rows []T, f func(*T) float64) {
	c := b.col().(*array.Float64Builder)
	c.Reserve(len(rows))
	for i := range rows {
		if v := f(&rows[i]); !math.IsNaN(v) {
			c.UnsafeAppend(v)
		} else {
			c.UnsafeAppendBoolToBitmap(false)
		}
	}
}

func times[T any](b *builder, rows []T, f func(*T) int64) {
	c := b.col().(*array.TimestampBuilder)
	c.Reserve(len(rows))
	for i := range rows {
		if v := f(&rows[i]); knownTime(v) {
			c.UnsafeAppend(arrow.Timestamp(v))
		} else {
			c.UnsafeAppendBoolToBitmap(false)
		}
	}
}

func bools[T any](b *builder, rows []T, f func(*T) bool) {
	c := b.col().(*array.BooleanBuilder)
	c.Reserve(len(rows))
	for i := range rows {
		c.UnsafeAppend(f(&rows[i]))
	}
}

// texts appends a VARCHAR column, encoded; where null reports true, NULL. A nil
// null means never.
func texts[T any](b *builder, rows []T, f func(*T) string, null func(*T, string) bool) {
	c := b.col().(*array.StringBuilder)
	n := 0
	for i := range rows {
		n += len(f(&rows[i]))
	}
	c.Reserve(len(rows))
	c.ReserveData(n)
	if n == 0 && null != nil && len(rows) > 0 && null(&rows[0], "") { // most columns that a log has not got
		for i := range rows {
			if null(&rows[i], "") {
				c.AppendNull()
			} else {
				c.Append("")
			}
		}
		return
	}
	for i := range rows {
		s := f(&rows[i])
		if null != nil && null(&rows[i], s) {
			c.AppendNull()
		} else {
			c.Append(encode(s))
		}
	}
}

// empty is the null of texts for columns in which "" means unknown.
func empty[T any](_ *T, s string) bool { return s == "" }

// column reads one column of a record. Its text is copied out of C's memory
// once per record: the strings share that copy.
type column struct {
	arr  arrow.Array
	ints []int64
	i32s []int32
	f64s []float64
	ts   []arrow.Timestamp
	str  *array.String
	text string
	base int
	dec  bool // some text needs decoding
}

func readColumn(a arrow.Array) column {
	c := column{arr: a}
	switch a := a.(type) {
	case *array.Int64:
		c.ints = a.Int64Values()
	case *array.Int32:
		c.i32s = a.Int32Values()
	case *array.Float64:
		c.f64s = a.Float64Values()
	case *array.Timestamp:
		c.ts = a.TimestampValues()
	case *array.String:
		c.str, c.text, c.base = a, string(a.ValueBytes()), a.ValueOffset(0)
		c.dec = looksEscaped(c.text)
	}
	return c
}

func (c *column) isNull(i int) bool { return c.arr.IsNull(i) }

// string returns the decoded text of row i, "" for NULL.
func (c *column) string(i int) string {
	if c.arr.IsNull(i) {
		return ""
	}
	s := c.text[c.str.ValueOffset(i)-c.base : c.str.ValueOffset(i+1)-c.base]
	if c.dec {
		return decode(s)
	}
	return s
}

func (c *column) int64(i int, null int64) int64 {
	switch {
	case c.arr.IsNull(i):
		return null
	case c.ts != nil:
		return int64(c.ts[i])
	case c.i32s != nil:
		return int64(c.i32s[i])
	}
	return c.ints[i]
}

func (c *column) float64(i int, null float64) float64 {
	if c.arr.IsNull(i) {
		return null
	}
	return c.f64s[i]
}
