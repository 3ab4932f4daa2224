package pivtest

import (
	"bytes"
	"sync"
	"time"
)

// The secrets of a card as it leaves the factory.
const (
	DefaultPIN = "123456"
	DefaultPUK = "12345678"
)

// DefaultManagementKey is the management key of a card as it leaves the factory.
func DefaultManagementKey() []byte {
	return bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3)
}

// TB is the part of testing.TB that this package needs; programs that import it
// do not link package testing for it.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	Cleanup(func())
}

// Card is a YubiKey with the PIV application. Its methods are safe for
// concurrent use; the card does one command at a time.
type Card struct {
	// What the factory gave it; never changes.
	firmware   Version
	serial     uint32
	formFactor byte
	withoutPIV bool
	clock      func() time.Time
	issuer     *CA

	mu sync.Mutex // guards what follows, up to the hand

	// What it keeps without power.
	pin, puk   secret
	management managementKey
	keys       map[slot]*key
	objects    objects

	// What it forgets without power.
	session session

	hand   hand   // has its own lock: a touch is given in the middle of a command
	socket socket // where it stands, if anywhere; has its own lock
}

// session is what a card knows of the conversation since it got power.
type session struct {
	application application
	pinVerified bool // since then, the right PIN was shown
	pinFresh    bool // and no private key was used after it
	managed     bool // the management key was shown
	challenge   challenge
	touched     time.Time // when a touch was last given for a key that remembers it
	chain       chain
	pending     []byte // of a response, what GET RESPONSE has not fetched
}

// New makes a card as it leaves the factory, in no reader yet. It can be put
// into one by [StartAll] or [Card.Swap], or spoken to with [Card.Transmit].
func New(t TB, options ...Option) *Card {
	t.Helper()
	c := &Card{
		firmware:   Version{5, 4, 3},
		serial:     10_000_001,
		formFactor: 0x01,
		clock:      time.Now,
	}
	for _, o := range options {
		o(c)
	}
	if err := c.manufacture(); err != nil {
		t.Fatalf("virtual card: %v", err)
	}
	return c
}

// manufacture gives the card its attestation key and the factory's settings.
func (c *Card) manufacture() error {
	if c.issuer == nil {
		ca, err := newCA()
		if err != nil {
			return err
		}
		c.issuer = ca
	}
	key, certificate, err := c.issuer.issue(c.firmware)
	if err != nil {
		return err
	}
	c.settle()
	c.keys[attestation] = key
	c.objects[attestationCertificate] = certificate
	return nil
}

// settle sets all that a reset sets.
func (c *Card) settle() {
	c.pin, c.puk = newSecret(DefaultPIN, 3), newSecret(DefaultPUK, 3)
	c.management = managementKey{algorithm: c.firmware.managementAlgorithm(), value: DefaultManagementKey(), touch: touchNever}
	c.keys, c.objects = map[slot]*key{}, objects{}
	c.session.pinVerified, c.session.pinFresh, c.session.managed = false, false, false
}

// powerCycle is what the card lives through when it is reset, or gets power.
func (c *Card) powerCycle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = session{}
}

// PIN returns the PIN that the card now has.
func (c *Card) PIN() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pin.String()
}

// PUK returns the PUK that the card now has.
func (c *Card) PUK() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.puk.String()
}

// Tries returns how many wrong PINs and PUKs the card will still bear.
func (c *Card) Tries() (pin, puk int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pin.left, c.puk.left
}

// ManagementKey returns the management key that the card now has.
func (c *Card) ManagementKey() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.management.value)
}
