package generate

import (
	"strconv"
	"time"
	"unicode/utf8"

	"apiml/traffic"
)

const hexUpper = "0123456789ABCDEF"

// AppendCombined appends r as one line of NGINX's "combined" log format,
// without line end, and returns the extended slice. Text is escaped as NGINX
// does (`"`, `\`, controls and bytes above 126 become \xNN), so that whatever
// the fields hold the line stays one line with its columns. The truth is never
// in it.
func AppendCombined(dst []byte, r *traffic.Request) []byte {
	dst = appendColumn(dst, r.Client)
	dst = append(dst, " - "...)
	dst = appendColumn(dst, r.User)
	dst = append(dst, " ["...)
	if r.HasTime() {
		dst = r.When().AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, `] "`...)
	if r.Method == "" && r.Target == "" {
		dst = append(dst, '-')
	} else {
		dst = appendNginx(dst, r.Method, false)
		dst = append(dst, ' ')
		dst = appendNginx(dst, r.Target, false)
		if r.Protocol != "" {
			dst = append(dst, ' ')
			dst = appendNginx(dst, r.Protocol, false)
		}
	}
	dst = append(dst, `" `...)
	dst = appendStatus(dst, r.Status)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, max(r.BytesOut, 0), 10)
	dst = append(dst, ` "`...)
	dst = appendOrDash(dst, r.Referrer)
	dst = append(dst, `" "`...)
	dst = appendOrDash(dst, r.Agent)
	return append(dst, '"')
}

func appendStatus(dst []byte, s int32) []byte {
	if s < 0 || s > 999 {
		s = 0
	}
	return append(dst, byte('0'+s/100), byte('0'+s/10%10), byte('0'+s%10))
}

func appendOrDash(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, '-')
	}
	return appendNginx(dst, s, false)
}

// appendColumn writes a field that stands between blanks; NGINX knows no blank
// in an address, here it must not shift the columns either.
func appendColumn(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, '-')
	}
	return appendNginx(dst, s, true)
}

func appendNginx(dst []byte, s string, blank bool) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' || blank && c == ' ' {
			dst = append(dst, '\\', 'x', hexUpper[c>>4], hexUpper[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// AppendJSON appends r as one JSON object on one line, without line end, under
// the names of NGINX's variables. request_body, upstream_cache_status,
// http_x_forwarded_for and session_id are written only if r has them. A byte
// that is no UTF-8 becomes \u00NN. The truth is never in it.
func AppendJSON(dst []byte, r *traffic.Request) []byte {
	dst = append(dst, `{"time_iso8601":"`...)
	if r.HasTime() {
		dst = r.When().AppendFormat(dst, "2006-01-02T15:04:05-07:00")
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, '"')
	dst = appendField(dst, "remote_addr", r.Client)
	dst = appendField(dst, "remote_user", r.User)
	dst = appendField(dst, "request_method", r.Method)
	dst = appendField(dst, "request_uri", r.Target)
	dst = appendField(dst, "server_protocol", r.Protocol)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, `,"body_bytes_sent":`...)
	dst = strconv.AppendInt(dst, max(r.BytesOut, 0), 10)
	if r.Latency >= 0 {
		dst = append(dst, `,"request_time":`...)
		dst = strconv.AppendFloat(dst, r.Latency, 'f', 3, 64)
	}
	if r.BytesIn >= 0 {
		dst = append(dst, `,"request_length":`...)
		dst = strconv.AppendInt(dst, r.BytesIn, 10)
	}
	dst = appendField(dst, "http_referer", r.Referrer)
	dst = appendField(dst, "http_user_agent", r.Agent)
	dst = appendField(dst, "host", r.Host)
	if r.Forwarded != "" {
		dst = appendField(dst, "http_x_forwarded_for", r.Forwarded)
	}
	if r.Cache != "" {
		dst = appendField(dst, "upstream_cache_status", r.Cache)
	}
	if r.Session != "" {
		dst = appendField(dst, "session_id", r.Session)
	}
	if r.HasBody {
		dst = append(dst, `,"request_body":"`...)
		dst = appendJSONText(dst, r.Body)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, `":"`...)
	if value == "" {
		dst = append(dst, '-')
	} else {
		dst = appendJSONText(dst, value)
	}
	return append(dst, '"')
}

// appendJSONText escapes s for a JSON string. The line separators U+2028 and
// U+2029 are escaped too: some readers break lines there.
func appendJSONText(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c == '\n':
				dst = append(dst, '\\', 'n')
			case c == '\r':
				dst = append(dst, '\\', 'r')
			case c == '\t':
				dst = append(dst, '\\', 't')
			case c < 0x20 || c == 0x7f:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < 0xa0:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4&15], hex[r&15])
			if r == utf8.RuneError {
				dst[len(dst)-2], dst[len(dst)-1] = hex[c>>4], hex[c&15]
			}
		case r == 0x2028 || r == 0x2029:
			dst = append(dst, '\\', 'u', '2', '0', '2', hex[r&15])
		default:
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return dst
}

// CSVHeader returns the header line of the CSV schema, without line end: the
// ten columns of the schema, then those that this program adds.
func CSVHeader() string {
	return "timestamp,endpoint,method,ip_address,user_agent,response_time,status_code,payload_size,is_attack,attack_type," +
		"query,body,host,referrer,user_id,session_id,cache_status,bytes_out,protocol"
}

// AppendCSV appends r as one record under CSVHeader, quoted as in RFC 4180,
// without line end. Times are UTC, with a fraction only if there is one;
// response_time is seconds with three to six decimals; sizes and latencies that
// are unknown are empty; an unlabelled request is written as benign.
func AppendCSV(dst []byte, r *traffic.Request) []byte {
	path, query := traffic.SplitTarget(r.Target)
	if r.HasTime() {
		layout := "2006-01-02 15:04:05"
		if r.Time%int64(time.Second/time.Microsecond) != 0 {
			layout = "2006-01-02 15:04:05.000000"
		}
		dst = r.When().AppendFormat(dst, layout)
	}
	dst = appendCSVText(append(dst, ','), path)
	dst = appendCSVText(append(dst, ','), r.Method)
	dst = appendCSVText(append(dst, ','), r.Client)
	dst = appendCSVText(append(dst, ','), r.Agent)
	dst = append(dst, ',')
	if r.Latency >= 0 {
		dst = strconv.AppendFloat(dst, r.Latency, 'f', 6, 64)
		for i := 0; i < 3 && dst[len(dst)-1] == '0'; i++ {
			dst = dst[:len(dst)-1]
		}
	}
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, ',')
	dst = appendKnown(dst, r.BytesIn)
	dst = append(dst, ',')
	dst = appendTruth(dst, r.Label)
	dst = appendCSVText(append(dst, ','), query)
	dst = appendCSVText(append(dst, ','), r.Body)
	dst = appendCSVText(append(dst, ','), r.Host)
	dst = appendCSVText(append(dst, ','), r.Referrer)
	dst = appendCSVText(append(dst, ','), r.User)
	dst = appendCSVText(append(dst, ','), r.Session)
	dst = appendCSVText(append(dst, ','), r.Cache)
	dst = append(dst, ',')
	dst = appendKnown(dst, r.BytesOut)
	return appendCSVText(append(dst, ','), r.Protocol)
}

func appendKnown(dst []byte, n int64) []byte {
	if n < 0 {
		return dst
	}
	return strconv.AppendInt(dst, n, 10)
}

func appendTruth(dst []byte, l traffic.Label) []byte {
	if l.Attack() {
		return append(append(dst, "1,"...), l.String()...)
	}
	return append(dst, "0,None"...)
}

func appendCSVText(dst []byte, s string) []byte {
	quote := len(s) > 0 && (s[0] == ' ' || s[len(s)-1] == ' ')
	for i := 0; i < len(s) && !quote; i++ {
		c := s[i]
		quote = c == '"' || c == ',' || c == '\n' || c == '\r'
	}
	if !quote {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// TruthHeader returns the header line of the truth file, without line end.
func TruthHeader() string { return "line,is_attack,attack_type,campaign,client" }

// AppendTruth appends the truth about the request on the given line (from 1) of
// a log, without line end. campaign is the one that Run gave with it, "" for
// benign requests, client what Config.Clients had of it.
func AppendTruth(dst []byte, line int64, r *traffic.Request, campaign, client string) []byte {
	dst = strconv.AppendInt(dst, line, 10)
	dst = append(dst, ',')
	dst = appendTruth(dst, r.Label)
	dst = appendCSVText(append(dst, ','), campaign)
	return append(append(dst, ','), client...)
}
