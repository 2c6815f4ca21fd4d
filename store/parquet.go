package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// CSVColumn is one column of a CSV file that apiml itself wrote.
type CSVColumn struct {
	Name string
	Type string // of DuckDB: VARCHAR, BIGINT, DOUBLE, TIMESTAMP, …
}

// CSVToParquet turns a CSV file with a header, quoted as in RFC 4180, into a
// Parquet file of mode 0644. rows is how many records the CSV has: another
// number in the result is an error, as is any record that does not fit. It is
// for files that this program wrote: DuckDB's CSV reader loses records of
// those that it cannot read. The file is complete or not there. An empty field
// becomes NULL.
func CSVToParquet(ctx context.Context, csv, parquet string, columns []CSVColumn, rows int64) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %q: %w", parquet, err)
		}
	}()
	dir, err := os.MkdirTemp(filepath.Dir(parquet), ".apiml-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := open(ctx, Options{Path: filepath.Join(dir, "db")}, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	var types []string
	for _, c := range columns {
		types = append(types, quote(c.Name)+": "+quote(c.Type))
	}
	temp := filepath.Join(dir, "t.parquet")
	from := "read_csv(" + quote(csv) + ", auto_detect=false, header=true, delim=',', quote='\"', escape='\"', max_line_size=16777216, columns={" + strings.Join(types, ", ") + "})"
	done, err := s.db.ExecContext(ctx, "COPY (SELECT * FROM "+from+") TO "+quote(temp)+" (FORMAT parquet, COMPRESSION zstd)")
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil {
		return err
	} else if n != rows {
		return fmt.Errorf("%d of %d records arrived", n, rows)
	}
	if err := os.Chmod(temp, 0o644); err != nil {
		return err
	}
	if err := syncFile(temp); err != nil {
		return err
	}
	return os.Rename(temp, parquet)
}
