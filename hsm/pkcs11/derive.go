package pkcs11

import (
	"context"
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// Derive is ECDH in the token. The secret is made there as an object that may
// be read, is read, and destroyed: it is what the caller asked for, and the only
// value that this package ever reads.
func (t *Token) Derive(ctx context.Context, k hsm.Key, point []byte) ([]byte, error) {
	if err := wanted(k, k.Use == hsm.Derive, "derives"); err != nil {
		return nil, err
	}
	of := kind{k.Type, k.Use}
	if err := of.check(); err != nil {
		return nil, err
	}
	if _, err := of.shape().curve.ecdh.NewPublicKey(point); err != nil {
		return nil, errors.New("point is not on the curve")
	}
	return t.with(ctx, k, quick, point, derive)
}

func derive(s session, h *handle, point []byte) (secret []byte, err error) {
	size := h.kind.shape().curve.size
	m := []*p11.Mechanism{p11.NewMechanism(p11.CKM_ECDH1_DERIVE,
		p11.NewECDH1DeriveParams(p11.CKD_NULL, nil, point))}
	object, err := s.derive(m, h.object, []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY),
		p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET),
		p11.NewAttribute(p11.CKA_VALUE_LEN, size),
		p11.NewAttribute(p11.CKA_TOKEN, false),
		p11.NewAttribute(p11.CKA_SENSITIVE, false),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, true),
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := s.destroy(object); err == nil && e != nil {
			secret, err = nil, e
		}
	}()
	v, err := s.attributes(object, p11.CKA_VALUE)
	if err != nil {
		return nil, err
	}
	if len(v[0]) != size {
		return nil, fmt.Errorf("C_DeriveKey: %d bytes where %d are wanted", len(v[0]), size)
	}
	return v[0], nil
}
