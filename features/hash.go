package features

import (
	"math"
	"math/bits"
)

// The mixing of wyhash (Wang Yi, public domain): fast, the same in every
// process, so that hashes can be stored. It is not keyed: who knows it can make
// two names collide, and gains that one of them passes for the other.
const (
	mix1 = 0xa0761d6478bd642f
	mix2 = 0xe7037ed1a0b428db
	mix3 = 0x8ebc6af09c88c6e3
)

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^mix1, b^mix2)
	return hi ^ lo
}

// hashOf hashes s; different seeds give independent functions.
func hashOf[T string | []byte](s T, seed uint64) uint64 {
	h := seed ^ mix3
	n := len(s)
	i := 0
	for ; i+8 <= n; i += 8 {
		v := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		h = mix(h, v)
	}
	var v uint64
	for sh := 0; i < n; i, sh = i+1, sh+8 {
		v |= uint64(s[i]) << sh
	}
	return mix(mix(h, v), uint64(n)^mix3)
}

// ln1p is ln(1+n) as a feature.
func ln1p(n int) float32 { return float32(math.Log1p(float64(n))) }

func nan32() float32 { return float32(math.NaN()) }

// clamp keeps a feature finite: NaN stays.
func clamp(v, limit float64) float32 {
	switch {
	case v > limit:
		v = limit
	case v < -limit:
		v = -limit
	}
	return float32(v)
}
