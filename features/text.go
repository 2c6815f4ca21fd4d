package features

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"apiml/traffic"
)

// The text model says how much a decoded value reads like a payload: softmax
// regression on hashed n-grams of tokens (feature hashing: Weinberger et al.
// 2009, "Feature Hashing for Large Scale Multitask Learning"; fitted by AdaGrad,
// Duchi et al. 2011).
//
// The tokens are those of the scanner in evidence.go. A word outside the lexicon
// is only its rough length, so that the model cannot learn names, paths or the
// vocabulary of one service: it learns how words that mean something to an
// interpreter, numbers and punctuation follow each other.
//
// A value is read in windows of textWindow tokens, and a request scores as its
// strongest window: an attack inside a long honest text does not drown. In
// fitting only the request is known to be an attack, not which of its values is
// the payload: the window that the model finds strongest stands for the request
// (multiple-instance learning: Andrews et al. 2003, "Support Vector Machines for
// Multiple-Instance Learning", the mi-SVM heuristic), benign requests give all
// windows.
//
// Cost: a value of n tokens takes O(n) additions of one 8-byte row per n-gram.
// Deviations: weights are rounded to 8 bits after the fit.

const (
	textBits    = 15
	textBuckets = 1 << textBits
	textRow     = 8 // int8 per bucket: one per class, two unused, one load
	textWindow  = 24
	textStride  = 12
	textScale   = 1.0 / 16 // of the 8-bit weights
	textFloor   = 12       // log-odds of a request without any window
)

// TextClasses are the classes that the text model tells apart, in the order of
// its outputs: the attacks that stand in one value.
func TextClasses() []traffic.Label {
	return []traffic.Label{traffic.None, traffic.SQLInjection, traffic.XSS, traffic.PathTraversal, traffic.CommandInjection, traffic.OtherAttack}
}

const numText = 6

// TextModel is a fitted text model. It is immutable and safe for concurrent use.
type TextModel struct {
	w      []int8 // textBuckets × textRow
	bias   [numText]float32
	offset float32 // P(attack) = 1 / (1 + exp(−(offset + slope · log-odds))): Platt 1999,
	slope  float32 // fitted by Calibrate
}

// gram positions: what is hashed with what, so that n-grams of different kinds
// are different features.
const (
	gramWord = iota + 1
	gramClass
	gramEvidence
	gramShape
	gramPath = 1 << 16 // of a path, not of a value
)

// textScan computes the n-grams of one value from the scanner's tokens.
type textScan struct {
	word, class []uint64 // symbol per token
	ids         []uint32 // n-grams, position after position
	ends        []int32  // of each position's n-grams in ids
	value       []uint32 // n-grams of the value as a whole
	one         []uint32 // distinct n-grams of one window
	seen        [textBuckets / 64]uint64
}

// symbols turns tokens into what n-grams are made of.
func (t *textScan) symbols(s *scanner) {
	t.word, t.class = t.word[:0], t.class[:0]
	for i := range s.tok {
		k := &s.tok[i]
		var w, c uint64
		switch k.kind {
		case tWord:
			text := s.text[k.a:k.b]
			switch {
			case k.flags != 0:
				w, c = hashOf(text, 41), uint64(coarse(k.flags))
			case s.lx.event(text):
				w, c = 201, 201
			default:
				w = 202 + wordShape(text)
				c = 202
				if w >= 208 {
					c = 203
				}
			}
		case tNumber:
			n := k.b - k.a
			switch {
			case n > 2 && s.text[k.a+1] == 'x':
				w = 221
			case n == 1:
				w = 222
			case n <= 4:
				w = 223
			default:
				w = 224
			}
			c = 220
			if w == 221 {
				c = 221
			}
		default:
			w, c = uint64(k.kind), uint64(k.kind)
		}
		if k.spaced {
			w |= 1 << 40
		}
		if k.line {
			w |= 1 << 41
		}
		t.word, t.class = append(t.word, w), append(t.class, c)
	}
}

// wordShape is the rough length of an unknown word, and whether it mixes
// letters with digits or is not ASCII.
func wordShape(w []byte) uint64 {
	digit, high := false, false
	for _, c := range w {
		digit = digit || c >= '0' && c <= '9'
		high = high || c >= 0x80
	}
	switch {
	case high:
		return 6
	case digit:
		return 7
	case len(w) == 1:
		return 0
	case len(w) <= 3:
		return 1
	case len(w) <= 12:
		return 2
	}
	return 3
}

// coarse is the one class of a word in class n-grams: the most telling of its
// flags.
func coarse(flags uint32) int {
	for i, f := range [...]uint32{wCatalog, wServer, wActive, wVerb, wLogic, wFunc, wCompare, wTag, wScript, wMember, wFile, wEtc, wScheme, wCommand, wOperator, wSQL} {
		if flags&f != 0 {
			if f == wCommand && flags&wCommon != 0 {
				return 250
			}
			return 230 + i
		}
	}
	return 251
}

// grams fills ids from the symbols.
func (t *textScan) grams(s *scanner, st *stats, rounds int, path bool) {
	t.symbols(s)
	t.ids, t.ends, t.value = t.ids[:0], t.ends[:0], t.value[:0]
	var kind uint64
	if path {
		kind = gramPath
	}
	add := func(h uint64) { t.ids = append(t.ids, uint32(h>>20)&(textBuckets-1)) }
	n := len(t.word)
	for i := range n {
		for _, sym := range [...]struct {
			of   []uint64
			kind uint64
			from int
			to   int
		}{{t.word, gramWord, 1, 4}, {t.class, gramClass, 2, 6}} {
			if path && sym.kind == gramWord {
				continue
			}
			h := mix(kind|sym.kind, 0)
			for k := 0; k < sym.to; k++ {
				j := i - k
				if j < -1 {
					break
				}
				if j == -1 {
					h = mix(h, 255) // the value's beginning
				} else {
					h = mix(h, sym.of[j])
				}
				if k+1 >= sym.from {
					add(h)
				}
			}
			if i == n-1 { // … and its end
				h := mix(kind|sym.kind, 254)
				for k := 0; k < 3 && i-k >= 0; k++ {
					h = mix(h, sym.of[i-k])
					add(h)
				}
			}
		}
		t.ends = append(t.ends, int32(len(t.ids)))
	}
	whole := func(h uint64) { t.value = append(t.value, uint32(h>>20)&(textBuckets-1)) }
	for k, v := range s.ev {
		if path && k == 0 || v == 0 {
			continue
		}
		whole(mix(kind|gramEvidence, uint64(k)))
		if v > 1 {
			whole(mix(kind|gramEvidence, uint64(k)|64))
		}
	}
	whole(mix(kind|gramShape, uint64(min(st.odd, 3))))
	whole(mix(kind|gramShape, 16|uint64(min(st.brackets, 3))))
	whole(mix(kind|gramShape, 32|uint64(min(rounds, 3))))
	whole(mix(kind|gramShape, 48|uint64(min(st.control, 1))))
	whole(mix(kind|gramShape, 64|uint64(min(st.run, 7))))
}

// window calls f with the distinct n-grams of each window of the value.
func (t *textScan) window(f func(ids []uint32)) {
	n := len(t.ends)
	for lo := 0; ; lo += textStride {
		hi := min(lo+textWindow, n)
		t.one = t.one[:0]
		for _, id := range t.value {
			t.put(id)
		}
		if hi > 0 {
			from := int32(0)
			if lo > 0 {
				from = t.ends[lo-1]
			}
			for _, id := range t.ids[from:t.ends[hi-1]] {
				t.put(id)
			}
		}
		for _, id := range t.one {
			t.seen[id>>6] = 0
		}
		f(t.one)
		if hi == n {
			return
		}
	}
}

// put adds an n-gram once: a run of dots says no more than one of them.
func (t *textScan) put(id uint32) {
	if bit := uint64(1) << (id & 63); t.seen[id>>6]&bit == 0 {
		t.seen[id>>6] |= bit
		t.one = append(t.one, id)
	}
}

// score raises dst to the strongest window's: first the log-odds of any attack,
// then the logit of each attack class over the benign one. It reports whether
// this value holds the strongest window so far.
func (m *TextModel) score(dst *[numText]float32, t *textScan) (strongest bool) {
	before := dst[0]
	t.window(func(ids []uint32) {
		var sum [8]int32
		for _, id := range ids {
			m.add(&sum, id)
		}
		var z [numText]float32
		for c := range numText {
			z[c] = m.bias[c] + float32(sum[c])*textScale
		}
		m.keep(dst, &z)
	})
	return dst[0] > before
}

// form hashes the classes of the value's tokens: values of one form differ in
// names and numbers only.
func (t *textScan) form() uint64 {
	h := uint64(len(t.class))
	for _, c := range t.class {
		h = mix(h, c)
	}
	return h
}

func (m *TextModel) add(sum *[8]int32, id uint32) {
	row := m.w[int(id)*textRow : int(id)*textRow+textRow : int(id)*textRow+textRow]
	for c := range numText {
		sum[c] += int32(row[c])
	}
}

// keep raises dst to the log-odds of the logits z.
func (m *TextModel) keep(dst *[numText]float32, z *[numText]float32) {
	if any := logOdds(z); any > dst[0] {
		dst[0] = any
	}
	for c := 1; c < numText; c++ {
		if d := z[c] - z[0]; d > dst[c] {
			dst[c] = d
		}
	}
}

// logOdds is ln P(attack) − ln P(none).
func logOdds(z *[numText]float32) float32 {
	top := z[1]
	for _, v := range z[2:] {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range z[1:] {
		sum += math.Exp(float64(v - top))
	}
	return top - z[0] + float32(math.Log(sum))
}

// TextSamples collects the material of a text model.
type TextSamples struct {
	a    *analyser
	bags []textBag
	seen map[uint64]int32 // benign windows: their sample
	ids  []uint32         // of all windows
	wins []int32          // end of each window in ids
}

// textBag is one request: windows from, to of TextSamples.
type textBag struct {
	class    uint8
	n        int32 // how often a benign window came
	from, to int32
}

// NewTextSamples returns an empty collection.
func NewTextSamples() *TextSamples {
	s := &TextSamples{a: newAnalyser(nil), seen: map[uint64]int32{}}
	s.a.collect = s
	return s
}

// Add takes in labelled requests. Attacks that do not stand in one value are
// left out; windows of benign requests that came before are, too.
func (s *TextSamples) Add(reqs []traffic.Request) {
	classes := TextClasses()
	for i := range reqs {
		r := &reqs[i]
		class := -1
		for c, l := range classes {
			if r.Label == l {
				class = c
			}
		}
		if class < 0 {
			continue
		}
		from := int32(len(s.wins))
		s.a.compute(r)
		if class > 0 {
			if to := int32(len(s.wins)); to > from {
				s.bags = append(s.bags, textBag{uint8(class), 1, from, to})
			}
			continue
		}
		// Benign windows: each distinct one is a sample of its own.
		kept := from
		at := s.start(from)
		for w := from; w < int32(len(s.wins)); w++ {
			ids := s.ids[s.start(w):s.wins[w]]
			h := hashIDs(ids)
			if b, ok := s.seen[h]; ok {
				s.bags[b].n++
				continue
			}
			s.seen[h] = int32(len(s.bags))
			at += int32(copy(s.ids[at:], ids))
			s.wins[kept] = at
			kept++
			s.bags = append(s.bags, textBag{0, 1, kept - 1, kept})
		}
		s.wins = s.wins[:kept]
		s.ids = s.ids[:at]
	}
}

func hashIDs(ids []uint32) (h uint64) {
	for _, id := range ids {
		h = mix(h, uint64(id))
	}
	return h
}

func (s *TextSamples) start(w int32) int32 {
	if w == 0 {
		return 0
	}
	return s.wins[w-1]
}

// Len is the number of samples: attacks and distinct benign windows.
func (s *TextSamples) Len() int { return len(s.bags) }

// take is called by the analyser for every value.
func (s *TextSamples) take(t *textScan) {
	t.window(func(ids []uint32) {
		s.ids = append(s.ids, ids...)
		s.wins = append(s.wins, int32(len(s.ids)))
	})
}

// TextConfig are the parameters of FitText; the zero value of a field is its
// default.
type TextConfig struct {
	Epochs  int     // passes over the samples, default 6
	Rate    float64 // AdaGrad's step, default 0.01
	Dropout float64 // share of the n-grams that a step does not see, in [0,1), default 0.5
	Seed    uint64
}

// FitText fits a text model. Equal samples and seed give equal bytes. It fails
// without samples of both kinds or when ctx is done.
func FitText(ctx context.Context, s *TextSamples, cfg TextConfig) (*TextModel, error) {
	if cfg.Epochs == 0 {
		cfg.Epochs = 6
	}
	if cfg.Rate == 0 {
		cfg.Rate = 0.01
	}
	if cfg.Dropout == 0 {
		cfg.Dropout = 0.5
	}
	attacks := 0
	for _, b := range s.bags {
		if b.class > 0 {
			attacks++
		}
	}
	if attacks == 0 || attacks == len(s.bags) {
		return nil, errors.New("features: a text model needs attacks and benign requests")
	}
	w := make([]float32, textBuckets*textRow)
	g := make([]float32, textBuckets*textRow)
	var bias, gbias [numText]float32
	order := make([]int32, len(s.bags))
	for i := range order {
		order[i] = int32(i)
	}
	rng := rand.New(rand.NewPCG(cfg.Seed, 71))
	logits := func(ids []uint32) (z [numText]float32) {
		z = bias
		for _, id := range ids {
			row := w[int(id)*textRow : int(id)*textRow+numText]
			for c, v := range row {
				z[c] += v
			}
		}
		return z
	}
	var kept []uint32
	// A window that benign requests have too is not the payload.
	shared := make([]bool, len(s.wins))
	for _, b := range s.bags {
		if b.class > 0 {
			for win := b.from; win < b.to; win++ {
				_, shared[win] = s.seen[hashIDs(s.ids[s.start(win):s.wins[win]])]
			}
		}
	}
	for epoch := range cfg.Epochs {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for k, i := range order {
			if k%65536 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			b := s.bags[i]
			best := b.from
			if b.to-b.from > 1 {
				top := float32(math.Inf(-1))
				for win := b.from; win < b.to; win++ {
					ids := s.ids[s.start(win):s.wins[win]]
					z := logits(ids)
					odds := z[b.class] - z[0]
					if epoch == 0 {
						// Nothing is known yet: the window with most evidence.
						odds = float32(len(ids))
					}
					if shared[win] {
						odds -= 1e6
					}
					if odds > top {
						top, best = odds, win
					}
				}
			}
			if b.class > 0 && shared[best] {
				continue // an attack that its text does not show
			}
			weight := min(8, float32(math.Sqrt(float64(b.n)))) // of what came often
			// A payload is seldom told by one n-gram, and the one that tells it in
			// generated traffic may be missing elsewhere: each step sees half of them.
			kept = kept[:0]
			for _, id := range s.ids[s.start(best):s.wins[best]] {
				if rng.Float64() >= cfg.Dropout {
					kept = append(kept, id)
				}
			}
			z := logits(kept)
			for c := range z {
				z[c] = bias[c] + (z[c]-bias[c])/float32(1-cfg.Dropout)
			}
			var p [numText]float64
			softmax(&p, &z)
			for c := range numText {
				grad := p[c]
				if c == int(b.class) {
					grad--
				}
				if math.Abs(grad) < 1e-4 {
					continue
				}
				gr := float32(grad) * weight
				gbias[c] += float32(gr * gr)
				bias[c] -= float32(cfg.Rate) * gr / float32(math.Sqrt(float64(gbias[c])+1e-6))
				for _, id := range kept {
					at := int(id)*textRow + c
					g[at] += float32(gr * gr)
					w[at] -= float32(cfg.Rate) * gr / (float32(math.Sqrt(float64(g[at]))) + 1e-4)
				}
			}
		}
	}
	m := &TextModel{w: make([]int8, len(w)), bias: bias, slope: 1}
	for i, v := range w {
		m.w[i] = int8(math.Max(-127, math.Min(127, math.Round(float64(v)/textScale))))
	}
	return m, nil
}

func softmax(p *[numText]float64, z *[numText]float32) {
	top := z[0]
	for _, v := range z[1:] {
		top = max(top, v)
	}
	sum := 0.0
	for c, v := range z {
		p[c] = math.Exp(float64(v - top))
		sum += p[c]
	}
	for c := range p {
		p[c] /= sum
	}
}

// Calibrated returns m with the sigmoid of probability P(attack) = 1 / (1 +
// exp(−(offset + slope·log-odds))). It fails unless both are finite and the slope
// is positive.
func (m *TextModel) Calibrated(offset, slope float64) (*TextModel, error) {
	if !(math.Abs(offset) <= 1000 && slope > 0 && slope <= 1000) {
		return nil, fmt.Errorf("features: text model: impossible calibration %v, %v", offset, slope)
	}
	c := *m
	c.offset, c.slope = float32(offset), float32(slope)
	return &c, nil
}

// Calibration returns what Calibrated set; 0 and 1 before.
func (m *TextModel) Calibration() (offset, slope float64) {
	return float64(m.offset), float64(m.slope)
}

// appendText lays a text model out in little-endian order: biases 6×f32, offset
// f32, slope f32, a bit set of the buckets that hold a weight (textBuckets / 8
// bytes), and 6×i8 for each of these.
func appendText(b []byte, m *TextModel) []byte {
	le := binary.LittleEndian
	for _, v := range append(m.bias[:], m.offset, m.slope) {
		b = le.AppendUint32(b, math.Float32bits(v))
	}
	bits := len(b)
	b = append(b, make([]byte, textBuckets/8)...)
	for i := range textBuckets {
		if row := m.w[i*textRow : i*textRow+numText]; slices.ContainsFunc(row, func(v int8) bool { return v != 0 }) {
			b[bits+i/8] |= 1 << (i % 8)
			for _, v := range row {
				b = append(b, byte(v))
			}
		}
	}
	return b
}

// text is the inverse of appendText.
func (r *stateReader) text() *TextModel {
	m := &TextModel{w: make([]int8, textBuckets*textRow)}
	for _, v := range []*float32{&m.bias[0], &m.bias[1], &m.bias[2], &m.bias[3], &m.bias[4], &m.bias[5], &m.offset, &m.slope} {
		*v = math.Float32frombits(r.u32())
		if !(math.Abs(float64(*v)) <= 1000) {
			r.fail("impossible number in the text model")
			return m
		}
	}
	if m.slope <= 0 {
		r.fail("impossible calibration of the text model")
	}
	set := r.take(textBuckets / 8)
	for i := range textBuckets {
		if set == nil || set[i/8]>>(i%8)&1 == 0 {
			continue
		}
		row := r.take(numText)
		if row == nil {
			break
		}
		some := false
		for c, v := range row {
			m.w[i*textRow+c] = int8(v)
			some = some || v != 0
		}
		if !some {
			r.fail("empty bucket in the text model")
		}
	}
	return m
}

// TextScorer applies a text model to single requests. It is not for concurrent
// use.
type TextScorer struct{ a *analyser }

// NewTextScorer returns a scorer of m.
func NewTextScorer(m *TextModel) *TextScorer { return &TextScorer{newAnalyser(m)} }

// Score returns the log-odds of an attack in the strongest window of r, and
// those of each attack class of TextClasses over the benign one.
func (s *TextScorer) Score(r *traffic.Request) (any float32, class [numText]float32) {
	an := s.a.compute(r)
	return an.shape.odds[0], an.shape.odds
}
