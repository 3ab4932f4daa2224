package kms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/keyd-hsm/keyd/hsm"
)

// Unavailable is the state that keys of a custom key store are shown in while it
// is not connected. It is never stored: the key's own state comes back with the
// connection.
const Unavailable State = "Unavailable"

// inStore returns k with the store that it is in, as things stand now.
func (s *Service) inStore(ctx context.Context, tx Tx, k *Key) (*Key, error) {
	st, err := s.CustomStore(ctx, tx, k.Region, k.CustomStore)
	if err != nil {
		return nil, err
	}
	in := *k
	in.cluster = st.Cluster
	in.connected = s.StateOf(st) == StoreConnected
	return &in, nil
}

// Cluster is the cluster id of the key's custom key store; "" for other keys.
func (k *Key) Cluster() string { return k.cluster }

// Shown is the state that the key is described in.
func (k *Key) Shown() State {
	if k.unavailable() {
		return Unavailable
	}
	return k.State
}

// unavailable reports whether the key cannot be used because its store is not
// connected.
func (k *Key) unavailable() bool {
	return k.CustomStore != "" && !k.connected && (k.State == Enabled || k.State == Disabled)
}

// StoreForKey finds a custom key store that a key can be made in now.
func (s *Service) StoreForKey(ctx context.Context, region, id string) (*CustomStore, error) {
	st, err := s.CustomStore(ctx, nil, region, id)
	if err != nil {
		return nil, err
	}
	if state := s.StateOf(st); state != StoreConnected {
		return nil, refuse(CodeStoreState, "Custom key store %s is %s; it must be CONNECTED.", id, state)
	}
	return st, nil
}

// StoreRandom is [Service.Random] with the token of a custom key store.
func (s *Service) StoreRandom(ctx context.Context, region, id string, n int) ([]byte, error) {
	if _, err := s.StoreForKey(ctx, region, id); err != nil {
		return nil, err
	}
	return s.randomFrom(ctx, s.tokenOf(Material{Store: id}), n)
}

// tokenOf is the token that has the material, or opens it. One of a store that is
// not connected answers everything with hsm.ErrUnavailable.
func (s *Service) tokenOf(m Material) hsm.Token {
	if m.Store == "" {
		return s.token
	}
	if token := s.connections.token(m.Store); token != nil {
		return token
	}
	return awayToken(m.Store)
}

// forgetDoomed drops the notes of objects that are to be destroyed on the token of
// a store.
func forgetDoomed(tx Tx, storeID string) error {
	var paths []string
	for path, value := range tx.Scan(doomedRecords, "") {
		var m Material
		if err := json.Unmarshal(value, &m); err != nil {
			return fmt.Errorf("record %s: %w", path, err)
		}
		if m.Store == storeID {
			paths = append(paths, path)
		}
	}
	var errs []error
	for _, path := range paths {
		errs = append(errs, tx.Delete(path))
	}
	return errors.Join(errs...)
}

// awayToken is the token of a store that is not connected, by the store's id.
type awayToken string

var _ hsm.Token = awayToken("")

func (t awayToken) away() error {
	return fmt.Errorf("custom key store %s is not connected: %w", string(t), hsm.ErrUnavailable)
}

func (t awayToken) Info() hsm.Info                                           { return hsm.Info{Label: string(t)} }
func (t awayToken) Capabilities() hsm.Capabilities                           { return hsm.Capabilities{} }
func (t awayToken) CreateDomainKey(context.Context, string) error            { return t.away() }
func (t awayToken) DomainKeys(context.Context) ([]string, error)             { return nil, t.away() }
func (t awayToken) DestroyResident(context.Context, string) error            { return t.away() }
func (t awayToken) Random(context.Context, int) ([]byte, error)              { return nil, t.away() }
func (t awayToken) MAC(context.Context, hsm.Key, []byte) ([]byte, error)     { return nil, t.away() }
func (t awayToken) Decrypt(context.Context, hsm.Key, []byte) ([]byte, error) { return nil, t.away() }
func (t awayToken) Derive(context.Context, hsm.Key, []byte) ([]byte, error)  { return nil, t.away() }
func (t awayToken) Forget(hsm.Key)                                           {}
func (t awayToken) Check(context.Context, string) error                      { return t.away() }
func (t awayToken) Close() error                                             { return nil }
func (t awayToken) Generate(context.Context, string, hsm.KeyType) ([]byte, error) {
	return nil, t.away()
}
func (t awayToken) GenerateResident(context.Context, string, hsm.KeyType) error { return t.away() }
func (t awayToken) GeneratePair(context.Context, string, hsm.KeyType, hsm.Use) (wrapped, public []byte, err error) {
	return nil, nil, t.away()
}
func (t awayToken) GenerateResidentPair(context.Context, string, hsm.KeyType, hsm.Use) ([]byte, error) {
	return nil, t.away()
}
func (t awayToken) Import(context.Context, string, hsm.KeyType, hsm.Use, hsm.Envelope) (wrapped, public []byte, err error) {
	return nil, nil, t.away()
}
func (t awayToken) Sign(context.Context, hsm.Key, hsm.Signing, []byte) ([]byte, error) {
	return nil, t.away()
}
