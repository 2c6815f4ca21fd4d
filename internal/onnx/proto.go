package onnx

import (
	"encoding/binary"
	"math"
)

// message is an encoded protocol buffer message. Repeated numbers are packed,
// which every parser has to accept.
type message []byte

// uvarint appends an unsigned varint.
func (m *message) uvarint(v uint64) { *m = binary.AppendUvarint(*m, v) }

func (m *message) key(field, wire int) { m.uvarint(uint64(field<<3 | wire)) }

func (m *message) integer(field int, v int64) {
	m.key(field, 0)
	m.uvarint(uint64(v))
}

func (m *message) float(field int, v float32) {
	m.key(field, 5)
	*m = binary.LittleEndian.AppendUint32(*m, math.Float32bits(v))
}

func (m *message) bytes(field int, b []byte) {
	m.key(field, 2)
	m.uvarint(uint64(len(b)))
	*m = append(*m, b...)
}

// text writes a string; an empty one is left out, as in the default encoding.
func (m *message) text(field int, s string) {
	if s != "" {
		m.bytes(field, []byte(s))
	}
}

func (m *message) message(field int, sub message) { m.bytes(field, sub) }

func (m *message) ints(field int, v []int64) {
	var p message
	for _, x := range v {
		p.uvarint(uint64(x))
	}
	m.bytes(field, p)
}

func (m *message) floats(field int, v []float32) {
	p := make(message, 0, 4*len(v))
	for _, x := range v {
		p = binary.LittleEndian.AppendUint32(p, math.Float32bits(x))
	}
	m.bytes(field, p)
}

// Numbers of AttributeProto.AttributeType.
const (
	attributeFloat   = 1
	attributeInt     = 2
	attributeString  = 3
	attributeFloats  = 6
	attributeInts    = 7
	attributeStrings = 8
)

// attribute is an AttributeProto without its value.
func attribute(name string, kind int64) message {
	var a message
	a.text(1, name)
	a.integer(20, kind)
	return a
}

func attrInt(name string, v int64) message {
	a := attribute(name, attributeInt)
	a.integer(3, v)
	return a
}

func attrFloat(name string, v float32) message {
	a := attribute(name, attributeFloat)
	a.float(2, v)
	return a
}

func attrString(name, v string) message {
	a := attribute(name, attributeString)
	a.bytes(4, []byte(v))
	return a
}

func attrInts(name string, v []int64) message {
	a := attribute(name, attributeInts)
	a.ints(8, v)
	return a
}

func attrFloats(name string, v []float32) message {
	a := attribute(name, attributeFloats)
	a.floats(7, v)
	return a
}

func attrStrings(name string, v []string) message {
	a := attribute(name, attributeStrings)
	for _, s := range v {
		a.bytes(9, []byte(s))
	}
	return a
}

// node is a NodeProto, named after its first output.
func node(op, domain string, inputs, outputs []string, attrs []message) message {
	var n message
	for _, s := range inputs {
		n.text(1, s)
	}
	for _, s := range outputs {
		n.text(2, s)
	}
	n.text(3, outputs[0])
	n.text(4, op)
	for _, a := range attrs {
		n.message(5, a)
	}
	n.text(7, domain)
	return n
}

func opset(domain string, version int64) message {
	var o message
	o.bytes(1, []byte(domain))
	o.integer(2, version)
	return o
}

// valueInfo is a ValueInfoProto of a tensor [rows, width]; width < 0 = [rows].
func valueInfo(name string, elem, width int64) message {
	var rows, shape, tensor, kind, info message
	rows.text(2, "rows")
	shape.message(1, rows)
	if width >= 0 {
		var d message
		d.integer(1, width)
		shape.message(1, d)
	}
	tensor.integer(1, elem)
	tensor.message(2, shape)
	kind.message(1, tensor)
	info.text(1, name)
	info.message(2, kind)
	return info
}

// floatTensor is a TensorProto; nil dims make it a scalar.
func floatTensor(name string, dims []int64, v []float32) message {
	var t message
	if len(dims) > 0 {
		t.ints(1, dims)
	}
	t.integer(2, typeFloat)
	t.floats(4, v)
	t.text(8, name)
	return t
}

func intTensor(name string, v []int64) message {
	var t message
	t.ints(1, []int64{int64(len(v))})
	t.integer(2, typeInt64)
	t.ints(7, v)
	t.text(8, name)
	return t
}
