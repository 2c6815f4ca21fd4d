package features

import (
	"fmt"
	"math"
	"slices"

	"apiml/traffic"
)

// Which profiles look like an attack, and like which, without labels: how far out
// in the tails of everybody's profiles they lie in what that kind of attack makes
// large. The tails are empirical (Li, Zhao, Hu, Botta, Ionescu, Chen, "ECOD:
// Unsupervised outlier detection using empirical cumulative distribution
// functions", TKDE 2022), with three differences: each kind of attack looks at its
// own side of its own quantities and not at all tails of all columns; the tails are
// those of clients with the same kind of agent where there are enough of them, so
// that a partner's bulk is compared with tools and a scraper behind a browser's
// name with browsers; and an attack needs a minimum of what it consists of, since
// somebody is always last in a tail. How far a profile lies from all clusters is
// one more surprise, whatever the attack: bulk that a whole cluster has is a way of
// life. O(p·log p) for p profiles.

// Evidence is what a profile has of the kind of attack that fits it best.
type Evidence struct {
	Class    string   // name of the traffic.Label; "" = of none
	Score    float64  // weighted mean of the surprises, in powers of ten: 2 = as one in a hundred
	Features []string // what says so in words, the most telling first
}

// quantity is something that grows with an attack, made of a profile's columns.
type quantity struct {
	of     func(v *[numBehavior]float64) float64
	phrase func(v *[numBehavior]float64) string
}

type sign struct {
	quantity int
	weight   float64
}

type attackSigns struct {
	class traffic.Label
	needs sign // quantity, and the least value of it
	signs []sign
}

const (
	qFailed = iota
	qFailedShare
	qWon
	qDenied
	qObjects
	qSequence
	qRequests
	qRepeats
	qNoAssets
	qLimited
	qPeak
	qRate
	qWrites
	qNotFound
	qTemplates
	qSurprise
	qServer
	numQuantities
)

func quantities() [numQuantities]quantity {
	column := func(j int) quantity {
		return quantity{func(v *[numBehavior]float64) float64 { return v[j] }, func(v *[numBehavior]float64) string { return behaviorPhrase(j, v[j]) }}
	}
	times := func(j int, what string) quantity { // a share as a count
		n := func(v *[numBehavior]float64) float64 { return v[j] * math.Expm1(v[bRequests]) }
		return quantity{func(v *[numBehavior]float64) float64 { return math.Log1p(n(v)) }, func(v *[numBehavior]float64) string {
			return fmt.Sprintf("%s %s (%.0f %%)", thousands(math.Round(n(v))), what, 100*v[j])
		}}
	}
	return [numQuantities]quantity{
		qFailed:      times(bLoginFailures, "failed logins"),
		qFailedShare: column(bLoginFailures),
		qWon:         column(bLoginsWon),
		qDenied: {func(v *[numBehavior]float64) float64 {
			return math.Log1p(max(0, v[bDenied]-v[bLoginFailures]) * math.Expm1(v[bRequests]))
		}, func(v *[numBehavior]float64) string { return behaviorPhrase(bDenied, v[bDenied]) }},
		qObjects: column(bObjects),
		qSequence: {func(v *[numBehavior]float64) float64 { return v[bSequential] * v[bObjects] },
			func(v *[numBehavior]float64) string { return behaviorPhrase(bSequential, v[bSequential]) }},
		qRequests: column(bRequests),
		qRepeats: {func(v *[numBehavior]float64) float64 {
			return math.Log2(1+math.Expm1(v[bRequests])) - v[bTemplateEntropy]
		}, func(v *[numBehavior]float64) string { return behaviorPhrase(bTemplateEntropy, v[bTemplateEntropy]) }},
		qNoAssets: {func(v *[numBehavior]float64) float64 { return -v[bAssetShare] },
			func(v *[numBehavior]float64) string { return behaviorPhrase(bAssetShare, v[bAssetShare]) }},
		qLimited: times(bLimited, "rate limited"),
		qPeak:    column(bPeak),
		qRate:    column(bActiveRate),
		qWrites: {func(v *[numBehavior]float64) float64 {
			return math.Log1p((1 - v[bGetShare]) * math.Expm1(v[bRequests]))
		}, func(v *[numBehavior]float64) string { return behaviorPhrase(bGetShare, v[bGetShare]) }},
		qNotFound:  times(bNotFound, "not found"),
		qTemplates: column(bTemplates),
		qSurprise:  column(bSurprise),
		qServer:    times(bServerErrors, "server errors"),
	}
}

func signsOfAttacks() []attackSigns {
	few := math.Log1p(3)
	return []attackSigns{
		{traffic.CredentialStuffing, sign{qFailed, few}, []sign{{qFailed, 1}, {qFailedShare, .7}, {qRepeats, .3}, {qWon, .3}}},
		{traffic.DataScraping, sign{qObjects, math.Log1p(20)}, []sign{{qObjects, 1}, {qSequence, .7}, {qRepeats, .7}, {qRequests, .3}, {qNoAssets, .3}}},
		{traffic.APIAbuse, sign{qRequests, math.Log1p(20)}, []sign{{qLimited, 1}, {qPeak, .7}, {qRepeats, .7}, {qRate, .3}, {qWrites, .3}}},
		{traffic.Scanner, sign{qNotFound, few}, []sign{{qNotFound, 1}, {qTemplates, .5}, {qSurprise, .5}, {qServer, .3}}},
		{traffic.BrokenAuth, sign{qDenied, few}, []sign{{qDenied, 1}, {qSequence, .5}, {qSurprise, .3}}},
	}
}

// leastGroup is how many profiles of one kind of agent make tails of their own.
const leastGroup = 100

// outlyingWeight is that of the distance from all clusters beside about 2.5 of the
// signs of an attack; chosen on generated logs of seeds 11 to 14.
const outlyingWeight = 0.6

// tail is −log10 of the share of sorted values that are no less than v.
func tail(sorted []float64, v float64) float64 {
	at, _ := slices.BinarySearch(sorted, v)
	return -math.Log10((float64(len(sorted)-min(at, len(sorted)-1)) - 0.5) / float64(len(sorted)))
}

// BehaviorEvidence returns the evidence of each row of d. outlying is the distance
// of each from the clusters, larger = farther; nil = not known.
func BehaviorEvidence(d *BehaviorDataset, outlying []float64) []Evidence {
	n := d.X.Rows()
	rows := make([][numBehavior]float64, n)
	group := make([]int, n)
	size := [numAgents + 1]int{}
	for i := range rows {
		for j, c := range d.X.Cols {
			if rows[i][j] = float64(c[i]); c[i] != c[i] {
				rows[i][j] = 0 // what a log does not say is no evidence
			}
		}
		best := bAgentBrowser
		for j := bAgentBrowser; j <= bAgentNone; j++ {
			if rows[i][j] > rows[i][best] {
				best = j
			}
		}
		group[i] = best - bAgentBrowser
		size[group[i]]++
	}
	for i, g := range group {
		if size[g] < leastGroup {
			group[i] = numAgents // everybody
		}
	}
	qs := quantities()
	value := make([][numQuantities]float64, n)
	surprise := make([][numQuantities]float64, n)
	for q := range qs {
		tails := map[int][]float64{}
		for i := range rows {
			v := qs[q].of(&rows[i])
			value[i][q] = v
			tails[numAgents] = append(tails[numAgents], v)
			if group[i] != numAgents {
				tails[group[i]] = append(tails[group[i]], v)
			}
		}
		for _, t := range tails {
			slices.Sort(t)
		}
		for i := range rows {
			surprise[i][q] = tail(tails[group[i]], value[i][q])
		}
	}
	away := slices.Clone(outlying)
	slices.Sort(away)
	kinds := signsOfAttacks()
	out := make([]Evidence, n)
	for i := range out {
		e := &out[i]
		var by *attackSigns
		for k := range kinds {
			a := &kinds[k]
			if value[i][a.needs.quantity] < a.needs.weight {
				continue
			}
			sum, weights := 0.0, 0.0
			for _, s := range a.signs {
				sum += float64(s.weight * surprise[i][s.quantity])
				weights += s.weight
			}
			if s := sum / weights; s > e.Score {
				e.Score, e.Class, by = s, a.class.String(), a
			}
		}
		if by == nil {
			continue
		}
		if outlying != nil {
			e.Score = (e.Score + float64(outlyingWeight*tail(away, outlying[i]))) / (1 + outlyingWeight)
		}
		order := slices.Clone(by.signs)
		slices.SortStableFunc(order, func(a, b sign) int {
			switch x, y := a.weight*surprise[i][a.quantity], b.weight*surprise[i][b.quantity]; {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
		for _, s := range order[:min(3, len(order))] {
			if p := qs[s.quantity].phrase(&rows[i]); surprise[i][s.quantity] > 0.5 && !slices.Contains(e.Features, p) {
				e.Features = append(e.Features, p)
			}
		}
	}
	return out
}
