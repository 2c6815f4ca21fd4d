package score

import (
	"fmt"
	"slices"

	"apiml/features"
	"apiml/frame"
	"apiml/model"
	"apiml/traffic"
)

// Flows scores network flows with the models fitted on flows. A flow has no
// time, no sender and no rules, so that each row stands alone.
type Flows struct {
	attack    model.Classifier
	anomaly   model.Detector
	threshold float64
	none      int
	types     func(class string) string
}

// NewFlows checks that the models were fitted on flows. anomaly may be nil. types
// names the attack type of a class of the data set.
func NewFlows(attack model.Classifier, anomaly model.Detector, threshold float64, types func(class string) string) (*Flows, error) {
	schema := features.FlowSchema(false)
	if err := frame.SameSchema(attack.Schema(), schema); err != nil {
		return nil, fmt.Errorf("attack classifier for flows: %w", err)
	}
	if anomaly != nil {
		if err := frame.SameSchema(anomaly.Schema(), schema); err != nil {
			return nil, fmt.Errorf("anomaly detector for flows: %w", err)
		}
	}
	if !(threshold > 0 && threshold <= 1) {
		return nil, fmt.Errorf("score: threshold %v is outside (0,1]", threshold)
	}
	return &Flows{attack, anomaly, threshold, slices.Index(attack.Classes(), traffic.None.String()), types}, nil
}

// Score returns one result per flow, in order.
func (s *Flows) Score(flows []traffic.Flow) []Result {
	x := frame.NewMatrix(s.attack.Schema(), len(flows))
	features.ExtractFlows(x, flows)
	k := len(s.attack.Classes())
	proba := make([]float32, len(flows)*k)
	s.attack.PredictProba(proba, x, 0, len(flows))
	odd := make([]float32, len(flows))
	if s.anomaly != nil {
		s.anomaly.Score(odd, x, 0, len(flows))
	}
	out := make([]Result, len(flows))
	for i := range flows {
		probability, attack := verdict(proba[i*k:(i+1)*k], s.none)
		r := Result{File: flows[i].File, Line: flows[i].Line, Class: traffic.None.String(), Probability: probability, Anomaly: -1,
			Rules: []string{}, Reasons: []Reason{}, At: flows[i].Time, Truth: flows[i].Label}
		if s.anomaly != nil {
			r.Anomaly = float64(odd[i])
		}
		if attack >= 0 && probability >= s.threshold {
			r.Class = s.attack.Classes()[attack]
			r.AttackType = s.types(r.Class)
		}
		out[i] = r
	}
	return out
}
