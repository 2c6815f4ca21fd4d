// Package memory says how much memory is left, so that work beyond it can be
// refused before the machine begins to swap.
package memory

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strconv"
)

// Available is how many bytes the process can still take: the least of what the
// kernel calls available, what the limit of the control group leaves, and what
// GOMEMLIMIT allows in total. ok is false where none of them is known.
func Available() (bytes int64, ok bool) {
	least := int64(math.MaxInt64)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if v, ok := field(b, "MemAvailable:"); ok {
			least = min(least, v<<10)
		}
	}
	if limit, used, ok := group(); ok {
		least = min(least, max(limit-used, 0))
	}
	if v := debug.SetMemoryLimit(-1); v < math.MaxInt64 {
		least = min(least, v)
	}
	return least, least < math.MaxInt64
}

// group is limit and use of the control group, version 2 or 1. Pages of files,
// which the kernel gives back when it must, do not count as used.
func group() (limit, used int64, ok bool) {
	for _, p := range [][3]string{
		{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"},
		{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes", "/sys/fs/cgroup/memory/memory.stat"},
	} {
		l, err := number(p[0])
		if err != nil {
			continue
		}
		u, err := number(p[1])
		if err != nil {
			continue
		}
		if b, err := os.ReadFile(p[2]); err == nil {
			for _, key := range []string{"inactive_file", "active_file"} {
				if v, ok := field(b, key); ok {
					u -= v
				}
			}
		}
		return l, max(u, 0), true
	}
	return 0, 0, false
}

func number(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64) // "max" is an error: no limit
}

// field is the number behind a key, one pair per line.
func field(text []byte, key string) (int64, bool) {
	s := bufio.NewScanner(bytes.NewReader(text))
	for s.Scan() {
		f := bytes.Fields(s.Bytes())
		if len(f) >= 2 && string(f[0]) == key {
			v, err := strconv.ParseInt(string(f[1]), 10, 64)
			return v, err == nil
		}
	}
	return 0, false
}

// Check is an error with both figures if need bytes are more than Available. It
// is nil where that is not known.
func Check(need int64) error {
	if left, ok := Available(); ok && need > left {
		return fmt.Errorf("needs %s MiB of memory, %s MiB are left; use fewer rows, or a machine with more", mib(need), mib(left))
	}
	return nil
}

func mib(b int64) string { return strconv.FormatInt((b+1<<20-1)>>20, 10) }
