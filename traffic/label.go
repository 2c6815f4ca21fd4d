package traffic

import "fmt"

// Label is the ground truth of a record. The zero value means that nothing is
// known, which is different from benign.
type Label uint8

// The attack types, in the order in which tables print them. Payload attacks
// show in one request; stuffing, ddos, scraping and abuse only in a window.
const (
	Unlabelled Label = iota
	None             // benign
	SQLInjection
	XSS
	PathTraversal
	CommandInjection
	CredentialStuffing
	DDoS
	DataScraping
	BrokenAuth
	APIAbuse
	Scanner
	OtherAttack
	Anomalous // known to be abnormal, type unknown (CSIC 2010): binary evaluation only
	numLabels
)

// labelNames are the names in files, tables and on the command line.
func labelNames() [numLabels]string {
	return [numLabels]string{
		"", "none", "sql_injection", "xss", "path_traversal", "command_injection",
		"credential_stuffing", "ddos", "data_scraping", "broken_auth", "api_abuse",
		"scanner", "other_attack", "anomalous",
	}
}

// String returns the name of l, "" for Unlabelled.
func (l Label) String() string {
	if l >= numLabels {
		return fmt.Sprintf("Label(%d)", uint8(l))
	}
	return labelNames()[l]
}

// Attack reports whether l is known and not benign.
func (l Label) Attack() bool { return l > None && l < numLabels }

// ParseLabel is the inverse of String. It also takes "None" and "benign" for
// None.
func ParseLabel(s string) (Label, error) {
	switch s {
	case "None", "benign", "BENIGN", "normal", "Normal":
		return None, nil
	}
	for i, n := range labelNames() {
		if s == n {
			return Label(i), nil
		}
	}
	return Unlabelled, fmt.Errorf("unknown attack type %q", s)
}

// Labels returns every label but Unlabelled, in table order.
func Labels() []Label {
	out := make([]Label, 0, numLabels-1)
	for l := None; l < numLabels; l++ {
		out = append(out, l)
	}
	return out
}
