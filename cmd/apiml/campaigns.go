package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"apiml/generate"
	"apiml/ingest"
	"apiml/model"
	"apiml/score"
	"apiml/traffic"
)

// campaignsCommand measures on generated traffic which campaigns score finds,
// beside the rules. It is for the Makefile: hidden.
func (a *app) campaignsCommand() *cobra.Command {
	var seeds, requests int
	var share float64
	var days int
	var missed bool
	cmd := &cobra.Command{
		Use:   "campaigns",
		Short: "Judge which campaigns of generated traffic are found (make campaigns)",
		Long: `Campaigns generates traffic of each profile with seeds that no model was fitted
on, scores it, and counts the campaigns of attacks that are found: five of their
requests are flagged, or half of a smaller one. The rules beside it may raise as
many false alarms (clients and days without an attack) as the models do; they are
sorted by their hits of the day.`,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.campaigns(seeds, missed, generate.Config{Seed: a.cfg.Seed + 70_000, Normal: requests - int(float64(requests)*share), Attacks: int(float64(requests) * share), Duration: time.Duration(days) * 24 * time.Hour})
		},
	}
	cmd.Flags().IntVar(&seeds, "seeds", 5, "seeds of each profile")
	cmd.Flags().IntVar(&requests, "requests", 200_000, "requests of each")
	cmd.Flags().Float64Var(&share, "attacks", 0.03, "share of attack requests")
	cmd.Flags().BoolVar(&missed, "missed", false, "list the campaigns of 50 requests or more that are not found, and the false incidents of their types")
	cmd.Flags().IntVar(&days, "days", 7, "days that they take")
	return cmd
}

// campaignRun is what became of one campaign.
type campaignRun struct {
	label    traffic.Label
	requests int
	flagged  map[string]int // by class
	byRule   map[string]int // hits by client and day

	profile    string
	target     string // of one of its first requests, as a template
	first, end int64
	clients    map[string]bool
}

// pace is the mean time between two of its requests.
func (c *campaignRun) pace() time.Duration {
	return time.Duration(c.end-c.first) * time.Microsecond / time.Duration(max(1, c.requests-1))
}

func (c *campaignRun) enough() int { return min(5, (c.requests+1)/2) }

func (c *campaignRun) found() bool {
	n := 0
	for _, k := range c.flagged {
		n += k
	}
	return n >= c.enough()
}

func (c *campaignRun) named() bool {
	return c.found() && c.flagged[c.label.String()] > 0 && c.flagged[c.label.String()] == slices.Max(values(c.flagged))
}

func values(m map[string]int) []int {
	var out []int
	for _, n := range m {
		out = append(out, n)
	}
	return out
}

// ruled reports whether the rules find the campaign if a client's day counts
// from so many hits on.
func (c *campaignRun) ruled(hits map[string]int, least int) bool {
	n := 0
	for day, k := range c.byRule {
		if hits[day] >= least {
			n += k
		}
	}
	return n >= c.enough()
}

func (a *app) campaigns(seeds int, missed bool, cfg generate.Config) error {
	var all []*campaignRun
	wrong := map[string]int{} // incidents without an attack, by class
	incidents := map[string]int{}
	hits, attacked := map[string]int{}, map[string]bool{} // by client and day: hits of rules, whether it attacks
	falseAlarms, benign := 0, 0
	var honest [][]string // incidents of these
	p := a.progress("campaigns", int64(seeds*len(generate.Profiles())))
	defer p.done()
	for i, profile := range generate.Profiles() {
		for seed := range seeds {
			p.set(int64(i*seeds + seed))
			one := cfg
			one.Seed, one.Profile = cfg.Seed+uint64(100*i+seed), profile
			runs, results, err := a.campaignTraffic(one)
			if err != nil {
				return err
			}
			type incident struct {
				class  map[string]int
				attack bool
				who    string
			}
			found := map[string]*incident{}
			for _, r := range results {
				day := fmt.Sprintf("%s/%d/%s/%s", profile, seed, r.day, r.principal)
				if r.run != nil {
					attacked[day] = true
				} else {
					benign++
				}
				if r.rules {
					hits[day]++
					if r.run != nil {
						r.run.byRule[day]++
					}
				}
				if r.incident == "" {
					continue
				}
				in := found[r.incident]
				if in == nil {
					in = &incident{class: map[string]int{}, who: r.who}
					found[r.incident] = in
				}
				in.class[r.class]++
				in.attack = in.attack || r.run != nil
				if r.run != nil {
					r.run.flagged[r.class]++
				}
			}
			for _, in := range found {
				class := ""
				for c, n := range in.class {
					if class == "" || n > in.class[class] || n == in.class[class] && c < class {
						class = c
					}
				}
				incidents[class]++
				if !in.attack {
					wrong[class]++
					falseAlarms++
					if missed && slices.ContainsFunc(conductTypes(), func(l traffic.Label) bool { return l.String() == class }) {
						honest = append(honest, []string{class, profile, strconv.Itoa(in.class[class]), in.who})
					}
				}
			}
			for _, r := range runs {
				r.profile = profile
				all = append(all, r)
			}
		}
	}
	p.done()
	var clean []int // hits of the clients' days without an attack
	for day, n := range hits {
		if !attacked[day] {
			clean = append(clean, n)
		}
	}
	slices.SortFunc(clean, func(x, y int) int { return cmp.Compare(y, x) })
	least := 1
	if falseAlarms < len(clean) {
		least = clean[falseAlarms] + 1
	}
	fmt.Fprintf(a.out, "%d weeks of generated traffic, %s requests each, %s of them attacks: %d campaigns, %d false incidents in %s benign requests; rules from %d hits a day on\n",
		seeds*len(generate.Profiles()), count(int64(cfg.Normal+cfg.Attacks)), percent(float64(cfg.Attacks)/float64(cfg.Normal+cfg.Attacks)), len(all), falseAlarms, count(int64(benign)), least)
	share := func(keep func(*campaignRun) bool, is func(*campaignRun) bool) string {
		n, k := 0, 0
		for _, r := range all {
			if keep(r) {
				n++
				if is(r) {
					k++
				}
			}
		}
		if n == 0 {
			return "–"
		}
		return fmt.Sprintf("%d of %d", k, n)
	}
	var rows [][]string
	for _, l := range traffic.Labels() {
		big := func(r *campaignRun) bool { return r.label == l && r.requests >= 50 }
		any := func(r *campaignRun) bool { return r.label == l }
		if l == traffic.None || share(any, (*campaignRun).found) == "–" {
			continue
		}
		ruled := func(r *campaignRun) bool { return r.ruled(hits, least) }
		rows = append(rows, []string{l.String(), share(any, (*campaignRun).found), share(any, ruled), share(big, (*campaignRun).found), share(big, (*campaignRun).named), share(big, ruled),
			strconv.Itoa(incidents[l.String()]), strconv.Itoa(wrong[l.String()])})
	}
	if err := table(a.out, []string{"type", ">found", ">by rules", ">of 50 requests or more", ">with its type", ">by rules", ">incidents", ">false"}, rows); err != nil {
		return err
	}
	bins := []int{1, 10, 20, 50, 100, 200, 1 << 30}
	head := []string{"found, by size"}
	for i := range len(bins) - 1 {
		if name := fmt.Sprintf(">%d–%d", bins[i], bins[i+1]-1); i+2 < len(bins) {
			head = append(head, name)
		} else {
			head = append(head, fmt.Sprintf(">from %d", bins[i]))
		}
	}
	rows = nil
	for _, l := range traffic.Labels() {
		row := []string{l.String()}
		for i := range len(bins) - 1 {
			row = append(row, share(func(r *campaignRun) bool { return r.label == l && r.requests >= bins[i] && r.requests < bins[i+1] }, (*campaignRun).found))
		}
		if slices.ContainsFunc(row[1:], func(s string) bool { return s != "–" }) && l != traffic.None {
			rows = append(rows, row)
		}
	}
	fmt.Fprintln(a.out)
	if err := table(a.out, head, rows); err != nil {
		return err
	}
	paces := []time.Duration{0, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, 1 << 62}
	rows = nil
	for _, l := range conductTypes() {
		row := []string{l.String()}
		for i := range len(paces) - 1 {
			row = append(row, share(func(r *campaignRun) bool {
				return r.label == l && r.requests >= 20 && r.pace() >= paces[i] && r.pace() < paces[i+1]
			}, (*campaignRun).found))
		}
		rows = append(rows, row)
	}
	fmt.Fprintln(a.out)
	if err := table(a.out, []string{"found, of 20 requests or more, by their mean distance", ">under 1 s", ">1–10 s", ">10–60 s", ">1–10 min", ">more"}, rows); err != nil || !missed {
		return err
	}
	rows = nil
	for _, r := range all {
		if r.requests >= 50 && !r.found() {
			rows = append(rows, []string{r.label.String(), r.profile, strconv.Itoa(r.requests), strconv.Itoa(len(r.clients)), time.Duration((r.end - r.first) * 1000).Round(time.Second).String(), shorten(r.target, 60)})
		}
	}
	fmt.Fprintln(a.out)
	if err := table(a.out, []string{"not found", "profile", ">requests", ">clients", ">in", "target"}, rows); err != nil {
		return err
	}
	slices.SortFunc(honest, slices.Compare)
	fmt.Fprintln(a.out)
	return table(a.out, []string{"false", "profile", ">flagged", "first request"}, honest)
}

// campaignResult is what became of one request.
type campaignResult struct {
	run                             *campaignRun // nil = benign
	rules                           bool
	principal, day, incident, class string
	who                             string // the request, for the list of false alarms
}

// campaignTraffic scores generated traffic, rendered as a combined log.
func (a *app) campaignTraffic(cfg generate.Config) (map[string]*campaignRun, []campaignResult, error) {
	runs := map[string]*campaignRun{}
	var of []*campaignRun
	var text []byte
	err := generate.Run(a.ctx, cfg, func(reqs []traffic.Request, campaigns []string) error {
		for i := range reqs {
			text = append(generate.AppendCombined(text, &reqs[i]), '\n')
			var run *campaignRun
			if reqs[i].Label.Attack() {
				if run = runs[campaigns[i]]; run == nil {
					run = &campaignRun{label: reqs[i].Label, flagged: map[string]int{}, byRule: map[string]int{}, clients: map[string]bool{}, first: reqs[i].Time}
					runs[campaigns[i]] = run
				}
				run.requests++
				run.clients[reqs[i].Client] = true
				if run.end = reqs[i].Time; run.requests <= 10 {
					run.target = reqs[i].Method + " " + traffic.Template(reqs[i].Method, reqs[i].Target)
				}
			}
			of = append(of, run)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	rd, err := ingest.Open("-", bytes.NewReader(text), ingest.Options{Format: "combined"})
	if err != nil {
		return nil, nil, err
	}
	defer rd.Close()
	attack, _, err := a.scoringModels("")
	if err != nil {
		return nil, nil, err
	}
	s, err := score.New(score.Config{
		State: attack.state, Attack: attack.model.(model.Classifier), Conduct: attack.conduct,
		Threshold: attack.threshold("attack", defaultThreshold), RateLimit: a.cfg.RateLimit,
	})
	if err != nil {
		return nil, nil, err
	}
	results := make([]campaignResult, 0, len(of))
	take := func(rs []score.Result) error {
		for i := range rs {
			r := &rs[i]
			results = append(results, campaignResult{of[r.Line-1], len(r.Rules) > 0, r.Principal, r.Time[:min(10, len(r.Time))], r.Incident, r.Class, shorten(r.Principal, 50) + " " + shorten(r.Target, 60)})
		}
		return nil
	}
	for {
		batch, err := rd.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		if err := s.Push(batch.Requests, take); err != nil {
			return nil, nil, err
		}
	}
	return runs, results, s.Flush(take)
}
