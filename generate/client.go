package generate

import (
	"math"
	"math/rand/v2"
	"strconv"
)

// kind is what sort of client sends the requests.
type kind uint8

const (
	browser kind = iota
	app
	partner
	crawler
	monitor
	script
	numKinds
)

func kindNames() [numKinds]string {
	return [numKinds]string{"browser", "app", "partner", "crawler", "monitor", "script"}
}

// kindSpec is how a kind of client behaves.
type kindSpec struct {
	share   float64 // of the benign requests
	length  float64 // median requests in a session
	sigma   float64 // of its logarithm
	people  float64 // clients per benign request
	gap     float64 // median seconds between two steps
	spread  float64 // sigma of its logarithm
	habit   float64 // exponent of the activity: larger = fewer clients make more of the sessions
	agent   string  // rule of its agent
	v2, v3  float64 // share of HTTP/2.0 and HTTP/3.0
	loaded  float64 // median bytes of its request header
	encoded [4]int  // weights of encForm, encURI, encLenient, encLower
}

func kindSpecs() [numKinds]kindSpec {
	return [numKinds]kindSpec{
		browser: {.50, 10, 1, 1. / 15, 14, 1.2, 1.6, "agentBrowser", .72, .05, 640, [4]int{55, 35, 9, 1}},
		app:     {.27, 8, 1.1, 1. / 18, 5, 1.3, 1.9, "agentApp", .62, .02, 380, [4]int{20, 62, 6, 12}},
		partner: {.09, 40, .8, 1. / 900, .35, .9, 1.5, "agentPartner", .2, 0, 260, [4]int{45, 25, 15, 15}},
		crawler: {.06, 30, 1, 1. / 900, 9, .8, 1.3, "agentCrawler", .3, 0, 300, [4]int{30, 50, 10, 10}},
		monitor: {.03, 40, .3, 1. / 8000, 60, .01, 1, "agentMonitor", .05, 0, 150, [4]int{1, 1, 1, 1}},
		script:  {.05, 6, 1.1, 1. / 120, 2.2, 1.6, 1.5, "agentScript", .3, 0, 220, [4]int{25, 20, 40, 15}},
	}
}

// client is one sender. Strings are shared with all its requests.
type client struct {
	kind      kind
	enc       uint8
	named     bool // the log knows its user once it is logged in
	session   bool // it has a session cookie
	returns   bool // it has been here: static files are revalidated
	proto     string
	addr      string
	agent     string
	user      string
	bandwidth float64 // bytes per second
	header    int     // bytes of its request header
}

// client derives the i-th client of a kind. It is a function of the seed, kind
// and i alone, so that a population of any size costs no memory; day moves
// those behind changing addresses.
func (g *generator) client(k kind, i int, day int64) client {
	g.pcg.Seed(g.seed^uint64(k)<<56^uint64(i)*0x9e3779b97f4a7c15, streamClients)
	r := g.crand
	s := &g.kinds[k]
	c := client{kind: k, named: chance(r, .3), session: k == browser && chance(r, .7), returns: chance(r, .45)}
	c.agent = string(g.grammar.expand(g.value[:0], r, g.agentRule[k]))
	switch x := r.Float64(); {
	case x < s.v2:
		c.proto = "HTTP/2.0"
	case x < s.v2+s.v3:
		c.proto = "HTTP/3.0"
	case x > .998:
		c.proto = "HTTP/1.0"
	default:
		c.proto = "HTTP/1.1"
	}
	n := 0
	for _, w := range s.encoded {
		n += w
	}
	n = r.IntN(n)
	for e, w := range s.encoded {
		if n < w {
			c.enc = uint8(e)
			break
		}
		n -= w
	}
	if k == partner {
		c.named = chance(r, .8)
	}
	c.user = "u" + strconv.Itoa(10000+int(uint32(i)*2654435761>>8)%900000)
	if k == partner {
		c.user = g.pools.company[i%len(g.pools.company)]
		c.user = "svc-" + string(appendSlug(g.value[:0], c.user))
	}
	c.bandwidth = logNormal(r, 2.5e6, 1.1)
	c.header = int(logNormal(r, s.loaded, .25))
	host := uint64(i)
	switch {
	case (k == browser || k == app) && chance(r, .16): // behind a gateway with many others
		host = 1<<40 + uint64(zipf(r, 12+g.people(browser)/60))
	case k == app && chance(r, .5): // the carrier gives a new address
		host ^= uint64(day) << 32
	}
	c.addr = g.address(k, host)
	return c
}

// people is the number of clients of a kind.
func (g *generator) people(k kind) int {
	return 2 + int(float64(g.scale)*g.kinds[k].people)
}

// draw picks a client of a kind by activity: a few are here all the time.
func (g *generator) draw(r *rand.Rand, k kind, day int64) client {
	n := g.people(k)
	i := int(float64(n) * math.Pow(r.Float64(), g.kinds[k].habit))
	return g.client(k, min(i, n-1), day)
}

// address writes the address of a host. Prefixes are those of a few hundred
// providers, of which some have most of the clients.
func (g *generator) address(k kind, host uint64) string {
	h := mix64(host ^ g.seed*31 ^ uint64(k)<<50)
	p := h % 997
	if k == partner || k == monitor || k == script && h>>60 < 8 {
		p = 2000 + h%23 // clouds
	} else if k == crawler {
		p = 3000 + h%7
	} else if p = p * p / 997 * p / 997; h>>58 == 0 || h>>58 == 1 || h>>58 == 2 || h>>58 == 3 { // 6 %
		q := mix64(p%40 ^ g.seed)
		b := append(g.value[:0], "2a0"...)
		b = append(b, hexLow[q&15], ':')
		b = strconv.AppendUint(b, q>>4&0xfff+0x100, 16)
		b = append(strconv.AppendUint(append(b, ':'), h>>8&0xff, 16), ':')
		b = append(strconv.AppendUint(b, h>>16&0xffff, 16), ':')
		b = append(strconv.AppendUint(b, h>>24&0xffff, 16), ':')
		b = append(strconv.AppendUint(b, h>>32&0xffff, 16), ':')
		b = append(strconv.AppendUint(b, h>>40&0xffff, 16), ':')
		return string(strconv.AppendUint(b, h>>48&0xffff|1, 16))
	}
	q := mix64(p ^ g.seed*77)
	first := [...]byte{2, 5, 24, 31, 37, 46, 50, 62, 66, 71, 77, 78, 80, 81, 82, 84, 85, 86, 87, 88, 89, 91, 92, 93, 94, 95, 98, 99, 103, 105, 109, 114,
		117, 122, 128, 134, 138, 141, 151, 171, 173, 176, 178, 179, 181, 185, 186, 187, 188, 189, 190, 193, 195, 201, 202, 203, 212, 213, 217}
	b := strconv.AppendUint(g.value[:0], uint64(first[q%uint64(len(first))]), 10)
	b = strconv.AppendUint(append(b, '.'), q>>8&255, 10)
	third := h >> 20 & 31
	third = third * third / 31 // few /24 hold many
	b = strconv.AppendUint(append(b, '.'), (q>>16+third)&255, 10)
	return string(strconv.AppendUint(append(b, '.'), 1+h>>32%254, 10))
}

func mix64(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// neighbour returns another host in the same /24 (or /64).
func neighbour(r *rand.Rand, addr string) string {
	for i := len(addr) - 1; i >= 0; i-- {
		switch addr[i] {
		case '.':
			return addr[:i+1] + strconv.Itoa(1+r.IntN(254))
		case ':':
			return addr[:i+1] + strconv.FormatInt(1+r.Int64N(0xfffe), 16)
		}
	}
	return addr
}
