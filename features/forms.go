package features

import (
	"math"
	"math/bits"
)

// The form of a value is the sequence of the kinds of its characters, runs of one
// kind counting once: letters, digits, white space, control, and each punctuation
// character for itself; "12345678Z" and "7A" are of one form. Its marks are how
// often each punctuation character occurs: one @, two dots. Where a parameter has
// few forms or marks, a new one is news, however ordinary each of its characters
// is: a letter among the digits of a number, a second @ in an address.
//
// How much news is the probability that the next value is of a form never seen,
// by Good & Turing (Good 1953): the share of the values whose form was seen once.
// Logs repeat themselves, so "once" means with one value, however often it came,
// and the values are counted distinct (HyperLogLog: Flajolet et al. 2007).

const (
	maxForms = 64  // of a parameter; with one more it is open, and nothing is news
	maxSpan  = 256 // bytes of a value that its form is made of
)

// formOf returns the hash of a value's form; marks gets its marks, n per
// punctuation character that occurs, as hashes.
func (a *analyser) formOf(v []byte, marks []uint64) (form uint64, _ []uint64) {
	var count [numClasses]uint8
	form = uint64(len(v)/maxSpan) + 1
	last := uint8(255)
	for _, c := range v[:min(len(v), maxSpan)] {
		k := a.classes[c]
		switch k {
		case classUpper, classHighLetter, classHigh:
			k = classLower
		}
		if k >= classPunct && count[k] < 255 {
			count[k]++
		}
		if k == last {
			continue
		}
		form = mix(form, uint64(k))
		last = k
	}
	for k := classPunct; k < numClasses; k++ {
		if n := count[k]; n > 0 {
			marks = append(marks, uint64(k)<<8|uint64(n))
		}
	}
	return form, marks
}

// registers estimate how many different hashes were seen: 32 registers, a standard
// error of 18 %.
type registers [32]uint8

func (d *registers) add(hash uint64) {
	h := mix(hash, 61)
	r := &d[h&31]
	*r = max(*r, uint8(bits.TrailingZeros64(h>>5|1<<58))+1)
}

func (d *registers) count() float64 {
	sum, zero := 0.0, 0
	for _, r := range d {
		sum += math.Exp2(-float64(r))
		if r == 0 {
			zero++
		}
	}
	m := float64(len(d))
	e := 0.697 * m * m / sum
	if e < 2.5*m && zero > 0 {
		return m * math.Log(m/float64(zero)) // linear counting
	}
	return e
}

// forms are those seen of one parameter.
type forms struct {
	seen []seenForm
	once uint32 // of these, seen with one value
	open bool
}

type seenForm struct {
	hash  uint64
	value uint64 // the first
	many  bool   // there was another
	n     uint32 // values, repetitions included
	sup   support
}

func (f *forms) observe(hash, value uint64, principal uint32, trusted bool) {
	if f.open {
		return
	}
	for i := range f.seen {
		if s := &f.seen[i]; s.hash == hash {
			if !s.many && s.value != value {
				s.many = true
				f.once--
			}
			s.n++
			s.sup.add(principal, trusted)
			return
		}
	}
	if len(f.seen) >= maxForms {
		*f = forms{open: true}
		return
	}
	f.seen = append(f.seen, seenForm{hash: hash, value: value, n: 1})
	f.seen[len(f.seen)-1].sup.add(principal, trusted)
	f.once++
}

// surprise is 0 for a form that is known, else −ln of the probability of a new
// one after n distinct values; ok is false if the parameter is open.
func (f *forms) surprise(hash uint64, n float64) (nats float64, ok bool) {
	if f.open || len(f.seen) == 0 {
		return 0, false
	}
	for i := range f.seen {
		if f.seen[i].hash == hash && f.seen[i].sup.known() {
			return 0, true
		}
	}
	return math.Log((n + 1) / (float64(f.once) + 1)), true
}

// marksSurprise is the largest news among the marks of a value, given how often
// each of its punctuation characters stood in the values that had it at all. A
// character that all n values (some of them distinct) had and this one has not is news as well.
func (f *forms) marksSurprise(marks []uint64, n uint32, distinct float64) (nats float64, ok bool) {
	if f.open || len(f.seen) == 0 {
		return 0, false
	}
	unit := distinct / float64(n) // distinct values per value
	var all [numClasses]struct{ n, once uint32 }
	for i := range f.seen {
		s := &f.seen[i]
		k := &all[s.hash>>8]
		k.n += s.n
		if !s.many {
			k.once++
		}
	}
	has := uint64(0)
	for _, m := range marks {
		k := m >> 8
		has |= 1 << k
		known := false
		for i := range f.seen {
			known = known || f.seen[i].hash == m && f.seen[i].sup.known()
		}
		if !known {
			nats = max(nats, math.Log((float64(all[k].n)*unit+1)/(float64(all[k].once)+1)))
		}
	}
	for k := range all {
		if all[k].n >= n && has>>k&1 == 0 {
			nats = max(nats, math.Log(distinct+1))
		}
	}
	return nats, true
}

// finish drops the forms that are not known.
func (f *forms) finish() {
	kept := f.seen[:0]
	for _, s := range f.seen {
		if s.sup.known() {
			kept = append(kept, s)
		}
	}
	f.seen = kept
	if len(kept) == 0 {
		*f = forms{open: true}
	}
}
