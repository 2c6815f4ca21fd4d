package ingest

import (
	"math"
	"strconv"
	"strings"
)

const microsecond = 1_000_000 // per second

// epoch is the Unix time in seconds of a UTC calendar time (proleptic
// Gregorian; days from civil, H. Hinnant). ok is false if there is no such
// time; second 60 is a leap second and counts as the next minute's first.
func epoch(year, month, day, hour, minute, second int) (sec int64, ok bool) {
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 60 || hour < 0 || minute < 0 || second < 0 {
		return 0, false
	}
	y := year
	if month <= 2 {
		y--
	}
	era := y / 400
	yoe := y - era*400
	doy := (153*((month+9)%12)+2)/5 + day - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	days := int64(era)*146097 + int64(doe) - 719468
	return days*86400 + int64(hour*3600+minute*60+second), true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// num reads exactly the digits of s, -1 if there is anything else.
func num(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return -1
		}
		n = n*10 + int(c)
	}
	return n
}

// parseLogTime reads "17/May/2015:10:05:03 +0000", with an optional fraction
// behind the seconds, as µs UTC.
func parseLogTime(s string) (int64, bool) {
	if len(s) < 26 || s[2] != '/' || s[6] != '/' || s[11] != ':' || s[14] != ':' || s[17] != ':' {
		return 0, false
	}
	sec, ok := epoch(num(s[7:11]), monthNumber(s[3:6]), num(s[0:2]), num(s[12:14]), num(s[15:17]), num(s[18:20]))
	if !ok {
		return 0, false
	}
	rest := s[20:]
	var micros int64
	if rest[0] == '.' {
		n := 1
		for n < len(rest) && rest[n]-'0' <= 9 {
			n++
		}
		if micros, ok = fraction(rest[1:n]); !ok {
			return 0, false
		}
		rest = rest[n:]
	}
	if len(rest) < 4 || rest[0] != ' ' {
		return 0, false
	}
	off, ok := zone(rest[1:])
	return (sec-off)*microsecond + micros, ok
}

func monthNumber(s string) int {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for i := 0; i < len(names); i += 3 {
		if s == names[i:i+3] {
			return i/3 + 1
		}
	}
	return 0
}

// fraction reads the digits behind a decimal point as microseconds, cut off
// behind the sixth.
func fraction(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	v := int64(0)
	for i := 0; i < max(6, len(s)); i++ {
		d := byte(0)
		if i < len(s) {
			if d = s[i] - '0'; d > 9 {
				return 0, false
			}
		}
		if i < 6 {
			v = v*10 + int64(d)
		}
	}
	return v, true
}

// zone reads "+0330", "+03:30", "+03", "Z" as seconds east of UTC.
func zone(s string) (int64, bool) {
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) == 6 && s[3] == ':' {
		s = s[:3] + s[4:]
	}
	if len(s) == 3 {
		s += "00"
	}
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, m := num(s[1:3]), num(s[3:5])
	if h < 0 || h > 23 || m < 0 || m > 59 {
		return 0, false
	}
	off := int64(h*3600 + m*60)
	if s[0] == '-' {
		off = -off
	}
	return off, true
}

// parseISO reads "2024-01-15 10:30:45", "2024-01-15T10:30:45.123456+03:30" and
// what lies between, as µs UTC. Without a zone the time is UTC.
func parseISO(s string) (int64, bool) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != ' ' && s[10] != 'T' && s[10] != 't' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	sec, ok := epoch(num(s[0:4]), num(s[5:7]), num(s[8:10]), num(s[11:13]), num(s[14:16]), num(s[17:19]))
	if !ok {
		return 0, false
	}
	rest := s[19:]
	var micros int64
	if rest != "" && (rest[0] == '.' || rest[0] == ',') {
		n := 1
		for n < len(rest) && rest[n]-'0' <= 9 {
			n++
		}
		if micros, ok = fraction(rest[1:n]); !ok {
			return 0, false
		}
		rest = rest[n:]
	}
	rest = strings.TrimPrefix(rest, " ")
	if rest != "" && rest != "UTC" {
		off, ok := zone(rest)
		if !ok {
			return 0, false
		}
		sec -= off
	}
	return sec*microsecond + micros, true
}

// parseEpoch reads decimal seconds ("1523946306.123", NGINX's $msec) exactly,
// or whole milliseconds, microseconds or nanoseconds if the number is too large
// for seconds: 10¹¹ s is the year 5138.
func parseEpoch(s string) (int64, bool) {
	whole, frac, point := strings.Cut(s, ".")
	if whole == "" || len(whole) > 19 {
		return 0, false
	}
	n := int64(num(whole))
	if n < 0 {
		return 0, false
	}
	var micros int64
	if point {
		var ok bool
		if micros, ok = fraction(frac); !ok {
			return 0, false
		}
	}
	switch {
	case n < 1e11:
		return n*microsecond + micros, true
	case n < 1e14:
		return n*1000 + micros/1000, true
	case n < 1e17:
		return n, true
	}
	return n / 1000, true
}

// parseTime reads any of the forms above.
func parseTime(s string) (int64, bool) {
	if t, ok := parseISO(s); ok {
		return t, true
	}
	if t, ok := parseLogTime(s); ok {
		return t, true
	}
	if t, ok := parseCtime(s); ok {
		return t, true
	}
	return parseEpoch(s)
}

// parseCtime reads C's ctime, "Sun Mar 13 22:49:12 2016", as UTC.
func parseCtime(s string) (int64, bool) {
	if len(s) != 24 || s[3] != ' ' || s[7] != ' ' || s[10] != ' ' || s[13] != ':' || s[16] != ':' || s[19] != ' ' {
		return 0, false
	}
	sec, ok := epoch(num(s[20:24]), monthNumber(s[4:7]), num(strings.TrimLeft(s[8:10], " ")), num(s[11:13]), num(s[14:16]), num(s[17:19]))
	return sec * microsecond, ok
}

// parseSyslogTime reads "Mar 24 14:02:50" in the given year, as UTC, and how long
// it is.
func parseSyslogTime(s string, year int) (t int64, n int, ok bool) {
	if len(s) < 15 || s[3] != ' ' || s[6] != ' ' || s[9] != ':' || s[12] != ':' {
		return 0, 0, false
	}
	sec, ok := epoch(year, monthNumber(s[:3]), num(strings.TrimLeft(s[4:6], " ")), num(s[7:9]), num(s[10:12]), num(s[13:15]))
	return sec * microsecond, 15, ok
}

// parseClock12 reads CIC-IDS2017's "7/7/2017 3:56" and "03/07/2017 08:55:58":
// day first, 12-hour clock without AM or PM. Traffic was recorded in working
// hours, so that hours 1 to 6 are in the afternoon.
func parseClock12(s string) (int64, bool) {
	date, clock, ok := strings.Cut(s, " ")
	if !ok {
		return 0, false
	}
	day, rest, ok1 := strings.Cut(date, "/")
	month, year, ok2 := strings.Cut(rest, "/")
	hour, rest, ok3 := strings.Cut(clock, ":")
	minute, second, withSeconds := strings.Cut(rest, ":")
	if !ok1 || !ok2 || !ok3 || len(year) != 4 {
		return 0, false
	}
	short := func(s string) int {
		if s == "" || len(s) > 2 {
			return -1
		}
		return num(s)
	}
	sec := 0
	if withSeconds {
		sec = short(second)
	}
	h := short(hour)
	if h >= 1 && h <= 6 {
		h += 12
	}
	t, ok := epoch(num(year), short(month), short(day), h, short(minute), sec)
	return t * microsecond, ok
}

// parseSeconds reads a duration; -1 for unknown ("", "-", "-1"). ok is false
// for anything that is no duration.
func parseSeconds(s string) (float64, bool) {
	if unknown(s) {
		return -1, true
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) {
		return -1, false
	}
	if math.IsNaN(v) || v == -1 {
		return -1, true
	}
	return v, v >= 0
}

// parseCount reads a number of bytes or a status; -1 for unknown. Exports of
// data frames write 200.0.
func parseCount(s string) (int64, bool) {
	if unknown(s) {
		return -1, true
	}
	s = strings.TrimSuffix(s, ".0")
	if s == "" || len(s) > 18 {
		return -1, false
	}
	n := int64(num(s))
	return n, n >= 0
}

func unknown(s string) bool {
	switch s {
	case "", "-", "-1", "nan", "NaN", "null", "None":
		return true
	}
	return false
}

// validTime keeps times inside what every consumer can print.
func validTime(t int64) bool {
	return t >= -62135596800*microsecond && t <= 253402300799*microsecond
}
