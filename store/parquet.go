package store

import (
	"bufio"
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/marcboeker/go-duckdb"
)

// CSVColumn is one column of a CSV file that apiml itself wrote.
type CSVColumn struct {
	Name string
	Type string // of DuckDB: VARCHAR, BIGINT, DOUBLE, TIMESTAMP, …
}

// CSVToParquet turns a CSV file with a header, quoted as in RFC 4180, into a
// Parquet file of mode 0644. rows is how many records the CSV has: another
// number in the result is an error, as is any record that does not fit. The file
// is complete or not there. An empty field becomes NULL. Text is encoded as in
// the store, since attacks hold bytes that are no UTF-8, and the file says so to
// ParquetText. DuckDB's own CSV reader would refuse these.
func CSVToParquet(ctx context.Context, csv, parquet string, columns []CSVColumn, rows int64) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %q: %w", parquet, err)
		}
	}()
	f, err := os.Open(csv)
	if err != nil {
		return err
	}
	defer f.Close()
	dir, err := os.MkdirTemp(filepath.Dir(parquet), ".apiml-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := open(ctx, Options{Path: filepath.Join(dir, "db"), Threads: 1}, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	var fields []arrow.Field
	var casts []string
	for _, c := range columns {
		fields = append(fields, field(c.Name, arrow.BinaryTypes.String))
		name := `"` + strings.ReplaceAll(c.Name, `"`, `""`) + `"`
		casts = append(casts, "CAST("+name+" AS "+c.Type+") AS "+name)
	}
	b := &csvBuilder{schema: arrow.NewSchema(fields, nil), in: bufio.NewReaderSize(f, 1<<20), cells: make([]textCells, len(columns)), mem: &recycler{}}
	defer b.mem.close()
	if _, err := b.record(1); err != nil && !errors.Is(err, io.EOF) { // the header
		return err
	}
	temp := filepath.Join(dir, "t.parquet")
	err = s.begin(ctx, "ROLLBACK", func(t *tx) error {
		const view = "apiml_csv"
		rd := &recordReader{ctx: ctx, schema: b.schema, pull: func() (arrow.Record, error) {
			rec, err := b.record(requestRows)
			if errors.Is(err, io.EOF) {
				return nil, nil
			}
			return rec, err
		}}
		err := t.conn.Raw(func(dc any) error {
			ar, err := duckdb.NewArrowFromConn(dc.(driver.Conn))
			if err != nil {
				return err
			}
			release, err := ar.RegisterView(rd, view)
			t.release = append(t.release, release)
			return err
		})
		if err != nil {
			return err
		}
		err = t.exec("COPY (SELECT " + strings.Join(casts, ", ") + " FROM " + view + ") TO " + quote(temp) + " (FORMAT parquet, COMPRESSION zstd, KV_METADATA {" + encodedKey + ": 'true'})")
		if rd.err != nil {
			return rd.err
		}
		return err
	})
	if err != nil {
		return err
	}
	if b.rows != rows {
		return fmt.Errorf("%d of %d records arrived", b.rows, rows)
	}
	if err := os.Chmod(temp, 0o644); err != nil {
		return err
	}
	if err := syncFile(temp); err != nil {
		return err
	}
	return os.Rename(temp, parquet)
}

// encodedKey marks a Parquet file whose text is encoded as in the store.
const encodedKey = "apiml_encoded"

// csvBuilder makes records of text of a CSV file.
type csvBuilder struct {
	schema *arrow.Schema
	in     *bufio.Reader
	line   int64 // lines read
	rows   int64 // records read, without the header
	header bool
	row    []byte // the record at hand
	field  []byte
	cells  []textCells
	mem    *recycler
}

// record reads up to n rows; io.EOF behind the last. The first row of all, the
// header, is read alone and gives no record.
func (b *csvBuilder) record(n int) (arrow.Record, error) {
	got, size := 0, 0
	for got < n && size < requestBytes {
		err := b.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if !b.header {
			b.header = true
			return nil, nil
		}
		if got == 0 {
			for k := range b.cells {
				b.cells[k].begin(b.mem, requestRows)
			}
		}
		size += len(b.row)
		if err := b.split(got); err != nil {
			return nil, fmt.Errorf("line %d: %w", b.line, err)
		}
		got++
		b.rows++
	}
	if got == 0 {
		return nil, io.EOF
	}
	cols := make([]arrow.Array, len(b.cells))
	for k := range b.cells {
		cols[k] = b.cells[k].array(b.mem, arrow.BinaryTypes.String, got)
	}
	rec := array.NewRecord(b.schema, cols, int64(got))
	for _, c := range cols {
		c.Release()
	}
	return rec, nil
}

// next reads the lines of the next record into row.
func (b *csvBuilder) next() error {
	b.row = b.row[:0]
	quotes := 0
	for {
		part, err := b.in.ReadSlice('\n')
		b.row = append(b.row, part...)
		quotes += bytes.Count(part, []byte{'"'})
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(b.row) == 0:
			return io.EOF
		case errors.Is(err, io.EOF) && quotes%2 == 1:
			return errors.New("a quoted field does not end")
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
		b.line++
		if quotes%2 == 0 {
			b.row = bytes.TrimSuffix(b.row, []byte{'\n'})
			return nil
		}
	}
}

// split puts the fields of row into row i of the cells.
func (b *csvBuilder) split(i int) error {
	rest, more := b.row, true
	for k := range b.cells {
		if !more {
			return fmt.Errorf("%d fields, want %d", k, len(b.cells))
		}
		var v []byte
		if len(rest) > 0 && rest[0] == '"' {
			b.field = b.field[:0]
			at := 1
			for {
				n := bytes.IndexByte(rest[at:], '"')
				if n < 0 {
					return errors.New("a quoted field does not end")
				}
				b.field = append(b.field, rest[at:at+n]...)
				at += n + 1
				if at == len(rest) || rest[at] != '"' {
					break
				}
				b.field = append(b.field, '"')
				at++
			}
			v = b.field
			if rest, more = rest[at:], at < len(rest); more {
				if rest[0] != ',' {
					return errors.New("text behind a quoted field")
				}
				rest = rest[1:]
			}
		} else {
			v, rest, more = bytes.Cut(rest, []byte{','})
		}
		if len(v) == 0 {
			b.cells[k].setIf(b.mem, i, "", false)
		} else {
			b.cells[k].set(b.mem, i, unsafe.String(unsafe.SliceData(v), len(v))) // which copies it
		}
	}
	if more {
		return fmt.Errorf("more than %d fields", len(b.cells))
	}
	return nil
}
