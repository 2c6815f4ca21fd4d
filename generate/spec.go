package generate

import (
	"embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A service is described by an OpenAPI 3 document: paths, parameters with
// types, examples and enumerations, security. What OpenAPI has no words for
// stands in extensions, all of them optional:
//
//	x-clients            at the top: per kind of client (browser, app, partner, crawler,
//	                     monitor, script) its share of the requests, median requests in a
//	                     session, seconds between them, and its walk over the operations
//	x-traffic            at an operation: latency (median seconds), size (median bytes),
//	                     spread (sigma of its logarithm), cache (seconds that a cache keeps
//	                     the answer), missing and invalid (shares of 404 and 400), weight,
//	                     invalidates (operations whose cached answers a success discards),
//	                     site, page, asset, static, login, open, typing, queued (true or false)
//	x-value              at a parameter or property: the rule that writes its values
//	x-share              likewise: the share of the requests that carry it
//
// Without them they follow from types, formats, names and methods.

//go:embed specs/*.yaml
var specFiles embed.FS

// Profiles returns the names of the services that the program carries.
func Profiles() []string { return []string{"shop", "mobile-api", "internal", "site"} }

// Spec returns the OpenAPI document of a profile.
func Spec(profile string) ([]byte, error) {
	if !slices.Contains(Profiles(), profile) {
		return nil, fmt.Errorf("generate: unknown profile %q", profile)
	}
	return specFiles.ReadFile("specs/" + profile + ".yaml")
}

// SpecError says what is wrong in an OpenAPI document, and where.
type SpecError struct {
	File string
	Line int // 0 if unknown
	Err  error
}

func (e *SpecError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
}

func (e *SpecError) Unwrap() error { return e.Err }

// specReader turns a document into operations.
type specReader struct {
	file string
	root *yaml.Node
	g    *grammar
	used int // dynamic rules made
	vary *variation
}

func (s *specReader) errorf(n *yaml.Node, format string, args ...any) error {
	line := 0
	if n != nil {
		line = n.Line
	}
	return &SpecError{s.file, line, fmt.Errorf(format, args...)}
}

// maxAliases bounds what a document may make of itself by YAML aliases and
// references.
const maxDepth = 24

// field returns the value of a key of a mapping, aliases and local references
// followed; nil if there is none.
func (s *specReader) field(n *yaml.Node, key string) *yaml.Node {
	n = s.follow(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return s.follow(n.Content[i+1])
		}
	}
	return nil
}

// follow resolves aliases and "$ref": "#/…".
func (s *specReader) follow(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n == nil {
			return nil
		}
		if n.Kind == yaml.AliasNode {
			n = n.Alias
			continue
		}
		if n.Kind == yaml.MappingNode && len(n.Content) >= 2 {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == "$ref" {
					at := s.root
					ref, local := strings.CutPrefix(n.Content[i+1].Value, "#/")
					if !local {
						return nil
					}
					for part := range strings.SplitSeq(ref, "/") {
						part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
						at = plainField(at, part)
					}
					n = at
					break
				}
				if i+2 >= len(n.Content) {
					return n
				}
			}
			continue
		}
		return n
	}
	return nil
}

func plainField(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

func truth(n *yaml.Node) bool { return text(n) == "true" }

// number reads an optional number that must not be negative.
func (s *specReader) number(n *yaml.Node, what string, otherwise float64) (float64, error) {
	if n == nil {
		return otherwise, nil
	}
	x, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || !(x >= 0) || x > 1e12 {
		return 0, s.errorf(n, "%s: %q is no number from 0 up", what, n.Value)
	}
	return x, nil
}

// readSpec compiles a document into the service.
func (g *generator) readSpec(file string, doc []byte, vary *variation) error {
	var top yaml.Node
	if err := yaml.Unmarshal(doc, &top); err != nil {
		line, what := 0, strings.TrimPrefix(err.Error(), "yaml: ")
		if n, rest, ok := strings.Cut(what, ": "); ok && strings.HasPrefix(n, "line ") {
			if line, _ = strconv.Atoi(n[5:]); line > 0 {
				what = rest
			}
		}
		return &SpecError{file, line, errors.New("no YAML or JSON: " + what)}
	}
	if len(top.Content) == 0 {
		return &SpecError{file, 0, fmt.Errorf("is empty")}
	}
	s := &specReader{file: file, root: top.Content[0], g: g.grammar, vary: vary}
	version := s.field(s.root, "openapi")
	if !strings.HasPrefix(text(version), "3.") {
		return s.errorf(s.root, "no OpenAPI 3 document: want openapi: 3.x, got %q", text(version))
	}
	paths := s.field(s.root, "paths")
	if paths == nil || paths.Kind != yaml.MappingNode || len(paths.Content) == 0 {
		return s.errorf(s.root, "no paths")
	}
	base, host := "", ""
	if servers := s.field(s.root, "servers"); servers != nil && servers.Kind == yaml.SequenceNode && len(servers.Content) > 0 {
		host, base = splitServer(text(s.field(servers.Content[0], "url")))
	}
	clients := s.field(s.root, "x-clients")
	global := s.field(s.root, "security")
	g.opIndex = map[string]int{}
	invalidates := map[int]*yaml.Node{}
	for i := 0; i+1 < len(paths.Content); i += 2 {
		path, item := paths.Content[i], s.follow(paths.Content[i+1])
		if strings.HasPrefix(path.Value, "x-") {
			continue
		}
		if !strings.HasPrefix(path.Value, "/") {
			return s.errorf(path, "path %q does not begin with /", path.Value)
		}
		shared := s.field(item, "parameters")
		for _, method := range [...]string{"get", "put", "post", "delete", "options", "head", "patch"} {
			node := s.field(item, method)
			if node == nil {
				continue
			}
			if len(g.ops) >= 5000 {
				return s.errorf(node, "more than 5000 operations")
			}
			o, err := s.operation(base, path, strings.ToUpper(method), node, shared, global)
			if err != nil {
				return err
			}
			o.index = len(g.ops)
			if _, dup := g.opIndex[o.name]; dup {
				return s.errorf(node, "operationId %q occurs twice", o.name)
			}
			g.opIndex[o.name] = o.index
			if inv := s.field(s.field(node, "x-traffic"), "invalidates"); inv != nil {
				invalidates[o.index] = inv
			}
			g.ops = append(g.ops, o)
		}
	}
	if len(g.ops) == 0 {
		return s.errorf(paths, "no operations")
	}
	if err := s.extras(g); err != nil {
		return err
	}
	if host != "" {
		g.webHost, g.apiHost = host, host
	}
	for i, node := range invalidates {
		for _, n := range node.Content {
			j, ok := g.opIndex[n.Value]
			if !ok {
				return s.errorf(n, "invalidates: no operation %q", n.Value)
			}
			g.ops[i].invalidates = append(g.ops[i].invalidates, j)
		}
	}
	for i := range g.ops {
		g.ops[i].linkReads(g.ops)
	}
	return s.clients(g, clients)
}

// splitServer cuts the URL of a server into host and base path.
func splitServer(u string) (host, base string) {
	if i := strings.Index(u, "://"); i >= 0 {
		u = u[i+3:]
		if j := strings.IndexByte(u, '/'); j >= 0 {
			return u[:j], strings.TrimRight(u[j:], "/")
		}
		return u, ""
	}
	if strings.HasPrefix(u, "/") {
		return "", strings.TrimRight(u, "/")
	}
	return "", ""
}

// extras adds what every server sees beside its operations: dead links, the
// icon that browsers ask for and the file that crawlers do.
func (s *specReader) extras(g *generator) error {
	add := func(sp opSpec, share float64) error {
		if _, there := g.opIndex[sp.name]; there {
			return nil
		}
		path, err := s.g.compile(sp.path)
		if err != nil {
			return err
		}
		o := op{opSpec: sp, index: len(g.ops), path: path, pathVar: -1, pageParam: -1, errorSize: 6900, weight: share}
		g.opIndex[o.name] = o.index
		g.ops = append(g.ops, o)
		return nil
	}
	if err := add(opSpec{name: "dead", method: "GET", path: "«deadpath»", flags: site | raw, lat: .012, size: 6900, spread: .02, ok: 404}, .02); err != nil {
		return err
	}
	if err := add(opSpec{name: "favicon", method: "GET", path: "/favicon.ico", flags: site | static | assetFor, ttl: 86400, lat: .001, size: 1150, ok: 200}, .02); err != nil {
		return err
	}
	return add(opSpec{name: "robots", method: "GET", path: "/robots.txt", flags: site | static, ttl: 3600, lat: .002, size: 310, ok: 200}, .02)
}

func (s *specReader) operation(base string, path *yaml.Node, method string, node, shared, global *yaml.Node) (op, error) {
	x := s.field(node, "x-traffic")
	o := op{opSpec: opSpec{name: text(s.field(node, "operationId")), method: method}, pathVar: -1, pageParam: -1, weight: 1}
	if o.name == "" {
		o.name = strings.ToLower(method) + " " + path.Value
	}
	for _, f := range []struct {
		key  string
		flag int
	}{{"site", site}, {"page", page}, {"asset", assetFor}, {"static", static}, {"open", open}, {"typing", typing}, {"queued", queued}} {
		if truth(s.field(x, f.key)) {
			o.flags |= f.flag
		}
	}
	security := global
	if own := s.field(node, "security"); own != nil {
		security = own
	}
	if security != nil && len(security.Content) > 0 {
		o.flags |= auth
	}
	low := strings.ToLower(path.Value)
	// Parameters.
	declared := map[string]*yaml.Node{}
	var query []*yaml.Node
	for _, list := range []*yaml.Node{shared, s.field(node, "parameters")} {
		if list == nil {
			continue
		}
		if list.Kind != yaml.SequenceNode {
			return o, s.errorf(list, "parameters of %s %s: want a list", method, path.Value)
		}
		for _, raw := range list.Content {
			p := s.follow(raw)
			name, in := text(s.field(p, "name")), text(s.field(p, "in"))
			switch {
			case p == nil || name == "":
				return o, s.errorf(raw, "a parameter of %s %s has no name, or is a reference that leads nowhere", method, path.Value)
			case in == "path":
				declared[name] = p
			case in == "query":
				query = append(query, p)
			case in != "header" && in != "cookie":
				return o, s.errorf(p, "parameter %q: in: %q is none of path, query, header, cookie", name, in)
			}
		}
	}
	if err := s.path(&o, base+path.Value, path, declared); err != nil {
		return o, err
	}
	for _, p := range query {
		one, err := s.param(text(s.field(p, "name")), p, s.field(p, "schema"), truth(s.field(p, "required")))
		if err != nil {
			return o, err
		}
		o.params = append(o.params, one)
	}
	if b := s.field(node, "requestBody"); b != nil {
		if err := s.body(&o, b); err != nil {
			return o, err
		}
	}
	if o.bodied && len(query) > 0 { // what stands in the URL of a write is made with its path
		o.params = o.params[len(query):]
	}
	for i := range o.params {
		if l := strings.ToLower(o.params[i].label); o.pageParam < 0 && method == "GET" && (l == "page" || l == "offset" || l == "cursor" || l == "start") {
			o.pageParam = i
		}
	}
	// Answers.
	o.ok = 200
	list := false
	if responses := s.field(node, "responses"); responses != nil && responses.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(responses.Content); i += 2 {
			code, err := strconv.Atoi(responses.Content[i].Value)
			if err != nil || code < 100 || code > 599 {
				continue // "default", "2XX"
			}
			o.ok = int32(code)
			if content := s.field(s.follow(responses.Content[i+1]), "content"); content != nil && len(content.Content) > 1 {
				list = text(s.field(s.field(content.Content[1], "schema"), "type")) == "array"
				if strings.HasPrefix(content.Content[0].Value, "text/html") {
					o.flags |= site | page
				}
			}
			break
		}
	}
	write := method != "GET" && method != "HEAD" && method != "OPTIONS"
	size, lat, ttl := 900., .03, 0.
	if list || o.pageParam >= 0 {
		size, lat = 8000, .06
	}
	if o.flags&page != 0 {
		size, lat = 22000, .06
	}
	if write {
		size, lat = 400, .06
	} else if o.flags&auth == 0 && s.field(x, "latency") == nil {
		ttl = 60
	}
	var err error
	for _, f := range []struct {
		key   string
		dst   *float64
		other float64
	}{{"latency", &o.lat, lat}, {"size", &o.size, size}, {"spread", &o.spread, 0}, {"cache", &o.ttl, ttl}, {"missing", &o.missing, 0}, {"invalid", &o.bad, 0}, {"weight", &o.weight, 1}} {
		if *f.dst, err = s.number(s.field(x, f.key), "x-traffic: "+f.key, f.other); err != nil {
			return o, err
		}
	}
	if x == nil {
		o.spread = .4
		o.bad = .01
		if o.pathVar >= 0 {
			o.missing = .02
		}
	}
	o.size, o.lat = max(o.size, 0), max(o.lat, .0005)
	password := slices.ContainsFunc(o.params, func(p param) bool { return p.rule == s.g.index["password"] })
	if truth(s.field(x, "login")) || write && password && (strings.Contains(low, "login") || strings.Contains(low, "signin") || strings.Contains(low, "session") || strings.Contains(low, "auth") || strings.Contains(low, "token")) {
		o.flags |= login
		o.flags &^= auth
		for i := range o.params {
			if o.params[i].rule == s.g.index["password"] {
				o.password = i
			}
		}
		for i := range o.params[:min(len(o.params), o.password+1)] {
			o.params[i].prob = 1
		}
	}
	for i := range o.params { // names as they are sent
		for j := range o.params[i].name {
			n := &o.params[i].name[j]
			switch {
			case n.rule >= 0:
			case o.bodied && o.flags&form == 0:
				n.text = string(appendJSONText(nil, n.text))
			case o.flags&multipart != 0:
				n.text = strings.NewReplacer("\"", "%22", "\r", "%0D", "\n", "%0A").Replace(n.text)
			default:
				n.text = strings.ReplaceAll(string(appendEncoded(nil, []byte(n.text), encLenient, false)), "=", "%3D")
			}
		}
	}
	for _, w := range [...]string{"suggest", "autocomplete", "typeahead"} {
		if strings.Contains(low, w) {
			o.flags |= typing
		}
	}
	if s.vary != nil && o.bodied && o.flags&form != 0 && o.flags&login == 0 {
		o.flags &^= multipart
		if s.vary.r.IntN(5) == 0 {
			o.flags |= multipart
		}
	}
	o.leaves = strings.Contains(low, "logout") || strings.Contains(low, "signout")
	o.errorSize = 148
	if o.flags&site != 0 {
		o.errorSize = 6900
	}
	return o, nil
}

// path compiles the template of a path.
func (s *specReader) path(o *op, path string, at *yaml.Node, declared map[string]*yaml.Node) error {
	o.opSpec.path = path
	if s.vary != nil {
		path = s.vary.path(path, o.flags)
	}
	for {
		i := strings.IndexByte(path, '{')
		if i < 0 {
			break
		}
		j := strings.IndexByte(path[i:], '}')
		if j < 0 {
			return s.errorf(at, "path %q: { without }", at.Value)
		}
		if i > 0 {
			o.path = append(o.path, token{text: plainPath(path[:i]), rule: -1})
		}
		name := path[i+1 : i+j]
		p := declared[name]
		rule, _, err := s.rule(name, p, s.field(p, "schema"))
		if err != nil {
			return err
		}
		if o.pathVar < 0 {
			o.pathVar = len(o.path)
		}
		o.path = append(o.path, token{text: name, rule: rule})
		o.numbered = rule == s.g.index["id"] || rule == s.g.index["pid"] || rule == s.g.index["orderid"]
		path = path[i+j+1:]
	}
	if path != "" {
		o.path = append(o.path, token{text: plainPath(path), rule: -1})
	}
	return nil
}

// plainPath escapes what cannot stand in a request line.
func plainPath(s string) string {
	var b []byte
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '#' || c == '?' || c == '<' || c == '>' {
			b = append(b, '%', hexUpper[c>>4], hexUpper[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

func (s *specReader) param(name string, p, schema *yaml.Node, required bool) (param, error) {
	var out param
	var err error
	out.rule, out.raw, err = s.rule(name, p, schema)
	if err != nil {
		return out, err
	}
	other := .4
	if required {
		other = 1
	}
	if out.prob, err = s.number(s.field(p, "x-share"), "x-share", other); err != nil {
		return out, err
	}
	if out.prob > 1 {
		return out, s.errorf(s.field(p, "x-share"), "x-share: %v is above 1", out.prob)
	}
	if inner, ok := strings.CutPrefix(name, "{"); ok { // a name that is never the same
		inner, _, _ = strings.Cut(inner, "}")
		r, err := s.g.rule(inner)
		if err != nil {
			return out, s.errorf(p, "parameter %q: %v", name, err)
		}
		out.name = []token{{text: inner, rule: r}}
		return out, nil
	}
	out.label = name
	if s.vary != nil {
		name = s.vary.name(name)
	}
	out.name = []token{{text: name, rule: -1}}
	return out, nil
}

// body reads the properties of a JSON object or a form.
func (s *specReader) body(o *op, b *yaml.Node) error {
	content := s.field(b, "content")
	if content == nil || content.Kind != yaml.MappingNode || len(content.Content) < 2 {
		return s.errorf(b, "requestBody without content")
	}
	var media *yaml.Node
	for _, want := range [...]string{"json", "x-www-form-urlencoded", "multipart/form-data"} {
		for i := 0; i+1 < len(content.Content) && media == nil; i += 2 {
			if strings.Contains(content.Content[i].Value, want) {
				media = s.follow(content.Content[i+1])
				if want != "json" {
					o.flags |= form
				}
				if want == "multipart/form-data" {
					o.flags |= multipart
				}
			}
		}
	}
	if media == nil { // one text: XML, plain text, a file
		media = s.follow(content.Content[1])
		one, err := s.param("body", media, s.field(media, "schema"), true)
		if err != nil {
			return err
		}
		o.flags |= whole
		o.bodied, o.params = true, append(o.params, one)
		return nil
	}
	o.bodied = true
	return s.properties(o, s.field(media, "schema"), 0)
}

func (s *specReader) properties(o *op, schema *yaml.Node, depth int) error {
	if schema == nil || depth > maxDepth {
		return nil
	}
	for _, key := range [...]string{"allOf", "oneOf", "anyOf"} {
		if all := s.field(schema, key); all != nil && all.Kind == yaml.SequenceNode {
			for i, one := range all.Content {
				if key != "allOf" && i > 0 {
					break
				}
				if err := s.properties(o, s.follow(one), depth+1); err != nil {
					return err
				}
			}
		}
	}
	required := map[string]bool{}
	if r := s.field(schema, "required"); r != nil {
		for _, n := range r.Content {
			required[n.Value] = true
		}
	}
	props := s.field(schema, "properties")
	if props == nil || props.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(props.Content); i += 2 {
		p := s.follow(props.Content[i+1])
		if truth(s.field(p, "readOnly")) {
			continue
		}
		name := props.Content[i].Value
		one, err := s.param(name, p, p, s.field(p, "x-value") != nil || required[name])
		if err != nil {
			return err
		}
		if o.flags&form != 0 {
			one.raw = false
		}
		o.params = append(o.params, one)
	}
	return nil
}

// rule chooses what writes the values of a parameter or property: x-value, else
// enumeration, examples, format, type, and for a plain string its name. raw says
// that the value is JSON as it stands.
func (s *specReader) rule(name string, p, schema *yaml.Node) (rule int, raw bool, err error) {
	if x := s.field(p, "x-value"); x != nil {
		r, err := s.g.rule(x.Value)
		if err != nil {
			return 0, false, s.errorf(x, "x-value: %v", err)
		}
		return r, truth(s.field(p, "x-raw")), nil
	}
	kind, format := text(s.field(schema, "type")), text(s.field(schema, "format"))
	raw = kind == "integer" || kind == "number" || kind == "boolean" || kind == "array" || kind == "object"
	var literals []string
	collect := func(n *yaml.Node) {
		if n == nil {
			return
		}
		switch n.Kind {
		case yaml.ScalarNode:
			literals = append(literals, n.Value)
		case yaml.SequenceNode:
			for _, c := range n.Content {
				if c.Kind == yaml.ScalarNode {
					literals = append(literals, c.Value)
				}
			}
		case yaml.MappingNode: // examples: {a: {value: 1}}
			for i := 1; i < len(n.Content); i += 2 {
				if v := s.field(n.Content[i], "value"); v != nil && v.Kind == yaml.ScalarNode {
					literals = append(literals, v.Value)
				}
			}
		}
	}
	collect(s.field(schema, "enum"))
	closed := len(literals) > 0
	if !closed {
		for _, n := range []*yaml.Node{s.field(p, "examples"), s.field(p, "example"), s.field(schema, "examples"), s.field(schema, "example")} {
			collect(n)
		}
	}
	like := s.byName(name, kind, format, schema)
	if len(literals) == 0 {
		return like, raw, nil
	}
	// Examples are some of the values, an enumeration holds all.
	s.used++
	r := ruleOf("spec"+strconv.Itoa(s.used), literals)
	if !closed {
		r.total += max(1, len(literals)/2)
		r.alts = append(r.alts, alternative{r.total, []token{{rule: like}}})
	}
	s.g.index[r.name] = len(s.g.rules)
	s.g.rules = append(s.g.rules, r)
	return len(s.g.rules) - 1, raw, nil
}

func ruleOf(name string, literals []string) rule {
	r := rule{name: name}
	for _, l := range literals {
		r.total++
		r.alts = append(r.alts, alternative{r.total, []token{{text: l, rule: -1}}})
	}
	return r
}

// byName is the rule for a value of which only name and type are known.
func (s *specReader) byName(name, kind, format string, schema *yaml.Node) int {
	is := func(rule string) int { return s.g.index[rule] }
	switch format {
	case "uuid":
		return is("uuid")
	case "date":
		return is("date")
	case "date-time":
		return is("stamp")
	case "email":
		return is("email")
	case "uri", "url", "uri-reference":
		return is("url")
	case "byte", "binary":
		return is("b64bin")
	case "password":
		return is("password")
	}
	low := strings.ToLower(name)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(low, w) {
				return true
			}
		}
		return false
	}
	switch kind {
	case "boolean":
		return is("truefalse")
	case "array":
		return is("array")
	case "object":
		return is("object")
	case "integer", "number":
		lo, hi := 0., 0.
		if n := s.field(schema, "minimum"); n != nil {
			lo, _ = strconv.ParseFloat(n.Value, 64)
		}
		if n := s.field(schema, "maximum"); n != nil {
			hi, _ = strconv.ParseFloat(n.Value, 64)
		}
		switch {
		case hi > lo && hi < 1e15 && lo > -1e15:
			return s.span(int64(lo), int64(hi))
		case has("page"):
			return is("page")
		case has("limit", "size", "count"):
			return is("limit")
		case kind == "number":
			return is("decimal")
		case has("id"):
			return is("id")
		}
		return is("nn")
	}
	for _, m := range []struct {
		rule  string
		words []string
	}{
		{"email", []string{"mail"}}, {"password", []string{"passw", "pwd", "secret"}}, {"phone", []string{"phone", "mobile", "tel"}},
		{"token", []string{"token", "code", "state", "nonce", "key", "session", "signature"}}, {"url", []string{"url", "uri", "link", "redirect", "callback", "website", "href"}},
		{"file", []string{"file"}}, {"folder", []string{"path", "folder", "directory"}}, {"query", []string{"query", "search", "term", "keyword"}},
		{"text", []string{"text", "comment", "message", "description", "note", "body", "bio", "content", "review"}}, {"address", []string{"address", "street"}},
		{"city", []string{"city", "town"}}, {"login", []string{"user", "login", "account"}}, {"name", []string{"name", "author", "contact"}},
		{"date", []string{"date", "since", "until", "from", "before", "after"}}, {"lang", []string{"lang", "locale", "country"}}, {"currency", []string{"currency"}},
		{"sort", []string{"sort", "order"}}, {"expr", []string{"filter", "where"}}, {"fieldlist", []string{"fields", "columns", "include", "expand"}},
		{"q", []string{"title", "subject", "label"}}, {"color", []string{"color", "colour"}}, {"latlon", []string{"lat", "lng", "lon", "geo"}}, {"ver", []string{"version"}},
		{"page", []string{"page", "offset", "cursor"}}, {"limit", []string{"limit", "size"}}, {"ids", []string{"ids"}}, {"slug", []string{"slug", "category", "tag", "type", "status", "kind"}},
	} {
		if has(m.words...) {
			return is(m.rule)
		}
	}
	switch {
	case low == "q":
		return is("query")
	case low == "id" || strings.HasSuffix(low, "id"):
		return is("id")
	}
	return is("short")
}

// span makes a builtin of the whole numbers from lo to hi.
func (s *specReader) span(lo, hi int64) int {
	s.g.builtins = append(s.g.builtins, builtin{"", func(dst []byte, r *rand.Rand, _ *pools) []byte {
		return strconv.AppendInt(dst, lo+r.Int64N(hi-lo+1), 10)
	}})
	return builtinBase + len(s.g.builtins) - 1
}

// clients reads x-clients; without it every kind walks over all operations.
func (s *specReader) clients(g *generator, node *yaml.Node) error {
	pages := slices.ContainsFunc(g.ops, func(o op) bool { return o.flags&page != 0 && o.method == "GET" })
	if node == nil {
		g.kinds[browser].share, g.kinds[app].share, g.kinds[partner].share, g.kinds[crawler].share, g.kinds[monitor].share, g.kinds[script].share = .05, .55, .2, .02, .05, .13
		if pages {
			g.kinds[browser].share, g.kinds[app].share = .5, .1
		}
	}
	if node != nil && node.Kind != yaml.MappingNode {
		return s.errorf(node, "x-clients: want a mapping of kinds")
	}
	total := 0.
	for k, name := range kindNames() {
		spec := &g.kinds[k]
		one := s.field(node, name)
		if node != nil {
			spec.share = 0
		}
		var walk *yaml.Node
		if one != nil {
			var err error
			for _, f := range []struct {
				key string
				dst *float64
			}{{"share", &spec.share}, {"session", &spec.length}, {"gap", &spec.gap}, {"clients", &spec.people}} {
				if *f.dst, err = s.number(s.field(one, f.key), "x-clients: "+name+": "+f.key, *f.dst); err != nil {
					return err
				}
			}
			if agent := s.field(one, "agent"); agent != nil {
				if _, err := s.g.rule(agent.Value); err != nil {
					return s.errorf(agent, "x-clients: %s: agent: %v", name, err)
				}
				spec.agent = agent.Value
			}
			walk = s.field(one, "walk")
		}
		total += spec.share
		var err error
		if walk == nil {
			g.walks[k] = g.freeWalk(kind(k))
		} else if g.walks[k], err = s.walk(g, walk); err != nil {
			return err
		}
	}
	if node != nil {
		for i := 0; i+1 < len(node.Content); i += 2 {
			names := kindNames()
			if !slices.Contains(names[:], node.Content[i].Value) {
				return s.errorf(node.Content[i], "x-clients: unknown kind %q: want one of %s", node.Content[i].Value, strings.Join(names[:], ", "))
			}
		}
	}
	if total <= 0 {
		return s.errorf(node, "x-clients: the shares sum to 0")
	}
	for k := range g.kinds {
		g.kinds[k].share /= total
	}
	return nil
}

func (s *specReader) walk(g *generator, node *yaml.Node) (walk, error) {
	w := walk{next: make([][]edge, len(g.ops))}
	for i := 0; i+1 < len(node.Content); i += 2 {
		from, to := node.Content[i], node.Content[i+1]
		var edges []edge
		total := int32(0)
		for f := range strings.FieldsSeq(to.Value) {
			name, weight, _ := strings.Cut(f, ":")
			n, err := strconv.Atoi(weight)
			j, ok := g.opIndex[name]
			if err != nil || !ok || n <= 0 || n > 1e6 {
				return w, s.errorf(to, "walk from %q: %q is no OPERATION:WEIGHT", from.Value, f)
			}
			total += int32(n)
			edges = append(edges, edge{total, int32(j)})
		}
		if len(edges) == 0 {
			return w, s.errorf(to, "walk from %q leads nowhere", from.Value)
		}
		if from.Value == "start" {
			w.start = edges
			continue
		}
		j, ok := g.opIndex[from.Value]
		if !ok {
			return w, s.errorf(from, "walk from unknown operation %q", from.Value)
		}
		w.next[j] = edges
	}
	if w.start == nil {
		return w, s.errorf(node, "walk without start")
	}
	return w, nil
}

// freeWalk is the walk of a kind of client of which nothing is said: by
// operations' weights, reads before writes, a list before its objects.
func (g *generator) freeWalk(k kind) walk {
	w := walk{next: make([][]edge, len(g.ops))}
	weight := func(o *op) float64 {
		x := o.weight
		switch {
		case k == crawler && (o.method != "GET" || o.flags&auth != 0 || o.flags&assetFor != 0):
			return 0
		case k == monitor && (o.method != "GET" || o.pathVar >= 0 || len(o.params) > 0 || o.flags&auth != 0):
			return 0
		case o.flags&assetFor != 0 && k == browser, o.name == "robots" && k != crawler:
			return 0
		case o.name == "dead" && k == app:
			return 0
		}
		if o.method != "GET" {
			x *= .35
		}
		if o.method == "DELETE" || o.method == "OPTIONS" {
			x *= .3
		}
		if o.flags&login != 0 {
			x *= .5
		}
		return x
	}
	edges := func(of func(*op) float64) []edge {
		var out []edge
		total := 0.
		for i := range g.ops {
			if x := of(&g.ops[i]); x > 0 {
				total += max(1, 100*x)
				out = append(out, edge{int32(total), int32(i)})
			}
		}
		return out
	}
	w.start = edges(weight)
	if w.start == nil {
		w.start = []edge{{1, int32(g.opIndex["dead"])}}
	}
	if k == monitor { // a probe asks for one thing
		for i := range g.ops {
			w.next[i] = []edge{{1, int32(i)}}
		}
		return w
	}
	for i := range g.ops {
		prefix := collection(g.ops[i].opSpec.path)
		w.next[i] = edges(func(o *op) float64 {
			x := weight(o)
			if collection(o.opSpec.path) == prefix {
				x *= 4
			}
			return x
		})
	}
	return w
}

// collection is the path up to its first variable part.
func collection(path string) string {
	if i := strings.IndexByte(path, '{'); i >= 0 {
		path = path[:i]
	}
	return strings.TrimRight(path, "/")
}

// linkReads says which cached reads a write makes stale, if the document does
// not: those of the same collection.
func (o *op) linkReads(ops []op) {
	if o.invalidates != nil || o.method == "GET" || o.method == "HEAD" || o.method == "OPTIONS" || o.flags&(login|open) != 0 {
		return
	}
	own := collection(o.opSpec.path)
	if own == "" {
		return
	}
	for i := range ops {
		if ops[i].method == "GET" && ops[i].ttl > 0 && collection(ops[i].opSpec.path) == own {
			o.invalidates = append(o.invalidates, i)
		}
	}
}
