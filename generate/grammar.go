package generate

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A grammar writes random text. It is made from rules, each a list of
// alternatives, one per line. An alternative is text in which «name» stands for
// another rule or for a builtin; "3~text" gives it weight 3, "∅" is the empty
// text, and \n, \t and \r in it are the control characters. Benign values and
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
	text string
	rule int
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
	line = strings.NewReplacer(`∅`, "", `\n`, "\n", `\t`, "\t", `\r`, "\r", `\0`, "\x00").Replace(line)
	var out []token
	for {
		i := strings.Index(line, "«")
		if i < 0 {
			break
		}
		if i > 0 {
			out = append(out, token{line[:i], -1})
		}
		line = line[i+len("«"):]
		j := strings.Index(line, "»")
		if j < 0 {
			return nil, fmt.Errorf("« without » in %q", line)
		}
		id, ok := g.index[line[:j]]
		if !ok {
			return nil, fmt.Errorf("unknown rule %q", line[:j])
		}
		out = append(out, token{line[:j], id})
		line = line[j+len("»"):]
	}
	if line != "" {
		out = append(out, token{line, -1})
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
			dst = g.expand(dst, r, tokens[i].rule)
		}
	}
	return dst
}
