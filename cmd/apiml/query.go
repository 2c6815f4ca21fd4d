package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"apiml/store"
)

func (a *app) queryCommand() *cobra.Command {
	var format, output string
	cmd := &cobra.Command{
		Use:   "query SQL",
		Short: "SQL over the store, read-only and shut off from files and network",
		Long: `Query runs one statement on the database, read-only: COPY, ATTACH, INSTALL,
read_csv and everything else that touches files or the configuration fails.
Tables: requests, flows, rejects, templates, inputs, scores, runs, metrics.
SQL - reads the statement from standard input.`,
		Example: `  apiml query "SELECT template, count(*) n FROM requests GROUP BY 1 ORDER BY n DESC LIMIT 10"
  apiml query "SELECT reason, count(*) FROM rejects GROUP BY 1 ORDER BY 2 DESC" --format csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			sql := args[0]
			if sql == "-" {
				b, err := io.ReadAll(io.LimitReader(a.in, 1<<20))
				if err != nil {
					return withCode(exitInput, err)
				}
				sql = string(b)
			}
			if a.flags.json {
				format = "json"
			}
			return a.query(sql, format, output)
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "table, csv, jsonl or json")
	cmd.Flags().StringVarP(&output, "output", "o", "-", "file to write, - = standard output")
	return cmd
}

func (a *app) query(sql, format, output string) error {
	switch format {
	case "table", "csv", "jsonl", "json":
	default:
		return usagef("--format %q: want table, csv, jsonl or json", format)
	}
	if _, err := os.Stat(a.cfg.DB); errors.Is(err, fs.ErrNotExist) {
		return inputf("%s: no such database: run `apiml ingest FILE` first, or name one with --db", a.cfg.DB)
	}
	st, err := store.OpenQuery(a.ctx, store.Options{Path: a.cfg.DB, MemoryLimit: storeMemory})
	if err != nil {
		return storeError(err)
	}
	defer st.Close()
	out, err := a.create(output, 0o600)
	if err != nil {
		return err
	}
	defer out.Abort()
	var (
		columns []string
		rows    [][]string
		objects = []json.RawMessage{}
		cw      = csv.NewWriter(out)
	)
	head := func(cols []string) error {
		columns = cols
		if format == "csv" {
			return cw.Write(cols)
		}
		return nil
	}
	err = st.Query(a.ctx, sql, head, func(row []any) error {
		cells := make([]string, len(row))
		switch format {
		case "csv":
			for i, v := range row {
				cells[i] = formulaGuard(sqlText(v, ""))
			}
			return cw.Write(cells)
		case "table":
			for i, v := range row {
				cells[i] = cell(sqlText(v, "NULL"), 100)
			}
			rows = append(rows, cells)
			return nil
		}
		b, err := sqlObject(columns, row)
		if err != nil {
			return err
		}
		if format == "json" {
			objects = append(objects, b)
			return nil
		}
		_, err = out.Write(append(b, '\n'))
		return err
	})
	if err != nil {
		return withCode(exitUsage, fmt.Errorf("query: %w", err))
	}
	switch format {
	case "csv":
		cw.Flush()
		if err := cw.Error(); err != nil {
			return err
		}
	case "json":
		if err := writeJSON(out, struct {
			jsonHead
			Columns []string          `json:"columns"`
			Rows    []json.RawMessage `json:"rows"`
		}{a.head("query"), columns, objects}); err != nil {
			return err
		}
	case "table":
		if err := table(out, columns, rows); err != nil {
			return err
		}
	}
	return out.Commit()
}

// sqlText prints a value of a result.
func sqlText(v any, null string) string {
	switch x := v.(type) {
	case nil:
		return null
	case time.Time:
		return x.UTC().Format("2006-01-02 15:04:05.999999")
	case []byte:
		return string(x)
	case fmt.Stringer:
		return x.String()
	}
	return fmt.Sprint(v)
}

// sqlObject marshals a row with its columns in the order of the query.
func sqlObject(cols []string, row []any) ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range row {
		if i > 0 {
			b.WriteByte(',')
		}
		k, err := json.Marshal(cols[i])
		if err != nil {
			return nil, err
		}
		b.Write(k)
		b.WriteByte(':')
		switch x := v.(type) {
		case float64:
			if math.IsNaN(x) || math.IsInf(x, 0) {
				v = nil
			}
		case float32:
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				v = nil
			}
		case time.Time, []byte:
			v = sqlText(v, "")
		}
		j, err := json.Marshal(v)
		if err != nil {
			j, err = json.Marshal(sqlText(v, ""))
			if err != nil {
				return nil, err
			}
		}
		b.Write(j)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}
