package generate

import (
	"math/rand/v2"
	"strings"
)

// variation renames a service: another prefix, suffix and language of the
// pages, other words in paths, another style of parameter names. The models
// that are built into the program are fitted on many services, so that no path
// and no parameter becomes a label.
type variation struct {
	r             *rand.Rand
	p             *pools
	api, dir, ext string
	style         int
	words         map[string]string // renamed words
	share         float64           // of the words that are
	assets        float64           // mean number of files that a page loads
}

func newVariation(seed uint64, p *pools) *variation {
	r := rand.New(rand.NewPCG(seed, streamVary))
	v := &variation{r: r, p: p, words: map[string]string{}, share: r.Float64() * .8}
	v.api = pick(r, []string{"/api/", "/api/v1/", "/api/v2/", "/v1/", "/rest/", "/services/", "/json/", "/ws/", "/app/api/", "/", "/gateway/", "/public/v3/",
		"/index.php/api/", "/wp-json/shop/v1/", "/rest/V1/", "/jsonapi/", "/api.php/", "/mobile/", "/backend/", "/_api/"})
	v.dir = pick(r, []string{"", "", "", "", "/shop", "/en", "/portal", "/site", "/cgi-bin", "/web", "/store", "/index.php", "/admin", "/cms", "/tienda", "/app", "/~shop", "/jsp", "/servlet", "/bbs", "/phpshop"})
	v.ext = pick(r, []string{"", "", "", "", ".php", ".php", ".php", ".asp", ".aspx", ".jsp", ".do", ".html", ".action", ".cgi", ".pl", ".cfm", ".htm", ".jsf", "/", "/index.php"})
	v.style = r.IntN(9)
	means := []float64{1, 3.5, 3.5, 8, 20, 45}
	v.assets = means[r.IntN(len(means))]
	return v
}

// path renames the template of a path. What stands in braces stays.
func (v *variation) path(path string, flags int) string {
	if flags&(static|raw) != 0 {
		return path
	}
	var b strings.Builder
	rest := path
	if flags&site == 0 {
		if tail, ok := strings.CutPrefix(path, "/api/"); ok {
			b.WriteString(v.api)
			rest = tail
		}
	} else {
		b.WriteString(v.dir)
	}
	for i, seg := range strings.Split(rest, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		if strings.ContainsAny(seg, "{.-") || seg == "" || len(seg) < 2 {
			b.WriteString(seg)
			continue
		}
		b.WriteString(v.word(seg))
	}
	out := b.String()
	if last := out[strings.LastIndexByte(out, '/')+1:]; flags&site != 0 && !strings.Contains(last, ".") && last != "" {
		out += v.ext
	}
	return out
}

// word renames a word the same way each time. Words by which a login is known
// stay.
func (v *variation) word(w string) string {
	if v.words[w] == "" {
		v.words[w] = w
		switch w {
		case "login", "password", "token", "oauth", "auth", "session", "signin":
		default:
			if v.r.Float64() < v.share {
				v.words[w] = string(appendSlug(nil, pick(v.r, v.p.noun)))
			}
		}
	}
	return v.words[w]
}

// name renames a parameter.
func (v *variation) name(n string) string {
	common := map[string][]string{
		"q": {"q", "query", "s", "search", "term", "keyword", "k", "kw", "searchTerm", "wd", "text", "find"}, "page": {"page", "p", "pg", "pageNo", "page_num", "start", "pageIndex"},
		"limit": {"limit", "per_page", "size", "count", "max", "pageSize", "rows", "n"}, "id": {"id", "ID", "item_id", "pid", "cat", "nid", "itemid", "uid"}, "sort": {"sort", "order", "orderby", "sort_by", "sortField"},
		"email": {"email", "mail", "user_email", "log", "username", "e-mail", "Email"}, "password": {"password", "pass", "pwd", "passwd", "Password", "user_pass"},
		"url": {"url", "link", "u", "target", "goto", "href", "dest", "continue", "return_to", "r"}, "text": {"text", "comment", "message", "body", "content", "msg", "description"},
		"name": {"name", "author", "fullname", "title", "nombre", "Name"}, "file": {"file", "filename", "doc", "f", "document", "attachment", "path"}, "lang": {"lang", "locale", "language", "hl", "l"},
	}
	if alts := common[n]; alts != nil {
		n = pick(v.r, alts)
	} else if v.r.Float64() < v.share*.6 {
		n = string(appendSlug(nil, pick(v.r, v.p.noun)))
	}
	switch v.style {
	case 1:
		return camel(n)
	case 2:
		return strings.ReplaceAll(n, "_", "-")
	case 3:
		if v.r.IntN(2) == 0 {
			return pick(v.r, []string{"data", "form", "filter", "user", "item", "params", "f"}) + "[" + n + "]"
		}
	case 4:
		if v.r.IntN(3) == 0 {
			return "ctl00$Main$txt" + strings.ToUpper(n[:1]) + n[1:]
		}
	case 5:
		if v.r.IntN(2) == 0 {
			return pick(v.r, []string{"user.", "filter.", "form:", "q.", "item."}) + n
		}
	case 6:
		return strings.ToUpper(n[:1]) + n[1:]
	case 7:
		if v.r.IntN(3) == 0 {
			return "_" + n
		}
	}
	return n
}

func camel(s string) string {
	var b strings.Builder
	up := false
	for _, c := range s {
		if c == '_' {
			up = true
			continue
		}
		if up {
			b.WriteString(strings.ToUpper(string(c)))
			up = false
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}
