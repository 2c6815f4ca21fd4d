package ingest

import (
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"apiml/traffic"
)

func token(header, payload, sig string) string {
	e := base64.RawURLEncoding
	return e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(payload)) + "." + sig
}

func TestRedact(t *testing.T) {
	none := token(`{"alg":"none","typ":"JWT"}`, `{"sub":"admin"}`, "")
	hs := token(`{"typ":"JWT", "alg" : "HS256"}`, `{"sub":"1"}`, "c2lnbmF0dXJl")
	for _, c := range []struct{ in, want string }{
		// Nothing to do.
		{"GET /api/users?page=2&sort=name HTTP/1.1", ""},
		{"/pinterest?discard=1&authors=x&passage=y&compass=n", ""},
		{"http://h:8080/a?b=c;d=e", ""},
		{`{"user":"ann","n":12}`, ""},
		{"/?password=", ""},
		// Query and form.
		{"/login?user=ann&password=hunter2&x=1", "/login?user=ann&password=xxxxxx0&x=1"},
		{"pwd=' OR '1'='1", "pwd=' OR '0'='0"},
		{"pwd=%27+OR+%271%27%3D%271&next=/a1", "pwd=%27+OR+%270%27%3D%270&next=/a1"},
		{"_session[path]=http://a.example/b&_session[token]=abcd", "_session[path]=http://a.example/b&_session[token]=xxxx"},
		{"pin=1%20UNION%20SELECT%20name,pw%20FROM%20users--", "pin=0%20UNION%20SELECT%20xxxx,xx%20FROM%20users--"},
		{"token=<script>alert(1)</script>", "token=<script>alert(0)</script>"},
		{"secret=;cat /etc/passwd;id hunter", "secret=;cat /etc/passwd;id xxxxxx"},
		{"pwd=%253C%2573%2563%2572%2569%2570%2574%253E%2561%2562&pin=0x3c62|0x3cz", "pwd=%253C%2573%2563%2572%2569%2570%2574%253E%2578%2578&pin=0x0000|0x0xx"},
		{"user[newPassword]=abc&user%5Bpassword%5D=abc", "user[newPassword]=xxx&user%5Bpassword%5D=xxx"},
		{"X-Api-Key=abc&apiKey=abc&client_secret=abc&access_token=abc&JSESSIONID=A1", "X-Api-Key=xxx&apiKey=xxx&client_secret=xxx&access_token=xxx&JSESSIONID=x0"},
		{"/?next=%2Flogin%3Fuser%3Dann%26password%3Dhunter2%26x%3D1", "/?next=%2Flogin%3Fuser%3Dann%26password%3Dxxxxxx0%26x%3D1"},
		{"Cookie: sid=a1b2; theme=dark", "Cookie: sid=x0x0; theme=dark"},
		{"auth=Basic%20QWxhZGRpbjpvcGVu", "auth=Basic%20QWxhZGRpbjpvcGVu"[:5] + "xxxxx%20xxxxxxxxxxxxxxxx"},
		// Escapes stay escapes.
		{"pwd=%41%31%27%2541%252527%F1%C0%AF%u0041%u0027%zz", "pwd=%78%30%27%2578%252527%F1%C0%A9%u0078%u0027%xx"},
		{`pwd=\x41\x22\u0041\n&#65;&#x27;&#39;&lt;`, `pwd=\x78\x22\u0078\n` + "&#65;&#x27;&#39;&lt;"}, // & ends a form value
		{`{"password":"&#65;&#x27;&#39;é"}`, `{"password":"&#120;&#x27;&#39;xx"}`},
		// JSON, in the ways in which logs write it.
		{`{"user":"ann","password":"hun\"ter2","n":1}`, `{"user":"ann","password":"xxx\"xxx0","n":1}`},
		{`{"pin": 1234, "a": 5}`, `{"pin": 0000, "a": 5}`},
		{`{"auth":{"user":"ann","secret":"s3"}}`, `{"auth":{"user":"ann","secret":"x0"}}`},
		{`{"tokens":["ab","cd1"],"a":"b"}`, `{"tokens":["xx","xx0"],"a":"b"}`},
		{`"POST /a" "{\"password\":\"hun\\\"ter2\",\"a\":\"b\"}"`, `"POST /a" "{\"password\":\"xxx\\\"xxx0\",\"a\":\"b\"}"`},
		{`{\x22password\x22:\x22hunter2\x22,\x22a\x22:1}`, `{\x22password\x22:\x22xxxxxx0\x22,\x22a\x22:1}`},
		{`/?q=%7B%22password%22%3A%22hunter2%22%2C%22a%22%3A1%7D`, `/?q=%7B%22password%22%3A%22xxxxxx0%22%2C%22a%22%3A1%7D`},
		{`1,"{""password"":""hunter2"",""a"":1}",2`, `1,"{""password"":""xxxxxx0"",""a"":1}",2`},
		{"Authorization: Bearer abc123\r\nHost: h", "Authorization: xxxxxx xxx000\r\nHost: h"},
		// A log line.
		{`1.2.3.4 - - [x] "GET /?password=abc HTTP/1.1" 200 5 "http://h/?token=a1" "curl/8"`, `1.2.3.4 - - [x] "GET /?password=xxx HTTP/1.1" 200 5 "http://h/?token=x0" "curl/8"`},
		{`{"request_uri":"/?password=abc","status":200}`, `{"request_uri":"/?password=xxx","status":200}`},
		// Tokens.
		{"/?t=" + none + "&a=1", "/?t=[jwt alg=none len=57]&a=1"},
		{"token=" + hs + "&a=1", "token=[jwt alg=HS256 len=69]&a=1"},
		{"Bearer " + hs, "Bearer [jwt alg=HS256 len=69]"},
		{"eyJhbGciOiJIUzI1NiJ9.x", ""},
		{"eyJnotjson_at_all.eyJub3Q.sig", "[jwt alg=? len=29]"},
		// Names that hide behind escapes.
		{`/?p%61ssword=ab1&%70wd=c&x%5Bto%6ben%5D=a`, `/?p%61ssword=xx0&%70wd=x&x%5Bto%6ben%5D=x`},
		{`{"\u0070ass\u0077ord":"ab1","\u0061":"ab1"}`, `{"\u0070ass\u0077ord":"xx0","\u0061":"ab1"}`},
		// Known by their form.
		{"/?k=AKIAIOSFODNN7EXAMPLE&x=1 XAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLE9", "/?k=AKIAxxxxxxxx0xxxxxxx&x=1 XAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLE9"},
		{"a ghp_16C7e42F292c6912E7710c838347Ae178B4a b", "a ghp_00x0x00x000x0000x0000x000000xx000x0x b"},
		{"/x%20sk_live_4eC39HqLyjWDarjtT1zdp7dc?sk_live=1", "/x%20sk_live_0xx00xxxxxxxxxxxx0xxx0xx?sk_live=1"},
		{"xoxb-123456789012-abcdef npm_config_loglevel sk-learn", "xoxb-000000000000-xxxxxx npm_config_loglevel sk-learn"},
		{`"Bearer abc.DEF-123" "bearer of news" "Basic%20YWxhZGRpbjpvcGVuc2VzYW1l"`, `"Bearer xxx.xxx-000" "bearer of news" "Basic%20xxxxxxxxxxxxxxxxx0xxxx0x"`},
		{`"https://ann:hunter2@example.org/a" "http://h:8080/@x" "https://t.me/@a:b"`, `"https://ann:xxxxxx0@example.org/a" "http://h:8080/@x" "https://t.me/@a:b"`},
		{`-----BEGIN RSA PRIVATE KEY-----\nMIIab9+/\n-----END RSA PRIVATE KEY-----`, `-----BEGIN RSA PRIVATE KEY-----\nxxxxx0+/\n-----END RSA PRIVATE KEY-----`},
		// Cards: test numbers of the issuers.
		{"/?n=4111111111111111&x=1", "/?n=[pan]&x=1"},
		{"pay 4111 1111 1111 1111 now", "pay [pan] now"},
		{"n=5500-0000-0000-0004", "n=[pan]"},
		{"card=378282246310005;6011000990139424", "card=[pan];[pan]"},
		{"a=4111111111111112&b=4111111111111111%20&c=%204111111111111111", "a=4111111111111112&b=[pan]%20&c=%20[pan]"},
		{"id=1700000000000000 x=a4111111111111111 y=0.4111111111111111 z=41111111111111110000000000", ""},
	} {
		if c.want == "" {
			c.want = c.in
		}
		got, kinds := Redact(c.in)
		if got != c.want || (got != c.in) != (len(kinds) > 0) {
			t.Errorf("Redact(%q)\n got %q %v\nwant %q", c.in, got, kinds, c.want)
		}
		if again, kinds := Redact(got); again != got || kinds != nil {
			t.Errorf("not idempotent: %q → %q %v", got, again, kinds)
		}
	}
	if _, kinds := Redact("password=a1&t=" + none + "&n=4111111111111111"); !slices.Equal(kinds, []string{KindSecret, KindJWT, KindPAN}) {
		t.Errorf("kinds %v", kinds)
	}
}

// TestRedactFields: a quote inside a decoded target is part of the value; the
// raw line shows the same secrets as the fields, and they count once.
func TestRedactFields(t *testing.T) {
	res := readString(t, `10.0.0.1 - - [15/Jan/2024:10:30:45 +0000] "POST /l?password=\x22 or \x221\x22=\x221 HTTP/1.1" 200 5 "http://h/?sid=q7" "a=4111111111111111"`+"\n"+
		"junk password=hunter2\n"+line1, Options{})
	q := res.requests[0]
	if q.Target != `/l?password=" or "0"="0` || q.Referrer != "http://h/?sid=x0" || q.Agent != "a=[pan]" {
		t.Errorf("%+v", q)
	}
	if q.Raw != `10.0.0.1 - - [15/Jan/2024:10:30:45 +0000] "POST /l?password=\x22 or \x220\x22=\x220 HTTP/1.1" 200 5 "http://h/?sid=x0" "a=[pan]"` {
		t.Errorf("raw %s", q.Raw)
	}
	if res.rejects[0].Raw != "junk password=xxxxxx0" {
		t.Errorf("reject %s", res.rejects[0].Raw)
	}
	if n := res.cov.Redacted; n[KindSecret] != 3 || n[KindPAN] != 1 {
		t.Errorf("%v", n)
	}
	// A secret under a JSON key that apiml does not read is in the raw line only.
	res = readString(t, `{"request_uri":"/a","status":200,"authorization":"Bearer abc1"}`+"\n", Options{})
	if q := res.requests[0]; strings.Contains(q.Raw, "abc1") || res.cov.Redacted[KindSecret] != 1 {
		t.Errorf("%s %v", q.Raw, res.cov.Redacted)
	}
}

// A field that begins like a header holds a secret behind the colon.
func TestRedactHeaderLike(t *testing.T) {
	for _, agent := range []string{"token: hunter2", "X-Api-Key: hunter2"} {
		res := readString(t, `192.0.2.1 - - [15/Jan/2024:10:30:45 +0000] "`+agent+`" 400 5 "`+agent+`" "`+agent+`"`+"\n", Options{NoRaw: true})
		if q := res.requests[0]; strings.Contains(q.Target+q.Referrer+q.Agent, "hunter") {
			t.Errorf("%+v", q)
		}
	}
}

func TestPersonal(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"/reset?mail=ann.lee%2Bx%40example.org&x=1", "/reset?mail=xxx.xxx%2Bx%40xxxxxxx.xxx&x=1"},
		{"/u/bob_7@mail.example.co.uk/edit", "/u/xxx_0@xxxx.xxxxxxx.xx.xx/edit"},
		{"/?phone=0170-1234567&to=%2B4917012345678&q=+491701234567", "/?phone=0000-0000000&to=%2B0000000000000&q=+000000000000"},
		{"/?q=1+2345678&id=12345678&version=1.2.3.4567&n=+12&@handle&a=b@c&x=@media.print", ""},
		{"https://ann:s3cret@example.org/", ""}, // a secret: Redact's
		{"/?microphone=12345678901234567890&tel=12345", ""},
		{"/@?mail=a%40b&b=%40x.de", ""},
	} {
		want := c.want
		if want == "" {
			want = c.in
		}
		q := traffic.Request{Target: c.in, Raw: "GET " + c.in}
		r := redactor{mask: true}
		r.personal(&q)
		n := r.pii.emails + r.pii.phones
		if q.Target != want || (n > 0) != (c.want != "") || n > 0 && q.Raw != "GET "+want {
			t.Errorf("%q\n got %q %v %q\nwant %q", c.in, q.Target, r.pii, q.Raw, want)
		}
		again := q
		if r.personal(&again); again.Target != q.Target {
			t.Errorf("not idempotent: %q → %q", q.Target, again.Target)
		}
		var counts redactor
		if q = (traffic.Request{Target: c.in}); n > 0 {
			if counts.personal(&q); q.Target != c.in || counts.pii.emails+counts.pii.phones != n {
				t.Errorf("%q: without the option it is counted and left alone: %q %v", c.in, q.Target, counts.pii)
			}
		}
	}
	res := readString(t, strings.Replace(line1, "page=2", "mail=ann@example.org", 1)+"junk ann@example.org\n"+line1, Options{RedactPII: true})
	if q := res.requests[0]; strings.Contains(q.Target+q.Raw+res.rejects[0].Raw, "ann@") || res.cov.PII[PIIEmail] != 1 {
		t.Errorf("%+v %+v %v", q, res.rejects, res.cov.PII)
	}
}

// TestFindPAN compares the skipping search with one that looks everywhere.
func TestFindPAN(t *testing.T) {
	slow := func(s string) (int, int, bool) {
		for a := range s {
			if groupedPAN(s, a) {
				return a, a + 19, true
			}
			if a > 0 && isDigit(s[a-1]) && !(a > 2 && s[a-3] == '%' && isHex(s[a-2:], 2)) {
				continue
			}
			z := a
			for z < len(s) && isDigit(s[z]) {
				z++
			}
			if n := z - a; n >= 13 && n <= 19 && alone(s, a, z) && isPAN(s[a:z]) {
				return a, z, true
			}
		}
		return 0, 0, false
	}
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{"4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005", "a", "1", " ", "-", ".", "%20", "123456", "0000", "/", "4222222222222"}
	hits := 0
	for range 100_000 {
		var b strings.Builder
		for range 1 + rng.IntN(9) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		s := b.String()
		_, _, want := slow(s)
		a, z, got := findPAN(s, 0)
		if got != want {
			t.Fatalf("%q: found %v (%d:%d), want %v", s, got, a, z, want)
		}
		if got {
			hits++
		}
	}
	if hits < 10_000 {
		t.Errorf("only %d hits", hits)
	}
}

func TestRedactNoAllocation(t *testing.T) {
	q := traffic.Request{Target: "/image/20116?name=q.jpg&wh=200x200", Raw: strings.TrimSpace(line1), Agent: "Mozilla/5.0 (X11; rv:21.0)"}
	var r redactor
	if n := testing.AllocsPerRun(100, func() { r.record(&q, &decoder{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRedactHostile: text made to be slow. Quadratic work on a line of the
// longest length would take minutes.
func TestRedactHostile(t *testing.T) {
	for _, s := range []string{
		"eyJ", "eyJaaaaaa.", "4", "password=", `{"pin":"`, `\\"`, "%25", ";a", "eyJ.", "[jwt alg=", "4 ", "pin:", "&#", "=", ":",
		"basic+", "Bearer ", "-----", "---- ", "xoxb-1234567890 ", "ghp_abcdefghijklmnopqrst1 ", "4111 1111 1111 1111 ", "4111111111111111 ",
		"://a:b1@", "-----BEGIN PRIVATE KEY-----a1-----END PRIVATE KEY-----", "PRIVATE KEY-----", "_", "@", "a@", "a@b.de&", "t=+4917012345678&",
	} {
		for _, tail := range []string{"", " a@example.org 4111111111111111"} {
			text := strings.Repeat(s, maxUnit/len(s)) + tail
			start := time.Now()
			Redact("token=" + text)
			q := traffic.Request{Target: text, Agent: text}
			r := redactor{noRaw: true, mask: true}
			r.record(&q, nil)
			if d := time.Since(start); d > 15*time.Second {
				t.Errorf("%q: %v", s, d)
			}
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{"password=hunter2", `{"pin":12,"a":"b"}`, "4111 1111 1111 1111", "token=eyJhbGciOiJub25lIn0.e30.", "pwd=%25%2527%u0041&#65;\\x41\\", `\"auth\":\"a\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, kinds := Redact(s)
		if (got != s) != (kinds != nil) {
			t.Fatalf("%q → %q but kinds %v", s, got, kinds)
		}
		if again, _ := Redact(got); again != got {
			t.Fatalf("not idempotent: %q → %q → %q", s, got, again)
		}
		if strings.Count(got, "\n") != strings.Count(s, "\n") {
			t.Fatalf("%q → %q loses lines", s, got)
		}
		// Under a sensitive name no letters survive but keywords and x.
		val := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, s)
		if val != "" && !strings.Contains(val, "eyj") {
			m := mask(val)
			if len(m) != len(val) || !isKeyword([]byte(val)) && strings.Trim(m, "0x") != "" && !containsKeyword(val) {
				t.Fatalf("mask(%q) = %q", val, m)
			}
		}
	})
}

func containsKeyword(s string) bool {
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r >= '0' && r <= '9' }) {
		if isKeyword([]byte(w)) {
			return true
		}
	}
	return false
}
