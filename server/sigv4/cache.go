package sigv4

import (
	"container/list"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// Secrets finds the secret of an access key. It is asked only when [Cache] does
// not hold the derived key.
type Secrets interface {
	// Secret returns the secret access key, active now, that id and token name;
	// token is "" for a long-lived key. It keeps the contract of [Keys] for
	// errors. The caller wipes the value.
	Secret(ctx context.Context, id, token string) (Secret, error)
}

// Secret is a secret access key. It prints as [redacted].
type Secret struct {
	Value []byte
	// Expires is when the session ends; zero means never.
	Expires time.Time
}

// String hides the secret.
func (Secret) String() string { return "[redacted]" }

// Format hides the secret from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText hides the secret from JSON and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Cache is [Keys] that remembers: the least recently used of a bounded number
// of derived keys is dropped. It never holds a secret access key.
type Cache struct {
	secrets Secrets
	now     func() time.Time
	size    int

	mu      sync.Mutex // guards the rest
	entries map[cacheKey]*list.Element
	recent  list.List // of *cacheEntry, the most recently used first
	// forgotten counts the calls of Forget: a secret that was read before one
	// of them must not be remembered after it.
	forgotten uint64
}

type cacheKey struct {
	id, date, region, service string
	token                     [sha256.Size]byte
}

type cacheEntry struct {
	cacheKey
	key     Key
	expires time.Time
}

// NewCache makes a cache of size derived keys, at least one. now is the clock
// of sessions, against which [Secret.Expires] is held.
func NewCache(secrets Secrets, size int, now func() time.Time) *Cache {
	return &Cache{secrets: secrets, now: now, size: max(size, 1), entries: map[cacheKey]*list.Element{}}
}

// SigningKey keeps the contract of [Keys].
func (c *Cache) SigningKey(ctx context.Context, cred Credential) (Key, error) {
	at := cacheKey{id: cred.AccessKeyID, date: cred.Date, region: cred.Region, service: cred.Service}
	if cred.Token != "" {
		at.token = sha256.Sum256([]byte(cred.Token))
	}
	entry, seen := c.lookup(at)
	if entry == nil {
		secret, err := c.secrets.Secret(ctx, cred.AccessKeyID, cred.Token)
		if err != nil {
			return Key{}, err
		}
		entry = &cacheEntry{at, DeriveKey(secret.Value, cred), secret.Expires}
		clear(secret.Value)
		c.remember(entry, seen)
	}
	if !entry.expires.IsZero() && !c.now().Before(entry.expires) {
		return Key{}, ErrExpiredToken
	}
	return entry.key, nil
}

// Forget drops every key derived for the access key. When it returns, no
// request that begins later is verified without asking Secrets again.
func (c *Cache) Forget(accessKeyID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten++
	for at, e := range c.entries {
		if at.id == accessKeyID {
			c.drop(e)
		}
	}
}

func (c *Cache) lookup(at cacheKey) (entry *cacheEntry, forgotten uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[at]
	if e == nil {
		return nil, c.forgotten
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cacheEntry), c.forgotten
}

func (c *Cache) remember(entry *cacheEntry, seen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgotten != seen || c.entries[entry.cacheKey] != nil {
		return
	}
	c.entries[entry.cacheKey] = c.recent.PushFront(entry)
	if c.recent.Len() > c.size {
		c.drop(c.recent.Back())
	}
}

func (c *Cache) drop(e *list.Element) {
	delete(c.entries, c.recent.Remove(e).(*cacheEntry).cacheKey)
}
