package pkcs11

import (
	"context"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// GenerateResident makes a secret that stays on the token. When the token is
// lost on the way, it looks by id whether the key was made before it tries again.
func (t *Token) GenerateResident(ctx context.Context, id string, of hsm.KeyType) error {
	k := kind{of: of}
	if err := k.makeable(t.caps); err != nil {
		return err
	}
	if k.pair() {
		return fmt.Errorf("%v is a pair: %w", k, hsm.ErrUnsupported)
	}
	_, err := reserved(ctx, t, id, t.create(ctx, residentLabel, id, genericKeyGen, k.made(k.resident(id)), k.isWorking(true)))
	return err
}

// GenerateResidentPair makes a key pair whose private key stays on the token.
func (t *Token) GenerateResidentPair(ctx context.Context, id string, of hsm.KeyType, u hsm.Use) ([]byte, error) {
	k := kind{of, u}
	if err := t.canPair(k); err != nil {
		return nil, err
	}
	tried := false
	return reserved(ctx, t, id, func(e *epoch) (spki []byte, err error) {
		err = e.keep(ctx, func(s session) error {
			h, found, err := s.lookup(residentLabel, id)
			switch {
			case err != nil:
				return err
			case found && !tried:
				return fmt.Errorf("%s %q: %w", residentLabel, id, hsm.ErrExists)
			case found:
				// The try that lost the token made it, and nobody has its public key.
				return s.destroy(h)
			}
			return t.present(e)
		})
		if err != nil {
			return nil, err
		}
		tried = true
		err = t.pairing(ctx, e, k, func(s session) error {
			_, p, err := t.newPair(s, k, fixed(k.resident(id)), k.isWorking(true))
			if unfixable(err) {
				_, p, err = t.newPair(s, k, k.resident(id), k.isWorking(true))
			}
			spki = p.der
			return err
		})
		return spki, err
	})
}

// DestroyResident removes a resident key for good.
func (t *Token) DestroyResident(ctx context.Context, id string) error {
	if err := checkID(residentLabel, id); err != nil {
		return err
	}
	tried := false
	_, err := attempt(ctx, t, func(e *epoch) (struct{}, error) {
		return struct{}{}, e.keep(ctx, func(s session) error {
			h, found, err := s.lookup(residentLabel, id)
			if err != nil {
				return err
			}
			if !found {
				if err := t.present(e); err != nil {
					return err
				}
				if tried {
					return nil
				}
				return notFound(residentLabel, id)
			}
			tried = true
			e.handles.forget(cacheKey(hsm.Key{Resident: id}))
			return s.destroy(h)
		})
	})
	return err
}

// resident returns the handle of a resident key, and the modulus of an RSA
// one. The caller has the keeper.
func (t *Token) resident(e *epoch, s session, id string, k kind) (h p11.ObjectHandle, modulus []byte, err error) {
	if err := checkID(residentLabel, id); err != nil {
		return 0, nil, err
	}
	h, found, err := s.lookup(residentLabel, id)
	if err != nil {
		return 0, nil, err
	}
	if !found {
		if err := t.present(e); err != nil {
			return 0, nil, err
		}
		return 0, nil, notFound(residentLabel, id)
	}
	if modulus, err = s.fits(h, k, k.isWorking(true)); err != nil {
		return 0, nil, fmt.Errorf("%s %q: %w", residentLabel, id, err)
	}
	return h, modulus, nil
}
