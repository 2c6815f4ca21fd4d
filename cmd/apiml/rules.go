package main

import (
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"apiml/ingest"
	"apiml/traffic"
)

// inputRules are what ingest and score do with every record before anything
// else sees it: whose address counts, which records count, what is masked.
type inputRules struct {
	since, until         string
	excludeIP            []string
	excludePath          []string
	realIPHeader         string
	trustedProxy         []string
	anonymizeIP, maskPII bool
	keyFile              string

	given func(flag string) bool // nil = no flags: the configuration only
	opt   ingest.Options         // made of these by prepareRules
}

// ruleFlags adds the flags. Those that are not given come from input.* of the
// configuration.
func (a *app) ruleFlags(cmd *cobra.Command) {
	f, r := cmd.Flags(), &a.rules
	f.StringVar(&r.since, "since", "", "only what is not older: RFC 3339, a date, today, yesterday, or -3h; relative to the newest record of the input")
	f.StringVar(&r.until, "until", "", "only what is older, in the same forms")
	f.StringArrayVar(&r.excludeIP, "exclude-ip", nil, "leave out the requests of this address or network (CIDR), repeatable")
	f.StringArrayVar(&r.excludePath, "exclude-path", nil, "leave out the requests for this path, repeatable; * is any text without /, a final /** all below")
	f.StringVar(&r.realIPHeader, "real-ip-header", "", "header that names the client behind a proxy (default X-Forwarded-For); with --trusted-proxy")
	f.StringArrayVar(&r.trustedProxy, "trusted-proxy", nil, "address or network (CIDR) of a proxy whose header counts, repeatable")
	f.BoolVar(&r.anonymizeIP, "anonymize-ip", false, "replace addresses by prefix-preserving pseudonyms; with --anonymize-key-file")
	f.StringVar(&r.keyFile, "anonymize-key-file", "", "file of the key for --anonymize-ip, made on first use with mode 0600")
	f.BoolVar(&r.maskPII, "redact-pii", false, "mask e-mail addresses and phone numbers in URLs too; they are counted in any case")
	pre := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		r.given = f.Changed
		a.rulesFromConfig(f.Changed)
		if pre != nil {
			return pre(cmd, args)
		}
		return nil
	}
}

// rulesFromConfig takes over what no flag has set.
func (a *app) rulesFromConfig(set func(flag string) bool) {
	r, c := &a.rules, a.cfg
	if !set("exclude-ip") {
		r.excludeIP = c.InputExcludeIP
	}
	if !set("exclude-path") {
		r.excludePath = c.InputExcludePath
	}
	if !set("real-ip-header") {
		r.realIPHeader = c.InputRealIPHeader
	}
	if !set("trusted-proxy") {
		r.trustedProxy = c.InputTrustedProxies
	}
	if !set("anonymize-ip") {
		r.anonymizeIP = c.InputAnonymizeIP
	}
	if !set("anonymize-key-file") {
		r.keyFile = c.InputAnonymizeKeyFile
	}
	if !set("redact-pii") {
		r.maskPII = c.InputRedactPII
	}
}

// prepareRules checks the rules and makes the reader's options of them. Times
// relative to the newest record need a first pass over the files.
func (a *app) prepareRules(paths []string, from string) (err error) {
	r := &a.rules
	if r.given == nil {
		a.rulesFromConfig(func(string) bool { return false })
	}
	o := &r.opt
	*o = ingest.Options{RedactPII: r.maskPII}
	if o.Select.ExcludeIP, err = prefixes("--exclude-ip", r.excludeIP); err != nil {
		return err
	}
	for _, p := range r.excludePath {
		if err := ingest.CheckPattern(p); err != nil {
			return usagef("--exclude-path: %v", err)
		}
	}
	o.Select.ExcludePath = r.excludePath
	proxies, err := prefixes("--trusted-proxy", r.trustedProxy)
	switch {
	case err != nil:
		return err
	case len(proxies) > 0:
		o.RealIP = &ingest.RealIP{Header: r.realIPHeader, Trusted: proxies}
	case r.realIPHeader != "":
		return usagef("--real-ip-header needs --trusted-proxy: a header that any client can send proves nothing")
	}
	switch {
	case r.anonymizeIP && r.keyFile == "":
		return usagef("--anonymize-ip needs --anonymize-key-file FILE: the same key gives the same pseudonyms every night")
	case r.anonymizeIP:
		key, created, err := ingest.KeyFile(r.keyFile)
		if err != nil {
			return withCode(exitUsage, err)
		}
		if created {
			a.sayf("%s: a new key; keep it to get the same pseudonyms again", r.keyFile)
		}
		if o.Anonymize, err = ingest.NewAnonymizer(key); err != nil {
			return withCode(exitUsage, err)
		}
	}
	var newest int64 // of no use to absolute times
	if relative(r.since) || relative(r.until) {
		if slices.Contains(paths, "-") {
			return usagef("--since and --until: give dates or times; standard input shows its newest record only at its end")
		}
		if newest, err = a.newestRecord(paths, from); err != nil {
			return err
		}
	}
	if o.Select.Since, err = windowTime("--since", r.since, newest); err != nil {
		return err
	}
	if o.Select.Until, err = windowTime("--until", r.until, newest); err != nil {
		return err
	}
	if o.Select.Since != 0 && o.Select.Until != 0 && o.Select.Since >= o.Select.Until {
		return usagef("--since %s is not before --until %s", r.since, r.until)
	}
	return nil
}

// storeRules checks the rules for a run over the store: its records were read
// under the rules of their ingest, only the window can be narrower.
func (a *app) storeRules() error {
	r := &a.rules
	a.flags.since, a.flags.until = r.since, r.until
	for _, flag := range []string{"exclude-ip", "exclude-path", "real-ip-header", "trusted-proxy", "anonymize-ip", "anonymize-key-file", "redact-pii"} {
		if r.given != nil && r.given(flag) {
			return usagef("--%s is for files; what is in the store was read under the rules of its `apiml ingest`", flag)
		}
	}
	return nil
}

func relative(text string) bool {
	return text == "today" || text == "yesterday" || strings.HasPrefix(text, "-")
}

// newestRecord is the time of the newest record of the files, microseconds UTC.
func (a *app) newestRecord(paths []string, from string) (int64, error) {
	_, newest, _, err := a.spanOf(paths, from)
	return newest, err
}

// spanOf reads the files once: the times of the oldest and the newest record,
// microseconds UTC or traffic.NoTime, and the number of records.
func (a *app) spanOf(paths []string, from string) (first, last, n int64, err error) {
	first, last = traffic.NoTime, traffic.NoTime
	for _, p := range paths {
		rd, err := a.openInput(p, from, true, ingest.Options{NoRaw: true})
		if err != nil {
			return 0, 0, 0, err
		}
		for err == nil {
			if err = a.ctx.Err(); err == nil {
				_, err = rd.Next()
			}
		}
		c := rd.Coverage()
		if first == traffic.NoTime || c.First != traffic.NoTime && c.First < first {
			first = c.First
		}
		last, n = max(last, c.Last), n+c.Parsed
		rd.Close()
		if !errors.Is(err, io.EOF) && !isInputError(err) {
			return 0, 0, 0, err
		}
	}
	return first, last, n, nil
}

// prefixes reads addresses and networks; an address is a network of one.
func prefixes(flag string, list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if ip, err := netip.ParseAddr(s); err == nil {
			ip = ip.Unmap()
			out = append(out, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, usagef("%s %q: want an address or a network such as 10.0.0.0/8", flag, s)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// apply puts the rules into options for a reader.
func (r *inputRules) apply(opt *ingest.Options) {
	opt.Select, opt.RealIP, opt.Anonymize, opt.RedactPII = r.opt.Select, r.opt.RealIP, r.opt.Anonymize, r.opt.RedactPII
}
