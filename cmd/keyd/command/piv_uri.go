package command

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/keyd-hsm/keyd/hsm/piv"
)

// pivScheme begins the name of a token that is sealed to a YubiKey.
const pivScheme = "piv:"

// rootedFile is where such a token is, in the data directory.
const rootedFile = "piv-token.json"

// A pivURI names the key on a card that a token is sealed to:
//
//	piv:serial=12345678;slot=9d
type pivURI struct {
	// Serial is the card's serial number; 0 is the only card that is plugged in.
	Serial uint32
	// Slot is 9d, which is also what none means, or one of the retired slots 82 to 95.
	Slot piv.Slot
}

// parsePIV reads the URI. A PIN in it is refused, as everything that is not known.
func parsePIV(text string) (pivURI, error) {
	u := pivURI{Slot: piv.KeyManagement}
	rest, ok := strings.CutPrefix(text, pivScheme)
	if !ok {
		return u, errors.New(`piv URI: does not begin with "piv:"`)
	}
	if rest == "" {
		return u, nil
	}
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(part, "=")
		if seen[name] {
			return u, errors.New("piv URI: an attribute is given twice")
		}
		seen[name] = true
		switch name {
		case "serial":
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil || n == 0 {
				return u, errors.New("piv URI: serial is not the serial number of a YubiKey")
			}
			u.Serial = uint32(n)
		case "slot":
			slot, err := piv.ParseSlot(value)
			if err != nil || slot != piv.KeyManagement && !slot.Retired() {
				return u, errors.New("piv URI: slot is not 9d, nor one of 82 to 95")
			}
			u.Slot = slot
		default:
			return u, errors.New("piv URI: attributes are serial and slot")
		}
	}
	return u, nil
}

// piv reports whether the token is sealed to a YubiKey, and to which.
func (t TokenConfig) piv() (u pivURI, is bool, err error) {
	if !strings.HasPrefix(t.URI, pivScheme) {
		return u, false, nil
	}
	if t.Label != "" || t.Serial != "" || t.Module != "" {
		return u, true, errors.New("uri names a YubiKey: module, label and serial are of PKCS#11 tokens")
	}
	u, err = parsePIV(t.URI)
	return u, true, err
}

// matches refuses a token that is sealed to other cards than the configuration says.
func (u pivURI) matches(sealed *piv.SealedToken) error {
	var names []string
	for _, k := range sealed.Keys() {
		if (u.Serial == 0 || u.Serial == k.Serial) && u.Slot == k.Slot {
			return nil
		}
		names = append(names, k.String())
	}
	return fmt.Errorf("token: it is sealed to %s, and the configuration names another key", strings.Join(names, " and "))
}
