// Package generate makes synthetic API traffic with its ground truth: requests
// of people, apps, partners, crawlers and probes to one shop, and attack
// campaigns hidden among them.
//
// It does not read logs, does not send anything, and knows nothing of features
// or models. It is used in this order:
//
//	cfg := generate.Config{Seed: 1, Normal: 40000, Attacks: 10000}
//	err := generate.Run(ctx, cfg, func(reqs []traffic.Request, campaigns []string) error {
//		for i := range reqs {
//			line = generate.AppendCombined(line[:0], &reqs[i])
//			…
//		}
//		return nil
//	})
//
// The models that are built into the program are trained on this traffic. An
// attack must therefore not be recognisable by a field that only the generator
// would write: attackers take address prefix, agent, protocol, habit of
// sending a referrer, host, session and account, and the operations that they
// attack, from the benign requests around them, and the service answers them by
// the same rules. What tells an attack is what it sends and how often.
package generate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"apiml/traffic"
)

// DefaultStart is where a log begins if Config.Start is 0: Monday 2026-03-02
// 00:00:00 UTC, in microseconds since 1970.
const DefaultStart int64 = 1772409600 * 1e6

// Version names the generator. It changes with what is generated, so that a
// model says which traffic it was fitted on.
const Version = "generator 5"

// Config says what Run makes. The zero value is an empty log.
type Config struct {
	Seed uint64 // same configuration, same bytes

	Normal  int // number of benign requests, exact
	Attacks int // number of attack requests, exact

	// Start is the time before which nothing is logged, in microseconds since
	// 1970 UTC; 0 = DefaultStart.
	Start int64

	// Duration is about how long the log is; 0 = 2 days for 50,000 requests,
	// growing with the square root of the number of requests, 28 days at most.
	Duration time.Duration

	// Campaigns is the number of attack campaigns; 0 = about one per 70 attack
	// requests. It is raised to one per attack type and lowered to one per
	// attack request.
	Campaigns int

	// Profile is the service, one of Profiles; "" = "shop". Spec is the user's own
	// in its place: an OpenAPI 3 document (YAML or JSON), SpecName what errors
	// call it.
	Profile  string
	Spec     []byte
	SpecName string

	// Vary renames the paths and parameters of a profile by the seed: the same
	// kind of service at another company.
	Vary bool

	// Hard is the share of the benign requests of pages and calls (not of files), in
	// [0,1], that carry honest text which looks like an attack: code, queries of
	// consoles, passwords, markup. It stands where attacks stand. 0 leaves what the
	// profile has of itself.
	Hard float64

	// Clients, if not nil, holds while emit runs what sent each of its requests:
	// browser, app, partner, crawler, monitor, script, or attacker for all that has
	// a campaign.
	Clients *[]string

	// Types are the attack types to make; nil = all of Types. Their shares keep
	// the proportions of Share.
	Types []traffic.Label
}

// typeShare is the default share of each attack type among the attack
// requests, and the median number of requests in one of its campaigns.
type typeShare struct {
	label    traffic.Label
	share    float64
	requests float64
}

func typeShares() []typeShare {
	return []typeShare{
		{traffic.SQLInjection, .15, 25},
		{traffic.XSS, .12, 20},
		{traffic.PathTraversal, .10, 18},
		{traffic.CommandInjection, .12, 18},
		{traffic.CredentialStuffing, .11, 80},
		{traffic.DDoS, .09, 250},
		{traffic.DataScraping, .09, 150},
		{traffic.BrokenAuth, .06, 25},
		{traffic.APIAbuse, .05, 80},
		{traffic.Scanner, .05, 35},
		{traffic.OtherAttack, .06, 14},
	}
}

// Types returns the attack types that Run can make, in table order.
func Types() []traffic.Label {
	var out []traffic.Label
	for _, s := range typeShares() {
		out = append(out, s.label)
	}
	return out
}

// Share returns the default share of an attack type among the attack requests,
// in [0,1]; 0 for what is not in Types.
func Share(l traffic.Label) float64 {
	for _, s := range typeShares() {
		if s.label == l {
			return s.share
		}
	}
	return 0
}

func (c *Config) validate() error {
	if c.Normal < 0 || c.Attacks < 0 {
		return fmt.Errorf("generate: %d normal and %d attack requests: must not be negative", c.Normal, c.Attacks)
	}
	if c.Duration < 0 || c.Campaigns < 0 {
		return fmt.Errorf("generate: duration %v, campaigns %d: must not be negative", c.Duration, c.Campaigns)
	}
	if !(c.Hard >= 0 && c.Hard <= 1) {
		return fmt.Errorf("generate: hard %v: want a share from 0 to 1", c.Hard)
	}
	for _, l := range c.Types {
		if Share(l) == 0 {
			return fmt.Errorf("generate: unknown attack type %q", l)
		}
	}
	if c.Profile == "" {
		c.Profile = "shop"
	}
	if c.Duration == 0 {
		days := 2 * math.Sqrt(float64(c.Normal+c.Attacks)/50000)
		days = min(max(days, 1./24), 28)
		c.Duration = time.Duration(days*24*60) * time.Minute
	}
	if c.Start == 0 {
		c.Start = DefaultStart
	}
	// Four centuries are enough, and keep every time inside an int64 of
	// nanoseconds and inside the four-digit years of the log formats.
	if c.Start < -2e15*4 || c.Start > 8e15 || c.Duration > 36500*24*time.Hour {
		return fmt.Errorf("generate: start %d µs with duration %v is out of range", c.Start, c.Duration)
	}
	if len(c.Types) == 0 {
		c.Types = Types()
	}
	return nil
}

// Run makes cfg.Normal benign and cfg.Attacks attack requests and hands them to
// emit in time order, some thousands at a time. Each request carries its label;
// File, Line and Raw are empty. Time is when the response was complete, BytesIn
// the whole request with its header (NGINX's $request_length). campaigns is
// parallel to reqs: the id of the attack campaign, "" for honest clients. What an
// attacker asks like anybody else is labelled benign and carries its campaign.
//
// Both slices are reused after emit returns; the strings stay valid. Run uses
// one goroutine and memory that does not grow with the number of requests,
// other than a few bytes per client and campaign. It ends with the first error
// of emit, or with ctx.Err().
func Run(ctx context.Context, cfg Config, emit func(reqs []traffic.Request, campaigns []string) error) error {
	cfg.Types = slices.Clone(cfg.Types)
	if err := cfg.validate(); err != nil {
		return err
	}
	g, err := newGenerator(ctx, &cfg, emit)
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	if todo := plan(&cfg, &g.clock); len(todo) > 0 {
		g.push(todo[0].start, &planner{todo, cfg.Start + cfg.Duration.Microseconds()})
	}
	return g.run(cfg.Start)
}
