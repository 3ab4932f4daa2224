package pivtest

import (
	"bytes"
	"crypto/subtle"
)

// How long a PIN and PUK are, and what fills the rest of the eight bytes that
// stand for one.
const (
	secretSize = 8
	secretMin  = 6
	padding    = 0xff
)

// The references under which commands name the PIN and the PUK.
const (
	referencePIN = 0x80
	referencePUK = 0x81
)

// secret is a PIN or PUK with its count of tries.
type secret struct {
	value [secretSize]byte
	limit int // tries after a success
	left  int // tries now; 0 means blocked
}

func newSecret(text string, limit int) secret {
	s := secret{limit: limit, left: limit}
	copy(s.value[:], bytes.Repeat([]byte{padding}, secretSize))
	copy(s.value[:], text)
	return s
}

// String returns the secret as a person types it: a fixture has none to hide.
func (s secret) String() string {
	return string(bytes.TrimRight(s.value[:], string([]byte{padding})))
}

// check compares given, counting the try before it looks, as a card must whose
// power can be cut between the two.
func (s *secret) check(given []byte) status {
	if s.left == 0 {
		return statusBlocked
	}
	s.left--
	if subtle.ConstantTimeCompare(s.value[:], given) == 0 {
		return tries(s.left)
	}
	s.left = s.limit
	return statusOK
}

// set replaces the value, if it has the form of one.
func (s *secret) set(given []byte) status {
	body := bytes.TrimRight(given, string([]byte{padding}))
	if len(given) != secretSize || len(body) < secretMin || bytes.IndexByte(body, padding) >= 0 {
		return statusData
	}
	copy(s.value[:], given)
	s.left = s.limit
	return statusOK
}

// verify compares a PIN, or tells without data how things stand, or with the
// first parameter 0xff forgets that it was shown (SP 800-73-4 part 2, 3.2.1).
func (c *Card) verify(cmd command) ([]byte, status) {
	switch {
	case cmd.p2 != referencePIN:
		return nil, statusNoReference
	case cmd.p1 == 0xff && len(cmd.data) == 0:
		c.forgetPIN()
		return nil, statusOK
	case cmd.p1 != 0:
		return nil, statusParameters
	case len(cmd.data) == 0 && c.session.pinVerified:
		return nil, statusOK
	case len(cmd.data) == 0 && c.pin.left == 0:
		return nil, statusBlocked
	case len(cmd.data) == 0:
		return nil, tries(c.pin.left)
	case len(cmd.data) != secretSize:
		return nil, statusData
	}
	st := c.pin.check(cmd.data)
	c.session.pinVerified, c.session.pinFresh = st == statusOK, st == statusOK
	return nil, st
}

func (c *Card) forgetPIN() {
	c.session.pinVerified, c.session.pinFresh = false, false
}

// changeReference replaces the PIN or the PUK for who knows the old one (3.2.2).
func (c *Card) changeReference(cmd command) ([]byte, status) {
	var s *secret
	switch {
	case cmd.p1 != 0:
		return nil, statusParameters
	case cmd.p2 == referencePIN:
		s = &c.pin
	case cmd.p2 == referencePUK:
		s = &c.puk
	default:
		return nil, statusNoReference
	}
	if len(cmd.data) != 2*secretSize {
		return nil, statusData
	}
	if st := s.check(cmd.data[:secretSize]); st != statusOK {
		if s == &c.pin {
			c.forgetPIN()
		}
		return nil, st
	}
	return nil, s.set(cmd.data[secretSize:])
}

// resetRetry sets a new PIN for who knows the PUK (3.2.3).
func (c *Card) resetRetry(cmd command) ([]byte, status) {
	switch {
	case cmd.p1 != 0:
		return nil, statusParameters
	case cmd.p2 != referencePIN:
		return nil, statusNoReference
	case len(cmd.data) != 2*secretSize:
		return nil, statusData
	}
	if st := c.puk.check(cmd.data[:secretSize]); st != statusOK {
		return nil, st
	}
	c.forgetPIN()
	return nil, c.pin.set(cmd.data[secretSize:])
}
