package traffic

// Batch is the unit in which records move: thousands of them, in input order.
// A batch holds requests or flows, never both. The receiver owns it; a
// producer does not touch a batch after it has handed it out.
type Batch struct {
	Requests []Request
	Flows    []Flow
	Rejects  []Reject

	// Lines read and lines left out on purpose (headers, comments, blank
	// lines, filters) by this batch. Read = records + rejects + Filtered,
	// always: for formats whose records span lines, Read counts records.
	Read, Filtered int64

	// Offset is the position in the decompressed input behind the last byte
	// that this batch accounts for; Line the number of the last line.
	Offset, Line int64
}

// Len is the number of records.
func (b *Batch) Len() int { return len(b.Requests) + len(b.Flows) }

// Reject is a piece of input that is no record of the format: kept, counted
// and explained, never dropped.
type Reject struct {
	File   string
	Line   int64 // from 1
	Offset int64 // byte offset of the line in the decompressed input
	Reason string
	Raw    string // redacted; at most the first 64 KiB
}
