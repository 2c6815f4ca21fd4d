package memory

import (
	"math"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	left, ok := Available()
	if !ok {
		t.Skip("this system does not say how much memory is left")
	}
	if left < 1<<20 {
		t.Errorf("%d bytes are left", left)
	}
	if err := Check(1); err != nil {
		t.Error(err)
	}
	err := Check(math.MaxInt64 - 1<<21)
	if err == nil || !strings.Contains(err.Error(), "needs 8796093022206 MiB of memory") {
		t.Errorf("error %v", err)
	}
}

func TestField(t *testing.T) {
	text := []byte("MemTotal:  10 kB\nMemAvailable:    7 kB\n")
	if v, ok := field(text, "MemAvailable:"); v != 7 || !ok {
		t.Errorf("%d, %v", v, ok)
	}
	if _, ok := field(text, "Swap:"); ok {
		t.Error("found what is not there")
	}
}
