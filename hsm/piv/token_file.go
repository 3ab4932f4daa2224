package piv

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/internal/durable"
)

// tokenFile is the file of a token, docs/spec/piv-token.md. There is nothing in it
// that must be secret, and nothing that can be altered without notice once the
// token is open.
type tokenFile struct {
	Version int            `json:"version"`
	Token   string         `json:"token"` // 32 hexadecimal digits, random
	Cards   []cardRecord   `json:"cards"`
	Domains []domainRecord `json:"domain_keys"`
}

// cardRecord is the token key, sealed to a key on a card.
type cardRecord struct {
	Serial    uint32 `json:"serial"`
	Slot      string `json:"slot"`
	Algorithm string `json:"algorithm"`
	PublicKey []byte `json:"public_key"` // the point, uncompressed (SEC 1, section 2.3.3)
	Sealed    []byte `json:"sealed"`
}

// domainRecord is a domain key, wrapped under the token key.
type domainRecord struct {
	ID      string `json:"id"`
	Wrapped []byte `json:"wrapped"`
}

// Bounds of a token's file: ids of domain keys may be escaped to six times their
// length.
const (
	maxCards     = 8
	maxTokenFile = 1 << 20
)

// parseTokenFile reads a token's file, and refuses what it does not know.
func parseTokenFile(text []byte) (tokenFile, error) {
	var f tokenFile
	if len(text) > maxTokenFile {
		return f, fmt.Errorf("longer than %d bytes", maxTokenFile)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("no token file: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return f, errors.New("no token file: something follows")
	}
	return f, f.check()
}

func (f tokenFile) check() error {
	id, err := hex.DecodeString(f.Token)
	switch {
	case f.Version != 1:
		return fmt.Errorf("version %d: this keyd knows version 1", f.Version)
	case err != nil || len(id) != 16 || hex.EncodeToString(id) != f.Token:
		return errors.New("token: want 32 hexadecimal digits")
	case len(f.Cards) == 0 || len(f.Cards) > maxCards:
		return fmt.Errorf("%d cards: want 1 to %d", len(f.Cards), maxCards)
	case len(f.Domains) > MaxDomainKeys:
		return fmt.Errorf("%d domain keys: %d at most", len(f.Domains), MaxDomainKeys)
	}
	for _, c := range f.Cards {
		if _, err := c.key(); err != nil {
			return err
		}
	}
	seen := make(map[string]bool)
	for _, d := range f.Domains {
		if err := checkID(d.ID); err != nil {
			return err
		}
		if seen[d.ID] || len(d.Wrapped) != wrapOverhead+keySize {
			return fmt.Errorf("domain key %.64q: stands twice, or is none", d.ID)
		}
		seen[d.ID] = true
	}
	return nil
}

// key is what the record says of a card, if that can be.
func (c cardRecord) key() (CardKey, error) {
	slot, err := ParseSlot(c.Slot)
	if err != nil {
		return CardKey{}, err
	}
	curve := map[string]ecdh.Curve{string(P256): ecdh.P256(), string(P384): ecdh.P384()}[c.Algorithm]
	if curve == nil {
		return CardKey{}, fmt.Errorf("card %d: algorithm %.20q: %w", c.Serial, c.Algorithm, ErrAlgorithm)
	}
	public, err := curve.NewPublicKey(c.PublicKey)
	if err != nil {
		return CardKey{}, fmt.Errorf("card %d: public key is not on its curve", c.Serial)
	}
	if len(c.Sealed) != len(c.PublicKey)+keySize+16 {
		return CardKey{}, fmt.Errorf("card %d: sealed key of %d bytes", c.Serial, len(c.Sealed))
	}
	return CardKey{Serial: c.Serial, Slot: slot, Public: public}, nil
}

// sealContext is what the sealed token key is bound to.
func (f tokenFile) sealContext(k CardKey) []byte {
	return fields(labelCard, f.Token, strconv.FormatUint(uint64(k.Serial), 10), k.Slot.String(), string(k.Public.Bytes()))
}

// add seals the token key to one more card.
func (f *tokenFile) add(k CardKey, key []byte) error {
	if len(f.Cards) >= maxCards {
		return fmt.Errorf("%d cards at most", maxCards)
	}
	sealed, err := sealTo(k.Public, f.sealContext(k), key)
	if err != nil {
		return err
	}
	algorithm := P256
	if k.Public.Curve() == ecdh.P384() {
		algorithm = P384
	}
	f.Cards = append(slices.Clone(f.Cards), cardRecord{
		Serial: k.Serial, Slot: k.Slot.String(), Algorithm: string(algorithm), PublicKey: k.Public.Bytes(), Sealed: sealed,
	})
	return nil
}

// info names the token after the card it was made with.
func (f tokenFile) info() hsm.Info {
	c := f.Cards[0]
	return hsm.Info{
		Label: fmt.Sprintf("YubiKey %d slot %s", c.Serial, c.Slot), Serial: f.Token,
		Manufacturer: "keyd", Model: "host memory",
	}
}

func (f tokenFile) has(id string) bool {
	return slices.ContainsFunc(f.Domains, func(d domainRecord) bool { return d.ID == id })
}

func (f tokenFile) ids() []string {
	ids := []string{}
	for _, d := range f.Domains {
		ids = append(ids, d.ID)
	}
	slices.Sort(ids)
	return ids
}

// write makes the file durable: after a crash there is the old one or the new.
func (f tokenFile) write(path string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(text, '\n'), 0o600)
}
