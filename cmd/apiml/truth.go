package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"apiml/traffic"
)

// readTruth reads labels by line number: the CSV that generate --truth writes
// (columns line and attack_type), or JSON lines with the fields line and label.
// .gz is read directly.
func readTruth(path string) (map[int64]traffic.Label, error) {
	br, done, err := openText(path)
	if err != nil {
		return nil, err
	}
	defer done()
	first, err := br.Peek(1)
	if err != nil {
		return nil, fmt.Errorf("%s: no labels in it", path)
	}
	out := map[int64]traffic.Label{}
	if first[0] == '{' {
		err = truthJSON(path, br, out)
	} else {
		err = truthCSV(path, br, out)
	}
	return out, err
}

func truthJSON(path string, r io.Reader, out map[int64]traffic.Label) error {
	dec := json.NewDecoder(r)
	for n := 1; ; n++ {
		var row struct {
			Line  int64  `json:"line"`
			Label string `json:"label"`
		}
		if err := dec.Decode(&row); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: record %d: %w", path, n, err)
		}
		l, err := traffic.ParseLabel(row.Label)
		if err != nil {
			return fmt.Errorf("%s: record %d: %w", path, n, err)
		}
		out[row.Line] = l
	}
}

func truthCSV(path string, r io.Reader, out map[int64]traffic.Label) error {
	c := csv.NewReader(r)
	header, err := c.Read()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	li, ai := slices.Index(header, "line"), slices.Index(header, "attack_type")
	if li < 0 || ai < 0 {
		return fmt.Errorf("%s: want the columns line and attack_type", path)
	}
	for {
		rec, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		at, _ := c.FieldPos(0)
		line, err := strconv.ParseInt(rec[li], 10, 64)
		if err != nil {
			return fmt.Errorf("%s:%d: line %q is no number", path, at, rec[li])
		}
		if out[line], err = traffic.ParseLabel(rec[ai]); err != nil {
			return fmt.Errorf("%s:%d: %w", path, at, err)
		}
	}
}
