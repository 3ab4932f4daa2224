package piv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/keyd-hsm/keyd/hsm"
)

// Token is an [hsm.Token] for machines that have a YubiKey and no full HSM. Its
// keys are worked in this process's memory; the card guards them while they are
// not there. [CreateToken] makes one, [LoadToken] reads it, sealed, and
// [SealedToken.Unseal] opens it with the card. docs/spec/piv-token.md says what is
// stored and how.
//
// What that means for the host:
//
//   - Sealed, as in a file, a backup or a daemon that waits for its PIN, the keys
//     are worth nothing without the card, its PIN and, where the slot's policy says
//     so, a touch.
//   - Open, whoever reads this process's memory has them all, and the card plays no
//     part any more: to pull it changes nothing until the token is closed.
//   - The token key, the domain keys, and secrets in use stand in memory that is
//     locked (not swapped) and left out of core dumps, and is wiped by Close; a
//     secret also by Forget, and when it leaves the cache.
//   - Private keys of pairs in use, and the copies that Go's cryptography works on
//     for the length of a call, stand in the heap: out of core dumps if the process
//     is not dumpable, but neither locked nor wiped. Where that matters, encrypt
//     the swap or have none.
//   - Signatures and decryption are Go's, whose time does not depend on the key;
//     those of secp256k1 are not, and the plain RSA operation is blinded instead.
//
// A resident key of this token is a file beside the token's, sealed as all else is.
type Token struct {
	path    string // of the token's file
	info    hsm.Info
	makers  chan struct{} // bounds the pairs that are made at a time
	making  sync.WaitGroup
	changes sync.Mutex // held while files are written; guards nothing else

	mu     sync.RWMutex // guards what follows; held for reading while a secret is read
	closed bool
	memory *memory
	key    secret // the token key, which wraps the others
	domain map[string]secret
	file   tokenFile
	cache  workingCopies
}

var _ hsm.Token = (*Token)(nil)

// MaxDomainKeys is how many domain keys a token holds at most.
const MaxDomainKeys = 64

// defaultWorking is how many unwrapped keys are kept if nobody says.
const defaultWorking = 10240

// maxID is how long the id of a domain key or resident key may be, in bytes.
const maxID = 1024

// newToken makes an open token of a file and its token key, which it wipes.
func newToken(path string, f tokenFile, key []byte, working int) (_ *Token, err error) {
	defer clear(key)
	if working <= 0 {
		working = defaultWorking
	}
	m, err := newMemory(1 + MaxDomainKeys + working)
	if err != nil {
		return nil, err
	}
	t := &Token{
		path: path, info: f.info(), file: f, memory: m, domain: make(map[string]secret),
		makers: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), cache: newWorkingCopies(m, working),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	if t.key, err = m.put(key); err != nil {
		return nil, err
	}
	for _, d := range f.Domains {
		opened, err := t.openRecord(labelDomain, d.ID, d.Wrapped)
		if err == nil && len(opened) != keySize {
			err = errAltered
		}
		if err != nil {
			return nil, fmt.Errorf("token %v: domain key %q: %w", t.info, d.ID, err)
		}
		if t.domain[d.ID], err = m.put(opened); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Info says which token this is: the card, and a serial number of the token's own.
func (t *Token) Info() hsm.Info { return t.info }

// Capabilities says what the token can do, in PKCS#11's names.
func (t *Token) Capabilities() hsm.Capabilities {
	return hsm.Capabilities{Mechanisms: slices.Clone(mechanisms)}
}

// mechanisms are what Go does here, sorted.
var mechanisms = []string{
	"CKM_AES_KEY_GEN", "CKM_ECDH1_DERIVE", "CKM_ECDSA", "CKM_EC_EDWARDS_KEY_PAIR_GEN", "CKM_EC_KEY_PAIR_GEN", "CKM_EDDSA",
	"CKM_GENERIC_SECRET_KEY_GEN", "CKM_RSA_AES_KEY_WRAP", "CKM_RSA_PKCS", "CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_PKCS_OAEP",
	"CKM_RSA_PKCS_PSS", "CKM_RSA_X_509", "CKM_SHA224_HMAC", "CKM_SHA256_HMAC", "CKM_SHA384_HMAC", "CKM_SHA512_HMAC", "CKM_SHA_1_HMAC",
}

// begin refuses work for a caller that has gone, or on a closed token.
func (t *Token) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.open()
}

// open refuses a closed token. The caller holds mu.
func (t *Token) open() error {
	if t.closed {
		return fmt.Errorf("token %v: closed: %w", t.info, hsm.ErrUnavailable)
	}
	return nil
}

func checkID(id string) error {
	if id == "" || len(id) > maxID || !utf8.ValidString(id) {
		return fmt.Errorf("key id of %d bytes: 1 to %d of UTF-8 are allowed", len(id), maxID)
	}
	return nil
}

// CreateDomainKey makes a domain key and stores it, wrapped.
func (t *Token) CreateDomainKey(ctx context.Context, id string) error {
	if err := errors.Join(t.begin(ctx), checkID(id)); err != nil {
		return err
	}
	t.changes.Lock()
	defer t.changes.Unlock()
	t.mu.RLock()
	f, exists := t.file, t.file.has(id)
	t.mu.RUnlock()
	switch {
	case exists:
		return fmt.Errorf("domain key %q: %w", id, hsm.ErrExists)
	case len(f.Domains) >= MaxDomainKeys:
		return fmt.Errorf("token %v: %d domain keys, which is all it holds", t.info, MaxDomainKeys)
	}
	key := make([]byte, keySize)
	rand.Read(key)
	wrapped, err := t.sealRecord(labelDomain, id, key)
	if err != nil {
		return err
	}
	f.Domains = append(slices.Clone(f.Domains), domainRecord{ID: id, Wrapped: wrapped})
	if err := f.write(t.path); err != nil {
		return fmt.Errorf("domain key %q: %w", id, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.file = f
	if err := t.open(); err != nil {
		clear(key)
		return err
	}
	t.domain[id], err = t.memory.put(key)
	return err
}

// DomainKeys lists the ids of the domain keys, sorted.
func (t *Token) DomainKeys(ctx context.Context) ([]string, error) {
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.file.ids(), nil
}

// Check reports whether the token is open and has the domain key. It does not look
// for the card, which an open token does not need.
func (t *Token) Check(ctx context.Context, domain string) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	return t.withDomain(domain, func([]byte) error { return nil })
}

// maxRandom bounds one answer of Random.
const maxRandom = 64 << 10

// Random returns n bytes of the system's generator, 64 KiB at most.
func (t *Token) Random(ctx context.Context, n int) ([]byte, error) {
	if n < 0 || n > maxRandom {
		return nil, fmt.Errorf("random: %d bytes asked for, %d at most", n, maxRandom)
	}
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	rand.Read(b)
	return b, nil
}

// Forget wipes the working copy of a key.
func (t *Token) Forget(k hsm.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.cache.forget(copyName(k))
	}
}

// Close wipes all keys. Calls under way finish, or answer hsm.ErrUnavailable.
func (t *Token) Close() error {
	err := t.wipe()
	t.making.Wait()
	return err
}

func (t *Token) wipe() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	t.domain, t.cache = nil, workingCopies{}
	return t.memory.release()
}
