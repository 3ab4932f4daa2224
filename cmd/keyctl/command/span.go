package command

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// span is a flag of days: 30d, 30, 4w, or hours: 12h.
type span time.Duration

const day = 24 * time.Hour

func (s *span) String() string { return "" }
func (s *span) Type() string   { return "time" }

// Set makes span a flag.
func (s *span) Set(text string) error {
	units := []struct {
		suffix string
		unit   time.Duration
	}{{"h", time.Hour}, {"d", day}, {"w", 7 * day}, {"", day}}
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		// 16 bits hold every number that could be right, and no product overflows.
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || n == 0 {
			break
		}
		*s = span(time.Duration(n) * u.unit)
		return nil
	}
	return fmt.Errorf("must be hours, days or weeks, such as 12h, 30d or 4w")
}

// moment is a flag of a time: RFC 3339, or a date, which means its beginning in
// UTC.
type moment time.Time

func (m *moment) String() string { return "" }
func (m *moment) Type() string   { return "time" }

// Set makes moment a flag.
func (m *moment) Set(text string) error {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			*m = moment(t)
			return nil
		}
	}
	return fmt.Errorf("must be a time such as 2027-01-31T12:00:00Z, or a date such as 2027-01-31")
}
