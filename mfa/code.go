package mfa

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

const (
	stepSeconds = 30
	codeDigits  = 6
	codeModulus = 1_000_000 // 10 to the power of codeDigits
	// window is by how many steps a code may be early or late (RFC 6238, section
	// 5.2), of what is known of the device's clock.
	window = 1
	// reach is how far two consecutive codes are looked for, to find out how a
	// device's clock goes: a quarter of an hour. Two codes are guessed once in 10^12.
	reach = 30
	// maxDrift bounds what is learned in small steps; beyond it the device has to be
	// resynchronized.
	maxDrift = reach
)

// stepOf is the counter of RFC 6238, section 4.2.
func stepOf(t time.Time) int64 { return t.Unix() / stepSeconds }

// isCode reports whether text can be a code at all. What cannot is no guess.
func isCode(text string) bool {
	return len(text) == codeDigits && !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

// A shownCode is what a device shows in one step.
type shownCode struct {
	step int64
	text string
}

// codes computes in the token what a device shows from one step to another.
func (s *Service) codes(ctx context.Context, d *Device, from, to int64) ([]shownCode, error) {
	var all []shownCode
	for step := max(from, 0); step <= to; step++ {
		mac, err := s.Seeds.SeedMAC(ctx, d.Domain, d.Wrapped, binary.BigEndian.AppendUint64(nil, uint64(step)))
		if err != nil {
			return nil, fmt.Errorf("MFA device %s: %w", d.Serial(), err)
		}
		all = append(all, shownCode{step, truncate(mac)})
	}
	return all, nil
}

// truncate is the dynamic truncation of RFC 4226, section 5.3, to six digits.
func truncate(mac []byte) string {
	offset := mac[len(mac)-1] & 0xf
	n := binary.BigEndian.Uint32(mac[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", codeDigits, n%codeModulus)
}

// match finds the step, from one to another and after the last that was spent, in
// which all of given are shown one after the other. It looks at all codes, however
// soon it knows.
func match(all []shownCode, from, to, last int64, given ...string) (step int64, ok bool) {
	for i := range all {
		if i+len(given) > len(all) {
			break
		}
		same := 1
		for j, text := range given {
			same &= subtle.ConstantTimeCompare([]byte(all[i+j].text), []byte(text))
		}
		at := all[i].step
		if same == 1 && at >= from && at <= to && at > last {
			step, ok = at, true
		}
	}
	return step, ok
}
