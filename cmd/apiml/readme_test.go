package main

import "testing"

func TestDocsTmp(t *testing.T) {
	var a app
	a.cfg = &config{}
	a.flags.quiet = true
	a.log = nil
	if err := (&app{}).docsCommand().Execute; err == nil {
		t.Fatal()
	}
	files, err := referenceFiles()
	if err != nil {
		t.Fatal(err)
	}
	for n := range files {
		t.Log(n, len(files[n]))
	}
}
