package model

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"apiml/frame"
)

var update = flag.Bool("update", false, "write the committed files anew")

// sample is a file with something in every field and an array of every type.
func sample() *File {
	f := &File{Header: Header{
		Kind: "example", Name: "attack", Tool: "apiml test",
		Schema:  frame.Schema{Name: "http", State: "ab12", Columns: []frame.Column{{Name: "length", Unit: "bytes", Doc: "a <b> & \"c\""}, {Name: "status"}}},
		Classes: []string{"none", "xss"}, Config: json.RawMessage(`{"trees": 3, "f": "sqrt"}`), Seed: math.MaxUint64,
		Data:    Provenance{Source: "access.log", Synthetic: true, Rows: 12, First: 1, Last: 2, Fingerprint: "f00", Inputs: []InputRef{{"a.log", "00ff"}}},
		HoldOut: HoldOut{Rule: "last 20 % of time", Rows: 3, Protocol: "group-time"},
		Metrics: json.RawMessage(`{"macro_f1":{"mean":0.5,"sd":0.01}}`), Thresholds: map[string]float64{"p": 0.9, "anomaly": 0.7}, Warnings: []string{"few rows"},
	}}
	f.PutF32("a.f32", []float32{1.5, -2, float32(math.Inf(1))})
	f.PutF64("b.f64", []float64{math.Pi})
	f.PutI32("c.i32", []int32{-1, 2})
	f.PutI64("d.i64", []int64{math.MinInt64})
	f.PutU8("e.u8", []uint8{1, 2, 3})
	f.PutU16("f.u16", []uint16{65535})
	f.PutU64("holdout.rows", []uint64{math.MaxUint64, 7})
	f.PutU8("empty", nil)
	return f
}

func encode(t testing.TB, f *File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// reseal sets the checksum of a file that was tampered with.
func reseal(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) >= sumAt+sumLen {
		sum := checksum(b)
		copy(b[sumAt:], sum[:])
	}
	return b
}

func TestWriteRead(t *testing.T) {
	want := sample()
	b := encode(t, want)
	got, err := ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encode(t, got), b) {
		t.Error("read and written again, the bytes differ")
	}
	if v, err := got.F32("a.f32"); err != nil || !slices.Equal(v, []float32{1.5, -2, float32(math.Inf(1))}) {
		t.Errorf("a.f32 = %v, %v", v, err)
	}
	if v, err := got.U64("holdout.rows"); err != nil || !slices.Equal(v, []uint64{math.MaxUint64, 7}) {
		t.Errorf("holdout.rows = %v, %v", v, err)
	}
	if v, err := got.I64("d.i64"); err != nil || v[0] != math.MinInt64 {
		t.Errorf("d.i64 = %v, %v", v, err)
	}
	if v, err := got.U8("empty"); err != nil || len(v) != 0 {
		t.Errorf("empty = %v, %v", v, err)
	}
	if _, err := got.F32("b.f64"); err == nil || err.Error() != `model file: array "b.f64" is F64, not F32` {
		t.Errorf("wrong type: %v", err)
	}
	if _, err := got.F32("nope"); err == nil {
		t.Error("a missing array was found")
	}
	if got.Header.Seed != math.MaxUint64 || got.Header.StateID != "ab12" || got.Header.SchemaID != want.Header.Schema.ID() || got.Header.Thresholds["p"] != 0.9 {
		t.Errorf("header = %+v", got.Header)
	}
}

// The order of Put calls and of maps must not show in the bytes.
func TestSameContentSameBytes(t *testing.T) {
	a, b := sample(), sample()
	b.arrays = nil
	for _, n := range []string{"empty", "holdout.rows", "f.u16", "e.u8", "d.i64", "c.i32", "b.f64", "a.f32"} {
		if b.arrays == nil {
			b.arrays = map[string]array{}
		}
		b.arrays[n] = a.arrays[n]
	}
	if !bytes.Equal(encode(t, a), encode(t, b)) {
		t.Error("bytes differ")
	}
}

// What https://huggingface.co/docs/safetensors demands: a header of JSON that
// begins with '{', entries without gaps or overlaps; and what we add: arrays
// aligned to their elements.
func TestLayout(t *testing.T) {
	b := encode(t, sample())
	n := int(binary.LittleEndian.Uint64(b))
	if n%8 != 0 || b[8] != '{' {
		t.Errorf("header of %d bytes begins with %q", n, b[8])
	}
	var head map[string]json.RawMessage
	if err := json.Unmarshal(b[8:8+n], &head); err != nil {
		t.Fatal(err)
	}
	var meta map[string]string
	if err := json.Unmarshal(head["__metadata__"], &meta); err != nil || len(meta) != 2 {
		t.Errorf("metadata is no map of strings: %v", err)
	}
	end := 0
	f, _ := ReadFile(b)
	for _, a := range f.Arrays() {
		var e entry
		if err := json.Unmarshal(head[a.Name], &e); err != nil {
			t.Fatal(err)
		}
		if int(e.Offsets[0]) != end || end%dtypeSize(a.DType) != 0 {
			t.Errorf("%s begins at %d, expected %d, aligned to %d", a.Name, e.Offsets[0], end, dtypeSize(a.DType))
		}
		end = int(e.Offsets[1])
	}
	if 8+n+end != len(b) {
		t.Errorf("%d bytes, expected %d", len(b), 8+n+end)
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, change := range map[string]func(*File){
		"name":      func(f *File) { f.PutU8("a b", nil) },
		"reserved":  func(f *File) { f.PutU8("__metadata__", nil) },
		"kind":      func(f *File) { f.Header.Kind = "" },
		"threshold": func(f *File) { f.Header.Thresholds["p"] = math.NaN() },
		"config":    func(f *File) { f.Header.Config = json.RawMessage("{") },
		"long":      func(f *File) { f.Header.Warnings = []string{strings.Repeat("x", MaxHeader)} },
	} {
		f := sample()
		change(f)
		if err := f.Write(&bytes.Buffer{}); err == nil {
			t.Errorf("%s: was written", name)
		}
	}
}

// Every file of an old version stays readable.
func TestVersion1(t *testing.T) {
	path := filepath.Join("testdata", "version1.apiml")
	if *update {
		if err := os.WriteFile(path, encode(t, sample()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if FormatVersion == 1 && !bytes.Equal(encode(t, f), b) {
		t.Error("written anew, version 1 has other bytes")
	}
	if !bytes.Equal(encode(t, f), encode(t, sample())) {
		t.Error("version 1 reads as something else than what was written")
	}
}

// edit replaces text in the header, keeping its length by taking or adding
// spaces at its end.
func edit(t *testing.T, b []byte, old, new string) []byte {
	t.Helper()
	n := binary.LittleEndian.Uint64(b)
	head := string(b[8 : 8+n])
	if !strings.Contains(head, old) {
		t.Fatalf("header has no %q", old)
	}
	head = strings.TrimRight(strings.Replace(head, old, new, 1), " ")
	for len(head)%8 != 0 {
		head += " "
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	return reseal(append(append(out, head...), b[8+n:]...))
}

func TestReadRefuses(t *testing.T) {
	good := encode(t, sample())
	flip := func(at int) []byte { b := bytes.Clone(good); b[at] ^= 0x40; return b }
	length := func(n uint64) []byte { b := bytes.Clone(good); binary.LittleEndian.PutUint64(b, n); return b }
	other := `{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}      `
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "is empty"},
		{"one byte", []byte{0}, "unknown kind of file"},
		{"pickle", append([]byte("\x80\x04\x95"), make([]byte, 60)...), "a Python pickle"},
		{"zip", append([]byte("PK\x03\x04"), make([]byte, 60)...), "a zip archive"},
		{"gzip", append([]byte("\x1f\x8b\x08"), make([]byte, 60)...), "a gzip file"},
		{"text", []byte("127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 2326\n"), "a text file"},
		{"latin", []byte("h\xe9llo w\xf6rld"), "unknown kind of file"},
		{"safetensors", append(binary.LittleEndian.AppendUint64(nil, uint64(len(other))), other...), "a safetensors file of another program"},
		{"cut in the start", good[:20], "truncated: only 20 bytes"},
		{"cut in the header", good[:300], "truncated: header of"},
		{"cut in the data", good[:len(good)-1], "truncated: arrays take"},
		{"longer", append(bytes.Clone(good), 0), "1 bytes behind the last array"},
		{"flipped in the data", flip(len(good) - 1), "the checksum does not fit"},
		{"header length", length(1 << 60), "header length 1152921504606846976"},
		{"short header", length(64), "too short"},
		{"cut header", length(256), "header: unexpected"},
		{"type", edit(t, good, `"a.f32":{"dtype":"F32"`, `"a.f32":{"dtype":"F99"`), `array "a.f32": unknown type "F99"`},
		{"wider", edit(t, good, `"a.f32":{"dtype":"F32"`, `"a.f32":{"dtype":"F64"`), `array "a.f32": 3 elements of 8 bytes in 12`},
		{"twice", edit(t, good, `"b.f64":{`, `"d.i64":{`), `key d.i64 stands twice`},
		{"name", edit(t, good, `"b.f64":{`, `"b f64":{`), `array "b f64": name is not`},
		{"gap", edit(t, good, `"data_offsets":[8,16]`, `"data_offsets":[9,17]`), `begins at 9, the array before it ends at 8`},
		{"overlap", edit(t, good, `"data_offsets":[8,16]`, `"data_offsets":[0,8]`), `begins at 0, the array before it ends at 8`},
		{"huge", edit(t, good, `"shape":[1],"data_offsets":[8,16]`, `"shape":[2305843009213693952],"data_offsets":[8,18446744073709551615]`), `ends at 18446744073709551615`},
		{"overflow", edit(t, good, `"shape":[1],"data_offsets":[8,16]`, `"shape":[2305843009213693953],"data_offsets":[8,16]`), `2305843009213693953 elements`},
		{"negative", edit(t, good, `"data_offsets":[8,16]`, `"data_offsets":[8,-16]`), `cannot unmarshal number -16`},
		{"dimensions", edit(t, good, `"shape":[1],"data_offsets":[8,16]`, `"shape":[1,1],"data_offsets":[8,16]`), `2 dimensions`},
		{"entry", edit(t, good, `"shape":[1],"data_offsets":[8,16]`, `"shape":[1],"x":1,"data_offsets":[8,16]`), `unknown field "x"`},
		{"behind", edit(t, good, `"data_offsets":[57,57]}}`, `"data_offsets":[57,57]}}]`), `"]" behind the JSON text`},
		{"format 0", edit(t, good, `\"format\":1`, `\"format\":0`), `format version 0`},
		{"no kind", edit(t, good, `\"kind\":\"example\"`, `\"kind\":\"\"`), `no kind`},
		{"schema", edit(t, good, `\"name\":\"status\"`, `\"name\":\"statux\"`), `schema_id is "http/`},
		{"columns", edit(t, good, `\"name\":\"status\"`, `\"name\":\"length\"`), `schema_id is "http/`},
		{"seed", edit(t, good, `\"seed\":18446744073709551615`, `\"seed\":18446744073709551616`), `seed`},
	} {
		_, err := ReadFile(c.b)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected %q", c.name, err, c.want)
		}
	}
	// No cut and no single flipped bit goes unnoticed.
	for n := range good {
		if _, err := ReadFile(good[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(good))
		}
		if _, err := ReadFile(flip(n)); err == nil {
			t.Fatalf("a flipped bit in byte %d was accepted", n)
		}
	}
}

func TestNewer(t *testing.T) {
	b := edit(t, encode(t, sample()), `\"format\":1`, `\"format\":2`)
	path := filepath.Join(t.TempDir(), "new.apiml")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path)
	var newer *NewerError
	if !errors.As(err, &newer) || newer.Found != 2 || newer.Known != 1 || newer.Path != path || newer.Tool != "apiml test" {
		t.Errorf("error %v", err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.apiml")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                              "is a directory",
		empty:                            "is empty",
		filepath.Join(dir, "no.apiml"):   "no such file",
		filepath.Join(dir, "no\n.apiml"): `no\n.apiml`,
	} {
		_, err := Load(path)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "model file") != 1 {
			t.Errorf("Load(%q): %v, expected %q", path, err, want)
		}
	}
	if _, err := Load(filepath.Join(dir, "no.apiml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file is not os.ErrNotExist: %v", err)
	}
}

func TestMergeConfig(t *testing.T) {
	type config struct {
		Trees int    `json:"trees"`
		Mode  string `json:"mode"`
	}
	for _, c := range []struct{ raw, want string }{
		{``, ``}, {`null`, ``}, {`{}`, ``}, {`{"trees":7}`, ``},
		{`{"tress":7}`, `configuration of "attack": unknown key "tress" (known: mode, trees)`},
		{`{"Trees":7}`, `unknown key "Trees"`},
		{`{"trees":"many"}`, `configuration of "attack": trees must be int, not a string`},
		{`[1]`, `expected an object`}, {`{"trees":`, `expected an object`},
	} {
		got := config{3, "x"}
		err := MergeConfig("attack", json.RawMessage(c.raw), &got)
		if c.want == "" {
			if err != nil || got.Mode != "x" || (got.Trees != 3) != strings.Contains(c.raw, "7") {
				t.Errorf("%s: %+v, %v", c.raw, got, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected %q", c.raw, err, c.want)
		}
	}
}

func TestParallel(t *testing.T) {
	for _, workers := range []int{0, 1, 3, 50} {
		done := make([]bool, 20)
		calls := 0
		err := Parallel(t.Context(), workers, len(done), func(_, total int) { calls++ }, func(w, i int) error {
			if w >= Workers(workers, len(done)) {
				t.Errorf("worker %d of %d", w, workers)
			}
			done[i] = true
			return nil
		})
		if err != nil || slices.Contains(done, false) || calls != len(done) {
			t.Errorf("%d workers: %v, %v, %d calls", workers, err, done, calls)
		}
	}
	boom := errors.New("boom")
	if err := Parallel(t.Context(), 2, 100, nil, func(_, i int) error { return boom }); err != boom {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Parallel(ctx, 2, 100, nil, func(_, i int) error { return nil }); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

// FuzzReadFile: nothing panics; what is accepted is written again, reads back
// equal, and its second writing has the same bytes.
func FuzzReadFile(f *testing.F) {
	good := encode(f, sample())
	f.Add(good)
	f.Add(good[:100])
	f.Add(encode(f, &File{Header: Header{Kind: "k"}}))
	f.Add([]byte("\x80\x04\x95"))
	f.Fuzz(func(t *testing.T, b []byte) {
		// The checksum would stop nearly every mutation, so it is repaired.
		first, err := ReadFile(reseal(b))
		if err != nil {
			return
		}
		bytes1 := encode(t, first)
		second, err := ReadFile(bytes1)
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if !bytes.Equal(encode(t, second), bytes1) {
			t.Fatal("the second writing differs")
		}
		if !slices.Equal(first.Arrays(), second.Arrays()) {
			t.Fatal("other arrays")
		}
		for name, a := range first.arrays {
			if !bytes.Equal(a.data, second.arrays[name].data) {
				t.Fatalf("array %q differs", name)
			}
		}
	})
}

// TestHeadForms: a file whose head is JSON of another form than Write's reads as
// the same, and ReadTrusted reads what ReadFile reads, but for the checksum.
func TestHeadForms(t *testing.T) {
	f := sample()
	f.Header.Metrics = json.RawMessage(`{"a":{"metrics":[1,"}\\\"",{}]},"b":"Ω"}`)
	f.Header.Warnings = []string{`"metrics":{"quoted"}`, "ü\n"}
	b := encode(t, f)
	want, err := ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	head := string(b[8 : 8+n])
	for name, other := range map[string]string{
		"spaces behind the checksum": strings.Replace(head, `","apiml":"`, `" , "apiml" : "`, 1),
		"an escape":                  strings.Replace(head, `\"kind\"`, `\"\u006bind\"`, 1),
		"spaces in the header":       strings.Replace(head, `\"metrics\":{`, `\"metrics\": { `, 1),
	} {
		if other == head {
			t.Fatal(name + ": nothing to replace")
		}
		for len(other)%8 != 0 {
			other += " "
		}
		c := binary.LittleEndian.AppendUint64(nil, uint64(len(other)))
		c = append(append(c, other...), b[8+n:]...)
		got, err := ReadFile(reseal(c))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got.Header, want.Header) || !reflect.DeepEqual(got.arrays, want.arrays) {
			t.Errorf("%s: %+v, want %+v", name, got.Header, want.Header)
		}
	}
	bad := slices.Clone(b)
	bad[sumAt] ^= 1
	if bad[sumAt] > 'f' || bad[sumAt] > '9' && bad[sumAt] < 'a' {
		bad[sumAt] = '0'
	}
	if _, err := ReadFile(bad); err == nil {
		t.Error("a wrong checksum was accepted")
	}
	got, err := ReadTrusted(bad)
	if err != nil || !reflect.DeepEqual(got.Header, want.Header) {
		t.Errorf("ReadTrusted: %v", err)
	}
	if got.SHA256() == want.SHA256() || want.SHA256() != fmt.Sprintf("%x", sha256.Sum256(b)) || f.SHA256() != "" {
		t.Error("SHA256 is not that of what was read")
	}
}
