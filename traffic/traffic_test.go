package traffic

import "testing"

func TestTemplate(t *testing.T) {
	for _, c := range []struct{ target, want string }{
		{"/api/users", "/api/users"},
		{"/api/users/17", "/api/users/{id}"},
		{"/api/users/17/orders/2024-01-15?x=1", "/api/users/{id}/orders/{id}"},
		{"/api/users/550e8400-e29b-41d4-a716-446655440000/", "/api/users/{id}/"},
		{"/f/d41d8cd98f00b204e9800998ecf8427e.json", "/f/{id}.json"},
		{"/v1/deadbeef", "/v1/deadbeef"},
		{"/api/v2/items", "/api/v2/items"},
		{"/image/20116?name=q.jpg", "/image/{id}"},
		{"http://www.example.com:80/list/4?since=1", "/list/{id}"},
		{"http://www.example.com", "/"},
		{"/presentations/logstash-monitorama-2013/images/kibana-search.png", "/presentations/logstash-monitorama-2013/images/kibana-search.png"},
		{"/wp-login.php", "/wp-login.php"},
		{"/orders/ORD-20240011", "/orders/{id}"},
		{"/a/%2e%2e/b", "/a/%2e%2e/b"},
		{"*", "*"},
		{"", ""},
	} {
		if got := Template("GET", c.target); got != c.want {
			t.Errorf("Template(%q) = %q, want %q", c.target, got, c.want)
		}
	}
	if got := Template("CONNECT", "10.0.0.1:443"); got != "10.0.0.1:443" {
		t.Errorf("CONNECT target folded: %q", got)
	}
}

func TestTemplateIdempotent(t *testing.T) {
	for _, p := range []string{"/a/1/2/3", "/x/ffffffff00/y.html", "//1//"} {
		once := Template("GET", p)
		if twice := Template("GET", once); twice != once {
			t.Errorf("Template(%q) = %q, folded again %q", p, once, twice)
		}
	}
}

func TestLabels(t *testing.T) {
	for _, l := range append(Labels(), Unlabelled) {
		got, err := ParseLabel(l.String())
		if err != nil || got != l {
			t.Errorf("ParseLabel(%q) = %v, %v", l.String(), got, err)
		}
	}
	if _, err := ParseLabel("nonsense"); err == nil {
		t.Error("ParseLabel accepts nonsense")
	}
	if None.Attack() || Unlabelled.Attack() || !Scanner.Attack() {
		t.Error("Attack is wrong")
	}
}

func TestPrincipal(t *testing.T) {
	r := Request{Client: "10.0.0.1", Agent: "curl/8", Forwarded: "192.0.2.7, 10.0.0.1"}
	if got := r.Principal(); got != "client:192.0.2.7 curl/8" {
		t.Errorf("forwarded principal %q", got)
	}
	r.User = "ann"
	if got := r.Principal(); got != "user:ann" {
		t.Errorf("user principal %q", got)
	}
}

func TestFlowColumns(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range FlowColumns() {
		if n == "" || seen[n] {
			t.Errorf("column %q empty or twice", n)
		}
		seen[n] = true
	}
}
