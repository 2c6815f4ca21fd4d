package main

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"apiml/internal/atomicfile"
	"apiml/model"
	"apiml/score"
	"apiml/store"
	"apiml/traffic"
)

// resultWriter writes results, or incidents, in one format to one sink.
type resultWriter struct {
	sink
	path   string
	format string // jsonl, csv, parquet, sarif
	by     string
	csv    *csv.Writer
	temp   string // of parquet: the folder of the CSV that it is made from
	rows   int64
	bufs   [][]byte // of writeLines
	sarif  []sarifResult
	more   int64 // flagged requests beyond maxSARIF
}

// maxSARIF is the largest number of results of a SARIF file: what code scanning
// services take.
const maxSARIF = 25_000

func resultFormat(path, format string) (string, error) {
	if path != "-" {
		format = strings.TrimPrefix(filepath.Ext(path), ".")
	}
	switch format {
	case "jsonl", "ndjson", "":
		return "jsonl", nil
	case "csv", "sarif":
		return format, nil
	case "parquet":
		if path == "-" {
			return "", usagef("--format parquet needs a file: -o FILE.parquet")
		}
		return format, nil
	}
	return "", usagef("output %q: format %q is none of jsonl, csv, parquet, sarif", path, format)
}

func (a *app) resultWriters(o scoreOptions) ([]*resultWriter, error) {
	var ws []*resultWriter
	for _, path := range o.outputs {
		format, err := resultFormat(path, o.format)
		if err != nil {
			return ws, err
		}
		w := &resultWriter{path: path, format: format, by: o.by}
		if format == "parquet" {
			err = w.openParquet()
		} else {
			w.sink, err = a.create(path, 0o600)
		}
		if err != nil {
			return ws, err
		}
		ws = append(ws, w)
		if format == "csv" || format == "parquet" {
			w.csv = csv.NewWriter(w.sink)
			var head []string
			for _, c := range w.columns() {
				head = append(head, c.Name)
			}
			if err := w.csv.Write(head); err != nil {
				return ws, err
			}
		}
	}
	return ws, nil
}

// columns are those of CSV and Parquet.
func (w *resultWriter) columns() []store.CSVColumn {
	if w.by == "incident" {
		return []store.CSVColumn{
			{Name: "incident", Type: "VARCHAR"}, {Name: "class", Type: "VARCHAR"}, {Name: "principal", Type: "VARCHAR"}, {Name: "address", Type: "VARCHAR"},
			{Name: "principals", Type: "BIGINT"}, {Name: "requests", Type: "BIGINT"}, {Name: "first_time", Type: "TIMESTAMP"}, {Name: "last_time", Type: "TIMESTAMP"},
			{Name: "max_probability", Type: "DOUBLE"}, {Name: "file", Type: "VARCHAR"}, {Name: "line", Type: "BIGINT"}, {Name: "method", Type: "VARCHAR"},
			{Name: "target", Type: "VARCHAR"}, {Name: "status", Type: "INTEGER"},
		}
	}
	return []store.CSVColumn{
		{Name: "file", Type: "VARCHAR"}, {Name: "line", Type: "BIGINT"}, {Name: "time", Type: "TIMESTAMP"}, {Name: "principal", Type: "VARCHAR"},
		{Name: "method", Type: "VARCHAR"}, {Name: "target", Type: "VARCHAR"}, {Name: "body", Type: "VARCHAR"}, {Name: "status", Type: "INTEGER"},
		{Name: "class", Type: "VARCHAR"}, {Name: "probability", Type: "DOUBLE"}, {Name: "anomaly", Type: "DOUBLE"}, {Name: "rules", Type: "VARCHAR"},
		{Name: "reasons", Type: "VARCHAR"}, {Name: "incident", Type: "VARCHAR"},
	}
}

// openParquet opens the CSV file that the Parquet file will be made from.
func (w *resultWriter) openParquet() (err error) {
	if w.temp, err = os.MkdirTemp(filepath.Dir(w.path), ".apiml-scores-*"); err != nil {
		return withCode(exitFailed, err)
	}
	f, err := atomicfile.Create(filepath.Join(w.temp, "scores.csv"), fs.FileMode(0o600))
	if err != nil {
		os.RemoveAll(w.temp)
		return withCode(exitFailed, err)
	}
	w.sink = f
	return nil
}

// Abort leaves nothing behind.
func (w *resultWriter) Abort() {
	w.sink.Abort()
	if w.temp != "" {
		os.RemoveAll(w.temp)
	}
}

// write takes results.
func (w *resultWriter) write(rs []score.Result) error {
	switch w.format {
	case "jsonl":
		return w.writeLines(rs)
	case "sarif":
		for i := range rs {
			if !rs[i].Flagged() {
				continue
			}
			if len(w.sarif) >= maxSARIF {
				w.more++
				continue
			}
			w.sarif = append(w.sarif, sarifOfRequest(&rs[i]))
		}
		return nil
	}
	for i := range rs {
		r := &rs[i]
		body := ""
		if r.Body != nil {
			body = *r.Body
		}
		var reasons []string
		for _, x := range r.Reasons {
			reasons = append(reasons, fmt.Sprintf("%s=%.6g", x.Feature, x.Value))
		}
		if err := w.record([]string{r.File, strconv.FormatInt(r.Line, 10), r.Time, r.Principal, r.Method, r.Target, body,
			strconv.Itoa(int(r.Status)), r.Class, strconv.FormatFloat(r.Probability, 'f', 6, 64),
			strconv.FormatFloat(r.Anomaly, 'f', 6, 64), strings.Join(r.Rules, " "), strings.Join(reasons, " "), r.Incident}); err != nil {
			return err
		}
	}
	w.csv.Flush()
	return w.csv.Error()
}

// writeLines writes JSON lines, made in pieces by all cores.
func (w *resultWriter) writeLines(rs []score.Result) error {
	const piece = 512
	for len(w.bufs) < (len(rs)+piece-1)/piece {
		w.bufs = append(w.bufs, nil)
	}
	pieces := (len(rs) + piece - 1) / piece
	_ = model.Parallel(context.Background(), 0, pieces, nil, func(_, k int) error {
		b := w.bufs[k][:0]
		var head []byte
		file := ""
		for i := k * piece; i < min(len(rs), (k+1)*piece); i++ {
			if r := &rs[i]; head == nil || r.File != file {
				file, head = r.File, appendHead(head[:0], r.File)
			}
			b = append(appendRest(append(b, head...), &rs[i]), '\n')
		}
		w.bufs[k] = b
		return nil
	})
	for _, b := range w.bufs[:pieces] {
		if _, err := w.sink.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// flush shows what was written to standard output so far.
func (w *resultWriter) flush() error {
	if w.csv != nil {
		w.csv.Flush()
		if err := w.csv.Error(); err != nil {
			return err
		}
	}
	if out, ok := w.sink.(*stdoutSink); ok {
		return out.Flush()
	}
	return nil
}

func (w *resultWriter) record(row []string) error {
	w.rows++
	if w.format == "csv" {
		for j := range row {
			row[j] = formulaGuard(row[j])
		}
	}
	return w.csv.Write(row)
}

// finish writes what stands at the end and makes the output visible.
func (w *resultWriter) finish(ctx context.Context, sum *scoreSummary, incidents []score.Incident) error {
	if w.by == "incident" {
		if err := w.writeIncidents(incidents); err != nil {
			return err
		}
	}
	switch w.format {
	case "sarif":
		b, err := sarifLog(w.sarif, w.more)
		if err != nil {
			return withCode(exitFailed, err)
		}
		if _, err := w.sink.Write(b); err != nil {
			return err
		}
	case "csv", "parquet":
		w.csv.Flush()
		if err := w.csv.Error(); err != nil {
			return err
		}
	}
	if err := w.sink.Commit(); err != nil {
		return err
	}
	if w.format != "parquet" {
		return nil
	}
	defer os.RemoveAll(w.temp)
	if err := store.CSVToParquet(ctx, filepath.Join(w.temp, "scores.csv"), w.path, w.columns(), w.rows); err != nil {
		return withCode(exitFailed, err)
	}
	return nil
}

func (w *resultWriter) writeIncidents(incidents []score.Incident) error {
	for i := range incidents {
		in := &incidents[i]
		switch w.format {
		case "jsonl":
			enc := json.NewEncoder(w.sink)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(in); err != nil {
				return err
			}
		case "sarif":
			if len(w.sarif) >= maxSARIF {
				w.more++
				continue
			}
			w.sarif = append(w.sarif, sarifOfIncident(in))
		default:
			var s score.Sample
			if len(in.Samples) > 0 {
				s = in.Samples[0]
			}
			if err := w.record([]string{in.ID, in.Class, in.Principal, in.Address, strconv.FormatInt(in.Principals, 10), strconv.FormatInt(in.Requests, 10),
				in.FirstTime, in.LastTime, strconv.FormatFloat(in.MaxProbability, 'f', 6, 64), s.File, strconv.FormatInt(s.Line, 10), s.Method, s.Target,
				strconv.Itoa(int(s.Status))}); err != nil {
				return err
			}
		}
	}
	return nil
}

// A result as JSON has the same members in the same order as the tags of
// score.Result: encoding/json takes longer for them than scoring.

// appendHead appends what is the same for all results of a file.
func appendHead(b []byte, file string) []byte {
	return append(appendText(append(b, `{"file":`...), file), `,"line":`...)
}

// appendRest appends what follows.
func appendRest(b []byte, r *score.Result) []byte {
	b = strconv.AppendInt(b, r.Line, 10)
	if r.Time != "" {
		b = append(append(append(b, `,"time":"`...), r.Time...), '"')
	}
	b = appendText(append(b, `,"principal":`...), r.Principal)
	b = appendText(append(b, `,"method":`...), r.Method)
	b = appendText(append(b, `,"target":`...), r.Target)
	if r.Body != nil {
		b = appendText(append(b, `,"body":`...), *r.Body)
	}
	b = strconv.AppendInt(append(b, `,"status":`...), int64(r.Status), 10)
	b = appendText(append(b, `,"class":`...), r.Class)
	if r.AttackType != "" {
		b = appendText(append(b, `,"attack_type":`...), r.AttackType)
	}
	b = appendFloat(append(b, `,"probability":`...), r.Probability)
	b = appendFloat(append(b, `,"anomaly":`...), r.Anomaly)
	b = append(b, `,"rules":[`...)
	for i, x := range r.Rules {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, x)
	}
	b = append(b, `],"reasons":[`...)
	for i := range r.Reasons {
		x := &r.Reasons[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"feature":`...), x.Feature)
		b = appendFloat(append(b, `,"value":`...), x.Value)
		b = appendFloat(append(b, `,"contribution":`...), x.Contribution)
		b = append(appendText(append(b, `,"text":`...), x.Text), '}')
	}
	b = append(b, ']')
	if r.Where != nil {
		b = appendText(append(b, `,"where":{"part":`...), r.Where.Part)
		if r.Where.Name != "" {
			b = appendText(append(b, `,"name":`...), r.Where.Name)
		}
		b = append(appendText(append(b, `,"value":`...), r.Where.Value), '}')
	}
	if r.Incident != "" {
		b = appendText(append(b, `,"incident":`...), r.Incident)
	}
	if r.Late {
		b = append(b, `,"late":true`...)
	}
	return append(b, '}')
}

// appendFloat appends v as the shortest number that reads back the same. JSON
// has no NaN: it becomes null.
func appendFloat(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(b, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

// appendText appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendText(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		for i+8 <= len(s) && plain8(s[i:i+8]) {
			i += 8
		}
		if i == len(s) {
			break
		}
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r == '\u2028' || r == '\u2029' {
			b = append(b, s[from:i]...)
			switch r {
			case '\u2028':
				b = append(b, `\u2028`...)
			case '\u2029':
				b = append(b, `\u2029`...)
			default:
				b = append(b, `\ufffd`...)
			}
			from = i + n
		}
		i += n
	}
	return append(append(b, s[from:]...), '"')
}

// plain8 reports that none of 8 bytes is a control character, a quote, a
// backslash or beyond ASCII: a subtraction sets the highest bit of each byte of
// which that is the case (and perhaps of one behind it).
func plain8(s string) bool {
	const ones = 0x0101010101010101
	_ = s[7]
	x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	control, quote, backslash := x-ones*' ', (x^ones*'"')-ones, (x^ones*'\\')-ones
	return (x|control|quote|backslash)&(ones*0x80) == 0
}

// SARIF 2.1.0 (OASIS, 2020), as far as it is used here.
type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Related      []sarifLocation   `json:"relatedLocations,omitempty"`
	Fingerprints map[string]string `json:"partialFingerprints"`
	Properties   map[string]any    `json:"properties,omitempty"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifLocation struct {
	ID       int `json:"id,omitempty"`
	Physical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region struct {
			StartLine int64 `json:"startLine"`
		} `json:"region"`
	} `json:"physicalLocation"`
}

func sarifAt(file string, line int64) sarifLocation {
	var l sarifLocation
	l.Physical.Artifact.URI = sarifURI(file)
	l.Physical.Region.StartLine = max(line, 1)
	return l
}

// sarifURI makes a relative reference of a file name: percent-encoded, so that
// a name with a colon is no scheme.
func sarifURI(file string) string {
	const hexUpper = "0123456789ABCDEF"
	b := make([]byte, 0, len(file))
	for i := 0; i < len(file); i++ {
		c := file[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', hexUpper[c>>4], hexUpper[c&15])
		}
	}
	return string(b)
}

// sarifPrint is the same for the same request or incident however often and
// under whatever name its log is read.
func sarifPrint(parts ...string) map[string]string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return map[string]string{"apiml/v1": hex.EncodeToString(h.Sum(nil)[:16])}
}

func sarifOfRequest(r *score.Result) sarifResult {
	text := fmt.Sprintf("%s (probability %.3f) from %s: %s %s", r.Class, r.Probability, r.Principal, r.Method, cell(r.Target, 200))
	if r.Where != nil {
		text += fmt.Sprintf("; in the %s: %s", placeName(r.Where.Part, r.Where.Name), cell(r.Where.Value, 120))
	}
	level := "warning"
	if r.Probability >= 0.95 {
		level = "error"
	}
	body := ""
	if r.Body != nil {
		body = *r.Body
	}
	return sarifResult{
		RuleID: r.Class, Level: level, Message: sarifText{text}, Locations: []sarifLocation{sarifAt(r.File, r.Line)},
		Fingerprints: sarifPrint(r.Class, r.Time, r.Principal, r.Method, r.Target, body, strconv.Itoa(int(r.Status))),
		Properties:   map[string]any{"probability": r.Probability, "anomaly": r.Anomaly, "incident": r.Incident, "rules": r.Rules},
	}
}

func sarifOfIncident(in *score.Incident) sarifResult {
	text := fmt.Sprintf("%s by %s: %s requests", in.Class, in.Principal, count(in.Requests))
	if in.FirstTime != "" {
		text += fmt.Sprintf(" from %s to %s", in.FirstTime, in.LastTime)
	}
	level := "warning"
	if in.MaxProbability >= 0.95 {
		level = "error"
	}
	r := sarifResult{
		RuleID: in.Class, Level: level, Message: sarifText{text}, Locations: []sarifLocation{},
		Fingerprints: sarifPrint("incident", in.Class, in.Principal, in.FirstTime),
		Properties:   map[string]any{"incident": in.ID, "requests": in.Requests, "principals": in.Principals, "max_probability": in.MaxProbability},
	}
	for i, s := range in.Samples {
		l := sarifAt(s.File, s.Line)
		if i == 0 {
			r.Locations = append(r.Locations, l)
			continue
		}
		l.ID = i
		r.Related = append(r.Related, l)
	}
	return r
}

// placeName is a place in words: query parameter "q".
func placeName(part, name string) string {
	switch {
	case name == "":
		return part
	case part == "query":
		return fmt.Sprintf("query parameter %q", name)
	}
	return fmt.Sprintf("%s field %q", part, name)
}

func sarifLog(results []sarifResult, more int64) ([]byte, error) {
	type rule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
	}
	rules := []rule{}
	for _, l := range traffic.Labels() {
		if l.Attack() {
			rules = append(rules, rule{l.String(), sarifText{strings.ReplaceAll(l.String(), "_", " ")}})
		}
	}
	if results == nil {
		results = []sarifResult{}
	}
	run := map[string]any{
		"tool":    map[string]any{"driver": map[string]any{"name": "apiml", "version": toolVersion, "rules": rules}},
		"results": results,
	}
	if more > 0 {
		run["invocations"] = []any{map[string]any{"executionSuccessful": true, "toolExecutionNotifications": []any{
			map[string]any{"level": "warning", "message": sarifText{fmt.Sprintf("%s further results were left out: a file holds at most %s", count(more), count(maxSARIF))}},
		}}}
	}
	b, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": []any{run},
	}, "", "  ")
	return append(b, '\n'), err
}
