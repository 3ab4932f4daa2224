package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// rsaOAEP is RSAES-OAEP with SHA-1, the one that all tokens have.
var rsaOAEP = []*p11.Mechanism{p11.NewMechanism(p11.CKM_RSA_PKCS_OAEP,
	p11.NewOAEPParams(p11.CKM_SHA_1, p11.CKG_MGF1_SHA1, p11.CKZ_DATA_SPECIFIED, nil))}

// envelopeKey is the template of the AES key in an envelope: an object of the
// session that unwraps what is in the envelope. It is extractable, to be
// measured, and sensitive, so that it leaves wrapped or not at all.
var envelopeKey = append(granting(p11.CKO_SECRET_KEY, p11.CKK_AES, secretGrants, []grant{mayUnwrap}),
	p11.NewAttribute(p11.CKA_TOKEN, false),
	p11.NewAttribute(p11.CKA_EXTRACTABLE, true))

// imported is a key that was taken out of an envelope.
type imported struct{ wrapped, public []byte }

// Import opens an envelope in the token. Whatever is in it is an object of one
// session that is extractable until it is wrapped under the domain key, and
// destroyed before the session serves anything else.
func (t *Token) Import(ctx context.Context, domain string, of hsm.KeyType, u hsm.Use, env hsm.Envelope) (wrapped, spki []byte, err error) {
	k := kind{of, u}
	if err := t.canImport(k); err != nil {
		return nil, nil, err
	}
	if err := t.canOpen(k, env); err != nil {
		return nil, nil, err
	}
	// The call may outlive its caller, who may change these.
	env.Transport.Wrapped = slices.Clone(env.Transport.Wrapped)
	env.Key, env.Body = slices.Clone(env.Key), slices.Clone(env.Body)
	i, err := attempt(ctx, t, func(e *epoch) (imported, error) {
		d, err := t.findDomain(ctx, e, domain)
		if err != nil {
			return imported{}, err
		}
		h, err := t.handle(ctx, e, cacheKey(env.Transport), env.Transport)
		if err != nil {
			return imported{}, fmt.Errorf("transport key: %w", err)
		}
		o := opening{t: t, d: d, kind: k, envelope: env, says: hsm.ErrWrapped}
		err = e.slowly(ctx, func() error {
			_, err := t.use(ctx, e, h, nil, o.work)
			return err
		})
		if o.blames(err) {
			err = fmt.Errorf("%w: %w", o.says, err)
		}
		return o.done, err
	})
	return i.wrapped, i.public, err
}

// canImport refuses kinds that the token cannot use, or whose public key it
// cannot find.
func (t *Token) canImport(k kind) error {
	if err := errors.Join(k.usable(t.caps), t.canWrap()); err != nil {
		return err
	}
	if k.keyType() == keyTypeEdwards {
		return fmt.Errorf("%v: import: %w", k, hsm.ErrUnsupported)
	}
	if k.keyType() == p11.CKK_EC {
		return need(t.caps, p11.CKM_ECDH1_DERIVE, p11.CKM_ECDSA)
	}
	return nil
}

// canOpen refuses envelopes that no token need be asked about.
func (t *Token) canOpen(k kind, env hsm.Envelope) error {
	of := kind{env.Transport.Type, env.Transport.Use}
	if err := wanted(env.Transport, of.use == hsm.Transport, "opens envelopes"); err != nil {
		return err
	}
	if err := t.usable(env.Transport); err != nil {
		return err
	}
	if len(env.Key) != of.shape().bits/8 {
		return fmt.Errorf("envelope: key of %d bytes: %w", len(env.Key), hsm.ErrWrapped)
	}
	if len(env.Body) > 0 {
		return checkWrapped(env.Body)
	}
	if k.pair() {
		return fmt.Errorf("envelope: no body, where the %v would be", k)
	}
	return nil
}

// opening is an envelope that is being opened in a session.
type opening struct {
	t        *Token
	d        p11.ObjectHandle // the domain key
	kind     kind
	envelope hsm.Envelope
	// says is what it means when the token, being well, refuses the next step.
	says error
	done imported
}

// blames reports whether what is in the envelope is to blame for an error.
// SoftHSM2 finds a private key of zero when it is to wrap it.
func (o *opening) blames(err error) bool {
	return badWrapped(err) || is(err, p11.CKR_KEY_NOT_WRAPPABLE) ||
		errors.Is(err, errRefused) || errors.Is(err, errMisfit) || errors.Is(err, errPair)
}

// work is done with the transport key.
func (o *opening) work(s session, transport *handle, _ []byte) ([]byte, error) {
	if bytes.Compare(o.envelope.Key, transport.modulus) >= 0 {
		return nil, fmt.Errorf("envelope: key is not less than the modulus: %w", hsm.ErrWrapped)
	}
	if len(o.envelope.Body) == 0 {
		h, err := s.unwrap(rsaOAEP, transport.object, o.envelope.Key, o.kind.stored())
		if err != nil {
			return nil, err
		}
		return nil, destroyed(s, h, o.take(s, h))
	}
	key, err := s.unwrap(rsaOAEP, transport.object, o.envelope.Key, envelopeKey)
	if err != nil {
		return nil, err
	}
	return nil, destroyed(s, key, o.openBody(s, key))
}

func (o *opening) openBody(s session, key p11.ObjectHandle) error {
	if ok, err := o.t.measures(s, o.d, key, 32); err != nil {
		return err
	} else if !ok {
		return fmt.Errorf("envelope: no AES-256 key: %w", hsm.ErrWrapped)
	}
	h, err := s.unwrap(o.t.wrapping, key, o.envelope.Body, o.kind.stored())
	if err != nil {
		return o.refused(s, key, err)
	}
	return destroyed(s, h, o.take(s, h))
}

// refused finds out why a body was refused: whatever a right one holds can be
// unwrapped as a secret, only that nobody may do anything with it.
func (o *opening) refused(s session, key p11.ObjectHandle, err error) error {
	if !o.kind.pair() {
		return err
	}
	h, e := s.unwrap(o.t.wrapping, key, o.envelope.Body, append(
		granting(p11.CKO_SECRET_KEY, p11.CKK_GENERIC_SECRET, secretGrants, nil),
		p11.NewAttribute(p11.CKA_TOKEN, false),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false)))
	if e != nil {
		return err
	}
	o.says = hsm.ErrMaterial
	return destroyed(s, h, err)
}

// take wraps a key that came out of the envelope, if it is of the kind that is
// wanted and does its work.
func (o *opening) take(s session, h p11.ObjectHandle) error {
	o.says = hsm.ErrMaterial
	if _, err := s.fits(h, o.kind, isStored); err != nil {
		return err
	}
	wrapped, err := o.t.wrap(s, o.d, h)
	if err != nil {
		return err
	}
	var p public
	switch o.kind.keyType() {
	case p11.CKK_GENERIC_SECRET:
		err = o.takeSecret(s, h, wrapped)
	case p11.CKK_RSA:
		p, err = o.takeRSA(s, h, wrapped)
	default:
		p, err = o.t.findPoint(s, o.d, o.kind, wrapped)
	}
	if err != nil {
		return err
	}
	o.done = imported{wrapped, p.der}
	return nil
}

// takeSecret checks the length of a secret, and that it computes MACs.
func (o *opening) takeSecret(s session, h p11.ObjectHandle, wrapped []byte) error {
	ok, err := o.t.measures(s, o.d, h, o.kind.shape().secret)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("too long or too short for the %v: %w", o.kind, hsm.ErrMaterial)
	}
	// A token that refuses short keys tells the length of this one as it came;
	// wrapped and unwrapped again it may have been filled up to a block.
	if _, err := mac(s, &handle{kind: o.kind, object: h}, []byte("keyd import")); err != nil {
		return err
	}
	return o.t.tryOut(s, o.d, o.kind, wrapped, func(h *handle) error {
		_, err := mac(s, h, []byte("keyd import"))
		return err
	})
}

// takeRSA reads the public key, and checks that the private one belongs to it.
func (o *opening) takeRSA(s session, h p11.ObjectHandle, wrapped []byte) (public, error) {
	if len(wrapped) > mostRSA(o.kind.shape().bits) {
		return public{}, fmt.Errorf("private key is too long for the %v: %w", o.kind, hsm.ErrMaterial)
	}
	v, err := s.attributes(h, p11.CKA_MODULUS, p11.CKA_PUBLIC_EXPONENT)
	if err != nil {
		return public{}, err
	}
	p, err := publicRSA(o.kind, v[0], v[1])
	if err != nil {
		return public{}, fmt.Errorf("%w: %w", hsm.ErrMaterial, err)
	}
	return p, o.t.tryOut(s, o.d, o.kind, wrapped, func(h *handle) error {
		return o.t.agree(s, h, p)
	})
}

// mostRSA is the greatest length of a wrapped private key of that many bits: as
// PKCS #8 it holds the modulus, an exponent as long, and five numbers half as long
// (RFC 8017, appendix A.1.2). SoftHSM2 takes primes of any length, works with them
// for seconds at each use, and answers rightly, because OpenSSL then does it anew
// without them.
func mostRSA(bits int) int { return wrappedLen(bits/8*9/2 + 96) }

// tryOut lends f a working copy of a key that has just been wrapped.
func (t *Token) tryOut(s session, d p11.ObjectHandle, k kind, wrapped []byte, f func(*handle) error) error {
	h, modulus, err := t.unwrap(s, d, wrapped, k)
	if err != nil {
		return err
	}
	return destroyed(s, h, f(&handle{kind: k, object: h, modulus: modulus}))
}
