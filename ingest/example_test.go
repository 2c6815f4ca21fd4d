package ingest_test

import (
	"fmt"
	"io"
	"log"
	"strings"

	"apiml/ingest"
)

func Example() {
	const input = `10.0.0.1 - - [15/Jan/2024:10:30:45 +0000] "POST /login?user=ann&password=hunter2 HTTP/1.1" 401 17 "-" "curl/8.0"
this is no log line
`
	r, err := ingest.Open("-", strings.NewReader(input), ingest.Options{Name: "access.log"})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	fmt.Println(r.Format()+":", r.Reason())
	for {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		for _, q := range b.Requests {
			fmt.Println(q.When().Format("15:04:05"), q.Client, q.Method, q.Target, q.Status)
		}
		for _, j := range b.Rejects {
			fmt.Printf("%s:%d: %s\n", j.File, j.Line, j.Reason)
		}
	}
	c := r.Coverage()
	fmt.Println(c.Read, "read,", c.Parsed, "parsed,", c.Rejected, "rejected,", c.Filtered, "left out")
	// Output:
	// combined: 1 of the first 2 records are NGINX/Apache combined log lines
	// 10:30:45 10.0.0.1 POST /login?user=ann&password=xxxxxx0 401
	// access.log:2: no quoted request
	// 2 read, 1 parsed, 1 rejected, 0 left out
}
