package features

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"

	"apiml/frame"
	"apiml/traffic"
)

// What is known of a request before it is served, for the prediction of its
// latency. Nothing of the answer is a column: not the status, the bytes sent,
// the cache status, the own latency, nor anything of requests that were still
// running.
//
// The clock is the start of a request: log time − latency, because servers log
// when they have answered. Where all log times are whole seconds (or whole
// milliseconds) starts are rounded down to that tick, and only what lies in an
// earlier tick counts: otherwise the order of starts inside a tick would be the
// order of latencies, and the windows would give the target away. Records
// without a latency are no rows; they count in the windows at their log time.
//
// A template here is method and folded path. Its target encoding (Micci-Barreca,
// "A preprocessing scheme for high-cardinality categorical attributes", 2001) is
// the fitted LatencyState; training rows get theirs from the four fifths of the
// training rows that they do not stand in, or the model would trust it blindly.
//
// Cost: O(n log n) time and about 400 bytes per record.

// The columns, in order.
const (
	lMethod = iota
	lPayload
	lDepth
	lParameters
	lBody
	lHourSin
	lHourCos
	lDaySin
	lDayCos
	lRate1s
	lRate10s
	lRate60s
	lRate10m
	lTemplateRate1s
	lTemplateRate10s
	lTemplateRate60s
	lTemplateRate10m
	lInFlight
	lTemplateInFlight
	lRecent
	lMean1m
	lMean10m
	lErrors
	lTemplateRecent
	lTemplateMean1m
	lTemplateMean10m
	lTemplateErrors
	lPrincipalRate1s
	lPrincipalRate10s
	lPrincipalRate60s
	lPrincipalRate10m
	lPrincipalInFlight
	lPrincipalRecent
	lPrincipalMean1m
	lPrincipalMean10m
	lPrincipalErrors
	lEncodedMean
	lEncodedMedian
	lEncodedCount
	numLatency
)

const lEncoded = lEncodedMean // this column and those behind it come from the state

const (
	// lnUnit: latencies enter as ln(1 + latency/100 µs), because logs that count
	// in milliseconds hold many zeros.
	lnUnit = 1e-4
	// recentRequests is how many finished requests "recent" looks back.
	recentRequests = 8
	// shrinkage is how many rows the global figure weighs in a template's.
	shrinkage = 10
	// maxLatencyTemplates is how many templates a state keeps: the most frequent.
	maxLatencyTemplates = 65_536
	hoursOfWeek         = 168
)

func latencyColumns() []frame.Column {
	const ln, n = "ln(1+100 µs)", "ln(1+n)"
	return []frame.Column{
		lMethod:            {Name: "method", Doc: "0 GET, 1 HEAD, 2 OPTIONS, 3 POST, 4 PUT, 5 PATCH, 6 DELETE, 7 other, 8 unknown"},
		lPayload:           {Name: "payload_size", Unit: "ln(1+bytes)", Doc: "bytes that the client sends: they have to be read"},
		lDepth:             {Name: "path_depth", Doc: "segments of the path"},
		lParameters:        {Name: "parameters", Unit: n, Doc: "parameters of the query: filters and pages cost"},
		lBody:              {Name: "has_body", Doc: "1 if there is a body, NaN if unknown"},
		lHourSin:           {Name: "hour_sin", Doc: "hour of the day in UTC on a circle"},
		lHourCos:           {Name: "hour_cos", Doc: "the other coordinate"},
		lDaySin:            {Name: "day_sin", Doc: "day of the week in UTC on a circle"},
		lDayCos:            {Name: "day_cos", Doc: "the other coordinate"},
		lRate1s:            {Name: "requests_1s", Unit: n, Doc: "requests that began in the last second: load"},
		lRate10s:           {Name: "requests_10s", Unit: n, Doc: "the same in 10 s"},
		lRate60s:           {Name: "requests_60s", Unit: n, Doc: "the same in a minute"},
		lRate10m:           {Name: "requests_10m", Unit: n, Doc: "the same in ten minutes"},
		lTemplateRate1s:    {Name: "template_requests_1s", Unit: n, Doc: "requests of this template in the last second"},
		lTemplateRate10s:   {Name: "template_requests_10s", Unit: n, Doc: "the same in 10 s"},
		lTemplateRate60s:   {Name: "template_requests_60s", Unit: n, Doc: "the same in a minute: what is asked often is warm"},
		lTemplateRate10m:   {Name: "template_requests_10m", Unit: n, Doc: "the same in ten minutes"},
		lInFlight:          {Name: "in_flight", Unit: n, Doc: "requests begun and not answered: the queue"},
		lTemplateInFlight:  {Name: "template_in_flight", Unit: n, Doc: "those of this template"},
		lRecent:            {Name: "recent_latency", Unit: ln, Doc: "mean of the last 8 answered requests"},
		lMean1m:            {Name: "latency_1m", Unit: ln, Doc: "mean of the answered ones, decayed over 1 min"},
		lMean10m:           {Name: "latency_10m", Unit: ln, Doc: "the same over 10 min"},
		lErrors:            {Name: "errors_10m", Unit: "1", Doc: "share of answers with status 500 or more, decayed over 10 min"},
		lTemplateRecent:    {Name: "template_recent_latency", Unit: ln, Doc: "mean of the last 8 answered requests of this template"},
		lTemplateMean1m:    {Name: "template_latency_1m", Unit: ln, Doc: "mean of the answered ones of this template, decayed over 1 min"},
		lTemplateMean10m:   {Name: "template_latency_10m", Unit: ln, Doc: "the same over 10 min"},
		lTemplateErrors:    {Name: "template_errors_10m", Unit: "1", Doc: "share of this template's answers with status 500 or more, decayed over 10 min"},
		lPrincipalRate1s:   {Name: "principal_requests_1s", Unit: n, Doc: "requests of this principal in the last second"},
		lPrincipalRate10s:  {Name: "principal_requests_10s", Unit: n, Doc: "the same in 10 s"},
		lPrincipalRate60s:  {Name: "principal_requests_60s", Unit: n, Doc: "the same in a minute: who asks often has a warm session, or is throttled"},
		lPrincipalRate10m:  {Name: "principal_requests_10m", Unit: n, Doc: "the same in ten minutes"},
		lPrincipalInFlight: {Name: "principal_in_flight", Unit: n, Doc: "those begun and not answered: clients that ask in parallel"},
		lPrincipalRecent:   {Name: "principal_recent_latency", Unit: ln, Doc: "mean of the last 8 answered requests of this principal: its network, the size of its data"},
		lPrincipalMean1m:   {Name: "principal_latency_1m", Unit: ln, Doc: "mean of the answered ones of this principal, decayed over 1 min"},
		lPrincipalMean10m:  {Name: "principal_latency_10m", Unit: ln, Doc: "the same over 10 min"},
		lPrincipalErrors:   {Name: "principal_errors_10m", Unit: "1", Doc: "share of this principal's answers with status 500 or more, decayed over 10 min"},
		lEncodedMean:       {Name: "template_mean", Unit: ln, Doc: "mean latency of the template in the training rows, shrunk to that of all"},
		lEncodedMedian:     {Name: "template_median", Unit: ln, Doc: "median latency of the template in the training rows, shrunk to that of all"},
		lEncodedCount:      {Name: "template_count", Unit: n, Doc: "training rows of the template"},
	}
}

// LatencySchema names the columns of rows made with s.
func LatencySchema(s *LatencyState) *frame.Schema {
	return &frame.Schema{Name: "latency", State: s.ID(), Columns: latencyColumns()}
}

// LatencyConfig of a LatencyBuilder. The zero value is the default.
type LatencyConfig struct{}

// LatencyBuilder collects records for a LatencyDataset. It keeps no text.
type LatencyBuilder struct {
	records []latencyRecord
	done    bool
}

// latencyRecord is what is kept of a request.
type latencyRecord struct {
	start, end int64 // µs; equal without a latency
	latency    float64
	template   uint64
	group      uint64
	hash       uint64
	payload    float32
	depth      float32
	parameters float32
	method     uint8
	body       uint8 // 0 no, 1 yes, 2 unknown
	row        bool
	failed     bool  // status ≥ 500
	answered   bool  // status known
	number     int32 // of the template
	principal  int32 // number of the principal; −1 = it has no other record
}

// NewLatencyBuilder returns an empty builder.
func NewLatencyBuilder(LatencyConfig) *LatencyBuilder { return &LatencyBuilder{} }

// Add takes in records, in any order; those without a time are left out.
func (b *LatencyBuilder) Add(reqs []traffic.Request) {
	for i := range reqs {
		r := &reqs[i]
		if !r.HasTime() || r.Time < -maxMicros || r.Time > maxMicros {
			continue
		}
		q := LatencyQuery{Method: r.Method, Endpoint: r.Target, PayloadSize: r.BytesIn}
		rec := latencyRecord{end: r.Time, start: r.Time, template: LatencyTemplate(r.Method, r.Target), hash: RowHash(r),
			failed: r.Status >= 500, answered: r.Status > 0}
		rec.payload, rec.depth, rec.parameters, rec.method = q.static()
		switch {
		case r.HasBody && r.Body != "":
			rec.body = 1
		case r.HasBody:
		default:
			rec.body = impliedBody(r.BytesIn, rec.method)
		}
		if rec.group = principal(r, hashOf(r.Agent, 14)); rec.group == 0 {
			rec.group = rec.hash
		}
		if r.Latency >= 0 && r.Latency <= 1e9 {
			rec.row, rec.latency = true, r.Latency
			rec.start = r.Time - int64(math.Round(r.Latency*second))
		}
		b.records = append(b.records, rec)
	}
}

// maxMicros: times beyond ±2·10¹⁸ µs would overflow when latencies are taken off.
const maxMicros = 2e18

// impliedBody guesses whether there is a body: 0 no, 1 yes, 2 unknown.
func impliedBody(bytes int64, method uint8) uint8 {
	switch {
	case method == 0 || method == 1 || method == 2:
		return 0
	case bytes > 0:
		return 1
	case bytes == 0:
		return 0
	}
	return 2
}

// LatencyTemplate is the identity of a template: a hash of method and folded
// path.
func LatencyTemplate(method, target string) uint64 {
	return mix(hashOf(method, 41), hashOf(traffic.Template(method, target), 42))
}

// lnLatency is the scale on which latencies enter.
func lnLatency(seconds float64) float64 { return math.Log1p(max(seconds, 0) / lnUnit) }

// LatencyDataset is the training material: one row per request with a latency,
// in order of its start. It is read-only and safe for concurrent use.
type LatencyDataset struct {
	X        *frame.Matrix // all columns; those of the template encoding are NaN: Fold fills them in
	Rows     int
	Target   []float64 // latency in seconds
	Times    []int64   // start, µs UTC
	Groups   []uint64  // principal; without one, Hash
	Hash     []uint64  // identity of a row, as RowHash has it
	Template []uint64  // LatencyTemplate
	Records  int       // records that count in the windows, those without a latency too
	Tick     int64     // µs: what the log's clock counts in (1, 1000 or 1000000)

	starts []int64 // of all records, ascending
}

// Dataset ends the building and returns the rows. It fails if no record has a
// time and a latency. The builder cannot be used again.
func (b *LatencyBuilder) Dataset() (*LatencyDataset, error) {
	if b.done {
		return nil, fmt.Errorf("features: Dataset called twice")
	}
	b.done = true
	recs := b.records
	b.records = nil
	rows := 0
	tick := int64(second)
	for i := range recs {
		if recs[i].row {
			rows++
		}
		for tick > 1 && recs[i].end%tick != 0 {
			tick /= 1000
		}
	}
	if rows == 0 {
		return nil, fmt.Errorf("features: none of %d records has a time and a latency; log the request time (nginx: $request_time, Apache: %%D) or give another log", len(recs))
	}
	if len(recs) > math.MaxInt32 {
		return nil, fmt.Errorf("features: %d records, at most %d are possible", len(recs), math.MaxInt32)
	}
	if tick > 1 {
		for i := range recs {
			recs[i].start = floorTo(recs[i].start, tick)
		}
	}
	slices.SortStableFunc(recs, func(a, b latencyRecord) int {
		if a.start != b.start {
			return cmp.Compare(a.start, b.start)
		}
		if a.end != b.end {
			return cmp.Compare(a.end, b.end)
		}
		return cmp.Compare(a.hash, b.hash)
	})
	d := &LatencyDataset{Rows: rows, Records: len(recs), Tick: tick, starts: make([]int64, len(recs)),
		Target: make([]float64, 0, rows), Times: make([]int64, 0, rows), Groups: make([]uint64, 0, rows),
		Hash: make([]uint64, 0, rows), Template: make([]uint64, 0, rows)}
	// Templates and principals get dense numbers, in order of appearance. A
	// principal with one record has no history and needs none.
	number := map[uint64]int32{}
	principals := map[uint64]int32{}
	count := make(map[uint64]int32, len(recs))
	for i := range recs {
		count[recs[i].group]++
	}
	for i := range recs {
		r := &recs[i]
		n, ok := number[r.template]
		if !ok {
			n = int32(len(number))
			number[r.template] = n
		}
		r.number = n
		r.principal = -1
		if count[r.group] > 1 {
			if n, ok = principals[r.group]; !ok {
				n = int32(len(principals))
				principals[r.group] = n
			}
			r.principal = n
		}
		d.starts[i] = r.start
		if r.row {
			d.Target = append(d.Target, r.latency)
			d.Times = append(d.Times, r.start)
			d.Groups = append(d.Groups, r.group)
			d.Hash = append(d.Hash, r.hash)
			d.Template = append(d.Template, r.template)
		}
	}
	x := frame.NewMatrix(&frame.Schema{Name: "latency", Columns: latencyColumns()}, rows)
	x.Target, x.Time, x.Group = d.Target, d.Times, d.Groups
	d.X = x
	sweepLatency(x, recs, len(number), len(principals))
	return d, nil
}

func floorTo(t, tick int64) int64 {
	m := t % tick
	if m < 0 {
		m += tick
	}
	return t - m
}

// latencyWindows lists the windows of the request counts in µs.
func latencyWindows() [4]int64 { return [4]int64{second, 10 * second, minute, 10 * minute} }

// arrivals counts what began in the windows before a time: positions in the
// ordered list of starts.
type arrivals struct {
	list  []int64 // ascending
	first [4]int  // first inside each window
	now   int     // first that is not before the time
}

// at moves on to t and writes ln(1+n) of the starts in [t−w, t).
func (a *arrivals) at(dst []float32, t int64) {
	for a.now < len(a.list) && a.list[a.now] < t {
		a.now++
	}
	for k, w := range latencyWindows() {
		for a.first[k] < a.now && a.list[a.first[k]] < t-w {
			a.first[k]++
		}
		dst[k] = ln1p(a.now - a.first[k])
	}
}

// answers is what is known of requests that have finished.
type answers struct {
	last     int64
	seen     bool // last is valid
	finished int  // rows only: they are what can be in flight
	ring     [recentRequests]float64
	n        int
	sum, w   [2]float64 // decayed over 1 and 10 min
	failed   float64    // decayed over 10 min
	statuses float64
}

// forward lets time pass.
func (a *answers) forward(t int64) {
	if a.seen && t > a.last {
		dt := float64(t-a.last) / second
		fast, slow := decay(dt, 60), decay(dt, 600)
		a.sum[0] *= fast
		a.w[0] *= fast
		a.sum[1] *= slow
		a.w[1] *= slow
		a.failed *= slow
		a.statuses *= slow
	}
	a.last, a.seen = t, true
}

func (a *answers) finish(r *latencyRecord) {
	a.forward(r.end)
	if r.row {
		a.finished++
		v := lnLatency(r.latency)
		a.ring[a.n%recentRequests] = v
		a.n++
		for k := range a.sum {
			a.sum[k] += v
			a.w[k]++
		}
	}
	if r.answered {
		a.statuses++
		if r.failed {
			a.failed++
		}
	}
}

// columns writes recent, the two means and the share of errors at time t.
func (a *answers) columns(dst []float32, t int64) {
	for i := range dst {
		dst[i] = nan32()
	}
	if a.n > 0 {
		n := min(a.n, recentRequests)
		sum := 0.0
		for _, v := range a.ring[:n] {
			sum += v
		}
		dst[0] = float32(sum / float64(n))
	}
	for k := range a.sum {
		if a.w[k] > 1e-9 { // the mean does not change while nothing happens
			dst[1+k] = float32(a.sum[k] / a.w[k])
		}
	}
	if a.seen {
		share := decay(float64(t-a.last)/second, 600)
		dst[3] = float32(a.failed * share / (float64(a.statuses*share) + 2))
	}
}

// history is what is known of the requests of each template or principal.
type history struct {
	of       func(*latencyRecord) int32 // whose a record is, −1 = nobody's
	arrivals []arrivals
	answers  []answers
	begun    []int // rows that began before the tick
}

// newHistory lays the starts of each one together in one slice.
func newHistory(recs []latencyRecord, n int, of func(*latencyRecord) int32) *history {
	h := &history{of: of, arrivals: make([]arrivals, n), answers: make([]answers, n), begun: make([]int, n)}
	first := make([]int, n+1)
	for i := range recs {
		if k := of(&recs[i]); k >= 0 {
			first[k+1]++
		}
	}
	for k := 1; k <= n; k++ {
		first[k] += first[k-1]
	}
	buf := make([]int64, first[n])
	at := slices.Clone(first)
	for i := range recs {
		if k := of(&recs[i]); k >= 0 {
			buf[at[k]] = recs[i].start
			at[k]++
		}
	}
	for k := range h.arrivals {
		h.arrivals[k].list = buf[first[k]:first[k+1]]
	}
	return h
}

func (h *history) begin(r *latencyRecord) {
	if k := h.of(r); k >= 0 {
		h.begun[k]++
	}
}

func (h *history) finish(r *latencyRecord) {
	if k := h.of(r); k >= 0 {
		h.answers[k].finish(r)
	}
}

// columns writes the rates in the four windows, the requests in flight and the
// four columns of answers, at the start of r.
func (h *history) columns(rates []float32, inFlight *float32, known []float32, r *latencyRecord) {
	k := h.of(r)
	if k < 0 {
		clear(rates[:4])
		*inFlight = 0
		for i := range known[:4] {
			known[i] = nan32()
		}
		return
	}
	h.arrivals[k].at(rates, r.start)
	*inFlight = ln1p(max(0, h.begun[k]-h.answers[k].finished))
	h.answers[k].columns(known[:4], r.start)
}

// sweepLatency writes all columns but those of the state. recs ascend by start.
func sweepLatency(x *frame.Matrix, recs []latencyRecord, templates, principals int) {
	byEnd := make([]int32, len(recs))
	for i := range recs {
		byEnd[i] = int32(i)
	}
	slices.SortStableFunc(byEnd, func(a, b int32) int { return cmp.Compare(recs[a].end, recs[b].end) })
	all := newHistory(recs, 1, func(*latencyRecord) int32 { return 0 })
	template := newHistory(recs, templates, func(r *latencyRecord) int32 { return r.number })
	principal := newHistory(recs, principals, func(r *latencyRecord) int32 { return r.principal })
	entered, done := 0, 0
	var row [numLatency]float32
	out := 0
	for i := range recs {
		r := &recs[i]
		if !r.row {
			continue
		}
		t := r.start
		for ; entered < len(recs) && recs[entered].start < t; entered++ {
			if f := &recs[entered]; f.row {
				all.begin(f)
				template.begin(f)
				principal.begin(f)
			}
		}
		// What ended in this very tick may be this request itself.
		for ; done < len(byEnd) && recs[byEnd[done]].end < t; done++ {
			f := &recs[byEnd[done]]
			all.finish(f)
			template.finish(f)
			principal.finish(f)
		}
		row[lMethod], row[lPayload], row[lDepth], row[lParameters] = float32(r.method), r.payload, r.depth, r.parameters
		row[lBody] = float32(r.body)
		if r.body == 2 {
			row[lBody] = nan32()
		}
		calendar(row[:], t)
		all.columns(row[lRate1s:], &row[lInFlight], row[lRecent:], r)
		template.columns(row[lTemplateRate1s:], &row[lTemplateInFlight], row[lTemplateRecent:], r)
		principal.columns(row[lPrincipalRate1s:], &row[lPrincipalInFlight], row[lPrincipalRecent:], r)
		for j := range lEncoded {
			x.Cols[j][out] = row[j]
		}
		for j := lEncoded; j < numLatency; j++ {
			x.Cols[j][out] = nan32()
		}
		out++
	}
}

// calendar writes hour of the day and day of the week at t.
func calendar(row []float32, t int64) {
	day := floorTo(t, 24*hour)
	h := float64(t-day) / (24 * hour) * 2 * math.Pi
	d := float64(weekday(t)) / 7 * 2 * math.Pi
	row[lHourSin], row[lHourCos] = float32(math.Sin(h)), float32(math.Cos(h))
	row[lDaySin], row[lDayCos] = float32(math.Sin(d)), float32(math.Cos(d))
}

// weekday is 0 for Monday, in UTC.
func weekday(t int64) int {
	days := floorTo(t, 24*hour) / (24 * hour) // since Thursday 1970-01-01
	return int(((days+3)%7 + 7) % 7)
}

// hourOfWeek is 0 for Monday 00:00 to 01:00 UTC.
func hourOfWeek(t int64) int {
	return weekday(t)*24 + int((t-floorTo(t, 24*hour))/hour)
}

// LatencyFold is one split, ready for a model.
type LatencyFold struct {
	State     *LatencyState // fitted on the training rows only
	Fit, Eval *frame.Matrix // training and test rows, with Target (seconds), Group and Time
}

// Fold fits the state on the rows train and returns the matrices of both sides,
// in the given order. The encoding of a training row comes from the four fifths
// of the training rows that it does not belong to (by its hash); test rows get
// that of all training rows. test may be nil.
func (d *LatencyDataset) Fold(ctx context.Context, train, test []int) (LatencyFold, error) {
	for _, rows := range [][]int{train, test} {
		for _, r := range rows {
			if r < 0 || r >= d.Rows {
				return LatencyFold{}, fmt.Errorf("features: row %d of %d", r, d.Rows)
			}
		}
	}
	f := LatencyFold{State: d.state(train, -1)}
	if err := ctx.Err(); err != nil {
		return LatencyFold{}, err
	}
	f.Fit, f.Eval = d.X.Select(train), d.X.Select(test)
	schema := LatencySchema(f.State)
	f.Fit.Schema, f.Eval.Schema = schema, schema
	d.encode(f.Eval, f.State, f.State, test, -1)
	for k := range innerFolds {
		if err := ctx.Err(); err != nil {
			return LatencyFold{}, err
		}
		d.encode(f.Fit, d.state(train, k), f.State, train, k)
	}
	return f, ctx.Err()
}

func (d *LatencyDataset) part(row int) int { return int(mix(d.Hash[row], 43) % innerFolds) }

// encode writes the columns of the state for the rows of one part (−1 = all).
// Counts come from the whole state, so that they mean the same on both sides.
func (d *LatencyDataset) encode(x *frame.Matrix, s, whole *LatencyState, rows []int, part int) {
	for i, r := range rows {
		if part >= 0 && d.part(r) != part {
			continue
		}
		e := s.encoding(d.Template[r])
		x.Cols[lEncodedMean][i] = float32(e.mean)
		x.Cols[lEncodedMedian][i] = float32(e.median)
		x.Cols[lEncodedCount][i] = float32(math.Log1p(float64(whole.encoding(d.Template[r]).n)))
	}
}

// LatencyState is what latency features learn from training rows: the latency of
// each template, and what is usual at each hour of the week. It is immutable and
// safe for concurrent use; its hash is part of the schema that models carry. It
// holds no text, only hashes.
type LatencyState struct {
	n            uint64  // training rows
	mean, median float64 // of lnLatency over all of them
	seconds      float64 // mean latency in seconds: in flight = rate · this (Little 1961)
	errors       float64 // share of status ≥ 500 as the rows saw it
	rate         float64 // requests per second
	hours        [hoursOfWeek]usualHour
	templates    []templateLatency // ascending by hash
	bytes        []byte
	id           string
}

// usualHour is what is usual in an hour of the week.
type usualHour struct {
	rate float64 // requests per second; NaN = never seen
	mean float64 // of lnLatency, shrunk to that of all rows
}

type templateLatency struct {
	hash         uint64
	n            uint64
	mean, median float64 // of lnLatency, shrunk
	errors       float64
}

// state fits on the rows that are not in the given part (−1 = all of them).
func (d *LatencyDataset) state(rows []int, without int) *LatencyState {
	rows = slices.Clone(rows)
	slices.Sort(rows) // float sums must not depend on the caller's order
	if without >= 0 {
		rows = slices.DeleteFunc(rows, func(r int) bool { return d.part(r) == without })
	}
	s := &LatencyState{n: uint64(len(rows))}
	for k := range s.hours {
		s.hours[k].rate = math.NaN()
	}
	if len(rows) == 0 {
		s.finish()
		return s
	}
	answered := 0.0
	ln := make([]float64, len(rows))
	order := make([]int, len(rows)) // by template, then latency
	for i, r := range rows {
		ln[i] = lnLatency(d.Target[r])
		order[i] = i
		s.mean += ln[i]
		s.seconds += d.Target[r]
		if v := float64(d.X.Cols[lErrors][r]); v == v { // the first rows have seen no answer
			s.errors += v
			answered++
		}
	}
	n := float64(len(rows))
	s.mean /= n
	s.seconds /= n
	s.errors /= max(answered, 1)
	slices.SortFunc(order, func(a, b int) int {
		if c := cmp.Compare(d.Template[rows[a]], d.Template[rows[b]]); c != 0 {
			return c
		}
		return cmp.Compare(ln[a], ln[b])
	})
	sorted := slices.Clone(ln)
	slices.Sort(sorted)
	s.median = middle(sorted)
	for lo := 0; lo < len(order); {
		hash := d.Template[rows[order[lo]]]
		hi := lo
		t := templateLatency{hash: hash}
		var sum, errs, seen float64
		for ; hi < len(order) && d.Template[rows[order[hi]]] == hash; hi++ {
			sum += ln[order[hi]]
			if v := float64(d.X.Cols[lTemplateErrors][rows[order[hi]]]); v == v {
				errs += v
				seen++
			}
		}
		k := float64(hi - lo)
		t.n = uint64(hi - lo)
		t.mean = (sum + float64(shrinkage*s.mean)) / (k + shrinkage)
		mid := (ln[order[lo+(hi-lo-1)/2]] + ln[order[lo+(hi-lo)/2]]) / 2
		t.median = (float64(k*mid) + float64(shrinkage*s.median)) / (k + shrinkage)
		t.errors = (errs + float64(shrinkage*s.errors)) / (seen + shrinkage)
		s.templates = append(s.templates, t)
		lo = hi
	}
	if len(s.templates) > maxLatencyTemplates {
		slices.SortFunc(s.templates, func(a, b templateLatency) int {
			if a.n != b.n {
				return cmp.Compare(b.n, a.n)
			}
			return cmp.Compare(a.hash, b.hash)
		})
		s.templates = s.templates[:maxLatencyTemplates]
		slices.SortFunc(s.templates, func(a, b templateLatency) int { return cmp.Compare(a.hash, b.hash) })
	}
	d.usual(s, rows, ln)
	s.finish()
	return s
}

func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// usual fills in the rates and means of the hours of the week. A rate is the
// rows of that hour over the seconds of it that lie between first and last row;
// it is scaled up to all records that began in that time, because windows count
// those without a latency too.
func (d *LatencyDataset) usual(s *LatencyState, rows []int, ln []float64) {
	first, last := d.Times[rows[0]], d.Times[rows[0]]
	var count, sum [hoursOfWeek]float64
	for i, r := range rows {
		t := d.Times[r]
		first, last = min(first, t), max(last, t)
		h := hourOfWeek(t)
		count[h]++
		sum[h] += ln[i]
	}
	lo, _ := slices.BinarySearch(d.starts, first)
	hi, _ := slices.BinarySearch(d.starts, last+1)
	factor := float64(hi-lo) / float64(len(rows))
	s.rate = float64(float64(len(rows))*factor) / max(1, float64(last-first)/second)
	var span [hoursOfWeek]float64 // seconds
	h0, h1 := floorTo(first, hour), floorTo(last, hour)
	hours := (h1-h0)/hour + 1
	for k := range int64(hoursOfWeek) {
		if k >= hours {
			break
		}
		span[hourOfWeek(h0+k*hour)] = float64((hours-k+hoursOfWeek-1)/hoursOfWeek) * 3600
	}
	span[hourOfWeek(first)] -= float64(first-h0) / second
	span[hourOfWeek(last)] -= float64(h1+hour-last) / second
	for h := range s.hours {
		// Less than a minute of an hour says nothing about its rate.
		if count[h] > 0 && span[h] >= 60 {
			s.hours[h].rate = float64(count[h]*factor) / span[h]
		}
		s.hours[h].mean = (sum[h] + float64(shrinkage*s.mean)) / (count[h] + shrinkage)
	}
}

// encoding is that of a template, the global one if it is unknown.
func (s *LatencyState) encoding(hash uint64) templateLatency {
	i, ok := slices.BinarySearchFunc(s.templates, hash, func(t templateLatency, h uint64) int { return cmp.Compare(t.hash, h) })
	if ok {
		return s.templates[i]
	}
	return templateLatency{hash: hash, mean: s.mean, median: s.median, errors: s.errors}
}

// Known reports whether the training rows held the template.
func (s *LatencyState) Known(template uint64) bool { return s.encoding(template).n > 0 }

// Templates is the number of known templates.
func (s *LatencyState) Templates() int { return len(s.templates) }

// Rate is the usual number of requests per second at a time (µs UTC) and says
// what it is: "hour of the week in the training data", or "mean of the training
// data" for an hour that it did not hold.
func (s *LatencyState) Rate(at int64) (perSecond float64, source string) {
	if r := s.hours[hourOfWeek(at)].rate; r == r {
		return r, RateHourOfWeek
	}
	return s.rate, RateMean
}

// Where the request rate of a LatencyRow came from.
const (
	RateGiven      = "given"
	RateHourOfWeek = "hour of the week in the training data"
	RateMean       = "mean of the training data"
)

// LatencyQuery is one request that has not been made. Make it with
// NewLatencyQuery: zero is a value for all numbers.
type LatencyQuery struct {
	Method      string
	Endpoint    string  // path, raw or folded, with or without query
	PayloadSize int64   // bytes, −1 = unknown
	At          int64   // µs UTC
	Rate        float64 // requests per second of the whole service; NaN or below 0 = unknown
}

// NewLatencyQuery is a query with nothing but its endpoint and time known.
func NewLatencyQuery(method, endpoint string, at int64) LatencyQuery {
	return LatencyQuery{Method: method, Endpoint: endpoint, PayloadSize: -1, At: at, Rate: math.NaN()}
}

// static computes what the request itself says.
func (q *LatencyQuery) static() (payload, depth, parameters float32, method uint8) {
	payload = nan32()
	if q.PayloadSize >= 0 {
		payload = float32(math.Log1p(float64(q.PayloadSize)))
	}
	path, query := traffic.SplitTarget(q.Endpoint)
	segments, inside := 0, false
	for i := 0; i < len(path); i++ {
		if path[i] == '/' {
			inside = false
		} else if !inside {
			inside = true
			segments++
		}
	}
	n, open := 0, false
	for i := 0; i < len(query); i++ {
		if query[i] == '&' {
			open = false
		} else if !open {
			open = true
			n++
		}
	}
	return payload, float32(min(segments, 1000)), ln1p(n), latencyMethod(q.Method)
}

func latencyMethod(m string) uint8 {
	switch m {
	case "GET":
		return 0
	case "HEAD":
		return 1
	case "OPTIONS":
		return 2
	case "POST":
		return 3
	case "PUT":
		return 4
	case "PATCH":
		return 5
	case "DELETE":
		return 6
	case "", "-":
		return 8
	}
	return 7
}

// LatencyRow makes the row of one request that has not been made, with the
// columns of LatencySchema(s), and says where its request rate came from
// (RateGiven, RateHourOfWeek or RateMean). What only a running service knows is
// filled in with what is usual: the windows with the rate, those of the template
// with its share of the training rows, requests in flight with rate · mean
// latency (Little 1961), recent latencies with the mean of that hour of the week
// and the template's own.
func LatencyRow(s *LatencyState, q LatencyQuery) (row []float32, rateSource string) {
	row = make([]float32, numLatency)
	var method uint8
	row[lPayload], row[lDepth], row[lParameters], method = q.static()
	row[lMethod] = float32(method)
	row[lBody] = nan32()
	if b := impliedBody(q.PayloadSize, method); b < 2 {
		row[lBody] = float32(b)
	}
	calendar(row, q.At)
	rate, source := q.Rate, RateGiven
	if !(rate >= 0) || math.IsInf(rate, 0) {
		rate, source = s.Rate(q.At)
	}
	rate = min(rate, 1e9)
	e := s.encoding(LatencyTemplate(q.Method, q.Endpoint))
	share := 0.0
	if s.n > 0 {
		share = float64(e.n) / float64(s.n)
	}
	for k, w := range latencyWindows() {
		n := rate * float64(w) / second
		row[lRate1s+k] = float32(math.Log1p(n))
		row[lTemplateRate1s+k] = float32(math.Log1p(n * share))
	}
	row[lInFlight] = float32(math.Log1p(rate * s.seconds))
	row[lTemplateInFlight] = float32(math.Log1p(rate * share * math.Expm1(e.mean) * lnUnit))
	usual := s.mean
	if s.n > 0 {
		usual = s.hours[hourOfWeek(q.At)].mean
	}
	for _, c := range []int{lRecent, lMean1m, lMean10m} {
		row[c] = float32(usual)
	}
	for _, c := range []int{lTemplateRecent, lTemplateMean1m, lTemplateMean10m} {
		row[c] = float32(e.mean)
	}
	row[lErrors], row[lTemplateErrors] = float32(s.errors), float32(e.errors)
	// Nobody asks: as from a principal's first request.
	for c := lPrincipalRecent; c <= lPrincipalErrors; c++ {
		row[c] = nan32()
	}
	row[lEncodedMean], row[lEncodedMedian] = float32(e.mean), float32(e.median)
	row[lEncodedCount] = float32(math.Log1p(float64(e.n)))
	return row, source
}

// The bytes of a state, little-endian:
//
//	magic 8 · version u32 · rows u64 · mean, median, seconds, errors, rate f64 ·
//	168 × (rate f64, NaN = unknown · mean f64) · templates u32, then per template
//	in ascending order of its hash: hash u64 · n u64 · mean, median, errors f64.
const (
	latencyMagic   = "apimllt1"
	latencyVersion = 1
)

// finish makes the bytes and their hash.
func (s *LatencyState) finish() {
	le := binary.LittleEndian
	b := append([]byte(nil), latencyMagic...)
	b = le.AppendUint32(b, latencyVersion)
	b = le.AppendUint64(b, s.n)
	b = appendFloats(b, s.mean, s.median, s.seconds, s.errors, s.rate)
	for _, h := range s.hours {
		if h.rate != h.rate {
			h.rate = math.NaN() // one NaN of the many
		}
		b = appendFloats(b, h.rate, h.mean)
	}
	b = le.AppendUint32(b, uint32(len(s.templates)))
	for _, t := range s.templates {
		b = le.AppendUint64(b, t.hash)
		b = le.AppendUint64(b, t.n)
		b = appendFloats(b, t.mean, t.median, t.errors)
	}
	sum := sha256.Sum256(b)
	s.bytes, s.id = b, hex.EncodeToString(sum[:8])
}

// ID is a hash of the state's bytes: 16 hexadecimal digits.
func (s *LatencyState) ID() string { return s.id }

// MarshalBinary returns the bytes of the state: equal states, equal bytes. The
// error is always nil.
func (s *LatencyState) MarshalBinary() ([]byte, error) { return slices.Clone(s.bytes), nil }

// ParseLatencyState is the inverse of MarshalBinary. It takes bytes of any
// origin, and allocates in proportion to len(b).
func ParseLatencyState(b []byte) (*LatencyState, error) {
	r := &stateReader{b: b}
	if string(r.take(len(latencyMagic))) != latencyMagic {
		return nil, errors.New("latency state: not a latency state of apiml")
	}
	if v := r.u32(); r.err == nil && v != latencyVersion {
		return nil, fmt.Errorf("latency state: version %d, this apiml computes version %d; train again", v, latencyVersion)
	}
	// float reads a value in [0, limit].
	float := func(limit float64) float64 {
		v := math.Float64frombits(r.u64())
		if !(v >= 0 && v <= limit) || math.Signbit(v) {
			r.fail("impossible value")
		}
		return v
	}
	const maxLn = 100 // ln(1+10⁹ s/100 µs) is 30
	s := &LatencyState{n: r.u64()}
	s.mean, s.median, s.seconds, s.errors, s.rate = float(maxLn), float(maxLn), float(1e9), float(1), float(1e12)
	for k := range s.hours {
		h := &s.hours[k]
		switch bits := r.u64(); {
		case bits == math.Float64bits(math.NaN()):
			h.rate = math.NaN()
		default:
			if h.rate = math.Float64frombits(bits); !(h.rate >= 0 && h.rate <= 1e12) || math.Signbit(h.rate) {
				r.fail("impossible rate")
			}
		}
		h.mean = float(maxLn)
	}
	n := int(r.u32())
	if r.err == nil && (n > maxLatencyTemplates || n*40 != len(r.b)) {
		r.fail("templates do not fit")
	}
	total := uint64(0)
	for i := 0; i < n && r.err == nil; i++ {
		t := templateLatency{hash: r.u64(), n: r.u64()}
		t.mean, t.median, t.errors = float(maxLn), float(maxLn), float(1)
		if i > 0 && t.hash <= s.templates[i-1].hash {
			r.fail("templates out of order")
		}
		if t.n == 0 || t.n > s.n-total {
			r.fail("impossible count")
		}
		total += t.n
		s.templates = append(s.templates, t)
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("bytes behind the end")
	}
	if r.err != nil {
		return nil, fmt.Errorf("latency state: %w", r.err)
	}
	s.finish()
	if !slices.Equal(s.bytes, b) {
		return nil, errors.New("latency state: not as this apiml writes it")
	}
	return s, nil
}
