package ingest

import (
	"fmt"
	"strings"
)

// CSV as RFC 4180 has it, tolerant where that loses nothing: a quote inside an
// unquoted field is text, rows end in LF or CRLF. A quoted field may span
// lines. A stray quote must not swallow the rows behind it: if the row that it
// would make has not exactly the header's number of fields, its first line
// stands alone.

// splitRow is the split function of a CSV format with so many fields.
func splitRow(fields int) func(text string, eof bool) int {
	return func(text string, eof bool) int {
		n := splitLine(text, eof)
		if n == 0 || strings.IndexByte(text[:n], '"') < 0 {
			return n
		}
		end, count, state := scanRow(text[:min(len(text), maxUnit)], eof && len(text) <= maxUnit)
		switch {
		case state == rowWhole && (count == fields || end <= n):
			return end
		case state == rowOpen && !eof && len(text) <= maxUnit:
			return 0
		}
		return n
	}
}

const (
	rowWhole  = iota // ends at end
	rowOpen          // text ends inside
	rowBroken        // a quote is followed by something else than a comma
)

// scanRow walks the first row of text.
func scanRow(text string, eof bool) (end, fields, state int) {
	i := 0
	for {
		fields++
		if i < len(text) && text[i] == '"' {
			i++
			for {
				q := strings.IndexByte(text[i:], '"')
				if q < 0 {
					return 0, fields, rowOpen
				}
				i += q + 1
				if i < len(text) && text[i] == '"' {
					i++
					continue
				}
				break
			}
			if i == len(text) && !eof {
				return 0, fields, rowOpen // the other half of "" may follow
			}
			if i+1 < len(text) && text[i] == '\r' && text[i+1] == '\n' {
				i++
			}
			switch {
			case i == len(text) || text[i] == '\r' && i+1 == len(text):
				return len(text), fields, rowWhole
			case text[i] == '\n':
				return i + 1, fields, rowWhole
			case text[i] == ',':
				i++
				continue
			}
			return 0, fields, rowBroken
		}
		j := strings.IndexAny(text[i:], ",\n")
		if j < 0 {
			if eof {
				return len(text), fields, rowWhole
			}
			return 0, fields, rowOpen
		}
		i += j + 1
		if text[i-1] == '\n' {
			return i, fields, rowWhole
		}
	}
}

// splitFields appends the fields of one row, without its line end, to dst.
// Fields are substrings of row unless they hold doubled quotes. ok is false if
// a quoted field does not end where it should.
func splitFields(row string, dst []string) (_ []string, ok bool) {
	for {
		if row != "" && row[0] == '"' {
			i, doubled := 1, false
			for {
				q := strings.IndexByte(row[i:], '"')
				if q < 0 {
					return dst, false
				}
				i += q
				if i+1 < len(row) && row[i+1] == '"' {
					doubled = true
					i += 2
					continue
				}
				break
			}
			f := row[1:i]
			if doubled {
				f = strings.ReplaceAll(f, `""`, `"`)
			}
			dst = append(dst, f)
			row = row[i+1:]
			if row == "" {
				return dst, true
			}
			if row[0] != ',' {
				return dst, false
			}
			row = row[1:]
			continue
		}
		i := strings.IndexByte(row, ',')
		if i < 0 {
			return append(dst, row), true
		}
		dst = append(dst, row[:i])
		row = row[i+1:]
	}
}

// header returns the trimmed names of the first line of head, in lower case,
// and the line itself.
func header(head string) (names []string, line string) {
	line = firstLine(head)
	fields, ok := splitFields(line, nil)
	if !ok || len(line) > 64<<10 {
		return nil, line
	}
	for i, f := range fields {
		fields[i] = strings.ToLower(strings.TrimSpace(f))
	}
	return fields, line
}

// row splits a data row and checks its number of fields. It answers leftOut for
// the header, wherever it is repeated, and for rows of nothing but commas.
func row(s, headerLine string, fields []string, want int) ([]string, string) {
	if s == headerLine || strings.Trim(s, ", \t\r\n") == "" {
		return fields, leftOut
	}
	fields, ok := splitFields(s, fields[:0])
	if !ok {
		return fields, "a quoted field does not end"
	}
	if len(fields) != want {
		return fields, fmt.Sprintf("%d fields, the header has %d", len(fields), want)
	}
	return fields, ""
}
