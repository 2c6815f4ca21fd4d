package score

import (
	"fmt"
	"strings"
	"testing"

	"apiml/traffic"
)

// TestIncidentsBounded: of any number of incidents the largest are kept, all are
// counted, and an incident that is open and kept goes on.
func TestIncidentsBounded(t *testing.T) {
	s := newIncidents()
	add := func(client int, class traffic.Label, target string) string {
		r := traffic.Request{Time: int64(client), Client: fmt.Sprintf("c%d", client), Method: "GET", Target: target}
		return s.add(&r, &Result{Principal: "client:" + r.Client, Class: class.String()}, "")
	}
	const n = 3*maxIncidents + 5
	for range 10 {
		add(7, traffic.XSS, "/")
	}
	for i := range n {
		class := traffic.SQLInjection
		if i%2 == 1 {
			class = traffic.XSS
		}
		add(100+i, class, "/")
		if len(s.all) > maxIncidents || len(s.open) > maxOpenIncidents || len(s.who) != len(s.all) {
			t.Fatalf("%d incidents, %d open", len(s.all), len(s.open))
		}
	}
	count, byClass := s.counts()
	if count != n+1 || byClass["xss"] != n/2+1 || byClass["sql_injection"] != n-n/2 {
		t.Errorf("%d incidents, %v", count, byClass)
	}
	list := s.list()
	if list[0].Requests != 10 || list[0].ID != "i00001" || list[0].Principal != "client:c7" {
		t.Errorf("the largest is %+v", list[0])
	}
	last := 100 + n - 1
	if id := add(last, traffic.XSS, "/"); id != fmt.Sprintf("i%05d", n+1) {
		t.Errorf("the last one goes on as %s", id)
	}

	// Long targets count too.
	s = newIncidents()
	for i := range 300 {
		add(i, traffic.XSS, "/"+strings.Repeat("x", 1<<20))
		if s.bytes > maxIncidentBytes+1<<21 {
			t.Fatalf("%d bytes", s.bytes)
		}
	}
	if count, _ := s.counts(); count != 300 || len(s.all) > 70 {
		t.Errorf("%d incidents, %d kept", count, len(s.all))
	}
}
