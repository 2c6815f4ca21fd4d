package main

import (
	"fmt"
	"regexp"
	"strings"
)

func snippetKinds() []string { return []string{"nginx", "varnish", "headers"} }

// snippet is the advice as configuration. Templates come from a log, which
// anybody can write to: one with anything but plain characters is left out.
func snippet(kind string, ad *cacheAdvice) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# apiml advise cache: in %s, LRU with these lifetimes answers %s of the requests held out.\n", ad.sizeText(), percent(ad.LRUServed))
	b.WriteString("# A log shows neither Set-Cookie nor Vary. Check that no answer below depends on the user.\n")
	var safe []cacheableTarget
	for _, t := range ad.Templates {
		if plainTemplate(t.Template) && t.TTL != nil {
			safe = append(safe, t)
		}
	}
	if n := len(ad.Templates) - len(safe); n > 0 {
		fmt.Fprintf(&b, "# %d endpoints are left out: no lifetime, or characters that do not belong into a configuration.\n", n)
	}
	if len(safe) == 0 {
		b.WriteString("# Nothing to cache.\n")
		return b.String()
	}
	switch kind {
	case "nginx":
		size := "256m"
		if ad.Unit == "bytes" {
			size = fmt.Sprintf("%dk", max(1, (ad.Size+1023)/1024))
		}
		longest := 0.0
		for _, t := range safe {
			longest = max(longest, *t.TTL)
		}
		fmt.Fprintf(&b, "# In http {}; name your servers in upstream origin {}.\nproxy_cache_path /var/cache/nginx/apiml levels=1:2 keys_zone=apiml:10m max_size=%s inactive=%ds use_temp_path=off;\n\n# In server {}:\n", size, int64(longest))
		for _, t := range safe {
			fmt.Fprintf(&b, `location ~ "%s" {
    proxy_pass http://origin;
    proxy_cache apiml;
    proxy_cache_key $scheme$host$request_uri;
    proxy_cache_methods GET HEAD;
    proxy_cache_valid 200 %ds;
    proxy_cache_bypass $http_authorization;
    proxy_no_cache $http_authorization;
    proxy_cache_lock on;
    add_header X-Cache-Status $upstream_cache_status;
}
`, templateRegexp(t.Template, false), int64(*t.TTL))
		}
	case "varnish":
		b.WriteString("sub vcl_recv {\n    if (req.method != \"GET\" && req.method != \"HEAD\") {\n        if (req.method ~ \"^(POST|PUT|PATCH|DELETE)$\") {\n            ban(\"obj.http.x-host == \" + req.http.host + \" && obj.http.x-path == \" + regsub(req.url, \"\\?.*$\", \"\"));\n        }\n        return (pass);\n    }\n    # Cookies of the browser mean a user. Remove those of your analytics above this line.\n    if (req.http.Authorization || req.http.Cookie) {\n        return (pass);\n    }\n")
		for _, t := range safe {
			fmt.Fprintf(&b, "    if (req.url ~ \"%s\") {\n        return (hash);\n    }\n", templateRegexp(t.Template, true))
		}
		b.WriteString("    return (pass);\n}\n\nsub vcl_backend_response {\n    set beresp.http.x-host = bereq.http.host;\n    set beresp.http.x-path = regsub(bereq.url, \"\\?.*$\", \"\");\n    if (beresp.status != 200 || beresp.http.Set-Cookie || beresp.http.Cache-Control ~ \"(?i)private|no-store\") {\n        set beresp.uncacheable = true;\n        set beresp.ttl = 60s;\n        return (deliver);\n    }\n")
		for _, t := range safe {
			fmt.Fprintf(&b, "    if (bereq.url ~ \"%s\") {\n        set beresp.ttl = %ds;\n    }\n", templateRegexp(t.Template, true), int64(*t.TTL))
		}
		b.WriteString("}\n\nsub vcl_deliver {\n    unset resp.http.x-host;\n    unset resp.http.x-path;\n}\n")
		return "vcl 4.1;\n\n# Your origin, unless a VCL that includes this one names it.\nbackend default {\n    .host = \"127.0.0.1\";\n    .port = \"8080\";\n}\n\n" + b.String()
	case "headers":
		b.WriteString("# What the origin should send: endpoint, header.\n")
		for _, t := range safe {
			fmt.Fprintf(&b, "%s\tCache-Control: public, max-age=%d\n", t.Template, int64(*t.TTL))
		}
		for _, r := range ad.Refused {
			if plainTemplate(r.Template) && (r.Reason == "authorised" || r.Reason == "per-user") {
				fmt.Fprintf(&b, "%s\tCache-Control: private, no-store\n", r.Template)
			}
		}
	}
	return b.String()
}

// plainTemplate says whether a template can stand in a configuration file.
func plainTemplate(s string) bool {
	if !strings.HasPrefix(s, "/") || len(s) > 500 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("/-_.~{}*", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// templateRegexp matches the paths of a template, or with a query the targets.
func templateRegexp(template string, query bool) string {
	parts := strings.Split(template, "/")
	for i, s := range parts {
		if strings.ContainsAny(s, "{}*") {
			parts[i] = "[^/?]+"
			continue
		}
		parts[i] = regexp.QuoteMeta(s)
	}
	end := "$"
	if query {
		end = `(\?.*)?$`
	}
	return "^" + strings.Join(parts, "/") + end
}
