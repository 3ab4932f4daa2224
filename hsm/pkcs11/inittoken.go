package pkcs11

import (
	"context"
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// maxLabel is the size of CK_TOKEN_INFO's label.
const maxLabel = 32

// InitToken makes a token of the first free slot, with that label, and sets
// the PINs of its security officer and its user. It refuses with ErrExists
// when a token of the label is there, with ErrNotFound when no slot is free.
// It never touches a slot that holds an initialised token.
func InitToken(ctx context.Context, path, label string, officer, user PIN) (hsm.Info, error) {
	if label == "" || len(label) > maxLabel {
		return hsm.Info{}, fmt.Errorf("token label: %d bytes, 1 to %d are allowed", len(label), maxLabel)
	}
	if officer.IsZero() || user.IsZero() {
		return hsm.Info{}, errors.New("token: a PIN is missing")
	}
	m, err := load(path)
	if err != nil {
		return hsm.Info{}, err
	}
	if err := m.take(ctx); err != nil {
		return hsm.Info{}, err
	}
	defer m.give()
	info, err := m.initToken(label, officer, user)
	return info, explain(errors.Join(err, m.finalize()))
}

func (m *module) initToken(label string, officer, user PIN) (hsm.Info, error) {
	if err := m.initialize(); err != nil {
		return hsm.Info{}, err
	}
	id, err := m.freeSlot(label)
	if err != nil {
		return hsm.Info{}, err
	}
	if err := m.InitToken(id, officer.reveal(), label); err != nil {
		return hsm.Info{}, called("C_InitToken", err)
	}
	s, err := openSession(m.Ctx, id, true)
	if err != nil {
		return hsm.Info{}, err
	}
	defer s.close()
	if err := m.Login(s.h, p11.CKU_SO, officer.reveal()); err != nil {
		return hsm.Info{}, called("C_Login", err)
	}
	if err := m.InitPIN(s.h, user.reveal()); err != nil {
		return hsm.Info{}, called("C_InitPIN", err)
	}
	if err := m.Logout(s.h); err != nil {
		return hsm.Info{}, called("C_Logout", err)
	}
	made, _, err := read(m.Ctx, id)
	return made.info, err
}

// freeSlot finds a slot whose token was never initialised.
func (m *module) freeSlot(label string) (uint, error) {
	ids, err := m.GetSlotList(true)
	if err != nil {
		return 0, called("C_GetSlotList", err)
	}
	free, found := uint(0), false
	for _, id := range ids {
		s, initialised, err := read(m.Ctx, id)
		switch {
		case err != nil:
			return 0, err
		case initialised && s.info.Label == label:
			return 0, fmt.Errorf("token %v: %w", s.info, hsm.ErrExists)
		case !initialised && !found:
			free, found = id, true
		}
	}
	if !found {
		return 0, fmt.Errorf("slot without a token: %w", hsm.ErrNotFound)
	}
	return free, nil
}
