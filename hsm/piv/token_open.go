package piv

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/keyd-hsm/keyd/hsm"
)

// CardKey names a P-256 or P-384 key on a card, which a token is sealed to.
type CardKey struct {
	Serial uint32
	Slot   Slot
	Public *ecdh.PublicKey
}

// String is the form people read: "YubiKey 12345678, slot 9d".
func (k CardKey) String() string { return fmt.Sprintf("YubiKey %d, slot %v", k.Serial, k.Slot) }

// CreateToken makes the file of a new token at path, sealed to those keys, each of
// which opens it alone, and the open token. It needs no card: the public keys do.
// ErrExists when there is a file already. Working bounds the unwrapped keys that
// the token keeps; 0 means 10,240.
func CreateToken(path string, working int, keys ...CardKey) (*Token, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s: %w", path, hsm.ErrExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	id, key := make([]byte, 16), make([]byte, keySize)
	rand.Read(id)
	rand.Read(key)
	defer clear(key)
	f := tokenFile{Version: 1, Token: hex.EncodeToString(id), Domains: []domainRecord{}}
	for _, k := range keys {
		if err := f.add(k, key); err != nil {
			return nil, fmt.Errorf("%v: %w", k, err)
		}
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := f.write(path); err != nil {
		return nil, err
	}
	return newToken(path, f, key, working)
}

// SealedToken is a token's file: what a daemon has that waits for its PIN. There is
// no key in it that its holder could use.
type SealedToken struct {
	path string
	file tokenFile
}

// LoadToken reads the file of a token; fs.ErrNotExist when there is none.
func LoadToken(path string) (*SealedToken, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return nil, err
	}
	parsed, err := parseTokenFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &SealedToken{path, parsed}, nil
}

// Info says which token it is.
func (s *SealedToken) Info() hsm.Info { return s.file.info() }

// Keys are the keys on cards that open it.
func (s *SealedToken) Keys() []CardKey {
	keys := make([]CardKey, len(s.file.Cards))
	for i, c := range s.file.Cards {
		keys[i], _ = c.key() // was checked when it was read
	}
	return keys
}

// ErrAltered: the token's file does not open with the key on the card that it names.
var ErrAltered = errAltered

// Unseal opens the token with one of Keys. The private key on the card is used
// once, by agree, whose errors come as they are. ErrAltered when the card did its
// part and the file does not open. The file is read again: the token may have been
// given domain keys since, and what is unsealed writes the file from what it knows.
func (s *SealedToken) Unseal(k CardKey, working int, agree func(peer *ecdh.PublicKey) ([]byte, error)) (*Token, error) {
	now, err := LoadToken(s.path)
	if err != nil {
		return nil, err
	}
	if now.file.Token != s.file.Token {
		return nil, fmt.Errorf("%s: %w", s.path, errAltered)
	}
	for i, known := range now.Keys() {
		if known.Serial != k.Serial || known.Slot != k.Slot || !known.Public.Equal(k.Public) {
			continue
		}
		key, err := openWith(k.Public, agree, now.file.sealContext(k), now.file.Cards[i].Sealed)
		if err != nil {
			return nil, fmt.Errorf("YubiKey %d: %w", k.Serial, err)
		}
		return newToken(s.path, now.file, key, working)
	}
	return nil, fmt.Errorf("%v: the token is not sealed to this key: %w", k, ErrOtherKey)
}

// SealsTo reads the key in a slot of a card as one that a token can be sealed to.
func (c *Card) SealsTo(ctx context.Context, s Slot) (CardKey, error) {
	if s != KeyManagement && !s.Retired() {
		return CardKey{}, fmt.Errorf("slot %v: tokens are sealed to keys in 9d and 82 to 95", s)
	}
	public, err := c.Public(ctx, s)
	if err != nil {
		return CardKey{}, err
	}
	return sealingKey(c.info.Serial, s, public)
}

func sealingKey(serial uint32, s Slot, public any) (CardKey, error) {
	p, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return CardKey{}, fmt.Errorf("slot %v: P-256 and P-384 can seal: %w", s, ErrAlgorithm)
	}
	point, err := p.ECDH()
	if err != nil {
		return CardKey{}, fmt.Errorf("slot %v: %w", s, err)
	}
	if _, err := kemKDF(point.Curve()); err != nil {
		return CardKey{}, fmt.Errorf("slot %v: %w", s, err)
	}
	return CardKey{Serial: serial, Slot: s, Public: point}, nil
}
