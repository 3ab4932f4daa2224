package pivtest

import (
	"cmp"
	"time"
)

// Version is a firmware version.
type Version struct{ Major, Minor, Patch byte }

// atLeast reports whether v is w or later.
func (v Version) atLeast(w Version) bool {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch)) >= 0
}

func (v Version) bytes() []byte { return []byte{v.Major, v.Minor, v.Patch} }

// Firmware versions that brought something, by Yubico's release notes.
var (
	firmwareAttest   = Version{4, 3, 0} // ATTEST, P-384
	firmwareSerial   = Version{5, 0, 0} // GET SERIAL in the PIV application
	firmwareMetadata = Version{5, 3, 0} // GET METADATA
	firmwareAES      = Version{5, 4, 2} // AES management keys
	firmwareCurves   = Version{5, 7, 0} // RSA-3072 and 4096, Ed25519, X25519, MOVE KEY, AES from the factory
)

// Option is a property that the factory gives a card.
type Option func(*Card)

// Firmware sets the firmware version, 5.4.3 by default; what a real key learned
// only later, the card does not know.
func Firmware(major, minor, patch byte) Option {
	return func(c *Card) { c.firmware = Version{major, minor, patch} }
}

// Serial sets the serial number.
func Serial(n uint32) Option {
	return func(c *Card) { c.serial = n }
}

// WithoutPIV switches the PIV application off, as "ykman config" can.
func WithoutPIV() Option {
	return func(c *Card) { c.withoutPIV = true }
}

// FormFactor sets the form factor, in Yubico's numbering; 1, a USB-A keychain,
// by default.
func FormFactor(f byte) Option {
	return func(c *Card) { c.formFactor = f }
}

// Clock sets the clock by which a touch is remembered; time.Now by default.
func Clock(now func() time.Time) Option {
	return func(c *Card) { c.clock = now }
}

// AttestedBy sets the authority that certifies the card's attestation key. By
// default each card has one of its own.
func AttestedBy(ca *CA) Option {
	return func(c *Card) { c.issuer = ca }
}
