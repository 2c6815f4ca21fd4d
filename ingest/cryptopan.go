package ingest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"apiml/traffic"
)

// Prefix-preserving pseudonyms for addresses: Crypto-PAn, J. Xu, J. Fan, M. H.
// Ammar, S. B. Moon, "Prefix-Preserving IP Address Anonymization" (ICNP 2002).
// Two addresses share as many leading bits after as before, so that subnets stay
// subnets, and the same key gives the same pseudonyms every night. Bit i of the
// pseudonym is bit i of the address, exclusive or the first bit of AES of the
// first i bits, padded. Cost: one AES block per bit, 32 or 128 per address, and
// a memo, because a log repeats its addresses. An IPv4 address in IPv6 form is
// an IPv4 address. Deviation: none; the key is 32 bytes, the second half of
// which, encrypted, is the pad, as in the authors' program.
//
// Who holds the key can undo the pseudonyms. Without it, an attacker who can
// send requests from addresses of his choice can learn prefixes step by step: a
// known limit of the method.

// KeySize is the length of a key in bytes.
const KeySize = 32

// Anonymizer replaces addresses by pseudonyms. It serves one goroutine.
type Anonymizer struct {
	block cipher.Block
	pad   [16]byte
	memo  map[string]string
}

// NewAnonymizer makes one from a key of KeySize bytes.
func NewAnonymizer(key []byte) (*Anonymizer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("the key has %d bytes, want %d", len(key), KeySize)
	}
	b, err := aes.NewCipher(key[:16])
	if err != nil {
		return nil, err
	}
	a := &Anonymizer{block: b, memo: map[string]string{}}
	b.Encrypt(a.pad[:], key[16:])
	return a, nil
}

// KeyFile reads the key in the file at path: 64 hexadecimal digits. A file that
// does not exist is made, with a new random key and mode 0600; created says so.
// A file that others can read is an error.
func KeyFile(path string) (key []byte, created bool, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		key = make([]byte, KeySize)
		rand.Read(key) // never fails
		_, err = f.WriteString(hex.EncodeToString(key) + "\n")
		if serr := f.Sync(); err == nil {
			err = serr
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			os.Remove(path)
			return nil, false, fmt.Errorf("key file %q: %w", path, err)
		}
		return key, true, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, false, fmt.Errorf("key file %q: %w", path, errors.Unwrap(err))
	}
	fi, err := os.Stat(path)
	if err != nil {
		return nil, false, fmt.Errorf("key file %q: %w", path, errors.Unwrap(err))
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return nil, false, fmt.Errorf("key file %q: mode %#o: others can read it; chmod 600", path, fi.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, false, fmt.Errorf("key file %q: %w", path, errors.Unwrap(err))
	}
	if key, err = hex.DecodeString(strings.TrimSpace(string(text))); err != nil || len(key) != KeySize {
		return nil, false, fmt.Errorf("key file %q: want %d hexadecimal digits", path, 2*KeySize)
	}
	return key, false, nil
}

// Addr returns the pseudonym of an address. A zone is dropped.
func (a *Anonymizer) Addr(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		b := ip.As4()
		a.bits(b[:])
		return netip.AddrFrom4(b)
	}
	b := ip.As16()
	a.bits(b[:])
	return netip.AddrFrom16(b)
}

// bits turns an address into its pseudonym, in place.
func (a *Anonymizer) bits(addr []byte) {
	in, out := a.pad, [16]byte{}
	var flip [16]byte
	for i := range 8 * len(addr) {
		// in is the first i bits of the address, then those of the pad.
		a.block.Encrypt(out[:], in[:])
		flip[i/8] |= out[0] >> 7 << (7 - i%8)
		bit := byte(0x80) >> (i % 8)
		in[i/8] = in[i/8]&^bit | addr[i/8]&bit
	}
	for i := range addr {
		addr[i] ^= flip[i]
	}
}

// text is the pseudonym of an address as a log writes it: bare, in brackets,
// with a port. ok is false if s is none.
func (a *Anonymizer) text(s string) (pseudonym string, ok bool) {
	if len(s) < 2 || len(s) > 64 || s[0] != '[' && hexDigit(s[0]) > 15 && s[0] != ':' {
		return s, false
	}
	if p, ok := a.memo[s]; ok {
		return p, true
	}
	p := ""
	if ip, err := netip.ParseAddr(s); err == nil {
		p = a.Addr(ip).String()
	} else if ap, err := netip.ParseAddrPort(s); err == nil {
		p = netip.AddrPortFrom(a.Addr(ap.Addr()), ap.Port()).String()
	} else if in := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"); len(in) == len(s)-2 {
		if ip, err := netip.ParseAddr(in); err == nil {
			p = "[" + a.Addr(ip).String() + "]"
		}
	}
	if p == "" {
		return s, false
	}
	if len(a.memo) >= 1<<16 {
		clear(a.memo)
	}
	a.memo[strings.Clone(s)] = p
	return p, true
}

// record replaces the addresses of a record: client, forwarded ones, and those
// in its raw bytes.
func (a *Anonymizer) record(q *traffic.Request) {
	if p, ok := a.text(q.Client); ok {
		q.Client = p
	} else {
		q.Client = a.Line(q.Client)
	}
	if q.Forwarded != "" {
		q.Forwarded = a.Line(q.Forwarded)
	}
	q.Raw = a.Line(q.Raw)
}

// Line replaces every address that stands in a text on its own.
func (a *Anonymizer) Line(s string) string {
	var b strings.Builder
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if !(hexDigit(c) < 16 || c == ':') || i > 0 && isAddressByte(s[i-1]) {
			i++
			continue
		}
		z := i
		for z < len(s) && isAddressByte(s[z]) {
			z++
		}
		end := z
		for end > i && (s[end-1] == '.' || s[end-1] == ':' && !strings.HasSuffix(s[i:end], "::")) {
			end-- // the end of a sentence
		}
		if word := s[i:end]; strings.Count(word, ".") == 3 || strings.Count(word, ":") > 1 {
			if p, ok := a.text(word); ok {
				b.WriteString(s[done:i])
				b.WriteString(p)
				done = end
			}
		}
		i = max(z, i+1)
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// isAddressByte: what can be part of an address or of the word that it would be
// a part of.
func isAddressByte(c byte) bool { return isWordByte(c) || c == '.' || c == ':' }
