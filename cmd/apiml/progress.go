package main

import (
	"fmt"

	"os"
	"strings"
	"sync"
	"time"
)

// progress draws a line on standard error while something long runs, only on
// a terminal and never with -q.
type progress struct {
	mu    sync.Mutex
	a     *app
	what  string
	total int64
	begun time.Time
	drawn time.Time
	width int
	on    bool
}

func (a *app) progress(what string, total int64) *progress {
	f, ok := a.err.(*os.File)
	on := ok && !a.flags.quiet
	if on {
		st, err := f.Stat()
		on = err == nil && st.Mode()&os.ModeCharDevice != 0
		if v, set := a.getenv("TERM"); set && v == "dumb" {
			on = false
		}
	}
	return &progress{a: a, what: what, total: total, begun: time.Now(), on: on}
}

// set says how far the work is.
func (p *progress) set(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on || time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	el := time.Since(p.begun).Seconds()
	text := fmt.Sprintf("%s %s", p.what, count(n))
	if p.total > 0 && n <= p.total {
		text = fmt.Sprintf("%s %3d%%", text, 100*n/p.total)
		if n > 0 && el > 2 {
			text += fmt.Sprintf(", %.0f s left", el*float64(p.total-n)/float64(n))
		}
	}
	if el > 1 && n > 1000 {
		text += fmt.Sprintf(", %s/s", count(int64(float64(n)/el)))
	}
	fmt.Fprintf(p.a.err, "\r%s%s", text, strings.Repeat(" ", max(0, p.width-len(text))))
	p.width = len(text)
}

// done wipes the line.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.on && p.width > 0 {
		fmt.Fprintf(p.a.err, "\r%s\r", strings.Repeat(" ", p.width))
	}
	p.on = false
}

// stage changes what is being done and says how far it is.
func (p *progress) stage(what string, done, total int64) {
	p.mu.Lock()
	p.what, p.total = what, total
	p.mu.Unlock()
	p.set(done)
}
