package frame

import (
	"math"
	"strings"
	"testing"
)

func schema(names ...string) *Schema {
	s := &Schema{Name: "t"}
	for _, n := range names {
		s.Columns = append(s.Columns, Column{Name: n})
	}
	return s
}

func TestSelect(t *testing.T) {
	m := NewMatrix(schema("a", "b"), 3)
	copy(m.Cols[0], []float32{1, 2, 3})
	copy(m.Cols[1], []float32{4, 5, 6})
	m.Class, m.Classes = []int32{0, 1, -1}, []string{"x", "y"}
	m.Time = []int64{7, 8, 9}
	s := m.Select([]int{2, 0})
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	if s.Cols[1][0] != 6 || s.Cols[0][1] != 1 || s.Class[0] != -1 || s.Time[1] != 7 {
		t.Errorf("Select is wrong: %+v", s)
	}
	if got := m.Row(make([]float32, 2), 1); got[0] != 2 || got[1] != 5 {
		t.Errorf("Row = %v", got)
	}
}

func TestCheck(t *testing.T) {
	m := NewMatrix(schema("a"), 2)
	m.Cols[0][1] = float32(math.Inf(1))
	if m.Check() == nil {
		t.Error("infinite value accepted")
	}
	m.Cols[0][1] = float32(math.NaN())
	m.Class = []int32{0}
	if m.Check() == nil {
		t.Error("short Class accepted")
	}
}

func TestSchemaID(t *testing.T) {
	a, b := schema("a", "b"), schema("b", "a")
	if a.ID() == b.ID() {
		t.Error("order does not change the ID")
	}
	c := schema("a", "b")
	c.State = "x"
	if a.ID() == c.ID() {
		t.Error("state does not change the ID")
	}
	if SameSchema(a, schema("a", "b")) != nil {
		t.Error("equal schemas differ")
	}
	if err := SameSchema(a, schema("a", "c")); err == nil || !strings.Contains(err.Error(), `column 1 is "c", not "b"; train again`) {
		t.Errorf("SameSchema: %v", err)
	}
}
