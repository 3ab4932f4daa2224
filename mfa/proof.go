package mfa

import "time"

// Types of devices, as policies and the API call them.
const (
	TypeTOTP     = "TOTP"
	TypeHOTP     = "HOTP"
	TypePIV      = "PIV"
	TypeRecovery = "RECOVERY" // a recovery code, which is no device
)

// Proof is what a right answer proved: that a person was there, by which device
// and when. The zero Proof proves nothing.
type Proof struct {
	Serial      string // "" for a recovery code
	Type        string
	Attested    bool      // the device's key was attested at enrolment
	TouchPolicy string    // as attested: "always", "cached", "never"; else ""
	At          time.Time // by the appliance's clock
}

// Given reports whether the proof proves anything.
func (p Proof) Given() bool { return p.Type != "" }
