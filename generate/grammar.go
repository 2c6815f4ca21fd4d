package generate

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A grammar writes random text. It is made from rules, each a list of
// alternatives, one per line. An alternative is text in which «name» stands for
// another rule or for a builtin; "3~text" gives it weight 3, "∅" is the empty
// text, «%name», «64name», «&name», «^name» and «?name» are what name writes in
// percent escapes, in base64, with HTML entities, with JavaScript's escapes, and in
// letters of random case («!name»: in capitals), and \n, \t and \r in it are the control characters. Benign values and
// attack payloads are written by the same machinery, so that neither has a
// texture of its own.
type grammar struct {
	rules    []rule
	index    map[string]int
	builtins []builtin
	pools    *pools
}

type rule struct {
	name  string
	alts  []alternative
	total int // sum of weights
}

type alternative struct {
	upTo   int // cumulated weight, exclusive
	tokens []token
}

// token is a literal if rule < 0, else a rule; a rule index of at least
// builtinBase is a builtin.
type token struct {
	text  string
	rule  int
	write byte // how what the rule wrote is written: 0 as it is, else one of modes
}

const builtinBase = 1 << 20

// builtin appends a random value.
type builtin struct {
	name string
	fn   func(dst []byte, r *rand.Rand, p *pools) []byte
}

// source is a named list of rules: name, then alternatives.
type source [][2]string

// newGrammar compiles the sources. A name that no source defines is an error:
// the rules are part of the program, and a test compiles all of them.
func newGrammar(p *pools, builtins []builtin, sources ...source) (*grammar, error) {
	g := &grammar{index: map[string]int{}, builtins: builtins, pools: p}
	for i, b := range builtins {
		g.index[b.name] = builtinBase + i
	}
	for _, s := range sources {
		for _, d := range s {
			if _, dup := g.index[d[0]]; dup {
				return nil, fmt.Errorf("rule %q: defined twice", d[0])
			}
			g.index[d[0]] = len(g.rules)
			g.rules = append(g.rules, rule{name: d[0]})
		}
	}
	for _, s := range sources {
		for _, d := range s {
			r := &g.rules[g.index[d[0]]]
			for line := range strings.SplitSeq(strings.Trim(d[1], "\n"), "\n") {
				weight := 1
				if i := strings.Index(line, "~"); i > 0 && i < 4 {
					if _, err := fmt.Sscanf(line[:i], "%d", &weight); err == nil {
						line = line[i+1:]
					} else {
						weight = 1
					}
				}
				tokens, err := g.compile(line)
				if err != nil {
					return nil, fmt.Errorf("rule %q: %w", d[0], err)
				}
				r.total += weight
				r.alts = append(r.alts, alternative{r.total, tokens})
			}
		}
	}
	return g, nil
}

// compile cuts one alternative into tokens.
func (g *grammar) compile(line string) ([]token, error) {
	line = strings.NewReplacer(`∅`, "", `\\`, `\`, `\n`, "\n", `\t`, "\t", `\r`, "\r", `\0`, "\x00", `\xbc`, "\xbc", `\xbe`, "\xbe", `\xa2`, "\xa2", `\xc0`, "\xc0").Replace(line)
	var out []token
	for {
		i := strings.Index(line, "«")
		if i < 0 {
			break
		}
		if i > 0 {
			out = append(out, token{text: line[:i], rule: -1})
		}
		line = line[i+len("«"):]
		j := strings.Index(line, "»")
		if j < 0 {
			return nil, fmt.Errorf("« without » in %q", line)
		}
		name, mode := line[:j], byte(0)
		switch {
		case strings.HasPrefix(name, "64"):
			name, mode = name[2:], '6'
		case name != "" && strings.IndexByte("%&^?!", name[0]) >= 0:
			name, mode = name[1:], name[0]
		}
		id, ok := g.index[name]
		if !ok {
			return nil, fmt.Errorf("unknown rule %q", name)
		}
		out = append(out, token{name, id, mode})
		line = line[j+len("»"):]
	}
	if line != "" {
		out = append(out, token{text: line, rule: -1})
	}
	return out, nil
}

// rule returns the index of a name.
func (g *grammar) rule(name string) (int, error) {
	if i, ok := g.index[name]; ok {
		return i, nil
	}
	return 0, fmt.Errorf("unknown rule %q", name)
}

// expand appends a random text of the rule.
func (g *grammar) expand(dst []byte, r *rand.Rand, id int) []byte {
	if id >= builtinBase {
		return g.builtins[id-builtinBase].fn(dst, r, g.pools)
	}
	rl := &g.rules[id]
	a := 0
	if len(rl.alts) > 1 {
		n := int(r.Uint32N(uint32(rl.total)))
		for rl.alts[a].upTo <= n {
			a++
		}
	}
	return g.write(dst, r, rl.alts[a].tokens)
}

func (g *grammar) write(dst []byte, r *rand.Rand, tokens []token) []byte {
	for i := range tokens {
		if tokens[i].rule < 0 {
			dst = append(dst, tokens[i].text...)
		} else {
			n := len(dst)
			if dst = g.expand(dst, r, tokens[i].rule); tokens[i].write != 0 {
				dst = rewrite(dst, n, r, tokens[i].write)
			}
		}
	}
	return dst
}

// rewrite writes dst[from:] in another notation.
func rewrite(dst []byte, from int, r *rand.Rand, mode byte) []byte {
	text := append([]byte(nil), dst[from:]...)
	dst = dst[:from]
	switch mode {
	case '6':
		return base64.StdEncoding.AppendEncode(dst, text)
	case '%':
		return appendEncoded(dst, text, encURI, false)
	case '?', '!':
		for _, c := range text {
			if c >= 'a' && c <= 'z' && (mode == '!' || r.IntN(2) == 0) {
				c -= 32
			}
			dst = append(dst, c)
		}
		return dst
	}
	how := 1 + r.IntN(2)
	if mode == '&' {
		how = 3 + 3*r.IntN(2)
	}
	return append(dst, spelled(text, how)...)
}
