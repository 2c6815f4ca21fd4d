package train

import (
	"math"

	"apiml/frame"
)

// What drift compares where there are no rows of features: steps of a series,
// accesses to a cache. The columns do not depend on how long the log is.

const hours = 24

// HourShape is the mean of each hour of the day (UTC) in means of all steps; 1
// where an hour has no step, nil without any.
func HourShape(s frame.Series) []float64 {
	var sum, n [hours]float64
	var all, count float64
	for i, v := range s.Values {
		if v == v {
			h := hourOf(s, i)
			sum[h] += v
			n[h]++
			all += v
			count++
		}
	}
	if all == 0 {
		return nil
	}
	shape := make([]float64, hours)
	for h := range shape {
		shape[h] = 1
		if n[h] > 0 {
			shape[h] = sum[h] / n[h] / (all / count)
		}
	}
	return shape
}

func hourOf(s frame.Series, i int) int {
	t := (s.Start + int64(i)*s.Step) / 3_600_000_000 % hours
	return int((t + hours) % hours)
}

// SeriesRows makes a row of every step: its value, and how far it lies from the
// mean of these steps in the usual shape of a day, as a logarithm. The first
// moves with the level, the second with the course of the day and with what the
// steps scatter.
func SeriesRows(s frame.Series, shape []float64) *frame.Matrix {
	x := frame.NewMatrix(&frame.Schema{Name: "series", Columns: []frame.Column{
		{Name: "level", Unit: "requests", Doc: "requests in a step"},
		{Name: "course_of_day", Doc: "logarithm of a step against the mean in the shape of the day"},
	}}, len(s.Values))
	var sum float64
	n := 0
	for _, v := range s.Values {
		if v == v {
			sum += v
			n++
		}
	}
	mean := sum / math.Max(float64(n), 1)
	for i, v := range s.Values {
		usual := mean
		if shape != nil {
			usual *= shape[hourOf(s, i)]
		}
		x.Cols[0][i], x.Cols[1][i] = float32(v), float32(math.Log1p(v)-math.Log1p(usual))
	}
	return x
}

// TraceBlock is the number of accesses within which TraceRows looks for the one
// before: a longer log must not look as if more came back.
const TraceBlock = 2000

// TraceRows makes a row of every access: how many accesses ago the same object
// was asked for, as a logarithm to base 2, missing where not within its block of
// TraceBlock accesses; and its bytes, missing where not known. What does not fill
// a block is left out.
func TraceRows(t *frame.Trace) *frame.Matrix {
	n := len(t.Keys) / TraceBlock * TraceBlock
	x := frame.NewMatrix(&frame.Schema{Name: "accesses", Columns: []frame.Column{
		{Name: "reuse", Unit: "log2 accesses", Doc: "accesses since the last for the same object"},
		{Name: "bytes", Unit: "bytes", Doc: "size of the object"},
	}}, n)
	last := map[int32]int{}
	for i := range n {
		if i%TraceBlock == 0 {
			clear(last)
		}
		x.Cols[0][i], x.Cols[1][i] = float32(math.NaN()), float32(math.NaN())
		if at, ok := last[t.Keys[i]]; ok {
			x.Cols[0][i] = float32(math.Log2(float64(i - at)))
		}
		last[t.Keys[i]] = i
		if t.Sizes != nil && t.Sizes[i] > 0 {
			x.Cols[1][i] = float32(t.Sizes[i])
		}
	}
	return x
}
