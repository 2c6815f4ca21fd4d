package evaluate

import (
	"math"
	"slices"
)

// Drift compares a column in two periods.
type Drift struct {
	PSI       float64   `json:"psi"`
	Edges     []float64 `json:"edges"`     // inner bin edges: bin b holds Edges[b-1] < v ≤ Edges[b]
	Reference []int64   `json:"reference"` // rows per bin; the last bin counts the missing values
	Current   []int64   `json:"current"`
}

// Level names the size of the drift by the usual rule of thumb (Siddiqi 2006,
// "Credit Risk Scorecards"): below 0.1 "stable", below 0.25 "moderate", else
// "large"; "unknown" if a side has fewer than 100 rows: PSI is then mostly
// noise.
func (d Drift) Level() string {
	switch {
	case total(d.Reference) < 100 || total(d.Current) < 100:
		return "unknown"
	case d.PSI < 0.1:
		return "stable"
	case d.PSI < 0.25:
		return "moderate"
	}
	return "large"
}

func total(v []int64) (n int64) {
	for _, x := range v {
		n += x
	}
	return n
}

// PSI is the population stability index Σ (q−p)·ln(q/p) between the shares p of
// the reference and q of the current rows, over at most bins bins of about
// equal counts in the reference, and one bin for missing values (NaN). To keep
// an empty bin from making it infinite, half a row is added to every bin on both
// sides. NaN if a side has no rows.
func PSI(reference, current []float32, bins int) Drift {
	var d Drift
	ref := make([]float64, 0, len(reference))
	for _, v := range reference {
		if v == v {
			ref = append(ref, float64(v))
		}
	}
	slices.Sort(ref)
	for b := 1; b < bins && len(ref) > 0; b++ {
		e := ref[(b*len(ref)+bins-1)/bins-1] // smallest value with at least b/bins of the rows at or below it
		if len(d.Edges) == 0 && e == ref[0] {
			// The lowest value is a bin of its own, so that a column that never
			// varied shows a change in either direction.
			d.Edges = append(d.Edges, math.Nextafter(e, math.Inf(-1)))
		}
		if len(d.Edges) == 0 || e > d.Edges[len(d.Edges)-1] {
			d.Edges = append(d.Edges, e)
		}
	}
	tally := func(values []float32) []int64 {
		n := make([]int64, len(d.Edges)+2)
		for _, v := range values {
			if v != v {
				n[len(n)-1]++
				continue
			}
			b, _ := slices.BinarySearch(d.Edges, float64(v))
			n[b]++
		}
		return n
	}
	d.Reference, d.Current = tally(reference), tally(current)
	if len(reference) == 0 || len(current) == 0 {
		d.PSI = math.NaN()
		return d
	}
	m := float64(len(d.Reference))
	for b := range d.Reference {
		p := (float64(d.Reference[b]) + 0.5) / (float64(len(reference)) + 0.5*m)
		q := (float64(d.Current[b]) + 0.5) / (float64(len(current)) + 0.5*m)
		d.PSI += float64((q - p) * math.Log(q/p))
	}
	return d
}
