package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"apiml/frame"
)

// MergeConfig decodes raw, a JSON object, over the defaults that config (a
// pointer to a struct) already holds. Nil, "null" and "{}" leave the defaults.
// A key that the struct does not have is an error that names it and the known
// ones; so is a value of the wrong type.
func MergeConfig(name string, raw json.RawMessage, config any) error {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 {
		return nil
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil {
		return fmt.Errorf("configuration of %q: expected an object of key and value: %w", name, err)
	}
	text, err := json.Marshal(config)
	if err != nil {
		return fmt.Errorf("configuration of %q: %w", name, err)
	}
	var known map[string]json.RawMessage
	if err := json.Unmarshal(text, &known); err != nil {
		return fmt.Errorf("configuration of %q: %w", name, err)
	}
	for _, key := range sortedKeys(given) {
		if _, ok := known[key]; !ok {
			return fmt.Errorf("configuration of %q: unknown key %q (known: %s)", name, key, strings.Join(sortedKeys(known), ", "))
		}
	}
	if err := json.Unmarshal(raw, config); err != nil {
		var te *json.UnmarshalTypeError
		if errors.As(err, &te) {
			return fmt.Errorf("configuration of %q: %s must be %s, not a %s", name, te.Field, te.Type, te.Value)
		}
		return fmt.Errorf("configuration of %q: %w", name, err)
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// MustMatch panics with the error of frame.SameSchema if got is not want.
// Predictions call it: on other columns they would be wrong without a sign.
// Callers compare the schemas once, when they load a model, and so never see
// the panic.
func MustMatch(want, got *frame.Schema) {
	if want == got || equal(want, got) {
		return
	}
	if err := frame.SameSchema(want, got); err != nil {
		panic(err)
	}
}

// equal is equality of schema IDs without the hash: cheap enough for every
// block of rows.
func equal(a, b *frame.Schema) bool {
	return a.Name == b.Name && a.State == b.State && slices.EqualFunc(a.Columns, b.Columns, func(c, d frame.Column) bool {
		return c.Name == d.Name && c.Unit == d.Unit
	})
}
