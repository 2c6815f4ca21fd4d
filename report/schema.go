package report

import (
	"reflect"
	"strings"
	"time"
)

// JSONSchema describes the output of JSON, as JSON Schema 2020-12. It is made from
// the types, so that it cannot say something else.
func JSONSchema() map[string]any {
	s := schemaOf(reflect.TypeFor[Data]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = SchemaName
	s["description"] = "Output of `apiml report --json`. Counts are -1 where unknown, other numbers null. Times are UTC and left out where unknown. Strings may come from a log: treat them as hostile."
	s["properties"].(map[string]any)["schema"] = map[string]any{"const": SchemaName}
	return s
}

func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[Num]():
		return map[string]any{"type": []string{"number", "null"}}
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Struct:
		props, required := map[string]any{}, []string{}
		addFields(t, props, &required)
		return map[string]any{"type": "object", "properties": props, "required": required, "additionalProperties": false}
	}
	panic("report: no schema of a " + t.Kind().String()) // a test makes it of all types
}

func addFields(t reflect.Type, props map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag == "" {
			addFields(f.Type, props, required)
			continue
		}
		props[tag] = schemaOf(f.Type)
		if option != "omitzero" {
			*required = append(*required, tag)
		}
	}
}
