package pkcs11

import (
	"context"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// GenerateResident makes a key that stays on the token. When the token is lost
// on the way, it looks by id whether the key was made before it tries again.
func (t *Token) GenerateResident(ctx context.Context, id string, k hsm.KeyType) error {
	if err := t.canSign(k); err != nil {
		return err
	}
	return t.create(ctx, residentLabel, id, genericKeyGen, residentTemplate(id), isResident)
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

// resident returns the handle of a resident key. The caller has the keeper.
func (t *Token) resident(e *epoch, s session, id string) (p11.ObjectHandle, error) {
	if err := checkID(residentLabel, id); err != nil {
		return 0, err
	}
	h, found, err := s.lookup(residentLabel, id)
	if err != nil {
		return 0, err
	}
	if !found {
		if err := t.present(e); err != nil {
			return 0, err
		}
		return 0, notFound(residentLabel, id)
	}
	if err := s.verify(h, isResident); err != nil {
		return 0, fmt.Errorf("%s %q: %w", residentLabel, id, err)
	}
	return h, nil
}
