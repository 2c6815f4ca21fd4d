package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"apiml/frame"
	"apiml/model/boost"
)

// local is a classical model (smooth.go, ridge.go) fitted to one series. Its
// parameters stay; each forecast runs them over the latest steps of the history,
// so that a fitted model continues later histories too.
type local struct {
	kind     string       // one of localKinds
	m        []int        // periods in steps, ascending
	log      bool         // works on ln(y + offset)
	offset   float64      //
	ahead    int          // ridge: steps that it forecasts at once
	par      []float64    // by kind
	ensemble *boost.Model // trees
	profile  [][]float64  // a season per period, by phase (phaseOf); nil for ets, ridge, profile, trees and analog
}

// localKinds are the classical models, in the order of tables.
func localKinds() []string {
	return []string{"ets", "theta", "stl-ets", "stl-ar", "hwt", "hwt-log", "hwt-day", "ridge", "ridge-log", "ridge-day", "profile", "trees", "analog"}
}

// minLocal is the least number of observed points.
const minLocal = 12

// localSteps is the number of latest steps that a model with these periods is
// fitted on and reads for a forecast.
func localSteps(kind string, m []int) int {
	longest := 1
	if len(m) > 0 {
		longest = m[len(m)-1]
	}
	if kind == "ets" && len(m) > 0 {
		return max(1500, 10*m[0])
	}
	return max(3000, 4*longest)
}

// periodsOf is the periods in steps that a series of n steps shows at least
// twice: day, week and, in steps of a day or more, the year.
func periodsOf(step int64, n int) (m []int) {
	const month = 365.25 * day / 12
	if near := func(p, q float64) bool { return math.Abs(p/q-1) < 0.04 }; near(float64(step), month) {
		if n >= 24 {
			m = append(m, 12)
		}
		return m
	} else if near(float64(step), 3*month) {
		if n >= 8 {
			m = append(m, 4)
		}
		return m
	}
	for _, p := range []int64{day, week} {
		k := p / step
		if p%step == 0 && k >= 2 && k <= maxPeriod && 2*k <= int64(n) {
			m = append(m, int(k))
		}
	}
	if step == day && n >= 2*365 {
		m = append(m, 365)
	} else if step == week && n >= 2*52 {
		m = append(m, 52)
	}
	return m
}

// maxPeriod bounds a season in steps: a week of half minutes.
const maxPeriod = 20_160

// phaseOf is the position of the first step of s in a period of m steps. It
// depends on the time alone: a history without its beginning has the same
// phases.
func phaseOf(s frame.Series, m int) int {
	k := s.Start / s.Step
	if s.Start%s.Step < 0 {
		k--
	}
	return int(((k % int64(m)) + int64(m)) % int64(m))
}

// latest is s without all but its last n steps.
func latest(s frame.Series, n int) frame.Series {
	if cut := len(s.Values) - n; cut > 0 {
		s.Start += int64(cut) * s.Step
		s.Values = s.Values[cut:]
	}
	return s
}

// work returns the values on which the model works: the latest steps with
// missing ones filled, from the season before if there is one, else from the
// step before.
func (l *local) work(s frame.Series) (frame.Series, []float64) {
	s = latest(s, localSteps(l.kind, l.m))
	z := make([]float64, 0, len(s.Values))
	for i, v := range s.Values {
		if math.IsNaN(v) && i > 0 {
			v = z[i-1]
			for _, m := range l.m {
				if i >= m {
					v = z[i-m]
					break
				}
			}
			z = append(z, v)
			continue
		}
		if math.IsNaN(v) { // the first ones
			v = firstObserved(s.Values)
		}
		z = append(z, l.forth(v))
	}
	return s, z
}

func firstObserved(y []float64) float64 {
	for _, v := range y {
		if !math.IsNaN(v) {
			return v
		}
	}
	return 0
}

func (l *local) forth(v float64) float64 {
	if l.log {
		return math.Log(max(v+l.offset, 1e-300))
	}
	return v
}

func (l *local) back(v float64) float64 {
	if l.log {
		return math.Exp(min(v, 230)) - l.offset
	}
	return v
}

// logOffset is what is added before the logarithm: nothing to positive values,
// the smallest positive one (1 for counts) if there are zeros, but no less than
// a hundredth of the mean. ok is false for negative values.
func logOffset(y []float64) (offset float64, ok bool) {
	low, least, sum, n := math.Inf(1), math.Inf(1), 0.0, 0
	for _, v := range y {
		if math.IsNaN(v) {
			continue
		}
		low = min(low, v)
		if v > 0 {
			least = min(least, v)
		}
		sum += v
		n++
	}
	if low < 0 || sum <= 0 {
		return 0, false
	}
	if low > 0 {
		return 0, true
	}
	return max(least, sum/float64(n)/100), true
}

// fitLocal fits a classical model for forecasts of h steps on the latest part
// of s.
func fitLocal(ctx context.Context, kind string, s frame.Series, h int) (*local, error) {
	l := &local{kind: kind}
	if seen := observed(s.Values); seen < minLocal {
		return nil, fmt.Errorf("model %q: %d observed points, it needs %d", kind, seen, minLocal)
	}
	l.m = periodsOf(s.Step, len(s.Values))
	offset, positive := logOffset(s.Values)
	switch kind {
	case "hwt-log", "hwt-day", "ridge-log", "ridge-day", "theta", "stl-ar", "profile", "trees", "analog":
		l.log, l.offset = positive, offset
		if !positive && (kind == "hwt-log" || kind == "ridge-log") {
			return nil, fmt.Errorf("model %q: the series has negative values or none above zero", kind)
		}
	}
	if strings.HasSuffix(kind, "-day") && len(l.m) < 2 {
		return nil, fmt.Errorf("model %q: the series has no two seasons of which to leave one out", kind)
	}
	if (kind == "ets" || strings.HasSuffix(kind, "-day")) && len(l.m) > 1 {
		l.m = l.m[:1]
	}
	// The part that is read holds two of each period.
	s, z := l.work(s)
	for len(l.m) > 0 && 2*l.m[len(l.m)-1] > len(z) {
		l.m = l.m[:len(l.m)-1]
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	switch kind {
	case "ets":
		m := 0
		if len(l.m) > 0 && l.m[0] <= 48 { // as R's ets has 24: more states than data otherwise
			m = l.m[0]
		}
		e := fitETS(z, m)
		l.par = e.parameters()
		if e.m == 0 {
			l.m = nil
		}
	case "ridge", "ridge-log", "ridge-day":
		return l, l.fitRidge(ctx, s, z, h)
	case "profile":
		return l, l.fitProfile(ctx, z, h)
	case "trees":
		return l, l.fitTrees(ctx, s, z, h)
	case "analog":
		return l, l.fitAnalog(ctx, z, h)
	default:
		rest := l.decompose(s, z, strings.HasPrefix(kind, "hwt"))
		switch kind {
		case "theta":
			t := fitTheta(rest)
			l.par = []float64{t.alpha, t.theta}
		case "stl-ets":
			l.par = fitETS(rest, 0).parameters()
		case "stl-ar":
			a := fitAR(rest, 24)
			l.par = append([]float64{a.mean}, a.phi...)
		case "hwt", "hwt-log", "hwt-day":
			e := l.hwt(s, rest[0])
			e.fit(z)
			l.par = append([]float64{e.alpha, e.phi}, e.gamma...)
		}
	}
	for _, v := range l.par {
		if !(math.Abs(v) <= maxTheta) {
			return nil, fmt.Errorf("model %q: the fit did not converge", kind)
		}
	}
	return l, nil
}

// decompose takes the seasons out of z and stores a profile of each: of its
// first period (from which a filter starts) or of the last one (which is
// repeated).
func (l *local) decompose(s frame.Series, z []float64, first bool) (rest []float64) {
	rest = slices.Clone(z)
	if len(l.m) == 0 {
		return rest
	}
	components, _ := mstl(z, l.m, 1)
	for k, m := range l.m {
		profile := make([]float64, m)
		phase := phaseOf(s, m)
		c := components[k]
		if !first {
			phase += len(c) - m
			c = c[len(c)-m:]
		}
		for i, v := range c[:m] {
			profile[(phase+i)%m] = v
		}
		l.profile = append(l.profile, profile)
		for i, v := range components[k] {
			rest[i] -= v
		}
	}
	return rest
}

// deseason takes the profiles out of z.
func (l *local) deseason(s frame.Series, z []float64) {
	for k, m := range l.m {
		p := phaseOf(s, m)
		for i := range z {
			z[i] -= l.profile[k][p]
			if p++; p == m {
				p = 0
			}
		}
	}
}

// hwt is the model with the profiles as its first states.
func (l *local) hwt(s frame.Series, level float64) *hwt {
	e := &hwt{m: l.m, level: level, gamma: make([]float64, len(l.m))}
	for k, m := range l.m {
		p := phaseOf(s, m)
		e.seasons = append(e.seasons, append(slices.Clone(l.profile[k][p:]), l.profile[k][:p]...))
	}
	return e
}

// predict writes the steps behind hist to dst.
func (l *local) predict(dst []float64, hist frame.Series) {
	s, z := l.work(hist)
	switch l.kind {
	case "ets":
		e := etsOf(l.par)
		if e.m = 0; len(l.m) > 0 {
			e.m = l.m[0]
		}
		if e.m > len(z) {
			e.m = 0
		}
		e.start(z)
		e.run(z, dst)
	case "ridge", "ridge-log", "ridge-day":
		l.predictRidge(dst, s, z)
	case "profile":
		l.predictProfile(dst, z)
	case "trees":
		l.predictTrees(dst, s, z)
	case "analog":
		l.predictAnalog(dst, z)
	case "hwt", "hwt-log", "hwt-day":
		first := z[0]
		for k, m := range l.m {
			first -= l.profile[k][phaseOf(s, m)]
		}
		e := l.hwt(s, first)
		e.alpha, e.phi = l.par[0], l.par[1]
		copy(e.gamma, l.par[2:])
		e.run(z, dst)
	default:
		l.deseason(s, z)
		switch l.kind {
		case "theta":
			t := thetaModel{alpha: l.par[0], theta: l.par[1], level: z[0]}
			t.run(z, dst)
		case "stl-ets":
			e := etsOf(l.par)
			e.start(z)
			e.run(z, dst)
		case "stl-ar":
			a := autoregression{mean: l.par[0], phi: l.par[1:]}
			a.predict(dst, z)
		}
		ahead := frame.Series{Start: hist.End(), Step: hist.Step, Values: dst}
		for k, m := range l.m {
			p := phaseOf(ahead, m)
			for i := range dst {
				dst[i] += l.profile[k][p]
				if p++; p == m {
					p = 0
				}
			}
		}
	}
	for i, v := range dst {
		v = l.back(v)
		if math.IsNaN(v) {
			v = firstObserved(hist.Values)
		}
		dst[i] = min(max(v, -limit), limit)
	}
}

// check says what is wrong with parameters from a file.
func (l *local) check() error {
	bad := func() error { return fmt.Errorf("model %q: parameters do not fit", l.kind) }
	within := func(lo, hi float64, v ...float64) bool {
		for _, x := range v {
			if !(x >= lo && x <= hi) {
				return false
			}
		}
		return true
	}
	n := len(l.par)
	switch l.kind {
	case "ets", "stl-ets":
		if n != 6 || l.kind == "ets" && len(l.m) > 1 || !within(0, 1, l.par...) {
			return bad()
		}
	case "theta":
		if n != 2 || !within(1e-3, 1, l.par[0]) || !within(1, 1e3, l.par[1]) {
			return bad()
		}
	case "stl-ar":
		if n < 1 || n > 100 || !within(-10, 10, l.par[1:]...) {
			return bad()
		}
	case "hwt", "hwt-log", "hwt-day":
		if n != 2+len(l.m) || !within(0, 1, l.par...) {
			return bad()
		}
	case "profile":
		if n != 5 || len(l.m) == 0 || !within(1, 100, l.par[0], l.par[1]) || !within(0, 100, l.par[2]) || !within(1e-3, 100, l.par[3], l.par[4]) {
			return bad()
		}
	case "analog":
		if n != 2 || !within(0, 1e6, l.par...) {
			return bad()
		}
	case "trees":
		if n != 1 || !within(1, 1000, l.par[0]) || l.par[0] != math.Floor(l.par[0]) {
			return bad()
		}
	default: // ridge
		if n < 3 || l.ahead < 1 || !within(1, 2*maxPeriod, l.par[0]) || !within(1, 1000, l.par[1]) || l.par[1] != math.Floor(l.par[1]) {
			return bad()
		}
		k := int(l.par[1])
		if n < 2+4*k {
			return bad()
		}
		_, weights, in := l.ridgeParts()
		for _, b := range in {
			if b.lo < 1 || b.hi < b.lo || b.hi > 4*maxPeriod || b.period < 0 || b.period > maxPeriod || b.times < 1 || b.times > 100 {
				return bad()
			}
		}
		if len(weights) != l.ahead*(k+waves(in, l.m)+1) {
			return bad()
		}
	}
	return nil
}
