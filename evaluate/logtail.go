package evaluate

import (
	"math"
	"slices"
)

// LogTail is the upper tail of the scores of clean requests as it shows in a log
// of which nobody knows what in it is an attack. The excesses of the log-odds
// over their 95 % quantile are taken as exponential (peaks over threshold:
// Pickands 1975, "Statistical Inference Using Extreme Order Statistics", with
// shape 0). Of those beyond the 99 % quantile it counts only that they are
// beyond, not how far (maximum likelihood under censoring): attacks stand there,
// and as long as they are less than a hundredth of what is looked at they move
// the tail little, however high they score.
//
// What is looked at are the first requests of each client (TailSample), so that
// one loud client does not stand for the traffic. Clients, not requests, are what
// the interval counts: requests of one client look alike.
type LogTail struct {
	Requests int64   // looked at
	Clients  int64   // of which they are
	Beyond   int64   // clients with a request over Start
	Start    float64 // log-odds over which the tail begins
	Share    float64 // of the requests at or over Start
	Mean     float64 // of the excesses over Start, in log-odds
	rest     []float64
}

const (
	tailStart  = 0.95
	tailCensor = 0.99
	// What a tail is made of at least.
	tailRequests = 1000
	tailClients  = 30 // over Start

	sampleRequests = 30      // of each client
	sampleClients  = 1 << 16 // beyond, every other client is left out, then again
)

// TailSample collects the scores behind a LogTail. It takes about 10 MB at most.
// The zero value is ready for use; it is not for concurrent use.
type TailSample struct {
	clients map[uint64]*clientScores
	level   uint // clients whose hash ends in that many zeros are kept
	nobody  uint64
}

type clientScores struct {
	n      uint8
	scores [sampleRequests]float32 // log-odds
}

// Add takes the score, a probability, of a request of a client (a hash; 0: of
// nobody, which counts as a client of its own).
func (s *TailSample) Add(client uint64, p float64) {
	if client == 0 {
		s.nobody++
		client = s.nobody
	}
	client *= 0x9E3779B97F4A7C15 // the hash may be poor in its lower bits
	client ^= client >> 32
	if client&(1<<s.level-1) != 0 {
		return
	}
	c := s.clients[client]
	if c == nil {
		if s.clients == nil {
			s.clients = map[uint64]*clientScores{}
		}
		c = &clientScores{}
		s.clients[client] = c
		if len(s.clients) > sampleClients {
			s.level++
			for k := range s.clients {
				if k&(1<<s.level-1) != 0 {
					delete(s.clients, k)
				}
			}
		}
	}
	if c.n < sampleRequests {
		c.scores[c.n] = float32(logit(p))
		c.n++
	}
}

// Share is the share of the collected requests at or over a probability.
func (s *TailSample) Share(threshold float64) float64 {
	t := float32(logit(threshold))
	n, over := 0, 0
	for _, c := range s.clients {
		n += int(c.n)
		for _, v := range c.scores[:c.n] {
			if v >= t {
				over++
			}
		}
	}
	return float64(over) / float64(max(n, 1))
}

// Tail fits the tail. ok is false if there is too little to see it in: fewer than
// 1,000 requests or 30 clients over its beginning, or no difference between its
// scores.
func (s *TailSample) Tail() (t LogTail, ok bool) {
	var all []float64
	for _, c := range s.clients {
		for _, v := range c.scores[:c.n] {
			all = append(all, float64(v))
		}
	}
	t.Requests, t.Clients = int64(len(all)), int64(len(s.clients))
	if len(all) < tailRequests {
		return t, false
	}
	slices.Sort(all)
	from := int(tailStart * float64(len(all)))
	t.Start = all[from]
	from, _ = slices.BinarySearch(all, t.Start) // with all that are equal
	end := all[int(tailCensor*float64(len(all)))]
	sum, seen := 0.0, 0
	for _, v := range all[from:] {
		sum += min(v, end) - t.Start
		if v < end {
			seen++
		}
	}
	for _, c := range s.clients {
		if float64(slices.Max(c.scores[:max(c.n, 1)])) >= t.Start {
			t.Beyond++
		}
	}
	t.Share = float64(len(all)-from) / float64(len(all))
	t.rest = all[:from]
	if seen == 0 || sum <= 0 || t.Beyond < tailClients {
		return t, false
	}
	t.Mean = sum / float64(seen)
	return t, true
}

// FPR is the share of clean requests that score at or over a probability, with a
// 95 % interval from the number of clients behind the tail.
func (t LogTail) FPR(threshold float64) (fpr float64, ci Interval) {
	v := logit(threshold)
	if v < t.Start {
		at, _ := slices.BinarySearch(t.rest, v)
		k := t.Requests - int64(at)
		return float64(k) / float64(t.Requests), Wilson(k, t.Requests)
	}
	// The mean of n exponential excesses is known to a factor of exp(±z/√n), the
	// share of what is over Start to that of its clients.
	spread := math.Exp(z95 / math.Sqrt(float64(t.Beyond)))
	share := Wilson(int64(math.Round(t.Share*float64(t.Clients))), t.Clients)
	at := func(share, mean float64) float64 { return share * math.Exp(-(v-t.Start)/mean) }
	return at(t.Share, t.Mean), Interval{at(share.Lo, t.Mean/spread), at(share.Hi, t.Mean*spread)}
}

// Threshold is the lowest probability at which a share of at most rate of the
// clean requests is flagged; rate is in (0,1).
func (t LogTail) Threshold(rate float64) float64 {
	if rate >= t.Share {
		at := int(math.Ceil((1 - rate) * float64(t.Requests)))
		return above(expit(t.rest[min(max(at-1, 0), len(t.rest)-1)]))
	}
	return min(expit(t.Start+float64(t.Mean*math.Log(t.Share/rate))), above(1-1e-9))
}

func expit(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
