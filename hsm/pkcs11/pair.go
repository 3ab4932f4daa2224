package pkcs11

import (
	"context"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// GeneratePair makes a key pair in the token and returns the private key
// wrapped. It refuses with ErrUnsupported a type that the token does not wrap.
func (t *Token) GeneratePair(ctx context.Context, domain string, of hsm.KeyType, u hsm.Use) (wrapped, spki []byte, err error) {
	k := kind{of, u}
	if err := t.canPair(k); err != nil {
		return nil, nil, err
	}
	if err := t.canWrap(); err != nil {
		return nil, nil, err
	}
	type pair struct{ wrapped, public []byte }
	p, err := attempt(ctx, t, func(e *epoch) (p pair, err error) {
		// A domain key that is not there is told before seconds are spent.
		d, err := t.findDomain(ctx, e, domain)
		if err != nil {
			return p, err
		}
		err = t.pairing(ctx, e, k, func(s session) error {
			h, public, err := t.newPair(s, k, k.stored(), isStored)
			if err != nil {
				return err
			}
			p.public = public.der
			err = e.within(func() error {
				p.wrapped, err = t.wrap(s, d, h)
				return err
			})
			return destroyed(s, h, err)
		})
		return p, err
	})
	return p.wrapped, p.public, err
}

// canPair refuses secrets, and pairs that the token cannot make or use.
func (t *Token) canPair(k kind) error {
	if err := k.makeable(t.caps); err != nil {
		return err
	}
	if !k.pair() {
		return fmt.Errorf("%v is not a pair: %w", k, hsm.ErrUnsupported)
	}
	return nil
}

// findDomain is domain for a caller that has not the keeper.
func (t *Token) findDomain(ctx context.Context, e *epoch, id string) (d p11.ObjectHandle, err error) {
	err = e.keep(ctx, func(s session) error {
		d, err = t.domain(e, s, id)
		return err
	})
	return d, err
}

// newPair makes a pair of which the claims hold, and whose keys belong
// together. The public key is read and destroyed; so is the private one when
// there is an error.
func (t *Token) newPair(s session, k kind, private []*p11.Attribute, claims []claim) (p11.ObjectHandle, public, error) {
	pub, priv, err := s.generatePair(mechanism(k.maker()), k.public(), private)
	if err != nil {
		return 0, public{}, err
	}
	p, err := t.checkPair(s, pub, priv, k, claims)
	if err := destroyed(s, pub, err); err != nil {
		return 0, public{}, destroyed(s, priv, err)
	}
	return priv, p, nil
}

func (t *Token) checkPair(s session, pub, priv p11.ObjectHandle, k kind, claims []claim) (public, error) {
	modulus, err := s.fits(priv, k, claims)
	if err != nil {
		return public{}, err
	}
	p, err := s.public(pub, k)
	if err != nil {
		return public{}, err
	}
	return p, t.agree(s, &handle{kind: k, object: priv, modulus: modulus}, p)
}

// destroyed destroys an object, of whose use err came.
func destroyed(s session, h p11.ObjectHandle, err error) error {
	if e := s.destroy(h); err == nil {
		return e
	}
	return err
}
