package piv

import (
	"fmt"
	"strconv"

	"github.com/go-piv/piv-go/v2/piv"
)

// Slot is a place for a key on a card, by its number in NIST SP 800-73-4.
type Slot byte

// Slots of PIV. From FirstRetired to LastRetired are those of retired keys, which
// are free for all.
const (
	Authentication     Slot = 0x9a
	Signature          Slot = 0x9c
	KeyManagement      Slot = 0x9d
	CardAuthentication Slot = 0x9e
	FirstRetired       Slot = 0x82
	LastRetired        Slot = 0x95
)

// ParseSlot reads a slot's name, two hexadecimal digits as "9a"; ErrSlot else.
func ParseSlot(text string) (Slot, error) {
	n, err := strconv.ParseUint(text, 16, 8)
	s := Slot(n)
	if err != nil || len(text) != 2 || !s.valid() {
		return 0, fmt.Errorf("slot %.20q: %w", text, ErrSlot)
	}
	return s, nil
}

// String is the slot's name.
func (s Slot) String() string { return fmt.Sprintf("%02x", byte(s)) }

func (s Slot) valid() bool {
	return s >= Authentication && s <= CardAuthentication && s != 0x9b || s.Retired()
}

// Retired reports whether s is one of the slots for retired keys.
func (s Slot) Retired() bool { return s >= FirstRetired && s <= LastRetired }

// slot is s as piv-go knows it.
func (s Slot) slot() (piv.Slot, error) {
	switch s {
	case Authentication:
		return piv.SlotAuthentication, nil
	case Signature:
		return piv.SlotSignature, nil
	case KeyManagement:
		return piv.SlotKeyManagement, nil
	case CardAuthentication:
		return piv.SlotCardAuthentication, nil
	}
	if r, ok := piv.RetiredKeyManagementSlot(uint32(s)); ok {
		return r, nil
	}
	return piv.Slot{}, fmt.Errorf("slot %v: %w", s, ErrSlot)
}
