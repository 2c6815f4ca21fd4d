package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"apiml/traffic"
)

// table prints rows under a header, columns of numbers to the right. A header
// that begins with '>' marks such a column. Every cell is made safe for the
// terminal: this is the only place that prints a table.
func table(w io.Writer, header []string, rows [][]string) error {
	align := make([]tw.Align, len(header))
	head := make([]string, len(header))
	for i, h := range header {
		align[i] = tw.AlignLeft
		if rest, ok := strings.CutPrefix(h, ">"); ok {
			h, align[i] = rest, tw.AlignRight
		}
		head[i] = clean(h)
	}
	t := tablewriter.NewTable(w,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.Border{Left: tw.Off, Right: tw.Off, Top: tw.Off, Bottom: tw.Off},
			Symbols: tw.NewSymbols(tw.StyleLight),
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
				Lines:      tw.Lines{ShowHeaderLine: tw.On},
			},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignmentConfig(tw.CellAlignment{PerColumn: align}),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{PerColumn: align}),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
	)
	t.Header(head)
	for _, r := range rows {
		safe := make([]string, len(r))
		for i, c := range r {
			safe[i] = clean(c)
		}
		if err := t.Append(safe); err != nil {
			return fmt.Errorf("print table: %w", err)
		}
	}
	if err := t.Render(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	return nil
}

// count prints 1234567 as "1,234,567".
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		s = "-" + s
	}
	return s
}

// ratio prints a share with four decimals, "–" if it is not defined.
func ratio(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}

// figureOf prints the value of a metric: one in seconds with four digits that say
// something, however small it is.
func figureOf(metric string, v float64) string {
	a := math.Abs(v)
	if !slices.Contains([]string{"mae", "median_ae", "rmse"}, metric) && !strings.HasPrefix(metric, "pinball_") || !(a > 1e-9 && a < 0.1) {
		return ratio(v)
	}
	return strconv.FormatFloat(v, 'f', 3-int(math.Floor(math.Log10(a))), 64)
}

// percent prints a share as a percentage.
func percent(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return strconv.FormatFloat(100*v, 'f', 2, 64) + " %"
}

// seconds prints a duration in a fitting unit.
func seconds(v float64) string {
	switch {
	case math.IsNaN(v) || v < 0:
		return "–"
	case v < 1e-3:
		return strconv.FormatFloat(v*1e6, 'f', 0, 64) + " µs"
	case v < 1:
		return strconv.FormatFloat(v*1e3, 'f', 1, 64) + " ms"
	}
	return strconv.FormatFloat(v, 'f', 2, 64) + " s"
}

// when prints microseconds since the epoch, "–" for none.
func when(us int64) string {
	if us == traffic.NoTime {
		return "–"
	}
	return time.UnixMicro(us).UTC().Format("2006-01-02 15:04:05")
}
