package generate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// opSpec is one operation of the service: what is asked, and how it is
// answered. query and body list parameters as "name=rule", "name~30=rule" for
// one that is sent in 30 % of the requests; a rule with "!" is raw JSON.
type opSpec struct {
	name, method, path, query, body string
	flags                           int
	ttl                             float64 // seconds that the cache in front keeps the answer, 0 = not cached
	lat                             float64 // median seconds to answer
	size                            float64 // median bytes of the answer
	spread                          float64 // sigma of its logarithm
	ok                              int32   // status of success
	missing                         float64 // share answered 404
	bad                             float64 // share refused as invalid (400, 422)
}

const (
	site     = 1 << iota // a page on the web host, else an API on the api host
	form                 // body is a form, else JSON
	auth                 // needs a user
	static               // a file: revalidated with 304
	login                // checks a password
	page                 // loads assets after it
	raw                  // the path rule is the whole target, encoded as it stands
	assetFor             // loaded by a page, its referrer is the page
	open                 // answered alike to everyone, costs nothing
)

func serviceSpecs() []opSpec {
	return []opSpec{
		// Pages.
		{"home", "GET", "/", "utm_source~8=slugword utm_campaign~6=slug ref~4=slug", "", site | page, 60, .045, 24000, .05, 200, 0, 0},
		{"category", "GET", "/c/«slugnoun»", "page~35=page sort~15=sort color~6=color size~5=size max~6=price brand~5=company", "", site | page, 120, .08, 38000, .25, 200, .01, .004},
		{"product", "GET", "/p/«slugproduct»-«pid»", "variant~8=color ref~6=slug gclid~5=tok22 fbclid~6=opaque _ga~4=opaque", "", site | page, 300, .07, 31000, .22, 200, .02, 0},
		{"search", "GET", "/search", "q=query page~18=page sort~12=sort cat~12=slug utf8~3=Tag", "", site | page, 30, .16, 29000, .45, 200, 0, .012},
		{"blog", "GET", "/blog/«slugword»-«slugnoun»", "tag~20=short page~10=page q~6=mixed", "", site | page, 600, .06, 21000, .35, 200, .03, 0},
		{"tag", "GET", "/blog", "tag=short author~10=name", "", site | page, 600, .06, 18000, .3, 200, .01, .004},
		{"comment", "POST", "/blog/«slugword»-«slugnoun»/comments", "", "name=name email=email url~12=url comment=text token=hex32", site | form, 0, .07, 1400, .3, 302, .01, .03},
		{"cart", "GET", "/cart", "coupon~6=coupon", "", site | page, 0, .09, 15000, .3, 200, 0, 0},
		{"addcart", "POST", "/cart/items", "", "product_id=pid qty=qty variant~30=color note~8=text", site | form, 0, .06, 420, .2, 302, .01, .012},
		{"loginpage", "GET", "/login", "next~30=url", "", site | page, 0, .03, 9000, .02, 200, 0, 0},
		{"login", "POST", "/login", "", "email=email password=password remember~40=bool next~15=url _csrf=tok22", site | form | login, 0, .19, 9200, .02, 302, 0, 0},
		{"register", "POST", "/register", "", "first_name=first last_name=last email=email password=password phone~30=phone company~10=company newsletter~40=bool", site | form, 0, .24, 300, .2, 302, 0, .1},
		{"forgot", "POST", "/password/forgot", "", "email=email", site | form, 0, .08, 6800, .02, 200, 0, .02},
		{"reset", "GET", "/password/reset", "token=token email~50=email", "", site | page, 0, .04, 7100, .02, 200, 0, .03},
		{"account", "GET", "/account", "", "", site | page | auth, 0, .07, 17000, .15, 200, 0, 0},
		{"orderpages", "GET", "/account/orders", "page~30=page from~12=date to~12=date q~5=mixed", "", site | page | auth, 0, .11, 22000, .4, 200, 0, .005},
		{"profile", "POST", "/account/profile", "", "first_name=first last_name=last phone~60=phone birthday~20=date bio~15=text website~10=url _csrf=tok22", site | form | auth, 0, .08, 380, .2, 302, 0, .03},
		{"addressform", "POST", "/account/addresses", "", "name=name street=address zip=n6 city=city country=lang phone~50=phone note~15=text", site | form | auth, 0, .07, 380, .2, 302, 0, .03},
		{"checkout", "POST", "/checkout", "", "address=id shipping=slugword payment=slugword comment~15=text coupon~12=coupon gift~6=text", site | form | auth, 0, .42, 520, .2, 302, 0, .03},
		{"contact", "POST", "/contact", "", "name=name email=email subject=q message=text order~30=id", site | form, 0, .09, 7600, .03, 200, 0, .03},
		{"newsletter", "POST", "/newsletter", "", "email=email lang~40=lang", site | form, 0, .06, 5100, .02, 200, 0, .03},
		{"redirect", "GET", "/redirect", "url=url ref~30=slug", "", site, 0, .01, 160, .1, 302, 0, .02},
		{"share", "GET", "/share", "url=url title=q text~40=text", "", site | page, 0, .03, 8200, .05, 200, 0, .01},
		{"profileview", "GET", "/profile", "user=login tab~30=slugword", "", site | page, 60, .06, 14000, .3, 200, .03, 0},
		{"intl", "GET", "/c/«id»/«intlslug»", "page~25=page sort~15=sort q~6=query", "", site | page, 300, .07, 27000, .22, 200, .02, 0},
		{"grid", "GET", "/grid/«slugnoun»", "filter=gridfilter columns~60=gridcols max~50=nn offset~30=nn sort~40=slugword", "", site | auth, 0, .09, 6800, .5, 200, .01, .01},
		{"legacy", "GET", "/index.php", "page=slug id~60=id lang~30=lang view~20=slugword", "", site | page, 60, .09, 19000, .3, 200, .04, .01},
		{"pages", "GET", "/page", "name=slug print~10=bool", "", site | page, 600, .05, 12000, .4, 200, .04, 0},
		{"download", "GET", "/download", "file=file v~20=ver", "", site, 0, .05, 240000, .9, 200, .06, .01},
		{"docs", "GET", "/docs/«slugword»", "q~25=mixed version~30=ver lang~10=lang", "", site | page, 600, .04, 26000, .5, 200, .03, 0},
		{"guestbook", "POST", "/forum/«id»/reply", "", "body=text quote~20=text subject~30=q preview~20=bool", site | form, 0, .1, 900, .3, 302, .01, .03},
		{"calc", "GET", "/tools/calc", "expr=math precision~30=n", "", site | page, 0, .02, 6100, .05, 200, 0, .03},
		{"misc", "GET", "/«slugnoun»", "«pname»=mixed «pname»~50=mixed «pname»~25=mixed", "", site | page, 60, .07, 16000, .4, 200, .08, .02},
		{"miscpost", "POST", "/«slugnoun»/«slugverb»", "", "«pname»=mixed «pname»~60=mixed «pname»~40=mixed", site | form, 0, .08, 3000, .5, 200, .04, .03},
		{"logout", "GET", "/logout", "", "", site | auth, 0, .02, 138, 0, 302, 0, 0},
		{"dead", "GET", "«deadpath»", "", "", site | raw, 0, .012, 6900, .02, 404, 0, 0},
		{"robots", "GET", "/robots.txt", "", "", site | static, 3600, .002, 310, 0, 200, 0, 0},
		{"sitemap", "GET", "/sitemap.xml", "", "", site | static, 3600, .004, 48000, 0, 200, 0, 0},
		// Assets.
		{"css", "GET", "/static/css/«assetcss»", "v~40=assetver", "", site | static | assetFor, 86400, .002, 22000, .8, 200, 0, 0},
		{"js", "GET", "/static/js/«assetjs»", "v~40=assetver", "", site | static | assetFor, 86400, .002, 68000, 1, 200, 0, 0},
		{"img", "GET", "/media/«imgkind»/«pid».webp", "w~40=imgw", "", site | static | assetFor, 86400, .003, 28000, .9, 200, .01, 0},
		{"thumb", "GET", "/image", "src=folder w=imgw h~60=imgw q~30=nn", "", site | static | assetFor, 86400, .02, 14000, .8, 200, .02, .01},
		{"font", "GET", "/static/fonts/«assetfont»", "", "", site | static | assetFor, 86400, .002, 31000, .4, 200, 0, 0},
		{"icon", "GET", "/favicon-32x32.png", "", "", site | static | assetFor, 86400, .001, 1150, 0, 200, 0, 0},
		// API.
		{"config", "GET", "/api/config", "v~60=ver platform~50=platform locale~40=lang", "", 0, 300, .012, 2400, .1, 200, 0, 0},
		{"apilogin", "POST", "/api/login", "", "username=email password=password device_id~70=uuid", login, 0, .17, 640, .08, 200, 0, .005},
		{"refresh", "POST", "/api/token/refresh", "", "refresh_token=token grant_type=grant", 0, 0, .03, 720, .08, 200, 0, .03},
		{"me", "GET", "/api/users/me", "fields~15=fieldlist", "", auth, 0, .02, 690, .25, 200, 0, 0},
		{"user", "GET", "/api/users/«id»", "fields~20=fieldlist", "", auth, 0, .022, 560, .3, 200, .03, .01},
		{"users", "GET", "/api/users", "page~70=page limit~60=limit q~35=name role~10=slugword sort~20=sort", "", auth, 0, .06, 9200, .5, 200, 0, .01},
		{"useredit", "PATCH", "/api/users/«id»", "", "name~70=name phone~30=phone bio~30=text website~12=url settings~30=!object", auth, 0, .05, 570, .25, 200, .01, .04},
		{"products", "GET", "/api/products", "page~60=page limit~40=limit category~30=slug q~15=query filter~12=expr sort~25=sort ids~8=ids", "", 0, 60, .055, 12500, .5, 200, 0, .01},
		{"apiproduct", "GET", "/api/products/«pid»", "currency~20=currency fields~12=fieldlist", "", 0, 300, .018, 1900, .35, 200, .02, .003},
		{"reviews", "GET", "/api/products/«pid»/reviews", "page~40=page sort~20=sort lang~10=lang", "", 0, 120, .03, 5200, .7, 200, .01, .003},
		{"review", "POST", "/api/products/«pid»/reviews", "", "rating=!n title~60=q text=text author~40=name", auth, 0, .06, 340, .2, 201, .01, .04},
		{"apisearch", "GET", "/api/search", "q=query limit~50=limit offset~15=nn lang~20=lang filter~12=expr", "", 0, 30, .09, 7800, .7, 200, 0, .012},
		{"suggest", "GET", "/api/suggest", "q=query n~20=n", "", 0, 60, .015, 620, .5, 200, 0, .004},
		{"orders", "GET", "/api/orders", "page~60=page limit~40=limit status~30=slugword since~25=ts q~8=mixed", "", auth, 0, .08, 8300, .6, 200, 0, .01},
		{"order", "GET", "/api/orders/«orderid»", "", "", auth, 0, .03, 1500, .35, 200, .02, .004},
		{"neworder", "POST", "/api/orders", "", "items=!array address=address note~25=text coupon~15=coupon name~50=name", auth, 0, .23, 880, .2, 201, 0, .05},
		{"apicart", "POST", "/api/cart", "", "product_id=!pid qty=!qty note~8=text options~20=!object", 0, 0, .04, 760, .3, 200, .01, .02},
		{"events", "POST", "/api/events", "", "event=event url=url ts=ts props~40=!object error~12=err referrer~30=url", open, 0, .006, 2, 0, 204, 0, .004},
		{"graphql", "POST", "/api/graphql", "", "query=gql variables~60=!object operationName~40=slugnoun", 0, 0, .07, 3600, .8, 200, 0, .02},
		{"messages", "POST", "/api/messages", "", "to=login text=text reply_to~30=uuid", auth, 0, .05, 310, .2, 201, .01, .02},
		{"inbox", "GET", "/api/messages", "since~40=ts q~12=mixed folder~20=slugword", "", auth, 0, .04, 4200, .8, 200, 0, .005},
		{"notify", "GET", "/api/notifications", "since~70=ts", "", auth, 0, .015, 420, .9, 200, 0, 0},
		{"file", "GET", "/api/files/«uuid»", "name~30=file token~20=token", "", auth, 0, .05, 180000, 1.3, 200, .03, .004},
		{"files", "GET", "/api/files", "path=folder recursive~20=bool", "", auth, 0, .06, 3400, .8, 200, .03, .02},
		{"upload", "POST", "/api/files", "", "name=file folder=folder description~40=text content~60=b64bin", auth, 0, .16, 420, .2, 201, 0, .03},
		{"preview", "POST", "/api/preview", "", "format=slugword body=text", auth, 0, .05, 1700, .6, 200, 0, .02},
		{"snippet", "POST", "/api/snippets", "", "title=q language=slugword code=code", auth, 0, .05, 390, .3, 201, 0, .03},
		{"translate", "GET", "/api/translate", "text=text from=lang to=lang", "", 0, 600, .12, 540, .5, 200, 0, .02},
		{"inventory", "GET", "/api/inventory", "sku=ids warehouse~30=slugword", "", 0, 0, .03, 480, .5, 200, .02, .01},
		{"coupon", "POST", "/api/coupons/redeem", "", "code=coupon cart~50=uuid", 0, 0, .04, 210, .2, 200, .12, .05},
		{"export", "GET", "/api/export", "format=slugword from=date to=date tz~40=tz columns~30=fieldlist", "", auth, 0, 1.1, 640000, .9, 200, 0, .02},
		{"hook", "POST", "/api/webhooks", "", "url=url events=!array secret~60=tok22", auth, 0, .05, 360, .2, 201, 0, .03},
		{"callback", "GET", "/oauth/callback", "code=token state=token", "", site, 0, .08, 320, .1, 302, 0, .02},
		{"shops", "GET", "/api/stores", "near=latlon radius~50=nn", "", 0, 300, .03, 3900, .5, 200, 0, .01},
		{"report", "GET", "/admin/reports/«slugword»", "from=date to=date filter~30=expr columns~20=fieldlist", "", auth, 0, .5, 54000, .7, 200, .01, .01},
		{"adminusers", "GET", "/admin/users", "q~60=name page~40=page role~20=slugword", "", auth, 0, .12, 27000, .3, 200, 0, .005},
		{"health", "GET", "/api/health", "", "", open, 0, .002, 84, 0, 200, 0, 0},
		{"options", "OPTIONS", "/api/orders", "", "", open, 0, .001, 0, 0, 204, 0, 0},
	}
}

// pathRules are the rules that only paths use.
func pathRules() source {
	return source{
		{"assetcss", "app.css\nvendor.css\nproduct.css\ntheme-«n».css\napp.«hash».css"},
		{"assetjs", "app.js\nvendor.js\nruntime.js\nchunk-«n».js\napp.«hash».js\nvendor.«hash».js\nanalytics.js"},
		{"hash", "9f31c2d4\n9f31c2d4\n9f31c2d4\n4b7e01aa\nd27a66f0"},
		{"assetver", "8~5.12.0\n3~5.11.2\n1~5.9.0\n1~«ver»"},
		{"imgw", "320\n480\n640\n960\n1280\n«nnn»"},
		{"assetfont", "inter-400.woff2\ninter-700.woff2\nicons.woff2"},
		{"imgkind", "small\nlarge\nthumb\nbanner"},
		{"orderid", "3~«id»\n1~ORD-2026«n4»"},
		{"slugverb", "save\nupdate\nsend\npreview\nfilter"},
		{"platform", "ios\nandroid\nweb"},
	}
}

// walkSpec is one row of a walk: after op, one of the next ones by weight.
type walkSpec struct{ from, next string }

// walks returns the walk of each kind of client. "start" is its first step.
func walks(k kind) []walkSpec {
	switch k {
	case browser:
		return []walkSpec{
			{"start", "home:34 product:24 category:12 intl:5 search:7 blog:8 loginpage:4 legacy:2 pages:2 docs:2 redirect:1 misc:4 tag:1 share:1 reset:1"},
			{"home", "category:26 search:18 suggest:8 product:20 loginpage:9 blog:4 tag:2 dead:2 contact:1 newsletter:1 misc:4 events:4 profileview:1"},
			{"intl", "intl:45 product:25 category:20 home:10"},
			{"grid", "grid:70 adminusers:10 report:10 orderpages:10"},
			{"search", "product:42 search:24 suggest:6 category:8 misc:2 dead:1 events:3"},
			{"suggest", "suggest:50 search:50"},
			{"category", "product:42 category:26 search:9 suggest:4 home:6 events:4 dead:1"},
			{"product", "addcart:12 reviews:10 product:22 category:18 search:12 share:2 thumb:2 events:8 translate:1 dead:2 profileview:2 calc:1 shops:2"},
			{"reviews", "product:60 review:5 addcart:15 reviews:20"},
			{"addcart", "cart:55 product:25 category:10 search:10"},
			{"cart", "loginpage:26 checkout:18 product:20 coupon:6 home:8 addcart:6"},
			{"loginpage", "login:88 register:8 forgot:4"},
			{"login", "account:40 cart:16 home:20 orderpages:14 adminusers:2 report:2 grid:4 docs:2 files:4"},
			{"register", "account:60 home:40"},
			{"forgot", "loginpage:50 reset:50"},
			{"reset", "loginpage:100"},
			{"account", "orderpages:36 profile:9 addressform:8 inbox:6 logout:8 home:20 callback:1 guestbook:4"},
			{"orderpages", "orderpages:30 download:14 account:14 contact:5 product:20 export:1"},
			{"profile", "account:70 home:30"},
			{"addressform", "checkout:50 account:50"},
			{"checkout", "orderpages:50 home:20 account:30"},
			{"blog", "blog:38 comment:9 tag:9 home:10 product:12 guestbook:8 share:3 docs:4 dead:2"},
			{"tag", "blog:70 tag:30"},
			{"comment", "blog:80 home:20"},
			{"guestbook", "blog:30 guestbook:30 misc:20 docs:20"},
			{"docs", "docs:50 misc:12 download:10 miscpost:6 calc:5 snippet:6"},
			{"misc", "misc:36 miscpost:16 legacy:12 pages:10 home:14 docs:8 search:4"},
			{"miscpost", "misc:60 home:20 miscpost:20"},
			{"legacy", "legacy:50 pages:20 home:20 misc:10"},
			{"pages", "pages:30 legacy:20 home:30 misc:20"},
			{"adminusers", "adminusers:30 user:30 report:20 users:20"},
			{"report", "report:50 adminusers:30 export:20"},
			{"files", "files:50 upload:20 file:30"},
			{"share", "product:60 home:40"},
		}
	case app:
		return []walkSpec{
			{"start", "config:60 me:25 refresh:15"},
			{"config", "me:30 products:40 apilogin:14 refresh:16"},
			{"apilogin", "me:60 products:30 notify:10"},
			{"refresh", "me:40 notify:30 products:30"},
			{"me", "products:40 notify:25 orders:15 inbox:8 apisearch:6 useredit:3"},
			{"products", "apiproduct:50 products:20 suggest:8 apisearch:7 events:10 graphql:5"},
			{"suggest", "suggest:52 apisearch:48"},
			{"apisearch", "apiproduct:50 apisearch:18 suggest:10 events:8 products:14"},
			{"apiproduct", "reviews:18 apicart:14 apiproduct:26 products:16 events:16 apisearch:6 inventory:3 shops:1"},
			{"reviews", "apiproduct:50 review:8 apicart:12 reviews:30"},
			{"review", "apiproduct:100"},
			{"apicart", "neworder:22 apiproduct:34 products:26 coupon:8 apilogin:10"},
			{"coupon", "neworder:40 apicart:40 coupon:20"},
			{"neworder", "orders:60 order:40"},
			{"orders", "order:60 orders:15 products:20 messages:5"},
			{"order", "orders:30 products:40 file:10 messages:10 order:10"},
			{"notify", "inbox:22 products:50 order:20 notify:8"},
			{"inbox", "messages:40 products:40 inbox:20"},
			{"messages", "messages:40 inbox:40 products:20"},
			{"events", "apiproduct:40 products:30 events:20 graphql:10"},
			{"graphql", "graphql:40 apiproduct:40 events:20"},
		}
	case partner:
		return []walkSpec{
			{"start", "orders:34 inventory:24 products:20 export:4 graphql:8 users:6 hook:2 upload:2"},
			{"orders", "order:70 orders:30"}, {"order", "order:80 orders:18 messages:2"},
			{"inventory", "inventory:92 apiproduct:8"}, {"products", "apiproduct:20 products:80"},
			{"apiproduct", "apiproduct:70 inventory:30"}, {"graphql", "graphql:100"},
			{"users", "user:60 users:40"}, {"user", "user:80 users:12 useredit:8"},
			{"upload", "upload:70 file:30"},
		}
	case crawler:
		return []walkSpec{
			{"start", "robots:50 sitemap:10 product:26 home:8 dead:6"},
			{"robots", "sitemap:20 product:50 category:30"},
			{"product", "product:48 intl:8 category:20 blog:10 img:6 dead:4 legacy:2 pages:2"},
			{"category", "product:60 category:34 tag:6"},
			{"blog", "blog:50 product:38 tag:8 docs:4"},
			// An old site map or a broken relative link: one missing page after another.
			{"dead", "dead:80 legacy:6 product:14"}, {"legacy", "legacy:40 dead:30 product:30"},
		}
	case monitor:
		return []walkSpec{{"start", "health:80 home:14 loginpage:6"}, {"health", "health:100"}, {"home", "home:100"}, {"loginpage", "loginpage:100"}}
	}
	return []walkSpec{ // script
		{"start", "apisearch:16 products:16 graphql:14 files:8 snippet:8 preview:6 translate:6 misc:8 user:5 shops:5 inventory:5 health:4 export:2 hook:3 docs:4 apilogin:3 dead:4"},
		{"dead", "dead:90 products:10"}, // a job that nobody repaired
		{"apisearch", "apisearch:70 apiproduct:20 suggest:10"}, {"products", "products:50 apiproduct:50"},
		{"graphql", "graphql:90 options:10"}, {"files", "file:50 files:30 upload:20"},
		{"snippet", "snippet:60 preview:40"}, {"translate", "translate:100"},
		{"misc", "misc:60 miscpost:40"}, {"user", "user:70 useredit:30"}, {"health", "health:50 products:50"},
	}
}

// op is a compiled opSpec.
type op struct {
	opSpec
	index     int
	path      []token
	pathVar   int // index of the first variable token of path, -1 if there is none
	params    []param
	errorSize float64 // bytes of its error pages
}

type param struct {
	name []token
	rule int
	prob float64
	raw  bool
}

// hasBody reports whether the parameters travel in the body.
func (o *op) hasBody() bool { return o.body != "" }

func compileService(g *grammar) ([]op, map[string]int, error) {
	specs := serviceSpecs()
	ops := make([]op, len(specs))
	index := map[string]int{}
	for i, s := range specs {
		path, err := g.compile(s.path)
		if err != nil {
			return nil, nil, fmt.Errorf("operation %q: %w", s.name, err)
		}
		o := op{opSpec: s, index: i, path: path, pathVar: -1, errorSize: 148}
		if s.flags&site != 0 {
			o.errorSize = 6900
		}
		for j, t := range path {
			if t.rule >= 0 {
				o.pathVar = j
				break
			}
		}
		for f := range strings.FieldsSeq(s.query + " " + s.body) {
			name, ruleName, _ := strings.Cut(f, "=")
			p := param{prob: 1}
			if n, share, ok := strings.Cut(name, "~"); ok {
				pct, err := strconv.Atoi(share)
				if err != nil {
					return nil, nil, fmt.Errorf("operation %q: parameter %q: %w", s.name, f, err)
				}
				name, p.prob = n, float64(pct)/100
			}
			if p.name, err = g.compile(name); err != nil {
				return nil, nil, fmt.Errorf("operation %q: %w", s.name, err)
			}
			ruleName, p.raw = strings.CutPrefix(ruleName, "!")
			if p.rule, err = g.rule(ruleName); err != nil {
				return nil, nil, fmt.Errorf("operation %q: %w", s.name, err)
			}
			o.params = append(o.params, p)
		}
		ops[i], index[s.name] = o, i
	}
	return ops, index, nil
}

// walk is a compiled walk: next[op] are the possible next operations.
type walk struct {
	start []edge
	next  [][]edge
}

type edge struct {
	upTo int32
	op   int32
}

func compileWalk(specs []walkSpec, index map[string]int) (walk, error) {
	w := walk{next: make([][]edge, len(index))}
	for _, s := range specs {
		var edges []edge
		total := int32(0)
		for f := range strings.FieldsSeq(s.next) {
			name, weight, _ := strings.Cut(f, ":")
			n, err := strconv.Atoi(weight)
			i, ok := index[name]
			if err != nil || !ok {
				return w, fmt.Errorf("walk from %q: bad step %q", s.from, f)
			}
			total += int32(n)
			edges = append(edges, edge{total, int32(i)})
		}
		if s.from == "start" {
			w.start = edges
			continue
		}
		i, ok := index[s.from]
		if !ok {
			return w, fmt.Errorf("walk from unknown operation %q", s.from)
		}
		w.next[i] = edges
	}
	return w, nil
}

// step draws the operation after cur; cur < 0 or a dead end starts over.
func (w *walk) step(r *rand.Rand, cur int) int {
	edges := w.start
	if cur >= 0 && len(w.next[cur]) > 0 {
		edges = w.next[cur]
	}
	n := int32(r.Uint32N(uint32(edges[len(edges)-1].upTo)))
	for _, e := range edges {
		if n < e.upTo {
			return int(e.op)
		}
	}
	return int(edges[0].op)
}

// How a client writes characters into a URL or a form.
const (
	encForm    = iota // HTML form: blank is +, all else escaped
	encURI            // encodeURIComponent: blank is %20, !'()* stay
	encLenient        // an address bar or a careless script: only what breaks a URL
	encLower          // like encForm with %20 and lower-case digits
	encBare           // by hand: even < > " stay
	encFull           // every byte escaped
	encDouble         // escaped twice
	numEnc
)

// appendEncoded appends s in the given encoding. In a path '/' stays.
func appendEncoded(dst []byte, s []byte, enc uint8, inPath bool) []byte {
	digits := hexUpper
	if enc == encLower {
		digits = hexLow
	}
	for _, c := range s {
		keep := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~'
		switch enc {
		case encForm, encLower, encDouble:
			if c == ' ' && enc == encForm && !inPath {
				dst = append(dst, '+')
				continue
			}
			keep = keep || inPath && (c == '/' || c == ':' || c == ',')
		case encURI:
			keep = keep || strings.IndexByte("!'()*", c) >= 0 || inPath && (c == '/' || c == ':' || c == ',')
		case encLenient:
			keep = keep || strings.IndexByte("!'()*/:;,@=$[]|{}\\^`?", c) >= 0
			if inPath && c == '?' {
				keep = false
			}
		case encBare:
			keep = c > ' ' && c < 0x7f && c != '&' && c != '#' && c != '+' && c != '%' && !(inPath && c == '?')
		case encFull:
			keep = inPath && c == '/'
		}
		switch {
		case keep:
			dst = append(dst, c)
		case enc == encDouble:
			dst = append(dst, '%', '2', '5', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// injection replaces one value of a request.
type injection struct {
	place int    // one of the constants below
	param int    // index into op.params if place is inParam
	text  []byte // the value
	enc   uint8  // how it is written into a URL or form
	keep  bool   // the honest value stays in front of it
	rawly bool   // text is encoded already
}

const (
	inNothing = iota
	inParam   // a parameter's value
	inExtra   // a parameter that the operation does not know
	inPath    // the variable part of the path, or behind the path
	inTarget  // the whole target
	inBody    // the whole body
)

// build writes target and body of one request of o into the scratch buffers.
func (g *generator) build(r *rand.Rand, o *op, enc uint8, inj *injection) {
	g.target, g.bodyText = g.target[:0], g.bodyText[:0]
	gr := g.grammar
	if inj.place == inTarget {
		g.target = append(g.target, inj.text...)
	} else {
		for i, t := range o.path {
			switch {
			case t.rule < 0:
				g.target = append(g.target, t.text...)
			case o.flags&raw != 0:
				g.target = gr.expand(g.target, r, t.rule)
			default:
				g.value = gr.expand(g.value[:0], r, t.rule)
				if inj.place == inPath && i == o.pathVar {
					g.inject(inj)
					g.target = appendInjected(g.target, g.value, inj, true)
					continue
				}
				g.target = appendEncoded(g.target, g.value, enc, true)
			}
		}
		if inj.place == inPath && o.pathVar < 0 {
			if n := len(g.target); n == 0 || g.target[n-1] != '/' {
				g.target = append(g.target, '/')
			}
			g.value = g.value[:0]
			g.inject(inj)
			g.target = appendInjected(g.target, g.value, inj, true)
		}
	}
	if inj.place == inBody {
		g.bodyText = append(g.bodyText, inj.text...)
		return
	}
	body, json := o.hasBody(), o.flags&form == 0
	dst, sep := g.target, byte('?')
	if inj.place == inTarget {
		if body {
			dst = dst[:0]
		} else {
			return
		}
	}
	if body {
		dst, sep = g.bodyText, 0
		if json {
			sep = '{'
		}
	}
	names := 0
	for i := range o.params {
		p := &o.params[i]
		hitHere := inj.place == inParam && inj.param == i
		if !hitHere && p.prob < 1 && r.Float64() >= p.prob {
			continue
		}
		g.value = gr.expand(g.value[:0], r, p.rule)
		if hitHere {
			g.inject(inj)
		}
		if sep != 0 {
			dst = append(dst, sep)
		}
		names++
		if body && json {
			dst = gr.write(append(dst, '"'), r, p.name)
			dst = append(dst, '"', ':')
			if p.raw && !hitHere {
				dst = append(dst, g.value...)
			} else {
				dst = append(dst, '"')
				dst = appendJSONValue(dst, g.value, enc)
				dst = append(dst, '"')
			}
			sep = ','
			continue
		}
		dst = append(gr.write(dst, r, p.name), '=')
		if hitHere {
			dst = appendInjected(dst, g.value, inj, false)
		} else {
			dst = appendEncoded(dst, g.value, enc, false)
		}
		sep = '&'
	}
	if inj.place == inExtra {
		g.value = g.value[:0]
		g.inject(inj)
		if sep != 0 {
			dst = append(dst, sep)
		}
		names++
		if body && json {
			dst = append(gr.expand(append(dst, '"'), r, g.rulePname), `":"`...)
			dst = append(appendJSONValue(dst, g.value, enc), '"')
		} else {
			dst = append(gr.expand(dst, r, g.rulePname), '=')
			dst = appendInjected(dst, g.value, inj, false)
		}
	}
	if body {
		if json {
			if names == 0 {
				dst = append(dst, '{')
			}
			dst = append(dst, '}')
		}
		g.bodyText = dst
		return
	}
	g.target = dst
}

// inject puts the injected text into the value at hand.
func (g *generator) inject(inj *injection) {
	if !inj.keep {
		g.value = g.value[:0]
	}
	g.value = append(g.value, inj.text...)
}

func appendInjected(dst, value []byte, inj *injection, path bool) []byte {
	if inj.rawly {
		return append(dst, value...)
	}
	return appendEncoded(dst, value, inj.enc, path)
}

// appendJSONValue escapes a JSON string as the client's library does: some
// write everything outside ASCII as \u.
func appendJSONValue(dst, s []byte, enc uint8) []byte {
	if enc != encLower {
		return appendJSONText(dst, string(s))
	}
	for _, c := range string(s) {
		switch {
		case c < 0x80:
			dst = appendJSONText(dst, string(c))
		case c < 0x10000:
			dst = append(dst, '\\', 'u', hexLow[c>>12], hexLow[c>>8&15], hexLow[c>>4&15], hexLow[c&15])
		default:
			c -= 0x10000
			for _, u := range [2]rune{0xd800 + c>>10, 0xdc00 + c&0x3ff} {
				dst = append(dst, '\\', 'u', hexLow[u>>12], hexLow[u>>8&15], hexLow[u>>4&15], hexLow[u&15])
			}
		}
	}
	return dst
}

// hash64 is FNV-1a with a finalizer.
func hash64(s []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range s {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

// steadyNormal is a draw from about the standard normal distribution that
// depends on h alone: the same object has the same size each time.
func steadyNormal(h uint64) float64 {
	s := 0.0
	for range 4 {
		s += float64(h&0xffff) / 65536
		h >>= 16
	}
	return (s - 2) * math.Sqrt(3)
}
