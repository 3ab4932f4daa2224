package kms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
)

// MakeKey makes the material of a draft in the token and returns the key, ready to
// be stored by [Service.CreateKey]. If it comes to nothing, the caller calls
// [Service.Abandon] with the key; after an error there is nothing to abandon.
func (s *Service) MakeKey(ctx context.Context, draft *Key) (*Key, error) {
	if draft.Origin == OriginExternal {
		waiting := *draft
		waiting.State = PendingImport
		return &waiting, nil
	}
	m, err := s.takePooled(ctx, draft)
	if err != nil {
		return nil, err
	}
	if m.pooled == "" {
		if m, err = s.makeFirst(ctx, draft); err != nil {
			return nil, err
		}
	}
	made := *draft
	made.State, made.Current, made.material = Enabled, m.Number, map[uint32]Material{m.Number: m}
	return &made, nil
}

// makeFirst makes the first material of a draft.
func (s *Service) makeFirst(ctx context.Context, draft *Key) (Material, error) {
	if !draft.announced() {
		return s.makeMaterial(ctx, draft, 1)
	}
	// A crash from here on leaves an unmade key, perhaps with an object on the
	// token: the next start takes back both.
	err := s.db.Update(ctx, func(tx Tx) error {
		return errors.Join(put(tx, unmadePath(draft), draft.planned(1)), s.storeKey(tx, draft))
	})
	var m Material
	if err == nil {
		m, err = s.makeMaterial(ctx, draft, 1)
	}
	if err != nil {
		s.Abandon(ctx, draft)
	}
	return m, err
}

// announced reports whether the key is visible while it is being made.
func (k *Key) announced() bool {
	return k.Origin != OriginExternal && (specs[k.Spec].slow || k.resident())
}

// resident reports whether the key's material stays on the token.
func (k *Key) resident() bool { return specs[k.Spec].resident || k.CustomStore != "" }

// planned is material before the token has made it.
func (k *Key) planned(number uint32) Material {
	m := Material{Version: 1, Number: number, Store: k.CustomStore}
	if k.resident() {
		m.Resident = fmt.Sprintf("%s.%d", k.ID, number)
	}
	return m
}

// makeMaterial makes backing key number of k in the token.
func (s *Service) makeMaterial(ctx context.Context, k *Key, number uint32) (Material, error) {
	m := k.planned(number)
	if specs[k.Spec].slow {
		if err := s.slow.enter(ctx); err != nil {
			return Material{}, err
		}
		defer s.slow.leave()
	}
	if err := s.generate(ctx, k, &m); err != nil {
		return Material{}, fmt.Errorf("backing key: %w", err)
	}
	m.Created = s.now()
	var err error
	m.ID, err = s.identify(ctx, k, m)
	return m, err
}

func (s *Service) generate(ctx context.Context, k *Key, m *Material) (err error) {
	token, kind, use := s.tokenOf(*m), specs[k.Spec].kind, k.hsmUse()
	if m.Resident == "" {
		m.Domain = s.root.Domain
	}
	switch {
	case k.Asymmetric() && m.Resident != "":
		m.Public, err = token.GenerateResidentPair(ctx, m.Resident, kind, use)
	case k.Asymmetric():
		m.Wrapped, m.Public, err = token.GeneratePair(ctx, m.Domain, kind, use)
	case m.Resident != "":
		err = token.GenerateResident(ctx, m.Resident, kind)
	default:
		m.Wrapped, err = token.Generate(ctx, m.Domain, kind)
	}
	return err
}

// identify names material without saying anything about it: a pair by its public
// key, a MAC key by a MAC, both hashed; encryption keys as the specification says.
func (s *Service) identify(ctx context.Context, k *Key, m Material) (string, error) {
	if k.Symmetric() {
		return materialID(ctx, s.tokenOf(m), m.key(k))
	}
	public := m.Public
	if !k.Asymmetric() {
		var err error
		if public, err = s.tokenOf(m).MAC(ctx, m.key(k), []byte(labelMaterialID)); err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:]), nil
}

// A gate lets a bounded number in, so that work of seconds leaves room for others.
type gate chan struct{}

func newGate() gate { return make(gate, max(1, runtime.GOMAXPROCS(0)/2)) }

func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g }
