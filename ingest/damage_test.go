package ingest

import (
	"strings"
	"testing"

	"apiml/traffic"
)

// TestDamage: whatever stands in a line, it is a record or a reject at its place,
// and the lines around it are read.
func TestDamage(t *testing.T) {
	line := func(stamp, target string) string {
		return `192.0.2.1 - - [` + stamp + `] "GET ` + target + ` HTTP/1.1" 200 5 "-" "a"`
	}
	const good = "15/Jan/2024:10:30:45 +0000"
	lines := []struct {
		text   string
		reject string // reason, "" = a record
	}{
		{line(good, "/1"), ""},
		{line(good, "/\x00nul"), ""},
		{line(good, "/\xff\xfe"), ""},
		{line("01/Jan/0000:00:00:00 +0000", "/year0"), "no valid time in brackets"},
		{line("31/Dec/9999:23:59:59 +0000", "/year9999"), ""},
		{line("31/Dec/9999:23:59:59 -0100", "/year10000"), "no valid time in brackets"},
		{line("30/Feb/2024:00:00:00 +0000", "/feb30"), "no valid time in brackets"},
		{"\x00\x00\x00\x00", "no client address at the beginning"},
		{strings.Repeat("x", 10<<20), "longer than 1 MiB"},
		{line(good, "/"+strings.Repeat("y", 2<<20)), "longer than 1 MiB"},
		{`{"time_iso8601":"2024-01-15T10:30:45Z","request":"GET / HTTP/1.1","status":200}`, "no valid time in brackets"},
		{"#Fields: date time c-ip", "no quoted request"},
		{line(good, "/last"), ""},
	}
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l.text + "\n")
	}
	res := readString(t, text.String(), Options{Format: "combined"})
	byLine := map[int64]string{}
	for _, q := range res.requests {
		byLine[q.Line] = "record"
	}
	for _, j := range res.rejects {
		if byLine[j.Line] != "" {
			t.Errorf("line %d is both", j.Line)
		}
		byLine[j.Line] = j.Reason
	}
	offset := int64(0)
	for i, l := range lines {
		want := l.reject
		if want == "" {
			want = "record"
		}
		if got := byLine[int64(i+1)]; got != want {
			t.Errorf("line %d (%.60q): %q, want %q", i+1, l.text, got, want)
		}
		for _, j := range res.rejects {
			if j.Line == int64(i+1) && j.Offset != offset {
				t.Errorf("line %d: offset %d, want %d", i+1, j.Offset, offset)
			}
		}
		offset += int64(len(l.text)) + 1
	}
	if res.offset != offset || res.cov.Read != int64(len(lines)) || res.cov.Read != res.cov.Parsed+res.cov.Rejected+res.cov.Filtered {
		t.Errorf("offset %d of %d, %+v", res.offset, offset, res.cov)
	}
	for _, q := range res.requests {
		if q.Target == "/year9999" && q.When().Year() != 9999 {
			t.Errorf("%v", q.When())
		}
	}
}

// TestClockChange: the zone stands in every line, so that the hour that a clock
// repeats in autumn, and lines out of order, are in their place in UTC.
func TestClockChange(t *testing.T) {
	var text strings.Builder
	for _, stamp := range []string{
		"27/Oct/2024:02:59:59 +0200", "27/Oct/2024:02:00:00 +0100", "27/Oct/2024:02:59:58 +0200", "31/Mar/2024:01:59:59 +0100", "31/Mar/2024:03:00:00 +0200",
	} {
		text.WriteString(`192.0.2.1 - - [` + stamp + `] "GET / HTTP/1.1" 200 5 "-" "a"` + "\n")
	}
	var got []string
	res := readString(t, text.String(), Options{})
	for _, q := range res.requests {
		got = append(got, q.When().Format("01-02T15:04:05"))
	}
	if s := strings.Join(got, " "); s != "10-27T00:59:59 10-27T01:00:00 10-27T00:59:58 03-31T00:59:59 03-31T01:00:00" {
		t.Error(s)
	}
	if res.cov.First != res.requests[3].Time || res.cov.Last != res.requests[1].Time || res.cov.First == traffic.NoTime {
		t.Errorf("%+v", res.cov)
	}
}

// TestScanAllocations: the scanner of combined lines takes no memory of its own.
func TestScanAllocations(t *testing.T) {
	for _, line := range []string{
		`192.0.2.1 - ann [15/Jan/2024:10:30:45 +0000] "GET /a?b=c HTTP/1.1" 200 5 "https://a.example/" "agent" "192.0.2.9"`,
		`192.0.2.1 - - [15/Jan/2024:10:30:45 +0000] "GET /a HTTP/1.1" 304 -`,
	} {
		var q traffic.Request
		if n := testing.AllocsPerRun(100, func() {
			if reason := combinedRequest(line, &q); reason != "" {
				t.Fatal(reason)
			}
		}); n != 0 {
			t.Errorf("%v allocations for %s", n, line)
		}
	}
}
