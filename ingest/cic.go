package ingest

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"apiml/datasets"
	"apiml/traffic"
)

// CIC-IDS2017 as CSV, in the many headers in which it circulates.

func cicFormat() format {
	return format{
		FormatInfo: FormatInfo{"cicids2017", "CIC-IDS2017 flow rows",
			"MachineLearningCSV, the 85-column form with addresses and time, CICFlowMeter's later names; at least 20 of the 77 feature columns"},
		open: openCIC,
	}
}

// cicMinColumns: some copies left columns out, the one that is most used kept 52,
// feature selections about 20. With fewer than this a table is hardly one of
// flows. Columns that a copy lacks are NaN, which models read as unknown.
const cicMinColumns = 20

const (
	cicSkip  = -1
	cicLabel = -2
	cicTime  = -3
)

type cicClass struct {
	class string
	label traffic.Label
}

type cicCSV struct {
	header  string
	columns []int // index into Flow.Values or one of the above
	fields  []string
	set     datasets.Set
	classes map[string]cicClass // by the label as it stands in the file
	missing []int               // values without a column
}

func openCIC(head string, _ *Options) (*decoder, error) {
	names, line := header(head)
	set, _ := datasets.Find("cicids2017")
	d := &cicCSV{header: line, set: set, classes: map[string]cicClass{}}
	at := map[string]int{}
	for i, n := range traffic.FlowColumns() {
		at[cicName(n)] = i
	}
	var have [traffic.NumFlowColumns]bool
	found, labels, numbered := 0, 0, 0
	for _, n := range names {
		col := cicSkip
		if len(n) > 1 && n[0] == 'x' && num(n[1:]) > 0 {
			numbered++
		}
		n = cicName(n)
		switch i, ok := at[n]; {
		case ok && !have[i]: // the second "Fwd Header Length" is a copy
			col, have[i] = i, true
			found++
		case (n == "label" || n == "attacktype") && labels == 0:
			col = cicLabel
			labels++
		case n == "timestamp":
			col = cicTime
		}
		d.columns = append(d.columns, col)
	}
	if found < cicMinColumns {
		err := fmt.Errorf("the header has %d of the %d feature columns of CIC-IDS2017; %d are needed", found, len(have), cicMinColumns)
		switch {
		case numbered >= 50:
			return nil, &nearMiss{fmt.Sprintf("the header numbers its columns (%d of them, X1, X2, …): the file does not say which feature of CIC-IDS2017 each is, nor which class its numbers are", numbered)}
		case found >= 5:
			return nil, &nearMiss{err.Error()}
		}
		return nil, err
	}
	for i, ok := range have {
		if !ok {
			d.missing = append(d.missing, i)
		}
	}
	note := ""
	if len(d.missing) > 0 {
		note = fmt.Sprintf("; the other %d are unknown", len(d.missing))
	}
	if labels == 0 {
		note += "; no column of labels"
	}
	return &decoder{
		split: splitRow(len(names)),
		flow:  d.flow,
		note:  note,
		sure:  fmt.Sprintf("the header names %d of the %d feature columns of CIC-IDS2017", found, len(have)),
	}, nil
}

// cicName brings the spellings of a column's name together: case, spaces,
// underscores and slashes do not matter, and the words of CICFlowMeter's later
// versions ("Tot Fwd Pkts", "Fwd Pkt Len Max", "Fwd Segment Size Avg") are those
// of the first. The result is a key, not a name.
func cicName(n string) string {
	n = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(n, bom)))
	for _, r := range [...][2]string{{"byts", "bytes"}, {"pkts", "packets"}, {"pkt", "packet"}, {"totlen", "total length of"}} {
		n = strings.ReplaceAll(n, r[0], r[1])
	}
	var words []string
	for w := range strings.FieldsFuncSeq(n, func(r rune) bool { return r < '0' || r > '9' && r < 'a' || r > 'z' }) {
		switch w {
		case "len":
			w = "length"
		case "tot":
			w = "total"
		case "backward":
			w = "bwd"
		case "forward":
			w = "fwd"
		case "cnt":
			w = "count"
		case "var":
			w = "variance"
		case "dst":
			w = "destination"
		case "seg":
			w = "segment"
		case "average":
			w = "avg"
		case "cwr":
			w = "cwe"
		case "flags":
			w = "flag"
		case "blk", "b": // "Fwd Byts/b Avg"
			w = "bulk"
		case "of":
			continue
		}
		words = append(words, w)
	}
	key := strings.Join(words, "")
	switch key {
	// Words that moved or were left out.
	case "totalfwdpacket":
		return "totalfwdpackets"
	case "totallengthfwdpacket":
		return "totallengthfwdpackets"
	case "totallengthbwdpacket":
		return "totallengthbwdpackets"
	case "packetlengthmin":
		return "minpacketlength"
	case "packetlengthmax":
		return "maxpacketlength"
	case "packetsizeavg":
		return "avgpacketsize"
	case "fwdsegmentsizeavg":
		return "avgfwdsegmentsize"
	case "bwdsegmentsizeavg":
		return "avgbwdsegmentsize"
	case "fwdbytesbulkavg":
		return "fwdavgbytesbulk"
	case "bwdbytesbulkavg":
		return "bwdavgbytesbulk"
	case "fwdpacketbulkavg", "fwdpacketsbulkavg":
		return "fwdavgpacketsbulk"
	case "bwdpacketbulkavg", "bwdpacketsbulkavg":
		return "bwdavgpacketsbulk"
	case "fwdbulkrateavg":
		return "fwdavgbulkrate"
	case "bwdbulkrateavg":
		return "bwdavgbulkrate"
	case "initfwdwinbytes", "fwdinitwinbytes":
		return "initwinbytesfwd"
	case "initbwdwinbytes", "bwdinitwinbytes":
		return "initwinbytesbwd"
	case "fwdactdatapackets":
		return "actdatapacketfwd"
	case "fwdsegmentsizemin":
		return "minsegmentsizefwd"
	}
	return key
}

func (d *cicCSV) flow(s string, f *traffic.Flow) string {
	var verdict string
	if d.fields, verdict = row(s, d.header, d.fields, len(d.columns)); verdict != "" {
		return verdict
	}
	for i, col := range d.columns {
		field := d.fields[i]
		switch col {
		case cicSkip:
		case cicLabel:
			c, ok := d.classes[field]
			if !ok {
				if c, ok = d.class(field); !ok {
					return fmt.Sprintf("unknown label %.100q", field)
				}
			}
			f.Class, f.Label = c.class, c.label
		case cicTime:
			// Some copies replaced the time by a number: then there is none.
			field = strings.TrimSpace(field)
			t, ok := parseClock12(field)
			if !ok {
				t, ok = parseISO(field)
			}
			if ok {
				f.Time = t
			}
		default:
			v, ok := flowValue(field)
			if !ok {
				return fmt.Sprintf("column %q is no number", traffic.FlowColumns()[col])
			}
			f.Values[col] = v
		}
	}
	for _, i := range d.missing {
		f.Values[i] = math.NaN()
	}
	return ""
}

// class looks a label up and remembers the answer.
func (d *cicCSV) class(field string) (cicClass, bool) {
	m, ok := d.set.Label(field)
	if !ok {
		return cicClass{}, false
	}
	l, err := traffic.ParseLabel(m.Type)
	if err != nil {
		return cicClass{}, false
	}
	c := cicClass{m.Original, l}
	if len(d.classes) < 1000 { // a hostile file could invent spellings without end
		d.classes[strings.Clone(field)] = c
	}
	return c, true
}

// flowValue reads a number; NaN for what is missing or not finite.
func flowValue(s string) (float64, bool) {
	// Most values are small integers.
	if n := len(s); n > 0 && n <= 15 {
		v := 0
		for i := 0; i < n; i++ {
			c := s[i] - '0'
			if c > 9 {
				v = -1
				break
			}
			v = v*10 + int(c)
		}
		if v >= 0 {
			return float64(v), true
		}
	}
	s = strings.TrimSpace(s)
	if s == "" {
		return math.NaN(), true
	}
	v, err := strconv.ParseFloat(s, 64) // knows inf, Infinity and NaN in any case
	if err != nil && !math.IsInf(v, 0) {
		return 0, false
	}
	if math.IsInf(v, 0) {
		v = math.NaN()
	}
	return v, true
}
