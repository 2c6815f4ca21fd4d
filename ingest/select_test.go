package ingest

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apiml/traffic"
)

func TestMatchPath(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"/health", "/health", true}, {"/health", "/healthy", false}, {"/health", "/a/health", false},
		{"/*.css", "/a.css", true}, {"/*.css", "/a/b.css", false}, {"/static/**", "/static/a/b.css", true},
		{"/static/**", "/static", true}, {"/static/**", "/static/", true}, {"/static/**", "/statics/a", false},
		{"/*/img/**", "/v1/img/a/b", true}, {"/*/img/**", "/v1/x/img/a", false}, {"/**", "/any/thing", true},
	} {
		if got := matchPath(c.pattern, c.path); got != c.want {
			t.Errorf("matchPath(%q, %q) = %v", c.pattern, c.path, got)
		}
	}
	if CheckPattern("[") == nil || CheckPattern("/a/**") != nil {
		t.Error("CheckPattern")
	}
}

func TestRealIP(t *testing.T) {
	p := RealIP{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}}
	for _, c := range []struct{ client, forwarded, want string }{
		{"10.1.1.1", "203.0.113.7", "203.0.113.7"},
		{"10.1.1.1", "6.6.6.6, 203.0.113.7, 10.2.2.2", "203.0.113.7"},
		{"10.1.1.1:443", "203.0.113.7:5000, [2001:db8::1]:80", "203.0.113.7:5000"},
		{"::ffff:10.1.1.1", "203.0.113.7", "203.0.113.7"},
		{"192.0.2.1", "203.0.113.7", "192.0.2.1"},
		{"10.1.1.1", "", "10.1.1.1"},
		{"10.1.1.1", "unknown, 10.3.3.3", "10.3.3.3"},
		{"10.1.1.1", "10.9.9.9", "10.9.9.9"},
		{"host.example", "203.0.113.7", "host.example"},
	} {
		q := traffic.Request{Client: c.client, Forwarded: c.forwarded}
		if p.apply(&q); q.Client != c.want || q.Forwarded != "" {
			t.Errorf("%q %q: %q %q", c.client, c.forwarded, q.Client, q.Forwarded)
		}
	}
}

// The key and the vectors of the Crypto-PAn distribution (sample trace), and of
// the IPv6 form in use with the same key.
func cryptoPAn(t testing.TB) *Anonymizer {
	a, err := NewAnonymizer([]byte{
		21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
		216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCryptoPAn(t *testing.T) {
	a := cryptoPAn(t)
	for _, c := range [][2]string{
		{"128.11.68.132", "135.242.180.132"}, {"129.118.74.4", "134.136.186.123"}, {"130.132.252.244", "133.68.164.234"},
		{"141.223.7.43", "141.167.8.160"}, {"141.233.145.108", "141.129.237.235"}, {"152.163.225.39", "151.140.114.167"},
		{"156.29.3.236", "147.225.12.42"}, {"165.247.96.84", "162.9.99.234"}, {"166.107.77.190", "160.132.178.185"},
		{"192.102.249.13", "252.138.62.131"}, {"192.215.32.125", "252.43.47.189"}, {"192.233.80.103", "252.25.108.8"},
		{"::1", "78ff:f001:9fc0:20df:8380:b1f1:704:ed"}, {"::2", "78ff:f001:9fc0:20df:8380:b1f1:704:ef"},
		{"::ffff", "78ff:f001:9fc0:20df:8380:b1f1:704:f838"}, {"2001:db8::1", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"},
		{"2001:db8::2", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c"},
	} {
		if got := a.Addr(netip.MustParseAddr(c[0])).String(); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
	if got := a.Addr(netip.MustParseAddr("::ffff:128.11.68.132")).String(); got != "135.242.180.132" {
		t.Errorf("an IPv4 address in IPv6 form: %s", got)
	}
}

// TestPrefixPreserving: two addresses share as many bits after as before.
func TestPrefixPreserving(t *testing.T) {
	a := cryptoPAn(t)
	rng := rand.New(rand.NewPCG(3, 4))
	shared := func(x, y []byte) int {
		for i := range 8 * len(x) {
			if (x[i/8]^y[i/8])>>(7-i%8)&1 == 1 {
				return i
			}
		}
		return 8 * len(x)
	}
	for _, size := range []int{4, 16} {
		for range 500 {
			x, y := make([]byte, size), make([]byte, size)
			for i := range x {
				x[i] = byte(rng.Uint32())
			}
			copy(y, x)
			k := rng.IntN(8 * size)
			y[k/8] ^= 1 << (7 - k%8)
			for i := k + 1; i < 8*size; i++ {
				if rng.IntN(2) == 0 {
					y[i/8] ^= 1 << (7 - i%8)
				}
			}
			want := shared(x, y)
			a.bits(x)
			a.bits(y)
			if got := shared(x, y); got != want {
				t.Fatalf("%d bits shared before, %d after", want, got)
			}
		}
	}
}

func TestAnonymizeLine(t *testing.T) {
	a := cryptoPAn(t)
	for _, c := range [][2]string{
		{`128.11.68.132 - - [15/Jan/2024:10:30:45 +0000] "GET /v1.2.3.4/x HTTP/1.1"`, `135.242.180.132 - - [15/Jan/2024:10:30:45 +0000] "GET /v1.2.3.4/x HTTP/1.1"`},
		{`{"ip":"128.11.68.132","to":"[2001:db8::1]:443"} 129.118.74.4:80, ::1.`, `{"ip":"135.242.180.132","to":"[4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e]:443"} 134.136.186.123:80, 78ff:f001:9fc0:20df:8380:b1f1:704:ed.`},
		{"no address: 1.2.3 00:1a:2b:3c:4d:5e 999.1.1.1 a::z Chrome/63.0.3239.111", "no address: 1.2.3 00:1a:2b:3c:4d:5e 999.1.1.1 a::z Chrome/63.0.3239.111"},
	} {
		if got := a.Line(c[0]); got != c[1] {
			t.Errorf("%s\n got %s\nwant %s", c[0], got, c[1])
		}
	}
	res := readString(t, strings.Replace(strings.TrimSpace(line1), "10.0.0.1", "128.11.68.132", 1)+` "129.118.74.4, 130.132.252.244"`+"\nfrom 128.11.68.132\n", Options{Anonymize: a})
	q := res.requests[0]
	if q.Client != "135.242.180.132" || q.Forwarded != "134.136.186.123, 133.68.164.234" || strings.Contains(q.Raw, "128.11") || res.rejects[0].Raw != "from 135.242.180.132" {
		t.Errorf("%+v %+v", q, res.rejects)
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	one, created, err := KeyFile(path)
	if err != nil || !created || len(one) != KeySize {
		t.Fatal(err, created)
	}
	two, created, err := KeyFile(path)
	if err != nil || created || string(two) != string(one) {
		t.Error(err, created)
	}
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string
	}{{"abc", 0o600, "64 hexadecimal digits"}, {strings.Repeat("ab", 32), 0o640, "others can read it"}} {
		os.WriteFile(path, []byte(c.text), 0o600)
		os.Chmod(path, c.mode)
		if _, _, err := KeyFile(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v", err)
		}
	}
	if _, _, err := KeyFile(filepath.Join(path, "no", "way")); err == nil {
		t.Error("no error for a folder that is not there")
	}
}
