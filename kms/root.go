package kms

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/store"
)

// rootKeys is the record of what everything else stands on.
type rootKeys struct {
	Version int      `json:"v"`
	Token   hsm.Info `json:"token"`   // the token that the state was made with
	Domain  string   `json:"domain"`  // id of the domain key, which wraps new material
	Sealing []byte   `json:"sealing"` // the sealing key, wrapped
	Check   string   `json:"check"`   // its material id: proves that it opened rightly
}

// sealingNumber is the number of the one sealing key there is so far.
const sealingNumber = 1

func newRootKeys(ctx context.Context, cfg Config) (rootKeys, error) {
	raw := make([]byte, 16)
	if _, err := io.ReadFull(cfg.Random, raw); err != nil {
		return rootKeys{}, err
	}
	domain := hex.EncodeToString(raw)
	if err := cfg.Token.CreateDomainKey(ctx, domain); err != nil {
		return rootKeys{}, fmt.Errorf("domain key: %w", err)
	}
	sealing, err := cfg.Token.Generate(ctx, domain, hsm.HMACSHA256)
	if err != nil {
		return rootKeys{}, fmt.Errorf("sealing key: %w", err)
	}
	check, err := materialID(ctx, cfg.Token, hsm.Key{Type: hsm.HMACSHA256, Domain: domain, Wrapped: sealing})
	if err != nil {
		return rootKeys{}, fmt.Errorf("sealing key: %w", err)
	}
	return rootKeys{Version: 1, Token: cfg.Token.Info(), Domain: domain, Sealing: sealing, Check: check}, nil
}

func refuseExisting(tx Tx) error {
	_, err := tx.Get(rootPath)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return errors.New("root keys: exist in the store already")
}

// check proves that token holds the domain key of the record. Another token may
// hold a copy of it: that is a spare, and welcome.
func (r rootKeys) check(ctx context.Context, token hsm.Token) error {
	wrong := func(reason string) error {
		return &WrongTokenError{Made: r.Token, Present: token.Info(), Reason: reason}
	}
	domains, err := token.DomainKeys(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(domains, r.Domain) {
		return wrong("domain key " + r.Domain + " is not on it")
	}
	id, err := materialID(ctx, token, hsm.Key{Type: hsm.HMACSHA256, Domain: r.Domain, Wrapped: r.Sealing})
	switch {
	case errors.Is(err, hsm.ErrWrapped):
		return wrong("its domain key does not open the sealing key")
	case err != nil:
		return err
	case id != r.Check:
		return wrong("its domain key opens another sealing key")
	}
	return nil
}
