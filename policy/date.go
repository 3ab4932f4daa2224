package policy

import (
	"strconv"
	"strings"
	"time"
)

// parseDate reads a date as policies write it (rule 4.7): seconds since 1970, or
// ISO 8601 down to nanoseconds, where parts may be missing from the right. The
// zone is UTC unless said. The first year is that of AWS's implementation.
func parseDate(s string) (time.Time, bool) {
	if !strings.ContainsAny(s, "tT-") {
		if !digits(s) {
			return time.Time{}, false
		}
		n, err := strconv.ParseInt(s, 10, 64)
		return time.Unix(n, 0), err == nil
	}
	day, clock := s, ""
	if i := strings.IndexAny(s, "tT"); i >= 0 {
		day, clock = s[:i], s[i+1:]
	}
	year, month, dom, ok := parseDay(day)
	if !ok {
		return time.Time{}, false
	}
	clock, east, ok := cutZone(clock)
	if !ok {
		return time.Time{}, false
	}
	h, m, sec, nano, ok := parseClock(clock)
	if !ok {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), dom, h, m, sec, nano, time.UTC)
	return t.Add(-east), t.Day() == dom // else it was 30 February
}

// parseDay reads [-]year[-month[-day]].
func parseDay(s string) (year, month, day int, ok bool) {
	s, before := strings.CutPrefix(s, "-")
	y, rest, more := strings.Cut(s, "-")
	m, d := "1", "1"
	if more {
		m, rest, more = strings.Cut(rest, "-")
		if more {
			d = rest
		}
	}
	year, okY := field(y, 9, 0, 292278993)
	month, okM := field(m, 2, 1, 12)
	day, okD := field(d, 2, 1, 31)
	if before {
		year = -year
	}
	return year, month, day, okY && okM && okD && year >= -292275054
}

// parseClock reads [hour[:minute[:second[.fraction]]]].
func parseClock(s string) (hour, minute, second, nano int, ok bool) {
	if s == "" {
		return 0, 0, 0, 0, true
	}
	h, rest, more := strings.Cut(s, ":")
	m, sec, frac := "0", "0", "0"
	if more {
		m, rest, more = strings.Cut(rest, ":")
		if more {
			sec = rest
			if i := strings.IndexByte(rest, '.'); i >= 0 {
				sec, frac = rest[:i], rest[i+1:]
			}
		}
	}
	hour, okH := field(h, 2, 0, 23)
	minute, okM := field(m, 2, 0, 59)
	second, okS := field(sec, 2, 0, 59)
	nano, okN := field(frac, 9, 0, 999999999)
	for range 9 - len(frac) {
		nano *= 10
	}
	return hour, minute, second, nano, okH && okM && okS && okN
}

// cutZone takes Z, +hh, +hh:mm, -hh or -hh:mm off the end of a clock.
func cutZone(s string) (clock string, east time.Duration, ok bool) {
	if n := len(s); n > 0 && (s[n-1] == 'z' || s[n-1] == 'Z') {
		return s[:n-1], 0, true
	}
	i := strings.IndexAny(s, "+-")
	if i < 0 {
		return s, 0, true
	}
	h, m, more := strings.Cut(s[i+1:], ":")
	if !more {
		m = "00"
	}
	hours, okH := field(h, 2, 0, 23)
	minutes, okM := field(m, 2, 0, 59)
	east = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[i] == '-' {
		east = -east
	}
	return s[:i], east, okH && okM && len(h) == 2 && len(m) == 2
}

// field reads a number of at most width digits between low and high.
func field(s string, width, low, high int) (int, bool) {
	if len(s) > width || !digits(s) {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && low <= n && n <= high
}
