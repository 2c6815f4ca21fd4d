package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"apiml/frame"
	"apiml/internal/jsonvalue"
)

// The model file is a safetensors file with one string of ours in its
// metadata; FORMAT.md describes it byte by byte.
const (
	// FormatVersion is the version that Write writes and the newest that
	// ReadFile understands.
	FormatVersion = 1
	// MaxHeader is the longest JSON header in bytes. Decoding JSON takes a
	// multiple of its length, so this bounds what a hostile file can cost.
	MaxHeader = 2 << 20
	// MaxFile is the largest file in bytes that Load reads.
	MaxFile = 1 << 30

	// Every file has these bytes behind the header length. The checksum comes
	// first so that it stands at a fixed place.
	headStart = `{"__metadata__":{"sha256":"`
	sumAt     = 8 + len(headStart)
	sumLen    = 2 * sha256.Size
)

// Header is what a model file says about its model besides the arrays. The
// model itself fills Kind, Schema, Classes, Config and Seed (Model.Encode),
// the caller the rest; Write fills Format, SchemaID and StateID.
type Header struct {
	Format     int                `json:"format"`
	Kind       string             `json:"kind"`           // "random_forest": which package decodes it
	Name       string             `json:"name"`           // of the Spec: "attack"
	Tool       string             `json:"tool,omitempty"` // "apiml 0.1.0"
	Schema     frame.Schema       `json:"schema"`
	SchemaID   string             `json:"schema_id,omitempty"`
	StateID    string             `json:"state_id,omitempty"` // hash of the features.State that it needs
	Classes    []string           `json:"classes,omitempty"`
	Config     json.RawMessage    `json:"config,omitempty"`
	Seed       uint64             `json:"seed"`
	Data       Provenance         `json:"data"`
	HoldOut    HoldOut            `json:"holdout"`
	Metrics    json.RawMessage    `json:"metrics,omitempty"`
	Thresholds map[string]float64 `json:"thresholds,omitempty"`
	Warnings   []string           `json:"warnings,omitempty"`
}

// Provenance says what a model was fitted on.
type Provenance struct {
	Source      string     `json:"source,omitempty"` // "access.log", "generate --seed 1"
	Synthetic   bool       `json:"synthetic,omitempty"`
	Rows        int        `json:"rows,omitempty"`
	First       int64      `json:"first,omitempty"` // time of the first row, microseconds UTC
	Last        int64      `json:"last,omitempty"`
	Fingerprint string     `json:"fingerprint,omitempty"` // hash of the training rows
	Inputs      []InputRef `json:"inputs,omitempty"`
}

// InputRef names one input file by its content.
type InputRef struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// HoldOut says which rows were kept away from the fit. Their hashes are the
// array "holdout.rows" (U64), those of the training rows "train.rows".
type HoldOut struct {
	Rule     string `json:"rule,omitempty"`
	Rows     int    `json:"rows,omitempty"`
	Protocol string `json:"protocol,omitempty"`
}

// File is a model file in memory. The zero value is empty and ready for use.
// It is not safe for concurrent writing.
type File struct {
	Header Header
	arrays map[string]array
	raw    []byte // what it was read from, nil = from nothing
}

type array struct {
	dtype string
	data  []byte // little-endian
}

// ArrayInfo describes one array of a file.
type ArrayInfo struct {
	Name  string
	DType string // "F32", "U8", … as in safetensors
	Len   int    // elements
	Bytes int
}

// NewerError is returned for a file that a newer apiml wrote.
type NewerError struct {
	Path         string // "" if read from memory
	Found, Known int    // format versions
	Tool         string // what wrote it, "" if unknown
}

func (e *NewerError) Error() string {
	tool := e.Tool
	if tool == "" {
		tool = "a newer apiml"
	}
	s := fmt.Sprintf("written by %q in format version %d, this apiml reads up to %d; update apiml or train again", tool, e.Found, e.Known)
	if e.Path == "" {
		return "model file: " + s
	}
	return fmt.Sprintf("model file %q: %s", e.Path, s)
}

// PutF32 stores a copy of v under name; an array of that name is replaced.
// Names are 1 to 64 of a-z, 0-9, '_' and '.'; Write refuses others.
func (f *File) PutF32(name string, v []float32) { put(f, name, "F32", v) }

// PutF64 is PutF32 for float64.
func (f *File) PutF64(name string, v []float64) { put(f, name, "F64", v) }

// PutI32 is PutF32 for int32.
func (f *File) PutI32(name string, v []int32) { put(f, name, "I32", v) }

// PutI64 is PutF32 for int64.
func (f *File) PutI64(name string, v []int64) { put(f, name, "I64", v) }

// PutU8 is PutF32 for bytes.
func (f *File) PutU8(name string, v []uint8) { put(f, name, "U8", v) }

// PutU16 is PutF32 for uint16.
func (f *File) PutU16(name string, v []uint16) { put(f, name, "U16", v) }

// PutU64 is PutF32 for uint64.
func (f *File) PutU64(name string, v []uint64) { put(f, name, "U64", v) }

// F32 returns a copy of the named array; an error if it is missing or of
// another type.
func (f *File) F32(name string) ([]float32, error) { return get[float32](f, name, "F32") }

// F64 is F32 for float64.
func (f *File) F64(name string) ([]float64, error) { return get[float64](f, name, "F64") }

// I32 is F32 for int32.
func (f *File) I32(name string) ([]int32, error) { return get[int32](f, name, "I32") }

// I64 is F32 for int64.
func (f *File) I64(name string) ([]int64, error) { return get[int64](f, name, "I64") }

// U8 is F32 for bytes.
func (f *File) U8(name string) ([]uint8, error) { return get[uint8](f, name, "U8") }

// View is U8 without the copy: the memory is that of the file and must not be
// changed.
func (f *File) View(name string) ([]byte, error) { return f.bytes(name, "U8") }

// U16 is F32 for uint16.
func (f *File) U16(name string) ([]uint16, error) { return get[uint16](f, name, "U16") }

// U64 is F32 for uint64.
func (f *File) U64(name string) ([]uint64, error) { return get[uint64](f, name, "U64") }

// SHA256 is the hash, in hexadecimal, of the bytes that f was read from; "" if it
// was not read.
func (f *File) SHA256() string {
	if f.raw == nil {
		return ""
	}
	sum := sha256.Sum256(f.raw)
	return hex.EncodeToString(sum[:])
}

// Has reports whether there is an array of that name.
func (f *File) Has(name string) bool { _, ok := f.arrays[name]; return ok }

// Arrays lists the arrays in the order in which they stand in the file.
func (f *File) Arrays() []ArrayInfo {
	out := make([]ArrayInfo, 0, len(f.arrays))
	for name, a := range f.arrays {
		out = append(out, ArrayInfo{name, a.dtype, len(a.data) / dtypeSize(a.dtype), len(a.data)})
	}
	// Wide elements first, as safetensors does: then each array is aligned to
	// its element size without the gaps that safetensors forbids.
	slices.SortFunc(out, func(a, b ArrayInfo) int {
		if d := dtypeSize(b.DType) - dtypeSize(a.DType); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

type number interface {
	float32 | float64 | int32 | int64 | uint8 | uint16 | uint64
}

func put[T number](f *File, name, dtype string, v []T) {
	b, err := binary.Append(make([]byte, 0, len(v)*dtypeSize(dtype)), binary.LittleEndian, v)
	if err != nil {
		panic(err) // unreachable: every number type has a fixed size
	}
	if f.arrays == nil {
		f.arrays = make(map[string]array)
	}
	f.arrays[name] = array{dtype, b}
}

func get[T number](f *File, name, dtype string) ([]T, error) {
	data, err := f.bytes(name, dtype)
	if err != nil {
		return nil, err
	}
	v := make([]T, len(data)/dtypeSize(dtype))
	if _, err := binary.Decode(data, binary.LittleEndian, v); err != nil {
		return nil, fmt.Errorf("model file: array %q: %w", name, err)
	}
	return v, nil
}

// bytes is the little-endian data of an array of that type.
func (f *File) bytes(name, dtype string) ([]byte, error) {
	a, ok := f.arrays[name]
	if !ok {
		return nil, fmt.Errorf("model file: no array %q", name)
	}
	if a.dtype != dtype {
		return nil, fmt.Errorf("model file: array %q is %s, not %s", name, a.dtype, dtype)
	}
	return a.data, nil
}

// dtypeSize is the size of an element in bytes, 0 for an unknown type.
func dtypeSize(dtype string) int {
	switch dtype {
	case "F64", "I64", "U64":
		return 8
	case "F32", "I32":
		return 4
	case "U16":
		return 2
	case "U8":
		return 1
	}
	return 0
}

// Write writes f. Equal content gives equal bytes. It sets Header.Format,
// Header.SchemaID and, from the schema's state, an empty Header.StateID.
func (f *File) Write(w io.Writer) error {
	b, err := f.encode()
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func (f *File) encode() ([]byte, error) {
	h := &f.Header
	if h.Kind == "" {
		return nil, fmt.Errorf("write model file: header without kind")
	}
	h.Format = FormatVersion
	h.SchemaID = schemaID(&h.Schema)
	if h.StateID == "" {
		h.StateID = h.Schema.State
	}
	text, err := marshal(h)
	if err != nil {
		return nil, fmt.Errorf("write model file: header: %w", err)
	}
	quoted, err := marshal(string(text))
	if err != nil {
		return nil, fmt.Errorf("write model file: header: %w", err)
	}
	infos := f.Arrays()
	var head bytes.Buffer
	head.WriteString(headStart)
	head.WriteString(strings.Repeat("0", sumLen))
	fmt.Fprintf(&head, `","apiml":%s}`, quoted)
	total := 0
	for _, a := range infos {
		if !validName(a.Name) {
			return nil, fmt.Errorf("write model file: array name %q is not 1 to 64 of a-z, 0-9, '_', '.'", a.Name)
		}
		fmt.Fprintf(&head, `,"%s":{"dtype":"%s","shape":[%d],"data_offsets":[%d,%d]}`, a.Name, a.DType, a.Len, total, total+a.Bytes)
		total += a.Bytes
	}
	head.WriteByte('}')
	for head.Len()%8 != 0 {
		head.WriteByte(' ') // the data begins aligned to 8 bytes
	}
	if head.Len() > MaxHeader {
		return nil, fmt.Errorf("write model file: header of %d bytes, at most %d are allowed", head.Len(), MaxHeader)
	}
	if 8+head.Len()+total > MaxFile {
		return nil, fmt.Errorf("write model file: %d bytes, at most %d are allowed", 8+head.Len()+total, MaxFile)
	}
	b := make([]byte, 8, 8+head.Len()+total)
	binary.LittleEndian.PutUint64(b, uint64(head.Len()))
	b = append(b, head.Bytes()...)
	for _, a := range infos {
		b = append(b, f.arrays[a.Name].data...)
	}
	sum := checksum(b)
	copy(b[sumAt:], sum[:])
	return b, nil
}

// schemaID is the ID of a schema, "" if the model has none.
func schemaID(s *frame.Schema) string {
	if s.Name == "" && s.State == "" && len(s.Columns) == 0 {
		return ""
	}
	return s.ID()
}

// marshal is json.Marshal without escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// checksum is the SHA-256, in hexadecimal, of a whole file in which the place
// of the checksum holds zeros ('0').
func checksum(b []byte) (hexsum [sumLen]byte) {
	h := sha256.New()
	h.Write(b[:sumAt])
	h.Write(bytes.Repeat([]byte("0"), sumLen))
	h.Write(b[sumAt+sumLen:])
	hex.Encode(hexsum[:], h.Sum(nil))
	return hexsum
}

func validName(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '.') {
			return false
		}
	}
	return !strings.HasPrefix(s, "__")
}

// Load reads a model file. Every error names the file; a file of a newer
// format is a *NewerError.
func Load(path string) (*File, error) {
	b, err := readAll(path)
	if err != nil {
		return nil, err
	}
	f, err := ReadFile(b)
	if err != nil {
		if newer, ok := err.(*NewerError); ok {
			newer.Path = path
			return nil, newer
		}
		return nil, fmt.Errorf("model file %q: %s", path, strings.TrimPrefix(err.Error(), "model file: "))
	}
	return f, nil
}

func readAll(path string) ([]byte, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("model file %q: %w", path, cause(err))
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, fmt.Errorf("model file %q: %w", path, cause(err))
	}
	if info.IsDir() {
		return nil, fmt.Errorf("model file %q: is a directory", path)
	}
	// The limit, not the size: a device or pipe has none, and a foreign file
	// may be huge.
	b, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("model file %q: %w", path, cause(err))
	}
	if len(b) > MaxFile {
		return nil, fmt.Errorf("model file %q: larger than %d bytes: not an apiml model", path, MaxFile)
	}
	return b, nil
}

// cause strips the path from an error of package os: the message has it.
func cause(err error) error {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err
	}
	return err
}

// ReadFile reads a model file from memory. It checks everything that FORMAT.md
// demands and never panics; besides the file's arrays, of which it keeps the
// bytes of b, it allocates no more than a multiple of the header's length,
// which is at most MaxHeader. What it accepts, Write writes and ReadFile reads
// back equal. The caller must not change b afterwards.
func ReadFile(b []byte) (*File, error) { return read(b, true) }

// ReadTrusted is ReadFile for bytes that Write has written and that are known to
// be whole, as those which are part of the program or of a file that was checked
// already: neither the checksum nor the text of the metrics is looked at.
func ReadTrusted(b []byte) (*File, error) { return read(b, false) }

func read(b []byte, sum bool) (*File, error) {
	f, err := parse(b, sum)
	if err != nil {
		if _, ok := err.(*NewerError); ok {
			return nil, err
		}
		return nil, fmt.Errorf("model file: %w", err)
	}
	return f, nil
}

func parse(b []byte, sum bool) (*File, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("is empty")
	}
	if len(b) < 8 || !bytes.HasPrefix(b[8:], []byte(headStart)) {
		return nil, foreign(b)
	}
	n := binary.LittleEndian.Uint64(b)
	if n > MaxHeader || n%8 != 0 {
		return nil, fmt.Errorf("damaged: header length %d (at most %d, a multiple of 8)", n, MaxHeader)
	}
	if uint64(len(b)-8) < n {
		return nil, fmt.Errorf("truncated: header of %d bytes, %d are there", n, len(b)-8)
	}
	if int(n) < len(headStart)+sumLen {
		return nil, fmt.Errorf("damaged: header of %d bytes is too short", n)
	}
	head, data := b[8:8+n], b[8+n:]
	meta, entries, err := parseHead(head)
	if err != nil {
		return nil, fmt.Errorf("damaged: header: %w", err)
	}
	// The version decides what the rest means, so it comes before all else.
	if !known(meta.Apiml) {
		var version struct {
			Format int    `json:"format"`
			Tool   string `json:"tool"`
		}
		if err := json.Unmarshal([]byte(meta.Apiml), &version); err != nil {
			return nil, fmt.Errorf("damaged: header: %w", err)
		}
		if version.Format > FormatVersion {
			return nil, &NewerError{Found: version.Format, Known: FormatVersion, Tool: version.Tool}
		}
		if version.Format < 1 {
			return nil, fmt.Errorf("damaged: header: format version %d", version.Format)
		}
	}
	f := &File{arrays: make(map[string]array, len(entries)), raw: b}
	end := uint64(0)
	for _, e := range entries {
		if err := e.check(end); err != nil {
			return nil, fmt.Errorf("damaged: array %q: %w", e.name, err)
		}
		end = e.Offsets[1]
	}
	switch {
	case uint64(len(data)) < end:
		return nil, fmt.Errorf("truncated: arrays take %d bytes, %d are there", end, len(data))
	case uint64(len(data)) > end:
		return nil, fmt.Errorf("damaged: %d bytes behind the last array", uint64(len(data))-end)
	}
	if sum {
		if sum := checksum(b); !bytes.Equal(sum[:], b[sumAt:sumAt+sumLen]) {
			return nil, fmt.Errorf("damaged: the checksum does not fit the content")
		}
	}
	for _, e := range entries {
		f.arrays[e.name] = array{e.DType, data[e.Offsets[0]:e.Offsets[1]:e.Offsets[1]]}
	}
	if err := f.Header.parse(meta.Apiml, !sum); err != nil {
		return nil, fmt.Errorf("damaged: header: %w", err)
	}
	return f, nil
}

// known reports whether a header begins with a format version that is known,
// as Write makes it: a look at all of it takes as long as reading it.
func known(text string) bool {
	var format int
	dec := json.NewDecoder(strings.NewReader(text[:min(len(text), 64)]))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	if t, err := dec.Token(); err != nil || t != "format" || dec.Decode(&format) != nil {
		return false
	}
	return format >= 1 && format <= FormatVersion
}

type metadata struct {
	SHA256 string `json:"sha256"`
	Apiml  string `json:"apiml"`
}

type entry struct {
	name    string
	DType   string   `json:"dtype"`
	Shape   []uint64 `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
}

// check validates an entry; end is where the array before it ends.
func (e *entry) check(end uint64) error {
	size := uint64(dtypeSize(e.DType))
	switch {
	case !validName(e.name):
		return fmt.Errorf("name is not 1 to 64 of a-z, 0-9, '_', '.'")
	case size == 0:
		return fmt.Errorf("unknown type %q", e.DType)
	case len(e.Shape) != 1 || len(e.Offsets) != 2:
		return fmt.Errorf("%d dimensions and %d offsets, expected 1 and 2", len(e.Shape), len(e.Offsets))
	case e.Offsets[0] != end:
		return fmt.Errorf("begins at %d, the array before it ends at %d", e.Offsets[0], end)
	case e.Offsets[1] < e.Offsets[0] || e.Offsets[1] > MaxFile:
		return fmt.Errorf("ends at %d, begins at %d", e.Offsets[1], e.Offsets[0])
	case e.Shape[0] > MaxFile || e.Shape[0]*size != e.Offsets[1]-e.Offsets[0]:
		return fmt.Errorf("%d elements of %d bytes in %d bytes", e.Shape[0], size, e.Offsets[1]-e.Offsets[0])
	}
	return nil
}

// parseHead splits the JSON header into the metadata and the entries of the
// arrays, ordered by their offsets. Keys that stand twice are an error: two
// readers would see two different files.
func parseHead(head []byte) (metadata, []entry, error) {
	var meta metadata
	var entries []entry
	seen := make(map[string]bool)
	// The metadata are nearly all of the head and have one form (Write's): they
	// are taken out, so that the JSON reader sees the rest only.
	if m, n := plainMetadata(head); n > 0 {
		meta, head = m, append([]byte{'{'}, bytes.TrimPrefix(head[n:], []byte{','})...)
		seen["__metadata__"] = true
	}
	dec := json.NewDecoder(bytes.NewReader(head))
	dec.DisallowUnknownFields()
	if _, err := dec.Token(); err != nil { // '{': headStart was checked
		return meta, nil, err
	}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return meta, nil, err
		}
		name, ok := tok.(string)
		if !ok || seen[name] {
			return meta, nil, fmt.Errorf("key %v stands twice", tok)
		}
		seen[name] = true
		if name == "__metadata__" {
			err = dec.Decode(&meta)
		} else {
			e := entry{name: name}
			err = dec.Decode(&e)
			entries = append(entries, e)
		}
		if err != nil {
			return meta, nil, err
		}
	}
	if _, err := dec.Token(); err != nil { // '}'
		return meta, nil, err
	}
	if rest := bytes.Trim(head[dec.InputOffset():], " "); len(rest) > 0 {
		return meta, nil, fmt.Errorf("%q behind the JSON text", rest[:min(len(rest), 16)])
	}
	// Stable and by both ends, so that empty arrays stand before the array that
	// begins where they do.
	slices.SortStableFunc(entries, func(a, b entry) int { return slices.Compare(a.Offsets, b.Offsets) })
	return meta, entries, nil
}

// plainMetadata reads the metadata of a head as Write makes it and returns how
// many bytes it takes up to the value's end; 0 if it looks otherwise in any way.
func plainMetadata(head []byte) (meta metadata, n int) {
	const between = `","apiml":"`
	at := len(headStart) + sumLen
	if !bytes.HasPrefix(head, []byte(headStart)) || !bytes.HasPrefix(head[at:], []byte(between)) {
		return meta, 0
	}
	for _, c := range head[len(headStart):at] {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return meta, 0
		}
	}
	text, end := unquote(head[at+len(between):])
	end += at + len(between)
	if text == "" || !bytes.HasPrefix(head[end:], []byte("}")) {
		return meta, 0
	}
	end++
	if !bytes.HasPrefix(head[end:], []byte(`,"`)) && !bytes.HasPrefix(head[end:], []byte("}")) {
		return meta, 0
	}
	return metadata{string(head[len(headStart):at]), text}, end
}

// unquote undoes the escapes of a JSON string up to its closing quote and returns
// where it goes on behind that; "" if there is none, or if it holds anything but
// valid UTF-8 and escaped quotes and backslashes.
func unquote(b []byte) (text string, n int) {
	var out strings.Builder
	out.Grow(len(b))
	for n < len(b) {
		from := n
		for n < len(b) && b[n] != '"' && b[n] != '\\' && b[n] >= ' ' {
			n++
		}
		out.Write(b[from:n])
		if n == len(b) || b[n] < ' ' {
			return "", 0
		}
		if b[n] == '"' {
			if !utf8.ValidString(out.String()) {
				return "", 0
			}
			return out.String(), n + 1
		}
		if n++; n == len(b) || b[n] != '"' && b[n] != '\\' {
			return "", 0
		}
		out.WriteByte(b[n])
		n++
	}
	return "", 0
}

// parse decodes the header text and checks what every model relies on. compact
// says that the text is known to be as Write makes it.
func (h *Header) parse(text string, compact bool) error {
	// The metrics, mostly curves, are nearly all of the text: they are only
	// checked (Compact), by whom they interest decoded.
	from, to := jsonvalue.Find(text, "metrics")
	rest := []byte(text)
	if to > 0 {
		rest = append(append([]byte(text[:from]), "null"...), text[to:]...)
	}
	if err := json.Unmarshal(rest, h); err != nil {
		return err
	}
	if to > 0 && string(h.Metrics) == "null" {
		h.Metrics = json.RawMessage(text[from:to])
	}
	if h.Format < 1 || h.Format > FormatVersion {
		return fmt.Errorf("format version %d", h.Format)
	}
	if h.Kind == "" {
		return fmt.Errorf("no kind")
	}
	if id := schemaID(&h.Schema); h.SchemaID != id {
		return fmt.Errorf("schema_id is %q, the schema's is %q", h.SchemaID, id)
	}
	seen := make(map[string]bool, len(h.Schema.Columns))
	for _, c := range h.Schema.Columns {
		if seen[c.Name] {
			return fmt.Errorf("column %q stands twice", c.Name)
		}
		seen[c.Name] = true
	}
	// As Write would write them, so that what was read is equal to what is
	// read again.
	for _, raw := range []*json.RawMessage{&h.Config, &h.Metrics} {
		if len(*raw) > 0 && !compact {
			var b bytes.Buffer
			b.Grow(len(*raw))
			if err := json.Compact(&b, *raw); err != nil {
				return err
			}
			*raw = b.Bytes()
		}
	}
	return nil
}

// foreign says what b is if it is no model file of ours.
func foreign(b []byte) error {
	is := func(magic string) bool { return bytes.HasPrefix(b, []byte(magic)) }
	what := "an unknown kind of file"
	switch {
	case len(b) > 2 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5:
		what = "a Python pickle (apiml never loads pickles: they run code)"
	case is("PK\x03\x04"):
		what = "a zip archive"
	case is("\x1f\x8b"):
		what = "a gzip file"
	case is("\x28\xb5\x2f\xfd"):
		what = "a zstd file"
	case is("\x89HDF"):
		what = "an HDF5 file"
	case is("\x7fELF"):
		what = "a program"
	case len(b) > 8 && b[8] == '{' && binary.LittleEndian.Uint64(b) < uint64(len(b)):
		what = "a safetensors file of another program"
	case len(b) <= sumAt && len(b) > 8 && strings.HasPrefix(headStart, string(b[8:])):
		return fmt.Errorf("truncated: only %d bytes", len(b))
	case isText(b[:min(len(b), 512)]):
		what = "a text file"
	}
	return fmt.Errorf("not an apiml model but %s", what)
}

func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && len(b) >= utf8.UTFMax {
			return false
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
		b = b[n:]
	}
	return true
}
