package ingest

import (
	"fmt"
	"slices"
	"strings"

	"apiml/traffic"
)

// The CSV schema of apiml:
//
//	timestamp,endpoint,method,ip_address,user_agent,response_time,status_code,payload_size,is_attack,attack_type
//
// and further columns, in any order.

func apimlCSVFormat() format {
	return format{
		FormatInfo: FormatInfo{"apiml-csv", "apiml CSV rows",
			"timestamp,endpoint,method,ip_address,user_agent,response_time,status_code,payload_size,is_attack,attack_type and optional columns"},
		open: openAPIMLCSV,
	}
}

type apimlColumn uint8

const (
	colIgnored apimlColumn = iota
	colTimestamp
	colEndpoint
	colMethod
	colAddress
	colAgent
	colResponseTime
	colStatus
	colPayloadSize
	colIsAttack
	colAttackType
	colQuery
	colBody
	colHost
	colReferrer
	colUser
	colSession
	colCache
	colBytesOut
	colProtocol
	colForwarded
)

// apimlColumns are the names by column; the first ten are the schema.
func apimlColumns() []string {
	return []string{
		"", "timestamp", "endpoint", "method", "ip_address", "user_agent", "response_time", "status_code",
		"payload_size", "is_attack", "attack_type", "query", "body", "host", "referrer", "user_id",
		"session_id", "cache_status", "bytes_out", "protocol", "forwarded_for",
	}
}

type apimlCSV struct {
	header  string
	columns []apimlColumn
	fields  []string
	arena   arena
}

func openAPIMLCSV(head string, _ *Options) (*decoder, error) {
	names, line := header(head)
	d := &apimlCSV{header: line}
	known, found := apimlColumns(), 0
	seen := map[apimlColumn]bool{}
	for _, n := range names {
		col := apimlColumn(max(slices.Index(known, n), 0))
		if seen[col] {
			col = colIgnored // the first of two equal names counts
		}
		seen[col] = true
		if col >= colTimestamp && col <= colAttackType {
			found++
		}
		d.columns = append(d.columns, col)
	}
	for _, need := range []apimlColumn{colTimestamp, colEndpoint, colMethod} {
		if !seen[need] {
			if found >= 5 {
				return nil, &nearMiss{fmt.Sprintf("the header resembles the apiml CSV schema but has no column %q", known[need])}
			}
			return nil, fmt.Errorf("the header has no column %q", known[need])
		}
	}
	return &decoder{
		split:   splitRow(len(names)),
		request: d.request,
		doubles: true,
		sure:    fmt.Sprintf("the header names %d of the 10 columns of the apiml CSV schema", found),
	}, nil
}

func (d *apimlCSV) request(s string, q *traffic.Request) string {
	var verdict string
	if d.fields, verdict = row(s, d.header, d.fields, len(d.columns)); verdict != "" {
		return verdict
	}
	var query, isAttack, attackType string
	labelled := false
	for i, col := range d.columns {
		f := d.fields[i]
		ok := true
		switch col {
		case colTimestamp:
			if f = strings.TrimSpace(f); !unknown(f) {
				q.Time, ok = parseTime(f)
				ok = ok && validTime(q.Time)
			}
		case colEndpoint:
			q.Target = f
		case colMethod:
			q.Method = undash(f)
		case colAddress:
			q.Client = undash(f)
		case colAgent:
			q.Agent = undash(f)
		case colResponseTime:
			q.Latency, ok = parseSeconds(strings.TrimSpace(f))
		case colStatus:
			var n int64
			n, ok = parseCount(strings.TrimSpace(f))
			ok = ok && n <= 999
			q.Status = int32(max(n, 0))
		case colPayloadSize:
			q.BytesIn, ok = parseCount(strings.TrimSpace(f))
		case colBytesOut:
			q.BytesOut, ok = parseCount(strings.TrimSpace(f))
		case colIsAttack:
			isAttack, labelled = strings.TrimSpace(f), true
		case colAttackType:
			attackType, labelled = strings.TrimSpace(f), true
		case colQuery:
			query = undash(f)
		case colBody:
			q.Body = undash(f)
			q.HasBody = q.Body != ""
		case colHost:
			q.Host = undash(f)
		case colReferrer:
			q.Referrer = undash(f)
		case colUser:
			q.User = undash(f)
		case colSession:
			q.Session = undash(f)
		case colCache:
			q.Cache = undash(f)
		case colProtocol:
			q.Protocol = undash(f)
		case colForwarded:
			q.Forwarded = undash(f)
		}
		if !ok {
			return apimlColumns()[col] + " is not valid"
		}
	}
	if query != "" {
		q.Target = d.arena.join(q.Target, "?", strings.TrimPrefix(query, "?"))
	}
	if !labelled {
		return ""
	}
	return apimlLabel(isAttack, attackType, q)
}

// apimlLabel sets the label from the two columns. An attack without a type is
// other_attack; both empty is no label; a type in a benign row is a
// contradiction, and no guess is made.
func apimlLabel(isAttack, attackType string, q *traffic.Request) string {
	typ := traffic.Unlabelled
	if attackType != "" {
		var err error
		if typ, err = traffic.ParseLabel(strings.ToLower(attackType)); err != nil {
			return "unknown attack_type"
		}
	}
	switch strings.ToLower(isAttack) {
	case "1", "true", "1.0", "yes":
		if !typ.Attack() {
			typ = traffic.OtherAttack
		}
	case "0", "false", "0.0", "no":
		if typ.Attack() {
			return "is_attack says no, attack_type says " + typ.String()
		}
		typ = traffic.None
	case "":
	default:
		return "is_attack is neither 0 nor 1"
	}
	q.Label = typ
	return ""
}
