package main

import (
	"os"
	"runtime/pprof"
)

func profile() func() {
	p := os.Getenv("CPUPROFILE")
	if p == "" {
		return func() {}
	}
	f, _ := os.Create(p)
	pprof.StartCPUProfile(f)
	return func() { pprof.StopCPUProfile(); f.Close() }
}
