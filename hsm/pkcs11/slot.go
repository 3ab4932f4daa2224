package pkcs11

import (
	"errors"
	"fmt"
	"strings"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// slot is a slot with an initialised token in it.
type slot struct {
	id   uint
	info hsm.Info
	// maxSessions is the token's own limit, 0 when it has or tells none.
	maxSessions uint
}

// errNoToken: no token, or several, are what was asked for.
var errNoToken = errors.New("no token matches")

// choose finds the one token that want describes. Modules list slots without
// a token, or with one that was never initialised; those are passed over.
func choose(c *p11.Ctx, want URI) (slot, error) {
	ids, err := c.GetSlotList(true)
	if err != nil {
		return slot{}, called("C_GetSlotList", err)
	}
	var all, found []slot
	var broken error
	for _, id := range ids {
		s, ok, err := read(c, id)
		if err != nil {
			broken = errors.Join(broken, err)
			continue
		}
		if !ok {
			continue
		}
		all = append(all, s)
		if want.matches(id, s.info) {
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return slot{}, fmt.Errorf("%w %q alone: %s do; name one by its serial", errNoToken, want, describe(found))
	case broken != nil:
		return slot{}, fmt.Errorf("%w: no token matches %q; there is %s, and a slot that does not answer: %w",
			hsm.ErrUnavailable, want, describe(all), broken)
	}
	return slot{}, fmt.Errorf("%w %q; there is %s", errNoToken, want, describe(all))
}

// read asks for the token in a slot; ok is false when it is not initialised.
func read(c *p11.Ctx, id uint) (s slot, ok bool, err error) {
	ti, err := c.GetTokenInfo(id)
	if err != nil {
		return slot{}, false, called("C_GetTokenInfo", err)
	}
	if ti.Flags&p11.CKF_TOKEN_INITIALIZED == 0 {
		return slot{}, false, nil
	}
	s = slot{id: id, info: hsm.Info{
		Label: ti.Label, Serial: ti.SerialNumber, Manufacturer: ti.ManufacturerID, Model: ti.Model,
	}}
	// 0 is CK_EFFECTIVELY_INFINITE.
	if ti.MaxSessionCount != p11.CK_UNAVAILABLE_INFORMATION {
		s.maxSessions = ti.MaxSessionCount
	}
	return s, true, nil
}

// describe names tokens for people.
func describe(slots []slot) string {
	if len(slots) == 0 {
		return "none"
	}
	names := make([]string, 0, len(slots))
	for _, s := range slots {
		names = append(names, fmt.Sprintf("%v in slot %d", s.info, s.id))
	}
	return strings.Join(names, ", ")
}
