package features

import "bytes"

// maxTokens bounds what is looked at in one value; the value itself is bounded
// by maxPart.
const maxTokens = 8192

// Kinds of tokens; punctuation has its own byte as kind.
const (
	tWord    = 'w'
	tNumber  = '0'
	tComment = 'C' // /* … */
	tDash    = 'D' // --
)

// token is a word, number, comment or single punctuation character.
type token struct {
	kind   byte
	spaced bool // white space before it
	line   bool // a line break in that white space
	word
	a, b int32 // position in the lower-case text
}

// evidence are the counts for the columns from cSQLWords to cInternalHost.
type evidence [cInternalHost - cSQLWords + 1]int

func (e *evidence) add(column, n int) { e[column-cSQLWords] += n }

// scanner cuts a decoded value into tokens and counts the marks of attacks in
// token form, so that "sleeping" is not sleep( and "O'Reilly and sons" no
// tautology. Each pattern looks at a bounded number of tokens: linear time.
type scanner struct {
	text []byte
	tok  []token
	lx   *lexicon
	ev   evidence
}

// scan returns the evidence in v.
func (s *scanner) scan(lx *lexicon, v []byte) evidence {
	s.lx, s.ev = lx, evidence{}
	s.tokenize(v)
	var seen uint64
	for i := range s.tok {
		t := &s.tok[i]
		if t.line && i > 0 {
			s.lineBreak(i)
		}
		switch t.kind {
		case tWord:
			if t.flags&wSQL != 0 {
				seen |= 1 << (t.bit & 63)
			}
			s.word(i)
		case '\'', '"', '`', ')':
			s.closing(i)
			if t.kind == '`' {
				s.backtick(i)
			}
		case tDash, tComment:
			s.comment(i)
		case '#':
			s.comment(i)
			s.expression(i)
		case '|', '&':
			s.separator(i)
			if s.at(i+1).kind == t.kind && s.operand(i+2) {
				s.ev.add(cSQLTautology, 1)
			}
		case ';':
			s.separator(i)
			s.stacked(i)
		case '<':
			s.angle(i)
		case '$', '*', '{', '@', '%':
			s.expression(i)
		case '(':
			s.parenthesis(i)
		case '/':
			s.slash(i)
		}
	}
	for ; seen != 0; seen &= seen - 1 {
		s.ev.add(cSQLWords, 1)
	}
	s.start()
	return s.ev
}

// tokenize fills text and tok, and counts what is seen byte by byte.
func (s *scanner) tokenize(v []byte) {
	s.text, s.tok = s.text[:0], s.tok[:0]
	for _, c := range v {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c == 0 {
			s.ev.add(cNullByte, 1)
			continue // "<scr\0ipt>"
		}
		s.text = append(s.text, c)
	}
	t := s.text
	spaced, line := false, false
	for i := 0; i < len(t) && len(s.tok) < maxTokens; {
		c := t[i]
		start := i
		var kind byte
		switch {
		case c <= ' ' || c == 0x7F:
			spaced = true
			line = line || c == '\n' || c == '\r'
			i++
			continue
		case c >= 'a' && c <= 'z' || c == '_' || c >= 0x80:
			for i++; i < len(t) && (t[i] >= 'a' && t[i] <= 'z' || t[i] == '_' || t[i] >= 0x80 || t[i] >= '0' && t[i] <= '9'); i++ {
			}
			kind = tWord
		case c >= '0' && c <= '9':
			kind = tNumber
			if c == '0' && i+2 < len(t) && t[i+1] == 'x' && isHex(t[i+2]) {
				j := i + 2
				for ; j < len(t) && isHex(t[j]); j++ {
				}
				if j == len(t) || !(t[j] >= 'g' && t[j] <= 'z' || t[j] == '_') { // 0x0x is a word, not a number
					i = j
					break
				}
			}
			for ; i < len(t) && (t[i] >= '0' && t[i] <= '9' || t[i] == '.' && i+1 < len(t) && t[i+1] >= '0' && t[i+1] <= '9'); i++ {
			}
		case c == '-' && i+1 < len(t) && t[i+1] == '-' && (i == 0 || t[i-1] != '-') && (i+2 == len(t) || t[i+2] != '-' && t[i+2] != '>'):
			kind = tDash
			i += 2
		case c == '/' && i+1 < len(t) && t[i+1] == '*':
			if j := bytes.Index(t[i+2:], []byte("*/")); j >= 0 {
				if j > 0 && t[i+2] == '!' { // MySQL runs what is inside
					s.ev.add(cSQLComment, 2)
					kind = tComment
					for i += 3; i < len(t) && t[i] >= '0' && t[i] <= '9'; i++ {
					}
				} else {
					kind = tComment
					i += j + 4
				}
			} else {
				kind = c
				i++
			}
		default:
			if c == '.' && i+2 < len(t) && t[i+1] == '.' && (t[i+2] == '/' || t[i+2] == '\\' || t[i+2] == ';' && i+3 < len(t) && t[i+3] == '/') ||
				c == '.' && i+2 == len(t) && t[i+1] == '.' && i > 0 && (t[i-1] == '/' || t[i-1] == '\\') {
				s.ev.add(cTraversal, 1)
			}
			kind = c
			i++
		}
		tk := token{kind: kind, spaced: spaced, line: line, a: int32(start), b: int32(i)}
		if kind == tWord {
			tk.word = s.lx.find(t[start:i])
		}
		s.tok = append(s.tok, tk)
		spaced, line = false, false
	}
}

// at returns token i, the zero token outside.
func (s *scanner) at(i int) token {
	if i < 0 || i >= len(s.tok) {
		return token{}
	}
	return s.tok[i]
}

func (s *scanner) is(i int, w string) bool {
	t := s.at(i)
	return t.kind == tWord && string(s.text[t.a:t.b]) == w
}

// oneOf reports whether token i is a word of the list.
func (s *scanner) oneOf(i int, list ...string) bool {
	t := s.at(i)
	if t.kind != tWord {
		return false
	}
	for _, w := range list {
		if string(s.text[t.a:t.b]) == w {
			return true
		}
	}
	return false
}

// past skips comments and the given kinds, at most 8 tokens.
func (s *scanner) past(i int, kinds string) int {
	for n := 0; n < 8 && i < len(s.tok); n++ {
		k := s.tok[i].kind
		if k != tComment && bytes.IndexByte([]byte(kinds), k) < 0 {
			break
		}
		i++
	}
	return i
}

func (s *scanner) word(i int) {
	t := s.tok[i]
	next := s.at(i + 1)
	switch {
	case s.lx.event(s.text[t.a:t.b]) && next.kind == '=':
		s.ev.add(cHandlers, 1)
	case next.kind == ':' && !next.spaced:
		s.scheme(i)
	}
	s.files(i)
	if t.flags == 0 {
		return
	}
	after := s.past(i+1, "(")
	if t.flags&wVerb != 0 {
		s.statement(i, after)
	}
	if t.flags&wFunc != 0 && next.kind == '(' && s.at(i-1).kind != '.' {
		s.ev.add(cSQLFunctions, 1)
	}
	if t.flags&wCatalog != 0 {
		s.ev.add(cSQLFunctions, 1)
		if s.is(i, "waitfor") && s.is(after, "delay") || s.oneOf(i, "outfile", "dumpfile") && s.is(i-1, "into") {
			s.ev.add(cSQLStatement, 1)
		}
	}
	if t.flags&wLogic != 0 && s.operand(i+1) {
		s.ev.add(cSQLTautology, 1)
	}
	switch {
	case s.oneOf(i, "order", "group") && s.is(i+1, "by") && s.position(i+2),
		s.is(i, "procedure") && s.is(i+1, "analyse"),
		s.is(i, "case") && s.is(i+1, "when") && s.at(i+2).kind != 0:
		s.ev.add(cSQLStatement, 1)
	}
	if t.flags&wScript != 0 {
		switch next.kind {
		case '(', '`':
			if !s.oneOf(i, "top", "parent", "self", "this", "string", "write", "import", "document", "window", "location") || next.kind == '(' && s.at(i-1).kind == '.' {
				s.ev.add(cScriptCalls, 1)
			}
		case '[':
			if !next.spaced {
				s.ev.add(cScriptCalls, 1)
			}
		case '.':
			if m := s.at(i + 2); !next.spaced && m.flags&wMember != 0 {
				s.ev.add(cScriptCalls, 1)
			}
		case '=':
			if s.oneOf(i, "location", "innerhtml", "outerhtml", "onerror") && s.at(i-1).kind != 0 {
				s.ev.add(cScriptCalls, 1)
			}
		}
	}
	if t.flags&wServer != 0 && (next.kind == '(' || s.text[t.a] == '_') {
		s.ev.add(cServerCode, 1)
	}
	if t.flags&wFile != 0 {
		s.ev.add(cSensitiveFile, 1)
	}
}

// position reports whether a column number stands at token i and the statement
// ends or goes on behind it: "order by 3 --", not "order by 5 pm".
func (s *scanner) position(i int) bool {
	i = s.past(i, "(")
	if s.at(i).kind != tNumber {
		return false
	}
	n := s.at(i + 1)
	return n.kind != tWord || n.flags&(wSQL|wLogic) != 0
}

// files recognises names made of several words.
func (s *scanner) files(i int) {
	dot := s.at(i+1).kind == '.' && !s.at(i+1).spaced
	switch {
	case dot && s.oneOf(i, "win", "boot", "system", "php", "desktop", "my") && s.oneOf(i+2, "ini", "cnf"),
		dot && s.is(i, "autoexec") && s.is(i+2, "bat"),
		dot && s.is(i, "web") && s.is(i+2, "config"):
		s.ev.add(cSensitiveFile, 1)
	}
}

// scheme looks at a word with a colon behind it.
func (s *scanner) scheme(i int) {
	t := s.tok[i]
	slashes := s.at(i+2).kind == '/' && s.at(i+3).kind == '/'
	switch {
	case s.oneOf(i, "javascript", "vbscript", "livescript"), s.is(i, "script") && s.oneOf(i-1, "java", "vb"):
		// "javascript:;" and "javascript:void(0)" are honest.
		if n := s.at(i + 2); n.kind != 0 && n.kind != ';' && !s.is(i+2, "void") {
			s.ev.add(cHandlers, 1)
		}
	case s.is(i, "data") && (s.is(i+2, "text") && s.at(i+3).kind == '/' || s.is(i+2, "image") && s.is(i+4, "svg")):
		s.ev.add(cHandlers, 1)
		s.ev.add(cSchemes, 2)
	case t.flags&wScheme != 0 && slashes, s.oneOf(i, "expect", "jar", "data") && s.at(i+2).kind != 0 && s.at(i-1).kind == 0 && slashes:
		s.ev.add(cSchemes, 2)
	case slashes && i == 0:
		s.ev.add(cSchemes, 1)
	}
}

// operand reports whether a comparison of constants, or a constant alone that
// ends the value, begins at token i: what stands behind "or" in a tautology.
func (s *scanner) operand(i int) bool {
	i = s.past(i, "(!+")
	if s.is(i, "not") {
		i = s.past(i+1, "(")
	}
	left := s.at(i)
	if left.kind == 0 {
		return false
	}
	// A function that is asked: or ascii(substring(…
	if left.flags&(wFunc|wCatalog) != 0 && s.at(i+1).kind == '(' {
		return true
	}
	if s.oneOf(i, "select", "exists") && s.at(i-1).kind == '(' {
		return true
	}
	quoted := false
	if left.kind == '\'' || left.kind == '"' {
		quoted = true
		for n := 0; n < 4; n++ { // 'a b' or the empty ''
			i++
			if k := s.at(i).kind; k == '\'' || k == '"' || k == 0 {
				break
			}
		}
		if k := s.at(i).kind; k != '\'' && k != '"' {
			return false
		}
		i++
	} else if left.kind == tNumber || left.kind == tWord {
		i++
		if s.at(i).kind == '\'' && !s.at(i).spaced { // or 1'='1
			i++
		}
	} else {
		return false
	}
	i = s.past(i, ")+")
	constant := quoted || left.kind == tNumber
	op := s.at(i)
	switch op.kind {
	case '=', '<', '>', '!':
		for n := 0; n < 2 && (s.at(i+1).kind == '=' || s.at(i+1).kind == '>'); n++ {
			i++
		}
	case tWord:
		if op.flags&wCompare == 0 {
			return false
		}
		if s.is(i, "is") || s.is(i, "not") {
			return constant || s.oneOf(i+1, "null", "not")
		}
	case 0, tDash, '#', ';':
		// or 1, or true, or 'x': only numbers and words of truth, and only with
		// something that was broken out of before.
		return left.kind == tNumber && (op.kind != 0) || (s.oneOf(i-1, "true", "false") && op.kind != 0)
	default:
		return false
	}
	i = s.past(i+1, "(+")
	right := s.at(i)
	switch right.kind {
	case '\'', '"':
		return constant
	case tNumber:
		// "10 < 20 and 30 > 20 in total" is arithmetic in prose.
		n := s.at(i + 1)
		return constant && (n.kind != tWord || n.flags&(wSQL|wLogic|wVerb) != 0)
	case tWord:
		if left.kind == tWord && string(s.text[left.a:left.b]) == string(s.text[right.a:right.b]) {
			return true // or a=a
		}
		return constant && right.flags&(wFunc|wVerb) != 0
	}
	return false
}

// statement looks at a verb of SQL at i; after is the next token behind brackets.
func (s *scanner) statement(i, after int) {
	switch {
	case s.is(i, "union"):
		j := after
		for n := 0; n < 3 && s.oneOf(j, "all", "distinct"); n++ {
			j = s.past(j+1, "(")
		}
		if s.oneOf(j, "select", "values") {
			s.ev.add(cSQLUnion, 1)
		}
	case s.is(i, "select"):
		if s.selects(i) {
			s.ev.add(cSQLStatement, 1)
		}
	case s.is(i, "insert") && s.is(after, "into") && (s.at(after+2).kind == '(' || s.oneOf(after+2, "values", "select")),
		s.is(i, "delete") && s.is(after, "from") && (s.is(after+2, "where") || s.at(after+2).kind == ';' || s.at(after+2).kind == tDash),
		s.is(i, "update") && s.at(after).kind == tWord && s.is(after+1, "set") && s.at(after+3).kind == '=',
		s.oneOf(i, "drop", "alter", "truncate", "create") && s.oneOf(after, "table", "database", "procedure", "schema") && s.at(after+1).kind != 0,
		s.oneOf(i, "exec", "execute") && (s.at(after).flags&wCatalog != 0 || s.is(after, "master") || s.is(after, "immediate")),
		s.is(i, "declare") && s.at(after).kind == '@':
		s.ev.add(cSQLStatement, 1)
	}
}

// selects tells a SELECT from "select one from the list": between the two words
// stands something other than words, or behind FROM a clause follows.
func (s *scanner) selects(i int) bool {
	formal := s.at(i-1).kind == '('
	if n := s.at(i + 1); n.kind == '@' || n.flags&wFunc != 0 && s.at(i+2).kind == '(' {
		return true
	}
	for j := i + 1; j < min(i+48, len(s.tok)); j++ {
		t := s.tok[j]
		switch t.kind {
		case '*', '(', '@', tNumber, tComment, '\'', '`':
			formal = true
		case ',':
			formal = formal || j == i+2
		case '.', '!', '?':
			if s.at(j + 1).spaced {
				return false // a sentence ends
			}
		case tWord:
			if s.is(j, "from") && j > i+1 {
				n := s.at(j + 2)
				return formal || s.at(j+1).flags&wCatalog != 0 || n.kind == tDash || n.kind == ';' || s.oneOf(j+2, "where", "limit", "union")
			}
		}
	}
	return formal && s.at(i-1).kind == '('
}

// closing looks behind a quote or bracket: does SQL go on?
func (s *scanner) closing(i int) {
	j := s.past(i+1, ")'\"+")
	t := s.at(j)
	switch {
	case t.kind == 0:
		return
	case t.flags&wLogic != 0 || (t.kind == '|' || t.kind == '&') && s.at(j+1).kind == t.kind:
		k := j + 1
		if t.kind != tWord {
			k++
		}
		if s.operand(k) || s.tok[i].kind != ')' && t.kind == '|' && s.at(k).kind != 0 {
			s.ev.add(cSQLBreak, 1)
		}
	case s.is(j, "union") && s.oneOf(s.past(j+1, "("), "select", "all", "distinct"),
		s.oneOf(j, "order", "group") && s.is(j+1, "by"),
		s.is(j, "having") && s.tok[i].kind != ')',
		s.is(j, "waitfor"),
		s.is(j, "into") && s.oneOf(j+1, "outfile", "dumpfile"),
		t.kind == ';' && s.at(j+1).flags&(wVerb|wCatalog) != 0,
		s.tok[i].kind != ')' && t.kind == tDash,
		s.tok[i].kind != ')' && (t.kind == '#' || t.kind == ';') && j == len(s.tok)-1:
		s.ev.add(cSQLBreak, 1)
	}
}

// comment counts comment marks that cut something off or glue words together.
func (s *scanner) comment(i int) {
	prev, next := s.at(i-1), s.at(i+1)
	broken := prev.kind == '\'' || prev.kind == '"' || prev.kind == ')' || prev.kind == tNumber
	switch s.tok[i].kind {
	case tDash:
		if broken || prev.kind == ';' || i > 0 && next.kind == 0 {
			s.ev.add(cSQLComment, 1)
		}
	case '#':
		if broken && next.kind == 0 {
			s.ev.add(cSQLComment, 1)
		}
	case tComment:
		if broken || prev.flags&wSQL != 0 || next.flags&wSQL != 0 || prev.kind == tWord && next.kind == tWord && !s.tok[i].spaced && !next.spaced {
			s.ev.add(cSQLComment, 1)
		}
	}
}

// stacked looks behind a semicolon for a statement that stands nowhere else.
func (s *scanner) stacked(i int) {
	switch {
	case s.is(i+1, "shutdown"), s.is(i+1, "waitfor"), s.is(i+1, "declare"),
		s.oneOf(i+1, "exec", "execute") && s.at(i+2).kind == tWord,
		s.oneOf(i+1, "drop", "select", "insert", "update", "delete") && s.at(i+2).kind != 0 && s.at(i-1).kind != tWord:
		s.ev.add(cSQLStatement, 1)
	}
}

// separator looks behind ; | & for a command.
func (s *scanner) separator(i int) {
	j := i + 1
	if k := s.at(j).kind; k == s.tok[i].kind {
		if s.at(i-1).kind == k {
			return // counted at the first of the two
		}
		j++
	}
	if s.at(i-1).kind == s.tok[i].kind {
		return
	}
	if s.command(j, s.tok[i].kind == '|') {
		s.ev.add(cCommands, 1)
	}
}

// command reports whether a shell command begins at token i, behind quotes and a
// path. Common words must be followed by what a command takes, unless strong.
func (s *scanner) command(i int, strong bool) bool {
	i = s.past(i, "'\"\\({")
	if s.at(i).kind == '/' && s.oneOf(i+1, "bin", "usr", "sbin", "etc") {
		return true
	}
	t := s.at(i)
	if t.flags&wCommand == 0 {
		return false
	}
	n := s.at(i + 1)
	if n.kind == '.' && s.oneOf(i+2, "exe", "php", "sh") {
		return true
	}
	if !n.spaced && (n.kind == '=' || n.kind == ':' || n.kind == '.' || n.kind == '-' || n.kind == '_') {
		return false // "set=", "id:", "php-fpm"
	}
	if strong && t.flags&wCommon == 0 {
		return true
	}
	switch n.kind {
	case 0, ';', '|', '&', '`', ')', '>', '<', '#', '$', '"', '\'', '}':
		return t.flags&wCommon == 0 || strong || n.kind == '>' || n.kind == '|' || n.kind == ';' ||
			n.kind == 0 && (s.at(i-1).kind == ';' || s.at(i-1).kind == '`')
	case '-', '/', '%', '*', '~', '\\', '@':
		return true
	case tNumber:
		return n.spaced
	case tWord:
		return t.flags&wCommon == 0
	}
	return false
}

// start looks at a value that is a command line as a whole.
func (s *scanner) start() {
	t := s.at(0)
	if t.flags&wCommand == 0 || t.flags&wCommon != 0 {
		return
	}
	n := s.at(1)
	if n.spaced && (n.kind == '-' && s.at(2).kind == tWord && !s.at(2).spaced || n.kind == '/' && s.at(2).kind == tWord && !s.at(2).spaced) {
		s.ev.add(cCommands, 1)
	}
}

// lineBreak looks at the first token of a new line: a header or a command.
func (s *scanner) lineBreak(i int) {
	next := s.at(i + 1)
	dash := next.kind == '-' && !next.spaced
	switch {
	case s.oneOf(i, "set", "content", "x", "transfer", "cache") && dash && s.oneOf(i+2, "cookie", "cookie2", "type", "length", "encoding", "disposition", "forwarded", "xss", "control", "injected", "header"),
		s.oneOf(i, "location", "refresh", "host", "cookie", "referer") && next.kind == ':' && !next.spaced,
		s.is(i, "http") && next.kind == '/' && s.at(i+2).kind == tNumber:
		s.ev.add(cHeaderInjection, 1)
	case s.at(i).flags&wCommon == 0 && s.command(i, false) && i > 0 && len(s.tok) < 24:
		s.ev.add(cCommands, 1)
	}
}

// backtick looks for `command`.
func (s *scanner) backtick(i int) {
	if !s.command(i+1, true) {
		return
	}
	for j := i + 2; j < min(i+24, len(s.tok)); j++ {
		if s.tok[j].kind == '`' {
			s.ev.add(cSubstitution, 1)
			s.ev.add(cCommands, 1)
			return
		}
	}
}

// angle looks behind "<" for tags and server code.
func (s *scanner) angle(i int) {
	n := s.at(i + 1)
	if n.spaced {
		return
	}
	switch n.kind {
	case tWord:
		s.tag(i+1, n)
	case '/':
		if m := s.at(i + 2); m.kind == tWord {
			s.tag(i+2, m)
		}
	case '?':
		if s.is(i+2, "php") || s.at(i+2).kind == '=' || s.is(i+2, "system") {
			s.ev.add(cServerCode, 1)
		}
	case '%':
		s.ev.add(cExpressions, 1)
	case '!':
		switch {
		case s.oneOf(i+2, "entity", "doctype", "element", "attlist") && !s.is(i+3, "html"):
			s.ev.add(cServerCode, 1)
		case s.at(i+2).kind == tDash && s.at(i+3).kind == '#':
			s.ev.add(cServerCode, 1)
		default:
			s.ev.add(cTags, 1)
		}
	case '(':
		if s.command(i+2, true) {
			s.ev.add(cSubstitution, 1)
		}
	}
}

func (s *scanner) tag(i int, t token) {
	after := s.at(i + 1)
	switch {
	case t.flags&wActive != 0:
		s.ev.add(cTags, 1)
		s.ev.add(cActiveTags, 1)
	case t.flags&wTag != 0 && (after.kind == '>' || after.kind == '/' || after.spaced):
		s.ev.add(cTags, 1)
	case after.kind == '>' || after.kind == '/':
		s.ev.add(cTags, 1)
	}
}

// expression looks at $ # { @ % *: template languages, NoSQL, shell variables.
func (s *scanner) expression(i int) {
	t, n := s.tok[i], s.at(i+1)
	if n.spaced {
		return
	}
	switch t.kind {
	case '$':
		switch {
		case n.kind == '{':
			if s.oneOf(i+2, "ifs", "path", "home", "shell") {
				s.ev.add(cSubstitution, 1)
			} else if s.oneOf(i+2, "jndi") || s.computes(i+2, '}') {
				s.ev.add(cExpressions, 1)
			}
		case n.kind == '(':
			if s.command(i+2, true) || s.at(i+2).kind == '(' {
				s.ev.add(cSubstitution, 1)
			}
		case s.oneOf(i+1, "ifs", "shell"):
			s.ev.add(cSubstitution, 1)
		case n.flags&wOperator != 0:
			switch s.at(i - 1).kind {
			case '[', '"', '{', '\'', ',':
				s.ev.add(cQueryObjects, 1)
			}
		}
	case '#', '*', '@':
		if n.kind == '{' && s.computes(i+2, '}') {
			s.ev.add(cExpressions, 1)
		}
		if t.kind == '@' && n.kind == '@' && s.at(i+2).kind == tWord {
			s.ev.add(cSQLFunctions, 1)
		}
	case '{':
		switch {
		case n.kind == '{' && s.computes(i+2, '}'), n.kind == '%' && s.at(i+2).kind != 0:
			s.ev.add(cExpressions, 1)
		case n.kind == tWord && n.flags&wCommand != 0 && s.at(i+2).kind == ',' && !s.at(i+2).spaced:
			s.ev.add(cSubstitution, 1) // {cat,/etc/passwd}
		}
	case '%':
		if s.oneOf(i+1, "comspec", "systemroot", "windir") {
			s.ev.add(cSubstitution, 1)
		}
	}
}

// computes reports whether something other than a plain name stands before the
// closing bracket: ${US_PRIVACY} is a macro, ${7*7} is not.
func (s *scanner) computes(i int, end byte) bool {
	for j := i; j < min(i+24, len(s.tok)); j++ {
		switch k := s.tok[j].kind; k {
		case end:
			return false
		case '(', '*', '+', '[', ':', '|', '\'', '"', '@', '$', '#':
			return true
		case '.', '-', '/':
			if s.at(j+1).flags&(wServer|wFunc) != 0 || s.at(i).kind == tNumber {
				return true
			}
		}
		if s.tok[j].flags&wServer != 0 {
			return true
		}
	}
	return false
}

// parenthesis looks at "(": LDAP filters and Shellshock.
func (s *scanner) parenthesis(i int) {
	prev, n := s.at(i-1), s.at(i+1)
	switch {
	case n.kind == ')' && s.at(i+2).kind == '{' && s.at(i+3).kind != 0 && prev.kind == 0,
		n.kind == ')' && s.at(i+2).kind == '{' && s.at(i+3).kind == ':':
		s.ev.add(cSubstitution, 1)
	case prev.kind == ')' && !s.tok[i].spaced && (n.kind == '|' || n.kind == '&' || n.kind == '!' || n.kind == tWord && s.at(i+2).kind == '='),
		(n.kind == '|' || n.kind == '&') && s.at(i+2).kind == '(',
		prev.kind == ')' && s.at(i-2).kind == '*':
		s.ev.add(cQueryObjects, 1)
	}
	if s.at(i+1).flags&wVerb != 0 && s.is(i+1, "select") && s.at(i-1).kind != tWord {
		s.ev.add(cSQLStatement, 1)
	}
}

// slash looks at "/": files, shells, hosts of the inside.
func (s *scanner) slash(i int) {
	prev, n := s.at(i-1), s.at(i+1)
	switch {
	case s.oneOf(i-1, "etc", "proc") && (n.flags&wEtc != 0 || n.kind == tNumber && s.is(i-1, "proc")):
		s.ev.add(cSensitiveFile, 1)
	case s.is(i+1, "bin") && s.at(i+2).kind == '/' && s.at(i+3).flags&wCommand != 0,
		s.is(i+1, "dev") && s.oneOf(i+3, "tcp", "udp"):
		s.ev.add(cSubstitution, 1)
	case s.oneOf(i+1, "web", "meta") && s.at(i+2).kind == '-' && s.is(i+3, "inf"):
		s.ev.add(cSensitiveFile, 1)
	case s.is(i+1, "c") && !s.tok[i].spaced && s.oneOf(i-1, "cmd", "exe"):
		s.ev.add(cSubstitution, 1)
	case prev.kind == '/' && !s.tok[i].spaced:
		s.host(int(s.tok[i].b))
	}
}

// host looks behind "//" for an address that only the inside can reach.
func (s *scanner) host(at int) {
	h := s.text[at:min(at+32, len(s.text))]
	if i := bytes.IndexByte(h, '@'); i >= 0 {
		h = h[i+1:]
	}
	for _, p := range [...]string{"127.", "localhost", "0.0.0.0", "169.254.", "10.", "192.168.", "[::", "metadata.", "2130706433", "0x7f", "017700000001", "0/"} {
		if len(h) >= len(p) && string(h[:len(p)]) == p {
			s.ev.add(cInternalHost, 1)
			return
		}
	}
}

// header counts the kinds of payload in a request header.
func (a *analyser) header(v string) uint8 {
	if v == "" {
		return 0
	}
	a.in = append(a.in[:0], clip(v, maxPart)...)
	d := a.names.once(a.in, false)
	out, _, _ := a.names.fully(d.out, 1)
	ev := a.scan.scan(a.lx, out)
	n := uint8(0)
	for _, c := range [...]int{cSQLUnion, cSQLTautology, cSQLBreak, cSQLStatement, cActiveTags, cHandlers, cTraversal, cSensitiveFile, cSubstitution,
		cExpressions, cServerCode, cNullByte, cHeaderInjection} {
		if ev[c-cSQLWords] > 0 {
			n++
		}
	}
	return n
}
