package generate

import (
	"apiml/traffic"
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

func TestDump(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("N"))
	if n == 0 {
		t.Skip()
	}
	f, _ := os.Create("/tmp/gen.jsonl")
	w := bufio.NewWriter(f)
	tr, _ := os.Create("/tmp/gen.truth")
	tw := bufio.NewWriter(tr)
	var b []byte
	line := int64(0)
	t0 := time.Now()
	last := int64(0)
	cnt := map[traffic.Label]int{}
	nb, na := 0, 0
	err := Run(context.Background(), Config{Seed: 1, Normal: n * 8 / 10, Attacks: n / 5}, func(q []traffic.Request, c []string) error {
		for i := range q {
			line++
			if q[i].Time < last {
				t.Fatal("order")
			}
			last = q[i].Time
			cnt[q[i].Label]++
			if q[i].Label == traffic.None {
				nb++
			} else {
				na++
			}
			if os.Getenv("W") != "" {
				b = AppendJSON(b[:0], &q[i])
				b = append(b, '\n')
				w.Write(b)
				b = AppendTruth(b[:0], line, &q[i], c[i])
				b = append(b, '\n')
				tw.Write(b)
			}
		}
		return nil
	})
	w.Flush()
	tw.Flush()
	fmt.Println(err, nb, na, cnt, time.Since(t0), float64(n)/time.Since(t0).Seconds(), time.UnixMicro(last).UTC())
}
