package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// Bounds of a wrapped key (RFC 5649): two blocks for the smallest; the largest
// that a token may be asked to look at, well above an RSA-4096 private key.
const (
	minWrapped = 16
	maxWrapped = 8 << 10
)

// canWrap refuses when the token has no mechanism for RFC 5649.
func (t *Token) canWrap() error {
	if t.wrapping != nil {
		return nil
	}
	_, err := keyWrap(t.caps)
	return err
}

// usable refuses keys that no token need be asked about.
func (t *Token) usable(k hsm.Key) error {
	if (k.Resident != "") == (k.Wrapped != nil) {
		return errors.New("key: exactly one of wrapped form and resident id is wanted")
	}
	if err := (kind{k.Type, k.Use}).usable(t.caps); err != nil || k.Resident != "" {
		return err
	}
	if err := checkWrapped(k.Wrapped); err != nil {
		return err
	}
	// Any bytes unwrap as a secret, and not every token then tells how many.
	if n := (kind{k.Type, k.Use}).shape().secret; n > 0 && len(k.Wrapped) != wrappedLen(n) {
		return fmt.Errorf("wrapped secret of %d bytes: %w", len(k.Wrapped), hsm.ErrWrapped)
	}
	return t.canWrap()
}

// wrappedLen is the length of n bytes under RFC 5649.
func wrappedLen(n int) int { return 8 + (n+7)/8*8 }

// checkWrapped refuses what cannot be a wrapped key; the driver panics on none.
func checkWrapped(b []byte) error {
	if n := len(b); n < minWrapped || n > maxWrapped || n%8 != 0 {
		return fmt.Errorf("wrapped key of %d bytes: %w", n, hsm.ErrWrapped)
	}
	return nil
}

// Generate makes a secret in the token and returns it wrapped.
func (t *Token) Generate(ctx context.Context, domain string, of hsm.KeyType) ([]byte, error) {
	k := kind{of: of}
	if err := k.makeable(t.caps); err != nil {
		return nil, err
	}
	if err := t.canWrap(); err != nil {
		return nil, err
	}
	return attempt(ctx, t, func(e *epoch) (wrapped []byte, err error) {
		err = e.keep(ctx, func(s session) error {
			d, err := t.domain(e, s, domain)
			if err != nil {
				return err
			}
			wrapped, err = t.generate(s, d, k)
			return err
		})
		return wrapped, err
	})
}

// generate makes a secret, wraps it under the domain key d and destroys it.
func (t *Token) generate(s session, d p11.ObjectHandle, k kind) (wrapped []byte, err error) {
	h, err := s.generate(genericKeyGen, k.made(k.stored()))
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := s.destroy(h); err == nil && e != nil {
			wrapped, err = nil, e
		}
	}()
	if _, err := s.fits(h, k, isStored); err != nil {
		return nil, err
	}
	return t.wrap(s, d, h)
}

// wrap wraps a key under the domain key d.
func (t *Token) wrap(s session, d, h p11.ObjectHandle) ([]byte, error) {
	wrapped, err := s.wrap(t.wrapping, d, h)
	if err != nil {
		return nil, err
	}
	if checkWrapped(wrapped) != nil {
		return nil, fmt.Errorf("C_WrapKey: answered %d bytes", len(wrapped))
	}
	return wrapped, nil
}

// unwrap makes a working copy of a wrapped key; see fits for the modulus.
func (t *Token) unwrap(s session, d p11.ObjectHandle, wrapped []byte, k kind) (h p11.ObjectHandle, modulus []byte, err error) {
	h, err = s.unwrap(t.wrapping, d, wrapped, k.working(t.private(k)))
	if err != nil {
		return 0, nil, err
	}
	if modulus, err = s.fits(h, k, k.isWorking(t.private(k))); err != nil {
		return 0, nil, errors.Join(err, s.destroy(h))
	}
	return h, modulus, nil
}

// cacheKey names a key in the handle cache. Ids hold any byte, so their length
// goes first.
func cacheKey(k hsm.Key) string {
	if k.Resident != "" {
		return "resident " + k.Resident
	}
	return "wrapped " + strconv.Itoa(len(k.Domain)) + " " + k.Domain + string(k.Wrapped)
}

// handle returns the handle of a key, in use, from the cache or the token.
// Those that wait for the same key find it in the cache when it is their turn
// at the keeper, so that it is unwrapped once.
func (t *Token) handle(ctx context.Context, e *epoch, key string, k hsm.Key) (h *handle, err error) {
	of := kind{k.Type, k.Use}
	if h = e.handles.use(key, of); h != nil {
		return h, nil
	}
	err = e.keep(ctx, func(s session) error {
		if h = e.handles.use(key, of); h != nil {
			return nil
		}
		then := e.handles.now()
		object, modulus, err := t.fetch(e, s, k)
		if err != nil {
			return err
		}
		h = e.handles.add(&handle{
			key: key, kind: of, object: object, modulus: modulus, resident: k.Resident != "",
		}, then)
		return nil
	})
	return h, err
}

// fetch unwraps a wrapped key or finds a resident one. The caller has the keeper.
func (t *Token) fetch(e *epoch, s session, k hsm.Key) (h p11.ObjectHandle, modulus []byte, err error) {
	of := kind{k.Type, k.Use}
	if k.Resident != "" {
		return t.resident(e, s, k.Resident, of)
	}
	d, err := t.domain(e, s, k.Domain)
	if err != nil {
		return 0, nil, err
	}
	h, modulus, err = t.unwrap(s, d, k.Wrapped, of)
	if badWrapped(err) || errors.Is(err, errMisfit) || vague(err) && t.well(e, s) {
		return 0, nil, fmt.Errorf("%w: %w", hsm.ErrWrapped, err)
	}
	return h, modulus, err
}

// well reports whether the token is there and its domain keys are what they
// were. SoftHSM2 says the same of a bad input and of a token that is gone: only
// a token that is well can blame the input. The caller has the keeper.
func (t *Token) well(e *epoch, s session) bool {
	if t.present(e) != nil {
		return false
	}
	for _, d := range e.domains {
		if s.verify(d, isDomain) != nil {
			return false
		}
	}
	return true
}

// Forget destroys the working copy of a wrapped key.
func (t *Token) Forget(k hsm.Key) {
	key, doomed := cacheKey(k), false
	for e := (*epoch)(nil); e != t.epoch.Load(); {
		e = t.epoch.Load()
		doomed = e.handles.forget(key)
	}
	if !doomed {
		return
	}
	// The keeper destroys what is doomed whenever it is done with something,
	// this nothing included; a token that is lost has destroyed it already.
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_, _ = attempt(ctx, t, func(e *epoch) (struct{}, error) {
		return struct{}{}, e.keep(ctx, func(session) error { return nil })
	})
}
