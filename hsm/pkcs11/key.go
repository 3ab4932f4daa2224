package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// maxRandom bounds one answer of Random.
const maxRandom = 64 << 10

// canStore refuses key types and tokens that Generate and MAC cannot serve.
func (t *Token) canStore(k hsm.KeyType) error {
	if err := t.canSign(k); err != nil {
		return err
	}
	if t.wrapping == nil {
		_, err := keyWrap(t.caps)
		return err
	}
	return nil
}

func (t *Token) canSign(k hsm.KeyType) error {
	if k != hsm.HMACSHA256 {
		return fmt.Errorf("key type %d: %w", k, hsm.ErrUnsupported)
	}
	return need(t.caps, p11.CKM_GENERIC_SECRET_KEY_GEN, p11.CKM_SHA256_HMAC)
}

// Generate makes a key in the token and returns it wrapped.
func (t *Token) Generate(ctx context.Context, domain string, k hsm.KeyType) ([]byte, error) {
	if err := t.canStore(k); err != nil {
		return nil, err
	}
	return attempt(ctx, t, func(e *epoch) (wrapped []byte, err error) {
		err = e.keep(ctx, func(s session) error {
			d, err := t.domain(e, s, domain)
			if err != nil {
				return err
			}
			wrapped, err = t.generate(s, d)
			return err
		})
		return wrapped, err
	})
}

// generate makes a key, wraps it under the domain key d and destroys it.
func (t *Token) generate(s session, d p11.ObjectHandle) (wrapped []byte, err error) {
	h, err := s.generate(genericKeyGen, storedHMAC)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := s.destroy(h); err == nil && e != nil {
			wrapped, err = nil, e
		}
	}()
	if err := s.verify(h, isStored); err != nil {
		return nil, err
	}
	if wrapped, err = s.wrap(t.wrapping, d, h); err != nil {
		return nil, err
	}
	if len(wrapped) < minWrapped || len(wrapped) > maxWrapped {
		return nil, fmt.Errorf("C_WrapKey: answered %d bytes", len(wrapped))
	}
	return wrapped, nil
}

// unwrap makes a working copy of a wrapped key.
func (t *Token) unwrap(s session, d p11.ObjectHandle, wrapped []byte) (p11.ObjectHandle, error) {
	h, err := s.unwrap(t.wrapping, d, wrapped, workingHMAC)
	if err != nil {
		return 0, err
	}
	if err := s.verify(h, isWorking); err != nil {
		return 0, errors.Join(err, s.destroy(h))
	}
	return h, nil
}

// MAC computes HMAC-SHA-256 in the token. A key that is in the cache, as most
// are, is used on the caller's goroutine; see [attempt] for the others.
func (t *Token) MAC(ctx context.Context, k hsm.Key, data []byte) ([]byte, error) {
	if err := t.usable(k); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key := cacheKey(k)
	e := t.epoch.Load()
	if h := e.handles.use(key); h != nil {
		sum, err := e.mac(ctx, h, data)
		if err == nil || !e.loses(err) {
			return sum, explain(err)
		}
	}
	// The call may outlive its caller, who may change these.
	k.Wrapped, data = slices.Clone(k.Wrapped), slices.Clone(data)
	return attempt(ctx, t, func(e *epoch) ([]byte, error) {
		h, err := t.handle(ctx, e, key, k)
		if err != nil {
			return nil, err
		}
		return e.mac(ctx, h, data)
	})
}

// mac uses a handle and releases it.
func (e *epoch) mac(ctx context.Context, h *handle, data []byte) (sum []byte, err error) {
	released := false
	err = e.lend(ctx, func(s session) error {
		sum, err = s.mac(h.object, data)
		released = true
		if e.handles.release(h) {
			e.handles.discard(s, h.object)
		}
		// The token found this key fit when the handle was new. If it is not
		// any more, the handle is not what it was.
		if is(err, p11.CKR_KEY_TYPE_INCONSISTENT, p11.CKR_KEY_FUNCTION_NOT_PERMITTED) {
			return errors.Join(errEpochOver, err)
		}
		return err
	})
	if !released && e.handles.release(h) {
		e.handles.doom(h.object)
	}
	return sum, err
}

// usable refuses keys that no token need be asked about.
func (t *Token) usable(k hsm.Key) error {
	if (k.Resident != "") == (k.Wrapped != nil) {
		return errors.New("key: exactly one of wrapped form and resident id is wanted")
	}
	if k.Resident != "" {
		return t.canSign(hsm.HMACSHA256)
	}
	if n := len(k.Wrapped); n < minWrapped || n > maxWrapped || n%8 != 0 {
		return fmt.Errorf("wrapped key of %d bytes: %w", n, hsm.ErrWrapped)
	}
	return t.canStore(hsm.HMACSHA256)
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
	if h = e.handles.use(key); h != nil {
		return h, nil
	}
	err = e.keep(ctx, func(s session) error {
		if h = e.handles.use(key); h != nil {
			return nil
		}
		then := e.handles.now()
		object, err := t.fetch(e, s, k)
		if err != nil {
			return err
		}
		h = e.handles.add(key, object, k.Resident != "", then)
		return nil
	})
	return h, err
}

// fetch unwraps a wrapped key or finds a resident one. The caller has the keeper.
func (t *Token) fetch(e *epoch, s session, k hsm.Key) (p11.ObjectHandle, error) {
	if k.Resident != "" {
		return t.resident(e, s, k.Resident)
	}
	d, err := t.domain(e, s, k.Domain)
	if err != nil {
		return 0, err
	}
	h, err := t.unwrap(s, d, k.Wrapped)
	switch {
	case badWrapped(err):
		return 0, fmt.Errorf("%w: %w", hsm.ErrWrapped, err)
	case vague(err):
		// SoftHSM2 says the same of an altered key and of a token that is gone:
		// only one that still has its domain key can blame the wrapped key.
		if t.present(e) == nil && s.verify(d, isDomain) == nil {
			return 0, fmt.Errorf("%w: %w", hsm.ErrWrapped, err)
		}
	}
	return h, err
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

// Random returns n bytes of the token's generator, 64 KiB at most.
func (t *Token) Random(ctx context.Context, n int) ([]byte, error) {
	if n < 0 || n > maxRandom {
		return nil, fmt.Errorf("random: %d bytes asked for, %d at most", n, maxRandom)
	}
	if err := ctx.Err(); n == 0 || err != nil {
		return nil, err
	}
	random := func(e *epoch) (b []byte, err error) {
		err = e.lend(ctx, func(s session) error {
			b, err = s.random(n)
			return err
		})
		return b, err
	}
	e := t.epoch.Load()
	b, err := random(e)
	if err == nil || !e.loses(err) {
		return b, explain(err)
	}
	return attempt(ctx, t, random)
}
