package mfa

import (
	"context"
	"crypto"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

const (
	// window is by how many steps a code may be early or late (RFC 6238, section
	// 5.2), of what is known of the device's clock.
	window = 1
	// reach is how far two consecutive codes are looked for, to find out how a
	// device's clock goes: a quarter of an hour. Two codes are guessed once in 10^10.
	reach = 30
	// maxLearned is by how many steps single codes move what two consecutive ones have
	// shown of a device's clock. See spend.
	maxLearned = 1
	// lookAhead is how many codes of a counter may have been made and not used (RFC
	// 4226, section 7.4), and resyncAhead the same for two consecutive ones.
	lookAhead   = 10
	resyncAhead = 100
)

// Algorithms of codes.
const (
	SHA1   = "SHA1"
	SHA256 = "SHA256"
	SHA512 = "SHA512"
)

var hashes = map[string]crypto.Hash{SHA1: crypto.SHA1, SHA256: crypto.SHA256, SHA512: crypto.SHA512}

// modulus is 10 to the power of the digits that a code may have.
var modulus = map[int]uint32{6: 1e6, 8: 1e8}

// hash is that of the codes.
func (o OATH) hash() crypto.Hash { return hashes[o.Algorithm] }

// step is the counter of RFC 6238, section 4.2.
func (o OATH) step(t time.Time) int64 { return t.Unix() / int64(o.Period) }

// isCode reports whether text can be a code of any device. What cannot is no guess.
func isCode(text string) bool {
	return modulus[len(text)] != 0 && !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

// A span is steps or counters, from one to another.
type span struct{ from, to int64 }

// near is where a code of the device is looked for.
func (d *Device) near(now time.Time) span {
	if d.Kind() == TypeHOTP {
		return span{d.Last + 1, d.Last + 1 + lookAhead}
	}
	center := d.Codes().step(now) + d.Drift + d.Learned
	return span{center - window, center + window}
}

// far is where the first of two consecutive codes is looked for.
func (d *Device) far(now time.Time) span {
	if d.Kind() == TypeHOTP {
		return span{d.Last + 1, d.Last + resyncAhead}
	}
	center := d.Codes().step(now)
	return span{center - reach, center + reach}
}

// ahead is by how many steps a device that shows the code of a step is ahead.
func (d *Device) ahead(step int64, now time.Time) int64 {
	if d.Kind() == TypeHOTP {
		return 0 // counters know no time
	}
	return step - d.Codes().step(now)
}

// spend notes that the code of a step or counter was used, and how the device's
// clock goes: RFC 6238, section 6, lets a validator record the drift that it sees.
//
// A code that comes late looks like a clock that is behind. So what single codes
// teach stays within a step of the drift that two consecutive ones have shown, and
// within the window around it: a chain of old codes, each late by a step more, ends
// at the second, and a code that is as prompt as those two were is always good. A
// device whose clock goes wrong slowly is followed until it is two steps off; then
// it has to be resynchronized, from where it is followed again.
func (d *Device) spend(step int64, now time.Time) {
	d.Last = step
	if d.Kind() != TypeHOTP {
		d.Learned = max(-maxLearned, min(d.ahead(step, now)-d.Drift, maxLearned))
	}
}

// A shownCode is what a device shows in one step, or for one counter.
type shownCode struct {
	step int64
	text string
}

// codes computes in the token what a device shows in a span.
func (s *Service) codes(ctx context.Context, d *Device, in span) ([]shownCode, error) {
	var all []shownCode
	o := d.Codes()
	for step := max(in.from, 0); step <= in.to; step++ {
		mac, err := s.Seeds.SeedMAC(ctx, o.hash(), d.Domain, d.Wrapped, binary.BigEndian.AppendUint64(nil, uint64(step)))
		if err != nil {
			return nil, fmt.Errorf("MFA device %s: %w", d.Serial(), err)
		}
		all = append(all, shownCode{step, truncate(mac, o.Digits)})
	}
	return all, nil
}

// truncate is the dynamic truncation of RFC 4226, section 5.3.
func truncate(mac []byte, digits int) string {
	offset := mac[len(mac)-1] & 0xf
	n := binary.BigEndian.Uint32(mac[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", digits, n%modulus[digits])
}

// match finds the step, in a span and after the last that was spent, from which on
// all of given are shown one after the other. It looks at all codes, however soon
// it knows.
func match(all []shownCode, in span, last int64, given ...string) (step int64, ok bool) {
	for i := range all {
		if i+len(given) > len(all) {
			break
		}
		same := 1
		for j, text := range given {
			same &= subtle.ConstantTimeCompare([]byte(all[i+j].text), []byte(text))
		}
		at := all[i].step
		if same == 1 && at >= in.from && at <= in.to && at > last {
			step, ok = at, true
		}
	}
	return step, ok
}
