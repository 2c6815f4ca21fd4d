package model

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// Parallel calls do(worker, i) for 0 ≤ i < n from as many goroutines as
// workers says (0 = GOMAXPROCS); worker < workers numbers the goroutine, so
// that each can own its buffers. It stops early if ctx ends or a call fails,
// and returns the first error. Tasks run in any order: what they make must
// depend on i alone. log, if not nil, is told of progress, one call at a time.
func Parallel(ctx context.Context, workers, n int, log func(done, total int), do func(worker, i int) error) error {
	workers = Workers(workers, n)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var mu sync.Mutex
	done := 0
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(w, i); err != nil {
					cancel(err)
					return
				}
				if log != nil {
					mu.Lock()
					done++
					log(done, n)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// Workers is how many goroutines Parallel uses for n tasks.
func Workers(workers, n int) int {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return max(1, min(workers, n))
}
