package generate

import (
	"encoding/base64"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/brianvoe/gofakeit/v7"
)

// pools are the names and words of one run, made once: a value from a pool
// costs 30 ns, one from gofakeit 5 µs.
type pools struct {
	first, last, city, street, company, word, noun, adj, verb, product, sentence, phrase, user []string
	tongues                                                                                    [][3][]string
}

func newPools(seed uint64) *pools {
	f := gofakeit.NewFaker(rand.NewPCG(seed, streamPools), false)
	fill := func(n int, fn func() string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fn()
		}
		return out
	}
	p := &pools{
		first: fill(500, f.FirstName), last: fill(700, f.LastName), city: fill(300, f.City),
		street: fill(300, f.Street), company: fill(200, f.Company), word: fill(700, f.Word),
		noun: fill(500, f.Noun), adj: fill(300, f.Adjective), verb: fill(300, f.Verb),
		product: fill(400, f.ProductName), user: fill(500, f.Username),
		sentence: fill(300, func() string { return f.Sentence() }), phrase: fill(200, f.Phrase),
	}
	for _, t := range tongues() {
		p.tongues = append(p.tongues, [3][]string{strings.Fields(t[0]), strings.Fields(t[1]), strings.Fields(t[2])})
	}
	// Names that rules trip over are as common in a customer base as they are
	// in life.
	for i, n := range []string{"O'Brien", "O'Connor", "D'Angelo", "O'Neill", "N'Diaye", "L'Hôpital", "Null", "Drop",
		"Union", "de la Cruz", "van 't Hoff", "Müller", "Łukasz", "Nuñez", "Åkesson", "Öztürk", "Šimić", "Nguyễn", "Ó Súilleabháin",
		"Иванов", "Петрова", "王", "李伟", "佐藤", "김민준", "محمد", "Παπαδόπουλος", "כהן", "Al-Sayed", "St. John", "Smith-Jones", "Select"} {
		p.last[i*17%len(p.last)] = n
	}
	return p
}

func pick(r *rand.Rand, s []string) string { return s[r.Uint32N(uint32(len(s)))] }

// chance is true with probability p.
func chance(r *rand.Rand, p float64) bool { return p > 0 && r.Float64() < p }

// logNormal draws from the log-normal distribution of the given median.
func logNormal(r *rand.Rand, median, sigma float64) float64 {
	return median * math.Exp(sigma*r.NormFloat64())
}

// zipf draws an index in [0,n) whose frequency falls about with its rank.
func zipf(r *rand.Rand, n int) int {
	return min(int(math.Pow(float64(n)+1, r.Float64()))-1, n-1)
}

func appendLetters(dst []byte, r *rand.Rand, alphabet string, n int) []byte {
	for range n {
		dst = append(dst, alphabet[r.Uint32N(uint32(len(alphabet)))])
	}
	return dst
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	digits = "0123456789"
	hexLow = "0123456789abcdef"
	alnum  = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + digits
)

func appendUUID(dst []byte, r *rand.Rand) []byte {
	dst = appendLetters(dst, r, hexLow, 8)
	dst = append(appendLetters(append(dst, '-'), r, hexLow, 4), "-4"...)
	dst = append(appendLetters(dst, r, hexLow, 3), '-')
	dst = append(dst, "89ab"[r.Uint32N(4)])
	return appendLetters(append(appendLetters(dst, r, hexLow, 3), '-'), r, hexLow, 12)
}

func appendSlug(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			dst = append(dst, c)
		case len(dst) > 0 && dst[len(dst)-1] != '-':
			dst = append(dst, '-')
		}
	}
	return dst
}

// tongues are the syllables of words in some languages: beginning, middle and
// end. Nobody's customers all write English.
func tongues() [][3]string {
	return [][3]string{
		{"a al can des en es gra mar per pre re san tra ven con vi po lu", "ci da di ga la li ma men na pa ra ri sa ta ti va quil ble jo", "ción dor mente dad oso ito ales ería ando eza ura illo ar"},
		{"ab an auf be er ge hand hoch kin land mit schul stra ver vor wun zu", "ar bei den er ge heit lich schaf stel ter wan der ling", "ung keit lich er en chen haus bar schaft los stein"},
		{"a bon ch con dé en fro jar mai par plu pré qu sou tra vou l'a d'é", "ai bi di eu fé ge lan mi na ou rai ri so ti va", "eur ment tion ette age ière oux ais eau ique er"},
		{"am ba bel ca con di for gio in lu mi pro ri stra ven", "ci da gi li lo ma na pi ra ri sse ta ti vo", "zione mente etto ino are ezza aggio issimo"},
		{"ba bes dru go ja ko kra ma na od po pri roz sta wie za", "bo cho da ga ko li lo mi ni ra ro sta to wa", "ski nie ość ka ovat nik ova ych ami czek"},
		{"a bil çi dü el gö ha ka kap o öğ sa te yol", "ba da di kı la le lı ma me na ra ri ya", "lar ler mak mek cı siz lik dan"},
		{"a chi fu ha hi ka ki ko ma mi na no sa shi ta to yo", "chi ga gi ka ki ko ma mi na ra ri ru sa shi ta", "ra ri n shi ka ma ya su tsu"},
		{"a bha cha di gu ha jo ka lak ma na pra ra sha su vi", "da di ga ja ka la ma na pu ra ri sha ta ya", "jee wala pur kar an i ra"},
		{"an ble da de ge hui kin le mo on ste uit ver wo", "de den ge kke le lij ma ne pe ste ten", "ing heid lijk tje en er baar"},
		{"а бе во го до за кра ма на по при со у", "бо ва го да ка ла ло ма ни ра ро та ти", "ний ство ка ать ция ок ный"},
	}
}

// appendLoan appends a word that looks like one of some language.
func appendLoan(dst []byte, r *rand.Rand, p *pools) []byte {
	t := &p.tongues[r.IntN(len(p.tongues))]
	dst = append(dst, pick(r, t[0])...)
	for range r.IntN(3) {
		dst = append(dst, pick(r, t[1])...)
	}
	return append(dst, pick(r, t[2])...)
}

// appendLiteral appends an object or list as programs write it: JSON, or
// JavaScript's looser form with single quotation marks (q) or bare names (q 0).
func appendLiteral(dst []byte, r *rand.Rand, p *pools, q byte, spaced bool, depth int) []byte {
	str := func(s string, name bool) {
		mark := q
		if mark == 0 && !name {
			mark = '\''
		}
		if mark != 0 {
			dst = append(dst, mark)
		}
		for _, c := range []byte(s) {
			if c == mark || c == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, c)
		}
		if mark != 0 {
			dst = append(dst, mark)
		}
	}
	value := func() {
		switch x := r.IntN(20); {
		case x < 5 && depth > 0:
			dst = appendLiteral(dst, r, p, q, spaced, depth-1)
		case x < 9:
			dst = strconv.AppendInt(dst, int64(zipf(r, 100000)), 10)
		case x < 10:
			dst = append(dst, [...]string{"true", "false", "null", "-1", "0.5", "[]", "{}", "\"\""}[r.IntN(8)]...)
		case x < 12:
			str(string(appendLetters(nil, r, hexLow, 8+8*r.IntN(4))), false)
		case x < 14:
			str(pick(r, p.first)+[...]string{"'s ", " & ", " / ", ", ", " (", " - "}[r.IntN(6)]+pick(r, p.noun), false)
		case x < 15:
			str(pick(r, p.sentence), false)
		case x < 16:
			str(string(appendLoan(nil, r, p)), false)
		default:
			str(pick(r, p.noun), false)
		}
	}
	list := r.IntN(3) == 0
	dst = append(dst, "{["[b2i(list)])
	for i := range 1 + r.IntN(5) {
		if i > 0 {
			dst = append(dst, ',')
			if spaced {
				dst = append(dst, ' ')
			}
		}
		if !list {
			name := string(appendSlug(nil, pick(r, p.word)))
			if r.IntN(3) == 0 {
				name = camel(name + "_" + [...]string{"id", "name", "type", "at", "count", "key", "value", "code"}[r.IntN(8)])
			}
			str(name, true)
			dst = append(dst, ':')
			if spaced {
				dst = append(dst, ' ')
			}
		}
		value()
	}
	return append(dst, "}]"[b2i(list)])
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// appendJWT appends a token as an honest issuer makes it: header, claims and
// a signature.
func appendJWT(dst []byte, r *rand.Rand, header, claims string) []byte {
	dst = base64.RawURLEncoding.AppendEncode(dst, []byte(header))
	dst = base64.RawURLEncoding.AppendEncode(append(dst, '.'), []byte(claims))
	return appendLetters(append(dst, '.'), r, alnum+"-_", 43)
}

func jwtClaims(r *rand.Rand, exp int64, role string) string {
	b := append([]byte(`{"sub":"`), strconv.Itoa(1000+zipf(r, 90000))...)
	b = append(append(append(b, `","role":"`...), role...), `","exp":`...)
	return string(append(strconv.AppendInt(b, exp+int64(r.IntN(86400)), 10), '}'))
}

const jwtExpiry = 1776000000 // seconds since 1970: some weeks after DefaultStart

// valueBuiltins are the values that no list of words can hold.
func valueBuiltins() []builtin {
	str := func(f func(p *pools) []string) func([]byte, *rand.Rand, *pools) []byte {
		return func(dst []byte, r *rand.Rand, p *pools) []byte { return append(dst, pick(r, f(p))...) }
	}
	num := func(lo, hi int) func([]byte, *rand.Rand, *pools) []byte {
		return func(dst []byte, r *rand.Rand, _ *pools) []byte {
			return strconv.AppendInt(dst, int64(lo+r.IntN(hi-lo)), 10)
		}
	}
	letters := func(alphabet string, lo, hi int) func([]byte, *rand.Rand, *pools) []byte {
		return func(dst []byte, r *rand.Rand, _ *pools) []byte {
			return appendLetters(dst, r, alphabet, lo+r.IntN(hi-lo))
		}
	}
	return []builtin{
		{"first", str(func(p *pools) []string { return p.first })},
		{"last", str(func(p *pools) []string { return p.last })},
		{"city", str(func(p *pools) []string { return p.city })},
		{"street", str(func(p *pools) []string { return p.street })},
		{"company", str(func(p *pools) []string { return p.company })},
		{"word", str(func(p *pools) []string { return p.word })},
		{"noun", str(func(p *pools) []string { return p.noun })},
		{"adj", str(func(p *pools) []string { return p.adj })},
		{"verb", str(func(p *pools) []string { return p.verb })},
		{"product", str(func(p *pools) []string { return p.product })},
		{"sentence", str(func(p *pools) []string { return p.sentence })},
		{"phrase", str(func(p *pools) []string { return p.phrase })},
		{"login", str(func(p *pools) []string { return p.user })},
		{"d", num(0, 10)}, {"n", num(1, 13)}, {"nn", num(10, 100)}, {"nnn", num(100, 1000)}, {"n4", num(1000, 10000)},
		{"n6", num(100000, 1000000)}, {"big", num(1000000, 2000000000)}, {"pct", num(1, 101)}, {"month", num(1, 13)},
		{"a1", letters(lower, 1, 2)}, {"a3", letters(lower, 2, 5)}, {"a6", letters(lower, 4, 9)},
		{"x2", letters(hexLow, 2, 3)}, {"x4", letters(hexLow, 4, 5)}, {"hex8", letters(hexLow, 8, 9)}, {"hex32", letters(hexLow, 32, 33)}, {"hex40", letters(hexLow, 40, 41)},
		{"tok", letters(alnum, 8, 16)}, {"tok22", letters(alnum+"-_", 20, 44)},
		{"loan", appendLoan},
		{"anyjson", func(dst []byte, r *rand.Rand, p *pools) []byte {
			q := [...]byte{'"', '"', '"', '\'', 0}[r.IntN(5)]
			return appendLiteral(dst, r, p, q, r.IntN(3) == 0, 1+r.IntN(3))
		}},
		{"uuid", func(dst []byte, r *rand.Rand, _ *pools) []byte { return appendUUID(dst, r) }},
		{"id", func(dst []byte, r *rand.Rand, _ *pools) []byte {
			return strconv.AppendInt(dst, int64(1+zipf(r, 60000)), 10)
		}},
		{"pid", func(dst []byte, r *rand.Rand, _ *pools) []byte {
			return strconv.AppendInt(dst, int64(1000+7*zipf(r, 4000)), 10)
		}},
		{"slugword", func(dst []byte, r *rand.Rand, p *pools) []byte { return appendSlug(dst, pick(r, p.word)) }},
		{"slugnoun", func(dst []byte, r *rand.Rand, p *pools) []byte { return appendSlug(dst, pick(r, p.noun)) }},
		{"slugproduct", func(dst []byte, r *rand.Rand, p *pools) []byte { return appendSlug(dst, pick(r, p.product)) }},
		{"slugname", func(dst []byte, r *rand.Rand, p *pools) []byte { return appendSlug(dst, pick(r, p.first)) }},
		{"date", func(dst []byte, r *rand.Rand, _ *pools) []byte {
			dst = strconv.AppendInt(dst, int64(2023+r.IntN(4)), 10)
			m, d := 1+r.IntN(12), 1+r.IntN(28)
			return append(dst, '-', byte('0'+m/10), byte('0'+m%10), '-', byte('0'+d/10), byte('0'+d%10))
		}},
		{"mm", func(dst []byte, r *rand.Rand, _ *pools) []byte {
			m := r.IntN(60)
			return append(dst, byte('0'+m/10), byte('0'+m%10))
		}},
		{"hh", func(dst []byte, r *rand.Rand, _ *pools) []byte {
			m := r.IntN(24)
			return append(dst, byte('0'+m/10), byte('0'+m%10))
		}},
		{"b64", func(dst []byte, r *rand.Rand, p *pools) []byte {
			return base64.StdEncoding.AppendEncode(dst, []byte(pick(r, p.sentence)[:]))
		}},
		{"b64bin", func(dst []byte, r *rand.Rand, _ *pools) []byte {
			b := make([]byte, 12+r.IntN(40))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			return base64.StdEncoding.AppendEncode(dst, b)
		}},
		{"jwt", func(dst []byte, r *rand.Rand, _ *pools) []byte {
			h := [...]string{`{"alg":"HS256","typ":"JWT"}`, `{"alg":"RS256","typ":"JWT","kid":"` + strconv.Itoa(r.IntN(9)) + `"}`, `{"typ":"JWT","alg":"ES256"}`}
			return appendJWT(dst, r, h[r.IntN(3)], jwtClaims(r, jwtExpiry, [...]string{"user", "user", "user", "staff", "admin"}[r.IntN(5)]))
		}},
		// Tokens that were changed: no signature and another algorithm, a bad
		// signature, a grown role, long expired.
		{"badjwt", func(dst []byte, r *rand.Rand, _ *pools) []byte {
			role := [...]string{"admin", "superuser", "root", "staff", "user"}[r.IntN(5)]
			switch r.IntN(5) {
			case 0:
				h := [...]string{`{"alg":"none","typ":"JWT"}`, `{"alg":"None"}`, `{"typ":"JWT","alg":"nOnE"}`, `{"alg":"NONE","typ":"JWT"}`}
				t := appendJWT(nil, r, h[r.IntN(4)], jwtClaims(r, jwtExpiry, role))
				return append(dst, t[:strings.LastIndexByte(string(t), '.')+1]...)
			case 1:
				t := appendJWT(nil, r, `{"alg":"HS256","typ":"JWT"}`, jwtClaims(r, jwtExpiry, role))
				return append(dst, t[:len(t)-r.IntN(30)-4]...)
			case 2:
				return appendJWT(dst, r, `{"alg":"HS256","typ":"JWT","kid":"../../../dev/null"}`, jwtClaims(r, jwtExpiry, role))
			case 3:
				return appendJWT(dst, r, `{"alg":"HS256","typ":"JWT"}`, jwtClaims(r, jwtExpiry-40000000, "user"))
			}
			return appendJWT(dst, r, `{"alg":"HS256","jku":"https://`+strconv.Itoa(r.IntN(900))+`.example.net/k.json"}`, jwtClaims(r, jwtExpiry, role))
		}},
	}
}
