package features

import (
	"encoding/base64"
	"strconv"
	"strings"

	"apiml/traffic"
)

// Redaction puts [pan] in the place of a card number and
// [jwt alg=HS256 len=212] in the place of a token. Brackets and an equals sign
// in a value look like an attack, and a token that is not signed is one, so the
// analysis reads a stand-in of the same kind instead: what is redacted and what
// is not give the same features, as near as the placeholder allows.

// standIns returns r, or a copy with stand-ins for its placeholders.
func standIns(r *traffic.Request) *traffic.Request {
	if !hasPlaceholder(r.Target) && !hasPlaceholder(r.Body) {
		return r
	}
	c := *r
	c.Target, c.Body = standIn(r.Target), standIn(r.Body)
	return &c
}

func hasPlaceholder(s string) bool {
	return strings.Contains(s, "[pan]") || strings.Contains(s, "[jwt alg=")
}

func standIn(s string) string {
	s = strings.ReplaceAll(s, "[pan]", "4111111111111111")
	var b strings.Builder
	for {
		i := strings.Index(s, "[jwt alg=")
		if i < 0 {
			break
		}
		end := strings.IndexByte(s[i:], ']')
		if end < 0 {
			break
		}
		b.WriteString(s[:i])
		b.WriteString(tokenLike(s[i+len("[jwt alg=") : i+end]))
		s = s[i+end+1:]
	}
	b.WriteString(s)
	return b.String()
}

// tokenLike makes a token out of "HS256 len=212": its algorithm and length, and
// no signature if it has none ("… sig=0").
func tokenLike(what string) string {
	alg, rest, _ := strings.Cut(what, " len=")
	length, unsigned := strings.CutSuffix(rest, " sig=0")
	n, _ := strconv.Atoi(length)
	n = min(max(n, 0), maxQuery)
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `"}`))
	sig := 43 // of HS256 and ES256; longer for RSA
	switch {
	case unsigned || strings.EqualFold(alg, "none"):
		sig = 0
	case strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS"):
		sig = 342
	}
	sig = min(sig, max(n-len(head)-10, 0))
	body := max(n-len(head)-2-sig, 3)
	const filler = "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ"
	fill := func(n int) string { return strings.Repeat(filler, n/len(filler)+1)[:n] }
	return head + "." + fill(body) + "." + fill(sig)
}
