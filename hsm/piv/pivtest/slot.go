package pivtest

// slot is the reference of a place for a private key (SP 800-73-4 part 1,
// table 4b; f9 is Yubico's).
type slot byte

const (
	authentication     slot = 0x9a
	signature          slot = 0x9c
	keyManagement      slot = 0x9d
	cardAuthentication slot = 0x9e
	firstRetired       slot = 0x82
	lastRetired        slot = 0x95
	attestation        slot = 0xf9
)

// exists reports whether the card has that slot.
func (s slot) exists() bool {
	switch s {
	case authentication, signature, keyManagement, cardAuthentication, attestation:
		return true
	}
	return s >= firstRetired && s <= lastRetired
}

// pin is when a key in the slot wants the PIN, unless its maker said otherwise.
func (s slot) pin() pinPolicy {
	switch s {
	case signature:
		return pinAlways
	case cardAuthentication:
		return pinNever
	}
	return pinOnce
}
