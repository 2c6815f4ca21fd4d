package features

import "apiml/frame"

// conductColumns are the columns that tell how somebody behaves: the windows,
// and what kind of request this is. None depends on a State.
func conductColumns() []int {
	cols := []int{cPathDepth, cParameters, cValueDigits, cAsset, cLogin, cAgentClass, cMethodClass, cStatusClass, cBytesOut}
	for c := numRequest; c < numWindow; c++ {
		cols = append(cols, c)
	}
	return cols
}

// ConductSchema returns the columns of a classifier of conduct: attacks that
// show in many requests and not in one. As none of them depends on a State, one
// such classifier serves beside any attack classifier.
func ConductSchema() *frame.Schema {
	all := columns()
	s := &frame.Schema{Name: "conduct"}
	for _, c := range conductColumns() {
		s.Columns = append(s.Columns, all[c])
	}
	return s
}

// Conduct returns the rows of x, which has the columns of an HTTPSchema, with
// those of ConductSchema. The values are shared, not copied.
func Conduct(x *frame.Matrix) *frame.Matrix {
	y := *x
	y.Schema, y.Cols = ConductSchema(), nil
	for _, c := range conductColumns() {
		y.Cols = append(y.Cols, x.Cols[c])
	}
	return &y
}
