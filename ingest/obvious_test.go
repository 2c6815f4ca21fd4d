package ingest

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"apiml/traffic"
)

// obvious reads a combined line the slow way: one regular expression and package
// time. It takes only what the format allows word for word.
func obvious(re *regexp.Regexp, s string) (traffic.Request, bool) {
	m := re.FindStringSubmatch(s)
	if m == nil {
		return traffic.Request{}, false
	}
	q := traffic.Request{Client: m[1], Time: traffic.NoTime, Latency: -1, BytesIn: -1, BytesOut: -1}
	if m[2] != "-" {
		q.User = m[2]
	}
	t, err := time.Parse("02/Jan/2006:15:04:05 -0700", m[3])
	if err != nil {
		return q, false
	}
	q.Time = t.UnixMicro()
	parts := strings.Split(m[4], " ")
	q.Method, q.Target, q.Protocol = parts[0], strings.Join(parts[1:len(parts)-1], " "), parts[len(parts)-1]
	if m[5] != "-" {
		n, _ := strconv.Atoi(m[5])
		q.Status = int32(n)
	}
	if m[6] != "-" {
		q.BytesOut, _ = strconv.ParseInt(m[6], 10, 64)
	}
	undo := strings.NewReplacer(`\"`, `"`, `\\`, `\`)
	q.Target = undo.Replace(q.Target)
	if m[7] != "-" {
		q.Referrer = undo.Replace(m[7])
	}
	if m[8] != "-" {
		q.Agent = undo.Replace(m[8])
	}
	return q, true
}

func obviousLine() *regexp.Regexp {
	const quoted = `((?:[^"\\]|\\["\\])*)`
	return regexp.MustCompile(`^([^ "\[\]]+) - ([^ "\[\]]+) \[(\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "([A-Z]+ (?:[^"\\]|\\["\\])+ HTTP/\d\.\d)" (\d{3}|-) (\d{1,15}|-) "` + quoted + `" "` + quoted + `"$`)
}

// TestCombinedAgainstObvious compares the byte scanner with the slow reader, on
// well-formed lines, on all short fields over a small alphabet, and on lines that
// were damaged at random: whatever the slow reader takes, the scanner takes too,
// and reads the same from it.
func TestCombinedAgainstObvious(t *testing.T) {
	taken, re := 0, obviousLine()
	check := func(s string) {
		want, ok := obvious(re, s)
		if !ok {
			return
		}
		taken++
		got := traffic.Request{Time: traffic.NoTime, Latency: -1, BytesIn: -1, BytesOut: -1}
		if reason := combinedRequest(s, &got); reason != "" {
			t.Fatalf("%s\nrefused: %s", s, reason)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Fatalf("%s\ngot  %+v\nwant %+v", s, got, want)
		}
	}
	line := func(user, request, status, size, referrer, agent string) string {
		return fmt.Sprintf(`192.0.2.1 - %s [15/Jan/2024:10:30:45 +0330] "%s" %s %s "%s" "%s"`, user, request, status, size, referrer, agent)
	}
	// All fields of up to four bytes over what matters to the scanner.
	const alphabet = `a" \-[`
	var fields []string
	for n := range 5 {
		k := 1
		for range n {
			k *= len(alphabet)
		}
		for i := range k {
			b := make([]byte, n)
			for j, v := 0, i; j < n; j, v = j+1, v/len(alphabet) {
				b[j] = alphabet[v%len(alphabet)]
			}
			fields = append(fields, string(b))
		}
	}
	for _, f := range fields {
		check(line("-", "GET /"+f+" HTTP/1.1", "200", "5", "-", "x"))
		check(line("-", "GET / HTTP/1.1", "200", "5", f, "x"))
		check(line("-", "GET / HTTP/1.1", "-", "-", "-", f))
		if f != "" {
			check(line(f, "GET / HTTP/1.1", "404", "0", f, f))
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	base := []string{
		line("ann", "POST /a?b=c%27&d=e HTTP/2.0", "401", "17", "https://shop.example/", `Mozilla/5.0 (X11; \"odd\")`),
		line("-", `GET /search?q=a \"b\" c HTTP/1.1`, "200", "123456", "-", "-"),
	}
	for range 100_000 {
		b := []byte(base[rng.IntN(len(base))])
		for range 1 + rng.IntN(3) {
			i := rng.IntN(len(b))
			switch rng.IntN(3) {
			case 0:
				b[i] = alphabet[rng.IntN(len(alphabet))]
			case 1:
				b = append(b[:i], b[i+1:]...)
			default:
				b = append(b[:i+1], b[i:]...)
			}
		}
		check(string(b))
	}
	if taken < 10_000 {
		t.Errorf("the slow reader took %d lines only: this compares nothing", taken)
	}
}
