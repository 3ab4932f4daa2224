package api

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// ErrTimestamp: the text is no timestamp, or one outside the years 1 to 9999.
var ErrTimestamp = errors.New("timestamp unreadable")

// The seconds since 1970 at which the years 1 and 10000 begin.
const (
	minEpoch = -62135596800
	maxEpoch = 253402300800
)

// Timestamp is a moment as AWS sends it, to the millisecond: in JSON the
// seconds since 1970 as a number (1700000000.123), in query responses ISO 8601
// in UTC.
type Timestamp struct{ time.Time }

// At returns t as a timestamp, cut to the millisecond.
func At(t time.Time) *Timestamp {
	return &Timestamp{t.UTC().Truncate(time.Millisecond)}
}

// ParseEpoch reads seconds since 1970, with a fraction or an exponent as JSON
// numbers may have them, rounded to the millisecond. It refuses with
// ErrTimestamp what is no number or lies outside the years 1 to 9999.
func ParseEpoch(s string) (Timestamp, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= minEpoch && f < maxEpoch) {
		return Timestamp{}, ErrTimestamp
	}
	return Timestamp{time.UnixMilli(int64(math.Round(f * 1000))).UTC()}, nil
}

// ParseISO reads ISO 8601 as RFC 3339 restricts it, in any zone. It refuses
// anything else with ErrTimestamp.
func ParseISO(s string) (Timestamp, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Unix() < minEpoch || t.Unix() >= maxEpoch {
		return Timestamp{}, ErrTimestamp
	}
	return *At(t), nil
}

// AppendEpoch appends the seconds since 1970, with as many of three decimals as
// are not zero.
func (t Timestamp) AppendEpoch(b []byte) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	frac := ms % 1000
	if frac == 0 {
		return b
	}
	b = append(b, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// AppendISO appends ISO 8601 in UTC, with milliseconds where there are any.
func (t Timestamp) AppendISO(b []byte) []byte {
	return t.UTC().AppendFormat(b, "2006-01-02T15:04:05.999Z07:00")
}

// MarshalJSON writes the seconds since 1970, as AWS JSON 1.1 does.
func (t Timestamp) MarshalJSON() ([]byte, error) { return t.AppendEpoch(nil), nil }

// UnmarshalJSON reads the seconds since 1970; ErrTimestamp when they are none.
func (t *Timestamp) UnmarshalJSON(b []byte) (err error) {
	*t, err = ParseEpoch(string(b))
	return err
}
