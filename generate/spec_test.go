package generate

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"apiml/traffic"
)

const ownSpec = `openapi: 3.1.0
info: {title: Library, version: "1"}
servers: [{url: "https://books.example.org/v2"}]
security: [{key: []}]
components:
  schemas:
    New:
      type: object
      required: [title, isbn]
      properties:
        title: {type: string, examples: ["Mrs Dalloway", "L'Étranger"]}
        isbn: {type: string, x-value: n6}
        copies: {type: integer, minimum: 3, maximum: 5}
        id: {type: string, readOnly: true}
  parameters:
    Page: {name: page, in: query, schema: {type: integer}}
paths:
  /books:
    get:
      operationId: list
      security: []
      parameters:
        - {$ref: "#/components/parameters/Page"}
        - {name: genre, in: query, required: true, schema: {type: string, enum: [crime, poetry]}}
      responses: {"200": {content: {application/json: {schema: {type: array}}}}}
    post:
      operationId: add
      requestBody: {content: {application/json: {schema: {allOf: [{$ref: "#/components/schemas/New"}]}}}}
      responses: {"201": {description: made}}
  /books/{book}:
    parameters: [{name: book, in: path, required: true, schema: {type: string, format: uuid}}]
    get: {operationId: one, responses: {"200": {description: ok}}}
  /login:
    post:
      security: []
      requestBody: {content: {application/x-www-form-urlencoded: {schema: {properties: {user: {type: string}, password: {type: string}}}}}}
      responses: {"204": {description: ok}}
`

func TestOwnSpec(t *testing.T) {
	rows := collect(t, Config{Seed: 1, Normal: 6000, Attacks: 2200, Spec: []byte(ownSpec), SpecName: "own.yaml"})
	seen := map[string]int{}
	types := map[traffic.Label]bool{}
	for _, r := range rows {
		types[r.Label] = true
		if r.Label != traffic.None || r.campaign != "" {
			continue
		}
		switch path := r.Path(); {
		case path == "/v2/books" && r.Method == "GET":
			seen["list"]++
			if !strings.Contains(r.Target, "genre=crime") && !strings.Contains(r.Target, "genre=poetry") && !strings.Contains(r.Target, "page=") {
				t.Fatalf("a value outside the enumeration: %q", r.Target)
			}
		case path == "/v2/books" && r.Method == "POST":
			seen["add"]++
			if strings.Contains(r.Body, `"id"`) || !strings.Contains(r.Body, `"title":"`) {
				t.Fatalf("body %q", r.Body)
			}
			if i := strings.Index(r.Body, `"copies":`); i >= 0 && !strings.ContainsAny(r.Body[i+9:i+10], "345") {
				t.Fatalf("copies out of range: %q", r.Body)
			}
			if strings.Contains(r.Body, "Mrs Dalloway") {
				seen["example"]++
			}
		case strings.HasPrefix(path, "/v2/books/"):
			seen["one"]++
			if len(path) != len("/v2/books/")+36 {
				t.Fatalf("no UUID: %q", path)
			}
		case path == "/v2/login":
			seen["login"]++
			if !strings.HasPrefix(r.Body, "user=") {
				t.Fatalf("form %q", r.Body)
			}
			if r.Status == 401 {
				seen["refused"]++
			}
		}
		if r.Host != "books.example.org" {
			t.Fatalf("host %q", r.Host)
		}
	}
	for _, want := range []string{"list", "add", "one", "login", "example", "refused"} {
		if seen[want] < 5 {
			t.Errorf("%s: %d requests", want, seen[want])
		}
	}
	for _, l := range Types() {
		if !types[l] {
			t.Errorf("no %v against a service of one's own", l)
		}
	}
	if bytes.Equal(csvOf(t, Config{Seed: 1, Normal: 100}), csvOf(t, Config{Seed: 1, Normal: 100, Spec: []byte(ownSpec)})) {
		t.Error("the document changes nothing")
	}
}

func TestBadSpecs(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"openapi: 3.1.0", "swagger: '2.0'", "own.yaml:1: no OpenAPI 3 document"},
		{"paths:", "routes:", "no paths"},
		{"  /books:", "  books:", `path "books" does not begin with /`},
		{"x-value: n6", "x-value: nosuch", `own.yaml:12: x-value: unknown rule "nosuch"`},
		{"operationId: one", "operationId: list", `operationId "list" occurs twice`},
		{"/books/{book}:", "/books/{book:", "{ without }"},
		{"Page: {name: page, in: query", "Page: {name: page, in: nowhere", "is none of path, query"},
		{"#/components/parameters/Page", "#/components/parameters/Nope", "a reference that leads nowhere"},
		{"    get:\n      operationId: list", "    get:\n      operationId: list\n      x-traffic: {latency: -1}", "x-traffic: latency"},
		{"info:", "info: [", "own.yaml:"},
		{"info:", "x-clients: {robot: {share: 1}}\ninfo:", "unknown kind"},
		{"info:", "x-clients: {app: {share: 1, walk: {start: \"nosuch:1\"}}}\ninfo:", "no OPERATION:WEIGHT"},
		{"info:", "x-clients: {app: {share: 0}}\ninfo:", "sum to 0"},
	} {
		doc := strings.Replace(ownSpec, c.from, c.to, 1)
		err := Run(context.Background(), Config{Normal: 10, Spec: []byte(doc), SpecName: "own.yaml"}, func([]traffic.Request, []string) error { return nil })
		var bad *SpecError
		if !errors.As(err, &bad) || !strings.Contains(bad.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.to, err, c.want)
		}
	}
}

// TestProfiles: every profile makes every attack type, exact counts, and the same
// under other names.
func TestProfiles(t *testing.T) {
	for _, p := range Profiles() {
		for _, vary := range []bool{false, true} {
			for seed := range uint64(4) {
				types := map[traffic.Label]bool{}
				for _, r := range collect(t, Config{Seed: seed, Profile: p, Vary: vary, Normal: 1500, Attacks: 500}) {
					types[r.Label] = true
				}
				if len(types) != len(Types())+1 {
					t.Errorf("%s: types %v", p, types)
				}
			}
		}
	}
	if err := Run(context.Background(), Config{Profile: "nosuch"}, nil); err == nil {
		t.Error("an unknown profile was taken")
	}
}

// TestVaryRenames: no path of a profile is a label.
func TestVaryRenames(t *testing.T) {
	paths := map[string]int{}
	for seed := range uint64(8) {
		mine := map[string]bool{}
		for _, r := range collect(t, Config{Seed: seed, Normal: 3000, Vary: true}) {
			mine[traffic.Template(r.Method, r.Path())] = true
		}
		for p := range mine {
			paths[p]++
		}
	}
	common := 0
	for _, n := range paths {
		if n == 8 {
			common++
		}
	}
	if common > 40 || common*5 > len(paths) {
		t.Errorf("%d of %d templates occur in every one of eight services", common, len(paths))
	}
}

// TestWritesInvalidate: a write makes the cached list stale.
func TestWritesInvalidate(t *testing.T) {
	g, err := newGenerator(context.Background(), &Config{Seed: 1, Duration: 1e12, Start: DefaultStart, Spec: []byte(strings.Replace(ownSpec, "security: [{key: []}]", "security: []", 1))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	list, add := g.opIndex["list"], g.opIndex["add"]
	if !slices.Contains(g.ops[add].invalidates, list) {
		t.Fatalf("add invalidates %v", g.ops[add].invalidates)
	}
	g.now = DefaultStart
	c := client{bandwidth: 1e9}
	ask := func(i int) string {
		for {
			g.build(g.rand, &g.ops[i], encForm, &g.none)
			g.target = append(g.target[:0], "/v2/books?genre=crime"...)
			if a := g.respond(g.rand, &g.ops[i], &c, noStatus, 0); a.status < 300 {
				return a.cache
			}
		}
	}
	got := []string{ask(list), ask(list), ask(add), ask(list), ask(list)}
	if want := []string{"MISS", "HIT", "", "MISS", "HIT"}; !slices.Equal(got, want) {
		t.Errorf("cache says %q, want %q", got, want)
	}
}

func FuzzSpec(f *testing.F) {
	f.Add([]byte(ownSpec))
	f.Add([]byte("openapi: 3.0.0\npaths: {/a: {get: {parameters: [{name: b, in: query, schema: {type: integer, minimum: 9, maximum: 1}}]}}}"))
	f.Add([]byte("openapi: 3.0.0\nx: &a [*a]\npaths: {/a{b}: {$ref: '#/paths/~1a{b}'}}"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		n := 0
		err := Run(context.Background(), Config{Normal: 40, Attacks: 22, Spec: doc}, func(reqs []traffic.Request, _ []string) error {
			n += len(reqs)
			for i := range reqs {
				if !strings.HasPrefix(reqs[i].Target, "/") || strings.ContainsAny(reqs[i].Method, " \n") {
					t.Errorf("request %q %q", reqs[i].Method, reqs[i].Target)
				}
			}
			return nil
		})
		var bad *SpecError
		switch {
		case err == nil && n != 62:
			t.Errorf("%d requests of 62", n)
		case err != nil && !errors.As(err, &bad):
			t.Errorf("%v is no SpecError", err)
		}
	})
}
