package piv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/keyd-hsm/keyd/hsm"
)

// Generate makes a secret and returns it wrapped.
func (t *Token) Generate(ctx context.Context, domain string, of hsm.KeyType) ([]byte, error) {
	k := tokenKind{of: of}
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	if err := k.checkSecret(); err != nil {
		return nil, err
	}
	return t.wrap(domain, k, newSecret(k.form()))
}

func newSecret(f keyForm) []byte {
	b := make([]byte, f.size)
	rand.Read(b)
	return b
}

// wrappedAAD binds a wrapped form to its domain key's id and its type. It does not
// bind the use, which the pool of RSA keys decides later, as a PKCS#11 token does not.
func wrappedAAD(domain string, k tokenKind) []byte {
	return fields(labelWrapped, domain, k.form().name)
}

// wrap wraps material under a domain key, and wipes it.
func (t *Token) wrap(domain string, k tokenKind, material []byte) (wrapped []byte, err error) {
	defer clear(material)
	err = t.withDomain(domain, func(key []byte) error {
		wrapped, err = wrapUnder(key, wrappedAAD(domain, k), material)
		return err
	})
	return wrapped, err
}

// usableKey refuses keys that need not be looked for.
func usableKey(k hsm.Key) error {
	if (k.Resident != "") == (k.Wrapped != nil) {
		return errors.New("key: exactly one of wrapped form and resident id is wanted")
	}
	return tokenKind{k.Type, k.Use}.check()
}

// unwrap is the material of a key, wrapped or resident. The caller wipes it.
func (t *Token) unwrap(k hsm.Key) (material []byte, err error) {
	kind := tokenKind{k.Type, k.Use}
	if k.Resident != "" {
		return t.readResident(k.Resident, kind)
	}
	err = t.withDomain(k.Domain, func(key []byte) error {
		material, err = unwrapUnder(key, wrappedAAD(k.Domain, kind), k.Wrapped)
		return err
	})
	return material, err
}

// lookup finds a working copy, and says which moment it is.
func (t *Token) lookup(name string, k tokenKind, use func(*workingCopy)) (found bool, now uint64, err error) {
	t.mu.Lock() // a look changes what was used last
	defer t.mu.Unlock()
	if err := t.open(); err != nil {
		return false, 0, err
	}
	w := t.cache.find(name, k)
	if w == nil {
		return false, t.cache.forgets, nil
	}
	use(w)
	return true, 0, nil
}

// keep keeps a working copy and wipes material.
func (t *Token) keep(name string, k tokenKind, material []byte, p pair, then uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.open(); err != nil {
		clear(material)
		return err
	}
	return t.cache.add(name, k, material, p, then)
}

// secretOf copies the secret k into to, which the caller wipes, and says how long
// it is.
func (t *Token) secretOf(k hsm.Key, to *[secretSize]byte) (n int, err error) {
	name, kind := copyName(k), tokenKind{k.Type, k.Use}
	found, now, err := t.lookup(name, kind, func(w *workingCopy) { n = copy(to[:], t.memory.bytes(w.secret)) })
	if found || err != nil {
		return n, err
	}
	m, err := t.unwrap(k)
	if err != nil {
		return 0, err
	}
	defer clear(m)
	if len(m) != kind.form().size {
		return 0, fmt.Errorf("secret of %d bytes: %w", len(m), hsm.ErrWrapped)
	}
	n = copy(to[:], m)
	return n, t.keep(name, kind, m, nil, now)
}

// pairOf is the private key k.
func (t *Token) pairOf(k hsm.Key) (p pair, err error) {
	name, kind := copyName(k), tokenKind{k.Type, k.Use}
	found, now, err := t.lookup(name, kind, func(w *workingCopy) { p = w.pair })
	if found || err != nil {
		return p, err
	}
	m, err := t.unwrap(k)
	if err != nil {
		return nil, err
	}
	defer clear(m)
	if p, err = parsePair(kind.form(), m); err != nil {
		return nil, fmt.Errorf("%w: %w", hsm.ErrWrapped, err)
	}
	return p, t.keep(name, kind, nil, p, now)
}
